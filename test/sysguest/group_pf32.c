/* group_pf32.c - #PF in 32-bit and PAE paging: rights, PSE-36, the four PDPTEs, reserved bits (SDM vol. 3, 4.3, 4.4).
 * sysguest-bits: 32 */
#include "tables.h"

#define VA 0x80000000u
static uint32_t *pd32, *pt32;
static uint64_t *pdpt, *pd64, *pt64;
static uint32_t frame;

static void rights(const char *name)
{
	sg_forget(VA);
	sg_line(name, "%s", sg_accesses(VA));
}

static void set_wp(bool wp)
{
	sg_set_cr(0, (sg_cr(0) & ~(sg_word)CR0_WP) | (wp ? CR0_WP : 0));
}

static void plain(void)
{
	pd32 = (uint32_t *)sg_root;
	pt32 = sg_page();
	pd32[VA >> 22] = (uint32_t)pt32 | PTE_PWU;
	for (unsigned n = 0; n < 32; n++) {
		set_wp(n & 16);
		pd32[VA >> 22] = (uint32_t)pt32 | PTE_P | (n & 1 ? PTE_W : 0) | (n & 2 ? PTE_U : 0);
		pt32[0] = frame | PTE_P | (n & 4 ? PTE_W : 0) | (n & 8 ? PTE_U : 0);
		rights(sg_name("pf32.matrix", "", n));
	}
	set_wp(true);
	pd32[VA >> 22] = (uint32_t)pt32 | PTE_PWU;
	pt32[0] = frame | PTE_W | PTE_U;
	rights("pf32.absent");
	pd32[VA >> 22] = (uint32_t)pt32 | PTE_W | PTE_U;
	rights("pf32.absent_table");
}

/* 4 MiB pages: bits 20:13 are address bits 39:32 with PSE-36, bit 21 is reserved; without CR4.PSE bit 7 of the entry is
 * ignored. */
static void large(void)
{
	uint32_t found = 0, width = sg_maxphyaddr(), code = 0xc00000;
	sg_code_page((void *)code);
	pd32[VA >> 22] = code | PTE_PWU | PTE_PS;
	rights("pf32.large");
	for (unsigned bit = 13; bit < 22; bit++) {
		pd32[VA >> 22] = code | PTE_PWU | PTE_PS | 1u << bit;
		sg_forget(VA);
		int e = sg_access(SG_R, VA);
		found |= e == 9 ? 1u << bit : 0;
		if (bit == 21 || bit >= 13 + (width > 40 ? 8 : width - 32))
			sg_check(sg_name("pf32.large_reserved", "", bit), (uint32_t)e, 9);
	}
	sg_check("pf32.large_high", found & 0x1fe000 & ((1u << (13 + (width > 40 ? 8 : width - 32))) - 1), 0);
	pd32[VA >> 22] = 0;
	sg_forget(VA);
}

static void pae_tables(void)
{
	pdpt = sg_page();
	for (unsigned gib = 0; gib < 4; gib++) {
		uint64_t *pd = sg_page();
		pdpt[gib] = (uint32_t)pd | PTE_P;
		for (unsigned n = 0; gib != 2 && n < 512; n++)
			if (gib != 1 || n < 8)
				pd[n] = (uint64_t)(gib == 1 ? 0 : gib) << 30 | n << 21 | PTE_PS | PTE_P | PTE_W |
					(gib == 1 ? PTE_U : 0);
		if (gib == 2)
			pd64 = pd;
	}
	pt64 = sg_page();
	pd64[0] = (uint32_t)pt64 | PTE_PWU;
	pt64[0] = frame | PTE_PWU;
}

static void pae_rights(void)
{
	for (unsigned n = 0; n < 32; n++) {
		set_wp(n & 16);
		pd64[0] = (uint32_t)pt64 | PTE_P | (n & 1 ? PTE_W : 0) | (n & 2 ? PTE_U : 0);
		pt64[0] = frame | PTE_P | (n & 4 ? PTE_W : 0) | (n & 8 ? PTE_U : 0);
		rights(sg_name("pf32.pae_matrix", "", n));
	}
	set_wp(true);
	pd64[0] = (uint32_t)pt64 | PTE_PWU;
	pt64[0] = frame | PTE_PWU | PTE_NX;
	sg_wrmsr(MSR_EFER, EFER_NXE);
	rights("pf32.pae_nx");
	pt64[0] = frame | PTE_PWU;
	pd64[0] |= PTE_NX;
	rights("pf32.pae_nx_table");
	pt64[0] = 0;
	rights("pf32.pae_absent");
	pt64[0] = frame | PTE_PWU;
	sg_wrmsr(MSR_EFER, 0);
	rights("pf32.pae_nx_reserved");
	pd64[0] &= ~PTE_NX;
	pt64[0] = 0;
	rights("pf32.pae_absent_without_nxe");
	pt64[0] = frame | PTE_PWU;
}

/* The bits above the address width are reserved up to 62 (SDM vol. 3, tables 4-9 to 4-11). */
static void pae_reserved(const char *name, uint64_t *e, unsigned low)
{
	uint64_t old = *e, found = 0;
	unsigned width = sg_maxphyaddr();
	for (unsigned bit = low; bit < 63; bit++) {
		if (bit >= (low > 12 ? 21 : 12) && bit < width)
			continue;
		*e = old | 1ull << bit;
		sg_forget(VA);
		if (sg_access(SG_R, VA) == 9)
			found |= 1ull << bit;
	}
	*e = old;
	sg_forget(VA);
	uint64_t high = 0x7fffffffffffffffull & ~((1ull << width) - 1);
	sg_line(name, "high %d others %llx", (found & high) == high, (unsigned long long)(found & ~high));
}

/* PDPTEs are loaded and checked by MOV CR3; memory written later does not count (SDM vol. 3, 4.4.1). */
static void pdptes(void)
{
	uint64_t old = pdpt[2], refused = 0;
	unsigned width = sg_maxphyaddr();
	for (unsigned bit = 1; bit < 64; bit++) {
		if (bit >= 12 && bit < width)
			continue;
		pdpt[2] = old | 1ull << bit;
		if (sg_set_cr(3, (uint32_t)pdpt) == V_GP)
			refused |= 1ull << bit;
	}
	uint64_t high = ~((1ull << width) - 1);
	sg_line("pf32.pdpte_reserved", "high %d low %llx", (refused & high) == high,
		(unsigned long long)(refused & 0xfff));
	pdpt[2] = 0x1e6;
	sg_set_cr(3, (uint32_t)pdpt);
	sg_expect("pf32.pdpte_absent_unchecked", sg_fault_text(), "ok");
	rights("pf32.pdpte_absent");
	pdpt[2] = old;
	rights("pf32.pdpte_memory_written");
	sg_set_cr(3, (uint32_t)pdpt);
	rights("pf32.pdpte_loaded");
	pdpt[2] = 0;
	rights("pf32.pdpte_still_there");
	pdpt[2] = old;
	sg_set_cr(3, (uint32_t)pdpt | 0x1f); /* PWT, PCD and ignored bits */
	sg_expect("pf32.pae_cr3_low", sg_fault_text(), "ok");
	rights("pf32.pae_cr3_low_rights");
	sg_set_cr(3, (uint32_t)pdpt);
}

void sg_group(void)
{
	frame = (uint32_t)sg_page();
	sg_code_page((void *)frame);
	plain();
	large();
	pae_tables();
	sg_repage((uint32_t)pdpt, CR4_PAE);
	rights("pf32.pae");
	pae_rights();
	pae_reserved("pf32.pae_reserved", &pt64[0], 12);
	pae_reserved("pf32.pae_reserved_table", &pd64[0], 12);
	uint64_t old = pd64[0];
	sg_code_page((void *)0xc00000);
	pd64[0] = 0xc00000 | PTE_PWU | PTE_PS;
	rights("pf32.pae_large");
	pae_reserved("pf32.pae_reserved_large", &pd64[0], 13);
	pd64[0] = old;
	pdptes();
}
