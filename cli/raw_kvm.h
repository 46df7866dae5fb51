/* raw_kvm.h - between raw_kvm.c and what of the bare ioctls differs between architectures: raw_kvm_x86.c,
 * raw_kvm_arm64.c. */
#ifndef CLI_RAW_KVM_H
#define CLI_RAW_KVM_H

#include "bench.h"

#include <linux/kvm.h>

/* Each returns NULL, or the call that failed with errno set. */
const char *raw_host(int kvm);             /* once: what every machine is made with */
unsigned long raw_vm_type(int kvm);        /* for KVM_CREATE_VM */
const char *raw_vm(int vm);                /* a new VM */
/* a new vCPU: features, and the state the library gives it before its first run */
const char *raw_vcpu(int vm, int vcpu);
int raw_at_exit(const struct kvm_run *run); /* 1: the loop's device access */
const char *raw_get_regs(int vcpu, union bench_regs *regs);
/* all but the program counter, or with it where one ioctl writes all */
const char *raw_set_regs(int vcpu, const union bench_regs *regs);
extern const vma_arch raw_arch;

#endif
