/* pc_run.c - a vCPU's runs: what comes from other threads is taken, an interrupt is injected or a window asked for, the
 * guest runs, what it asks of the controllers is answered; in HLT and waiting for a SIPI the thread sleeps. */
#include "pc/pc.h"

/* ------ completing ------ */

int pc_complete(struct vma_vcpu *v)
{
	int rc = v->vm->pc->bare->complete(v);

	while (rc == 1 && pc_answer(v->pc, (int)v->exit.kind))
		rc = v->vm->pc->bare->complete(v);
	return rc;
}

/* Complete what this file has answered, before the vCPU leaves without running on or its state changes. 0, the kind of
 * an exit that is the caller's, or an error. */
static int settle(struct pc_vcpu *pv)
{
	int rc = pv->v->exit.pending ? pc_complete(pv->v) : 0;

	return rc == 1 ? (int)pv->v->exit.kind : rc;
}

/* ------ from other threads ------ */

static bool kicked(struct pc_vcpu *pv)
{
	struct vma_kick *k = pv->v->kick;

	/* attract sets it for a reason of ours; for a kick, which has said so before, it stays */
	atomic_store(&k->attention, 0);
	if (!atomic_load(&k->pending) && !atomic_load(&k->calls) && !atomic_load(&pv->v->vm->time_stands))
		return false;
	atomic_store(&k->attention, 1);
	return true;
}

static bool changed(const struct pc_vcpu *pv)
{
	return atomic_load(&pv->init) || atomic_load(&pv->sipi) || pv->base_moved;
}

/* INIT and SIPI change what the vCPU is (SDM vol. 3, 9.4.3). */
static int take_changes(struct pc_vcpu *pv)
{
	struct pc_vm *pc = pv->v->vm->pc;
	int rc = settle(pv);

	if (!rc && pv->base_moved) {
		rc = pc->bare->fetch(pv->v, VMA_C_SREGS);
		pv->v->x86.sregs.apic_base = irq_pc_get_apic_base(&pc->chips, pv->v->index);
		pv->v->x86.sregs.cr8 = pv->tpr;
		if (!rc)
			rc = pc_put(pv, VMA_C_SREGS);
		if (!rc)
			pv->base_moved = false;
	}
	if (!rc && atomic_load(&pv->init))
		rc = pc_take_init(pv);
	if (!rc && atomic_load(&pv->sipi))
		rc = pc_take_sipi(pv);
	return rc;
}

int pc_nmi(struct vma_vcpu *v)
{
	v->pc->given = true;
	return v->vm->pc->bare->nmi(v);
}

/* ------ sleeping ------ */

/* An NMI that is masked waits for IRET. */
static int given_ends(struct pc_vcpu *pv)
{
	struct vma_vcpu *v = pv->v;
	const vma_x86_events *e = &v->x86.events;
	int rc;

	if (!pv->given)
		return 0;
	rc = v->vm->pc->bare->fetch(v, VMA_C_EVENTS);
	if (rc)
		return rc;
	return e->interrupt_injected || e->exception_injected || e->exception_pending || e->nmi_injected ||
	       (e->nmi_pending && !e->nmi_masked);
}

/* 1: yes. */
static int halt_ends(struct pc_vcpu *pv)
{
	struct vma_vcpu *v = pv->v;
	struct pc_vm *pc = v->vm->pc;
	int rc = given_ends(pv);

	if (!rc && irq_pc_pending(&pc->chips, v->index))
		rc = pc->bare->interrupt_ready(v);
	return rc;
}

/* The owner looks once more after it has said that it will sleep. 0: look again at everything, or an exit's kind. */
static int sleep_once(struct pc_vcpu *pv)
{
	struct pc_vm *pc = pv->v->vm->pc;
	int rc = 0;

	atomic_store(&pv->inside, 1);
	if (kicked(pv))
		rc = VMA_EXIT_CANCELED;
	else if (!changed(pv) && !atomic_load(&pv->nmi) &&
		 (pv->mp != VMA_MP_HALTED || !irq_pc_pending(&pc->chips, pv->v->index) ||
		  !pc->bare->interrupt_ready(pv->v)))
		os_event_wait(&pv->v->kick->wake, UINT64_MAX);
	atomic_store(&pv->inside, 0);
	return rc;
}

/* 0: the vCPU may enter. */
static int wait_runnable(struct pc_vcpu *pv)
{
	for (;;) {
		int rc = changed(pv) ? take_changes(pv) : 0;

		if (!rc && atomic_exchange(&pv->nmi, false))
			rc = pc_nmi(pv->v);
		if (rc)
			return rc;
		if (pv->mp == VMA_MP_HALTED) {
			rc = halt_ends(pv);
			if (rc < 0)
				return rc;
			if (rc)
				pv->mp = VMA_MP_RUNNABLE;
		}
		if (pv->mp == VMA_MP_RUNNABLE) {
			pv->given = false;
			return 0;
		}
		rc = sleep_once(pv);
		if (rc)
			return rc;
	}
}

/* ------ entering ------ */

/* Between acknowledging and entering nothing can stop the interrupt: the back end has it. */
static int inject(struct pc_vcpu *pv)
{
	struct vma_vcpu *v = pv->v;
	struct pc_vm *pc = v->vm->pc;
	int vector, ready = pc->bare->interrupt_ready(v);

	v->irq_window = ready == 0;
	if (ready <= 0)
		return ready;
	os_lock(&pc->lock);
	vector = irq_pc_ack(&pc->chips, v->index);
	os_unlock(&pc->lock);
	v->irq_window = irq_pc_pending(&pc->chips, v->index);
	return vector < 0 ? 0 : pc->bare->interrupt(v, (uint8_t)vector);
}

/* CR8 lives on both sides: MOV CR8 writes the back end's, everything else the local APIC's. */
static int pull_tpr(struct pc_vcpu *pv)
{
	struct vma_vcpu *v = pv->v;
	struct pc_vm *pc = v->vm->pc;
	int cr8 = pc->bare->get_tpr(v);

	if (cr8 < 0 || cr8 == pv->tpr)
		return cr8 < 0 ? cr8 : 0;
	pv->tpr = (uint8_t)cr8;
	os_lock(&pc->lock);
	irq_pc_set_cr8(&pc->chips, v->index, pv->tpr);
	os_unlock(&pc->lock);
	return 0;
}

enum { AGAIN = 0 };

static int enter(struct pc_vcpu *pv)
{
	struct vma_vcpu *v = pv->v;
	struct pc_vm *pc = v->vm->pc;
	int rc = 0, tpr;

	atomic_store(&pv->inside, 1);
	atomic_store(&pv->called, false);
	v->irq_window = false;
	if (atomic_load(&v->kick->attention) && kicked(pv))
		rc = VMA_EXIT_CANCELED;
	else if (changed(pv) || atomic_load(&pv->nmi)) /* came while the vCPU was on its way here */
		rc = VMA_EXIT_IRQ_WINDOW;
	else if (irq_pc_pending(&pc->chips, v->index))
		rc = inject(pv);
	if (!rc) {
		v->valid = 0;
		rc = pc->bare->run(v);
	}
	atomic_store(&pv->inside, 0);
	if (rc < 0)
		return rc;
	tpr = pull_tpr(pv);
	return tpr ? tpr : rc;
}

/* AGAIN, or the kind of an exit for the caller. */
static int after(struct pc_vcpu *pv, int kind)
{
	switch (kind) {
	case VMA_EXIT_HLT:
		pv->mp = VMA_MP_HALTED;
		return AGAIN;
	case VMA_EXIT_IRQ_WINDOW:
		return AGAIN;
	case VMA_EXIT_CANCELED:
		return kicked(pv) ? kind : AGAIN;
	case VMA_EXIT_MMIO:
	case VMA_EXIT_IO:
	case VMA_EXIT_MSR:
		if (!pc_answer(pv, kind))
			return kind;
		return pc_push_tpr(pv);
	default:
		return kind;
	}
}

int pc_run(struct vma_vcpu *v)
{
	struct pc_vcpu *pv = v->pc;
	int rc;

	do {
		rc = wait_runnable(pv);
		if (!rc) {
			rc = enter(pv);
			if (rc > 0)
				rc = after(pv, rc);
		}
	} while (!rc);
	v->irq_window = false;
	if (rc != VMA_EXIT_CANCELED)
		return rc;
	/* What was answered here is not to be left half done. */
	rc = settle(pv);
	if (!rc)
		v->exit.kind = rc = VMA_EXIT_CANCELED;
	return rc;
}
