/* sse_crypto.c - AES, carry-less multiplication, Galois fields and SHA (SDM vol. 2): portable kernels, the host's own
 * instructions where it has them, and their rows. The V forms, 128 and 256 bits, are the same rows (vex.h). */
#include "crypto.h"
#include "vex.h"

#if X86_HOST_FPU
#include <cpuid.h>

enum host_bit { HOST_PCLMULQDQ, HOST_AES, HOST_SHA, HOST_GFNI };
/* Compilers' own names for these differ. */
static unsigned ask_host(void)
{
	static const struct {
		uint8_t leaf, reg, bit;
	} of[] = {[HOST_PCLMULQDQ] = {1, 2, 1},
		  [HOST_AES] = {1, 2, 25},
		  [HOST_SHA] = {7, 1, 29},
		  [HOST_GFNI] = {7, 2, 8}};
	unsigned r[4], found = 0;
	for (unsigned n = 0; n < sizeof of / sizeof *of; n++)
		if (__get_cpuid_count(of[n].leaf, 0, &r[0], &r[1], &r[2], &r[3]))
			found |= (r[of[n].reg] >> of[n].bit & 1) << n;
	return found;
}

static bool host_has(enum host_bit what)
{
	enum { ASKED = 1 << 30 };
	static atomic_uint known;
	unsigned k = atomic_load_explicit(&known, memory_order_relaxed);
	if (unlikely(!k)) {
		k = ask_host() | ASKED;
		atomic_store_explicit(&known, k, memory_order_relaxed);
	}
	return k >> what & 1;
}
#endif

#define PORTABLE(name, ...)                                                                                            \
	static void portable_##name(x86_lane *dp, const x86_lane *ap, const x86_lane *bp, unsigned imm)                \
	{                                                                                                              \
		const x86_lane a = *ap, b = *bp;                                                                       \
		x86_lane r = a;                                                                                        \
		(void)imm;                                                                                             \
		(void)a;                                                                                               \
		(void)b;                                                                                               \
		__VA_ARGS__;                                                                                           \
		*dp = r;                                                                                               \
	}

/* ------ AES ------ */

/* The state has its columns one after the other: byte 4 * column + row. Row n moves n columns to the left. */
static x86_lane shift_rows(x86_lane s, const uint8_t box[256], unsigned by)
{
	x86_lane r;
	for (unsigned i = 0; i < 16; i++)
		r.b[i] = box[s.b[(i + 4 * by * (i & 3)) & 15]];
	return r;
}

static uint8_t twice(uint8_t v)
{
	return (uint8_t)(v << 1 ^ (v & 0x80 ? 0x1b : 0));
}

static x86_lane mix_columns(x86_lane s)
{
	x86_lane r;
	for (unsigned i = 0; i < 16; i++) {
		const uint8_t *c = &s.b[i & 12];
		uint8_t v = s.b[i], next = c[(i + 1) & 3];
		r.b[i] = twice(v ^ next) ^ next ^ c[(i + 2) & 3] ^ c[(i + 3) & 3];
	}
	return r;
}

/* The inverse is three times the same: the matrix' fourth power is one. */
static x86_lane unmix_columns(x86_lane s)
{
	return mix_columns(mix_columns(mix_columns(s)));
}

static x86_lane plus_key(x86_lane s, x86_lane key)
{
	s.q[0] ^= key.q[0];
	s.q[1] ^= key.q[1];
	return s;
}
static uint32_t sub_word(uint32_t v)
{
	return sbox[v & 0xff] | (uint32_t)sbox[v >> 8 & 0xff] << 8 | (uint32_t)sbox[v >> 16 & 0xff] << 16 |
	       (uint32_t)sbox[v >> 24] << 24;
}

PORTABLE(aesenc, r = plus_key(mix_columns(shift_rows(a, sbox, 1)), b))
PORTABLE(aesenclast, r = plus_key(shift_rows(a, sbox, 1), b))
PORTABLE(aesdec, r = plus_key(unmix_columns(shift_rows(a, inverse_sbox, 3)), b))
PORTABLE(aesdeclast, r = plus_key(shift_rows(a, inverse_sbox, 3), b))
PORTABLE(aesimc, r = unmix_columns(b))
PORTABLE(aeskeygenassist, r.d[0] = sub_word(b.d[1]); r.d[1] = rotate_right(sub_word(b.d[1]), 8) ^ imm;
	 r.d[2] = sub_word(b.d[3]); r.d[3] = rotate_right(sub_word(b.d[3]), 8) ^ imm)

/* ------ polynomials over GF(2) ------ */

PORTABLE(
	pclmulqdq, uint64_t x = a.q[imm & 1]; uint64_t y = b.q[imm >> 4 & 1]; r = (x86_lane){.q = {0, 0}};
	for (unsigned i = 0; i < 64; i++) if (y >> i & 1) {
		r.q[0] ^= x << i;
		r.q[1] ^= i ? x >> (64 - i) : 0;
	})

static uint8_t gf_multiply(uint8_t a, uint8_t b)
{
	uint8_t r = 0;
	for (; b; b >>= 1, a = twice(a))
		r ^= b & 1 ? a : 0;
	return r;
}
/* The 254th power. */
static uint8_t gf_inverse(uint8_t v)
{
	uint8_t r = 1;
	for (unsigned i = 0; i < 7; i++) {
		v = gf_multiply(v, v);
		r = gf_multiply(r, v);
	}
	return r;
}
static uint8_t affine(uint64_t matrix, uint8_t v, unsigned plus)
{
	uint8_t r = 0;
	for (unsigned i = 0; i < 8; i++)
		r |= (uint8_t)(__builtin_parity((uint8_t)(matrix >> (56 - 8 * i)) & v) << i);
	return r ^ (uint8_t)plus;
}
#define EACH_BYTE(...)                                                                                                 \
	for (unsigned i = 0; i < 16; i++)                                                                              \
	r.b[i] = (__VA_ARGS__)
PORTABLE(gf2p8mulb, EACH_BYTE(gf_multiply(a.b[i], b.b[i])))
PORTABLE(gf2p8affineqb, EACH_BYTE(affine(b.q[i / 8], a.b[i], imm)))
PORTABLE(gf2p8affineinvqb, EACH_BYTE(affine(b.q[i / 8], gf_inverse(a.b[i]), imm)))

/* ------ SHA; the first word is in the highest element ------ */

static uint32_t sha1_f(unsigned kind, uint32_t b, uint32_t c, uint32_t d)
{
	return kind == 0 ? choose(b, c, d) : kind == 2 ? majority(b, c, d) : b ^ c ^ d;
}
static x86_lane sha1_rounds(x86_lane s, x86_lane w, unsigned kind)
{
	static const uint32_t k[] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
	uint32_t e = 0; /* the first one is in w */
	for (unsigned i = 0; i < 4; i++) {
		uint32_t t = sha1_f(kind, s.d[2], s.d[1], s.d[0]) + rotate_left(s.d[3], 5) + w.d[3 - i] + e + k[kind];
		e = s.d[0];
		s.d[0] = s.d[1];
		s.d[1] = rotate_left(s.d[2], 30);
		s.d[2] = s.d[3];
		s.d[3] = t;
	}
	return s;
}
PORTABLE(sha1rnds4, r = sha1_rounds(a, b, imm & 3))
PORTABLE(sha1nexte, r = b; r.d[3] = b.d[3] + rotate_left(a.d[3], 30))
PORTABLE(sha1msg1, r.d[3] = a.d[1] ^ a.d[3]; r.d[2] = a.d[0] ^ a.d[2]; r.d[1] = b.d[3] ^ a.d[1];
	 r.d[0] = b.d[2] ^ a.d[0])
PORTABLE(sha1msg2, r.d[3] = rotate_left(a.d[3] ^ b.d[2], 1); r.d[2] = rotate_left(a.d[2] ^ b.d[1], 1);
	 r.d[1] = rotate_left(a.d[1] ^ b.d[0], 1); r.d[0] = rotate_left(a.d[0] ^ r.d[3], 1))

PORTABLE(sha256msg1, r.d[3] = a.d[3] + small0(b.d[0]);
	 for (unsigned i = 0; i < 3; i++) r.d[i] = a.d[i] + small0(a.d[i + 1]))
PORTABLE(sha256msg2, r.d[0] = a.d[0] + small1(b.d[2]); r.d[1] = a.d[1] + small1(b.d[3]);
	 r.d[2] = a.d[2] + small1(r.d[0]); r.d[3] = a.d[3] + small1(r.d[1]))

/* a holds C D G H, b A B E F, wk the next two words with their constants. */
static x86_lane sha256_rounds(x86_lane cdgh, x86_lane abef, x86_lane wk)
{
	uint32_t a = abef.d[3], b = abef.d[2], e = abef.d[1], f = abef.d[0];
	uint32_t c = cdgh.d[3], d = cdgh.d[2], g = cdgh.d[1], h = cdgh.d[0];
	for (unsigned i = 0; i < 2; i++) {
		uint32_t t = h + choose(e, f, g) + wk.d[i] +
			     (rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25));
		uint32_t u = majority(a, b, c) + (rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22));
		h = g, g = f, f = e, e = d + t;
		d = c, c = b, b = a, a = t + u;
	}
	return (x86_lane){.d = {f, e, b, a}};
}

/* ------ by the host ------ */

#if X86_HOST_FPU
typedef long long v16 __attribute__((vector_size(16), may_alias));
#define HOST(name, ...)                                                                                                \
	static void host_##name(x86_lane *d, const x86_lane *a, const x86_lane *b, unsigned imm)                       \
	{                                                                                                              \
		v16 x = *(const v16 *)a, y = *(const v16 *)b;                                                          \
		(void)imm;                                                                                             \
		__VA_ARGS__;                                                                                           \
		*(v16 *)d = x;                                                                                         \
	}
#define SAME(name) HOST(name, __asm__(#name " %1, %0" : "+x"(x) : "x"(y)))
SAME(aesenc)
SAME(aesenclast) SAME(aesdec) SAME(aesdeclast) SAME(aesimc) SAME(gf2p8mulb) SAME(sha1nexte) SAME(sha1msg1)
	SAME(sha1msg2) SAME(sha256msg1) SAME(sha256msg2)
#define WITH(text, n) __asm__(text " $" #n ", %1, %0" : "+x"(x) : "x"(y))
		HOST(
			pclmulqdq,
			switch (imm & 0x11) {
case 0:
	WITH("pclmulqdq", 0);
	break;
case 1:
	WITH("pclmulqdq", 1);
	break;
case 0x10:
	WITH("pclmulqdq", 16);
	break;
default:
	WITH("pclmulqdq", 17);
	break;
			})
			HOST(
				sha1rnds4,
				switch (imm & 3) {
case 0:
	WITH("sha1rnds4", 0);
	break;
case 1:
	WITH("sha1rnds4", 1);
	break;
case 2:
	WITH("sha1rnds4", 2);
	break;
default:
	WITH("sha1rnds4", 3);
	break;
				})
	/* The immediate is only added. */
	HOST(aeskeygenassist, __asm__("aeskeygenassist $0, %1, %0"
				      : "=x"(x)
				      : "x"(y));
	     x86_lane r = *(x86_lane *)&x; r.d[1] ^= imm; r.d[3] ^= imm; x = *(v16 *)&r)
		HOST(gf2p8affineqb, WITH("gf2p8affineqb", 0);
		     x ^= (v16){1, 1} * (long long)(imm * UINT64_C(0x0101010101010101)))
			HOST(gf2p8affineinvqb, WITH("gf2p8affineinvqb", 0);
			     x ^= (v16){1, 1} * (long long)(imm * UINT64_C(0x0101010101010101)))
#define KERNEL(bit, name)                                                                                              \
	static void name##_16(x86_lane *d, const x86_lane *a, const x86_lane *b, unsigned imm)                         \
	{                                                                                                              \
		if (host_has(HOST_##bit) && !x86_fp_soft)                                                              \
			host_##name(d, a, b, imm);                                                                     \
		else                                                                                                   \
			portable_##name(d, a, b, imm);                                                                 \
	}
#else
#define KERNEL(bit, name)                                                                                              \
	static void name##_16(x86_lane *d, const x86_lane *a, const x86_lane *b, unsigned imm)                         \
	{                                                                                                              \
		portable_##name(d, a, b, imm);                                                                         \
	}
#endif

#define BOTH_ROWS(X)                                                                                                   \
	X(AES, AESENC, aesenc)                                                                                         \
	X(AES, AESENCLAST, aesenclast) X(AES, AESDEC, aesdec) X(AES, AESDECLAST, aesdeclast) X(AES, AESIMC, aesimc)    \
		X(AES, AESKEYGENASSIST, aeskeygenassist) X(PCLMULQDQ, PCLMULQDQ, pclmulqdq)                            \
			X(GFNI, GF2P8MULB, gf2p8mulb) X(GFNI, GF2P8AFFINEQB, gf2p8affineqb)                            \
				X(GFNI, GF2P8AFFINEINVQB, gf2p8affineinvqb)
#define LEGACY_ROWS(X)                                                                                                 \
	X(SHA, SHA1RNDS4, sha1rnds4)                                                                                   \
	X(SHA, SHA1NEXTE, sha1nexte) X(SHA, SHA1MSG1, sha1msg1) X(SHA, SHA1MSG2, sha1msg2)                             \
		X(SHA, SHA256MSG1, sha256msg1) X(SHA, SHA256MSG2, sha256msg2)
#define DEFINE(bit, MNEMONIC, name) KERNEL(bit, name)
				BOTH_ROWS(DEFINE) LEGACY_ROWS(DEFINE)

					const struct sse_row sse_crypto_rows[] = {
#define BOTH(bit, MNEMONIC, name) {SSE_NAMES(MNEMONIC), 16, 0, name##_16, NULL},
#define LEGACY(bit, MNEMONIC, name) {ZYDIS_MNEMONIC_##MNEMONIC, ZYDIS_MNEMONIC_INVALID, 16, 0, name##_16, NULL},
						BOTH_ROWS(BOTH) LEGACY_ROWS(LEGACY) SSE_ROW_END};

/* ------ SHA256RNDS2: XMM0 is the third operand ------ */

static const struct x86_op *rounds(struct x86_cpu *c, const struct x86_op *op, x86_lane b)
{
	x86_lane *d = sse_lane(c, op->dst);
	*d = sha256_rounds(*d, b, *sse_lane(c, 0));
	return NEXT(op);
}
static const struct x86_op *rounds_x(struct x86_cpu *c, const struct x86_op *op)
{
	x86_sse_check(c, op);
	return rounds(c, op, *sse_lane(c, op->src));
}
static const struct x86_op *rounds_m(struct x86_cpu *c, const struct x86_op *op)
{
	x86_lane s;
	x86_sse_check(c, op);
	sse_load16(c, op, &s);
	return rounds(c, op, s);
}

x86_fn sse_translate_sha(const struct x86_insn *d, struct x86_op *op)
{
	if (d->i.mnemonic != ZYDIS_MNEMONIC_SHA256RNDS2)
		return NULL;
	sse_operands(d, op);
	return sse_is_mem(d, 1) ? rounds_m : rounds_x;
}
