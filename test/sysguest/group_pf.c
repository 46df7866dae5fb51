/* group_pf.c - #PF and its error bits in 4-level and 5-level paging: rights of each level by CR0.WP, CR4.SMEP, CR4.SMAP
 * and EFLAGS.AC, NX, every reserved bit of every level, pages of 4 KiB, 2 MiB and 1 GiB (SDM vol. 3, 4.5 to 4.7).
 * sysguest-bits: 64 */
#include "tables.h"

#define VA 0x0000008000000000ull
static struct sg_chain chain[4]; /* by leaf level; each at an address of its own */
static uint64_t va[4];
static uint64_t frame[4]; /* of the page of that size: code is at its start */
static const char *where;

static void rights(const char *name)
{
	sg_forget(va[1]);
	sg_line(name, "%s", sg_accesses(va[1]));
}

/* Rights of the leaf under every control. */
static void matrix(void)
{
	sg_word cr0 = sg_cr(0), cr4 = sg_cr(4), flags = sg_flags();
	for (unsigned n = 0; n < 16; n++) {
		bool smap = n & 4, ac = n & 8, wp = n & 1, smep = n & 2;
		const char *name = sg_name(where, ".matrix", n);
		if ((smep && !sg_has(SG_SMEP)) || ((smap || ac) && !sg_has(SG_SMAP))) {
			sg_skip(name, "no SMEP or SMAP");
			continue;
		}
		sg_set_cr(0, (cr0 & ~(sg_word)CR0_WP) | (wp ? CR0_WP : 0));
		sg_set_cr(4, cr4 | (smep ? CR4_SMEP : 0) | (smap ? CR4_SMAP : 0));
		sg_set_flags(flags | (ac ? FLAG_AC : 0));
		for (unsigned rights_of = 0; rights_of < 4; rights_of++) {
			*chain[1].e[1] = frame[1] | PTE_P | (rights_of & 1 ? PTE_W : 0) | (rights_of & 2 ? PTE_U : 0);
			rights(name);
		}
		sg_set_flags(flags);
		sg_set_cr(0, cr0);
		sg_set_cr(4, cr4);
	}
}

/* Take a right, or presence, away at one level; NX; all of it without EFER.NXE. */
static void levels(void)
{
	for (int level = 1; level <= chain[1].levels; level++) {
		uint64_t *e = chain[1].e[level], old = *e;
		*e = old & ~(uint64_t)PTE_P;
		rights(sg_name(where, ".absent", (unsigned)level));
		*e = old & ~(uint64_t)PTE_W;
		rights(sg_name(where, ".readonly", (unsigned)level));
		*e = old & ~(uint64_t)PTE_U;
		rights(sg_name(where, ".supervisor", (unsigned)level));
		*e = old | PTE_NX;
		rights(sg_name(where, ".nx", (unsigned)level));
		sg_wrmsr(MSR_EFER, EFER_LME);
		rights(sg_name(where, ".nx_without_nxe", (unsigned)level));
		*e = old & ~(uint64_t)(PTE_P | PTE_U);
		rights(sg_name(where, ".absent_without_nxe", (unsigned)level));
		sg_wrmsr(MSR_EFER, EFER_LME | EFER_NXE);
		*e = old;
		rights(sg_name(where, ".restored", (unsigned)level));
	}
}

/* Which bits of an entry are reserved: each alone, a present entry. The address bits that are legal are not tried:
 * their pages would be elsewhere. */
static void reserved(struct sg_chain *c, uint64_t address, int level)
{
	uint64_t *e = c->e[level], old = *e, found = 0, wrong = 0;
	unsigned width = sg_maxphyaddr();
	bool large = level > 1 && level == c->leaf;
	for (unsigned bit = 7; bit < 63; bit++) {
		bool in_large_frame = large && bit >= 13 && bit < 12 + 9 * ((unsigned)level - 1);
		if (((bit >= 12 && bit < width) && !in_large_frame) || (bit == 7 && level == 1) ||
		    (bit == 7 && (level == 2 || level == 3)))
			continue;
		*e = old | 1ull << bit;
		sg_forget(address);
		int error = sg_access(SG_R, address);
		if (error == 9)
			found |= 1ull << bit;
		else if (error != -1)
			wrong |= 1ull << bit;
	}
	*e = old;
	sg_forget(address);
	/* independent of the width: bits width..51 are one flag */
	uint64_t high = 0x000fffffffffffffull & ~((1ull << width) - 1);
	const char *name = sg_name(sg_name(where, large ? ".reserved_large" : ".reserved", (unsigned)level), "_",
				   (unsigned)c->leaf);
	sg_line(name, "high %d others %llx wrong %llx", (found & high) == high, (unsigned long long)(found & ~high),
		(unsigned long long)wrong);
}

static void error_bits_with_reserved(void)
{
	uint64_t old = *chain[1].e[1];
	*chain[1].e[1] = old | 1ull << 51;
	rights(sg_name(where, ".reserved_all", 1));
	*chain[1].e[1] = (old | 1ull << 51) & ~(uint64_t)PTE_P;
	rights(sg_name(where, ".reserved_absent", 1));
	*chain[1].e[1] = old;
}

static void sizes(void)
{
	for (int leaf = 1; leaf <= 3; leaf++) {
		if (leaf == 3 && !sg_has(SG_1G)) {
			sg_skip(sg_name(where, ".size*", 3), "no 1 GiB pages");
			sg_skip(sg_name(where, ".reserved*_", 3), "no 1 GiB pages");
			continue;
		}
		*chain[leaf].e[leaf] = frame[leaf] | PTE_PWU | (leaf > 1 ? PTE_PS : 0);
		sg_line(sg_name(where, ".size", (unsigned)leaf), "%s", sg_accesses(va[leaf]));
		*chain[leaf].e[leaf] = frame[leaf] | PTE_P | (leaf > 1 ? PTE_PS : 0);
		sg_forget(va[leaf]);
		sg_line(sg_name(where, ".size_rights", (unsigned)leaf), "%s", sg_accesses(va[leaf]));
		*chain[leaf].e[leaf] = frame[leaf] | PTE_PWU | (leaf > 1 ? PTE_PS : 0);
		sg_forget(va[leaf]);
		for (int level = leaf; level <= chain[leaf].levels; level++)
			reserved(&chain[leaf], va[leaf], level);
	}
}

/* Accesses that cross into a page that is not there: CR2 is the second page's, or the first's where that faults. */
static void crossing(void)
{
	uint64_t v;
	struct sg_chain second;
	sg_chain(&second, (uint64_t *)sg_root, 4, va[1] + 0x1000, 1);
	*chain[1].e[1] = frame[1] | PTE_PWU;
	sg_forget(va[1]);
	sg_read((void *)(va[1] + 0xffc), 8, &v);
	sg_line(sg_name(where, ".cross_read", 1), "%s", sg_fault_text());
	sg_write((void *)(va[1] + 0xffc), 8, 0x1122334455667788);
	sg_line(sg_name(where, ".cross_write", 1), "%s %x", sg_fault_text(), *(volatile uint32_t *)(va[1] + 0xffc));
	*second.e[1] = frame[1] | PTE_PWU;
	*chain[1].e[1] = 0;
	sg_forget(va[1]);
	sg_write((void *)(va[1] + 0xffc), 8, 0x1122334455667788);
	sg_line(sg_name(where, ".cross_first", 1), "%s", sg_fault_text());
	*second.e[1] = 0;
	sg_forget(va[1] + 0x1000);
}

static void all(int depth, uint64_t *root, const char *name, uint64_t base)
{
	where = name;
	for (int leaf = 1; leaf <= 3; leaf++) {
		va[leaf] = base + ((uint64_t)leaf << 30);
		sg_chain(&chain[leaf], root, depth, va[leaf], leaf);
	}
	*chain[1].e[1] = frame[1] | PTE_PWU;
	matrix();
	*chain[1].e[1] = frame[1] | PTE_PWU;
	levels();
	error_bits_with_reserved();
	sizes();
}

void sg_group(void)
{
	frame[1] = (uintptr_t)sg_page();
	frame[2] = 0xc00000;
	frame[3] = 0; /* the code page of 1 GiB is at 0: below 640 KiB nothing of ours is */
	for (int leaf = 1; leaf <= 3; leaf++)
		sg_code_page((void *)frame[leaf]);
	all(4, (uint64_t *)sg_root, "pf.l4", VA);
	crossing();
	if (!sg_has(SG_LA57)) {
		sg_skip("pf.l5.*", "no LA57");
		return;
	}
	uint64_t *pml5 = sg_page();
	pml5[0] = (uintptr_t)sg_root | PTE_PWU;
	sg_repage((uintptr_t)pml5, CR4_PAE | CR4_LA57, EFER_LME | EFER_NXE);
	all(5, pml5, "pf.l5", 0x00ff008000000000ull);
	sg_repage((uintptr_t)sg_root, CR4_PAE, EFER_LME | EFER_NXE);
}
