/* The software arm64 CPU: vector loads and stores that stop half way, traps, saturation; cryptography by the vectors
 * that FIPS 197, FIPS 180-4 and Intel's carry-less multiplication paper (323640, figure 5) publish. What every other
 * vector instruction computes is the differential's (test/a64diff). */
#include "test_a64_mmu.h"

enum {
	LD4_POST = 0x4cdf0020, /* ld4 {v0.16b - v3.16b}, [x1], #64 */
	ST4_POST = 0x4c9f0020,
	LD2_S_POST = 0x4cdf8820, /* ld2 {v0.4s, v1.4s}, [x1], #32 */
	ST2_S_POST = 0x4c9f8820,
	LD1R_B = 0x4d40c020, /* ld1r {v0.16b}, [x1] */
	LDR_Q_SP = 0x3dc003e0
};
#define LDP_Q_POST 0xacc10420u /* ldp q0, q1, [x1], #32 */

static struct rig *guest(void **state)
{
	struct rig *r = *state;
	rig_reset(r);
	mmu_on(r);
	for (unsigned i = 0; i < 32; i++)
		r->c->v[i] = (union a64_vec){.d = {i, ~(uint64_t)i}};
	return r;
}
static void vectors_are_as_before(struct rig *r)
{
	for (unsigned i = 0; i < 32; i++)
		assert_true(r->c->v[i].d[0] == i && r->c->v[i].d[1] == ~(uint64_t)i);
}

/* ------ memory ------ */

static void loads_that_fault_half_way(void **state)
{
	static const uint32_t loads[] = {LD4_POST, LD2_S_POST, LDP_Q_POST};
	struct rig *r = guest(state);
	mmu_page(r, 0, DATA | P_PAGE);
	for (unsigned i = 0; i < 3; i++) {
		r->c->x[1] = TEST + 0xff8;
		assert_int_equal(RUN(r, 1, loads[i], HVC(ENDED)), CUR_SPX);
		assert_int_equal(r->c->esr >> 26, A64_EC_DABT);
		assert_int_equal(r->c->far, TEST + 0x1000);
		assert_int_equal(r->c->elr, CODE);
		assert_int_equal(r->c->x[1], TEST + 0xff8);
		vectors_are_as_before(r);
	}
}
static void stores_that_fault_half_way(void **state)
{
	struct rig *r = guest(state);
	mmu_page(r, 0, DATA | P_PAGE);
	put64(r, DATA + 0xff8, 0x1122334455667788);
	r->c->x[1] = TEST + 0xff8;
	assert_int_equal(RUN(r, 1, ST4_POST, HVC(ENDED)), CUR_SPX);
	assert_int_equal(r->c->x[1], TEST + 0xff8);
	assert_true(get64(r, DATA + 0xff8) == 0x1122334455667788);
}

/* Elements of 4 bytes one by one, each answered later; registers change with the last one. */
static void structures_of_a_device(void **state)
{
	struct rig *r = guest(state);
	mmu_page(r, 0, DEVICE | P_DEVICE);
	r->c->x[1] = TEST + 0x20;
	r->answer = A64_DEFER;
	for (uint32_t n = 0; n < 8; n++) {
		assert_int_equal(n ? rig_go(r) : RUN(r, 1, LD2_S_POST, HVC(ENDED)), STOPPED + A64_STOP_MMIO);
		assert_int_equal(r->c->stop.addr, DEVICE + 0x20 + 4 * n);
		assert_int_equal(r->c->stop.len, 4);
		vectors_are_as_before(r);
		assert_int_equal(r->c->x[1], TEST + 0x20);
		memcpy(r->c->stop.data, &n, 4);
		a64_answer(r->c);
	}
	assert_int_equal(rig_go(r), ENDED);
	assert_int_equal(r->c->x[1], TEST + 0x40);
	for (uint32_t n = 0; n < 8; n++)
		assert_int_equal(r->c->v[n & 1].s[n >> 1], n);
}
static void structures_to_a_device(void **state)
{
	struct rig *r = guest(state);
	mmu_page(r, 0, DEVICE | P_DEVICE);
	r->c->x[1] = TEST;
	for (uint32_t n = 0; n < 8; n++)
		r->c->v[n & 1].s[n >> 1] = 100 + n;
	r->answer = A64_DEFER;
	for (uint32_t n = 0; n < 8; n++) {
		assert_int_equal(n ? rig_go(r) : RUN(r, 1, ST2_S_POST, HVC(ENDED)), STOPPED + A64_STOP_MMIO);
		assert_true(r->c->stop.write && r->c->stop.addr == DEVICE + 4 * n && r->c->stop.len == 4);
		assert_int_equal(r->c->stop.data[0], 100 + n);
		a64_answer(r->c);
	}
	assert_int_equal(rig_go(r), ENDED);
	assert_int_equal(r->c->x[1], TEST + 0x20);
}

static void traps_and_alignment(void **state)
{
	struct rig *r = guest(state);
	uint64_t sp = r->c->x[A64_R_SP];
	r->c->sctlr |= A64_SCTLR_SA;
	r->c->x[A64_R_SP] = sp + 8;
	assert_int_equal(RUN(r, 1, LDR_Q_SP, HVC(ENDED)), CUR_SPX);
	assert_int_equal(r->c->esr >> 26, A64_EC_SP);
	r->c->cpacr = 0; /* comes first */
	assert_int_equal(RUN(r, 1, LDR_Q_SP, HVC(ENDED)), CUR_SPX);
	assert_int_equal(r->c->esr >> 26, A64_EC_FP);
	r->c->cpacr = 3 << 20;
	r->c->x[A64_R_SP] = sp;
	r->c->sctlr |= A64_SCTLR_A;
	a64_state_changed(r->c, true);
	r->c->x[1] = DATA + 4; /* each element is aligned */
	assert_int_equal(RUN(r, 1, LD2_S_POST, HVC(ENDED)), ENDED);
	r->c->x[1] = DATA + 2;
	assert_int_equal(RUN(r, 1, LD2_S_POST, HVC(ENDED)), CUR_SPX);
	assert_int_equal(r->c->esr & 0x3f, 0x21);
	r->c->x[1] = DATA + 1;
	assert_int_equal(RUN(r, 1, LD1R_B, HVC(ENDED)), ENDED);
}

/* ------ saturation ------ */

static void saturation_is_told(void **state)
{
	struct rig *r = guest(state);
	const uint32_t sqadd_b = 0x0e220c20; /* sqadd v0.8b, v1.8b, v2.8b */
	r->c->v[1] = r->c->v[2] = (union a64_vec){.d = {0x3f, 0x7f}};
	r->c->fpsr = 0;
	assert_int_equal(RUN(r, 1, sqadd_b, HVC(ENDED)), ENDED);
	assert_int_equal(r->c->fpsr, 0); /* the upper half is not there */
	assert_true(r->c->v[0].d[0] == 0x7e && r->c->v[0].d[1] == 0);
	r->c->v[1].d[0] = 0x7f;
	assert_int_equal(RUN(r, 1, sqadd_b, HVC(ENDED)), ENDED);
	assert_int_equal(r->c->fpsr, 1 << 27);
	assert_true(r->c->v[0].d[0] == 0x7f);
}

/* ------ cryptography: insn with V0 V1 V2 as its registers ------ */

static union a64_vec v3(struct rig *r, uint32_t insn, union a64_vec d, union a64_vec n, union a64_vec m)
{
	r->c->v[0] = d;
	r->c->v[1] = n;
	r->c->v[2] = m;
	assert_int_equal(RUN(r, 1, insn | 1 << 5, HVC(ENDED)), ENDED);
	return r->c->v[0];
}
static union a64_vec v2(struct rig *r, uint32_t insn, union a64_vec d, union a64_vec n)
{
	return v3(r, insn, d, n, n);
}
static union a64_vec bytes(const char *hex)
{
	union a64_vec v;
	for (unsigned i = 0; i < 16; i++) {
		unsigned b;
		assert_int_equal(sscanf(hex + 2 * i, "%2x", &b), 1);
		v.b[i] = (uint8_t)b;
	}
	return v;
}

/* FIPS 197, appendices A.1 and B */
static const char *const round_keys[11] = {
	"2b7e151628aed2a6abf7158809cf4f3c", "a0fafe1788542cb123a339392a6c7605", "f2c295f27a96b9435935807a7359f67f",
	"3d80477d4716fe3e1e237e446d7a883b", "ef44a541a8525b7fb671253bdb0bad00", "d4d1c6f87c839d87caf2b8bc11f915bc",
	"6d88a37a110b3efddbf98641ca0093fd", "4e54f70e5f5fc9f384a64fb24ea6dc4f", "ead27321b58dbad2312bf5607f8d292f",
	"ac7766f319fadc2128d12941575c006e", "d014f9a8c9ee2589e13f0cc8b6630ca6"};
static const char plain[] = "3243f6a8885a308d313198a2e0370734", cipher[] = "3925841d02dc09fbdc118597196a0b32";
enum { AESE = 0x4e284800, AESD = 0x4e285800, AESMC = 0x4e286800, AESIMC = 0x4e287800 };

static union a64_vec plus(union a64_vec a, union a64_vec b)
{
	return (union a64_vec){.d = {a.d[0] ^ b.d[0], a.d[1] ^ b.d[1]}};
}
static void aes_encrypts_and_decrypts(void **state)
{
	struct rig *r = guest(state);
	union a64_vec s = bytes(plain), end = bytes(cipher);
	for (unsigned i = 0; i < 9; i++) {
		s = v2(r, AESE, s, bytes(round_keys[i]));
		s = v2(r, AESMC, s, s);
	}
	s = plus(v2(r, AESE, s, bytes(round_keys[9])), bytes(round_keys[10]));
	assert_memory_equal(&s, &end, 16);

	for (unsigned i = 10; i > 1; i--) {
		union a64_vec key = bytes(round_keys[i]);
		s = v2(r, AESD, s, i == 10 ? key : v2(r, AESIMC, key, key));
		s = v2(r, AESIMC, s, s);
	}
	union a64_vec key = bytes(round_keys[1]);
	s = plus(v2(r, AESD, s, v2(r, AESIMC, key, key)), bytes(round_keys[0]));
	end = bytes(plain);
	assert_memory_equal(&s, &end, 16);
}

static void polynomials_multiply(void **state)
{
	struct rig *r = guest(state);
	const union a64_vec a = {.d = {0x63746f725d53475d, 0x7b5b546573745665}};
	const union a64_vec b = {.d = {0x5b477565726f6e5d, 0x4869285368617929}};
	union a64_vec low = v3(r, 0x0ee2e000, a, a, b), high = v3(r, 0x4ee2e000, a, a, b);
	assert_true(low.d[1] == 0x1d4d84c85c3440c0 && low.d[0] == 0x929633d5d36f0451);
	assert_true(high.d[1] == 0x1d1e1f2c592e7c45 && high.d[0] == 0xd66ee03e410fd4ed);
}

/* The block of FIPS 180-4's example "abc": words 0 and 15 are not zero. */
static void block(union a64_vec w[4])
{
	memset(w, 0, 64);
	w[0].s[0] = 0x61626380;
	w[3].s[3] = 24;
}
static union a64_vec add_each(union a64_vec a, union a64_vec b)
{
	for (unsigned i = 0; i < 4; i++)
		a.s[i] += b.s[i];
	return a;
}
static union a64_vec four(uint32_t v)
{
	return (union a64_vec){.s = {v, v, v, v}};
}

static void sha1_of_abc(void **state)
{
	enum {
		SHA1C = 0x5e020000,
		SHA1P = 0x5e021000,
		SHA1M = 0x5e022000,
		SHA1SU0 = 0x5e023000,
		SHA1H = 0x5e280800,
		SHA1SU1 = 0x5e281800
	};
	static const uint32_t k[] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
	static const uint32_t insns[] = {SHA1C, SHA1P, SHA1M, SHA1P};
	struct rig *r = guest(state);
	const union a64_vec first = {.s = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}};
	union a64_vec w[4], x = first, e = {.s = {0xc3d2e1f0}};
	block(w);
	for (unsigned i = 0; i < 20; i++) {
		union a64_vec next = v2(r, SHA1H, x, x);
		x = v3(r, insns[i / 5], x, e, add_each(w[0], four(k[i / 5])));
		e = next;
		union a64_vec made = v2(r, SHA1SU1, v3(r, SHA1SU0, w[0], w[1], w[2]), w[3]);
		w[0] = w[1], w[1] = w[2], w[2] = w[3], w[3] = made;
	}
	x = add_each(x, first);
	const union a64_vec end = {.s = {0xa9993e36, 0x4706816a, 0xba3e2571, 0x7850c26c}};
	assert_memory_equal(&x, &end, 16);
	assert_int_equal(e.s[0] + 0xc3d2e1f0, 0x9cd0d89d);
}

static bool is_prime(unsigned p)
{
	unsigned d = 2;
	while (p % d)
		d++;
	return d == p;
}
/* FIPS 180-4, 4.2.2: 32 bits of the fractions of the cube roots of the first primes */
static uint32_t sha256_k(unsigned n)
{
	unsigned p = 1;
	for (unsigned found = 0; found <= n; found += is_prime(p))
		p++;
	uint64_t root = 0;
	for (uint64_t bit = UINT64_C(1) << 36; bit; bit >>= 1) {
		unsigned __int128 t = root | bit;
		if (t * t * t <= (unsigned __int128)p << 96)
			root |= bit;
	}
	return (uint32_t)root;
}
static void sha256_of_abc(void **state)
{
	enum { SHA256H = 0x5e024000, SHA256H2 = 0x5e025000, SHA256SU1 = 0x5e026000, SHA256SU0 = 0x5e282800 };
	struct rig *r = guest(state);
	const union a64_vec abcd = {.s = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a}};
	const union a64_vec efgh = {.s = {0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
	union a64_vec w[4], x = abcd, y = efgh;
	block(w);
	for (unsigned i = 0; i < 16; i++) {
		union a64_vec wk = w[0], before = x;
		for (unsigned n = 0; n < 4; n++)
			wk.s[n] += sha256_k(4 * i + n);
		x = v3(r, SHA256H, x, y, wk);
		y = v3(r, SHA256H2, y, before, wk);
		union a64_vec made = v3(r, SHA256SU1, v2(r, SHA256SU0, w[0], w[1]), w[2], w[3]);
		w[0] = w[1], w[1] = w[2], w[2] = w[3], w[3] = made;
	}
	x = add_each(x, abcd);
	y = add_each(y, efgh);
	const union a64_vec end[2] = {{.s = {0xba7816bf, 0x8f01cfea, 0x414140de, 0x5dae2223}},
				      {.s = {0xb00361a3, 0x96177a9c, 0xb410ff61, 0xf20015ad}}};
	assert_memory_equal(&x, &end[0], 16);
	assert_memory_equal(&y, &end[1], 16);
}

static void undefined_without_the_feature(void **state)
{
	static const struct {
		uint32_t insn;
		enum a64_feature feature;
	} of[] = {{AESE, A64_F_AES},          {0x0ee2e000, A64_F_PMULL}, {0x5e020000, A64_F_SHA1},
		  {0x5e024000, A64_F_SHA256}, {0x2e428420, A64_F_RDM},   {0x0e829420, A64_F_DP}};
	struct rig *r = guest(state);
	for (unsigned i = 0; i < sizeof of / sizeof *of; i++) {
		rig_features(r, A64_FEATURES_ALL);
		assert_int_equal(RUN(r, 1, of[i].insn, HVC(ENDED)), ENDED);
		rig_features(r, A64_FEATURES_ALL & ~(UINT64_C(1) << of[i].feature));
		assert_int_equal(RUN(r, 1, of[i].insn, HVC(ENDED)), CUR_SPX);
		assert_int_equal(r->c->esr >> 26, A64_EC_UNKNOWN);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test(f)
	const struct CMUnitTest tests[] = {
		T(loads_that_fault_half_way),
		T(stores_that_fault_half_way),
		T(structures_of_a_device),
		T(structures_to_a_device),
		T(traps_and_alignment),
		T(saturation_is_told),
		T(aes_encrypts_and_decrypts),
		T(polynomials_multiply),
		T(sha1_of_abc),
		T(sha256_of_abc),
		T(undefined_without_the_feature),
	};
	return cmocka_run_group_tests(tests, mmu_setup, rig_teardown);
}
