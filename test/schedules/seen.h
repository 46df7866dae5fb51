/* seen.h - the states that have been seen, by their hashes: two of a million that differ are taken for one with a
 * probability of 1e-7. */
#ifndef EXPLORE_SEEN_H
#define EXPLORE_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void seen_none(void);
bool seen(uint64_t state);
void seen_add(uint64_t state); /* not yet seen; not 0 */
/* The orders that go on from it: one that has been seen. */
double *seen_orders(uint64_t state);

static inline uint64_t seen_mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 29;
}
uint64_t seen_mix_bytes(uint64_t h, const uint8_t *p, size_t size);

#endif
