/* engine.h - what the run loop, the block cache, the decoder and the MMU share and nobody else needs: blocks, jump
 * cache, TLB bookkeeping.
 *
 * A block is an array of operations: a head that counts and polls, one operation an instruction, then one or two exits.
 * Exits know the distance to their target and, inside a page, the target block itself. A block whose code was written
 * is "killed": its operations are overwritten with ones that leave, so links to it and the handler that is running need
 * no search. Memory of killed blocks comes back when the arena is flushed. */
#ifndef CPU_X86_ENGINE_H
#define CPU_X86_ENGINE_H

#include "share.h"

typedef const struct x86_op *op_t;

enum {
	X86_BLOCK_INSNS = 48,
	X86_JC_SIZE = 2048,
	X86_BLOCK_HASH = 1 << 14,
	X86_PAGE_HASH = 1 << 11,
	X86_ITLB_SIZE = 256,
	X86_VICTIMS = 8,
	X86_ARENA = 10 << 20
};
/* X86_KEY_LIMIT: CS ends below 4 GiB, so branches look where they go. */
enum { X86_KEY_MODE = 7, X86_KEY_CPL3 = 8, X86_KEY_FLAT_SHIFT = 4, X86_KEY_LIMIT = 1 << 10, X86_KEY_SINGLE = 1 << 12, X86_KEY_SS32 = 1 << 13 };

struct x86_block {
	struct x86_block *next;         /* of the same hash */
	struct x86_block *page_next[2]; /* of the same page; [1]: of the second page of a crossing instruction */
	uint64_t gpa, gpa2;             /* gpa2: page of the bytes behind the page end, or UINT64_MAX */
	const uint8_t *host[2];         /* pages of the host that hold them: several gpas may lead to one */
	uint32_t key, hot;
	uint16_t n, bytes; /* instructions; bytes of code */
	bool dead;
	struct x86_op ops[]; /* behind the last one: the bytes they were decoded from */
};

/* A page of the host that holds decoded code, or did: bit n of map covers bytes n * 64. `writer` says which entries for
 * writing lead to it, so that code which is written and run in turn finds them without a search: one, by gva | mmu, or
 * one of these. */
struct x86_code_page {
	struct x86_code_page *next;
	struct x86_block *first;
	const uint8_t *host;
	uint64_t map, writer;
};
#define X86_WRITER_NONE 0xfff
#define X86_WRITER_MANY UINT64_MAX /* nobody knows */

struct x86_jc {
	uint64_t lin, tag;
	struct x86_block *block;
};
struct x86_itlbe {
	uint64_t tag; /* linear page | user; UINT64_MAX: empty */
	uint64_t gpa;
	uint8_t *hva; /* NULL: no memory, a device's page */
};
struct x86_victim {
	uint64_t tag; /* gva of the page | write; 1: empty */
	uintptr_t addend;
	uint8_t mmu;
	bool global;
};
/* Which entries of a TLB are global, which belong to larger pages (INVLPG must find all of these), and which have a
 * protection key other than 0. */
struct x86_tlb_bits {
	uint64_t used[2][X86_TLB_SIZE / 64], global[2][X86_TLB_SIZE / 64], large[2][X86_TLB_SIZE / 64],
		keyed[2][X86_TLB_SIZE / 64];
};

struct x86_cache {
	struct x86_block *blocks[X86_BLOCK_HASH];
	struct x86_code_page *pages[X86_PAGE_HASH];
	struct x86_jc jc[X86_JC_SIZE];
	struct x86_victim victims[X86_VICTIMS];
	unsigned victim_next;
	struct x86_tlb_bits bits[X86_MMU_MODES];
	uint64_t large_filter; /* a bit for each hash of a 2 MiB region that large-page entries may be in */
	uint64_t generation;   /* of linear addresses: in every jump-cache tag */
	uint64_t flushes;      /* of the arena */
	uint8_t *arena;
	size_t used;
	/* the block of x86_decode_device: head, one instruction, two exits, behind these its bytes */
	_Alignas(32) uint8_t device[sizeof(struct x86_block) + 4 * sizeof(struct x86_op) + 16];
};

/* cache.c */
uint32_t x86_block_key(const struct x86_cpu *c, bool single);
struct x86_block *x86_find_block(struct x86_cpu *c, bool single); /* at c->rip; sets R_PC; raises fetch faults */
struct x86_block *x86_cache_add(struct x86_cpu *c, const struct x86_block *head, const struct x86_op *ops,
				unsigned nops, const uint8_t *code);
/* host: as env->page gives it */
struct x86_code_page *x86_code_page(const struct x86_cpu *c, const uint8_t *host);
void x86_code_store(struct x86_cpu *c, const uint8_t *host, unsigned off, unsigned size); /* were written */
void x86_cache_flush(struct x86_cpu *c);

void x86_decoders_init(void);
/* decode.c; hva: host address of the page that holds gpa. NULL: the bytes go on in a device's page. */
struct x86_block *x86_decode_block(struct x86_cpu *c, uint64_t gpa, const uint8_t *hva, uint32_t key);

/* decode.c: the instruction at c->rip (linear: lin), some of whose bytes are a device's. Not in the cache; good until the
 * next one. */
struct x86_block *x86_decode_device(struct x86_cpu *c, uint64_t lin, uint32_t key);

/* mmu.c */
const struct x86_itlbe *x86_fetch_page(struct x86_cpu *c, uint64_t lin); /* raises at c->rip */
void x86_drop_writes(struct x86_cpu *c, const uint8_t *hva); /* forget write translations to this host page */
void x86_drop_writer(struct x86_cpu *c, uint64_t writer);    /* or the one that x86_code_page tells */

/* block.c: the operations at the two ends of a block */
op_t x86_op_head(struct x86_cpu *c, op_t op);
op_t x86_op_head_single(struct x86_cpu *c, op_t op);
op_t x86_op_exit(struct x86_cpu *c, op_t op);      /* to PC + disp, inside the page: links itself */
op_t x86_op_exit_far(struct x86_cpu *c, op_t op);  /* to PC + disp anywhere: through the jump cache */
op_t x86_op_exit_null(struct x86_cpu *c, op_t op); /* to PC + disp by way of the run loop */
uint64_t x86_exit_target(const struct x86_cpu *c, op_t op); /* where an exit leads */
op_t x86_op_ud(struct x86_cpu *c, op_t op);
op_t x86_op_too_long(struct x86_cpu *c, op_t op);
void x86_kill_block(struct x86_block *b);
op_t x86_lock_alone(struct x86_cpu *c, op_t op);
void x86_uncount(struct x86_cpu *c,
		 uint64_t rip); /* the instructions from rip on were counted by the head but not executed */
/* After decoding: the same handler without flags, or NULL (int_translate.c); one handler for two operations, or NULL
 * (int_alu.c). */
x86_fn x86_without_flags(x86_fn fn);
x86_fn x86_fuse(const struct x86_op *first, const struct x86_op *second);

/* Go on at rip: from the jump cache, else through the run loop. */
static inline unsigned x86_jc_slot(uint64_t lin)
{
	return (unsigned)(lin ^ lin >> 11) & (X86_JC_SIZE - 1);
}
static inline op_t x86_jump(struct x86_cpu *c, uint64_t rip)
{
	uint64_t lin = rip + c->segbase[X86_CS];
	const struct x86_jc *e = &c->cache->jc[x86_jc_slot(lin)];
	if (likely(e->lin == lin && e->tag == c->code_tag)) {
		op_t op = e->block->ops;
		c->r[X86_R_PC] = rip;
		return X86_GO(op);
	}
	c->rip = rip;
	return NULL;
}

#endif
