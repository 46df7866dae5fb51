/* run.c - the run loop: what happens between blocks (faults, injected events, interrupts, debug, budget) and how a
 * block is entered and left. */
#include "engine.h"
#include "fpenv.h"

/* Debugging, interrupt shadows, replay and the end of the budget need blocks of one instruction. */
static bool wants_single(const struct x86_cpu *c)
{
	return c->tf_active || c->want_alone || c->redo_single || c->shadow || c->replay || c->once ||
	       c->insn_limit - c->insns < X86_BLOCK_INSNS;
}

static bool stop(struct x86_cpu *c, enum x86_stop_kind kind)
{
	c->stop.kind = kind;
	c->stop.needs_answer = false;
	c->stop.pc = c->rip;
	return false;
}

static void inject(struct x86_cpu *c, uint8_t type, uint8_t vector)
{
	c->inject_valid = true;
	c->inject_type = type;
	c->inject_vector = vector;
	c->inject_len = 0;
	c->inject_has_error = false;
}

static void end_replay(struct x86_cpu *c)
{
	c->replay = false;
	x86_log_reset(c);
}

static bool nmi_due(const struct x86_cpu *c)
{
	return c->nmi_pending && !c->nmi_masked && !c->shadow && !c->inject_valid;
}

/* Ask the user, and act on the answer in the order of SDM vol. 3, table 6-2. false: stop. */
static bool poll(struct x86_cpu *c)
{
	atomic_store_explicit(c->attn, 0, memory_order_seq_cst);
	x86_fp_leave(c);
	unsigned what = c->env->poll ? c->env->poll(c->env_opaque) : 0;
	x86_review(c); /* after it: attn may have been cleared there once more */
	bool open = c->eflags & X86_IF && !c->shadow;
	c->poll_again = what & (X86_POLL_INTR | X86_POLL_WINDOW);
	if (what & X86_POLL_NMI)
		c->nmi_pending = true;
	if (what & X86_POLL_STOP) /* the rest is asked for again by the next run, which polls first */
		return stop(c, X86_STOP_POLL);
	if (what & X86_POLL_INIT)
		return stop(c, X86_STOP_INIT);
	if (nmi_due(c))
		return true;
	if (what & X86_POLL_INTR && open) {
		int vector = c->env->intr_ack ? c->env->intr_ack(c->env_opaque) : -1;
		if (vector >= 0) {
			inject(c, 0, (uint8_t)vector);
			return true;
		}
	}
	if ((what & X86_POLL_WINDOW || c->window_wanted) && open)
		return stop(c, X86_STOP_WINDOW);
	return true;
}

static bool polling_due(const struct x86_cpu *c)
{
	return atomic_load_explicit(c->attn, memory_order_relaxed) ||
	       ((c->poll_again || c->window_wanted) && c->eflags & X86_IF && !c->shadow);
}

/* Everything that comes before the next instruction. false: c->stop is filled. */
static bool between(struct x86_cpu *c)
{
	for (;;) {
		if (unlikely(c->exc_valid || c->inject_valid)) {
			if (!x86_deliver_fault(c))
				return false;
			end_replay(c);
		}
		if (unlikely(c->replay))
			return true;
		if (unlikely(c->insns >= c->insn_limit))
			return stop(c, X86_STOP_BUDGET);
		if (unlikely(polling_due(c)) && !poll(c))
			return false;
		if (unlikely(nmi_due(c))) {
			if (c->nmi_window)
				return stop(c, X86_STOP_NMI_WINDOW);
			c->nmi_pending = false;
			inject(c, 2, X86_NMI);
		}
		if (likely(!c->inject_valid))
			return true;
	}
}

/* No entry of the jump cache has this tag: a jump comes back to the run loop. */
#define NO_JUMPS UINT64_C(0xffff)

/* One instruction (one iteration of REP) by itself. The mark in the shadow tells one that this instruction set from the
 * one it ran in. */
static void one_block(struct x86_cpu *c)
{
	op_t op = x86_find_block(c, true)->ops;
	c->step_next = x86_op_next_rip(c, op + 1);
	c->shadow |= c->shadow ? 0x80 : 0;
	do
		op = op->fn(c, op);
	while (op);
	if (likely(!c->deferred))
		c->block = NULL;
}

static void be_alone(struct x86_cpu *c, bool begin)
{
	x86_fp_leave(c);
	c->want_alone = false;
	c->env->alone(c->env_opaque, begin);
	c->alone = begin;
}

/* The bytes of an instruction that is begun again are not asked for again where they came from a device. */
static void again(struct x86_cpu *c)
{
	const struct x86_block *b = (const struct x86_block *)(const void *)c->cache->device;
	if (c->log_op != &b->ops[1] || c->log_insns != c->insns + 1)
		return;
	c->log_pos = 0;
	c->replay = c->log_len > 0;
}

static bool single(struct x86_cpu *c)
{
	bool debug = c->tf_active, once = c->once;
	c->block = NULL;
	c->code_tag = NO_JUMPS;
	c->redo_single = false;
	if (debug && !x86_debug_before(c))
		return false;
	if (likely(!c->want_alone))
		one_block(c);
	if (unlikely(c->want_alone)) {
		be_alone(c, true);
		again(c);
		one_block(c);
		be_alone(c, false);
	}
	c->once = once;
	if (unlikely(c->deferred))
		return false;
	if (c->shadow & 0x80)
		c->shadow = 0;
	if (c->replay)
		end_replay(c);
	c->trap = true; /* a #DB from here is the end of this instruction, which has been counted */
	bool go_on = !debug || x86_debug_after(c);
	c->trap = false;
	return go_on;
}

static void blocks(struct x86_cpu *c)
{
	c->block = NULL; /* a fetch that faults takes nothing back */
	op_t op = x86_find_block(c, false)->ops;
	do
		op = op->fn(c, op);
	while (op);
}

/* Left by longjmp; what the instruction at c->rip and those behind it in its block were counted for is taken back. One
 * that faults counts all the same, so that a guest whose handler faults at its first instruction uses up its budget;
 * a fault of a delivery belongs to the instruction that brought it about, or to nobody. */
static void left(struct x86_cpu *c, int how)
{
	c->want_alone = false;
	bool counted = c->trap || c->in_delivery;
	c->trap = c->in_delivery = false;
	x86_uncount(c, c->rip);
	if (how == X86_JMP_SINGLE) {
		c->redo_single = true;
		c->log_pos = 0;
		c->replay = c->log_len > 0;
		c->replay_rip = c->rip;
		return;
	}
	if (how == X86_JMP_STOP)
		c->shadow = 0;
	if (how == X86_JMP_FAULT && !counted)
		c->insns++;
	if (how == X86_JMP_DEFER) {
		c->shadow &= 0x7f;
		c->replay = true;
		c->replay_rip = c->rip;
	} else {
		end_replay(c);
	}
	if (unlikely(c->alone))
		be_alone(c, false);
}

/* As if the handler had left by a leap. */
static void leave_deferred(struct x86_cpu *c)
{
	c->deferred = false;
	left(c, X86_JMP_DEFER);
}

static void enter(struct x86_cpu *c)
{
	c->stop.kind = 0;
	c->log_pos = 0;
	c->block = NULL;
	c->want_alone = false;
	x86_share_enter(c);
	if (c->replay && (c->rip != c->replay_rip || !c->log_len))
		end_replay(c); /* moved elsewhere, reset, or never answered */
	c->code_tag = c->cache->generation << 16 | x86_block_key(c, false);
	x86_update_vex(c); /* XCR0 is the user's to write */
	atomic_fetch_or_explicit(c->attn, 1, memory_order_relaxed); /* ask at the start */
}

/* The host's FPU goes back to what the caller had in it. */
static enum x86_stop_kind leave(struct x86_cpu *c)
{
	x86_fp_leave(c);
	x86_share_exit(c);
	return c->stop.kind;
}

/* Others wrote, or may have written, what is decoded here. */
static void look_around(struct x86_cpu *c)
{
	x86_host_wrote_seen(c);
	if (c->unsettled)
		x86_settle(c);
}

enum x86_stop_kind x86_run(struct x86_cpu *c)
{
	enter(c);
	int how = setjmp(c->jb);
	if (how) {
		left(c, how);
		c->once = false;
		if (how != X86_JMP_FAULT && how != X86_JMP_SINGLE)
			return leave(c);
	}
	while (between(c)) {
		if (unlikely(x86_share_due(c)))
			look_around(c);
		c->code_tag = c->cache->generation << 16 | x86_block_key(c, false);
		if (unlikely(wants_single(c))) {
			if (!single(c))
				break;
		} else {
			blocks(c);
			if (unlikely(c->deferred))
				break;
		}
	}
	if (c->deferred)
		leave_deferred(c);
	c->once = false;
	return leave(c);
}

/* One instruction without asking anybody; `events`: first deliver what the user injected. A fault is delivered and
 * counts as the instruction. */
static enum x86_stop_kind run_once(struct x86_cpu *c, bool events)
{
	enter(c);
	c->once = true;
	int how = setjmp(c->jb);
	if (how)
		left(c, how);
	bool running = how == 0;
	if (how == 0 || how == X86_JMP_FAULT) {
		bool deliver = c->exc_valid || (c->inject_valid && (events || c->delivering));
		if (deliver) {
			running = running && !c->exc_valid && !c->delivering;
			if (x86_deliver_fault(c))
				end_replay(c);
			else
				running = false;
		}
		if (x86_share_due(c))
			look_around(c);
		if (running && c->stop.kind == 0)
			single(c);
		if (c->deferred)
			leave_deferred(c);
		if (c->stop.kind == 0)
			stop(c, X86_STOP_BUDGET);
	}
	c->once = false;
	return leave(c);
}

enum x86_stop_kind x86_complete(struct x86_cpu *c)
{
	return run_once(c, false);
}

enum x86_stop_kind x86_step(struct x86_cpu *c)
{
	return run_once(c, true);
}

void x86_abandon(struct x86_cpu *c)
{
	end_replay(c);
	c->exc_valid = c->exc_triple = c->inject_valid = false;
	c->delivering = 0;
	c->rep_rip = UINT64_MAX;
	c->stop.needs_answer = false;
}
