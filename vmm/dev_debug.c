/* dev_debug.c - ports for people: a write to 0xf4 ends the machine with a status, 0x80 swallows POST codes (and Linux's
 * I/O delays). */
#include "devices.h"

static uint64_t debug_read(void *device, uint64_t offset, unsigned width)
{
	(void)device;
	(void)offset;
	(void)width;
	return 0;
}

static int debug_write(void *device, uint64_t offset, unsigned width, uint64_t value)
{
	struct debug_exit *debug = device;

	(void)width;
	if (offset == 0)
		debug->host->debug_exit(debug->host->opaque, (uint32_t)value);
	return 0;
}

void debug_exit_init(struct debug_exit *debug, const struct device_host *host)
{
	*debug = (struct debug_exit){.host = host};
}

const struct device_ops debug_exit_ops = {
	.name = "debug-exit", .max_width = 4, .read = debug_read, .write = debug_write};

static uint64_t post_read(void *device, uint64_t offset, unsigned width)
{
	struct post_code *post = device;

	(void)offset;
	(void)width;
	return post->state.value;
}

static int post_write(void *device, uint64_t offset, unsigned width, uint64_t value)
{
	struct post_code *post = device;

	(void)offset;
	(void)width;
	post->state.value = (uint8_t)value;
	return 0;
}

const struct device_ops post_code_ops = {.name = "post",
					 .state_size = sizeof(struct post_code_state),
					 .version = 1,
					 .max_width = 1,
					 .read = post_read,
					 .write = post_write};
