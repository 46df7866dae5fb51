/* sys_far.c - far JMP, CALL and RETF: direct, indirect, through call gates, with change of privilege (SDM vol. 3, 5.8;
 * vol. 2, CALL, JMP, RET). Tasks are sys_task.c's. */
#include "sys.h"

static uint64_t truncate_ip(unsigned size, uint64_t ip)
{
	return size == 2 ? (uint16_t)ip : size == 4 ? (uint32_t)ip : ip;
}

static const struct x86_op *task_switch(struct x86_cpu *c, const struct x86_op *op, uint16_t tss, bool jump)
{
	struct x86_task t = {jump ? X86_TASK_JMP : X86_TASK_CALL, 0, x86_op_next_rip(c, op), x86_get_rflags(c)};
	if (x86_task_switch(c, op, tss, &t))
		x86_task_trap(c);
	return NULL;
}

/* The pointer operand: offset and selector. Direct: imm holds offset | selector << 32. */
static void far_operand(struct x86_cpu *c, const struct x86_op *op, uint64_t *offset, uint16_t *sel)
{
	*offset = 0;
	if (op->aux & X86_AUX_MEM) {
		uint64_t at = x86_ea(c, op);
		x86_ld(c, op, at, offset, op->size);
		*sel = x86_ld16(c, op, at + op->size);
	} else {
		*offset = (uint32_t)op->imm;
		*sel = (uint16_t)(op->imm >> 32);
	}
	*offset = truncate_ip(op->size, *offset);
}

/* Is the target inside its code segment? */
static void check_target(struct x86_cpu *c, const struct x86_op *op, const struct x86_desc *cs, uint64_t ip)
{
	bool ok = x86_lma(c) && (cs->attr & SEG_L) ? x86_canonical(c, ip) : ip <= cs->limit;
	if (!ok)
		x86_gp(c, op, 0);
}

static void check_code_present(struct x86_cpu *c, const struct x86_op *op, const struct x86_desc *d)
{
	if (x86_lma(c) && (d->attr & (SEG_L | SEG_DB)) == (SEG_L | SEG_DB))
		x86_gp(c, op, d->sel & ~3u);
	if (!(d->attr & SEG_P))
		x86_raise(c, op, X86_NP, d->sel & ~3);
}

static const struct x86_op *commit(struct x86_cpu *c, struct x86_desc *cs, unsigned cpl, uint64_t ip)
{
	x86_seg_set(c, X86_CS, (uint16_t)((cs->sel & ~3u) | cpl), cs);
	c->rip = ip;
	x86_update_mode(c);
	return NULL;
}

static const struct x86_op *real_transfer(struct x86_cpu *c, const struct x86_op *op, uint16_t sel, uint64_t ip)
{
	if (ip > c->seg[X86_CS].limit)
		x86_gp(c, op, 0);
	x86_seg_real(c, X86_CS, sel);
	c->rip = ip;
	x86_update_mode(c);
	return NULL;
}

/* ------ call gates ------ */

struct gate {
	uint64_t ip;
	uint16_t sel;
	unsigned size, params;
};

static void read_call_gate(struct x86_cpu *c, const struct x86_op *op, struct x86_desc *d, struct gate *g)
{
	unsigned type = d->attr & 0xf, error = d->sel & ~3u;
	if (desc_dpl(d) < c->cpl || desc_dpl(d) < (d->sel & 3u))
		x86_gp(c, op, error);
	if (!(d->attr & SEG_P))
		x86_raise(c, op, X86_NP, (int)error);
	g->size = x86_lma(c) ? 8 : type == SYS_CALL32 ? 4 : 2;
	g->params = d->hi & 0x1f;
	g->sel = (uint16_t)(d->lo >> 16);
	g->ip = (d->lo & 0xffff) | (g->size > 2 ? d->hi & 0xffff0000 : 0);
	if (x86_lma(c)) {
		x86_desc_read_upper(c, op, d);
		if (d->hi3 >> 8 & 0x1f)
			x86_gp(c, op, error);
		g->ip |= (uint64_t)d->hi2 << 32;
	}
}

/* The gate's code segment; returns the CPL it runs at. JMP does not change privilege. */
static unsigned gate_code(
	struct x86_cpu *c, const struct x86_op *op, const struct gate *g, bool jump, struct x86_desc *cs)
{
	unsigned error = g->sel & ~3u;
	if (!error)
		x86_gp(c, op, 0);
	if (!x86_desc_read(c, op, g->sel, cs) || !desc_is_code(cs) || desc_dpl(cs) > c->cpl)
		x86_gp(c, op, error);
	if (jump && !desc_is_conforming(cs) && desc_dpl(cs) != c->cpl)
		x86_gp(c, op, error);
	if (x86_lma(c) && (cs->attr & (SEG_L | SEG_DB)) != SEG_L)
		x86_gp(c, op, error);
	if (!(cs->attr & SEG_P))
		x86_raise(c, op, X86_NP, (int)error);
	return desc_is_conforming(cs) ? c->cpl : desc_dpl(cs);
}

static void copy_params(
	struct x86_cpu *c, const struct x86_op *op, struct x86_stk *from, struct x86_stk *to, const struct gate *g)
{
	uint64_t v[32];
	for (unsigned i = 0; i < g->params; i++)
		v[i] = x86_stk_pop(c, op, from, g->size);
	for (unsigned i = g->params; i-- > 0;)
		x86_stk_push(c, op, to, g->size, v[i]);
}

static const struct x86_op *call_inner(
	struct x86_cpu *c, const struct x86_op *op, const struct gate *g, struct x86_desc *cs, unsigned cpl)
{
	struct x86_stk from, s;
	struct x86_desc ss = {0};
	bool lm = x86_lma(c);
	if (lm)
		x86_stk_inner64(c, op, cpl, 0, 0, &s);
	else
		x86_stk_inner(c, op, cpl, 0, &s, &ss);
	x86_stk_own(c, &from);
	x86_stk_push(c, op, &s, g->size, c->seg[X86_SS].sel);
	x86_stk_push(c, op, &s, g->size, c->r[4]);
	if (!lm)
		copy_params(c, op, &from, &s, g);
	x86_stk_push(c, op, &s, g->size, c->seg[X86_CS].sel);
	x86_stk_push(c, op, &s, g->size, x86_op_next_rip(c, op));
	check_target(c, op, cs, g->ip);
	x86_desc_access(c, op, cs);
	if (lm) {
		x86_seg_null(c, X86_SS, (uint16_t)cpl, cpl);
	} else {
		x86_desc_access(c, op, &ss);
		x86_seg_set(c, X86_SS, ss.sel, &ss);
	}
	x86_set_sp(c, &s);
	return commit(c, cs, cpl, g->ip);
}

static void push_return(struct x86_cpu *c, const struct x86_op *op, struct x86_stk *s, unsigned size)
{
	x86_stk_own(c, s);
	x86_stk_push(c, op, s, size, c->seg[X86_CS].sel);
	x86_stk_push(c, op, s, size, x86_op_next_rip(c, op));
}

static const struct x86_op *through_gate(struct x86_cpu *c, const struct x86_op *op, struct x86_desc *d, bool jump)
{
	struct gate g;
	struct x86_desc cs;
	struct x86_stk s;
	read_call_gate(c, op, d, &g);
	unsigned cpl = gate_code(c, op, &g, jump, &cs);
	if (cpl != c->cpl)
		return call_inner(c, op, &g, &cs, cpl);
	if (!jump)
		push_return(c, op, &s, g.size);
	check_target(c, op, &cs, g.ip);
	x86_desc_access(c, op, &cs);
	if (!jump)
		x86_set_sp(c, &s);
	return commit(c, &cs, cpl, g.ip);
}

static const struct x86_op *system_target(struct x86_cpu *c, const struct x86_op *op, struct x86_desc *d, bool jump)
{
	bool lm = x86_lma(c), reachable = desc_dpl(d) >= c->cpl && desc_dpl(d) >= (d->sel & 3u);
	switch (d->attr & 0xf) {
	case SYS_CALL32: return through_gate(c, op, d, jump);
	case SYS_CALL16:
		if (!lm)
			return through_gate(c, op, d, jump);
		break;
	case SYS_TSS16:
	case SYS_TSS32:
		if (!lm && reachable)
			return task_switch(c, op, d->sel, jump);
		break;
	case SYS_TASK:
		if (lm || !reachable)
			break;
		if (!(d->attr & SEG_P))
			x86_raise(c, op, X86_NP, d->sel & ~3);
		return task_switch(c, op, (uint16_t)(d->lo >> 16), jump);
	}
	x86_gp(c, op, d->sel & ~3u);
}

/* ------ JMP and CALL ------ */

static const struct x86_op *far_transfer(struct x86_cpu *c, const struct x86_op *op, bool jump)
{
	uint64_t ip;
	uint16_t sel;
	struct x86_desc cs;
	struct x86_stk s;
	far_operand(c, op, &ip, &sel);
	if (!x86_protected(c)) {
		if (ip > c->seg[X86_CS].limit)
			x86_gp(c, op, 0);
		if (!jump) {
			push_return(c, op, &s, op->size);
			x86_set_sp(c, &s);
		}
		return real_transfer(c, op, sel, ip);
	}
	if (!(sel & ~3))
		x86_gp(c, op, 0);
	if (!x86_desc_read(c, op, sel, &cs))
		x86_gp(c, op, sel & ~3u);
	if (!(cs.attr & SEG_S))
		return system_target(c, op, &cs, jump);
	bool ok = desc_is_code(&cs) &&
		  (desc_is_conforming(&cs) ? desc_dpl(&cs) <= c->cpl : (sel & 3) <= c->cpl && desc_dpl(&cs) == c->cpl);
	if (!ok)
		x86_gp(c, op, sel & ~3u);
	check_code_present(c, op, &cs);
	if (!jump)
		push_return(c, op, &s, op->size);
	check_target(c, op, &cs, ip);
	x86_desc_access(c, op, &cs);
	if (!jump)
		x86_set_sp(c, &s);
	return commit(c, &cs, c->cpl, ip);
}

const struct x86_op *x86_sys_jmp_far(struct x86_cpu *c, const struct x86_op *op)
{
	return far_transfer(c, op, true);
}

const struct x86_op *x86_sys_call_far(struct x86_cpu *c, const struct x86_op *op)
{
	return far_transfer(c, op, false);
}

/* ------ returns; shared with IRET ------ */

void x86_return_code(struct x86_cpu *c, const struct x86_op *op, uint16_t sel, uint64_t ip, struct x86_desc *cs)
{
	unsigned rpl = sel & 3, error = sel & ~3u;
	if (!error)
		x86_gp(c, op, 0);
	if (!x86_desc_read(c, op, sel, cs) || !desc_is_code(cs) || rpl < c->cpl)
		x86_gp(c, op, error);
	if (desc_is_conforming(cs) ? desc_dpl(cs) > rpl : desc_dpl(cs) != rpl)
		x86_gp(c, op, error);
	check_code_present(c, op, cs);
	check_target(c, op, cs, ip);
	x86_desc_access(c, op, cs);
}

void x86_return_stack(
	struct x86_cpu *c, const struct x86_op *op, uint16_t sel, const struct x86_desc *cs, struct x86_desc *ss)
{
	unsigned rpl = cs->sel & 3;
	if (!(sel & ~3) && x86_lma(c) && (cs->attr & SEG_L) && rpl != 3 && (sel & 3) == rpl) {
		memset(ss, 0, sizeof *ss);
		ss->attr = SEG_UNUSABLE | rpl << 5;
		ss->sel = sel;
		return;
	}
	x86_check_ss(c, op, sel, rpl, X86_GP_FAULT, 0, ss);
	x86_desc_access(c, op, ss);
}

/* After a return to less privilege no segment register keeps what the new level must not use (SDM vol. 2, RET). */
void x86_return_drop_segments(struct x86_cpu *c, unsigned cpl)
{
	static const uint8_t data[] = {X86_ES, X86_DS, X86_FS, X86_GS};
	for (unsigned i = 0; i < sizeof data; i++) {
		const struct x86_seg *s = &c->seg[data[i]];
		bool conforming = (s->attr & (SEG_CODE | SEG_CONFORM)) == (SEG_CODE | SEG_CONFORM);
		if (!(s->attr & SEG_UNUSABLE) && !conforming && (s->attr >> 5 & 3) < cpl)
			x86_seg_null(c, data[i], 0, 0);
	}
}

uint64_t x86_return_sp_mask(const struct x86_cpu *c, const struct x86_desc *cs, const struct x86_desc *ss)
{
	if (x86_lma(c) && (cs->attr & SEG_L))
		return ~(uint64_t)0;
	return ss->attr & SEG_DB ? 0xffffffffu : 0xffffu;
}

static const struct x86_op *retf_outer(
	struct x86_cpu *c, const struct x86_op *op, struct x86_stk *s, struct x86_desc *cs, uint64_t ip)
{
	struct x86_desc ss;
	s->sp = (s->sp & ~s->mask) | ((s->sp + op->imm) & s->mask);
	uint64_t sp = x86_stk_pop(c, op, s, op->size);
	uint16_t sel = (uint16_t)x86_stk_pop(c, op, s, op->size);
	x86_return_stack(c, op, sel, cs, &ss);
	uint64_t mask = x86_return_sp_mask(c, cs, &ss);
	c->r[4] = (c->r[4] & ~mask & 0xffffffff) | ((sp + op->imm) & mask);
	x86_seg_set(c, X86_SS, sel, &ss);
	x86_return_drop_segments(c, cs->sel & 3u);
	return commit(c, cs, cs->sel & 3u, ip);
}

const struct x86_op *x86_sys_retf(struct x86_cpu *c, const struct x86_op *op)
{
	struct x86_stk s;
	struct x86_desc cs;
	x86_stk_own(c, &s);
	uint64_t ip = x86_stk_pop(c, op, &s, op->size);
	uint16_t sel = (uint16_t)x86_stk_pop(c, op, &s, op->size);
	if (!x86_protected(c)) {
		if (ip > c->seg[X86_CS].limit)
			x86_gp(c, op, 0);
		s.sp += op->imm;
		x86_set_sp(c, &s);
		return real_transfer(c, op, sel, ip);
	}
	x86_return_code(c, op, sel, ip, &cs);
	if ((sel & 3u) != c->cpl)
		return retf_outer(c, op, &s, &cs, ip);
	s.sp += op->imm;
	x86_set_sp(c, &s);
	return commit(c, &cs, c->cpl, ip);
}
