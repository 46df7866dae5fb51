/* gic_mmio.c - the registers in memory: the distributor's (IHI 0069, 12.9) and the redistributors' (12.11). Registers with a
 * field for each interrupt are one table for both. */
#include <stddef.h>
#include "gic.h"

enum {
	GICD_CTLR = 0, GICD_TYPER = 4, GICD_IIDR = 8, GICD_IROUTER = 0x6000, GIC_PIDR2 = 0xffe8,
	GICR_IIDR = 4, GICR_TYPER = 8, GICR_SGI = 0x10000,
	PIDR2_V3 = 3 << 4 | 0xb
};
enum { CTLR_ARE = 1 << 4, CTLR_DS = 1 << 6 };

static uint32_t merge(uint32_t flags, uint32_t bit, bool on)
{
	return on ? flags | bit : flags & ~bit;
}

/* ------ registers of one bit an interrupt ------ */

enum { ANY = 1, SET = 2, CLEAR = 3 };
static const struct bits {
	uint16_t base;
	uint8_t flag, rule;
} bit_registers[] = {
	{0x080, GIC_F_GROUP1, ANY}, {0x100, GIC_F_ENABLED, SET}, {0x180, GIC_F_ENABLED, CLEAR}, {0x200, GIC_F_LATCH, SET},
	{0x280, GIC_F_LATCH, CLEAR}, {0x300, GIC_F_ACTIVE, SET}, {0x380, GIC_F_ACTIVE, CLEAR},
};

static uint32_t read_bit(const struct gic_access *a, const struct bits *b, const struct gic_int *i)
{
	/* KVM's v2 has no other place for levels (arm-vgic.rst) */
	bool level = b->flag == GIC_F_LATCH && (!a->user || a->g->version == 2) &&
		     (i->flags & (GIC_F_LINE | GIC_F_EDGE)) == GIC_F_LINE;
	return i->flags & b->flag || level;
}

static void write_bit(const struct gic_access *a, const struct bits *b, unsigned intid, struct gic_int *i, bool v)
{
	bool exact = b->rule == ANY || (a->user && b->rule == SET);
	if (!exact && !v)
		return;
	if (b->flag == GIC_F_LATCH && intid < 16 && (!a->user || a->g->version == 2))
		return; /* SGIs' pending state belongs to ICC_SGI1R (12.9.30: RO here), GICD_SGIR */
	i->flags = (uint8_t)merge(i->flags, b->flag, exact ? v : b->rule == SET);
	gic_changed(a->g, a->vcpu, intid);
}

static void bit_register(const struct gic_access *a, const struct bits *b, unsigned first, uint32_t *value)
{
	uint32_t out = 0;
	for (unsigned n = 0; n < 32; n++) {
		struct gic_int *i = gic_int_at(a->g, a->vcpu, first + n);
		if (!i)
			break;
		if (a->write)
			write_bit(a, b, first + n, i, *value >> n & 1);
		else
			out |= read_bit(a, b, i) << n;
	}
	if (!a->write)
		*value = out;
}

/* ------ priorities and triggers ------ */

static void priority(const struct gic_access *a, unsigned first, unsigned size, uint64_t *value)
{
	uint64_t out = 0;
	for (unsigned n = 0; n < size; n++) {
		struct gic_int *i = gic_int_at(a->g, a->vcpu, first + n);
		if (!i)
			break;
		if (a->write) {
			i->priority = *value >> 8 * n & GIC_PRIORITY_MASK;
			gic_changed(a->g, a->vcpu, first + n);
		} else {
			out |= (uint64_t)i->priority << 8 * n;
		}
	}
	if (!a->write)
		*value = out;
}

/* Two bits each, the upper one is "edge". SGIs' are fixed. */
static void config(const struct gic_access *a, unsigned first, uint32_t *value)
{
	uint32_t out = 0;
	for (unsigned n = 0; n < 16; n++) {
		struct gic_int *i = gic_int_at(a->g, a->vcpu, first + n);
		if (!i)
			break;
		if (!a->write) {
			out |= (i->flags & GIC_F_EDGE ? 2u : 0) << 2 * n;
		} else if (first) {
			i->flags = (uint8_t)merge(i->flags, GIC_F_EDGE, *value >> (2 * n + 1) & 1);
			gic_changed(a->g, a->vcpu, first + n);
		}
	}
	if (!a->write)
		*value = out;
}

bool gic_field_register(const struct gic_access *a, uint32_t offset, unsigned size, uint64_t *value)
{
	uint32_t v = (uint32_t)*value;
	if (offset >= 0x400 && offset < 0x800) {
		if (size == 1 || size == 4)
			priority(a, offset - 0x400, size, value);
		return size == 1 || size == 4;
	}
	if (size != 4 || offset & 3)
		return false;
	if (offset >= 0xc00 && offset < 0xd00) {
		config(a, (offset - 0xc00) / 4 * 16, &v);
		*value = v;
		return true;
	}
	for (unsigned i = 0; i < sizeof bit_registers / sizeof *bit_registers; i++)
		if (offset >= bit_registers[i].base && offset < bit_registers[i].base + 0x80u) {
			bit_register(a, &bit_registers[i], (offset - bit_registers[i].base) * 8, &v);
			*value = v;
			return true;
		}
	return false;
}

/* INTID that a field register's offset begins with, to keep private ones out of the distributor. */
static unsigned first_of(uint32_t offset)
{
	return offset >= 0xc00   ? (offset - 0xc00) * 4
	       : offset >= 0x400 ? offset - 0x400
				 : (offset & 0x7f) * 8;
}

/* ------ the distributor ------ */

static void router(const struct gic_access *a, uint32_t offset, unsigned size, uint64_t *value)
{
	unsigned intid = (offset - GICD_IROUTER) / 8, shift = offset & 4 ? 32 : 0;
	struct gic_int *i = intid >= GIC_PRIVATE ? gic_int_at(a->g, 0, intid) : NULL;
	uint64_t mask = (size == 8 ? UINT64_MAX : UINT32_MAX) << shift & UINT64_C(0xff00ffffff);
	if (!i || (size != 8 && size != 4) || offset & (size - 1)) {
		*value = a->write ? *value : 0;
	} else if (a->write) {
		i->router = (i->router & ~mask) | (*value << shift & mask);
		gic_route_changed(a->g, intid);
	} else {
		*value = (i->router & mask) >> shift;
	}
}

static uint32_t typer(const struct gic *g)
{
	enum { IDBITS = 9 << 19, A3V = 1 << 24, NO1N = 1 << 25 };
	return ((g->intids + 31) / 32 - 1) | IDBITS | A3V | NO1N;
}

static uint64_t dist_register(const struct gic_access *a, uint32_t offset, uint64_t value)
{
	switch (offset) {
	case GICD_CTLR:
		if (a->write) {
			a->g->ctlr = value & 3;
			gic_all_changed(a->g);
		}
		return a->g->ctlr | CTLR_ARE | CTLR_DS;
	case GICD_TYPER: return typer(a->g);
	case GICD_IIDR: return GIC_IIDR;
	case GIC_PIDR2: return PIDR2_V3;
	default: return 0;
	}
}

void gic_dist(struct gic *g, uint32_t offset, unsigned size, bool write, bool user, uint64_t *value)
{
	const struct gic_access a = {.g = g, .write = write, .user = user};
	if (offset >= GICD_IROUTER && offset < GICD_IROUTER + 8 * GIC_MAX_INTIDS) {
		router(&a, offset, size, value);
		return;
	}
	if (offset >= 0x80 && offset < 0xd00) {
		bool mine = first_of(offset) >= GIC_PRIVATE && !(offset >= 0x800 && offset < 0xc00);
		if (!mine || !gic_field_register(&a, offset, size, value))
			*value = write ? *value : 0;
		return;
	}
	uint64_t v = size == 4 && !(offset & 3) ? dist_register(&a, offset, *value) : 0;
	if (!write)
		*value = v;
}

/* ------ a redistributor ------ */

static uint64_t redist_typer(const struct gic *g, unsigned vcpu)
{
	uint64_t aff = g->cpus[vcpu].affinity, last = vcpu + 1 == g->vcpus;
	return (aff >> 32 & 0xff) << 56 | (aff & 0xffffff) << 32 | (uint64_t)vcpu << 8 | last << 4;
}

static uint64_t redist_register(const struct gic *g, unsigned vcpu, uint32_t offset, unsigned size)
{
	switch (offset) {
	case GICR_IIDR: return size == 4 ? GIC_IIDR : 0;
	case GICR_TYPER: return size == 8 ? redist_typer(g, vcpu) : size == 4 ? (uint32_t)redist_typer(g, vcpu) : 0;
	case GICR_TYPER + 4: return size == 4 ? redist_typer(g, vcpu) >> 32 : 0;
	case GIC_PIDR2: return size == 4 ? PIDR2_V3 : 0;
	default: return 0; /* CTLR, WAKER: awake, nothing to wait for */
	}
}

void gic_redist(struct gic *g, uint32_t offset, unsigned size, bool write, bool user, uint64_t *value)
{
	const unsigned vcpu = offset / GIC_REDIST_SIZE;
	const struct gic_access a = {.g = g, .vcpu = vcpu, .write = write, .user = user};
	uint64_t v = 0;
	offset %= GIC_REDIST_SIZE;
	if (vcpu >= g->vcpus) {
		*value = write ? *value : 0;
		return;
	}
	if (offset >= GICR_SGI + 0x80 && offset < GICR_SGI + 0xd00) {
		offset -= GICR_SGI;
		bool mine = first_of(offset) < GIC_PRIVATE && !(offset >= 0x800 && offset < 0xc00);
		if (mine && gic_field_register(&a, offset, size, value))
			return;
	} else {
		v = redist_register(g, vcpu, offset, size);
	}
	if (!write)
		*value = v;
}
