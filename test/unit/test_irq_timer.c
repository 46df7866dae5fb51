/* The local APIC's timer under a clock of the test's: one-shot, periodic, TSC deadline, divide, deadlines. */
#include "test_irq_rig.h"

#define TIMER 0x320
#define INITIAL 0x380
#define CURRENT 0x390
#define DIVIDE 0x3e0
#define TSC_DEADLINE 0x6e0

static struct rig *make(unsigned vcpus)
{
	struct rig *r = rig_make(vcpus, 0);

	lapic_enable(r, vcpus);
	return r;
}

static void one_shot(void **state)
{
	struct rig *r = make(1);
	uint64_t t = r->now;

	(void)state;
	lapic_write(r, 0, TIMER, 0x40);
	lapic_write(r, 0, DIVIDE, 0xb); /* by 1 */
	lapic_write(r, 0, INITIAL, 1000);
	assert_int_equal(irq_pc_deadline(&r->pc), t + 1000);
	assert_int_equal(irq_pc_deadline_vcpu(&r->pc, 0), t + 1000);
	assert_int_equal(r->told, t + 1000);
	r->now = t + 400;
	assert_int_equal(lapic_read(r, 0, CURRENT), 600);
	irq_pc_tick(&r->pc, r->now);
	assert_int_equal(irq_pc_pending(&r->pc, 0), 0);
	r->now = t + 1000;
	irq_pc_tick(&r->pc, r->now);
	assert_int_equal(irq_pc_ack(&r->pc, 0), 0x40);
	assert_int_equal(lapic_read(r, 0, CURRENT), 0);
	assert_int_equal(irq_pc_deadline(&r->pc), IRQ_NEVER);
	lapic_eoi(r, 0);
	lapic_write(r, 0, INITIAL, 1000);
	lapic_write(r, 0, INITIAL, 0); /* stops it */
	assert_int_equal(irq_pc_deadline(&r->pc), IRQ_NEVER);
	free(r);
}

static void periodic(void **state)
{
	struct rig *r = make(1);
	uint64_t t = r->now;

	(void)state;
	lapic_write(r, 0, TIMER, 0x20041);
	lapic_write(r, 0, DIVIDE, 0xb);
	lapic_write(r, 0, INITIAL, 1000);
	for (unsigned i = 1; i <= 5; i++) {
		r->now = irq_pc_deadline(&r->pc);
		assert_int_equal(r->now, t + i * 1000);
		irq_pc_tick(&r->pc, r->now);
		assert_int_equal(irq_pc_ack(&r->pc, 0), 0x41);
		lapic_eoi(r, 0);
	}
	r->now = t + 9300; /* late: one interrupt, no drift */
	irq_pc_tick(&r->pc, r->now);
	assert_int_equal(irq_pc_ack(&r->pc, 0), 0x41);
	lapic_eoi(r, 0);
	assert_int_equal(irq_pc_ack(&r->pc, 0), -1);
	assert_int_equal(irq_pc_deadline(&r->pc), t + 10000);
	assert_int_equal(lapic_read(r, 0, CURRENT), 700);
	free(r);
}

static void divide(void **state)
{
	static const struct {
		uint32_t dcr, by;
	} t[] = {{0, 2}, {1, 4}, {2, 8}, {3, 16}, {8, 32}, {9, 64}, {10, 128}, {11, 1}};
	struct rig *r = make(1);

	(void)state;
	for (unsigned i = 0; i < sizeof t / sizeof *t; i++) {
		lapic_write(r, 0, DIVIDE, t[i].dcr);
		lapic_write(r, 0, INITIAL, 5000);
		assert_int_equal(irq_pc_deadline(&r->pc), r->now + 5000 * t[i].by);
	}
	lapic_write(r, 0, DIVIDE, 11);
	lapic_write(r, 0, INITIAL, 1000);
	r->now += 500;
	lapic_write(r, 0, DIVIDE, 0); /* 500 counts left, twice as slow */
	assert_int_equal(irq_pc_deadline(&r->pc), r->now + 1000);
	assert_int_equal(lapic_read(r, 0, CURRENT), 500);
	free(r);
}

static void masked_counts_silently(void **state)
{
	struct rig *r = make(1);

	(void)state;
	lapic_write(r, 0, TIMER, 0x10040);
	lapic_write(r, 0, INITIAL, 1000);
	rig_run(r, r->now + 10000);
	assert_int_equal(irq_pc_pending(&r->pc, 0), 0);
	lapic_write(r, 0, TIMER, 0x40);
	assert_int_equal(irq_pc_pending(&r->pc, 0), 0);
	free(r);
}

static void tsc_deadline(void **state)
{
	struct rig *r = make(1);
	uint64_t tsc = rig_tsc(r, 0);
	uint64_t t = r->now;
	uint64_t v;

	(void)state;
	assert_int_equal(irq_pc_wrmsr(&r->pc, 0, TSC_DEADLINE, tsc + 100), IRQ_OK); /* not in that mode: ignored */
	assert_int_equal(irq_pc_deadline(&r->pc), IRQ_NEVER);
	lapic_write(r, 0, TIMER, 0x40042);
	assert_int_equal(irq_pc_wrmsr(&r->pc, 0, TSC_DEADLINE, tsc + 2001), IRQ_OK);
	assert_int_equal(irq_pc_deadline(&r->pc), t + 1001);
	lapic_write(r, 0, INITIAL, 5); /* ignored */
	assert_int_equal(lapic_read(r, 0, INITIAL), 0);
	assert_int_equal(lapic_read(r, 0, CURRENT), 0);
	assert_int_equal(irq_pc_rdmsr(&r->pc, 0, TSC_DEADLINE, &v), IRQ_OK);
	assert_int_equal(v, tsc + 2001);
	r->now = t + 1001;
	irq_pc_tick(&r->pc, r->now);
	assert_int_equal(irq_pc_ack(&r->pc, 0), 0x42);
	lapic_eoi(r, 0);
	assert_int_equal(irq_pc_rdmsr(&r->pc, 0, TSC_DEADLINE, &v), IRQ_OK);
	assert_int_equal(v, 0);
	assert_int_equal(irq_pc_deadline(&r->pc), IRQ_NEVER);
	assert_int_equal(irq_pc_wrmsr(&r->pc, 0, TSC_DEADLINE, 1), IRQ_OK); /* in the past: at once */
	assert_int_equal(irq_pc_ack(&r->pc, 0), 0x42);
	lapic_eoi(r, 0);
	assert_int_equal(irq_pc_wrmsr(&r->pc, 0, TSC_DEADLINE, UINT64_MAX), IRQ_OK);
	assert_true(irq_pc_deadline(&r->pc) > r->now);
	assert_int_equal(irq_pc_wrmsr(&r->pc, 0, TSC_DEADLINE, 0), IRQ_OK); /* disarms */
	assert_int_equal(irq_pc_deadline(&r->pc), IRQ_NEVER);
	free(r);
}

static void mode_change_disarms(void **state)
{
	struct rig *r = make(1);
	uint64_t v;

	(void)state;
	lapic_write(r, 0, TIMER, 0x42);
	lapic_write(r, 0, INITIAL, 5000);
	lapic_write(r, 0, TIMER, 0x40042);
	assert_int_equal(irq_pc_deadline(&r->pc), IRQ_NEVER);
	irq_pc_wrmsr(&r->pc, 0, TSC_DEADLINE, rig_tsc(r, 0) + 5000);
	lapic_write(r, 0, TIMER, 0x42);
	assert_int_equal(irq_pc_deadline(&r->pc), IRQ_NEVER);
	irq_pc_rdmsr(&r->pc, 0, TSC_DEADLINE, &v);
	assert_int_equal(v, 0);
	free(r);
}

static void tsc_written(void **state)
{
	struct rig *r = make(1);
	uint64_t t = r->now;

	(void)state;
	lapic_write(r, 0, TIMER, 0x40042);
	irq_pc_wrmsr(&r->pc, 0, TSC_DEADLINE, rig_tsc(r, 0) + 20000);
	r->tsc_offset += 10000;
	irq_pc_tsc_changed(&r->pc, 0);
	assert_int_equal(irq_pc_deadline(&r->pc), t + 5000);
	r->tsc_offset -= 2000; /* nobody told: the tick sees it and waits on */
	r->now = t + 5000;
	irq_pc_tick(&r->pc, r->now);
	assert_int_equal(irq_pc_pending(&r->pc, 0), 0);
	assert_int_equal(irq_pc_deadline(&r->pc), t + 6000);
	free(r);
}

static void earliest_of_all(void **state)
{
	struct rig *r = make(3);
	uint64_t t = r->now;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		lapic_write(r, i, TIMER, 0x40 + i);
		lapic_write(r, i, DIVIDE, 0xb);
		lapic_write(r, i, INITIAL, 3000 - i * 1000);
	}
	assert_int_equal(irq_pc_deadline(&r->pc), t + 1000);
	lapic_write(r, 2, INITIAL, 0);
	assert_int_equal(irq_pc_deadline(&r->pc), t + 2000);
	lapic_write(r, 1, INITIAL, 9000);
	assert_int_equal(irq_pc_deadline(&r->pc), t + 3000);
	rig_run(r, t + 10000);
	assert_int_equal(irq_pc_ack(&r->pc, 0), 0x40);
	assert_int_equal(irq_pc_ack(&r->pc, 1), 0x41);
	assert_int_equal(irq_pc_ack(&r->pc, 2), -1);
	free(r);
}

static void init_stops_the_timer(void **state)
{
	struct rig *r = make(2);

	(void)state;
	lapic_write(r, 1, TIMER, 0x20040);
	lapic_write(r, 1, INITIAL, 1000);
	lapic_write(r, 0, 0x310, 1 << 24);
	lapic_write(r, 0, 0x300, 0x4500);
	assert_int_equal(irq_pc_deadline(&r->pc), IRQ_NEVER);
	free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_shot),
		cmocka_unit_test(periodic),
		cmocka_unit_test(divide),
		cmocka_unit_test(masked_counts_silently),
		cmocka_unit_test(tsc_deadline),
		cmocka_unit_test(mode_change_disarms),
		cmocka_unit_test(tsc_written),
		cmocka_unit_test(earliest_of_all),
		cmocka_unit_test(init_stops_the_timer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
