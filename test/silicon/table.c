/* table.c - the instructions to choose from: every encoding that Zydis knows, that this host has and the software CPU
 * claims by CPUID, and that rows.c does not leave out. What the CPU learns appears here by itself. */
#include "silicon.h"
#include <cpuid.h>

struct s_table s_tables[S_MODES];

enum { EAX, EBX, ECX, EDX };
/* leaf 0: always there */
static const struct isa {
	uint16_t set;
	uint8_t class;
	uint32_t leaf;
	uint8_t reg, bit;
} isas[] = {
#define ISA(n) ZYDIS_ISA_SET_##n
	{ISA(I86), C_INT, 0, 0, 0},
	{ISA(I186), C_INT, 0, 0, 0},
	{ISA(I286PROTECTED), C_INT, 0, 0, 0},
	{ISA(I286REAL), C_INT, 0, 0, 0},
	{ISA(I386), C_INT, 0, 0, 0},
	{ISA(I486), C_INT, 0, 0, 0},
	{ISA(I486REAL), C_INT, 0, 0, 0},
	{ISA(PENTIUMREAL), C_INT, 0, 0, 0},
	{ISA(PPRO), C_INT, 0, 0, 0},
	{ISA(LONGMODE), C_INT, 0, 0, 0},
	{ISA(FAT_NOP), C_INT, 0, 0, 0},
	{ISA(PAUSE), C_INT, 0, 0, 0},
	{ISA(PREFETCH_NOP), C_INT, 0, 0, 0},
	{ISA(CMOV), C_INT, 1, EDX, 15},
	{ISA(LAHF), C_INT, 0x80000001, ECX, 0},
	{ISA(CMPXCHG16B), C_INT, 1, ECX, 13},
	{ISA(POPCNT), C_INT, 1, ECX, 23},
	{ISA(MOVBE), C_INT, 1, ECX, 22},
	{ISA(LZCNT), C_INT, 0x80000001, ECX, 5},
	{ISA(BMI1), C_INT, 7, EBX, 3},
	{ISA(BMI2), C_INT, 7, EBX, 8},
	{ISA(ADOX_ADCX), C_INT, 7, EBX, 19},
	{ISA(RDWRFSGS), C_INT, 7, EBX, 0},
	{ISA(AMD3DNOW), C_INT, 0x80000001, ECX, 8}, /* PREFETCH, PREFETCHW; the rest is 0x80000001 EDX 31 */
	{ISA(CLFSH), C_INT, 1, EDX, 19},
	{ISA(CLFLUSHOPT), C_INT, 7, EBX, 23},
	{ISA(CLWB), C_INT, 7, EBX, 24},
	{ISA(X87), C_X87, 1, EDX, 0},
	{ISA(FCMOV), C_X87, 1, EDX, 15},
	{ISA(SSE3X87), C_X87, 1, ECX, 0},
	{ISA(PENTIUMMMX), C_MMX, 1, EDX, 23},
	{ISA(SSE2MMX), C_MMX, 1, EDX, 26},
	{ISA(SSSE3MMX), C_MMX, 1, ECX, 9},
	{ISA(SSE), C_SSE, 1, EDX, 25},
	{ISA(SSEMXCSR), C_SSE, 1, EDX, 25},
	{ISA(SSE_PREFETCH), C_SSE, 1, EDX, 25},
	{ISA(FXSAVE), C_EXT, 1, EDX, 24},
	{ISA(FXSAVE64), C_EXT, 1, EDX, 24},
	{ISA(SSE2), C_SSE, 1, EDX, 26},
	{ISA(SSE3), C_SSE, 1, ECX, 0},
	{ISA(SSSE3), C_SSE, 1, ECX, 9},
	{ISA(SSE4), C_SSE, 1, ECX, 19},
	{ISA(SSE42), C_SSE, 1, ECX, 20},
	{ISA(SSE4A), C_SSE, 0x80000001, ECX, 6},
	{ISA(AVX), C_AVX, 1, ECX, 28},
	{ISA(AVX2), C_AVX, 7, EBX, 5},
	{ISA(AVX2GATHER), C_AVX, 7, EBX, 5},
	{ISA(FMA), C_AVX, 1, ECX, 12},
	{ISA(F16C), C_EXT, 1, ECX, 29},
	{ISA(AES), C_EXT, 1, ECX, 25},
	{ISA(AVXAES), C_EXT, 1, ECX, 25},
	{ISA(VAES), C_EXT, 7, ECX, 9},
	{ISA(PCLMULQDQ), C_EXT, 1, ECX, 1},
	{ISA(VPCLMULQDQ), C_EXT, 7, ECX, 10},
	{ISA(SHA), C_EXT, 7, EBX, 29},
	{ISA(GFNI), C_EXT, 7, ECX, 8},
	{ISA(AVX_GFNI), C_EXT, 7, ECX, 8},
	{ISA(MOVDIR), C_EXT, 7, ECX, 27},
	{ISA(XSAVE), C_EXT, 1, ECX, 26},
	{ISA(INVPCID), C_SYS, 7, EBX, 10},
	{ISA(SMAP), C_SYS, 7, EBX, 20},
	{ISA(SERIALIZE), C_SYS, 7, EDX, 14},
#undef ISA
};

static bool host_has(const struct isa *s)
{
	uint32_t r[4];
	if (!s->leaf)
		return true;
	return __get_cpuid_count(s->leaf, 0, &r[0], &r[1], &r[2], &r[3]) && r[s->reg] >> s->bit & 1;
}
/* CPUID leaves to the hypervisor where there is one: it is asked once. */
bool host_is_amd(void)
{
	static int amd = -1;
	uint32_t r[4];
	if (amd < 0)
		amd = __get_cpuid(0, &r[0], &r[1], &r[2], &r[3]) && r[1] == 0x68747541;
	return amd;
}

bool host_is_zen4(void)
{
	enum { AVX512F = 1 << 16 };
	unsigned a, b, c, d;
	return host_is_amd() && __get_cpuid_count(7, 0, &a, &b, &c, &d) && b & AVX512F;
}

static const struct isa *isa_of(ZydisISASet set)
{
	for (size_t n = 0; n < sizeof isas / sizeof *isas; n++)
		if (isas[n].set == set)
			return &isas[n];
	return NULL;
}
/* By ISA set: 1 usable, 0 the host has it and the CPU has not, -1 the host has it not. */
static int usable[ZYDIS_ISA_SET_MAX_VALUE + 1];
static void find_usable(void)
{
	for (size_t n = 0; n < sizeof isas / sizeof *isas; n++) {
		const struct isa *s = &isas[n];
		bool soft = !s->leaf || soft_has(s->leaf, 0, s->reg, s->bit);
		usable[s->set] = !host_has(s) ? -1 : soft;
	}
}
/* Forms of one ISA set that need another feature too. */
static bool needs_more(const ZydisDecodedInstruction *i)
{
	bool vex = i->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX;
	bool vector = i->meta.isa_set != ZYDIS_ISA_SET_BMI1 && i->meta.isa_set != ZYDIS_ISA_SET_BMI2;
	return vex && vector && usable[ZYDIS_ISA_SET_AVX] != 1;
}

static uint8_t class_of(const ZydisDecodedInstruction *i)
{
	switch (i->meta.category) {
	case ZYDIS_CATEGORY_STRINGOP:
		return C_STRING;
	case ZYDIS_CATEGORY_COND_BR:
	case ZYDIS_CATEGORY_UNCOND_BR:
	case ZYDIS_CATEGORY_CALL:
	case ZYDIS_CATEGORY_RET:
		return C_BRANCH;
	case ZYDIS_CATEGORY_INTERRUPT:
	case ZYDIS_CATEGORY_IO:
	case ZYDIS_CATEGORY_IOSTRINGOP:
	case ZYDIS_CATEGORY_SEGOP:
	case ZYDIS_CATEGORY_SYSCALL:
	case ZYDIS_CATEGORY_SYSRET:
	case ZYDIS_CATEGORY_SYSTEM:
		return C_SYS;
	default:
		return isa_of(i->meta.isa_set)->class;
	}
}

/* ------ what was found ------ */

static const char *wanted;
enum { LIST_ROOM = 512 };
static struct {
	const char *name, *why;
} left[LIST_ROOM];
static unsigned lefts;
static void leave_out(const char *name, const char *why)
{
	for (unsigned n = 0; n < lefts; n++)
		if (left[n].name == name && left[n].why == why)
			return;
	if (lefts < LIST_ROOM) {
		left[lefts].name = name;
		left[lefts++].why = why;
	}
}

static bool chosen(const ZydisDecodedInstruction *i)
{
	return !wanted || !strcasecmp(wanted, ZydisMnemonicGetString(i->mnemonic)) ||
	       !strcasecmp(wanted, ZydisISASetGetString(i->meta.isa_set));
}

static bool accepted(const ZydisDecodedInstruction *i, const ZydisDecodedOperand *o)
{
	const char *why = row_excluded(i->mnemonic);
	if (!isa_of(i->meta.isa_set)) {
		leave_out(ZydisISASetGetString(i->meta.isa_set), "no row in table.c");
		return false;
	}
	if (usable[i->meta.isa_set] != 1 || needs_more(i)) {
		leave_out(ZydisISASetGetString(i->meta.isa_set),
			  usable[i->meta.isa_set] < 0 ? "not on this host" : "not in the software CPU's CPUID");
		return false;
	}
	if (!why && !row_excluded_form(i, o, &why))
		return chosen(i);
	leave_out(ZydisMnemonicGetString(i->mnemonic), why);
	return false;
}

/* ------ enumeration ------ */

struct trial {
	struct s_form f;
	ZydisDecodedInstruction i;
	ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];
	bool ok;
};

static size_t encode(const struct s_form *f, unsigned mode, uint8_t *b, unsigned reg, unsigned rm, unsigned vvvv)
{
	size_t n = 0;
	if (f->vex) {
		uint8_t pp = f->pp == 0x66 ? 1 : f->pp == 0xf3 ? 2 : f->pp == 0xf2 ? 3 : 0;
		b[n++] = 0xc4;
		b[n++] = 0xe0 | f->map;
		b[n++] = (uint8_t)(f->w << 7 | (~vvvv & 15) << 3 | f->l << 2 | pp);
	} else {
		if (f->pp)
			b[n++] = f->pp;
		if (mode == S_MODE64 && f->w)
			b[n++] = 0x48;
		if (f->map)
			b[n++] = 0x0f;
		if (f->map > 1)
			b[n++] = f->map == 2 ? 0x38 : 0x3a;
	}
	b[n++] = f->opcode;
	b[n++] = (uint8_t)((f->mem ? 0 : 0xc0) | reg << 3 | rm);
	memset(b + n, 0, 15 - n);
	return n;
}

static bool legacy_prefixes_fit(const struct trial *t, const ZydisDecoder *d, unsigned mode, unsigned reg, unsigned rm)
{
	struct trial bare = *t;
	uint8_t b[16];
	if (t->f.vex || (t->f.pp != 0xf2 && t->f.pp != 0xf3))
		return true;
	if (t->i.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE))
		return true;
	bare.f.pp = 0;
	encode(&bare.f, mode, b, reg, rm, 0);
	return !ZYAN_SUCCESS(ZydisDecoderDecodeFull(d, b, 15, &bare.i, bare.o)) || bare.i.mnemonic != t->i.mnemonic;
}

/* MOV to control registers takes any ModRM.mod for 3. */
static bool has_memory(const ZydisDecodedInstruction *i, const ZydisDecodedOperand *o)
{
	bool any = false;
	for (unsigned n = 0; n < i->operand_count_visible; n++)
		any |= o[n].type == ZYDIS_OPERAND_TYPE_MEMORY;
	return any && i->attributes & ZYDIS_ATTRIB_HAS_MODRM;
}

static void attempt(struct trial *t, const ZydisDecoder *d, unsigned mode, unsigned reg, unsigned rm)
{
	uint8_t b[16];
	unsigned wide = mode == S_MODE64 ? 9 : 1;
	t->f.vvvv = t->f.vex;
	encode(&t->f, mode, b, reg, rm, wide);
	t->ok = ZYAN_SUCCESS(ZydisDecoderDecodeFull(d, b, 15, &t->i, t->o));
	if (!t->ok && t->f.vex) { /* perhaps VEX.vvvv has to be 1111b, or differ from the other registers */
		t->f.vvvv = false;
		encode(&t->f, mode, b, reg, rm, 0);
		t->ok = ZYAN_SUCCESS(ZydisDecoderDecodeFull(d, b, 15, &t->i, t->o));
	}
	t->ok = t->ok &&
		t->i.encoding == (t->f.vex ? ZYDIS_INSTRUCTION_ENCODING_VEX : ZYDIS_INSTRUCTION_ENCODING_LEGACY) &&
		t->i.opcode_map == (t->f.vex || t->f.map ? t->f.map : 0) && t->i.opcode == t->f.opcode &&
		t->f.mem == has_memory(&t->i, t->o) && legacy_prefixes_fit(t, d, mode, reg, rm) &&
		accepted(&t->i, t->o);
}

static uint32_t room;
static void add(struct s_table *t, const struct trial *x, int reg, int rm)
{
	if (t->forms == room) {
		room = room ? room * 2 : 4096;
		t->form = realloc(t->form, room * sizeof *t->form);
		if (!t->form)
			abort();
	}
	struct s_form *f = &t->form[t->forms++];
	*f = x->f;
	f->mnemonic = (uint16_t)x->i.mnemonic;
	f->class = class_of(&x->i);
	f->modrm = x->i.attributes & ZYDIS_ATTRIB_HAS_MODRM;
	f->reg = (int8_t)reg;
	f->rm = (int8_t)rm;
	for (unsigned n = 0; n < x->i.operand_count; n++)
		f->vsib |= x->o[n].type == ZYDIS_OPERAND_TYPE_MEMORY && x->o[n].mem.type == ZYDIS_MEMOP_TYPE_VSIB;
}

/* Opcodes whose register form is selected by rm, too. */
static bool rm_selects(const struct s_form *f)
{
	return !f->vex && ((f->map == 0 && f->opcode >= 0xd8 && f->opcode <= 0xdf) || (f->map == 1 && f->opcode == 1));
}

static void with_modrm(struct s_table *t, struct s_form *f, unsigned mode)
{
	static struct trial x[8];
	for (int mem = 0; mem < 2; mem++) {
		bool same = true, all_rm = !mem && rm_selects(f);
		f->mem = mem;
		/* [ESP] is a SIB byte: for VSIB */
		unsigned rm = mem ? 4 : 3;
		for (unsigned reg = 0; reg < 8; reg++) {
			x[reg] = (struct trial){.f = *f};
			attempt(&x[reg], &t->decoder, mode, reg, rm);
			same = same && x[reg].ok && x[0].ok && x[reg].i.mnemonic == x[0].i.mnemonic;
		}
		if (same && !all_rm)
			add(t, &x[1], -1, -1);
		for (unsigned reg = 0; reg < 8 && (!same || all_rm); reg++) {
			if (!all_rm && x[reg].ok)
				add(t, &x[reg], (int)reg, -1);
			for (unsigned k = 0; k < 8 && all_rm; k++) {
				struct trial y = {.f = *f};
				attempt(&y, &t->decoder, mode, reg, k);
				if (y.ok)
					add(t, &y, (int)reg, (int)k);
			}
		}
	}
}

static void one_opcode(struct s_table *t, struct s_form *f, unsigned mode)
{
	struct trial x = {.f = *f};
	uint8_t b[16];
	bool modrm = f->vex;
	if (!f->vex) { /* does it have ModRM? An invalid one may have, too. */
		static const uint8_t regs[] = {0, 1, 2, 3, 4, 5, 6, 7};
		for (unsigned n = 0; n < 16 && !modrm; n++) {
			x.f.mem = n & 8;
			encode(&x.f, mode, b, regs[n & 7], 3, 0);
			modrm = ZYAN_SUCCESS(ZydisDecoderDecodeFull(&t->decoder, b, 15, &x.i, x.o)) &&
				x.i.attributes & ZYDIS_ATTRIB_HAS_MODRM;
		}
	}
	if (modrm || f->vex) {
		with_modrm(t, f, mode);
		return;
	}
	x = (struct trial){.f = *f};
	attempt(&x, &t->decoder, mode, 0, 0);
	if (x.ok)
		add(t, &x, -1, -1);
}

static void enumerate(struct s_table *t, unsigned mode)
{
	static const uint8_t pps[] = {0, 0x66, 0xf3, 0xf2};
	for (unsigned vex = 0; vex < 2; vex++)
		for (unsigned map = vex; map < 4; map++)
			for (unsigned opcode = 0; opcode < 256; opcode++)
				for (unsigned k = 0; k < 16; k++) {
					struct s_form f = {.vex = (uint8_t)vex,
							   .map = (uint8_t)map,
							   .opcode = (uint8_t)opcode,
							   .pp = pps[k & 3],
							   .w = k & 4,
							   .l = k & 8};
					if ((f.l && !vex) || (f.w && !vex && mode != S_MODE64))
						continue;
					one_opcode(t, &f, mode);
				}
}

/* VEX.W ignored, REX.W ignored: the same form twice is harmless. */
static int by_mnemonic(const void *a, const void *b)
{
	const struct s_form *x = a, *y = b;
	if (x->class != y->class)
		return x->class - y->class;
	if (x->mnemonic != y->mnemonic)
		return x->mnemonic - y->mnemonic;
	return memcmp(x, y, sizeof *x);
}

static bool group(struct s_table *t)
{
	qsort(t->form, t->forms, sizeof *t->form, by_mnemonic);
	t->group = calloc(t->forms + 1, sizeof *t->group);
	if (!t->group)
		return false;
	for (uint32_t n = 0; n < t->forms; n++) {
		struct s_form *f = &t->form[n];
		if (!n || f->mnemonic != f[-1].mnemonic || f->class != f[-1].class) {
			if (!t->class_count[f->class]++)
				t->class_first[f->class] = t->groups;
			t->group[t->groups++] = (struct s_group){f->mnemonic, n, 0};
		}
		t->group[t->groups - 1].count++;
	}
	return t->groups > 0;
}

/* As this host decodes. */
static void init_decoder(ZydisDecoder *d, unsigned mode)
{
	if (mode == S_MODE64)
		ZydisDecoderInit(d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	else
		ZydisDecoderInit(d, ZYDIS_MACHINE_MODE_LONG_COMPAT_32, ZYDIS_STACK_WIDTH_32);
	ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
	ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_CET, ZYAN_FALSE);
	ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_CLDEMOTE, ZYAN_FALSE);
	ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_KNC, ZYAN_FALSE);
	ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_LZCNT, host_has(isa_of(ZYDIS_ISA_SET_LZCNT)));
	ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_TZCNT, host_has(isa_of(ZYDIS_ISA_SET_BMI1)));
}

bool table_build(const char *only)
{
	bool any = false;
	wanted = only;
	find_usable();
	for (unsigned mode = 0; mode < S_MODES; mode++) {
		struct s_table *t = &s_tables[mode];
		room = 0;
		init_decoder(&t->decoder, mode);
		enumerate(t, mode);
		if (t->forms)
			any |= group(t);
	}
	return any;
}

void table_list(void)
{
	static const char *const names[] = {"integer", "string", "branch", "x87",   "mmx",
					    "sse",     "avx",    "other",  "system"};
	for (unsigned mode = 0; mode < S_MODES; mode++) {
		const struct s_table *t = &s_tables[mode];
		printf("%s code: %u mnemonics in %u forms\n", mode == S_MODE64 ? "64-bit" : "32-bit", t->groups,
		       t->forms);
		for (unsigned c = 0; c < C_CLASSES; c++) {
			printf("  %s:", names[c]);
			for (uint32_t n = 0; n < t->class_count[c]; n++)
				printf(" %s", ZydisMnemonicGetString(t->group[t->class_first[c] + n].mnemonic));
			printf("\n");
		}
	}
	printf("left out:\n");
	for (unsigned n = 0; n < lefts; n++)
		printf("  %s: %s\n", left[n].name, left[n].why);
}
