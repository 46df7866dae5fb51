/* The 8254 and port 0x61 against the datasheet: counts and outputs of each mode, latching, read-back, gate, IRQ 0. */
#include "test_irq_rig.h"

/* ns after which so many clocks are over */
static uint64_t clocks(uint64_t n)
{
	return (n * 1000000000 + IRQ_PIT_HZ - 1) / IRQ_PIT_HZ;
}

static void program(struct rig *r, unsigned ch, uint8_t mode, uint16_t count)
{
	outb(r, 0x43, (uint8_t)(ch << 6 | 0x30 | mode << 1));
	outb(r, (uint16_t)(0x40 + ch), count & 0xff);
	outb(r, (uint16_t)(0x40 + ch), (uint8_t)(count >> 8));
}

static uint16_t count(struct rig *r, unsigned ch)
{
	uint16_t low;

	outb(r, 0x43, (uint8_t)(ch << 6)); /* latch */
	low = inb(r, (uint16_t)(0x40 + ch));
	return (uint16_t)(low | inb(r, (uint16_t)(0x40 + ch)) << 8);
}

static uint8_t status(struct rig *r, unsigned ch)
{
	outb(r, 0x43, (uint8_t)(0xe0 | 2u << ch));
	return inb(r, (uint16_t)(0x40 + ch));
}

/* Interrupts on IRQ 0 from now to `until`, through the PIC. */
static unsigned irqs(struct rig *r, uint64_t until)
{
	unsigned n = 0;

	while (irq_pc_deadline(&r->pc) <= until) {
		r->now = irq_pc_deadline(&r->pc);
		irq_pc_tick(&r->pc, r->now);
		while (irq_pc_ack(&r->pc, 0) == 0x20) {
			outb(r, 0x20, 0x20);
			n++;
		}
	}
	r->now = until;
	return n;
}

static void mode0_terminal_count(void **state)
{
	struct rig *r = rig_make(1, 0);
	uint64_t t = r->now;

	(void)state;
	pic_start(r, 1, 1);
	program(r, 0, 0, 1000);
	assert_int_equal(status(r, 0), 0x30); /* OUT low, count loaded */
	assert_int_equal(irq_pc_deadline(&r->pc), t + clocks(1000));
	r->now = t + clocks(300);
	assert_int_equal(count(r, 0), 700);
	assert_int_equal(irqs(r, t + clocks(5000)), 1);
	assert_int_equal(status(r, 0), 0xb0);
	assert_int_equal(count(r, 0), (uint16_t)(1000 - 5000)); /* wraps and goes on */
	assert_int_equal(irq_pc_deadline(&r->pc), IRQ_NEVER);
	outb(r, 0x40, 10); /* the first byte stops the counting, OUT low */
	assert_int_equal(status(r, 0), 0x70);
	free(r);
}

static void mode2_rate(void **state)
{
	struct rig *r = rig_make(1, 0);
	uint64_t t = r->now;

	(void)state;
	pic_start(r, 1, 1);
	program(r, 0, 2, 11932);
	assert_int_equal(irqs(r, t + 1000000000), 99); /* 100 Hz, a bit slow: the hundredth comes 15 us later */
	assert_int_equal(irqs(r, t + 1000100000), 1);
	r->now = t + clocks(11932 * 100 + 11931);
	assert_int_equal(count(r, 0), 1);
	assert_int_equal(irq_pit_out(&r->pc.pit, 0, r->now), 0);
	r->now = t + clocks(11932 * 101);
	assert_int_equal(count(r, 0), 11932);
	assert_int_equal(irq_pit_out(&r->pc.pit, 0, r->now), 1);
	free(r);
}

static void mode3_square_wave(void **state)
{
	struct rig *r = rig_make(1, 0);
	uint64_t t = r->now;
	static const struct {
		unsigned at, out, count;
	} even[] = {{0, 1, 10}, {1, 1, 8}, {4, 1, 2}, {5, 0, 10}, {9, 0, 2}, {10, 1, 10}},
	  odd[] = {{0, 1, 8}, {4, 1, 0}, {5, 0, 8}, {8, 0, 2}, {9, 1, 8}};

	(void)state;
	program(r, 0, 3, 10);
	for (unsigned i = 0; i < sizeof even / sizeof *even; i++) {
		r->now = t + clocks(even[i].at);
		assert_int_equal(irq_pit_out(&r->pc.pit, 0, r->now), even[i].out);
		assert_int_equal(count(r, 0), even[i].count);
	}
	t = r->now;
	program(r, 0, 3, 9);
	for (unsigned i = 0; i < sizeof odd / sizeof *odd; i++) {
		r->now = t + clocks(odd[i].at);
		assert_int_equal(irq_pit_out(&r->pc.pit, 0, r->now), odd[i].out);
		assert_int_equal(count(r, 0), odd[i].count);
	}
	assert_int_equal(irq_pit_deadline(&r->pc.pit) > t, 1);
	free(r);
}

static void mode4_strobe(void **state)
{
	struct rig *r = rig_make(1, 0);
	uint64_t t = r->now;

	(void)state;
	pic_start(r, 1, 1);
	program(r, 0, 4, 100);
	assert_int_equal(irq_pit_out(&r->pc.pit, 0, t), 1);
	assert_int_equal(irq_pit_out(&r->pc.pit, 0, t + clocks(100)), 0);
	assert_int_equal(irq_pit_out(&r->pc.pit, 0, t + clocks(101)), 1);
	assert_int_equal(irqs(r, t + clocks(100)), 0);
	assert_int_equal(irqs(r, t + clocks(400)), 1);
	free(r);
}

static void modes_1_and_5_wait_for_the_gate(void **state)
{
	struct rig *r = rig_make(1, 0);
	uint64_t t;

	(void)state;
	program(r, 2, 1, 100);
	r->now += clocks(500);
	assert_int_equal(inb(r, 0x61) & 0x20, 0x20);
	outb(r, 0x61, 1);
	t = r->now;
	assert_int_equal(inb(r, 0x61) & 0x20, 0);
	r->now = t + clocks(60);
	assert_int_equal(count(r, 2), 40);
	outb(r, 0x61, 0);
	outb(r, 0x61, 1); /* retrigger */
	r->now = t + clocks(150);
	assert_int_equal(inb(r, 0x61) & 0x20, 0);
	r->now = t + clocks(161);
	assert_int_equal(inb(r, 0x61) & 0x20, 0x20);
	program(r, 2, 5, 100);
	outb(r, 0x61, 0);
	outb(r, 0x61, 1);
	t = r->now;
	assert_int_equal(irq_pit_out(&r->pc.pit, 2, t + clocks(99)), 1);
	assert_int_equal(irq_pit_out(&r->pc.pit, 2, t + clocks(100)), 0);
	free(r);
}

static void gate_pauses_mode0(void **state)
{
	struct rig *r = rig_make(1, 0);

	(void)state;
	outb(r, 0x61, 1);
	program(r, 2, 0, 1000);
	r->now += clocks(400);
	outb(r, 0x61, 0);
	r->now += clocks(5000);
	assert_int_equal(count(r, 2), 600);
	outb(r, 0x61, 1);
	r->now += clocks(100);
	assert_in_range(count(r, 2), 499, 500);
	assert_int_equal(inb(r, 0x61) & 0x20, 0);
	r->now += clocks(501);
	assert_int_equal(inb(r, 0x61) & 0x20, 0x20);
	free(r);
}

static void latch_and_read_back(void **state)
{
	struct rig *r = rig_make(1, 0);
	uint64_t t = r->now;

	(void)state;
	program(r, 0, 2, 1000);
	program(r, 1, 3, 2000);
	r->now = t + clocks(100);
	outb(r, 0x43, 0xc6); /* count and status of 0 and 1 */
	r->now = t + clocks(200);
	outb(r, 0x43, 0xc6); /* ignored until read */
	assert_int_equal(inb(r, 0x40), 0xb4);
	assert_int_equal(inb(r, 0x40) | inb(r, 0x40) << 8, 900);
	assert_int_equal(inb(r, 0x41), 0xb6);
	assert_int_equal(inb(r, 0x41) | inb(r, 0x41) << 8, 1800);
	assert_int_equal(inb(r, 0x40) | inb(r, 0x40) << 8, 800); /* live */
	outb(r, 0x43, 0x34); /* control word alone: null count */
	assert_int_equal(status(r, 0), 0xf4);
	free(r);
}

static void bytes_and_bcd(void **state)
{
	struct rig *r = rig_make(1, 0);
	uint64_t t = r->now;

	(void)state;
	outb(r, 0x43, 0x14); /* LSB only, mode 2 */
	outb(r, 0x40, 200);
	r->now = t + clocks(50);
	assert_int_equal(inb(r, 0x40), 150);
	assert_int_equal(inb(r, 0x40), 150);
	outb(r, 0x43, 0x24); /* MSB only */
	outb(r, 0x40, 2);
	assert_int_equal(inb(r, 0x40), 2);
	t = r->now;
	outb(r, 0x43, 0x35); /* BCD, mode 2 */
	outb(r, 0x40, 0x00);
	outb(r, 0x40, 0x12);
	r->now = t + clocks(1);
	assert_int_equal(count(r, 0), 0x1199);
	outb(r, 0x40, 0);
	outb(r, 0x40, 0);
	t = r->now;
	r->now = t + clocks(1);
	assert_int_equal(count(r, 0), 0x9999); /* 0 stands for 10000 */
	free(r);
}

static void count_zero_is_65536(void **state)
{
	struct rig *r = rig_make(1, 0);
	uint64_t t = r->now;

	(void)state;
	program(r, 0, 2, 0);
	assert_int_equal(irq_pc_deadline(&r->pc), t + clocks(65536));
	free(r);
}

static void port61(void **state)
{
	struct rig *r = rig_make(1, 0);
	unsigned toggles = 0;
	uint8_t last = 0;

	(void)state;
	outb(r, 0x61, 0xff);
	assert_int_equal(inb(r, 0x61) & 0x0f, 3);
	for (unsigned i = 0; i < 1000; i++, r->now += 1000) {
		toggles += (inb(r, 0x61) & 0x10) != last;
		last = inb(r, 0x61) & 0x10;
	}
	assert_in_range(toggles, 65, 68); /* every 15 us */
	free(r);
}

static void late_ticks_are_one_interrupt(void **state)
{
	struct rig *r = rig_make(1, 0);
	uint64_t t = r->now;

	(void)state;
	pic_start(r, 1, 1);
	program(r, 0, 2, 1000);
	r->now = t + clocks(10500);
	irq_pc_tick(&r->pc, r->now);
	assert_int_equal(irq_pc_ack(&r->pc, 0), 0x20);
	outb(r, 0x20, 0x20);
	assert_int_equal(irq_pc_ack(&r->pc, 0), -1);
	assert_int_equal(irq_pc_deadline(&r->pc), t + clocks(11000));
	free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mode0_terminal_count),
		cmocka_unit_test(mode2_rate),
		cmocka_unit_test(mode3_square_wave),
		cmocka_unit_test(mode4_strobe),
		cmocka_unit_test(modes_1_and_5_wait_for_the_gate),
		cmocka_unit_test(gate_pauses_mode0),
		cmocka_unit_test(latch_and_read_back),
		cmocka_unit_test(bytes_and_bcd),
		cmocka_unit_test(count_zero_is_65536),
		cmocka_unit_test(port61),
		cmocka_unit_test(late_ticks_are_one_interrupt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
