/* test_null_script.c - the scripted back end as a user's test sees it: steps, failures, limits. */
#include "test_core_null.h"

static void steps_in_order(void **state)
{
	struct rig *r = *state;
	uint8_t bytes[4] = {1, 2, 3, 4};
	vma_null_step s[3] = {step_in(0x60, 1), {.size = sizeof(s[0]), .error = VMA_E_NATIVE}, step_in(0, 1)};

	s[2].exit.io.write = 1;
	s[2].exit.io.width = 2;
	s[2].exit.io.count = 2;
	s[2].exit.io.data = bytes;
	ok(vma_null_script(r->v, s, 2));
	ok(vma_null_script(r->v, s + 2, 1));
	bytes[0] = 99; /* they were copied */
	assert_int_equal(vma_null_left(r->v), 3);
	assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_IO);
	fails(vma_vcpu_run(r->v), VMA_E_NATIVE);
	assert_non_null(strstr(vma_why(), "script"));
	assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_IO);
	assert_memory_equal(vma_vcpu_exit(r->v)->io.data, "\1\2\3\4", 4);
	assert_int_equal(vma_null_left(r->v), 0);
	assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_HLT);
}

static void refused_steps(void **state)
{
	struct rig *r = *state;
	vma_null_step s = step_in(0x60, 3);

	fails(vma_null_script(r->v, &s, 1), VMA_E_INVALID);
	s = step_in(0x60, 1);
	s.exit.io.count = 0;
	fails(vma_null_script(r->v, &s, 1), VMA_E_INVALID);
	s = step_read(0, 9, 0);
	fails(vma_null_script(r->v, &s, 1), VMA_E_INVALID);
	s = step_read(0, 4, 0);
	s.reg = VMA_X86_CR0;
	fails(vma_null_script(r->v, &s, 1), VMA_E_INVALID);
	s.exit.kind = 77;
	fails(vma_null_script(r->v, &s, 1), VMA_E_INVALID);
	s.size = 1;
	fails(vma_null_script(r->v, &s, 1), VMA_E_INVALID);
	fails(vma_null_script(NULL, &s, 1), VMA_E_INVALID);
	assert_int_equal(vma_null_left(r->v), 0);
}

static void nth_call_fails_once(void **state)
{
	struct rig *r = *state;

	vma_null_clear();
	ok(vma_null_fail("run", 3, VMA_E_BUSY));
	assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_HLT);
	assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_HLT);
	fails(vma_vcpu_run(r->v), VMA_E_BUSY);
	assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_HLT);
	assert_int_equal(vma_null_calls("run"), 4);
	assert_int_equal(vma_null_calls("no such"), 0);
	for (int i = 0; i < 32; i++)
		ok(vma_null_fail("nmi", 1000, VMA_E_BUSY));
	fails(vma_null_fail("nmi", 1000, VMA_E_BUSY), VMA_E_LIMIT);
}

static void limits_hold(void **state)
{
	vma_platform_info limits = {.size = sizeof(limits)};
	vma_vm_config c = rig_config(VMA_IRQCHIP_PLATFORM);
	vma_vm *vm;

	(void)state;
	ok(vma_platform_find(VMA_ACCEL_NULL, VMA_ARCH_X86_64, &limits));
	limits.caps = VMA_CAP_READONLY | VMA_CAP_IRQFD; /* the second is none of its own */
	limits.size = 4;
	fails(vma_null_limits(&limits), VMA_E_INVALID);
	limits.size = sizeof(limits);
	ok(vma_null_limits(&limits));
	fails(vma_vm_create(&c, &vm), VMA_E_NO_ACCEL);
	c.irqchip = VMA_IRQCHIP_NONE;
	ok(vma_vm_create(&c, &vm));
	assert_int_equal(vma_vm_caps(vm), VMA_CAP_READONLY);
	ok(vma_vm_destroy(vm));
	vma_null_clear();
	ok(vma_vm_create(&c, &vm));
	assert_true(vma_vm_caps(vm) & VMA_CAP_DIRTY_LOG);
	ok(vma_vm_destroy(vm));
}

static void touching(void **state)
{
	struct rig *r = *state;

	fails(vma_null_touch(r->vm, 0x100000, 1), VMA_E_NOENT);
	fails(vma_null_touch(r->vm, UINT64_MAX, 2), VMA_E_INVALID);
	fails(vma_null_touch(NULL, 0, 1), VMA_E_INVALID);
	ok(vma_null_touch(r->vm, 0, 0x100000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(steps_in_order),      RIG_TEST(refused_steps), RIG_TEST(nth_call_fails_once),
		cmocka_unit_test(limits_hold), RIG_TEST(touching),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
