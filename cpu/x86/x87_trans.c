/* x87_trans.c - the x87's transcendental functions in software, for hosts without an x87: Taylor series on numbers with
 * 128 significand bits, rounded once, so that the error is far under the manual's 1 ulp (SDM vol. 1, 8.3.10). Arguments
 * of trigonometric functions are reduced by the 66-bit pi that the processors use (8.3.8). */
#include "x87.h"

typedef unsigned __int128 u128;

struct big {
	bool sign;
	int32_t exp; /* value = sig / 2^127 * 2^exp; sig 0: zero */
	u128 sig;
};

#define U128(hi, lo) ((u128)(hi) << 64 | (lo))
static const struct big LN2 = {false, -1, U128(0xb17217f7d1cf79ab, 0xc9e3b39803f2f6af)};
static const struct big PI = {false, 1, U128(0xc90fdaa22168c234, 0xc4c6628b80dc1cd1)};
static const struct big ONE = {false, 0, U128(0x8000000000000000, 0)};

static struct big normal(bool sign, int32_t exp, u128 sig)
{
	int n;
	if (!sig)
		return (struct big){sign, 0, 0};
	n = sig >> 64 ? __builtin_clzll((uint64_t)(sig >> 64)) : 64 + __builtin_clzll((uint64_t)sig);
	return (struct big){sign, exp - n, sig << n};
}

static struct big big_of(struct sf_num n)
{
	return (struct big){n.sign, n.exp, n.cls == SF_ZERO ? 0 : (u128)n.sig << 64};
}

static struct big scaled(struct big a, int32_t n)
{
	a.exp += n;
	return a;
}

static struct big negated(struct big a)
{
	a.sign = !a.sign;
	return a;
}

static struct big mul(struct big a, struct big b)
{
	uint64_t ah = (uint64_t)(a.sig >> 64), al = (uint64_t)a.sig, bh = (uint64_t)(b.sig >> 64), bl = (uint64_t)b.sig;
	u128 x = (u128)ah * bl, y = (u128)al * bh, low = ((u128)al * bl) >> 64;
	u128 hi = (u128)ah * bh + (x >> 64) + (y >> 64) + (((u128)(uint64_t)x + (uint64_t)y + low) >> 64);
	return normal(a.sign != b.sign, a.exp + b.exp + 1, hi);
}

static struct big add(struct big a, struct big b)
{
	int32_t d;
	u128 x, y, s;
	if (!a.sig || !b.sig)
		return a.sig ? a : b;
	if (a.exp < b.exp || (a.exp == b.exp && a.sig < b.sig)) {
		struct big t = a;
		a = b;
		b = t;
	}
	d = a.exp - b.exp;
	x = a.sig >> 1;
	y = d > 125 ? 1 : b.sig >> 1 >> d;
	s = a.sign == b.sign ? x + y : x - y;
	return normal(a.sign, a.exp + 1, s);
}

static struct big quotient(struct big a, struct big b)
{
	u128 q = 0, r = a.sig;
	if (!a.sig)
		return a;
	for (int i = 0; i < 128; i++) {
		bool over = r >> 127;
		if (i == 0)
			over = false;
		else
			r <<= 1;
		q <<= 1;
		if (over || r >= b.sig) {
			r -= b.sig;
			q |= 1;
		}
	}
	return normal(a.sign != b.sign, a.exp - b.exp, q);
}

static struct big small(uint32_t n)
{
	return normal(false, 127, n);
}

static struct sf_num rounded(struct sf_env *e, struct big v)
{
	if (!v.sig)
		return (struct sf_num){SF_ZERO, v.sign, false, 0, 0};
	return sf_round(e, SF80, v.sign, v.exp, (uint64_t)(v.sig >> 64), (uint64_t)v.sig | 1);
}

static bool negligible(struct big term, struct big sum)
{
	return !term.sig || (sum.sig && term.exp < sum.exp - 130);
}

/* ------ series ------ */

/* e^y - 1, |y| < 1 */
static struct big exp_minus_1(struct big y)
{
	struct big term = y, sum = y;
	for (uint32_t n = 2; n < 60 && !negligible(term, sum); n++) {
		term = quotient(mul(term, y), small(n));
		sum = add(sum, term);
	}
	return sum;
}

/* z + s z^3/3 + z^5/5 + ...: atanh, or with alternating signs atan; |z| < 0.45 */
static struct big odd_series(struct big z, bool alternate)
{
	struct big power = z, sum = z, z2 = mul(z, z), term;
	if (alternate)
		z2 = negated(z2);
	for (uint32_t n = 3; n < 150; n += 2) {
		power = mul(power, z2);
		term = quotient(power, small(n));
		if (negligible(term, sum)) {
			sum = add(sum, term);
			break;
		}
		sum = add(sum, term);
	}
	return sum;
}

/* Terms first, then each times -x^2 / (n (n + 1)): sin from x with n = 2, cos from 1 with n = 1. */
static struct big trig_series(struct big first, struct big x, uint32_t n)
{
	struct big term = first, sum = first, x2 = negated(mul(x, x));
	for (; n < 80; n += 2) {
		term = quotient(mul(term, x2), small(n * (n + 1)));
		sum = add(sum, term);
		if (negligible(term, sum))
			break;
	}
	return sum;
}

/* ------ logarithms and powers ------ */

static struct sf_num invalid_or_nan(struct sf_env *e, struct sf_num a, struct sf_num b)
{
	return sf_is_nan(a) || sf_is_nan(b) ? sf_nan2(e, a, b) : sf_invalid(e);
}
static struct sf_num infinity(bool sign)
{
	return (struct sf_num){SF_INF, sign, false, 0, (uint64_t)1 << 63};
}
static struct sf_num zero(bool sign)
{
	return (struct sf_num){SF_ZERO, sign, false, 0, 0};
}

static struct sf_num f2xm1(struct sf_env *e, struct sf_num a)
{
	struct sf_num r = sf_from_int(-1);
	if (sf_is_nan(a))
		return sf_nan2(e, a, a);
	if (a.cls == SF_INF)
		return a.sign ? r : a;
	if (a.cls == SF_ZERO)
		return a;
	if (a.denormal)
		e->flags |= SF_D;
	if (a.exp >= 0) { /* defined for -1 and 1 only */
		r.exp = a.sign ? -1 : 0;
		r.sign = a.sign;
		return r;
	}
	return rounded(e, exp_minus_1(mul(big_of(a), LN2)));
}

/* ln(m) for m = x / 2^exp near 1, or ln(1 + x) */
static struct big log_ratio(struct big numerator, struct big denominator)
{
	return scaled(odd_series(quotient(numerator, denominator), false), 1);
}

static struct big log2_of(struct sf_num a)
{
	struct big m = big_of(a), k;
	int32_t exp = a.exp;
	m.exp = 0;
	if (a.sig > 0xb504f333f9de6484) { /* sqrt 2 */
		m.exp = -1;
		exp++;
	}
	k = normal(exp < 0, 127, (u128)(uint32_t)(exp < 0 ? -exp : exp));
	return add(k, quotient(log_ratio(add(m, negated(ONE)), add(m, ONE)), LN2));
}

/* y times a logarithm that is infinite, zero or ordinary; `sign`: the logarithm's. */
static struct sf_num times(struct sf_env *e, struct sf_num y, struct sf_num x, bool sign, struct big l)
{
	if (y.denormal || x.denormal)
		e->flags |= SF_D;
	sign = sign != y.sign;
	if (y.cls == SF_INF)
		return infinity(sign);
	if (y.cls == SF_ZERO || !l.sig)
		return zero(sign);
	return rounded(e, mul(big_of(y), l));
}

static struct sf_num fyl2x(struct sf_env *e, struct sf_num x, struct sf_num y)
{
	bool one = x.cls == SF_FINITE && x.exp == 0 && x.sig == (uint64_t)1 << 63;
	bool bad = sf_is_nan(x) || sf_is_nan(y) || (x.sign && x.cls != SF_ZERO);
	bad |= y.cls == SF_ZERO && (x.cls == SF_ZERO || x.cls == SF_INF);
	if (bad || (one && y.cls == SF_INF))
		return invalid_or_nan(e, x, y);
	if (x.cls == SF_ZERO) {
		if (y.cls == SF_FINITE)
			e->flags |= SF_Z;
		return infinity(!y.sign);
	}
	if (x.cls == SF_INF) {
		if (y.denormal)
			e->flags |= SF_D;
		return infinity(y.sign);
	}
	struct big l = log2_of(x);
	if (x.sig == (uint64_t)1 << 63 && y.cls == SF_FINITE && x.exp) { /* an exact power of two */
		if (y.denormal || x.denormal)
			e->flags |= SF_D;
		l = mul(big_of(y), l);
		return sf_round(e, SF80, l.sign, l.exp, (uint64_t)(l.sig >> 64), (uint64_t)l.sig);
	}
	return times(e, y, x, x.exp < 0, l);
}

static struct sf_num fyl2xp1(struct sf_env *e, struct sf_num x, struct sf_num y)
{
	struct big b;
	if (sf_is_nan(x) || sf_is_nan(y) || (x.cls == SF_ZERO && y.cls == SF_INF))
		return invalid_or_nan(e, x, y);
	if ((x.sign && x.cls == SF_INF) || (x.sign && x.cls == SF_FINITE && x.exp >= 0))
		return sf_invalid(e);
	if (x.cls == SF_INF)
		return y.cls == SF_ZERO ? sf_invalid(e) : infinity(y.sign);
	if (x.cls == SF_ZERO)
		return times(e, y, x, x.sign, big_of(x));
	b = big_of(x);
	return times(e, y, x, x.sign, quotient(log_ratio(b, add(b, scaled(ONE, 1))), LN2));
}

/* ------ arctangent ------ */

/* 0 <= z <= 1 */
static struct big atan_unit(struct big n, struct big d)
{
	struct big z = quotient(n, d);
	if (z.exp < -1 - 1 || (z.exp == -2 && z.sig < U128(0xd413cccfe7799211, 0)))
		return odd_series(z, true);
	return add(scaled(PI, -2), odd_series(quotient(add(n, negated(d)), add(n, d)), true));
}

static bool smaller(struct big a, struct big b)
{
	return a.exp != b.exp ? a.exp < b.exp : a.sig < b.sig;
}

/* The angle of (x, y) for special operands: multiples of pi / 4. */
static struct sf_num angle(struct sf_env *e, bool sign, unsigned quarters)
{
	struct big v = mul(PI, normal(false, 125, quarters));
	v.sign = sign;
	return quarters ? rounded(e, v) : zero(sign);
}

static struct sf_num fpatan(struct sf_env *e, struct sf_num x, struct sf_num y)
{
	struct big bx, by, r;
	if (sf_is_nan(x) || sf_is_nan(y))
		return sf_nan2(e, x, y);
	if (x.denormal || y.denormal)
		e->flags |= SF_D;
	if (y.cls == SF_INF)
		return angle(e, y.sign, x.cls != SF_INF ? 2 : x.sign ? 3 : 1);
	if (x.cls == SF_INF || y.cls == SF_ZERO)
		return angle(e, y.sign, x.sign ? 4 : 0);
	if (x.cls == SF_ZERO)
		return angle(e, y.sign, 2);
	bx = big_of(x);
	by = big_of(y);
	bx.sign = by.sign = false;
	r = smaller(bx, by) ? add(scaled(PI, -1), negated(atan_unit(bx, by))) : atan_unit(by, bx);
	if (x.sign)
		r = add(PI, negated(r));
	r.sign = y.sign;
	return rounded(e, r);
}

/* ------ sine, cosine, tangent ------ */

/* |x| = quarter * pi66 / 2 + *r with |*r| <= pi / 4, exactly. Returns quarter mod 4. */
static unsigned reduce(struct sf_num x, struct big *r)
{
	/* pi / 2 with 66 significant bits is P / 2^65 */
	const u128 P = U128(0x3, 0x243f6a8885a308d3);
	unsigned q = 0;
	u128 v;
	if (x.exp < -1) {
		*r = big_of(x);
		r->sign = false;
		return 0;
	}
	/* In units of 2^-65 the value is sig * 2^(exp + 2): one more bit at a time. */
	int32_t shift = x.exp + 2;
	v = x.sig;
	for (int32_t i = 0; i <= shift; i++) {
		q <<= 1;
		while (v >= P) {
			v -= P;
			q++;
		}
		if (i < shift)
			v <<= 1;
	}
	*r = normal(false, 62, v);
	if (v > P / 2) {
		*r = normal(true, 62, P - v);
		q++;
	}
	return q & 3;
}

static void sine_cosine(struct sf_num x, struct big *s, struct big *c)
{
	struct big r, sine, cosine;
	unsigned q = reduce(x, &r);
	sine = r.sig ? trig_series(r, r, 2) : r;
	cosine = trig_series(ONE, r, 1);
	*s = q & 1 ? cosine : sine;
	*c = q & 1 ? sine : cosine;
	s->sign ^= q >= 2;
	c->sign ^= q == 1 || q == 2;
	s->sign ^= x.sign;
}

static struct x87_result trigonometry(struct sf_env *e, enum x87_unary kind, struct sf_num x)
{
	struct sf_num one = sf_from_int(1), s = x, c = one;
	struct x87_result r = {.cc = 0};
	struct big bs, bc;
	if (x.cls >= SF_INF) {
		s = c = invalid_or_nan(e, x, x);
	} else if (x.cls == SF_FINITE && x.exp >= 63) {
		r.cc = X87_C2;
		c = x;
	} else if (x.cls == SF_FINITE) {
		if (x.denormal)
			e->flags |= SF_D;
		sine_cosine(x, &bs, &bc);
		if (kind != X87_FCOS)
			s = rounded(e, kind == X87_FPTAN ? quotient(bs, bc) : bs);
		if (kind == X87_FCOS || kind == X87_FSINCOS)
			c = rounded(e, bc);
	}
	r.v = sf_pack80(kind == X87_FCOS ? c : s);
	r.v2 = sf_pack80(kind == X87_FSINCOS || x.cls >= SF_INF ? c : one);
	return r;
}

struct x87_result x87_soft_trans(struct sf_env *e, enum x87_unary kind, struct x86_f80 av, struct x86_f80 bv)
{
	struct sf_num a = sf_unpack80(av), b = sf_unpack80(bv), v;
	switch (kind) {
	case X87_F2XM1:
		v = f2xm1(e, a);
		break;
	case X87_FYL2X:
		v = fyl2x(e, a, b);
		break;
	case X87_FYL2XP1:
		v = fyl2xp1(e, a, b);
		break;
	case X87_FPATAN:
		v = fpatan(e, a, b);
		break;
	default:
		return trigonometry(e, kind, a);
	}
	return (struct x87_result){.v = sf_pack80(v)};
}
