/* crypto.c - AES, SHA-1, SHA-256 and the 64-bit polynomial product (Arm ARM C4.1.69: "cryptographic AES",
 * "three-register SHA", "two-register SHA"). */
#include "simd.h"
#include "x86/crypto.h"

#define V(n) c->v[n]

/* ------ AES: byte 4 * column + row ------ */

/* ShiftRows and SubBytes: row n comes from n columns to the right, or by == 3 to the left. */
A64_INLINE union a64_vec substituted(union a64_vec s, const uint8_t *box, unsigned by)
{
	union a64_vec r;
	for (unsigned i = 0; i < 16; i++)
		r.b[i] = box[s.b[(i + 4 * by * (i & 3)) & 15]];
	return r;
}
A64_INLINE union a64_vec xored(union a64_vec a, union a64_vec b)
{
	return (union a64_vec){.d = {a.d[0] ^ b.d[0], a.d[1] ^ b.d[1]}};
}
/* Four times times x, in GF(2^8) */
A64_INLINE uint32_t twice(uint32_t v)
{
	return (v & 0x7f7f7f7f) << 1 ^ (v >> 7 & 0x01010101) * 0x1b;
}
A64_INLINE uint32_t mixed(uint32_t v)
{
	uint32_t next = rotate_right(v, 8);
	return twice(v ^ next) ^ next ^ rotate_right(v, 16) ^ rotate_right(v, 24);
}
static A64_HANDLER(aese)
{
	a64_fp_check(c, op);
	V(op->rd) = substituted(xored(V(op->rd), V(op->rn)), sbox, 1);
	return A64_NEXT(op);
}
static A64_HANDLER(aesd)
{
	a64_fp_check(c, op);
	V(op->rd) = substituted(xored(V(op->rd), V(op->rn)), inverse_sbox, 3);
	return A64_NEXT(op);
}
static A64_HANDLER(aesmc)
{
	union a64_vec v = V(op->rn);
	a64_fp_check(c, op);
	for (unsigned i = 0; i < 4; i++)
		v.s[i] = mixed(v.s[i]);
	V(op->rd) = v;
	return A64_NEXT(op);
}
/* The matrix' fourth power is one. */
static A64_HANDLER(aesimc)
{
	union a64_vec v = V(op->rn);
	a64_fp_check(c, op);
	for (unsigned i = 0; i < 4; i++)
		v.s[i] = mixed(mixed(mixed(v.s[i])));
	V(op->rd) = v;
	return A64_NEXT(op);
}

/* ------ PMULL, PMULL2 of 64 bits ------ */

static A64_HANDLER(pmull)
{
	unsigned half = op->insn >> 30 & 1;
	uint64_t x = V(op->rn).d[half], y = V(op->rm).d[half], low = 0, high = 0;
	a64_fp_check(c, op);
	for (unsigned i = 0; i < 64; i++) {
		uint64_t on = 0 - (y >> i & 1);
		low ^= (x << i) & on;
		high ^= (x >> 1 >> (63 - i)) & on;
	}
	V(op->rd) = (union a64_vec){.d = {low, high}};
	return A64_NEXT(op);
}

/* ------ SHA-1, Arm ARM J1.3 SHA1 hash update ------ */

static uint32_t parity(uint32_t x, uint32_t y, uint32_t z)
{
	return x ^ y ^ z;
}
A64_INLINE union a64_vec sha1(union a64_vec x, uint32_t y, union a64_vec w, uint32_t (*f)(uint32_t, uint32_t, uint32_t))
{
	for (unsigned i = 0; i < 4; i++) {
		uint32_t a = y + rotate_left(x.s[0], 5) + f(x.s[1], x.s[2], x.s[3]) + w.s[i];
		y = x.s[3];
		x.s[3] = x.s[2];
		x.s[2] = rotate_left(x.s[1], 30);
		x.s[1] = x.s[0];
		x.s[0] = a;
	}
	return x;
}
#define SHA1(name, f)                                                                                                  \
	static A64_HANDLER(name)                                                                                       \
	{                                                                                                              \
		a64_fp_check(c, op);                                                                                   \
		V(op->rd) = sha1(V(op->rd), V(op->rn).s[0], V(op->rm), f);                                             \
		return A64_NEXT(op);                                                                                   \
	}
SHA1(sha1c, choose)
SHA1(sha1p, parity)
SHA1(sha1m, majority)
static A64_HANDLER(sha1h)
{
	a64_fp_check(c, op);
	V(op->rd) = (union a64_vec){.d = {rotate_left(V(op->rn).s[0], 30)}};
	return A64_NEXT(op);
}
static A64_HANDLER(sha1su0)
{
	union a64_vec d = V(op->rd), n = V(op->rn), m = V(op->rm);
	a64_fp_check(c, op);
	V(op->rd) = (union a64_vec){.d = {d.d[1] ^ d.d[0] ^ m.d[0], n.d[0] ^ d.d[1] ^ m.d[1]}};
	return A64_NEXT(op);
}
static A64_HANDLER(sha1su1)
{
	union a64_vec r = V(op->rd), n = V(op->rn);
	a64_fp_check(c, op);
	for (unsigned i = 0; i < 3; i++)
		r.s[i] = rotate_left(r.s[i] ^ n.s[i + 1], 1);
	r.s[3] = rotate_left(r.s[3], 1) ^ rotate_left(r.s[0], 1);
	V(op->rd) = r;
	return A64_NEXT(op);
}

/* ------ SHA-256 ------ */

/* Four rounds of the state x = ABCD, y = EFGH; which half is the result */
A64_INLINE union a64_vec sha256(union a64_vec x, union a64_vec y, union a64_vec w, bool first)
{
	for (unsigned i = 0; i < 4; i++) {
		uint32_t a = x.s[0], e = y.s[0];
		uint32_t t = y.s[3] + (rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25)) +
			     choose(e, y.s[1], y.s[2]) + w.s[i];
		uint32_t u =
			(rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22)) + majority(a, x.s[1], x.s[2]);
		y = (union a64_vec){.s = {x.s[3] + t, y.s[0], y.s[1], y.s[2]}};
		x = (union a64_vec){.s = {t + u, x.s[0], x.s[1], x.s[2]}};
	}
	return first ? x : y;
}
static A64_HANDLER(sha256h)
{
	a64_fp_check(c, op);
	V(op->rd) = sha256(V(op->rd), V(op->rn), V(op->rm), true);
	return A64_NEXT(op);
}
static A64_HANDLER(sha256h2)
{
	a64_fp_check(c, op);
	V(op->rd) = sha256(V(op->rn), V(op->rd), V(op->rm), false);
	return A64_NEXT(op);
}
static A64_HANDLER(sha256su0)
{
	union a64_vec r = V(op->rd), n = V(op->rn);
	a64_fp_check(c, op);
	for (unsigned i = 0; i < 4; i++)
		r.s[i] += small0(i < 3 ? V(op->rd).s[i + 1] : n.s[0]);
	V(op->rd) = r;
	return A64_NEXT(op);
}
static A64_HANDLER(sha256su1)
{
	union a64_vec r = V(op->rd), n = V(op->rn), m = V(op->rm);
	a64_fp_check(c, op);
	for (unsigned i = 0; i < 4; i++)
		r.s[i] += small1(i < 2 ? m.s[i + 2] : r.s[i - 2]) + (i < 3 ? n.s[i + 1] : m.s[0]);
	V(op->rd) = r;
	return A64_NEXT(op);
}

#define ROW(mask, value, name, feature)                                                                                \
	{                                                                                                              \
		mask, value, #name, name, A64_OPS_RAW, feature, false, NULL, NULL                                      \
	}
static const struct a64_row rows[] = {
	ROW(0xfffffc00, 0x4e284800, aese, A64_F_AES),         ROW(0xfffffc00, 0x4e285800, aesd, A64_F_AES),
	ROW(0xfffffc00, 0x4e286800, aesmc, A64_F_AES),        ROW(0xfffffc00, 0x4e287800, aesimc, A64_F_AES),
	ROW(0xbfe0fc00, 0x0ee0e000, pmull, A64_F_PMULL),      ROW(0xffe0fc00, 0x5e000000, sha1c, A64_F_SHA1),
	ROW(0xffe0fc00, 0x5e001000, sha1p, A64_F_SHA1),       ROW(0xffe0fc00, 0x5e002000, sha1m, A64_F_SHA1),
	ROW(0xffe0fc00, 0x5e003000, sha1su0, A64_F_SHA1),     ROW(0xfffffc00, 0x5e280800, sha1h, A64_F_SHA1),
	ROW(0xfffffc00, 0x5e281800, sha1su1, A64_F_SHA1),     ROW(0xffe0fc00, 0x5e004000, sha256h, A64_F_SHA256),
	ROW(0xffe0fc00, 0x5e005000, sha256h2, A64_F_SHA256),  ROW(0xffe0fc00, 0x5e006000, sha256su1, A64_F_SHA256),
	ROW(0xfffffc00, 0x5e282800, sha256su0, A64_F_SHA256),
};
A64_TABLE(a64_rows_crypto);
