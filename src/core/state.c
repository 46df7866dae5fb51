/* state.c - the vCPU's cached state: fetched when looked at, committed when it must take effect, and queued while an exit
 * waits for its completion (reads show the state before the completion, writes come after it). What the classes hold is
 * the architecture's: state_x86.c, state_arm64.c. */
#include "core/internal.h"

int vma_state_flush(vma_vcpu *v)
{
	int rc;

	if (!v->dirty)
		return 0;
	rc = v->vm->be->commit(v, v->dirty);
	/* On failure they stay dirty: no run happens with half a state. */
	if (rc)
		return rc;
	v->dirty = 0;
	v->gpr_dirty = 0;
	return 0;
}

int vma_state_need(vma_vcpu *v, uint32_t classes)
{
	uint32_t missing = classes & ~v->valid;
	int rc = 0;

	if (!missing)
		return 0;
	if (missing & v->vm->arch->coupled && v->dirty & v->vm->arch->coupled)
		rc = vma_state_flush(v);
	if (!rc)
		rc = v->vm->be->fetch(v, missing);
	if (rc)
		return rc;
	v->valid |= missing;
	if (v->vm->arch->fetched)
		v->vm->arch->fetched(v, missing);
	return 0;
}

void vma_state_mark(vma_vcpu *v, uint32_t class)
{
	uint32_t coupled = v->vm->arch->coupled;

	v->valid |= class;
	v->dirty |= class;
	if (class & coupled)
		v->valid &= ~(coupled & ~class & ~v->dirty);
}

int vma_state_uncouple(vma_vcpu *v, uint32_t class)
{
	uint32_t coupled = v->vm->arch->coupled;

	return class & coupled && v->dirty & coupled & ~class ? vma_state_flush(v) : 0;
}

int vma_state_completed(vma_vcpu *v)
{
	int rc;

	v->valid = 0;
	v->exit.pending = 0;
	if (!v->queued)
		return 0;
	rc = v->vm->arch->apply_queue(v, v->queued);
	/* If a class could not be fetched to be laid over, the queue stays: the next call tries again. */
	if (rc)
		return rc;
	v->queued = v->gpr_queued = v->dregs_queued = 0;
	v->sregs_queued = 0;
	return 0;
}
