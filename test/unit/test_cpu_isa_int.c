/* test_cpu_isa_int.c - BMI1, BMI2, LZCNT, TZCNT, MOVBE, ADX, POPCNT, CRC32 against the host's processor; what their
 * encodings are where CPUID lacks them. Arguments: number of instructions, seed. test-timeout: 300 test-labels: posix */
#include "test_cpu_isa_rig.h"

#define CODE(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

static unsigned long count = 60000;

#if defined(__x86_64__) && defined(__linux__)
static bool wanted(const struct isa_insn *n)
{
	switch (n->i.meta.isa_set) {
	case ZYDIS_ISA_SET_BMI1:
	case ZYDIS_ISA_SET_BMI2:
	case ZYDIS_ISA_SET_LZCNT:
	case ZYDIS_ISA_SET_MOVBE:
	case ZYDIS_ISA_SET_ADOX_ADCX:
	case ZYDIS_ISA_SET_POPCNT:
		return true;
	case ZYDIS_ISA_SET_SSE42:
		return n->i.mnemonic == ZYDIS_MNEMONIC_CRC32;
	default:
		return false;
	}
}

static uint32_t undefined(const struct isa_insn *n)
{
	static int zen = -1;
	if (zen < 0)
		zen = isa_host_is_zen();
	return zen || !n->i.cpu_flags ? 0 : n->i.cpu_flags->undefined;
}

static void test_native(void **state)
{
	(void)state;
	if (!isa_native_init())
		skip();
	assert_int_equal(isa_differential(count, wanted, undefined), 0);
}

/* Every encoding near BMI's opcodes that Zydis refuses is refused by the processor too. */
static void test_undefined_encodings(void **state)
{
	struct isa_insn n;
	struct isa_state s;
	unsigned wrong = 0;
	(void)state;
	if (!isa_code)
		skip();
	isa_signals();
	for (unsigned i = 0; i < 20000; i++) {
		isa_encode(&n, (struct isa_opcode){1, 2, rnd() & 3, 0xf0 | (rnd() & 7)});
		if (ZYAN_SUCCESS(ZydisDecoderDecodeFull(&isa_decoder, n.bytes, sizeof n.bytes, &n.i, n.o)))
			continue;
		isa_rnd_state(&s, RIG_DATA);
		isa_native(&n, &s);
		if (s.vector != X86_UD && !wrong++)
			fprintf(stderr, "%02x %02x %02x %02x %02x: native %d\n", n.bytes[0], n.bytes[1], n.bytes[2],
				n.bytes[3], n.bytes[4], s.vector);
	}
	assert_int_equal(wrong, 0);
}
#else
static void test_native(void **state)
{
	(void)state;
	skip();
}
static void test_undefined_encodings(void **state)
{
	(void)state;
	skip();
}
#endif

/* ------ without the features ------ */

static int no_cpuid(void *o, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	rig_cpuid(o, leaf, subleaf, out);
	if (leaf == 7)
		memset(out, 0, 16);
	if (leaf == 1)
		out[2] &= ~(1u << 22 | 1u << 30 | 1u << 3 | 1u << 23 | 1u << 20);
	if (leaf == 0x80000001)
		out[2] = 0;
	return X86_DONE;
}

static int step(struct rig *r, const uint8_t *code, size_t n)
{
	isa_start(r);
	r->cpu->r[6] = RIG_DATA;
	rig_code(r, code, (unsigned)n);
	return rig_step(r);
}

static void test_old_meanings(void **state)
{
	struct rig *r = rig_new();
	(void)state;
	r->env.cpuid = no_cpuid;
	x86_cpuid_refresh(r->cpu);
	r->cpu->r[1] = 0x00f0;
	assert_int_equal(step(r, CODE(0xf3, 0x0f, 0xbd, 0xc1)), -1); /* F3 BSR */
	assert_int_equal(r->cpu->r[0], 7);
	assert_int_equal(step(r, CODE(0xf3, 0x0f, 0xbc, 0xc1)), -1); /* F3 BSF */
	assert_int_equal(r->cpu->r[0], 4);
	r->cpu->r[1] = 0;
	r->cpu->r[0] = 99;
	x86_set_rflags(r->cpu, 2 | X86_CF);
	assert_int_equal(step(r, CODE(0xf3, 0x0f, 0xbc, 0xc1)), -1);
	assert_int_equal(r->cpu->r[0], 99);                    /* not TZCNT's 32 */
	assert_int_equal(step(r, CODE(0x0f, 0x0d, 0x0e)), -1); /* PREFETCHW: a NOP */
	rig_free(r);
}

static void test_gated(void **state)
{
	static const struct {
		uint8_t n, code[8];
	} rows[] = {
		{5, {0xc4, 0xe2, 0x68, 0xf2, 0xc1}},    /* ANDN */
		{5, {0xc4, 0xe2, 0x68, 0xf3, 0xc9}},    /* BLSR */
		{6, {0xc4, 0xe3, 0x7b, 0xf0, 0xc1, 5}}, /* RORX */
		{5, {0xc4, 0xe2, 0x6b, 0xf6, 0xc1}},    /* MULX */
		{4, {0x0f, 0x38, 0xf0, 0x06}},          /* MOVBE */
		{5, {0x66, 0x0f, 0x38, 0xf6, 0xc1}},    /* ADCX */
		{5, {0xf3, 0x0f, 0x38, 0xf6, 0xc1}},    /* ADOX */
		{3, {0x0f, 0xc7, 0xf0}},                /* RDRAND */
		{3, {0x0f, 0xc7, 0xf8}},                /* RDSEED */
		{4, {0xf3, 0x0f, 0xc7, 0xf8}},          /* RDPID */
		{4, {0x66, 0x0f, 0xae, 0x3e}},          /* CLFLUSHOPT */
		{4, {0x66, 0x0f, 0xae, 0x36}},          /* CLWB */
		{3, {0x0f, 0x01, 0xc8}},                /* MONITOR */
		{3, {0x0f, 0x01, 0xc9}},                /* MWAIT */
		{4, {0xf3, 0x0f, 0xb8, 0xc1}},          /* POPCNT */
		{5, {0xf2, 0x0f, 0x38, 0xf1, 0xc1}},    /* CRC32 */
	};
	struct rig *r = rig_new();
	(void)state;
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		r->env.cpuid = rig_cpuid;
		x86_cpuid_refresh(r->cpu);
		x86_flush_all(r->cpu);
		r->cpu->r[0] = r->cpu->r[1] = 0;
		assert_int_equal(step(r, rows[i].code, rows[i].n), -1);
		r->env.cpuid = no_cpuid;
		x86_cpuid_refresh(r->cpu);
		rig_code(r, CODE(0x90));
		assert_int_equal(step(r, rows[i].code, rows[i].n), X86_UD);
	}
	rig_free(r);
}

/* VEX in real and virtual-8086 mode is what it was before: LES or LDS of a register, #UD. */
static void test_real_mode(void **state)
{
	struct rig *r = rig_new();
	struct x86_cpu *c = r->cpu;
	(void)state;
	x86_reset(c);
	c->seg[X86_CS].base = 0;
	c->seg[X86_CS].sel = 0;
	c->rip = 0x8000;
	c->idt_limit = 0x3ff;
	c->idt_base = 0;
	memset(r->mem, 0, 0x400);
	r->mem[X86_UD * 4 + 1] = 0x90; /* 0000:9000 */
	c->r[4] = 0x7000;
	x86_state_changed(c, true);
	memcpy(r->mem + 0x8000, (const uint8_t[]){0xc4, 0xe2, 0x68, 0xf2, 0xc1}, 5);
	x86_code_written(c, 0x8000, 5);
	assert_int_equal(x86_step(c), X86_STOP_BUDGET);
	assert_int_equal(c->rip, 0x9000);
	rig_free(r);
}

/* Outside 64-bit mode VEX.W and the upper bit of VEX.vvvv mean nothing (SDM vol. 2, 2.3.5 and 5.1). */
static void test_compatibility_mode(void **state)
{
	static const uint8_t andn[][5] = {{0xc4, 0xe2, 0x68, 0xf2, 0xc1}, /* ANDN EAX, EDX, ECX */
					  {0xc4, 0xe2, 0xe8, 0xf2, 0xc1},
					  {0xc4, 0xe2, 0x28, 0xf2, 0xc1}};
	struct rig *r = rig_new();
	struct x86_cpu *c = r->cpu;
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		isa_start(r);
		c->seg[X86_CS].attr = 0xc09b;
		x86_state_changed(c, true);
		c->r[0] = UINT64_MAX;
		c->r[1] = 0xffffffff0000ff0f;
		c->r[2] = 0x00000000ff000000 | 0xf000;
		c->r[10] = UINT64_MAX;
		rig_code(r, andn[i], 5);
		assert_int_equal(rig_step(r), -1);
		assert_int_equal((uint32_t)c->r[0], 0x0f0f);
	}
	rig_free(r);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_native), cmocka_unit_test(test_undefined_encodings),
					   cmocka_unit_test(test_old_meanings), cmocka_unit_test(test_gated),
					   cmocka_unit_test(test_real_mode), cmocka_unit_test(test_compatibility_mode)};
	if (argc > 1)
		count = strtoul(argv[1], NULL, 0);
	if (argc > 2)
		rnd_seed = strtoull(argv[2], NULL, 0) * 2 + 1;
	isa_decoder_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
