/* int_mul.c - MUL IMUL DIV IDIV. SF ZF AF PF after a multiplication are undefined; see mul_flags for what is given. */
#include "int.h"

typedef unsigned __int128 u128;
typedef __int128 s128;

static void mul_flags(struct x86_cpu *c, bool over)
{
	uint32_t f = x86_arith_flags(c) & ~(uint32_t)(X86_CF | X86_OF_);
	x86_set_arith_flags(c, f | (over ? X86_CF | X86_OF_ : 0));
}

/* The product of the accumulator into AX or rDX:rAX. */
X86_INLINE void put_product(struct x86_cpu *c, unsigned size, u128 p)
{
	if (size == 1) {
		reg_put(c, 0, 2, (uint64_t)p);
		return;
	}
	reg_put(c, 0, size, (uint64_t)p);
	reg_put(c, 2, size, (uint64_t)(p >> (size * 8)));
}

X86_INLINE op_t mul(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	u128 p = (u128)rm_get(c, op, size, mem) * reg_get(c, 0, size);
	put_product(c, size, p);
	mul_flags(c, p >> (size * 8) != 0);
	return NEXT(op);
}
X86_INLINE op_t imul1(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	s128 p =
	    (s128)(int64_t)sign_size(rm_get(c, op, size, mem), size) * (int64_t)sign_size(reg_get(c, 0, size), size);
	put_product(c, size, (u128)p);
	mul_flags(c, p != (int64_t)sign_size((uint64_t)p, size));
	return NEXT(op);
}
/* IMUL r, r/m: the source is the r/m of the instruction, so src and dst are swapped against the other bodies. */
X86_INLINE op_t imul_to(struct x86_cpu *c, op_t op, unsigned size, bool mem, bool by_imm)
{
	uint64_t s = mem ? mem_get(c, op, x86_ea(c, op), size) : reg_get(c, op->src, size);
	int64_t a = (int64_t)sign_size(s, size),
		b = (int64_t)sign_size(by_imm ? op->imm : reg_get(c, op->dst, size), size);
	s128 p = (s128)a * b;
	reg_put(c, op->dst, size, (uint64_t)p);
	mul_flags(c, p != (int64_t)sign_size((uint64_t)p, size));
	return NEXT(op);
}
X86_INLINE op_t imul2(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	return imul_to(c, op, size, mem, false);
}
X86_INLINE op_t imul3(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	return imul_to(c, op, size, mem, true);
}

X86_INLINE u128 dividend(const struct x86_cpu *c, unsigned size)
{
	if (size == 1)
		return reg_get(c, 0, 2);
	return (u128)reg_get(c, 2, size) << (size * 8) | reg_get(c, 0, size);
}
X86_INLINE void put_quotient(struct x86_cpu *c, unsigned size, uint64_t q, uint64_t r)
{
	if (size == 1) {
		reg_put(c, 0, 2, (uint8_t)q | (uint64_t)(uint8_t)r << 8);
		return;
	}
	reg_put(c, 0, size, q);
	reg_put(c, 2, size, r);
}
X86_INLINE op_t div_(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	uint64_t d = rm_get(c, op, size, mem);
	u128 n = dividend(c, size), q;
	if (d == 0 || n >> (size * 8) >= d)
		x86_raise(c, op, X86_DE, -1);
	if (n >> 64 == 0) {
		put_quotient(c, size, (uint64_t)n / d, (uint64_t)n % d);
		return NEXT(op);
	}
	q = n / d;
	put_quotient(c, size, (uint64_t)q, (uint64_t)(n - q * d));
	return NEXT(op);
}
X86_INLINE op_t idiv(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	int64_t d = (int64_t)sign_size(rm_get(c, op, size, mem), size);
	unsigned up = 128 - size * 16;
	s128 n = (s128)(dividend(c, size) << up) >> up, min = (s128)((u128)1 << 127);
	if (d == 0 || (d == -1 && n == min))
		x86_raise(c, op, X86_DE, -1);
	s128 q = n / d;
	if (q != (int64_t)sign_size((uint64_t)q, size))
		x86_raise(c, op, X86_DE, -1);
	put_quotient(c, size, (uint64_t)q, (uint64_t)(n - q * d));
	return NEXT(op);
}
X86_RM_HANDLERS(mul, mul)
X86_RM_HANDLERS(imul1, imul1)
X86_RM_HANDLERS(imul2, imul2)
X86_RM_HANDLERS(imul3, imul3)
X86_RM_HANDLERS(div, div_)
X86_RM_HANDLERS(idiv, idiv)

#define QUIET_IMUL(name, s, b)                                                                                         \
	static op_t quiet_##name##_##s(struct x86_cpu *c, op_t op)                                                     \
	{                                                                                                              \
		reg_put(c, op->dst, s, reg_get(c, op->src, s) * (b));                                                  \
		return NEXT(op);                                                                                       \
	}
QUIET_IMUL(imul2, 4, reg_get(c, op->dst, 4))
QUIET_IMUL(imul2, 8, c->r[op->dst])
QUIET_IMUL(imul3, 4, op->imm)
QUIET_IMUL(imul3, 8, op->imm)

x86_fn x86_quiet_mul(x86_fn fn)
{
	static const struct x86_quiet list[] = {{imul2_4_0, quiet_imul2_4},
						{imul2_8_0, quiet_imul2_8},
						{imul3_4_0, quiet_imul3_4},
						{imul3_8_0, quiet_imul3_8}};
	return x86_quiet_find(list, sizeof list / sizeof *list, fn);
}

static x86_fn one(const struct x86_insn *d, struct x86_op *op, const x86_fn fn[2][4])
{
	unsigned sl = x86_operands(d, op);
	return fn[x86_is_mem(d, 0)][sl];
}

static x86_fn imul(const struct x86_insn *d, struct x86_op *op)
{
	if (d->i.operand_count_visible == 1)
		return one(d, op, imul1_fn);
	unsigned sl = x86_operands(d, op);
	return (d->i.operand_count_visible == 2 ? imul2_fn : imul3_fn)[x86_is_mem(d, 1)][sl];
}

x86_fn x86_int_mul(const struct x86_insn *d, struct x86_op *op, bool *ends)
{
	(void)ends;
	switch (d->i.mnemonic) {
	case ZYDIS_MNEMONIC_MUL: return one(d, op, mul_fn);
	case ZYDIS_MNEMONIC_IMUL: return imul(d, op);
	case ZYDIS_MNEMONIC_DIV: return one(d, op, div_fn);
	case ZYDIS_MNEMONIC_IDIV: return one(d, op, idiv_fn);
	default: return NULL;
	}
}
