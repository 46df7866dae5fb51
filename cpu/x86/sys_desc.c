/* sys_desc.c - descriptors in memory and in segment registers, the checks on stacks, the stacks of far transfers (SDM
 * vol. 3, 3.4.5 and 5.3). */
#include "sys.h"

void x86_desc_parse(struct x86_desc *d)
{
	d->base = d->lo >> 16 | (d->hi & 0xff) << 16 | (d->hi & 0xff000000);
	d->limit = (d->lo & 0xffff) | (d->hi & 0xf0000);
	d->attr = d->hi >> 8 & 0xf0ff;
	if (d->attr & SEG_G)
		d->limit = d->limit << 12 | 0xfff;
}

bool x86_desc_read(struct x86_cpu *c, const struct x86_op *op, uint16_t sel, struct x86_desc *d)
{
	const struct x86_seg *ldt = &c->seg[X86_LDTR];
	uint64_t base = c->gdt_base;
	uint32_t limit = c->gdt_limit, offset = sel & ~7u;
	memset(d, 0, sizeof *d);
	d->sel = sel;
	if (!(sel & ~3))
		return false;
	if (sel & 4) {
		if (ldt->attr & SEG_UNUSABLE)
			return false;
		base = ldt->base;
		limit = ldt->limit;
	}
	if (offset + 7 > limit)
		return false;
	d->addr = x86_lma(c) ? base + offset : (uint32_t)(base + offset);
	uint64_t v = x86_ld_sys(c, op, d->addr, 8);
	d->lo = (uint32_t)v;
	d->hi = (uint32_t)(v >> 32);
	x86_desc_parse(d);
	return true;
}

void x86_desc_read_upper(struct x86_cpu *c, const struct x86_op *op, struct x86_desc *d)
{
	uint32_t limit = d->sel & 4 ? c->seg[X86_LDTR].limit : c->gdt_limit;
	if ((d->sel & ~7u) + 15 > limit)
		x86_gp(c, op, d->sel & ~3u);
	uint64_t v = x86_ld_sys(c, op, d->addr + 8, 8);
	d->hi2 = (uint32_t)v;
	d->hi3 = (uint32_t)(v >> 32);
}

void x86_desc_access(struct x86_cpu *c, const struct x86_op *op, struct x86_desc *d)
{
	if (!(d->attr & SEG_S) || (d->attr & SEG_ACCESSED))
		return;
	d->attr |= SEG_ACCESSED;
	x86_st_sys(c, op, d->addr + 5, 1, d->attr & 0xff);
}

void x86_seg_set(struct x86_cpu *c, int seg, uint16_t sel, const struct x86_desc *d)
{
	c->seg[seg] = (struct x86_seg){.base = d->base, .limit = d->limit, .attr = d->attr, .sel = sel};
}

void x86_seg_null(struct x86_cpu *c, int seg, uint16_t sel, unsigned dpl)
{
	c->seg[seg] = (struct x86_seg){.attr = SEG_UNUSABLE | dpl << 5, .sel = sel};
}

/* Real and virtual-8086 mode: the base alone follows the selector; in real mode limit and attributes stay (SDM vol.
 * 3, 20.1.1). */
void x86_seg_real(struct x86_cpu *c, int seg, uint16_t sel)
{
	struct x86_seg *s = &c->seg[seg];
	s->sel = sel;
	s->base = (uint32_t)sel << 4;
	if (c->eflags & X86_VM) {
		s->limit = 0xffff;
		s->attr = 0xf3;
	} else if (s->attr & SEG_UNUSABLE) {
		s->limit = 0xffff;
		s->attr = 0x93;
	}
}

bool x86_in_limit(const struct x86_seg *s, uint64_t offset, unsigned size)
{
	uint64_t last = offset + size - 1;
	if ((s->attr & (SEG_S | SEG_CODE | SEG_EXPDOWN)) == (SEG_S | SEG_EXPDOWN))
		return offset > s->limit && last <= (s->attr & SEG_DB ? 0xffffffffu : 0xffffu);
	return last <= s->limit || s->limit == 0xffffffffu;
}

void x86_check_ss(struct x86_cpu *c, const struct x86_op *op, uint16_t sel, unsigned cpl, int fault, unsigned ext,
	struct x86_desc *d)
{
	int error = (int)((sel & ~3u) | ext);
	if (!(sel & ~3))
		x86_raise(c, op, fault, (int)ext);
	if (!x86_desc_read(c, op, sel, d) || (sel & 3) != cpl || desc_dpl(d) != cpl || !desc_is_writable_data(d))
		x86_raise(c, op, fault, error);
	if (!(d->attr & SEG_P))
		x86_raise(c, op, X86_SS_FAULT, error);
}

void x86_stk_own(struct x86_cpu *c, struct x86_stk *s)
{
	memset(s, 0, sizeof *s);
	s->ss = c->seg[X86_SS];
	s->sp = c->r[4];
	s->flat64 = c->mode == X86_MODE_LONG;
	s->mask = s->flat64 ? ~(uint64_t)0 : s->ss.attr & SEG_DB ? 0xffffffffu : 0xffffu;
}

static uint64_t stk_linear(
	struct x86_cpu *c, const struct x86_op *op, const struct x86_stk *s, uint64_t sp, unsigned size)
{
	if (s->flat64) {
		if (!x86_canonical(c, sp) || !x86_canonical(c, sp + size - 1))
			x86_raise(c, op, X86_SS_FAULT, (int)s->error);
		return sp;
	}
	if ((s->ss.attr & SEG_UNUSABLE) || !x86_in_limit(&s->ss, sp, size))
		x86_raise(c, op, X86_SS_FAULT, (int)s->error);
	return (uint32_t)(s->ss.base + sp);
}

void x86_stk_push(struct x86_cpu *c, const struct x86_op *op, struct x86_stk *s, unsigned size, uint64_t v)
{
	uint64_t sp = (s->sp - size) & s->mask;
	uint64_t at = stk_linear(c, op, s, sp, size);
	if (s->system)
		x86_st_sys(c, op, at, size, v);
	else
		x86_st(c, op, at, &v, size);
	s->sp = (s->sp & ~s->mask) | sp;
}

uint64_t x86_stk_pop(struct x86_cpu *c, const struct x86_op *op, struct x86_stk *s, unsigned size)
{
	uint64_t v = 0, sp = s->sp & s->mask;
	uint64_t at = stk_linear(c, op, s, sp, size);
	if (s->system)
		v = x86_ld_sys(c, op, at, size);
	else
		x86_ld(c, op, at, &v, size);
	s->sp = (s->sp & ~s->mask) | ((sp + size) & s->mask);
	return v;
}

void x86_set_sp(struct x86_cpu *c, const struct x86_stk *s)
{
	c->r[4] = (c->r[4] & ~s->mask) | (s->sp & s->mask);
	if (s->mask == 0xffffffffu)
		c->r[4] = (uint32_t)c->r[4];
}

void x86_stk_inner(
	struct x86_cpu *c, const struct x86_op *op, unsigned dpl, unsigned ext, struct x86_stk *s, struct x86_desc *ssd)
{
	const struct x86_seg *tr = &c->seg[X86_TR];
	bool big = tr->attr & 8; /* 32-bit TSS */
	unsigned at = big ? 4 + dpl * 8 : 2 + dpl * 4, last = at + (big ? 5 : 3);
	if (last > tr->limit)
		x86_raise(c, op, X86_TS, (int)((tr->sel & ~3u) | ext));
	memset(s, 0, sizeof *s);
	s->sp = x86_ld_sys(c, op, tr->base + at, big ? 4 : 2);
	uint16_t sel = (uint16_t)x86_ld_sys(c, op, tr->base + at + (big ? 4 : 2), 2);
	x86_check_ss(c, op, sel, dpl, X86_TS, ext, ssd);
	s->ss = (struct x86_seg){.base = ssd->base, .limit = ssd->limit, .attr = ssd->attr, .sel = sel};
	s->mask = ssd->attr & SEG_DB ? 0xffffffffu : 0xffffu;
	s->system = true;
	s->error = (sel & ~3u) | ext;
}

void x86_stk_inner64(
	struct x86_cpu *c, const struct x86_op *op, unsigned dpl, unsigned ist, unsigned ext, struct x86_stk *s)
{
	const struct x86_seg *tr = &c->seg[X86_TR];
	unsigned at = ist ? 0x24 + (ist - 1) * 8 : 4 + dpl * 8; /* SDM vol. 3, figure 8-11 */
	if (at + 7 > tr->limit)
		x86_raise(c, op, X86_TS, (int)((tr->sel & ~3u) | ext));
	memset(s, 0, sizeof *s);
	s->sp = x86_ld_sys(c, op, tr->base + at, 8);
	s->mask = ~(uint64_t)0;
	s->flat64 = s->system = true;
	s->error = ext;
}
