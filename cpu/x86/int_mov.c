/* int_mov.c - MOV MOVZX MOVSX MOVSXD LEA CMOVcc SETcc XLAT CBW.. CWD.. BSWAP MOVNTI. */
#include "int.h"

X86_INLINE op_t mov_rr(struct x86_cpu *c, op_t op, unsigned size)
{
	reg_put(c, op->dst, size, reg_get(c, op->src, size));
	return NEXT(op);
}
X86_INLINE op_t mov_ri(struct x86_cpu *c, op_t op, unsigned size)
{
	reg_put(c, op->dst, size, op->imm);
	return NEXT(op);
}
X86_INLINE op_t mov_rm(struct x86_cpu *c, op_t op, unsigned size)
{
	reg_put(c, op->dst, size, mem_get(c, op, x86_ea(c, op), size));
	return NEXT(op);
}
X86_INLINE op_t mov_mr(struct x86_cpu *c, op_t op, unsigned size)
{
	mem_put(c, op, x86_ea(c, op), size, reg_get(c, op->src, size));
	return NEXT(op);
}
X86_INLINE op_t mov_mi(struct x86_cpu *c, op_t op, unsigned size)
{
	mem_put(c, op, x86_ea(c, op), size, op->imm);
	return NEXT(op);
}
/* A 64-bit absolute address in imm. */
X86_INLINE op_t mov_ro(struct x86_cpu *c, op_t op, unsigned size)
{
	reg_put(c, 0, size, mem_get(c, op, op->imm + c->segbase[op->seg], size));
	return NEXT(op);
}
X86_INLINE op_t mov_or(struct x86_cpu *c, op_t op, unsigned size)
{
	mem_put(c, op, op->imm + c->segbase[op->seg], size, reg_get(c, 0, size));
	return NEXT(op);
}
#define MOV_ONE(f, s)                                                                                                  \
	static op_t mov_##f##_##s(struct x86_cpu *c, op_t op)                                                          \
	{                                                                                                              \
		return mov_##f(c, op, s);                                                                              \
	}
#define MOV_TWIN(f, s, set, access)                                                                                    \
	static __attribute__((noinline)) op_t mov_slow_##f##_##s(struct x86_cpu *c, op_t op)                           \
	{                                                                                                              \
		return mov_##f(c, op, s);                                                                              \
	}                                                                                                              \
	static op_t mov_##f##_##s(struct x86_cpu *c, op_t op)                                                          \
	{                                                                                                              \
		uint8_t *p = fast_operand(c, op, c->tlb->set, s);                                                      \
		if (unlikely(!p))                                                                                      \
			return mov_slow_##f##_##s(c, op);                                                              \
		access;                                                                                                \
		return NEXT(op);                                                                                       \
	}
#define MOV_TABLE(f) static const x86_fn mov_##f##_fn[4] = {mov_##f##_1, mov_##f##_2, mov_##f##_4, mov_##f##_8};
#define MOV_SIZES(f) MOV_ONE(f, 1) MOV_ONE(f, 2) MOV_ONE(f, 4) MOV_ONE(f, 8) MOV_TABLE(f)
#define MOV_TWINS(f, M) M(1) M(2) M(4) M(8) MOV_TABLE(f)
#define MOV_RM(s) MOV_TWIN(rm, s, r, reg_put(c, op->dst, s, host_get(p, s)))
#define MOV_MR(s) MOV_TWIN(mr, s, w, host_put(p, s, reg_get(c, op->src, s)))
#define MOV_MI(s) MOV_TWIN(mi, s, w, host_put(p, s, op->imm))
MOV_SIZES(rr)
MOV_SIZES(ri)
MOV_TWINS(rm, MOV_RM)
MOV_TWINS(mr, MOV_MR)
MOV_TWINS(mi, MOV_MI)
MOV_SIZES(ro)
MOV_SIZES(or)

static bool far_address(const struct x86_insn *d, int n)
{
	return x86_is_mem(d, n) && d->o[n].mem.base == ZYDIS_REGISTER_NONE &&
	       d->o[n].mem.disp.value != (int32_t)d->o[n].mem.disp.value && d->i.address_width == 64;
}

static bool is_gpr(const struct x86_insn *d, int n)
{
	ZydisRegisterClass k = ZydisRegisterGetClass(d->o[n].reg.value);
	return k >= ZYDIS_REGCLASS_GPR8 && k <= ZYDIS_REGCLASS_GPR64;
}

static x86_fn mov(const struct x86_insn *d, struct x86_op *op)
{
	bool imm = d->o[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
	for (int n = 0; n < 2; n++)
		if (d->o[n].type == ZYDIS_OPERAND_TYPE_REGISTER && !is_gpr(d, n))
			return NULL; /* segment, control and debug registers */
	unsigned sl = x86_operands(d, op);
	if (far_address(d, 0) || far_address(d, 1)) {
		bool store = x86_is_mem(d, 0);
		op->imm = (uint64_t)d->o[!store].mem.disp.value;
		return (store ? mov_or_fn : mov_ro_fn)[sl];
	}
	if (x86_is_mem(d, 0))
		return (imm ? mov_mi_fn : mov_mr_fn)[sl];
	return (imm ? mov_ri_fn : x86_is_mem(d, 1) ? mov_rm_fn : mov_rr_fn)[sl];
}

/* ------ with extension: destination size, source size ------ */

X86_INLINE op_t extend(struct x86_cpu *c, op_t op, unsigned to, unsigned from, bool sign, bool mem)
{
	uint64_t v = mem ? mem_get(c, op, x86_ea(c, op), from) : reg_get(c, op->src, from);
	reg_put(c, op->dst, to, sign ? sign_size(v, from) : v);
	return NEXT(op);
}
#define EXTEND_ONE(to, from, sign, mem)                                                                                \
	static __attribute__((noinline)) op_t slow_##to##_##from##_##sign##_##mem(struct x86_cpu *c, op_t op)          \
	{                                                                                                              \
		return extend(c, op, to, from, sign, mem);                                                             \
	}                                                                                                              \
	static op_t extend_##to##_##from##_##sign##_##mem(struct x86_cpu *c, op_t op)                                  \
	{                                                                                                              \
		if (!mem)                                                                                              \
			return extend(c, op, to, from, sign, false);                                                   \
		const uint8_t *p = fast_operand(c, op, c->tlb->r, from);                                               \
		if (unlikely(!p))                                                                                      \
			return slow_##to##_##from##_##sign##_##mem(c, op);                                             \
		uint64_t v = host_get(p, from);                                                                        \
		reg_put(c, op->dst, to, sign ? sign_size(v, from) : v);                                                \
		return NEXT(op);                                                                                       \
	}
#define EXTEND_ALL(M)                                                                                                  \
	M(2, 1, 0, 0)                                                                                                  \
	M(2, 1, 0, 1)                                                                                                  \
	M(2, 1, 1, 0) M(2, 1, 1, 1) M(4, 1, 0, 0) M(4, 1, 0, 1) M(4, 1, 1, 0) M(4, 1, 1, 1) M(8, 1, 0, 0)              \
	    M(8, 1, 0, 1) M(8, 1, 1, 0) M(8, 1, 1, 1) M(2, 2, 0, 0) M(2, 2, 0, 1) M(2, 2, 1, 0) M(2, 2, 1, 1)          \
		M(4, 2, 0, 0) M(4, 2, 0, 1) M(4, 2, 1, 0) M(4, 2, 1, 1) M(8, 2, 0, 0) M(8, 2, 0, 1) M(8, 2, 1, 0)      \
		    M(8, 2, 1, 1) M(2, 4, 1, 0) M(2, 4, 1, 1) M(4, 4, 1, 0) M(4, 4, 1, 1) M(8, 4, 1, 0) M(8, 4, 1, 1)
EXTEND_ALL(EXTEND_ONE)
#define LOG2(n) ((n) == 1 ? 0 : (n) == 2 ? 1 : (n) == 4 ? 2 : 3)
#define EXTEND_ENTRY(to, from, sign, mem) [LOG2(to)][LOG2(from)][sign][mem] = extend_##to##_##from##_##sign##_##mem,
static const x86_fn extend_fn[4][3][2][2] = {EXTEND_ALL(EXTEND_ENTRY)};

static x86_fn extension(const struct x86_insn *d, struct x86_op *op, bool sign)
{
	unsigned to = x86_operands(d, op), from = (unsigned)__builtin_ctz(d->o[1].size / 8u);
	return from < 3 ? extend_fn[to][from][sign][x86_is_mem(d, 1)] : NULL;
}

/* ------ addresses ------ */

static op_t lea_8(struct x86_cpu *c, op_t op)
{
	c->r[op->dst] = c->r[op->base] + (c->r[op->index] << op->scale) + (uint64_t)(int64_t)op->disp;
	return NEXT(op);
}
static op_t lea_4(struct x86_cpu *c, op_t op)
{
	c->r[op->dst] = (uint32_t)(c->r[op->base] + (c->r[op->index] << op->scale) + (uint64_t)(int64_t)op->disp);
	return NEXT(op);
}
/* Any address and operand size; aux: address size in bytes. */
static op_t lea_any(struct x86_cpu *c, op_t op)
{
	uint64_t a = c->r[op->base] + (c->r[op->index] << (op->scale & X86_EA_SHIFT)) + (uint64_t)(int64_t)op->disp;
	reg_put(c, op->dst, op->size, mask_size(a, op->aux));
	return NEXT(op);
}

static x86_fn lea(const struct x86_insn *d, struct x86_op *op)
{
	x86_operands(d, op);
	op->aux = d->i.address_width / 8;
	if (op->aux == 8)
		return op->size == 8 ? lea_8 : op->size == 4 ? lea_4 : lea_any;
	return lea_any;
}

/* ------ by condition ------ */

X86_INLINE op_t cmov(struct x86_cpu *c, op_t op, unsigned cc)
{
	unsigned size = op->size;
	uint64_t v;
	if (op->aux & AUX_MEM) /* read whatever the condition says */
		v = size == 8   ? x86_ld64(c, op, x86_ea(c, op))
		    : size == 4 ? x86_ld32(c, op, x86_ea(c, op))
				: x86_ld16(c, op, x86_ea(c, op));
	else
		v = c->r[op->src];
	bool t = x86_cond(c, cc);
	if (size == 8)
		c->r[op->dst] = t ? v : c->r[op->dst];
	else if (size == 4)
		c->r[op->dst] = (uint32_t)(t ? v : c->r[op->dst]);
	else if (t)
		reg_put(c, op->dst, 2, v);
	return NEXT(op);
}
X86_INLINE op_t setcc(struct x86_cpu *c, op_t op, unsigned cc)
{
	bool t = x86_cond(c, cc);
	if (op->aux & AUX_MEM)
		x86_st8(c, op, x86_ea(c, op), t);
	else
		reg_put(c, op->dst, 1, t);
	return NEXT(op);
}
#define COND_ONE(n)                                                                                                    \
	static op_t cmov_##n(struct x86_cpu *c, op_t op)                                                               \
	{                                                                                                              \
		return cmov(c, op, n);                                                                                 \
	}                                                                                                              \
	static op_t set_##n(struct x86_cpu *c, op_t op)                                                                \
	{                                                                                                              \
		return setcc(c, op, n);                                                                                \
	}
#define COND_ALL(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9) M(10) M(11) M(12) M(13) M(14) M(15)
COND_ALL(COND_ONE)
#define CMOV_ENTRY(n) cmov_##n,
#define SET_ENTRY(n) set_##n,
static const x86_fn cmov_fn[16] = {COND_ALL(CMOV_ENTRY)}, set_fn[16] = {COND_ALL(SET_ENTRY)};

static x86_fn conditional(const struct x86_insn *d, struct x86_op *op)
{
	if (d->i.opcode_map != ZYDIS_OPCODE_MAP_0F || d->i.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
		return NULL;
	unsigned kind = d->i.opcode & 0xf0;
	if (kind != 0x40 && kind != 0x90)
		return NULL;
	x86_operands(d, op);
	op->aux = x86_is_mem(d, kind == 0x40) ? AUX_MEM : 0;
	return (kind == 0x40 ? cmov_fn : set_fn)[d->i.opcode & 15];
}

/* ------ accumulator and others ------ */

/* CBW CWDE CDQE; aux: size before */
static op_t widen(struct x86_cpu *c, op_t op)
{
	reg_put(c, 0, op->aux * 2u, sign_size(c->r[0], op->aux));
	return NEXT(op);
}
/* CWD CDQ CQO; aux: size */
static op_t spread(struct x86_cpu *c, op_t op)
{
	reg_put(c, 2, op->aux, (int64_t)sign_size(c->r[0], op->aux) < 0 ? UINT64_MAX : 0);
	return NEXT(op);
}
static op_t bswap(struct x86_cpu *c, op_t op)
{
	uint64_t v = c->r[op->dst];
	if (op->size == 2)
		reg_put(c, op->dst, 2, 0); /* undefined; silicon answers 0 */
	else
		c->r[op->dst] = op->size == 8 ? __builtin_bswap64(v) : __builtin_bswap32((uint32_t)v);
	return NEXT(op);
}
/* aux: address size */
static op_t xlat(struct x86_cpu *c, op_t op)
{
	uint64_t a = mask_size(c->r[3] + (uint8_t)c->r[0], op->aux);
	uint64_t lin = c->mode == X86_MODE_LONG ? a + c->segbase[op->seg] : x86_linear(c, op, op->seg, a, 1, false);
	reg_put(c, 0, 1, x86_ld8(c, op, lin));
	return NEXT(op);
}

static x86_fn sized(struct x86_op *op, x86_fn fn, uint8_t aux)
{
	op->aux = aux;
	return fn;
}

x86_fn x86_int_mov(const struct x86_insn *d, struct x86_op *op, bool *ends)
{
	(void)ends;
	switch (d->i.mnemonic) {
	case ZYDIS_MNEMONIC_MOV:
	case ZYDIS_MNEMONIC_MOVNTI: return mov(d, op);
	case ZYDIS_MNEMONIC_MOVZX: return extension(d, op, false);
	case ZYDIS_MNEMONIC_MOVSX:
	case ZYDIS_MNEMONIC_MOVSXD: return extension(d, op, true);
	case ZYDIS_MNEMONIC_LEA: return lea(d, op);
	case ZYDIS_MNEMONIC_CBW: return sized(op, widen, 1);
	case ZYDIS_MNEMONIC_CWDE: return sized(op, widen, 2);
	case ZYDIS_MNEMONIC_CDQE: return sized(op, widen, 4);
	case ZYDIS_MNEMONIC_CWD: return sized(op, spread, 2);
	case ZYDIS_MNEMONIC_CDQ: return sized(op, spread, 4);
	case ZYDIS_MNEMONIC_CQO: return sized(op, spread, 8);
	case ZYDIS_MNEMONIC_BSWAP: x86_operands(d, op); return bswap;
	case ZYDIS_MNEMONIC_XLAT: return sized(op, xlat, d->i.address_width / 8);
	default: return conditional(d, op);
	}
}
