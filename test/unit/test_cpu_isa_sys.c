/* test_cpu_isa_sys.c - every mnemonic of the instruction sets that CPUID shows has a handler; UMIP, MONITOR, MWAIT,
 * RDRAND, RDPID, cache-line instructions and their faults. test-labels: posix */
#include "test_cpu_isa_rig.h"

#define CODE(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

/* ------ no instruction is missing ------ */

static const uint16_t sets[] = {
#define S(NAME) ZYDIS_ISA_SET_##NAME,
	S(ADOX_ADCX) S(AES) S(AVX) S(AVX2) S(AVX2GATHER) S(AVXAES) S(AVX_GFNI) S(BMI1) S(BMI2) S(CLFLUSHOPT) S(CLFSH)
		S(CLWB) S(CMOV) S(CMPXCHG16B) S(F16C) S(FMA) S(FXSAVE) S(FXSAVE64) S(GFNI) S(INVPCID) S(LZCNT) S(MONITOR) S(MOVBE)
			S(PCLMULQDQ) S(PENTIUMMMX) S(PKU) S(POPCNT) S(PREFETCH_NOP) S(RDPID) S(RDRAND) S(RDSEED) S(RDTSCP)
				S(RDWRFSGS) S(SHA) S(SMAP) S(SSE) S(SSEMXCSR) S(SSE2) S(SSE2MMX) S(SSE3) S(SSE4)
					S(SSE42) S(SSE_PREFETCH) S(SSSE3) S(SSSE3MMX) S(VAES) S(VPCLMULQDQ) S(XSAVE)
						S(XSAVEC) S(XSAVEOPT) S(XSAVES)};

static bool has_handler(struct x86_insn *d)
{
	static const x86_translator all[] = {x86_translate_int, x86_translate_sys, x86_translate_x87,
					     x86_translate_sse};
	for (unsigned n = 0; n < 4; n++) {
		struct x86_op op;
		bool ends = false;
		memset(&op, 0, sizeof op);
		x86_fn fn = all[n](d, &op, &ends);
		if (fn)
			return fn != x86_sys_ud;
	}
	return false;
}

struct seen {
	bool mnemonics[ZYDIS_MNEMONIC_MAX_VALUE + 1], sets[ZYDIS_ISA_SET_MAX_VALUE + 1];
	unsigned missing;
};

static void look_at(struct rig *r, const uint8_t *bytes, struct seen *seen)
{
	struct x86_insn d;
	memset(&d, 0, sizeof d);
	d.c = r->cpu;
	memcpy(d.bytes, bytes, 15);
	if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&isa_decoder, bytes, 15, &d.i, d.o)))
		return;
	if (d.i.opcode_map == ZYDIS_OPCODE_MAP_0F && d.i.opcode == 0x0d && d.i.raw.modrm.mod == 3)
		return; /* no PREFETCH: #UD */
	for (unsigned n = 0; n < sizeof sets / sizeof *sets; n++) {
		if (sets[n] != d.i.meta.isa_set)
			continue;
		seen->sets[sets[n]] = true;
		if (has_handler(&d) || seen->mnemonics[d.i.mnemonic])
			continue;
		seen->mnemonics[d.i.mnemonic] = true;
		seen->missing++;
		fprintf(stderr, "%s (%s): %02x %02x %02x %02x %02x %02x has no handler\n",
			ZydisMnemonicGetString(d.i.mnemonic), ZydisISASetGetString(d.i.meta.isa_set), bytes[0],
			bytes[1], bytes[2], bytes[3], bytes[4], bytes[5]);
	}
}

/* `bits`: 1:0 pp, 2 W, 3 L, 6:4 ModRM.reg, 7 a register, 10:8 which one. */
static void encode(uint8_t *b, bool vex, unsigned map, unsigned opcode, unsigned bits)
{
	static const uint8_t prefixes[] = {0, 0x66, 0xf3, 0xf2};
	uint8_t modrm = (uint8_t)((bits >> 4 & 7) << 3 | (bits & 0x80 ? 0xc0 | (bits >> 8 & 7) : 6));
	memset(b, 0, 15);
	if (vex) {
		*b++ = 0xc4;
		*b++ = (uint8_t)(0xe0 | map);
		*b++ = (uint8_t)((bits & 4 ? 0x80 : 0) | (bits & 0x1000 ? 0x70 : 0x78) | (bits & 8 ? 4 : 0) |
				 (bits & 3));
	} else {
		if (bits & 3)
			*b++ = prefixes[bits & 3];
		if (bits & 4)
			*b++ = 0x48;
		*b++ = 0x0f;
		if (map > 1)
			*b++ = map == 2 ? 0x38 : 0x3a;
	}
	*b++ = (uint8_t)opcode;
	*b = modrm;
}

/* [RSI + XMM0] */
static void gather(struct rig *r, struct seen *seen)
{
	for (unsigned opcode = 0x90; opcode < 0x94; opcode++)
		for (unsigned w = 0; w < 4; w++) {
			uint8_t b[15] = {0xc4, 0xe2, (uint8_t)((w & 1) << 7 | 0x69 | (w & 2) << 1), (uint8_t)opcode,
					 0x0c, 0x06};
			look_at(r, b, seen);
		}
}

static void test_handlers(void **state)
{
	static struct seen seen;
	struct rig *r = rig_new();
	uint8_t b[15];
	(void)state;
	for (unsigned vex = 0; vex < 2; vex++)
		for (unsigned map = 1; map < 4; map++)
			for (unsigned opcode = 0; opcode < 256; opcode++)
				for (unsigned bits = 0; bits < 0x2000; bits++) {
					if (bits & 0x700 && (map > 1 || vex || opcode != 1))
						continue;
					if (!vex && bits & 0x1008)
						continue;
					encode(b, vex, map, opcode, bits);
					look_at(r, b, &seen);
				}
	gather(r, &seen);
	for (unsigned n = 0; n < sizeof sets / sizeof *sets; n++)
		if (!seen.sets[sets[n]]) {
			fprintf(stderr, "no instruction of %s was tried\n", ZydisISASetGetString(sets[n]));
			seen.missing++;
		}
	rig_free(r);
	assert_int_equal(seen.missing, 0);
}

/* ------ small instructions ------ */

static int step(struct rig *r, const uint8_t *code, size_t n)
{
	r->cpu->r[6] = RIG_DATA;
	rig_code(r, code, (unsigned)n);
	return rig_step(r);
}

static void at_user(struct rig *r)
{
	struct x86_cpu *c = r->cpu;
	uint64_t stack = RIG_STACK;
	isa_start(r);
	c->seg[X86_CS].attr = 0xa0fb;
	c->seg[X86_CS].sel = 11;
	c->seg[X86_SS].attr = 0xc0f3;
	c->seg[X86_SS].sel = 19;
	c->seg[X86_TR].base = 0x7000;
	memcpy(r->mem + 0x7004, &stack, 8); /* RSP0 */
	c->cpl = 3;
	x86_state_changed(c, true);
}

/* SDM vol. 3, 2.5: CR4.UMIP. */
static void test_umip(void **state)
{
	static const uint8_t rows[][4] = {
		{0x0f, 0x01, 0x06}, /* SGDT */
		{0x0f, 0x01, 0x0e}, /* SIDT */
		{0x0f, 0x00, 0x06}, /* SLDT */
		{0x0f, 0x00, 0x0e}, /* STR */
		{0x0f, 0x01, 0x26}, /* SMSW */
		{0x0f, 0x00, 0xc0}, {0x0f, 0x00, 0xc8}, {0x0f, 0x01, 0xe0},
	};
	struct rig *r = rig_new();
	(void)state;
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
		for (unsigned how = 0; how < 4; how++) {
			bool user = how & 1, umip = how & 2;
			if (user)
				at_user(r);
			else
				isa_start(r);
			r->cpu->cr4 |= umip ? CR4_UMIP : 0;
			memset(r->mem + RIG_DATA, 0xcc, 16);
			assert_int_equal(step(r, rows[i], 3), user && umip ? X86_GP_FAULT : -1);
			if (user && umip)
				assert_int_equal(r->mem[RIG_DATA], 0xcc);
		}
	rig_free(r);
}

static unsigned naps;
static void nap(void *o)
{
	(void)o;
	naps++;
}

static void test_monitor(void **state)
{
	static const uint8_t monitor[] = {0x0f, 0x01, 0xc8}, mwait[] = {0x0f, 0x01, 0xc9};
	struct rig *r = rig_new();
	struct x86_cpu *c = r->cpu;
	(void)state;
	isa_start(r);
	c->r[0] = RIG_DATA;
	c->r[1] = 0;
	assert_int_equal(step(r, monitor, 3), -1);
	c->r[1] = 1; /* no hint is defined */
	assert_int_equal(step(r, monitor, 3), X86_GP_FAULT);
	isa_start(r);
	c->r[1] = 0;
	c->r[0] = (uint64_t)1 << 40; /* not mapped */
	assert_int_equal(step(r, monitor, 3), X86_PF);
	isa_start(r);
	c->r[1] = (uint64_t)1 << 32;
	assert_int_equal(step(r, mwait, 3), X86_GP_FAULT);
	isa_start(r);
	c->r[1] = 2;
	assert_int_equal(step(r, mwait, 3), X86_GP_FAULT);
	isa_start(r);
	r->env.mwait = nap;
	c->r[1] = 1; /* interrupts end it though IF is clear */
	rig_code(r, CODE(0x0f, 0x01, 0xc9, 0xf4));
	assert_int_equal(x86_run(c), X86_STOP_HLT);
	assert_int_equal(naps, 1);
	c->rip = RIG_CODE;
	assert_int_equal(step(r, mwait, 3),
			 -1); /* something is waiting: a step leaves what it was told for the next run */
	assert_int_equal(naps, 1);
	atomic_store(&r->attn, 0);
	at_user(r);
	c->r[0] = RIG_DATA;
	c->r[1] = 0;
	assert_int_equal(step(r, monitor, 3), X86_UD);
	at_user(r);
	assert_int_equal(step(r, mwait, 3), X86_UD);
	rig_free(r);
}

static bool seven(void *o, uint64_t *v)
{
	(void)o;
	*v = 0x7777777777777777;
	return true;
}
static bool none(void *o, uint64_t *v)
{
	(void)o;
	*v = 5;
	return false;
}

static void test_random(void **state)
{
	struct rig *r = rig_new(), *q = rig_new();
	(void)state;
	isa_start(r);
	isa_start(q);
	assert_int_equal(step(r, CODE(0x48, 0x0f, 0xc7, 0xf0)), -1); /* rdrand rax: the CPU's own, alike in each */
	assert_int_equal(step(q, CODE(0x48, 0x0f, 0xc7, 0xf8)), -1); /* rdseed */
	assert_int_equal(r->cpu->r[0], q->cpu->r[0]);
	assert_int_equal(step(q, CODE(0x48, 0x0f, 0xc7, 0xf8)), -1);
	assert_int_not_equal(r->cpu->r[0], q->cpu->r[0]);
	r->env.random = seven;
	r->cpu->r[0] = 0x1111111122222222;
	x86_set_rflags(r->cpu, 2 | X86_ARITH);
	assert_int_equal(step(r, CODE(0x66, 0x0f, 0xc7, 0xf0)), -1);
	assert_int_equal(r->cpu->r[0], 0x1111111122227777);
	assert_int_equal(x86_get_rflags(r->cpu) & X86_ARITH, X86_CF);
	r->env.random = none;
	assert_int_equal(step(r, CODE(0x0f, 0xc7, 0xf0)), -1);
	assert_int_equal(r->cpu->r[0], 0);
	assert_int_equal(x86_get_rflags(r->cpu) & X86_ARITH, 0);
	rig_free(r);
	rig_free(q);
}

static void test_rdpid(void **state)
{
	struct rig *r = rig_new();
	(void)state;
	isa_start(r);
	r->cpu->tsc_aux = 0x80000003;
	r->cpu->r[0] = UINT64_MAX;
	assert_int_equal(step(r, CODE(0xf3, 0x0f, 0xc7, 0xf8)), -1);
	assert_int_equal(r->cpu->r[0], 0x80000003);
	rig_free(r);
}

/* They fault as a load of one byte does. */
static void test_cache_lines(void **state)
{
	static const uint8_t rows[][4] = {{0x0f, 0xae, 0x3f, 0x90}, {0x66, 0x0f, 0xae, 0x3f}, {0x66, 0x0f, 0xae, 0x37}};
	struct rig *r = rig_new();
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		isa_start(r);
		r->cpu->r[7] = RIG_SIZE - 1;
		assert_int_equal(step(r, rows[i], 4), -1);
		isa_start(r);
		r->cpu->r[7] = (uint64_t)1 << 40;
		assert_int_equal(step(r, rows[i], 4), X86_PF);
	}
	isa_start(r);
	r->cpu->r[7] = (uint64_t)1 << 40; /* prefetching never faults */
	assert_int_equal(step(r, CODE(0x0f, 0x0d, 0x0f)), -1);
	assert_int_equal(step(r, CODE(0x0f, 0x18, 0x0f)), -1);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_handlers), cmocka_unit_test(test_umip),
					   cmocka_unit_test(test_monitor),  cmocka_unit_test(test_random),
					   cmocka_unit_test(test_rdpid),    cmocka_unit_test(test_cache_lines)};
	isa_decoder_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
