/* sse_move.c - moves of vectors and their parts. */
#include "sse.h"

#define HANDLER(name, ...) static GENERAL(name, __VA_ARGS__)
#define GENERAL(name, ...)                                                                                             \
	const struct x86_op *name(struct x86_cpu *c, const struct x86_op *op)                                          \
	{                                                                                                              \
		x86_sse_check(c, op);                                                                                  \
		__VA_ARGS__;                                                                                           \
		return NEXT(op);                                                                                       \
	}
#define DST (sse_lane(c, op->dst))
#define SRC (sse_lane(c, op->src))

/* Whole registers. */
HANDLER(mov_xx, *DST = *SRC)
GENERAL(sse_load_aligned, sse_load16(c, op, DST))
GENERAL(sse_load_any, sse_load(c, op, DST, 16))
GENERAL(sse_store_aligned, x86_st(c, op, sse_ea_aligned(c, op), SRC, 16))
GENERAL(sse_store_any, x86_st(c, op, x86_ea(c, op), SRC, 16))

/* Low parts: a load clears the rest, a register move keeps it (MOVSS, MOVSD) or clears it (MOVQ). */
GENERAL(sse_load_low4, sse_load(c, op, DST, 4))
GENERAL(sse_load_low8, sse_load(c, op, DST, 8))
GENERAL(sse_store_low4, x86_st32(c, op, x86_ea(c, op), SRC->d[0]))
GENERAL(sse_store_low8, x86_st64(c, op, x86_ea(c, op), SRC->q[0]))
HANDLER(merge4, DST->d[0] = SRC->d[0])
HANDLER(merge8, DST->q[0] = SRC->q[0])
HANDLER(movq_xx, DST->q[0] = SRC->q[0]; DST->q[1] = 0)
/* Halves. */
HANDLER(load_half_low, DST->q[0] = x86_ld64(c, op, x86_ea(c, op)))
HANDLER(load_half_high, DST->q[1] = x86_ld64(c, op, x86_ea(c, op)))
HANDLER(store_half_high, x86_st64(c, op, x86_ea(c, op), SRC->q[1]))
HANDLER(movhlps, DST->q[0] = SRC->q[1])
HANDLER(movlhps, DST->q[1] = SRC->q[0])
/* General registers. */
HANDLER(movd_xr, uint64_t v = (uint32_t)c->r[op->src]; DST->q[0] = v; DST->q[1] = 0)
HANDLER(movq_xr, uint64_t v = c->r[op->src]; DST->q[0] = v; DST->q[1] = 0)
HANDLER(movd_rx, c->r[op->dst] = SRC->d[0])
HANDLER(movq_rx, c->r[op->dst] = SRC->q[0])

/* op->size is the width of the address. */
void sse_masked_store(struct x86_cpu *c, const struct x86_op *op, const uint8_t *data, const uint8_t *mask, unsigned n)
{
	uint64_t offset = op->size == 8 ? c->r[7] : op->size == 4 ? (uint32_t)c->r[7] : (uint16_t)c->r[7];
	uint64_t gva = x86_linear(c, op, op->seg, offset, n, true);
	enum x86_where where[16];
	for (unsigned i = 0; i < n; i++)
		where[i] = mask[i] & 0x80 ? x86_probe_write(c, op, gva + i, 1) : X86_PLACES;
	for (enum x86_where w = 0; w < X86_PLACES; w++)
		for (unsigned i = 0; i < n; i++)
			if (where[i] == w)
				x86_st8(c, op, gva + i, data[i]);
}
HANDLER(maskmovdqu, x86_lane data = *DST; x86_lane mask = *SRC; sse_masked_store(c, op, data.b, mask.b, 16))

/* MMX. */
#undef HANDLER
#define HANDLER(name, ...)                                                                                             \
	static const struct x86_op *name(struct x86_cpu *c, const struct x86_op *op)                                   \
	{                                                                                                              \
		x86_mmx_check(c, op);                                                                                  \
		__VA_ARGS__;                                                                                           \
		x86_mmx_enter(c);                                                                                      \
		return NEXT(op);                                                                                       \
	}
HANDLER(mmx_mm, x86_mmx_set(c, op->dst, c->st[op->src].sig))
HANDLER(mmx_load4, x86_mmx_set(c, op->dst, x86_ld32(c, op, x86_ea(c, op))))
HANDLER(mmx_load8, x86_mmx_set(c, op->dst, x86_ld64(c, op, x86_ea(c, op))))
HANDLER(mmx_store4, x86_st32(c, op, x86_ea(c, op), (uint32_t)c->st[op->src].sig))
HANDLER(mmx_store8, x86_st64(c, op, x86_ea(c, op), c->st[op->src].sig))
HANDLER(mmx_from_r32, x86_mmx_set(c, op->dst, (uint32_t)c->r[op->src]))
HANDLER(mmx_from_r64, x86_mmx_set(c, op->dst, c->r[op->src]))
HANDLER(mmx_to_r32, c->r[op->dst] = (uint32_t)c->st[op->src].sig)
HANDLER(mmx_to_r64, c->r[op->dst] = c->st[op->src].sig)
HANDLER(maskmovq, uint64_t data = c->st[op->dst].sig; uint64_t mask = c->st[op->src].sig;
	sse_masked_store(c, op, (uint8_t *)&data, (uint8_t *)&mask, 8))
#undef HANDLER

/* MOVQ2DQ and MOVDQ2Q need both units. */
static const struct x86_op *movq2dq(struct x86_cpu *c, const struct x86_op *op)
{
	x86_sse_check(c, op);
	x86_mmx_check(c, op);
	x86_mmx_enter(c);
	DST->q[0] = c->st[op->src].sig;
	DST->q[1] = 0;
	return NEXT(op);
}

static const struct x86_op *movdq2q(struct x86_cpu *c, const struct x86_op *op)
{
	x86_sse_check(c, op);
	x86_mmx_check(c, op);
	x86_mmx_enter(c);
	x86_mmx_set(c, op->dst, SRC->q[0]);
	return NEXT(op);
}

static const struct x86_op *emms(struct x86_cpu *c, const struct x86_op *op)
{
	x86_mmx_check(c, op);
	x86_mmx_enter(c);
	c->ftag = 0;
	return NEXT(op);
}

/* MOVNTI is an integer store that came with SSE2: no FPU checks. */
static const struct x86_op *movnti(struct x86_cpu *c, const struct x86_op *op)
{
	if (op->size == 8)
		x86_st64(c, op, x86_ea(c, op), c->r[op->src]);
	else
		x86_st32(c, op, x86_ea(c, op), (uint32_t)c->r[op->src]);
	return NEXT(op);
}

/* mnemonic -> handler by operand kinds: register, load, store; NULL: no such form. */
struct move {
	uint16_t mnemonic;
	x86_fn xx, load, store;
};
static const struct move moves[] = {
	{ZYDIS_MNEMONIC_MOVAPS, mov_xx, sse_load_aligned, sse_store_aligned},
	{ZYDIS_MNEMONIC_MOVAPD, mov_xx, sse_load_aligned, sse_store_aligned},
	{ZYDIS_MNEMONIC_MOVDQA, mov_xx, sse_load_aligned, sse_store_aligned},
	{ZYDIS_MNEMONIC_MOVUPS, mov_xx, sse_load_any, sse_store_any},
	{ZYDIS_MNEMONIC_MOVUPD, mov_xx, sse_load_any, sse_store_any},
	{ZYDIS_MNEMONIC_MOVDQU, mov_xx, sse_load_any, sse_store_any},
	{ZYDIS_MNEMONIC_LDDQU, NULL, sse_load_any, NULL},
	{ZYDIS_MNEMONIC_MOVNTDQA, NULL, sse_load_aligned, NULL},
	{ZYDIS_MNEMONIC_MOVNTPS, NULL, NULL, sse_store_aligned},
	{ZYDIS_MNEMONIC_MOVNTPD, NULL, NULL, sse_store_aligned},
	{ZYDIS_MNEMONIC_MOVNTDQ, NULL, NULL, sse_store_aligned},
	{ZYDIS_MNEMONIC_MOVSS, merge4, sse_load_low4, sse_store_low4},
	{ZYDIS_MNEMONIC_MOVSD, merge8, sse_load_low8, sse_store_low8},
	{ZYDIS_MNEMONIC_MOVQ, movq_xx, sse_load_low8, sse_store_low8},
	{ZYDIS_MNEMONIC_MOVD, NULL, sse_load_low4, sse_store_low4},
	{ZYDIS_MNEMONIC_MOVLPS, NULL, load_half_low, sse_store_low8},
	{ZYDIS_MNEMONIC_MOVLPD, NULL, load_half_low, sse_store_low8},
	{ZYDIS_MNEMONIC_MOVHPS, NULL, load_half_high, store_half_high},
	{ZYDIS_MNEMONIC_MOVHPD, NULL, load_half_high, store_half_high},
	{ZYDIS_MNEMONIC_MOVHLPS, movhlps, NULL, NULL},
	{ZYDIS_MNEMONIC_MOVLHPS, movlhps, NULL, NULL},
	{ZYDIS_MNEMONIC_MASKMOVDQU, maskmovdqu, NULL, NULL},
};

static x86_fn move_xmm(const struct x86_insn *d)
{
	for (unsigned n = 0; n < sizeof moves / sizeof moves[0]; n++)
		if (moves[n].mnemonic == d->i.mnemonic)
			return sse_is_mem(d, 1) ? moves[n].load : sse_is_mem(d, 0) ? moves[n].store : moves[n].xx;
	return NULL;
}

/* MOVD and MOVQ with an MMX register. */
static x86_fn move_mmx(const struct x86_insn *d)
{
	bool q = d->i.mnemonic != ZYDIS_MNEMONIC_MOVD;
	if (sse_is_mem(d, 1))
		return q ? mmx_load8 : mmx_load4;
	if (sse_is_mem(d, 0))
		return q ? mmx_store8 : mmx_store4;
	if (sse_is_gpr(d, 1))
		return q ? mmx_from_r64 : mmx_from_r32;
	if (sse_is_gpr(d, 0))
		return q ? mmx_to_r64 : mmx_to_r32;
	return mmx_mm;
}

void sse_implicit_di(const struct x86_insn *d, struct x86_op *op)
{
	static const uint8_t segments[] = {X86_ES, X86_CS, X86_SS, X86_DS, X86_FS, X86_GS};
	op->size = d->i.address_width / 8;
	op->seg = X86_DS;
	for (unsigned n = 0; n < d->i.operand_count; n++)
		if (d->o[n].type == ZYDIS_OPERAND_TYPE_MEMORY && d->o[n].mem.segment >= ZYDIS_REGISTER_ES)
			op->seg = segments[(d->o[n].mem.segment - ZYDIS_REGISTER_ES) % 6];
}

static x86_fn move_any(const struct x86_insn *d, struct x86_op *op)
{
	bool mm = sse_is_mm(d, 0) || sse_is_mm(d, 1);
	switch (d->i.mnemonic) {
	case ZYDIS_MNEMONIC_MOVQ2DQ: return movq2dq;
	case ZYDIS_MNEMONIC_MOVDQ2Q: return movdq2q;
	case ZYDIS_MNEMONIC_EMMS: return emms;
	case ZYDIS_MNEMONIC_MOVNTI: op->size = (uint8_t)(d->o[1].size / 8); return movnti;
	case ZYDIS_MNEMONIC_MOVNTQ: return mmx_store8;
	case ZYDIS_MNEMONIC_MASKMOVQ: sse_implicit_di(d, op); return maskmovq;
	case ZYDIS_MNEMONIC_MASKMOVDQU: sse_implicit_di(d, op); return maskmovdqu;
	case ZYDIS_MNEMONIC_MOVD:
	case ZYDIS_MNEMONIC_MOVQ:
		if (mm)
			return move_mmx(d);
		if (sse_is_gpr(d, 0))
			return d->o[0].size == 64 ? movq_rx : movd_rx;
		if (sse_is_gpr(d, 1))
			return d->o[1].size == 64 ? movq_xr : movd_xr;
		break;
	default: break;
	}
	return sse_is_xmm(d, 0) || sse_is_xmm(d, 1) ? move_xmm(d) : NULL;
}

x86_fn sse_translate_move(const struct x86_insn *d, struct x86_op *op)
{
	sse_operands(d, op);
	return move_any(d, op);
}
