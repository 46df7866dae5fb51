/* whpx_kick.c - ending a run from elsewhere. WHvCancelRunVirtualProcessor is latched (the current or the next run returns),
 * but it may not meet the deletion of its virtual processor, and nobody promises that it may be called in a signal
 * handler. So one thread a process does it, for every vCPU that runs while somebody wants its attention; vCPUs join and
 * leave under its lock. On a system without signals the kicker does it itself.
 *
 * No kick is lost: a vCPU says that it runs and then looks at its attention; a kick raises the attention and then looks
 * whether the vCPU runs. */
#include "whpx/whpx.h"

enum { AGAIN_NS = 10000000 }; /* a cancel that did not help is repeated: one was lost, or the run was not begun yet */

static struct {
	atomic_bool ready; /* the lock is; for good */
	struct os_mutex lock;
	struct whpx_runner *first;
	struct os_event wake;
	struct os_worker *worker;
	bool quit;
} canceller;

static bool wanted(const struct whpx_runner *r)
{
	return atomic_load(&r->running) && atomic_load(&r->kick->attention);
}

/* True: some run has yet to end. */
static bool cancel_all(void)
{
	bool any = false;

	if (!atomic_load(&canceller.ready))
		return false;
	os_lock(&canceller.lock);
	for (struct whpx_runner *r = canceller.first; r; r = r->next)
		if (wanted(r)) {
			WHPX(CancelRunVirtualProcessor, r->partition, r->index, 0);
			any = true;
		}
	os_unlock(&canceller.lock);
	return any;
}

static void cancel_loop(void *unused)
{
	uint64_t deadline = UINT64_MAX;

	(void)unused;
	for (;;) {
		os_event_wait(&canceller.wake, deadline);
		os_lock(&canceller.lock);
		bool quit = canceller.quit;
		os_unlock(&canceller.lock);
		if (quit)
			return;
		deadline = cancel_all() ? os_now_ns() + AGAIN_NS : UINT64_MAX;
	}
}

static int start(void)
{
	int rc;

	if (canceller.first)
		return 0;
	if (!atomic_load(&canceller.ready))
		os_mutex_init(&canceller.lock);
	atomic_store(&canceller.ready, true);
	canceller.quit = false;
	rc = os_worker_start(cancel_loop, NULL, &canceller.worker);
	return rc < 0 ? vma_fail_os(rc, "starting the thread that cancels runs") : 0;
}

/* Whether the worker lives is decided under the process's lock; the worker itself never takes that. */
int whpx_runner_add(struct whpx_vcpu *w)
{
	int rc;

	w->runner.kick = w->v->kick;
	w->runner.partition = w->vm->partition;
	w->runner.index = w->v->index;
	os_process_lock();
	rc = start();
	if (!rc) {
		os_lock(&canceller.lock);
		w->runner.next = canceller.first;
		canceller.first = &w->runner;
		os_unlock(&canceller.lock);
	}
	os_process_unlock();
	return rc;
}

/* When this returns no cancel is under way for it, and none will come. */
void whpx_runner_remove(struct whpx_vcpu *w)
{
	os_process_lock();
	os_lock(&canceller.lock);
	for (struct whpx_runner **r = &canceller.first; *r; r = &(*r)->next)
		if (*r == &w->runner) {
			*r = w->runner.next;
			break;
		}
	canceller.quit = !canceller.first;
	os_unlock(&canceller.lock);
	if (canceller.quit) {
		os_event_set(&canceller.wake);
		os_worker_join(canceller.worker);
		canceller.worker = NULL;
	}
	os_process_unlock();
}

void whpx_kick(struct vma_kick *k)
{
	(void)k; /* its attention is raised already */
	if (os_default_kick_signal())
		os_event_set(&canceller.wake);
	else
		cancel_all();
}
