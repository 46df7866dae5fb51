/* native.c - native.h: handing out the platform's own handles. */
#include <vmaccel/native.h>
#include "core/internal.h"

static int native(vma_vm *vm, vma_vcpu *v, int what)
{
	if (!vm)
		return vma_fail(VMA_E_INVALID, "the VM or vCPU is NULL");
	if (vm->be->accel != VMA_ACCEL_KVM || !vm->be->native)
		return vma_fail(VMA_E_NO_ACCEL, "%s has no KVM file descriptors", vm->info.name);
	return vm->be->native(vm, v, what);
}

int vma_native_kvm_vm(vma_vm *vm)
{
	return native(vm, NULL, VMA_NATIVE_VM);
}

int vma_native_kvm_vcpu(vma_vcpu *vcpu)
{
	return native(vma_vcpu_vm(vcpu), vcpu, VMA_NATIVE_VCPU);
}

int vma_native_kvm_system(vma_vm *vm)
{
	return native(vm, NULL, VMA_NATIVE_SYSTEM);
}
