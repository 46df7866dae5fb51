/* simd.h - what the files of integer vector instructions share: lanes, saturation, handlers made from an expression for
 * one element, rows.
 *
 * All vectors are computed with 128 bits, in loops of constant length that compilers vectorise. Handlers NAME_q are for
 * whole vectors; NAME_m masks operands and the result with op->imm, for 64 bits and for scalars, so that elements which
 * are not there are zeros and never saturate. */
#ifndef CPU_ARM64_SIMD_H
#define CPU_ARM64_SIMD_H

#include "int.h"

union a64_lanes {
	union a64_vec v;
	uint8_t u8[16];
	uint16_t u16[8];
	uint32_t u32[4];
	uint64_t u64[2];
	int8_t s8[16];
	int16_t s16[8];
	int32_t s32[4];
	int64_t s64[2];
	float f32[4];
	double f64[2];
};
typedef uint8_t a64_u8;
typedef uint16_t a64_u16;
typedef uint32_t a64_u32;
typedef uint64_t a64_u64;
typedef int8_t a64_s8;
typedef int16_t a64_s16;
typedef int32_t a64_s32;
typedef int64_t a64_s64;
/* Holds sums, products and their like of elements of that many bits */
typedef int32_t a64_w8;
typedef int32_t a64_w16;
typedef int64_t a64_w32;
typedef __int128 a64_w64;

enum { A64_QC = 1 << 27 }; /* FPSR.QC */
#define A64_INLINE static inline __attribute__((always_inline, unused))

/* SatQ, Arm ARM J1.3; sat collects whether it did. */
#define A64_SATURATE(B)                                                                                                \
	A64_INLINE uint##B##_t a64_ssat##B(a64_w##B v, unsigned *sat)                                                  \
	{                                                                                                              \
		const a64_w##B max = (a64_w##B)INT##B##_MAX, min = (a64_w##B)INT##B##_MIN;                             \
		a64_w##B r = v > max ? max : v < min ? min : v;                                                        \
		*sat |= r != v;                                                                                        \
		return (uint##B##_t)r;                                                                                 \
	}                                                                                                              \
	A64_INLINE uint##B##_t a64_usat##B(a64_w##B v, unsigned *sat)                                                  \
	{                                                                                                              \
		const a64_w##B max = (a64_w##B)UINT##B##_MAX;                                                          \
		a64_w##B r = v > max ? max : v < 0 ? 0 : v;                                                            \
		*sat |= r != v;                                                                                        \
		return (uint##B##_t)r;                                                                                 \
	}
A64_SATURATE(8)
A64_SATURATE(16)
A64_SATURATE(32)
A64_SATURATE(64)
#undef A64_SATURATE

A64_INLINE void a64_saturated(struct a64_cpu *c, unsigned sat)
{
	if (unlikely(sat))
		c->fpsr |= A64_QC;
}
A64_INLINE union a64_lanes a64_lanes(const struct a64_cpu *c, unsigned n)
{
	return (union a64_lanes){.v = c->v[n & 31]};
}
A64_INLINE union a64_lanes a64_masked(union a64_lanes v, uint64_t low, uint64_t high)
{
	return (union a64_lanes){.v = {.d = {v.u64[0] & low, v.u64[1] & high}}};
}

/* ------ three registers ------
 * E_name(B) is the new element, of x of Rn, y of Rm, z of Rd; sg is s or u. */
#define A64_KERNEL3(name, B, sg)                                                                                       \
	A64_INLINE union a64_lanes name##B##_of(struct a64_cpu *c, union a64_lanes a, union a64_lanes b,               \
						union a64_lanes d)                                                     \
	{                                                                                                              \
		union a64_lanes r;                                                                                     \
		unsigned sat = 0;                                                                                      \
		for (unsigned i = 0; i < 128 / B; i++) {                                                               \
			const a64_##sg##B x = a.sg##B[i], y = b.sg##B[i], z = d.sg##B[i];                              \
			(void)x, (void)y, (void)z;                                                                     \
			r.u##B[i] = (uint##B##_t)(E_##name(B));                                                        \
		}                                                                                                      \
		a64_saturated(c, sat);                                                                                 \
		return r;                                                                                              \
	}
#define A64_HANDLERS3(name, B)                                                                                         \
	static A64_HANDLER(name##B##_q)                                                                                \
	{                                                                                                              \
		a64_fp_check(c, op);                                                                                   \
		c->v[op->rd] = name##B##_of(c, a64_lanes(c, op->rn), a64_lanes(c, op->rm), a64_lanes(c, op->rd)).v;    \
		return A64_NEXT(op);                                                                                   \
	}                                                                                                              \
	static A64_HANDLER(name##B##_m)                                                                                \
	{                                                                                                              \
		const uint64_t m = op->imm;                                                                            \
		a64_fp_check(c, op);                                                                                   \
		c->v[op->rd] = a64_masked(name##B##_of(c, a64_masked(a64_lanes(c, op->rn), m, 0),                      \
						       a64_masked(a64_lanes(c, op->rm), m, 0),                         \
						       a64_masked(a64_lanes(c, op->rd), m, 0)),                        \
					  m, 0)                                                                        \
				       .v;                                                                             \
		return A64_NEXT(op);                                                                                   \
	}
#define A64_OP3(name, B, sg) A64_KERNEL3(name, B, sg) A64_HANDLERS3(name, B)

/* ------ choosing by size ------ */

#define A64_FN2(name, B)                                                                                               \
	{                                                                                                              \
		name##B##_q, name##B##_m                                                                               \
	}
#define A64_NO_FN                                                                                                      \
	{                                                                                                              \
		NULL, NULL                                                                                             \
	}
/* By size; a row's `also` keeps out what is not there. */
#define A64_PREP_any(name)                                                                                             \
	static void prep_##name(struct a64_op *op)                                                                     \
	{                                                                                                              \
		static const a64_fn f[4][2] = {A64_FN2(name, 8), A64_FN2(name, 16), A64_FN2(name, 32),                 \
					       A64_FN2(name, 64)};                                                     \
		a64_simd_choose(op, f, op->insn >> 22 & 3);                                                            \
	}
#define A64_PREP_bhs(name)                                                                                             \
	static void prep_##name(struct a64_op *op)                                                                     \
	{                                                                                                              \
		static const a64_fn f[4][2] = {A64_FN2(name, 8), A64_FN2(name, 16), A64_FN2(name, 32), A64_NO_FN};     \
		a64_simd_choose(op, f, op->insn >> 22 & 3);                                                            \
	}
#define A64_PREP_hs(name)                                                                                              \
	static void prep_##name(struct a64_op *op)                                                                     \
	{                                                                                                              \
		static const a64_fn f[4][2] = {A64_NO_FN, A64_FN2(name, 16), A64_FN2(name, 32), A64_NO_FN};            \
		a64_simd_choose(op, f, op->insn >> 22 & 3);                                                            \
	}
#define A64_PREP_bh(name)                                                                                              \
	static void prep_##name(struct a64_op *op)                                                                     \
	{                                                                                                              \
		static const a64_fn f[4][2] = {A64_FN2(name, 8), A64_FN2(name, 16), A64_NO_FN, A64_NO_FN};             \
		a64_simd_choose(op, f, op->insn >> 22 & 3);                                                            \
	}
#define A64_PREP_b(name)                                                                                               \
	static void prep_##name(struct a64_op *op)                                                                     \
	{                                                                                                              \
		static const a64_fn f[1][2] = {A64_FN2(name, 8)};                                                      \
		a64_simd_choose(op, f, 0);                                                                             \
	}
#define A64_DEF_any(OP, name, sg) OP(name, 8, sg) OP(name, 16, sg) OP(name, 32, sg) OP(name, 64, sg) A64_PREP_any(name)
#define A64_DEF_bhs(OP, name, sg) OP(name, 8, sg) OP(name, 16, sg) OP(name, 32, sg) A64_PREP_bhs(name)
#define A64_DEF_hs(OP, name, sg) OP(name, 16, sg) OP(name, 32, sg) A64_PREP_hs(name)
#define A64_DEF_bh(OP, name, sg) OP(name, 8, sg) OP(name, 16, sg) A64_PREP_bh(name)
#define A64_DEF_b(OP, name, sg) OP(name, 8, sg) A64_PREP_b(name)

static inline bool a64_scalar(uint32_t insn)
{
	return insn >> 28 & 1;
}
static inline uint64_t a64_element_mask(unsigned size)
{
	return size == 3 ? UINT64_MAX : (UINT64_C(1) << (8 << size)) - 1;
}
A64_INLINE void a64_simd_choose(struct a64_op *op, const a64_fn (*f)[2], unsigned size)
{
	bool scalar = a64_scalar(op->insn), whole = !scalar && op->insn >> 30 & 1;
	op->fn = f[size][!whole];
	op->imm = scalar ? a64_element_mask(size) : UINT64_MAX;
}
/* `also` of rows: which sizes there are. Vectors of one 64-bit element are not. */
A64_INLINE bool ok_any(uint32_t insn)
{
	return (insn >> 22 & 3) != 3 || insn >> 30 & 1;
}
A64_INLINE bool ok_bhs(uint32_t insn)
{
	return (insn >> 22 & 3) != 3;
}
A64_INLINE bool ok_hs(uint32_t insn)
{
	return (insn >> 22 & 3) == 1 || (insn >> 22 & 3) == 2;
}
A64_INLINE bool ok_bh(uint32_t insn)
{
	return !(insn >> 23 & 1);
}
A64_INLINE bool ok_b(uint32_t insn)
{
	return !(insn >> 22 & 3);
}
A64_INLINE bool ok_d(uint32_t insn)
{
	return (insn >> 22 & 3) == 3;
}
#define A64_SIMD_ROW(mask, value, name, feature, ok)                                                                   \
	{                                                                                                              \
		mask, value, #name, NULL, A64_OPS_RAW, feature, false, ok, prep_##name                                 \
	}

#endif
