/* int_stack.c - PUSH POP PUSHA POPA ENTER LEAVE, and the stack as other instructions see it. */
#include "int.h"

uint64_t x86_stack(struct x86_cpu *c, op_t op, uint64_t sp, unsigned size, bool write)
{
	if (c->mode == X86_MODE_LONG) {
		/* here and not with the access: op->seg may be that of another operand */
		if (unlikely(!x86_canonical(c, sp) || !x86_canonical(c, sp + size - 1)))
			x86_raise(c, op, X86_SS_FAULT, 0);
		return sp;
	}
	return x86_linear(c, op, X86_SS, sp & x86_sp_mask(c), size, write);
}

void x86_push(struct x86_cpu *c, op_t op, unsigned size, uint64_t v)
{
	uint64_t sp = c->r[4] - size;
	mem_put(c, op, x86_stack(c, op, sp, size, true), size, v);
	x86_sp_put(c, sp);
}

uint64_t x86_top(struct x86_cpu *c, op_t op, unsigned size)
{
	return mem_get(c, op, x86_stack(c, op, c->r[4], size, false), size);
}

static __attribute__((noinline)) op_t push_slow(struct x86_cpu *c, op_t op)
{
	x86_push(c, op, 8, c->r[op->dst]);
	return NEXT(op);
}
static op_t push_r8(struct x86_cpu *c, op_t op)
{
	uint64_t sp = c->r[4] - 8;
	uint8_t *p = x86_tlb_hit(c->tlb->w, sp, 8);
	if (unlikely(!p))
		return push_slow(c, op);
	host_put(p, 8, c->r[op->dst]);
	c->r[4] = sp;
	return NEXT(op);
}
static __attribute__((noinline)) op_t pop_slow(struct x86_cpu *c, op_t op)
{
	uint64_t v = x86_top(c, op, 8);
	c->r[4] += 8;
	c->r[op->dst] = v; /* POP RSP: the value read wins */
	return NEXT(op);
}
static op_t pop_r8(struct x86_cpu *c, op_t op)
{
	const uint8_t *p = x86_tlb_hit(c->tlb->r, c->r[4], 8);
	if (unlikely(!p))
		return pop_slow(c, op);
	c->r[4] += 8;
	c->r[op->dst] = host_get(p, 8);
	return NEXT(op);
}
static op_t push_reg(struct x86_cpu *c, op_t op)
{
	x86_push(c, op, op->size, reg_get(c, op->dst, op->size));
	return NEXT(op);
}
static op_t push_imm(struct x86_cpu *c, op_t op)
{
	x86_push(c, op, op->size, op->imm);
	return NEXT(op);
}
static op_t push_mem(struct x86_cpu *c, op_t op)
{
	x86_push(c, op, op->size, mem_get(c, op, x86_ea(c, op), op->size));
	return NEXT(op);
}
static op_t pop_reg(struct x86_cpu *c, op_t op)
{
	uint64_t v = x86_top(c, op, op->size);
	x86_sp_put(c, c->r[4] + op->size);
	reg_put(c, op->dst, op->size, v);
	return NEXT(op);
}
/* The address is computed with the stack pointer after the pop, which is taken back when the store faults. */
static op_t pop_mem(struct x86_cpu *c, op_t op)
{
	uint64_t v = x86_top(c, op, op->size), old = c->r[4], ea;
	if (op->base == 4) {
		struct x86_op moved = *op;
		moved.disp += op->size;
		ea = x86_ea(c, &moved);
	} else {
		ea = x86_ea(c, op);
	}
	mem_put(c, op, ea, op->size, v);
	x86_sp_put(c, old + op->size);
	return NEXT(op);
}

/* Eight pushes or pops of which none may fault after the first is done: the whole range is checked before. */
static op_t pusha(struct x86_cpu *c, op_t op)
{
	unsigned size = op->size;
	uint64_t sp = c->r[4], at[8];
	for (unsigned n = 0; n < 8; n++) {
		at[n] = x86_stack(c, op, sp - (n + 1) * size, size, true);
		x86_probe_write(c, op, at[n], size);
	}
	for (unsigned n = 0; n < 8; n++)
		mem_put(c, op, at[n], size, c->r[n]);
	x86_sp_put(c, sp - 8 * size);
	return NEXT(op);
}
static op_t popa(struct x86_cpu *c, op_t op)
{
	unsigned size = op->size;
	uint64_t v[8];
	for (unsigned n = 0; n < 8; n++)
		v[n] = mem_get(c, op, x86_stack(c, op, c->r[4] + n * size, size, false), size);
	for (unsigned n = 0; n < 8; n++)
		if (n != 3)
			reg_put(c, 7 - n, size, v[n]);
	x86_sp_put(c, c->r[4] + 8 * size);
	return NEXT(op);
}

static op_t leave(struct x86_cpu *c, op_t op)
{
	uint64_t bp = c->r[5], v = mem_get(c, op, x86_stack(c, op, bp, op->size, false), op->size);
	x86_sp_put(c, bp + op->size);
	reg_put(c, 5, op->size, v);
	return NEXT(op);
}

/* imm: bytes; aux: nesting level. */
static op_t enter(struct x86_cpu *c, op_t op)
{
	unsigned size = op->size, level = op->aux & 31;
	uint64_t sp = c->r[4] - size, frame = sp, bp = c->r[5], v;
	mem_put(c, op, x86_stack(c, op, sp, size, true), size, bp);
	for (unsigned n = 1; n < level; n++) {
		bp -= size;
		v = mem_get(c, op, x86_stack(c, op, bp, size, false), size);
		sp -= size;
		mem_put(c, op, x86_stack(c, op, sp, size, true), size, v);
	}
	if (level) {
		sp -= size;
		mem_put(c, op, x86_stack(c, op, sp, size, true), size, frame);
	}
	sp -= op->imm;
	x86_probe_write(c, op, x86_stack(c, op, sp, size, true), 1); /* SDM: a final write check at the new top */
	x86_sp_put(c, sp);
	uint64_t keep = x86_sp_mask(c) == UINT16_MAX && size > 2 ? UINT16_MAX : UINT64_MAX;
	reg_put(c, 5, size, (c->r[5] & ~keep) | (frame & keep));
	return NEXT(op);
}

static bool is_segment(const struct x86_insn *d)
{
	return d->o[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       ZydisRegisterGetClass(d->o[0].reg.value) == ZYDIS_REGCLASS_SEGMENT;
}

static x86_fn push(const struct x86_insn *d, struct x86_op *op)
{
	if (is_segment(d))
		return NULL;
	op->size = d->i.operand_width / 8;
	if (x86_is_mem(d, 0))
		return push_mem;
	op->seg = X86_SS;
	if (d->o[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
		return push_imm;
	op->dst = x86_regno(d->o[0].reg.value);
	return op->size == 8 ? push_r8 : push_reg;
}

static x86_fn pop(const struct x86_insn *d, struct x86_op *op)
{
	if (is_segment(d))
		return NULL;
	op->size = d->i.operand_width / 8;
	if (x86_is_mem(d, 0))
		return pop_mem;
	op->seg = X86_SS;
	op->dst = x86_regno(d->o[0].reg.value);
	return op->size == 8 ? pop_r8 : pop_reg;
}

static x86_fn enter_op(const struct x86_insn *d, struct x86_op *op)
{
	op->imm = (uint16_t)d->o[0].imm.value.u;
	op->aux = (uint8_t)d->o[1].imm.value.u;
	return enter;
}

static x86_fn by_width(const struct x86_insn *d, struct x86_op *op, x86_fn fn)
{
	op->size = d->i.operand_width / 8;
	op->seg = X86_SS;
	return fn;
}

x86_fn x86_int_stack(const struct x86_insn *d, struct x86_op *op, bool *ends)
{
	(void)ends;
	switch (d->i.mnemonic) {
	case ZYDIS_MNEMONIC_PUSH: return push(d, op);
	case ZYDIS_MNEMONIC_POP: return pop(d, op);
	case ZYDIS_MNEMONIC_PUSHA:
	case ZYDIS_MNEMONIC_PUSHAD: return by_width(d, op, pusha);
	case ZYDIS_MNEMONIC_POPA:
	case ZYDIS_MNEMONIC_POPAD: return by_width(d, op, popa);
	case ZYDIS_MNEMONIC_LEAVE: return by_width(d, op, leave);
	case ZYDIS_MNEMONIC_ENTER: by_width(d, op, enter); return enter_op(d, op);
	default: return NULL;
	}
}
