/* branch.c - branches (Arm ARM C4.1.67). */
#include "int.h"
#include "sys.h"

#define X(n) c->x[n]

/* A direct branch: op->imm is the target from the page's start. Behind a conditional one is its block's exit, a branch
 * too. */
static A64_HANDLER(b)
{
	return a64_branch(c, op);
}
static A64_HANDLER(bl)
{
	X(30) = a64_op_pc(c, op) + 4;
	return a64_branch(c, op);
}

/* To the block's exit. Not as the branch: the two ways are to be told apart by the host's branch prediction. */
static inline op_t fall_through(struct a64_cpu *c, op_t exit)
{
	if (likely(exit->link != NULL))
		return exit->link->fn(c, exit->link);
	return exit->fn(c, exit);
}

#define COND(name, holds)                                                                                              \
	static A64_HANDLER(b_##name)                                                                                   \
	{                                                                                                              \
		if (holds)                                                                                             \
			return a64_branch(c, op);                                                                      \
		return fall_through(c, op + 1);                                                                        \
	}
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

/* ------ a comparison and its branch as one ------
 * The comparison's handler does both; the branch stays where it is for who comes to it otherwise. */

/* What SUBS leaves, of a and b in their width: the condition's name, and what it says of them as numbers */
#define COMPARED(C, type, uns)                                                                                         \
	C(eq, type, uns, a == b)                                                                                       \
	C(ne, type, uns, a != b)                                                                                       \
	C(cs, type, uns, (uns)a >= (uns)b)                                                                             \
	C(cc, type, uns, (uns)a < (uns)b)                                                                              \
	C(hi, type, uns, (uns)a > (uns)b)                                                                              \
	C(ls, type, uns, (uns)a <= (uns)b)                                                                             \
	C(ge, type, uns, a >= b)                                                                                       \
	C(lt, type, uns, a < b)                                                                                        \
	C(gt, type, uns, a > b)                                                                                        \
	C(le, type, uns, a <= b)
#define FUSED(name, type, uns, holds)                                                                                  \
	static A64_HANDLER(imm_##name##_##type)                                                                        \
	{                                                                                                              \
		type a = (type)X(op->rn), b = (type)op->imm;                                                           \
		X(op->rd) = subs_##type(c, a, b);                                                                      \
		if (holds)                                                                                             \
			return a64_branch(c, op + 1);                                                                  \
		return fall_through(c, op + 2);                                                                        \
	}                                                                                                              \
	static A64_HANDLER(reg_##name##_##type)                                                                        \
	{                                                                                                              \
		type a = (type)X(op->rn), b = (type)X(op->rm);                                                         \
		X(op->rd) = subs_##type(c, a, b);                                                                      \
		if (holds)                                                                                             \
			return a64_branch(c, op + 1);                                                                  \
		return fall_through(c, op + 2);                                                                        \
	}
static inline uint64_t subs_int64_t(struct a64_cpu *c, int64_t a, int64_t b)
{
	return a64_adds64(c, (uint64_t)a, ~(uint64_t)b, 1);
}
static inline uint64_t subs_int32_t(struct a64_cpu *c, int32_t a, int32_t b)
{
	return a64_adds32(c, (uint32_t)a, ~(uint32_t)b, 1);
}
COMPARED(FUSED, int32_t, uint32_t)
COMPARED(FUSED, int64_t, uint64_t)

void a64_fuse(struct a64_op *op)
{
#define FUSED_FNS(name, type, uns, holds) {imm_##name##_##type, reg_##name##_##type},
	static const a64_fn fn[2][10][2] = {{COMPARED(FUSED_FNS, int32_t, uint32_t)},
					    {COMPARED(FUSED_FNS, int64_t, uint64_t)}};
#undef FUSED_FNS
	static const int8_t cond[16] = {0, 1, 2, 3, -1, -1, -1, -1, 4, 5, 6, 7, 8, 9, -1, -1};
	uint32_t compare = op[0].insn, branch = op[1].insn;
	bool imm = (compare & 0x7f800000) == 0x71000000, reg = (compare & 0x7fe0fc00) == 0x6b000000;
	if ((imm || reg) && (branch & 0xff000010) == 0x54000000 && cond[branch & 15] >= 0)
		op->fn = fn[compare >> 31][cond[branch & 15]][reg];
}

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
	static const a64_fn fns[16] = {b_eq, b_ne, b_cs, b_cc, b_mi, b_pl, b_vs, b_vc,
				       b_hi, b_ls, b_ge, b_lt, b_gt, b_le, b,    b};
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
