/* vex.c - VEX-encoded vector instructions: the order of the tables, operands, state checks, and the handlers of the
 * kernels that work a lane at a time. */
#include "vex.h"

/* SDM vol. 2, 2.4.1 and 2.5: the conditions common to all exception types. */
void x86_update_vex(struct x86_cpu *c)
{
	c->vex_off = !(c->cr4 & X86_CR4_OSXSAVE) || (c->xcr0 & 6) != 6 || (c->cr0 & X86_CR0_TS);
}

void vex_refuse(struct x86_cpu *c, const struct x86_op *op)
{
	bool enabled = (c->cr4 & X86_CR4_OSXSAVE) && (c->xcr0 & 6) == 6;
	x86_raise(c, op, enabled ? X86_NM : X86_UD, -1);
}

bool vex_is_256(const struct x86_insn *d)
{
	for (unsigned n = 0; n < d->i.operand_count_visible; n++)
		if (sse_class(d, n) == ZYDIS_REGCLASS_YMM)
			return true;
	return false;
}

static bool is_reg(const struct x86_insn *d, unsigned n)
{
	return d->o[n].type == ZYDIS_OPERAND_TYPE_REGISTER;
}

void vex_operands(const struct x86_insn *d, struct x86_op *op)
{
	unsigned n = d->i.operand_count_visible;
	if (n && d->o[n - 1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
		op->aux = (uint8_t)d->o[--n].imm.value.u;
	if (n == 4)
		op->aux = sse_reg(d, --n);
	if (!n)
		return;
	if (is_reg(d, 0))
		op->dst = op->src = sse_reg(d, 0);
	if (n > 1 && is_reg(d, 1) && (n == 3 || !is_reg(d, 0)))
		op->src = sse_reg(d, 1);
	if (n > 1 && is_reg(d, n - 1) && is_reg(d, 0) && !(n == 3 && !is_reg(d, 1)))
		op->index = sse_reg(d, n - 1);
}

/* ------ kernels of one lane ------ */

VEX_HANDLER(rr128, sse_op_kernel(op)(VEX_D, VEX_A, VEX_B, op->aux); vex_clear_high(c, op->dst))
VEX_HANDLER(rm128, x86_lane s; x86_ld(c, op, x86_ea(c, op), &s, 16); sse_op_kernel(op)(VEX_D, VEX_A, &s, op->aux);
	    vex_clear_high(c, op->dst))
VEX_HANDLER(part128, x86_lane s; sse_load(c, op, &s, op->size); sse_op_kernel(op)(VEX_D, VEX_A, &s, op->aux);
	    vex_clear_high(c, op->dst))
/* 256 bits: op->size is the shift of lane 1's immediate. */
static inline void both_lanes(struct x86_cpu *c, const struct x86_op *op, const x86_lane *b)
{
	sse_kernel k = sse_op_kernel(op);
	x86_lane *d = VEX_D;
	const x86_lane *a = VEX_A;
	k(d, a, b, op->aux);
	k(d + 1, a + 1, b + 1, op->aux >> op->size);
}
VEX_HANDLER(rr256, both_lanes(c, op, VEX_B))
VEX_HANDLER(rm256, x86_lane s[2]; x86_ld(c, op, x86_ea(c, op), s, 32); both_lanes(c, op, s))

/* Twice as wide results; op->size is the bytes that one lane takes. */
static inline void widen(struct x86_cpu *c, const struct x86_op *op, const x86_lane *b)
{
	x86_lane next = {.q = {0, 0}};
	sse_kernel k = sse_op_kernel(op);
	memcpy(&next, b->b + op->size, 8);
	k(VEX_D, VEX_A, b, op->aux);
	k(VEX_D + 1, VEX_A, &next, op->aux);
}
VEX_HANDLER(widen_r, x86_lane s = *VEX_B; widen(c, op, &s))
VEX_HANDLER(widen_m, x86_lane s; sse_load(c, op, &s, op->size * 2u); widen(c, op, &s))

/* Shifts by one count. */
static inline void by_count(struct x86_cpu *c, const struct x86_op *op, const x86_lane *count)
{
	sse_kernel k = sse_op_kernel(op);
	k(VEX_D, VEX_A, count, op->aux);
	k(VEX_D + 1, VEX_A + 1, count, op->aux);
}
VEX_HANDLER(imm128, x86_lane s = {.q = {op->aux, 0}}; sse_op_kernel(op)(VEX_D, VEX_A, &s, op->aux);
	    vex_clear_high(c, op->dst))
VEX_HANDLER(imm256, x86_lane s = {.q = {op->aux, 0}}; by_count(c, op, &s))
VEX_HANDLER(count_r, x86_lane s = *VEX_B; by_count(c, op, &s))
VEX_HANDLER(count_m, x86_lane s; x86_ld(c, op, x86_ea(c, op), &s, 16); by_count(c, op, &s))

static x86_fn shift_handler(const struct x86_insn *d, struct x86_op *op, bool wide)
{
	if (sse_is_imm(d, 2)) {
		op->src = op->index;
		return wide ? imm256 : imm128;
	}
	if (sse_is_mem(d, 2))
		return wide ? count_m : rm128;
	return wide ? count_r : rr128;
}

x86_fn vex_row_handler(const struct x86_insn *d, struct x86_op *op, const struct sse_row *row)
{
	bool mem = d->i.attributes & ZYDIS_ATTRIB_HAS_MODRM && d->i.raw.modrm.mod != 3, wide = vex_is_256(d);
	if (!row->k16)
		return NULL;
	vex_operands(d, op);
	op->imm = sse_pointer((const void *)row->k16);
	if (row->flags & SSE_SHIFT)
		return shift_handler(d, op, wide);
	op->size = row->mem;
	if (!wide)
		return !mem ? rr128 : row->mem == 16 ? rm128 : part128;
	if (row->flags & SSE_WIDEN)
		return mem ? widen_m : widen_r;
	op->size = row->flags >> SSE_IMM_SHIFT;
	return mem ? rm256 : rr256;
}

static x86_fn translate_row(const struct x86_insn *d, struct x86_op *op)
{
	const struct sse_row *row = sse_find_row(d);
	return row ? vex_row_handler(d, op, row) : NULL;
}

x86_fn vex_translate(const struct x86_insn *d, struct x86_op *op)
{
	static x86_fn (*const parts[])(const struct x86_insn *, struct x86_op *) = {
		vex_translate_move, translate_row,     vex_translate_float, vex_translate_misc,
		vex_translate_perm, vex_translate_mem, vex_translate_half,
		vex_translate_mxcsr};
	if (d->c->mode == X86_MODE_REAL || d->c->mode == X86_MODE_VM86)
		return NULL;
	struct x86_op saved = *op;
	for (unsigned n = 0; n < sizeof parts / sizeof parts[0]; n++) {
		x86_fn fn = parts[n](d, op);
		if (fn)
			return fn;
		*op = saved;
	}
	return NULL;
}
