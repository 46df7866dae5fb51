/* soft_a64_vcpu.c - arm64 vCPUs of the software back end: create, run, sleep, complete, debug. */
#include <string.h>
#include "soft.h"

/* Affinity as KVM numbers vCPUs: 16 to a cluster (Arm ARM D19.2.101). */
static uint64_t mpidr_of(uint32_t index)
{
	return UINT64_C(1) << 31 | (index & 15) | (uint64_t)(index >> 4 & 0xff) << 8;
}

static void set_up(struct soft_vcpu *cv)
{
	struct a64_cpu *c = cv->a64;
	const struct vma_vm *vm = cv->vm->vm;
	c->features = cv->vm->features;
	c->pa_bits = vm->info.gpa_bits;
	a64_reset(c);
	c->mpidr = mpidr_of(cv->v->index);
	if (vm->config.tsc_hz)
		c->cntfrq = vm->config.tsc_hz;
	soft_gic_show(cv);
}

/* What the CPU is stays, also if it was adopted from a saved state. */
static void reset_for_on(struct a64_cpu *c)
{
	uint64_t id[sizeof c->id / sizeof *c->id], cntfrq = c->cntfrq, midr = c->midr, offset = c->cntvoff;
	memcpy(id, c->id, sizeof id);
	a64_reset(c);
	memcpy(c->id, id, sizeof id);
	c->cntfrq = cntfrq;
	c->midr = midr;
	c->cntvoff = offset;
}

int soft_a64_open(struct vma_vcpu *v)
{
	struct soft_vcpu *cv = v->priv;
	struct soft_vm *sv = v->vm->priv;
	cv->v = v;
	cv->vm = sv;
	cv->mp = VMA_MP_RUNNABLE;
	soft_a64_env_init(cv);
	cv->a64 = a64_new(&cv->a64_env, cv, &v->kick->attention);
	if (!cv->a64)
		return vma_fail(VMA_E_NOMEM, "no memory for a software CPU");
	cv->insns = &cv->a64->insns;
	cv->insn_limit = &cv->a64->insn_limit;
	cv->budget_insns = cv->budget_clock = UINT64_MAX;
	atomic_store(&cv->timer_due, UINT64_MAX);
	set_up(cv);
	soft_stop_world(sv, false);
	a64_share_join(cv->a64, sv->a64_share, v->index);
	os_lock(&sv->irq_lock);
	sv->vcpus[v->index] = cv;
	os_unlock(&sv->irq_lock);
	soft_start_world(sv);
	return 0;
}

void soft_a64_close(struct vma_vcpu *v)
{
	struct soft_vcpu *cv = v->priv;
	struct soft_vm *sv = cv->vm;
	soft_stop_world(sv, false);
	os_lock(&sv->irq_lock);
	soft_time_keep(sv);
	sv->vcpus[v->index] = NULL;
	os_unlock(&sv->irq_lock);
	a64_share_leave(cv->a64);
	soft_start_world(sv);
	a64_free(cv->a64);
}

/* ------ exits ------ */

static void exit_mmio(struct vma_vcpu *v, struct a64_stop *s)
{
	v->exit.mmio.gpa = s->addr;
	v->exit.mmio.length = (uint8_t)s->len;
	v->exit.mmio.write = s->write;
	v->exit.mmio.data = s->data;
}

static void exit_sysreg(struct vma_vcpu *v, struct a64_stop *s)
{
	v->exit.sysreg.id = VMA_ARM64_SYSREG_BASE | (uint32_t)s->addr;
	v->exit.sysreg.write = s->write;
	v->exit.sysreg.fault = 0;
	v->exit.sysreg.value = s->value;
}

/* The CPU has gone past the instruction; until the answer it stands before it. */
static void exit_hypercall(struct vma_vcpu *v, struct a64_stop *s)
{
	struct soft_vcpu *cv = v->priv;
	v->exit.hypercall.number = cv->a64->x[0];
	for (int i = 0; i < 6; i++)
		v->exit.hypercall.args[i] = cv->a64->x[1 + i];
	v->exit.hypercall.result = 0;
	v->exit.hypercall.imm = (uint16_t)s->imm;
	v->exit.hypercall.smc = s->kind == A64_STOP_SMC;
	v->exit.pending = 1;
	cv->a64->pc -= 4;
	cv->hypercall_returns = true;
}

static void exit_debug(struct vma_vcpu *v, struct a64_stop *s)
{
	v->exit.debug.reason = s->debug_reason;
	v->exit.debug.exception = s->imm;
	v->exit.debug.pc = s->pc;
	v->exit.debug.dr6 = 0;
	v->exit.debug.address = s->far;
}

static void exit_internal(struct vma_vcpu *v, struct a64_stop *s)
{
	v->exit.internal.suberror = 1;
	v->exit.internal.count = 1;
	v->exit.internal.data[0] = s->pc;
}

static void exit_nothing(struct vma_vcpu *v, struct a64_stop *s)
{
	(void)v;
	(void)s;
}

static const struct {
	int kind;
	void (*fill)(struct vma_vcpu *v, struct a64_stop *s);
} exits[] = {
	[A64_STOP_MMIO] = {VMA_EXIT_MMIO, exit_mmio},
	[A64_STOP_SYSREG] = {VMA_EXIT_SYSREG, exit_sysreg},
	[A64_STOP_HVC] = {VMA_EXIT_HYPERCALL, exit_hypercall},
	[A64_STOP_SMC] = {VMA_EXIT_HYPERCALL, exit_hypercall},
	[A64_STOP_WFI] = {VMA_EXIT_HLT, exit_nothing},
	[A64_STOP_DEBUG] = {VMA_EXIT_DEBUG, exit_debug},
	[A64_STOP_INTERNAL] = {VMA_EXIT_INTERNAL, exit_internal},
};

static int to_exit(struct vma_vcpu *v, enum a64_stop_kind kind)
{
	struct a64_stop *s = &((struct soft_vcpu *)v->priv)->a64->stop;
	v->exit.kind = (uint32_t)exits[kind].kind;
	v->exit.pending = s->needs_answer;
	v->completes_rip_only = false;
	exits[kind].fill(v, s);
	return exits[kind].kind;
}

static int system_exit(struct vma_vcpu *v, uint32_t type)
{
	v->exit.kind = VMA_EXIT_SYSTEM;
	v->exit.pending = 0;
	v->exit.system.type = type;
	return VMA_EXIT_SYSTEM;
}

int soft_a64_complete(struct vma_vcpu *v)
{
	struct soft_vcpu *cv = v->priv;
	struct a64_cpu *c = cv->a64;
	if (!v->exit.pending)
		return 0;
	v->exit.pending = 0;
	if (cv->hypercall_returns) {
		cv->hypercall_returns = false;
		c->x[0] = v->exit.hypercall.result;
		c->pc += 4;
		return 0;
	}
	if (v->exit.kind == VMA_EXIT_SYSREG) {
		c->stop.value = v->exit.sysreg.value;
		c->stop.fault = v->exit.sysreg.fault;
	}
	a64_answer(c);
	soft_enter(cv);
	enum a64_stop_kind kind = a64_complete(c);
	soft_leave(cv);
	soft_time_show(cv->vm);
	if (!c->stop.needs_answer) {
		/* A step that was completed is for the next run to report. */
		cv->stashed = kind == A64_STOP_BUDGET ? 0 : (int)kind;
		return 0;
	}
	to_exit(v, kind);
	return 1;
}

/* ------ sleeping ------ */

/* CPU_ON of another vCPU: the state after a reset, at its entry point (PSCI, DEN 0022, 6.4). */
static void take_on(struct soft_vcpu *cv)
{
	if (!atomic_load(&cv->on))
		return;
	os_lock(&cv->vm->irq_lock);
	reset_for_on(cv->a64);
	cv->a64->pc = cv->on_entry;
	cv->a64->x[0] = cv->on_context;
	cv->mp = VMA_MP_RUNNABLE;
	atomic_store(&cv->on, false);
	os_unlock(&cv->vm->irq_lock);
	a64_code_changed(cv->a64);
}

static uint64_t wake_time(const struct soft_vcpu *cv)
{
	return cv->mp == VMA_MP_HALTED ? atomic_load(&cv->timer_due) : UINT64_MAX;
}

/* Sleep until the vCPU may run: 0. Else the exit that comes first, as wait_runnable of soft_vcpu.c. */
static int wait_runnable(struct soft_vcpu *cv)
{
	struct vma_kick *k = cv->v->kick;
	for (;;) {
		take_on(cv);
		if (cv->mp == VMA_MP_HALTED) {
			soft_a64_timer_changed(cv);
			if (soft_a64_interrupted(cv))
				cv->mp = VMA_MP_RUNNABLE;
		}
		if (cv->mp == VMA_MP_RUNNABLE)
			return 0;
		if (atomic_load(&k->pending) || atomic_load(&k->calls))
			return VMA_EXIT_CANCELED;
		if (soft_time_skip(cv)) {
			soft_a64_timer_changed(cv);
			if (!soft_a64_interrupted(cv) && soft_budget_over(cv))
				return VMA_EXIT_BUDGET;
		} else if (cv->vm->insn_hz && cv->mp == VMA_MP_HALTED) {
			return VMA_EXIT_HLT;
		} else {
			os_event_wait(&k->wake, wake_time(cv));
		}
	}
}

/* ------ run ------ */

/* The platform's own answer to HVC and SMC, and WFI with interrupt controllers. -1: it is an exit. */
static int platform_stop(struct soft_vcpu *cv, enum a64_stop_kind kind)
{
	const vma_vm_config *config = &cv->vm->vm->config;
	if (kind == A64_STOP_WFI && config->irqchip == VMA_IRQCHIP_PLATFORM) {
		cv->mp = VMA_MP_HALTED;
		return 0;
	}
	if ((kind != A64_STOP_HVC && kind != A64_STOP_SMC) || config->hypercall_exits)
		return -1;
	switch (soft_psci(cv)) {
	case SOFT_PSCI_SYSTEM_OFF: return system_exit(cv->v, VMA_SYSTEM_POWER_OFF);
	case SOFT_PSCI_SYSTEM_RESET: return system_exit(cv->v, VMA_SYSTEM_RESET);
	default: return 0;
	}
}

/* A kick that waits as well is found by the next run. */
static int polled(struct soft_vcpu *cv)
{
	const unsigned rose = cv->timer_rose;
	if (!rose)
		return VMA_EXIT_CANCELED;
	cv->timer_rose = 0;
	cv->v->exit.kind = VMA_EXIT_TIMER;
	cv->v->exit.pending = 0;
	cv->v->exit.timer.lines = rose;
	return VMA_EXIT_TIMER;
}

static int may_run(struct soft_vcpu *cv)
{
	if (cv->vm->insn_hz) /* a timer that is due stops the CPU, and has no thread that makes it look */
		soft_a64_timer_changed(cv);
	soft_time_step(cv);
	int waited = soft_budget_over(cv) ? VMA_EXIT_BUDGET : wait_runnable(cv);
	return !waited && soft_budget_over(cv) ? VMA_EXIT_BUDGET : waited;
}

int soft_a64_run(struct vma_vcpu *v)
{
	struct soft_vcpu *cv = v->priv;
	if (v->exit.pending && soft_a64_complete(v) == 1)
		return (int)v->exit.kind;
	if (cv->stashed) {
		enum a64_stop_kind kind = (enum a64_stop_kind)cv->stashed;
		cv->stashed = 0;
		return to_exit(v, kind);
	}
	for (;;) {
		int waited = may_run(cv);
		if (waited == VMA_EXIT_CANCELED)
			return waited;
		if (waited)
			return (int)(v->exit.kind = (uint32_t)waited);
		soft_enter(cv);
		enum a64_stop_kind kind = a64_run(cv->a64);
		soft_leave(cv);
		soft_time_show(cv->vm);
		if (kind == A64_STOP_POLL)
			return polled(cv);
		if (kind == A64_STOP_BUDGET)
			continue;
		int answered = platform_stop(cv, kind);
		if (answered)
			return answered < 0 ? to_exit(v, kind) : answered;
	}
}

int soft_a64_debug(struct vma_vcpu *v)
{
	struct a64_cpu *c = ((struct soft_vcpu *)v->priv)->a64;
	c->user_step = v->debug.single_step;
	c->user_brk = v->debug.software;
	c->user_breaks = v->debug.count;
	for (uint32_t i = 0; i < v->debug.count; i++) {
		c->user_break[i].addr = v->debug.hw[i].address;
		c->user_break[i].type = (uint8_t)v->debug.hw[i].type;
		c->user_break[i].len = (uint8_t)v->debug.hw[i].length;
	}
	a64_state_changed(c, true);
	return 0;
}
