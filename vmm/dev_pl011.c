/* dev_pl011.c - Arm's PL011 UART (DDI 0183). Sending takes no time: a byte goes to the console at once, and while the
 * console has no room the transmit FIFO shows itself full. */
#include <string.h>

#include "devices.h"

enum { REG_DR = 0, REG_RSR = 4, REG_FR = 0x18, REG_IBRD = 0x24, REG_FBRD = 0x28, REG_LCR_H = 0x2c, REG_CR = 0x30,
       REG_IFLS = 0x34, REG_IMSC = 0x38, REG_RIS = 0x3c, REG_MIS = 0x40, REG_ICR = 0x44, REG_ID = 0xfe0 };
enum { FR_RX_EMPTY = 0x10, FR_TX_FULL = 0x20, FR_RX_FULL = 0x40, FR_TX_EMPTY = 0x80, FR_MODEM = 7 };
enum { INT_RX = 0x10, INT_TX = 0x20, INT_TIMEOUT = 0x40, INT_ALL = 0x7ff };
enum { LCR_FIFOS = 0x10, CR_ENABLE = 1, CR_RX = 0x200 };

static unsigned fifo_size(const struct pl011_state *s)
{
	return s->lcr & LCR_FIFOS ? PL011_FIFO : 1;
}

/* Receive FIFO levels of IFLS: 1/8, 1/4, 1/2, 3/4, 7/8. */
static unsigned trigger(const struct pl011_state *s)
{
	static const uint8_t eighths[8] = {1, 2, 4, 6, 7, 7, 7, 7};

	return s->lcr & LCR_FIFOS ? eighths[s->ifls >> 3 & 7] * PL011_FIFO / 8u : 1;
}

static uint16_t raw(const struct pl011_state *s)
{
	uint16_t rx = s->rx_count >= trigger(s) ? INT_RX : s->rx_count ? INT_TIMEOUT : 0;

	return rx | (s->tx_pending ? INT_TX : 0);
}

static void update(struct pl011 *uart)
{
	struct pl011_state *s = &uart->state;
	uint8_t level = (raw(s) & s->imsc) != 0;

	if (level == s->level)
		return;
	s->level = level;
	uart->host->irq(uart->host->opaque, uart->gsi, level);
}

static uint8_t read_data(struct pl011 *uart)
{
	struct pl011_state *s = &uart->state;
	uint8_t byte;

	if (!s->rx_count)
		return 0;
	byte = s->rx[s->rx_head];
	s->rx_head = (s->rx_head + 1) % PL011_FIFO;
	s->rx_count--;
	if (!s->rx_count)
		uart->host->input_wanted(uart->host->opaque);
	return byte;
}

static uint32_t read_flags(struct pl011 *uart)
{
	struct pl011_state *s = &uart->state;
	uint32_t flags = FR_MODEM | (s->rx_count ? 0 : FR_RX_EMPTY) | (s->rx_count >= fifo_size(s) ? FR_RX_FULL : 0);

	if (uart->host->console_has_room(uart->host->opaque))
		return flags | FR_TX_EMPTY;
	uart->starved = 1;
	return flags | FR_TX_FULL;
}

static uint64_t pl011_read(void *device, uint64_t offset, unsigned width)
{
	/* PrimeCell and peripheral identification, revision r1p5 */
	static const uint8_t id[8] = {0x11, 0x10, 0x34, 0x00, 0x0d, 0xf0, 0x05, 0xb1};
	struct pl011 *uart = device;
	struct pl011_state *s = &uart->state;
	uint64_t value = 0;

	(void)width;
	if (offset >= REG_ID)
		return offset & 3 ? 0 : id[(offset - REG_ID) / 4 & 7];
	switch (offset) {
	case REG_DR:
		value = read_data(uart);
		break;
	case REG_FR:
		value = read_flags(uart);
		break;
	case REG_IBRD:
		value = s->ibrd;
		break;
	case REG_FBRD:
		value = s->fbrd;
		break;
	case REG_LCR_H:
		value = s->lcr;
		break;
	case REG_CR:
		value = s->cr;
		break;
	case REG_IFLS:
		value = s->ifls;
		break;
	case REG_IMSC:
		value = s->imsc;
		break;
	case REG_RIS:
		value = raw(s);
		break;
	case REG_MIS:
		value = raw(s) & s->imsc;
		break;
	}
	update(uart);
	return value;
}

static int write_data(struct pl011 *uart, uint8_t byte)
{
	if (!uart->host->console_put(uart->host->opaque, byte))
		return BUS_LATER;
	uart->state.tx_pending = 1;
	if (!uart->host->console_has_room(uart->host->opaque)) {
		uart->state.tx_pending = 0;
		uart->starved = 1;
	}
	return 0;
}

static void write_lcr(struct pl011_state *s, uint8_t value)
{
	if ((s->lcr ^ value) & LCR_FIFOS)
		s->rx_head = s->rx_count = 0;
	s->lcr = value;
}

static int pl011_write(void *device, uint64_t offset, unsigned width, uint64_t value)
{
	struct pl011 *uart = device;
	struct pl011_state *s = &uart->state;

	(void)width;
	switch (offset) {
	case REG_DR:
		if (write_data(uart, (uint8_t)value) == BUS_LATER)
			return BUS_LATER;
		break;
	case REG_IBRD:
		s->ibrd = (uint16_t)value;
		break;
	case REG_FBRD:
		s->fbrd = value & 0x3f;
		break;
	case REG_LCR_H:
		write_lcr(s, (uint8_t)value);
		break;
	case REG_CR:
		s->cr = (uint16_t)value;
		uart->host->input_wanted(uart->host->opaque);
		break;
	case REG_IFLS:
		s->ifls = value & 0x3f;
		break;
	case REG_IMSC:
		s->imsc = value & INT_ALL;
		break;
	case REG_ICR:
		s->tx_pending &= !(value & INT_TX);
		break;
	}
	update(uart);
	return 0;
}

size_t pl011_input(struct pl011 *uart, const uint8_t *data, size_t size)
{
	struct pl011_state *s = &uart->state;
	size_t taken = 0;

	if ((s->cr & (CR_ENABLE | CR_RX)) != (CR_ENABLE | CR_RX))
		return 0;
	for (; taken < size && s->rx_count < fifo_size(s); taken++)
		s->rx[(s->rx_head + s->rx_count++) % PL011_FIFO] = data[taken];
	update(uart);
	return taken;
}

void pl011_room(struct pl011 *uart)
{
	if (!uart->starved)
		return;
	uart->starved = 0;
	uart->state.tx_pending = 1;
	update(uart);
}

static void pl011_restored(void *device)
{
	struct pl011 *uart = device;

	uart->state.rx_head %= PL011_FIFO;
	if (uart->state.rx_count > PL011_FIFO)
		uart->state.rx_count = PL011_FIFO;
	uart->host->irq(uart->host->opaque, uart->gsi, uart->state.level);
}

void pl011_init(struct pl011 *uart, const struct device_host *host, unsigned gsi)
{
	memset(uart, 0, sizeof(*uart));
	uart->host = host;
	uart->gsi = gsi;
	uart->state.cr = 0x300; /* 3.3.8: transmit and receive enabled, the UART not */
	uart->state.ifls = 0x12;
}

const struct device_ops pl011_ops = {.name = "pl011",
				     .state_size = sizeof(struct pl011_state),
				     .version = 1,
				     .max_width = 4,
				     .read = pl011_read,
				     .write = pl011_write,
				     .restored = pl011_restored};
