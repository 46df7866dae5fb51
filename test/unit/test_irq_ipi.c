/* Interprocessor and message signalled interrupts: destinations in every mode, shorthands, INIT and SIPI, lowest
 * priority. */
#include "test_irq_rig.h"

#define ALL_X2 0xffffffff00000000ull

/* The set of vCPUs that get `vector`, one acknowledged each. */
static uint32_t takers(struct rig *r, uint8_t vector)
{
	uint32_t set = 0;

	for (unsigned i = 0; i < r->pc.config.vcpus; i++) {
		int got = irq_pc_ack(&r->pc, i);

		if (got < 0)
			continue;
		assert_int_equal(got, vector);
		set |= 1u << i;
		if (irq_pc_get_apic_base(&r->pc, i) & 0x400)
			irq_pc_wrmsr(&r->pc, i, 0x80b, 0);
		else
			lapic_eoi(r, i);
	}
	return set;
}

static void icr(struct rig *r, unsigned from, uint8_t dest, uint32_t low)
{
	lapic_write(r, from, 0x310, (uint32_t)dest << 24);
	lapic_write(r, from, 0x300, low);
}

static void physical_and_shorthands(void **state)
{
	struct rig *r = rig_make(4, 0);

	(void)state;
	lapic_enable(r, 4);
	icr(r, 0, 2, 0x4041);
	assert_int_equal(takers(r, 0x41), 1 << 2);
	icr(r, 0, 9, 0x4041); /* nobody */
	assert_int_equal(takers(r, 0x41), 0);
	icr(r, 1, 0xff, 0x4041);
	assert_int_equal(takers(r, 0x41), 0xf);
	icr(r, 1, 0, 0x44042); /* self */
	assert_int_equal(takers(r, 0x42), 2);
	icr(r, 1, 0, 0x84043); /* all */
	assert_int_equal(takers(r, 0x43), 0xf);
	icr(r, 1, 0, 0xc4044); /* all but self */
	assert_int_equal(takers(r, 0x44), 0xd);
	assert_int_equal(lapic_read(r, 1, 0x300) & 0x1000, 0); /* delivered */
	free(r);
}

static void logical_flat_and_cluster(void **state)
{
	struct rig *r = rig_make(4, 0);

	(void)state;
	lapic_enable(r, 4);
	for (unsigned i = 0; i < 4; i++)
		lapic_write(r, i, 0xd0, 0x01000000u << i);
	icr(r, 0, 0x0a, 0x4841);
	assert_int_equal(takers(r, 0x41), 0xa);
	for (unsigned i = 0; i < 4; i++) {
		lapic_write(r, i, 0xe0, 0);
		assert_int_equal(lapic_read(r, i, 0xe0), 0x0fffffff);
		lapic_write(r, i, 0xd0, (i < 2 ? 0x10000000u : 0x20000000u) | 0x01000000u << (i & 1));
	}
	icr(r, 0, 0x23, 0x4841);
	assert_int_equal(takers(r, 0x41), 0xc);
	icr(r, 0, 0x12, 0x4841);
	assert_int_equal(takers(r, 0x41), 0x2);
	icr(r, 0, 0xff, 0x4841);
	assert_int_equal(takers(r, 0x41), 0xf);
	free(r);
}

static void x2apic_destinations(void **state)
{
	struct rig *r = rig_make(20, 0);

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(irq_pc_wrmsr(&r->pc, i, 0x1b, 0xfee00c00), IRQ_OK);
		assert_int_equal(irq_pc_wrmsr(&r->pc, i, 0x80f, 0x1ff), IRQ_OK);
	}
	irq_pc_wrmsr(&r->pc, 0, 0x830, 17ull << 32 | 0x41);
	assert_int_equal(takers(r, 0x41), 1 << 17);
	irq_pc_wrmsr(&r->pc, 0, 0x830, 0x10005ull << 32 | 0x842); /* cluster 1: 16 and 18 */
	assert_int_equal(takers(r, 0x42), 5 << 16);
	irq_pc_wrmsr(&r->pc, 0, 0x830, ALL_X2 | 0x43);
	assert_int_equal(takers(r, 0x43), 0xfffff);
	irq_pc_wrmsr(&r->pc, 0, 0x830, 0xffull << 32 | 0x43); /* 0xff is an id here */
	assert_int_equal(takers(r, 0x43), 0);
	/* but a broadcast in a message of 8 bits */
	assert_int_equal(irq_pc_msi(&r->pc, 0xfee00000 | 0xff << 12, 0x44), 20);
	assert_int_equal(takers(r, 0x44), 0xfffff);
	assert_int_equal(irq_pc_msi(&r->pc, 0xfee00000 | 19 << 12, 0x45), 1);
	assert_int_equal(takers(r, 0x45), 1 << 19);
	free(r);
}

static void init_sipi_nmi(void **state)
{
	struct rig *r = rig_make(3, 0);

	(void)state;
	lapic_enable(r, 1);
	lapic_write(r, 1, 0xf0, 0x1ff);
	icr(r, 0, 1, 0xc500); /* INIT assert, level */
	assert_int_equal(r->inits[1], 1);
	assert_int_equal(lapic_read(r, 1, 0xf0), 0xff); /* its local APIC was reset */
	icr(r, 0, 1, 0x8500); /* de-assert: nothing */
	assert_int_equal(r->inits[1], 1);
	icr(r, 0, 1, 0x4699);
	assert_int_equal(r->sipis[1], 1);
	assert_int_equal(r->sipi_vector[1], 0x99);
	icr(r, 0, 0, 0xc4400); /* NMI to all others, disabled by software or not */
	assert_int_equal(r->nmis[0], 0);
	assert_int_equal(r->nmis[1], 1);
	assert_int_equal(r->nmis[2], 1);
	icr(r, 0, 1, 0x4200); /* SMI */
	icr(r, 0, 1, 0x4341); /* reserved mode */
	assert_int_equal(takers(r, 0), 0);
	free(r);
}

static void init_keeps_x2apic(void **state)
{
	struct rig *r = rig_make(2, 0);
	uint64_t v;

	(void)state;
	irq_pc_wrmsr(&r->pc, 1, 0x1b, 0xfee00c00);
	icr(r, 0, 1, 0xc500);
	assert_int_equal(r->inits[1], 1);
	assert_int_equal(irq_pc_get_apic_base(&r->pc, 1), 0xfee00c00);
	assert_int_equal(irq_pc_rdmsr(&r->pc, 1, 0x80d, &v), IRQ_OK);
	assert_int_equal(v, 2);
	free(r);
}

static void lowest_priority_takes_turns(void **state)
{
	struct rig *r = rig_make(3, 0);
	uint32_t set = 0;

	(void)state;
	lapic_enable(r, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(irq_pc_msi(&r->pc, 0xfeeff000, 0x141), 1);
		set |= takers(r, 0x41);
	}
	assert_int_equal(set, 7);
	lapic_write(r, 0, 0x80, 0x30);
	lapic_write(r, 2, 0x80, 0x30);
	assert_int_equal(irq_pc_msi(&r->pc, 0xfeeff008, 0x42), 1); /* redirection hint */
	assert_int_equal(takers(r, 0x42), 2);
	lapic_write(r, 1, 0xf0, 0xff); /* disabled by software: not a candidate */
	assert_int_equal(irq_pc_msi(&r->pc, 0xfeeff000, 0x143), 1);
	assert_int_equal(takers(r, 0x43) & 2, 0);
	free(r);
}

static void msi_decode(void **state)
{
	struct rig *r = rig_make(4, 0);

	(void)state;
	lapic_enable(r, 4);
	assert_int_equal(irq_pc_msi(&r->pc, 0xfee03000, 0x51), 1);
	assert_int_equal(takers(r, 0x51), 8);
	assert_int_equal(irq_pc_msi(&r->pc, 0xfed03000, 0x51), -1);
	assert_int_equal(irq_pc_msi(&r->pc, 0x1fee03000, 0x51), -1);
	assert_int_equal(irq_pc_msi(&r->pc, 0xfee01000, 0x400), 1);
	assert_int_equal(r->nmis[1], 1);
	lapic_write(r, 2, 0xd0, 0x40000000);
	assert_int_equal(irq_pc_msi(&r->pc, 0xfee40004, 0x52), 1);
	assert_int_equal(takers(r, 0x52), 4);
	assert_int_equal(irq_pc_msi(&r->pc, 0xfee00000, 0xc053), 1);
	assert_int_equal(lapic_read(r, 0, 0x1a0), 1u << 0x13); /* level: TMR */
	assert_int_equal(takers(r, 0x53), 1);
	assert_int_equal(irq_pc_msi(&r->pc, 0xfee00000, 0x8053), 0); /* de-assert */
	assert_int_equal(irq_pc_msi(&r->pc, 0xfee00000, 0x54), 1);
	assert_int_equal(takers(r, 0x54), 1);
	free(r);
}

static void hundreds_of_vcpus(void **state)
{
	struct rig *r = rig_make(IRQ_MAX_VCPUS, 0);
	struct irq_config config = r->pc.config;

	(void)state;
	lapic_write(r, 254, 0xf0, 0x1ff);
	assert_int_equal(irq_pc_msi(&r->pc, 0xfee00000 | 254 << 12, 0x41), 1);
	assert_int_equal(r->wakes[254], 1);
	assert_int_equal(irq_pc_ack(&r->pc, 254), 0x41);
	irq_pc_wrmsr(&r->pc, 255, 0x1b, 0xfee00c00); /* id 255 can be named in x2APIC mode alone */
	irq_pc_wrmsr(&r->pc, 255, 0x80f, 0x1ff);
	irq_pc_wrmsr(&r->pc, 255, 0x830, 255ull << 32 | 0x42);
	assert_int_equal(irq_pc_ack(&r->pc, 255), 0x42);
	config.vcpus = IRQ_MAX_VCPUS + 1;
	assert_int_equal(irq_pc_init(&r->pc, &config, &rig_ops, r, r->lapic), -1);
	free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(physical_and_shorthands),
		cmocka_unit_test(logical_flat_and_cluster),
		cmocka_unit_test(x2apic_destinations),
		cmocka_unit_test(init_sipi_nmi),
		cmocka_unit_test(init_keeps_x2apic),
		cmocka_unit_test(lowest_priority_takes_turns),
		cmocka_unit_test(msi_decode),
		cmocka_unit_test(hundreds_of_vcpus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
