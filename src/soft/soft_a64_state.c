/* soft_a64_state.c - the state of an arm64 vCPU between the core and the software CPU. */
#include <string.h>
#include "core/arch_arm64.h"
#include "core/internal.h"
#include "emul/emul.h"
#include "soft.h"

static void commit_gpr(struct soft_vcpu *cv, const vma_arm64_regs *r)
{
	struct a64_cpu *c = cv->a64;
	if (c->pc != r->pc)
		c->excl_addr = UINT64_MAX;
	vma_emul_put_arm64(c, r);
	a64_state_changed(c, false);
}

int soft_a64_fetch(struct vma_vcpu *v, uint32_t classes)
{
	struct soft_vcpu *cv = v->priv;
	struct a64_cpu *c = cv->a64;
	if (classes & VMA_C_GPR)
		vma_emul_get_arm64(c, &v->arm64.gpr);
	if (classes & VMA_C_FP) {
		memcpy(v->arm64.fp.v, c->v, sizeof v->arm64.fp.v);
		v->arm64.fp.fpcr = c->fpcr;
		v->arm64.fp.fpsr = c->fpsr;
	}
	if (classes & VMA_C_EVENTS) {
		v->arm64.events = cv->events;
		v->arm64.events.serror_pending = c->serror_pending;
		v->arm64.events.serror_has_esr = c->serror_pending && c->serror_iss;
		v->arm64.events.serror_esr = c->serror_pending ? c->serror_iss : 0;
	}
	if (classes & VMA_C_MP) /* WFI is not a state that is saved: the guest goes on and waits again if it must */
		v->arm64.mp = atomic_load(&cv->off) ? VMA_MP_OFF : VMA_MP_RUNNABLE;
	return 0;
}

static void commit_mp(struct soft_vcpu *cv, vma_mp mp)
{
	os_lock(&cv->vm->irq_lock);
	cv->mp = mp;
	atomic_store(&cv->off, mp == VMA_MP_OFF);
	atomic_store(&cv->on, false);
	os_unlock(&cv->vm->irq_lock);
}

int soft_a64_commit(struct vma_vcpu *v, uint32_t classes)
{
	struct soft_vcpu *cv = v->priv;
	struct a64_cpu *c = cv->a64;
	if (classes & VMA_C_GPR)
		commit_gpr(cv, &v->arm64.gpr);
	if (classes & VMA_C_FP) {
		memcpy(c->v, v->arm64.fp.v, sizeof c->v);
		c->fpcr = v->arm64.fp.fpcr & (c->features >> A64_F_FP16 & 1 ? 0x07c80000 : 0x07c00000);
		c->fpsr = v->arm64.fp.fpsr & 0xf800009f;
	}
	if (classes & VMA_C_EVENTS) {
		cv->events = (vma_arm64_events){.irq_line = v->arm64.events.irq_line, .fiq_line = v->arm64.events.fiq_line};
		c->serror_pending = v->arm64.events.serror_pending;
		c->serror_iss = v->arm64.events.serror_has_esr ? (uint32_t)v->arm64.events.serror_esr : 0;
		atomic_store(&v->kick->attention, 1);
	}
	if (classes & VMA_C_MP)
		commit_mp(cv, v->arm64.mp);
	return 0;
}

/* ------ system registers ------ */

enum { CNTVCT = A64_SYSREG(3, 3, 14, 0, 2), CNTFRQ = A64_SYSREG(3, 3, 14, 0, 0) };

static bool get(struct soft_vcpu *cv, uint32_t id, uint64_t *value)
{
	return a64_get_sysreg(cv->a64, id & 0xffff, value);
}

/* What the CPU is: as it is, or, before its first instruction, as somebody asks. */
static bool set_id(struct soft_vcpu *cv, uint32_t id, uint64_t value)
{
	uint64_t have;
	return (get(cv, id, &have) && have == value) ||
	       (!cv->a64->insns && a64_set_sysreg(cv->a64, id & 0xffff, value));
}

static bool set(struct soft_vcpu *cv, uint32_t id, uint64_t value)
{
	struct a64_cpu *c = cv->a64;
	if ((id & 0xffff) == CNTVCT) {
		c->cntvoff = soft_a64_counter(cv) - value;
		soft_a64_timer_changed(cv);
		return true;
	}
	if ((id & 0xffff) == CNTFRQ && !value)
		return false;
	if (vma_sysreg_kind(id) == VMA_SYSREG_ID)
		return set_id(cv, id, value);
	return a64_set_sysreg(c, id & 0xffff, value);
}

int soft_a64_get_sysregs(struct vma_vcpu *v, const uint32_t *ids, uint64_t *values, size_t count)
{
	size_t i = 0;
	while (i < count && get(v->priv, ids[i], values + i))
		i++;
	return (int)i;
}

int soft_a64_set_sysregs(struct vma_vcpu *v, const uint32_t *ids, const uint64_t *values, size_t count)
{
	size_t i = 0;
	while (i < count && set(v->priv, ids[i], values[i]))
		i++;
	return (int)i;
}

int soft_a64_sysreg_list(struct vma_vcpu *v, uint32_t *ids, size_t *count)
{
	const size_t room = *count;
	uint16_t reg;
	size_t n = 0;
	for (unsigned i = 0; a64_list_sysreg(((struct soft_vcpu *)v->priv)->a64, i, &reg); i++, n++)
		if (ids && n < room)
			ids[n] = VMA_ARM64_SYSREG_BASE | reg;
	*count = n;
	return ids && n > room ? vma_fail(VMA_E_LIMIT, "there are %zu system registers, and room for %zu", n, room) : 0;
}
