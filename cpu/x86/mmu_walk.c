/* mmu_walk.c - the page tables: 32-bit, PAE, 4-level and 5-level paging with their permissions, protection keys,
 * reserved bits and accessed/dirty updates (SDM vol. 3, ch. 4). */
#include "mmu.h"
#include "sys.h"

enum { PTE_P = 1, PTE_W = 2, PTE_U = 4, PTE_A = 0x20, PTE_D = 0x40, PTE_PS = 0x80, PTE_G = 0x100 };
#define PTE_NX (1ull << 63)
#define PTE_ADDR 0x000ffffffffff000ull
enum { LOGGED = 1 }; /* in a walk's gpa[], which are multiples of 4 */
enum { PF_P = 1, PF_W = 2, PF_U = 4, PF_RSVD = 8, PF_I = 16, PF_PK = 32 };

struct walk {
	struct x86_cpu *c;
	uint64_t gva;
	unsigned access;
	bool wide; /* entries of 8 bytes */
	uint64_t leaf, nx;
	bool user, writable, changed; /* changed: the tables were written while being read; once more */
	bool missing;                 /* a table is no memory, or cannot be written, and that is told */
	uint8_t *at[5];
	uint64_t gpa[5], seen[5];
	unsigned n;
	unsigned error;
};

static uint64_t reserved_high(const struct x86_cpu *c)
{
	return PTE_ADDR & ~(((uint64_t)1 << c->gpa_bits) - 1);
}

static uint64_t no_table(struct walk *w, uint64_t gpa, bool write)
{
	struct x86_stop *s = &w->c->stop;
	if (!w->c->env->table_exits)
		return 0;
	w->missing = true;
	if (w->access & X86_ACC_LOOK)
		return 0;
	s->kind = X86_STOP_MMIO;
	s->addr = gpa;
	s->len = w->wide ? 8 : 4;
	s->count = 1;
	s->write = write;
	s->fetch = false;
	s->gva = w->gva;
	return 0;
}

/* The entry at gpa; tables outside memory read as not present. */
static uint64_t read_entry(struct walk *w, uint64_t gpa)
{
	unsigned flags = X86_PAGE_TABLE;
	uint8_t *page = w->c->env->page(w->c->env_opaque, gpa & ~(uint64_t)0xfff, &flags);
	if (!page || !(flags & X86_PAGE_R))
		return no_table(w, gpa, false);
	uint8_t *p = page + (gpa & 0xfff);
	uint64_t v = host_get(p, w->wide ? 8 : 4);
	w->at[w->n] = flags & X86_PAGE_W ? p : NULL;
	w->gpa[w->n] = gpa | (flags & X86_PAGE_LOG ? LOGGED : 0);
	w->seen[w->n++] = v;
	return v;
}

static bool bad(struct walk *w, unsigned error)
{
	w->error = error;
	return false;
}

/* Presence and reserved bits of one entry; what it adds to the permissions. */
static bool take(struct walk *w, uint64_t e, uint64_t reserved)
{
	if (!(e & PTE_P))
		return bad(w, 0);
	if (w->wide && !(w->c->efer & EFER_NXE))
		reserved |= PTE_NX;
	if (e & reserved)
		return bad(w, PF_P | PF_RSVD);
	w->user = w->user && e & PTE_U;
	w->writable = w->writable && e & PTE_W;
	w->nx |= w->wide ? e & PTE_NX : 0;
	return true;
}

static void set_leaf(struct walk *w, struct x86_translation *t, uint64_t e, uint64_t base, unsigned bits)
{
	w->leaf = e;
	t->gpa = base | (w->gva & (((uint64_t)1 << bits) - 1));
	t->bits = bits;
}

static bool walk32(struct walk *w, struct x86_translation *t)
{
	struct x86_cpu *c = w->c;
	uint64_t pde = read_entry(w, (c->cr3 & 0xfffff000) | (w->gva >> 22 & 0x3ff) << 2);
	if (pde & PTE_PS && c->cr4 & CR4_PSE) {
		unsigned high = !c->has_pse36 ? 0 : c->gpa_bits > 40 ? 8 : c->gpa_bits > 32 ? c->gpa_bits - 32 : 0;
		uint64_t reserved = (0x3fe000u & ~(((1u << high) - 1) << 13));
		if (!take(w, pde, reserved))
			return false;
		set_leaf(w, t, pde, (pde & 0xffc00000) | (pde >> 13 & 0xff) << 32, 22);
		return true;
	}
	if (!take(w, pde, 0))
		return false;
	uint64_t pte = read_entry(w, (pde & 0xfffff000) | (w->gva >> 12 & 0x3ff) << 2);
	if (!take(w, pte, 0))
		return false;
	set_leaf(w, t, pte, pte & 0xfffff000, 12);
	return true;
}

/* The levels of 8-byte entries from `shift` down, the table at `table`. */
static bool walk64(struct walk *w, struct x86_translation *t, uint64_t table, unsigned shift, uint64_t reserved)
{
	for (;; shift -= 9) {
		uint64_t e = read_entry(w, table | (w->gva >> shift & 0x1ff) << 3), r = reserved;
		bool large = shift == 12 || (e & PTE_PS && (shift == 21 || (shift == 30 && w->c->has_1g)));
		if (!large && shift > 21)
			r |= PTE_PS;
		if (large && shift > 12)
			r |= (((uint64_t)1 << shift) - 1) & ~(uint64_t)0x1fff;
		if (!take(w, e, r))
			return false;
		if (large) {
			set_leaf(w, t, e, e & PTE_ADDR & ~(((uint64_t)1 << shift) - 1), shift);
			return true;
		}
		table = e & PTE_ADDR;
	}
}

static bool walk_pae(struct walk *w, struct x86_translation *t)
{
	uint64_t pdpte = w->c->pdpte[w->gva >> 30 & 3];
	if (!(pdpte & PTE_P))
		return bad(w, 0);
	return walk64(w, t, pdpte & PTE_ADDR, 21, reserved_high(w->c) | 0x7ff0000000000000ull);
}

static bool permitted(struct walk *w)
{
	const struct x86_cpu *c = w->c;
	bool write = w->access & X86_ACC_WRITE, exec = w->access & X86_ACC_EXEC;
	if (exec && w->nx)
		return false;
	if (w->access & X86_ACC_USER)
		return w->user && (w->writable || !write);
	if (write && !w->writable && c->cr0 & CR0_WP)
		return false;
	if (w->user && exec)
		return !(c->cr4 & CR4_SMEP);
	if (w->user && c->cr4 & CR4_SMAP)
		return !(w->access & X86_ACC_SYSTEM) && c->eflags & X86_AC_;
	return true;
}

/* A user's access to a supervisor's page is refused before any key. */
static bool keys_count(const struct walk *w)
{
	const struct x86_cpu *c = w->c;
	if (!w->user && w->access & X86_ACC_USER)
		return false;
	return c->efer & EFER_LMA && c->cr4 & (w->user ? CR4_PKE : CR4_PKS);
}

/* SDM vol. 3, 4.6.2: AD forbids data accesses, WD writes; for the supervisor WD counts with CR0.WP only. */
static bool key_forbids(const struct walk *w)
{
	const struct x86_cpu *c = w->c;
	if (w->access & X86_ACC_EXEC || !keys_count(w))
		return false;
	uint64_t rights = (w->user ? c->pkru : c->pkrs) >> (w->leaf >> 59 & 15) * 2;
	bool write = w->access & X86_ACC_WRITE, obeys = w->access & X86_ACC_USER || c->cr0 & CR0_WP;
	return rights & 1 || (rights & 2 && write && obeys);
}

/* Set bits in an entry as it was seen; somebody else changed it: the walk begins again. */
static void update(struct walk *w, unsigned i, uint64_t bits)
{
	uint64_t old = w->seen[i];
	if ((old & bits) == bits || w->access & X86_ACC_LOOK)
		return;
	if (!w->at[i]) {
		if (!w->missing)
			no_table(w, w->gpa[i] & ~(uint64_t)LOGGED, true);
		return;
	}
	if (w->gpa[i] & LOGGED && w->c->env->mark_dirty)
		w->c->env->mark_dirty(w->c->env_opaque, w->gpa[i] & ~(uint64_t)0xfff);
	bool ok = host_cas(w->at[i], w->wide ? 8 : 4, &old, old | bits);
	w->changed = w->changed || !ok;
	unsigned off = w->gpa[i] & 0xffc;
	x86_code_store(w->c, w->at[i] - off, off, w->wide ? 8 : 4); /* tables that are code, too */
}

static unsigned error_code(const struct walk *w)
{
	const struct x86_cpu *c = w->c;
	bool nx = c->efer & EFER_NXE && c->cr4 & CR4_PAE;
	return w->error | (w->access & X86_ACC_WRITE ? PF_W : 0) | (w->access & X86_ACC_USER ? PF_U : 0) |
	       (w->access & X86_ACC_EXEC && (nx || c->cr4 & CR4_SMEP) ? PF_I : 0);
}

static bool attempt(struct walk *w, struct x86_translation *t)
{
	struct x86_cpu *c = w->c;
	bool ok;
	w->n = 0;
	w->nx = 0;
	w->user = w->writable = true;
	w->changed = false;
	w->wide = c->cr4 & CR4_PAE;
	if (!w->wide)
		ok = walk32(w, t);
	else if (c->efer & EFER_LMA)
		ok = walk64(w, t, c->cr3 & PTE_ADDR, c->cr4 & CR4_LA57 ? 48 : 39, reserved_high(c));
	else
		ok = walk_pae(w, t);
	if (ok && key_forbids(w))
		ok = bad(w, PF_P | PF_PK);
	else if (ok && !permitted(w))
		ok = bad(w, PF_P);
	if (!ok)
		return false;
	for (unsigned i = 0; i < w->n; i++)
		update(w, i, PTE_A | (i + 1 == w->n && w->access & X86_ACC_WRITE ? PTE_D : 0));
	return !w->missing;
}

bool x86_translate(struct x86_cpu *c, uint64_t gva, unsigned access, struct x86_translation *t, unsigned *error)
{
	if (!(c->cr0 & 0x80000000)) {
		*t = (struct x86_translation){.gpa = (uint32_t)gva, .bits = 12, .writable = true};
		return true;
	}
	struct walk w = {.c = c, .gva = gva, .access = access};
	do {
		if (!attempt(&w, t)) {
			*error = w.missing ? X86_NO_TABLE : error_code(&w);
			return false;
		}
	} while (w.changed);
	t->global = w.leaf & PTE_G && c->cr4 & CR4_PGE;
	t->key = keys_count(&w) ? w.leaf >> 59 & 15 : 0;
	/* may a write go on without another walk? */
	struct walk again = w;
	again.access |= X86_ACC_WRITE;
	t->writable = (access & X86_ACC_WRITE) || (w.leaf & PTE_D && permitted(&again) && !key_forbids(&again));
	return true;
}

bool x86_walk(struct x86_cpu *c, uint64_t gva, unsigned access, uint64_t *gpa, unsigned *error)
{
	struct x86_translation t;
	if (!x86_translate(c, gva, access, &t, error))
		return false;
	*gpa = t.gpa;
	return true;
}
