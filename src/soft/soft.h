/* soft.h - the software back end's own objects: the VM, its vCPUs, and how they stop for one another. */
#ifndef VMA_SOFT_H
#define VMA_SOFT_H

#include "core/core.h"
#include "core/irqfd.h"
#include "arm64/arm64.h"
#include "gic.h"
#include "irq.h"
#include "x86/x86.h"

/* A mapping. Changed only while no vCPU is inside the guest, so vCPUs read the array without a lock. */
struct soft_region {
	uint64_t gpa, size;
	uint8_t *hva;
	uint32_t flags;          /* VMA_MAP_ */
	_Atomic uint64_t *dirty; /* one bit a page, NULL without VMA_MAP_LOG */
};

/* Where the controllers' clock begins with insn_hz: late enough for what a restored state says was before. */
#define SOFT_EPOCH (UINT64_C(1) << 50)

struct soft_vcpu {
	struct vma_vcpu *v;
	struct soft_vm *vm;
	struct x86_cpu *cpu; /* one of the two */
	struct a64_cpu *a64;
	union {
		struct x86_env env;
		struct a64_env a64_env;
	};
	uint64_t *insns, *insn_limit; /* the CPU's */
	vma_mp mp;
	atomic_bool inside;         /* may be reading guest memory or the regions */
	atomic_bool flush;          /* memory has changed: forget translations and decoded code before entering again */
	atomic_bool nmi, init, sipi; /* from other vCPUs' APICs or the host */
	atomic_uint sipi_vector;
	uint64_t apic_base;          /* without interrupt controllers: what the guest wrote there */
	uint64_t budget_insns, budget_clock; /* the caller's limits; UINT64_MAX: none */
	/* arm64 */
	vma_arm64_events events;     /* the input lines; the rest is the CPU's */
	_Atomic uint64_t timer_due;  /* on soft_now's clock: the next rise of a timer's interrupt; UINT64_MAX: none */
	unsigned timer_lines;        /* as the GIC was told last */
	unsigned timer_rose;         /* without a GIC: for the exit that tells the caller */
	atomic_bool off;             /* mp is OFF, as others may see it; changed under irq_lock */
	atomic_bool on;              /* PSCI CPU_ON came: start at on_entry with on_context; under irq_lock with mp */
	uint64_t on_entry, on_context;
	bool hypercall_returns;      /* the pending exit is an HVC or SMC, whose PC is still before it */
	int stashed; /* the kind of a stop that completing an exit ended in; 0: none */
	bool given;  /* an external interrupt of the caller's, which the guest takes when IF and the shadow let it */
	uint8_t given_vector;
};

struct soft_vm {
	struct vma_vm *vm;
	struct soft_vcpu **vcpus; /* max_vcpus entries, set under world_lock */
	struct soft_region *regions;
	size_t region_count, region_room;

	struct x86_share *share;  /* what the CPUs tell each other about code; one of the two */
	struct a64_share *a64_share;

	/* Stopping the world: a stopper raises `stops`, sets every attention word and waits until nobody is inside. */
	struct os_mutex world_lock;
	struct os_cond world_cond;
	atomic_uint stops;

	/* Interrupt controllers; every irq_ call is made under irq_lock. */
	bool has_pc;
	struct irq_pc pc;
	struct irq_lapic *lapics;
	bool has_gic;
	struct gic gic;
	uint64_t features; /* A64_F_ bits of the model */
	struct os_mutex irq_lock;
	struct os_cond irq_cond; /* the timer thread waits here */
	struct os_worker *timer;
	bool quit;

	struct vma_ioevents ioevents; /* changed only while the world is stopped */
	struct vma_irqfds irqfds;

	uint64_t insn_hz; /* time is a function of the count of instructions; 0: the host's */
	uint64_t idle_ns; /* with insn_hz: what the clock was moved on while the vCPU waited */
	uint64_t seen_ns; /* with insn_hz: the clock for other threads than the vCPU's */
	uint64_t tsc_hz;  /* the guest's */
	bool tsc_is_host; /* the host's counter unchanged, but for: */
	struct vma_still still;
	uint64_t base_ns;
	int64_t clock_offset;
};

/* soft_mem.c */
void soft_stop_world(struct soft_vm *sv, bool flush);
void soft_start_world(struct soft_vm *sv);
void soft_alone(void *o, bool begin);
void soft_host_wrote(struct soft_vm *sv);
void soft_enter(struct soft_vcpu *cv);
void soft_leave(struct soft_vcpu *cv);
uint8_t *soft_page(void *o, uint64_t gpa, unsigned *flags);
void soft_mark_dirty(void *o, uint64_t gpa);
int soft_map(struct vma_vm *vm, struct vma_region *r);
int soft_unmap(struct vma_vm *vm, struct vma_region *r);
int soft_protect(struct vma_vm *vm, struct vma_region *r, uint32_t flags);
int soft_dirty_log(struct vma_vm *vm, struct vma_region *r, uint64_t first, uint64_t pages, uint64_t *bitmap, int clear);

/* soft_irq.c */
int soft_irq_open(struct soft_vm *sv);
void soft_irq_close(struct soft_vm *sv);
int soft_irq_line(struct vma_vm *vm, uint32_t gsi, int level);
int soft_msi(struct vma_vm *vm, uint64_t address, uint32_t data);
int soft_irqchip_get(struct vma_vm *vm, vma_x86_irqchip *chip);
int soft_irqchip_set(struct vma_vm *vm, const vma_x86_irqchip *chip);
void soft_wake(struct soft_vcpu *cv);
int soft_irqfd(struct vma_vm *vm, int eventfd, uint32_t gsi, int assign);
int soft_ioeventfd(struct vma_vm *vm, const vma_ioeventfd *io, int assign);
void soft_pulse(void *o, uint32_t gsi);

/* soft_time.c */
uint64_t soft_clock_now(struct vma_vm *vm);
uint64_t soft_now(struct soft_vm *sv);
void soft_time_show(struct soft_vm *sv);
uint64_t soft_tsc(void *o);
int soft_tsc_stop(struct vma_vm *vm, bool stop);
int soft_clock_get(struct vma_vm *vm, uint64_t *ns);
int soft_clock_set(struct vma_vm *vm, uint64_t ns);
void soft_time_keep(struct soft_vm *sv);
int soft_insns(struct vma_vcpu *v, uint64_t *insns);
int soft_budget(struct vma_vcpu *v, uint64_t insns, uint64_t clock_ns);
void soft_insn_state(struct vma_vcpu *v, struct vma_insn_state *s);
void soft_insn_clock(struct vma_vcpu *v, const struct vma_insn_state *s);
void soft_insn_timer(struct vma_vcpu *v, const struct vma_insn_state *s);
bool soft_budget_over(const struct soft_vcpu *cv);
void soft_set_limit(struct soft_vcpu *cv);
void soft_time_step(struct soft_vcpu *cv);
bool soft_time_skip(struct soft_vcpu *cv);
uint64_t soft_random_at(const struct soft_vm *sv);

/* soft_env.c: what the CPU asks of its surroundings */
void soft_env_init(struct soft_vcpu *cv);
int soft_env_rdmsr(void *o, uint32_t index, uint64_t *value);
int soft_env_wrmsr(void *o, uint32_t index, uint64_t value);

/* soft_vcpu.c */
int soft_vcpu_open(struct vma_vcpu *v);
void soft_vcpu_close(struct vma_vcpu *v);
int soft_run(struct vma_vcpu *v);
int soft_complete(struct vma_vcpu *v);
int soft_interrupt(struct vma_vcpu *v, uint8_t vector);
int soft_interrupt_ready(struct vma_vcpu *v);
int soft_nmi(struct vma_vcpu *v);
int soft_get_tpr(struct vma_vcpu *v);
int soft_set_tpr(struct vma_vcpu *v, uint8_t cr8);
int soft_debug(struct vma_vcpu *v);
void soft_kick(struct vma_kick *k);

/* soft_state.c */
int soft_fetch(struct vma_vcpu *v, uint32_t classes);
int soft_commit(struct vma_vcpu *v, uint32_t classes);
int soft_get_msrs(struct vma_vcpu *v, const uint32_t *indices, uint64_t *values, size_t count);
int soft_set_msrs(struct vma_vcpu *v, const uint32_t *indices, const uint64_t *values, size_t count);

/* soft.c: what both architectures' tables share */
int soft_open_vm(struct soft_vm *sv, struct vma_vm *vm);
void soft_close_vm(struct soft_vm *sv);
void soft_probe(vma_platform_info *info, uint32_t caps);

/* soft_a64_time.c */
uint64_t soft_a64_counter(void *o);
void soft_a64_timer_changed(void *o);
uint64_t soft_a64_due(const struct soft_vm *sv);
int soft_a64_timer_open(struct soft_vm *sv);

/* soft_gic.c */
int soft_gic_open(struct soft_vm *sv);
void soft_gic_close(struct soft_vm *sv);
void soft_gic_show(struct soft_vcpu *cv);
int soft_gic_line(struct vma_vm *vm, uint32_t gsi, int level);
int soft_gic_ppi(struct vma_vm *vm, uint32_t vcpu, uint32_t intid, int level);
void soft_a64_timer_lines(struct soft_vcpu *cv, unsigned lines);
unsigned soft_gic_pending(struct soft_vcpu *cv);
bool soft_gic_mmio(struct soft_vcpu *cv, uint64_t gpa, unsigned len, bool write, uint8_t *data);
int soft_gic_sysreg(struct soft_vcpu *cv, uint32_t reg, bool write, uint64_t *value);
int soft_gic_reg(struct vma_vm *vm, enum vma_gic_frame frame, uint32_t vcpu, uint32_t offset, bool write,
		 uint64_t *value);

/* soft_a64_env.c */
void soft_a64_env_init(struct soft_vcpu *cv);
bool soft_a64_interrupted(struct soft_vcpu *cv);

/* soft_a64_vcpu.c */
int soft_a64_open(struct vma_vcpu *v);
void soft_a64_close(struct vma_vcpu *v);
int soft_a64_run(struct vma_vcpu *v);
int soft_a64_complete(struct vma_vcpu *v);
int soft_a64_debug(struct vma_vcpu *v);

/* soft_psci.c */
enum soft_psci { SOFT_PSCI_GO_ON, SOFT_PSCI_OFF, SOFT_PSCI_SYSTEM_OFF, SOFT_PSCI_SYSTEM_RESET, SOFT_PSCI_SUSPEND };
enum soft_psci soft_psci(struct soft_vcpu *cv);

/* soft_a64_state.c */
int soft_a64_fetch(struct vma_vcpu *v, uint32_t classes);
int soft_a64_commit(struct vma_vcpu *v, uint32_t classes);
int soft_a64_get_sysregs(struct vma_vcpu *v, const uint32_t *ids, uint64_t *values, size_t count);
int soft_a64_set_sysregs(struct vma_vcpu *v, const uint32_t *ids, const uint64_t *values, size_t count);
int soft_a64_sysreg_list(struct vma_vcpu *v, uint32_t *ids, size_t *count);

#endif
