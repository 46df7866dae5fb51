/* sys.h - what the system half of the arm64 CPU (exceptions, MMU, system registers, timer, debug, sharing) has of its
 * own, and what it and the engine ask of each other beyond internal.h. */
#ifndef CPU_ARM64_SYS_H
#define CPU_ARM64_SYS_H

#include "internal.h"

/* ------ of the engine ------ */

/* gva of op's instruction in the running block. */
uint64_t a64_op_pc(const struct a64_cpu *c, const struct a64_op *op);

/* ------ bits ------ */

enum { A64_DAIF_D = 0x200, A64_DAIF_A = 0x100, A64_DAIF_I = 0x80, A64_DAIF_F = 0x40, A64_DAIF_ALL = 0x3c0 };

/* SCTLR_EL1, Arm ARM D19.2.118 */
#define A64_SCTLR_M (UINT64_C(1) << 0)
#define A64_SCTLR_A (UINT64_C(1) << 1)
#define A64_SCTLR_SA (UINT64_C(1) << 3)
#define A64_SCTLR_SA0 (UINT64_C(1) << 4)
#define A64_SCTLR_UMA (UINT64_C(1) << 9)
#define A64_SCTLR_I (UINT64_C(1) << 12)
#define A64_SCTLR_DZE (UINT64_C(1) << 14)
#define A64_SCTLR_UCT (UINT64_C(1) << 15)
#define A64_SCTLR_NTWI (UINT64_C(1) << 16)
#define A64_SCTLR_NTWE (UINT64_C(1) << 18)
#define A64_SCTLR_WXN (UINT64_C(1) << 19)
#define A64_SCTLR_SPAN (UINT64_C(1) << 23)
#define A64_SCTLR_UCI (UINT64_C(1) << 26)

/* TCR_EL1, D19.2.139 */
#define A64_TCR_A1 (UINT64_C(1) << 22)
#define A64_TCR_AS (UINT64_C(1) << 36)
#define A64_TCR_HA (UINT64_C(1) << 39)
#define A64_TCR_HD (UINT64_C(1) << 40)

/* MDSCR_EL1, D19.3.20 */
#define A64_MDSCR_SS (UINT64_C(1) << 0)
#define A64_MDSCR_TDCC (UINT64_C(1) << 12)
#define A64_MDSCR_KDE (UINT64_C(1) << 13)
#define A64_MDSCR_MDE (UINT64_C(1) << 15)

static inline bool a64_has(const struct a64_cpu *c, unsigned feature)
{
	return c->features >> feature & 1;
}

/* Does bit 55's half of the address space ignore the top byte? TBID counts for instructions. */
static inline bool a64_tbi(const struct a64_cpu *c, uint64_t gva, bool exec)
{
	unsigned top = gva >> 55 & 1;
	return c->tcr >> (37 + top) & 1 && !(exec && a64_has(c, A64_F_PAUTH) && c->tcr >> (51 + top) & 1);
}
/* What the PC becomes when a branch goes to gva (Arm ARM J1.3, AArch64.BranchAddr). */
static inline uint64_t a64_branch_addr(const struct a64_cpu *c, uint64_t gva)
{
	return a64_tbi(c, gva, true) ? (uint64_t)a64_sext(gva, 56) : gva;
}

/* ------ exception.c ------ */

/* As a64_raise, but returns: for instructions that are complete when they raise (SVC). */
void a64_take(struct a64_cpu *c, uint64_t return_pc, unsigned ec, uint32_t iss);
/* SP alignment, where c->x[A64_R_SP] is a base: one test when aligned. */
_Noreturn void a64_sp_fault(struct a64_cpu *c, const struct a64_op *op);
static inline bool a64_sp_checked(const struct a64_cpu *c)
{
	return c->sctlr & (c->el ? A64_SCTLR_SA : A64_SCTLR_SA0);
}
static inline void a64_sp_check(struct a64_cpu *c, const struct a64_op *op)
{
	if (unlikely(c->x[A64_R_SP] & 15) && a64_sp_checked(c))
		a64_sp_fault(c, op);
}

/* ------ the MMU: walk.c, mmu.c, access.c ------ */

enum { A64_TLB2_SIZE = 4096, A64_ASID_GENERATIONS = 256 };
enum { /* of a translation, in the order of struct a64_walk */
       A64_P_R = 1, A64_P_W = 2, A64_P_X = 4, A64_P_UR = 8, A64_P_UW = 16, A64_P_UX = 32, A64_P_GUARDED = 64,
       A64_P_GLOBAL = 128, A64_P_DEVICE = 256
};
/* The second-level TLB keeps what walks found, by ASID; the small ones in c->tlbs hold the current ASID only. */
struct a64_tlb2 {
	uint64_t gva; /* 4 KiB of it, tag byte removed; 1: empty */
	uint64_t gpa;
	uint8_t *hva; /* NULL: no memory */
	uint32_t generation, asid_generation;
	uint16_t asid, perms;
	uint8_t flags; /* A64_PAGE_ */
};
struct a64_mmu {
	struct a64_tlb2 tlb2[A64_TLB2_SIZE];
	uint64_t used[A64_MMU_MODES][2][A64_TLB_SIZE / 64], global[A64_MMU_MODES][2][A64_TLB_SIZE / 64];
	uint32_t generation, ng_generation;
	uint32_t asid_generation[A64_ASID_GENERATIONS];
	uint64_t large; /* GiBs (hashed) with pages above 64 KiB in the TLBs */
	bool ng_above;  /* the upper half has pages of one ASID */
	uint16_t asid;
	uint8_t closed; /* E0PD: bit n: EL0 must not use what EL1 has cached of half n */
	unsigned watches; /* watchpoints, the guest's and the user's */
	/* the execution of an instruction that c->log belongs to */
	const struct a64_op *log_op;
	uint64_t log_insns;
	/* share.c: what was asked of others and is not known to be done */
	uint64_t asked;
	uint32_t ticket[64];
	/* Everything that decoded code depends on in translation: a change means that gva -> code must be looked up again.
	 * The engine mixes it into c->code_tag. */
	uint64_t fetch_generation;
};
bool a64_mmu_new(struct a64_cpu *c); /* c->tlbs, c->mmu; false: out of memory */
void a64_mmu_free(struct a64_cpu *c);
int a64_walk_mode(struct a64_cpu *c, uint64_t gva, unsigned mode, unsigned acc, struct a64_walk *out);
void a64_tlb_flush_asid(struct a64_cpu *c, uint16_t asid);
/* TTBR0, TTBR1 or TCR.A1 were written: another ASID may be the current one. */
void a64_asid_changed(struct a64_cpu *c);
void a64_watch_changed(struct a64_cpu *c);
enum { A64_ACC_ZVA = 64, A64_ACC_PAN = 128 };
/* Translate for cache maintenance and IC IVAU: the gpa, or raises. */
uint64_t a64_maintain(struct a64_cpu *c, const struct a64_op *op, uint64_t gva, unsigned acc);
_Noreturn void a64_data_abort(struct a64_cpu *c, const struct a64_op *op, uint64_t gva, unsigned fsc, unsigned acc);

/* access.c: one access to a device, 1 to 8 bytes; deferral and replay */
void a64_mmio(struct a64_cpu *c, const struct a64_op *op, uint64_t gpa, unsigned len, bool write, uint8_t *data);
/* A system register of env; false: undefined */
bool a64_foreign_sysreg(struct a64_cpu *c, const struct a64_op *op, uint32_t reg, bool write, uint64_t *value);
void a64_log_reset(struct a64_cpu *c);

/* ------ sysreg.c ------ */

void a64_sysreg_reset(struct a64_cpu *c);     /* of a64_reset: all in the table, ID registers by c->features */
void a64_features_changed(struct a64_cpu *c); /* ID registers again */
#define A64_FEATURES_ALL ((UINT64_C(1) << A64_F_COUNT) - 1)

/* ------ debug.c ------ */

/* Raises a watchpoint exception, or leaves to the user, before the access. */
void a64_watch_check(struct a64_cpu *c, const struct a64_op *op, uint64_t gva, unsigned size, bool write);
bool a64_page_watched(const struct a64_cpu *c, uint64_t gva);
bool a64_step_active(const struct a64_cpu *c); /* the guest's own, PSTATE.SS apart */
bool a64_debug_enabled(const struct a64_cpu *c, unsigned el);

/* ------ timer.c ------ */

uint64_t a64_counter(struct a64_cpu *c, bool virtual);
enum { A64_TIMER_V, A64_TIMER_P };
uint64_t a64_timer_read(struct a64_cpu *c, unsigned timer, unsigned what);
void a64_timer_write(struct a64_cpu *c, unsigned timer, unsigned what, uint64_t v);
enum { A64_TIMER_TVAL, A64_TIMER_CTL, A64_TIMER_CVAL };

/* ------ share.c ------ */

enum { A64_ASK_TLB_ALL = 1, A64_ASK_TLB_ASID, A64_ASK_TLB_VA, A64_ASK_IC, A64_ASK_IC_ALL };
void a64_share_ask(struct a64_cpu *c, unsigned what, uint64_t arg);
void a64_share_wait(struct a64_cpu *c); /* DSB: until all have done what was asked */
/* Around a64_run and the like; c->share may be NULL. */
void a64_share_enter(struct a64_cpu *c);
void a64_share_exit(struct a64_cpu *c);

#endif
