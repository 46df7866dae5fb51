/* translate_x86.c - a guest virtual address through the guest's page tables (SDM vol. 3, chapter 4), leaving no trace
 * in them. */
#include <string.h>
#include "core/arch_x86.h"

typedef unsigned long long ull;

#define CR0_PG (1ull << 31)
#define CR0_WP (1ull << 16)
#define CR4_PSE (1ull << 4)
#define CR4_PAE (1ull << 5)
#define CR4_LA57 (1ull << 12)
#define CR4_SMEP (1ull << 20)
#define CR4_SMAP (1ull << 21)
#define CR4_PKE (1ull << 22)
#define EFER_LMA (1ull << 10)
#define EFER_NXE (1ull << 11)
#define RFLAGS_AC (1ull << 18)
/* Entries: SDM vol. 3, tables 4-4 to 4-20 */
#define P 1ull
#define RW 2ull
#define US 4ull
#define PS (1ull << 7)
#define XD (1ull << 63)

struct walk {
	vma_vm *vm;
	const vma_x86_sregs *s;
	uint64_t gva;
	uint32_t access;
	bool ac, nx, keys; /* keys: protection keys count for users' pages */
	uint32_t pkru;
	unsigned phys;
	/* what the entries allow together */
	bool writable, user, executable;
	uint64_t gpa, page_size;
};

static int fault(const struct walk *w, const char *why)
{
	return vma_fail(VMA_E_FAULT, "gva %#llx: %s", (ull)w->gva, why);
}

static int read_entry(const struct walk *w, uint64_t gpa, unsigned size, uint64_t *entry)
{
	const void *p = vma_vm_hva(w->vm, gpa, size);

	*entry = 0;
	if (!p)
		return vma_fail(VMA_E_FAULT, "gva %#llx: its table entry at gpa %#llx is not in memory", (ull)w->gva,
				(ull)gpa);
	memcpy(entry, p, size);
	return 0;
}

/* Bits phys..51 of an entry, and XD without EFER.NXE, are reserved; with PAE paging 52..62 too. */
static uint64_t reserved_bits(const struct walk *w)
{
	uint64_t bits = ((1ull << 52) - 1) & ~((1ull << w->phys) - 1);

	if (!(w->s->efer & EFER_LMA))
		bits |= 0x7ffull << 52;
	return w->nx ? bits : bits | XD;
}

static void allow(struct walk *w, uint64_t entry)
{
	w->writable &= !!(entry & RW);
	w->user &= !!(entry & US);
	w->executable &= !(w->nx && entry & XD);
}

/* SDM vol. 3, 4.6: access rights */
static int check_rights(const struct walk *w)
{
	bool user = w->access & VMA_ACCESS_USER, write = w->access & VMA_ACCESS_WRITE,
	     exec = w->access & VMA_ACCESS_EXEC;

	if (user && !w->user)
		return fault(w, "a supervisor's page");
	if (exec && !w->executable)
		return fault(w, "not executable");
	if (exec && !user && w->user && w->s->cr4 & CR4_SMEP)
		return fault(w, "a user's page, and SMEP forbids to execute it");
	if (!exec && !user && w->user && w->s->cr4 & CR4_SMAP && !w->ac)
		return fault(w, "a user's page, and SMAP forbids to access it");
	if (write && !w->writable && (user || w->s->cr0 & CR0_WP))
		return fault(w, "not writable");
	return 0;
}

/* SDM vol. 3, 4.6.2: AD forbids data accesses of the page's key, WD writes (the supervisor's with CR0.WP only) */
static int check_key(const struct walk *w, unsigned key)
{
	uint32_t rights = w->pkru >> 2 * key;
	bool obeys = w->access & VMA_ACCESS_USER || w->s->cr0 & CR0_WP;

	if (!w->keys || !w->user || w->access & VMA_ACCESS_EXEC)
		return 0;
	if (rights & 1 || (rights & 2 && w->access & VMA_ACCESS_WRITE && obeys))
		return fault(w, "its protection key forbids it");
	return 0;
}

static int leaf(struct walk *w, uint64_t entry, uint64_t frame, uint64_t size)
{
	int rc = check_key(w, entry >> 59 & 15);

	w->page_size = size;
	w->gpa = frame + (w->gva & (size - 1));
	return rc ? rc : check_rights(w);
}

/* 32-bit paging, SDM vol. 3, 4.3 */
static int walk_32(struct walk *w)
{
	uint32_t gva = (uint32_t)w->gva;
	uint64_t e;
	int rc = read_entry(w, (w->s->cr3 & 0xfffff000) + (gva >> 22) * 4, 4, &e);

	if (rc)
		return rc;
	if (!(e & P))
		return fault(w, "its page directory entry is not present");
	allow(w, e);
	if (e & PS && w->s->cr4 & CR4_PSE) {
		/* PSE-36: bits 20:13 are address bits 39:32; bit 21 is reserved. */
		uint64_t high = (e >> 13 & 0xff) << 32;
		if (e & 1u << 21 || (high && high >> w->phys))
			return fault(w, "reserved bits in its page directory entry");
		return leaf(w, e, high | (e & 0xffc00000), 1u << 22);
	}
	rc = read_entry(w, (e & 0xfffff000) + (gva >> 12 & 0x3ff) * 4, 4, &e);
	if (rc)
		return rc;
	if (!(e & P))
		return fault(w, "its page table entry is not present");
	allow(w, e);
	return leaf(w, e, e & 0xfffff000, 4096);
}

/* Levels of 512 entries of 8 bytes, from `level` (1: page tables) down; the table at `table`. */
static int walk_levels(struct walk *w, uint64_t table, unsigned level)
{
	const uint64_t address = ((1ull << w->phys) - 1) & ~0xfffull;
	uint64_t e;

	for (;; level--) {
		unsigned shift = 12 + 9 * (level - 1);
		int rc = read_entry(w, table + (w->gva >> shift & 0x1ff) * 8, 8, &e);
		if (rc)
			return rc;
		if (!(e & P))
			return fault(w, "an entry of its tables is not present");
		if (e & reserved_bits(w) || (level > 3 && e & PS))
			return fault(w, "reserved bits in an entry of its tables");
		allow(w, e);
		if (level == 1)
			return leaf(w, e, e & address, 4096);
		if (e & PS) {
			/* A large page's frame begins at its size; bit 12 is PAT. */
			if (e & ((1ull << shift) - 1) & address & ~0x1000ull)
				return fault(w, "reserved bits in an entry of its tables");
			if (level == 3 && !vma_vm_has(w->vm, 0x80000001, 0, 3, 26))
				return fault(w, "a 1 GiB page, which the CPU model does not have");
			return leaf(w, e, e & address & ~((1ull << shift) - 1), 1ull << shift);
		}
		table = e & address;
	}
}

/* SDM vol. 3, 4.4: four entries at CR3, which the processor keeps in registers; then two levels. They hold no rights.
 */
static int walk_pae(struct walk *w)
{
	uint64_t e, address = ((1ull << w->phys) - 1) & ~0xfffull;
	int rc;

	w->gva &= 0xffffffff;
	rc = read_entry(w, (w->s->cr3 & 0xffffffe0) + (w->gva >> 30) * 8, 8, &e);
	if (rc)
		return rc;
	if (!(e & P))
		return fault(w, "its page directory pointer is not present");
	if (e & ~address & ~0xe19ull)
		return fault(w, "reserved bits in its page directory pointer");
	return walk_levels(w, e & address, 2);
}

static int walk_long(struct walk *w)
{
	unsigned levels = w->s->cr4 & CR4_LA57 ? 5 : 4, bits = 12 + 9 * levels;
	int64_t sign = (int64_t)w->gva >> (bits - 1);

	if (sign != 0 && sign != -1)
		return fault(w, "not canonical");
	return walk_levels(w, w->s->cr3 & ((1ull << w->phys) - 1) & ~0xfffull, levels);
}

static int walk(struct walk *w)
{
	if (!(w->s->cr0 & CR0_PG)) {
		w->gva &= 0xffffffff;
		w->gpa = w->gva;
		w->page_size = 4096;
		return 0;
	}
	if (w->s->efer & EFER_LMA)
		return walk_long(w);
	w->gva &= 0xffffffff;
	return w->s->cr4 & CR4_PAE ? walk_pae(w) : walk_32(w);
}

/* PKRU is in the XSAVE image, component 9; not there: 0. */
static int need_keys(vma_vcpu *v, struct walk *w)
{
	uint32_t offset, size;
	uint64_t bv;
	int rc = vma_state_need(v, VMA_C_XSAVE);

	if (rc)
		return rc;
	vma_xsave_component(9, &offset, &size);
	memcpy(&bv, v->x86.xsave + 512, 8);
	if (bv >> 9 & 1 && offset + size <= v->vm->xsave_size)
		memcpy(&w->pkru, v->x86.xsave + offset, 4);
	w->keys = true;
	return 0;
}

int vma_translate_x86(vma_vcpu *v, uint64_t gva, uint32_t access, vma_translation *out)
{
	struct walk w = {.gva = gva, .access = access, .writable = true, .user = true, .executable = true};
	int rc = vma_state_need(v, VMA_C_SREGS | VMA_C_GPR);

	if (rc)
		return rc;
	w.vm = v->vm;
	w.s = &v->x86.sregs;
	w.ac = v->x86.gpr.rflags & RFLAGS_AC;
	w.nx = w.s->efer & EFER_NXE;
	w.phys = vma_phys_bits(v->vm);
	if (w.s->efer & EFER_LMA && w.s->cr4 & CR4_PKE)
		rc = need_keys(v, &w);
	if (!rc)
		rc = walk(&w);
	if (rc)
		return rc;
	*out = (vma_translation){w.gpa, w.page_size, w.writable, w.user, w.executable};
	return 0;
}
