/* whpsim.h - a Windows Hypervisor Platform that is not there: what its files share. Partitions and virtual processors
 * over the software CPU (cpu/x86) and its local APIC (irq/). Uses the facts of src/whpx/whp.h and nothing else of the
 * library.
 *
 * partition.c   handles, life cycle, virtual processors, stopping all of them
 * memory.c      the guest's memory: mapping, dirty log, accesses by the host
 * registers.c, reg_events.c  names to fields of the CPU        check.c  is the state one that a processor enters?
 * run.c         WHvRun.., WHvCancelRun..          exit.c       a stop of the CPU as an exit
 * env.c         what the CPU asks of its surroundings          apic.c  local APICs, interrupts, INIT and SIPI
 * doorbell.c    writes that signal an event; event.h, event_posix.c, event_windows.c: the events
 * translate.c   WHvTranslateGva                   time.c       partition time, TSC     counters.c
 * config, symbols, notimpl, capability, property, cpuid, hostile, state, emulation: see their headers and first lines
 *
 * Strict: what the documents forbid or leave open is refused; where a caller broke a rule that the platform may not
 * even answer (two threads on one virtual processor, deleting what runs, misaligned arrays) it is a breach, which is
 * counted and said on standard error. Tests ask that there were none.
 *
 * Threads: a virtual processor is `busy` from the begin to the end of each call on it but WHvCancelRunVirtualProcessor;
 * whoever has it busy owns its CPU. `lock` guards what calls on the partition change; `irq_lock` is irq/'s. Order:
 * lock, irq_lock. Nothing of the run path takes a lock or allocates, where no interrupt controller is emulated. */
#ifndef WHPSIM_H
#define WHPSIM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include "config.h"
#include "cpu/x86/x86.h"
#include "hostile.h"
#include "irq/irq.h"
#include "property.h"
#include "whpx/whp.h"

enum { WHPSIM_PAGE = 4096 };

/* Calls on one virtual processor, and names in them. */
struct whp_counts {
	uint64_t runs, gets, get_names, sets, set_names, xsave_gets, xsave_sets, apic_gets, apic_sets;
	uint64_t stops[X86_STOP_KINDS]; /* of the CPU, by enum x86_stop_kind */
	_Atomic uint64_t cancels;       /* by other threads */
};

struct whpsim_region {
	uint64_t gpa, size;
	uint8_t *hva;
	uint32_t flags;           /* WHvMapGpaRangeFlag.. */
	_Atomic uint64_t *dirty; /* a bit a page, NULL: not tracked */
	bool faults;             /* writes do, whatever the flags say */
};

/* An exit that an access to the local APIC brings about; none while reason is WHvRunVpExitReasonNone. */
struct whpsim_trap {
	WHV_RUN_VP_EXIT_REASON reason;
	uint32_t type;  /* WHV_X64_APIC_WRITE_TYPE */
	uint64_t value; /* vector, ICR, or what was written */
};

struct whpsim_vp {
	struct whpsim_partition *partition;
	uint32_t index;
	atomic_bool busy;
	struct x86_cpu *cpu;
	struct x86_env env;
	struct whp_counts counts;
	struct whpsim_hostile hostile;
	uint64_t exit_ns; /* as configured */

	atomic_uint attention;  /* the CPU polls it */
	atomic_bool cancel;     /* sticky */
	atomic_uint cancelling; /* threads inside WHvCancelRunVirtualProcessor */
	atomic_bool inside;     /* runs on the memory map */
	atomic_bool flush;      /* translations are to be forgotten at the next entry */

	uint64_t apic_base; /* IA32_APIC_BASE where no APIC is emulated */
	bool unchecked;     /* registers were written since the state was last found valid */
	bool bad_rflags;    /* bits were written that RFLAGS has not */
	WHV_X64_PENDING_EXCEPTION_EVENT exception; /* PendingEvent's; meaningful while pending */
	WHV_X64_PENDING_DEBUG_EXCEPTION pending_debug;
	/* SINTs, SCONTROL, SIEFP, SIMP, HYPERCALL, GUEST_OS_ID, VP_ASSIST_PAGE, REFERENCE_TSC */
	uint64_t synthetic[23];
	WHV_X64_DELIVERABILITY_NOTIFICATIONS_REGISTER wanted;
	bool halted;           /* InternalActivityState's HaltSuspend */
	atomic_bool wait_sipi; /* its StartupSuspend */
	uint8_t extint;         /* PendingEvent ExtInt: vector; meaningful while extint_valid */
	bool extint_valid;
	struct whpsim_trap trap; /* to be reported behind the instruction */
	atomic_bool nmi, init, sipi; /* by other threads */
	atomic_uint sipi_vector;
};

struct whpsim_partition {
	uint32_t magic;
	struct whpsim_partition *next, **link; /* among all that there are */
	bool setup;
	struct whpsim_properties properties;
	pthread_mutex_t lock;

	/* the guest's memory, changed only while the world stands still */
	struct whpsim_region *regions; /* sorted */
	size_t region_count, region_room;
	uint64_t unmapped; /* where something was last, and nothing has been mapped since */
	struct whpsim_doorbell *doorbells; /* as regions */
	size_t doorbell_count;
	pthread_mutex_t world_lock;
	pthread_cond_t world_cond;
	atomic_uint stops;

	struct whpsim_vp *vps[WHPSIM_MAX_VPS];
	struct x86_share *share;

	/* local APICs; meaningful while properties.apic_mode */
	pthread_mutex_t irq_lock;
	pthread_cond_t irq_cond; /* something happened to a VP that sleeps, or to the timers' thread */
	struct irq_pc pc;
	struct irq_lapic lapics[WHPSIM_MAX_VPS];
	pthread_t timers;
	bool timers_run;

	/* partition time */
	_Atomic uint64_t time_offset; /* host time minus partition time, ns */
	_Atomic uint64_t time_stopped_at; /* partition time while suspended; UINT64_MAX: it runs */
	_Atomic uint64_t tsc_jumped;      /* hostile: so far ahead, on every VP */
};

/* NULL: no partition of ours. */
struct whpsim_partition *whpsim_partition(WHV_PARTITION_HANDLE handle);
/* S_OK: *vp is the caller's until whpsim_release. E_HANDLE, WHV_E_VP_DOES_NOT_EXIST, and, a breach,
 * WHV_E_INVALID_VP_STATE where another thread has it. `what`: the function, for the message. */
HRESULT whpsim_acquire(WHV_PARTITION_HANDLE handle, uint32_t index, const char *what, struct whpsim_vp **vp);
void whpsim_release(struct whpsim_vp *vp);
/* Is any virtual processor of it inside a call now? */
bool whpsim_running(const struct whpsim_partition *p);
/* A rule was broken that has no certain answer on the platform. */
void whpsim_breach(const char *function, const char *what);
uint64_t whpsim_breaches(void);
/* Delete every partition that its owner has left behind, none of which runs: how many there were. */
unsigned whpsim_delete_all(void);
/* For tests. NULL: no such processor. */
const struct whp_counts *whpsim_counts(WHV_PARTITION_HANDLE handle, uint32_t index);

/* ------ memory.c ------ */

/* No virtual processor uses the map in between; flush: each forgets its translations. */
void whpsim_stop_world(struct whpsim_partition *p, bool flush);
void whpsim_start_world(struct whpsim_partition *p);
void whpsim_enter(struct whpsim_vp *vp);
void whpsim_leave(struct whpsim_vp *vp);
struct whpsim_region *whpsim_region_at(struct whpsim_partition *p, uint64_t gpa);
uint8_t *whpsim_page(void *vp, uint64_t gpa, unsigned *flags);
void whpsim_mark_dirty(void *vp, uint64_t gpa);
/* Copy as the host may: false where nothing is mapped. Within a call on the partition. */
bool whpsim_guest_read(struct whpsim_partition *p, uint64_t gpa, void *data, uint64_t size);
void whpsim_memory_free(struct whpsim_partition *p);

/* ------ doorbell.c; while the map stands still ------ */

/* Is there one in this page? Then there is no memory for the guest. */
bool whpsim_doorbell_page(const struct whpsim_partition *p, uint64_t gpa);
/* The guest's write has signalled one, and is done. */
bool whpsim_doorbell_rings(struct whpsim_vp *vp, uint64_t gpa, unsigned len, const uint8_t *data);
void whpsim_doorbells_free(struct whpsim_partition *p);

/* ------ the CPU ------ */

void whpsim_env_init(struct whpsim_vp *vp);
/* Exit lists and bitmaps may have changed between runs. */
void whpsim_env_refresh(struct whpsim_vp *vp);
/* Is an interrupt window what the CPU is to stop at? DeliverabilityNotifications and CR8 say. */
void whpsim_want_window(struct whpsim_vp *vp);
/* Would a processor enter with this state (SDM vol. 3, "Checks on Guest State")? */
bool whpsim_state_valid(struct whpsim_vp *vp);
/* What stopped the CPU as an exit; *x is zero. While the map stands still. */
void whpsim_exit(struct whpsim_vp *vp, enum x86_stop_kind kind, WHV_RUN_VP_EXIT_CONTEXT *x);
bool whpsim_at_vmx(struct whpsim_vp *vp);    /* the instruction at RIP is VMX's, SMX's or SVM's */
bool whpsim_at_vmcall(struct whpsim_vp *vp); /* it is VMCALL */
void whpsim_vp_context(struct whpsim_vp *vp, WHV_VP_EXIT_CONTEXT *c);
WHV_X64_SEGMENT_REGISTER whpsim_segment(const struct x86_seg *s);

/* ------ apic.c ------ */

int whpsim_apic_start(struct whpsim_partition *p); /* at setup; -1: no thread, no memory */
void whpsim_apic_stop(struct whpsim_partition *p);
void whpsim_wake(struct whpsim_vp *vp); /* it must look for what came */
/* INIT and SIPI, the end of HLT. False: *x is what came first. */
bool whpsim_wait_runnable(struct whpsim_vp *vp, WHV_RUN_VP_EXIT_CONTEXT *x);
/* The guest's access to the local APIC's page, X86_DONE, or X86_DEFER: it is none. */
int whpsim_apic_mmio(struct whpsim_vp *vp, uint64_t gpa, unsigned len, bool write, uint8_t *data);
uint64_t whpsim_apic_base(struct whpsim_vp *vp);
bool whpsim_set_apic_base(struct whpsim_vp *vp, uint64_t value);
/* The guest is about to write a register (offset >> 4): does it end there, because it is to be told instead of done? */
bool whpsim_apic_traps(struct whpsim_vp *vp, uint32_t reg, uint64_t value);
/* A register of the APIC's page (0x6e0: the TSC deadline); false: no APIC is emulated. */
bool whpsim_apic_register(struct whpsim_vp *vp, uint32_t offset, uint64_t *value);
void whpsim_apic_set_deadline(struct whpsim_vp *vp, uint64_t tsc);
/* Time goes on: what waits for a time looks at it again. */
void whpsim_apic_time_moved(struct whpsim_partition *p);
static inline bool whpsim_has_apic(const struct whpsim_partition *p)
{
	return p->properties.apic_mode != WHvX64LocalApicEmulationModeNone;
}

/* ------ time.c ------ */

uint64_t whpsim_host_ns(void);
void whpsim_yield(void);
uint64_t whpsim_time_ns(const struct whpsim_partition *p); /* partition time */
void whpsim_time_resume(struct whpsim_partition *p);       /* a run resumes it */
uint64_t whpsim_tsc(void *vp);                             /* before the VP's offset; by the VP's owner */
uint64_t whpsim_tsc_of(const struct whpsim_partition *p);  /* the same, by anybody */

#endif
