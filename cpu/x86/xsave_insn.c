/* xsave_insn.c - XSAVE, XSAVEOPT, XSAVEC, XSAVES, XRSTOR, XRSTORS (SDM vol. 1, 13.7 to 13.12). Nothing is known of
 * what changed since the last restore, so XSAVEOPT and XSAVES use the init optimization only. */
#include "xsave.h"
#include "sys.h"

/* op->aux */
enum { WIDE = 1, OPT = 2, COMPACT = 4, SUPERVISOR = 8 };

/* Extended components in ascending order; none asks for alignment in compacted form. */
static const struct component {
	uint64_t bit;
	uint16_t offset, size;
} extended[] = {{XS_AVX, AREA_AVX, AREA_AVX_END - AREA_AVX}, {XS_PKRU, AREA_PKRU, AREA_PKRU_END - AREA_PKRU}};
enum { EXTENDED = sizeof extended / sizeof *extended };

static uint32_t offset_of(const struct component *e, uint64_t in_area, bool compact)
{
	uint32_t at = AREA_HEADER_END;
	if (!compact)
		return e->offset;
	for (const struct component *before = extended; before < e; before++)
		at += in_area & before->bit ? before->size : 0;
	return at;
}

uint32_t x86_xsave_size(uint64_t components, bool compact)
{
	uint32_t size = AREA_HEADER_END;
	for (const struct component *e = extended; e < extended + EXTENDED; e++)
		if (components & e->bit)
			size = offset_of(e, components, compact) + e->size;
	return size;
}

uint64_t x86_xinuse(struct x86_cpu *c)
{
	return xs_in_use(c);
}

/* Pieces of 16 bytes at most: what is aligned to 16 never crosses a page inside a piece. */
static void load(struct x86_cpu *c, const struct x86_op *op, uint64_t gva, uint8_t *a, unsigned from, unsigned to)
{
	for (unsigned at = from; at < to; at += 16)
		x86_ld(c, op, gva + at, a + at, to - at < 16 ? to - at : 16);
}
static void store(struct x86_cpu *c, const struct x86_op *op, uint64_t gva, const uint8_t *a, unsigned from,
		  unsigned to)
{
	for (unsigned at = from; at < to; at += 16)
		x86_st(c, op, gva + at, a + at, to - at < 16 ? to - at : 16);
}

static uint64_t address(struct x86_cpu *c, const struct x86_op *op, uint64_t *rfbm)
{
	if (!(c->cr4 & CR4_OSXSAVE))
		x86_ud(c, op);
	if (c->cr0 & CR0_TS)
		x86_raise(c, op, X86_NM, -1);
	if (op->aux & SUPERVISOR)
		x86_need_cpl0(c, op);
	uint64_t gva = x86_ea(c, op);
	if (gva & 63)
		x86_gp(c, op, 0);
	*rfbm = ((uint32_t)c->r[0] | c->r[2] << 32) & (c->xcr0 | (op->aux & SUPERVISOR ? c->xss : 0));
	return gva;
}

/* ------ saving ------ */

static void fill(struct x86_cpu *c, uint8_t *a, const struct component *e, uint32_t at)
{
	if (e->bit == XS_AVX)
		xs_put_vectors(c, a + at, 1, xs_vector_count(c));
	else
		put32(a + at, (uint32_t)c->pkru);
}

/* Components in `write`, and MXCSR where asked. Outside 64-bit mode only eight registers are written. */
static void store_components(struct x86_cpu *c, const struct x86_op *op, uint64_t gva, uint64_t rfbm, uint64_t write,
			     bool mxcsr)
{
	uint8_t a[AREA_PKRU_END];
	unsigned n = xs_vector_count(c);
	memset(a, 0, sizeof a);
	xs_put_x87(c, a, op->aux & WIDE);
	xs_put_mxcsr(c, a);
	if (write & XS_X87) {
		store(c, op, gva, a, 0, AREA_MXCSR);
		store(c, op, gva, a, AREA_X87, AREA_XMM);
	}
	if (mxcsr)
		store(c, op, gva, a, AREA_MXCSR, AREA_MXCSR + 8);
	if (write & XS_SSE) {
		xs_put_vectors(c, a + AREA_XMM, 0, n);
		store(c, op, gva, a, AREA_XMM, AREA_XMM + 16 * n);
	}
	for (const struct component *e = extended; e < extended + EXTENDED; e++) {
		uint32_t at = offset_of(e, rfbm, op->aux & COMPACT);
		if (!(write & e->bit))
			continue;
		fill(c, a, e, at);
		store(c, op, gva, a, at, at + (e->bit == XS_AVX ? 16 * n : e->size));
	}
}

static void probe(struct x86_cpu *c, const struct x86_op *op, uint64_t gva, uint64_t rfbm)
{
	uint32_t size = x86_xsave_size(rfbm, op->aux & COMPACT);
	x86_probe_write(c, op, gva, 16);
	x86_probe_write(c, op, gva + size - 8, 8);
}

/* XSAVE, XSAVEOPT. */
static const struct x86_op *xsave(struct x86_cpu *c, const struct x86_op *op)
{
	uint64_t rfbm, used, bv, gva = address(c, op, &rfbm);
	probe(c, op, gva, rfbm);
	bv = x86_ld64(c, op, gva + AREA_LEGACY);
	used = xs_in_use(c);
	store_components(c, op, gva, rfbm, op->aux & OPT ? rfbm & used : rfbm, rfbm & (XS_SSE | XS_AVX));
	x86_st64(c, op, gva + AREA_LEGACY, (bv & ~rfbm) | (used & rfbm));
	return NEXT(op);
}

/* XSAVEC, XSAVES: MXCSR belongs to the SSE component here. */
static const struct x86_op *xsavec(struct x86_cpu *c, const struct x86_op *op)
{
	uint64_t rfbm, write, gva = address(c, op, &rfbm);
	uint8_t header[16];
	x86_fp_collect(c);
	write = rfbm & (xs_in_use(c) | (c->mxcsr != X86_MXCSR_RESET ? XS_SSE : 0));
	probe(c, op, gva, rfbm);
	put64(header, write);
	put64(header + 8, rfbm | XS_COMPACT);
	store_components(c, op, gva, rfbm, write, write & XS_SSE);
	x86_st(c, op, gva + AREA_LEGACY, header, 16);
	return NEXT(op);
}

/* ------ restoring ------ */

struct image {
	uint8_t a[AREA_PKRU_END];
	uint64_t bv, comp;
	bool compact;
};

static void check_header(struct x86_cpu *c, const struct x86_op *op, const struct image *m)
{
	uint64_t known = c->xcr0 | (op->aux & SUPERVISOR ? c->xss : 0);
	bool bad = m->bv & ~known;
	for (unsigned i = 16; i < (m->compact ? 64 : 24); i++)
		bad |= m->a[AREA_LEGACY + i] != 0;
	if (m->compact)
		bad |= (m->comp & ~XS_COMPACT & ~known) || (m->bv & ~m->comp) || !x86_has(c, X86_F_XSAVEC);
	else
		bad |= m->comp || op->aux & SUPERVISOR;
	if (bad)
		x86_gp(c, op, 0);
}

/* Only what is restored is read; a bad MXCSR is found before anything is committed. */
static void load_image(struct x86_cpu *c, const struct x86_op *op, uint64_t gva, uint64_t rfbm, struct image *m)
{
	uint64_t want = rfbm & m->bv;
	bool mxcsr = m->compact ? want & XS_SSE : rfbm & (XS_SSE | XS_AVX);
	if (want & XS_X87) {
		load(c, op, gva, m->a, 0, AREA_MXCSR);
		load(c, op, gva, m->a, AREA_X87, AREA_XMM);
	}
	if (mxcsr)
		load(c, op, gva, m->a, AREA_MXCSR, AREA_MXCSR + 8);
	if (mxcsr && get32(m->a + AREA_MXCSR) & ~(uint32_t)X86_MXCSR_VALID)
		x86_gp(c, op, 0);
	if (want & XS_SSE)
		load(c, op, gva, m->a, AREA_XMM, AREA_XMM + 16 * xs_vector_count(c));
	for (const struct component *e = extended; e < extended + EXTENDED; e++) {
		uint32_t at = offset_of(e, m->comp, m->compact);
		if (want & e->bit)
			load(c, op, gva, m->a, at, at + (e->bit == XS_AVX ? 16 * xs_vector_count(c) : e->size));
	}
}

static void take_image(struct x86_cpu *c, const struct x86_op *op, uint64_t rfbm, const struct image *m)
{
	unsigned n = xs_vector_count(c);
	uint64_t want = rfbm & m->bv;
	if (want & XS_X87)
		xs_take_x87(c, m->a, op->aux & WIDE);
	else if (rfbm & XS_X87)
		xs_init_x87(c);
	if (m->compact && rfbm & XS_SSE)
		xs_set_mxcsr(c, want & XS_SSE ? get32(m->a + AREA_MXCSR) : X86_MXCSR_RESET);
	else if (!m->compact && rfbm & (XS_SSE | XS_AVX))
		xs_set_mxcsr(c, get32(m->a + AREA_MXCSR));
	if (rfbm & XS_SSE)
		xs_take_vectors(c, want & XS_SSE ? m->a + AREA_XMM : NULL, 0, n);
	if (rfbm & XS_AVX)
		xs_take_vectors(c, want & XS_AVX ? m->a + offset_of(&extended[0], m->comp, m->compact) : NULL, 1, n);
	if (rfbm & XS_PKRU)
		xs_set_pkru(c, want & XS_PKRU ? get32(m->a + offset_of(&extended[1], m->comp, m->compact)) : 0);
}

/* XRSTOR, XRSTORS. */
static const struct x86_op *xrstor(struct x86_cpu *c, const struct x86_op *op)
{
	struct image m;
	uint64_t rfbm, gva = address(c, op, &rfbm);
	load(c, op, gva, m.a, AREA_LEGACY, AREA_HEADER_END);
	m.bv = get64(m.a + AREA_LEGACY);
	m.comp = get64(m.a + AREA_LEGACY + 8);
	m.compact = m.comp & XS_COMPACT;
	check_header(c, op, &m);
	load_image(c, op, gva, rfbm, &m);
	take_image(c, op, rfbm, &m);
	return NEXT(op);
}

x86_fn xs_translate(const struct x86_insn *d, struct x86_op *op)
{
	static const struct {
		uint16_t mnemonic;
		uint8_t aux;
		x86_fn fn;
	} rows[] = {
#define BOTH(NAME, aux, fn) {ZYDIS_MNEMONIC_##NAME, aux, fn}, {ZYDIS_MNEMONIC_##NAME##64, (aux) | WIDE, fn}
		BOTH(XSAVE, 0, xsave),         BOTH(XSAVEOPT, OPT, xsave),
		BOTH(XSAVEC, COMPACT, xsavec), BOTH(XSAVES, COMPACT | SUPERVISOR, xsavec),
		BOTH(XRSTOR, 0, xrstor),       BOTH(XRSTORS, SUPERVISOR, xrstor),
	};
	for (unsigned n = 0; n < sizeof rows / sizeof rows[0]; n++) {
		if (rows[n].mnemonic != d->i.mnemonic)
			continue;
		op->aux = rows[n].aux;
		return rows[n].fn;
	}
	return NULL;
}
