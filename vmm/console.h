/* console.h - where the guest's output goes. Bytes enter a bounded buffer under the machine lock, a thread of its own
 * writes them out, so that a terminal that is stopped or a pipe that is full blocks nobody who holds that lock. */
#ifndef VMM_CONSOLE_H
#define VMM_CONSOLE_H

#include <uv.h>

#include "error.h"

#define CONSOLE_BUFFER (64u << 10)
#define MARKER_MAX 256u

struct console {
	enum vmm_console kind;
	const char *path;
	int fd;
	void (*write)(void *opaque, const void *data, size_t size);
	void *write_opaque;
	/* Called on the writer's thread without the console's lock: there is room again after a "no"; everything is
	 * written. */
	void (*room)(void *opaque);
	void (*drained)(void *opaque);
	void *opaque;

	uv_mutex_t lock;
	uv_cond_t output; /* there is something to write */
	uv_cond_t space;  /* there is room */
	uv_thread_t writer;
	size_t head, count;
	int started, closing, flush, writing, room_wanted;
	int failed; /* libuv's code of the first write that failed; output is thrown away from then on */

	char marker[MARKER_MAX];
	uint16_t fallback[MARKER_MAX]; /* of the search, as Knuth, Morris and Pratt */
	unsigned marker_size, matched;
	uint64_t marker_at; /* uv_hrtime; 0: not yet */

	uint8_t buffer[CONSOLE_BUFFER];
};

/* 0, or -1 and *error. The callbacks may be set afterwards, before the first byte. */
int console_open(struct console *console, const struct vmm_config *config, struct vmm_error *error);
int console_put(struct console *console, uint8_t byte); /* 1: taken; 0: no room */
int console_has_room(struct console *console);          /* a "no" makes `room` be called later */
/* Wait until there is room, or for 100 ms: the caller looks whether it has to stop and comes back. */
void console_wait(struct console *console);
int console_is_drained(struct console *console);
uint64_t console_marker_at(struct console *console);
/* Write out the rest and end the thread. 1 if it is done. With `abandon` it does not wait for a writer that is stuck: 0
 * then, and the console must stay where it is. */
int console_close(struct console *console, int abandon);

#endif
