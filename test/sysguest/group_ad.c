/* group_ad.c - accessed and dirty bits at every level, by kind of access, page size and paging depth (SDM vol. 3, 4.8).
 * sysguest-bits: 64 */
#include "tables.h"

static struct sg_chain chain;
static uint64_t va;

static void clear(void)
{
	for (int level = chain.leaf; level <= chain.levels; level++)
		*chain.e[level] &= ~(uint64_t)(PTE_A | PTE_D);
	sg_forget(va);
}

/* A letter for each level from the root: - nothing, A, D (dirty only), B both. */
static const char *bits(void)
{
	static char text[8];
	int n = 0;
	for (int level = chain.levels; level >= chain.leaf; level--)
		text[n++] = "-ADB"[(*chain.e[level] & PTE_A ? 1 : 0) | (*chain.e[level] & PTE_D ? 2 : 0)];
	text[n] = 0;
	return text;
}

static void kinds(const char *name)
{
	for (int k = 0; k < SG_KINDS; k++) {
		clear();
		int e = sg_access((enum sg_kind)k, va);
		sg_line(sg_name(name, ".kind", (unsigned)k), "%d %s", e, bits());
	}
}

static void all(const char *name, uint64_t *root, int depth, int leaf, uint64_t address, uint64_t frame)
{
	va = address;
	sg_chain(&chain, root, depth, va, leaf);
	uint64_t entry = frame | PTE_PWU | (leaf > 1 ? PTE_PS : 0);
	*chain.e[leaf] = entry;
	kinds(name);
	/* read, then write through what the TLB has: the dirty bit must still come */
	clear();
	sg_access(SG_R, va);
	sg_access(SG_W, va);
	sg_line(sg_name(name, ".read_write", 0), "%s", bits());
	/* cleared in memory without a flush, then INVLPG: it comes again */
	clear();
	sg_access(SG_R, va);
	sg_line(sg_name(name, ".read_again", 0), "%s", bits());
	/* a read-modify-write that leaves memory as it is, a compare that fails */
	clear();
	__asm__ volatile("lock orl $0, 16(%0)" ::"r"(va) : "memory");
	sg_line(sg_name(name, ".or", 0), "%s", bits());
	clear();
	sg_word ax = 1;
	__asm__ volatile("lock cmpxchgl %k2, 16(%1)" : "+a"(ax) : "r"(va), "r"(2) : "memory", "cc");
	sg_line(sg_name(name, ".cmpxchg", 0), "%s", bits());
	/* a refused write leaves the page clean */
	*chain.e[leaf] = entry & ~(uint64_t)PTE_W;
	clear();
	int e = sg_access(SG_W, va);
	sg_line(sg_name(name, ".refused", 0), "%d %d", e, *chain.e[leaf] & PTE_D ? 1 : 0);
	/* with CR0.WP clear it is written and dirty */
	clear();
	sg_set_cr(0, sg_cr(0) & ~(sg_word)CR0_WP);
	sg_access(SG_W, va);
	sg_set_cr(0, sg_cr(0) | CR0_WP);
	sg_line(sg_name(name, ".without_wp", 0), "%s", bits());
	*chain.e[leaf] = 0;
	sg_forget(va);
}

void sg_group(void)
{
	static const char *const names4[] = {"", "ad.l4_4k", "ad.l4_2m", "ad.l4_1g"};
	static const char *const names5[] = {"", "ad.l5_4k", "ad.l5_2m", "ad.l5_1g"};
	uint64_t frames[] = {0, (uintptr_t)sg_page(), 0xc00000, 0};
	for (int leaf = 1; leaf <= 3; leaf++)
		sg_code_page((void *)frames[leaf]);
	int sizes = sg_has(SG_1G) ? 3 : 2;
	if (sizes == 2)
		sg_skip("ad.*1g*", "no 1 GiB pages");
	for (int leaf = 1; leaf <= sizes; leaf++)
		all(names4[leaf], (uint64_t *)sg_root, 4, leaf, 0x8000000000 + ((uint64_t)leaf << 30), frames[leaf]);
	if (!sg_has(SG_LA57)) {
		sg_skip("ad.l5*", "no LA57");
		return;
	}
	uint64_t *pml5 = sg_page();
	pml5[0] = (uintptr_t)sg_root | PTE_PWU;
	sg_repage((uintptr_t)pml5, CR4_PAE | CR4_LA57, EFER_LME | EFER_NXE);
	for (int leaf = 1; leaf <= sizes; leaf++)
		all(names5[leaf], pml5, 5, leaf, 0x00ff008000000000 + ((uint64_t)leaf << 30), frames[leaf]);
	sg_repage((uintptr_t)sg_root, CR4_PAE, EFER_LME | EFER_NXE);
}
