/* sysreg.c - system registers for the guest and for the user: the table, the ID registers, and those that are parts of
 * PSTATE or computed. */
#include "sysreg.h"
#include "sysreg_list.h"

enum { R0 = 1, W0 = 2, RO1 = 4, RW1 = 12, USER = 16 };
enum hook { H_NONE, H_DEBUG, H_WATCH, H_KEEP, H_MMU, H_ASID, H_PAUTH, H_RAS, H_UCT, H_CNTFRQ };

struct reg {
	uint16_t reg;
	uint8_t access, hook;
	uint32_t at; /* in struct a64_cpu */
	uint64_t reset, mask;
	const char *name;
};
#define ROW(name, op0, op1, crn, crm, op2, field, access, hook, reset, mask)                                           \
	{A64_SYSREG(op0, op1, crn, crm, op2), access, hook, offsetof(struct a64_cpu, field), reset, mask, #name},
static const struct reg regs[] = {A64_SYSREGS(ROW)};
#undef ROW

static uint64_t *storage(struct a64_cpu *c, const struct reg *r)
{
	return (uint64_t *)(void *)((char *)c + r->at);
}

static const struct reg *find(const struct a64_cpu *c, uint32_t reg)
{
	for (size_t i = 0; i < sizeof regs / sizeof *regs; i++)
		if (regs[i].reg == reg) {
			bool off = (regs[i].hook == H_PAUTH && !a64_has(c, A64_F_PAUTH)) ||
				   (regs[i].hook == H_RAS && !a64_has(c, A64_F_RAS));
			return off ? NULL : &regs[i];
		}
	return NULL;
}

/* ------ ID registers ------ */

#define ID(crm, op2) ((crm) << 3 | (op2))
enum { PFR0 = ID(4, 0), PFR1 = ID(4, 1), DFR0 = ID(5, 0), ISAR0 = ID(6, 0), ISAR1 = ID(6, 1), MMFR0 = ID(7, 0),
       MMFR1 = ID(7, 1), MMFR2 = ID(7, 2) };
/* Fields with the value for when the feature is offered; rows of one field in rising order. */
static const struct {
	uint8_t id, shift, value, feature;
} id_fields[] = {
    {PFR0, 0, 1, A64_ALWAYS},	    {PFR0, 4, 1, A64_ALWAYS},	    {PFR0, 16, 1, A64_F_FP16},
    {PFR0, 20, 1, A64_F_FP16},	    {PFR0, 28, 1, A64_F_RAS},	    {PFR0, 56, 1, A64_ALWAYS},
    {PFR0, 60, 1, A64_ALWAYS},	    {PFR1, 0, 1, A64_F_BTI},	    {DFR0, 0, 8, A64_ALWAYS},
    {DFR0, 12, 3, A64_ALWAYS},	    {DFR0, 20, 3, A64_ALWAYS},	    {ISAR0, 4, 1, A64_F_AES},
    {ISAR0, 4, 2, A64_F_PMULL},	    {ISAR0, 8, 1, A64_F_SHA1},	    {ISAR0, 12, 1, A64_F_SHA256},
    {ISAR0, 16, 1, A64_F_CRC32},    {ISAR0, 20, 2, A64_F_LSE},	    {ISAR0, 28, 1, A64_F_RDM},
    {ISAR0, 44, 1, A64_F_DP},	    {ISAR0, 52, 1, A64_F_FLAGM},    {ISAR1, 0, 1, A64_F_DPB},
    {ISAR1, 4, 1, A64_F_PAUTH},	    {ISAR1, 12, 1, A64_F_JSCVT},    {ISAR1, 16, 1, A64_F_FCMA},
    {ISAR1, 20, 1, A64_F_LRCPC},    {ISAR1, 24, 1, A64_F_PAUTH},    {ISAR1, 36, 1, A64_F_SB},
    {MMFR0, 4, 2, A64_ALWAYS},	    {MMFR0, 20, 1, A64_ALWAYS},	    {MMFR1, 0, 2, A64_F_HAFDBS},
    {MMFR1, 12, 1, A64_ALWAYS},	    {MMFR1, 20, 2, A64_F_PAN},	    {MMFR2, 0, 1, A64_ALWAYS},
    {MMFR2, 4, 1, A64_F_UAO},	    {MMFR2, 28, 1, A64_ALWAYS},	    {MMFR2, 60, 1, A64_F_E0PD}};
enum { ID_FIELDS = sizeof id_fields / sizeof *id_fields };

static unsigned pa_range(unsigned bits)
{
	return bits >= 48 ? 5 : bits >= 44 ? 4 : bits >= 42 ? 3 : bits >= 40 ? 2 : bits >= 36 ? 1 : 0;
}

void a64_features_changed(struct a64_cpu *c)
{
	memset(c->id, 0, sizeof c->id);
	for (unsigned i = 0; i < ID_FIELDS; i++)
		if (id_fields[i].feature == A64_ALWAYS || a64_has(c, id_fields[i].feature)) {
			c->id[id_fields[i].id] &= ~(UINT64_C(15) << id_fields[i].shift);
			c->id[id_fields[i].id] |= (uint64_t)id_fields[i].value << id_fields[i].shift;
		}
	c->id[MMFR0] |= pa_range(c->pa_bits);
}

/* GIC, PFR0: the machine's to set. */
static uint64_t free_fields(unsigned id)
{
	return id == PFR0 ? UINT64_C(15) << 24 : id == MMFR0 ? 15 : 0;
}

/* Take over another CPU's register when each field is one that this CPU can be. */
static bool adopt_id(struct a64_cpu *c, unsigned id, uint64_t v)
{
	uint64_t features = c->features, known = free_fields(id);
	for (unsigned i = 0; i < ID_FIELDS; i++) {
		if (id_fields[i].id != id)
			continue;
		unsigned field = v >> id_fields[i].shift & 15;
		known |= UINT64_C(15) << id_fields[i].shift;
		if (id_fields[i].feature == A64_ALWAYS) {
			if (field > id_fields[i].value)
				return false;
			continue;
		}
		bool last = i + 1 == ID_FIELDS || id_fields[i + 1].id != id || id_fields[i + 1].shift != id_fields[i].shift;
		if (field > id_fields[i].value && last && field != 15)
			return false;
		uint64_t bit = UINT64_C(1) << id_fields[i].feature;
		features = field >= id_fields[i].value && field != 15 ? features | bit : features & ~bit;
	}
	if (v & ~known)
		return false;
	c->id[id] = v;
	c->features = features;
	return true;
}

void a64_sysreg_reset(struct a64_cpu *c)
{
	for (size_t i = 0; i < sizeof regs / sizeof *regs; i++)
		if (regs[i].hook != H_KEEP)
			*storage(c, &regs[i]) = regs[i].reset;
	c->mpidr |= UINT64_C(1) << 31;
	c->pa_bits = c->pa_bits ? c->pa_bits : 40;
	c->dczid = 4;
	c->ccsidr[0] = c->ccsidr[1] = 0xff << 13 | 3 << 3 | 2; /* 256 sets of 4 ways of 64 bytes */
	c->ccsidr[2] = 0x3ff << 13 | 15 << 3 | 2;
	c->cntv_ctl = c->cntp_ctl = 0;
	a64_features_changed(c);
}

/* ------ registers that are code ------ */

enum { T_UNKNOWN, T_VALUE, T_TRAP };

static bool timer_reg(uint32_t reg, unsigned *timer, unsigned *what)
{
	unsigned crm = reg >> 3 & 15, op2 = reg & 7;
	if ((reg & 0xff80) != (A64_SYSREG(3, 3, 14, 0, 0)) || (crm != 2 && crm != 3) || op2 > 2)
		return false;
	*timer = crm == 3 ? A64_TIMER_V : A64_TIMER_P;
	*what = op2;
	return true;
}

static void set_nzcv(struct a64_cpu *c, uint64_t v)
{
	a64_set_pstate(c, (a64_get_pstate(c) & ~UINT64_C(0xf0000000)) | (v & 0xf0000000));
}

/* Bits of PSTATE that are registers of their own. */
static const struct {
	uint16_t reg;
	uint32_t mask;
	uint8_t el, feature;
} parts[] = {{A64_SYSREG(3, 3, 4, 2, 0), 0xf0000000, 0, A64_ALWAYS},
	     {A64_SYSREG(3, 3, 4, 2, 1), A64_DAIF_ALL, 0, A64_ALWAYS},
	     {A64_SYSREG(3, 0, 4, 2, 3), 1 << 22, 1, A64_F_PAN},
	     {A64_SYSREG(3, 0, 4, 2, 4), 1 << 23, 1, A64_F_UAO},
	     {A64_SYSREG(3, 0, 4, 2, 0), 1, 1, A64_ALWAYS}};

static int pstate_part(struct a64_cpu *c, uint32_t reg, bool write, uint64_t *v)
{
	for (unsigned i = 0; i < sizeof parts / sizeof *parts; i++) {
		if (parts[i].reg != reg || (parts[i].feature != A64_ALWAYS && !a64_has(c, parts[i].feature)))
			continue;
		if (c->el < parts[i].el)
			return T_UNKNOWN;
		if (parts[i].mask == A64_DAIF_ALL && !c->el && !(c->sctlr & A64_SCTLR_UMA))
			return T_TRAP;
		if (write && i == 0)
			set_nzcv(c, *v);
		else if (write)
			a64_set_pstate(c, (a64_get_pstate(c) & ~(uint64_t)parts[i].mask) | (*v & parts[i].mask));
		else
			*v = a64_get_pstate(c) & parts[i].mask;
		return T_VALUE;
	}
	return T_UNKNOWN;
}

static int timer_access(struct a64_cpu *c, uint32_t reg, bool write, uint64_t *v)
{
	unsigned timer, what;
	bool count = reg == A64_SYSREG(3, 3, 14, 0, 1) || reg == A64_SYSREG(3, 3, 14, 0, 2);
	if (count && !write) {
		bool virtual = reg & 2;
		if (!c->el && !(c->cntkctl >> virtual & 1))
			return T_TRAP;
		*v = a64_counter(c, virtual);
		return T_VALUE;
	}
	if (!timer_reg(reg, &timer, &what))
		return T_UNKNOWN;
	if (!c->el && !(c->cntkctl >> (timer == A64_TIMER_V ? 8 : 9) & 1))
		return T_TRAP;
	if (write)
		a64_timer_write(c, timer, what, *v);
	else
		*v = a64_timer_read(c, timer, what);
	return T_VALUE;
}

static int read_only(struct a64_cpu *c, uint32_t reg, uint64_t *v)
{
	switch (reg) {
	case A64_SYSREG(3, 3, 0, 0, 7): *v = c->dczid | (!c->el && !(c->sctlr & A64_SCTLR_DZE) ? 16 : 0); return T_VALUE;
	case A64_SYSREG(2, 3, 0, 1, 0): /* MDCCSR_EL0 */
		*v = 0;
		return !c->el && c->mdscr & A64_MDSCR_TDCC ? T_TRAP : T_VALUE;
	default: break;
	}
	if (!c->el)
		return T_UNKNOWN;
	switch (reg) {
	case A64_SYSREG(3, 0, 4, 2, 2): *v = (uint64_t)c->el << 2; return T_VALUE;
	case A64_SYSREG(3, 0, 0, 0, 6): *v = 0; return T_VALUE; /* REVIDR_EL1 */
	case A64_SYSREG(3, 1, 0, 0, 7): *v = 0; return T_VALUE; /* AIDR_EL1 */
	case A64_SYSREG(3, 0, 12, 1, 0): *v = 0; return T_VALUE; /* ISR_EL1: nothing that is not taken at once */
	case A64_SYSREG(3, 1, 0, 0, 0): *v = c->csselr < 6 ? c->ccsidr[c->csselr] : 0; return T_VALUE;
	case A64_SYSREG(2, 0, 1, 0, 0): *v = 0; return T_VALUE; /* MDRAR_EL1 */
	default: break;
	}
	if ((reg & 0xff80) == A64_SYSREG(3, 0, 0, 0, 0) && reg & 0x78) {
		*v = c->id[reg & 63];
		return T_VALUE;
	}
	return T_UNKNOWN;
}

static int special(struct a64_cpu *c, const struct a64_op *op, uint32_t reg, bool write, uint64_t *v)
{
	uint32_t *fp = reg == A64_SYSREG(3, 3, 4, 4, 0) ? &c->fpcr : reg == A64_SYSREG(3, 3, 4, 4, 1) ? &c->fpsr : NULL;
	if (fp) {
		a64_fp_check(c, op);
		uint32_t mask = fp == &c->fpcr ? (a64_has(c, A64_F_FP16) ? 0x07c80000 : 0x07c00000) : 0xf800009f;
		if (write)
			*fp = (uint32_t)*v & mask;
		else
			*v = *fp;
		return T_VALUE;
	}
	if (reg == A64_SYSREG(3, 0, 4, 1, 0) && c->el && c->spsel) { /* SP_EL0 */
		if (write)
			c->sp_el[0] = *v;
		else
			*v = c->sp_el[0];
		return T_VALUE;
	}
	if (reg == A64_SYSREG(2, 0, 1, 0, 4) && c->el && write) { /* OSLAR_EL1 */
		c->oslsr = (c->oslsr & ~UINT64_C(2)) | (*v & 1) << 1;
		a64_debug_update(c);
		return T_VALUE;
	}
	/* A block is counted when it is entered; time that is a function of the count goes to this instruction only. */
	const uint64_t ahead = c->block->imm - (uint64_t)(op - c->block);
	c->insns -= ahead;
	int what = timer_access(c, reg, write, v);
	c->insns += ahead;
	if (what == T_UNKNOWN)
		what = pstate_part(c, reg, write, v);
	return what == T_UNKNOWN && !write ? read_only(c, reg, v) : what;
}

/* ------ the table ------ */

static void changed(struct a64_cpu *c, const struct reg *r)
{
	switch (r->hook) {
	case H_MMU:
		a64_tlb_flush(c);
		a64_asid_changed(c);
		break;
	case H_ASID: a64_asid_changed(c); break;
	case H_WATCH: a64_watch_changed(c); break;
	case H_DEBUG: a64_debug_update(c); break;
	default: break;
	}
}

static int table_access(struct a64_cpu *c, uint32_t reg, bool write, uint64_t *v)
{
	const struct reg *r = find(c, reg);
	unsigned need = c->el ? (write ? RW1 & ~RO1 : RO1) : write ? W0 : R0;
	if (!r || !(r->access & need))
		return T_UNKNOWN;
	if (!c->el && ((r->hook == H_UCT && !(c->sctlr & A64_SCTLR_UCT)) || (r->hook == H_CNTFRQ && !(c->cntkctl & 3))))
		return T_TRAP;
	uint64_t *at = storage(c, r), old = *at;
	if (!write) {
		*v = old;
		return T_VALUE;
	}
	*at = (*v & r->mask) | (r->reset & ~r->mask);
	if (*at != old)
		changed(c, r);
	return T_VALUE;
}

bool a64_sysreg_access(struct a64_cpu *c, const struct a64_op *op, uint32_t reg, bool write, uint64_t *v)
{
	int what = table_access(c, reg, write, v);
	if (what == T_UNKNOWN)
		what = special(c, op, reg, write, v);
	if (what == T_TRAP)
		a64_sysreg_trap(c, op);
	if (what == T_VALUE)
		return true;
	if (!c->el && (reg >> 11 & 7) != 3)
		return false;
	return a64_foreign_sysreg(c, op, reg, write, v);
}

/* ------ the user ------ */

static bool is_id(uint32_t reg)
{
	return (reg & 0xff80) == A64_SYSREG(3, 0, 0, 0, 0) && reg & 0x78;
}

bool a64_get_sysreg(struct a64_cpu *c, uint32_t reg, uint64_t *value)
{
	const struct reg *r = find(c, reg);
	uint8_t el = c->el;
	if (r) {
		*value = *storage(c, r);
		return true;
	}
	if (reg == A64_SYSREG(3, 4, 4, 1, 0) || reg == A64_SYSREG(3, 0, 4, 1, 0)) { /* SP_EL1, SP_EL0 */
		unsigned bank = reg >> 11 & 7 ? 1 : 0;
		*value = c->sp_bank == bank ? c->x[A64_R_SP] : c->sp_el[bank];
		return true;
	}
	c->el = 1;
	int what = timer_access(c, reg, false, value);
	if (what == T_UNKNOWN)
		what = read_only(c, reg, value);
	c->el = el;
	return what == T_VALUE;
}

bool a64_set_sysreg(struct a64_cpu *c, uint32_t reg, uint64_t value)
{
	const struct reg *r = find(c, reg);
	unsigned timer, what;
	if (is_id(reg))
		return value == c->id[reg & 63] || adopt_id(c, reg & 63, value);
	if (r) {
		uint64_t kept = (value & r->mask) | (r->reset & ~r->mask);
		*storage(c, r) = kept;
		changed(c, r);
		return kept == value;
	}
	if (reg == A64_SYSREG(3, 4, 4, 1, 0) || reg == A64_SYSREG(3, 0, 4, 1, 0)) {
		unsigned bank = reg >> 11 & 7 ? 1 : 0;
		*(c->sp_bank == bank ? &c->x[A64_R_SP] : &c->sp_el[bank]) = value;
		return true;
	}
	if (!timer_reg(reg, &timer, &what))
		return false;
	a64_timer_write(c, timer, what, value);
	return true;
}

/* What the table does not have: ID registers (CRm 4 to 7), timers. SP_EL0 and SP_EL1 are general registers to the user. */
bool a64_list_sysreg(const struct a64_cpu *c, unsigned n, uint16_t *reg)
{
	static const uint16_t timers[] = {A64_SYSREG(3, 3, 14, 2, 1), A64_SYSREG(3, 3, 14, 2, 2), A64_SYSREG(3, 3, 14, 3, 1),
					  A64_SYSREG(3, 3, 14, 3, 2), A64_SYSREG(3, 3, 14, 0, 2), A64_SYSREG(3, 3, 0, 0, 7)};
	enum { TIMERS = sizeof timers / sizeof *timers, IDS = 32 };
	if (n < TIMERS) {
		*reg = timers[n];
		return true;
	}
	n -= TIMERS;
	if (n < IDS) {
		*reg = (uint16_t)(A64_SYSREG(3, 0, 0, 4, 0) + n);
		return true;
	}
	n -= IDS;
	for (size_t i = 0; i < sizeof regs / sizeof *regs; i++)
		if (find(c, regs[i].reg) && n-- == 0) {
			*reg = regs[i].reg;
			return true;
		}
	return false;
}
