/* test_cpu_fp_soft.c - softfloat against the host's FPU, engine against engine: millions of operands, results and flags
 * bit for bit; where the manuals give a bound instead of a result (transcendental functions, RCP, RSQRT), within it.
 * And some facts that need no host. An argument gives the number of rounds. test-timeout: 300 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include "x86/sse_fp.h"
#include "x86/x87.h"

static unsigned long count = 200000;

#if X86_HOST_FPU
#include "test_cpu_fp_values.h"

static struct x86_cpu cpu;

static void random_control(struct x86_cpu *c)
{
	static const uint16_t pc[] = {0, 0x200, 0x300, 0x300};
	c->fcw = (uint16_t)(0x7f | (rnd() & 3) << 10 | pc[rnd() & 3]);
	c->mxcsr = (uint32_t)(0x1f80 | (rnd() & 3) << 13 | (rnd() % 3 ? 0 : rnd() & 0x8040));
}

static void expect_same(const char *what, unsigned kind, struct x86_f80 a, struct x86_f80 b, struct x87_result h,
			struct x87_result s)
{
	if (h.v.sig == s.v.sig && h.v.se == s.v.se && h.flags == s.flags && h.cc == s.cc)
		return;
	fail_msg("%s %u of %04x.%016" PRIx64 " and %04x.%016" PRIx64 " (fcw %04x): host %04x.%016" PRIx64
		 " flags %02x cc %04x, soft %04x.%016" PRIx64 " %02x %04x",
		 what, kind, a.se, a.sig, b.se, b.sig, cpu.fcw, h.v.se, h.v.sig, h.flags, h.cc, s.v.se, s.v.sig,
		 s.flags, s.cc);
}

/* b near a now and then: cancellation, equal exponents. */
static void pair(struct x86_f80 *a, struct x86_f80 *b)
{
	*a = rnd80();
	*b = rnd80();
	if (rnd() % 4 == 0) {
		b->se = (uint16_t)(a->se + rnd() % 5 - 2) ^ (uint16_t)(rnd() << 15);
		if (rnd() % 2)
			b->sig = a->sig + rnd() % 5 - 2;
	}
}

static void test_x87_arith(void **state)
{
	static const enum x87_arith kinds[] = {X87_ADD, X87_SUB, X87_SUBR, X87_MUL, X87_DIV, X87_DIVR};
	(void)state;
	for (unsigned long n = 0; n < count; n++) {
		struct x86_f80 a, b;
		random_control(&cpu);
		pair(&a, &b);
		for (unsigned k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
			expect_same("arithmetic", kinds[k], a, b, x87_host_arith(&cpu, kinds[k], a, b),
					x87_soft_arith(&cpu, kinds[k], a, b));
	}
	x86_fp_leave(&cpu);
}

/* C0, C2 and C3 of a result that is no remainder are left alone by the instruction, whatever the engine says. */
static void test_x87_exact_functions(void **state)
{
	static const enum x87_unary kinds[] = {X87_FSQRT, X87_FRNDINT, X87_FSCALE, X87_FPREM, X87_FPREM1, X87_FXTRACT};
	(void)state;
	for (unsigned long n = 0; n < count; n++) {
		struct x86_f80 a, b;
		random_control(&cpu);
		pair(&a, &b);
		for (unsigned k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
			struct x87_result h = x87_host_unary(&cpu, kinds[k], a, b),
					  s = x87_soft_unary(&cpu, kinds[k], a, b);
			if ((h.flags & SF_I) || sf_is_nan(sf_unpack80(h.v)))
				h.cc = s.cc = (h.cc & X87_C1) | (s.cc & ~X87_C1 & 0);
			expect_same("function", kinds[k], a, b, h, s);
			assert_true(h.v2.sig == s.v2.sig && h.v2.se == s.v2.se);
		}
	}
	x86_fp_leave(&cpu);
}

/* Distance in units of the last place, for numbers of one sign. */
static uint64_t ulps(struct x86_f80 x, struct x86_f80 y)
{
	__int128 a = ((__int128)(x.se & 0x7fff) << 63) + (__int128)(x.sig & ~((uint64_t)1 << 63)), b, d;
	b = ((__int128)(y.se & 0x7fff) << 63) + (__int128)(y.sig & ~((uint64_t)1 << 63));
	d = a > b ? a - b : b - a;
	if ((x.se ^ y.se) & 0x8000 && (x.sig || y.sig))
		return UINT64_MAX;
	return d > 1000000 ? 1000000 : (uint64_t)d;
}

/* An operand in the instruction's range: exponents down to -40, the sign free. */
static struct x86_f80 moderate(int top)
{
	return (struct x86_f80){rnd_bits(63) | (uint64_t)1 << 63,
				(uint16_t)((16383 + top - (int)(rnd() % 40)) | (rnd() << 15))};
}

/* SDM vol. 1, 8.3.10: an error of at most 1 ulp in round to nearest; the host's and ours each, so 2 between them. */
static void test_transcendental(void **state)
{
	static const struct {
		enum x87_unary kind;
		const char *name;
		int top_a, top_b; /* largest exponents of ST(0), ST(1) */
	} rows[] = {
		{X87_F2XM1, "f2xm1", -1, 0},	 {X87_FYL2X, "fyl2x", 30, 30},	 {X87_FYL2XP1, "fyl2xp1", -3, 30},
		{X87_FPATAN, "fpatan", 20, 20},	 {X87_FSIN, "fsin", -1, 0},	 {X87_FCOS, "fcos", -1, 0},
		{X87_FPTAN, "fptan", -1, 0},	 {X87_FSINCOS, "fsincos", -1, 0}, {X87_FSIN, "fsin of more", 5, 0},
		{X87_FCOS, "fcos of more", 5, 0},
	};
	(void)state;
	cpu.fcw = 0x37f;
	for (unsigned k = 0; k < sizeof rows / sizeof rows[0]; k++) {
		uint64_t worst = 0;
		for (unsigned long n = 0; n < count / 40; n++) {
			struct x86_f80 a = moderate(rows[k].top_a), b = moderate(rows[k].top_b);
			struct x87_result h, s;
			uint64_t d;
			if (rows[k].kind == X87_FYL2X)
				a.se &= 0x7fff;
			h = x87_host_unary(&cpu, rows[k].kind, a, b);
			s = x87_soft_unary(&cpu, rows[k].kind, a, b);
			d = ulps(h.v, s.v);
			worst = d > worst ? d : worst;
			if (d > 2)
				fail_msg("%s of %04x.%016" PRIx64 ", %04x.%016" PRIx64 ": host %04x.%016" PRIx64
					 ", soft %04x.%016" PRIx64,
					 rows[k].name, a.se, a.sig, b.se, b.sig, h.v.se, h.v.sig, s.v.se, s.v.sig);
			if (rows[k].kind == X87_FSINCOS && ulps(h.v2, s.v2) > 2)
				fail_msg("fsincos: cosine of %04x.%016" PRIx64, a.se, a.sig);
		}
		print_message("%s: at most %u ulp between host and software\n", rows[k].name, (unsigned)worst);
	}
	x86_fp_leave(&cpu);
}

/* Special operands of the transcendental functions: the same class of result and the same exceptions but P and U. */
static void test_transcendental_special(void **state)
{
	static const enum x87_unary kinds[] = {X87_F2XM1, X87_FYL2X, X87_FPATAN,  X87_FSIN,
					       X87_FCOS,  X87_FPTAN, X87_FSINCOS, X87_FYL2XP1};
	static const struct x86_f80 values[] = {
		{0, 0},
		{0, 0x8000},
		{0x8000000000000000, 0x7fff},
		{0x8000000000000000, 0xffff},
		{0xc000000000000000, 0xffff},
		{0xa000000000000000, 0x7fff},
		{0xe000000000000001, 0x7fff},
		{0x8000000000000000, 0x3fff},
		{0x8000000000000000, 0xbffd},
		{0x9000000000000000, 0x3ffd},
		{0x4000000000000000, 0x4000},
		{0xffffffffffffffff, 0x403d},
		{0x8000000000000000, 0x403e},
	};
	enum { N = sizeof values / sizeof values[0] };
	(void)state;
	cpu.fcw = 0x37f;
	for (unsigned k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
		for (unsigned i = 0; i < N * N; i++) {
			struct x86_f80 a = values[i % N], b = values[i / N];
			struct x87_result h, s;
			bool large = !(a.sig >> 63) || (a.se & 0x7fff) >= 0x3fff;
			if ((kinds[k] == X87_F2XM1 || kinds[k] == X87_FYL2XP1) && large && a.se != 0x3fff &&
			    (a.se & 0x7fff) < 0x7fff && a.sig >> 63)
				continue; /* undefined beyond 1 */
			if (kinds[k] == X87_FYL2XP1 && large)
				continue;
			h = x87_host_unary(&cpu, kinds[k], a, b);
			s = x87_soft_unary(&cpu, kinds[k], a, b);
			if (ulps(h.v, s.v) > 2 || ((h.flags ^ s.flags) & (SF_I | SF_D | SF_Z)) ||
			    ((h.cc ^ s.cc) & X87_C2))
				fail_msg("function %u of %04x.%016" PRIx64 ", %04x.%016" PRIx64
					 ": host %04x.%016" PRIx64 " %02x %04x, soft %04x.%016" PRIx64 " %02x %04x",
					 kinds[k], a.se, a.sig, b.se, b.sig, h.v.se, h.v.sig, h.flags, h.cc, s.v.se,
					 s.v.sig, s.flags, s.cc);
		}
	x86_fp_leave(&cpu);
}

/* ------ SSE kernels ------ */

static x86_lane random_lane(void)
{
	x86_lane l;
	if (rnd() % 2)
		for (unsigned i = 0; i < 4; i++)
			l.d[i] = rnd32();
	else
		for (unsigned i = 0; i < 2; i++)
			l.q[i] = rnd64();
	return l;
}

/* |x / y - 1| <= 1.5 * 2^-12 of each: 3 * 2^-12 between two; NaN, infinite and zero results alike. */
static bool close32(uint32_t x, uint32_t y)
{
	float f, g;
	memcpy(&f, &x, 4);
	memcpy(&g, &y, 4);
	if (x == y || ((x & 0x7f800000) == 0 && (y & 0x7f800000) == 0 && x >> 31 == y >> 31))
		return true;
	/* at the edge of the range one may have flushed to zero */
	if ((x & 0x7f800000) <= 0x00800000 && (y & 0x7f800000) <= 0x00800000)
		return x >> 31 == y >> 31;
	if ((x & 0x7f800000) == 0x7f800000 || (y & 0x7f800000) == 0x7f800000)
		return false;
	return (f - g <= 0 ? g - f : f - g) <= 3.0f / 4096 * (g < 0 ? -g : g);
}

static void sse_row(const struct sse_fp_row *row)
{
	x86_lane d = random_lane(), a = row->mnemonic ? d : random_lane(), s = random_lane(), h = d, t = d;
	unsigned imm = (unsigned)rnd() & 0xff, flags;
	struct sf_env e;
	bool same;
	random_control(&cpu);
	if (row->kind == FP_TO_GPR || row->kind == FP_FROM_GPR)
		imm = imm & 1 ? 64 : 32;
	e = x86_sse_env(&cpu);
	x86_fp_begin(&cpu);
	row->host(&h, &a, &s, imm);
	x86_fp_collect(&cpu);
	flags = cpu.mxcsr & 0x3f;
	x86_fp_leave(&cpu);
	row->soft(&e, &t, &a, &s, imm);
	same = h.q[0] == t.q[0] && h.q[1] == t.q[1];
	if (row->kind == FP_APPROX)
		for (unsigned i = 0, ok = 1; i < 4; i++, same = ok)
			ok &= close32(h.d[i], t.d[i]);
	if (!same || flags != (e.flags | e.earlier))
		fail_msg("%s %02x of %016" PRIx64 "_%016" PRIx64 ", %016" PRIx64 "_%016" PRIx64
			 " (mxcsr %04x): host %016" PRIx64 "_%016" PRIx64 " flags %02x, soft %016" PRIx64 "_%016" PRIx64
			 " %02x",
			 ZydisMnemonicGetString(row->mnemonic ? row->mnemonic : row->vex), imm, a.q[1], a.q[0], s.q[1], s.q[0], cpu.mxcsr, h.q[1], h.q[0], flags, t.q[1],
			 t.q[0], e.flags);
}

static void test_sse(void **state)
{
	size_t rows;
	const struct sse_fp_row *row = sse_fp_rows(&rows);
	(void)state;
	for (size_t n = 0; n < rows; n++, row++)
		for (unsigned long i = 0; row->host && sse_host_has(row->needs) && i < count / 10; i++)
			sse_row(row);
}

/* The caller's control words and flags are as before, whatever the guest's were. */
static void test_host_untouched(void **state)
{
	uint32_t before, after;
	uint16_t cw_before, cw_after, sw_before, sw_after;
	x86_lane d = {.d = {0x3f800000}}, s = {.d = {0x40400000}};
	(void)state;
	__asm__ volatile("fnclex\n\tfnstcw %0\n\tfnstsw %1" : "=m"(cw_before), "=m"(sw_before));
	__asm__ volatile("stmxcsr %0" : "=m"(before));
	cpu.mxcsr = 0xff80;
	cpu.fcw = 0xc7f;
	x86_fp_begin(&cpu);
	sse_host_addps(&d, &d, &s, 0);
	(void)x87_host_arith(&cpu, X87_DIV, (struct x86_f80){0x8000000000000000, 0x3fff},
			     (struct x86_f80){0xc000000000000000, 0x4000});
	x86_fp_leave(&cpu);
	__asm__ volatile("fnstcw %0\n\tfnstsw %1" : "=m"(cw_after), "=m"(sw_after));
	__asm__ volatile("stmxcsr %0" : "=m"(after));
	assert_int_equal(before, after);
	assert_int_equal(cw_before, cw_after);
	assert_int_equal(sw_before, sw_after);
}
#endif

/* ------ known values, on any host ------ */

static void test_known(void **state)
{
	struct sf_env e = {.rc = SF_NEAREST, .masks = 0x3f};
	struct sf_num third = sf_div(&e, SF32, sf_from_int(1), sf_from_int(3));
	(void)state;
	assert_int_equal(sf_pack32(third), 0x3eaaaaab);
	assert_int_equal(e.flags, SF_P);
	assert_int_equal(sf_pack64(sf_sqrt(&e, SF64, sf_from_int(2))), 0x3ff6a09e667f3bcd);
	e.flags = 0;
	assert_int_equal(sf_pack32(sf_mul(&e, SF32, sf_unpack32(&e, 0x00800000), sf_unpack32(&e, 0x3f000000))),
			 0x00400000);
	assert_int_equal(e.flags, 0); /* exact: tiny is no underflow while masked */
	assert_int_equal(sf_pack32(sf_mul(&e, SF32, sf_unpack32(&e, 0x00800001), sf_unpack32(&e, 0x3f000000))),
			 0x00400000);
	assert_int_equal(e.flags, SF_U | SF_P);
	e.flags = 0;
	assert_int_equal(sf_to_int(&e, sf_from_int(INT64_MIN), 64, SF_NEAREST), INT64_MIN);
	assert_int_equal(e.flags, 0);
	assert_int_equal(sf_to_int(&e, sf_from_int(40000), 16, SF_NEAREST), INT16_MIN);
	assert_int_equal(e.flags, SF_I);
}

/* sin(10^22) by the processors' pi is no use to anybody; but pi / 6, ln 2 and friends are known. */
static void test_known_functions(void **state)
{
	struct x86_cpu c = {.fcw = 0x37f};
	const struct x86_f80 one = {0x8000000000000000, 0x3fff}, two = {0x8000000000000000, 0x4000},
			     ten = {0xa000000000000000, 0x4002};
	struct x87_result r;
	(void)state;
	r = x87_soft_unary(&c, X87_FPATAN, one, one);
	assert_true(r.v.se == 0x3ffe && r.v.sig == 0xc90fdaa22168c235);
	r = x87_soft_unary(&c, X87_FYL2X, ten, one);
	assert_true(r.v.se == 0x4000 && r.v.sig == 0xd49a784bcd1b8afe);
	r = x87_soft_unary(&c, X87_FYL2X, two, ten);
	assert_true(r.v.se == 0x4002 && r.v.sig == ten.sig && r.flags == 0);
	r = x87_soft_unary(&c, X87_FSIN, one, one);
	assert_true(r.v.se == 0x3ffe && r.v.sig == 0xd76aa47848677021);
	r = x87_soft_unary(&c, X87_FCOS, one, one);
	assert_true(r.v.se == 0x3ffe && r.v.sig == 0x8a51407da8345c92);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_known_functions),
#if X86_HOST_FPU
		cmocka_unit_test(test_x87_arith),
		cmocka_unit_test(test_x87_exact_functions),
		cmocka_unit_test(test_transcendental),
		cmocka_unit_test(test_transcendental_special),
		cmocka_unit_test(test_sse),
		cmocka_unit_test(test_host_untouched),
#endif
	};
	if (argc > 1)
		count = strtoul(argv[1], NULL, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
