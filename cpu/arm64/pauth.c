/* pauth.c - pointer authentication with QARMA5 (Arm ARM D8.8, FEAT_PAuth without the enhanced forms; ComputePAC and
 * what it consists of are in J1.3). The cipher is QARMA-64 with the third S-box and five rounds: Avanzi, IACR ePrint
 * 2016/444. */
#include "int.h"
#include "pauth.h"
#include "sys.h"

#define X(n) c->x[n]

/* ------ the cipher ------ */

/* A state is 16 cells of four bits, the first the most significant. A step that treats bytes alike whatever the others
 * are is a table for each byte; the whole is the sum (exclusive or) of what they give. */
enum { ROUNDS = 4 };
typedef uint64_t step[8][256];
static step mix, sub_mix, unsub_mix, sub, unsub, tweak_on, tweak_back;

static const uint8_t shuffle[16] = {0, 11, 6, 13, 10, 1, 12, 7, 5, 14, 3, 8, 15, 4, 9, 2};
static const uint8_t tweak_shuffle[16] = {6, 5, 14, 15, 0, 1, 2, 3, 7, 12, 13, 4, 8, 9, 10, 11};
static const uint8_t sbox[16] = {11, 6, 8, 15, 12, 0, 9, 14, 3, 7, 4, 5, 13, 2, 1, 10};
static const uint64_t round_constant[ROUNDS + 1] = {0, UINT64_C(0x13198a2e03707344), UINT64_C(0xa4093822299f31d0),
						    UINT64_C(0x082efa98ec4e6c89), UINT64_C(0x452821e638d01377)};
#define ALPHA UINT64_C(0xc0ac29b7c97c50dd)

static unsigned cell(uint64_t v, unsigned i)
{
	return v >> (60 - 4 * i) & 15;
}

static uint64_t permute(uint64_t v, const uint8_t *from)
{
	uint64_t r = 0;
	for (unsigned i = 0; i < 16; i++)
		r = r << 4 | cell(v, from[i]);
	return r;
}

static uint64_t unpermute(uint64_t v, const uint8_t *from)
{
	uint64_t r = 0;
	for (unsigned i = 0; i < 16; i++)
		r |= (uint64_t)cell(v, i) << (60 - 4 * from[i]);
	return r;
}

/* Each cell rotated left by one */
static uint64_t rotate_cells(uint64_t v)
{
	return (v << 1 & UINT64_C(0xeeeeeeeeeeeeeeee)) | (v >> 3 & UINT64_C(0x1111111111111111));
}

/* Columns times the matrix circ(0, r, r^2, r), its own inverse; rows are 16 bits. */
static uint64_t multiply(uint64_t v)
{
	uint64_t ones = (v << 16 | v >> 48) ^ (v << 48 | v >> 16), twos = v << 32 | v >> 32;
	return rotate_cells(ones ^ rotate_cells(twos));
}

static uint64_t substitute(uint64_t v, bool back)
{
	uint64_t r = 0;
	for (unsigned i = 0; i < 16; i++) {
		unsigned in = cell(v, i), out = sbox[in];
		for (unsigned n = 0; back && n < 16; n++)
			out = sbox[n] == in ? n : out;
		r = r << 4 | out;
	}
	return r;
}

/* Seven cells of the tweak go through a shift register. */
static uint64_t advance(uint64_t v, bool back)
{
	uint64_t r = v;
	for (unsigned i = 0; i < 16; i++) {
		unsigned n = cell(v, i), on = n >> 1 | ((n ^ n >> 1) & 1) << 3;
		unsigned off = (n << 1 & 14) | ((n >> 3 ^ n) & 1);
		if (0x291b >> i & 1) /* 0 1 3 4 8 11 13 */
			r ^= (uint64_t)((back ? off : on) ^ n) << (60 - 4 * i);
	}
	return r;
}

/* A step by itself; the tables keep what one byte adds to a state of zeros. */
static uint64_t slow_mix(uint64_t v)
{
	return multiply(permute(v, shuffle));
}
static uint64_t slow_sub_mix(uint64_t v)
{
	return slow_mix(substitute(v, false));
}
static uint64_t slow_unsub_mix(uint64_t v)
{
	return unpermute(multiply(substitute(v, true)), shuffle);
}
static uint64_t slow_sub(uint64_t v)
{
	return substitute(v, false);
}
static uint64_t slow_unsub(uint64_t v)
{
	return substitute(v, true);
}
static uint64_t slow_tweak_on(uint64_t v)
{
	return advance(permute(v, tweak_shuffle), false);
}
static uint64_t slow_tweak_back(uint64_t v)
{
	return unpermute(advance(v, true), tweak_shuffle);
}

static void tabulate(step t, uint64_t (*f)(uint64_t))
{
	for (unsigned i = 0; i < 8; i++)
		for (unsigned b = 0; b < 256; b++)
			t[i][b] = f((uint64_t)b << 8 * i) ^ (i ? f(0) : 0);
}

void a64_pauth_init(void)
{
	tabulate(mix, slow_mix);
	tabulate(sub_mix, slow_sub_mix);
	tabulate(unsub_mix, slow_unsub_mix);
	tabulate(sub, slow_sub);
	tabulate(unsub, slow_unsub);
	tabulate(tweak_on, slow_tweak_on);
	tabulate(tweak_back, slow_tweak_back);
}

static inline uint64_t apply(const step t, uint64_t v)
{
	uint64_t r = 0;
	for (unsigned i = 0; i < 8; i++)
		r ^= t[i][v >> 8 * i & 255];
	return r;
}

uint64_t a64_qarma5(uint64_t v, uint64_t tweak, uint64_t w0, uint64_t k0)
{
	uint64_t w1 = (w0 >> 1 | w0 << 63) ^ w0 >> 63;
	v ^= w0 ^ k0 ^ tweak;
	for (unsigned i = 1; i <= ROUNDS; i++) {
		tweak = apply(tweak_on, tweak);
		v = apply(sub_mix, v) ^ apply(mix, k0 ^ tweak ^ round_constant[i]);
	}
	v = apply(sub, v);
	tweak = apply(tweak_on, tweak);
	/* the middle: a round, the reflector, a round back */
	v = apply(sub_mix, apply(mix, v ^ w1 ^ tweak));
	v = unpermute(v ^ k0, shuffle);
	v = apply(unsub_mix, v) ^ w0 ^ tweak;
	for (unsigned i = ROUNDS; i > 0; i--) {
		tweak = apply(tweak_back, tweak);
		v = apply(unsub_mix, v) ^ k0 ^ tweak ^ round_constant[i] ^ ALPHA;
	}
	return apply(unsub, v) ^ k0 ^ apply(tweak_back, tweak) ^ ALPHA ^ w1;
}

/* ------ codes in pointers ------ */

enum key { IA, IB, DA, DB, GA };

/* Functions sign and check the same return addresses again and again. */
static uint64_t compute(struct a64_cpu *c, uint64_t v, uint64_t modifier, enum key k)
{
	uint64_t k0 = c->apkey[k][0], w0 = c->apkey[k][1];
	uint64_t hash = (v ^ modifier >> 4 ^ k0) * UINT64_C(0x9e3779b97f4a7c15);
	struct a64_pac *e = &c->pac[hash >> 56];
	if (e->v != v || e->modifier != modifier || e->k0 != k0 || e->w0 != w0 || !e->valid)
		*e = (struct a64_pac){v, modifier, k0, w0, a64_qarma5(v, modifier, w0, k0), true};
	return e->code;
}

static bool enabled(const struct a64_cpu *c, enum key k)
{
	static const uint8_t bit[] = {31, 30, 27, 13}; /* SCTLR_EL1.EnIA EnIB EnDA EnDB */
	return c->sctlr >> bit[k] & 1;
}

/* CalculateBottomPACBit: the size of the half that the pointer is in */
static unsigned bottom(const struct a64_cpu *c, unsigned upper)
{
	unsigned tsz = c->tcr >> (upper ? 16 : 0) & 63, granule = c->tcr >> (upper ? 30 : 14) & 3;
	unsigned most = granule == (upper ? 3 : 1) ? 47 : 48; /* 64 KiB */
	return 64 - (tsz < 16 ? 16 : tsz > most ? most : tsz);
}

/* The bits that a code takes: from the bottom, without bit 55 and, with TBI, the top byte */
static uint64_t field(unsigned from, bool tbi)
{
	uint64_t bits = ~((UINT64_C(1) << from) - 1) & ~(UINT64_C(1) << 55);
	return tbi ? bits & ~(UINT64_C(0xff) << 56) : bits;
}

static uint64_t extended(uint64_t p, uint64_t code_bits, bool upper)
{
	uint64_t all = code_bits | UINT64_C(1) << 55;
	return upper ? p | all : p & ~all;
}

/* Which half it belongs to: bit 55 where the top byte is ignored in either, else bit 63. */
static bool half(const struct a64_cpu *c, uint64_t p, bool data)
{
	bool low = a64_tbi(c, 0, !data), high = a64_tbi(c, UINT64_MAX, !data);
	return p >> (low || high ? 55 : 63) & 1;
}

static uint64_t add(struct a64_cpu *c, uint64_t p, uint64_t modifier, enum key k)
{
	bool data = k >= DA, tbi = a64_tbi(c, p, !data), upper = half(c, p, data);
	if (!enabled(c, k))
		return p;
	uint64_t bits = field(bottom(c, upper), tbi), all = bits | UINT64_C(1) << 55, ext = extended(p, bits, upper);
	uint64_t code = compute(c, ext, modifier, k);
	if ((p & all) != 0 && (p & all) != all) /* not an address: the code must not be right */
		code ^= UINT64_C(1) << (tbi ? 54 : 62);
	return (ext & ~bits) | (code & bits);
}

static uint64_t strip(const struct a64_cpu *c, uint64_t p, bool data)
{
	bool upper = p >> 55 & 1;
	return extended(p, field(bottom(c, upper), a64_tbi(c, p, !data)), upper);
}

static uint64_t authenticate(struct a64_cpu *c, uint64_t p, uint64_t modifier, enum key k)
{
	bool data = k >= DA, tbi = a64_tbi(c, p, !data), upper = p >> 55 & 1;
	if (!enabled(c, k))
		return p;
	uint64_t bits = field(bottom(c, upper), tbi), ext = extended(p, bits, upper);
	if (((compute(c, ext, modifier, k) ^ p) & bits) == 0)
		return ext;
	unsigned at = tbi ? 53 : 61;
	return (ext & ~(UINT64_C(3) << at)) | (uint64_t)(k & 1 ? 2 : 1) << at;
}

/* ------ instructions ------ */

/* Bits 12:10: AUT, D, B; bit 13: modifier 0 */
static A64_HANDLER(pac)
{
	uint64_t p = X(op->rd == A64_R_SINK ? A64_R_ZR : op->rd);
	X(op->rd) = add(c, p, X(op->rn), (enum key)op->imm);
	return A64_NEXT(op);
}
static A64_HANDLER(aut)
{
	uint64_t p = X(op->rd == A64_R_SINK ? A64_R_ZR : op->rd);
	X(op->rd) = authenticate(c, p, X(op->rn), (enum key)op->imm);
	return A64_NEXT(op);
}
static A64_HANDLER(xpac)
{
	X(op->rd) = strip(c, X(op->rd == A64_R_SINK ? A64_R_ZR : op->rd), op->imm);
	return A64_NEXT(op);
}
static A64_HANDLER(pacga)
{
	X(op->rd) = compute(c, X(op->rn), X(op->rm), GA) & ~UINT64_C(0xffffffff);
	return A64_NEXT(op);
}

static void prep_register(struct a64_op *op)
{
	bool zero = op->insn >> 13 & 1;
	op->imm = op->insn >> 10 & 3;
	op->rn = zero ? A64_R_ZR : op->rn == 31 ? A64_R_SP : op->rn;
}
static void prep_xpac(struct a64_op *op)
{
	op->imm = op->insn >> 10 & 1;
}
static void prep_pacga(struct a64_op *op)
{
	op->imm = 0;
	if (op->rm == 31)
		op->rm = A64_R_SP;
}
static bool zero_or_register(uint32_t insn)
{
	return !(insn >> 13 & 1) || (insn >> 5 & 31) == 31;
}

/* Hints: CRm 1: X17 by X16; 3: X30 by 0 or SP. Bit 6: the B key; bit 7: AUT; bit 5 of CRm 3: SP. */
static void prep_hint(struct a64_op *op)
{
	bool lr = op->insn >> 8 & 2, sp = op->insn >> 5 & 1;
	op->imm = op->insn >> 6 & 1 ? IB : IA;
	op->rd = lr ? 30 : 17;
	op->rn = !lr ? 16 : sp ? A64_R_SP : A64_R_ZR;
	op->fn = op->insn >> 7 & 1 ? aut : pac;
}
static void prep_xpaclri(struct a64_op *op)
{
	op->imm = 0;
	op->rd = 30;
}

/* Branches: bit 10 the B key, bit 24 a modifier in 4:0 (SP for 31) */
static uint64_t target(struct a64_cpu *c, op_t op)
{
	return authenticate(c, X(op->rn), X(op->rm), (enum key)op->imm);
}
static A64_HANDLER(bra)
{
	return a64_indirect(c, target(c, op), op->rn == 16 || op->rn == 17 ? 1 : 3);
}
static A64_HANDLER(blra)
{
	uint64_t to = target(c, op);
	X(30) = a64_op_pc(c, op) + 4;
	return a64_indirect(c, to, 2);
}
static A64_HANDLER(reta)
{
	return a64_indirect(c, target(c, op), 0);
}
static A64_HANDLER(ereta)
{
	if (!c->el)
		a64_undef(c, op);
	a64_eret(c, authenticate(c, c->elr, X(A64_R_SP), (enum key)op->imm));
	return NULL;
}
static void prep_branch(struct a64_op *op)
{
	unsigned m = op->insn & 31;
	op->imm = op->insn >> 10 & 1 ? IB : IA;
	op->rm = (uint8_t)(!(op->insn >> 24 & 1) ? A64_R_ZR : m == 31 ? A64_R_SP : m);
}
static void prep_ret(struct a64_op *op)
{
	op->imm = op->insn >> 10 & 1 ? IB : IA;
	op->rn = 30;
	op->rm = A64_R_SP;
}

/* LDRAA, LDRAB: bit 23 the B key, bit 11 writes back */
static A64_HANDLER(ldra)
{
	uint64_t at = authenticate(c, X(op->rn), 0, op->insn >> 23 & 1 ? DB : DA) + op->imm;
	if (unlikely(op->rn == A64_R_SP))
		a64_sp_check(c, op);
	uint64_t v = a64_ld64(c, op, at);
	if (op->insn >> 11 & 1)
		X(op->rn) = at;
	X(op->rd) = v;
	return A64_NEXT(op);
}
static void prep_ldra(struct a64_op *op)
{
	op->imm = (uint64_t)a64_sext((op->insn >> 13 & 0x200) | (op->insn >> 12 & 0x1ff), 10) * 8;
	if (op->rd == 31)
		op->rd = A64_R_SINK;
}

static const struct a64_row rows[] = {
	{0xffffd000, 0xdac10000, "pac", pac, A64_OPS_X, A64_F_PAUTH, false, zero_or_register, prep_register},
	{0xffffd000, 0xdac11000, "aut", aut, A64_OPS_X, A64_F_PAUTH, false, zero_or_register, prep_register},
	{0xfffffbe0, 0xdac143e0, "xpac", xpac, A64_OPS_X, A64_F_PAUTH, false, NULL, prep_xpac},
	{0xffe0fc00, 0x9ac03000, "pacga", pacga, A64_OPS_X, A64_F_PAUTH, false, NULL, prep_pacga},
	{0xffffffff, 0xd50320ff, "xpaclri", xpac, A64_OPS_RAW, A64_F_PAUTH, false, NULL, prep_xpaclri},
	{0xffffff3f, 0xd503211f, "pac1716", NULL, A64_OPS_RAW, A64_F_PAUTH, false, NULL, prep_hint},
	{0xffffff1f, 0xd503231f, "paclr", NULL, A64_OPS_RAW, A64_F_PAUTH, false, NULL, prep_hint},
	{0xfffff800, 0xd71f0800, "bra", bra, A64_OPS_X, A64_F_PAUTH, true, NULL, prep_branch},
	{0xfffff81f, 0xd61f081f, "braz", bra, A64_OPS_X, A64_F_PAUTH, true, NULL, prep_branch},
	{0xfffff800, 0xd73f0800, "blra", blra, A64_OPS_X, A64_F_PAUTH, true, NULL, prep_branch},
	{0xfffff81f, 0xd63f081f, "blraz", blra, A64_OPS_X, A64_F_PAUTH, true, NULL, prep_branch},
	{0xfffffbff, 0xd65f0bff, "reta", reta, A64_OPS_X, A64_F_PAUTH, true, NULL, prep_ret},
	{0xfffffbff, 0xd69f0bff, "ereta", ereta, A64_OPS_X, A64_F_PAUTH, true, NULL, prep_ret},
	{0xff200400, 0xf8200400, "ldra", ldra, A64_OPS_RN_SP, A64_F_PAUTH, false, NULL, prep_ldra},
};
A64_TABLE(a64_rows_pauth);
