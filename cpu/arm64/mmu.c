/* mmu.c - the software TLBs: filling, flushing, ASIDs; loads and stores that miss them; pages for instruction fetch.
 *
 * Two levels. c->tlbs, one for each mode, are what a64_tlb_hit looks at: raw gvas of the current ASID, and only pages
 * of plain memory where nothing but the address is to be checked. The second level has what walks found, tagged with
 * its ASID; its entries die by generation numbers, so that flushes cost the same however much there is. */
#include <stdlib.h>
#include "sys.h"

enum { R, W };
#define PAGE(gva) ((gva) & ~(uint64_t)0xfff)
enum { FSC_ALIGNMENT = 0x21, FSC_EXTERNAL = 0x10, LARGE = 0x10000 };

/* Where a byte of a page is: in host memory, or (hva NULL) with a device. */
struct place {
	uint64_t gpa;
	uint8_t *hva;
	bool device; /* by its memory type */
};

bool a64_mmu_new(struct a64_cpu *c)
{
	c->tlbs = calloc(A64_MMU_MODES, sizeof *c->tlbs);
	c->mmu = calloc(1, sizeof *c->mmu);
	if (!c->tlbs || !c->mmu) {
		a64_mmu_free(c);
		return false;
	}
	c->tlb = c->tlbs;
	for (unsigned i = 0; i < A64_TLB2_SIZE; i++)
		c->mmu->tlb2[i].gva = 1;
	for (unsigned m = 0; m < A64_MMU_MODES; m++)
		for (unsigned i = 0; i < A64_TLB_SIZE; i++)
			c->tlbs[m].r[i].tag = c->tlbs[m].w[i].tag = 1;
	return true;
}

void a64_mmu_free(struct a64_cpu *c)
{
	free(c->tlbs);
	free(c->mmu);
	c->tlbs = c->tlb = NULL;
	c->mmu = NULL;
}

static uint64_t without_tag(const struct a64_cpu *c, uint64_t gva, bool exec)
{
	return a64_tbi(c, gva, exec) ? (uint64_t)a64_sext(gva, 56) : gva;
}

/* ------ the second level ------ */

static struct a64_tlb2 *slot2(struct a64_mmu *m, uint64_t gva, uint16_t asid)
{
	uint64_t n = gva >> 12;
	return &m->tlb2[(n ^ n >> 12 ^ (unsigned)asid * 0x2f1u) & (A64_TLB2_SIZE - 1)];
}

static bool alive(const struct a64_mmu *m, const struct a64_tlb2 *e)
{
	if (e->perms & A64_P_GLOBAL)
		return e->generation == m->generation;
	return e->generation == m->generation && e->asid == m->asid &&
	       e->asid_generation == m->asid_generation[e->asid % A64_ASID_GENERATIONS] + m->ng_generation;
}

static const struct a64_tlb2 *look(struct a64_mmu *m, uint64_t page)
{
	struct a64_tlb2 *e = slot2(m, page, m->asid);
	if (e->gva == page && alive(m, e))
		return e;
	e = slot2(m, page, 0);
	return e->gva == page && e->perms & A64_P_GLOBAL && alive(m, e) ? e : NULL;
}

static uint16_t perms_of(const struct a64_walk *w)
{
	return (uint16_t)((w->read ? A64_P_R : 0) | (w->write ? A64_P_W : 0) | (w->exec ? A64_P_X : 0) |
			  (w->user_read ? A64_P_UR : 0) | (w->user_write ? A64_P_UW : 0) |
			  (w->user_exec ? A64_P_UX : 0) | (w->guarded ? A64_P_GUARDED : 0) |
			  (w->global ? A64_P_GLOBAL : 0) | (w->attr & 0xf0 ? 0 : A64_P_DEVICE));
}

static unsigned gib_bit(uint64_t gva)
{
	return (unsigned)((gva >> 30) * UINT64_C(0x9e3779b97f4a7c15) >> 58);
}

/* An entry must not outlive a dirty state that hardware is to set: write rights come with the descriptor's own. */
static const struct a64_tlb2 *enter(struct a64_cpu *c, uint64_t page, const struct a64_walk *w)
{
	struct a64_mmu *m = c->mmu;
	unsigned flags = 0;
	struct a64_tlb2 *e = slot2(m, page, w->global ? 0 : m->asid);
	uint64_t gpa = PAGE(w->gpa);
	uint8_t *hva = c->env->page(c->env_opaque, gpa, &flags);
	*e = (struct a64_tlb2){.gva = page,
			       .gpa = gpa,
			       .hva = hva,
			       .generation = m->generation,
			       .asid_generation = m->asid_generation[m->asid % A64_ASID_GENERATIONS] + m->ng_generation,
			       .asid = m->asid,
			       .perms = perms_of(w),
			       .flags = (uint8_t)flags};
	if (w->page_size > LARGE)
		m->large |= UINT64_C(1) << gib_bit(page);
	if (!w->global && page >> 55 & 1)
		m->ng_above = true;
	return e;
}

static bool permits(uint16_t p, unsigned mode, unsigned acc)
{
	bool user = mode == A64_MMU_EL0;
	if (acc & A64_ACC_EXEC)
		return p & (user ? A64_P_UX : A64_P_X);
	if (mode == A64_MMU_EL1_PAN && p & A64_P_UR)
		return false;
	return p & (acc & A64_ACC_WRITE ? (user ? A64_P_UW : A64_P_W) : (user ? A64_P_UR : A64_P_R));
}

/* *fsc: 0, or the fault. With the MMU off instructions and data have different types, and nothing is kept for the
 * former. */
static const struct a64_tlb2 *translate(struct a64_cpu *c, uint64_t gva, unsigned mode, unsigned acc, int *fsc)
{
	struct a64_walk w;
	uint64_t page = PAGE(without_tag(c, gva, acc & A64_ACC_EXEC));
	const struct a64_tlb2 *e = look(c->mmu, page);
	*fsc = 0;
	if (e && permits(e->perms, mode, acc) && !(mode == A64_MMU_EL0 && c->mmu->closed >> (page >> 55 & 1) & 1))
		return e;
	*fsc = a64_walk_mode(c, gva, mode, acc, &w);
	return *fsc ? NULL : enter(c, page, &w);
}

/* ------ the first level ------ */

static struct a64_tlbe *set_of(struct a64_cpu *c, unsigned mode, int rw)
{
	return rw ? c->tlbs[mode].w : c->tlbs[mode].r;
}

static void install(struct a64_cpu *c, unsigned mode, int rw, uint64_t gva, const struct a64_tlb2 *e)
{
	unsigned i = gva >> 12 & (A64_TLB_SIZE - 1);
	uint64_t bit = UINT64_C(1) << i % 64, *global = &c->mmu->global[mode][rw][i / 64];
	set_of(c, mode, rw)[i] = (struct a64_tlbe){PAGE(gva), (uintptr_t)e->hva - (uintptr_t)PAGE(gva)};
	c->mmu->used[mode][rw][i / 64] |= bit;
	*global = e->perms & A64_P_GLOBAL ? *global | bit : *global & ~bit;
}

static void fill(struct a64_cpu *c, unsigned mode, bool write, uint64_t gva, const struct a64_tlb2 *e)
{
	if (e->perms & A64_P_DEVICE || c->sctlr & A64_SCTLR_A || (c->mmu->watches && a64_page_watched(c, gva)))
		return;
	if (!write && e->flags & A64_PAGE_R)
		install(c, mode, R, gva, e);
	if (write && e->flags & A64_PAGE_W)
		install(c, mode, W, gva, e);
	if (!write && e->flags & A64_PAGE_W && !(e->flags & A64_PAGE_LOG) && permits(e->perms, mode, A64_ACC_WRITE))
		install(c, mode, W, gva, e);
}

static unsigned mode_of(const struct a64_cpu *c, unsigned acc)
{
	return acc & A64_ACC_USER && !(c->uao && c->el) ? A64_MMU_EL0 : c->mmu_mode;
}

/* ------ faults ------ */

/* ISS of a Data Abort without ISV: DFSC, WnR, CM (Arm ARM D19.2.40). An atomic that may not even read has WnR 0. */
_Noreturn void a64_data_abort(struct a64_cpu *c, const struct a64_op *op, uint64_t gva, unsigned fsc, unsigned acc)
{
	struct a64_walk w;
	bool write = acc & (A64_ACC_WRITE | A64_ACC_CACHE);
	if (acc & A64_ACC_ATOMIC && fsc < FSC_EXTERNAL && a64_walk_mode(c, gva, mode_of(c, acc), 0, &w))
		write = false;
	a64_raise_far(c, op, A64_EC_DABT, fsc | (write ? 0x40 : 0) | (acc & A64_ACC_CACHE ? 0x100 : 0), gva);
}

static struct place resolve(struct a64_cpu *c, const struct a64_op *op, uint64_t gva, unsigned acc)
{
	unsigned mode = mode_of(c, acc);
	bool write = acc & A64_ACC_WRITE;
	int fsc;
	const struct a64_tlb2 *e = translate(c, gva, mode, acc, &fsc);
	if (!e)
		a64_data_abort(c, op, gva, (unsigned)fsc & A64_FSC, acc);
	struct place p = {e->gpa | (gva & 0xfff), NULL, e->perms & A64_P_DEVICE};
	if (!e->hva || !(e->flags & (write ? A64_PAGE_W : A64_PAGE_R)))
		return p;
	p.hva = e->hva + (gva & 0xfff);
	if (write && e->flags & A64_PAGE_LOG && c->env->mark_dirty)
		c->env->mark_dirty(c->env_opaque, e->gpa);
	fill(c, mode, write, gva, e);
	return p;
}

/* ------ loads and stores ------ */

/* Size of the elements that an instruction's access consists of: each is aligned, and one access, by itself. */
static unsigned element(const struct a64_op *op, unsigned size, unsigned acc)
{
	uint32_t i = op ? op->insn : 0;
	unsigned whole = size & (0u - size);
	if (acc & A64_ACC_ALIGNED)
		return whole;
	if ((i & 0x3a000000) == 0x28000000) { /* LDP, STP and their kind */
		unsigned pair = i & 0x04000000 ? 4u << (i >> 30) : i >> 31 ? 8 : 4;
		return pair < whole ? pair : whole;
	}
	if ((i & 0xbe000000) == 0x0c000000) { /* LD1 to LD4, ST1 to ST4; single structures by opcode<2:1> and size */
		unsigned single = i >> 13 & 6, wide = single == 4 && i >> 10 & 1 ? 3 : single >> 1;
		unsigned n = 1u << (i & 0x01000000 && wide < 3 + (single == 4) ? wide : i >> 10 & 3);
		return n < whole ? n : whole;
	}
	return whole > 16 ? 16 : whole;
}

static void check_alignment(struct a64_cpu *c, const struct a64_op *op, uint64_t gva, unsigned size, unsigned acc)
{
	if (unlikely(op && op->rn == A64_R_SP))
		a64_sp_check(c, op);
	if ((acc & A64_ACC_ALIGNED || c->sctlr & A64_SCTLR_A) && gva & (element(op, size, acc) - 1))
		a64_data_abort(c, op, gva, FSC_ALIGNMENT, acc);
}

static unsigned in_first_page(uint64_t gva, unsigned size)
{
	unsigned room = 0x1000 - (gva & 0xfff);
	return size < room ? size : room;
}

/* Both places of an operand that may cross into another page; bytes in the first one. */
static unsigned places(struct a64_cpu *c, const struct a64_op *op, uint64_t gva, unsigned size, unsigned acc,
		       struct place p[2])
{
	unsigned n = in_first_page(gva, size);
	p[0] = resolve(c, op, gva, acc);
	p[1] = n < size ? resolve(c, op, PAGE(gva) + 0x1000, acc) : p[0];
	if ((p[0].device || p[1].device) && gva & (element(op, size, acc) - 1))
		a64_data_abort(c, op, gva, FSC_ALIGNMENT, acc);
	return n;
}

/* In a device: by elements, at most 8 bytes. */
static void device(struct a64_cpu *c, const struct a64_op *op, uint64_t gpa, unsigned size, unsigned unit, bool write,
		   uint8_t *data)
{
	for (unsigned n; size; gpa += n, data += n, size -= n) {
		n = unit < 8 ? unit : 8;
		n = size < n ? size : n;
		a64_mmio(c, op, gpa, n, write, data);
	}
}

static void get(struct a64_cpu *c, const struct a64_op *op, const struct place *p, unsigned size, unsigned unit,
		uint8_t *out)
{
	if (p->hva)
		host_read(out, p->hva, size);
	else
		device(c, op, p->gpa, size, unit, false, out);
}

static void put(struct a64_cpu *c, const struct a64_op *op, const struct place *p, unsigned size, unsigned unit,
		const uint8_t *in)
{
	if (p->hva)
		host_write(p->hva, in, size);
	else
		device(c, op, p->gpa, size, unit, true, (uint8_t *)(uintptr_t)in);
}

/* *out may be a register, and a device can defer the second part. */
void a64_load_slow(struct a64_cpu *c, const struct a64_op *op, uint64_t gva, unsigned size, unsigned acc, void *out)
{
	uint8_t v[64];
	struct place p[2];
	check_alignment(c, op, gva, size, acc);
	unsigned unit = element(op, size, acc), n = places(c, op, gva, size, acc, p);
	if (unlikely(c->mmu->watches))
		a64_watch_check(c, op, gva, size, false);
	get(c, op, &p[0], n, unit, v);
	if (n < size)
		get(c, op, &p[1], size - n, unit, v + n);
	memcpy(out, v, size);
}

/* Devices first: a store that stops halfway and is done again must not have changed memory that the instruction reads.
 */
void a64_store_slow(struct a64_cpu *c, const struct a64_op *op, uint64_t gva, unsigned size, unsigned acc,
		    const void *in)
{
	struct place p[2];
	const uint8_t *from = in;
	acc |= A64_ACC_WRITE;
	check_alignment(c, op, gva, size, acc);
	unsigned unit = element(op, size, acc), n = places(c, op, gva, size, acc, p);
	if (unlikely(c->mmu->watches))
		a64_watch_check(c, op, gva, size, true);
	if (n < size && !p[1].hva && p[0].hva) {
		put(c, op, &p[1], size - n, unit, from + n);
		put(c, op, &p[0], n, unit, from);
		return;
	}
	put(c, op, &p[0], n, unit, from);
	if (n < size)
		put(c, op, &p[1], size - n, unit, from + n);
}

uint64_t a64_load_value(struct a64_cpu *c, const struct a64_op *op, uint64_t gva, unsigned size)
{
	uint8_t v[8] = {0};
	a64_load_slow(c, op, gva, size, 0, v);
	return host_get(v, 8);
}

void a64_store_value(struct a64_cpu *c, const struct a64_op *op, uint64_t gva, unsigned size, uint64_t v)
{
	uint8_t bytes[8];
	host_put(bytes, 8, v);
	a64_store_slow(c, op, gva, size, A64_ACC_WRITE, bytes);
}

uint8_t *a64_atomic_ptr(struct a64_cpu *c, const struct a64_op *op, uint64_t gva, unsigned size, unsigned acc)
{
	acc |= A64_ACC_WRITE | A64_ACC_ALIGNED;
	if (unlikely(gva & (size - 1)))
		check_alignment(c, op, gva, size, acc);
	uint8_t *hit = a64_tlb_hit(c->tlbs[mode_of(c, acc)].w, gva, size);
	if (likely(hit != NULL))
		return hit;
	struct place p = resolve(c, op, gva, acc);
	if (unlikely(c->mmu->watches))
		a64_watch_check(c, op, gva, size, true);
	return p.hva;
}

/* DC ZVA to Device memory is an alignment fault whatever its address (Arm ARM C5.3.25). */
void a64_probe_write(struct a64_cpu *c, const struct a64_op *op, uint64_t gva, unsigned size, unsigned acc)
{
	struct place p[2];
	acc |= A64_ACC_WRITE;
	check_alignment(c, op, gva, size, acc);
	places(c, op, gva, size, acc, p);
	if (acc & A64_ACC_ZVA && p[0].device)
		a64_data_abort(c, op, gva, FSC_ALIGNMENT, acc);
}

/* PSTATE.PAN does not count here (Arm ARM D8.4.2.3). */
uint64_t a64_maintain(struct a64_cpu *c, const struct a64_op *op, uint64_t gva, unsigned acc)
{
	int fsc;
	const struct a64_tlb2 *e = translate(c, gva, c->el ? A64_MMU_EL1 : A64_MMU_EL0, acc & A64_ACC_WRITE, &fsc);
	if (!e)
		a64_data_abort(c, op, gva, (unsigned)fsc & A64_FSC, acc | A64_ACC_CACHE);
	return e->gpa | (gva & 0xfff);
}

/* ------ instruction fetch ------ */

void a64_fetch_page(struct a64_cpu *c, uint64_t gva, struct a64_fetch *out)
{
	struct a64_walk w;
	unsigned mode = c->el ? A64_MMU_EL1 : A64_MMU_EL0;
	int fsc = 0;
	const struct a64_tlb2 *e = NULL;
	if (c->il)
		a64_raise(c, NULL, A64_EC_ILLEGAL, 0);
	if (gva & 3)
		a64_raise_far(c, NULL, A64_EC_PC, 0, gva);
	if (c->sctlr & A64_SCTLR_M)
		e = translate(c, gva, mode, A64_ACC_EXEC, &fsc);
	else
		fsc = a64_walk_mode(c, gva, mode, A64_ACC_EXEC, &w);
	if (fsc)
		a64_raise_far(c, NULL, A64_EC_IABT, (unsigned)fsc & A64_FSC, gva);
	unsigned flags = 0;
	out->gpa = PAGE(e ? e->gpa : w.gpa);
	out->guarded = e && e->perms & A64_P_GUARDED;
	out->hva = c->env->page(c->env_opaque, out->gpa, &flags);
	if (!(out->hva && flags & A64_PAGE_X)) {
		out->hva = NULL;
		if (flags & (A64_PAGE_R | A64_PAGE_W)) { /* memory that its owner forbids to execute */
			c->stop.addr = out->gpa;
			a64_leave(c, A64_STOP_INTERNAL);
		}
	}
}

/* ------ flushing ------ */

static void flush_first(struct a64_cpu *c, bool global_too)
{
	struct a64_mmu *m = c->mmu;
	for (unsigned mode = 0; mode < A64_MMU_MODES; mode++)
		for (int rw = R; rw <= W; rw++)
			for (unsigned w = 0; w < A64_TLB_SIZE / 64; w++) {
				uint64_t drop = m->used[mode][rw][w] & ~(global_too ? 0 : m->global[mode][rw][w]);
				m->used[mode][rw][w] &= ~drop;
				for (; drop; drop &= drop - 1)
					set_of(c, mode, rw)[w * 64 + (unsigned)__builtin_ctzll(drop)].tag = 1;
			}
	m->fetch_generation++;
}

void a64_tlb_flush(struct a64_cpu *c)
{
	struct a64_mmu *m = c->mmu;
	m->large = 0;
	m->ng_above = false;
	m->generation++;
	if (m->generation == 0) /* old numbers mean something again */
		for (unsigned i = 0; i < A64_TLB2_SIZE; i++)
			m->tlb2[i].gva = 1;
	m->closed = a64_has(c, A64_F_E0PD) ? c->tcr >> 55 & 3 : 0;
	flush_first(c, true);
}

void a64_tlb_flush_asid(struct a64_cpu *c, uint16_t asid)
{
	c->mmu->asid_generation[asid % A64_ASID_GENERATIONS]++;
	if (c->mmu->asid % A64_ASID_GENERATIONS == asid % A64_ASID_GENERATIONS)
		flush_first(c, false);
}

static void drop_page(struct a64_cpu *c, uint64_t page)
{
	unsigned i = page >> 12 & (A64_TLB_SIZE - 1);
	for (unsigned mode = 0; mode < A64_MMU_MODES; mode++)
		for (int rw = R; rw <= W; rw++) {
			struct a64_tlbe *e = &set_of(c, mode, rw)[i];
			if (e->tag << 8 == page << 8)
				e->tag = 1;
		}
	struct a64_tlb2 *e = slot2(c->mmu, page, 0);
	if (e->gva << 8 == page << 8)
		e->gva = 1;
}

/* Of all ASIDs. Those that are not current lose everything, which TLBI VAE1 does not ask for, but whoever edits another
 * address space is rare. */
void a64_tlb_flush_va(struct a64_cpu *c, uint64_t gva, bool all_levels)
{
	struct a64_mmu *m = c->mmu;
	uint64_t page = (uint64_t)a64_sext(gva, 56) & ~(uint64_t)(LARGE - 1);
	(void)all_levels; /* there are no entries for tables */
	if (m->large >> gib_bit(page) & 1) {
		a64_tlb_flush(c);
		return;
	}
	if (!(page >> 55 & 1) || m->ng_above)
		m->ng_generation++;
	for (unsigned n = 0; n < LARGE; n += 0x1000)
		drop_page(c, page + n);
	m->fetch_generation++;
}

void a64_asid_changed(struct a64_cpu *c)
{
	uint64_t ttbr = c->tcr & A64_TCR_A1 ? c->ttbr1 : c->ttbr0;
	uint16_t asid = (uint16_t)(ttbr >> 48 & (c->tcr & A64_TCR_AS ? 0xffff : 0xff));
	if (asid == c->mmu->asid)
		return;
	c->mmu->asid = asid;
	flush_first(c, false);
}
