/* soft_time.c - the guest's time: the host's, or with vma_vm_config.insn_hz a function of the instructions executed.
 * Then there is one vCPU and no timer thread: its own thread runs the timers, each exactly when the count has reached
 * its deadline, and a vCPU that waits moves the clock on to the next one. */
#include "soft.h"

enum { NS = 1000000000 };

/* a * b / c without overflow where b and c are below 2^34 and b * c below 2^64. */
static uint64_t scale(uint64_t a, uint64_t b, uint64_t c)
{
	return a / c * b + a % c * b / c;
}

static uint64_t insns_of(const struct soft_vm *sv)
{
	const struct soft_vcpu *cv = sv->vcpus[0];
	return cv ? *cv->insns : 0;
}

/* Whether another thread than the vCPU's own asks: to that one the count is not readable while the guest runs. */
static bool elsewhere(const struct soft_vm *sv)
{
	const struct soft_vcpu *cv = sv->vcpus[0];
	return cv && cv->v->owner != os_thread_self();
}

/* Nanoseconds since the VM was made. With insn_hz another thread sees what the vCPU's own saw last; after a run that is
 * the time of its end. */
static uint64_t since_start(struct soft_vm *sv)
{
	if (!sv->insn_hz)
		return os_now_ns() - sv->base_ns;
	if (elsewhere(sv))
		return __atomic_load_n(&sv->seen_ns, __ATOMIC_RELAXED);
	uint64_t ns = sv->idle_ns + scale(insns_of(sv), NS, sv->insn_hz);
	__atomic_store_n(&sv->seen_ns, ns, __ATOMIC_RELAXED);
	return ns;
}

void soft_time_show(struct soft_vm *sv)
{
	if (sv->insn_hz)
		since_start(sv);
}

/* The clock of the interrupt controllers. */
uint64_t soft_now(struct soft_vm *sv)
{
	return sv->base_ns + since_start(sv);
}

uint64_t soft_clock_now(struct vma_vm *vm)
{
	return soft_now(vm->priv);
}

static uint64_t raw_tsc(struct soft_vm *sv)
{
	return sv->tsc_is_host ? os_tsc() : scale(since_start(sv), sv->tsc_hz, NS);
}

/* The counter before the vCPU's own offset. */
uint64_t soft_tsc(void *o)
{
	struct soft_vm *sv = ((struct soft_vcpu *)o)->vm;
	return vma_still_read(&sv->still, raw_tsc(sv));
}

/* Deadlines by it come later: who waits for one looks at it again. */
int soft_tsc_stop(struct vma_vm *vm, bool stop)
{
	struct soft_vm *sv = vm->priv;
	vma_still_set(&sv->still, raw_tsc(sv), stop);
	return 0;
}

static uint64_t clock_now(struct soft_vm *sv)
{
	return since_start(sv) + (uint64_t)__atomic_load_n(&sv->clock_offset, __ATOMIC_RELAXED);
}

int soft_clock_get(struct vma_vm *vm, uint64_t *ns)
{
	*ns = clock_now(vm->priv);
	return 0;
}

int soft_clock_set(struct vma_vm *vm, uint64_t ns)
{
	struct soft_vm *sv = vm->priv;
	__atomic_store_n(&sv->clock_offset, (int64_t)(ns - since_start(sv)), __ATOMIC_RELAXED);
	return 0;
}

/* The vCPU goes: its part of the time stays. */
void soft_time_keep(struct soft_vm *sv)
{
	if (sv->insn_hz)
		sv->idle_ns = since_start(sv);
}

/* ------ budgets ------ */

int soft_insns(struct vma_vcpu *v, uint64_t *insns)
{
	*insns = *((struct soft_vcpu *)v->priv)->insns;
	return 0;
}

int soft_budget(struct vma_vcpu *v, uint64_t insns, uint64_t clock_ns)
{
	struct soft_vcpu *cv = v->priv;
	cv->budget_insns = insns;
	cv->budget_clock = clock_ns;
	return 0;
}

/* When the caller's limit of time is reached, on the clock of since_start. */
static uint64_t budget_due(const struct soft_vcpu *cv)
{
	if (cv->budget_clock == UINT64_MAX)
		return UINT64_MAX;
	uint64_t clock = clock_now(cv->vm), now = since_start(cv->vm);
	uint64_t left = cv->budget_clock > clock ? cv->budget_clock - clock : 0;
	return left < UINT64_MAX - now ? now + left : UINT64_MAX;
}

bool soft_budget_over(const struct soft_vcpu *cv)
{
	if (*cv->insns >= cv->budget_insns)
		return true;
	return cv->vm->insn_hz && cv->budget_clock != UINT64_MAX && clock_now(cv->vm) >= cv->budget_clock;
}

/* ------ the clock of instructions ------ */

/* The next thing that time brings, of the controllers or the caller's limit; irq_lock is held. */
static uint64_t next_due(const struct soft_vcpu *cv)
{
	const struct soft_vm *sv = cv->vm;
	uint64_t due = sv->has_pc ? irq_pc_deadline(&sv->pc) : soft_a64_due(sv), limit = budget_due(cv);
	if (due != IRQ_NEVER)
		due = (int64_t)(due - sv->base_ns) > 0 ? due - sv->base_ns : 0;
	return due < limit ? due : limit;
}

/* The count at which since_start() has reached `ns`, rounded up; both divisions are exact enough not to stop early. A
 * restored count may be ahead of the clock: idle_ns is negative then. */
static uint64_t insns_at(const struct soft_vm *sv, uint64_t ns)
{
	int64_t left = (int64_t)(ns - sv->idle_ns);
	uint64_t t = left > 0 ? (uint64_t)left : 0;
	return t / NS * sv->insn_hz + (t % NS * sv->insn_hz + NS - 1) / NS;
}

/* Where the CPU must stop. Also called inside the guest, when it has set a timer: its count is exact there. irq_lock is
 * held with insn_hz. */
void soft_set_limit(struct soft_vcpu *cv)
{
	uint64_t limit = cv->budget_insns;
	if (cv->vm->insn_hz) {
		uint64_t due = next_due(cv), at = due == UINT64_MAX ? UINT64_MAX : insns_at(cv->vm, due);
		limit = at < limit ? at : limit;
	}
	*cv->insn_limit = limit > *cv->insns ? limit : *cv->insns;
}

/* Timers that are due, and the limit for what comes. */
void soft_time_step(struct soft_vcpu *cv)
{
	struct soft_vm *sv = cv->vm;
	if (!sv->insn_hz) {
		soft_set_limit(cv);
		return;
	}
	os_lock(&sv->irq_lock);
	if (sv->has_pc)
		while (irq_pc_deadline(&sv->pc) <= soft_now(sv))
			irq_pc_tick(&sv->pc, soft_now(sv));
	soft_set_limit(cv);
	os_unlock(&sv->irq_lock);
}

/* The vCPU waits: go to what comes next at once. false: nothing will, or time is the host's. */
bool soft_time_skip(struct soft_vcpu *cv)
{
	struct soft_vm *sv = cv->vm;
	if (!sv->insn_hz)
		return false;
	os_lock(&sv->irq_lock);
	uint64_t due = next_due(cv), now = since_start(sv);
	os_unlock(&sv->irq_lock);
	if (due == UINT64_MAX)
		return false;
	if (due > now)
		sv->idle_ns += due - now;
	soft_time_step(cv);
	soft_time_show(sv);
	return true;
}

/* Numbers for RDRAND that depend on the count of instructions only. */
uint64_t soft_random_at(const struct soft_vm *sv)
{
	uint64_t z = (insns_of(sv) + 1) * 0x9e3779b97f4a7c15; /* splitmix64 */
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* ------ saved ------ */

void soft_insn_state(struct vma_vcpu *v, struct vma_insn_state *s)
{
	struct soft_vcpu *cv = v->priv;
	struct soft_vm *sv = cv->vm;
	*s = (struct vma_insn_state){*cv->insns, since_start(sv), sv->insn_hz, UINT64_MAX};
	if (!sv->has_pc)
		return;
	os_lock(&sv->irq_lock);
	uint64_t due = irq_pc_deadline_vcpu(&sv->pc, v->index), now = soft_now(sv);
	os_unlock(&sv->irq_lock);
	if (due != IRQ_NEVER)
		s->timer_ns = due > now ? due - now : 0;
}

/* The controllers' clock and the VM's go on from where they are: these have state of their own, restored before or
 * after this. */
void soft_insn_clock(struct vma_vcpu *v, const struct vma_insn_state *s)
{
	struct soft_vcpu *cv = v->priv;
	struct soft_vm *sv = cv->vm;
	if (!sv->insn_hz) {
		*cv->insns = s->insns;
		return;
	}
	os_lock(&sv->irq_lock);
	uint64_t before = since_start(sv);
	*cv->insns = s->insns;
	sv->idle_ns = s->ns - scale(s->insns, NS, sv->insn_hz);
	uint64_t moved = since_start(sv) - before;
	sv->base_ns -= moved;
	__atomic_fetch_sub(&sv->clock_offset, (int64_t)moved, __ATOMIC_RELAXED);
	os_unlock(&sv->irq_lock);
}

void soft_insn_timer(struct vma_vcpu *v, const struct vma_insn_state *s)
{
	struct soft_vm *sv = ((struct soft_vcpu *)v->priv)->vm;
	if (!sv->has_pc || s->timer_ns == UINT64_MAX)
		return;
	os_lock(&sv->irq_lock);
	irq_pc_refine_timer(&sv->pc, v->index, s->timer_ns);
	os_unlock(&sv->irq_lock);
}
