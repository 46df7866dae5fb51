/* irqfd.c - see irqfd.h. */
#include "core/irqfd.h"

#define MAX_IRQFDS 64

/* Waits outside the lock; a removed descriptor may be looked at once more, which is why its owner's write wakes us
 * first. */
static void event_main(void *arg)
{
	struct vma_irqfds *e = arg;
	int fds[MAX_IRQFDS + 1];
	uint8_t ready[MAX_IRQFDS + 1];
	for (;;) {
		os_lock(&e->lock);
		size_t n = e->count;
		bool quit = e->quit;
		fds[0] = e->wake;
		for (size_t i = 0; i < n; i++)
			fds[i + 1] = e->list[i].fd;
		os_unlock(&e->lock);
		if (quit)
			return;
		os_poll(fds, n + 1, ready);
		if (ready[0])
			os_eventfd_drain(fds[0]);
		os_lock(&e->lock);
		for (size_t i = 0; i < n; i++)
			for (size_t j = 0; ready[i + 1] && j < e->count; j++)
				if (e->list[j].fd == fds[i + 1] && os_eventfd_drain(fds[i + 1]))
					e->pulse(e->opaque, e->list[j].gsi);
		os_unlock(&e->lock);
	}
}

static int start_thread(struct vma_irqfds *e)
{
	if (e->worker)
		return 0;
	if (e->wake < 0)
		e->wake = os_eventfd();
	if (e->wake < 0)
		return vma_fail_os(e->wake, "eventfd");
	int error = os_worker_start(event_main, e, &e->worker);
	return error < 0 ? vma_fail_os(error, "starting the eventfd thread") : 0;
}

static int add_irqfd(struct vma_irqfds *e, int fd, uint32_t gsi)
{
	if (e->count == MAX_IRQFDS)
		return vma_fail(VMA_E_LIMIT, "at most %d irqfds", MAX_IRQFDS);
	for (size_t i = 0; i < e->count; i++)
		if (e->list[i].fd == fd)
			return vma_fail(VMA_E_EXIST, "descriptor %d already raises an interrupt", fd);
	if (!e->list)
		e->list = os_calloc(MAX_IRQFDS, sizeof *e->list);
	if (!e->list)
		return vma_fail(VMA_E_NOMEM, "no memory for irqfds");
	int error = start_thread(e);
	if (!error)
		e->list[e->count++] = (struct vma_irqfd){.fd = fd, .gsi = gsi};
	return error;
}

static int remove_irqfd(struct vma_irqfds *e, int fd, uint32_t gsi)
{
	for (size_t i = 0; i < e->count; i++) {
		if (e->list[i].fd != fd || e->list[i].gsi != gsi)
			continue;
		e->list[i] = e->list[--e->count];
		return 0;
	}
	return vma_fail(VMA_E_NOENT, "descriptor %d raises no interrupt %u", fd, gsi);
}

int vma_irqfd_change(struct vma_irqfds *e, int fd, uint32_t gsi, int assign)
{
	os_lock(&e->lock);
	int error = assign ? add_irqfd(e, fd, gsi) : remove_irqfd(e, fd, gsi);
	os_unlock(&e->lock);
	if (e->wake >= 0)
		os_eventfd_signal(e->wake);
	return error;
}

void vma_irqfds_init(struct vma_irqfds *e, void (*pulse)(void *opaque, uint32_t gsi), void *opaque)
{
	*e = (struct vma_irqfds){.wake = -1, .pulse = pulse, .opaque = opaque};
	os_mutex_init(&e->lock);
}

void vma_irqfds_close(struct vma_irqfds *e)
{
	if (e->worker) {
		os_lock(&e->lock);
		e->quit = true;
		os_unlock(&e->lock);
		os_eventfd_signal(e->wake);
		os_worker_join(e->worker);
	}
	if (e->wake >= 0)
		os_close(e->wake);
	os_free(e->list);
	os_mutex_destroy(&e->lock);
}
