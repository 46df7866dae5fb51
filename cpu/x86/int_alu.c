/* int_alu.c - ADD OR ADC SBB AND SUB XOR CMP TEST INC DEC NEG NOT, and comparisons fused with the branch behind them. */
#include "int.h"

enum kind { ADD, OR, ADC, SBB, AND, SUB, XOR, CMP, TEST, KINDS };
enum form { RR, RI, RM, MR, MI, LMR, LMI, FORMS }; /* L: locked */

X86_INLINE uint64_t compute(unsigned kind, uint64_t a, uint64_t b, uint64_t carry, unsigned size)
{
	switch (kind) {
	case ADD: return mask_size(a + b, size);
	case ADC: return mask_size(a + b + carry, size);
	case SBB: return mask_size(a - b - carry, size);
	case SUB:
	case CMP: return mask_size(a - b, size);
	case OR: return a | b;
	case XOR: return a ^ b;
	default: return a & b;
	}
}

X86_INLINE void set_flags(struct x86_cpu *c, unsigned kind, uint64_t r, uint64_t b, uint64_t carry, unsigned size)
{
	unsigned sl = log_size(size);
	switch (kind) {
	case ADD: x86_cc(c, CC_ADD + sl, r, b); break;
	case SUB:
	case CMP: x86_cc(c, CC_SUB + sl, r, b); break;
	case ADC:
	case SBB:
		x86_cc(c, (kind == ADC ? CC_ADC : CC_SBB) + sl, r, b);
		c->cc_src2 = carry;
		break;
	default: c->cc_op = CC_LOGIC + sl; c->cc_dst = r;
	}
}

X86_INLINE uint64_t source(struct x86_cpu *c, op_t op, unsigned size, unsigned form)
{
	if (form == RI || form == MI || form == LMI)
		return mask_size(op->imm, size);
	return form == RM ? mem_get(c, op, x86_ea(c, op), size) : reg_get(c, op->src, size);
}

X86_INLINE op_t alu_reg(struct x86_cpu *c, op_t op, unsigned kind, unsigned size, unsigned form, bool flags)
{
	uint64_t b = source(c, op, size, form), a = reg_get(c, op->dst, size);
	uint64_t carry = kind == ADC || kind == SBB ? x86_carry(c) : 0, r = compute(kind, a, b, carry, size);
	if (kind < CMP)
		reg_put(c, op->dst, size, r);
	if (flags)
		set_flags(c, kind, r, b, carry, size);
	return NEXT(op);
}

X86_INLINE op_t alu_mem(struct x86_cpu *c, op_t op, unsigned kind, unsigned size, unsigned form)
{
	uint64_t b = source(c, op, size, form), carry = kind == ADC || kind == SBB ? x86_carry(c) : 0, r;
	uint64_t ea = x86_ea(c, op);
	if (kind >= CMP) {
		r = compute(kind, mem_get(c, op, ea, size), b, 0, size);
	} else {
		struct rmw m;
		r = compute(kind, rmw_get(c, op, &m, ea, size), b, carry, size);
		rmw_put(c, op, &m, size, r);
	}
	set_flags(c, kind, r, b, carry, size);
	return NEXT(op);
}

X86_INLINE op_t alu_lock(struct x86_cpu *c, op_t op, unsigned kind, unsigned size, unsigned form)
{
	uint64_t b = source(c, op, size, form), carry = kind == ADC || kind == SBB ? x86_carry(c) : 0, r;
	uint64_t ea = x86_ea(c, op);
	uint8_t *p = lock_open(c, op, ea, size);
	if (unlikely(!p))
		return lock_must_wait(c) ? x86_lock_alone(c, op) : alu_mem(c, op, kind, size, form);
	uint64_t old = host_get(p, size);
	do
		r = compute(kind, old, b, carry, size);
	while (!host_cas(p, size, &old, r));
	set_flags(c, kind, r, b, carry, size);
	return NEXT(op);
}

X86_INLINE op_t alu(struct x86_cpu *c, op_t op, unsigned kind, unsigned size, unsigned form, bool flags)
{
	if (form == RR || form == RI || form == RM)
		return alu_reg(c, op, kind, size, form, flags);
	return form == LMR || form == LMI ? alu_lock(c, op, kind, size, form) : alu_mem(c, op, kind, size, form);
}

/* The operand in host memory at p. */
X86_INLINE op_t alu_fast(struct x86_cpu *c, op_t op, unsigned kind, unsigned size, unsigned form, uint8_t *p)
{
	uint64_t m = host_get(p, size), b = form == RM   ? m
					    : form == MI ? mask_size(op->imm, size)
							 : reg_get(c, op->src, size);
	uint64_t r = compute(kind, form == RM ? reg_get(c, op->dst, size) : m, b, 0, size);
	if (form == RM && kind < CMP)
		reg_put(c, op->dst, size, r);
	else if (kind < CMP)
		host_put(p, size, r);
	set_flags(c, kind, r, b, 0, size);
	return NEXT(op);
}

#define ALU_ONE(k, f, s)                                                                                               \
	static __attribute__((noinline)) op_t slow_##k##_##f##_##s(struct x86_cpu *c, op_t op)                         \
	{                                                                                                              \
		return alu(c, op, k, s, f, true);                                                                      \
	}                                                                                                              \
	static op_t alu_##k##_##f##_##s(struct x86_cpu *c, op_t op)                                                    \
	{                                                                                                              \
		if ((f != RM && f != MR && f != MI) || k == ADC || k == SBB)                                           \
			return alu(c, op, k, s, f, true);                                                              \
		uint8_t *p = fast_operand(c, op, f == RM || k >= CMP ? c->tlb->r : c->tlb->w, s);                      \
		if (unlikely(!p))                                                                                      \
			return slow_##k##_##f##_##s(c, op);                                                            \
		return alu_fast(c, op, k, s, f, p);                                                                    \
	}
#define ALU_QUIET(k, f, s)                                                                                             \
	static op_t quiet_##k##_##f##_##s(struct x86_cpu *c, op_t op)                                                  \
	{                                                                                                              \
		return alu(c, op, k, s, f, false);                                                                     \
	}
#define ALU_SIZES(M, k, f) M(k, f, 1) M(k, f, 2) M(k, f, 4) M(k, f, 8)
#define ALU_READ(k)                                                                                                    \
	ALU_SIZES(ALU_ONE, k, RR)                                                                                      \
	ALU_SIZES(ALU_ONE, k, RI) ALU_SIZES(ALU_ONE, k, RM) ALU_SIZES(ALU_ONE, k, MR) ALU_SIZES(ALU_ONE, k, MI)
#define ALU_LOCKED(k) ALU_SIZES(ALU_ONE, k, LMR) ALU_SIZES(ALU_ONE, k, LMI)
#define ALU_ALL(M) M(ADD) M(OR) M(ADC) M(SBB) M(AND) M(SUB) M(XOR)
#define ALU_PLAIN(M) M(ADD) M(OR) M(AND) M(SUB) M(XOR)
ALU_ALL(ALU_READ)
ALU_READ(CMP)
ALU_READ(TEST)
ALU_ALL(ALU_LOCKED)
#define QUIET_BOTH(k) ALU_SIZES(ALU_QUIET, k, RR) ALU_SIZES(ALU_QUIET, k, RI)
ALU_PLAIN(QUIET_BOTH)

#define ROW(k, f)                                                                                                      \
	{                                                                                                              \
		alu_##k##_##f##_1, alu_##k##_##f##_2, alu_##k##_##f##_4, alu_##k##_##f##_8                             \
	}
#define READ_ROWS(k)                                                                                                   \
	[k][RR] = ROW(k, RR), [k][RI] = ROW(k, RI), [k][RM] = ROW(k, RM), [k][MR] = ROW(k, MR), [k][MI] = ROW(k, MI)
#define ALL_ROWS(k) READ_ROWS(k), [k][LMR] = ROW(k, LMR), [k][LMI] = ROW(k, LMI),
static const x86_fn alu_fn[KINDS][FORMS][4] = {ALU_ALL(ALL_ROWS) READ_ROWS(CMP), READ_ROWS(TEST)};

#define QUIET_PAIRS(k, f, s) {alu_##k##_##f##_##s, quiet_##k##_##f##_##s},
#define QUIET_ROWS(k) ALU_SIZES(QUIET_PAIRS, k, RR) ALU_SIZES(QUIET_PAIRS, k, RI)
static const struct x86_quiet quiet_fn[] = {ALU_PLAIN(QUIET_ROWS)};

/* ------ comparison and branch in one ------ */

X86_INLINE op_t fused(struct x86_cpu *c, op_t op, unsigned kind, unsigned form, unsigned size, unsigned cc)
{
	uint64_t a, b;
	if (form == RM || form == MI || form == MR) {
		const uint8_t *p = fast_operand(c, op, c->tlb->r, size);
		if (unlikely(!p)) /* the two one after the other: the branch behind has its own handler */
			return alu_fn[kind][form][log_size(size)](c, op);
		uint64_t m = host_get(p, size);
		a = form == RM ? reg_get(c, op->dst, size) : m;
		b = form == RM ? m : form == MI ? mask_size(op->imm, size) : reg_get(c, op->src, size);
	} else {
		b = source(c, op, size, form);
		a = reg_get(c, op->dst, size);
	}
	set_flags(c, kind, compute(kind, a, b, 0, size), b, 0, size);
	bool t;
	uint64_t r = mask_size(kind == CMP ? a - b : a & b, size);
	int64_t sa = (int64_t)sign_size(a, size), sb = (int64_t)sign_size(b, size), sr = (int64_t)sign_size(r, size);
	if (kind == TEST) {
		sa = sr;
		sb = 0;
		a = r;
		b = 0;
	}
	switch (cc) {
	case CC_B: t = a < b; break;
	case CC_AE: t = a >= b; break;
	case CC_E: t = r == 0; break;
	case CC_NE: t = r != 0; break;
	case CC_BE: t = a <= b; break;
	case CC_A: t = a > b; break;
	case CC_S: t = sr < 0; break;
	case CC_NS: t = sr >= 0; break;
	case CC_L: t = sa < sb; break;
	case CC_GE: t = sa >= sb; break;
	case CC_LE: t = sa <= sb; break;
	default: t = sa > sb; break;
	}
	if (t)
		return SKIP(op, 3);
	return SKIP(op, 2);
}

#define FUSED_ONE(k, f, s, cc)                                                                                         \
	static op_t fused_##k##_##f##_##s##_##cc(struct x86_cpu *c, op_t op)                                           \
	{                                                                                                              \
		return fused(c, op, k, f, s, cc);                                                                      \
	}
#define FUSED_CONDITIONS(M, k, f, s)                                                                                   \
	M(k, f, s, CC_B)                                                                                               \
	M(k, f, s, CC_AE)                                                                                              \
	M(k, f, s, CC_E) M(k, f, s, CC_NE) M(k, f, s, CC_BE) M(k, f, s, CC_A) M(k, f, s, CC_S) M(k, f, s, CC_NS)       \
	    M(k, f, s, CC_L) M(k, f, s, CC_GE) M(k, f, s, CC_LE) M(k, f, s, CC_G)
#define FUSED_SIZES(M, k, f) FUSED_CONDITIONS(M, k, f, 1) FUSED_CONDITIONS(M, k, f, 4) FUSED_CONDITIONS(M, k, f, 8)
#define FUSED_ALL(M)                                                                                                   \
	FUSED_SIZES(M, CMP, RR)                                                                                        \
	FUSED_SIZES(M, CMP, RI)                                                                                        \
	FUSED_SIZES(M, CMP, RM) FUSED_SIZES(M, CMP, MR) FUSED_SIZES(M, CMP, MI) FUSED_SIZES(M, TEST, RR)               \
	    FUSED_SIZES(M, TEST, RI) FUSED_SIZES(M, TEST, MI)
FUSED_ALL(FUSED_ONE)
#define FUSED_ENTRY(k, f, s, cc) [k - CMP][f][s == 1 ? 0 : s == 4 ? 2 : 3][cc] = fused_##k##_##f##_##s##_##cc,
static const x86_fn fused_fn[2][FORMS][4][16] = {FUSED_ALL(FUSED_ENTRY)};

/* Jcc handlers are known by their condition: int_branch.c. */
int x86_jcc_condition(x86_fn fn);

x86_fn x86_fuse(const struct x86_op *first, const struct x86_op *second)
{
	int cc = x86_jcc_condition(second->fn);
	if (cc < 0)
		return NULL;
	for (unsigned k = CMP; k <= TEST; k++)
		for (unsigned f = 0; f <= MI; f++)
			for (unsigned s = 0; s < 4; s++)
				if (alu_fn[k][f][s] == first->fn)
					return fused_fn[k - CMP][f][s][cc];
	return NULL;
}

/* ------ one operand ------ */

X86_INLINE op_t incdec(struct x86_cpu *c, op_t op, unsigned size, bool mem, bool dec)
{
	struct rmw m;
	uint64_t a = rm_open(c, op, &m, size, mem), r = mask_size(dec ? a - 1 : a + 1, size);
	rm_close(c, op, &m, size, mem, r);
	x86_cc(c, (dec ? CC_DEC : CC_INC) + log_size(size), r, x86_carry(c));
	return NEXT(op);
}
X86_INLINE op_t inc(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	return incdec(c, op, size, mem, false);
}
X86_INLINE op_t dec(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	return incdec(c, op, size, mem, true);
}
X86_INLINE op_t neg(struct x86_cpu *c, op_t op, unsigned size, bool mem)
{
	struct rmw m;
	uint64_t a = rm_open(c, op, &m, size, mem), r = mask_size(0 - a, size);
	rm_close(c, op, &m, size, mem, r);
	x86_cc(c, CC_SUB + log_size(size), r, a);
	return NEXT(op);
}
X86_INLINE op_t not(struct x86_cpu * c, op_t op, unsigned size, bool mem)
{
	struct rmw m;
	uint64_t r = ~rm_open(c, op, &m, size, mem);
	rm_close(c, op, &m, size, mem, mask_size(r, size));
	return NEXT(op);
}
X86_RM_HANDLERS(inc, inc)
X86_RM_HANDLERS(dec, dec)
X86_RM_HANDLERS(neg, neg)
X86_RM_HANDLERS(not, not )

#define QUIET_STEP(name, s, d)                                                                                         \
	static op_t quiet_##name##_##s(struct x86_cpu *c, op_t op)                                                     \
	{                                                                                                              \
		reg_put(c, op->dst, s, reg_get(c, op->dst, s) + d);                                                    \
		return NEXT(op);                                                                                       \
	}
QUIET_STEP(inc, 4, 1)
QUIET_STEP(inc, 8, 1)
QUIET_STEP(dec, 4, UINT64_MAX)
QUIET_STEP(dec, 8, UINT64_MAX)

x86_fn x86_quiet_alu(x86_fn fn)
{
	static const struct x86_quiet steps[] = {
	    {inc_4_0, quiet_inc_4}, {inc_8_0, quiet_inc_8}, {dec_4_0, quiet_dec_4}, {dec_8_0, quiet_dec_8}};
	x86_fn q = x86_quiet_find(quiet_fn, sizeof quiet_fn / sizeof *quiet_fn, fn);
	return q ? q : x86_quiet_find(steps, sizeof steps / sizeof *steps, fn);
}

/* The locked ones need no speed: by size at run time. aux: which. */
static op_t lock_one(struct x86_cpu *c, op_t op)
{
	unsigned size = op->size, sl = log_size(size);
	uint64_t ea = x86_ea(c, op), old, r;
	uint8_t *p = lock_open(c, op, ea, size);
	if (!p && lock_must_wait(c))
		return x86_lock_alone(c, op);
	if (!p)
		return (op->aux == 0 ? inc_fn : op->aux == 1 ? dec_fn : op->aux == 2 ? neg_fn : not_fn)[1][sl](c, op);
	old = host_get(p, size);
	do
		r = mask_size(op->aux == 0 ? old + 1 : op->aux == 1 ? old - 1 : op->aux == 2 ? 0 - old : ~old, size);
	while (!host_cas(p, size, &old, r));
	if (op->aux < 2)
		x86_cc(c, (op->aux ? CC_DEC : CC_INC) + sl, r, x86_carry(c));
	else if (op->aux == 2)
		x86_cc(c, CC_SUB + sl, r, old);
	return NEXT(op);
}

static x86_fn one_operand(const struct x86_insn *d, struct x86_op *op, const x86_fn fn[2][4], uint8_t which)
{
	unsigned sl = x86_operands(d, op);
	op->aux = which;
	return op->flags & X86_OPF_LOCK ? lock_one : fn[x86_is_mem(d, 0)][sl];
}

static x86_fn two_operands(const struct x86_insn *d, struct x86_op *op, enum kind kind)
{
	unsigned sl = x86_operands(d, op);
	bool imm = d->o[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE, lock = op->flags & X86_OPF_LOCK;
	if (x86_is_mem(d, 0))
		return alu_fn[kind][imm ? (lock ? LMI : MI) : lock ? LMR : MR][sl];
	return alu_fn[kind][imm ? RI : x86_is_mem(d, 1) ? RM : RR][sl];
}

x86_fn x86_int_alu(const struct x86_insn *d, struct x86_op *op, bool *ends)
{
	(void)ends;
	switch (d->i.mnemonic) {
	case ZYDIS_MNEMONIC_ADD: return two_operands(d, op, ADD);
	case ZYDIS_MNEMONIC_OR: return two_operands(d, op, OR);
	case ZYDIS_MNEMONIC_ADC: return two_operands(d, op, ADC);
	case ZYDIS_MNEMONIC_SBB: return two_operands(d, op, SBB);
	case ZYDIS_MNEMONIC_AND: return two_operands(d, op, AND);
	case ZYDIS_MNEMONIC_SUB: return two_operands(d, op, SUB);
	case ZYDIS_MNEMONIC_XOR: return two_operands(d, op, XOR);
	case ZYDIS_MNEMONIC_CMP: return two_operands(d, op, CMP);
	case ZYDIS_MNEMONIC_TEST: return two_operands(d, op, TEST);
	case ZYDIS_MNEMONIC_INC: return one_operand(d, op, inc_fn, 0);
	case ZYDIS_MNEMONIC_DEC: return one_operand(d, op, dec_fn, 1);
	case ZYDIS_MNEMONIC_NEG: return one_operand(d, op, neg_fn, 2);
	case ZYDIS_MNEMONIC_NOT: return one_operand(d, op, not_fn, 3);
	default: return NULL;
	}
}
