/* test_cpu_int.c - integer instructions that the comparison with silicon cannot reach: 16- and 32-bit modes, branches,
 * stack frames, decimal arithmetic, decoding errors, counts of instructions, interrupts inside REP. */
#include "test_cpu_rig.h"

enum { AX, CX, DX, BX, SP, BP, SI, DI };

static int setup_long(void **state)
{
	struct rig *r = rig_new();
	rig_long(r);
	*state = r;
	return 0;
}
static int setup_32(void **state)
{
	struct rig *r = rig_new();
	rig_prot32(r);
	memset(r->c->r, 0, 8 * sizeof *r->c->r);
	r->c->r[SP] = RIG_STACK;
	*state = r;
	return 0;
}
/* Real mode with all segments at 0 but CS at 0x1000:0. */
static int setup_16(void **state)
{
	struct rig *r = rig_new();
	struct x86_cpu *c = r->c;
	c->seg[X86_CS].sel = RIG_CODE >> 4;
	c->seg[X86_CS].base = RIG_CODE;
	c->rip = 0;
	memset(c->r, 0, 8 * sizeof *c->r);
	c->r[SP] = 0x8000;
	x86_state_changed(c, true);
	*state = r;
	return 0;
}
static int teardown(void **state)
{
	rig_free(*state);
	return 0;
}

static uint32_t get32(struct rig *r, uint64_t at)
{
	uint32_t v;
	memcpy(&v, r->ram + at, 4);
	return v;
}
static uint16_t get16(struct rig *r, uint64_t at)
{
	uint16_t v;
	memcpy(&v, r->ram + at, 2);
	return v;
}

static void run16(struct rig *r)
{
	r->c->rip = 0;
	assert_int_equal(x86_run(r->c), X86_STOP_HLT);
}

static void pusha_popa(void **state)
{
	struct rig *r = *state;
	rig_code(r, 0x60, 0xb9, 0x63, 0, 0, 0, 0x61, HLT); /* pushad; mov ecx, 99; popad */
	for (unsigned n = 0; n < 8; n++)
		r->c->r[n] = n == SP ? RIG_STACK : n + 1;
	assert_int_equal(x86_run(r->c), X86_STOP_HLT);
	for (unsigned n = 0; n < 8; n++)
		assert_int_equal(r->c->r[n], n == SP ? RIG_STACK : n + 1);
	assert_int_equal(get32(r, RIG_STACK - 4), 1);
	assert_int_equal(get32(r, RIG_STACK - 20), RIG_STACK);
	assert_int_equal(get32(r, RIG_STACK - 32), DI + 1);
}

static void decimal(void **state)
{
	static const struct {
		uint8_t code[3];
		uint16_t in, flags_in, out, flags; /* CF AF ZF of the result */
	} cases[] = {
	    {{0x27, HLT}, 0x7c, 0, 0x82, 0x10},        {{0x27, HLT}, 0x9b, 0, 0x01, 0x11},
	    {{0x2f, HLT}, 0x7c, 0, 0x76, 0x10},        {{0x2f, HLT}, 0x05, 0x10, 0xff & (0x05 - 6), 0x11},
	    {{0x37, HLT}, 0x000b, 0, 0x0101, 0x11},    {{0x37, HLT}, 0x0005, 0, 0x0005, 0},
	    {{0x3f, HLT}, 0x020b, 0, 0x0105, 0x11},    {{0xd4, 0x0a, HLT}, 0x0047, 0, 0x0701, 0},
	    {{0xd5, 0x0a, HLT}, 0x0407, 0, 0x002f, 0},
	};
	struct rig *r = *state;
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		rig_code_at(r, RIG_CODE, cases[i].code, 3);
		r->c->rip = RIG_CODE;
		r->c->r[AX] = cases[i].in;
		x86_set_rflags(r->c, cases[i].flags_in | 2);
		assert_int_equal(x86_run(r->c), X86_STOP_HLT);
		assert_int_equal(r->c->r[AX] & 0xffff, cases[i].out);
		assert_int_equal(x86_get_rflags(r->c) & 0x11, cases[i].flags);
	}
}

static void frames(void **state)
{
	struct rig *r = *state;
	rig_code(r, 0xc8, 0x10, 0, 2, 0x89, 0xe3, 0xc9, HLT); /* enter 16, 2; mov ebx, esp; leave */
	r->c->r[BP] = RIG_STACK + 0x100;
	memcpy(r->ram + RIG_STACK + 0xfc, &(uint32_t){0x1234}, 4);
	assert_int_equal(x86_run(r->c), X86_STOP_HLT);
	assert_int_equal(get32(r, RIG_STACK - 4), RIG_STACK + 0x100);
	assert_int_equal(get32(r, RIG_STACK - 8), 0x1234);
	assert_int_equal(get32(r, RIG_STACK - 12), RIG_STACK - 4);
	assert_int_equal(r->c->r[BX], RIG_STACK - 12 - 16);
	assert_int_equal(r->c->r[SP], RIG_STACK);
	assert_int_equal(r->c->r[BP], RIG_STACK + 0x100);
}

/* [bx+si], [bp+di+disp8], a wrap at 64 KiB, LEA of 16 bits. */
static void addresses_of_16_bits(void **state)
{
	struct rig *r = *state;
	rig_code(r, 0x8a, 0x00, 0x8a, 0x63, 0x05, 0x8d, 0x4f, 0xfe, 0x8a, 0x97, 0xff, 0xff, HLT);
	/* mov al,[bx+si]; mov ah,[bp+di+5]; lea cx,[bx-2]; mov dl,[bx+0xffff] */
	r->c->r[BX] = 0x10;
	r->c->r[SI] = 0xfff8; /* wraps to 8 */
	r->c->r[BP] = 0x200;
	r->c->r[DI] = 0x10;
	r->ram[8] = 0x11;
	r->ram[0x215] = 0x22;
	r->ram[0xf] = 0x33;
	run16(r);
	assert_int_equal(r->c->r[AX], 0x2211);
	assert_int_equal(r->c->r[CX], 0xe);
	assert_int_equal(r->c->r[DX], 0x33);
}

static void stack_of_16_bits(void **state)
{
	struct rig *r = *state;
	rig_code(r, 0x66, 0x68, 1, 2, 3, 4, 0x6a, 0xff, 0xe8, 1, 0, HLT, 0x89, 0xe5, 0xc3);
	/* push 0x04030201 (32); push -1; call +1; hlt; mov bp, sp; ret */
	r->c->r[SP] = 0xabcd0000u | 4; /* wraps below 0; the upper half stays */
	run16(r);
	assert_int_equal(r->c->r[SP], 0xabcd0000u | 0xfffe);
	assert_int_equal(get32(r, 0), 0x04030201);
	assert_int_equal(get16(r, 0xfffe), 0xffff);
	assert_int_equal(r->c->r[BP], 0xfffc);
	assert_int_equal(get16(r, 0xfffc), 11);
}

static void branches(void **state)
{
	struct rig *r = *state;
	/* mov ecx,5; again: inc eax; loop again; jrcxz +2; ud2; lea rdx,[rip+3]; jmp rdx; ud2; call +1; hlt; ret */
	rig_code(r, 0xb9, 5, 0, 0, 0, 0xff, 0xc0, 0xe2, 0xfc, 0xe3, 2, 0x0f, 0x0b, 0x48, 0x8d, 0x15, 4, 0, 0, 0, 0xff,
		 0xe2, 0x0f, 0x0b, 0xe8, 1, 0, 0, 0, HLT, 0xc3);
	r->c->r[AX] = 0;
	assert_int_equal(x86_run(r->c), X86_STOP_HLT);
	assert_int_equal(r->c->r[AX], 5);
	assert_int_equal(r->c->rip, RIG_CODE + 30);
	assert_int_equal(r->c->insns, 1 + 10 + 1 + 2 + 3);
}

static void undefined_opcodes(void **state)
{
	static const struct {
		uint8_t bytes[16];
		uint8_t vector;
	} cases[] = {
	    {{0x0f, 0x0b}, 6},                   /* UD2 */
	    {{0xf0, 0x01, 0xc0}, 6},             /* LOCK on a register */
	    {{0xf0, 0x8b, 0x03}, 6},             /* LOCK MOV */
	    {{0xc5, 0xf8, 0x58, 0xc0}, 6},       /* VADDPS */
	    {{0xc4, 0xe2, 0x7c, 0xf2, 0xc0}, 6}, /* ANDN with VEX.L */
	    {{0x06}, 6},                         /* PUSH ES in 64-bit mode */
	    {{0x0f, 0x38, 0xf0, 0xc3}, 6},       /* MOVBE of a register */
	    {{0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90},
	     13}, /* 16 bytes */
	};
	struct rig *r = *state;
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct x86_cpu *c = r->c;
		rig_long(r);
		rig_code_at(r, RIG_CODE, cases[i].bytes, 16);
		/* the IDT holds one gate each to a HLT of its own */
		memset(r->ram + 0x6000, 0, 0x1000);
		for (unsigned v = 0; v < 32; v++) {
			uint16_t gate[8] = {(uint16_t)(0x7000 + v), 8, 0x8e00};
			memcpy(r->ram + 0x6000 + v * 16, gate, 16);
			r->ram[0x7000 + v] = HLT;
		}
		static const uint64_t gdt[2] = {0, 0x00209b0000000000};
		memcpy(r->ram + 0x6800, gdt, 16);
		c->idt_base = 0x6000;
		c->idt_limit = 0x1ff;
		c->gdt_base = 0x6800;
		c->gdt_limit = 15;
		assert_int_equal(x86_run(c), X86_STOP_HLT);
		assert_int_equal(c->rip, 0x7001 + cases[i].vector);
		uint64_t frame;
		memcpy(&frame, r->ram + c->r[SP] + (cases[i].vector == 13 ? 8 : 0), 8);
		assert_int_equal(frame, RIG_CODE);
	}
}

/* The reserved NOPs do nothing. (F3 BSF, F3 BSR: test_cpu_isa_int.c.) */
static void encodings_of_absent_features(void **state)
{
	struct rig *r = *state;
	rig_code(r, 0xf3, 0x0f, 0x1e, 0xfa, 0x0f, 0x1a, 0x03, 0x0f, 0x1c, 0x03, HLT);
	r->c->r[AX] = 77;
	assert_int_equal(x86_run(r->c), X86_STOP_HLT);
	assert_int_equal(r->c->r[AX], 77);
}

/* mov eax, [r13*... ] by SIB without base under an address-size prefix and REX.B */
static void no_base_with_rex_b(void **state)
{
	struct rig *r = *state;
	rig_code(r, 0x67, 0x41, 0x8b, 0x04, 0x25, 0, 0, 2, 0, HLT); /* mov eax, [0x20000] */
	r->c->r[13] = 0x1000;
	memcpy(r->ram + RIG_DATA, &(uint32_t){0xcafe}, 4);
	assert_int_equal(x86_run(r->c), X86_STOP_HLT);
	assert_int_equal(r->c->r[AX], 0xcafe);
}

static void strings(void **state)
{
	struct rig *r = *state;
	rig_code(r, 0xf3, 0xa4, HLT); /* rep movsb over several pages, then overlapping by one: a fill */
	for (unsigned n = 0; n < 20000; n++)
		r->ram[RIG_DATA + n] = (uint8_t)(n * 7);
	r->c->r[SI] = RIG_DATA;
	r->c->r[DI] = 0x100123;
	r->c->r[CX] = 20000;
	assert_int_equal(x86_run(r->c), X86_STOP_HLT);
	assert_memory_equal(r->ram + RIG_DATA, r->ram + 0x100123, 20000);
	assert_int_equal(r->c->r[DI], 0x100123 + 20000);
	r->c->rip = RIG_CODE;
	r->c->r[SI] = 0x100123;
	r->c->r[DI] = 0x100124;
	r->c->r[CX] = 9000;
	r->ram[0x100123] = 0xee;
	x86_run(r->c);
	for (unsigned n = 0; n <= 9000; n++)
		assert_int_equal(r->ram[0x100123 + n], 0xee);
	r->c->rip = RIG_CODE; /* downwards */
	r->c->eflags |= 0x400;
	r->c->r[SI] = RIG_DATA + 4999;
	r->c->r[DI] = 0x200000 + 4999;
	r->c->r[CX] = 5000;
	x86_run(r->c);
	assert_memory_equal(r->ram + RIG_DATA, r->ram + 0x200000, 5000);
	assert_int_equal(r->c->r[DI], 0x1fffff);
}

/* repne scasb finds; rep stosd with a 32-bit count. */
static void scans_and_fills(void **state)
{
	struct rig *r = *state;
	rig_code(r, 0xf2, 0xae, HLT);
	memset(r->ram + RIG_DATA, 1, 5000);
	r->ram[RIG_DATA + 4500] = 9;
	r->c->r[AX] = 9;
	r->c->r[DI] = RIG_DATA;
	r->c->r[CX] = 5000;
	assert_int_equal(x86_run(r->c), X86_STOP_HLT);
	assert_int_equal(r->c->r[DI], RIG_DATA + 4501);
	assert_int_equal(r->c->r[CX], 499);
	rig_code(r, 0x67, 0xf3, 0xab, HLT);
	r->c->r[DI] = 0xffffffff00000000 | RIG_DATA;
	r->c->r[CX] = 0x1234500000002;
	r->c->r[AX] = 0x01020304;
	r->c->r[CX] = 0x500000003;
	x86_run(r->c);
	assert_int_equal(get32(r, RIG_DATA + 8), 0x01020304);
	assert_int_equal(get32(r, RIG_DATA + 12), 0x01010101);
	assert_int_equal(r->c->r[DI], RIG_DATA + 12);
	assert_int_equal(r->c->r[CX], 0);
}

/* A kick comes while REP is under way: the registers are those of the completed iterations, RIP is still at the
 * instruction. */
static void kicked_inside_rep(void **state)
{
	struct rig *r = *state;
	rig_code(r, 0xf3, 0xaa, HLT);
	r->c->r[DI] = 0x80000;
	r->c->r[CX] = 0x100000;
	r->poll = 0;
	r->c->insn_limit = r->c->insns + 1; /* singly, so that only REP itself can be left */
	assert_int_equal(x86_step(r->c), X86_STOP_BUDGET);
	assert_int_equal(r->c->r[CX], 0xfffff);
	r->c->insn_limit = UINT64_MAX;
	assert_int_equal(x86_run(r->c), X86_STOP_HLT);
	assert_int_equal(r->c->r[DI], 0x180000);
}

/* A fault inside a block: the count and the flags are those before the faulting instruction. */
static void precise_in_a_block(void **state)
{
	struct rig *r = *state;
	rig_code(r, 0x48, 0xff, 0xc0, 0x48, 0x01, 0xc8, 0xf7, 0xf3, 0x48, 0x31, 0xd2,
		 HLT); /* inc rax; add rax, rcx; div ebx; xor rdx, rdx */
	r->c->r[AX] = UINT64_MAX - 1;
	r->c->r[CX] = 1;
	r->c->r[BX] = 0;
	assert_int_equal(x86_run(r->c), X86_STOP_TRIPLE);
	assert_int_equal(r->c->insns, 3);
	assert_int_equal(r->c->rip, RIG_CODE + 6);
	assert_int_equal(x86_get_rflags(r->c) & 0x8d5, 0x55); /* ZF, PF, CF, AF of the ADD */
}

static void flags_and_popf(void **state)
{
	struct rig *r = *state;
	rig_code(r, 0x9c, 0x58, 0x0d, 0xd5, 0x08, 0, 0, 0x50, 0x9d, 0x9f,
		 HLT); /* pushf; pop rax; or eax, 0x8d5; push rax; popf; lahf */
	assert_int_equal(x86_run(r->c), X86_STOP_HLT);
	assert_int_equal(r->c->r[AX] >> 8 & 0xff, 0xd7);
	assert_int_equal(x86_get_rflags(r->c) & 0x8d5, 0x8d5);
}

static void bound_and_exchange(void **state)
{
	struct rig *r = *state;
	rig_code(r, 0x62, 0x03, 0x0f, 0xc7, 0x0e, HLT); /* bound eax, [ebx]; cmpxchg8b [esi] */
	static const int32_t limits[2] = {-5, 5};
	memcpy(r->ram + RIG_DATA, limits, 8);
	r->c->r[AX] = (uint32_t)-5;
	r->c->r[BX] = RIG_DATA;
	r->c->r[SI] = RIG_DATA + 16;
	assert_int_equal(x86_run(r->c), X86_STOP_HLT);
	assert_int_equal(r->c->r[AX], 0); /* what was there: not equal */
	r->c->rip = RIG_CODE;
	r->c->r[AX] = 6;
	assert_int_equal(x86_run(r->c), X86_STOP_TRIPLE);
}

int main(void)
{
#define L(f) cmocka_unit_test_setup_teardown(f, setup_long, teardown)
#define P32(f) cmocka_unit_test_setup_teardown(f, setup_32, teardown)
#define R16(f) cmocka_unit_test_setup_teardown(f, setup_16, teardown)
	const struct CMUnitTest tests[] = {P32(pusha_popa),
					   P32(decimal),
					   P32(frames),
					   R16(addresses_of_16_bits),
					   R16(stack_of_16_bits),
					   L(branches),
					   L(undefined_opcodes),
					   L(encodings_of_absent_features),
					   L(no_base_with_rex_b),
					   L(strings),
					   L(scans_and_fills),
					   L(kicked_inside_rep),
					   L(precise_in_a_block),
					   L(flags_and_popf),
					   P32(bound_and_exchange)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
