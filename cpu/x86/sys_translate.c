/* sys_translate.c - which decoded instruction goes to which handler of the system part. */
#include "sys.h"

/* How the operands are put into the operation. */
enum form {
	NONE,
	RM_SRC, /* r/m in operand 0 or the last explicit one, read through x86_rm16 */
	RM_DST, /* operand 0 is r/m, written */
	REG_RM, /* operand 0 a register, operand 1 r/m */
	RM_REG, /* operand 0 is r/m, operand 1 a register */
	MEM,    /* only the memory operand */
	REG0,   /* operand 0 a register, as dst and src */
	ADDRESS /* DS:rAX, the segment overridable; aux: address size */
};

struct row {
	uint16_t mnemonic;
	uint8_t form, aux;
	bool goes_on; /* the block does not end */
	x86_fn fn;
};

/* Instructions of extensions that are not shown have no handler anywhere and so are #UD; named here are those a
 * translator could mistake. */
static const struct row rows[] = {
	{ZYDIS_MNEMONIC_LDS, NONE, X86_DS, false, x86_sys_load_far_ptr},
	{ZYDIS_MNEMONIC_LES, NONE, X86_ES, false, x86_sys_load_far_ptr},
	{ZYDIS_MNEMONIC_LFS, NONE, X86_FS, false, x86_sys_load_far_ptr},
	{ZYDIS_MNEMONIC_LGS, NONE, X86_GS, false, x86_sys_load_far_ptr},
	{ZYDIS_MNEMONIC_LSS, NONE, X86_SS, false, x86_sys_load_far_ptr},
	{ZYDIS_MNEMONIC_ARPL, RM_REG, 0, true, x86_sys_arpl},
	{ZYDIS_MNEMONIC_LAR, REG_RM, 0, true, x86_sys_lar},
	{ZYDIS_MNEMONIC_LSL, REG_RM, 0, true, x86_sys_lsl},
	{ZYDIS_MNEMONIC_VERR, RM_SRC, 0, true, x86_sys_verr},
	{ZYDIS_MNEMONIC_VERW, RM_SRC, 0, true, x86_sys_verw},
	{ZYDIS_MNEMONIC_LLDT, RM_SRC, 0, true, x86_sys_lldt},
	{ZYDIS_MNEMONIC_LTR, RM_SRC, 0, true, x86_sys_ltr},
	{ZYDIS_MNEMONIC_SLDT, RM_DST, 0, true, x86_sys_sldt},
	{ZYDIS_MNEMONIC_STR, RM_DST, 0, true, x86_sys_str},
	{ZYDIS_MNEMONIC_LGDT, MEM, 0, true, x86_sys_lgdt},
	{ZYDIS_MNEMONIC_LIDT, MEM, 0, true, x86_sys_lidt},
	{ZYDIS_MNEMONIC_SGDT, MEM, 0, true, x86_sys_sgdt},
	{ZYDIS_MNEMONIC_SIDT, MEM, 0, true, x86_sys_sidt},
	{ZYDIS_MNEMONIC_SWAPGS, NONE, 0, true, x86_sys_swapgs},
	{ZYDIS_MNEMONIC_RDFSBASE, REG0, X86_FS, true, x86_sys_rdfsbase},
	{ZYDIS_MNEMONIC_RDGSBASE, REG0, X86_GS, true, x86_sys_rdfsbase},
	{ZYDIS_MNEMONIC_WRFSBASE, REG0, X86_FS, true, x86_sys_wrfsbase},
	{ZYDIS_MNEMONIC_WRGSBASE, REG0, X86_GS, true, x86_sys_wrfsbase},
	{ZYDIS_MNEMONIC_IRET, NONE, 0, false, x86_sys_iret},
	{ZYDIS_MNEMONIC_IRETD, NONE, 0, false, x86_sys_iret},
	{ZYDIS_MNEMONIC_IRETQ, NONE, 0, false, x86_sys_iret},
	{ZYDIS_MNEMONIC_INT, NONE, 0, false, x86_sys_int_n},
	{ZYDIS_MNEMONIC_INT3, NONE, 0, false, x86_sys_int3},
	{ZYDIS_MNEMONIC_INTO, NONE, 0, false, x86_sys_into},
	{ZYDIS_MNEMONIC_INT1, NONE, 0, false, x86_sys_int1},
	{ZYDIS_MNEMONIC_SYSCALL, NONE, 0, false, x86_sys_syscall},
	{ZYDIS_MNEMONIC_SYSRET, NONE, 0, false, x86_sys_sysret},
	{ZYDIS_MNEMONIC_SYSENTER, NONE, 0, false, x86_sys_sysenter},
	{ZYDIS_MNEMONIC_SYSEXIT, NONE, 0, false, x86_sys_sysexit},
	{ZYDIS_MNEMONIC_CLTS, NONE, 0, false, x86_sys_clts},
	{ZYDIS_MNEMONIC_LMSW, RM_SRC, 0, false, x86_sys_lmsw},
	{ZYDIS_MNEMONIC_SMSW, RM_DST, 0, true, x86_sys_smsw},
	{ZYDIS_MNEMONIC_INVLPG, MEM, 0, false, x86_sys_invlpg},
	{ZYDIS_MNEMONIC_WBINVD, NONE, 0, true, x86_sys_wbinvd},
	{ZYDIS_MNEMONIC_INVD, NONE, 0, true, x86_sys_wbinvd},
	{ZYDIS_MNEMONIC_XGETBV, NONE, 0, true, x86_sys_xgetbv},
	{ZYDIS_MNEMONIC_XSETBV, NONE, 0, false, x86_sys_xsetbv},
	{ZYDIS_MNEMONIC_HLT, NONE, 0, false, x86_sys_hlt},
	{ZYDIS_MNEMONIC_CLI, NONE, 0, true, x86_sys_cli},
	{ZYDIS_MNEMONIC_STI, NONE, 0, false, x86_sys_sti},
	{ZYDIS_MNEMONIC_STAC, NONE, 1, true, x86_sys_ac},
	{ZYDIS_MNEMONIC_CLAC, NONE, 0, true, x86_sys_ac},
	{ZYDIS_MNEMONIC_VMCALL, NONE, X86_VMCALL_INTEL, false, x86_sys_vmcall},
	{ZYDIS_MNEMONIC_VMMCALL, NONE, X86_VMCALL_AMD, false, x86_sys_vmcall},
	{ZYDIS_MNEMONIC_CPUID, NONE, 0, false, x86_sys_cpuid},
	{ZYDIS_MNEMONIC_RDTSC, NONE, 0, true, x86_sys_rdtsc},
	{ZYDIS_MNEMONIC_RDTSCP, NONE, 0, true, x86_sys_rdtscp},
	{ZYDIS_MNEMONIC_RDPMC, NONE, 0, false, x86_sys_rdpmc},
	{ZYDIS_MNEMONIC_RDMSR, NONE, 0, false, x86_sys_rdmsr},
	{ZYDIS_MNEMONIC_WRMSR, NONE, 0, false, x86_sys_wrmsr},
	{ZYDIS_MNEMONIC_RSM, NONE, 0, false, x86_sys_ud},
	{ZYDIS_MNEMONIC_MONITOR, ADDRESS, 0, true, x86_sys_monitor},
	{ZYDIS_MNEMONIC_MWAIT, NONE, 0, false, x86_sys_mwait},
	{ZYDIS_MNEMONIC_CLFLUSH, MEM, 0, true, x86_sys_cache_line},
	{ZYDIS_MNEMONIC_CLFLUSHOPT, MEM, 0, true, x86_sys_cache_line},
	{ZYDIS_MNEMONIC_CLWB, MEM, 0, true, x86_sys_cache_line},
	{ZYDIS_MNEMONIC_RDRAND, REG0, 0, true, x86_sys_rdrand},
	{ZYDIS_MNEMONIC_RDSEED, REG0, 0, true, x86_sys_rdrand},
	{ZYDIS_MNEMONIC_RDPID, REG0, 0, true, x86_sys_rdpid},
	{ZYDIS_MNEMONIC_MONITOR, NONE, 0, false, x86_sys_ud},
	{ZYDIS_MNEMONIC_MWAIT, NONE, 0, false, x86_sys_ud},
	{ZYDIS_MNEMONIC_INVPCID, REG_RM, 0, false, x86_sys_invpcid},
	{ZYDIS_MNEMONIC_RDPKRU, NONE, 0, true, x86_sys_rdpkru},
	{ZYDIS_MNEMONIC_WRPKRU, NONE, 0, true, x86_sys_wrpkru},
	{ZYDIS_MNEMONIC_VMXON, NONE, 0, false, x86_sys_ud},
	{ZYDIS_MNEMONIC_VMRUN, NONE, 0, false, x86_sys_ud},
};

unsigned x86_segno(ZydisRegister r)
{
	switch (r) {
	case ZYDIS_REGISTER_ES: return X86_ES;
	case ZYDIS_REGISTER_CS: return X86_CS;
	case ZYDIS_REGISTER_SS: return X86_SS;
	case ZYDIS_REGISTER_DS: return X86_DS;
	case ZYDIS_REGISTER_FS: return X86_FS;
	case ZYDIS_REGISTER_GS: return X86_GS;
	default: return 7;
	}
}

static uint8_t reg_of(const struct x86_insn *d, int n)
{
	return d->o[n].type == ZYDIS_OPERAND_TYPE_REGISTER ? x86_regno(d->o[n].reg.value) : X86_R_ZERO;
}

static uint8_t mem_mark(const struct x86_insn *d, int n)
{
	return x86_is_mem(d, n) ? X86_AUX_MEM : 0;
}

static uint8_t override(const struct x86_insn *d)
{
	uint8_t seg = X86_DS;
	for (unsigned n = 0; n < d->i.raw.prefix_count; n++) {
		bool legacy = d->c->mode != X86_MODE_LONG;
		switch (d->i.raw.prefixes[n].value) {
		case 0x26: seg = legacy ? X86_ES : seg; break;
		case 0x2e: seg = legacy ? X86_CS : seg; break;
		case 0x36: seg = legacy ? X86_SS : seg; break;
		case 0x3e: seg = legacy ? X86_DS : seg; break;
		case 0x64: seg = X86_FS; break;
		case 0x65: seg = X86_GS; break;
		}
	}
	return seg;
}

static void fill(const struct x86_insn *d, struct x86_op *op, const struct row *r)
{
	switch (r->form) {
	case RM_SRC:
		op->src = reg_of(d, 0);
		op->aux = mem_mark(d, 0);
		break;
	case RM_DST:
		op->dst = reg_of(d, 0);
		op->aux = mem_mark(d, 0);
		break;
	case RM_REG:
		op->dst = reg_of(d, 0);
		op->src = reg_of(d, 1);
		op->aux = mem_mark(d, 0);
		break;
	case REG_RM:
		op->dst = reg_of(d, 0);
		op->src = reg_of(d, 1);
		op->aux = mem_mark(d, 1);
		break;
	case REG0: /* aux: the segment */ op->dst = op->src = reg_of(d, 0); break;
	case ADDRESS:
		op->aux = d->i.address_width / 8;
		op->seg = override(d);
		break;
	}
}

static x86_fn simple(const struct x86_insn *d, struct x86_op *op, bool *ends)
{
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct row *r = &rows[i];
		if (r->mnemonic != d->i.mnemonic)
			continue;
		fill(d, op, r);
		if (r->fn == x86_sys_load_far_ptr) {
			op->dst = reg_of(d, 0);
			op->src = r->aux;
		} else if (r->fn == x86_sys_rdfsbase) {
			op->src = r->aux;
		} else if (r->fn == x86_sys_wrfsbase) {
			op->dst = r->aux;
		} else if (r->fn == x86_sys_ac) {
			op->imm = r->aux ? X86_AC_ : 0;
		} else if (r->fn == x86_sys_vmcall) {
			op->aux = r->aux;
		}
		*ends = !r->goes_on;
		return r->fn;
	}
	return NULL;
}

/* MOV with a control, debug or segment register. */
static x86_fn move(const struct x86_insn *d, struct x86_op *op, bool *ends)
{
	for (int n = 0; n < 2; n++) {
		if (d->o[n].type != ZYDIS_OPERAND_TYPE_REGISTER)
			continue;
		ZydisRegister r = d->o[n].reg.value;
		ZydisRegisterClass class = ZydisRegisterGetClass(r);
		uint8_t id = (uint8_t)ZydisRegisterGetId(r);
		*ends = n == 0;
		op->dst = n == 0 ? id : reg_of(d, 0);
		op->src = n == 1 ? id : reg_of(d, 1);
		op->aux = mem_mark(d, 1 - n);
		if (class == ZYDIS_REGCLASS_CONTROL)
			return n == 0 ? x86_sys_mov_to_cr : x86_sys_mov_from_cr;
		if (class == ZYDIS_REGCLASS_DEBUG)
			return n == 0 ? x86_sys_mov_to_dr : x86_sys_mov_from_dr;
		if (class != ZYDIS_REGCLASS_SEGMENT)
			continue;
		if (n == 0)
			op->dst = (uint8_t)x86_segno(r);
		else
			op->src = (uint8_t)x86_segno(r);
		if (n == 0 && op->dst == X86_CS)
			return x86_sys_ud;
		return n == 0 ? x86_sys_mov_to_sreg : x86_sys_mov_from_sreg;
	}
	return NULL;
}

static x86_fn push_pop(const struct x86_insn *d, struct x86_op *op, bool *ends, bool pop)
{
	if (d->o[0].type != ZYDIS_OPERAND_TYPE_REGISTER ||
		ZydisRegisterGetClass(d->o[0].reg.value) != ZYDIS_REGCLASS_SEGMENT)
		return NULL;
	op->dst = op->src = (uint8_t)x86_segno(d->o[0].reg.value);
	*ends = pop;
	return pop ? x86_sys_pop_sreg : x86_sys_push_sreg;
}

static x86_fn far_branch(const struct x86_insn *d, struct x86_op *op, bool *ends)
{
	if (d->i.meta.branch_type != ZYDIS_BRANCH_TYPE_FAR)
		return NULL;
	*ends = true;
	op->aux = mem_mark(d, 0);
	if (d->i.mnemonic == ZYDIS_MNEMONIC_RET)
		return x86_sys_retf;
	if (d->o[0].type == ZYDIS_OPERAND_TYPE_POINTER)
		op->imm = (uint32_t)d->o[0].ptr.offset | (uint64_t)d->o[0].ptr.segment << 32;
	return d->i.mnemonic == ZYDIS_MNEMONIC_JMP ? x86_sys_jmp_far : x86_sys_call_far;
}

/* IN AL, imm8: aux 1. The element size is the accumulator's. */
static x86_fn port(const struct x86_insn *d, struct x86_op *op, bool *ends)
{
	bool in = d->i.mnemonic == ZYDIS_MNEMONIC_IN;
	op->size = (uint8_t)(d->o[in ? 0 : 1].size / 8);
	op->aux = d->o[in ? 1 : 0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
	*ends = true;
	return in ? x86_sys_in : x86_sys_out;
}

static x86_fn port_string(const struct x86_insn *d, struct x86_op *op, bool *ends, unsigned size, bool in)
{
	op->size = (uint8_t)size;
	op->aux = (uint8_t)(d->i.address_width / 8);
	op->seg = X86_DS;
	for (int n = 0; n < d->i.operand_count; n++)
		if (x86_is_mem(d, n) && x86_segno(d->o[n].mem.segment) < 7)
			op->seg = (uint8_t)x86_segno(d->o[n].mem.segment);
	*ends = true;
	return in ? x86_sys_ins : x86_sys_outs;
}

x86_fn x86_translate_sys(const struct x86_insn *d, struct x86_op *op, bool *ends)
{
	op->size = (uint8_t)(d->i.operand_width / 8);
	op->aux = 0;
	switch (d->i.mnemonic) {
	case ZYDIS_MNEMONIC_MOV: return move(d, op, ends);
	case ZYDIS_MNEMONIC_PUSH: return push_pop(d, op, ends, false);
	case ZYDIS_MNEMONIC_POP: return push_pop(d, op, ends, true);
	case ZYDIS_MNEMONIC_JMP:
	case ZYDIS_MNEMONIC_CALL:
	case ZYDIS_MNEMONIC_RET: return far_branch(d, op, ends);
	case ZYDIS_MNEMONIC_IN:
	case ZYDIS_MNEMONIC_OUT: return port(d, op, ends);
	case ZYDIS_MNEMONIC_INSB: return port_string(d, op, ends, 1, true);
	case ZYDIS_MNEMONIC_INSW: return port_string(d, op, ends, 2, true);
	case ZYDIS_MNEMONIC_INSD: return port_string(d, op, ends, 4, true);
	case ZYDIS_MNEMONIC_OUTSB: return port_string(d, op, ends, 1, false);
	case ZYDIS_MNEMONIC_OUTSW: return port_string(d, op, ends, 2, false);
	case ZYDIS_MNEMONIC_OUTSD: return port_string(d, op, ends, 4, false);
	default: return simple(d, op, ends);
	}
}
