/* fp_lanes.h - floating point on the elements of vectors, scalars being vectors of one: which elements an encoding
 * means, kernels for one element, and where the host's unit may compute instead.
 *
 * The host computes single and double precision only, with operands that are normal or zero and results that are normal
 * by a margin or exactly zero, under rounding to nearest, and once FPSR.IXC is set: then its result is the right one and
 * no flag can change. Everything else goes to fp_arith.c. */
#ifndef CPU_ARM64_FP_LANES_H
#define CPU_ARM64_FP_LANES_H

#include "fp.h"
#include "simd.h"

typedef uint64_t (*a64_fp_kernel)(struct a64_fp *f, unsigned size, uint64_t a, uint64_t b, uint64_t d);
#define A64_FP_KERNEL(name)                                                                                            \
	static uint64_t k_##name(struct a64_fp *f, unsigned size, uint64_t a, uint64_t b, uint64_t d)

/* op->imm: bytes of an element, elements << 8, number of the element of Rm << 16 (by-element forms). */
void a64_fp_shape(struct a64_op *op);
static inline unsigned a64_fp_size(const struct a64_op *op)
{
	return op->imm & 15;
}
static inline unsigned a64_fp_count(const struct a64_op *op)
{
	return op->imm >> 8 & 15;
}
static inline bool a64_fp_by_element(uint32_t insn)
{
	return insn >> 24 & 1;
}

/* `also` of rows: no vectors of one double */
static inline bool a64_fp_sd_ok(uint32_t insn)
{
	return insn >> 28 & 1 || insn >> 30 & 1 || !(insn >> 22 & 1);
}

uint64_t a64_fp_lane(const union a64_lanes *v, unsigned size, unsigned i);
void a64_fp_put_lane(union a64_lanes *v, unsigned size, unsigned i, uint64_t value);
/* Rd = kernel of Rn, b and Rd. */
void a64_fp_each(struct a64_cpu *c, const struct a64_op *op, union a64_lanes b, a64_fp_kernel kernel);
/* The same with Rm, or its element everywhere. */
void a64_fp_each3(struct a64_cpu *c, const struct a64_op *op, a64_fp_kernel kernel);
void a64_fp_each3e(struct a64_cpu *c, const struct a64_op *op, a64_fp_kernel kernel);
/* Of pairs of Rn, then of Rm. */
void a64_fp_pairs(struct a64_cpu *c, const struct a64_op *op, a64_fp_kernel kernel);

/* ------ the host's unit ------ */

enum { A64_FPCR_RMODE = 3 << 22 };
/* May the host compute what is inexact? */
A64_INLINE bool a64_fp_host(const struct a64_cpu *c)
{
	return (c->fpsr & A64_IXC) && c->host_nearest && !(c->fpcr & A64_FPCR_RMODE);
}
A64_INLINE uint32_t a64_bits32(float v)
{
	return (union { float f; uint32_t u; }){v}.u;
}
A64_INLINE uint64_t a64_bits64(double v)
{
	return (union { double f; uint64_t u; }){v}.u;
}
/* normal or zero */
A64_INLINE unsigned a64_usual32(float v)
{
	const uint32_t twice = a64_bits32(v) << 1;
	return (twice == 0) | (twice - (1u << 24) < 0xfeu << 24);
}
A64_INLINE unsigned a64_usual64(double v)
{
	const uint64_t twice = a64_bits64(v) << 1;
	return (twice == 0) | (twice - (UINT64_C(1) << 53) < UINT64_C(0x7fe) << 53);
}
/* normal, and so before it was rounded */
A64_INLINE unsigned a64_good32(float v)
{
	return (a64_bits32(v) << 1) - (2u << 24) < 0xfdu << 24;
}
A64_INLINE unsigned a64_good64(double v)
{
	return (a64_bits64(v) << 1) - (UINT64_C(2) << 53) < UINT64_C(0x7fd) << 53;
}

#endif
