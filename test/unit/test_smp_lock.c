/* test_smp_lock.c - locked operations of several vCPUs on the same memory: aligned ones by the host's atomics; split,
 * unaligned, page-crossing and overlapping ones, and those beside code, while the others stand still.
 * test-labels: threads
 * test-timeout: 300 */
#include "test_smp.h"

enum { CELL = 0x20100, SPLIT = 0x2013c, CROSS = 0x20ffc, SUM = 0x21200, GUARDED = 0x21240, SLOTS = 0x30000 };

/* So many times what comes in between; ESI counts down. */
static uint32_t begin_loop(struct code *c, uint32_t times)
{
	mov_imm(c, SI, times);
	return c->at;
}
static void end_loop(struct code *c, uint32_t again)
{
	EMIT(c, 0xff, 0xce); /* dec esi */
	jcc(c, JNE, again);
	hlt(c);
}

static uint64_t quad(const struct smp *s, uint32_t at)
{
	uint64_t v;
	memcpy(&v, s->g.ram + at, 8);
	return v;
}

enum how { INC_D, INC_Q, ADD_IMM, SUB_NEG, XADD_Q, CMPXCHG_Q, ADC_Q };

/* One locked addition of 1 to the 8 bytes (the 4 of INC_D) at `at`. */
static void add_one(struct code *c, enum how how, uint32_t at)
{
	switch (how) {
	case INC_D:
		EMIT(c, 0xf0), mem_op(c, 0xff, 0, at, false);
		break;
	case INC_Q:
		EMIT(c, 0xf0, 0x48), mem_op(c, 0xff, 0, at, false);
		break;
	case ADD_IMM:
		EMIT(c, 0xf0, 0x48), mem_op(c, 0x83, 0, at, false), EMIT(c, 1);
		break;
	case SUB_NEG:
		EMIT(c, 0xf0, 0x48), mem_op(c, 0x83, 5, at, false), EMIT(c, 0xff);
		break;
	case XADD_Q:
		mov_imm(c, AX, 1);
		EMIT(c, 0xf0, 0x48, 0x0f), mem_op(c, 0xc1, AX, at, false);
		break;
	case ADC_Q: /* stc; lock adc qword [at], 0 */
		EMIT(c, 0xf9, 0xf0, 0x48), mem_op(c, 0x83, 2, at, false), EMIT(c, 0);
		break;
	case CMPXCHG_Q: { /* mov rax, [at]; again: lea rcx, [rax + 1]; lock cmpxchg [at], rcx; jne again */
		EMIT(c, 0x48), load(c, AX, at);
		uint32_t again = c->at;
		EMIT(c, 0x48, 0x8d, 0x48, 0x01, 0xf0, 0x48, 0x0f), mem_op(c, 0xb1, CX, at, false);
		jcc(c, JNE, again);
		break;
	}
	}
}

static void count_at(unsigned cpus, enum how how, uint32_t at, uint32_t times)
{
	struct smp s;
	smp_open(&s, cpus);
	for (unsigned i = 0; i < cpus; i++) {
		struct code c = smp_code(&s, i);
		uint32_t again = begin_loop(&c, times);
		add_one(&c, how, at);
		end_loop(&c, again);
	}
	smp_run(&s);
	assert_int_equal(quad(&s, at), (uint64_t)cpus * times);
	smp_close(&s);
}

static void aligned(void **state)
{
	(void)state;
	for (enum how how = INC_D; how <= ADC_Q; how++)
		count_at(4, how, CELL, 5000);
}

static void inside_a_line(void **state)
{
	(void)state;
	for (enum how how = INC_D; how <= ADC_Q; how++)
		count_at(2, how, CELL + 3, 200);
}
static void across_lines(void **state)
{
	(void)state;
	for (enum how how = INC_Q; how <= ADC_Q; how++)
		count_at(2, how, SPLIT, 200);
	count_at(4, INC_Q, SPLIT, 50);
}
static void across_pages(void **state)
{
	(void)state;
	for (enum how how = INC_Q; how <= ADC_Q; how++)
		count_at(2, how, CROSS, 200);
	count_at(4, XADD_Q, CROSS, 50);
}

/* The counter lies behind the code of the first vCPU, in its page. */
static void beside_code(void **state)
{
	(void)state;
	for (enum how how = INC_D; how <= ADC_Q; how++)
		count_at(2, how, SMP_CODE + 0xf00, 200);
	count_at(2, INC_Q, SMP_CODE + 0xffc, 100); /* and from there into the next page */
}

/* Bits of one's own, flipped an even number of times: a lost one shows. */
static void toggles(void **state)
{
	struct smp s;
	(void)state;
	for (unsigned kind = 0; kind < 2; kind++) {
		uint32_t at = kind ? SPLIT : CELL;
		smp_open(&s, 2);
		for (unsigned i = 0; i < 2; i++) {
			struct code c = smp_code(&s, i);
			uint32_t again = begin_loop(&c, 200);
			for (unsigned twice = 0; twice < 2; twice++) /* lock btc qword [at], 7 + i: bits of one's own */
				EMIT(&c, 0xf0, 0x48, 0x0f), mem_op(&c, 0xba, 7, at, false), EMIT(&c, (uint8_t)(7 + i));
			EMIT(&c, 0xf0, 0x48), mem_op(&c, 0x83, 6, at, false),
				EMIT(&c, (uint8_t)(1 << i)); /* lock xor */
			end_loop(&c, again);
		}
		smp_run(&s);
		assert_int_equal(quad(&s, at), 0);
		smp_close(&s);
	}
}

/* Aligned operations of one and unaligned ones of the other on the same bytes: 4 + 8 bytes, the carry between them. */
static void overlapping(void **state)
{
	struct smp s;
	(void)state;
	smp_open(&s, 2);
	for (unsigned i = 0; i < 2; i++) {
		struct code c = smp_code(&s, i);
		uint32_t again = begin_loop(&c, i ? 200 : 20000);
		add_one(&c, INC_Q, i ? SPLIT + 4 - 1 : SPLIT - 4);
		end_loop(&c, again);
	}
	/* the first counts at 0x..38 (aligned), the second three bytes below the middle: in units of 2^56 of the first
	 */
	smp_run(&s);
	unsigned __int128 sum = 0, want = ((unsigned __int128)200 << 56) + 20000;
	memcpy(&sum, s.g.ram + SPLIT - 4, 16);
	assert_true(sum == want);
	smp_close(&s);
}

/* XCHG takes and gives a lock, plain instructions count under it; XCHG of an unaligned lock, too. */
static void spinlock_at(uint32_t lock, uint32_t times)
{
	struct smp s;
	smp_open(&s, 4);
	for (unsigned i = 0; i < 4; i++) {
		struct code c = smp_code(&s, i);
		uint32_t again = begin_loop(&c, times), spin = c.at;
		mov_imm(&c, AX, 1);
		mem_op(&c, 0x87, AX, lock, false);
		EMIT(&c, 0x85, 0xc0); /* test eax, eax */
		uint32_t got = jcc(&c, JE, 0);
		pause(&c);
		jump(&c, spin);
		here(&c, got);
		mem_op(&c, 0xff, 0, GUARDED, false); /* inc dword, not locked */
		mov_imm(&c, AX, 0);
		store(&c, lock, AX);
		end_loop(&c, again);
	}
	smp_run(&s);
	assert_int_equal(smp_get(&s, GUARDED), 4 * times);
	smp_close(&s);
}
static void spinlock(void **state)
{
	(void)state;
	spinlock_at(CELL, 1000);
}
static void unaligned_spinlock(void **state)
{
	(void)state;
	spinlock_at(CELL + 0x3e, 10);
}

/* Each ticket of XADD is given once. */
static void tickets(void **state)
{
	enum { TIMES = 1000 };
	struct smp s;
	(void)state;
	smp_open(&s, 4);
	for (unsigned i = 0; i < 4; i++) {
		struct code c = smp_code(&s, i);
		uint32_t again = begin_loop(&c, TIMES);
		mov_imm(&c, AX, 1);
		EMIT(&c, 0xf0, 0x0f), mem_op(&c, 0xc1, AX, CELL, false);
		EMIT(&c, 0x40, 0xfe, 0x80), imm32(&c, SLOTS); /* inc byte [rax + SLOTS] */
		end_loop(&c, again);
	}
	smp_run(&s);
	for (unsigned i = 0; i < 4 * TIMES; i++)
		assert_int_equal(s.g.ram[SLOTS + i], 1);
	smp_close(&s);
}

/* CMPXCHG16B and CMPXCHG8B keep the two halves of a pair equal. */
static void pairs(void **state)
{
	struct smp s;
	(void)state;
	for (unsigned wide = 0; wide < 2; wide++) {
		smp_open(&s, 4);
		for (unsigned i = 0; i < 4; i++) {
			struct code c = smp_code(&s, i);
			uint32_t again = begin_loop(&c, 1000);
			uint8_t w = wide ? 0x48 : 0x40; /* REX.W or nothing */
			EMIT(&c, w), load(&c, AX, CELL);
			EMIT(&c, w), load(&c, DX, CELL + (wide ? 8 : 4));
			uint32_t retry = c.at;
			EMIT(&c, w, 0x8d, 0x58, 0x01, w, 0x8d, 0x4a, 0x01); /* lea rbx, [rax+1]; lea rcx, [rdx+1] */
			EMIT(&c, 0xf0, w, 0x0f), mem_op(&c, 0xc7, 1, CELL, false);
			jcc(&c, JNE, retry);
			end_loop(&c, again);
		}
		smp_run(&s);
		assert_int_equal(wide ? quad(&s, CELL) : smp_get(&s, CELL), 4000);
		assert_int_equal(wide ? quad(&s, CELL + 8) : smp_get(&s, CELL + 4), 4000);
		smp_close(&s);
	}
}

/* A page that becomes decoded code while others count in it: their operations move from one way to the other. */
static void code_comes_and_goes(void **state)
{
	enum { PAGE = 0x50000, TIMES = 300 };
	struct smp s;
	(void)state;
	smp_open(&s, 3);
	for (unsigned i = 0; i < 3; i++) {
		struct code c = smp_code(&s, i);
		uint32_t again = begin_loop(&c, TIMES);
		if (i == 2)
			call(&c, PAGE); /* counts in the same page, by itself; its code is then written */
		else
			add_one(&c, INC_Q, PAGE + 0x100);
		if (i == 2) {
			mov_imm(&c, AX, 0x90909090);
			store(&c, PAGE + 0x40, AX);
		}
		end_loop(&c, again);
	}
	struct code f = {s.g.ram, PAGE};
	EMIT(&f, 0xf0), mem_op(&f, 0xff, 0, PAGE + 0x200, false); /* lock inc dword */
	jump(&f, PAGE + 0x40);
	f.at = PAGE + 0x40;
	EMIT(&f, 0x90, 0x90, 0x90, 0x90, 0xc3);
	smp_run(&s);
	assert_int_equal(quad(&s, PAGE + 0x100), 2 * TIMES);
	assert_int_equal(smp_get(&s, PAGE + 0x200), TIMES);
	smp_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(aligned),      cmocka_unit_test(inside_a_line), cmocka_unit_test(across_lines),
		cmocka_unit_test(across_pages), cmocka_unit_test(beside_code),   cmocka_unit_test(toggles),
		cmocka_unit_test(overlapping),  cmocka_unit_test(spinlock),      cmocka_unit_test(unaligned_spinlock),
		cmocka_unit_test(tickets),      cmocka_unit_test(pairs),         cmocka_unit_test(code_comes_and_goes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
