/* generate.c - see generate.h. A random instruction is a row of the decoder with random bits outside its mask, and with
 * the operands that keep it harmless: addresses near x28, branches that go forward. What needs an instruction before
 * it, for an address or an exclusive pair, brings it along. */
#include "arm64/engine.h"
#include "generate.h"

enum { NOP = 0xd503201f, BASE = 28, ADDRESS = 26, INDEX = 27, TARGET = 25 };
enum { BASE_WORD = CASE_WORDS - 4, END_WORD = CASE_WORDS - 2, REACH = 5 /* instructions: the farthest branch */ };

uint64_t gen_random(struct gen *g)
{
	uint64_t z = g->seed += 0x9e3779b97f4a7c15;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}
static unsigned below(struct gen *g, unsigned n)
{
	return (unsigned)(gen_random(g) >> 16) % n;
}
static void set(uint32_t *insn, unsigned hi, unsigned lo, uint32_t v)
{
	uint32_t mask = ((2u << (hi - lo)) - 1) << lo;
	*insn = (*insn & ~mask) | (v << lo & mask);
}

struct seq {
	struct gen *g;
	uint32_t *code;
	unsigned n, room; /* words */
};
static bool emit(struct seq *s, uint32_t insn)
{
	if (s->n >= s->room)
		return false;
	s->code[s->n++] = insn;
	return true;
}

static bool uses(uint32_t insn, unsigned lo, unsigned r)
{
	return (insn >> lo & 31) == r;
}
/* No operand is x28, wherever a row may have one. */
static void spare_base(uint32_t *insn)
{
	for (unsigned lo = 0; lo <= 16; lo += lo == 5 ? 5 : lo == 10 ? 6 : 5)
		if (uses(*insn, lo, BASE))
			set(insn, lo + 4, lo, BASE - 8);
}
static void spare_destination(uint32_t *insn)
{
	if (uses(*insn, 0, BASE))
		set(insn, 4, 0, BASE - 8);
}

/* add x26, x28, #offset */
static void point(struct seq *s, unsigned offset)
{
	emit(s, 0x91000000 | offset << 10 | BASE << 5 | ADDRESS);
}

/* ------ one maker a table: false: this one is of no use ------ */

static bool make_plain(struct seq *s, const struct a64_row *r, uint32_t insn)
{
	(void)r;
	spare_destination(&insn);
	return emit(s, insn);
}
/* What a branch skips, or not: instructions that need none before them. */
static void shadow(struct seq *s, unsigned n)
{
	while (n) {
		const struct a64_row *r = &a64_rows_int.rows[below(s->g, (unsigned)a64_rows_int.count)];
		uint32_t insn = r->value | ((uint32_t)gen_random(s->g) & ~r->mask);
		spare_destination(&insn);
		if (a64_find_row(s->g->features, insn) == r && emit(s, insn))
			n--;
	}
}
static bool make_branch(struct seq *s, const struct a64_row *r, uint32_t insn)
{
	if (s->room - s->n < 8)
		return false;
	uint32_t skip = 1 + below(s->g, REACH);
	if (!strcmp(r->name, "b") || !strcmp(r->name, "bl")) {
		set(&insn, 25, 0, skip);
	} else if (!strcmp(r->name, "tbz")) {
		set(&insn, 18, 5, skip);
	} else if (!strcmp(r->name, "b.cond") || !strcmp(r->name, "cbz")) {
		set(&insn, 23, 5, skip);
	} else { /* adr x25, . + 4 * (1 + skip); br x25 */
		emit(s, 0x10000000 | (1 + skip) << 5 | TARGET);
		set(&insn, 9, 5, TARGET);
	}
	emit(s, insn);
	shadow(s, skip - 1);
	return true;
}

static bool make_mem(struct seq *s, const struct a64_row *r, uint32_t insn)
{
	struct gen *g = s->g;
	bool back = false;
	if (s->room - s->n < 3)
		return false;
	spare_destination(&insn);
	if (!strcmp(r->name, "ldr_lit")) {
		int word = (int)below(g, s->n);
		set(&insn, 23, 5, (uint32_t)(word - (int)s->n));
		return emit(s, insn);
	}
	if (!strcmp(r->name, "ldp_stp")) {
		unsigned index = insn >> 23 & 3, rt = insn & 31;
		back = index & 1;
		set(&insn, 21, 15, below(g, 48) - 24);
		if (uses(insn, 10, BASE) || uses(insn, 10, rt))
			set(&insn, 14, 10, (rt + 1) % 8);
		if (back && uses(insn, 10, ADDRESS))
			set(&insn, 14, 10, rt == 3 ? 4 : 3);
	} else if (!strcmp(r->name, "ldst_unsigned")) {
		set(&insn, 21, 10, below(g, 440u >> (insn >> 30)));
	} else if (!strcmp(r->name, "ldst_reg")) { /* and x27, xN, #0x1f */
		emit(s, 0x92401000 | below(g, 25) << 5 | INDEX);
		set(&insn, 20, 16, INDEX);
	} else {
		back = insn >> 10 & 1;
	}
	if (back) {
		point(s, below(g, 64));
		if (uses(insn, 0, ADDRESS))
			set(&insn, 4, 0, uses(insn, 10, 9) ? 11 : 9);
	}
	set(&insn, 9, 5, back ? ADDRESS : BASE);
	return emit(s, insn);
}

/* Vector registers as data: only an address can do harm. */
static bool make_simd_mem(struct seq *s, const struct a64_row *r, uint32_t insn)
{
	struct gen *g = s->g;
	bool structure = (insn & 0xbe000000) == 0x0c000000, back = structure && insn >> 23 & 1;
	if (s->room - s->n < 3)
		return false;
	if (!strcmp(r->name, "v.ldr_lit")) {
		set(&insn, 23, 5, (uint32_t)((int)below(g, s->n) - (int)s->n));
		return emit(s, insn);
	}
	if (!strcmp(r->name, "v.ldp_stp")) {
		back = insn >> 23 & 1;
		set(&insn, 21, 15, below(g, 40) - 20);
		if (insn >> 22 & 1 && uses(insn, 10, insn & 31)) /* the same register twice is unpredictable */
			set(&insn, 14, 10, (insn + 1) & 31);
	} else if (!strcmp(r->name, "v.ldst_unsigned")) {
		set(&insn, 21, 10, below(g, insn >> 23 & 1 ? 27 : 440u >> (insn >> 30)));
	} else if (!strcmp(r->name, "v.ldst_reg")) { /* and x27, xN, #0x1f */
		emit(s, 0x92401000 | below(g, 25) << 5 | INDEX);
		set(&insn, 20, 16, INDEX);
	} else if (!structure) {
		back = insn >> 10 & 1;
	}
	if (back)
		point(s, below(g, 64));
	set(&insn, 9, 5, back ? ADDRESS : BASE);
	return emit(s, insn);
}

/* Elements move to general registers too, but not to x28. QEMU 7.2 writes 32 bits for FCVTZS of a half-precision scalar
 * to fixed point, where the others are zeros (Arm ARM C7.2.128). */
static bool make_simd(struct seq *s, const struct a64_row *r, uint32_t insn)
{
	if ((insn & 0xff70fc00) == 0x5f10fc00)
		return false;
	if (!strcmp(r->name, "umov") || !strcmp(r->name, "smov") || !strcmp(r->name, "fmov"))
		spare_destination(&insn);
	return emit(s, insn);
}

/* A denormal that FPCR.FZ flushes: FJCVTZS clears Z for it (Arm ARM J1.3, FPToFixedJS), QEMU 7.2 does not. */
static bool make_fp(struct seq *s, const struct a64_row *r, uint32_t insn)
{
	return strcmp(r->name, "fjcvtzs") && make_plain(s, r, insn);
}

static bool make_atomic(struct seq *s, const struct a64_row *r, uint32_t insn)
{
	bool exclusive = !strcmp(r->name, "stxr") || !strcmp(r->name, "stxp");
	if (s->room - s->n < 3 || !strcmp(r->name, "ldxr") || !strcmp(r->name, "ldxp"))
		return false; /* with their stores */
	point(s, 16 * below(s->g, 8));
	spare_base(&insn);
	set(&insn, 9, 5, ADDRESS);
	if (!strcmp(r->name, "casp"))
		set(&insn, 4, 0, insn >> 1 & 6), set(&insn, 20, 16, 8 + (insn >> 16 & 6));
	else if (uses(insn, 0, ADDRESS))
		set(&insn, 4, 0, 7);
	if (uses(insn, 16, ADDRESS))
		set(&insn, 20, 16, 9);
	if (exclusive) {
		uint32_t load = insn | 1u << 22;
		set(&load, 20, 16, 31);
		set(&load, 4, 0, 1);
		set(&load, 14, 10, insn >> 21 & 1 ? 2 : 31);
		set(&insn, 20, 16, 10 + below(s->g, 5));
		set(&insn, 4, 0, below(s->g, 9));
		if (insn >> 21 & 1)
			set(&insn, 14, 10, below(s->g, 9));
		emit(s, load);
	}
	return emit(s, insn);
}

/* X(rows, weight, maker) */
#define TABLES(X)                                                                                                      \
	X(a64_rows_int, 8, make_plain)                                                                                 \
	X(a64_rows_mul, 4, make_plain)                                                                                 \
	X(a64_rows_branch, 2, make_branch)                                                                             \
	X(a64_rows_mem, 5, make_mem)                                                                                   \
	X(a64_rows_atomic, 3, make_atomic)                                                                             \
	X(a64_rows_simd_mem, 5, make_simd_mem)                                                                         \
	X(a64_rows_simd_same, 5, make_simd)                                                                            \
	X(a64_rows_simd_perm, 4, make_simd)                                                                            \
	X(a64_rows_simd_misc, 4, make_simd)                                                                            \
	X(a64_rows_simd_mul, 3, make_simd)                                                                             \
	X(a64_rows_simd_long, 3, make_simd)                                                                            \
	X(a64_rows_crypto, 2, make_simd)                                                                               \
	X(a64_rows_simd_shift, 4, make_simd)                                                                           \
	X(a64_rows_fp, 8, make_fp)                                                                                     \
	X(a64_rows_fp_same, 8, make_simd)                                                                              \
	X(a64_rows_fp_misc, 8, make_simd)
static const struct table {
	const struct a64_rows *rows;
	unsigned weight;
	bool (*make)(struct seq *s, const struct a64_row *r, uint32_t insn);
} tables[] = {
#define X(rows, weight, make) {&rows, weight, make},
	TABLES(X)
#undef X
};

static const struct table *pick(struct gen *g)
{
	unsigned sum = 0, at;
	for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
		sum += tables[i].weight;
	at = below(g, sum);
	for (size_t i = 0;; i++) {
		if (at < tables[i].weight)
			return &tables[i];
		at -= tables[i].weight;
	}
}

static void one(struct seq *s)
{
	struct gen *g = s->g;
	const struct table *t = pick(g);
	const struct a64_row *r = &t->rows->rows[below(g, (unsigned)t->rows->count)];
	uint32_t insn = r->value | ((uint32_t)gen_random(g) & ~r->mask);
	unsigned before = s->n;
	if (a64_find_row(g->features, insn) != r)
		return;
	if (!t->make(s, r, insn))
		s->n = before;
	else if (!a64_find_row(g->features, s->code[s->n - 1]))
		s->n = before; /* made harmless, it is nothing any more */
	g->made[t - tables] += s->n > before;
}

/* Values that carry, overflow, sign and shift at their edges as often as any. */
static uint64_t value(struct gen *g)
{
	uint64_t v = gen_random(g);
	switch (below(g, 6)) {
	case 0:
		return v & 0xff;
	case 1:
		return (uint64_t)1 << (v & 63);
	case 2:
		return ~((uint64_t)1 << (v & 63));
	case 3:
		return (uint64_t)(int64_t)(int32_t)v;
	case 4:
		return UINT64_MAX << (v & 63);
	default:
		return v;
	}
}

/* A float, double or two: zeros, infinities, NaNs, denormals, and neighbours of one and of powers of two. */
static uint64_t fp_value(struct gen *g)
{
	static const uint32_t exps[] = {0, 1, 0x7e, 0x7f, 0x80, 0xfe, 0xff};
	const uint64_t v = gen_random(g), sign = v & 1, wide = v >> 1 & 1;
	const unsigned pick = below(g, 9);
	const uint64_t e = pick < 7 ? exps[pick] : pick == 7 ? 0x7f + below(g, 70) - 3 : gen_random(g) & 0xff;
	const uint64_t exp = !wide ? e : e == 0xff ? 0x7ff : e == 0xfe ? 0x7fe : e < 2 ? e : e + 0x3ff - 0x7f;
	uint64_t fraction = below(g, 3) ? value(g) : 0;
	if (wide)
		return sign << 63 | exp << 52 | (fraction & ((UINT64_C(1) << 52) - 1));
	const uint64_t low = sign << 31 | exp << 23 | (fraction & 0x7fffff);
	return low | (below(g, 2) ? (v >> 32) << 32 : 0);
}

/* Behind n words of the sequence, and as many NOPs as a branch reaches. */
static void ends(struct diff_case *c, unsigned n, uint32_t last)
{
	uint64_t base = CASE_DATA + CASE_MEM / 2;
	unsigned at = 1 + n + REACH;
	for (unsigned i = 1 + n; i < BASE_WORD; i++)
		c->code[i] = NOP;
	c->code[0] = 0x58000000 | BASE_WORD << 5 | BASE;        /* ldr x28, base */
	c->code[at] = 0x58000000 | (END_WORD - at) << 5 | BASE; /* ldr x28, end */
	c->code[at + 1] = last;
	memcpy(&c->code[BASE_WORD], &base, 8);
}

unsigned gen_length(const struct diff_case *c)
{
	unsigned at = BASE_WORD - 1;
	while (c->code[at] != GEN_BR_X28 && c->code[at] != GEN_STR_X28)
		at--;
	return at - 2 - REACH;
}
void gen_cut(struct diff_case *c, unsigned n)
{
	ends(c, n, GEN_BR_X28);
}
void gen_replace_end(struct diff_case *c, uint32_t insn)
{
	c->code[gen_length(c) + REACH + 2] = insn;
}

void gen_case(struct gen *g, struct diff_case *c, unsigned insns)
{
	struct seq s = {g, c->code, 1, 1 + insns};
	memset(c, 0, sizeof *c);
	for (unsigned i = 0; i < 31; i++)
		c->s.x[i] = value(g);
	c->s.sp = gen_random(g) & ~(uint64_t)15;
	c->s.nzcv = gen_random(g) & 0xf0000000;
	for (unsigned i = 0; i < 32; i++)
		for (unsigned k = 0; k < 2; k++)
			c->s.v[i][k] = below(g, 2) ? fp_value(g) : value(g);
	if (below(g, 2)) /* FZ16, RMode, FZ, DN, AHP */
		c->s.fpcr = gen_random(g) & 0x07c80000;
	for (unsigned i = 0; i < CASE_MEM; i += 8) {
		uint64_t v = value(g);
		memcpy(&c->s.mem[i], &v, 8);
	}
	for (unsigned tries = 0; s.n < s.room && tries < 4 * CASE_INSNS; tries++)
		one(&s);
	ends(c, s.n - 1, GEN_BR_X28);
}
