/* property.c - one row a property: when it can be set, what it may be, where it is kept. */
#include <stdlib.h>
#include <string.h>
#include "config.h"
#include "notimpl.h"
#include "property.h"

enum {
	LATE = 1,    /* can be set after setup, since 1909 */
	LIST = 2,    /* any number of elements; cannot be read */
	BOOLEAN = 4, /* 0 or 1 */
	ABSENT = 8   /* this simulation has it not */
};

struct row {
	WHV_PARTITION_PROPERTY_CODE code;
	unsigned since, flags;
	uint32_t size; /* bytes, of a list's element */
	size_t field;
	HRESULT (*check)(const void *value, uint32_t count);
};

static bool within(uint64_t bits, uint64_t most)
{
	return !(bits & ~most);
}

static uint64_t number(const void *value)
{
	uint64_t v;
	memcpy(&v, value, sizeof v);
	return v;
}

static HRESULT when(bool fine)
{
	return fine ? S_OK : E_INVALIDARG;
}

/* ------ what each may be ------ */

static HRESULT check_count(const void *value, uint32_t count)
{
	uint32_t n;
	(void)count;
	memcpy(&n, value, sizeof n);
	return when(n >= 1 && n <= WHPSIM_MAX_VPS);
}

static HRESULT check_exits(const void *value, uint32_t count)
{
	(void)count;
	return when(within(number(value), whpsim_config()->exits.AsUINT64));
}

static HRESULT check_exceptions(const void *value, uint32_t count)
{
	(void)count;
	return when(within(number(value), WHPSIM_EXCEPTIONS));
}

static HRESULT check_msr_exits(const void *value, uint32_t count)
{
	(void)count;
	return when(within(number(value), WHPSIM_MSR_EXITS));
}

/* Where some cannot be taken away, it is every third. */
static bool features_within(uint64_t bits, uint64_t most)
{
	const uint64_t third = UINT64_C(0x9249249249249249);
	uint64_t fixed = whpsim_config()->fixed_features ? most & third : 0;
	return within(bits, most) && !(fixed & ~bits);
}

static HRESULT check_features(const void *value, uint32_t count)
{
	(void)count;
	return when(features_within(number(value), whpsim_features_max().bank[0]));
}

static HRESULT check_banks(const void *value, uint32_t count)
{
	struct whpsim_features max = whpsim_features_max();
	WHV_PROCESSOR_FEATURES_BANKS b;
	(void)count;
	memcpy(&b, value, sizeof b);
	return when(b.BanksCount == WHV_PROCESSOR_FEATURES_BANKS_COUNT && !b.Reserved0 &&
		    features_within(b.AsUINT64[0], max.bank[0]) && features_within(b.AsUINT64[1], max.bank[1]));
}

static HRESULT check_xsave(const void *value, uint32_t count)
{
	(void)count;
	return when(features_within(number(value), whpsim_config()->features.Xsave ? whpsim_features_max().xsave : 0));
}

static HRESULT check_clflush(const void *value, uint32_t count)
{
	(void)count;
	return when(*(const uint8_t *)value == WHPSIM_CLFLUSH);
}

static HRESULT check_apic_mode(const void *value, uint32_t count)
{
	uint32_t mode;
	(void)count;
	memcpy(&mode, value, sizeof mode);
	if (mode == WHvX64LocalApicEmulationModeX2Apic && whpsim_config()->xapic_only)
		return E_INVALIDARG;
	return when(mode <= WHvX64LocalApicEmulationModeX2Apic &&
		    (!mode || whpsim_config()->features.LocalApicEmulation));
}

static HRESULT check_never(const void *value, uint32_t count)
{
	(void)count;
	return *(const uint32_t *)value ? WHV_E_UNSUPPORTED_HYPERVISOR_CONFIG : S_OK;
}

/* What processors and Windows allow is not written: here a tenth to ten times of the host's. */
static HRESULT check_tsc(const void *value, uint32_t count)
{
	uint64_t hz = number(value), host = WHPSIM_HZ;
	(void)count;
	return when(whpsim_config()->no_tsc_scaling ? hz == host : hz >= host / 10 && hz <= host * 10);
}

static HRESULT check_apic_clock(const void *value, uint32_t count)
{
	(void)count;
	return when(number(value) == WHPSIM_HZ); /* irq/ has no other */
}

static HRESULT check_synthetic(const void *value, uint32_t count)
{
	WHV_SYNTHETIC_PROCESSOR_FEATURES_BANKS b;
	(void)count;
	memcpy(&b, value, sizeof b);
	return when(b.BanksCount == 1 && !b.Reserved0 && !b.AsUINT64[0]);
}

static HRESULT check_zero(const void *value, uint32_t count)
{
	(void)count;
	return when(!number(value));
}

static HRESULT check_results2(const void *value, uint32_t count)
{
	const WHV_X64_CPUID_RESULT2 *r = value;
	for (uint32_t i = 0; i < count; i++)
		if (!within(r[i].Flags, WHvX64CpuidResult2FlagSubleafSpecific | WHvX64CpuidResult2FlagVpSpecific))
			return E_INVALIDARG;
	return S_OK;
}

static HRESULT check_results(const void *value, uint32_t count)
{
	const WHV_X64_CPUID_RESULT *r = value;
	for (uint32_t i = 0; i < count; i++)
		if (r[i].Reserved[0] | r[i].Reserved[1] | r[i].Reserved[2])
			return E_INVALIDARG;
	return S_OK;
}

static HRESULT check_actions(const void *value, uint32_t count)
{
	const WHV_MSR_ACTION_ENTRY *a = value;
	for (uint32_t i = 0; i < count; i++)
		if (a[i].ReadAction > WHvMsrActionExit || a[i].WriteAction > WHvMsrActionExit || a[i].Reserved)
			return E_INVALIDARG;
	return S_OK;
}

static HRESULT check_action(const void *value, uint32_t count)
{
	uint32_t action;
	(void)count;
	memcpy(&action, value, sizeof action);
	return when(action <= WHvMsrActionExit);
}

/* ------ the table ------ */

#define AT(member) sizeof(((struct whpsim_properties *)0)->member), offsetof(struct whpsim_properties, member)
#define LIST_AT(type, member) sizeof(type), offsetof(struct whpsim_properties, member)
#define CODE(name) WHvPartitionPropertyCode##name

static const struct row rows[] = {
	{CODE(ExtendedVmExits), WHPSIM_1803, LATE, AT(exits), check_exits},
	{CODE(ExceptionExitBitmap), WHPSIM_1803, LATE, AT(exception_bitmap), check_exceptions},
	{CODE(SeparateSecurityDomain), WHPSIM_1809, BOOLEAN, AT(separate_security_domain), NULL},
	{CODE(NestedVirtualization), WHPSIM_1909, BOOLEAN, AT(nested), check_never},
	{CODE(X64MsrExitBitmap), WHPSIM_1803, LATE, AT(msr_exits), check_msr_exits},
	{CODE(PrimaryNumaNode), WHPSIM_11, 0, 2, offsetof(struct whpsim_properties, scheduling[0]), NULL},
	{CODE(CpuReserve), WHPSIM_11, 0, 4, offsetof(struct whpsim_properties, scheduling[1]), NULL},
	{CODE(CpuCap), WHPSIM_11, 0, 4, offsetof(struct whpsim_properties, scheduling[2]), NULL},
	{CODE(CpuWeight), WHPSIM_11, 0, 4, offsetof(struct whpsim_properties, scheduling[3]), NULL},
	{CODE(CpuGroupId), WHPSIM_11, 0, 8, offsetof(struct whpsim_properties, scheduling[4]), NULL},
	{CODE(ProcessorFrequencyCap), WHPSIM_11, 0, AT(frequency_cap), NULL},
	{CODE(AllowDeviceAssignment), WHPSIM_11, BOOLEAN, AT(device_assignment), check_never},
	{CODE(DisableSmt), WHPSIM_11, BOOLEAN, AT(no_smt), NULL},
	{CODE(ProcessorFeatures), WHPSIM_1803, 0, AT(features.bank[0]), check_features},
	{CODE(ProcessorClFlushSize), WHPSIM_1803, 0, AT(clflush), check_clflush},
	{CODE(CpuidExitList), WHPSIM_1803, LATE | LIST, LIST_AT(uint32_t, cpuid_exits), NULL},
	{CODE(CpuidResultList), WHPSIM_1803, LIST, LIST_AT(WHV_X64_CPUID_RESULT, cpuid_results), check_results},
	{CODE(LocalApicEmulationMode), WHPSIM_1809, 0, AT(apic_mode), check_apic_mode},
	{CODE(ProcessorXsaveFeatures), WHPSIM_1809, 0, AT(features.xsave), check_xsave},
	{CODE(ProcessorClockFrequency), WHPSIM_1909, 0, AT(tsc_hz), check_tsc},
	{CODE(InterruptClockFrequency), WHPSIM_1909, 0, AT(apic_hz), check_apic_clock},
	{CODE(ApicRemoteReadSupport), WHPSIM_2004, BOOLEAN, AT(apic_remote_read), check_never},
	{CODE(ProcessorFeaturesBanks), WHPSIM_11, 0, sizeof(WHV_PROCESSOR_FEATURES_BANKS), 0, check_banks},
	{CODE(ReferenceTime), WHPSIM_11, ABSENT, 8, 0, NULL},
	{CODE(SyntheticProcessorFeaturesBanks), WHPSIM_11, 0, AT(synthetic), check_synthetic},
	{CODE(CpuidResultList2), WHPSIM_11, LIST, LIST_AT(WHV_X64_CPUID_RESULT2, cpuid_results2), check_results2},
	{CODE(ProcessorPerfmonFeatures), WHPSIM_11, 0, AT(perfmon), check_zero},
	{CODE(MsrActionList), WHPSIM_11, LIST, LIST_AT(WHV_MSR_ACTION_ENTRY, msr_actions), check_actions},
	{CODE(UnimplementedMsrAction), WHPSIM_11, 0, AT(unimplemented_msr), check_action},
	{CODE(ProcessorCount), WHPSIM_1803, 0, AT(processor_count), check_count},
};

static const struct row *find(WHV_PARTITION_PROPERTY_CODE code)
{
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (rows[i].code == code && rows[i].since <= whpsim_config()->version)
			return &rows[i];
	return NULL;
}

static HRESULT unknown(void)
{
	return whpsim_config()->invalidarg ? E_INVALIDARG : WHV_E_UNKNOWN_PROPERTY;
}

/* ------ lists ------ */

static HRESULT set_list(struct whpsim_list *list, const struct row *r, const void *buffer, uint32_t size)
{
	uint32_t count = size / r->size;
	void *copy = NULL;
	HRESULT hr;
	if (size % r->size || count > WHPSIM_LIST)
		return E_INVALIDARG;
	if (count && !(copy = malloc(size)))
		return E_OUTOFMEMORY;
	if (count)
		memcpy(copy, buffer, size);
	hr = r->check ? r->check(copy, count) : S_OK;
	if (hr != S_OK) {
		free(copy);
		return hr;
	}
	free(list->at);
	*list = (struct whpsim_list){copy, count};
	return S_OK;
}

void whpsim_properties_init(struct whpsim_properties *p)
{
	memset(p, 0, sizeof *p);
	p->features = whpsim_features_max();
	if (!whpsim_config()->features.Xsave)
		p->features.xsave = 0;
	p->tsc_hz = p->apic_hz = WHPSIM_HZ;
	p->clflush = WHPSIM_CLFLUSH;
	p->synthetic.BanksCount = 1;
}

void whpsim_properties_free(struct whpsim_properties *p)
{
	free(p->cpuid_exits.at);
	free(p->cpuid_results.at);
	free(p->cpuid_results2.at);
	free(p->msr_actions.at);
}

/* ------ set and get ------ */

/* A copy with room for the widest check, whatever the caller's alignment. */
static HRESULT set_value(struct whpsim_properties *p, const struct row *r, const void *buffer)
{
	uint64_t value[4] = {0};
	HRESULT hr;
	memcpy(value, buffer, r->size);
	if ((r->flags & BOOLEAN) && value[0] > 1)
		return E_INVALIDARG;
	hr = r->check ? r->check(value, 1) : S_OK;
	if (hr != S_OK)
		return hr;
	if (r->code == WHvPartitionPropertyCodeProcessorFeaturesBanks)
		memcpy(p->features.bank, value + 1, sizeof p->features.bank);
	else
		memcpy((char *)p + r->field, value, r->size);
	return S_OK;
}

HRESULT whpsim_property_set(struct whpsim_properties *p, bool after_setup, WHV_PARTITION_PROPERTY_CODE code,
			    const void *buffer, uint32_t size)
{
	const struct row *r = find(code);
	if (!r)
		return unknown();
	if (r->flags & ABSENT)
		return whpsim_not_implemented("WHvSetPartitionProperty(ReferenceTime)");
	const struct whpsim_answer *there = whpsim_replay_property(&whpsim_config()->replay, code);
	if (there && there->hr)
		return there->hr;
	if (after_setup && !(r->flags & LATE && whpsim_config()->version >= WHPSIM_1909))
		return E_INVALIDARG;
	if (r->flags & LIST)
		return buffer || !size ? set_list((struct whpsim_list *)((char *)p + r->field), r, buffer, size)
				       : E_POINTER;
	if (!buffer)
		return E_POINTER;
	return size < r->size ? E_INVALIDARG : set_value(p, r, buffer);
}

HRESULT whpsim_property_get(const struct whpsim_properties *p, WHV_PARTITION_PROPERTY_CODE code, void *buffer,
			    uint32_t size, uint32_t *written)
{
	const struct row *r = find(code);
	if (!r)
		return unknown();
	if (r->flags & ABSENT)
		return whpsim_not_implemented("WHvGetPartitionProperty(ReferenceTime)");
	if (r->flags & LIST)
		return E_INVALIDARG;
	if (code == WHvPartitionPropertyCodeProcessorFeaturesBanks) {
		WHV_PROCESSOR_FEATURES_BANKS b = {.BanksCount = WHV_PROCESSOR_FEATURES_BANKS_COUNT};
		memcpy(b.AsUINT64, p->features.bank, sizeof p->features.bank);
		return whpsim_give(&b, sizeof b, buffer, size, written);
	}
	return whpsim_give((const char *)p + r->field, r->size, buffer, size, written);
}

HRESULT whpsim_give(const void *value, uint32_t size, void *buffer, uint32_t room, uint32_t *written)
{
	if (written)
		*written = size;
	if (room < size)
		return WHV_E_INSUFFICIENT_BUFFER;
	if (!buffer)
		return E_POINTER;
	memcpy(buffer, value, size);
	return S_OK;
}
