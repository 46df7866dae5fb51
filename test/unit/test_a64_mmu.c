/* The software arm64 CPU: guests whose accesses fault, what ESR_EL1 and FAR_EL1 then say, and what TLBs keep and
 * forget. */
#include "test_a64_mmu.h"

enum { DFSC_T3 = 7, DFSC_AF3 = 0xb, DFSC_P3 = 0xf, DFSC_ALIGN = 0x21, WNR = 0x40, CM = 0x100 };

static struct rig *guest(void **state)
{
	return *state;
}

/* ------ syndromes ------ */

/* One access at TEST + offset with page 0 and 1 as said. */
static const struct {
	const char *what;
	uint32_t insn;
	uint8_t el;
	uint64_t page[2];
	uint16_t offset;
	uint32_t iss; /* UINT32_MAX: no fault */
	uint16_t far; /* from TEST */
} faults[] = {
	{"load", LDR(2, 1), 1, {0, 0}, 8, DFSC_T3, 8},
	{"load at EL0", LDR(2, 1), 0, {0, 0}, 8, DFSC_T3, 8},
	{"store", STR(2, 1), 1, {0, 0}, 8, DFSC_T3 | WNR, 8},
	{"store, read-only", STR(2, 1), 1, {DATA | P_PAGE | P_AP(EL1_RO), 0}, 8, DFSC_P3 | WNR, 8},
	{"load, read-only", LDR(2, 1), 1, {DATA | P_PAGE | P_AP(EL1_RO), 0}, 8, UINT32_MAX, 0},
	{"load, EL1's", LDR(2, 1), 0, {DATA | P_PAGE | P_AP(EL1_RW), 0}, 8, DFSC_P3, 8},
	{"store, EL1's", STR(2, 1), 0, {DATA | P_PAGE | P_AP(EL1_RW), 0}, 8, DFSC_P3 | WNR, 8},
	{"load at EL0", LDR(2, 1), 0, {DATA | P_PAGE | P_AP(ALL_RO), 0}, 8, UINT32_MAX, 0},
	{"no access flag", LDR(2, 1), 1, {DATA | 3, 0}, 8, DFSC_AF3, 8},
	{"LDTR of EL1's", LDTR(2, 1), 1, {DATA | P_PAGE | P_AP(EL1_RW), 0}, 8, DFSC_P3, 8},
	{"STTR, read-only", STTR(2, 1), 1, {DATA | P_PAGE | P_AP(ALL_RO), 0}, 8, DFSC_P3 | WNR, 8},
	{"STTR", STTR(2, 1), 1, {DATA | P_PAGE | P_AP(ALL_RW), 0}, 8, UINT32_MAX, 0},
	{"into the next page", LDR(2, 1), 1, {DATA | P_PAGE, 0}, 0xffc, DFSC_T3, 0x1000},
	{"store into the next page",
	 STR(2, 1),
	 1,
	 {DATA | P_PAGE, DATA | P_PAGE | P_AP(EL1_RO)},
	 0xffc,
	 DFSC_P3 | WNR,
	 0x1000},
	{"from the page before", STR(2, 1), 1, {0, DATA | P_PAGE}, 0xffc, DFSC_T3 | WNR, 0xffc},
	{"exclusive, not aligned", LDXR(2, 1), 1, {DATA | P_PAGE, 0}, 4, DFSC_ALIGN, 4},
	{"exclusive at 4 of a page without rights", LDXR(2, 1), 1, {0, 0}, 4, DFSC_ALIGN, 4},
	{"unaligned in memory", LDR(2, 1), 1, {DATA | P_PAGE, 0}, 4, UINT32_MAX, 0},
	{"unaligned in Device memory", LDR(2, 1), 1, {DATA | P_DEVICE, 0}, 4, DFSC_ALIGN, 4},
	{"unaligned store to a device", STR(2, 1), 1, {DEVICE | P_DEVICE, 0}, 4, DFSC_ALIGN | WNR, 4},
	{"atomic, read-only", LDADD(2, 3, 1), 1, {DATA | P_PAGE | P_AP(EL1_RO), 0}, 8, DFSC_P3 | WNR, 8},
	{"atomic, nothing there", LDADD(2, 3, 1), 1, {0, 0}, 8, DFSC_T3, 8},
	{"atomic of EL1's", LDADD(2, 3, 1), 0, {DATA | P_PAGE | P_AP(EL1_RW), 0}, 8, DFSC_P3, 8},
	{"atomic, not aligned", LDADD(2, 3, 1), 1, {DATA | P_PAGE, 0}, 4, DFSC_ALIGN | WNR, 4},
	{"DC CVAC", SYS(3, 7, 10, 1, 1), 1, {0, 0}, 8, DFSC_T3 | WNR | CM, 8},
	{"DC CIVAC at EL0", SYS(3, 7, 14, 1, 1), 0, {DATA | P_PAGE | P_AP(EL1_RW), 0}, 8, DFSC_P3 | WNR | CM, 8},
	{"IC IVAU", SYS(3, 7, 5, 1, 1), 1, {0, 0}, 8, DFSC_T3 | WNR | CM, 8},
	{"DC IVAC, read-only", SYS(0, 7, 6, 1, 1), 1, {DATA | P_PAGE | P_AP(EL1_RO), 0}, 8, DFSC_P3 | WNR | CM, 8},
	{"DC ZVA, read-only", SYS(3, 7, 4, 1, 1), 1, {DATA | P_PAGE | P_AP(EL1_RO), 0}, 64, DFSC_P3 | WNR, 64},
	{"DC ZVA of a device", SYS(3, 7, 4, 1, 1), 1, {DEVICE | P_DEVICE, 0}, 64, DFSC_ALIGN | WNR, 64},
	{"DC ZVA", SYS(3, 7, 4, 1, 1), 0, {DATA | P_PAGE | P_AP(ALL_RW), 0}, 64, UINT32_MAX, 0},
};

static void data_aborts(void **state)
{
	struct rig *r = guest(state);
	for (unsigned i = 0; i < sizeof faults / sizeof *faults; i++) {
		mmu_page(r, 0, faults[i].page[0]);
		mmu_page(r, 1, faults[i].page[1]);
		a64_flush_all(r->c);
		r->c->x[1] = TEST + faults[i].offset;
		r->c->x[2] = 0x55;
		unsigned got =
			faults[i].el ? RUN(r, 1, faults[i].insn, HVC(ENDED)) : RUN_USER(r, faults[i].insn, SVC(1));
		bool ok = faults[i].iss == UINT32_MAX;
		uint64_t ec = faults[i].el ? A64_EC_DABT : A64_EC_DABT_LOW;
		uint64_t esr = ok ? ESR(A64_EC_SVC, 1) : ESR(ec, faults[i].iss);
		unsigned want = !faults[i].el ? LOWER : ok ? ENDED : CUR_SPX;
		if (got != want || (!(ok && faults[i].el) && r->c->esr != esr) ||
		    (!ok && r->c->far != TEST + (uint64_t)faults[i].far) ||
		    r->c->x[1] != TEST + (uint64_t)faults[i].offset)
			fail_msg("%s: %#x, esr %#llx far %#llx", faults[i].what, got, (unsigned long long)r->c->esr,
				 (unsigned long long)r->c->far);
	}
}

static void alignment_checked_everywhere(void **state)
{
	struct rig *r = guest(state);
	mmu_page(r, 0, DATA | P_PAGE);
	r->c->sctlr |= A64_SCTLR_A;
	a64_state_changed(r->c, true);
	r->c->x[1] = TEST + 4;
	assert_int_equal(RUN(r, 1, LDR(2, 1)), CUR_SPX);
	assert_int_equal(r->c->esr, ESR(A64_EC_DABT, DFSC_ALIGN));
	assert_int_equal(RUN(r, 1, 0xa9400822 /* ldp x2, x2, [x1] */, HVC(ENDED)), CUR_SPX);
	assert_int_equal(RUN(r, 1, 0x29400c22 /* ldp w2, w3, [x1] */, HVC(ENDED)), ENDED);
}

static void instruction_aborts(void **state)
{
	struct rig *r = guest(state);
	static const struct {
		uint64_t page;
		uint32_t iss;
		uint8_t el;
	} rows[] = {{0, DFSC_T3, 1},
		    {0, DFSC_T3, 0},
		    {DATA | P_PAGE | P_PXN, DFSC_P3, 1},
		    {DATA | P_PAGE | P_UXN | P_AP(ALL_RO), DFSC_P3, 0},
		    {DATA | P_PAGE | P_AP(ALL_RW), DFSC_P3, 1},
		    {DATA | 3, DFSC_AF3, 1},
		    {DEVICE | P_PAGE, 0x10, 1}};
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		mmu_page(r, 0, rows[i].page);
		a64_flush_all(r->c);
		r->c->x[1] = TEST + 8;
		unsigned got = rows[i].el ? RUN(r, 1, BR(1)) : RUN_USER(r, BR(1));
		assert_int_equal(got, rows[i].el ? CUR_SPX : LOWER);
		assert_int_equal(r->c->esr, ESR(rows[i].el ? A64_EC_IABT : A64_EC_IABT_LOW, rows[i].iss));
		assert_int_equal(r->c->far, TEST + 8);
		assert_int_equal(r->c->elr, TEST + 8);
	}
}

/* A block that ends with its page goes on in the next one, which may not be there. */
static void code_over_the_end_of_a_page(void **state)
{
	struct rig *r = guest(state);
	mmu_page(r, 0, DATA | P_PAGE);
	a64_flush_all(r->c);
	CODE_AT(r, DATA + 0xff8, NOP, NOP);
	rig_at(r, 1, TEST + 0xff8);
	assert_int_equal(rig_go(r), CUR_SPX);
	assert_int_equal(r->c->far, TEST + 0x1000);
	assert_int_equal(r->c->elr, TEST + 0x1000);
}

/* ------ modes ------ */

static void pan_and_uao(void **state)
{
	struct rig *r = guest(state);
	mmu_page(r, 0, DATA | P_PAGE | P_AP(ALL_RW));
	mmu_page(r, 1, (DATA + 0x1000) | P_PAGE | P_AP(EL1_RW));
	r->c->x[1] = TEST;
	r->c->x[4] = TEST + 0x1000;
	assert_int_equal(RUN(r, 1, LDR(2, 1), PAN(1), LDTR(2, 1), SYS(3, 7, 11, 1, 1), LDR(2, 1)), CUR_SPX);
	assert_int_equal(r->c->elr, CODE + 16);
	assert_int_equal(r->c->esr, ESR(A64_EC_DABT, DFSC_P3));
	assert_int_equal(RUN(r, 1, PAN(0), LDR(2, 1), LDTR(2, 4)), CUR_SPX);
	assert_int_equal(r->c->elr, CODE + 8);
	assert_int_equal(RUN(r, 1, 0xd500417f /* uao 1 */, LDTR(2, 4), HVC(ENDED)), ENDED);
}

/* SPAN 0: exceptions to EL1 set PAN. */
static void exceptions_set_pan(void **state)
{
	struct rig *r = guest(state);
	RUN_USER(r, SVC(1));
	assert_false(r->c->pan);
	r->c->sctlr &= ~A64_SCTLR_SPAN;
	RUN_USER(r, SVC(1));
	assert_true(r->c->pan);
}

static void tags_are_ignored_where_tbi_says(void **state)
{
	struct rig *r = guest(state);
	mmu_page(r, 0, DATA | P_PAGE);
	r->c->x[1] = UINT64_C(0x5a00000000000000) | TEST;
	assert_int_equal(RUN(r, 1, LDR(2, 1)), CUR_SPX);
	assert_int_equal(r->c->esr, ESR(A64_EC_DABT, 4));
	assert_true(r->c->far == r->c->x[1]);
	r->c->tcr |= UINT64_C(1) << 37;
	a64_state_changed(r->c, true);
	put64(r, DATA, 0x1122);
	assert_int_equal(RUN(r, 1, LDR(2, 1), LDR(3, 1), HVC(ENDED)), ENDED);
	assert_int_equal(r->c->x[3], 0x1122);
	CODE_AT(r, DATA + 0x10, HVC(0x33));
	r->c->x[1] += 0x10;
	assert_int_equal(RUN(r, 1, BR(1)), 0x33);
	assert_int_equal(r->c->pc, TEST + 0x14);
}

/* ------ AT ------ */

static void addresses_translated_for_the_guest(void **state)
{
	struct rig *r = guest(state);
	static const struct {
		uint8_t crm, op2;
		uint64_t page, par;
	} rows[] = {
		{8, 0, DATA | P_PAGE, UINT64_C(0xff00000000000980) | DATA},
		{8, 0, DATA | P_DEVICE, UINT64_C(0x0000000000000900) | DATA},
		{8, 0, 0, 0x801 | DFSC_T3 << 1},
		{8, 1, DATA | P_PAGE | P_AP(EL1_RO), 0x801 | DFSC_P3 << 1},
		{8, 2, DATA | P_PAGE, 0x801 | DFSC_P3 << 1},
		{8, 2, DATA | P_PAGE | P_AP(ALL_RO), UINT64_C(0xff00000000000980) | DATA},
		{8, 3, DATA | P_PAGE | P_AP(ALL_RO), 0x801 | DFSC_P3 << 1},
		{9, 0, DATA | P_PAGE | P_AP(ALL_RO), 0x801 | DFSC_P3 << 1},
		{9, 0, DATA | P_PAGE, UINT64_C(0xff00000000000980) | DATA},
		{9, 1, DATA | P_PAGE | P_AP(EL1_RO), 0x801 | DFSC_P3 << 1},
	};
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		mmu_page(r, 0, rows[i].page);
		a64_flush_all(r->c);
		r->c->x[1] = TEST + 0x123;
		assert_int_equal(RUN(r, 1, PAN(1), SYS(0, 7, rows[i].crm, rows[i].op2, 1), ISB,
				     MRS(A64_SYSREG(3, 0, 7, 4, 0), 2), HVC(ENDED)),
				 ENDED);
		assert_true(r->c->x[2] == rows[i].par);
	}
}

/* ------ TLBs ------ */

/* An entry may stay until TLBI, and is gone behind it. */
static void tlbi_forgets(void **state)
{
	struct rig *r = guest(state);
	static const uint32_t how[] = {SYS(0, 8, 7, 0, 31), SYS(0, 8, 3, 0, 31), SYS(0, 8, 7, 1, 4),
				       SYS(0, 8, 3, 1, 4),  SYS(0, 8, 7, 2, 5),  SYS(0, 8, 3, 2, 5),
				       SYS(0, 8, 7, 3, 4),  SYS(0, 8, 3, 5, 4),  SYS(0, 8, 7, 7, 4)};
	put64(r, DATA, 1);
	put64(r, DATA + 0x1000, 2);
	for (unsigned i = 0; i < sizeof how / sizeof *how; i++) {
		mmu_page(r, 0, DATA | P_PAGE | P_NG);
		a64_flush_all(r->c);
		r->c->x[1] = TEST;
		r->c->x[3] = L3_TEST;
		r->c->x[4] = TEST >> 12;
		r->c->x[5] = 0;
		r->c->x[6] = (DATA + 0x1000) | P_PAGE | P_NG;
		assert_int_equal(RUN(r, 1, LDR(7, 1), STR(6, 3), DSB, how[i], DSB, ISB, LDR(8, 1), HVC(ENDED)), ENDED);
		assert_int_equal(r->c->x[7], 1);
		assert_int_equal(r->c->x[8], 2);
	}
}

/* Code too: a page executed from, mapped elsewhere. */
static void tlbi_of_code(void **state)
{
	struct rig *r = guest(state);
	CODE_AT(r, DATA, RET);
	CODE_AT(r, DATA + 0x1000, HVC(0x77));
	mmu_page(r, 0, DATA | P_PAGE);
	a64_flush_all(r->c);
	r->c->x[1] = TEST;
	r->c->x[3] = L3_TEST;
	r->c->x[4] = TEST >> 12;
	r->c->x[6] = (DATA + 0x1000) | P_PAGE;
	assert_int_equal(RUN(r, 1, 0xd63f0020 /* blr x1 */, STR(6, 3), DSB, SYS(0, 8, 3, 1, 4), DSB, ISB, BR(1)), 0x77);
}

/* Two address spaces: each sees its own page and both the global one, without any TLBI. */
static void asids(void **state)
{
	struct rig *r = guest(state);
	enum { OTHER_L1 = TABLES + 0x5000, OTHER_L2 = TABLES + 0x6000, OTHER_L3 = TABLES + 0x7000 };
	put64(r, OTHER_L1, OTHER_L2 | 3);
	put64(r, OTHER_L2, L3 | 3);
	put64(r, OTHER_L2 + 8, OTHER_L3 | 3);
	mmu_page(r, 0, DATA | P_PAGE | P_NG);
	mmu_page(r, 1, (DATA + 0x2000) | P_PAGE);
	put64(r, OTHER_L3, (DATA + 0x1000) | P_PAGE | P_NG);
	put64(r, DATA, 1);
	put64(r, DATA + 0x1000, 2);
	put64(r, DATA + 0x2000, 3);
	r->c->x[1] = TEST;
	r->c->x[2] = TEST + 0x1000;
	r->c->x[3] = OTHER_L1 | UINT64_C(5) << 48;
	r->c->x[4] = L1;
	const uint32_t ttbr0 = A64_SYSREG(3, 0, 2, 0, 0);
	assert_int_equal(RUN(r, 1, LDR(5, 1), LDR(6, 2), MSR(ttbr0, 3), ISB, LDR(7, 1), LDR(8, 2), MSR(ttbr0, 4), ISB,
			     LDR(9, 1), HVC(ENDED)),
			 ENDED);
	assert_int_equal(r->c->x[5], 1);
	assert_int_equal(r->c->x[6], 3);
	assert_int_equal(r->c->x[7], 2);
	assert_int_equal(r->c->x[8], 3); /* not in the other's tables: by the TLB */
	assert_int_equal(r->c->x[9], 1);
}

/* What another CPU has asked for is done before this one runs on, and DSB there need not wait for one that is out. */
static void tlbi_reaches_others(void **state)
{
	struct rig *r = guest(state), *other;
	assert_int_equal(rig_setup((void **)&other), 0);
	struct a64_share *s = a64_share_new();
	a64_share_join(r->c, s, 0);
	a64_share_join(other->c, s, 1);
	mmu_page(r, 0, DATA | P_PAGE);
	a64_flush_all(r->c);
	put64(r, DATA, 1);
	put64(r, DATA + 0x1000, 2);
	r->c->x[1] = TEST;
	assert_int_equal(RUN(r, 1, LDR(2, 1), HVC(ENDED)), ENDED);
	mmu_page(r, 0, (DATA + 0x1000) | P_PAGE);
	other->c->x[1] = TEST >> 12;
	assert_int_equal(RUN(other, 1, SYS(0, 8, 7, 1, 1), DSB, HVC(ENDED)), ENDED); /* its own alone */
	assert_int_equal(RUN(r, 1, LDR(3, 1), HVC(ENDED)), ENDED);
	assert_int_equal(RUN(other, 1, SYS(0, 8, 3, 1, 1), DSB, HVC(ENDED)), ENDED);
	assert_int_equal(RUN(r, 1, LDR(4, 1), HVC(ENDED)), ENDED);
	assert_int_equal(r->c->x[2], 1);
	assert_int_equal(r->c->x[3], 1);
	assert_int_equal(r->c->x[4], 2);
	a64_share_leave(r->c);
	a64_share_leave(other->c);
	a64_share_free(s);
	void *o = other;
	rig_teardown(&o);
}

/* Random loads and stores through random mappings, each agreeing with a walk of its own. */
static void accesses_agree_with_walks(void **state)
{
	struct rig *r = guest(state);
	enum { PAGES = 64, FIRST = DATA >> 12 };
	uint64_t seed = 88172645463325252;
	CODE_AT(r, CODE, LDR(2, 1), STR(3, 1), HVC(ENDED));
	for (unsigned i = 0; i < 20000; i++) {
		struct a64_walk w, w2;
		seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
		unsigned n = seed >> 20 & (PAGES - 1);
		if (seed % 3 == 0) {
			static const uint64_t kinds[] = {
				0, P_PAGE, P_PAGE | P_AP(EL1_RO), P_PAGE | P_AP(ALL_RW), P_PAGE | P_NG, 3};
			uint64_t kind = kinds[(seed >> 8) % 6];
			mmu_page(r, n, kind ? kind | (uint64_t)(FIRST + (seed >> 32 & 15)) << 12 : 0);
			a64_tlb_flush_va(r->c, TEST + n * UINT64_C(0x1000), true);
		}
		uint64_t va = TEST + n * UINT64_C(0x1000) + (seed >> 40 & 0xff8);
		int read = a64_walk(r->c, va, 0, &w), write = a64_walk(r->c, va, A64_ACC_WRITE, &w2);
		uint64_t old = read ? 0 : get64(r, w.gpa);
		r->c->x[1] = va;
		r->c->x[3] = seed;
		rig_at(r, 1, CODE);
		assert_int_equal(rig_go(r), read || write ? CUR_SPX : ENDED);
		if (read || write)
			assert_int_equal(r->c->esr & 0x7f, read ? read & 0x3f : (write & 0x3f) | WNR);
		if (!read)
			assert_true(r->c->x[2] == old);
		if (!read && !write)
			assert_true(get64(r, w.gpa) == seed);
	}
}

/* ------ devices ------ */

static void a_device_answers_later(void **state)
{
	struct rig *r = guest(state);
	mmu_page(r, 0, DEVICE | P_DEVICE);
	r->c->x[1] = TEST + 0x10;
	r->c->x[3] = 0x99;
	r->answer = A64_DEFER;
	assert_int_equal(RUN(r, 1, LDR(2, 1), STR(3, 1), HVC(ENDED)), STOPPED + A64_STOP_MMIO);
	assert_int_equal(r->c->stop.addr, DEVICE + 0x10);
	assert_int_equal(r->c->stop.len, 8);
	assert_false(r->c->stop.write);
	memcpy(r->c->stop.data, "\1\2\3\4\5\6\7\10", 8);
	a64_answer(r->c);
	assert_int_equal(a64_complete(r->c), A64_STOP_BUDGET);
	assert_int_equal(r->c->pc, CODE + 4);
	assert_true(r->c->x[2] == UINT64_C(0x0807060504030201));
	assert_int_equal(rig_go(r), STOPPED + A64_STOP_MMIO);
	assert_true(r->c->stop.write && r->c->stop.data[0] == 0x99);
	a64_answer(r->c);
	assert_int_equal(rig_go(r), ENDED);
}

static void pages_that_are_logged_or_not_to_be_written(void **state)
{
	struct rig *r = guest(state);
	mmu_page(r, 0, DATA | P_PAGE);
	r->c->x[1] = TEST;
	r->page_flags |= A64_PAGE_LOG;
	a64_flush_all(r->c);
	assert_int_equal(RUN(r, 1, LDR(2, 1), HVC(ENDED)), ENDED);
	assert_false(r->marked >> (DATA >> 12) & 1);
	assert_int_equal(RUN(r, 1, STR(2, 1), HVC(ENDED)), ENDED);
	assert_true(r->marked >> (DATA >> 12) & 1);
	r->page_flags = A64_PAGE_R | A64_PAGE_X; /* to its owner, as a device */
	a64_flush_all(r->c);
	r->c->x[2] = 0x77;
	assert_int_equal(RUN(r, 1, STR(2, 1), HVC(ENDED)), ENDED);
	assert_true(r->mmio_write && r->mmio_gpa == DATA && r->device[0] == 0x77);
}

/* ------ BTI ------ */

static void branches_into_guarded_pages(void **state)
{
	struct rig *r = guest(state);
	static const struct {
		uint32_t landing, branch;
		bool ok;
		uint8_t btype;
	} rows[] = {{NOP, 0xd63f0020, false, 2},        /* blr x1 */
		    {0xd503245f, 0xd63f0020, true, 0},  /* bti c */
		    {0xd503249f, 0xd63f0020, false, 2}, /* bti j */
		    {0xd503249f, BR(1), true, 0},       {0xd503245f, BR(1), false, 3},
		    {0xd503245f, BR(16), true, 0},      {0xd50324df, BR(1), true, 0}, /* bti jc */
		    {0xd503233f, 0xd63f0020, true, 0},                                /* paciasp */
		    {0xd503233f, BR(1), true, 0},       {0xd65f03c0, 0xd65f0020, true, 0}};
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		mmu_page(r, 0, DATA | P_PAGE | P_GP);
		a64_flush_all(r->c);
		r->c->x[1] = r->c->x[16] = TEST;
		r->c->x[30] = CODE + 4;
		CODE_AT(r, DATA, rows[i].landing, HVC(ENDED));
		assert_int_equal(RUN(r, 1, rows[i].branch, HVC(ENDED)), rows[i].ok ? ENDED : CUR_SPX);
		if (!rows[i].ok) {
			assert_int_equal(r->c->esr, ESR(A64_EC_BTI, rows[i].btype));
			assert_int_equal(r->c->elr, TEST);
			assert_int_equal(r->c->spsr >> 10 & 3, rows[i].btype);
		}
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, mmu_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		T(data_aborts),
		T(alignment_checked_everywhere),
		T(instruction_aborts),
		T(code_over_the_end_of_a_page),
		T(pan_and_uao),
		T(exceptions_set_pan),
		T(tags_are_ignored_where_tbi_says),
		T(addresses_translated_for_the_guest),
		T(tlbi_forgets),
		T(tlbi_of_code),
		T(asids),
		T(tlbi_reaches_others),
		T(accesses_agree_with_walks),
		T(a_device_answers_later),
		T(pages_that_are_logged_or_not_to_be_written),
		T(branches_into_guarded_pages),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
