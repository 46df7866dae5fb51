/* irqfd.h - eventfds that raise interrupts, by a thread that waits for them, for back ends whose platform has nothing
 * of the kind. Guest writes that signal eventfds are in core.h, struct vma_ioevents. */
#ifndef VMA_IRQFD_H
#define VMA_IRQFD_H

#include "core/core.h"

struct vma_irqfd {
	int fd;
	uint32_t gsi;
};

struct vma_irqfds {
	struct os_mutex lock;
	struct vma_irqfd *list;
	size_t count;
	struct os_worker *worker;
	int wake; /* eventfd that makes the thread look again; -1: no thread yet */
	bool quit;
	uint64_t changes, seen; /* of the list; the last that the thread has seen */
	struct os_cond looked;  /* `seen` moved */
	void (*pulse)(void *opaque, uint32_t gsi); /* raise and lower that line; on the thread */
	void *opaque;
};

void vma_irqfds_init(struct vma_irqfds *e, void (*pulse)(void *opaque, uint32_t gsi), void *opaque);
void vma_irqfds_close(struct vma_irqfds *e);
/* The slot irqfd; gsi has been checked. Removed, the descriptor is the caller's alone when it returns. */
int vma_irqfd_change(struct vma_irqfds *e, int fd, uint32_t gsi, int assign);

#endif
