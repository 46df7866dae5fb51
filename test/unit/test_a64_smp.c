/* The software arm64 CPU: several of them on one memory, each in its thread: exclusives, LSE atomics, a lock with
 * acquire and release, and TLBI, IC and DSB that reach the others while they run. test-labels: threads */
#include <pthread.h>
#include "test_a64_mmu.h"

enum { CPUS = 4, ROUNDS = 20000, FLUSHES = 200, COUNTERS = DATA, LOCK = DATA + 0x100, LOCKED = DATA + 0x140 };

struct smp {
	struct rig *rigs[CPUS];
	struct a64_share *share;
};

/* The others' CPUs in the first one's memory */
static int setup(void **state)
{
	struct smp *s = calloc(1, sizeof *s);
	s->share = a64_share_new();
	for (unsigned i = 0; i < CPUS; i++) {
		if (rig_setup((void **)&s->rigs[i]))
			return 1;
		if (i) {
			os_free(s->rigs[i]->ram);
			s->rigs[i]->ram = s->rigs[0]->ram;
			a64_flush_all(s->rigs[i]->c);
		}
	}
	for (unsigned i = 0; i < CPUS; i++) {
		if (i == 0)
			mmu_on(s->rigs[0]);
		s->rigs[i]->c->ttbr0 = s->rigs[0]->c->ttbr0;
		s->rigs[i]->c->tcr = s->rigs[0]->c->tcr;
		s->rigs[i]->c->mair = s->rigs[0]->c->mair;
		s->rigs[i]->c->sctlr = s->rigs[0]->c->sctlr;
		a64_state_changed(s->rigs[i]->c, true);
		a64_share_join(s->rigs[i]->c, s->share, i);
	}
	*state = s;
	return 0;
}
static int teardown(void **state)
{
	struct smp *s = *state;
	for (unsigned i = 0; i < CPUS; i++) {
		a64_share_leave(s->rigs[i]->c);
		a64_free(s->rigs[i]->c);
	}
	os_free(s->rigs[0]->ram);
	for (unsigned i = 0; i < CPUS; i++)
		free(s->rigs[i]);
	a64_share_free(s->share);
	free(s);
	return 0;
}

static void *run(void *o)
{
	struct rig *r = o;
	r->c->insn_limit = UINT64_MAX;
	return (void *)(uintptr_t)(a64_run(r->c) == A64_STOP_HVC ? r->c->stop.imm : STOPPED + r->c->stop.kind);
}
/* Each CPU from its own start; how each ended is `want`. */
static void run_all(struct smp *s, const uint64_t *pc, unsigned want)
{
	pthread_t threads[CPUS];
	for (unsigned i = 0; i < CPUS; i++) {
		rig_at(s->rigs[i], 1, pc[i]);
		assert_int_equal(pthread_create(&threads[i], NULL, run, s->rigs[i]), 0);
	}
	for (unsigned i = 0; i < CPUS; i++) {
		void *how;
		pthread_join(threads[i], &how);
		assert_int_equal((uintptr_t)how, want);
	}
}
static void everywhere(struct smp *s, const uint32_t *code, size_t n)
{
	static const uint64_t pc[CPUS] = {CODE, CODE, CODE, CODE};
	memcpy(s->rigs[0]->ram + CODE, code, n * 4);
	for (unsigned i = 0; i < CPUS; i++) {
		a64_code_changed(s->rigs[i]->c);
		s->rigs[i]->c->x[0] = ROUNDS;
		s->rigs[i]->c->x[1] = COUNTERS;
		s->rigs[i]->c->x[2] = 1;
		s->rigs[i]->c->x[6] = LOCK;
		s->rigs[i]->c->x[7] = LOCKED;
	}
	run_all(s, pc, ENDED);
}
#define EVERYWHERE(s, ...) everywhere(s, (const uint32_t[]){__VA_ARGS__}, sizeof(uint32_t[]){__VA_ARGS__} / 4)
#define SUBS_ROUND 0xf1000400 /* subs x0, x0, 1 */
#define B_NE(n) (0x54000001 | ((uint32_t)(n)&0x7ffff) << 5)
#define CBNZ_W(r, n) (0x35000000 | ((uint32_t)(n)&0x7ffff) << 5 | (r))

static void exclusives_lose_nothing(void **state)
{
	struct smp *s = *state;
	EVERYWHERE(s, LDXR(3, 1), ADD_IMM(3, 3, 1), STXR(4, 3, 1), CBNZ_W(4, -3), SUBS_ROUND, B_NE(-5), HVC(ENDED));
	assert_int_equal(get64(s->rigs[0], COUNTERS), CPUS * ROUNDS);
}

static void atomics_lose_nothing(void **state)
{
	struct smp *s = *state;
	EVERYWHERE(s, LDADD(2, 3, 1), SUBS_ROUND, B_NE(-2), HVC(ENDED));
	assert_int_equal(get64(s->rigs[0], COUNTERS), CPUS * ROUNDS);
}

/* A lock by LDAXR and STXR, given back by STLR; inside two words that always agree, counted without atomics. */
static void a_lock_keeps_others_out(void **state)
{
	struct smp *s = *state;
	EVERYWHERE(s, 0x885ffcc3 /* ldaxr w3, [x6] */, CBNZ_W(3, -1), 0x88047cc2 /* stxr w4, w2, [x6] */, CBNZ_W(4, -3),
		   LDR(8, 7), 0xf94004e9 /* ldr x9, [x7, 8] */, 0xeb09011f /* cmp x8, x9 */, 0x54000101 /* b.ne +32 */,
		   ADD_IMM(8, 8, 1), STR(8, 7), 0xf90004e8 /* str x8, [x7, 8] */, 0x889ffcdf /* stlr wzr, [x6] */,
		   SUBS_ROUND, B_NE(-13), HVC(ENDED), HVC(9));
	assert_int_equal(get64(s->rigs[0], LOCKED), CPUS * ROUNDS);
}

/* One maps a page to and fro and tells the others by TLBI and DSB; what they load from it is one of both, and once all
 * is said the last one. */
static void tlbi_while_others_run(void **state)
{
	struct smp *s = *state;
	uint64_t pc[CPUS] = {CODE, 0x2000, 0x2000, 0x2000};
	struct rig *r = s->rigs[0];
	mmu_page(r, 0, DATA | P_PAGE);
	put64(r, DATA, 1);
	put64(r, DATA + 0x1000, 2);
	/* x1 entry, x2 x3 its two values, x4 what TLBI takes, x5 flag of the end */
	const uint32_t flusher[] = {STR(2, 1),          DSB, SYS(0, 8, 3, 1, 4), DSB,      STR(3, 1),   DSB,
				    SYS(0, 8, 3, 1, 4), DSB, SUBS_ROUND,         B_NE(-9), STR(0xa, 5), HVC(ENDED)};
	/* until x5 is not 0: x9 is 1 or 2; behind it, it is 2 */
	const uint32_t reader[] = {LDR(9, 1),
				   0xd1000529 /* sub x9, x9, 1 */,
				   0xf100053f /* cmp x9, 1 */,
				   0x540000e8 /* b.hi +28 */,
				   LDR(8, 5),
				   0xd503203f /* yield */,
				   0xb4ffff48 /* cbz x8, -24 */,
				   0xd50339bf /* dmb ishld */,
				   LDR(9, 1),
				   HVC(ENDED),
				   HVC(9)};
	memcpy(r->ram + CODE, flusher, sizeof flusher);
	memcpy(r->ram + 0x2000, reader, sizeof reader);
	for (unsigned i = 0; i < CPUS; i++) {
		struct a64_cpu *c = s->rigs[i]->c;
		a64_flush_all(c);
		c->x[0] = FLUSHES;
		c->x[1] = i ? (uint64_t)TEST : (uint64_t)L3_TEST;
		c->x[2] = DATA | P_PAGE;
		c->x[3] = (DATA + 0x1000) | P_PAGE;
		c->x[4] = TEST >> 12;
		c->x[5] = LOCK;
		c->x[10] = 1;
	}
	run_all(s, pc, ENDED);
	for (unsigned i = 1; i < CPUS; i++)
		assert_int_equal(s->rigs[i]->c->x[9], 2);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(exclusives_lose_nothing),
		T(atomics_lose_nothing),
		T(a_lock_keeps_others_out),
		T(tlbi_while_others_run),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
