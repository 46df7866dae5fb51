/* conf_exit.c - checks of exits and their completion (T037-T048). */
#include "conformance.h"

static const struct conf_check checks[] = {
	{37, "RDMSR/WRMSR exit: result, #GP injection option, RIP advance", "x86 exits", NULL,
	 "not written yet"},
	{38, "CPUID exit: per-leaf result, ECX subleaf preserved; 66/REX-prefixed CPUID length", "x86 exits", NULL,
	 "not written yet"},
	{39, "HLT exit: RIP after HLT; with pending IRQ no exit; IF=0 HLT defined", "x86 exits", NULL,
	 "not written yet"},
	{40, "Unknown exit → kind OTHER with raw data; library never aborts", "any exits", NULL,
	 "not written yet"},
	{41, "Triple fault → TRIPLE_FAULT on all backends, registers readable", "x86 exits", NULL,
	 "not written yet"},
	{42, "HVC PC already past, SMC: PC normalised to same rule", "arm64 exits", NULL,
	 "arm64 is not written yet"},
	{43, "WFI returns with deadline = min(vtimer, request); WFE does not block; WFIT timeout", "arm64 exits", NULL,
	 "arm64 is not written yet"},
	{44, "Unknown sysreg read/write: UNDEF injected or exit, per policy", "arm64 exits", NULL,
	 "arm64 is not written yet"},
	{45, "INVD, GETSEC, XSETBV bad, VMX instr: #UD/#GP like the manual, not exit", "x86 exits", NULL,
	 "not written yet"},
	{46, "RDTSC(P), RDRAND, WBINVD, MONITOR: no spurious exits; DIFF declared", "x86 exits", NULL,
	 "not written yet"},
	{47, "Write to RO region → exit with data; memory unchanged; execution continues", "any exits", NULL,
	 "not written yet"},
	{48, "Access above max IPA / unmapped hole: MMIO exit or fault, never host crash", "any exits", NULL,
	 "not written yet"},
};

CONF_GROUP(exit, checks, NULL, 0);
