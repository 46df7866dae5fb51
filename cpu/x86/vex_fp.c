/* vex_fp.c - VEX-encoded floating-point instructions: operands, the choice of engine, exceptions of both lanes taken as
 * those of one instruction. */
#include "sse_fp.h"
#include "vex.h"

/* d = a op b for `lanes` lanes. Commits only when no unmasked exception is raised. */
static inline __attribute__((always_inline)) void compute(struct x86_cpu *c, const struct x86_op *op, x86_lane *d,
							  const x86_lane *a, const x86_lane *b, unsigned lanes)
{
	const struct sse_fp_row *row = sse_fp_row_of(op);
	if (likely(sse_fp_by_host(c, row))) {
		x86_fp_begin(c);
		row->host(d, a, b, op->aux);
		if (lanes == 2)
			row->host(d + 1, a + 1, b + 1, op->aux);
		return;
	}
	struct sf_env e = x86_sse_env(c);
	x86_lane t[2] = {d[0], d[lanes - 1]};
	if (lanes == 2 && row->soft == sse_soft_dpps) {
		sse_soft_dpps_256(&e, t, a, b, op->aux);
	} else {
		row->soft(&e, &t[0], a, b, op->aux);
		if (lanes == 2)
			row->soft(&e, &t[1], a + 1, b + 1, op->aux);
	}
	x86_sse_flags(c, op, &e);
	d[0] = t[0];
	if (lanes == 2)
		d[1] = t[1];
}

VEX_HANDLER(rr128, compute(c, op, VEX_D, VEX_A, VEX_B, 1); vex_clear_high(c, op->dst))
VEX_HANDLER(rm128, x86_lane s; x86_ld(c, op, x86_ea(c, op), &s, 16); compute(c, op, VEX_D, VEX_A, &s, 1);
	    vex_clear_high(c, op->dst))
VEX_HANDLER(part128, x86_lane s; sse_load(c, op, &s, op->size); compute(c, op, VEX_D, VEX_A, &s, 1);
	    vex_clear_high(c, op->dst))
VEX_HANDLER(rr256, compute(c, op, VEX_D, VEX_A, VEX_B, 2))
VEX_HANDLER(rm256, x86_lane s[2]; x86_ld(c, op, x86_ea(c, op), s, 32); compute(c, op, VEX_D, VEX_A, s, 2))

/* 256 bits out of 128. */
static void widen(struct x86_cpu *c, const struct x86_op *op, const x86_lane *b)
{
	x86_lane s[2] = {*b, {.q = {b->q[1], 0}}};
	compute(c, op, VEX_D, VEX_A, s, 2);
}
VEX_HANDLER(widen_r, widen(c, op, VEX_B))
VEX_HANDLER(widen_m, x86_lane s; x86_ld(c, op, x86_ea(c, op), &s, 16); widen(c, op, &s))

/* 128 bits out of 256. */
static void narrow(struct x86_cpu *c, const struct x86_op *op, const x86_lane *b)
{
	x86_lane r[2] = {{.q = {0, 0}}, {.q = {0, 0}}};
	compute(c, op, r, r, b, 2);
	VEX_D->q[0] = r[0].q[0];
	VEX_D->q[1] = r[1].q[0];
	vex_clear_high(c, op->dst);
}
VEX_HANDLER(narrow_r, narrow(c, op, VEX_B))
VEX_HANDLER(narrow_m, x86_lane s[2]; x86_ld(c, op, x86_ea(c, op), s, 32); narrow(c, op, s))

/* ------ general registers and flags ------ */

static void to_gpr(struct x86_cpu *c, const struct x86_op *op, const x86_lane *b)
{
	x86_lane d = {.q = {0, 0}};
	compute(c, op, &d, &d, b, 1);
	c->r[op->dst] = d.q[0];
}
VEX_HANDLER(to_gpr_r, to_gpr(c, op, VEX_B))
VEX_HANDLER(to_gpr_m, x86_lane s; sse_load(c, op, &s, op->size); to_gpr(c, op, &s))

VEX_HANDLER(from_gpr, x86_lane s = {.q = {c->r[op->index], 0}}; compute(c, op, VEX_D, VEX_A, &s, 1);
	    vex_clear_high(c, op->dst))

static void to_flags(struct x86_cpu *c, const struct x86_op *op, const x86_lane *b)
{
	x86_lane d = {.q = {0, 0}};
	compute(c, op, &d, VEX_D, b, 1);
	x86_set_arith_flags(c, d.d[0]);
}
VEX_HANDLER(flags_r, to_flags(c, op, VEX_B))
VEX_HANDLER(flags_m, x86_lane s; sse_load(c, op, &s, op->size); to_flags(c, op, &s))

static x86_fn vector_handler(const struct x86_insn *d, const struct sse_fp_row *row, bool mem)
{
	if (!vex_is_256(d))
		return !mem ? rr128 : row->mem == 16 ? rm128 : part128;
	switch (row->kind) {
	case FP_WIDEN:
		return mem ? widen_m : widen_r;
	case FP_NARROW:
		return mem ? narrow_m : narrow_r;
	default:
		return mem ? rm256 : rr256;
	}
}

/* CVTPD2PS and its like with memory of 256 bits have no YMM operand. */
static bool narrows_memory(const struct x86_insn *d, const struct sse_fp_row *row)
{
	return row->kind == FP_NARROW && sse_is_mem(d, 1) && d->o[1].size == 256;
}

x86_fn vex_translate_float(const struct x86_insn *d, struct x86_op *op)
{
	const struct sse_fp_row *row = sse_fp_find(d);
	if (!row)
		return NULL;
	bool mem = d->i.raw.modrm.mod != 3;
	vex_operands(d, op);
	op->imm = sse_pointer(row);
	op->size = row->mem;
	switch (row->kind) {
	case FP_TO_GPR:
		op->aux = d->o[0].size == 64 ? 64 : 32;
		return mem ? to_gpr_m : to_gpr_r;
	case FP_FROM_GPR:
		op->aux = d->o[2].size == 64 ? 64 : 32;
		op->size = op->aux / 8;
		return mem ? part128 : from_gpr;
	case FP_FLAGS:
		return mem ? flags_m : flags_r;
	default:
		return narrows_memory(d, row) ? narrow_m : vector_handler(d, row, mem);
	}
}
