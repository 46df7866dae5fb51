/* test_whpx_again.c - a call of the platform fails when what an emulated instruction did is to be written: the run or the
 * completion fails, nothing of the instruction is seen, and the same again does it once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "conformance/guest.h"
#include "os/os.h"
#include "sim/whpx/whpsim.h"
#include "whpx/whpx.h"

static struct conf conf = {.accel = VMA_ACCEL_WHPX, .arch = VMA_ARCH_X86_64};
static int failures;

static int xsave_fails(const char *call)
{
	return !strcmp(call, "WHvSetVirtualProcessorXsaveState") && failures && failures-- ? (int)E_OUTOFMEMORY : 0;
}

/* movups xmm0, [rbx+8]; inc r9; inc r9; hlt */
static const uint8_t load_code[] = {0x0f, 0x10, 0x43, 0x08, 0x49, 0xff, 0xc1, 0x49, 0xff, 0xc1, 0xf4};

static void open_guest(struct guest *g, const void *code, size_t size)
{
	vma_x86_sregs s;

	if (guest_open(g, &conf, NULL, code, size) != CONF_PASS)
		fail_msg("%s", conf.reason);
	assert_int_equal(vma_x86_get_sregs(g->v, &s), 0);
	s.cr4 |= 3 << 9; /* OSFXSR, OSXMMEXCPT */
	assert_int_equal(vma_x86_set_sregs(g->v, &s), 0);
	guest_set(g, VMA_X86_RBX, GUEST_MMIO);
	guest_set(g, VMA_X86_R9, 0);
}

static void expect_xmm0(struct guest *g, uint64_t low, uint64_t high)
{
	vma_x86_fpu_regs f;

	assert_int_equal(vma_x86_get_fpu_regs(g->v, &f), 0);
	assert_memory_equal(f.xmm[0], &low, 8);
	assert_memory_equal(f.xmm[0] + 8, &high, 8);
}

/* To the second half of the load's answer. */
static void run_to_answer(struct guest *g)
{
	assert_int_equal(vma_vcpu_run(g->v), VMA_EXIT_MMIO);
	memset(g->exit->mmio.data, 0x11, 8);
	assert_int_equal(vma_vcpu_complete(g->v), 1);
	assert_int_equal(g->exit->kind, VMA_EXIT_MMIO);
	memset(g->exit->mmio.data, 0x22, 8);
}

/* However often it fails. */
static void test_completion(void **state)
{
	struct guest g;

	(void)state;
	for (int times = 1; times <= 3; times++) {
		open_guest(&g, load_code, sizeof load_code);
		run_to_answer(&g);
		failures = times;
		for (int i = 0; i < times; i++) {
			assert_true(vma_vcpu_complete(g.v) < 0);
			assert_int_equal(guest_get(&g, VMA_X86_RIP), GUEST_CODE);
		}
		assert_int_equal(vma_vcpu_complete(g.v), 0);
		assert_int_equal(guest_get(&g, VMA_X86_RIP), GUEST_CODE + 4);
		assert_int_equal(guest_get(&g, VMA_X86_R9), 0);
		expect_xmm0(&g, 0x1111111111111111, 0x2222222222222222);
		assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_HLT);
		assert_int_equal(guest_get(&g, VMA_X86_R9), 2);
		guest_close(&g);
	}
	assert_int_equal(whpsim_breaches(), 0);
}

/* By a run, and what the caller writes meanwhile is found behind the instruction. */
static void test_run(void **state)
{
	struct guest g;

	(void)state;
	open_guest(&g, load_code, sizeof load_code);
	run_to_answer(&g);
	failures = 1;
	assert_true(vma_vcpu_run(g.v) < 0);
	guest_set(&g, VMA_X86_R9, 40);
	assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_HLT);
	assert_int_equal(guest_get(&g, VMA_X86_R9), 42);
	expect_xmm0(&g, 0x1111111111111111, 0x2222222222222222);
	guest_close(&g);
}

/* A step, which has no answer to wait for: its exit is not lost with its registers. */
static void test_step(void **state)
{
	/* mov rcx, 3; movd xmm0, ecx; nop; hlt */
	static const uint8_t code[] = {0xb9, 3, 0, 0, 0, 0x66, 0x0f, 0x6e, 0xc1, 0x90, 0xf4};
	vma_debug debug = {.size = sizeof debug, .single_step = 1};
	struct guest g;

	(void)state;
	for (int write = 0; write < 2; write++) {
		open_guest(&g, code, sizeof code);
		assert_int_equal(vma_vcpu_debug(g.v, &debug), 0);
		assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_DEBUG);
		failures = 1;
		assert_true(vma_vcpu_run(g.v) < 0);
		assert_int_equal(guest_get(&g, VMA_X86_RIP), GUEST_CODE + 5);
		if (write) /* then it is done with that */
			guest_set(&g, VMA_X86_RCX, 4);
		assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_DEBUG);
		assert_int_equal(g.exit->debug.pc, GUEST_CODE + 9);
		assert_int_equal(guest_get(&g, VMA_X86_RIP), GUEST_CODE + 9);
		expect_xmm0(&g, write ? 4 : 3, 0);
		assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_DEBUG);
		assert_int_equal(g.exit->debug.pc, GUEST_CODE + 10);
		guest_close(&g);
	}
	assert_int_equal(whpsim_breaches(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_completion),
		cmocka_unit_test(test_run),
		cmocka_unit_test(test_step),
	};

	vma_os_fault = xsave_fails; /* before the other threads are there */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
