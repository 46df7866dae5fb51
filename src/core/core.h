/* core.h - what the core and the back ends share: the objects behind the public handles, the neutral vCPU state, and
 * the table that a back end fills. The core checks arguments, ownership, overlap and state order once; a back end only
 * translates (docs/porting.md). */
#ifndef VMA_CORE_H
#define VMA_CORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <vmaccel/vmaccel.h>
#include <vmaccel/x86.h>
#include <vmaccel/arm64.h>
#include <vmaccel/x86_irq.h>
#include "os/os.h"

/* ------ errors: write the sentence for vma_why() and return the code ------ */
int vma_fail(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same from a -errno of the native call `call`; maps errno to a VMA_E_ code (ENOMEM -> NOMEM, EPERM/EACCES -> PERM,
 * EBUSY -> BUSY, others NATIVE) and names call, errno and its text. */
int vma_fail_os(long minus_errno, const char *call);

/* ------ memory ------ */
struct vma_mem {
	atomic_uint refs;
	uint8_t *hva;
	uint64_t size;
	int fd; /* -1: none */
	uint64_t fd_offset;
	uint32_t flags;
	bool owned; /* unmap at the end */
};

/* One mapping. The VM's regions are kept sorted by gpa; a back end that looks addresses up on vCPU threads keeps a
 * table of its own, fed by its map, unmap and split slots. */
struct vma_region {
	uint64_t gpa, size;
	uint8_t *hva;
	struct vma_mem *mem;
	uint64_t offset;
	uint32_t flags; /* VMA_MAP_ */
	uint32_t slot;  /* a small number unique among the VM's live regions; the back end may use it (KVM slot) */
	void *priv;     /* the back end's, freed by its unmap */
};
/* The region holding gpa, or NULL. Caller holds vm->lock or is a back end's map/unmap/protect slot. */
struct vma_region *vma_region_find(struct vma_vm *vm, uint64_t gpa);

/* ------ CPU state, neutral ------ */
enum vma_class {                         /* what is fetched and committed together */
		 VMA_C_GPR = 1u << 0,    /* gpr */
		 VMA_C_SREGS = 1u << 1,  /* sregs */
		 VMA_C_DREGS = 1u << 2,  /* dregs */
		 VMA_C_XCR0 = 1u << 3,   /* xcr0 */
		 VMA_C_XSAVE = 1u << 4,  /* xsave, standard layout, vm->xsave_size bytes */
		 VMA_C_EVENTS = 1u << 5, /* events */
		 VMA_C_MP = 1u << 6,     /* mp */
		 VMA_C_LAPIC = 1u << 7,  /* lapic; only with an irqchip */
		 VMA_C_ALL = 0xff,
		 VMA_C_FP = VMA_C_XSAVE /* arm64: fp. It has GPR, FP, EVENTS and MP */
};
enum { VMA_C_ARM64_ALL = VMA_C_GPR | VMA_C_FP | VMA_C_EVENTS | VMA_C_MP };

struct vma_x86_state {
	vma_x86_regs gpr;
	vma_x86_sregs sregs;
	vma_x86_dregs dregs;
	uint64_t xcr0;
	vma_x86_events events;
	vma_mp mp;
	uint8_t lapic[0x400];
	uint8_t *xsave; /* 64-byte aligned */
};

struct vma_arm64_state {
	vma_arm64_regs gpr;
	vma_arm64_fp_regs fp;
	vma_arm64_events events;
	vma_mp mp;
};

/* ------ kick: lives on after its vCPU ------ */
struct vma_call;
struct vma_kick {
	const struct vma_backend *be;
	atomic_uint refs;
	atomic_uint pending;   /* a kick not yet consumed */
	atomic_uint calls;     /* vma_vcpu_call requests queued */
	atomic_uint attention; /* any reason to leave the guest: the soft CPU polls this word. Set after pending/calls,
				  cleared by the core. */
	atomic_bool gone;      /* the vCPU is destroyed */
	struct os_event wake;  /* for back ends that sleep in user space (soft HLT) */
	struct os_thread *owner;
	int signal;           /* KVM: what to send; 0: none */
	struct os_mutex lock; /* first_call; the requests themselves */
	struct os_cond answered;
	struct vma_call *first_call;
};

/* ------ VM and vCPU ------ */
enum vma_vm_phase { VMA_VM_CONFIG, VMA_VM_READY };

struct vma_msr_range {
	uint32_t first, count, access;
};

struct vma_vm {
	const struct vma_backend *be;
	const struct vma_arch_ops *arch;
	void *priv; /* be->vm_size bytes, zeroed */
	vma_vm_config config;
	vma_platform_info info;
	atomic_bool time_stands; /* be->time has been told so; until the next run */
	enum vma_vm_phase phase;
	struct os_mutex lock;        /* regions, vCPU list, phase */
	struct vma_region **regions; /* sorted by gpa */
	size_t region_count, region_room;
	struct vma_vcpu **vcpus; /* max_vcpus entries */
	vma_x86_cpuid *cpuid;
	size_t cpuid_count;
	vma_x86_cpuid *cpuid_max; /* what the back end said */
	size_t cpuid_max_count;
	struct vma_msr_range *msr_ranges;
	size_t msr_range_count;
	uint32_t xsave_size; /* bytes of the standard XSAVE image for the table's XCR0, at least 576 */
	uint64_t xcr0_mask;  /* what the table allows in XCR0 */
	uint64_t tsc_hz;     /* of a guest's TSC where none was asked for; 0: the host's. vm_open sets it */
	vma_arm64_gic gic;   /* arm64 */
	struct pc_vm *pc;    /* VMA_IRQCHIP_LIBRARY: src/pc's half */
};

struct vma_vcpu {
	struct vma_vm *vm;
	void *priv; /* be->vcpu_size bytes, zeroed */
	uint32_t index;
	struct os_thread *owner;
	struct vma_kick *kick;
	vma_exit exit;
	/* `valid`: classes of x86 that mirror the back end. `dirty`: classes changed by the caller, to commit before
	 * the next entry. gpr_dirty: which of them in VMA_C_GPR (VMA_X86_REG_BIT, VMA_ARM64_REG_BIT). */
	uint32_t valid, dirty;
	uint64_t gpr_dirty;
	/* Set by the back end with a pending exit: its completion changes nothing but RIP (and RFLAGS.RF). Lets the
	 * core merge queued writes of other registers before the completion instead of entering twice. */
	bool completes_rip_only;
	bool error_code; /* an exception with one was set since the last entry */
	union {
		struct vma_x86_state x86;
		struct vma_arm64_state arm64;
	};
	/* Writes made while an exit was pending, applied after its completion. */
	uint32_t queued;
	uint64_t gpr_queued;
	uint64_t sregs_queued; /* which of VMA_C_SREGS, by the bits of regs_x86.c; likewise dregs */
	uint32_t dregs_queued;
	union {
		struct vma_x86_state queue;
		struct vma_arm64_state arm64_queue;
	};
	vma_debug debug;
	uint32_t sve;        /* arm64: bytes of the longest vectors, 0: no SVE; vcpu_open sets it */
	atomic_uint runs; /* begun and ended, vma_vcpu_run and vma_vcpu_complete: odd inside. The owner writes */
	bool irq_window;     /* the caller waits for a window: exit with VMA_EXIT_IRQ_WINDOW when one opens */
	bool irq_given;      /* an interrupt was handed over since the last entry */
	struct pc_vcpu *pc;  /* VMA_IRQCHIP_LIBRARY: src/pc's half */
};

enum { VMA_NATIVE_VM, VMA_NATIVE_VCPU, VMA_NATIVE_SYSTEM }; /* of WHPX VM alone */

/* ------ the back end's table ------
 * Unless stated: called on the vCPU's owner thread, arguments already checked by the core, returns 0 or a VMA_E_ code
 * after vma_fail. Slots marked "optional" may be NULL: the core then answers VMA_E_NO_ACCEL. */
enum { VMA_SVE_MAX = 256 };
#define VMA_INSN_HZ_MIN 1000000u
#define VMA_INSN_HZ_MAX UINT64_C(10000000000)
#define VMA_TSC_HZ_MIN VMA_INSN_HZ_MIN
#define VMA_TSC_HZ_MAX VMA_INSN_HZ_MAX
/* The clock of instructions: how many, its nanoseconds (those of vma_vm_clock_get but for what was set there), its rate,
 * and the nanoseconds until the local APIC's timer expires (UINT64_MAX: it does not), which its registers round. */
struct vma_insn_state {
	uint64_t insns, ns, hz, timer_ns;
};

enum vma_gic_frame {
	VMA_GIC_DIST,   /* offset in GICD; v2: as vCPU `vcpu` sees it */
	VMA_GIC_REDIST, /* v3: offset in the vCPU's GICR */
	VMA_GIC_CPU,    /* v3: ICC_*_EL1 by the 16 bits of its encoding; v2: offset in GICC */
	VMA_GIC_LEVEL   /* v3: levels of 32 lines from INTID `offset`, the vCPU's if below 32 */
};

struct vma_backend {
	const char *name;
	vma_accel accel;
	vma_arch arch;
	size_t vm_size, vcpu_size; /* of the priv structs, which the core allocates */
	/* x86: what a VM with VMA_IRQCHIP_LIBRARY uses in place of this table (docs/porting.md); NULL: it cannot have
	 * that. In that other table `bare` leads back. */
	const struct vma_backend *library, *bare;

	/* Fill what is known about the platform (size, accel, arch, name are set). Any thread; must be cheap; called
	 * once a process. Sets available, or why and remedy. */
	void (*probe)(vma_platform_info *info);
	/* vma_platform_facts, after the probe, available or not. Any thread. optional */
	int (*facts)(vma_fact *say, void *opaque);

	/* VM half; any thread, the core serialises them under vm->lock except irq_line, msi (any thread, no lock). */
	/* Open the native VM for vm->config. Also: may lower vm->info. */
	int (*vm_open)(struct vma_vm *vm);
	void (*vm_close)(struct vma_vm *vm); /* all vCPUs and regions are gone */
	/* x86: the most this accelerator can show: *count in: room, out: entries. The core intersects it with the model. */
	int (*cpuid_max)(struct vma_vm *vm, vma_x86_cpuid *table, size_t *count);
	/* Freeze: vm->cpuid, vm->msr_ranges, vm->config are final. */
	int (*vm_finalize)(struct vma_vm *vm);
	int (*map)(struct vma_vm *vm, struct vma_region *r);
	/* When it returns no vCPU can reach the pages any more. */
	int (*unmap)(struct vma_vm *vm, struct vma_region *r);
	/* r->flags holds the old flags; the core stores `flags` after success. */
	int (*protect)(struct vma_vm *vm, struct vma_region *r, uint32_t flags);
	/* Bits for the pages [first, first+pages) of r, into bitmap from bit 0. optional */
	int (*dirty_log)(struct vma_vm *vm, struct vma_region *r, uint64_t first, uint64_t pages, uint64_t *bitmap,
			 int clear);
	int (*irq_line)(struct vma_vm *vm, uint32_t gsi, int level);              /* optional */
	int (*msi)(struct vma_vm *vm, uint64_t address, uint32_t data);           /* optional */
	int (*irqfd)(struct vma_vm *vm, int eventfd, uint32_t gsi, int assign);   /* optional */
	int (*ioeventfd)(struct vma_vm *vm, const vma_ioeventfd *io, int assign); /* optional */
	int (*clock_get)(struct vma_vm *vm, uint64_t *ns);                        /* optional */
	int (*clock_set)(struct vma_vm *vm, uint64_t ns);                         /* optional */
	/* ns on the clock of vma_x86_pit_channel.count_load_time; NULL: os_now_ns. optional */
	uint64_t (*now)(struct vma_vm *vm);
	/* x86: the vCPUs' TSCs stand still (stop), whatever else of time does, and can be read and written; and go on.
	 * vm->lock; no vCPU was inside run when it was looked at, and one that begins meanwhile is kicked. optional */
	int (*time)(struct vma_vm *vm, bool stop);
	int (*irqchip_get)(struct vma_vm *vm, vma_x86_irqchip *chip);             /* optional */
	int (*irqchip_set)(struct vma_vm *vm, const vma_x86_irqchip *chip);       /* optional */

	/* vCPU half. */
	/* Create it in whatever state the platform gives; the core then writes the architecture's reset state by commit
	 * and set_msrs. */
	int (*vcpu_open)(struct vma_vcpu *v);
	void (*vcpu_close)(struct vma_vcpu *v); /* any thread once the owner has ended */
	/* Enter. Dirty classes have been committed, v->valid is 0. Commits a pending exit (v->exit.pending) with its
	 * answer first. Fills v->exit (kind, fields, pending) and v->completes_rip_only, returns the kind;
	 * VMA_EXIT_CANCELED for any return without a reason of the guest's (signal, attention): the core finds out why
	 * and re-enters. May set v->valid |= classes that it filled on the way, at no cost. */
	int (*run)(struct vma_vcpu *v);
	/* Commit the pending exit without running on. 0: done (v->exit.pending is 0); 1: v->exit holds the same
	 * instruction's next fragment. */
	int (*complete)(struct vma_vcpu *v);
	/* Read these classes into v->x86: the exact state, with a pending exit that before the instruction. */
	int (*fetch)(struct vma_vcpu *v, uint32_t classes);
	/* Write these classes from v->x86 and leave the others as they are (KVM_SET_REGS drops a pending exception: put
	 * it back). In one call the order is the back end's: GPR before EVENTS, SREGS (APIC base) before LAPIC, XCR0
	 * before XSAVE, MP last. The core calls set_msrs after commit, so SREGS and LAPIC come before TSC_DEADLINE, and
	 * hands MSRs over in the order of VMA_X86_MSRS, TSC before TSC_DEADLINE. On save the core asks for everything
	 * in one fetch: MP is to be read first, EVENTS last. Never called with a pending exit, except VMA_C_GPR without
	 * RIP when completes_rip_only: must take effect and survive the completion. All or nothing is not required: the
	 * core has checked the values. */
	int (*commit)(struct vma_vcpu *v, uint32_t classes);
	/* MSRs; return how many were done from the start. */
	int (*get_msrs)(struct vma_vcpu *v, const uint32_t *indices, uint64_t *values, size_t count);
	int (*set_msrs)(struct vma_vcpu *v, const uint32_t *indices, const uint64_t *values, size_t count);
	/* arm64: system registers by VMA_ARM64_SYSREG; the same. sysreg_list: all there are, as vma_arm64_sysreg_list. */
	int (*get_sysregs)(struct vma_vcpu *v, const uint32_t *ids, uint64_t *values, size_t count);
	int (*set_sysregs)(struct vma_vcpu *v, const uint32_t *ids, const uint64_t *values, size_t count);
	int (*sysreg_list)(struct vma_vcpu *v, uint32_t *ids, size_t *count);
	/* arm64: 0, or VMA_E_NO_ACCEL for a GIC it does not have; config state; NULL: it has both. And a private
	 * interrupt's level; any thread. */
	int (*check_gic)(struct vma_vm *vm, const vma_arm64_gic *gic);
	int (*ppi)(struct vma_vm *vm, uint32_t vcpu, uint32_t intid, int level); /* optional */
	/* arm64: levels of the timers' outputs; NULL: as CNTV_CTL_EL0 and CNTP_CTL_EL0 have them. optional */
	int (*timers)(struct vma_vcpu *v, uint32_t *lines);
	/* A register of the GIC as state, in KVM's terms (arm-vgic-v3.rst, arm-vgic.rst): 32 bits but for VMA_GIC_CPU
	 * of version 3. vm->lock, no vCPU running, also vCPUs that the caller has not made. optional */
	int (*gic_reg)(struct vma_vm *vm, enum vma_gic_frame frame, uint32_t vcpu, uint32_t offset, bool write,
		       uint64_t *value);
	/* x86, without controllers of the platform's: inject now / can one be injected at the next entry (1/0) / ask
	 * for a window (v->irq_window). May be called while an exit is pending. */
	int (*interrupt)(struct vma_vcpu *v, uint8_t vector);
	int (*interrupt_ready)(struct vma_vcpu *v);
	int (*nmi)(struct vma_vcpu *v);
	/* x86, VMA_IRQCHIP_LIBRARY: CR8 as the guest has it since run or complete returned, 0 .. 15; and CR8 from the
	 * next entry on. May be called while an exit is pending. A guest that lowers CR8 must come out of run (CANCELED
	 * will do). */
	int (*get_tpr)(struct vma_vcpu *v);
	int (*set_tpr)(struct vma_vcpu *v, uint8_t cr8);
	/* arm64, v->sve not 0: read or write Z, P and FFR; VMA_C_FP is not dirty. optional */
	int (*sve)(struct vma_vcpu *v, vma_arm64_sve *s, bool write);
	int (*debug)(struct vma_vcpu *v); /* v->debug changed */
	/* VMA_CAP_INSN_COUNT only. UINT64_MAX: no limit. optional */
	int (*insns)(struct vma_vcpu *v, uint64_t *insns);
	int (*budget)(struct vma_vcpu *v, uint64_t insns, uint64_t clock_ns);
	/* With insn_hz: the count and the clock as they are saved. Setting them moves neither the VM's clock nor what the
	 * controllers outside the vCPU wait for; insn_timer comes after the local APIC and the MSRs. Without insn_hz,
	 * insn_clock takes the count alone. optional */
	void (*insn_state)(struct vma_vcpu *v, struct vma_insn_state *s);
	void (*insn_clock)(struct vma_vcpu *v, const struct vma_insn_state *s);
	void (*insn_timer)(struct vma_vcpu *v, const struct vma_insn_state *s);
	/* Make a run in progress on k's owner return, and the next one if none is. Any thread or signal handler; the
	 * vCPU may be gone, only k is safe to touch. k->pending or k->calls and k->attention are already set. */
	void (*kick)(struct vma_kick *k);

	/* VMA_CAP_PARTIAL_UNMAP only, VM half: r was cut short; `tail` is the rest of it, with a slot of its own and
	 * priv NULL. No access by a running vCPU may fail meanwhile. r still holds the old size and the core shortens
	 * it afterwards. optional */
	int (*split)(struct vma_vm *vm, struct vma_region *r, struct vma_region *tail);
	/* The platform's own handle for native.h: a file descriptor is what it returns, a pointer goes to *handle.
	 * `what` is VMA_NATIVE_; v only for VMA_NATIVE_VCPU. Any thread, in any state of the VM; vm->lock. optional */
	int (*native)(struct vma_vm *vm, struct vma_vcpu *v, int what, void **handle);
};

/* The selection table (platform.c): every back end compiled in, in the order of vma_platform_get. */
extern const struct vma_backend *const vma_backends[];

/* Helpers that back ends share */
/* Runs of all vCPUs so far; UINT64_MAX: one is inside. Who gets the same number twice, and not that one, knows that no
 * guest has written between. vm->lock is held. */
uint64_t vma_vm_runs(const struct vma_vm *vm);
/* The registers, system and debug registers and events that INIT leaves (SDM vol. 3, table 10-1), where s->sregs holds
 * those before it; SIPI then changes CS and RIP. */
void vma_x86_init_values(const struct vma_vcpu *v, struct vma_x86_state *s);
/* DR7 with the caller's breakpoints, their addresses in DR0-3 in the same order (SDM vol. 3, 18.2.4). */
uint64_t vma_x86_debug_dr7(const vma_debug *d);
/* The table entry for (leaf, subleaf) as the guest would ask, with Intel's rule for leaves beyond the maximum; zeroes
 * when there is none. */
void vma_cpuid_lookup(const struct vma_vm *vm, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
/* A TSC's frequency is known within 250 ppm, which is what KVM takes for the same, too. */
static inline bool vma_same_hz(uint64_t a, uint64_t b)
{
	return (a > b ? a - b : b - a) <= b / 4000;
}
/* A counter that can be told to stand still: what it shows where the one below, which never does, shows `raw`. */
struct vma_still {
	_Atomic uint64_t at, lost; /* at: where it stands; 0: it goes */
};
static inline uint64_t vma_still_read(const struct vma_still *s, uint64_t raw)
{
	uint64_t at = atomic_load_explicit(&s->at, memory_order_acquire);

	return at ? at : raw - atomic_load_explicit(&s->lost, memory_order_relaxed);
}
static inline void vma_still_set(struct vma_still *s, uint64_t raw, bool stop)
{
	uint64_t now = vma_still_read(s, raw);

	if (!stop)
		atomic_store_explicit(&s->lost, raw - now, memory_order_relaxed);
	atomic_store_explicit(&s->at, stop ? now + !now : 0, memory_order_release);
}
/* Guest writes that signal an eventfd: a list that the back end keeps from being used while it changes. `list` is freed
 * with os_free. hit: the write was such a one, and has done its work. */
struct vma_ioevents {
	vma_ioeventfd *list;
	size_t count;
};
int vma_ioevent_add(struct vma_ioevents *e, const vma_ioeventfd *io);
int vma_ioevent_remove(struct vma_ioevents *e, const vma_ioeventfd *io);
bool vma_ioevent_has(const struct vma_ioevents *e, const vma_ioeventfd *io);
bool vma_ioevent_hit(const struct vma_ioevents *e, bool pio, uint64_t address, unsigned length, const uint8_t *data);
/* The same of the elements of an OUTS; *count becomes that of those at its begin which all are such writes, or all not. */
bool vma_ioevent_outs(const struct vma_ioevents *e, uint16_t port, unsigned width, const uint8_t *data, uint32_t *count);
/* Standard XSAVE layout: offset and size of component n (2: AVX ...), 0 when unknown. SDM vol. 1, 13.4. */
void vma_xsave_component(unsigned n, uint32_t *offset, uint32_t *size);

#endif
