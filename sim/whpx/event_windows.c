/* event_windows.c - see event.h. */
#include <windows.h>
#include "event.h"

void *whpsim_event_open(void *handle)
{
	HANDLE self = GetCurrentProcess(), own;
	return handle && DuplicateHandle(self, handle, self, &own, EVENT_MODIFY_STATE, FALSE, 0) ? own : NULL;
}

void whpsim_event_set(void *event)
{
	SetEvent(event);
}

void whpsim_event_close(void *event)
{
	CloseHandle(event);
}
