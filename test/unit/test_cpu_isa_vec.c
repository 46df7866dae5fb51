/* test_cpu_isa_vec.c - AES, PCLMULQDQ, SHA, FMA and F16C with all their V forms against the host's processor: by the
 * host's instructions behind the software CPU, and by the portable code; GFNI, which few hosts have, by what it must
 * agree with. Arguments: number of instructions, seed. test-timeout: 300 test-labels: posix */
#include "test_cpu_isa_rig.h"
#include "x86/sse.h"

#define CODE(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

static unsigned long count = 40000;

#if defined(__x86_64__) && defined(__linux__)
/* SHA with memory that is not aligned: #GP (SDM vol. 2, table 2-21, type 4), which AMD Zen does not raise. */
static bool unaligned_sha(const struct isa_insn *n)
{
	return n->o[1].type == ZYDIS_OPERAND_TYPE_MEMORY && n->o[1].mem.disp.value & 15;
}

static bool wanted(const struct isa_insn *n)
{
	switch (n->i.meta.isa_set) {
	case ZYDIS_ISA_SET_AES:
	case ZYDIS_ISA_SET_AVXAES:
	case ZYDIS_ISA_SET_VAES:
	case ZYDIS_ISA_SET_PCLMULQDQ:
	case ZYDIS_ISA_SET_VPCLMULQDQ:
	case ZYDIS_ISA_SET_GFNI:
	case ZYDIS_ISA_SET_AVX_GFNI:
	case ZYDIS_ISA_SET_SHA:
		return !unaligned_sha(n);
	case ZYDIS_ISA_SET_FMA:
	case ZYDIS_ISA_SET_F16C:
		return true;
	default:
		return n->i.mnemonic == ZYDIS_MNEMONIC_VPCLMULQDQ;
	}
}

static void differential(bool soft)
{
	static bool ready, asked;
	bool before = x86_fp_soft;
	if (!asked)
		ready = isa_native_init();
	asked = true;
	if (!ready)
		skip();
	x86_fp_soft |= soft;
	unsigned wrong = isa_differential(count, wanted, NULL);
	x86_fp_soft = before;
	assert_int_equal(wrong, 0);
}
#else
static void differential(bool soft)
{
	(void)soft;
	skip();
}
#endif

static void test_host(void **state)
{
	(void)state;
	differential(false);
}
static void test_portable(void **state)
{
	(void)state;
	differential(true);
}

/* ------ rounding of multiply-add, without a CPU around it ------ */

#if defined(__x86_64__) && defined(__linux__)
#include <xmmintrin.h>
#include "x86/sse_fp.h"

static uint32_t native_fma(uint32_t mxcsr, x86_lane *d, const x86_lane *a, const x86_lane *b, bool wide)
{
	uint32_t old = _mm_getcsr(), out;
	typedef long long v16 __attribute__((vector_size(16), may_alias));
	v16 x = *(v16 *)d, y = *(const v16 *)a, z = *(const v16 *)b;
	__asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
	if (wide)
		__asm__ volatile("vfmadd213sd %2, %1, %0" : "+x"(x) : "x"(y), "x"(z));
	else
		__asm__ volatile("vfmadd213ss %2, %1, %0" : "+x"(x) : "x"(y), "x"(z));
	__asm__ volatile("stmxcsr %0" : "=m"(out));
	_mm_setcsr(old);
	*(v16 *)d = x;
	return out & 0x3f;
}

/* An addend near the negated product, so that almost everything cancels, or far from it; results near the ends. */
static void choose(x86_lane v[3], bool wide)
{
	for (unsigned i = 0; i < 3; i++)
		v[i].q[0] = wide ? rnd64() : rnd32();
	x86_lane zero = {.q = {0, 0}}, p = v[0];
	native_fma(0x1f80, &p, &v[1], &zero, wide);
	if (rnd() % 4 == 0)
		return;
	v[2] = p;
	v[2].q[0] ^= wide ? UINT64_C(1) << 63 : UINT64_C(1) << 31;
	if (rnd() % 2)
		v[2].q[0] += rnd() % 9 - 4;
	if (rnd() % 2)
		v[2].q[0] += ((rnd() % 260) - 130) << (wide ? 52 : 23);
	if (!wide)
		v[2].q[0] = (uint32_t)v[2].q[0];
}

static void test_fma_rounding(void **state)
{
	unsigned wrong = 0;
	(void)state;
	if (!__builtin_cpu_supports("fma"))
		skip();
	for (unsigned long i = 0; i < count * 10; i++) {
		bool wide = rnd() & 1;
		uint32_t mxcsr = 0x1f80 | (uint32_t)(rnd() & 3) << 13 | (rnd() % 4 ? 0 : (uint32_t)rnd() & 0x8040);
		struct sf_env e = {.rc = mxcsr >> 13 & 3, .daz = mxcsr & 0x40, .ftz = mxcsr & 0x8000, .masks = 0x3f};
		x86_lane v[3] = {{.q = {0, 0}}, {.q = {0, 0}}, {.q = {0, 0}}}, n, s;
		choose(v, wide);
		n = s = v[0];
		uint32_t flags = native_fma(mxcsr, &n, &v[1], &v[2], wide);
		(wide ? sse_soft_vfmadd213sd : sse_soft_vfmadd213ss)(&e, &s, &v[1], &v[2], 0);
		if ((n.q[0] != s.q[0] || flags != e.flags) && wrong++ < 10)
			fprintf(stderr,
				"%016" PRIx64 " * %016" PRIx64 " + %016" PRIx64 " (mxcsr %04x): %016" PRIx64
				" flags %02x, native %016" PRIx64 " flags %02x\n",
				v[0].q[0], v[1].q[0], v[2].q[0], mxcsr, s.q[0], e.flags, n.q[0], flags);
	}
	assert_int_equal(wrong, 0);
}
#else
static void test_fma_rounding(void **state)
{
	(void)state;
	skip();
}
#endif

static int step(struct rig *r, const uint8_t *code, size_t n)
{
	isa_start(r);
	rig_code(r, code, (unsigned)n);
	return rig_step(r);
}

/* The affine transformation of the inverse by AES' matrix is the S-box, and multiplication undoes the inverse. */
static void test_gfni(void **state)
{
	struct rig *r = rig_new();
	struct x86_cpu *c = r->cpu;
	(void)state;
	for (unsigned first = 0; first < 256; first += 16) {
		x86_lane in, box;
		for (unsigned i = 0; i < 16; i++)
			in.b[i] = (uint8_t)(first + i);
		memcpy(&c->v[0], &in, 16);
		c->v[1].q[0] = c->v[1].q[1] = 0xf1e3c78f1f3e7cf8;
		assert_int_equal(step(r, CODE(0x66, 0x0f, 0x3a, 0xcf, 0xc1, 0x63)), -1); /* gf2p8affineinvqb */
		memcpy(&box, &c->v[0], 16);
		/* AESENCLAST with a zero key: S-box of shifted rows */
		memcpy(&c->v[0], &in, 16);
		c->v[1].q[0] = c->v[1].q[1] = 0;
		assert_int_equal(step(r, CODE(0x66, 0x0f, 0x38, 0xdd, 0xc1)), -1);
		for (unsigned i = 0; i < 16; i++)
			assert_int_equal(c->v[0].b[i], box.b[(i + 4 * (i & 3)) & 15]);
		/* v * v^-1 = 1; the identity matrix */
		memcpy(&c->v[0], &in, 16);
		c->v[1].q[0] = c->v[1].q[1] = 0x0102040810204080;
		assert_int_equal(step(r, CODE(0x66, 0x0f, 0x3a, 0xcf, 0xc1, 0)), -1);
		memcpy(&c->v[1], &in, 16);
		assert_int_equal(step(r, CODE(0x66, 0x0f, 0x38, 0xcf, 0xc1)), -1); /* gf2p8mulb */
		for (unsigned i = 0; i < 16; i++)
			assert_int_equal(c->v[0].b[i], in.b[i] != 0);
		/* AFFINEQB by the identity plus 5a, 256 bits with VEX */
		memcpy(&c->v[2], &in, 16);
		memcpy(&c->v[2].b[16], &in, 16);
		for (unsigned i = 0; i < 4; i++)
			c->v[1].q[i] = 0x0102040810204080;
		assert_int_equal(step(r, CODE(0xc4, 0xe3, 0xed, 0xce, 0xc1, 0x5a)), -1);
		for (unsigned i = 0; i < 32; i++)
			assert_int_equal(c->v[0].b[i], in.b[i & 15] ^ 0x5a);
	}
	rig_free(r);
}

/* ------ without the features ------ */

static uint32_t off[2]; /* leaf 1 ECX, leaf 7 EBX or ECX by off_reg */
static unsigned off_reg;
static int less_cpuid(void *o, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	rig_cpuid(o, leaf, subleaf, out);
	if (leaf == 1)
		out[2] &= ~off[0];
	if (leaf == 7)
		out[off_reg] &= ~off[1];
	return X86_DONE;
}

static void test_gated(void **state)
{
	static const struct {
		uint8_t n, code[8];
		uint32_t ecx1, seven;
		uint8_t reg;
	} rows[] = {
	    {5, {0x66, 0x0f, 0x38, 0xdc, 0xc1}, 1 << 25, 0, 2},             /* AESENC: AES */
	    {5, {0xc4, 0xe2, 0x69, 0xdc, 0xc1}, 1 << 25, 0, 2},             /* VAESENC of 128 bits: AES */
	    {5, {0xc4, 0xe2, 0x69, 0xdc, 0xc1}, 1 << 28, 0, 2},             /* and AVX */
	    {5, {0xc4, 0xe2, 0x6d, 0xdc, 0xc1}, 0, 1 << 9, 2},              /* of 256: VAES */
	    {6, {0x66, 0x0f, 0x3a, 0x44, 0xc1, 0x11}, 1 << 1, 0, 2},        /* PCLMULQDQ */
	    {6, {0xc4, 0xe3, 0x69, 0x44, 0xc1, 0x11}, 1 << 1, 0, 2},        /* V form of 128 bits */
	    {6, {0xc4, 0xe3, 0x6d, 0x44, 0xc1, 0x11}, 0, 1 << 10, 2},       /* of 256: VPCLMULQDQ */
	    {4, {0x0f, 0x38, 0xcb, 0xc1}, 0, 1 << 29, 1},                   /* SHA256RNDS2 */
	    {4, {0x0f, 0x38, 0xc8, 0xc1}, 0, 1 << 29, 1},                   /* SHA1NEXTE */
	    {5, {0x66, 0x0f, 0x38, 0xcf, 0xc1}, 0, 1 << 8, 2},              /* GF2P8MULB */
	    {5, {0xc4, 0xe2, 0xf1, 0x98, 0xc1}, 1 << 12, 0, 2},             /* VFMADD132PD: FMA */
	    {5, {0xc4, 0xe2, 0xf1, 0x98, 0xc1}, 1 << 28, 0, 2},             /* and AVX */
	    {5, {0xc4, 0xe2, 0x79, 0x13, 0xc1}, 1 << 29, 0, 2},             /* VCVTPH2PS: F16C */
	    {6, {0xc4, 0xe3, 0x79, 0x1d, 0xc1, 0x00}, 1 << 29, 0, 2},       /* VCVTPS2PH */
	};
	struct rig *r = rig_new();
	(void)state;
	r->env.cpuid = less_cpuid;
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
		for (unsigned gone = 0; gone < 2; gone++) {
			off[0] = gone ? rows[i].ecx1 : 0;
			off[1] = gone ? rows[i].seven : 0;
			off_reg = rows[i].reg;
			x86_cpuid_refresh(r->cpu);
			rig_code(r, CODE(0x90)); /* decode again */
			isa_start(r);
			r->cpu->xcr0 = 7;
			rig_code(r, rows[i].code, rows[i].n);
			int vector = rig_step(r);
			if (vector != (gone ? X86_UD : -1))
				fprintf(stderr, "row %u, feature %s: vector %d\n", i, gone ? "gone" : "there", vector);
			assert_int_equal(vector, gone ? X86_UD : -1);
		}
	rig_free(r);
}

static void test_gfni_portable(void **state)
{
	bool before = x86_fp_soft;
	x86_fp_soft = true;
	test_gfni(state);
	x86_fp_soft = before;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_host), cmocka_unit_test(test_portable),
					   cmocka_unit_test(test_fma_rounding), cmocka_unit_test(test_gfni),
					   cmocka_unit_test(test_gfni_portable),
					   cmocka_unit_test(test_gated)};
	if (argc > 1)
		count = strtoul(argv[1], NULL, 0);
	if (argc > 2)
		rnd_seed = strtoull(argv[2], NULL, 0) * 2 + 1;
	isa_decoder_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
