/* access_arm64.c - the state of an arm64 vCPU as plain structs, events, MP state. System registers are in regs_arm64.c. */
#include "core/arch_arm64.h"

static int read_class(vma_vcpu *v, uint32_t class, const void *p)
{
	int rc = vma_vcpu_enter_arch(v, VMA_ARCH_ARM64, p, "the place for the state");

	return rc ? rc : vma_state_need(v, class);
}

int vma_arm64_get_regs(vma_vcpu *v, vma_arm64_regs *regs)
{
	int rc = read_class(v, VMA_C_GPR, regs);

	if (!rc)
		*regs = v->arm64.gpr;
	return rc;
}

int vma_arm64_set_regs(vma_vcpu *v, const vma_arm64_regs *regs, uint64_t which)
{
	int rc = vma_vcpu_enter_arch(v, VMA_ARCH_ARM64, regs, "regs");

	if (!rc && (!which || which & ~VMA_ARM64_ALL_REGS))
		rc = vma_fail(VMA_E_INVALID, "mask %#llx: bits 0 to %d are registers, and one at least is set",
			      (unsigned long long)which, VMA_ARM64_GPR_END - 1);
	if (!rc && which & VMA_ARM64_REG_BIT(VMA_ARM64_PSTATE))
		rc = vma_check_pstate(regs->pstate);
	return rc ? rc : vma_arm64_put_gpr(v, regs, which);
}

int vma_arm64_get_fp_regs(vma_vcpu *v, vma_arm64_fp_regs *fp)
{
	int rc = read_class(v, VMA_C_FP, fp);

	if (!rc)
		*fp = v->arm64.fp;
	return rc;
}

int vma_arm64_set_fp_regs(vma_vcpu *v, const vma_arm64_fp_regs *fp)
{
	int rc = vma_vcpu_enter_arch(v, VMA_ARCH_ARM64, fp, "fp");

	return rc ? rc : vma_arm64_put(v, VMA_C_FP, fp);
}

/* ------ SVE: not cached ------ */

int vma_arm64_sve_length(vma_vcpu *v)
{
	int rc = vma_vcpu_enter_arch(v, VMA_ARCH_ARM64, v, "the vCPU");

	return rc ? rc : (int)v->sve;
}

static int enter_sve(vma_vcpu *v, const void *p)
{
	int rc = vma_vcpu_enter_arch(v, VMA_ARCH_ARM64, p, "sve");

	if (!rc && !v->sve)
		rc = vma_fail(VMA_E_NO_ACCEL, "this %s vCPU has no SVE", v->vm->info.name);
	/* With a pending exit writes wait in the queue, and this is the state before it. */
	return rc || v->exit.pending ? rc : vma_state_flush(v);
}

int vma_arm64_get_sve(vma_vcpu *v, vma_arm64_sve *sve)
{
	int rc = enter_sve(v, sve);

	if (rc)
		return rc;
	*sve = (vma_arm64_sve){.ffr = {0}};
	return v->vm->be->sve(v, sve, false);
}

int vma_arm64_put_sve(vma_vcpu *v, vma_arm64_sve *sve)
{
	v->valid &= ~(uint32_t)VMA_C_FP;
	return v->vm->be->sve(v, sve, true);
}

int vma_arm64_set_sve(vma_vcpu *v, const vma_arm64_sve *sve)
{
	vma_arm64_sve copy;
	int rc = enter_sve(v, sve);

	if (!rc && v->exit.pending)
		rc = vma_fail(VMA_E_PENDING, "SVE registers cannot be written while an exit is pending");
	if (rc)
		return rc;
	copy = *sve;
	return vma_arm64_put_sve(v, &copy);
}

/* ------ events ------ */

int vma_arm64_get_events(vma_vcpu *v, vma_arm64_events *events)
{
	int rc = read_class(v, VMA_C_EVENTS, events);

	if (!rc)
		*events = v->arm64.events;
	return rc;
}

int vma_arm64_set_events(vma_vcpu *v, const vma_arm64_events *events)
{
	int rc = vma_vcpu_enter_arch(v, VMA_ARCH_ARM64, events, "events");

	if (!rc)
		rc = vma_check_events_arm64(events);
	if (!rc && v->vm->config.irqchip != VMA_IRQCHIP_NONE && (events->irq_line || events->fiq_line))
		rc = vma_fail(VMA_E_STATE, "with VMA_IRQCHIP_PLATFORM the GIC drives the vCPU's interrupt lines");
	return rc ? rc : vma_arm64_put(v, VMA_C_EVENTS, events);
}

/* A change of the events as they are, or will be. */
static int events_now(vma_vcpu *v, vma_arm64_events *e)
{
	int rc = vma_state_need(v, VMA_C_EVENTS);

	*e = v->queued & VMA_C_EVENTS ? v->arm64_queue.events : v->arm64.events;
	return rc;
}

int vma_arm64_irq(vma_vcpu *v, int fiq, int level)
{
	vma_arm64_events e;
	int rc = vma_vcpu_enter_arch(v, VMA_ARCH_ARM64, v, "the vCPU");

	if (!rc && (fiq < 0 || fiq > 1 || level < 0 || level > 1))
		rc = vma_fail(VMA_E_INVALID, "interrupt input %d (0 IRQ, 1 FIQ), level %d (0 or 1)", fiq, level);
	if (!rc && v->vm->config.irqchip != VMA_IRQCHIP_NONE)
		rc = vma_fail(VMA_E_STATE, "with VMA_IRQCHIP_PLATFORM the GIC drives the vCPU's interrupt lines");
	if (!rc)
		rc = events_now(v, &e);
	if (rc)
		return rc;
	*(fiq ? &e.fiq_line : &e.irq_line) = (uint8_t)level;
	return vma_arm64_put(v, VMA_C_EVENTS, &e);
}

/* CNTx_CTL: ENABLE, not IMASK, ISTATUS (Arm ARM D19.12) */
int vma_arm64_timers(vma_vcpu *v, uint32_t *lines)
{
	static const uint32_t ids[] = {VMA_ARM64_CNTV_CTL_EL0, VMA_ARM64_CNTP_CTL_EL0};
	uint64_t ctl[VMA_COUNT(ids)];
	int rc = vma_vcpu_enter_arch(v, VMA_ARCH_ARM64, lines, "the place for the lines");

	if (!rc && v->vm->be->timers)
		return v->vm->be->timers(v, lines);
	if (!rc)
		rc = vma_arm64_get_sysregs(v, ids, ctl, VMA_COUNT(ids));
	if (rc < (int)VMA_COUNT(ids))
		return rc < 0 ? rc : VMA_E_NO_ACCEL;
	*lines = ((ctl[0] & 7) == 5 ? VMA_ARM64_TIMER_VIRTUAL : 0) | ((ctl[1] & 7) == 5 ? VMA_ARM64_TIMER_PHYSICAL : 0);
	return 0;
}

int vma_arm64_serror(vma_vcpu *v, int has_esr, uint64_t esr)
{
	vma_arm64_events e;
	int rc = vma_vcpu_enter_arch(v, VMA_ARCH_ARM64, v, "the vCPU");

	if (!rc && (has_esr < 0 || has_esr > 1 || esr >> 25))
		rc = vma_fail(VMA_E_INVALID, "SError: has_esr %d (0 or 1), ISS %#llx (25 bits)", has_esr,
			      (unsigned long long)esr);
	if (!rc)
		rc = events_now(v, &e);
	if (!rc && e.serror_pending)
		rc = vma_fail(VMA_E_BUSY, "an SError is pending already");
	if (rc)
		return rc;
	e.serror_pending = 1;
	e.serror_has_esr = (uint8_t)has_esr;
	e.serror_esr = has_esr ? esr : 0;
	return vma_arm64_put(v, VMA_C_EVENTS, &e);
}

/* ------ MP state ------ */

int vma_get_mp_arm64(vma_vcpu *v, vma_mp *mp)
{
	int rc = vma_state_need(v, VMA_C_MP);

	if (!rc)
		*mp = v->arm64.mp;
	return rc;
}

int vma_set_mp_arm64(vma_vcpu *v, vma_mp mp)
{
	if (mp != VMA_MP_RUNNABLE && mp != VMA_MP_OFF)
		return vma_fail(VMA_E_INVALID, "MP state %d: arm64 has runnable 0 and off 3", (int)mp);
	return vma_arm64_put(v, VMA_C_MP, &mp);
}
