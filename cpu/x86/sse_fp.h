/* sse_fp.h - kernels and rows of the vector floating-point instructions. Each has two kernels: by the host's SSE unit
 * (sse_fp_host.c) and by softfloat (sse_fp_soft.c). */
#ifndef CPU_X86_SSE_FP_H
#define CPU_X86_SSE_FP_H

#include "sse.h"

/* As sse_kernel, for one lane: d = a op b. *d holds the old destination when it is called. */
typedef void (*sse_soft)(struct sf_env *e, x86_lane *d, const x86_lane *a, const x86_lane *b, unsigned imm);

/* VEC: vector op= vector or memory; APPROX the same without exceptions; WIDEN: 256 bits out of 128; NARROW: 128 bits
 * out of 256, in the low half of each lane's result; TO_GPR (imm: 32 or 64 bits wanted), FROM_GPR (imm: bits given),
 * FLAGS (d->q[0] becomes ZF PF CF), FROM_MM, TO_MM. */
enum sse_fp_kind { FP_VEC, FP_APPROX, FP_WIDEN, FP_NARROW, FP_TO_GPR, FP_FROM_GPR, FP_FLAGS, FP_FROM_MM, FP_TO_MM };
enum sse_fp_host { FP_SSE2, FP_SSE3, FP_SSE41, FP_AVX, FP_FMA, FP_F16C }; /* what a host kernel asks of the host */
struct sse_fp_row {
	uint16_t mnemonic, vex; /* ZYDIS_MNEMONIC_INVALID: no such form */
	uint8_t kind, mem;      /* enum sse_fp_kind; bytes of a memory source for the 128-bit form */
	uint8_t needs;          /* enum sse_fp_host */
	sse_kernel host;        /* NULL: none here */
	sse_soft soft;
};

/* X(mnemonic, kind, bytes of a memory source, host's, kernel): kernels are sse_host_<kernel> and sse_soft_<kernel>.
 * These have a VEX form with a V before the mnemonic and the same kernel. */
#define SSE_FP_ROWS(X)                                                                                             \
	X(ADDPS, VEC, 16, SSE2, addps) X(ADDPD, VEC, 16, SSE2, addpd) X(ADDSS, VEC, 4, SSE2, addss)                \
	X(ADDSD, VEC, 8, SSE2, addsd) X(SUBPS, VEC, 16, SSE2, subps) X(SUBPD, VEC, 16, SSE2, subpd)                \
	X(SUBSS, VEC, 4, SSE2, subss) X(SUBSD, VEC, 8, SSE2, subsd) X(MULPS, VEC, 16, SSE2, mulps)                 \
	X(MULPD, VEC, 16, SSE2, mulpd) X(MULSS, VEC, 4, SSE2, mulss) X(MULSD, VEC, 8, SSE2, mulsd)                 \
	X(DIVPS, VEC, 16, SSE2, divps) X(DIVPD, VEC, 16, SSE2, divpd) X(DIVSS, VEC, 4, SSE2, divss)                \
	X(DIVSD, VEC, 8, SSE2, divsd) X(MINPS, VEC, 16, SSE2, minps) X(MINPD, VEC, 16, SSE2, minpd)                \
	X(MINSS, VEC, 4, SSE2, minss) X(MINSD, VEC, 8, SSE2, minsd) X(MAXPS, VEC, 16, SSE2, maxps)                 \
	X(MAXPD, VEC, 16, SSE2, maxpd) X(MAXSS, VEC, 4, SSE2, maxss) X(MAXSD, VEC, 8, SSE2, maxsd)                 \
	X(SQRTPS, VEC, 16, SSE2, sqrtps) X(SQRTPD, VEC, 16, SSE2, sqrtpd) X(SQRTSS, VEC, 4, SSE2, sqrtss)          \
	X(SQRTSD, VEC, 8, SSE2, sqrtsd) X(ROUNDPS, VEC, 16, SSE41, roundps) X(ROUNDPD, VEC, 16, SSE41, roundpd)    \
	X(ROUNDSS, VEC, 4, SSE41, roundss) X(ROUNDSD, VEC, 8, SSE41, roundsd) X(RCPPS, APPROX, 16, SSE2, rcpps)    \
	X(RCPSS, APPROX, 4, SSE2, rcpss) X(RSQRTPS, APPROX, 16, SSE2, rsqrtps)                                     \
	X(RSQRTSS, APPROX, 4, SSE2, rsqrtss) X(ADDSUBPS, VEC, 16, SSE3, addsubps)                                  \
	X(ADDSUBPD, VEC, 16, SSE3, addsubpd) X(HADDPS, VEC, 16, SSE3, haddps) X(HADDPD, VEC, 16, SSE3, haddpd)     \
	X(HSUBPS, VEC, 16, SSE3, hsubps) X(HSUBPD, VEC, 16, SSE3, hsubpd) X(DPPS, VEC, 16, SSE3, dpps)             \
	X(DPPD, VEC, 16, SSE3, dppd) X(CVTPS2PD, WIDEN, 8, SSE2, cvtps2pd) X(CVTPD2PS, NARROW, 16, SSE2, cvtpd2ps) \
	X(CVTSS2SD, VEC, 4, SSE2, cvtss2sd) X(CVTSD2SS, VEC, 8, SSE2, cvtsd2ss)                                    \
	X(CVTDQ2PS, VEC, 16, SSE2, cvtdq2ps) X(CVTDQ2PD, WIDEN, 8, SSE2, cvtdq2pd)                                 \
	X(CVTPS2DQ, VEC, 16, SSE2, cvtps2dq) X(CVTTPS2DQ, VEC, 16, SSE2, cvttps2dq)                                \
	X(CVTPD2DQ, NARROW, 16, SSE2, cvtpd2dq) X(CVTTPD2DQ, NARROW, 16, SSE2, cvttpd2dq)                          \
	X(CVTSI2SS, FROM_GPR, 0, SSE2, cvtsi2ss) X(CVTSI2SD, FROM_GPR, 0, SSE2, cvtsi2sd)                          \
	X(CVTSS2SI, TO_GPR, 4, SSE2, cvtss2si) X(CVTSD2SI, TO_GPR, 8, SSE2, cvtsd2si)                              \
	X(CVTTSS2SI, TO_GPR, 4, SSE2, cvttss2si) X(CVTTSD2SI, TO_GPR, 8, SSE2, cvttsd2si)                          \
	X(COMISS, FLAGS, 4, SSE2, comiss) X(COMISD, FLAGS, 8, SSE2, comisd)                                        \
	X(UCOMISS, FLAGS, 4, SSE2, ucomiss) X(UCOMISD, FLAGS, 8, SSE2, ucomisd)
/* Compares have 8 predicates here and 32 with VEX. */
#define SSE_FP_LEGACY_ROWS(X)                                                                                      \
	X(CMPPS, VEC, 16, SSE2, cmpps) X(CMPPD, VEC, 16, SSE2, cmppd) X(CMPSS, VEC, 4, SSE2, cmpss)                \
	X(CMPSD, VEC, 8, SSE2, cmpsd) X(CVTPI2PS, FROM_MM, 8, SSE2, cvtpi2ps)                                      \
	X(CVTPI2PD, FROM_MM, 8, SSE2, cvtdq2pd) X(CVTPS2PI, TO_MM, 8, SSE2, cvtps2dq)                              \
	X(CVTTPS2PI, TO_MM, 8, SSE2, cvttps2dq) X(CVTPD2PI, TO_MM, 16, SSE2, cvtpd2dq)                             \
	X(CVTTPD2PI, TO_MM, 16, SSE2, cvttpd2dq)
/* With VEX only. */
#define VEX_FP_ROWS(X)                                                                                             \
	X(VCMPPS, VEC, 16, AVX, vcmpps) X(VCMPPD, VEC, 16, AVX, vcmppd) X(VCMPSS, VEC, 4, AVX, vcmpss)             \
	X(VCMPSD, VEC, 8, AVX, vcmpsd)

/* FMA (sse_fma.c). */
#define VEX_FMA_THREE(X, N, n, T, t, mem)                                                                          \
	X(N##132##T, VEC, mem, FMA, n##132##t) X(N##213##T, VEC, mem, FMA, n##213##t)                              \
	X(N##231##T, VEC, mem, FMA, n##231##t)
#define VEX_FMA_PACKED(X, N, n) VEX_FMA_THREE(X, N, n, PS, ps, 16) VEX_FMA_THREE(X, N, n, PD, pd, 16)
#define VEX_FMA_ALL(X, N, n)                                                                                       \
	VEX_FMA_PACKED(X, N, n) VEX_FMA_THREE(X, N, n, SS, ss, 4) VEX_FMA_THREE(X, N, n, SD, sd, 8)
#define VEX_FMA_ROWS(X)                                                                                            \
	VEX_FMA_ALL(X, VFMADD, vfmadd) VEX_FMA_ALL(X, VFMSUB, vfmsub) VEX_FMA_ALL(X, VFNMADD, vfnmadd)             \
	VEX_FMA_ALL(X, VFNMSUB, vfnmsub) VEX_FMA_PACKED(X, VFMADDSUB, vfmaddsub)                                   \
	VEX_FMA_PACKED(X, VFMSUBADD, vfmsubadd)

#define SSE_FP_DECLARE(mnemonic, kind, mem, needs, name)                                                           \
	void sse_host_##name(x86_lane *d, const x86_lane *a, const x86_lane *b, unsigned imm);                     \
	void sse_soft_##name(struct sf_env *e, x86_lane *d, const x86_lane *a, const x86_lane *b, unsigned imm);
SSE_FP_ROWS(SSE_FP_DECLARE)
SSE_FP_LEGACY_ROWS(SSE_FP_DECLARE)
VEX_FP_ROWS(SSE_FP_DECLARE)
VEX_FMA_ROWS(SSE_FP_DECLARE)
/* VDPPS of 256 bits: the only one whose lanes take steps together. */
void sse_soft_dpps_256(struct sf_env *e, x86_lane *d, const x86_lane *a, const x86_lane *b, unsigned imm);

/* The row of an instruction of either encoding, NULL: none. Its host kernel is NULL where this host lacks the
 * instruction. */
const struct sse_fp_row *sse_fp_find(const struct x86_insn *d);
const struct sse_fp_row *sse_fp_rows(size_t *count); /* all, for tests; with a host kernel even if this host cannot */
bool sse_host_has(enum sse_fp_host what);

static inline const struct sse_fp_row *sse_fp_row_of(const struct x86_op *op)
{
	return (const struct sse_fp_row *)(uintptr_t)op->imm;
}
static inline bool sse_fp_by_host(const struct x86_cpu *c, const struct sse_fp_row *row)
{
	return row->host && !x86_fp_soft && (!x86_sse_unmasked(c) || row->kind == FP_APPROX);
}

#endif
