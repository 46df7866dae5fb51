/* kvm_arm64.h - what the files of the KVM back end on arm64 share beyond kvm.h. */
#ifndef VMA_KVM_ARM64_H
#define VMA_KVM_ARM64_H

#include "kvm/kvm.h"

/* Learnt once a process by the probe. */
struct vma_kvm_arm64_host {
	unsigned ipa_bits;
	unsigned long vm_type; /* for KVM_CREATE_VM */
	bool ptrauth, pmu, sve, nisv, serror_esr;
	unsigned breakpoints, watchpoints;
};
extern struct vma_kvm_arm64_host vma_kvm_arm64;

/* kvm_arm64_gic.c */
int vma_kvm_gic_check(struct vma_vm *vm, const vma_arm64_gic *gic);
int vma_kvm_gic_create(struct vma_vm *vm); /* before the vCPUs */
int vma_kvm_gic_init(struct vma_vm *vm);   /* when all vCPUs are there */
void vma_kvm_gic_close(struct vma_vm *vm);
int vma_kvm_gic_reg(struct vma_vm *vm, enum vma_gic_frame frame, uint32_t vcpu, uint32_t offset, bool write,
		    uint64_t *value);
int vma_kvm_spi(struct vma_vm *vm, uint32_t gsi, int level);
int vma_kvm_ppi(struct vma_vm *vm, uint32_t vcpu, uint32_t intid, int level);
int vma_kvm_cpu_line(struct vma_vcpu *v, bool fiq, int level);
/* false: not there */
bool vma_kvm_msi_frame(struct vma_vm *vm, uint64_t gpa, unsigned length, bool write, uint8_t *data);
bool vma_kvm_gic_holds(const struct vma_vm *vm, uint64_t gpa); /* in a frame of KVM's GIC */
/* kvm_arm64_vcpu.c */
int vma_kvm_arm64_open(struct vma_vcpu *v);
void vma_kvm_arm64_close(struct vma_vcpu *v);
int vma_kvm_arm64_run(struct vma_vcpu *v);
int vma_kvm_arm64_complete(struct vma_vcpu *v);
int vma_kvm_arm64_init(struct vma_vm *vm, uint32_t index, int fd); /* KVM_ARM_VCPU_INIT */
/* kvm_arm64_sve.c. init: between KVM_ARM_VCPU_INIT and anything else */
int vma_kvm_sve_init(struct vma_vm *vm, int fd);
int vma_kvm_sve_length(struct vma_vcpu *v); /* sets v->sve */
int vma_kvm_sve(struct vma_vcpu *v, vma_arm64_sve *s, bool write);
int vma_kvm_sve_get_v(struct vma_vcpu *v, uint8_t to[32][16]); /* VMA_C_FP's share */
int vma_kvm_sve_set_v(struct vma_vcpu *v, uint8_t from[32][16]);
int vma_kvm_arm64_debug(struct vma_vcpu *v);
int vma_kvm_arm64_timers(struct vma_vcpu *v, uint32_t *lines);
/* kvm_arm64_nisv.c: KVM_EXIT_ARM_NISV. As vma_emul_begin_arm64 and vma_emul_answer_arm64; 0: go on */
int vma_kvm_nisv(struct vma_vcpu *v);
int vma_kvm_nisv_answer(struct vma_vcpu *v);
void vma_kvm_nisv_close(struct vma_vcpu *v);
int vma_kvm_arm64_ioeventfd(struct vma_vm *vm, const vma_ioeventfd *io, int assign);
/* kvm_arm64_state.c */
int vma_kvm_arm64_fetch(struct vma_vcpu *v, uint32_t classes);
int vma_kvm_arm64_commit(struct vma_vcpu *v, uint32_t classes);
int vma_kvm_get_sysregs(struct vma_vcpu *v, const uint32_t *ids, uint64_t *values, size_t count);
int vma_kvm_set_sysregs(struct vma_vcpu *v, const uint32_t *ids, const uint64_t *values, size_t count);
int vma_kvm_sysreg_list(struct vma_vcpu *v, uint32_t *ids, size_t *count);

#endif
