/* sse_crypto.c - AES, carry-less multiplication, Galois fields and SHA (SDM vol. 2): portable kernels, the host's own
 * instructions where it has them, and their rows. The V forms, 128 and 256 bits, are the same rows (vex.h). */
#include "vex.h"

#if X86_HOST_FPU
#include <cpuid.h>

enum host_bit { HOST_PCLMULQDQ, HOST_AES, HOST_SHA, HOST_GFNI };
/* Compilers' own names for these differ. */
static unsigned ask_host(void)
{
	static const struct {
		uint8_t leaf, reg, bit;
	} of[] = {
	    [HOST_PCLMULQDQ] = {1, 2, 1}, [HOST_AES] = {1, 2, 25}, [HOST_SHA] = {7, 1, 29}, [HOST_GFNI] = {7, 2, 8}};
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

static const uint8_t sbox[256] = {
	0x63, 0x7c, 0x77, 0x7b, 0xf2, 0x6b, 0x6f, 0xc5, 0x30, 0x01, 0x67, 0x2b, 0xfe, 0xd7, 0xab, 0x76,
	0xca, 0x82, 0xc9, 0x7d, 0xfa, 0x59, 0x47, 0xf0, 0xad, 0xd4, 0xa2, 0xaf, 0x9c, 0xa4, 0x72, 0xc0,
	0xb7, 0xfd, 0x93, 0x26, 0x36, 0x3f, 0xf7, 0xcc, 0x34, 0xa5, 0xe5, 0xf1, 0x71, 0xd8, 0x31, 0x15,
	0x04, 0xc7, 0x23, 0xc3, 0x18, 0x96, 0x05, 0x9a, 0x07, 0x12, 0x80, 0xe2, 0xeb, 0x27, 0xb2, 0x75,
	0x09, 0x83, 0x2c, 0x1a, 0x1b, 0x6e, 0x5a, 0xa0, 0x52, 0x3b, 0xd6, 0xb3, 0x29, 0xe3, 0x2f, 0x84,
	0x53, 0xd1, 0x00, 0xed, 0x20, 0xfc, 0xb1, 0x5b, 0x6a, 0xcb, 0xbe, 0x39, 0x4a, 0x4c, 0x58, 0xcf,
	0xd0, 0xef, 0xaa, 0xfb, 0x43, 0x4d, 0x33, 0x85, 0x45, 0xf9, 0x02, 0x7f, 0x50, 0x3c, 0x9f, 0xa8,
	0x51, 0xa3, 0x40, 0x8f, 0x92, 0x9d, 0x38, 0xf5, 0xbc, 0xb6, 0xda, 0x21, 0x10, 0xff, 0xf3, 0xd2,
	0xcd, 0x0c, 0x13, 0xec, 0x5f, 0x97, 0x44, 0x17, 0xc4, 0xa7, 0x7e, 0x3d, 0x64, 0x5d, 0x19, 0x73,
	0x60, 0x81, 0x4f, 0xdc, 0x22, 0x2a, 0x90, 0x88, 0x46, 0xee, 0xb8, 0x14, 0xde, 0x5e, 0x0b, 0xdb,
	0xe0, 0x32, 0x3a, 0x0a, 0x49, 0x06, 0x24, 0x5c, 0xc2, 0xd3, 0xac, 0x62, 0x91, 0x95, 0xe4, 0x79,
	0xe7, 0xc8, 0x37, 0x6d, 0x8d, 0xd5, 0x4e, 0xa9, 0x6c, 0x56, 0xf4, 0xea, 0x65, 0x7a, 0xae, 0x08,
	0xba, 0x78, 0x25, 0x2e, 0x1c, 0xa6, 0xb4, 0xc6, 0xe8, 0xdd, 0x74, 0x1f, 0x4b, 0xbd, 0x8b, 0x8a,
	0x70, 0x3e, 0xb5, 0x66, 0x48, 0x03, 0xf6, 0x0e, 0x61, 0x35, 0x57, 0xb9, 0x86, 0xc1, 0x1d, 0x9e,
	0xe1, 0xf8, 0x98, 0x11, 0x69, 0xd9, 0x8e, 0x94, 0x9b, 0x1e, 0x87, 0xe9, 0xce, 0x55, 0x28, 0xdf,
	0x8c, 0xa1, 0x89, 0x0d, 0xbf, 0xe6, 0x42, 0x68, 0x41, 0x99, 0x2d, 0x0f, 0xb0, 0x54, 0xbb, 0x16,
};
static const uint8_t inverse_sbox[256] = {
	0x52, 0x09, 0x6a, 0xd5, 0x30, 0x36, 0xa5, 0x38, 0xbf, 0x40, 0xa3, 0x9e, 0x81, 0xf3, 0xd7, 0xfb,
	0x7c, 0xe3, 0x39, 0x82, 0x9b, 0x2f, 0xff, 0x87, 0x34, 0x8e, 0x43, 0x44, 0xc4, 0xde, 0xe9, 0xcb,
	0x54, 0x7b, 0x94, 0x32, 0xa6, 0xc2, 0x23, 0x3d, 0xee, 0x4c, 0x95, 0x0b, 0x42, 0xfa, 0xc3, 0x4e,
	0x08, 0x2e, 0xa1, 0x66, 0x28, 0xd9, 0x24, 0xb2, 0x76, 0x5b, 0xa2, 0x49, 0x6d, 0x8b, 0xd1, 0x25,
	0x72, 0xf8, 0xf6, 0x64, 0x86, 0x68, 0x98, 0x16, 0xd4, 0xa4, 0x5c, 0xcc, 0x5d, 0x65, 0xb6, 0x92,
	0x6c, 0x70, 0x48, 0x50, 0xfd, 0xed, 0xb9, 0xda, 0x5e, 0x15, 0x46, 0x57, 0xa7, 0x8d, 0x9d, 0x84,
	0x90, 0xd8, 0xab, 0x00, 0x8c, 0xbc, 0xd3, 0x0a, 0xf7, 0xe4, 0x58, 0x05, 0xb8, 0xb3, 0x45, 0x06,
	0xd0, 0x2c, 0x1e, 0x8f, 0xca, 0x3f, 0x0f, 0x02, 0xc1, 0xaf, 0xbd, 0x03, 0x01, 0x13, 0x8a, 0x6b,
	0x3a, 0x91, 0x11, 0x41, 0x4f, 0x67, 0xdc, 0xea, 0x97, 0xf2, 0xcf, 0xce, 0xf0, 0xb4, 0xe6, 0x73,
	0x96, 0xac, 0x74, 0x22, 0xe7, 0xad, 0x35, 0x85, 0xe2, 0xf9, 0x37, 0xe8, 0x1c, 0x75, 0xdf, 0x6e,
	0x47, 0xf1, 0x1a, 0x71, 0x1d, 0x29, 0xc5, 0x89, 0x6f, 0xb7, 0x62, 0x0e, 0xaa, 0x18, 0xbe, 0x1b,
	0xfc, 0x56, 0x3e, 0x4b, 0xc6, 0xd2, 0x79, 0x20, 0x9a, 0xdb, 0xc0, 0xfe, 0x78, 0xcd, 0x5a, 0xf4,
	0x1f, 0xdd, 0xa8, 0x33, 0x88, 0x07, 0xc7, 0x31, 0xb1, 0x12, 0x10, 0x59, 0x27, 0x80, 0xec, 0x5f,
	0x60, 0x51, 0x7f, 0xa9, 0x19, 0xb5, 0x4a, 0x0d, 0x2d, 0xe5, 0x7a, 0x9f, 0x93, 0xc9, 0x9c, 0xef,
	0xa0, 0xe0, 0x3b, 0x4d, 0xae, 0x2a, 0xf5, 0xb0, 0xc8, 0xeb, 0xbb, 0x3c, 0x83, 0x53, 0x99, 0x61,
	0x17, 0x2b, 0x04, 0x7e, 0xba, 0x77, 0xd6, 0x26, 0xe1, 0x69, 0x14, 0x63, 0x55, 0x21, 0x0c, 0x7d,
};

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
static uint32_t rotate_right(uint32_t v, unsigned n)
{
	return v >> n | v << (32 - n);
}
static uint32_t rotate_left(uint32_t v, unsigned n)
{
	return v << n | v >> (32 - n);
}

PORTABLE(aesenc, r = plus_key(mix_columns(shift_rows(a, sbox, 1)), b))
PORTABLE(aesenclast, r = plus_key(shift_rows(a, sbox, 1), b))
PORTABLE(aesdec, r = plus_key(unmix_columns(shift_rows(a, inverse_sbox, 3)), b))
PORTABLE(aesdeclast, r = plus_key(shift_rows(a, inverse_sbox, 3), b))
PORTABLE(aesimc, r = unmix_columns(b))
PORTABLE(aeskeygenassist, r.d[0] = sub_word(b.d[1]); r.d[1] = rotate_right(sub_word(b.d[1]), 8) ^ imm;
	 r.d[2] = sub_word(b.d[3]); r.d[3] = rotate_right(sub_word(b.d[3]), 8) ^ imm)

/* ------ polynomials over GF(2) ------ */

PORTABLE(pclmulqdq, uint64_t x = a.q[imm & 1]; uint64_t y = b.q[imm >> 4 & 1]; r = (x86_lane){.q = {0, 0}};
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

static uint32_t choose(uint32_t x, uint32_t y, uint32_t z)
{
	return (x & y) ^ (~x & z);
}
static uint32_t majority(uint32_t x, uint32_t y, uint32_t z)
{
	return (x & y) ^ (x & z) ^ (y & z);
}
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

static uint32_t small0(uint32_t v)
{
	return rotate_right(v, 7) ^ rotate_right(v, 18) ^ v >> 3;
}
static uint32_t small1(uint32_t v)
{
	return rotate_right(v, 17) ^ rotate_right(v, 19) ^ v >> 10;
}
PORTABLE(sha256msg1, r.d[3] = a.d[3] + small0(b.d[0]); for (unsigned i = 0; i < 3; i++) r.d[i] =
			 a.d[i] + small0(a.d[i + 1]))
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
SAME(aesenc) SAME(aesenclast) SAME(aesdec) SAME(aesdeclast) SAME(aesimc) SAME(gf2p8mulb)
SAME(sha1nexte) SAME(sha1msg1) SAME(sha1msg2) SAME(sha256msg1) SAME(sha256msg2)
#define WITH(text, n) __asm__(text " $" #n ", %1, %0" : "+x"(x) : "x"(y))
HOST(pclmulqdq, switch (imm & 0x11) {
	case 0: WITH("pclmulqdq", 0); break;
	case 1: WITH("pclmulqdq", 1); break;
	case 0x10: WITH("pclmulqdq", 16); break;
	default: WITH("pclmulqdq", 17); break;
})
HOST(sha1rnds4, switch (imm & 3) {
	case 0: WITH("sha1rnds4", 0); break;
	case 1: WITH("sha1rnds4", 1); break;
	case 2: WITH("sha1rnds4", 2); break;
	default: WITH("sha1rnds4", 3); break;
})
/* The immediate is only added. */
HOST(aeskeygenassist, __asm__("aeskeygenassist $0, %1, %0" : "=x"(x) : "x"(y)); x86_lane r = *(x86_lane *)&x;
     r.d[1] ^= imm; r.d[3] ^= imm; x = *(v16 *)&r)
HOST(gf2p8affineqb, WITH("gf2p8affineqb", 0); x ^= (v16){1, 1} * (long long)(imm * UINT64_C(0x0101010101010101)))
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
	X(AES, AESENC, aesenc) X(AES, AESENCLAST, aesenclast) X(AES, AESDEC, aesdec) X(AES, AESDECLAST, aesdeclast)    \
	X(AES, AESIMC, aesimc) X(AES, AESKEYGENASSIST, aeskeygenassist) X(PCLMULQDQ, PCLMULQDQ, pclmulqdq)             \
	X(GFNI, GF2P8MULB, gf2p8mulb) X(GFNI, GF2P8AFFINEQB, gf2p8affineqb)                                            \
	X(GFNI, GF2P8AFFINEINVQB, gf2p8affineinvqb)
#define LEGACY_ROWS(X)                                                                                                 \
	X(SHA, SHA1RNDS4, sha1rnds4) X(SHA, SHA1NEXTE, sha1nexte) X(SHA, SHA1MSG1, sha1msg1)                           \
	X(SHA, SHA1MSG2, sha1msg2) X(SHA, SHA256MSG1, sha256msg1) X(SHA, SHA256MSG2, sha256msg2)
#define DEFINE(bit, MNEMONIC, name) KERNEL(bit, name)
BOTH_ROWS(DEFINE)
LEGACY_ROWS(DEFINE)

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
