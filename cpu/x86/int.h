/* int.h - what the integer instructions share: operands by size, read-modify-write of memory, the stack, targets of
 * branches.
 *
 * A handler's body is written once as an always-inline function of (size, kind of operands) and instantiated by the
 * macros below; the tables they make are indexed by log2(size). */
#ifndef CPU_X86_INT_H
#define CPU_X86_INT_H

#include "engine.h"
#include "flags.h"

typedef uint16_t __attribute__((may_alias)) x86_u16a;

/* aux of generic handlers: the r/m operand is in memory */
enum { AUX_MEM = 0x80 };

X86_INLINE uint64_t mask_size(uint64_t v, unsigned size)
{
	return size == 1 ? (uint8_t)v : size == 2 ? (uint16_t)v : size == 4 ? (uint32_t)v : v;
}
X86_INLINE uint64_t sign_size(uint64_t v, unsigned size)
{
	return size == 1   ? (uint64_t)(int8_t)v
	       : size == 2 ? (uint64_t)(int16_t)v
	       : size == 4 ? (uint64_t)(int32_t)v
			   : v;
}
X86_INLINE unsigned log_size(unsigned size)
{
	return size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : 3;
}
X86_INLINE uint64_t reg_get(const struct x86_cpu *c, unsigned n, unsigned size)
{
	return size == 1   ? ((const uint8_t *)c->r)[n]
	       : size == 2 ? (uint16_t)c->r[n]
	       : size == 4 ? (uint32_t)c->r[n]
			   : c->r[n];
}
X86_INLINE void reg_put(struct x86_cpu *c, unsigned n, unsigned size, uint64_t v)
{
	if (size == 1)
		((uint8_t *)c->r)[n] = (uint8_t)v;
	else if (size == 2)
		*(x86_u16a *)&c->r[n] = (uint16_t)v;
	else
		c->r[n] = size == 4 ? (uint32_t)v : v;
}
X86_INLINE uint64_t mem_get(struct x86_cpu *c, op_t op, uint64_t ea, unsigned size)
{
	switch (size) {
	case 1: return x86_ld8(c, op, ea);
	case 2: return x86_ld16(c, op, ea);
	case 4: return x86_ld32(c, op, ea);
	default: return x86_ld64(c, op, ea);
	}
}
X86_INLINE void mem_put(struct x86_cpu *c, op_t op, uint64_t ea, unsigned size, uint64_t v)
{
	switch (size) {
	case 1: x86_st8(c, op, ea, (uint8_t)v); break;
	case 2: x86_st16(c, op, ea, (uint16_t)v); break;
	case 4: x86_st32(c, op, ea, (uint32_t)v); break;
	default: x86_st64(c, op, ea, v); break;
	}
}

/* Host memory of the operand where address and TLB are simple, else NULL: the handler then leaves for its slow twin, so
 * that the fast one needs no stack frame. */
X86_INLINE uint8_t *fast_operand(struct x86_cpu *c, op_t op, const struct x86_tlbe *set, unsigned size)
{
	if (unlikely(op->flags & X86_OPF_SLOW_EA))
		return NULL;
	return x86_tlb_hit(set, x86_ea(c, op), size);
}

/* A memory operand that is read and then written: the host's memory, or NULL for the slow way (devices, page crossing,
 * watched pages). */
struct rmw {
	uint64_t ea;
	uint8_t *p;
};
X86_INLINE uint8_t *rmw_open(struct x86_cpu *c, op_t op, uint64_t ea, unsigned size)
{
	uint8_t *p = x86_tlb_hit(c->tlb->w, ea, size);
	if (unlikely(!p)) {
		if (unlikely(c->align_check))
			x86_check_alignment(c, op, ea, size);
		x86_probe_write(c, op, ea, size);
		p = x86_tlb_hit(c->tlbs[c->mmu_mode].w, ea, size);
	}
	return p;
}
X86_INLINE uint64_t rmw_get(struct x86_cpu *c, op_t op, struct rmw *m, uint64_t ea, unsigned size)
{
	m->ea = ea;
	m->p = rmw_open(c, op, ea, size);
	return likely(m->p != NULL) ? host_get(m->p, size) : mem_get(c, op, ea, size);
}
X86_INLINE void rmw_put(struct x86_cpu *c, op_t op, const struct rmw *m, unsigned size, uint64_t v)
{
	if (likely(m->p != NULL))
		host_put(m->p, size, v);
	else
		mem_put(c, op, m->ea, size, v);
}
/* Host memory for a locked operation: naturally aligned, else NULL: split, in a device, in a page with code or data
 * breakpoints. Then, where there are other CPUs, the handler leaves by x86_lock_alone and is called again when these
 * stand still; it makes a plain load and a plain store. The operand has been probed for writing before, so faults come
 * first and in the same order both ways. */
X86_INLINE uint8_t *lock_open(struct x86_cpu *c, op_t op, uint64_t ea, unsigned size)
{
	uint8_t *p = rmw_open(c, op, ea, size);
	return p && ((uintptr_t)p & (size - 1)) == 0 ? p : NULL;
}

X86_INLINE bool lock_must_wait(const struct x86_cpu *c)
{
	return c->env->alone && !c->alone;
}

/* The r/m operand of generic handlers, register op->dst or memory. */
X86_INLINE uint64_t rm_get(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	return mem ? mem_get(c, op, x86_ea(c, op), size) : reg_get(c, op->dst, size);
}
X86_INLINE void rm_put(struct x86_cpu *c, op_t op, unsigned size, bool mem, uint64_t v)
{
	if (mem)
		mem_put(c, op, x86_ea(c, op), size, v);
	else
		reg_put(c, op->dst, size, v);
}
X86_INLINE uint64_t rm_open(struct x86_cpu *c, op_t op, struct rmw *m, unsigned size, bool mem)
{
	return mem ? rmw_get(c, op, m, x86_ea(c, op), size) : reg_get(c, op->dst, size);
}
X86_INLINE void rm_close(struct x86_cpu *c, op_t op, const struct rmw *m, unsigned size, bool mem, uint64_t v)
{
	if (mem)
		rmw_put(c, op, m, size, v);
	else
		reg_put(c, op->dst, size, v);
}

/* Handlers of a body f(c, op, size, mem) for every size, register and memory; name##_fn[mem][log2 size]. */
#define X86_RM_ONE(name, f, s, m)                                                                                      \
	static op_t name##_##s##_##m(struct x86_cpu *c, op_t op)                                                       \
	{                                                                                                              \
		return f(c, op, s, m);                                                                                 \
	}
#define X86_RM_HANDLERS(name, f)                                                                                       \
	X86_RM_ONE(name, f, 1, 0)                                                                                      \
	X86_RM_ONE(name, f, 2, 0)                                                                                      \
	X86_RM_ONE(name, f, 4, 0)                                                                                      \
	X86_RM_ONE(name, f, 8, 0)                                                                                      \
	X86_RM_ONE(name, f, 1, 1)                                                                                      \
	X86_RM_ONE(name, f, 2, 1)                                                                                      \
	X86_RM_ONE(name, f, 4, 1)                                                                                      \
	X86_RM_ONE(name, f, 8, 1)                                                                                      \
	static const x86_fn name##_fn[2][4] = {{name##_1_0, name##_2_0, name##_4_0, name##_8_0},                       \
					       {name##_1_1, name##_2_1, name##_4_1, name##_8_1}};

/* ------ stack (int_stack.c) ------ */
static inline uint64_t x86_sp_mask(const struct x86_cpu *c)
{
	return c->mode == X86_MODE_LONG ? UINT64_MAX : c->seg[X86_SS].attr & 1 << 14 ? UINT32_MAX : UINT16_MAX;
}
static inline void x86_sp_put(struct x86_cpu *c, uint64_t sp)
{
	uint64_t mask = x86_sp_mask(c);
	if (mask == UINT32_MAX)
		c->r[4] = (uint32_t)sp;
	else
		c->r[4] = (c->r[4] & ~mask) | (sp & mask);
}
/* Address of the stack at sp, checked. */
uint64_t x86_stack(struct x86_cpu *c, op_t op, uint64_t sp, unsigned size, bool write);
void x86_push(struct x86_cpu *c, op_t op, unsigned size, uint64_t v);
uint64_t x86_top(struct x86_cpu *c, op_t op, unsigned size); /* what POP would read; SP stays */

/* A near branch's target, before it is committed: #GP(0) on the branch itself. */
static inline void x86_check_target(struct x86_cpu *c, op_t op, uint64_t rip)
{
	if (c->mode == X86_MODE_LONG ? !x86_canonical(c, rip) : rip > c->seg[X86_CS].limit)
		x86_raise(c, op, X86_GP_FAULT, 0);
}
#define SKIP(op, n) X86_GO((op) + (n))
#define TAKEN(op) SKIP(op, 2) /* the second exit of the block that op ends */

/* A handler and the same one that leaves the flags alone. */
struct x86_quiet {
	x86_fn loud, quiet;
};
x86_fn x86_quiet_alu(x86_fn fn);
x86_fn x86_quiet_shift(x86_fn fn);
x86_fn x86_quiet_mul(x86_fn fn);
static inline x86_fn x86_quiet_find(const struct x86_quiet *list, unsigned n, x86_fn fn)
{
	for (unsigned i = 0; i < n; i++)
		if (list[i].loud == fn)
			return list[i].quiet;
	return NULL;
}

/* Translators of the files; each answers NULL for what is not its own. */
x86_fn x86_int_alu(const struct x86_insn *d, struct x86_op *op, bool *ends);
x86_fn x86_int_mov(const struct x86_insn *d, struct x86_op *op, bool *ends);
x86_fn x86_int_branch(const struct x86_insn *d, struct x86_op *op, bool *ends);
x86_fn x86_int_stack(const struct x86_insn *d, struct x86_op *op, bool *ends);
x86_fn x86_int_shift(const struct x86_insn *d, struct x86_op *op, bool *ends);
x86_fn x86_int_mul(const struct x86_insn *d, struct x86_op *op, bool *ends);
x86_fn x86_int_bits(const struct x86_insn *d, struct x86_op *op, bool *ends);
x86_fn x86_int_bmi(const struct x86_insn *d, struct x86_op *op, bool *ends);
x86_fn x86_int_xchg(const struct x86_insn *d, struct x86_op *op, bool *ends);
x86_fn x86_int_flags(const struct x86_insn *d, struct x86_op *op, bool *ends);
x86_fn x86_int_bcd(const struct x86_insn *d, struct x86_op *op, bool *ends);
x86_fn x86_int_string(const struct x86_insn *d, struct x86_op *op, bool *ends);

/* The usual operands: destination o[0] (r/m or register), source o[1]. Answers the index into a handler table: log2 of
 * the size of o[0]. */
static inline unsigned x86_operands(const struct x86_insn *d, struct x86_op *op)
{
	for (int n = 0; n < 2 && n < d->i.operand_count; n++)
		if (d->o[n].type == ZYDIS_OPERAND_TYPE_REGISTER)
			*(n ? &op->src : &op->dst) = x86_regno(d->o[n].reg.value);
	op->size = (uint8_t)(d->o[0].size / 8);
	return op->size ? (unsigned)__builtin_ctz(op->size) & 3 : 0;
}

#endif
