/* int_bits.c - BT BTS BTR BTC BSF BSR POPCNT CRC32. */
#include "int.h"

enum { BT, BTS, BTR, BTC };
enum { BY_REG = 1 }; /* aux: the bit number is in register src, else in imm */

static void set_cf(struct x86_cpu *c, bool cf)
{
	x86_set_arith_flags(c, (x86_arith_flags(c) & ~(uint32_t)X86_CF) | (cf ? X86_CF : 0));
}

X86_INLINE uint64_t changed(uint64_t v, uint64_t bit, unsigned kind)
{
	return kind == BTS ? v | bit : kind == BTR ? v & ~bit : kind == BTC ? v ^ bit : v;
}

/* A register as bit number reaches beyond the operand, in units of its size. */
X86_INLINE uint64_t bit_string(struct x86_cpu *c, op_t op, unsigned size, int64_t n)
{
	struct x86_op moved = *op;
	int64_t units = n >> (size == 2 ? 4 : size == 4 ? 5 : 6);
	if (!(op->flags & X86_OPF_SLOW_EA))
		return x86_ea(c, op) + (uint64_t)units * size;
	moved.disp += (int32_t)(units * (int64_t)size);
	return x86_ea(c, &moved);
}

X86_INLINE op_t bit_mem(struct x86_cpu *c, op_t op, unsigned size, unsigned kind)
{
	uint64_t n = op->imm, ea;
	if (op->aux & BY_REG) {
		n = reg_get(c, op->src, size);
		ea = bit_string(c, op, size, (int64_t)sign_size(n, size));
	} else {
		ea = x86_ea(c, op);
	}
	uint64_t bit = (uint64_t)1 << (n & (size * 8 - 1)), v;
	if (kind == BT) {
		set_cf(c, mem_get(c, op, ea, size) & bit);
		return NEXT(op);
	}
	uint8_t *p = op->flags & X86_OPF_LOCK ? lock_open(c, op, ea, size) : NULL;
	if (unlikely(op->flags & X86_OPF_LOCK && !p && lock_must_wait(c)))
		return x86_lock_alone(c, op);
	if (p) {
		v = host_get(p, size);
		while (!host_cas(p, size, &v, changed(v, bit, kind)))
			;
	} else {
		struct rmw m;
		v = rmw_get(c, op, &m, ea, size);
		rmw_put(c, op, &m, size, changed(v, bit, kind));
	}
	set_cf(c, v & bit);
	return NEXT(op);
}

X86_INLINE op_t bit_op(struct x86_cpu *c, op_t op, unsigned size, bool mem, unsigned kind)
{
	if (mem)
		return bit_mem(c, op, size, kind);
	uint64_t n = op->aux & BY_REG ? c->r[op->src] : op->imm, v = reg_get(c, op->dst, size);
	uint64_t bit = (uint64_t)1 << (n & (size * 8 - 1));
	if (kind != BT)
		reg_put(c, op->dst, size, changed(v, bit, kind));
	set_cf(c, v & bit);
	return NEXT(op);
}
#define BIT_BODY(name, kind)                                                                                           \
	X86_INLINE op_t name(struct x86_cpu *c, op_t op, unsigned size, bool mem)                                      \
	{                                                                                                              \
		return bit_op(c, op, size, mem, kind);                                                                 \
	}
BIT_BODY(bt, BT)
BIT_BODY(bts, BTS)
BIT_BODY(btr, BTR)
BIT_BODY(btc, BTC)
X86_RM_HANDLERS(bt, bt)
X86_RM_HANDLERS(bts, bts)
X86_RM_HANDLERS(btr, btr)
X86_RM_HANDLERS(btc, btc)

/* ------ r, r/m ------ */

X86_INLINE uint64_t source(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	return mem ? mem_get(c, op, x86_ea(c, op), size) : reg_get(c, op->src, size);
}
static void scan_flags(struct x86_cpu *c, bool zero)
{
	x86_set_arith_flags(c, (x86_arith_flags(c) & ~(uint32_t)X86_ZF) | (zero ? X86_ZF : 0));
}
/* Of zero: the destination stays, all 64 bits of it. */
X86_INLINE op_t bsf(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	uint64_t v = source(c, op, size, mem);
	if (v)
		reg_put(c, op->dst, size, (uint64_t)__builtin_ctzll(v));
	scan_flags(c, v == 0);
	return NEXT(op);
}
X86_INLINE op_t bsr(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	uint64_t v = source(c, op, size, mem);
	if (v)
		reg_put(c, op->dst, size, 63u - (uint64_t)__builtin_clzll(v));
	scan_flags(c, v == 0);
	return NEXT(op);
}
X86_INLINE op_t popcnt(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	uint64_t v = source(c, op, size, mem);
	reg_put(c, op->dst, size, (uint64_t)__builtin_popcountll(v));
	x86_set_arith_flags(c, v ? 0 : X86_ZF);
	return NEXT(op);
}
X86_RM_HANDLERS(bsf, bsf)
X86_RM_HANDLERS(bsr, bsr)
X86_RM_HANDLERS(popcnt, popcnt)

/* The Castagnoli polynomial, bits reflected (SDM vol. 2, CRC32). */
X86_INLINE op_t crc32(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	uint64_t v = source(c, op, size, mem);
	uint32_t crc = (uint32_t)c->r[op->dst];
	for (unsigned i = 0; i < size; i++) {
		crc ^= (uint8_t)(v >> i * 8);
		for (int b = 0; b < 8; b++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	c->r[op->dst] = crc;
	return NEXT(op);
}
X86_RM_HANDLERS(crc32, crc32)

static x86_fn bit(const struct x86_insn *d, struct x86_op *op, const x86_fn fn[2][4])
{
	unsigned sl = x86_operands(d, op);
	op->aux = d->o[1].type == ZYDIS_OPERAND_TYPE_REGISTER ? BY_REG : 0;
	return fn[x86_is_mem(d, 0)][sl];
}
/* The size is that of the source. */
static x86_fn scan(const struct x86_insn *d, struct x86_op *op, const x86_fn fn[2][4])
{
	x86_operands(d, op);
	op->size = d->o[1].size / 8;
	return fn[x86_is_mem(d, 1)][__builtin_ctz(op->size)];
}

x86_fn x86_int_bits(const struct x86_insn *d, struct x86_op *op, bool *ends)
{
	(void)ends;
	switch (d->i.mnemonic) {
	case ZYDIS_MNEMONIC_BT: return bit(d, op, bt_fn);
	case ZYDIS_MNEMONIC_BTS: return bit(d, op, bts_fn);
	case ZYDIS_MNEMONIC_BTR: return bit(d, op, btr_fn);
	case ZYDIS_MNEMONIC_BTC: return bit(d, op, btc_fn);
	case ZYDIS_MNEMONIC_BSF: return scan(d, op, bsf_fn);
	case ZYDIS_MNEMONIC_BSR: return scan(d, op, bsr_fn);
	case ZYDIS_MNEMONIC_POPCNT: return scan(d, op, popcnt_fn);
	case ZYDIS_MNEMONIC_CRC32: return scan(d, op, crc32_fn);
	default: return NULL;
	}
}
