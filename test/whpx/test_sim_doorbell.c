/* test_sim_doorbell.c - simulated WHP: doorbells: what may be registered, which writes ring, and what they do to the page. */
#include "sim_rig.h"
#include <sys/eventfd.h>
#include <unistd.h>

enum { HOLE = 0x20000 };
#define INVALID_PARAMETER WHP_HRESULT(0xc0350005u)
#define NOT_FOUND WHP_HRESULT(0x80070490u)

static int fd;

static void *event(void)
{
	return (void *)(intptr_t)fd;
}

static uint64_t rung(void)
{
	uint64_t n = 0;
	return read(fd, &n, sizeof n) == sizeof n ? n : 0;
}

static HRESULT enroll(WHV_DOORBELL_MATCH_DATA m)
{
	return WHvRegisterPartitionDoorbellEvent(rig.p, &m, event());
}

static HRESULT strike(WHV_DOORBELL_MATCH_DATA m)
{
	return WHvUnregisterPartitionDoorbellEvent(rig.p, &m);
}

static int begin(void **state)
{
	(void)state;
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rig_make("2004", 1, WHvX64LocalApicEmulationModeNone);
	return 0;
}

static int end(void **state)
{
	(void)state;
	rig_delete(1);
	close(fd);
	assert_int_equal(whpsim_unimplemented_calls(), 0);
	return 0;
}

#define DOORBELL(...) ((WHV_DOORBELL_MATCH_DATA){__VA_ARGS__})

static void malformed(void **state)
{
	static const WHV_DOORBELL_MATCH_DATA bad[] = {
		{.GuestAddress = HOLE, .Reserved = 1},
		{.GuestAddress = HOLE, .MatchOnLength = 1},
		{.GuestAddress = HOLE, .MatchOnLength = 1, .Length = 3},
		{.GuestAddress = HOLE, .MatchOnLength = 1, .Length = 16},
		{.GuestAddress = HOLE, .Length = 4},
		{.GuestAddress = HOLE, .MatchOnValue = 1, .Value = 1},
		{.GuestAddress = HOLE, .MatchOnLength = 1, .Length = 4, .Value = 1},
		{.GuestAddress = HOLE + 0xffe, .MatchOnLength = 1, .Length = 4},
		{.GuestAddress = UINT64_C(1) << 60},
	};
	WHV_DOORBELL_MATCH_DATA good = {.GuestAddress = HOLE};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(enroll(bad[i]), E_INVALIDARG);
	assert_int_equal(WHvRegisterPartitionDoorbellEvent(rig.p, NULL, event()), E_POINTER);
	assert_int_equal(WHvRegisterPartitionDoorbellEvent(rig.p, &good, NULL), E_HANDLE);
	assert_int_equal(WHvRegisterPartitionDoorbellEvent(rig.p, &good, (void *)(intptr_t)0x7ffffff), E_HANDLE);
	assert_int_equal(WHvRegisterPartitionDoorbellEvent(NULL, &good, event()), E_HANDLE);
	assert_int_equal(strike(good), NOT_FOUND);
	assert_int_equal(WHvUnregisterPartitionDoorbellEvent(rig.p, NULL), E_POINTER);
}

static void conflicts(void **state)
{
	const WHV_DOORBELL_MATCH_DATA one = DOORBELL(.GuestAddress = HOLE, .MatchOnLength = 1, .Length = 4, .MatchOnValue = 1, .Value = 1);
	WHV_DOORBELL_MATCH_DATA other = one;

	(void)state;
	assert_int_equal(enroll(one), S_OK);
	assert_int_equal(enroll(one), INVALID_PARAMETER);
	other.Length = 2;
	assert_int_equal(enroll(other), INVALID_PARAMETER);
	assert_int_equal(enroll(DOORBELL(.GuestAddress = HOLE)), INVALID_PARAMETER);
	other = one;
	other.Value = 2;
	assert_int_equal(enroll(other), S_OK);
	assert_int_equal(strike(one), S_OK);
	assert_int_equal(strike(one), NOT_FOUND);
	assert_int_equal(strike(other), S_OK);
	assert_int_equal(enroll(DOORBELL(.GuestAddress = HOLE)), S_OK);
	assert_int_equal(enroll(one), INVALID_PARAMETER);
}

/* mov [20010h], eax; mov [20010h], al; mov [20020h], eax; mov eax, [20010h]; hlt, in protected mode */
static void writes(void **state)
{
	WHV_RUN_VP_EXIT_CONTEXT x;

	(void)state;
	assert_int_equal(enroll(DOORBELL(.GuestAddress = HOLE + 0x10, .MatchOnLength = 1, .Length = 4, .MatchOnValue = 1, .Value = 7)), S_OK);
	assert_int_equal(enroll(DOORBELL(.GuestAddress = HOLE + 0x20)), S_OK);
	RIG_START(0, 0xa3, 0x10, 0, 2, 0, 0xa2, 0x10, 0, 2, 0, 0xa3, 0x20, 0, 2, 0, 0xa1, 0x10, 0, 2, 0, 0xf4);
	rig_protected(0);
	rig_set(0, WHvX64RegisterRax, 7);
	assert_int_equal(rig_run(0, &x), WHvRunVpExitReasonMemoryAccess); /* another length */
	assert_int_equal(rung(), 1);
	assert_int_equal(x.VpContext.Rip, RIG_CODE + 5);
	rig_set(0, WHvX64RegisterRip, RIG_CODE + 10);
	assert_int_equal(rig_run(0, &x), WHvRunVpExitReasonMemoryAccess); /* a read */
	assert_int_equal(rung(), 1);
	assert_int_equal(x.VpContext.Rip, RIG_CODE + 15);
	assert_int_equal(x.MemoryAccess.AccessInfo.AccessType, WHvMemoryAccessRead);
	rig_set(0, WHvX64RegisterRax, 8);
	rig_set(0, WHvX64RegisterRip, RIG_CODE);
	assert_int_equal(rig_run(0, &x), WHvRunVpExitReasonMemoryAccess); /* another value */
	assert_int_equal(x.VpContext.Rip, RIG_CODE);
	assert_int_equal(rung(), 0);
}

/* A page that is mapped is as though it were not, as long as there is one in it. */
static void over_memory(void **state)
{
	const WHV_DOORBELL_MATCH_DATA m = {.GuestAddress = 0x3010};
	WHV_RUN_VP_EXIT_CONTEXT x;

	(void)state;
	RIG_START(0, 0xa3, 0x10, 0x30, 0, 0, 0xa3, 0x20, 0x30, 0, 0, 0xf4);
	rig_protected(0);
	rig_set(0, WHvX64RegisterRax, 7);
	assert_int_equal(rig_run(0, &x), WHvRunVpExitReasonX64Halt); /* what it has translated is forgotten */
	assert_int_equal(rig.ram[0x3020], 7);
	rig.ram[0x3010] = rig.ram[0x3020] = 0;
	assert_int_equal(enroll(m), S_OK);
	rig_set(0, WHvX64RegisterRip, RIG_CODE);
	assert_int_equal(rig_run(0, &x), WHvRunVpExitReasonMemoryAccess);
	assert_int_equal(rung(), 1);
	assert_int_equal(x.MemoryAccess.Gpa, 0x3020);
	assert_true(x.MemoryAccess.AccessInfo.GpaUnmapped);
	assert_int_equal(rig.ram[0x3010], 0);
	assert_int_equal(strike(m), S_OK);
	assert_int_equal(rig_run(0, &x), WHvRunVpExitReasonX64Halt);
	assert_int_equal(rig.ram[0x3020], 7);
	rig_set(0, WHvX64RegisterRip, RIG_CODE);
	assert_int_equal(rig_run(0, &x), WHvRunVpExitReasonX64Halt);
	assert_int_equal(rung(), 0);
	assert_int_equal(rig.ram[0x3010], 7);
}

/* The event is the platform's too: its owner may close his handle. What is left goes with the partition. */
static void the_event_is_kept(void **state)
{
	WHV_RUN_VP_EXIT_CONTEXT x;
	int twin = dup(fd);

	(void)state;
	assert_int_equal(enroll(DOORBELL(.GuestAddress = HOLE)), S_OK);
	close(fd);
	fd = twin;
	RIG_START(0, 0xa3, 0, 0, 2, 0, 0xf4);
	rig_protected(0);
	assert_int_equal(rig_run(0, &x), WHvRunVpExitReasonX64Halt);
	assert_int_equal(rung(), 1);
}

static void before_the_set_up(void **state)
{
	(void)state;
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rig_begin("2004", 1);
	assert_int_equal(enroll(DOORBELL(.GuestAddress = HOLE)), WHV_E_INVALID_PARTITION_CONFIG);
	assert_int_equal(WHvDeletePartition(rig.p), S_OK);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(malformed, begin, end),
		cmocka_unit_test_setup_teardown(conflicts, begin, end),
		cmocka_unit_test_setup_teardown(writes, begin, end),
		cmocka_unit_test_setup_teardown(over_memory, begin, end),
		cmocka_unit_test_setup_teardown(the_event_is_kept, begin, end),
		cmocka_unit_test(before_the_set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
