/* sse_fp.h - kernels of the SSE floating-point instructions, twice: by the host's SSE unit (sse_fp_host.c) and by
 * softfloat (sse_fp_soft.c). */
#ifndef CPU_X86_SSE_FP_H
#define CPU_X86_SSE_FP_H

#include "sse.h"

typedef void (*sse_soft)(struct sf_env *e, x86_lane *d, const x86_lane *s, unsigned imm);

/* X(mnemonic, kind, bytes of a memory source, kernel): kernels are host_<kernel> and soft_<kernel>. Kinds: VEC xmm op=
 * xmm/mem; APPROX the same without exceptions; TO_GPR (imm: 32 or 64 bits wanted), FROM_GPR (imm: bits given), FLAGS
 * (d->q[0] becomes ZF PF CF), FROM_MM, TO_MM. */
#define SSE_FP_ROWS(X)                                                                                         \
	X(ADDPS, VEC, 16, addps) X(ADDPD, VEC, 16, addpd) X(ADDSS, VEC, 4, addss) X(ADDSD, VEC, 8, addsd)      \
	X(SUBPS, VEC, 16, subps) X(SUBPD, VEC, 16, subpd) X(SUBSS, VEC, 4, subss) X(SUBSD, VEC, 8, subsd)      \
	X(MULPS, VEC, 16, mulps) X(MULPD, VEC, 16, mulpd) X(MULSS, VEC, 4, mulss) X(MULSD, VEC, 8, mulsd)      \
	X(DIVPS, VEC, 16, divps) X(DIVPD, VEC, 16, divpd) X(DIVSS, VEC, 4, divss) X(DIVSD, VEC, 8, divsd)      \
	X(MINPS, VEC, 16, minps) X(MINPD, VEC, 16, minpd) X(MINSS, VEC, 4, minss) X(MINSD, VEC, 8, minsd)      \
	X(MAXPS, VEC, 16, maxps) X(MAXPD, VEC, 16, maxpd) X(MAXSS, VEC, 4, maxss) X(MAXSD, VEC, 8, maxsd)      \
	X(SQRTPS, VEC, 16, sqrtps) X(SQRTPD, VEC, 16, sqrtpd) X(SQRTSS, VEC, 4, sqrtss)                        \
	X(SQRTSD, VEC, 8, sqrtsd) X(CMPPS, VEC, 16, cmpps) X(CMPPD, VEC, 16, cmppd) X(CMPSS, VEC, 4, cmpss)    \
	X(CMPSD, VEC, 8, cmpsd) X(ROUNDPS, VEC, 16, roundps) X(ROUNDPD, VEC, 16, roundpd)                      \
	X(ROUNDSS, VEC, 4, roundss) X(ROUNDSD, VEC, 8, roundsd) X(RCPPS, APPROX, 16, rcpps)                    \
	X(RCPSS, APPROX, 4, rcpss) X(RSQRTPS, APPROX, 16, rsqrtps) X(RSQRTSS, APPROX, 4, rsqrtss)              \
	X(ADDSUBPS, VEC, 16, addsubps) X(ADDSUBPD, VEC, 16, addsubpd) X(HADDPS, VEC, 16, haddps)               \
	X(HADDPD, VEC, 16, haddpd) X(HSUBPS, VEC, 16, hsubps) X(HSUBPD, VEC, 16, hsubpd)                       \
	X(DPPS, VEC, 16, dpps) X(DPPD, VEC, 16, dppd) X(CVTPS2PD, VEC, 8, cvtps2pd)                            \
	X(CVTPD2PS, VEC, 16, cvtpd2ps) X(CVTSS2SD, VEC, 4, cvtss2sd) X(CVTSD2SS, VEC, 8, cvtsd2ss)             \
	X(CVTDQ2PS, VEC, 16, cvtdq2ps) X(CVTDQ2PD, VEC, 8, cvtdq2pd) X(CVTPS2DQ, VEC, 16, cvtps2dq)            \
	X(CVTTPS2DQ, VEC, 16, cvttps2dq) X(CVTPD2DQ, VEC, 16, cvtpd2dq) X(CVTTPD2DQ, VEC, 16, cvttpd2dq)       \
	X(CVTSI2SS, FROM_GPR, 0, cvtsi2ss) X(CVTSI2SD, FROM_GPR, 0, cvtsi2sd)                                  \
	X(CVTSS2SI, TO_GPR, 4, cvtss2si) X(CVTSD2SI, TO_GPR, 8, cvtsd2si) X(CVTTSS2SI, TO_GPR, 4, cvttss2si)   \
	X(CVTTSD2SI, TO_GPR, 8, cvttsd2si) X(COMISS, FLAGS, 4, comiss) X(COMISD, FLAGS, 8, comisd)             \
	X(UCOMISS, FLAGS, 4, ucomiss) X(UCOMISD, FLAGS, 8, ucomisd) X(CVTPI2PS, FROM_MM, 8, cvtpi2ps)          \
	X(CVTPI2PD, FROM_MM, 8, cvtdq2pd) X(CVTPS2PI, TO_MM, 8, cvtps2dq) X(CVTTPS2PI, TO_MM, 8, cvttps2dq)    \
	X(CVTPD2PI, TO_MM, 16, cvtpd2dq) X(CVTTPD2PI, TO_MM, 16, cvttpd2dq)

/* One table each, in the order of SSE_FP_ROWS. A host kernel may be NULL: no such instruction here. */
extern const sse_soft sse_soft_kernels[];
extern const sse_kernel sse_host_kernels[];
bool sse_host_has_sse41(void);

#endif
