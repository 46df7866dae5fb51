/* pc.c - the VM's half: the controllers under one lock, the thread that sleeps until their next deadline, interrupts
 * from outside, and how another thread makes a vCPU look. */
#include <string.h>
#include "pc/pc.h"

/* ------ what irq/ asks for; the lock is held ------ */

/* Make a vCPU look around. The reason has been stored before. */
static void attract(struct pc_vcpu *pv)
{
	atomic_thread_fence(memory_order_seq_cst);
	if (!atomic_load(&pv->inside))
		return;
	pc_call(pv->v);
	pc_kick(pv->v->kick);
}

void pc_call(struct vma_vcpu *v)
{
	atomic_store(&v->pc->called, true);
	atomic_store(&v->kick->attention, 1);
}

bool pc_called(const struct vma_vcpu *v)
{
	return atomic_load(&v->pc->called);
}

void pc_kick(struct vma_kick *k)
{
	os_event_set(&k->wake);
	k->be->bare->kick(k);
}

static struct pc_vcpu *vcpu_at(const struct pc_vm *pc, unsigned index)
{
	return index < pc->vm->config.max_vcpus ? pc->vcpus[index] : NULL;
}

static uint64_t op_now(void *o)
{
	(void)o;
	return os_now_ns();
}

static uint64_t raw_clock(const struct pc_vm *pc)
{
	return pc->tsc_is_host ? os_tsc() : os_now_ns();
}

uint64_t pc_tsc_clock(const struct pc_vm *pc)
{
	return vma_still_read(&pc->still, raw_clock(pc));
}

/* By the host's counter where that can be: its measured frequency is not exact, and no deadline may come early. */
static uint64_t op_tsc(void *o, unsigned index)
{
	const struct pc_vm *pc = o;
	const struct pc_vcpu *pv = vcpu_at(pc, index);
	uint64_t gone = pv ? pc_tsc_clock(pc) - pv->tsc_at : 0, hz = pc->chips.config.tsc_hz;

	if (!pc->tsc_is_host)
		gone = gone / 1000000000 * hz + gone % 1000000000 * hz / 1000000000;
	return pv ? pv->tsc + gone : 0;
}

static void op_wake(void *o, unsigned index)
{
	struct pc_vcpu *pv = vcpu_at(o, index);

	if (pv)
		attract(pv);
}

static void op_init(void *o, unsigned index)
{
	struct pc_vcpu *pv = vcpu_at(o, index);

	if (!pv)
		return;
	/* one before the INIT is void; one after it may come before the vCPU has seen the INIT */
	atomic_store(&pv->sipi, false);
	atomic_store(&pv->init, true);
	attract(pv);
}

static void op_sipi(void *o, unsigned index, uint8_t vector)
{
	struct pc_vcpu *pv = vcpu_at(o, index);

	if (!pv)
		return;
	atomic_store(&pv->sipi_vector, vector);
	atomic_store(&pv->sipi, true);
	attract(pv);
}

static void op_nmi(void *o, unsigned index)
{
	struct pc_vcpu *pv = vcpu_at(o, index);

	if (!pv)
		return;
	atomic_store(&pv->nmi, true);
	attract(pv);
}

static void op_deadline(void *o, uint64_t ns)
{
	struct pc_vm *pc = o;

	(void)ns;
	os_cond_broadcast(&pc->moved);
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
	struct pc_vm *pc = arg;

	os_lock(&pc->lock);
	while (!pc->quit) {
		uint64_t due = irq_pc_deadline(&pc->chips), now = os_now_ns();

		if (due <= now)
			irq_pc_tick(&pc->chips, now);
		else if (due == IRQ_NEVER)
			os_cond_wait(&pc->moved, &pc->lock);
		else
			os_cond_wait_until(&pc->moved, &pc->lock, due);
	}
	os_unlock(&pc->lock);
}

/* ------ opening and closing ------ */

static void pulse(void *o, uint32_t gsi)
{
	struct pc_vm *pc = o;

	pc_chips_pulse(&pc->chips, &pc->lock, gsi);
}

static int check(const struct vma_vm *vm)
{
	if (vm->config.insn_hz)
		return vma_fail(VMA_E_NO_ACCEL,
				"a clock of instructions needs VMA_IRQCHIP_PLATFORM or VMA_IRQCHIP_NONE");
	if (!(vm->info.caps & VMA_CAP_MSR_EXIT))
		return vma_fail(VMA_E_NO_ACCEL,
				"%s has no exits for MSRs, which the library's interrupt controllers need",
				vm->info.name);
	return 0;
}

static void free_pc(struct pc_vm *pc)
{
	vma_irqfds_close(&pc->irqfds);
	os_mutex_destroy(&pc->lock);
	os_cond_destroy(&pc->moved);
	os_free(pc->lapics);
	os_free(pc->vcpus);
	os_free(pc);
}

static struct pc_vm *new_pc(struct vma_vm *vm)
{
	struct pc_vm *pc = os_calloc(1, sizeof(*pc));

	if (!pc)
		return NULL;
	pc->vm = vm;
	pc->bare = vm->be->bare;
	os_mutex_init(&pc->lock);
	os_cond_init(&pc->moved);
	vma_irqfds_init(&pc->irqfds, pulse, pc);
	pc->vcpus = os_calloc(vm->config.max_vcpus, sizeof(struct pc_vcpu *));
	pc->lapics = os_aligned(64, vm->config.max_vcpus * sizeof(*pc->lapics));
	if (pc->vcpus && pc->lapics)
		return pc;
	free_pc(pc);
	return NULL;
}

int pc_vm_open(struct vma_vm *vm)
{
	int rc = check(vm);

	if (rc)
		return rc;
	vm->pc = new_pc(vm);
	if (!vm->pc)
		return vma_fail(VMA_E_NOMEM, "no memory for the interrupt controllers of %u vCPUs",
				vm->config.max_vcpus);
	rc = vm->pc->bare->vm_open(vm);
	if (rc) {
		free_pc(vm->pc);
		vm->pc = NULL;
		return rc;
	}
	vm->info.caps |= VMA_CAP_IRQCHIP | VMA_CAP_MSI | VMA_CAP_IRQFD;
	return 0;
}

void pc_vm_close(struct vma_vm *vm)
{
	struct pc_vm *pc = vm->pc;

	if (pc->timer) {
		os_lock(&pc->lock);
		pc->quit = true;
		os_cond_broadcast(&pc->moved);
		os_unlock(&pc->lock);
		os_worker_join(pc->timer);
	}
	pc->bare->vm_close(vm);
	free_pc(pc);
	vm->pc = NULL;
}

/* Behind the caller's ranges, which win. */
static int add_ranges(struct vma_vm *vm)
{
	static const struct vma_msr_range ours[] = {
	    {PC_APIC_BASE, 1, 3}, {PC_TSC_DEADLINE, 1, 3}, {PC_X2APIC, PC_X2APIC_END - PC_X2APIC, 3}};
	enum { OURS = sizeof(ours) / sizeof(*ours) };
	size_t n = vm->msr_range_count;
	struct vma_msr_range *more = os_calloc(n + OURS, sizeof(*more));

	if (!more)
		return vma_fail(VMA_E_NOMEM, "no memory for MSR ranges");
	if (n)
		memcpy(more, vm->msr_ranges, n * sizeof(*more));
	memcpy(more + n, ours, sizeof(ours));
	os_free(vm->msr_ranges);
	vm->msr_ranges = more;
	vm->msr_range_count = n + OURS;
	vm->pc->callers_ranges = n;
	return 0;
}

static int open_chips(struct vma_vm *vm)
{
	struct pc_vm *pc = vm->pc;
	uint64_t host = os_tsc_hz(), hz = vm->config.tsc_hz ? vm->config.tsc_hz : vm->tsc_hz;
	uint32_t features[4];
	struct irq_config config = {
	    .vcpus = vm->config.max_vcpus,
	    .tsc_hz = hz ? hz : host ? host : 1000000000,
	    .phys_bits = vm->info.gpa_bits,
	};

	pc->tsc_is_host = host && config.tsc_hz == host && os_tsc();
	vma_cpuid_lookup(vm, 1, 0, features);
	config.x2apic = features[2] >> 21 & 1;
	pc->has_deadline = features[2] >> 24 & 1;
	if (irq_pc_init(&pc->chips, &config, &ops, pc, pc->lapics) < 0)
		return vma_fail(VMA_E_INVALID, "the interrupt controllers refuse %u vCPUs", config.vcpus);
	int error = pc->timer ? 0 : os_worker_start(timer_main, pc, &pc->timer);
	return error < 0 ? vma_fail_os(error, "starting the timer thread") : 0;
}

/* Failing leaves it to be done again: the ranges go, the thread stays. */
int pc_vm_finalize(struct vma_vm *vm)
{
	int rc = vm->pc->timer ? 0 : open_chips(vm);

	if (!rc)
		rc = add_ranges(vm);
	if (rc)
		return rc;
	rc = vm->pc->bare->vm_finalize(vm);
	if (rc)
		vm->msr_range_count = vm->pc->callers_ranges;
	return rc;
}

/* ------ interrupts from outside, images; any thread ------ */

int pc_irq_line(struct vma_vm *vm, uint32_t gsi, int level)
{
	struct pc_vm *pc = vm->pc;

	return pc_chips_line(&pc->chips, &pc->lock, gsi, level);
}

int pc_msi(struct vma_vm *vm, uint64_t address, uint32_t data)
{
	struct pc_vm *pc = vm->pc;

	return pc_chips_msi(&pc->chips, &pc->lock, address, data);
}

int pc_irqfd(struct vma_vm *vm, int eventfd, uint32_t gsi, int assign)
{
	return vma_irqfd_change(&vm->pc->irqfds, eventfd, gsi, assign);
}

/* Deadlines come later then: the timer thread looks at the TSC again when it wakes. Ours stands before the guest's
 * does, and goes after it, so that none comes early. */
int pc_time(struct vma_vm *vm, bool stop)
{
	struct pc_vm *pc = vm->pc;
	int rc;

	if (!pc->bare->time)
		return VMA_E_NO_ACCEL;
	if (stop)
		vma_still_set(&pc->still, raw_clock(pc), true);
	rc = pc->bare->time(vm, stop);
	if (!stop || rc)
		vma_still_set(&pc->still, raw_clock(pc), false);
	return rc;
}

int pc_irqchip_get(struct vma_vm *vm, vma_x86_irqchip *chip)
{
	struct pc_vm *pc = vm->pc;

	return pc_chips_get(&pc->chips, &pc->lock, chip);
}

int pc_irqchip_set(struct vma_vm *vm, const vma_x86_irqchip *chip)
{
	struct pc_vm *pc = vm->pc;

	return pc_chips_set(&pc->chips, &pc->lock, &pc->moved, chip);
}
