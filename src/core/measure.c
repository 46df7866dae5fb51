/* measure.c - how fast does an accelerator run guest code? A short loop, stopped by a kick, through the
 * ordinary calls. */
#include <string.h>
#include "core/internal.h"

enum { BUDGET_NS = 6000000, LOOP_GPA = 0x1000 };

struct timer {
	struct os_event stop;
	uint64_t deadline;
	vma_kick *kick;
};

static void timer_main(void *p)
{
	struct timer *t = p;

	if (!os_event_wait(&t->stop, t->deadline))
		vma_kick_send(t->kick);
}

static int timed_run(vma_vcpu *v, uint64_t *speed)
{
	struct timer timer = {.deadline = os_now_ns() + BUDGET_NS};
	struct os_worker *worker;
	uint64_t start, took, rounds = 0;
	int rc;

	rc = vma_vcpu_kick_handle(v, &timer.kick);
	if (rc)
		return rc;
	rc = os_worker_start(timer_main, &timer, &worker);
	if (rc) {
		vma_kick_unref(timer.kick);
		return vma_fail_os(rc, "starting a thread");
	}
	start = os_now_ns();
	rc = vma_vcpu_run(v);
	took = os_now_ns() - start;
	os_event_set(&timer.stop);
	os_worker_join(worker);
	vma_kick_unref(timer.kick);
	if (rc > 0 && rc != VMA_EXIT_CANCELED)
		rc = vma_fail(VMA_E_NO_ACCEL, "the measuring loop ended in a %s exit", vma_exit_name(rc));
	if (rc >= 0)
		rc = v->vm->arch->loop_rounds(v, &rounds);
	if (!rc)
		*speed = (uint64_t)((double)rounds * v->vm->arch->loop_insns * 1e9 / (double)(took ? took : 1));
	return rc;
}

static int with_vm(vma_vm *vm, vma_mem *mem, uint64_t *speed)
{
	vma_vcpu *v;
	int rc;

	memcpy((uint8_t *)vma_mem_hva(mem) + LOOP_GPA, vm->arch->loop_code, vm->arch->loop_size);
	rc = vma_vm_map(vm, 0, mem, 0, vma_mem_size(mem), VMA_MAP_RWX);
	if (!rc)
		rc = vma_vm_finalize(vm);
	if (!rc)
		rc = vma_vcpu_create(vm, 0, &v);
	if (!rc)
		rc = vm->arch->loop_start(v, LOOP_GPA);
	if (!rc)
		rc = timed_run(v, speed);
	return rc;
}

int vma_measure(vma_accel accel, vma_arch arch, uint64_t *insns_per_second)
{
	vma_vm_config config = {.size = sizeof(config), .accel = accel, .arch = arch, .cpu_model = "max"};
	vma_vm *vm;
	vma_mem *mem = NULL;
	int rc = vma_vm_create(&config, &vm);

	*insns_per_second = 0;
	if (rc)
		return rc;
	rc = vma_mem_anon(0x10000, &mem);
	if (!rc)
		rc = with_vm(vm, mem, insns_per_second);
	vma_vm_destroy(vm);
	vma_mem_unref(mem);
	return rc;
}
