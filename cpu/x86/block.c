/* block.c - the two ends of a block: the head that counts and polls, the exits that lead to the next block, and what a
 * killed block does. */
#include "int.h"

static struct x86_block *block_of(op_t head)
{
	return (struct x86_block *)(uintptr_t)((const char *)head - offsetof(struct x86_block, ops));
}

/* Handlers jump to each other, but some compilers call where a handler has variables in memory: after so many
 * instructions (a power of two) the run loop is entered again with an empty stack. */
enum { STACK_BITS = 9 };

uint64_t x86_exit_target(const struct x86_cpu *c, op_t op)
{
	uint64_t rip = c->r[X86_R_PC] + (uint64_t)(int64_t)op->disp;
	return op->size == 8 ? rip : op->size == 4 ? (uint32_t)rip : (uint16_t)rip;
}

op_t x86_op_head(struct x86_cpu *c, op_t op)
{
	if (unlikely(c->insn_limit - c->insns < op->imm || atomic_load_explicit(c->attn, memory_order_relaxed) ||
		     op->disp != c->code_epoch)) {
		c->rip = c->r[X86_R_PC];
		return NULL;
	}
	uint64_t insns = c->insns, now = insns + op->imm;
	c->insns = now;
	c->block = op;
	if (unlikely((insns ^ now) >> STACK_BITS))
		return op + 1;
	return NEXT(op);
}

/* The run loop has checked whatever there is to check. */
op_t x86_op_head_single(struct x86_cpu *c, op_t op)
{
	c->insns += op->imm;
	c->block = op;
	return NEXT(op);
}

/* A branch faults itself when its target is no address; what falls through faults at the next fetch. aux: how far
 * back the branch is, 0 for what falls through. */
static void check_exit(struct x86_cpu *c, op_t op, uint64_t rip)
{
	if (op->aux)
		x86_check_target(c, op - op->aux, rip);
}

op_t x86_op_exit_null(struct x86_cpu *c, op_t op)
{
	uint64_t rip = x86_exit_target(c, op);
	check_exit(c, op, rip);
	c->rip = rip;
	return NULL;
}

/* What the jump cache knows is a good target. */
op_t x86_op_exit_far(struct x86_cpu *c, op_t op)
{
	uint64_t rip = x86_exit_target(c, op), lin = rip + c->segbase[X86_CS];
	const struct x86_jc *e = &c->cache->jc[x86_jc_slot(lin)];
	if (likely(e->lin == lin && e->tag == c->code_tag)) {
		c->r[X86_R_PC] = rip;
		return X86_GO(e->block->ops);
	}
	check_exit(c, op, rip);
	c->rip = rip;
	return NULL;
}

static op_t exit_linked(struct x86_cpu *c, op_t op)
{
	op_t next = (op_t)(uintptr_t)op->imm;
	c->r[X86_R_PC] += (uint64_t)(int64_t)op->disp;
	return X86_GO(next);
}

static op_t exit_linked_trunc(struct x86_cpu *c, op_t op)
{
	op_t next = (op_t)(uintptr_t)op->imm;
	c->r[X86_R_PC] = x86_exit_target(c, op);
	return X86_GO(next);
}

/* Finding the block can raise: everything of this one is done, so c->rip is the place, and nothing is to be uncounted.
 */
op_t x86_op_exit(struct x86_cpu *c, op_t op)
{
	uint64_t flushes = c->cache->flushes;
	c->rip = x86_exit_target(c, op);
	c->block = NULL;
	struct x86_block *b = x86_find_block(c, false);
	struct x86_op *w = (struct x86_op *)(uintptr_t)op;
	if (c->cache->flushes == flushes && w->fn == x86_op_exit && !(b->key & X86_KEY_SINGLE)) {
		w->imm = (uintptr_t)b->ops;
		w->fn = w->size == 8 ? exit_linked : exit_linked_trunc;
	}
	return b->ops;
}

op_t x86_op_ud(struct x86_cpu *c, op_t op)
{
	x86_raise(c, op, X86_UD, -1);
}

op_t x86_op_too_long(struct x86_cpu *c, op_t op)
{
	x86_raise(c, op, X86_GP_FAULT, 0);
}

static op_t dead_head(struct x86_cpu *c, op_t op)
{
	(void)op;
	c->rip = c->r[X86_R_PC];
	return NULL;
}

static op_t dead_op(struct x86_cpu *c, op_t op)
{
	c->rip = x86_op_rip(c, op);
	x86_uncount(c, c->rip);
	return NULL;
}

void x86_kill_block(struct x86_block *b)
{
	b->dead = true;
	b->ops[0].fn = dead_head;
	for (unsigned i = 1; i <= b->n; i++)
		b->ops[i].fn = dead_op;
	for (unsigned i = b->n + 1; i <= b->n + 2u; i++)
		b->ops[i].fn = x86_op_exit_null;
}

void x86_uncount(struct x86_cpu *c, uint64_t rip)
{
	if (!c->block)
		return;
	const struct x86_block *b = block_of(c->block);
	c->block = NULL;
	for (unsigned i = 1; i <= b->n; i++)
		if (x86_op_rip(c, &b->ops[i]) == rip) {
			c->insns -= b->n + 1u - i;
			return;
		}
}

/* A locked operation that the host cannot make at once. Once more, by itself, while every other CPU stands still. */
op_t x86_lock_alone(struct x86_cpu *c, op_t op)
{
	c->rip = x86_op_rip(c, op);
	x86_uncount(c, c->rip);
	c->want_alone = true;
	return NULL;
}
