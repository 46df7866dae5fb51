/* sse_fp_host.c - SSE floating point by the host's own instructions: the same instruction, on the guest's operands,
 * with the guest's rounding and DAZ/FTZ in MXCSR (fpenv.h). Inline assembly, because a compiler may swap the operands
 * of + and *, and NaNs show it. */
#include "sse_fp.h"

#if X86_HOST_FPU
typedef long long v16 __attribute__((vector_size(16), may_alias));

#define KERNEL(name, ...)                                                                                              \
	static void host_##name(x86_lane *d, const x86_lane *s, unsigned imm)                                          \
	{                                                                                                              \
		v16 x = *(const v16 *)d, y = *(const v16 *)s;                                                          \
		(void)imm;                                                                                             \
		__VA_ARGS__;                                                                                           \
		*(v16 *)d = x;                                                                                         \
	}
#define ASM(text) __asm__ volatile(text " %1, %0" : "+x"(x) : "x"(y))
#define SAME(name) KERNEL(name, ASM(#name))
SAME(addps) SAME(addpd) SAME(addss) SAME(addsd) SAME(subps) SAME(subpd) SAME(subss) SAME(subsd)
SAME(mulps) SAME(mulpd) SAME(mulss) SAME(mulsd) SAME(divps) SAME(divpd) SAME(divss) SAME(divsd)
SAME(minps) SAME(minpd) SAME(minss) SAME(minsd) SAME(maxps) SAME(maxpd) SAME(maxss) SAME(maxsd)
SAME(sqrtps) SAME(sqrtpd) SAME(sqrtss) SAME(sqrtsd) SAME(rcpps) SAME(rcpss) SAME(rsqrtps) SAME(rsqrtss)
SAME(addsubps) SAME(addsubpd) SAME(haddps) SAME(haddpd) SAME(hsubps) SAME(hsubpd)
SAME(cvtps2pd) SAME(cvtpd2ps) SAME(cvtss2sd) SAME(cvtsd2ss) SAME(cvtdq2ps) SAME(cvtdq2pd)
SAME(cvtps2dq) SAME(cvttps2dq) SAME(cvtpd2dq) SAME(cvttpd2dq)

#define CASE(n, text)                                                                                                  \
	case n:                                                                                                        \
		__asm__ volatile(text " $" #n ", %1, %0" : "+x"(x) : "x"(y));                                          \
		break;
#define CASES8(text)                                                                                                   \
	CASE(0, text) CASE(1, text) CASE(2, text) CASE(3, text) CASE(4, text) CASE(5, text) CASE(6, text) CASE(7, text)
#define CASES16(text)                                                                                                  \
	CASES8(text) CASE(8, text) CASE(9, text) CASE(10, text) CASE(11, text) CASE(12, text) CASE(13, text)           \
	CASE(14, text) CASE(15, text)
#define COMPARE(name) KERNEL(name, switch (imm & 7) { CASES8(#name) })
COMPARE(cmpps) COMPARE(cmppd) COMPARE(cmpss) COMPARE(cmpsd)
#define ROUND(name) KERNEL(name, switch (imm & 15) { CASES16(#name) })
ROUND(roundps) ROUND(roundpd) ROUND(roundss) ROUND(roundsd)
#define host_dpps NULL
#define host_dppd NULL

KERNEL(cvtpi2ps, v16 low; y[1] = 0; __asm__ volatile("cvtdq2ps %1, %0" : "=x"(low) : "x"(y)); x[0] = low[0])

#define FROM_GPR(name)                                                                                                 \
	KERNEL(name, (void)y;                                                                                          \
	       if (imm == 64) __asm__ volatile(#name "q %1, %0" : "+x"(x) : "r"(s->q[0]));                            \
	       else __asm__ volatile(#name "l %1, %0" : "+x"(x) : "r"(s->d[0])))
FROM_GPR(cvtsi2ss) FROM_GPR(cvtsi2sd)

#define TO_GPR(name)                                                                                                   \
	KERNEL(name, uint64_t wide; uint32_t narrow; if (imm == 64) {                                                  \
		__asm__ volatile(#name " %1, %0" : "=r"(wide) : "x"(y));                                               \
		x[0] = (long long)wide;                                                                                \
	} else {                                                                                                       \
		__asm__ volatile(#name " %1, %0" : "=r"(narrow) : "x"(y));                                             \
		x[0] = narrow;                                                                                         \
	})
TO_GPR(cvtss2si) TO_GPR(cvtsd2si) TO_GPR(cvttss2si) TO_GPR(cvttsd2si)

#define FLAGS(name)                                                                                                    \
	KERNEL(name, int zf; int pf; int cf;                                                                           \
	       __asm__ volatile(#name " %4, %3" : "=@ccz"(zf), "=@ccp"(pf), "=@ccc"(cf) : "x"(x), "x"(y));            \
	       x[0] = (zf ? X86_ZF : 0) | (pf ? X86_PF_ : 0) | (cf ? X86_CF : 0))
FLAGS(comiss) FLAGS(comisd) FLAGS(ucomiss) FLAGS(ucomisd)

#define ROW(mnemonic, kind, mem, name) host_##name,
const sse_kernel sse_host_kernels[] = {SSE_FP_ROWS(ROW)};

bool sse_host_has_sse41(void)
{
	return __builtin_cpu_supports("sse4.1");
}
#else
#define ROW(mnemonic, kind, mem, name) NULL,
const sse_kernel sse_host_kernels[] = {SSE_FP_ROWS(ROW)};

bool sse_host_has_sse41(void)
{
	return false;
}
#endif
