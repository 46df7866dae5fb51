/* int_flags.c - PUSHF POPF LAHF SAHF CLC STC CMC CLD STD SALC, and the instructions that do nothing here. */
#include "int.h"
#include "sys.h"

static bool in_vm86(const struct x86_cpu *c)
{
	return c->mode == X86_MODE_VM86 && x86_iopl(c) != 3;
}

static op_t pushf(struct x86_cpu *c, op_t op)
{
	if (unlikely(in_vm86(c)))
		return x86_vm86_pushf(c, op);
	x86_push(c, op, op->size, (c->eflags & ~(uint32_t)(X86_VM | X86_RF | X86_ARITH)) | x86_arith_flags(c) | 2);
	return NEXT(op);
}

/* What POPF may change (SDM vol. 2, POPF): IOPL only at CPL 0, IF only where CPL <= IOPL. */
static uint32_t popf_mask(const struct x86_cpu *c, unsigned size)
{
	uint32_t mask = X86_ARITH | X86_TF | X86_DF_ | X86_NT | X86_AC_ | X86_ID | X86_RF;
	if (c->cpl == 0 || c->mode == X86_MODE_REAL)
		mask |= X86_IOPL | X86_IF;
	else if (c->cpl <= (c->eflags >> 12 & 3))
		mask |= X86_IF;
	return size == 2 ? (uint16_t)mask : mask;
}

/* A change that the run loop must see leaves the block. */
static op_t popf(struct x86_cpu *c, op_t op)
{
	if (unlikely(in_vm86(c)))
		return x86_vm86_popf(c, op);
	uint64_t v = x86_top(c, op, op->size);
	uint32_t mask = popf_mask(c, op->size), f = (uint32_t)v & ~(uint32_t)X86_RF;
	x86_sp_put(c, c->r[4] + op->size);
	if (!((f ^ c->eflags) & mask & ~(uint32_t)(X86_ARITH | X86_DF_ | X86_RF))) {
		c->eflags = (c->eflags & ~(uint32_t)X86_DF_) | (f & X86_DF_);
		x86_set_arith_flags(c, f);
		return NEXT(op);
	}
	x86_write_eflags(c, f, mask);
	c->rip = x86_op_next_rip(c, op);
	x86_uncount(c, c->rip);
	return NULL;
}

static op_t lahf(struct x86_cpu *c, op_t op)
{
	reg_put(c, 1, 1, (x86_arith_flags(c) & 0xff) | 2); /* byte 1 of c->r is AH */
	return NEXT(op);
}
static op_t sahf(struct x86_cpu *c, op_t op)
{
	x86_set_arith_flags(c, (x86_arith_flags(c) & X86_OF_) | (reg_get(c, 1, 1) & 0xd5));
	return NEXT(op);
}
static op_t clc(struct x86_cpu *c, op_t op)
{
	x86_set_arith_flags(c, x86_arith_flags(c) & ~(uint32_t)X86_CF);
	return NEXT(op);
}
static op_t stc(struct x86_cpu *c, op_t op)
{
	x86_set_arith_flags(c, x86_arith_flags(c) | X86_CF);
	return NEXT(op);
}
static op_t cmc(struct x86_cpu *c, op_t op)
{
	x86_set_arith_flags(c, x86_arith_flags(c) ^ X86_CF);
	return NEXT(op);
}
static op_t cld(struct x86_cpu *c, op_t op)
{
	c->eflags &= ~(uint32_t)X86_DF_;
	return NEXT(op);
}
static op_t std(struct x86_cpu *c, op_t op)
{
	c->eflags |= X86_DF_;
	return NEXT(op);
}
static op_t salc(struct x86_cpu *c, op_t op)
{
	reg_put(c, 0, 1, x86_carry(c) ? 0xff : 0);
	return NEXT(op);
}
static op_t nop(struct x86_cpu *c, op_t op)
{
	(void)c;
	return NEXT(op);
}
/* Once in so many: to ask the host costs more than a turn of a guest's loop. */
static op_t spin(struct x86_cpu *c, op_t op)
{
	enum { PAUSES = 64 };
	if (unlikely(++c->pauses % PAUSES == 0) && c->env->pause)
		c->env->pause(c->env_opaque);
	return NEXT(op);
}
static op_t fence(struct x86_cpu *c, op_t op)
{
	(void)c;
	atomic_thread_fence(memory_order_seq_cst);
	return NEXT(op);
}
/* CET is not there: ENDBR and RDSSP are among the reserved NOPs 0F 18..1F. */
static bool is_reserved_nop(const struct x86_insn *d)
{
	return d->i.opcode_map == ZYDIS_OPCODE_MAP_0F && d->i.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY &&
	       ((d->i.opcode == 0x0d && d->i.raw.modrm.mod != 3) || (d->i.opcode >= 0x18 && d->i.opcode <= 0x1f));
}

x86_fn x86_int_flags(const struct x86_insn *d, struct x86_op *op, bool *ends)
{
	(void)ends;
	switch (d->i.mnemonic) {
	case ZYDIS_MNEMONIC_PUSHF:
	case ZYDIS_MNEMONIC_PUSHFD:
	case ZYDIS_MNEMONIC_PUSHFQ:
		op->size = d->i.operand_width / 8;
		op->seg = X86_SS;
		return pushf;
	case ZYDIS_MNEMONIC_POPF:
	case ZYDIS_MNEMONIC_POPFD:
	case ZYDIS_MNEMONIC_POPFQ:
		op->size = d->i.operand_width / 8;
		op->seg = X86_SS;
		return popf;
	case ZYDIS_MNEMONIC_LAHF: return lahf;
	case ZYDIS_MNEMONIC_SAHF: return sahf;
	case ZYDIS_MNEMONIC_CLC: return clc;
	case ZYDIS_MNEMONIC_STC: return stc;
	case ZYDIS_MNEMONIC_CMC: return cmc;
	case ZYDIS_MNEMONIC_CLD: return cld;
	case ZYDIS_MNEMONIC_STD: return std;
	case ZYDIS_MNEMONIC_SALC: return salc;
	case ZYDIS_MNEMONIC_PAUSE: return spin;
	case ZYDIS_MNEMONIC_NOP: return d->i.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT || is_reserved_nop(d) ? nop : NULL;
	case ZYDIS_MNEMONIC_LFENCE:
	case ZYDIS_MNEMONIC_MFENCE:
	case ZYDIS_MNEMONIC_SFENCE: return fence;
	default: return is_reserved_nop(d) ? nop : NULL;
	}
}
