/* os_windows.c - threads, locks and time on Windows 10. Waiting is by address and by condition variables, which take no
 * handle of the kernel's. Memory and files: os_windows_mem.c. */
#include <errno.h>
#include <process.h>
#include <string.h>
#include "os/os_thread.h"
#include "os/os_windows.h"
#include <ntsecapi.h>
#include <timeapi.h>

static const struct {
	DWORD code;
	int error;
} errors[] = {
	{ERROR_ACCESS_DENIED, EACCES},     {ERROR_FILE_NOT_FOUND, ENOENT},    {ERROR_PATH_NOT_FOUND, ENOENT},
	{ERROR_NOT_ENOUGH_MEMORY, ENOMEM}, {ERROR_OUTOFMEMORY, ENOMEM},       {ERROR_COMMITMENT_LIMIT, ENOMEM},
	{ERROR_INVALID_PARAMETER, EINVAL}, {ERROR_TOO_MANY_OPEN_FILES, EMFILE}, {ERROR_INVALID_HANDLE, EBADF},
	{ERROR_MOD_NOT_FOUND, ENOENT},     {ERROR_PROC_NOT_FOUND, ENOENT},    {ERROR_DISK_FULL, ENOSPC},
	{ERROR_NO_SYSTEM_RESOURCES, ENOMEM},
};

int os_last_error(void)
{
	DWORD code = GetLastError();

	for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
		if (errors[i].code == code)
			return -errors[i].error;
	return -EIO;
}

const char *os_error_text(int number, char *text, size_t size)
{
	return strerror_s(text, size, number) ? "?" : text;
}

const char *os_proved(void)
{
	return "under Wine; never run on Windows";
}

int os_random(void *p, size_t size)
{
	int e = os_fault("RtlGenRandom");

	return e ? -e : RtlGenRandom(p, (ULONG)size) ? 0 : -EAGAIN;
}

/* ------ time ------ */

uint64_t os_now_ns(void)
{
	static _Atomic uint64_t frequency;
	LARGE_INTEGER count;
	uint64_t hz = frequency;

	if (!hz) {
		QueryPerformanceFrequency(&count);
		frequency = hz = (uint64_t)count.QuadPart;
	}
	QueryPerformanceCounter(&count);
	uint64_t ticks = (uint64_t)count.QuadPart;
	return ticks / hz * 1000000000u + ticks % hz * 1000000000u / hz;
}

static BOOL CALLBACK fine_ticks(PINIT_ONCE once, PVOID arg, PVOID *context)
{
	(void)once;
	(void)arg;
	(void)context;
	timeBeginPeriod(1);
	return TRUE;
}

/* How long to wait, in Windows' milliseconds, rounded up. Its clock ticks every 15.6 ms unless somebody in the process asks for better,
 * which a guest's timers need. */
static DWORD until(uint64_t deadline_ns)
{
	static INIT_ONCE once = INIT_ONCE_STATIC_INIT;
	uint64_t now = os_now_ns(), ms;

	if (deadline_ns == UINT64_MAX)
		return INFINITE;
	InitOnceExecuteOnce(&once, fine_ticks, NULL, NULL);
	ms = deadline_ns > now ? (deadline_ns - now + 999999) / 1000000 : 0;
	return ms < INFINITE ? (DWORD)ms : INFINITE - 1;
}

/* ------ threads ------ */

void os_yield(void)
{
	SwitchToThread();
}

static INIT_ONCE slot_once = INIT_ONCE_STATIC_INIT;
static DWORD slot = FLS_OUT_OF_INDEXES;

static void NTAPI thread_ended(void *p)
{
	struct os_thread *t = p;

	atomic_store(&t->alive, 0);
	os_thread_unref(t);
}

static BOOL CALLBACK make_slot(PINIT_ONCE once, PVOID arg, PVOID *context)
{
	(void)once;
	(void)arg;
	(void)context;
	slot = FlsAlloc(thread_ended);
	return TRUE;
}

static struct os_thread *new_record(void)
{
	struct os_thread *t = os_calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	atomic_init(&t->refs, 1);
	atomic_init(&t->alive, 1);
	t->pid = (int)GetCurrentProcessId();
	t->tid = (int)GetCurrentThreadId();
	if (FlsSetValue(slot, t))
		return t;
	os_free(t);
	return NULL;
}

struct os_thread *os_thread_self(void)
{
	InitOnceExecuteOnce(&slot_once, make_slot, NULL, NULL);
	if (slot == FLS_OUT_OF_INDEXES)
		return NULL;
	struct os_thread *t = FlsGetValue(slot);
	return t ? t : new_record();
}

int os_thread_signal(const struct os_thread *t, int sig)
{
	(void)t;
	(void)sig;
	return -ENODEV;
}

int os_default_kick_signal(void)
{
	return 0;
}

int os_kick_signal(int sig, void (*hook)(void))
{
	(void)sig;
	(void)hook;
	return -ENODEV;
}

struct os_worker {
	HANDLE thread;
	void (*fn)(void *);
	void *arg;
};

static unsigned __stdcall worker_main(void *p)
{
	struct os_worker *w = p;

	w->fn(w->arg);
	return 0;
}

int os_worker_start(void (*fn)(void *), void *arg, struct os_worker **out)
{
	struct os_worker *w = os_calloc(1, sizeof(*w));
	int e;

	if (!w)
		return -ENOMEM;
	w->fn = fn;
	w->arg = arg;
	e = os_fault("_beginthreadex");
	if (!e) {
		w->thread = (HANDLE)_beginthreadex(NULL, 0, worker_main, w, 0, NULL);
		e = w->thread ? 0 : errno;
	}
	if (e) {
		os_free(w);
		return -e;
	}
	*out = w;
	return 0;
}

void os_worker_join(struct os_worker *w)
{
	WaitForSingleObject(w->thread, INFINITE);
	CloseHandle(w->thread);
	os_free(w);
}

/* ------ events ------ */

void os_event_set(struct os_event *e)
{
	if (!atomic_exchange(&e->set, 1))
		WakeByAddressSingle(&e->set);
}

int os_event_wait(struct os_event *e, uint64_t deadline_ns)
{
	int unset = 0;

	while (!atomic_exchange(&e->set, 0)) {
		DWORD ms = until(deadline_ns);

		if (!ms)
			return atomic_exchange(&e->set, 0);
		WaitOnAddress(&e->set, &unset, sizeof unset, ms);
	}
	return 1;
}

/* ------ locks ------ */

_Static_assert(sizeof(SRWLOCK) <= sizeof(struct os_mutex), "os_mutex is too small");
_Static_assert(sizeof(CONDITION_VARIABLE) <= sizeof(struct os_cond), "os_cond is too small");

static SRWLOCK *mutex_of(struct os_mutex *m)
{
	return (SRWLOCK *)(void *)m->opaque;
}

static CONDITION_VARIABLE *cond_of(struct os_cond *c)
{
	return (CONDITION_VARIABLE *)(void *)c->opaque;
}

void os_mutex_init(struct os_mutex *m)
{
	InitializeSRWLock(mutex_of(m));
}

void os_mutex_destroy(struct os_mutex *m)
{
	(void)m;
}

void os_lock(struct os_mutex *m)
{
	AcquireSRWLockExclusive(mutex_of(m));
}

void os_unlock(struct os_mutex *m)
{
	ReleaseSRWLockExclusive(mutex_of(m));
}

static CRITICAL_SECTION process_lock;
static INIT_ONCE process_once = INIT_ONCE_STATIC_INIT;

static BOOL CALLBACK make_process_lock(PINIT_ONCE once, PVOID arg, PVOID *context)
{
	(void)once;
	(void)arg;
	(void)context;
	InitializeCriticalSection(&process_lock);
	return TRUE;
}

void os_process_lock(void)
{
	InitOnceExecuteOnce(&process_once, make_process_lock, NULL, NULL);
	EnterCriticalSection(&process_lock);
}

void os_process_unlock(void)
{
	LeaveCriticalSection(&process_lock);
}

void os_cond_init(struct os_cond *c)
{
	InitializeConditionVariable(cond_of(c));
}

void os_cond_destroy(struct os_cond *c)
{
	(void)c;
}

void os_cond_wait(struct os_cond *c, struct os_mutex *m)
{
	SleepConditionVariableSRW(cond_of(c), mutex_of(m), INFINITE, 0);
}

int os_cond_wait_until(struct os_cond *c, struct os_mutex *m, uint64_t deadline_ns)
{
	return SleepConditionVariableSRW(cond_of(c), mutex_of(m), until(deadline_ns), 0) || GetLastError() != ERROR_TIMEOUT;
}

void os_cond_broadcast(struct os_cond *c)
{
	WakeAllConditionVariable(cond_of(c));
}

/* ------ the system's own libraries ------ */

int os_system_library(const char *name, void **lib)
{
	int e = os_fault("LoadLibraryEx");

	if (e)
		return -e;
	*lib = (void *)LoadLibraryExA(name, NULL, LOAD_LIBRARY_SEARCH_SYSTEM32);
	return *lib ? 0 : os_last_error();
}

void *os_symbol(void *lib, const char *name)
{
	return (void *)GetProcAddress((HMODULE)lib, name);
}
