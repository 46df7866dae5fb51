/* The I/O APIC: edge and level, remote IRR, masks, registers, ExtINT, EOI by broadcast and by register. */
#include "test_irq_rig.h"

#define LEVEL 0x8000
#define MASKED 0x10000
#define REMOTE_IRR 0x4000

static void registers(void **state)
{
	struct rig *r = rig_make(2, 0);

	(void)state;
	assert_int_equal(ioapic_read(r, 1), 0x170011);
	ioapic_write(r, 0, 0xff000000);
	assert_int_equal(ioapic_read(r, 0), 0x0f000000);
	assert_int_equal(ioapic_read(r, 2), 0x0f000000);
	for (unsigned pin = 0; pin < 24; pin++)
		assert_int_equal(ioapic_read(r, 0x10 + 2 * pin), MASKED);
	rte_write(r, 23, 0xab, 0xffffffff);
	assert_int_equal(ioapic_read(r, 0x10 + 46), 0x1afff); /* delivery status and remote IRR are read-only */
	assert_int_equal(ioapic_read(r, 0x11 + 46), 0xab000000);
	assert_int_equal(ioapic_read(r, 0x40), 0);
	assert_int_equal(irq_pc_line(&r->pc, 24, 1), -1);
	free(r);
}

static void edge(void **state)
{
	struct rig *r = rig_make(2, 0);

	(void)state;
	lapic_enable(r, 2);
	rte_write(r, 17, 1, 0x51);
	irq_pc_line(&r->pc, 17, 1);
	assert_int_equal(irq_pc_pending(&r->pc, 0), 0);
	assert_int_equal(irq_pc_ack(&r->pc, 1), 0x51);
	lapic_eoi(r, 1);
	irq_pc_line(&r->pc, 17, 1);
	assert_int_equal(irq_pc_ack(&r->pc, 1), -1);
	irq_pc_line(&r->pc, 17, 0);
	irq_pc_line(&r->pc, 17, 1);
	assert_int_equal(irq_pc_ack(&r->pc, 1), 0x51);
	free(r);
}

static void edge_while_masked_is_lost_level_is_not(void **state)
{
	struct rig *r = rig_make(1, 0);

	(void)state;
	lapic_enable(r, 1);
	rte_write(r, 18, 0, MASKED | 0x52);
	rte_write(r, 19, 0, MASKED | LEVEL | 0x53);
	irq_pc_line(&r->pc, 18, 1);
	irq_pc_line(&r->pc, 19, 1);
	assert_int_equal(irq_pc_pending(&r->pc, 0), 0);
	rte_write(r, 18, 0, 0x52);
	assert_int_equal(irq_pc_pending(&r->pc, 0), 0);
	rte_write(r, 19, 0, LEVEL | 0x53);
	assert_int_equal(irq_pc_ack(&r->pc, 0), 0x53);
	free(r);
}

static void level_until_deasserted(void **state)
{
	struct rig *r = rig_make(1, 0);

	(void)state;
	lapic_enable(r, 1);
	rte_write(r, 20, 0, LEVEL | 0x61);
	irq_pc_line(&r->pc, 20, 1);
	assert_int_equal(ioapic_read(r, 0x10 + 40), REMOTE_IRR | LEVEL | 0x61);
	assert_int_equal(irq_pc_ack(&r->pc, 0), 0x61);
	assert_int_equal(lapic_read(r, 0, 0x1b0), 2); /* TMR 0x61 */
	irq_pc_line(&r->pc, 20, 1);
	assert_int_equal(irq_pc_pending(&r->pc, 0), 0); /* remote IRR holds it */
	lapic_eoi(r, 0);
	assert_int_equal(irq_pc_ack(&r->pc, 0), 0x61); /* again: still asserted */
	irq_pc_line(&r->pc, 20, 0);
	lapic_eoi(r, 0);
	assert_int_equal(irq_pc_pending(&r->pc, 0), 0);
	assert_int_equal(ioapic_read(r, 0x10 + 40), LEVEL | 0x61);
	irq_pc_line(&r->pc, 20, 1);
	irq_pc_line(&r->pc, 20, 0); /* what the local APIC took stays */
	assert_int_equal(irq_pc_ack(&r->pc, 0), 0x61);
	free(r);
}

static void shared_vector_and_programming_as_edge(void **state)
{
	struct rig *r = rig_make(1, 0);

	(void)state;
	lapic_enable(r, 1);
	rte_write(r, 21, 0, LEVEL | 0x62);
	irq_pc_line(&r->pc, 21, 1);
	assert_int_equal(irq_pc_ack(&r->pc, 0), 0x62);
	ioapic_write(r, 0x10 + 42, MASKED | 0x62); /* Linux's way to clear remote IRR of an old version */
	assert_int_equal(ioapic_read(r, 0x10 + 42), MASKED | 0x62);
	ioapic_write(r, 0x10 + 42, LEVEL | 0x62);
	assert_int_equal(ioapic_read(r, 0x10 + 42), REMOTE_IRR | LEVEL | 0x62);
	free(r);
}

static void timer_is_pin_2(void **state)
{
	struct rig *r = rig_make(1, 0);

	(void)state;
	lapic_enable(r, 1);
	rte_write(r, 2, 0, 0x30);
	outb(r, 0x21, 0xff);
	irq_pc_line(&r->pc, 0, 1);
	assert_int_equal(irq_pc_ack(&r->pc, 0), 0x30);
	free(r);
}

static void extint_by_pin_0(void **state)
{
	struct rig *r = rig_make(1, 0);

	(void)state;
	lapic_enable(r, 1);
	lapic_write(r, 0, 0x350, MASKED); /* not through LINT0 */
	pic_start(r, 1, 1);
	rte_write(r, 0, 0, 0x700);
	irq_pc_line(&r->pc, 4, 1);
	irq_pc_line(&r->pc, 3, 1);
	assert_int_equal(irq_pc_ack(&r->pc, 0), 0x23);
	assert_int_equal(irq_pc_ack(&r->pc, 0), -1);
	outb(r, 0x20, 0x20);
	assert_int_equal(irq_pc_ack(&r->pc, 0), 0x24); /* INTR rose anew */
	assert_int_equal(lapic_read(r, 0, 0x110), 0);  /* nothing went into ISR */
	free(r);
}

static void nmi_and_lowest(void **state)
{
	struct rig *r = rig_make(3, 0);

	(void)state;
	lapic_enable(r, 3);
	rte_write(r, 16, 2, 0x400);
	irq_pc_line(&r->pc, 16, 1);
	assert_int_equal(r->nmis[2], 1);
	for (unsigned i = 0; i < 3; i++)
		lapic_write(r, i, 0xd0, 1u << (24 + i));
	lapic_write(r, 0, 0x80, 0x20);
	lapic_write(r, 1, 0x80, 0x10);
	lapic_write(r, 2, 0x80, 0x30);
	rte_write(r, 17, 7, 0x941);
	irq_pc_line(&r->pc, 17, 1);
	assert_int_equal(irq_pc_ack(&r->pc, 0), -1);
	assert_int_equal(irq_pc_ack(&r->pc, 2), -1);
	assert_int_equal(irq_pc_ack(&r->pc, 1), 0x41);
	free(r);
}

static void eoi_register_and_suppression(void **state)
{
	struct rig *r = rig_make(1, 1);
	uint32_t vector = 0x61;

	(void)state;
	assert_int_equal(ioapic_read(r, 1), 0x170020);
	assert_int_equal(lapic_read(r, 0, 0x30), 0x01050014);
	lapic_write(r, 0, 0xf0, 0x11ff);
	assert_int_equal(lapic_read(r, 0, 0xf0), 0x11ff);
	rte_write(r, 20, 0, LEVEL | 0x61);
	irq_pc_line(&r->pc, 20, 1);
	assert_int_equal(irq_pc_ack(&r->pc, 0), 0x61);
	lapic_eoi(r, 0);
	assert_int_equal(irq_pc_pending(&r->pc, 0), 0);
	assert_int_equal(irq_pc_mmio_write(&r->pc, 0, 0xfec00040, &vector, 4), IRQ_OK);
	assert_int_equal(irq_pc_ack(&r->pc, 0), 0x61);
	free(r);
}

static void not_taken_leaves_remote_irr_clear(void **state)
{
	struct rig *r = rig_make(1, 0);

	(void)state;
	rte_write(r, 20, 0, LEVEL | 0x61); /* the local APIC is disabled by software */
	irq_pc_line(&r->pc, 20, 1);
	assert_int_equal(ioapic_read(r, 0x10 + 40), LEVEL | 0x61);
	lapic_enable(r, 1);
	rte_write(r, 20, 0, LEVEL | 0x61);
	assert_int_equal(irq_pc_ack(&r->pc, 0), 0x61);
	free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registers),
		cmocka_unit_test(edge),
		cmocka_unit_test(edge_while_masked_is_lost_level_is_not),
		cmocka_unit_test(level_until_deasserted),
		cmocka_unit_test(shared_vector_and_programming_as_edge),
		cmocka_unit_test(timer_is_pin_2),
		cmocka_unit_test(extint_by_pin_0),
		cmocka_unit_test(nmi_and_lowest),
		cmocka_unit_test(eoi_register_and_suppression),
		cmocka_unit_test(not_taken_leaves_remote_irr_clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
