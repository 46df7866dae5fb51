/* mem.c - loads and stores of general registers but for exclusive and atomic ones (Arm ARM C4.1.68). */
#include "int.h"
#include "sys.h"

#define X(n) c->x[n]

static inline uint64_t base(struct a64_cpu *c, op_t op)
{
	if (unlikely(op->rn == A64_R_SP))
		a64_sp_check(c, op);
	return X(op->rn);
}
static inline uint64_t indexed(const struct a64_cpu *c, op_t op)
{
	return a64_extend(X(op->rm), op->insn >> 13 & 7, (unsigned)op->imm);
}

/* LDTR and STTR at EL1 go as EL0 would (Arm ARM C6.2.213), unless PSTATE.UAO. */
static inline bool as_user(const struct a64_cpu *c)
{
	return c->el == 1 && !c->uao;
}
static uint64_t load_user(struct a64_cpu *c, op_t op, uint64_t gva, unsigned size)
{
	const struct a64_tlb *t = as_user(c) ? &c->tlbs[A64_MMU_EL0] : c->tlb;
	const uint8_t *p = a64_tlb_hit(t->r, gva, size);
	uint64_t v = 0;
	if (p)
		return host_get(p, size);
	a64_load_slow(c, op, gva, size, as_user(c) ? A64_ACC_USER : 0, &v);
	return v;
}
static void store_user(struct a64_cpu *c, op_t op, uint64_t gva, unsigned size, uint64_t v)
{
	const struct a64_tlb *t = as_user(c) ? &c->tlbs[A64_MMU_EL0] : c->tlb;
	uint8_t *p = a64_tlb_hit(t->w, gva, size);
	if (p)
		host_put(p, size, v);
	else
		a64_store_slow(c, op, gva, size, A64_ACC_WRITE | (as_user(c) ? A64_ACC_USER : 0), &v);
}

/* X(name, bits, how the loaded value becomes the register's) */
#define LOADS(L)                                                                                                       \
	L(ldr8, 8, v)                                                                                                  \
	L(ldr16, 16, v)                                                                                                \
	L(ldr32, 32, v)                                                                                                \
	L(ldr64, 64, v)                                                                                                \
	L(ldrs8, 8, (uint64_t)(int8_t)v)                                                                               \
	L(ldrs16, 16, (uint64_t)(int16_t)v)                                                                            \
	L(ldrs32, 32, (uint64_t)(int32_t)v)                                                                            \
	L(ldrs8w, 8, (uint32_t)(int8_t)v)                                                                              \
	L(ldrs16w, 16, (uint32_t)(int16_t)v)
#define STORES(S) S(str8, 8) S(str16, 16) S(str32, 32) S(str64, 64)

/* ------ what misses the TLB ------
 * By the instruction again, so that the handlers keep nothing for it. */

static uint64_t place(struct a64_cpu *c, op_t op)
{
	uint64_t at = base(c, op);
	if ((op->insn & 0x3f000000) == 0x39000000)
		return at + op->imm;
	switch (op->insn >> 10 & 3) {
	case 1:
		return at;
	case 2:
		return at + indexed(c, op);
	default:
		return at + op->imm;
	}
}
static void back(struct a64_cpu *c, op_t op)
{
	if ((op->insn & 0x3f000400) == 0x38000400) /* post, pre */
		X(op->rn) += op->imm;
}
static uint64_t as_register(uint32_t insn, uint64_t v)
{
	unsigned opc = insn >> 22 & 3, bits = 8u << (insn >> 30);
	if (opc < 2)
		return v;
	v = (uint64_t)a64_sext(v, bits);
	return opc == 3 ? (uint32_t)v : v;
}
static __attribute__((noinline)) A64_HANDLER(load_slow)
{
	uint64_t v = a64_load_value(c, op, place(c, op), 1u << (op->insn >> 30));
	back(c, op);
	X(op->rd) = as_register(op->insn, v);
	return A64_NEXT(op);
}
static __attribute__((noinline)) A64_HANDLER(store_slow)
{
	a64_store_value(c, op, place(c, op), 1u << (op->insn >> 30), X(op->rd));
	back(c, op);
	return A64_NEXT(op);
}

/* Written back first and the loaded register last: where both are one, the value loaded stays. */
#define LOAD_FORM(name, form, bits, value, position, write_back)                                                       \
	static A64_HANDLER(name##form)                                                                                 \
	{                                                                                                              \
		uint64_t at = position;                                                                                \
		const uint8_t *p = a64_tlb_hit(c->tlb->r, at, bits / 8);                                               \
		if (unlikely(!p))                                                                                      \
			return load_slow(c, op);                                                                       \
		uint##bits##_t v = (uint##bits##_t)host_get(p, bits / 8);                                              \
		write_back;                                                                                            \
		X(op->rd) = value;                                                                                     \
		return A64_NEXT(op);                                                                                   \
	}
#define LOAD_FORMS(name, bits, value)                                                                                  \
	LOAD_FORM(name, _off, bits, value, base(c, op) + op->imm, (void)0)                                             \
	LOAD_FORM(name, _reg, bits, value, base(c, op) + indexed(c, op), (void)0)                                      \
	LOAD_FORM(name, _lsl, bits, value, base(c, op) + (X(op->rm) << op->imm), (void)0)                              \
	LOAD_FORM(name, _pre, bits, value, base(c, op) + op->imm, X(op->rn) = at)                                      \
	LOAD_FORM(name, _post, bits, value, base(c, op), X(op->rn) = at + op->imm)                                     \
	static A64_HANDLER(name##_user)                                                                                \
	{                                                                                                              \
		uint##bits##_t v = (uint##bits##_t)load_user(c, op, base(c, op) + op->imm, bits / 8);                  \
		X(op->rd) = value;                                                                                     \
		return A64_NEXT(op);                                                                                   \
	}
LOADS(LOAD_FORMS)

#define STORE_FORM(name, form, bits, position, write_back)                                                             \
	static A64_HANDLER(name##form)                                                                                 \
	{                                                                                                              \
		uint64_t at = position;                                                                                \
		uint8_t *p = a64_tlb_hit(c->tlb->w, at, bits / 8);                                                     \
		if (unlikely(!p))                                                                                      \
			return store_slow(c, op);                                                                      \
		host_put(p, bits / 8, X(op->rd));                                                                      \
		write_back;                                                                                            \
		return A64_NEXT(op);                                                                                   \
	}
#define STORE_FORMS(name, bits)                                                                                        \
	STORE_FORM(name, _off, bits, base(c, op) + op->imm, (void)0)                                                   \
	STORE_FORM(name, _reg, bits, base(c, op) + indexed(c, op), (void)0)                                            \
	STORE_FORM(name, _lsl, bits, base(c, op) + (X(op->rm) << op->imm), (void)0)                                    \
	STORE_FORM(name, _pre, bits, base(c, op) + op->imm, X(op->rn) = at)                                            \
	STORE_FORM(name, _post, bits, base(c, op), X(op->rn) = at + op->imm)                                           \
	static A64_HANDLER(name##_user)                                                                                \
	{                                                                                                              \
		store_user(c, op, base(c, op) + op->imm, bits / 8, X(op->rd));                                         \
		return A64_NEXT(op);                                                                                   \
	}
STORES(STORE_FORMS)

static A64_HANDLER(prfm)
{
	return A64_NEXT(op);
}

enum form { OFF, REG, LSL, PRE, POST, USER, FORMS };
#define L_FNS(name, ...) {name##_off, name##_reg, name##_lsl, name##_pre, name##_post, name##_user},
/* By size << 2 | opc; the rows that are missing are PRFM, or undefined */
enum { STR8, STR16, STR32, STR64, LDR8, LDR16, LDR32, LDR64, LDRS8, LDRS16, LDRS32, LDRS8W, LDRS16W, KINDS };
static const a64_fn fns[KINDS][FORMS] = {STORES(L_FNS) LOADS(L_FNS)};
static const int8_t kinds[16] = {STR8,  LDR8,  LDRS8,  LDRS8W, STR16, LDR16, LDRS16, LDRS16W,
				 STR32, LDR32, LDRS32, -1,     STR64, LDR64, -1,     -1};

static unsigned kind_of(uint32_t insn)
{
	return insn >> 30 << 2 | (insn >> 22 & 3);
}
static bool kind_ok(uint32_t insn)
{
	return kinds[kind_of(insn)] >= 0;
}
static bool kind_or_prfm(uint32_t insn)
{
	return kind_ok(insn) || kind_of(insn) == 14;
}
static void choose(struct a64_op *op, enum form form)
{
	int kind = kinds[kind_of(op->insn)];
	op->fn = kind < 0 ? prfm : fns[kind][form];
	if (kind >= LDR8 && op->rd == 31)
		op->rd = A64_R_SINK;
}
static void prep_unsigned(struct a64_op *op)
{
	op->imm = (uint64_t)A64_BITS(op->insn, 21, 10) << (op->insn >> 30);
	choose(op, OFF);
}
static void prep_imm9(struct a64_op *op)
{
	static const uint8_t forms[4] = {OFF, POST, USER, PRE};
	op->imm = (uint64_t)a64_sext(A64_BITS(op->insn, 20, 12), 9);
	choose(op, forms[op->insn >> 10 & 3]);
}
static bool reg_ok(uint32_t insn)
{
	return kind_or_prfm(insn) && insn >> 14 & 1;
}
static void prep_reg(struct a64_op *op)
{
	op->imm = op->insn >> 12 & 1 ? op->insn >> 30 : 0;
	choose(op, (op->insn >> 13 & 7) == 3 ? LSL : REG);
}

/* ------ literal ------ */

static A64_HANDLER(ldr_lit32)
{
	X(op->rd) = a64_ld32(c, op, c->code_page + op->imm);
	return A64_NEXT(op);
}
static A64_HANDLER(ldr_lit64)
{
	X(op->rd) = a64_ld64(c, op, c->code_page + op->imm);
	return A64_NEXT(op);
}
static A64_HANDLER(ldrsw_lit)
{
	X(op->rd) = (uint64_t)(int32_t)a64_ld32(c, op, c->code_page + op->imm);
	return A64_NEXT(op);
}
static void prep_lit(struct a64_op *op)
{
	static const a64_fn fn[4] = {ldr_lit32, ldr_lit64, ldrsw_lit, prfm};
	op->imm += (uint64_t)a64_sext(A64_BITS(op->insn, 23, 5), 19) * 4;
	op->fn = fn[op->insn >> 30];
	if (op->rd == 31)
		op->rd = A64_R_SINK;
}

/* ------ pairs ------ */

/* Index: 0 non-temporal and 2 offset, 1 post, 3 pre. The slow forms are handlers of their own, which find out again. */
#define PAIR_AT_OFF(at) (at) + op->imm
#define PAIR_AT_PRE(at) (at) + op->imm
#define PAIR_AT_POST(at) (at)
static inline uint64_t pair_at(struct a64_cpu *c, op_t op)
{
	return base(c, op) + ((op->insn >> 23 & 3) == 1 ? 0 : op->imm);
}
static inline void pair_back(struct a64_cpu *c, op_t op)
{
	if (op->insn >> 23 & 1)
		X(op->rn) += op->imm;
}

#define LDP_FORM(name, form, bits, type, position, back)                                                               \
	static A64_HANDLER(name##form)                                                                                 \
	{                                                                                                              \
		uint64_t at = position(base(c, op));                                                                   \
		const uint8_t *p = a64_tlb_hit(c->tlb->r, at, bits / 4);                                               \
		if (unlikely(!p))                                                                                      \
			return name##_slow(c, op);                                                                     \
		uint64_t a = (uint64_t)(type)host_get(p, bits / 8),                                                    \
			 b = (uint64_t)(type)host_get(p + bits / 8, bits / 8);                                         \
		back;                                                                                                  \
		X(op->rd) = a;                                                                                         \
		X(op->ra) = b;                                                                                         \
		return A64_NEXT(op);                                                                                   \
	}
#define STP_FORM(name, form, bits, position, back)                                                                     \
	static A64_HANDLER(name##form)                                                                                 \
	{                                                                                                              \
		uint64_t at = position(base(c, op));                                                                   \
		uint8_t *p = a64_tlb_hit(c->tlb->w, at, bits / 4);                                                     \
		if (unlikely(!p))                                                                                      \
			return name##_slow(c, op);                                                                     \
		host_put(p, bits / 8, X(op->rd));                                                                      \
		host_put(p + bits / 8, bits / 8, X(op->ra));                                                           \
		back;                                                                                                  \
		return A64_NEXT(op);                                                                                   \
	}
#define LDP(name, bits, type)                                                                                          \
	static __attribute__((noinline)) A64_HANDLER(name##_slow)                                                      \
	{                                                                                                              \
		uint##bits##_t v[2];                                                                                   \
		a64_load_slow(c, op, pair_at(c, op), bits / 4, 0, v);                                                  \
		pair_back(c, op);                                                                                      \
		X(op->rd) = (uint64_t)(type)v[0];                                                                      \
		X(op->ra) = (uint64_t)(type)v[1];                                                                      \
		return A64_NEXT(op);                                                                                   \
	}                                                                                                              \
	LDP_FORM(name, _off, bits, type, PAIR_AT_OFF, (void)0)                                                         \
	LDP_FORM(name, _pre, bits, type, PAIR_AT_PRE, X(op->rn) = at)                                                  \
	LDP_FORM(name, _post, bits, type, PAIR_AT_POST, X(op->rn) = at + op->imm)
#define STP(name, bits)                                                                                                \
	static __attribute__((noinline)) A64_HANDLER(name##_slow)                                                      \
	{                                                                                                              \
		uint##bits##_t v[2] = {(uint##bits##_t)X(op->rd), (uint##bits##_t)X(op->ra)};                          \
		a64_store_slow(c, op, pair_at(c, op), bits / 4, A64_ACC_WRITE, v);                                     \
		pair_back(c, op);                                                                                      \
		return A64_NEXT(op);                                                                                   \
	}                                                                                                              \
	STP_FORM(name, _off, bits, PAIR_AT_OFF, (void)0)                                                               \
	STP_FORM(name, _pre, bits, PAIR_AT_PRE, X(op->rn) = at)                                                        \
	STP_FORM(name, _post, bits, PAIR_AT_POST, X(op->rn) = at + op->imm)
LDP(ldp64, 64, uint64_t)
LDP(ldp32, 32, uint32_t)
LDP(ldpsw, 32, int32_t)
STP(stp64, 64)
STP(stp32, 32)

static void prep_pair(struct a64_op *op)
{
#define FORMS_OF(name)                                                                                                 \
	{                                                                                                              \
		name##_off, name##_post, name##_off, name##_pre                                                        \
	}
	static const a64_fn fn[3][2][4] = {
		{FORMS_OF(stp32), FORMS_OF(ldp32)}, {{NULL}, FORMS_OF(ldpsw)}, {FORMS_OF(stp64), FORMS_OF(ldp64)}};
#undef FORMS_OF
	unsigned opc = op->insn >> 30, load = op->insn >> 22 & 1;
	op->imm = (uint64_t)a64_sext(A64_BITS(op->insn, 21, 15), 7) << (opc == 2 ? 3 : 2);
	op->fn = fn[opc][load][op->insn >> 23 & 3];
	if (load && op->rd == 31)
		op->rd = A64_R_SINK;
	if (load && op->ra == 31)
		op->ra = A64_R_SINK;
}
static bool pair_ok(uint32_t insn)
{
	unsigned opc = insn >> 30, index = insn >> 23 & 3, load = insn >> 22 & 1;
	return opc == 1 ? load && index != 0 : opc != 3;
}

static const struct a64_row rows[] = {
	{0x3f000000, 0x39000000, "ldst_unsigned", NULL, A64_OPS_RN_SP, A64_ALWAYS, false, kind_or_prfm, prep_unsigned},
	{0x3f200c00, 0x38000000, "ldst_unscaled", NULL, A64_OPS_RN_SP, A64_ALWAYS, false, kind_or_prfm, prep_imm9},
	{0x3f200c00, 0x38000400, "ldst_post", NULL, A64_OPS_RN_SP, A64_ALWAYS, false, kind_ok, prep_imm9},
	{0x3f200c00, 0x38000800, "ldst_user", NULL, A64_OPS_RN_SP, A64_ALWAYS, false, kind_ok, prep_imm9},
	{0x3f200c00, 0x38000c00, "ldst_pre", NULL, A64_OPS_RN_SP, A64_ALWAYS, false, kind_ok, prep_imm9},
	{0x3f200c00, 0x38200800, "ldst_reg", NULL, A64_OPS_RN_SP, A64_ALWAYS, false, reg_ok, prep_reg},
	{0x3f000000, 0x18000000, "ldr_lit", NULL, A64_OPS_RN_SP, A64_ALWAYS, false, NULL, prep_lit},
	{0x3e000000, 0x28000000, "ldp_stp", NULL, A64_OPS_RN_SP, A64_ALWAYS, false, pair_ok, prep_pair},
};
A64_TABLE(a64_rows_mem);
