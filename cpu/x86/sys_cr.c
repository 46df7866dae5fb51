/* sys_cr.c - control registers: MOV CR, CLTS, LMSW, SMSW, XGETBV, XSETBV, with their faults and what follows from a
 * change (SDM vol. 3, 2.5, 4.1). */
#include "sys.h"

uint64_t x86_cr4_valid(const struct x86_cpu *c)
{
	static const struct {
		uint32_t bit;
		uint16_t feature;
	} rows[] = {
		{CR4_VME | CR4_PVI, X86_F_VME},
		{CR4_TSD, X86_F_TSC},
		{CR4_DE, X86_F_DE},
		{CR4_PSE, X86_F_PSE},
		{CR4_PAE, X86_F_PAE},
		{CR4_MCE, X86_F_MCE},
		{CR4_PGE, X86_F_PGE},
		{CR4_OSFXSR | CR4_OSXMMEXCPT, X86_F_FXSR},
		{CR4_UMIP, X86_F_UMIP},
		{CR4_LA57, X86_F_LA57},
		{CR4_FSGSBASE, X86_F_FSGSBASE},
		{CR4_PCIDE, X86_F_PCID},
		{CR4_OSXSAVE, X86_F_XSAVE},
		{CR4_SMEP, X86_F_SMEP},
		{CR4_SMAP, X86_F_SMAP},
		{CR4_PKE, X86_F_PKU},
		{CR4_PKS, X86_F_PKS},
	};
	uint64_t valid = CR4_PCE;
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
		if (x86_has(c, rows[i].feature))
			valid |= rows[i].bit;
	return valid;
}

uint64_t x86_xcr0_valid(const struct x86_cpu *c)
{
	return 3 | (x86_has(c, X86_F_AVX) ? 4 : 0) | (x86_has(c, X86_F_PKU) ? 0x200 : 0);
}

/* The four entries of PAE paging are registers, loaded by MOV CR (SDM vol. 3, 4.4.1). */
static void load_pdptes(struct x86_cpu *c, const struct x86_op *op, uint64_t cr3)
{
	uint64_t v[4] = {0}, gpa = cr3 & 0xffffffe0;
	uint64_t reserved = 0x1e6 | ~((UINT64_C(1) << c->gpa_bits) - 1);
	unsigned flags = 0;
	const uint8_t *page = c->env->page(c->env_opaque, gpa & ~UINT64_C(0xfff), &flags);
	if (page)
		host_read(v, page + (gpa & 0xfff), sizeof v);
	for (int i = 0; i < 4; i++)
		if ((v[i] & 1) && (v[i] & reserved))
			x86_gp(c, op, 0);
	memcpy(c->pdpte, v, sizeof v);
}

static bool pae_paging(const struct x86_cpu *c, uint64_t cr0, uint64_t cr4)
{
	return (cr0 & CR0_PG) && (cr4 & CR4_PAE) && !(c->efer & EFER_LME);
}

static void enter_long(struct x86_cpu *c, const struct x86_op *op)
{
	bool tss16 = (c->seg[X86_TR].attr & SEG_P) && (c->seg[X86_TR].attr & 0xf) < SYS_TSS32;
	if (!(c->cr4 & CR4_PAE) || (c->seg[X86_CS].attr & SEG_L) || tss16)
		x86_gp(c, op, 0);
	c->efer |= EFER_LMA;
}

static void set_cr0(struct x86_cpu *c, const struct x86_op *op, uint64_t v)
{
	uint64_t changed;
	bool bad = v >> 32 || ((v & CR0_PG) && !(v & CR0_PE)) || ((v & CR0_NW) && !(v & CR0_CD));
	if (bad)
		x86_gp(c, op, 0);
	v = (v & (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG)) | CR0_ET;
	changed = v ^ c->cr0;
	if ((changed & CR0_PG) && !(v & CR0_PG)) {
		if (c->mode == X86_MODE_LONG || (c->cr4 & CR4_PCIDE))
			x86_gp(c, op, 0);
		c->efer &= ~(uint64_t)EFER_LMA;
	} else if (changed & CR0_PG && (c->efer & EFER_LME)) {
		enter_long(c, op);
	}
	if ((changed & (CR0_PG | CR0_CD | CR0_NW)) && pae_paging(c, v, c->cr4))
		load_pdptes(c, op, c->cr3);
	c->cr0 = v;
	if (changed & (CR0_PG | CR0_PE | CR0_WP))
		x86_flush_tlb(c, true);
}

static void set_cr3(struct x86_cpu *c, const struct x86_op *op, uint64_t v)
{
	if (x86_lma(c)) {
		if (c->cr4 & CR4_PCIDE)
			v &= ~(UINT64_C(1) << 63); /* asks to keep translations; the TLB holds one PCID's */
		if (v >> c->gpa_bits)
			x86_gp(c, op, 0);
	} else {
		v = (uint32_t)v;
	}
	if (pae_paging(c, c->cr0, c->cr4))
		load_pdptes(c, op, v);
	c->cr3 = v;
	x86_flush_tlb(c, false);
}

static void set_cr4(struct x86_cpu *c, const struct x86_op *op, uint64_t v)
{
	uint64_t changed = v ^ c->cr4;
	if (v & ~x86_cr4_valid(c))
		x86_gp(c, op, 0);
	if (x86_lma(c) && ((changed & CR4_LA57) || !(v & CR4_PAE)))
		x86_gp(c, op, 0);
	if ((changed & v & CR4_PCIDE) && (!x86_lma(c) || (c->cr3 & 0xfff)))
		x86_gp(c, op, 0);
	if ((changed & (CR4_PSE | CR4_PAE | CR4_PGE | CR4_SMEP)) && pae_paging(c, c->cr0, v))
		load_pdptes(c, op, c->cr3);
	c->cr4 = v;
	if (changed & (CR4_PSE | CR4_PAE | CR4_PGE | CR4_SMEP | CR4_SMAP | CR4_PCIDE | CR4_PKE | CR4_PKS |
		CR4_LA57))
		x86_flush_tlb(c, true);
}

static void set_cr8(struct x86_cpu *c, const struct x86_op *op, uint64_t v)
{
	if (v > 15)
		x86_gp(c, op, 0);
	c->cr8 = v;
	if (c->env->set_tpr)
		c->env->set_tpr(c->env_opaque, v);
}

void x86_set_cr(struct x86_cpu *c, const struct x86_op *op, int cr, uint64_t value)
{
	switch (cr) {
	case 0: set_cr0(c, op, value); break;
	case 2: c->cr2 = value; break;
	case 3: set_cr3(c, op, value); break;
	case 4: set_cr4(c, op, value); break;
	case 8: set_cr8(c, op, value); break;
	default: x86_ud(c, op);
	}
	x86_update_mode(c);
}

/* dst the control register, src the general one; size 4 or 8 by mode, whatever prefixes say. */
const struct x86_op *x86_sys_mov_to_cr(struct x86_cpu *c, const struct x86_op *op)
{
	x86_need_cpl0(c, op);
	uint64_t v = c->r[op->src];
	x86_set_cr(c, op, op->dst, c->mode == X86_MODE_LONG ? v : (uint32_t)v);
	return x86_end(c, op);
}

static uint64_t get_cr(struct x86_cpu *c, const struct x86_op *op, int cr)
{
	switch (cr) {
	case 0: return c->cr0;
	case 2: return c->cr2;
	case 3: return c->cr3;
	case 4: return c->cr4;
	case 8: return c->env->get_tpr ? c->env->get_tpr(c->env_opaque) : c->cr8;
	default: x86_ud(c, op);
	}
}

const struct x86_op *x86_sys_mov_from_cr(struct x86_cpu *c, const struct x86_op *op)
{
	x86_need_cpl0(c, op);
	x86_put_reg(c, op->dst, c->mode == X86_MODE_LONG ? 8 : 4, get_cr(c, op, op->src));
	return NEXT(op);
}

const struct x86_op *x86_sys_clts(struct x86_cpu *c, const struct x86_op *op)
{
	x86_need_cpl0(c, op);
	c->cr0 &= ~(uint64_t)CR0_TS;
	x86_update_vex(c);
	return x86_end(c, op);
}

const struct x86_op *x86_sys_lmsw(struct x86_cpu *c, const struct x86_op *op)
{
	x86_need_cpl0(c, op);
	uint16_t v = x86_rm16(c, op, op->src);
	uint64_t cr0 = (c->cr0 & ~(uint64_t)(CR0_MP | CR0_EM | CR0_TS)) | (v & 0xf); /* PE can be set, not cleared */
	x86_set_cr(c, op, 0, cr0);
	return x86_end(c, op);
}

const struct x86_op *x86_sys_smsw(struct x86_cpu *c, const struct x86_op *op)
{
	if ((c->cr4 & CR4_UMIP) && c->cpl)
		x86_gp(c, op, 0);
	if (op->aux & X86_AUX_MEM)
		x86_st16(c, op, x86_ea(c, op), (uint16_t)c->cr0);
	else
		x86_put_reg(c, op->dst, op->size, c->cr0);
	return NEXT(op);
}

/* ------ XCR0 ------ */

const struct x86_op *x86_sys_xgetbv(struct x86_cpu *c, const struct x86_op *op)
{
	uint32_t index = (uint32_t)c->r[1];
	if (!(c->cr4 & CR4_OSXSAVE))
		x86_ud(c, op);
	if (index > 1 || (index == 1 && !x86_has(c, X86_FEAT_D1A + 2)))
		x86_gp(c, op, 0);
	uint64_t v = index ? x86_xinuse(c) & c->xcr0 : c->xcr0;
	c->r[0] = (uint32_t)v;
	c->r[2] = v >> 32;
	return NEXT(op);
}

const struct x86_op *x86_sys_xsetbv(struct x86_cpu *c, const struct x86_op *op)
{
	if (!(c->cr4 & CR4_OSXSAVE))
		x86_ud(c, op);
	x86_need_cpl0(c, op);
	uint64_t v = (uint32_t)c->r[0] | c->r[2] << 32;
	bool avx_without_sse = (v & 6) == 4;
	if ((uint32_t)c->r[1] != 0 || !(v & 1) || (v & ~x86_xcr0_valid(c)) || avx_without_sse)
		x86_gp(c, op, 0);
	c->xcr0 = v;
	x86_update_vex(c);
	return x86_end(c, op);
}
