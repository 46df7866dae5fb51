/* sse_fp_host.c - SSE floating point by the host's own instructions: the same instruction, on the guest's operands,
 * with the guest's rounding and DAZ/FTZ in MXCSR (fpenv.h). Inline assembly, because a compiler may swap the operands
 * of + and *, and NaNs show it. */
#include "sse_fp.h"

#if X86_HOST_FPU
#include <cpuid.h>

typedef long long v16 __attribute__((vector_size(16), may_alias));

#define KERNEL(name, ...)                                                                                              \
	void sse_host_##name(x86_lane *d, const x86_lane *a, const x86_lane *b, unsigned imm)                          \
	{                                                                                                              \
		v16 x = *(const v16 *)a, y = *(const v16 *)b;                                                          \
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

/* Compares with VEX: 32 predicates. The destination is another register, so y need not stay. */
#define VCASE(n, text)                                                                                                 \
	case n:                                                                                                        \
		__asm__ volatile(text " $" #n ", %1, %0, %0" : "+x"(x) : "x"(y));                                      \
		break;
#define VCASES8(a, b, c, d, e, f, g, h, text)                                                                          \
	VCASE(a, text) VCASE(b, text) VCASE(c, text) VCASE(d, text) VCASE(e, text) VCASE(f, text) VCASE(g, text)       \
	VCASE(h, text)
#define VCOMPARE(name)                                                                                                 \
	KERNEL(name, switch (imm & 31) {                                                                               \
		VCASES8(0, 1, 2, 3, 4, 5, 6, 7, #name)                                                                 \
		VCASES8(8, 9, 10, 11, 12, 13, 14, 15, #name)                                                           \
		VCASES8(16, 17, 18, 19, 20, 21, 22, 23, #name)                                                         \
		VCASES8(24, 25, 26, 27, 28, 29, 30, 31, #name)                                                         \
	})
VCOMPARE(vcmpps) VCOMPARE(vcmppd) VCOMPARE(vcmpss) VCOMPARE(vcmpsd)

/* DPPS, DPPD: products that are not wanted are 0 * 0, which raises nothing. */
static inline v16 chosen32(unsigned bits)
{
	x86_lane m;
	for (unsigned i = 0; i < 4; i++)
		m.d[i] = 0 - (bits >> i & 1);
	return *(const v16 *)&m;
}
static inline v16 chosen64(unsigned bits)
{
	return (v16){-(long long)(bits & 1), -(long long)(bits >> 1 & 1)};
}
#define TWO(text, to, from) __asm__ volatile(text " %1, %0" : "+x"(to) : "x"(from))
KERNEL(dpps, v16 m = chosen32(imm >> 4); x &= m; y &= m; TWO("mulps", x, y); TWO("haddps", x, x); TWO("haddps", x, x);
       x &= chosen32(imm))
KERNEL(dppd, v16 m = chosen64(imm >> 4); x &= m; y &= m; TWO("mulpd", x, y); TWO("haddpd", x, x); x &= chosen64(imm))

KERNEL(cvtpi2ps, v16 low; y[1] = 0; __asm__ volatile("cvtdq2ps %1, %0" : "=x"(low) : "x"(y)); x[0] = low[0])

#define FROM_GPR(name)                                                                                                 \
	KERNEL(name, (void)y;                                                                                          \
	       if (imm == 64) __asm__ volatile(#name "q %1, %0" : "+x"(x) : "r"(b->q[0]));                            \
	       else __asm__ volatile(#name "l %1, %0" : "+x"(x) : "r"(b->d[0])))
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

/* CPUID.1:ECX bit 29; not every compiler has a name for it. */
static bool has_f16c(void)
{
	unsigned a, b, c = 0, d;
	return __get_cpuid(1, &a, &b, &c, &d) && c >> 29 & 1 && __builtin_cpu_supports("avx");
}

bool sse_host_has(enum sse_fp_host what)
{
	switch (what) {
	case FP_SSE2: return true;
	case FP_SSE3: return __builtin_cpu_supports("sse3");
	case FP_SSE41: return __builtin_cpu_supports("sse4.1");
	case FP_AVX: return __builtin_cpu_supports("avx");
	case FP_FMA: return __builtin_cpu_supports("fma");
	case FP_F16C: return has_f16c();
	default: return false;
	}
}
#else
bool sse_host_has(enum sse_fp_host what)
{
	(void)what;
	return false;
}
#endif
