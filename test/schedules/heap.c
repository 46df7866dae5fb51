/* heap.c - memory of the code explored: what it has allocated and what it may touch besides. */
#include <string.h>
#include "explore.h"

enum { HEAP = 1 << 16, BLOCKS = 64, RANGES = 16 };

static struct range {
	const uint8_t *p;
	size_t size;
} memories[RANGES];
static unsigned memory_count;
static uint8_t heap[HEAP] __attribute__((aligned(64)));
static struct block {
	size_t begin, size;
	bool freed;
} blocks[BLOCKS];
static unsigned block_count;
static size_t heap_end;

void *explore_alloc(size_t size, size_t align)
{
	size_t begin = (heap_end + align - 1) & ~(align - 1);

	if (begin + size > HEAP || block_count == BLOCKS)
		explore_fail("the explorer's heap is full");
	blocks[block_count++] = (struct block){begin, size, false};
	heap_end = begin + size + 16;
	memset(heap + begin, 0, size);
	return heap + begin;
}

static struct block *block_of(const void *p)
{
	if ((const uint8_t *)p < heap || (const uint8_t *)p >= heap + heap_end)
		return NULL;
	for (unsigned i = 0; i < block_count; i++)
		if ((const uint8_t *)p >= heap + blocks[i].begin &&
		    (const uint8_t *)p < heap + blocks[i].begin + blocks[i].size)
			return &blocks[i];
	return NULL;
}

void explore_free(void *p)
{
	struct block *b = block_of(p);

	if (!b || b->freed || heap + b->begin != p)
		explore_fail("freed twice, or never allocated");
	b->freed = true;
	memset(p, 0, b->size); /* pointers in it are found out when they are used */
}

void explore_check(const char *what, const void *p)
{
	const struct block *b = block_of(p);

	if (b && b->freed)
		explore_fail("%s: it has been freed", what);
	for (unsigned i = 0; !b && i < memory_count; i++)
		if ((const uint8_t *)p >= memories[i].p && (const uint8_t *)p < memories[i].p + memories[i].size)
			return;
	if (!b)
		explore_fail("%s: a wild pointer", what);
}

void explore_memory(const void *p, size_t size)
{
	memories[memory_count++] = (struct range){p, size};
}

void explore_heap_empty(void)
{
	block_count = memory_count = 0;
	heap_end = 0;
}
