/* host.h - what the checks ask of the host beside the library. host_posix.c, host_windows.c: what a host has not, it says, and the check
 * skips. */
#ifndef CONFORMANCE_HOST_H
#define CONFORMANCE_HOST_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* What this process holds. Returns false where the host does not tell. */
struct host_usage {
	long handles, mappings, pages; /* pages: resident */
};
bool host_usage(struct host_usage *usage);

/* How many handles or descriptors, but the standard ones, a program that is started now would inherit. */
int host_inherited(void);
/* Run fn in a copy of this process, which may die of it, and wait for its end. -1: this host does not fork. */
int host_fork(void (*fn)(void *arg), void *arg);

/* An eventfd, or what stands for it here, as vma_vm_irqfd and vma_vm_ioeventfd take it; -1: none to be had. */
int host_event(void);
bool host_event_signal(int fd);
uint64_t host_event_count(int fd); /* of signals since it was asked last; at most 1 where the host does not count */
void host_event_close(int fd);

/* One signal for the checks' own use: a handler (NULL: as before), and whether it is held back from this thread. */
bool host_has_signals(void);
void host_signal_handler(void (*handler)(int number));
void host_signal_hold(bool held);
void host_signal(pthread_t thread);

#endif
