/* pc_exit.c - accesses of the guest to the controllers, as the exits of a back end that has none: answered where they
 * stand. */
#include "pc/pc.h"

static bool answer_mmio(struct pc_vcpu *pv)
{
	struct vma_vcpu *v = pv->v;
	struct pc_vm *pc = v->vm->pc;
	int r;

	os_lock(&pc->lock);
	r = v->exit.mmio.write
		? irq_pc_mmio_write(&pc->chips, v->index, v->exit.mmio.gpa, v->exit.mmio.data, v->exit.mmio.length)
		: irq_pc_mmio_read(&pc->chips, v->index, v->exit.mmio.gpa, v->exit.mmio.data, v->exit.mmio.length);
	os_unlock(&pc->lock);
	return r == IRQ_OK;
}

static bool answer_io(struct pc_vcpu *pv)
{
	struct vma_vcpu *v = pv->v;
	struct pc_vm *pc = v->vm->pc;
	int r;

	if (!irq_pc_has_port(v->exit.io.port))
		return false;
	os_lock(&pc->lock);
	r = irq_pc_ports(&pc->chips, v->exit.io.port, v->exit.io.width, v->exit.io.write, v->exit.io.data,
			 v->exit.io.count);
	os_unlock(&pc->lock);
	return r == IRQ_OK;
}

static bool callers_msr(const struct vma_vm *vm, uint32_t index, bool write)
{
	for (size_t i = 0; i < vm->pc->callers_ranges; i++) {
		const struct vma_msr_range *r = &vm->msr_ranges[i];

		if (index >= r->first && index - r->first < r->count && r->access & (write ? 2 : 1))
			return true;
	}
	return false;
}

static int access_msr(struct pc_vcpu *pv, uint32_t index)
{
	struct vma_vcpu *v = pv->v;
	struct pc_vm *pc = v->vm->pc;
	int r;

	if (index == PC_TSC_DEADLINE && (!pc->has_deadline || pc_anchor_tsc(pv)))
		return IRQ_FAULT;
	os_lock(&pc->lock);
	r = v->exit.msr.write ? irq_pc_wrmsr(&pc->chips, v->index, index, v->exit.msr.value)
			      : irq_pc_rdmsr(&pc->chips, v->index, index, &v->exit.msr.value);
	os_unlock(&pc->lock);
	if (r == IRQ_OK && index == PC_APIC_BASE && v->exit.msr.write)
		pv->base_moved = true;
	return r;
}

static bool answer_msr(struct pc_vcpu *pv)
{
	struct vma_vcpu *v = pv->v;
	uint32_t index = v->exit.msr.index;

	if (!pc_owns_msr(index) || callers_msr(v->vm, index, v->exit.msr.write))
		return false;
	v->exit.msr.fault = access_msr(pv, index) != IRQ_OK;
	return true;
}

bool pc_answer(struct pc_vcpu *pv, int kind)
{
	switch (kind) {
	case VMA_EXIT_MMIO:
		return answer_mmio(pv);
	case VMA_EXIT_IO:
		return answer_io(pv);
	case VMA_EXIT_MSR:
		return answer_msr(pv);
	default:
		return false;
	}
}
