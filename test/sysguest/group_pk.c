/* group_pk.c - protection keys for user pages (PKRU, CR4.PKE) and for supervisor pages (IA32_PKRS, CR4.PKS), in 4-level
 * and 5-level paging (SDM vol. 3, 4.6.2, 4.7).
 * sysguest-bits: 64 */
#include "tables.h"

enum { MSR_PKRS = 0x6e1, KEY = 5 };
#define VA 0x0000008040000000ull
static struct sg_chain chain;

static void do_rdpkru(void *o)
{
	uint32_t *r = o;
	__asm__ volatile("rdpkru" : "=a"(r[0]), "=d"(r[1]) : "c"(r[2]));
}

static void do_wrpkru(void *o)
{
	uint32_t *r = o;
	__asm__ volatile("wrpkru" ::"a"(r[0]), "d"(r[1]), "c"(r[2]) : "memory");
}

static int wrpkru(uint32_t v)
{
	uint32_t r[3] = {v, 0, 0};
	sg_fault.vector = SG_OK;
	return sg_try(do_wrpkru, r);
}

static const char *tried(void (*fn)(void *), uint32_t a, uint32_t d, uint32_t c)
{
	uint32_t r[3] = {a, d, c};
	sg_fault.vector = SG_OK;
	sg_try(fn, r);
	return sg_fault_text();
}

static void instructions(void)
{
	uint32_t r[3] = {0, 0xffffffff, 0};
	sg_expect("pk.rdpkru_without_pke", tried(do_rdpkru, 0, 0, 0), "#UD");
	sg_expect("pk.wrpkru_without_pke", tried(do_wrpkru, 0, 0, 0), "#UD");
	sg_check("pk.ospke_clear", sg_cpuid(7, 0).c >> 4 & 1, 0);
	sg_set_cr(4, sg_cr(4) | CR4_PKE);
	sg_expect("pk.set_pke", sg_fault_text(), "ok");
	sg_check("pk.ospke", sg_cpuid(7, 0).c >> 4 & 1, 1);
	sg_expect("pk.rdpkru_ecx", tried(do_rdpkru, 0, 0, 1), "#GP(0)");
	sg_expect("pk.wrpkru_ecx", tried(do_wrpkru, 0, 0, 1), "#GP(0)");
	sg_expect("pk.wrpkru_edx", tried(do_wrpkru, 0, 1, 0), "#GP(0)");
	wrpkru(0xfffffff0);
	sg_try(do_rdpkru, r);
	sg_check("pk.rdpkru", r[0], 0xfffffff0);
	sg_check("pk.rdpkru_edx", r[1], 0);
	wrpkru(0);
}

/* Rights of key 5 by AD and WD, user and supervisor pages, read-only or not, CR0.WP. The TLB holds the page from the
 * access before: a change of PKRU takes effect without INVLPG. */
static void rights(const char *name, bool supervisor)
{
	sg_word cr0 = sg_cr(0);
	for (unsigned n = 0; n < 16; n++) {
		sg_set_cr(0, (cr0 & ~(sg_word)CR0_WP) | (n & 4 ? CR0_WP : 0));
		*chain.e[1] = (*chain.e[1] & 0x000ffffffffff000ull) | (uint64_t)KEY << 59 | PTE_P |
			      (n & 8 ? PTE_W : 0) | (supervisor ? 0 : PTE_U);
		sg_forget(VA);
		uint32_t key = (n & 3) << 2 * KEY;
		if (supervisor)
			sg_wrmsr(MSR_PKRS, 0);
		else
			wrpkru(0);
		sg_access(SG_R, VA);
		if (supervisor)
			sg_wrmsr(MSR_PKRS, key);
		else
			wrpkru(key);
		sg_line(sg_name(name, "", n), "%s", sg_accesses(VA));
	}
	wrpkru(0);
	sg_wrmsr(MSR_PKRS, 0);
	sg_set_cr(0, cr0);
}

static void other_keys(void)
{
	*chain.e[1] = (*chain.e[1] & 0x000ffffffffff000ull) | PTE_PWU;
	for (unsigned key = 0; key < 16; key++) {
		*chain.e[1] = (*chain.e[1] & ~(15ull << 59)) | (uint64_t)key << 59;
		sg_forget(VA);
		wrpkru(0);
		int before = sg_access(SG_R, VA);
		wrpkru(key ? 1u << 2 * key : 0);
		int one = sg_access(SG_R, VA);
		wrpkru(key ? ~(3u << 2 * key) & ~3u : 0);
		sg_line(sg_name("pk.key", "", key), "%d %d %d", before, one, sg_access(SG_R, VA));
	}
	wrpkru(0);
}

static void pks(void)
{
	uint64_t v;
	if (!sg_has(SG_PKS)) {
		sg_skip("pk.pks*", "no PKS");
		return;
	}
	sg_rdmsr(MSR_PKRS, &v);
	sg_expect("pk.pks_rdmsr", sg_fault_text(), "ok");
	sg_wrmsr(MSR_PKRS, 1ull << 32);
	sg_expect("pk.pks_wrmsr_high", sg_fault_text(), "#GP(0)");
	sg_wrmsr(MSR_PKRS, 0xfffffff0);
	sg_rdmsr(MSR_PKRS, &v);
	sg_check("pk.pks_value", v, 0xfffffff0);
	sg_wrmsr(MSR_PKRS, 0);
	rights("pk.pks_off", true);
	sg_set_cr(4, sg_cr(4) | CR4_PKS);
	sg_expect("pk.pks_set", sg_fault_text(), "ok");
	rights("pk.pks_matrix", true);
	sg_set_cr(4, sg_cr(4) & ~(sg_word)CR4_PKS);
}

/* Protection keys do not save a page that other rules refuse, and are told beside these. */
static void with_others(void)
{
	*chain.e[1] = (*chain.e[1] & 0x000ffffffffff000ull) | (uint64_t)KEY << 59 | PTE_P | PTE_U | PTE_NX;
	wrpkru(1u << 2 * KEY);
	sg_forget(VA);
	sg_line("pk.nx", "%s", sg_accesses(VA));
	if (sg_has(SG_SMAP)) {
		sg_set_cr(4, sg_cr(4) | CR4_SMAP);
		sg_line("pk.smap", "%s", sg_accesses(VA));
		sg_set_cr(4, sg_cr(4) & ~(sg_word)CR4_SMAP);
	}
	*chain.e[1] |= 1ull << 51;
	sg_forget(VA);
	sg_line("pk.reserved", "%s", sg_accesses(VA));
	*chain.e[1] &= ~(1ull << 51 | PTE_P);
	sg_forget(VA);
	sg_line("pk.absent", "%s", sg_accesses(VA));
	wrpkru(0);
}

void sg_group(void)
{
	if (!sg_has(SG_PKU)) {
		sg_skip("pk.*", "no PKU");
		return;
	}
	uint64_t frame = (uintptr_t)sg_page();
	sg_code_page((void *)frame);
	sg_chain(&chain, (uint64_t *)sg_root, 4, VA, 1);
	*chain.e[1] = frame | PTE_PWU;
	instructions();
	rights("pk.matrix", false);
	other_keys();
	with_others();
	*chain.e[1] = frame | PTE_PWU;
	pks();
	*chain.e[1] = frame | PTE_PWU;
	sg_set_cr(4, sg_cr(4) & ~(sg_word)CR4_PKE);
	rights("pk.off", false);
	if (sg_has(SG_LA57)) {
		uint64_t *pml5 = sg_page();
		pml5[0] = (uintptr_t)sg_root | PTE_PWU;
		sg_repage((uintptr_t)pml5, CR4_PAE | CR4_LA57 | CR4_PKE, EFER_LME | EFER_NXE);
		rights("pk.l5_matrix", false);
		sg_repage((uintptr_t)sg_root, CR4_PAE, EFER_LME | EFER_NXE);
	}
}
