/* test_cpu_fp_state.c - what surrounds the computing: FXSAVE and XSAVE images, environments in 16 and 32 bits, MXCSR,
 * and the faults before vector and x87 instructions. */
#include "test_cpu_fp_rig.h"

#define CODE(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

/* From the start state with RSI at the data; the vector or -1. */
static int run(struct rig *r, const uint8_t *code, size_t n)
{
	r->cpu->r[6] = RIG_DATA;
	rig_code(r, code, (unsigned)n);
	return rig_step(r);
}
static uint64_t data64(struct rig *r, unsigned at)
{
	uint64_t v;
	memcpy(&v, r->mem + RIG_DATA + at, 8);
	return v;
}
static uint32_t data32(struct rig *r, unsigned at)
{
	return (uint32_t)data64(r, at);
}
static uint16_t data16(struct rig *r, unsigned at)
{
	return (uint16_t)data64(r, at);
}

/* Something recognisable everywhere. */
static void fill(struct x86_cpu *c)
{
	for (unsigned i = 0; i < 16; i++)
		c->v[i] = (union x86_vec){.q = {UINT64_C(0x1111111111111111) * i, ~(uint64_t)i, 100 + i, 200 + i}};
	for (unsigned i = 0; i < 8; i++)
		c->st[i] = (struct x86_f80){0x8000000000000000 + i, (uint16_t)(0x3fff + i)};
	c->fcw = 0x27f;
	c->fsw = 3 << 11 | 0x4100;
	c->ftag = 0x5a;
	c->fop = 0x123;
	c->fip = 0x0000334455667788;
	c->fdp = 0xffff887755443322;
	c->mxcsr = 0x7f81;
}
static bool same_fpu(const struct x86_cpu *a, const struct x86_cpu *b, bool avx)
{
	for (unsigned i = 0; i < 16; i++)
		if (memcmp(&a->v[i], &b->v[i], avx ? 32 : 16))
			return false;
	for (unsigned i = 0; i < 8; i++)
		if (a->st[i].sig != b->st[i].sig || a->st[i].se != b->st[i].se)
			return false;
	return a->fcw == b->fcw && a->fsw == b->fsw && a->ftag == b->ftag && a->fop == b->fop && a->fip == b->fip &&
	       a->fdp == b->fdp && a->mxcsr == b->mxcsr;
}

static void test_fxsave64(void **state)
{
	struct rig *r = rig_new();
	static struct x86_cpu before;
	(void)state;
	fill(r->cpu);
	before = *r->cpu;
	memset(r->mem + RIG_DATA, 0xcc, 1024);
	assert_int_equal(run(r, CODE(0x48, 0x0f, 0xae, 0x06)), -1);
	assert_int_equal(data16(r, 0), 0x27f);
	assert_int_equal(data16(r, 4), 0x5a); /* abridged, by physical register */
	assert_int_equal(data64(r, 8), 0x0000334455667788);
	assert_int_equal(data32(r, 24), 0x7f81);
	assert_int_equal(data32(r, 28), 0xffff);
	assert_int_equal(data64(r, 32), 0x8000000000000003); /* ST(0) is R3 */
	assert_int_equal(data64(r, 160 + 15 * 16 + 8), ~(uint64_t)15);
	assert_int_equal(data64(r, 464), 0xcccccccccccccccc);
	for (unsigned i = 0; i < 16; i++)
		memset(&r->cpu->v[i], 0, 16);
	x87_init(r->cpu);
	r->cpu->mxcsr = 0x1f80;
	assert_int_equal(run(r, CODE(0x48, 0x0f, 0xae, 0x0e)), -1);
	assert_true(same_fpu(r->cpu, &before, true));
	rig_free(r);
}

static void test_fx_faults(void **state)
{
	struct rig *r = rig_new();
	(void)state;
	r->cpu->r[6] = RIG_DATA;
	assert_int_equal(run(r, CODE(0x0f, 0xae, 0x46, 0x08)), X86_GP_FAULT); /* fxsave [rsi + 8] */
	rig_start(r);
	memset(r->mem + RIG_DATA, 0, 512);
	r->mem[RIG_DATA + 26] = 1; /* MXCSR bit 16 */
	assert_int_equal(run(r, CODE(0x0f, 0xae, 0x0e)), X86_GP_FAULT);
	rig_start(r);
	r->cpu->cr0 |= X86_CR0_TS;
	assert_int_equal(run(r, CODE(0x0f, 0xae, 0x06)), X86_NM);
	rig_free(r);
}

static void test_xsave(void **state)
{
	struct rig *r = rig_new();
	static struct x86_cpu before;
	(void)state;
	fill(r->cpu);
	before = *r->cpu;
	memset(r->mem + RIG_DATA, 0, 1024);
	r->mem[RIG_DATA + 512] = 0xf8; /* bits outside the mask stay */
	r->cpu->r[0] = 2;
	r->cpu->r[2] = 0;
	assert_int_equal(run(r, CODE(0x48, 0x0f, 0xae, 0x26)), -1); /* xsave64, SSE only */
	assert_int_equal(data64(r, 512), 0xfa);
	assert_int_equal(data64(r, 0), 0);
	assert_int_equal(data32(r, 24), 0x7f81);
	rig_start(r);
	r->mem[RIG_DATA + 512] = 0;
	r->cpu->r[0] = 3;
	assert_int_equal(run(r, CODE(0x48, 0x0f, 0xae, 0x26)), -1);
	assert_int_equal(data64(r, 512), 3);
	/* XRSTOR with x87 missing in XSTATE_BV: x87 becomes initial, MXCSR and XMM are loaded */
	r->mem[RIG_DATA + 512] = 2;
	r->cpu->mxcsr = 0x1f80;
	memset(r->cpu->v, 0, sizeof r->cpu->v);
	rig_start(r);
	assert_int_equal(run(r, CODE(0x48, 0x0f, 0xae, 0x2e)), -1);
	assert_int_equal(r->cpu->fcw, 0x37f);
	assert_int_equal(r->cpu->ftag, 0);
	assert_int_equal(r->cpu->st[0].sig, 0);
	assert_int_equal(r->cpu->mxcsr, 0x7f81);
	assert_memory_equal(&r->cpu->v[7], &before.v[7], 16);
	/* in use: nothing left of x87 */
	rig_start(r);
	assert_int_equal(run(r, CODE(0x48, 0x0f, 0xae, 0x26)), -1);
	assert_int_equal(data64(r, 512), 2);
	rig_free(r);
}

static void test_xsave_faults(void **state)
{
	struct rig *r = rig_new();
	(void)state;
	memset(r->mem + RIG_DATA, 0, 1024);
	r->cpu->r[0] = 3;
	r->cpu->r[2] = 0;
	assert_int_equal(run(r, CODE(0x0f, 0xae, 0x66, 0x10)), X86_GP_FAULT); /* not on 64 bytes */
	rig_start(r);
	r->mem[RIG_DATA + 512] = 4; /* a component that XCR0 has not */
	assert_int_equal(run(r, CODE(0x0f, 0xae, 0x2e)), X86_GP_FAULT);
	rig_start(r);
	r->mem[RIG_DATA + 512] = 0;
	r->mem[RIG_DATA + 527] = 0x40; /* XCOMP_BV in standard form */
	assert_int_equal(run(r, CODE(0x0f, 0xae, 0x2e)), X86_GP_FAULT);
	rig_start(r);
	r->cpu->cr4 &= ~(uint64_t)X86_CR4_OSXSAVE;
	assert_int_equal(run(r, CODE(0x0f, 0xae, 0x26)), X86_UD);
	rig_start(r);
	r->cpu->cr0 |= X86_CR0_TS;
	assert_int_equal(run(r, CODE(0x0f, 0xae, 0x26)), X86_NM);
	rig_free(r);
}

/* The image of the API carries everything, AVX halves included, and XSTATE_BV is obeyed. */
static void test_user_image(void **state)
{
	struct rig *r = rig_new(), *q = rig_new();
	static uint8_t image[832];
	(void)state;
	fill(r->cpu);
	r->cpu->xcr0 = 7;
	x86_get_xsave(r->cpu, image, sizeof image);
	x86_set_xsave(q->cpu, image, sizeof image);
	assert_true(same_fpu(r->cpu, q->cpu, true));
	memset(image + 512, 0, 8);
	x86_set_xsave(q->cpu, image, sizeof image);
	assert_int_equal(q->cpu->mxcsr, 0x1f80);
	assert_int_equal(q->cpu->v[5].q[1], 0);
	assert_int_equal(q->cpu->fcw, 0x37f);
	rig_free(r);
	rig_free(q);
}

static void test_mxcsr(void **state)
{
	struct rig *r = rig_new();
	uint32_t bad = 0x11f80, good = 0x9fc0;
	(void)state;
	memcpy(r->mem + RIG_DATA, &bad, 4);
	assert_int_equal(run(r, CODE(0x0f, 0xae, 0x16)), X86_GP_FAULT);
	rig_start(r);
	memcpy(r->mem + RIG_DATA, &good, 4);
	assert_int_equal(run(r, CODE(0x0f, 0xae, 0x16)), -1);
	assert_int_equal(r->cpu->mxcsr, 0x9fc0);
	/* sticky flags that the host gathered: divss xmm0, xmm1 by zero, then stmxcsr */
	r->cpu->mxcsr = 0x1f80;
	r->cpu->v[0] = (union x86_vec){.d = {0x3f800000}};
	r->cpu->v[1] = (union x86_vec){.d = {0}};
	rig_start(r);
	assert_int_equal(run(r, CODE(0xf3, 0x0f, 0x5e, 0xc1)), -1);
	assert_int_equal(r->cpu->mxcsr, 0x1f84);
	rig_start(r);
	assert_int_equal(run(r, CODE(0x0f, 0xae, 0x1e)), -1);
	assert_int_equal(data32(r, 0), 0x1f84);
	/* unmasked: #XM, or #UD where the system does not know #XM; the destination stays, the flag is set */
	r->cpu->mxcsr = 0x1d80;
	r->cpu->v[0] = (union x86_vec){.d = {0x3f800000}};
	rig_start(r);
	assert_int_equal(run(r, CODE(0xf3, 0x0f, 0x5e, 0xc1)), X86_XM);
	assert_int_equal(r->cpu->v[0].d[0], 0x3f800000);
	assert_int_equal(r->cpu->mxcsr, 0x1d84);
	rig_start(r);
	r->cpu->cr4 &= ~(uint64_t)X86_CR4_OSXMMEXCPT;
	assert_int_equal(run(r, CODE(0xf3, 0x0f, 0x5e, 0xc1)), X86_UD);
	rig_free(r);
}

/* Each instruction class under each control bit. */
static void test_availability(void **state)
{
	static const struct {
		uint8_t code[4];
		uint64_t cr0, cr4_off;
		int vector;
	} rows[] = {
		{{0x0f, 0x58, 0xc1}, X86_CR0_EM, 0, X86_UD},
		{{0x0f, 0x58, 0xc1}, X86_CR0_TS, 0, X86_NM},
		{{0x0f, 0x58, 0xc1}, 0, X86_CR4_OSFXSR, X86_UD},
		{{0x66, 0x0f, 0xef, 0xc1}, X86_CR0_TS, 0, X86_NM},
		{{0x0f, 0xef, 0xc1}, X86_CR0_EM, 0, X86_UD},
		{{0x0f, 0xef, 0xc1}, X86_CR0_TS, 0, X86_NM},
		{{0x0f, 0xef, 0xc1}, 0, X86_CR4_OSFXSR, -1},
		{{0xd9, 0xe8}, X86_CR0_EM, 0, X86_NM},
		{{0xd9, 0xe8}, X86_CR0_TS, 0, X86_NM},
		{{0xdb, 0xe3}, X86_CR0_TS, 0, X86_NM},
		{{0x9b}, X86_CR0_TS, 0, X86_NM} /* MP is set */,
		{{0x0f, 0x28, 0x46, 0x04}, 0, 0, X86_GP_FAULT},
		{{0x0f, 0x10, 0x46, 0x04}, 0, 0, -1},
		{{0x0f, 0x58, 0x46, 0x04}, 0, 0, X86_GP_FAULT},
		{{0x0f, 0x2b, 0x46, 0x04}, 0, 0, X86_GP_FAULT},
		{{0x0f, 0xae, 0xe8}, X86_CR0_TS | X86_CR0_EM, 0, -1},
	};
	struct rig *r = rig_new();
	(void)state;
	for (unsigned n = 0; n < sizeof rows / sizeof rows[0]; n++) {
		rig_start(r);
		x87_init(r->cpu);
		r->cpu->cr0 |= rows[n].cr0;
		r->cpu->cr4 &= ~rows[n].cr4_off;
		x86_state_changed(r->cpu, true);
		if (run(r, rows[n].code, 4) != rows[n].vector)
			fail_msg("row %u", n);
	}
	rig_free(r);
}

/* An unmasked x87 exception waits for the next waiting instruction, MMX included. */
static void test_pending_mf(void **state)
{
	struct rig *r = rig_new();
	(void)state;
	x87_init(r->cpu);
	r->cpu->fcw = 0x37b; /* division by zero unmasked */
	x87_push(r->cpu, (struct x86_f80){0, 0});
	x87_push(r->cpu, (struct x86_f80){0x8000000000000000, 0x3fff});
	assert_int_equal(run(r, CODE(0xd8, 0xf1)), -1); /* fdiv st, st(1) */
	assert_int_equal(r->cpu->fsw & 0x8084, 0x8084);
	assert_int_equal(x87_get(r->cpu, 0).se, 0x3fff); /* not stored */
	rig_start(r);
	assert_int_equal(run(r, CODE(0xdf, 0xe0)), -1); /* fnstsw ax does not wait */
	rig_start(r);
	assert_int_equal(run(r, CODE(0xd9, 0xe8)), X86_MF);
	rig_start(r);
	assert_int_equal(run(r, CODE(0x9b)), X86_MF);
	rig_start(r);
	assert_int_equal(run(r, CODE(0x0f, 0xef, 0xc0)), X86_MF);
	rig_start(r);
	assert_int_equal(run(r, CODE(0xdb, 0xe2)), -1); /* fnclex */
	assert_int_equal(r->cpu->fsw & 0x80ff, 0);
	rig_free(r);
}

/* Pages: an instruction that faults has changed nothing. */
static void test_fault_commits_nothing(void **state)
{
	struct rig *r = rig_new();
	static const struct {
		uint8_t code[4];
	} rows[] = {{{0xdd, 0x1e}},       {{0xdb, 0x3e}}, {{0xdf, 0x36}},       {{0xd9, 0x06}},
			{{0x0f, 0x10, 0x06}}, {{0xd9, 0x36}}, {{0xdd, 0x36}},       {{0x0f, 0x11, 0x06}},
			{{0x0f, 0x6f, 0x06}}, {{0xdf, 0x3e}}, {{0x0f, 0xae, 0x06}}, {{0xf3, 0x0f, 0x10, 0x06}}};
	static struct x86_cpu before;
	(void)state;
	for (unsigned n = 0; n < sizeof rows / sizeof rows[0]; n++) {
		rig_start(r);
		fill(r->cpu);
		r->cpu->ftag = 0x7e;
		before = *r->cpu;
		rig_code(r, rows[n].code, 4);
		r->cpu->r[6] = 0x40000000; /* beyond the mapped 2 MiB */
		assert_int_equal(rig_step(r), X86_PF);
		if (!same_fpu(r->cpu, &before, true))
			fail_msg("row %u", n);
	}
	rig_free(r);
}

static void test_environment(void **state)
{
	struct rig *r = rig_new();
	(void)state;
	fill(r->cpu);
	r->cpu->st[1].sig = 0; /* R1: special (an unnormal) */
	r->cpu->st[3] = (struct x86_f80){0, 0};
	memset(r->mem + RIG_DATA, 0, 128);
	assert_int_equal(run(r, CODE(0xd9, 0x36)), -1); /* fnstenv, 32 bits */
	assert_int_equal(data32(r, 0), 0xffff027f);
	assert_int_equal(data32(r, 4), 0xffff0000 | 3 << 11 | 0x4100);
	/* tag 0x5a: R1 special, R3 zero, R4 and R6 valid, the others empty */
	assert_int_equal(data32(r, 8),
			 0xffff0000 | (3 | 2 << 2 | 3 << 4 | 1 << 6 | 0 << 8 | 3 << 10 | 0 << 12 | 3 << 14));
	assert_int_equal(data32(r, 12), 0x55667788);
	assert_int_equal(data32(r, 16), 0x123 << 16);
	assert_int_equal(data32(r, 20), 0x55443322);
	assert_int_equal(r->cpu->fcw, 0x27f);
	rig_start(r);
	x87_init(r->cpu);
	assert_int_equal(run(r, CODE(0xd9, 0x26)), -1); /* fldenv */
	assert_int_equal(r->cpu->fcw, 0x27f);
	assert_int_equal(r->cpu->ftag, 0x5a);
	assert_int_equal(r->cpu->fip, 0x55667788);
	assert_int_equal(r->cpu->fop, 0x123);
	rig_start(r);
	memset(r->mem + RIG_DATA, 0, 128);
	assert_int_equal(run(r, CODE(0x66, 0xdd, 0x36)), -1); /* fnsave, 16 bits */
	assert_int_equal(data16(r, 0), 0x27f);
	assert_int_equal(data16(r, 6), 0x7788);
	assert_int_equal(data16(r, 8), 0);
	assert_int_equal(data64(r, 14 + 10), 0x8000000000000004); /* ST(1) is R4 */
	assert_int_equal(r->cpu->fcw, 0x37f);
	rig_start(r);
	assert_int_equal(run(r, CODE(0x66, 0xdd, 0x26)), -1); /* frstor */
	assert_int_equal(r->cpu->ftag, 0x5a);
	assert_int_equal(r->cpu->st[4].sig, 0x8000000000000004);
	assert_int_equal(r->cpu->st[4].se, 0x4003);
	rig_free(r);
}

/* FIP, FDP and FOP of the last instruction that was no control instruction. */
static void test_pointers(void **state)
{
	struct rig *r = rig_new();
	(void)state;
	x87_init(r->cpu);
	assert_int_equal(run(r, CODE(0xd9, 0x46, 0x10)), -1); /* fld dword [rsi + 16] */
	assert_int_equal(r->cpu->fip, RIG_CODE);
	assert_int_equal(r->cpu->fdp, RIG_DATA + 16);
	assert_int_equal(r->cpu->fop, 0x146);
	rig_start(r);
	assert_int_equal(run(r, CODE(0x9b)), -1);
	assert_int_equal(run(r, CODE(0xd9, 0x3e)), -1); /* fnstcw */
	assert_int_equal(r->cpu->fop, 0x146);
	rig_free(r);
}

/* 16-bit code: segments of 64 KiB at the code and the data, the pointers as 20-bit addresses. */
static void real_mode(struct rig *r)
{
	struct x86_cpu *c = r->cpu;
	c->cr0 = 0x32;
	c->efer = 0;
	for (unsigned s = 0; s < X86_TR; s++)
		c->seg[s] = (struct x86_seg){RIG_DATA, 0xffff, 0x93, RIG_DATA >> 4};
	c->seg[X86_CS] = (struct x86_seg){RIG_CODE, 0xffff, 0x93, RIG_CODE >> 4};
	x86_state_changed(c, true);
}
static int run_real(struct rig *r, const uint8_t *code, size_t n)
{
	real_mode(r);
	r->cpu->r[6] = 0;
	rig_code(r, code, (unsigned)n);
	r->cpu->rip = 0;
	return rig_step(r);
}

static void test_environment_real(void **state)
{
	struct rig *r = rig_new();
	(void)state;
	fill(r->cpu);
	r->cpu->fip = 0x54321;
	r->cpu->fdp = 0x98765;
	memset(r->mem + RIG_DATA, 0, 128);
	assert_int_equal(run_real(r, CODE(0xd9, 0x34)), -1); /* fnstenv [si] */
	assert_int_equal(data16(r, 6), 0x4321);
	assert_int_equal(data16(r, 8), 0x5123);
	assert_int_equal(data16(r, 10), 0x8765);
	assert_int_equal(data16(r, 12), 0x9000);
	assert_int_equal(data16(r, 14), 0);
	assert_int_equal(run_real(r, CODE(0x66, 0xd9, 0x34)), -1);
	assert_int_equal(data32(r, 12), 0xffff4321);
	assert_int_equal(data32(r, 16), 0x5123);
	assert_int_equal(data32(r, 20), 0xffff8765);
	x87_init(r->cpu);
	assert_int_equal(run_real(r, CODE(0x66, 0xd9, 0x24)), -1); /* fldenv */
	assert_int_equal(r->cpu->fip, 0x54321);
	assert_int_equal(r->cpu->fdp, 0x98765);
	assert_int_equal(r->cpu->fop, 0x123);
	rig_free(r);
}

static void test_maskmov(void **state)
{
	struct rig *r = rig_new();
	(void)state;
	memset(r->mem + RIG_DATA, 0x55, 64);
	r->cpu->r[7] = RIG_DATA + 3;
	for (unsigned i = 0; i < 16; i++) {
		r->cpu->v[0].b[i] = (uint8_t)i;
		r->cpu->v[1].b[i] = i % 3 == 0 ? 0x80 : 0x7f;
	}
	assert_int_equal(run(r, CODE(0x66, 0x0f, 0xf7, 0xc1)), -1);
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(r->mem[RIG_DATA + 3 + i], i % 3 == 0 ? i : 0x55);
	assert_int_equal(r->mem[RIG_DATA + 19], 0x55);
	rig_start(r);
	r->cpu->st[2].sig = 0x0807060504030201;
	r->cpu->st[5].sig = 0x8000000000000080;
	r->cpu->r[7] = RIG_DATA + 40;
	assert_int_equal(run(r, CODE(0x0f, 0xf7, 0xd5)), -1);
	assert_int_equal(data64(r, 40), 0x0855555555555501);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_fxsave64),
	    cmocka_unit_test(test_fx_faults),
	    cmocka_unit_test(test_xsave),
	    cmocka_unit_test(test_xsave_faults),
	    cmocka_unit_test(test_user_image),
	    cmocka_unit_test(test_mxcsr),
	    cmocka_unit_test(test_availability),
	    cmocka_unit_test(test_pending_mf),
	    cmocka_unit_test(test_fault_commits_nothing),
	    cmocka_unit_test(test_environment),
	    cmocka_unit_test(test_maskmov),
		cmocka_unit_test(test_pointers),     cmocka_unit_test(test_environment_real),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
