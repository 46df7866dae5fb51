/* x86.h - the software x86-64 CPU as its users see it: the soft back end, the instruction emulators of HVF and WHPX,
 * the simulated hypervisors. It knows nothing of VMs, threads or accelerators: memory, I/O, MSRs of others, interrupts
 * and time reach it through struct x86_env.
 *
 * Half-done instructions. When a callback answers X86_DEFER the CPU stops with nothing of the instruction committed and
 * describes the access in cpu->stop. The user puts the answer there and calls x86_answer(); the next x86_run executes
 * the instruction again from its start, and the accesses already answered are replayed from a log instead of being made
 * again. Thus a page-crossing or read-modify-write access stops several times, and the state seen in between is exactly
 * that before the instruction. */
#ifndef CPU_X86_H
#define CPU_X86_H

#include <setjmp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct x86_cpu;

enum { X86_DONE = 0, X86_DEFER = 1, X86_GP = 2 }; /* what access callbacks return; X86_GP: MSRs only */

enum {
	X86_PAGE_R = 1,
	X86_PAGE_W = 2,
	X86_PAGE_X = 4,
	X86_PAGE_LOG = 8,
	X86_PAGE_TABLE = 16
}; /* X86_PAGE_LOG: tell mark_dirty before the first write. X86_PAGE_TABLE: asked for by a page walk */

enum {                      /* what poll answers */
       X86_POLL_STOP = 1,   /* leave x86_run */
       X86_POLL_INTR = 2,   /* intr_ack would give a vector */
       X86_POLL_NMI = 4,    /* latch one NMI */
       X86_POLL_INIT = 8,   /* not maskable here; the user does it after X86_STOP_INIT */
       X86_POLL_WINDOW = 16 /* stop with X86_STOP_WINDOW as soon as an interrupt could be taken */
};

struct x86_env {
	/* Host address of the 4 KiB page at gpa (aligned), with X86_PAGE_ flags, or NULL: no memory, the access goes to
	 * mmio. *flags is 0 or X86_PAGE_TABLE before. Results are cached in the TLB until x86_flush_page / x86_flush_all. */
	uint8_t *(*page)(void *o, uint64_t gpa, unsigned *flags);
	void (*mark_dirty)(void *o, uint64_t gpa);
	/* len 1..8, never across a page. Also gets writes to pages without X86_PAGE_W. */
	int (*mmio)(void *o, uint64_t gpa, unsigned len, bool write, uint8_t *data);
	/* count elements of width bytes; count > 1 only from REP, and the user may lower *count to what it took, or to
	 * what is to be deferred. */
	int (*io)(void *o, uint16_t port, unsigned width, bool write, uint8_t *data, uint32_t *count);
	/* MSRs that the CPU does not own (APIC_BASE, x2APIC, ...) and those for which msr_exits(o, index) is true. */
	int (*rdmsr)(void *o, uint32_t index, uint64_t *value);
	int (*wrmsr)(void *o, uint32_t index, uint64_t value);
	bool (*msr_exits)(void *o, uint32_t index, bool write);
	/* The user's table; the CPU itself patches OSXSAVE and leaf 0xD. X86_DEFER: stop, answer in stop.cpuid. */
	int (*cpuid)(void *o, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
	unsigned (*poll)(void *o);
	int (*intr_ack)(void *o);     /* vector, or -1: none any more */
	uint64_t (*tsc)(void *o);     /* guest TSC before TSC_ADJUST-independent offset: the raw clock */
	void (*tsc_changed)(void *o); /* the guest wrote TSC or TSC_ADJUST; may be NULL */
	uint64_t (*get_tpr)(void *o); /* CR8; NULL: kept in cpu->cr8 */
	void (*set_tpr)(void *o, uint64_t cr8);
	/* For RDRAND and RDSEED; false: no number now. NULL: a generator of the CPU's own that gives the same numbers
	 * in every run. */
	bool (*random)(void *o, uint64_t *value);
	/* MWAIT: wait a little while for poll to have something to say, at most some 100 us; the guest looks for itself
	 * what ended it. NULL: MWAIT returns at once. */
	void (*mwait)(void *o);
	/* PAUSE, now and then: the guest spins, maybe for what a CPU does that has no processor of the host's now. May be
	 * NULL. */
	void (*pause)(void *o);
	/* Stop all other CPUs on this memory, or let them go on: around an instruction whose locked access the host cannot
	 * make at once (split, unaligned, beside code). NULL: there are no others. The stopped ones may have waited for
	 * the same, so memory may have changed when it returns. */
	void (*alone)(void *o, bool begin);
	/* VMCALL, VMMCALL that stop with X86_STOP_HYPERCALL, X86_VMCALL_ bits; else #UD. May change between runs. */
	unsigned vmcall_exits;
	/* For users that are hypervisors themselves; these may change between runs. Exceptions by vector that stop with
	 * X86_STOP_EXCEPTION when they are raised: nothing of the instruction (trap: behind it) nor CR2 and DR6 are
	 * changed, and an event whose delivery raised it is still to be delivered. Not those that the user injects. */
	uint32_t exceptions;
	bool tsc_exits;  /* RDTSC and RDTSCP stop with X86_STOP_TSC */
	bool task_exits; /* task switches stop with X86_STOP_TASK, before anything of them */
	/* A page table that is no memory stops with X86_STOP_MMIO, a read at the entry's address with gva what was to be
	 * translated, which needs no answer; else it reads as not present. One that cannot be written and lacks an accessed
	 * or dirty bit stops with a write there; else it stays without. */
	bool table_exits;
};

enum {
	X86_VMCALL_INTEL = 1,
	X86_VMCALL_AMD = 2, /* VMMCALL */
	X86_VMCALL_BOTH = 3,
	X86_VMCALL_KERNEL = 4 /* these in protected mode at CPL 0 only */
};

enum x86_stop_kind {
	X86_STOP_POLL = 1, /* poll said stop */
	X86_STOP_IO,
	X86_STOP_MMIO,
	X86_STOP_MSR,
	X86_STOP_CPUID,
	X86_STOP_HYPERCALL,
	X86_STOP_HLT, /* RIP is past HLT */
	X86_STOP_WINDOW,
	X86_STOP_DEBUG, /* a debug event that belongs to the user (cpu->user_debug) */
	X86_STOP_TRIPLE,
	X86_STOP_INIT,
	X86_STOP_BUDGET, /* max_insns were executed */
	X86_STOP_INTERNAL,
	X86_STOP_EXCEPTION, /* of env->exceptions */
	X86_STOP_TSC,
	X86_STOP_TASK,
	X86_STOP_NMI_WINDOW, /* nmi_window: an NMI could be taken */
	X86_STOP_KINDS
};

struct x86_stop {
	enum x86_stop_kind kind;
	bool needs_answer;
	bool write;
	uint64_t addr;      /* gpa, port or MSR index */
	unsigned len;       /* bytes of one element */
	uint32_t count;     /* IO */
	uint8_t data[4096]; /* IO and MMIO: written data, or the answer */
	uint64_t value;     /* MSR value; hypercall result */
	bool fault;         /* MSR answer: #GP(0) */
	uint32_t cpuid[4], leaf, subleaf;
	uint32_t debug_reason, exception; /* bits: 1 step, 2 hardware, 4 software */
	uint64_t pc, dr6;
	uint8_t insn_len; /* of the instruction; 0: none is decoded */
	bool string, rep; /* IO: INS or OUTS; with REP */
	/* MMIO, and memory that may not be executed (INTERNAL): linear address; an instruction fetch */
	uint64_t gva;
	bool fetch;
	/* EXCEPTION: exception is the vector, value what CR2 or DR6 would be; TSC: write is RDTSCP; TASK: addr: selector */
	bool has_error, software;
	uint32_t error;
};

struct x86_seg {
	uint64_t base;
	uint32_t limit; /* bytes */
	uint32_t attr;  /* VMX access rights, as VMA_SEG_ in the public header */
	uint16_t sel;
};
enum { X86_ES, X86_CS, X86_SS, X86_DS, X86_FS, X86_GS, X86_LDTR, X86_TR, X86_NSEG };

/* 80-bit register as in memory: 64-bit significand, sign and exponent. */
struct x86_f80 {
	uint64_t sig;
	uint16_t se;
};
union x86_vec { /* room for ZMM later */
	uint8_t b[32];
	uint16_t w[16];
	uint32_t d[8];
	uint64_t q[4];
	float f[8];
	double lf[4];
} __attribute__((aligned(32)));

/* One access of a deferred instruction, see above. */
struct x86_log_entry {
	uint64_t addr;
	uint8_t len, kind, write; /* kind: 'M' mmio, 'I' io, 'R' msr, 'C' cpuid, 'H' hypercall */
	uint32_t count;
	uint64_t value[4];
};

enum { X86_R_ZERO = 16, X86_R_PC = 17, X86_NREG = 18 };
#define X86_TLB_SIZE 1024

struct x86_tlbe {
	uint64_t tag;     /* gva of the page; 1: empty */
	uintptr_t addend; /* hva = gva + addend */
};
/* Separate arrays for reading and writing, so that a source and a destination that collide do not evict each other. */
struct x86_tlb {
	struct x86_tlbe r[X86_TLB_SIZE], w[X86_TLB_SIZE];
};
enum { X86_MMU_KERNEL, X86_MMU_USER, X86_MMU_KERNEL_SMAP, X86_MMU_MODES };
/* One more set that stays empty: while alignment is checked no access may hit. */
enum { X86_TLB_NONE = X86_MMU_MODES, X86_TLB_SETS };

enum { X86_MC_BANKS = 10 };
/* Accesses of one instruction that can wait for answers. XSAVE into a device makes the most, some 110; more stop with
 * X86_STOP_INTERNAL. */
enum { X86_LOG = 192 };

struct x86_cpu {
	/* hot: general registers by hardware number; [X86_R_ZERO] is always 0; [X86_R_PC] is the rip (offset in CS) of
	 * the running block's start, so that RIP-relative operands are ordinary ones */
	uint64_t r[X86_NREG];
	/* lazy flags, see flags.h: the arithmetic flags are a function of these */
	uint64_t cc_dst, cc_src2, cc_src; /* in this order lest compilers join the two stores of most instructions */
	uint32_t cc_op;
	uint32_t eflags;     /* everything but CF PF AF ZF SF OF; bit 1 is set. DF, IF, TF, IOPL, AC ... */
	uint64_t segbase[8]; /* base added to an address: 0 for CS DS ES SS in 64-bit mode; [7] is always 0 */
	struct x86_tlb *tlb; /* that of the current mode: &tlbs[mmu_mode]; while alignment is checked the empty one */
	uint64_t rip;        /* valid between blocks and when stopped */
	const struct x86_env *env;
	void *env_opaque;
	atomic_uint
	    *attn; /* polled at block ends: not 0 means ask env->poll. Set by anybody after what poll will report. */
	/* Counted since creation: instructions executed, iterations of REP, instructions that faulted. Inside a block it
	 * is ahead: the head counts all of it. Exact between blocks and when stopped. */
	uint64_t insns;
	uint64_t insn_limit;         /* stop when insns reaches it; UINT64_MAX: never */
	uint64_t tlb_drops;          /* counts the times that translations were dropped, by instructions or by the user */
	uint8_t cpl, mmu_mode, mode; /* mode: enum x86_mode in internal.h */
	bool vex_off;                /* VEX-encoded vector instructions raise #UD or #NM: x86_update_vex */
	bool tf_active;              /* single step: blocks of one instruction (TF, user debug or breakpoints armed) */

	uint64_t xss; /* IA32_XSS: no supervisor component exists, so 0 */
	uint64_t cr0, cr2, cr3, cr4, cr8, efer, xcr0, pdpte[4];
	struct x86_seg seg[X86_NSEG];
	uint64_t gdt_base, idt_base;
	uint32_t gdt_limit, idt_limit;
	uint64_t dr[8];
	/* MSRs the CPU owns */
	uint64_t star, lstar, cstar, fmask, kernel_gs_base, tsc_aux, sysenter_cs, sysenter_esp, sysenter_eip, pat,
	    misc_enable;
	uint64_t mc_bank[X86_MC_BANKS][4], debugctl; /* CTL STATUS ADDR MISC */
	uint64_t tsc_offset, tsc_adjust, mtrr_def_type, mtrr_phys[16], mtrr_fixed[11], spec_ctrl, mcg_status, mcg_ctl;
	unsigned gpa_bits, gva_bits;      /* gva_bits: the most this CPU has, whatever CR4.LA57 says */
	bool has_nx, has_1g, has_pse36; /* from the user's CPUID, for reserved-bit checks */
	uint64_t canonical_half;        /* of the linear addresses of the present mode: 1 << 47 or 1 << 56 */

	/* interruptions */
	bool nmi_pending, nmi_masked, window_wanted;
	bool nmi_window; /* the pending NMI is none: stop when it could be taken */
	uint8_t shadow;    /* 1 STI, 2 MOV SS; for the next instruction only */
	bool inject_valid; /* deliver this before the next instruction (user's injection, or a saved one) */
	uint8_t inject_vector,
	    inject_type; /* type as VMX: 0 external, 2 NMI, 3 hardware exception, 4 software interrupt */
	uint8_t inject_len; /* software's: of the instruction, behind which the handler returns */
	bool inject_has_error;
	uint32_t inject_error;

	/* floating point and vectors */
	struct x86_f80 st[8];   /* physical registers R0..R7 */
	uint16_t fcw, fsw, fop; /* fsw with TOP in bits 11..13 */
	uint8_t ftag;           /* abridged: bit n: physical register n is not empty */
	uint64_t fip, fdp;
	uint32_t mxcsr;
	union x86_vec v[16];
	uint64_t pkru, pkrs;
	uint64_t random_state; /* of the CPU's own generator, see env->random */
	uint32_t pauses;       /* PAUSEs executed */
	/* what fpenv.c has borrowed of the host's FPU: the control bits now loaded (0: nothing) and what they replaced
	 */
	uint32_t fp_loaded, fp_host_mxcsr, fp_x87_loaded;
	uint16_t fp_x87_flags; /* exceptions standing in the host's x87 status word */
	uint8_t fp_host_env[28];

	/* the user's breakpoints; independent of DR0-7 */
	bool user_step, user_int3;
	unsigned user_breaks;
	struct {
		uint64_t addr;
		uint8_t type, len;
	} user_break[4];

	/* run loop */
	struct x86_stop stop;
	struct x86_log_entry log[X86_LOG];
	unsigned log_len, log_pos;
	jmp_buf jb;
	bool jb_valid;
	const struct x86_op
	    *block; /* head of the running block, for the count of instructions when it is left early; NULL: none */
	uint64_t code_tag;           /* what a jump-cache entry must carry: generation of translations and block key */
	bool deferred;               /* the block ended in a handler that waits for its answer (x86_io_one) */
	bool replay;                 /* the log belongs to the next instruction or delivery */
	bool once;                   /* x86_step, x86_complete, code in a device: leave after one iteration of REP */
	bool io_pages;               /* the user's wish: x86_step hands over REP INS and OUTS as x86_run does, up to a page */
	bool poll_again;             /* an interrupt or window is waiting for IF */
	bool want_alone, alone;      /* a locked instruction needs, or has, the memory for itself */
	const struct x86_op *log_op; /* whose accesses the log holds: operation and the count of instructions then */
	uint64_t log_insns, replay_rip;
	struct x86_cache *cache; /* decoded blocks */
	int32_t code_epoch;      /* counts x86_memory_changed; a block that has seen another one is compared first */
	struct x86_tlb *tlbs;    /* X86_TLB_SETS */
	bool align_check;        /* CR0.AM, EFLAGS.AC and CPL 3 */
	/* other CPUs on the same memory, see share.h */
	struct x86_share *share; /* NULL: none */
	uint64_t share_bit;
	uint8_t share_index;
	unsigned host_writes;    /* of the share, as last seen */
	uint64_t unsettled;      /* CPUs that have not answered yet */
	unsigned settle_at[64];  /* the answer to wait for */
	unsigned unsettled_pages; /* more than there is room for: any page */
	const uint8_t *unsettled_page[16];
	struct x86_itlbe *itlb;
	uint64_t features[8]; /* see x86_set_features */
	/* raised and not delivered yet; kept while the delivery is deferred */
	bool exc_valid, exc_triple;
	uint8_t exc_vector, exc_type;
	int32_t exc_error;  /* -1: none */
	uint8_t delivering; /* class of the event whose delivery is in progress, enum in sys_deliver.c; 0: none */
	uint8_t flat;       /* segments without checks, see internal.h */
	bool step_armed;    /* TF was set before this instruction */
	uint64_t dr6_before; /* what the #DB being raised found in DR6 */
	uint64_t step_next; /* the instruction behind the one being stepped: elsewhere is a branch (BTF) */
	bool user_stepped;  /* user_step was, too */
	bool off_break;     /* the user was told of an execution breakpoint at off_pc: the next run steps off it */
	uint64_t off_pc;
	uint64_t rep_rip;               /* of a string instruction with iterations left; UINT64_MAX: none */
	bool exact;                     /* the user's clock counts instructions: c->insns is exact in every callback */
	bool redo_single;               /* the next instruction runs in a block of its own, for that reason */
	bool trap;                      /* what is raised now comes behind the instruction (x86_debug_after) */
	bool in_delivery;               /* x86_deliver_fault is at work */
	bool rf_loaded;                 /* this instruction (IRET) set RF for the next one */
	uint8_t watch_count;            /* data breakpoints armed, guest's and user's */
	uint32_t watch_dr6, watch_user; /* data breakpoints hit by this instruction */
	uint64_t watch_key;             /* DR7 and user breakpoints as last seen by x86_update_debug */
};

/* Create in RESET state (SDM vol. 3, table 10-1). NULL: out of memory. */
struct x86_cpu *x86_new(const struct x86_env *env, void *opaque, atomic_uint *attn);
void x86_free(struct x86_cpu *c);
void x86_reset(struct x86_cpu *c); /* RESET; keeps time, caches of code and the user's breakpoints */
void x86_init(struct x86_cpu *c);  /* INIT: what RESET changes and INIT does not is kept */
void x86_sipi(struct x86_cpu *c, uint8_t vector);

/* Run until something stops it; the reason is in c->stop. A stop with needs_answer is answered in place, then
 * x86_answer. */
enum x86_stop_kind x86_run(struct x86_cpu *c);
void x86_answer(struct x86_cpu *c);
/* Finish the pending instruction only: X86_STOP_BUDGET when done, or another stop. */
enum x86_stop_kind x86_complete(struct x86_cpu *c);
/* Execute exactly one instruction (or one iteration of REP), whatever is pending. For instruction emulators. */
enum x86_stop_kind x86_step(struct x86_cpu *c);

/* Drop a half-done instruction or delivery, and whatever was injected or raised: the user loads another state. */
void x86_abandon(struct x86_cpu *c);
/* The bytes at RIP, as far as a fetch of up to 15 would find memory: their number. Raises nothing, asks no device. */
unsigned x86_peek(struct x86_cpu *c, uint8_t bytes[15]);

/* The user changed state directly: recompute what is derived (mode, segment bases, TLB mode, flags). `flush`: CR0, CR3,
 * CR4 or EFER changed. */
void x86_state_changed(struct x86_cpu *c, bool flush);
uint64_t x86_get_rflags(struct x86_cpu *c);
void x86_set_rflags(struct x86_cpu *c, uint64_t rflags);

/* Memory under the CPU changed: a page was unmapped, protected or its log restarted / everything. On the CPU's own
 * thread. */
void x86_flush_page(struct x86_cpu *c, uint64_t gpa);
void x86_flush_all(struct x86_cpu *c);
/* Somebody else (host, DMA, another CPU) wrote guest memory that may hold decoded code. On the CPU's own thread. */
void x86_code_written(struct x86_cpu *c, uint64_t gpa, uint64_t size);
/* The same where nobody knows what was written, if anything: each block is compared with its bytes before it runs
 * again. Costs little here and some nanoseconds a block later. */
void x86_memory_changed(struct x86_cpu *c);

/* CPUs that share memory tell each other of code that is written, through one of these. Join and leave while none of
 * the members is inside x86_run (the CPU itself not ever before); index is unique and below 64. When the second joins,
 * the first must x86_flush_all before it runs again. */
struct x86_share;
struct x86_share *x86_share_new(void); /* NULL: out of memory */
void x86_share_free(struct x86_share *s);
void x86_share_join(struct x86_cpu *c, struct x86_share *s, unsigned index);
void x86_share_leave(struct x86_cpu *c);
/* x86_memory_changed for every member, from any thread: before the guest is told of what was written. */
void x86_host_wrote(struct x86_share *s);

/* MSRs by index for the user; false: the CPU does not own that one or the value is refused. */
bool x86_rdmsr(struct x86_cpu *c, uint32_t index, uint64_t *value);
bool x86_wrmsr(struct x86_cpu *c, uint32_t index, uint64_t value);

/* Walk the tables. access: X86_ACC_ bits. Returns false and *error (the #PF error code) when it faults. Sets A/D bits. */
enum {
	X86_ACC_WRITE = 1,
	X86_ACC_EXEC = 2,
	X86_ACC_USER = 4 /* as if at CPL 3 */,
	X86_ACC_SYSTEM = 8 /* implicit supervisor: ignores EFLAGS.AC */,
	X86_ACC_LOOK = 16 /* changes nothing in the tables */
};
#define X86_NO_TABLE (~0u) /* the error with env->table_exits, c->stop filled but for X86_ACC_LOOK */
bool x86_walk(struct x86_cpu *c, uint64_t gva, unsigned access, uint64_t *gpa, unsigned *error);

/* What this CPU can do, as CPUID leaves (the most it can show). *count in: room, out: number. */
struct x86_cpuid_leaf {
	uint32_t leaf, subleaf, has_subleaf, out[4];
};
void x86_cpuid_max(struct x86_cpuid_leaf *table, size_t *count);

/* The XSAVE image in standard layout, `size` at least 576 (832 with AVX). */
void x86_get_xsave(struct x86_cpu *c, uint8_t *image, size_t size);
void x86_set_xsave(struct x86_cpu *c, const uint8_t *image, size_t size);

#endif
