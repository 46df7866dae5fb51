/* os_windows_event.c - what stands for eventfds on Windows: event objects. Windows uses 32 bits of a handle, so that
 * programs of 32 and 64 bits can share them; a descriptor is these ("Interprocess Communication Between 32-bit and 64-bit
 * Applications"). An event keeps no count: signals that nobody has waited for yet are one. */
#include <string.h>
#include "os/os_windows.h"

static HANDLE event_of(int fd)
{
	return (HANDLE)(intptr_t)fd;
}

int os_eventfd(void)
{
	int e = os_fault("CreateEvent");
	HANDLE event = e ? NULL : CreateEventW(NULL, FALSE, FALSE, NULL);

	return event ? (int)(intptr_t)event : e ? -e : os_last_error();
}

void os_eventfd_close(int fd)
{
	CloseHandle(event_of(fd));
}

void os_eventfd_signal(int fd)
{
	SetEvent(event_of(fd));
}

/* It was signalled, and is not any more; of one that its owner resets by hand the wait leaves that to us. */
static uint8_t taken(HANDLE event)
{
	return WaitForSingleObject(event, 0) == WAIT_OBJECT_0 && ResetEvent(event);
}

_Static_assert(OS_EVENTFDS <= MAXIMUM_WAIT_OBJECTS, "WaitForMultipleObjects");

/* A wait takes one event only. What is no event any more makes all of it fail: its owner closed it too early, and the
 * others are looked at now and then. */
void os_eventfd_wait(const int *fds, size_t count, uint8_t *ready)
{
	HANDLE events[OS_EVENTFDS] = {NULL};
	DWORD first;

	for (size_t i = 0; i < count; i++)
		events[i] = event_of(fds[i]);
	first = WaitForMultipleObjects((DWORD)count, events, FALSE, INFINITE);
	if (first == WAIT_FAILED)
		Sleep(1);
	for (size_t i = 0; i < count; i++)
		ready[i] = i == first ? ResetEvent(events[i]) != 0 : taken(events[i]);
}
