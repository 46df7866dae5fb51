/* system.c - system instructions but for those that maintain caches and TLBs (maintain.c): hints, barriers, PSTATE,
 * system registers, calls and returns between exception levels (Arm ARM C4.1.67). */
#include "int.h"
#include "sysreg.h"

#define X(n) c->x[n]
enum { WFX_WFI = 0, WFX_WFE = 1, WFX_ALWAYS = 0x1e00000 /* CV, COND */, REASON_BRK = 4 };

_Noreturn void a64_sysreg_trap(struct a64_cpu *c, const struct a64_op *op)
{
	uint32_t i = op->insn;
	a64_raise(c, op, A64_EC_SYSREG,
		  A64_BITS(i, 20, 19) << 20 | A64_BITS(i, 7, 5) << 17 | A64_BITS(i, 18, 16) << 14 |
			  A64_BITS(i, 15, 12) << 10 | A64_BITS(i, 4, 0) << 5 | A64_BITS(i, 11, 8) << 1 |
			  A64_BITS(i, 21, 21));
}

/* Behind what may have changed translation, masks or debugging: on by the jump cache only when nothing of it has. */
static op_t go_on(struct a64_cpu *c, op_t op)
{
	uint64_t pc = a64_op_pc(c, op) + 4;
	if (likely(!c->irq_wait && !c->tf_active && c->mmu->fetch_generation == c->cache->seen))
		return a64_jump(c, pc);
	c->pc = pc;
	return NULL;
}

/* Arm ARM J1.1, SSAdvance: an instruction that itself leads elsewhere has been stepped over. */
static void step_done(struct a64_cpu *c)
{
	if (a64_step_active(c))
		c->ss = false;
}

_Noreturn static void leave_behind(struct a64_cpu *c, op_t op, enum a64_stop_kind kind)
{
	step_done(c);
	c->stop.imm = A64_BITS(op->insn, 20, 5);
	c->pc = a64_op_pc(c, op) + 4;
	a64_leave(c, kind);
}

static void pause(struct a64_cpu *c)
{
	if (c->env->pause)
		c->env->pause(c->env_opaque);
}

/* ------ hints and barriers ------ */

/* SEV, BTI, CSDB, ESB without errors, and what is not assigned: nothing is seen of them. */
static A64_HANDLER(nop)
{
	return A64_NEXT(op);
}
static A64_HANDLER(yield)
{
	pause(c);
	return A64_NEXT(op);
}
/* An event is always there soon enough: nobody waits for one. */
static A64_HANDLER(wfe)
{
	if (!c->el && !(c->sctlr & A64_SCTLR_NTWE))
		a64_raise(c, op, A64_EC_WFX, WFX_ALWAYS | WFX_WFE);
	pause(c);
	return A64_NEXT(op);
}
static A64_HANDLER(wfi)
{
	if (!c->el && !(c->sctlr & A64_SCTLR_NTWI))
		a64_raise(c, op, A64_EC_WFX, WFX_ALWAYS | WFX_WFI);
	leave_behind(c, op, A64_STOP_WFI);
}
static A64_HANDLER(dmb)
{
	atomic_thread_fence(memory_order_seq_cst);
	return A64_NEXT(op);
}
static A64_HANDLER(dsb)
{
	atomic_thread_fence(memory_order_seq_cst);
	if (unlikely(c->mmu->asked))
		a64_share_wait(c);
	return A64_NEXT(op);
}
static A64_HANDLER(isb)
{
	return go_on(c, op);
}
static A64_HANDLER(clrex)
{
	c->excl_addr = UINT64_MAX;
	return A64_NEXT(op);
}

/* ------ PSTATE ------ */

static A64_HANDLER(msr_spsel)
{
	if (!c->el)
		a64_undef(c, op);
	c->spsel = op->insn >> 8 & 1;
	a64_mode_changed(c);
	return A64_NEXT(op);
}
static A64_HANDLER(msr_pan)
{
	if (!c->el)
		a64_undef(c, op);
	c->pan = op->insn >> 8 & 1;
	a64_mode_changed(c);
	return A64_NEXT(op);
}
static A64_HANDLER(msr_uao)
{
	if (!c->el)
		a64_undef(c, op);
	c->uao = op->insn >> 8 & 1;
	return A64_NEXT(op);
}
static uint32_t daif_bits(struct a64_cpu *c, op_t op)
{
	if (!c->el && !(c->sctlr & A64_SCTLR_UMA))
		a64_sysreg_trap(c, op);
	return A64_BITS(op->insn, 11, 8) << 6;
}
static A64_HANDLER(msr_daifset)
{
	c->daif |= daif_bits(c, op);
	return A64_NEXT(op);
}
static A64_HANDLER(msr_daifclr)
{
	c->daif &= ~daif_bits(c, op);
	return go_on(c, op);
}

/* ------ system registers ------ */

static uint32_t reg_of(uint32_t insn)
{
	return 0x8000 | (insn >> 5 & 0x7fff);
}

static A64_HANDLER(mrs)
{
	uint64_t v = 0;
	if (!a64_sysreg_access(c, op, reg_of(op->insn), false, &v))
		a64_undef(c, op);
	X(op->rd) = v;
	return A64_NEXT(op);
}
static void write_reg(struct a64_cpu *c, op_t op)
{
	uint64_t v = X(op->insn & 31);
	if (!a64_sysreg_access(c, op, reg_of(op->insn), true, &v))
		a64_undef(c, op);
}
static A64_HANDLER(msr)
{
	write_reg(c, op);
	return go_on(c, op);
}
static A64_HANDLER(msr_plain)
{
	write_reg(c, op);
	return A64_NEXT(op);
}

/* What kernels and threads read and write all the time: plain storage that nothing follows from. `el`: the lowest that
 * may read, and write. */
static const struct {
	uint16_t reg;
	uint8_t read_el, write_el;
	uint32_t at;
} plain[] = {
	{A64_SYSREG(3, 3, 13, 0, 2), 0, 0, offsetof(struct a64_cpu, tpidr_el0)},
	{A64_SYSREG(3, 3, 13, 0, 3), 0, 1, offsetof(struct a64_cpu, tpidrro_el0)},
	{A64_SYSREG(3, 0, 13, 0, 4), 1, 1, offsetof(struct a64_cpu, tpidr_el1)},
	{A64_SYSREG(3, 0, 4, 0, 1), 1, 1, offsetof(struct a64_cpu, elr)},
	{A64_SYSREG(3, 0, 6, 0, 0), 1, 1, offsetof(struct a64_cpu, far)},
};
enum { PLAIN = sizeof plain / sizeof *plain };

static uint64_t *plain_at(struct a64_cpu *c, op_t op, unsigned el)
{
	if (unlikely(c->el < el))
		a64_undef(c, op);
	return (uint64_t *)(void *)((char *)c + op->imm);
}
static A64_HANDLER(mrs_at)
{
	X(op->rd) = *plain_at(c, op, op->rm);
	return A64_NEXT(op);
}
static A64_HANDLER(msr_at)
{
	*plain_at(c, op, op->rm) = X(op->insn & 31);
	return A64_NEXT(op);
}
/* Where kernels keep the current task */
static A64_HANDLER(mrs_sp_el0)
{
	if (unlikely(!c->el || !c->spsel))
		a64_undef(c, op);
	X(op->rd) = c->sp_el[0];
	return A64_NEXT(op);
}

static void prep_mrs(struct a64_op *op)
{
	uint32_t reg = reg_of(op->insn);
	op->imm = 0;
	if (reg == A64_SYSREG(3, 0, 4, 1, 0))
		op->fn = mrs_sp_el0;
	for (unsigned i = 0; i < PLAIN; i++)
		if (plain[i].reg == reg) {
			op->imm = plain[i].at;
			op->rm = plain[i].read_el;
			op->fn = mrs_at;
		}
}
static void prep_msr(struct a64_op *op)
{
	uint32_t reg = reg_of(op->insn);
	op->imm = 0;
	for (unsigned i = 0; i < PLAIN; i++)
		if (plain[i].reg == reg) {
			op->imm = plain[i].at;
			op->rm = plain[i].write_el;
			op->fn = msr_at;
		}
}

/* A write that neither translation nor masks nor debugging depend on does not end its block. */
static bool is_plain(uint32_t insn)
{
	static const uint16_t others[] = {
		A64_SYSREG(3, 0, 4, 0, 0),  A64_SYSREG(3, 0, 4, 1, 0),
		A64_SYSREG(3, 3, 4, 2, 0),                             /* SPSR SP_EL0 NZCV */
		A64_SYSREG(3, 3, 4, 4, 0),  A64_SYSREG(3, 3, 4, 4, 1), /* FPCR FPSR */
		A64_SYSREG(3, 0, 5, 2, 0),  A64_SYSREG(3, 0, 13, 0, 1),
		A64_SYSREG(3, 0, 12, 0, 0), /* ESR CONTEXTIDR VBAR */
	};
	uint32_t reg = reg_of(insn);
	for (unsigned i = 0; i < PLAIN; i++)
		if (plain[i].reg == reg)
			return true;
	for (unsigned i = 0; i < sizeof others / sizeof *others; i++)
		if (others[i] == reg)
			return true;
	return false;
}

/* ------ calls and returns ------ */

static A64_HANDLER(svc)
{
	step_done(c);
	a64_take(c, a64_op_pc(c, op) + 4, A64_EC_SVC, A64_BITS(op->insn, 20, 5));
	return NULL;
}
static A64_HANDLER(hvc)
{
	if (!c->el)
		a64_undef(c, op);
	leave_behind(c, op, A64_STOP_HVC);
}
static A64_HANDLER(smc)
{
	if (!c->el)
		a64_undef(c, op);
	leave_behind(c, op, A64_STOP_SMC);
}
static A64_HANDLER(brk)
{
	uint32_t imm = A64_BITS(op->insn, 20, 5);
	if (!c->user_brk)
		a64_raise(c, op, A64_EC_BRK, imm);
	c->stop.debug_reason = REASON_BRK;
	c->stop.imm = imm;
	c->pc = a64_op_pc(c, op);
	c->stop.far = c->pc;
	a64_leave(c, A64_STOP_DEBUG);
}
static A64_HANDLER(eret)
{
	if (!c->el)
		a64_undef(c, op);
	a64_eret(c, c->elr);
	return NULL;
}

static const struct a64_row rows[] = {
	{0xffffffff, 0xd503203f, "yield", yield, A64_OPS_RAW, A64_ALWAYS, false, NULL, NULL},
	{0xffffffff, 0xd503205f, "wfe", wfe, A64_OPS_RAW, A64_ALWAYS, false, NULL, NULL},
	{0xffffffff, 0xd503207f, "wfi", wfi, A64_OPS_RAW, A64_ALWAYS, true, NULL, NULL},
	{0xfffff01f, 0xd503201f, "hint", nop, A64_OPS_RAW, A64_ALWAYS, false, NULL, NULL},
	{0xfffff0ff, 0xd503305f, "clrex", clrex, A64_OPS_RAW, A64_ALWAYS, false, NULL, NULL},
	{0xfffff0ff, 0xd503309f, "dsb", dsb, A64_OPS_RAW, A64_ALWAYS, false, NULL, NULL},
	{0xfffff0ff, 0xd50330bf, "dmb", dmb, A64_OPS_RAW, A64_ALWAYS, false, NULL, NULL},
	{0xfffff0ff, 0xd50330df, "isb", isb, A64_OPS_RAW, A64_ALWAYS, true, NULL, NULL},
	{0xffffffff, 0xd50330ff, "sb", dmb, A64_OPS_RAW, A64_F_SB, false, NULL, NULL},
	{0xfffff0ff, 0xd50040bf, "msr_spsel", msr_spsel, A64_OPS_RAW, A64_ALWAYS, false, NULL, NULL},
	{0xfffff0ff, 0xd500407f, "msr_uao", msr_uao, A64_OPS_RAW, A64_F_UAO, false, NULL, NULL},
	{0xfffff0ff, 0xd500409f, "msr_pan", msr_pan, A64_OPS_RAW, A64_F_PAN, false, NULL, NULL},
	{0xfffff0ff, 0xd50340df, "msr_daifset", msr_daifset, A64_OPS_RAW, A64_ALWAYS, false, NULL, NULL},
	{0xfffff0ff, 0xd50340ff, "msr_daifclr", msr_daifclr, A64_OPS_RAW, A64_ALWAYS, true, NULL, NULL},
	{0xfff00000, 0xd5300000, "mrs", mrs, A64_OPS_X, A64_ALWAYS, false, NULL, prep_mrs},
	{0xfff00000, 0xd5100000, "msr", msr_plain, A64_OPS_RAW, A64_ALWAYS, false, is_plain, prep_msr},
	{0xfff00000, 0xd5100000, "msr", msr, A64_OPS_RAW, A64_ALWAYS, true, NULL, NULL},
	{0xffe0001f, 0xd4000001, "svc", svc, A64_OPS_RAW, A64_ALWAYS, true, NULL, NULL},
	{0xffe0001f, 0xd4000002, "hvc", hvc, A64_OPS_RAW, A64_ALWAYS, true, NULL, NULL},
	{0xffe0001f, 0xd4000003, "smc", smc, A64_OPS_RAW, A64_ALWAYS, true, NULL, NULL},
	{0xffe0001f, 0xd4200000, "brk", brk, A64_OPS_RAW, A64_ALWAYS, true, NULL, NULL},
	/* halting debug is not allowed: Arm ARM H2.2.2 */
	{0xffe0001f, 0xd4400000, "hlt", a64_op_udf, A64_OPS_RAW, A64_ALWAYS, true, NULL, NULL},
	{0xffffffff, 0xd69f03e0, "eret", eret, A64_OPS_RAW, A64_ALWAYS, true, NULL, NULL},
};
A64_TABLE(a64_rows_system);
