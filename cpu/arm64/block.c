/* block.c - the two ends of a block: the head that counts and polls, the exit to what follows. */
#include "engine.h"

/* Handlers jump to each other, but some compilers call where a handler has variables in memory: after so many
 * instructions (a power of two) the run loop is entered again with an empty stack. */
enum { STACK_BITS = 9 };

A64_HANDLER(a64_op_head)
{
	uint64_t insns = c->insns, now = insns + op->imm;
	c->block = op;
	if (unlikely(c->insn_limit - insns < op->imm || atomic_load_explicit(c->attn, memory_order_relaxed))) {
		c->pc = c->code_page + op->insn;
		c->block = NULL;
		return NULL;
	}
	c->insns = now;
	if (unlikely((insns ^ now) >> STACK_BITS))
		return op + 1;
	return A64_NEXT(op);
}

A64_HANDLER(a64_op_head_single)
{
	c->block = op;
	c->insns++;
	return op + 1;
}

A64_HANDLER(a64_op_dead)
{
	c->pc = c->code_page + op->insn;
	c->block = NULL;
	return NULL;
}

A64_HANDLER(a64_op_exit)
{
	return a64_branch(c, op);
}

A64_HANDLER(a64_op_exit_single)
{
	c->pc = c->code_page + op->imm;
	return NULL;
}

A64_HANDLER(a64_op_udf)
{
	a64_undef(c, op);
}

void a64_uncount(struct a64_cpu *c, uint64_t pc)
{
	if (!c->block)
		return;
	uint64_t done = (pc - (c->code_page + c->block->insn)) / 4;
	if (done <= c->block->imm)
		c->insns -= c->block->imm - done;
	c->block = NULL;
}
