/* soft_a64_env.c - what the software arm64 CPU asks of its surroundings: devices below the API, system registers that it does not
 * own, interrupts, attention. */
#include "soft.h"

static int env_mmio(void *o, uint64_t gpa, unsigned len, bool write, uint8_t *data)
{
	struct soft_vcpu *cv = o;
	if (soft_gic_mmio(cv, gpa, len, write, data))
		return A64_DONE;
	if (write && vma_ioevent_hit(&cv->vm->ioevents, false, gpa, len, data))
		return A64_DONE;
	return A64_DEFER;
}

static int env_sysreg(void *o, uint32_t reg, bool write, uint64_t *value)
{
	struct soft_vcpu *cv = o;
	int r = soft_gic_sysreg(cv, reg, write, value);
	if (r >= 0)
		return r;
	return cv->vm->vm->config.msr_policy == VMA_MSR_EXIT ? A64_DEFER : A64_UNDEF;
}

/* Something asks for the CPU: its input lines, whatever PSTATE masks. */
static unsigned lines(struct soft_vcpu *cv)
{
	return (cv->events.irq_line ? A64_POLL_IRQ : 0) | (cv->events.fiq_line ? A64_POLL_FIQ : 0) | soft_gic_pending(cv);
}

bool soft_a64_interrupted(struct soft_vcpu *cv)
{
	return lines(cv) || cv->a64->serror_pending;
}

static unsigned env_poll(void *o)
{
	struct soft_vcpu *cv = o;
	struct vma_kick *k = cv->v->kick;
	atomic_store(&k->attention, 0);
	if (atomic_load(&cv->vm->stops)) {
		soft_leave(cv);
		soft_enter(cv);
	}
	soft_a64_timer_changed(cv);
	return lines(cv) | (cv->timer_rose || atomic_load(&k->pending) || atomic_load(&k->calls) ? A64_POLL_STOP : 0);
}

static void env_pause(void *o)
{
	(void)o;
	os_yield();
}

static bool env_random(void *o, uint64_t *value)
{
	const struct soft_vm *sv = ((struct soft_vcpu *)o)->vm;
	if (!sv->insn_hz)
		return os_random(value, sizeof *value) == 0;
	*value = soft_random_at(sv);
	return true;
}

void soft_a64_env_init(struct soft_vcpu *cv)
{
	cv->a64_env = (struct a64_env){
		.page = soft_page,
		.mark_dirty = soft_mark_dirty,
		.mmio = env_mmio,
		.sysreg = env_sysreg,
		.poll = env_poll,
		.counter = soft_a64_counter,
		.timer_changed = soft_a64_timer_changed,
		.pause = cv->vm->vm->config.max_vcpus > 1 ? env_pause : NULL,
		.random = env_random,
	};
}
