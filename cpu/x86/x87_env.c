/* x87_env.c - x87 control: FNINIT, FNCLEX, control and status words, environment images, empty marks, FWAIT. */
#include "x87.h"

void x87_check_slow(struct x86_cpu *c, const struct x86_op *op, bool waiting)
{
	if (c->cr0 & (X86_CR0_EM | X86_CR0_TS))
		x86_raise(c, op, X86_NM, -1);
	/* Without CR0.NE the FERR# pin would tell an external controller; nobody is connected to it. */
	if (waiting && (c->fsw & X87_ES) && (c->cr0 & X86_CR0_NE))
		x86_raise(c, op, X86_MF, -1);
}

void x87_init(struct x86_cpu *c)
{
	c->fcw = X87_CW_RESET;
	c->fsw = 0;
	c->ftag = 0;
	c->fop = 0;
	c->fip = c->fdp = 0;
}

/* SDM vol. 1, 8.1.7: 0 valid, 1 zero, 2 special, 3 empty. */
uint16_t x87_full_tags(const struct x86_cpu *c)
{
	unsigned tags = 0;
	for (unsigned i = 0; i < 8; i++) {
		unsigned e = c->st[i].se & 0x7fff, t = 0;
		if (!(c->ftag >> i & 1))
			t = 3;
		else if (!e && !c->st[i].sig)
			t = 1;
		else if (!e || e == 0x7fff || !(c->st[i].sig >> 63))
			t = 2;
		tags |= t << 2 * i;
	}
	return (uint16_t)tags;
}

uint8_t x87_abridged_tags(uint16_t tags)
{
	unsigned t = 0;
	for (unsigned i = 0; i < 8; i++)
		if ((tags >> 2 * i & 3) != 3)
			t |= 1u << i;
	return (uint8_t)t;
}

static const struct x86_op *fninit(struct x86_cpu *c, const struct x86_op *op)
{
	x87_check_nowait(c, op);
	x87_init(c);
	return NEXT(op);
}

static const struct x86_op *fnclex(struct x86_cpu *c, const struct x86_op *op)
{
	x87_check_nowait(c, op);
	c->fsw &= 0x7f00;
	return NEXT(op);
}

/* No control instruction: the pointers are its own. */
static const struct x86_op *fnop(struct x86_cpu *c, const struct x86_op *op)
{
	x87_check(c, op);
	x87_pointers(c, op);
	return NEXT(op);
}

/* Old coprocessors' FENI, FDISI, FSETPM. */
static const struct x86_op *old_nop(struct x86_cpu *c, const struct x86_op *op)
{
	x87_check_nowait(c, op);
	return NEXT(op);
}

/* FWAIT raises #NM only with TS and MP. */
static const struct x86_op *fwait(struct x86_cpu *c, const struct x86_op *op)
{
	if ((c->cr0 & (X86_CR0_TS | X86_CR0_MP)) == (X86_CR0_TS | X86_CR0_MP))
		x86_raise(c, op, X86_NM, -1);
	if ((c->fsw & X87_ES) && (c->cr0 & X86_CR0_NE))
		x86_raise(c, op, X86_MF, -1);
	return NEXT(op);
}

static const struct x86_op *fldcw(struct x86_cpu *c, const struct x86_op *op)
{
	uint16_t v;
	x87_check(c, op);
	v = x86_ld16(c, op, x86_ea(c, op));
	c->fcw = (v & 0x1f7f) | 0x40;
	x87_summary(c);
	return NEXT(op);
}

static const struct x86_op *fnstcw(struct x86_cpu *c, const struct x86_op *op)
{
	x87_check_nowait(c, op);
	x86_st16(c, op, x86_ea(c, op), c->fcw);
	return NEXT(op);
}

static const struct x86_op *fnstsw(struct x86_cpu *c, const struct x86_op *op)
{
	x87_check_nowait(c, op);
	x86_st16(c, op, x86_ea(c, op), c->fsw);
	return NEXT(op);
}

static const struct x86_op *fnstsw_ax(struct x86_cpu *c, const struct x86_op *op)
{
	x87_check_nowait(c, op);
	c->r[0] = (c->r[0] & ~(uint64_t)0xffff) | c->fsw;
	return NEXT(op);
}

static const struct x86_op *fincstp(struct x86_cpu *c, const struct x86_op *op)
{
	x87_check(c, op);
	x87_pointers(c, op);
	x87_set_top(c, x87_top(c) + 1);
	c->fsw &= (uint16_t)~X87_C1;
	return NEXT(op);
}

static const struct x86_op *fdecstp(struct x86_cpu *c, const struct x86_op *op)
{
	x87_check(c, op);
	x87_pointers(c, op);
	x87_set_top(c, x87_top(c) - 1);
	c->fsw &= (uint16_t)~X87_C1;
	return NEXT(op);
}

/* op->aux: pop too (FFREEP). C1 is left open by the manuals; processors clear it. */
static const struct x86_op *ffree(struct x86_cpu *c, const struct x86_op *op)
{
	x87_check(c, op);
	x87_pointers(c, op);
	c->fsw &= (uint16_t)~X87_C1;
	c->ftag &= (uint8_t)~(1u << x87_phys(c, op->src));
	if (op->aux)
		x87_pop(c);
	return NEXT(op);
}

/* ------ the environment: 7 words, or 7 double words (SDM vol. 1, figures 8-9 to 8-12) ------ */

static bool real_format(const struct x86_cpu *c)
{
	return c->mode == X86_MODE_REAL || c->mode == X86_MODE_VM86;
}

static void env_put(const struct x86_cpu *c, uint32_t e[7])
{
	uint32_t ip = (uint32_t)c->fip, dp = (uint32_t)c->fdp;
	e[0] = c->fcw;
	e[1] = c->fsw;
	e[2] = x87_full_tags(c);
	e[3] = ip;
	e[4] = (uint32_t)c->fop << 16;
	e[5] = dp;
	e[6] = 0;
	if (real_format(c)) {
		e[3] = ip & 0xffff;
		e[4] = (ip >> 16) << 12 | c->fop;
		e[5] = dp & 0xffff;
		e[6] = (dp >> 16) << 12;
	}
}

static void env_take(struct x86_cpu *c, const uint32_t e[7], bool wide)
{
	c->fcw = (e[0] & 0x1f7f) | 0x40;
	c->fsw = (uint16_t)e[1];
	c->ftag = x87_abridged_tags((uint16_t)e[2]);
	if (real_format(c)) {
		c->fip = (e[3] & 0xffff) | (wide ? (e[4] >> 12 & 0xffff) << 16 : (e[4] >> 12 & 0xf) << 16);
		c->fdp = (e[5] & 0xffff) | (wide ? (e[6] >> 12 & 0xffff) << 16 : (e[6] >> 12 & 0xf) << 16);
		c->fop = e[4] & 0x7ff;
	} else {
		c->fip = wide ? e[3] : (uint16_t)e[3];
		c->fdp = wide ? e[5] : (uint16_t)e[5];
		c->fop = wide ? e[4] >> 16 & 0x7ff : 0;
	}
	x87_summary(c);
}

/* op->size: bytes of the environment, 14 or 28. */
static unsigned env_image(const struct x86_cpu *c, const struct x86_op *op, uint8_t *out)
{
	uint32_t e[7];
	env_put(c, e);
	for (unsigned i = 0; i < 7; i++) {
		uint32_t v = e[i];
		uint16_t w = (uint16_t)v;
		if (op->size == 28) {
			/* Unused upper halves are written as ones, as processors do. */
			v |= i < 3 || (real_format(c) ? i == 3 || i == 5 : i == 6) ? 0xffff0000 : 0;
			memcpy(out + 4 * i, &v, 4);
		} else {
			if (i == 4 && !real_format(c))
				w = 0;
			memcpy(out + 2 * i, &w, 2);
		}
	}
	return op->size;
}

/* An environment is aligned as its words are, whatever lies behind it. */
static void check_area(struct x86_cpu *c, const struct x86_op *op, uint64_t gva)
{
	if (unlikely(c->align_check))
		x86_check_alignment(c, op, gva, op->size);
}

static void env_read(struct x86_cpu *c, const struct x86_op *op, uint64_t gva, uint32_t e[7])
{
	for (unsigned i = 0; i < 7; i++)
		e[i] = op->size == 28 ? x86_ld32(c, op, gva + 4 * i) : x86_ld16(c, op, gva + 2 * i);
}

static void write_image(struct x86_cpu *c, const struct x86_op *op, const uint8_t *image, unsigned size)
{
	uint64_t gva = x86_ea(c, op);
	check_area(c, op, gva);
	x86_probe_write(c, op, gva, 1);
	x86_probe_write(c, op, gva + size - 1, 1);
	for (unsigned at = 0; at < size; at += 2) {
		uint16_t w;
		memcpy(&w, image + at, 2);
		x86_st16(c, op, gva + at, w);
	}
}

static const struct x86_op *fnstenv(struct x86_cpu *c, const struct x86_op *op)
{
	uint8_t image[28];
	x87_check_nowait(c, op);
	write_image(c, op, image, env_image(c, op, image));
	c->fcw |= 0x3f;
	x87_summary(c);
	return NEXT(op);
}

static const struct x86_op *fldenv(struct x86_cpu *c, const struct x86_op *op)
{
	uint32_t e[7];
	x87_check(c, op);
	env_read(c, op, x86_ea(c, op), e);
	env_take(c, e, op->size == 28);
	return NEXT(op);
}

static const struct x86_op *fnsave(struct x86_cpu *c, const struct x86_op *op)
{
	uint8_t image[108];
	unsigned at;
	x87_check_nowait(c, op);
	at = env_image(c, op, image);
	for (unsigned i = 0; i < 8; i++, at += 10) {
		struct x86_f80 v = x87_get(c, i);
		memcpy(image + at, &v.sig, 8);
		memcpy(image + at + 8, &v.se, 2);
	}
	write_image(c, op, image, at);
	x87_init(c);
	return NEXT(op);
}

static const struct x86_op *frstor(struct x86_cpu *c, const struct x86_op *op)
{
	struct x86_f80 st[8];
	uint32_t e[7];
	uint64_t gva;
	x87_check(c, op);
	gva = x86_ea(c, op);
	env_read(c, op, gva, e);
	for (unsigned i = 0; i < 8; i++) {
		uint64_t at = gva + op->size + 10 * i;
		st[i].sig = 0;
		for (unsigned n = 0; n < 4; n++)
			st[i].sig |= (uint64_t)x86_ld16(c, op, at + 2 * n) << 16 * n;
		st[i].se = x86_ld16(c, op, at + 8);
	}
	env_take(c, e, op->size == 28);
	for (unsigned i = 0; i < 8; i++)
		c->st[x87_phys(c, i)] = st[i];
	return NEXT(op);
}

x86_fn x87_translate_env(const struct x86_insn *d, struct x86_op *op)
{
	static const struct {
		uint16_t mnemonic;
		x86_fn reg, mem;
	} rows[] = {
		{ZYDIS_MNEMONIC_FNINIT, fninit, NULL},         {ZYDIS_MNEMONIC_FNCLEX, fnclex, NULL},
		{ZYDIS_MNEMONIC_FNOP, fnop, NULL},             {ZYDIS_MNEMONIC_FWAIT, fwait, NULL},
		{ZYDIS_MNEMONIC_FLDCW, NULL, fldcw},           {ZYDIS_MNEMONIC_FNSTCW, NULL, fnstcw},
		{ZYDIS_MNEMONIC_FNSTSW, fnstsw_ax, fnstsw},    {ZYDIS_MNEMONIC_FINCSTP, fincstp, NULL},
		{ZYDIS_MNEMONIC_FDECSTP, fdecstp, NULL},       {ZYDIS_MNEMONIC_FFREE, ffree, NULL},
		{ZYDIS_MNEMONIC_FFREEP, ffree, NULL},          {ZYDIS_MNEMONIC_FNSTENV, NULL, fnstenv},
		{ZYDIS_MNEMONIC_FLDENV, NULL, fldenv},         {ZYDIS_MNEMONIC_FNSAVE, NULL, fnsave},
		{ZYDIS_MNEMONIC_FRSTOR, NULL, frstor},         {ZYDIS_MNEMONIC_FENI8087_NOP, old_nop, NULL},
		{ZYDIS_MNEMONIC_FDISI8087_NOP, old_nop, NULL}, {ZYDIS_MNEMONIC_FSETPM287_NOP, old_nop, NULL},
	};
	for (unsigned n = 0; n < sizeof rows / sizeof rows[0]; n++) {
		if (rows[n].mnemonic != d->i.mnemonic)
			continue;
		op->src = d->i.raw.modrm.rm;
		op->aux = d->i.mnemonic == ZYDIS_MNEMONIC_FFREEP;
		op->size = d->i.operand_width == 16 ? 14 : 28;
		return d->i.mnemonic != ZYDIS_MNEMONIC_FWAIT && d->i.raw.modrm.mod != 3 ? rows[n].mem : rows[n].reg;
	}
	return NULL;
}
