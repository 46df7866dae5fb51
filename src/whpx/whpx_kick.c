/* whpx_kick.c - entering the guest, and ending a run from elsewhere.
 *
 * WHvCancelRunVirtualProcessor is latched: the current run ends, or else the next one. But it may not meet the deletion
 * of its virtual processor or partition, and nobody promises that it may be called in a signal handler. So the vCPUs
 * there are stand in a list, whose lock is held around a cancel, and one thread a process cancels. A kicker wakes it;
 * where there are no signals it cancels by itself first.
 *
 * No kick is lost: a vCPU says that it runs and then looks at its attention; a kick raises the attention and then looks
 * whether the vCPU runs. That takes one order of all four (memory_order_seq_cst), which costs as much as the rest of an
 * entry: so the vCPU says it once, and it stands over all exits until a kicker takes it. A cancel that comes between
 * two runs ends the next one for no reason: one at most, since whoever takes `running` cancels once. Where the probe
 * found that such a cancel is lost, it is made again until the run has ended. test/schedules goes through all orders of
 * this file's steps. */
#include "whpx/whpx.h"

enum { AGAIN_NS = 10000000 }; /* after a cancel that failed, or may have been lost */

static bool cancels_are_lost(void)
{
	return whpx_host.tried.cancel == WHPX_OTHERWISE;
}

static struct {
	bool made;            /* `lock` is; for good */
	struct os_mutex lock; /* the list; a cancel is under way */
	struct whpx_runner *first;
	struct os_event wake;
	struct os_worker *worker;
	atomic_bool quit;
} canceller;

/* Whoever takes `running` owes the run a cancel. Where one may be lost it is owed until the run has ended. */
static bool due(struct whpx_runner *r)
{
	if (!atomic_load(&r->kick->attention))
		return false;
	return cancels_are_lost() ? atomic_load(&r->inside) : atomic_exchange(&r->running, false);
}

/* False: a cancel failed, or may have been lost, and is due still. */
static bool cancel_due(void)
{
	bool done = true;

	os_lock(&canceller.lock);
	for (struct whpx_runner *r = canceller.first; r; r = r->next) {
		if (!due(r))
			continue;
		if (WHPX(CancelRunVirtualProcessor, r->partition, r->index, 0)) {
			atomic_store(&r->running, !cancels_are_lost());
			done = false;
		}
		done = done && !cancels_are_lost();
	}
	os_unlock(&canceller.lock);
	return done;
}

static void cancel_loop(void *unused)
{
	uint64_t deadline = UINT64_MAX;

	(void)unused;
	while (!atomic_load(&canceller.quit)) {
		os_event_wait(&canceller.wake, deadline);
		deadline = cancel_due() ? UINT64_MAX : os_now_ns() + AGAIN_NS;
	}
}

void whpx_kick(struct vma_kick *k)
{
	(void)k; /* its attention is raised */
	if (os_default_kick_signal() || !cancel_due())
		os_event_set(&canceller.wake);
}

static HRESULT run_vp_once(struct whpx_vcpu *w)
{
	return WHPX(RunVirtualProcessor, w->vm->partition, w->v->index, &w->ctx, whpx_host.context_size);
}

/* It is said anew each time, and taken back; `running` is false for ever. */
static HRESULT enter_where_lost(struct whpx_vcpu *w)
{
	HRESULT hr;

	atomic_store(&w->runner.inside, true);
	hr = atomic_load(&w->v->kick->attention) ? S_FALSE : run_vp_once(w);
	atomic_store(&w->runner.inside, false);
	return hr;
}

HRESULT whpx_enter(struct whpx_vcpu *w)
{
	if (!atomic_load_explicit(&w->runner.running, memory_order_relaxed)) {
		if (cancels_are_lost())
			return enter_where_lost(w);
		atomic_store(&w->runner.running, true);
		if (atomic_load(&w->v->kick->attention))
			return S_FALSE;
	}
	return run_vp_once(w);
}

/* ------ the list; its ends are under the process's lock, which the thread never takes ------ */

static int start(void)
{
	int rc;

	if (!canceller.made)
		os_mutex_init(&canceller.lock);
	canceller.made = true;
	if (canceller.worker)
		return 0;
	atomic_store(&canceller.quit, false);
	rc = os_worker_start(cancel_loop, NULL, &canceller.worker);
	return rc < 0 ? vma_fail_os(rc, "starting the thread that cancels runs") : 0;
}

static void stop(void)
{
	atomic_store(&canceller.quit, true);
	os_event_set(&canceller.wake);
	os_worker_join(canceller.worker);
	canceller.worker = NULL;
}

int whpx_runner_add(struct whpx_vcpu *w)
{
	struct whpx_runner *r = &w->runner;
	int rc;

	r->kick = w->v->kick;
	r->partition = w->vm->partition;
	r->index = w->v->index;
	os_process_lock();
	rc = start();
	if (!rc) {
		os_lock(&canceller.lock);
		r->next = canceller.first;
		canceller.first = r;
		os_unlock(&canceller.lock);
	}
	os_process_unlock();
	return rc;
}

void whpx_runner_remove(struct whpx_vcpu *w)
{
	struct whpx_runner **place = &canceller.first;

	os_process_lock();
	os_lock(&canceller.lock);
	while (*place != &w->runner)
		place = &(*place)->next;
	*place = w->runner.next;
	os_unlock(&canceller.lock);
	if (!canceller.first)
		stop();
	os_process_unlock();
}
