/* internal.h - what the files of the core share among themselves and back ends need not know. */
#ifndef VMA_INTERNAL_H
#define VMA_INTERNAL_H

#include "core/core.h"

#define VMA_PAGE 4096u
#define VMA_COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ------ structs that may grow ------ */
/* Copy the caller's struct of *(uint32_t *)src bytes over zeroed dst. VMA_E_INVALID: smaller than `least` or with set
 * bytes that this library does not know. */
int vma_struct_in(void *dst, uint32_t dst_size, const void *src, uint32_t least, const char *what);

/* ------ platforms ------ */
const struct vma_backend *vma_backend_find(vma_accel accel, vma_arch arch);
/* The probed record, remembered. NULL: not compiled in. */
const vma_platform_info *vma_platform_probed(const struct vma_backend *be);
/* Count a VM in or out of the process-wide limit. */
int vma_platform_vm_in(const struct vma_backend *be);
void vma_platform_vm_out(const struct vma_backend *be);
int vma_measure(vma_accel accel, vma_arch arch, uint64_t *insns_per_second);

/* ------ one architecture's half of the core ------
 * Called with arguments that do not depend on the architecture checked, on the owner's thread where a vCPU is given. */
struct vma_arch_ops {
	int (*vm_init)(vma_vm *vm); /* the model, after be->vm_open */
	int (*check_line)(const vma_vm *vm, uint32_t gsi);
	int (*msi)(vma_vm *vm, uint64_t address, uint32_t data);
	int (*vcpu_alloc)(vma_vcpu *v);
	void (*vcpu_free)(vma_vcpu *v);
	int (*first_state)(vma_vcpu *v); /* what waits for the first run, in the cache */
	uint32_t coupled; /* classes that must not be read or written while the other has something to say */
	void (*fetched)(vma_vcpu *v, uint32_t classes); /* canonical forms; may be NULL */
	int (*entering)(vma_vcpu *v); /* the last word on the state before it is flushed and entered; may be NULL */
	int (*apply_queue)(vma_vcpu *v, uint32_t queued);
	/* Before a run with a pending exit: merge queued general registers below the completion if that is exact. 1: done,
	 * 0: must complete first. */
	int (*merge_early)(vma_vcpu *v);
	int (*get)(vma_vcpu *v, const uint32_t *ids, uint64_t *values, size_t count);
	int (*set)(vma_vcpu *v, const uint32_t *ids, const uint64_t *values, size_t count);
	int (*get_mp)(vma_vcpu *v, vma_mp *mp);
	int (*set_mp)(vma_vcpu *v, vma_mp mp);
	const char *(*reg_name)(uint32_t id);
	int (*reg_parse)(const char *name, uint32_t *id); /* VMA_E_NOENT without a text */
	void (*reg_list)(uint32_t *ids, size_t *count);   /* ids NULL: count alone */
	int (*reset)(vma_vcpu *v);
	int (*translate)(vma_vcpu *v, uint64_t gva, uint32_t access, vma_translation *out);
	int (*check_break)(const vma_debug *d, uint32_t i);
	int (*save)(vma_vcpu *v, void *buf, size_t *size, uint32_t flags);
	int (*restore)(vma_vcpu *v, const void *buf, size_t size, uint32_t flags, const vma_report *report);
	/* For vma_measure: a loop of so many instructions that counts its rounds, put at the address of the second. */
	const uint8_t *loop_code;
	size_t loop_size;
	unsigned loop_insns;
	int (*loop_start)(vma_vcpu *v, uint64_t gpa);
	int (*loop_rounds)(vma_vcpu *v, uint64_t *rounds);
};
extern const struct vma_arch_ops vma_arch_x86, vma_arch_arm64;
/* The call is for this architecture's vCPUs only: enter, and see that it is one and `p` is not NULL. */
int vma_vcpu_enter_arch(vma_vcpu *v, vma_arch arch, const void *p, const char *what);

/* ------ VM ------ */
uint64_t vma_tsc_hz(const vma_vm *vm); /* of the guest's TSC; 0: not known (time.c) */
/* The guest's time, as far as the back end can: stops, if no vCPU is inside a run; before a run: goes on (time.c). */
void vma_time_stop(vma_vm *vm);
int vma_time_go(vma_vm *vm);
int vma_regions_init(vma_vm *vm);
void vma_regions_drop(vma_vm *vm); /* unmap all */
/* Entry of a table, NULL when absent. */
const vma_x86_cpuid *vma_cpuid_find(const vma_x86_cpuid *table, size_t count, uint32_t leaf, uint32_t subleaf);
uint32_t vma_cpuid_reg(const vma_x86_cpuid *entry, unsigned reg); /* 0 EAX .. 3 EDX; entry may be NULL */
/* xcr0_mask and xsave_size from vm->cpuid. */
void vma_cpuid_derive(vma_vm *vm);

struct vma_feature {
	const char *name; /* as in the list; vma_feature_name lowers it */
	uint32_t leaf, subleaf;
	uint8_t reg, bit, model;
};
enum { VMA_MODEL_V1 = 1, VMA_MODEL_V2, VMA_MODEL_V3, VMA_MODEL_MAX };
extern const struct vma_feature vma_features[];
extern const size_t vma_feature_count;
void vma_feature_name(const struct vma_feature *f, char out[24]);
bool vma_vm_has(const vma_vm *vm, uint32_t leaf, uint32_t subleaf, unsigned reg, unsigned bit);

/* ------ vCPU ------ */
extern vma_vcpu vma_vcpu_reserved; /* stands in vm->vcpus for one that is being made */
/* The checks at the head of every call on a vCPU: not NULL, the caller is its owner. */
bool vma_vcpu_running(const vma_vcpu *v); /* false of the one above */
int vma_vcpu_enter(vma_vcpu *v);
int vma_vcpu_enter_failed(vma_vcpu *v);
/* Make classes valid in v->x86. */
int vma_state_need(vma_vcpu *v, uint32_t classes);
/* Commit what is dirty. */
int vma_state_flush(vma_vcpu *v);
/* A pending exit was completed: what was cached is old, what was queued takes effect. */
int vma_state_completed(vma_vcpu *v);
/* Writes: into the cache, or with a pending exit into the queue. Values are checked. */
int vma_state_put_gpr(vma_vcpu *v, const vma_x86_regs *regs, uint32_t which);
int vma_state_put_sregs(vma_vcpu *v, const vma_x86_sregs *sregs, uint64_t which);
int vma_state_put_dregs(vma_vcpu *v, const vma_x86_dregs *dregs, uint32_t which);
int vma_state_put(vma_vcpu *v, uint32_t class, const void *data); /* XCR0, XSAVE, EVENTS, MP, LAPIC as a whole */
/* What a write with which = some is laid over: the queued state if there is one, else the current. */
int vma_state_base(vma_vcpu *v, uint32_t class, struct vma_x86_state **base);
/* Merge a write into the cache: valid and dirty; the coupled class is not valid any more. And before it: what that class
 * has to say is said. */
void vma_state_mark(vma_vcpu *v, uint32_t class);
int vma_state_uncouple(vma_vcpu *v, uint32_t class);
/* Make the state that the processor has after RESET the cached one. */
void vma_reset_values(const vma_vcpu *v, struct vma_x86_state *s);
void vma_reset_lapic(uint8_t lapic[0x400], uint32_t apic_id);
int vma_reset_msrs(vma_vcpu *v);

#define VMA_SREGS_ALL ((uint64_t)-1)
#define VMA_DREGS_ALL 0x3fu

/* Canonical forms, so that what was written reads back the same on every accelerator. */
void vma_normal_sregs(vma_x86_sregs *s);
void vma_normal_xsave(uint8_t *image, uint32_t size);
#define VMA_RFLAGS_NORMAL(v) (((v)&0x3f7fd7) | 2)     /* SDM vol. 1, 3.4.3 */
#define VMA_DR6_NORMAL(v) (((v)&0xe00f) | 0xffff0ff0) /* SDM vol. 3, 17.2.3 */
#define VMA_DR7_NORMAL(v) (((v)&0xffff23ff) | 0x400)  /* SDM vol. 3, 17.2.4 */
/* Valid as a whole on this VM? */
uint32_t vma_phys_bits(const vma_vm *vm);
int vma_check_sregs(const vma_vm *vm, const vma_x86_sregs *s);
int vma_check_dregs(const vma_x86_dregs *d);
int vma_check_xcr0(const vma_vm *vm, uint64_t xcr0);
int vma_check_xsave(const vma_vm *vm, const uint8_t *image, size_t size);
int vma_check_events(const vma_x86_events *e);

/* ------ register table (regs_x86.c) ------ */
struct vma_reg {
	uint16_t id;
	uint8_t size;    /* bytes of the member */
	uint8_t bit;     /* in the mask of its class */
	uint32_t class;  /* 0: an MSR */
	uint32_t offset; /* in struct vma_x86_state; an MSR: its index */
	const char *name;
};
extern const struct vma_reg vma_regs[];
extern const size_t vma_reg_count;
const struct vma_reg *vma_reg_find(uint32_t id);
uint64_t vma_reg_load(const struct vma_reg *r, const struct vma_x86_state *s);
void vma_reg_store(const struct vma_reg *r, struct vma_x86_state *s, uint64_t value);

/* ------ kick ------ */
struct vma_kick *vma_kick_new(const struct vma_backend *be, struct os_thread *owner, int signal);
void vma_kick_retire(struct vma_kick *k); /* the vCPU is gone: answer waiting calls */
void vma_kick_run_calls(vma_vcpu *v);

#endif
