/* test_cpu_sys_deliver.c - exceptions, interrupts and what becomes of faults in their delivery. */
#include "test_cpu_sys_rig.h"

static void ud_from_user_in_long_mode(void **state)
{
	struct rig *r = *state;
	rig_long(r, 3);
	GUEST(r, 0x90, 0x0f, 0x0b); /* NOP; UD2 */
	r->c->eflags |= 0x200;
	assert_int_equal(run_to_handler(r), 6);
	assert_int_equal(frame(r, 0, 8), CODE + 1);
	assert_int_equal(frame(r, 1, 8), U64);
	assert_int_equal(frame(r, 2, 8), 0x10202); /* RF in the image of a fault */
	assert_int_equal(frame(r, 3, 8), USTACK);
	assert_int_equal(frame(r, 4, 8), UDATA);
	assert_int_equal(r->c->r[4], KSTACK - 40);
	assert_int_equal(r->c->seg[X86_SS].sel, 0);
	assert_int_equal(r->c->cpl, 0);
	assert_int_equal(r->c->eflags & 0x200, 0);
}

static void gp_names_the_selector(void **state)
{
	struct rig *r = *state;
	rig_long(r, 0);
	GUEST(r, 0x66, 0xb8, 0xff, 0xff, 0x8e, 0xd8); /* MOV AX, 0xffff; MOV DS, AX */
	assert_int_equal(run_to_handler(r), 13);
	assert_int_equal(frame(r, 0, 8), 0xfffc);
	assert_int_equal(frame(r, 1, 8), CODE + 4);
	assert_int_equal(frame(r, 4, 8), KSTACK - 0x800);
	assert_int_equal(r->c->r[4] & 15, 0); /* aligned before six pushes */
}

/* One access to DATA after its PTE was changed. */
static void expect_pf(struct rig *r, uint64_t pte, unsigned error)
{
	poke(r, PT + (DATA >> 12) * 8, 8, pte);
	x86_flush_all(r->c);
	assert_int_equal(run_to_handler(r), 14);
	assert_int_equal(frame(r, 0, 8), error);
	assert_int_equal(frame(r, 1, 8), CODE);
	assert_int_equal(r->c->cr2, DATA + 8);
}

static void pf_read_absent(void **state)
{
	struct rig *r = *state;
	rig_long(r, 0);
	GUEST(r, 0xa0, 0x08, 0x00, 0x05, 0, 0, 0, 0, 0); /* MOV AL, [DATA + 8] */
	expect_pf(r, 0, 0);
}
static void pf_user_write_read_only(void **state)
{
	struct rig *r = *state;
	rig_long(r, 3);
	GUEST(r, 0xa2, 0x08, 0x00, 0x05, 0, 0, 0, 0, 0); /* MOV [DATA + 8], AL */
	expect_pf(r, DATA | 5, 7);
}
static void pf_user_reads_supervisor(void **state)
{
	struct rig *r = *state;
	rig_long(r, 3);
	GUEST(r, 0xa0, 0x08, 0x00, 0x05, 0, 0, 0, 0, 0);
	expect_pf(r, DATA | 3, 5);
}
static void pf_reserved_bit(void **state)
{
	struct rig *r = *state;
	rig_long(r, 0);
	GUEST(r, 0xa0, 0x08, 0x00, 0x05, 0, 0, 0, 0, 0);
	expect_pf(r, DATA | 7 | UINT64_C(1) << 51, 9);
}
static void pf_no_execute(void **state)
{
	struct rig *r = *state;
	rig_long(r, 0);
	GUEST(r, 0xe9, 0x03, 0x00, 0x03, 0x00); /* JMP DATA + 8 */
	poke(r, PT + (DATA >> 12) * 8, 8, DATA | 7 | UINT64_C(1) << 63);
	x86_flush_all(r->c);
	assert_int_equal(run_to_handler(r), 14);
	assert_int_equal(frame(r, 0, 8), 0x11);
	assert_int_equal(frame(r, 1, 8), DATA + 8);
}

static void int_n_needs_the_gates_dpl(void **state)
{
	struct rig *r = *state;
	rig_long(r, 3);
	GUEST(r, 0xcd, 0x80);
	assert_int_equal(run_to_handler(r), 13);
	assert_int_equal(frame(r, 0, 8), 0x80 * 8 + 2); /* EXT is 0: the program's own */
	assert_int_equal(frame(r, 1, 8), CODE);
}
static void int_n_through_a_user_gate(void **state)
{
	struct rig *r = *state;
	rig_long(r, 3);
	gate64(r, 0x80, K64, handler(0x80), 0xef, 0); /* trap gate, DPL 3 */
	r->c->eflags |= 0x200;
	GUEST(r, 0xcd, 0x80);
	assert_int_equal(run_to_handler(r), 0x80);
	assert_int_equal(frame(r, 0, 8), CODE + 2);
	assert_int_equal(frame(r, 2, 8), 0x202);       /* no RF */
	assert_int_equal(r->c->eflags & 0x200, 0x200); /* a trap gate keeps IF */
}
static void absent_gate_is_np(void **state)
{
	struct rig *r = *state;
	rig_long(r, 0);
	gate64(r, 0x21, K64, handler(0x21), 0x0e, 0);
	GUEST(r, 0xcd, 0x21);
	assert_int_equal(run_to_handler(r), 11);
	assert_int_equal(frame(r, 0, 8), 0x21 * 8 + 2);
}
static void exception_through_absent_gate_has_ext(void **state)
{
	struct rig *r = *state;
	rig_long(r, 0);
	gate64(r, 6, K64, handler(6), 0x0e, 0);
	GUEST(r, 0x0f, 0x0b);
	assert_int_equal(run_to_handler(r), 11); /* #UD is benign: no double fault */
	assert_int_equal(frame(r, 0, 8), 6 * 8 + 3);
	assert_int_equal(frame(r, 1, 8), CODE);
}

static void ist_switches_stacks(void **state)
{
	struct rig *r = *state;
	rig_long(r, 0);
	gate64(r, 6, K64, handler(6), 0x8e, 1);
	GUEST(r, 0x0f, 0x0b);
	assert_int_equal(run_to_handler(r), 6);
	assert_int_equal(r->c->r[4], IST1 - 40);
	assert_int_equal(frame(r, 3, 8), KSTACK - 0x800);
	assert_int_equal(frame(r, 4, 8), KDATA);
}

static void contributory_twice_is_double(void **state)
{
	struct rig *r = *state;
	rig_long(r, 0);
	gate64(r, 13, K64, handler(13), 0x0e, 0);
	GUEST(r, 0x66, 0xb8, 0xff, 0xff, 0x8e, 0xd8);
	assert_int_equal(run_to_handler(r), 8);
	assert_int_equal(frame(r, 0, 8), 0);
	assert_int_equal(frame(r, 1, 8), CODE + 4);
}
static void page_fault_in_page_fault_is_double(void **state)
{
	struct rig *r = *state;
	rig_long(r, 3);
	gate64(r, 8, K64, handler(8), 0x8e, 1);
	poke(r, TSS + 4, 8, 0xffffffff00000000); /* no such stack */
	GUEST(r, 0xa0, 0x08, 0x00, 0x05, 0, 0, 0, 0, 0);
	poke(r, PT + (DATA >> 12) * 8, 8, 0);
	x86_flush_all(r->c);
	assert_int_equal(run_to_handler(r), 8);
	assert_int_equal(frame(r, 1, 8), CODE);
	assert_int_equal(r->c->cr2, 0xfffffffefffffff8);
}
static void fault_in_double_fault_is_triple(void **state)
{
	struct rig *r = *state;
	rig_long(r, 0);
	r->c->idt_limit = 0;
	GUEST(r, 0x90, 0x0f, 0x0b);
	assert_int_equal(x86_run(r->c), X86_STOP_TRIPLE);
	assert_int_equal(r->c->rip, CODE + 1);
	assert_int_equal(r->c->r[4], KSTACK - 0x800);
}

static void prot_same_privilege(void **state)
{
	struct rig *r = *state;
	rig_prot(r, 0);
	GUEST(r, 0x66, 0xb8, 0x79, 0x00, 0x8e, 0xc0); /* MOV AX, 0x79; MOV ES, AX: an empty descriptor */
	assert_int_equal(run_to_handler(r), 13);
	assert_int_equal(frame(r, 0, 4), 0x78);
	assert_int_equal(frame(r, 1, 4), CODE + 4);
	assert_int_equal(frame(r, 2, 4), K32);
	assert_int_equal(r->c->r[4], KSTACK - 0x800 - 16);
}
static void prot_from_user(void **state)
{
	struct rig *r = *state;
	rig_prot(r, 3);
	GUEST(r, 0xfa); /* CLI */
	assert_int_equal(run_to_handler(r), 13);
	assert_int_equal(frame(r, 0, 4), 0);
	assert_int_equal(frame(r, 1, 4), CODE);
	assert_int_equal(frame(r, 2, 4), U32);
	assert_int_equal(frame(r, 4, 4), USTACK);
	assert_int_equal(frame(r, 5, 4), UDATA);
	assert_int_equal(r->c->seg[X86_SS].sel, KDATA);
}
static void prot_16_bit_gate(void **state)
{
	struct rig *r = *state;
	rig_prot(r, 0);
	gate32(r, 6, K32, (uint32_t)handler(6), 0x86);
	GUEST(r, 0x0f, 0x0b);
	assert_int_equal(run_to_handler(r), 6);
	assert_int_equal(r->c->r[4], KSTACK - 0x800 - 6);
	assert_int_equal(frame(r, 0, 2), CODE & 0xffff);
	assert_int_equal(frame(r, 1, 2), K32);
}
static void bad_inner_stack_is_ts(void **state)
{
	struct rig *r = *state;
	rig_prot(r, 3);
	poke(r, TSS + 8, 2, UDATA); /* DPL 3 for level 0 */
	gate32(r, 0x80, K32, (uint32_t)handler(0x80), 0xee);
	gate32(r, 10, U32, (uint32_t)handler(10), 0x8e); /* nonconforming DPL 3: same privilege */
	GUEST(r, 0xcd, 0x80);
	CODE_AT(r, handler(10), 0xeb, 0xfe);
	r->c->insn_limit = 100;
	assert_int_equal(x86_run(r->c), X86_STOP_BUDGET);
	assert_int_equal(r->c->rip, handler(10));
	assert_int_equal(frame(r, 0, 4), UDATA & ~3); /* #TS(SS), EXT 0: of INT n */
	assert_int_equal(frame(r, 1, 4), CODE);
}
static void real_mode_int_and_iret(void **state)
{
	struct rig *r = *state;
	rig_real(r);
	GUEST(r, 0xfb, 0x90, 0xcd, 0x21, 0xf4);      /* STI; NOP; INT 0x21; HLT */
	CODE_AT(r, handler(0x21), 0xb0, 0x5a, 0xcf); /* MOV AL, 0x5a; IRET */
	run_to_hlt(r, 5);
	assert_int_equal(r->c->r[0] & 0xff, 0x5a);
	assert_int_equal(r->c->r[4], 0x1000);
	assert_int_equal(r->c->eflags & 0x200, 0x200);
	assert_int_equal(peek(r, KSTACK + 0xffa, 2), 4);
	assert_int_equal(peek(r, KSTACK + 0xffc, 2), CODE >> 4);
	assert_int_equal(peek(r, KSTACK + 0xffe, 2), 0x202);
}
static void real_mode_fault_has_no_error_code(void **state)
{
	struct rig *r = *state;
	rig_real(r);
	GUEST(r, 0xa1, 0xff, 0xff); /* MOV AX, [0xffff] */
	assert_int_equal(run_to_handler(r), 13);
	assert_int_equal(r->c->r[4], 0x1000 - 6);
	assert_int_equal(frame(r, 0, 2), 0);
}

static void vm86_and_back(void **state)
{
	struct rig *r = *state;
	struct x86_cpu *c = r->c;
	rig_prot(r, 0);
	/* push GS FS DS ES SS ESP EFLAGS CS EIP; IRETD */
	GUEST(r, 0x6a, 0x44, 0x6a, 0x33, 0x6a, 0x22, 0x6a, 0x11, 0x68, 0x00, 0x40, 0x00, 0x00, 0x68, 0x00, 0x01, 0x00,
		0x00, 0x68, 0x02, 0x00, 0x02, 0x00, 0x68, 0x00, 0x60, 0x00, 0x00, 0x68, 0x10, 0x00, 0x00, 0x00, 0xcf);
	CODE_AT(r, 0x60010, 0x8c, 0xd8, 0xf4); /* MOV AX, DS; HLT (#GP at CPL 3) */
	assert_int_equal(run_to_handler(r), 13);
	assert_int_equal(c->r[0], 0x22);
	assert_int_equal(frame(r, 0, 4), 0);
	assert_int_equal(frame(r, 1, 4), 0x12);
	assert_int_equal(frame(r, 2, 4), 0x6000);
	assert_int_equal(frame(r, 3, 4) & 0x20000, 0x20000);
	assert_int_equal(frame(r, 4, 4), 0x100);
	assert_int_equal(frame(r, 5, 4), 0x4000);
	assert_int_equal(frame(r, 6, 4), 0x11); /* ES DS FS GS */
	assert_int_equal(frame(r, 7, 4), 0x22);
	assert_int_equal(frame(r, 8, 4), 0x33);
	assert_int_equal(frame(r, 9, 4), 0x44);
	assert_int_equal(c->seg[X86_DS].sel, 0);
	assert_int_equal(c->eflags & 0x20000, 0);
	assert_int_equal(c->cpl, 0);
}
static void vm86_int_needs_iopl(void **state)
{
	struct rig *r = *state;
	rig_prot(r, 3);
	r->c->eflags |= 0x20000;
	for (int i = 0; i < 6; i++)
		r->c->seg[i] = (struct x86_seg){.base = 0x60000, .limit = 0xffff, .attr = 0xf3, .sel = 0x6000};
	r->c->rip = 0;
	r->c->r[4] = 0x1000;
	x86_state_changed(r->c, true);
	CODE_AT(r, 0x60000, 0xcd, 0x21);
	assert_int_equal(run_to_handler(r), 13);
	assert_int_equal(frame(r, 0, 4), 0);
}

static void deferred_delivery_starts_again(void **state)
{
	struct rig *r = *state;
	struct x86_cpu *c = r->c;
	rig_long(r, 0);
	r->defer_mmio = true;
	c->idt_base = HOLE;
	GUEST(r, 0x0f, 0x0b);
	uint64_t halves[2];
	memcpy(halves, r->mem + IDT + 6 * 16, 16);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(x86_run(c), X86_STOP_MMIO);
		assert_int_equal(c->rip, CODE);
		assert_int_equal(c->r[4], KSTACK - 0x800);
		assert_int_equal(c->stop.addr, HOLE + 6 * 16 + i * 8);
		memcpy(c->stop.data, &halves[i], 8);
		x86_answer(c);
	}
	assert_int_equal(run_to_handler(r), 6);
	assert_int_equal(frame(r, 0, 8), CODE);
}

static void injected_interrupt(void **state)
{
	struct rig *r = *state;
	struct x86_cpu *c = r->c;
	rig_long(r, 3);
	GUEST(r, 0x90);
	c->inject_valid = true;
	c->inject_vector = 0x30;
	c->inject_type = 0;
	assert_int_equal(run_to_handler(r), 0x30);
	assert_int_equal(frame(r, 0, 8), CODE);
	assert_false(c->inject_valid);
	assert_false(c->nmi_masked);
}
static void nmi_is_masked_until_iret(void **state)
{
	struct rig *r = *state;
	struct x86_cpu *c = r->c;
	rig_long(r, 0);
	GUEST(r, 0x90, 0xf4);
	CODE_AT(r, handler(2), 0x90, 0x48, 0xcf);
	c->nmi_pending = true;
	c->insn_limit = 1;
	assert_int_equal(x86_run(c), X86_STOP_BUDGET);
	assert_true(c->nmi_masked);
	c->insn_limit = 1000;
	run_to_hlt(r, CODE + 2);
	assert_false(c->nmi_masked);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(ud_from_user_in_long_mode),
		RIG_TEST(gp_names_the_selector),
		RIG_TEST(pf_read_absent),
		RIG_TEST(pf_user_write_read_only),
		RIG_TEST(pf_user_reads_supervisor),
		RIG_TEST(pf_reserved_bit),
		RIG_TEST(pf_no_execute),
		RIG_TEST(int_n_needs_the_gates_dpl),
		RIG_TEST(int_n_through_a_user_gate),
		RIG_TEST(absent_gate_is_np),
		RIG_TEST(exception_through_absent_gate_has_ext),
		RIG_TEST(ist_switches_stacks),
		RIG_TEST(contributory_twice_is_double),
		RIG_TEST(page_fault_in_page_fault_is_double),
		RIG_TEST(fault_in_double_fault_is_triple),
		RIG_TEST(prot_same_privilege),
		RIG_TEST(prot_from_user),
		RIG_TEST(prot_16_bit_gate),
		RIG_TEST(bad_inner_stack_is_ts),
		RIG_TEST(real_mode_int_and_iret),
		RIG_TEST(real_mode_fault_has_no_error_code),
		RIG_TEST(vm86_and_back),
		RIG_TEST(vm86_int_needs_iopl),
		RIG_TEST(deferred_delivery_starts_again),
		RIG_TEST(injected_interrupt),
		RIG_TEST(nmi_is_masked_until_iret),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
