/* ram.h - guest memory as loaders and devices see it: a few regions of host memory at guest physical addresses. */
#ifndef VMM_RAM_H
#define VMM_RAM_H

#include <stddef.h>
#include <stdint.h>

struct ram_region {
	uint64_t gpa;
	uint64_t size;
	uint8_t *hva;
};

#define RAM_REGIONS 2
struct guest_ram {
	struct ram_region region[RAM_REGIONS];
	unsigned count;
};

/* Host pointer to [gpa, gpa+size) if one region holds all of it, else NULL. */
static inline void *ram_at(const struct guest_ram *ram, uint64_t gpa, uint64_t size)
{
	for (unsigned i = 0; i < ram->count; i++) {
		const struct ram_region *r = &ram->region[i];

		if (gpa >= r->gpa && gpa - r->gpa <= r->size && size <= r->size - (gpa - r->gpa))
			return r->hva + (gpa - r->gpa);
	}
	return NULL;
}

#endif
