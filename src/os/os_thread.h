/* os_thread.h - a thread's record, for the files of src/os. */
#ifndef VMA_OS_THREAD_H
#define VMA_OS_THREAD_H

#include "os/os.h"

struct os_thread {
	atomic_uint refs;
	atomic_int alive;
	int pid, tid; /* the system's own names, for signals */
};

#endif
