/* x87_fast.c - the frequent x87 instructions in their frequent case: all exceptions masked, no stack fault, memory in
 * the TLB. The host's own instruction works on the guest's register in place. Whatever is unusual goes to the general
 * handler. */
#include "x87.h"

#if X86_HOST_FPU
/* May the host compute at once? Its control word being the guest's says that all exceptions are masked. */
static inline bool ready(const struct x86_cpu *c)
{
	return likely(!((c->cr0 & (X86_CR0_EM | X86_CR0_TS)) | (c->fsw & X87_ES)) && x86_fp_x87_ready(c, c->fcw));
}

/* The general handler; the host's FPU is made ready for the next time. */
static __attribute__((noinline)) const struct x86_op *general(struct x86_cpu *c, const struct x86_op *op, x86_fn fn)
{
	if (x87_use_host(c))
		x86_fp_begin_x87(c, c->fcw);
	return fn(c, op);
}

/* The operand in host memory; NULL: not simple. */
static inline uint8_t *operand(struct x86_cpu *c, const struct x86_op *op, const struct x86_tlbe *set, unsigned size)
{
	return unlikely(op->flags & X86_OPF_SLOW_EA) ? NULL : x86_tlb_hit(set, x86_ea(c, op), size);
}

static inline void pointers(struct x86_cpu *c, const struct x86_op *op)
{
	x87_pointers(c, op);
	c->fdp = x86_ea(c, op) - c->segbase[op->seg];
}

static inline struct x86_f80 *reg(struct x86_cpu *c, unsigned st)
{
	return &c->st[x87_phys(c, st)];
}

/* C1 and the exceptions of the operation, none of them unmasked. */
static inline void done(struct x86_cpu *c, uint16_t sw)
{
	c->fp_x87_flags = sw & 0x3f;
	c->fsw = (uint16_t)((c->fsw & ~X87_C1) | (sw & (X87_C1 | 0x3f)));
}

/* FNSTSW's AX is an early-clobber ("=&a"): the operands behind it are still addressed. */
#define CLOBBERS "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)"

/* ------ arithmetic ------ */

#define ARITH_ST(insn)                                                                                                 \
	static const struct x86_op *st_##insn(struct x86_cpu *c, const struct x86_op *op)                              \
	{                                                                                                              \
		uint16_t sw;                                                                                           \
		if (!ready(c) || unlikely(x87_empty(c, op->dst) || x87_empty(c, op->src)))                             \
			return general(c, op, x87_arith_st);                                                           \
		x87_pointers(c, op);                                                                                   \
		__asm__ volatile("fldt %2\n\tfldt %1\n\t" #insn " %%st(1), %%st\n\tfnstsw %0\n\t"                      \
				 "fstpt %1\n\tfstp %%st(0)"                                                            \
				 : "=&a"(sw), "+m"(*reg(c, op->dst))                                                   \
				 : "m"(*reg(c, op->src))                                                               \
				 : CLOBBERS);                                                                          \
		done(c, sw);                                                                                           \
		if (op->scale)                                                                                         \
			x87_pop(c);                                                                                    \
		return NEXT(op);                                                                                       \
	}
#define ARITH_MEM(insn, bytes)                                                                                         \
	static const struct x86_op *mem_##insn(struct x86_cpu *c, const struct x86_op *op)                             \
	{                                                                                                              \
		const uint8_t *p = operand(c, op, c->tlb->r, bytes);                                                   \
		uint16_t sw;                                                                                           \
		if (!ready(c) || unlikely(!p || x87_empty(c, 0)))                                                      \
			return general(c, op, x87_arith_mem);                                                          \
		pointers(c, op);                                                                                       \
		__asm__ volatile("fldt %1\n\t" #insn " %2\n\tfnstsw %0\n\tfstpt %1"                                    \
				 : "=&a"(sw), "+m"(*reg(c, 0))                                                         \
				 : "m"(*(const uint8_t(*)[bytes])p)                                                    \
				 : CLOBBERS);                                                                          \
		done(c, sw);                                                                                           \
		return NEXT(op);                                                                                       \
	}
#define ARITH(insn)                                                                                                    \
	ARITH_ST(f##insn)                                                                                              \
	ARITH_MEM(f##insn##s, 4) ARITH_MEM(f##insn##l, 8) ARITH_MEM(fi##insn##l, 4) ARITH_MEM(fi##insn##s, 2)
ARITH(add)
ARITH(mul)
ARITH(sub)
ARITH(subr)
ARITH(div)
ARITH(divr)
#define ARITH_ROW(insn)                                                                                                \
	{                                                                                                              \
		st_f##insn, mem_f##insn##s, mem_f##insn##l, mem_fi##insn##l, mem_fi##insn##s                           \
	}
static const x86_fn arith[8][5] = {
	[X87_ADD] = ARITH_ROW(add),   [X87_MUL] = ARITH_ROW(mul), [X87_SUB] = ARITH_ROW(sub),
	[X87_SUBR] = ARITH_ROW(subr), [X87_DIV] = ARITH_ROW(div), [X87_DIVR] = ARITH_ROW(divr)};

static const struct x86_op *square_root(struct x86_cpu *c, const struct x86_op *op)
{
	uint16_t sw;
	if (!ready(c) || unlikely(x87_empty(c, 0)))
		return general(c, op, x87_function);
	x87_pointers(c, op);
	__asm__ volatile("fldt %1\n\tfsqrt\n\tfnstsw %0\n\tfstpt %1" : "=&a"(sw), "+m"(*reg(c, 0)) : : CLOBBERS);
	done(c, sw);
	return NEXT(op);
}

/* ------ compares to EFLAGS ------ */

#define COMPARE(insn)                                                                                                  \
	static const struct x86_op *compare_##insn(struct x86_cpu *c, const struct x86_op *op)                         \
	{                                                                                                              \
		uint16_t sw;                                                                                           \
		bool zf, pf, cf;                                                                                       \
		if (!ready(c) || unlikely(x87_empty(c, 0) || x87_empty(c, op->src)))                                   \
			return general(c, op, x87_compare_st);                                                         \
		x87_pointers(c, op);                                                                                   \
		__asm__ volatile("fldt %5\n\tfldt %4\n\t" #insn " %%st(1), %%st\n\tfnstsw %0\n\tfstp %%st(0)"          \
				 : "=&a"(sw), "=@ccz"(zf), "=@ccp"(pf), "=@ccc"(cf)                                    \
				 : "m"(*reg(c, 0)), "m"(*reg(c, op->src))                                              \
				 : CLOBBERS);                                                                          \
		done(c, sw & 0x3f);                                                                                    \
		x86_set_arith_flags(c, (zf ? X86_ZF : 0) | (pf ? X86_PF_ : 0) | (cf ? X86_CF : 0));                    \
		if (op->scale)                                                                                         \
			x87_pop(c);                                                                                    \
		return NEXT(op);                                                                                       \
	}
COMPARE(fcomip)
COMPARE(fucomip)

/* ------ loads and stores ------ */

/* Room for a value to push, empty; the caller has checked that. */
static inline struct x86_f80 *pushed(struct x86_cpu *c)
{
	x87_set_top(c, x87_top(c) - 1);
	c->ftag |= (uint8_t)(1u << x87_top(c));
	return reg(c, 0);
}

#define LOAD(insn, bytes, fallback)                                                                                    \
	static const struct x86_op *load_##insn(struct x86_cpu *c, const struct x86_op *op)                            \
	{                                                                                                              \
		const uint8_t *p = operand(c, op, c->tlb->r, bytes);                                                   \
		uint16_t sw;                                                                                           \
		if (!ready(c) || unlikely(!p || !x87_empty(c, 7)))                                                     \
			return general(c, op, fallback);                                                               \
		pointers(c, op);                                                                                       \
		__asm__ volatile(#insn " %2\n\tfnstsw %0\n\tfstpt %1"                                                  \
				 : "=&a"(sw), "=m"(*pushed(c))                                                         \
				 : "m"(*(const uint8_t(*)[bytes])p)                                                    \
				 : CLOBBERS);                                                                          \
		done(c, sw & 0x3f);                                                                                    \
		return NEXT(op);                                                                                       \
	}
LOAD(flds, 4, x87_fld_m32)
LOAD(fldl, 8, x87_fld_m64)
LOAD(filds, 2, x87_fild)
LOAD(fildl, 4, x87_fild)
LOAD(fildll, 8, x87_fild)

#define STORE(insn, bytes)                                                                                             \
	static const struct x86_op *store_##insn(struct x86_cpu *c, const struct x86_op *op)                           \
	{                                                                                                              \
		uint8_t *p = operand(c, op, c->tlb->w, bytes);                                                         \
		uint16_t sw;                                                                                           \
		if (!ready(c) || unlikely(!p || x87_empty(c, 0)))                                                      \
			return general(c, op, x87_fst_float);                                                          \
		pointers(c, op);                                                                                       \
		__asm__ volatile("fldt %2\n\t" #insn " %1\n\tfnstsw %0"                                                \
				 : "=&a"(sw), "=m"(*(uint8_t(*)[bytes])p)                                              \
				 : "m"(*reg(c, 0))                                                                     \
				 : CLOBBERS);                                                                          \
		done(c, sw);                                                                                           \
		if (op->aux)                                                                                           \
			x87_pop(c);                                                                                    \
		return NEXT(op);                                                                                       \
	}
STORE(fstps, 4)
STORE(fstpl, 8)

/* 80 bits move as two words, as the host's own 80-bit accesses do, so that one can be forwarded to the other. */
static const struct x86_op *load_m80(struct x86_cpu *c, const struct x86_op *op)
{
	const uint8_t *p = operand(c, op, c->tlb->r, 10);
	struct x86_f80 v;
	if (!ready(c) || unlikely(!p || !x87_empty(c, 7)))
		return general(c, op, x87_fld_m80);
	pointers(c, op);
	memcpy(&v.sig, p, 8);
	memcpy(&v.se, p + 8, 2);
	x87_push(c, v);
	c->fsw &= (uint16_t)~X87_C1;
	return NEXT(op);
}

static const struct x86_op *store_m80(struct x86_cpu *c, const struct x86_op *op)
{
	uint8_t *p = operand(c, op, c->tlb->w, 10);
	const struct x86_f80 *v = reg(c, 0);
	if (!ready(c) || unlikely(!p || x87_empty(c, 0)))
		return general(c, op, x87_fstp_m80);
	pointers(c, op);
	memcpy(p, &v->sig, 8);
	memcpy(p + 8, &v->se, 2);
	c->fsw &= (uint16_t)~X87_C1;
	x87_pop(c);
	return NEXT(op);
}

/* ------ choosing ------ */

x86_fn x87_faster(x86_fn fn, const struct x86_op *op)
{
	if (fn == x87_arith_st)
		return arith[op->aux][X87_ST];
	if (fn == x87_arith_mem)
		return arith[op->aux][op->size];
	if (fn == x87_function)
		return op->aux == X87_FSQRT ? square_root : fn;
	if (fn == x87_compare_st && op->aux & X87_TO_EFLAGS)
		return op->aux & X87_QUIET ? compare_fucomip : compare_fcomip;
	if (fn == x87_fld_m32)
		return load_flds;
	if (fn == x87_fld_m64)
		return load_fldl;
	if (fn == x87_fild)
		return op->size == 2 ? load_filds : op->size == 4 ? load_fildl : load_fildll;
	if (fn == x87_fst_float)
		return op->size == 4 ? store_fstps : store_fstpl;
	return fn == x87_fld_m80 ? load_m80 : fn == x87_fstp_m80 ? store_m80 : fn;
}
#else
x86_fn x87_faster(x86_fn fn, const struct x86_op *op)
{
	(void)op;
	return fn;
}
#endif
