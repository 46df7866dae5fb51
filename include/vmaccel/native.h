/* native.h - handles of the platform below, for what the library does not cover. Outside the library's promise: what is
 * done with them behind its back is not checked, not saved, and may end differently in the next version. */
#ifndef VMACCEL_NATIVE_H
#define VMACCEL_NATIVE_H

#include <vmaccel/vmaccel.h>

#ifdef __cplusplus
extern "C" {
#endif

/* File descriptors of a KVM VM, of its vCPU, and of /dev/kvm. They stay the library's: do not close them.
 * VMA_E_NO_ACCEL on another accelerator. */
VMA_API int vma_native_kvm_vm(vma_vm *vm);
VMA_API int vma_native_kvm_vcpu(vma_vcpu *vcpu);
VMA_API int vma_native_kvm_system(vma_vm *vm);

#ifdef __cplusplus
}
#endif
#endif
