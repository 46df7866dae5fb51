/* sse_fp.c - SSE floating-point instructions: operands, the choice of engine, exceptions. */
#include "sse_fp.h"

#if X86_HOST_FPU
#define HOST(name) sse_host_##name
#else
#define HOST(name) NULL
#endif
#define BOTH(NAME, kind, mem, needs, name)                                                                             \
	{ZYDIS_MNEMONIC_##NAME, ZYDIS_MNEMONIC_V##NAME, FP_##kind, mem, FP_##needs, HOST(name), sse_soft_##name},
#define LEGACY(NAME, kind, mem, needs, name)                                                                           \
	{ZYDIS_MNEMONIC_##NAME, 0, FP_##kind, mem, FP_##needs, HOST(name), sse_soft_##name},
#define VEX(NAME, kind, mem, needs, name)                                                                              \
	{0, ZYDIS_MNEMONIC_##NAME, FP_##kind, mem, FP_##needs, HOST(name), sse_soft_##name},
static const struct sse_fp_row rows[] = {SSE_FP_ROWS(BOTH) SSE_FP_LEGACY_ROWS(LEGACY) VEX_FP_ROWS(VEX)
					  VEX_FMA_ROWS(VEX)};
/* The same for hosts that lack the instruction. */
#undef HOST
#define HOST(name) NULL
static const struct sse_fp_row soft_rows[] = {SSE_FP_ROWS(BOTH) SSE_FP_LEGACY_ROWS(LEGACY) VEX_FP_ROWS(VEX)
					  VEX_FMA_ROWS(VEX)};

const struct sse_fp_row *sse_fp_find(const struct x86_insn *d)
{
	bool vex = d->i.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX;
	for (unsigned n = 0; n < sizeof rows / sizeof rows[0]; n++)
		if ((vex ? rows[n].vex : rows[n].mnemonic) == d->i.mnemonic)
			return sse_host_has(rows[n].needs) ? &rows[n] : &soft_rows[n];
	return NULL;
}

const struct sse_fp_row *sse_fp_rows(size_t *count)
{
	*count = sizeof rows / sizeof rows[0];
	return rows;
}

/* *d = *d op *s by the row in op->imm. Commits to *d only when no unmasked exception is raised. */
static void compute(struct x86_cpu *c, const struct x86_op *op, x86_lane *d, const x86_lane *s)
{
	const struct sse_fp_row *row = sse_fp_row_of(op);
	if (likely(sse_fp_by_host(c, row))) {
		x86_fp_begin(c);
		row->host(d, d, s, op->aux);
	} else {
		struct sf_env e = x86_sse_env(c);
		x86_lane t = *d;
		row->soft(&e, &t, d, s, op->aux);
		x86_sse_flags(c, op, &e);
		*d = t;
	}
}

const struct x86_op *sse_fp_xx(struct x86_cpu *c, const struct x86_op *op)
{
	x86_sse_check(c, op);
	compute(c, op, sse_lane(c, op->dst), sse_lane(c, op->src));
	return NEXT(op);
}

/* The source in op->size bytes of memory. */
static void source(struct x86_cpu *c, const struct x86_op *op, x86_lane *s)
{
	if (op->size == 16)
		sse_load16(c, op, s);
	else
		sse_load(c, op, s, op->size);
}

const struct x86_op *sse_fp_xm(struct x86_cpu *c, const struct x86_op *op)
{
	x86_lane s;
	x86_sse_check(c, op);
	source(c, op, &s);
	compute(c, op, sse_lane(c, op->dst), &s);
	return NEXT(op);
}

/* ------ general registers and flags ------ */

static const struct x86_op *to_gpr_x(struct x86_cpu *c, const struct x86_op *op)
{
	x86_lane d = {.q = {0, 0}};
	x86_sse_check(c, op);
	compute(c, op, &d, sse_lane(c, op->src));
	c->r[op->dst] = d.q[0];
	return NEXT(op);
}

static const struct x86_op *to_gpr_m(struct x86_cpu *c, const struct x86_op *op)
{
	x86_lane d = {.q = {0, 0}}, s;
	x86_sse_check(c, op);
	source(c, op, &s);
	compute(c, op, &d, &s);
	c->r[op->dst] = d.q[0];
	return NEXT(op);
}

static const struct x86_op *from_gpr(struct x86_cpu *c, const struct x86_op *op)
{
	x86_lane s = {.q = {c->r[op->src], 0}};
	x86_sse_check(c, op);
	compute(c, op, sse_lane(c, op->dst), &s);
	return NEXT(op);
}

static const struct x86_op *flags_x(struct x86_cpu *c, const struct x86_op *op)
{
	x86_lane d = *sse_lane(c, op->dst);
	x86_sse_check(c, op);
	compute(c, op, &d, sse_lane(c, op->src));
	x86_set_arith_flags(c, d.d[0]);
	return NEXT(op);
}

static const struct x86_op *flags_m(struct x86_cpu *c, const struct x86_op *op)
{
	x86_lane d = *sse_lane(c, op->dst), s;
	x86_sse_check(c, op);
	source(c, op, &s);
	compute(c, op, &d, &s);
	x86_set_arith_flags(c, d.d[0]);
	return NEXT(op);
}

/* ------ MMX operands ------ */

static const struct x86_op *from_mm(struct x86_cpu *c, const struct x86_op *op)
{
	x86_lane s = {.q = {c->st[op->src].sig, 0}};
	x86_sse_check(c, op);
	x86_mmx_check(c, op);
	x86_mmx_enter(c);
	compute(c, op, sse_lane(c, op->dst), &s);
	return NEXT(op);
}

/* From memory no MMX register takes part: the x87 state stays, and a pending exception of it waits (as measured on a
 * Zen 3). */
static const struct x86_op *from_mm_m(struct x86_cpu *c, const struct x86_op *op)
{
	x86_lane s;
	x86_sse_check(c, op);
	source(c, op, &s);
	compute(c, op, sse_lane(c, op->dst), &s);
	return NEXT(op);
}

static void to_mm(struct x86_cpu *c, const struct x86_op *op, x86_lane *s)
{
	x86_lane d = {.q = {0, 0}};
	if (op->size == 8)
		s->q[1] = 0;
	x86_mmx_enter(c); /* before the exceptions of the conversion */
	compute(c, op, &d, s);
	x86_mmx_set(c, op->dst, d.q[0]);
}

static const struct x86_op *to_mm_x(struct x86_cpu *c, const struct x86_op *op)
{
	x86_lane s = *sse_lane(c, op->src);
	x86_sse_check(c, op);
	x86_mmx_check(c, op);
	to_mm(c, op, &s);
	return NEXT(op);
}

static const struct x86_op *to_mm_m(struct x86_cpu *c, const struct x86_op *op)
{
	x86_lane s;
	x86_sse_check(c, op);
	x86_mmx_check(c, op);
	source(c, op, &s);
	to_mm(c, op, &s);
	return NEXT(op);
}

static x86_fn handler(const struct x86_insn *d, struct x86_op *op, const struct sse_fp_row *row)
{
	bool mem = sse_is_mem(d, 1);
	op->size = row->mem;
	switch (row->kind) {
	case FP_VEC:
	case FP_APPROX:
	case FP_WIDEN:
	case FP_NARROW:
		return !sse_is_xmm(d, 0) ? NULL : mem ? sse_fp_xm : sse_fp_xx;
	case FP_TO_GPR:
		op->aux = d->o[0].size == 64 ? 64 : 32;
		return mem ? to_gpr_m : to_gpr_x;
	case FP_FROM_GPR:
		op->aux = d->o[1].size == 64 ? 64 : 32;
		op->size = op->aux / 8;
		return mem ? sse_fp_xm : from_gpr;
	case FP_FLAGS:
		return mem ? flags_m : flags_x;
	case FP_FROM_MM:
		return mem ? from_mm_m : from_mm;
	default:
		return mem ? to_mm_m : to_mm_x;
	}
}

x86_fn sse_translate_float(const struct x86_insn *d, struct x86_op *op)
{
	const struct sse_fp_row *row = sse_fp_find(d);
	if (!row)
		return NULL;
	sse_operands(d, op);
	op->imm = sse_pointer(row);
	return handler(d, op, row);
}
