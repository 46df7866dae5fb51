/* sse_fp_soft.c - SSE floating point by softfloat: element functions and the loops over lanes. */
#include "sse_fp.h"

typedef uint64_t (*element)(struct sf_env *e, enum sf_kind k, uint64_t a, uint64_t b, unsigned imm);

static uint64_t binary(sf_binary f, struct sf_env *e, enum sf_kind k, uint64_t a, uint64_t b)
{
	return sf_pack(k, f(e, k, sf_unpack(e, k, a), sf_unpack(e, k, b)));
}

static uint64_t el_add(struct sf_env *e, enum sf_kind k, uint64_t a, uint64_t b, unsigned imm)
{
	(void)imm;
	return binary(sf_add, e, k, a, b);
}
static uint64_t el_sub(struct sf_env *e, enum sf_kind k, uint64_t a, uint64_t b, unsigned imm)
{
	(void)imm;
	return binary(sf_sub, e, k, a, b);
}
static uint64_t el_mul(struct sf_env *e, enum sf_kind k, uint64_t a, uint64_t b, unsigned imm)
{
	(void)imm;
	return binary(sf_mul, e, k, a, b);
}
static uint64_t el_div(struct sf_env *e, enum sf_kind k, uint64_t a, uint64_t b, unsigned imm)
{
	(void)imm;
	return binary(sf_div, e, k, a, b);
}

/* With DAZ a denormal that is the result is delivered as the zero it counts as. */
static uint64_t flushed(struct sf_env *e, enum sf_kind k, uint64_t v)
{
	struct sf_num n = sf_unpack(e, k, v);
	return n.cls == SF_ZERO ? sf_pack(k, n) : v;
}
static uint64_t el_min(struct sf_env *e, enum sf_kind k, uint64_t a, uint64_t b, unsigned imm)
{
	(void)imm;
	return flushed(e, k, sf_first_of(e, sf_unpack(e, k, a), sf_unpack(e, k, b), false) ? a : b);
}
static uint64_t el_max(struct sf_env *e, enum sf_kind k, uint64_t a, uint64_t b, unsigned imm)
{
	(void)imm;
	return flushed(e, k, sf_first_of(e, sf_unpack(e, k, a), sf_unpack(e, k, b), true) ? a : b);
}
static uint64_t el_sqrt(struct sf_env *e, enum sf_kind k, uint64_t a, uint64_t b, unsigned imm)
{
	(void)a;
	(void)imm;
	return sf_pack(k, sf_sqrt(e, k, sf_unpack(e, k, b)));
}

/* A predicate is true for some of the outcomes less, equal, greater, unordered (bits 0 to 3), and signals for quiet
 * NaNs or not (SDM vol. 2, table 3-1). Legacy instructions have the first eight. */
static uint64_t el_vcmp(struct sf_env *e, enum sf_kind k, uint64_t a, uint64_t b, unsigned imm)
{
	enum { L = 1, E = 2, G = 4, U = 8 };
	static const uint8_t outcomes[16] = {E,     L,     L | E,     U, L | G | U, E | G | U, G | U, L | E | G,
					     E | U, L | U, L | E | U, 0, L | G,     E | G,     G,     L | E | G | U};
	/* bit n: predicate n is quiet; the upper 16 are the other way */
	const unsigned quiet = 0x9999;
	bool q = (quiet >> (imm & 15) & 1) != (imm >> 4 & 1);
	int o = sf_compare(e, sf_unpack(e, k, a), sf_unpack(e, k, b), q);
	unsigned is = o == SF_LESS ? L : o == SF_EQUAL ? E : o == SF_GREATER ? G : U;
	return outcomes[imm & 15] & is ? ~(uint64_t)0 : 0;
}
static uint64_t el_cmp(struct sf_env *e, enum sf_kind k, uint64_t a, uint64_t b, unsigned imm)
{
	return el_vcmp(e, k, a, b, imm & 7);
}

static uint64_t el_round(struct sf_env *e, enum sf_kind k, uint64_t a, uint64_t b, unsigned imm)
{
	uint8_t before = e->flags;
	(void)a;
	uint64_t r = sf_pack(k, sf_round_int(e, sf_unpack(e, k, b), imm & 4 ? e->rc : imm & 3));
	if (imm & 8)
		e->flags = (uint8_t)((e->flags & ~SF_P) | (before & SF_P));
	return r;
}

/* RCPPS and RSQRTPS: relative error at most 1.5 * 2^-12, no exceptions, denormals count as zeros, tiny results become
 * zero. Here: the correctly rounded value, cut to 14 significand bits. */
static uint64_t approximate(struct sf_num n, bool root)
{
	struct sf_env quiet = {.rc = SF_NEAREST, .masks = 0x3f, .ftz = true};
	struct sf_num one = sf_from_int(1);
	if (n.cls == SF_SNAN || n.cls == SF_QNAN)
		return sf_pack32(sf_nan2(&quiet, n, n));
	if (root)
		n = sf_sqrt(&quiet, SF32, n);
	n = sf_is_nan(n) ? n : sf_div(&quiet, SF32, one, n);
	if (n.cls == SF_FINITE)
		n.sig = (n.sig + ((uint64_t)1 << 49)) < n.sig
			    ? n.sig
			    : (n.sig + ((uint64_t)1 << 49)) & ~(((uint64_t)1 << 50) - 1);
	return sf_pack32(n);
}
static uint64_t el_rcp(struct sf_env *e, enum sf_kind k, uint64_t a, uint64_t b, unsigned imm)
{
	struct sf_env zeros = {.daz = true};
	(void)e;
	(void)k;
	(void)a;
	(void)imm;
	return approximate(sf_unpack32(&zeros, (uint32_t)b), false);
}
static uint64_t el_rsqrt(struct sf_env *e, enum sf_kind k, uint64_t a, uint64_t b, unsigned imm)
{
	struct sf_env zeros = {.daz = true};
	(void)e;
	(void)k;
	(void)a;
	(void)imm;
	return approximate(sf_unpack32(&zeros, (uint32_t)b), true);
}

static void each32(element f, struct sf_env *e, x86_lane *d, const x86_lane *s, unsigned imm, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		d->d[i] = (uint32_t)f(e, SF32, d->d[i], s->d[i], imm);
}
static void each64(element f, struct sf_env *e, x86_lane *d, const x86_lane *s, unsigned imm, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		d->q[i] = f(e, SF64, d->q[i], s->q[i], imm);
}

#define KERNEL(name, ...)                                                                                              \
	void sse_soft_##name(struct sf_env *e, x86_lane *d, const x86_lane *ap, const x86_lane *bp, unsigned imm)      \
	{                                                                                                              \
		const x86_lane a = *ap, b = *bp;                                                                       \
		(void)imm;                                                                                             \
		(void)b;                                                                                               \
		*d = a;                                                                                                \
		__VA_ARGS__;                                                                                           \
	}
#define SINGLES(name)                                                                                                  \
	KERNEL(name##ps, each32(el_##name, e, d, &b, imm, 4)) KERNEL(name##ss, each32(el_##name, e, d, &b, imm, 1))
#define DOUBLES(name)                                                                                                  \
	KERNEL(name##pd, each64(el_##name, e, d, &b, imm, 2)) KERNEL(name##sd, each64(el_##name, e, d, &b, imm, 1))
#define FOUR(name) SINGLES(name) DOUBLES(name)
FOUR(add) FOUR(sub) FOUR(mul) FOUR(div) FOUR(min) FOUR(max) FOUR(sqrt) FOUR(cmp) FOUR(vcmp) FOUR(round) SINGLES(rcp) SINGLES(rsqrt)

#define F32(f, x, y) (uint32_t)el_##f(e, SF32, x, y, 0)
#define F64(f, x, y) el_##f(e, SF64, x, y, 0)
KERNEL(addsubps, for (unsigned i = 0; i < 4; i++) d->d[i] = i & 1 ? F32(add, a.d[i], b.d[i]) : F32(sub, a.d[i], b.d[i]))
KERNEL(addsubpd, d->q[0] = F64(sub, a.q[0], b.q[0]); d->q[1] = F64(add, a.q[1], b.q[1]))
#define HORIZONTAL(name, f)                                                                                            \
	KERNEL(name##ps, for (unsigned i = 0; i < 2; i++) {                                                            \
		d->d[i] = F32(f, a.d[2 * i], a.d[2 * i + 1]);                                                          \
		d->d[2 + i] = F32(f, b.d[2 * i], b.d[2 * i + 1]);                                                      \
	})                                                                                                             \
	KERNEL(name##pd, d->q[0] = F64(f, a.q[0], a.q[1]); d->q[1] = F64(f, b.q[0], b.q[1]))
HORIZONTAL(hadd, add)
HORIZONTAL(hsub, sub)

/* An unmasked exception in one step keeps the next from being computed. */
static bool stopped(struct sf_env *e)
{
	if (e->flags & ~e->masks)
		return true;
	e->earlier |= e->flags;
	e->flags = 0;
	return false;
}
/* imm: bits 7:4 choose the products, 3:0 the elements that get the sum (SDM: (0 + 1) + (2 + 3)). Each step is taken for
 * all lanes before the next. */
static void dot_products(struct sf_env *e, x86_lane *d, const x86_lane *a, const x86_lane *b, unsigned imm,
			 unsigned lanes)
{
	uint32_t p[8], pair[4], sum[2];
	for (unsigned i = 0; i < 4 * lanes; i++)
		p[i] = imm >> (4 + i % 4) & 1 ? F32(mul, a[i / 4].d[i % 4], b[i / 4].d[i % 4]) : 0;
	if (stopped(e))
		return;
	for (unsigned i = 0; i < 2 * lanes; i++)
		pair[i] = F32(add, p[2 * i], p[2 * i + 1]);
	if (stopped(e))
		return;
	for (unsigned i = 0; i < lanes; i++)
		sum[i] = F32(add, pair[2 * i], pair[2 * i + 1]);
	for (unsigned i = 0; i < 4 * lanes; i++)
		d[i / 4].d[i % 4] = imm >> i % 4 & 1 ? sum[i / 4] : 0;
}
KERNEL(dpps, dot_products(e, d, &a, &b, imm, 1))
void sse_soft_dpps_256(struct sf_env *e, x86_lane *d, const x86_lane *a, const x86_lane *b, unsigned imm)
{
	dot_products(e, d, a, b, imm, 2);
}
KERNEL(dppd, uint64_t p[2]; for (unsigned i = 0; i < 2; i++) p[i] = imm >> (4 + i) & 1 ? F64(mul, a.q[i], b.q[i]) : 0;
       if (stopped(e)) return; uint64_t sum = F64(add, p[0], p[1]);
       for (unsigned i = 0; i < 2; i++) d->q[i] = imm >> i & 1 ? sum : 0)

static uint64_t widen(struct sf_env *e, uint32_t v)
{
	return sf_pack64(sf_convert(e, SF64, sf_unpack32(e, v), true));
}
static uint32_t narrow(struct sf_env *e, uint64_t v)
{
	return sf_pack32(sf_convert(e, SF32, sf_unpack64(e, v), true));
}
static uint64_t from_int(struct sf_env *e, enum sf_kind k, int64_t v)
{
	return sf_pack(k, sf_convert(e, k, sf_from_int(v), false));
}
static uint64_t to_int(struct sf_env *e, enum sf_kind k, uint64_t v, unsigned bits, bool cut)
{
	uint64_t i = (uint64_t)sf_to_int(e, sf_unpack(e, k, v), bits, cut ? SF_TRUNC : e->rc);
	return bits == 64 ? i : (uint32_t)i;
}
KERNEL(cvtps2pd, for (unsigned i = 0; i < 2; i++) d->q[i] = widen(e, b.d[i]))
KERNEL(cvtpd2ps, for (unsigned i = 0; i < 2; i++) d->d[i] = narrow(e, b.q[i]); d->q[1] = 0)
KERNEL(cvtss2sd, d->q[0] = widen(e, b.d[0]))
KERNEL(cvtsd2ss, d->d[0] = narrow(e, b.q[0]))
KERNEL(cvtdq2ps, for (unsigned i = 0; i < 4; i++) d->d[i] = (uint32_t)from_int(e, SF32, b.sd[i]))
KERNEL(cvtpi2ps, for (unsigned i = 0; i < 2; i++) d->d[i] = (uint32_t)from_int(e, SF32, b.sd[i]))
KERNEL(cvtdq2pd, for (unsigned i = 0; i < 2; i++) d->q[i] = from_int(e, SF64, b.sd[i]))
KERNEL(cvtps2dq, for (unsigned i = 0; i < 4; i++) d->d[i] = (uint32_t)to_int(e, SF32, b.d[i], 32, false))
KERNEL(cvttps2dq, for (unsigned i = 0; i < 4; i++) d->d[i] = (uint32_t)to_int(e, SF32, b.d[i], 32, true))
KERNEL(cvtpd2dq, for (unsigned i = 0; i < 2; i++) d->d[i] = (uint32_t)to_int(e, SF64, b.q[i], 32, false); d->q[1] = 0)
KERNEL(cvttpd2dq, for (unsigned i = 0; i < 2; i++) d->d[i] = (uint32_t)to_int(e, SF64, b.q[i], 32, true); d->q[1] = 0)
KERNEL(cvtsi2ss, d->d[0] = (uint32_t)from_int(e, SF32, imm == 64 ? b.sq[0] : b.sd[0]))
KERNEL(cvtsi2sd, d->q[0] = from_int(e, SF64, imm == 64 ? b.sq[0] : b.sd[0]))
KERNEL(cvtss2si, d->q[0] = to_int(e, SF32, b.d[0], imm, false))
KERNEL(cvtsd2si, d->q[0] = to_int(e, SF64, b.q[0], imm, false))
KERNEL(cvttss2si, d->q[0] = to_int(e, SF32, b.d[0], imm, true))
KERNEL(cvttsd2si, d->q[0] = to_int(e, SF64, b.q[0], imm, true))

static uint64_t compare(struct sf_env *e, enum sf_kind k, uint64_t a, uint64_t b, bool quiet)
{
	switch (sf_compare(e, sf_unpack(e, k, a), sf_unpack(e, k, b), quiet)) {
	case SF_UNORDERED:
		return X86_ZF | X86_PF_ | X86_CF;
	case SF_LESS:
		return X86_CF;
	case SF_EQUAL:
		return X86_ZF;
	default:
		return 0;
	}
}
KERNEL(comiss, d->q[0] = compare(e, SF32, a.d[0], b.d[0], false))
KERNEL(comisd, d->q[0] = compare(e, SF64, a.q[0], b.q[0], false))
KERNEL(ucomiss, d->q[0] = compare(e, SF32, a.d[0], b.d[0], true))
KERNEL(ucomisd, d->q[0] = compare(e, SF64, a.q[0], b.q[0], true))
