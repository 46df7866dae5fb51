/* The software arm64 CPU: translation table walks for every granule, input size and level, and their faults. */
#include "test_a64_rig.h"

#define AF (UINT64_C(1) << 10)
#define DBM (UINT64_C(1) << 51)
#define PXN (UINT64_C(1) << 53)
#define UXN (UINT64_C(1) << 54)
#define AP(n) ((uint64_t)(n) << 6)
enum { FSC_SIZE = 0, FSC_TRANSLATION = 4, FSC_ACCESS = 8, FSC_PERMISSION = 12, FSC_WALK = 0x14 };

struct space {
	unsigned page_bits, va_bits;
	bool upper;
};
static unsigned start_level(const struct space *s)
{
	unsigned stride = s->page_bits - 3;
	return 4 - (s->va_bits - s->page_bits + stride - 1) / stride;
}
static unsigned shift_of(const struct space *s, unsigned level)
{
	return s->page_bits + (3 - level) * (s->page_bits - 3);
}
static uint64_t in_space(const struct space *s, uint64_t v)
{
	v &= (UINT64_C(1) << s->va_bits) - 1;
	return s->upper ? v | ~((UINT64_C(1) << s->va_bits) - 1) : v;
}

/* Tables for one address; at[level] is where its descriptor lies. */
static void map(struct rig *r, const struct space *s, uint64_t va, unsigned leaf, uint64_t desc, uint64_t at[4])
{
	uint64_t table = TABLES, index_top = s->va_bits;
	for (unsigned level = start_level(s); level <= leaf; level++) {
		unsigned shift = shift_of(s, level);
		at[level] = table + ((va & ((UINT64_C(1) << index_top) - 1)) >> shift << 3);
		table += UINT64_C(1) << s->page_bits;
		put64(r, at[level], level < leaf ? table | 3 : desc | (leaf == 3 ? 3 : 1));
		index_top = shift;
	}
}

static void use(struct rig *r, const struct space *s)
{
	static const uint8_t tg[2][17] = {{[12] = 0, [14] = 2, [16] = 1}, {[12] = 2, [14] = 1, [16] = 3}};
	unsigned tsz = 64 - s->va_bits;
	r->c->tcr = UINT64_C(2) << 32 /* 40 bits */ | (uint64_t)tg[0][s->page_bits] << 14 |
		    (uint64_t)tg[1][s->page_bits] << 30 | (uint64_t)tsz << 16 | tsz;
	r->c->ttbr0 = s->upper ? UINT64_C(0x00ff000000000000) : TABLES;
	r->c->ttbr1 = s->upper ? TABLES : UINT64_C(0x00ff000000000000);
	r->c->mair = 0xff;
	r->c->sctlr |= A64_SCTLR_M;
	a64_state_changed(r->c, true);
}

static int walk(struct rig *r, uint64_t va, unsigned mode, unsigned acc, struct a64_walk *w)
{
	return a64_walk_mode(r->c, va, mode, acc, w);
}
static void expect_fault(struct rig *r, uint64_t va, unsigned acc, unsigned code, unsigned level)
{
	struct a64_walk w;
	int got = walk(r, va, A64_MMU_EL1, acc, &w);
	if (got != (int)(A64_WALK_FAULT | code | level))
		fail_msg("va %#llx: %#x instead of code %#x level %u", (unsigned long long)va, (unsigned)got, code,
			 level);
}

/* What each level's descriptor can be wrong in. */
static void spoil(struct rig *r, const struct space *s, uint64_t va, unsigned leaf, const uint64_t at[4])
{
	for (unsigned level = start_level(s); level <= leaf; level++) {
		uint64_t was = get64(r, at[level]);
		put64(r, at[level], was & ~UINT64_C(1));
		expect_fault(r, va, 0, FSC_TRANSLATION, level);
		put64(r, at[level], was | UINT64_C(1) << 45);
		expect_fault(r, va, 0, FSC_SIZE, level);
		if (level < leaf) {
			put64(r, at[level], UINT64_C(1) << 39 | 3);
			expect_fault(r, va, 0, FSC_WALK, level + 1);
		}
		put64(r, at[level], was);
	}
	uint64_t was = get64(r, at[leaf]);
	put64(r, at[leaf], was & ~AF);
	expect_fault(r, va, 0, FSC_ACCESS, leaf);
	put64(r, at[leaf], was | AP(2));
	expect_fault(r, va, A64_ACC_WRITE, FSC_PERMISSION, leaf);
	put64(r, at[leaf], was | PXN);
	expect_fault(r, va, A64_ACC_EXEC, FSC_PERMISSION, leaf);
	if (leaf == 3) {
		put64(r, at[leaf], was & ~UINT64_C(2));
		expect_fault(r, va, 0, FSC_TRANSLATION, leaf);
	}
	put64(r, at[leaf], was);
}

static bool may_be_leaf(const struct space *s, unsigned level)
{
	return level >= (s->page_bits == 12 ? 1u : 2u) && level >= start_level(s);
}

static void try_leaf(struct rig *r, const struct space *s, unsigned leaf, uint64_t seed)
{
	struct a64_walk w;
	uint64_t at[4], low = (UINT64_C(1) << shift_of(s, leaf)) - 1, va = in_space(s, seed);
	uint64_t pa = (seed * 77) & UINT64_C(0xffffffffff) & ~low;
	memset(r->ram + TABLES, 0, RAM - TABLES);
	use(r, s);
	map(r, s, va, leaf, pa | AF | 3 << 8, at);
	assert_int_equal(walk(r, va, A64_MMU_EL1, 0, &w), 0);
	assert_true(w.gpa == (pa | (va & low)));
	assert_true(w.page_size == low + 1);
	assert_int_equal(w.attr, 0xff);
	spoil(r, s, va, leaf, at);
	assert_int_equal(walk(r, va, A64_MMU_EL1, A64_ACC_WRITE, &w), 0);
	/* beyond the input size, and the other half, whose table lies outside of what there is */
	if (s->va_bits < 48)
		expect_fault(r, va ^ UINT64_C(1) << s->va_bits, 0, FSC_TRANSLATION, 0);
	expect_fault(r, va ^ UINT64_C(0x0100000000000000), 0, FSC_TRANSLATION, 0);
	r->c->tcr |= UINT64_C(3) << 37; /* TBI0, TBI1 */
	assert_int_equal(walk(r, va ^ UINT64_C(0x0500000000000000), A64_MMU_EL1, 0, &w), 0);
	r->c->tcr |= s->upper ? 1 << 23 : 1 << 7; /* EPD */
	expect_fault(r, va, 0, FSC_TRANSLATION, 0);
}

/* A block at a level that has none, Arm ARM D8.3.1 */
static void no_block_there(struct rig *r, const struct space *s)
{
	for (unsigned level = start_level(s); level < 3 && !may_be_leaf(s, level); level++) {
		uint64_t at[4], va = in_space(s, 0x123456789abc);
		memset(r->ram + TABLES, 0, RAM - TABLES);
		use(r, s);
		map(r, s, va, level, AF, at);
		expect_fault(r, va, 0, FSC_TRANSLATION, level);
	}
}

static void every_granule_size_and_level(void **state)
{
	struct rig *r = *state;
	static const uint8_t granules[] = {12, 14, 16};
	uint64_t seed = 0x9e3779b97f4a7c15;
	r->c->features &= ~(UINT64_C(1) << A64_F_HAFDBS);
	for (unsigned g = 0; g < 3; g++)
		for (unsigned tsz = 16; tsz <= (granules[g] == 16 ? 47 : 48); tsz++)
			for (unsigned upper = 0; upper < 2; upper++) {
				struct space s = {granules[g], 64 - tsz, upper};
				no_block_there(r, &s);
				for (unsigned leaf = 1; leaf < 4; leaf++)
					if (may_be_leaf(&s, leaf))
						try_leaf(r, &s, leaf, seed = seed * UINT64_C(6364136223846793005) + 1);
			}
}

/* ------ rights ------ */

static const struct space page4k = {12, 39, false};
enum { AP_EL1_RW, AP_RW, AP_EL1_RO, AP_RO };

/* D8.4.1: may this be done? */
static bool may(unsigned ap, uint64_t xn, bool wxn, unsigned mode, unsigned acc)
{
	bool user = mode == A64_MMU_EL0, ro = ap & 2, for_user = ap & 1;
	bool write = !ro && (!user || for_user);
	if (acc == A64_ACC_EXEC) {
		if (user)
			return !(xn & UXN) && !(wxn && write);
		return !(xn & PXN) && ap != AP_RW && !(wxn && write);
	}
	if (mode == A64_MMU_EL1_PAN && for_user)
		return false;
	return acc == A64_ACC_WRITE ? write : !user || for_user;
}

static void access_rights(void **state)
{
	struct rig *r = *state;
	static const uint8_t accs[] = {0, A64_ACC_WRITE, A64_ACC_EXEC};
	struct a64_walk w;
	uint64_t at[4], va = 0x1234567000;
	for (unsigned bits = 0; bits < 32; bits++)
		for (unsigned mode = 0; mode < A64_MMU_MODES; mode++)
			for (unsigned a = 0; a < 3; a++) {
				uint64_t xn = (bits & 4 ? PXN : 0) | (bits & 8 ? UXN : 0);
				bool wxn = bits & 16;
				use(r, &page4k);
				r->c->sctlr = wxn ? r->c->sctlr | A64_SCTLR_WXN : r->c->sctlr & ~A64_SCTLR_WXN;
				map(r, &page4k, va, 3, DATA | AF | AP(bits & 3) | xn, at);
				int want =
					may(bits & 3, xn, wxn, mode, accs[a]) ? 0 : A64_WALK_FAULT | FSC_PERMISSION | 3;
				assert_int_equal(walk(r, va, mode, accs[a], &w), want);
			}
}

/* APTable, PXNTable, UXNTable; HPD turns them off. */
static void rights_of_tables(void **state)
{
	struct rig *r = *state;
	struct a64_walk w;
	uint64_t at[4], va = 0x1234567000, perm = A64_WALK_FAULT | FSC_PERMISSION | 3;
	static const struct {
		uint8_t bit, mode, acc;
	} rows[] = {{59, A64_MMU_EL1, A64_ACC_EXEC},
		    {60, A64_MMU_EL0, A64_ACC_EXEC},
		    {61, A64_MMU_EL0, 0},
		    {62, A64_MMU_EL1, A64_ACC_WRITE}};
	for (unsigned i = 0; i < 4; i++)
		for (unsigned level = 1; level < 3; level++) {
			uint64_t ap = rows[i].acc == A64_ACC_EXEC ? AP(AP_RO) : AP(AP_RW);
			use(r, &page4k);
			map(r, &page4k, va, 3, DATA | AF | ap, at);
			put64(r, at[level], get64(r, at[level]) | UINT64_C(1) << rows[i].bit);
			assert_int_equal(walk(r, va, rows[i].mode, rows[i].acc, &w), perm);
			r->c->tcr |= UINT64_C(1) << 41;
			assert_int_equal(walk(r, va, rows[i].mode, rows[i].acc, &w), 0);
		}
}

static void e0pd_hides_a_half(void **state)
{
	struct rig *r = *state;
	struct a64_walk w;
	uint64_t at[4], va = 0x1234567000;
	use(r, &page4k);
	map(r, &page4k, va, 3, DATA | AF | AP(AP_RW), at);
	assert_int_equal(walk(r, va, A64_MMU_EL0, 0, &w), 0);
	r->c->tcr |= UINT64_C(1) << 55;
	assert_int_equal(walk(r, va, A64_MMU_EL0, 0, &w), A64_WALK_FAULT | FSC_TRANSLATION);
	assert_int_equal(walk(r, va, A64_MMU_EL1, 0, &w), 0);
}

/* ------ what hardware keeps ------ */

static void access_flag_and_dirty_state(void **state)
{
	struct rig *r = *state;
	struct a64_walk w;
	uint64_t at[4], va = 0x1234567000, desc = DATA | 3 | AP(AP_RO) | DBM;
	int perm = A64_WALK_FAULT | FSC_PERMISSION | 3;
	use(r, &page4k);
	r->c->tcr |= A64_TCR_HA;
	map(r, &page4k, va, 3, desc, at);
	assert_int_equal(walk(r, va, A64_MMU_EL1, 0, &w), 0);
	assert_true(get64(r, at[3]) == (desc | AF));
	put64(r, at[3], desc);
	assert_int_equal(walk(r, va, A64_MMU_EL1, A64_ACC_WRITE, &w), perm);
	r->c->tcr |= A64_TCR_HD;
	put64(r, at[3], desc);
	assert_int_equal(walk(r, va, A64_MMU_EL1, 0, &w), 0);
	assert_true(get64(r, at[3]) == (desc | AF));
	assert_int_equal(walk(r, va, A64_MMU_EL1, A64_ACC_WRITE, &w), 0);
	assert_true(get64(r, at[3]) == ((desc | AF) & ~AP(2)));
	/* a table that forbids writing is not hardware's to overrule */
	put64(r, at[3], desc | AF);
	put64(r, at[2], get64(r, at[2]) | UINT64_C(1) << 62);
	assert_int_equal(walk(r, va, A64_MMU_EL1, A64_ACC_WRITE, &w), perm);
	assert_true(get64(r, at[3]) == (desc | AF));
}

static void tables_in_memory_that_cannot_be_written(void **state)
{
	struct rig *r = *state;
	struct a64_walk w;
	uint64_t at[4], va = 0x1234567000;
	use(r, &page4k);
	r->c->tcr |= A64_TCR_HA;
	map(r, &page4k, va, 3, DATA, at);
	r->page_flags = A64_PAGE_R;
	assert_int_equal(walk(r, va, A64_MMU_EL1, 0, &w), A64_WALK_FAULT | FSC_WALK | 3);
	r->page_flags = A64_PAGE_R | A64_PAGE_W | A64_PAGE_LOG;
	assert_int_equal(walk(r, va, A64_MMU_EL1, 0, &w), 0);
	assert_true(r->marked == UINT64_C(1) << (at[3] >> 12 & 63));
}

static void without_the_mmu(void **state)
{
	struct rig *r = *state;
	struct a64_walk w;
	assert_int_equal(walk(r, 0x1234567890, A64_MMU_EL0, A64_ACC_WRITE, &w), 0);
	assert_true(w.gpa == 0x1234567890);
	assert_int_equal(w.attr, 0);
	assert_int_equal(walk(r, UINT64_C(1) << 40, A64_MMU_EL1, 0, &w), A64_WALK_FAULT | FSC_SIZE);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		T(every_granule_size_and_level),
		T(access_rights),
		T(rights_of_tables),
		T(e0pd_hides_a_half),
		T(access_flag_and_dirty_state),
		T(tables_in_memory_that_cannot_be_written),
		T(without_the_mmu),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
