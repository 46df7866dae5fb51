/* fp_same.c - floating point of two operands of one shape, and of two with the destination: scalars, vectors, by element,
 * pairwise and across a vector (Arm ARM C4.1.96 and, in C4.1.95, "three same", "vector x indexed element", "pairwise",
 * "across lanes"). */
#include <math.h>
#include "fp_estimate.h"
#include "fp_lanes.h"

/* ------ one element ------ */

#define BINARY(name)                                                                                                   \
	A64_FP_KERNEL(f##name)                                                                                         \
	{                                                                                                              \
		(void)d;                                                                                               \
		return a64_fp_##name(f, size, a, b);                                                                   \
	}
BINARY(add)
BINARY(sub)
BINARY(mul)
BINARY(nmul)
BINARY(div)
BINARY(max)
BINARY(min)
BINARY(maxnm)
BINARY(minnm)
BINARY(mulx)
BINARY(recps)
BINARY(rsqrts)

A64_FP_KERNEL(fmla)
{
	return a64_fp_muladd(f, size, d, a, b);
}
A64_FP_KERNEL(fmls)
{
	return a64_fp_muladd(f, size, d, a ^ a64_fp_sign(size), b);
}
A64_FP_KERNEL(fabd)
{
	(void)d;
	return a64_fp_sub(f, size, a, b) & ~a64_fp_sign(size);
}
/* Comparisons give all ones or zero; that for equality is quiet. */
static uint64_t order(struct a64_fp *f, unsigned size, uint64_t a, uint64_t b, bool equal, bool greater)
{
	const int how = a64_fp_compare(f, size, a, b, greater);
	return (how == SF_EQUAL && equal) || (how == SF_GREATER && greater) ? UINT64_MAX : 0;
}
#define ORDER(name, equal, greater, clear)                                                                             \
	A64_FP_KERNEL(name)                                                                                            \
	{                                                                                                              \
		const uint64_t keep = ~(clear ? a64_fp_sign(size) : 0);                                                \
		(void)d;                                                                                               \
		return order(f, size, a & keep, b & keep, equal, greater);                                             \
	}
ORDER(fcmeq, true, false, false)
ORDER(fcmge, true, true, false)
ORDER(fcmgt, false, true, false)
ORDER(facge, true, true, true)
ORDER(facgt, false, true, true)

/* ------ handlers: softfloat ------ */

#define SLOW(name, form, each)                                                                                         \
	static A64_HANDLER(name##form)                                                                                 \
	{                                                                                                              \
		a64_fp_check(c, op);                                                                                   \
		each(c, op, k_##name);                                                                                 \
		return A64_NEXT(op);                                                                                   \
	}
#define SLOW_ONLY(name)                                                                                                \
	SLOW(name, _v, a64_fp_each3)                                                                                   \
	static void prep_##name(struct a64_op *op)                                                                     \
	{                                                                                                              \
		a64_fp_shape(op);                                                                                      \
		op->fn = name##_v;                                                                                     \
	}
#define SLOW_BY(name)                                                                                                  \
	SLOW(name, _v, a64_fp_each3)                                                                                   \
	SLOW(name, _e, a64_fp_each3e)                                                                                  \
	static void prep_##name(struct a64_op *op)                                                                     \
	{                                                                                                              \
		a64_fp_shape(op);                                                                                      \
		op->fn = a64_fp_by_element(op->insn) ? name##_e : name##_v;                                            \
	}
SLOW_ONLY(fnmul)
SLOW_ONLY(fabd)
SLOW_ONLY(frecps)
SLOW_ONLY(frsqrts)
SLOW_ONLY(facge)
SLOW_ONLY(facgt)
SLOW_BY(fmulx)

/* ------ handlers: the host's unit where it may ------
 * T_name(v) is the result of x, y and z as a number, M_name(v) as bits; OK_name: a result of zero is exact, or more that
 * has to be so; EXACT_name: never inexact. */
#define HOST(name, form, B, N, type, elementary)                                                                       \
	static A64_HANDLER(name##form##B##x##N)                                                                        \
	{                                                                                                              \
		const union a64_lanes a = a64_lanes(c, op->rn), b = a64_lanes(c, op->rm), old = a64_lanes(c, op->rd);  \
		union a64_lanes r = {.u64 = {0, 0}};                                                                   \
		unsigned ok = EXACT_##name || a64_fp_host(c);                                                          \
		a64_fp_check(c, op);                                                                                   \
		for (unsigned i = 0; i < N; i++) {                                                                     \
			const type x = a.f##B[i], y = b.f##B[elementary], z = old.f##B[i];                             \
			(void)z;                                                                                       \
			ok &= a64_usual##B(x) & a64_usual##B(y);                                                       \
			E_##name(B, type);                                                                             \
		}                                                                                                      \
		if (likely(ok))                                                                                        \
			c->v[op->rd] = r.v;                                                                            \
		else                                                                                                   \
			SLOW##form(c, op, k_##name);                                                                   \
		return A64_NEXT(op);                                                                                   \
	}
#define SLOW_v a64_fp_each3
#define SLOW_e a64_fp_each3e
#define NUMBER(B, type, expression, zero)                                                                              \
	const type v = expression;                                                                                     \
	ok &= a64_good##B(v) | ((v == 0) & (zero));                                                                    \
	r.f##B[i] = v
#define E_fadd(B, type) NUMBER(B, type, x + y, 1)
#define E_fsub(B, type) NUMBER(B, type, x - y, 1)
#define E_fmul(B, type) NUMBER(B, type, x *y, (x == 0) | (y == 0))
#define E_fdiv(B, type) NUMBER(B, type, x / y, x == 0)
#define FMA32 fmaf
#define FMA64 fma
#define E_fmla(B, type) ok &= a64_usual##B(z); NUMBER(B, type, FMA##B(x, y, z), (x == 0) | (y == 0))
#define E_fmls(B, type) ok &= a64_usual##B(z); NUMBER(B, type, FMA##B(-x, y, z), (x == 0) | (y == 0))
/* Zeros have signs that a comparison does not see. */
#define EXTREME(B, relation) ok &= (x != 0) | (y != 0); r.f##B[i] = x relation y ? x : y
#define E_fmax(B, type) EXTREME(B, >)
#define E_fmin(B, type) EXTREME(B, <)
#define E_fmaxnm(B, type) EXTREME(B, >)
#define E_fminnm(B, type) EXTREME(B, <)
#define E_fcmeq(B, type) r.u##B[i] = (uint##B##_t)-(x == y)
#define E_fcmge(B, type) r.u##B[i] = (uint##B##_t)-(x >= y)
#define E_fcmgt(B, type) r.u##B[i] = (uint##B##_t)-(x > y)
enum {
	EXACT_fadd = 0, EXACT_fsub = 0, EXACT_fmul = 0, EXACT_fdiv = 0, EXACT_fmla = 0, EXACT_fmls = 0,
	EXACT_fmax = 1, EXACT_fmin = 1, EXACT_fmaxnm = 1, EXACT_fminnm = 1,
	EXACT_fcmeq = 1, EXACT_fcmge = 1, EXACT_fcmgt = 1
};
#define FORM(name, form, elementary)                                                                                   \
	SLOW(name, form, SLOW##form)                                                                                   \
	HOST(name, form, 32, 1, float, elementary)                                                                     \
	HOST(name, form, 32, 2, float, elementary)                                                                     \
	HOST(name, form, 32, 4, float, elementary)                                                                     \
	HOST(name, form, 64, 1, double, elementary)                                                                    \
	HOST(name, form, 64, 2, double, elementary)
#define CHOICE(name, form)                                                                                             \
	{name##form, NULL, NULL, NULL}, {name##form##32x1, name##form##32x2, NULL, name##form##32x4},                  \
	{                                                                                                              \
		name##form##64x1, name##form##64x2, NULL, NULL                                                         \
	}
static void choose(struct a64_op *op, const a64_fn (*f)[4])
{
	a64_fp_shape(op);
	const unsigned size = a64_fp_size(op);
	op->fn = size == 2 ? f[0][0] : f[size / 4][a64_fp_count(op) - 1];
}
#define FAST(name)                                                                                                     \
	FORM(name, _v, i)                                                                                              \
	static void prep_##name(struct a64_op *op)                                                                     \
	{                                                                                                              \
		static const a64_fn f[3][4] = {CHOICE(name, _v)};                                                      \
		choose(op, f);                                                                                         \
	}
#define FAST_BY(name)                                                                                                  \
	FORM(name, _v, i)                                                                                              \
	FORM(name, _e, op->imm >> 16)                                                                                  \
	static void prep_##name(struct a64_op *op)                                                                     \
	{                                                                                                              \
		static const a64_fn f[2][3][4] = {{CHOICE(name, _v)}, {CHOICE(name, _e)}};                             \
		choose(op, f[a64_fp_by_element(op->insn)]);                                                            \
	}
FAST(fadd)
FAST(fsub)
FAST(fdiv)
FAST(fmax)
FAST(fmin)
FAST(fmaxnm)
FAST(fminnm)
FAST(fcmeq)
FAST(fcmge)
FAST(fcmgt)
FAST_BY(fmul)
FAST_BY(fmla)
FAST_BY(fmls)

/* ------ pairwise, across ------ */

/* Halves of halves, the lower operand first (Reduce, J1.3) */
static uint64_t reduce(struct a64_fp *f, unsigned size, const union a64_lanes *v, unsigned from, unsigned n, a64_fp_kernel kernel)
{
	if (n == 1)
		return a64_fp_lane(v, size, from);
	const uint64_t low = reduce(f, size, v, from, n / 2, kernel), high = reduce(f, size, v, from + n / 2, n / 2, kernel);
	return kernel(f, size, low, high, 0);
}
static void across(struct a64_cpu *c, const struct a64_op *op, a64_fp_kernel kernel)
{
	const union a64_lanes a = a64_lanes(c, op->rn);
	struct a64_fp f;
	a64_fp_begin(&f, c);
	c->v[op->rd] = (union a64_vec){.d = {reduce(&f, a64_fp_size(op), &a, 0, a64_fp_count(op), kernel)}};
	a64_fp_end(c, &f);
}
#define PAIRS(name)                                                                                                    \
	SLOW(name, _p, a64_fp_pairs)                                                                                   \
	static void prep_##name##p(struct a64_op *op)                                                                  \
	{                                                                                                              \
		a64_fp_shape(op);                                                                                      \
		op->fn = name##_p;                                                                                     \
	}
#define ACROSS(name)                                                                                                   \
	SLOW(name, _a, across)                                                                                         \
	static void prep_##name##v(struct a64_op *op)                                                                  \
	{                                                                                                              \
		a64_fp_shape(op);                                                                                      \
		op->fn = name##_a;                                                                                     \
	}
PAIRS(fadd)
PAIRS(fmax)
PAIRS(fmin)
PAIRS(fmaxnm)
PAIRS(fminnm)
ACROSS(fmax)
ACROSS(fmin)
ACROSS(fmaxnm)
ACROSS(fminnm)

/* ------ rows ------ */

static bool ftype_sd(uint32_t insn)
{
	return !(insn >> 23 & 1);
}
static bool ftype_half(uint32_t insn)
{
	return (insn >> 22 & 3) == 3;
}
static bool by_half(uint32_t insn)
{
	return !(insn >> 22 & 3);
}
static bool by_sd(uint32_t insn)
{
	const unsigned size = insn >> 22 & 3;
	return size == 2 || (size == 3 && !(insn >> 21 & 1) && (a64_scalar(insn) || insn >> 30 & 1));
}
static bool sz_0(uint32_t insn)
{
	return !(insn >> 22 & 1) && insn >> 30 & 1;
}
#define ROW(mask, value, name, feature, ok, prep) {mask, value, name, NULL, A64_OPS_RAW, feature, false, ok, prep_##prep}
#define SCALAR(opcode, name)                                                                                           \
	ROW(0xff20fc00, 0x1e200800 | (opcode) << 12, #name, A64_ALWAYS, ftype_sd, name),                               \
		ROW(0xff20fc00, 0x1e200800 | (opcode) << 12, #name, A64_F_FP16, ftype_half, name)
/* U, the bit 23, the low three bits of the opcode */
#define SAME(U, a, op3, name)                                                                                          \
	ROW(0xbfa0fc00, 0x0e20c400 | (U) << 29 | (a) << 23 | (op3) << 11, #name, A64_ALWAYS, a64_fp_sd_ok, name),      \
		ROW(0xbfe0fc00, 0x0e400400 | (U) << 29 | (a) << 23 | (op3) << 11, #name, A64_F_FP16, NULL, name)
#define SAME_SCALAR(U, a, op3, name)                                                                                   \
	ROW(0xffa0fc00, 0x5e20c400 | (U) << 29 | (a) << 23 | (op3) << 11, #name, A64_ALWAYS, NULL, name),              \
		ROW(0xffe0fc00, 0x5e400400 | (U) << 29 | (a) << 23 | (op3) << 11, #name, A64_F_FP16, NULL, name)
#define SAME_BOTH(U, a, op3, name) SAME(U, a, op3, name), SAME_SCALAR(U, a, op3, name)
#define BY(U, opcode, name)                                                                                            \
	ROW(0xbf00f400, 0x0f000000 | (U) << 29 | (opcode) << 12, #name, A64_ALWAYS, by_sd, name),                      \
		ROW(0xff00f400, 0x5f000000 | (U) << 29 | (opcode) << 12, #name, A64_ALWAYS, by_sd, name),              \
		ROW(0xbf00f400, 0x0f000000 | (U) << 29 | (opcode) << 12, #name, A64_F_FP16, by_half, name),            \
		ROW(0xff00f400, 0x5f000000 | (U) << 29 | (opcode) << 12, #name, A64_F_FP16, by_half, name)
#define PAIR_SCALAR(a, opcode, name)                                                                                   \
	ROW(0xffbffc00, 0x7e300800 | (a) << 23 | (opcode) << 12, #name, A64_ALWAYS, NULL, name),                       \
		ROW(0xfffffc00, 0x5e300800 | (a) << 23 | (opcode) << 12, #name, A64_F_FP16, NULL, name)
#define LANES(a, opcode, name)                                                                                         \
	ROW(0xbfbffc00, 0x2e300800 | (a) << 23 | (opcode) << 12, #name, A64_ALWAYS, sz_0, name),                       \
		ROW(0xbffffc00, 0x0e300800 | (a) << 23 | (opcode) << 12, #name, A64_F_FP16, NULL, name)
static const struct a64_row rows[] = {
	SCALAR(0, fmul), SCALAR(1, fdiv), SCALAR(2, fadd), SCALAR(3, fsub), SCALAR(4, fmax), SCALAR(5, fmin), SCALAR(6, fmaxnm),
	SCALAR(7, fminnm), SCALAR(8, fnmul),
	SAME(0, 0, 0, fmaxnm), SAME(0, 0, 1, fmla), SAME(0, 0, 2, fadd), SAME_BOTH(0, 0, 3, fmulx), SAME_BOTH(0, 0, 4, fcmeq),
	SAME(0, 0, 6, fmax), SAME_BOTH(0, 0, 7, frecps),
	SAME(0, 1, 0, fminnm), SAME(0, 1, 1, fmls), SAME(0, 1, 2, fsub), SAME(0, 1, 6, fmin), SAME_BOTH(0, 1, 7, frsqrts),
	SAME(1, 0, 0, fmaxnmp), SAME(1, 0, 2, faddp), SAME(1, 0, 3, fmul), SAME_BOTH(1, 0, 4, fcmge), SAME_BOTH(1, 0, 5, facge),
	SAME(1, 0, 6, fmaxp), SAME(1, 0, 7, fdiv),
	SAME(1, 1, 0, fminnmp), SAME_BOTH(1, 1, 2, fabd), SAME_BOTH(1, 1, 4, fcmgt), SAME_BOTH(1, 1, 5, facgt), SAME(1, 1, 6, fminp),
	BY(0, 1, fmla), BY(0, 5, fmls), BY(0, 9, fmul), BY(1, 9, fmulx),
	PAIR_SCALAR(0, 0xc, fmaxnmp), PAIR_SCALAR(0, 0xd, faddp), PAIR_SCALAR(0, 0xf, fmaxp), PAIR_SCALAR(1, 0xc, fminnmp),
	PAIR_SCALAR(1, 0xf, fminp),
	LANES(0, 0xc, fmaxnmv), LANES(1, 0xc, fminnmv), LANES(0, 0xf, fmaxv), LANES(1, 0xf, fminv),
};
A64_TABLE(a64_rows_fp_same);
