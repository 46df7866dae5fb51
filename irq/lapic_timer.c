/* lapic_timer.c - the local APIC's timer (SDM 11.5.4): one-shot, periodic, TSC deadline. Counts down the divided 1
 * GHz bus clock; kept as the ns at which it expires. */
#include "irq.h"
#include "irq_internal.h"

enum { SLOWEST_TSC_NS = 1000 }; /* between two of its ticks */
enum { MODE_ONE_SHOT, MODE_PERIODIC, MODE_DEADLINE }; /* LVT timer bits 18:17; 3 is reserved and counts once */

static unsigned timer_mode(uint32_t lvt)
{
	return lvt >> 17 & 3;
}

/* DCR bits 3, 1, 0: 000 divides by 2 ... 110 by 128, 111 by 1. */
static unsigned divide_shift(const struct irq_lapic *l)
{
	uint32_t dcr = l->reg[R_DCR];

	return (((dcr & 3) | (dcr >> 1 & 4)) + 1) & 7;
}

static uint64_t after(uint64_t now, uint64_t ns)
{
	return ns < IRQ_NEVER - 1 - now ? now + ns : IRQ_NEVER - 1;
}

static void set_due(struct irq_pc *pc, struct irq_lapic *l, uint64_t due)
{
	uint64_t old = l->due;

	l->due = due;
	if (due != old)
		irq_pc_deadline_moved(pc, old, due);
}

int irq_timer_is_deadline(const struct irq_lapic *l)
{
	return timer_mode(l->reg[R_LVT_TIMER]) == MODE_DEADLINE;
}

void irq_timer_stop(struct irq_pc *pc, struct irq_lapic *l)
{
	l->tsc_deadline = 0;
	set_due(pc, l, IRQ_NEVER);
}

/* Going into or out of deadline mode disarms (SDM 11.5.4.1). */
void irq_timer_lvt_changed(struct irq_pc *pc, struct irq_lapic *l, uint32_t old)
{
	if ((timer_mode(old) == MODE_DEADLINE) == irq_timer_is_deadline(l))
		return;
	l->reg[R_TMICT] = 0;
	irq_timer_stop(pc, l);
}

void irq_timer_start(struct irq_pc *pc, struct irq_lapic *l, uint32_t count)
{
	uint64_t now = pc->ops.now_ns(pc->opaque);

	set_due(pc, l, count ? after(now, (uint64_t)count << divide_shift(l)) : IRQ_NEVER);
}

/* 0: stopped. One that is due and has not been run yet shows 1, so that a restored image makes it fire. */
uint32_t irq_timer_count(const struct irq_lapic *l, uint64_t now)
{
	unsigned shift = divide_shift(l);
	uint64_t left;

	if (l->due == IRQ_NEVER || irq_timer_is_deadline(l))
		return 0;
	if (l->due <= now)
		return 1;
	left = (l->due - now + (1ull << shift) - 1) >> shift;
	return left > UINT32_MAX ? UINT32_MAX : (uint32_t)left;
}

/* The count goes on from where it is at the new rate. */
void irq_timer_divide(struct irq_pc *pc, struct irq_lapic *l, uint32_t dcr)
{
	uint32_t count = irq_timer_count(l, pc->ops.now_ns(pc->opaque));

	l->reg[R_DCR] = dcr;
	if (count)
		irq_timer_start(pc, l, count);
}

void irq_timer_rearm_deadline(struct irq_pc *pc, struct irq_lapic *l)
{
	uint64_t now, tsc, left;

	if (!irq_timer_is_deadline(l))
		return;
	if (!l->tsc_deadline) {
		set_due(pc, l, IRQ_NEVER);
		return;
	}
	now = pc->ops.now_ns(pc->opaque);
	tsc = pc->ops.tsc(pc->opaque, l->index);
	left = l->tsc_deadline > tsc ? l->tsc_deadline - tsc : 0;
	set_due(pc, l, after(now, irq_muldiv(left, 1000000000, pc->config.tsc_hz, 1)));
}

void irq_timer_set_deadline(struct irq_pc *pc, struct irq_lapic *l, uint64_t tsc)
{
	l->tsc_deadline = tsc;
	irq_timer_rearm_deadline(pc, l);
}

/* Of several periods gone by one interrupt remains, as IRR holds no more. */
static uint64_t next_period(const struct irq_lapic *l, uint64_t now)
{
	uint64_t period = (uint64_t)l->reg[R_TMICT] << divide_shift(l);

	if (timer_mode(l->reg[R_LVT_TIMER]) != MODE_PERIODIC || !period)
		return IRQ_NEVER;
	return after(l->due, ((now - l->due) / period + 1) * period);
}

void irq_timer_run(struct irq_pc *pc, struct irq_lapic *l, uint64_t now)
{
	if (l->due > now)
		return;
	if (irq_timer_is_deadline(l) && pc->ops.tsc(pc->opaque, l->index) < l->tsc_deadline) {
		irq_timer_rearm_deadline(pc, l); /* the TSC runs slower than told, or was set back */
		return;
	}
	l->tsc_deadline = 0;
	set_due(pc, l, next_period(l, now));
	irq_lapic_local(pc, l, R_LVT_TIMER);
}

/* reg[] has been loaded from an image: start the timer where its current count says. */
void irq_timer_restore(struct irq_pc *pc, struct irq_lapic *l)
{
	uint32_t initial = l->reg[R_TMICT];
	uint32_t count = l->reg[R_TMCCT];

	l->reg[R_TMCCT] = 0;
	if (irq_timer_is_deadline(l)) {
		irq_timer_rearm_deadline(pc, l);
		return;
	}
	if (!count && timer_mode(l->reg[R_LVT_TIMER]) == MODE_PERIODIC)
		count = initial;
	irq_timer_start(pc, l, count < initial ? count : initial);
}

void irq_pc_refine_timer(struct irq_pc *pc, unsigned vcpu, uint64_t ns)
{
	struct irq_lapic *l = &pc->lapic[vcpu];
	uint64_t due = after(pc->ops.now_ns(pc->opaque), ns);
	uint64_t tick = irq_timer_is_deadline(l) ? SLOWEST_TSC_NS : 1ull << divide_shift(l);

	if (l->due != IRQ_NEVER && (due < l->due ? l->due - due : due - l->due) <= tick)
		set_due(pc, l, due);
}
