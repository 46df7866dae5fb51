/* x87.h - what the files of the x87 share: the register stack, the status word, the engines. */
#ifndef CPU_X86_X87_H
#define CPU_X86_X87_H

#include "fpenv.h"

enum {
	X87_SF = 0x40,
	X87_ES = 0x80,
	X87_C0 = 0x100,
	X87_C1 = 0x200,
	X87_C2 = 0x400,
	X87_C3 = 0x4000,
	X87_B = 0x8000,
	X87_TOP = 0x3800,
	X87_CC = X87_C0 | X87_C1 | X87_C2 | X87_C3,
	X87_CW_RESET = 0x37f
};

static inline unsigned x87_top(const struct x86_cpu *c)
{
	return c->fsw >> 11 & 7;
}
static inline unsigned x87_phys(const struct x86_cpu *c, unsigned st)
{
	return (x87_top(c) + st) & 7;
}
static inline void x87_set_top(struct x86_cpu *c, unsigned top)
{
	c->fsw = (uint16_t)((c->fsw & ~X87_TOP) | (top & 7) << 11);
}
static inline bool x87_empty(const struct x86_cpu *c, unsigned st)
{
	return !(c->ftag >> x87_phys(c, st) & 1);
}
static inline struct x86_f80 x87_get(const struct x86_cpu *c, unsigned st)
{
	return c->st[x87_phys(c, st)];
}
static inline void x87_set(struct x86_cpu *c, unsigned st, struct x86_f80 v)
{
	unsigned r = x87_phys(c, st);
	c->st[r].sig = v.sig;
	c->st[r].se = v.se;
	c->ftag |= (uint8_t)(1u << r);
}
static inline void x87_pop(struct x86_cpu *c)
{
	c->ftag &= (uint8_t)~(1u << x87_top(c));
	x87_set_top(c, x87_top(c) + 1);
}
static inline void x87_push(struct x86_cpu *c, struct x86_f80 v)
{
	x87_set_top(c, x87_top(c) - 1);
	x87_set(c, 0, v);
}
#define X87_NAN ((struct x86_f80){0xc000000000000000, 0xffff})

/* ES and B follow the flags and the masks. */
static inline void x87_summary(struct x86_cpu *c)
{
	if (c->fsw & ~c->fcw & 0x3f)
		c->fsw |= X87_ES | X87_B;
	else
		c->fsw &= (uint16_t) ~(X87_ES | X87_B);
}
/* Raise flags (SF_ bits, X87_SF). True: one of them is unmasked. */
static inline bool x87_flags(struct x86_cpu *c, unsigned flags)
{
	c->fsw |= (uint16_t)flags;
	x87_summary(c);
	return (flags & ~c->fcw & 0x3f) != 0;
}
/* Checks before a waiting instruction (#NM, #MF) and before a control instruction (#NM). */
void x87_check_slow(struct x86_cpu *c, const struct x86_op *op, bool waiting);
static inline void x87_check(struct x86_cpu *c, const struct x86_op *op)
{
	if (unlikely((c->cr0 & (X86_CR0_EM | X86_CR0_TS)) | (c->fsw & X87_ES)))
		x87_check_slow(c, op, true);
}
static inline void x87_check_nowait(struct x86_cpu *c, const struct x86_op *op)
{
	if (unlikely(c->cr0 & (X86_CR0_EM | X86_CR0_TS)))
		x87_check_slow(c, op, false);
}
/* The last instruction's pointers. FCS and FDS are deprecated: zero, as CPUID.7.EBX[13] says. op->imm: the 11 opcode
 * bits. */
static inline void x87_pointers(struct x86_cpu *c, const struct x86_op *op)
{
	c->fip = x86_op_rip(c, op);
	c->fop = (uint16_t)op->imm;
}

/* Stack faults. C1 tells overflow (1) from underflow (0). True: unmasked, nothing else may change. */
static inline bool x87_stack_fault(struct x86_cpu *c, bool overflow)
{
	c->fsw = (uint16_t)((c->fsw & ~X87_C1) | (overflow ? X87_C1 : 0));
	return x87_flags(c, SF_I | X87_SF);
}

/* What an operation gave: a value, its exceptions, and the condition codes it sets (C1: rounded up). */
struct x87_result {
	struct x86_f80 v, v2;
	uint16_t flags, cc;
};
enum x87_arith { X87_ADD, X87_MUL, X87_COM, X87_COMP, X87_SUB, X87_SUBR, X87_DIV, X87_DIVR }; /* as encoded */
enum x87_unary {
	X87_F2XM1,
	X87_FYL2X,
	X87_FPTAN,
	X87_FPATAN,
	X87_FXTRACT,
	X87_FPREM1,
	X87_FPREM,
	X87_FYL2XP1,
	X87_FSQRT,
	X87_FSINCOS,
	X87_FRNDINT,
	X87_FSCALE,
	X87_FSIN,
	X87_FCOS
};

/* The engine: a is ST(0) or the destination, b the other operand. X87_SUB: a - b, X87_SUBR: b - a. */
struct x87_result x87_host_arith(struct x86_cpu *c, enum x87_arith kind, struct x86_f80 a, struct x86_f80 b);
struct x87_result x87_soft_arith(struct x86_cpu *c, enum x87_arith kind, struct x86_f80 a, struct x86_f80 b);
/* a is ST(0), b is ST(1); v the new ST(0) or ST(1), v2 a pushed one (FPTAN, FSINCOS, FXTRACT). */
struct x87_result x87_host_unary(struct x86_cpu *c, enum x87_unary kind, struct x86_f80 a, struct x86_f80 b);
struct x87_result x87_soft_unary(struct x86_cpu *c, enum x87_unary kind, struct x86_f80 a, struct x86_f80 b);
/* Transcendental functions in software, special operands included (x87_trans.c). */
struct x87_result x87_soft_trans(struct sf_env *e, enum x87_unary kind, struct x86_f80 a, struct x86_f80 b);
struct sf_env x87_env(const struct x86_cpu *c);
/* May the host compute this? Not while the guest has exceptions unmasked, for then results differ. */
static inline bool x87_use_host(const struct x86_cpu *c)
{
	return X86_HOST_FPU && !x86_fp_soft && (c->fcw & 0x3f) == 0x3f;
}

/* General handlers whose frequent case has a handler of its own in x87_fast.c, which falls back on these. */
const struct x86_op *x87_arith_st(struct x86_cpu *c, const struct x86_op *op);
const struct x86_op *x87_arith_mem(struct x86_cpu *c, const struct x86_op *op);
const struct x86_op *x87_compare_st(struct x86_cpu *c, const struct x86_op *op);
const struct x86_op *x87_function(struct x86_cpu *c, const struct x86_op *op);
const struct x86_op *x87_fld_m32(struct x86_cpu *c, const struct x86_op *op);
const struct x86_op *x87_fld_m64(struct x86_cpu *c, const struct x86_op *op);
const struct x86_op *x87_fld_m80(struct x86_cpu *c, const struct x86_op *op);
const struct x86_op *x87_fild(struct x86_cpu *c, const struct x86_op *op);
const struct x86_op *x87_fst_float(struct x86_cpu *c, const struct x86_op *op);
const struct x86_op *x87_fstp_m80(struct x86_cpu *c, const struct x86_op *op);
x86_fn x87_faster(x86_fn general, const struct x86_op *op);
/* Theirs: op->aux of compares, op->size of arithmetic with memory. */
enum { X87_QUIET = 1, X87_TO_EFLAGS = 2 };
enum x87_source { X87_ST, X87_M32, X87_M64, X87_I32, X87_I16 };

/* Groups of instructions, each with its own table: opcode 0..7 for D8..DF, reg and rm of ModRM. */
x86_fn x87_translate_arith(const struct x86_insn *d, struct x86_op *op); /* x87_arith.c */
x86_fn x87_translate_move(const struct x86_insn *d, struct x86_op *op);  /* x87_move.c */
x86_fn x87_translate_func(const struct x86_insn *d, struct x86_op *op);  /* x87_func.c */
x86_fn x87_translate_env(const struct x86_insn *d, struct x86_op *op);   /* x87_env.c */

/* Full tag word out of the abridged one and the registers; and back. */
uint16_t x87_full_tags(const struct x86_cpu *c);
uint8_t x87_abridged_tags(uint16_t tags);
void x87_init(struct x86_cpu *c);

#endif
