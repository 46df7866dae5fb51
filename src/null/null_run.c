/* null_run.c - taking the steps of a script: what a run returns, and what the completion of its exit does. */
#include <string.h>
#include "null/null.h"

static bool needs_answer(uint32_t kind)
{
	return kind == VMA_EXIT_IO || kind == VMA_EXIT_MMIO || kind == VMA_EXIT_MSR || kind == VMA_EXIT_CPUID ||
	       kind == VMA_EXIT_HYPERCALL;
}

/* Show the next step's exit. */
static int show(struct vma_vcpu *v)
{
	struct null_vcpu *n = v->priv;
	const vma_null_step *s;

	os_free(n->now.bytes);
	n->now = n->steps[n->at++];
	s = &n->now.step;
	v->exit = s->exit;
	v->exit.pending = needs_answer(s->exit.kind);
	if (s->exit.kind == VMA_EXIT_IO)
		v->exit.io.data = n->now.bytes;
	if (s->exit.kind == VMA_EXIT_MMIO)
		v->exit.mmio.data = n->now.bytes;
	v->completes_rip_only = !s->more && ((s->exit.kind == VMA_EXIT_IO && s->exit.io.write) ||
					     (s->exit.kind == VMA_EXIT_MMIO && s->exit.mmio.write));
	if (!v->exit.pending)
		n->s.gpr.rip += s->insn_length;
	return (int)v->exit.kind;
}

/* ------ completion ------ */

static void low_bytes(uint64_t *reg, const uint8_t *bytes, unsigned at, unsigned size)
{
	for (unsigned i = 0; i < size && at + i < 8; i++) {
		*reg &= ~(0xffull << (8 * (at + i)));
		*reg |= (uint64_t)bytes[i] << (8 * (at + i));
	}
}

static void answer_mmio(struct vma_vcpu *v, struct null_vcpu *n)
{
	uint64_t *reg = (uint64_t *)&n->s.gpr + n->now.step.reg;

	if (v->exit.mmio.write)
		return;
	if (!n->filled)
		*reg = 0;
	low_bytes(reg, v->exit.mmio.data, n->filled, v->exit.mmio.length);
	n->filled += v->exit.mmio.length;
}

static void answer_msr(const vma_exit *e, vma_x86_regs *r)
{
	if (e->msr.write || e->msr.fault)
		return;
	r->rax = (uint32_t)e->msr.value;
	r->rdx = e->msr.value >> 32;
}

static void fault_gp(struct null_vcpu *n)
{
	n->s.events.exception_injected = 1;
	n->s.events.exception_vector = 13;
	n->s.events.exception_has_error = 1;
	n->s.events.exception_error = 0;
}

static void answer_io(const vma_exit *e, vma_x86_regs *r)
{
	if (e->io.write || e->io.count != 1)
		return;
	if (e->io.width == 4)
		r->rax = 0; /* a 32-bit write clears the upper half */
	low_bytes(&r->rax, e->io.data, 0, e->io.width);
}

static void answer(struct vma_vcpu *v, struct null_vcpu *n)
{
	const vma_exit *e = &v->exit;
	vma_x86_regs *r = &n->s.gpr;

	switch (e->kind) {
	case VMA_EXIT_IO:
		answer_io(e, r);
		break;
	case VMA_EXIT_MMIO:
		answer_mmio(v, n);
		break;
	case VMA_EXIT_MSR:
		answer_msr(e, r);
		break;
	case VMA_EXIT_CPUID:
		r->rax = e->cpuid.eax, r->rbx = e->cpuid.ebx, r->rcx = e->cpuid.ecx, r->rdx = e->cpuid.edx;
		break;
	case VMA_EXIT_HYPERCALL:
		r->rax = e->hypercall.result;
		break;
	}
}

/* 1: the next fragment is shown. */
static int commit_pending(struct vma_vcpu *v)
{
	struct null_vcpu *n = v->priv;
	bool faults = v->exit.kind == VMA_EXIT_MSR && v->exit.msr.fault;

	answer(v, n);
	v->exit.pending = 0;
	if (n->now.step.more && n->at < n->count && n->steps[n->at].step.error >= 0) {
		show(v);
		return 1;
	}
	n->filled = 0;
	if (faults)
		fault_gp(n);
	else
		n->s.gpr.rip += n->now.step.insn_length;
	return 0;
}

int null_complete(struct vma_vcpu *v)
{
	int rc = null_enter(NULL_complete);

	return rc ? rc : commit_pending(v);
}

/* ------ running ------ */

/* What entering does: everything injected is delivered, the shadow is over. */
static void deliver(struct vma_x86_state *s)
{
	s->events.exception_injected = 0;
	s->events.interrupt_injected = 0;
	s->events.nmi_injected = 0;
	if (s->events.nmi_pending && !s->events.nmi_masked) {
		s->events.nmi_pending = 0;
		s->events.nmi_masked = 1;
	}
	s->events.shadow = 0;
}

static int window(struct vma_vcpu *v)
{
	v->exit = (vma_exit){.kind = VMA_EXIT_IRQ_WINDOW};
	return VMA_EXIT_IRQ_WINDOW;
}

static bool window_open(const struct vma_x86_state *s)
{
	return s->gpr.rflags & 0x200 && !s->events.shadow && !s->events.interrupt_injected;
}

static int step_error(struct null_vcpu *n)
{
	int error = n->steps[n->at].step.error;

	os_free(n->steps[n->at].bytes);
	n->at++;
	return vma_fail(error, "null: the script says %s", vma_error_name(error));
}

static int take(struct vma_vcpu *v)
{
	struct null_vcpu *n = v->priv;
	vma_null_step *s;

	if (n->at == n->count) {
		v->exit = (vma_exit){.kind = VMA_EXIT_HLT};
		return VMA_EXIT_HLT;
	}
	s = &n->steps[n->at].step;
	if (s->spurious) {
		s->spurious--;
		return VMA_EXIT_CANCELED;
	}
	if (s->inside)
		s->inside(v, s->opaque);
	return s->error < 0 ? step_error(n) : show(v);
}

int null_run(struct vma_vcpu *v)
{
	struct null_vcpu *n = v->priv;
	int rc = null_enter(NULL_run);

	if (rc)
		return rc;
	if (v->exit.pending && commit_pending(v))
		return (int)v->exit.kind;
	if (atomic_load(&v->kick->attention))
		return VMA_EXIT_CANCELED;
	deliver(&n->s);
	if (v->irq_window && window_open(&n->s))
		return window(v);
	return take(v);
}
