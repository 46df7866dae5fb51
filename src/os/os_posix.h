/* os_posix.h - shared by the files of src/os on POSIX systems only. */
#ifndef VMA_OS_POSIX_H
#define VMA_OS_POSIX_H

#include "os/os.h"

struct os_thread {
	atomic_uint refs;
	atomic_int alive;
	int pid, tid; /* the system's own names, for signals */
};

/* Fill in the system's names of the calling thread. */
void os_thread_identify(struct os_thread *t);

#endif
