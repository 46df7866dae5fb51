/* test_vmm_devices.c - buses and devices driven by their registers, with a machine that only takes notes and a clock of
 * the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "devices.h"

static uint64_t now_ns;
static int64_t now_real;
static int line[24], resets, power_offs, debug_exits, wanted, room;
static uint32_t debug_value;
static char output[256];
static unsigned output_size;
static struct machine_clock clock_;
static struct bus bus;

static uint64_t monotonic(void *opaque)
{
	(void)opaque;
	return now_ns;
}

static int64_t realtime(void *opaque)
{
	(void)opaque;
	return now_real + (int64_t)now_ns;
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

static void power_off(void *opaque)
{
	(void)opaque;
	power_offs++;
}

static void reset(void *opaque)
{
	(void)opaque;
	resets++;
}

static void debug_exit(void *opaque, uint32_t value)
{
	(void)opaque;
	debug_exits++;
	debug_value = value;
}

static const struct device_host host = {.clock = &clock_,
					.irq = irq,
					.console_put = put,
					.console_has_room = has_room,
					.input_wanted = input_wanted,
					.power_off = power_off,
					.reset = reset,
					.debug_exit = debug_exit};

static int setup(void **state)
{
	struct vmm_clock_source source = {monotonic, realtime, NULL};

	(void)state;
	now_ns = 0;
	now_real = 1700000000ll * 1000000000; /* 2023-11-14 22:13:20 UTC, a Tuesday */
	memset(line, 0, sizeof(line));
	memset(&bus, 0, sizeof(bus));
	memset(output, 0, sizeof(output));
	resets = power_offs = debug_exits = wanted = 0;
	output_size = 0;
	room = 100;
	clock_init(&clock_, &source);
	return 0;
}

static void out(uint64_t port, unsigned width, uint64_t value)
{
	unsigned done = 0;

	assert_int_equal(bus_write(&bus, port, width, value, &done), 0);
}

static uint64_t in(uint64_t port, unsigned width)
{
	return bus_read(&bus, port, width);
}

/* A device that remembers accesses. */
static struct {
	uint64_t offset[8], value[8];
	unsigned width[8], count;
	int later;
} log_;

static uint64_t log_read(void *device, uint64_t offset, unsigned width)
{
	(void)device;
	return 0x1111111111111111ull * (offset + 1) + width - width;
}

static int log_write(void *device, uint64_t offset, unsigned width, uint64_t value)
{
	(void)device;
	if (log_.later && offset == 2) {
		log_.later--;
		return BUS_LATER;
	}
	log_.offset[log_.count] = offset;
	log_.width[log_.count] = width;
	log_.value[log_.count++] = value;
	return 0;
}

static void bus_ranges(void **state)
{
	const struct device_ops ops = {.max_width = 2, .read = log_read, .write = log_write};

	(void)state;
	assert_int_equal(bus_add(&bus, 0x100, 4, &ops, NULL), 0);
	assert_int_equal(bus_add(&bus, 0x50, 1, &ops, NULL), 0);
	assert_int_equal(bus_add(&bus, 0x104, 1, &ops, NULL), 0);
	assert_int_equal(bus_add(&bus, 0x103, 1, &ops, NULL), -1);
	assert_int_equal(bus_add(&bus, 0xff, 2, &ops, NULL), -1);
	assert_int_equal(bus_add(&bus, 0x200, 0, &ops, NULL), -1);
	assert_int_equal(bus_add(&bus, UINT64_MAX, 2, &ops, NULL), -1);
	assert_int_equal(bus_add(&bus, UINT64_MAX, 1, &ops, NULL), 0);
	assert_int_equal(in(0x40, 4), 0xffffffff);
	assert_int_equal(in(0x100, 1), 0x11);
	assert_int_equal(in(0x103, 1), 0x44);
	assert_int_equal(in(0x105, 1), 0xff);
	/* wider than the device: in its widths; over the range's end: what follows, or ones */
	assert_int_equal(in(0x100, 4), 0x33331111);
	assert_int_equal(in(0x103, 4), 0xffff1144);
	assert_int_equal(in(0x4f, 2), 0x11ff);
	while (bus.count < BUS_RANGES)
		assert_int_equal(bus_add(&bus, 0x1000 + bus.count * 8, 8, &ops, NULL), 0);
	assert_int_equal(bus_add(&bus, 0x9000, 8, &ops, NULL), -1);
}

/* A write that has to wait is taken up where it stopped: nothing is written twice. */
static void bus_later(void **state)
{
	const struct device_ops ops = {.max_width = 1, .read = log_read, .write = log_write};
	unsigned done = 0;

	(void)state;
	memset(&log_, 0, sizeof(log_));
	log_.later = 2;
	bus_add(&bus, 0x100, 4, &ops, NULL);
	assert_int_equal(bus_write(&bus, 0x100, 4, 0x44332211, &done), BUS_LATER);
	assert_int_equal(bus_write(&bus, 0x100, 4, 0x44332211, &done), BUS_LATER);
	assert_int_equal(bus_write(&bus, 0x100, 4, 0x44332211, &done), 0);
	assert_int_equal(log_.count, 4);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(log_.offset[i], i);
		assert_int_equal(log_.value[i], 0x11 * (i + 1));
	}
}

enum { COM = 0x3f8, IER = COM + 1, IIR = COM + 2, LCR = COM + 3, MCR = COM + 4, LSR = COM + 5, MSR = COM + 6 };
static struct serial serial;

static void with_serial(void)
{
	serial_init(&serial, &host, 4);
	bus_add(&bus, COM, 8, &serial_ops, &serial);
}

/* What Linux's autoconfig looks for before it calls a port a 16550A. */
static void serial_is_16550a(void **state)
{
	(void)state;
	with_serial();
	out(IER, 1, 0xff);
	assert_int_equal(in(IER, 1), 0x0f);
	out(IER, 1, 0);
	out(MCR, 1, 0x10 | 0x0a);
	assert_int_equal(in(MSR, 1) & 0xf0, 0x90);
	out(MCR, 1, 0);
	out(IIR, 1, 1);
	assert_int_equal(in(IIR, 1) & 0xc0, 0xc0);
	out(COM + 7, 1, 0xa5);
	assert_int_equal(in(COM + 7, 1), 0xa5);
	out(LCR, 1, 0x83);
	out(COM, 1, 1);
	out(IER, 1, 2);
	assert_int_equal(in(COM, 2), 0x0201);
	out(LCR, 1, 3);
	assert_int_equal(in(LSR, 1), 0x60);
	assert_int_equal(in(MSR, 1) & 0xf0, 0xb0);
}

static void serial_transmit(void **state)
{
	(void)state;
	with_serial();
	out(MCR, 1, 8);
	out(COM, 1, 'a');
	assert_string_equal(output, "a");
	assert_int_equal(line[4], 0);
	out(IER, 1, 2);
	assert_int_equal(line[4], 1);
	assert_int_equal(in(IIR, 1) & 0x0f, 2);
	assert_int_equal(line[4], 0); /* reading it is the answer */
	assert_int_equal(in(IIR, 1) & 0x0f, 1);
	out(COM, 1, 'b');
	assert_int_equal(line[4], 1);
	out(MCR, 1, 0); /* OUT2 cuts the line */
	assert_int_equal(line[4], 0);
	assert_string_equal(output, "ab");
}

/* A full console shows a busy transmitter, keeps what is written from getting lost, and tells by interrupt when it goes
 * on. */
static void serial_without_room(void **state)
{
	unsigned done = 0;

	(void)state;
	with_serial();
	out(MCR, 1, 8);
	out(IER, 1, 2);
	in(IIR, 1);
	room = 1;
	out(COM, 1, 'a');
	assert_int_equal(in(LSR, 1) & 0x60, 0);
	assert_int_equal(line[4], 0);
	assert_int_equal(bus_write(&bus, COM, 1, 'b', &done), BUS_LATER);
	room = 5;
	serial_room(&serial);
	assert_int_equal(line[4], 1);
	assert_int_equal(in(LSR, 1) & 0x60, 0x60);
	assert_int_equal(bus_write(&bus, COM, 1, 'b', &done), 0);
	assert_string_equal(output, "ab");
}

static void serial_receive(void **state)
{
	static const uint8_t bytes[] = "0123456789abcdefXYZ";

	(void)state;
	with_serial();
	out(MCR, 1, 8);
	assert_int_equal(serial_input(&serial, bytes, 3), 1); /* no FIFO yet */
	assert_int_equal(in(COM, 1), '0');
	assert_int_equal(wanted, 1);
	out(IIR, 1, 0x81); /* FIFO, trigger at 8 */
	out(IER, 1, 1);
	assert_int_equal(serial_input(&serial, bytes, 3), 3);
	assert_int_equal(line[4], 1);
	assert_int_equal(in(IIR, 1) & 0x0f, 12);
	assert_int_equal(serial_input(&serial, bytes + 3, 16), 13);
	assert_int_equal(in(IIR, 1) & 0x0f, 4);
	for (unsigned i = 0; i < 16; i++) {
		assert_int_equal(in(LSR, 1) & 1, 1);
		assert_int_equal(in(COM, 1), bytes[i]);
	}
	assert_int_equal(in(LSR, 1) & 1, 0);
	assert_int_equal(line[4], 0);
	serial_input(&serial, bytes, 3);
	out(IIR, 1, 3); /* clears it */
	assert_int_equal(in(LSR, 1) & 1, 0);
}

static void serial_loop(void **state)
{
	(void)state;
	with_serial();
	out(MCR, 1, 0x10);
	out(COM, 1, 'x');
	assert_int_equal(in(COM, 1), 'x');
	assert_int_equal(output_size, 0);
	out(COM, 1, 'y');
	out(COM, 1, 'z');
	assert_int_equal(in(LSR, 1) & 2, 2); /* overrun */
	assert_int_equal(in(LSR, 1) & 2, 0);
}

static struct rtc rtc;

static void with_rtc(void)
{
	rtc_init(&rtc, &host, 8, 1ull << 30, 0);
	bus_add(&bus, 0x70, 2, &rtc_ops, &rtc);
}

static uint8_t cmos(uint8_t index)
{
	out(0x70, 1, index);
	return (uint8_t)in(0x71, 1);
}

static void set_cmos(uint8_t index, uint8_t value)
{
	out(0x70, 1, index);
	out(0x71, 1, value);
}

static void assert_time(const uint8_t values[8])
{
	static const uint8_t registers[8] = {0, 2, 4, 6, 7, 8, 9, 0x32};

	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(cmos(registers[i]), values[i]);
}

static void rtc_time(void **state)
{
	(void)state;
	with_rtc();
	assert_time((const uint8_t[]){0x20, 0x13, 0x22, 3, 0x14, 0x11, 0x23, 0x20});
	now_ns += 107ull * 86400 * 1000000000 + 10000000000ull; /* 2024-02-29 22:13:30, a Thursday */
	assert_time((const uint8_t[]){0x30, 0x13, 0x22, 5, 0x29, 0x02, 0x24, 0x20});
	set_cmos(11, 4); /* binary, 12 hours */
	assert_time((const uint8_t[]){30, 13, 10 | 0x80, 5, 29, 2, 24, 20});
	assert_int_equal(cmos(13), 0x80);
	assert_int_equal(cmos(10) & 0x80, 0);
	now_ns += 999000000;
	assert_int_equal(cmos(10) & 0x80, 0x80); /* the update is near */
	now_ns += 1000000;
	assert_int_equal(cmos(10) & 0x80, 0);
	assert_int_equal(cmos(0), 31);
}

static void rtc_set(void **state)
{
	(void)state;
	with_rtc();
	set_cmos(11, 0x82);
	set_cmos(0, 0x58);
	set_cmos(2, 0x59);
	set_cmos(4, 0x23);
	set_cmos(7, 0x31);
	set_cmos(8, 0x12);
	set_cmos(9, 0x99);
	set_cmos(0x32, 0x19);
	now_ns += 5000000000ull; /* it stands while it is set */
	assert_int_equal(cmos(0), 0x58);
	set_cmos(11, 0x02);
	now_ns += 3000000000ull;
	assert_time((const uint8_t[]){0x01, 0, 0, 7, 1, 1, 0, 0x20}); /* Saturday */
	set_cmos(8, 0xff);                                            /* nonsense is survived */
	set_cmos(7, 0xff);
	cmos(9);
}

static void rtc_interrupts(void **state)
{
	uint64_t wait;

	(void)state;
	with_rtc();
	assert_true(timers_run(&clock_) == UINT64_MAX); /* nothing asked for: no timer runs */
	set_cmos(1, 0x22);
	set_cmos(3, 0xc0);
	set_cmos(5, 0xff);
	set_cmos(11, 0x22); /* alarm at second 22 of any minute */
	wait = timers_run(&clock_);
	assert_int_equal(wait, 1000000000);
	now_ns += wait;
	timers_run(&clock_);
	assert_int_equal(line[8], 0);
	now_ns += 1000000000;
	timers_run(&clock_);
	assert_int_equal(line[8], 1);
	assert_int_equal(cmos(12), 0xb0);
	assert_int_equal(line[8], 0);
	assert_int_equal(cmos(12), 0);
	set_cmos(11, 0x42); /* periodic, 1024 Hz */
	wait = timers_run(&clock_);
	assert_int_equal(wait, 976562);
	now_ns += wait;
	timers_run(&clock_);
	assert_int_equal(line[8], 1);
	assert_int_equal(cmos(12) & 0xc0, 0xc0);
	set_cmos(11, 0x02);
	assert_true(timers_run(&clock_) == UINT64_MAX);
}

static void pm_block(void **state)
{
	static struct pm pm;

	(void)state;
	pm_init(&pm, &host);
	bus_add(&bus, PM_BASE, PM_SIZE, &pm_ops, &pm);
	assert_int_equal(in(PM_BASE + 4, 2), 1); /* SCI_EN */
	out(PM_BASE + 2, 2, 0x100);
	pm_power_button(&pm);
	assert_int_equal(line[9], 1);
	assert_int_equal(in(PM_BASE, 4), 0x01000100);
	out(PM_BASE, 2, 0x100);
	assert_int_equal(line[9], 0);
	out(PM_BASE + 4, 2, 0x2000 | 3 << 10);
	assert_int_equal(power_offs, 0);
	out(PM_BASE + 4, 2, 5 << 10);
	assert_int_equal(power_offs, 0);
	out(PM_BASE + 4, 2, 0x2000 | 5 << 10);
	assert_int_equal(power_offs, 1);
	assert_int_equal(in(PM_BASE + 4, 2), 5 << 10 | 1);
	now_ns = 1000000000;
	assert_int_equal(in(PM_BASE + 8, 4), 3579545);
	now_ns = 100000ull * 1000000000;
	assert_int_equal(in(PM_BASE + 8, 4), (uint32_t)(3579545ull * 100000));
	assert_int_equal(in(PM_BASE + 9, 1), (uint8_t)(3579545ull * 100000 >> 8));
}

static void resets_of_all_kinds(void **state)
{
	static struct i8042 i8042;
	static struct pci_config pci;

	(void)state;
	i8042_init(&i8042, &host);
	pci_config_init(&pci, &host);
	bus_add(&bus, 0x60, 1, &i8042_data_ops, &i8042);
	bus_add(&bus, 0x64, 1, &i8042_command_ops, &i8042);
	bus_add(&bus, 0x92, 1, &port92_ops, &i8042);
	bus_add(&bus, 0xcf8, 8, &pci_config_ops, &pci);
	assert_int_equal(in(0x64, 1) & 3, 0); /* Linux waits for bit 1 before the command */
	out(0x64, 1, 0xfe);
	assert_int_equal(resets, 1);
	out(0x64, 1, 0xd1);
	out(0x60, 1, 0xfe);
	assert_int_equal(resets, 2);
	out(0x64, 1, 0xff);
	out(0x60, 1, 0);
	assert_int_equal(resets, 2);
	out(0x92, 1, 3);
	assert_int_equal(resets, 3);
	out(0xcf9, 1, 2);
	assert_int_equal(resets, 3);
	out(0xcf9, 1, 6);
	assert_int_equal(resets, 4);
	out(0xcf8, 4, 0x80000600); /* an address, not a reset */
	assert_int_equal(resets, 4);
	assert_int_equal(in(0xcf8, 4), 0xffffffff);
	assert_int_equal(in(0xcfc, 4), 0xffffffff);
}

static void debug_ports(void **state)
{
	static struct debug_exit debug;
	static struct post_code post;

	(void)state;
	debug_exit_init(&debug, &host);
	bus_add(&bus, 0xf4, 4, &debug_exit_ops, &debug);
	bus_add(&bus, 0x80, 1, &post_code_ops, &post);
	out(0xf4, 4, 0x12345678);
	assert_int_equal(debug_exits, 1);
	assert_int_equal(debug_value, 0x12345678);
	out(0xf5, 1, 1);
	assert_int_equal(debug_exits, 1);
	out(0x80, 1, 0x42);
	assert_int_equal(in(0x80, 1), 0x42);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(bus_ranges, setup),
		cmocka_unit_test_setup(bus_later, setup),
		cmocka_unit_test_setup(serial_is_16550a, setup),
		cmocka_unit_test_setup(serial_transmit, setup),
		cmocka_unit_test_setup(serial_without_room, setup),
		cmocka_unit_test_setup(serial_receive, setup),
		cmocka_unit_test_setup(serial_loop, setup),
		cmocka_unit_test_setup(rtc_time, setup),
		cmocka_unit_test_setup(rtc_set, setup),
		cmocka_unit_test_setup(rtc_interrupts, setup),
		cmocka_unit_test_setup(pm_block, setup),
		cmocka_unit_test_setup(resets_of_all_kinds, setup),
		cmocka_unit_test_setup(debug_ports, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
