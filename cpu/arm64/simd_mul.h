/* simd_mul.h - multiplications by one element of a vector: which element, of what is written how much. */
#ifndef CPU_ARM64_SIMD_MUL_H
#define CPU_ARM64_SIMD_MUL_H

#include "simd.h"

/* op->imm: the element's number in bits 3:0; bit 4 a vector of 128 bits, bit 5 a scalar; op->rm is its register. */
struct a64_by {
	unsigned index;
	uint64_t low, high; /* masks of operands and result */
};
A64_INLINE struct a64_by a64_by_of(op_t op)
{
	bool scalar = op->imm & 32;
	return (struct a64_by){op->imm & 15, scalar ? a64_element_mask(op->insn >> 22 & 3) : UINT64_MAX,
			       op->imm & 16 ? UINT64_MAX : 0};
}
A64_INLINE void a64_by_prepare(struct a64_op *op)
{
	uint32_t i = op->insn;
	bool half = (i >> 22 & 3) == 1, scalar = a64_scalar(i);
	unsigned h = i >> 11 & 1, l = i >> 21 & 1, m = i >> 20 & 1;
	op->rm = (uint8_t)(half ? A64_BITS(i, 19, 16) : A64_BITS(i, 20, 16));
	op->imm = half ? h << 2 | l << 1 | m : h << 1 | l;
	op->imm |= scalar ? 32 : i >> 30 & 1 ? 16 : 0;
}
A64_INLINE union a64_lanes a64_by16(const struct a64_cpu *c, op_t op, unsigned index)
{
	uint64_t v = c->v[op->rm].h[index] * UINT64_C(0x0001000100010001);
	return (union a64_lanes){.u64 = {v, v}};
}
A64_INLINE union a64_lanes a64_by32(const struct a64_cpu *c, op_t op, unsigned index)
{
	uint64_t v = c->v[op->rm].s[index] * UINT64_C(0x0000000100000001);
	return (union a64_lanes){.u64 = {v, v}};
}
#define A64_BY_ROW(name, value, U, opcode, feature, ok)                                                                \
	{                                                                                                              \
		((value) >> 30 & 1 ? 0xff00f400 : 0xbf00f400), (value) | (U) << 29 | (opcode) << 12, #name, NULL,      \
			A64_OPS_RAW, feature, false, ok, prep_##name##_e                                               \
	}

#endif
