/* sse_misc.c - vector instructions with a general register, the flags or an implicit operand: MOVMSK, PEXTR, PINSR,
 * PTEST, BLENDV; and the fences and hints that came with SSE. */
#include "sse.h"

#define HANDLER(name, ...)                                                                                             \
	static const struct x86_op *name(struct x86_cpu *c, const struct x86_op *op)                                   \
	{                                                                                                              \
		x86_sse_check(c, op);                                                                                  \
		__VA_ARGS__;                                                                                           \
		return NEXT(op);                                                                                       \
	}
#define DST (sse_lane(c, op->dst))
#define SRC (sse_lane(c, op->src))

static unsigned byte_signs(const uint8_t *b, unsigned n)
{
	unsigned m = 0;
	for (unsigned i = 0; i < n; i++)
		m |= (unsigned)(b[i] >> 7) << i;
	return m;
}
HANDLER(pmovmskb, c->r[op->dst] = sse_signs8(SRC->q[0]) | sse_signs8(SRC->q[1]) << 8)
HANDLER(movmskps, const x86_lane *s = SRC;
	c->r[op->dst] = s->d[0] >> 31 | s->d[1] >> 31 << 1 | s->d[2] >> 31 << 2 | s->d[3] >> 31 << 3)
HANDLER(movmskpd, const x86_lane *s = SRC; c->r[op->dst] = s->q[0] >> 63 | s->q[1] >> 63 << 1)

static const struct x86_op *pmovmskb_mm(struct x86_cpu *c, const struct x86_op *op)
{
	x86_mmx_check(c, op);
	x86_mmx_enter(c);
	c->r[op->dst] = byte_signs((const uint8_t *)&c->st[op->src].sig, 8);
	return NEXT(op);
}

/* PEXTRx and EXTRACTPS: op->size is the element's. */
HANDLER(pextr_r, c->r[op->dst] = sse_element(SRC, op->size, op->aux))
HANDLER(pextr_m, uint64_t v = sse_element(SRC, op->size, op->aux); x86_st(c, op, x86_ea(c, op), &v, op->size))

HANDLER(pinsr_r, sse_insert(DST, op->size, op->aux, c->r[op->src]))
HANDLER(pinsr_m, x86_lane s; sse_load(c, op, &s, op->size); sse_insert(DST, op->size, op->aux, s.q[0]))

static const struct x86_op *pextrw_mm(struct x86_cpu *c, const struct x86_op *op)
{
	x86_mmx_check(c, op);
	x86_mmx_enter(c);
	c->r[op->dst] = c->st[op->src].sig >> (op->aux & 3) * 16 & 0xffff;
	return NEXT(op);
}

static const struct x86_op *pinsrw_mm(struct x86_cpu *c, const struct x86_op *op)
{
	unsigned shift = (op->aux & 3) * 16;
	uint64_t v;
	x86_mmx_check(c, op);
	v = op->size == 2 ? x86_ld16(c, op, x86_ea(c, op)) : c->r[op->src] & 0xffff;
	x86_mmx_enter(c);
	x86_mmx_set(c, op->dst, (c->st[op->dst].sig & ~((uint64_t)0xffff << shift)) | v << shift);
	return NEXT(op);
}

HANDLER(insertps_x, sse_insertps(DST, SRC->d[op->aux >> 6], op->aux))
HANDLER(insertps_m, sse_insertps(DST, x86_ld32(c, op, x86_ea(c, op)), op->aux))

static void ptest(struct x86_cpu *c, const x86_lane *d, const x86_lane *s)
{
	uint64_t both = (d->q[0] & s->q[0]) | (d->q[1] & s->q[1]), rest = (~d->q[0] & s->q[0]) | (~d->q[1] & s->q[1]);
	x86_set_arith_flags(c, (both ? 0 : X86_ZF) | (rest ? 0 : X86_CF));
}
HANDLER(ptest_x, ptest(c, DST, SRC))
HANDLER(ptest_m, x86_lane s; sse_load16(c, op, &s); ptest(c, DST, &s))

/* Variable blends: XMM0 chooses, by the top bit of bytes, dwords or qwords (op->size). */
static void blendv(struct x86_cpu *c, const struct x86_op *op, const x86_lane *s)
{
	x86_lane *d = DST, m = *sse_lane(c, 0);
	for (unsigned i = 0; i < 16; i++)
		if (m.b[i | (op->size - 1u)] & 0x80)
			d->b[i] = s->b[i];
}
HANDLER(blendv_x, x86_lane s = *SRC; blendv(c, op, &s))
HANDLER(blendv_m, x86_lane s; sse_load16(c, op, &s); blendv(c, op, &s))

static const struct x86_op *nothing(struct x86_cpu *c, const struct x86_op *op)
{
	(void)c;
	return NEXT(op);
}

/* mnemonic -> handlers for a register and a memory operand; size of the element. */
static const struct misc {
	uint16_t mnemonic;
	uint8_t size;
	x86_fn reg, mem;
} rows[] = {
	{ZYDIS_MNEMONIC_PMOVMSKB, 4, pmovmskb, NULL},       {ZYDIS_MNEMONIC_MOVMSKPS, 4, movmskps, NULL},
	{ZYDIS_MNEMONIC_MOVMSKPD, 4, movmskpd, NULL},       {ZYDIS_MNEMONIC_PEXTRB, 1, pextr_r, pextr_m},
	{ZYDIS_MNEMONIC_PEXTRW, 2, pextr_r, pextr_m},       {ZYDIS_MNEMONIC_PEXTRD, 4, pextr_r, pextr_m},
	{ZYDIS_MNEMONIC_PEXTRQ, 8, pextr_r, pextr_m},       {ZYDIS_MNEMONIC_EXTRACTPS, 4, pextr_r, pextr_m},
	{ZYDIS_MNEMONIC_PINSRB, 1, pinsr_r, pinsr_m},       {ZYDIS_MNEMONIC_PINSRW, 2, pinsr_r, pinsr_m},
	{ZYDIS_MNEMONIC_PINSRD, 4, pinsr_r, pinsr_m},       {ZYDIS_MNEMONIC_PINSRQ, 8, pinsr_r, pinsr_m},
	{ZYDIS_MNEMONIC_INSERTPS, 4, insertps_x, insertps_m}, {ZYDIS_MNEMONIC_PTEST, 16, ptest_x, ptest_m},
	{ZYDIS_MNEMONIC_PBLENDVB, 1, blendv_x, blendv_m},   {ZYDIS_MNEMONIC_BLENDVPS, 4, blendv_x, blendv_m},
	{ZYDIS_MNEMONIC_BLENDVPD, 8, blendv_x, blendv_m},   {ZYDIS_MNEMONIC_SFENCE, 0, nothing, NULL},
	{ZYDIS_MNEMONIC_LFENCE, 0, nothing, NULL},          {ZYDIS_MNEMONIC_MFENCE, 0, nothing, NULL},
	{ZYDIS_MNEMONIC_PREFETCHNTA, 0, NULL, nothing},     {ZYDIS_MNEMONIC_PREFETCHT0, 0, NULL, nothing},
	{ZYDIS_MNEMONIC_PREFETCHT1, 0, NULL, nothing},      {ZYDIS_MNEMONIC_PREFETCHT2, 0, NULL, nothing},
};

static x86_fn mmx_form(const struct x86_insn *d, struct x86_op *op)
{
	switch (d->i.mnemonic) {
	case ZYDIS_MNEMONIC_PMOVMSKB: return pmovmskb_mm;
	case ZYDIS_MNEMONIC_PEXTRW: return pextrw_mm;
	case ZYDIS_MNEMONIC_PINSRW: op->size = sse_is_mem(d, 1) ? 2 : 4; return pinsrw_mm;
	default: return NULL;
	}
}

x86_fn sse_translate_misc(const struct x86_insn *d, struct x86_op *op)
{
	sse_operands(d, op);
	if (sse_is_mm(d, 0) || sse_is_mm(d, 1))
		return mmx_form(d, op);
	for (unsigned n = 0; n < sizeof rows / sizeof rows[0]; n++) {
		if (rows[n].mnemonic != d->i.mnemonic)
			continue;
		op->size = rows[n].size;
		return sse_is_mem(d, 0) || sse_is_mem(d, 1) ? rows[n].mem : rows[n].reg;
	}
	return NULL;
}
