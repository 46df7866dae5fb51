/* os_posix.h - shared by the files of src/os on POSIX systems only. */
#ifndef VMA_OS_POSIX_H
#define VMA_OS_POSIX_H

#include "os/os_thread.h"

/* Fill in the system's names of the calling thread. */
void os_thread_identify(struct os_thread *t);

#endif
