/* x87_arith.c - x87 arithmetic and compares: two operands, from registers or memory, and both engines. */
#include "x87.h"

struct sf_env x87_env(const struct x86_cpu *c)
{
	static const uint8_t prec[4] = {24, 64, 53, 64};
	return (struct sf_env){
		.x87 = true, .rc = c->fcw >> 10 & 3, .prec = prec[c->fcw >> 8 & 3], .masks = c->fcw & 0x3f};
}

/* ------ engines ------ */

struct x87_result x87_soft_arith(struct x86_cpu *c, enum x87_arith kind, struct x86_f80 a, struct x86_f80 b)
{
	struct sf_env e = x87_env(c);
	struct sf_num x = sf_unpack80(a), y = sf_unpack80(b), r;
	switch (kind) {
	case X87_ADD:
		r = sf_add(&e, SF80, x, y);
		break;
	case X87_MUL:
		r = sf_mul(&e, SF80, x, y);
		break;
	case X87_SUB:
		r = sf_sub(&e, SF80, x, y);
		break;
	case X87_SUBR:
		r = sf_sub(&e, SF80, y, x);
		break;
	case X87_DIV:
		r = sf_div(&e, SF80, x, y);
		break;
	default:
		r = sf_div(&e, SF80, y, x);
	}
	return (struct x87_result){.v = sf_pack80(r), .flags = e.flags, .cc = e.up ? X87_C1 : 0};
}

#if X86_HOST_FPU
#define HOST(insn)                                                                                                     \
	__asm__ volatile("fnclex\n\tfldt %[b]\n\tfldt %[a]\n\t" insn                                                   \
			 " %%st(1), %%st\n\tfnstsw %[sw]\n\tfstpt %[r]\n\tfstp %%st(0)"                                \
			 : [r] "=m"(r), [sw] "=m"(sw)                                                                  \
			 : [a] "m"(a), [b] "m"(b)                                                                      \
			 : "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)")
struct x87_result x87_host_arith(struct x86_cpu *c, enum x87_arith kind, struct x86_f80 a, struct x86_f80 b)
{
	struct x86_f80 r;
	uint16_t sw;
	x86_fp_begin_x87(c, c->fcw);
	switch (kind) {
	case X87_ADD:
		HOST("fadd");
		break;
	case X87_MUL:
		HOST("fmul");
		break;
	case X87_SUB:
		HOST("fsub");
		break;
	case X87_SUBR:
		HOST("fsubr");
		break;
	case X87_DIV:
		HOST("fdiv");
		break;
	default:
		HOST("fdivr");
	}
	c->fp_x87_flags = sw & 0x3f;
	return (struct x87_result){.v = r, .flags = sw & 0x3f, .cc = sw & X87_C1};
}
#else
struct x87_result x87_host_arith(struct x86_cpu *c, enum x87_arith kind, struct x86_f80 a, struct x86_f80 b)
{
	return x87_soft_arith(c, kind, a, b);
}
#endif

/* ------ operands ------ */

/* A memory operand as 80 bits, signalling NaNs still signalling; SF_D in *flags for denormals, which are none any more
 * in 80 bits. */
static struct x86_f80 load(struct x86_cpu *c, const struct x86_op *op, unsigned *flags)
{
	uint64_t gva = x86_ea(c, op);
	struct sf_env e = {0};
	struct sf_num n;
	switch (op->size) {
	case X87_M32:
		n = sf_unpack32(&e, x86_ld32(c, op, gva));
		break;
	case X87_M64:
		n = sf_unpack64(&e, x86_ld64(c, op, gva));
		break;
	case X87_I32:
		n = sf_from_int((int32_t)x86_ld32(c, op, gva));
		break;
	default:
		n = sf_from_int((int16_t)x86_ld16(c, op, gva));
	}
	*flags = n.denormal ? SF_D : 0;
	c->fdp = gva - c->segbase[op->seg];
	return sf_pack80(n);
}

/* ------ arithmetic: dst = dst op b ------ */

static void arith(struct x86_cpu *c, unsigned dst, enum x87_arith kind, struct x86_f80 b, unsigned flags, bool pop)
{
	struct x86_f80 a = x87_get(c, dst);
	struct x87_result r = x87_use_host(c) ? x87_host_arith(c, kind, a, b) : x87_soft_arith(c, kind, a, b);
	/* A denormal operand is not reported beside a NaN or an invalid operation. */
	if (flags && !sf_is_nan(sf_unpack80(a)) && !(r.flags & (SF_I | SF_Z)))
		r.flags |= SF_D;
	if (r.flags & ~c->fcw & (SF_I | SF_D | SF_Z)) {
		c->fsw &= (uint16_t)~X87_C1;
		x87_flags(c, r.flags & (SF_I | SF_D | SF_Z));
		return;
	}
	c->fsw = (uint16_t)((c->fsw & ~X87_C1) | r.cc);
	x87_flags(c, r.flags);
	x87_set(c, dst, r.v);
	if (pop)
		x87_pop(c);
}

static void arith_empty(struct x86_cpu *c, unsigned dst, bool pop)
{
	if (x87_stack_fault(c, false))
		return;
	x87_set(c, dst, X87_NAN);
	if (pop)
		x87_pop(c);
}

const struct x86_op *x87_arith_mem(struct x86_cpu *c, const struct x86_op *op)
{
	unsigned flags;
	struct x86_f80 b;
	x87_check(c, op);
	b = load(c, op, &flags);
	x87_pointers(c, op);
	if (x87_empty(c, 0))
		arith_empty(c, 0, false);
	else
		arith(c, 0, op->aux, b, flags, false);
	return NEXT(op);
}

/* op->dst, op->src: stack registers; op->scale: pop. */
const struct x86_op *x87_arith_st(struct x86_cpu *c, const struct x86_op *op)
{
	x87_check(c, op);
	x87_pointers(c, op);
	if (x87_empty(c, op->dst) || x87_empty(c, op->src))
		arith_empty(c, op->dst, op->scale);
	else
		arith(c, op->dst, op->aux, x87_get(c, op->src), 0, op->scale);
	return NEXT(op);
}

/* ------ compares: condition codes or EFLAGS; op->scale: how many to pop ------ */

static void pops(struct x86_cpu *c, unsigned n)
{
	while (n--)
		x87_pop(c);
}

static void set_order(struct x86_cpu *c, unsigned how, int order)
{
	static const uint16_t codes[] = {X87_C0, X87_C3, 0, X87_C0 | X87_C2 | X87_C3};
	static const uint8_t eflags[] = {X86_CF, X86_ZF, 0, X86_CF | X86_PF_ | X86_ZF};
	c->fsw &= (uint16_t)~X87_C1;
	if (how & X87_TO_EFLAGS)
		x86_set_arith_flags(c, eflags[order + 1]);
	else
		c->fsw = (uint16_t)((c->fsw & ~X87_CC) | codes[order + 1]);
}

static void compare(struct x86_cpu *c, unsigned how, unsigned pop, struct x86_f80 b, unsigned flags)
{
	struct sf_env e = x87_env(c);
	int order = sf_compare(&e, sf_unpack80(x87_get(c, 0)), sf_unpack80(b), how & X87_QUIET);
	if (flags && order != SF_UNORDERED)
		e.flags |= SF_D;
	if (e.flags & ~c->fcw & (SF_I | SF_D)) {
		c->fsw &= (uint16_t)~X87_C1;
		x87_flags(c, e.flags);
		return;
	}
	x87_flags(c, e.flags);
	set_order(c, how, order);
	pops(c, pop);
}

static void compare_empty(struct x86_cpu *c, unsigned how, unsigned pop)
{
	if (x87_stack_fault(c, false))
		return;
	set_order(c, how, SF_UNORDERED);
	pops(c, pop);
}

static const struct x86_op *compare_mem(struct x86_cpu *c, const struct x86_op *op)
{
	unsigned flags, pop = op->aux == X87_COMP;
	struct x86_f80 b;
	x87_check(c, op);
	b = load(c, op, &flags);
	x87_pointers(c, op);
	if (x87_empty(c, 0))
		compare_empty(c, 0, pop);
	else
		compare(c, 0, pop, b, flags);
	return NEXT(op);
}

const struct x86_op *x87_compare_st(struct x86_cpu *c, const struct x86_op *op)
{
	x87_check(c, op);
	x87_pointers(c, op);
	if (x87_empty(c, 0) || x87_empty(c, op->src))
		compare_empty(c, op->aux, op->scale);
	else
		compare(c, op->aux, op->scale, x87_get(c, op->src), 0);
	return NEXT(op);
}

static const struct x86_op *ftst(struct x86_cpu *c, const struct x86_op *op)
{
	x87_check(c, op);
	x87_pointers(c, op);
	if (x87_empty(c, 0))
		compare_empty(c, 0, 0);
	else
		compare(c, 0, 0, (struct x86_f80){0, 0}, 0);
	return NEXT(op);
}

/* ------ translation ------ */

static x86_fn from_memory(const struct x86_insn *d, struct x86_op *op, unsigned opcode)
{
	static const uint8_t sources[8] = {X87_M32, 0, X87_I32, 0, X87_M64, 0, X87_I16, 0};
	if (opcode & 1)
		return NULL;
	op->size = sources[opcode];
	op->aux = d->i.raw.modrm.reg;
	return op->aux == X87_COM || op->aux == X87_COMP ? compare_mem : x87_arith_mem;
}

/* D8: ST(0) op= ST(i). DC: ST(i) op= ST(0), DE: and pop; there SUB and SUBR, DIV and DIVR change places. */
static x86_fn arith_form(const struct x86_insn *d, struct x86_op *op, unsigned opcode)
{
	unsigned reg = d->i.raw.modrm.reg, rm = d->i.raw.modrm.rm;
	op->aux = (uint8_t)reg;
	op->dst = 0;
	op->src = (uint8_t)rm;
	op->scale = opcode == 6;
	if (opcode != 0) {
		op->dst = (uint8_t)rm;
		op->src = 0;
		op->aux ^= reg >= X87_SUB;
	}
	return x87_arith_st;
}

/* Compares of registers: opcode, reg of ModRM, what, pops. */
static const struct {
	uint8_t opcode, reg, how, pop;
} compares[] = {
	{0, 2, 0, 0},	     {0, 3, 0, 1},		   {4, 2, 0, 0},		 {4, 3, 0, 1},
	{6, 2, 0, 1},	     {6, 3, 0, 2},		   {5, 4, X87_QUIET, 0},		 {5, 5, X87_QUIET, 1},
	{2, 5, X87_QUIET, 2},    {3, 5, X87_QUIET | X87_TO_EFLAGS, 0}, {3, 6, X87_TO_EFLAGS, 0},	 {7, 5, X87_QUIET | X87_TO_EFLAGS, 1},
	{7, 6, X87_TO_EFLAGS, 1},
};

x86_fn x87_translate_arith(const struct x86_insn *d, struct x86_op *op)
{
	unsigned opcode = d->i.opcode & 7, reg = d->i.raw.modrm.reg, rm = d->i.raw.modrm.rm;
	if (d->i.opcode == 0x9b)
		return NULL;
	if (d->i.raw.modrm.mod != 3)
		return from_memory(d, op, opcode);
	for (unsigned n = 0; n < sizeof compares / sizeof compares[0]; n++) {
		if (compares[n].opcode != opcode || compares[n].reg != reg)
			continue;
		if (compares[n].pop == 2 && rm != 1)
			return NULL;
		op->aux = compares[n].how;
		op->scale = compares[n].pop;
		op->src = (uint8_t)rm;
		return x87_compare_st;
	}
	if (opcode == 1 && reg == 4 && rm == 4)
		return ftst;
	return opcode == 0 || opcode == 4 || opcode == 6 ? arith_form(d, op, opcode) : NULL;
}
