/* run.c - running a virtual processor, and canceling that from other threads. */
#include <string.h>
#include "whpsim.h"

enum { EXIT_CONTEXT_1803 = 144 }; /* what callers compiled for the first version have room for */

/* ------ before ------ */

/* A pending exception becomes the one to deliver; what it carries takes effect with it. */
static void take_exception(struct whpsim_vp *vp)
{
	struct x86_cpu *c = vp->cpu;
	const WHV_X64_PENDING_EXCEPTION_EVENT *e = &vp->exception;
	c->inject_valid = true;
	c->inject_type = 3;
	c->inject_vector = (uint8_t)e->Vector;
	c->inject_has_error = e->DeliverErrorCode;
	c->inject_error = e->ErrorCode;
	c->inject_len = 0;
	if (e->Vector == 14)
		c->cr2 = e->ExceptionParameter;
	vp->exception.EventPending = 0;
}

/* A trap that an instruction left behind which somebody else has finished. */
static void take_debug(struct whpsim_vp *vp)
{
	enum { STEP = 1 << 14 };
	struct x86_cpu *c = vp->cpu;
	const WHV_X64_PENDING_DEBUG_EXCEPTION *d = &vp->pending_debug;
	c->dr[6] |= (d->AsUINT64 & 15) | (d->SingleStep ? STEP : 0);
	c->inject_valid = true;
	c->inject_type = 3;
	c->inject_vector = 1;
	c->inject_has_error = false;
	c->inject_len = 0;
	vp->pending_debug.AsUINT64 = 0;
}

static void take_events(struct whpsim_vp *vp)
{
	struct x86_cpu *c = vp->cpu;
	if (c->inject_valid || c->exc_valid)
		return;
	if (vp->exception.EventPending)
		take_exception(vp);
	else if (vp->pending_debug.AsUINT64)
		take_debug(vp);
}

static void prepare(struct whpsim_vp *vp)
{
	struct x86_cpu *c = vp->cpu;
	whpsim_env_refresh(vp);
	whpsim_want_window(vp);
	c->nmi_window = vp->wanted.NmiNotification && !c->nmi_pending;
	c->nmi_pending = c->nmi_pending || c->nmi_window;
	x86_host_wrote(vp->partition->share); /* the caller may have written code */
}

/* For a cancel that was kept back. */
static void look_again(struct whpsim_vp *vp)
{
	vp->cpu->insn_limit = UINT64_MAX;
	atomic_store(&vp->attention, 1);
}

/* A window's NMI is none, and comes back with the next run if it is still wanted. So does a cancel that was kept back.
 */
static void tidy(struct whpsim_vp *vp)
{
	if (vp->cpu->nmi_window)
		vp->cpu->nmi_window = vp->cpu->nmi_pending = false;
	if (vp->hostile.late)
		look_again(vp);
}

/* ------ running ------ */

static bool is_canceled(struct whpsim_vp *vp)
{
	return atomic_load_explicit(&vp->cancel, memory_order_relaxed) && atomic_exchange(&vp->cancel, false);
}

static bool sleeps(const struct whpsim_vp *vp)
{
	return vp->halted || vp->wait_sipi || atomic_load_explicit(&vp->init, memory_order_relaxed);
}

static void report_trap(struct whpsim_vp *vp, WHV_RUN_VP_EXIT_CONTEXT *x)
{
	const struct whpsim_trap *t = &vp->trap;
	x->ExitReason = t->reason;
	if (t->reason == WHvRunVpExitReasonX64ApicEoi) {
		x->ApicEoi.InterruptVector = (uint32_t)t->value;
	} else if (t->reason == WHvRunVpExitReasonX64ApicInitSipiTrap) {
		x->ApicInitSipi.ApicIcr = t->value;
	} else {
		x->ApicWrite.Type = (WHV_X64_APIC_WRITE_TYPE)t->type;
		x->ApicWrite.WriteValue = t->value;
	}
	vp->trap.reason = WHvRunVpExitReasonNone;
}

/* Why the CPU stopped by itself: to report a trap of the APIC's, or because of a cancel, which may have been taken. */
static bool stopped_by_poll(struct whpsim_vp *vp, WHV_RUN_VP_EXIT_CONTEXT *x)
{
	if (vp->trap.reason) {
		whpsim_exit(vp, X86_STOP_POLL, x);
		report_trap(vp, x);
		return true;
	}
	if (!is_canceled(vp))
		return false;
	whpsim_exit(vp, X86_STOP_POLL, x);
	return true;
}

/* Where VMX's instructions shut down, #UD stops the CPU: others' is the guest's if the caller does not want it. And one
 * may be the guest's that the caller wants. */
static bool raises_ud(struct whpsim_vp *vp, enum x86_stop_kind *kind)
{
	enum { UD = 6 };
	struct x86_cpu *c = vp->cpu;
	const struct whpsim_properties *p = &vp->partition->properties;
	if (*kind != X86_STOP_EXCEPTION || c->stop.exception != UD)
		return false;
	if (whpsim_config()->vmx_shuts_down && whpsim_at_vmx(vp)) {
		*kind = X86_STOP_TRIPLE;
		return false;
	}
	if (p->exits.ExceptionExit && p->exception_bitmap >> UD & 1 &&
	    !(whpsim_config()->call_unseen && whpsim_at_vmcall(vp)))
		return false;
	c->inject_valid = true;
	c->inject_type = 3;
	c->inject_vector = UD;
	c->inject_has_error = false;
	c->inject_len = 0;
	return true;
}

/* One stretch of the guest; false: it is to go on. */
static bool stretch(struct whpsim_vp *vp, WHV_RUN_VP_EXIT_CONTEXT *x)
{
	bool done = true;
	whpsim_enter(vp);
	enum x86_stop_kind kind = x86_run(vp->cpu);
	vp->counts.stops[kind]++;
	if (kind == X86_STOP_POLL) {
		done = stopped_by_poll(vp, x);
	} else if (kind == X86_STOP_HLT && whpsim_has_apic(vp->partition)) {
		vp->halted = true;
		done = false;
	} else if (kind == X86_STOP_INIT || raises_ud(vp, &kind)) {
		done = false;
	} else if (kind == X86_STOP_BUDGET) {
		look_again(vp);
		done = false;
	} else {
		whpsim_exit(vp, kind, x);
	}
	whpsim_leave(vp);
	return done;
}

static void outside(struct whpsim_vp *vp, WHV_RUN_VP_EXIT_REASON reason, WHV_RUN_VP_EXIT_CONTEXT *x)
{
	x->ExitReason = reason;
	whpsim_vp_context(vp, &x->VpContext);
}

static void run(struct whpsim_vp *vp, WHV_RUN_VP_EXIT_CONTEXT *x)
{
	take_events(vp);
	if (!whpsim_state_valid(vp)) {
		outside(vp, WHvRunVpExitReasonInvalidVpRegisterValue, x);
		return;
	}
	whpsim_time_resume(vp->partition);
	prepare(vp);
	do {
		if (sleeps(vp) && !whpsim_wait_runnable(vp, x))
			break;
	} while (!stretch(vp, x));
	tidy(vp);
}

/* Spurious ones, of the hostile mode. */
static bool early(struct whpsim_vp *vp, WHV_RUN_VP_EXIT_CONTEXT *x)
{
	if (whpsim_hostile_early(&vp->hostile, x)) {
		whpsim_vp_context(vp, &x->VpContext);
		return true;
	}
	const struct x86_cpu *c = vp->cpu;
	bool open = c->eflags & 0x200 && !c->shadow && !c->inject_valid && !c->exc_valid;
	if (open && !vp->halted && !vp->wait_sipi && whpsim_hostile_window(&vp->hostile)) {
		outside(vp, WHvRunVpExitReasonX64InterruptWindow, x);
		return true;
	}
	return false;
}

/* A client that times its exits finds them as dear as it was asked for. */
static void take_time(uint64_t begin, uint64_t ns)
{
	while (whpsim_host_ns() - begin < ns)
		;
}

HRESULT WHvRunVirtualProcessor(WHV_PARTITION_HANDLE Partition, uint32_t VpIndex, void *ExitContext,
			       uint32_t ExitContextSizeInBytes)
{
	struct whpsim_vp *vp;
	WHV_RUN_VP_EXIT_CONTEXT x;
	if (!ExitContext)
		return E_POINTER;
	if (ExitContextSizeInBytes < EXIT_CONTEXT_1803)
		return WHV_E_INSUFFICIENT_BUFFER;
	if (ExitContextSizeInBytes > EXIT_CONTEXT_1803 && whpsim_config()->context_1803)
		return E_INVALIDARG;
	HRESULT r = whpsim_acquire(Partition, VpIndex, "WHvRunVirtualProcessor", &vp);
	if (r != S_OK)
		return r;
	uint64_t begin = vp->exit_ns ? whpsim_host_ns() : 0;
	memset(&x, 0, sizeof x);
	vp->counts.runs++;
	if (!early(vp, &x))
		run(vp, &x);
	if (vp->exit_ns)
		take_time(begin, vp->exit_ns);
	whpsim_hostile_exit(&vp->hostile, &x);
	whpsim_release(vp);
	memcpy(ExitContext, &x, ExitContextSizeInBytes < sizeof x ? ExitContextSizeInBytes : sizeof x);
	return S_OK;
}

/* Sticky: the run that is under way, or else the next one, ends by it. The processor must not be deleted meanwhile. */
HRESULT WHvCancelRunVirtualProcessor(WHV_PARTITION_HANDLE Partition, uint32_t VpIndex, uint32_t Flags)
{
	struct whpsim_partition *p = whpsim_partition(Partition);
	if (!p)
		return E_HANDLE;
	if (Flags)
		return E_INVALIDARG;
	struct whpsim_vp *vp = VpIndex < WHPSIM_MAX_VPS ? p->vps[VpIndex] : NULL;
	if (!vp)
		return WHV_E_VP_DOES_NOT_EXIST;
	atomic_fetch_add(&vp->cancelling, 1);
	atomic_fetch_add_explicit(&vp->counts.cancels, 1, memory_order_relaxed);
	if (!whpsim_config()->cancel_lost || atomic_load(&vp->busy)) /* busy: most likely in a run */
		atomic_store(&vp->cancel, true);
	whpsim_wake(vp);
	atomic_fetch_sub(&vp->cancelling, 1);
	return S_OK;
}
