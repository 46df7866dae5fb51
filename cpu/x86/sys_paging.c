/* sys_paging.c - instructions about translations: INVPCID, and the protection keys' RDPKRU and WRPKRU (SDM vol. 2). */
#include "sys.h"

enum { INVPCID_ADDRESS, INVPCID_CONTEXT, INVPCID_ALL, INVPCID_ALL_NOT_GLOBAL };

/* The TLB holds translations of the present PCID only, and a change of CR3 drops all that are not global: there is
 * nothing to be found of another PCID. */
static void invalidate(struct x86_cpu *c, uint64_t type, uint64_t pcid, uint64_t address)
{
	bool present = pcid == (c->cr4 & CR4_PCIDE ? c->cr3 & 0xfff : 0);
	if (type == INVPCID_ADDRESS && present)
		x86_invlpg(c, address);
	else if (type >= INVPCID_ALL || present)
		x86_flush_tlb(c, type == INVPCID_ALL);
}

/* dst the register with the type, src nothing: the descriptor is in memory. */
const struct x86_op *x86_sys_invpcid(struct x86_cpu *c, const struct x86_op *op)
{
	uint64_t d[2], type = c->r[op->dst];
	if (!x86_has(c, X86_F_INVPCID))
		x86_ud(c, op);
	x86_need_cpl0(c, op);
	if (c->mode != X86_MODE_LONG)
		type = (uint32_t)type;
	x86_ld(c, op, x86_ea(c, op), d, sizeof d);
	bool needs_pcid = type == INVPCID_ADDRESS || type == INVPCID_CONTEXT;
	if (type > INVPCID_ALL_NOT_GLOBAL || d[0] >> 12 || (needs_pcid && d[0] && !(c->cr4 & CR4_PCIDE)) ||
	    (type == INVPCID_ADDRESS && !x86_canonical_base(c, d[1])))
		x86_gp(c, op, 0);
	invalidate(c, type, d[0], d[1]);
	return x86_end(c, op);
}

const struct x86_op *x86_sys_rdpkru(struct x86_cpu *c, const struct x86_op *op)
{
	if (!(c->cr4 & CR4_PKE))
		x86_ud(c, op);
	if ((uint32_t)c->r[1])
		x86_gp(c, op, 0);
	c->r[0] = (uint32_t)c->pkru;
	c->r[2] = 0;
	return NEXT(op);
}

const struct x86_op *x86_sys_wrpkru(struct x86_cpu *c, const struct x86_op *op)
{
	if (!(c->cr4 & CR4_PKE))
		x86_ud(c, op);
	if ((uint32_t)c->r[1] || (uint32_t)c->r[2])
		x86_gp(c, op, 0);
	uint32_t changed = (uint32_t)(c->pkru ^ c->r[0]);
	c->pkru = (uint32_t)c->r[0];
	x86_keys_changed(c, changed);
	return NEXT(op);
}
