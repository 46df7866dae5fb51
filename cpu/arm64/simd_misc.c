/* simd_misc.c - integer vector instructions of one source, and across all elements of a vector (Arm ARM C4.1.69:
 * "two-register miscellaneous", "across lanes"). */
#include "simd.h"

/* ------ element by element: x of Rn, z of Rd ------ */

#define LEADING(B)                                                                                                     \
	A64_INLINE unsigned leading##B(uint##B##_t v)                                                                  \
	{                                                                                                              \
		return v ? (unsigned)__builtin_clz(v) - (32 - B) : B;                                                  \
	}
LEADING(8)
LEADING(16)
LEADING(32)
A64_INLINE uint8_t ones(uint8_t v)
{
	v = (uint8_t)(v - (v >> 1 & 0x55));
	v = (uint8_t)((v & 0x33) + (v >> 2 & 0x33));
	return (v + (v >> 4)) & 15;
}
A64_INLINE uint8_t turned(uint8_t v)
{
	v = (uint8_t)((v & 0x55) << 1 | (v >> 1 & 0x55));
	v = (uint8_t)((v & 0x33) << 2 | (v >> 2 & 0x33));
	return (uint8_t)(v << 4 | v >> 4);
}
#define E_suqadd(B) a64_ssat##B((a64_w##B)z + (a64_u##B)x, &sat)
#define E_usqadd(B) a64_usat##B((a64_w##B)z + (a64_s##B)x, &sat)
#define E_cls(B) leading##B((a64_u##B)(x ^ x >> (B - 1))) - 1
#define E_clz(B) leading##B(x)
#define E_cnt(B) ones(x)
#define E_not(B) ~x
#define E_rbit(B) turned(x)
#define E_sqabs(B) a64_ssat##B(x < 0 ? -(a64_w##B)x : x, &sat)
#define E_sqneg(B) a64_ssat##B(-(a64_w##B)x, &sat)
#define E_abs(B) x < 0 ? 0 - (a64_u##B)x : (a64_u##B)x
#define E_neg(B) 0 - x
#define E_cmgt(B) x > 0 ? -1 : 0
#define E_cmge(B) x >= 0 ? -1 : 0
#define E_cmeq(B) x == 0 ? -1 : 0
#define E_cmle(B) x <= 0 ? -1 : 0
#define E_cmlt(B) x < 0 ? -1 : 0
/* X(name, U, opcode, sign, sizes) */
#define ONE(X)                                                                                                         \
	X(suqadd, 0, 0x03, s, any)                                                                                     \
	X(usqadd, 1, 0x03, u, any) X(cls, 0, 0x04, s, bhs) X(clz, 1, 0x04, u, bhs) X(cnt, 0, 0x05, u, b)               \
		X(not, 1, 0x05, u, b) X(sqabs, 0, 0x07, s, any) X(sqneg, 1, 0x07, s, any) X(cmgt, 0, 0x08, s, any)     \
			X(cmge, 1, 0x08, s, any) X(cmeq, 0, 0x09, s, any) X(cmle, 1, 0x09, s, any)                     \
				X(cmlt, 0, 0x0a, s, any) X(abs, 0, 0x0b, s, any) X(neg, 1, 0x0b, u, any)
/* X(name, U, opcode, sizes) */
#define ONE_SCALAR(X)                                                                                                  \
	X(suqadd, 0, 0x03, NULL)                                                                                       \
	X(usqadd, 1, 0x03, NULL) X(sqabs, 0, 0x07, NULL) X(sqneg, 1, 0x07, NULL) X(cmgt, 0, 0x08, ok_d)                \
		X(cmge, 1, 0x08, ok_d) X(cmeq, 0, 0x09, ok_d) X(cmle, 1, 0x09, ok_d) X(cmlt, 0, 0x0a, ok_d)            \
			X(abs, 0, 0x0b, ok_d) X(neg, 1, 0x0b, ok_d)
#define DEFINE_ONE(name, U, opcode, sg, sizes) A64_DEF_##sizes(A64_OP3, name, sg)
ONE(DEFINE_ONE)
A64_DEF_b(A64_OP3, rbit, u)

/* ------ elements in reverse order, in containers of C bits ------ */

#define REVERSE(name, B, sg)                                                                                           \
	A64_INLINE union a64_lanes name##B##_of(struct a64_cpu *c, union a64_lanes a, union a64_lanes b,               \
						union a64_lanes d)                                                     \
	{                                                                                                              \
		union a64_lanes r;                                                                                     \
		(void)c, (void)b, (void)d;                                                                             \
		for (unsigned i = 0; i < 128 / B; i++)                                                                 \
			r.u##B[i] = a.u##B[i ^ (C_##name / B - 1)];                                                    \
		return r;                                                                                              \
	}                                                                                                              \
	A64_HANDLERS3(name, B)
#define C_rev64 64
#define C_rev32 32
#define C_rev16 16
	A64_DEF_bhs(REVERSE, rev64, u) A64_DEF_bh(REVERSE, rev32, u) A64_DEF_b(REVERSE, rev16, u)

/* ------ sums of neighbours, twice as wide: x has both, B is the sum's width ------ */

#define LOW_S(B) ((a64_s##B)((a64_u##B)x << B / 2) >> B / 2)
#define LOW_U(B) (x & (UINT##B##_MAX >> B / 2))
#define E_saddlp(B) LOW_S(B) + (x >> B / 2)
#define E_uaddlp(B) LOW_U(B) + (x >> B / 2)
#define E_sadalp(B) (a64_u##B) z + (a64_u##B)(LOW_S(B) + (x >> B / 2))
#define E_uadalp(B) z + LOW_U(B) + (x >> B / 2)
#define NEIGHBOURS(name, sg)                                                                                           \
	A64_OP3(name, 16, sg)                                                                                          \
	A64_OP3(name, 32, sg)                                                                                          \
	A64_OP3(name, 64, sg)                                                                                          \
	static void prep_##name(struct a64_op *op)                                                                     \
	{                                                                                                              \
		static const a64_fn f[3][2] = {A64_FN2(name, 16), A64_FN2(name, 32), A64_FN2(name, 64)};               \
		a64_simd_choose(op, f, op->insn >> 22 & 3);                                                            \
	}
		NEIGHBOURS(saddlp, s) NEIGHBOURS(uaddlp, u) NEIGHBOURS(sadalp, s) NEIGHBOURS(uadalp, u)

/* ------ across lanes: r is the result so far, D its width ------ */

#define ACROSS_N(name, B, D, sg, suffix, BITS)                                                                         \
	static A64_HANDLER(name##B##suffix)                                                                            \
	{                                                                                                              \
		union a64_lanes a = a64_lanes(c, op->rn);                                                              \
		a64_fp_check(c, op);                                                                                   \
		a64_##sg##D r = a.sg##B[0];                                                                            \
		for (unsigned i = 1; i < BITS / B; i++) {                                                              \
			const a64_##sg##D x = a.sg##B[i];                                                              \
			r = (a64_##sg##D)(E_##name(B));                                                                \
		}                                                                                                      \
		c->v[op->rd] = (union a64_vec){.d = {(uint##D##_t)r}};                                                 \
		return A64_NEXT(op);                                                                                   \
	}
#define ACROSS(name, B, D, sg) ACROSS_N(name, B, D, sg, _q, 128) ACROSS_N(name, B, D, sg, _m, 64)
#define E_addv(B) r + x
#define E_saddlv(B) r + x
#define E_uaddlv(B) r + x
#define E_smaxv(B) r > x ? r : x
#define E_umaxv(B) r > x ? r : x
#define E_sminv(B) r < x ? r : x
#define E_uminv(B) r < x ? r : x
#define SAME_WIDTH(name, sg) ACROSS(name, 8, 8, sg) ACROSS(name, 16, 16, sg) ACROSS(name, 32, 32, sg) A64_PREP_bhs(name)
#define LONG(name, sg) ACROSS(name, 8, 16, sg) ACROSS(name, 16, 32, sg) ACROSS(name, 32, 64, sg) A64_PREP_bhs(name)
			SAME_WIDTH(addv, u) SAME_WIDTH(smaxv, s) SAME_WIDTH(umaxv, u) SAME_WIDTH(sminv, s)
				SAME_WIDTH(uminv, u) LONG(saddlv, s) LONG(uaddlv, u)
	/* not of two */
	static bool ok_across(uint32_t insn)
{
	return (insn >> 22 & 3) < 2 || ((insn >> 22 & 3) == 2 && insn >> 30 & 1);
}

#define ROW(name, U, opcode, ok) A64_SIMD_ROW(0xbf3ffc00, 0x0e200800 | U << 29 | opcode << 12, name, A64_ALWAYS, ok),
#define SCALAR(name, U, opcode, ok) A64_SIMD_ROW(0xff3ffc00, 0x5e200800 | U << 29 | opcode << 12, name, A64_ALWAYS, ok),
#define ONE_ROW(name, U, opcode, sg, sizes) ROW(name, U, opcode, ok_##sizes)
#define ACROSS_ROW(name, U, opcode)                                                                                    \
	A64_SIMD_ROW(0xbf3ffc00, 0x0e300800 | U << 29 | opcode << 12, name, A64_ALWAYS, ok_across),
/* clang-format off */
static const struct a64_row rows[] = {
	ONE(ONE_ROW)
	ONE_SCALAR(SCALAR)
	A64_SIMD_ROW(0xbffffc00, 0x2e605800, rbit, A64_ALWAYS, NULL),
	ROW(rev64, 0, 0x00, ok_bhs) ROW(rev32, 1, 0x00, ok_bh) ROW(rev16, 0, 0x01, ok_b)
	ROW(saddlp, 0, 0x02, ok_bhs) ROW(uaddlp, 1, 0x02, ok_bhs) ROW(sadalp, 0, 0x06, ok_bhs) ROW(uadalp, 1, 0x06, ok_bhs)
	ACROSS_ROW(saddlv, 0, 0x03) ACROSS_ROW(uaddlv, 1, 0x03) ACROSS_ROW(smaxv, 0, 0x0a) ACROSS_ROW(umaxv, 1, 0x0a)
	ACROSS_ROW(sminv, 0, 0x1a) ACROSS_ROW(uminv, 1, 0x1a) ACROSS_ROW(addv, 0, 0x1b)
};
/* clang-format on */
A64_TABLE(a64_rows_simd_misc);
