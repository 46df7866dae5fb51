/* bus.h - dispatch of port and memory-mapped accesses to devices. Two buses a machine, each a sorted list of ranges.
 * Everything here runs under the machine lock. */
#ifndef VMM_BUS_H
#define VMM_BUS_H

#include <stddef.h>
#include <stdint.h>

/* A device is a plain struct whose first member is its state: plain data that is all there is to save and restore;
 * pointers to the machine follow it. Offsets are from the range's base; width is 1, 2, 4 or 8 and never above
 * max_width: wider accesses arrive in pieces, lowest address first. */
struct device_ops {
	const char *name; /* also of the saved state */
	uint32_t state_size;
	uint32_t version; /* of the state's layout */
	unsigned max_width;
	uint64_t (*read)(void *device, uint64_t offset, unsigned width);
	/* 0: done. BUS_LATER: the device cannot take it now (a console's buffer is full): nothing was done, ask again.
	 */
	int (*write)(void *device, uint64_t offset, unsigned width, uint64_t value);
	void (*restored)(void *device); /* after its state was replaced: drive lines, set timers; may be NULL */
};
enum { BUS_LATER = 1 };

struct bus_range {
	uint64_t base, size;
	const struct device_ops *ops;
	void *device;
};

#define BUS_RANGES 32
struct bus {
	struct bus_range range[BUS_RANGES]; /* by base; none overlap */
	unsigned count, last;
};

/* 0; -1: overlap, empty or wrapping range, or no room. */
int bus_add(struct bus *bus, uint64_t base, uint64_t size, const struct device_ops *ops, void *device);
/* What nobody claims reads as all ones. */
uint64_t bus_read(struct bus *bus, uint64_t address, unsigned width);
/* 0, or BUS_LATER: ask again with the same access; pieces that were done are remembered in *done (0 at first). */
int bus_write(struct bus *bus, uint64_t address, unsigned width, uint64_t value, unsigned *done);

#endif
