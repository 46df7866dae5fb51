/* sse_fp.c - SSE floating-point instructions: operands, the choice of engine, exceptions. */
#include "sse_fp.h"

enum kind { VEC, APPROX, TO_GPR, FROM_GPR, FLAGS, FROM_MM, TO_MM };
static const struct row {
	uint16_t mnemonic;
	uint8_t kind, mem;
} rows[] = {
#define ROW(MNEMONIC, kind, mem, name) {ZYDIS_MNEMONIC_##MNEMONIC, kind, mem},
	SSE_FP_ROWS(ROW)
#undef ROW
};
enum { ROWS = sizeof rows / sizeof rows[0] };

/* *d = *d op *s by the row in op->imm. Commits to *d only when no unmasked exception is raised. */
static void compute(struct x86_cpu *c, const struct x86_op *op, x86_lane *d, const x86_lane *s)
{
	sse_kernel host = sse_host_kernels[op->imm];
	if (likely(host && !x86_fp_soft && (!x86_sse_unmasked(c) || rows[op->imm].kind == APPROX))) {
		x86_fp_begin(c);
		host(d, s, op->aux);
	} else {
		struct sf_env e = x86_sse_env(c);
		x86_lane t = *d;
		sse_soft_kernels[op->imm](&e, &t, s, op->aux);
		x86_sse_flags(c, op, &e);
		*d = t;
	}
}

static const struct x86_op *xx(struct x86_cpu *c, const struct x86_op *op)
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

static const struct x86_op *xm(struct x86_cpu *c, const struct x86_op *op)
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

/* From memory no MMX register takes part, and the x87 state stays. */
static const struct x86_op *from_mm_m(struct x86_cpu *c, const struct x86_op *op)
{
	x86_lane s;
	x86_sse_check(c, op);
	x86_mmx_check(c, op);
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

static x86_fn handler(const struct x86_insn *d, struct x86_op *op, const struct row *row)
{
	bool mem = sse_is_mem(d, 1);
	op->size = row->mem;
	switch (row->kind) {
	case VEC:
	case APPROX:
		return !sse_is_xmm(d, 0) ? NULL : mem ? xm : xx;
	case TO_GPR:
		op->aux = d->o[0].size == 64 ? 64 : 32;
		return mem ? to_gpr_m : to_gpr_x;
	case FROM_GPR:
		op->aux = d->o[1].size == 64 ? 64 : 32;
		op->size = op->aux / 8;
		return mem ? xm : from_gpr;
	case FLAGS:
		return mem ? flags_m : flags_x;
	case FROM_MM:
		return mem ? from_mm_m : from_mm;
	default:
		return mem ? to_mm_m : to_mm_x;
	}
}

/* ROUNDxx need a host with SSE4.1; others do without a host kernel or have it always. */
static bool needs_soft(const struct x86_insn *d)
{
	switch (d->i.mnemonic) {
	case ZYDIS_MNEMONIC_ROUNDPS:
	case ZYDIS_MNEMONIC_ROUNDPD:
	case ZYDIS_MNEMONIC_ROUNDSS:
	case ZYDIS_MNEMONIC_ROUNDSD:
		return !sse_host_has_sse41();
	default:
		return false;
	}
}

/* As compute(), for an instruction that this host lacks. */
static const struct x86_op *soft_only(struct x86_cpu *c, const struct x86_op *op)
{
	struct sf_env e;
	x86_lane s, t;
	x86_sse_check(c, op);
	if (op->size)
		source(c, op, &s);
	else
		s = *sse_lane(c, op->src);
	e = x86_sse_env(c);
	t = *sse_lane(c, op->dst);
	sse_soft_kernels[op->imm](&e, &t, &s, op->aux);
	x86_sse_flags(c, op, &e);
	*sse_lane(c, op->dst) = t;
	return NEXT(op);
}

x86_fn sse_translate_float(const struct x86_insn *d, struct x86_op *op)
{
	for (unsigned n = 0; n < ROWS; n++) {
		if (rows[n].mnemonic != d->i.mnemonic)
			continue;
		sse_operands(d, op);
		op->imm = n;
		if (!needs_soft(d))
			return handler(d, op, &rows[n]);
		op->size = sse_is_mem(d, 1) ? rows[n].mem : 0;
		return soft_only;
	}
	return NULL;
}
