/* x87_func.c - x87 functions of ST(0), or of ST(0) and ST(1): root, remainder, scale, rounding, logarithms,
 * trigonometry. */
#include "x87.h"

/* Operands, what becomes of the stack, and the condition codes an instruction defines (beside C1). */
static const struct func {
	uint8_t opcode; /* second byte, D9 xx */
	bool two, push, pop, transcendental;
	uint16_t codes;
} funcs[] = {
	[X87_F2XM1] = {0xf0, false, false, false, true, 0},
	[X87_FYL2X] = {0xf1, true, false, true, true, 0},
	[X87_FPTAN] = {0xf2, false, true, false, true, X87_C2},
	[X87_FPATAN] = {0xf3, true, false, true, true, 0},
	[X87_FXTRACT] = {0xf4, false, true, false, false, 0},
	[X87_FPREM1] = {0xf5, true, false, false, false, X87_C0 | X87_C2 | X87_C3},
	[X87_FPREM] = {0xf8, true, false, false, false, X87_C0 | X87_C2 | X87_C3},
	[X87_FYL2XP1] = {0xf9, true, false, true, true, 0},
	[X87_FSQRT] = {0xfa, false, false, false, false, 0},
	[X87_FSINCOS] = {0xfb, false, true, false, true, X87_C2},
	[X87_FRNDINT] = {0xfc, false, false, false, false, 0},
	[X87_FSCALE] = {0xfd, true, false, false, false, 0},
	[X87_FSIN] = {0xfe, false, false, false, true, X87_C2},
	[X87_FCOS] = {0xff, false, false, false, true, X87_C2},
};

/* ------ software ------ */

static struct x87_result soft_rem(struct sf_env *e, struct sf_num a, struct sf_num b, bool nearest)
{
	struct x87_result r = {.cc = 0};
	struct sf_num n;
	unsigned q;
	if (!sf_rem(e, a, b, nearest, &n, &q))
		r.cc = X87_C2;
	r.cc |= (uint16_t)((q & 4 ? X87_C0 : 0) | (q & 2 ? X87_C3 : 0) | (q & 1 ? X87_C1 : 0));
	r.v = sf_pack80(n);
	return r;
}

/* v: the exponent, v2: the significand. */
static struct x87_result soft_extract(struct sf_env *e, struct sf_num a)
{
	struct x87_result r = {.cc = 0};
	struct sf_num x = a;
	if (sf_is_nan(a)) {
		x = a = sf_nan2(e, a, a);
	} else if (a.cls == SF_ZERO) {
		e->flags |= SF_Z;
		x = (struct sf_num){SF_INF, true, false, 0, (uint64_t)1 << 63};
	} else if (a.cls == SF_INF) {
		x.sign = false;
	} else {
		if (a.denormal)
			e->flags |= SF_D;
		x = sf_from_int(a.exp);
		a.exp = 0;
	}
	r.v = sf_pack80(x);
	r.v2 = sf_pack80(a);
	return r;
}

struct x87_result x87_soft_unary(struct x86_cpu *c, enum x87_unary kind, struct x86_f80 av, struct x86_f80 bv)
{
	struct sf_env e = x87_env(c);
	struct sf_num a = sf_unpack80(av), b = sf_unpack80(bv);
	struct x87_result r = {.cc = 0};
	if (kind != X87_FSQRT)
		e.prec = 64;
	switch (kind) {
	case X87_FSQRT:
		r.v = sf_pack80(sf_sqrt(&e, SF80, a));
		break;
	case X87_FRNDINT:
		if (a.denormal)
			e.flags |= SF_D;
		r.v = sf_pack80(sf_round_int(&e, a, e.rc));
		break;
	case X87_FSCALE:
		r.v = sf_pack80(sf_scale(&e, a, b));
		break;
	case X87_FPREM:
	case X87_FPREM1:
		r = soft_rem(&e, a, b, kind == X87_FPREM1);
		e.up = false;
		break;
	case X87_FXTRACT:
		r = soft_extract(&e, a);
		break;
	default:
		r = x87_soft_trans(&e, kind, av, bv);
	}
	r.flags = e.flags;
	r.cc |= e.up ? X87_C1 : 0;
	return r;
}

/* ------ the host's ------ */

#if X86_HOST_FPU
#define CLOBBERS "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)"
#define ONE(insn)                                                                                                      \
	__asm__ volatile("fnclex\n\tfldt %[a]\n\t" insn "\n\tfnstsw %[sw]\n\tfstpt %[r]"                               \
			 : [r] "=m"(r->v), [sw] "=m"(sw) : [a] "m"(a) : CLOBBERS)
/* Leaves two values, or with C2 set only the operand. */
#define PUSHES(insn)                                                                                                   \
	__asm__ volatile("fnclex\n\tfldt %[a]\n\t" insn                                                                \
			 "\n\tfnstsw %%ax\n\tmovw %%ax, %[sw]\n\ttestw $0x400, %%ax\n\tjnz 1f\n\t"                     \
			 "fstpt %[v2]\n\t1:fstpt %[r]"                                                                 \
			 : [r] "=m"(r->v), [v2] "=m"(r->v2), [sw] "=m"(sw)                                             \
			 : [a] "m"(a)                                                                                  \
			 : "ax", "cc", CLOBBERS)
/* One result, ST(1) stays behind it. */
#define TWO(insn)                                                                                                      \
	__asm__ volatile("fnclex\n\tfldt %[b]\n\tfldt %[a]\n\t" insn "\n\tfnstsw %[sw]\n\tfstpt %[r]\n\tfstp %%st(0)"  \
			 : [r] "=m"(r->v), [sw] "=m"(sw) : [a] "m"(a), [b] "m"(b) : CLOBBERS)
#define POPS(insn)                                                                                                     \
	__asm__ volatile("fnclex\n\tfldt %[b]\n\tfldt %[a]\n\t" insn "\n\tfnstsw %[sw]\n\tfstpt %[r]"                  \
			 : [r] "=m"(r->v), [sw] "=m"(sw) : [a] "m"(a), [b] "m"(b) : CLOBBERS)

static uint16_t host_one(enum x87_unary kind, struct x86_f80 a, struct x87_result *r)
{
	uint16_t sw = 0;
	switch (kind) {
	case X87_F2XM1:
		ONE("f2xm1");
		break;
	case X87_FSQRT:
		ONE("fsqrt");
		break;
	case X87_FRNDINT:
		ONE("frndint");
		break;
	case X87_FSIN:
		ONE("fsin");
		break;
	case X87_FCOS:
		ONE("fcos");
		break;
	case X87_FPTAN:
		PUSHES("fptan");
		break;
	case X87_FSINCOS:
		PUSHES("fsincos");
		break;
	default:
		__asm__ volatile("fnclex\n\tfldt %[a]\n\tfxtract\n\tfnstsw %[sw]\n\tfstpt %[v2]\n\tfstpt %[r]"
				 : [r] "=m"(r->v), [v2] "=m"(r->v2), [sw] "=m"(sw) : [a] "m"(a) : CLOBBERS);
	}
	return sw;
}

static uint16_t host_two(enum x87_unary kind, struct x86_f80 a, struct x86_f80 b, struct x87_result *r)
{
	uint16_t sw = 0;
	switch (kind) {
	case X87_FYL2X:
		POPS("fyl2x");
		break;
	case X87_FPATAN:
		POPS("fpatan");
		break;
	case X87_FYL2XP1:
		POPS("fyl2xp1");
		break;
	case X87_FPREM:
		TWO("fprem");
		break;
	case X87_FPREM1:
		TWO("fprem1");
		break;
	default:
		TWO("fscale");
	}
	return sw;
}

struct x87_result x87_host_unary(struct x86_cpu *c, enum x87_unary kind, struct x86_f80 a, struct x86_f80 b)
{
	struct x87_result r = {.cc = 0};
	uint16_t sw;
	x86_fp_begin_x87(c, c->fcw);
	sw = funcs[kind].two ? host_two(kind, a, b, &r) : host_one(kind, a, &r);
	c->fp_x87_flags = sw & 0x3f;
	r.flags = sw & 0x3f;
	r.cc = sw & (funcs[kind].codes | X87_C1);
	return r;
}
#else
struct x87_result x87_host_unary(struct x86_cpu *c, enum x87_unary kind, struct x86_f80 a, struct x86_f80 b)
{
	return x87_soft_unary(c, kind, a, b);
}
#endif

/* ------ the instruction ------ */

static void finish(struct x86_cpu *c, const struct func *f, const struct x87_result *r)
{
	x87_set(c, f->pop ? 1 : 0, r->v);
	if (f->pop)
		x87_pop(c);
	if (f->push)
		x87_push(c, r->v2);
}

static void function_empty(struct x86_cpu *c, const struct func *f, bool overflow)
{
	struct x87_result nan = {.v = X87_NAN, .v2 = X87_NAN};
	c->fsw &= (uint16_t)~(f->codes & X87_C2);
	if (!x87_stack_fault(c, overflow))
		finish(c, f, &nan);
}

/* Transcendental results are the host's even with exceptions unmasked, but for the wrapped results of over- and
 * underflow. */
static struct x87_result compute(struct x86_cpu *c, enum x87_unary kind)
{
	struct x86_f80 a = x87_get(c, 0), b = x87_get(c, 1);
	bool wraps = ~c->fcw & (SF_O | SF_U);
	bool host = funcs[kind].transcendental ? X86_HOST_FPU && !x86_fp_soft && !wraps : x87_use_host(c);
	return host ? x87_host_unary(c, kind, a, b) : x87_soft_unary(c, kind, a, b);
}

const struct x86_op *x87_function(struct x86_cpu *c, const struct x86_op *op)
{
	const struct func *f = &funcs[op->aux];
	struct x87_result r;
	unsigned codes;
	bool under;
	x87_check(c, op);
	x87_pointers(c, op);
	under = x87_empty(c, 0) || (f->two && x87_empty(c, 1));
	if (under || (f->push && !x87_empty(c, 7))) {
		function_empty(c, f, !under);
		return NEXT(op);
	}
	r = compute(c, op->aux);
	if (r.flags & ~c->fcw & (SF_I | SF_D | SF_Z)) {
		c->fsw &= (uint16_t)~(X87_C1 | (f->codes & X87_C2));
		x87_flags(c, r.flags & (SF_I | SF_D | SF_Z));
		return NEXT(op);
	}
	/* C0 and C3 change with a quotient only. */
	codes = X87_C1 | (r.flags & SF_I || sf_is_nan(sf_unpack80(r.v)) ? f->codes & X87_C2 : f->codes);
	c->fsw = (uint16_t)((c->fsw & ~codes) | (r.cc & codes));
	x87_flags(c, r.flags);
	/* Trigonometry beyond 2^63 leaves its operand. */
	if (!(f->transcendental && r.cc & X87_C2))
		finish(c, f, &r);
	return NEXT(op);
}

x86_fn x87_translate_func(const struct x86_insn *d, struct x86_op *op)
{
	if (d->i.opcode != 0xd9 || d->i.raw.modrm.mod != 3)
		return NULL;
	for (unsigned n = 0; n < sizeof funcs / sizeof funcs[0]; n++) {
		if (funcs[n].opcode == (0xc0 | d->i.raw.modrm.reg << 3 | d->i.raw.modrm.rm)) {
			op->aux = (uint8_t)n;
			return x87_function;
		}
	}
	return NULL;
}
