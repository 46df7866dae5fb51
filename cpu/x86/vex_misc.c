/* vex_misc.c - VEX-encoded instructions with a general register, the flags, or a fourth operand: VPMOVMSKB, VPEXTR,
 * VPINSR, VPTEST, VTEST, VPBLENDV, VPCMPxSTRx. */
#include "vex.h"

#define CLEAR vex_clear_high(c, op->dst)

VEX_HANDLER(pmovmskb_128, c->r[op->dst] = sse_signs8(VEX_B->q[0]) | sse_signs8(VEX_B->q[1]) << 8)
VEX_HANDLER(pmovmskb_256, const x86_lane *s = VEX_B;
	    c->r[op->dst] = sse_signs8(s[0].q[0]) | sse_signs8(s[0].q[1]) << 8 | sse_signs8(s[1].q[0]) << 16 |
			    sse_signs8(s[1].q[1]) << 24)
static unsigned signs32(const union x86_vec *v, unsigned n)
{
	unsigned m = 0;
	for (unsigned i = 0; i < n; i++)
		m |= v->d[i] >> 31 << i;
	return m;
}
static unsigned signs64(const union x86_vec *v, unsigned n)
{
	unsigned m = 0;
	for (unsigned i = 0; i < n; i++)
		m |= (unsigned)(v->q[i] >> 63) << i;
	return m;
}
VEX_HANDLER(movmskps_128, c->r[op->dst] = signs32(&c->v[op->index], 4))
VEX_HANDLER(movmskps_256, c->r[op->dst] = signs32(&c->v[op->index], 8))
VEX_HANDLER(movmskpd_128, c->r[op->dst] = signs64(&c->v[op->index], 2))
VEX_HANDLER(movmskpd_256, c->r[op->dst] = signs64(&c->v[op->index], 4))

/* op->size is the element's. */
VEX_HANDLER(pextr_r, c->r[op->dst] = sse_element(VEX_B, op->size, op->aux))
VEX_HANDLER(pextr_m, uint64_t v = sse_element(VEX_A, op->size, op->aux); x86_st(c, op, x86_ea(c, op), &v, op->size))
static inline void insert(struct x86_cpu *c, const struct x86_op *op, uint64_t v)
{
	*VEX_D = *VEX_A;
	sse_insert(VEX_D, op->size, op->aux, v);
	CLEAR;
}
VEX_HANDLER(pinsr_r, insert(c, op, c->r[op->index]))
VEX_HANDLER(pinsr_m, x86_lane s; sse_load(c, op, &s, op->size); insert(c, op, s.q[0]))
static inline void insertps(struct x86_cpu *c, const struct x86_op *op, uint32_t v)
{
	*VEX_D = *VEX_A;
	sse_insertps(VEX_D, v, op->aux);
	CLEAR;
}
VEX_HANDLER(insertps_r, insertps(c, op, VEX_B->d[op->aux >> 6]))
VEX_HANDLER(insertps_m, insertps(c, op, x86_ld32(c, op, x86_ea(c, op))))

/* VPTEST looks at all bits, VTESTPS and VTESTPD at sign bits. */
static inline void test(struct x86_cpu *c, const struct x86_op *op, const x86_lane *b, unsigned lanes, uint64_t bits)
{
	const x86_lane *a = VEX_D;
	uint64_t both = 0, rest = 0;
	for (unsigned i = 0; i < lanes; i++) {
		both |= (a[i].q[0] & b[i].q[0]) | (a[i].q[1] & b[i].q[1]);
		rest |= (~a[i].q[0] & b[i].q[0]) | (~a[i].q[1] & b[i].q[1]);
	}
	x86_set_arith_flags(c, (both & bits ? 0 : X86_ZF) | (rest & bits ? 0 : X86_CF));
}
#define TEST(name, bits)                                                                                               \
	VEX_HANDLER(name##_r128, test(c, op, VEX_B, 1, bits))                                                          \
	VEX_HANDLER(name##_r256, test(c, op, VEX_B, 2, bits))                                                          \
	VEX_HANDLER(name##_m128, x86_lane s; x86_ld(c, op, x86_ea(c, op), &s, 16); test(c, op, &s, 1, bits))           \
	VEX_HANDLER(name##_m256, x86_lane s[2]; x86_ld(c, op, x86_ea(c, op), s, 32); test(c, op, s, 2, bits))
TEST(ptest, ~(uint64_t)0)
TEST(testps, 0x8000000080000000)
TEST(testpd, 0x8000000000000000)

/* Variable blends: register op->aux chooses, by the top bit of bytes, dwords or qwords (op->size). */
static inline void blend(struct x86_cpu *c, const struct x86_op *op, const x86_lane *b, unsigned lanes)
{
	const uint8_t *mask = vex_lane(c, op->aux)->b, *from_a = VEX_A->b, *from_b = b->b;
	x86_lane r[2] = {{.q = {0, 0}}, {.q = {0, 0}}};
	for (unsigned i = 0; i < 16 * lanes; i++)
		r[i / 16].b[i % 16] = mask[i | (op->size - 1u)] & 0x80 ? from_b[i] : from_a[i];
	memcpy(VEX_D, r, 32);
}
VEX_HANDLER(blend_r128, blend(c, op, VEX_B, 1))
VEX_HANDLER(blend_r256, blend(c, op, VEX_B, 2))
VEX_HANDLER(blend_m128, x86_lane s; x86_ld(c, op, x86_ea(c, op), &s, 16); blend(c, op, &s, 1))
VEX_HANDLER(blend_m256, x86_lane s[2]; x86_ld(c, op, x86_ea(c, op), s, 32); blend(c, op, s, 2))

/* A mask goes to XMM0. */
static void string_compare(struct x86_cpu *c, const struct x86_op *op, const x86_lane *b)
{
	sse_string_compare(c, op, b);
	if (!(op->size & SSE_STR_INDEX))
		vex_clear_high(c, 0);
}
VEX_HANDLER(string_r, x86_lane s = *VEX_B; string_compare(c, op, &s))
VEX_HANDLER(string_m, x86_lane s; x86_ld(c, op, x86_ea(c, op), &s, 16); string_compare(c, op, &s))

/* mnemonic -> handlers for register and memory, 128 and 256 bits; op->size. */
static const struct misc {
	uint16_t mnemonic;
	uint8_t size;
	x86_fn reg[2], mem[2];
} rows[] = {
#define FOUR(MNEMONIC, size, name)                                                                                     \
	{ZYDIS_MNEMONIC_##MNEMONIC, size, {name##_r128, name##_r256}, {name##_m128, name##_m256}}
#define TWO(MNEMONIC, size, name) {ZYDIS_MNEMONIC_##MNEMONIC, size, {name##_r}, {name##_m}}
#define MASK(MNEMONIC, name) {ZYDIS_MNEMONIC_##MNEMONIC, 4, {name##_128, name##_256}, {NULL}}
	MASK(VPMOVMSKB, pmovmskb),
	MASK(VMOVMSKPS, movmskps),
	MASK(VMOVMSKPD, movmskpd),
	TWO(VPEXTRB, 1, pextr),
	TWO(VPEXTRW, 2, pextr),
	TWO(VPEXTRD, 4, pextr),
	TWO(VPEXTRQ, 8, pextr),
	TWO(VEXTRACTPS, 4, pextr),
	TWO(VPINSRB, 1, pinsr),
	TWO(VPINSRW, 2, pinsr),
	TWO(VPINSRD, 4, pinsr),
	TWO(VPINSRQ, 8, pinsr),
	TWO(VINSERTPS, 4, insertps),
	FOUR(VPTEST, 0, ptest),
	FOUR(VTESTPS, 0, testps),
	FOUR(VTESTPD, 0, testpd),
	FOUR(VPBLENDVB, 1, blend),
	FOUR(VBLENDVPS, 4, blend),
	FOUR(VBLENDVPD, 8, blend),
	TWO(VPCMPESTRI, SSE_STR_EXPLICIT | SSE_STR_INDEX, string),
	TWO(VPCMPESTRM, SSE_STR_EXPLICIT, string),
	TWO(VPCMPISTRI, SSE_STR_INDEX, string),
	TWO(VPCMPISTRM, 0, string),
};

x86_fn vex_translate_misc(const struct x86_insn *d, struct x86_op *op)
{
	unsigned wide = vex_is_256(d);
	for (unsigned n = 0; n < sizeof rows / sizeof rows[0]; n++) {
		if (rows[n].mnemonic != d->i.mnemonic)
			continue;
		vex_operands(d, op);
		op->size = rows[n].size;
		if (op->size & SSE_STR_EXPLICIT && rows[n].reg[0] == string_r && d->i.raw.vex.W &&
		    d->c->mode == X86_MODE_LONG)
			op->size |= SSE_STR_WIDE;
		return d->i.raw.modrm.mod != 3 ? rows[n].mem[wide] : rows[n].reg[wide];
	}
	return NULL;
}
