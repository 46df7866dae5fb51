/* seen.c - see seen.h: a table with open addressing. */
#include <stdlib.h>
#include <string.h>
#include "seen.h"

static struct entry {
	uint64_t state; /* 0: free */
	double orders;
} * table;
static size_t size, used;

static struct entry *place(uint64_t state)
{
	size_t i = state & (size - 1);

	while (table[i].state && table[i].state != state)
		i = (i + 1) & (size - 1);
	return &table[i];
}

static void grow(void)
{
	struct entry *old = table;
	size_t old_size = size;

	size = size ? size * 4 : 1 << 16;
	table = calloc(size, sizeof(*table));
	if (!table)
		abort();
	for (size_t i = 0; i < old_size; i++)
		if (old[i].state)
			*place(old[i].state) = old[i];
	free(old);
}

void seen_none(void)
{
	free(table);
	table = NULL;
	size = used = 0;
}

bool seen(uint64_t state)
{
	return used && place(state)->state;
}

void seen_add(uint64_t state)
{
	if (used++ >= size / 2)
		grow();
	place(state)->state = state;
}

double *seen_orders(uint64_t state)
{
	return &place(state)->orders;
}

uint64_t seen_mix_bytes(uint64_t h, const uint8_t *p, size_t bytes)
{
	uint64_t v;

	for (; bytes >= 8; p += 8, bytes -= 8) {
		memcpy(&v, p, 8);
		h = seen_mix(h, v);
	}
	for (; bytes; bytes--)
		h = seen_mix(h, *p++);
	return h;
}
