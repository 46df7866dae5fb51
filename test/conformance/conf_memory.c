/* conf_memory.c - checks of mappings, protection and the log of written pages (T049-T060). */
#include "conformance.h"

static const struct conf_check checks[] = {
	{49, "Map/unmap/remap: old translation gone on all vCPUs (TLB), write lands in new host page", "any memory", NULL,
	 "not written yet"},
	{50, "Unmap while another vCPU spins on it: exits MMIO", "any memory", NULL,
	 "not written yet"},
	{51, "Overlap map → E_EXIST; partial unmap per capability; split regions", "any memory", NULL,
	 "not written yet"},
	{52, "Protect RO→RW→RO loop 10⁴ without infinite-exit", "any memory", NULL,
	 "not written yet"},
	{53, "Alignment 4K vs 16K host: clean error with required value in text", "any memory", NULL,
	 "not written yet"},
	{54, "Same host page mapped at two GPAs (alias) coherent, or E_UNSUPPORTED per capability", "any memory", NULL,
	 "not written yet"},
	{55, "> 32 / > 512 regions; capability number truthful", "any memory", NULL,
	 "not written yet"},
	{56, "Dirty: exactly written pages (guest write, host write excluded/included documented), query does not clear unless asked", "any memory", NULL,
	 "not written yet"},
	{57, "Dirty clear then write again; page-table A/D writes counted; REP MOVS crossing pages", "any memory", NULL,
	 "not written yet"},
	{58, "Dirty + 2 vCPUs: union; disable/enable tracking resets", "any memory", NULL,
	 "not written yet"},
	{59, "Exec permission: NX region fetch fails; X-only", "any memory", NULL,
	 "not written yet"},
	{60, "Host memory freed while mapped: documented; 4 GiB + 1 sizes (64-bit lengths)", "any memory", NULL,
	 "not written yet"},
};

CONF_GROUP(memory, checks, NULL, 0);
