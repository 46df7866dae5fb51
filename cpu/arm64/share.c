/* share.c - CPUs on one memory: TLBI and IC of the inner shareable domain as requests to the others. Each has a short
 * list of what is asked of it, done at its next poll or before it runs; DSB waits for those that are running. */
#include <stdlib.h>
#include "sys.h"

enum { CPUS = 64, ASKED = 128 };

struct ask {
	uint64_t arg;
	unsigned what;
};
struct peer {
	struct a64_cpu *cpu;
	atomic_flag lock;
	atomic_uint posted, done; /* counts */
	atomic_bool running;
	unsigned n; /* above ASKED: everything */
	struct ask list[ASKED];
};
struct a64_share {
	struct peer peer[CPUS];
	_Atomic uint64_t members;
};

struct a64_share *a64_share_new(void)
{
	return calloc(1, sizeof(struct a64_share));
}

void a64_share_free(struct a64_share *s)
{
	free(s);
}

void a64_share_join(struct a64_cpu *c, struct a64_share *s, unsigned index)
{
	struct peer *p = &s->peer[index];
	p->cpu = c;
	p->n = 0;
	atomic_store(&p->running, false);
	atomic_store(&p->done, atomic_load(&p->posted));
	c->share = s;
	c->share_index = index;
	atomic_fetch_or(&s->members, UINT64_C(1) << index);
}

void a64_share_leave(struct a64_cpu *c)
{
	if (c->share)
		atomic_fetch_and(&c->share->members, ~(UINT64_C(1) << c->share_index));
	c->share = NULL;
}

static void lock(struct peer *p)
{
	while (atomic_flag_test_and_set_explicit(&p->lock, memory_order_acquire))
		;
}

static void unlock(struct peer *p)
{
	atomic_flag_clear_explicit(&p->lock, memory_order_release);
}

static unsigned post(struct peer *p, unsigned what, uint64_t arg)
{
	lock(p);
	if (p->n < ASKED)
		p->list[p->n] = (struct ask){arg, what};
	if (p->n <= ASKED)
		p->n++;
	unsigned ticket = atomic_fetch_add(&p->posted, 1) + 1;
	unlock(p);
	atomic_store(p->cpu->attn, 1);
	return ticket;
}

void a64_share_ask(struct a64_cpu *c, unsigned what, uint64_t arg)
{
	if (!c->share)
		return;
	uint64_t who = atomic_load(&c->share->members) & ~(UINT64_C(1) << c->share_index);
	c->mmu->asked |= who;
	for (; who; who &= who - 1) {
		unsigned i = (unsigned)__builtin_ctzll(who);
		c->mmu->ticket[i] = post(&c->share->peer[i], what, arg);
	}
}

static void act(struct a64_cpu *c, const struct ask *a)
{
	switch (a->what) {
	case A64_ASK_TLB_ALL: a64_tlb_flush(c); break;
	case A64_ASK_TLB_ASID: a64_tlb_flush_asid(c, (uint16_t)a->arg); break;
	case A64_ASK_TLB_VA: a64_tlb_flush_va(c, a->arg, true); break;
	case A64_ASK_IC: a64_icache_invalidate(c, a->arg, 64); break;
	default: a64_icache_invalidate(c, 0, UINT64_MAX); break;
	}
}

void a64_review(struct a64_cpu *c)
{
	struct ask list[ASKED];
	struct peer *p = c->share ? &c->share->peer[c->share_index] : NULL;
	if (!p || atomic_load(&p->posted) == atomic_load(&p->done))
		return;
	lock(p);
	unsigned n = p->n, posted = atomic_load(&p->posted);
	memcpy(list, p->list, (n < ASKED ? n : ASKED) * sizeof *list);
	p->n = 0;
	unlock(p);
	if (n > ASKED) {
		a64_tlb_flush(c);
		a64_icache_invalidate(c, 0, UINT64_MAX);
	}
	for (unsigned i = 0; i < n && n <= ASKED; i++)
		act(c, &list[i]);
	atomic_store(&p->done, posted);
}

/* One that is not running reviews before its next instruction. */
static bool answered(const struct a64_cpu *c, unsigned index)
{
	struct peer *p = &c->share->peer[index];
	return !atomic_load(&p->running) || (int)(atomic_load(&p->done) - c->mmu->ticket[index]) >= 0 ||
	       !(atomic_load(&c->share->members) >> index & 1);
}

/* Others may wait for us meanwhile. */
void a64_share_wait(struct a64_cpu *c)
{
	for (unsigned spins = 1; c->share && c->mmu->asked; spins++) {
		for (uint64_t who = c->mmu->asked; who; who &= who - 1)
			if (answered(c, (unsigned)__builtin_ctzll(who)))
				c->mmu->asked &= ~(who & -who);
		a64_review(c);
		if (c->mmu->asked && spins % 64 == 0 && c->env->pause)
			c->env->pause(c->env_opaque);
	}
	c->mmu->asked = 0;
}

void a64_share_enter(struct a64_cpu *c)
{
	if (!c->share)
		return;
	atomic_store(&c->share->peer[c->share_index].running, true);
	a64_review(c);
}

void a64_share_exit(struct a64_cpu *c)
{
	if (c->share)
		atomic_store(&c->share->peer[c->share_index].running, false);
}
