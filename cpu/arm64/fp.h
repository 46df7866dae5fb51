/* fp.h - floating point of A64 on softfloat: operands and results of 16, 32 and 64 bits under FPCR, NaNs and flushing as
 * the Arm ARM has them (A1.5, J1.3 "shared/functions/float"). */
#ifndef CPU_ARM64_FP_H
#define CPU_ARM64_FP_H

#include "int.h"
#include "x86/softfloat.h"

enum { A64_FPCR_FZ16 = 1 << 19, A64_FPCR_FZ = 1 << 24, A64_FPCR_DN = 1 << 25, A64_FPCR_AHP = 1 << 26 };
enum { A64_IOC = 1, A64_DZC = 2, A64_OFC = 4, A64_UFC = 8, A64_IXC = 16, A64_IDC = 128 };

/* Sizes as `ptype` and element sizes name them: bytes. */
struct a64_fp {
	struct sf_env e;
	uint32_t fpcr, fpsr; /* fpsr: to be or-ed in */
};
void a64_fp_begin(struct a64_fp *f, const struct a64_cpu *c);
void a64_fp_end(struct a64_cpu *c, const struct a64_fp *f);
struct sf_num a64_fp_unpack(struct a64_fp *f, unsigned size, uint64_t v);
uint64_t a64_fp_pack(struct a64_fp *f, unsigned size, struct sf_num n); /* n is representable */

bool a64_fp_flushes(const struct a64_fp *f, unsigned size); /* FPCR.FZ or FZ16 */
/* a * b + c, rounded once to `size`; none is a NaN. */
struct sf_num a64_fp_fused(struct a64_fp *f, unsigned size, struct sf_num a, struct sf_num b, struct sf_num c);

/* One operation on one element. */
uint64_t a64_fp_add(struct a64_fp *f, unsigned size, uint64_t a, uint64_t b);
uint64_t a64_fp_sub(struct a64_fp *f, unsigned size, uint64_t a, uint64_t b);
uint64_t a64_fp_mul(struct a64_fp *f, unsigned size, uint64_t a, uint64_t b);
uint64_t a64_fp_nmul(struct a64_fp *f, unsigned size, uint64_t a, uint64_t b);
uint64_t a64_fp_div(struct a64_fp *f, unsigned size, uint64_t a, uint64_t b);
uint64_t a64_fp_max(struct a64_fp *f, unsigned size, uint64_t a, uint64_t b);
uint64_t a64_fp_min(struct a64_fp *f, unsigned size, uint64_t a, uint64_t b);
uint64_t a64_fp_maxnm(struct a64_fp *f, unsigned size, uint64_t a, uint64_t b);
uint64_t a64_fp_minnm(struct a64_fp *f, unsigned size, uint64_t a, uint64_t b);
/* addend + a * b, rounded once */
uint64_t a64_fp_muladd(struct a64_fp *f, unsigned size, uint64_t addend, uint64_t a, uint64_t b);
uint64_t a64_fp_sqrt(struct a64_fp *f, unsigned size, uint64_t a);
uint64_t a64_fp_convert(struct a64_fp *f, unsigned to, unsigned from, uint64_t a);
/* Rounding modes as FPCR.RMode, and ties away from zero */
enum { A64_RN, A64_RP, A64_RM, A64_RZ, A64_RA };
uint64_t a64_fp_round(struct a64_fp *f, unsigned size, uint64_t a, unsigned mode, bool exact);
uint64_t a64_fp_to_fixed(struct a64_fp *f, unsigned size, uint64_t a, unsigned bits, bool is_unsigned, unsigned fraction,
			 unsigned mode);
uint64_t a64_fp_from_fixed(struct a64_fp *f, unsigned size, uint64_t v, unsigned bits, bool is_unsigned, unsigned fraction);
/* SF_LESS ...; signalling: a quiet NaN is invalid too */
int a64_fp_compare(struct a64_fp *f, unsigned size, uint64_t a, uint64_t b, bool signalling);
uint64_t a64_fp_immediate(unsigned size, unsigned imm8); /* VFPExpandImm */

static inline uint64_t a64_fp_sign(unsigned size)
{
	return UINT64_C(1) << (8 * size - 1);
}

#endif
