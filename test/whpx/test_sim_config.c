/* The simulated platform before any partition: personalities and the text that chooses them, capabilities, properties,
 * what CPUID follows from them, the exports of each Windows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "sim/whpx/config.h"
#include "sim/whpx/notimpl.h"
#include "sim/whpx/property.h"

void *vma_whpx_sim_symbol(const char *name);

enum { EAX, EBX, ECX, EDX };
#define CODE(name) WHvPartitionPropertyCode##name

static int fresh(void **state)
{
	(void)state;
	return whpsim_configure("");
}

/* ------ the text ------ */

static void texts(void **state)
{
	static const char *const bad[] = {
		"2005",    "11,2004",   "gpa53",     "gpa",        "gpa46x",
		"hostile", "hostile=",  "hostile=0", "hostile=1x", "no-",
		"no-such", "no-xsave-", "denied!",   " 11",        "a-word-that-is-longer-than-any-of-them-could-be"};
	(void)state;
	assert_int_equal(whpsim_configure("2004,hostile=0x10,gpa36,one-partition,no-xsave,no-msr-exit"), 0);
	assert_int_equal(whpsim_config()->version, WHPSIM_2004);
	assert_int_equal(whpsim_config()->seed, 16);
	assert_int_equal(whpsim_config()->gpa_bits, 36);
	assert_true(whpsim_config()->one_partition);
	assert_false(whpsim_config()->features.Xsave);
	assert_true(whpsim_config()->features.DirtyPageTracking);
	assert_false(whpsim_config()->exits.X64MsrExit);
	assert_true(whpsim_config()->exits.X64CpuidExit);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(whpsim_configure(bad[i]), -1);
	assert_int_equal(whpsim_config()->version, WHPSIM_2004); /* nothing changed */
	assert_int_equal(whpsim_configure(""), 0);
	assert_int_equal(whpsim_config()->version, WHPSIM_11);
	assert_int_equal(whpsim_config()->seed, 0);
	assert_int_equal(whpsim_configure("denied"), 0); /* no personality named */
	assert_int_equal(whpsim_config()->version, WHPSIM_11);
	assert_true(whpsim_config()->denied);
}

/* ------ exports ------ */

static size_t exported(const char *text)
{
	size_t n = 0;
	assert_int_equal(whpsim_configure(text), 0);
#define COUNT(name, since, arguments) n += vma_whpx_sim_symbol(#name) != NULL;
	WHP_PLATFORM_FUNCTIONS(COUNT) WHP_EMULATION_FUNCTIONS(COUNT) return n;
}

static void exports(void **state)
{
	(void)state;
	assert_int_equal(exported("24h2"), 70);
	assert_int_equal(exported("11"), 70);
	assert_int_equal(exported("2004"), 33);
	assert_non_null(vma_whpx_sim_symbol("WHvGetVirtualProcessorInterruptControllerState2"));
	assert_null(vma_whpx_sim_symbol("WHvGetVirtualProcessorState"));
	assert_int_equal(exported("1809"), 27);
	assert_null(vma_whpx_sim_symbol("WHvSuspendPartitionTime"));
	assert_int_equal(exported("1803"), 19);
	assert_non_null(vma_whpx_sim_symbol("WHvRunVirtualProcessor"));
	assert_null(vma_whpx_sim_symbol("WHvRequestInterrupt"));
	assert_non_null(vma_whpx_sim_symbol("WinHvPlatform.dll"));
	assert_null(vma_whpx_sim_symbol("KERNEL32.dll"));
	assert_int_equal(exported("absent"), 0);
	assert_null(vma_whpx_sim_symbol("WinHvPlatform.dll"));
}

static void unimplemented(void **state)
{
	uint64_t before = whpsim_unimplemented_calls();
	void *trigger;
	(void)state;
	assert_int_equal(WHvDeleteTrigger(NULL, NULL), E_NOTIMPL);
	assert_int_equal(WHvStartPartitionMigration(NULL, &trigger), E_NOTIMPL);
	assert_int_equal(whpsim_unimplemented_calls(), before + 2);
	assert_string_equal(whpsim_unimplemented_last(), "WHvStartPartitionMigration");
}

/* ------ capabilities ------ */

static uint64_t capability(WHV_CAPABILITY_CODE code, uint32_t size)
{
	uint64_t v = 0;
	uint32_t written = 0;
	assert_int_equal(WHvGetCapability(code, &v, sizeof v, &written), S_OK);
	assert_int_equal(written, size);
	return v;
}

static void capabilities(void **state)
{
	uint8_t small[3];
	uint32_t written = 0;
	(void)state;
	assert_int_equal(capability(WHvCapabilityCodeHypervisorPresent, 4), 1);
	assert_int_equal(capability(WHvCapabilityCodeFeatures, 8), whpsim_config()->features.AsUINT64);
	assert_int_equal(capability(WHvCapabilityCodeProcessorVendor, 4), WHvProcessorVendorIntel);
	assert_int_equal(capability(WHvCapabilityCodeProcessorClFlushSize, 1), 8);
	assert_int_equal(WHvGetCapability(WHvCapabilityCodeHypervisorPresent, small, 3, &written),
			 WHV_E_INSUFFICIENT_BUFFER);
	assert_int_equal(written, 4);
	assert_int_equal(WHvGetCapability(WHvCapabilityCodeHypervisorPresent, NULL, 4, NULL), E_POINTER);
	assert_int_equal(WHvGetCapability(0x7777, small, 3, NULL), WHV_E_UNKNOWN_CAPABILITY);
	assert_int_equal(WHvGetCapability(WHvCapabilityCodePhysicalAddressWidth, &written, 4, NULL),
			 WHV_E_UNKNOWN_CAPABILITY);
	assert_int_equal(whpsim_configure("24h2,gpa39"), 0);
	assert_int_equal(capability(WHvCapabilityCodePhysicalAddressWidth, 4), 39);
}

static void capabilities_of_others(void **state)
{
	uint64_t v;
	(void)state;
	assert_int_equal(whpsim_configure("1803"), 0);
	assert_int_equal(capability(WHvCapabilityCodeFeatures, 8), 0);
	assert_int_equal(capability(WHvCapabilityCodeExceptionExitBitmap, 8), 0);
	assert_int_equal(WHvGetCapability(WHvCapabilityCodeProcessorClockFrequency, &v, 8, NULL),
			 WHV_E_UNKNOWN_CAPABILITY);
	assert_int_equal(whpsim_configure("2004"), 0);
	assert_int_equal(capability(WHvCapabilityCodeProcessorClockFrequency, 8), WHPSIM_HZ);
	assert_int_equal(WHvGetCapability(WHvCapabilityCodeProcessorFeaturesBanks, &v, 8, NULL),
			 WHV_E_UNKNOWN_CAPABILITY);
	assert_int_equal(whpsim_configure("disabled"), 0);
	assert_int_equal(capability(WHvCapabilityCodeHypervisorPresent, 4), 0);
	assert_int_equal(WHvGetCapability(WHvCapabilityCodeFeatures, &v, 8, NULL), WHV_E_UNKNOWN_CAPABILITY);
}

/* ------ properties ------ */

static HRESULT set32(struct whpsim_properties *p, bool after, WHV_PARTITION_PROPERTY_CODE code, uint32_t v)
{
	return whpsim_property_set(p, after, code, &v, sizeof v);
}

static HRESULT set64(struct whpsim_properties *p, bool after, WHV_PARTITION_PROPERTY_CODE code, uint64_t v)
{
	return whpsim_property_set(p, after, code, &v, sizeof v);
}

static void values(void **state)
{
	struct whpsim_properties p;
	uint64_t v = 0;
	uint32_t written;
	(void)state;
	whpsim_properties_init(&p);
	assert_int_equal(p.processor_count, 0);
	assert_int_equal(set32(&p, false, CODE(ProcessorCount), 0), E_INVALIDARG);
	assert_int_equal(set32(&p, false, CODE(ProcessorCount), WHPSIM_MAX_VPS + 1), E_INVALIDARG);
	assert_int_equal(set64(&p, false, CODE(ProcessorCount), 3), S_OK); /* a larger buffer will do */
	assert_int_equal(whpsim_property_set(&p, false, CODE(ProcessorCount), &v, 3), E_INVALIDARG);
	assert_int_equal(whpsim_property_set(&p, false, CODE(ProcessorCount), NULL, 4), E_POINTER);
	assert_int_equal(p.processor_count, 3);
	assert_int_equal(whpsim_property_get(&p, CODE(ProcessorCount), &v, 2, &written), WHV_E_INSUFFICIENT_BUFFER);
	assert_int_equal(written, 4);
	assert_int_equal(whpsim_property_get(&p, CODE(ProcessorCount), &v, sizeof v, NULL), S_OK);
	assert_int_equal(v, 3);
	assert_int_equal(set64(&p, false, CODE(ExtendedVmExits), 1 << 4),
			 E_INVALIDARG); /* not among the capabilities */
	assert_int_equal(set64(&p, false, CODE(ExtendedVmExits), 3), S_OK);
	assert_int_equal(set64(&p, false, CODE(ExceptionExitBitmap), 1 << 2), E_INVALIDARG); /* NMI */
	assert_int_equal(set64(&p, false, CODE(ExceptionExitBitmap), 1 << 13), S_OK);
	assert_int_equal(set32(&p, false, CODE(SeparateSecurityDomain), 2), E_INVALIDARG);
	assert_int_equal(set32(&p, false, CODE(NestedVirtualization), 1), WHV_E_UNSUPPORTED_HYPERVISOR_CONFIG);
	assert_int_equal(set64(&p, false, CODE(ProcessorFeatures), UINT64_MAX), E_INVALIDARG);
	assert_int_equal(set32(&p, false, CODE(LocalApicEmulationMode), 3), E_INVALIDARG);
	assert_int_equal(set32(&p, false, CODE(LocalApicEmulationMode), WHvX64LocalApicEmulationModeXApic), S_OK);
	assert_int_equal(set64(&p, false, CODE(ProcessorClockFrequency), 1), E_INVALIDARG);
	assert_int_equal(set64(&p, false, CODE(ProcessorClockFrequency), 2500000000), S_OK);
	assert_int_equal(p.tsc_hz, 2500000000);
	assert_int_equal(set32(&p, false, (WHV_PARTITION_PROPERTY_CODE)0x777, 1), WHV_E_UNKNOWN_PROPERTY);
	assert_int_equal(whpsim_property_get(&p, (WHV_PARTITION_PROPERTY_CODE)0x777, &v, 8, NULL),
			 WHV_E_UNKNOWN_PROPERTY);
	whpsim_properties_free(&p);
}

static void after_setup(void **state)
{
	struct whpsim_properties p;
	uint32_t leaves[2] = {1, 7};
	(void)state;
	whpsim_properties_init(&p);
	assert_int_equal(set32(&p, true, CODE(ProcessorCount), 2), E_INVALIDARG);
	assert_int_equal(set64(&p, true, CODE(ProcessorFeatures), 0), E_INVALIDARG);
	assert_int_equal(set64(&p, true, CODE(ExtendedVmExits), 7), S_OK);
	assert_int_equal(set64(&p, true, CODE(ExceptionExitBitmap), 8), S_OK);
	assert_int_equal(set64(&p, true, CODE(X64MsrExitBitmap), 1), S_OK);
	assert_int_equal(whpsim_property_set(&p, true, CODE(CpuidExitList), leaves, sizeof leaves), S_OK);
	assert_int_equal(whpsim_configure("1809"), 0); /* until 1909 nothing may change */
	assert_int_equal(set64(&p, true, CODE(ExtendedVmExits), 3), E_INVALIDARG);
	assert_int_equal(p.exits.AsUINT64, 7);
	whpsim_properties_free(&p);
}

static void of_other_windows(void **state)
{
	struct whpsim_properties p;
	WHV_PROCESSOR_FEATURES_BANKS b = {.BanksCount = 2};
	(void)state;
	whpsim_properties_init(&p);
	assert_int_equal(whpsim_property_set(&p, false, CODE(ProcessorFeaturesBanks), &b, sizeof b), S_OK);
	assert_int_equal(p.features.bank[0], 0);
	b.BanksCount = 1;
	assert_int_equal(whpsim_property_set(&p, false, CODE(ProcessorFeaturesBanks), &b, sizeof b), E_INVALIDARG);
	assert_int_equal(whpsim_configure("2004"), 0);
	b.BanksCount = 2;
	assert_int_equal(whpsim_property_set(&p, false, CODE(ProcessorFeaturesBanks), &b, sizeof b),
			 WHV_E_UNKNOWN_PROPERTY);
	assert_int_equal(whpsim_configure("2004,invalidarg"), 0);
	assert_int_equal(whpsim_property_set(&p, false, CODE(ProcessorFeaturesBanks), &b, sizeof b), E_INVALIDARG);
	assert_int_equal(whpsim_configure("no-lapic"), 0);
	assert_int_equal(set32(&p, false, CODE(LocalApicEmulationMode), 1), E_INVALIDARG);
	assert_int_equal(set32(&p, false, CODE(LocalApicEmulationMode), 0), S_OK);
	assert_int_equal(whpsim_configure("no-xsave"), 0);
	assert_int_equal(set64(&p, false, CODE(ProcessorXsaveFeatures), 1), E_INVALIDARG);
	whpsim_properties_free(&p);
}

/* ------ CPUID ------ */

static void cpuid_of_banks(void **state)
{
	struct whpsim_properties p;
	WHV_PROCESSOR_FEATURES f = {.AsUINT64 = 0};
	WHV_PROCESSOR_XSAVE_FEATURES none = {.AsUINT64 = 0};
	uint32_t out[4];
	(void)state;
	whpsim_properties_init(&p);
	p.processor_count = 2;
	whpsim_cpuid(&p, 1, 1, 0, out);
	assert_int_equal(out[EBX] >> 24, 1);             /* APIC id */
	assert_int_equal(out[EBX] >> 16 & 0xff, 2);      /* processors */
	assert_true(out[ECX] >> 31 & 1);                 /* hypervisor */
	assert_true(out[ECX] & 1 && out[ECX] >> 28 & 1); /* SSE3, AVX */
	assert_false(out[ECX] >> 3 & 1);                 /* MONITOR has no name in WHPX */
	whpsim_cpuid(&p, 1, 7, 0, out);
	assert_false(out[ECX] >> 3 & 1); /* nor have protection keys */
	assert_true(out[EBX] >> 5 & 1);  /* AVX2 */
	f.Sse3Support = 1;
	assert_int_equal(whpsim_property_set(&p, false, CODE(ProcessorFeatures), &f, sizeof f), S_OK);
	assert_int_equal(whpsim_property_set(&p, false, CODE(ProcessorXsaveFeatures), &none, sizeof none), S_OK);
	whpsim_cpuid(&p, 0, 1, 0, out);
	assert_int_equal(out[ECX] & ~(1u << 31 | 1u << 21), 1 | 1 << 24); /* TSC deadline is of the second bank */
	assert_true(out[EDX] & 1);                                        /* what has no bit stays */
	whpsim_cpuid(&p, 0, 7, 0, out);
	assert_int_equal((out[EBX] & ~2u) | out[ECX] | out[EDX], 0); /* TSC_ADJUST is of the second bank */
	whpsim_cpuid(&p, 0, 0x40000000, 0, out);
	assert_memory_equal(out + 1, "Microsoft Hv", 12);
	whpsim_properties_free(&p);
}

/* Before Windows 11 nobody can ask for the second bank, so no guest has it. */
static void cpuid_of_one_bank(void **state)
{
	struct whpsim_properties p;
	uint32_t out[4];
	(void)state;
	whpsim_properties_init(&p);
	whpsim_cpuid(&p, 0, 1, 0, out);
	assert_true(out[ECX] >> 24 & 1); /* TSC deadline */
	assert_int_equal(whpsim_configure("2004"), 0);
	whpsim_properties_init(&p);
	whpsim_cpuid(&p, 0, 1, 0, out);
	assert_false(out[ECX] >> 24 & 1);
	assert_true(out[ECX] & 1);
}

static void cpuid_lists(void **state)
{
	struct whpsim_properties p;
	WHV_X64_CPUID_RESULT whole[] = {{.Function = 7, .Eax = 1, .Ebx = 2, .Ecx = 3, .Edx = 4}};
	WHV_X64_CPUID_RESULT2 part[] = {
		{.Function = 7,
		 .Index = 1,
		 .Flags = WHvX64CpuidResult2FlagSubleafSpecific,
		 .Output.Ebx = 0xff00,
		 .Mask.Ebx = 0xf000},
		{.Function = 0xb,
		 .VpIndex = 1,
		 .Flags = WHvX64CpuidResult2FlagVpSpecific,
		 .Output.Edx = 9,
		 .Mask.Edx = UINT32_MAX},
	};
	uint32_t out[4], leaves[] = {7};
	(void)state;
	whpsim_properties_init(&p);
	assert_int_equal(whpsim_property_set(&p, false, CODE(CpuidResultList), whole, sizeof whole), S_OK);
	assert_int_equal(whpsim_property_set(&p, false, CODE(CpuidResultList), whole, sizeof whole - 1), E_INVALIDARG);
	assert_int_equal(whpsim_property_set(&p, false, CODE(CpuidResultList2), part, sizeof part), S_OK);
	whpsim_cpuid(&p, 0, 7, 0, out);
	assert_memory_equal(out, &whole[0].Eax, 16);
	whpsim_cpuid(&p, 0, 7, 1, out);
	assert_int_equal(out[EBX], 0xf002);
	whpsim_cpuid(&p, 0, 0xb, 5, out);
	assert_int_equal(out[EDX], 0);
	whpsim_cpuid(&p, 1, 0xb, 5, out);
	assert_int_equal(out[EDX], 9);
	assert_int_equal(whpsim_property_set(&p, false, CODE(CpuidExitList), leaves, sizeof leaves), S_OK);
	assert_false(whpsim_cpuid_exits(&p, 7)); /* X64CpuidExit is off */
	p.exits.X64CpuidExit = 1;
	assert_true(whpsim_cpuid_exits(&p, 7));
	assert_false(whpsim_cpuid_exits(&p, 1));
	assert_int_equal(whpsim_property_set(&p, false, CODE(CpuidExitList), NULL, 0), S_OK);
	assert_false(whpsim_cpuid_exits(&p, 7));
	assert_int_equal(whpsim_property_get(&p, CODE(CpuidExitList), leaves, sizeof leaves, NULL), E_INVALIDARG);
	whpsim_properties_free(&p);
}

static void msr_list(void **state)
{
	struct whpsim_properties p;
	WHV_MSR_ACTION_ENTRY a[] = {
		{.Index = 0x123, .ReadAction = WHvMsrActionExit, .WriteAction = WHvMsrActionIgnoreWriteReadZero}};
	bool listed;
	(void)state;
	whpsim_properties_init(&p);
	assert_int_equal(whpsim_property_set(&p, false, CODE(MsrActionList), a, sizeof a), S_OK);
	assert_int_equal(whpsim_msr_action(&p, 0x123, false, &listed), WHvMsrActionExit);
	assert_true(listed);
	assert_int_equal(whpsim_msr_action(&p, 0x123, true, &listed), WHvMsrActionIgnoreWriteReadZero);
	assert_int_equal(whpsim_msr_action(&p, 0x10, true, &listed), WHvMsrActionArchitectureDefault);
	assert_false(listed);
	a[0].WriteAction = 3;
	assert_int_equal(whpsim_property_set(&p, false, CODE(MsrActionList), a, sizeof a), E_INVALIDARG);
	whpsim_properties_free(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(texts, fresh),
		cmocka_unit_test_setup(exports, fresh),
		cmocka_unit_test_setup(unimplemented, fresh),
		cmocka_unit_test_setup(capabilities, fresh),
		cmocka_unit_test_setup(capabilities_of_others, fresh),
		cmocka_unit_test_setup(values, fresh),
		cmocka_unit_test_setup(after_setup, fresh),
		cmocka_unit_test_setup(of_other_windows, fresh),
		cmocka_unit_test_setup(cpuid_of_banks, fresh),
		cmocka_unit_test_setup(cpuid_of_one_bank, fresh),
		cmocka_unit_test_setup(cpuid_lists, fresh),
		cmocka_unit_test_setup(msr_list, fresh),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
