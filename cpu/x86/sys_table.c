/* sys_table.c - descriptor-table registers and the instructions that look at descriptors: LGDT .. STR, LAR, LSL, VERR,
 * VERW (SDM vol. 2). */
#include "sys.h"

static void need_protected(struct x86_cpu *c, const struct x86_op *op)
{
	if (!x86_protected(c))
		x86_ud(c, op);
}

static void umip(struct x86_cpu *c, const struct x86_op *op)
{
	if ((c->cr4 & CR4_UMIP) && c->cpl && (c->cr0 & CR0_PE))
		x86_gp(c, op, 0);
}

static const struct x86_op *load_table(struct x86_cpu *c, const struct x86_op *op, uint64_t *base, uint32_t *limit)
{
	x86_need_cpl0(c, op);
	bool lm = c->mode == X86_MODE_LONG;
	uint64_t at = x86_ea(c, op), b = 0;
	uint16_t l = x86_ld16(c, op, at);
	x86_ld(c, op, at + 2, &b, lm ? 8 : 4);
	if (!lm && op->size == 2)
		b &= 0xffffff;
	if (lm && !x86_canonical_base(c, b))
		x86_gp(c, op, 0);
	*base = b;
	*limit = l;
	return NEXT(op);
}

const struct x86_op *x86_sys_lgdt(struct x86_cpu *c, const struct x86_op *op)
{
	return load_table(c, op, &c->gdt_base, &c->gdt_limit);
}

const struct x86_op *x86_sys_lidt(struct x86_cpu *c, const struct x86_op *op)
{
	return load_table(c, op, &c->idt_base, &c->idt_limit);
}

static const struct x86_op *store_table(struct x86_cpu *c, const struct x86_op *op, uint64_t base, uint32_t limit)
{
	umip(c, op);
	uint64_t at = x86_ea(c, op);
	unsigned n = c->mode == X86_MODE_LONG ? 8 : 4;
	x86_probe_write(c, op, at, n + 2);
	x86_st16(c, op, at, (uint16_t)limit);
	x86_st(c, op, at + 2, &base, n);
	return NEXT(op);
}

const struct x86_op *x86_sys_sgdt(struct x86_cpu *c, const struct x86_op *op)
{
	return store_table(c, op, c->gdt_base, c->gdt_limit);
}

const struct x86_op *x86_sys_sidt(struct x86_cpu *c, const struct x86_op *op)
{
	return store_table(c, op, c->idt_base, c->idt_limit);
}

static const struct x86_op *store_sel(struct x86_cpu *c, const struct x86_op *op, uint16_t sel)
{
	need_protected(c, op);
	umip(c, op);
	if (op->aux & X86_AUX_MEM)
		x86_st16(c, op, x86_ea(c, op), sel);
	else
		x86_put_reg(c, op->dst, op->size, sel);
	return NEXT(op);
}

const struct x86_op *x86_sys_sldt(struct x86_cpu *c, const struct x86_op *op)
{
	return store_sel(c, op, c->seg[X86_LDTR].sel);
}

const struct x86_op *x86_sys_str(struct x86_cpu *c, const struct x86_op *op)
{
	return store_sel(c, op, c->seg[X86_TR].sel);
}

/* A system descriptor of the GDT for LLDT and LTR; in IA-32e mode with its upper half. */
static void read_system(struct x86_cpu *c, const struct x86_op *op, uint16_t sel, struct x86_desc *d)
{
	if ((sel & 4) || !x86_desc_read(c, op, sel, d) || (d->attr & SEG_S))
		x86_gp(c, op, sel & ~3u);
	if (!x86_lma(c))
		return;
	x86_desc_read_upper(c, op, d);
	d->base |= (uint64_t)d->hi2 << 32;
	if ((d->hi3 >> 8 & 0x1f) || !x86_canonical_base(c, d->base))
		x86_gp(c, op, sel & ~3u);
}

const struct x86_op *x86_sys_lldt(struct x86_cpu *c, const struct x86_op *op)
{
	struct x86_desc d;
	need_protected(c, op);
	x86_need_cpl0(c, op);
	uint16_t sel = x86_rm16(c, op, op->src);
	if (!(sel & ~3)) {
		x86_seg_null(c, X86_LDTR, sel, 0);
		return NEXT(op);
	}
	read_system(c, op, sel, &d);
	if ((d.attr & 0xf) != SYS_LDT)
		x86_gp(c, op, sel & ~3u);
	if (!(d.attr & SEG_P))
		x86_raise(c, op, X86_NP, sel & ~3);
	x86_seg_set(c, X86_LDTR, sel, &d);
	return NEXT(op);
}

const struct x86_op *x86_sys_ltr(struct x86_cpu *c, const struct x86_op *op)
{
	struct x86_desc d;
	need_protected(c, op);
	x86_need_cpl0(c, op);
	uint16_t sel = x86_rm16(c, op, op->src);
	if (!(sel & ~3))
		x86_gp(c, op, 0);
	read_system(c, op, sel, &d);
	unsigned type = d.attr & 0xf;
	if (type != SYS_TSS32 && (type != SYS_TSS16 || x86_lma(c)))
		x86_gp(c, op, sel & ~3u);
	if (!(d.attr & SEG_P))
		x86_raise(c, op, X86_NP, sel & ~3);
	d.attr |= 2; /* busy */
	x86_st_sys(c, op, d.addr + 5, 1, d.attr & 0xff);
	x86_seg_set(c, X86_TR, sel, &d);
	return NEXT(op);
}

static void set_zf(struct x86_cpu *c, bool zf)
{
	x86_set_arith_flags(c, (x86_arith_flags(c) & ~(uint32_t)X86_ZF) | (zf ? X86_ZF : 0));
}

/* The selector's RPL is raised to that of the other one (SDM vol. 2, ARPL). */
/* Memory is written only when it changes. */
const struct x86_op *x86_sys_arpl(struct x86_cpu *c, const struct x86_op *op)
{
	need_protected(c, op);
	bool mem = op->aux & X86_AUX_MEM;
	uint64_t at = mem ? x86_ea(c, op) : 0;
	uint16_t sel = mem ? x86_ld16(c, op, at) : (uint16_t)c->r[op->dst];
	unsigned rpl = c->r[op->src] & 3;
	bool raise = (sel & 3u) < rpl;
	sel = raise ? (uint16_t)((sel & ~3u) | rpl) : sel;
	if (mem && raise)
		x86_st16(c, op, at, sel);
	else if (raise)
		x86_put_reg(c, op->dst, 2, sel);
	set_zf(c, raise);
	return NEXT(op);
}

/* Types that LAR and LSL accept beside code and data, one bit a type (SDM vol. 2, LAR and LSL). */
enum { LAR_LEGACY = 0x1a3e, LAR_LONG = 0x1a04, LSL_LEGACY = 0x0a0e, LSL_LONG = 0x0a04 };

static bool visible(struct x86_cpu *c, const struct x86_op *op, uint16_t sel, unsigned types, struct x86_desc *d)
{
	if (!x86_desc_read(c, op, sel, d))
		return false;
	if (!(d->attr & SEG_S) && !(types >> (d->attr & 0xf) & 1))
		return false;
	return desc_is_conforming(d) || (desc_dpl(d) >= c->cpl && desc_dpl(d) >= (sel & 3u));
}

const struct x86_op *x86_sys_lar(struct x86_cpu *c, const struct x86_op *op)
{
	struct x86_desc d;
	need_protected(c, op);
	uint16_t sel = x86_rm16(c, op, op->src);
	bool ok = visible(c, op, sel, x86_lma(c) ? LAR_LONG : LAR_LEGACY, &d);
	if (ok)
		x86_put_reg(c, op->dst, op->size, d.hi & 0x00f0ff00);
	set_zf(c, ok);
	return NEXT(op);
}

const struct x86_op *x86_sys_lsl(struct x86_cpu *c, const struct x86_op *op)
{
	struct x86_desc d;
	need_protected(c, op);
	uint16_t sel = x86_rm16(c, op, op->src);
	bool ok = visible(c, op, sel, x86_lma(c) ? LSL_LONG : LSL_LEGACY, &d);
	if (ok)
		x86_put_reg(c, op->dst, op->size, d.limit);
	set_zf(c, ok);
	return NEXT(op);
}

const struct x86_op *x86_sys_verr(struct x86_cpu *c, const struct x86_op *op)
{
	struct x86_desc d;
	need_protected(c, op);
	uint16_t sel = x86_rm16(c, op, op->src);
	set_zf(c, visible(c, op, sel, 0, &d) && (!desc_is_code(&d) || (d.attr & SEG_W)));
	return NEXT(op);
}

const struct x86_op *x86_sys_verw(struct x86_cpu *c, const struct x86_op *op)
{
	struct x86_desc d;
	need_protected(c, op);
	uint16_t sel = x86_rm16(c, op, op->src);
	set_zf(c, visible(c, op, sel, 0, &d) && desc_is_writable_data(&d));
	return NEXT(op);
}
