/* sys_vm86.c - what virtual-8086 mode does of its own with IOPL below 3: instructions that touch IF act on VIF when
 * CR4.VME is set and fault when not; INT n and the redirection bitmap; CLI and STI under CR4.PVI (SDM vol. 3, "Software
 * Interrupt Handling Methods While in Virtual-8086 Mode" and "Protected-Mode Virtual Interrupts"). */
#include "int.h"
#include "sys.h"

/* Bits below the I/O bitmap, one a vector (figure "Software Interrupt Redirection Bit Map"). */
enum { REDIRECTION_BYTES = 32, IO_MAP = 0x66 };

static void need_vme(struct x86_cpu *c, op_t op)
{
	if (!(c->cr4 & CR4_VME) || op->size != 2)
		x86_gp(c, op, 0);
}

/* FLAGS as the 8086 program sees it. */
static uint16_t virtual_flags(struct x86_cpu *c)
{
	uint64_t f = x86_get_rflags(c);
	if (x86_iopl(c) == 3)
		return (uint16_t)f;
	return (uint16_t)((f & ~(uint64_t)X86_IF) | X86_IOPL | (f & X86_VIF ? X86_IF : 0));
}

op_t x86_vm86_pushf(struct x86_cpu *c, op_t op)
{
	need_vme(c, op);
	x86_push(c, op, 2, virtual_flags(c));
	return NEXT(op);
}

void x86_vm86_check_flags(struct x86_cpu *c, op_t op, uint32_t flags)
{
	need_vme(c, op);
	if ((flags & X86_TF) || ((flags & X86_IF) && (c->eflags & X86_VIP)))
		x86_gp(c, op, 0);
}

void x86_vm86_load_flags(struct x86_cpu *c, uint32_t flags)
{
	flags |= flags & X86_IF ? X86_VIF : 0;
	x86_write_eflags(c, flags, X86_ARITH | X86_TF | X86_DF_ | X86_NT | X86_VIF);
}

op_t x86_vm86_popf(struct x86_cpu *c, op_t op)
{
	need_vme(c, op);
	uint32_t f = (uint32_t)x86_top(c, op, 2);
	x86_vm86_check_flags(c, op, f);
	x86_sp_put(c, c->r[4] + 2);
	x86_vm86_load_flags(c, f);
	c->rip = x86_op_next_rip(c, op);
	x86_uncount(c, c->rip);
	return NULL;
}

/* VIF instead of IF? Faults where neither may be touched. */
bool x86_virtual_if(struct x86_cpu *c, op_t op)
{
	if (c->mode == X86_MODE_REAL || c->cpl <= x86_iopl(c))
		return false;
	bool vm86 = c->mode == X86_MODE_VM86;
	if (!(c->cr4 & (vm86 ? CR4_VME : CR4_PVI)) || c->cpl != 3)
		x86_gp(c, op, 0);
	return true;
}

static bool redirected(struct x86_cpu *c, op_t op, unsigned vector)
{
	const struct x86_seg *tr = &c->seg[X86_TR];
	if (!(c->cr4 & CR4_VME) || !(tr->attr & 8) || tr->limit < IO_MAP + 1)
		return false;
	unsigned map = (unsigned)x86_ld_sys(c, op, (uint32_t)(tr->base + IO_MAP), 2);
	unsigned at = map - REDIRECTION_BYTES + vector / 8;
	if (map < REDIRECTION_BYTES || at > tr->limit)
		return false;
	return !(x86_ld_sys(c, op, (uint32_t)(tr->base + at), 1) >> (vector & 7) & 1);
}

/* Methods 5 and 6: to the 8086 program's own handler. */
bool x86_vm86_int(struct x86_cpu *c, op_t op, unsigned vector)
{
	struct x86_stk s;
	bool own_if = x86_iopl(c) == 3;
	if (!redirected(c, op, vector)) {
		if (!own_if)
			x86_gp(c, op, 0);
		return false;
	}
	uint32_t target = x86_ld32(c, op, vector * 4);
	x86_stk_own(c, &s);
	x86_stk_push(c, op, &s, 2, virtual_flags(c));
	x86_stk_push(c, op, &s, 2, c->seg[X86_CS].sel);
	x86_stk_push(c, op, &s, 2, x86_op_next_rip(c, op));
	x86_set_sp(c, &s);
	x86_seg_real(c, X86_CS, (uint16_t)(target >> 16));
	c->rip = (uint16_t)target;
	c->step_armed = false;
	x86_write_eflags(c, 0, X86_TF | X86_RF | (own_if ? X86_IF : X86_VIF));
	x86_update_mode(c);
	return true;
}
