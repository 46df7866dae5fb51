/* test_kvm_exits.c - KVM: port and memory accesses, their completion, and the registers seen while they wait. test-labels: posix */
#include "kvm_guest.h"

/* out 0x80,al; out dx,al; out dx,ax; out dx,eax: widths, data, and RIP at the instruction while it waits. */
static void out_widths(void **state)
{
	static const struct {
		uint8_t width, length;
		uint32_t port;
	} want[] = {{1, 2, 0x80}, {1, 1, 0x1234}, {2, 1, 0x1234}, {4, 2, 0x1234}};
	uint64_t rip = CODE;
	GUEST(g, 0xe6, 0x80, 0xee, 0xef, 0x66, 0xef, 0xf4);

	(void)state;
	set_reg(&g, VMA_X86_RAX, 0x44332211);
	set_reg(&g, VMA_X86_RDX, 0x1234);
	for (size_t i = 0; i < 4; i++) {
		EXPECT(&g, IO);
		assert_int_equal(g.exit->io.width, want[i].width);
		assert_int_equal(g.exit->io.port, want[i].port);
		assert_int_equal(g.exit->io.write, 1);
		assert_int_equal(g.exit->io.count, 1);
		assert_memory_equal(g.exit->io.data, "\x11\x22\x33\x44", want[i].width);
		assert_int_equal(reg(&g, VMA_X86_RIP), rip);
		rip += want[i].length;
	}
	EXPECT(&g, HLT);
	assert_int_equal(reg(&g, VMA_X86_RIP), rip + 1);
	guest_end(&g);
}

/* in al,dx; in ax,dx; in eax,dx: only the right bytes of RAX change, EAX clears the upper half, and not before
 * completion. */
static void in_merges(void **state)
{
	static const uint64_t want[] = {0x1111111111111155, 0x1111111111115555, 0x55555555};
	GUEST(g, 0xec, 0xed, 0x66, 0xed, 0xf4);

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		set_reg(&g, VMA_X86_RAX, 0x1111111111111111);
		EXPECT(&g, IO);
		assert_int_equal(g.exit->io.write, 0);
		memset(g.exit->io.data, 0x55, g.exit->io.width);
		assert_true(reg(&g, VMA_X86_RAX) == 0x1111111111111111);
		assert_int_equal(OK(vma_vcpu_complete(g.cpu)), 0);
		assert_int_equal(g.exit->pending, 0);
		assert_true(reg(&g, VMA_X86_RAX) == want[i]);
	}
	EXPECT(&g, HLT);
	guest_end(&g);
}

/* What the caller writes while an exit waits wins over the completion, for IN as for OUT, with or without RIP. */
static void caller_wins(void **state)
{
	GUEST(g, 0xec, 0xee, 0xee, 0xee, 0xf4, 0xf4, 0xf4);

	(void)state;
	EXPECT(&g, IO);
	*g.exit->io.data = 0x55;
	set_reg(&g, VMA_X86_RAX, 0x99);
	EXPECT(&g, IO); /* first out */
	assert_int_equal(*g.exit->io.data, 0x99);
	set_reg(&g, VMA_X86_RAX, 0x77);
	set_reg(&g, VMA_X86_R9, 0x1234567890);
	EXPECT(&g, IO); /* the second out sees it, and RIP has gone on */
	assert_int_equal(*g.exit->io.data, 0x77);
	assert_true(reg(&g, VMA_X86_R9) == 0x1234567890);
	assert_int_equal(reg(&g, VMA_X86_RIP), CODE + 2);
	set_reg(&g, VMA_X86_RIP, CODE + 5);
	EXPECT(&g, HLT);
	assert_int_equal(reg(&g, VMA_X86_RIP), CODE + 6);
	guest_end(&g);
}

/* Registers read and written at every exit, so that KVM's copies in kvm_run serve them. */
static void registers_at_each_exit(void **state)
{
	vma_x86_regs r;
	GUEST(g, 0xee, 0x40, 0xeb, 0xfc); /* out dx,al; inc ax; jmp */

	(void)state;
	for (uint64_t i = 0; i < 200; i++) {
		EXPECT(&g, IO);
		OK(vma_x86_get_regs(g.cpu, &r));
		assert_int_equal(r.rax & 0xffff, i ? 2 * i + 1 : 0);
		assert_int_equal(r.rip, CODE);
		r.rax = 2 * i + 2;
		r.rip = 0; /* not among the writes */
		OK(vma_x86_set_regs(g.cpu, &r, VMA_X86_ALL_BUT_RIP));
	}
	/* After a long time without a look KVM stops copying; a look is right all the same. */
	for (int i = 0; i < 100; i++)
		EXPECT(&g, IO);
	OK(vma_x86_get_regs(g.cpu, &r));
	assert_int_equal(r.rax & 0xffff, 400 + 100);
	guest_end(&g);
}

/* rep outsb, rep insb: element order, pointers, and the state before each while it waits. */
static void rep_strings(void **state)
{
	uint64_t left = 3;
	GUEST(g, 0xf3, 0x6e, 0xf3, 0x6c, 0xf4);

	(void)state;
	memcpy(g.ram + DATA, "abc", 3);
	set_reg(&g, VMA_X86_RSI, DATA);
	set_reg(&g, VMA_X86_RDI, DATA + 0x100);
	set_reg(&g, VMA_X86_RCX, 3);
	while (left) {
		EXPECT(&g, IO);
		assert_int_equal(reg(&g, VMA_X86_RCX), left);
		assert_int_equal(reg(&g, VMA_X86_RSI), DATA + 3 - left);
		assert_int_equal(reg(&g, VMA_X86_RIP), CODE);
		for (uint32_t i = 0; i < g.exit->io.count; i++, left--)
			assert_int_equal(g.exit->io.data[i], "abc"[3 - left]);
	}
	OK(vma_vcpu_complete(g.cpu));
	set_reg(&g, VMA_X86_RCX, 4);
	set_reg(&g, VMA_X86_RIP, CODE + 2);
	for (int got = 0; got < 4;) {
		EXPECT(&g, IO);
		assert_int_equal(g.exit->io.write, 0);
		assert_int_equal(reg(&g, VMA_X86_RCX), 4 - got);
		for (uint32_t i = 0; i < g.exit->io.count; i++)
			g.exit->io.data[i] = (uint8_t)('p' + got++);
	}
	EXPECT(&g, HLT);
	assert_memory_equal(g.ram + DATA + 0x100, "pqrs", 4);
	assert_int_equal(reg(&g, VMA_X86_RSI), DATA + 3);
	assert_int_equal(reg(&g, VMA_X86_RDI), DATA + 0x104);
	assert_int_equal(reg(&g, VMA_X86_RCX), 0);
	guest_end(&g);
}

/* Give DS and ES a base where there is no memory. */
static void segments_to_hole(struct guest *g)
{
	set_reg(g, VMA_X86_DS_BASE, HOLE);
	set_reg(g, VMA_X86_ES_BASE, HOLE);
}

static void mmio_sizes(void **state)
{
	/* mov al,[bx]; mov [bx],al; mov [bx],ax; mov dword [bx+4], imm; movzx eax, byte [bx]; movsx eax, byte [bx] */
	GUEST(g, 0x8a, 0x07, 0x88, 0x07, 0x89, 0x07, 0x66, 0xc7, 0x47, 0x04, 4, 3, 2, 1, 0x66, 0x0f, 0xb6, 0x07, 0x66,
	      0x0f, 0xbe, 0x07, 0xf4);

	(void)state;
	segments_to_hole(&g);
	set_reg(&g, VMA_X86_RBX, 0x10);
	EXPECT(&g, MMIO);
	assert_int_equal(g.exit->mmio.gpa, HOLE + 0x10);
	assert_int_equal(g.exit->mmio.length, 1);
	assert_int_equal(g.exit->mmio.write, 0);
	assert_int_equal(reg(&g, VMA_X86_RIP), CODE);
	*g.exit->mmio.data = 0x5a;
	EXPECT(&g, MMIO);
	assert_int_equal(g.exit->mmio.write, 1);
	assert_int_equal(*g.exit->mmio.data, 0x5a);
	assert_int_equal(reg(&g, VMA_X86_RIP), CODE + 2);
	EXPECT(&g, MMIO);
	assert_int_equal(g.exit->mmio.length, 2);
	assert_int_equal(reg(&g, VMA_X86_RIP), CODE + 4);
	EXPECT(&g, MMIO);
	assert_int_equal(g.exit->mmio.length, 4);
	assert_int_equal(g.exit->mmio.gpa, HOLE + 0x14);
	assert_memory_equal(g.exit->mmio.data, "\4\3\2\1", 4);
	assert_int_equal(reg(&g, VMA_X86_RIP), CODE + 6);
	EXPECT(&g, MMIO);
	*g.exit->mmio.data = 0x80;
	assert_int_equal(OK(vma_vcpu_complete(g.cpu)), 0);
	assert_int_equal(reg(&g, VMA_X86_RAX), 0x80);
	EXPECT(&g, MMIO);
	*g.exit->mmio.data = 0x80;
	EXPECT(&g, HLT);
	assert_int_equal(reg(&g, VMA_X86_RAX), 0xffffff80);
	guest_end(&g);
}

/* xor [bx],ax: a read, then a write of the result, as fragments of one instruction. */
static void read_modify_write(void **state)
{
	GUEST(g, 0x31, 0x07, 0xf4);

	(void)state;
	segments_to_hole(&g);
	set_reg(&g, VMA_X86_RAX, 0xff00);
	EXPECT(&g, MMIO);
	assert_int_equal(g.exit->mmio.write, 0);
	memcpy(g.exit->mmio.data, "\x34\x12", 2);
	assert_int_equal(OK(vma_vcpu_complete(g.cpu)), 1);
	assert_int_equal(g.exit->mmio.write, 1);
	assert_memory_equal(g.exit->mmio.data, "\x34\xed", 2);
	assert_int_equal(reg(&g, VMA_X86_RIP), CODE);
	assert_int_equal(OK(vma_vcpu_complete(g.cpu)), 0);
	assert_int_equal(reg(&g, VMA_X86_RIP), CODE + 2);
	assert_true(reg(&g, VMA_X86_RFLAGS) & 0x80);
	EXPECT(&g, HLT);
	guest_end(&g);
}

/* mov [bx],eax across the end of memory: the first half goes to memory, the rest comes as an exit; and a read likewise.
 */
static void page_crossing(void **state)
{
	GUEST(g, 0x66, 0x89, 0x07, 0x66, 0x8b, 0x0f, 0xf4);

	(void)state;
	set_reg(&g, VMA_X86_DS_BASE, RAM - 0x100);
	set_reg(&g, VMA_X86_RBX, 0xfe);
	set_reg(&g, VMA_X86_RAX, 0x44332211);
	EXPECT(&g, MMIO);
	assert_int_equal(g.exit->mmio.gpa, RAM);
	assert_int_equal(g.exit->mmio.length, 2);
	assert_memory_equal(g.exit->mmio.data, "\x33\x44", 2);
	EXPECT(&g, MMIO);
	assert_memory_equal(g.ram + RAM - 2, "\x11\x22", 2);
	assert_int_equal(g.exit->mmio.write, 0);
	assert_int_equal(g.exit->mmio.gpa, RAM);
	memcpy(g.exit->mmio.data, "\x77\x66", 2);
	EXPECT(&g, HLT);
	assert_int_equal(reg(&g, VMA_X86_RCX), 0x66772211);
	guest_end(&g);
}

/* Both pages without memory: two fragments, looped until done. */
static void two_fragments(void **state)
{
	GUEST(g, 0x66, 0x8b, 0x07, 0x66, 0x89, 0x07, 0xf4);

	(void)state;
	set_reg(&g, VMA_X86_DS_BASE, HOLE);
	set_reg(&g, VMA_X86_RBX, 0xffe);
	EXPECT(&g, MMIO);
	assert_int_equal(g.exit->mmio.length, 2);
	memcpy(g.exit->mmio.data, "\x11\x22", 2);
	assert_int_equal(OK(vma_vcpu_complete(g.cpu)), 1);
	assert_int_equal(g.exit->mmio.gpa, HOLE + 0x1000);
	memcpy(g.exit->mmio.data, "\x33\x44", 2);
	assert_int_equal(reg(&g, VMA_X86_RAX), 0);
	assert_int_equal(OK(vma_vcpu_complete(g.cpu)), 0);
	assert_int_equal(reg(&g, VMA_X86_RAX), 0x44332211);
	EXPECT(&g, MMIO);
	assert_int_equal(reg(&g, VMA_X86_RIP), CODE + 3);
	assert_int_equal(OK(vma_vcpu_complete(g.cpu)), 1);
	assert_memory_equal(g.exit->mmio.data, "\x33\x44", 2);
	assert_int_equal(reg(&g, VMA_X86_RIP), CODE + 3);
	assert_int_equal(OK(vma_vcpu_complete(g.cpu)), 0);
	EXPECT(&g, HLT);
	guest_end(&g);
}

/* stosb, push ax, rep stosw onto a hole: pointers show what they were. */
static void stores_rewound(void **state)
{
	GUEST(g, 0xaa, 0xf3, 0xab, 0x50, 0xf4);

	(void)state;
	set_reg(&g, VMA_X86_ES_BASE, HOLE);
	set_reg(&g, VMA_X86_SS_BASE, HOLE);
	set_reg(&g, VMA_X86_RDI, 0x20);
	set_reg(&g, VMA_X86_RCX, 2);
	EXPECT(&g, MMIO);
	assert_int_equal(reg(&g, VMA_X86_RDI), 0x20);
	assert_int_equal(reg(&g, VMA_X86_RIP), CODE);
	for (uint64_t i = 0; i < 2; i++) {
		EXPECT(&g, MMIO);
		assert_int_equal(g.exit->mmio.length, 2);
		assert_int_equal(reg(&g, VMA_X86_RDI), 0x21 + 2 * i);
		assert_int_equal(reg(&g, VMA_X86_RCX), 2 - i);
		assert_int_equal(reg(&g, VMA_X86_RIP), CODE + 1);
	}
	EXPECT(&g, MMIO);
	assert_int_equal(g.exit->mmio.gpa, HOLE + STACK - 2);
	assert_int_equal(reg(&g, VMA_X86_RSP), STACK);
	assert_int_equal(reg(&g, VMA_X86_RIP), CODE + 3);
	EXPECT(&g, HLT);
	assert_int_equal(reg(&g, VMA_X86_RSP), STACK - 2);
	assert_int_equal(reg(&g, VMA_X86_RDI), 0x25);
	guest_end(&g);
}

static void triple_fault(void **state)
{
	vma_x86_sregs s;
	GUEST(g, 0x0f, 0x0b);

	(void)state;
	guest_protected(&g, &s);
	s.idtr.limit = 0; /* real mode's would do too, but a KVM that emulates it does not look at the limit */
	OK(vma_x86_set_sregs(g.cpu, &s));
	EXPECT(&g, TRIPLE_FAULT);
	OK(vma_vcpu_get(g.cpu, &(uint32_t){VMA_X86_RSP}, &(uint64_t){0}, 1));
	guest_end(&g);
}

/* rdmsr of a chosen MSR, wrmsr of it, a fault as the answer. */
static void msr_exits(void **state)
{
	static const uint8_t code[] = {0x0f, 0x32, 0x0f, 0x30, 0x0f, 0x32, 0xf4};
	vma_vm_config c = guest_config();
	struct guest g = {0};

	(void)state;
	OK(vma_vm_create(&c, &g.vm));
	OK(vma_vm_msr_exits(g.vm, 0x4b0000, 4, 3));
	OK(vma_vm_finalize(g.vm));
	guest_memory(&g, code, sizeof(code), VMA_MAP_RWX);
	guest_vcpu(&g);
	memcpy(g.ram + 13 * 4, "\x00\x20\x00\x00", 4); /* #GP handler at 0:0x2000: hlt */
	g.ram[0x2000] = 0xf4;
	set_reg(&g, VMA_X86_RCX, 0x4b0001);
	EXPECT(&g, MSR);
	assert_int_equal(g.exit->msr.index, 0x4b0001);
	assert_int_equal(g.exit->msr.write, 0);
	assert_int_equal(reg(&g, VMA_X86_RIP), CODE);
	g.exit->msr.value = 0x1122334455667788;
	EXPECT(&g, MSR);
	assert_int_equal(reg(&g, VMA_X86_RAX), 0x55667788);
	assert_int_equal(reg(&g, VMA_X86_RDX), 0x11223344);
	assert_int_equal(g.exit->msr.write, 1);
	assert_true(g.exit->msr.value == 0x1122334455667788);
	EXPECT(&g, MSR);
	g.exit->msr.fault = 1;
	EXPECT(&g, HLT);
	assert_int_equal(reg(&g, VMA_X86_RIP), 0x2001);
	guest_end(&g);
}

/* An MSR that nobody knows: #GP or an exit, as the policy says; never silence. */
static void unknown_msr(void **state)
{
	static const uint8_t code[] = {0x0f, 0x32, 0xf4};
	vma_vm_config c = guest_config();

	(void)state;
	for (int policy = 0; policy < 2; policy++) {
		struct guest g;
		c.msr_policy = policy ? VMA_MSR_EXIT : VMA_MSR_GP;
		guest_start(&g, &c, code, sizeof(code));
		memcpy(g.ram + 13 * 4, "\x00\x20\x00\x00", 4);
		g.ram[0x2000] = 0xf4;
		set_reg(&g, VMA_X86_RCX, 0x4b0001);
		if (policy) {
			EXPECT(&g, MSR);
			g.exit->msr.fault = 1;
		}
		EXPECT(&g, HLT);
		assert_int_equal(reg(&g, VMA_X86_RIP), 0x2001);
		guest_end(&g);
	}
}

static void x2apic_msrs_cannot_exit(void **state)
{
	vma_vm_config c = guest_config();
	vma_vm *vm;

	(void)state;
	OK(vma_vm_create(&c, &vm));
	OK(vma_vm_msr_exits(vm, 0x7ff, 2, 3));
	assert_int_equal(vma_vm_finalize(vm), VMA_E_NO_ACCEL);
	assert_non_null(strstr(vma_why(), "x2APIC"));
	OK(vma_vm_destroy(vm));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(out_widths),        cmocka_unit_test(in_merges),
	    cmocka_unit_test(caller_wins),       cmocka_unit_test(registers_at_each_exit),
	    cmocka_unit_test(rep_strings),       cmocka_unit_test(mmio_sizes),
	    cmocka_unit_test(read_modify_write), cmocka_unit_test(page_crossing),
	    cmocka_unit_test(two_fragments),     cmocka_unit_test(stores_rewound),
	    cmocka_unit_test(triple_fault),      cmocka_unit_test(msr_exits),
	    cmocka_unit_test(unknown_msr),       cmocka_unit_test(x2apic_msrs_cannot_exit),
	};

	SKIP_WITHOUT_KVM();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
