/* host_windows.c - see host.h: no fork, no signals; events that keep no count. */
#include "host.h"

#include <windows.h>
#include <psapi.h>

/* ------ this process ------ */

static long count_mappings(void)
{
	MEMORY_BASIC_INFORMATION info;
	long n = 0;

	for (uint8_t *p = NULL; VirtualQuery(p, &info, sizeof info); p = (uint8_t *)info.BaseAddress + info.RegionSize)
		n += info.State != MEM_FREE;
	return n;
}

bool host_usage(struct host_usage *usage)
{
	PROCESS_MEMORY_COUNTERS memory;
	SYSTEM_INFO system;
	DWORD handles;

	if (!GetProcessHandleCount(GetCurrentProcess(), &handles) || !GetProcessMemoryInfo(GetCurrentProcess(), &memory, sizeof memory))
		return false;
	GetSystemInfo(&system);
	usage->handles = (long)handles;
	usage->pages = (long)(memory.WorkingSetSize / system.dwPageSize);
	usage->mappings = count_mappings();
	return true;
}

/* Handles are small multiples of four. */
int host_inherited(void)
{
	const HANDLE standard[] = {GetStdHandle(STD_INPUT_HANDLE), GetStdHandle(STD_OUTPUT_HANDLE), GetStdHandle(STD_ERROR_HANDLE)};
	int n = 0;

	for (uintptr_t value = 4; value < 0x10000; value += 4) {
		HANDLE handle = (HANDLE)value;
		DWORD flags;

		if (handle != standard[0] && handle != standard[1] && handle != standard[2])
			n += GetHandleInformation(handle, &flags) && (flags & HANDLE_FLAG_INHERIT);
	}
	return n;
}

int host_fork(void (*fn)(void *arg), void *arg)
{
	(void)fn, (void)arg;
	return -1;
}

/* ------ events ------ */

static HANDLE event_of(int fd)
{
	return (HANDLE)(intptr_t)fd;
}

int host_event(void)
{
	HANDLE event = CreateEventW(NULL, FALSE, FALSE, NULL);

	return event ? (int)(intptr_t)event : -1;
}

bool host_event_signal(int fd)
{
	return SetEvent(event_of(fd));
}

uint64_t host_event_count(int fd)
{
	return WaitForSingleObject(event_of(fd), 0) == WAIT_OBJECT_0;
}

void host_event_close(int fd)
{
	CloseHandle(event_of(fd));
}

/* ------ signals ------ */

bool host_has_signals(void)
{
	return false;
}

void host_signal_handler(void (*handler)(int number))
{
	(void)handler;
}

void host_signal_hold(bool held)
{
	(void)held;
}

void host_signal(pthread_t thread)
{
	(void)thread;
}
