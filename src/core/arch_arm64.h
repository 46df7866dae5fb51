/* arch_arm64.h - what the files of the core's half for arm64 give to its table, struct vma_arch_ops. */
#ifndef VMA_ARCH_ARM64_H
#define VMA_ARCH_ARM64_H

#include "core/internal.h"

int vma_vm_init_arm64(vma_vm *vm);
int vma_first_state_arm64(vma_vcpu *v);
int vma_apply_queue_arm64(vma_vcpu *v, uint32_t queued);
int vma_merge_early_arm64(vma_vcpu *v);
int vma_get_arm64(vma_vcpu *v, const uint32_t *ids, uint64_t *values, size_t count);
int vma_set_arm64(vma_vcpu *v, const uint32_t *ids, const uint64_t *values, size_t count);
int vma_get_mp_arm64(vma_vcpu *v, vma_mp *mp);
int vma_set_mp_arm64(vma_vcpu *v, vma_mp mp);
const char *vma_reg_name_arm64(uint32_t id);
int vma_reg_parse_arm64(const char *name, uint32_t *id);
void vma_reg_list_arm64(uint32_t *ids, size_t *count);
int vma_reset_arm64(vma_vcpu *v);
int vma_translate_arm64(vma_vcpu *v, uint64_t gva, uint32_t access, vma_translation *out);
int vma_check_break_arm64(const vma_debug *d, uint32_t i);
int vma_save_arm64(vma_vcpu *v, void *buf, size_t *size, uint32_t flags);
int vma_restore_arm64(vma_vcpu *v, const void *buf, size_t size, uint32_t flags, const vma_report *report);

/* Writes: into the cache, or with a pending exit into the queue. Values are checked. */
int vma_arm64_put_gpr(vma_vcpu *v, const vma_arm64_regs *regs, uint64_t which);
int vma_arm64_put(vma_vcpu *v, uint32_t class, const void *data); /* FP, EVENTS, MP as a whole */
int vma_arm64_put_sve(vma_vcpu *v, vma_arm64_sve *sve); /* VMA_C_FP is not dirty, no exit pending */
int vma_check_pstate(uint64_t pstate);
int vma_check_events_arm64(const vma_arm64_events *e);
enum vma_sysreg_kind { VMA_SYSREG_STATE, VMA_SYSREG_ID, VMA_SYSREG_TIME };
enum vma_sysreg_kind vma_sysreg_kind(uint32_t id);
enum { VMA_SYSREGS_MAX = 512 }; /* of one vCPU */

#endif
