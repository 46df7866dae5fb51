/* bus.c - see bus.h. */
#include "bus.h"

#include <string.h>

int bus_add(struct bus *bus, uint64_t base, uint64_t size, const struct device_ops *ops, void *device)
{
	unsigned at = 0;

	if (bus->count == BUS_RANGES || !size || base > UINT64_MAX - (size - 1))
		return -1;
	while (at < bus->count && bus->range[at].base < base)
		at++;
	if (at < bus->count && bus->range[at].base - base < size)
		return -1;
	if (at > 0 && base - bus->range[at - 1].base < bus->range[at - 1].size)
		return -1;
	memmove(&bus->range[at + 1], &bus->range[at], (bus->count - at) * sizeof(bus->range[0]));
	bus->range[at] = (struct bus_range){base, size, ops, device};
	bus->count++;
	return 0;
}

static struct bus_range *find(struct bus *bus, uint64_t address)
{
	unsigned low = 0, high = bus->count;

	if (bus->last < bus->count && address - bus->range[bus->last].base < bus->range[bus->last].size)
		return &bus->range[bus->last];
	while (low < high) {
		unsigned middle = (low + high) / 2;
		struct bus_range *r = &bus->range[middle];

		if (address < r->base) {
			high = middle;
		} else if (address - r->base >= r->size) {
			low = middle + 1;
		} else {
			bus->last = middle;
			return r;
		}
	}
	return NULL;
}

/* Largest power of two that the device takes at once. */
static unsigned piece(const struct bus_range *r, uint64_t address, unsigned width)
{
	unsigned size = width >= 8 ? 8 : width >= 4 ? 4 : width >= 2 ? 2 : 1;

	while (size > r->ops->max_width || size > r->size - (address - r->base))
		size /= 2;
	return size ? size : 1;
}

static uint64_t ones(unsigned width)
{
	return width >= 8 ? UINT64_MAX : (1ull << 8 * width) - 1;
}

uint64_t bus_read(struct bus *bus, uint64_t address, unsigned width)
{
	uint64_t value = 0;

	for (unsigned done = 0; done < width;) {
		struct bus_range *r = find(bus, address + done);
		unsigned size = 1;
		uint64_t part = 0xff;

		if (r) {
			size = piece(r, address + done, width - done);
			part = r->ops->read(r->device, address + done - r->base, size) & ones(size);
		}
		value |= part << 8 * done;
		done += size;
	}
	return value;
}

int bus_write(struct bus *bus, uint64_t address, unsigned width, uint64_t value, unsigned *done)
{
	while (*done < width) {
		struct bus_range *r = find(bus, address + *done);
		unsigned size = 1;

		if (r) {
			size = piece(r, address + *done, width - *done);
			if (r->ops->write(r->device, address + *done - r->base, size,
					  (value >> 8 * *done) & ones(size)) == BUS_LATER)
				return BUS_LATER;
		}
		*done += size;
	}
	return 0;
}
