/* test_irq_rig.h - a PC's interrupt controllers with a clock that the test owns and a record of every callback. */
#ifndef TEST_IRQ_RIG_H
#define TEST_IRQ_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "irq.h"

#define RIG_VCPUS IRQ_MAX_VCPUS
#define RIG_TSC_HZ 2000000000ull

struct rig {
	struct irq_pc pc;
	struct irq_lapic lapic[RIG_VCPUS];
	uint64_t now;
	uint64_t tsc_offset;
	unsigned wakes[RIG_VCPUS], inits[RIG_VCPUS], nmis[RIG_VCPUS], sipis[RIG_VCPUS];
	uint8_t sipi_vector[RIG_VCPUS];
	uint64_t told; /* last deadline told */
};

static uint64_t rig_now(void *o)
{
	return ((struct rig *)o)->now;
}

static uint64_t rig_tsc(void *o, unsigned vcpu)
{
	(void)vcpu;
	return ((struct rig *)o)->now * 2 + ((struct rig *)o)->tsc_offset;
}

static void rig_wake(void *o, unsigned vcpu)
{
	((struct rig *)o)->wakes[vcpu]++;
}

static void rig_init(void *o, unsigned vcpu)
{
	((struct rig *)o)->inits[vcpu]++;
}

static void rig_sipi(void *o, unsigned vcpu, uint8_t vector)
{
	((struct rig *)o)->sipis[vcpu]++;
	((struct rig *)o)->sipi_vector[vcpu] = vector;
}

static void rig_nmi(void *o, unsigned vcpu)
{
	((struct rig *)o)->nmis[vcpu]++;
}

static void rig_deadline(void *o, uint64_t ns)
{
	((struct rig *)o)->told = ns;
}

static const struct irq_ops rig_ops = {.now_ns = rig_now,
					  .tsc = rig_tsc,
					  .wake = rig_wake,
					  .init = rig_init,
					  .sipi = rig_sipi,
					  .nmi = rig_nmi,
					  .deadline = rig_deadline};

static inline struct rig *rig_make(unsigned vcpus, int directed_eoi)
{
	struct rig *r = calloc(1, sizeof *r);
	struct irq_config config = {
		.vcpus = vcpus, .tsc_hz = RIG_TSC_HZ, .phys_bits = 40, .x2apic = 1, .directed_eoi = directed_eoi};

	assert_non_null(r);
	r->now = 1000000000;
	assert_int_equal(irq_pc_init(&r->pc, &config, &rig_ops, r, r->lapic), 0);
	return r;
}

static inline uint32_t lapic_read(struct rig *r, unsigned vcpu, uint32_t offset)
{
	uint32_t v = 0xdeadbeef;

	assert_int_equal(irq_pc_mmio_read(&r->pc, vcpu, 0xfee00000 + offset, &v, 4), IRQ_OK);
	return v;
}

static inline void lapic_write(struct rig *r, unsigned vcpu, uint32_t offset, uint32_t v)
{
	assert_int_equal(irq_pc_mmio_write(&r->pc, vcpu, 0xfee00000 + offset, &v, 4), IRQ_OK);
}

static inline uint32_t ioapic_read(struct rig *r, uint32_t reg)
{
	uint32_t v;

	assert_int_equal(irq_pc_mmio_write(&r->pc, 0, 0xfec00000, &reg, 4), IRQ_OK);
	assert_int_equal(irq_pc_mmio_read(&r->pc, 0, 0xfec00010, &v, 4), IRQ_OK);
	return v;
}

static inline void ioapic_write(struct rig *r, uint32_t reg, uint32_t v)
{
	assert_int_equal(irq_pc_mmio_write(&r->pc, 0, 0xfec00000, &reg, 4), IRQ_OK);
	assert_int_equal(irq_pc_mmio_write(&r->pc, 0, 0xfec00010, &v, 4), IRQ_OK);
}

static inline void rte_write(struct rig *r, unsigned pin, uint8_t dest, uint32_t low)
{
	ioapic_write(r, 0x11 + 2 * pin, (uint32_t)dest << 24);
	ioapic_write(r, 0x10 + 2 * pin, low);
}

static inline void outb(struct rig *r, uint16_t port, uint8_t v)
{
	assert_int_equal(irq_pc_port_write(&r->pc, port, 1, v), IRQ_OK);
}

static inline uint8_t inb(struct rig *r, uint16_t port)
{
	uint32_t v;

	assert_int_equal(irq_pc_port_read(&r->pc, port, 1, &v), IRQ_OK);
	return (uint8_t)v;
}

/* As Linux sets them: bases 0x20 and 0x28, everything else as asked. */
static inline void pic_start(struct rig *r, uint8_t icw4_master, uint8_t icw4_slave)
{
	outb(r, 0x20, 0x11);
	outb(r, 0x21, 0x20);
	outb(r, 0x21, 0x04);
	outb(r, 0x21, icw4_master);
	outb(r, 0xa0, 0x11);
	outb(r, 0xa1, 0x28);
	outb(r, 0xa1, 0x02);
	outb(r, 0xa1, icw4_slave);
}

static inline void lapic_enable(struct rig *r, unsigned vcpus)
{
	for (unsigned i = 0; i < vcpus; i++)
		lapic_write(r, i, 0xf0, 0x1ff);
}

static inline void lapic_eoi(struct rig *r, unsigned vcpu)
{
	lapic_write(r, vcpu, 0xb0, 0);
}

/* Let time pass, ticking whenever a deadline comes. */
static inline void rig_run(struct rig *r, uint64_t until)
{
	unsigned limit = 100000;

	while (irq_pc_deadline(&r->pc) <= until && limit--) {
		if (r->now < irq_pc_deadline(&r->pc))
			r->now = irq_pc_deadline(&r->pc);
		irq_pc_tick(&r->pc, r->now);
	}
	assert_true(limit > 0);
	r->now = until;
}

#endif
