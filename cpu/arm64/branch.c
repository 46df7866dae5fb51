/* branch.c - branches (Arm ARM C4.1.67). */
#include "int.h"
#include "sys.h"

#define X(n) c->x[n]

/* A direct branch: op->imm is the target from the page's start. Behind a conditional one is its block's exit. */
static A64_HANDLER(b)
{
	return a64_branch(c, op);
}
static A64_HANDLER(bl)
{
	X(30) = a64_op_pc(c, op) + 4;
	return a64_branch(c, op);
}

#define COND(name, holds)                                                                                              \
	static A64_HANDLER(b_##name) { return holds ? a64_branch(c, op) : A64_NEXT(op); }
COND(eq, c->zf == 0)
COND(ne, c->zf != 0)
COND(cs, c->cf)
COND(cc, !c->cf)
COND(mi, c->nf >> 63)
COND(pl, !(c->nf >> 63))
COND(vs, c->vf)
COND(vc, !c->vf)
COND(hi, c->cf && c->zf != 0)
COND(ls, !(c->cf && c->zf != 0))
COND(ge, (c->nf >> 63) == c->vf)
COND(lt, (c->nf >> 63) != c->vf)
COND(gt, (c->nf >> 63) == c->vf && c->zf != 0)
COND(le, !((c->nf >> 63) == c->vf && c->zf != 0))
COND(cbz, X(op->rd) == 0)
COND(cbnz, X(op->rd) != 0)
COND(cbz32, (uint32_t)X(op->rd) == 0)
COND(cbnz32, (uint32_t)X(op->rd) != 0)
COND(tbz, !(X(op->rd) >> op->rm & 1))
COND(tbnz, X(op->rd) >> op->rm & 1)

static uint64_t target(const struct a64_op *op, unsigned hi, unsigned lo)
{
	return op->imm + (uint64_t)a64_sext(A64_BITS((uint64_t)op->insn, hi, lo), hi - lo + 1) * 4;
}
static void prep_b(struct a64_op *op)
{
	op->imm = target(op, 25, 0);
}
static void prep_cond(struct a64_op *op)
{
	static const a64_fn fns[16] = {b_eq, b_ne, b_cs, b_cc, b_mi, b_pl, b_vs, b_vc, b_hi, b_ls, b_ge, b_lt, b_gt, b_le, b, b};
	op->imm = target(op, 23, 5);
	op->fn = fns[op->insn & 15];
}
static void prep_cbz(struct a64_op *op)
{
	static const a64_fn fns[4] = {b_cbz32, b_cbnz32, b_cbz, b_cbnz};
	op->imm = target(op, 23, 5);
	op->fn = fns[op->insn >> 30 & 2 ? 2 + (op->insn >> 24 & 1) : op->insn >> 24 & 1];
}
static void prep_tbz(struct a64_op *op)
{
	op->imm = target(op, 18, 5);
	op->rm = (uint8_t)(op->insn >> 31 << 5 | (op->insn >> 19 & 31));
	op->fn = op->insn >> 24 & 1 ? b_tbnz : b_tbz;
}

/* Indirect: the tag byte goes, and a guarded page looks at what kind of branch led there. */
op_t a64_indirect(struct a64_cpu *c, uint64_t pc, unsigned btype)
{
	const struct a64_jc *e = &c->cache->jc[a64_jc_slot(pc)];
	if (likely(e->pc == pc && e->tag == c->code_tag)) {
		op_t head = e->block->ops;
		c->code_page = pc & ~(uint64_t)0xfff;
		return head->fn(c, head);
	}
	c->pc = a64_branch_addr(c, pc);
	c->btype = a64_has(c, A64_F_BTI) ? (uint8_t)btype : 0;
	return NULL;
}
/* From a guarded page BR by another register than X16 and X17 asks for BTI j; from another page nobody does. */
static A64_HANDLER(br)
{
	return a64_indirect(c, X(op->rn), op->rn == 16 || op->rn == 17 ? 1 : 3);
}
static A64_HANDLER(blr)
{
	uint64_t to = X(op->rn);
	X(30) = a64_op_pc(c, op) + 4;
	return a64_indirect(c, to, 2);
}
static A64_HANDLER(ret)
{
	return a64_indirect(c, X(op->rn), 0);
}

static const struct a64_row rows[] = {
	{0xfc000000, 0x14000000, "b", b, A64_OPS_RAW, A64_ALWAYS, true, NULL, prep_b},
	{0xfc000000, 0x94000000, "bl", bl, A64_OPS_RAW, A64_ALWAYS, true, NULL, prep_b},
	{0xff000010, 0x54000000, "b.cond", NULL, A64_OPS_RAW, A64_ALWAYS, true, NULL, prep_cond},
	{0x7e000000, 0x34000000, "cbz", NULL, A64_OPS_RAW, A64_ALWAYS, true, NULL, prep_cbz},
	{0x7e000000, 0x36000000, "tbz", NULL, A64_OPS_RAW, A64_ALWAYS, true, NULL, prep_tbz},
	{0xfffffc1f, 0xd61f0000, "br", br, A64_OPS_X, A64_ALWAYS, true, NULL, NULL},
	{0xfffffc1f, 0xd63f0000, "blr", blr, A64_OPS_X, A64_ALWAYS, true, NULL, NULL},
	{0xfffffc1f, 0xd65f0000, "ret", ret, A64_OPS_X, A64_ALWAYS, true, NULL, NULL},
};
A64_TABLE(a64_rows_branch);
