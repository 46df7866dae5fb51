/* whpx_apic.c - VMA_IRQCHIP_PLATFORM, a vCPU's half: the local APIC's registers, halting and waiting for a SIPI as the
 * platform keeps them, the PIC's interrupts (WHP, LocalApicEmulationMode, WHvRegisterInternalActivityState). */
#include <string.h>
#include "whpx/whpx.h"
#include "irq.h"

#define APIC WHvVirtualProcessorStateTypeInterruptControllerState2
enum { STATE_SIZE = 4096, PAGE_SIZE = 0x400 }; /* the state begins with the xAPIC's page */
enum { TPR = 0x80 };
enum { LVT_LINT0 = 0x350, LVT_MASKED = 1 << 16, LVT_MODE = 7 << 8, EXTINT = IRQ_EXTINT << 8, BASE_EN = 1 << 11 };

static int get_state(struct whpx_vcpu *w, uint8_t *state)
{
	uint32_t written = 0;
	int rc = whpx_flush(w);

	if (!rc)
		rc = whpx_state_get(w, APIC, state, STATE_SIZE, &written);
	if (!rc && written < PAGE_SIZE)
		return vma_fail(VMA_E_NATIVE, "the platform's state of the local APIC has %u bytes", (unsigned)written);
	return rc ? rc : (int)written;
}

int whpx_apic_fetch(struct whpx_vcpu *w)
{
	_Alignas(16) uint8_t state[STATE_SIZE] = {0};
	int size = get_state(w, state);

	if (size < 0)
		return size;
	memcpy(w->v->x86.lapic, state, PAGE_SIZE);
	return 0;
}

/* IA32_APIC_BASE comes first, and CR8, which has to be as the TPR (openvmm; QEMU f000bc74): flushed by the reading of
 * what stands behind the page. */
int whpx_apic_commit(struct whpx_vcpu *w)
{
	_Alignas(16) uint8_t state[STATE_SIZE] = {0};
	int size;

	whpx_set_tpr(w->v, w->v->x86.lapic[TPR] >> 4);
	size = get_state(w, state);
	if (size < 0)
		return size;
	memcpy(state, w->v->x86.lapic, PAGE_SIZE);
	return whpx_state_set(w, APIC, state, (uint32_t)size);
}

/* ------ halted, waiting for a SIPI ------ */

int whpx_activity_fetch(struct whpx_vcpu *w)
{
	WHV_INTERNAL_ACTIVITY_REGISTER a;
	struct whpx_batch b;
	int rc;

	b.count = 0;
	whpx_add(&b, WHvRegisterInternalActivityState);
	rc = whpx_get(w, &b);
	if (rc)
		return rc;
	a = b.values[0].InternalActivity;
	w->v->x86.mp = a.StartupSuspend ? VMA_MP_WAIT_SIPI : a.HaltSuspend ? VMA_MP_HALTED : VMA_MP_RUNNABLE;
	return 0;
}

void whpx_activity_commit(struct whpx_vcpu *w)
{
	WHV_INTERNAL_ACTIVITY_REGISTER *a = &whpx_add(&w->out, WHvRegisterInternalActivityState)->InternalActivity;

	a->AsUINT64 = 0;
	a->StartupSuspend = w->v->x86.mp == VMA_MP_WAIT_SIPI;
	a->HaltSuspend = w->v->x86.mp == VMA_MP_HALTED;
}

/* What is injected here ends a halt that the platform knows. */
int whpx_wake(struct whpx_vcpu *w)
{
	struct whpx_batch b;
	int rc;

	if (!w->vm->chips)
		return 0;
	b.count = 0;
	whpx_add(&b, WHvRegisterInternalActivityState);
	rc = whpx_get(w, &b);
	if (rc || !b.values[0].InternalActivity.HaltSuspend)
		return rc;
	b.values[0].InternalActivity.HaltSuspend = 0;
	*whpx_add(&w->out, WHvRegisterInternalActivityState) = b.values[0];
	return 0;
}

/* INIT and SIPI that a saved state has pending: messages to itself (SDM vol. 3, 11.6.1). */
int whpx_apic_send(struct whpx_vcpu *w, unsigned type, uint32_t vector)
{
	WHV_INTERRUPT_CONTROL control = {.Type = type, .Destination = w->v->index, .Vector = vector & 0xff};
	HRESULT hr;
	int rc;

	if (!w->vm->chips)
		return vma_fail(VMA_E_NO_ACCEL, "a pending INIT or SIPI: this VM has no interrupt controllers");
	rc = whpx_flush(w);
	if (rc)
		return rc;
	hr = WHPX(RequestInterrupt, w->vm->partition, &control, sizeof(control));
	return hr ? whpx_fail(hr, "WHvRequestInterrupt") : 0;
}

/* ------ the PIC's interrupts ------ */

/* Virtual wire: LINT0 lets them through as ExtINT, or the local APIC is off (SDM vol. 3, 11.5.1). 1: yes. */
int whpx_takes_extint(struct whpx_vcpu *w)
{
	_Alignas(16) uint8_t state[STATE_SIZE] = {0};
	struct whpx_batch b;
	uint32_t lint0;
	int rc;

	b.count = 0;
	whpx_add(&b, WHvX64RegisterApicBase);
	rc = whpx_get(w, &b);
	if (rc)
		return rc;
	if (!(b.values[0].Reg64 & BASE_EN))
		return 1;
	rc = get_state(w, state);
	if (rc < 0)
		return rc;
	memcpy(&lint0, state + LVT_LINT0, sizeof(lint0));
	return !(lint0 & LVT_MASKED) && (lint0 & LVT_MODE) == EXTINT;
}

int whpx_give_extint(struct whpx_vcpu *w)
{
	WHV_X64_PENDING_EXT_INT_EVENT *e;
	int vector = whpx_chips_ack(w), rc = 0;

	if (vector < 0)
		return 0;
	e = &whpx_add(&w->out, WHvRegisterPendingEvent)->ExtIntEvent;
	memset(e, 0, sizeof(*e));
	e->EventPending = 1;
	e->EventType = WHvX64PendingEventExtInt;
	e->Vector = (uint8_t)vector;
	rc = whpx_wake(w);
	w->interruption = w->extint_given = true;
	return rc;
}
