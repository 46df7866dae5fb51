/* engine.h - what the run loop, the block cache and the decoder share and nobody else needs.
 *
 * A block is an array of operations: a head that counts and polls, one operation an instruction, then an exit unless
 * the last instruction ends the block itself. Blocks lie in one 4 KiB page and are known by their gpa; what a guest
 * writes into code is seen after IC IVAU, as the architecture has it (Arm ARM B2.7.4.2), so writes are not watched. A
 * block that is invalidated is out of every table and its head leaves to the run loop, so links to it need no search;
 * its memory comes back when the arena is flushed. */
#ifndef CPU_ARM64_ENGINE_H
#define CPU_ARM64_ENGINE_H

#include "internal.h"

typedef const struct a64_op *op_t;

enum {
	A64_BLOCK_INSNS = 64,
	A64_JC_SIZE = 4096,
	A64_BLOCK_HASH = 1 << 14,
	A64_PAGE_HASH = 1 << 11,
	A64_ARENA = 16 << 20
};

struct a64_block {
	struct a64_block *next;      /* of the same hash */
	struct a64_block *page_next; /* of the same page */
	uint64_t gpa;
	uint32_t n, hot;
	struct a64_op ops[];
};
/* Head of the blocks of one guest page. */
struct a64_code_page {
	struct a64_code_page *next;
	struct a64_block *first;
	uint64_t gpa;
};
struct a64_jc {
	uint64_t pc, tag;
	struct a64_block *block;
};
struct a64_cache {
	struct a64_block *blocks[A64_BLOCK_HASH];
	struct a64_code_page *pages[A64_PAGE_HASH];
	struct a64_jc jc[A64_JC_SIZE];
	uint64_t generation; /* of what gvas lead to: mixed into every tag */
	uint64_t seen;       /* the MMU's, as last mixed in */
	uint8_t *arena;
	size_t used;
	op_t link_from; /* a branch inside the page that wants its target */
	bool flush;     /* the arena is to be flushed before the next block */
	/* the block of a64_single_block: head, one instruction, exit */
	struct a64_op single[3];
};

/* cache.c */
bool a64_cache_new(struct a64_cpu *c);
void a64_cache_free(struct a64_cpu *c);
/* The block at c->pc, decoded if need be; sets c->code_page; raises fetch faults. */
struct a64_block *a64_find_block(struct a64_cpu *c);
/* One instruction at c->pc by itself; good until the next one. */
op_t a64_single_block(struct a64_cpu *c);
void a64_new_tag(struct a64_cpu *c); /* c->code_tag: another mode or translation */

/* decode.c */
void a64_decoder_init(void);
/* Fill op from insn; false: it ends its block. `offset`: of the instruction in its page. */
bool a64_decode(const struct a64_cpu *c, struct a64_op *op, uint32_t insn, unsigned offset);
/* The row of an encoding that this CPU has; NULL: undefined. */
const struct a64_row *a64_find_row(uint64_t features, uint32_t insn);

/* block.c */
A64_HANDLER(a64_op_head);
A64_HANDLER(a64_op_head_single);
A64_HANDLER(a64_op_dead);
A64_HANDLER(a64_op_exit); /* on to the next instruction */
A64_HANDLER(a64_op_exit_single);
A64_HANDLER(a64_op_udf);
/* Instructions from op on were counted by the head but not executed. */
void a64_uncount(struct a64_cpu *c, uint64_t pc);

static inline unsigned a64_jc_slot(uint64_t pc)
{
	return (unsigned)(pc >> 2 ^ pc >> 14) & (A64_JC_SIZE - 1);
}
/* Go on at pc: from the jump cache, else through the run loop. */
static inline op_t a64_jump(struct a64_cpu *c, uint64_t pc)
{
	const struct a64_jc *e = &c->cache->jc[a64_jc_slot(pc)];
	if (likely(e->pc == pc && e->tag == c->code_tag)) {
		op_t op = e->block->ops;
		c->code_page = pc & ~(uint64_t)0xfff;
		return op->fn(c, op);
	}
	c->pc = pc;
	return NULL;
}
/* A direct branch: op->imm is the target's distance from the page's start. */
static inline op_t a64_branch(struct a64_cpu *c, op_t op)
{
	if (likely(op->link != NULL))
		return op->link->fn(c, op->link);
	uint64_t pc = c->code_page + op->imm;
	if (likely(op->imm >= 0x1000))
		return a64_jump(c, pc);
	c->cache->link_from = op;
	c->pc = pc;
	return NULL;
}

/* branch.c: to an address that the guest computed; btype as PSTATE.BTYPE becomes. */
op_t a64_indirect(struct a64_cpu *c, uint64_t pc, unsigned btype);

/* The last two operations of a block before its exit: one handler for both where there is one. */
void a64_fuse(struct a64_op *op);

#endif
