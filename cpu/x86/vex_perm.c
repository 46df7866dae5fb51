/* vex_perm.c - vectors rearranged across or inside lanes by AVX and AVX2: permutes, broadcasts, inserted lanes,
 * variable shifts. */
#include "vex.h"

/* ------ a lane at a time ------ */

SSE_ONLY(permilps, SSE_EACH(d, a.d[b.d[i] & 3]))
SSE_ONLY(permilpd, SSE_EACH(q, a.q[b.q[i] >> 1 & 1]))
SSE_ONLY(permilps_imm, SSE_EACH(d, b.d[imm >> 2 * i & 3]))
SSE_ONLY(permilpd_imm, SSE_EACH(q, b.q[imm >> i & 1]))
SSE_ONLY(pblendd, SSE_EACH(d, imm >> i & 1 ? b.d[i] : a.d[i]))
SSE_ONLY(psllvd, SSE_EACH(d, b.d[i] > 31 ? 0 : a.d[i] << b.d[i]))
SSE_ONLY(psllvq, SSE_EACH(q, b.q[i] > 63 ? 0 : a.q[i] << b.q[i]))
SSE_ONLY(psrlvd, SSE_EACH(d, b.d[i] > 31 ? 0 : a.d[i] >> b.d[i]))
SSE_ONLY(psrlvq, SSE_EACH(q, b.q[i] > 63 ? 0 : a.q[i] >> b.q[i]))
SSE_ONLY(psravd, SSE_EACH(sd, a.sd[i] >> (b.d[i] > 31 ? 31 : b.d[i])))

static const struct sse_row lane_rows[] = {
#define ROW(MNEMONIC, flags, name) {0, ZYDIS_MNEMONIC_##MNEMONIC, 16, flags, name##_16, NULL}
	ROW(VPBLENDD, 4 << SSE_IMM_SHIFT, pblendd), ROW(VPSLLVD, 0, psllvd), ROW(VPSLLVQ, 0, psllvq),
	ROW(VPSRLVD, 0, psrlvd), ROW(VPSRLVQ, 0, psrlvq), ROW(VPSRAVD, 0, psravd),
	ROW(VPERMILPS, 0, permilps), ROW(VPERMILPD, 0, permilpd),
};
static const struct sse_row imm_rows[] = {
	ROW(VPERMILPS, 0, permilps_imm),
	ROW(VPERMILPD, 2 << SSE_IMM_SHIFT, permilpd_imm),
};

/* ------ across lanes ------ */

#define KERNEL(name, ...)                                                                                              \
	static void name(union x86_vec *d, const union x86_vec *ap, const union x86_vec *bp, unsigned imm)             \
	{                                                                                                              \
		const union x86_vec a = *ap, b = *bp;                                                                  \
		union x86_vec r;                                                                                       \
		(void)a;                                                                                               \
		(void)b;                                                                                               \
		(void)imm;                                                                                             \
		__VA_ARGS__;                                                                                           \
		*d = r;                                                                                                \
	}
#define EACH(field, ...)                                                                                               \
	for (unsigned i = 0; i < sizeof r / sizeof r.field[0]; i++)                                                    \
	r.field[i] = (__VA_ARGS__)
KERNEL(permd, EACH(d, b.d[a.d[i] & 7]))
KERNEL(permq, EACH(q, b.q[imm >> 2 * i & 3]))
KERNEL(insert128, r = a; r.q[(imm & 1) * 2] = b.q[0]; r.q[(imm & 1) * 2 + 1] = b.q[1])
KERNEL(broadcast8, EACH(b, b.b[0]))
KERNEL(broadcast16, EACH(w, b.w[0]))
KERNEL(broadcast32, EACH(d, b.d[0]))
KERNEL(broadcast64, EACH(q, b.q[0]))
KERNEL(broadcast128, EACH(q, b.q[i & 1]))
/* A control of four bits for each lane: bit 3 zero, 1:0 the lane of a and b. */
KERNEL(perm128, EACH(q, imm >> (4 * (i / 2)) & 8   ? 0
			: imm >> (4 * (i / 2)) & 2 ? b.q[(imm >> (4 * (i / 2)) & 1) * 2 + i % 2]
						   : a.q[(imm >> (4 * (i / 2)) & 1) * 2 + i % 2]))

static vex_kernel kernel_of(const struct x86_op *op)
{
	return (vex_kernel)(uintptr_t)op->imm;
}
VEX_HANDLER(rr, kernel_of(op)(&c->v[op->dst], &c->v[op->src], &c->v[op->index], op->aux))
VEX_HANDLER(rr128, kernel_of(op)(&c->v[op->dst], &c->v[op->src], &c->v[op->index], op->aux); vex_clear_high(c, op->dst))
static inline void load(struct x86_cpu *c, const struct x86_op *op, union x86_vec *v)
{
	if (op->size == 32) {
		x86_ld(c, op, x86_ea(c, op), v, 32);
		return;
	}
	x86_lane s;
	sse_load(c, op, &s, op->size);
	memcpy(v, &s, 16);
	v->q[2] = v->q[3] = 0;
}
VEX_HANDLER(rm, union x86_vec s; load(c, op, &s); kernel_of(op)(&c->v[op->dst], &c->v[op->src], &s, op->aux))
VEX_HANDLER(rm128, union x86_vec s; load(c, op, &s); kernel_of(op)(&c->v[op->dst], &c->v[op->src], &s, op->aux);
	    vex_clear_high(c, op->dst))

static const struct whole_row {
	uint16_t mnemonic;
	uint8_t mem;
	vex_kernel k;
} whole_rows[] = {
	{ZYDIS_MNEMONIC_VPERMD, 32, permd},
	{ZYDIS_MNEMONIC_VPERMPS, 32, permd},
	{ZYDIS_MNEMONIC_VPERMQ, 32, permq},
	{ZYDIS_MNEMONIC_VPERMPD, 32, permq},
	{ZYDIS_MNEMONIC_VPERM2F128, 32, perm128},
	{ZYDIS_MNEMONIC_VPERM2I128, 32, perm128},
	{ZYDIS_MNEMONIC_VINSERTF128, 16, insert128},
	{ZYDIS_MNEMONIC_VINSERTI128, 16, insert128},
	{ZYDIS_MNEMONIC_VBROADCASTSS, 4, broadcast32},
	{ZYDIS_MNEMONIC_VBROADCASTSD, 8, broadcast64},
	{ZYDIS_MNEMONIC_VBROADCASTF128, 16, broadcast128},
	{ZYDIS_MNEMONIC_VBROADCASTI128, 16, broadcast128},
	{ZYDIS_MNEMONIC_VPBROADCASTB, 1, broadcast8},
	{ZYDIS_MNEMONIC_VPBROADCASTW, 2, broadcast16},
	{ZYDIS_MNEMONIC_VPBROADCASTD, 4, broadcast32},
	{ZYDIS_MNEMONIC_VPBROADCASTQ, 8, broadcast64},
};

static x86_fn whole_handler(const struct x86_insn *d, struct x86_op *op, const struct whole_row *row)
{
	vex_operands(d, op);
	op->imm = sse_pointer((const void *)row->k);
	op->size = row->mem;
	if (d->i.raw.modrm.mod != 3)
		return vex_is_256(d) ? rm : rm128;
	return vex_is_256(d) ? rr : rr128;
}

x86_fn vex_translate_perm(const struct x86_insn *d, struct x86_op *op)
{
	for (unsigned n = 0; sse_is_imm(d, 2) && n < sizeof imm_rows / sizeof imm_rows[0]; n++)
		if (imm_rows[n].vex == d->i.mnemonic)
			return vex_row_handler(d, op, &imm_rows[n]);
	for (unsigned n = 0; n < sizeof lane_rows / sizeof lane_rows[0]; n++)
		if (lane_rows[n].vex == d->i.mnemonic)
			return vex_row_handler(d, op, &lane_rows[n]);
	for (unsigned n = 0; n < sizeof whole_rows / sizeof whole_rows[0]; n++)
		if (whole_rows[n].mnemonic == d->i.mnemonic)
			return whole_handler(d, op, &whole_rows[n]);
	return NULL;
}
