/* lapic.c - one local APIC: priorities, acceptance of interrupts, EOI, the local vector table and what a write to
 * each register does (SDM 11.4 to 11.8). How the guest reaches the registers is in lapic_modes.c, the timer in
 * lapic_timer.c. */
#include <string.h>

#include "irq.h"
#include "irq_internal.h"

enum {
	VERSION = 0x14,      /* integrated APIC; as KVM's */
	LAST_LVT = 5,        /* timer, thermal, performance, LINT0, LINT1, error: no CMCI */
	VERSION_SUPPRESS_EOI = 1 << 24,
	LINT0_EXTINT = 0x700 /* LVT: mode ExtINT, not masked */
};

static int highest(const uint32_t *bits)
{
	for (int w = 7; w >= 0; w--)
		for (int b = 31; bits[w] && b >= 0; b--)
			if (bits[w] & 1u << b)
				return w * 32 + b;
	return -1;
}

static void set_bit(uint32_t *bits, unsigned n, int on)
{
	uint32_t bit = 1u << (n & 31);

	bits[n >> 5] = on ? bits[n >> 5] | bit : bits[n >> 5] & ~bit;
}

static int test_bit(const uint32_t *bits, unsigned n)
{
	return bits[n >> 5] >> (n & 31) & 1;
}

static unsigned lvt_mode(uint32_t lvt)
{
	return lvt >> 8 & 7;
}

/* SDM 11.8.3.1. Where both classes are equal the low bits are TPR's, as in KVM. */
uint32_t irq_lapic_ppr(const struct irq_lapic *l)
{
	int isr = highest(l->reg + R_ISR);
	uint32_t tpr = l->reg[R_TPR] & 0xff;
	uint32_t served = isr < 0 ? 0 : (uint32_t)isr & 0xf0;

	return (tpr & 0xf0) >= served ? tpr : served;
}

/* The vector that may be delivered now, or -1. */
static int deliverable(const struct irq_lapic *l)
{
	int irr = lapic_enabled(l) ? highest(l->reg + R_IRR) : -1;

	return irr >= 0 && ((uint32_t)irr & 0xf0) > (irq_lapic_ppr(l) & 0xf0) ? irr : -1;
}

/* Does an acknowledge by this CPU go to the PIC: through LINT0, through an ExtINT message, or because there is no
 * APIC in the way? */
int irq_lapic_extint(const struct irq_pc *pc, const struct irq_lapic *l)
{
	uint32_t lint0 = l->reg[R_LVT_LINT0];

	if (!pc->pic_output)
		return 0;
	return !lapic_enabled(l) || l->extint || (!(lint0 & LVT_MASKED) && lvt_mode(lint0) == IRQ_EXTINT);
}

void irq_lapic_update(struct irq_pc *pc, struct irq_lapic *l)
{
	uint32_t now = deliverable(l) >= 0 || irq_lapic_extint(pc, l);
	uint32_t old = atomic_exchange_explicit(&l->pending, now, memory_order_acq_rel);

	if (now && !old)
		pc->ops.wake(pc->opaque, l->index);
}

int irq_lapic_ack(struct irq_pc *pc, struct irq_lapic *l)
{
	int vector = deliverable(l);

	if (vector < 0)
		return -1;
	set_bit(l->reg + R_IRR, (unsigned)vector, 0);
	set_bit(l->reg + R_ISR, (unsigned)vector, 1);
	irq_lapic_update(pc, l);
	return vector;
}

/* SDM 11.5.3. An error entry with an illegal vector of its own says nothing more. */
void irq_lapic_error(struct irq_pc *pc, struct irq_lapic *l, uint32_t bit)
{
	l->errors |= bit;
	if ((l->reg[R_LVT_ERROR] & 0xff) >= 16)
		irq_lapic_local(pc, l, R_LVT_ERROR);
}

void irq_lapic_post(struct irq_pc *pc, struct irq_lapic *l, uint8_t vector, int level)
{
	if (vector < 16) {
		irq_lapic_error(pc, l, ESR_RECEIVE_ILLEGAL);
		return;
	}
	set_bit(l->reg + R_TMR, vector, level);
	set_bit(l->reg + R_IRR, vector, 1);
	irq_lapic_update(pc, l);
}

/* Level triggering exists for LINT0 alone (SDM 11.5.1): LINT1 is always an edge. Its EOI ends here, so TMR stays
 * clear. */
void irq_lapic_local(struct irq_pc *pc, struct irq_lapic *l, unsigned lvt)
{
	uint32_t entry = l->reg[lvt];

	if (entry & LVT_MASKED)
		return;
	switch (lvt_mode(entry)) {
	case IRQ_FIXED:
		irq_lapic_post(pc, l, (uint8_t)entry, 0);
		break;
	case IRQ_NMI:
		pc->ops.nmi(pc->opaque, l->index);
		break;
	case IRQ_INIT:
		irq_lapic_reset(pc, l);
		pc->ops.init(pc->opaque, l->index);
		break;
	default: /* ExtINT is not a message: irq_lapic_extint; SMI: there is no SMM */
		break;
	}
}

/* The PIC's INTR as this CPU sees it. */
void irq_lapic_lint0(struct irq_pc *pc, struct irq_lapic *l, int level)
{
	uint32_t *entry = &l->reg[R_LVT_LINT0];
	int rose = level && !l->lint0;

	l->lint0 = (uint8_t)level;
	if (level && lapic_enabled(l) && lvt_mode(*entry) == IRQ_FIXED && (*entry & LVT_LEVEL)) {
		if (!(*entry & (LVT_REMOTE_IRR | LVT_MASKED))) {
			*entry |= LVT_REMOTE_IRR;
			irq_lapic_local(pc, l, R_LVT_LINT0);
		}
	} else if (rose && lapic_enabled(l)) {
		irq_lapic_local(pc, l, R_LVT_LINT0);
	}
	irq_lapic_update(pc, l);
}

/* SDM 11.8.5: level-triggered ones are told to the I/O APICs, unless software asked to do that itself. */
static void end_of_interrupt(struct irq_pc *pc, struct irq_lapic *l)
{
	int vector = highest(l->reg + R_ISR);
	uint32_t *lint0 = &l->reg[R_LVT_LINT0];

	if (vector < 0)
		return;
	set_bit(l->reg + R_ISR, (unsigned)vector, 0);
	if ((*lint0 & LVT_REMOTE_IRR) && (int)(*lint0 & 0xff) == vector) {
		*lint0 &= ~(uint32_t)LVT_REMOTE_IRR;
		irq_lapic_lint0(pc, l, l->lint0);
	}
	if (test_bit(l->reg + R_TMR, (unsigned)vector) && !(l->reg[R_SVR] & SVR_SUPPRESS_EOI)) {
		if (pc->ops.eoi)
			pc->ops.eoi(pc->opaque, l->index, (uint8_t)vector);
		else
			irq_ioapic_eoi(&pc->ioapic, (uint8_t)vector);
	}
	irq_lapic_update(pc, l);
}

/* SDM 11.4.7.1 and .3. The bootstrap CPU's LINT0 comes up as KVM has it: the virtual wire that firmware would have
 * set up. */
void irq_lapic_reset(struct irq_pc *pc, struct irq_lapic *l)
{
	irq_timer_stop(pc, l);
	memset(l->reg, 0, sizeof l->reg);
	l->reg[R_ID] = l->index << 24;
	l->reg[R_VERSION] = VERSION | LAST_LVT << 16 | (pc->config.directed_eoi ? VERSION_SUPPRESS_EOI : 0);
	l->reg[R_DFR] = 0xffffffff;
	l->reg[R_SVR] = 0xff;
	for (unsigned r = R_LVT_TIMER; r <= R_LVT_ERROR; r++)
		l->reg[r] = LVT_MASKED;
	if (!l->index)
		l->reg[R_LVT_LINT0] = LINT0_EXTINT;
	if (lapic_x2(l))
		l->reg[R_LDR] = irq_lapic_x2_ldr(l->index);
	l->errors = 0;
	l->extint = 0;
	l->lint0 = pc->pic_output;
	irq_lapic_update(pc, l);
}

static void write_lvt(struct irq_pc *pc, struct irq_lapic *l, unsigned r, uint32_t value)
{
	uint32_t old = l->reg[r];

	if (!(l->reg[R_SVR] & SVR_ENABLE))
		value |= LVT_MASKED;
	if (r == R_LVT_LINT0 && (value & LVT_LEVEL) && lvt_mode(value) == IRQ_FIXED)
		value |= old & LVT_REMOTE_IRR;
	l->reg[r] = value;
	if (r == R_LVT_TIMER)
		irq_timer_lvt_changed(pc, l, old);
	if (r == R_LVT_LINT0)
		irq_lapic_lint0(pc, l, l->lint0);
}

/* SDM 11.4.7.2: while disabled all local vectors are masked and stay so. */
static void write_svr(struct irq_lapic *l, uint32_t value)
{
	l->reg[R_SVR] = value;
	if (value & SVR_ENABLE)
		return;
	for (unsigned r = R_LVT_TIMER; r <= R_LVT_ERROR; r++)
		l->reg[r] |= LVT_MASKED;
}

static void self_ipi(struct irq_pc *pc, struct irq_lapic *l, uint8_t vector)
{
	if (vector < 16)
		irq_lapic_error(pc, l, ESR_SEND_ILLEGAL);
	else if (l->reg[R_SVR] & SVR_ENABLE)
		irq_lapic_post(pc, l, vector, 0);
}

uint32_t irq_lapic_read(struct irq_pc *pc, struct irq_lapic *l, unsigned r)
{
	uint64_t now;

	if (r == R_PPR)
		return irq_lapic_ppr(l);
	if (r != R_TMCCT)
		return l->reg[r];
	now = pc->ops.now_ns(pc->opaque);
	irq_timer_run(pc, l, now);
	return irq_timer_count(l, now);
}

/* `value` has been cut to the bits that can be written. */
void irq_lapic_write(struct irq_pc *pc, struct irq_lapic *l, unsigned r, uint32_t value)
{
	if (r >= R_LVT_TIMER && r <= R_LVT_ERROR) {
		write_lvt(pc, l, r, value);
		return;
	}
	switch (r) {
	case R_EOI:
		end_of_interrupt(pc, l);
		return;
	case R_DFR:
		value |= 0x0fffffff;
		break;
	case R_SVR:
		write_svr(l, value);
		break;
	case R_ESR: /* SDM 11.5.3: the write makes the errors since the last one readable */
		value = l->errors;
		l->errors = 0;
		break;
	case R_TMICT:
		if (irq_timer_is_deadline(l))
			return;
		l->reg[r] = value;
		irq_timer_start(pc, l, value);
		return;
	case R_DCR:
		irq_timer_divide(pc, l, value);
		return;
	case R_SELF:
		self_ipi(pc, l, (uint8_t)value);
		return;
	}
	l->reg[r] = value;
	if (r == R_ICR)
		irq_send_ipi(pc, l);
	irq_lapic_update(pc, l);
}
