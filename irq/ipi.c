/* ipi.c - messages between APICs: which local APICs one is meant for (SDM 11.6.2), what each does with it, the
 * sending of interprocessor interrupts (11.6.1) and the decoding of message signalled ones (11.11). */
#include <stddef.h>

#include "irq.h"
#include "irq_internal.h"

enum {
	ICR_LOGICAL = 1 << 11, /* SDM figure 11-12 */
	ICR_ASSERT = 1 << 14,
	TO_DEST = 0,
	TO_SELF = 1,
	TO_ALL = 2,
	TO_OTHERS = 3,
	MSI_LOGICAL = 1 << 2, /* SDM figure 11-24 */
	MSI_REDIRECT = 1 << 3,
	MSI_LEVEL = 1 << 15, /* SDM figure 11-25 */
	MSI_ASSERT = 1 << 14
};

/* SDM 11.6.2.2: flat model with DFR 0xf, cluster model with 0. */
static int matches_xapic_ldr(const struct irq_lapic *l, uint32_t dest)
{
	uint32_t ldr = l->reg[R_LDR] >> 24;

	if (dest > 0xff)
		return 0;
	if (l->reg[R_DFR] >> 28 == 0xf)
		return (dest & ldr) != 0;
	return (dest >> 4 == 0xf || dest >> 4 == ldr >> 4) && (dest & ldr & 0xf);
}

static int matches(const struct irq_lapic *l, const struct irq_msg *msg)
{
	uint32_t ldr = l->reg[R_LDR];

	if (msg->dest == (msg->wide ? 0xffffffff : 0xff))
		return 1;
	if (!msg->logical)
		return msg->dest == (lapic_x2(l) ? l->index : l->reg[R_ID] >> 24);
	if (lapic_x2(l)) /* SDM 11.12.10.2: cluster in the upper half */
		return msg->dest >> 16 == ldr >> 16 && (msg->dest & ldr & 0xffff);
	return matches_xapic_ldr(l, msg->dest);
}

/* 1: taken. An APIC disabled by software takes all but ordinary interrupts (SDM 11.4.7.2). */
static int accept(struct irq_pc *pc, struct irq_lapic *l, const struct irq_msg *msg)
{
	if (!lapic_enabled(l))
		return 0;
	switch (msg->mode) {
	case IRQ_FIXED:
	case IRQ_LOWEST:
		if (!(l->reg[R_SVR] & SVR_ENABLE))
			return 0;
		irq_lapic_post(pc, l, msg->vector, msg->level);
		return msg->vector >= 16;
	case IRQ_NMI:
		pc->ops.nmi(pc->opaque, l->index);
		return 1;
	case IRQ_INIT:
		irq_lapic_reset(pc, l);
		pc->ops.init(pc->opaque, l->index);
		return 1;
	case IRQ_SIPI:
		pc->ops.sipi(pc->opaque, l->index, msg->vector);
		return 1;
	case IRQ_EXTINT:
		l->extint = 1;
		irq_lapic_update(pc, l);
		return 1;
	default: /* SMI: there is no SMM; 3 is reserved */
		return msg->mode == IRQ_SMI;
	}
}

/* The least busy of those addressed; of equals the one after the last that was chosen. */
static int send_lowest(struct irq_pc *pc, const struct irq_msg *msg)
{
	struct irq_lapic *best = NULL;

	for (unsigned i = 0; i < pc->config.vcpus; i++) {
		struct irq_lapic *l = &pc->lapic[(pc->next_lowest + i) % pc->config.vcpus];

		if (!lapic_enabled(l) || !(l->reg[R_SVR] & SVR_ENABLE) || !matches(l, msg))
			continue;
		if (!best || (irq_lapic_ppr(l) & 0xf0) < (irq_lapic_ppr(best) & 0xf0))
			best = l;
	}
	if (!best)
		return 0;
	pc->next_lowest = best->index + 1;
	return accept(pc, best, msg);
}

int irq_send(struct irq_pc *pc, const struct irq_msg *msg)
{
	int taken = 0;

	if (msg->mode == IRQ_LOWEST || (msg->redirect && msg->mode == IRQ_FIXED))
		return send_lowest(pc, msg);
	for (unsigned i = 0; i < pc->config.vcpus; i++)
		if (matches(&pc->lapic[i], msg))
			taken += accept(pc, &pc->lapic[i], msg);
	return taken;
}

static void send_others(struct irq_pc *pc, const struct irq_lapic *from, const struct irq_msg *msg)
{
	for (unsigned i = 0; i < pc->config.vcpus; i++)
		if (i != from->index)
			accept(pc, &pc->lapic[i], msg);
}

/* ICR was written. The trigger mode matters for the INIT level de-assert alone, which current processors ignore. */
void irq_send_ipi(struct irq_pc *pc, struct irq_lapic *from)
{
	uint32_t icr = from->reg[R_ICR];
	struct irq_msg msg = {
		.dest = lapic_x2(from) ? from->reg[R_ICR2] : from->reg[R_ICR2] >> 24,
		.wide = (uint8_t)lapic_x2(from),
		.logical = !!(icr & ICR_LOGICAL),
		.mode = icr >> 8 & 7,
		.vector = (uint8_t)icr,
	};

	if (msg.mode == 3 || msg.mode == IRQ_EXTINT || (msg.mode == IRQ_INIT && !(icr & ICR_ASSERT)))
		return;
	if (msg.mode <= IRQ_LOWEST && msg.vector < 16) {
		irq_lapic_error(pc, from, ESR_SEND_ILLEGAL);
		return;
	}
	switch (icr >> 18 & 3) {
	case TO_SELF:
		accept(pc, from, &msg);
		break;
	case TO_ALL:
		msg.dest = msg.wide ? 0xffffffff : 0xff;
		irq_send(pc, &msg);
		break;
	case TO_OTHERS:
		send_others(pc, from, &msg);
		break;
	default:
		irq_send(pc, &msg);
	}
}

int irq_pc_send(struct irq_pc *pc, const struct irq_msg *msg)
{
	return irq_send(pc, msg);
}

int irq_pc_msi(struct irq_pc *pc, uint64_t address, uint32_t data)
{
	struct irq_msg msg = {
		.dest = address >> 12 & 0xff,
		.logical = !!(address & MSI_LOGICAL),
		.redirect = !!(address & MSI_REDIRECT),
		.mode = data >> 8 & 7,
		.vector = (uint8_t)data,
		.level = !!(data & MSI_LEVEL),
	};

	if (address >> 20 != 0xfee)
		return -1;
	if (msg.level && !(data & MSI_ASSERT))
		return 0; /* de-assertion means nothing */
	return pc->ioapic.send(pc->ioapic.opaque, &msg);
}
