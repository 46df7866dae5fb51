/* soft_event.c - irqfd and ioeventfd of the software back end: which guest writes signal an eventfd (core/ioevent.c), and the thread
 * that turns eventfds into interrupts. */
#include "soft.h"

int soft_ioeventfd(struct vma_vm *vm, const vma_ioeventfd *io, int assign)
{
	struct soft_vm *sv = vm->priv;
	soft_stop_world(sv, false);
	int error = assign ? vma_ioevent_add(&sv->ioevents, io) : vma_ioevent_remove(&sv->ioevents, io);
	soft_start_world(sv);
	return error;
}

/* ------ irqfd ------ */

#define MAX_IRQFDS 64

static void pulse(struct soft_vm *sv, uint32_t gsi)
{
	soft_host_wrote(sv);
	os_lock(&sv->irq_lock);
	for (int level = 1; level >= 0; level--)
		if (sv->has_gic)
			gic_line(&sv->gic, 0, GIC_PRIVATE + gsi, level);
		else
			irq_pc_line(&sv->pc, gsi, level);
	os_unlock(&sv->irq_lock);
}

/* Waits outside the lock; a removed descriptor may be looked at once more, which is why its owner's write wakes us first. */
static void event_main(void *arg)
{
	struct soft_vm *sv = arg;
	int fds[MAX_IRQFDS + 1];
	uint8_t ready[MAX_IRQFDS + 1];
	for (;;) {
		os_lock(&sv->event_lock);
		size_t n = sv->irqfd_count;
		bool quit = sv->event_quit;
		fds[0] = sv->event_wake;
		for (size_t i = 0; i < n; i++)
			fds[i + 1] = sv->irqfds[i].fd;
		os_unlock(&sv->event_lock);
		if (quit)
			return;
		os_poll(fds, n + 1, ready);
		if (ready[0])
			os_eventfd_drain(fds[0]);
		os_lock(&sv->event_lock);
		for (size_t i = 0; i < n; i++)
			for (size_t j = 0; ready[i + 1] && j < sv->irqfd_count; j++)
				if (sv->irqfds[j].fd == fds[i + 1] && os_eventfd_drain(fds[i + 1]))
					pulse(sv, sv->irqfds[j].gsi);
		os_unlock(&sv->event_lock);
	}
}

static int start_thread(struct soft_vm *sv)
{
	if (sv->event_worker)
		return 0;
	if (sv->event_wake < 0)
		sv->event_wake = os_eventfd();
	if (sv->event_wake < 0)
		return vma_fail_os(sv->event_wake, "eventfd");
	int error = os_worker_start(event_main, sv, &sv->event_worker);
	return error < 0 ? vma_fail_os(error, "starting the eventfd thread") : 0;
}

static int add_irqfd(struct soft_vm *sv, int fd, uint32_t gsi)
{
	if (gsi >= IRQ_GSIS)
		return vma_fail(VMA_E_INVALID, "there is no interrupt line %u", gsi);
	if (sv->irqfd_count == MAX_IRQFDS)
		return vma_fail(VMA_E_LIMIT, "at most %d irqfds", MAX_IRQFDS);
	for (size_t i = 0; i < sv->irqfd_count; i++)
		if (sv->irqfds[i].fd == fd)
			return vma_fail(VMA_E_EXIST, "descriptor %d already raises an interrupt", fd);
	if (!sv->irqfds)
		sv->irqfds = os_calloc(MAX_IRQFDS, sizeof *sv->irqfds);
	if (!sv->irqfds)
		return vma_fail(VMA_E_NOMEM, "no memory for irqfds");
	int error = start_thread(sv);
	if (!error)
		sv->irqfds[sv->irqfd_count++] = (struct soft_irqfd){.fd = fd, .gsi = gsi};
	return error;
}

static int remove_irqfd(struct soft_vm *sv, int fd, uint32_t gsi)
{
	for (size_t i = 0; i < sv->irqfd_count; i++) {
		if (sv->irqfds[i].fd != fd || sv->irqfds[i].gsi != gsi)
			continue;
		sv->irqfds[i] = sv->irqfds[--sv->irqfd_count];
		return 0;
	}
	return vma_fail(VMA_E_NOENT, "descriptor %d raises no interrupt %u", fd, gsi);
}

int soft_irqfd(struct vma_vm *vm, int eventfd, uint32_t gsi, int assign)
{
	struct soft_vm *sv = vm->priv;
	if (!sv->has_pc)
		return vma_fail(VMA_E_STATE, "the VM has no interrupt controllers yet");
	os_lock(&sv->event_lock);
	int error = assign ? add_irqfd(sv, eventfd, gsi) : remove_irqfd(sv, eventfd, gsi);
	os_unlock(&sv->event_lock);
	if (sv->event_wake >= 0)
		os_eventfd_signal(sv->event_wake);
	return error;
}

void soft_event_close(struct soft_vm *sv)
{
	if (sv->event_worker) {
		os_lock(&sv->event_lock);
		sv->event_quit = true;
		os_unlock(&sv->event_lock);
		os_eventfd_signal(sv->event_wake);
		os_worker_join(sv->event_worker);
	}
	if (sv->event_wake >= 0)
		os_close(sv->event_wake);
	os_free(sv->irqfds);
	os_free(sv->ioevents.list);
}
