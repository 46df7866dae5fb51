/* share.h - what the CPUs of one memory know together: which of them have decoded code of a page, and which may write
 * it without telling anybody. Inside the engine; the users' half is in x86.h.
 *
 * A page of the host has two words with a bit a CPU: `code` and `writers`. A bit that is gone is the message: whoever
 * writes a page takes the others' code bits after the store, whoever decodes one takes the others' writer bits before
 * it reads the bytes, and the CPU that lost a bit finds out at its next block what of its own must go (x86_review).
 *
 * Two windows stay open for an instant and are closed so:
 * - A store in flight through a translation that was just taken away may land behind the decoder's back. Until that CPU
 *   has answered, the decoded page is "unsettled": what was decoded of it is compared with memory whenever the run loop
 *   is passed, thus at each serializing instruction (SDM vol. 3, 9.1.3), and once more after the answer.
 * - Code that is running when it is written by another CPU runs to the end of its block. */
#ifndef CPU_X86_SHARE_H
#define CPU_X86_SHARE_H

#include "internal.h"

enum { X86_SHARE_SLOTS = 1 << 20, X86_SHARE_CPUS = 64, X86_UNSETTLED = 16 };
enum { X86_REVIEW_CODE = 1, X86_REVIEW_WRITES = 2 };

/* Pages of the host that collide here lose their bits together, which costs time only. */
struct x86_share_page {
	_Atomic uint64_t code, writers;
};

/* What others ask of a CPU. */
struct x86_peer {
	atomic_uint *attn;
	atomic_uint review;        /* X86_REVIEW_ */
	atomic_uint asked, done;   /* counts of requests to give up writer bits */
	_Atomic uint64_t askers;   /* whom to wake when done */
	atomic_bool running;       /* in x86_run or the like; set before it looks at `review` */
} __attribute__((aligned(64)));

struct x86_share {
	struct x86_peer peer[X86_SHARE_CPUS];
	_Atomic uint64_t members;
	atomic_uint host_writes;
	struct x86_share_page page[X86_SHARE_SLOTS];
};

static inline struct x86_share_page *x86_share_slot(struct x86_share *s, const uint8_t *host)
{
	return &s->page[(uintptr_t)host >> 12 & (X86_SHARE_SLOTS - 1)];
}
static inline bool x86_share_has_others(const struct x86_cpu *c)
{
	return c->share && atomic_load_explicit(&c->share->members, memory_order_relaxed) != c->share_bit;
}

/* share.c; host: as env->page gives it */
void x86_share_decoding(struct x86_cpu *c, const uint8_t *host); /* before the bytes are read */
bool x86_share_writing(struct x86_cpu *c, const uint8_t *host);  /* may it go into the TLB for writing? */
void x86_share_written(struct x86_cpu *c, const uint8_t *host);  /* after the store */
void x86_share_enter(struct x86_cpu *c);
void x86_share_exit(struct x86_cpu *c);
void x86_review_slow(struct x86_cpu *c);
void x86_settle(struct x86_cpu *c);
void x86_host_wrote_seen(struct x86_cpu *c);

static inline void x86_review(struct x86_cpu *c)
{
	if (c->share && atomic_load_explicit(&c->share->peer[c->share_index].review, memory_order_acquire))
		x86_review_slow(c);
}
/* What the run loop asks before each block that it enters itself. */
static inline bool x86_share_due(const struct x86_cpu *c)
{
	return c->unsettled ||
	       (c->share && atomic_load_explicit(&c->share->host_writes, memory_order_acquire) != c->host_writes);
}

/* cache.c, mmu.c: give up what belongs to pages whose bit is gone */
void x86_drop_taken_code(struct x86_cpu *c);
void x86_drop_taken_writes(struct x86_cpu *c);
void x86_recheck_page(struct x86_cpu *c, const uint8_t *host); /* compare its blocks with memory */

#endif
