/* host_posix.c - see host.h: Linux, by /proc, signals and eventfds. */
#include "host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* ------ this process ------ */

static long count_entries(const char *path)
{
	DIR *dir = opendir(path);
	long n = 0;

	if (!dir)
		return -1;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static long count_lines(const char *path)
{
	FILE *file = fopen(path, "r");
	long n = 0;

	if (!file)
		return -1;
	for (int c; (c = getc(file)) != EOF;)
		n += c == '\n';
	fclose(file);
	return n;
}

bool host_usage(struct host_usage *usage)
{
	FILE *file = fopen("/proc/self/statm", "r");
	long size;
	int n;

	if (!file)
		return false;
	n = fscanf(file, "%ld %ld", &size, &usage->pages);
	fclose(file);
	usage->handles = count_entries("/proc/self/fd");
	usage->mappings = count_lines("/proc/self/maps");
	return n == 2 && usage->handles >= 0 && usage->mappings >= 0;
}

int host_inherited(void)
{
	int n = 0;

	for (int fd = 3; fd < 1024; fd++) {
		int flags = fcntl(fd, F_GETFD);

		n += flags >= 0 && !(flags & FD_CLOEXEC);
	}
	return n;
}

int host_fork(void (*fn)(void *arg), void *arg)
{
	pid_t child = fork();
	int status;

	if (child < 0)
		return -1;
	if (!child) {
		alarm(2);
		fn(arg);
		_exit(0);
	}
	/* The child may send this thread a signal. */
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return 0;
}

/* ------ eventfds ------ */

int host_event(void)
{
	return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

bool host_event_signal(int fd)
{
	const uint64_t one = 1;

	return write(fd, &one, sizeof one) == sizeof one;
}

uint64_t host_event_count(int fd)
{
	uint64_t n = 0;

	return read(fd, &n, sizeof n) == sizeof n ? n : 0;
}

void host_event_close(int fd)
{
	close(fd);
}

/* ------ signals ------ */

bool host_has_signals(void)
{
	return true;
}

void host_signal_handler(void (*handler)(int number))
{
	static struct sigaction before;
	const struct sigaction action = {.sa_handler = handler};

	sigaction(SIGUSR2, handler ? &action : &before, handler ? &before : NULL);
}

void host_signal_hold(bool held)
{
	sigset_t usr2;

	sigemptyset(&usr2);
	sigaddset(&usr2, SIGUSR2);
	pthread_sigmask(held ? SIG_BLOCK : SIG_UNBLOCK, &usr2, NULL);
}

void host_signal(pthread_t thread)
{
	pthread_kill(thread, SIGUSR2);
}
