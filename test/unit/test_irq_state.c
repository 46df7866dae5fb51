/* Images of the controllers: save, restore and save again are equal; what was under way goes on; hostile images are
 * refused. */
#include "test_irq_rig.h"

struct saved {
	vma_x86_irqchip chip;
	uint64_t base[3];
	uint8_t lapic[3][IRQ_LAPIC_IMAGE];
};

static void save(struct rig *r, struct saved *s)
{
	memset(s, 0, sizeof *s);
	irq_pc_get_irqchip(&r->pc, &s->chip);
	for (unsigned i = 0; i < 3; i++) {
		s->base[i] = irq_pc_get_apic_base(&r->pc, i);
		irq_pc_get_lapic(&r->pc, i, s->lapic[i]);
	}
}

static struct rig *restore(const struct rig *from, const struct saved *s, int vcpus_first)
{
	struct rig *r = rig_make(3, 0);

	r->now = from->now;
	r->tsc_offset = from->tsc_offset;
	if (!vcpus_first)
		assert_int_equal(irq_pc_set_irqchip(&r->pc, &s->chip), 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(irq_pc_set_apic_base(&r->pc, i, s->base[i]), 0);
		assert_int_equal(irq_pc_set_lapic(&r->pc, i, s->lapic[i]), 0);
	}
	if (vcpus_first)
		assert_int_equal(irq_pc_set_irqchip(&r->pc, &s->chip), 0);
	return r;
}

/* Everything in some odd state: vCPU 2 in x2APIC mode, timers running, lines asserted, latches full. */
static struct rig *busy(void)
{
	struct rig *r = rig_make(3, 0);

	lapic_enable(r, 3);
	pic_start(r, 1, 1);
	outb(r, 0x4d1, 0x0c);
	irq_pc_line(&r->pc, 10, 1);
	irq_pc_line(&r->pc, 4, 1);
	outb(r, 0x20, 0x0b);
	rte_write(r, 20, 1, 0x8061);
	irq_pc_line(&r->pc, 20, 1);
	rte_write(r, 21, 1, 0x71);
	irq_pc_line(&r->pc, 21, 1);
	rte_write(r, 22, 1, 0x18072);
	irq_pc_line(&r->pc, 22, 1);
	assert_int_equal(irq_pc_ack(&r->pc, 1), 0x71);
	outb(r, 0x43, 0x34);
	outb(r, 0x40, 0x9c);
	outb(r, 0x40, 0x2e);
	outb(r, 0x43, 0xb0);
	outb(r, 0x42, 0x34); /* half a count */
	outb(r, 0x61, 3);
	lapic_write(r, 0, 0x320, 0x200ec);
	lapic_write(r, 0, 0x3e0, 0x3);
	lapic_write(r, 0, 0x380, 100000);
	lapic_write(r, 1, 0xd0, 0x02000000);
	lapic_write(r, 1, 0x80, 0x10);
	assert_int_equal(irq_pc_wrmsr(&r->pc, 2, 0x1b, 0xfee00c00), IRQ_OK);
	irq_pc_wrmsr(&r->pc, 2, 0x830, 1ull << 32 | 0x44);
	irq_pc_wrmsr(&r->pc, 2, 0x832, 0x400ed);
	r->now += 123457;
	outb(r, 0x43, 0xc2); /* latch status and count of channel 0 */
	return r;
}

static void save_restore_save(void **state)
{
	struct rig *r = busy();
	struct saved a, b;

	(void)state;
	save(r, &a);
	save(r, &b);
	assert_memory_equal(&a, &b, sizeof a); /* a get changes nothing */
	for (int order = 0; order < 2; order++) {
		struct rig *copy = restore(r, &a, order);

		save(copy, &b);
		assert_memory_equal(&a.chip.pic, &b.chip.pic, sizeof a.chip.pic);
		assert_memory_equal(&a.chip.ioapic, &b.chip.ioapic, sizeof a.chip.ioapic);
		assert_memory_equal(&a.chip.pit, &b.chip.pit, sizeof a.chip.pit);
		assert_memory_equal(&a, &b, sizeof a);
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(irq_pc_pending(&copy->pc, i), irq_pc_pending(&r->pc, i));
		free(copy);
	}
	free(r);
}

/* The copy, left to run, acknowledges the same vectors at the same times. */
static void the_copy_goes_on_alike(void **state)
{
	struct rig *r = busy();
	struct saved a;
	struct rig *copy;

	(void)state;
	save(r, &a);
	copy = restore(r, &a, 1);
	irq_pc_tick(&copy->pc, copy->now);
	for (unsigned step = 0; step < 50; step++) {
		rig_run(r, r->now + 777777);
		rig_run(copy, copy->now + 777777);
		for (unsigned i = 0; i < 3; i++) {
			int v = irq_pc_ack(&r->pc, i);

			assert_int_equal(irq_pc_ack(&copy->pc, i), v);
			if (v >= 0x30 && i < 2) {
				lapic_eoi(r, i);
				lapic_eoi(copy, i);
			}
		}
		/* the image has whole counts, so the copy may be part of one late */
		assert_in_range(lapic_read(copy, 0, 0x390) - lapic_read(r, 0, 0x390), 0, 1);
	}
	free(copy);
	free(r);
}

static void timer_count_across_restore(void **state)
{
	struct rig *r = rig_make(3, 0);
	struct saved a;
	struct rig *copy;

	(void)state;
	lapic_enable(r, 3);
	lapic_write(r, 0, 0x320, 0x40);
	lapic_write(r, 0, 0x3e0, 0xb);
	lapic_write(r, 0, 0x380, 10000);
	r->now += 4000;
	save(r, &a);
	assert_int_equal(a.lapic[0][0x390] | a.lapic[0][0x391] << 8, 6000);
	r->now += 1000000; /* time in between does not count */
	copy = restore(r, &a, 0);
	assert_int_equal(lapic_read(copy, 0, 0x390), 6000);
	assert_int_equal(lapic_read(copy, 0, 0x380), 10000);
	rig_run(copy, copy->now + 5999);
	assert_int_equal(irq_pc_pending(&copy->pc, 0), 0);
	rig_run(copy, copy->now + 1);
	assert_int_equal(irq_pc_ack(&copy->pc, 0), 0x40);
	free(copy);
	free(r);
}

/* Due at the time of the save but not ticked: fires after the restore; delivered already: does not fire again. */
static void due_events_survive(void **state)
{
	(void)state;
	for (int ticked = 0; ticked < 2; ticked++) {
		struct rig *r = rig_make(3, 0);
		struct rig *copy;
		struct saved a;

		pic_start(r, 1, 1);
		lapic_enable(r, 3);
		lapic_write(r, 0, 0x350, 0x700);
		lapic_write(r, 0, 0x320, 0x40);
		lapic_write(r, 0, 0x380, 1000);
		outb(r, 0x43, 0x30);
		outb(r, 0x40, 100);
		outb(r, 0x40, 0);
		r->now += 1000000;
		if (ticked) {
			irq_pc_tick(&r->pc, r->now);
			assert_int_equal(irq_pc_ack(&r->pc, 0), 0x40);
			assert_int_equal(irq_pc_ack(&r->pc, 0), 0x20);
			lapic_eoi(r, 0);
			outb(r, 0x20, 0x20);
		}
		save(r, &a);
		copy = restore(r, &a, 0);
		rig_run(copy, copy->now + 1000);
		assert_int_equal(irq_pc_ack(&copy->pc, 0), ticked ? -1 : 0x40);
		assert_int_equal(irq_pc_ack(&copy->pc, 0), ticked ? -1 : 0x20);
		free(copy);
		free(r);
	}
}

static void x2apic_page(void **state)
{
	struct rig *r = busy();
	struct saved a;

	(void)state;
	save(r, &a);
	assert_int_equal(a.lapic[2][0x23], 2); /* the id in bits 31:24 */
	assert_int_equal(a.lapic[2][0x20], 0);
	assert_int_equal(a.lapic[2][0xd0], 4); /* LDR */
	assert_int_equal(a.lapic[2][0x300], 0x44);
	assert_int_equal(a.lapic[2][0x310], 1);
	a.lapic[2][0x23] = 1;
	assert_int_equal(irq_pc_set_lapic(&r->pc, 2, a.lapic[2]), -1);
	free(r);
}

static void tsc_deadline_in_any_order(void **state)
{
	(void)state;
	for (int msr_first = 0; msr_first < 2; msr_first++) {
		struct rig *r = rig_make(3, 0);
		uint8_t page[IRQ_LAPIC_IMAGE];
		uint64_t deadline = rig_tsc(r, 0) + 2000;
		struct rig *copy = rig_make(3, 0);

		lapic_enable(r, 1);
		lapic_write(r, 0, 0x320, 0x400ed);
		irq_pc_get_lapic(&r->pc, 0, page);
		if (msr_first)
			irq_pc_set_tsc_deadline(&copy->pc, 0, deadline);
		assert_int_equal(irq_pc_set_lapic(&copy->pc, 0, page), 0);
		if (!msr_first)
			irq_pc_set_tsc_deadline(&copy->pc, 0, deadline);
		assert_int_equal(irq_pc_deadline_vcpu(&copy->pc, 0), copy->now + 1000);
		rig_run(copy, copy->now + 1000);
		assert_int_equal(irq_pc_ack(&copy->pc, 0), 0xed);
		free(copy);
		free(r);
	}
}

/* A level that no local APIC could take yet is sent once the local APICs are there. */
static void asserted_level_is_sent_after_restore(void **state)
{
	struct rig *r = rig_make(3, 0);
	struct saved a;
	struct rig *copy;

	(void)state;
	lapic_enable(r, 3);
	rte_write(r, 20, 1, 0x18061);
	irq_pc_line(&r->pc, 20, 1);
	save(r, &a);
	a.chip.ioapic.redirtbl[20] &= ~0x10000ull;
	copy = restore(r, &a, 0);
	assert_int_equal(irq_pc_pending(&copy->pc, 1), 0);
	assert_int_equal(irq_pc_deadline(&copy->pc), 0);
	irq_pc_tick(&copy->pc, copy->now);
	assert_int_equal(irq_pc_ack(&copy->pc, 1), 0x61);
	free(copy);
	free(r);
}

static void refused_images(void **state)
{
	struct rig *r = busy();
	vma_x86_irqchip good, bad, after;

	(void)state;
	irq_pc_get_irqchip(&r->pc, &good);
#define REFUSED(field, value)                                                                                          \
	do {                                                                                                           \
		bad = good;                                                                                            \
		bad.field = value;                                                                                     \
		assert_int_equal(irq_pc_set_irqchip(&r->pc, &bad), -1);                                                \
		irq_pc_get_irqchip(&r->pc, &after);                                                                    \
		assert_memory_equal(&good, &after, sizeof good);                                                       \
	} while (0)
	REFUSED(pic[1].init_state, 4);
	REFUSED(pic[0].priority_add, 8);
	REFUSED(pit.channels[0].count, 0x10001);
	REFUSED(pit.channels[2].mode, 6);
	REFUSED(pit.channels[1].read_state, 5);
	REFUSED(ioapic.base_address, 0xfec00001);
	assert_int_equal(irq_pc_set_apic_base(&r->pc, 0, 0xfee00400), -1);
	free(r);
}

/* Whatever bytes an image holds: refused or taken, and nothing breaks while it runs. */
static void random_images(void **state)
{
	uint32_t seed = 12345;
	struct rig *r = rig_make(3, 0);
	unsigned taken = 0;

	(void)state;
	for (unsigned round = 0; round < 3000; round++) {
		vma_x86_irqchip chip;
		uint8_t page[IRQ_LAPIC_IMAGE];
		uint8_t *p = (uint8_t *)&chip;

		irq_pc_get_irqchip(&r->pc, &chip);
		for (unsigned i = 0; i < sizeof page; i++)
			page[i] = (uint8_t)((seed = seed * 1664525 + 1013904223) >> 24);
		for (unsigned i = 0; i < 8; i++) {
			seed = seed * 1664525 + 1013904223;
			p[(seed >> 8) % sizeof chip] = (uint8_t)(seed >> 3);
		}
		taken += !irq_pc_set_irqchip(&r->pc, &chip);
		irq_pc_set_lapic(&r->pc, round % 3, page);
		for (unsigned i = 0; i < 5; i++) {
			r->now += 1000 + (seed >> 12);
			irq_pc_tick(&r->pc, r->now);
			irq_pc_ack(&r->pc, i % 3);
			inb(r, (uint16_t)(0x40 + i % 3));
			irq_pc_line(&r->pc, (seed >> 5) % 24, i & 1);
		}
	}
	assert_true(taken > 100);
	free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(save_restore_save),
		cmocka_unit_test(the_copy_goes_on_alike),
		cmocka_unit_test(timer_count_across_restore),
		cmocka_unit_test(due_events_survive),
		cmocka_unit_test(x2apic_page),
		cmocka_unit_test(tsc_deadline_in_any_order),
		cmocka_unit_test(asserted_level_is_sent_after_restore),
		cmocka_unit_test(refused_images),
		cmocka_unit_test(random_images),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
