/* xsave.c - state components to and from images; FXSAVE, FXRSTOR, LDMXCSR, STMXCSR; the XSAVE image for the CPU's user
 * (SDM vol. 1, ch. 10.5 and 13). */
#include "xsave.h"
#include "sys.h"
#include "x87.h"

/* ------ components to and from an image ------ */

void xs_put_x87(const struct x86_cpu *c, uint8_t *a, bool wide)
{
	put16(a, c->fcw);
	put16(a + 2, c->fsw);
	put16(a + 4, c->ftag);
	put16(a + 6, c->fop);
	put64(a + 8, wide ? c->fip : (uint32_t)c->fip);
	put64(a + 16, wide ? c->fdp : (uint32_t)c->fdp);
	for (unsigned i = 0; i < 8; i++) {
		struct x86_f80 v = x87_get(c, i);
		memset(a + 32 + 16 * i, 0, 16);
		put64(a + 32 + 16 * i, v.sig);
		put16(a + 40 + 16 * i, v.se);
	}
}

/* What cannot be an address becomes one: FIP and FDP hold linear addresses (as measured on a Zen 3). */
static uint64_t canonical(const struct x86_cpu *c, uint64_t v)
{
	unsigned up = 64 - c->gva_bits;
	return (uint64_t)((int64_t)(v << up) >> up);
}

void xs_take_x87(struct x86_cpu *c, const uint8_t *a, bool wide)
{
	c->fcw = (get16(a) & 0x1f7f) | 0x40;
	c->fsw = get16(a + 2);
	c->ftag = a[4];
	c->fop = get16(a + 6) & 0x7ff;
	c->fip = wide ? canonical(c, get64(a + 8)) : get32(a + 8);
	c->fdp = wide ? canonical(c, get64(a + 16)) : get32(a + 16);
	for (unsigned i = 0; i < 8; i++) {
		struct x86_f80 *v = &c->st[x87_phys(c, i)];
		v->sig = get64(a + 32 + 16 * i);
		v->se = get16(a + 40 + 16 * i);
	}
	x87_summary(c);
}

void xs_init_x87(struct x86_cpu *c)
{
	x87_init(c);
	memset(c->st, 0, sizeof c->st);
}

void xs_put_mxcsr(struct x86_cpu *c, uint8_t *a)
{
	x86_fp_collect(c);
	put32(a + AREA_MXCSR, c->mxcsr);
	put32(a + AREA_MXCSR + 4, X86_MXCSR_VALID);
}

/* Drops what the host's register has gathered under the old value. */
void xs_set_mxcsr(struct x86_cpu *c, uint32_t v)
{
	c->mxcsr = v;
	if (c->fp_loaded) {
		x86_fp_load(c);
		c->mxcsr = v;
	}
}

void xs_put_vectors(const struct x86_cpu *c, uint8_t *at, unsigned half, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		memcpy(at + 16 * i, &c->v[i].q[2 * half], 16);
}

/* at NULL: zero. */
void xs_take_vectors(struct x86_cpu *c, const uint8_t *at, unsigned half, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (at)
			memcpy(&c->v[i].q[2 * half], at + 16 * i, 16);
		else
			memset(&c->v[i].q[2 * half], 0, 16);
}

static bool vectors_used(const struct x86_cpu *c, unsigned half)
{
	uint64_t any = 0;
	for (unsigned i = 0; i < 16; i++)
		any |= c->v[i].q[2 * half] | c->v[i].q[2 * half + 1];
	return any != 0;
}

static bool x87_used(const struct x86_cpu *c)
{
	uint64_t any = c->ftag | c->fsw | c->fop | c->fip | c->fdp | (c->fcw ^ X87_CW_RESET);
	for (unsigned i = 0; i < 8; i++)
		any |= c->st[i].sig | c->st[i].se;
	return any != 0;
}

uint64_t xs_in_use(const struct x86_cpu *c)
{
	return (x87_used(c) ? XS_X87 : 0) | (vectors_used(c, 0) ? XS_SSE : 0) | (vectors_used(c, 1) ? XS_AVX : 0) |
	       (c->pkru ? XS_PKRU : 0);
}

void xs_set_pkru(struct x86_cpu *c, uint32_t v)
{
	uint32_t changed = (uint32_t)c->pkru ^ v;
	c->pkru = v;
	x86_keys_changed(c, changed);
}

/* ------ guest memory ------ */

/* Pieces of 16 bytes: what is aligned to 16 never crosses a page inside a piece. */
static void load_area(struct x86_cpu *c, const struct x86_op *op, uint64_t gva, uint8_t *a, unsigned from, unsigned to)
{
	for (unsigned at = from; at < to; at += 16)
		x86_ld(c, op, gva + at, a + at, 16);
}
static void store_area(struct x86_cpu *c, const struct x86_op *op, uint64_t gva, const uint8_t *a, unsigned from,
		       unsigned to)
{
	for (unsigned at = from; at < to; at += 16)
		x86_st(c, op, gva + at, a + at, 16);
}
static void probe_area(struct x86_cpu *c, const struct x86_op *op, uint64_t gva, unsigned size)
{
	x86_probe_write(c, op, gva, 16);
	x86_probe_write(c, op, gva + size - 16, 16);
}

/* ------ FXSAVE, FXRSTOR ------ */

static uint64_t fx_address(struct x86_cpu *c, const struct x86_op *op)
{
	if (c->cr0 & (X86_CR0_EM | X86_CR0_TS))
		x86_raise(c, op, X86_NM, -1);
	uint64_t gva = x86_ea(c, op);
	/* unlike SSE's operands: an address that cannot be one is told before its alignment (Zen 3) */
	if (gva & 15)
		x86_raise(c, op, op->seg == X86_SS && canonical(c, gva) != gva ? X86_SS_FAULT : X86_GP_FAULT, 0);
	return gva;
}

/* op->aux: 1 for the forms with 64-bit pointers (REX.W). Bytes 464-511 are the software's and stay as they are. */
static const struct x86_op *fxsave(struct x86_cpu *c, const struct x86_op *op)
{
	uint8_t a[AREA_LEGACY];
	unsigned n = xs_vector_count(c), end = AREA_XMM + 16 * n;
	uint64_t gva = fx_address(c, op);
	probe_area(c, op, gva, AREA_LEGACY); /* all of it has to be there, whatever is written */
	memset(a, 0, sizeof a);
	xs_put_x87(c, a, op->aux);
	xs_put_mxcsr(c, a);
	xs_put_vectors(c, a + AREA_XMM, 0, n);
	store_area(c, op, gva, a, 0, end);
	return NEXT(op);
}

static const struct x86_op *fxrstor(struct x86_cpu *c, const struct x86_op *op)
{
	uint8_t a[AREA_LEGACY];
	unsigned n = xs_vector_count(c);
	load_area(c, op, fx_address(c, op), a, 0, AREA_LEGACY);
	if (get32(a + AREA_MXCSR) & ~(uint32_t)X86_MXCSR_VALID)
		x86_raise(c, op, X86_GP_FAULT, 0);
	xs_take_x87(c, a, op->aux);
	xs_set_mxcsr(c, get32(a + AREA_MXCSR));
	xs_take_vectors(c, a + AREA_XMM, 0, n);
	return NEXT(op);
}

/* ------ MXCSR ------ */

static void load_mxcsr(struct x86_cpu *c, const struct x86_op *op)
{
	uint32_t v = x86_ld32(c, op, x86_ea(c, op));
	if (v & ~(uint32_t)X86_MXCSR_VALID)
		x86_raise(c, op, X86_GP_FAULT, 0);
	xs_set_mxcsr(c, v);
}

static void store_mxcsr(struct x86_cpu *c, const struct x86_op *op)
{
	x86_fp_collect(c);
	x86_st32(c, op, x86_ea(c, op), c->mxcsr);
}

static const struct x86_op *ldmxcsr(struct x86_cpu *c, const struct x86_op *op)
{
	x86_sse_check(c, op);
	load_mxcsr(c, op);
	return NEXT(op);
}

static const struct x86_op *stmxcsr(struct x86_cpu *c, const struct x86_op *op)
{
	x86_sse_check(c, op);
	store_mxcsr(c, op);
	return NEXT(op);
}

VEX_HANDLER(vldmxcsr, load_mxcsr(c, op))
VEX_HANDLER(vstmxcsr, store_mxcsr(c, op))

x86_fn vex_translate_mxcsr(const struct x86_insn *d, struct x86_op *op)
{
	(void)op;
	switch (d->i.mnemonic) {
	case ZYDIS_MNEMONIC_VLDMXCSR:
		return vldmxcsr;
	case ZYDIS_MNEMONIC_VSTMXCSR:
		return vstmxcsr;
	default:
		return NULL;
	}
}

x86_fn sse_translate_save(const struct x86_insn *d, struct x86_op *op)
{
	static const struct {
		uint16_t mnemonic;
		uint8_t aux;
		x86_fn fn;
	} rows[] = {
		{ZYDIS_MNEMONIC_FXSAVE, 0, fxsave},   {ZYDIS_MNEMONIC_FXSAVE64, 1, fxsave},
		{ZYDIS_MNEMONIC_FXRSTOR, 0, fxrstor}, {ZYDIS_MNEMONIC_FXRSTOR64, 1, fxrstor},
		{ZYDIS_MNEMONIC_LDMXCSR, 0, ldmxcsr}, {ZYDIS_MNEMONIC_STMXCSR, 0, stmxcsr},
	};
	for (unsigned n = 0; n < sizeof rows / sizeof rows[0]; n++) {
		if (rows[n].mnemonic != d->i.mnemonic)
			continue;
		op->aux = rows[n].aux;
		return rows[n].fn;
	}
	return xs_translate(d, op);
}

/* ------ the CPU's user ------ */

void x86_get_xsave(struct x86_cpu *c, uint8_t *image, size_t size)
{
	if (size < AREA_AVX)
		return;
	memset(image, 0, size);
	xs_put_x87(c, image, true);
	xs_put_mxcsr(c, image);
	xs_put_vectors(c, image + AREA_XMM, 0, 16);
	put64(image + AREA_LEGACY, XS_X87 | XS_SSE | (c->xcr0 & XS_AVX && size >= AREA_AVX_END ? XS_AVX : 0));
	if (size >= AREA_AVX_END)
		xs_put_vectors(c, image + AREA_AVX, 1, 16);
	if (size >= AREA_PKRU_END && x86_has(c, X86_F_PKU)) { /* WRPKRU does not ask XCR0 */
		put64(image + AREA_LEGACY, get64(image + AREA_LEGACY) | XS_PKRU);
		put32(image + AREA_PKRU, (uint32_t)c->pkru);
	}
}

/* What XSTATE_BV leaves out becomes initial; bits that MXCSR has not are dropped. */
void x86_set_xsave(struct x86_cpu *c, const uint8_t *image, size_t size)
{
	uint64_t bv;
	if (size < AREA_AVX)
		return;
	bv = get64(image + AREA_LEGACY);
	if (bv & XS_X87)
		xs_take_x87(c, image, true);
	else
		xs_init_x87(c);
	xs_set_mxcsr(c, bv & (XS_SSE | XS_AVX) ? get32(image + AREA_MXCSR) & X86_MXCSR_VALID : X86_MXCSR_RESET);
	xs_take_vectors(c, bv & XS_SSE ? image + AREA_XMM : NULL, 0, 16);
	xs_take_vectors(c, (bv & XS_AVX) && size >= AREA_AVX_END ? image + AREA_AVX : NULL, 1, 16);
	if (size >= AREA_PKRU_END)
		xs_set_pkru(c, bv & XS_PKRU ? get32(image + AREA_PKRU) : 0);
}
