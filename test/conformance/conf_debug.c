/* conf_debug.c - checks of debugging, translation and emulation (T100-T106). */
#include "conformance.h"

static const struct conf_check checks[] = {
	{100, "Single-step: every insn class, over IO/MMIO/CPUID/HLT/REP (per iteration), syscall, IRET, STI, MOV SS", "any debug", NULL,
	 "not written yet"},
	{101, "Hw breakpoints exec/write/access, 4+; guest uses DRs at the same time; across mode switch", "any debug", NULL,
	 "not written yet"},
	{102, "INT3 & #DB routed to guest when not owned; DR6 shown right", "x86 debug", NULL,
	 "not written yet"},
	{103, "Translate: 2-level, PSE, PAE (PDPTE, PDE index!), 4-level, LA57, NX, SMAP/SMEP, U/S, non-canonical, A/D no side effect", "x86 debug", NULL,
	 "not written yet"},
	{104, "Translate: 4K/16K/64K granule, 2 stages, TTBR0/1, block, AP/PXN", "arm64 debug", NULL,
	 "arm64 is not written yet"},
	{105, "Emulator differential: random insn on backend vs software CPU, compare all state", "any debug", NULL,
	 "not written yet"},
	{106, "Emulator faults: #GP limit/#SS/#PF/#AC raised with right RIP and error code, no partial commit", "x86 debug", NULL,
	 "not written yet"},
};

CONF_GROUP(debug, checks, NULL, 0);
