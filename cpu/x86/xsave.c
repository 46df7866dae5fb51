/* xsave.c - FXSAVE, XSAVE and their restores, LDMXCSR, STMXCSR, and the XSAVE image for the CPU's user (SDM vol. 1,
 * ch. 10.5 and 13). */
#include "vex.h"
#include "x87.h"

enum { AREA_LEGACY = 512, AREA_HEADER = 64, AREA_AVX = 576, AREA_MAX = 832, AREA_XMM = 160, AREA_MXCSR = 24 };
enum { XS_X87 = 1, XS_SSE = 2, XS_AVX = 4, XS_KNOWN = XS_X87 | XS_SSE | XS_AVX };

static void put16(uint8_t *p, uint16_t v)
{
	memcpy(p, &v, 2);
}
static void put32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, 4);
}
static void put64(uint8_t *p, uint64_t v)
{
	memcpy(p, &v, 8);
}
static uint16_t get16(const uint8_t *p)
{
	uint16_t v;
	memcpy(&v, p, 2);
	return v;
}
static uint32_t get32(const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, 4);
	return v;
}
static uint64_t get64(const uint8_t *p)
{
	uint64_t v;
	memcpy(&v, p, 8);
	return v;
}

/* ------ components to and from an image ------ */

static void put_x87(const struct x86_cpu *c, uint8_t *a, bool wide)
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

static void take_x87(struct x86_cpu *c, const uint8_t *a, bool wide)
{
	c->fcw = (get16(a) & 0x1f7f) | 0x40;
	c->fsw = get16(a + 2);
	c->ftag = a[4];
	c->fop = get16(a + 6) & 0x7ff;
	c->fip = wide ? get64(a + 8) : get32(a + 8);
	c->fdp = wide ? get64(a + 16) : get32(a + 16);
	for (unsigned i = 0; i < 8; i++) {
		struct x86_f80 *v = &c->st[x87_phys(c, i)];
		v->sig = get64(a + 32 + 16 * i);
		v->se = get16(a + 40 + 16 * i);
	}
	x87_summary(c);
}

static void init_x87(struct x86_cpu *c)
{
	x87_init(c);
	memset(c->st, 0, sizeof c->st);
}

static void put_mxcsr(struct x86_cpu *c, uint8_t *a)
{
	x86_fp_collect(c);
	put32(a + AREA_MXCSR, c->mxcsr);
	put32(a + AREA_MXCSR + 4, X86_MXCSR_VALID);
}

/* Drops what the host's register has gathered under the old value. */
static void set_mxcsr(struct x86_cpu *c, uint32_t v)
{
	c->mxcsr = v;
	if (c->fp_loaded) {
		x86_fp_load(c);
		c->mxcsr = v;
	}
}

static void put_vectors(const struct x86_cpu *c, uint8_t *at, unsigned half, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		memcpy(at + 16 * i, &c->v[i].q[2 * half], 16);
}

/* at NULL: zero. */
static void take_vectors(struct x86_cpu *c, const uint8_t *at, unsigned half, unsigned n)
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

static uint64_t in_use(const struct x86_cpu *c)
{
	return (x87_used(c) ? XS_X87 : 0) | (vectors_used(c, 0) || c->mxcsr != X86_MXCSR_RESET ? XS_SSE : 0) |
	       (vectors_used(c, 1) ? XS_AVX : 0);
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

static unsigned vector_count(const struct x86_cpu *c)
{
	return c->mode == X86_MODE_LONG ? 16 : 8;
}

/* ------ FXSAVE, FXRSTOR ------ */

static uint64_t fx_address(struct x86_cpu *c, const struct x86_op *op)
{
	if (c->cr0 & (X86_CR0_EM | X86_CR0_TS))
		x86_raise(c, op, X86_NM, -1);
	return sse_ea_aligned(c, op);
}

/* op->aux: 1 for the forms with 64-bit pointers (REX.W). Bytes 464-511 are the software's and stay as they are. */
static const struct x86_op *fxsave(struct x86_cpu *c, const struct x86_op *op)
{
	uint8_t a[AREA_LEGACY];
	unsigned n = vector_count(c), end = AREA_XMM + 16 * n;
	uint64_t gva = fx_address(c, op);
	probe_area(c, op, gva, end);
	memset(a, 0, sizeof a);
	put_x87(c, a, op->aux);
	put_mxcsr(c, a);
	put_vectors(c, a + AREA_XMM, 0, n);
	store_area(c, op, gva, a, 0, end);
	return NEXT(op);
}

static const struct x86_op *fxrstor(struct x86_cpu *c, const struct x86_op *op)
{
	uint8_t a[AREA_LEGACY];
	unsigned n = vector_count(c);
	load_area(c, op, fx_address(c, op), a, 0, AREA_XMM + 16 * n);
	if (get32(a + AREA_MXCSR) & ~(uint32_t)X86_MXCSR_VALID)
		x86_raise(c, op, X86_GP_FAULT, 0);
	take_x87(c, a, op->aux);
	set_mxcsr(c, get32(a + AREA_MXCSR));
	take_vectors(c, a + AREA_XMM, 0, n);
	return NEXT(op);
}

/* ------ XSAVE, XSAVEOPT, XRSTOR ------ */

static uint64_t xs_address(struct x86_cpu *c, const struct x86_op *op, uint64_t *rfbm)
{
	uint64_t gva;
	if (!(c->cr4 & X86_CR4_OSXSAVE))
		x86_raise(c, op, X86_UD, -1);
	if (c->cr0 & X86_CR0_TS)
		x86_raise(c, op, X86_NM, -1);
	gva = x86_ea(c, op);
	if (gva & 63)
		x86_raise(c, op, X86_GP_FAULT, 0);
	*rfbm = ((uint32_t)c->r[0] | c->r[2] << 32) & c->xcr0;
	return gva;
}

static unsigned xs_size(uint64_t components)
{
	return components & XS_AVX ? AREA_MAX : AREA_AVX;
}

static void xsave_components(struct x86_cpu *c, const struct x86_op *op, uint64_t gva, uint64_t rfbm, uint64_t write)
{
	uint8_t a[AREA_MAX];
	unsigned n = vector_count(c);
	memset(a, 0, sizeof a);
	put_x87(c, a, op->aux & 1);
	put_mxcsr(c, a);
	if (write & XS_X87) {
		store_area(c, op, gva, a, 0, 16);
		x86_st64(c, op, gva + 16, get64(a + 16));
		store_area(c, op, gva, a, 32, AREA_XMM);
	}
	if (rfbm & (XS_SSE | XS_AVX))
		x86_st64(c, op, gva + AREA_MXCSR, get64(a + AREA_MXCSR));
	if (write & XS_SSE) {
		put_vectors(c, a + AREA_XMM, 0, n);
		store_area(c, op, gva, a, AREA_XMM, AREA_XMM + 16 * n);
	}
	if (write & XS_AVX) {
		put_vectors(c, a + AREA_AVX, 1, n);
		store_area(c, op, gva, a, AREA_AVX, AREA_AVX + 16 * n);
	}
}

/* op->aux: bit 0 wide, bit 1 XSAVEOPT (components in their initial state are not written). */
static const struct x86_op *xsave(struct x86_cpu *c, const struct x86_op *op)
{
	uint64_t rfbm, used, bv, gva;
	if (op->aux & 2 && !x86_has(c, X86_FEAT_D1A + 0))
		x86_raise(c, op, X86_UD, -1);
	gva = xs_address(c, op, &rfbm);
	probe_area(c, op, gva, xs_size(rfbm));
	bv = x86_ld64(c, op, gva + AREA_LEGACY);
	x86_fp_collect(c);
	used = in_use(c);
	xsave_components(c, op, gva, rfbm, op->aux & 2 ? rfbm & used : rfbm);
	x86_st64(c, op, gva + AREA_LEGACY, (bv & ~rfbm) | (used & rfbm));
	return NEXT(op);
}

static void check_header(struct x86_cpu *c, const struct x86_op *op, const uint8_t *a, uint64_t rfbm)
{
	bool bad = (get64(a + AREA_LEGACY) & ~c->xcr0) != 0;
	for (unsigned i = 8; i < 24; i++)
		bad |= a[AREA_LEGACY + i] != 0;
	if (rfbm & (XS_SSE | XS_AVX))
		bad |= (get32(a + AREA_MXCSR) & ~(uint32_t)X86_MXCSR_VALID) != 0;
	if (bad)
		x86_raise(c, op, X86_GP_FAULT, 0);
}

static const struct x86_op *xrstor(struct x86_cpu *c, const struct x86_op *op)
{
	uint8_t a[AREA_MAX];
	uint64_t rfbm, bv, gva = xs_address(c, op, &rfbm);
	unsigned n = vector_count(c);
	load_area(c, op, gva, a, 0, xs_size(rfbm));
	check_header(c, op, a, rfbm);
	bv = get64(a + AREA_LEGACY);
	if (rfbm & bv & XS_X87)
		take_x87(c, a, op->aux & 1);
	else if (rfbm & XS_X87)
		init_x87(c);
	if (rfbm & (XS_SSE | XS_AVX))
		set_mxcsr(c, get32(a + AREA_MXCSR));
	if (rfbm & XS_SSE)
		take_vectors(c, bv & XS_SSE ? a + AREA_XMM : NULL, 0, n);
	if (rfbm & XS_AVX)
		take_vectors(c, bv & XS_AVX ? a + AREA_AVX : NULL, 1, n);
	return NEXT(op);
}

/* ------ MXCSR ------ */

static void load_mxcsr(struct x86_cpu *c, const struct x86_op *op)
{
	uint32_t v = x86_ld32(c, op, x86_ea(c, op));
	if (v & ~(uint32_t)X86_MXCSR_VALID)
		x86_raise(c, op, X86_GP_FAULT, 0);
	set_mxcsr(c, v);
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
		{ZYDIS_MNEMONIC_XSAVE, 0, xsave},     {ZYDIS_MNEMONIC_XSAVE64, 1, xsave},
		{ZYDIS_MNEMONIC_XSAVEOPT, 2, xsave},  {ZYDIS_MNEMONIC_XSAVEOPT64, 3, xsave},
		{ZYDIS_MNEMONIC_XRSTOR, 0, xrstor},   {ZYDIS_MNEMONIC_XRSTOR64, 1, xrstor},
		{ZYDIS_MNEMONIC_LDMXCSR, 0, ldmxcsr}, {ZYDIS_MNEMONIC_STMXCSR, 0, stmxcsr},
	};
	for (unsigned n = 0; n < sizeof rows / sizeof rows[0]; n++) {
		if (rows[n].mnemonic != d->i.mnemonic)
			continue;
		op->aux = rows[n].aux;
		return rows[n].fn;
	}
	return NULL;
}

/* ------ the CPU's user ------ */

void x86_get_xsave(struct x86_cpu *c, uint8_t *image, size_t size)
{
	if (size < AREA_AVX)
		return;
	memset(image, 0, size);
	put_x87(c, image, true);
	put_mxcsr(c, image);
	put_vectors(c, image + AREA_XMM, 0, 16);
	put64(image + AREA_LEGACY, XS_X87 | XS_SSE | (c->xcr0 & XS_AVX && size >= AREA_MAX ? XS_AVX : 0));
	if (size >= AREA_MAX)
		put_vectors(c, image + AREA_AVX, 1, 16);
}

/* What XSTATE_BV leaves out becomes initial; bits that MXCSR has not are dropped. */
void x86_set_xsave(struct x86_cpu *c, const uint8_t *image, size_t size)
{
	uint64_t bv;
	if (size < AREA_AVX)
		return;
	bv = get64(image + AREA_LEGACY);
	if (bv & XS_X87)
		take_x87(c, image, true);
	else
		init_x87(c);
	set_mxcsr(c, bv & (XS_SSE | XS_AVX) ? get32(image + AREA_MXCSR) & X86_MXCSR_VALID : X86_MXCSR_RESET);
	take_vectors(c, bv & XS_SSE ? image + AREA_XMM : NULL, 0, 16);
	take_vectors(c, (bv & XS_AVX) && size >= AREA_MAX ? image + AREA_AVX : NULL, 1, 16);
}
