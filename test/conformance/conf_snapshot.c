/* conf_snapshot.c - checks of saved state (T107-T114). */
#include "conformance.h"

static const struct conf_check checks[] = {
	{107, "Save→restore→save byte-equal on every backend (idempotence)", "any snapshot", NULL,
	 "not written yet"},
	{108, "Save on A, restore on B for all ordered pairs incl. software; masked elements reported", "any snapshot", NULL,
	 "not written yet"},
	{109, "Restore with missing feature → E_FEATURE naming the bit, no partial restore", "any snapshot", NULL,
	 "not written yet"},
	{110, "State version N read by N+1 and vice versa (unknown optional element skipped)", "any snapshot", NULL,
	 "not written yet"},
	{111, "Save during pending irq/NMI/exception/shadow/HLT/SIPI-wait", "any snapshot", NULL,
	 "not written yet"},
	{112, "10⁴ random save/restore points of a self-checking guest", "any snapshot", NULL,
	 "not written yet"},
	{113, "Fuzzed state blob: no crash, typed error", "any snapshot", NULL,
	 "not written yet"},
	{114, "Save order robustness: LAPIC/MSR/SREGS/VCPU_EVENTS permutations give same result", "x86 snapshot", NULL,
	 "not written yet"},
};

CONF_GROUP(snapshot, checks, NULL, 0);
