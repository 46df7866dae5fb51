/* test_arm64_time.c - an arm64 guest's counter on every accelerator: it goes on from where it is set, and a restored vCPU's from where
 * the saved one's was if that is asked for; its frequency. */
/* test-labels: release */
#include <unistd.h>
#include "arm64_guest.h"

enum { END = UART + 0x800 };
static const uint32_t read_counter[] = {0xd53be040 /* mrs x0, cntvct_el0 */, 0x39000360 /* strb w0, [x27] */, 0x17fffffe};
#define FAR_AWAY UINT64_C(0x123456789abc)

static void start(struct machine *m)
{
	make(m, (vma_vm_config){0});
	PUT(m, 0x1000, read_counter);
	set(m->v, VMA_ARM64_X0 + 27, END);
	set(m->v, VMA_ARM64_PC, 0x1000);
}

static uint64_t guest_counter(struct machine *m)
{
	assert_int_equal(vma_vcpu_run(m->v), VMA_EXIT_MMIO);
	ok(vma_vcpu_complete(m->v));
	return get(m->v, VMA_ARM64_X0);
}

/* A minute at most has gone by since. */
static void expect_from(struct machine *m, uint64_t from)
{
	const uint64_t now = guest_counter(m), again = guest_counter(m), minute = 60 * get(m->v, VMA_ARM64_CNTFRQ_EL0);

	if (now - from > minute || again - now > minute)
		fail_msg("the counter is %#llx, then %#llx: it was %#llx", (unsigned long long)now, (unsigned long long)again,
			 (unsigned long long)from);
}

static void set_counter(void **state)
{
	static const uint64_t from[] = {FAR_AWAY, 5, UINT64_C(1) << 60};
	struct machine m;
	(void)state;
	start(&m);
	for (unsigned i = 0; i < sizeof(from) / sizeof(*from); i++) {
		set(m.v, VMA_ARM64_CNTVCT_EL0, from[i]);
		expect_from(&m, from[i]);
		assert_true(get(m.v, VMA_ARM64_CNTVCT_EL0) - from[i] < 60 * get(m.v, VMA_ARM64_CNTFRQ_EL0));
	}
	end(&m);
}

/* The saved state is written into a VM of the same accelerator: one that has run has another time. */
static void restored_counter(void **state)
{
	static uint8_t buf[65536];
	size_t size = sizeof(buf);
	struct machine a, b;
	(void)state;
	start(&a);
	set(a.v, VMA_ARM64_CNTVCT_EL0, FAR_AWAY);
	ok(vma_vcpu_save(a.v, buf, &size, VMA_STATE_TIME));
	end(&a);
	start(&b);
	set(b.v, VMA_ARM64_CNTVCT_EL0, 5);
	ok(vma_vcpu_restore(b.v, buf, size, 0, NULL));
	expect_from(&b, 5);
	ok(vma_vcpu_restore(b.v, buf, size, VMA_STATE_TIME, NULL));
	expect_from(&b, FAR_AWAY);
	end(&b);
}

/* KVM's frequency is the host's; a software CPU's can be had as asked. */
static void frequency(void **state)
{
	struct machine m;
	uint64_t other;
	(void)state;
	start(&m);
	other = get(m.v, VMA_ARM64_CNTFRQ_EL0) + 1000;
	if (accel == VMA_ACCEL_KVM)
		assert_int_equal(vma_vcpu_set(m.v, (uint32_t[]){VMA_ARM64_CNTFRQ_EL0}, &other, 1), VMA_E_NO_ACCEL);
	else
		set(m.v, VMA_ARM64_CNTFRQ_EL0, other);
	assert_int_equal(get(m.v, VMA_ARM64_CNTFRQ_EL0), accel == VMA_ACCEL_KVM ? other - 1000 : other);
	end(&m);
}

/* Where the counters can be had as registers (KVM's physical one since Linux 6.4) they go by: not among the state that is saved and
 * written without being asked for. */
static void saved_without_time(void **state)
{
	static uint8_t one[65536], two[65536];
	size_t size = sizeof(one), again = sizeof(two);
	struct machine m;
	(void)state;
	start(&m);
	ok(vma_vcpu_save(m.v, one, &size, 0));
	usleep(1000);
	ok(vma_vcpu_save(m.v, two, &again, 0));
	assert_int_equal(size, again);
	assert_memory_equal(one, two, size);
	end(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_counter),
		cmocka_unit_test(restored_counter),
		cmocka_unit_test(frequency),
		cmocka_unit_test(saved_without_time),
	};

	RUN_ON_ALL(tests);
}
