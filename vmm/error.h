/* error.h - filling in a struct vmm_error. */
#ifndef VMM_ERROR_H
#define VMM_ERROR_H

#include "vmm.h"

/* Store status and sentence (error may be NULL); returns -1, so that callers can return its value. */
int vmm_fail(struct vmm_error *error, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The status that an error of the library stands for (VMM_STATUS_ACCEL for a missing accelerator, ...). */
int vmm_status_of(int vma_error);

#endif
