/* The simulated platform with random state, random code and random calls, and somebody who cancels now and then: every call
 * answers with a code that it may answer with, every exit is one of the platform's, and nothing breaks (the sanitizers look).
 * The argument is a seed; it is printed. test-labels: threads */
#include <pthread.h>
#include <time.h>
#include <unistd.h>
#include "sim_rig.h"

enum { ROUNDS = 3000, VPS = 2 };
static uint64_t state;
static atomic_bool done;

static uint64_t next(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static uint64_t below(uint64_t n)
{
	return (next() >> 11) % n;
}

/* Numbers that matter more often than others. */
static uint64_t number(void)
{
	static const uint64_t some[] = {0, 1, 2, 0x10, 0x31, 0x1000, 0x2000, 0x3000, 0xffff, 0x80000011, 0x80050033,
					0xfffffff0, 0xfee00000, 0xfee00900, UINT64_C(1) << 47, UINT64_C(1) << 63, ~UINT64_C(0), 0x500, 0xd01};
	return below(2) ? some[below(sizeof some / sizeof *some)] : next() >> below(64);
}

static const WHV_REGISTER_NAME names[] = {
#define NAME(name, value) name,
	WHP_REGISTER_NAMES(NAME)
};
enum { NAMES = sizeof names / sizeof *names };

static bool known_code(HRESULT r)
{
	static const HRESULT codes[] = {
		S_OK,        E_INVALIDARG, E_ACCESSDENIED, WHV_E_INVALID_VP_REGISTER_NAME, WHV_E_GPA_RANGE_NOT_FOUND,
		E_OUTOFMEMORY, WHP_HRESULT(0xc0350050u), WHP_HRESULT(0xc0350005u)};
	for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
		if (r == codes[i])
			return true;
	return false;
}

static void answers(HRESULT r)
{
	if (!known_code(r))
		fail_msg("an answer that is not documented: %#x", (unsigned)r);
}

/* ------ calls ------ */

static void set_registers(uint32_t vp)
{
	WHV_REGISTER_NAME batch[4];
	WHV_REGISTER_VALUE values[4];
	uint32_t n = (uint32_t)below(4) + 1;
	for (uint32_t i = 0; i < n; i++) {
		batch[i] = names[below(below(2) ? 0x28 : NAMES)];
		values[i].Reg128.Low64 = number();
		values[i].Reg128.High64 = number();
	}
	answers(WHvSetVirtualProcessorRegisters(rig.p, vp, batch, n, values));
}

static void get_registers(uint32_t vp)
{
	WHV_REGISTER_VALUE v;
	answers(WHvGetVirtualProcessorRegisters(rig.p, vp, &names[below(NAMES)], 1, &v));
}

/* A state that can be entered, mostly. */
static void begin(uint32_t vp)
{
	uint8_t code[64];
	for (unsigned i = 0; i < sizeof code; i++)
		code[i] = (uint8_t)next();
	rig_set(vp, WHvX64RegisterCr0, 0x10);
	rig_set(vp, WHvX64RegisterCr4, 0);
	rig_set(vp, WHvX64RegisterEfer, 0);
	rig_set(vp, WHvX64RegisterDr7, 0x400);
	rig_set(vp, WHvRegisterPendingInterruption, 0);
	rig_set(vp, WHvRegisterInternalActivityState, 0);
	rig_start(vp, code, sizeof code);
	if (below(2))
		rig_protected(vp);
}

static void change_memory(void)
{
	uint64_t gpa = below(RIG_RAM / 4096 + 2) * 4096, size = (below(4) + 1) * 4096;
	uint64_t bits[2];
	switch (below(4)) {
	case 0: answers(WHvUnmapGpaRange(rig.p, gpa, size)); break;
	case 1: answers(WHvQueryGpaRangeDirtyBitmap(rig.p, gpa, size, bits, sizeof bits)); break;
	default:
		if (gpa + size <= RIG_RAM)
			answers(WHvMapGpaRange(rig.p, rig.ram + gpa, gpa, size, (WHV_MAP_GPA_RANGE_FLAGS)below(16)));
	}
}

static void look(uint32_t vp)
{
	const WHV_ACCESS_GPA_CONTROLS controls = {0};
	WHV_TRANSLATE_GVA_RESULT result;
	uint64_t gpa;
	uint8_t data[16];
	answers(WHvTranslateGva(rig.p, vp, number(), (WHV_TRANSLATE_GVA_FLAGS)(below(0x20) | below(4) << 8), &result, &gpa));
	answers(WHvReadGpaRange(rig.p, vp, number(), controls, data, (uint32_t)below(20)));
	answers(WHvWriteGpaRange(rig.p, vp, number(), controls, data, (uint32_t)below(20)));
}

static void request(void)
{
	const WHV_INTERRUPT_CONTROL c = {.Type = below(10), .DestinationMode = below(2), .TriggerMode = below(2),
					 .Destination = (uint32_t)below(3), .Vector = (uint32_t)below(258)};
	answers(WHvRequestInterrupt(rig.p, &c, sizeof c));
}

static bool known_reason(uint32_t reason)
{
	static const uint32_t reasons[] = {
#define REASON(name, value) value,
		WHP_EXIT_REASONS(REASON)
	};
	for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
		if (reason == reasons[i])
			return true;
	return false;
}

/* Go on behind what exits, now and then. */
static void run(uint32_t vp)
{
	WHV_RUN_VP_EXIT_CONTEXT x;
	assert_true(known_reason(rig_run(vp, &x)));
	if (x.VpContext.InstructionLength && below(4))
		rig_set(vp, WHvX64RegisterRip, x.VpContext.Rip + x.VpContext.InstructionLength);
}

static void *cancels(void *o)
{
	const struct timespec nap = {.tv_nsec = 300000};
	(void)o;
	for (uint32_t i = 0; !atomic_load(&done); i++) {
		WHvCancelRunVirtualProcessor(rig.p, i % VPS, 0);
		nanosleep(&nap, NULL);
	}
	return NULL;
}

static void round_of(uint32_t vp)
{
	begin(vp);
	for (uint64_t n = below(8); n; n--)
		switch (below(8)) {
		case 0: get_registers(vp); break;
		case 1: change_memory(); break;
		case 2: look(vp); break;
		case 3: request(); break;
		case 4: set_registers(vp); break;
		default: run(vp);
		}
	answers(WHvMapGpaRange(rig.p, rig.ram, 0, RIG_RAM, (WHV_MAP_GPA_RANGE_FLAGS)15));
}

static void anything(void **unused)
{
	const WHV_EXTENDED_VM_EXITS exits = {.X64CpuidExit = 1, .X64MsrExit = 1, .ExceptionExit = 1, .HypercallExit = 1};
	const WHV_X64_MSR_EXIT_BITMAP msrs = {.UnhandledMsrs = 1};
	const WHV_X64_LOCAL_APIC_EMULATION_MODE mode = WHvX64LocalApicEmulationModeX2Apic;
	const uint64_t bitmap = 1 << 1 | 1 << 6 | 1 << 14;
	pthread_t t;
	(void)unused;
	rig_begin("", VPS);
	rig_property(WHvPartitionPropertyCodeExtendedVmExits, &exits, sizeof exits);
	rig_property(WHvPartitionPropertyCodeX64MsrExitBitmap, &msrs, sizeof msrs);
	rig_property(WHvPartitionPropertyCodeExceptionExitBitmap, &bitmap, sizeof bitmap);
	rig_property(WHvPartitionPropertyCodeLocalApicEmulationMode, &mode, sizeof mode);
	rig_end(VPS);
	pthread_create(&t, NULL, cancels, NULL);
	for (int i = 0; i < ROUNDS; i++)
		round_of((uint32_t)i % VPS);
	atomic_store(&done, true);
	pthread_join(t, NULL);
	rig_delete(VPS);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(anything)};
	state = argc > 1 ? strtoull(argv[1], NULL, 0) : 0x9e3779b97f4a7c15;
	print_message("seed %#llx\n", (unsigned long long)state);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
