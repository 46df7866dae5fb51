/* The software arm64 CPU: system instructions, exceptions and returns, interrupts, what traps to EL1 and with which
 * syndrome. */
#include "test_a64_rig.h"

/* ------ calls, traps ------ */

static void calls_leave_behind_themselves(void **state)
{
	struct rig *r = *state;
	assert_int_equal(RUN(r, 1, NOP, HVC(7)), 7);
	assert_int_equal(r->c->pc, CODE + 8);
	assert_int_equal(RUN(r, 1, NOP, SMC(9)), STOPPED + A64_STOP_SMC);
	assert_int_equal(r->c->stop.imm, 9);
	assert_int_equal(r->c->pc, CODE + 8);
	assert_int_equal(RUN(r, 1, WFI), STOPPED + A64_STOP_WFI);
	assert_int_equal(r->c->pc, CODE + 4);
	uint64_t before = r->c->insns;
	assert_int_equal(RUN(r, 1, NOP, NOP, HVC(7), NOP, NOP), 7);
	assert_int_equal(r->c->insns - before, 3);
}

static void svc_and_back(void **state)
{
	struct rig *r = *state;
	CODE_AT(r, VECTORS + 0x400, ERET);
	CODE_AT(r, CODE, SVC(0x123), BRK(5));
	rig_at(r, 0, CODE);
	r->c->nf = UINT64_C(1) << 63;
	put32(r, VECTORS + 0x404, NOP);
	r->c->insn_limit = r->c->insns + 1;
	assert_int_equal(a64_run(r->c), A64_STOP_BUDGET);
	assert_int_equal(r->c->esr, ESR(A64_EC_SVC, 0x123));
	assert_int_equal(r->c->elr, CODE + 4);
	assert_int_equal(r->c->spsr & 0xf00003cf, 0x800003c0);
	assert_int_equal(r->c->pc, VECTORS + 0x400);
	assert_int_equal(r->c->x[A64_R_SP], 0x20000);
	r->c->insn_limit++;
	assert_int_equal(a64_run(r->c), A64_STOP_BUDGET);
	assert_int_equal(r->c->pc, CODE + 4);
	assert_int_equal(r->c->el, 0);
	assert_int_equal(r->c->x[A64_R_SP], 0x30000);
}

/* One instruction at one level: the vector, and the syndrome. */
static const struct {
	uint32_t insn;
	uint8_t el;
	uint64_t sctlr_set, sctlr_clear;
	uint64_t esr; /* 0: it just goes on */
} traps[] = {
	{HVC(1), 0, 0, 0, ESR(A64_EC_UNKNOWN, 0)},
	{SMC(1), 0, 0, 0, ESR(A64_EC_UNKNOWN, 0)},
	{ERET, 0, 0, 0, ESR(A64_EC_UNKNOWN, 0)},
	{HLT(1), 1, 0, 0, ESR(A64_EC_UNKNOWN, 0)},
	{0, 1, 0, 0, ESR(A64_EC_UNKNOWN, 0)},
	{BRK(0x1234), 0, 0, 0, ESR(A64_EC_BRK, 0x1234)},
	{BRK(0x1234), 1, 0, 0, ESR(A64_EC_BRK, 0x1234)},
	{WFI, 0, 0, A64_SCTLR_NTWI, 0x07e00000},
	{WFE, 0, 0, A64_SCTLR_NTWE, 0x07e00001},
	{WFE, 0, A64_SCTLR_NTWE, 0, 0},
	{WFE, 1, 0, A64_SCTLR_NTWE, 0},
	{DAIFSET(2), 0, 0, A64_SCTLR_UMA, ESR(A64_EC_SYSREG, 6 << 17 | 3 << 14 | 4 << 10 | 31 << 5 | 2 << 1)},
	{DAIFSET(2), 0, A64_SCTLR_UMA, 0, 0},
	{SPSEL(1), 0, 0, 0, ESR(A64_EC_UNKNOWN, 0)},
	{PAN(1), 0, 0, 0, ESR(A64_EC_UNKNOWN, 0)},
	{MRS(R_DAIF, 3), 0, 0, A64_SCTLR_UMA,
	 ESR(A64_EC_SYSREG, 3 << 20 | 1 << 17 | 3 << 14 | 4 << 10 | 3 << 5 | 2 << 1 | 1)},
	{MRS(R_CTR, 2), 0, 0, A64_SCTLR_UCT, ESR(A64_EC_SYSREG, 3 << 20 | 1 << 17 | 3 << 14 | 2 << 5 | 1)},
	{MRS(R_CTR, 2), 0, A64_SCTLR_UCT, 0, 0},
	{MRS(R_MIDR, 2), 0, 0, 0, ESR(A64_EC_UNKNOWN, 0)},
	{MRS(R_PFR0, 2), 0, 0, 0, ESR(A64_EC_UNKNOWN, 0)},
	{MRS(R_TPIDR_EL1, 2), 0, 0, 0, ESR(A64_EC_UNKNOWN, 0)},
	{MSR(R_TPIDRRO, 2), 0, 0, 0, ESR(A64_EC_UNKNOWN, 0)},
	{MRS(R_TPIDRRO, 2), 0, 0, 0, 0},
	{MSR(R_TPIDR_EL0, 2), 0, 0, 0, 0},
	{MSR(R_MIDR, 2), 1, 0, 0, ESR(A64_EC_UNKNOWN, 0)},
	{MRS(R_DCZID, 2), 0, 0, 0, 0},
	{SYS(3, 7, 4, 1, 0), 0, 0, A64_SCTLR_DZE, ESR(A64_EC_SYSREG, 1 << 20 | 1 << 17 | 3 << 14 | 7 << 10 | 4 << 1)},
	{SYS(3, 7, 4, 1, 0), 0, A64_SCTLR_DZE, 0, ESR(A64_EC_DABT_LOW, 0x61)}, /* Device memory: the MMU is off */
	{SYS(3, 7, 11, 1, 0), 0, 0, A64_SCTLR_UCI, ESR(A64_EC_SYSREG, 1 << 20 | 1 << 17 | 3 << 14 | 7 << 10 | 11 << 1)},
	{SYS(3, 7, 11, 1, 0), 0, A64_SCTLR_UCI, 0, 0},
	{SYS(3, 7, 5, 1, 0), 0, A64_SCTLR_UCI, 0, 0},
	{SYS(0, 7, 6, 1, 0), 0, A64_SCTLR_UCI, 0, ESR(A64_EC_UNKNOWN, 0)},
	{SYS(0, 8, 7, 0, 31), 0, 0, 0, ESR(A64_EC_UNKNOWN, 0)},
	{SYS(0, 7, 8, 0, 0), 0, 0, 0, ESR(A64_EC_UNKNOWN, 0)},
	{SYS(0, 7, 1, 0, 31), 0, 0, 0, ESR(A64_EC_UNKNOWN, 0)},
	{SYS(0, 8, 7, 0, 31), 1, 0, 0, 0},
	{SYS(4, 8, 7, 0, 31), 1, 0, 0, ESR(A64_EC_UNKNOWN, 0)}, /* TLBI ALLE2 */
	{SYS(0, 8, 1, 0, 31), 1, 0, 0, ESR(A64_EC_UNKNOWN, 0)}, /* TLBI VMALLE1OS */
	{0xd5280000, 1, 0, 0, ESR(A64_EC_UNKNOWN, 0)},          /* SYSL */
	{MRS(R_CNTVCT, 1), 0, 0, 0, ESR(A64_EC_SYSREG, 3 << 20 | 2 << 17 | 3 << 14 | 14 << 10 | 1 << 5 | 1)},
	{LDR(0, 31), 1, A64_SCTLR_SA, 0, 0},
};

static void instructions_trap_as_the_manual_says(void **state)
{
	struct rig *r = *state;
	for (unsigned i = 0; i < sizeof traps / sizeof *traps; i++) {
		rig_reset(r);
		r->answer = A64_UNDEF;
		r->c->sctlr = (r->c->sctlr | traps[i].sctlr_set) & ~traps[i].sctlr_clear;
		r->c->x[0] = DATA;
		unsigned got = RUN(r, traps[i].el, NOP, traps[i].insn, traps[i].el ? HVC(ENDED) : SVC(ENDED));
		uint64_t esr = traps[i].esr ? traps[i].esr : ESR(A64_EC_SVC, ENDED);
		unsigned want = !traps[i].el ? LOWER : traps[i].esr ? CUR_SPX : ENDED;
		if (got != want || ((traps[i].esr || !traps[i].el) && r->c->esr != esr) ||
		    (traps[i].esr && r->c->elr != CODE + 4))
			fail_msg("%u: %08x: %#x, esr %#llx, elr %#llx", i, traps[i].insn, got,
				 (unsigned long long)r->c->esr, (unsigned long long)r->c->elr);
	}
}

static void alignment_of_sp_and_pc(void **state)
{
	struct rig *r = *state;
	r->c->sctlr |= A64_SCTLR_SA | A64_SCTLR_SA0;
	r->c->x[A64_R_SP] = 0x20008;
	assert_int_equal(RUN(r, 1, LDR(0, 31)), CUR_SPX);
	assert_int_equal(r->c->esr, ESR(A64_EC_SP, 0));
	r->c->sctlr &= ~A64_SCTLR_SA;
	assert_int_equal(RUN(r, 1, LDR(0, 31), HVC(ENDED)), ENDED);
	r->c->x[1] = CODE + 2;
	assert_int_equal(RUN(r, 1, BR(1)), CUR_SPX);
	assert_int_equal(r->c->esr, ESR(A64_EC_PC, 0));
	assert_int_equal(r->c->far, CODE + 2);
	assert_int_equal(r->c->elr, CODE + 2);
	r->c->x[1] = DEVICE;
	assert_int_equal(RUN(r, 1, BR(1)), CUR_SPX);
	assert_int_equal(r->c->esr, ESR(A64_EC_IABT, 0x10));
	assert_int_equal(r->c->far, DEVICE);
}

static void floating_point_is_off_until_allowed(void **state)
{
	struct rig *r = *state;
	static const struct {
		uint8_t fpen, el;
		bool traps;
	} rows[] = {{0, 0, true}, {0, 1, true}, {1, 0, true},  {1, 1, false},
		    {2, 0, true}, {2, 1, true}, {3, 0, false}, {3, 1, false}};
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		r->c->cpacr = (uint64_t)rows[i].fpen << 20;
		RUN(r, rows[i].el, MRS(R_FPCR, 0), rows[i].el ? BRK(0) : SVC(0));
		assert_int_equal(r->c->esr, rows[i].traps ? ESR(A64_EC_FP, 0x1e00000)
							  : ESR(rows[i].el ? A64_EC_BRK : A64_EC_SVC, 0));
	}
}

/* ------ PSTATE, stack pointers, returns ------ */

static void stack_pointers_are_banked(void **state)
{
	struct rig *r = *state;
	assert_int_equal(RUN(r, 1, ADD_IMM(0, 31, 0), SPSEL(0), ADD_IMM(1, 31, 0), ADD_IMM(31, 31, 8), SPSEL(1),
			     ADD_IMM(2, 31, 0), MRS(R_SP_EL0, 3), MSR(R_SP_EL0, 2), MRS(R_SPSEL, 4),
			     MRS(R_CURRENTEL, 5), HVC(ENDED)),
			 ENDED);
	assert_int_equal(r->c->x[0], 0x20000);
	assert_int_equal(r->c->x[1], 0x30000);
	assert_int_equal(r->c->x[2], 0x20000);
	assert_int_equal(r->c->x[3], 0x30008);
	assert_int_equal(r->c->sp_el[0], 0x20000);
	assert_int_equal(r->c->x[4], 1);
	assert_int_equal(r->c->x[5], 4);
	/* SP_EL0 is not to be had by name while it is the stack pointer, and its vectors are others */
	assert_int_equal(RUN(r, 1, SPSEL(0), MRS(R_SP_EL0, 3)), CUR_SP0);
	assert_int_equal(r->c->esr, ESR(A64_EC_UNKNOWN, 0));
}

static void masks_and_flags(void **state)
{
	struct rig *r = *state;
	r->c->x[3] = 0xa0000000;
	assert_int_equal(RUN(r, 1, DAIFCLR(15), MRS(R_DAIF, 0), DAIFSET(5), MRS(R_DAIF, 1), MSR(R_NZCV, 3),
			     MRS(R_NZCV, 4), HVC(ENDED)),
			 ENDED);
	assert_int_equal(r->c->x[0], 0);
	assert_int_equal(r->c->x[1], 5 << 6);
	assert_int_equal(r->c->x[4], 0xa0000000);
}

static void an_illegal_return_is_reported_at_its_target(void **state)
{
	struct rig *r = *state;
	static const uint32_t modes[] = {0x8, 0x9, 0xc, 0x1, 0x10, 0x1d, 0x6};
	for (unsigned i = 0; i < sizeof modes / sizeof *modes; i++) {
		r->c->spsr = 0x3c0 | modes[i];
		r->c->elr = 0x2000;
		put32(r, 0x2000, HVC(ENDED));
		assert_int_equal(RUN(r, 1, ERET), CUR_SPX);
		assert_int_equal(r->c->esr, ESR(A64_EC_ILLEGAL, 0));
		assert_int_equal(r->c->elr, 0x2000);
		assert_true(r->c->spsr & 1 << 20);
	}
	r->c->spsr = 0x3c5;
	assert_int_equal(RUN(r, 1, ERET), ENDED);
	assert_int_equal(r->c->pc, 0x2004);
}

/* ------ interrupts ------ */

static void interrupts_wait_for_their_masks(void **state)
{
	struct rig *r = *state;
	r->lines = A64_POLL_IRQ;
	r->attn = 1;
	assert_int_equal(RUN(r, 1, NOP, HVC(ENDED)), ENDED);
	assert_int_equal(RUN(r, 1, NOP, DAIFCLR(2), NOP, HVC(ENDED)), CUR_SPX + 1);
	assert_int_equal(r->c->elr, CODE + 8);
	assert_int_equal(r->c->spsr & 0x3cf, 0x345);
	assert_int_equal(r->c->daif, A64_DAIF_ALL);
	r->c->spsr = 0;
	r->c->elr = 0x2000;
	assert_int_equal(RUN(r, 1, ERET), LOWER + 1);
	assert_int_equal(r->c->elr, 0x2000);
	r->lines = A64_POLL_FIQ | A64_POLL_IRQ;
	assert_int_equal(RUN(r, 1, NOP, DAIFCLR(1), NOP, HVC(ENDED)), CUR_SPX + 2);
	r->lines = 0;
	assert_int_equal(RUN(r, 1, NOP, DAIFCLR(3), NOP, HVC(ENDED)), ENDED);
	r->lines = A64_POLL_STOP;
	assert_int_equal(RUN(r, 1, B_SELF), STOPPED + A64_STOP_POLL);
}

/* ------ system registers ------ */

static void registers_of_others(void **state)
{
	struct rig *r = *state;
	r->sysreg_value = 0x1122334455667788;
	assert_int_equal(RUN(r, 1, MRS(R_ICC_PMR, 1), ADD_IMM(1, 1, 1), MSR(R_ICC_PMR, 1), HVC(ENDED)), ENDED);
	assert_int_equal(r->sysreg, R_ICC_PMR);
	assert_true(r->sysreg_write);
	assert_int_equal(r->sysreg_value, 0x1122334455667789);
	r->answer = A64_UNDEF;
	assert_int_equal(RUN(r, 1, MRS(R_ICC_PMR, 1)), CUR_SPX);
	assert_int_equal(r->c->esr, ESR(A64_EC_UNKNOWN, 0));
}

static void registers_of_others_answered_later(void **state)
{
	struct rig *r = *state;
	r->answer = A64_DEFER;
	assert_int_equal(RUN(r, 1, MRS(R_ICC_PMR, 1), MSR(R_ICC_PMR, 2), MRS(R_ICC_PMR, 3), HVC(ENDED)),
			 STOPPED + A64_STOP_SYSREG);
	assert_int_equal(r->c->pc, CODE);
	assert_int_equal(r->c->stop.addr, R_ICC_PMR);
	assert_true(r->c->stop.needs_answer && !r->c->stop.write);
	r->c->stop.value = 77;
	a64_answer(r->c);
	assert_int_equal(rig_go(r), STOPPED + A64_STOP_SYSREG);
	assert_int_equal(r->c->x[1], 77);
	assert_true(r->c->stop.write);
	assert_int_equal(r->c->pc, CODE + 4);
	a64_answer(r->c);
	assert_int_equal(rig_go(r), STOPPED + A64_STOP_SYSREG);
	r->c->stop.fault = true;
	a64_answer(r->c);
	assert_int_equal(rig_go(r), CUR_SPX);
	assert_int_equal(r->c->elr, CODE + 8);
}

static void what_the_user_reads_is_what_the_guest_wrote(void **state)
{
	struct rig *r = *state;
	uint64_t v = 0;
	r->c->x[1] = UINT64_C(0xfedcba9876543210);
	assert_int_equal(
		RUN(r, 1, MSR(R_TPIDR_EL1, 1), MSR(R_VBAR, 31), MRS(R_TPIDR_EL1, 2), MSR(R_TPIDR_EL0, 1), HVC(ENDED)),
		ENDED);
	assert_true(a64_get_sysreg(r->c, R_TPIDR_EL1, &v));
	assert_true(v == r->c->x[1] && r->c->x[2] == v);
	assert_true(a64_get_sysreg(r->c, R_VBAR, &v) && v == 0);
	assert_false(a64_set_sysreg(r->c, R_VBAR, 1));
	assert_true(a64_set_sysreg(r->c, R_VBAR, VECTORS));
	assert_false(a64_get_sysreg(r->c, R_ICC_PMR, &v));
}

static void identification_follows_the_features(void **state)
{
	struct rig *r = *state;
	uint64_t isar0 = 0, all = r->c->features;
	assert_true(a64_get_sysreg(r->c, A64_SYSREG(3, 0, 0, 6, 0), &isar0));
	assert_int_equal(isar0 >> 20 & 15, 2);
	rig_features(r, all & ~(UINT64_C(1) << A64_F_LSE));
	assert_int_equal(RUN(r, 1, LDADD(0, 1, 2)), CUR_SPX);
	assert_int_equal(r->c->esr, ESR(A64_EC_UNKNOWN, 0));
	assert_true(a64_get_sysreg(r->c, A64_SYSREG(3, 0, 0, 6, 0), &isar0));
	assert_int_equal(isar0 >> 20 & 15, 0);
	assert_false(a64_set_sysreg(r->c, A64_SYSREG(3, 0, 0, 6, 0), isar0 | UINT64_C(15) << 60));
	assert_true(a64_set_sysreg(r->c, A64_SYSREG(3, 0, 0, 6, 0), isar0 | 2 << 20));
	assert_true(r->c->features == all);
	rig_features(r, all);
}

/* ------ timers ------ */

static void timers_count_and_rise(void **state)
{
	struct rig *r = *state;
	uint64_t next;
	r->counter = 1000;
	r->c->cntvoff = 400;
	assert_int_equal(RUN(r, 1, MRS(R_CNTPCT, 0), MRS(R_CNTVCT, 1), MOVZ(2, 100), MSR(R_CNTV_TVAL, 2), MOVZ(2, 1),
			     MSR(R_CNTV_CTL, 2), MRS(R_CNTV_CVAL, 3), MRS(R_CNTV_CTL, 4), HVC(ENDED)),
			 ENDED);
	assert_int_equal(r->c->x[0], 1000);
	assert_int_equal(r->c->x[1], 600);
	assert_int_equal(r->c->x[3], 700);
	assert_int_equal(r->c->x[4], 1);
	assert_int_equal(r->timer_changes, 2);
	assert_int_equal(a64_timer(r->c, &next), 0);
	assert_int_equal(next, 1100);
	r->counter = 1100;
	assert_int_equal(a64_timer(r->c, &next), 1);
	assert_int_equal(RUN(r, 1, MRS(R_CNTV_CTL, 4), MRS(R_CNTV_TVAL, 5), MOVZ(2, 3), MSR(R_CNTV_CTL, 2), HVC(ENDED)),
			 ENDED);
	assert_int_equal(r->c->x[4], 5);
	assert_int_equal(r->c->x[5], 0);
	assert_int_equal(a64_timer(r->c, &next), 0); /* masked */
	assert_true(next == UINT64_MAX);
}

static void timers_at_el0_are_the_kernels_to_give(void **state)
{
	struct rig *r = *state;
	r->counter = 55;
	r->c->cntkctl = 1 << 1;
	assert_int_equal(RUN(r, 0, MRS(R_CNTVCT, 1), SVC(2)), LOWER);
	assert_int_equal(r->c->esr, ESR(A64_EC_SVC, 2));
	assert_int_equal(r->c->x[1], 55);
	RUN(r, 0, MRS(R_CNTPCT, 1), SVC(2));
	assert_int_equal(r->c->esr >> 26, A64_EC_SYSREG);
	RUN(r, 0, MRS(R_CNTV_CTL, 1), SVC(2));
	assert_int_equal(r->c->esr >> 26, A64_EC_SYSREG);
	r->c->cntkctl = 1 << 8;
	RUN(r, 0, MRS(R_CNTV_CTL, 1), SVC(2));
	assert_int_equal(r->c->esr >> 26, A64_EC_SVC);
}

/* ------ hints, code, the monitor ------ */

static void hints_pause_or_pass(void **state)
{
	struct rig *r = *state;
	r->c->sctlr |= A64_SCTLR_NTWE;
	assert_int_equal(
		RUN(r, 1, WFE, 0xd503203f, 0xd503209f, 0xd50320bf, 0xd503229f, 0xd503245f, 0xd5032fff, HVC(ENDED)),
		ENDED);
	assert_int_equal(r->paused, 2);
}

/* A store into the block that runs is seen behind IC IVAU, DSB, ISB. */
static void code_that_changes_itself(void **state)
{
	struct rig *r = *state;
	r->c->x[1] = CODE + 7 * 4;
	r->c->x[2] = HVC(0x55) | (uint64_t)HVC(0x56) << 32;
	CODE_AT(r, CODE, 0xf9000022 /* str x2, [x1] */, SYS(3, 7, 11, 1, 1), DSB, SYS(3, 7, 5, 1, 1), DSB, ISB, NOP,
		HVC(ENDED), NOP);
	for (unsigned i = 0; i < 2; i++) {
		rig_at(r, 1, CODE + 4 * 6);
		if (!i)
			assert_int_equal(rig_go(r), ENDED);
		rig_at(r, 1, CODE);
		assert_int_equal(rig_go(r), 0x100 + 4); /* Device memory: the store at 4 mod 8 is not aligned */
		r->c->x[1] = CODE + 8 * 4;
		CODE_AT(r, CODE + 8 * 4, HVC(ENDED), NOP);
		CODE_AT(r, CODE + 7 * 4, NOP);
		rig_at(r, 1, CODE + 4 * 6);
		assert_int_equal(rig_go(r), ENDED);
		rig_at(r, 1, CODE);
		assert_int_equal(rig_go(r), 0x55);
		r->c->x[1] = CODE + 7 * 4;
	}
}

static void the_monitor_opens(void **state)
{
	struct rig *r = *state;
	r->c->x[1] = DATA;
	assert_int_equal(RUN(r, 1, LDXR(2, 1), STXR(3, 1, 1), HVC(ENDED)), ENDED);
	assert_int_equal(r->c->x[3], 0);
	assert_int_equal(get64(r, DATA), DATA);
	assert_int_equal(RUN(r, 1, LDXR(2, 1), 0xd5033f5f /* clrex */, STXR(3, 2, 1), HVC(ENDED)), ENDED);
	assert_int_equal(r->c->x[3], 1);
	r->c->spsr = 0x3c5;
	r->c->elr = CODE + 8;
	assert_int_equal(RUN(r, 1, LDXR(2, 1), ERET, STXR(3, 2, 1), HVC(ENDED)), ENDED);
	assert_int_equal(r->c->x[3], 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		T(calls_leave_behind_themselves),
		T(svc_and_back),
		T(instructions_trap_as_the_manual_says),
		T(alignment_of_sp_and_pc),
		T(floating_point_is_off_until_allowed),
		T(stack_pointers_are_banked),
		T(masks_and_flags),
		T(an_illegal_return_is_reported_at_its_target),
		T(interrupts_wait_for_their_masks),
		T(registers_of_others),
		T(registers_of_others_answered_later),
		T(what_the_user_reads_is_what_the_guest_wrote),
		T(identification_follows_the_features),
		T(timers_count_and_rise),
		T(timers_at_el0_are_the_kernels_to_give),
		T(hints_pause_or_pass),
		T(code_that_changes_itself),
		T(the_monitor_opens),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
