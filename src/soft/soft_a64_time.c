/* soft_a64_time.c - the generic timers of software arm64 CPUs: the counter, the lines to the GIC, and the thread that makes a
 * running vCPU look at a timer whose time has come. With vma_vm_config.insn_hz there is no thread: soft_time.c. */
#include "soft.h"

enum { NS = 1000000000 };

static uint64_t scale(uint64_t a, uint64_t b, uint64_t c)
{
	return (uint64_t)((unsigned __int128)a * b / c);
}

/* CNTPCT_EL0. It counts from the VM's start. */
uint64_t soft_a64_counter(void *o)
{
	struct soft_vcpu *cv = o;
	return scale(soft_now(cv->vm) - cv->vm->base_ns, cv->a64->cntfrq ? cv->a64->cntfrq : 1, NS);
}

/* Rounded up, so that at that time the counter has reached `count`. */
static uint64_t ns_of(const struct soft_vcpu *cv, uint64_t count)
{
	const uint64_t hz = cv->a64->cntfrq ? cv->a64->cntfrq : 1;
	const unsigned __int128 ns = ((unsigned __int128)count * NS + hz - 1) / hz + cv->vm->base_ns;
	return ns >> 64 ? UINT64_MAX : (uint64_t)ns;
}

/* Lines and deadline as they are now. On the vCPU's thread. */
void soft_a64_timer_changed(void *o)
{
	struct soft_vcpu *cv = o;
	struct soft_vm *sv = cv->vm;
	uint64_t next, before = atomic_load_explicit(&cv->timer_due, memory_order_relaxed);
	unsigned lines = a64_timer(cv->a64, &next);
	uint64_t due = next == UINT64_MAX ? UINT64_MAX : ns_of(cv, next);
	soft_a64_timer_lines(cv, lines);
	if (due == before)
		return;
	os_lock(&sv->irq_lock);
	atomic_store(&cv->timer_due, due);
	if (sv->insn_hz && cv->v->owner == os_thread_self())
		soft_set_limit(cv);
	else if (due < before)
		os_cond_broadcast(&sv->irq_cond);
	os_unlock(&sv->irq_lock);
}

/* The earliest of all vCPUs; irq_lock is held. */
uint64_t soft_a64_due(const struct soft_vm *sv)
{
	uint64_t due = UINT64_MAX;
	for (uint32_t i = 0; i < sv->vm->config.max_vcpus; i++) {
		uint64_t d = sv->vcpus[i] ? atomic_load(&sv->vcpus[i]->timer_due) : UINT64_MAX;
		due = d < due ? d : due;
	}
	return due;
}

/* The vCPUs whose time has come look at their timers themselves. */
static void wake_due(struct soft_vm *sv, uint64_t now)
{
	for (uint32_t i = 0; i < sv->vm->config.max_vcpus; i++) {
		struct soft_vcpu *cv = sv->vcpus[i];
		if (!cv || atomic_load(&cv->timer_due) > now)
			continue;
		atomic_store(&cv->timer_due, UINT64_MAX);
		soft_wake(cv);
	}
}

static void timer_main(void *arg)
{
	struct soft_vm *sv = arg;
	os_lock(&sv->irq_lock);
	while (!sv->quit) {
		uint64_t due = soft_a64_due(sv), now = os_now_ns();
		if (due <= now)
			wake_due(sv, now);
		else if (due == UINT64_MAX)
			os_cond_wait(&sv->irq_cond, &sv->irq_lock);
		else
			os_cond_wait_until(&sv->irq_cond, &sv->irq_lock, due);
	}
	os_unlock(&sv->irq_lock);
}

int soft_a64_timer_open(struct soft_vm *sv)
{
	if (sv->insn_hz)
		return 0; /* the vCPU runs its timers itself */
	int error = os_worker_start(timer_main, sv, &sv->timer);
	return error < 0 ? vma_fail_os(error, "starting the timer thread") : 0;
}
