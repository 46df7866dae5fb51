/* test_kvm_state.c - KVM: every class of state round-trips, exceptions in flight survive writes, CPUID is what the VM's
 * table says. test-labels: posix */
#include "kvm_guest.h"

static void registers_round_trip(void **state)
{
	uint32_t ids[256];
	uint64_t before[256], after[256];
	size_t count = 256;
	vma_x86_regs r, r2;
	GUEST(g, 0x90, 0xee, 0xf4);

	(void)state;
	EXPECT(&g, IO);
	OK(vma_vcpu_complete(g.cpu));
	OK(vma_reg_list(VMA_ARCH_X86_64, ids, &count));
	for (uint32_t i = 0; i < 16; i++)
		set_reg(&g, i, 0x1111111111111111u * (i + 1));
	OK(vma_x86_get_regs(g.cpu, &r));
	OK(vma_x86_set_regs(g.cpu, &r, VMA_X86_ALL_REGS));
	OK(vma_x86_get_regs(g.cpu, &r2));
	assert_memory_equal(&r, &r2, sizeof(r));
	for (size_t i = 0; i < count; i++) {
		if (vma_vcpu_get(g.cpu, &ids[i], &before[i], 1))
			continue; /* an MSR that this host's KVM has not */
		if (!strncmp(vma_reg_name(VMA_ARCH_X86_64, ids[i]), "tsc", 3))
			continue; /* runs on */
		OK(vma_vcpu_set(g.cpu, &ids[i], &before[i], 1));
		OK(vma_vcpu_get(g.cpu, &ids[i], &after[i], 1));
		assert_true(before[i] == after[i]);
	}
	EXPECT(&g, HLT);
	assert_true(reg(&g, VMA_X86_RCX) == 0x3333333333333333);
	guest_end(&g);
}

/* CR8 lives in kvm_run without an irqchip and in the local APIC with one. */
static void task_priority(void **state)
{
	static const uint8_t code[] = {0x40, 0xf4};
	vma_vm_config c = guest_config();

	(void)state;
	for (int chip = VMA_IRQCHIP_NONE; chip <= VMA_IRQCHIP_LIBRARY; chip++) {
		struct guest g;
		vma_kick *k;
		c.irqchip = (vma_irqchip)chip;
		guest_start(&g, &c, code, sizeof(code));
		set_reg(&g, VMA_X86_CR8, 5);
		OK(vma_vcpu_kick_handle(g.cpu, &k));
		vma_kick_send(k);
		EXPECT(&g, CANCELED);
		assert_int_equal(reg(&g, VMA_X86_CR8), 5);
		if (!chip) {
			EXPECT(&g, HLT);
			assert_int_equal(reg(&g, VMA_X86_CR8), 5);
		}
		vma_kick_unref(k);
		guest_end(&g);
	}
}

/* XCR0 as the guest sets it is what KVM saves, and gives back to the guest at each entry. QEMU's processor does not know the intercept of
 * XSETBV (APM vol. 2, 15.9), without which KVM never hears of it: there a guest that uses XSAVE loses state, and Linux' signal frames break. */
static void xcr0_of_the_guest(void **state)
{
	GUEST(g, 0x0f, 0x01, 0xd1, 0xee, 0x31, 0xc9, 0x0f, 0x01, 0xd0, 0xf4); /* xsetbv; out dx, al; xor cx, cx; xgetbv; hlt */
	vma_platform_info info = {.size = sizeof(info)};
	uint64_t want = 3;

	(void)state;
	OK(vma_platform_find(VMA_ACCEL_KVM, VMA_ARCH_X86_64, &info));
	if (vma_x86_has_feature(g.vm, "xsave") == 1) {
		want = strstr(info.version, "QEMU") ? 1 : 3;
		set_reg(&g, VMA_X86_CR4, reg(&g, VMA_X86_CR4) | 1u << 18);
		set_reg(&g, VMA_X86_RAX, 3);
		set_reg(&g, VMA_X86_RCX, 0);
		set_reg(&g, VMA_X86_RDX, 0);
		EXPECT(&g, IO);
		OK(vma_vcpu_complete(g.cpu));
		assert_int_equal(reg(&g, VMA_X86_XCR0), want);
		EXPECT(&g, HLT);
		assert_int_equal(reg(&g, VMA_X86_RAX), want);
	}
	guest_end(&g);
}

/* A #GP that a completion raised waits in KVM; writing registers before the next run must not drop it. */
static void exception_survives_set_regs(void **state)
{
	static const uint8_t code[] = {0x0f, 0x32, 0xf4};
	vma_vm_config c = guest_config();
	struct guest g;

	(void)state;
	c.msr_policy = VMA_MSR_EXIT;
	guest_start(&g, &c, code, sizeof(code));
	memcpy(g.ram + 13 * 4, "\x00\x20\x00\x00", 4);
	g.ram[0x2000] = 0xf4;
	set_reg(&g, VMA_X86_RCX, 0x4b0001);
	EXPECT(&g, MSR);
	g.exit->msr.fault = 1;
	OK(vma_vcpu_complete(g.cpu));
	set_reg(&g, VMA_X86_RBX, 9);
	EXPECT(&g, HLT);
	assert_int_equal(reg(&g, VMA_X86_RIP), 0x2001);
	assert_int_equal(reg(&g, VMA_X86_RBX), 9);
	guest_end(&g);
}

static void fpu_round_trip(void **state)
{
	vma_x86_fpu_regs f = {.fcw = 0x27f, .mxcsr = 0x1fa0, .ftw = 0x81}, back;
	GUEST(g, 0xf4);

	(void)state;
	for (unsigned i = 0; i < 16; i++)
		memset(f.xmm[i], (int)(0x10 + i), 16);
	OK(vma_x86_set_fpu_regs(g.cpu, &f));
	EXPECT(&g, HLT);
	OK(vma_x86_get_fpu_regs(g.cpu, &back));
	assert_int_equal(back.fcw, 0x27f);
	assert_int_equal(back.mxcsr, 0x1fa0);
	assert_int_equal(back.ftw, 0x81);
	assert_memory_equal(back.xmm, f.xmm, sizeof(f.xmm));
	guest_end(&g);
}

/* The guest sees the VM's table, with its own APIC id, and no leaves of KVM's. */
static void cpuid(void **state)
{
	vma_x86_cpuid table[256];
	size_t count = 256;
	GUEST(g, 0x0f, 0xa2, 0xf4);

	(void)state;
	OK(vma_x86_get_cpuid(g.vm, table, &count));
	for (size_t i = 0; i < count; i++)
		assert_false(table[i].leaf >> 16 == 0x4000 && (table[i].ebx == 0x4b4d564b || (table[i].leaf & 0xffff)));
	set_reg(&g, VMA_X86_RAX, 1);
	EXPECT(&g, HLT);
	assert_int_equal(reg(&g, VMA_X86_RBX) >> 24, 0);
	assert_true(reg(&g, VMA_X86_RCX) & 1u << 31);
	assert_false(reg(&g, VMA_X86_RCX) & 1u << 21); /* no x2APIC without an irqchip */
	set_reg(&g, VMA_X86_RAX, 0x40000000);
	set_reg(&g, VMA_X86_RIP, CODE);
	EXPECT(&g, HLT);
	assert_true(reg(&g, VMA_X86_RBX) != 0x4b4d564b);
	guest_end(&g);
}

static void long_mode(void **state)
{
	/* mov rax, imm64; mov [rsp-8], rax; out 0x80, al; hlt */
	GUEST(g, 0x48, 0xb8, 8, 7, 6, 5, 4, 3, 2, 1, 0x48, 0x89, 0x44, 0x24, 0xf8, 0xe6, 0x80, 0xf4);
	vma_x86_sregs s;

	(void)state;
	guest_long(&g, &s);
	EXPECT(&g, IO);
	assert_true(reg(&g, VMA_X86_RAX) == 0x0102030405060708);
	assert_int_equal(reg(&g, VMA_X86_RIP), CODE + 15);
	EXPECT(&g, HLT);
	OK(vma_x86_get_sregs(g.cpu, &s));
	assert_true(s.efer & 0x400);
	assert_int_equal(s.cr3, PML4);
	guest_end(&g);
}

static void unknown_msr_from_outside(void **state)
{
	const uint32_t ids[] = {0x174, 0x4b0001, 0x175};
	uint64_t values[3] = {0};
	GUEST(g, 0xf4);

	(void)state;
	assert_int_equal(vma_x86_get_msrs(g.cpu, ids, values, 3), 1);
	assert_int_equal(vma_x86_set_msrs(g.cpu, ids, values, 3), 1);
	assert_non_null(strstr(vma_why(), "0x4b0001"));
	guest_end(&g);
}

/* Saved after an input was answered, restored into a fresh VM: the same as if it had gone on; saved again, the same
 * bytes. */
static void save_in_the_middle(void **state)
{
	static const uint8_t code[] = {0xec, 0x88, 0x07, 0xf4}; /* in al,dx; mov [bx],al; hlt */
	static uint8_t first[65536], second[65536];
	size_t size = sizeof(first), again = sizeof(second);
	struct guest a, b;

	(void)state;
	guest_new(&a, code, sizeof(code));
	guest_new(&b, code, sizeof(code));
	set_reg(&a, VMA_X86_RBX, DATA);
	EXPECT(&a, IO);
	*a.exit->io.data = 0x5a;
	assert_int_equal(vma_vcpu_save(a.cpu, first, &size, 0), VMA_E_PENDING);
	while (OK(vma_vcpu_complete(a.cpu)))
		;
	size = sizeof(first);
	OK(vma_vcpu_save(a.cpu, first, &size, 0));
	OK(vma_vcpu_restore(b.cpu, first, size, 0, NULL));
	OK(vma_vcpu_save(b.cpu, second, &again, 0));
	assert_int_equal(size, again);
	assert_memory_equal(first, second, size);
	EXPECT(&b, HLT);
	assert_int_equal(b.ram[DATA], 0x5a);
	guest_end(&a);
	guest_end(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(registers_round_trip),
	    cmocka_unit_test(task_priority),
	    cmocka_unit_test(xcr0_of_the_guest),
	    cmocka_unit_test(exception_survives_set_regs),
	    cmocka_unit_test(fpu_round_trip),
	    cmocka_unit_test(cpuid),
	    cmocka_unit_test(long_mode),
	    cmocka_unit_test(unknown_msr_from_outside),
	    cmocka_unit_test(save_in_the_middle),
	};

	SKIP_WITHOUT_KVM();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
