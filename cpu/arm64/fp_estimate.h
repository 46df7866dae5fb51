/* fp_estimate.h - reciprocals and reciprocal square roots: estimates, the steps that improve them, and FMULX, which goes
 * with them (Arm ARM J1.3: FPRecipEstimate, FPRecipStepFused and their like). */
#ifndef CPU_ARM64_FP_ESTIMATE_H
#define CPU_ARM64_FP_ESTIMATE_H

#include "fp.h"

uint64_t a64_fp_mulx(struct a64_fp *f, unsigned size, uint64_t a, uint64_t b);
uint64_t a64_fp_recps(struct a64_fp *f, unsigned size, uint64_t a, uint64_t b);
uint64_t a64_fp_rsqrts(struct a64_fp *f, unsigned size, uint64_t a, uint64_t b);
uint64_t a64_fp_recpe(struct a64_fp *f, unsigned size, uint64_t a);
uint64_t a64_fp_rsqrte(struct a64_fp *f, unsigned size, uint64_t a);
uint64_t a64_fp_recpx(struct a64_fp *f, unsigned size, uint64_t a);
uint32_t a64_unsigned_recpe(uint32_t a);
uint32_t a64_unsigned_rsqrte(uint32_t a);

#endif
