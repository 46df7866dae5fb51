/* pc.h - the PC's interrupt controllers (irq/) above a back end's bare vCPUs: what VMA_IRQCHIP_LIBRARY means on x86.
 *
 * A back end in front of a back end: a table made of PC_SLOTS and of the back end's own slots, whose `bare` is the back
 * end's table. What src/pc wants of that one is in docs/porting.md. */
#ifndef VMA_PC_H
#define VMA_PC_H

#include "core/core.h"
#include "core/irqfd.h"
#include "irq.h"

/* ------ for a back end ------ */

/* The slots of the table in front. The others are the back end's, with `.bare`; not `library`, cpuid_max as it is. */
#define PC_SLOTS                                                                                                       \
	.vm_open = pc_vm_open, .vm_close = pc_vm_close, .vm_finalize = pc_vm_finalize, .irq_line = pc_irq_line,        \
	.msi = pc_msi, .irqfd = pc_irqfd, .time = pc_time, .irqchip_get = pc_irqchip_get,                              \
	.irqchip_set = pc_irqchip_set,                                                                                 \
	.vcpu_open = pc_vcpu_open, .vcpu_close = pc_vcpu_close, .run = pc_run, .complete = pc_complete,                \
	.fetch = pc_fetch, .commit = pc_commit, .get_msrs = pc_get_msrs, .set_msrs = pc_set_msrs, .nmi = pc_nmi,       \
	.kick = pc_kick

/* The MSRs that must exit, which pc_vm_finalize adds to vm->msr_ranges. */
enum { PC_APIC_BASE = 0x1b, PC_TSC_DEADLINE = 0x6e0, PC_X2APIC = 0x800, PC_X2APIC_END = 0x900 };

static inline bool pc_owns_msr(uint32_t index)
{
	return index == PC_APIC_BASE || index == PC_TSC_DEADLINE || (index >= PC_X2APIC && index < PC_X2APIC_END);
}

/* For a back end that polls, with kick->attention as the hint to do so: somebody has something for the vCPU, which must
 * come out of run; and to make it come out for a reason of the back end's own. */
bool pc_called(const struct vma_vcpu *v);
void pc_call(struct vma_vcpu *v);

/* For whoever has such controllers himself, with the lock that is around every call of them: what the slots irq_line,
 * msi, irqchip_get and irqchip_set do, and an irqfd's pulse. `moved` is what the thread of their timers waits for. */
int pc_chips_line(struct irq_pc *chips, struct os_mutex *lock, uint32_t gsi, int level);
void pc_chips_pulse(struct irq_pc *chips, struct os_mutex *lock, uint32_t gsi);
int pc_chips_msi(struct irq_pc *chips, struct os_mutex *lock, uint64_t address, uint32_t data);
int pc_chips_get(struct irq_pc *chips, struct os_mutex *lock, vma_x86_irqchip *image);
int pc_chips_set(struct irq_pc *chips, struct os_mutex *lock, struct os_cond *moved, const vma_x86_irqchip *image);

int pc_vm_open(struct vma_vm *vm);
void pc_vm_close(struct vma_vm *vm);
int pc_vm_finalize(struct vma_vm *vm);
int pc_irq_line(struct vma_vm *vm, uint32_t gsi, int level);
int pc_msi(struct vma_vm *vm, uint64_t address, uint32_t data);
int pc_irqfd(struct vma_vm *vm, int eventfd, uint32_t gsi, int assign);
int pc_time(struct vma_vm *vm, bool stop);
int pc_irqchip_get(struct vma_vm *vm, vma_x86_irqchip *chip);
int pc_irqchip_set(struct vma_vm *vm, const vma_x86_irqchip *chip);
int pc_vcpu_open(struct vma_vcpu *v);
void pc_vcpu_close(struct vma_vcpu *v);
int pc_run(struct vma_vcpu *v);
int pc_complete(struct vma_vcpu *v);
int pc_fetch(struct vma_vcpu *v, uint32_t classes);
int pc_commit(struct vma_vcpu *v, uint32_t classes);
int pc_get_msrs(struct vma_vcpu *v, const uint32_t *indices, uint64_t *values, size_t count);
int pc_set_msrs(struct vma_vcpu *v, const uint32_t *indices, const uint64_t *values, size_t count);
int pc_nmi(struct vma_vcpu *v);
void pc_kick(struct vma_kick *k);

/* ------ for the files of src/pc ------ */

struct pc_vcpu {
	struct vma_vcpu *v;
	/* 1: in the guest, about to enter it or asleep: whoever has something for it must make it look. It is set
	 * before the last look, and a reason is stored before it is read. */
	atomic_int inside;
	atomic_bool called; /* somebody has; cleared by the look */
	atomic_bool nmi, init, sipi; /* from other threads; taken before the next entry */
	atomic_uint sipi_vector;
	/* The owner's alone: */
	vma_mp mp;
	uint8_t tpr;     /* CR8 as both sides have it */
	bool base_moved; /* the guest wrote IA32_APIC_BASE and the back end does not know */
	bool given;      /* an NMI or another event was handed to the back end: a halt may be over */
	/* The guest's TSC as it was last looked at; under the lock */
	uint64_t tsc, tsc_at; /* tsc_at: then on the clock of pc_tsc_clock */
};

struct pc_vm {
	struct vma_vm *vm;
	const struct vma_backend *bare;
	struct irq_pc chips;
	struct irq_lapic *lapics;
	struct pc_vcpu **vcpus; /* max_vcpus entries; under the lock */
	size_t callers_ranges;  /* of vm->msr_ranges, the caller's come first */
	bool tsc_is_host;       /* the guest's TSC is the host's counter and an offset */
	struct vma_still still; /* on the clock of pc_tsc_clock */
	bool has_deadline;      /* CPUID shows the TSC deadline */
	struct os_mutex lock;   /* around every call into irq/ */
	struct os_cond moved;   /* the timer thread waits here */
	struct os_worker *timer;
	bool quit;
	struct vma_irqfds irqfds;
};

/* pc.c: what the guest's TSC is measured by: the host's counter where it runs at the same rate, else nanoseconds */
uint64_t pc_tsc_clock(const struct pc_vm *pc);
/* pc_state.c */
/* The guest's TSC is read for the deadline's sake. */
int pc_anchor_tsc(struct pc_vcpu *pv);
/* Write classes of v->x86 that were changed inside a run. */
int pc_put(struct pc_vcpu *pv, uint32_t classes);
int pc_take_init(struct pc_vcpu *pv);
int pc_take_sipi(struct pc_vcpu *pv);
/* The local APIC's task priority is the truth: show it to the back end. */
int pc_push_tpr(struct pc_vcpu *pv);
/* pc_exit.c */
/* Is the exit in v->exit an access to the controllers? Then it has its answer, and waits for its completion. */
bool pc_answer(struct pc_vcpu *pv, int kind);

#endif
