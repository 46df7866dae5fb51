/* fp.c - scalar floating point (Arm ARM C4.1.96) that vectors do not have too: fused multiplications, compares, selects,
 * conversions, moves. */
#include "fp.h"

static unsigned size_of(uint32_t insn)
{
	static const uint8_t sizes[4] = {4, 8, 0, 2};
	return sizes[insn >> 22 & 3];
}
static uint64_t get(const struct a64_cpu *c, unsigned n, unsigned size)
{
	const union a64_vec *v = &c->v[n & 31];
	return size == 2 ? v->h[0] : size == 4 ? v->s[0] : v->d[0];
}
static void put(struct a64_cpu *c, unsigned n, uint64_t value)
{
	c->v[n & 31] = (union a64_vec){.d = {value, 0}};
}

/* ------ three sources ------ */

/* FMADD, FMSUB, FNMADD, FNMSUB: o1 negates the addend and the product, o0 the product again */
static void muladd(struct a64_cpu *c, const struct a64_op *op)
{
	const unsigned size = size_of(op->insn), o1 = op->insn >> 21 & 1, o0 = op->insn >> 15 & 1;
	const uint64_t sign = a64_fp_sign(size);
	uint64_t addend = get(c, op->ra, size), a = get(c, op->rn, size);
	struct a64_fp f;
	a64_fp_begin(&f, c);
	addend ^= o1 ? sign : 0;
	a ^= o1 != o0 ? sign : 0;
	put(c, op->rd, a64_fp_muladd(&f, size, addend, a, get(c, op->rm, size)));
	a64_fp_end(c, &f);
}
static A64_HANDLER(fmadd)
{
	a64_fp_check(c, op);
	muladd(c, op);
	return A64_NEXT(op);
}

/* ------ one source ------ */

static A64_HANDLER(fmov)
{
	const unsigned size = size_of(op->insn);
	a64_fp_check(c, op);
	put(c, op->rd, get(c, op->rn, size));
	return A64_NEXT(op);
}
static A64_HANDLER(fabs_)
{
	const unsigned size = size_of(op->insn);
	a64_fp_check(c, op);
	put(c, op->rd, get(c, op->rn, size) & ~a64_fp_sign(size));
	return A64_NEXT(op);
}
static A64_HANDLER(fneg)
{
	const unsigned size = size_of(op->insn);
	a64_fp_check(c, op);
	put(c, op->rd, get(c, op->rn, size) ^ a64_fp_sign(size));
	return A64_NEXT(op);
}
static void root(struct a64_cpu *c, const struct a64_op *op)
{
	const unsigned size = size_of(op->insn);
	struct a64_fp f;
	a64_fp_begin(&f, c);
	put(c, op->rd, a64_fp_sqrt(&f, size, get(c, op->rn, size)));
	a64_fp_end(c, &f);
}
static A64_HANDLER(fsqrt)
{
	a64_fp_check(c, op);
	root(c, op);
	return A64_NEXT(op);
}
/* opcode bits 16:15 are the size to convert to */
static void convert(struct a64_cpu *c, const struct a64_op *op)
{
	static const uint8_t sizes[4] = {4, 8, 0, 2};
	const unsigned from = size_of(op->insn), to = sizes[op->insn >> 15 & 3];
	struct a64_fp f;
	a64_fp_begin(&f, c);
	put(c, op->rd, a64_fp_convert(&f, to, from, get(c, op->rn, from)));
	a64_fp_end(c, &f);
}
static A64_HANDLER(fcvt)
{
	a64_fp_check(c, op);
	convert(c, op);
	return A64_NEXT(op);
}
static bool fcvt_ok(uint32_t insn)
{
	const unsigned from = insn >> 22 & 3, to = insn >> 15 & 3;
	return from != 2 && to != 2 && from != to;
}
/* FRINTN P M Z A, X (by FPCR, tells inexactness), I (by FPCR) */
static void round_to_int(struct a64_cpu *c, const struct a64_op *op)
{
	const unsigned size = size_of(op->insn), how = op->insn >> 15 & 7;
	const unsigned mode = how < 5 ? how : c->fpcr >> 22 & 3;
	struct a64_fp f;
	a64_fp_begin(&f, c);
	put(c, op->rd, a64_fp_round(&f, size, get(c, op->rn, size), mode, how == 6));
	a64_fp_end(c, &f);
}
static A64_HANDLER(frint)
{
	a64_fp_check(c, op);
	round_to_int(c, op);
	return A64_NEXT(op);
}
static void prep_fmov_imm(struct a64_op *op)
{
	op->imm = a64_fp_immediate(size_of(op->insn), op->insn >> 13 & 0xff);
}
static A64_HANDLER(fmov_imm)
{
	a64_fp_check(c, op);
	put(c, op->rd, op->imm);
	return A64_NEXT(op);
}

/* ------ compares and selects ------ */

static void compare(struct a64_cpu *c, const struct a64_op *op, uint64_t b, bool signalling)
{
	static const uint8_t nzcv[4] = {8, 6, 2, 3}; /* less, equal, greater, unordered */
	const unsigned size = size_of(op->insn);
	struct a64_fp f;
	a64_fp_begin(&f, c);
	a64_set_nzcv(c, nzcv[a64_fp_compare(&f, size, get(c, op->rn, size), b, signalling) + 1]);
	a64_fp_end(c, &f);
}
static A64_HANDLER(fcmp)
{
	a64_fp_check(c, op);
	compare(c, op, op->insn & 8 ? 0 : get(c, op->rm, size_of(op->insn)), op->insn & 16);
	return A64_NEXT(op);
}
static A64_HANDLER(fccmp)
{
	a64_fp_check(c, op);
	if (a64_cond(c, op->insn >> 12 & 15)) {
		compare(c, op, get(c, op->rm, size_of(op->insn)), op->insn & 16);
	} else {
		a64_set_nzcv(c, op->insn & 15);
	}
	return A64_NEXT(op);
}
static A64_HANDLER(fcsel)
{
	const unsigned size = size_of(op->insn);
	a64_fp_check(c, op);
	put(c, op->rd, get(c, a64_cond(c, op->insn >> 12 & 15) ? op->rn : op->rm, size));
	return A64_NEXT(op);
}

/* ------ to and from integers ------ */

static unsigned width(uint32_t insn)
{
	return insn >> 31 ? 64 : 32;
}
static uint64_t x_of(const struct a64_cpu *c, unsigned n)
{
	return n == 31 ? 0 : c->x[n];
}
static void put_x(struct a64_cpu *c, unsigned n, uint64_t v)
{
	if (n != 31)
		c->x[n] = v;
}
/* imm: the rounding mode and the bits of fraction */
static void to_fixed(struct a64_cpu *c, const struct a64_op *op)
{
	const unsigned size = size_of(op->insn);
	struct a64_fp f;
	a64_fp_begin(&f, c);
	put_x(c, op->insn & 31,
	      a64_fp_to_fixed(&f, size, get(c, op->rn, size), width(op->insn), op->insn >> 16 & 1, (unsigned)op->imm >> 8, op->imm & 7));
	a64_fp_end(c, &f);
}
static A64_HANDLER(fcvt_to_int)
{
	a64_fp_check(c, op);
	to_fixed(c, op);
	return A64_NEXT(op);
}
static void from_fixed(struct a64_cpu *c, const struct a64_op *op)
{
	struct a64_fp f;
	a64_fp_begin(&f, c);
	put(c, op->insn & 31,
	    a64_fp_from_fixed(&f, size_of(op->insn), x_of(c, op->rn), width(op->insn), op->insn >> 16 & 1, (unsigned)op->imm >> 8));
	a64_fp_end(c, &f);
}
static A64_HANDLER(cvtf)
{
	a64_fp_check(c, op);
	from_fixed(c, op);
	return A64_NEXT(op);
}
static void prep_rmode(struct a64_op *op)
{
	op->imm = op->insn >> 19 & 3;
}
static void prep_away(struct a64_op *op)
{
	op->imm = A64_RA;
}
static void prep_fixed(struct a64_op *op)
{
	op->imm = (64 - (op->insn >> 10 & 63)) << 8 | A64_RZ;
}
static bool scale_ok(uint32_t insn)
{
	return insn >> 31 || insn >> 15 & 1;
}

/* FJCVTZS: modulo 2^32; Z says that nothing was lost (FPToFixedJS). */
static void to_javascript(struct a64_cpu *c, const struct a64_op *op)
{
	struct a64_fp f;
	a64_fp_begin(&f, c);
	struct sf_num a = a64_fp_unpack(&f, 8, get(c, op->rn, 8));
	uint64_t v = 0;
	bool exact = a.cls == SF_ZERO && !a.sign;
	if (a.cls == SF_INF || sf_is_nan(a)) {
		f.e.flags |= SF_I;
	} else if (a.cls == SF_FINITE) {
		const bool whole = a.exp >= 63 || (a.exp >= 0 && !(a.sig << (a.exp + 1)));
		v = a.exp < 0 ? 0 : a.exp <= 63 ? a.sig >> (63 - a.exp) : a.exp - 63 < 64 ? a.sig << (a.exp - 63) : 0;
		const bool fits = a.exp < 31 || (a.exp == 31 && a.sign && v == 0x80000000);
		exact = whole && fits;
		f.e.flags |= !fits ? SF_I : whole ? 0 : SF_P;
		v = a.sign ? 0 - v : v;
	}
	if (f.fpsr & A64_IDC)
		exact = false;
	put_x(c, op->insn & 31, (uint32_t)v);
	c->nf = c->cf = c->vf = 0;
	c->zf = !exact;
	a64_fp_end(c, &f);
}
static A64_HANDLER(fjcvtzs)
{
	a64_fp_check(c, op);
	to_javascript(c, op);
	return A64_NEXT(op);
}

/* ------ rows: single and double, then half ------ */

static bool sd(uint32_t insn)
{
	return !(insn >> 23 & 1);
}
static bool half(uint32_t insn)
{
	return (insn >> 22 & 3) == 3;
}
static bool sd_fixed(uint32_t insn)
{
	return sd(insn) && scale_ok(insn);
}
static bool half_fixed(uint32_t insn)
{
	return half(insn) && scale_ok(insn);
}
#define ROWS(mask, value, name, fn, prep)                                                                              \
	{mask, value, name, fn, A64_OPS_RAW, A64_ALWAYS, false, sd, prep},                                             \
		{mask, value, name, fn, A64_OPS_RAW, A64_F_FP16, false, half, prep}
#define FIXED(value, name, fn)                                                                                         \
	{0x7f3f0000, value, name, fn, A64_OPS_RAW, A64_ALWAYS, false, sd_fixed, prep_fixed},                           \
		{0x7f3f0000, value, name, fn, A64_OPS_RAW, A64_F_FP16, false, half_fixed, prep_fixed}
#define INTEGER(value, name, fn, prep) ROWS(0x7f3ffc00, value, name, fn, prep)
static const struct a64_row rows[] = {
	ROWS(0xff208000, 0x1f000000, "fmadd", fmadd, NULL),
	ROWS(0xff208000, 0x1f008000, "fmsub", fmadd, NULL),
	ROWS(0xff208000, 0x1f200000, "fnmadd", fmadd, NULL),
	ROWS(0xff208000, 0x1f208000, "fnmsub", fmadd, NULL),
	ROWS(0xff3ffc00, 0x1e204000, "fmov", fmov, NULL),
	ROWS(0xff3ffc00, 0x1e20c000, "fabs", fabs_, NULL),
	ROWS(0xff3ffc00, 0x1e214000, "fneg", fneg, NULL),
	ROWS(0xff3ffc00, 0x1e21c000, "fsqrt", fsqrt, NULL),
	{0xff3e7c00, 0x1e224000, "fcvt", fcvt, A64_OPS_RAW, A64_ALWAYS, false, fcvt_ok, NULL},
	ROWS(0xff3ffc00, 0x1e244000, "frintn", frint, NULL),
	ROWS(0xff3ffc00, 0x1e24c000, "frintp", frint, NULL),
	ROWS(0xff3ffc00, 0x1e254000, "frintm", frint, NULL),
	ROWS(0xff3ffc00, 0x1e25c000, "frintz", frint, NULL),
	ROWS(0xff3ffc00, 0x1e264000, "frinta", frint, NULL),
	ROWS(0xff3ffc00, 0x1e274000, "frintx", frint, NULL),
	ROWS(0xff3ffc00, 0x1e27c000, "frinti", frint, NULL),
	ROWS(0xff201fe0, 0x1e201000, "fmov", fmov_imm, prep_fmov_imm),
	ROWS(0xff20fc1f, 0x1e202000, "fcmp", fcmp, NULL),
	ROWS(0xff20fc1f, 0x1e202008, "fcmp", fcmp, NULL),
	ROWS(0xff20fc1f, 0x1e202010, "fcmpe", fcmp, NULL),
	ROWS(0xff20fc1f, 0x1e202018, "fcmpe", fcmp, NULL),
	ROWS(0xff200c10, 0x1e200400, "fccmp", fccmp, NULL),
	ROWS(0xff200c10, 0x1e200410, "fccmpe", fccmp, NULL),
	ROWS(0xff200c00, 0x1e200c00, "fcsel", fcsel, NULL),
	INTEGER(0x1e200000, "fcvtns", fcvt_to_int, prep_rmode),
	INTEGER(0x1e210000, "fcvtnu", fcvt_to_int, prep_rmode),
	INTEGER(0x1e280000, "fcvtps", fcvt_to_int, prep_rmode),
	INTEGER(0x1e290000, "fcvtpu", fcvt_to_int, prep_rmode),
	INTEGER(0x1e300000, "fcvtms", fcvt_to_int, prep_rmode),
	INTEGER(0x1e310000, "fcvtmu", fcvt_to_int, prep_rmode),
	INTEGER(0x1e380000, "fcvtzs", fcvt_to_int, prep_rmode),
	INTEGER(0x1e390000, "fcvtzu", fcvt_to_int, prep_rmode),
	INTEGER(0x1e240000, "fcvtas", fcvt_to_int, prep_away),
	INTEGER(0x1e250000, "fcvtau", fcvt_to_int, prep_away),
	INTEGER(0x1e220000, "scvtf", cvtf, NULL),
	INTEGER(0x1e230000, "ucvtf", cvtf, NULL),
	FIXED(0x1e180000, "fcvtzs", fcvt_to_int),
	FIXED(0x1e190000, "fcvtzu", fcvt_to_int),
	FIXED(0x1e020000, "scvtf", cvtf),
	FIXED(0x1e030000, "ucvtf", cvtf),
	{0xfffffc00, 0x1e7e0000, "fjcvtzs", fjcvtzs, A64_OPS_RAW, A64_F_JSCVT, false, NULL, NULL},
};
const struct a64_rows a64_rows_fp = {rows, sizeof rows / sizeof *rows};
