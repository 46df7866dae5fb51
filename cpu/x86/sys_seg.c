/* sys_seg.c - segment registers: loads with their checks, the derived mode, addresses with limit checks (SDM vol.
 * 3, 3.4, 5.2 - 5.7). */
#include "sys.h"

static enum x86_mode mode_now(const struct x86_cpu *c)
{
	uint32_t cs = c->seg[X86_CS].attr;
	if (!(c->cr0 & CR0_PE))
		return X86_MODE_REAL;
	if (c->eflags & X86_VM)
		return X86_MODE_VM86;
	if (!(c->efer & EFER_LMA))
		return cs & SEG_DB ? X86_MODE_PROT32 : X86_MODE_PROT16;
	if (cs & SEG_L)
		return X86_MODE_LONG;
	return cs & SEG_DB ? X86_MODE_COMPAT32 : X86_MODE_COMPAT16;
}

static bool is_flat(const struct x86_seg *s)
{
	return s->limit == 0xffffffffu &&
	       (s->attr & (SEG_UNUSABLE | SEG_P | SEG_S | SEG_CODE | SEG_EXPDOWN | SEG_W)) == (SEG_P | SEG_S | SEG_W);
}

static void update_mmu_mode(struct x86_cpu *c)
{
	if (c->cpl == 3)
		c->mmu_mode = X86_MMU_USER;
	else
		c->mmu_mode = (c->cr4 & CR4_SMAP) && !(c->eflags & X86_AC_) ? X86_MMU_KERNEL_SMAP : X86_MMU_KERNEL;
	c->align_check = c->cpl == 3 && (c->cr0 & CR0_AM) && (c->eflags & X86_AC_);
	c->tlb = &c->tlbs[c->align_check ? (unsigned)X86_TLB_NONE : c->mmu_mode];
}

void x86_update_mode(struct x86_cpu *c)
{
	static const uint8_t data[] = {X86_ES, X86_SS, X86_DS, X86_FS, X86_GS};
	c->mode = (uint8_t)mode_now(c);
	c->canonical_half = (uint64_t)1 << (c->cr4 & CR4_LA57 ? 56 : 47);
	c->cpl = c->mode == X86_MODE_REAL ? 0 : c->mode == X86_MODE_VM86 ? 3 : c->seg[X86_SS].attr >> 5 & 3;
	bool lm = c->mode == X86_MODE_LONG;
	c->flat = 0;
	for (int i = X86_ES; i <= X86_GS; i++)
		c->segbase[i] = lm && i < X86_FS ? 0 : c->seg[i].base;
	c->segbase[6] = c->segbase[7] = 0;
	for (unsigned i = 0; !lm && i < sizeof data; i++)
		if (is_flat(&c->seg[data[i]]))
			c->flat |= (uint8_t)(1 << data[i]);
	update_mmu_mode(c);
	x86_update_vex(c);
}

void x86_write_eflags(struct x86_cpu *c, uint32_t value, uint32_t mask)
{
	uint32_t old = c->eflags;
	if (mask & X86_ARITH)
		x86_set_arith_flags(c, ((value & mask) | (x86_arith_flags(c) & ~mask)) & X86_ARITH);
	mask &= ~(uint32_t)X86_ARITH;
	c->eflags = (old & ~mask) | (value & mask) | 2;
	c->rf_loaded = value & mask & X86_RF;
	uint32_t changed = old ^ c->eflags;
	if (changed & X86_VM)
		x86_update_mode(c);
	else if (changed & X86_AC_)
		update_mmu_mode(c);
	if (changed & (X86_TF | X86_RF))
		x86_update_debug(c);
}

/* ------ addresses ------ */

uint64_t x86_linear(struct x86_cpu *c, const struct x86_op *op, int seg, uint64_t offset, unsigned size, bool write)
{
	const struct x86_seg *s = &c->seg[seg];
	if (c->mode == X86_MODE_LONG)
		return offset + c->segbase[seg];
	if (c->flat >> seg & 1)
		return (uint32_t)(s->base + offset);
	int fault = seg == X86_SS ? X86_SS_FAULT : X86_GP_FAULT;
	if (x86_protected(c)) {
		if (s->attr & SEG_UNUSABLE)
			x86_raise(c, op, fault, 0);
		bool code = s->attr & SEG_CODE;
		if (write ? code || !(s->attr & SEG_W)
			  : code && !(s->attr & SEG_W)) /* bit 1: writable data, readable code */
			x86_gp(c, op, 0);
	}
	if (!x86_in_limit(s, offset, size))
		x86_raise(c, op, fault, 0);
	return (uint32_t)(s->base + offset);
}

uint64_t x86_ea_slow(struct x86_cpu *c, const struct x86_op *op)
{
	uint64_t off = c->r[op->base] + (c->r[op->index] << (op->scale & X86_EA_SHIFT)) + (uint64_t)(int64_t)op->disp;
	if (op->flags & X86_OPF_ADDR16)
		off = (uint16_t)off;
	else if ((op->flags & X86_OPF_ADDR32) || c->mode != X86_MODE_LONG)
		off = (uint32_t)off;
	if (op->seg >= X86_LDTR)
		return off;
	if (c->mode == X86_MODE_LONG)
		return off + c->segbase[op->seg];
	unsigned size = op->scale >> X86_EA_SIZE_SHIFT;
	size += size == 31;
	return x86_linear(c, op, op->seg, off, size ? size : 1, op->scale & X86_EA_WRITE);
}

/* ------ loads ------ */

static void load_ss(struct x86_cpu *c, const struct x86_op *op, uint16_t sel)
{
	struct x86_desc d;
	if (!(sel & ~3) && c->mode == X86_MODE_LONG && c->cpl < 3 && (sel & 3) == c->cpl) {
		x86_seg_null(c, X86_SS, sel, c->cpl);
		return;
	}
	x86_check_ss(c, op, sel, c->cpl, X86_GP_FAULT, 0, &d);
	x86_desc_access(c, op, &d);
	x86_seg_set(c, X86_SS, sel, &d);
}

static void load_data(struct x86_cpu *c, const struct x86_op *op, int seg, uint16_t sel)
{
	struct x86_desc d;
	if (!(sel & ~3)) {
		x86_seg_null(c, seg, sel, 0);
		return;
	}
	unsigned error = sel & ~3u, rpl = sel & 3;
	if (!x86_desc_read(c, op, sel, &d) || !(d.attr & SEG_S) || (desc_is_code(&d) && !(d.attr & SEG_W)))
		x86_gp(c, op, error);
	if (!desc_is_conforming(&d) && (rpl > desc_dpl(&d) || c->cpl > desc_dpl(&d)))
		x86_gp(c, op, error);
	if (!(d.attr & SEG_P))
		x86_raise(c, op, X86_NP, (int)error);
	x86_desc_access(c, op, &d);
	x86_seg_set(c, seg, sel, &d);
}

void x86_load_seg(struct x86_cpu *c, const struct x86_op *op, int seg, uint16_t sel)
{
	if (!x86_protected(c))
		x86_seg_real(c, seg, sel);
	else if (seg == X86_SS)
		load_ss(c, op, sel);
	else
		load_data(c, op, seg, sel);
	x86_update_mode(c);
}

/* ------ MOV, PUSH, POP, LDS ... ------ */

const struct x86_op *x86_sys_mov_to_sreg(struct x86_cpu *c, const struct x86_op *op)
{
	uint16_t sel = x86_rm16(c, op, op->src);
	x86_load_seg(c, op, op->dst, sel);
	if (op->dst == X86_SS)
		c->shadow = 2;
	return x86_end(c, op);
}

const struct x86_op *x86_sys_mov_from_sreg(struct x86_cpu *c, const struct x86_op *op)
{
	uint16_t sel = c->seg[op->src].sel;
	if (op->aux & X86_AUX_MEM)
		x86_st16(c, op, x86_ea(c, op), sel);
	else
		x86_put_reg(c, op->dst, op->size, sel);
	return NEXT(op);
}

const struct x86_op *x86_sys_push_sreg(struct x86_cpu *c, const struct x86_op *op)
{
	struct x86_stk s;
	x86_stk_own(c, &s);
	uint64_t sp = (s.sp - op->size) & s.mask;
	/* Only the selector's two bytes are written, the slot is op->size wide (SDM vol. 2, PUSH). */
	struct x86_stk slot = s;
	slot.sp = (s.sp & ~s.mask) | ((sp + 2) & s.mask);
	x86_stk_push(c, op, &slot, 2, c->seg[op->src].sel);
	s.sp = (s.sp & ~s.mask) | sp;
	x86_set_sp(c, &s);
	return NEXT(op);
}

const struct x86_op *x86_sys_pop_sreg(struct x86_cpu *c, const struct x86_op *op)
{
	struct x86_stk s;
	x86_stk_own(c, &s);
	uint16_t sel = (uint16_t)x86_stk_pop(c, op, &s, 2);
	s.sp = (s.sp & ~s.mask) | ((s.sp + op->size - 2) & s.mask);
	x86_load_seg(c, op, op->dst, sel);
	x86_set_sp(c, &s);
	if (op->dst == X86_SS)
		c->shadow = 2;
	return x86_end(c, op);
}

/* LDS LES LFS LGS LSS: dst the general register, src the segment. */
const struct x86_op *x86_sys_load_far_ptr(struct x86_cpu *c, const struct x86_op *op)
{
	uint64_t at = x86_ea(c, op), offset = 0;
	x86_ld(c, op, at, &offset, op->size);
	uint16_t sel = x86_ld16(c, op, at + op->size);
	x86_load_seg(c, op, op->src, sel);
	x86_put_reg(c, op->dst, op->size, offset);
	return x86_end(c, op);
}

const struct x86_op *x86_sys_swapgs(struct x86_cpu *c, const struct x86_op *op)
{
	x86_need_cpl0(c, op);
	uint64_t base = c->seg[X86_GS].base;
	c->seg[X86_GS].base = c->segbase[X86_GS] = c->kernel_gs_base;
	c->kernel_gs_base = base;
	return NEXT(op);
}

const struct x86_op *x86_sys_rdfsbase(struct x86_cpu *c, const struct x86_op *op)
{
	if (!(c->cr4 & CR4_FSGSBASE))
		x86_ud(c, op);
	x86_put_reg(c, op->dst, op->size, c->seg[op->src].base);
	return NEXT(op);
}

const struct x86_op *x86_sys_wrfsbase(struct x86_cpu *c, const struct x86_op *op)
{
	if (!(c->cr4 & CR4_FSGSBASE))
		x86_ud(c, op);
	uint64_t base = op->size == 8 ? c->r[op->src] : (uint32_t)c->r[op->src];
	if (!x86_canonical_base(c, base))
		x86_gp(c, op, 0);
	c->seg[op->dst].base = c->segbase[op->dst] = base;
	return NEXT(op);
}
