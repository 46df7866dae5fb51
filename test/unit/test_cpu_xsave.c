/* test_cpu_xsave.c - the XSAVE family: XSAVE, XSAVEOPT, XSAVEC and XRSTOR beside the host's processor, whole areas and
 * registers compared; XSAVES, XRSTORS, header checks, IA32_XSS, CPUID leaf 0xD and PKRU by the manual's rules.
 * Arguments: number of rounds, seed. test-timeout: 300 test-labels: posix */
#include "test_cpu_isa_rig.h"
#include "x86/xsave.h"

#define CODE(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

static unsigned long count = 20000;
enum { AREA = 1024 }; /* compared; the data page is larger */

static int step(struct rig *r, const uint8_t *code, size_t n)
{
	r->cpu->r[6] = RIG_DATA;
	rig_code(r, code, (unsigned)n);
	return rig_step(r);
}

#if defined(__x86_64__) && defined(__linux__)
/* With components in their initial state now and then. No exception is pending, so the pointers are zero (AMD keeps
 * them only with one). */
static void random_image(uint8_t *a)
{
	struct isa_state s;
	uint64_t bv = rnd() & 7;
	isa_rnd_state(&s, RIG_DATA);
	memcpy(a, s.image, ISA_IMAGE);
	uint16_t fcw = (uint16_t)(rnd() % 3 ? 0x37f : 0x40 | (rnd() & 0xf3f)), fsw = (uint16_t)(rnd() & 0x7f00);
	fcw |= 0x3f;
	memcpy(a, &fcw, 2);
	memcpy(a + 2, &fsw, 2);
	a[4] = (uint8_t)(rnd() & rnd());
	for (unsigned i = 0; i < 8; i++) {
		struct x86_f80 v = rnd80();
		memcpy(a + AREA_X87 + 16 * i, &v.sig, 8);
		memcpy(a + AREA_X87 + 16 * i + 8, &v.se, 2);
	}
	for (unsigned c = 0; c < 3; c++) /* initial without being said to be */
		if (rnd() % 4 == 0)
			memset(a + (c == 0 ? AREA_XMM : c == 1 ? AREA_AVX : AREA_X87), 0, c == 2 ? 128 : 256);
	if (rnd() % 3 == 0)
		put32(a + AREA_MXCSR, 0x1f80);
	memcpy(a + AREA_LEGACY, &bv, 8);
}

static void native_step(const uint8_t *image, const uint8_t *code, unsigned n, uint64_t mask)
{
	memcpy(isa_nat.in, image, ISA_IMAGE);
	memset(isa_nat.out, 0, ISA_IMAGE);
	memset(isa_nat.r, 0, sizeof isa_nat.r);
	isa_nat.r[0] = mask;
	isa_nat.r[6] = RIG_DATA;
	isa_nat.flags = 0x202;
	isa_nat.code = (uint64_t)(uintptr_t)isa_code;
	memcpy(isa_code, code, n);
	isa_code[n] = 0xc3;
	isa_trap = -1;
	isa_native_run();
}

static int soft_step(struct rig *r, const uint8_t *image, const uint8_t *code, unsigned n, uint64_t mask)
{
	isa_start(r);
	x86_set_xsave(r->cpu, image, ISA_IMAGE);
	xs_set_mxcsr(r->cpu, get32(image + AREA_MXCSR)); /* whatever XSTATE_BV says, as XRSTOR does natively */
	r->cpu->r[0] = mask;
	r->cpu->r[2] = 0;
	return step(r, code, n);
}

static const struct {
	const char *name;
	uint8_t code[4], len;
	uint8_t leaf_bit; /* of CPUID leaf 0xD.1 EAX, plus one */
} saves[] = {
	{"xsave64", {0x48, 0x0f, 0xae, 0x26}, 4, 0},    {"xsave", {0x0f, 0xae, 0x26}, 3, 0},
	{"xsaveopt64", {0x48, 0x0f, 0xae, 0x36}, 4, 1}, {"xsavec64", {0x48, 0x0f, 0xc7, 0x26}, 4, 2},
	{"xsavec", {0x0f, 0xc7, 0x26}, 3, 2},
};

static bool host_can(unsigned bit)
{
	return !bit || isa_features(0xd, 1, 0, 0) >> (bit - 1) & 1;
}

/* MXCSR_MASK is the processor's own (SDM vol. 1, 11.6.6): AMD has a bit 17. */
static bool is_mxcsr_mask(unsigned at)
{
	return at >= AREA_MXCSR + 4 && at < AREA_MXCSR + 8;
}

static const char *area_difference(const uint8_t *soft, const uint8_t *native)
{
	for (unsigned i = 0; i < AREA; i++)
		if (soft[i] != native[i] && !is_mxcsr_mask(i)) {
			static char why[80];
			snprintf(why, sizeof why, "byte %u: %02x, native %02x", i, soft[i], native[i]);
			return why;
		}
	return NULL;
}

static void test_saves(void **state)
{
	struct rig *r = rig_new();
	unsigned wrong = 0;
	(void)state;
	if (!isa_native_init())
		skip();
	isa_signals();
	for (unsigned long i = 0; i < count && wrong < 10; i++) {
		uint8_t image[ISA_IMAGE], before[AREA];
		unsigned k = rnd() % (sizeof saves / sizeof *saves);
		uint64_t mask = rnd() & 7;
		if (!host_can(saves[k].leaf_bit))
			continue;
		random_image(image);
		for (unsigned b = 0; b < AREA; b++)
			before[b] = (uint8_t)(0xa0 + b);
		const char *why = NULL;
		int vector = 0;
		/* XINUSE may say more than is so (SDM vol. 1, 13.6), for instance after an interrupt: ask again. */
		for (unsigned tries = 0; tries < 5; tries++) {
			memcpy(isa_data, before, AREA);
			memcpy(r->mem + RIG_DATA, before, AREA);
			native_step(image, saves[k].code, saves[k].len, mask);
			vector = soft_step(r, image, saves[k].code, saves[k].len, mask);
			why = area_difference(r->mem + RIG_DATA, isa_data);
			if (!why)
				break;
		}
		if (vector != isa_trap || why) {
			fprintf(stderr,
				"%s mask %x bv %x fcw %04x fsw %04x tag %02x mxcsr %04x: vector %d, native %d; %s; "
				"bv %" PRIx64 ", native %" PRIx64 "\n",
				saves[k].name, (unsigned)mask, image[AREA_LEGACY], get16(image), get16(image + 2),
				image[4], get32(image + AREA_MXCSR), vector, (int)isa_trap, why ? why : "",
				get64(r->mem + RIG_DATA + AREA_LEGACY), get64(isa_data + AREA_LEGACY));
			wrong++;
		}
	}
	rig_free(r);
	assert_int_equal(wrong, 0);
}

/* Areas of both forms with headers that are right, and wrong now and then. */
static void random_area(uint8_t *a, bool compact)
{
	uint64_t comp = (rnd() & 7) | XS_COMPACT;
	uint8_t image[ISA_IMAGE];
	random_image(image);
	memset(a, 0, 4096);
	memcpy(a, image, ISA_IMAGE);
	put64(a + AREA_LEGACY + 8, compact ? comp : 0);
	if (compact)
		put64(a + AREA_LEGACY, get64(a + AREA_LEGACY) & comp);
	switch (rnd() % 24) {
	case 0:
		a[AREA_LEGACY] ^= (uint8_t)(1 << rnd() % 8);
		break;
	case 1:
		a[AREA_LEGACY + 8] ^= (uint8_t)(1 << rnd() % 8);
		break;
	case 2:
		a[AREA_LEGACY + 8 + rnd() % 56] ^= 1;
		break;
	case 3:
		a[AREA_MXCSR + 2] = 1;
		break;
	default:
		break;
	}
}

/* Components that this processor has and the software CPU, which has x87, SSE and AVX, refuses (SDM vol. 1, 13.8). */
static bool only_here(const uint8_t *a)
{
	uint32_t low, high;
	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (get64(a + AREA_LEGACY) | get64(a + AREA_LEGACY + 8)) & ((uint64_t)high << 32 | low) & ~UINT64_C(7) & ~XS_COMPACT;
}

static void test_restores(void **state)
{
	static const uint8_t code[] = {0x48, 0x0f, 0xae, 0x2e};
	struct rig *r = rig_new();
	unsigned wrong = 0;
	(void)state;
	if (!isa_code || isa_code == MAP_FAILED)
		skip();
	isa_signals();
	for (unsigned long i = 0; i < count && wrong < 10; i++) {
		uint8_t image[ISA_IMAGE], after[ISA_IMAGE];
		uint64_t mask = rnd() & 7;
		random_image(image);
		do
			random_area(isa_data, host_can(2) && rnd() & 1);
		while (only_here(isa_data));
		memcpy(r->mem + RIG_DATA, isa_data, 4096);
		native_step(image, code, sizeof code, mask);
		int vector = soft_step(r, image, code, sizeof code, mask);
		x86_get_xsave(r->cpu, after, ISA_IMAGE);
		uint64_t bv = get64(isa_nat.out + AREA_LEGACY);
		if (!(bv & 2))
			memset(isa_nat.out + AREA_XMM, 0, 256);
		if (!(bv & 4))
			memset(isa_nat.out + AREA_AVX, 0, 256);
		memcpy(isa_nat.out + AREA_MXCSR + 4, after + AREA_MXCSR + 4, 4); /* MXCSR_MASK */
		bool same = vector == isa_trap;
		if (same && vector < 0)
			same = !memcmp(after, isa_nat.out, AREA_LEGACY - 96) &&
			       !memcmp(after + AREA_AVX, isa_nat.out + AREA_AVX, 256);
		if (!same) {
			unsigned at = 0;
			while (at < ISA_IMAGE - 1 && (after[at] == isa_nat.out[at] || (at >= 416 && at < 576)))
				at++;
			fprintf(stderr,
				"mask %x bv %" PRIx64 " comp %" PRIx64
				": vector %d, native %d; byte %u: %02x, native %02x\n",
				(unsigned)mask, get64(isa_data + AREA_LEGACY), get64(isa_data + AREA_LEGACY + 8),
				vector, (int)isa_trap, at, after[at], isa_nat.out[at]);
			wrong++;
		}
	}
	rig_free(r);
	assert_int_equal(wrong, 0);
}
#else
static void test_saves(void **state)
{
	(void)state;
	skip();
}
static void test_restores(void **state)
{
	(void)state;
	skip();
}
#endif

/* ------ by the manual ------ */

static uint64_t data64(struct rig *r, unsigned at)
{
	return get64(r->mem + RIG_DATA + at);
}

static void test_supervisor(void **state)
{
	struct rig *r = rig_new();
	struct x86_cpu *c = r->cpu;
	(void)state;
	isa_start(r);
	c->v[3] = (union x86_vec){.q = {1, 2, 3, 4}};
	c->r[0] = 7;
	c->r[2] = 0;
	memset(r->mem + RIG_DATA, 0xcc, 1024);
	memset(r->mem + RIG_DATA + AREA_LEGACY, 0, 64);
	assert_int_equal(step(r, CODE(0x48, 0x0f, 0xc7, 0x2e)), -1); /* xsaves64 [rsi] */
	assert_int_equal(data64(r, AREA_LEGACY + 8), XS_COMPACT | 7);
	assert_int_equal(data64(r, AREA_LEGACY) & 6, 6);
	assert_int_equal(data64(r, AREA_AVX + 3 * 16), 3);
	memset(c->v, 0, sizeof c->v);
	assert_int_equal(step(r, CODE(0x48, 0x0f, 0xc7, 0x1e)), -1); /* xrstors64 [rsi] */
	assert_int_equal(c->v[3].q[0], 1);
	assert_int_equal(c->v[3].q[3], 4);
	put64(r->mem + RIG_DATA + AREA_LEGACY + 8, 0); /* standard form */
	put64(r->mem + RIG_DATA + AREA_LEGACY, 0);
	assert_int_equal(step(r, CODE(0x48, 0x0f, 0xc7, 0x1e)), X86_GP_FAULT);
	isa_start(r);
	c->r[6] = RIG_DATA + 8; /* alignment */
	rig_code(r, CODE(0x48, 0x0f, 0xc7, 0x2e));
	assert_int_equal(rig_step(r), X86_GP_FAULT);
	rig_free(r);
}

static void test_xss(void **state)
{
	struct rig *r = rig_new();
	uint64_t v = 1;
	(void)state;
	isa_start(r);
	assert_true(x86_rdmsr(r->cpu, 0xda0, &v));
	assert_int_equal(v, 0);
	r->cpu->r[1] = 0xda0;
	r->cpu->r[0] = r->cpu->r[2] = 0;
	assert_int_equal(step(r, CODE(0x0f, 0x30)), -1);
	isa_start(r);
	r->cpu->r[0] = 1 << 8;
	assert_int_equal(step(r, CODE(0x0f, 0x30)), X86_GP_FAULT);
	rig_free(r);
}

static void cpuid(struct rig *r, uint32_t subleaf)
{
	r->cpu->r[0] = 0xd;
	r->cpu->r[1] = subleaf;
	assert_int_equal(step(r, CODE(0x0f, 0xa2)), -1);
}

static void test_leaf_d(void **state)
{
	struct rig *r = rig_new();
	struct x86_cpu *c = r->cpu;
	(void)state;
	isa_start(r);
	cpuid(r, 0);
	assert_int_equal(c->r[3], 832);
	cpuid(r, 1);
	assert_int_equal(c->r[0] & 15, 15);
	assert_int_equal(c->r[3], 832);
	assert_int_equal(c->r[1], 0); /* no supervisor component */
	c->xcr0 = 3;
	cpuid(r, 0);
	assert_int_equal(c->r[3], 576);
	cpuid(r, 1);
	assert_int_equal(c->r[3], 576);
	cpuid(r, 2);
	assert_int_equal(c->r[0], 256);
	assert_int_equal(c->r[3], 576);
	assert_int_equal(x86_xsave_size(7 | XS_PKRU, false), 2696);
	assert_int_equal(x86_xsave_size(7 | XS_PKRU, true), 840);
	assert_int_equal(x86_xsave_size(3 | XS_PKRU, true), 584);
	rig_free(r);
}

/* PKRU is component 9: at 2688 in standard form, packed behind AVX in the other. */
static void test_pkru(void **state)
{
	struct rig *r = rig_new();
	struct x86_cpu *c = r->cpu;
	(void)state;
	isa_start(r);
	c->features[1] |= (uint64_t)1 << 35; /* PKU */
	c->xcr0 = 7 | XS_PKRU;
	c->pkru = 0x55555554;
	c->r[0] = XS_PKRU | 7;
	c->r[2] = 0;
	memset(r->mem + RIG_DATA, 0, 4096);
	assert_int_equal(step(r, CODE(0x48, 0x0f, 0xae, 0x26)), -1); /* xsave64 */
	assert_int_equal(data64(r, AREA_PKRU), 0x55555554);
	assert_int_equal(data64(r, AREA_LEGACY) & XS_PKRU, XS_PKRU);
	c->pkru = 0;
	assert_int_equal(step(r, CODE(0x48, 0x0f, 0xae, 0x2e)), -1); /* xrstor64 */
	assert_int_equal(c->pkru, 0x55555554);
	memset(r->mem + RIG_DATA, 0, 4096);
	assert_int_equal(step(r, CODE(0x48, 0x0f, 0xc7, 0x26)), -1); /* xsavec64 */
	assert_int_equal(data64(r, AREA_AVX_END), 0x55555554);
	c->pkru = 3;
	assert_int_equal(step(r, CODE(0x48, 0x0f, 0xae, 0x2e)), -1);
	assert_int_equal(c->pkru, 0x55555554);
	c->r[0] = XS_PKRU; /* alone: at 576 */
	assert_int_equal(step(r, CODE(0x48, 0x0f, 0xc7, 0x26)), -1);
	assert_int_equal(data64(r, AREA_AVX), 0x55555554);
	put64(r->mem + RIG_DATA + AREA_LEGACY, 0); /* not there: initial */
	assert_int_equal(step(r, CODE(0x48, 0x0f, 0xae, 0x2e)), -1);
	assert_int_equal(c->pkru, 0);
	rig_free(r);
}

/* An area that reaches into a page that is not there: #PF, and nothing of it is written. */
static void test_page_fault(void **state)
{
	static const uint8_t rows[][4] = {{0x48, 0x0f, 0xae, 0x27}, {0x48, 0x0f, 0xc7, 0x27}, {0x48, 0x0f, 0xc7, 0x2f}};
	struct rig *r = rig_new();
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		isa_start(r);
		r->cpu->v[0].q[0] = 1;
		r->cpu->r[0] = 7;
		r->cpu->r[2] = 0;
		r->cpu->r[7] = RIG_SIZE - 640;
		memset(r->mem + RIG_SIZE - 640, 0xcc, 640);
		assert_int_equal(step(r, rows[i], 4), X86_PF);
		assert_int_equal(r->cpu->cr2 >> 12, RIG_SIZE >> 12);
		for (unsigned b = 1; b <= 640; b++)
			assert_int_equal(r->mem[RIG_SIZE - b], 0xcc);
	}
	rig_free(r);
}

/* Each needs its own bit of leaf 0xD.1 EAX. */
static uint32_t bits_gone;
static int less_cpuid(void *o, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	rig_cpuid(o, leaf, subleaf, out);
	if (leaf == 0xd && subleaf == 1)
		out[0] &= ~bits_gone;
	return X86_DONE;
}

static void test_gated(void **state)
{
	static const struct {
		uint8_t code[4], bit;
		int vector;
	} rows[] = {
		{{0x48, 0x0f, 0xae, 0x36}, 0, X86_UD},       /* XSAVEOPT */
		{{0x48, 0x0f, 0xc7, 0x26}, 1, X86_UD},       /* XSAVEC */
		{{0x90, 0x0f, 0x01, 0xd0}, 2, X86_GP_FAULT}, /* XGETBV of 1 */
		{{0x48, 0x0f, 0xc7, 0x2e}, 3, X86_UD},       /* XSAVES */
		{{0x48, 0x0f, 0xc7, 0x1e}, 3, X86_UD},       /* XRSTORS */
	};
	struct rig *r = rig_new();
	(void)state;
	r->env.cpuid = less_cpuid;
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
		for (unsigned gone = 0; gone < 2; gone++) {
			bits_gone = gone << rows[i].bit;
			x86_cpuid_refresh(r->cpu);
			rig_code(r, CODE(0x90, 0x90));
			isa_start(r);
			r->cpu->r[0] = 7;
			r->cpu->r[1] = 1;
			r->cpu->r[2] = 0;
			memset(r->mem + RIG_DATA, 0, 1024);
			put64(r->mem + RIG_DATA + AREA_LEGACY + 8, XS_COMPACT);
			bool nop = rows[i].code[0] == 0x90;
			assert_int_equal(step(r, rows[i].code + nop, 4 - nop), gone ? rows[i].vector : -1);
		}
	/* without XSAVEC there is no compacted form */
	bits_gone = 2;
	x86_cpuid_refresh(r->cpu);
	isa_start(r);
	r->cpu->r[0] = 7;
	assert_int_equal(step(r, CODE(0x48, 0x0f, 0xae, 0x2e)), X86_GP_FAULT);
	rig_free(r);
}

/* Outside 64-bit mode XMM8 to XMM15 take no part: they are neither written nor restored. */
static void test_eight_registers(void **state)
{
	static const uint8_t rows[][3] = {{0x0f, 0xae, 0x26}, {0x0f, 0xc7, 0x26}};
	struct rig *r = rig_new();
	struct x86_cpu *c = r->cpu;
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		isa_start(r);
		c->seg[X86_CS].attr = 0xc09b;
		x86_state_changed(c, true);
		for (unsigned v = 0; v < 16; v++)
			c->v[v] = (union x86_vec){.q = {v + 1, 0, v + 101, 0}};
		c->r[0] = 7;
		c->r[2] = 0;
		memset(r->mem + RIG_DATA, 0, 1024);
		memset(r->mem + RIG_DATA + AREA_XMM, 0xcc, 256);
		memset(r->mem + RIG_DATA + AREA_AVX, 0xcc, 256);
		assert_int_equal(step(r, rows[i], 3), -1);
		assert_int_equal(data64(r, AREA_XMM + 7 * 16), 8);
		assert_int_equal(data64(r, AREA_AVX + 7 * 16), 108);
		assert_int_equal(data64(r, AREA_XMM + 8 * 16), 0xcccccccccccccccc);
		assert_int_equal(data64(r, AREA_AVX + 8 * 16), 0xcccccccccccccccc);
		put64(r->mem + RIG_DATA + AREA_XMM, 55);
		assert_int_equal(step(r, CODE(0x0f, 0xae, 0x2e)), -1);
		assert_int_equal(c->v[0].q[0], 55);
		assert_int_equal(c->v[8].q[0], 9);
		assert_int_equal(c->v[15].q[2], 116);
	}
	rig_free(r);
}

/* XGETBV with ECX = 1 gives XCR0 & XINUSE. */
static void test_xinuse(void **state)
{
	struct rig *r = rig_new();
	struct x86_cpu *c = r->cpu;
	(void)state;
	for (unsigned use = 0; use < 8; use++) {
		uint8_t initial[ISA_IMAGE] = {0};
		isa_start(r);
		x86_set_xsave(c, initial, sizeof initial);
		c->mxcsr = 0x3f80; /* MXCSR does not count */
		c->fop = use & 1 ? 0x123 : 0;
		c->v[15].q[1] = use & 2 ? 1 : 0;
		c->v[15].q[2] = use & 4 ? 1 : 0;
		c->r[1] = 1;
		assert_int_equal(step(r, CODE(0x0f, 0x01, 0xd0)), -1);
		assert_int_equal(c->r[0], use);
		assert_int_equal(c->r[2], 0);
	}
	rig_free(r);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_saves),      cmocka_unit_test(test_restores),
					   cmocka_unit_test(test_supervisor), cmocka_unit_test(test_xss),
					   cmocka_unit_test(test_leaf_d),     cmocka_unit_test(test_pkru),
					   cmocka_unit_test(test_page_fault), cmocka_unit_test(test_gated),
					   cmocka_unit_test(test_xinuse),
					   cmocka_unit_test(test_eight_registers)};
	if (argc > 1)
		count = strtoul(argv[1], NULL, 0);
	if (argc > 2)
		rnd_seed = strtoull(argv[2], NULL, 0) * 2 + 1;
	isa_decoder_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
