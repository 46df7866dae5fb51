/* The software arm64 CPU: pointer authentication. The cipher by the vector that its paper publishes for five rounds and
 * the third S-box (IACR ePrint 2016/444, appendix B); all instructions by what qemu-system-aarch64 7.2 -cpu max gave
 * for the same random cases. */
#include "arm64/pauth.h"
#include "test_a64_mmu.h"
#include "test_a64_pauth_cases.h"

#define ENABLED (UINT64_C(1) << 31 | 1 << 30 | 1 << 27 | 1 << 13)

static void the_cipher(void **state)
{
	(void)state;
	assert_true(a64_qarma5(0xfb623599da6e8127, 0x477d469dec0b8762, 0x84be85ce9804e94b, 0xec2802d4e0a488e9) ==
		    UINT64_C(0xc003b93999b33765));
}

/* Each with X0 the pointer and X1 the modifier */
static const uint32_t insns[PAUTH_OPS] = {0xdac10020, 0xdac10420, 0xdac10820, 0xdac10c20, 0xdac11020, 0xdac11420,
					  0xdac11820, 0xdac11c20, 0xdac143e0, 0xdac147e0, 0x9ac13000};

static uint64_t result(struct rig *r, const struct pauth_case *p)
{
	r->c->x[0] = p->pointer;
	r->c->x[1] = p->modifier;
	r->c->pc = CODE + 8 * p->op;
	assert_int_equal(rig_go(r), ENDED);
	return r->c->x[0];
}

/* The hash of all results up to every 2000th case, on that other implementation. */
static const uint64_t hashes[PAUTH_CASES / 2000] = {UINT64_C(0x798b35de9b3b831a), UINT64_C(0xc93aab2b03f11f18),
						    UINT64_C(0x244102673c7cd16f), UINT64_C(0x87a62065c2bef784),
						    UINT64_C(0xf22a41faa1f5ca1a), UINT64_C(0x87ca09c98605f05a),
						    UINT64_C(0x1e0fc83d7a269a24), UINT64_C(0xd551064949e226b2),
						    UINT64_C(0xdfa7809afad30702), UINT64_C(0x9c5d486864f8bbed)};

static void as_another_implementation(void **state)
{
	struct rig *r = *state;
	struct pauth_case p = {0};
	uint64_t seed = 88172645463325252, hash = UINT64_C(0xcbf29ce484222325), last = 0;
	for (unsigned i = 0; i < PAUTH_OPS; i++)
		CODE_AT(r, CODE + 8 * i, insns[i], HVC(ENDED));
	rig_at(r, 1, CODE);
	r->c->sctlr = (r->c->sctlr | ENABLED) & ~A64_SCTLR_M;
	for (unsigned n = 0; n < PAUTH_CASES; n++) {
		pauth_next(&p, &seed, n, last);
		memcpy(r->c->apkey, p.key, sizeof p.key);
		r->c->tcr = p.tcr;
		last = result(r, &p);
		hash = (hash ^ last) * UINT64_C(0x100000001b3);
		if (n % 2000 == 1999 && hash != hashes[n / 2000])
			fail_msg("one of the cases up to %u differs", n);
	}
}

static void keys_on(struct rig *r)
{
	for (unsigned i = 0; i < 5; i++)
		r->c->apkey[i][0] = i + 1, r->c->apkey[i][1] = i + 77;
	r->c->sctlr |= ENABLED;
}

/* Without its bit in SCTLR_EL1 a key does nothing. */
static void keys_are_enabled_one_by_one(void **state)
{
	struct rig *r = *state;
	static const uint32_t bits[4] = {UINT32_C(1) << 31, 1 << 30, 1 << 27, 1 << 13};
	keys_on(r);
	for (unsigned k = 0; k < 4; k++) {
		r->c->sctlr |= ENABLED;
		r->c->x[0] = TEST;
		assert_int_equal(RUN(r, 1, insns[k], HVC(ENDED)), ENDED);
		assert_true(r->c->x[0] != TEST && (r->c->x[0] & UINT64_C(0x7fffffffff)) == TEST);
		r->c->sctlr &= ~(uint64_t)bits[k];
		r->c->x[0] = TEST;
		assert_int_equal(RUN(r, 1, insns[k], insns[k + 4], HVC(ENDED)), ENDED);
		assert_int_equal(r->c->x[0], TEST);
	}
}

/* The hint forms, and the branches that authenticate: there and back; with a wrong modifier into nowhere. */
static void calls_and_returns(void **state)
{
	struct rig *r = *state;
	static const uint32_t pairs[][2] = {
		{0xd503233f, 0xd50323bf}, /* paciasp autiasp */
		{0xd503237f, 0xd50323ff}, /* pacibsp autibsp */
		{0xd503231f, 0xd503239f}, /* paciaz autiaz */
		{0xd503235f, 0xd50323df}, /* pacibz autibz */
	};
	keys_on(r);
	for (unsigned i = 0; i < 4; i++) {
		r->c->x[30] = CODE + 16;
		assert_int_equal(RUN(r, 1, pairs[i][0], ADD_IMM(5, 30, 0), pairs[i][1], RET, HVC(ENDED)), ENDED);
		assert_true(r->c->x[5] != CODE + 16);
	}
	r->c->x[30] = CODE + 12;
	assert_int_equal(RUN(r, 1, 0xd503233f, NOP, 0xd65f0bff /* retaa */, HVC(ENDED)), ENDED);
	r->c->x[30] = CODE + 12;
	assert_int_equal(RUN(r, 1, 0xd503237f, ADD_IMM(5, 30, 0), 0xd65f0fff /* retab */, HVC(ENDED)), ENDED);
	r->c->x[30] = CODE + 12;
	assert_int_equal(RUN(r, 1, 0xd503233f, ADD_IMM(31, 31, 16), 0xd65f0bff, HVC(ENDED)), CUR_SPX);
	assert_int_equal(r->c->esr, ESR(A64_EC_IABT, 4));
	assert_int_equal(r->c->far >> 61, 1); /* the error code of the A keys */
	r->c->x[1] = CODE + 16;
	assert_int_equal(RUN(r, 1, 0xdac10041 /* pacia x1, x2 */, 0xd73f0822 /* blraa x1, x2 */, HVC(9), NOP,
			     0xdac143fe /* xpaci x30 */, HVC(ENDED)),
			 ENDED);
	assert_int_equal(r->c->x[30], CODE + 8);
	r->c->x[1] = CODE + 12;
	assert_int_equal(RUN(r, 1, 0xdac127e1 /* pacizb x1 */, 0xd61f0c3f /* brabz x1 */, HVC(9), HVC(ENDED)), ENDED);
	r->c->x[16] = 0x1234;
	r->c->x[17] = CODE + 12;
	assert_int_equal(
		RUN(r, 1, 0xd503211f /* pacia1716 */, 0xd503219f /* autia1716 */, 0xd61f0220 /* br x17 */, HVC(ENDED)),
		ENDED);
}

static void returns_from_exceptions(void **state)
{
	struct rig *r = *state;
	keys_on(r);
	r->c->x[1] = r->c->x[2] = CODE + 24;
	r->c->spsr = 0x3c5;
	r->c->x[2] = r->c->x[A64_R_SP];
	assert_int_equal(RUN(r, 1, 0xdac103e1 /* pacia x1, sp */, MSR(A64_SYSREG(3, 0, 4, 0, 1), 1),
			     0xd69f0bff /* eretaa */, NOP, NOP, NOP, HVC(ENDED)),
			 ENDED);
	CODE_AT(r, USER_CODE, 0xd69f0bff);
	rig_at(r, 0, USER_CODE);
	assert_int_equal(rig_go(r), LOWER);
	assert_int_equal(r->c->esr, ESR(A64_EC_UNKNOWN, 0));
}

static void loads_by_authenticated_addresses(void **state)
{
	struct rig *r = *state;
	keys_on(r);
	mmu_page(r, 0, DATA | P_PAGE);
	put64(r, DATA + 0x18, 0x1122);
	put64(r, DATA, 0x3344);
	r->c->x[1] = TEST;
	assert_int_equal(RUN(r, 1, 0xdac12be1 /* pacdza x1 */, 0xf8203422 /* ldraa x2, [x1, 24] */,
			     0xf8203c23 /* ldraa x3, [x1, 24]! */, HVC(ENDED)),
			 ENDED);
	assert_int_equal(r->c->x[2], 0x1122);
	assert_int_equal(r->c->x[3], 0x1122);
	assert_int_equal(r->c->x[1], TEST + 0x18);
	r->c->x[1] = TEST + 8;
	assert_int_equal(RUN(r, 1, 0xdac12fe1 /* pacdzb x1 */, 0xf8fff422 /* ldrab x2, [x1, -8] */,
			     0xf8fff422 & ~(1u << 23), HVC(ENDED)),
			 CUR_SPX);
	assert_int_equal(r->c->x[2], 0x3344);
	assert_int_equal(r->c->elr, CODE + 8);
	assert_int_equal(r->c->esr >> 26, A64_EC_DABT);
}

static void without_the_feature(void **state)
{
	struct rig *r = *state;
	uint64_t all = r->c->features;
	keys_on(r);
	rig_features(r, all & ~(UINT64_C(1) << A64_F_PAUTH));
	r->c->x[30] = 0x1234;
	assert_int_equal(RUN(r, 1, 0xd503233f, 0xd50320ff, HVC(ENDED)), ENDED);
	assert_int_equal(r->c->x[30], 0x1234);
	assert_int_equal(RUN(r, 1, insns[0]), CUR_SPX);
	r->answer = A64_UNDEF;
	assert_int_equal(RUN(r, 1, MRS(A64_SYSREG(3, 0, 2, 1, 0), 0)), CUR_SPX);
	rig_features(r, all);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, mmu_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		T(the_cipher),          T(as_another_implementation), T(keys_are_enabled_one_by_one),
		T(calls_and_returns),   T(returns_from_exceptions),   T(loads_by_authenticated_addresses),
		T(without_the_feature),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
