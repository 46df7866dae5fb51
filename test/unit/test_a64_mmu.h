/* test_a64_mmu.h - a guest with its MMU on: the rig's memory mapped onto itself in 4 KiB pages for EL1 and EL0 alike,
 * and pages at TEST for the tests to map as they like. */
#ifndef TEST_A64_MMU_H
#define TEST_A64_MMU_H

#include "test_a64_rig.h"

#define P_AF (UINT64_C(1) << 10)
#define P_NG (UINT64_C(1) << 11)
#define P_GP (UINT64_C(1) << 50)
#define P_PXN (UINT64_C(1) << 53)
#define P_UXN (UINT64_C(1) << 54)
#define P_AP(n) ((uint64_t)(n) << 6)
#define P_PAGE (P_AF | 3 << 8 | 3)
#define P_DEVICE (P_PAGE | 1 << 2)
enum {
	L1 = TABLES,
	L2 = TABLES + 0x1000,
	L3 = TABLES + 0x2000,
	L3_TEST = TABLES + 0x3000,
	TEST = 0x200000,
	USER_CODE = 0x3000, /* EL0 may execute here, EL1 may not */
	EL1_RW = 0,
	ALL_RW = 1,
	EL1_RO = 2,
	ALL_RO = 3
};

/* The n-th page at TEST */
static inline void mmu_page(struct rig *r, unsigned n, uint64_t desc)
{
	put64(r, L3_TEST + 8 * n, desc);
}
static inline void mmu_on(struct rig *r)
{
	put64(r, L1, L2 | 3);
	put64(r, L2, L3 | 3);
	put64(r, L2 + 8, L3_TEST | 3);
	for (uint64_t n = 0; n < RAM >> 12; n++)
		put64(r, L3 + 8 * n, n << 12 | P_PAGE | (n == USER_CODE >> 12 ? P_AP(ALL_RO) : P_AP(EL1_RW)));
	r->c->ttbr0 = TABLES;
	r->c->tcr = 25 | UINT64_C(25) << 16 | UINT64_C(2) << 32 | 1 << 23;
	r->c->mair = 0xff;
	r->c->sctlr |= A64_SCTLR_M | A64_SCTLR_UCI | A64_SCTLR_UCT | A64_SCTLR_DZE | A64_SCTLR_SPAN;
	a64_state_changed(r->c, true);
}
static inline int mmu_setup(void **state)
{
	int bad = rig_setup(state);
	if (!bad)
		mmu_on(*state);
	return bad;
}
#define RUN_USER(r, ...) (CODE_AT(r, USER_CODE, __VA_ARGS__), rig_at(r, 0, USER_CODE), rig_go(r))

#endif
