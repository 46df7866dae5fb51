/* os_windows.h - shared by the files of src/os on Windows only. */
#ifndef VMA_OS_WINDOWS_H
#define VMA_OS_WINDOWS_H

#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#include "os/os.h"

/* -errno of GetLastError() */
int os_last_error(void);

#endif
