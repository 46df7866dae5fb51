/* test_cpu_found.c - what vmaccel-silicon found, one test each: bytes, the state before, and the result as measured on
 * a Zen 3. */
#include "test_cpu_fp_rig.h"
#include "x86/sys.h"

enum { END_OF_MEMORY = 0x200000 };
#define NOT_CANONICAL 0x8000000000000010ull

static int step(struct rig *r, const uint8_t *bytes, unsigned n)
{
	rig_code(r, bytes, n);
	return rig_step(r);
}
#define STEP(r, ...) step(r, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static int setup(void **state)
{
	*state = rig_new();
	return 0;
}
static int teardown(void **state)
{
	rig_free(*state);
	return 0;
}

/* F3 41 90: REX.B makes it XCHG R8D, EAX. */
static void pause_with_rex_b(void **state)
{
	struct rig *r = *state;
	r->cpu->r[0] = 0x1111222233334444;
	r->cpu->r[8] = 0x5555666677778888;
	assert_int_equal(STEP(r, 0xf3, 0x48, 0x90), -1);
	assert_int_equal(r->cpu->r[0], 0x1111222233334444);
	assert_int_equal(STEP(r, 0xf3, 0x41, 0x90), -1);
	assert_int_equal(r->cpu->r[0], 0x77778888);
	assert_int_equal(r->cpu->r[8], 0x33334444);
	assert_int_equal(STEP(r, 0xf3, 0x49, 0x90), -1);
	assert_int_equal(r->cpu->r[0], 0x33334444);
	assert_int_equal(STEP(r, 0x66, 0xf3, 0x41, 0x90), -1);
	assert_int_equal(r->cpu->r[0], 0x33338888);
}

/* FXSAVE and FXRSTOR touch all 512 bytes of the area. */
static void fxsave_wants_512_bytes(void **state)
{
	struct rig *r = *state;
	r->cpu->r[1] = END_OF_MEMORY - 512;
	assert_int_equal(STEP(r, 0x0f, 0xae, 0x01), -1);
	assert_int_equal(STEP(r, 0x0f, 0xae, 0x09), -1);
	r->cpu->r[1] = END_OF_MEMORY - 496;
	assert_int_equal(STEP(r, 0x0f, 0xae, 0x01), X86_PF);
	rig_start(r);
	r->cpu->r[1] = END_OF_MEMORY - 496;
	assert_int_equal(STEP(r, 0x0f, 0xae, 0x09), X86_PF);
}

/* FXRSTOR64: pointers that are no addresses are sign-extended. */
static void fxrstor64_makes_pointers_canonical(void **state)
{
	struct rig *r = *state;
	uint8_t *image = r->mem + RIG_DATA;
	r->cpu->gva_bits = 48;
	memset(image, 0, 512);
	rig_put64(r, RIG_DATA + 8, 0x339f3bd68ddd77c0);
	rig_put64(r, RIG_DATA + 16, 0xcd28800000000000);
	r->cpu->r[1] = RIG_DATA;
	assert_int_equal(STEP(r, 0x48, 0x0f, 0xae, 0x09), -1);
	assert_true(r->cpu->fip == 0x00003bd68ddd77c0);
	assert_true(r->cpu->fdp == 0xffff800000000000);
}

/* FXRSTOR [RBP - 8]: #SS of an address that is none comes before #GP of its alignment; for SSE operands #GP does. */
static void fxrstor_stack_fault_before_alignment(void **state)
{
	struct rig *r = *state;
	r->cpu->r[5] = NOT_CANONICAL;
	assert_int_equal(STEP(r, 0x0f, 0xae, 0x4d, 0xf8), X86_SS_FAULT);
	rig_start(r);
	r->cpu->r[5] = NOT_CANONICAL;
	assert_int_equal(STEP(r, 0x0f, 0x28, 0x45, 0xf8), X86_GP_FAULT);
}

/* PUSH [RCX], POP [RCX] with a bad RSP: #SS, though the other operand's segment is DS. */
static void stack_of_memory_forms(void **state)
{
	struct rig *r = *state;
	uint64_t gate;
	r->cpu->seg[X86_TR].base = RIG_DATA + 0x400;
	rig_put64(r, RIG_DATA + 0x424, RIG_STACK); /* IST1 */
	memcpy(&gate, r->mem + RIG_IDT + 16 * X86_SS_FAULT, 8);
	rig_put64(r, RIG_IDT + 16 * X86_SS_FAULT, gate | (uint64_t)1 << 32);
	r->cpu->r[1] = RIG_DATA;
	r->cpu->r[4] = NOT_CANONICAL;
	assert_int_equal(STEP(r, 0xff, 0x31), X86_SS_FAULT);
	r->cpu->r[4] = NOT_CANONICAL;
	assert_int_equal(STEP(r, 0x8f, 0x01), X86_SS_FAULT);
}

/* FNOP is no control instruction. */
static void fnop_sets_pointers(void **state)
{
	struct rig *r = *state;
	r->cpu->fip = r->cpu->fop = 0;
	assert_int_equal(STEP(r, 0xd9, 0xd0), -1);
	assert_int_equal(r->cpu->fip, RIG_CODE);
	assert_int_equal(r->cpu->fop, 0x1d0);
}

/* CVTPI2PD from memory has nothing to do with the x87; from an MMX register it reports a pending exception. */
static void cvtpi2pd_pending_exception(void **state)
{
	struct rig *r = *state;
	const int32_t v[2] = {3, -4};
	const double want[2] = {3, -4};
	memcpy(r->mem + RIG_DATA, v, sizeof v);
	r->cpu->fcw = 0x37e;
	r->cpu->fsw = 0x8081;
	r->cpu->r[1] = RIG_DATA;
	assert_int_equal(STEP(r, 0x66, 0x0f, 0x2a, 0x01), -1);
	assert_memory_equal(&r->cpu->v[0], want, sizeof want);
	assert_int_equal(STEP(r, 0x66, 0x0f, 0x2a, 0xc1), X86_MF);
}

/* Stores of an empty register, #IS unmasked, to where nothing is: the page fault, and no exception is recorded. */
static void x87_store_fault_before_exception(void **state)
{
	static const uint8_t stores[][2] = {{0xd9, 0x11}, {0xdd, 0x19}, {0xdb, 0x11}, {0xdf, 0x31}, {0xdb, 0x39}};
	struct rig *r = *state;
	for (unsigned n = 0; n < sizeof stores / sizeof *stores; n++) {
		rig_start(r);
		r->cpu->fcw = 0x37e;
		r->cpu->fsw = 0;
		r->cpu->ftag = 0;
		r->cpu->r[1] = END_OF_MEMORY;
		assert_int_equal(step(r, stores[n], 2), X86_PF);
		assert_int_equal(r->cpu->fsw, 0);
	}
}

/* ARPL of a selector that stays: memory is only read. */
static void arpl_reads(void **state)
{
	struct rig *r = *state;
	struct x86_cpu *c = r->cpu;
	c->seg[X86_CS].attr = 0xc09b; /* compatibility mode */
	c->cr0 |= CR0_WP;
	rig_put64(r, RIG_PD, 0x85); /* no writes */
	rig_put64(r, RIG_DATA, 0x2b);
	x86_state_changed(c, true);
	c->r[1] = RIG_DATA;
	c->r[2] = 3;
	assert_int_equal(STEP(r, 0x63, 0x11), -1);
	assert_false(x86_get_rflags(c) & X86_ZF);
}

/* SCASQ whose operand begins in the last page of the lower half: not canonical comes before not present. */
static void operand_leaves_canonical_half(void **state)
{
	struct rig *r = *state;
	r->cpu->gva_bits = 48;
	r->cpu->r[7] = 0x00007fffffffffff;
	assert_int_equal(STEP(r, 0x48, 0xaf), X86_GP_FAULT);
	rig_start(r);
	r->cpu->gva_bits = 48;
	r->cpu->r[7] = 0x00007ffffffffff8;
	assert_int_equal(STEP(r, 0x48, 0xaf), X86_PF);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(pause_with_rex_b),
		T(fxsave_wants_512_bytes),
		T(fxrstor64_makes_pointers_canonical),
		T(fxrstor_stack_fault_before_alignment),
		T(stack_of_memory_forms),
		T(fnop_sets_pointers),
		T(cvtpi2pd_pending_exception),
		T(x87_store_fault_before_exception),
		T(arpl_reads),
		T(operand_leaves_canonical_half),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
