/* ioevent.c - the guest writes of a VM that signal an eventfd, for back ends that see such writes themselves. */
#include <string.h>
#include "core/internal.h"

static bool same(const vma_ioeventfd *a, const vma_ioeventfd *b)
{
	return a->address == b->address && a->length == b->length && a->pio == b->pio && a->match == b->match &&
	       a->eventfd == b->eventfd && (!a->match || a->value == b->value);
}

/* Two that would both take a write: KVM refuses the second (api.rst 4.59). */
static bool clashing(const vma_ioeventfd *a, const vma_ioeventfd *b)
{
	return a->address == b->address && a->pio == b->pio && (!a->length || !b->length || a->length == b->length) &&
	       (!a->match || !b->match || a->value == b->value);
}

int vma_ioevent_add(struct vma_ioevents *e, const vma_ioeventfd *io)
{
	for (size_t i = 0; i < e->count; i++)
		if (clashing(e->list + i, io))
			return vma_fail(VMA_E_EXIST, "%s %#llx already signals an eventfd", io->pio ? "port" : "gpa",
					(unsigned long long)io->address);
	vma_ioeventfd *bigger = os_calloc(e->count + 1, sizeof(*bigger));
	if (!bigger)
		return vma_fail(VMA_E_NOMEM, "no memory for an ioeventfd");
	if (e->count)
		memcpy(bigger, e->list, e->count * sizeof(*bigger));
	bigger[e->count++] = *io;
	os_free(e->list);
	e->list = bigger;
	return 0;
}

/* e->count: it is not there. */
static size_t index_of(const struct vma_ioevents *e, const vma_ioeventfd *io)
{
	size_t i = 0;

	while (i < e->count && !same(e->list + i, io))
		i++;
	return i;
}

bool vma_ioevent_has(const struct vma_ioevents *e, const vma_ioeventfd *io)
{
	return index_of(e, io) < e->count;
}

int vma_ioevent_remove(struct vma_ioevents *e, const vma_ioeventfd *io)
{
	size_t i = index_of(e, io);

	if (i == e->count)
		return vma_fail(VMA_E_NOENT, "%s %#llx signals no such eventfd", io->pio ? "port" : "gpa",
				(unsigned long long)io->address);
	e->list[i] = e->list[--e->count];
	return 0;
}

/* NULL: none takes the write. */
static const vma_ioeventfd *taker(const struct vma_ioevents *e, bool pio, uint64_t address, unsigned length,
				  const uint8_t *data)
{
	uint64_t value = 0;

	memcpy(&value, data, length <= 8 ? length : 8);
	for (size_t i = 0; i < e->count; i++) {
		const vma_ioeventfd *io = e->list + i;
		const uint64_t mask = length >= 8 ? UINT64_MAX : (1ull << 8 * length) - 1;
		if (io->address != address || !!io->pio != pio || (io->length && io->length != length) ||
		    (io->match && ((io->value ^ value) & mask)))
			continue;
		return io;
	}
	return NULL;
}

bool vma_ioevent_hit(const struct vma_ioevents *e, bool pio, uint64_t address, unsigned length, const uint8_t *data)
{
	const vma_ioeventfd *io = taker(e, pio, address, length, data);

	if (io)
		os_eventfd_signal(io->eventfd);
	return io;
}

bool vma_ioevent_outs(const struct vma_ioevents *e, uint16_t port, unsigned width, const uint8_t *data, uint32_t *count)
{
	const bool hit = vma_ioevent_hit(e, true, port, width, data);
	uint32_t n = 1;

	if (!e->count)
		return false;
	while (n < *count && !!taker(e, true, port, width, data + (size_t)n * width) == hit) {
		if (hit)
			vma_ioevent_hit(e, true, port, width, data + (size_t)n * width);
		n++;
	}
	*count = n;
	return hit;
}
