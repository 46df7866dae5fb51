/* fuzz_whpx_calls.c - the simulated platform's functions with any registers, properties, states and instructions:
 * nothing crashes, what is refused changes nothing, and the emulator keeps to its contract with whatever its callbacks
 * answer. fuzz-seconds: 15 300 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sim/whpx/config.h"
#include "sim/whpx/whpsim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RAM = 0x10000, BATCH = 8, AREA = 4096, MOST_CALLS = 4096 };
#define CHECK(what)                                                                                                    \
	do {                                                                                                           \
		if (!(what)) {                                                                                         \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what);                                     \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

static _Alignas(4096) uint8_t ram[RAM];
static WHV_PARTITION_HANDLE partition;
static WHV_EMULATOR_HANDLE emulator;

/* ------ the input, zeros behind its end ------ */

static struct {
	const uint8_t *at;
	size_t left;
} input;

static void take(void *out, size_t size)
{
	size_t n = size < input.left ? size : input.left;
	memset(out, 0, size);
	if (n)
		memcpy(out, input.at, n);
	input.at += n;
	input.left -= n;
}

static uint64_t number(unsigned size)
{
	uint64_t v = 0;
	take(&v, size);
	return v;
}

/* ------ the emulator's caller ------ */

static struct {
	unsigned sets, calls;
	uint8_t fails; /* bit by callback */
} caller;

static HRESULT fails(unsigned callback)
{
	return caller.fails >> callback & 1 || ++caller.calls > MOST_CALLS ? E_FAIL : S_OK;
}

static HRESULT on_io(void *o, WHV_EMULATOR_IO_ACCESS_INFO *io)
{
	(void)o;
	CHECK(io->AccessSize == 1 || io->AccessSize == 2 || io->AccessSize == 4);
	if (!io->Direction)
		io->Data = (uint32_t)number(4);
	return fails(0);
}

static HRESULT on_memory(void *o, WHV_EMULATOR_MEMORY_ACCESS_INFO *m)
{
	uint64_t at = m->GpaAddress;
	(void)o;
	CHECK(m->AccessSize >= 1 && m->AccessSize <= 8 && (at & 0xfff) + m->AccessSize <= 0x1000);
	if (at >= RAM)
		take(m->Data, m->Direction ? 0 : m->AccessSize);
	else if (m->Direction)
		memcpy(ram + at, m->Data, m->AccessSize);
	else
		memcpy(m->Data, ram + at, m->AccessSize);
	return fails(1);
}

static HRESULT on_get(void *o, const WHV_REGISTER_NAME *names, uint32_t count, WHV_REGISTER_VALUE *values)
{
	(void)o;
	CHECK(WHvGetVirtualProcessorRegisters(partition, 0, names, count, values) == S_OK);
	return fails(2);
}

static HRESULT on_set(void *o, const WHV_REGISTER_NAME *names, uint32_t count, const WHV_REGISTER_VALUE *values)
{
	(void)o;
	CHECK(count && ++caller.sets == 1);
	CHECK(fails(3) || WHvSetVirtualProcessorRegisters(partition, 0, names, count, values) == S_OK);
	return fails(3);
}

static HRESULT on_translate(void *o, WHV_GUEST_VIRTUAL_ADDRESS gva, WHV_TRANSLATE_GVA_FLAGS flags,
			    WHV_TRANSLATE_GVA_RESULT_CODE *code, WHV_GUEST_PHYSICAL_ADDRESS *gpa)
{
	(void)o, (void)flags;
	CHECK(!(gva & 0xfff));
	*code = caller.fails >> 5 & 1 ? (WHV_TRANSLATE_GVA_RESULT_CODE)(number(1) % 9) : WHvTranslateGvaResultSuccess;
	*gpa = gva & 0x1ffff;
	return fails(4);
}

static const WHV_EMULATOR_CALLBACKS callbacks = {sizeof callbacks, 0, on_io, on_memory, on_get, on_set, on_translate};

static WHV_VP_EXIT_CONTEXT context(void)
{
	static const WHV_REGISTER_NAME names[] = {WHvX64RegisterCs, WHvX64RegisterRip, WHvX64RegisterRflags};
	WHV_REGISTER_VALUE v[3];
	WHV_VP_EXIT_CONTEXT c;
	memset(&c, 0, sizeof c);
	CHECK(WHvGetVirtualProcessorRegisters(partition, 0, names, 3, v) == S_OK);
	c.Cs = v[0].Segment;
	c.Rip = v[1].Reg64;
	c.Rflags = v[2].Reg64;
	c.InstructionLength = (uint8_t)number(1);
	c.ExecutionState.InterruptionPending = c.InstructionLength == 15;
	return c;
}

static void judge(HRESULT hr, WHV_EMULATOR_STATUS s)
{
	if (hr != S_OK)
		return;
	CHECK(s.EmulationSuccessful == (s.AsUINT32 == 1));
	CHECK(s.AsUINT32 && caller.sets == s.EmulationSuccessful + s.SetVirtualProcessorRegistersCallbackFailed);
}

/* ------ what is called ------ */

static WHV_REGISTER_NAME register_name(void)
{
	static const WHV_REGISTER_NAME names[] = {
#define NAME(name, value) name,
		WHP_REGISTER_NAMES(NAME)};
	unsigned n = (unsigned)number(2);
	return n < sizeof names / sizeof *names ? names[n] : names[n % 64];
}

static bool is_time(WHV_REGISTER_NAME name)
{
	return name == WHvX64RegisterTsc || name == WHvX64RegisterTscVirtualOffset || name == WHvRegisterVpRuntime ||
	       name == WHvX64RegisterApicCurrentCount || name == WHvRegisterReferenceTsc;
}

/* A value that is refused changes nothing; of a batch those before it are written. */
static void set_registers(void)
{
	WHV_REGISTER_NAME names[BATCH];
	WHV_REGISTER_VALUE values[BATCH], before, after;
	uint32_t count = 1 + (uint32_t)number(1) % BATCH;
	for (uint32_t i = 0; i < count; i++) {
		names[i] = register_name();
		take(&values[i], sizeof values[i]);
	}
	bool readable = WHvGetVirtualProcessorRegisters(partition, 0, names, 1, &before) == S_OK;
	if (WHvSetVirtualProcessorRegisters(partition, 0, names, count, values) == S_OK || !readable || count > 1)
		return;
	CHECK(WHvGetVirtualProcessorRegisters(partition, 0, names, 1, &after) == S_OK);
	if (!is_time(names[0]) && memcmp(&before, &after, sizeof before)) {
		fprintf(stderr, "register %x was changed by a refused value: %llx, now %llx\n", names[0],
			(unsigned long long)before.Reg64, (unsigned long long)after.Reg64);
		abort();
	}
}

static void set_property(void)
{
	WHV_PARTITION_PROPERTY_CODE code = (WHV_PARTITION_PROPERTY_CODE)number(2);
	uint8_t buffer[128];
	uint32_t size = (uint32_t)number(1) % sizeof buffer;
	struct whpsim_properties p;
	uint32_t out[4];
	bool listed;
	whpsim_properties_init(&p);
	take(buffer, size);
	whpsim_property_set(&p, size & 1, code, buffer, size);
	whpsim_property_get(&p, code, buffer, size, NULL);
	whpsim_cpuid(&p, 0, (uint32_t)number(1), 0, out);
	whpsim_msr_action(&p, (uint32_t)number(2), false, &listed);
	whpsim_properties_free(&p);
}

static void set_state(WHV_VIRTUAL_PROCESSOR_STATE_TYPE type)
{
	static uint8_t area[AREA], before[AREA], after[AREA];
	uint32_t whole = 0, size;
	CHECK(WHvGetVirtualProcessorState(partition, 0, type, before, AREA, &whole) == S_OK);
	size = whole;
	memcpy(area, before, AREA);
	for (unsigned n = (unsigned)number(1) % 16; n; n--)
		area[number(2) % 1024] = (uint8_t)number(1);
	if (number(1) & 1)
		size = (uint32_t)number(2) % (AREA + 1);
	if (WHvSetVirtualProcessorState(partition, 0, type, area, size) == S_OK)
		return;
	CHECK(WHvGetVirtualProcessorState(partition, 0, type, after, AREA, NULL) == S_OK);
	CHECK(type != WHvVirtualProcessorStateTypeXsaveState || !memcmp(before, after, whole));
}

static void emulate_memory(void)
{
	WHV_EMULATOR_STATUS s = {.AsUINT32 = 0};
	WHV_VP_EXIT_CONTEXT c = context();
	WHV_MEMORY_ACCESS_CONTEXT m;
	take(&m, sizeof m);
	caller.fails = (uint8_t)number(1) & (uint8_t)number(1);
	judge(WHvEmulatorTryMmioEmulation(emulator, NULL, &c, &m, &s), s);
}

static void emulate_port(void)
{
	WHV_EMULATOR_STATUS s = {.AsUINT32 = 0};
	WHV_VP_EXIT_CONTEXT c = context();
	WHV_X64_IO_PORT_ACCESS_CONTEXT x;
	take(&x, sizeof x);
	caller.fails = (uint8_t)number(1) & (uint8_t)number(1);
	judge(WHvEmulatorTryIoEmulation(emulator, NULL, &c, &x, &s), s);
}

static void translate(void)
{
	WHV_TRANSLATE_GVA_RESULT r;
	uint64_t gpa, gva = number(8);
	WHvTranslateGva(partition, 0, gva, (WHV_TRANSLATE_GVA_FLAGS)number(2), &r, &gpa);
}

static void make(void)
{
	WHV_X64_LOCAL_APIC_EMULATION_MODE apic = WHvX64LocalApicEmulationModeXApic;
	uint32_t one = 1;
	CHECK(!whpsim_configure(""));
	CHECK(WHvCreatePartition(&partition) == S_OK);
	CHECK(WHvSetPartitionProperty(partition, WHvPartitionPropertyCodeProcessorCount, &one, sizeof one) == S_OK);
	CHECK(WHvSetPartitionProperty(partition, WHvPartitionPropertyCodeLocalApicEmulationMode, &apic, sizeof apic) ==
	      S_OK);
	CHECK(WHvSetupPartition(partition) == S_OK);
	CHECK(WHvMapGpaRange(partition, ram, 0, RAM, WHvMapGpaRangeFlagRead | WHvMapGpaRangeFlagWrite) == S_OK);
	CHECK(WHvCreateVirtualProcessor(partition, 0, 0) == S_OK);
	CHECK(WHvEmulatorCreateEmulator(&callbacks, &emulator) == S_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!partition)
		make();
	CHECK(WHvResetPartition(partition) == S_OK);
	memset(ram, 0x90, RAM);
	input.at = data;
	input.left = size;
	while (input.left) {
		memset(&caller, 0, sizeof caller);
		switch (number(1) % 8) {
		case 0:
		case 1:
			set_registers();
			break;
		case 2:
			set_property();
			break;
		case 3:
			set_state(WHvVirtualProcessorStateTypeXsaveState);
			break;
		case 4:
			set_state(WHvVirtualProcessorStateTypeInterruptControllerState2);
			break;
		case 5:
			emulate_memory();
			break;
		case 6:
			emulate_port();
			break;
		default:
			translate();
			break;
		}
	}
	CHECK(!whpsim_breaches());
	return 0;
}
