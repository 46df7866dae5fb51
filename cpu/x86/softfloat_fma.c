/* softfloat_fma.c - fused multiply-add: the exact product and the addend meet in 256 bits and are rounded once. */
#include "softfloat.h"

typedef unsigned __int128 u128;

/* hi:lo / 2^255 * 2^exp; bits lost on the right stay in the last one. */
struct wide {
	u128 hi, lo;
	int32_t exp;
	bool sign;
};

static struct wide shift_right(struct wide w, uint32_t n)
{
	bool lost;
	if (n == 0)
		return w;
	if (n > 255) {
		lost = w.hi || w.lo;
		w.hi = w.lo = 0;
	} else if (n > 127) {
		lost = w.lo || (n > 128 && w.hi << (256 - n));
		w.lo = n == 128 ? w.hi : w.hi >> (n - 128);
		w.hi = 0;
	} else {
		lost = w.lo << (128 - n);
		w.lo = w.lo >> n | w.hi << (128 - n);
		w.hi >>= n;
	}
	w.lo |= lost;
	w.exp += (int32_t)n;
	return w;
}

static unsigned leading_zeros(u128 v)
{
	uint64_t top = (uint64_t)(v >> 64);
	return top ? (unsigned)__builtin_clzll(top) : 64 + (unsigned)__builtin_clzll((uint64_t)v);
}

/* At most 128 significant bits follow the first one, but for one that says "and more". */
static struct sf_num round_wide(struct sf_env *e, enum sf_kind k, struct wide w)
{
	unsigned n;
	if (!w.hi) {
		w.hi = w.lo;
		w.lo = 0;
		w.exp -= 128;
	}
	n = leading_zeros(w.hi);
	if (n) {
		w.hi = w.hi << n | w.lo >> (128 - n);
		w.lo <<= n;
	}
	return sf_round(e, k, w.sign, w.exp - (int32_t)n, (uint64_t)(w.hi >> 64), (uint64_t)w.hi | (w.lo != 0));
}

static bool less(struct wide a, struct wide b)
{
	return a.hi < b.hi || (a.hi == b.hi && a.lo < b.lo);
}

static struct sf_num zero(bool sign)
{
	return (struct sf_num){SF_ZERO, sign, false, 0, 0};
}

/* One bit of room on the left for a carry. */
static struct wide product(struct sf_num a, struct sf_num b)
{
	return shift_right((struct wide){(u128)a.sig * b.sig, 0, a.exp + b.exp + 1, a.sign != b.sign}, 1);
}

static struct sf_num add(struct sf_env *e, enum sf_kind k, struct wide p, struct sf_num c)
{
	struct wide q = shift_right((struct wide){(u128)c.sig << 64, 0, c.exp, c.sign}, 1), t;
	if (p.exp < q.exp)
		p = shift_right(p, (uint32_t)(q.exp - p.exp));
	else
		q = shift_right(q, (uint32_t)(p.exp - q.exp));
	if (p.sign == q.sign) {
		p.lo += q.lo;
		p.hi += q.hi + (p.lo < q.lo);
		return round_wide(e, k, p);
	}
	if (less(p, q)) {
		t = p;
		p = q;
		q = t;
	}
	p.hi -= q.hi + (p.lo < q.lo);
	p.lo -= q.lo;
	return p.hi || p.lo ? round_wide(e, k, p) : zero(e->rc == SF_DOWN);
}

static struct sf_num infinity(struct sf_env *e, bool product, bool sign, struct sf_num c)
{
	if (product && c.cls == SF_INF && c.sign != sign)
		return sf_invalid(e);
	return (struct sf_num){SF_INF, product ? sign : c.sign, false, 0, (uint64_t)1 << 63};
}

struct sf_num sf_muladd(struct sf_env *e, enum sf_kind k, struct sf_num a, struct sf_num b, struct sf_num c)
{
	bool sign = a.sign != b.sign;
	e->up = false;
	if ((a.cls == SF_INF && b.cls == SF_ZERO) || (a.cls == SF_ZERO && b.cls == SF_INF))
		return sf_invalid(e);
	if ((a.cls == SF_INF || b.cls == SF_INF) && c.cls == SF_INF && c.sign != sign)
		return sf_invalid(e);
	if (a.denormal || b.denormal || c.denormal)
		e->flags |= SF_D;
	if (a.cls == SF_INF || b.cls == SF_INF || c.cls == SF_INF)
		return infinity(e, a.cls == SF_INF || b.cls == SF_INF, sign, c);
	if (a.cls == SF_ZERO || b.cls == SF_ZERO) {
		if (c.cls == SF_ZERO)
			return zero(sign == c.sign ? sign : e->rc == SF_DOWN);
		return sf_round(e, k, c.sign, c.exp, c.sig, 0);
	}
	if (c.cls == SF_ZERO)
		return round_wide(e, k, product(a, b));
	return add(e, k, product(a, b), c);
}

struct sf_num sf_nan3(struct sf_env *e, struct sf_num a, struct sf_num b, struct sf_num c)
{
	struct sf_num n = sf_is_nan(a) ? a : sf_is_nan(b) ? b : c;
	if (a.cls == SF_SNAN || b.cls == SF_SNAN || c.cls == SF_SNAN)
		e->flags |= SF_I;
	return sf_nan2(e, n, n);
}
