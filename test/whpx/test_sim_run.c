/* The simulated platform driven by its own functions: life cycle, registers in batches, exits, cancel, memory, windows.
 * test-labels: threads */
#include <pthread.h>
#include <unistd.h>
#include "sim_rig.h"

static WHV_RUN_VP_EXIT_CONTEXT x;

static WHV_RUN_VP_EXIT_REASON run(void)
{
	return rig_run(0, &x);
}

static void delete(void)
{
	rig_delete(1);
	assert_int_equal(whpsim_unimplemented_calls(), 0);
}
#define MACHINE(...) \
	static const uint8_t code[] = {__VA_ARGS__}; \
	(void)state; \
	rig_make("", 1, 0); \
	rig_start(0, code, sizeof code)

/* ------ the thin path ------ */

static void test_out_and_hlt(void **state)
{
	MACHINE(0xb0, 0x41, 0xe6, 0x80, 0xf4); /* mov al,41h; out 80h,al; hlt */
	assert_int_equal(run(), WHvRunVpExitReasonX64IoPortAccess);
	const WHV_X64_IO_PORT_ACCESS_CONTEXT *io = &x.IoPortAccess;
	assert_int_equal(x.VpContext.Rip, 0x1002);
	assert_int_equal(x.VpContext.InstructionLength, 2);
	assert_int_equal(x.VpContext.Cs.Attributes, 0x9b);
	assert_int_equal(io->PortNumber, 0x80);
	assert_int_equal(io->AccessInfo.AsUINT32, 1 | 1 << 1);
	assert_int_equal(io->Rax & 0xff, 0x41);
	assert_true(io->InstructionByteCount >= 2);
	assert_memory_equal(io->InstructionBytes, code + 2, 2);
	rig_set(0, WHvX64RegisterRip, x.VpContext.Rip + x.VpContext.InstructionLength);
	assert_int_equal(run(), WHvRunVpExitReasonX64Halt);
	assert_int_equal(x.VpContext.Rip, 0x1005);
	const struct whp_counts *c = whpsim_counts(rig.p, 0);
	assert_int_equal(c->runs, 2);
	assert_int_equal(c->gets, 0);
	delete();
}

/* Run again without an answer, the instruction exits again. */
static void test_exit_is_not_answered(void **state)
{
	MACHINE(0xe4, 0x60, 0xf4); /* in al,60h; hlt */
	for (int i = 0; i < 3; i++) {
		assert_int_equal(run(), WHvRunVpExitReasonX64IoPortAccess);
		assert_int_equal(x.IoPortAccess.AccessInfo.IsWrite, 0);
		assert_int_equal(x.VpContext.Rip, 0x1000);
	}
	delete();
}

static void test_string_io(void **state)
{
	MACHINE(0xf3, 0x6f, 0xf4); /* rep outsw; hlt */
	rig_set(0, WHvX64RegisterRcx, 3);
	rig_set(0, WHvX64RegisterRdx, 0x1f0);
	rig_set(0, WHvX64RegisterRsi, 0x2000);
	assert_int_equal(run(), WHvRunVpExitReasonX64IoPortAccess);
	const WHV_X64_IO_PORT_ACCESS_CONTEXT *io = &x.IoPortAccess;
	assert_int_equal(io->AccessInfo.AsUINT32, 1 | 2 << 1 | 1 << 4 | 1 << 5);
	assert_int_equal(io->PortNumber, 0x1f0);
	assert_int_equal(io->Rcx, 3);
	assert_int_equal(io->Rsi, 0x2000);
	assert_int_equal(x.VpContext.InstructionLength, 2);
	delete();
}

/* ------ memory ------ */

static void test_mmio(void **state)
{
	MACHINE(0x67, 0x66, 0x89, 0x03, 0xf4); /* mov [ebx],eax; hlt */
	rig_set(0, WHvX64RegisterRbx, 0xc0de);
	rig_set(0, WHvX64RegisterDs, 0);
	WHV_REGISTER_NAME ds = WHvX64RegisterDs;
	WHV_REGISTER_VALUE v = {.Segment = {.Base = 0xd0000000, .Limit = 0xffff, .Attributes = 0x93}};
	assert_int_equal(WHvSetVirtualProcessorRegisters(rig.p, 0, &ds, 1, &v), S_OK);
	assert_int_equal(run(), WHvRunVpExitReasonMemoryAccess);
	const WHV_MEMORY_ACCESS_CONTEXT *a = &x.MemoryAccess;
	assert_int_equal(a->AccessInfo.AccessType, WHvMemoryAccessWrite);
	assert_int_equal(a->AccessInfo.GpaUnmapped, 1);
	assert_int_equal(a->AccessInfo.GvaValid, 1);
	assert_int_equal(a->Gpa, 0xd000c0de);
	assert_int_equal(a->Gva, 0xd000c0de);
	assert_memory_equal(a->InstructionBytes, code, sizeof code);
	assert_int_equal(x.VpContext.Rip, 0x1000);
	delete();
}

/* A map changed behind an exit is seen by the next run; read-only memory exits for writing with GpaUnmapped 0. */
static void test_read_only_and_remap(void **state)
{
	MACHINE(0xa3, 0x00, 0x30, 0xf4); /* mov [3000h],ax; hlt */
	rig_set(0, WHvX64RegisterRax, 0x1234);
	assert_int_equal(WHvUnmapGpaRange(rig.p, 0x3000, 0x1000), S_OK);
	assert_int_equal(WHvUnmapGpaRange(rig.p, 0x3000, 0x1000), WHV_E_GPA_RANGE_NOT_FOUND);
	assert_int_equal(run(), WHvRunVpExitReasonMemoryAccess);
	assert_int_equal(x.MemoryAccess.AccessInfo.GpaUnmapped, 1);
	assert_int_equal(WHvMapGpaRange(rig.p, rig.ram + 0x3000, 0x3000, 0x1000, WHvMapGpaRangeFlagRead), S_OK);
	assert_int_equal(run(), WHvRunVpExitReasonMemoryAccess);
	assert_int_equal(x.MemoryAccess.AccessInfo.GpaUnmapped, 0);
	assert_int_equal(x.MemoryAccess.AccessInfo.AccessType, WHvMemoryAccessWrite);
	assert_int_equal(WHvMapGpaRange(rig.p, rig.ram + 0x3000, 0x3000, 0x1000, 11), S_OK);
	assert_int_equal(run(), WHvRunVpExitReasonX64Halt);
	assert_int_equal(rig.ram[0x3000] | rig.ram[0x3001] << 8, 0x1234);
	uint64_t bits[1] = {~0ull};
	assert_int_equal(WHvQueryGpaRangeDirtyBitmap(rig.p, 0x3000, 0x1000, bits, 8), S_OK);
	assert_int_equal(bits[0], 1);
	assert_int_equal(WHvQueryGpaRangeDirtyBitmap(rig.p, 0x3000, 0x1000, bits, 8), S_OK);
	assert_int_equal(bits[0], 0);
	assert_int_equal(WHvQueryGpaRangeDirtyBitmap(rig.p, 0x2000, 0x1000, bits, 8), WHV_E_GPA_RANGE_NOT_FOUND);
	delete();
}

static void test_execute(void **state)
{
	MACHINE(0xe9, 0xfd, 0x1f); /* jmp 3000h */
	rig.ram[0x3000] = 0xf4;
	assert_int_equal(WHvMapGpaRange(rig.p, rig.ram + 0x3000, 0x3000, 0x1000, 3), S_OK);
	assert_int_equal(run(), WHvRunVpExitReasonMemoryAccess);
	assert_int_equal(x.MemoryAccess.AccessInfo.AccessType, WHvMemoryAccessExecute);
	assert_int_equal(x.MemoryAccess.AccessInfo.GpaUnmapped, 0);
	assert_int_equal(x.MemoryAccess.Gpa, 0x3000);
	assert_int_equal(x.VpContext.Rip, 0x3000);
	assert_int_equal(WHvUnmapGpaRange(rig.p, 0x3000, 0x1000), S_OK);
	assert_int_equal(run(), WHvRunVpExitReasonMemoryAccess);
	assert_int_equal(x.MemoryAccess.AccessInfo.AccessType, WHvMemoryAccessExecute);
	assert_int_equal(x.MemoryAccess.AccessInfo.GpaUnmapped, 1);
	assert_int_equal(x.MemoryAccess.Gpa, 0x3000);
	delete();
}

/* Page tables where nothing is mapped: the walk's access, not the instruction's. */
static void test_tables_unmapped(void **state)
{
	MACHINE(0xf4);
	rig_protected(0);
	rig_set(0, WHvX64RegisterCr3, 0x80000000);
	rig_set(0, WHvX64RegisterCr0, 0x80000031);
	assert_int_equal(run(), WHvRunVpExitReasonMemoryAccess);
	assert_int_equal(x.MemoryAccess.AccessInfo.AccessType, WHvMemoryAccessRead);
	assert_int_equal(x.MemoryAccess.AccessInfo.GpaUnmapped, 1);
	assert_int_equal(x.MemoryAccess.Gpa, 0x80000000);
	assert_int_equal(x.MemoryAccess.Gva, 0x1000);
	assert_int_equal(x.VpContext.Rip, 0x1000);
	delete();
}

static void test_map_arguments(void **state)
{
	MACHINE(0xf4);
	assert_int_equal(WHvMapGpaRange(rig.p, rig.ram, 0x20000, 0, 7), E_INVALIDARG);
	assert_int_equal(WHvMapGpaRange(rig.p, rig.ram, 0x20800, 0x1000, 7), E_INVALIDARG);
	assert_int_equal(WHvMapGpaRange(rig.p, rig.ram + 1, 0x20000, 0x1000, 7), E_INVALIDARG);
	assert_int_equal(WHvMapGpaRange(rig.p, rig.ram, 0x20000, 0x800, 7), E_INVALIDARG);
	assert_int_equal(WHvMapGpaRange(rig.p, rig.ram, ~0xfffull, 0x2000, 7), E_INVALIDARG);
	assert_int_equal(WHvMapGpaRange(rig.p, rig.ram, 0x20000, 0x1000, 0x17), E_INVALIDARG);
	assert_int_equal(WHvMapGpaRange(rig.p, rig.ram, 1ull << 60, 0x1000, 7), E_INVALIDARG);
	assert_int_equal(WHvMapGpaRange(NULL, rig.ram, 0x20000, 0x1000, 7), E_HANDLE);
	delete();
}

/* ------ registers ------ */

/* One name that is unknown, and nothing of the batch is done. */
static void test_batch(void **state)
{
	MACHINE(0xf4);
	WHV_REGISTER_NAME names[3] = {WHvX64RegisterRax, WHvX64RegisterRbx, (WHV_REGISTER_NAME)0x7777};
	WHV_REGISTER_VALUE v[3] = {{.Reg64 = 1}, {.Reg64 = 2}, {.Reg64 = 3}};
	rig_set(0, WHvX64RegisterRax, 0x55);
	assert_int_equal(WHvSetVirtualProcessorRegisters(rig.p, 0, names, 3, v), WHV_E_INVALID_VP_REGISTER_NAME);
	assert_int_equal(rig_get(0, WHvX64RegisterRax), 0x55);
	assert_int_equal(WHvGetVirtualProcessorRegisters(rig.p, 0, names, 3, v), WHV_E_INVALID_VP_REGISTER_NAME);
	assert_int_equal(v[0].Reg64, 1);
	assert_int_equal(WHvSetVirtualProcessorRegisters(rig.p, 0, names, 2, v), S_OK);
	assert_int_equal(WHvSetVirtualProcessorRegisters(rig.p, 1, names, 2, v), WHV_E_VP_DOES_NOT_EXIST);
	delete();
}

static void test_every_name(void **state)
{
	static const struct {
		WHV_REGISTER_NAME name;
		uint64_t low, high;
	} values[] = {
		{WHvX64RegisterR15, 0x0123456789abcdef, 0}, {WHvX64RegisterRflags, 0x246, 0},
		{WHvX64RegisterFs, 0x123450000, 0xc0930018000fffff},
		{WHvX64RegisterLdtr, 0x5000, 0x0082002800000fff}, {WHvX64RegisterTr, 0x6000, 0x008b003000000067},
		{WHvX64RegisterGdtr, 0x00ff000000000000, 0x7000}, {WHvX64RegisterIdtr, 0x0fff000000000000, 0x8000},
		{WHvX64RegisterCr2, 0xdeadbeef000, 0}, {WHvX64RegisterCr3, 0x9000, 0}, {WHvX64RegisterCr8, 9, 0},
		{WHvX64RegisterDr0, 0x1111, 0}, {WHvX64RegisterDr7, 0x400, 0}, {WHvX64RegisterXCr0, 3, 0},
		{WHvX64RegisterXmm5, 0x1122334455667788, 0x99aabbccddeeff00}, {WHvX64RegisterFpMmx3, 0xc000000000000000, 0x4001},
		{WHvX64RegisterFpControlStatus, 0x07ff00ff3800037full, 0x1234}, {WHvX64RegisterXmmControlStatus, 0x5678, 0xffff00001f80},
		{WHvX64RegisterKernelGsBase, 0xffff800000001000, 0}, {WHvX64RegisterPat, 0x0007040600070406, 0},
		{WHvX64RegisterLstar, 0xffffffff81000000, 0}, {WHvX64RegisterSfmask, 0x47700, 0},
		{WHvX64RegisterSysenterEip, 0x1000, 0}, {WHvX64RegisterMsrMtrrPhysBase0, 6, 0},
		{WHvX64RegisterTscAux, 7, 0}, {WHvRegisterInterruptState, 3, 0},
		{WHvRegisterPendingInterruption, 0x1234000d0017ull, 0}, {WHvX64RegisterDeliverabilityNotifications, 2, 0},
		{WHvX64RegisterPendingDebugException, 0x11, 0}, {WHvRegisterSint3, 0x10033, 0}, {WHvRegisterGuestOsId, 0x8100000000000000, 0}, {WHvRegisterPendingEvent, 0x120000e0101ull, 0x7654321000},
	};
	MACHINE(0xf4);
	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		WHV_REGISTER_VALUE v = {.Reg128 = {{values[i].low, values[i].high}}}, back;
		assert_int_equal(WHvSetVirtualProcessorRegisters(rig.p, 0, &values[i].name, 1, &v), S_OK);
		assert_int_equal(WHvGetVirtualProcessorRegisters(rig.p, 0, &values[i].name, 1, &back), S_OK);
		assert_memory_equal(&v, &back, sizeof v);
	}
	delete();
}

static void test_illegal_state(void **state)
{
	MACHINE(0xf4);
	rig_set(0, WHvX64RegisterCr0, 0x80000000); /* paging without protection */
	assert_int_equal(run(), WHvRunVpExitReasonInvalidVpRegisterValue);
	rig_set(0, WHvX64RegisterCr0, 0x10);
	rig_set(0, WHvX64RegisterRip, 0x100000000);
	assert_int_equal(run(), WHvRunVpExitReasonInvalidVpRegisterValue);
	rig_set(0, WHvX64RegisterRip, 0x1000);
	rig_set(0, WHvX64RegisterRflags, 0); /* bit 1 is always set */
	assert_int_equal(run(), WHvRunVpExitReasonInvalidVpRegisterValue);
	rig_set(0, WHvX64RegisterRflags, 2);
	rig_set(0, WHvRegisterPendingInterruption, 0x200001); /* with IF clear */
	assert_int_equal(run(), WHvRunVpExitReasonInvalidVpRegisterValue);
	rig_set(0, WHvRegisterPendingInterruption, 0);
	assert_int_equal(run(), WHvRunVpExitReasonX64Halt);
	delete();
}

/* ------ events ------ */

static void test_window_and_injection(void **state)
{
	MACHINE(0xfb, 0x90, 0x90, 0xf4); /* sti; nop; nop; hlt */
	rig.ram[0x20 * 4 + 1] = 0x20; /* vector 20h: 0:2000h */
	rig.ram[0x2000] = 0xf4;
	rig_set(0, WHvX64RegisterDeliverabilityNotifications, 2);
	assert_int_equal(run(), WHvRunVpExitReasonX64InterruptWindow);
	assert_int_equal(x.InterruptWindow.DeliverableType, WHvX64PendingInterrupt);
	assert_int_equal(x.VpContext.Rip, 0x1002); /* behind STI's shadow */
	assert_int_equal(rig_get(0, WHvX64RegisterDeliverabilityNotifications), 0);
	rig_set(0, WHvRegisterPendingInterruption, 0x200001);
	assert_int_equal(run(), WHvRunVpExitReasonX64Halt);
	assert_int_equal(x.VpContext.Rip, 0x2001);
	assert_int_equal(rig_get(0, WHvRegisterPendingInterruption), 0);
	delete();
}

static void test_priority_of_a_window(void **state)
{
	MACHINE(0xfb, 0x90, 0x90, 0xf4);
	rig_set(0, WHvX64RegisterCr8, 5);
	rig_set(0, WHvX64RegisterDeliverabilityNotifications, 2 | 5 << 2);
	assert_int_equal(run(), WHvRunVpExitReasonX64Halt);
	rig_set(0, WHvX64RegisterRip, 0x1000);
	rig_set(0, WHvX64RegisterDeliverabilityNotifications, 2 | 6 << 2);
	assert_int_equal(run(), WHvRunVpExitReasonX64InterruptWindow);
	delete();
}

static void test_nmi_window(void **state)
{
	MACHINE(0x90, 0xcf); /* nop; iret */
	static const uint8_t frame[] = {0x00, 0x11, 0, 0, 2, 0};
	memcpy(rig.ram + 0x8000, frame, sizeof frame);
	rig.ram[0x1100] = 0xf4;
	rig_set(0, WHvRegisterInterruptState, 2); /* NMI masked */
	rig_set(0, WHvX64RegisterDeliverabilityNotifications, 1);
	assert_int_equal(run(), WHvRunVpExitReasonX64InterruptWindow);
	assert_int_equal(x.InterruptWindow.DeliverableType, WHvX64PendingNmi);
	assert_int_equal(x.VpContext.Rip, 0x1100);
	assert_int_equal(run(), WHvRunVpExitReasonX64Halt);
	delete();
}

static void test_triple_fault(void **state)
{
	MACHINE(0x0f, 0x0b);
	WHV_REGISTER_NAME idtr = WHvX64RegisterIdtr;
	WHV_REGISTER_VALUE v = {.Table = {.Limit = 0}};
	assert_int_equal(WHvSetVirtualProcessorRegisters(rig.p, 0, &idtr, 1, &v), S_OK);
	assert_int_equal(run(), WHvRunVpExitReasonUnrecoverableException);
	delete();
}

/* ------ cancel ------ */

static void test_cancel_is_sticky(void **state)
{
	MACHINE(0xf4);
	assert_int_equal(WHvCancelRunVirtualProcessor(rig.p, 0, 0), S_OK);
	assert_int_equal(WHvCancelRunVirtualProcessor(rig.p, 0, 0), S_OK);
	assert_int_equal(run(), WHvRunVpExitReasonCanceled);
	assert_int_equal(x.CancelReason.CancelReason, 0);
	assert_int_equal(x.VpContext.Rip, 0x1000);
	assert_int_equal(run(), WHvRunVpExitReasonX64Halt);
	assert_int_equal(WHvCancelRunVirtualProcessor(rig.p, 0, 1), E_INVALIDARG);
	assert_int_equal(WHvCancelRunVirtualProcessor(rig.p, 1, 0), WHV_E_VP_DOES_NOT_EXIST);
	delete();
}

static void *cancel(void *o)
{
	usleep(2000);
	return (void *)(intptr_t)WHvCancelRunVirtualProcessor(o, 0, 0);
}

static void test_cancel_of_a_loop(void **state)
{
	pthread_t t;
	void *result;
	MACHINE(0xeb, 0xfe);
	for (int i = 0; i < 20; i++) {
		pthread_create(&t, NULL, cancel, rig.p);
		assert_int_equal(run(), WHvRunVpExitReasonCanceled);
		pthread_join(t, &result);
		assert_null(result);
		assert_int_equal(x.VpContext.Rip, 0x1000);
	}
	delete();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_out_and_hlt),
		cmocka_unit_test(test_exit_is_not_answered),
		cmocka_unit_test(test_string_io),
		cmocka_unit_test(test_mmio),
		cmocka_unit_test(test_read_only_and_remap),
		cmocka_unit_test(test_execute),
		cmocka_unit_test(test_tables_unmapped),
		cmocka_unit_test(test_map_arguments),
		cmocka_unit_test(test_batch),
		cmocka_unit_test(test_every_name),
		cmocka_unit_test(test_illegal_state),
		cmocka_unit_test(test_window_and_injection),
		cmocka_unit_test(test_priority_of_a_window),
		cmocka_unit_test(test_nmi_window),
		cmocka_unit_test(test_triple_fault),
		cmocka_unit_test(test_cancel_is_sticky),
		cmocka_unit_test(test_cancel_of_a_loop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
