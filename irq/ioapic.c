/* ioapic.c - the I/O APIC (Intel 82093AA datasheet, order 290566, section 3): registers, redirection, remote IRR.
 * Inputs are "asserted" or not; the polarity bit is kept and has no effect, as in KVM. */
#include <string.h>

#include "irq.h"
#include "irq_internal.h"

#define RTE_VECTOR 0xffull
#define RTE_MODE_SHIFT 8
#define RTE_LOGICAL (1ull << 11)
#define RTE_REMOTE_IRR (1ull << 14)
#define RTE_LEVEL (1ull << 15)
#define RTE_MASK (1ull << 16)
#define RTE_DEST_SHIFT 56
#define RTE_WRITABLE 0xff0000000001afffull /* not delivery status (12), remote IRR (14), reserved ones */
enum { REG_ID = 0, REG_VERSION = 1, REG_ARBITRATION = 2, REG_RTE = 0x10 };
enum { WINDOW_SELECT = 0x00, WINDOW_DATA = 0x10, WINDOW_EOI = 0x40 };

static unsigned mode_of(uint64_t rte)
{
	return rte >> RTE_MODE_SHIFT & 7;
}

/* SMI, NMI, INIT and ExtINT are edges even when programmed as levels (3.2.4). */
static int is_level(uint64_t rte)
{
	return (rte & RTE_LEVEL) && mode_of(rte) <= IRQ_LOWEST;
}

static void service(struct irq_ioapic *io, unsigned pin)
{
	uint64_t rte = io->rte[pin];
	struct irq_msg msg = {
		.dest = (uint32_t)(rte >> RTE_DEST_SHIFT),
		.logical = !!(rte & RTE_LOGICAL),
		.mode = (uint8_t)mode_of(rte),
		.vector = (uint8_t)(rte & RTE_VECTOR),
		.level = (uint8_t)is_level(rte),
	};
	int taken;

	if ((rte & RTE_MASK) || (msg.level && (rte & RTE_REMOTE_IRR)))
		return;
	if (!msg.level)
		io->delivered |= 1u << pin;
	taken = io->send(io->opaque, &msg);
	if (msg.level && taken > 0)
		io->rte[pin] |= RTE_REMOTE_IRR;
}

void irq_ioapic_reset(struct irq_ioapic *io)
{
	io->select = io->id = 0;
	io->lines = io->delivered = 0;
	for (unsigned pin = 0; pin < VMA_X86_IOAPIC_PINS; pin++)
		io->rte[pin] = RTE_MASK;
}

/* An edge on a masked pin is lost (3.2.4, "Interrupt mask"); a level is looked at again when the pin is unmasked. */
void irq_ioapic_line(struct irq_ioapic *io, unsigned pin, int level)
{
	uint32_t bit = 1u << pin;
	int rose = level && !(io->lines & bit);

	if (!level) {
		io->lines &= ~bit;
		return;
	}
	io->lines |= bit;
	if (rose)
		io->delivered &= ~bit;
	if (rose || is_level(io->rte[pin]))
		service(io, pin);
}

static void write_rte(struct irq_ioapic *io, unsigned reg, uint32_t value)
{
	unsigned pin = (reg - REG_RTE) / 2;
	uint64_t *rte = &io->rte[pin];
	unsigned shift = reg & 1 ? 32 : 0;
	uint64_t writable = RTE_WRITABLE & 0xffffffffull << shift;

	*rte = (*rte & ~writable) | ((uint64_t)value << shift & writable);
	if (!is_level(*rte)) {
		*rte &= ~RTE_REMOTE_IRR;
		return;
	}
	io->delivered &= ~(1u << pin);
	if (io->lines & 1u << pin)
		service(io, pin);
}

static uint32_t read_register(const struct irq_ioapic *io, unsigned reg)
{
	if (reg == REG_VERSION)
		return (VMA_X86_IOAPIC_PINS - 1) << 16 | io->version;
	if (reg == REG_ID || reg == REG_ARBITRATION)
		return (uint32_t)(io->id & 0xf) << 24;
	if (reg >= REG_RTE && reg < REG_RTE + 2 * VMA_X86_IOAPIC_PINS)
		return (uint32_t)(io->rte[(reg - REG_RTE) / 2] >> (reg & 1 ? 32 : 0));
	return 0;
}

uint32_t irq_ioapic_read(struct irq_ioapic *io, uint32_t offset)
{
	if (offset == WINDOW_SELECT)
		return io->select;
	return offset == WINDOW_DATA ? read_register(io, io->select) : 0;
}

void irq_ioapic_write(struct irq_ioapic *io, uint32_t offset, uint32_t value)
{
	if (offset == WINDOW_SELECT)
		io->select = (uint8_t)value;
	else if (offset == WINDOW_EOI && io->version >= 0x20)
		irq_ioapic_eoi(io, (uint8_t)value);
	else if (offset != WINDOW_DATA)
		return;
	else if (io->select == REG_ID)
		io->id = value >> 24 & 0xf;
	else if (io->select >= REG_RTE && io->select < REG_RTE + 2 * VMA_X86_IOAPIC_PINS)
		write_rte(io, io->select, value);
}

void irq_ioapic_eoi(struct irq_ioapic *io, uint8_t vector)
{
	for (unsigned pin = 0; pin < VMA_X86_IOAPIC_PINS; pin++) {
		if ((io->rte[pin] & RTE_VECTOR) != vector || !(io->rte[pin] & RTE_REMOTE_IRR))
			continue;
		io->rte[pin] &= ~RTE_REMOTE_IRR;
		if (io->lines & 1u << pin)
			service(io, pin);
	}
}

void irq_ioapic_resample(struct irq_ioapic *io)
{
	for (unsigned pin = 0; pin < VMA_X86_IOAPIC_PINS; pin++)
		if (io->lines & ~io->delivered & 1u << pin)
			service(io, pin);
}

/* `irr` is what a restore must look at again: asserted, and not an edge that was sent. */
void irq_ioapic_get(const struct irq_ioapic *io, vma_x86_ioapic *image)
{
	memset(image, 0, sizeof *image);
	image->base_address = io->base;
	image->ioregsel = io->select;
	image->id = io->id;
	image->irr = io->lines & ~io->delivered;
	memcpy(image->redirtbl, io->rte, sizeof io->rte);
}

void irq_ioapic_set(struct irq_ioapic *io, const vma_x86_ioapic *image)
{
	io->base = image->base_address;
	io->select = (uint8_t)image->ioregsel;
	io->id = image->id & 0xf;
	io->lines = image->irr & ((1u << VMA_X86_IOAPIC_PINS) - 1);
	io->delivered = 0;
	for (unsigned pin = 0; pin < VMA_X86_IOAPIC_PINS; pin++)
		io->rte[pin] = image->redirtbl[pin] & (RTE_WRITABLE | RTE_REMOTE_IRR);
}
