/* simd_same.c - integer vector instructions of three registers of the same shape but for multiplications (Arm ARM
 * C4.1.69, "three same"). */
#include "simd.h"

/* ------ shifts by register ------
 * The low byte of y is the count, negative is to the right. Counts beyond the element are cut where all bits are gone.
 */
#define SHIFT(B, wide, CUT)                                                                                            \
	A64_INLINE wide shifted##B(wide x, int8_t n, bool round)                                                       \
	{                                                                                                              \
		if (n >= 0)                                                                                            \
			return n < B ? (wide)((unsigned wide)x << n) : 0;                                              \
		int right = -n > CUT ? CUT : -n;                                                                       \
		return (x + (round ? (wide)1 << (right - 1) : 0)) >> right;                                            \
	}                                                                                                              \
	A64_INLINE uint##B##_t sshift_sat##B(wide x, int8_t n, bool round, unsigned *sat)                              \
	{                                                                                                              \
		const wide max = INT##B##_MAX, min = INT##B##_MIN;                                                     \
		wide r = n >= B ? (x > 0 ? max + 1 : x < 0 ? min - 1 : 0) : shifted##B(x, n, round);                   \
		wide cut = r > max ? max : r < min ? min : r;                                                          \
		*sat |= cut != r;                                                                                      \
		return (uint##B##_t)cut;                                                                               \
	}                                                                                                              \
	A64_INLINE uint##B##_t ushift_sat##B(wide x, int8_t n, bool round, unsigned *sat)                              \
	{                                                                                                              \
		const wide max = UINT##B##_MAX;                                                                        \
		wide r = n >= B ? (x > 0 ? max + 1 : 0) : shifted##B(x, n, round);                                     \
		wide cut = r > max ? max : r;                                                                          \
		*sat |= cut != r;                                                                                      \
		return (uint##B##_t)cut;                                                                               \
	}
SHIFT(8, long long, 40)
SHIFT(16, long long, 40)
SHIFT(32, long long, 40)
SHIFT(64, __int128, 100)

#define E_sshl(B) shifted##B(x, (int8_t)y, false)
#define E_ushl(B) shifted##B(x, (int8_t)y, false)
#define E_srshl(B) shifted##B(x, (int8_t)y, true)
#define E_urshl(B) shifted##B(x, (int8_t)y, true)
#define E_sqshl(B) sshift_sat##B(x, (int8_t)y, false, &sat)
#define E_uqshl(B) ushift_sat##B(x, (int8_t)y, false, &sat)
#define E_sqrshl(B) sshift_sat##B(x, (int8_t)y, true, &sat)
#define E_uqrshl(B) ushift_sat##B(x, (int8_t)y, true, &sat)

/* ------ sums, comparisons ------ */

#define E_shadd(B) ((a64_w##B)x + y) >> 1
#define E_uhadd(B) ((a64_w##B)x + y) >> 1
#define E_srhadd(B) ((a64_w##B)x + y + 1) >> 1
#define E_urhadd(B) ((a64_w##B)x + y + 1) >> 1
#define E_shsub(B) ((a64_w##B)x - y) >> 1
#define E_uhsub(B) ((a64_w##B)x - y) >> 1
#define E_sqadd(B) a64_ssat##B((a64_w##B)x + y, &sat)
#define E_uqadd(B) a64_usat##B((a64_w##B)x + y, &sat)
#define E_sqsub(B) a64_ssat##B((a64_w##B)x - y, &sat)
#define E_uqsub(B) a64_usat##B((a64_w##B)x - y, &sat)
#define E_cmgt(B) x > y ? -1 : 0
#define E_cmhi(B) x > y ? -1 : 0
#define E_cmge(B) x >= y ? -1 : 0
#define E_cmhs(B) x >= y ? -1 : 0
#define E_cmeq(B) x == y ? -1 : 0
#define E_cmtst(B) (x & y) != 0 ? -1 : 0
#define E_smax(B) x > y ? x : y
#define E_umax(B) x > y ? x : y
#define E_smin(B) x < y ? x : y
#define E_umin(B) x < y ? x : y
#define DISTANCE(B) (x > y ? (a64_u##B)x - (a64_u##B)y : (a64_u##B)y - (a64_u##B)x)
#define E_sabd(B) DISTANCE(B)
#define E_uabd(B) DISTANCE(B)
#define E_saba(B) (a64_u##B) z + DISTANCE(B)
#define E_uaba(B) (a64_u##B) z + DISTANCE(B)
#define E_add(B) x + y
#define E_sub(B) x - y

/* X(name, U, opcode, sign, sizes) */
#define SAME(X)                                                                                                        \
	X(shadd, 0, 0x00, s, bhs)                                                                                      \
	X(uhadd, 1, 0x00, u, bhs) X(sqadd, 0, 0x01, s, any) X(uqadd, 1, 0x01, u, any) X(srhadd, 0, 0x02, s, bhs) X(    \
		urhadd, 1, 0x02, u, bhs) X(shsub, 0, 0x04, s, bhs) X(uhsub, 1, 0x04, u, bhs) X(sqsub, 0, 0x05, s, any) \
		X(uqsub, 1, 0x05, u, any) X(cmgt, 0, 0x06, s, any) X(cmhi, 1, 0x06, u, any) X(cmge, 0, 0x07, s, any)   \
			X(cmhs, 1, 0x07, u, any) X(sshl, 0, 0x08, s, any) X(ushl, 1, 0x08, u, any)                     \
				X(sqshl, 0, 0x09, s, any) X(uqshl, 1, 0x09, u, any) X(srshl, 0, 0x0a, s, any) X(       \
					urshl, 1, 0x0a, u, any) X(sqrshl, 0, 0x0b, s, any) X(uqrshl, 1, 0x0b, u, any)  \
					X(smax, 0, 0x0c, s, bhs) X(umax, 1, 0x0c, u, bhs) X(smin, 0, 0x0d, s, bhs)     \
						X(umin, 1, 0x0d, u, bhs) X(sabd, 0, 0x0e, s, bhs)                      \
							X(uabd, 1, 0x0e, u, bhs) X(saba, 0, 0x0f, s, bhs)              \
								X(uaba, 1, 0x0f, u, bhs) X(add, 0, 0x10, u, any)       \
									X(sub, 1, 0x10, u, any)                        \
										X(cmtst, 0, 0x11, u, any)              \
											X(cmeq, 1, 0x11, u, any)
/* X(name, U, opcode, sizes) */
#define SCALAR_SAME(X)                                                                                                 \
	X(sqadd, 0, 0x01, NULL)                                                                                        \
	X(uqadd, 1, 0x01, NULL) X(sqsub, 0, 0x05, NULL) X(uqsub, 1, 0x05, NULL) X(cmgt, 0, 0x06, ok_d)                 \
		X(cmhi, 1, 0x06, ok_d) X(cmge, 0, 0x07, ok_d) X(cmhs, 1, 0x07, ok_d) X(sshl, 0, 0x08, ok_d)            \
			X(ushl, 1, 0x08, ok_d) X(sqshl, 0, 0x09, NULL) X(uqshl, 1, 0x09, NULL) X(srshl, 0, 0x0a, ok_d) \
				X(urshl, 1, 0x0a, ok_d) X(sqrshl, 0, 0x0b, NULL) X(uqrshl, 1, 0x0b, NULL)              \
					X(add, 0, 0x10, ok_d) X(sub, 1, 0x10, ok_d) X(cmtst, 0, 0x11, ok_d)            \
						X(cmeq, 1, 0x11, ok_d)
#define DEFINE(name, U, opcode, sg, sizes) A64_DEF_##sizes(A64_OP3, name, sg)
SAME(DEFINE)

/* ------ logical ------ */

#define E_and(B) x &y
#define E_bic(B) x & ~y
#define E_orr(B) x | y
#define E_orn(B) x | ~y
#define E_eor(B) x ^ y
#define E_bsl(B) (x & z) | (y & ~z)
#define E_bit(B) (x & y) | (z & ~y)
#define E_bif(B) (x & ~y) | (z & y)
/* X(name, U, size) */
#define LOGICAL(X)                                                                                                     \
	X(and, 0, 0) X(bic, 0, 1) X(orr, 0, 2) X(orn, 0, 3) X(eor, 1, 0) X(bsl, 1, 1) X(bit, 1, 2) X(bif, 1, 3)
static A64_HANDLER(mov_q)
{
	a64_fp_check(c, op);
	c->v[op->rd] = c->v[op->rn];
	return A64_NEXT(op);
}
#define DEFINE_LOGICAL(name, U, size)                                                                                  \
	A64_OP3(name, 64, u)                                                                                           \
	static void prep_##name(struct a64_op *op)                                                                     \
	{                                                                                                              \
		static const a64_fn f[1][2] = {A64_FN2(name, 64)};                                                     \
		a64_simd_choose(op, f, 0);                                                                             \
		if (op->fn == orr64_q && op->rn == op->rm)                                                             \
			op->fn = mov_q;                                                                                \
	}
static A64_HANDLER(orr64_q);
LOGICAL(DEFINE_LOGICAL)

/* ------ pairwise ------
 * Pairs of Rn, then those of Rm; of 64-bit vectors both are one of 128 bits. */
#define PAIRWISE(name, B, sg)                                                                                          \
	A64_INLINE union a64_lanes name##B##_of(union a64_lanes a, union a64_lanes b)                                  \
	{                                                                                                              \
		union a64_lanes r;                                                                                     \
		for (unsigned i = 0; i < 64 / B; i++) {                                                                \
			const a64_##sg##B x = a.sg##B[2 * i], y = a.sg##B[2 * i + 1];                                  \
			r.u##B[i] = (uint##B##_t)(E_##name(B));                                                        \
		}                                                                                                      \
		for (unsigned i = 0; i < 64 / B; i++) {                                                                \
			const a64_##sg##B x = b.sg##B[2 * i], y = b.sg##B[2 * i + 1];                                  \
			r.u##B[64 / B + i] = (uint##B##_t)(E_##name(B));                                               \
		}                                                                                                      \
		return r;                                                                                              \
	}                                                                                                              \
	static A64_HANDLER(name##B##_q)                                                                                \
	{                                                                                                              \
		a64_fp_check(c, op);                                                                                   \
		c->v[op->rd] = name##B##_of(a64_lanes(c, op->rn), a64_lanes(c, op->rm)).v;                             \
		return A64_NEXT(op);                                                                                   \
	}                                                                                                              \
	static A64_HANDLER(name##B##_m)                                                                                \
	{                                                                                                              \
		union a64_lanes both = {.u64 = {c->v[op->rn].d[0], c->v[op->rm].d[0]}};                                \
		a64_fp_check(c, op);                                                                                   \
		c->v[op->rd] = a64_masked(name##B##_of(both, both), op->imm, 0).v;                                     \
		return A64_NEXT(op);                                                                                   \
	}
#define E_smaxp(B) E_smax(B)
#define E_umaxp(B) E_umax(B)
#define E_sminp(B) E_smin(B)
#define E_uminp(B) E_umin(B)
#define E_addp(B) E_add(B)
A64_DEF_bhs(PAIRWISE, smaxp, s) A64_DEF_bhs(PAIRWISE, umaxp, u) A64_DEF_bhs(PAIRWISE, sminp, s)
	A64_DEF_bhs(PAIRWISE, uminp, u) A64_DEF_any(PAIRWISE, addp, u)

		static A64_HANDLER(addp_scalar)
{
	a64_fp_check(c, op);
	c->v[op->rd] = (union a64_vec){.d = {c->v[op->rn].d[0] + c->v[op->rn].d[1]}};
	return A64_NEXT(op);
}

#define ROW(name, U, opcode, ok) A64_SIMD_ROW(0xbf20fc00, 0x0e200400 | U << 29 | opcode << 11, name, A64_ALWAYS, ok),
#define SAME_ROW(name, U, opcode, sg, sizes) ROW(name, U, opcode, ok_##sizes)
#define SCALAR_ROW(name, U, opcode, ok)                                                                                \
	A64_SIMD_ROW(0xff20fc00, 0x5e200400 | U << 29 | opcode << 11, name, A64_ALWAYS, ok),
#define LOGICAL_ROW(name, U, size) A64_SIMD_ROW(0xbfe0fc00, 0x0e201c00 | U << 29 | size << 22, name, A64_ALWAYS, NULL),
static const struct a64_row rows[] = {
	SAME(SAME_ROW) SCALAR_SAME(SCALAR_ROW) LOGICAL(LOGICAL_ROW) ROW(smaxp, 0, 0x14, ok_bhs)
		ROW(umaxp, 1, 0x14, ok_bhs) ROW(sminp, 0, 0x15, ok_bhs) ROW(uminp, 1, 0x15, ok_bhs)
			ROW(addp, 0, 0x17, ok_any){0xfffffc00, 0x5ef1b800, "addp", addp_scalar, A64_OPS_RAW, A64_ALWAYS,
						   false, NULL, NULL},
};
A64_TABLE(a64_rows_simd_same);
