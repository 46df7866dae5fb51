/* native.c - native.h: handing out the platform's own handles. */
#include <vmaccel/native.h>
#include "core/internal.h"

static int native(vma_vm *vm, vma_vcpu *v, vma_accel accel, int what, void **handle)
{
	int rc;

	if (!vm)
		return vma_fail(VMA_E_INVALID, "the VM or vCPU is NULL");
	if (vm->be->accel != accel || !vm->be->native)
		return vma_fail(VMA_E_NO_ACCEL, "%s has no %s", vm->info.name,
				accel == VMA_ACCEL_KVM ? "KVM file descriptors" : "partition of WinHvPlatform.dll");
	os_lock(&vm->lock);
	rc = vm->be->native(vm, v, what, handle);
	os_unlock(&vm->lock);
	return rc;
}

int vma_native_kvm_vm(vma_vm *vm)
{
	return native(vm, NULL, VMA_ACCEL_KVM, VMA_NATIVE_VM, NULL);
}

int vma_native_kvm_vcpu(vma_vcpu *vcpu)
{
	return native(vma_vcpu_vm(vcpu), vcpu, VMA_ACCEL_KVM, VMA_NATIVE_VCPU, NULL);
}

int vma_native_kvm_system(vma_vm *vm)
{
	return native(vm, NULL, VMA_ACCEL_KVM, VMA_NATIVE_SYSTEM, NULL);
}

int vma_native_whpx_partition(vma_vm *vm, void **partition)
{
	if (!partition)
		return vma_fail(VMA_E_INVALID, "the place for the partition is NULL");
	*partition = NULL;
	return native(vm, NULL, VMA_ACCEL_WHPX, VMA_NATIVE_VM, partition);
}
