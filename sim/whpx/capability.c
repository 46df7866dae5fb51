/* capability.c - WHvGetCapability. */
#include <string.h>
#include "config.h"
#include "features.h"
#include "property.h"

static void features(WHV_CAPABILITY *c)
{
	c->Features = whpsim_config()->features;
}

static void exits(WHV_CAPABILITY *c)
{
	c->ExtendedVmExits = whpsim_config()->exits;
}

static void exceptions(WHV_CAPABILITY *c)
{
	/* 1803 says none, and lets them be set all the same */
	bool unsaid = whpsim_config()->version < WHPSIM_1809 || whpsim_config()->exceptions_unsaid;
	c->ExceptionExitBitmap = unsaid ? 0 : WHPSIM_EXCEPTIONS;
}

static void msrs(WHV_CAPABILITY *c)
{
	c->X64MsrExitBitmap.AsUINT64 = WHPSIM_MSR_EXITS;
}

static void vendor(WHV_CAPABILITY *c)
{
	c->ProcessorVendor = WHvProcessorVendorIntel;
}

static void processor(WHV_CAPABILITY *c)
{
	c->ProcessorFeatures.AsUINT64 = whpsim_features_max().bank[0];
}

static void clflush(WHV_CAPABILITY *c)
{
	c->ProcessorClFlushSize = WHPSIM_CLFLUSH;
}

static void xsave(WHV_CAPABILITY *c)
{
	c->ProcessorXsaveFeatures.AsUINT64 = whpsim_config()->features.Xsave ? whpsim_features_max().xsave : 0;
}

static void frequency(WHV_CAPABILITY *c)
{
	c->ProcessorClockFrequency = WHPSIM_HZ;
}

static void banks(WHV_CAPABILITY *c)
{
	struct whpsim_features f = whpsim_features_max();
	c->ProcessorFeaturesBanks.BanksCount = WHV_PROCESSOR_FEATURES_BANKS_COUNT;
	memcpy(c->ProcessorFeaturesBanks.AsUINT64, f.bank, sizeof f.bank);
}

static void synthetic(WHV_CAPABILITY *c)
{
	c->SyntheticProcessorFeaturesBanks.BanksCount = 1;
}

static void nothing(WHV_CAPABILITY *c)
{
	(void)c;
}

static void width(WHV_CAPABILITY *c)
{
	c->PhysicalAddressWidth = whpsim_config()->gpa_bits;
}

static const struct capability {
	WHV_CAPABILITY_CODE code;
	unsigned since;
	uint32_t size;
	void (*fill)(WHV_CAPABILITY *c);
} rows[] = {
	{WHvCapabilityCodeFeatures, WHPSIM_1803, 8, features},
	{WHvCapabilityCodeExtendedVmExits, WHPSIM_1803, 8, exits},
	{WHvCapabilityCodeExceptionExitBitmap, WHPSIM_1803, 8, exceptions},
	{WHvCapabilityCodeX64MsrExitBitmap, WHPSIM_1803, 8, msrs},
	{WHvCapabilityCodeGpaRangePopulateFlags, WHPSIM_11, 4, nothing},
	{WHvCapabilityCodeProcessorVendor, WHPSIM_1803, 4, vendor},
	{WHvCapabilityCodeProcessorFeatures, WHPSIM_1803, 8, processor},
	{WHvCapabilityCodeProcessorClFlushSize, WHPSIM_1803, 1, clflush},
	{WHvCapabilityCodeProcessorXsaveFeatures, WHPSIM_1803, 8, xsave},
	{WHvCapabilityCodeProcessorClockFrequency, WHPSIM_1909, 8, frequency},
	{WHvCapabilityCodeInterruptClockFrequency, WHPSIM_1909, 8, frequency},
	{WHvCapabilityCodeProcessorFeaturesBanks, WHPSIM_11, sizeof(WHV_PROCESSOR_FEATURES_BANKS), banks},
	{WHvCapabilityCodeProcessorFrequencyCap, WHPSIM_11, sizeof(WHV_CAPABILITY_PROCESSOR_FREQUENCY_CAP), nothing},
	{WHvCapabilityCodeSyntheticProcessorFeaturesBanks, WHPSIM_11, sizeof(WHV_SYNTHETIC_PROCESSOR_FEATURES_BANKS),
	 synthetic},
	{WHvCapabilityCodeProcessorPerfmonFeatures, WHPSIM_11, 8, nothing},
	{WHvCapabilityCodePhysicalAddressWidth, WHPSIM_24H2, 4, width},
};

/* Without a hypervisor nothing but its absence is known. */
static const struct capability *find(WHV_CAPABILITY_CODE code)
{
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (rows[i].code == code && rows[i].since <= whpsim_config()->version && !whpsim_config()->disabled)
			return &rows[i];
	return NULL;
}

/* Sets of bits: what the replayed Windows says, as far as the simulation does it. Frequencies are the simulation's own.
 */
static bool is_set(WHV_CAPABILITY_CODE code)
{
	static const WHV_CAPABILITY_CODE sets[] = {
		WHvCapabilityCodeExceptionExitBitmap,     WHvCapabilityCodeX64MsrExitBitmap,
		WHvCapabilityCodeProcessorFeatures,       WHvCapabilityCodeProcessorXsaveFeatures,
		WHvCapabilityCodeProcessorFeaturesBanks,  WHvCapabilityCodeSyntheticProcessorFeaturesBanks,
		WHvCapabilityCodeProcessorPerfmonFeatures,
	};
	for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
		if (sets[i] == code)
			return true;
	return false;
}

static HRESULT replay(const struct whpsim_answer *a, WHV_CAPABILITY *value)
{
	const uint8_t *there = a->bytes;
	if (is_set((WHV_CAPABILITY_CODE)a->code))
		for (uint32_t i = 0; i < sizeof *value; i++)
			((uint8_t *)value)[i] &= i < a->size ? there[i] : 0;
	else if (a->code == WHvCapabilityCodeProcessorVendor || a->code == WHvCapabilityCodeProcessorClFlushSize)
		memcpy(value, there, a->size < sizeof *value ? a->size : sizeof *value);
	return a->hr;
}

HRESULT WHvGetCapability(WHV_CAPABILITY_CODE CapabilityCode, void *CapabilityBuffer,
			 uint32_t CapabilityBufferSizeInBytes, uint32_t *WrittenSizeInBytes)
{
	WHV_CAPABILITY value;
	uint32_t size = sizeof value.HypervisorPresent;
	memset(&value, 0, sizeof value);
	if (whpsim_config()->invalid)
		return E_FAIL;
	if (CapabilityCode == WHvCapabilityCodeHypervisorPresent) {
		value.HypervisorPresent = !whpsim_config()->disabled;
	} else {
		const struct capability *c = find(CapabilityCode);
		if (!c)
			return WHV_E_UNKNOWN_CAPABILITY;
		c->fill(&value);
		size = c->size;
		const struct whpsim_answer *a = whpsim_replay_capability(&whpsim_config()->replay, CapabilityCode);
		HRESULT hr = a ? replay(a, &value) : S_OK;
		if (hr)
			return hr;
	}
	return whpsim_give(&value, size, CapabilityBuffer, CapabilityBufferSizeInBytes, WrittenSizeInBytes);
}
