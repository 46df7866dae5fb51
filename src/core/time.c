/* time.c - the frequency of the guest's TSC; and its time, which stands still while several vCPUs are saved or restored
 * with theirs, so that their TSCs are of one moment, whenever each one's turn comes. */
#include "core/arch_x86.h"

uint64_t vma_tsc_hz(const vma_vm *vm)
{
	const vma_vm_config *c = &vm->config;
	uint64_t asked = c->tsc_hz ? c->tsc_hz : c->insn_hz;

	return asked ? asked : vm->tsc_hz ? vm->tsc_hz : os_tsc_hz();
}

/* Whoever has begun a run meanwhile comes out of it, and lets time go on. */
static void look(vma_vm *vm)
{
	for (uint32_t i = 0; i < vm->config.max_vcpus; i++) {
		struct vma_kick *k = vm->vcpus[i] ? vm->vcpus[i]->kick : NULL;

		if (!k)
			continue;
		atomic_store(&k->attention, 1);
		vm->be->kick(k);
	}
}

/* A platform that refuses leaves the TSCs a little apart, which is no reason not to save. */
void vma_time_stop(vma_vm *vm)
{
	if (!vm->be->time || vm->config.max_vcpus < 2)
		return;
	os_lock(&vm->lock);
	if (!atomic_load(&vm->time_stands) && vma_vm_runs(vm) != UINT64_MAX && !vm->be->time(vm, true)) {
		atomic_store(&vm->time_stands, true);
		look(vm);
	}
	os_unlock(&vm->lock);
}

int vma_time_go(vma_vm *vm)
{
	int rc;

	os_lock(&vm->lock);
	/* once: a run lets it go on, too */
	rc = atomic_exchange(&vm->time_stands, false) ? vm->be->time(vm, false) : 0;
	os_unlock(&vm->lock);
	return rc;
}
