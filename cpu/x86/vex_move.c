/* vex_move.c - moves with a VEX prefix: whole registers, their parts, general registers, lanes. */
#include "vex.h"

#define CLEAR vex_clear_high(c, op->dst)

/* Whole registers. */
VEX_HANDLER(mov_128, *VEX_D = *VEX_B; CLEAR)
VEX_HANDLER(mov_256, c->v[op->dst] = c->v[op->index])
VEX_HANDLER(load_128, x86_ld(c, op, x86_ea(c, op), VEX_D, 16); CLEAR)
VEX_HANDLER(load_256, x86_ld(c, op, x86_ea(c, op), VEX_D, 32))
VEX_HANDLER(store_128, x86_st(c, op, x86_ea(c, op), VEX_A, 16))
VEX_HANDLER(store_256, x86_st(c, op, x86_ea(c, op), VEX_A, 32))
VEX_HANDLER(load_128a, x86_ld(c, op, vex_ea_aligned(c, op, 16), VEX_D, 16); CLEAR)
VEX_HANDLER(load_256a, x86_ld(c, op, vex_ea_aligned(c, op, 32), VEX_D, 32))
VEX_HANDLER(store_128a, x86_st(c, op, vex_ea_aligned(c, op, 16), VEX_A, 16))
VEX_HANDLER(store_256a, x86_st(c, op, vex_ea_aligned(c, op, 32), VEX_A, 32))

/* Parts. */
VEX_HANDLER(load_low4, sse_load(c, op, VEX_D, 4); CLEAR)
VEX_HANDLER(load_low8, sse_load(c, op, VEX_D, 8); CLEAR)
VEX_HANDLER(store_low4, x86_st32(c, op, x86_ea(c, op), VEX_A->d[0]))
VEX_HANDLER(store_low8, x86_st64(c, op, x86_ea(c, op), VEX_A->q[0]))
VEX_HANDLER(store_half_high, x86_st64(c, op, x86_ea(c, op), VEX_A->q[1]))
VEX_HANDLER(movq, uint64_t v = VEX_B->q[0]; *VEX_D = (x86_lane){.q = {v, 0}}; CLEAR)
/* a is the register that gives the rest. */
static inline void merge(struct x86_cpu *c, const struct x86_op *op, uint64_t low, uint64_t high)
{
	*VEX_D = (x86_lane){.q = {low, high}};
	CLEAR;
}
VEX_HANDLER(movss, merge(c, op, (VEX_A->q[0] & ~(uint64_t)0xffffffff) | VEX_B->d[0], VEX_A->q[1]))
VEX_HANDLER(movsd, merge(c, op, VEX_B->q[0], VEX_A->q[1]))
VEX_HANDLER(movhlps, merge(c, op, VEX_B->q[1], VEX_A->q[1]))
VEX_HANDLER(movlhps, merge(c, op, VEX_A->q[0], VEX_B->q[0]))
VEX_HANDLER(load_half_low, uint64_t v = x86_ld64(c, op, x86_ea(c, op)); merge(c, op, v, VEX_A->q[1]))
VEX_HANDLER(load_half_high, uint64_t v = x86_ld64(c, op, x86_ea(c, op)); merge(c, op, VEX_A->q[0], v))

/* General registers. */
VEX_HANDLER(movd_xr, merge(c, op, (uint32_t)c->r[op->index], 0))
VEX_HANDLER(movq_xr, merge(c, op, c->r[op->index], 0))
VEX_HANDLER(movd_rx, c->r[op->dst] = VEX_B->d[0])
VEX_HANDLER(movq_rx, c->r[op->dst] = VEX_B->q[0])

VEX_HANDLER(maskmovdqu, x86_lane data = *vex_lane(c, op->dst); x86_lane mask = *VEX_B;
	    sse_masked_store(c, op, data.b, mask.b, 16))

/* Lanes: VINSERTF128 is in vex_perm.c. */
VEX_HANDLER(extract_r, *VEX_D = VEX_B[op->aux & 1]; CLEAR)
VEX_HANDLER(extract_m, x86_st(c, op, x86_ea(c, op), VEX_A + (op->aux & 1), 16))

VEX_HANDLER(zeroupper, for (unsigned i = 0; i < (c->mode == X86_MODE_LONG ? 16 : 8); i++) vex_clear_high(c, i))
VEX_HANDLER(zeroall, memset(c->v, 0, (c->mode == X86_MODE_LONG ? 16 : 8) * sizeof c->v[0]))

/* mnemonic -> handlers by operands: register, load, store; for 128 and 256 bits. */
static const struct move {
	uint16_t mnemonic;
	x86_fn reg[2], load[2], store[2];
} moves[] = {
#define WHOLE(name) {ZYDIS_MNEMONIC_##name, {mov_128, mov_256}, {load_128, load_256}, {store_128, store_256}}
#define ALIGNED(name) {ZYDIS_MNEMONIC_##name, {mov_128, mov_256}, {load_128a, load_256a}, {store_128a, store_256a}}
#define STREAM(name) {ZYDIS_MNEMONIC_##name, {NULL}, {NULL}, {store_128a, store_256a}}
	WHOLE(VMOVUPS),
	WHOLE(VMOVUPD),
	WHOLE(VMOVDQU),
	WHOLE(VLDDQU),
	ALIGNED(VMOVAPS),
	ALIGNED(VMOVAPD),
	ALIGNED(VMOVDQA),
	ALIGNED(VMOVNTDQA),
	STREAM(VMOVNTPS),
	STREAM(VMOVNTPD),
	STREAM(VMOVNTDQ),
	{ZYDIS_MNEMONIC_VMOVSS, {movss}, {load_low4}, {store_low4}},
	{ZYDIS_MNEMONIC_VMOVSD, {movsd}, {load_low8}, {store_low8}},
	{ZYDIS_MNEMONIC_VMOVQ, {movq}, {load_low8}, {store_low8}},
	{ZYDIS_MNEMONIC_VMOVD, {NULL}, {load_low4}, {store_low4}},
	{ZYDIS_MNEMONIC_VMOVLPS, {NULL}, {load_half_low}, {store_low8}},
	{ZYDIS_MNEMONIC_VMOVLPD, {NULL}, {load_half_low}, {store_low8}},
	{ZYDIS_MNEMONIC_VMOVHPS, {NULL}, {load_half_high}, {store_half_high}},
	{ZYDIS_MNEMONIC_VMOVHPD, {NULL}, {load_half_high}, {store_half_high}},
	{ZYDIS_MNEMONIC_VMOVHLPS, {movhlps}, {NULL}, {NULL}},
	{ZYDIS_MNEMONIC_VMOVLHPS, {movlhps}, {NULL}, {NULL}},
	{ZYDIS_MNEMONIC_VEXTRACTF128, {extract_r, extract_r}, {NULL}, {extract_m, extract_m}},
	{ZYDIS_MNEMONIC_VEXTRACTI128, {extract_r, extract_r}, {NULL}, {extract_m, extract_m}},
	{ZYDIS_MNEMONIC_VZEROUPPER, {zeroupper, zeroupper}, {NULL}, {NULL}},
	{ZYDIS_MNEMONIC_VZEROALL, {zeroall, zeroall}, {NULL}, {NULL}},
};

static x86_fn gpr_move(const struct x86_insn *d)
{
	if (sse_is_gpr(d, 0))
		return d->o[0].size == 64 ? movq_rx : movd_rx;
	return d->o[1].size == 64 ? movq_xr : movd_xr;
}

x86_fn vex_translate_move(const struct x86_insn *d, struct x86_op *op)
{
	unsigned wide = vex_is_256(d);
	vex_operands(d, op);
	if (d->i.mnemonic == ZYDIS_MNEMONIC_VMASKMOVDQU) {
		sse_implicit_di(d, op);
		op->index = sse_reg(d, 1);
		return maskmovdqu;
	}
	if ((d->i.mnemonic == ZYDIS_MNEMONIC_VMOVD || d->i.mnemonic == ZYDIS_MNEMONIC_VMOVQ) &&
	    (sse_is_gpr(d, 0) || sse_is_gpr(d, 1)))
		return gpr_move(d);
	for (unsigned n = 0; n < sizeof moves / sizeof moves[0]; n++) {
		const struct move *m = &moves[n];
		if (m->mnemonic != d->i.mnemonic)
			continue;
		if (sse_is_mem(d, 0))
			return m->store[wide];
		return sse_is_mem(d, 1) || sse_is_mem(d, 2) ? m->load[wide] : m->reg[wide];
	}
	return NULL;
}
