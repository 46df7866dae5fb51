/* mmu.c - the software TLBs: filling, victims, flushing; loads and stores that miss them; pages for instruction fetch.
 *
 * An entry for writing exists only for memory that may be written without anybody being told: not for pages with
 * decoded code, not for pages whose first write must be logged before mark_dirty, not for pages with data breakpoints.
 */
#include "mmu.h"

enum { R, W };
#define EFER_LMA_ 0x400u

/* Where a byte of a page is: in host memory, or (hva NULL) with a device. */
struct place {
	uint64_t gpa;
	uint8_t *hva;
	uint64_t gva; /* with a device */
};

static struct x86_tlbe *set_of(struct x86_cpu *c, unsigned mmu, int rw)
{
	return rw ? c->tlbs[mmu].w : c->tlbs[mmu].r;
}

static unsigned slot_of(uint64_t gva)
{
	return gva >> 12 & (X86_TLB_SIZE - 1);
}

static void put_bit(uint64_t *bits, unsigned i, bool v)
{
	bits[i / 64] = (bits[i / 64] & ~((uint64_t)1 << i % 64)) | (uint64_t)v << i % 64;
}

static bool get_bit(const uint64_t *bits, unsigned i)
{
	return bits[i / 64] >> i % 64 & 1;
}

/* Large-page entries and those with protection keys are kept out of the victims, so that INVLPG and WRPKRU need not
 * search these. */
static void evict(struct x86_cpu *c, unsigned mmu, int rw, unsigned i)
{
	struct x86_cache *k = c->cache;
	const struct x86_tlbe *e = &set_of(c, mmu, rw)[i];
	if (e->tag == 1 || get_bit(k->bits[mmu].large[rw], i) || get_bit(k->bits[mmu].keyed[rw], i))
		return;
	k->victims[k->victim_next++ % X86_VICTIMS] = (struct x86_victim){.tag = e->tag | (unsigned)rw << 1,
									 .addend = e->addend,
									 .mmu = (uint8_t)mmu,
									 .global = get_bit(k->bits[mmu].global[rw], i)};
}

static uint64_t region_bit(uint64_t gva)
{
	return (uint64_t)1 << ((gva >> 21 ^ gva >> 30) & 63);
}

/* What of a page the flushes ask for. */
struct kind {
	bool global, large, keyed;
};

static void install(struct x86_cpu *c, unsigned mmu, int rw, uint64_t gva, uintptr_t addend, struct kind kind)
{
	unsigned i = slot_of(gva);
	struct x86_tlb_bits *b = &c->cache->bits[mmu];
	struct x86_tlbe *e = &set_of(c, mmu, rw)[i];
	if (e->tag != (gva & ~(uint64_t)0xfff))
		evict(c, mmu, rw, i);
	*e = (struct x86_tlbe){gva & ~(uint64_t)0xfff, addend};
	put_bit(b->used[rw], i, true);
	put_bit(b->global[rw], i, kind.global);
	put_bit(b->large[rw], i, kind.large);
	put_bit(b->keyed[rw], i, kind.keyed);
	if (kind.large)
		c->cache->large_filter |= region_bit(gva);
}

/* A second chance for pages that share a slot: swap the victim in. */
static uint8_t *victim(struct x86_cpu *c, unsigned mmu, int rw, uint64_t gva)
{
	uint64_t tag = (gva & ~(uint64_t)0xfff) | (unsigned)rw << 1;
	for (unsigned n = 0; n < X86_VICTIMS; n++) {
		struct x86_victim *v = &c->cache->victims[n], got = *v;
		if (got.tag != tag || got.mmu != mmu)
			continue;
		v->tag = 1;
		install(c, mmu, rw, gva, got.addend, (struct kind){.global = got.global});
		return (uint8_t *)(uintptr_t)(gva + got.addend);
	}
	return NULL;
}

static unsigned access_of(unsigned mmu, int rw, bool system)
{
	return (rw ? X86_ACC_WRITE : 0) | (mmu == X86_MMU_USER ? X86_ACC_USER : 0) | (system ? X86_ACC_SYSTEM : 0);
}

/* Not a page with code. One without code any more learns who writes to it. */
static bool may_write(struct x86_cpu *c, unsigned mmu, uint64_t gva, const uint8_t *host)
{
	struct x86_code_page *p = x86_code_page(c, host);
	uint64_t writer = (gva & ~(uint64_t)0xfff) | mmu;
	if (p && p->map)
		return false;
	if (p)
		p->writer = p->writer == X86_WRITER_NONE || p->writer == writer ? writer : X86_WRITER_MANY;
	return true;
}

/* Put what is allowed into the TLB. */
static void fill(struct x86_cpu *c, unsigned mmu, int rw, uint64_t gva, const struct x86_translation *t, uint8_t *page,
		 unsigned flags)
{
	uintptr_t addend = (uintptr_t)page - (uintptr_t)(gva & ~(uint64_t)0xfff);
	struct kind kind = {.global = t->global, .large = t->bits > 12, .keyed = t->key};
	if (c->watch_count && x86_page_watched(c, gva))
		return;
	if (flags & X86_PAGE_R)
		install(c, mmu, R, gva, addend, kind);
	if (t->writable && flags & X86_PAGE_W && (rw || !(flags & X86_PAGE_LOG)) && may_write(c, mmu, gva, page) &&
	    x86_share_writing(c, page))
		install(c, mmu, W, gva, addend, kind);
}

static void check_canonical(struct x86_cpu *c, const struct x86_op *op, uint64_t gva)
{
	if (c->efer & EFER_LMA_ && !x86_canonical(c, gva))
		x86_raise(c, op, op && op->seg == X86_SS ? X86_SS_FAULT : X86_GP_FAULT, 0);
}

static struct place resolve(struct x86_cpu *c, const struct x86_op *op, unsigned mmu, int rw, bool system, uint64_t gva)
{
	struct x86_translation t;
	unsigned error, flags = 0;
	check_canonical(c, op, gva);
	if (!x86_translate(c, gva, access_of(mmu, rw, system), &t, &error))
		x86_page_fault(c, op, gva, error);
	struct place p = {t.gpa, NULL, gva};
	uint8_t *page = c->env->page(c->env_opaque, t.gpa & ~(uint64_t)0xfff, &flags);
	if (!page || !(flags & (rw ? X86_PAGE_W : X86_PAGE_R)))
		return p;
	if (rw && flags & X86_PAGE_LOG && c->env->mark_dirty)
		c->env->mark_dirty(c->env_opaque, t.gpa & ~(uint64_t)0xfff);
	fill(c, mmu, rw, gva, &t, page, flags);
	p.hva = page + (t.gpa & 0xfff);
	return p;
}

static struct place place_of(struct x86_cpu *c, const struct x86_op *op, unsigned mmu, int rw, bool system,
			     uint64_t gva)
{
	struct place p = {UINT64_MAX, x86_tlb_hit(set_of(c, mmu, rw), gva, 1), gva};
	if (!p.hva)
		p.hva = victim(c, mmu, rw, gva);
	return p.hva ? p : resolve(c, op, mmu, rw, system, gva);
}

/* In a device: in pieces of 8 bytes. */
static void device(struct x86_cpu *c, const struct x86_op *op, const struct place *p, unsigned size, bool write,
		   uint8_t *data)
{
	for (unsigned n, at = 0; at < size; at += n) {
		n = size - at < 8 ? size - at : 8;
		c->stop.gva = p->gva + at;
		c->stop.fetch = false;
		x86_mmio(c, op, p->gpa + at, n, write, data + at);
	}
}

static void get(struct x86_cpu *c, const struct x86_op *op, const struct place *p, unsigned size, uint8_t *out)
{
	if (p->hva)
		host_read(out, p->hva, size);
	else
		device(c, op, p, size, false, out);
}

/* The gpa is UINT64_MAX where the TLB answered: such pages hold no code. */
static void put(struct x86_cpu *c, const struct x86_op *op, const struct place *p, unsigned size, const uint8_t *in)
{
	if (!p->hva) {
		device(c, op, p, size, true, (uint8_t *)(uintptr_t)in);
		return;
	}
	host_write(p->hva, in, size);
	if (p->gpa != UINT64_MAX)
		x86_code_store(c, p->hva - (p->gpa & 0xfff), p->gpa & 0xfff, size);
}

static unsigned in_first_page(uint64_t gva, unsigned size)
{
	unsigned room = 0x1000 - (gva & 0xfff);
	return size < room ? size : room;
}

/* Descriptor tables in IA-32e mode have addresses of 64 bits in compatibility mode too. */
static uint64_t next_page(const struct x86_cpu *c, uint64_t gva, bool system)
{
	uint64_t next = (gva | 0xfff) + 1;
	return c->mode == X86_MODE_LONG || (system && c->efer & EFER_LMA_) ? next : (uint32_t)next;
}

/* Both places of an operand that may cross into another page; bytes in the first one. An address that is none comes
 * before every page fault. */
static unsigned places(struct x86_cpu *c, const struct x86_op *op, unsigned mmu, int rw, bool system, uint64_t gva,
		       unsigned size, struct place p[2])
{
	unsigned n = in_first_page(gva, size);
	uint64_t next = next_page(c, gva, system);
	if (n < size)
		check_canonical(c, op, next);
	p[0] = place_of(c, op, mmu, rw, system, gva);
	if (n < size)
		p[1] = place_of(c, op, mmu, rw, system, next);
	return n;
}

static void load_in(struct x86_cpu *c, const struct x86_op *op, unsigned mmu, bool system, uint64_t gva, unsigned size,
		    uint8_t *out)
{
	struct place p[2];
	unsigned n = places(c, op, mmu, R, system, gva, size, p);
	get(c, op, &p[0], n, out);
	if (n < size)
		get(c, op, &p[1], size - n, out + n);
}

/* Devices first: a store that stops halfway and is done again must not have changed memory that the instruction reads.
 */
static void store_in(struct x86_cpu *c, const struct x86_op *op, unsigned mmu, bool system, uint64_t gva, unsigned size,
		     const uint8_t *in)
{
	struct place p[2];
	unsigned n = places(c, op, mmu, W, system, gva, size, p);
	if (n < size && !p[1].hva && p[0].hva) {
		put(c, op, &p[1], size - n, in + n);
		put(c, op, &p[0], n, in);
		return;
	}
	put(c, op, &p[0], n, in);
	if (n < size)
		put(c, op, &p[1], size - n, in + n);
}

/* SDM vol. 3, table "Alignment Requirements by Data Type": the largest power of two that divides the size, at most 16,
 * is what processors take for the types that it does not name; 80-bit values want 8. Before the page walk. */
void x86_check_alignment(struct x86_cpu *c, const struct x86_op *op, uint64_t gva, unsigned size)
{
	unsigned align = size == 10 ? 8 : size & -size;
	if (c->mode == X86_MODE_LONG && !x86_canonical(c, gva))
		return; /* a fault of the address comes first */
	if (gva & ((align > 16 ? 16 : align) - 1))
		x86_raise(c, op, X86_AC, 0);
}

/* *out may be a register, and a device can defer the second part. */
void x86_load_slow(struct x86_cpu *c, const struct x86_op *op, uint64_t gva, unsigned size, void *out)
{
	uint8_t v[64];
	if (unlikely(c->align_check))
		x86_check_alignment(c, op, gva, size);
	load_in(c, op, c->mmu_mode, false, gva, size, v);
	memcpy(out, v, size);
	if (c->watch_count)
		x86_watch_hit(c, gva, size, false);
}

void x86_store_slow(struct x86_cpu *c, const struct x86_op *op, uint64_t gva, unsigned size, const void *in)
{
	if (unlikely(c->align_check))
		x86_check_alignment(c, op, gva, size);
	store_in(c, op, c->mmu_mode, false, gva, size, in);
	if (c->watch_count)
		x86_watch_hit(c, gva, size, true);
}

enum x86_where x86_probe_write(struct x86_cpu *c, const struct x86_op *op, uint64_t gva, unsigned size)
{
	struct place p[2];
	unsigned n = places(c, op, c->mmu_mode, W, false, gva, size, p);
	if (n < size && !p[0].hva != !p[1].hva)
		return X86_IN_BOTH;
	return p[0].hva ? X86_IN_MEMORY : X86_IN_DEVICE;
}

/* Implicit supervisor accesses: EFLAGS.AC does not open user pages to them. */
static unsigned system_mmu(const struct x86_cpu *c)
{
	return c->cr4 & 0x200000 ? X86_MMU_KERNEL_SMAP : X86_MMU_KERNEL;
}

uint64_t x86_ld_sys(struct x86_cpu *c, const struct x86_op *op, uint64_t gva, unsigned size)
{
	uint64_t v = 0;
	load_in(c, op, system_mmu(c), true, gva, size, (uint8_t *)&v);
	return v;
}

void x86_st_sys(struct x86_cpu *c, const struct x86_op *op, uint64_t gva, unsigned size, uint64_t v)
{
	store_in(c, op, system_mmu(c), true, gva, size, (const uint8_t *)&v);
}

void x86_probe_sys(struct x86_cpu *c, const struct x86_op *op, uint64_t gva, unsigned size)
{
	struct place p[2];
	places(c, op, system_mmu(c), W, true, gva, size, p);
}

/* ------ instruction fetch ------ */

const struct x86_itlbe *x86_fetch_page(struct x86_cpu *c, uint64_t lin)
{
	uint64_t page = lin & ~(uint64_t)0xfff, tag = page | (c->cpl == 3);
	struct x86_itlbe *e = &c->itlb[lin >> 12 & (X86_ITLB_SIZE - 1)];
	struct x86_translation t;
	unsigned error, flags = 0;
	if (likely(e->tag == tag))
		return e;
	if (c->mode == X86_MODE_LONG && !x86_canonical(c, lin))
		x86_raise(c, NULL, X86_GP_FAULT, 0);
	if (!x86_translate(c, lin, X86_ACC_EXEC | (c->cpl == 3 ? X86_ACC_USER : 0), &t, &error))
		x86_page_fault(c, NULL, lin, error);
	uint64_t gpa = t.gpa & ~(uint64_t)0xfff;
	uint8_t *hva = c->env->page(c->env_opaque, gpa, &flags);
	if (hva && !(flags & X86_PAGE_X)) {
		c->stop.addr = gpa | (lin & 0xfff);
		c->stop.gva = lin;
		c->stop.fetch = true;
		x86_leave(c, X86_STOP_INTERNAL); /* memory that its owner forbids to execute */
	}
	*e = (struct x86_itlbe){tag, gpa, hva};
	if (t.bits > 12)
		c->cache->large_filter |= region_bit(lin);
	return e;
}

/* Where the fetch at lin would find memory; NULL: it would not. */
static const uint8_t *peek_at(struct x86_cpu *c, uint64_t lin)
{
	const struct x86_itlbe *e = &c->itlb[lin >> 12 & (X86_ITLB_SIZE - 1)];
	bool user = c->cpl == 3;
	struct x86_translation t;
	unsigned error, flags = 0;
	const uint8_t *hva = e->hva;
	if (e->tag != ((lin & ~(uint64_t)0xfff) | user)) {
		if (c->mode == X86_MODE_LONG && !x86_canonical(c, lin))
			return NULL;
		if (!x86_translate(c, lin, X86_ACC_EXEC | (user ? X86_ACC_USER : 0), &t, &error))
			return NULL;
		hva = c->env->page(c->env_opaque, t.gpa & ~(uint64_t)0xfff, &flags);
		hva = flags & X86_PAGE_X ? hva : NULL;
	}
	return hva ? hva + (lin & 0xfff) : NULL;
}

unsigned x86_peek(struct x86_cpu *c, uint8_t bytes[15])
{
	unsigned have = 0, room;
	while (have < 15) {
		uint64_t lin = c->rip + c->segbase[X86_CS] + have;
		lin = c->mode == X86_MODE_LONG ? lin : (uint32_t)lin;
		const uint8_t *from = peek_at(c, lin);
		if (!from)
			break;
		room = 0x1000 - (unsigned)(lin & 0xfff);
		room = room < 15 - have ? room : 15 - have;
		host_read(bytes + have, from, room);
		have += room;
	}
	return have;
}

/* ------ flushing ------ */

static void new_generation(struct x86_cpu *c)
{
	c->tlb_drops++;
	c->cache->generation++;
	c->code_tag = c->cache->generation << 16 | (c->code_tag & 0xffff);
	for (unsigned i = 0; i < X86_ITLB_SIZE; i++)
		c->itlb[i].tag = UINT64_MAX;
}

static void flush_set(struct x86_tlbe *set, uint64_t *used, const uint64_t *keep)
{
	for (unsigned w = 0; w < X86_TLB_SIZE / 64; w++) {
		uint64_t drop = used[w] & (keep ? ~keep[w] : ~(uint64_t)0);
		used[w] &= ~drop;
		for (; drop; drop &= drop - 1)
			set[w * 64 + (unsigned)__builtin_ctzll(drop)].tag = 1;
	}
}

void x86_flush_tlb(struct x86_cpu *c, bool global_too)
{
	struct x86_cache *k = c->cache;
	for (unsigned m = 0; m < X86_MMU_MODES; m++)
		for (int rw = R; rw <= W; rw++)
			flush_set(set_of(c, m, rw), k->bits[m].used[rw], global_too ? NULL : k->bits[m].global[rw]);
	for (unsigned n = 0; n < X86_VICTIMS; n++)
		if (global_too || !k->victims[n].global)
			k->victims[n].tag = 1;
	if (global_too)
		k->large_filter = 0;
	new_generation(c);
}

/* Keys other than 0 are rare, so their pages are marked; key 0 is everybody's. Fetches know no keys: the decoded code
 * stays. */
void x86_keys_changed(struct x86_cpu *c, uint32_t bits)
{
	struct x86_cache *k = c->cache;
	bool everybody = bits & 3;
	if (!bits)
		return;
	for (unsigned m = 0; m < X86_MMU_MODES; m++)
		for (int rw = R; rw <= W; rw++) {
			uint64_t keep[X86_TLB_SIZE / 64];
			for (unsigned w = 0; w < X86_TLB_SIZE / 64; w++)
				keep[w] = everybody ? 0 : ~k->bits[m].keyed[rw][w];
			flush_set(set_of(c, m, rw), k->bits[m].used[rw], keep);
		}
	for (unsigned n = 0; everybody && n < X86_VICTIMS; n++)
		k->victims[n].tag = 1;
}

static void drop_region(struct x86_cpu *c, unsigned m, int rw, uint64_t gva)
{
	struct x86_tlbe *set = set_of(c, m, rw);
	struct x86_tlb_bits *b = &c->cache->bits[m];
	for (unsigned w = 0; w < X86_TLB_SIZE / 64; w++)
		for (uint64_t bits = b->used[rw][w] & b->large[rw][w]; bits; bits &= bits - 1) {
			struct x86_tlbe *e = &set[w * 64 + (unsigned)__builtin_ctzll(bits)];
			if (e->tag >> 30 == gva >> 30)
				e->tag = 1;
		}
}

/* All pieces of the page that holds gva, which may be a large one. The filter says where large ones may be; 1 GiB pages
 * have pieces elsewhere in their region, so any hit drops the large entries of the whole GiB. */
void x86_invlpg(struct x86_cpu *c, uint64_t gva)
{
	struct x86_cache *k = c->cache;
	uint64_t page = gva & ~(uint64_t)0xfff;
	for (unsigned m = 0; m < X86_MMU_MODES; m++)
		for (int rw = R; rw <= W; rw++) {
			struct x86_tlbe *e = &set_of(c, m, rw)[slot_of(gva)];
			if (e->tag == page)
				e->tag = 1;
			if (k->large_filter)
				drop_region(c, m, rw, gva);
		}
	for (unsigned n = 0; n < X86_VICTIMS; n++)
		if ((k->victims[n].tag & ~(uint64_t)2) == page)
			k->victims[n].tag = 1;
	new_generation(c);
}

/* Forget every entry that leads to this host page; code_only: those for writing. */
static void drop_host(struct x86_cpu *c, uintptr_t page, bool writes_only)
{
	for (unsigned m = 0; m < X86_MMU_MODES; m++)
		for (int rw = writes_only ? W : R; rw <= W; rw++) {
			struct x86_tlbe *set = set_of(c, m, rw);
			for (unsigned i = 0; i < X86_TLB_SIZE; i++)
				if (set[i].tag != 1 && (uintptr_t)set[i].tag + set[i].addend == page)
					set[i].tag = 1;
		}
	for (unsigned n = 0; n < X86_VICTIMS; n++) {
		struct x86_victim *v = &c->cache->victims[n];
		if ((uintptr_t)(v->tag & ~(uint64_t)3) + v->addend == page)
			v->tag = 1;
	}
}

void x86_drop_writer(struct x86_cpu *c, uint64_t writer)
{
	unsigned mmu = writer & 0xfff;
	uint64_t gva = writer & ~(uint64_t)0xfff;
	struct x86_tlbe *e = &set_of(c, mmu, W)[slot_of(gva)];
	if (e->tag == gva)
		e->tag = 1;
	for (unsigned n = 0; n < X86_VICTIMS; n++)
		if (c->cache->victims[n].tag == (gva | (unsigned)W << 1) && c->cache->victims[n].mmu == mmu)
			c->cache->victims[n].tag = 1;
}

void x86_drop_writes(struct x86_cpu *c, const uint8_t *hva)
{
	drop_host(c, (uintptr_t)hva, true);
}

static bool taken(const struct x86_cpu *c, uint64_t host)
{
	const uint8_t *page = (const uint8_t *)(uintptr_t)host;
	return !(atomic_load(&x86_share_slot(c->share, page)->writers) & c->share_bit);
}

/* Translations for writing to pages that another CPU decodes now. */
void x86_drop_taken_writes(struct x86_cpu *c)
{
	for (unsigned m = 0; m < X86_MMU_MODES; m++)
		for (unsigned w = 0; w < X86_TLB_SIZE / 64; w++)
			for (uint64_t used = c->cache->bits[m].used[W][w]; used; used &= used - 1) {
				struct x86_tlbe *e = &c->tlbs[m].w[w * 64 + (unsigned)__builtin_ctzll(used)];
				if (e->tag != 1 && taken(c, e->tag + e->addend))
					e->tag = 1;
			}
	for (unsigned n = 0; n < X86_VICTIMS; n++) {
		struct x86_victim *v = &c->cache->victims[n];
		if (v->tag & 2 && taken(c, (v->tag & ~(uint64_t)3) + v->addend))
			v->tag = 1;
	}
}

/* The page may be gone, so its former host address is unknown: everything goes. */
void x86_flush_page(struct x86_cpu *c, uint64_t gpa)
{
	(void)gpa;
	x86_flush_all(c);
}

void x86_flush_all(struct x86_cpu *c)
{
	x86_cache_flush(c);
	x86_flush_tlb(c, true);
}
