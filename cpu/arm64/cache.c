/* cache.c - the cache of decoded blocks: by gpa, by page for invalidation, and by gva in the jump cache. */
#include <stdlib.h>
#include "engine.h"

static unsigned block_slot(uint64_t gpa)
{
	return (unsigned)(gpa >> 2 ^ gpa >> 16) & (A64_BLOCK_HASH - 1);
}
static unsigned page_slot(uint64_t gpa)
{
	return (unsigned)(gpa >> 12 ^ gpa >> 23) & (A64_PAGE_HASH - 1);
}

bool a64_cache_new(struct a64_cpu *c)
{
	c->cache = calloc(1, sizeof *c->cache);
	if (!c->cache)
		return false;
	c->cache->arena = malloc(A64_ARENA);
	c->cache->generation = 1;
	a64_decoder_init();
	return c->cache->arena;
}

void a64_cache_free(struct a64_cpu *c)
{
	if (c->cache)
		free(c->cache->arena);
	free(c->cache);
	c->cache = NULL;
}

/* The EL is in the tag: what may be executed depends on it. */
void a64_new_tag(struct a64_cpu *c)
{
	c->code_tag = c->cache->generation << 2 | c->el;
}

static void flush(struct a64_cache *k)
{
	memset(k->blocks, 0, sizeof k->blocks);
	memset(k->pages, 0, sizeof k->pages);
	memset(k->jc, 0, sizeof k->jc);
	k->used = 0;
	k->generation++;
	k->link_from = NULL;
	k->flush = false;
}

static void *take(struct a64_cache *k, size_t size)
{
	void *p = k->arena + k->used;
	k->used += (size + 31) & ~(size_t)31;
	return p;
}

static struct a64_code_page *page_of(struct a64_cache *k, uint64_t gpa, bool make)
{
	struct a64_code_page **head = &k->pages[page_slot(gpa)], *p = *head;
	while (p && p->gpa != gpa)
		p = p->next;
	if (p || !make)
		return p;
	p = take(k, sizeof *p);
	*p = (struct a64_code_page){*head, NULL, gpa};
	return *head = p;
}

static uint32_t fetch(const uint8_t *hva, unsigned offset)
{
	return (uint32_t)host_get(hva + offset, 4);
}

/* Decode from gpa on, to a branch, the page's end or the most a block has. */
static struct a64_block *decode(struct a64_cpu *c, const struct a64_fetch *f, unsigned offset)
{
	struct a64_cache *k = c->cache;
	struct a64_block *b = take(k, sizeof *b + (A64_BLOCK_INSNS + 2) * sizeof(struct a64_op));
	struct a64_code_page *page = page_of(k, f->gpa, true);
	unsigned n = 0, first = offset;
	bool on = true;
	for (; on && n < A64_BLOCK_INSNS && offset < 0x1000; n++, offset += 4)
		on = a64_decode(c, &b->ops[n + 1], fetch(f->hva, offset), offset);
	b->gpa = f->gpa + first;
	b->n = n;
	b->hot = 0;
	if (n > 1)
		a64_fuse(&b->ops[n - 1]);
	b->ops[0] = (struct a64_op){.fn = a64_op_head, .imm = n, .insn = first};
	b->ops[n + 1] = (struct a64_op){.fn = a64_op_exit, .imm = offset};
	k->used = (size_t)((uint8_t *)&b->ops[n + 2] - k->arena);
	k->used = (k->used + 31) & ~(size_t)31;
	/* the page's record, if new, lies behind the room that the block did not need all of */
	if ((uint8_t *)page >= (uint8_t *)b && k->used < (size_t)((uint8_t *)(page + 1) - k->arena))
		k->used = ((size_t)((uint8_t *)(page + 1) - k->arena) + 31) & ~(size_t)31;
	b->next = k->blocks[block_slot(b->gpa)];
	k->blocks[block_slot(b->gpa)] = b;
	b->page_next = page->first;
	page->first = b;
	return b;
}

static struct a64_block *lookup(struct a64_cache *k, uint64_t gpa)
{
	struct a64_block *b = k->blocks[block_slot(gpa)];
	while (b && b->gpa != gpa)
		b = b->next;
	return b;
}

/* Bytes of a device are nobody's code here: an external abort, as for a bus that does not answer a fetch. */
static void fetch_at_pc(struct a64_cpu *c, struct a64_fetch *f)
{
	enum { EXTERNAL_ABORT = 0x10 };
	if (unlikely(c->pc & 3))
		a64_raise_far(c, NULL, A64_EC_PC, 0, c->pc);
	a64_fetch_page(c, c->pc, f);
	if (unlikely(!f->hva))
		a64_raise_far(c, NULL, A64_EC_IABT, EXTERNAL_ABORT, c->pc);
	c->code_page = c->pc & ~(uint64_t)0xfff;
}

/* Arm ARM D8.6, "Branch Target Identification": what an indirect branch to a guarded page must meet. */
static void check_landing(struct a64_cpu *c, uint32_t insn)
{
	static const uint8_t bti_takes[4] = {0, 1 << 2 | 1 << 1, 1 << 3 | 1 << 1, 1 << 1 | 1 << 2 | 1 << 3};
	bool ok = false;
	if ((insn & 0xffffff3f) == 0xd503241f) /* BTI */
		ok = bti_takes[insn >> 6 & 3] >> c->btype & 1;
	else if (insn == 0xd503233f || insn == 0xd503237f) /* PACIASP, PACIBSP: as BTI c, or jc where SCTLR.BT is 0 */
		ok = c->btype != 3 || !(c->sctlr >> (c->el ? 36 : 35) & 1);
	else if ((insn & 0xffe0001f) == 0xd4200000 || (insn & 0xffe0001f) == 0xd4400000) /* BRK, HLT */
		ok = true;
	if (!ok)
		a64_raise(c, NULL, A64_EC_BTI, c->btype);
	c->btype = 0;
}

struct a64_block *a64_find_block(struct a64_cpu *c)
{
	struct a64_cache *k = c->cache;
	struct a64_fetch f;
	unsigned offset = c->pc & 0xfff;
	c->block = NULL;
	fetch_at_pc(c, &f);
	if (unlikely(c->btype)) {
		if (f.guarded)
			check_landing(c, fetch(f.hva, offset));
		c->btype = 0;
	}
	if (unlikely(k->flush ||
		     k->used + sizeof(struct a64_block) + (A64_BLOCK_INSNS + 4) * sizeof(struct a64_op) > A64_ARENA)) {
		flush(k);
		a64_new_tag(c);
	}
	struct a64_block *b = lookup(k, f.gpa + offset);
	if (!b)
		b = decode(c, &f, offset);
	if (!f.guarded)
		k->jc[a64_jc_slot(c->pc)] = (struct a64_jc){c->pc, c->code_tag, b};
	return b;
}

op_t a64_single_block(struct a64_cpu *c)
{
	struct a64_op *ops = c->cache->single;
	struct a64_fetch f;
	unsigned offset = c->pc & 0xfff;
	c->block = NULL;
	fetch_at_pc(c, &f);
	if (unlikely(c->btype) && f.guarded)
		check_landing(c, fetch(f.hva, offset));
	c->btype = 0;
	ops[0] = (struct a64_op){.fn = a64_op_head_single, .imm = 1, .insn = offset};
	a64_decode(c, &ops[1], fetch(f.hva, offset), offset);
	ops[2] = (struct a64_op){.fn = a64_op_exit_single, .imm = offset + 4};
	return ops;
}

static void drop(struct a64_cache *k, struct a64_block *b)
{
	struct a64_block **at = &k->blocks[block_slot(b->gpa)];
	while (*at && *at != b)
		at = &(*at)->next;
	if (*at)
		*at = b->next;
	b->ops[0].fn = a64_op_dead;
}

void a64_icache_invalidate(struct a64_cpu *c, uint64_t gpa, uint64_t size)
{
	struct a64_cache *k = c->cache;
	if (size == UINT64_MAX) {
		k->flush = true; /* not here: the running block is in the arena */
		for (unsigned i = 0; i < A64_BLOCK_HASH; i++)
			for (struct a64_block *b = k->blocks[i]; b; b = b->next)
				b->ops[0].fn = a64_op_dead;
		k->generation++;
		a64_new_tag(c);
		return;
	}
	for (uint64_t at = gpa & ~(uint64_t)0xfff; at < gpa + size; at += 0x1000) {
		struct a64_code_page *page = page_of(k, at, false);
		if (!page || !page->first)
			continue;
		for (struct a64_block *b = page->first; b; b = b->page_next)
			drop(k, b);
		page->first = NULL;
		k->generation++;
		a64_new_tag(c);
	}
}
