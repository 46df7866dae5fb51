/* int.c - data processing with general registers: immediate and register forms (Arm ARM C4.1.65, C4.1.66). */
#include "int.h"

#define X(n) c->x[n]
#define SF(insn) ((insn) >> 31)

/* ------ add and subtract ------ */

/* One handler for each width and direction: rd, first operand, second operand, and how the result goes. */
#define ADDSUB(name, second)                                                                                           \
	static A64_HANDLER(add_##name##_64)                                                                            \
	{                                                                                                              \
		X(op->rd) = X(op->rn) + (second);                                                                      \
		return A64_NEXT(op);                                                                                   \
	}                                                                                                              \
	static A64_HANDLER(add_##name##_32)                                                                            \
	{                                                                                                              \
		X(op->rd) = (uint32_t)(X(op->rn) + (second));                                                          \
		return A64_NEXT(op);                                                                                   \
	}                                                                                                              \
	static A64_HANDLER(sub_##name##_64)                                                                            \
	{                                                                                                              \
		X(op->rd) = X(op->rn) - (second);                                                                      \
		return A64_NEXT(op);                                                                                   \
	}                                                                                                              \
	static A64_HANDLER(sub_##name##_32)                                                                            \
	{                                                                                                              \
		X(op->rd) = (uint32_t)(X(op->rn) - (second));                                                          \
		return A64_NEXT(op);                                                                                   \
	}                                                                                                              \
	static A64_HANDLER(adds_##name##_64)                                                                           \
	{                                                                                                              \
		X(op->rd) = a64_adds64(c, X(op->rn), (second), 0);                                                     \
		return A64_NEXT(op);                                                                                   \
	}                                                                                                              \
	static A64_HANDLER(adds_##name##_32)                                                                           \
	{                                                                                                              \
		X(op->rd) = a64_adds32(c, (uint32_t)X(op->rn), (uint32_t)(second), 0);                                 \
		return A64_NEXT(op);                                                                                   \
	}                                                                                                              \
	static A64_HANDLER(subs_##name##_64)                                                                           \
	{                                                                                                              \
		X(op->rd) = a64_adds64(c, X(op->rn), ~(second), 1);                                                    \
		return A64_NEXT(op);                                                                                   \
	}                                                                                                              \
	static A64_HANDLER(subs_##name##_32)                                                                           \
	{                                                                                                              \
		X(op->rd) = a64_adds32(c, (uint32_t)X(op->rn), ~(uint32_t)(second), 1);                                \
		return A64_NEXT(op);                                                                                   \
	}                                                                                                              \
	static const a64_fn addsub_##name[8] = {add_##name##_32, adds_##name##_32, sub_##name##_32, subs_##name##_32,  \
						add_##name##_64, adds_##name##_64, sub_##name##_64, subs_##name##_64};

/* A shifted register: type LSL LSR ASR ROR in insn 23:22, amount in 15:10. */
static inline uint64_t shifted(uint64_t v, unsigned type, unsigned n, bool sf)
{
	switch (type) {
	case 0:
		return v << n;
	case 1:
		return sf ? v >> n : (uint64_t)((uint32_t)v >> n);
	case 2:
		return sf ? (uint64_t)((int64_t)v >> n) : (uint32_t)((int32_t)v >> n);
	default:
		return a64_ror(v, n, sf ? 64 : 32);
	}
}
static inline uint64_t operand_shifted(const struct a64_cpu *c, op_t op)
{
	return shifted(X(op->rm), op->insn >> 22 & 3, op->insn >> 10 & 63, SF(op->insn));
}
static inline uint64_t operand_extended(const struct a64_cpu *c, op_t op)
{
	return a64_extend(X(op->rm), op->insn >> 13 & 7, op->insn >> 10 & 7);
}
ADDSUB(imm, op->imm)
ADDSUB(reg, X(op->rm))
ADDSUB(lsl, (X(op->rm) << op->imm))
ADDSUB(sh, operand_shifted(c, op))
ADDSUB(ext, operand_extended(c, op))
ADDSUB(uxtw, ((uint64_t)(uint32_t)X(op->rm) << op->imm))
ADDSUB(sxtw, ((uint64_t)(int64_t)(int32_t)X(op->rm) << op->imm))

static unsigned form(uint32_t insn) /* sf, op, S */
{
	return insn >> 29 & 7;
}
/* The immediate form writes SP without flags, XZR with them. */
static void prep_addsub_imm(struct a64_op *op)
{
	bool s = op->insn >> 29 & 1;
	op->imm = (uint64_t)A64_BITS(op->insn, 21, 10) << (op->insn >> 22 & 1 ? 12 : 0);
	op->fn = addsub_imm[form(op->insn)];
	if (s && op->rd == A64_R_SP)
		op->rd = A64_R_SINK;
}
static void prep_addsub_shifted(struct a64_op *op)
{
	unsigned f = form(op->insn), n = op->insn >> 10 & 63;
	op->imm = n;
	op->fn = n == 0 ? addsub_reg[f] : (op->insn >> 22 & 3) == 0 ? addsub_lsl[f] : addsub_sh[f];
}
static void prep_addsub_ext(struct a64_op *op)
{
	bool s = op->insn >> 29 & 1;
	unsigned f = form(op->insn);
	bool plain = (op->insn >> 10 & 7) == 0 && (op->insn >> 13 & 3) == 3;
	unsigned option = op->insn >> 13 & 7;
	op->imm = op->insn >> 10 & 7;
	op->fn = plain ? addsub_reg[f] : (option == 2 ? addsub_uxtw : option == 6 ? addsub_sxtw : addsub_ext)[f];
	if (s && op->rd == A64_R_SP)
		op->rd = A64_R_SINK;
}
static bool shift_ok(uint32_t insn)
{
	return SF(insn) || !(insn & 0x8000);
}
static bool addsub_shift_ok(uint32_t insn)
{
	return shift_ok(insn) && (insn >> 22 & 3) != 3;
}
static bool ext_ok(uint32_t insn)
{
	return (insn >> 10 & 7) <= 4;
}

static A64_HANDLER(adc)
{
	uint64_t a = X(op->rn), b = op->insn >> 30 & 1 ? ~X(op->rm) : X(op->rm);
	bool s = op->insn >> 29 & 1, sf = SF(op->insn);
	unsigned carry = (unsigned)c->cf;
	if (s)
		X(op->rd) = sf ? a64_adds64(c, a, b, carry) : a64_adds32(c, (uint32_t)a, (uint32_t)b, carry);
	else
		X(op->rd) = sf ? a + b + carry : (uint32_t)(a + b + carry);
	return A64_NEXT(op);
}

/* ------ logical ------ */

#define LOGICAL(name, second)                                                                                          \
	static A64_HANDLER(and_##name)                                                                                 \
	{                                                                                                              \
		X(op->rd) = X(op->rn) & (second);                                                                      \
		return A64_NEXT(op);                                                                                   \
	}                                                                                                              \
	static A64_HANDLER(orr_##name)                                                                                 \
	{                                                                                                              \
		X(op->rd) = X(op->rn) | (second);                                                                      \
		return A64_NEXT(op);                                                                                   \
	}                                                                                                              \
	static A64_HANDLER(eor_##name)                                                                                 \
	{                                                                                                              \
		X(op->rd) = X(op->rn) ^ (second);                                                                      \
		return A64_NEXT(op);                                                                                   \
	}                                                                                                              \
	static A64_HANDLER(ands_##name)                                                                                \
	{                                                                                                              \
		uint64_t r = X(op->rn) & (second);                                                                     \
		X(op->rd) = c->nf = c->zf = r;                                                                         \
		c->cf = c->vf = 0;                                                                                     \
		return A64_NEXT(op);                                                                                   \
	}                                                                                                              \
	static A64_HANDLER(and32_##name)                                                                               \
	{                                                                                                              \
		X(op->rd) = (uint32_t)(X(op->rn) & (second));                                                          \
		return A64_NEXT(op);                                                                                   \
	}                                                                                                              \
	static A64_HANDLER(orr32_##name)                                                                               \
	{                                                                                                              \
		X(op->rd) = (uint32_t)(X(op->rn) | (second));                                                          \
		return A64_NEXT(op);                                                                                   \
	}                                                                                                              \
	static A64_HANDLER(eor32_##name)                                                                               \
	{                                                                                                              \
		X(op->rd) = (uint32_t)(X(op->rn) ^ (second));                                                          \
		return A64_NEXT(op);                                                                                   \
	}                                                                                                              \
	static A64_HANDLER(ands32_##name)                                                                              \
	{                                                                                                              \
		uint64_t r = (uint32_t)(X(op->rn) & (second));                                                         \
		X(op->rd) = c->zf = r;                                                                                 \
		c->nf = r << 32;                                                                                       \
		c->cf = c->vf = 0;                                                                                     \
		return A64_NEXT(op);                                                                                   \
	}                                                                                                              \
	static const a64_fn logical_##name[8] = {and32_##name, orr32_##name, eor32_##name, ands32_##name,              \
						 and_##name,   orr_##name,   eor_##name,   ands_##name};
LOGICAL(imm, op->imm)
LOGICAL(reg, X(op->rm))
LOGICAL(not, ~X(op->rm))
LOGICAL(sh, operand_shifted(c, op))
LOGICAL(shnot, ~operand_shifted(c, op))
LOGICAL(lsl, (X(op->rm) << op->imm))
LOGICAL(lsr, (X(op->rm) >> op->imm))
LOGICAL(ror, (X(op->rm) >> op->imm | X(op->rm) << (64 - op->imm)))
LOGICAL(lsr32, ((uint32_t)X(op->rm) >> op->imm))
LOGICAL(ror32, ((uint32_t)X(op->rm) >> op->imm | X(op->rm) << (32 - op->imm)))

static A64_HANDLER(mov_reg)
{
	X(op->rd) = X(op->rm);
	return A64_NEXT(op);
}
static A64_HANDLER(mov_reg32)
{
	X(op->rd) = (uint32_t)X(op->rm);
	return A64_NEXT(op);
}

bool a64_bitmask(unsigned n, unsigned imms, unsigned immr, bool sf, uint64_t *mask)
{
	unsigned combined = n << 6 | (~imms & 63), len = 0;
	for (unsigned i = 1; i < 7; i++)
		if (combined >> i & 1)
			len = i;
	if (!len || (!sf && n))
		return false;
	unsigned size = 1u << len, s = imms & (size - 1), r = immr & (size - 1);
	if (s == size - 1)
		return false;
	uint64_t v = a64_ror(((uint64_t)2 << s) - 1, r, size);
	for (unsigned at = size; at < 64; at *= 2)
		v |= v << at;
	*mask = sf ? v : (uint32_t)v;
	return true;
}
static bool bitmask_ok(uint32_t insn)
{
	uint64_t mask;
	return a64_bitmask(insn >> 22 & 1, insn >> 10 & 63, insn >> 16 & 63, SF(insn), &mask);
}
static unsigned logical_form(uint32_t insn)
{
	return SF(insn) << 2 | (insn >> 29 & 3);
}
static void prep_logical_imm(struct a64_op *op)
{
	uint32_t insn = op->insn;
	a64_bitmask(insn >> 22 & 1, insn >> 10 & 63, insn >> 16 & 63, SF(insn), &op->imm);
	op->fn = logical_imm[logical_form(insn)];
	op->rn = insn >> 5 & 31;
	if ((insn >> 29 & 3) == 3 && op->rd == A64_R_SP)
		op->rd = A64_R_SINK;
}
static void prep_logical_reg(struct a64_op *op)
{
	uint32_t insn = op->insn;
	bool invert = insn >> 21 & 1, shift = (insn >> 10 & 63) || (insn >> 22 & 3);
	unsigned f = logical_form(insn);
	const a64_fn *by_kind[2][4] = {{logical_lsl, logical_lsr32, logical_sh, logical_ror32},
				       {logical_lsl, logical_lsr, logical_sh, logical_ror}};
	unsigned n = insn >> 10 & 63, kind = n ? insn >> 22 & 3 : 2;
	op->imm = n;
	op->fn = !shift   ? (invert ? logical_not : logical_reg)[f]
		 : invert ? logical_shnot[f]
			  : by_kind[SF(insn)][kind][f];
	if (!shift && !invert && (f & 3) == 1 && op->rn == A64_R_ZR)
		op->fn = SF(insn) ? mov_reg : mov_reg32;
}

/* ------ moves, addresses ------ */

static A64_HANDLER(mov_imm)
{
	X(op->rd) = op->imm;
	return A64_NEXT(op);
}
static A64_HANDLER(movk)
{
	unsigned at = 16 * (op->insn >> 21 & 3);
	uint64_t v = (X(op->rd == A64_R_SINK ? A64_R_ZR : op->rd) & ~((uint64_t)0xffff << at)) | op->imm;
	X(op->rd) = SF(op->insn) ? v : (uint32_t)v;
	return A64_NEXT(op);
}
static bool wide_ok(uint32_t insn)
{
	return SF(insn) || !(insn >> 22 & 1);
}
static void prep_movz(struct a64_op *op)
{
	uint64_t v = (uint64_t)A64_BITS(op->insn, 20, 5) << 16 * (op->insn >> 21 & 3);
	if ((op->insn >> 29 & 3) == 0)
		v = ~v;
	op->imm = SF(op->insn) ? v : (uint32_t)v;
}
static void prep_movk(struct a64_op *op)
{
	op->imm = (uint64_t)A64_BITS(op->insn, 20, 5) << 16 * (op->insn >> 21 & 3);
}
static A64_HANDLER(adr)
{
	X(op->rd) = c->code_page + op->imm;
	return A64_NEXT(op);
}
static void prep_adr(struct a64_op *op)
{
	uint64_t v = (uint64_t)a64_sext((uint64_t)A64_BITS(op->insn, 23, 5) << 2 | (op->insn >> 29 & 3), 21);
	op->imm = op->insn >> 31 ? v << 12 : op->imm + v;
}

/* ------ bit fields ------ */

/* wmask and tmask of Arm ARM C6.2.385 (UBFM) come down to: a field of `len` bits from `from` goes to `to`. Prepared:
 * imm is its mask; ra is where it goes; rm is where it is from, or for SBFM how far up its top bit is from bit 63. */
static A64_HANDLER(ubfm)
{
	X(op->rd) = (X(op->rn) >> op->rm & op->imm) << op->ra;
	return A64_NEXT(op);
}
static A64_HANDLER(sbfm)
{
	X(op->rd) = (uint64_t)((int64_t)(X(op->rn) << op->rm) >> op->imm) << op->ra;
	return A64_NEXT(op);
}
static A64_HANDLER(sbfm32)
{
	X(op->rd) = (uint32_t)((uint64_t)((int64_t)(X(op->rn) << op->rm) >> op->imm) << op->ra);
	return A64_NEXT(op);
}
static A64_HANDLER(bfm)
{
	uint64_t v = (X(op->rn) >> op->rm & op->imm) << op->ra, old = X(op->rd == A64_R_SINK ? A64_R_ZR : op->rd);
	v |= old & ~(op->imm << op->ra);
	X(op->rd) = SF(op->insn) ? v : (uint32_t)v;
	return A64_NEXT(op);
}
static unsigned prep_field(struct a64_op *op)
{
	unsigned width = SF(op->insn) ? 64 : 32, r = op->insn >> 16 & 63, s = op->insn >> 10 & 63;
	unsigned len = s >= r ? s - r + 1 : s + 1;
	op->rm = (uint8_t)(s >= r ? r : 0);
	op->ra = (uint8_t)(s >= r ? 0 : width - r);
	op->imm = len == 64 ? UINT64_MAX : ((uint64_t)1 << len) - 1;
	return len;
}
static void prep_bfm(struct a64_op *op)
{
	prep_field(op);
}
static A64_HANDLER(lsl_imm)
{
	X(op->rd) = X(op->rn) << op->imm;
	return A64_NEXT(op);
}
static A64_HANDLER(lsr_imm)
{
	X(op->rd) = X(op->rn) >> op->imm;
	return A64_NEXT(op);
}
static A64_HANDLER(asr_imm)
{
	X(op->rd) = (uint64_t)((int64_t)X(op->rn) >> op->imm);
	return A64_NEXT(op);
}
static A64_HANDLER(lsl_imm32)
{
	X(op->rd) = (uint32_t)X(op->rn) << op->imm;
	return A64_NEXT(op);
}
static A64_HANDLER(lsr_imm32)
{
	X(op->rd) = (uint32_t)X(op->rn) >> op->imm;
	return A64_NEXT(op);
}
static A64_HANDLER(uxt)
{
	X(op->rd) = X(op->rn) & op->imm;
	return A64_NEXT(op);
}
static A64_HANDLER(sxtw)
{
	X(op->rd) = (uint64_t)(int32_t)X(op->rn);
	return A64_NEXT(op);
}
static void prep_ubfm(struct a64_op *op)
{
	unsigned width = SF(op->insn) ? 64 : 32, r = op->insn >> 16 & 63, s = op->insn >> 10 & 63;
	prep_field(op);
	if (s == width - 1) {
		op->imm = r;
		op->fn = width == 64 ? lsr_imm : lsr_imm32;
	} else if (s + 1 == r) {
		op->imm = width - r;
		op->fn = width == 64 ? lsl_imm : lsl_imm32;
	} else if (r == 0) {
		op->imm = ((uint64_t)2 << s) - 1;
		op->fn = uxt;
	}
}
static void prep_sbfm(struct a64_op *op)
{
	unsigned r = op->insn >> 16 & 63, s = op->insn >> 10 & 63, len = prep_field(op);
	op->rm = (uint8_t)(64 - len - op->rm);
	op->imm = 64 - len;
	if (SF(op->insn) && s == 63) {
		op->imm = r;
		op->fn = asr_imm;
	} else if (SF(op->insn) && r == 0 && s == 31) {
		op->fn = sxtw;
	} else if (!SF(op->insn)) {
		op->fn = sbfm32;
	}
}
static bool field_ok(uint32_t insn)
{
	bool sf = SF(insn);
	return (insn >> 22 & 1) == sf && (sf || !(insn & 0x208000));
}
static A64_HANDLER(ror_imm)
{
	X(op->rd) = X(op->rn) >> op->imm | X(op->rn) << (64 - op->imm);
	return A64_NEXT(op);
}
static A64_HANDLER(ror_imm32)
{
	X(op->rd) = (uint32_t)X(op->rn) >> op->imm | (uint32_t)X(op->rn) << (32 - op->imm);
	return A64_NEXT(op);
}
static A64_HANDLER(extr)
{
	unsigned width = SF(op->insn) ? 64 : 32, n = op->insn >> 10 & 63;
	uint64_t lo = X(op->rm), hi = X(op->rn);
	if (n && width == 64)
		lo = lo >> n | hi << (64 - n);
	else if (n)
		lo = (uint32_t)lo >> n | hi << (32 - n);
	X(op->rd) = width == 64 ? lo : (uint32_t)lo;
	return A64_NEXT(op);
}

static void prep_extr(struct a64_op *op)
{
	op->imm = op->insn >> 10 & 63;
	if (op->imm && op->rn == op->rm)
		op->fn = SF(op->insn) ? ror_imm : ror_imm32;
}

/* ------ conditional ------ */

/* The flags of a condition and of its opposite, in the order of the conditions' numbers */
#define CONDS(C)                                                                                                       \
	C(eq, c->zf == 0)                                                                                              \
	C(cs, c->cf)                                                                                                   \
	C(mi, c->nf >> 63)                                                                                             \
	C(vs, c->vf)                                                                                                   \
	C(hi, c->cf && c->zf != 0)                                                                                     \
	C(ge, (c->nf >> 63) == c->vf)                                                                                  \
	C(gt, (c->nf >> 63) == c->vf && c->zf != 0)                                                                    \
	C(al, true)
static inline uint64_t other(const struct a64_cpu *c, op_t op)
{
	uint64_t v = X(op->rm);
	v = op->insn >> 30 & 1 ? ~v : v;
	return v + (op->insn >> 10 & 1);
}
/* The plain one of both widths by itself; the rest: CSINC, CSINV, CSNEG. */
#define CSEL(name, holds)                                                                                              \
	static A64_HANDLER(csel_##name)                                                                                \
	{                                                                                                              \
		uint64_t yes = X(op->rn), no = X(op->rm);                                                              \
		X(op->rd) = (holds ? yes : no) & op->imm;                                                              \
		return A64_NEXT(op);                                                                                   \
	}                                                                                                              \
	static A64_HANDLER(cselnot_##name)                                                                             \
	{                                                                                                              \
		uint64_t no = X(op->rn), yes = X(op->rm);                                                              \
		X(op->rd) = (holds ? yes : no) & op->imm;                                                              \
		return A64_NEXT(op);                                                                                   \
	}                                                                                                              \
	static A64_HANDLER(csop_##name)                                                                                \
	{                                                                                                              \
		uint64_t yes = X(op->rn), no = other(c, op);                                                           \
		X(op->rd) = (holds ? yes : no) & op->imm;                                                              \
		return A64_NEXT(op);                                                                                   \
	}                                                                                                              \
	static A64_HANDLER(csopnot_##name)                                                                             \
	{                                                                                                              \
		uint64_t no = X(op->rn), yes = other(c, op);                                                           \
		X(op->rd) = (holds ? yes : no) & op->imm;                                                              \
		return A64_NEXT(op);                                                                                   \
	}
CONDS(CSEL)

static void prep_csel(struct a64_op *op)
{
#define CSEL_FNS(name, holds) {csel_##name, cselnot_##name, csop_##name, csopnot_##name},
	static const a64_fn fn[8][4] = {CONDS(CSEL_FNS)};
#undef CSEL_FNS
	unsigned cond = op->insn >> 12 & 15, plain = !(op->insn & 0x40000400);
	op->imm = SF(op->insn) ? UINT64_MAX : UINT32_MAX;
	op->fn = fn[cond >> 1][(plain ? 0 : 2) + (cond < 14 ? cond & 1 : 0)];
}
static A64_HANDLER(ccmp)
{
	if (!a64_cond(c, op->insn >> 12 & 15)) {
		a64_set_nzcv(c, op->insn & 15);
		return A64_NEXT(op);
	}
	bool cmn = !(op->insn >> 30 & 1);
	uint64_t b = op->insn >> 11 & 1 ? op->insn >> 16 & 31 : X(op->rm);
	if (SF(op->insn))
		a64_adds64(c, X(op->rn), cmn ? b : ~b, !cmn);
	else
		a64_adds32(c, (uint32_t)X(op->rn), cmn ? (uint32_t)b : ~(uint32_t)b, !cmn);
	return A64_NEXT(op);
}

/* ------ flags ------ */

static A64_HANDLER(cfinv)
{
	c->cf ^= 1;
	return A64_NEXT(op);
}
static A64_HANDLER(rmif)
{
	unsigned v = (unsigned)a64_ror(X(op->rn), op->insn >> 15 & 63, 64) & 15, mask = op->insn & 15;
	a64_set_nzcv(c, (a64_nzcv(c) & ~mask) | (v & mask));
	return A64_NEXT(op);
}
static A64_HANDLER(setf)
{
	unsigned top = op->insn >> 14 & 1 ? 15 : 7;
	uint32_t v = (uint32_t)X(op->rn);
	c->nf = (uint64_t)v << (63 - top);
	c->zf = v & ((2u << top) - 1);
	c->vf = (v >> (top + 1) ^ v >> top) & 1;
	return A64_NEXT(op);
}

static const struct a64_row rows[] = {
	{0x1f800000, 0x11000000, "addsub_imm", NULL, A64_OPS_SP, A64_ALWAYS, false, NULL, prep_addsub_imm},
	{0x1f200000, 0x0b000000, "addsub_shifted", NULL, A64_OPS_X, A64_ALWAYS, false, addsub_shift_ok,
	 prep_addsub_shifted},
	{0x1fe00000, 0x0b200000, "addsub_extended", NULL, A64_OPS_SP, A64_ALWAYS, false, ext_ok, prep_addsub_ext},
	{0x1fe0fc00, 0x1a000000, "adc", adc, A64_OPS_X, A64_ALWAYS, false, NULL, NULL},
	{0x1f800000, 0x12000000, "logical_imm", NULL, A64_OPS_SP, A64_ALWAYS, false, bitmask_ok, prep_logical_imm},
	{0x1f000000, 0x0a000000, "logical_shifted", NULL, A64_OPS_X, A64_ALWAYS, false, shift_ok, prep_logical_reg},
	{0x7f800000, 0x12800000, "movn", mov_imm, A64_OPS_X, A64_ALWAYS, false, wide_ok, prep_movz},
	{0x7f800000, 0x52800000, "movz", mov_imm, A64_OPS_X, A64_ALWAYS, false, wide_ok, prep_movz},
	{0x7f800000, 0x72800000, "movk", movk, A64_OPS_X, A64_ALWAYS, false, wide_ok, prep_movk},
	{0x1f000000, 0x10000000, "adr", adr, A64_OPS_X, A64_ALWAYS, false, NULL, prep_adr},
	{0x7f800000, 0x13000000, "sbfm", sbfm, A64_OPS_X, A64_ALWAYS, false, field_ok, prep_sbfm},
	{0x7f800000, 0x33000000, "bfm", bfm, A64_OPS_X, A64_ALWAYS, false, field_ok, prep_bfm},
	{0x7f800000, 0x53000000, "ubfm", ubfm, A64_OPS_X, A64_ALWAYS, false, field_ok, prep_ubfm},
	{0x7fa00000, 0x13800000, "extr", extr, A64_OPS_X, A64_ALWAYS, false, field_ok, prep_extr},
	{0x3fe00800, 0x1a800000, "csel", NULL, A64_OPS_X, A64_ALWAYS, false, NULL, prep_csel},
	{0x3fe00410, 0x3a400000, "ccmp", ccmp, A64_OPS_X, A64_ALWAYS, false, NULL, NULL},
	{0xffffffff, 0xd500401f, "cfinv", cfinv, A64_OPS_X, A64_F_FLAGM, false, NULL, NULL},
	{0xffe07c10, 0xba000400, "rmif", rmif, A64_OPS_X, A64_F_FLAGM, false, NULL, NULL},
	{0xffffbc1f, 0x3a00080d, "setf", setf, A64_OPS_X, A64_F_FLAGM, false, NULL, NULL},
};
A64_TABLE(a64_rows_int);
