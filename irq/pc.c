/* pc.c - the PC: how its controllers are wired, its ports and MMIO windows, its deadlines, its image. */
#include <string.h>

#include "irq.h"
#include "irq_internal.h"

#define IOAPIC_BASE 0xfec00000ull
#define IOAPIC_WINDOW 0x100
enum { IOAPIC_PIN_INTR = 0 /* the PIC's output */, IOAPIC_PIN_TIMER = 2 };
#define LAPIC_BASE 0xfee00000ull
enum { IOAPIC_VERSION = 0x11, IOAPIC_VERSION_EOI = 0x20 /* has an EOI register */ };

/* ------ deadlines ------ */

static void find_deadline(struct irq_pc *pc)
{
	uint64_t old = irq_pc_deadline(pc);
	uint64_t due = pc->resample ? 0 : irq_pit_deadline(&pc->pit);

	for (unsigned i = 0; i < pc->config.vcpus; i++)
		if (pc->lapic[i].due < due)
			due = pc->lapic[i].due;
	atomic_store_explicit(&pc->deadline, due, memory_order_release);
	if (due < old && pc->ops.deadline)
		pc->ops.deadline(pc->opaque, due);
}

/* One local APIC's deadline moved: the others matter only when it was the earliest. */
void irq_pc_deadline_moved(struct irq_pc *pc, uint64_t old, uint64_t due)
{
	uint64_t earliest = irq_pc_deadline(pc);

	if (due < earliest) {
		atomic_store_explicit(&pc->deadline, due, memory_order_release);
		if (pc->ops.deadline)
			pc->ops.deadline(pc->opaque, due);
	} else if (old <= earliest) {
		find_deadline(pc);
	}
}

uint64_t irq_pc_deadline_vcpu(const struct irq_pc *pc, unsigned vcpu)
{
	return pc->lapic[vcpu].due;
}

void irq_pc_restored(struct irq_pc *pc)
{
	pc->resample = 1;
	find_deadline(pc);
}

/* ------ wiring ------ */

static void set_intr(struct irq_pc *pc, int level)
{
	if (level == pc->pic_output)
		return;
	pc->pic_output = (uint8_t)level;
	for (unsigned i = 0; i < pc->config.vcpus; i++) {
		if (!level)
			pc->lapic[i].extint = 0;
		irq_lapic_lint0(pc, &pc->lapic[i], level);
	}
	irq_ioapic_line(&pc->ioapic, IOAPIC_PIN_INTR, level);
}

static void pic_changed(struct irq_pc *pc)
{
	set_intr(pc, irq_pic_output(&pc->pic));
}

/* INTR falls with each acknowledge even when more is waiting: the next one is a new edge. */
static void intr_again(struct irq_pc *pc)
{
	set_intr(pc, 0);
	pic_changed(pc);
}

int irq_pc_line(struct irq_pc *pc, unsigned gsi, int level)
{
	if (gsi >= IRQ_GSIS)
		return -1;
	if (gsi == 2)
		return 0;
	if (gsi < 16) {
		irq_pic_line(&pc->pic, gsi, level);
		pic_changed(pc);
	}
	irq_ioapic_line(&pc->ioapic, gsi ? gsi : IOAPIC_PIN_TIMER, level);
	return 0;
}

/* A rise of OUT 0 is a pulse on IRQ 0, as KVM's timer does it. */
static void run_pit(struct irq_pc *pc, uint64_t now)
{
	if (!irq_pit_tick(&pc->pit, now))
		return;
	irq_pc_line(pc, 0, 1);
	irq_pc_line(pc, 0, 0);
}

static int ioapic_send(void *opaque, const struct irq_msg *msg)
{
	return irq_send(opaque, msg);
}

void irq_pc_tick(struct irq_pc *pc, uint64_t now)
{
	if (pc->resample) {
		pc->resample = 0;
		irq_ioapic_resample(&pc->ioapic);
		intr_again(pc);
	}
	run_pit(pc, now);
	for (unsigned i = 0; i < pc->config.vcpus; i++)
		irq_timer_run(pc, &pc->lapic[i], now);
	find_deadline(pc);
}

int irq_pc_ack(struct irq_pc *pc, unsigned vcpu)
{
	struct irq_lapic *l = &pc->lapic[vcpu];
	int vector = irq_lapic_ack(pc, l);

	if (vector >= 0 || !irq_lapic_extint(pc, l))
		return vector;
	vector = irq_pic_ack(&pc->pic);
	intr_again(pc);
	return vector;
}

/* LINT1 is the NMI pin where there is no APIC in the way. */
void irq_pc_nmi_button(struct irq_pc *pc)
{
	for (unsigned i = 0; i < pc->config.vcpus; i++) {
		struct irq_lapic *l = &pc->lapic[i];

		if (lapic_enabled(l))
			irq_lapic_local(pc, l, R_LVT_LINT1);
		else
			pc->ops.nmi(pc->opaque, i);
	}
}

/* ------ making and resetting ------ */

void irq_pc_reset_vcpu(struct irq_pc *pc, unsigned vcpu)
{
	struct irq_lapic *l = &pc->lapic[vcpu];

	l->base_msr = LAPIC_BASE | BASE_EN | (vcpu ? 0 : BASE_BSP);
	irq_lapic_reset(pc, l);
}

void irq_pc_reset(struct irq_pc *pc)
{
	irq_pic_reset(&pc->pic);
	irq_pit_reset(&pc->pit, pc->ops.now_ns(pc->opaque));
	irq_ioapic_reset(&pc->ioapic);
	pc->ioapic.base = IOAPIC_BASE;
	pc->pic_output = pc->resample = 0;
	pc->next_lowest = 0;
	for (unsigned i = 0; i < pc->config.vcpus; i++)
		irq_pc_reset_vcpu(pc, i);
	find_deadline(pc);
}

int irq_pc_init(struct irq_pc *pc, const struct irq_config *config, const struct irq_ops *ops, void *opaque,
		struct irq_lapic *lapics)
{
	unsigned bits = config->phys_bits ? config->phys_bits : 52;

	if (!config->vcpus || config->vcpus > IRQ_MAX_VCPUS || !config->tsc_hz || bits < 32 || bits > 52)
		return -1;
	memset(pc, 0, sizeof *pc);
	memset(lapics, 0, config->vcpus * sizeof *lapics);
	pc->config = *config;
	pc->config.phys_bits = bits;
	pc->ops = *ops;
	pc->opaque = opaque;
	pc->lapic = lapics;
	pc->ioapic.version = config->directed_eoi ? IOAPIC_VERSION_EOI : IOAPIC_VERSION;
	pc->ioapic.send = ioapic_send;
	pc->ioapic.opaque = pc;
	atomic_init(&pc->deadline, IRQ_NEVER);
	for (unsigned i = 0; i < config->vcpus; i++) {
		lapics[i].index = i;
		lapics[i].due = IRQ_NEVER;
	}
	irq_pc_reset(pc);
	return 0;
}

/* ------ access by the guest ------ */

uint8_t irq_pc_get_cr8(const struct irq_pc *pc, unsigned vcpu)
{
	return pc->lapic[vcpu].reg[R_TPR] >> 4 & 15;
}

void irq_pc_set_cr8(struct irq_pc *pc, unsigned vcpu, uint8_t cr8)
{
	irq_lapic_write(pc, &pc->lapic[vcpu], R_TPR, (uint32_t)(cr8 & 15) << 4);
}

static int in_ioapic(const struct irq_pc *pc, uint64_t gpa)
{
	return gpa - pc->ioapic.base < IOAPIC_WINDOW;
}

/* The registers have 32 bits at multiples of 16: other bytes read as 0. */
static void cut(uint32_t value, uint32_t offset, void *data, unsigned length)
{
	uint8_t *p = data;

	for (unsigned i = 0; i < length; i++) {
		unsigned byte = (offset & 15) + i;

		p[i] = (uint8_t)(byte < 4 ? value >> 8 * byte : 0);
	}
}

int irq_pc_mmio_read(struct irq_pc *pc, unsigned vcpu, uint64_t gpa, void *data, unsigned length)
{
	struct irq_lapic *l = &pc->lapic[vcpu];
	uint32_t offset = (uint32_t)(gpa & 0xfff);
	uint32_t value;

	if (irq_lapic_page(l, gpa))
		value = irq_lapic_mmio_read(pc, l, offset);
	else if (in_ioapic(pc, gpa))
		value = irq_ioapic_read(&pc->ioapic, (uint32_t)(gpa - pc->ioapic.base) & ~15u);
	else
		return IRQ_NOT_MINE;
	cut(value, (uint32_t)gpa, data, length);
	return IRQ_OK;
}

/* The local APIC wants aligned 32-bit writes (SDM 11.4.1) and ignores others; the I/O APIC takes the low bytes of
 * what comes. */
int irq_pc_mmio_write(struct irq_pc *pc, unsigned vcpu, uint64_t gpa, const void *data, unsigned length)
{
	struct irq_lapic *l = &pc->lapic[vcpu];
	const uint8_t *p = data;
	uint32_t value = 0;

	for (unsigned i = 0; i < length && i < 4; i++)
		value |= (uint32_t)p[i] << 8 * i;
	if (irq_lapic_page(l, gpa)) {
		if (length == 4 && !(gpa & 15))
			irq_lapic_mmio_write(pc, l, (uint32_t)(gpa & 0xfff), value);
		return IRQ_OK;
	}
	if (!in_ioapic(pc, gpa))
		return IRQ_NOT_MINE;
	irq_ioapic_write(&pc->ioapic, (uint32_t)(gpa - pc->ioapic.base), value);
	return IRQ_OK;
}

static int is_pit(uint16_t port)
{
	return (port >= 0x40 && port <= 0x43) || port == 0x61;
}

static int is_pic(uint16_t port)
{
	return (port & 0xff7e) == 0x20 || (port & 0xfffe) == 0x4d0;
}

static uint8_t read_byte(struct irq_pc *pc, uint16_t port)
{
	uint8_t value = 0xff;

	if (is_pit(port)) {
		value = irq_pit_read(&pc->pit, port, pc->ops.now_ns(pc->opaque));
	} else if (is_pic(port)) {
		int polling = pc->pic.chip[port >> 7 & 1].poll;

		value = irq_pic_read(&pc->pic, port);
		if (polling)
			intr_again(pc);
	}
	return value;
}

static void write_byte(struct irq_pc *pc, uint16_t port, uint8_t value)
{
	uint64_t now;

	if (is_pit(port)) {
		now = pc->ops.now_ns(pc->opaque);
		run_pit(pc, now); /* what has risen until now */
		irq_pit_write(&pc->pit, port, value, now);
		find_deadline(pc);
	} else if (is_pic(port)) {
		irq_pic_write(&pc->pic, port, value);
		pic_changed(pc);
	}
}

int irq_pc_port_read(struct irq_pc *pc, uint16_t port, unsigned length, uint32_t *value)
{
	if (!is_pit(port) && !is_pic(port))
		return IRQ_NOT_MINE;
	*value = 0;
	for (unsigned i = 0; i < length; i++)
		*value |= (uint32_t)read_byte(pc, (uint16_t)(port + i)) << 8 * i;
	return IRQ_OK;
}

int irq_pc_port_write(struct irq_pc *pc, uint16_t port, unsigned length, uint32_t value)
{
	if (!is_pit(port) && !is_pic(port))
		return IRQ_NOT_MINE;
	for (unsigned i = 0; i < length; i++)
		write_byte(pc, (uint16_t)(port + i), (uint8_t)(value >> 8 * i));
	return IRQ_OK;
}

int irq_pc_has_port(uint16_t port)
{
	return is_pit(port) || is_pic(port);
}

int irq_pc_ports(struct irq_pc *pc, uint16_t port, unsigned length, int write, uint8_t *data, uint32_t count)
{
	int r = IRQ_OK;

	for (uint32_t i = 0; i < count && r == IRQ_OK; i++, data += length) {
		uint32_t value = 0;

		for (unsigned b = 0; b < length && write; b++)
			value |= (uint32_t)data[b] << 8 * b;
		r = write ? irq_pc_port_write(pc, port, length, value) : irq_pc_port_read(pc, port, length, &value);
		for (unsigned b = 0; b < length && !write && r == IRQ_OK; b++)
			data[b] = (uint8_t)(value >> 8 * b);
	}
	return r;
}

/* ------ image ------ */

void irq_pc_get_irqchip(const struct irq_pc *pc, vma_x86_irqchip *image)
{
	memcpy(image->pic, pc->pic.chip, sizeof image->pic);
	irq_ioapic_get(&pc->ioapic, &image->ioapic);
	image->ioapic.irr &= ~(1u << IOAPIC_PIN_INTR); /* the PIC knows */
	irq_pit_get(&pc->pit, pc->ops.now_ns(pc->opaque), &image->pit);
}

int irq_pc_set_irqchip(struct irq_pc *pc, const vma_x86_irqchip *image)
{
	uint64_t base = image->ioapic.base_address;
	struct irq_pit pit;
	struct irq_pic pic;

	if ((base & 0xff) || base >> 52)
		return -1;
	if (irq_pit_set(&pit, pc->ops.now_ns(pc->opaque), &image->pit) || irq_pic_set(&pic, image->pic))
		return -1;
	pc->pit = pit;
	pc->pic = pic;
	irq_ioapic_set(&pc->ioapic, &image->ioapic);
	pc->pic_output = (uint8_t)irq_pic_output(&pc->pic);
	if (pc->pic_output)
		pc->ioapic.lines |= 1u << IOAPIC_PIN_INTR;
	for (unsigned i = 0; i < pc->config.vcpus; i++) {
		pc->lapic[i].lint0 = pc->pic_output;
		irq_lapic_update(pc, &pc->lapic[i]);
	}
	irq_pc_restored(pc);
	return 0;
}
