/* test_pc.c - src/pc over a back end that is a struct: INIT and SIPI that come at moments no guest can aim at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "pc/pc.h"

static struct rig {
	struct pc_vm pc;
	struct pc_vcpu pv;
	struct vma_vm vm;
	struct vma_vcpu v;
	bool again; /* INIT and SIPI come while the back end takes the first SIPI's state */
	int fail;
	unsigned commits;
} rig;

/* As the controllers' callbacks do. */
static void init_and_sipi(uint32_t vector)
{
	os_lock(&rig.pc.lock);
	atomic_store(&rig.pv.init, true);
	atomic_store(&rig.pv.sipi_vector, vector);
	atomic_store(&rig.pv.sipi, true);
	os_unlock(&rig.pc.lock);
}

static int fetch(struct vma_vcpu *v, uint32_t classes)
{
	(void)v;
	(void)classes;
	return 0;
}

static int commit(struct vma_vcpu *v, uint32_t classes)
{
	(void)v;
	(void)classes;
	rig.commits++;
	if (rig.again)
		init_and_sipi(0x22);
	return rig.fail;
}

static const struct vma_backend bare = {.name = "struct", .arch = VMA_ARCH_X86_64, .fetch = fetch, .commit = commit};

static int setup(void **state)
{
	(void)state;
	rig = (struct rig){.vm = {.pc = &rig.pc}, .v = {.vm = &rig.vm, .pc = &rig.pv, .index = 1}};
	rig.pc.vm = &rig.vm;
	rig.pc.bare = &bare;
	rig.pv.v = &rig.v;
	rig.pv.mp = VMA_MP_WAIT_SIPI;
	atomic_store(&rig.pv.sipi, true);
	atomic_store(&rig.pv.sipi_vector, 0x11);
	os_mutex_init(&rig.pc.lock);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	os_mutex_destroy(&rig.pc.lock);
	return 0;
}

static void sipi_starts(void **state)
{
	(void)state;
	assert_int_equal(pc_take_sipi(&rig.pv), 0);
	assert_int_equal(rig.pv.mp, VMA_MP_RUNNABLE);
	assert_false(atomic_load(&rig.pv.sipi));
	assert_int_equal(rig.v.x86.sregs.cs.base, 0x11000);
}

static void sipi_comes_while_one_is_taken(void **state)
{
	(void)state;
	rig.again = true;
	assert_int_equal(pc_take_sipi(&rig.pv), 0);
	assert_true(atomic_load(&rig.pv.init));
	assert_true(atomic_load(&rig.pv.sipi));
}

/* A vCPU that runs ignores SIPIs, but not one whose INIT it has not seen yet. */
static void sipi_waits_for_its_init(void **state)
{
	(void)state;
	rig.pv.mp = VMA_MP_RUNNABLE;
	init_and_sipi(0x22);
	assert_int_equal(pc_take_sipi(&rig.pv), 0);
	assert_true(atomic_load(&rig.pv.sipi));
	atomic_store(&rig.pv.init, false);
	assert_int_equal(pc_take_sipi(&rig.pv), 0);
	assert_false(atomic_load(&rig.pv.sipi));
	assert_int_equal(rig.commits, 0);
}

static void sipi_is_tried_again(void **state)
{
	(void)state;
	rig.fail = VMA_E_NATIVE;
	assert_int_equal(pc_take_sipi(&rig.pv), VMA_E_NATIVE);
	assert_int_equal(rig.pv.mp, VMA_MP_WAIT_SIPI);
	rig.fail = 0;
	assert_int_equal(pc_take_sipi(&rig.pv), 0);
	assert_int_equal(rig.pv.mp, VMA_MP_RUNNABLE);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(sipi_starts),
	    TEST(sipi_comes_while_one_is_taken),
	    TEST(sipi_waits_for_its_init),
	    TEST(sipi_is_tried_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
