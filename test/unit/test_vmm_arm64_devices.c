/* test_vmm_arm64_devices.c - PL011 and PL031 by their registers, on a machine that only takes notes and a clock of the
 * test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "devices.h"

enum { UART = 0x1000, RTC = 0x2000, UART_LINE = 1, RTC_LINE = 2 };
enum {
	DR = 0,
	FR = 0x18,
	IBRD = 0x24,
	FBRD = 0x28,
	LCR_H = 0x2c,
	CR = 0x30,
	IFLS = 0x34,
	IMSC = 0x38,
	RIS = 0x3c,
	MIS = 0x40,
	ICR = 0x44
};
enum {
	RXFE = 0x10,
	TXFF = 0x20,
	RXFF = 0x40,
	TXFE = 0x80,
	RX = 0x10,
	TX = 0x20,
	RT = 0x40,
	FIFOS = 0x10,
	ENABLE = 0x301
};
enum {
	RTC_DR = 0,
	RTC_MR = 4,
	RTC_LR = 8,
	RTC_CR = 0xc,
	RTC_IMSC = 0x10,
	RTC_RIS = 0x14,
	RTC_MIS = 0x18,
	RTC_ICR = 0x1c
};

static uint64_t now_ns;
static int line[4], wanted, room;
static char output[64];
static unsigned output_size;
static struct machine_clock clock_;
static struct bus bus;
static struct pl011 uart;
static struct pl031 rtc;

static uint64_t monotonic(void *opaque)
{
	(void)opaque;
	return now_ns;
}

static int64_t realtime(void *opaque)
{
	(void)opaque;
	return 1700000000ll * 1000000000 + 250000000 + (int64_t)now_ns; /* a quarter into a second */
}

static void irq(void *opaque, unsigned gsi, int level)
{
	(void)opaque;
	line[gsi] = level;
}

static int put(void *opaque, uint8_t byte)
{
	(void)opaque;
	if (!room)
		return 0;
	room--;
	output[output_size++] = (char)byte;
	return 1;
}

static int has_room(void *opaque)
{
	(void)opaque;
	return room > 0;
}

static void input_wanted(void *opaque)
{
	(void)opaque;
	wanted++;
}

static const struct device_host host = {
	.clock = &clock_, .irq = irq, .console_put = put, .console_has_room = has_room, .input_wanted = input_wanted};

static int setup(void **state)
{
	const struct vmm_clock_source source = {monotonic, realtime, NULL};

	(void)state;
	now_ns = 0;
	memset(line, 0, sizeof(line));
	memset(&bus, 0, sizeof(bus));
	memset(output, 0, sizeof(output));
	wanted = 0;
	output_size = 0;
	room = 60;
	clock_init(&clock_, &source);
	pl011_init(&uart, &host, UART_LINE);
	pl031_init(&rtc, &host, RTC_LINE);
	assert_int_equal(bus_add(&bus, UART, 0x1000, &pl011_ops, &uart), 0);
	assert_int_equal(bus_add(&bus, RTC, 0x1000, &pl031_ops, &rtc), 0);
	return 0;
}

static void out(uint64_t at, uint32_t value)
{
	unsigned done = 0;

	assert_int_equal(bus_write(&bus, at, 4, value, &done), 0);
}

static uint32_t in(uint64_t at)
{
	return (uint32_t)bus_read(&bus, at, 4);
}

/* ------ PL011 ------ */

static void identification(void **state)
{
	uint32_t part = 0, cell = 0;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		part |= in(UART + 0xfe0 + i * 4) << i * 8;
		cell |= in(UART + 0xff0 + i * 4) << i * 8;
	}
	assert_int_equal(part & 0xfffff, 0x41011); /* Arm's part 011, whatever its revision */
	assert_int_equal(cell, 0xb105f00d);
	for (part = cell = 0; part < 4; part++)
		cell |= in(RTC + 0xfe0 + part * 4) << part * 8;
	assert_int_equal(cell & 0xfffff, 0x41031);
}

static void uart_registers_after_reset(void **state)
{
	(void)state;
	assert_int_equal(in(UART + CR), 0x300);
	assert_int_equal(in(UART + IFLS), 0x12);
	assert_int_equal(in(UART + IMSC), 0);
	assert_int_equal(in(UART + RIS), 0);
	assert_int_equal(in(UART + FR) & (RXFE | TXFF | RXFF | TXFE), RXFE | TXFE);
	out(UART + IBRD, 0x12345);
	out(UART + FBRD, 0xff);
	assert_int_equal(in(UART + IBRD), 0x2345);
	assert_int_equal(in(UART + FBRD), 0x3f);
	out(UART + 0x800, 1); /* nothing is there */
	assert_int_equal(in(UART + 0x800), 0);
}

static void uart_transmit(void **state)
{
	(void)state;
	out(UART + IMSC, TX);
	assert_int_equal(line[UART_LINE], 0);
	for (const char *c = "hello"; *c; c++)
		out(UART + DR, (uint8_t)*c);
	assert_string_equal(output, "hello");
	assert_int_equal(line[UART_LINE], 1);
	assert_int_equal(in(UART + MIS), TX);
	out(UART + ICR, TX);
	assert_int_equal(line[UART_LINE], 0);
	assert_int_equal(in(UART + RIS), 0);
}

/* A full console: the FIFO says so, a byte waits, and the transmit interrupt comes when there is room again. */
static void uart_without_room(void **state)
{
	unsigned done = 0;

	(void)state;
	out(UART + IMSC, TX);
	room = 1;
	out(UART + DR, 'a');
	assert_int_equal(line[UART_LINE], 0);
	assert_int_equal(in(UART + FR) & (TXFF | TXFE), TXFF);
	assert_int_equal(bus_write(&bus, UART + DR, 4, 'b', &done), BUS_LATER);
	assert_string_equal(output, "a");
	room = 10;
	pl011_room(&uart);
	assert_int_equal(line[UART_LINE], 1);
	assert_int_equal(in(UART + FR) & (TXFF | TXFE), TXFE);
	assert_int_equal(bus_write(&bus, UART + DR, 4, 'b', &done), 0);
	assert_string_equal(output, "ab");
}

static void uart_receive_one_at_a_time(void **state)
{
	(void)state;
	assert_int_equal(pl011_input(&uart, (const uint8_t *)"ab", 2), 0); /* not enabled */
	out(UART + CR, ENABLE);
	assert_int_equal(wanted, 1);
	out(UART + IMSC, RX | RT);
	assert_int_equal(pl011_input(&uart, (const uint8_t *)"ab", 2), 1);
	assert_int_equal(in(UART + FR) & (RXFE | RXFF), RXFF);
	assert_int_equal(in(UART + MIS), RX);
	assert_int_equal(line[UART_LINE], 1);
	assert_int_equal(in(UART + DR), 'a');
	assert_int_equal(line[UART_LINE], 0);
	assert_int_equal(wanted, 2);
	assert_int_equal(in(UART + DR), 0);
}

/* With FIFOs: below the trigger level the time-out interrupt, at it the receive interrupt. */
static void uart_receive_fifo(void **state)
{
	(void)state;
	out(UART + CR, ENABLE);
	out(UART + LCR_H, 0x60 | FIFOS);
	out(UART + IMSC, RX | RT);
	assert_int_equal(pl011_input(&uart, (const uint8_t *)"0123456", 7), 7);
	assert_int_equal(in(UART + MIS), RT); /* trigger at half: 8 */
	assert_int_equal(line[UART_LINE], 1);
	assert_int_equal(pl011_input(&uart, (const uint8_t *)"789abcdefgh", 11), 9);
	assert_int_equal(in(UART + MIS), RX);
	assert_int_equal(in(UART + FR) & (RXFE | RXFF), RXFF);
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(in(UART + DR), "0123456789abcdef"[i]);
	assert_int_equal(in(UART + FR) & (RXFE | RXFF), RXFE);
	assert_int_equal(line[UART_LINE], 0);
	for (unsigned i = 0; i < 8; i++) { /* levels 1/8, 1/4, 1/2, 3/4, 7/8 of 16 */
		static const uint8_t level[8] = {2, 4, 8, 12, 14, 14, 14, 14};

		out(UART + IFLS, i << 3);
		assert_int_equal(pl011_input(&uart, (const uint8_t *)"0123456789abcdef", level[i] - 1u), level[i] - 1);
		assert_int_equal(in(UART + MIS), RT);
		assert_int_equal(pl011_input(&uart, (const uint8_t *)"x", 1), 1);
		assert_int_equal(in(UART + MIS), RX);
		out(UART + LCR_H, 0x60); /* turning the FIFOs off empties them */
		assert_int_equal(in(UART + FR) & RXFE, RXFE);
		out(UART + LCR_H, 0x60 | FIFOS);
	}
}

/* A saved state is anybody's: none of it may lead outside the FIFO. */
static void uart_hostile_state(void **state)
{
	(void)state;
	memset(&uart.state, 0xff, sizeof(uart.state));
	pl011_ops.restored(&uart);
	for (unsigned i = 0; i < 300; i++)
		in(UART + DR);
	assert_int_equal(in(UART + FR) & RXFE, RXFE);
	assert_in_range(pl011_input(&uart, (const uint8_t *)"0123456789abcdefghij", 20), 1, 16);
}

/* ------ PL031 ------ */

static void rtc_time(void **state)
{
	(void)state;
	assert_int_equal(in(RTC + RTC_DR), 1700000000);
	now_ns = 749999999;
	assert_int_equal(in(RTC + RTC_DR), 1700000000);
	now_ns = 750000000;
	assert_int_equal(in(RTC + RTC_DR), 1700000001);
	assert_int_equal(in(RTC + RTC_CR), 1);
	out(RTC + RTC_CR, 0); /* once started it runs */
	assert_int_equal(in(RTC + RTC_CR), 1);
	out(RTC + RTC_LR, 5);
	assert_int_equal(in(RTC + RTC_LR), 5);
	assert_int_equal(in(RTC + RTC_DR), 5);
	now_ns += 10 * NS_PER_SECOND;
	assert_int_equal(in(RTC + RTC_DR), 15);
	out(RTC + RTC_LR, 0xffffffff);
	assert_int_equal(in(RTC + RTC_DR), 0xffffffff);
	now_ns += NS_PER_SECOND;
	assert_int_equal(in(RTC + RTC_DR), 0);
}

static void rtc_alarm(void **state)
{
	(void)state;
	out(RTC + RTC_MR, 1700000003);
	assert_int_equal(in(RTC + RTC_MR), 1700000003);
	out(RTC + RTC_IMSC, 1);
	assert_int_equal(timers_run(&clock_), 2750000000u);
	now_ns = 2749999999;
	timers_run(&clock_);
	assert_int_equal(line[RTC_LINE], 0);
	now_ns = 2750000000;
	timers_run(&clock_);
	assert_int_equal(line[RTC_LINE], 1);
	assert_int_equal(in(RTC + RTC_MIS), 1);
	out(RTC + RTC_IMSC, 0);
	assert_int_equal(line[RTC_LINE], 0);
	assert_int_equal(in(RTC + RTC_RIS), 1);
	assert_int_equal(in(RTC + RTC_MIS), 0);
	out(RTC + RTC_ICR, 1);
	assert_int_equal(in(RTC + RTC_RIS), 0);
	out(RTC + RTC_MR, in(RTC + RTC_DR)); /* now */
	assert_int_equal(in(RTC + RTC_RIS), 1);
}

/* Any state that somebody saved: times far from now neither overflow nor fire at once. */
static void rtc_hostile_state(void **state)
{
	static const uint32_t offsets[] = {INT32_MAX, 1u << 31, UINT32_MAX, 0};

	(void)state;
	for (unsigned i = 0; i < sizeof(offsets) / sizeof(*offsets); i++) {
		memset(&rtc.state, 0xff, sizeof(rtc.state));
		rtc.state.offset = offsets[i];
		pl031_ops.restored(&rtc);
		now_ns += NS_PER_SECOND;
		timers_run(&clock_);
		out(RTC + RTC_LR, 7);
		assert_int_equal(in(RTC + RTC_DR), 7);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(identification, setup),
		cmocka_unit_test_setup(uart_registers_after_reset, setup),
		cmocka_unit_test_setup(uart_transmit, setup),
		cmocka_unit_test_setup(uart_without_room, setup),
		cmocka_unit_test_setup(uart_receive_one_at_a_time, setup),
		cmocka_unit_test_setup(uart_receive_fifo, setup),
		cmocka_unit_test_setup(uart_hostile_state, setup),
		cmocka_unit_test_setup(rtc_time, setup),
		cmocka_unit_test_setup(rtc_alarm, setup),
		cmocka_unit_test_setup(rtc_hostile_state, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
