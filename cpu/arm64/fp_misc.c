/* fp_misc.c - floating point of one vector, or a scalar in a vector register: rounding, conversions, comparisons with
 * zero, estimates; immediates; complex numbers (Arm ARM C4.1.95, "two-register miscellaneous", "shift by immediate",
 * "modified immediate", "three-register extension"). */
#include <math.h>
#include "fp_estimate.h"
#include "fp_lanes.h"

/* ------ one element: b is a constant, the bits of fraction of fixed-point forms ------ */

#define UNARY(name, expression)                                                                                        \
	A64_FP_KERNEL(name)                                                                                            \
	{                                                                                                              \
		(void)f, (void)size, (void)b, (void)d;                                                                 \
		return expression;                                                                                     \
	}
#define FPCR_MODE (f->fpcr >> 22 & 3)
UNARY(fabs, a & ~a64_fp_sign(size))
UNARY(fneg, a ^ a64_fp_sign(size))
UNARY(fsqrt, a64_fp_sqrt(f, size, a))
UNARY(frintn, a64_fp_round(f, size, a, A64_RN, false))
UNARY(frintp, a64_fp_round(f, size, a, A64_RP, false))
UNARY(frintm, a64_fp_round(f, size, a, A64_RM, false))
UNARY(frintz, a64_fp_round(f, size, a, A64_RZ, false))
UNARY(frinta, a64_fp_round(f, size, a, A64_RA, false))
UNARY(frinti, a64_fp_round(f, size, a, FPCR_MODE, false))
UNARY(frintx, a64_fp_round(f, size, a, FPCR_MODE, true))
#define TO_INT(name, is_unsigned, mode)                                                                                \
	UNARY(name, a64_fp_to_fixed(f, size, a, 8 * size, is_unsigned, (unsigned)b, mode))
TO_INT(fcvtns, false, A64_RN)
TO_INT(fcvtnu, true, A64_RN)
TO_INT(fcvtps, false, A64_RP)
TO_INT(fcvtpu, true, A64_RP)
TO_INT(fcvtms, false, A64_RM)
TO_INT(fcvtmu, true, A64_RM)
TO_INT(fcvtzs, false, A64_RZ)
TO_INT(fcvtzu, true, A64_RZ)
TO_INT(fcvtas, false, A64_RA)
TO_INT(fcvtau, true, A64_RA)
UNARY(scvtf, a64_fp_from_fixed(f, size, a, 8 * size, false, (unsigned)b))
UNARY(ucvtf, a64_fp_from_fixed(f, size, a, 8 * size, true, (unsigned)b))
UNARY(frecpe, a64_fp_recpe(f, size, a))
UNARY(frsqrte, a64_fp_rsqrte(f, size, a))
UNARY(frecpx, a64_fp_recpx(f, size, a))
UNARY(urecpe, a64_unsigned_recpe((uint32_t)a))
UNARY(ursqrte, a64_unsigned_rsqrte((uint32_t)a))
#define ZERO(name, condition)                                                                                          \
	UNARY(name, (condition) ? UINT64_MAX : 0)
static int to_zero(struct a64_fp *f, unsigned size, uint64_t a, bool signalling)
{
	return a64_fp_compare(f, size, a, 0, signalling);
}
ZERO(fcmeq, to_zero(f, size, a, false) == SF_EQUAL)
ZERO(fcmgt, to_zero(f, size, a, true) == SF_GREATER)
ZERO(fcmge, (unsigned)to_zero(f, size, a, true) <= SF_GREATER)
ZERO(fcmlt, to_zero(f, size, a, true) == SF_LESS)
ZERO(fcmle, to_zero(f, size, a, true) <= SF_EQUAL)

/* ------ handlers ------ */

static void each1(struct a64_cpu *c, const struct a64_op *op, a64_fp_kernel kernel)
{
	a64_fp_each(c, op, (union a64_lanes){.u64 = {0, 0}}, kernel);
}
/* Fixed point: op->imm has the bits of fraction where by-element forms have the element. */
static void each_fixed(struct a64_cpu *c, const struct a64_op *op, a64_fp_kernel kernel)
{
	union a64_lanes b;
	for (unsigned i = 0; i < 16 / a64_fp_size(op); i++)
		a64_fp_put_lane(&b, a64_fp_size(op), i, op->imm >> 16);
	a64_fp_each(c, op, b, kernel);
}
static void fixed_shape(struct a64_op *op)
{
	const unsigned immh = A64_BITS(op->insn, 22, 19), size = immh >= 8 ? 8 : immh >= 4 ? 4 : 2;
	const unsigned n = a64_scalar(op->insn) ? 1 : (op->insn >> 30 & 1 ? 16 : 8) / size;
	op->imm = size | n << 8 | (16 * size - (unsigned)A64_BITS(op->insn, 22, 16)) << 16;
}
#define HANDLER(name, form, each, shape)                                                                               \
	static A64_HANDLER(name##form)                                                                                 \
	{                                                                                                              \
		a64_fp_check(c, op);                                                                                   \
		each(c, op, k_##name);                                                                                 \
		return A64_NEXT(op);                                                                                   \
	}                                                                                                              \
	static void prep_##name##form(struct a64_op *op)                                                               \
	{                                                                                                              \
		shape(op);                                                                                             \
		op->fn = name##form;                                                                                   \
	}
#define PLAIN(name) HANDLER(name, _v, each1, a64_fp_shape)
#define FIXED(name) HANDLER(name, _f, each_fixed, fixed_shape)

/* X(name, U, bit 23, opcode): there as scalars too */
#define BOTH(X)                                                                                                        \
	X(fcvtns, 0, 0, 0x1a) X(fcvtms, 0, 0, 0x1b) X(fcvtas, 0, 0, 0x1c) X(scvtf, 0, 0, 0x1d) X(fcmgt, 0, 1, 0x0c)    \
	X(fcmeq, 0, 1, 0x0d) X(fcmlt, 0, 1, 0x0e) X(fcvtps, 0, 1, 0x1a) X(fcvtzs, 0, 1, 0x1b) X(frecpe, 0, 1, 0x1d)    \
	X(fcvtnu, 1, 0, 0x1a) X(fcvtmu, 1, 0, 0x1b) X(fcvtau, 1, 0, 0x1c) X(ucvtf, 1, 0, 0x1d) X(fcmge, 1, 1, 0x0c)    \
	X(fcmle, 1, 1, 0x0d) X(fcvtpu, 1, 1, 0x1a) X(fcvtzu, 1, 1, 0x1b) X(frsqrte, 1, 1, 0x1d)
#define VECTORS(X)                                                                                                     \
	X(frintn, 0, 0, 0x18) X(frintm, 0, 0, 0x19) X(fabs, 0, 1, 0x0f) X(frintp, 0, 1, 0x18) X(frintz, 0, 1, 0x19)    \
	X(frinta, 1, 0, 0x18) X(frintx, 1, 0, 0x19) X(fneg, 1, 1, 0x0f) X(frinti, 1, 1, 0x19) X(fsqrt, 1, 1, 0x1f)
#define SCALARS(X) X(frecpx, 0, 1, 0x1f)
#define INTEGERS(X) X(urecpe, 0, 1, 0x1c) X(ursqrte, 1, 1, 0x1c)
#define DEFINE(name, U, a, opcode) PLAIN(name)
BOTH(DEFINE)
VECTORS(DEFINE)
SCALARS(DEFINE)
INTEGERS(DEFINE)
FIXED(fcvtzs)
FIXED(fcvtzu)
FIXED(scvtf)
FIXED(ucvtf)

/* ------ longer and narrower ------
 * op->imm: the elements of one half; `sz` says whether they are of 32 and 64 bits, else of 16 and 32. */

static void lengthen(struct a64_cpu *c, const struct a64_op *op)
{
	const unsigned from = op->insn >> 22 & 1 ? 4 : 2, n = 8 / from, first = op->insn >> 30 & 1 ? n : 0;
	const union a64_lanes a = a64_lanes(c, op->rn);
	union a64_lanes r;
	struct a64_fp f;
	a64_fp_begin(&f, c);
	for (unsigned i = 0; i < n; i++)
		a64_fp_put_lane(&r, 2 * from, i, a64_fp_convert(&f, 2 * from, from, a64_fp_lane(&a, from, first + i)));
	c->v[op->rd] = r.v;
	a64_fp_end(c, &f);
}
static A64_HANDLER(fcvtl)
{
	a64_fp_check(c, op);
	lengthen(c, op);
	return A64_NEXT(op);
}

/* Rounding to odd: truncated, and the last bit tells that something was cut (FPConvert with FPRounding_ODD). */
static uint64_t narrow_odd(struct a64_fp *f)
{
	return f->e.flags & SF_P ? 1 : 0;
}
static uint64_t narrow_one(struct a64_fp *f, unsigned to, uint64_t v, bool odd)
{
	const struct sf_env before = f->e;
	if (!odd)
		return a64_fp_convert(f, to, 2 * to, v);
	f->e.rc = SF_TRUNC;
	f->e.flags = 0;
	const uint64_t r = a64_fp_convert(f, to, 2 * to, v) | narrow_odd(f);
	f->e.rc = before.rc;
	f->e.flags |= before.flags;
	return r;
}
static void narrow(struct a64_cpu *c, const struct a64_op *op, bool odd)
{
	const bool high = !a64_scalar(op->insn) && op->insn >> 30 & 1;
	const unsigned to = op->insn >> 22 & 1 ? 4 : 2, n = 8 / to;
	const union a64_lanes a = a64_lanes(c, op->rn);
	union a64_lanes r = {.u64 = {high ? c->v[op->rd].d[0] : 0, 0}};
	struct a64_fp f;
	a64_fp_begin(&f, c);
	for (unsigned i = 0; i < (a64_scalar(op->insn) ? 1 : n); i++)
		a64_fp_put_lane(&r, to, i + (high ? n : 0), narrow_one(&f, to, a64_fp_lane(&a, 2 * to, i), odd));
	c->v[op->rd] = r.v;
	a64_fp_end(c, &f);
}
static A64_HANDLER(fcvtn)
{
	a64_fp_check(c, op);
	narrow(c, op, false);
	return A64_NEXT(op);
}
static A64_HANDLER(fcvtxn)
{
	a64_fp_check(c, op);
	narrow(c, op, true);
	return A64_NEXT(op);
}

/* ------ immediates ------ */

static A64_HANDLER(fmov_q)
{
	a64_fp_check(c, op);
	c->v[op->rd] = (union a64_vec){.d = {op->imm, op->imm}};
	return A64_NEXT(op);
}
static A64_HANDLER(fmov_d)
{
	a64_fp_check(c, op);
	c->v[op->rd] = (union a64_vec){.d = {op->imm, 0}};
	return A64_NEXT(op);
}
static void prep_fmov(struct a64_op *op)
{
	const unsigned size = op->insn >> 11 & 1 ? 2 : op->insn >> 29 & 1 ? 8 : 4;
	uint64_t v = a64_fp_immediate(size, (unsigned)(A64_BITS(op->insn, 18, 16) << 5 | A64_BITS(op->insn, 9, 5)));
	for (unsigned bits = 8 * size; bits < 64; bits *= 2)
		v |= v << bits;
	op->imm = v;
	op->fn = op->insn >> 30 & 1 ? fmov_q : fmov_d;
}

/* ------ complex numbers: pairs of a real and an imaginary element ------ */

static unsigned complex_size(uint32_t insn)
{
	return 1u << (insn >> 22 & 3);
}
static unsigned complex_count(uint32_t insn)
{
	return (insn >> 30 & 1 ? 16 : 8) / complex_size(insn);
}
/* FCMLA: rot in quarters of a turn; `pair` is Rm's for all, or -1. */
static void multiply(struct a64_cpu *c, const struct a64_op *op, unsigned rot, int pair)
{
	const unsigned size = complex_size(op->insn);
	const uint64_t sign = a64_fp_sign(size);
	const union a64_lanes a = a64_lanes(c, op->rn), b = a64_lanes(c, op->rm);
	union a64_lanes r = a64_lanes(c, op->rd);
	struct a64_fp f;
	a64_fp_begin(&f, c);
	for (unsigned i = 0; i < complex_count(op->insn); i += 2) {
		const unsigned from = pair < 0 ? i : 2 * (unsigned)pair;
		uint64_t by[2] = {a64_fp_lane(&b, size, from), a64_fp_lane(&b, size, from + 1)};
		const uint64_t factor = a64_fp_lane(&a, size, i + (rot & 1));
		by[rot & 1 ? 1 : 0] ^= rot == 1 || rot == 2 ? sign : 0;
		by[rot & 1 ? 0 : 1] ^= rot >= 2 ? sign : 0;
		for (unsigned k = 0; k < 2; k++)
			a64_fp_put_lane(&r, size, i + k,
					a64_fp_muladd(&f, size, a64_fp_lane(&r, size, i + k), factor, by[k ^ (rot & 1)]));
	}
	if (!(op->insn >> 30 & 1))
		r.u64[1] = 0;
	c->v[op->rd] = r.v;
	a64_fp_end(c, &f);
}
static A64_HANDLER(fcmla)
{
	a64_fp_check(c, op);
	multiply(c, op, op->insn >> 11 & 3, -1);
	return A64_NEXT(op);
}
static A64_HANDLER(fcmla_e)
{
	const unsigned h = op->insn >> 11 & 1, l = op->insn >> 21 & 1;
	a64_fp_check(c, op);
	multiply(c, op, op->insn >> 13 & 3, (int)(complex_size(op->insn) == 2 ? h << 1 | l : h));
	return A64_NEXT(op);
}
/* FCADD: Rm turned by a quarter or three */
static void add(struct a64_cpu *c, const struct a64_op *op)
{
	const unsigned size = complex_size(op->insn), three = op->insn >> 12 & 1;
	const uint64_t sign = a64_fp_sign(size);
	const union a64_lanes a = a64_lanes(c, op->rn), b = a64_lanes(c, op->rm);
	union a64_lanes r = {.u64 = {0, 0}};
	struct a64_fp f;
	a64_fp_begin(&f, c);
	for (unsigned i = 0; i < complex_count(op->insn); i += 2) {
		const uint64_t real = a64_fp_lane(&b, size, i + 1) ^ (three ? 0 : sign);
		const uint64_t imaginary = a64_fp_lane(&b, size, i) ^ (three ? sign : 0);
		a64_fp_put_lane(&r, size, i, a64_fp_add(&f, size, a64_fp_lane(&a, size, i), real));
		a64_fp_put_lane(&r, size, i + 1, a64_fp_add(&f, size, a64_fp_lane(&a, size, i + 1), imaginary));
	}
	c->v[op->rd] = r.v;
	a64_fp_end(c, &f);
}
static A64_HANDLER(fcadd)
{
	a64_fp_check(c, op);
	add(c, op);
	return A64_NEXT(op);
}

/* ------ rows ------ */

static bool fixed_half(uint32_t insn)
{
	return A64_BITS(insn, 22, 20) == 1;
}
static bool fixed_sd(uint32_t insn)
{
	const unsigned immh = (unsigned)A64_BITS(insn, 22, 19);
	return immh >= 8 ? a64_scalar(insn) || insn >> 30 & 1 : immh >= 4;
}
static bool complex_half(uint32_t insn)
{
	return (insn >> 22 & 3) == 1;
}
static bool complex_sd(uint32_t insn)
{
	const unsigned size = insn >> 22 & 3;
	return size == 2 || (size == 3 && insn >> 30 & 1);
}
static bool complex_half_e(uint32_t insn)
{
	return complex_half(insn) && (insn >> 30 & 1 || !(insn >> 11 & 1));
}
static bool complex_s_e(uint32_t insn)
{
	return (insn >> 22 & 3) == 2 && insn >> 30 & 1 && !(insn >> 21 & 1);
}
#define ROW(mask, value, name, fn, feature, ok, prep) {mask, value, name, fn, A64_OPS_RAW, feature, false, ok, prep}
#define VECTOR_ROW(name, U, a, opcode)                                                                                 \
	ROW(0xbfbffc00, 0x0e200800 | (U) << 29 | (a) << 23 | (opcode) << 12, #name, NULL, A64_ALWAYS, a64_fp_sd_ok,    \
	    prep_##name##_v),                                                                                          \
		ROW(0xbffffc00, 0x0e780800 | (U) << 29 | (a) << 23 | (opcode) << 12, #name, NULL, A64_F_FP16, NULL,    \
		    prep_##name##_v),
#define SCALAR_ROW(name, U, a, opcode)                                                                                 \
	ROW(0xffbffc00, 0x5e200800 | (U) << 29 | (a) << 23 | (opcode) << 12, #name, NULL, A64_ALWAYS, NULL,            \
	    prep_##name##_v),                                                                                          \
		ROW(0xfffffc00, 0x5e780800 | (U) << 29 | (a) << 23 | (opcode) << 12, #name, NULL, A64_F_FP16, NULL,    \
		    prep_##name##_v),
#define INTEGER_ROW(name, U, a, opcode)                                                                                \
	ROW(0xbffffc00, 0x0e200800 | (U) << 29 | (a) << 23 | (opcode) << 12, #name, NULL, A64_ALWAYS, NULL,            \
	    prep_##name##_v),
#define FIXED_ROW(name, U, opcode)                                                                                     \
	ROW(0xbf80fc00, 0x0f000400 | (U) << 29 | (opcode) << 11, #name, NULL, A64_ALWAYS, fixed_sd, prep_##name##_f),  \
		ROW(0xff80fc00, 0x5f000400 | (U) << 29 | (opcode) << 11, #name, NULL, A64_ALWAYS, fixed_sd,            \
		    prep_##name##_f),                                                                                  \
		ROW(0xbf80fc00, 0x0f000400 | (U) << 29 | (opcode) << 11, #name, NULL, A64_F_FP16, fixed_half,          \
		    prep_##name##_f),                                                                                  \
		ROW(0xff80fc00, 0x5f000400 | (U) << 29 | (opcode) << 11, #name, NULL, A64_F_FP16, fixed_half,          \
		    prep_##name##_f),
static const struct a64_row rows[] = {
	BOTH(VECTOR_ROW) BOTH(SCALAR_ROW) VECTORS(VECTOR_ROW) SCALARS(SCALAR_ROW) INTEGERS(INTEGER_ROW)
	FIXED_ROW(fcvtzs, 0, 0x1f) FIXED_ROW(fcvtzu, 1, 0x1f) FIXED_ROW(scvtf, 0, 0x1c) FIXED_ROW(ucvtf, 1, 0x1c)
	ROW(0xbfbffc00, 0x0e217800, "fcvtl", fcvtl, A64_ALWAYS, NULL, NULL),
	ROW(0xbfbffc00, 0x0e216800, "fcvtn", fcvtn, A64_ALWAYS, NULL, NULL),
	ROW(0xbffffc00, 0x2e616800, "fcvtxn", fcvtxn, A64_ALWAYS, NULL, NULL),
	ROW(0xfffffc00, 0x7e616800, "fcvtxn", fcvtxn, A64_ALWAYS, NULL, NULL),
	ROW(0xbff8fc00, 0x0f00f400, "fmov", NULL, A64_ALWAYS, NULL, prep_fmov),
	ROW(0xfff8fc00, 0x6f00f400, "fmov", NULL, A64_ALWAYS, NULL, prep_fmov),
	ROW(0xbff8fc00, 0x0f00fc00, "fmov", NULL, A64_F_FP16, NULL, prep_fmov),
	ROW(0xbf20e400, 0x2e00c400, "fcmla", fcmla, A64_F_FCMA, complex_sd, NULL),
	ROW(0xbf20ec00, 0x2e00e400, "fcadd", fcadd, A64_F_FCMA, complex_sd, NULL),
	ROW(0xbf009400, 0x2f001000, "fcmla", fcmla_e, A64_F_FCMA, complex_s_e, NULL),
	/* of half precision: there is no CPU with FCMA and without FP16 */
	ROW(0xbf20e400, 0x2e00c400, "fcmla", fcmla, A64_F_FCMA, complex_half, NULL),
	ROW(0xbf20ec00, 0x2e00e400, "fcadd", fcadd, A64_F_FCMA, complex_half, NULL),
	ROW(0xbf009400, 0x2f001000, "fcmla", fcmla_e, A64_F_FCMA, complex_half_e, NULL),
};
A64_TABLE(a64_rows_fp_misc);
