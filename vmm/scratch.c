/* scratch.c - big blocks are memory objects of the library (whose last reference unmaps them), small ones come from
 * malloc. */
#include "scratch.h"

#include <stdint.h>
#include <stdlib.h>
#include <vmaccel/vmaccel.h>

#define BIG (64u << 10)

union header {
	vma_mem *mem; /* NULL: from malloc */
	max_align_t align;
	uint8_t room[64];
};

void *scratch_alloc(size_t size)
{
	union header *header = NULL;
	vma_mem *mem = NULL;

	if (size > SIZE_MAX / 2)
		return NULL;
	if (size >= BIG) {
		if (vma_mem_anon(((uint64_t)size + sizeof(*header) + 4095) & ~(uint64_t)4095, &mem) < 0)
			return NULL;
		header = vma_mem_hva(mem);
	} else {
		header = malloc(size + sizeof(*header));
		if (!header)
			return NULL;
	}
	header->mem = mem;
	return header + 1;
}

void scratch_free(void *p)
{
	union header *header = p;

	if (!p)
		return;
	header--;
	if (header->mem)
		vma_mem_unref(header->mem);
	else
		free(header);
}
