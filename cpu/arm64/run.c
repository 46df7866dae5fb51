/* run.c - the run loop: what happens between blocks (exceptions, interrupts, debug, budget) and how a block is entered
 * and left. */
#include <fenv.h>
#include "engine.h"
#include "sys.h"

static bool stop(struct a64_cpu *c, enum a64_stop_kind kind)
{
	c->stop.kind = kind;
	c->stop.needs_answer = false;
	c->stop.pc = c->pc;
	return false;
}

static void end_replay(struct a64_cpu *c)
{
	c->replay = false;
	a64_log_reset(c);
}

static bool masked(const struct a64_cpu *c, unsigned what)
{
	return c->daif & (what & A64_POLL_FIQ ? A64_DAIF_F : A64_DAIF_I);
}

static void interrupt(struct a64_cpu *c, unsigned vector)
{
	c->exc_valid = true;
	c->exc_has_far = false;
	c->exc_vector = (uint8_t)vector;
	c->exc_pc = c->pc;
	end_replay(c);
	a64_deliver(c);
}

/* false: stop */
static bool poll(struct a64_cpu *c)
{
	atomic_store_explicit(c->attn, 0, memory_order_seq_cst);
	unsigned what = c->env->poll ? c->env->poll(c->env_opaque) : 0;
	a64_review(c);
	c->irq_wait = what & (A64_POLL_IRQ | A64_POLL_FIQ);
	if (what & A64_POLL_STOP)
		return stop(c, A64_STOP_POLL);
	if (c->replay)
		return true;
	if (what & A64_POLL_FIQ && !masked(c, A64_POLL_FIQ))
		interrupt(c, 2);
	else if (what & A64_POLL_IRQ && !masked(c, A64_POLL_IRQ))
		interrupt(c, 1);
	return true;
}

/* Everything that comes before the next instruction. false: c->stop is filled. */
static bool between(struct a64_cpu *c)
{
	if (unlikely(c->exc_valid)) {
		a64_deliver(c);
		end_replay(c);
	}
	if (unlikely(c->replay))
		return true;
	if (unlikely(c->serror_pending && !(c->daif & A64_DAIF_A))) {
		c->serror_pending = false;
		c->exc_esr = (uint32_t)A64_EC_SERROR << 26 | 1u << 25 | c->serror_iss;
		interrupt(c, 3);
	}
	if (unlikely(c->insns >= c->insn_limit))
		return stop(c, A64_STOP_BUDGET);
	bool open = c->irq_wait && (c->daif & (A64_DAIF_I | A64_DAIF_F)) != (A64_DAIF_I | A64_DAIF_F);
	if (unlikely(open || atomic_load_explicit(c->attn, memory_order_relaxed)))
		return poll(c);
	return true;
}

static bool wants_single(const struct a64_cpu *c)
{
	return c->tf_active || c->replay || c->once || c->insn_limit - c->insns < A64_BLOCK_INSNS;
}

static bool single(struct a64_cpu *c)
{
	bool debug = c->tf_active, once = c->once, stepped = a64_step_active(c);
	c->once = true;
	if (debug && !a64_debug_before(c))
		return false;
	c->code_tag = UINT64_MAX; /* no entry of the jump cache has it: a jump comes back here */
	op_t op = a64_single_block(c);
	do
		op = op->fn(c, op);
	while (op);
	c->block = NULL;
	c->once = once;
	if (c->replay)
		end_replay(c);
	return !debug || a64_debug_after(c, stepped);
}

static void blocks(struct a64_cpu *c)
{
	uint64_t page = c->code_page;
	struct a64_block *b = a64_find_block(c);
	op_t from = c->cache->link_from; /* none any more if the arena was flushed */
	c->cache->link_from = NULL;
	if (from && page == c->code_page)
		((struct a64_op *)(uintptr_t)from)->link = b->ops;
	op_t op = b->ops;
	do
		op = op->fn(c, op);
	while (op);
	c->block = NULL;
}

/* Left by longjmp. What faulted counts as an instruction. */
static void left(struct a64_cpu *c, int how)
{
	c->cache->link_from = NULL;
	a64_uncount(c, c->pc);
	if (how == A64_JMP_DEFER) {
		c->replay = true;
		c->replay_pc = c->pc;
		return;
	}
	if (how == A64_JMP_FAULT)
		c->insns++;
	end_replay(c);
}

static void enter(struct a64_cpu *c)
{
	c->stop.kind = 0;
	c->log_pos = 0;
	c->block = NULL;
	c->cache->link_from = NULL;
	c->host_nearest = fegetround() == FE_TONEAREST;
	a64_share_enter(c);
	if (c->replay && (c->pc != c->replay_pc || !c->log_len))
		end_replay(c); /* moved elsewhere, or never answered */
	a64_new_tag(c);
	atomic_fetch_or_explicit(c->attn, 1, memory_order_relaxed); /* ask at the start */
}

static enum a64_stop_kind leave(struct a64_cpu *c)
{
	c->once = false;
	a64_share_exit(c);
	return c->stop.kind;
}

enum a64_stop_kind a64_run(struct a64_cpu *c)
{
	enter(c);
	int how = setjmp(c->jb);
	if (how) {
		left(c, how);
		if (how != A64_JMP_FAULT)
			return leave(c);
	}
	c->once = false;
	while (between(c)) {
		if (unlikely(c->mmu->fetch_generation != c->cache->seen)) {
			c->cache->seen = c->mmu->fetch_generation;
			c->cache->generation++;
			c->cache->link_from = NULL;
		}
		a64_new_tag(c);
		if (unlikely(wants_single(c))) {
			if (!single(c))
				break;
		} else {
			blocks(c);
		}
	}
	return leave(c);
}

/* One instruction without asking anybody. A fault is delivered and counts as the instruction. */
static enum a64_stop_kind run_once(struct a64_cpu *c)
{
	enter(c);
	c->once = true;
	int how = setjmp(c->jb);
	if (how)
		left(c, how);
	if (how == A64_JMP_FAULT || (how == 0 && c->exc_valid)) {
		a64_deliver(c);
		stop(c, A64_STOP_BUDGET);
	} else if (how == 0 && single(c)) {
		stop(c, A64_STOP_BUDGET);
	}
	return leave(c);
}

enum a64_stop_kind a64_complete(struct a64_cpu *c)
{
	if (!c->replay)
		return A64_STOP_BUDGET;
	return run_once(c);
}

enum a64_stop_kind a64_step(struct a64_cpu *c)
{
	return run_once(c);
}
