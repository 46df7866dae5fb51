/* scratch.h - working memory of loaders that goes back to the system when it is freed, however the C library's heap
 * behaves. */
#ifndef VMM_SCRATCH_H
#define VMM_SCRATCH_H

#include <stddef.h>

void *scratch_alloc(size_t size); /* NULL: none; not zeroed when small */
void scratch_free(void *p);       /* NULL is allowed */

#endif
