/* exception.c - entry to EL1 and return from it, PSTATE as one value, and what follows from a change of mode: the
 * current translation regime and stack pointer. */
#include "sys.h"

#define ESR_IL 0x2000000u
#define SPSR_UAO (1u << 23)
#define SPSR_PAN (1u << 22)
#define SPSR_SS (1u << 21)
#define SPSR_IL (1u << 20)
#define SPSR_BTYPE 0xc00u

/* Classes with a form for exceptions from a lower level, whose number is one less. */
static bool has_lower(unsigned ec)
{
	return ec == A64_EC_IABT || ec == A64_EC_DABT || ec == A64_EC_BREAK || ec == A64_EC_STEP || ec == A64_EC_WATCH;
}

static void fill(struct a64_cpu *c, uint64_t return_pc, unsigned ec, uint32_t iss)
{
	if (c->el == 0 && has_lower(ec))
		ec--;
	c->exc_valid = true;
	c->exc_has_far = false;
	c->exc_vector = 0;
	c->exc_esr = ec << 26 | ESR_IL | iss;
	c->exc_pc = return_pc;
}

void a64_take(struct a64_cpu *c, uint64_t return_pc, unsigned ec, uint32_t iss)
{
	fill(c, return_pc, ec, iss);
	a64_deliver(c);
}

_Noreturn void a64_raise(struct a64_cpu *c, const struct a64_op *op, unsigned ec, uint32_t iss)
{
	if (op)
		c->pc = a64_op_pc(c, op);
	fill(c, c->pc, ec, iss);
	longjmp(c->jb, A64_JMP_FAULT);
}

_Noreturn void a64_raise_far(struct a64_cpu *c, const struct a64_op *op, unsigned ec, uint32_t iss, uint64_t far)
{
	if (op)
		c->pc = a64_op_pc(c, op);
	fill(c, c->pc, ec, iss);
	c->exc_has_far = true;
	c->exc_far = far;
	longjmp(c->jb, A64_JMP_FAULT);
}

/* CV 1, COND 14: Arm ARM, ISS encoding for an exception from an access to SVE, Advanced SIMD or floating-point */
_Noreturn void a64_fp_trap(struct a64_cpu *c, const struct a64_op *op)
{
	a64_raise(c, op, A64_EC_FP, 0x1e00000);
}

_Noreturn void a64_sp_fault(struct a64_cpu *c, const struct a64_op *op)
{
	a64_raise(c, op, A64_EC_SP, 0);
}

_Noreturn void a64_leave(struct a64_cpu *c, enum a64_stop_kind kind)
{
	c->stop.kind = kind;
	c->stop.needs_answer = false;
	c->stop.pc = c->pc;
	longjmp(c->jb, A64_JMP_STOP);
}

/* Offsets of the vectors, Arm ARM D1.3.1.5: current EL with SP_EL0, with SP_ELx, lower EL. */
static uint64_t vector(const struct a64_cpu *c)
{
	unsigned group = c->el == 0 ? 0x400 : c->spsel ? 0x200 : 0;
	return (c->vbar & ~UINT64_C(0x7ff)) + group + 0x80u * c->exc_vector;
}

void a64_deliver(struct a64_cpu *c)
{
	uint64_t pc = vector(c);
	c->exc_valid = false;
	c->spsr = a64_get_pstate(c);
	c->elr = c->exc_pc;
	if (c->exc_vector == 0 || c->exc_vector == 3)
		c->esr = c->exc_esr;
	if (c->exc_has_far)
		c->far = c->exc_far;
	c->exc_has_far = false;
	c->el = c->spsel = 1;
	c->daif = A64_DAIF_ALL;
	c->il = c->ss = c->uao = false;
	c->btype = 0;
	if (a64_has(c, A64_F_PAN) && !(c->sctlr & A64_SCTLR_SPAN))
		c->pan = true;
	c->pc = pc;
	a64_mode_changed(c);
}

uint64_t a64_get_pstate(struct a64_cpu *c)
{
	uint64_t v = (c->nf >> 63) << 31 | (uint64_t)(c->zf == 0) << 30 | (c->cf & 1) << 29 | (c->vf & 1) << 28;
	v |= (c->uao ? SPSR_UAO : 0) | (c->pan ? SPSR_PAN : 0) | (c->ss ? SPSR_SS : 0) | (c->il ? SPSR_IL : 0);
	v |= (uint64_t)(c->btype & 3) << 10 | (c->daif & A64_DAIF_ALL);
	return v | (c->el ? 4u | (c->spsel & 1) : 0);
}

static void set_nzcv(struct a64_cpu *c, uint64_t v)
{
	c->nf = v << 32;
	c->zf = !(v >> 30 & 1);
	c->cf = v >> 29 & 1;
	c->vf = v >> 28 & 1;
}

/* All but SS, IL and the mode. */
static void set_common(struct a64_cpu *c, uint64_t v)
{
	set_nzcv(c, v);
	c->daif = v & A64_DAIF_ALL;
	c->pan = v & SPSR_PAN && a64_has(c, A64_F_PAN);
	c->uao = v & SPSR_UAO && a64_has(c, A64_F_UAO);
	c->btype = a64_has(c, A64_F_BTI) ? (v & SPSR_BTYPE) >> 10 : 0;
}

void a64_set_pstate(struct a64_cpu *c, uint64_t v)
{
	set_common(c, v);
	c->ss = v & SPSR_SS;
	c->il = v & SPSR_IL;
	c->el = v & 0xc ? 1 : 0;
	c->spsel = c->el && v & 1;
	a64_mode_changed(c);
}

/* Arm ARM D1.3.4: what SPSR_EL1 may not name from EL1: AArch32, a higher level, a mode that is none. */
static bool illegal_return(uint64_t spsr)
{
	unsigned m = spsr & 0x1f;
	return m != 0 && m != 4 && m != 5;
}

/* J1.1, DebugExceptionReturnSS: stepping goes on only from where it was off to where it is on. */
static bool return_ss(const struct a64_cpu *c, uint64_t spsr, unsigned el)
{
	struct a64_cpu to = {.mdscr = c->mdscr, .oslsr = c->oslsr, .osdlr = c->osdlr, .daif = spsr & A64_DAIF_ALL};
	return spsr & SPSR_SS && c->mdscr & A64_MDSCR_SS && !a64_debug_enabled(c, c->el) && a64_debug_enabled(&to, el);
}

void a64_eret(struct a64_cpu *c, uint64_t pc)
{
	uint64_t spsr = c->spsr;
	bool illegal = illegal_return(spsr);
	unsigned el = illegal ? c->el : (spsr & 4) >> 2;
	bool ss = return_ss(c, spsr, el);
	set_common(c, spsr);
	c->ss = ss;
	c->il = illegal || spsr & SPSR_IL;
	if (!illegal) {
		c->el = (uint8_t)el;
		c->spsel = spsr & 1;
	}
	c->excl_addr = UINT64_MAX;
	c->pc = a64_branch_addr(c, pc);
	a64_mode_changed(c);
}

/* SP_EL0 at EL0 and where SPSel says so, else SP_EL1. */
static void bank_sp(struct a64_cpu *c)
{
	uint8_t bank = c->el && c->spsel;
	if (bank == c->sp_bank)
		return;
	c->sp_el[c->sp_bank] = c->x[A64_R_SP];
	c->x[A64_R_SP] = c->sp_el[bank];
	c->sp_bank = bank;
}

void a64_mode_changed(struct a64_cpu *c)
{
	bank_sp(c);
	c->mmu_mode = c->el == 0 ? A64_MMU_EL0 : c->pan ? A64_MMU_EL1_PAN : A64_MMU_EL1;
	c->tlb = &c->tlbs[c->mmu_mode];
	a64_debug_update(c);
}

void a64_state_changed(struct a64_cpu *c, bool flush)
{
	a64_mode_changed(c);
	a64_watch_changed(c);
	if (flush)
		a64_tlb_flush(c);
	a64_asid_changed(c);
}
