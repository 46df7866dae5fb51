/* test_cpu_mmu.c - page tables of the three formats, permissions, reserved bits, accessed and dirty bits, what the TLB
 * may keep. */
#include "test_cpu_rig.h"
#include "x86/internal.h"

enum { P = 1, W = 2, U = 4, A = 0x20, D = 0x40, PS = 0x80 };
#define NX (1ull << 63)
#define PT 0x5000u

static uint64_t *entry(struct rig *r, uint64_t table, unsigned n)
{
	return (uint64_t *)(void *)(r->ram + table) + n;
}

/* The first 2 MiB by pages of 4 KiB. */
static int setup(void **state)
{
	struct rig *r = rig_new();
	rig_long(r);
	*entry(r, RIG_TABLES + 0x2000, 0) = PT | P | W | U;
	for (unsigned n = 0; n < 512; n++)
		*entry(r, PT, n) = (uint64_t)n << 12 | P | W | U;
	x86_state_changed(r->c, true);
	*state = r;
	return 0;
}
static int teardown(void **state)
{
	rig_free(*state);
	return 0;
}

static uint64_t *leaf(struct rig *r, uint64_t gva)
{
	return entry(r, PT, (unsigned)(gva >> 12));
}
/* The #PF error code, or -1: translated. */
static int walk(struct rig *r, uint64_t gva, unsigned access)
{
	uint64_t gpa;
	unsigned error;
	return x86_walk(r->c, gva, access, &gpa, &error) ? -1 : (int)error;
}

static void accessed_and_dirty(void **state)
{
	struct rig *r = *state;
	assert_int_equal(walk(r, RIG_DATA, 0), -1);
	assert_int_equal(*leaf(r, RIG_DATA) & (A | D), A);
	assert_int_equal(walk(r, RIG_DATA, X86_ACC_WRITE), -1);
	assert_int_equal(*leaf(r, RIG_DATA) & (A | D), A | D);
	assert_int_equal(*entry(r, RIG_TABLES, 0) & (A | D), A);
}

static void permissions(void **state)
{
	struct rig *r = *state;
	*leaf(r, RIG_DATA) = RIG_DATA | P; /* supervisor, read-only */
	assert_int_equal(walk(r, RIG_DATA, X86_ACC_USER), 5);
	assert_int_equal(walk(r, RIG_DATA, X86_ACC_WRITE), 3);
	r->c->cr0 &= ~(uint64_t)0x10000;
	assert_int_equal(walk(r, RIG_DATA, X86_ACC_WRITE), -1);
	r->c->cr0 |= 0x10000;
	*leaf(r, RIG_DATA) = RIG_DATA | P | U | W | NX;
	assert_int_equal(walk(r, RIG_DATA, X86_ACC_EXEC), 0x11);
	assert_int_equal(walk(r, RIG_DATA, X86_ACC_USER | X86_ACC_WRITE), -1);
	*leaf(r, RIG_DATA) = 0;
	assert_int_equal(walk(r, RIG_DATA, X86_ACC_USER | X86_ACC_WRITE), 6);
}

static void smep_and_smap(void **state)
{
	struct rig *r = *state;
	r->c->cr4 |= 0x100000;
	assert_int_equal(walk(r, RIG_DATA, X86_ACC_EXEC), 0x11);
	r->c->cr4 |= 0x200000;
	assert_int_equal(walk(r, RIG_DATA, 0), 1);
	r->c->eflags |= X86_AC_;
	assert_int_equal(walk(r, RIG_DATA, 0), -1);
	assert_int_equal(walk(r, RIG_DATA, X86_ACC_SYSTEM), 1);
}

static void reserved_bits(void **state)
{
	struct rig *r = *state;
	*leaf(r, RIG_DATA) = RIG_DATA | P | W | U | (1ull << r->c->gpa_bits);
	assert_int_equal(walk(r, RIG_DATA, 0), 9);
	r->c->efer &= ~(uint64_t)0x800;
	*leaf(r, RIG_DATA) = RIG_DATA | P | W | U | NX;
	assert_int_equal(walk(r, RIG_DATA, 0), 9);
	r->c->efer |= 0x800;
	*entry(r, RIG_TABLES + 0x2000, 1) = 0x202000 | P | W | PS; /* 2 MiB page, not aligned */
	assert_int_equal(walk(r, 0x200000, 0), 0xd & ~4);
}

/* 5-level paging: one table more, whose entries have no page-size bit. */
static void five_levels(void **state)
{
	struct rig *r = *state;
	struct x86_cpu *c = r->c;
	*entry(r, 0x9000, 1) = RIG_TABLES | P | W | U;
	c->cr3 = 0x9000;
	c->cr4 |= 0x1000;
	x86_state_changed(c, true);
	uint64_t high = (1ull << 48) + RIG_DATA, gpa;
	unsigned error;
	assert_true(x86_walk(c, high, X86_ACC_WRITE, &gpa, &error));
	assert_int_equal(gpa, RIG_DATA);
	assert_int_equal(*entry(r, 0x9000, 1) & (A | D), A);
	assert_int_equal(walk(r, RIG_DATA, 0), 0);
	*entry(r, 0x9000, 1) |= PS;
	assert_int_equal(walk(r, high, 0), 9);
	assert_true(x86_canonical(c, 1ull << 55));
	assert_false(x86_canonical(c, 1ull << 56));
	assert_true(x86_canonical(c, ~0ull << 56));
	c->cr4 &= ~0x1000ull;
	x86_state_changed(c, true);
	assert_false(x86_canonical(c, 1ull << 47));
	assert_true(x86_canonical(c, ~0ull << 47));
	assert_true(x86_canonical_base(c, 1ull << 55));
}

/* A change of PKRU is seen at once by what the TLB holds; other pages stay in it. */
static void protection_keys(void **state)
{
	struct rig *r = *state;
	struct x86_cpu *c = r->c;
	uint64_t key = 3ull << 59;
	c->cr4 |= 0x400000;
	*leaf(r, RIG_DATA) |= key;
	c->pkru = 1u << 6;
	assert_int_equal(walk(r, RIG_DATA, 0), 0x21);
	assert_int_equal(walk(r, RIG_DATA, X86_ACC_USER | X86_ACC_WRITE), 0x27);
	assert_int_equal(walk(r, RIG_DATA, X86_ACC_USER | X86_ACC_EXEC), -1);
	c->pkru = 2u << 6;
	assert_int_equal(walk(r, RIG_DATA, X86_ACC_USER), -1);
	assert_int_equal(walk(r, RIG_DATA, X86_ACC_WRITE), 0x23);
	c->cr0 &= ~(uint64_t)0x10000;
	assert_int_equal(walk(r, RIG_DATA, X86_ACC_WRITE), -1);
	assert_int_equal(walk(r, RIG_DATA, X86_ACC_USER | X86_ACC_WRITE), 0x27);
	c->cr0 |= 0x10000;
	*leaf(r, RIG_DATA) &= ~(uint64_t)U;
	assert_int_equal(walk(r, RIG_DATA, X86_ACC_WRITE), -1);
	c->cr4 |= 0x1000000;
	c->pkrs = 2u << 6;
	assert_int_equal(walk(r, RIG_DATA, X86_ACC_WRITE), 0x23);
	assert_int_equal(walk(r, RIG_DATA, X86_ACC_USER), 5);
	*leaf(r, RIG_DATA) |= U;
	c->pkru = 0;
	x86_state_changed(c, true);
	x86_ld8(c, NULL, RIG_DATA);
	x86_ld8(c, NULL, RIG_DATA + 0x1000);
	assert_non_null(x86_tlb_hit(c->tlb->r, RIG_DATA, 1));
	c->pkru = 1u << 6;
	x86_keys_changed(c, 1u << 6);
	assert_null(x86_tlb_hit(c->tlb->r, RIG_DATA, 1));
	assert_non_null(x86_tlb_hit(c->tlb->r, RIG_DATA + 0x1000, 1));
	x86_keys_changed(c, 1);
	assert_null(x86_tlb_hit(c->tlb->r, RIG_DATA + 0x1000, 1));
}

static void formats_of_32_bits(void **state)
{
	struct rig *r = *state;
	struct x86_cpu *c = r->c;
	uint32_t *pd = (uint32_t *)(void *)(r->ram + 0x6000), *pt = (uint32_t *)(void *)(r->ram + 0x7000);
	uint64_t gpa;
	unsigned error;
	pd[0] = 0x7000 | P | W;
	pt[3] = 0x9000 | P;
	pd[1] = 0x00400000 | 3 << 13 | P | W | PS;
	c->efer = 0;
	c->cr4 = 0x10;
	c->cr3 = 0x6000;
	c->cr0 = 0x80010033;
	assert_true(x86_walk(c, 0x3123, 0, &gpa, &error));
	assert_int_equal(gpa, 0x9123);
	assert_true(x86_walk(c, 0x400123, X86_ACC_WRITE, &gpa, &error));
	assert_int_equal(gpa, 0x300400123); /* PSE-36 */
	assert_int_equal(pd[1] & (A | D), A | D);
	c->cr4 = 0x20;
	c->pdpte[0] = 0x8000 | P;
	*entry(r, 0x8000, 0) = 0x5000 | P | W | U;
	*leaf(r, 0x4000) = 0x123456000 | P | W;
	assert_true(x86_walk(c, 0x4010, 0, &gpa, &error));
	assert_int_equal(gpa, 0x123456010);
	assert_false(x86_walk(c, 0x40000000, 0, &gpa, &error));
	assert_int_equal(error, 0);
}

/* mov rax, [rbx]; mov [rbx], rcx under a page fault that nobody takes. */
static void faults_leave_state(void **state)
{
	struct rig *r = *state;
	*leaf(r, RIG_DATA + 0x1000) = 0;
	rig_code(r, 0x48, 0x89, 0x0b, HLT); /* mov [rbx], rcx across a page whose second is missing */
	r->c->r[3] = RIG_DATA + 0xffc;
	r->c->r[1] = UINT64_MAX;
	assert_int_equal(x86_run(r->c), X86_STOP_TRIPLE);
	assert_int_equal(r->c->cr2, RIG_DATA + 0x1000);
	assert_int_equal(*(uint32_t *)(void *)(r->ram + RIG_DATA + 0xffc), 0);
}

static void invlpg_and_cr3(void **state)
{
	struct rig *r = *state;
	r->ram[RIG_DATA] = 1;
	r->ram[RIG_DATA + 0x1000] = 2;
	rig_code(r, 0x8a, 0x03, HLT); /* mov al, [rbx] */
	r->c->r[3] = RIG_DATA;
	x86_run(r->c);
	*leaf(r, RIG_DATA) = (RIG_DATA + 0x1000) | P | W | U;
	x86_invlpg(r->c, RIG_DATA + 0x10);
	r->c->rip = RIG_CODE;
	x86_run(r->c);
	assert_int_equal(r->c->r[0], 2);
	/* global: survives a change of CR3 only */
	r->c->cr4 |= 0x80;
	*leaf(r, RIG_DATA) |= 0x100;
	x86_flush_tlb(r->c, true);
	r->c->rip = RIG_CODE;
	x86_run(r->c);
	*leaf(r, RIG_DATA) = RIG_DATA | P | W | U;
	x86_flush_tlb(r->c, false);
	r->c->rip = RIG_CODE;
	x86_run(r->c);
	assert_int_equal(r->c->r[0], 2);
	x86_flush_tlb(r->c, true);
	r->c->rip = RIG_CODE;
	x86_run(r->c);
	assert_int_equal(r->c->r[0], 1);
}

/* INVLPG of an address in a large page drops all of its pieces. */
static void invlpg_of_a_large_page(void **state)
{
	struct rig *r = *state;
	r->ram[0x200000] = 1;
	rig_code(r, 0x8a, 0x03, HLT);
	r->c->r[3] = 0x200000;
	x86_run(r->c);
	assert_int_equal(r->c->r[0] & 0xff, 1);
	*entry(r, RIG_TABLES + 0x2000, 1) = 0 | P | W | PS;
	r->ram[0] = 5;
	x86_invlpg(r->c, 0x2ff000);
	r->c->rip = RIG_CODE;
	x86_run(r->c);
	assert_int_equal(r->c->r[0] & 0xff, 5);
}

/* The user may not read what the kernel has in its TLB. */
static void modes_are_apart(void **state)
{
	struct rig *r = *state;
	rig_code(r, 0x8a, 0x03, HLT);
	*leaf(r, RIG_DATA) = RIG_DATA | P | W;
	r->c->r[3] = RIG_DATA;
	x86_run(r->c);
	r->c->cpl = 3;
	r->c->seg[X86_CS].attr = 0xa0fb;
	r->c->seg[X86_SS].attr = 0xc0f3;
	x86_state_changed(r->c, false);
	r->c->rip = RIG_CODE;
	assert_int_equal(x86_run(r->c), X86_STOP_TRIPLE);
	assert_int_equal(r->c->cr2, RIG_DATA);
}

/* Two pages 4 MiB apart share a slot; each turn reads both and writes both. */
static void aliases(void **state)
{
	struct rig *r = *state;
	for (unsigned n = 0; n < 8; n++)
		*entry(r, RIG_TABLES + 0x2000, 2 + n) = 0x200000 | P | W | PS;
	rig_code(r, 0x48, 0xff, 0x03, 0x48, 0xff, 0x06, 0xff, 0xc9, 0x75, 0xf6,
		 HLT); /* inc [rbx]; inc [rsi]; dec ecx; jnz */
	r->c->r[3] = 0x400010;
	r->c->r[6] = 0x800010;
	r->c->r[1] = 1000;
	assert_int_equal(x86_run(r->c), X86_STOP_HLT);
	assert_int_equal(*entry(r, 0x200010, 0), 2000);
}

/* The dirty log: one call before the first write, none for reads. */
static void dirty_log(void **state)
{
	struct rig *r = *state;
	static const uint8_t code[] = {0x8a, 0x03, 0x88, 0x03, 0x88, 0x03, HLT};
	*leaf(r, RIG_DATA) |= A | D;
	for (unsigned n = 0; n < 4; n++) /* the walk itself shall write nothing */
		*entry(r, n < 3 ? RIG_TABLES + n * 0x1000 : PT, n < 3 ? 0 : RIG_CODE >> 12) |= A | D;
	rig_code_at(r, RIG_CODE, code, sizeof code);
	r->flags |= X86_PAGE_LOG;
	x86_flush_all(r->c);
	r->c->r[3] = RIG_DATA;
	x86_run(r->c);
	assert_int_equal(r->dirtied, 1);
	x86_flush_page(r->c, RIG_DATA);
	r->c->rip = RIG_CODE;
	x86_run(r->c);
	assert_int_equal(r->dirtied, 2);
}

/* An instruction whose second half is on a missing page: CR2 is that page, the saved RIP the instruction's. */
static void fetch_across(void **state)
{
	struct rig *r = *state;
	uint64_t at = RIG_CODE + 0xffe;
	static const uint8_t code[] = {0x90, 0xb8, 1, 0, 0, 0};
	rig_code_at(r, at, code, sizeof code);
	*leaf(r, RIG_CODE + 0x1000) = 0;
	r->c->rip = at;
	assert_int_equal(x86_run(r->c), X86_STOP_TRIPLE);
	assert_int_equal(r->c->cr2, RIG_CODE + 0x1000);
	assert_int_equal(r->c->rip, at + 1);
	assert_int_equal(r->c->insns, 2);
}

/* Without a log the walk tells nobody of its updates, wherever in its table an entry lies. */
static void walk_without_log(void **state)
{
	struct rig *r = *state;
	for (unsigned n = 0; n < 4; n++)
		assert_int_equal(walk(r, RIG_DATA + n * 0x1000, X86_ACC_WRITE), -1);
	assert_int_equal(*leaf(r, RIG_DATA + 0x1000) & (A | D), A | D);
	assert_int_equal(r->dirtied, 0);
	r->flags |= X86_PAGE_LOG;
	assert_int_equal(walk(r, RIG_DATA + 0x4000, 0), -1);
	assert_int_equal(walk(r, RIG_DATA + 0x5000, 0), -1);
	assert_int_equal(r->dirtied, 2); /* the tables above have A already */
}

/* A page table that is code as well: the walk's own A makes another instruction of ADD EAX, [RAX] (03 00): AND (23 00).
 * The fuzzer's seed 27091. */
static void accessed_bit_in_code(void **state)
{
	struct rig *r = *state;
	uint64_t at = PT + (RIG_DATA >> 12) * 8;
	*leaf(r, RIG_DATA) = RIG_DATA | P | W;
	memcpy(r->ram + RIG_DATA, "\x05", 1);
	for (unsigned n = 0; n < 2; n++) {
		r->c->rip = at;
		r->c->r[0] = RIG_DATA;
		r->c->insn_limit = r->c->insns + 1;
		assert_int_equal(x86_run(r->c), X86_STOP_BUDGET);
		assert_int_equal(r->c->rip, at + 2);
		assert_int_equal(r->c->r[0], n ? 0 : RIG_DATA + 5);
		assert_int_equal(*leaf(r, RIG_DATA) & A, A);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {T(accessed_and_dirty), T(permissions),
					   T(smep_and_smap),      T(reserved_bits),
					   T(five_levels),        T(protection_keys),
					   T(formats_of_32_bits), T(faults_leave_state),
					   T(invlpg_and_cr3),     T(invlpg_of_a_large_page),
					   T(modes_are_apart),    T(aliases),
					   T(dirty_log),          T(fetch_across),
					   T(walk_without_log),   T(accessed_bit_in_code)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
