/* test_cpu_sys_vm86.c - virtual-8086 mode: instructions that are sensitive to IOPL, with and without CR4.VME, the
 * redirection of INT n, and CR4.PVI (SDM vol. 3, chapter "8086 Emulation"). */
#include "test_cpu_sys_rig.h"

enum { IF = 0x200, TF = 0x100, IOPL3 = 0x3000, NT = 0x4000, VM = 0x20000, VIF = 0x80000, VIP = 0x100000 };
enum { VME = 1, PVI = 2, SEG = 0x6000, SP = 0x1000, MAP = 0x100 };

/* 8086 code at SEG:0; its stack in the same segment. */
static void vm86(struct rig *r, unsigned cr4, unsigned flags)
{
	struct x86_cpu *c = r->c;
	rig_prot(r, 3);
	for (int i = 0; i < 6; i++)
		c->seg[i] = (struct x86_seg){.base = SEG << 4, .limit = 0xffff, .attr = 0xf3, .sel = SEG};
	c->seg[X86_TR].limit = 0x200;
	poke(r, TSS + 0x66, 2, MAP);
	memset(r->mem + TSS + MAP - 32, 0, 32);
	c->rip = 0;
	c->r[4] = SP;
	c->cr4 = cr4;
	x86_set_rflags(c, VM | flags | 2);
	x86_state_changed(c, true);
	gate32(r, 0x30, K32, (uint32_t)handler(0x30), 0xee);
}
#define V86(r, ...) CODE_AT(r, SEG << 4, __VA_ARGS__)
static uint32_t flags_at_fault(struct rig *r)
{
	return (uint32_t)frame(r, 3, 4); /* of #GP: error, EIP, CS, EFLAGS */
}
static void expect_gp(struct rig *r, unsigned ip)
{
	assert_int_equal(run_to_handler(r), 13);
	assert_int_equal(frame(r, 0, 4), 0);
	assert_int_equal(frame(r, 1, 4), ip);
}

static void sensitive_without_vme(void **state)
{
	static const uint8_t code[][3] = {{0xfa}, {0xfb}, {0x9c}, {0x9d}, {0xcd, 0x30}, {0xcf}, {0x66, 0x9c}, {0x66, 0xcf}};
	struct rig *r = *state;
	for (unsigned i = 0; i < sizeof code / sizeof *code; i++) {
		vm86(r, PVI, 0x2000); /* IOPL 2 */
		memcpy(r->mem + (SEG << 4), code[i], 3);
		x86_code_written(r->c, SEG << 4, 3);
		expect_gp(r, 0);
		assert_int_equal(frame(r, 4, 4), SP);
	}
}
static void insensitive_with_iopl_3(void **state)
{
	struct rig *r = *state;
	vm86(r, VME, IOPL3 | VIP);
	V86(r, 0xfb, 0x9c, 0x58, 0xfa, 0x9c, 0x5b, 0xf4); /* STI; PUSHF; POP AX; CLI; PUSHF; POP BX; HLT */
	expect_gp(r, 6);
	assert_int_equal((uint16_t)r->c->r[0], IOPL3 | IF | 2);
	assert_int_equal((uint16_t)r->c->r[3], IOPL3 | 2);
	assert_int_equal(flags_at_fault(r) & (VIF | VIP), VIP);
}
static void popf_does_not_change_iopl(void **state)
{
	struct rig *r = *state;
	vm86(r, 0, IOPL3);
	V86(r, 0x68, 0x00, 0x02, 0x9d, 0xf4); /* PUSH 0x200; POPF */
	expect_gp(r, 4);
	assert_int_equal(flags_at_fault(r) & (IOPL3 | IF), IOPL3 | IF);
}
static void still_sensitive_without_iopl_are_not(void **state)
{
	struct rig *r = *state;
	vm86(r, 0, 0);
	V86(r, 0xcc); /* INT3 goes through the IDT whatever IOPL is, but the gate has DPL 0 */
	assert_int_equal(run_to_handler(r), 13);
	assert_int_equal(frame(r, 0, 4), 3 * 8 + 2);
	vm86(r, VME, 0);
	gate32(r, 3, K32, (uint32_t)handler(3), 0xee);
	assert_int_equal(run_to_handler(r), 3);
	assert_int_equal(frame(r, 0, 4), 1);
}

static void vme_cli_sti(void **state)
{
	struct rig *r = *state;
	vm86(r, VME, IF);
	V86(r, 0xfb, 0x9c, 0x58, 0xfa, 0x9c, 0x5b, 0xf4);
	expect_gp(r, 6);
	assert_int_equal((uint16_t)r->c->r[0], IOPL3 | IF | 2); /* VIF shows as IF, IOPL as 3 */
	assert_int_equal((uint16_t)r->c->r[3], IOPL3 | 2);
	assert_int_equal(flags_at_fault(r) & (VIF | IF), IF);
	vm86(r, VME, 0);
	V86(r, 0xfb, 0xf4);
	expect_gp(r, 1);
	assert_int_equal(flags_at_fault(r) & (VIF | IF), VIF);
	vm86(r, VME, VIP);
	expect_gp(r, 0); /* STI with an interrupt pending */
	assert_int_equal(flags_at_fault(r) & VIF, 0);
}
static void vme_popf(void **state)
{
	struct rig *r = *state;
	vm86(r, VME, 0);
	V86(r, 0x68, 0x41, 0x42, 0x9d, 0xf4); /* NT, IF, ZF, CF */
	expect_gp(r, 4);
	assert_int_equal(flags_at_fault(r) & 0xfffff, VIF | VM | 0x10000 | NT | 0x43);
	vm86(r, VME, VIP);
	expect_gp(r, 3); /* IF while VIP */
	assert_int_equal(frame(r, 4, 4), SP - 2);
	vm86(r, VME, VIF);
	V86(r, 0x68, 0x00, 0x01, 0x9d); /* TF */
	expect_gp(r, 3);
	vm86(r, VME, 0);
	V86(r, 0x66, 0x9d);
	expect_gp(r, 0);
	vm86(r, VME, 0);
	V86(r, 0x66, 0x9c);
	expect_gp(r, 0);
}
static void vme_iret(void **state)
{
	struct rig *r = *state;
	vm86(r, VME, 0);
	V86(r, 0x68, 0x00, 0x32, 0x68, 0x00, 0x60, 0x6a, 0x20, 0xcf); /* flags 0x3200, 6000:0020 */
	CODE_AT(r, (SEG << 4) + 0x20, 0xf4);
	expect_gp(r, 0x20);
	assert_int_equal(flags_at_fault(r) & (VIF | IF | IOPL3), VIF);
	vm86(r, VME, VIP);
	expect_gp(r, 8);
	vm86(r, VME, 0);
	V86(r, 0x66, 0xcf);
	expect_gp(r, 0);
}

static void redirect(struct rig *r)
{
	poke(r, 0x30 * 4, 4, SEG << 16 | 0x40);
	V86(r, 0xcd, 0x30, 0xf4);
	CODE_AT(r, (SEG << 4) + 0x40, 0x9c, 0x58, 0xcf); /* PUSHF; POP AX; IRET */
}
static void int_to_the_programs_own_handler(void **state)
{
	struct rig *r = *state;
	vm86(r, VME, IOPL3 | IF | NT);
	redirect(r);
	expect_gp(r, 2);
	assert_int_equal((uint16_t)r->c->r[0], IOPL3 | NT | 2); /* method 5: IF is cleared */
	assert_int_equal(peek(r, (SEG << 4) + SP - 2, 2), IOPL3 | IF | NT | 2);
	assert_int_equal(peek(r, (SEG << 4) + SP - 4, 2), SEG);
	assert_int_equal(peek(r, (SEG << 4) + SP - 6, 2), 2);
	assert_int_equal(flags_at_fault(r) & IF, IF);
	vm86(r, VME, IF | VIF);
	redirect(r);
	expect_gp(r, 2);
	assert_int_equal((uint16_t)r->c->r[0], IOPL3 | 2); /* method 6: VIF is */
	assert_int_equal(peek(r, (SEG << 4) + SP - 2, 2), IOPL3 | IF | 2);
	assert_int_equal(flags_at_fault(r) & (VIF | IF), VIF | IF);
}
static void redirection_bit_sends_it_to_the_monitor(void **state)
{
	struct rig *r = *state;
	vm86(r, VME, IOPL3);
	redirect(r);
	r->mem[TSS + MAP - 32 + 6] = 1;
	assert_int_equal(run_to_handler(r), 0x30); /* method 4 */
	assert_int_equal(frame(r, 0, 4), 2);
	vm86(r, VME, 0);
	redirect(r);
	r->mem[TSS + MAP - 32 + 6] = 1;
	expect_gp(r, 0); /* method 3 */
	vm86(r, VME, 0);
	redirect(r);
	r->c->seg[X86_TR].limit = 0x67; /* no bitmap there */
	expect_gp(r, 0);
	vm86(r, 0, IOPL3);
	assert_int_equal(run_to_handler(r), 0x30); /* method 1 */
}
static void redirected_int_reads_page_0_as_a_user(void **state)
{
	struct rig *r = *state;
	struct x86_cpu *c = r->c;
	vm86(r, VME, 0);
	redirect(r);
	poke(r, 0x90000, 4, 0x92000 | 7);
	for (unsigned i = 0; i < 1024; i++)
		poke(r, 0x92000 + i * 4, 4, i << 12 | (i ? 7 : 3));
	c->cr3 = 0x90000;
	c->cr0 |= 0x80010000;
	x86_state_changed(c, true);
	assert_int_equal(run_to_handler(r), 14);
	assert_int_equal(frame(r, 0, 4), 5);
	assert_int_equal(frame(r, 1, 4), 0);
	assert_int_equal(c->cr2, 0xc0);
}
static void io_always_asks_the_bitmap(void **state)
{
	struct rig *r = *state;
	vm86(r, 0, IOPL3);
	memset(r->mem + TSS + MAP, 0, 0x40);
	r->mem[TSS + MAP + 0x80 / 8] = 2; /* port 0x81 */
	V86(r, 0xe6, 0x80, 0xe6, 0x81);
	expect_gp(r, 2);
	assert_int_equal(r->outs, 1);
}
static void undefined_there(void **state)
{
	static const uint8_t code[][3] = {{0x0f, 0x00, 0xc0}, {0x0f, 0x00, 0xc8}, {0x0f, 0x00, 0xd0}, {0x0f, 0x02, 0xc0},
					  {0x0f, 0x03, 0xc0}, {0x0f, 0x00, 0xe0}, {0x63, 0xc0}};
	struct rig *r = *state;
	for (unsigned i = 0; i < sizeof code / sizeof *code; i++) {
		vm86(r, 0, IOPL3);
		memcpy(r->mem + (SEG << 4), code[i], 3);
		x86_code_written(r->c, SEG << 4, 3);
		assert_int_equal(run_to_handler(r), 6);
	}
}
static void interrupts_leave_through_the_idt(void **state)
{
	struct rig *r = *state;
	vm86(r, VME, IF | VIF);
	V86(r, 0x90);
	r->c->inject_valid = true;
	r->c->inject_vector = 0x40;
	r->c->inject_type = 0;
	assert_int_equal(run_to_handler(r), 0x40);
	assert_int_equal(frame(r, 2, 4), VM | IF | VIF | 2);
	assert_int_equal(r->c->eflags & (VM | VIF), VIF);
	vm86(r, 0, 0);
	r->c->rip = 0;
	poke(r, GDT + FREE, 8, descriptor(0, 0xfffff, 0xc0fb));
	gate32(r, 6, FREE, (uint32_t)handler(6), 0x8e); /* a handler at CPL 3 is none for virtual-8086 mode */
	V86(r, 0x0f, 0x0b);
	assert_int_equal(run_to_handler(r), 13);
	assert_int_equal(frame(r, 0, 4), FREE | 1);
}

static void pvi(void **state)
{
	struct rig *r = *state;
	struct x86_cpu *c = r->c;
	rig_prot(r, 3);
	c->cr4 = PVI;
	x86_set_rflags(c, IF | 2);
	GUEST(r, 0xfb, 0x9c, 0x58, 0xfa, 0x9c, 0x5b, 0x6a, 0x02, 0x9d, 0x9c, 0x59, 0xf4);
	assert_int_equal(run_to_handler(r), 13);
	assert_int_equal(frame(r, 1, 4), CODE + 11);
	assert_int_equal(c->r[0], VIF | IF | 2); /* PUSHF shows what is; only VIF changed */
	assert_int_equal(c->r[3], IF | 2);
	assert_int_equal(c->r[1], IF | 2); /* POPF lets it alone */
	assert_int_equal(frame(r, 3, 4) & VIF, 0);
	rig_prot(r, 3);
	c->cr4 = PVI;
	x86_set_rflags(c, VIP | 2);
	assert_int_equal(run_to_handler(r), 13);
	assert_int_equal(frame(r, 1, 4), CODE);
	rig_long(r, 3);
	c->cr4 |= PVI;
	x86_set_rflags(c, 2);
	GUEST(r, 0xfb, 0xf4);
	assert_int_equal(run_to_handler(r), 13);
	assert_int_equal(frame(r, 1, 8), CODE + 1);
	assert_int_equal(frame(r, 3, 8) & (VIF | IF), VIF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(sensitive_without_vme),
		RIG_TEST(insensitive_with_iopl_3),
		RIG_TEST(popf_does_not_change_iopl),
		RIG_TEST(still_sensitive_without_iopl_are_not),
		RIG_TEST(vme_cli_sti),
		RIG_TEST(vme_popf),
		RIG_TEST(vme_iret),
		RIG_TEST(int_to_the_programs_own_handler),
		RIG_TEST(redirection_bit_sends_it_to_the_monitor),
		RIG_TEST(redirected_int_reads_page_0_as_a_user),
		RIG_TEST(io_always_asks_the_bitmap),
		RIG_TEST(undefined_there),
		RIG_TEST(interrupts_leave_through_the_idt),
		RIG_TEST(pvi),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
