/* dev_serial.c - a 16550A UART (National Semiconductor PC16550D data sheet). Sending takes no time: a byte goes to the
 * console at once, and while the console has no room the transmitter shows itself busy. */
#include <string.h>

#include "devices.h"

enum { REG_DATA, REG_IER, REG_IIR_FCR, REG_LCR, REG_MCR, REG_LSR, REG_MSR, REG_SCRATCH };
enum { IER_RX = 1, IER_TX = 2, IER_LINE = 4, IER_MODEM = 8 };
enum { IIR_NONE = 1, IIR_MODEM = 0, IIR_TX = 2, IIR_RX = 4, IIR_LINE = 6, IIR_TIMEOUT = 12, IIR_FIFOS = 0xc0 };
enum { FCR_ENABLE = 1, FCR_CLEAR_RX = 2, FCR_CLEAR_TX = 4 };
enum { LCR_DLAB = 0x80 };
enum { MCR_DTR = 1, MCR_RTS = 2, MCR_OUT1 = 4, MCR_OUT2 = 8, MCR_LOOP = 16 };
enum { LSR_DATA = 1, LSR_OVERRUN = 2, LSR_ERRORS = 0x1e, LSR_THR_EMPTY = 0x20, LSR_IDLE = 0x40 };
enum { MSR_CTS = 0x10, MSR_DSR = 0x20, MSR_RI = 0x40, MSR_DCD = 0x80 };

static unsigned fifo_size(const struct serial_state *s)
{
	return s->iir_fifo ? SERIAL_FIFO : 1;
}

/* Which interrupt is shown: the highest of those that are enabled (table III of the data sheet). */
static uint8_t identify(const struct serial_state *s)
{
	if ((s->ier & IER_LINE) && s->lsr_error)
		return IIR_LINE;
	if ((s->ier & IER_RX) && s->rx_count)
		return s->rx_count >= s->trigger ? IIR_RX : IIR_TIMEOUT;
	if ((s->ier & IER_TX) && s->thr_pending)
		return IIR_TX;
	if ((s->ier & IER_MODEM) && s->msr_delta)
		return IIR_MODEM;
	return IIR_NONE;
}

/* OUT2 connects the UART to the interrupt line of a PC. */
static void update(struct serial *serial)
{
	struct serial_state *s = &serial->state;
	uint8_t level = identify(s) != IIR_NONE && (s->mcr & MCR_OUT2) && !(s->mcr & MCR_LOOP);

	if (level == s->level)
		return;
	s->level = level;
	serial->host->irq(serial->host->opaque, serial->gsi, level);
}

static int receive(struct serial_state *s, uint8_t byte)
{
	if (s->rx_count >= fifo_size(s))
		return 0;
	s->rx[(s->rx_head + s->rx_count++) % SERIAL_FIFO] = byte;
	return 1;
}

static uint8_t read_data(struct serial *serial)
{
	struct serial_state *s = &serial->state;
	uint8_t byte;

	if (!s->rx_count)
		return 0;
	byte = s->rx[s->rx_head];
	s->rx_head = (s->rx_head + 1) % SERIAL_FIFO;
	s->rx_count--;
	if (!s->rx_count)
		serial->host->input_wanted(serial->host->opaque);
	return byte;
}

static uint8_t modem_lines(const struct serial_state *s)
{
	uint8_t lines = 0;

	if (!(s->mcr & MCR_LOOP))
		return MSR_CTS | MSR_DSR | MSR_DCD;
	lines |= s->mcr & MCR_RTS ? MSR_CTS : 0;
	lines |= s->mcr & MCR_DTR ? MSR_DSR : 0;
	lines |= s->mcr & MCR_OUT1 ? MSR_RI : 0;
	lines |= s->mcr & MCR_OUT2 ? MSR_DCD : 0;
	return lines;
}

static uint8_t read_line_status(struct serial *serial)
{
	struct serial_state *s = &serial->state;
	uint8_t value = s->lsr_error | (s->rx_count ? LSR_DATA : 0);

	s->lsr_error = 0;
	if (serial->host->console_has_room(serial->host->opaque))
		return value | LSR_THR_EMPTY | LSR_IDLE;
	serial->starved = 1;
	return value;
}

static uint8_t read_interrupt(struct serial_state *s)
{
	uint8_t id = identify(s);

	if (id == IIR_TX)
		s->thr_pending = 0;
	return id | s->iir_fifo;
}

static uint64_t serial_read(void *device, uint64_t offset, unsigned width)
{
	struct serial *serial = device;
	struct serial_state *s = &serial->state;
	uint8_t value = 0;

	(void)width;
	switch (offset) {
	case REG_DATA:
		value = s->lcr & LCR_DLAB ? s->dll : read_data(serial);
		break;
	case REG_IER:
		value = s->lcr & LCR_DLAB ? s->dlm : s->ier;
		break;
	case REG_IIR_FCR:
		value = read_interrupt(s);
		break;
	case REG_LCR:
		value = s->lcr;
		break;
	case REG_MCR:
		value = s->mcr;
		break;
	case REG_LSR:
		value = read_line_status(serial);
		break;
	case REG_MSR:
		value = modem_lines(s) | s->msr_delta;
		s->msr_delta = 0;
		break;
	case REG_SCRATCH:
		value = s->scratch;
		break;
	}
	update(serial);
	return value;
}

static int write_data(struct serial *serial, uint8_t byte)
{
	struct serial_state *s = &serial->state;

	if (s->mcr & MCR_LOOP) {
		if (!receive(s, byte))
			s->lsr_error |= LSR_OVERRUN;
		s->thr_pending = 1;
		return 0;
	}
	if (!serial->host->console_put(serial->host->opaque, byte))
		return BUS_LATER;
	s->thr_pending = 1;
	if (!serial->host->console_has_room(serial->host->opaque)) {
		s->thr_pending = 0;
		serial->starved = 1;
	}
	return 0;
}

static void write_ier(struct serial *serial, uint8_t value)
{
	struct serial_state *s = &serial->state;
	int enabled = (value & IER_TX) && !(s->ier & IER_TX);

	s->ier = value & 0x0f;
	if (!enabled)
		return;
	if (serial->host->console_has_room(serial->host->opaque))
		s->thr_pending = 1;
	else
		serial->starved = 1;
}

static void write_fcr(struct serial_state *s, uint8_t value)
{
	static const uint8_t triggers[4] = {1, 4, 8, 14};
	uint8_t fifos = value & FCR_ENABLE ? IIR_FIFOS : 0;

	if (fifos != s->iir_fifo || (value & FCR_CLEAR_RX))
		s->rx_head = s->rx_count = 0;
	s->iir_fifo = fifos;
	s->trigger = fifos ? triggers[value >> 6] : 1;
}

static void write_mcr(struct serial_state *s, uint8_t value)
{
	uint8_t before = modem_lines(s), changed;

	s->mcr = value & 0x1f;
	changed = before ^ modem_lines(s);
	s->msr_delta |= (changed >> 4) & 0x0b;
	if ((changed & MSR_RI) && (before & MSR_RI)) /* RI counts at its end only */
		s->msr_delta |= 4;
}

static int serial_write(void *device, uint64_t offset, unsigned width, uint64_t wide)
{
	struct serial *serial = device;
	struct serial_state *s = &serial->state;
	uint8_t value = (uint8_t)wide;

	(void)width;
	switch (offset) {
	case REG_DATA:
		if (s->lcr & LCR_DLAB)
			s->dll = value;
		else if (write_data(serial, value) == BUS_LATER)
			return BUS_LATER;
		break;
	case REG_IER:
		if (s->lcr & LCR_DLAB)
			s->dlm = value;
		else
			write_ier(serial, value);
		break;
	case REG_IIR_FCR:
		write_fcr(s, value);
		serial->host->input_wanted(serial->host->opaque);
		break;
	case REG_LCR:
		s->lcr = value;
		break;
	case REG_MCR:
		write_mcr(s, value);
		break;
	case REG_SCRATCH:
		s->scratch = value;
		break;
	}
	update(serial);
	return 0;
}

size_t serial_input(struct serial *serial, const uint8_t *data, size_t size)
{
	size_t taken = 0;

	if (serial->state.mcr & MCR_LOOP)
		return 0;
	while (taken < size && receive(&serial->state, data[taken]))
		taken++;
	update(serial);
	return taken;
}

void serial_room(struct serial *serial)
{
	if (!serial->starved)
		return;
	serial->starved = 0;
	serial->state.thr_pending = 1;
	update(serial);
}

static void serial_restored(void *device)
{
	struct serial *serial = device;

	serial->state.rx_head %= SERIAL_FIFO;
	if (serial->state.rx_count > SERIAL_FIFO)
		serial->state.rx_count = SERIAL_FIFO;
	serial->host->irq(serial->host->opaque, serial->gsi, serial->state.level);
}

void serial_init(struct serial *serial, const struct device_host *host, unsigned gsi)
{
	memset(serial, 0, sizeof(*serial));
	serial->host = host;
	serial->gsi = gsi;
	serial->state.trigger = 1;
	serial->state.dll = 12; /* 9600 baud, for who asks */
}

const struct device_ops serial_ops = {.name = "serial",
				      .state_size = sizeof(struct serial_state),
				      .version = 1,
				      .max_width = 1,
				      .read = serial_read,
				      .write = serial_write,
				      .restored = serial_restored};
