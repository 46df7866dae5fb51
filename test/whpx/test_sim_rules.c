/* What the simulated platform refuses, and what it counts as a breach: order of calls, arguments, threads, alignment; partition
 * time; translation and access on the host's behalf. */
#include <pthread.h>
#include <unistd.h>
#include "sim_rig.h"

static WHV_RUN_VP_EXIT_CONTEXT x;

static void make(void)
{
	rig_make("", 1, WHvX64LocalApicEmulationModeNone);
}

/* ------ order ------ */

static void before_the_setup(void **state)
{
	WHV_PARTITION_HANDLE p;
	(void)state;
	assert_int_equal(whpsim_configure(""), 0);
	assert_int_equal(WHvCreatePartition(&p), S_OK);
	assert_int_equal(WHvCreatePartition(NULL), E_POINTER);
	assert_int_equal(WHvSetupPartition(p), WHV_E_INVALID_PARTITION_CONFIG); /* how many processors? */
	assert_int_equal(WHvMapGpaRange(p, rig.ram, 0, RIG_RAM, 7), WHV_E_INVALID_PARTITION_CONFIG);
	assert_int_equal(WHvCreateVirtualProcessor(p, 0, 0), WHV_E_INVALID_PARTITION_CONFIG);
	assert_int_equal(WHvResetPartition(p), WHV_E_INVALID_PARTITION_CONFIG);
	assert_int_equal(WHvSuspendPartitionTime(p), WHV_E_INVALID_PARTITION_CONFIG);
	assert_int_equal(WHvDeletePartition(p), S_OK);
	assert_int_equal(WHvDeletePartition(NULL), E_HANDLE);
}

static void after_the_setup(void **state)
{
	uint32_t two = 2;
	(void)state;
	make();
	assert_int_equal(WHvSetupPartition(rig.p), WHV_E_INVALID_PARTITION_CONFIG);
	assert_int_equal(WHvSetPartitionProperty(rig.p, WHvPartitionPropertyCodeProcessorCount, &two, sizeof two), E_INVALIDARG);
	assert_int_equal(WHvCreateVirtualProcessor(rig.p, 0, 0), WHV_E_VP_ALREADY_EXISTS);
	assert_int_equal(WHvCreateVirtualProcessor(rig.p, 1, 0), E_INVALIDARG);
	assert_int_equal(WHvCreateVirtualProcessor(rig.p, 0, 1), E_INVALIDARG);
	assert_int_equal(WHvDeleteVirtualProcessor(rig.p, 1), WHV_E_VP_DOES_NOT_EXIST);
	rig_delete(1);
}

static void left_behind(void **state)
{
	(void)state;
	make();
	rig_begin("", 1);
	assert_int_equal(whpsim_delete_all(), 2);
	assert_int_equal(whpsim_delete_all(), 0);
}

static void personalities(void **state)
{
	WHV_PARTITION_HANDLE p, q;
	uint32_t one = 1;
	(void)state;
	rig_make("one-partition", 1, WHvX64LocalApicEmulationModeNone);
	assert_int_equal(WHvCreatePartition(&q), S_OK);
	assert_int_equal(WHvSetPartitionProperty(q, WHvPartitionPropertyCodeProcessorCount, &one, sizeof one), S_OK);
	assert_int_equal(WHvSetupPartition(q), (HRESULT)0xc0370008u);
	assert_int_equal(WHvDeletePartition(q), S_OK);
	rig_delete(1);
	assert_int_equal(whpsim_configure("denied"), 0);
	assert_int_equal(WHvCreatePartition(&p), S_OK);
	assert_int_equal(WHvSetPartitionProperty(p, WHvPartitionPropertyCodeProcessorCount, &one, sizeof one), S_OK);
	assert_int_equal(WHvSetupPartition(p), E_ACCESSDENIED);
	assert_int_equal(WHvDeletePartition(p), S_OK);
	assert_int_equal(whpsim_configure("gpa36"), 0);
	rig_make("gpa36", 1, WHvX64LocalApicEmulationModeNone);
	assert_int_equal(WHvMapGpaRange(rig.p, rig.ram, (UINT64_C(1) << 36) - 0x1000, 0x1000, 7), S_OK);
	assert_int_equal(WHvMapGpaRange(rig.p, rig.ram, UINT64_C(1) << 36, 0x1000, 7), E_INVALIDARG);
	rig_delete(1);
}

/* Everything of a reset is there again, and the memory stays. */
static void reset(void **state)
{
	(void)state;
	make();
	RIG_START(0, 0xf4);
	assert_int_equal(rig_run(0, &x), WHvRunVpExitReasonX64Halt);
	assert_int_equal(WHvResetPartition(rig.p), S_OK);
	assert_int_equal(rig_get(0, WHvX64RegisterRip), 0xfff0);
	assert_int_equal(rig_value(0, WHvX64RegisterCs).Segment.Base, 0xf0000);
	assert_int_not_equal(rig_get(0, WHvX64RegisterRdx), 0);
	RIG_START(0, 0xf4);
	assert_int_equal(rig_run(0, &x), WHvRunVpExitReasonX64Halt);
	rig_delete(1);
}

/* Part of a range is unmapped only where Windows says that it can be. */
static void partial_unmap(void **state)
{
	(void)state;
	rig_make("no-partial-unmap", 1, WHvX64LocalApicEmulationModeNone);
	assert_int_equal(WHvUnmapGpaRange(rig.p, 0, 0x1000), WHV_E_GPA_RANGE_NOT_FOUND);
	assert_int_equal(WHvUnmapGpaRange(rig.p, RIG_RAM - 0x1000, 0x1000), WHV_E_GPA_RANGE_NOT_FOUND);
	assert_int_equal(WHvUnmapGpaRange(rig.p, 0, RIG_RAM), S_OK);
	rig_delete(1);
	make();
	assert_int_equal(WHvUnmapGpaRange(rig.p, 0x1000, 0x1000), S_OK);
	rig_delete(1);
}

/* State that a processor does not enter with is taken, and found when it is run (SDM vol. 3, 26.3.1.2). */
static void illegal_state(void **state)
{
	static const struct {
		WHV_REGISTER_NAME name;
		WHV_X64_SEGMENT_REGISTER value;
	} bad[] = {
		{WHvX64RegisterTr, {.Limit = 0x67, .Attributes = 0x89}},   /* not busy */
		{WHvX64RegisterTr, {.Limit = 0x67, .Attributes = 0x0b}},   /* not present */
		{WHvX64RegisterLdtr, {.Limit = 0xffff, .Attributes = 0x8b}}, /* a TSS */
		{WHvX64RegisterSs, {.Limit = 0xffff, .Attributes = 0x9b}}, /* code */
		{WHvX64RegisterDs, {.Limit = 0x1000, .Attributes = 0x8093}}, /* pages, and a limit within one */
	};
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		make();
		RIG_START(0, 0xf4);
		WHV_X64_SEGMENT_REGISTER good = rig_value(0, bad[i].name).Segment;
		rig_set_value(0, bad[i].name, (WHV_REGISTER_VALUE){.Segment = bad[i].value});
		assert_int_equal(rig_run(0, &x), WHvRunVpExitReasonInvalidVpRegisterValue);
		rig_set_value(0, bad[i].name, (WHV_REGISTER_VALUE){.Segment = good});
		assert_int_equal(rig_run(0, &x), WHvRunVpExitReasonX64Halt);
		rig_delete(1);
	}
}

/* ------ breaches ------ */

static uint64_t breaches;

static void breached(void)
{
	assert_int_equal(whpsim_breaches(), breaches + 1);
	breaches++;
}

static void *runs(void *o)
{
	rig_run(0, o);
	return NULL;
}

static void second_thread(void **state)
{
	WHV_RUN_VP_EXIT_CONTEXT other;
	WHV_REGISTER_NAME name = WHvX64RegisterRax;
	WHV_REGISTER_VALUE v;
	pthread_t t;
	(void)state;
	make();
	RIG_START(0, 0xeb, 0xfe);
	pthread_create(&t, NULL, runs, &other);
	while (!whpsim_running(rig.p))
		usleep(100);
	breaches = whpsim_breaches();
	assert_int_equal(WHvRunVirtualProcessor(rig.p, 0, &x, sizeof x), WHV_E_INVALID_VP_STATE);
	breached();
	assert_int_equal(WHvGetVirtualProcessorRegisters(rig.p, 0, &name, 1, &v), WHV_E_INVALID_VP_STATE);
	breached();
	assert_int_equal(WHvDeleteVirtualProcessor(rig.p, 0), WHV_E_INVALID_VP_STATE);
	breached();
	assert_int_equal(WHvDeletePartition(rig.p), WHV_E_INVALID_VP_STATE);
	breached();
	assert_int_equal(WHvCancelRunVirtualProcessor(rig.p, 0, 0), S_OK);
	pthread_join(t, NULL);
	assert_int_equal(other.ExitReason, WHvRunVpExitReasonCanceled);
	assert_int_equal(WHvDeletePartition(rig.p), S_OK); /* its processors with it */
}

/* The virtual processor as it is while another thread cancels its run. */
static void cancel_on(uint32_t index)
{
	struct whpsim_partition *p = rig.p;
	atomic_store(&p->vps[index]->cancelling, 1);
}

static void deleted_in_a_cancel(void **state)
{
	(void)state;
	rig_make("", 2, WHvX64LocalApicEmulationModeNone);
	breaches = whpsim_breaches();
	cancel_on(0);
	assert_int_equal(WHvDeleteVirtualProcessor(rig.p, 0), S_OK);
	breached();
	cancel_on(1);
	assert_int_equal(WHvDeletePartition(rig.p), S_OK);
	breached();
}

static void misaligned(void **state)
{
	_Alignas(16) uint8_t room[48];
	WHV_REGISTER_NAME name = WHvX64RegisterRax;
	WHV_REGISTER_VALUE *v = (void *)(room + 8);
	(void)state;
	make();
	breaches = whpsim_breaches();
	assert_int_equal(WHvGetVirtualProcessorRegisters(rig.p, 0, &name, 1, v), E_INVALIDARG);
	breached();
	assert_int_equal(WHvSetVirtualProcessorRegisters(rig.p, 0, &name, 1, v), E_INVALIDARG);
	breached();
	assert_int_equal(WHvDeletePartition(rig.p), S_OK);
}

/* ------ values that a register cannot have ------ */

static void values(void **state)
{
	static const struct {
		WHV_REGISTER_NAME name;
		uint64_t low;
	} bad[] = {
		{WHvX64RegisterCr8, 16}, {WHvX64RegisterXCr0, 2}, {WHvX64RegisterXCr0, 1ull << 40}, {WHvX64RegisterLstar, 1ull << 60},
		{WHvX64RegisterPat, 2}, {WHvRegisterPendingInterruption, 1 | 1 << 1}, {WHvRegisterPendingInterruption, 1 | 3 << 1 | 32 << 16},
		{WHvRegisterInterruptState, 4}, {WHvX64RegisterDeliverabilityNotifications, 64}, {WHvRegisterInternalActivityState, 8},
		{WHvX64RegisterApicBase, 1ull << 50}, {WHvRegisterPendingEvent, 1 | 3 << 1},
	};
	(void)state;
	make();
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		WHV_REGISTER_VALUE v = {.Reg64 = bad[i].low};
		uint64_t before = rig_get(0, bad[i].name);
		assert_int_equal(WHvSetVirtualProcessorRegisters(rig.p, 0, &bad[i].name, 1, &v), (HRESULT)0xc0350050u);
		assert_int_equal(rig_get(0, bad[i].name), before);
	}
	WHV_REGISTER_NAME id = WHvX64RegisterInitialApicId;
	assert_int_equal(WHvSetVirtualProcessorRegisters(rig.p, 0, &id, 1, &(WHV_REGISTER_VALUE){0}), E_ACCESSDENIED);
	rig_delete(1);
}

/* ------ time ------ */

static void partition_time(void **state)
{
	(void)state;
	make();
	RIG_START(0, 0xf4);
	assert_int_equal(WHvSuspendPartitionTime(rig.p), S_OK);
	uint64_t stood = rig_get(0, WHvX64RegisterTsc);
	usleep(2000);
	assert_int_equal(rig_get(0, WHvX64RegisterTsc), stood);
	rig_set(0, WHvX64RegisterTsc, 1ull << 40);
	assert_int_equal(rig_get(0, WHvX64RegisterTsc), 1ull << 40);
	assert_int_equal(WHvResumePartitionTime(rig.p), S_OK);
	usleep(1000);
	uint64_t went_on = rig_get(0, WHvX64RegisterTsc);
	assert_true(went_on > (1ull << 40) && went_on < (1ull << 40) + 1000000000);
	assert_int_equal(WHvSuspendPartitionTime(rig.p), S_OK);
	assert_int_equal(rig_run(0, &x), WHvRunVpExitReasonX64Halt); /* a run resumes it */
	usleep(1000);
	assert_true(rig_get(0, WHvX64RegisterTsc) > went_on);
	rig_delete(1);
}

/* ------ translation ------ */

static WHV_TRANSLATE_GVA_RESULT_CODE translate(uint64_t gva, unsigned flags, uint64_t *gpa)
{
	WHV_TRANSLATE_GVA_RESULT r;
	assert_int_equal(WHvTranslateGva(rig.p, 0, gva, (WHV_TRANSLATE_GVA_FLAGS)flags, &r, gpa), S_OK);
	return r.ResultCode;
}

static void translation(void **state)
{
	enum { R = 1, W = 2, X = 4, SET_BITS = 0x10 };
	static const uint32_t table[] = {0x5067, 0, 0x6061, 0x7005, 0x2000065}; /* 0 rw, none, 8000h.. read-only; far away */
	WHV_TRANSLATE_GVA_RESULT r;
	uint64_t gpa;
	(void)state;
	make();
	RIG_START(0, 0xf4);
	assert_int_equal(translate(0x1234, R, &gpa), WHvTranslateGvaResultSuccess);
	assert_int_equal(gpa, 0x1234);
	rig.ram[0x3000] = 0x27;
	rig.ram[0x3001] = 0x40;
	memcpy(rig.ram + 0x4000, table, sizeof table);
	rig_protected(0);
	rig_set(0, WHvX64RegisterCr3, 0x3000);
	rig_set(0, WHvX64RegisterCr0, 0x80010031); /* with WP */
	assert_int_equal(translate(0x234, R | W, &gpa), WHvTranslateGvaResultSuccess);
	assert_int_equal(gpa, 0x5234);
	assert_int_equal(translate(0x1000, R, &gpa), WHvTranslateGvaResultPageNotPresent);
	assert_int_equal(translate(0x2010, W, &gpa), WHvTranslateGvaResultPrivilegeViolation);
	assert_int_equal(translate(0x4000, R, &gpa), WHvTranslateGvaResultGpaUnmapped);
	assert_int_equal(translate(0x3000, R, &gpa), WHvTranslateGvaResultSuccess);
	assert_int_equal(rig.ram[0x400c], 5); /* no accessed bit */
	assert_int_equal(translate(0x3000, R | SET_BITS, &gpa), WHvTranslateGvaResultSuccess);
	assert_int_equal(rig.ram[0x400c], 0x25);
	assert_int_equal(WHvTranslateGva(rig.p, 0, 0, (WHV_TRANSLATE_GVA_FLAGS)0x20, &r, &gpa), E_INVALIDARG);
	assert_int_equal(WHvTranslateGva(rig.p, 0, 0, (WHV_TRANSLATE_GVA_FLAGS)R, NULL, &gpa), E_POINTER);
	rig_delete(1);
}

/* ------ memory by the host ------ */

static void host_access(void **state)
{
	const WHV_ACCESS_GPA_CONTROLS c = {0};
	uint8_t data[17] = {1, 2, 3};
	(void)state;
	make();
	assert_int_equal(WHvWriteGpaRange(rig.p, 0, 0xffe, c, data, 3), S_OK);
	assert_memory_equal(rig.ram + 0xffe, data, 3);
	assert_int_equal(WHvReadGpaRange(rig.p, 0, 0xffe, c, data, 16), S_OK);
	assert_int_equal(WHvReadGpaRange(rig.p, 0, 0, c, data, 17), E_INVALIDARG);
	assert_int_equal(WHvReadGpaRange(rig.p, 0, RIG_RAM - 1, c, data, 2), E_ACCESSDENIED);
	rig_delete(1);
}

static void counters(void **state)
{
	uint64_t c[28], mapped[3];
	uint32_t written;
	(void)state;
	make();
	RIG_START(0, 0xe6, 0x80);
	assert_int_equal(rig_run(0, &x), WHvRunVpExitReasonX64IoPortAccess);
	assert_int_equal(WHvGetVirtualProcessorCounters(rig.p, 0, WHvProcessorCounterSetIntercepts, c, sizeof c, &written), S_OK);
	assert_int_equal(written, sizeof c);
	assert_int_equal(c[2 * 2], 1);
	assert_int_equal(WHvGetPartitionCounters(rig.p, WHvPartitionCounterSetMemory, mapped, sizeof mapped, &written), S_OK);
	assert_int_equal(mapped[0], RIG_RAM / 4096);
	assert_int_equal(WHvGetPartitionCounters(rig.p, WHvPartitionCounterSetMemory, mapped, 8, &written), WHV_E_INSUFFICIENT_BUFFER);
	rig_delete(1);
}

/* Breaches of purpose come last: rig_delete wants none. */
int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(before_the_setup), cmocka_unit_test(after_the_setup), cmocka_unit_test(personalities),
		cmocka_unit_test(left_behind),      cmocka_unit_test(partial_unmap),   cmocka_unit_test(illegal_state),
		cmocka_unit_test(reset),            cmocka_unit_test(values),          cmocka_unit_test(partition_time),
		cmocka_unit_test(translation),      cmocka_unit_test(host_access),     cmocka_unit_test(counters),
		cmocka_unit_test(second_thread),    cmocka_unit_test(misaligned),      cmocka_unit_test(deleted_in_a_cancel),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
