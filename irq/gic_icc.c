/* gic_icc.c - the CPU interface's system registers, ICC_*_EL1 (IHI 0069, 12.2): acknowledging, ending, priorities, SGIs. */
#include <stddef.h>
#include "gic.h"

#define SYSREG(op0, op1, crn, crm, op2) ((op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2))
enum icc {
	ICC_PMR = SYSREG(3, 0, 4, 6, 0),
	ICC_IAR0 = SYSREG(3, 0, 12, 8, 0),
	ICC_EOIR0 = SYSREG(3, 0, 12, 8, 1),
	ICC_HPPIR0 = SYSREG(3, 0, 12, 8, 2),
	ICC_BPR0 = SYSREG(3, 0, 12, 8, 3),
	ICC_AP0R0 = SYSREG(3, 0, 12, 8, 4),
	ICC_AP1R0 = SYSREG(3, 0, 12, 9, 0),
	ICC_DIR = SYSREG(3, 0, 12, 11, 1),
	ICC_RPR = SYSREG(3, 0, 12, 11, 3),
	ICC_SGI1R = SYSREG(3, 0, 12, 11, 5),
	ICC_ASGI1R = SYSREG(3, 0, 12, 11, 6),
	ICC_SGI0R = SYSREG(3, 0, 12, 11, 7),
	ICC_IAR1 = SYSREG(3, 0, 12, 12, 0),
	ICC_EOIR1 = SYSREG(3, 0, 12, 12, 1),
	ICC_HPPIR1 = SYSREG(3, 0, 12, 12, 2),
	ICC_BPR1 = SYSREG(3, 0, 12, 12, 3),
	ICC_CTLR = SYSREG(3, 0, 12, 12, 4),
	ICC_SRE = SYSREG(3, 0, 12, 12, 5),
	ICC_IGRPEN0 = SYSREG(3, 0, 12, 12, 6),
	ICC_IGRPEN1 = SYSREG(3, 0, 12, 12, 7)
};
enum { CTLR_CBPR = 1, CTLR_EOIMODE = 2, CTLR_PRIBITS = 4 << 8, CTLR_A3V = 1 << 15, SRE_ALL = 7 };

/* ------ acknowledge and end (4.7) ------ */

unsigned gic_best_of_group(struct gic *g, unsigned vcpu, unsigned group)
{
	unsigned best = gic_best(g, vcpu);
	if (best == GIC_SPURIOUS || !!(gic_int_at(g, vcpu, best)->flags & GIC_F_GROUP1) != group)
		return GIC_SPURIOUS;
	return best;
}

unsigned gic_acknowledge(struct gic *g, unsigned vcpu, unsigned group)
{
	struct gic_cpu *c = &g->cpus[vcpu];
	unsigned intid = gic_best_of_group(g, vcpu, group);
	if (intid == GIC_SPURIOUS || !gic_preempts(g, vcpu, intid))
		return GIC_SPURIOUS;
	struct gic_int *i = gic_int_at(g, vcpu, intid);
	i->flags = (uint8_t)((i->flags | GIC_F_ACTIVE) & ~GIC_F_LATCH);
	c->apr[group] |= 1u << ((i->priority & gic_group_mask(c, group)) >> 3);
	gic_changed(g, vcpu, intid);
	return intid;
}

void gic_deactivate(struct gic *g, unsigned vcpu, unsigned intid)
{
	struct gic_int *i = gic_int_at(g, vcpu, intid);
	if (!i)
		return;
	i->flags &= (uint8_t)~GIC_F_ACTIVE;
	gic_changed(g, vcpu, intid);
}

/* The priority drops to what was interrupted, whatever INTID is named (4.7.3: it ought to be the last one). */
void gic_end(struct gic *g, unsigned vcpu, unsigned group, unsigned intid)
{
	struct gic_cpu *c = &g->cpus[vcpu];
	if (intid >= GIC_MAX_INTIDS)
		return;
	c->apr[group] &= c->apr[group] - 1;
	if (!c->eoimode)
		gic_deactivate(g, vcpu, intid);
	gic_cpu_changed(g, vcpu);
}

/* ------ SGIs (12.2.20) ------ */

static bool targets(const struct gic *g, unsigned from, unsigned to, uint64_t v)
{
	enum { IRM = 40 };
	const uint64_t aff = g->cpus[to].affinity, base = (v >> 48 & 0xff) << 32 | (v >> 32 & 0xff) << 16 | (v >> 16 & 0xff) << 8;
	if (v >> IRM & 1)
		return to != from;
	return (aff & ~UINT64_C(0xff)) == base && (aff & 0xf0) >> 4 == (v >> 44 & 15) && v >> (aff & 15) & 1;
}

static void send(struct gic *g, unsigned vcpu, unsigned group, uint64_t v)
{
	const unsigned intid = v >> 24 & 15;
	for (unsigned n = 0; n < g->vcpus; n++) {
		struct gic_int *i = &g->cpus[n].ints[intid];
		if (!targets(g, vcpu, n, v) || !!(i->flags & GIC_F_GROUP1) != group)
			continue;
		i->flags |= GIC_F_LATCH;
		gic_changed(g, n, intid);
	}
}

/* ------ registers ------ */

static uint8_t at_least(uint64_t value, uint8_t least)
{
	uint8_t v = value & 7;
	return v < least ? least : v;
}

bool gic_icc_state(struct gic *g, unsigned vcpu, uint32_t reg, bool write, uint64_t *value)
{
	struct gic_cpu *c = &g->cpus[vcpu];
	const uint64_t v = *value;
	switch (reg) {
	case ICC_PMR:
		*value = c->pmr = write ? v & GIC_PRIORITY_MASK : c->pmr;
		break;
	case ICC_BPR0:
		*value = c->bpr[0] = write ? at_least(v, 2) : c->bpr[0];
		break;
	case ICC_BPR1:
		*value = c->bpr[1] = write ? at_least(v, 3) : c->bpr[1];
		break;
	case ICC_AP0R0:
		*value = c->apr[0] = write ? (uint32_t)v : c->apr[0];
		break;
	case ICC_AP1R0:
		*value = c->apr[1] = write ? (uint32_t)v : c->apr[1];
		break;
	case ICC_IGRPEN0:
		*value = c->grpen[0] = write ? v & 1 : c->grpen[0];
		break;
	case ICC_IGRPEN1:
		*value = c->grpen[1] = write ? v & 1 : c->grpen[1];
		break;
	case ICC_CTLR:
		c->cbpr = write ? v & CTLR_CBPR : c->cbpr;
		c->eoimode = write ? v & CTLR_EOIMODE : c->eoimode;
		*value = CTLR_PRIBITS | CTLR_A3V | (c->cbpr ? CTLR_CBPR : 0) | (c->eoimode ? CTLR_EOIMODE : 0);
		break;
	case ICC_SRE: *value = SRE_ALL; break;
	default: return false;
	}
	if (write)
		gic_cpu_changed(g, vcpu);
	return true;
}

static bool read(struct gic *g, unsigned vcpu, uint32_t reg, uint64_t *value)
{
	switch (reg) {
	case ICC_IAR0: *value = gic_acknowledge(g, vcpu, 0); return true;
	case ICC_IAR1: *value = gic_acknowledge(g, vcpu, 1); return true;
	case ICC_HPPIR0: *value = gic_best_of_group(g, vcpu, 0); return true;
	case ICC_HPPIR1: *value = gic_best_of_group(g, vcpu, 1); return true;
	case ICC_RPR: *value = gic_running(&g->cpus[vcpu]); return true;
	default: return false;
	}
}

static bool write_only(struct gic *g, unsigned vcpu, uint32_t reg, uint64_t v)
{
	switch (reg) {
	case ICC_EOIR0: gic_end(g, vcpu, 0, v & 0xffffff); return true;
	case ICC_EOIR1: gic_end(g, vcpu, 1, v & 0xffffff); return true;
	case ICC_DIR:
		if (g->cpus[vcpu].eoimode)
			gic_deactivate(g, vcpu, v & 0xffffff);
		return true;
	case ICC_SGI1R: send(g, vcpu, 1, v); return true;
	case ICC_SGI0R: send(g, vcpu, 0, v); return true;
	case ICC_ASGI1R: return true; /* the other security state's: there is none */
	default: return false;
	}
}

bool gic_icc(struct gic *g, unsigned vcpu, uint32_t reg, bool write, uint64_t *value)
{
	if (reg == ICC_BPR1 && g->cpus[vcpu].cbpr) { /* reads as BPR0 + 1, ignores writes (12.2.6) */
		uint8_t bpr0 = g->cpus[vcpu].bpr[0];
		*value = write ? *value : bpr0 < 7 ? bpr0 + 1u : 7;
		return true;
	}
	if (gic_icc_state(g, vcpu, reg, write, value))
		return true;
	return write ? write_only(g, vcpu, reg, *value) : read(g, vcpu, reg, value);
}
