/* rows.c - what the comparison leaves out and what it lets differ, each with its reason. Sections are of the Intel SDM
 * or the AMD APM. */
#include "silicon.h"

static const struct {
	uint16_t mnemonic;
	const char *why;
} excluded[] = {
#define M(n) ZYDIS_MNEMONIC_##n
	/* would reach the host's kernel or hypervisor */
	{M(SYSCALL), "enters the host's kernel"},
	{M(SYSENTER), "enters the host's kernel"},
	{M(VMCALL), "reaches the host's hypervisor"},
	{M(VMMCALL), "reaches the host's hypervisor"},
	{M(VMFUNC), "reaches the host's hypervisor"},
	{M(VMRUN), "reaches the host's hypervisor"},
	/* a value that is the machine's own */
	{M(CPUID), "the answer is the machine's"},
	{M(RDTSC), "time"},
	{M(RDTSCP), "time"},
	{M(RDPMC), "the answer is the machine's"},
	{M(RDRAND), "random"},
	{M(RDSEED), "random"},
	{M(RDPID), "the answer is the machine's"},
	{M(XGETBV), "the answer is the machine's"},
	{M(SGDT), "UMIP: Linux emulates it"},
	{M(SIDT), "UMIP: Linux emulates it"},
	{M(SMSW), "UMIP: Linux emulates it"},
	{M(SLDT), "UMIP: Linux emulates it"},
	{M(STR), "UMIP: Linux emulates it"},
	{M(LAR), "the answer depends on the kernel's GDT"},
	{M(LSL), "the answer depends on the kernel's GDT"},
	{M(VERR), "the answer depends on the kernel's GDT"},
	{M(VERW), "the answer depends on the kernel's GDT"},
	{M(LLDT), "never at CPL 3, and Linux' #GP of UMIP instructions is emulated by opcode group"},
	{M(LTR), "never at CPL 3, and Linux' #GP of UMIP instructions is emulated by opcode group"},
	{M(MONITOR), "#UD or not at CPL 3 by an MSR of AMD's (APM vol. 3, MONITOR)"},
	{M(MWAIT), "#UD or not at CPL 3 by an MSR of AMD's (APM vol. 3, MWAIT)"},
	{M(INT1), "hypervisors inject its #DB with RIP before it (KVM on AMD-V)"},
	/* far transfers: the tests of segments and gates, test_cpu_sys_far.c */
	{M(IRET), "far transfer"},
	{M(IRETD), "far transfer"},
	{M(IRETQ), "far transfer"},
	{M(LSS), "loads a segment register"},
	{M(LDS), "loads a segment register"},
	{M(LES), "loads a segment register"},
	{M(LFS), "loads a segment register"},
	{M(LGS), "loads a segment register"},
	{M(UD0), "length differs between vendors: ModRM or none"},
	{M(XRSTOR), "reads a header that random memory has not; see test_cpu_fp_state.c"},
	{M(XRSTOR64), "reads a header that random memory has not; see test_cpu_fp_state.c"},
	{M(XSAVE), "XSTATE_BV tells XINUSE, which is the implementation's (SDM vol. 1, 13.6)"},
	{M(XSAVE64), "XSTATE_BV tells XINUSE, which is the implementation's (SDM vol. 1, 13.6)"},
#undef M
};

const char *row_excluded(ZydisMnemonic m)
{
	for (size_t n = 0; n < sizeof excluded / sizeof *excluded; n++)
		if (excluded[n].mnemonic == m)
			return excluded[n].why;
	return NULL;
}

/* By operands. */
bool row_excluded_form(const ZydisDecodedInstruction *i, const ZydisDecodedOperand *o, const char **why)
{
	*why = NULL;
	if (i->mnemonic == ZYDIS_MNEMONIC_INT)
		*why = "INT 80h enters the host's kernel";
	else if (i->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
		*why = "far transfer";
	else if (i->meta.branch_type != ZYDIS_BRANCH_TYPE_NONE && i->attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE)
		*why = "operand size 16 of near branches: ignored by Intel, obeyed by AMD (APM vol. 3, JMP)";
	for (unsigned n = 0; n < i->operand_count; n++)
		if (o[n].type == ZYDIS_OPERAND_TYPE_REGISTER && o[n].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE &&
		    ZydisRegisterGetClass(o[n].reg.value) == ZYDIS_REGCLASS_SEGMENT)
			*why = "loads a segment register";
	if (i->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX && i->raw.vex.W &&
	    i->machine_mode == ZYDIS_MACHINE_MODE_LONG_COMPAT_32 &&
	    (i->mnemonic == ZYDIS_MNEMONIC_VPINSRD || i->mnemonic == ZYDIS_MNEMONIC_VPEXTRD))
		*why = "VEX.W outside 64-bit mode: ignored (SDM vol. 2, PINSRD), #UD on a Zen 3";
	if (i->meta.isa_set == ZYDIS_ISA_SET_AMD3DNOW && i->meta.category != ZYDIS_CATEGORY_PREFETCH)
		*why = "3DNow! is gone";
	return *why != NULL;
}

enum { CF = 1, PF = 4, AF = 0x10, ZF = 0x40, SF = 0x80, OF = 0x800, ARITH = CF | PF | AF | ZF | SF | OF };

#define UNMASKED_COMPARE "unmasked exception: Intel leaves the codes (SDM vol. 1, 8.5.1), AMD sets them"
#define UNALIGNED_SHA "unaligned: #GP (SDM vol. 2, table 2-21), none on a Zen 3"
#define MASK_OF_ZERO "a mask of zero: exceptions are the implementation's (SDM vol. 2, MASKMOVDQU)"
#define IO_COUNT "count 0: no access, no check (SDM vol. 2, REP); a Zen 3 checks the port"
#define NO_AC "which accesses are checked for alignment: test_cpu_sys_align.c"
#define TWO_OPERANDS "both operands fault: which one is told is open (SDM vol. 3, 6.9)"
#define CR2_OF_AREA "which byte of an area is told is open (SDM vol. 3, 4.7)"
/* The processor the CPU copies in undefined flags is AMD's Zen; on others more is open. */
static const struct s_row rows[] = {
#define M(n) ZYDIS_MNEMONIC_##n
	{M(DIV), R_FLAGS, V_ANY, W_ALWAYS, ARITH, "flags undefined (SDM vol. 2, DIV): a by-product of microcode"},
	{M(IDIV), R_FLAGS, V_ANY, W_ALWAYS, ARITH, "flags undefined (SDM vol. 2, IDIV): a by-product of microcode"},
	{M(SHLD), R_FLAGS, V_AMD, W_COUNT16, CF | OF, "count above 16: undefined (SDM vol. 2, SHLD)"},
	{M(SHRD), R_FLAGS, V_AMD, W_COUNT16, CF | OF, "count above 16: undefined (SDM vol. 2, SHRD)"},
	{M(SHLD), R_FLAGS, V_INTEL, W_ALWAYS, AF | OF, "AF, OF undefined (SDM vol. 2, SHLD)"},
	{M(SHRD), R_FLAGS, V_INTEL, W_ALWAYS, AF | OF, "AF, OF undefined (SDM vol. 2, SHRD)"},
	{M(SHLD), R_ANY, V_INTEL, W_COUNT16, 0, "count above 16: result undefined (SDM vol. 2, SHLD)"},
	{M(SHRD), R_ANY, V_INTEL, W_COUNT16, 0, "count above 16: result undefined (SDM vol. 2, SHRD)"},
	{M(SHL), R_FLAGS, V_INTEL, W_ALWAYS, AF | OF | CF, "AF; OF but for counts of 1; CF above the size (SDM, SAL)"},
	{M(SHR), R_FLAGS, V_INTEL, W_ALWAYS, AF | OF | CF, "AF; OF but for counts of 1; CF above the size (SDM, SAL)"},
	{M(SAR), R_FLAGS, V_INTEL, W_ALWAYS, AF | OF, "AF; OF but for counts of 1 (SDM vol. 2, SAL)"},
	{M(ROL), R_FLAGS, V_INTEL, W_ALWAYS, OF, "OF but for counts of 1 (SDM vol. 2, RCL)"},
	{M(ROR), R_FLAGS, V_INTEL, W_ALWAYS, OF, "OF but for counts of 1 (SDM vol. 2, RCL)"},
	{M(RCL), R_FLAGS, V_INTEL, W_ALWAYS, OF, "OF but for counts of 1 (SDM vol. 2, RCL)"},
	{M(RCR), R_FLAGS, V_INTEL, W_ALWAYS, OF, "OF but for counts of 1 (SDM vol. 2, RCL)"},
	{M(AND), R_FLAGS, V_INTEL, W_ALWAYS, AF, "AF undefined (SDM vol. 2, AND)"},
	{M(OR), R_FLAGS, V_INTEL, W_ALWAYS, AF, "AF undefined (SDM vol. 2, OR)"},
	{M(XOR), R_FLAGS, V_INTEL, W_ALWAYS, AF, "AF undefined (SDM vol. 2, XOR)"},
	{M(TEST), R_FLAGS, V_INTEL, W_ALWAYS, AF, "AF undefined (SDM vol. 2, TEST)"},
	{M(ANDN), R_FLAGS, V_INTEL, W_ALWAYS, AF | PF, "AF, PF undefined (SDM vol. 2, ANDN)"},
	{M(BEXTR), R_FLAGS, V_INTEL, W_ALWAYS, AF | SF | PF, "undefined (SDM vol. 2, BEXTR)"},
	{M(BLSI), R_FLAGS, V_INTEL, W_ALWAYS, AF | PF, "undefined (SDM vol. 2, BLSI)"},
	{M(BLSMSK), R_FLAGS, V_INTEL, W_ALWAYS, AF | PF, "undefined (SDM vol. 2, BLSMSK)"},
	{M(BLSR), R_FLAGS, V_INTEL, W_ALWAYS, AF | PF, "undefined (SDM vol. 2, BLSR)"},
	{M(BZHI), R_FLAGS, V_INTEL, W_ALWAYS, AF | PF, "undefined (SDM vol. 2, BZHI)"},
	{M(LZCNT), R_FLAGS, V_INTEL, W_ALWAYS, OF | SF | PF | AF, "undefined (SDM vol. 2, LZCNT)"},
	{M(TZCNT), R_FLAGS, V_INTEL, W_ALWAYS, OF | SF | PF | AF, "undefined (SDM vol. 2, TZCNT)"},
	{M(MUL), R_FLAGS, V_INTEL, W_ALWAYS, SF | ZF | AF | PF, "undefined (SDM vol. 2, MUL)"},
	{M(IMUL), R_FLAGS, V_INTEL, W_ALWAYS, SF | ZF | AF | PF, "undefined (SDM vol. 2, IMUL)"},
	{M(BT), R_FLAGS, V_INTEL, W_ALWAYS, OF | SF | AF | PF, "undefined (SDM vol. 2, BT)"},
	{M(BTS), R_FLAGS, V_INTEL, W_ALWAYS, OF | SF | AF | PF, "undefined (SDM vol. 2, BTS)"},
	{M(BTR), R_FLAGS, V_INTEL, W_ALWAYS, OF | SF | AF | PF, "undefined (SDM vol. 2, BTR)"},
	{M(BTC), R_FLAGS, V_INTEL, W_ALWAYS, OF | SF | AF | PF, "undefined (SDM vol. 2, BTC)"},
	{M(BSF), R_FLAGS, V_ZEN4, W_ALWAYS, ARITH & ~ZF, "undefined (APM vol. 3, BSF): a Zen 3 leaves them, a Zen 4 clears them"},
	{M(BSR), R_FLAGS, V_ZEN4, W_ALWAYS, ARITH & ~ZF, "undefined (APM vol. 3, BSR): a Zen 3 leaves them, a Zen 4 clears them"},
	{M(BSF), R_FLAGS, V_INTEL, W_ALWAYS, ARITH & ~ZF, "undefined (SDM vol. 2, BSF)"},
	{M(BSR), R_FLAGS, V_INTEL, W_ALWAYS, ARITH & ~ZF, "undefined (SDM vol. 2, BSR)"},
	{M(AAA), R_FLAGS, V_ANY, W_ALWAYS, OF | SF | ZF | PF, "undefined (SDM vol. 2, AAA)"},
	{M(AAS), R_FLAGS, V_ANY, W_ALWAYS, OF | SF | ZF | PF, "undefined (SDM vol. 2, AAS)"},
	{M(AAM), R_FLAGS, V_ANY, W_ALWAYS, OF | AF | CF, "undefined (SDM vol. 2, AAM)"},
	{M(AAD), R_FLAGS, V_ANY, W_ALWAYS, OF | AF | CF, "undefined (SDM vol. 2, AAD)"},
	{M(DAA), R_FLAGS, V_ANY, W_ALWAYS, OF, "undefined (SDM vol. 2, DAA)"},
	{M(DAS), R_FLAGS, V_ANY, W_ALWAYS, OF, "undefined (SDM vol. 2, DAS)"},
	/* approximations: with the host's FPU the same circuit answers on both sides, and they are compared exactly */
	{M(RCPPS), R_SSE_BOUND, V_ANY, W_SOFTFLOAT, 0, "approximation (SDM vol. 2, RCPPS)"},
	{M(RCPSS), R_SSE_BOUND, V_ANY, W_SOFTFLOAT, 0, "approximation (SDM vol. 2, RCPSS)"},
	{M(RSQRTPS), R_SSE_BOUND, V_ANY, W_SOFTFLOAT, 0, "approximation (SDM vol. 2, RSQRTPS)"},
	{M(RSQRTSS), R_SSE_BOUND, V_ANY, W_SOFTFLOAT, 0, "approximation (SDM vol. 2, RSQRTSS)"},
	{M(VRCPPS), R_SSE_BOUND, V_ANY, W_SOFTFLOAT, 0, "approximation (SDM vol. 2, RCPPS)"},
	{M(VRCPSS), R_SSE_BOUND, V_ANY, W_SOFTFLOAT, 0, "approximation (SDM vol. 2, RCPSS)"},
	{M(VRSQRTPS), R_SSE_BOUND, V_ANY, W_SOFTFLOAT, 0, "approximation (SDM vol. 2, RSQRTPS)"},
	{M(VRSQRTSS), R_SSE_BOUND, V_ANY, W_SOFTFLOAT, 0, "approximation (SDM vol. 2, RSQRTSS)"},
	{M(F2XM1), R_X87_BOUND, V_ANY, W_SOFTFLOAT, 2, "each within 1 ulp (SDM vol. 1, 8.3.10)"},
	{M(FYL2X), R_X87_BOUND, V_ANY, W_SOFTFLOAT, 2, "each within 1 ulp (SDM vol. 1, 8.3.10)"},
	{M(FYL2XP1), R_X87_BOUND, V_ANY, W_SOFTFLOAT, 2, "each within 1 ulp (SDM vol. 1, 8.3.10)"},
	{M(FPTAN), R_X87_BOUND, V_ANY, W_SOFTFLOAT, 2, "each within 1 ulp (SDM vol. 1, 8.3.10)"},
	{M(FPATAN), R_X87_BOUND, V_ANY, W_SOFTFLOAT, 2, "each within 1 ulp (SDM vol. 1, 8.3.10)"},
	{M(FSIN), R_X87_BOUND, V_ANY, W_SOFTFLOAT, 2, "each within 1 ulp (SDM vol. 1, 8.3.10)"},
	{M(FCOS), R_X87_BOUND, V_ANY, W_SOFTFLOAT, 2, "each within 1 ulp (SDM vol. 1, 8.3.10)"},
	{M(FSINCOS), R_X87_BOUND, V_ANY, W_SOFTFLOAT, 2, "each within 1 ulp (SDM vol. 1, 8.3.10)"},
	{M(F2XM1), R_SMALL, V_ANY, W_ALWAYS, 0, "undefined outside -1 .. 1 (SDM vol. 2, F2XM1)"},
	{M(FYL2XP1), R_SMALL, V_ANY, W_ALWAYS, 0, "undefined outside -0.29 .. 0.41 (SDM vol. 2, FYL2XP1)"},
	/* condition codes */
	{M(FCOMI), R_FSW, V_AMD, W_ALWAYS, 0x200, "C1 is 0 (SDM vol. 2, FCOMI) or stays (AMD)"},
	{M(FCOMIP), R_FSW, V_AMD, W_ALWAYS, 0x200, "C1 is 0 (SDM vol. 2, FCOMI) or stays (AMD)"},
	{M(FUCOMI), R_FSW, V_AMD, W_ALWAYS, 0x200, "C1 is 0 (SDM vol. 2, FCOMI) or stays (AMD)"},
	{M(FUCOMIP), R_FSW, V_AMD, W_ALWAYS, 0x200, "C1 is 0 (SDM vol. 2, FCOMI) or stays (AMD)"},
	/* compares with an unmasked exception: Intel leaves the codes (SDM vol. 1, 8.5.1), AMD sets them */
	{M(FCOM), R_FSW, V_AMD, W_UNMASKED, 0x4700, UNMASKED_COMPARE},
	{M(FCOMP), R_FSW, V_AMD, W_UNMASKED, 0x4700, UNMASKED_COMPARE},
	{M(FCOMPP), R_FSW, V_AMD, W_UNMASKED, 0x4700, UNMASKED_COMPARE},
	{M(FICOM), R_FSW, V_AMD, W_UNMASKED, 0x4700, UNMASKED_COMPARE},
	{M(FICOMP), R_FSW, V_AMD, W_UNMASKED, 0x4700, UNMASKED_COMPARE},
	{M(FUCOM), R_FSW, V_AMD, W_UNMASKED, 0x4700, UNMASKED_COMPARE},
	{M(FUCOMP), R_FSW, V_AMD, W_UNMASKED, 0x4700, UNMASKED_COMPARE},
	{M(FUCOMPP), R_FSW, V_AMD, W_UNMASKED, 0x4700, UNMASKED_COMPARE},
	{M(FTST), R_FSW, V_AMD, W_UNMASKED, 0x4700, UNMASKED_COMPARE},
	{M(FCOMI), R_FLAGS, V_AMD, W_UNMASKED, ARITH, UNMASKED_COMPARE},
	{M(FCOMIP), R_FLAGS, V_AMD, W_UNMASKED, ARITH, UNMASKED_COMPARE},
	{M(FUCOMI), R_FLAGS, V_AMD, W_UNMASKED, ARITH, UNMASKED_COMPARE},
	{M(FUCOMIP), R_FLAGS, V_AMD, W_UNMASKED, ARITH, UNMASKED_COMPARE},
	{M(FLD), R_ANY, V_AMD, W_UNMASKED, 0, "unmasked denormal operand: AMD pushes, SDM vol. 1, 8.5.2 does not"},
	/* FOP, FIP, FDP: see compare.c; FCS, FDS; MXCSR_MASK tells of AMD's misaligned mode */
	{M(FNSTENV), R_ERASE, V_ANY, W_SIZE32, 12 | 28 << 8, "x87 pointers (SDM vol. 1, 8.1.8; APM vol. 2, 11.5.9)"},
	{M(FNSTENV), R_ERASE, V_ANY, W_SIZE16, 6 | 14 << 8, "x87 pointers (SDM vol. 1, 8.1.8; APM vol. 2, 11.5.9)"},
	{M(FNSAVE), R_ERASE, V_ANY, W_SIZE32, 12 | 28 << 8, "x87 pointers (SDM vol. 1, 8.1.8; APM vol. 2, 11.5.9)"},
	{M(FNSAVE), R_ERASE, V_ANY, W_SIZE16, 6 | 14 << 8, "x87 pointers (SDM vol. 1, 8.1.8; APM vol. 2, 11.5.9)"},
	{M(FXSAVE), R_ERASE, V_ANY, W_ALWAYS, 6 | 24 << 8, "x87 pointers (SDM vol. 1, 8.1.8; APM vol. 2, 11.5.9)"},
	{M(FXSAVE64), R_ERASE, V_ANY, W_ALWAYS, 6 | 24 << 8, "x87 pointers (SDM vol. 1, 8.1.8; APM vol. 2, 11.5.9)"},
	{M(FXSAVE), R_ERASE, V_ANY, W_ALWAYS, 28 | 32 << 8, "MXCSR_MASK: what the processor has (SDM vol. 1, 11.6.6)"},
	{M(FXSAVE64), R_ERASE, V_ANY, W_ALWAYS, 28 | 32 << 8,
	 "MXCSR_MASK: what the processor has (SDM vol. 1, 11.6.6)"},
	{M(PUSH), R_ERASE_TOP, V_ANY, W_SEGMENT, 2, "16 bits written or zero-extended (SDM vol. 2, PUSH)"},
	{M(MASKMOVQ), R_CR2, V_ANY, W_ALWAYS, 0, "bytes that are not written may be told (SDM vol. 2, MASKMOVQ)"},
	{M(MASKMOVDQU), R_CR2, V_ANY, W_ALWAYS, 0, "bytes that are not written may be told (SDM vol. 2, MASKMOVDQU)"},
	{M(FXSAVE), R_CR2, V_ANY, W_ALWAYS, 0, CR2_OF_AREA},
	{M(FXSAVE64), R_CR2, V_ANY, W_ALWAYS, 0, CR2_OF_AREA},
	{M(FXRSTOR), R_CR2, V_ANY, W_ALWAYS, 0, CR2_OF_AREA},
	{M(FXRSTOR64), R_CR2, V_ANY, W_ALWAYS, 0, CR2_OF_AREA},
	{M(FNSAVE), R_CR2, V_ANY, W_ALWAYS, 0, CR2_OF_AREA},
	{M(FRSTOR), R_CR2, V_ANY, W_ALWAYS, 0, CR2_OF_AREA},
	{M(FNSTENV), R_CR2, V_ANY, W_ALWAYS, 0, CR2_OF_AREA},
	{M(FLDENV), R_CR2, V_ANY, W_ALWAYS, 0, CR2_OF_AREA},
	{M(SHA1MSG1), R_ALIGNED, V_AMD, W_ALWAYS, 0, UNALIGNED_SHA},
	{M(SHA1MSG2), R_ALIGNED, V_AMD, W_ALWAYS, 0, UNALIGNED_SHA},
	{M(SHA1NEXTE), R_ALIGNED, V_AMD, W_ALWAYS, 0, UNALIGNED_SHA},
	{M(SHA1RNDS4), R_ALIGNED, V_AMD, W_ALWAYS, 0, UNALIGNED_SHA},
	{M(SHA256MSG1), R_ALIGNED, V_AMD, W_ALWAYS, 0, UNALIGNED_SHA},
	{M(SHA256MSG2), R_ALIGNED, V_AMD, W_ALWAYS, 0, UNALIGNED_SHA},
	{M(SHA256RNDS2), R_ALIGNED, V_AMD, W_ALWAYS, 0, UNALIGNED_SHA},
	{M(MASKMOVQ), R_PRESENT, V_AMD, W_ALWAYS, 0, "enters the MMX state before it faults (Zen 3)"},
	{M(LDMXCSR), R_ALIGNED, V_AMD, W_ALWAYS, 0,
	 "MXCSR.MM (APM vol. 1, 4.2.2): the values that set it are left out"},
	{M(VLDMXCSR), R_ALIGNED, V_AMD, W_ALWAYS, 0,
	 "MXCSR.MM (APM vol. 1, 4.2.2): the values that set it are left out"},
	{M(MASKMOVDQU), R_PRESENT, V_ANY, W_ALWAYS, 0, MASK_OF_ZERO},
	{M(VMASKMOVDQU), R_PRESENT, V_ANY, W_ALWAYS, 0, MASK_OF_ZERO},
	{M(INSB), R_COUNT, V_AMD, W_ALWAYS, 0, IO_COUNT},
	{M(INSW), R_COUNT, V_AMD, W_ALWAYS, 0, IO_COUNT},
	{M(INSD), R_COUNT, V_AMD, W_ALWAYS, 0, IO_COUNT},
	{M(OUTSB), R_COUNT, V_AMD, W_ALWAYS, 0, IO_COUNT},
	{M(OUTSW), R_COUNT, V_AMD, W_ALWAYS, 0, IO_COUNT},
	{M(OUTSD), R_COUNT, V_AMD, W_ALWAYS, 0, IO_COUNT},
	{M(POPFQ), R_NO_AC, V_ANY, W_ALWAYS, 0, NO_AC},
	{M(POPFD), R_NO_AC, V_ANY, W_ALWAYS, 0, NO_AC},
	{M(VMASKMOVDQU), R_CR2, V_ANY, W_ALWAYS, 0, "bytes that are not written may be told (SDM vol. 2, MASKMOVDQU)"},
	{M(PUSHA), R_PARTIAL, V_ANY, W_ALWAYS, 0,
	 "stores before the one that faults (SDM vol. 3, 6.5: restartable all the same)"},
	{M(PUSHAD), R_PARTIAL, V_ANY, W_ALWAYS, 0,
	 "stores before the one that faults (SDM vol. 3, 6.5: restartable all the same)"},
	{M(CALL), R_ORDER, V_ANY, W_ALWAYS, 0, "target and stack fault: which one is told is open (SDM vol. 3, 6.9)"},
	{M(CMPSB), R_ORDER, V_ANY, W_ALWAYS, 0, TWO_OPERANDS},
	{M(CMPSW), R_ORDER, V_ANY, W_ALWAYS, 0, TWO_OPERANDS},
	{M(CMPSD), R_ORDER, V_ANY, W_ALWAYS, 0, TWO_OPERANDS},
	{M(CMPSQ), R_ORDER, V_ANY, W_ALWAYS, 0, TWO_OPERANDS},
#undef M
};

static bool pushes_segment(const ZydisDecodedInstruction *i)
{
	return i->operand_width != 16 &&
	       ((i->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && i->opcode < 0x20) ||
		(i->opcode_map == ZYDIS_OPCODE_MAP_0F && (i->opcode == 0xa0 || i->opcode == 0xa8)));
}

static bool vendor_fits(uint8_t vendor)
{
	if (vendor == V_ZEN4)
		return host_is_zen4();
	return vendor == V_ANY || (vendor == V_AMD) == host_is_amd();
}

/* Kinds that hold here, by mnemonic. */
static const uint32_t *kinds(void)
{
	static uint32_t bits[ZYDIS_MNEMONIC_MAX_VALUE + 1];
	static bool known;
	for (const struct s_row *r = rows; !known && r < rows + sizeof rows / sizeof *rows; r++)
		if (vendor_fits(r->vendor))
			bits[r->mnemonic] |= 1u << r->kind;
	known = true;
	return bits;
}

bool row_has(uint16_t mnemonic, enum s_kind kind)
{
	return kinds()[mnemonic] >> kind & 1;
}

const struct s_row *row_next(const struct s_row *from, const ZydisDecodedInstruction *i)
{
	const struct s_row *r = from ? from + 1 : rows;
	if (!kinds()[i->mnemonic])
		return NULL;
	for (; r < rows + sizeof rows / sizeof *rows; r++) {
		if (r->mnemonic != i->mnemonic || !vendor_fits(r->vendor))
			continue;
		if ((r->when == W_COUNT16 || r->when == W_SIZE16) && i->operand_width != 16)
			continue;
		if (r->when == W_SIZE32 && i->operand_width == 16)
			continue;
		if (r->when == W_SEGMENT && !pushes_segment(i))
			continue;
		return r;
	}
	return NULL;
}
