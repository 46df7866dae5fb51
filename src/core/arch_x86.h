/* arch_x86.h - what the files of the core's half for x86 give to its table, struct vma_arch_ops. */
#ifndef VMA_ARCH_X86_H
#define VMA_ARCH_X86_H

#include "core/internal.h"

int vma_vm_init_x86(vma_vm *vm);
int vma_first_state_x86(vma_vcpu *v);
void vma_fetched_x86(vma_vcpu *v, uint32_t classes);
int vma_entering_x86(vma_vcpu *v);
int vma_apply_queue_x86(vma_vcpu *v, uint32_t queued);
int vma_merge_early_x86(vma_vcpu *v);
int vma_get_x86(vma_vcpu *v, const uint32_t *ids, uint64_t *values, size_t count);
int vma_set_x86(vma_vcpu *v, const uint32_t *ids, const uint64_t *values, size_t count);
int vma_get_mp_x86(vma_vcpu *v, vma_mp *mp);
int vma_set_mp_x86(vma_vcpu *v, vma_mp mp);
const char *vma_reg_name_x86(uint32_t id);
int vma_reg_parse_x86(const char *name, uint32_t *id);
void vma_reg_list_x86(uint32_t *ids, size_t *count);
int vma_reset_x86(vma_vcpu *v);
int vma_translate_x86(vma_vcpu *v, uint64_t gva, uint32_t access, vma_translation *out);
int vma_check_break_x86(const vma_debug *d, uint32_t i);
int vma_save_x86(vma_vcpu *v, void *buf, size_t *size, uint32_t flags);
int vma_restore_x86(vma_vcpu *v, const void *buf, size_t size, uint32_t flags, const vma_report *report);

#endif
