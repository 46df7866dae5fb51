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
		WHPX(DeleteVirtualProcessor, w->vm->partition, w->v->index);
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
	else if (w->vm->chips && !v->index)
		whpx_chips_boot(w->vm, v);
	return rc;
}

/* The canceller forgets it first: a cancel may not meet the deletion. */
void whpx_vcpu_close(struct vma_vcpu *v)
{
	struct whpx_vcpu *w = whpx_vcpu(v);

	if (w->vm->chips && !v->index)
		whpx_chips_boot(w->vm, NULL);
	whpx_runner_remove(w);
	WHPX(DeleteVirtualProcessor, w->vm->partition, v->index);
	close_parts(w);
}

/* ------ completing ------ */

/* Accesses that are not the caller's business. */
static bool answered(struct whpx_vcpu *w, int kind)
{
	return whpx_chips_answer(w, kind) || whpx_ioevent_answer(w, kind);
}

static void step_finished(struct whpx_vcpu *w, enum whpx_half half)
{
	if (half != WHPX_EMULATED && w->v->debug.single_step && !w->interruption)
		whpx_debug_finished(w, w->advanced);
}

int whpx_complete(struct vma_vcpu *v)
{
	struct whpx_vcpu *w = whpx_vcpu(v);
	enum whpx_half half = w->half;
	int rc;

	if (!v->exit.pending)
		return 0;
	do
		rc = whpx_finish(w);
	while (rc == 1 && answered(w, (int)v->exit.kind));
	if (rc)
		return rc;
	v->exit.pending = 0;
	if (w->debug_on)
		step_finished(w, half);
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

static HRESULT enter_timed(struct whpx_vcpu *w)
{
	uint64_t start = os_now_ns();
	HRESULT hr = whpx_enter(w);

	whpx_emu_timed(w, hr == S_OK ? os_now_ns() - start : UINT64_MAX);
	return hr;
}

static int enter(struct whpx_vcpu *w)
{
	HRESULT hr = w->untimed ? enter_timed(w) : whpx_enter(w);

	if (w->trapping)
		whpx_debug_trapped(w, hr == S_OK);
	if (hr == S_FALSE)
		return whpx_leave(w, VMA_EXIT_CANCELED);
	whpx_emu_forget(w);
	w->fresh_events = false;
	return hr ? whpx_fail(hr, "WHvRunVirtualProcessor") : whpx_exit(w);
}

/* Out of the guest: what has its answer is complete, and the run goes on. */
static int settle(struct whpx_vcpu *w, int kind)
{
	if (!answered(w, kind))
		return kind;
	kind = whpx_complete(w->v);
	return kind == 1 ? (int)w->v->exit.kind : kind;
}

/* What comes before an entry; a step ends here, done by the emulator. 0: enter. */
static int prepare(struct whpx_vcpu *w, bool finished)
{
	int rc = whpx_before_entry(w);

	if (rc)
		return rc;
	if (!w->debug_on)
		return finished && w->emu_loaded && nothing_waits(w) ? whpx_emu_continue(w) : 0;
	rc = whpx_debug_enter(w);
	if (!rc && w->v->debug.single_step && !w->trapping)
		return whpx_leave(w, VMA_EXIT_CANCELED); /* no instruction was completed: the core comes again */
	return rc;
}

int whpx_run(struct vma_vcpu *v)
{
	struct whpx_vcpu *w = whpx_vcpu(v);
	bool finished = v->exit.pending;
	int rc = finished ? whpx_complete(v) : 0;

	if (rc)
		return rc < 0 ? rc : (int)v->exit.kind;
	do {
		if (w->stashed)
			return leave_stashed(w);
		rc = prepare(w, finished);
		if (!rc)
			rc = whpx_flush(w);
		if (!rc)
			rc = enter(w);
		else if (w->trapping)
			whpx_debug_trapped(w, false);
		finished = rc > 0 && atomic_load_explicit(&w->vm->answers, memory_order_acquire);
		if (finished)
			rc = settle(w, rc);
	} while (!rc);
	return rc;
}
