/* aligned.h - memory at a multiple of 64 bytes, by malloc alone: Windows' C library has no aligned_alloc whose blocks free() takes. */
#ifndef CPU_ALIGNED_H
#define CPU_ALIGNED_H

#include <stdint.h>
#include <stdlib.h>

static inline void *cpu_aligned(size_t size)
{
	char *block = malloc(size + 64 + sizeof(void *)), *p;

	if (!block)
		return NULL;
	p = block + sizeof(void *);
	p += -(uintptr_t)p & 63;
	((void **)(void *)p)[-1] = block;
	return p;
}

static inline void cpu_aligned_free(void *p)
{
	if (p)
		free(((void **)p)[-1]);
}

#endif
