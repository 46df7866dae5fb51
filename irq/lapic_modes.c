/* lapic_modes.c - the ways to a local APIC's registers: IA32_APIC_BASE and its modes (SDM 11.4.3, 11.12.5), the MMIO
 * page, the MSRs, and the host's images. */
#include <string.h>

#include "irq.h"
#include "irq_internal.h"

enum { MSR_APIC_BASE = 0x1b, MSR_TSC_DEADLINE = 0x6e0, MSR_X2APIC = 0x800, MSR_X2APIC_END = 0x900 };
#define BASE_RESERVED 0x2ffull /* bits 7:0 and 9 */
#define R ACCESS_READ
#define W ACCESS_WRITE
#define RW (ACCESS_READ | ACCESS_WRITE)

/* SDM tables 11-1 and 11-6. `writable` bits are kept; `ignored` ones are read-only and may be written, other bits
 * raise #GP as MSR. */
struct access {
	uint8_t mmio, msr;
	uint32_t writable, ignored;
};
static const struct access accesses[64] = {
	[R_ID] = {R, R, 0, 0},
	[R_VERSION] = {R, R, 0, 0},
	[R_TPR] = {RW, RW, 0xff, 0},
	[R_APR] = {R, 0, 0, 0},
	[R_PPR] = {R, R, 0, 0},
	[R_EOI] = {RW, W, 0, 0},
	[R_RRD] = {R, 0, 0, 0},
	[R_LDR] = {RW, R, 0xff000000, 0},
	[R_DFR] = {RW, 0, 0xf0000000, 0},
	[R_SVR] = {RW, RW, 0x3ff, 0},
	[R_ESR] = {RW, RW, 0, 0},
	[R_ICR] = {RW, RW, 0xccfff, 0x1000},
	[R_ICR2] = {RW, 0, 0xff000000, 0},
	[R_LVT_TIMER] = {RW, RW, 0x700ff, 0x1000},
	[R_LVT_THERMAL] = {RW, RW, 0x107ff, 0x1000},
	[R_LVT_PERF] = {RW, RW, 0x107ff, 0x1000},
	[R_LVT_LINT0] = {RW, RW, 0x1a7ff, 0x5000},
	[R_LVT_LINT1] = {RW, RW, 0x1a7ff, 0x5000},
	[R_LVT_ERROR] = {RW, RW, 0x100ff, 0x1000},
	[R_TMICT] = {RW, RW, 0xffffffff, 0},
	[R_TMCCT] = {R, R, 0, 0},
	[R_DCR] = {RW, RW, 0xb, 0},
	[R_SELF] = {0, W, 0xff, 0},
};

static struct access access_of(const struct irq_pc *pc, unsigned r)
{
	struct access a = {0};

	if (r >= R_ISR && r < R_IRR + 8)
		a.mmio = a.msr = R;
	else if (r < 64)
		a = accesses[r];
	if (r == R_SVR && pc->config.directed_eoi)
		a.writable |= SVR_SUPPRESS_EOI;
	return a;
}

/* SDM 11.12.10.2 */
uint32_t irq_lapic_x2_ldr(uint32_t id)
{
	return id >> 4 << 16 | 1u << (id & 15);
}

/* ------ IA32_APIC_BASE ------ */

static int base_valid(const struct irq_pc *pc, uint64_t value)
{
	unsigned bits = pc->config.phys_bits;
	uint64_t reserved = BASE_RESERVED | ~((1ull << bits) - 1);

	if (!pc->config.x2apic)
		reserved |= BASE_EXTD;
	return !(value & reserved) && ((value & BASE_EN) || !(value & BASE_EXTD));
}

/* Figure 11-27: x2APIC mode is entered from xAPIC mode alone and left towards "disabled" alone. */
static int transition_valid(uint64_t old, uint64_t value)
{
	if ((value & BASE_EXTD) && !(old & BASE_EN))
		return 0;
	return !(old & BASE_EXTD) || (value & BASE_EXTD) || !(value & BASE_EN);
}

static void apply_base(struct irq_pc *pc, struct irq_lapic *l, uint64_t value)
{
	uint64_t changed = l->base_msr ^ value;

	l->base_msr = value;
	if ((changed & BASE_EN) && !lapic_enabled(l)) {
		irq_lapic_reset(pc, l); /* its state is lost (SDM 11.4.3) */
	} else if (changed & BASE_EXTD) {
		l->reg[R_ID] = l->index << 24;
		l->reg[R_LDR] = lapic_x2(l) ? irq_lapic_x2_ldr(l->index) : 0;
		l->reg[R_ICR2] = 0;
	}
	irq_lapic_update(pc, l);
}

uint64_t irq_pc_get_apic_base(const struct irq_pc *pc, unsigned vcpu)
{
	return pc->lapic[vcpu].base_msr;
}

int irq_pc_set_apic_base(struct irq_pc *pc, unsigned vcpu, uint64_t value)
{
	if (!base_valid(pc, value))
		return -1;
	apply_base(pc, &pc->lapic[vcpu], value);
	return 0;
}

/* ------ MMIO ------ */

int irq_lapic_page(const struct irq_lapic *l, uint64_t gpa)
{
	return lapic_enabled(l) && !lapic_x2(l) && gpa >> 12 == l->base_msr >> 12;
}

uint32_t irq_lapic_mmio_read(struct irq_pc *pc, struct irq_lapic *l, uint32_t offset)
{
	if (!(access_of(pc, offset >> 4).mmio & R)) {
		irq_lapic_error(pc, l, ESR_REGISTER);
		return 0;
	}
	return irq_lapic_read(pc, l, offset >> 4);
}

void irq_lapic_mmio_write(struct irq_pc *pc, struct irq_lapic *l, uint32_t offset, uint32_t value)
{
	struct access a = access_of(pc, offset >> 4);

	if (a.mmio & W)
		irq_lapic_write(pc, l, offset >> 4, value & a.writable);
	else if (!(a.mmio & R))
		irq_lapic_error(pc, l, ESR_REGISTER);
}

/* ------ MSRs ------ */

static int read_x2(struct irq_pc *pc, struct irq_lapic *l, uint32_t r, uint64_t *value)
{
	if (!lapic_x2(l) || !(access_of(pc, r).msr & R))
		return IRQ_FAULT;
	if (r == R_ID)
		*value = l->index;
	else if (r == R_ICR)
		*value = (uint64_t)l->reg[R_ICR2] << 32 | l->reg[R_ICR];
	else
		*value = irq_lapic_read(pc, l, r);
	return IRQ_OK;
}

static int write_x2(struct irq_pc *pc, struct irq_lapic *l, uint32_t r, uint64_t value)
{
	struct access a = access_of(pc, r);
	uint64_t reserved = ~(uint64_t)(a.writable | a.ignored);

	if (r == R_ICR)
		reserved &= 0xffffffff;
	if (!lapic_x2(l) || !(a.msr & W) || (value & reserved))
		return IRQ_FAULT;
	if (r == R_ICR)
		l->reg[R_ICR2] = (uint32_t)(value >> 32);
	irq_lapic_write(pc, l, r, (uint32_t)value & a.writable);
	return IRQ_OK;
}

int irq_pc_rdmsr(struct irq_pc *pc, unsigned vcpu, uint32_t msr, uint64_t *value)
{
	struct irq_lapic *l = &pc->lapic[vcpu];

	if (msr >= MSR_X2APIC && msr < MSR_X2APIC_END)
		return read_x2(pc, l, msr - MSR_X2APIC, value);
	if (msr == MSR_APIC_BASE)
		*value = l->base_msr;
	else if (msr == MSR_TSC_DEADLINE)
		*value = irq_timer_is_deadline(l) ? l->tsc_deadline : 0;
	else
		return IRQ_NOT_MINE;
	return IRQ_OK;
}

static int write_base(struct irq_pc *pc, struct irq_lapic *l, uint64_t value)
{
	if (!base_valid(pc, value) || !transition_valid(l->base_msr, value))
		return IRQ_FAULT;
	apply_base(pc, l, value);
	return IRQ_OK;
}

int irq_pc_wrmsr(struct irq_pc *pc, unsigned vcpu, uint32_t msr, uint64_t value)
{
	struct irq_lapic *l = &pc->lapic[vcpu];

	if (msr >= MSR_X2APIC && msr < MSR_X2APIC_END)
		return write_x2(pc, l, msr - MSR_X2APIC, value);
	if (msr == MSR_APIC_BASE)
		return write_base(pc, l, value);
	if (msr != MSR_TSC_DEADLINE)
		return IRQ_NOT_MINE;
	if (irq_timer_is_deadline(l)) { /* ignored in the other modes (SDM 11.5.4.1) */
		irq_timer_set_deadline(pc, l, value);
		irq_timer_run(pc, l, pc->ops.now_ns(pc->opaque));
	}
	return IRQ_OK;
}

/* ------ the host's side ------ */

void irq_pc_set_tsc_deadline(struct irq_pc *pc, unsigned vcpu, uint64_t value)
{
	irq_timer_set_deadline(pc, &pc->lapic[vcpu], value);
}

void irq_pc_tsc_changed(struct irq_pc *pc, unsigned vcpu)
{
	irq_timer_rearm_deadline(pc, &pc->lapic[vcpu]);
}

void irq_pc_get_lapic(const struct irq_pc *pc, unsigned vcpu, uint8_t page[IRQ_LAPIC_IMAGE])
{
	const struct irq_lapic *l = &pc->lapic[vcpu];

	memset(page, 0, IRQ_LAPIC_IMAGE);
	for (unsigned r = 0; r < 64; r++) {
		uint32_t v = l->reg[r];

		if (r == R_PPR)
			v = irq_lapic_ppr(l);
		else if (r == R_TMCCT)
			v = irq_timer_count(l, pc->ops.now_ns(pc->opaque));
		for (unsigned b = 0; b < 4; b++)
			page[r * 16 + b] = (uint8_t)(v >> 8 * b);
	}
}

/* The version stays ours: it says what this implementation offers. */
int irq_pc_set_lapic(struct irq_pc *pc, unsigned vcpu, const uint8_t page[IRQ_LAPIC_IMAGE])
{
	struct irq_lapic *l = &pc->lapic[vcpu];
	uint32_t version = l->reg[R_VERSION];

	if (lapic_x2(l) && page[R_ID * 16 + 3] != l->index)
		return -1;
	for (unsigned r = 0; r < 64; r++) {
		const uint8_t *p = page + r * 16;

		l->reg[r] = p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
	}
	l->reg[R_VERSION] = version;
	l->reg[R_PPR] = 0;
	if (lapic_x2(l))
		l->reg[R_LDR] = irq_lapic_x2_ldr(l->index);
	l->errors = 0;
	l->extint = 0;
	irq_timer_restore(pc, l);
	irq_lapic_update(pc, l);
	irq_pc_restored(pc);
	return 0;
}
