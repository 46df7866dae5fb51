/* conf_cpuid.c - checks of CPUID and features (T080-T083). */
#include "conformance.h"

static const struct conf_check checks[] = {
	{80, "Leaf 1 EBX APIC id per vCPU, leaf 0xB/0x1F per vCPU, OSXSAVE mirrors CR4, leaf 0xD sizes vs XCR0", "x86 cpuid", NULL,
	 "not written yet"},
	{81, "Masked feature bit → instruction #UD (e.g. AVX off)", "x86 cpuid", NULL,
	 "not written yet"},
	{82, "CPUID result table with subleaves 4,7,0xB,0xD; duplicates; change after run → E_STATE", "x86 cpuid", NULL,
	 "not written yet"},
	{83, "Max phys addr 36/39/46: GPA beyond → reserved-bit fault", "x86 cpuid", NULL,
	 "not written yet"},
};

CONF_GROUP(cpuid, checks, NULL, 0);
