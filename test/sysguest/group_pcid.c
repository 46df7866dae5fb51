/* group_pcid.c - PCID, INVPCID and global pages: what has to be forgotten is forgotten, and the faults (SDM vol. 3,
 * 4.10; vol. 2, INVPCID, MOV to CR). What may be kept is not tested: it depends on the processor.
 * sysguest-bits: 64 */
#include "tables.h"

#define VA 0x0000008040000000ull
#define NO_FLUSH (1ull << 63)
static struct sg_chain chain;
static uint64_t *root[2]; /* two address spaces; VA differs */
static uint64_t frame[2];
static uint64_t *leaf[2];

static const char *cr3(uint64_t v)
{
	sg_set_cr(3, v);
	return sg_fault_text();
}

static const char *cr4(uint64_t set, uint64_t clear)
{
	sg_set_cr(4, (sg_cr(4) | set) & ~clear);
	return sg_fault_text();
}

/* What is at VA: the number of the frame, or the fault. */
static const char *at(void)
{
	uint64_t v = 0;
	if (sg_read((void *)VA, 4, &v) == SG_OK)
		return v == 0x11111111 ? "one" : v == 0x22222222 ? "two" : "else";
	return sg_fault_text();
}

static void spaces(void)
{
	for (int n = 0; n < 2; n++) {
		frame[n] = (uintptr_t)sg_page();
		*(uint32_t *)frame[n] = n ? 0x22222222 : 0x11111111;
		root[n] = n ? sg_page() : (uint64_t *)sg_root;
		root[n][0] = sg_root[0];
		sg_chain(&chain, root[n], 4, VA, 1);
		leaf[n] = chain.e[1];
		*leaf[n] = frame[n] | PTE_PWU;
	}
}

static void rules(void)
{
	uint64_t base = (uintptr_t)root[0];
	sg_expect("pcid.no_flush_without_pcide", cr3(base | NO_FLUSH), "#GP(0)");
	cr3(base | 0x18);
	sg_check("pcid.low_bits_without_pcide", sg_cr(3) - base, 0x18);
	sg_expect("pcid.set_with_low_bits", cr4(CR4_PCIDE, 0), "#GP(0)");
	cr3(base);
	sg_expect("pcid.set", cr4(CR4_PCIDE, 0), "ok");
	sg_expect("pcid.paging_off", (sg_set_cr(0, sg_cr(0) & 0x7fffffff), sg_fault_text()), "#GP(0)");
	cr3(base | 0xabc);
	sg_check("pcid.value", sg_cr(3) - base, 0xabc);
	cr3(base | 0xdef | NO_FLUSH);
	sg_check("pcid.no_flush", sg_cr(3) - base, 0xdef);
	sg_expect("pcid.bit_62", cr3(base | 1ull << 62), "#GP(0)");
	sg_expect("pcid.bit_52", cr3(base | 1ull << 52), "#GP(0)");
	sg_expect("pcid.clear_with_pcid", cr4(0, CR4_PCIDE), "ok");
	sg_check("pcid.after_clear", sg_cr(3) - base, 0xdef);
	sg_expect("pcid.set_again", cr4(CR4_PCIDE, 0), "#GP(0)");
	cr3(base);
	cr4(CR4_PCIDE, 0);
}

static void switches(void)
{
	uint64_t a = (uintptr_t)root[0] | 1, b = (uintptr_t)root[1] | 2;
	cr3(a);
	sg_expect("pcid.switch_a", at(), "one");
	cr3(b);
	sg_expect("pcid.switch_b", at(), "two");
	cr3(a | NO_FLUSH);
	sg_expect("pcid.switch_a_kept", at(), "one");
	cr3(b | NO_FLUSH);
	sg_expect("pcid.switch_b_kept", at(), "two");
	/* a change that the flush of its own PCID has to show */
	*leaf[1] = frame[0] | PTE_PWU;
	cr3(b);
	sg_expect("pcid.switch_flush", at(), "one");
	*leaf[1] = frame[1] | PTE_PWU;
	sg_invlpg((void *)VA);
	sg_expect("pcid.invlpg", at(), "two");
	cr3(a);
	*leaf[0] = 0;
	sg_invlpg((void *)VA);
	sg_expect("pcid.invlpg_absent", at(), "#PF(0) cr2=8040000000");
	*leaf[0] = frame[0] | PTE_PWU;
	sg_expect("pcid.present_again", at(), "one");
}

static const char *invpcid(uint64_t type, uint64_t pcid, uint64_t address)
{
	sg_invpcid(type, pcid, address);
	return sg_fault_text();
}

static void invpcid_faults(bool pcide)
{
	const char *p = pcide ? "pcid.inv_on" : "pcid.inv_off";
	for (unsigned type = 0; type < 6; type++) {
		bool legal = type < 4, pcid = pcide || type > 1;
		sg_expect(sg_name(p, ".zero", type), invpcid(type, 0, VA), legal ? "ok" : "#GP(0)");
		sg_expect(sg_name(p, ".pcid", type), invpcid(type, 3, VA), legal && pcid ? "ok" : "#GP(0)");
		sg_expect(sg_name(p, ".reserved", type), invpcid(type, 1 << 12, VA), "#GP(0)");
		sg_expect(sg_name(p, ".high", type), invpcid(type, 1ull << 63, VA), "#GP(0)");
		sg_expect(sg_name(p, ".noncanonical", type), invpcid(type, 0, 1ull << 60),
			  legal && type ? "ok" : "#GP(0)");
	}
	sg_expect(sg_name(p, ".type_high", 0), invpcid(1ull << 32, 0, VA), "#GP(0)");
}

/* A changed entry has to be seen after the instruction that invalidates it. */
static void invpcid_works(void)
{
	uint64_t a = (uintptr_t)root[0] | 1;
	cr3(a);
	for (unsigned type = 0; type < 4; type++) {
		at();
		*leaf[0] = frame[1] | PTE_PWU | (type == 2 ? PTE_G : 0);
		invpcid(type, 1, VA);
		sg_expect(sg_name("pcid.inv_works", "", type), at(), "two");
		*leaf[0] = frame[0] | PTE_PWU;
		invpcid(2, 0, 0);
		sg_expect(sg_name("pcid.inv_all", "", type), at(), "one");
	}
	/* of another PCID, whose translations are then used */
	cr3((uintptr_t)root[1] | 2);
	at();
	cr3(a | NO_FLUSH);
	*leaf[1] = frame[0] | PTE_PWU;
	invpcid(0, 2, VA);
	cr3((uintptr_t)root[1] | 2 | NO_FLUSH);
	sg_expect("pcid.inv_other_address", at(), "one");
	*leaf[1] = frame[1] | PTE_PWU;
	cr3(a | NO_FLUSH);
	invpcid(1, 2, 0);
	cr3((uintptr_t)root[1] | 2 | NO_FLUSH);
	sg_expect("pcid.inv_other_context", at(), "two");
	cr3(a);
}

static void globals(void)
{
	uint64_t a = (uintptr_t)root[0];
	sg_expect("pcid.pge", cr4(CR4_PGE, 0), "ok");
	*leaf[0] = frame[0] | PTE_PWU | PTE_G;
	sg_invlpg((void *)VA);
	sg_expect("pcid.global", at(), "one");
	*leaf[0] = frame[1] | PTE_PWU | PTE_G;
	sg_invlpg((void *)VA);
	sg_expect("pcid.global_invlpg", at(), "two");
	*leaf[0] = frame[0] | PTE_PWU | PTE_G;
	cr4(0, CR4_PGE);
	cr4(CR4_PGE, 0);
	sg_expect("pcid.global_pge", at(), "one");
	*leaf[0] = frame[1] | PTE_PWU | PTE_G;
	cr4(0, CR4_PGE);
	sg_expect("pcid.global_pge_clear", at(), "two");
	/* not global without CR4.PGE: MOV CR3 forgets it */
	*leaf[0] = frame[0] | PTE_PWU | PTE_G;
	cr3(a);
	sg_expect("pcid.global_without_pge", at(), "one");
	*leaf[0] = frame[0] | PTE_PWU;
	cr3(a);
	cr4(CR4_PGE, 0);
	at();
	*leaf[0] = frame[1] | PTE_PWU;
	cr3(a);
	sg_expect("pcid.not_global", at(), "two");
	*leaf[0] = frame[0] | PTE_PWU;
	sg_invlpg((void *)VA);
	cr4(0, CR4_PGE);
}

void sg_group(void)
{
	spaces();
	globals();
	if (sg_has(SG_INVPCID))
		invpcid_faults(false);
	if (!sg_has(SG_PCID)) {
		sg_skip("pcid.*", "no PCID");
		return;
	}
	rules();
	switches();
	if (!sg_has(SG_INVPCID)) {
		sg_skip("pcid.inv*", "no INVPCID");
		return;
	}
	invpcid_faults(true);
	invpcid_works();
	cr3((uintptr_t)root[0]);
	cr4(0, CR4_PCIDE);
}
