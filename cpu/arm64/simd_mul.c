/* simd_mul.c - integer vector multiplications whose result has the width of its operands, and dot products (Arm ARM
 * C4.1.69: of "three same", "three same extra", "vector x indexed element"). */
#include "simd_mul.h"

/* unsigned, and wide enough for no overflow that C knows */
#define PRODUCT() ((uint64_t)x * y)
#define E_mul(B) PRODUCT()
#define E_mla(B) z + PRODUCT()
#define E_mls(B) z - PRODUCT()
#define ROUNDED(B) ((int64_t)1 << (B - 2))
/* Half the doubled product, so that nothing of 32 x 32 overflows */
#define E_sqdmulh(B) a64_ssat##B((int64_t)x *y >> (B - 1), &sat)
#define E_sqrdmulh(B) a64_ssat##B(((int64_t)x * y + ROUNDED(B)) >> (B - 1), &sat)
#define E_sqrdmlah(B) accumulated##B(z, (int64_t)x *y, &sat)
#define E_sqrdmlsh(B) accumulated##B(z, -((int64_t)x * y), &sat)
/* (z << B) + 2 xy + rounding, all halved */
#define ACCUMULATED(B)                                                                                                 \
	A64_INLINE uint##B##_t accumulated##B(int64_t z, int64_t product, unsigned *sat)                               \
	{                                                                                                              \
		__int128 sum = (__int128)z * ((int64_t)1 << (B - 1)) + product + ROUNDED(B);                           \
		int64_t r = (int64_t)(sum >> (B - 1));                                                                 \
		*sat |= r != (int##B##_t)r;                                                                            \
		return (uint##B##_t)(r > INT##B##_MAX ? INT##B##_MAX : r < INT##B##_MIN ? INT##B##_MIN : r);           \
	}
ACCUMULATED(16)
ACCUMULATED(32)

/* Carry-less, the low byte */
A64_INLINE uint8_t polynomial(uint8_t x, uint8_t y)
{
	uint8_t r = 0;
	for (unsigned i = 0; i < 8; i++)
		r ^= (uint8_t)((x << i) & -(y >> i & 1));
	return r;
}
#define E_pmul(B) polynomial(x, y)

A64_DEF_bhs(A64_OP3, mul, u) A64_DEF_bhs(A64_OP3, mla, u) A64_DEF_bhs(A64_OP3, mls, u) A64_DEF_b(A64_OP3, pmul, u)
	A64_DEF_hs(A64_OP3, sqdmulh, s) A64_DEF_hs(A64_OP3, sqrdmulh, s) A64_DEF_hs(A64_OP3, sqrdmlah, s)
		A64_DEF_hs(A64_OP3, sqrdmlsh, s)

/* ------ by an element ------ */

#define BY_ELEMENT(name, B)                                                                                            \
	static A64_HANDLER(name##_e##B)                                                                                \
	{                                                                                                              \
		struct a64_by e = a64_by_of(op);                                                                       \
		a64_fp_check(c, op);                                                                                   \
		c->v[op->rd] = a64_masked(name##B##_of(c, a64_masked(a64_lanes(c, op->rn), e.low, e.high),             \
						       a64_masked(a64_by##B(c, op, e.index), e.low, e.high),           \
						       a64_masked(a64_lanes(c, op->rd), e.low, e.high)),               \
					  e.low, e.high)                                                               \
				       .v;                                                                             \
		return A64_NEXT(op);                                                                                   \
	}
#define BY(name)                                                                                                       \
	BY_ELEMENT(name, 16)                                                                                           \
	BY_ELEMENT(name, 32)                                                                                           \
	static void prep_##name##_e(struct a64_op *op)                                                                 \
	{                                                                                                              \
		a64_by_prepare(op);                                                                                    \
		op->fn = (op->insn >> 22 & 3) == 1 ? name##_e16 : name##_e32;                                          \
	}
			BY(mul) BY(mla) BY(mls) BY(sqdmulh) BY(sqrdmulh) BY(sqrdmlah) BY(sqrdmlsh)

/* ------ dot products of four bytes ------ */

#define DOT(name, sg)                                                                                                  \
	A64_INLINE union a64_lanes name##_of(union a64_lanes a, union a64_lanes b, union a64_lanes d)                  \
	{                                                                                                              \
		for (unsigned i = 0; i < 16; i++)                                                                      \
			d.u32[i / 4] += (uint32_t)(a.sg##8 [i] * b.sg##8 [i]);                                         \
		return d;                                                                                              \
	}                                                                                                              \
	static A64_HANDLER(name)                                                                                       \
	{                                                                                                              \
		uint64_t high = op->insn >> 30 & 1 ? UINT64_MAX : 0;                                                   \
		a64_fp_check(c, op);                                                                                   \
		c->v[op->rd] = a64_masked(name##_of(a64_lanes(c, op->rn), a64_lanes(c, op->rm), a64_lanes(c, op->rd)), \
					  UINT64_MAX, high)                                                            \
				       .v;                                                                             \
		return A64_NEXT(op);                                                                                   \
	}                                                                                                              \
	static A64_HANDLER(name##_e32)                                                                                 \
	{                                                                                                              \
		struct a64_by e = a64_by_of(op);                                                                       \
		a64_fp_check(c, op);                                                                                   \
		c->v[op->rd] =                                                                                         \
			a64_masked(name##_of(a64_lanes(c, op->rn), a64_by32(c, op, e.index), a64_lanes(c, op->rd)),    \
				   e.low, e.high)                                                                      \
				.v;                                                                                    \
		return A64_NEXT(op);                                                                                   \
	}                                                                                                              \
	static void prep_##name##_e(struct a64_op *op)                                                                 \
	{                                                                                                              \
		a64_by_prepare(op);                                                                                    \
		op->fn = name##_e32;                                                                                   \
	}
				DOT(sdot, s) DOT(udot, u)

#define SAME(name, U, opcode, ok) A64_SIMD_ROW(0xbf20fc00, 0x0e200400 | U << 29 | opcode << 11, name, A64_ALWAYS, ok),
#define SAME_SCALAR(name, U, opcode)                                                                                   \
	A64_SIMD_ROW(0xff20fc00, 0x5e200400 | U << 29 | opcode << 11, name, A64_ALWAYS, ok_hs),
#define EXTRA(name, mask, value) A64_SIMD_ROW(mask, value, name, A64_F_RDM, ok_hs),
#define ELEMENT(name, U, opcode, feature) A64_BY_ROW(name, 0x0f000000, U, opcode, feature, ok_hs),
#define SCALAR_ELEMENT(name, U, opcode, feature) A64_BY_ROW(name, 0x5f000000, U, opcode, feature, ok_hs),
	/* clang-format off */
static const struct a64_row rows[] = {
	SAME(mla, 0, 0x12, ok_bhs) SAME(mls, 1, 0x12, ok_bhs) SAME(mul, 0, 0x13, ok_bhs) SAME(pmul, 1, 0x13, ok_b)
	SAME(sqdmulh, 0, 0x16, ok_hs) SAME(sqrdmulh, 1, 0x16, ok_hs)
	SAME_SCALAR(sqdmulh, 0, 0x16) SAME_SCALAR(sqrdmulh, 1, 0x16)
	EXTRA(sqrdmlah, 0xbf20fc00, 0x2e008400) EXTRA(sqrdmlsh, 0xbf20fc00, 0x2e008c00)
	EXTRA(sqrdmlah, 0xff20fc00, 0x7e008400) EXTRA(sqrdmlsh, 0xff20fc00, 0x7e008c00)
	{0xbfe0fc00, 0x0e809400, "sdot", sdot, A64_OPS_RAW, A64_F_DP, false, NULL, NULL},
	{0xbfe0fc00, 0x2e809400, "udot", udot, A64_OPS_RAW, A64_F_DP, false, NULL, NULL},
	ELEMENT(mla, 1, 0x0, A64_ALWAYS) ELEMENT(mls, 1, 0x4, A64_ALWAYS) ELEMENT(mul, 0, 0x8, A64_ALWAYS)
	ELEMENT(sqdmulh, 0, 0xc, A64_ALWAYS) ELEMENT(sqrdmulh, 0, 0xd, A64_ALWAYS)
	ELEMENT(sqrdmlah, 1, 0xd, A64_F_RDM) ELEMENT(sqrdmlsh, 1, 0xf, A64_F_RDM)
	SCALAR_ELEMENT(sqdmulh, 0, 0xc, A64_ALWAYS) SCALAR_ELEMENT(sqrdmulh, 0, 0xd, A64_ALWAYS)
	SCALAR_ELEMENT(sqrdmlah, 1, 0xd, A64_F_RDM) SCALAR_ELEMENT(sqrdmlsh, 1, 0xf, A64_F_RDM)
	{0xbfc0f400, 0x0f80e000, "sdot", NULL, A64_OPS_RAW, A64_F_DP, false, NULL, prep_sdot_e},
	{0xbfc0f400, 0x2f80e000, "udot", NULL, A64_OPS_RAW, A64_F_DP, false, NULL, prep_udot_e},
};
/* clang-format on */
A64_TABLE(a64_rows_simd_mul);
