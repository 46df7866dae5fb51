/* share.c - CPUs on one memory: see share.h for the protocol. Everything here is lock-free, and waits for nobody. */
#include <stdlib.h>
#include "engine.h"

struct x86_share *x86_share_new(void)
{
	return calloc(1, sizeof(struct x86_share)); /* the table's pages come as they are used */
}

void x86_share_free(struct x86_share *s)
{
	free(s);
}

void x86_share_join(struct x86_cpu *c, struct x86_share *s, unsigned index)
{
	struct x86_peer *p = &s->peer[index];
	atomic_store(&p->review, 0);
	atomic_store(&p->askers, 0);
	atomic_store(&p->done, atomic_load(&p->asked));
	p->attn = c->attn;
	c->share = s;
	c->share_index = (uint8_t)index;
	c->share_bit = (uint64_t)1 << index;
	c->host_writes = atomic_load(&s->host_writes);
	atomic_fetch_or(&s->members, c->share_bit);
}

void x86_share_leave(struct x86_cpu *c)
{
	if (c->share)
		atomic_fetch_and(&c->share->members, ~c->share_bit);
	c->share = NULL;
}

void x86_host_wrote(struct x86_share *s)
{
	atomic_fetch_add_explicit(&s->host_writes, 1, memory_order_release);
}

static void call(struct x86_peer *p)
{
	atomic_store(p->attn, 1);
}

/* Bits of CPUs that have left stay in the table; they mean nobody. */
static uint64_t others(const struct x86_cpu *c, uint64_t bits)
{
	return bits & ~c->share_bit & atomic_load_explicit(&c->share->members, memory_order_relaxed);
}

static void unsettle(struct x86_cpu *c, const uint8_t *host)
{
	if (c->unsettled_pages < X86_UNSETTLED)
		c->unsettled_page[c->unsettled_pages] = host;
	c->unsettled_pages++;
}

/* Review before count: who answers the count has seen the review. */
static void ask(struct x86_cpu *c, unsigned index)
{
	struct x86_peer *p = &c->share->peer[index];
	atomic_fetch_or(&p->review, X86_REVIEW_WRITES);
	atomic_fetch_or(&p->askers, c->share_bit);
	c->settle_at[index] = atomic_fetch_add(&p->asked, 1) + 1;
	c->unsettled |= (uint64_t)1 << index;
	call(p);
}

void x86_share_decoding(struct x86_cpu *c, const uint8_t *host)
{
	if (!c->share)
		return;
	struct x86_share_page *p = x86_share_slot(c->share, host);
	if (atomic_load_explicit(&p->code, memory_order_relaxed) & c->share_bit)
		return;
	atomic_fetch_or(&p->code, c->share_bit);
	uint64_t who = others(c, atomic_load(&p->writers));
	if (!who)
		return;
	atomic_fetch_and(&p->writers, ~who);
	unsettle(c, host);
	for (; who; who &= who - 1)
		ask(c, (unsigned)__builtin_ctzll(who));
}

bool x86_share_writing(struct x86_cpu *c, const uint8_t *host)
{
	if (!x86_share_has_others(c))
		return true;
	struct x86_share_page *p = x86_share_slot(c->share, host);
	if (!(atomic_load(&p->writers) & c->share_bit))
		atomic_fetch_or(&p->writers, c->share_bit);
	return !others(c, atomic_load(&p->code));
}

/* The exchange, although it changes nothing, orders the store before the look. */
void x86_share_written(struct x86_cpu *c, const uint8_t *host)
{
	if (!x86_share_has_others(c))
		return;
	struct x86_share_page *p = x86_share_slot(c->share, host);
	uint64_t who = others(c, atomic_fetch_or(&p->code, 0));
	if (!who)
		return;
	atomic_fetch_and(&p->code, ~who);
	for (; who; who &= who - 1) {
		struct x86_peer *q = &c->share->peer[__builtin_ctzll(who)];
		atomic_fetch_or(&q->review, X86_REVIEW_CODE);
		call(q);
	}
}

void x86_review_slow(struct x86_cpu *c)
{
	struct x86_share *s = c->share;
	struct x86_peer *p = &s->peer[c->share_index];
	unsigned asked = atomic_load(&p->asked), what = atomic_exchange(&p->review, 0);
	if (what & X86_REVIEW_CODE)
		x86_drop_taken_code(c);
	if (what & X86_REVIEW_WRITES)
		x86_drop_taken_writes(c);
	atomic_store(&p->done, asked);
	uint64_t who = others(c, atomic_exchange(&p->askers, 0));
	for (; who; who &= who - 1)
		call(&s->peer[__builtin_ctzll(who)]);
}

void x86_share_enter(struct x86_cpu *c)
{
	if (!c->share)
		return;
	atomic_store(&c->share->peer[c->share_index].running, true);
	x86_review(c);
}

void x86_share_exit(struct x86_cpu *c)
{
	if (c->share)
		atomic_store(&c->share->peer[c->share_index].running, false);
}

/* One that is not running reviews before its next store. */
static bool answered(const struct x86_cpu *c, unsigned index)
{
	struct x86_peer *p = &c->share->peer[index];
	return !atomic_load(&p->running) || (int)(atomic_load(&p->done) - c->settle_at[index]) >= 0 ||
	       !(atomic_load(&c->share->members) >> index & 1);
}

void x86_settle(struct x86_cpu *c)
{
	for (uint64_t who = c->unsettled; who; who &= who - 1)
		if (answered(c, (unsigned)__builtin_ctzll(who)))
			c->unsettled &= ~(who & -who);
	if (c->unsettled_pages > X86_UNSETTLED)
		x86_memory_changed(c);
	else
		for (unsigned i = 0; i < c->unsettled_pages; i++)
			x86_recheck_page(c, c->unsettled_page[i]);
	if (!c->unsettled)
		c->unsettled_pages = 0;
}

void x86_host_wrote_seen(struct x86_cpu *c)
{
	unsigned now = c->share ? atomic_load_explicit(&c->share->host_writes, memory_order_acquire) : 0;
	if (now != c->host_writes)
		x86_memory_changed(c);
	c->host_writes = now;
}
