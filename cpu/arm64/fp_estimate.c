/* fp_estimate.c - see fp_estimate.h. */
#include "fp_estimate.h"

#define TOP (UINT64_C(1) << 63)

static bool infinity_by_zero(struct sf_num a, struct sf_num b)
{
	return (a.cls == SF_INF && b.cls == SF_ZERO) || (a.cls == SF_ZERO && b.cls == SF_INF);
}
/* sig * 2^exp as 1.xxx * 2^exp */
static struct sf_num number(uint64_t sig, int32_t exp, bool sign)
{
	return (struct sf_num){SF_FINITE, sign, false, exp, sig};
}
static struct sf_num two(bool sign)
{
	return number(TOP, 1, sign);
}

uint64_t a64_fp_mulx(struct a64_fp *f, unsigned size, uint64_t x, uint64_t y)
{
	const struct sf_num a = a64_fp_unpack(f, size, x), b = a64_fp_unpack(f, size, y);
	if (infinity_by_zero(a, b))
		return a64_fp_pack(f, size, two(a.sign != b.sign));
	return a64_fp_mul(f, size, x, y);
}

/* c - a * b, rounded once; `half` of that. */
static uint64_t step(struct a64_fp *f, unsigned size, uint64_t x, uint64_t y, struct sf_num c, bool half)
{
	x ^= a64_fp_sign(size);
	struct sf_num a = a64_fp_unpack(f, size, x), b = a64_fp_unpack(f, size, y);
	if (sf_is_nan(a) || sf_is_nan(b))
		return a64_fp_mul(f, size, x, y);
	if (half)
		c.exp--;
	if (infinity_by_zero(a, b))
		return a64_fp_pack(f, size, c);
	if (half && a.cls == SF_FINITE)
		a.exp--;
	return a64_fp_pack(f, size, a64_fp_fused(f, size, a, b, c));
}
uint64_t a64_fp_recps(struct a64_fp *f, unsigned size, uint64_t a, uint64_t b)
{
	return step(f, size, a, b, two(false), false);
}
uint64_t a64_fp_rsqrts(struct a64_fp *f, unsigned size, uint64_t a, uint64_t b)
{
	return step(f, size, a, b, number(TOP | TOP >> 1, 1, false), true);
}

/* ------ estimates ------ */

/* RecipEstimate and RecipSqrtEstimate: nine bits, 256 to 511 */
static unsigned reciprocal(unsigned a)
{
	const unsigned b = (1u << 19) / (2 * a + 1);
	return (b + 1) / 2;
}
static unsigned reciprocal_root(unsigned a)
{
	unsigned b = 512;
	a = a < 256 ? 2 * a + 1 : 2 * (a & ~1u) + 2;
	while (a * (b + 1) * (b + 1) < 1u << 28)
		b++;
	return (b + 1) / 2;
}

struct layout {
	uint8_t exp_bits, fraction_bits;
	int16_t bias;
};
static struct layout layout(unsigned size)
{
	static const struct layout l[3] = {{5, 10, 15}, {8, 23, 127}, {11, 52, 1023}};
	return l[size / 4];
}
static uint64_t infinity(unsigned size)
{
	const struct layout l = layout(size);
	return ((UINT64_C(1) << l.exp_bits) - 1) << l.fraction_bits;
}

/* Does the result of a64_fp_recpe, too large for the format, become infinity? Else it is the largest number. */
static bool overflows_to_infinity(const struct a64_fp *f, bool sign)
{
	return f->e.rc == SF_NEAREST || f->e.rc == (sign ? SF_DOWN : SF_UP);
}

uint64_t a64_fp_recpe(struct a64_fp *f, unsigned size, uint64_t x)
{
	const struct layout l = layout(size);
	const struct sf_num a = a64_fp_unpack(f, size, x);
	const uint64_t sign = a.sign ? a64_fp_sign(size) : 0;
	if (sf_is_nan(a))
		return a64_fp_round(f, size, x, A64_RN, false);
	if (a.cls == SF_INF)
		return sign;
	if (a.cls == SF_ZERO) {
		f->e.flags |= SF_Z;
		return sign | infinity(size);
	}
	if (a.exp < -l.bias - 1) {
		f->e.flags |= SF_O | SF_P;
		return sign | (infinity(size) - !overflows_to_infinity(f, a.sign));
	}
	if (a.exp >= l.bias - 1 && a64_fp_flushes(f, size)) {
		f->e.flags |= SF_U;
		return sign;
	}
	/* 256 to 511 stands for a fraction from 1 to 2; results below the normal ones lose what does not fit */
	uint64_t fraction = (uint64_t)(reciprocal((unsigned)(a.sig >> 55)) & 0xff) << (l.fraction_bits - 8);
	int exp = l.bias - 1 - a.exp;
	if (exp <= 0) {
		fraction = (UINT64_C(1) << l.fraction_bits | fraction) >> (1 - exp);
		exp = 0;
	}
	return sign | (uint64_t)exp << l.fraction_bits | fraction;
}

uint64_t a64_fp_rsqrte(struct a64_fp *f, unsigned size, uint64_t x)
{
	const struct layout l = layout(size);
	const struct sf_num a = a64_fp_unpack(f, size, x);
	if (sf_is_nan(a))
		return a64_fp_round(f, size, x, A64_RN, false);
	if (a.cls == SF_ZERO) {
		f->e.flags |= SF_Z;
		return (a.sign ? a64_fp_sign(size) : 0) | infinity(size);
	}
	if (a.sign)
		return a64_fp_sqrt(f, size, x); /* invalid */
	if (a.cls == SF_INF)
		return 0;
	/* an even power of two keeps eight bits of the fraction under a one, an odd one seven */
	const int biased = a.exp + l.bias;
	const unsigned scaled = (unsigned)(a.sig >> (biased & 1 ? 56 : 55));
	const int exp = (3 * l.bias - 1 - biased) / 2;
	return (uint64_t)exp << l.fraction_bits | (uint64_t)(reciprocal_root(scaled) & 0xff) << (l.fraction_bits - 8);
}

/* FPRecpX: the exponent inverted, the fraction gone */
uint64_t a64_fp_recpx(struct a64_fp *f, unsigned size, uint64_t x)
{
	const uint64_t max = infinity(size), lowest = UINT64_C(1) << layout(size).fraction_bits;
	const struct sf_num a = a64_fp_unpack(f, size, x);
	if (sf_is_nan(a))
		return a64_fp_round(f, size, x, A64_RN, false);
	return (x & a64_fp_sign(size)) | (x & max ? ~x & max : max - lowest);
}

uint32_t a64_unsigned_recpe(uint32_t a)
{
	return a >> 31 ? (uint32_t)reciprocal(a >> 23) << 23 : UINT32_MAX;
}
uint32_t a64_unsigned_rsqrte(uint32_t a)
{
	return a >> 30 ? (uint32_t)reciprocal_root(a >> 23) << 23 : UINT32_MAX;
}
