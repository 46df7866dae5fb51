/* test_core_translate.c - guest virtual addresses through hand-made page tables of every kind: T103. */
#include "test_core_null.h"

#define NX (1ull << 63)
enum { P = 1, W = 2, U = 4, PS = 0x80, ALL = P | W | U };
enum { CR3 = 0x1000, T2 = 0x2000, T3 = 0x3000, T4 = 0x4000, T5 = 0x5000 };

static uint8_t *ram(struct rig *r, uint64_t gpa)
{
	return vma_vm_hva(r->vm, gpa, 8);
}

static void entry64(struct rig *r, uint64_t gpa, uint64_t e)
{
	memcpy(ram(r, gpa), &e, 8);
}

static void entry32(struct rig *r, uint64_t gpa, uint32_t e)
{
	memcpy(ram(r, gpa), &e, 4);
}

static void mode(struct rig *r, uint64_t cr0, uint64_t cr4, uint64_t efer)
{
	vma_x86_sregs s;

	ok(vma_x86_get_sregs(r->v, &s));
	s.cr0 = cr0, s.cr4 = cr4, s.efer = efer, s.cr3 = CR3;
	ok(vma_x86_set_sregs(r->v, &s));
}

static void gives(struct rig *r, uint64_t gva, uint32_t access, uint64_t gpa, uint64_t size)
{
	vma_translation t;

	ok(vma_vcpu_translate(r->v, gva, access, &t));
	assert_int_equal(t.gpa, gpa);
	assert_int_equal(t.page_size, size);
}

static void faults(struct rig *r, uint64_t gva, uint32_t access)
{
	vma_translation t;

	fails(vma_vcpu_translate(r->v, gva, access, &t), VMA_E_FAULT);
}

enum { PE_PG = 0x80000011u, WP = 0x10000, PSE = 0x10, PAE = 0x20, LONG = 0x500, LONG_NX = 0xd00 };

static void no_paging(void **state)
{
	struct rig *r = *state;

	mode(r, 0x60000010, 0, 0);
	gives(r, 0x12345678, 0, 0x12345678, 4096);
	gives(r, 0x112345678, VMA_ACCESS_WRITE, 0x12345678, 4096);
	fails(vma_vcpu_translate(r->v, 0, 8, &(vma_translation){0}), VMA_E_INVALID);
	fails(vma_vcpu_translate(r->v, 0, VMA_ACCESS_WRITE | VMA_ACCESS_EXEC, &(vma_translation){0}), VMA_E_INVALID);
	fails(vma_vcpu_translate(r->v, 0, 0, NULL), VMA_E_INVALID);
}

static void two_levels(void **state)
{
	struct rig *r = *state;

	entry32(r, CR3 + 3 * 4, T2 | ALL);
	entry32(r, T2 + 5 * 4, 0x7000 | ALL);
	entry32(r, CR3 + 4 * 4, 0x00c00000 | 0x2000 | PS | ALL); /* PSE-36: bit 13 is address bit 32 */
	entry32(r, CR3 + 5 * 4, 0x00e00000 | PS | ALL);          /* bit 21 is reserved */
	mode(r, PE_PG, PSE, 0);
	gives(r, 0x00c05123, 0, 0x7123, 4096);
	gives(r, 0x01012345, 0, 0x100c12345, 0x400000);
	faults(r, 0x01412345, 0);
	faults(r, 0x00c06000, 0);
	faults(r, 0x08000000, 0);
	mode(r, PE_PG, 0, 0); /* without PSE the bit means nothing: a table at 0xc02000 that is beyond memory */
	faults(r, 0x01012345, 0);
}

static void pae(void **state)
{
	struct rig *r = *state;

	entry64(r, CR3 + 2 * 8, T2 | P);
	entry64(r, CR3 + 3 * 8, T2 | P | W); /* reserved in a PDPTE */
	entry64(r, T2 + 1 * 8, T3 | ALL);
	entry64(r, T2 + 2 * 8, 0x40000000 | PS | ALL);
	entry64(r, T3 + 4 * 8, 0x9000 | ALL | NX);
	mode(r, PE_PG, PAE, 0x800);
	gives(r, 0x80204010, 0, 0x9010, 4096);
	gives(r, 0x80400000 + 0x123456, VMA_ACCESS_EXEC, 0x40123456, 0x200000);
	faults(r, 0x80204010, VMA_ACCESS_EXEC);
	faults(r, 0xc0204010, 0);
	faults(r, 0x40204010, 0);
	mode(r, PE_PG, PAE, 0); /* XD is reserved without NXE */
	faults(r, 0x80204010, 0);
}

/* gva 0xffff800000000000 + ..., each level's entry `e` the same */
static void chain(struct rig *r, uint64_t flags)
{
	entry64(r, CR3 + 256 * 8, T2 | flags);
	entry64(r, T2 + 1 * 8, T3 | flags);
	entry64(r, T3 + 2 * 8, T4 | flags);
	entry64(r, T4 + 3 * 8, 0xa000 | flags);
}

#define GVA (0xffff800000000000 | 1ull << 30 | 2ull << 21 | 3ull << 12 | 0x18)

static void four_levels(void **state)
{
	struct rig *r = *state;
	uint8_t before[0x6000];

	chain(r, ALL);
	mode(r, PE_PG, PAE, LONG_NX);
	memcpy(before, ram(r, 0), sizeof(before));
	gives(r, GVA, VMA_ACCESS_WRITE | VMA_ACCESS_USER, 0xa018, 4096);
	assert_memory_equal(before, ram(r, 0), sizeof(before)); /* no accessed, no dirty bits */
	faults(r, GVA & 0x0000ffffffffffff, 0);                 /* not canonical */
	faults(r, GVA + 0x1000, 0);
	entry64(r, T3 + 4 * 8, 0x600000 | PS | ALL);
	gives(r, (GVA & ~(2ull << 21)) | 4ull << 21, 0, 0x603018, 0x200000);
	entry64(r, T3 + 4 * 8, 0x602000 | PS | ALL); /* reserved below the frame */
	faults(r, (GVA & ~(2ull << 21)) | 4ull << 21, 0);
	entry64(r, T4 + 3 * 8, 0xa000 | ALL | 1ull << 45); /* above the model's 40 bits */
	faults(r, GVA, 0);
	entry64(r, T4 + 3 * 8, 0xa000 | ALL);
	entry64(r, CR3 + 256 * 8, T2 | ALL | PS);
	faults(r, GVA, 0);
	entry64(r, CR3 + 256 * 8, 0x80000000 | ALL); /* a table outside memory */
	faults(r, GVA, 0);
}

static void huge_page_needs_the_feature(void **state)
{
	struct rig *r = *state;

	chain(r, ALL);
	entry64(r, T2 + 1 * 8, 0x40000000 | PS | ALL);
	mode(r, PE_PG, PAE, LONG_NX);
	if (vma_x86_has_feature(r->vm, "pdpe1gb"))
		gives(r, GVA, 0, 0x40000000 + (GVA & 0x3fffffff), 1u << 30);
	else
		faults(r, GVA, 0);
}

static void rights(void **state)
{
	struct rig *r = *state;

	mode(r, PE_PG, PAE, LONG_NX);
	chain(r, P | W); /* supervisor */
	gives(r, GVA, VMA_ACCESS_WRITE, 0xa018, 4096);
	faults(r, GVA, VMA_ACCESS_USER);
	chain(r, P | U);
	gives(r, GVA, VMA_ACCESS_WRITE, 0xa018, 4096); /* WP is clear */
	faults(r, GVA, VMA_ACCESS_WRITE | VMA_ACCESS_USER);
	mode(r, PE_PG | WP, PAE, LONG_NX);
	faults(r, GVA, VMA_ACCESS_WRITE);
	gives(r, GVA, VMA_ACCESS_EXEC, 0xa018, 4096);
	mode(r, PE_PG, PAE | 1u << 20, LONG_NX); /* SMEP */
	faults(r, GVA, VMA_ACCESS_EXEC);
	gives(r, GVA, VMA_ACCESS_EXEC | VMA_ACCESS_USER, 0xa018, 4096);
	mode(r, PE_PG, PAE | 1u << 21, LONG_NX); /* SMAP */
	faults(r, GVA, 0);
	gives(r, GVA, VMA_ACCESS_USER, 0xa018, 4096);
	set1(r->v, VMA_X86_RFLAGS, 0x40002); /* AC */
	gives(r, GVA, 0, 0xa018, 4096);
	entry64(r, T3 + 2 * 8, T4 | P | U | NX); /* one level's NX is enough */
	faults(r, GVA, VMA_ACCESS_EXEC | VMA_ACCESS_USER);
}

static void five_levels(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, VMA_IRQCHIP_NONE, "max");
	entry64(&r, CR3 + 2 * 8, T5 | ALL);
	entry64(&r, T5 + 256 * 8, T2 | ALL);
	entry64(&r, T2 + 1 * 8, T3 | ALL);
	entry64(&r, T3 + 2 * 8, T4 | ALL);
	entry64(&r, T4 + 3 * 8, 0xa000 | ALL);
	mode(&r, PE_PG, PAE | 1u << 12, LONG_NX);
	gives(&r, 2ull << 48 | (GVA & 0x0000ffffffffffff), 0, 0xa018, 4096);
	faults(&r, 2ull << 48 | (GVA & 0x00007fffffffffff), 0);
	faults(&r, 1ull << 57, 0);
	rig_close(&r);
}

/* PKRU is component 9 of the XSAVE image (SDM vol. 1, 13.4.6). */
static void set_pkru(struct rig *r, uint32_t pkru)
{
	static uint8_t image[4096];
	uint64_t bv = 1u << 9;
	size_t size = sizeof image;

	ok(vma_x86_get_xsave(r->v, image, &size));
	memcpy(image + 512, &bv, 8);
	memcpy(image + 2688, &pkru, 4);
	ok(vma_x86_set_xsave(r->v, image, size));
}

static void protection_keys(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, VMA_IRQCHIP_NONE, "max");
	chain(&r, ALL | 5ull << 59);
	mode(&r, PE_PG | WP, PAE | 1u << 22, LONG_NX);
	gives(&r, GVA, VMA_ACCESS_WRITE, 0xa018, 4096);
	set_pkru(&r, 1u << 10); /* AD of key 5 */
	faults(&r, GVA, 0);
	faults(&r, GVA, VMA_ACCESS_USER);
	gives(&r, GVA, VMA_ACCESS_EXEC | VMA_ACCESS_USER, 0xa018, 4096);
	set_pkru(&r, 2u << 10); /* WD */
	gives(&r, GVA, VMA_ACCESS_USER, 0xa018, 4096);
	faults(&r, GVA, VMA_ACCESS_WRITE);
	set_pkru(&r, ~(3u << 10)); /* all the others */
	gives(&r, GVA, VMA_ACCESS_WRITE, 0xa018, 4096);
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(no_paging),
		RIG_TEST(two_levels),
		RIG_TEST(pae),
		RIG_TEST(four_levels),
		RIG_TEST(huge_page_needs_the_feature),
		RIG_TEST(rights),
		cmocka_unit_test(five_levels),
		cmocka_unit_test(protection_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
