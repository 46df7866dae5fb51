/* soft_irq.c - the software back end's interrupt controllers: irq/ under one lock, and the thread that sleeps until their next deadline. */
#include "soft.h"
#include "pc/pc.h"

/* Make a vCPU look around, whether it runs or sleeps. The reason has been stored before. */
void soft_wake(struct soft_vcpu *cv)
{
	struct vma_kick *k = cv->v->kick;
	atomic_store(&k->attention, 1);
	os_event_set(&k->wake);
}

static struct soft_vcpu *vcpu_at(struct soft_vm *sv, unsigned index)
{
	return index < sv->vm->config.max_vcpus ? sv->vcpus[index] : NULL;
}

static uint64_t op_now(void *o)
{
	return soft_now(o);
}

static uint64_t op_tsc(void *o, unsigned index)
{
	struct soft_vcpu *cv = vcpu_at(o, index);
	return cv ? soft_tsc(cv) + __atomic_load_n(&cv->cpu->tsc_offset, __ATOMIC_RELAXED) : 0;
}

static void op_wake(void *o, unsigned index)
{
	struct soft_vcpu *cv = vcpu_at(o, index);
	if (cv)
		soft_wake(cv);
}

static void op_init(void *o, unsigned index)
{
	struct soft_vcpu *cv = vcpu_at(o, index);
	if (!cv)
		return;
	atomic_store(&cv->sipi, false); /* one before the INIT is void; one after it may come before the vCPU has seen the INIT */
	atomic_store(&cv->init, true);
	soft_wake(cv);
}

static void op_sipi(void *o, unsigned index, uint8_t vector)
{
	struct soft_vcpu *cv = vcpu_at(o, index);
	if (!cv)
		return;
	atomic_store(&cv->sipi_vector, vector);
	atomic_store(&cv->sipi, true);
	soft_wake(cv);
}

static void op_nmi(void *o, unsigned index)
{
	struct soft_vcpu *cv = vcpu_at(o, index);
	if (!cv)
		return;
	atomic_store(&cv->nmi, true);
	soft_wake(cv);
}

static void op_deadline(void *o, uint64_t ns)
{
	struct soft_vm *sv = o;
	struct soft_vcpu *cv = vcpu_at(sv, 0);
	(void)ns;
	if (sv->insn_hz && cv && cv->v->owner == os_thread_self())
		soft_set_limit(cv);
	os_cond_broadcast(&sv->irq_cond);
}

static const struct irq_ops ops = {
	.now_ns = op_now,
	.tsc = op_tsc,
	.wake = op_wake,
	.init = op_init,
	.sipi = op_sipi,
	.nmi = op_nmi,
	.deadline = op_deadline,
};

static void timer_main(void *arg)
{
	struct soft_vm *sv = arg;
	os_lock(&sv->irq_lock);
	while (!sv->quit) {
		uint64_t due = irq_pc_deadline(&sv->pc), now = os_now_ns();
		if (due <= now)
			irq_pc_tick(&sv->pc, now);
		else if (due == IRQ_NEVER)
			os_cond_wait(&sv->irq_cond, &sv->irq_lock);
		else
			os_cond_wait_until(&sv->irq_cond, &sv->irq_lock, due);
	}
	os_unlock(&sv->irq_lock);
}

int soft_irq_open(struct soft_vm *sv)
{
	uint32_t features[4];
	vma_cpuid_lookup(sv->vm, 1, 0, features);
	struct irq_config config = {
		.vcpus = sv->vm->config.max_vcpus,
		.tsc_hz = sv->tsc_hz,
		.phys_bits = sv->vm->info.gpa_bits,
		.x2apic = features[2] >> 21 & 1,
	};
	sv->lapics = os_aligned(64, config.vcpus * sizeof *sv->lapics);
	if (!sv->lapics)
		return vma_fail(VMA_E_NOMEM, "no memory for %u local APICs", config.vcpus);
	if (irq_pc_init(&sv->pc, &config, &ops, sv, sv->lapics) < 0)
		return vma_fail(VMA_E_INVALID, "the interrupt controllers refuse %u vCPUs", config.vcpus);
	sv->has_pc = true;
	if (sv->insn_hz)
		return 0; /* the vCPU runs its timers itself */
	int error = os_worker_start(timer_main, sv, &sv->timer);
	return error < 0 ? vma_fail_os(error, "starting the timer thread") : 0;
}

void soft_irq_close(struct soft_vm *sv)
{
	if (sv->timer) {
		os_lock(&sv->irq_lock);
		sv->quit = true;
		os_cond_broadcast(&sv->irq_cond);
		os_unlock(&sv->irq_lock);
		os_worker_join(sv->timer);
		sv->timer = NULL;
	}
	os_free(sv->lapics);
	sv->lapics = NULL;
}

int soft_irq_line(struct vma_vm *vm, uint32_t gsi, int level)
{
	struct soft_vm *sv = vm->priv;
	soft_host_wrote(sv); /* a device may have written code before it raises its interrupt */
	return pc_chips_line(&sv->pc, &sv->irq_lock, gsi, level);
}

int soft_msi(struct vma_vm *vm, uint64_t address, uint32_t data)
{
	struct soft_vm *sv = vm->priv;
	soft_host_wrote(sv);
	return pc_chips_msi(&sv->pc, &sv->irq_lock, address, data);
}

int soft_irqchip_get(struct vma_vm *vm, vma_x86_irqchip *chip)
{
	struct soft_vm *sv = vm->priv;
	return pc_chips_get(&sv->pc, &sv->irq_lock, chip);
}

int soft_irqchip_set(struct vma_vm *vm, const vma_x86_irqchip *chip)
{
	struct soft_vm *sv = vm->priv;
	return pc_chips_set(&sv->pc, &sv->irq_lock, &sv->irq_cond, chip);
}

/* ------ eventfds ------ */

void soft_pulse(void *o, uint32_t gsi)
{
	struct soft_vm *sv = o;
	soft_host_wrote(sv);
	os_lock(&sv->irq_lock);
	for (int level = 1; level >= 0; level--)
		if (sv->has_gic)
			gic_line(&sv->gic, 0, GIC_PRIVATE + gsi, level);
		else
			irq_pc_line(&sv->pc, gsi, level);
	os_unlock(&sv->irq_lock);
}

int soft_irqfd(struct vma_vm *vm, int eventfd, uint32_t gsi, int assign)
{
	struct soft_vm *sv = vm->priv;
	return vma_irqfd_change(&sv->irqfds, eventfd, gsi, assign);
}

int soft_ioeventfd(struct vma_vm *vm, const vma_ioeventfd *io, int assign)
{
	struct soft_vm *sv = vm->priv;
	soft_stop_world(sv, false);
	int error = assign ? vma_ioevent_add(&sv->ioevents, io) : vma_ioevent_remove(&sv->ioevents, io);
	soft_start_world(sv);
	return error;
}
