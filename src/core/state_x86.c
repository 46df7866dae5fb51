/* state_x86.c - writes into the cached state of an x86 vCPU, and into the queue behind a pending exit. */
#include <string.h>
#include "core/arch_x86.h"

void vma_fetched_x86(vma_vcpu *v, uint32_t classes)
{
	if (classes & VMA_C_SREGS)
		vma_normal_sregs(&v->x86.sregs);
	if (classes & VMA_C_XSAVE)
		vma_normal_xsave(v->x86.xsave, v->vm->xsave_size);
}

int vma_state_base(vma_vcpu *v, uint32_t class, struct vma_x86_state **base)
{
	int rc = vma_state_need(v, class);

	*base = &v->x86;
	if (rc || !(v->queued & class))
		return rc;
	/* The queue holds whole structs: what was not queued is as it is now. */
	if (class == VMA_C_SREGS || class == VMA_C_DREGS) {
		for (size_t i = 0; i < vma_reg_count; i++) {
			const struct vma_reg *r = vma_regs + i;
			uint64_t mask = class == VMA_C_SREGS ? v->sregs_queued : v->dregs_queued;
			if (r->class == class && !(mask >> r->bit & 1))
				vma_reg_store(r, &v->queue, vma_reg_load(r, &v->x86));
		}
	}
	*base = &v->queue;
	return 0;
}

/* ------ copying ------ */

static void copy_gpr(vma_x86_regs *to, const vma_x86_regs *from, uint32_t which)
{
	uint64_t *t = (uint64_t *)to;
	const uint64_t *f = (const uint64_t *)from;

	for (unsigned i = 0; i < VMA_X86_GPR_END; i++)
		if (which >> i & 1)
			t[i] = f[i];
	to->rflags = VMA_RFLAGS_NORMAL(to->rflags);
}

static void copy_masked(struct vma_x86_state *to, const struct vma_x86_state *from, uint32_t class, uint64_t which)
{
	for (size_t i = 0; i < vma_reg_count; i++)
		if (vma_regs[i].class == class && which >> vma_regs[i].bit & 1)
			vma_reg_store(vma_regs + i, to, vma_reg_load(vma_regs + i, from));
}

static void copy_whole(const vma_vcpu *v, struct vma_x86_state *to, uint32_t class, const void *data)
{
	switch (class) {
	case VMA_C_XCR0:
		memcpy(&to->xcr0, data, sizeof(to->xcr0));
		break;
	case VMA_C_XSAVE:
		memcpy(to->xsave, data, v->vm->xsave_size);
		break;
	case VMA_C_EVENTS:
		memcpy(&to->events, data, sizeof(to->events));
		break;
	case VMA_C_MP:
		memcpy(&to->mp, data, sizeof(to->mp));
		break;
	case VMA_C_LAPIC:
		memcpy(to->lapic, data, sizeof(to->lapic));
		break;
	}
}

/* The class's place in a state, for copy_whole. */
static const void *whole_of(const struct vma_x86_state *s, uint32_t class)
{
	return class == VMA_C_XCR0     ? (const void *)&s->xcr0
	       : class == VMA_C_XSAVE  ? s->xsave
	       : class == VMA_C_EVENTS ? (const void *)&s->events
	       : class == VMA_C_MP     ? (const void *)&s->mp
				       : s->lapic;
}

/* ------ writing ------ */

int vma_state_put_gpr(vma_vcpu *v, const vma_x86_regs *regs, uint32_t which)
{
	int rc;

	if (v->exit.pending) {
		copy_gpr(&v->queue.gpr, regs, which);
		v->gpr_queued |= which;
		v->queued |= VMA_C_GPR;
		return 0;
	}
	rc = which == VMA_X86_ALL_REGS ? 0 : vma_state_need(v, VMA_C_GPR);
	if (rc)
		return rc;
	copy_gpr(&v->x86.gpr, regs, which);
	v->gpr_dirty |= which;
	vma_state_mark(v, VMA_C_GPR);
	return 0;
}

int vma_state_put_sregs(vma_vcpu *v, const vma_x86_sregs *sregs, uint64_t which)
{
	struct vma_x86_state from = {.sregs = *sregs};
	int rc;

	vma_normal_sregs(&from.sregs);
	if (v->exit.pending) {
		copy_masked(&v->queue, &from, VMA_C_SREGS, which);
		v->sregs_queued |= which;
		v->queued |= VMA_C_SREGS;
		return 0;
	}
	rc = vma_state_uncouple(v, VMA_C_SREGS);
	if (!rc && which != VMA_SREGS_ALL)
		rc = vma_state_need(v, VMA_C_SREGS);
	if (rc)
		return rc;
	if (which == VMA_SREGS_ALL)
		v->x86.sregs = from.sregs;
	else
		copy_masked(&v->x86, &from, VMA_C_SREGS, which);
	vma_state_mark(v, VMA_C_SREGS);
	return 0;
}

int vma_state_put_dregs(vma_vcpu *v, const vma_x86_dregs *dregs, uint32_t which)
{
	struct vma_x86_state from = {.dregs = *dregs};
	int rc;

	from.dregs.dr6 = VMA_DR6_NORMAL(from.dregs.dr6);
	from.dregs.dr7 = VMA_DR7_NORMAL(from.dregs.dr7);
	if (v->exit.pending) {
		copy_masked(&v->queue, &from, VMA_C_DREGS, which);
		v->dregs_queued |= which;
		v->queued |= VMA_C_DREGS;
		return 0;
	}
	rc = which == VMA_DREGS_ALL ? 0 : vma_state_need(v, VMA_C_DREGS);
	if (rc)
		return rc;
	copy_masked(&v->x86, &from, VMA_C_DREGS, which);
	vma_state_mark(v, VMA_C_DREGS);
	return 0;
}

int vma_state_put(vma_vcpu *v, uint32_t class, const void *data)
{
	int rc;

	if (v->exit.pending) {
		copy_whole(v, &v->queue, class, data);
		v->queued |= class;
		return 0;
	}
	rc = vma_state_uncouple(v, class);
	if (rc)
		return rc;
	copy_whole(v, &v->x86, class, data);
	vma_state_mark(v, class);
	v->error_code |= class == VMA_C_EVENTS && v->x86.events.exception_has_error;
	return 0;
}

/* Real mode pushes no error code (SDM vol. 3, 21.1.4); VMX and SVM refuse to enter with one or push it all the same. Not
 * before the entry is it known which mode the event meets: it may have been set before CR0 was. */
int vma_entering_x86(vma_vcpu *v)
{
	enum { CR0_PE = 1 };
	vma_x86_events e;
	int rc;

	if (!v->error_code)
		return 0;
	rc = vma_state_need(v, VMA_C_EVENTS | VMA_C_SREGS);
	if (rc)
		return rc;
	v->error_code = false;
	e = v->x86.events;
	if (!e.exception_has_error || v->x86.sregs.cr0 & CR0_PE)
		return 0;
	e.exception_has_error = 0;
	e.exception_error = 0;
	return vma_state_put(v, VMA_C_EVENTS, &e);
}

/* ------ completion ------ */

int vma_apply_queue_x86(vma_vcpu *v, uint32_t queued)
{
	static const uint32_t wholes[] = {VMA_C_XCR0, VMA_C_XSAVE, VMA_C_EVENTS, VMA_C_MP, VMA_C_LAPIC};
	int rc = 0;

	if (queued & VMA_C_GPR)
		rc = vma_state_put_gpr(v, &v->queue.gpr, v->gpr_queued);
	if (!rc && queued & VMA_C_SREGS)
		rc = vma_state_put_sregs(v, &v->queue.sregs, v->sregs_queued);
	if (!rc && queued & VMA_C_DREGS)
		rc = vma_state_put_dregs(v, &v->queue.dregs, v->dregs_queued);
	for (size_t i = 0; !rc && i < VMA_COUNT(wholes); i++)
		if (queued & wholes[i])
			rc = vma_state_put(v, wholes[i], whole_of(&v->queue, wholes[i]));
	return rc;
}

int vma_merge_early_x86(vma_vcpu *v)
{
	int rc;

	if (v->queued != VMA_C_GPR || v->gpr_queued & VMA_X86_REG_BIT(VMA_X86_RIP) || !v->completes_rip_only)
		return 0;
	rc = vma_state_need(v, VMA_C_GPR);
	if (rc)
		return rc;
	copy_gpr(&v->x86.gpr, &v->queue.gpr, v->gpr_queued);
	v->gpr_dirty = v->gpr_queued;
	/* Not by way of v->dirty: were this commit to fail, a completion must not find it. */
	rc = v->vm->be->commit(v, VMA_C_GPR);
	v->gpr_dirty = 0;
	if (rc) {
		v->valid &= ~(uint32_t)VMA_C_GPR;
		return rc;
	}
	v->queued = v->gpr_queued = 0;
	return 1;
}
