/* gicv2.c - what GICv2 has of its own (IHI 0048): targets and SGIs in the distributor, the CPU interfaces in memory. */
#include <stddef.h>
#include "gic.h"

/* ------ SGIs: pending once for each sender (4.3.15) ------ */

static void sgi_changed(struct gic *g, unsigned vcpu, unsigned intid)
{
	struct gic_int *i = &g->cpus[vcpu].ints[intid];
	i->flags = (uint8_t)(g->cpus[vcpu].sgi[intid] ? i->flags | GIC_F_LATCH : i->flags & ~GIC_F_LATCH);
	gic_changed(g, vcpu, intid);
}

/* GICD_SGIR */
static void send(struct gic *g, unsigned from, uint32_t v)
{
	enum { LIST, ALL_BUT_SELF, SELF };
	const unsigned filter = v >> 24 & 3, intid = v & 15, self = 1u << from;
	const unsigned by_filter[] = {[LIST] = v >> 16 & 0xff, [ALL_BUT_SELF] = ~self, [SELF] = self, [3] = 0};
	const unsigned to = by_filter[filter];
	for (unsigned n = 0; n < g->vcpus; n++)
		if (to >> n & 1) {
			g->cpus[n].sgi[intid] |= (uint8_t)self;
			sgi_changed(g, n, intid);
		}
}

/* GICD_CPENDSGIR, GICD_SPENDSGIR: a byte of senders each */
static void sgi_pending(const struct gic_access *a, unsigned first, unsigned size, bool set, uint64_t *value)
{
	uint64_t out = 0;
	for (unsigned n = 0; n < size; n++) {
		uint8_t *sources = &a->g->cpus[a->vcpu].sgi[first + n], v = (uint8_t)(*value >> 8 * n);
		if (a->write) {
			*sources = (uint8_t)(set ? *sources | v : *sources & ~v);
			sgi_changed(a->g, a->vcpu, first + n);
		}
		out |= (uint64_t)*sources << 8 * n;
	}
	*value = a->write ? *value : out;
}

/* ------ the distributor (4.3) ------ */

enum {
	GICD_CTLR = 0,
	GICD_TYPER = 4,
	GICD_IIDR = 8,
	GICD_ITARGETSR = 0x800,
	GICD_SGIR = 0xf00,
	GICD_CPENDSGIR = 0xf10,
	GICD_SPENDSGIR = 0xf20,
	GICD_PIDR2 = 0xfe8,
	PIDR2_V2 = 2 << 4 | 0xb
};

/* Private interrupts' read as the reader's own bit, and are not written (4.3.12). */
static void targets(const struct gic_access *a, unsigned first, unsigned size, uint64_t *value)
{
	const uint8_t all = (uint8_t)((1u << a->g->vcpus) - 1);
	uint64_t out = 0;
	for (unsigned n = 0; n < size; n++) {
		struct gic_int *i = gic_int_at(a->g, a->vcpu, first + n);
		if (!i)
			break;
		if (first + n < GIC_PRIVATE) {
			out |= UINT64_C(1) << a->vcpu << 8 * n;
		} else if (a->write) {
			i->router = *value >> 8 * n & all;
			gic_route_changed(a->g, first + n);
		} else {
			out |= i->router << 8 * n;
		}
	}
	*value = a->write ? *value : out;
}

static uint32_t dist_register(const struct gic_access *a, uint32_t offset, uint32_t value)
{
	struct gic *g = a->g;
	switch (offset) {
	case GICD_CTLR:
		if (a->write) {
			g->ctlr = value & 3;
			gic_all_changed(g);
		}
		return g->ctlr;
	case GICD_TYPER: return ((g->intids + 31) / 32 - 1) | (g->vcpus - 1) << 5;
	case GICD_IIDR: return GIC_IIDR;
	case GICD_SGIR:
		if (a->write && !a->user)
			send(g, a->vcpu, value);
		return 0;
	case GICD_PIDR2: return PIDR2_V2;
	default: return 0;
	}
}

static bool bytes_register(const struct gic_access *a, uint32_t offset, unsigned size, uint64_t *value)
{
	if (offset >= GICD_ITARGETSR && offset < GICD_ITARGETSR + 0x400)
		targets(a, offset - GICD_ITARGETSR, size, value);
	else if (offset >= GICD_CPENDSGIR && offset < GICD_CPENDSGIR + 16)
		sgi_pending(a, offset - GICD_CPENDSGIR, size, false, value);
	else if (offset >= GICD_SPENDSGIR && offset < GICD_SPENDSGIR + 16)
		sgi_pending(a, offset - GICD_SPENDSGIR, size, true, value);
	else
		return false;
	return true;
}

void gicv2_dist(struct gic *g, unsigned vcpu, uint32_t offset, unsigned size, bool write, bool user, uint64_t *value)
{
	const struct gic_access a = {.g = g, .vcpu = vcpu, .write = write, .user = user};
	const bool aligned = (size == 1 || size == 4) && !(offset & (size - 1));
	uint64_t v = 0;
	if (aligned && bytes_register(&a, offset, size, value))
		return;
	if (aligned && offset >= 0x80 && offset < 0xd00 && gic_field_register(&a, offset, size, value))
		return;
	if (aligned && size == 4)
		v = dist_register(&a, offset, (uint32_t)*value);
	if (!write)
		*value = v;
}

/* ------ a CPU interface (4.4) ------ */

enum {
	GICC_CTLR = 0,
	GICC_PMR = 4,
	GICC_BPR = 8,
	GICC_IAR = 0xc,
	GICC_EOIR = 0x10,
	GICC_RPR = 0x14,
	GICC_HPPIR = 0x18,
	GICC_ABPR = 0x1c,
	GICC_AIAR = 0x20,
	GICC_AEOIR = 0x24,
	GICC_AHPPIR = 0x28,
	GICC_APR = 0xd0,
	GICC_IIDR = 0xfc,
	GICC_DIR = 0x1000
};
enum {
	CTLR_GRP0 = 1,
	CTLR_GRP1 = 2,
	CTLR_ACK = 4,
	CTLR_FIQ = 8,
	CTLR_CBPR = 16,
	CTLR_EOIMODE = 0x200,
	OTHER_GROUP = 1022
};

static uint32_t ctlr(struct gic_cpu *c, bool write, uint32_t v)
{
	if (write) {
		c->grpen[0] = v & CTLR_GRP0;
		c->grpen[1] = v >> 1 & 1;
		c->ackctl = v & CTLR_ACK;
		c->fiqen = v & CTLR_FIQ;
		c->cbpr = v & CTLR_CBPR;
		c->eoimode = v & CTLR_EOIMODE;
	}
	return c->grpen[0] | c->grpen[1] << 1 | (c->ackctl ? CTLR_ACK : 0) | (c->fiqen ? CTLR_FIQ : 0) |
	       (c->cbpr ? CTLR_CBPR : 0) | (c->eoimode ? CTLR_EOIMODE : 0);
}

static uint8_t at_least(uint32_t v, uint8_t least)
{
	return (v & 7) < least ? least : v & 7;
}

/* Registers that are state. The active priorities are one register for both groups. */
static bool state(struct gic *g, unsigned vcpu, uint32_t offset, bool write, uint32_t *value)
{
	struct gic_cpu *c = &g->cpus[vcpu];
	const uint32_t v = *value;
	switch (offset) {
	case GICC_CTLR: *value = ctlr(c, write, v); break;
	case GICC_PMR: *value = c->pmr = write ? v & GIC_PRIORITY_MASK : c->pmr; break;
	case GICC_BPR: *value = c->bpr[0] = write ? at_least(v, 2) : c->bpr[0]; break;
	case GICC_ABPR: *value = c->bpr[1] = write ? at_least(v, 3) : c->bpr[1]; break;
	case GICC_APR:
		c->apr[0] = write ? v : c->apr[0];
		c->apr[1] = write ? 0 : c->apr[1];
		*value = c->apr[0] | c->apr[1];
		break;
	default: return false;
	}
	if (write)
		gic_cpu_changed(g, vcpu);
	return true;
}

static unsigned group_of(struct gic *g, unsigned vcpu, unsigned intid)
{
	return gic_int_at(g, vcpu, intid)->flags & GIC_F_GROUP1 ? 1 : 0;
}

/* INTID with the sender of an SGI, lowest first, in bits 12:10. */
static uint32_t with_sender(const struct gic *g, unsigned vcpu, unsigned intid)
{
	const unsigned sources = intid < 16 ? g->cpus[vcpu].sgi[intid] : 0;
	return intid | (sources ? (unsigned)__builtin_ctz(sources) << 10 : 0);
}

/* An SGI's other senders stay pending. */
static uint32_t acknowledge(struct gic *g, unsigned vcpu, unsigned group)
{
	const unsigned intid = gic_acknowledge(g, vcpu, group);
	const uint32_t value = with_sender(g, vcpu, intid);
	if (intid < 16) {
		g->cpus[vcpu].sgi[intid] &= (uint8_t)(g->cpus[vcpu].sgi[intid] - 1);
		sgi_changed(g, vcpu, intid);
	}
	return value;
}

/* GICC_IAR and GICC_HPPIR: group 1 is shown if AckCtl says so (4.4.4). */
static uint32_t by_iar(struct gic *g, unsigned vcpu, bool take)
{
	const unsigned best = gic_best(g, vcpu);
	if (best == GIC_SPURIOUS || (take && !gic_preempts(g, vcpu, best)))
		return GIC_SPURIOUS;
	const unsigned group = group_of(g, vcpu, best);
	if (group && !g->cpus[vcpu].ackctl)
		return OTHER_GROUP;
	return take ? acknowledge(g, vcpu, group) : with_sender(g, vcpu, best);
}

/* The group whose priority is running: its drop is what an end of interrupt does. */
static unsigned running_group(const struct gic_cpu *c)
{
	return !c->apr[0] || (c->apr[1] && __builtin_ctz(c->apr[1]) < __builtin_ctz(c->apr[0]));
}

static void written(struct gic *g, unsigned vcpu, uint32_t offset, uint32_t v)
{
	struct gic_cpu *c = &g->cpus[vcpu];
	switch (offset) {
	case GICC_EOIR: gic_end(g, vcpu, running_group(c), v & 0x3ff); break;
	case GICC_AEOIR: gic_end(g, vcpu, 1, v & 0x3ff); break;
	case GICC_DIR:
		if (c->eoimode)
			gic_deactivate(g, vcpu, v & 0x3ff);
		break;
	default: break;
	}
}

static uint32_t read(struct gic *g, unsigned vcpu, uint32_t offset)
{
	switch (offset) {
	case GICC_IAR: return by_iar(g, vcpu, true);
	case GICC_AIAR: return acknowledge(g, vcpu, 1);
	case GICC_HPPIR: return by_iar(g, vcpu, false);
	case GICC_AHPPIR: return with_sender(g, vcpu, gic_best_of_group(g, vcpu, 1));
	case GICC_RPR: return gic_running(&g->cpus[vcpu]);
	case GICC_IIDR: return 0x4b << 20 | 2 << 16 | 0x43b; /* as KVM's: architecture version 2 */
	default: return 0;
	}
}

void gicv2_cpu(struct gic *g, unsigned vcpu, uint32_t offset, unsigned size, bool write, bool user, uint64_t *value)
{
	uint32_t v = (uint32_t)*value;
	if (size != 4 || offset & 3)
		v = 0;
	else if (offset == GICC_ABPR && g->cpus[vcpu].cbpr && !user)
		v = g->cpus[vcpu].bpr[0]; /* and writes are ignored (4.4.9) */
	else if (state(g, vcpu, offset, write, &v) || user)
		;
	else if (write)
		written(g, vcpu, offset, v);
	else
		v = read(g, vcpu, offset);
	if (!write)
		*value = v;
}
