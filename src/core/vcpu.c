/* vcpu.c - a vCPU's life: create, run, complete, destroy. */
#include <string.h>
#include "core/internal.h"

#define UNLIKELY(x) __builtin_expect(!!(x), 0)

static const struct {
	int kind;
	const char *name;
} exits[] = {
#define VMA_X(NAME, number, text) {number, #NAME},
	VMA_EXITS(VMA_X)
#undef VMA_X
};

const char *vma_exit_name(int kind)
{
	for (size_t i = 0; i < VMA_COUNT(exits); i++)
		if (exits[i].kind == kind)
			return exits[i].name;
	return "?";
}

int vma_vcpu_enter_failed(vma_vcpu *v)
{
	if (!v)
		return vma_fail(VMA_E_INVALID, "the vCPU is NULL");
	if (!os_thread_alive(v->owner))
		return vma_fail(VMA_E_OWNER_GONE, "vCPU %u's owner thread has ended; it can only be destroyed",
				v->index);
	return vma_fail(VMA_E_WRONG_THREAD,
			"vCPU %u belongs to the thread that created it (vma_vcpu_call runs a function there)",
			v->index);
}

int vma_vcpu_enter(vma_vcpu *v)
{
	if (UNLIKELY(!v || v->owner != os_thread_self()))
		return vma_vcpu_enter_failed(v);
	return 0;
}

int vma_vcpu_enter_arch(vma_vcpu *v, vma_arch arch, const void *p, const char *what)
{
	int rc = vma_vcpu_enter(v);

	if (!rc && !p)
		rc = vma_fail(VMA_E_INVALID, "%s is NULL", what);
	if (!rc && v->vm->be->arch != arch)
		rc = vma_fail(VMA_E_INVALID, "vCPU %u is no %s vCPU", v->index, arch == VMA_ARCH_ARM64 ? "arm64" : "x86");
	return rc;
}

/* ------ create and destroy ------ */

static void free_vcpu(vma_vcpu *v)
{
	if (v->kick)
		vma_kick_retire(v->kick);
	v->vm->arch->vcpu_free(v);
	os_free(v->priv);
	if (v->owner)
		os_thread_unref(v->owner);
	os_free(v);
}

static vma_vcpu *alloc_vcpu(vma_vm *vm, uint32_t index)
{
	vma_vcpu *v = os_calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->vm = vm;
	v->index = index;
	v->priv = os_calloc(1, vm->be->vcpu_size ? vm->be->vcpu_size : 1);
	v->owner = os_thread_self();
	if (v->owner)
		os_thread_ref(v->owner);
	if (v->owner)
		v->kick = vma_kick_new(vm->be, v->owner, vm->config.kick_signal);
	if (v->priv && v->kick && !vm->arch->vcpu_alloc(v))
		return v;
	free_vcpu(v);
	return NULL;
}

static int open_vcpu(vma_vm *vm, uint32_t index, vma_vcpu **vcpu)
{
	vma_vcpu *v = alloc_vcpu(vm, index);
	int rc;

	if (!v)
		return vma_fail(VMA_E_NOMEM, "no memory for vCPU %u", index);
	rc = vm->be->vcpu_open(v);
	if (rc) {
		free_vcpu(v);
		return rc;
	}
	rc = vm->arch->first_state(v);
	if (rc) {
		vm->be->vcpu_close(v);
		free_vcpu(v);
		return rc;
	}
	*vcpu = v;
	return 0;
}

/* The list names a vCPU only when it is complete; until then its place is kept by a mark, since it is made without the
 * lock. */

vma_vcpu vma_vcpu_reserved;

static int reserve(vma_vm *vm, uint32_t index)
{
	int rc = 0;

	os_lock(&vm->lock);
	if (vm->phase != VMA_VM_READY)
		rc = vma_fail(VMA_E_STATE, "vCPUs are created after vma_vm_finalize");
	else if (index >= vm->config.max_vcpus)
		rc = vma_fail(VMA_E_INVALID, "vCPU %u: the VM was configured for %u", index, vm->config.max_vcpus);
	else if (vm->vcpus[index])
		rc = vma_fail(VMA_E_EXIST, "vCPU %u exists", index);
	else
		vm->vcpus[index] = &vma_vcpu_reserved;
	os_unlock(&vm->lock);
	return rc;
}

static void set_place(vma_vm *vm, uint32_t index, vma_vcpu *v)
{
	os_lock(&vm->lock);
	vm->vcpus[index] = v;
	os_unlock(&vm->lock);
}

int vma_vcpu_create(vma_vm *vm, uint32_t index, vma_vcpu **vcpu)
{
	vma_vcpu *v = NULL;
	int rc;

	if (!vm || !vcpu)
		return vma_fail(VMA_E_INVALID, "the VM is NULL, or no place for the vCPU");
	*vcpu = NULL;
	rc = reserve(vm, index);
	if (rc)
		return rc;
	rc = open_vcpu(vm, index, &v);
	set_place(vm, index, v);
	*vcpu = v;
	return rc;
}

int vma_vcpu_destroy(vma_vcpu *v)
{
	if (!v)
		return vma_fail(VMA_E_INVALID, "the vCPU is NULL");
	if (v->owner != os_thread_self() && os_thread_alive(v->owner))
		return vma_vcpu_enter_failed(v);
	if (vma_vcpu_running(v) && os_thread_alive(v->owner))
		return vma_fail(VMA_E_STATE, "vCPU %u is inside vma_vcpu_run", v->index);
	set_place(v->vm, v->index, NULL);
	v->vm->be->vcpu_close(v);
	free_vcpu(v);
	return 0;
}

vma_vm *vma_vcpu_vm(const vma_vcpu *v)
{
	return v ? v->vm : NULL;
}

uint32_t vma_vcpu_index(const vma_vcpu *v)
{
	return v ? v->index : 0;
}

vma_exit *vma_vcpu_exit(vma_vcpu *v)
{
	return v ? &v->exit : NULL;
}

/* ------ run ------ */

bool vma_vcpu_running(const vma_vcpu *v)
{
	return atomic_load(&v->runs) & 1;
}

uint64_t vma_vm_runs(const vma_vm *vm)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < vm->config.max_vcpus; i++) {
		unsigned runs = vm->vcpus[i] ? atomic_load(&vm->vcpus[i]->runs) : 0;

		if (runs & 1)
			return UINT64_MAX;
		sum += runs;
	}
	return sum;
}

/* Commit the pending exit. 1: the next fragment stands in v->exit. */
static int complete(vma_vcpu *v)
{
	int rc;

	if (!v->exit.pending)
		return v->queued ? vma_state_completed(v) : 0;
	rc = v->vm->be->complete(v);
	if (rc < 0)
		return rc;
	v->valid = 0;
	return rc ? 1 : vma_state_completed(v);
}

/* Was there a kick? Also runs the calls that wait for this thread. 1: leave as CANCELED. */
static int attend(vma_vcpu *v)
{
	struct vma_kick *k = v->kick;

	atomic_store(&k->attention, 0);
	if (atomic_load(&k->calls))
		vma_kick_run_calls(v);
	if (!atomic_exchange(&k->pending, 0))
		return 0;
	v->exit.kind = VMA_EXIT_CANCELED;
	return 1;
}

static int let_time_go(vma_vcpu *v)
{
	return UNLIKELY(atomic_load_explicit(&v->vm->time_stands, memory_order_acquire)) ? vma_time_go(v->vm) : 0;
}

/* What stands between the caller and the guest: an exit to complete in full, queued and dirty state, kicks and calls.
 * Returns the kind of an exit to return at once, 0 to enter, or an error. */
static int prepare(vma_vcpu *v)
{
	bool attention = atomic_load(&v->kick->attention);
	int rc = 0;

	if (v->queued && v->exit.pending && !attention)
		rc = v->vm->arch->merge_early(v);
	if (rc < 0)
		return rc;
	if (v->queued || (v->exit.pending && attention)) {
		rc = complete(v);
		if (rc)
			return rc < 0 ? rc : (int)v->exit.kind;
	}
	/* Calls may write state: attend before flushing. */
	if (attention && attend(v))
		return VMA_EXIT_CANCELED;
	rc = let_time_go(v);
	if (rc)
		return rc;
	if (v->exit.pending)
		return 0;
	rc = v->vm->arch->entering ? v->vm->arch->entering(v) : 0;
	return rc ? rc : vma_state_flush(v);
}

static int run(vma_vcpu *v)
{
	int (*const enter)(struct vma_vcpu *) = v->vm->be->run;
	int rc;

	for (;;) {
		if (UNLIKELY(v->queued | v->dirty | v->error_code |
			     atomic_load_explicit(&v->kick->attention, memory_order_acquire))) {
			rc = prepare(v);
			if (rc)
				return rc;
		}
		v->valid = 0;
		v->irq_given = false;
		rc = enter(v);
		if (rc > 0 && rc != VMA_EXIT_CANCELED)
			return rc;
		if (rc < 0)
			return rc;
		v->exit.pending = 0;
		if (attend(v))
			return VMA_EXIT_CANCELED;
		rc = let_time_go(v);
		if (rc)
			return rc;
	}
}

int vma_vcpu_run(vma_vcpu *v)
{
	unsigned runs;
	int rc;

	if (UNLIKELY(!v || v->owner != os_thread_self()))
		return vma_vcpu_enter_failed(v);
	runs = atomic_load_explicit(&v->runs, memory_order_relaxed);
	if (UNLIKELY(runs & 1))
		return vma_fail(VMA_E_STATE, "vCPU %u is inside vma_vcpu_run already", v->index);
	rc = let_time_go(v);
	if (rc)
		return rc;
	atomic_store_explicit(&v->runs, runs + 1, memory_order_relaxed);
	rc = run(v);
	atomic_store_explicit(&v->runs, runs + 2, memory_order_release);
	if (UNLIKELY(rc == VMA_EXIT_IRQ_WINDOW))
		v->irq_window = false;
	return rc;
}

/* ------ counting instructions ------ */

static int enter_counting(vma_vcpu *v)
{
	int rc = vma_vcpu_enter(v);

	if (!rc && !(v->vm->info.caps & VMA_CAP_INSN_COUNT))
		rc = vma_fail(VMA_E_NO_ACCEL, "%s does not count instructions", v->vm->info.name);
	return rc;
}

int vma_vcpu_insns(vma_vcpu *v, uint64_t *insns)
{
	int rc = enter_counting(v);

	if (!rc && !insns)
		rc = vma_fail(VMA_E_INVALID, "no place for the count");
	return rc ? rc : v->vm->be->insns(v, insns);
}

int vma_vcpu_budget(vma_vcpu *v, uint64_t insns, uint64_t clock_ns)
{
	int rc = enter_counting(v);

	if (!rc && clock_ns != UINT64_MAX && !v->vm->config.insn_hz)
		rc = vma_fail(VMA_E_STATE, "a limit of time needs a clock of instructions (insn_hz)");
	return rc ? rc : v->vm->be->budget(v, insns, clock_ns);
}

int vma_vcpu_complete(vma_vcpu *v)
{
	int rc = vma_vcpu_enter(v);
	unsigned runs;

	if (rc)
		return rc;
	runs = atomic_load_explicit(&v->runs, memory_order_relaxed); /* odd in a call that a run carries out */
	atomic_store_explicit(&v->runs, runs | 1, memory_order_relaxed);
	rc = complete(v);
	atomic_store_explicit(&v->runs, runs & 1 ? runs : runs + 2, memory_order_release);
	return rc;
}
