/* fuzz_gic.c - the GICs under any sequence of a guest's accesses, lines and writes of state: all stays inside, and what
 * the lines say to a CPU is what looking at every interrupt gives. */
#include <stdlib.h>
#include <string.h>
#include "gic.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CPUS = 3, INTIDS = 96, OPERATION = 12 };

static bool wants(const struct gic_int *i)
{
	const bool pending = i->flags & GIC_F_LATCH || (i->flags & (GIC_F_LINE | GIC_F_EDGE)) == GIC_F_LINE;
	return pending && i->flags & GIC_F_ENABLED && !(i->flags & GIC_F_ACTIVE);
}

static bool goes_to(const struct gic *g, unsigned vcpu, unsigned intid)
{
	if (intid < GIC_PRIVATE)
		return true;
	const uint64_t router = g->spis[intid - GIC_PRIVATE].router;
	return g->version == 3 ? router == g->cpus[vcpu].affinity : router && (unsigned)__builtin_ctzll(router) == vcpu;
}

/* The line by the manuals' rules, from nothing but the interrupts' own state. */
static unsigned expected(struct gic *g, unsigned vcpu)
{
	const struct gic_cpu *c = &g->cpus[vcpu];
	unsigned best = 0x100, group = 0, running = 0xff;
	for (unsigned n = 0; n < INTIDS; n++) {
		const struct gic_int *i = gic_int_at(g, vcpu, n);
		const unsigned its = i->flags & GIC_F_GROUP1 ? 1 : 0;
		if (wants(i) && goes_to(g, vcpu, n) && i->priority < best && g->ctlr >> its & 1 && c->grpen[its]) {
			best = i->priority;
			group = its;
		}
	}
	for (unsigned bit = 32; bit--;)
		running = (c->apr[0] | c->apr[1]) >> bit & 1 ? bit * 8 : running;
	const unsigned low = group && !c->cbpr ? c->bpr[1] : c->bpr[0] + 1u;
	if (best >= c->pmr || (best & 0xffu << low & 0xff) >= running)
		return 0;
	return group || (g->version == 2 && !c->fiqen) ? GIC_IRQ : GIC_FIQ;
}

/* Anything, or a word of one of the arrays. */
static uint32_t offset_of(const uint8_t *b)
{
	static const uint16_t arrays[] = {0x80,  0x100, 0x180, 0x200, 0x280, 0x300, 0x380, 0x400,
					  0x420, 0x440, 0x800, 0x820, 0x840, 0xc00, 0xf00, 0xf10};
	const uint32_t any = b[2] | (uint32_t)b[3] << 8 | (uint32_t)(b[1] >> 6) << 16;
	return b[0] & 0x10 ? arrays[b[2] & 15] + (b[3] & 7u) * 4 + (any & 0x10000) : any;
}

static void operate(struct gic *g, const uint8_t *b)
{
	const unsigned vcpu = b[1] % CPUS, size = 1u << (b[1] >> 4 & 3);
	const bool write = b[0] & 0x80, user = b[0] & 0x40;
	const uint32_t offset = offset_of(b);
	const uint32_t icc = b[3] & 1 ? 0xc230 : 0xc600 | b[2]; /* PMR; CRn 12 */
	uint64_t v;
	memcpy(&v, b + 4, sizeof v);
	switch (b[0] & 7) {
	case 0:
		gic_line(g, vcpu, 16 + b[2] % (INTIDS - 16), write);
		break;
	case 1:
		gic_levels(g, vcpu, b[2] & 0x60, write, &v);
		break;
	case 2:
	case 3:
		if (g->version == 2)
			gicv2_dist(g, vcpu, offset & 0xfff, size, write, user, &v);
		else
			gic_dist(g, offset & 0xffff, size, write, user, &v);
		break;
	case 4:
		if (g->version == 3)
			gic_redist(g, vcpu * GIC_REDIST_SIZE + (offset & 0x1ffff), size, write, user, &v);
		break;
	default:
		if (g->version == 2)
			gicv2_cpu(g, vcpu, b[0] & 0x20 ? 0x1000 : offset & 0xff, 4, write, user, &v);
		else if (user)
			gic_icc_state(g, vcpu, icc, write, &v);
		else
			gic_icc(g, vcpu, icc, write, &v);
	}
}

static void check(struct gic *g)
{
	for (unsigned n = 0; n < CPUS; n++) {
		if (gic_pending(g, n) != expected(g, n))
			abort();
		for (unsigned i = 0; g->version == 2 && i < 16; i++)
			if (!g->cpus[n].sgi[i] != !(g->cpus[n].ints[i].flags & GIC_F_LATCH))
				abort();
	}
}

/* A start from which few operations lead to an interrupt. */
static void let_through(struct gic *g)
{
	g->ctlr = 3;
	for (unsigned n = 0; n < CPUS; n++)
		g->cpus[n].pmr = 0xf8, g->cpus[n].grpen[0] = g->cpus[n].grpen[1] = 1;
	for (unsigned i = 0; i < INTIDS - GIC_PRIVATE; i++) {
		g->spis[i].flags |= GIC_F_ENABLED;
		g->spis[i].router = g->version == 2 ? 1u << i % CPUS : i % CPUS;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct gic g;
	static struct gic_cpu cpus[CPUS];
	memset(&g, 0, sizeof g);
	memset(cpus, 0, sizeof cpus);
	for (unsigned n = 0; n < CPUS; n++)
		cpus[n].affinity = n;
	if (!size)
		return 0;
	gic_init(&g, 2 + (data[0] & 1), cpus, CPUS, INTIDS);
	if (data[0] & 2)
		let_through(&g);
	for (size_t at = 1; at + OPERATION <= size; at += OPERATION) {
		operate(&g, data + at);
		check(&g);
	}
	return 0;
}
