/* sys_int.c - INT n, INT3, INTO, INT1 and IRET in all modes (SDM vol. 2, INT n and IRET). */
#include "sys.h"

static const struct x86_op *software(struct x86_cpu *c, const struct x86_op *op, int vector, int type)
{
	uint64_t next = x86_op_next_rip(c, op);
	if (type != 4)
		x86_intercept_software(c, op, vector);
	c->rip = x86_op_rip(c, op);
	x86_deliver(c, vector, type, -1, next);
	return NULL;
}

const struct x86_op *x86_sys_int_n(struct x86_cpu *c, const struct x86_op *op)
{
	if (c->mode == X86_MODE_VM86 && x86_vm86_int(c, op, (uint8_t)op->imm))
		return NULL;
	return software(c, op, (uint8_t)op->imm, 4);
}

const struct x86_op *x86_sys_int3(struct x86_cpu *c, const struct x86_op *op)
{
	if (c->user_int3) {
		c->rip = x86_op_rip(c, op);
		c->stop.debug_reason = 4;
		c->stop.exception = X86_BP;
		c->stop.pc = c->rip;
		c->stop.dr6 = 0;
		x86_leave(c, X86_STOP_DEBUG);
	}
	return software(c, op, X86_BP, 6);
}

const struct x86_op *x86_sys_into(struct x86_cpu *c, const struct x86_op *op)
{
	if (c->mode == X86_MODE_LONG)
		x86_ud(c, op);
	if (!(x86_arith_flags(c) & X86_OF_))
		return x86_end(c, op);
	return software(c, op, X86_OF, 6);
}

const struct x86_op *x86_sys_int1(struct x86_cpu *c, const struct x86_op *op)
{
	return software(c, op, X86_DB, 5);
}

/* Which flags IRET may change (SDM vol. 2, IRET). */
static uint32_t iret_mask(const struct x86_cpu *c, unsigned size)
{
	uint32_t mask = X86_ARITH | X86_TF | X86_DF_ | X86_NT;
	if (size >= 4)
		mask |= X86_RF | X86_AC_ | X86_ID;
	if (c->cpl <= x86_iopl(c))
		mask |= X86_IF;
	if (c->cpl == 0)
		mask |= X86_IOPL | (size >= 4 ? X86_VIF | X86_VIP : 0);
	return mask;
}

/* RF only matters where instruction breakpoints are armed; elsewhere it is dropped at once, so that nothing needs to
 * clear it after the next instruction. */
void x86_load_flags(struct x86_cpu *c, uint32_t flags, uint32_t mask)
{
	bool armed = (c->dr[7] & 0xff) || c->user_breaks;
	if (!armed)
		flags &= ~(uint32_t)X86_RF;
	x86_write_eflags(c, flags, mask);
}

static const struct x86_op *finish(struct x86_cpu *c, uint64_t ip)
{
	c->rip = ip;
	c->nmi_masked = false;
	x86_update_mode(c);
	return NULL;
}

static const struct x86_op *iret_real(struct x86_cpu *c, const struct x86_op *op)
{
	struct x86_stk s;
	bool vm86 = c->mode == X86_MODE_VM86, virtual = vm86 && x86_iopl(c) < 3;
	if (virtual)
		x86_vm86_check_flags(c, op, 0);
	x86_stk_own(c, &s);
	uint64_t ip = x86_stk_pop(c, op, &s, op->size);
	uint16_t cs = (uint16_t)x86_stk_pop(c, op, &s, op->size);
	uint32_t flags = (uint32_t)x86_stk_pop(c, op, &s, op->size);
	if (ip > c->seg[X86_CS].limit)
		x86_gp(c, op, 0);
	if (virtual)
		x86_vm86_check_flags(c, op, flags);
	uint32_t mask = X86_ARITH | X86_TF | X86_IF | X86_DF_ | X86_NT | X86_IOPL |
			(op->size == 4 ? X86_RF | X86_AC_ | X86_ID : 0);
	x86_set_sp(c, &s);
	x86_seg_real(c, X86_CS, cs);
	if (virtual)
		x86_vm86_load_flags(c, flags);
	else
		x86_load_flags(c, flags, mask & ~(uint32_t)(vm86 ? X86_IOPL : 0));
	return finish(c, ip);
}

static const struct x86_op *iret_to_vm86(
	struct x86_cpu *c, const struct x86_op *op, struct x86_stk *s, uint64_t ip, uint16_t cs, uint32_t flags)
{
	static const uint8_t order[] = {X86_ES, X86_DS, X86_FS, X86_GS};
	uint16_t sel[4];
	uint32_t sp = (uint32_t)x86_stk_pop(c, op, s, 4);
	uint16_t ss = (uint16_t)x86_stk_pop(c, op, s, 4);
	for (int i = 0; i < 4; i++)
		sel[i] = (uint16_t)x86_stk_pop(c, op, s, 4);
	if (ip > 0xffff)
		x86_gp(c, op, 0);
	x86_load_flags(c, flags, iret_mask(c, 4) | X86_VM);
	for (int i = 0; i < 4; i++)
		x86_seg_real(c, order[i], sel[i]);
	x86_seg_real(c, X86_CS, cs);
	x86_seg_real(c, X86_SS, ss);
	c->r[4] = sp;
	return finish(c, ip);
}

static const struct x86_op *iret_outer(
	struct x86_cpu *c, const struct x86_op *op, struct x86_stk *s, struct x86_desc *cs, uint64_t ip, uint32_t flags)
{
	struct x86_desc ss;
	unsigned cpl = cs->sel & 3u;
	bool deeper = cpl != c->cpl;
	uint64_t sp = x86_stk_pop(c, op, s, op->size);
	uint16_t sel = (uint16_t)x86_stk_pop(c, op, s, op->size);
	x86_return_stack(c, op, sel, cs, &ss);
	uint64_t mask = x86_return_sp_mask(c, cs, &ss);
	x86_load_flags(c, flags, iret_mask(c, op->size));
	c->r[4] = (c->r[4] & ~mask) | (sp & mask);
	if (mask == 0xffffffffu)
		c->r[4] = (uint32_t)sp;
	x86_seg_set(c, X86_CS, cs->sel, cs);
	x86_seg_set(c, X86_SS, sel, &ss);
	if (deeper)
		x86_return_drop_segments(c, cpl);
	return finish(c, ip);
}

/* Back to the task that the running one is nested in. */
static const struct x86_op *iret_task(struct x86_cpu *c, const struct x86_op *op)
{
	struct x86_task t = {X86_TASK_IRET, 0, x86_op_next_rip(c, op), x86_get_rflags(c)};
	if (x86_lma(c))
		x86_gp(c, op, 0);
	uint16_t link = (uint16_t)x86_ld_sys(c, op, (uint32_t)c->seg[X86_TR].base, 2);
	bool trap = x86_task_switch(c, op, link, &t);
	c->nmi_masked = false;
	if (trap)
		x86_task_trap(c);
	return NULL;
}

static const struct x86_op *iret_protected(struct x86_cpu *c, const struct x86_op *op)
{
	struct x86_stk s;
	struct x86_desc cs;
	if (c->eflags & X86_NT)
		return iret_task(c, op);
	x86_stk_own(c, &s);
	uint64_t ip = x86_stk_pop(c, op, &s, op->size);
	uint16_t sel = (uint16_t)x86_stk_pop(c, op, &s, op->size);
	uint32_t flags = (uint32_t)x86_stk_pop(c, op, &s, op->size);
	if (!x86_lma(c) && (flags & X86_VM) && op->size == 4 && c->cpl == 0)
		return iret_to_vm86(c, op, &s, ip, sel, flags);
	x86_return_code(c, op, sel, ip, &cs);
	if (c->mode == X86_MODE_LONG || (sel & 3u) != c->cpl)
		return iret_outer(c, op, &s, &cs, ip, flags);
	x86_load_flags(c, flags, iret_mask(c, op->size));
	x86_set_sp(c, &s);
	x86_seg_set(c, X86_CS, sel, &cs);
	return finish(c, ip);
}

const struct x86_op *x86_sys_iret(struct x86_cpu *c, const struct x86_op *op)
{
	return x86_protected(c) ? iret_protected(c, op) : iret_real(c, op);
}
