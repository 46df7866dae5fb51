/* kvm_park.c - destroyed vCPUs. KVM has no call to remove a vCPU from a VM: its number stays taken until the VM goes
 * (KVM_CREATE_VCPU answers EEXIST). So the descriptor of a destroyed one is kept, and the next vCPU of that number is
 * made out of it. */
#include <errno.h>
#include <string.h>
#include "kvm/kvm.h"

enum { DRAIN_MAX = 64, X2APIC = 1 << 10 };

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

/* The local APIC after RESET (SDM vol. 3, 11.4.7.1); in xAPIC mode, which the APIC base has to be in first. */
static int reset_lapic(struct vma_vcpu *v)
{
	static const struct {
		uint16_t at;
		uint32_t value;
	} resets[] = {{0xe0, 0xffffffff}, {0xf0, 0xff},     {0x320, 0x10000}, {0x330, 0x10000},
		      {0x340, 0x10000},   {0x350, 0x10000}, {0x360, 0x10000}, {0x370, 0x10000}};
	struct kvm_lapic_state apic, old;
	struct kvm_sregs sregs;
	uint32_t id = v->index << 24;
	int rc = vma_kvm_vcpu_ioctl(v, KVM_GET_SREGS, &sregs);

	sregs.apic_base &= ~(uint64_t)X2APIC;
	if (!rc)
		rc = vma_kvm_vcpu_ioctl(v, KVM_SET_SREGS, &sregs);
	if (!rc)
		rc = vma_kvm_vcpu_ioctl(v, KVM_GET_LAPIC, &old);
	if (rc)
		return rc;
	memset(&apic, 0, sizeof(apic));
	memcpy(apic.regs + 0x20, &id, 4);
	memcpy(apic.regs + 0x30, old.regs + 0x30, 4); /* version */
	for (size_t i = 0; i < sizeof(resets) / sizeof(resets[0]); i++)
		memcpy(apic.regs + resets[i].at, &resets[i].value, 4);
	return vma_kvm_vcpu_ioctl(v, KVM_SET_LAPIC, &apic);
}

/* An exit may still wait for its completion; the core writes all other state. */
int vma_kvm_renew(struct vma_vcpu *v)
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
	if (vma_kvm_host.debug)
		rc = vma_kvm_vcpu_ioctl(v, KVM_SET_GUEST_DEBUG, &no_debug);
	else
		rc = 0;
	return !rc && v->vm->config.irqchip == VMA_IRQCHIP_PLATFORM ? reset_lapic(v) : (int)rc;
}
