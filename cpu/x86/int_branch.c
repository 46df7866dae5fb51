/* int_branch.c - near branches: Jcc JMP CALL RET LOOPcc JrCXZ. Direct ones leave by the exits of their block. */
#include "int.h"

X86_INLINE op_t jcc(struct x86_cpu *c, op_t op, unsigned cc)
{
	if (x86_cond(c, cc))
		return TAKEN(op);
	return NEXT(op);
}
#define JCC_ONE(n)                                                                                                     \
	static op_t jcc_##n(struct x86_cpu *c, op_t op)                                                                \
	{                                                                                                              \
		return jcc(c, op, n);                                                                                  \
	}
#define JCC_ALL(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9) M(10) M(11) M(12) M(13) M(14) M(15)
JCC_ALL(JCC_ONE)
#define JCC_ENTRY(n) jcc_##n,
static const x86_fn jcc_fn[16] = {JCC_ALL(JCC_ENTRY)};

int x86_jcc_condition(x86_fn fn);
int x86_jcc_condition(x86_fn fn)
{
	for (int n = 0; n < 16; n++)
		if (jcc_fn[n] == fn)
			return n;
	return -1;
}

static op_t jmp(struct x86_cpu *c, op_t op)
{
	(void)c;
	return TAKEN(op);
}

static __attribute__((noinline)) op_t call_slow(struct x86_cpu *c, op_t op)
{
	x86_push(c, op, 8, c->r[X86_R_PC] + op->off + op->len);
	return TAKEN(op);
}
static op_t call_8(struct x86_cpu *c, op_t op)
{
	uint64_t sp = c->r[4] - 8;
	uint8_t *p = x86_tlb_hit(c->tlb->w, sp, 8);
	if (unlikely(!p))
		return call_slow(c, op);
	host_put(p, 8, c->r[X86_R_PC] + op->off + op->len);
	c->r[4] = sp;
	return TAKEN(op);
}
static op_t call_any(struct x86_cpu *c, op_t op)
{
	x86_check_target(c, op, x86_exit_target(c, op + 2));
	x86_push(c, op, op->size, x86_op_next_rip(c, op));
	return TAKEN(op);
}

static __attribute__((noinline)) op_t ret_slow(struct x86_cpu *c, op_t op)
{
	uint64_t rip = x86_ld64(c, op, c->r[4]);
	x86_check_target(c, op, rip);
	c->r[4] += 8 + op->imm;
	return x86_jump(c, rip);
}
/* What the jump cache knows is a good target. */
static op_t ret_8(struct x86_cpu *c, op_t op)
{
	const uint8_t *p = x86_tlb_hit(c->tlb->r, c->r[4], 8);
	if (unlikely(!p))
		return ret_slow(c, op);
	uint64_t rip = host_get(p, 8);
	const struct x86_jc *e = &c->cache->jc[x86_jc_slot(rip)];
	if (unlikely(e->lin != rip || e->tag != c->code_tag))
		return ret_slow(c, op);
	op_t next = e->block->ops;
	c->r[4] += 8 + op->imm;
	c->r[X86_R_PC] = rip;
	return X86_GO(next);
}
static op_t ret_any(struct x86_cpu *c, op_t op)
{
	uint64_t rip = x86_top(c, op, op->size);
	x86_check_target(c, op, rip);
	x86_sp_put(c, c->r[4] + op->size + op->imm);
	return x86_jump(c, rip);
}

static op_t jmp_reg(struct x86_cpu *c, op_t op)
{
	uint64_t rip = mask_size(c->r[op->dst], op->size);
	x86_check_target(c, op, rip);
	return x86_jump(c, rip);
}
static op_t jmp_mem(struct x86_cpu *c, op_t op)
{
	uint64_t rip = mem_get(c, op, x86_ea(c, op), op->size);
	x86_check_target(c, op, rip);
	return x86_jump(c, rip);
}
static op_t call_reg(struct x86_cpu *c, op_t op)
{
	uint64_t rip = mask_size(c->r[op->dst], op->size);
	x86_check_target(c, op, rip);
	x86_push(c, op, op->size, x86_op_next_rip(c, op));
	return x86_jump(c, rip);
}
static op_t call_mem(struct x86_cpu *c, op_t op)
{
	uint64_t rip = mem_get(c, op, x86_ea(c, op), op->size);
	x86_check_target(c, op, rip);
	x86_push(c, op, op->size, x86_op_next_rip(c, op));
	return x86_jump(c, rip);
}

/* aux: address size */
static op_t jrcxz(struct x86_cpu *c, op_t op)
{
	if (mask_size(c->r[1], op->aux) == 0)
		return TAKEN(op);
	return NEXT(op);
}
/* src: 0 LOOPNE, 1 LOOPE, 2 LOOP */
static op_t loop(struct x86_cpu *c, op_t op)
{
	uint64_t n = mask_size(c->r[1] - 1, op->aux);
	bool go = n != 0 && (op->src == 2 || x86_cond(c, CC_E) == (op->src == 1));
	if (go)
		x86_check_target(c, op, x86_exit_target(c, op + 2));
	reg_put(c, 1, op->aux, n);
	if (go)
		return TAKEN(op);
	return NEXT(op);
}

static uint8_t branch_size(const struct x86_insn *d)
{
	return d->i.machine_mode == ZYDIS_MACHINE_MODE_LONG_64 ? 8 : d->i.operand_width / 8;
}

static x86_fn indirect(const struct x86_insn *d, struct x86_op *op, x86_fn reg, x86_fn mem)
{
	op->size = d->o[0].size / 8;
	if (x86_is_mem(d, 0))
		return mem;
	op->dst = x86_regno(d->o[0].reg.value);
	return reg;
}

static x86_fn call(const struct x86_insn *d, struct x86_op *op)
{
	if (d->o[0].type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
		return indirect(d, op, call_reg, call_mem);
	op->size = branch_size(d);
	op->seg = X86_SS;
	return op->size == 8 ? call_8 : call_any;
}

static x86_fn ret(const struct x86_insn *d, struct x86_op *op)
{
	op->imm = d->o[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE ? (uint16_t)d->o[0].imm.value.u : 0;
	op->size = branch_size(d);
	op->seg = X86_SS;
	return op->size == 8 ? ret_8 : ret_any;
}

static x86_fn counted(const struct x86_insn *d, struct x86_op *op)
{
	op->size = branch_size(d);
	op->aux = d->i.address_width / 8;
	op->src = d->i.opcode & 3;
	return d->i.opcode == 0xe3 ? jrcxz : loop;
}

x86_fn x86_int_branch(const struct x86_insn *d, struct x86_op *op, bool *ends)
{
	if (d->i.meta.branch_type != ZYDIS_BRANCH_TYPE_SHORT && d->i.meta.branch_type != ZYDIS_BRANCH_TYPE_NEAR)
		return NULL;
	*ends = true;
	switch (d->i.mnemonic) {
	case ZYDIS_MNEMONIC_JMP:
		if (d->o[0].type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
			return indirect(d, op, jmp_reg, jmp_mem);
		op->size = branch_size(d);
		return jmp;
	case ZYDIS_MNEMONIC_CALL: return call(d, op);
	case ZYDIS_MNEMONIC_RET: return ret(d, op);
	case ZYDIS_MNEMONIC_LOOP:
	case ZYDIS_MNEMONIC_LOOPE:
	case ZYDIS_MNEMONIC_LOOPNE:
	case ZYDIS_MNEMONIC_JCXZ:
	case ZYDIS_MNEMONIC_JECXZ:
	case ZYDIS_MNEMONIC_JRCXZ: return counted(d, op);
	default: break;
	}
	bool near = d->i.opcode_map == ZYDIS_OPCODE_MAP_0F && (d->i.opcode & 0xf0) == 0x80;
	bool brief = d->i.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && (d->i.opcode & 0xf0) == 0x70;
	if (!near && !brief)
		return NULL;
	op->size = branch_size(d);
	return jcc_fn[d->i.opcode & 15];
}
