/* int_bmi.c - BMI1, BMI2, LZCNT, TZCNT, ADCX, ADOX, MOVBE (SDM vol. 2). AF, PF and SF where the manual leaves them
 * undefined are what AMD Zen gives. */
#include "int.h"

/* Operands: r/m in src or memory, the other source (VEX.vvvv, or the immediate) in aux, the destination in dst. */
X86_INLINE uint64_t source(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	return mem ? mem_get(c, op, x86_ea(c, op), size) : reg_get(c, op->src, size);
}
X86_INLINE uint32_t result_flags(uint64_t v, unsigned size)
{
	return (v ? 0 : X86_ZF) | (v >> (size * 8 - 1) & 1 ? X86_SF : 0) | (__builtin_parity((uint8_t)v) ? 0 : X86_PF_);
}
X86_INLINE op_t give(struct x86_cpu *c, op_t op, unsigned size, uint64_t v, uint32_t extra)
{
	v = mask_size(v, size);
	reg_put(c, op->dst, size, v);
	x86_set_arith_flags(c, result_flags(v, size) | extra);
	return NEXT(op);
}

X86_INLINE op_t andn(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	return give(c, op, size, ~c->r[op->aux] & source(c, op, size, mem), 0);
}
X86_INLINE op_t blsi(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	uint64_t v = source(c, op, size, mem);
	return give(c, op, size, v & (0 - v), v ? X86_CF : 0);
}
X86_INLINE op_t blsmsk(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	uint64_t v = source(c, op, size, mem);
	return give(c, op, size, v ^ (v - 1), v ? 0 : X86_CF);
}
X86_INLINE op_t blsr(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	uint64_t v = source(c, op, size, mem);
	return give(c, op, size, v & (v - 1), v ? 0 : X86_CF);
}
X86_INLINE op_t bzhi(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	uint64_t v = source(c, op, size, mem);
	unsigned n = (uint8_t)c->r[op->aux];
	bool all = n >= size * 8;
	return give(c, op, size, all ? v : v & (((uint64_t)1 << n) - 1), all ? X86_CF : 0);
}
X86_INLINE op_t bextr(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	uint64_t v = source(c, op, size, mem);
	unsigned start = (uint8_t)c->r[op->aux], n = (uint8_t)(c->r[op->aux] >> 8);
	v = start < 64 ? v >> start : 0;
	if (n < 64)
		v &= ((uint64_t)1 << n) - 1;
	v = mask_size(v, size);
	reg_put(c, op->dst, size, v);
	x86_set_arith_flags(c, (result_flags(v, size) & ~(uint32_t)X86_SF) | X86_AF);
	return NEXT(op);
}

X86_INLINE op_t mulx(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	unsigned __int128 p = (unsigned __int128)source(c, op, size, mem) * reg_get(c, 2, size);
	reg_put(c, op->aux, size, (uint64_t)p);
	reg_put(c, op->dst, size, (uint64_t)(p >> (size * 8))); /* the same register twice: the upper half */
	return NEXT(op);
}
X86_INLINE op_t pdep(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	uint64_t mask = source(c, op, size, mem), from = c->r[op->aux], v = 0;
	for (; mask; mask &= mask - 1, from >>= 1)
		v |= from & 1 ? mask & (0 - mask) : 0;
	reg_put(c, op->dst, size, v);
	return NEXT(op);
}
X86_INLINE op_t pext(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	uint64_t mask = source(c, op, size, mem), from = c->r[op->aux], v = 0;
	for (unsigned n = 0; mask; mask &= mask - 1, n++)
		v |= (uint64_t)((from & mask & (0 - mask)) != 0) << n;
	reg_put(c, op->dst, size, v);
	return NEXT(op);
}

/* Shifts and rotations without flags. */
X86_INLINE op_t rorx(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	uint64_t v = source(c, op, size, mem);
	unsigned n = op->aux & (size * 8 - 1);
	reg_put(c, op->dst, size, n ? v >> n | v << (size * 8 - n) : v);
	return NEXT(op);
}
X86_INLINE op_t sarx(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	uint64_t v = sign_size(source(c, op, size, mem), size);
	reg_put(c, op->dst, size, (uint64_t)((int64_t)v >> (c->r[op->aux] & (size * 8 - 1))));
	return NEXT(op);
}
X86_INLINE op_t shlx(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	uint64_t v = source(c, op, size, mem);
	reg_put(c, op->dst, size, v << (c->r[op->aux] & (size * 8 - 1)));
	return NEXT(op);
}
X86_INLINE op_t shrx(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	uint64_t v = source(c, op, size, mem);
	reg_put(c, op->dst, size, v >> (c->r[op->aux] & (size * 8 - 1)));
	return NEXT(op);
}

/* ------ legacy encodings ------ */

/* OF is kept. */
X86_INLINE op_t counted(struct x86_cpu *c, op_t op, unsigned size, uint64_t v, unsigned n)
{
	uint32_t f = x86_arith_flags(c) & X86_OF_;
	reg_put(c, op->dst, size, n);
	x86_set_arith_flags(c, f | (v ? 0 : X86_CF) | (n ? 0 : X86_ZF));
	return NEXT(op);
}
X86_INLINE op_t lzcnt(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	uint64_t v = source(c, op, size, mem);
	return counted(c, op, size, v, v ? (unsigned)__builtin_clzll(v) - (64 - size * 8) : size * 8);
}
X86_INLINE op_t tzcnt(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	uint64_t v = source(c, op, size, mem);
	return counted(c, op, size, v, v ? (unsigned)__builtin_ctzll(v) : size * 8);
}

X86_INLINE op_t add_carry(struct x86_cpu *c, op_t op, unsigned size, bool mem, uint32_t flag)
{
	uint64_t v = source(c, op, size, mem);
	uint32_t f = x86_arith_flags(c);
	unsigned __int128 sum = (unsigned __int128)reg_get(c, op->dst, size) + v + (f & flag ? 1 : 0);
	reg_put(c, op->dst, size, (uint64_t)sum);
	x86_set_arith_flags(c, (f & ~flag) | (sum >> (size * 8) ? flag : 0));
	return NEXT(op);
}
X86_INLINE op_t adcx(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	return add_carry(c, op, size, mem, X86_CF);
}
X86_INLINE op_t adox(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	return add_carry(c, op, size, mem, X86_OF_);
}

X86_INLINE uint64_t swapped(uint64_t v, unsigned size)
{
	return __builtin_bswap64(v) >> (64 - size * 8);
}
/* mem: to memory. */
X86_INLINE op_t movbe(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	if (mem)
		mem_put(c, op, x86_ea(c, op), size, swapped(reg_get(c, op->src, size), size));
	else
		reg_put(c, op->dst, size, swapped(mem_get(c, op, x86_ea(c, op), size), size));
	return NEXT(op);
}

#define ALL(M)                                                                                                         \
	M(ANDN, andn)                                                                                                  \
	M(BEXTR, bextr) M(BLSI, blsi) M(BLSMSK, blsmsk) M(BLSR, blsr) M(BZHI, bzhi) M(MULX, mulx) M(PDEP, pdep)        \
		M(PEXT, pext) M(RORX, rorx) M(SARX, sarx) M(SHLX, shlx) M(SHRX, shrx) M(LZCNT, lzcnt) M(TZCNT, tzcnt)  \
			M(ADCX, adcx) M(ADOX, adox) M(MOVBE, movbe)
#define HANDLERS(MNEMONIC, name)                                                                                       \
	X86_RM_ONE(name, name, 2, 0)                                                                                   \
	X86_RM_ONE(name, name, 4, 0)                                                                                   \
	X86_RM_ONE(name, name, 8, 0)                                                                                   \
	X86_RM_ONE(name, name, 2, 1) X86_RM_ONE(name, name, 4, 1) X86_RM_ONE(name, name, 8, 1)
ALL(HANDLERS)

static const struct row {
	uint16_t mnemonic;
	x86_fn fn[2][3];
} rows[] = {
#define ROW(MNEMONIC, name)                                                                                            \
	{ZYDIS_MNEMONIC_##MNEMONIC, {{name##_2_0, name##_4_0, name##_8_0}, {name##_2_1, name##_4_1, name##_8_1}}},
	ALL(ROW)};

/* The register operands behind o[0], but for an immediate: r/m to src, VEX.vvvv to aux. */
static bool operands(const struct x86_insn *d, struct x86_op *op)
{
	bool mem = false;
	unsigned rm = 1;
	op->dst = x86_is_mem(d, 0) ? 0 : x86_regno(d->o[0].reg.value);
	if (d->i.operand_count_visible == 3) {
		/* r, r/m, vvvv where the opcode map gives it so; else r, vvvv, r/m */
		unsigned other = 2;
		if (d->o[2].encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM)
			rm = 2, other = 1;
		op->aux = d->o[other].type == ZYDIS_OPERAND_TYPE_IMMEDIATE ? (uint8_t)d->o[other].imm.value.u
									   : x86_regno(d->o[other].reg.value);
	}
	for (int n = 0; n < d->i.operand_count_visible; n++)
		mem |= x86_is_mem(d, n);
	if (!x86_is_mem(d, (int)rm))
		op->src = x86_regno(d->o[rm].reg.value);
	return mem;
}

x86_fn x86_int_bmi(const struct x86_insn *d, struct x86_op *op, bool *ends)
{
	(void)ends;
	for (unsigned n = 0; n < sizeof rows / sizeof *rows; n++) {
		if (rows[n].mnemonic != d->i.mnemonic)
			continue;
		bool mem = operands(d, op);
		if (d->i.mnemonic == ZYDIS_MNEMONIC_MOVBE)
			mem = x86_is_mem(d, 0);
		op->size = (uint8_t)(d->o[0].size / 8);
		return rows[n].fn[mem][log_size(op->size) - 1];
	}
	return NULL;
}
