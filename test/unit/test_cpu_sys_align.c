/* test_cpu_sys_align.c - alignment checking (SDM vol. 3, "Interrupt 17 - Alignment Check Exception") and branches that
 * lead out of the code segment, which fault themselves. */
#include "test_cpu_sys_rig.h"

enum { AM = 0x40000, AC = 0x40000 };

static void checked(struct rig *r, unsigned cpl)
{
	rig_long(r, cpl);
	r->c->cr0 |= AM;
	x86_set_rflags(r->c, AC | 2);
	x86_state_changed(r->c, true);
	gate64(r, 0x99, K64, handler(0x99), 0xee, 0);
}
/* The instruction with [RBX] at DATA + off, then INT 0x99: does it fault? */
static bool faults(struct rig *r, const uint8_t *code, unsigned n, unsigned off)
{
	checked(r, 3);
	r->c->r[3] = DATA + off;
	r->c->r[6] = r->c->r[7] = DATA + off;
	r->c->r[1] = 2;
	r->c->fcw = 0x37f;
	memcpy(r->mem + CODE, code, n);
	memcpy(r->mem + CODE + n, "\xcd\x99", 2);
	x86_code_written(r->c, CODE, n + 2);
	int v = run_to_handler(r);
	if (v == 0x99)
		return false;
	assert_int_equal(v, 17);
	assert_int_equal(frame(r, 0, 8), 0);
	assert_int_equal(frame(r, 1, 8), CODE);
	return true;
}

/* What a processor answers: the offsets 1, 2, 4, 8 that fault, as a mask. */
static void alignment_by_operand(void **state)
{
	static const struct {
		uint8_t code[8], n, bad;
	} rows[] = {
		{{0x8a, 0x03}, 2, 0},                    /* MOV AL */
		{{0x66, 0x8b, 0x03}, 3, 1},              /* MOV AX */
		{{0x8b, 0x03}, 2, 3},                    /* MOV EAX */
		{{0x48, 0x8b, 0x03}, 3, 7},              /* MOV RAX */
		{{0x48, 0x89, 0x03}, 3, 7},              /* MOV [], RAX */
		{{0x01, 0x03}, 2, 3},                    /* ADD [], EAX */
		{{0xf0, 0x48, 0x01, 0x03}, 4, 7},        /* LOCK ADD [], RAX */
		{{0x87, 0x03}, 2, 3},                    /* XCHG [], EAX */
		{{0x0f, 0xc7, 0x0b}, 3, 7},              /* CMPXCHG8B */
		{{0x0f, 0x10, 0x03}, 3, 15},             /* MOVUPS */
		{{0xf3, 0x0f, 0x7f, 0x03}, 4, 15},       /* MOVDQU store */
		{{0xf3, 0x0f, 0x10, 0x03}, 4, 3},        /* MOVSS */
		{{0xf3, 0x0f, 0x7e, 0x03}, 4, 7},        /* MOVQ */
		{{0xdb, 0x2b}, 2, 7},                    /* FLD m80 */
		{{0xdd, 0x03}, 2, 7},                    /* FLD m64 */
		{{0xd9, 0x33}, 2, 3},                    /* FNSTENV */
		{{0x66, 0xd9, 0x33}, 3, 1},              /* FNSTENV of 16 bits */
		{{0xdd, 0x33}, 2, 3},                    /* FNSAVE */
		{{0xd9, 0x3b}, 2, 1},                    /* FNSTCW */
		{{0xf3, 0x48, 0xa5}, 3, 7},              /* REP MOVSQ */
		{{0xf3, 0xa4}, 2, 0},                    /* REP MOVSB */
		{{0xff, 0x33}, 2, 7},                    /* PUSH [] */
		{{0x0f, 0xae, 0x3b}, 3, 0},              /* CLFLUSH */
		{{0x0f, 0x18, 0x0b}, 3, 0},              /* PREFETCHT0 */
	};
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		unsigned bad = 0;
		for (unsigned bit = 0; bit < 4; bit++)
			bad |= (unsigned)faults(*state, rows[i].code, rows[i].n, 1u << bit) << bit;
		if (bad != rows[i].bad)
			print_error("row %u\n", i);
		assert_int_equal(bad, rows[i].bad);
	}
}
static void the_stack_is_checked(void **state)
{
	struct rig *r = *state;
	checked(r, 3);
	r->c->r[4] = USTACK - 4;
	GUEST(r, 0x50);
	assert_int_equal(run_to_handler(r), 17);
	assert_int_equal(frame(r, 4, 8), USTACK - 4);
	checked(r, 3);
	r->c->r[4] = USTACK - 4;
	GUEST(r, 0xc3);
	assert_int_equal(run_to_handler(r), 17);
}
static void only_with_am_ac_and_cpl_3(void **state)
{
	struct rig *r = *state;
	struct x86_cpu *c = r->c;
	checked(r, 0);
	c->r[3] = DATA + 1;
	GUEST(r, 0x8b, 0x03, 0xf4);
	run_to_hlt(r, CODE + 3);
	checked(r, 3);
	c->r[3] = DATA + 1;
	c->cr0 &= ~(uint64_t)AM;
	x86_state_changed(c, true);
	assert_int_equal(run_to_handler(r), 13); /* HLT */
	checked(r, 3);
	c->r[3] = DATA + 1;
	x86_set_rflags(c, 2);
	assert_int_equal(run_to_handler(r), 13);
}
/* Loads fill the TLB before AC is set, which POPF in the guest does. */
static void switched_by_popf(void **state)
{
	struct rig *r = *state;
	checked(r, 3);
	x86_set_rflags(r->c, 2);
	r->c->r[3] = DATA + 1;
	GUEST(r, 0x8b, 0x03, 0x89, 0x03, 0x68, 0, 0, 4, 0, 0x9d, 0x8b, 0x43, 0x03, 0x8b, 0x03);
	assert_int_equal(run_to_handler(r), 17);
	assert_int_equal(frame(r, 1, 8), CODE + 13);
}
static void before_the_page_fault_behind_the_address(void **state)
{
	struct rig *r = *state;
	checked(r, 3);
	poke(r, PT + (DATA >> 12) * 8, 8, 0);
	x86_flush_all(r->c);
	r->c->r[3] = DATA + 1;
	GUEST(r, 0x8b, 0x03);
	assert_int_equal(run_to_handler(r), 17);
	checked(r, 3);
	r->c->r[3] = UINT64_C(0x800000000001);
	assert_int_equal(run_to_handler(r), 13);
}
static void delivery_is_not_checked(void **state)
{
	struct rig *r = *state;
	checked(r, 3);
	poke(r, TSS + 4, 8, KSTACK);
	GUEST(r, 0x0f, 0x0b);
	assert_int_equal(run_to_handler(r), 6);
	rig_prot(r, 3);
	r->c->cr0 |= AM;
	x86_set_rflags(r->c, AC | 2);
	poke(r, TSS + 4, 4, KSTACK - 2);
	assert_int_equal(run_to_handler(r), 6);
}

/* ------ branches ------ */

/* 32-bit code in a segment that ends at limit; EIP starts at 0x40. */
static void segment(struct rig *r, uint32_t limit)
{
	rig_prot(r, 0);
	r->c->seg[X86_CS] = (struct x86_seg){.base = CODE, .limit = limit, .attr = 0x409b, .sel = FREE};
	r->c->rip = 0x40;
	x86_state_changed(r->c, true);
}
static void branches_fault_themselves(void **state)
{
	static const struct {
		uint8_t code[8];
		unsigned n;
		bool faults;
	} rows[] = {
		{{0xeb, 0x7f}, 2, true},                         /* JMP short */
		{{0xeb, 0x3d}, 2, false},                        /* to the last byte */
		{{0xeb, 0x3e}, 2, true},
		{{0xe9, 0, 1, 0, 0}, 5, true},                   /* JMP near */
		{{0x74, 0x7f}, 2, true},                         /* JZ, taken */
		{{0x0f, 0x84, 0, 1, 0, 0}, 6, true},
		{{0xe8, 0, 1, 0, 0}, 5, true},                   /* CALL: the stack as before */
		{{0xe2, 0x7f}, 2, true},                         /* LOOP: ECX as before */
		{{0xe1, 0x7f}, 2, true},
		{{0xff, 0xe0}, 2, true},                         /* JMP EAX */
		{{0xff, 0xd0}, 2, true},                         /* CALL EAX */
		{{0xc3}, 1, true},                               /* RET */
	};
	struct rig *r = *state;
	struct x86_cpu *c = r->c;
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		segment(r, 0x7f);
		memcpy(r->mem + CODE + 0x40, rows[i].code, rows[i].n);
		r->mem[CODE + 0x7f] = 0xf4;
		x86_code_written(c, CODE, 0x100);
		c->r[0] = 0x1000;
		c->r[1] = 5;
		poke(r, KSTACK - 0x800, 4, 0x80);
		x86_set_rflags(c, 0x42);
		if (!rows[i].faults) {
			run_to_hlt(r, 0x80);
			continue;
		}
		assert_int_equal(run_to_handler(r), 13);
		assert_int_equal(frame(r, 0, 4), 0);
		assert_int_equal(frame(r, 1, 4), 0x40);
		assert_int_equal(c->r[4], KSTACK - 0x800 - 16);
		assert_int_equal(c->r[1], 5);
	}
}
static void not_taken_is_no_branch(void **state)
{
	struct rig *r = *state;
	segment(r, 0x7f);
	CODE_AT(r, CODE + 0x40, 0x75, 0x7f, 0xf4);
	x86_set_rflags(r->c, 0x42);
	run_to_hlt(r, 0x43);
}
static void falling_off_the_end_faults_behind_it(void **state)
{
	struct rig *r = *state;
	segment(r, 0x41);
	CODE_AT(r, CODE + 0x40, 0x40, 0x40, 0x40); /* INC EAX, the third outside */
	assert_int_equal(run_to_handler(r), 13);
	assert_int_equal(frame(r, 1, 4), 0x42);
	assert_int_equal(r->c->r[0], 2);
	segment(r, 0x43);
	r->c->r[0] = 0;
	CODE_AT(r, CODE + 0x40, 0x40, 0xb8, 1, 0, 0, 0); /* MOV EAX,imm32 hangs over */
	assert_int_equal(run_to_handler(r), 13);
	assert_int_equal(frame(r, 1, 4), 0x41);
	assert_int_equal(r->c->r[0], 1);
}
static void the_same_code_with_another_limit(void **state)
{
	struct rig *r = *state;
	for (int i = 0; i < 4; i++) {
		segment(r, i & 1 ? 0x7f : 0xffffffff);
		CODE_AT(r, CODE + 0x40, 0xeb, 0x7f);
		CODE_AT(r, CODE + 0xc1, 0xf4);
		if (i & 1)
			assert_int_equal(run_to_handler(r), 13);
		else
			run_to_hlt(r, 0xc2);
	}
}
static void real_mode_jump_beyond_64k(void **state)
{
	struct rig *r = *state;
	rig_real(r);
	GUEST(r, 0x66, 0xe9, 0x00, 0x00, 0x01, 0x00); /* JMP near 32: 0x10006 */
	assert_int_equal(run_to_handler(r), 13);
	assert_int_equal(frame(r, 0, 2), 0);
	rig_real(r);
	r->c->rip = 0xfff0;
	CODE_AT(r, CODE + 0xfff0, 0xe9, 0x10, 0x00); /* 16 bits wrap */
	CODE_AT(r, CODE + 0x3, 0xf4);
	run_to_hlt(r, 4);
}
static void jump_out_of_the_canonical_space(void **state)
{
	struct rig *r = *state;
	rig_long(r, 0);
	poke(r, PML4 + 255 * 8, 8, PDPT | 7);
	poke(r, PDPT + 511 * 8, 8, PD | 7);
	poke(r, PD + 511 * 8, 8, PT | 7);
	poke(r, PT + 511 * 8, 8, CODE | 7);
	r->c->rip = UINT64_C(0x7fffffffffe0);
	x86_flush_all(r->c);
	CODE_AT(r, CODE + 0xfe0, 0xeb, 0x7e);
	assert_int_equal(run_to_handler(r), 13);
	assert_true(frame(r, 1, 8) == UINT64_C(0x7fffffffffe0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(alignment_by_operand),
		RIG_TEST(the_stack_is_checked),
		RIG_TEST(only_with_am_ac_and_cpl_3),
		RIG_TEST(switched_by_popf),
		RIG_TEST(before_the_page_fault_behind_the_address),
		RIG_TEST(delivery_is_not_checked),
		RIG_TEST(branches_fault_themselves),
		RIG_TEST(not_taken_is_no_branch),
		RIG_TEST(falling_off_the_end_faults_behind_it),
		RIG_TEST(the_same_code_with_another_limit),
		RIG_TEST(real_mode_jump_beyond_64k),
		RIG_TEST(jump_out_of_the_canonical_space),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
