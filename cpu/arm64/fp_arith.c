/* fp_arith.c - the operations of fp.h. */
#include "fp.h"

#define TOP (UINT64_C(1) << 63)
#define QUIET (UINT64_C(1) << 62)

void a64_fp_begin(struct a64_fp *f, const struct a64_cpu *c)
{
	static const uint8_t rc[4] = {SF_NEAREST, SF_UP, SF_DOWN, SF_TRUNC};
	*f = (struct a64_fp){.e = {.rc = rc[c->fpcr >> 22 & 3], .arm = true, .masks = 0x3f}, .fpcr = c->fpcr};
}

/* Softfloat's denormal flag has no meaning here: IDC says that one was flushed. */
void a64_fp_end(struct a64_cpu *c, const struct a64_fp *f)
{
	const unsigned s = f->e.flags;
	c->fpsr |= f->fpsr | (s & SF_I ? A64_IOC : 0) | (s & SF_Z ? A64_DZC : 0) | (s & SF_O ? A64_OFC : 0) |
		   (s & SF_U ? A64_UFC : 0) | (s & SF_P ? A64_IXC : 0);
}

bool a64_fp_flushes(const struct a64_fp *f, unsigned size)
{
	return f->fpcr & (size == 2 ? A64_FPCR_FZ16 : A64_FPCR_FZ);
}

static enum sf_kind kind(unsigned size)
{
	return size == 2 ? SF16 : size == 4 ? SF32 : SF64;
}

/* What results of that size do when they are tiny. */
static void for_result(struct a64_fp *f, unsigned size)
{
	f->e.ftz = a64_fp_flushes(f, size);
}

struct sf_num a64_fp_unpack(struct a64_fp *f, unsigned size, uint64_t v)
{
	static const struct sf_env plain;
	struct sf_num n = size == 2 ? sf_unpack16((uint16_t)v) : size == 4 ? sf_unpack32(&plain, (uint32_t)v) : sf_unpack64(&plain, v);
	const bool tiny = n.cls == SF_FINITE && n.exp < (size == 2 ? -14 : size == 4 ? -126 : -1022);
	n.denormal = false;
	if (!tiny || !a64_fp_flushes(f, size))
		return n;
	f->fpsr |= size == 2 ? 0 : A64_IDC;
	return (struct sf_num){SF_ZERO, n.sign, false, 0, 0};
}

uint64_t a64_fp_pack(struct a64_fp *f, unsigned size, struct sf_num n)
{
	if (n.cls >= SF_QNAN && f->fpcr & A64_FPCR_DN)
		n = (struct sf_num){SF_QNAN, false, false, 0, TOP | QUIET};
	return size == 2 ? sf_pack16(n) : size == 4 ? sf_pack32(n) : sf_pack64(n);
}

/* FPDefaultNaN is positive. */
static struct sf_num default_nan(void)
{
	return (struct sf_num){SF_QNAN, false, false, 0, TOP | QUIET};
}
static struct sf_num invalid(struct a64_fp *f)
{
	f->e.flags |= SF_I;
	return default_nan();
}
/* FPProcessNaN */
static struct sf_num quieted(struct a64_fp *f, struct sf_num n)
{
	if (n.cls == SF_SNAN)
		f->e.flags |= SF_I;
	n.cls = SF_QNAN;
	n.sig |= QUIET;
	return n;
}
/* FPProcessNaNs: signalling ones first. false: neither is one */
static bool nans(struct a64_fp *f, struct sf_num a, struct sf_num b, struct sf_num *out)
{
	if (likely(!sf_is_nan(a) && !sf_is_nan(b)))
		return false;
	*out = quieted(f, a.cls == SF_SNAN ? a : b.cls == SF_SNAN ? b : sf_is_nan(a) ? a : b);
	return true;
}

/* Softfloat's own default NaN is x86's, a negative one: an operation without NaN operands gives none but by SF_I. */
static struct sf_num checked(struct sf_num n)
{
	return sf_is_nan(n) ? default_nan() : n;
}

#define BINARY(name, function)                                                                                         \
	uint64_t a64_fp_##name(struct a64_fp *f, unsigned size, uint64_t x, uint64_t y)                                \
	{                                                                                                              \
		struct sf_num a = a64_fp_unpack(f, size, x), b = a64_fp_unpack(f, size, y), r;                         \
		for_result(f, size);                                                                                   \
		if (!nans(f, a, b, &r))                                                                                \
			r = checked(function(&f->e, kind(size), a, b));                                                \
		return a64_fp_pack(f, size, r);                                                                        \
	}
BINARY(add, sf_add)
BINARY(sub, sf_sub)
BINARY(mul, sf_mul)
BINARY(div, sf_div)

/* FNMUL negates what FMUL gives, NaNs too. */
uint64_t a64_fp_nmul(struct a64_fp *f, unsigned size, uint64_t x, uint64_t y)
{
	return a64_fp_mul(f, size, x, y) ^ a64_fp_sign(size);
}

static uint64_t extreme(struct a64_fp *f, unsigned size, uint64_t x, uint64_t y, bool max)
{
	struct sf_num a = a64_fp_unpack(f, size, x), b = a64_fp_unpack(f, size, y), r;
	if (nans(f, a, b, &r))
		return a64_fp_pack(f, size, r);
	int order = sf_compare(&f->e, a, b, true);
	if (order == SF_EQUAL) /* of two zeros the minimum is the negative one */
		r = max ? (a.sign ? b : a) : a.sign ? a : b;
	else
		r = (order == SF_GREATER) == max ? a : b;
	return a64_fp_pack(f, size, r);
}
uint64_t a64_fp_max(struct a64_fp *f, unsigned size, uint64_t x, uint64_t y)
{
	return extreme(f, size, x, y, true);
}
uint64_t a64_fp_min(struct a64_fp *f, unsigned size, uint64_t x, uint64_t y)
{
	return extreme(f, size, x, y, false);
}

/* A number beats a quiet NaN: it becomes the infinity that loses. */
static uint64_t extreme_number(struct a64_fp *f, unsigned size, uint64_t x, uint64_t y, bool max)
{
	struct a64_fp quiet = *f;
	enum sf_class a = a64_fp_unpack(&quiet, size, x).cls, b = a64_fp_unpack(&quiet, size, y).cls;
	const uint64_t infinity = (size == 2 ? UINT64_C(0x7c00) : size == 4 ? UINT64_C(0x7f800000) : UINT64_C(0x7ff0000000000000)) |
				  (max ? a64_fp_sign(size) : 0);
	if (a == SF_QNAN && !sf_is_nan((struct sf_num){.cls = (uint8_t)b}))
		x = infinity;
	else if (b == SF_QNAN && !sf_is_nan((struct sf_num){.cls = (uint8_t)a}))
		y = infinity;
	return extreme(f, size, x, y, max);
}
uint64_t a64_fp_maxnm(struct a64_fp *f, unsigned size, uint64_t x, uint64_t y)
{
	return extreme_number(f, size, x, y, true);
}
uint64_t a64_fp_minnm(struct a64_fp *f, unsigned size, uint64_t x, uint64_t y)
{
	return extreme_number(f, size, x, y, false);
}

struct sf_num a64_fp_fused(struct a64_fp *f, unsigned size, struct sf_num a, struct sf_num b, struct sf_num c)
{
	for_result(f, size);
	return checked(sf_muladd(&f->e, kind(size), a, b, c));
}

/* FPMulAdd: infinity times zero with a quiet NaN as the addend is invalid and gives the default NaN. */
uint64_t a64_fp_muladd(struct a64_fp *f, unsigned size, uint64_t addend, uint64_t x, uint64_t y)
{
	struct sf_num c = a64_fp_unpack(f, size, addend), a = a64_fp_unpack(f, size, x), b = a64_fp_unpack(f, size, y), r;
	const bool undefined = (a.cls == SF_INF && b.cls == SF_ZERO) || (a.cls == SF_ZERO && b.cls == SF_INF);
	if (c.cls == SF_QNAN && undefined)
		r = invalid(f);
	else if (c.cls == SF_SNAN)
		r = quieted(f, c);
	else if (a.cls == SF_SNAN || b.cls == SF_SNAN)
		nans(f, a, b, &r);
	else if (sf_is_nan(c))
		r = c;
	else if (!nans(f, a, b, &r))
		r = a64_fp_fused(f, size, a, b, c);
	return a64_fp_pack(f, size, r);
}

uint64_t a64_fp_sqrt(struct a64_fp *f, unsigned size, uint64_t x)
{
	struct sf_num a = a64_fp_unpack(f, size, x), r;
	for_result(f, size);
	if (!nans(f, a, a, &r))
		r = checked(sf_sqrt(&f->e, kind(size), a));
	return a64_fp_pack(f, size, r);
}

/* ------ conversions ------ */

/* Half precision without infinities and NaNs (FPCR.AHP): exponent 31 is one more binade. */
static struct sf_num unpack_ahp(uint16_t v)
{
	if ((v >> 10 & 0x1f) != 0x1f)
		return sf_unpack16(v);
	return (struct sf_num){SF_FINITE, v >> 15, false, 16, TOP | (uint64_t)(v & 0x3ff) << 53};
}
static uint64_t pack_ahp(struct a64_fp *f, struct sf_num n)
{
	const uint64_t sign = (uint64_t)n.sign << 15;
	if (sf_is_nan(n)) {
		f->e.flags |= SF_I;
		return sign;
	}
	if (n.cls == SF_FINITE) { /* rounded with an exponent lower, so that the largest binade fits */
		struct sf_env e = f->e;
		struct sf_num lower = n;
		if (n.exp >= 0) {
			lower.exp -= 1;
			e.flags = 0;
			lower = sf_round(&e, SF16, lower.sign, lower.exp, lower.sig, 0);
			if (lower.cls == SF_FINITE && !(e.flags & SF_O)) {
				f->e.flags |= e.flags;
				return sf_pack16(lower) + (1u << 10);
			}
			f->e.flags |= SF_I;
			return sign | 0x7fff;
		}
		return sf_pack16(sf_round(&f->e, SF16, n.sign, n.exp, n.sig, 0));
	}
	if (n.cls == SF_INF) {
		f->e.flags |= SF_I;
		return sign | 0x7fff;
	}
	return sign;
}

/* FZ16 does not matter to conversions (FPConvert unpacks with FPUnpackCV); FZ flushes single and double operands. */
uint64_t a64_fp_convert(struct a64_fp *f, unsigned to, unsigned from, uint64_t x)
{
	const uint32_t fpcr = f->fpcr;
	f->fpcr &= ~(uint32_t)A64_FPCR_FZ16;
	struct sf_num a = from == 2 && fpcr & A64_FPCR_AHP ? unpack_ahp((uint16_t)x) : a64_fp_unpack(f, from, x), r;
	uint64_t out;
	for_result(f, to);
	if (to == 2 && fpcr & A64_FPCR_AHP) {
		if (a.cls == SF_SNAN)
			f->e.flags |= SF_I;
		out = pack_ahp(f, a);
	} else {
		if (!nans(f, a, a, &r))
			r = sf_convert(&f->e, kind(to), a, false);
		out = a64_fp_pack(f, to, r);
	}
	f->fpcr = fpcr;
	return out;
}

/* Round to an integer with ties away from zero too. */
static struct sf_num integral(struct a64_fp *f, struct sf_num a, unsigned mode)
{
	static const uint8_t rc[4] = {SF_NEAREST, SF_UP, SF_DOWN, SF_TRUNC};
	if (mode != A64_RA || a.cls != SF_FINITE || a.exp >= 62)
		return sf_round_int(&f->e, a, rc[mode & 3]);
	struct sf_env t = {.rc = SF_TRUNC};
	struct sf_num down = sf_round_int(&t, a, SF_TRUNC);
	if (t.flags & SF_P)
		f->e.flags |= SF_P;
	if (a.exp < -1 || (a.exp >= 0 && !(a.sig << (a.exp + 1) >> 63)))
		return down;
	uint64_t v = (a.exp < 0 ? 0 : a.sig >> (63 - a.exp)) + 1;
	struct sf_num up = sf_from_int((int64_t)v);
	up.sign = a.sign;
	return up;
}

uint64_t a64_fp_round(struct a64_fp *f, unsigned size, uint64_t x, unsigned mode, bool exact)
{
	struct sf_num a = a64_fp_unpack(f, size, x), r;
	const uint8_t before = f->e.flags;
	if (!nans(f, a, a, &r)) {
		r = integral(f, a, mode);
		if (!exact)
			f->e.flags = (uint8_t)((f->e.flags & ~SF_P) | (before & SF_P));
	}
	return a64_fp_pack(f, size, r);
}

/* FPToFixed: saturates, NaNs are 0; both are invalid and not inexact. */
uint64_t a64_fp_to_fixed(struct a64_fp *f, unsigned size, uint64_t x, unsigned bits, bool is_unsigned, unsigned fraction,
			 unsigned mode)
{
	struct sf_num a = a64_fp_unpack(f, size, x);
	const uint64_t max = is_unsigned ? (bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1) : (UINT64_C(1) << (bits - 1)) - 1;
	const uint64_t lowest = is_unsigned ? 0 : UINT64_C(1) << (bits - 1); /* its magnitude */
	const uint8_t before = f->e.flags;
	const uint64_t mask = bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
	if (sf_is_nan(a)) {
		f->e.flags |= SF_I;
		return 0;
	}
	if (a.cls == SF_FINITE)
		a.exp += (int32_t)fraction;
	if (a.cls != SF_INF && !(a.cls == SF_FINITE && a.exp >= 64)) {
		struct sf_num r = integral(f, a, mode);
		uint64_t v = r.cls == SF_ZERO ? 0 : r.exp > 63 ? UINT64_MAX : r.sig >> (63 - r.exp);
		bool fits = r.cls == SF_ZERO || (r.exp <= 63 && v <= (r.sign ? lowest : max));
		if (fits)
			return (r.sign ? 0 - v : v) & mask;
	}
	f->e.flags = before | SF_I;
	return (a.sign ? 0 - lowest : max) & mask;
}

uint64_t a64_fp_from_fixed(struct a64_fp *f, unsigned size, uint64_t v, unsigned bits, bool is_unsigned, unsigned fraction)
{
	if (bits == 32)
		v = is_unsigned ? (uint32_t)v : (uint64_t)(int32_t)v;
	else if (bits == 16)
		v = is_unsigned ? (uint16_t)v : (uint64_t)(int16_t)v;
	const bool sign = !is_unsigned && v >> 63;
	const uint64_t magnitude = sign ? 0 - v : v;
	if (!magnitude)
		return 0;
	const int n = __builtin_clzll(magnitude);
	f->e.ftz = false; /* FPRound of a fixed-point number is never tiny but in half precision, which flushes by FZ16 */
	if (size == 2)
		for_result(f, size);
	return a64_fp_pack(f, size, sf_round(&f->e, kind(size), sign, 63 - n - (int32_t)fraction, magnitude << n, 0));
}

int a64_fp_compare(struct a64_fp *f, unsigned size, uint64_t x, uint64_t y, bool signalling)
{
	struct sf_num a = a64_fp_unpack(f, size, x), b = a64_fp_unpack(f, size, y);
	if (sf_is_nan(a) || sf_is_nan(b)) {
		if (signalling || a.cls == SF_SNAN || b.cls == SF_SNAN)
			f->e.flags |= SF_I;
		return SF_UNORDERED;
	}
	return sf_compare(&f->e, a, b, true);
}

/* VFPExpandImm: sign, three bits of exponent, four of fraction */
uint64_t a64_fp_immediate(unsigned size, unsigned imm8)
{
	const unsigned e = size == 2 ? 5 : size == 4 ? 8 : 11, fraction = size * 8 - e - 1;
	const uint64_t b6 = imm8 >> 6 & 1, exp = (b6 ^ 1) << (e - 1) | (b6 ? ((UINT64_C(1) << (e - 3)) - 1) << 2 : 0) | (imm8 >> 4 & 3);
	return (uint64_t)(imm8 >> 7) << (size * 8 - 1) | exp << fraction | (uint64_t)(imm8 & 15) << (fraction - 4);
}
