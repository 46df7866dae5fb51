/* mul.c - data processing with one, two and three sources: multiply, divide, variable shifts, bit counts, CRC32 (Arm ARM
 * C4.1.66). */
#include "int.h"

#define X(n) c->x[n]
#define SF(insn) ((insn) >> 31)

static A64_HANDLER(madd)
{
	X(op->rd) = X(op->ra) + X(op->rn) * X(op->rm);
	return A64_NEXT(op);
}
static A64_HANDLER(msub)
{
	X(op->rd) = X(op->ra) - X(op->rn) * X(op->rm);
	return A64_NEXT(op);
}
static A64_HANDLER(madd32)
{
	X(op->rd) = (uint32_t)(X(op->ra) + X(op->rn) * X(op->rm));
	return A64_NEXT(op);
}
static A64_HANDLER(msub32)
{
	X(op->rd) = (uint32_t)(X(op->ra) - X(op->rn) * X(op->rm));
	return A64_NEXT(op);
}
static A64_HANDLER(maddl)
{
	uint64_t a = X(op->rn), b = X(op->rm);
	uint64_t p = op->insn >> 23 & 1 ? (uint64_t)(uint32_t)a * (uint32_t)b : (uint64_t)((int64_t)(int32_t)a * (int32_t)b);
	X(op->rd) = op->insn >> 15 & 1 ? X(op->ra) - p : X(op->ra) + p;
	return A64_NEXT(op);
}
static A64_HANDLER(smulh)
{
	X(op->rd) = (uint64_t)((__int128)(int64_t)X(op->rn) * (int64_t)X(op->rm) >> 64);
	return A64_NEXT(op);
}
static A64_HANDLER(umulh)
{
	X(op->rd) = (uint64_t)((unsigned __int128)X(op->rn) * X(op->rm) >> 64);
	return A64_NEXT(op);
}
static A64_HANDLER(udiv)
{
	uint64_t a = X(op->rn), b = X(op->rm);
	if (!SF(op->insn)) {
		a = (uint32_t)a;
		b = (uint32_t)b;
	}
	X(op->rd) = b ? a / b : 0;
	return A64_NEXT(op);
}
static A64_HANDLER(sdiv)
{
	int64_t a = (int64_t)X(op->rn), b = (int64_t)X(op->rm);
	if (!SF(op->insn)) {
		a = (int32_t)a;
		b = (int32_t)b;
	}
	uint64_t r = b == 0 ? 0 : b == -1 ? -(uint64_t)a : (uint64_t)(a / b);
	X(op->rd) = SF(op->insn) ? r : (uint32_t)r;
	return A64_NEXT(op);
}
static A64_HANDLER(shift_reg)
{
	bool sf = SF(op->insn);
	unsigned n = (unsigned)X(op->rm) & (sf ? 63 : 31);
	uint64_t v = sf ? X(op->rn) : (uint32_t)X(op->rn);
	switch (op->insn >> 10 & 3) {
	case 0: v <<= n; break;
	case 1: v >>= n; break;
	case 2: v = sf ? (uint64_t)((int64_t)v >> n) : (uint64_t)(int64_t)((int32_t)v >> n); break;
	default: v = a64_ror(v, n, sf ? 64 : 32);
	}
	X(op->rd) = sf ? v : (uint32_t)v;
	return A64_NEXT(op);
}

/* CRC-32 (0x04c11db7) and CRC-32C (0x1edc6f41), bits reflected. */
static A64_HANDLER(crc32)
{
	uint32_t poly = op->insn >> 12 & 1 ? 0x82f63b78 : 0xedb88320, crc = (uint32_t)X(op->rn);
	unsigned bits = 8u << (op->insn >> 10 & 3);
	uint64_t v = X(op->rm);
	for (unsigned i = 0; i < bits; i += 8) {
		crc ^= (uint8_t)(v >> i);
		for (unsigned k = 0; k < 8; k++)
			crc = crc >> 1 ^ (crc & 1 ? poly : 0);
	}
	X(op->rd) = crc;
	return A64_NEXT(op);
}
static bool crc_ok(uint32_t insn)
{
	return SF(insn) == ((insn >> 10 & 3) == 3);
}

static A64_HANDLER(rbit)
{
	uint64_t v = __builtin_bswap64(X(op->rn));
	v = (v & 0x0f0f0f0f0f0f0f0f) << 4 | (v >> 4 & 0x0f0f0f0f0f0f0f0f);
	v = (v & 0x3333333333333333) << 2 | (v >> 2 & 0x3333333333333333);
	v = (v & 0x5555555555555555) << 1 | (v >> 1 & 0x5555555555555555);
	X(op->rd) = SF(op->insn) ? v : v >> 32;
	return A64_NEXT(op);
}
static A64_HANDLER(rev16)
{
	uint64_t v = X(op->rn);
	v = (v & 0x00ff00ff00ff00ff) << 8 | (v >> 8 & 0x00ff00ff00ff00ff);
	X(op->rd) = SF(op->insn) ? v : (uint32_t)v;
	return A64_NEXT(op);
}
static A64_HANDLER(rev32)
{
	uint64_t v = __builtin_bswap64(X(op->rn));
	X(op->rd) = SF(op->insn) ? v << 32 | v >> 32 : v >> 32;
	return A64_NEXT(op);
}
static A64_HANDLER(rev64)
{
	X(op->rd) = __builtin_bswap64(X(op->rn));
	return A64_NEXT(op);
}
static uint64_t leading(uint64_t v, bool sf)
{
	v = sf ? v : (uint32_t)v;
	return (v ? (unsigned)__builtin_clzll(v) : 64) - (sf ? 0 : 32);
}
static A64_HANDLER(clz)
{
	X(op->rd) = leading(X(op->rn), SF(op->insn));
	return A64_NEXT(op);
}
static A64_HANDLER(cls)
{
	bool sf = SF(op->insn);
	uint64_t v = sf ? X(op->rn) : (uint64_t)(int32_t)X(op->rn);
	X(op->rd) = leading(v ^ (uint64_t)((int64_t)v >> 1), sf) - 1;
	return A64_NEXT(op);
}

static const struct a64_row rows[] = {
	{0xffe08000, 0x9b000000, "madd", madd, A64_OPS_X, A64_ALWAYS, false, NULL, NULL},
	{0xffe08000, 0x9b008000, "msub", msub, A64_OPS_X, A64_ALWAYS, false, NULL, NULL},
	{0xffe08000, 0x1b000000, "madd", madd32, A64_OPS_X, A64_ALWAYS, false, NULL, NULL},
	{0xffe08000, 0x1b008000, "msub", msub32, A64_OPS_X, A64_ALWAYS, false, NULL, NULL},
	{0xff600000, 0x9b200000, "maddl", maddl, A64_OPS_X, A64_ALWAYS, false, NULL, NULL},
	{0xffe08000, 0x9b400000, "smulh", smulh, A64_OPS_X, A64_ALWAYS, false, NULL, NULL},
	{0xffe08000, 0x9bc00000, "umulh", umulh, A64_OPS_X, A64_ALWAYS, false, NULL, NULL},
	{0x7fe0fc00, 0x1ac00800, "udiv", udiv, A64_OPS_X, A64_ALWAYS, false, NULL, NULL},
	{0x7fe0fc00, 0x1ac00c00, "sdiv", sdiv, A64_OPS_X, A64_ALWAYS, false, NULL, NULL},
	{0x7fe0f000, 0x1ac02000, "shift_reg", shift_reg, A64_OPS_X, A64_ALWAYS, false, NULL, NULL},
	{0x7fe0e000, 0x1ac04000, "crc32", crc32, A64_OPS_X, A64_F_CRC32, false, crc_ok, NULL},
	{0x7ffffc00, 0x5ac00000, "rbit", rbit, A64_OPS_X, A64_ALWAYS, false, NULL, NULL},
	{0x7ffffc00, 0x5ac00400, "rev16", rev16, A64_OPS_X, A64_ALWAYS, false, NULL, NULL},
	{0x7ffffc00, 0x5ac00800, "rev32", rev32, A64_OPS_X, A64_ALWAYS, false, NULL, NULL},
	{0xfffffc00, 0xdac00c00, "rev", rev64, A64_OPS_X, A64_ALWAYS, false, NULL, NULL},
	{0x7ffffc00, 0x5ac01000, "clz", clz, A64_OPS_X, A64_ALWAYS, false, NULL, NULL},
	{0x7ffffc00, 0x5ac01400, "cls", cls, A64_OPS_X, A64_ALWAYS, false, NULL, NULL},
};
A64_TABLE(a64_rows_mul);
