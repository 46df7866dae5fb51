/* int_xchg.c - XCHG XADD CMPXCHG CMPXCHG8B CMPXCHG16B: on memory with the host's atomics (XCHG always, the others with
 * LOCK). */
#include "int.h"

X86_INLINE op_t xchg(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	uint64_t b = reg_get(c, op->src, size), old;
	if (!mem) {
		old = reg_get(c, op->dst, size);
		reg_put(c, op->dst, size, b);
		reg_put(c, op->src, size, old);
		return NEXT(op);
	}
	uint64_t ea = x86_ea(c, op);
	uint8_t *p = lock_open(c, op, ea, size);
	if (unlikely(!p && lock_must_wait(c)))
		return x86_lock_alone(c, op);
	if (likely(p != NULL)) {
		old = host_get(p, size);
		while (!host_cas(p, size, &old, b))
			;
	} else {
		struct rmw m;
		old = rmw_get(c, op, &m, ea, size);
		rmw_put(c, op, &m, size, b);
	}
	reg_put(c, op->src, size, old);
	return NEXT(op);
}

X86_INLINE op_t xadd(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	uint64_t b = reg_get(c, op->src, size), old, sum;
	uint8_t *p = NULL;
	if (mem && op->flags & X86_OPF_LOCK)
		p = lock_open(c, op, x86_ea(c, op), size);
	if (mem && op->flags & X86_OPF_LOCK && !p && lock_must_wait(c))
		return x86_lock_alone(c, op);
	if (p) {
		old = host_get(p, size);
		do
			sum = mask_size(old + b, size);
		while (!host_cas(p, size, &old, sum));
		reg_put(c, op->src, size, old);
	} else {
		struct rmw m;
		old = rm_open(c, op, &m, size, mem);
		sum = mask_size(old + b, size);
		if (mem)
			rmw_put(c, op, &m, size, sum);
		reg_put(c, op->src, size, old);
		if (!mem)
			reg_put(c, op->dst, size, sum);
	}
	x86_cc(c, CC_ADD + log_size(size), sum, b);
	return NEXT(op);
}

/* The destination is written either way, with what it had when the comparison fails. */
X86_INLINE op_t cmpxchg(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	uint64_t acc = reg_get(c, 0, size), b = reg_get(c, op->src, size), old;
	uint8_t *p = NULL;
	if (mem && op->flags & X86_OPF_LOCK)
		p = lock_open(c, op, x86_ea(c, op), size);
	if (mem && op->flags & X86_OPF_LOCK && !p && lock_must_wait(c))
		return x86_lock_alone(c, op);
	if (p) {
		old = acc;
		host_cas(p, size, &old, b);
	} else {
		struct rmw m;
		old = rm_open(c, op, &m, size, mem);
		if (mem || old == acc)
			rm_close(c, op, &m, size, mem, old == acc ? b : old);
	}
	if (old != acc)
		reg_put(c, 0, size, old);
	x86_cc(c, CC_SUB + log_size(size), mask_size(acc - old, size), old);
	return NEXT(op);
}
X86_RM_HANDLERS(xchg, xchg)
X86_RM_HANDLERS(xadd, xadd)
X86_RM_HANDLERS(cmpxchg, cmpxchg)

static void set_zf(struct x86_cpu *c, bool zf)
{
	x86_set_arith_flags(c, (x86_arith_flags(c) & ~(uint32_t)X86_ZF) | (zf ? X86_ZF : 0));
}

static op_t cmpxchg8b(struct x86_cpu *c, op_t op)
{
	uint64_t ea = x86_ea(c, op), want = (uint32_t)c->r[0] | c->r[2] << 32, new = (uint32_t)c->r[3] | c->r[1] << 32,
		 old = want;
	uint8_t *p = lock_open(c, op, ea, 8);
	if (!p && op->flags & X86_OPF_LOCK && lock_must_wait(c))
		return x86_lock_alone(c, op);
	if (p) {
		host_cas(p, 8, &old, new);
	} else {
		struct rmw m;
		old = rmw_get(c, op, &m, ea, 8);
		rmw_put(c, op, &m, 8, old == want ? new : old);
	}
	if (old != want) {
		c->r[0] = (uint32_t)old;
		c->r[2] = old >> 32;
	}
	set_zf(c, old == want);
	return NEXT(op);
}

static op_t cmpxchg16b(struct x86_cpu *c, op_t op)
{
	uint64_t ea = x86_ea(c, op), old[2] = {c->r[0], c->r[2]}, new[2] = {c->r[3], c->r[1]};
	if (ea & 15)
		x86_raise(c, op, X86_GP_FAULT, 0);
	uint8_t *p = lock_open(c, op, ea, 16);
	bool ok;
	if (!p && op->flags & X86_OPF_LOCK && lock_must_wait(c))
		return x86_lock_alone(c, op);
	if (p) {
		ok = host_cas16(p, old, new);
	} else {
		x86_ld(c, op, ea, old, 16);
		ok = old[0] == c->r[0] && old[1] == c->r[2];
		x86_st(c, op, ea, ok ? new : old, 16);
	}
	if (!ok) {
		c->r[0] = old[0];
		c->r[2] = old[1];
	}
	set_zf(c, ok);
	return NEXT(op);
}

static x86_fn pair(const struct x86_insn *d, struct x86_op *op, const x86_fn fn[2][4])
{
	unsigned sl = x86_operands(d, op);
	return fn[x86_is_mem(d, 0)][sl];
}

/* Of the two orders Zydis may show, memory is the destination. */
static x86_fn exchange(const struct x86_insn *d, struct x86_op *op)
{
	unsigned sl = x86_operands(d, op);
	if (x86_is_mem(d, 1))
		op->src = op->dst;
	return xchg_fn[x86_is_mem(d, 0) || x86_is_mem(d, 1)][sl];
}

/* F3 90 with REX.B is no PAUSE: XCHG R8, RAX, as without F3. Zydis does not tell them apart. */
static x86_fn exchange_r8(const struct x86_insn *d, struct x86_op *op)
{
	op->dst = x86_regno(ZYDIS_REGISTER_R8);
	op->src = x86_regno(ZYDIS_REGISTER_RAX);
	op->size = d->i.raw.rex.W ? 8 : d->i.attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE ? 2 : 4;
	return xchg_fn[0][__builtin_ctz(op->size)];
}

x86_fn x86_int_xchg(const struct x86_insn *d, struct x86_op *op, bool *ends)
{
	(void)ends;
	switch (d->i.mnemonic) {
	case ZYDIS_MNEMONIC_XCHG: return exchange(d, op);
	case ZYDIS_MNEMONIC_PAUSE: return d->i.raw.rex.B ? exchange_r8(d, op) : NULL;
	case ZYDIS_MNEMONIC_XADD: return pair(d, op, xadd_fn);
	case ZYDIS_MNEMONIC_CMPXCHG: return pair(d, op, cmpxchg_fn);
	case ZYDIS_MNEMONIC_CMPXCHG8B: return cmpxchg8b;
	case ZYDIS_MNEMONIC_CMPXCHG16B: return cmpxchg16b;
	default: return NULL;
	}
}
