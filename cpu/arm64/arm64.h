/* arm64.h - the software arm64 CPU as its users see it: the soft back end, the instruction emulators of KVM and HVF, the
 * simulated hypervisors. It knows nothing of VMs, threads or accelerators: memory, devices, system registers of others
 * (the GIC's), interrupts and time reach it through struct a64_env.
 *
 * Half-done instructions are as in cpu/x86/x86.h: a callback that answers A64_DEFER stops the CPU with nothing of the
 * instruction committed; the user puts the answer into cpu->stop and calls a64_answer(); the next a64_run executes the
 * instruction again and replays what was answered from a log.
 *
 * Arm ARM = Arm Architecture Reference Manual for A-profile, DDI 0487. EL0 and EL1, AArch64 only, little-endian. */
#ifndef CPU_ARM64_H
#define CPU_ARM64_H

#include <setjmp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct a64_cpu;

enum { A64_DONE = 0, A64_DEFER = 1, A64_UNDEF = 2 }; /* A64_UNDEF: system registers only */
enum { A64_PAGE_R = 1, A64_PAGE_W = 2, A64_PAGE_X = 4, A64_PAGE_LOG = 8 };
enum {                     /* what poll answers */
       A64_POLL_STOP = 1,  /* leave a64_run */
       A64_POLL_IRQ = 2,   /* levels of the two interrupt inputs */
       A64_POLL_FIQ = 4
};
/* A system register as MRS and MSR name it: op0 op1 CRn CRm op2 in bits 15:0, as in the low half of KVM's ids. */
#define A64_SYSREG(op0, op1, crn, crm, op2) ((op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2))

struct a64_env {
	/* Host address of the 4 KiB page at gpa (aligned), with A64_PAGE_ flags, or NULL: no memory, the access goes to
	 * mmio. Results are cached until a64_flush_all. */
	uint8_t *(*page)(void *o, uint64_t gpa, unsigned *flags);
	void (*mark_dirty)(void *o, uint64_t gpa);
	/* len 1..8, never across a page. Also gets writes to pages without A64_PAGE_W. */
	int (*mmio)(void *o, uint64_t gpa, unsigned len, bool write, uint8_t *data);
	/* System registers that the CPU does not own: ICC_*, PMU, implementation defined. */
	int (*sysreg)(void *o, uint32_t reg, bool write, uint64_t *value);
	unsigned (*poll)(void *o);
	uint64_t (*counter)(void *o); /* CNTPCT_EL0 */
	/* CNTV_* or CNTP_* changed, or the levels of their interrupts: a64_timer says what is due. May be NULL. */
	void (*timer_changed)(void *o);
	/* WFE, YIELD now and then: give the host's processor away. May be NULL. */
	void (*pause)(void *o);
	bool (*random)(void *o, uint64_t *value); /* RNDR; NULL: not offered */
};

enum a64_stop_kind {
	A64_STOP_POLL = 1,
	A64_STOP_MMIO,
	A64_STOP_SYSREG,
	A64_STOP_HVC,  /* PC is past it */
	A64_STOP_SMC,  /* PC is past it */
	A64_STOP_WFI,  /* PC is past it */
	A64_STOP_DEBUG, /* of the user's */
	A64_STOP_BUDGET,
	A64_STOP_INTERNAL
};
struct a64_stop {
	enum a64_stop_kind kind;
	bool needs_answer, write;
	uint64_t addr; /* gpa, or the system register */
	unsigned len;
	uint8_t data[8];
	uint64_t value;
	bool fault;    /* SYSREG answer: undefined */
	uint32_t imm;  /* HVC, SMC, BRK; INTERNAL of a64_access */
	uint32_t debug_reason; /* 1 step, 2 hardware, 4 software */
	uint64_t pc, far;
};

union a64_vec {
	uint8_t b[16];
	uint16_t h[8];
	uint32_t s[4];
	uint64_t d[2];
} __attribute__((aligned(16)));

struct a64_log_entry {
	uint64_t addr, value;
	uint8_t len, kind, write; /* 'M' mmio, 'S' system register */
};

/* x[A64_R_ZR] is always 0; the decoder sends writes of XZR to A64_R_SINK. A64_R_SP is the current stack pointer. */
enum { A64_R_ZR = 31, A64_R_SP = 32, A64_R_SINK = 33, A64_NREG = 34 };
enum { A64_TLB_SIZE = 1024 };
struct a64_tlbe {
	uint64_t tag;     /* gva of the page; 1: empty */
	uintptr_t addend; /* hva = gva + addend */
};
struct a64_tlb {
	struct a64_tlbe r[A64_TLB_SIZE], w[A64_TLB_SIZE];
};
enum { A64_MMU_EL1, A64_MMU_EL1_PAN, A64_MMU_EL0, A64_MMU_MODES };
/* What pointer authentication has computed lately. */
struct a64_pac {
	uint64_t v, modifier, k0, w0, code;
	bool valid;
};
enum { A64_PACS = 256 };
enum { A64_WATCH = 4 }; /* breakpoints, and as many watchpoints */

/* Offered beyond Armv8.0; what is off is undefined and absent from the ID registers. */
enum a64_feature {
	A64_F_CRC32, A64_F_LSE, A64_F_RDM, A64_F_DP, A64_F_FP16, A64_F_AES, A64_F_PMULL, A64_F_SHA1, A64_F_SHA256,
	A64_F_PAUTH, A64_F_DPB, A64_F_LRCPC, A64_F_BTI, A64_F_PAN, A64_F_UAO, A64_F_E0PD, A64_F_HAFDBS, A64_F_RAS,
	A64_F_JSCVT, A64_F_FCMA, A64_F_FLAGM, A64_F_SB, A64_F_COUNT
};

struct a64_cpu {
	uint64_t x[A64_NREG];
	/* the condition flags: N is bit 63 of nf, Z is zf == 0, C and V are 0 or 1 */
	uint64_t nf, zf, cf, vf;
	struct a64_tlb *tlb; /* that of the current mode */
	uint64_t pc;         /* valid between blocks and when stopped; inside see a64_op_pc */
	uint64_t code_page;  /* gva of the page that the running block is in */
	const struct a64_env *env;
	void *env_opaque;
	atomic_uint *attn; /* polled at block ends, as in cpu/x86 */
	uint64_t insns, insn_limit;
	uint64_t excl_addr, excl_value[2]; /* the exclusive monitor: UINT64_MAX: open */
	uint8_t el, spsel, mmu_mode, excl_size;
	uint8_t sp_bank; /* whose stack pointer is in x[A64_R_SP]: a64_mode_changed() */
	uint32_t daif;     /* bits 9:6, as in PSTATE */
	bool pan, uao, ss, il, tf_active;
	uint8_t btype;
	uint64_t features; /* bits of enum a64_feature */

	union a64_vec v[32];
	uint32_t fpcr, fpsr;
	bool host_nearest; /* of a64_run: the host rounds to nearest */

	/* system registers of EL1 and EL0 that the CPU owns; the other stack pointer is in sp_el[] */
	uint64_t sp_el[2];
	uint64_t sctlr, tcr, ttbr0, ttbr1, mair, amair, vbar, esr, far, elr, spsr, par, contextidr, tpidr_el0, tpidrro_el0,
		tpidr_el1, cpacr, csselr, actlr, afsr0, afsr1, cntkctl, mdscr, oslsr, osdlr;
	uint64_t dbgbvr[A64_WATCH], dbgbcr[A64_WATCH], dbgwvr[A64_WATCH], dbgwcr[A64_WATCH];
	uint64_t apkey[5][2]; /* IA IB DA DB GA: low, high */
	uint64_t cntv_ctl, cntv_cval, cntp_ctl, cntp_cval, cntvoff, cntfrq;
	uint64_t mpidr, midr, id[64]; /* id: op0 3, op1 0, CRn 0, CRm 0..7 << 3 | op2 */
	uint64_t ctr, dczid, clidr, ccsidr[6];
	unsigned pa_bits;
	uint64_t mdccint, dacr32, ifsr32, fpexc32, dbgvcr32, disr; /* kept for the user */

	/* the user's breakpoints, independent of DBG* */
	bool user_step, user_brk;
	unsigned user_breaks;
	struct {
		uint64_t addr;
		uint8_t type, len; /* VMA_BREAK_ */
	} user_break[A64_WATCH];

	/* run loop */
	struct a64_stop stop;
	struct a64_log_entry log[64];
	unsigned log_len, log_pos;
	bool replay, irq_wait, once;
	uint64_t replay_pc;
	jmp_buf jb;
	const struct a64_op *block; /* head of the running block; NULL: none */
	uint64_t code_tag;
	struct a64_cache *cache;
	struct a64_tlb *tlbs; /* A64_MMU_MODES */
	struct a64_mmu *mmu;  /* bookkeeping of mmu.c */
	struct a64_share *share; /* what CPUs on the same memory tell each other; NULL: none */
	unsigned share_index;
	struct a64_pac pac[A64_PACS];
	/* virtual SError: taken when PSTATE.A is clear; serror_iss is ESR_EL1.ISS of it */
	bool serror_pending;
	uint32_t serror_iss;
	/* raised, not delivered yet */
	bool exc_valid, exc_has_far;
	uint32_t exc_esr;
	uint64_t exc_far, exc_pc;
	uint8_t exc_vector; /* 0 synchronous, 1 IRQ, 2 FIQ, 3 SError */
};

/* Create in reset state (Arm ARM D1.9): EL1h, DAIF set, MMU off. NULL: out of memory. */
struct a64_cpu *a64_new(const struct a64_env *env, void *opaque, atomic_uint *attn);
void a64_free(struct a64_cpu *c);
void a64_reset(struct a64_cpu *c);

enum a64_stop_kind a64_run(struct a64_cpu *c);
void a64_answer(struct a64_cpu *c);
enum a64_stop_kind a64_complete(struct a64_cpu *c); /* A64_STOP_BUDGET when done */
enum a64_stop_kind a64_step(struct a64_cpu *c);     /* exactly one instruction */
/* The same of a load, a store or DC ZVA, begun anew. A64_STOP_INTERNAL, nothing done: another instruction, or one that
 * this CPU does not have, is at the PC; stop.imm is its word. */
enum a64_stop_kind a64_access(struct a64_cpu *c);

/* The user changed state directly: recompute what is derived. `flush`: SCTLR, TCR, TTBR, MAIR or features changed. */
void a64_state_changed(struct a64_cpu *c, bool flush);
uint64_t a64_get_pstate(struct a64_cpu *c); /* in SPSR's layout, Arm ARM C5.2.19 */
void a64_set_pstate(struct a64_cpu *c, uint64_t pstate);
/* System registers for the user, those that the CPU owns; false: it does not, the value is refused, or bits of it that
 * are fixed here were not kept. */
bool a64_get_sysreg(struct a64_cpu *c, uint32_t reg, uint64_t *value);
bool a64_set_sysreg(struct a64_cpu *c, uint32_t reg, uint64_t value);
/* The n-th of those that are state or tell what the CPU is; false: there are fewer. */
bool a64_list_sysreg(const struct a64_cpu *c, unsigned n, uint16_t *reg);

/* Memory under the CPU changed / the host wrote where code may be. On the CPU's own thread. */
void a64_flush_all(struct a64_cpu *c);
void a64_code_changed(struct a64_cpu *c);

/* Levels of the timers' interrupts now (bit 0 virtual, bit 1 physical), and CNTPCT of the next rise; UINT64_MAX: none. */
unsigned a64_timer(struct a64_cpu *c, uint64_t *next);

/* CPUs on one memory: TLBI and IC of the inner shareable domain reach the others. Join and leave while none is inside
 * a64_run; index below 64. */
struct a64_share *a64_share_new(void);
void a64_share_free(struct a64_share *s);
void a64_share_join(struct a64_cpu *c, struct a64_share *s, unsigned index);
void a64_share_leave(struct a64_cpu *c);

#endif
