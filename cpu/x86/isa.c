/* isa.c - which CPUID bits an instruction needs: by Zydis' instruction sets, one row each. What the vCPU's CPUID lacks
 * is #UD, unless its encoding is an older instruction's (LZCNT, TZCNT, reserved NOPs; see decode.c). */
#include "sys.h"

enum { MAX_NEEDS = 2 };
/* By instruction set: X86_F_ + 1; 0: nothing more. */
static const uint16_t needs[ZYDIS_ISA_SET_MAX_VALUE + 1][MAX_NEEDS] = {
#define NEEDS(SET, F) [ZYDIS_ISA_SET_##SET] = {X86_F_##F + 1},
#define NEEDS2(SET, F, G) [ZYDIS_ISA_SET_##SET] = {X86_F_##F + 1, X86_F_##G + 1},
	NEEDS(ADOX_ADCX, ADX)
	NEEDS(AES, AES)
	NEEDS(AVX, AVX)
	NEEDS(AVX2, AVX2)
	NEEDS(AVX2GATHER, AVX2)
	NEEDS2(AVXAES, AES, AVX)
	NEEDS2(AVX_GFNI, GFNI, AVX)
	NEEDS(BMI1, BMI1)
	NEEDS(BMI2, BMI2)
	NEEDS(CLFLUSHOPT, CLFLUSHOPT)
	NEEDS(CLFSH, CLFSH)
	NEEDS(CLWB, CLWB)
	NEEDS(CMOV, CMOV)
	NEEDS(CMPXCHG16B, CX16)
	NEEDS2(F16C, F16C, AVX)
	NEEDS2(FCMOV, CMOV, FPU)
	NEEDS2(FMA, FMA, AVX)
	NEEDS(FXSAVE, FXSR)
	NEEDS(FXSAVE64, FXSR)
	NEEDS(GFNI, GFNI)
	NEEDS(INVPCID, INVPCID)
	NEEDS(LZCNT, LZCNT)
	NEEDS(MONITOR, MONITOR)
	NEEDS(MOVBE, MOVBE)
	NEEDS(PCLMULQDQ, PCLMULQDQ)
	NEEDS(PENTIUMMMX, MMX)
	NEEDS(PKU, PKU)
	NEEDS(POPCNT, POPCNT)
	NEEDS(RDPID, RDPID)
	NEEDS(RDRAND, RDRAND)
	NEEDS(RDSEED, RDSEED)
	NEEDS(RDTSCP, RDTSCP)
	NEEDS(RDWRFSGS, FSGSBASE)
	NEEDS(SHA, SHA)
	NEEDS(SMAP, SMAP)
	NEEDS(SSE, SSE)
	NEEDS(SSEMXCSR, SSE)
	NEEDS(SSE2, SSE2)
	NEEDS(SSE2MMX, SSE2)
	NEEDS(SSE3, SSE3)
	NEEDS2(SSE3X87, SSE3, FPU)
	NEEDS(SSE4, SSE4_1)
	NEEDS(SSE42, SSE4_2)
	NEEDS(SSSE3, SSSE3)
	NEEDS(SSSE3MMX, SSSE3)
	NEEDS2(VAES, VAES, AVX)
	NEEDS2(VPCLMULQDQ, VPCLMULQDQ, AVX)
	NEEDS(X87, FPU)
	NEEDS(XSAVE, XSAVE)
	NEEDS(XSAVEC, XSAVEC)
	NEEDS(XSAVEOPT, XSAVEOPT)
	NEEDS(XSAVES, XSAVES)
};

static bool has(const struct x86_cpu *c, uint16_t need)
{
	return !need || x86_has(c, need - 1u);
}

/* What is not a set of its own in Zydis. */
static bool offered_by_mnemonic(const struct x86_insn *d)
{
	switch (d->i.mnemonic) {
	case ZYDIS_MNEMONIC_VPCLMULQDQ: return x86_has(d->c, X86_F_PCLMULQDQ);
	case ZYDIS_MNEMONIC_LAHF:
	case ZYDIS_MNEMONIC_SAHF: return d->c->mode != X86_MODE_LONG || x86_has(d->c, X86_F_LAHF_LM);
	default: return true;
	}
}

bool x86_isa_offered(const struct x86_insn *d)
{
	const uint16_t *n = needs[d->i.meta.isa_set];
	return has(d->c, n[0]) && has(d->c, n[1]) && offered_by_mnemonic(d);
}
