/* vex.h - what the files of the VEX-encoded vector instructions share (AVX, AVX2 and what builds on them).
 *
 * Kernels and rows are those of the legacy instructions (sse.h, sse_fp.h): a row names both mnemonics, so a new one
 * with a V form needs nothing here. An operation's operands: dst; src the first source (VEX.vvvv); index the second
 * source where it is a register (then there is no memory operand and index is free); aux the immediate or the fourth
 * register. Stores: src is what is stored. The upper half of a destination of 128 bits or less becomes zero. */
#ifndef CPU_X86_VEX_H
#define CPU_X86_VEX_H

#include "sse.h"

/* Works on whole registers: d = a op b, all 256 bits of d written. */
typedef void (*vex_kernel)(union x86_vec *d, const union x86_vec *a, const union x86_vec *b, unsigned imm);

_Noreturn void vex_refuse(struct x86_cpu *c, const struct x86_op *op);
/* Before everything else of a VEX-encoded vector instruction: #UD, #NM. */
static inline void vex_check(struct x86_cpu *c, const struct x86_op *op)
{
	if (unlikely(c->vex_off))
		vex_refuse(c, op);
}

/* Lane 0 of a register; lane 1 is behind it. */
static inline x86_lane *vex_lane(struct x86_cpu *c, unsigned reg)
{
	return (x86_lane *)(void *)&c->v[reg];
}
static inline void vex_clear_high(struct x86_cpu *c, unsigned reg)
{
	vex_lane(c, reg)[1] = (x86_lane){.q = {0, 0}};
}

#define VEX_HANDLER(name, ...)                                                                                         \
	static const struct x86_op *name(struct x86_cpu *c, const struct x86_op *op)                                   \
	{                                                                                                              \
		vex_check(c, op);                                                                                      \
		{                                                                                                      \
			__VA_ARGS__;                                                                                   \
		}                                                                                                      \
		return NEXT(op);                                                                                       \
	}
/* For handlers: the operands' lanes. */
#define VEX_D vex_lane(c, op->dst)
#define VEX_A vex_lane(c, op->src)
#define VEX_B vex_lane(c, op->index)

/* Is any operand a YMM register? (VEX.L is ignored by scalar instructions.) */
bool vex_is_256(const struct x86_insn *d);
void vex_operands(const struct x86_insn *d, struct x86_op *op);
/* The linear address of a memory operand that must have this alignment. */
static inline uint64_t vex_ea_aligned(struct x86_cpu *c, const struct x86_op *op, unsigned align)
{
	uint64_t gva = x86_ea(c, op);
	if (unlikely(gva & (align - 1)))
		x86_raise(c, op, X86_GP_FAULT, 0);
	return gva;
}

x86_fn vex_row_handler(const struct x86_insn *d, struct x86_op *op, const struct sse_row *row);
x86_fn vex_translate_move(const struct x86_insn *d, struct x86_op *op);  /* vex_move.c */
x86_fn vex_translate_misc(const struct x86_insn *d, struct x86_op *op);  /* vex_misc.c */
x86_fn vex_translate_perm(const struct x86_insn *d, struct x86_op *op);  /* vex_perm.c */
x86_fn vex_translate_mem(const struct x86_insn *d, struct x86_op *op);   /* vex_mem.c */
x86_fn vex_translate_float(const struct x86_insn *d, struct x86_op *op); /* vex_fp.c */
x86_fn vex_translate_half(const struct x86_insn *d, struct x86_op *op);  /* vex_f16c.c */
x86_fn vex_translate_mxcsr(const struct x86_insn *d, struct x86_op *op); /* xsave.c */

#endif
