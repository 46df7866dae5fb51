/* qsort.c - sorting records of 16 bytes through a comparison function, as qsort of C libraries does: quicksort by
 * median of three, insertion for short ranges. */
#include "programs.h"

struct record {
	uint64_t key, value;
};
typedef int compare_fn(const void *, const void *);

static int by_key(const void *a, const void *b)
{
	uint64_t x = ((const struct record *)a)->key, y = ((const struct record *)b)->key;

	return x < y ? -1 : x > y;
}

static void swap(uint8_t *a, uint8_t *b, uint64_t size)
{
	for (uint64_t i = 0; i < size; i += 8) {
		uint64_t *x = (uint64_t *)(void *)(a + i), *y = (uint64_t *)(void *)(b + i), t = *x;

		*x = *y;
		*y = t;
	}
}

static void insert(uint8_t *base, uint64_t n, uint64_t size, compare_fn *compare)
{
	for (uint8_t *p = base + size; p < base + n * size; p += size)
		for (uint8_t *q = p; q > base && compare(q - size, q) > 0; q -= size)
			swap(q, q - size, size);
}

static void sort(uint8_t *base, uint64_t n, uint64_t size, compare_fn *compare)
{
	while (n > 8) {
		uint8_t *low = base, *mid = base + n / 2 * size, *high = base + (n - 1) * size;
		uint64_t left;

		if (compare(low, mid) > 0)
			swap(low, mid, size);
		if (compare(mid, high) > 0)
			swap(mid, high, size);
		if (compare(low, mid) > 0)
			swap(low, mid, size);
		swap(mid, high - size, size);
		mid = high -= size;
		for (;;) {
			do
				low += size;
			while (compare(low, mid) < 0);
			do
				high -= size;
			while (compare(mid, high) < 0);
			if (low >= high)
				break;
			swap(low, high, size);
		}
		swap(low, mid, size);
		left = (uint64_t)(low - base) / size;
		sort(low + size, n - left - 1, size, compare);
		n = left;
	}
	insert(base, n, size, compare);
}

/* Not known to the compiler, which would inline it. */
static compare_fn *volatile comparison = by_key;

uint64_t program_qsort(uint64_t reps, uint8_t *heap)
{
	struct record *all = (struct record *)(void *)heap;
	uint64_t seed = 362436069, sum = 0;

	for (; reps; reps--) {
		for (int i = 0; i < 1000; i++)
			all[i] = (struct record){next_random(&seed) >> 8, (uint64_t)i};
		sort(heap, 1000, sizeof(*all), comparison);
		for (int i = 0; i < 1000; i++)
			sum = sum * 31 + all[i].value;
	}
	return sum;
}
