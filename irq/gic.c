/* gic.c - what is pending where: interrupts' state, routes, priorities, the CPUs' lines. */
#include <string.h>
#include <stddef.h>
#include "gic.h"

struct gic_int *gic_int_at(struct gic *g, unsigned vcpu, unsigned intid)
{
	if (intid < GIC_PRIVATE)
		return &g->cpus[vcpu].ints[intid];
	return intid < g->intids ? &g->spis[intid - GIC_PRIVATE] : NULL;
}

static unsigned group_of(const struct gic_int *i)
{
	return i->flags & GIC_F_GROUP1 ? 1 : 0;
}

static bool is_pending(const struct gic_int *i)
{
	return i->flags & GIC_F_LATCH || (i->flags & (GIC_F_LINE | GIC_F_EDGE)) == GIC_F_LINE;
}

/* ------ priorities (IHI 0069, 4.8) ------ */

/* Bits of a priority that count for preemption. BPR1 is one more than BPR0 for the same split. */
uint8_t gic_group_mask(const struct gic_cpu *c, unsigned group)
{
	unsigned low = group && !c->cbpr ? c->bpr[1] : c->bpr[0] + 1u;
	return (uint8_t)(0xffu << low);
}

unsigned gic_running(const struct gic_cpu *c)
{
	uint32_t active = c->apr[0] | c->apr[1];
	return active ? (unsigned)__builtin_ctz(active) << 3 : 0xff;
}

unsigned gic_best(const struct gic *g, unsigned vcpu)
{
	const struct gic_cpu *c = &g->cpus[vcpu];
	unsigned best = GIC_SPURIOUS, priority = 0x100;
	for (unsigned w = 0; w * 32 < g->intids; w++)
		for (uint32_t bits = c->candidates[w]; bits; bits &= bits - 1) {
			unsigned intid = w * 32 + (unsigned)__builtin_ctz(bits);
			const struct gic_int *i = gic_int_at((struct gic *)(uintptr_t)g, vcpu, intid);
			if (i->priority >= priority || !(g->ctlr >> group_of(i) & 1) || !c->grpen[group_of(i)])
				continue;
			best = intid;
			priority = i->priority;
		}
	return best;
}

bool gic_preempts(const struct gic *g, unsigned vcpu, unsigned intid)
{
	const struct gic_cpu *c = &g->cpus[vcpu];
	const struct gic_int *i = gic_int_at((struct gic *)(uintptr_t)g, vcpu, intid);
	return i && i->priority < c->pmr && (unsigned)(i->priority & gic_group_mask(c, group_of(i))) < gic_running(c);
}

void gic_cpu_changed(struct gic *g, unsigned vcpu)
{
	struct gic_cpu *c = &g->cpus[vcpu];
	unsigned best = gic_best(g, vcpu), lines = 0;
	if (best != GIC_SPURIOUS && gic_preempts(g, vcpu, best))
		lines = group_of(gic_int_at(g, vcpu, best)) || (g->version == 2 && !c->fiqen) ? GIC_IRQ : GIC_FIQ;
	unsigned before = atomic_exchange_explicit(&c->lines, lines, memory_order_acq_rel);
	if (lines & ~before && g->wake)
		g->wake(g->opaque, vcpu);
}

/* ------ state ------ */

/* The vCPU an SPI goes to; `vcpus`: none has that affinity, or is a target. Of several targets of v2 the first, as KVM
 * chooses. */
static unsigned target_of(const struct gic *g, uint64_t router)
{
	unsigned n = 0;
	if (g->version == 2)
		return router & ((1u << g->vcpus) - 1) ? (unsigned)__builtin_ctz((unsigned)router) : g->vcpus;
	while (n < g->vcpus && g->cpus[n].affinity != (router & UINT64_C(0xff00ffffff)))
		n++;
	return n;
}

void gic_changed(struct gic *g, unsigned vcpu, unsigned intid)
{
	const struct gic_int *i = gic_int_at(g, vcpu, intid);
	unsigned target = intid < GIC_PRIVATE ? vcpu : target_of(g, i->router);
	if (target >= g->vcpus)
		return;
	uint32_t *word = &g->cpus[target].candidates[intid / 32], bit = 1u << intid % 32;
	bool wants = i->flags & GIC_F_ENABLED && !(i->flags & GIC_F_ACTIVE) && is_pending(i);
	*word = wants ? *word | bit : *word & ~bit;
	gic_cpu_changed(g, target);
}

void gic_route_changed(struct gic *g, unsigned intid)
{
	for (unsigned n = 0; n < g->vcpus; n++)
		if (g->cpus[n].candidates[intid / 32] >> intid % 32 & 1) {
			g->cpus[n].candidates[intid / 32] &= ~(1u << intid % 32);
			gic_cpu_changed(g, n);
		}
	gic_changed(g, 0, intid);
}

void gic_all_changed(struct gic *g)
{
	for (unsigned n = 0; n < g->vcpus; n++)
		gic_cpu_changed(g, n);
}

void gic_line(struct gic *g, unsigned vcpu, unsigned intid, bool level)
{
	struct gic_int *i = gic_int_at(g, vcpu, intid);
	if (!i || !!(i->flags & GIC_F_LINE) == level)
		return;
	i->flags ^= GIC_F_LINE;
	if (level && i->flags & GIC_F_EDGE)
		i->flags |= GIC_F_LATCH;
	gic_changed(g, vcpu, intid);
}

void gic_levels(struct gic *g, unsigned vcpu, unsigned first, bool write, uint64_t *value)
{
	uint64_t out = 0;
	for (unsigned n = 0; n < 32; n++) {
		struct gic_int *i = gic_int_at(g, vcpu, first + n);
		if (!i)
			break;
		if (write) {
			i->flags = (uint8_t)(*value >> n & 1 ? i->flags | GIC_F_LINE : i->flags & ~GIC_F_LINE);
			gic_changed(g, vcpu, first + n);
		}
		out |= (uint64_t)!!(i->flags & GIC_F_LINE) << n;
	}
	*value = write ? *value : out;
}

/* As KVM: all in group 1 (v2: group 0), SGIs edge-triggered and enabled, SPIs to vCPU 0 (v2: to nobody). */
void gic_init(struct gic *g, unsigned version, struct gic_cpu *cpus, unsigned vcpus, unsigned intids)
{
	const uint8_t group = version == 2 ? 0 : GIC_F_GROUP1;
	g->cpus = cpus;
	g->vcpus = vcpus;
	g->version = version;
	g->intids = intids < GIC_MAX_INTIDS ? intids : GIC_MAX_INTIDS;
	for (unsigned n = 0; n < vcpus; n++) {
		cpus[n].bpr[0] = 2;
		cpus[n].bpr[1] = 3;
		for (unsigned i = 0; i < GIC_PRIVATE; i++)
			cpus[n].ints[i].flags = group | (i < 16 ? GIC_F_EDGE | GIC_F_ENABLED : 0);
	}
	for (unsigned i = 0; i < GIC_MAX_INTIDS - GIC_PRIVATE; i++)
		g->spis[i] = (struct gic_int){.flags = group};
}
