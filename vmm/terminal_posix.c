/* terminal_posix.c - see terminal.h: libuv has kept the mode that it changed. */
#include "terminal.h"

#include <uv.h>

int terminal_open(void)
{
	return 0;
}

int terminal_write(const uint8_t *data, size_t size)
{
	(void)data, (void)size;
	return 0;
}

void terminal_close(void)
{
	uv_tty_reset_mode();
}
