/* kvm_arm64_nisv.c - KVM_EXIT_ARM_NISV (api.rst 5): loads and stores to no memory whose syndrome does not say what they
 * are - pairs, write-back, vectors, atomics. KVM leaves them undone; emul executes them. */
#include "emul/emul.h"
#include "kvm/kvm_arm64.h"

static bool device(struct vma_vcpu *v, uint64_t gpa, unsigned length, bool write, uint8_t *data)
{
	return vma_kvm_msi_frame(v->vm, gpa, length, write, data) ||
	       (write && vma_ioevent_hit(&VMA_KVM_VM(v->vm)->ioevents, false, gpa, length, data));
}

static const struct vma_emul_ops ops = {.device = device, .mark = vma_kvm_mark};

/* KVM keeps nothing of the exit: what emul says is the state. */
static int emulated(struct vma_vcpu *v, int kind)
{
	struct vma_kvm_vcpu *k = v->priv;

	k->emulating = kind == VMA_EXIT_MMIO || (kind < 0 && v->exit.pending);
	if (!kind)
		k->stepped = v->debug.single_step;
	if (kind == VMA_EXIT_INTERNAL)
		v->exit.internal.suberror = KVM_EXIT_ARM_NISV;
	return kind;
}

/* Registers of KVM's own GIC are behind KVM's decoder alone. */
int vma_kvm_nisv(struct vma_vcpu *v)
{
	struct vma_kvm_vcpu *k = v->priv;
	const uint64_t ipa = k->run->arm_nisv.fault_ipa;
	const uint32_t id = VMA_ARM64_PC;

	if (!vma_kvm_gic_holds(v->vm, ipa))
		return emulated(v, vma_emul_begin_arm64(v, &k->emul, &ops));
	v->exit.internal.suberror = KVM_EXIT_ARM_NISV;
	v->exit.internal.count = 3;
	v->exit.internal.data[0] = 0;
	v->exit.internal.data[2] = ipa;
	return vma_vcpu_get(v, &id, v->exit.internal.data + 1, 1) < 0 ? vma_fail(VMA_E_NATIVE, "%s", vma_why())
								      : VMA_EXIT_INTERNAL;
}

int vma_kvm_nisv_answer(struct vma_vcpu *v)
{
	return emulated(v, vma_emul_answer_arm64(v, VMA_KVM_VCPU(v)->emul));
}

/* KVM's own list answers the stores that it decodes. */
int vma_kvm_arm64_ioeventfd(struct vma_vm *vm, const vma_ioeventfd *io, int assign)
{
	struct vma_ioevents *list = &VMA_KVM_VM(vm)->ioevents;
	int rc = vma_kvm_ioeventfd(vm, io, assign);

	if (rc || !assign)
		return rc ? rc : vma_ioevent_remove(list, io);
	rc = vma_ioevent_add(list, io);
	if (rc)
		vma_kvm_ioeventfd(vm, io, 0);
	return rc;
}

void vma_kvm_nisv_close(struct vma_vcpu *v)
{
	vma_emul_free_arm64(VMA_KVM_VCPU(v)->emul);
	VMA_KVM_VCPU(v)->emul = NULL;
}
