/* int_bcd.c - AAA AAS AAD AAM DAA DAS BOUND (SDM vol. 2). */
#include "int.h"

static uint32_t szp(uint8_t v)
{
	return (v == 0 ? X86_ZF : 0) | (v & 0x80 ? X86_SF : 0) | (__builtin_parity(v) ? 0 : X86_PF_);
}

/* aux: 1 AAA, 0 AAS */
static op_t aaa_aas(struct x86_cpu *c, op_t op)
{
	uint16_t ax = (uint16_t)c->r[0];
	bool adjust = (ax & 15) > 9 || x86_arith_flags(c) & X86_AF;
	if (adjust)
		ax = (uint16_t)(op->aux ? ax + 0x106 : ax - 0x106);
	uint32_t f = szp((uint8_t)ax & 15);
	reg_put(c, 0, 2, ax & 0xff0f);
	x86_set_arith_flags(c, f | (adjust ? X86_AF | X86_CF : 0));
	return NEXT(op);
}

/* aux: 1 DAA, 0 DAS */
static op_t daa_das(struct x86_cpu *c, op_t op)
{
	uint32_t f = x86_arith_flags(c), out = 0;
	uint8_t old = (uint8_t)c->r[0], al = old;
	if ((al & 15) > 9 || f & X86_AF) {
		al = (uint8_t)(op->aux ? al + 6 : al - 6);
		out |= X86_AF;
		if (!op->aux && old < 6)
			out |= X86_CF;
	}
	if (old > 0x99 || f & X86_CF) {
		al = (uint8_t)(op->aux ? al + 0x60 : al - 0x60);
		out |= X86_CF;
	}
	reg_put(c, 0, 1, al);
	x86_set_arith_flags(c, out | szp(al));
	return NEXT(op);
}

static op_t aad(struct x86_cpu *c, op_t op)
{
	uint8_t al = (uint8_t)(c->r[0] + (c->r[0] >> 8 & 0xff) * (uint8_t)op->imm);
	reg_put(c, 0, 2, al);
	x86_set_arith_flags(c, szp(al));
	return NEXT(op);
}

static op_t aam(struct x86_cpu *c, op_t op)
{
	uint8_t base = (uint8_t)op->imm, al = (uint8_t)c->r[0];
	if (!base)
		x86_raise(c, op, X86_DE, -1);
	reg_put(c, 0, 2, (uint64_t)(al / base) << 8 | al % base);
	x86_set_arith_flags(c, szp(al % base));
	return NEXT(op);
}

static op_t bound(struct x86_cpu *c, op_t op)
{
	unsigned size = op->aux;
	uint64_t ea = x86_ea(c, op);
	int64_t low = (int64_t)sign_size(mem_get(c, op, ea, size), size),
		high = (int64_t)sign_size(mem_get(c, op, ea + size, size), size);
	int64_t v = (int64_t)sign_size(c->r[op->dst], size);
	if (v < low || v > high)
		x86_raise(c, op, X86_BR, -1);
	return NEXT(op);
}

static x86_fn with_aux(struct x86_op *op, x86_fn fn, uint8_t aux)
{
	op->aux = aux;
	return fn;
}

x86_fn x86_int_bcd(const struct x86_insn *d, struct x86_op *op, bool *ends)
{
	(void)ends;
	switch (d->i.mnemonic) {
	case ZYDIS_MNEMONIC_AAA: return with_aux(op, aaa_aas, 1);
	case ZYDIS_MNEMONIC_AAS: return with_aux(op, aaa_aas, 0);
	case ZYDIS_MNEMONIC_DAA: return with_aux(op, daa_das, 1);
	case ZYDIS_MNEMONIC_DAS: return with_aux(op, daa_das, 0);
	case ZYDIS_MNEMONIC_AAD: return aad;
	case ZYDIS_MNEMONIC_AAM: return aam;
	case ZYDIS_MNEMONIC_BOUND: x86_operands(d, op); return with_aux(op, bound, d->i.operand_width / 8);
	default: return NULL;
	}
}
