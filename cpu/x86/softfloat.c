/* softfloat.c - the arithmetic of softfloat.h: unpacking, rounding, add, multiply, divide, root, compare, NaNs. */
#include "softfloat.h"

typedef unsigned __int128 u128;

static const struct format {
	uint8_t prec;
	int32_t emin, emax;
} formats[] = {[SF32] = {24, -126, 127}, [SF64] = {53, -1022, 1023}, [SF80] = {64, -16382, 16383}, [SF16] = {11, -14, 15}};

#define QUIET ((uint64_t)1 << 62)
#define TOP ((uint64_t)1 << 63)

/* ------ encodings ------ */

static struct sf_num normal(bool sign, int32_t exp, uint64_t sig, bool denormal)
{
	int n = __builtin_clzll(sig);
	return (struct sf_num){SF_FINITE, sign, denormal, exp - n, sig << n};
}

/* m: fraction, left-aligned below bit 63; e: biased exponent with `ones` as its largest. */
static struct sf_num unpack(const struct sf_env *env, bool sign, int32_t e, int32_t ones, uint64_t m)
{
	int32_t bias = ones / 2;
	if (e == ones) {
		if (!m)
			return (struct sf_num){SF_INF, sign, false, 0, TOP};
		return (struct sf_num){m & QUIET ? SF_QNAN : SF_SNAN, sign, false, 0, TOP | m};
	}
	if (e)
		return (struct sf_num){SF_FINITE, sign, false, e - bias, TOP | m};
	if (!m || env->daz)
		return (struct sf_num){SF_ZERO, sign, false, 0, 0};
	return normal(sign, 1 - bias, m, true);
}

struct sf_num sf_unpack16(uint16_t v)
{
	static const struct sf_env plain;
	struct sf_num n = unpack(&plain, v >> 15, v >> 10 & 0x1f, 0x1f, (uint64_t)(v & 0x3ff) << 53);
	n.denormal = false;
	return n;
}

struct sf_num sf_unpack32(const struct sf_env *e, uint32_t v)
{
	return unpack(e, v >> 31, v >> 23 & 0xff, 0xff, (uint64_t)(v & 0x7fffff) << 40);
}

struct sf_num sf_unpack64(const struct sf_env *e, uint64_t v)
{
	return unpack(e, v >> 63, v >> 52 & 0x7ff, 0x7ff, (v & 0xfffffffffffff) << 11);
}

struct sf_num sf_unpack80(struct x86_f80 v)
{
	bool sign = v.se >> 15;
	int32_t e = v.se & 0x7fff;
	if (!e && !v.sig)
		return (struct sf_num){SF_ZERO, sign, false, 0, 0};
	if (!e) /* denormals and pseudo-denormals */
		return normal(sign, -16382, v.sig, true);
	if (!(v.sig & TOP)) /* unnormals, pseudo-infinities, pseudo-NaNs */
		return (struct sf_num){SF_BAD, sign, false, 0, v.sig};
	if (e < 0x7fff)
		return (struct sf_num){SF_FINITE, sign, false, e - 16383, v.sig};
	if (v.sig == TOP)
		return (struct sf_num){SF_INF, sign, false, 0, TOP};
	return (struct sf_num){v.sig & QUIET ? SF_QNAN : SF_SNAN, sign, false, 0, v.sig};
}

/* Significand as stored (bit 63: integer bit) and biased exponent. */
static uint64_t pack(struct sf_num n, enum sf_kind k, int32_t *e)
{
	int32_t bias = formats[k].emax, emin = formats[k].emin;
	switch (n.cls) {
	case SF_ZERO:
		*e = 0;
		return 0;
	case SF_FINITE:
		if (n.exp < emin) {
			*e = 0;
			return n.exp > emin - 64 ? n.sig >> (emin - n.exp) : 0;
		}
		*e = n.exp + bias;
		return n.sig;
	case SF_INF:
		*e = 2 * bias + 1;
		return TOP;
	default:
		*e = 2 * bias + 1;
		return n.sig | TOP;
	}
}

uint16_t sf_pack16(struct sf_num n)
{
	int32_t e;
	uint64_t s = pack(n, SF16, &e);
	return (uint16_t)(n.sign << 15 | e << 10 | (s >> 53 & 0x3ff));
}

uint32_t sf_pack32(struct sf_num n)
{
	int32_t e;
	uint64_t s = pack(n, SF32, &e);
	return (uint32_t)n.sign << 31 | (uint32_t)e << 23 | (uint32_t)(s >> 40 & 0x7fffff);
}

uint64_t sf_pack64(struct sf_num n)
{
	int32_t e;
	uint64_t s = pack(n, SF64, &e);
	return (uint64_t)n.sign << 63 | (uint64_t)e << 52 | (s >> 11 & 0xfffffffffffff);
}

struct x86_f80 sf_pack80(struct sf_num n)
{
	int32_t e;
	uint64_t s = pack(n, SF80, &e);
	return (struct x86_f80){s, (uint16_t)(n.sign << 15 | e)};
}

struct sf_num sf_from_int(int64_t v)
{
	if (!v)
		return (struct sf_num){SF_ZERO, false, false, 0, 0};
	return normal(v < 0, 63, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, false);
}

/* ------ NaNs ------ */

struct sf_num sf_invalid(struct sf_env *e)
{
	e->flags |= SF_I;
	return (struct sf_num){SF_QNAN, true, false, 0, TOP | QUIET};
}

static struct sf_num quiet(struct sf_num n)
{
	n.cls = SF_QNAN;
	n.sig |= QUIET;
	return n;
}

/* x87: a quiet NaN beats a signalling one; else the larger significand; else the positive one. */
static struct sf_num x87_nan(struct sf_num a, struct sf_num b)
{
	if (!sf_is_nan(b))
		return quiet(a);
	if (!sf_is_nan(a))
		return quiet(b);
	if (a.cls != b.cls)
		return quiet(a.cls == SF_QNAN ? a : b);
	if (a.sig != b.sig)
		return quiet(a.sig > b.sig ? a : b);
	return quiet(a.sign ? b : a);
}

struct sf_num sf_nan2(struct sf_env *e, struct sf_num a, struct sf_num b)
{
	if (a.cls == SF_BAD || b.cls == SF_BAD)
		return sf_invalid(e);
	if (a.cls == SF_SNAN || b.cls == SF_SNAN)
		e->flags |= SF_I;
	if (e->x87)
		return x87_nan(a, b);
	return quiet(sf_is_nan(a) ? a : b);
}

/* ------ rounding ------ */

/* Keep the top `prec` bits of hi:lo. Returns them in place; *carry: the value became 2^64. */
static uint64_t round_bits(const struct sf_env *e, bool sign, unsigned prec, uint64_t hi, uint64_t lo, bool *carry,
			   bool *inexact, bool *up)
{
	uint64_t unit = (uint64_t)1 << (64 - prec), rest = hi & (unit - 1), kept = hi - rest;
	bool half, above, odd = hi & unit;
	if (prec == 64) {
		half = lo >> 63;
		above = half && lo << 1;
	} else {
		half = rest & unit >> 1;
		above = half && ((rest & ((unit >> 1) - 1)) || lo);
	}
	*inexact = rest || lo;
	*up = false;
	*carry = false;
	if (!*inexact)
		return kept;
	switch (e->rc) {
	case SF_NEAREST:
		*up = half && (above || odd);
		break;
	case SF_DOWN:
		*up = sign;
		break;
	case SF_UP:
		*up = !sign;
		break;
	default:
		break;
	}
	if (*up) {
		kept += unit;
		*carry = kept < unit;
	}
	return kept;
}

static struct sf_num overflow(struct sf_env *e, const struct format *f, unsigned prec, bool sign)
{
	bool inf = e->rc == SF_NEAREST || (e->rc == SF_DOWN && sign) || (e->rc == SF_UP && !sign);
	e->flags |= SF_O | SF_P;
	e->up = inf;
	if (inf)
		return (struct sf_num){SF_INF, sign, false, 0, TOP};
	return (struct sf_num){SF_FINITE, sign, false, f->emax, ~(uint64_t)0 << (64 - prec)};
}

/* Too small for a normal number, exceptions masked: the significand loses bits at emin. */
static struct sf_num underflow(struct sf_env *e, const struct format *f, unsigned prec, bool sign, int32_t exp,
			       uint64_t hi, uint64_t lo)
{
	int64_t shift = (int64_t)f->emin - exp;
	bool carry, inexact;
	if (e->ftz) {
		e->flags |= e->arm ? SF_U : SF_U | SF_P;
		return (struct sf_num){SF_ZERO, sign, false, 0, 0};
	}
	if (shift >= 128) {
		lo = 1;
		hi = 0;
	} else if (shift >= 64) {
		bool sticky = lo || (shift > 64 && hi << (128 - shift));
		lo = (shift == 64 ? hi : hi >> (shift - 64)) | sticky;
		hi = 0;
	} else {
		bool sticky = lo << (64 - shift);
		lo = lo >> shift | hi << (64 - shift) | sticky;
		hi >>= shift;
	}
	hi = round_bits(e, sign, prec, hi, lo, &carry, &inexact, &e->up);
	if (inexact)
		e->flags |= SF_U | SF_P;
	if (!hi)
		return (struct sf_num){SF_ZERO, sign, false, 0, 0};
	return normal(sign, f->emin, hi, false);
}

struct sf_num sf_round(struct sf_env *e, enum sf_kind k, bool sign, int32_t exp, uint64_t hi, uint64_t lo)
{
	const struct format *f = &formats[k];
	unsigned prec = k == SF80 && e->prec ? e->prec : f->prec;
	bool carry, inexact, up;
	uint64_t sig = round_bits(e, sign, prec, hi, lo, &carry, &inexact, &up);
	int32_t rexp = exp + carry;
	if (carry)
		sig = TOP;
	if ((e->arm ? exp : rexp) < f->emin && (e->masks & SF_U))
		return underflow(e, f, prec, sign, exp, hi, lo);
	if (rexp > f->emax && (e->masks & SF_O))
		return overflow(e, f, prec, sign);
	e->up = up;
	if (inexact)
		e->flags |= SF_P;
	/* Unmasked: x87 delivers the result with its exponent wrapped (SDM vol. 1, 8.5.4 and 8.5.5). */
	if (rexp < f->emin) {
		e->flags |= SF_U;
		rexp += 24576;
	} else if (rexp > f->emax) {
		e->flags |= SF_O;
		rexp -= 24576;
	}
	/* So far out of range that wrapping did not help (FSCALE): SDM's FSCALE gives zero or infinity. */
	if (k == SF80 && (rexp < f->emin || rexp > f->emax)) {
		e->flags |= SF_P;
		e->up = rexp > f->emax;
		return (struct sf_num){e->up ? SF_INF : SF_ZERO, sign, false, 0, e->up ? TOP : 0};
	}
	return (struct sf_num){SF_FINITE, sign, false, rexp, sig};
}

static struct sf_num round128(struct sf_env *e, enum sf_kind k, bool sign, int32_t exp, u128 v)
{
	int n = v >> 64 ? __builtin_clzll((uint64_t)(v >> 64)) : 64 + __builtin_clzll((uint64_t)v);
	v <<= n;
	return sf_round(e, k, sign, exp - n, (uint64_t)(v >> 64), (uint64_t)v);
}

/* ------ arithmetic ------ */

/* The checks that open every two-operand operation: NaNs give *out; denormal operands raise SF_D. */
static bool opened(struct sf_env *e, struct sf_num a, struct sf_num b, struct sf_num *out)
{
	e->up = false;
	if (sf_is_nan(a) || sf_is_nan(b)) {
		*out = sf_nan2(e, a, b);
		return true;
	}
	return false;
}

static void denormals(struct sf_env *e, struct sf_num a, struct sf_num b)
{
	if (a.denormal || b.denormal)
		e->flags |= SF_D;
}

static struct sf_num zero(bool sign)
{
	return (struct sf_num){SF_ZERO, sign, false, 0, 0};
}

static struct sf_num add_finite(struct sf_env *e, enum sf_kind k, struct sf_num a, struct sf_num b)
{
	u128 x, y;
	int32_t d;
	if (a.exp < b.exp || (a.exp == b.exp && a.sig < b.sig)) {
		struct sf_num t = a;
		a = b;
		b = t;
	}
	d = a.exp - b.exp;
	x = (u128)a.sig << 63;
	y = (u128)b.sig << 63;
	if (d > 126)
		y = 1;
	else if (d)
		y = y >> d | ((y & (((u128)1 << d) - 1)) != 0);
	x = a.sign == b.sign ? x + y : x - y;
	if (!x)
		return zero(e->rc == SF_DOWN);
	return round128(e, k, a.sign, a.exp + 1, x);
}

struct sf_num sf_add(struct sf_env *e, enum sf_kind k, struct sf_num a, struct sf_num b)
{
	struct sf_num r;
	if (opened(e, a, b, &r))
		return r;
	if (a.cls == SF_INF && b.cls == SF_INF && a.sign != b.sign)
		return sf_invalid(e);
	denormals(e, a, b);
	if (a.cls == SF_INF)
		return a;
	if (b.cls == SF_INF)
		return b;
	if (a.cls == SF_ZERO && b.cls == SF_ZERO)
		return zero(a.sign == b.sign ? a.sign : e->rc == SF_DOWN);
	if (a.cls == SF_ZERO)
		return sf_round(e, k, b.sign, b.exp, b.sig, 0);
	if (b.cls == SF_ZERO)
		return sf_round(e, k, a.sign, a.exp, a.sig, 0);
	return add_finite(e, k, a, b);
}

struct sf_num sf_sub(struct sf_env *e, enum sf_kind k, struct sf_num a, struct sf_num b)
{
	if (!sf_is_nan(b))
		b.sign = !b.sign;
	return sf_add(e, k, a, b);
}

struct sf_num sf_mul(struct sf_env *e, enum sf_kind k, struct sf_num a, struct sf_num b)
{
	struct sf_num r;
	bool sign = a.sign != b.sign;
	if (opened(e, a, b, &r))
		return r;
	if ((a.cls == SF_INF && b.cls == SF_ZERO) || (a.cls == SF_ZERO && b.cls == SF_INF))
		return sf_invalid(e);
	denormals(e, a, b);
	if (a.cls == SF_INF || b.cls == SF_INF)
		return (struct sf_num){SF_INF, sign, false, 0, TOP};
	if (a.cls == SF_ZERO || b.cls == SF_ZERO)
		return zero(sign);
	return round128(e, k, sign, a.exp + b.exp + 1, (u128)a.sig * b.sig);
}

static struct sf_num div_finite(struct sf_env *e, enum sf_kind k, bool sign, struct sf_num a, struct sf_num b)
{
	bool less = a.sig < b.sig;
	u128 n = (u128)a.sig << (less ? 64 : 63), rest;
	uint64_t q = (uint64_t)(n / b.sig), lo;
	rest = (n % b.sig) << 64;
	lo = (uint64_t)(rest / b.sig);
	lo |= rest % b.sig != 0;
	return sf_round(e, k, sign, a.exp - b.exp - less, q, lo);
}

struct sf_num sf_div(struct sf_env *e, enum sf_kind k, struct sf_num a, struct sf_num b)
{
	struct sf_num r;
	bool sign = a.sign != b.sign;
	if (opened(e, a, b, &r))
		return r;
	if (a.cls == b.cls && (a.cls == SF_INF || a.cls == SF_ZERO))
		return sf_invalid(e);
	if (b.cls == SF_ZERO && a.cls == SF_FINITE) {
		e->flags |= SF_Z;
		return (struct sf_num){SF_INF, sign, false, 0, TOP};
	}
	denormals(e, a, b);
	if (a.cls == SF_INF)
		return (struct sf_num){SF_INF, sign, false, 0, TOP};
	if (a.cls == SF_ZERO || b.cls == SF_INF)
		return zero(sign);
	return div_finite(e, k, sign, a, b);
}

/* Floor of the square root of n < 2^128, bit by bit; *rest = n - root^2. */
static uint64_t root(u128 n, u128 *rest)
{
	uint64_t r = 0;
	for (int bit = 63; bit >= 0; bit--) {
		uint64_t t = r | (uint64_t)1 << bit;
		if ((u128)t * t <= n)
			r = t;
	}
	*rest = n - (u128)r * r;
	return r;
}

struct sf_num sf_sqrt(struct sf_env *e, enum sf_kind k, struct sf_num a)
{
	u128 rest;
	uint64_t r;
	bool odd = a.exp & 1;
	e->up = false;
	if (sf_is_nan(a))
		return sf_nan2(e, a, a);
	if (a.cls == SF_ZERO)
		return a;
	if (a.sign)
		return sf_invalid(e);
	denormals(e, a, a);
	if (a.cls == SF_INF)
		return a;
	r = root((u128)a.sig << (odd ? 64 : 63), &rest);
	/* The root of a 64-bit significand is never half-way between two of them. */
	return sf_round(e, k, false, (a.exp - odd) / 2, r, !rest ? 0 : rest > r ? 3 * (TOP >> 1) : TOP >> 1);
}

struct sf_num sf_convert(struct sf_env *e, enum sf_kind k, struct sf_num a, bool denormal_flag)
{
	e->up = false;
	if (sf_is_nan(a))
		return sf_nan2(e, a, a);
	if (denormal_flag)
		denormals(e, a, a);
	if (a.cls != SF_FINITE)
		return a;
	return sf_round(e, k, a.sign, a.exp, a.sig, 0);
}

/* ------ integers ------ */

/* Magnitude rounded to an integer; exp < 64. */
static u128 integral(struct sf_env *e, struct sf_num a, unsigned rc, bool *inexact)
{
	struct sf_env t = {.rc = (uint8_t)rc};
	uint64_t hi, lo;
	bool carry;
	e->up = *inexact = false;
	if (a.cls == SF_ZERO)
		return 0;
	if (a.exp < -1) {
		hi = 0;
		lo = 1;
	} else {
		unsigned shift = (unsigned)(63 - a.exp); /* 0..64 */
		hi = shift > 63 ? 0 : a.sig >> shift;
		lo = shift ? a.sig << (64 - shift) : 0;
	}
	hi = round_bits(&t, a.sign, 64, hi, lo, &carry, inexact, &e->up);
	return (u128)hi + ((u128)carry << 64);
}

int64_t sf_to_int(struct sf_env *e, struct sf_num a, unsigned bits, unsigned rc)
{
	int64_t indefinite = (int64_t)(~(uint64_t)0 << (bits - 1));
	u128 limit = (u128)1 << (bits - 1), v;
	bool inexact;
	e->up = false;
	if (a.cls >= SF_INF || (a.cls == SF_FINITE && a.exp > 63)) {
		e->flags |= SF_I;
		return indefinite;
	}
	v = integral(e, a, rc, &inexact);
	if (v > limit || (v == limit && !a.sign)) {
		e->flags |= SF_I;
		e->up = false;
		return indefinite;
	}
	if (inexact)
		e->flags |= SF_P;
	return a.sign ? (int64_t)(0 - (uint64_t)v) : (int64_t)v;
}

struct sf_num sf_round_int(struct sf_env *e, struct sf_num a, unsigned rc)
{
	bool inexact;
	u128 v;
	e->up = false;
	if (sf_is_nan(a))
		return sf_nan2(e, a, a);
	if (a.cls != SF_FINITE || a.exp >= 63)
		return a;
	v = integral(e, a, rc, &inexact);
	if (inexact)
		e->flags |= SF_P;
	if (!v)
		return zero(a.sign);
	return normal(a.sign, 63, (uint64_t)v, false);
}

/* ------ comparing ------ */

static int order(struct sf_num a, struct sf_num b)
{
	int s = a.sign ? -1 : 1;
	if (a.cls == SF_ZERO && b.cls == SF_ZERO)
		return SF_EQUAL;
	if (a.sign != b.sign)
		return a.cls == SF_ZERO ? (b.sign ? 1 : -1) : s;
	if (a.cls != b.cls)
		return a.cls > b.cls ? s : -s;
	if (a.cls != SF_FINITE)
		return SF_EQUAL;
	if (a.exp != b.exp)
		return a.exp > b.exp ? s : -s;
	return a.sig == b.sig ? SF_EQUAL : a.sig > b.sig ? s : -s;
}

int sf_compare(struct sf_env *e, struct sf_num a, struct sf_num b, bool is_quiet)
{
	if (sf_is_nan(a) || sf_is_nan(b)) {
		if (!is_quiet || a.cls >= SF_SNAN || b.cls >= SF_SNAN)
			e->flags |= SF_I;
		return SF_UNORDERED;
	}
	denormals(e, a, b);
	return order(a, b);
}

bool sf_first_of(struct sf_env *e, struct sf_num a, struct sf_num b, bool max)
{
	int o = sf_compare(e, a, b, false);
	return max ? o == SF_GREATER : o == SF_LESS;
}

/* ------ remainder and scale ------ */

/* |a| / |b| reduced by `steps` + 1 quotient bits from the top: rest < b, exponent of the rest b's. */
static uint64_t reduce(struct sf_num a, struct sf_num b, int32_t steps, uint64_t *quotient)
{
	u128 rest = a.sig;
	uint64_t q = 0;
	for (int32_t i = 0;; i++) {
		q <<= 1;
		if (rest >= b.sig) {
			rest -= b.sig;
			q |= 1;
		}
		if (i == steps)
			break;
		rest <<= 1;
	}
	*quotient = q;
	return (uint64_t)rest;
}

static struct sf_num rem_finite(struct sf_env *e, struct sf_num a, struct sf_num b, bool nearest, int32_t d,
				unsigned *quotient)
{
	uint64_t q, rest = reduce(a, b, d, &q);
	bool sign = a.sign;
	/* FPREM1: the nearest quotient, even when half-way. */
	if (nearest && (rest > b.sig - rest || (rest == b.sig - rest && (q & 1)))) {
		rest = b.sig - rest;
		q++;
		sign = !sign;
	}
	*quotient = q & 7;
	if (!rest)
		return zero(a.sign);
	return round128(e, SF80, sign, b.exp + 64, rest);
}

/* |a| < |b|. FPREM: a; FPREM1: a - b when nearer. */
static struct sf_num rem_small(struct sf_env *e, struct sf_num a, struct sf_num b, bool nearest, unsigned *quotient)
{
	if (nearest && a.exp == b.exp - 1 && a.sig > b.sig) {
		/* |a| > |b| / 2: |b| - |a| = (2 * b.sig - a.sig) at a's exponent */
		u128 rest = ((u128)b.sig << 1) - a.sig;
		*quotient = 1;
		return round128(e, SF80, !a.sign, a.exp + 64, rest);
	}
	return sf_round(e, SF80, a.sign, a.exp, a.sig, 0);
}

bool sf_rem(struct sf_env *e, struct sf_num a, struct sf_num b, bool nearest, struct sf_num *rem, unsigned *quotient)
{
	int32_t d = a.exp - b.exp;
	uint64_t q, rest;
	*quotient = 0;
	if (opened(e, a, b, rem))
		return true;
	if (a.cls == SF_INF || b.cls == SF_ZERO) {
		*rem = sf_invalid(e);
		return true;
	}
	denormals(e, a, b);
	*rem = a;
	if (a.cls == SF_ZERO)
		return true;
	if (b.cls == SF_INF || d < 0) {
		*rem = b.cls == SF_INF ? sf_round(e, SF80, a.sign, a.exp, a.sig, 0)
				       : rem_small(e, a, b, nearest, quotient);
		return true;
	}
	if (d < 64) {
		*rem = rem_finite(e, a, b, nearest, d, quotient);
		return true;
	}
	/* Partly: between 32 and 63 bits, so that what is left is a multiple of 32. */
	int32_t n = (d & 31) | 32;
	rest = reduce(a, b, n, &q);
	*rem = rest ? round128(e, SF80, a.sign, b.exp + (d - n) + 64, rest) : zero(a.sign);
	return false;
}

struct sf_num sf_scale(struct sf_env *e, struct sf_num a, struct sf_num b)
{
	struct sf_num r;
	int32_t n;
	if (opened(e, a, b, &r))
		return r;
	if ((b.cls == SF_INF && !b.sign && a.cls == SF_ZERO) || (b.cls == SF_INF && b.sign && a.cls == SF_INF))
		return sf_invalid(e);
	denormals(e, a, b);
	if (b.cls == SF_INF)
		return b.sign ? zero(a.sign) : (struct sf_num){SF_INF, a.sign, false, 0, TOP};
	if (a.cls != SF_FINITE)
		return a;
	if (b.cls == SF_ZERO || b.exp < 0)
		n = 0;
	else
		n = b.exp > 16 ? 0x20000 : (int32_t)(b.sig >> (63 - b.exp));
	return sf_round(e, SF80, a.sign, a.exp + (b.sign ? -n : n), a.sig, 0);
}
