/* cache.c - the cache of decoded blocks: by physical address and key, lists by page for invalidation, the arena and its
 * wholesale flush, the jump cache from linear addresses. */
#include "fpenv.h"
#include "engine.h"

uint32_t x86_block_key(const struct x86_cpu *c, bool single)
{
	uint32_t key = c->mode | (c->cpl == 3 ? X86_KEY_CPL3 : 0) | (single ? X86_KEY_SINGLE : 0);
	if (c->mode != X86_MODE_LONG && c->seg[X86_CS].limit != UINT32_MAX)
		key |= X86_KEY_LIMIT;
	if (c->mode != X86_MODE_LONG)
		key |= (uint32_t)c->flat << X86_KEY_FLAT_SHIFT | (c->seg[X86_SS].attr & 1 << 14 ? X86_KEY_SS32 : 0);
	return key;
}

static unsigned block_hash(uint64_t gpa, uint32_t key)
{
	return (unsigned)((gpa ^ gpa >> 13 ^ (uint64_t)key << 5) & (X86_BLOCK_HASH - 1));
}

static unsigned page_hash(const uint8_t *host)
{
	return (unsigned)(((uintptr_t)host >> 12 ^ (uintptr_t)host >> 23) & (X86_PAGE_HASH - 1));
}

struct x86_code_page *x86_code_page(const struct x86_cpu *c, const uint8_t *host)
{
	struct x86_code_page *p = c->cache->pages[page_hash(host)];
	while (p && p->host != host)
		p = p->next;
	return p;
}

void x86_cache_flush(struct x86_cpu *c)
{
	struct x86_cache *k = c->cache;
	memset(k->blocks, 0, sizeof k->blocks);
	memset(k->pages, 0, sizeof k->pages);
	memset(k->jc, 0, sizeof k->jc);
	k->used = 0;
	k->flushes++;
	c->block = NULL;
}

static void *take(struct x86_cache *k, size_t size)
{
	void *p = k->arena + k->used;
	k->used += (size + 31) & ~(size_t)31;
	return p;
}

static struct x86_code_page *new_page(struct x86_cpu *c, const uint8_t *host)
{
	struct x86_code_page *p = x86_code_page(c, host);
	if (!p) {
		struct x86_code_page **slot = &c->cache->pages[page_hash(host)];
		p = take(c->cache, sizeof *p);
		*p = (struct x86_code_page){.next = *slot, .host = host, .writer = X86_WRITER_MANY};
		*slot = p;
	}
	return p;
}

/* Bits of the 64-byte lines that [off, off + size) of a page touches. */
static uint64_t lines(unsigned off, unsigned size)
{
	unsigned first = off >> 6, last = (off + size - 1) >> 6;
	if (last > 63)
		last = 63;
	return (~(uint64_t)0 >> (63 - (last - first))) << first;
}

/* The page gets code: stores to it must be seen from now on. */
static void watch_page(struct x86_cpu *c, struct x86_code_page *p)
{
	if (p->writer == X86_WRITER_MANY)
		x86_drop_writes(c, p->host);
	else if (p->writer != X86_WRITER_NONE)
		x86_drop_writer(c, p->writer);
	p->writer = X86_WRITER_NONE;
}

static void attach(struct x86_cpu *c, struct x86_block *b, int n, unsigned off, unsigned size)
{
	struct x86_code_page *p = new_page(c, b->host[n]);
	if (!p->map)
		watch_page(c, p);
	p->map |= lines(off, size);
	b->page_next[n] = p->first;
	p->first = b;
}

struct x86_block *x86_cache_add(struct x86_cpu *c, const struct x86_block *head, const struct x86_op *ops,
				unsigned nops, const uint8_t *code)
{
	struct x86_cache *k = c->cache;
	size_t size = sizeof *head + nops * sizeof *ops + head->bytes;
	if (k->used + size + 4 * sizeof(struct x86_code_page) > X86_ARENA)
		x86_cache_flush(c);
	struct x86_block *b = take(k, size);
	memcpy(b, head, sizeof *head);
	memcpy(b->ops, ops, nops * sizeof *ops);
	memcpy(b->ops + nops, code, head->bytes);
	struct x86_block **slot = &k->blocks[block_hash(b->gpa, b->key)];
	b->next = *slot;
	*slot = b;
	unsigned room = 0x1000 - (b->gpa & 0xfff);
	attach(c, b, 0, b->gpa & 0xfff, b->bytes < room ? b->bytes : room);
	if (b->gpa2 != UINT64_MAX)
		attach(c, b, 1, 0, b->bytes - room);
	return b;
}

static void unhash(struct x86_cache *k, struct x86_block *b)
{
	struct x86_block **p = &k->blocks[block_hash(b->gpa, b->key)];
	while (*p && *p != b)
		p = &(*p)->next;
	if (*p)
		*p = b->next;
}

/* A crossing block stays in the list of its other page, dead; the list is emptied with that page. */
static void kill_page(struct x86_cpu *c, struct x86_code_page *p)
{
	for (struct x86_block *b = p->first, *next; b; b = next) {
		next = b->page_next[b->host[0] == p->host ? 0 : 1];
		if (!b->dead) {
			unhash(c->cache, b);
			x86_kill_block(b);
		}
	}
	p->first = NULL;
	p->map = 0;
}

void x86_code_store(struct x86_cpu *c, const uint8_t *host, unsigned off, unsigned size)
{
	struct x86_code_page *p = x86_code_page(c, host);
	if (p && p->map & lines(off, size))
		kill_page(c, p);
	x86_share_written(c, host);
}

void x86_code_written(struct x86_cpu *c, uint64_t gpa, uint64_t size)
{
	for (uint64_t end = gpa + size; gpa < end;) {
		uint64_t n = 0x1000 - (gpa & 0xfff);
		unsigned flags = 0;
		if (n > end - gpa)
			n = end - gpa;
		const uint8_t *page = c->env->page(c->env_opaque, gpa & ~(uint64_t)0xfff, &flags);
		if (page)
			x86_code_store(c, page, gpa & 0xfff, (unsigned)n);
		else
			x86_memory_changed(c);
		gpa += n;
	}
}

/* Pages whose bit another CPU has taken, by a store. */
void x86_drop_taken_code(struct x86_cpu *c)
{
	for (unsigned i = 0; i < X86_PAGE_HASH; i++)
		for (struct x86_code_page *p = c->cache->pages[i]; p; p = p->next)
			if (p->first && !(atomic_load(&x86_share_slot(c->share, p->host)->code) & c->share_bit))
				kill_page(c, p);
}

/* Is the block still what its bytes in memory say? */
static bool unchanged(struct x86_cpu *c, const struct x86_block *b)
{
	const uint8_t *code = (const uint8_t *)(b->ops + b->n + 3);
	unsigned flags, off = b->gpa & 0xfff, first = b->bytes < 0x1000 - off ? b->bytes : 0x1000 - off;
	const uint8_t *page = c->env->page(c->env_opaque, b->gpa - off, &flags);
	if (!page || !host_same(page + off, code, first))
		return false;
	if (first == b->bytes)
		return true;
	page = c->env->page(c->env_opaque, b->gpa2 & ~(uint64_t)0xfff, &flags);
	return page && host_same(page, code + first, b->bytes - first);
}

/* The epoch that a block has seen is in its head. */
static bool still_good(struct x86_cpu *c, struct x86_block *b)
{
	if (likely(b->ops[0].disp == c->code_epoch))
		return true;
	if (unchanged(c, b)) {
		b->ops[0].disp = c->code_epoch;
		return true;
	}
	unhash(c->cache, b);
	x86_kill_block(b);
	return false;
}

void x86_recheck_page(struct x86_cpu *c, const uint8_t *host)
{
	struct x86_code_page *p = x86_code_page(c, host);
	bool same = true;
	for (const struct x86_block *b = p ? p->first : NULL; b && same; b = b->page_next[b->host[0] == p->host ? 0 : 1])
		same = b->dead || unchanged(c, b);
	if (!same)
		kill_page(c, p);
}

void x86_memory_changed(struct x86_cpu *c)
{
	c->code_epoch++;
}

static struct x86_block *lookup(struct x86_cpu *c, const struct x86_itlbe *t, uint64_t gpa, uint64_t lin, uint32_t key)
{
	for (struct x86_block *b = c->cache->blocks[block_hash(gpa, key)]; b; b = b->next) {
		if (b->gpa != gpa || b->key != key)
			continue;
		if (unlikely(!still_good(c, b)))
			break;
		if (likely(b->gpa2 == UINT64_MAX))
			return b;
		/* the bytes behind the page end must still be those of the same physical page */
		if (x86_fetch_page(c, (lin & ~(uint64_t)0xfff) + 0x1000)->gpa == b->gpa2)
			return b;
		t = x86_fetch_page(c, lin); /* may have been evicted */
	}
	return x86_decode_block(c, gpa, t->hva, key);
}

/* Code behind the limit of CS: block by block where it is near, then instruction by instruction. */
static bool within_limit(const struct x86_cpu *c, const struct x86_block *b)
{
	return c->mode == X86_MODE_LONG || c->rip + b->bytes - 1 <= c->seg[X86_CS].limit;
}

/* By way of the run loop, which looks whether the budget has room for one more. */
static _Noreturn void go_single(struct x86_cpu *c)
{
	x86_log_reset(c);
	x86_leap(c, X86_JMP_SINGLE);
}

struct x86_block *x86_find_block(struct x86_cpu *c, bool single)
{
	uint64_t lin = c->rip + c->segbase[X86_CS];
	if (c->mode != X86_MODE_LONG) {
		lin = (uint32_t)lin;
		if (c->rip > c->seg[X86_CS].limit)
			x86_raise(c, NULL, X86_GP_FAULT, 0);
	}
	c->r[X86_R_PC] = c->rip;
	uint32_t key = x86_block_key(c, single);
	const struct x86_itlbe *t = x86_fetch_page(c, lin);
	uint64_t gpa = t->gpa | (lin & 0xfff);
	struct x86_block *b = likely(t->hva) ? lookup(c, t, gpa, lin, key) : NULL;
	if (unlikely(!single && (!b || !within_limit(c, b))))
		go_single(c);
	if (unlikely(!b))
		b = x86_decode_device(c, lin, key);
	if (unlikely(!within_limit(c, b)))
		x86_raise(c, NULL, X86_GP_FAULT, 0);
	if (!single && (c->mode == X86_MODE_LONG || c->seg[X86_CS].limit == UINT32_MAX) && b->gpa2 == UINT64_MAX)
		c->cache->jc[x86_jc_slot(lin)] = (struct x86_jc){lin, c->cache->generation << 16 | key, b};
	return b;
}
