/* fpu_x86.c - the XSAVE image and the x87, SSE and AVX registers in it (SDM vol. 1, 13.4 and 10.5.1). */
#include <string.h>
#include "core/internal.h"

/* Offsets in the legacy region, FXSAVE's 64-bit form */
enum {
	FCW = 0,
	FSW = 2,
	FTW = 4,
	FOP = 6,
	FIP = 8,
	FDP = 16,
	MXCSR = 24,
	MXCSR_MASK = 28,
	ST = 32,
	XMM = 160,
	LEGACY_REST = 416,
	XSTATE_BV = 512,
	HEADER_REST = 520,
	EXTENDED = 576,
	YMMH = 576,
};
enum { FCW_INIT = 0x37f, MXCSR_INIT = 0x1f80, MXCSR_BITS = 0xffff };

static bool all_zero(const uint8_t *p, size_t n)
{
	while (n--)
		if (*p++)
			return false;
	return true;
}

static void init_x87(uint8_t *image)
{
	static const uint16_t fcw = FCW_INIT;

	memset(image, 0, MXCSR);
	memset(image + ST, 0, XMM - ST);
	memcpy(image + FCW, &fcw, 2);
}

/* One image for one state: x87 and SSE are always present with their values written out, a further component only where
 * it differs from its initial zeroes, and what no register lies in is zero. So what was saved compares equal wherever
 * it is read back. */
void vma_normal_xsave(uint8_t *image, uint32_t size)
{
	uint64_t bv;
	uint32_t mxcsr, mask = MXCSR_BITS, offset, length;

	memcpy(&bv, image + XSTATE_BV, 8);
	memcpy(&mxcsr, image + MXCSR, 4);
	if (!(bv & 1))
		init_x87(image);
	for (unsigned i = 0; i < 8; i++)
		memset(image + ST + i * 16 + 10, 0, 6);
	image[FTW + 1] = 0;
	if (!(bv & 2))
		memset(image + XMM, 0, LEGACY_REST - XMM);
	if (!(bv & 6))
		mxcsr = MXCSR_INIT;
	memcpy(image + MXCSR, &mxcsr, 4);
	memcpy(image + MXCSR_MASK, &mask, 4);
	memset(image + LEGACY_REST, 0, XSTATE_BV - LEGACY_REST);
	memset(image + HEADER_REST, 0, EXTENDED - HEADER_REST);
	for (unsigned n = 2; n < 64; n++) {
		vma_xsave_component(n, &offset, &length);
		if (!length || offset + length > size)
			bv &= ~(1ull << n);
		else if (!(bv >> n & 1))
			memset(image + offset, 0, length);
		else if (all_zero(image + offset, length))
			bv &= ~(1ull << n);
	}
	bv |= 3;
	memcpy(image + XSTATE_BV, &bv, 8);
}

static int enter_xsave(vma_vcpu *v, const void *p)
{
	int rc = vma_vcpu_enter(v);

	if (!rc && v->vm->be->arch != VMA_ARCH_X86_64)
		rc = vma_fail(VMA_E_INVALID, "vCPU %u is no x86 vCPU", v->index);
	if (!rc && !p)
		rc = vma_fail(VMA_E_INVALID, "the place for the state, or the state, is NULL");
	return rc;
}

/* ------ the image ------ */

int vma_x86_get_xsave(vma_vcpu *v, void *image, size_t *size)
{
	int rc = enter_xsave(v, size);

	if (rc)
		return rc;
	if (image && *size < v->vm->xsave_size) {
		rc = vma_fail(VMA_E_LIMIT, "the XSAVE image has %u bytes, there is room for %zu", v->vm->xsave_size,
			      *size);
		*size = v->vm->xsave_size;
		return rc;
	}
	*size = v->vm->xsave_size;
	rc = image ? vma_state_need(v, VMA_C_XSAVE) : 0;
	if (!rc && image)
		memcpy(image, v->x86.xsave, v->vm->xsave_size);
	return rc;
}

static int put_image(vma_vcpu *v, const void *image, size_t size)
{
	uint32_t own = v->vm->xsave_size;
	uint8_t *copy = os_aligned(64, (own + 63u) & ~63u);
	int rc;

	if (!copy)
		return vma_fail(VMA_E_NOMEM, "no memory for an XSAVE image");
	memcpy(copy, image, size < own ? size : own);
	vma_normal_xsave(copy, own);
	rc = vma_state_put(v, VMA_C_XSAVE, copy);
	os_free(copy);
	return rc;
}

int vma_x86_set_xsave(vma_vcpu *v, const void *image, size_t size)
{
	int rc = enter_xsave(v, image);

	if (!rc)
		rc = vma_check_xsave(v->vm, image, size);
	return rc ? rc : put_image(v, image, size);
}

/* ------ registers in it ------ */

static bool has_avx(const vma_vm *vm)
{
	return vm->xcr0_mask & 4 && vm->xsave_size >= YMMH + 256;
}

int vma_x86_get_fpu_regs(vma_vcpu *v, vma_x86_fpu_regs *f)
{
	const uint8_t *p;
	int rc = enter_xsave(v, f);

	if (!rc)
		rc = vma_state_need(v, VMA_C_XSAVE);
	if (rc)
		return rc;
	p = v->x86.xsave;
	memset(f, 0, sizeof(*f));
	memcpy(&f->fcw, p + FCW, 2);
	memcpy(&f->fsw, p + FSW, 2);
	f->ftw = p[FTW];
	memcpy(&f->fop, p + FOP, 2);
	memcpy(&f->fip, p + FIP, 8);
	memcpy(&f->fdp, p + FDP, 8);
	memcpy(&f->mxcsr, p + MXCSR, 4);
	memcpy(&f->mxcsr_mask, p + MXCSR_MASK, 4);
	memcpy(f->st, p + ST, sizeof(f->st));
	memcpy(f->xmm, p + XMM, sizeof(f->xmm));
	if (has_avx(v->vm))
		memcpy(f->ymmh, p + YMMH, sizeof(f->ymmh));
	return 0;
}

static void store(uint8_t *p, const vma_x86_fpu_regs *f)
{
	memcpy(p + FCW, &f->fcw, 2);
	memcpy(p + FSW, &f->fsw, 2);
	p[FTW] = f->ftw;
	memcpy(p + FOP, &f->fop, 2);
	memcpy(p + FIP, &f->fip, 8);
	memcpy(p + FDP, &f->fdp, 8);
	memcpy(p + MXCSR, &f->mxcsr, 4);
	memcpy(p + ST, f->st, sizeof(f->st));
	memcpy(p + XMM, f->xmm, sizeof(f->xmm));
}

int vma_x86_set_fpu_regs(vma_vcpu *v, const vma_x86_fpu_regs *f)
{
	struct vma_x86_state *base;
	uint64_t bv;
	uint8_t *p;
	int rc = enter_xsave(v, f);

	if (!rc && f->mxcsr & ~(uint32_t)MXCSR_BITS)
		rc = vma_fail(VMA_E_INVALID, "MXCSR %#x has reserved bits", f->mxcsr);
	if (!rc && !has_avx(v->vm) && !all_zero(&f->ymmh[0][0], sizeof(f->ymmh)))
		rc = vma_fail(VMA_E_FEATURE, "ymmh is not zero, and this VM's CPU model has no avx");
	if (!rc)
		rc = vma_state_base(v, VMA_C_XSAVE, &base);
	if (rc)
		return rc;
	p = os_aligned(64, (v->vm->xsave_size + 63u) & ~63u);
	if (!p)
		return vma_fail(VMA_E_NOMEM, "no memory for an XSAVE image");
	memcpy(p, base->xsave, v->vm->xsave_size);
	store(p, f);
	memcpy(&bv, p + XSTATE_BV, 8);
	if (has_avx(v->vm)) {
		memcpy(p + YMMH, f->ymmh, sizeof(f->ymmh));
		bv |= 4;
		memcpy(p + XSTATE_BV, &bv, 8);
	}
	vma_normal_xsave(p, v->vm->xsave_size);
	rc = vma_state_put(v, VMA_C_XSAVE, p);
	os_free(p);
	return rc;
}
