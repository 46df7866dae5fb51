/* os.h - what the library asks of the operating system. Every call that can fail goes through here, so that the fault
 * sweep can make the n-th one fail: vma_os_fault, when set, is asked before each call and a positive errno from it
 * fails that call. Implemented in os_posix.c and os_linux.c, os_windows*.c (later
 * os_darwin.c); what Windows has not (signals, ioctl) fails there with ENODEV. Calls return 0 or more,
 * or -errno. */
#ifndef VMA_OS_H
#define VMA_OS_H

#include <stddef.h>
#include <stdint.h>
#include <stdatomic.h>

/* Test hook: returns 0, or the errno with which `call` is to fail. Not for use while other threads are inside the
 * library. */
extern int (*vma_os_fault)(const char *call);
/* For the files of src/os: ask the hook. */
int os_fault(const char *call);
/* What errno `number` means: text or a constant. */
const char *os_error_text(int number, char *text, size_t size);
/* Where what needs nothing but this operating system has run: "native", or what there was instead of it. */
const char *os_proved(void);

void *os_calloc(size_t count, size_t size);  /* zeroed; NULL when out of memory */
void *os_aligned(size_t align, size_t size); /* zeroed; free with os_free */
void os_free(void *p);

/* Files and devices */
int os_open(const char *path, int flags);
int os_close(int fd);
long os_read(int fd, void *to, size_t size); /* bytes, 0 at the end; -errno */
int os_dup(int fd);
int64_t os_file_size(int fd); /* -EINVAL: no regular file */
long os_ioctl(int fd, unsigned long request, void *arg, const char *name);

/* Linux' eventfds, Windows' event objects: descriptors that os_close does not know. */
int os_eventfd(void);
void os_eventfd_close(int fd);
void os_eventfd_signal(int fd);
/* Wait until one of them has been signalled, or for no reason; ready[i] is 1 for those, which are not signalled any
 * more. count at most OS_EVENTFDS. */
enum { OS_EVENTFDS = 64 };
void os_eventfd_wait(const int *fds, size_t count, uint8_t *ready);

/* Pages. os_map returns MAP_FAILED-free: 0 and *out, or -errno. */
int os_page_size(void);
int os_memfd(uint64_t size);
enum { OS_MAP_WRITE = 1, OS_MAP_PRIVATE = 2, OS_MAP_NORESERVE = 4 };
int os_map(int fd, uint64_t offset, size_t size, unsigned flags, void **out); /* fd -1: anonymous */
void os_unmap(void *p, size_t size);

/* A library of the system's own, by its file name: from the system's folder only; it stays loaded. Where there are none,
 * those that the program has been linked with, if any. os_symbol: NULL: it has no such function. */
int os_system_library(const char *name, void **lib);
void *os_symbol(void *lib, const char *name);

/* Time: monotonic nanoseconds; the host's TSC frequency in Hz (0: not known). */
uint64_t os_now_ns(void);
uint64_t os_tsc_hz(void);
uint64_t os_tsc(void); /* the counter itself; 0 where there is none */

int os_random(void *p, size_t size); /* 0, or -errno: no random bytes now; size at most 256 */

/* Threads. A record a thread, reference-counted, so that "is the owner alive" has an answer after it ended. */
struct os_thread;
struct os_thread *os_thread_self(void); /* this thread's record, no new reference; NULL: out of memory */
int os_thread_alive(const struct os_thread *t);
void os_thread_ref(struct os_thread *t);
void os_thread_unref(struct os_thread *t);
int os_thread_signal(const struct os_thread *t, int sig); /* async-signal-safe; -ESRCH: gone */
int os_default_kick_signal(void);                         /* SIGUSR1 where there are signals, else 0 */
/* Make sure that `sig` interrupts system calls: installs a handler calling hook() if the signal has none. hook runs in
 * signal context. */
int os_kick_signal(int sig, void (*hook)(void));

/* A binary event that can be set from a signal handler. */
struct os_event {
	atomic_int set;
};
void os_event_set(struct os_event *e);
/* Wait until it is set or the monotonic deadline passes (UINT64_MAX: never), then clear it. Returns 1: was set, 0:
 * deadline. */
int os_event_wait(struct os_event *e, uint64_t deadline_ns);

/* Locks that cannot fail */
struct os_mutex {
	_Alignas(8) unsigned char opaque[64];
};
void os_mutex_init(struct os_mutex *m);
void os_mutex_destroy(struct os_mutex *m);
void os_lock(struct os_mutex *m);
void os_unlock(struct os_mutex *m);
/* One lock a process, recursive, for what is done once a process (probing, measuring). */
void os_process_lock(void);
void os_process_unlock(void);
struct os_cond {
	_Alignas(8) unsigned char opaque[64];
};
void os_cond_init(struct os_cond *c);
void os_cond_destroy(struct os_cond *c);
void os_cond_wait(struct os_cond *c, struct os_mutex *m);
int os_cond_wait_until(struct os_cond *c, struct os_mutex *m, uint64_t deadline_ns); /* 0: deadline passed */
void os_cond_broadcast(struct os_cond *c);
void os_yield(void); /* let another thread have this processor, if one waits for it */
/* A helper thread of the library's own (the soft back end's timer); all signals blocked. */
struct os_worker;
int os_worker_start(void (*fn)(void *), void *arg, struct os_worker **out);
void os_worker_join(struct os_worker *w);

#endif
