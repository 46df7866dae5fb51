/* state_arm64.c - writes into the cached state of an arm64 vCPU, and into the queue behind a pending exit. System registers
 * are not cached. */
#include <string.h>
#include "core/arch_arm64.h"

/* What all accelerators keep of PSTATE, in SPSR's layout (Arm ARM C5.2.19). */
enum { MODE_EL0T = 0, MODE_EL1T = 4, MODE_EL1H = 5 };
#define PSTATE_KNOWN UINT64_C(0xf3f01fdf) /* N Z C V TCO DIT UAO PAN SS IL SSBS BTYPE D A I F M[4:0] */

int vma_check_pstate(uint64_t pstate)
{
	const unsigned mode = pstate & 0x1f;

	if (pstate & ~PSTATE_KNOWN || (mode != MODE_EL0T && mode != MODE_EL1T && mode != MODE_EL1H))
		return vma_fail(VMA_E_INVALID, "PSTATE %#llx: AArch64's EL0t (0), EL1t (4) and EL1h (5) are allowed, bits %#llx",
				(unsigned long long)pstate, (unsigned long long)PSTATE_KNOWN);
	return 0;
}

int vma_check_events_arm64(const vma_arm64_events *e)
{
	if (e->irq_line > 1 || e->fiq_line > 1 || e->serror_pending > 1 || e->serror_has_esr > 1 || e->serror_esr >> 25)
		return vma_fail(VMA_E_INVALID, "events: a flag is not 0 or 1, or the ISS %#llx has more than 25 bits",
				(unsigned long long)e->serror_esr);
	return 0;
}

static void copy_gpr(vma_arm64_regs *to, const vma_arm64_regs *from, uint64_t which)
{
	uint64_t *t = (uint64_t *)to;
	const uint64_t *f = (const uint64_t *)from;

	for (unsigned i = 0; i < VMA_ARM64_GPR_END; i++)
		if (which >> i & 1)
			t[i] = f[i];
}
_Static_assert(sizeof(vma_arm64_regs) == VMA_ARM64_GPR_END * sizeof(uint64_t), "members in the order of the ids");

/* The class's place in a state. */
static void *whole_of(struct vma_arm64_state *s, uint32_t class, size_t *size)
{
	switch (class) {
	case VMA_C_FP:
		*size = sizeof(s->fp);
		return &s->fp;
	case VMA_C_EVENTS:
		*size = sizeof(s->events);
		return &s->events;
	default:
		*size = sizeof(s->mp);
		return &s->mp;
	}
}

int vma_arm64_put_gpr(vma_vcpu *v, const vma_arm64_regs *regs, uint64_t which)
{
	int rc;

	if (v->exit.pending) {
		copy_gpr(&v->arm64_queue.gpr, regs, which);
		v->gpr_queued |= which;
		v->queued |= VMA_C_GPR;
		return 0;
	}
	rc = which == VMA_ARM64_ALL_REGS ? 0 : vma_state_need(v, VMA_C_GPR);
	if (rc)
		return rc;
	copy_gpr(&v->arm64.gpr, regs, which);
	v->gpr_dirty |= which;
	vma_state_mark(v, VMA_C_GPR);
	return 0;
}

int vma_arm64_put(vma_vcpu *v, uint32_t class, const void *data)
{
	size_t size;
	void *to = whole_of(v->exit.pending ? &v->arm64_queue : &v->arm64, class, &size);

	memmove(to, data, size);
	if (v->exit.pending)
		v->queued |= class;
	else
		vma_state_mark(v, class);
	return 0;
}

int vma_apply_queue_arm64(vma_vcpu *v, uint32_t queued)
{
	static const uint32_t wholes[] = {VMA_C_FP, VMA_C_EVENTS, VMA_C_MP};
	int rc = 0;
	size_t size;

	if (queued & VMA_C_GPR)
		rc = vma_arm64_put_gpr(v, &v->arm64_queue.gpr, v->gpr_queued);
	for (size_t i = 0; !rc && i < VMA_COUNT(wholes); i++)
		if (queued & wholes[i])
			rc = vma_arm64_put(v, wholes[i], whole_of(&v->arm64_queue, wholes[i], &size));
	return rc;
}

int vma_merge_early_arm64(vma_vcpu *v)
{
	int rc;

	if (v->queued != VMA_C_GPR || v->gpr_queued & VMA_ARM64_REG_BIT(VMA_ARM64_PC) || !v->completes_rip_only)
		return 0;
	rc = vma_state_need(v, VMA_C_GPR);
	if (rc)
		return rc;
	copy_gpr(&v->arm64.gpr, &v->arm64_queue.gpr, v->gpr_queued);
	v->gpr_dirty = v->gpr_queued;
	/* Not by way of v->dirty: were this commit to fail, a completion must not find it. */
	rc = v->vm->be->commit(v, VMA_C_GPR);
	v->gpr_dirty = 0;
	if (rc) {
		v->valid &= ~(uint32_t)VMA_C_GPR;
		return rc;
	}
	v->queued = 0;
	v->gpr_queued = 0;
	return 1;
}
