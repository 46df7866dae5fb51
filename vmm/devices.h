/* devices.h - the devices of the machine. Each knows its own file's registers and reaches the rest of the machine by
 * `struct device_host` alone, so that a test can drive it without a VM. */
#ifndef VMM_DEVICES_H
#define VMM_DEVICES_H

#include "bus.h"
#include "clock.h"

/* What devices may ask of the machine. Called under the machine lock; must not block. */
struct device_host {
	struct machine_clock *clock;
	void (*irq)(void *opaque, unsigned gsi, int level);
	/* Console: 1 if the byte was taken, 0 if there is no room (`room` below tells when there is again). */
	int (*console_put)(void *opaque, uint8_t byte);
	int (*console_has_room)(void *opaque);
	void (*input_wanted)(void *opaque); /* the serial port has room for input again */
	void (*power_off)(void *opaque);
	void (*reset)(void *opaque);
	void (*debug_exit)(void *opaque, uint32_t value);
	void *opaque;
};

/* 16550A (dev_serial.c): ports base .. base+7. */
#define SERIAL_FIFO 16
struct serial {
	struct serial_state {
		uint8_t ier, iir_fifo, lcr, mcr, lsr_error, msr_delta, scratch, dll, dlm;
		uint8_t thr_pending; /* the "transmitter empty" interrupt waits to be seen */
		uint8_t trigger;     /* of the receive FIFO */
		uint8_t rx_head, rx_count;
		uint8_t level;    /* of the interrupt line */
		uint8_t loop_msr; /* modem lines as the loop shows them */
		uint8_t pad;
		uint8_t rx[SERIAL_FIFO];
	} state;
	const struct device_host *host;
	unsigned gsi;
	int starved; /* the guest saw "no room"; it must be told when there is */
};
extern const struct device_ops serial_ops;
void serial_init(struct serial *serial, const struct device_host *host, unsigned gsi);
size_t serial_input(struct serial *serial, const uint8_t *data, size_t size); /* how much was taken */
void serial_room(struct serial *serial);                                      /* the console has room again */

/* PL011 (dev_pl011.c): 4 KiB of memory. */
#define PL011_FIFO 16
struct pl011 {
	struct pl011_state {
		uint16_t ibrd, imsc, cr;
		uint8_t fbrd, lcr, ifls;
		uint8_t tx_pending; /* the transmit interrupt */
		uint8_t level;      /* of the interrupt line */
		uint8_t rx_head, rx_count;
		uint8_t pad;
		uint8_t rx[PL011_FIFO];
	} state;
	const struct device_host *host;
	unsigned gsi;
	int starved; /* the guest saw "full"; it must be told when there is room */
};
extern const struct device_ops pl011_ops;
void pl011_init(struct pl011 *uart, const struct device_host *host, unsigned gsi);
size_t pl011_input(struct pl011 *uart, const uint8_t *data, size_t size); /* how much was taken */
void pl011_room(struct pl011 *uart);                                     /* the console has room again */

/* PL031 clock (dev_pl031.c): 4 KiB of memory. */
struct pl031 {
	struct pl031_state {
		uint32_t match, load;
		uint32_t offset; /* seconds that the guest's clock is ahead of the host's, modulo 2^32 */
		uint8_t mask, raw, level;
		uint8_t pad;
	} state;
	const struct device_host *host;
	unsigned gsi;
	struct device_timer timer;
};
extern const struct device_ops pl031_ops;
void pl031_init(struct pl031 *rtc, const struct device_host *host, unsigned gsi);

/* MC146818 clock and its 128 bytes (dev_rtc.c): ports 0x70 and 0x71. */
struct rtc {
	struct rtc_state {
		uint8_t index, flags_pending, setting, level;
		uint8_t pad[4];
		uint8_t ram[128];       /* time registers hold what the guest wrote while it sets them */
		int64_t offset;         /* seconds that the guest's clock is ahead of the host's */
		int64_t last_update;    /* guest second of the last update interrupt */
		uint64_t next_periodic; /* clock_ns */
	} state;
	const struct device_host *host;
	unsigned gsi;
	struct device_timer timer;
};
extern const struct device_ops rtc_ops;
void rtc_init(struct rtc *rtc, const struct device_host *host, unsigned gsi, uint64_t mem_low, uint64_t mem_high);

/* Keyboard controller, as far as resetting the machine needs it (dev_i8042.c): ports 0x60 to 0x64, of them 0x61 is the
 * PIT's. */
struct i8042 {
	struct i8042_state {
		uint8_t command, output_port;
		uint8_t pad[6];
	} state;
	const struct device_host *host;
};
extern const struct device_ops i8042_data_ops, i8042_command_ops, port92_ops;
void i8042_init(struct i8042 *i8042, const struct device_host *host);

/* PCI configuration mechanism 1 without devices, and the reset register that shares its ports (dev_pci.c): 0xcf8 to
 * 0xcff. */
struct pci_config {
	struct pci_config_state {
		uint8_t reset_control;
		uint8_t pad[7];
	} state;
	const struct device_host *host;
};
extern const struct device_ops pci_config_ops;
void pci_config_init(struct pci_config *pci, const struct device_host *host);

/* ACPI fixed hardware: PM1a event and control blocks and the PM timer (dev_pm.c): PM_BASE. */
#define PM_BASE 0x600u
#define PM_SIZE 12u
enum { PM_EVENT = 0, PM_CONTROL = 4, PM_TIMER = 8 };
#define PM_S5_TYPE 5u
#define PM_SCI 9u
struct pm {
	struct pm_state {
		uint16_t status, enable, control;
		uint8_t level, pad;
	} state;
	const struct device_host *host;
};
extern const struct device_ops pm_ops;
void pm_init(struct pm *pm, const struct device_host *host);
void pm_power_button(struct pm *pm);

/* Debug exit at 0xf4 and POST codes at 0x80 (dev_debug.c). */
struct debug_exit {
	uint64_t unused;
	const struct device_host *host;
};
extern const struct device_ops debug_exit_ops;
void debug_exit_init(struct debug_exit *debug, const struct device_host *host);
struct post_code {
	struct post_code_state {
		uint8_t value;
		uint8_t pad[7];
	} state;
};
extern const struct device_ops post_code_ops;

#endif
