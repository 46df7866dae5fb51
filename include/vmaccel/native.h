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

/* The partition of a WHPX VM, a WHV_PARTITION_HANDLE, from vma_vm_finalize to vma_vm_destroy, into *partition; the index
 * of a vCPU's virtual processor is vma_vcpu_index. It stays the library's: do not delete it, its processors, or mappings
 * that are the library's. Registers that the library has names for are not to be touched there: it holds back what was
 * set and what an exit's answer changed until the next run, and does not look for what others set.
 *
 * 0. On an error *partition is NULL: VMA_E_STATE before vma_vm_finalize, VMA_E_NO_ACCEL on another accelerator. Any
 * thread. */
VMA_API int vma_native_whpx_partition(vma_vm *vm, void **partition);

#ifdef __cplusplus
}
#endif
#endif
