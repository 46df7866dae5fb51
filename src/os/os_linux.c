/* os_linux.c - what only Linux has: memfd, eventfd, futex, thread ids. */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "os/os.h"
#include "os/os_posix.h"

int os_memfd(uint64_t size)
{
	int e = os_fault("memfd_create");
	int fd = e ? -1 : memfd_create("vmaccel", MFD_CLOEXEC);

	if (fd < 0)
		return e ? -e : -errno;
	e = os_fault("ftruncate");
	if (!e && ftruncate(fd, (off_t)size))
		e = errno;
	if (e)
		close(fd);
	return e ? -e : fd;
}

int os_random(void *p, size_t size)
{
	int e = os_fault("getrandom");

	if (e)
		return -e;
	return getrandom(p, size, 0) == (ssize_t)size ? 0 : -EAGAIN;
}

int os_eventfd(void)
{
	int e = os_fault("eventfd");
	int fd = e ? -1 : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	return e ? -e : fd < 0 ? -errno : fd;
}

void os_eventfd_signal(int fd)
{
	uint64_t one = 1;

	while (write(fd, &one, sizeof one) < 0 && errno == EINTR)
		;
}

void os_eventfd_close(int fd)
{
	close(fd);
}

static uint8_t taken(int fd)
{
	uint64_t count;

	return read(fd, &count, sizeof count) == (ssize_t)sizeof count;
}

void os_eventfd_wait(const int *fds, size_t count, uint8_t *ready)
{
	struct pollfd polled[OS_EVENTFDS];
	int closed = 0;

	for (size_t i = 0; i < count; i++)
		polled[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
	poll(polled, (nfds_t)count, -1);
	for (size_t i = 0; i < count; i++)
		closed |= polled[i].revents & POLLNVAL;
	if (closed)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	for (size_t i = 0; i < count; i++)
		ready[i] = polled[i].revents & POLLIN ? taken(fds[i]) : 0;
}

/* ------ threads ------ */

void os_thread_identify(struct os_thread *t)
{
	t->pid = (int)getpid();
	t->tid = (int)syscall(SYS_gettid);
}

int os_thread_signal(const struct os_thread *t, int sig)
{
	int saved = errno, rc;

	if (!atomic_load(&t->alive))
		return -ESRCH;
	/* Should the thread end here and its id come back, another thread of this process gets a signal whose handler
	 * does nothing. */
	rc = syscall(SYS_tgkill, t->pid, t->tid, sig) ? -errno : 0;
	errno = saved;
	return rc;
}

/* ------ events ------ */

void os_event_set(struct os_event *e)
{
	int saved = errno;

	if (!atomic_exchange(&e->set, 1))
		syscall(SYS_futex, &e->set, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	errno = saved;
}

int os_event_wait(struct os_event *e, uint64_t deadline_ns)
{
	struct timespec ts = {.tv_sec = (time_t)(deadline_ns / 1000000000u),
			      .tv_nsec = (long)(deadline_ns % 1000000000u)};

	while (!atomic_exchange(&e->set, 0)) {
		/* FUTEX_WAIT_BITSET takes an absolute CLOCK_MONOTONIC time. */
		long rc = syscall(SYS_futex, &e->set, FUTEX_WAIT_BITSET_PRIVATE, 0,
				  deadline_ns == UINT64_MAX ? NULL : &ts, NULL, FUTEX_BITSET_MATCH_ANY);
		if (rc && errno == ETIMEDOUT)
			return atomic_exchange(&e->set, 0);
	}
	return 1;
}
