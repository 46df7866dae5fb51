/* sys_syscall.c - SYSCALL, SYSRET, SYSENTER, SYSEXIT with Intel's rules, as the portable models show GenuineIntel (SDM
 * vol. 2). */
#include "sys.h"

enum {
	CODE64 = 0xa09b,
	CODE32 = 0xc09b,
	DATA = 0xc093,
	USER = 0x60
}; /* access rights of the flat segments that they load */

static void load_flat(struct x86_cpu *c, int seg, unsigned sel, unsigned attr)
{
	c->seg[seg] = (struct x86_seg){.limit = 0xffffffff, .attr = attr, .sel = (uint16_t)sel};
}

const struct x86_op *x86_sys_syscall(struct x86_cpu *c, const struct x86_op *op)
{
	if (c->mode != X86_MODE_LONG || !(c->efer & EFER_SCE))
		x86_ud(c, op);
	uint64_t flags = x86_get_rflags(c);
	unsigned sel = c->star >> 32 & 0xfffc;
	c->r[1] = x86_op_next_rip(c, op);
	c->r[11] = flags & ~(uint64_t)X86_RF;
	c->rip = c->lstar;
	load_flat(c, X86_CS, sel, CODE64);
	load_flat(c, X86_SS, sel + 8, DATA);
	x86_write_eflags(c, 0, (uint32_t)c->fmask | X86_RF);
	c->step_armed = c->eflags & X86_TF; /* a TF that FMASK clears does not trap behind SYSCALL */
	x86_update_mode(c);
	return NULL;
}

const struct x86_op *x86_sys_sysret(struct x86_cpu *c, const struct x86_op *op)
{
	if (c->mode != X86_MODE_LONG || !(c->efer & EFER_SCE))
		x86_ud(c, op);
	x86_need_cpl0(c, op);
	bool wide = op->size == 8;
	if (wide && !x86_canonical(c, c->r[1]))
		x86_gp(c, op, 0);
	unsigned sel = (unsigned)(c->star >> 48);
	c->rip = wide ? c->r[1] : (uint32_t)c->r[1];
	load_flat(c, X86_CS, (wide ? sel + 16 : sel) | 3, (wide ? CODE64 : CODE32) | USER);
	load_flat(c, X86_SS, (sel + 8) | 3, DATA | USER);
	x86_write_eflags(c, (uint32_t)c->r[11] & 0x3c7fd7, 0x3f7fd7 & ~(uint32_t)2);
	x86_update_mode(c);
	return NULL;
}

const struct x86_op *x86_sys_sysenter(struct x86_cpu *c, const struct x86_op *op)
{
	if (!(c->cr0 & CR0_PE) || !(c->sysenter_cs & 0xfffc))
		x86_gp(c, op, 0);
	bool lm = x86_lma(c);
	unsigned sel = c->sysenter_cs & 0xfffc;
	c->r[4] = lm ? c->sysenter_esp : (uint32_t)c->sysenter_esp;
	c->rip = lm ? c->sysenter_eip : (uint32_t)c->sysenter_eip;
	load_flat(c, X86_CS, sel, lm ? CODE64 : CODE32);
	load_flat(c, X86_SS, sel + 8, DATA);
	x86_write_eflags(c, 0, X86_VM | X86_IF | X86_RF);
	x86_update_mode(c);
	return NULL;
}

const struct x86_op *x86_sys_sysexit(struct x86_cpu *c, const struct x86_op *op)
{
	if (!(c->cr0 & CR0_PE) || !(c->sysenter_cs & 0xfffc) || c->cpl)
		x86_gp(c, op, 0);
	bool wide = op->size == 8 && c->mode == X86_MODE_LONG;
	if (wide && (!x86_canonical(c, c->r[1]) || !x86_canonical(c, c->r[2])))
		x86_gp(c, op, 0);
	unsigned sel = (unsigned)(c->sysenter_cs & 0xfffc) + (wide ? 32 : 16);
	c->r[4] = wide ? c->r[1] : (uint32_t)c->r[1];
	c->rip = wide ? c->r[2] : (uint32_t)c->r[2];
	load_flat(c, X86_CS, sel | 3, (wide ? CODE64 : CODE32) | USER);
	load_flat(c, X86_SS, (sel + 8) | 3, DATA | USER);
	x86_update_mode(c);
	return NULL;
}
