/* event_posix.c - see event.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>
#include "event.h"

/* Number 0 would be no handle. */
void *whpsim_event_open(void *handle)
{
	int fd = handle ? fcntl((int)(intptr_t)handle, F_DUPFD_CLOEXEC, 1) : -1;
	return fd < 0 ? NULL : (void *)(intptr_t)fd;
}

void whpsim_event_set(void *event)
{
	const uint64_t one = 1;
	while (write((int)(intptr_t)event, &one, sizeof one) < 0 && errno == EINTR)
		;
}

void whpsim_event_close(void *event)
{
	close((int)(intptr_t)event);
}
