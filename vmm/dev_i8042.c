/* dev_i8042.c - the keyboard controller as far as resetting the machine needs it: nothing is attached, every command is
 * taken at once, 0xfe pulses the reset line; and port 0x92, the fast way to the same line. */
#include <string.h>

#include "devices.h"

#define COMMAND_WRITE_OUTPUT 0xd1
#define COMMAND_PULSE 0xf0 /* 0xf0 to 0xff: pulse the lines whose bits are 0; line 0 is reset */
#define OUTPUT_NOT_RESET 1u
#define OUTPUT_A20 2u
#define PORT92_RESET 1u
#define PORT92_A20 2u

static uint64_t read_data(void *device, uint64_t offset, unsigned width)
{
	(void)device;
	(void)offset;
	(void)width;
	return 0;
}

static int write_data(void *device, uint64_t offset, unsigned width, uint64_t value)
{
	struct i8042 *i8042 = device;

	(void)offset;
	(void)width;
	if (i8042->state.command == COMMAND_WRITE_OUTPUT) {
		i8042->state.output_port = (uint8_t)value;
		if (!(value & OUTPUT_NOT_RESET))
			i8042->host->reset(i8042->host->opaque);
	}
	i8042->state.command = 0;
	return 0;
}

/* Status: output buffer empty, input buffer empty. */
static uint64_t read_status(void *device, uint64_t offset, unsigned width)
{
	(void)device;
	(void)offset;
	(void)width;
	return 0;
}

static int write_command(void *device, uint64_t offset, unsigned width, uint64_t value)
{
	struct i8042 *i8042 = device;

	(void)offset;
	(void)width;
	i8042->state.command = (uint8_t)value;
	if (value >= COMMAND_PULSE && !(value & OUTPUT_NOT_RESET))
		i8042->host->reset(i8042->host->opaque);
	return 0;
}

static uint64_t port92_read(void *device, uint64_t offset, unsigned width)
{
	(void)device;
	(void)offset;
	(void)width;
	return PORT92_A20;
}

static int port92_write(void *device, uint64_t offset, unsigned width, uint64_t value)
{
	struct i8042 *i8042 = device;

	(void)offset;
	(void)width;
	if (value & PORT92_RESET)
		i8042->host->reset(i8042->host->opaque);
	return 0;
}

void i8042_init(struct i8042 *i8042, const struct device_host *host)
{
	memset(i8042, 0, sizeof(*i8042));
	i8042->host = host;
	i8042->state.output_port = OUTPUT_NOT_RESET | OUTPUT_A20;
}

const struct device_ops i8042_data_ops = {.name = "i8042",
					  .state_size = sizeof(struct i8042_state),
					  .version = 1,
					  .max_width = 1,
					  .read = read_data,
					  .write = write_data};
const struct device_ops i8042_command_ops = {
	.name = "i8042 command", .max_width = 1, .read = read_status, .write = write_command};
const struct device_ops port92_ops = {.name = "port92", .max_width = 1, .read = port92_read, .write = port92_write};
