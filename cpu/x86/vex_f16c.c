/* vex_f16c.c - half-precision floats: VCVTPH2PS and VCVTPS2PH (SDM vol. 1, 14.4). MXCSR.DAZ does not concern the half
 * floats that are read, nor MXCSR.FTZ those that are made; imm[2] takes the rounding mode from MXCSR, else imm[1:0] is
 * it. */
#include "vex.h"
#include "sse_fp.h"

/* n elements; *d is written when no unmasked exception is raised. Answers softfloat's view of MXCSR, flags raised. */
static struct sf_env soft_widen(struct x86_cpu *c, uint32_t *d, const uint16_t *s, unsigned n)
{
	struct sf_env e = x86_sse_env(c);
	for (unsigned i = 0; i < n; i++)
		d[i] = sf_pack32(sf_convert(&e, SF32, sf_unpack16(s[i]), false));
	return e;
}

static struct sf_env soft_narrow(struct x86_cpu *c, uint16_t *d, const uint32_t *s, unsigned n, unsigned imm)
{
	struct sf_env e = x86_sse_env(c);
	e.ftz = false;
	if (!(imm & 4))
		e.rc = imm & 3;
	for (unsigned i = 0; i < n; i++)
		d[i] = sf_pack16(sf_convert(&e, SF16, sf_unpack32(&e, s[i]), true));
	return e;
}

#if X86_HOST_FPU
typedef long long v16 __attribute__((vector_size(16), may_alias));

static bool by_host(const struct x86_cpu *c)
{
	return !x86_fp_soft && !x86_sse_unmasked(c) && sse_host_has(FP_F16C);
}
/* Four elements. */
static void host_widen(void *d, const uint16_t *s)
{
	long long half;
	memcpy(&half, s, 8);
	v16 x, y = {half, 0};
	__asm__ volatile("vcvtph2ps %1, %0" : "=x"(x) : "x"(y));
	memcpy(d, &x, 16);
}
#define CASE(n)                                                                                                        \
	case n:                                                                                                        \
		__asm__ volatile("vcvtps2ph $" #n ", %1, %0" : "=x"(x) : "x"(y));                                      \
		break;
static void host_narrow(void *d, const uint32_t *s, unsigned imm)
{
	v16 x, y;
	memcpy(&y, s, 16);
	switch (imm & 7) {
		CASE(0) CASE(1) CASE(2) CASE(3) default : __asm__ volatile("vcvtps2ph $4, %1, %0" : "=x"(x) : "x"(y));
	}
	memcpy(d, &x, 8);
}
#else
static bool by_host(const struct x86_cpu *c)
{
	(void)c;
	return false;
}
static void host_widen(void *d, const uint16_t *s)
{
	(void)d;
	(void)s;
}
static void host_narrow(void *d, const uint32_t *s, unsigned imm)
{
	(void)d;
	(void)s;
	(void)imm;
}
#endif

/* ------ VCVTPH2PS; op->size: elements ------ */

static void widen(struct x86_cpu *c, const struct x86_op *op, const uint16_t *s)
{
	uint32_t r[8] = {0};
	if (by_host(c)) {
		x86_fp_begin(c);
		for (unsigned i = 0; i < op->size; i += 4)
			host_widen(r + i, s + i);
	} else {
		struct sf_env e = soft_widen(c, r, s, op->size);
		x86_sse_flags(c, op, &e);
	}
	memcpy(&c->v[op->dst], r, 32);
}
VEX_HANDLER(widen_r, uint16_t s[8]; memcpy(s, &c->v[op->index], 16); widen(c, op, s))
VEX_HANDLER(widen_m, uint16_t s[8]; x86_ld(c, op, x86_ea(c, op), s, op->size * 2u); widen(c, op, s))

/* ------ VCVTPS2PH; op->size: elements; aux: the immediate ------ */

static void narrow(struct x86_cpu *c, const struct x86_op *op, uint16_t r[8])
{
	uint32_t s[8];
	memcpy(s, &c->v[op->src], 32);
	if (by_host(c)) {
		x86_fp_begin(c);
		for (unsigned i = 0; i < op->size; i += 4)
			host_narrow(r + i, s + i, op->aux);
	} else {
		struct sf_env e = soft_narrow(c, r, s, op->size, op->aux);
		x86_sse_flags(c, op, &e);
	}
}
static void narrow_to_reg(struct x86_cpu *c, const struct x86_op *op)
{
	uint16_t r[8] = {0};
	narrow(c, op, r);
	memcpy(&c->v[op->dst], r, 16);
	vex_clear_high(c, op->dst);
}
/* Flags are committed only with the store: devices may put it off. */
static void narrow_to_mem(struct x86_cpu *c, const struct x86_op *op)
{
	uint64_t gva = x86_ea(c, op);
	unsigned size = op->size * 2u;
	uint32_t s[8];
	uint16_t r[8] = {0};
	memcpy(s, &c->v[op->src], 32);
	x86_probe_write(c, op, gva, size);
	struct sf_env e = soft_narrow(c, r, s, op->size, op->aux);
	if (e.flags & ~e.masks)
		x86_sse_flags(c, op, &e);
	x86_st(c, op, gva, r, size);
	x86_sse_flags(c, op, &e);
}
VEX_HANDLER(narrow_r, narrow_to_reg(c, op))
VEX_HANDLER(narrow_m, narrow_to_mem(c, op))

x86_fn vex_translate_half(const struct x86_insn *d, struct x86_op *op)
{
	bool mem = d->i.raw.modrm.mod != 3;
	switch (d->i.mnemonic) {
	case ZYDIS_MNEMONIC_VCVTPH2PS:
		vex_operands(d, op);
		op->size = vex_is_256(d) ? 8 : 4;
		return mem ? widen_m : widen_r;
	case ZYDIS_MNEMONIC_VCVTPS2PH:
		op->src = sse_reg(d, 1);
		op->dst = mem ? 0 : sse_reg(d, 0);
		op->aux = (uint8_t)d->o[2].imm.value.u;
		op->size = vex_is_256(d) ? 8 : 4;
		return mem ? narrow_m : narrow_r;
	default:
		return NULL;
	}
}
