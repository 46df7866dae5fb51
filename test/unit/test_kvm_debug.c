/* test_kvm_debug.c - KVM: single step, breakpoints, and what the guest keeps of its own. test-labels: posix */
#include "kvm_guest.h"

static uint32_t caps(void)
{
	vma_platform_info info = {.size = sizeof(info)};

	OK(vma_platform_find(VMA_ACCEL_KVM, VMA_ARCH_X86_64, &info));
	return info.caps;
}

static int version_says(const char *word)
{
	vma_platform_info info = {.size = sizeof(info)};

	OK(vma_platform_find(VMA_ACCEL_KVM, VMA_ARCH_X86_64, &info));
	return strstr(info.version, word) != NULL;
}

/* QEMU's processor, where KVM is nested in it, does not arm the DR7 that VMRUN loads. */
static void need_breakpoints(void)
{
	if (version_says("QEMU"))
		skip();
}

static void set_debug(struct guest *g, vma_debug d)
{
	d.size = sizeof(d);
	OK(vma_vcpu_debug(g->cpu, &d));
}

static void expect_step(struct guest *g, uint64_t pc)
{
	EXPECT(g, DEBUG);
	assert_int_equal(g->exit->debug.reason, VMA_DEBUG_STEP);
	assert_int_equal(g->exit->debug.pc, pc);
	assert_int_equal(reg(g, VMA_X86_RIP), pc);
}

/* Registers may be written between two steps, RIP too. */
static void steps(void **state)
{
	GUEST(g, 0x40, 0x43, 0x90, 0x90, 0xf4);

	(void)state;
	set_debug(&g, (vma_debug){.single_step = 1});
	expect_step(&g, CODE + 1);
	assert_int_equal(reg(&g, VMA_X86_RAX), 1);
	set_reg(&g, VMA_X86_RBX, 41);
	expect_step(&g, CODE + 2);
	assert_int_equal(reg(&g, VMA_X86_RBX), 42);
	set_reg(&g, VMA_X86_RIP, CODE + 3);
	expect_step(&g, CODE + 4);
	assert_false(reg(&g, VMA_X86_RFLAGS) & 0x100);
	set_debug(&g, (vma_debug){0});
	EXPECT(&g, HLT);
	guest_end(&g);
}

/* A step over an instruction that exits is reported once it is complete. */
static void steps_over_exits(void **state)
{
	GUEST(g, 0xee, 0xec, 0x88, 0x07, 0x90, 0xf4);

	(void)state;
	set_reg(&g, VMA_X86_DS_BASE, HOLE);
	set_debug(&g, (vma_debug){.single_step = 1});
	EXPECT(&g, IO);
	expect_step(&g, CODE + 1);
	EXPECT(&g, IO);
	*g.exit->io.data = 0x5a;
	expect_step(&g, CODE + 2);
	assert_int_equal(reg(&g, VMA_X86_RAX), 0x5a);
	EXPECT(&g, MMIO);
	expect_step(&g, CODE + 4);
	expect_step(&g, CODE + 5);
	guest_end(&g);
}

static void steps_each_repetition(void **state)
{
	GUEST(g, 0xf3, 0xaa, 0x90, 0xf4);

	(void)state;
	set_reg(&g, VMA_X86_RCX, 3);
	set_reg(&g, VMA_X86_RDI, DATA);
	set_debug(&g, (vma_debug){.single_step = 1});
	/* KVM's emulator, where it runs the guest for lack of hardware, does all repetitions in one step. */
	for (uint64_t left = version_says("emulating") ? 1 : 3; left-- > 0;) {
		EXPECT(&g, DEBUG);
		assert_int_equal(reg(&g, VMA_X86_RCX), left);
	}
	guest_end(&g);
}

static void software_breakpoint(void **state)
{
	GUEST(g, 0x40, 0xcc, 0x40, 0xf4);

	(void)state;
	if (!(caps() & VMA_CAP_SW_BREAK)) {
		assert_int_equal(vma_vcpu_debug(g.cpu, &(vma_debug){.size = sizeof(vma_debug), .software = 1}),
				 VMA_E_NO_ACCEL);
		guest_end(&g);
		return;
	}
	set_debug(&g, (vma_debug){.software = 1});
	EXPECT(&g, DEBUG);
	assert_int_equal(g.exit->debug.reason, VMA_DEBUG_SW);
	assert_int_equal(g.exit->debug.exception, 3);
	assert_int_equal(g.exit->debug.pc, CODE + 1);
	assert_int_equal(reg(&g, VMA_X86_RIP), CODE + 1);
	set_reg(&g, VMA_X86_RIP, CODE + 2);
	EXPECT(&g, HLT);
	assert_int_equal(reg(&g, VMA_X86_RAX), 2);
	guest_end(&g);
}

/* Without .software INT3 is the guest's. */
static void int3_of_the_guest(void **state)
{
	GUEST(g, 0xcc, 0xf4);

	(void)state;
	memcpy(g.ram + 3 * 4, "\x00\x20\x00\x00", 4);
	g.ram[0x2000] = 0xf4;
	EXPECT(&g, HLT);
	assert_int_equal(reg(&g, VMA_X86_RIP), 0x2001);
	guest_end(&g);
}

/* A breakpoint is hit each time round, and running on from it makes progress. */
static void hardware_breakpoint(void **state)
{
	GUEST(g, 0x40, 0x43, 0xeb, 0xfc);

	(void)state;
	need_breakpoints();
	set_debug(&g, (vma_debug){.count = 1, .hw = {{.address = CODE + 1, .type = VMA_BREAK_EXEC, .length = 1}}});
	for (uint64_t i = 1; i < 4; i++) {
		EXPECT(&g, DEBUG);
		assert_int_equal(g.exit->debug.reason, VMA_DEBUG_HW);
		assert_int_equal(g.exit->debug.dr6 & 15, 1);
		assert_int_equal(g.exit->debug.pc, CODE + 1);
		assert_int_equal(reg(&g, VMA_X86_RAX), i);
		assert_int_equal(reg(&g, VMA_X86_RBX), i - 1);
	}
	guest_end(&g);
}

/* A watchpoint traps after the access. Where KVM's emulator runs the guest it is not seen (a declared difference). */
static void watchpoint(void **state)
{
	GUEST(g, 0x88, 0x07, 0x90, 0xf4);

	(void)state;
	need_breakpoints();
	set_reg(&g, VMA_X86_RBX, DATA);
	set_debug(&g, (vma_debug){.count = 1, .hw = {{.address = DATA, .type = VMA_BREAK_WRITE, .length = 1}}});
	if (!version_says("emulating")) {
		EXPECT(&g, DEBUG);
		assert_int_equal(g.exit->debug.reason, VMA_DEBUG_HW);
		assert_int_equal(reg(&g, VMA_X86_RIP), CODE + 2);
	}
	EXPECT(&g, HLT);
	guest_end(&g);
}

/* While the caller has breakpoints, the guest's own debug registers keep their values. */
static void guest_registers_kept(void **state)
{
	GUEST(g, 0x40, 0xf4);
	vma_x86_dregs d = {.dr0 = 0x123, .dr6 = 0xffff0ff0, .dr7 = 0x400};

	(void)state;
	need_breakpoints();
	OK(vma_x86_set_debug_regs(g.cpu, &d));
	set_debug(&g, (vma_debug){.count = 1, .hw = {{.address = CODE + 1, .type = VMA_BREAK_EXEC, .length = 1}}});
	EXPECT(&g, DEBUG);
	memset(&d, 0, sizeof(d));
	OK(vma_x86_get_debug_regs(g.cpu, &d));
	assert_int_equal(d.dr0, 0x123);
	assert_int_equal(d.dr7, 0x400);
	guest_end(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(steps),
	    cmocka_unit_test(steps_over_exits),
	    cmocka_unit_test(steps_each_repetition),
	    cmocka_unit_test(software_breakpoint),
	    cmocka_unit_test(int3_of_the_guest),
	    cmocka_unit_test(hardware_breakpoint),
	    cmocka_unit_test(watchpoint),
	    cmocka_unit_test(guest_registers_kept),
	};

	SKIP_WITHOUT_KVM();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
