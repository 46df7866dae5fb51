/* sys_deliver.c - raising exceptions and delivering events through the IDT (SDM vol. 3, chapter 6): real mode, gates of
 * protected mode, task gates, IA-32e mode with IST, escalation to double and triple faults. */
#include "fpenv.h"
#include "sys.h"

enum {
	TYPE_EXTERNAL = 0,
	TYPE_NMI = 2,
	TYPE_HW_EXCEPTION = 3,
	TYPE_SOFT_INT = 4,
	TYPE_PRIV_SOFT = 5,
	TYPE_SOFT_EXCEPTION = 6
};

enum { DR7_GD = 1 << 13 };

/* SDM vol. 3, table 6-4 and 6-5 */
enum { CLASS_NONE, CLASS_BENIGN, CLASS_CONTRIBUTORY, CLASS_PAGE_FAULT, CLASS_DOUBLE };

static int class_of(int vector)
{
	switch (vector) {
	case X86_DE:
	case X86_TS:
	case X86_NP:
	case X86_SS_FAULT:
	case X86_GP_FAULT: return CLASS_CONTRIBUTORY;
	case X86_PF: return CLASS_PAGE_FAULT;
	case X86_DF: return CLASS_DOUBLE;
	default: return CLASS_BENIGN;
	}
}

/* What a second exception while `first` is being delivered turns into; -1: shutdown. */
static int escalate(int first, int vector)
{
	int second = class_of(vector);
	if (second < CLASS_CONTRIBUTORY)
		return vector;
	if (first == CLASS_DOUBLE)
		return -1;
	if (first == CLASS_PAGE_FAULT || (first == CLASS_CONTRIBUTORY && second == CLASS_CONTRIBUTORY))
		return X86_DF;
	return vector;
}

/* The user has it instead of the guest (env->exceptions). What was being delivered is kept. */
_Noreturn static void intercept(struct x86_cpu *c, const struct x86_op *op, int vector, int error, uint64_t value)
{
	c->stop.kind = X86_STOP_EXCEPTION;
	c->stop.exception = (uint32_t)vector;
	c->stop.has_error = error >= 0;
	c->stop.error = error >= 0 ? (uint32_t)error : 0;
	c->stop.software = false;
	c->stop.value = value;
	c->delivering = CLASS_NONE;
	x86_stop_before(c, op);
}

static uint64_t take_dr6(struct x86_cpu *c)
{
	uint64_t dr6 = c->dr[6];
	c->dr[6] = c->dr6_before;
	return dr6;
}

void x86_intercept_software(struct x86_cpu *c, const struct x86_op *op, int vector)
{
	if (likely(!(c->env->exceptions >> vector & 1)))
		return;
	c->stop.kind = X86_STOP_EXCEPTION;
	c->stop.exception = (uint32_t)vector;
	c->stop.has_error = false;
	c->stop.error = 0;
	c->stop.software = true;
	c->stop.value = 0;
	x86_stop_before(c, op);
}

void x86_raise(struct x86_cpu *c, const struct x86_op *op, int vector, int error)
{
	if (op)
		c->rip = x86_op_rip(c, op);
	if (unlikely(c->env->exceptions >> vector & 1))
		intercept(c, op, vector, error, vector == X86_DB ? take_dr6(c) : 0);
	int v = escalate(c->delivering, vector);
	if (unlikely(v == X86_DF && c->env->exceptions >> X86_DF & 1)) {
		c->exc_valid = c->inject_valid = false;
		intercept(c, op, X86_DF, 0, 0);
	}
	if (c->delivering && !c->exc_valid)
		c->inject_valid = false; /* the event that was being delivered gives way to the fault (table 6-5,
					    "handled serially") */
	c->delivering = CLASS_NONE;
	c->exc_valid = true;
	c->exc_triple = v < 0;
	c->exc_vector = (uint8_t)(v < 0 ? X86_DF : v);
	c->exc_type = TYPE_HW_EXCEPTION;
	c->exc_error = v == vector ? error : 0;
	x86_leap(c, X86_JMP_FAULT);
}

void x86_page_fault(struct x86_cpu *c, const struct x86_op *op, uint64_t gva, unsigned error)
{
	if (unlikely(error == X86_NO_TABLE))
		x86_stop_before(c, op);
	if (unlikely(c->env->exceptions >> X86_PF & 1)) {
		if (op)
			c->rip = x86_op_rip(c, op);
		intercept(c, op, X86_PF, (int)error, gva);
	}
	c->cr2 = gva;
	x86_raise(c, op, X86_PF, (int)error);
}

void x86_leave(struct x86_cpu *c, enum x86_stop_kind kind)
{
	c->stop.kind = kind;
	c->stop.needs_answer = false;
	x86_leap(c, X86_JMP_STOP);
}

static bool shutdown(struct x86_cpu *c)
{
	c->exc_valid = c->exc_triple = c->inject_valid = false;
	c->stop.kind = X86_STOP_TRIPLE;
	c->stop.needs_answer = false;
	return false;
}

/* SDM vol. 3, 2.5, CR4.MCE, and table 6-1: without it a machine check shuts down. */
static bool unwanted_mc(const struct x86_cpu *c)
{
	return c->inject_valid && c->inject_type == TYPE_HW_EXCEPTION && c->inject_vector == X86_MC &&
	       !(c->cr4 & CR4_MCE);
}

bool x86_deliver_fault(struct x86_cpu *c)
{
	if (c->exc_valid ? c->exc_triple : unwanted_mc(c))
		return shutdown(c);
	c->in_delivery = true;
	if (c->exc_valid) {
		c->delivering = (uint8_t)class_of(c->exc_vector);
		x86_deliver(c, c->exc_vector, c->exc_type, c->exc_error, c->rip);
		c->exc_valid = false;
	} else if (c->inject_valid) {
		bool hw = c->inject_type == TYPE_HW_EXCEPTION;
		c->delivering = (uint8_t)(hw ? class_of(c->inject_vector) : CLASS_BENIGN);
		x86_deliver(
			c, c->inject_vector, c->inject_type, c->inject_has_error ? (int)c->inject_error : -1,
			c->rip + c->inject_len);
		c->inject_valid = false;
	}
	c->delivering = CLASS_NONE;
	c->in_delivery = false;
	return true;
}

/* One delivery. */
struct event {
	int vector, type, error;
	unsigned ext; /* bit 0 of error codes: not the program's own INT */
	uint64_t rip, flags;
	/* the gate */
	unsigned gate_error, kind, dpl, ist;
	uint16_t sel;
	uint64_t target;
	unsigned size; /* of pushes */
};

/* Traps and aborts are no faults (SDM vol. 3, table 6-1); #DB is either. */
static bool is_fault(int vector, int type)
{
	static const uint32_t others = 1u << X86_DB | 1u << X86_BP | 1u << X86_OF | 1u << X86_DF | 1u << X86_MC;
	return type == TYPE_HW_EXCEPTION && !(others >> vector & 1);
}

static bool is_soft(const struct event *e)
{
	return e->type == TYPE_SOFT_INT || e->type == TYPE_SOFT_EXCEPTION;
}

/* Flags at the handler (SDM vol. 3, 6.12.1.3); `clear` beside TF, RF, VM, NT. */
static void enter(struct x86_cpu *c, const struct event *e, uint64_t rip, uint32_t clear)
{
	if (e->type == TYPE_NMI)
		c->nmi_masked = true;
	if (e->vector == X86_DB && !is_soft(e))
		c->dr[7] &= ~(uint64_t)DR7_GD; /* SDM vol. 3, 18.2.4 */
	c->shadow = 0;
	c->step_armed = false;
	c->rip = rip;
	x86_write_eflags(c, 0, clear | X86_TF | X86_RF | X86_VM | X86_NT);
	x86_update_mode(c);
}

static void deliver_real(struct x86_cpu *c, const struct event *e)
{
	struct x86_stk s;
	if ((unsigned)e->vector * 4 + 3 > c->idt_limit)
		x86_gp(c, NULL, (unsigned)e->vector * 8 + 2 + e->ext);
	uint32_t entry = (uint32_t)x86_ld_sys(c, NULL, c->idt_base + (unsigned)e->vector * 4, 4);
	x86_stk_own(c, &s);
	x86_stk_push(c, NULL, &s, 2, e->flags);
	x86_stk_push(c, NULL, &s, 2, c->seg[X86_CS].sel);
	x86_stk_push(c, NULL, &s, 2, e->rip);
	x86_set_sp(c, &s);
	x86_seg_real(c, X86_CS, (uint16_t)(entry >> 16));
	uint32_t nt = c->eflags & X86_NT; /* kept: no nesting in real mode */
	enter(c, e, (uint16_t)entry, X86_IF | X86_AC_);
	c->eflags |= nt;
}

/* The gate out of the IDT with the checks of SDM vol. 3, 6.12 and 6.14. */
static void read_gate(struct x86_cpu *c, struct event *e)
{
	unsigned bytes = x86_lma(c) ? 16 : 8;
	e->gate_error = (unsigned)e->vector * 8 + 2 + e->ext;
	if ((unsigned)e->vector * bytes + bytes - 1 > c->idt_limit)
		x86_gp(c, NULL, e->gate_error);
	uint64_t at = c->idt_base + (unsigned)e->vector * bytes;
	uint64_t lo = x86_ld_sys(c, NULL, at, 8);
	e->kind = lo >> 40 & 0x1f;
	e->dpl = lo >> 45 & 3;
	e->sel = (uint16_t)(lo >> 16);
	e->target = (lo & 0xffff) | (lo >> 32 & 0xffff0000);
	e->size = e->kind & 8 ? 4 : 2;
	if (bytes == 16) {
		e->target |= x86_ld_sys(c, NULL, at + 8, 4) << 32;
		e->ist = lo >> 32 & 7;
		e->size = 8;
	} else if (e->size == 2) {
		e->target &= 0xffff;
	}
	bool known = e->kind == SYS_INT32 || e->kind == SYS_TRAP32 ||
		     (bytes == 8 && (e->kind == SYS_INT16 || e->kind == SYS_TRAP16 || e->kind == SYS_TASK));
	if (!known || (is_soft(e) && e->dpl < c->cpl))
		x86_gp(c, NULL, e->gate_error);
	if (!(lo >> 47 & 1))
		x86_raise(c, NULL, X86_NP, (int)e->gate_error);
}

/* The handler's code segment; returns the new CPL. */
static unsigned read_target(struct x86_cpu *c, const struct event *e, struct x86_desc *cs)
{
	if (!(e->sel & ~3))
		x86_gp(c, NULL, e->ext);
	unsigned error = (e->sel & ~3u) | e->ext;
	if (!x86_desc_read(c, NULL, e->sel, cs) || !desc_is_code(cs) || desc_dpl(cs) > c->cpl)
		x86_gp(c, NULL, error);
	if (x86_lma(c) && (cs->attr & (SEG_L | SEG_DB)) != SEG_L)
		x86_gp(c, NULL, error);
	if (!(cs->attr & SEG_P))
		x86_raise(c, NULL, X86_NP, (int)error);
	unsigned cpl = desc_is_conforming(cs) ? c->cpl : desc_dpl(cs);
	if (c->mode == X86_MODE_VM86 && cpl != 0)
		x86_gp(c, NULL, error);
	return cpl;
}

static void push_frame(struct x86_cpu *c, const struct event *e, struct x86_stk *s)
{
	x86_stk_push(c, NULL, s, e->size, e->flags);
	x86_stk_push(c, NULL, s, e->size, c->seg[X86_CS].sel);
	x86_stk_push(c, NULL, s, e->size, e->rip);
	if (e->error >= 0)
		x86_stk_push(c, NULL, s, e->size, (unsigned)e->error);
}

static void push_vm86_segments(struct x86_cpu *c, struct x86_stk *s, unsigned size)
{
	static const uint8_t order[] = {X86_GS, X86_FS, X86_DS, X86_ES};
	for (unsigned i = 0; i < sizeof order; i++)
		x86_stk_push(c, NULL, s, size, c->seg[order[i]].sel);
}

static void load_cs(struct x86_cpu *c, struct x86_desc *cs, unsigned cpl)
{
	x86_seg_set(c, X86_CS, (uint16_t)((cs->sel & ~3u) | cpl), cs);
}

/* The error code goes to the new task's stack (SDM vol. 3, 6.12.2, 7.3). */
static void deliver_task(struct x86_cpu *c, const struct event *e)
{
	struct x86_task t = {X86_TASK_CALL, e->ext, e->rip, e->flags};
	struct x86_stk s;
	bool trap = x86_task_switch(c, NULL, e->sel, &t);
	if (e->type == TYPE_NMI)
		c->nmi_masked = true;
	if (e->vector == X86_DB && !is_soft(e))
		c->dr[7] &= ~(uint64_t)DR7_GD;
	if (e->error >= 0) {
		x86_stk_own(c, &s);
		s.error = e->ext;
		x86_stk_push(c, NULL, &s, c->seg[X86_TR].attr & 8 ? 4 : 2, (unsigned)e->error);
		x86_set_sp(c, &s);
	}
	if (trap) {
		c->delivering = CLASS_NONE;
		c->exc_valid = c->inject_valid = false;
		x86_task_trap(c);
	}
}

static void deliver_gate(struct x86_cpu *c, struct event *e)
{
	struct x86_desc cs, ss;
	struct x86_stk s;
	read_gate(c, e);
	if (e->kind == SYS_TASK) {
		deliver_task(c, e);
		return;
	}
	unsigned cpl = read_target(c, e, &cs);
	bool inner = cpl != c->cpl, vm86 = c->mode == X86_MODE_VM86;
	if (inner) {
		x86_stk_inner(c, NULL, cpl, e->ext, &s, &ss);
		if (vm86)
			push_vm86_segments(c, &s, e->size);
		x86_stk_push(c, NULL, &s, e->size, c->seg[X86_SS].sel);
		x86_stk_push(c, NULL, &s, e->size, c->r[4]);
	} else {
		x86_stk_own(c, &s);
		s.error = e->ext;
	}
	push_frame(c, e, &s);
	if (e->target > cs.limit)
		x86_gp(c, NULL, e->ext);
	x86_desc_access(c, NULL, &cs);
	if (inner) {
		x86_desc_access(c, NULL, &ss);
		x86_seg_set(c, X86_SS, ss.sel, &ss);
		static const uint8_t nulled[] = {X86_DS, X86_ES, X86_FS, X86_GS};
		for (unsigned i = 0; vm86 && i < sizeof nulled; i++)
			x86_seg_null(c, nulled[i], 0, 0);
	}
	x86_set_sp(c, &s);
	load_cs(c, &cs, cpl);
	enter(c, e, e->target, e->kind & 1 ? 0 : X86_IF);
}

static void deliver_long(struct x86_cpu *c, struct event *e)
{
	struct x86_desc cs;
	struct x86_stk s;
	read_gate(c, e);
	unsigned cpl = read_target(c, e, &cs);
	bool inner = cpl != c->cpl;
	if (inner || e->ist) {
		x86_stk_inner64(c, NULL, cpl, e->ist, e->ext, &s);
		s.system = cpl != 3;
	} else {
		x86_stk_own(c, &s);
		s.flat64 = true;
		s.mask = ~(uint64_t)0;
		s.error = e->ext;
	}
	s.sp &= ~(uint64_t)15;
	x86_stk_push(c, NULL, &s, 8, c->seg[X86_SS].sel);
	x86_stk_push(c, NULL, &s, 8, c->r[4]);
	push_frame(c, e, &s);
	if (!x86_canonical(c, e->target))
		x86_gp(c, NULL, e->ext);
	x86_desc_access(c, NULL, &cs);
	if (inner)
		x86_seg_null(c, X86_SS, (uint16_t)cpl, cpl);
	c->r[4] = s.sp;
	load_cs(c, &cs, cpl);
	enter(c, e, e->target, e->kind & 1 ? 0 : X86_IF);
}

void x86_deliver(struct x86_cpu *c, int vector, int type, int error, uint64_t saved_rip)
{
	struct event e = {.vector = vector, .type = type, .error = error, .rip = saved_rip};
	e.ext = !is_soft(&e);
	e.flags = x86_get_rflags(c);
	/* Faults push RF, so that a breakpoint on the instruction is not met again (SDM vol. 3, 18.3.1.1); #DB of a
	 * breakpoint and completed instructions do not; between iterations of REP whatever comes does. */
	if (is_fault(vector, type) || saved_rip == c->rep_rip)
		e.flags |= X86_RF;
	c->rep_rip = UINT64_MAX;
	if (c->mode == X86_MODE_REAL)
		deliver_real(c, &e);
	else if (x86_lma(c))
		deliver_long(c, &e);
	else
		deliver_gate(c, &e);
}
