/* whpx.h - what the files of the WHPX back end share: the functions of WinHvPlatform.dll, what this Windows can do, the
 * private halves of a VM and a vCPU, and the contracts between the files. "WHP" means Microsoft's Windows Hypervisor
 * Platform API reference. Nothing here has run on Windows: the platform was simulated (sim/whpx).
 *
 * What the library knows of a vCPU and the platform does not yet stands in w->out, always: whpx_flush writes it, before
 * the guest is entered or registers are read. So an exit that is answered costs no call of its own. */
#ifndef VMA_WHPX_H
#define VMA_WHPX_H

#include "whpx/whp.h"
#include "core/core.h"
#include "x86/x86.h"

#define WHPX_PAGE 4096u

/* ------ the platform's functions (whpx_dll.c) ------ */

/* What Windows 10 version 1803 began with: a DLL without one of these is damaged, or not Windows'. */
#define WHPX_REQUIRED(X)                                                                                               \
	X(GetCapability) X(CreatePartition) X(SetupPartition) X(DeletePartition) X(GetPartitionProperty)               \
	X(SetPartitionProperty) X(MapGpaRange) X(UnmapGpaRange) X(CreateVirtualProcessor) X(DeleteVirtualProcessor)    \
	X(RunVirtualProcessor) X(CancelRunVirtualProcessor) X(GetVirtualProcessorRegisters)                            \
	X(SetVirtualProcessorRegisters)
/* What came later. X(name, capabilities that are not offered without it, what does as well). Code that a capability
 * stands before calls it; before one with 0 it is asked whether it is there. */
#define WHPX_CHIP (VMA_CAP_IRQCHIP | VMA_CAP_MSI | VMA_CAP_IRQFD)
#define WHPX_OPTIONAL(X)                                                                                               \
	X(QueryGpaRangeDirtyBitmap, VMA_CAP_DIRTY_LOG, nothing)                                                        \
	X(RequestInterrupt, WHPX_CHIP, nothing)                                                                        \
	X(GetVirtualProcessorInterruptControllerState2, WHPX_CHIP, GetVirtualProcessorState)                           \
	X(SetVirtualProcessorInterruptControllerState2, WHPX_CHIP, SetVirtualProcessorState)                           \
	X(GetVirtualProcessorXsaveState, VMA_CAP_XSAVE, GetVirtualProcessorState)                                      \
	X(SetVirtualProcessorXsaveState, VMA_CAP_XSAVE, SetVirtualProcessorState)                                      \
	X(GetVirtualProcessorState, 0, nothing)                                                                        \
	X(SetVirtualProcessorState, 0, nothing)                                                                        \
	X(AdviseGpaRange, 0, nothing)                                                                                  \
	X(SuspendPartitionTime, 0, nothing)                                                                            \
	X(ResumePartitionTime, 0, nothing)                                                                             \
	X(RegisterPartitionDoorbellEvent, 0, nothing)                                                                  \
	X(UnregisterPartitionDoorbellEvent, 0, nothing)

struct whpx_api {
#define X(name, ...) __typeof__(WHv##name) *name;
	WHPX_REQUIRED(X)
	WHPX_OPTIONAL(X)
#undef X
	void *nothing; /* always NULL */
};
extern struct whpx_api whpx_api;

/* Every call of the platform, so that the fault sweep can make it fail: the hook's positive number is an errno and
 * means E_OUTOFMEMORY, a negative one is the HRESULT. */
HRESULT whpx_fault(const char *call);
#define WHPX(name, ...)                                                                                                \
	__extension__({                                                                                                \
		HRESULT hr_ = vma_os_fault ? whpx_fault("WHv" #name) : S_OK;                                           \
		hr_ ? hr_ : whpx_api.name(__VA_ARGS__);                                                                \
	})

/* Load the DLL and find its functions. 0; -1: it cannot be used, why and what can be done. */
int whpx_load(const char **why, const char **remedy);
/* The capabilities that this DLL lacks a function for; *version says which. */
uint32_t whpx_lacks(const char **version);
/* Write the sentence for vma_why() about a failed call, with what the code means and what to do; a VMA_E_ code. */
int whpx_fail(HRESULT hr, const char *call);
/* For the probe: the sentence, and what can be done. */
const char *whpx_refusal(HRESULT hr, const char *call, const char **remedy);

/* ------ what this Windows can do (whpx_host.c); learnt once a process by the probe ------ */
/* An answer that documents leave open, by the probe's trial (whpx_trial.c). */
enum whpx_answer { WHPX_UNTRIED, WHPX_BELIEVED, WHPX_OTHERWISE };
/* X(name, as it is believed to be, otherwise): what reports say (docs/report.md) */
#define WHPX_ANSWERS(X)                                                                                                \
	X(halt, "RIP is behind the HLT", "RIP is at the HLT")                                                          \
	X(debug, "ExceptionParameter says what a #DB is of", "DR6 says it")                                            \
	X(cancel, "a cancel without a run ends the next one", "a cancel without a run is lost")                        \
	X(x2apic, "LocalApicEmulationMode can be X2Apic", "LocalApicEmulationMode cannot be X2Apic")                   \
	X(context, "the exit context may have 224 bytes", "the exit context may have 144 bytes only")                  \
	X(call, "VMCALL and VMMCALL can exit", "VMCALL or VMMCALL is a #UD that does not exit")
struct whpx_answers {
#define X(name, believed, otherwise) enum whpx_answer name;
	WHPX_ANSWERS(X)
#undef X
};

struct whpx_host {
	WHV_CAPABILITY_FEATURES features;
	WHV_EXTENDED_VM_EXITS exits;
	WHV_X64_MSR_EXIT_BITMAP msr_exits;
	uint64_t exceptions; /* vectors that can exit, of those that are wanted */
	WHV_PROCESSOR_FEATURES_BANKS processor;
	WHV_PROCESSOR_XSAVE_FEATURES xsave;
	uint64_t tsc_hz; /* 0: not said */
	uint32_t gpa_bits;
	bool msr_actions; /* MsrActionList is known */
	bool tsc_scale;   /* ProcessorClockFrequency takes another than the host's */
	bool no_pending_event; /* there is no register PendingEvent */
	uint32_t context_size; /* how much of an exit context it takes */
	struct whpx_answers tried;
};
extern struct whpx_host whpx_host;
/* vectors (SDM vol. 3, 6.3.1) */
enum { WHPX_DB = 1, WHPX_NMI = 2, WHPX_BP = 3, WHPX_UD = 6, WHPX_GP = 13, WHPX_PF = 14 };
void whpx_probe(vma_platform_info *info);
/* whpx_trial.c, into whpx_host: before the set-up; and with virtual processor 0 and an executable page at 0. NULL, or
 * the call whose failure *hr means that the platform cannot be used. */
void whpx_try_properties(WHV_PARTITION_HANDLE p);
const char *whpx_try_out(WHV_PARTITION_HANDLE p, uint8_t *page, HRESULT *hr);
uint64_t whpx_tsc_hz(void); /* of a guest's TSC where no other was asked for */
/* Why there is no hypervisor for us, where CPUID names this one; "": none. */
const char *whpx_absent(const char *hypervisor);
int whpx_facts(vma_fact *say, void *opaque); /* whpx_facts.c */
/* A capability; what is not written stays. False: this Windows does not know it. */
bool whpx_capability(WHV_CAPABILITY_CODE code, void *value, uint32_t size);

/* ------ VM ------ */

/* A mapping. Changed only while every vCPU's memory lock is held, so that a vCPU's emulator reads it under its own. */
struct whpx_region {
	uint64_t gpa, size;
	uint8_t *hva;
	uint32_t flags;          /* VMA_MAP_ */
	_Atomic uint64_t *dirty; /* the emulator's writes and what was collected, a bit a page; NULL: no VMA_MAP_LOG */
};

enum { WHPX_MSR_WORDS = 2 };
struct whpx_vm {
	struct vma_vm *vm;
	WHV_PARTITION_HANDLE partition;
	bool ready;              /* set up: memory can be mapped in it */
	struct whpx_chips *chips; /* VMA_IRQCHIP_PLATFORM, else NULL */
	struct os_mutex *memory; /* max_vcpus locks: a vCPU holds its own while it emulates */
	struct whpx_region *regions;
	size_t region_count, region_room;
	struct vma_ioevents ioevents, doorbells; /* under the same locks; of the former, those that the platform knows */
	/* There is something that answers accesses here: chips, or ioevents. For a look without a lock. */
	atomic_bool answers;
	bool msrs_known;
	uint64_t msr_registers[WHPX_MSR_WORDS]; /* which MSRs of the table in whpx_msr.c have a register here */
	_Atomic uint8_t hypercall_rip; /* whpx_hypercall.c's own */
	uint64_t generation; /* of the mappings and their logs; under the same locks: what an emulator's TLB holds is of
				one */
};

/* ------ vCPU ------ */

/* Registers to be written, or read, by one call. The DLL wants values aligned to 16. */
enum { WHPX_BATCH = 192, WHPX_PLACES = 64 };
struct whpx_batch {
	uint32_t count;
	uint8_t place[WHPX_PLACES]; /* of a name below that, if it is there: a guess, need not be initialised */
	WHV_REGISTER_NAME names[WHPX_BATCH];
	_Alignas(16) WHV_REGISTER_VALUE values[WHPX_BATCH];
};

/* The half-done instruction behind a pending exit: who finishes it. */
enum whpx_half {
	WHPX_NONE,
	WHPX_IO,       /* IN, OUT by the exit's context (whpx_exit.c) */
	WHPX_MOVE,     /* a plain MOV, MOVZX, MOVSX to or from a device, decoded from the exit's bytes (whpx_insn.c) */
	WHPX_MSR,      /* RDMSR, WRMSR by the exit's context (whpx_msr.c) */
	WHPX_CPUID,    /* whpx_cpuid.c */
	WHPX_HYPERCALL, /* VMCALL, VMMCALL by the exit's context (whpx_hypercall.c) */
	WHPX_EMULATED, /* anything else: the emulator holds it (whpx_emu.c) */
	WHPX_HALVES
};

/* A plain move, decoded (whpx_insn.c). */
enum { WHPX_MOVES = 16, WHPX_MOVE_NONE = 0xff, WHPX_MOVE_RIP = 0xfe };
struct whpx_move {
	uint8_t bytes[16], count, bits; /* what it was decoded from, in 16, 32 or 64-bit code; count 0: nothing here */
	uint8_t length, size, width;    /* of the instruction, of the access, of the register, in bytes */
	bool write, immediate;
	bool sign, high;                 /* MOVSX; AH, CH, DH, BH */
	uint8_t reg, base, index, scale; /* numbers, or WHPX_MOVE_ */
	int32_t segment;                 /* WHV_REGISTER_NAME, 0: its base does not count */
	int64_t disp;
	uint64_t value;
};

/* A vCPU as the thread that cancels sees it (whpx_kick.c). */
struct whpx_runner {
	struct whpx_runner *next;
	struct vma_kick *kick;
	WHV_PARTITION_HANDLE partition;
	uint32_t index;
	/* In WHvRunVirtualProcessor or about to look at the attention and enter, and not cancelled yet. */
	atomic_bool running;
	atomic_bool inside; /* the same where cancels may be lost, and until the run has ended */
};

struct whpx_vcpu {
	struct vma_vcpu *v;
	struct whpx_vm *vm;
	struct whpx_runner runner;
	_Alignas(16) WHV_RUN_VP_EXIT_CONTEXT ctx; /* the last exit */
	struct whpx_batch out;

	enum whpx_half half;
	uint8_t data[8]; /* of a simple I/O or MMIO exit: where v->exit points */
	const struct whpx_move *move;          /* WHPX_MOVE */
	struct whpx_move moves[WHPX_MOVES];
	uint8_t length;                        /* WHPX_MSR, WHPX_HYPERCALL: of the instruction */

	/* As of the last exit and what was done since; whoever puts one into w->out or emulates keeps it true. */
	uint64_t rflags;
	uint8_t cr8;
	bool shadow, interruption; /* an event is to be delivered at the next entry */
	bool flags_known;          /* false: rflags, shadow, interruption are to be read first (whpx_learn_flags) */
	bool extint_given; /* the PIC's stood in PendingEvent when last heard of: no exit tells whether it still does */
	uint8_t shadow_kind;       /* vma_x86_events.shadow: the platform has one bit for STI and MOV SS */
	uint64_t shadow_rip;       /* of the instruction that shadow_kind protects */

	/* What stands in the way of an entry, all of it one word. */
	union {
		struct {
			bool nmi_pending; /* latched, not handed over yet */
			bool window_asked, nmi_asked; /* notifications that are outstanding */
			bool held;     /* an interrupt, for the next entry that can take it */
			bool shutdown; /* a triple fault was restored */
			bool halted;   /* HALTED, without a local APIC in the platform */
			bool unstored; /* what the emulator did could not be written: a call failed */
		};
		uint64_t waiting;
	};
	uint8_t window_priority;
	uint8_t held_vector;
	bool held_soft;
	bool fresh_events; /* v->x86.events as set by the caller, in `events`: nothing was entered or emulated since */
	vma_x86_events events;
	uint64_t apic_base;
	bool apic_base_known;

	/* The emulator: the software CPU with this vCPU's state (whpx_emu.c). It also keeps the MSRs that have no name
	 * here. */
	struct x86_cpu *cpu;
	struct x86_env env;
	struct whpx_emu *emu; /* whpx_emu.c's own */
	bool emu_loaded;      /* the software CPU has the vCPU's registers */

	unsigned untimed; /* runs still to be timed, to know what an exit costs */
	uint64_t advanced; /* RIP as whpx_advance left it */
	int stashed; /* the kind of an exit in v->exit's shape, in stashed_exit, that a completion ended in; 0: none */
	vma_exit stashed_exit;
	uint8_t *xsave; /* for the platform's form of the XSAVE image */
	uint32_t xsave_size;

	/* progress guard: the same access again and again */
	uint64_t stuck_rip, stuck_gpa;
	unsigned stuck;
	bool hopeless; /* hopeless_page's accesses are done here while the mappings are of that generation */
	uint64_t hopeless_page, hopeless_generation;

	bool debug_on;
	bool stepping; /* inside whpx_debug_enter: breakpoints on execution are the emulator's to find, else the
			  platform's */
	bool trapping; /* the last entry was a step by the platform, under TF */
	bool trap_own; /* TF was the guest's own */
	bool step_off; /* the next entry steps off the breakpoint at step_off_rip */
	uint64_t step_off_rip;
	bool dr_taken; /* DR0-3 and DR7 are the caller's breakpoints; the guest's are these (DR6 is not taken) */
	vma_x86_dregs guest_dr;
};

static inline struct whpx_vm *whpx_vm(const struct vma_vm *vm)
{
	return vm->priv;
}
static inline struct whpx_vcpu *whpx_vcpu(const struct vma_vcpu *v)
{
	return v->priv;
}

/* whpx.c */
int whpx_set_property(struct whpx_vm *wm, WHV_PARTITION_PROPERTY_CODE code, const void *value, uint32_t size);

/* whpx_batch.c */
WHV_REGISTER_VALUE *whpx_add(struct whpx_batch *b, WHV_REGISTER_NAME name); /* zeroed, or the one that is there */
/* Into w->out. */
static inline void whpx_put(struct whpx_vcpu *w, WHV_REGISTER_NAME name, uint64_t value)
{
	struct whpx_batch *b = &w->out;

	if (b->count || (unsigned)name >= WHPX_PLACES) {
		whpx_add(b, name)->Reg64 = value;
		return;
	}
	b->place[name] = 0;
	b->names[0] = name;
	b->values[0].Reg128 = (WHV_UINT128){.Low64 = value};
	b->count = 1;
}
int whpx_flush(struct whpx_vcpu *w);                                        /* write w->out */
int whpx_get(struct whpx_vcpu *w, struct whpx_batch *b);                    /* read, after a flush */
WHV_REGISTER_VALUE whpx_segment(const vma_x86_seg *s);
void whpx_segment_in(const WHV_REGISTER_VALUE *r, vma_x86_seg *s);
extern const WHV_REGISTER_NAME whpx_gpr_by_number[16];

/* whpx_mem.c */
int whpx_map(struct vma_vm *vm, struct vma_region *r);
int whpx_unmap(struct vma_vm *vm, struct vma_region *r);
int whpx_protect(struct vma_vm *vm, struct vma_region *r, uint32_t flags);
int whpx_split(struct vma_vm *vm, struct vma_region *r, struct vma_region *tail);
int whpx_dirty_log(struct vma_vm *vm, struct vma_region *r, uint64_t first, uint64_t pages, uint64_t *bitmap,
		   int clear);
/* Caller holds its vCPU's memory lock: whpx_memory_lock. */
struct whpx_region *whpx_region_at(struct whpx_vm *wm, uint64_t gpa);
void whpx_memory_lock(struct whpx_vcpu *w);
void whpx_memory_unlock(struct whpx_vcpu *w);
/* Every vCPU's, for changes of what is read under one. What was done so is a new generation for the emulators. */
void whpx_memory_lock_all(struct whpx_vm *wm);
void whpx_memory_unlock_all(struct whpx_vm *wm);
int whpx_mem_open(struct whpx_vm *wm);
int whpx_mem_setup(struct whpx_vm *wm); /* the partition is set up: map what was mapped before */
void whpx_mem_close(struct whpx_vm *wm);
/* A fault on memory that is mapped and allows the access: make the page present. */
void whpx_populate(struct whpx_vcpu *w, uint64_t gpa, bool write);
/* The emulator wrote there. */
void whpx_mark_dirty(struct whpx_vm *wm, uint64_t gpa);

/* whpx_regs.c */
int whpx_fetch(struct vma_vcpu *v, uint32_t classes);
int whpx_commit(struct vma_vcpu *v, uint32_t classes);

/* whpx_events.c */
int whpx_learn_flags(struct whpx_vcpu *w);
int whpx_fetch_events(struct whpx_vcpu *w);
int whpx_commit_events(struct whpx_vcpu *w);
int whpx_interrupt(struct vma_vcpu *v, uint8_t vector);
int whpx_interrupt_ready(struct vma_vcpu *v);
int whpx_nmi(struct vma_vcpu *v);
int whpx_get_tpr(struct vma_vcpu *v);
int whpx_set_tpr(struct vma_vcpu *v, uint8_t cr8);
/* An exception of the guest's, to be delivered at the next entry; RIP stays. */
void whpx_raise(struct whpx_vcpu *w, uint8_t vector, bool has_error, uint32_t error);
/* What must be handed over or asked for before an entry. 0, or the kind of an exit to return instead. */
int whpx_before_entry(struct whpx_vcpu *w);
int whpx_window_exit(struct whpx_vcpu *w); /* InterruptWindow came. 0: nobody waits for it */

/* whpx_state.c: the XSAVE area and the local APIC, by whichever functions there are. *written may be set although it
 * failed: the size that is needed. */
int whpx_state_get(struct whpx_vcpu *w, WHV_VIRTUAL_PROCESSOR_STATE_TYPE type, void *state, uint32_t size,
		   uint32_t *written);
int whpx_state_set(struct whpx_vcpu *w, WHV_VIRTUAL_PROCESSOR_STATE_TYPE type, const void *state, uint32_t size);

/* whpx_xsave.c */
int whpx_fetch_xsave(struct whpx_vcpu *w, uint8_t *image, uint32_t size);
int whpx_commit_xsave(struct whpx_vcpu *w, const uint8_t *image, uint32_t size);
bool whpx_xsave_in(const uint8_t *from, size_t from_size, uint8_t *image, size_t size);
size_t whpx_xsave_out(const uint8_t *image, size_t size, uint8_t *to, size_t room, uint64_t components);

/* whpx_vcpu.c */
int whpx_vcpu_open(struct vma_vcpu *v);
void whpx_vcpu_close(struct vma_vcpu *v);
int whpx_run(struct vma_vcpu *v);
int whpx_complete(struct vma_vcpu *v);

/* whpx_exit.c: from the platform's exit to v->exit. The kind; 0: dealt with, enter again; or an error. All whpx_*_exit
 * answer so. They fill v->exit, v->exit.pending, w->half (if pending) and v->completes_rip_only. */
int whpx_exit(struct whpx_vcpu *w);
int whpx_leave(struct whpx_vcpu *w, int kind); /* v->exit of this kind, not pending; the kind */
/* RIP goes behind the instruction of `length` bytes that exited, and its interrupt shadow is over. May read registers
 * (a shadow is rare). */
int whpx_advance(struct whpx_vcpu *w, unsigned length);
/* May the instruction that exited be done by the exit's context alone? Not while TF, RF or breakpoints are to be
 * respected, an event is half delivered or the caller debugs: then whpx_emulate. */
bool whpx_plain(const struct whpx_vcpu *w);
/* The instruction that raised the exception of this exit, whose bytes the exit may lack: how many of them are in
 * `bytes`, or an error. */
int whpx_exception_bytes(struct whpx_vcpu *w, uint8_t bytes[15]);
/* The half-done instruction, with its answer: 0 done, 1 another fragment in v->exit. */
int whpx_finish(struct whpx_vcpu *w);

/* whpx_debug.c */
int whpx_debug(struct vma_vcpu *v);
int whpx_debug_enter(struct whpx_vcpu *w); /* before an entry with debugging on. 0, or the kind of an exit */
/* A plain half of the instruction that ended at rip is finished, and the caller steps: the exit is stashed. */
void whpx_debug_finished(struct whpx_vcpu *w, uint64_t rip);
int whpx_exception_exit(struct whpx_vcpu *w); /* as whpx_exit; #GP and #UD go on to whpx_gp_exit, whpx_ud_exit */
/* The instruction that was to be stepped is the platform's to do: its next entry traps. 0, or an error. */
int whpx_debug_trap(struct whpx_vcpu *w, uint64_t rflags);
void whpx_debug_trapped(struct whpx_vcpu *w, bool entered); /* that entry is over; w->ctx has its exit if `entered` */

/* whpx_apic.c: VMA_IRQCHIP_PLATFORM, a vCPU's half */
int whpx_apic_fetch(struct whpx_vcpu *w); /* VMA_C_LAPIC */
int whpx_apic_commit(struct whpx_vcpu *w);
int whpx_activity_fetch(struct whpx_vcpu *w); /* VMA_C_MP */
void whpx_activity_commit(struct whpx_vcpu *w);
int whpx_wake(struct whpx_vcpu *w); /* end a halt inside the platform, for what is injected */
int whpx_apic_send(struct whpx_vcpu *w, unsigned type, uint32_t vector); /* a message to itself */
int whpx_takes_extint(struct whpx_vcpu *w); /* 1: it would take an interrupt of the PIC's */
int whpx_give_extint(struct whpx_vcpu *w);

/* whpx_chips.c: VMA_IRQCHIP_PLATFORM, the VM's half */
int whpx_chips_open(struct whpx_vm *wm);
int whpx_chips_start(struct whpx_vm *wm, bool x2apic); /* after the partition's set-up */
void whpx_chips_stop(struct whpx_vm *wm); /* before its deletion: nothing sends messages any more */
void whpx_chips_close(struct whpx_vm *wm);
void whpx_chips_boot(struct whpx_vm *wm, struct vma_vcpu *v); /* vCPU 0 is there; NULL: no longer */
bool whpx_chips_intr(const struct whpx_vcpu *w); /* the PIC has something for this vCPU */
int whpx_chips_ack(struct whpx_vcpu *w);         /* its vector; -1: no longer */
void whpx_chips_eoi(struct whpx_vcpu *w, uint8_t vector);
bool whpx_chips_answer(struct whpx_vcpu *w, int kind); /* v->exit was an access to the controllers and has its answer */
int whpx_irq_line(struct vma_vm *vm, uint32_t gsi, int level);
int whpx_msi(struct vma_vm *vm, uint64_t address, uint32_t data);
int whpx_irqfd(struct vma_vm *vm, int eventfd, uint32_t gsi, int assign);
int whpx_irqchip_get(struct vma_vm *vm, vma_x86_irqchip *chip);
int whpx_irqchip_set(struct vma_vm *vm, const vma_x86_irqchip *chip);

/* whpx_ioevent.c */
int whpx_ioeventfd(struct vma_vm *vm, const vma_ioeventfd *io, int assign);
/* v->exit was a write that signals an eventfd, and has done its work. Of an OUTS only as many elements are left in the
 * exit as have one answer. */
bool whpx_ioevent_answer(struct whpx_vcpu *w, int kind);
void whpx_ioevent_close(struct whpx_vm *wm);
/* With every memory lock, around what changes where memory is: nothing of [gpa, gpa + size) is the platform's to signal
 * any more; and whatever can be is again. */
int whpx_doorbells_off(struct whpx_vm *wm, uint64_t gpa, uint64_t size);
void whpx_doorbells_on(struct whpx_vm *wm);

/* whpx_kick.c */
int whpx_runner_add(struct whpx_vcpu *w);     /* after the virtual processor's creation; then a remove is owed */
void whpx_runner_remove(struct whpx_vcpu *w); /* before its deletion; any thread */
/* WHvRunVirtualProcessor into w->ctx. S_FALSE: somebody wants the vCPU's attention, it was not entered and w->ctx is as
 * it was. */
HRESULT whpx_enter(struct whpx_vcpu *w);
void whpx_kick(struct vma_kick *k);

/* ------ instructions done here: whpx_emu.c, whpx_burst.c, whpx_insn.c, whpx_msr.c, whpx_cpuid.c,
 * whpx_hypercall.c ------ */

/* The emulator. open makes w->cpu and w->emu; close takes NULLs (an open that failed). */
int whpx_emu_open(struct whpx_vcpu *w);
void whpx_emu_close(struct whpx_vcpu *w);
/* Execute the instruction at RIP, or go on with the delivery of an event that exited half way (PendingInterruption),
 * reading what it needs by one whpx_get; and the next ones where it pays. Takes the vCPU's memory lock while it steps.
 * All that changed goes into w->out, and into rflags, shadow, interruption, cr8; fresh_events becomes false. v->debug
 * is respected: with w->debug_on one instruction only, and a step or breakpoint of the caller's is VMA_EXIT_DEBUG; with
 * w->dr_taken the guest's debug registers are w->guest_dr.
 * As whpx_exit: what needs an answer is WHPX_EMULATED. */
int whpx_emulate(struct whpx_vcpu *w);
/* The instruction `back` bytes before RIP as memory has it: how many of its bytes can be read, or an error. */
int whpx_emu_bytes(struct whpx_vcpu *w, unsigned back, uint8_t bytes[15]);
/* Has the instruction that exited done so again and again, and is it worth while to go on behind it? Then whpx_emulate
 * it where a shorter way would do. It counts: ask once an exit. */
bool whpx_hot(struct whpx_vcpu *w);
/* Instructions without a device after which the emulator stops, 0: it never goes on; and what an exit must cost for
 * that, in ns. For tests and bench; not while vCPUs run. */
extern unsigned whpx_burst_limit, whpx_burst_exit_ns;
/* A run took that long, of which an unknown part was the guest's. */
void whpx_emu_timed(struct whpx_vcpu *w, uint64_t ns);
/* WHPX_EMULATED has its answer in v->exit: as whpx_finish. What it ended in besides (a step of the caller's) is
 * stashed. */
int whpx_emu_finish(struct whpx_vcpu *w);
/* w->unstored: once more. As whpx_exit. */
int whpx_emu_again(struct whpx_vcpu *w);
/* In a run, after a finish, with nothing to inject or ask for, while w->emu_loaded: more instructions where that pays.
 * As whpx_exit. */
int whpx_emu_continue(struct whpx_vcpu *w);
/* The state changes behind its back (a commit, an entry): what it has loaded is void. */
static inline void whpx_emu_forget(struct whpx_vcpu *w)
{
	w->emu_loaded = false;
}
/* v->debug changed. */
void whpx_emu_debug(struct whpx_vcpu *w);

/* The MOV that made this memory exit (w->ctx), if it is simple and not whpx_hot: WHPX_MOVE. 0: it is not, and nothing
 * was changed. mapped: there is memory, which does not allow the access. */
int whpx_move_exit(struct whpx_vcpu *w, bool mapped);
int whpx_move_finish(struct whpx_vcpu *w);
/* VMCALL or VMMCALL, in the mode that exited: its length; 0: it is another. */
unsigned whpx_insn_hypercall(const WHV_VP_EXIT_CONTEXT *c, const uint8_t *bytes, size_t size);

/* Before WHvSetupPartition: exits, actions, features; the VM's tables are final. */
int whpx_msr_setup(struct vma_vm *vm);
int whpx_cpuid_setup(struct vma_vm *vm);
/* Once a VM: which MSRs have a register here (after the first virtual processor exists). */
int whpx_msr_open(struct whpx_vcpu *w);
int whpx_get_msrs(struct vma_vcpu *v, const uint32_t *indices, uint64_t *values, size_t count);
int whpx_set_msrs(struct vma_vcpu *v, const uint32_t *indices, const uint64_t *values, size_t count);
/* Does this access exit because the caller wants it to? Does the platform keep this MSR? */
bool whpx_msr_wanted(const struct vma_vm *vm, uint32_t index, bool write);
bool whpx_msr_has_register(const struct whpx_vm *wm, uint32_t index);
int whpx_msr_exit(struct whpx_vcpu *w);
int whpx_msr_finish(struct whpx_vcpu *w);
/* A #GP exited: is it an MSR's? As whpx_exit; -1 in place of an error never: whpx_raise gives the guest its #GP. */
int whpx_gp_exit(struct whpx_vcpu *w);
/* ExtendedVmExits and ExceptionExitBitmap are one property each for all files: what whpx_msr_setup wants of them is
 * added to these, and whpx_vm_finalize sets them. */
void whpx_msr_wants(const struct vma_vm *vm, WHV_EXTENDED_VM_EXITS *exits, uint64_t *exceptions);
int whpx_cpuid_max(struct vma_vm *vm, vma_x86_cpuid *table, size_t *count);
/* What the guest sees of its table now, but for OSXSAVE and the like, which follow registers. */
void whpx_cpuid_of(const struct whpx_vcpu *w, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
int whpx_cpuid_exit(struct whpx_vcpu *w);
int whpx_cpuid_finish(struct whpx_vcpu *w);

/* Could exits for VMCALL and VMMCALL be had? As whpx_msr_wants. */
bool whpx_hypercall_known(const struct whpx_host *h);
void whpx_hypercall_wants(const struct vma_vm *vm, WHV_EXTENDED_VM_EXITS *exits, uint64_t *exceptions);
int whpx_hypercall_exit(struct whpx_vcpu *w);
int whpx_hypercall_finish(struct whpx_vcpu *w);
int whpx_ud_exit(struct whpx_vcpu *w); /* a #UD exited: is it theirs? As whpx_gp_exit */

#endif
