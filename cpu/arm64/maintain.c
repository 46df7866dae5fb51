/* maintain.c - the SYS instructions: cache and TLB maintenance, DC ZVA, address translation (Arm ARM C5.3 to C5.5).
 * Host memory is coherent, so cleaning does nothing but fault; only what is decoded has to be invalidated. */
#include "int.h"
#include "sysreg.h"

/* Xt, XZR for 31 */
#define XT c->x[op->insn & 31]
enum { LINE = 64 };

/* What EL0 may do is its kernel's to allow; the rest is not there for it. */
static void need(struct a64_cpu *c, op_t op, uint64_t sctlr)
{
	if (c->el)
		return;
	if (!sctlr)
		a64_undef(c, op);
	if (!(c->sctlr & sctlr))
		a64_sysreg_trap(c, op);
}

/* ------ caches ------ */

static A64_HANDLER(ic_all)
{
	need(c, op, 0);
	a64_icache_invalidate(c, 0, UINT64_MAX);
	if ((op->insn >> 8 & 15) == 1) /* IALLUIS */
		a64_share_ask(c, A64_ASK_IC_ALL, 0);
	return A64_NEXT(op);
}
static A64_HANDLER(ic_ivau)
{
	need(c, op, A64_SCTLR_UCI);
	uint64_t gpa = a64_maintain(c, op, XT, 0) & ~(uint64_t)(LINE - 1);
	a64_icache_invalidate(c, gpa, LINE);
	a64_share_ask(c, A64_ASK_IC, gpa);
	return A64_NEXT(op);
}
static A64_HANDLER(dc_clean)
{
	need(c, op, A64_SCTLR_UCI);
	a64_maintain(c, op, XT, 0);
	return A64_NEXT(op);
}
/* DC IVAC could lose what was written: it asks for the right to write. */
static A64_HANDLER(dc_ivac)
{
	need(c, op, 0);
	a64_maintain(c, op, XT, A64_ACC_WRITE);
	return A64_NEXT(op);
}
static A64_HANDLER(dc_set_way)
{
	need(c, op, 0);
	return A64_NEXT(op);
}
static A64_HANDLER(dc_zva)
{
	static const uint8_t zero[LINE];
	need(c, op, A64_SCTLR_DZE);
	uint64_t gva = XT & ~(uint64_t)(LINE - 1);
	uint8_t *p = a64_tlb_hit(c->tlb->w, gva, LINE);
	if (likely(p != NULL)) {
		host_write(p, zero, LINE);
		return A64_NEXT(op);
	}
	a64_probe_write(c, op, gva, LINE, A64_ACC_ZVA);
	a64_store_slow(c, op, gva, LINE, A64_ACC_WRITE, zero);
	return A64_NEXT(op);
}

/* ------ translation ------ */

/* PAR_EL1, D19.2.106: F, FST in 6:1; or SH, PA, ATTR. Device and non-cacheable memory is outer shareable. */
static uint64_t par_of(int what, const struct a64_walk *w)
{
	enum { RES1 = 0x800, OUTER = 2, NON_CACHEABLE = 0x44 };
	if (what)
		return RES1 | 1 | (uint64_t)((unsigned)what & A64_FSC) << 1;
	unsigned sh = !(w->attr & 0xf0) || w->attr == NON_CACHEABLE ? OUTER : w->sh;
	return (uint64_t)w->attr << 56 | (w->gpa & UINT64_C(0x0000fffffffff000)) | RES1 | sh << 7;
}
static A64_HANDLER(at)
{
	struct a64_walk w;
	unsigned op2 = op->insn >> 5 & 7, mode = op2 & 2 ? A64_MMU_EL0 : A64_MMU_EL1;
	need(c, op, 0);
	if (op->insn >> 8 & 1 && c->pan) /* S1E1RP, S1E1WP */
		mode = A64_MMU_EL1_PAN;
	int what = a64_walk_mode(c, XT, mode, op2 & 1 ? A64_ACC_WRITE : 0, &w);
	c->par = par_of(what, &w);
	return A64_NEXT(op);
}

static void ask(struct a64_cpu *c, op_t op, unsigned what, uint64_t arg)
{
	if ((op->insn >> 8 & 15) == 3) /* the inner shareable forms */
		a64_share_ask(c, what, arg);
}
static A64_HANDLER(tlbi_all)
{
	need(c, op, 0);
	a64_tlb_flush(c);
	ask(c, op, A64_ASK_TLB_ALL, 0);
	return A64_NEXT(op);
}
static A64_HANDLER(tlbi_asid)
{
	uint16_t asid = (uint16_t)(XT >> 48 & (c->tcr & A64_TCR_AS ? 0xffff : 0xff));
	need(c, op, 0);
	a64_tlb_flush_asid(c, asid);
	ask(c, op, A64_ASK_TLB_ASID, asid);
	return A64_NEXT(op);
}
static A64_HANDLER(tlbi_va)
{
	uint64_t gva = (uint64_t)a64_sext(XT << 12, 56);
	need(c, op, 0);
	a64_tlb_flush_va(c, gva, true);
	ask(c, op, A64_ASK_TLB_VA, gva);
	return A64_NEXT(op);
}

/* VAE1 1, VAAE1 3, VALE1 5, VAALE1 7 */
static bool by_va(uint32_t insn)
{
	return insn >> 5 & 1;
}

static const struct a64_row rows[] = {
	{0xffffffff, 0xd508711f, "ic_ialluis", ic_all, A64_OPS_RAW, A64_ALWAYS, false, NULL, NULL},
	{0xffffffff, 0xd508751f, "ic_iallu", ic_all, A64_OPS_RAW, A64_ALWAYS, false, NULL, NULL},
	{0xffffffe0, 0xd50b7520, "ic_ivau", ic_ivau, A64_OPS_RAW, A64_ALWAYS, false, NULL, NULL},
	{0xffffffe0, 0xd5087620, "dc_ivac", dc_ivac, A64_OPS_RAW, A64_ALWAYS, false, NULL, NULL},
	{0xffffffe0, 0xd5087640, "dc_isw", dc_set_way, A64_OPS_RAW, A64_ALWAYS, false, NULL, NULL},
	{0xffffffe0, 0xd5087a40, "dc_csw", dc_set_way, A64_OPS_RAW, A64_ALWAYS, false, NULL, NULL},
	{0xffffffe0, 0xd5087e40, "dc_cisw", dc_set_way, A64_OPS_RAW, A64_ALWAYS, false, NULL, NULL},
	{0xffffffe0, 0xd50b7420, "dc_zva", dc_zva, A64_OPS_RAW, A64_ALWAYS, false, NULL, NULL},
	{0xffffffe0, 0xd50b7a20, "dc_cvac", dc_clean, A64_OPS_RAW, A64_ALWAYS, false, NULL, NULL},
	{0xffffffe0, 0xd50b7b20, "dc_cvau", dc_clean, A64_OPS_RAW, A64_ALWAYS, false, NULL, NULL},
	{0xffffffe0, 0xd50b7c20, "dc_cvap", dc_clean, A64_OPS_RAW, A64_F_DPB, false, NULL, NULL},
	{0xffffffe0, 0xd50b7e20, "dc_civac", dc_clean, A64_OPS_RAW, A64_ALWAYS, false, NULL, NULL},
	{0xffffff80, 0xd5087800, "at", at, A64_OPS_RAW, A64_ALWAYS, false, NULL, NULL},
	{0xffffffc0, 0xd5087900, "at_pan", at, A64_OPS_RAW, A64_F_PAN, false, NULL, NULL},
	{0xfffffbff, 0xd508831f, "tlbi_vmalle1", tlbi_all, A64_OPS_RAW, A64_ALWAYS, false, NULL, NULL},
	{0xfffffbe0, 0xd5088340, "tlbi_aside1", tlbi_asid, A64_OPS_RAW, A64_ALWAYS, false, NULL, NULL},
	{0xfffffb00, 0xd5088300, "tlbi_va", tlbi_va, A64_OPS_RAW, A64_ALWAYS, false, by_va, NULL},
};
A64_TABLE(a64_rows_maintain);
