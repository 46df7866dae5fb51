/* sse.c - translating MMX and SSE instructions: the order of the tables, and the handlers of the integer kernels. */
#include "sse.h"

void sse_operands(const struct x86_insn *d, struct x86_op *op)
{
	unsigned n = d->i.operand_count_visible;
	if (n > 0 && d->o[0].type == ZYDIS_OPERAND_TYPE_REGISTER)
		op->dst = sse_reg(d, 0);
	if (n > 1 && d->o[1].type == ZYDIS_OPERAND_TYPE_REGISTER)
		op->src = sse_reg(d, 1);
	if (n > 0 && d->o[n - 1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
		op->aux = (uint8_t)d->o[n - 1].imm.value.u;
}

const struct x86_op *sse_xx(struct x86_cpu *c, const struct x86_op *op)
{
	x86_sse_check(c, op);
	sse_op_kernel(op)(sse_lane(c, op->dst), sse_lane(c, op->dst), sse_lane(c, op->src), op->aux);
	return NEXT(op);
}

const struct x86_op *sse_xm_aligned(struct x86_cpu *c, const struct x86_op *op)
{
	x86_lane s;
	x86_sse_check(c, op);
	sse_load16(c, op, &s);
	sse_op_kernel(op)(sse_lane(c, op->dst), sse_lane(c, op->dst), &s, op->aux);
	return NEXT(op);
}

static const struct x86_op *xm(struct x86_cpu *c, const struct x86_op *op)
{
	x86_lane s;
	x86_sse_check(c, op);
	sse_load(c, op, &s, op->size);
	sse_op_kernel(op)(sse_lane(c, op->dst), sse_lane(c, op->dst), &s, op->aux);
	return NEXT(op);
}

/* Shift by an immediate count. */
const struct x86_op *sse_xi(struct x86_cpu *c, const struct x86_op *op)
{
	x86_lane s = {.q = {op->aux, 0}};
	x86_sse_check(c, op);
	sse_op_kernel(op)(sse_lane(c, op->dst), sse_lane(c, op->dst), &s, op->aux);
	return NEXT(op);
}

static const struct x86_op *mmx_finish(struct x86_cpu *c, const struct x86_op *op, uint64_t src)
{
	x86_lane d = {.q = {c->st[op->dst].sig, 0}}, s = {.q = {src, 0}};
	x86_mmx_enter(c);
	sse_op_kernel(op)(&d, &d, &s, op->aux);
	x86_mmx_set(c, op->dst, d.q[0]);
	return NEXT(op);
}

static const struct x86_op *mm(struct x86_cpu *c, const struct x86_op *op)
{
	x86_mmx_check(c, op);
	return mmx_finish(c, op, c->st[op->src].sig);
}

static const struct x86_op *mm_mem(struct x86_cpu *c, const struct x86_op *op)
{
	x86_mmx_check(c, op);
	return mmx_finish(c, op, op->size == 4 ? x86_ld32(c, op, x86_ea(c, op)) : x86_ld64(c, op, x86_ea(c, op)));
}

static const struct x86_op *mm_imm(struct x86_cpu *c, const struct x86_op *op)
{
	x86_mmx_check(c, op);
	return mmx_finish(c, op, op->aux);
}

static x86_fn mmx_handler(const struct x86_insn *d, struct x86_op *op, const struct sse_row *row)
{
	if (!row->k8)
		return NULL;
	op->imm = sse_pointer((const void *)row->k8);
	if (sse_is_mem(d, 1)) {
		op->size = (uint8_t)(d->o[1].size / 8);
		return mm_mem;
	}
	return (row->flags & SSE_SHIFT) && sse_is_imm(d, 1) ? mm_imm : mm;
}

static x86_fn row_handler(const struct x86_insn *d, struct x86_op *op, const struct sse_row *row)
{
	sse_operands(d, op);
	if (sse_is_mm(d, 0))
		return mmx_handler(d, op, row);
	if (!sse_is_xmm(d, 0) || !row->k16)
		return NULL;
	op->imm = sse_pointer((const void *)row->k16);
	if (sse_is_mem(d, 1)) {
		op->size = row->mem;
		return row->mem == 16 && !(row->flags & SSE_UNALIGNED) ? sse_xm_aligned : xm;
	}
	return (row->flags & SSE_SHIFT) && sse_is_imm(d, 1) ? sse_xi : sse_xx;
}

const struct sse_row *const sse_tables[] = {sse_int_rows, sse_shuffle_rows, sse_crypto_rows, NULL};

const struct sse_row *sse_find_row(const struct x86_insn *d)
{
	bool vex = d->i.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX;
	for (const struct sse_row *const *t = sse_tables; *t; t++)
		for (const struct sse_row *r = *t; r->k16 || r->k8; r++)
			if ((vex ? r->vex : r->mnemonic) == d->i.mnemonic)
				return r;
	return NULL;
}

x86_fn sse_translate_int(const struct x86_insn *d, struct x86_op *op)
{
	const struct sse_row *r = sse_find_row(d);
	return r ? row_handler(d, op, r) : NULL;
}

x86_fn x86_translate_sse(const struct x86_insn *d, struct x86_op *op, bool *ends)
{
	static x86_fn (*const parts[])(const struct x86_insn *,
				       struct x86_op *) = {sse_translate_move,  sse_translate_int,  sse_translate_misc,
							   sse_translate_float, sse_translate_save, sse_translate_str,
							   sse_translate_sha};
	(void)ends;
	if (d->i.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX)
		return vex_translate(d, op);
	if (d->i.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
		return NULL;
	struct x86_op saved = *op;
	for (unsigned n = 0; n < sizeof parts / sizeof parts[0]; n++) {
		x86_fn fn = parts[n](d, op);
		if (fn)
			return sse_faster(d, fn);
		*op = saved;
	}
	return NULL;
}
