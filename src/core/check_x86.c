/* check_x86.c - which x86 states a processor can be in, and their canonical form. One place, so that every accelerator
 * refuses the same. */
#include <string.h>
#include "core/internal.h"

typedef unsigned long long ull;

/* SDM vol. 3, 2.5 */
enum {
	CR0_PE = 1u << 0,
	CR0_NW = 1u << 29,
	CR0_CD = 1u << 30,
	CR0_PG = 1u << 31,
	CR4_PAE = 1u << 5,
	CR4_PCIDE = 1u << 17,
};
#define CR0_KNOWN 0xe005003full /* PE MP EM TS ET NE WP AM NW CD PG */
/* SDM vol. 3, 2.2.1 */
#define EFER_SCE 1ull
#define EFER_LME (1ull << 8)
#define EFER_LMA (1ull << 10)
#define EFER_NXE (1ull << 11)
#define EFER_SVME (1ull << 12) /* APM vol. 2, 3.1.7; KVM lets it stay */
#define EFER_FFXSR (1ull << 14)

/* Bits of CR4 and the CPUID feature that brings each; leaf 0: always there. */
static const struct {
	uint8_t bit;
	uint32_t leaf;
	uint8_t reg, feature;
} cr4_bits[] = {
	{0, 1, 3, 1},   {1, 1, 3, 1},   {2, 1, 3, 4},  {3, 1, 3, 2},  {4, 1, 3, 3},   {5, 1, 3, 6},
	{6, 1, 3, 7},   {7, 1, 3, 13},  {8, 0, 0, 0},  {9, 1, 3, 24}, {10, 1, 3, 25}, {11, 7, 2, 2},
	{12, 7, 2, 16}, {13, 1, 2, 5},  {14, 1, 2, 6}, {16, 7, 1, 0}, {17, 1, 2, 17}, {18, 1, 2, 26},
	{20, 7, 1, 7},  {21, 7, 1, 20}, {22, 7, 2, 3}, {23, 7, 2, 7}, {24, 7, 2, 31},
};

static int check_cr4(const vma_vm *vm, uint64_t cr4)
{
	uint64_t allowed = 0;
	unsigned bit = 0;

	for (size_t i = 0; i < VMA_COUNT(cr4_bits); i++)
		if (!cr4_bits[i].leaf || vma_vm_has(vm, cr4_bits[i].leaf, 0, cr4_bits[i].reg, cr4_bits[i].feature))
			allowed |= 1ull << cr4_bits[i].bit;
	if (!(cr4 & ~allowed))
		return 0;
	while (!((cr4 & ~allowed) >> bit & 1))
		bit++;
	return vma_fail(VMA_E_INVALID, "CR4 %#llx: bit %u is reserved under this VM's CPU model", (ull)cr4, bit);
}

static int check_efer(const vma_vm *vm, const vma_x86_sregs *s)
{
	uint64_t allowed = EFER_SVME | EFER_FFXSR;
	bool lme = s->efer & EFER_LME, lma = s->efer & EFER_LMA, pg = s->cr0 & CR0_PG;

	if (vma_vm_has(vm, 0x80000001, 0, 3, 11))
		allowed |= EFER_SCE;
	if (vma_vm_has(vm, 0x80000001, 0, 3, 20))
		allowed |= EFER_NXE;
	if (vma_vm_has(vm, 0x80000001, 0, 3, 29))
		allowed |= EFER_LME | EFER_LMA;
	if (s->efer & ~allowed)
		return vma_fail(VMA_E_INVALID, "EFER %#llx: bits %#llx are reserved under this VM's CPU model",
				(ull)s->efer, (ull)(s->efer & ~allowed));
	if (lma != (lme && pg))
		return vma_fail(VMA_E_INVALID, "EFER.LMA is %d with LME %d and CR0.PG %d", lma, lme, pg);
	if (lma && !(s->cr4 & CR4_PAE))
		return vma_fail(VMA_E_INVALID, "EFER.LMA without CR4.PAE");
	if (lma && s->cs.attr & VMA_SEG_L && s->cs.attr & VMA_SEG_DB)
		return vma_fail(VMA_E_INVALID, "CS has both L and D in long mode");
	if (s->cr4 & CR4_PCIDE && !lma)
		return vma_fail(VMA_E_INVALID, "CR4.PCIDE outside long mode");
	return 0;
}

uint32_t vma_phys_bits(const vma_vm *vm)
{
	uint32_t bits = vma_cpuid_reg(vma_cpuid_find(vm->cpuid, vm->cpuid_count, 0x80000008, 0), 0) & 0xff;

	return bits ? bits : 36;
}

int vma_check_sregs(const vma_vm *vm, const vma_x86_sregs *s)
{
	int rc;

	if (s->cr0 & ~CR0_KNOWN)
		return vma_fail(VMA_E_INVALID, "CR0 %#llx: bits %#llx are reserved", (ull)s->cr0,
				(ull)(s->cr0 & ~CR0_KNOWN));
	if (s->cr0 & CR0_PG && !(s->cr0 & CR0_PE))
		return vma_fail(VMA_E_INVALID, "CR0.PG without CR0.PE");
	if (s->cr0 & CR0_NW && !(s->cr0 & CR0_CD))
		return vma_fail(VMA_E_INVALID, "CR0.NW without CR0.CD");
	rc = check_cr4(vm, s->cr4);
	if (!rc)
		rc = check_efer(vm, s);
	if (rc)
		return rc;
	if (s->efer & EFER_LMA && (s->cr3 & 0x7fffffffffffffff) >> vma_phys_bits(vm))
		return vma_fail(VMA_E_INVALID, "CR3 %#llx is above the %u physical bits of the CPU model", (ull)s->cr3,
				vma_phys_bits(vm));
	if (s->cr8 > 15)
		return vma_fail(VMA_E_INVALID, "CR8 %#llx is above 15", (ull)s->cr8);
	if (s->gdtr.limit > 0xffff || s->idtr.limit > 0xffff)
		return vma_fail(VMA_E_INVALID, "GDTR limit %#x or IDTR limit %#x is above 0xffff", s->gdtr.limit,
				s->idtr.limit);
	return 0;
}

/* Unusable and not present are one state: SVM knows only the latter. What is left of the attributes then is the DPL,
 * since SS's is the CPL. */
static void normal_seg(vma_x86_seg *s)
{
	s->attr &= 0x1f0ff;
	if (s->attr & VMA_SEG_UNUSABLE || !(s->attr & VMA_SEG_P))
		s->attr = VMA_SEG_UNUSABLE | (s->attr & 0x60);
	s->pad = 0;
	s->pad2 = 0;
}

void vma_normal_sregs(vma_x86_sregs *s)
{
#define VMA_X(NAME, field, ...) normal_seg(&s->field);
	VMA_X86_SEGS(VMA_X)
#undef VMA_X
	s->gdtr.pad = s->idtr.pad = 0;
}

int vma_check_dregs(const vma_x86_dregs *d)
{
	/* SDM vol. 3, 17.2.6: writing a set upper half raises #GP. */
	if (d->dr6 >> 32 || d->dr7 >> 32)
		return vma_fail(VMA_E_INVALID, "DR6 %#llx or DR7 %#llx has bits above 31", (ull)d->dr6, (ull)d->dr7);
	return 0;
}

/* A model without XSAVE has no XCR0 to set; what an XSAVE image may hold there (xcr0_mask) is the x87's and SSE's. */
int vma_check_xcr0(const vma_vm *vm, uint64_t xcr0)
{
	enum { ECX_XSAVE = 26 };
	uint64_t allowed = vma_vm_has(vm, 1, 0, 2, ECX_XSAVE) ? vm->xcr0_mask : 1;

	/* SDM vol. 1, 13.3 */
	if (!(xcr0 & 1))
		return vma_fail(VMA_E_INVALID, "XCR0 %#llx: bit 0 (x87) is always set", (ull)xcr0);
	if (xcr0 & ~allowed)
		return vma_fail(VMA_E_FEATURE, "XCR0 %#llx: this VM's CPU model allows %#llx", (ull)xcr0, (ull)allowed);
	if (xcr0 & 4 && !(xcr0 & 2))
		return vma_fail(VMA_E_INVALID, "XCR0 %#llx: AVX without SSE", (ull)xcr0);
	if (xcr0 & 0xe0 && (xcr0 & 0xe6) != 0xe6)
		return vma_fail(VMA_E_INVALID, "XCR0 %#llx: AVX-512 is all of bits 5 to 7, with AVX and SSE",
				(ull)xcr0);
	return 0;
}

int vma_check_xsave(const vma_vm *vm, const uint8_t *image, size_t size)
{
	uint64_t bv, compacted;
	uint32_t mxcsr;

	if (size < 576 || size > 65536)
		return vma_fail(VMA_E_INVALID, "an XSAVE image of %zu bytes (576 and more; %u here)", size,
				vm->xsave_size);
	memcpy(&bv, image + 512, 8);
	memcpy(&compacted, image + 520, 8);
	memcpy(&mxcsr, image + 24, 4);
	if (compacted)
		return vma_fail(VMA_E_INVALID,
				"the XSAVE image is compacted (XCOMP_BV %#llx); the standard layout is wanted",
				(ull)compacted);
	if (bv & ~vm->xcr0_mask)
		return vma_fail(VMA_E_FEATURE, "the XSAVE image has components %#llx, this VM's CPU model allows %#llx",
				(ull)bv, (ull)vm->xcr0_mask);
	for (unsigned n = 2; n < 64; n++) {
		uint32_t offset, length;
		vma_xsave_component(n, &offset, &length);
		if (bv >> n & 1 && offset + length > size)
			return vma_fail(VMA_E_INVALID, "the XSAVE image says it has component %u but ends before it",
					n);
	}
	/* MXCSR is in force unless neither SSE nor AVX is present. SDM vol. 1, 13.6 */
	if (bv & 6 && mxcsr & ~0xffffu)
		return vma_fail(VMA_E_INVALID, "MXCSR %#x has reserved bits", mxcsr);
	return 0;
}

int vma_check_events(const vma_x86_events *e)
{
	if (e->exception_injected && e->exception_pending)
		return vma_fail(VMA_E_INVALID, "an exception is injected and pending at once");
	if (e->exception_vector > 31 || (e->exception_vector == 2 && (e->exception_injected || e->exception_pending)))
		return vma_fail(VMA_E_INVALID, "%u is no exception", e->exception_vector);
	if (e->shadow > 3 || e->sipi_vector > 255)
		return vma_fail(VMA_E_INVALID, "shadow %u (0 to 3) or SIPI vector %#x (0 to 0xff)", e->shadow,
				e->sipi_vector);
	return 0;
}
