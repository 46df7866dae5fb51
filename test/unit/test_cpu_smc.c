/* test_cpu_smc.c - code that changes under the decoded blocks: by itself, by the host, through another mapping, across
 * pages. Where each placement is tested (c: test_smp_code.c, f: test_soft_code.c, the rest here):
 *
 *   what is written       by the same CPU                by another CPU             by the host
 *   the same instruction  own_instruction                c: without_serialization   f: between_runs
 *   the next instruction  next_instruction               -                          -
 *   the same block        every_distance                 c: without_serialization   f: between_runs
 *   the same page         other_block_of_the_page        c: every_way_of_writing    c: by_a_device, by_a_ring
 *   another alias         through_another_mapping,       c: through_a_second_gpa,   c: by_a_ring: each such write
 *                         through_several_mappings          run_at_a_second_gpa
 *   across two pages      across_pages, next_..          c: across_pages            f: other_page */
#include "test_cpu_rig.h"

static int setup(void **state)
{
	struct rig *r = rig_new();
	rig_long(r);
	*state = r;
	return 0;
}
static int teardown(void **state)
{
	rig_free(*state);
	return 0;
}

/* mov byte [rip+1], 7 changes the immediate of the very next instruction, mov al, 1. */
static void next_instruction(void **state)
{
	struct rig *r = *state;
	for (int n = 0; n < 3; n++) {
		rig_code(r, 0xc6, 0x05, 0x01, 0, 0, 0, 0x07, 0xb0, 0x01, HLT);
		assert_int_equal(x86_run(r->c), X86_STOP_HLT);
		assert_int_equal(r->c->r[0] & 0xff, 7);
	}
	assert_int_equal(r->c->insns, 9);
}

/* add byte [rip-1], 5 adds its immediate to its immediate: it is executed as it was when it began. */
static void own_instruction(void **state)
{
	struct rig *r = *state;
	rig_code(r, 0x80, 0x05, 0xff, 0xff, 0xff, 0xff, 0x05, HLT);
	for (unsigned want = 10; want <= 160; want *= 2) {
		r->c->rip = RIG_CODE;
		assert_int_equal(x86_run(r->c), X86_STOP_HLT);
		assert_int_equal(r->ram[RIG_CODE + 6], want);
	}
}

/* mov [rdi], cl; jmp; ..; mov al, imm: the immediate at every distance, in the same block and behind a jump in the same
 * page, the next one and one far away. */
static void every_distance(void **state)
{
	static const struct {
		uint32_t nops, to; /* to 0: no jump, else where the MOV is */
	} rows[] = {{0, 0},   {1, 0},    {2, 0},     {7, 0},     {20, 0},    {30, 0},     {31, 0},     {40, 0},
		    {100, 0}, {0, 0x40}, {0, 0x800}, {3, 0xffd}, {3, 0xffe}, {0, 0x1000}, {5, 0x1800}, {0, 0x20000}};
	struct rig *r = *state;
	for (unsigned k = 0; k < sizeof rows / sizeof *rows; k++) {
		uint8_t code[256] = {0x88, 0x0f}; /* mov [rdi], cl */
		unsigned n = 2 + rows[k].nops;
		memset(code + 2, 0x90, rows[k].nops);
		uint64_t at = RIG_CODE + (rows[k].to ? rows[k].to : n);
		if (rows[k].to) {
			int32_t far = (int32_t)(rows[k].to - (n + 5));
			code[n] = 0xe9;
			memcpy(code + n + 1, &far, 4);
			n += 5;
		}
		rig_code_at(r, RIG_CODE, code, n);
		rig_code_at(r, at, (const uint8_t[]){0xb0, 0, HLT}, 3);
		for (unsigned turn = 1; turn <= 4; turn++) {
			r->c->r[1] = turn * 3;
			r->c->r[7] = at + 1;
			r->c->rip = RIG_CODE;
			assert_int_equal(x86_run(r->c), X86_STOP_HLT);
			assert_int_equal(r->c->r[0] & 0xff, turn * 3);
		}
	}
}

/* A loop whose body is rewritten on each turn: mov [code+imm], cl; mov al, imm; add edx, eax; dec ecx; jnz. */
static void rewritten_in_a_loop(void **state)
{
	struct rig *r = *state;
	rig_code(r, 0x88, 0x0d, 0x01, 0, 0, 0, 0xb0, 0x00, 0x01, 0xc2, 0xff, 0xc9, 0x75, 0xf2, HLT);
	r->c->r[1] = 100;
	r->c->r[2] = 0;
	assert_int_equal(x86_run(r->c), X86_STOP_HLT);
	assert_int_equal(r->c->r[2], 5050);
}

/* Stores beside the code in its page do not disturb it, and are made. */
static void data_beside_code(void **state)
{
	struct rig *r = *state;
	rig_code(r, 0x89, 0x0d, 0xfa, 0x01, 0, 0, 0xff, 0xc9, 0x75, 0xf6, HLT); /* mov [rip+0x1fa], ecx; dec ecx; jnz */
	r->c->r[1] = 1000;
	assert_int_equal(x86_run(r->c), X86_STOP_HLT);
	assert_int_equal(r->ram[RIG_CODE + 0x200], 1);
	assert_int_equal(r->c->insns, 3001);
}

static void host_writes(void **state)
{
	struct rig *r = *state;
	rig_code(r, 0xb0, 0x01, HLT);
	x86_run(r->c);
	r->ram[RIG_CODE + 1] = 2;
	x86_code_written(r->c, RIG_CODE + 1, 1);
	r->c->rip = RIG_CODE;
	x86_run(r->c);
	assert_int_equal(r->c->r[0], 2);
	r->ram[RIG_CODE + 1] = 3;
	x86_memory_changed(r->c);
	r->c->rip = RIG_CODE;
	x86_run(r->c);
	assert_int_equal(r->c->r[0], 3);
}

/* mov eax, imm32 across a page end; its last byte, in the second page, changes. */
static void across_pages(void **state)
{
	struct rig *r = *state;
	uint64_t at = RIG_CODE + 0xffd;
	static const uint8_t code[] = {0xb8, 0x11, 0x22, 0x33, 0x44, 0xc6, 0x07, 0x55, HLT}; /* mov byte [rdi], 0x55 */
	rig_code_at(r, at, code, sizeof code);
	r->c->r[7] = at + 4;
	r->c->rip = at;
	assert_int_equal(x86_run(r->c), X86_STOP_HLT);
	assert_int_equal(r->c->r[0], 0x44332211);
	r->c->rip = at;
	assert_int_equal(x86_run(r->c), X86_STOP_HLT);
	assert_int_equal(r->c->r[0], 0x55332211);
}

/* A function in the page, called by a linked branch: mov [rdi], cl; call f; add edx, eax; dec ecx; jnz. f: mov al, 0 */
static void other_block_of_the_page(void **state)
{
	struct rig *r = *state;
	rig_code_at(r, RIG_CODE + 0x100, (uint8_t[]){0xb0, 0x00, 0xc3}, 3);
	rig_code(r, 0x88, 0x0f, 0xe8, 0xf9, 0, 0, 0, 0x01, 0xc2, 0xff, 0xc9, 0x75, 0xf3, HLT);
	r->c->r[0] = r->c->r[2] = 0;
	r->c->r[1] = 100;
	r->c->r[4] = 0x7000;
	r->c->r[7] = RIG_CODE + 0x101;
	assert_int_equal(x86_run(r->c), X86_STOP_HLT);
	assert_int_equal(r->c->r[2], 5050);
}

/* mov [rdi], cl; mov eax, imm32 across a page end, whose byte in the first or in the second page was just written. */
static void next_across_pages(void **state)
{
	struct rig *r = *state;
	uint64_t at = RIG_CODE + 0xffb;
	static const uint8_t code[] = {0x88, 0x0f, 0xb8, 0x11, 0x11, 0x11, 0x11, HLT};
	for (unsigned turn = 0; turn < 8; turn++) {
		unsigned n = turn & 3;
		rig_code_at(r, at, code, sizeof code);
		r->c->r[1] = 0x22 + turn;
		r->c->r[7] = at + 3 + n;
		r->c->rip = at;
		assert_int_equal(x86_run(r->c), X86_STOP_HLT);
		assert_int_equal(r->c->r[0], (0x11111111 & ~(0xffu << 8 * n)) | (0x22 + turn) << 8 * n);
	}
}

/* The same physical page under another address: written there, executed here. */
static void through_another_mapping(void **state)
{
	struct rig *r = *state;
	uint64_t *t = (uint64_t *)(void *)(r->ram + RIG_TABLES);
	t[1024 + 16] = 0x87; /* 32 MiB: the first 2 MiB again */
	x86_state_changed(r->c, true);
	rig_code(r, 0xc6, 0x07, 0x09, 0xb0, 0x01, HLT); /* mov byte [rdi], 9; mov al, 1 */
	r->c->r[7] = (32u << 20) + RIG_CODE + 4;
	x86_run(r->c);
	assert_int_equal(r->c->r[0], 9);
}

/* Code written through three mappings of its page in every order, of which two share a place in the TLB, and run in
 * between: however a page's writers are remembered, no store is missed. */
static void through_several_mappings(void **state)
{
	enum { TABLE = 0x8000, TARGET = 0x40000, MIB = 1 << 20 };
	static const uint32_t at[3] = {34 * MIB + TARGET, 36 * MIB + TARGET, 38 * MIB + TARGET};
	struct rig *r = *state;
	uint64_t *t = (uint64_t *)(void *)(r->ram + RIG_TABLES), seed = 1;
	for (unsigned n = 0; n < 512; n++)
		((uint64_t *)(void *)(r->ram + TABLE))[n] = n << 12 | 7;
	t[1024 + 17] = t[1024 + 18] = t[1024 + 19] = TABLE | 7;
	x86_state_changed(r->c, true);
	rig_code(r, 0x89, 0x0f, HLT);                                  /* mov [rdi], ecx */
	rig_code_at(r, TARGET, (uint8_t[]){0xb8, 0, 0, 0, 0, HLT}, 6); /* mov eax, imm32 */
	for (uint32_t turn = 1; turn < 3000; turn++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		r->c->r[1] = turn;
		r->c->r[7] = at[(seed >> 33) % 3] + 1;
		r->c->rip = RIG_CODE;
		assert_int_equal(x86_run(r->c), X86_STOP_HLT);
		if (seed >> 40 & 1)
			continue;
		r->c->rip = TARGET;
		assert_int_equal(x86_run(r->c), X86_STOP_HLT);
		assert_int_equal(r->c->r[0], turn);
	}
}

/* rep stosb over the code that runs it. */
static void string_over_code(void **state)
{
	struct rig *r = *state;
	rig_code(r, 0xf3, 0xaa, 0x0f, 0x0b, 0x0f, 0x0b, HLT); /* rep stosb; ud2; ud2 */
	r->c->r[0] = 0x90;
	r->c->r[1] = 4;
	r->c->r[7] = RIG_CODE + 2;
	assert_int_equal(x86_run(r->c), X86_STOP_HLT);
}

/* More code than the arena holds: it is flushed, and everything still runs. */
static void arena_overflow(void **state)
{
	struct rig *r = *state;
	uint32_t n = 3u << 20, at = 0x80000;
	memset(r->ram + at, 0x90, n);
	for (uint32_t i = 0; i + 2 < n; i += 16)
		memcpy(r->ram + at + i, (uint8_t[]){0xff, 0xc0, 0xeb, 0x0c}, 4); /* inc eax; jmp to the next */
	r->ram[at + n - 1] = HLT;
	memcpy(r->ram + at + n - 16, (uint8_t[]){0xff, 0xc0, HLT}, 3);
	x86_code_written(r->c, at, n);
	for (int turn = 1; turn <= 2; turn++) {
		r->c->rip = at;
		assert_int_equal(x86_run(r->c), X86_STOP_HLT);
		assert_int_equal(r->c->r[0], turn * (n / 16));
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {T(own_instruction),     T(next_instruction),        T(every_distance),
					   T(rewritten_in_a_loop), T(data_beside_code),        T(host_writes),
					   T(across_pages),        T(through_another_mapping), T(string_over_code),
					   T(arena_overflow),      T(through_several_mappings),
					   T(other_block_of_the_page), T(next_across_pages)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
