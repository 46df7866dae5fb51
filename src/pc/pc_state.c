/* pc_state.c - a vCPU's state: what is the controllers' comes from irq/ (local APIC, APIC base, task priority, the MSRs
 * of both) or from here (halted, waiting for a SIPI, what is on its way), the rest is the back end's. And INIT and
 * SIPI. */
#include <string.h>
#include "pc/pc.h"

/* ------ life ------ */

int pc_vcpu_open(struct vma_vcpu *v)
{
	struct pc_vm *pc = v->vm->pc;
	struct pc_vcpu *pv = os_calloc(1, sizeof(*pv));
	int rc;

	if (!pv)
		return vma_fail(VMA_E_NOMEM, "no memory for vCPU %u's local APIC", v->index);
	pv->v = v;
	pv->mp = v->index ? VMA_MP_WAIT_SIPI : VMA_MP_RUNNABLE;
	v->pc = pv;
	rc = pc->bare->vcpu_open(v);
	if (rc) {
		v->pc = NULL;
		os_free(pv);
		return rc;
	}
	os_lock(&pc->lock);
	irq_pc_reset_vcpu(&pc->chips, v->index);
	pc->vcpus[v->index] = pv;
	os_unlock(&pc->lock);
	return 0;
}

void pc_vcpu_close(struct vma_vcpu *v)
{
	struct pc_vm *pc = v->vm->pc;

	os_lock(&pc->lock); /* the controllers' callbacks look vCPUs up */
	pc->vcpus[v->index] = NULL;
	os_unlock(&pc->lock);
	pc->bare->vcpu_close(v);
	os_free(v->pc);
	v->pc = NULL;
}

/* ------ task priority ------ */

int pc_push_tpr(struct pc_vcpu *pv)
{
	struct pc_vm *pc = pv->v->vm->pc;
	uint8_t cr8;

	os_lock(&pc->lock);
	cr8 = irq_pc_get_cr8(&pc->chips, pv->v->index);
	os_unlock(&pc->lock);
	if (cr8 == pv->tpr)
		return 0;
	pv->tpr = cr8;
	return pc->bare->set_tpr(pv->v, cr8);
}

/* ------ INIT and SIPI ------ */

int pc_put(struct pc_vcpu *pv, uint32_t classes)
{
	struct vma_vcpu *v = pv->v;
	int rc;

	v->gpr_dirty = VMA_X86_ALL_REGS; /* which of VMA_C_GPR are written */
	rc = v->vm->pc->bare->commit(v, classes);
	v->gpr_dirty = 0;
	v->valid = 0;
	return rc;
}

/* The boot CPU restarts at the reset vector. The local APIC has been reset when the INIT came. */
int pc_take_init(struct pc_vcpu *pv)
{
	struct vma_vcpu *v = pv->v;
	int rc = v->vm->pc->bare->fetch(v, VMA_C_SREGS);

	if (rc)
		return rc;
	v->x86.sregs.apic_base = irq_pc_get_apic_base(&v->vm->pc->chips, v->index);
	vma_x86_init_values(v, &v->x86);
	rc = pc_put(pv, VMA_C_SREGS | VMA_C_GPR | VMA_C_DREGS | VMA_C_EVENTS);
	if (rc)
		return rc;
	pv->mp = v->index ? VMA_MP_WAIT_SIPI : VMA_MP_RUNNABLE;
	atomic_store(&pv->init, false);
	pv->tpr = 0;
	return pc_push_tpr(pv);
}

/* Under the lock, in which INIT and SIPI come: neither a SIPI behind an INIT not yet taken nor one that comes while
 * this one is taken may be lost. */
static bool claim_sipi(struct pc_vcpu *pv, uint32_t *vector)
{
	struct pc_vm *pc = pv->v->vm->pc;
	bool claimed;

	os_lock(&pc->lock);
	claimed = !atomic_load(&pv->init) && atomic_exchange(&pv->sipi, false);
	*vector = atomic_load(&pv->sipi_vector);
	os_unlock(&pc->lock);
	return claimed && pv->mp == VMA_MP_WAIT_SIPI;
}

static int start_at(struct pc_vcpu *pv, uint32_t vector)
{
	struct vma_vcpu *v = pv->v;
	int rc = v->vm->pc->bare->fetch(v, VMA_C_SREGS | VMA_C_GPR);

	if (rc)
		return rc;
	v->x86.sregs.cs.selector = (uint16_t)(vector << 8);
	v->x86.sregs.cs.base = (uint64_t)vector << 12;
	v->x86.gpr.rip = 0;
	return pc_put(pv, VMA_C_SREGS | VMA_C_GPR);
}

int pc_take_sipi(struct pc_vcpu *pv)
{
	uint32_t vector;
	int rc;

	if (!claim_sipi(pv, &vector))
		return 0;
	rc = start_at(pv, vector);
	if (rc)
		atomic_store(&pv->sipi, true); /* for the next run */
	else
		pv->mp = VMA_MP_RUNNABLE;
	return rc;
}

/* ------ fetch and commit ------ */

static void fetch_ours(struct pc_vcpu *pv, uint32_t classes)
{
	struct vma_x86_state *x = &pv->v->x86;
	struct pc_vm *pc = pv->v->vm->pc;

	os_lock(&pc->lock);
	if (classes & VMA_C_SREGS) {
		x->sregs.apic_base = irq_pc_get_apic_base(&pc->chips, pv->v->index);
		x->sregs.cr8 = irq_pc_get_cr8(&pc->chips, pv->v->index);
	}
	if (classes & VMA_C_LAPIC)
		irq_pc_get_lapic(&pc->chips, pv->v->index, x->lapic);
	os_unlock(&pc->lock);
	if (classes & VMA_C_MP)
		x->mp = pv->mp;
	if (!(classes & VMA_C_EVENTS))
		return;
	x->events.init_pending = atomic_load(&pv->init);
	x->events.sipi_pending = atomic_load(&pv->sipi);
	x->events.sipi_vector = atomic_load(&pv->sipi_vector);
}

int pc_fetch(struct vma_vcpu *v, uint32_t classes)
{
	const struct vma_backend *bare = v->vm->pc->bare;
	uint32_t theirs = classes & ~(uint32_t)(VMA_C_LAPIC | VMA_C_MP);
	int rc = 0;

	if (classes & VMA_C_EVENTS && atomic_exchange(&v->pc->nmi, false))
		rc = pc_nmi(v);
	if (!rc && theirs)
		rc = bare->fetch(v, theirs);
	if (!rc && classes & (VMA_C_SREGS | VMA_C_LAPIC | VMA_C_MP | VMA_C_EVENTS))
		fetch_ours(v->pc, classes);
	return rc;
}

/* What another vCPU has sent meanwhile is not the caller's to take back: a fresh vCPU's first commit comes with its
 * first run. */
static void take_events(struct pc_vcpu *pv, const vma_x86_events *e)
{
	atomic_store(&pv->nmi, false);
	pv->given = true;
	if (e->init_pending)
		atomic_store(&pv->init, true);
	if (e->sipi_pending) {
		atomic_store(&pv->sipi_vector, e->sipi_vector);
		atomic_store(&pv->sipi, true);
	}
}

static int commit_lapic(struct pc_vcpu *pv)
{
	struct pc_vm *pc = pv->v->vm->pc;

	os_lock(&pc->lock);
	int r = irq_pc_set_lapic(&pc->chips, pv->v->index, pv->v->x86.lapic);
	os_cond_broadcast(&pc->moved);
	os_unlock(&pc->lock);
	return r < 0 ? vma_fail(VMA_E_INVALID, "the local APIC refuses the register page") : pc_push_tpr(pv);
}

static int commit_ours(struct pc_vcpu *pv, uint32_t classes)
{
	struct vma_x86_state *x = &pv->v->x86;
	struct pc_vm *pc = pv->v->vm->pc;

	if (classes & VMA_C_SREGS) {
		os_lock(&pc->lock);
		irq_pc_set_apic_base(&pc->chips, pv->v->index, x->sregs.apic_base);
		irq_pc_set_cr8(&pc->chips, pv->v->index, (uint8_t)x->sregs.cr8);
		os_unlock(&pc->lock);
		pv->tpr = (uint8_t)x->sregs.cr8;
		pv->base_moved = false;
	}
	if (classes & VMA_C_EVENTS)
		take_events(pv, &x->events);
	if (classes & VMA_C_MP)
		pv->mp = x->mp;
	return classes & VMA_C_LAPIC ? commit_lapic(pv) : 0;
}

/* The back end never hears of INIT and SIPI. */
static int commit_theirs(struct vma_vcpu *v, uint32_t classes)
{
	vma_x86_events events = v->x86.events;
	int rc;

	v->x86.events.init_pending = v->x86.events.sipi_pending = 0;
	v->x86.events.sipi_vector = 0;
	rc = v->vm->pc->bare->commit(v, classes);
	v->x86.events = events;
	return rc;
}

int pc_commit(struct vma_vcpu *v, uint32_t classes)
{
	const uint32_t ours = VMA_C_LAPIC | VMA_C_MP, shared = VMA_C_SREGS | VMA_C_EVENTS;
	int rc;

	if (!(classes & (ours | shared)))
		return v->vm->pc->bare->commit(v, classes);
	rc = classes & ~ours ? commit_theirs(v, classes & ~ours) : 0;
	return rc ? rc : commit_ours(v->pc, classes);
}

/* ------ MSRs ------ */

enum { MSR_TSC = 0x10, MSR_TSC_ADJUST = 0x3b };

int pc_anchor_tsc(struct pc_vcpu *pv)
{
	static const uint32_t index = MSR_TSC;
	struct pc_vm *pc = pv->v->vm->pc;
	uint64_t tsc, now = pc_tsc_clock(pc);
	int rc = pc->bare->get_msrs(pv->v, &index, &tsc, 1);

	if (rc < 1)
		return rc < 0 ? rc : vma_fail(VMA_E_NO_ACCEL, "%s has no TSC", pv->v->vm->info.name);
	os_lock(&pc->lock);
	pv->tsc = tsc;
	pv->tsc_at = now;
	os_unlock(&pc->lock);
	return 0;
}

/* Length of the run of MSRs that are the back end's. */
static size_t theirs(const uint32_t *indices, size_t count)
{
	size_t n = 0;

	while (n < count && !pc_owns_msr(indices[n]))
		n++;
	return n;
}

static bool get_ours(struct pc_vcpu *pv, uint32_t index, uint64_t *value)
{
	struct pc_vm *pc = pv->v->vm->pc;

	os_lock(&pc->lock);
	int r = irq_pc_rdmsr(&pc->chips, pv->v->index, index, value);
	os_unlock(&pc->lock);
	return r == IRQ_OK;
}

static bool set_ours(struct pc_vcpu *pv, uint32_t index, uint64_t value)
{
	struct pc_vm *pc = pv->v->vm->pc;
	int r = IRQ_OK;

	if (index == PC_TSC_DEADLINE && value && pc_anchor_tsc(pv))
		return false;
	os_lock(&pc->lock);
	if (index == PC_TSC_DEADLINE)
		irq_pc_set_tsc_deadline(&pc->chips, pv->v->index, value);
	else
		r = irq_pc_wrmsr(&pc->chips, pv->v->index, index, value);
	os_unlock(&pc->lock);
	return r == IRQ_OK && !pc_push_tpr(pv);
}

int pc_get_msrs(struct vma_vcpu *v, const uint32_t *indices, uint64_t *values, size_t count)
{
	size_t i = 0;

	while (i < count) {
		size_t n = theirs(indices + i, count - i);
		int rc = n ? v->vm->pc->bare->get_msrs(v, indices + i, values + i, n)
			   : get_ours(v->pc, indices[i], &values[i]);

		if (rc < 0)
			return rc;
		i += (size_t)rc;
		if ((size_t)rc < (n ? n : 1))
			break;
	}
	return (int)i;
}

/* Of the back end's, some may have been the TSC: a deadline is due by the TSC as it is now. */
static int tsc_changed(struct pc_vcpu *pv, const uint32_t *indices, size_t count)
{
	struct pc_vm *pc = pv->v->vm->pc;
	bool changed = false;
	int rc;

	for (size_t i = 0; i < count; i++)
		changed |= indices[i] == MSR_TSC || indices[i] == MSR_TSC_ADJUST;
	rc = changed ? pc_anchor_tsc(pv) : 0;
	if (!changed || rc)
		return rc;
	os_lock(&pc->lock);
	irq_pc_tsc_changed(&pc->chips, pv->v->index);
	os_unlock(&pc->lock);
	return 0;
}

static int set_theirs(struct vma_vcpu *v, const uint32_t *indices, const uint64_t *values, size_t count)
{
	int done = v->vm->pc->bare->set_msrs(v, indices, values, count);
	int rc = done > 0 ? tsc_changed(v->pc, indices, (size_t)done) : 0;

	return rc ? rc : done;
}

int pc_set_msrs(struct vma_vcpu *v, const uint32_t *indices, const uint64_t *values, size_t count)
{
	size_t i = 0;

	while (i < count) {
		size_t n = theirs(indices + i, count - i);
		int rc = n ? set_theirs(v, indices + i, values + i, n) : set_ours(v->pc, indices[i], values[i]);

		if (rc < 0)
			return rc;
		i += (size_t)rc;
		if ((size_t)rc < (n ? n : 1))
			break;
	}
	return (int)i;
}
