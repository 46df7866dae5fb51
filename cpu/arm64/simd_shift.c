/* simd_shift.c - vector shifts by an immediate, and the instructions that halve or double the width of elements (Arm
 * ARM C4.1.69: "shift by immediate", of "two-register miscellaneous" XTN, SHLL and their kind). The count is in op->rm.
 */
#include "simd.h"

static unsigned immh_size(uint32_t insn)
{
	return 31 - (unsigned)__builtin_clz(A64_BITS(insn, 22, 19) | 1);
}
static void set_right(struct a64_op *op)
{
	op->rm = (uint8_t)((16u << immh_size(op->insn)) - A64_BITS(op->insn, 22, 16));
}
static void set_left(struct a64_op *op)
{
	op->rm = (uint8_t)(A64_BITS(op->insn, 22, 16) - (8u << immh_size(op->insn)));
}

/* ------ elements keep their width: x of Rn, z of Rd, sh ------ */

#define SHIFT(name, B, sg)                                                                                             \
	A64_INLINE union a64_lanes name##B##_of(struct a64_cpu *c, union a64_lanes a, union a64_lanes d, unsigned sh)  \
	{                                                                                                              \
		union a64_lanes r;                                                                                     \
		unsigned sat = 0;                                                                                      \
		for (unsigned i = 0; i < 128 / B; i++) {                                                               \
			const a64_##sg##B x = a.sg##B[i], z = d.sg##B[i];                                              \
			(void)z;                                                                                       \
			r.u##B[i] = (uint##B##_t)(E_##name(B));                                                        \
		}                                                                                                      \
		a64_saturated(c, sat);                                                                                 \
		return r;                                                                                              \
	}                                                                                                              \
	static A64_HANDLER(name##B##_q)                                                                                \
	{                                                                                                              \
		a64_fp_check(c, op);                                                                                   \
		c->v[op->rd] = name##B##_of(c, a64_lanes(c, op->rn), a64_lanes(c, op->rd), op->rm).v;                  \
		return A64_NEXT(op);                                                                                   \
	}                                                                                                              \
	static A64_HANDLER(name##B##_m)                                                                                \
	{                                                                                                              \
		const uint64_t m = op->imm;                                                                            \
		a64_fp_check(c, op);                                                                                   \
		c->v[op->rd] = a64_masked(name##B##_of(c, a64_masked(a64_lanes(c, op->rn), m, 0),                      \
						       a64_masked(a64_lanes(c, op->rd), m, 0), op->rm),                \
					  m, 0)                                                                        \
				       .v;                                                                             \
		return A64_NEXT(op);                                                                                   \
	}

/* Counts to the right are 1 to B: in two steps, for C's shifts end at B - 1. */
#define RIGHT() (x >> (sh - 1) >> 1)
#define ROUND() ((x >> (sh - 1) >> 1) + (x >> (sh - 1) & 1))
#define LEFT(B) ((a64_w##B)x * ((a64_w##B)1 << sh))
#define E_sshr(B) RIGHT()
#define E_ushr(B) RIGHT()
#define E_ssra(B) (a64_u##B) z + (a64_u##B)RIGHT()
#define E_usra(B) z + RIGHT()
#define E_srshr(B) ROUND()
#define E_urshr(B) ROUND()
#define E_srsra(B) (a64_u##B) z + (a64_u##B)ROUND()
#define E_ursra(B) z + ROUND()
#define E_shl(B) x << sh
#define E_sri(B) (z & ~(UINT##B##_MAX >> (sh - 1) >> 1)) | RIGHT()
#define E_sli(B) (z & ~((a64_u##B)UINT##B##_MAX << sh)) | x << sh
#define E_sqshl(B) a64_ssat##B(LEFT(B), &sat)
#define E_uqshl(B) a64_usat##B(LEFT(B), &sat)
#define E_sqshlu(B) a64_usat##B(LEFT(B), &sat)

/* X(name, U, opcode, sign, left or right) */
#define KEEPING(X)                                                                                                     \
	X(sshr, 0, 0x00, s, right)                                                                                     \
	X(ushr, 1, 0x00, u, right)                                                                                     \
	X(ssra, 0, 0x02, s, right) X(usra, 1, 0x02, u, right) X(srshr, 0, 0x04, s, right) X(urshr, 1, 0x04, u, right)  \
		X(srsra, 0, 0x06, s, right) X(ursra, 1, 0x06, u, right) X(sri, 1, 0x08, u, right)                      \
			X(shl, 0, 0x0a, u, left) X(sli, 1, 0x0a, u, left) X(sqshlu, 1, 0x0c, s, left)                  \
				X(sqshl, 0, 0x0e, s, left) X(uqshl, 1, 0x0e, u, left)
#define DEFINE_KEEPING(name, U, opcode, sg, way)                                                                       \
	SHIFT(name, 8, sg)                                                                                             \
	SHIFT(name, 16, sg)                                                                                            \
	SHIFT(name, 32, sg)                                                                                            \
	SHIFT(name, 64, sg)                                                                                            \
	static void prep_##name(struct a64_op *op)                                                                     \
	{                                                                                                              \
		static const a64_fn f[4][2] = {A64_FN2(name, 8), A64_FN2(name, 16), A64_FN2(name, 32),                 \
					       A64_FN2(name, 64)};                                                     \
		set_##way(op);                                                                                         \
		a64_simd_choose(op, f, immh_size(op->insn));                                                           \
	}
KEEPING(DEFINE_KEEPING)

/* immh 0 is a modified immediate. */
static bool ok_keeping(uint32_t insn)
{
	unsigned immh = A64_BITS(insn, 22, 19);
	return immh && (immh < 8 || insn >> 30 & 1);
}
static bool ok_scalar(uint32_t insn)
{
	return A64_BITS(insn, 22, 19);
}
static bool ok_scalar_d(uint32_t insn)
{
	return insn >> 22 & 1;
}

/* ------ half the width: x has D bits, the result B; Q: into the upper half, the lower one stays ------ */

#define NARROW(name, B, D, sg)                                                                                         \
	A64_INLINE uint64_t name##B##_of(struct a64_cpu *c, union a64_lanes a, unsigned sh)                            \
	{                                                                                                              \
		union a64_lanes r;                                                                                     \
		unsigned sat = 0;                                                                                      \
		for (unsigned i = 0; i < 64 / B; i++) {                                                                \
			const a64_##sg##D x = a.sg##D[i];                                                              \
			r.u##B[i] = (uint##B##_t)(E_##name(B));                                                        \
		}                                                                                                      \
		a64_saturated(c, sat);                                                                                 \
		return r.u64[0];                                                                                       \
	}                                                                                                              \
	static A64_HANDLER(name##B##_v)                                                                                \
	{                                                                                                              \
		a64_fp_check(c, op);                                                                                   \
		uint64_t v = name##B##_of(c, a64_lanes(c, op->rn), op->rm);                                            \
		c->v[op->rd] = (union a64_vec){.d = {op->imm ? c->v[op->rd].d[0] : v, op->imm ? v : 0}};               \
		return A64_NEXT(op);                                                                                   \
	}                                                                                                              \
	static A64_HANDLER(name##B##_s)                                                                                \
	{                                                                                                              \
		a64_fp_check(c, op);                                                                                   \
		uint64_t v = name##B##_of(c, a64_masked(a64_lanes(c, op->rn), a64_element_mask(D / 16 - D / 64), 0),   \
					  op->rm);                                                                     \
		c->v[op->rd] = (union a64_vec){.d = {(uint##B##_t)v}};                                                 \
		return A64_NEXT(op);                                                                                   \
	}

#define NARROW_SATURATE(B)                                                                                             \
	A64_INLINE uint##B##_t umin##B(uint64_t v, unsigned *sat)                                                      \
	{                                                                                                              \
		*sat |= v > UINT##B##_MAX;                                                                             \
		return v > UINT##B##_MAX ? UINT##B##_MAX : (uint##B##_t)v;                                             \
	}
NARROW_SATURATE(8)
NARROW_SATURATE(16)
NARROW_SATURATE(32)
#define E_shrn(B) x >> sh
#define E_rshrn(B) ROUND()
#define E_sqshrn(B) a64_ssat##B(x >> sh, &sat)
#define E_sqrshrn(B) a64_ssat##B(ROUND(), &sat)
#define E_uqshrn(B) umin##B(x >> sh, &sat)
#define E_uqrshrn(B) umin##B(ROUND(), &sat)
#define E_sqshrun(B) a64_usat##B(x >> sh, &sat)
#define E_sqrshrun(B) a64_usat##B(ROUND(), &sat)
/* X(name, U, opcode, sign) */
#define NARROWING(X)                                                                                                   \
	X(shrn, 0, 0x10, u)                                                                                            \
	X(rshrn, 0, 0x11, u)                                                                                           \
	X(sqshrn, 0, 0x12, s) X(sqrshrn, 0, 0x13, s) X(sqshrun, 1, 0x10, s) X(sqrshrun, 1, 0x11, s)                    \
		X(uqshrn, 1, 0x12, u) X(uqrshrn, 1, 0x13, u)
#define DEFINE_NARROWING(name, U, opcode, sg)                                                                          \
	NARROW(name, 8, 16, sg)                                                                                        \
	NARROW(name, 16, 32, sg)                                                                                       \
	NARROW(name, 32, 64, sg)                                                                                       \
	static const a64_fn name##_fns[3][2] = {                                                                       \
		{name##8_v, name##8_s}, {name##16_v, name##16_s}, {name##32_v, name##32_s}};                           \
	static void prep_##name(struct a64_op *op)                                                                     \
	{                                                                                                              \
		set_right(op);                                                                                         \
		narrow(op, name##_fns, immh_size(op->insn));                                                           \
	}
static void narrow(struct a64_op *op, const a64_fn (*f)[2], unsigned size)
{
	bool scalar = a64_scalar(op->insn);
	op->fn = f[size][scalar];
	op->imm = !scalar && op->insn >> 30 & 1;
}
NARROWING(DEFINE_NARROWING)
/* XTN and its kind shift by nothing, and have their size where others have. */
#define EXTRACT(name, as)                                                                                              \
	static void prep_##name(struct a64_op *op)                                                                     \
	{                                                                                                              \
		op->rm = 0;                                                                                            \
		narrow(op, as##_fns, op->insn >> 22 & 3);                                                              \
	}
EXTRACT(xtn, shrn)
EXTRACT(sqxtn, sqshrn)
EXTRACT(sqxtun, sqshrun)
EXTRACT(uqxtn, uqshrn)
static bool ok_narrowing(uint32_t insn)
{
	unsigned immh = A64_BITS(insn, 22, 19);
	return immh && immh < 8;
}

/* ------ twice the width: of the lower half, or of the upper one (imm) ------ */

#define WIDEN(name, B, D, sg)                                                                                          \
	static A64_HANDLER(name##B)                                                                                    \
	{                                                                                                              \
		union a64_lanes half = {.u64 = {c->v[op->rn].d[op->imm]}}, r;                                          \
		const unsigned sh = op->rm;                                                                            \
		a64_fp_check(c, op);                                                                                   \
		for (unsigned i = 0; i < 64 / B; i++)                                                                  \
			r.u##D[i] = (uint##D##_t)((a64_u##D)(a64_##sg##D)half.sg##B[i] << sh);                         \
		c->v[op->rd] = r.v;                                                                                    \
		return A64_NEXT(op);                                                                                   \
	}
#define WIDENING(name, sg) WIDEN(name, 8, 16, sg) WIDEN(name, 16, 32, sg) WIDEN(name, 32, 64, sg)
WIDENING(sshll, s)
WIDENING(ushll, u)
static const a64_fn ushll_fns[3] = {ushll8, ushll16, ushll32};
static void prep_sshll(struct a64_op *op)
{
	static const a64_fn f[3] = {sshll8, sshll16, sshll32};
	set_left(op);
	op->imm = op->insn >> 30 & 1;
	op->fn = f[immh_size(op->insn)];
}
static void prep_ushll(struct a64_op *op)
{
	set_left(op);
	op->imm = op->insn >> 30 & 1;
	op->fn = ushll_fns[immh_size(op->insn)];
}
static void prep_shll(struct a64_op *op)
{
	unsigned size = op->insn >> 22 & 3;
	op->rm = (uint8_t)(8 << size);
	op->imm = op->insn >> 30 & 1;
	op->fn = ushll_fns[size];
}

#define ROW(name, U, opcode, ok) A64_SIMD_ROW(0xbf80fc00, 0x0f000400 | U << 29 | opcode << 11, name, A64_ALWAYS, ok),
#define SCALAR(name, U, opcode, ok) A64_SIMD_ROW(0xff80fc00, 0x5f000400 | U << 29 | opcode << 11, name, A64_ALWAYS, ok),
#define MISC(name, U, opcode) A64_SIMD_ROW(0xbf3ffc00, 0x0e200800 | U << 29 | opcode << 12, name, A64_ALWAYS, ok_bhs),
#define MISC_SCALAR(name, U, opcode)                                                                                   \
	A64_SIMD_ROW(0xff3ffc00, 0x5e200800 | U << 29 | opcode << 12, name, A64_ALWAYS, ok_bhs),
#define KEEPING_ROW(name, U, opcode, sg, way) ROW(name, U, opcode, ok_keeping)
#define NARROWING_ROW(name, U, opcode, sg) ROW(name, U, opcode, ok_narrowing)
/* clang-format off */
static const struct a64_row rows[] = {
	KEEPING(KEEPING_ROW)
	NARROWING(NARROWING_ROW)
	ROW(sshll, 0, 0x14, ok_narrowing) ROW(ushll, 1, 0x14, ok_narrowing)
	SCALAR(sshr, 0, 0x00, ok_scalar_d) SCALAR(ushr, 1, 0x00, ok_scalar_d) SCALAR(ssra, 0, 0x02, ok_scalar_d)
	SCALAR(usra, 1, 0x02, ok_scalar_d) SCALAR(srshr, 0, 0x04, ok_scalar_d) SCALAR(urshr, 1, 0x04, ok_scalar_d)
	SCALAR(srsra, 0, 0x06, ok_scalar_d) SCALAR(ursra, 1, 0x06, ok_scalar_d) SCALAR(sri, 1, 0x08, ok_scalar_d)
	SCALAR(shl, 0, 0x0a, ok_scalar_d) SCALAR(sli, 1, 0x0a, ok_scalar_d) SCALAR(sqshlu, 1, 0x0c, ok_scalar)
	SCALAR(sqshl, 0, 0x0e, ok_scalar) SCALAR(uqshl, 1, 0x0e, ok_scalar) SCALAR(sqshrn, 0, 0x12, ok_narrowing)
	SCALAR(sqrshrn, 0, 0x13, ok_narrowing) SCALAR(sqshrun, 1, 0x10, ok_narrowing)
	SCALAR(sqrshrun, 1, 0x11, ok_narrowing) SCALAR(uqshrn, 1, 0x12, ok_narrowing)
	SCALAR(uqrshrn, 1, 0x13, ok_narrowing)
	MISC(xtn, 0, 0x12) MISC(sqxtn, 0, 0x14) MISC(sqxtun, 1, 0x12) MISC(shll, 1, 0x13) MISC(uqxtn, 1, 0x14)
	MISC_SCALAR(sqxtn, 0, 0x14) MISC_SCALAR(sqxtun, 1, 0x12) MISC_SCALAR(uqxtn, 1, 0x14)
};
/* clang-format on */
A64_TABLE(a64_rows_simd_shift);
