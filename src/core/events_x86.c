/* events_x86.c - interruptions of an x86 vCPU: what is in flight, injecting, windows, and the caller's debugging. */
#include <string.h>
#include "core/arch_x86.h"

enum { DB_VECTOR = 1, NMI_VECTOR = 2, PF_VECTOR = 14, MC_VECTOR = 18 };

static int enter_x86(vma_vcpu *v)
{
	int rc = vma_vcpu_enter(v);

	if (!rc && v->vm->be->arch != VMA_ARCH_X86_64)
		rc = vma_fail(VMA_E_INVALID, "vCPU %u is no x86 vCPU", v->index);
	return rc;
}

int vma_x86_get_events(vma_vcpu *v, vma_x86_events *events)
{
	int rc = enter_x86(v);

	if (!rc && !events)
		rc = vma_fail(VMA_E_INVALID, "no place for the events");
	if (!rc)
		rc = vma_state_need(v, VMA_C_EVENTS);
	if (!rc)
		*events = v->x86.events;
	return rc;
}

int vma_x86_set_events(vma_vcpu *v, const vma_x86_events *events)
{
	int rc = enter_x86(v);

	if (!rc && !events)
		rc = vma_fail(VMA_E_INVALID, "events is NULL");
	if (!rc)
		rc = vma_check_events(events);
	return rc ? rc : vma_state_put(v, VMA_C_EVENTS, events);
}

/* ------ external interrupts, for VMs without interrupt controllers ------ */

static int can_take(vma_vcpu *v)
{
	int rc;

	if (v->irq_given)
		return 0;
	/* Whether it can depends on RFLAGS and the shadow. With a pending exit they are as before the instruction. */
	rc = v->exit.pending ? 0 : vma_state_flush(v);
	return rc ? rc : v->vm->be->interrupt_ready(v);
}

int vma_x86_interrupt(vma_vcpu *v, uint8_t vector)
{
	int rc = enter_x86(v);

	if (rc)
		return rc;
	if (v->vm->config.irqchip != VMA_IRQCHIP_NONE)
		return vma_fail(VMA_E_STATE, "the VM has interrupt controllers: raise a line or send an MSI");
	rc = can_take(v);
	if (rc < 0)
		return rc;
	if (!rc)
		return vma_fail(VMA_E_BUSY, "the guest cannot take an interrupt now: ask for a window");
	rc = v->vm->be->interrupt(v, vector);
	if (rc)
		return rc;
	v->irq_given = true;
	v->valid &= ~(uint32_t)VMA_C_EVENTS;
	if (v->queued & VMA_C_EVENTS) {
		v->queue.events.interrupt_injected = 1;
		v->queue.events.interrupt_vector = vector;
	}
	return 0;
}

int vma_x86_irq_window(vma_vcpu *v, int on)
{
	int rc = enter_x86(v);

	if (!rc && (on < 0 || on > 1))
		rc = vma_fail(VMA_E_INVALID, "window %d: 0 or 1", on);
	if (!rc && on && v->vm->config.irqchip != VMA_IRQCHIP_NONE)
		rc = vma_fail(VMA_E_STATE, "the VM has interrupt controllers: they know when to interrupt");
	if (!rc)
		v->irq_window = on;
	return rc;
}

int vma_x86_nmi(vma_vcpu *v)
{
	int rc = enter_x86(v);

	if (!rc && !v->exit.pending)
		rc = vma_state_flush(v);
	if (!rc)
		rc = v->vm->be->nmi(v);
	if (rc)
		return rc;
	v->valid &= ~(uint32_t)VMA_C_EVENTS;
	if (v->queued & VMA_C_EVENTS)
		v->queue.events.nmi_pending = 1;
	return 0;
}

static int put_cr2(vma_vcpu *v, uint64_t cr2)
{
	const struct vma_reg *r = vma_reg_find(VMA_X86_CR2);
	vma_x86_sregs sregs = {.cr2 = cr2};

	return vma_state_put_sregs(v, &sregs, 1ull << r->bit);
}

/* Vectors that push an error code: SDM vol. 3, table 6-1. */
static bool pushes_error(uint8_t vector)
{
	return (0x60227d00u >> vector) & 1; /* 8, 10-14, 17, 21, 29, 30 */
}

static int wants_machine_checks(vma_vcpu *v)
{
	enum { CR4_MCE = 0x40 };
	struct vma_x86_state *base;
	int rc = vma_state_base(v, VMA_C_SREGS, &base);

	return rc ? rc : !!(base->sregs.cr4 & CR4_MCE);
}

int vma_x86_exception(vma_vcpu *v, uint8_t vector, int has_error, uint32_t error, uint64_t cr2)
{
	struct vma_x86_state *base;
	vma_x86_events e;
	int rc = enter_x86(v);

	if (!rc && (vector > 31 || vector == NMI_VECTOR || has_error < 0 || has_error > 1))
		rc = vma_fail(VMA_E_INVALID, "vector %u is no exception (or has_error %d is not 0 or 1)", vector,
			      has_error);
	if (!rc && has_error && !pushes_error(vector))
		rc = vma_fail(VMA_E_INVALID, "exception %u has no error code", vector);
	if (!rc)
		rc = vma_state_base(v, VMA_C_EVENTS, &base);
	if (rc)
		return rc;
	e = base->events;
	if (e.exception_injected || e.exception_pending)
		return vma_fail(VMA_E_BUSY, "exception %u is on its way already", e.exception_vector);
	if (vector == MC_VECTOR) {
		rc = wants_machine_checks(v);
		if (rc <= 0) {
			e.triple_fault_pending = 1;
			return rc ? rc : vma_state_put(v, VMA_C_EVENTS, &e);
		}
		rc = 0;
	}
	e.exception_injected = 1;
	e.exception_vector = vector;
	e.exception_has_error = (uint8_t)has_error;
	e.exception_error = has_error ? error : 0;
	e.exception_has_payload = 0;
	e.exception_payload = 0;
	if (vector == PF_VECTOR)
		rc = put_cr2(v, cr2);
	return rc ? rc : vma_state_put(v, VMA_C_EVENTS, &e);
}

/* ------ the caller's debugging ------ */

int vma_check_break_x86(const vma_debug *d, uint32_t i)
{
	uint32_t n = d->hw[i].length, type = d->hw[i].type;

	if (type != VMA_BREAK_EXEC && type != VMA_BREAK_WRITE && type != VMA_BREAK_ACCESS)
		return vma_fail(VMA_E_INVALID, "breakpoint %u: type %u (0 execute, 1 write, 3 access)", i, type);
	if (n != 1 && n != 2 && n != 4 && n != 8)
		return vma_fail(VMA_E_INVALID, "breakpoint %u: length %u (1, 2, 4 or 8)", i, n);
	if (type == VMA_BREAK_EXEC && n != 1)
		return vma_fail(VMA_E_INVALID, "breakpoint %u: an execution breakpoint has length 1", i);
	if (d->hw[i].address & (n - 1))
		return vma_fail(VMA_E_INVALID, "breakpoint %u: address %#llx is not aligned to its length %u", i,
				(unsigned long long)d->hw[i].address, n);
	return 0;
}

uint64_t vma_x86_debug_dr7(const vma_debug *d)
{
	static const uint8_t length_code[16] = {[1] = 0, [2] = 1, [4] = 3, [8] = 2}; /* SDM vol. 3, 18.2.4 */
	uint64_t dr7 = 0x600; /* GE, and the bit that is always 1 */

	for (uint32_t i = 0; i < d->count && i < 4; i++) {
		uint64_t control = d->hw[i].type & 3;

		if (control != VMA_BREAK_EXEC)
			control |= (uint64_t)length_code[d->hw[i].length & 15] << 2;
		dr7 |= UINT64_C(2) << 2 * i | control << (16 + 4 * i);
	}
	return dr7;
}
