/* translate.c - WHvTranslateGva, and what a CPUID instruction would read. */
#include "whpsim.h"

enum {
	KNOWN = WHvTranslateGvaFlagValidateRead | WHvTranslateGvaFlagValidateWrite |
		WHvTranslateGvaFlagValidateExecute | WHvTranslateGvaFlagPrivilegeExempt |
		WHvTranslateGvaFlagSetPageTableBits | WHvTranslateGvaFlagEnforceSmap | WHvTranslateGvaFlagOverrideSmap
};
enum { CR4_SMAP = 1 << 21 };

static unsigned access_of(const struct x86_cpu *c, uint32_t flags)
{
	unsigned access = flags & WHvTranslateGvaFlagSetPageTableBits ? 0 : X86_ACC_LOOK;
	if (flags & WHvTranslateGvaFlagValidateWrite)
		access |= X86_ACC_WRITE;
	if (flags & WHvTranslateGvaFlagValidateExecute)
		access |= X86_ACC_EXEC;
	if (c->cpl == 3 && !(flags & WHvTranslateGvaFlagPrivilegeExempt))
		access |= X86_ACC_USER;
	if (flags & WHvTranslateGvaFlagEnforceSmap)
		access |= X86_ACC_SYSTEM;
	return access;
}

/* The walk, with SMAP as the flags want it. */
static bool walk(struct x86_cpu *c, uint64_t gva, uint32_t flags, uint64_t *gpa, unsigned *error)
{
	uint64_t cr4 = c->cr4;
	bool exempt = flags & (WHvTranslateGvaFlagOverrideSmap | WHvTranslateGvaFlagPrivilegeExempt);
	if (exempt)
		c->cr4 &= ~(uint64_t)CR4_SMAP;
	bool ok = x86_walk(c, gva, access_of(c, flags), gpa, error);
	c->cr4 = cr4;
	return ok;
}

static WHV_TRANSLATE_GVA_RESULT_CODE failed(unsigned error)
{
	enum { P = 1, RESERVED = 8 };
	if (error == X86_NO_TABLE)
		return WHvTranslateGvaResultGpaUnmapped;
	if (!(error & P))
		return WHvTranslateGvaResultPageNotPresent;
	return error & RESERVED ? WHvTranslateGvaResultInvalidPageTableFlags : WHvTranslateGvaResultPrivilegeViolation;
}

static WHV_TRANSLATE_GVA_RESULT_CODE mapped(struct whpsim_partition *p, uint64_t gpa, uint32_t flags)
{
	const struct whpsim_region *r = whpsim_region_at(p, gpa);
	if (!r)
		return WHvTranslateGvaResultGpaUnmapped;
	if (flags & WHvTranslateGvaFlagValidateRead && !(r->flags & WHvMapGpaRangeFlagRead))
		return WHvTranslateGvaResultGpaNoReadAccess;
	if (flags & WHvTranslateGvaFlagValidateWrite && !(r->flags & WHvMapGpaRangeFlagWrite))
		return WHvTranslateGvaResultGpaNoWriteAccess;
	if (flags & WHvTranslateGvaFlagValidateExecute && !(r->flags & WHvMapGpaRangeFlagExecute))
		return WHvTranslateGvaResultGpaNoReadAccess;
	return WHvTranslateGvaResultSuccess;
}

static void translate(struct whpsim_vp *vp, uint64_t gva, uint32_t flags, WHV_TRANSLATE_GVA_RESULT *result,
		      uint64_t *gpa)
{
	unsigned error = 0;
	uint64_t at = 0;
	bool ok;
	if (vp->cpu->efer & 0x400 && (gva + (UINT64_C(1) << 47)) >> 48) {
		ok = false; /* no address: nothing is there */
	} else {
		whpsim_enter(vp);
		ok = walk(vp->cpu, gva, flags, &at, &error);
		whpsim_leave(vp);
	}
	pthread_mutex_lock(&vp->partition->lock);
	result->Reserved = 0;
	result->ResultCode = ok ? mapped(vp->partition, at, flags) : failed(error);
	pthread_mutex_unlock(&vp->partition->lock);
	*gpa = ok ? at : 0;
}

HRESULT WHvTranslateGva(WHV_PARTITION_HANDLE Partition, uint32_t VpIndex, WHV_GUEST_VIRTUAL_ADDRESS Gva,
			WHV_TRANSLATE_GVA_FLAGS TranslateFlags, WHV_TRANSLATE_GVA_RESULT *TranslationResult,
			WHV_GUEST_PHYSICAL_ADDRESS *Gpa)
{
	struct whpsim_vp *vp;
	if (!TranslationResult || !Gpa)
		return E_POINTER;
	if ((uint32_t)TranslateFlags & ~(uint32_t)KNOWN)
		return E_INVALIDARG;
	HRESULT r = whpsim_acquire(Partition, VpIndex, "WHvTranslateGva", &vp);
	if (r != S_OK)
		return r;
	translate(vp, Gva, (uint32_t)TranslateFlags, TranslationResult, Gpa);
	whpsim_release(vp);
	return S_OK;
}

HRESULT WHvGetVirtualProcessorCpuidOutput(WHV_PARTITION_HANDLE Partition, uint32_t VpIndex, uint32_t Eax, uint32_t Ecx,
					  WHV_CPUID_OUTPUT *CpuidOutput)
{
	struct whpsim_vp *vp;
	uint32_t out[4] = {0};
	if (!CpuidOutput)
		return E_POINTER;
	HRESULT r = whpsim_acquire(Partition, VpIndex, "WHvGetVirtualProcessorCpuidOutput", &vp);
	if (r != S_OK)
		return r;
	vp->env.cpuid(vp, Eax, Ecx, out);
	*CpuidOutput = (WHV_CPUID_OUTPUT){out[0], out[1], out[2], out[3]};
	whpsim_release(vp);
	return S_OK;
}
