/* kvm_park.c - destroyed vCPUs. KVM has no call to remove a vCPU from a VM: its number stays taken until the VM goes
 * (KVM_CREATE_VCPU answers EEXIST). So the descriptor of a destroyed one is kept, and the next vCPU of that number is
 * made out of it. */
#include <errno.h>
#include <string.h>
#include "kvm/kvm.h"

int vma_kvm_park_open(struct vma_vm *vm)
{
	VMA_KVM_VM(vm)->parked = os_calloc(vm->config.max_vcpus, sizeof(int));
	return VMA_KVM_VM(vm)->parked ? 0 : vma_fail(VMA_E_NOMEM, "no memory for the list of vCPUs");
}

void vma_kvm_park_close(struct vma_vm *vm)
{
	int *parked = VMA_KVM_VM(vm)->parked;

	for (uint32_t i = 0; parked && i < vm->config.max_vcpus; i++)
		if (parked[i])
			os_close((parked[i] < 0 ? -parked[i] : parked[i]) - 1);
	os_free(parked);
	VMA_KVM_VM(vm)->parked = NULL;
}

void vma_kvm_park(struct vma_vcpu *v, int fd, bool ready)
{
	VMA_KVM_VM(v->vm)->parked[v->index] = ready ? fd + 1 : -(fd + 1);
}

int vma_kvm_unpark(struct vma_vcpu *v, bool *ready)
{
	int *place = &VMA_KVM_VM(v->vm)->parked[v->index], fd = (*place < 0 ? -*place : *place) - 1;

	*ready = *place > 0;
	*place = 0;
	return fd;
}

enum { DRAIN_MAX = 64 };

/* An exit may still wait for its completion. */
int vma_kvm_drain(struct vma_vcpu *v)
{
	struct vma_kvm_vcpu *k = v->priv;
	struct kvm_guest_debug no_debug = {0};
	long rc = 0;

	k->run->kvm_valid_regs = k->run->kvm_dirty_regs = 0;
	k->run->request_interrupt_window = 0;
	for (int i = 0; i < DRAIN_MAX && !rc; i++) {
		k->run->immediate_exit = 1;
		rc = os_ioctl(k->fd, KVM_RUN, NULL, "KVM_RUN");
	}
	k->run->immediate_exit = 0;
	if (rc && rc != -EINTR && rc != -EAGAIN)
		return vma_fail_os(rc, "KVM_RUN to complete a destroyed vCPU's exit");
	return vma_kvm_host.debug ? vma_kvm_vcpu_ioctl(v, KVM_SET_GUEST_DEBUG, &no_debug) : 0;
}
