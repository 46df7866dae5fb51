/* whpx_events.c - interruptions by the platform's registers: what is in flight, injection, NMIs, windows (WHP,
 * WHvRegisterPendingInterruption, ...InterruptState, ...DeliverabilityNotifications). The platform has one place for an
 * event that is to be delivered; what comes with it waits here. */
#include <string.h>
#include "whpx/whpx.h"

/* PendingInterruption's types are VMX's (TLFS, HV_X64_PENDING_INTERRUPTION_TYPE; SDM vol. 3, table 25-16); the API's
 * header names the first three. */
enum { TYPE_INTERRUPT = 0, TYPE_NMI = 2, TYPE_EXCEPTION = 3, TYPE_SOFT = 4 };
enum { RFLAGS_IF = 1 << 9, INT_N_LENGTH = 2, SHADOW_STI = 1 };

/* The emulator has not seen what is written past it. */
static void outdated(struct whpx_vcpu *w)
{
	if (w->half != WHPX_EMULATED)
		whpx_emu_forget(w);
}

static void put_interruption(struct whpx_vcpu *w, unsigned type, unsigned vector, bool has_error, uint32_t error)
{
	WHV_X64_PENDING_INTERRUPTION_REGISTER *p =
		&whpx_add(&w->out, WHvRegisterPendingInterruption)->PendingInterruption;

	p->AsUINT64 = 0;
	p->InterruptionPending = 1;
	p->InterruptionType = type & 7;
	p->InterruptionVector = (uint16_t)vector;
	p->DeliverErrorCode = has_error;
	p->ErrorCode = has_error ? error : 0;
	w->interruption = true;
	outdated(w);
}

/* In real mode no exception has an error code, and the processor does not enter with one (SDM vol. 3, 27.2.1.3). */
void whpx_raise(struct whpx_vcpu *w, uint8_t vector, bool has_error, uint32_t error)
{
	put_interruption(w, TYPE_EXCEPTION, vector, has_error && w->ctx.VpContext.ExecutionState.Cr0Pe, error);
}

/* ------ state ------ */

static void interruption_in(vma_x86_events *e, WHV_X64_PENDING_INTERRUPTION_REGISTER p)
{
	if (!p.InterruptionPending)
		return;
	switch (p.InterruptionType) {
	case TYPE_NMI:
		e->nmi_injected = 1;
		break;
	case TYPE_INTERRUPT:
	case TYPE_SOFT:
		e->interrupt_injected = 1;
		e->interrupt_vector = (uint8_t)p.InterruptionVector;
		e->interrupt_soft = p.InterruptionType == TYPE_SOFT;
		break;
	default:
		e->exception_injected = 1;
		e->exception_vector = (uint8_t)p.InterruptionVector;
		e->exception_has_error = p.DeliverErrorCode;
		e->exception_error = p.DeliverErrorCode ? p.ErrorCode : 0;
	}
}

/* An exception that the platform holds for the next instruction. */
static void event_in(vma_x86_events *e, const WHV_X64_PENDING_EXCEPTION_EVENT *p)
{
	if (p->EventPending && p->EventType == WHvX64PendingEventExtInt) {
		e->interrupt_injected = 1;
		e->interrupt_vector = (uint8_t)p->Vector;
	}
	if (!p->EventPending || p->EventType != WHvX64PendingEventException || e->exception_injected)
		return;
	e->exception_pending = 1;
	e->exception_vector = (uint8_t)p->Vector;
	e->exception_has_error = p->DeliverErrorCode;
	e->exception_error = p->DeliverErrorCode ? p->ErrorCode : 0;
	e->exception_has_payload = p->Vector == WHPX_PF || p->Vector == WHPX_DB;
	e->exception_payload = e->exception_has_payload ? p->ExceptionParameter : 0;
}

static void held_in(const struct whpx_vcpu *w, vma_x86_events *e)
{
	e->nmi_pending = w->nmi_pending;
	e->triple_fault_pending = w->shutdown;
	if (!w->held)
		return;
	e->interrupt_injected = 1;
	e->interrupt_vector = w->held_vector;
	e->interrupt_soft = w->held_soft;
}

/* What the caller set is what it sees until the vCPU is entered: the platform has no place for all of it. */
int whpx_fetch_events(struct whpx_vcpu *w)
{
	vma_x86_events *e = &w->v->x86.events;
	WHV_X64_INTERRUPT_STATE_REGISTER state;
	struct whpx_batch b;
	int rc;

	if (w->fresh_events) {
		*e = w->events;
		return 0;
	}
	b.count = 0;
	whpx_add(&b, WHvRegisterPendingInterruption);
	whpx_add(&b, WHvRegisterInterruptState);
	if (!whpx_host.no_pending_event)
		whpx_add(&b, WHvRegisterPendingEvent);
	rc = whpx_get(w, &b);
	if (rc)
		return rc;
	state = b.values[1].InterruptState;
	*e = (vma_x86_events){.nmi_masked = state.NmiMasked};
	if (state.InterruptShadow)
		e->shadow = w->shadow_kind ? w->shadow_kind : 1;
	interruption_in(e, b.values[0].PendingInterruption);
	event_in(e, &whpx_add(&b, WHvRegisterPendingEvent)->ExceptionEvent);
	held_in(w, e);
	return 0;
}

/* A pending exception becomes an injected one: its payload takes effect now, which no guest can tell from at delivery.
 */
static int put_payload(struct whpx_vcpu *w, const vma_x86_events *e)
{
	struct whpx_batch b;
	int rc = 0;

	if (!e->exception_pending || !e->exception_has_payload)
		return 0;
	if (e->exception_vector == WHPX_PF)
		whpx_put(w, WHvX64RegisterCr2, e->exception_payload);
	if (e->exception_vector != WHPX_DB)
		return 0;
	b.count = 0;
	whpx_add(&b, WHvX64RegisterDr6);
	rc = whpx_get(w, &b);
	if (!rc)
		whpx_put(w, WHvX64RegisterDr6, (b.values[0].Reg64 & ~UINT64_C(0xf)) | e->exception_payload);
	return rc;
}

/* Of several events the first is given; the others wait: an NMI as one that is pending. An interrupt always waits for
 * the entry: what comes before it may close the window. */
static void put_events(struct whpx_vcpu *w, const vma_x86_events *e)
{
	bool exception = e->exception_injected || e->exception_pending;

	if (exception)
		put_interruption(w, TYPE_EXCEPTION, e->exception_vector, e->exception_has_error, e->exception_error);
	else if (e->nmi_injected)
		put_interruption(w, TYPE_NMI, WHPX_NMI, false, 0);
	w->nmi_pending |= exception && e->nmi_injected;
	w->held = e->interrupt_injected;
	w->held_vector = e->interrupt_vector;
	w->held_soft = e->interrupt_soft;
}

/* Only with the platform's local APIC; SIPI follows INIT. */
static int send_pending(struct whpx_vcpu *w, const vma_x86_events *e)
{
	int rc = put_payload(w, e);

	if (!rc && e->init_pending)
		rc = whpx_apic_send(w, WHvX64InterruptTypeInit, 0);
	if (!rc && e->sipi_pending)
		rc = whpx_apic_send(w, WHvX64InterruptTypeSipi, e->sipi_vector);
	return rc;
}

/* The platform would give MOV SS's shadow back as STI's: an exit at the same RIP tells that it is the same. */
static int put_shadow(struct whpx_vcpu *w, uint8_t shadow)
{
	struct whpx_batch b;
	int rc;

	w->shadow = shadow != 0;
	w->shadow_kind = shadow;
	if (shadow <= SHADOW_STI)
		return 0;
	b.count = 0;
	whpx_add(&b, WHvX64RegisterRip);
	rc = whpx_get(w, &b);
	if (!rc)
		w->shadow_rip = b.values[0].Reg64;
	return rc;
}

int whpx_commit_events(struct whpx_vcpu *w)
{
	const vma_x86_events *e = &w->v->x86.events;
	int rc = put_shadow(w, e->shadow);
	WHV_REGISTER_VALUE *state;

	if (rc)
		return rc;
	state = whpx_add(&w->out, WHvRegisterInterruptState);
	state->Reg64 = 0;
	state->InterruptState.InterruptShadow = e->shadow != 0;
	state->InterruptState.NmiMasked = e->nmi_masked;
	w->nmi_pending = e->nmi_pending;
	w->shutdown = e->triple_fault_pending;
	whpx_put(w, WHvRegisterPendingInterruption, 0);
	if (!whpx_host.no_pending_event)
		memset(&whpx_add(&w->out, WHvRegisterPendingEvent)->Reg128, 0, sizeof(WHV_UINT128));
	w->interruption = false;
	put_events(w, e);
	w->events = *e;
	w->fresh_events = true;
	return e->init_pending | e->sipi_pending ? send_pending(w, e) : put_payload(w, e);
}

/* ------ injection ------ */

int whpx_learn_flags(struct whpx_vcpu *w)
{
	struct whpx_batch b;
	int rc;

	if (w->flags_known)
		return 0;
	b.count = 0;
	whpx_add(&b, WHvX64RegisterRflags);
	whpx_add(&b, WHvRegisterInterruptState);
	whpx_add(&b, WHvRegisterPendingInterruption);
	whpx_add(&b, WHvX64RegisterCr8);
	if (!whpx_host.no_pending_event)
		whpx_add(&b, WHvRegisterPendingEvent);
	rc = whpx_get(w, &b);
	if (rc)
		return rc;
	w->rflags = b.values[0].Reg64;
	w->shadow = b.values[1].InterruptState.InterruptShadow;
	w->extint_given = whpx_add(&b, WHvRegisterPendingEvent)->ExceptionEvent.EventPending;
	w->interruption = b.values[2].PendingInterruption.InterruptionPending || w->extint_given;
	w->cr8 = b.values[3].Reg64 & 15;
	w->flags_known = true;
	return 0;
}

static bool open_now(const struct whpx_vcpu *w)
{
	return w->rflags & RFLAGS_IF && !w->shadow && !w->interruption && !w->held;
}

int whpx_interrupt_ready(struct vma_vcpu *v)
{
	struct whpx_vcpu *w = whpx_vcpu(v);
	int rc = whpx_learn_flags(w);

	return rc ? rc : open_now(w);
}

int whpx_interrupt(struct vma_vcpu *v, uint8_t vector)
{
	struct whpx_vcpu *w = whpx_vcpu(v);

	w->held = true;
	w->held_vector = vector;
	w->held_soft = false;
	w->halted = false;
	w->events.interrupt_injected = 1;
	w->events.interrupt_vector = vector;
	w->events.interrupt_soft = 0;
	return 0;
}

int whpx_nmi(struct vma_vcpu *v)
{
	struct whpx_vcpu *w = whpx_vcpu(v);

	w->nmi_pending = true;
	w->halted = false;
	w->events.nmi_pending = 1;
	return 0;
}

int whpx_get_tpr(struct vma_vcpu *v)
{
	struct whpx_vcpu *w = whpx_vcpu(v);
	int rc = whpx_learn_flags(w);

	return rc ? rc : w->cr8;
}

int whpx_set_tpr(struct vma_vcpu *v, uint8_t cr8)
{
	struct whpx_vcpu *w = whpx_vcpu(v);

	w->cr8 = cr8;
	whpx_put(w, WHvX64RegisterCr8, cr8);
	outdated(w);
	return 0;
}

/* ------ before an entry ------ */

/* Both notifications stand in one register: asking for one repeats the other. */
static void ask(struct whpx_vcpu *w, bool interrupt, unsigned priority, bool nmi)
{
	WHV_X64_DELIVERABILITY_NOTIFICATIONS_REGISTER *r;

	if (w->window_asked == interrupt && w->nmi_asked == nmi && (!interrupt || w->window_priority == priority))
		return;
	r = &whpx_add(&w->out, WHvX64RegisterDeliverabilityNotifications)->DeliverabilityNotifications;
	r->AsUINT64 = 0;
	r->InterruptNotification = interrupt;
	r->InterruptPriority = interrupt ? priority & 15 : 0;
	r->NmiNotification = nmi;
	w->window_asked = interrupt;
	w->window_priority = (uint8_t)priority;
	w->nmi_asked = nmi;
}

/* The platform says when it can be delivered, unless steps are done by the emulator, or an interrupt would get before it
 * (SDM vol. 3, 6.9). */
static bool nmi_told(const struct whpx_vcpu *w)
{
	return w->nmi_asked && !w->v->debug.single_step && !w->v->irq_window && !w->held && !whpx_chips_intr(w);
}

/* Handed over when it can be delivered at once. */
static int give_nmi(struct whpx_vcpu *w, bool *wait)
{
	bool asked = nmi_told(w);
	struct whpx_batch b;
	int rc;

	b.count = 0;
	whpx_add(&b, WHvRegisterInterruptState);
	rc = asked ? 0 : whpx_get(w, &b);
	if (rc)
		return rc;
	*wait = asked || w->interruption || b.values[0].InterruptState.InterruptShadow ||
		b.values[0].InterruptState.NmiMasked;
	if (*wait)
		return 0;
	put_interruption(w, TYPE_NMI, WHPX_NMI, false, 0);
	w->nmi_pending = false;
	return whpx_wake(w);
}

/* The PIC's, which goes past the platform's local APIC. */
static int give_pic(struct whpx_vcpu *w, bool *wait)
{
	int rc;

	*wait = !open_now(w);
	if (*wait)
		return 0;
	rc = whpx_takes_extint(w);
	return rc > 0 ? whpx_give_extint(w) : rc;
}

/* INT n needs no IF. The platform takes it at the instruction, whose length it wants; ours is at the return address. */
static int give_soft(struct whpx_vcpu *w)
{
	struct whpx_batch b;
	int rc;

	b.count = 0;
	whpx_add(&b, WHvX64RegisterRip);
	rc = whpx_get(w, &b);
	if (rc)
		return rc;
	whpx_put(w, WHvX64RegisterRip, b.values[0].Reg64 - INT_N_LENGTH);
	put_interruption(w, TYPE_SOFT, w->held_vector, false, 0);
	whpx_add(&w->out, WHvRegisterPendingInterruption)->PendingInterruption.InstructionLength = INT_N_LENGTH;
	w->held = false;
	return 0;
}

static int give_held(struct whpx_vcpu *w)
{
	if (w->held_soft)
		return w->interruption ? 0 : give_soft(w);
	w->held = false;
	if (open_now(w))
		put_interruption(w, TYPE_INTERRUPT, w->held_vector, false, 0);
	else
		w->held = true;
	return 0;
}

static int window_now(struct whpx_vcpu *w)
{
	w->v->irq_window = false;
	return whpx_leave(w, VMA_EXIT_IRQ_WINDOW);
}

/* A notification is spent by its exit, and nobody says that the other is not: what is still wanted is asked for again.
 * One that comes before CR8 was lowered would come again and again: the guest goes on by an instruction. */
int whpx_window_exit(struct whpx_vcpu *w)
{
	bool nmi = w->ctx.InterruptWindow.DeliverableType == WHvX64PendingNmi;

	bool too_early = w->window_asked && w->cr8 && w->cr8 >= w->window_priority;

	if (!w->nmi_asked && !w->window_asked) /* it was not spent, as some have it */
		whpx_put(w, WHvX64RegisterDeliverabilityNotifications, 0);
	w->nmi_asked = w->window_asked = false;
	if (nmi || w->held)
		return 0;
	if (!w->v->irq_window) { /* CR8 was lowered: the controllers look */
		int rc = too_early ? whpx_emulate(w) : 0;

		return rc ? rc : whpx_leave(w, VMA_EXIT_CANCELED);
	}
	return w->nmi_pending ? 0 : window_now(w); /* an NMI goes first, if it can be taken, too */
}

/* The library's controllers hold back what CR8 masks, and hear of its being lowered by a window of that priority. */
static bool watch_tpr(const struct whpx_vcpu *w)
{
	return w->v->vm->config.irqchip == VMA_IRQCHIP_LIBRARY && w->cr8;
}

/* What seldom applies. */
static int events_wait(struct whpx_vcpu *w)
{
	bool nmi = false, pic = false, any;
	int rc = w->nmi_pending ? give_nmi(w, &nmi) : 0;

	if (!rc)
		rc = whpx_learn_flags(w);
	if (!rc && whpx_chips_intr(w))
		rc = give_pic(w, &pic);
	if (!rc && w->held)
		rc = give_held(w);
	if (rc)
		return rc;
	if (w->v->irq_window && open_now(w))
		return window_now(w);
	any = w->v->irq_window || w->held || pic;
	ask(w, any || watch_tpr(w), any ? 0 : w->cr8, nmi);
	return 0;
}

int whpx_before_entry(struct whpx_vcpu *w)
{
	int rc;

	if (!(w->waiting | w->v->irq_window) && !watch_tpr(w) && !whpx_chips_intr(w))
		return 0;
	rc = w->unstored ? whpx_emu_again(w) : 0;
	if (rc)
		return rc;
	if (w->shutdown) {
		w->shutdown = false;
		return whpx_leave(w, VMA_EXIT_TRIPLE_FAULT);
	}
	return w->halted ? whpx_leave(w, VMA_EXIT_HLT) : events_wait(w);
}
