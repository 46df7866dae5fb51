/* sse_fma.c - FMA: kernels by the host's own instructions and by softfloat. The old destination is the first operand,
 * a (VEX.vvvv) the second, b the third; the digits of a mnemonic say which are multiplied and which is added. */
#include "sse_fp.h"

/* ------ softfloat ------ */

enum { ADD = 0, SUB = 1, NEGATE = 2, ALTERNATE = 4 /* the odd elements the other way */ };

static struct sf_num negative(struct sf_num n, bool yes)
{
	if (yes && !sf_is_nan(n))
		n.sign = !n.sign;
	return n;
}

/* Of several NaNs the multiplicand's comes first, then the multiplier's, then the addend's (SDM vol. 1, 14.5.2); 213
 * multiplies the second operand by the first. */
static uint64_t element(struct sf_env *e, enum sf_kind k, const uint64_t v[3], unsigned form, unsigned how)
{
	struct sf_num n[3], *x = &n[1], *y = &n[0], *z = &n[2], t;
	for (unsigned i = 0; i < 3; i++)
		n[i] = sf_unpack(e, k, v[i]);
	if (form == 132) {
		x = &n[0];
		y = &n[2];
		z = &n[1];
	} else if (form == 231) {
		y = &n[2];
		z = &n[0];
	}
	if (sf_is_nan(n[0]) || sf_is_nan(n[1]) || sf_is_nan(n[2]))
		return sf_pack(k, sf_nan3(e, *x, *y, *z));
	t = sf_muladd(e, k, negative(*x, how & NEGATE), *y, negative(*z, how & SUB));
	return sf_pack(k, t);
}

static void each32(struct sf_env *e, x86_lane *d, const x86_lane *a, const x86_lane *b, unsigned form, unsigned how,
		   unsigned n)
{
	const x86_lane first = *d, second = *a, third = *b;
	for (unsigned i = 0; i < n; i++) {
		uint64_t v[3] = {first.d[i], second.d[i], third.d[i]};
		d->d[i] = (uint32_t)element(e, SF32, v, form, how & ALTERNATE && !(i & 1) ? how ^ SUB : how);
	}
}
static void each64(struct sf_env *e, x86_lane *d, const x86_lane *a, const x86_lane *b, unsigned form, unsigned how,
		   unsigned n)
{
	const x86_lane first = *d, second = *a, third = *b;
	for (unsigned i = 0; i < n; i++) {
		uint64_t v[3] = {first.q[i], second.q[i], third.q[i]};
		d->q[i] = element(e, SF64, v, form, how & ALTERNATE && !(i & 1) ? how ^ SUB : how);
	}
}

#define SOFT(name, form, type, bits, n, how)                                                                           \
	void sse_soft_##name##form##type(struct sf_env *e, x86_lane *d, const x86_lane *a, const x86_lane *b,          \
					 unsigned imm)                                                                 \
	{                                                                                                              \
		(void)imm;                                                                                             \
		each##bits(e, d, a, b, form, how, n);                                                                  \
	}

/* ------ the host ------ */

#if X86_HOST_FPU
typedef long long v16 __attribute__((vector_size(16), may_alias));
#define HOST(name)                                                                                                     \
	void sse_host_##name(x86_lane *d, const x86_lane *a, const x86_lane *b, unsigned imm)                          \
	{                                                                                                              \
		v16 x = *(const v16 *)d, y = *(const v16 *)a, z = *(const v16 *)b;                                     \
		(void)imm;                                                                                             \
		__asm__ volatile(#name " %2, %1, %0" : "+x"(x) : "x"(y), "x"(z));                                      \
		*(v16 *)d = x;                                                                                         \
	}
#else
#define HOST(name)
#endif

#define ONE(name, form, type, bits, n, how) SOFT(name, form, type, bits, n, how) HOST(name##form##type)
#define THREE(name, type, bits, n, how)                                                                                \
	ONE(name, 132, type, bits, n, how) ONE(name, 213, type, bits, n, how) ONE(name, 231, type, bits, n, how)
#define PACKED(name, how) THREE(name, ps, 32, 4, how) THREE(name, pd, 64, 2, how)
#define ALL(name, how) PACKED(name, how) THREE(name, ss, 32, 1, how) THREE(name, sd, 64, 1, how)
ALL(vfmadd, ADD)
ALL(vfmsub, SUB)
ALL(vfnmadd, NEGATE | ADD)
ALL(vfnmsub, NEGATE | SUB)
PACKED(vfmaddsub, ALTERNATE | ADD)
PACKED(vfmsubadd, ALTERNATE | SUB)
