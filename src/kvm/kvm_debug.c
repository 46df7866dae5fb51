/* kvm_debug.c - single step and breakpoints (api.rst 4.87, KVM_SET_GUEST_DEBUG). There is no call to read the setting
 * back: v->debug is it. */
#include <string.h>
#include "kvm/kvm.h"

enum {
	DR6_BS = 1 << 14,                 /* SDM vol. 3, 18.2.3 */
	DR6_ACTIVE_LOW = (int)0xffff0ff0, /* bits that read 1 when nothing happened */
};

static int arm(struct vma_vcpu *v, bool stepping_off)
{
	const vma_debug *d = &v->debug;
	struct kvm_guest_debug g = {.control = KVM_GUESTDBG_ENABLE};

	if (d->single_step || stepping_off)
		g.control |= KVM_GUESTDBG_SINGLESTEP;
	if (d->software)
		g.control |= KVM_GUESTDBG_USE_SW_BP;
	if (d->count && !stepping_off) {
		g.control |= KVM_GUESTDBG_USE_HW_BP;
		for (uint32_t i = 0; i < d->count && i < 4; i++)
			g.arch.debugreg[i] = d->hw[i].address;
		g.arch.debugreg[7] = vma_x86_debug_dr7(d);
	}
	if (g.control == KVM_GUESTDBG_ENABLE)
		g.control = 0;
	VMA_KVM_VCPU(v)->off_armed = stepping_off;
	return vma_kvm_vcpu_ioctl(v, KVM_SET_GUEST_DEBUG, &g);
}

int vma_kvm_debug(struct vma_vcpu *v)
{
	struct vma_kvm_vcpu *k = v->priv;
	int rc = vma_kvm_flush(v);

	k->step_off = false;
	if (!rc)
		rc = arm(v, false);
	if (!rc)
		k->debug_on = v->debug.single_step || v->debug.software || v->debug.count;
	k->synced = 0;
	return rc;
}

static int linear_pc(struct vma_vcpu *v, uint64_t *pc)
{
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	int rc = vma_kvm_native_regs(v, &regs);

	if (!rc)
		rc = vma_kvm_sregs(v, &sregs);
	*pc = rc ? 0 : regs.rip + (sregs.cs.l ? 0 : sregs.cs.base);
	return rc;
}

static int report(struct vma_vcpu *v, uint32_t reason, uint32_t exception, uint64_t pc, uint64_t dr6)
{
	v->exit.kind = VMA_EXIT_DEBUG;
	v->exit.pending = 0;
	v->exit.debug.reason = reason;
	v->exit.debug.exception = exception;
	v->exit.debug.pc = pc;
	v->exit.debug.dr6 = dr6;
	return VMA_EXIT_DEBUG;
}

/* A step over an instruction that exited ends with its completion, which KVM reports for some instructions only. */
static int finish_step(struct vma_vcpu *v)
{
	struct kvm_vcpu_events e;
	uint64_t pc;
	int rc = vma_kvm_complete(v);

	if (rc)
		return rc < 0 ? rc : (int)v->exit.kind;
	if (VMA_KVM_VCPU(v)->stashed) {
		VMA_KVM_VCPU(v)->stashed = false;
		return vma_kvm_exit(v);
	}
	rc = vma_kvm_vcpu_ioctl(v, KVM_GET_VCPU_EVENTS, &e);
	if (rc || e.exception.pending) /* it ended in a fault: the step goes on to the handler */
		return rc;
	rc = linear_pc(v, &pc);
	return rc ? rc : report(v, VMA_DEBUG_STEP, 1, pc, (uint32_t)DR6_ACTIVE_LOW | DR6_BS);
}

/* A breakpoint on execution would be hit again at once: one step without it, if the caller has not moved the program
 * counter. */
static int steps_off(struct vma_vcpu *v, bool *off)
{
	struct vma_kvm_vcpu *k = v->priv;
	uint64_t pc = 0;
	int rc = k->step_off ? linear_pc(v, &pc) : 0;

	*off = k->step_off = k->step_off && !rc && pc == k->step_off_pc;
	return rc;
}

/* KVM ties the trap flag of a step to the RIP at the time of KVM_SET_GUEST_DEBUG: registers first, then the setting, at
 * every entry. */
int vma_kvm_debug_enter(struct vma_vcpu *v)
{
	bool off;
	int rc;

	if (v->exit.pending && v->debug.single_step) {
		rc = finish_step(v);
		if (rc)
			return rc;
	}
	rc = steps_off(v, &off);
	if (rc || !(v->debug.single_step || off || VMA_KVM_VCPU(v)->off_armed))
		return rc;
	rc = vma_kvm_flush(v);
	return rc ? rc : arm(v, off);
}

/* With hardware breakpoints on, KVM hands out every #DB; one that is the guest's own goes back into it. */
static int give_back(struct vma_vcpu *v, uint64_t dr6)
{
	struct kvm_vcpu_events e;
	int rc = vma_kvm_vcpu_ioctl(v, KVM_GET_VCPU_EVENTS, &e);

	if (rc)
		return rc;
	e.exception.nr = 1;
	e.exception.has_error_code = 0;
	e.exception.injected = 0;
	e.exception.pending = 1;
	e.exception_has_payload = 1;
	e.exception_payload = dr6 ^ (uint32_t)DR6_ACTIVE_LOW;
	e.flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
	VMA_KVM_VCPU(v)->synced = 0;
	rc = vma_kvm_vcpu_ioctl(v, KVM_SET_VCPU_EVENTS, &e);
	return rc ? rc : VMA_EXIT_CANCELED;
}

static bool hit_exec(const vma_debug *d, uint64_t dr6)
{
	for (uint32_t i = 0; i < d->count && i < 4; i++)
		if ((dr6 >> i & 1) && d->hw[i].type == VMA_BREAK_EXEC)
			return true;
	return false;
}

static uint32_t owned(const vma_debug *d, uint32_t exception, uint64_t dr6)
{
	if (exception == 3)
		return VMA_DEBUG_SW;
	return (dr6 & DR6_BS && d->single_step ? VMA_DEBUG_STEP : 0) | (dr6 & 15 && d->count ? VMA_DEBUG_HW : 0);
}

int vma_kvm_debug_exit(struct vma_vcpu *v)
{
	struct vma_kvm_vcpu *k = v->priv;
	struct kvm_debug_exit_arch a = k->run->debug.arch;
	uint32_t reason = owned(&v->debug, a.exception, a.dr6);
	bool was_off = k->step_off;

	k->step_off = false;
	if (was_off && !reason && (a.dr6 & DR6_BS)) { /* off the breakpoint: set it again and go on */
		int rc = arm(v, false);
		return rc ? rc : VMA_EXIT_CANCELED;
	}
	if (!reason && vma_kvm_host.payload)
		return give_back(v, a.dr6);
	if (reason & VMA_DEBUG_HW && hit_exec(&v->debug, a.dr6)) {
		k->step_off = true;
		k->step_off_pc = a.pc;
	}
	return report(v, reason, a.exception, a.pc, a.dr6);
}
