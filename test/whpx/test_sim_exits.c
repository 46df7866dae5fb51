/* Exits that properties ask for, and what exits say: exceptions, MSRs, CPUID, time stamps, hypercalls, task switches. */
#include "sim_rig.h"

static WHV_RUN_VP_EXIT_CONTEXT x;

static WHV_RUN_VP_EXIT_REASON run(void)
{
	return rig_run(0, &x);
}

static void begin(uint64_t exits)
{
	rig_begin("", 1);
	if (exits)
		rig_property(WHvPartitionPropertyCodeExtendedVmExits, &exits, sizeof exits);
}
enum { CPUID_EXIT = 1, MSR_EXIT = 2, EXCEPTION_EXIT = 4, RDTSC_EXIT = 8, HYPERCALL_EXIT = 32 };

static void exceptions(uint64_t bitmap)
{
	begin(EXCEPTION_EXIT);
	rig_property(WHvPartitionPropertyCodeExceptionExitBitmap, &bitmap, sizeof bitmap);
	rig_end(1);
}

static void delete(void)
{
	rig_delete(1);
	assert_int_equal(whpsim_unimplemented_calls(), 0);
}

/* The handler of a real-mode vector is HLT at 2000h. */
static void handler(unsigned vector)
{
	rig.ram[vector * 4 + 1] = 0x20;
	rig.ram[0x2000] = 0xf4;
}

static void advance(void)
{
	rig_set(0, WHvX64RegisterRip, x.VpContext.Rip + x.VpContext.InstructionLength);
}

/* ------ exceptions ------ */

/* One in the bitmap exits and is not delivered; injected, it is. */
static void faults_and_traps(void **state)
{
	(void)state;
	exceptions(1 << 6 | 1 << 3);
	RIG_START(0, 0x0f, 0x0b, 0xcc); /* ud2; int3 */
	assert_int_equal(run(), WHvRunVpExitReasonException);
	assert_int_equal(x.VpException.ExceptionType, 6);
	assert_int_equal(x.VpException.ExceptionInfo.AsUINT32, 0);
	assert_int_equal(x.VpContext.Rip, RIG_CODE);
	assert_int_equal(x.VpContext.InstructionLength, 2);
	assert_int_equal(rig_get(0, WHvX64RegisterRsp), 0x8000);
	advance();
	assert_int_equal(run(), WHvRunVpExitReasonException);
	assert_int_equal(x.VpException.ExceptionType, 3);
	assert_int_equal(x.VpException.ExceptionInfo.SoftwareException, 1);
	assert_int_equal(x.VpContext.InstructionLength, 1);
	handler(6);
	rig_set(0, WHvRegisterPendingInterruption, 1 | 3 << 1 | 6 << 16);
	assert_int_equal(run(), WHvRunVpExitReasonX64Halt);
	assert_int_equal(x.VpContext.Rip, 0x2001);
	delete();
}

static void not_in_the_bitmap(void **state)
{
	(void)state;
	exceptions(1 << 3);
	RIG_START(0, 0x0f, 0x0b);
	handler(6);
	assert_int_equal(run(), WHvRunVpExitReasonX64Halt);
	assert_int_equal(x.VpContext.Rip, 0x2001);
	delete();
}

static void page_fault(void **state)
{
	(void)state;
	exceptions(1 << 14);
	RIG_START(0, 0xa1, 0x34, 0x02, 0x40, 0x00); /* mov eax,[400234h] */
	rig_protected(0);
	rig.ram[0x3000] = 0x83; /* 4 MiB at 0, nothing behind it */
	rig_set(0, WHvX64RegisterCr2, 0x55);
	rig_set(0, WHvX64RegisterCr3, 0x3000);
	rig_set(0, WHvX64RegisterCr4, 0x10);
	rig_set(0, WHvX64RegisterCr0, 0x80000031);
	assert_int_equal(run(), WHvRunVpExitReasonException);
	assert_int_equal(x.VpException.ExceptionType, 14);
	assert_int_equal(x.VpException.ExceptionInfo.ErrorCodeValid, 1);
	assert_int_equal(x.VpException.ErrorCode, 0);
	assert_int_equal(x.VpException.ExceptionParameter, 0x400234);
	assert_int_equal(rig_get(0, WHvX64RegisterCr2), 0x55);
	delete();
}

static void single_step(void **state)
{
	(void)state;
	exceptions(1 << 1);
	RIG_START(0, 0x90, 0x90, 0xf4);
	rig_set(0, WHvX64RegisterRflags, 0x102);
	for (uint64_t rip = RIG_CODE + 1; rip <= RIG_CODE + 2; rip++) {
		assert_int_equal(run(), WHvRunVpExitReasonException);
		assert_int_equal(x.VpException.ExceptionType, 1);
		assert_int_equal(x.VpException.ExceptionParameter & 0x4000, 0x4000);
		assert_int_equal(x.VpContext.Rip, rip);
		assert_int_equal(rig_get(0, WHvX64RegisterDr6) & 0x4000, 0);
	}
	delete();
}

/* An exception that the delivery of another event raises: the event is still to be delivered. */
static void while_delivering(void **state)
{
	(void)state;
	exceptions(1 << 13);
	RIG_START(0, 0x90);
	rig_set_value(0, WHvX64RegisterIdtr, (WHV_REGISTER_VALUE){.Table = {.Limit = 0x17}});
	rig_set(0, WHvRegisterPendingInterruption, 1 | 3 << 1 | 6 << 16);
	assert_int_equal(run(), WHvRunVpExitReasonException);
	assert_int_equal(x.VpException.ExceptionType, 13);
	assert_int_equal(x.VpContext.ExecutionState.InterruptionPending, 1);
	assert_int_equal(rig_get(0, WHvRegisterPendingInterruption), 1 | 3 << 1 | 6 << 16);
	rig_set_value(0, WHvX64RegisterIdtr, (WHV_REGISTER_VALUE){.Table = {.Limit = 0x3ff}});
	handler(6);
	assert_int_equal(run(), WHvRunVpExitReasonX64Halt);
	assert_int_equal(x.VpContext.Rip, 0x2001);
	delete();
}

static void double_fault(void **state)
{
	(void)state;
	exceptions(1 << 8);
	RIG_START(0, 0x90);
	rig_set_value(0, WHvX64RegisterIdtr, (WHV_REGISTER_VALUE){.Table = {.Limit = 0x17}});
	rig_set(0, WHvRegisterPendingInterruption, 1 | 3 << 1 | 13 << 16);
	assert_int_equal(run(), WHvRunVpExitReasonException);
	assert_int_equal(x.VpException.ExceptionType, 8);
	delete();
}

/* A software interrupt returns behind its instruction. */
static void software_interrupt(void **state)
{
	(void)state;
	begin(0);
	rig_end(1);
	RIG_START(0, 0xcd, 0x21); /* int 21h, done by somebody else */
	handler(0x21);
	rig_set(0, WHvRegisterPendingInterruption, 1 | 4 << 1 | 2 << 5 | 0x21 << 16);
	assert_int_equal(run(), WHvRunVpExitReasonX64Halt);
	assert_int_equal(rig.ram[0x7ffa] | rig.ram[0x7ffb] << 8, RIG_CODE + 2);
	delete();
}

/* ------ MSRs ------ */

static void msr_exit(uint32_t msr, bool write)
{
	assert_int_equal(run(), WHvRunVpExitReasonX64MsrAccess);
	assert_int_equal(x.MsrAccess.MsrNumber, msr);
	assert_int_equal(x.MsrAccess.AccessInfo.IsWrite, write);
	assert_int_equal(x.VpContext.InstructionLength, 2);
	advance();
}

static void unknown_msrs(void **state)
{
	const WHV_X64_MSR_EXIT_BITMAP unhandled = {.UnhandledMsrs = 1};
	(void)state;
	begin(MSR_EXIT);
	rig_property(WHvPartitionPropertyCodeX64MsrExitBitmap, &unhandled, sizeof unhandled);
	rig_end(1);
	RIG_START(0, 0x0f, 0x32, 0x0f, 0x30, 0x66, 0xb9, 0x77, 2, 0, 0, 0x0f, 0x32, 0xf4); /* rdmsr, wrmsr; PAT: rdmsr */
	rig_set(0, WHvX64RegisterRcx, 0x4b564d00);
	rig_set(0, WHvX64RegisterRax, 0x1234);
	msr_exit(0x4b564d00, false);
	msr_exit(0x4b564d00, true);
	assert_int_equal(x.MsrAccess.Rax, 0x1234);
	assert_int_equal(run(), WHvRunVpExitReasonX64Halt);
	assert_int_equal(rig_get(0, WHvX64RegisterRax), rig_get(0, WHvX64RegisterPat) & 0xffffffff);
	delete();
}

/* Nobody asked: #GP. */
static void msr_faults(void **state)
{
	(void)state;
	begin(0);
	rig_end(1);
	RIG_START(0, 0x0f, 0x32);
	rig_set(0, WHvX64RegisterRcx, 0x4b564d00);
	handler(13);
	assert_int_equal(run(), WHvRunVpExitReasonX64Halt);
	assert_int_equal(x.VpContext.Rip, 0x2001);
	delete();
}

static void listed_msrs(void **state)
{
	static const WHV_MSR_ACTION_ENTRY list[] = {
		{.Index = 0x277, .ReadAction = WHvMsrActionExit, .WriteAction = WHvMsrActionArchitectureDefault},
		{.Index = 0x999, .ReadAction = WHvMsrActionIgnoreWriteReadZero, .WriteAction = WHvMsrActionIgnoreWriteReadZero},
	};
	(void)state;
	begin(MSR_EXIT);
	rig_property(WHvPartitionPropertyCodeMsrActionList, list, sizeof list);
	rig_end(1);
	RIG_START(0, 0x0f, 0x32, 0x66, 0xb9, 0x99, 9, 0, 0, 0x0f, 0x30, 0x0f, 0x32, 0xf4);
	rig_set(0, WHvX64RegisterRcx, 0x277);
	rig_set(0, WHvX64RegisterRax, 0x77);
	msr_exit(0x277, false);
	assert_int_equal(run(), WHvRunVpExitReasonX64Halt);
	assert_int_equal(rig_get(0, WHvX64RegisterRax), 0);
	delete();
}

/* ------ CPUID, RDTSC, VMCALL ------ */

static void cpuid(void **state)
{
	static const uint32_t exits[] = {1};
	static const WHV_X64_CPUID_RESULT result = {.Function = 0x40000000, .Eax = 1, .Ebx = 2, .Ecx = 3, .Edx = 4};
	(void)state;
	begin(CPUID_EXIT);
	rig_property(WHvPartitionPropertyCodeCpuidExitList, exits, sizeof exits);
	rig_property(WHvPartitionPropertyCodeCpuidResultList, &result, sizeof result);
	rig_end(1);
	RIG_START(0, 0x0f, 0xa2, 0xf4);
	rig_set(0, WHvX64RegisterRax, 0x40000000);
	assert_int_equal(run(), WHvRunVpExitReasonX64Halt);
	assert_int_equal(rig_get(0, WHvX64RegisterRdx), 4);
	rig_set(0, WHvX64RegisterRip, RIG_CODE);
	rig_set(0, WHvX64RegisterRax, 1);
	rig_set(0, WHvX64RegisterRcx, 0x99);
	rig_set(0, WHvX64RegisterCr4, 0x40000);
	assert_int_equal(run(), WHvRunVpExitReasonX64Cpuid);
	assert_int_equal(x.CpuidAccess.Rax, 1);
	assert_int_equal(x.CpuidAccess.Rcx, 0x99);
	assert_int_equal(x.CpuidAccess.DefaultResultRcx >> 27 & 1, 1); /* OSXSAVE, as CR4 says */
	assert_int_equal(x.VpContext.InstructionLength, 2);
	WHV_CPUID_OUTPUT out;
	assert_int_equal(WHvGetVirtualProcessorCpuidOutput(rig.p, 0, 1, 0, &out), S_OK);
	assert_int_equal(out.Eax, x.CpuidAccess.DefaultResultRax);
	delete();
}

static void time_stamp(void **state)
{
	(void)state;
	begin(RDTSC_EXIT);
	rig_end(1);
	RIG_START(0, 0x90, 0x0f, 0x31, 0x0f, 0x01, 0xf9, 0xf4); /* nop; rdtsc; rdtscp */
	rig_set(0, WHvX64RegisterTscAux, 7);
	assert_int_equal(run(), WHvRunVpExitReasonX64Rdtsc);
	assert_int_equal(x.VpContext.Rip, RIG_CODE + 1);
	assert_int_equal(x.ReadTsc.RdtscInfo.IsRdtscp, 0);
	uint64_t before = x.ReadTsc.Tsc;
	advance();
	assert_int_equal(run(), WHvRunVpExitReasonX64Rdtsc);
	assert_int_equal(x.ReadTsc.RdtscInfo.IsRdtscp, 1);
	assert_int_equal(x.ReadTsc.TscAux, 7);
	assert_int_equal(x.VpContext.InstructionLength, 3);
	assert_true(x.ReadTsc.Tsc > before);
	delete();
}

/* That of the processor's vendor, where hypercalls are legal; all else is #UD. */
static void hypercall(void **state)
{
	static const uint64_t ud = 1 << 6;
	(void)state;
	begin(HYPERCALL_EXIT | EXCEPTION_EXIT);
	rig_property(WHvPartitionPropertyCodeExceptionExitBitmap, &ud, sizeof ud);
	rig_end(1);
	RIG_START(0, 0x0f, 0x01, 0xc1, 0x0f, 0x01, 0xd9); /* vmcall; vmmcall */
	assert_int_equal(run(), WHvRunVpExitReasonException);
	rig_protected(0);
	rig_set(0, WHvX64RegisterRbx, 0xb);
	rig_set(0, WHvX64RegisterRdi, 0xd);
	assert_int_equal(run(), WHvRunVpExitReasonHypercall);
	assert_int_equal(x.Hypercall.Rbx, 0xb);
	assert_int_equal(x.Hypercall.Rdi, 0xd);
	assert_int_equal(x.VpContext.Rip, RIG_CODE);
	assert_int_equal(x.VpContext.InstructionLength, 3);
	advance();
	assert_int_equal(run(), WHvRunVpExitReasonException);
	assert_int_equal(x.VpException.ExceptionType, 6);
	assert_int_equal(x.VpContext.Rip, RIG_CODE + 3);
	delete();
}

/* ------ what the platform leaves to others ------ */

static void task_switch(void **state)
{
	(void)state;
	begin(0);
	rig_end(1);
	RIG_START(0, 0xea, 0, 0, 0, 0, 0x18, 0); /* jmp 18h:0 */
	rig_protected(0);
	static const uint8_t tss[8] = {0x67, 0, 0, 0x40, 0, 0x89, 0, 0};
	memcpy(rig.ram + 0x818, tss, sizeof tss);
	assert_int_equal(run(), WHvRunVpExitReasonUnsupportedFeature);
	assert_int_equal(x.UnsupportedFeature.FeatureCode, WHvUnsupportedFeatureTaskSwitchTss);
	assert_int_equal(x.UnsupportedFeature.FeatureParameter, 0x18);
	assert_int_equal(x.VpContext.Rip, RIG_CODE);
	delete();
}

/* Callers compiled for the first version give less room. */
static void small_context(void **state)
{
	uint8_t small[160];
	(void)state;
	begin(0);
	rig_end(1);
	RIG_START(0, 0xf4);
	memset(small, 0xee, sizeof small);
	assert_int_equal(WHvRunVirtualProcessor(rig.p, 0, small, 144), S_OK);
	assert_int_equal(small[144], 0xee);
	assert_int_equal(WHvRunVirtualProcessor(rig.p, 0, small, 143), WHV_E_INSUFFICIENT_BUFFER);
	assert_int_equal(WHvRunVirtualProcessor(rig.p, 1, small, 144), WHV_E_VP_DOES_NOT_EXIST);
	delete();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(faults_and_traps), cmocka_unit_test(not_in_the_bitmap), cmocka_unit_test(page_fault),
		cmocka_unit_test(single_step),      cmocka_unit_test(while_delivering),  cmocka_unit_test(double_fault),
		cmocka_unit_test(software_interrupt),
		cmocka_unit_test(unknown_msrs),     cmocka_unit_test(msr_faults),        cmocka_unit_test(listed_msrs),
		cmocka_unit_test(cpuid),            cmocka_unit_test(time_stamp),        cmocka_unit_test(hypercall),
		cmocka_unit_test(task_switch),      cmocka_unit_test(small_context),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
