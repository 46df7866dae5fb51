/* simd_long.c - integer vector instructions whose operands and results differ in width (Arm ARM C4.1.69: "three
 * different", and the same by an element). */
#include "simd_mul.h"

/* ------ long: x and y have B bits, z and the result D; the second half of Rn and Rm with bit 30 (imm) ------ */

#define LONG_OF(name, B, D, sg)                                                                                        \
	A64_INLINE union a64_lanes name##B##_of(struct a64_cpu *c, uint64_t n, uint64_t m, union a64_lanes d)          \
	{                                                                                                              \
		union a64_lanes a = {.u64 = {n}}, b = {.u64 = {m}}, r;                                                 \
		unsigned sat = 0;                                                                                      \
		for (unsigned i = 0; i < 64 / B; i++) {                                                                \
			const a64_##sg##D x = a.sg##B[i], y = b.sg##B[i], z = d.sg##D[i];                              \
			(void)z;                                                                                       \
			r.u##D[i] = (uint##D##_t)(E_##name(D));                                                        \
		}                                                                                                      \
		a64_saturated(c, sat);                                                                                 \
		return r;                                                                                              \
	}                                                                                                              \
	static A64_HANDLER(name##B##_v)                                                                                \
	{                                                                                                              \
		a64_fp_check(c, op);                                                                                   \
		c->v[op->rd] =                                                                                         \
			name##B##_of(c, c->v[op->rn].d[op->imm], c->v[op->rm].d[op->imm], a64_lanes(c, op->rd)).v;     \
		return A64_NEXT(op);                                                                                   \
	}
#define LONG_SCALAR(name, B, D)                                                                                        \
	static A64_HANDLER(name##B##_s)                                                                                \
	{                                                                                                              \
		const uint64_t in = a64_element_mask(B / 16), out = a64_element_mask(B / 8 - B / 32);                  \
		a64_fp_check(c, op);                                                                                   \
		c->v[op->rd] = a64_masked(name##B##_of(c, c->v[op->rn].d[0] & in, c->v[op->rm].d[0] & in,              \
						       a64_masked(a64_lanes(c, op->rd), out, 0)),                      \
					  out, 0)                                                                      \
				       .v;                                                                             \
		return A64_NEXT(op);                                                                                   \
	}
#define LONG_ELEMENT(name, B, D)                                                                                       \
	static A64_HANDLER(name##_e##B)                                                                                \
	{                                                                                                              \
		struct a64_by e = a64_by_of(op);                                                                       \
		uint64_t n = c->v[op->rn].d[op->imm >> 4 & 1], m = a64_by##B(c, op, e.index).u64[0];                   \
		a64_fp_check(c, op);                                                                                   \
		c->v[op->rd] = name##B##_of(c, n, m, a64_lanes(c, op->rd)).v;                                          \
		return A64_NEXT(op);                                                                                   \
	}
#define LONG_SCALAR_ELEMENT(name, B, D)                                                                                \
	static A64_HANDLER(name##_se##B)                                                                               \
	{                                                                                                              \
		struct a64_by e = a64_by_of(op);                                                                       \
		const uint64_t out = a64_element_mask(B / 8 - B / 32);                                                 \
		uint64_t n = c->v[op->rn].d[0] & e.low, m = a64_by##B(c, op, e.index).u64[0] & e.low;                  \
		a64_fp_check(c, op);                                                                                   \
		c->v[op->rd] = a64_masked(name##B##_of(c, n, m, a64_masked(a64_lanes(c, op->rd), out, 0)), out, 0).v;  \
		return A64_NEXT(op);                                                                                   \
	}

#define DIFFERENCE(D) (x > y ? (a64_u##D)x - (a64_u##D)y : (a64_u##D)y - (a64_u##D)x)
#define E_saddl(D) x + y
#define E_uaddl(D) x + y
#define E_ssubl(D) x - y
#define E_usubl(D) x - y
#define E_sabdl(D) DIFFERENCE(D)
#define E_uabdl(D) DIFFERENCE(D)
#define E_sabal(D) (a64_u##D) z + DIFFERENCE(D)
#define E_uabal(D) z + DIFFERENCE(D)
#define E_smull(D) (int64_t) x *y
#define E_umull(D) (uint64_t) x *y
#define E_smlal(D) (uint64_t) z + (uint64_t)((int64_t)x * y)
#define E_umlal(D) z + (uint64_t)x *y
#define E_smlsl(D) (uint64_t) z - (uint64_t)((int64_t)x * y)
#define E_umlsl(D) z - (uint64_t)x *y
/* The doubled product saturates first, and the sum again. */
#define DOUBLED(D) (int##D##_t) a64_ssat##D((a64_w##D)2 * ((int64_t)x * y), &sat)
#define E_sqdmull(D) DOUBLED(D)
#define E_sqdmlal(D) sum##D(z, DOUBLED(D), &sat)
#define E_sqdmlsl(D) difference##D(z, DOUBLED(D), &sat)
#define SUMS(D)                                                                                                        \
	A64_INLINE uint##D##_t sum##D(a64_w##D z, int##D##_t v, unsigned *sat)                                         \
	{                                                                                                              \
		return a64_ssat##D(z + v, sat);                                                                        \
	}                                                                                                              \
	A64_INLINE uint##D##_t difference##D(a64_w##D z, int##D##_t v, unsigned *sat)                                  \
	{                                                                                                              \
		return a64_ssat##D(z - v, sat);                                                                        \
	}
SUMS(32)
SUMS(64)

static void choose(struct a64_op *op, const a64_fn *f)
{
	op->fn = f[op->insn >> 22 & 3];
	op->imm = op->insn >> 30 & 1;
}
/* X(name, U, opcode, sign) */
#define LONG(X)                                                                                                        \
	X(saddl, 0, 0x0, s)                                                                                            \
	X(uaddl, 1, 0x0, u) X(ssubl, 0, 0x2, s) X(usubl, 1, 0x2, u) X(sabal, 0, 0x5, s) X(uabal, 1, 0x5, u)            \
		X(sabdl, 0, 0x7, s) X(uabdl, 1, 0x7, u) X(smlal, 0, 0x8, s) X(umlal, 1, 0x8, u) X(smlsl, 0, 0xa, s)    \
			X(umlsl, 1, 0xa, u) X(smull, 0, 0xc, s) X(umull, 1, 0xc, u)
#define DEFINE_LONG(name, U, opcode, sg)                                                                               \
	LONG_OF(name, 8, 16, sg)                                                                                       \
	LONG_OF(name, 16, 32, sg)                                                                                      \
	LONG_OF(name, 32, 64, sg)                                                                                      \
	static void prep_##name(struct a64_op *op)                                                                     \
	{                                                                                                              \
		static const a64_fn f[3] = {name##8_v, name##16_v, name##32_v};                                        \
		choose(op, f);                                                                                         \
	}
LONG(DEFINE_LONG)

#define DEFINE_ELEMENT(name)                                                                                           \
	LONG_ELEMENT(name, 16, 32)                                                                                     \
	LONG_ELEMENT(name, 32, 64)                                                                                     \
	static void prep_##name##_e(struct a64_op *op)                                                                 \
	{                                                                                                              \
		a64_by_prepare(op);                                                                                    \
		op->fn = (op->insn >> 22 & 3) == 1 ? name##_e16 : name##_e32;                                          \
	}
DEFINE_ELEMENT(smlal)
DEFINE_ELEMENT(umlal)
DEFINE_ELEMENT(smlsl)
DEFINE_ELEMENT(umlsl)
DEFINE_ELEMENT(smull)
DEFINE_ELEMENT(umull)

#define DOUBLING(name)                                                                                                 \
	LONG_OF(name, 16, 32, s)                                                                                       \
	LONG_OF(name, 32, 64, s)                                                                                       \
	LONG_SCALAR(name, 16, 32)                                                                                      \
	LONG_SCALAR(name, 32, 64)                                                                                      \
	LONG_ELEMENT(name, 16, 32)                                                                                     \
	LONG_ELEMENT(name, 32, 64)                                                                                     \
	LONG_SCALAR_ELEMENT(name, 16, 32)                                                                              \
	LONG_SCALAR_ELEMENT(name, 32, 64)                                                                              \
	static void prep_##name(struct a64_op *op)                                                                     \
	{                                                                                                              \
		static const a64_fn f[2][3] = {{NULL, name##16_v, name##32_v}, {NULL, name##16_s, name##32_s}};        \
		choose(op, f[a64_scalar(op->insn)]);                                                                   \
	}                                                                                                              \
	static void prep_##name##_e(struct a64_op *op)                                                                 \
	{                                                                                                              \
		static const a64_fn f[2][2] = {{name##_e16, name##_e32}, {name##_se16, name##_se32}};                  \
		a64_by_prepare(op);                                                                                    \
		op->fn = f[a64_scalar(op->insn)][(op->insn >> 22 & 3) - 1];                                            \
	}
DOUBLING(sqdmull)
DOUBLING(sqdmlal)
DOUBLING(sqdmlsl)

/* ------ wide: x has D bits, y B ------ */

#define WIDE(name, B, D, sg)                                                                                           \
	static A64_HANDLER(name##B)                                                                                    \
	{                                                                                                              \
		union a64_lanes a = a64_lanes(c, op->rn), b = {.u64 = {c->v[op->rm].d[op->imm]}}, r;                   \
		a64_fp_check(c, op);                                                                                   \
		for (unsigned i = 0; i < 64 / B; i++) {                                                                \
			const a64_u##D x = a.u##D[i], y = (a64_u##D)(a64_##sg##D)b.sg##B[i];                           \
			r.u##D[i] = (a64_u##D)(E_##name());                                                            \
		}                                                                                                      \
		c->v[op->rd] = r.v;                                                                                    \
		return A64_NEXT(op);                                                                                   \
	}
#define E_saddw() x + y
#define E_uaddw() x + y
#define E_ssubw() x - y
#define E_usubw() x - y
#define WIDES(name, sg)                                                                                                \
	WIDE(name, 8, 16, sg)                                                                                          \
	WIDE(name, 16, 32, sg)                                                                                         \
	WIDE(name, 32, 64, sg)                                                                                         \
	static void prep_##name(struct a64_op *op)                                                                     \
	{                                                                                                              \
		static const a64_fn f[3] = {name##8, name##16, name##32};                                              \
		choose(op, f);                                                                                         \
	}
WIDES(saddw, s)
WIDES(uaddw, u)
WIDES(ssubw, s)
WIDES(usubw, u)

/* ------ narrow: the high half of sums of D bits ------ */

#define NARROW(name, B, D)                                                                                             \
	static A64_HANDLER(name##B)                                                                                    \
	{                                                                                                              \
		union a64_lanes a = a64_lanes(c, op->rn), b = a64_lanes(c, op->rm), r;                                 \
		a64_fp_check(c, op);                                                                                   \
		for (unsigned i = 0; i < 64 / B; i++) {                                                                \
			const a64_u##D x = a.u##D[i], y = b.u##D[i], round = (a64_u##D)1 << (B - 1);                   \
			(void)round;                                                                                   \
			r.u##B[i] = (uint##B##_t)((a64_u##D)(E_##name()) >> B);                                        \
		}                                                                                                      \
		c->v[op->rd].d[op->imm] = r.u64[0];                                                                    \
		if (!op->imm)                                                                                          \
			c->v[op->rd].d[1] = 0;                                                                         \
		return A64_NEXT(op);                                                                                   \
	}
#define E_addhn() x + y
#define E_raddhn() x + y + round
#define E_subhn() x - y
#define E_rsubhn() x - y + round
#define NARROWS(name)                                                                                                  \
	NARROW(name, 8, 16)                                                                                            \
	NARROW(name, 16, 32)                                                                                           \
	NARROW(name, 32, 64)                                                                                           \
	static void prep_##name(struct a64_op *op)                                                                     \
	{                                                                                                              \
		static const a64_fn f[3] = {name##8, name##16, name##32};                                              \
		choose(op, f);                                                                                         \
	}
NARROWS(addhn)
NARROWS(raddhn)
NARROWS(subhn)
NARROWS(rsubhn)

/* ------ PMULL of bytes; that of 64 bits is in crypto.c ------ */

static A64_HANDLER(pmull)
{
	unsigned half = op->insn >> 30 & 1;
	union a64_lanes a = {.u64 = {c->v[op->rn].d[half]}}, b = {.u64 = {c->v[op->rm].d[half]}}, r = {.u64 = {0}};
	a64_fp_check(c, op);
	for (unsigned k = 0; k < 8; k++)
		for (unsigned i = 0; i < 8; i++)
			r.u16[i] ^= (uint16_t)((a.u8[i] << k) & -(b.u8[i] >> k & 1));
	c->v[op->rd] = r.v;
	return A64_NEXT(op);
}

#define ROW(name, U, opcode, ok) A64_SIMD_ROW(0xbf20fc00, 0x0e200000 | U << 29 | opcode << 12, name, A64_ALWAYS, ok),
#define SCALAR(name, opcode) A64_SIMD_ROW(0xff20fc00, 0x5e200000 | opcode << 12, name, A64_ALWAYS, ok_hs),
#define LONG_ROW(name, U, opcode, sg) ROW(name, U, opcode, ok_bhs)
#define ELEMENT(name, U, opcode) A64_BY_ROW(name, 0x0f000000, U, opcode, A64_ALWAYS, ok_hs),
#define SCALAR_ELEMENT(name, opcode) A64_BY_ROW(name, 0x5f000000, 0, opcode, A64_ALWAYS, ok_hs),
/* clang-format off */
static const struct a64_row rows[] = {
	LONG(LONG_ROW)
	ROW(saddw, 0, 0x1, ok_bhs) ROW(uaddw, 1, 0x1, ok_bhs) ROW(ssubw, 0, 0x3, ok_bhs) ROW(usubw, 1, 0x3, ok_bhs)
	ROW(addhn, 0, 0x4, ok_bhs) ROW(raddhn, 1, 0x4, ok_bhs) ROW(subhn, 0, 0x6, ok_bhs) ROW(rsubhn, 1, 0x6, ok_bhs)
	ROW(sqdmlal, 0, 0x9, ok_hs) ROW(sqdmlsl, 0, 0xb, ok_hs) ROW(sqdmull, 0, 0xd, ok_hs)
	SCALAR(sqdmlal, 0x9) SCALAR(sqdmlsl, 0xb) SCALAR(sqdmull, 0xd)
	{0xbfe0fc00, 0x0e20e000, "pmull", pmull, A64_OPS_RAW, A64_ALWAYS, false, NULL, NULL},
	ELEMENT(smlal, 0, 0x2) ELEMENT(umlal, 1, 0x2) ELEMENT(smlsl, 0, 0x6) ELEMENT(umlsl, 1, 0x6)
	ELEMENT(smull, 0, 0xa) ELEMENT(umull, 1, 0xa)
	ELEMENT(sqdmlal, 0, 0x3) ELEMENT(sqdmlsl, 0, 0x7) ELEMENT(sqdmull, 0, 0xb)
	SCALAR_ELEMENT(sqdmlal, 0x3) SCALAR_ELEMENT(sqdmlsl, 0x7) SCALAR_ELEMENT(sqdmull, 0xb)
};
/* clang-format on */
A64_TABLE(a64_rows_simd_long);
