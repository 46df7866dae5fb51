/* soft_vcpu.c - vCPUs of the software back end: create, run, sleep, complete, inject, kick. */
#include <string.h>
#include "soft.h"

int soft_vcpu_open(struct vma_vcpu *v)
{
	struct soft_vcpu *cv = v->priv;
	struct soft_vm *sv = v->vm->priv;
	uint32_t features[4];
	cv->v = v;
	cv->vm = sv;
	cv->mp = sv->has_pc && v->index ? VMA_MP_WAIT_SIPI : VMA_MP_RUNNABLE;
	cv->apic_base = 0xfee00800 | (v->index ? 0 : 0x100);
	soft_env_init(cv);
	cv->cpu = x86_new(&cv->env, cv, &v->kick->attention);
	if (!cv->cpu)
		return vma_fail(VMA_E_NOMEM, "no memory for a software CPU");
	cv->insns = &cv->cpu->insns;
	cv->insn_limit = &cv->cpu->insn_limit;
	atomic_store(&cv->timer_due, UINT64_MAX);
	cv->budget_insns = cv->budget_clock = UINT64_MAX;
	cv->cpu->exact = sv->insn_hz != 0;
	vma_cpuid_lookup(v->vm, 0x80000001, 0, features);
	cv->cpu->has_nx = features[3] >> 20 & 1;
	cv->cpu->has_1g = features[3] >> 26 & 1;
	vma_cpuid_lookup(v->vm, 0x80000008, 0, features);
	cv->cpu->gpa_bits = features[0] & 0xff ? features[0] & 0xff : 36;
	soft_stop_world(sv, true); /* alone until now, a vCPU kept no account of what it may write */
	x86_share_join(cv->cpu, sv->share, v->index);
	sv->vcpus[v->index] = cv;
	soft_start_world(sv);
	return 0;
}

void soft_vcpu_close(struct vma_vcpu *v)
{
	struct soft_vcpu *cv = v->priv;
	struct soft_vm *sv = cv->vm;
	soft_stop_world(sv, false); /* the others' CPUs reach this one through the share */
	os_lock(&sv->irq_lock);     /* the controllers' callbacks look vCPUs up */
	soft_time_keep(sv);
	sv->vcpus[v->index] = NULL;
	os_unlock(&sv->irq_lock);
	x86_share_leave(cv->cpu);
	soft_start_world(sv);
	x86_free(cv->cpu);
}

/* ------ exits ------ */

static void exit_io(struct vma_vcpu *v, struct x86_stop *s)
{
	v->exit.io.port = (uint16_t)s->addr;
	v->exit.io.width = (uint8_t)s->len;
	v->exit.io.write = s->write;
	v->exit.io.count = s->count;
	v->exit.io.data = s->data;
}

static void exit_mmio(struct vma_vcpu *v, struct x86_stop *s)
{
	v->exit.mmio.gpa = s->addr;
	v->exit.mmio.length = (uint8_t)s->len;
	v->exit.mmio.write = s->write;
	v->exit.mmio.data = s->data;
}

static void exit_msr(struct vma_vcpu *v, struct x86_stop *s)
{
	v->exit.msr.index = (uint32_t)s->addr;
	v->exit.msr.write = s->write;
	v->exit.msr.fault = 0;
	v->exit.msr.value = s->value;
}

static void exit_cpuid(struct vma_vcpu *v, struct x86_stop *s)
{
	v->exit.cpuid.leaf = s->leaf;
	v->exit.cpuid.subleaf = s->subleaf;
	v->exit.cpuid.eax = s->cpuid[0];
	v->exit.cpuid.ebx = s->cpuid[1];
	v->exit.cpuid.ecx = s->cpuid[2];
	v->exit.cpuid.edx = s->cpuid[3];
}

/* The argument registers of KVM's and Xen's conventions, 64-bit: RBX RCX RDX RSI RDI R8 (KVM Documentation, hypercalls.rst). */
static void exit_hypercall(struct vma_vcpu *v, struct x86_stop *s)
{
	static const uint8_t registers[6] = {3, 1, 2, 6, 7, 8};
	const struct x86_cpu *c = ((struct soft_vcpu *)v->priv)->cpu;
	(void)s;
	v->exit.hypercall.number = c->r[0];
	v->exit.hypercall.result = 0;
	for (int i = 0; i < 6; i++)
		v->exit.hypercall.args[i] = c->r[registers[i]];
}

static void exit_debug(struct vma_vcpu *v, struct x86_stop *s)
{
	v->exit.debug.reason = s->debug_reason;
	v->exit.debug.exception = s->exception;
	v->exit.debug.pc = s->pc;
	v->exit.debug.dr6 = s->dr6;
}

static void exit_internal(struct vma_vcpu *v, struct x86_stop *s)
{
	(void)s;
	v->exit.internal.suberror = 1;
	v->exit.internal.count = 1;
	v->exit.internal.data[0] = ((struct soft_vcpu *)v->priv)->cpu->rip;
}

static void exit_nothing(struct vma_vcpu *v, struct x86_stop *s)
{
	(void)v;
	(void)s;
}

static const struct {
	int kind;
	void (*fill)(struct vma_vcpu *v, struct x86_stop *s);
} exits[] = {
	[X86_STOP_IO] = {VMA_EXIT_IO, exit_io},
	[X86_STOP_MMIO] = {VMA_EXIT_MMIO, exit_mmio},
	[X86_STOP_MSR] = {VMA_EXIT_MSR, exit_msr},
	[X86_STOP_CPUID] = {VMA_EXIT_CPUID, exit_cpuid},
	[X86_STOP_HYPERCALL] = {VMA_EXIT_HYPERCALL, exit_hypercall},
	[X86_STOP_HLT] = {VMA_EXIT_HLT, exit_nothing},
	[X86_STOP_WINDOW] = {VMA_EXIT_IRQ_WINDOW, exit_nothing},
	[X86_STOP_DEBUG] = {VMA_EXIT_DEBUG, exit_debug},
	[X86_STOP_TRIPLE] = {VMA_EXIT_TRIPLE_FAULT, exit_nothing},
	[X86_STOP_INTERNAL] = {VMA_EXIT_INTERNAL, exit_internal},
};

static int to_exit(struct vma_vcpu *v, enum x86_stop_kind kind)
{
	struct x86_stop *s = &((struct soft_vcpu *)v->priv)->cpu->stop;
	v->exit.kind = (uint32_t)exits[kind].kind;
	v->exit.pending = s->needs_answer;
	v->completes_rip_only = false;
	exits[kind].fill(v, s);
	if (kind == X86_STOP_WINDOW)
		v->irq_window = false;
	return exits[kind].kind;
}

/* What the caller wrote into the exit goes to where the CPU looks for it. I/O and MMIO data are in place already. */
static void answer(struct vma_vcpu *v)
{
	struct x86_cpu *c = ((struct soft_vcpu *)v->priv)->cpu;
	struct x86_stop *s = &c->stop;
	if (v->exit.kind == VMA_EXIT_MSR) {
		s->value = v->exit.msr.value;
		s->fault = v->exit.msr.fault;
	} else if (v->exit.kind == VMA_EXIT_CPUID) {
		s->cpuid[0] = v->exit.cpuid.eax;
		s->cpuid[1] = v->exit.cpuid.ebx;
		s->cpuid[2] = v->exit.cpuid.ecx;
		s->cpuid[3] = v->exit.cpuid.edx;
	} else if (v->exit.kind == VMA_EXIT_HYPERCALL) {
		s->value = v->exit.hypercall.result;
	}
	x86_answer(c);
	v->exit.pending = 0;
}

int soft_complete(struct vma_vcpu *v)
{
	struct soft_vcpu *cv = v->priv;
	if (!v->exit.pending)
		return 0;
	answer(v);
	soft_enter(cv);
	enum x86_stop_kind kind = x86_complete(cv->cpu);
	soft_leave(cv);
	soft_time_show(cv->vm);
	if (!cv->cpu->stop.needs_answer) {
		/* A step that was completed, or the fault it ended in, is for the next run to report. */
		cv->stashed = kind == X86_STOP_BUDGET ? 0 : (int)kind;
		return 0;
	}
	to_exit(v, kind);
	return 1;
}

/* ------ sleeping ------ */

static bool interrupt_for(struct soft_vcpu *cv)
{
	return cv->cpu->eflags & 0x200 && (cv->given || (cv->vm->has_pc && irq_pc_pending(&cv->vm->pc, cv->v->index)));
}

/* INIT and SIPI change what the vCPU is (SDM vol. 3, 9.4.3). The boot CPU restarts at the reset vector. */
static void take_init_sipi(struct soft_vcpu *cv)
{
	if (atomic_exchange(&cv->init, false)) {
		x86_init(cv->cpu);
		cv->given = false;
		cv->mp = cv->v->index ? VMA_MP_WAIT_SIPI : VMA_MP_RUNNABLE;
	}
	if (atomic_exchange(&cv->sipi, false) && cv->mp == VMA_MP_WAIT_SIPI) {
		x86_sipi(cv->cpu, (uint8_t)atomic_load(&cv->sipi_vector));
		cv->mp = VMA_MP_RUNNABLE;
	}
}

static bool halt_ends(struct soft_vcpu *cv)
{
	return interrupt_for(cv) || atomic_load(&cv->nmi) || cv->cpu->nmi_pending || cv->cpu->inject_valid;
}

/* Sleep until the vCPU may run: 0. Else the exit that comes first: a kick or a call for the owner, the caller's limit of
 * time, or, when time is the instructions', a halt that no timer will end. */
static int wait_runnable(struct soft_vcpu *cv)
{
	struct vma_kick *k = cv->v->kick;
	for (;;) {
		take_init_sipi(cv);
		if (cv->mp == VMA_MP_HALTED && halt_ends(cv))
			cv->mp = VMA_MP_RUNNABLE;
		if (cv->mp == VMA_MP_RUNNABLE)
			return 0;
		if (atomic_load(&k->pending) || atomic_load(&k->calls) || atomic_load(&cv->v->vm->time_stands))
			return VMA_EXIT_CANCELED;
		if (soft_time_skip(cv)) {
			if (!halt_ends(cv) && soft_budget_over(cv))
				return VMA_EXIT_BUDGET;
		} else if (cv->vm->insn_hz && cv->mp == VMA_MP_HALTED) {
			return VMA_EXIT_HLT;
		} else {
			os_event_wait(&k->wake, UINT64_MAX);
		}
	}
}

/* ------ run ------ */

int soft_run(struct vma_vcpu *v)
{
	struct soft_vcpu *cv = v->priv;
	if (v->exit.pending && soft_complete(v) == 1)
		return (int)v->exit.kind;
	if (cv->stashed) {
		enum x86_stop_kind kind = (enum x86_stop_kind)cv->stashed;
		cv->stashed = 0;
		return to_exit(v, kind);
	}
	cv->cpu->window_wanted = v->irq_window;
	soft_host_wrote(cv->vm); /* the caller may have written code */
	for (;;) {
		soft_time_step(cv);
		int waited = soft_budget_over(cv) ? VMA_EXIT_BUDGET : wait_runnable(cv);
		if (!waited && soft_budget_over(cv))
			waited = VMA_EXIT_BUDGET;
		if (waited == VMA_EXIT_CANCELED)
			return waited;
		if (waited)
			return (int)(v->exit.kind = (uint32_t)waited);
		soft_enter(cv);
		enum x86_stop_kind kind = x86_run(cv->cpu);
		soft_leave(cv);
		soft_time_show(cv->vm);
		if (kind == X86_STOP_POLL)
			return VMA_EXIT_CANCELED;
		if (kind == X86_STOP_HLT && cv->vm->has_pc)
			cv->mp = VMA_MP_HALTED;
		else if (kind != X86_STOP_INIT && kind != X86_STOP_BUDGET)
			return to_exit(v, kind);
	}
}

/* ------ injection ------ */

int soft_interrupt_ready(struct vma_vcpu *v)
{
	const struct soft_vcpu *cv = v->priv;
	const struct x86_cpu *c = cv->cpu;
	return c->eflags & 0x200 && !c->shadow && !c->inject_valid && !c->exc_valid && !cv->given;
}

/* An instruction that waits for its answer comes first, and may clear IF (SDM vol. 3, 6.8.1). */
int soft_interrupt(struct vma_vcpu *v, uint8_t vector)
{
	struct soft_vcpu *cv = v->priv;
	cv->given = true;
	cv->given_vector = vector;
	return 0;
}

int soft_nmi(struct vma_vcpu *v)
{
	struct soft_vcpu *cv = v->priv;
	soft_host_wrote(cv->vm);
	atomic_store(&cv->nmi, true);
	soft_wake(cv);
	return 0;
}

int soft_get_tpr(struct vma_vcpu *v)
{
	return (int)((struct soft_vcpu *)v->priv)->cpu->cr8;
}

int soft_set_tpr(struct vma_vcpu *v, uint8_t cr8)
{
	((struct soft_vcpu *)v->priv)->cpu->cr8 = cr8;
	return 0;
}

int soft_debug(struct vma_vcpu *v)
{
	struct x86_cpu *c = ((struct soft_vcpu *)v->priv)->cpu;
	c->user_step = v->debug.single_step;
	c->user_int3 = v->debug.software;
	c->user_breaks = v->debug.count;
	for (uint32_t i = 0; i < v->debug.count; i++) {
		c->user_break[i].addr = v->debug.hw[i].address;
		c->user_break[i].type = (uint8_t)v->debug.hw[i].type;
		c->user_break[i].len = (uint8_t)v->debug.hw[i].length;
	}
	x86_state_changed(c, true);
	return 0;
}

void soft_kick(struct vma_kick *k)
{
	os_event_set(&k->wake);
}
