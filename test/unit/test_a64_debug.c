/* The software arm64 CPU: software step, breakpoints and watchpoints, the guest's and the user's. */
#include "test_a64_mmu.h"
#include "vmaccel/vmaccel.h"

enum { SPSR_SS = 1 << 21, STEP_ISS = 1 << 24 | 0x22, DEBUG_ISS = 0x22, WNR = 0x40 };
#define MDE A64_MDSCR_MDE
#define KDE A64_MDSCR_KDE

static void debug_on(struct rig *r, uint64_t mdscr)
{
	r->c->oslsr = 8; /* OS lock off */
	r->c->mdscr = mdscr;
	a64_watch_changed(r->c);
}

/* A kernel that counts steps in x20 and steps on until x20 is 5. */
static void a_kernel_steps_its_user(void **state)
{
	struct rig *r = *state;
	CODE_AT(r, USER_CODE, ADD_IMM(1, 1, 1), ADD_IMM(1, 1, 1), 0x14000002 /* b +8 */, HVC(9), ADD_IMM(1, 1, 1),
		ADD_IMM(1, 1, 1), NOP);
	CODE_AT(r, VECTORS + 0x400, 0x14000100 /* to VECTORS + 0x800 */);
	CODE_AT(r, VECTORS + 0x800, ADD_IMM(20, 20, 1), 0xf1001a9f /* cmp x20, 6 */, 0x54000041 /* b.ne +8 */,
		HVC(ENDED), MRS(A64_SYSREG(3, 0, 4, 0, 0), 2), 0xb26b0042 /* orr x2, x2, SS */,
		MSR(A64_SYSREG(3, 0, 4, 0, 0), 2), ERET);
	debug_on(r, A64_MDSCR_SS);
	r->c->spsr = SPSR_SS;
	r->c->elr = USER_CODE;
	assert_int_equal(RUN(r, 1, ERET), ENDED);
	assert_int_equal(r->c->x[1], 4);
	assert_int_equal(r->c->esr, ESR(A64_EC_STEP_LOW, STEP_ISS));
	assert_int_equal(r->c->elr, USER_CODE + 28);
	assert_false(r->c->spsr & SPSR_SS);
}

/* SVC under step: the call first, with SS 0 in SPSR; then the step of what comes behind the return. */
static void a_call_is_a_step(void **state)
{
	struct rig *r = *state;
	debug_on(r, A64_MDSCR_SS);
	CODE_AT(r, USER_CODE, SVC(1), NOP);
	r->c->spsr = SPSR_SS;
	r->c->elr = USER_CODE;
	assert_int_equal(RUN(r, 1, ERET), LOWER);
	assert_int_equal(r->c->esr, ESR(A64_EC_SVC, 1));
	assert_false(r->c->spsr & SPSR_SS);
	r->c->elr = r->c->elr; /* back with SS 0: the step is due at once */
	assert_int_equal(RUN(r, 1, ERET), LOWER);
	assert_int_equal(r->c->esr, ESR(A64_EC_STEP_LOW, STEP_ISS));
	assert_int_equal(r->c->elr, USER_CODE + 4);
}

/* A fault leaves SS set: the instruction is stepped once it works. */
static void a_fault_is_not_a_step(void **state)
{
	struct rig *r = *state;
	debug_on(r, A64_MDSCR_SS);
	CODE_AT(r, USER_CODE, LDR(2, 1), NOP);
	r->c->x[1] = TEST;
	r->c->spsr = SPSR_SS;
	r->c->elr = USER_CODE;
	assert_int_equal(RUN(r, 1, ERET), LOWER);
	assert_int_equal(r->c->esr >> 26, A64_EC_DABT_LOW);
	assert_true(r->c->spsr & SPSR_SS);
	mmu_page(r, 0, DATA | P_PAGE | P_AP(ALL_RW));
	assert_int_equal(RUN(r, 1, ERET), LOWER);
	assert_int_equal(r->c->esr, ESR(A64_EC_STEP_LOW, STEP_ISS));
	assert_int_equal(r->c->elr, USER_CODE + 4);
}

static void stepping_in_the_kernel_needs_kde(void **state)
{
	struct rig *r = *state;
	static const struct {
		uint64_t mdscr;
		uint32_t spsr;
		bool steps;
	} rows[] = {
		{A64_MDSCR_SS | KDE, 0x1c5, true}, {A64_MDSCR_SS | KDE, 0x3c5, false}, {A64_MDSCR_SS, 0x1c5, false}};
	for (unsigned i = 0; i < 3; i++) {
		debug_on(r, rows[i].mdscr);
		CODE_AT(r, 0x2000, NOP, HVC(ENDED));
		r->c->spsr = SPSR_SS | rows[i].spsr;
		r->c->elr = 0x2000;
		assert_int_equal(RUN(r, 1, ERET), rows[i].steps ? CUR_SPX : ENDED);
		if (rows[i].steps)
			assert_int_equal(r->c->esr, ESR(A64_EC_STEP, STEP_ISS));
	}
	r->c->oslsr = 10; /* locked */
	r->c->mdscr = A64_MDSCR_SS | KDE;
	a64_debug_update(r->c);
	assert_int_equal(RUN(r, 1, ERET), ENDED);
}

static void breakpoints(void **state)
{
	struct rig *r = *state;
	static const struct {
		uint64_t bcr, mdscr;
		bool user, hits;
	} rows[] = {
		{1 | 2 << 1 | 15 << 5, MDE, true, true},         {1 | 1 << 1 | 15 << 5, MDE, true, false},
		{1 | 3 << 1 | 15 << 5, 0, true, false},          {0 | 3 << 1 | 15 << 5, MDE, true, false},
		{1 | 3 << 1 | 15 << 5, MDE, false, false},       {1 | 3 << 1 | 15 << 5, MDE | KDE, false, true},
		{1 | 2 << 1 | 15 << 5, MDE | KDE, false, false},
	};
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		uint64_t at = rows[i].user ? USER_CODE : 0x2000;
		r->c->dbgbvr[2] = at + 8;
		r->c->dbgbcr[2] = rows[i].bcr;
		debug_on(r, rows[i].mdscr);
		CODE_AT(r, at, NOP, NOP, NOP, rows[i].user ? SVC(1) : HVC(ENDED));
		a64_set_pstate(r->c, rows[i].user ? 0 : 5);
		r->c->pc = at;
		unsigned got = rig_go(r);
		assert_int_equal(got, rows[i].user ? LOWER : rows[i].hits ? CUR_SPX : ENDED);
		if (rows[i].hits) {
			assert_int_equal(r->c->esr, ESR(rows[i].user ? A64_EC_BREAK_LOW : A64_EC_BREAK, DEBUG_ISS));
			assert_int_equal(r->c->elr, at + 8);
		} else if (rows[i].user) {
			assert_int_equal(r->c->esr, ESR(A64_EC_SVC, 1));
		}
	}
}

static void watchpoints(void **state)
{
	struct rig *r = *state;
	static const struct {
		uint64_t wvr, wcr;
		uint32_t insn;
		uint16_t offset;
		bool hits, write;
	} rows[] = {
		{TEST + 8, 1 | 3 << 1 | 3 << 3 | 0xff << 5, LDR(2, 1), 8, true, false},
		{TEST + 8, 1 | 3 << 1 | 3 << 3 | 0xff << 5, STR(2, 1), 8, true, true},
		{TEST + 8, 1 | 3 << 1 | 1 << 3 | 0xff << 5, STR(2, 1), 8, false, true},
		{TEST + 8, 1 | 3 << 1 | 2 << 3 | 0xff << 5, LDR(2, 1), 8, false, false},
		{TEST + 8, 1 | 1 << 1 | 3 << 3 | 0xff << 5, LDR(2, 1), 8, false, false},
		{TEST + 8, 1 | 3 << 1 | 3 << 3 | 0xff << 5, LDR(2, 1), 16, false, false},
		{TEST + 8, 1 | 3 << 1 | 3 << 3 | 0x80 << 5, 0x39400022 /* ldrb */, 14, false, false},
		{TEST + 8, 1 | 3 << 1 | 3 << 3 | 0x80 << 5, 0x39400022, 15, true, false},
		{TEST, 1 | 3 << 1 | 3 << 3 | 0xff << 5 | 8 << 24, LDR(2, 1), 0xf8, true, false},
		{TEST, 1 | 3 << 1 | 3 << 3 | 0xff << 5 | 8 << 24, LDR(2, 1), 0x100, false, false},
		{TEST + 8, 1 | 3 << 1 | 3 << 3 | 0xff << 5, LDADD(2, 3, 1), 8, true, true},
	};
	mmu_page(r, 0, DATA | P_PAGE | P_AP(ALL_RW));
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		put64(r, DATA + rows[i].offset, 0x1234);
		r->c->dbgwvr[1] = rows[i].wvr;
		r->c->dbgwcr[1] = rows[i].wcr;
		debug_on(r, MDE);
		r->c->x[1] = TEST + rows[i].offset;
		r->c->x[2] = 0x77;
		RUN_USER(r, rows[i].insn, SVC(1));
		if (!rows[i].hits) {
			assert_int_equal(r->c->esr, ESR(A64_EC_SVC, 1));
			continue;
		}
		assert_int_equal(r->c->esr, ESR(A64_EC_WATCH_LOW, DEBUG_ISS | (rows[i].write ? WNR : 0)));
		assert_int_equal(r->c->far, TEST + rows[i].offset);
		assert_int_equal(r->c->elr, USER_CODE);
		assert_int_equal(get64(r, DATA + rows[i].offset), 0x1234);
	}
}

/* ------ the user's ------ */

static void the_user_steps(void **state)
{
	struct rig *r = *state;
	r->c->user_step = true;
	CODE_AT(r, CODE, NOP, SVC(1), NOP);
	rig_at(r, 1, CODE);
	a64_state_changed(r->c, false);
	assert_int_equal(rig_go(r), STOPPED + A64_STOP_DEBUG);
	assert_int_equal(r->c->stop.debug_reason, 1);
	assert_int_equal(r->c->pc, CODE + 4);
	assert_int_equal(rig_go(r), STOPPED + A64_STOP_DEBUG);
	assert_int_equal(r->c->pc, VECTORS + 0x200);
	r->c->user_step = false;
	a64_state_changed(r->c, false);
	assert_int_equal(rig_go(r), CUR_SPX);
}

static void the_user_breaks_and_watches(void **state)
{
	struct rig *r = *state;
	mmu_page(r, 0, DATA | P_PAGE);
	r->c->user_breaks = 2;
	r->c->user_break[0].addr = CODE + 8;
	r->c->user_break[0].type = VMA_BREAK_EXEC;
	r->c->user_break[1].addr = TEST + 4;
	r->c->user_break[1].type = VMA_BREAK_WRITE;
	r->c->user_break[1].len = 4;
	a64_state_changed(r->c, true);
	r->c->x[1] = TEST;
	r->c->x[2] = 5;
	assert_int_equal(RUN(r, 1, LDR(3, 1), NOP, NOP, STR(2, 1), HVC(ENDED)), STOPPED + A64_STOP_DEBUG);
	assert_int_equal(r->c->pc, CODE + 8);
	assert_int_equal(r->c->stop.debug_reason, 2);
	r->c->user_break[0].addr = 0;
	a64_state_changed(r->c, false);
	assert_int_equal(rig_go(r), STOPPED + A64_STOP_DEBUG);
	assert_int_equal(r->c->pc, CODE + 12);
	assert_int_equal(r->c->stop.far, TEST);
	assert_int_equal(get64(r, DATA), 0);
	r->c->user_breaks = 0;
	a64_state_changed(r->c, false);
	assert_int_equal(rig_go(r), ENDED);
	assert_int_equal(get64(r, DATA), 5);
}

static void the_user_takes_brk(void **state)
{
	struct rig *r = *state;
	r->c->user_brk = true;
	assert_int_equal(RUN(r, 1, NOP, BRK(0x42)), STOPPED + A64_STOP_DEBUG);
	assert_int_equal(r->c->stop.debug_reason, 4);
	assert_int_equal(r->c->stop.imm, 0x42);
	assert_int_equal(r->c->pc, CODE + 4);
}

/* a64_step: one instruction whatever is pending, and what it leads to. */
static void one_instruction(void **state)
{
	struct rig *r = *state;
	r->lines = A64_POLL_STOP;
	CODE_AT(r, CODE, NOP, 0x14000003 /* b +12 */, NOP, NOP, SVC(1));
	rig_at(r, 1, CODE);
	static const uint64_t then[] = {CODE + 4, CODE + 16, VECTORS + 0x200};
	for (unsigned i = 0; i < 3; i++) {
		uint64_t before = r->c->insns;
		assert_int_equal(a64_step(r->c), A64_STOP_BUDGET);
		assert_int_equal(r->c->pc, then[i]);
		assert_int_equal(r->c->insns, before + 1);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, mmu_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		T(a_kernel_steps_its_user),
		T(a_call_is_a_step),
		T(a_fault_is_not_a_step),
		T(stepping_in_the_kernel_needs_kde),
		T(breakpoints),
		T(watchpoints),
		T(the_user_steps),
		T(the_user_breaks_and_watches),
		T(the_user_takes_brk),
		T(one_instruction),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
