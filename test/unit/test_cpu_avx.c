/* test_cpu_avx.c - AVX and AVX2 where random instructions beside a processor do not lead (test_cpu_avx_native.c): that
 * every mnemonic has its handler, the conditions of #UD and #NM, faults and device accesses in the middle of an
 * instruction, the upper halves of the registers. */
#include "test_cpu_fp_rig.h"
#include <Zydis/Zydis.h>

#define CODE(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

enum { RIG_PT = 0x4000, HOLE = RIG_DATA + 0x1000 };

static void page(struct rig *r, uint64_t gva, uint64_t entry)
{
	rig_put64(r, (unsigned)(RIG_PT + (gva >> 12) * 8), entry);
	x86_flush_tlb(r->cpu, true);
}

/* Small pages; nothing behind the page of the data. */
static struct rig *start(void)
{
	struct rig *r = rig_new();
	for (unsigned i = 0; i < 512; i++)
		rig_put64(r, RIG_PT + 8 * i, (uint64_t)i << 12 | 7);
	rig_put64(r, RIG_PD, RIG_PT | 7);
	page(r, HOLE, 0);
	return r;
}

/* In 64-bit mode with RSI at the end of the page, less `back` bytes. */
static int run_at(struct rig *r, unsigned back, const uint8_t *code, size_t n)
{
	rig_start(r);
	r->cpu->xcr0 = 7;
	r->cpu->r[6] = HOLE - back;
	rig_code(r, code, (unsigned)n);
	return rig_step(r);
}
static void fill(struct x86_cpu *c)
{
	for (unsigned i = 0; i < 16; i++)
		c->v[i] = (union x86_vec){.q = {0x1000 + i, 0x2000 + i, 0x3000 + i, 0x4000 + i}};
}
static void data(struct rig *r, unsigned back, const void *p, size_t n)
{
	memcpy(r->mem + HOLE - back, p, n);
}

/* ------ every encoding that Zydis takes for AVX or AVX2 is translated ------ */

static bool is_avx(const ZydisDecodedInstruction *i)
{
	return i->meta.isa_ext == ZYDIS_ISA_EXT_AVX || i->meta.isa_ext == ZYDIS_ISA_EXT_AVX2 ||
	       i->meta.isa_ext == ZYDIS_ISA_EXT_AVX2GATHER;
}

static bool translated(struct rig *r, struct x86_insn *d)
{
	struct x86_op op;
	bool ends = false;
	memset(&op, 0, sizeof op);
	d->c = r->cpu;
	return x86_translate_sse(d, &op, &ends) != NULL;
}

static void each_encoding(struct rig *r, uint8_t *seen)
{
	ZydisDecoder decoder;
	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	static const uint8_t modrms[] = {0xc1, 0x06, 0x0c, 0x16, 0xd1, 0x1e, 0xd9, 0x26,
					 0xe1, 0x2e, 0xe9, 0x36, 0xf1, 0x3e, 0xf9};
	for (unsigned n = 0; n < 3u << 14; n++) { /* map, W, vvvv, L, pp, opcode */
		unsigned map = 1 + (n >> 14), wlpp = n >> 8 & 15, opcode = n & 255, v = n >> 12 & 3;
		for (unsigned k = 0; k < sizeof modrms; k++) {
			struct x86_insn d;
			const uint8_t bytes[15] = {0xc4,
						   (uint8_t)(0xe0 | map),
						   (uint8_t)((wlpp >> 3) << 7 | (v & 1 ? 0x68 : 0x78) | (wlpp & 7)),
						   (uint8_t)opcode,
						   modrms[k],
						   0x26};
			if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes, 15, &d.i, d.o)) || !is_avx(&d.i))
				continue;
			seen[d.i.mnemonic] = 1;
			if (!translated(r, &d))
				fail_msg("%s %02x %02x %02x %02x has no handler", ZydisMnemonicGetString(d.i.mnemonic),
					 bytes[1], bytes[2], bytes[3], bytes[4]);
		}
	}
}

static void every_mnemonic(void **state)
{
	static uint8_t seen[ZYDIS_MNEMONIC_MAX_VALUE + 1];
	struct rig *r = start();
	unsigned n = 0;
	(void)state;
	each_encoding(r, seen);
	for (unsigned m = 0; m <= ZYDIS_MNEMONIC_MAX_VALUE; m++)
		n += seen[m];
	assert_true(n > 270); /* else the search misses encodings */
	assert_true(seen[ZYDIS_MNEMONIC_VPGATHERQQ] && seen[ZYDIS_MNEMONIC_VZEROALL] &&
		    seen[ZYDIS_MNEMONIC_VPCMPESTRM]);
	rig_free(r);
}

/* ------ when they are not there ------ */

static void unavailable(void **state)
{
	static const struct {
		uint64_t cr0, cr4, xcr0;
		int vector;
	} rows[] = {
		{0x80000033, 0x40620, 7, -1},     {0x80000037, 0x40620, 7, -1}, /* CR0.EM is for legacy SSE */
		{0x80000033, 0x40020, 7, -1},                                   /* so is CR4.OSFXSR */
		{0x80000033, 0x00620, 7, X86_UD}, {0x80000033, 0x40620, 3, X86_UD}, {0x80000033, 0x40620, 1, X86_UD},
		{0x8000003b, 0x40620, 7, X86_NM}, {0x8000003b, 0x40620, 3, X86_UD}, /* #UD first */
	};
	struct rig *r = start();
	(void)state;
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		rig_start(r);
		r->cpu->cr0 = rows[i].cr0;
		r->cpu->cr4 = rows[i].cr4;
		r->cpu->xcr0 = rows[i].xcr0;
		x86_state_changed(r->cpu, true);
		rig_code(r, CODE(0xc5, 0xf4, 0x58, 0xc2)); /* vaddps ymm0, ymm1, ymm2 */
		assert_int_equal(rig_step(r), rows[i].vector);
	}
	/* CLTS, XSETBV change it at once: mov cr0 sets TS */
	rig_start(r);
	r->cpu->xcr0 = 7;
	r->cpu->cr0 |= 8;
	rig_code(r, CODE(0x0f, 0x06, 0xc5, 0xfc, 0x77)); /* clts; vzeroall */
	assert_int_equal(rig_step(r), -1);
	assert_int_equal(rig_step(r), -1);
	assert_int_equal(r->cpu->rip, RIG_CODE + 5);
	rig_start(r);
	r->cpu->xcr0 = 7;
	r->cpu->r[0] = 3;
	r->cpu->r[1] = r->cpu->r[2] = 0;
	rig_code(r, CODE(0x0f, 0x01, 0xd1, 0xc5, 0xfc, 0x77)); /* xsetbv; vzeroall */
	assert_int_equal(rig_step(r), -1);
	assert_int_equal(rig_step(r), X86_UD);
	rig_free(r);
}

static void bad_encodings(void **state)
{
	static const struct {
		uint8_t code[10];
		int vector;
	} rows[] = {
		{{0xc5, 0xf8, 0x28, 0xc1}, -1},     /* vmovaps xmm0, xmm1 */
		{{0xc5, 0xf0, 0x28, 0xc1}, X86_UD}, /* VEX.vvvv unused and not 1111b */
		{{0xc5, 0x78, 0x50, 0xc1}, -1},     /* vmovmskps r8d, xmm1 */
		{{0xc5, 0x70, 0x50, 0xc1}, X86_UD},
		{{0xc5, 0xf1, 0xc4, 0xc0, 0}, -1},     /* vpinsrw */
		{{0xc5, 0xf5, 0xc4, 0xc0, 0}, X86_UD}, /* VEX.L 1 */
		{{0xc4, 0xe2, 0x79, 0x41, 0xc1}, -1},  /* vphminposuw */
		{{0xc4, 0xe2, 0x7d, 0x41, 0xc1}, X86_UD},
		{{0xc4, 0xe2, 0x7d, 0x5a, 0x06}, -1},     /* vbroadcasti128 ymm0, [rsi] */
		{{0xc4, 0xe2, 0x79, 0x5a, 0x06}, X86_UD}, /* VEX.L 0 */
		{{0xc4, 0xe2, 0x7d, 0x5a, 0xc1}, X86_UD}, /* from a register */
		{{0xc4, 0xe2, 0xf5, 0x0e, 0xc2}, X86_UD}, /* vtestps with VEX.W 1 */
		{{0x66, 0xc5, 0xf8, 0x28, 0xc1}, X86_UD},
		{{0xf2, 0xc5, 0xf8, 0x28, 0xc1}, X86_UD},
		{{0xf3, 0xc5, 0xf8, 0x28, 0xc1}, X86_UD},
		{{0xf0, 0xc5, 0xf8, 0x28, 0xc1}, X86_UD},
		{{0x48, 0xc5, 0xf8, 0x28, 0xc1}, X86_UD},
		{{0x2e, 0xc5, 0xf8, 0x28, 0xc1}, -1},
		{{0x67, 0xc5, 0xf8, 0x28, 0xc1}, -1},
		{{0xc4, 0xe2, 0x71, 0x92, 0x04, 0x16}, -1},     /* vgatherdps xmm0, [rsi + xmm2], xmm1 */
		{{0xc4, 0xe2, 0x71, 0x92, 0x04, 0x06}, X86_UD}, /* destination and index the same */
		{{0xc4, 0xe2, 0x79, 0x92, 0x04, 0x16}, X86_UD}, /* destination and mask */
		{{0xc4, 0xe2, 0x69, 0x92, 0x04, 0x16}, X86_UD}, /* index and mask */
		{{0xc4, 0xe2, 0x71, 0x92, 0x06}, X86_UD},       /* no SIB */
		{{0xc4, 0xe2, 0x71, 0x92, 0xc2}, X86_UD},
	};
	struct rig *r = start();
	(void)state;
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		memset(r->cpu->v, 0, sizeof r->cpu->v);
		int vector = run_at(r, 64, rows[i].code, sizeof rows[i].code);
		if (vector != rows[i].vector)
			fail_msg("row %u: vector %d", i, vector);
	}
	rig_free(r);
}

/* Real mode and virtual-8086 mode have no VEX: C4 and C5 are LES and LDS, or nothing. */
static void outside_protected_mode(void **state)
{
	struct rig *r = start();
	(void)state;
	for (unsigned vm = 0; vm < 2; vm++) {
		struct x86_cpu *c = r->cpu;
		rig_start(r);
		c->xcr0 = 7;
		c->efer = 0;
		c->cr0 = vm ? 0x33 : 0x32;
		for (unsigned s = 0; s < X86_LDTR; s++)
			c->seg[s] = (struct x86_seg){0x10000, 0xffff, vm ? 0xf3 : 0x93, 0x1000};
		c->cpl = vm ? 3 : 0;
		x86_set_rflags(c, vm ? 0x23002 : 2);
		x86_state_changed(c, true);
		rig_code(r, CODE(0xc5, 0xf4, 0x58, 0xc2));
		c->rip = 0;
		c->idt_base = 0x8000;
		c->idt_limit = 0xffff;
		memset(r->mem + 0x8000, 0, 0x800);
		r->mem[0x8000 + 6 * 4 + 1] = 0x42; /* real mode's vector 6 at 0:4200 */
		enum x86_stop_kind k = x86_step(c);
		if (vm)
			assert_int_equal(k, X86_STOP_TRIPLE); /* the IDT is empty there: an exception it was */
		else
			assert_int_equal(c->rip, 0x4200);
	}
	rig_free(r);
}

static void start_32(struct rig *r, unsigned limit)
{
	rig_start(r);
	r->cpu->xcr0 = 7;
	r->cpu->seg[X86_CS].attr = 0xc09b;
	r->cpu->seg[X86_DS].limit = limit;
	r->cpu->r[6] = HOLE - 64;
	x86_state_changed(r->cpu, true);
}

static void in_32_bits(void **state)
{
	struct rig *r = start();
	struct x86_cpu *c = r->cpu;
	(void)state;
	fill(c);
	start_32(r, 0xffffffff);
	rig_code(r, CODE(0xc5, 0xfc, 0x77)); /* vzeroall */
	assert_int_equal(rig_step(r), -1);
	assert_int_equal(c->v[7].q[3], 0);
	assert_int_equal(c->v[8].q[0], 0x1008);
	start_32(r, 0xffffffff);
	rig_code(r, CODE(0xc5, 0xf8, 0x77)); /* vzeroupper */
	assert_int_equal(rig_step(r), -1);
	assert_int_equal(c->v[8].q[3], 0x4008);
	/* VEX.vvvv bit 3 does not count: vpxor ymm0, ymm1 (or 9), ymm2 */
	for (unsigned high = 0; high < 2; high++) {
		fill(c);
		start_32(r, 0xffffffff);
		rig_code(r, CODE(0xc4, 0xe1, high ? 0x35 : 0x75, 0xef, 0xc2));
		assert_int_equal(rig_step(r), -1);
		assert_int_equal(c->v[0].q[3], 0x4001 ^ 0x4002);
	}
	/* C4 with a memory operand is LES */
	start_32(r, 0xffffffff);
	data(r, 64, "\x78\x56\x34\x12\x10\x00", 6);
	rig_code(r, CODE(0xc4, 0x06)); /* les eax, [esi] */
	assert_int_equal(rig_step(r), -1);
	assert_int_equal(c->r[0], 0x12345678);
	rig_free(r);
}

/* Segment limits count the bytes of the whole operand, of masked moves the elements that are wanted. */
static void limits(void **state)
{
	struct rig *r = start();
	struct x86_cpu *c = r->cpu;
	(void)state;
	for (unsigned less = 0; less < 2; less++) {
		start_32(r, HOLE - 64 + 31 - less);
		rig_code(r, CODE(0xc5, 0xfc, 0x10, 0x06)); /* vmovups ymm0, [esi] */
		assert_int_equal(rig_step(r), less ? X86_GP_FAULT : -1);
		c->v[1] = (union x86_vec){.d = {-1u, -1u, -1u, -1u, -1u, -1u, -1u, 0}};
		start_32(r, HOLE - 64 + 27 - less);
		rig_code(r, CODE(0xc4, 0xe2, 0x75, 0x2c, 0x06)); /* vmaskmovps ymm0, ymm1, [esi] */
		assert_int_equal(rig_step(r), less ? X86_GP_FAULT : -1);
	}
	rig_free(r);
}

/* ------ the upper halves ------ */

static void upper_halves(void **state)
{
	static const struct {
		uint8_t code[6], reg;
		bool kept;
	} rows[] = {
		{{0x0f, 0x58, 0xca}, 1, true},                    /* addps xmm1, xmm2 */
		{{0x66, 0x0f, 0xef, 0xca}, 1, true},              /* pxor */
		{{0x0f, 0x10, 0xca}, 1, true},                    /* movups */
		{{0xf3, 0x0f, 0x2a, 0xc8}, 1, true},              /* cvtsi2ss xmm1, eax */
		{{0x66, 0x0f, 0x6e, 0xc8}, 1, true},              /* movd */
		{{0xc5, 0xf0, 0x58, 0xca}, 1, false},             /* vaddps xmm1, xmm1, xmm2 */
		{{0xc5, 0xf1, 0xef, 0xca}, 1, false},             /* vpxor */
		{{0xc5, 0xf8, 0x10, 0xca}, 1, false},             /* vmovups */
		{{0xc5, 0xf2, 0x10, 0xca}, 1, false},             /* vmovss xmm1, xmm1, xmm2 */
		{{0xc5, 0xf2, 0x2a, 0xc8}, 1, false},             /* vcvtsi2ss */
		{{0xc5, 0xf9, 0x6e, 0xc8}, 1, false},             /* vmovd */
		{{0xc5, 0xfd, 0x5a, 0xca}, 1, false},             /* vcvtpd2ps xmm1, ymm2 */
		{{0xc4, 0xe3, 0x79, 0x62, 0xca, 0}, 0, false},    /* vpcmpistrm: XMM0 */
		{{0x66, 0x0f, 0x3a, 0x62, 0xca, 0}, 0, true},     /* pcmpistrm */
		{{0xc4, 0xe2, 0x69, 0x92, 0x0c, 0x26}, 1, false}, /* vgatherdps xmm1, [rsi + xmm4], xmm2 */
		{{0xc4, 0xe2, 0x69, 0x92, 0x0c, 0x26}, 2, false}, /* and its mask */
	};
	struct rig *r = start();
	(void)state;
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		fill(r->cpu);
		memset(&r->cpu->v[4], 0, 16);
		assert_int_equal(run_at(r, 64, rows[i].code, sizeof rows[i].code), -1);
		const union x86_vec *v = &r->cpu->v[rows[i].reg];
		if ((v->q[2] == 0x3000u + rows[i].reg && v->q[3] == 0x4000u + rows[i].reg) != rows[i].kept ||
		    (!rows[i].kept && (v->q[2] | v->q[3])))
			fail_msg("row %u: %" PRIx64 "_%" PRIx64, i, v->q[3], v->q[2]);
	}
	rig_free(r);
}

static void xsave_component(void **state)
{
	struct rig *r = start();
	struct x86_cpu *c = r->cpu;
	(void)state;
	fill(c);
	page(r, HOLE, HOLE | 7);
	memset(r->mem + HOLE - 1024, 0xcc, 1024);
	memset(r->mem + HOLE - 512, 0, 64);
	c->r[0] = 4;
	c->r[2] = 0;
	assert_int_equal(run_at(r, 1024, CODE(0x48, 0x0f, 0xae, 0x26)), -1); /* xsave64, AVX only */
	assert_int_equal(r->mem[HOLE - 512], 4);
	for (unsigned i = 0; i < 16; i++)
		assert_memory_equal(r->mem + HOLE - 1024 + 576 + 16 * i, &c->v[i].q[2], 16);
	assert_int_equal(r->mem[HOLE - 1024 + 160], 0xcc);
	assert_int_equal(r->mem[HOLE - 1024 + 832], 0xcc);
	/* back: the upper halves only */
	memset(c->v, 0x55, sizeof c->v);
	c->r[0] = 4;
	assert_int_equal(run_at(r, 1024, CODE(0x48, 0x0f, 0xae, 0x2e)), -1); /* xrstor64 */
	assert_int_equal(c->v[3].q[0], 0x5555555555555555);
	assert_int_equal(c->v[3].q[2], 0x3003);
	/* not in XSTATE_BV: initial */
	r->mem[HOLE - 512] = 0;
	assert_int_equal(run_at(r, 1024, CODE(0x48, 0x0f, 0xae, 0x2e)), -1);
	assert_int_equal(c->v[3].q[2] | c->v[15].q[3], 0);
	assert_int_equal(c->v[3].q[1], 0x5555555555555555);
	/* XINUSE: nothing there now */
	assert_int_equal(run_at(r, 1024, CODE(0x48, 0x0f, 0xae, 0x26)), -1);
	assert_int_equal(r->mem[HOLE - 512], 0);
	rig_free(r);
}

/* ------ memory ------ */

static void alignment(void **state)
{
	static const struct {
		uint8_t code[5];
		uint8_t align; /* that is asked for; 1: none */
	} rows[] = {
		{{0xc5, 0xfc, 0x28, 0x06}, 32},                                      /* vmovaps ymm0, [rsi] */
		{{0xc5, 0xfd, 0x29, 0x06}, 32},                                      /* vmovapd [rsi], ymm0 */
		{{0xc5, 0xf9, 0x6f, 0x06}, 16},                                      /* vmovdqa xmm0, [rsi] */
		{{0xc5, 0xfd, 0x7f, 0x06}, 32},                                      /* vmovdqa [rsi], ymm0 */
		{{0xc5, 0xfd, 0xe7, 0x06}, 32},                                      /* vmovntdq */
		{{0xc5, 0xfc, 0x2b, 0x06}, 32},                                      /* vmovntps */
		{{0xc5, 0xf9, 0x2b, 0x06}, 16},                                      /* vmovntpd xmm */
		{{0xc4, 0xe2, 0x7d, 0x2a, 0x06}, 32},                                /* vmovntdqa ymm0 */
		{{0xc4, 0xe2, 0x79, 0x2a, 0x06}, 16}, {{0xc5, 0xfc, 0x10, 0x06}, 1}, /* vmovups */
		{{0xc5, 0xff, 0xf0, 0x06}, 1},                                       /* vlddqu */
		{{0xc5, 0xfc, 0x58, 0x06}, 1},                                       /* vaddps ymm0, ymm0, [rsi] */
		{{0xc5, 0xf9, 0xef, 0x06}, 1},                                       /* vpxor xmm0, xmm0, [rsi] */
		{{0xc4, 0xe2, 0x7d, 0x17, 0x06}, 1},                                 /* vptest */
	};
	struct rig *r = start();
	(void)state;
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
		for (unsigned shift = 1; shift <= 32; shift *= 2)
			assert_int_equal(run_at(r, 128 - shift, rows[i].code, sizeof rows[i].code),
					 shift % rows[i].align ? X86_GP_FAULT : -1);
	rig_free(r);
}

static void crossing_faults(void **state)
{
	struct rig *r = start();
	struct x86_cpu *c = r->cpu;
	uint8_t before[64];
	(void)state;
	fill(c);
	assert_int_equal(run_at(r, 20, CODE(0xc5, 0xfc, 0x10, 0x0e)), X86_PF); /* vmovups ymm1, [rsi] */
	assert_int_equal(c->cr2, HOLE);
	assert_int_equal(c->v[1].q[0], 0x1001);
	memcpy(before, r->mem + HOLE - 64, 64);
	assert_int_equal(run_at(r, 20, CODE(0xc5, 0xfc, 0x11, 0x0e)), X86_PF); /* vmovups [rsi], ymm1 */
	assert_int_equal(c->cr2, HOLE);
	assert_memory_equal(before, r->mem + HOLE - 64, 64);
	/* read-only behind: nothing is stored in front */
	page(r, HOLE, HOLE | 1);
	assert_int_equal(run_at(r, 20, CODE(0xc5, 0xfc, 0x10, 0x0e)), -1);
	c->cr0 |= 0x10000;
	fill(c);
	rig_start(r);
	c->cr0 |= 0x10000;
	c->xcr0 = 7;
	c->r[6] = HOLE - 20;
	x86_state_changed(c, true);
	rig_code(r, CODE(0xc5, 0xfc, 0x11, 0x0e));
	assert_int_equal(rig_step(r), X86_PF);
	assert_memory_equal(before, r->mem + HOLE - 64, 64);
	/* and with both pages there */
	page(r, HOLE, HOLE | 7);
	assert_int_equal(run_at(r, 20, CODE(0xc5, 0xfc, 0x11, 0x0e)), -1);
	assert_memory_equal(r->mem + HOLE - 20, &c->v[1], 32);
	rig_free(r);
}

/* Only what the mask wants is accessed. */
static void masked_moves(void **state)
{
	struct rig *r = start();
	struct x86_cpu *c = r->cpu;
	uint32_t in[5] = {1, 2, 3, 4, 5};
	uint8_t before[32];
	(void)state;
	data(r, 20, in, 20);
	c->v[1] = (union x86_vec){.d = {-1u, 0, 0x80000000, 0, -1u, 0x7fffffff, 0, 0}};
	fill(c);
	c->v[1] = (union x86_vec){.d = {-1u, 0, 0x80000000, 0, -1u, 0x7fffffff, 0, 0}};
	assert_int_equal(run_at(r, 20, CODE(0xc4, 0xe2, 0x75, 0x2c, 0x16)), -1); /* vmaskmovps ymm2, ymm1, [rsi] */
	const uint32_t want[8] = {1, 0, 3, 0, 5, 0, 0, 0};
	assert_memory_equal(&c->v[2], want, 32);
	/* one element too many */
	c->v[1].d[6] = -1u;
	fill(c);
	c->v[1] = (union x86_vec){.d = {-1u, 0, 0, 0, 0, 0, -1u, 0}};
	assert_int_equal(run_at(r, 20, CODE(0xc4, 0xe2, 0x75, 0x2c, 0x16)), X86_PF);
	assert_int_equal(c->cr2, HOLE - 20 + 24);
	assert_int_equal(c->v[2].q[0], 0x1002);
	/* stores */
	memcpy(before, r->mem + HOLE - 32, 32);
	assert_int_equal(run_at(r, 20, CODE(0xc4, 0xe2, 0x75, 0x2e, 0x16)), X86_PF); /* vmaskmovps [rsi], ymm1, ymm2 */
	assert_memory_equal(before, r->mem + HOLE - 32, 32);
	c->v[1] = (union x86_vec){.q = {0, -1ull, 0, 0}};
	assert_int_equal(run_at(r, 16, CODE(0xc4, 0xe2, 0xf5, 0x8e, 0x16)), -1); /* vpmaskmovq [rsi], ymm1, ymm2 */
	assert_memory_equal(before + 16, r->mem + HOLE - 16, 8);
	assert_int_equal(r->mem[HOLE - 8], 0x02);
	/* nothing wanted: no access, wherever it is */
	memset(&c->v[1], 0, 32);
	assert_int_equal(run_at(r, 0, CODE(0xc4, 0xe2, 0x75, 0x2c, 0x16)), -1);
	assert_int_equal(run_at(r, 0, CODE(0xc4, 0xe2, 0x75, 0x2e, 0x16)), -1);
	/* vmaskmovdqu xmm2, xmm1 to RDI */
	c->v[1].b[0] = 0x80;
	c->v[2].b[0] = 0x77;
	c->r[7] = HOLE - 1;
	assert_int_equal(run_at(r, 0, CODE(0xc5, 0xf9, 0xf7, 0xd1)), -1);
	assert_int_equal(r->mem[HOLE - 1], 0x77);
	rig_free(r);
}

/* vpgatherdd ymm2, [rsi + ymm3 * 4], ymm1: the fault leaves what is complete, and the rest is done afterwards. */
static void gather_restarts(void **state)
{
	static const uint8_t code[] = {0xc4, 0xe2, 0x75, 0x90, 0x14, 0x9e};
	struct rig *r = start();
	struct x86_cpu *c = r->cpu;
	uint32_t in[4] = {11, 12, 13, 14}, behind[4] = {21, 22, 23, 24};
	(void)state;
	data(r, 16, in, 16);
	memcpy(r->mem + HOLE, behind, 16);
	c->v[1] = (union x86_vec){.d = {-1u, 0x80000001, 0, -1u, -1u, -1u, -1u, 0}};
	c->v[2] = (union x86_vec){.d = {91, 92, 93, 94, 95, 96, 97, 98}};
	c->v[3] = (union x86_vec){.d = {3, 2, 100000, 5, 0, 4, 1, 0}};
	assert_int_equal(run_at(r, 16, code, sizeof code), X86_PF);
	assert_int_equal(c->cr2, HOLE + 4);
	const uint32_t part[8] = {14, 13, 93, 94, 95, 96, 97, 98}, mask[8] = {0, 0, 0, -1u, -1u, -1u, -1u, 0};
	assert_memory_equal(&c->v[2], part, 32);
	assert_memory_equal(&c->v[1], mask, 32);
	page(r, HOLE, HOLE | 7);
	assert_int_equal(run_at(r, 16, code, sizeof code), -1);
	const uint32_t all[8] = {14, 13, 93, 22, 11, 21, 12, 98};
	assert_memory_equal(&c->v[2], all, 32);
	assert_int_equal(c->v[1].q[0] | c->v[1].q[1] | c->v[1].q[2] | c->v[1].q[3], 0);
	rig_free(r);
}

/* ------ devices ------ */

static uint64_t device_at[16];
static unsigned device_n;
static int deferring(void *o, uint64_t gpa, unsigned len, bool write, uint8_t *data_)
{
	(void)o, (void)len, (void)write, (void)data_;
	assert_true(device_n < 16);
	device_at[device_n++] = gpa;
	return X86_DEFER;
}

/* Until the instruction is complete each access stops once, in its turn, with the registers as they were. */
static unsigned answer_all(struct rig *r, const union x86_vec *before)
{
	unsigned n = 0;
	device_n = 0;
	while (x86_step(r->cpu) == X86_STOP_MMIO) {
		assert_memory_equal(r->cpu->v, before, sizeof r->cpu->v);
		for (unsigned i = 0; i < 8; i++)
			r->cpu->stop.data[i] = (uint8_t)(0x10 * (n + 1) + i);
		x86_answer(r->cpu);
		n++;
	}
	assert_int_equal(r->cpu->stop.kind, X86_STOP_BUDGET);
	assert_int_equal(device_n, n);
	return n;
}

static void devices(void **state)
{
	struct rig *r = start();
	struct x86_cpu *c = r->cpu;
	static union x86_vec before[16];
	(void)state;
	r->env.mmio = deferring;
	page(r, HOLE, RIG_SIZE | 7); /* no memory there */
	fill(c);
	memcpy(before, c->v, sizeof before);
	rig_start(r);
	c->xcr0 = 7;
	c->r[6] = HOLE - 12;
	data(r, 12, "abcdefghijkl", 12);
	rig_code(r, CODE(0xc5, 0xfc, 0x10, 0x0e)); /* vmovups ymm1, [rsi] */
	assert_int_equal(answer_all(r, before), 3);
	assert_int_equal(device_at[2], RIG_SIZE + 16);
	assert_memory_equal(&c->v[1],
			    "abcdefghijkl\x10\x11\x12\x13\x14\x15\x16\x17\x20\x21\x22\x23\x24\x25\x26\x27"
			    "\x30\x31\x32\x33",
			    32);
	/* vpgatherdd ymm2, [rsi + ymm3], ymm1: memory, device, memory, device */
	c->v[1] = (union x86_vec){.d = {-1u, -1u, -1u, -1u, 0, 0, 0, 0}};
	c->v[3] = (union x86_vec){.d = {0, 12, 4, 16}};
	memcpy(before, c->v, sizeof before);
	rig_start(r);
	c->xcr0 = 7;
	c->r[6] = HOLE - 12;
	rig_code(r, CODE(0xc4, 0xe2, 0x75, 0x90, 0x14, 0x1e));
	assert_int_equal(answer_all(r, before), 2);
	assert_memory_equal(&c->v[2],
			    "abcd\x10\x11\x12\x13"
			    "efgh\x20\x21\x22\x23",
			    16);
	/* the second of them faults instead: what is complete stays */
	c->v[1] = (union x86_vec){.d = {-1u, -1u, -1u, -1u, 0, 0, 0, 0}};
	c->v[3] = (union x86_vec){.d = {0, 12, 0x1000 + 12, 16}};
	page(r, HOLE + 0x1000, 0);
	memcpy(before, c->v, sizeof before);
	rig_start(r);
	c->xcr0 = 7;
	c->r[6] = HOLE - 12;
	rig_code(r, CODE(0xc4, 0xe2, 0x75, 0x90, 0x14, 0x1e));
	assert_int_equal(answer_all(r, before), 1);
	assert_int_equal(c->rip, RIG_HANDLERS + 16 * X86_PF);
	assert_memory_equal(&c->v[2],
			    "abcd\x10\x11\x12\x13"
			    "efgh",
			    12);
	assert_int_equal(c->v[1].q[0], 0);
	assert_int_equal(c->v[1].q[1], UINT64_MAX);
	rig_free(r);
}

/* ------ floating point ------ */

/* Both lanes are one instruction: an exception of one keeps the other's result back, flags of both are set. */
static void unmasked_exception(void **state)
{
	struct rig *r = start();
	struct x86_cpu *c = r->cpu;
	(void)state;
	fill(c);
	c->mxcsr = 0x1f80 & ~0x200; /* ZM clear */
	c->v[1] = (union x86_vec){
		.d = {0x3f800000, 1, 0x3f800000, 0x3f800000, 0x3f800000, 0x3f800000, 0x3f800000, 0x3f800000}};
	c->v[2] = (union x86_vec){
		.d = {0x3f800000, 0x3f800000, 0x3f800000, 0x3f800000, 0x3f800000, 0x3f800000, 0, 0x3f800000}};
	assert_int_equal(run_at(r, 64, CODE(0xc5, 0xf4, 0x5e, 0xc2)), X86_XM); /* vdivps ymm0, ymm1, ymm2 */
	assert_int_equal(c->v[0].q[0], 0x1000);
	assert_int_equal(c->v[0].q[3], 0x4000);
	assert_int_equal(c->mxcsr, (0x1f80 & ~0x200) | SF_Z | SF_D);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_mnemonic), cmocka_unit_test(unavailable),
		cmocka_unit_test(bad_encodings),  cmocka_unit_test(outside_protected_mode),
		cmocka_unit_test(in_32_bits),     cmocka_unit_test(limits),
		cmocka_unit_test(upper_halves),   cmocka_unit_test(xsave_component),
		cmocka_unit_test(alignment),      cmocka_unit_test(crossing_faults),
		cmocka_unit_test(masked_moves),   cmocka_unit_test(gather_restarts),
		cmocka_unit_test(devices),        cmocka_unit_test(unmasked_exception),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
