/* whpx_facts.c - what this Windows' hypervisor platform is, for reports: its functions, capabilities, properties and
 * registers, each with the HRESULT that it answers and the bytes. cli/replay.c reads what is written here
 * (docs/report.md). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "core/internal.h"
#include "whpx/whpx.h"

enum { VALUE_MAX = 64 };

struct telling {
	vma_fact *say;
	void *opaque;
	int count;
};

static void tell(struct telling *t, const char *key, const char *value)
{
	t->say(t->opaque, key, value);
	t->count++;
}

/* "0x00000000 0f00000000000000": the HRESULT, and the bytes if it is a success. */
static void put_answer(char *text, size_t size, HRESULT hr, const uint8_t *bytes, uint32_t count)
{
	size_t at = (size_t)snprintf(text, size, "0x%08" PRIx32, (uint32_t)hr);

	for (uint32_t i = 0; !hr && i < count && at + 4 < size; i++)
		at += (size_t)snprintf(text + at, size - at, "%s%02x", i ? "" : " ", bytes[i]);
}

static void tell_code(struct telling *t, const char *what, uint32_t code, const char *answer)
{
	char key[40];

	snprintf(key, sizeof(key), "%s.0x%08" PRIx32, what, code);
	tell(t, key, answer);
}

/* ------ functions ------ */

static void tell_functions(struct telling *t, const char *library, const char *const *names, size_t count)
{
	void *lib = NULL;
	int rc = os_system_library(library, &lib);
	char key[80];

	snprintf(key, sizeof(key), "library.%s", library);
	tell(t, key, rc < 0 ? "no" : "yes");
	for (size_t i = 0; i < count; i++) {
		snprintf(key, sizeof(key), "function.%s", names[i]);
		tell(t, key, rc == 0 && os_symbol(lib, names[i]) ? "yes" : "no");
	}
}

/* ------ capabilities ------ */

/* All that are known, and what else there might be beside them. */
static void tell_capabilities(struct telling *t)
{
	static const uint32_t ranges[][2] = {{0, 0x10}, {0x1000, 0x1020}, {0x2000, 0x2020}};

	for (size_t r = 0; r < VMA_COUNT(ranges); r++)
		for (uint32_t code = ranges[r][0]; code < ranges[r][1]; code++) {
			_Alignas(16) uint8_t value[VALUE_MAX] = {0};
			uint32_t written = 0;
			HRESULT hr = WHPX(GetCapability, (WHV_CAPABILITY_CODE)code, value, sizeof(value), &written);
			char text[2 * VALUE_MAX + 16];

			put_answer(text, sizeof(text), hr, value, written < sizeof(value) ? written : sizeof(value));
			tell_code(t, "capability", code, text);
		}
}

/* ------ properties: what is read before the set-up, and what writing the same back answers ------ */

static const struct {
	WHV_PARTITION_PROPERTY_CODE code;
	const char *name;
} properties[] = {
#define ROW(name, value) {name, #name},
	WHP_PROPERTY_CODES(ROW)
#undef ROW
};

static void tell_properties(struct telling *t, WHV_PARTITION_HANDLE partition)
{
	for (size_t i = 0; i < VMA_COUNT(properties); i++) {
		_Alignas(16) uint8_t value[VALUE_MAX] = {0};
		uint32_t written = 0;
		HRESULT hr = WHPX(GetPartitionProperty, partition, properties[i].code, value, sizeof(value), &written);
		char text[2 * VALUE_MAX + 16];

		written = written < sizeof(value) ? written : sizeof(value);
		put_answer(text, sizeof(text), hr, value, written);
		tell_code(t, "property", properties[i].code, text);
		if (hr)
			continue;
		put_answer(text, sizeof(text),
			   WHPX(SetPartitionProperty, partition, properties[i].code, value, written), NULL, 0);
		tell_code(t, "property-set", properties[i].code, text);
	}
}

/* Lists cannot be read. */
static void tell_lists(struct telling *t, WHV_PARTITION_HANDLE partition)
{
	static const uint32_t leaves[] = {1, 0xd};
	static const WHV_X64_CPUID_RESULT result = {.Function = 0x40000000};
	static const WHV_X64_CPUID_RESULT2 masked = {.Function = 0x40000000};
	static const WHV_MSR_ACTION_ENTRY action = {.Index = 0x10};
	static const struct {
		WHV_PARTITION_PROPERTY_CODE code;
		const void *value;
		uint32_t size;
	} lists[] = {
		{WHvPartitionPropertyCodeCpuidExitList, leaves, sizeof(leaves)},
		{WHvPartitionPropertyCodeCpuidResultList, &result, sizeof(result)},
		{WHvPartitionPropertyCodeCpuidResultList2, &masked, sizeof(masked)},
		{WHvPartitionPropertyCodeMsrActionList, &action, sizeof(action)},
	};

	for (size_t i = 0; i < VMA_COUNT(lists); i++) {
		char text[16];

		put_answer(text, sizeof(text),
			   WHPX(SetPartitionProperty, partition, lists[i].code, lists[i].value, lists[i].size), NULL,
			   0);
		tell_code(t, "property-set", lists[i].code, text);
	}
}

/* ------ which features of the processor can be taken from a guest ------ */

/* One bit at a time of what the property has, which is put back. */
static void tell_features(struct telling *t, WHV_PARTITION_HANDLE partition, WHV_PARTITION_PROPERTY_CODE code,
			  uint64_t *word, const void *value, uint32_t size)
{
	const uint64_t all = *word;
	char key[64], text[16];

	for (unsigned bit = 0; bit < 64; bit++) {
		if (!(all >> bit & 1))
			continue;
		*word = all & ~(UINT64_C(1) << bit);
		snprintf(key, sizeof(key), "feature-off.0x%08" PRIx32 ".%u", (uint32_t)code, bit);
		put_answer(text, sizeof(text), WHPX(SetPartitionProperty, partition, code, value, size), NULL, 0);
		tell(t, key, text);
	}
	*word = all;
	WHPX(SetPartitionProperty, partition, code, value, size);
}

static void tell_all_features(struct telling *t, WHV_PARTITION_HANDLE partition)
{
	WHV_PROCESSOR_FEATURES_BANKS banks = whpx_host.processor;
	WHV_PROCESSOR_XSAVE_FEATURES xsave = whpx_host.xsave;

	tell_features(t, partition, WHvPartitionPropertyCodeProcessorFeatures, &banks.Bank0.AsUINT64, &banks.Bank0,
		      sizeof(banks.Bank0));
	tell_features(t, partition, WHvPartitionPropertyCodeProcessorXsaveFeatures, &xsave.AsUINT64, &xsave,
		      sizeof(xsave));
}

/* ------ what the probe found by trying (whpx_trial.c) ------ */

static void tell_answers(struct telling *t)
{
#define X(name, believed, otherwise)                                                                                   \
	tell(t, "trial." #name,                                                                                        \
	     whpx_host.tried.name == WHPX_BELIEVED    ? "as believed: " believed                                       \
	     : whpx_host.tried.name == WHPX_OTHERWISE ? "otherwise: " otherwise                                        \
						      : "not known");
	WHPX_ANSWERS(X)
#undef X
}

/* What is mapped is mapped again without unmapping it: documents say that it is replaced. */
static void tell_remap(struct telling *t, WHV_PARTITION_HANDLE partition)
{
	static _Alignas(4096) uint8_t page[WHPX_PAGE];
	char text[16];
	HRESULT hr = S_OK;

	for (int i = 0; i < 2 && !hr; i++)
		hr = WHPX(MapGpaRange, partition, page, 0, sizeof(page), WHvMapGpaRangeFlagRead);
	put_answer(text, sizeof(text), hr, NULL, 0);
	tell(t, "trial.remap", text);
}

/* ------ registers of a fresh virtual processor ------ */

static const WHV_REGISTER_NAME registers[] = {
#define ROW(name, value) name,
	WHP_REGISTER_NAMES(ROW)
#undef ROW
};

static void tell_registers(struct telling *t, WHV_PARTITION_HANDLE partition)
{
	for (size_t i = 0; i < VMA_COUNT(registers); i++) {
		_Alignas(16) WHV_REGISTER_VALUE value;
		char text[2 * VALUE_MAX + 16];
		HRESULT hr;

		memset(&value, 0, sizeof(value));
		hr = WHPX(GetVirtualProcessorRegisters, partition, 0, &registers[i], 1, &value);
		put_answer(text, sizeof(text), hr, (const uint8_t *)&value, sizeof(value));
		tell_code(t, "register", (uint32_t)registers[i], text);
		if (hr)
			continue;
		hr = WHPX(SetVirtualProcessorRegisters, partition, 0, &registers[i], 1, &value);
		put_answer(text, sizeof(text), hr, NULL, 0);
		tell_code(t, "register-set", (uint32_t)registers[i], text);
	}
}

static void tell_processor(struct telling *t, WHV_PARTITION_HANDLE partition)
{
	HRESULT hr = WHPX(SetupPartition, partition);
	char text[16];

	put_answer(text, sizeof(text), hr, NULL, 0);
	tell(t, "call.WHvSetupPartition", text);
	if (hr)
		return;
	hr = WHPX(CreateVirtualProcessor, partition, 0, 0);
	put_answer(text, sizeof(text), hr, NULL, 0);
	tell(t, "call.WHvCreateVirtualProcessor", text);
	if (hr)
		return;
	tell_remap(t, partition);
	tell_registers(t, partition);
	whpx_api.DeleteVirtualProcessor(partition, 0);
}

static void tell_partition(struct telling *t)
{
	WHV_PARTITION_HANDLE partition = NULL;
	uint32_t count = 1;
	HRESULT hr = WHPX(CreatePartition, &partition);
	char text[16];

	put_answer(text, sizeof(text), hr, NULL, 0);
	tell(t, "call.WHvCreatePartition", text);
	if (hr)
		return;
	WHPX(SetPartitionProperty, partition, WHvPartitionPropertyCodeProcessorCount, &count, sizeof(count));
	tell_properties(t, partition);
	tell_lists(t, partition);
	tell_all_features(t, partition);
	tell_processor(t, partition);
	whpx_api.DeletePartition(partition);
}

int whpx_facts(vma_fact *say, void *opaque)
{
#define ROW(name, since, arguments) #name,
	static const char *const platform[] = {WHP_PLATFORM_FUNCTIONS(ROW)}, *const emulation[] = {
										     WHP_EMULATION_FUNCTIONS(ROW)};
#undef ROW
	struct telling t = {say, opaque, 0};
	const char *why, *remedy;
	void *lib = NULL;

	os_system_library("WinHvPlatform.dll", &lib);
	if (os_symbol(lib, "whpsim_configure")) /* also of one that plays a Windows without the library */
		tell(&t, "simulation", "yes");
	tell_functions(&t, "WinHvPlatform.dll", platform, VMA_COUNT(platform));
	tell_functions(&t, "WinHvEmulation.dll", emulation, VMA_COUNT(emulation));
	if (whpx_load(&why, &remedy))
		return t.count;
	tell_capabilities(&t);
	tell_answers(&t);
	tell_partition(&t);
	return t.count;
}
