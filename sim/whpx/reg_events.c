/* reg_events.c - the registers of what is in flight: interruptions, pending events, shadows, windows, activity. */
#include "registers.h"

enum { EXTERNAL = 0, NMI = 2, EXCEPTION = 3, SOFTWARE = 4, SOFTWARE_EXCEPTION = 6 };

static HRESULT get_interruption(struct whpsim_vp *vp, const struct whpsim_row *row, WHV_REGISTER_VALUE *v)
{
	const struct x86_cpu *c = vp->cpu;
	WHV_X64_PENDING_INTERRUPTION_REGISTER *r = &v->PendingInterruption;
	(void)row;
	if (c->exc_valid) {
		r->InterruptionPending = 1;
		r->InterruptionType = EXCEPTION;
		r->InterruptionVector = c->exc_vector;
		r->DeliverErrorCode = c->exc_error >= 0;
		r->ErrorCode = c->exc_error >= 0 ? (uint32_t)c->exc_error : 0;
	} else if (c->inject_valid) {
		r->InterruptionPending = 1;
		r->InterruptionType = c->inject_type;
		r->InterruptionVector = c->inject_vector;
		r->DeliverErrorCode = c->inject_has_error;
		r->InstructionLength = c->inject_len;
		r->ErrorCode = c->inject_error;
	}
	return S_OK;
}

/* A software interrupt of no length is one whose return address is in RIP already (SDM vol. 3, IA32_VMX_MISC bit 30).
 */
static bool interruption_ok(const WHV_X64_PENDING_INTERRUPTION_REGISTER *r)
{
	unsigned type = r->InterruptionType;
	if (!r->InterruptionPending)
		return true;
	if (r->InterruptionVector >> 8 || r->Reserved || r->NestedEvent || type == 1 || type == 7)
		return false;
	if (type == NMI && r->InterruptionVector != 2)
		return false;
	if (type == EXCEPTION && (r->InterruptionVector > 31 || r->InterruptionVector == 2))
		return false;
	return !r->DeliverErrorCode || type == EXCEPTION;
}

static HRESULT set_interruption(struct whpsim_vp *vp, const struct whpsim_row *row, const WHV_REGISTER_VALUE *v)
{
	struct x86_cpu *c = vp->cpu;
	const WHV_X64_PENDING_INTERRUPTION_REGISTER *r = &v->PendingInterruption;
	(void)row;
	if (!interruption_ok(r))
		return ERROR_HV_INVALID_REGISTER_VALUE;
	c->exc_valid = c->exc_triple = false;
	c->inject_valid = r->InterruptionPending;
	c->inject_type = (uint8_t)r->InterruptionType;
	c->inject_vector = (uint8_t)r->InterruptionVector;
	c->inject_has_error = r->DeliverErrorCode;
	c->inject_error = r->DeliverErrorCode ? r->ErrorCode : 0;
	c->inject_len = r->InterruptionType >= SOFTWARE ? (uint8_t)r->InstructionLength : 0;
	return S_OK;
}

static HRESULT get_interrupt_state(struct whpsim_vp *vp, const struct whpsim_row *row, WHV_REGISTER_VALUE *v)
{
	(void)row;
	v->InterruptState.InterruptShadow = vp->cpu->shadow != 0;
	v->InterruptState.NmiMasked = vp->cpu->nmi_masked;
	return S_OK;
}

/* The platform has one bit for both shadows; that of MOV SS also holds back what STI's does. */
static HRESULT set_interrupt_state(struct whpsim_vp *vp, const struct whpsim_row *row, const WHV_REGISTER_VALUE *v)
{
	(void)row;
	if (v->InterruptState.Reserved)
		return ERROR_HV_INVALID_REGISTER_VALUE;
	if (v->InterruptState.InterruptShadow != (vp->cpu->shadow != 0))
		vp->cpu->shadow = v->InterruptState.InterruptShadow ? 1 : 0;
	vp->cpu->nmi_masked = v->InterruptState.NmiMasked;
	return S_OK;
}

/* A pending exception is one that will be delivered, so it shows as an interruption as well once it is. */
static HRESULT get_event(struct whpsim_vp *vp, const struct whpsim_row *row, WHV_REGISTER_VALUE *v)
{
	(void)row;
	if (vp->extint_valid) {
		v->ExtIntEvent.EventPending = 1;
		v->ExtIntEvent.EventType = WHvX64PendingEventExtInt;
		v->ExtIntEvent.Vector = vp->extint;
	} else if (vp->exception.EventPending) {
		v->ExceptionEvent = vp->exception;
	}
	return S_OK;
}

static HRESULT set_event(struct whpsim_vp *vp, const struct whpsim_row *row, const WHV_REGISTER_VALUE *v)
{
	const WHV_X64_PENDING_EXCEPTION_EVENT *e = &v->ExceptionEvent;
	(void)row;
	bool exception = e->EventPending && e->EventType == WHvX64PendingEventException;
	bool extint = e->EventPending && e->EventType == WHvX64PendingEventExtInt;
	if (e->EventPending && !exception && !extint)
		return ERROR_HV_INVALID_REGISTER_VALUE;
	if (exception && (e->Vector > 31 || e->Vector == 2))
		return ERROR_HV_INVALID_REGISTER_VALUE;
	vp->extint_valid = extint;
	vp->extint = v->ExtIntEvent.Vector;
	vp->exception = *e;
	vp->exception.EventPending = exception;
	return S_OK;
}

static HRESULT get_wanted(struct whpsim_vp *vp, const struct whpsim_row *row, WHV_REGISTER_VALUE *v)
{
	(void)row;
	v->DeliverabilityNotifications = vp->wanted;
	return S_OK;
}

static HRESULT set_wanted(struct whpsim_vp *vp, const struct whpsim_row *row, const WHV_REGISTER_VALUE *v)
{
	(void)row;
	if (v->DeliverabilityNotifications.Reserved)
		return ERROR_HV_INVALID_REGISTER_VALUE;
	vp->wanted = v->DeliverabilityNotifications;
	return S_OK;
}

static HRESULT get_activity(struct whpsim_vp *vp, const struct whpsim_row *row, WHV_REGISTER_VALUE *v)
{
	(void)row;
	v->InternalActivity.StartupSuspend = vp->wait_sipi;
	v->InternalActivity.HaltSuspend = vp->halted;
	return S_OK;
}

static HRESULT set_activity(struct whpsim_vp *vp, const struct whpsim_row *row, const WHV_REGISTER_VALUE *v)
{
	(void)row;
	if (v->InternalActivity.Reserved)
		return ERROR_HV_INVALID_REGISTER_VALUE;
	if (!whpsim_has_apic(vp->partition)) /* as was seen on Windows 11 */
		return ERROR_HV_ACCESS_DENIED;
	vp->wait_sipi = v->InternalActivity.StartupSuspend;
	vp->halted = v->InternalActivity.HaltSuspend;
	return S_OK;
}

static HRESULT get_pending_debug(struct whpsim_vp *vp, const struct whpsim_row *row, WHV_REGISTER_VALUE *v)
{
	(void)row;
	v->PendingDebugException = vp->pending_debug;
	return S_OK;
}

static HRESULT set_pending_debug(struct whpsim_vp *vp, const struct whpsim_row *row, const WHV_REGISTER_VALUE *v)
{
	(void)row;
	if (v->PendingDebugException.Reserved0)
		return ERROR_HV_INVALID_REGISTER_VALUE;
	vp->pending_debug = v->PendingDebugException;
	return S_OK;
}

const struct whpsim_row whpsim_event_rows[WHPSIM_EVENT_ROWS] = {
	[0] = {get_interruption, set_interruption, 0, NOTHING},
	[1] = {get_interrupt_state, set_interrupt_state, 0, NOTHING},
	[2] = {get_event, set_event, 0, NOTHING},
	[4] = {get_wanted, set_wanted, 0, NOTHING},
	[5] = {get_activity, set_activity, 0, NOTHING},
	[6] = {get_pending_debug, set_pending_debug, 0, NOTHING},
};
