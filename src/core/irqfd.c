/* irqfd.c - see irqfd.h. */
#include "core/irqfd.h"

enum { MAX_IRQFDS = OS_EVENTFDS - 1 };

/* What is waited for: the wake first, then the list as it is now, which `seen` says. 0: the end. */
static size_t look(struct vma_irqfds *e, int *fds, uint32_t *gsis)
{
	size_t n;

	os_lock(&e->lock);
	fds[0] = e->wake;
	for (n = 0; n < e->count; n++) {
		fds[n + 1] = e->list[n].fd;
		gsis[n + 1] = e->list[n].gsi;
	}
	e->seen = e->changes;
	n = e->quit ? 0 : n + 1;
	os_cond_broadcast(&e->looked);
	os_unlock(&e->lock);
	return n;
}

static void event_main(void *arg)
{
	struct vma_irqfds *e = arg;
	int fds[OS_EVENTFDS];
	uint32_t gsis[OS_EVENTFDS];
	uint8_t ready[OS_EVENTFDS];

	for (size_t n; (n = look(e, fds, gsis));) {
		os_eventfd_wait(fds, n, ready);
		for (size_t i = 1; i < n; i++)
			if (ready[i])
				e->pulse(e->opaque, gsis[i]);
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

/* Make the thread look again, and wait until it has: what its wait found before has raised its interrupt, and it waits
 * for the list as it is now. */
static void show_thread(struct vma_irqfds *e)
{
	e->changes++;
	os_eventfd_signal(e->wake);
	while (e->seen != e->changes)
		os_cond_wait(&e->looked, &e->lock);
}

int vma_irqfd_change(struct vma_irqfds *e, int fd, uint32_t gsi, int assign)
{
	os_lock(&e->lock);
	if (!assign && e->count)
		show_thread(e); /* the wait under way may have ended before the last signals; the next one has them */
	int error = assign ? add_irqfd(e, fd, gsi) : remove_irqfd(e, fd, gsi);
	if (!error)
		show_thread(e);
	os_unlock(&e->lock);
	return error;
}

void vma_irqfds_init(struct vma_irqfds *e, void (*pulse)(void *opaque, uint32_t gsi), void *opaque)
{
	*e = (struct vma_irqfds){.wake = -1, .pulse = pulse, .opaque = opaque};
	os_mutex_init(&e->lock);
	os_cond_init(&e->looked);
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
		os_eventfd_close(e->wake);
	os_free(e->list);
	os_cond_destroy(&e->looked);
	os_mutex_destroy(&e->lock);
}
