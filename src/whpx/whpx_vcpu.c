/* whpx_vcpu.c - a vCPU's life, its runs, completing an exit without going on. */
#include <string.h>
#include "whpx/whpx.h"

/* ------ life ------ */

static void close_parts(struct whpx_vcpu *w)
{
	whpx_emu_close(w);
	os_free(w->xsave);
	w->xsave = NULL;
}

static int open_parts(struct whpx_vcpu *w)
{
	HRESULT hr = WHPX(CreateVirtualProcessor, w->vm->partition, w->v->index, 0);
	int rc = hr ? whpx_fail(hr, "WHvCreateVirtualProcessor") : 0;

	if (rc)
		return rc;
	rc = whpx_msr_open(w);
	if (!rc)
		rc = whpx_runner_add(w);
	if (rc)
		whpx_api.DeleteVirtualProcessor(w->vm->partition, w->v->index);
	return rc;
}

int whpx_vcpu_open(struct vma_vcpu *v)
{
	struct whpx_vcpu *w = whpx_vcpu(v);
	int rc;

	w->v = v;
	w->vm = whpx_vm(v->vm);
	rc = whpx_emu_open(w);
	if (!rc)
		rc = open_parts(w);
	if (rc)
		close_parts(w);
	return rc;
}

/* The canceller forgets it first: a cancel may not meet the deletion. */
void whpx_vcpu_close(struct vma_vcpu *v)
{
	struct whpx_vcpu *w = whpx_vcpu(v);

	whpx_runner_remove(w);
	whpx_api.DeleteVirtualProcessor(w->vm->partition, v->index);
	close_parts(w);
}

/* ------ completing ------ */

int whpx_complete(struct vma_vcpu *v)
{
	struct whpx_vcpu *w = whpx_vcpu(v);
	int rc;

	if (!v->exit.pending)
		return 0;
	rc = whpx_finish(w);
	if (rc)
		return rc;
	v->exit.pending = 0;
	w->half = WHPX_NONE;
	return 0;
}

/* ------ runs ------ */

static int leave_stashed(struct whpx_vcpu *w)
{
	int kind = w->stashed;

	w->stashed = 0;
	w->v->exit = w->stashed_exit;
	return kind;
}

static bool nothing_waits(const struct whpx_vcpu *w)
{
	return !w->interruption && !w->nmi_pending && !w->held && !w->v->irq_window && !w->debug_on &&
	       !atomic_load_explicit(&w->v->kick->attention, memory_order_relaxed);
}

/* Enter once. The runner says that it runs before it looks at the attention: whoever raises that looks at the runner
 * afterwards (whpx_kick.c). */
static int enter(struct whpx_vcpu *w)
{
	HRESULT hr = S_OK;
	bool called;

	atomic_store(&w->runner.running, true);
	called = atomic_load(&w->v->kick->attention);
	if (!called) {
		whpx_emu_forget(w);
		w->fresh_events = false;
		hr = WHPX(RunVirtualProcessor, w->vm->partition, w->v->index, &w->ctx, sizeof(w->ctx));
	}
	atomic_store(&w->runner.running, false);
	if (called)
		return whpx_leave(w, VMA_EXIT_CANCELED);
	return hr ? whpx_fail(hr, "WHvRunVirtualProcessor") : whpx_exit(w);
}

int whpx_run(struct vma_vcpu *v)
{
	struct whpx_vcpu *w = whpx_vcpu(v);
	bool finished = v->exit.pending;
	int rc = finished ? whpx_complete(v) : 0;

	if (rc)
		return rc < 0 ? rc : (int)v->exit.kind;
	for (;;) {
		if (w->stashed)
			return leave_stashed(w);
		rc = whpx_before_entry(w);
		if (!rc && w->debug_on)
			rc = whpx_debug_enter(w);
		if (!rc && finished && nothing_waits(w))
			rc = whpx_emu_continue(w);
		finished = false;
		if (!rc)
			rc = whpx_flush(w);
		if (!rc)
			rc = enter(w);
		if (rc)
			return rc;
	}
}
