/* test_cpu_sys_seg.c - segment loads, limits, the instructions that look at descriptors, descriptor-table registers. */
#include "test_cpu_sys_rig.h"

/* A 32-bit guest at CPL 0 whose DS is what desc says; it reads a dword at [EBX]. Returns whether it was allowed. */
static bool reads(struct rig *r, const struct x86_seg *ds, uint32_t at)
{
	rig_prot(r, 0);
	r->c->seg[X86_DS] = *ds;
	r->c->r[3] = at;
	x86_state_changed(r->c, true);
	GUEST(r, 0x8b, 0x03, 0xf4);
	assert_int_equal(x86_run(r->c), X86_STOP_HLT);
	if (r->c->rip == CODE + 3)
		return true;
	assert_int_equal(r->c->rip, handler(13) + 1);
	assert_int_equal(frame(r, 0, 4), 0);
	return false;
}

static void limits(void **state)
{
	static const struct {
		struct x86_seg ds;
		uint32_t at;
		bool allowed;
	} rows[] = {
		{{0, 0xfff, 0x4093, 0}, 0xffc, true}, {{0, 0xfff, 0x4093, 0}, 0xffd, false},
		{{0, 0x1fff, 0xc093, 0}, 0x1ffc, true}, {{0, 0x1fff, 0xc093, 0}, 0x1ffe, false},
		{{0, 0xffffffff, 0xc093, 0}, 0x3ffff0, true}, {{0, 0xfff, 0x4097, 0}, 0x1000, true},
		{{0, 0xfff, 0x4097, 0}, 0xfff, false}, /* expand-down */
		{{0, 0xfff, 0x0097, 0}, 0xfffc, true},
		{{0, 0xfff, 0x0097, 0}, 0xfffd, false}, /* 16-bit one ends at 64 KiB */
		{{0, 0xfff, 0x4097, 0}, 0x10000, true}, {{0, 0xffffffff, 0xc099, 0}, 0x1000, false}, /* execute only */
		{{0, 0xffffffff, 0xc09b, 0}, 0x1000, true}, {{0, 0xffffffff, 0x10000, 0}, 0x1000, false}, /* null */
	};
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_int_equal(reads(*state, &rows[i].ds, rows[i].at), rows[i].allowed);
}
static void write_to_read_only(void **state)
{
	struct rig *r = *state;
	rig_prot(r, 0);
	r->c->seg[X86_DS].attr = 0xc091;
	r->c->r[3] = DATA;
	x86_state_changed(r->c, true);
	GUEST(r, 0x8b, 0x03, 0x89, 0x03);
	assert_int_equal(run_to_handler(r), 13);
	assert_int_equal(frame(r, 1, 4), CODE + 2);
}
static void stack_limit_is_ss(void **state)
{
	struct rig *r = *state;
	rig_prot(r, 3);
	r->c->seg[X86_SS].limit = 0xfff;
	r->c->r[4] = 0x1002;
	x86_state_changed(r->c, true);
	GUEST(r, 0x50);
	assert_int_equal(run_to_handler(r), 12);
	assert_int_equal(frame(r, 0, 4), 0);
	assert_int_equal(frame(r, 4, 4), 0x1002);
}

/* MOV sreg, AX of selector FREE | rpl with a descriptor: the fault's vector, or -1. */
static int load(struct rig *r, unsigned cpl, uint8_t modrm, unsigned rpl, uint32_t attr)
{
	static const uint8_t code[] = {0x8e, 0xd8, 0xcd, 0x99};
	rig_prot(r, cpl);
	gate32(r, 0x99, K32, (uint32_t)handler(0x99), 0xee);
	poke(r, GDT + FREE, 8, descriptor(0x1234, 0xfffff, attr));
	memcpy(r->mem + CODE, code, sizeof code);
	r->mem[CODE + 1] = modrm;
	x86_code_written(r->c, CODE, 4);
	r->c->r[0] = FREE | rpl;
	int v = run_to_handler(r);
	if (v == 0x99)
		return -1;
	assert_int_equal(frame(r, 0, 4), FREE);
	return v;
}
static void loads(void **state)
{
	enum { DS = 0xd8, SS = 0xd0 };
	static const struct {
		uint8_t cpl, reg, rpl;
		uint16_t attr;
		int vector;
	} rows[] = {
		{0, DS, 0, 0xc093, -1},
		{0, DS, 3, 0xc093, 13},
		{3, DS, 3, 0xc093, 13},
		{3, DS, 3, 0xc0f3, -1},
		{3, DS, 0, 0xc0f3, -1},
		{0, DS, 0, 0xc013, 11},
		{0, DS, 0, 0xc091, -1},
		{0, DS, 0, 0xc099, 13},
		{0, DS, 0, 0xc09b, -1},
		{3, DS, 3, 0xc09f, -1},
		{3, DS, 3, 0xc09b, 13},
		{0, DS, 0, 0x0082, 13},
		{0, SS, 0, 0xc093, -1},
		{0, SS, 0, 0xc013, 12},
		{0, SS, 0, 0xc091, 13},
		{0, SS, 3, 0xc093, 13},
		{0, SS, 0, 0xc0f3, 13},
		{3, SS, 3, 0xc0f3, -1},
		{0, SS, 0, 0xc09b, 13},
	};
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_int_equal(load(*state, rows[i].cpl, rows[i].reg, rows[i].rpl, rows[i].attr), rows[i].vector);
}
static void accessed_bit_is_set(void **state)
{
	struct rig *r = *state;
	assert_int_equal(load(r, 0, 0xd8, 0, 0xc092), -1);
	assert_int_equal(r->mem[GDT + FREE + 5], 0x93);
	assert_int_equal(r->c->seg[X86_DS].base, 0x1234);
	assert_int_equal(r->c->seg[X86_DS].attr, 0xc093);
	assert_true(r->c->seg[X86_DS].limit == 0xffffffff);
}
static void null_ss_only_in_64_bit_supervisor_code(void **state)
{
	struct rig *r = *state;
	rig_long(r, 0);
	GUEST(r, 0x31, 0xc0, 0x8e, 0xd0, 0x50, 0xf4);
	run_to_hlt(r, CODE + 6);
	rig_long(r, 3);
	r->c->r[0] = 3;
	GUEST(r, 0x8e, 0xd0);
	assert_int_equal(run_to_handler(r), 13);
	rig_prot(r, 0);
	r->c->r[0] = 0;
	GUEST(r, 0x8e, 0xd0);
	assert_int_equal(run_to_handler(r), 13);
}
static void ldt_selectors(void **state)
{
	struct rig *r = *state;
	rig_prot(r, 0);
	poke(r, GDT + FREE, 8, descriptor(LDT, 0x17, 0x82));
	poke(r, LDT + 0x10, 8, descriptor(0x5000, 0xfff, 0x4093));
	/* MOV AX,FREE; LLDT AX; MOV AX,0x14; MOV FS,AX; SLDT EBX; MOV AX,0x1c; MOV FS,AX */
	GUEST(r, 0x66, 0xb8, FREE, 0, 0x0f, 0x00, 0xd0, 0x66, 0xb8, 0x14, 0, 0x8e, 0xe0, 0x0f, 0x00, 0xc3, 0x66, 0xb8,
		0x1c, 0, 0x8e, 0xe0);
	assert_int_equal(run_to_handler(r), 13);
	assert_int_equal(frame(r, 0, 4), 0x1c);
	assert_int_equal(r->c->seg[X86_FS].base, 0x5000);
	assert_int_equal(r->c->r[3], FREE);
}
static void ltr_marks_busy(void **state)
{
	struct rig *r = *state;
	rig_long(r, 0);
	poke(r, GDT + FREE, 8, descriptor(0x4000, 0x67, 0x89));
	poke(r, GDT + FREE + 8, 8, 0xffff8000);
	GUEST(r, 0x66, 0xb8, FREE, 0, 0x0f, 0x00, 0xd8, 0x0f, 0x00, 0xcb, 0x0f, 0x00,
		0xd8); /* LTR; STR EBX; LTR again: busy */
	assert_int_equal(run_to_handler(r), 13);
	assert_int_equal(frame(r, 0, 8), FREE);
	assert_int_equal(r->mem[GDT + FREE + 5], 0x8b);
	assert_true(r->c->seg[X86_TR].base == UINT64_C(0xffff800000004000));
	assert_int_equal(r->c->r[3], FREE);
}

/* An instruction 0f xx c3-like on EBX with ZF as the answer. */
static bool zf_of(struct rig *r, unsigned cpl, const uint8_t *code, unsigned n, unsigned sel, uint32_t attr)
{
	rig_prot(r, cpl);
	gate32(r, 0x99, K32, (uint32_t)handler(0x99), 0xee);
	poke(r, GDT + FREE, 8, descriptor(0, 0xabcde, attr));
	memcpy(r->mem + CODE, code, n);
	memcpy(r->mem + CODE + n, "\xcd\x99", 2);
	x86_code_written(r->c, CODE, n + 2);
	r->c->r[3] = sel;
	assert_int_equal(run_to_handler(r), 0x99);
	return frame(r, 2, 4) & 0x40;
}
static void looks(void **state)
{
	static const uint8_t lar[] = {0x0f, 0x02, 0xc3}, lsl[] = {0x0f, 0x03, 0xc3}, verr[] = {0x0f, 0x00, 0xe3},
			     verw[] = {0x0f, 0x00, 0xeb};
	struct rig *r = *state;
	assert_true(zf_of(r, 0, lar, 3, FREE, 0xd093));
	assert_int_equal(r->c->r[0], 0xd09300);
	assert_true(zf_of(r, 0, lsl, 3, FREE, 0xc093));
	assert_int_equal(r->c->r[0], 0xabcdefff);
	assert_true(zf_of(r, 0, lsl, 3, FREE, 0x4093));
	assert_int_equal(r->c->r[0], 0xabcde);
	assert_false(zf_of(r, 3, lar, 3, FREE | 3, 0xc093));
	assert_true(zf_of(r, 3, lar, 3, FREE | 3, 0xc09f)); /* conforming */
	assert_false(zf_of(r, 0, lsl, 3, FREE, 0x008c));    /* call gate: LAR yes, LSL no */
	assert_true(zf_of(r, 0, lar, 3, FREE, 0x008c));
	assert_false(zf_of(r, 0, lar, 3, FREE, 0x008e)); /* interrupt gate */
	assert_false(zf_of(r, 0, lar, 3, 0, 0xc093));
	assert_false(zf_of(r, 0, lar, 3, 0xfff8, 0xc093));
	assert_true(zf_of(r, 0, verr, 3, FREE, 0xc093));
	assert_false(zf_of(r, 0, verr, 3, FREE, 0xc099));
	assert_true(zf_of(r, 0, verw, 3, FREE, 0xc093));
	assert_false(zf_of(r, 0, verw, 3, FREE, 0xc091));
	assert_false(zf_of(r, 0, verw, 3, FREE, 0xc09b));
	assert_false(zf_of(r, 0, verr, 3, FREE, 0x0089));
}

static void tables_round_trip(void **state)
{
	struct rig *r = *state;
	rig_long(r, 0);
	poke(r, DATA, 2, 0x1ff);
	poke(r, DATA + 2, 8, UINT64_C(0xffff800012345678));
	GUEST(r, 0x0f, 0x01, 0x14, 0x25, 0, 0, 5, 0, 0x0f, 0x01, 0x04, 0x25, 0x40, 0, 5, 0, 0xf4); /* LGDT, SGDT */
	run_to_hlt(r, CODE + 17);
	assert_int_equal(r->c->gdt_limit, 0x1ff);
	assert_memory_equal(r->mem + DATA, r->mem + DATA + 0x40, 10);
}
static void lgdt_non_canonical(void **state)
{
	struct rig *r = *state;
	rig_long(r, 0);
	poke(r, DATA + 2, 8, UINT64_C(0x100000000000000));
	GUEST(r, 0x0f, 0x01, 0x14, 0x25, 0, 0, 5, 0);
	assert_int_equal(run_to_handler(r), 13);
}
static void fs_and_gs_bases(void **state)
{
	struct rig *r = *state;
	struct x86_cpu *c = r->c;
	rig_long(r, 0);
	c->cr4 |= 0x10000;
	c->kernel_gs_base = DATA;
	c->r[0] = DATA + 0x100;
	poke(r, DATA, 1, 0x11);
	poke(r, DATA + 0x100, 1, 0x22);
	/* WRFSBASE RAX; SWAPGS; MOV BL,GS:[0]; MOV CL,FS:[0]; RDGSBASE RDX; HLT */
	GUEST(r, 0xf3, 0x48, 0x0f, 0xae, 0xd0, 0x0f, 0x01, 0xf8, 0x65, 0x8a, 0x1c, 0x25, 0, 0, 0, 0, 0x64, 0x8a, 0x0c,
		0x25, 0, 0, 0, 0, 0xf3, 0x48, 0x0f, 0xae, 0xca, 0xf4);
	run_to_hlt(r, CODE + 30);
	assert_int_equal(c->r[3], 0x11);
	assert_int_equal(c->r[1], 0x22);
	assert_int_equal(c->r[2], DATA);
	assert_int_equal(c->kernel_gs_base, 0);
}
static void fsgsbase_needs_cr4(void **state)
{
	struct rig *r = *state;
	rig_long(r, 3);
	GUEST(r, 0xf3, 0x48, 0x0f, 0xae, 0xd0);
	assert_int_equal(run_to_handler(r), 6);
}
static void far_pointers_and_16_bit_stack(void **state)
{
	struct rig *r = *state;
	rig_real(r);
	poke(r, DATA, 4, 0x60001234);
	/* MOV AX,DATA>>4; MOV DS,AX; LES DI,[0]; PUSH ES; POP FS; HLT */
	GUEST(r, 0xb8, 0x00, 0x50, 0x8e, 0xd8, 0xc4, 0x3e, 0x00, 0x00, 0x06, 0x0f, 0xa1, 0xf4);
	run_to_hlt(r, 13);
	assert_int_equal(r->c->r[7], 0x1234);
	assert_int_equal(r->c->seg[X86_FS].sel, 0x6000);
	assert_int_equal(r->c->seg[X86_FS].base, 0x60000);
	assert_int_equal(r->c->r[4], 0x1000);
}
static void address_size_wraps(void **state)
{
	struct rig *r = *state;
	rig_real(r);
	poke(r, 0x11, 1, 0x5a);
	r->c->r[3] = 0xffff;
	r->c->r[6] = 0x12;
	GUEST(r, 0x8a, 0x00, 0xf4); /* MOV AL,[BX+SI] */
	run_to_hlt(r, 3);
	assert_int_equal(r->c->r[0] & 0xff, 0x5a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(limits),
		RIG_TEST(write_to_read_only),
		RIG_TEST(stack_limit_is_ss),
		RIG_TEST(loads),
		RIG_TEST(accessed_bit_is_set),
		RIG_TEST(null_ss_only_in_64_bit_supervisor_code),
		RIG_TEST(ldt_selectors),
		RIG_TEST(ltr_marks_busy),
		RIG_TEST(looks),
		RIG_TEST(tables_round_trip),
		RIG_TEST(lgdt_non_canonical),
		RIG_TEST(fs_and_gs_bases),
		RIG_TEST(fsgsbase_needs_cr4),
		RIG_TEST(far_pointers_and_16_bit_stack),
		RIG_TEST(address_size_wraps),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
