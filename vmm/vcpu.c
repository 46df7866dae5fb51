/* vcpu.c - one host thread for each virtual CPU: it makes the vCPU, runs it, answers its exits and destroys it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "le.h"
#include "machine.h"

#define HALT_MS 1

static void fail_vcpu(struct vcpu *v, enum vmm_end end, int status, const char *why)
{
	struct vmm *vmm = v->vmm;
	char dump[sizeof(vmm->result.dump)] = "";
	struct vmm_result *result;

	if (v->vcpu)
		vmm->arch->dump(v->vcpu, dump, sizeof(dump));
	uv_mutex_lock(&vmm->lock);
	result = machine_end(vmm, end, status);
	if (result) {
		snprintf(result->text, sizeof(result->text), "vCPU %" PRIu32 ": %s", v->index, why);
		memcpy(result->dump, dump, sizeof(dump));
	}
	uv_mutex_unlock(&vmm->lock);
}

/* Write one element; a console without room is waited for without the lock, until the machine stops. */
static void write_element(struct vmm *vmm, struct bus *bus, uint64_t address, unsigned width, uint64_t value)
{
	unsigned done = 0;

	while (bus_write(bus, address, width, value, &done) == BUS_LATER) {
		uv_mutex_unlock(&vmm->lock);
		if (!atomic_load(&vmm->stop))
			console_wait(vmm->console);
		uv_mutex_lock(&vmm->lock);
		if (atomic_load(&vmm->stop))
			return;
	}
}

static void access_bus(struct vmm *vmm, struct bus *bus, uint64_t address, unsigned width, int write, uint8_t *data,
		       uint32_t count)
{
	uv_mutex_lock(&vmm->lock);
	for (uint32_t i = 0; i < count && !vmm->ended; i++, data += width)
		if (write)
			write_element(vmm, bus, address, width, get_le(data, width));
		else
			put_le(data, width, bus_read(bus, address, width));
	uv_mutex_unlock(&vmm->lock);
}

static void handle_system(struct vcpu *v, uint32_t type)
{
	static const struct {
		uint32_t type;
		enum vmm_end end;
	} ends[] = {{VMA_SYSTEM_POWER_OFF, VMM_END_POWER_OFF}, {VMA_SYSTEM_RESET, VMM_END_RESET}};

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (ends[i].type == type) {
			uv_mutex_lock(&v->vmm->lock);
			machine_end(v->vmm, ends[i].end, VMM_STATUS_OK);
			uv_mutex_unlock(&v->vmm->lock);
			return;
		}
	fail_vcpu(v, VMM_END_CRASH, VMM_STATUS_CRASH, "the guest reports a crash");
}

static void handle_failure(struct vcpu *v, const vma_exit *exit)
{
	char why[160];

	switch (exit->kind) {
	case VMA_EXIT_FAIL_ENTRY:
		snprintf(why, sizeof(why), "the processor refuses the guest's state (0x%" PRIx64 ")",
			 exit->fail_entry.reason);
		break;
	case VMA_EXIT_INTERNAL:
		snprintf(why, sizeof(why), "the accelerator gave up on an instruction (suberror %" PRIu32 ")",
			 exit->internal.suberror);
		break;
	default:
		snprintf(why, sizeof(why), "exit %s is not known here (0x%" PRIx64 ")", vma_exit_name((int)exit->kind),
			 exit->other.native);
		break;
	}
	fail_vcpu(v, VMM_END_ERROR, VMM_STATUS_VMM, why);
}

void vcpu_handle_exit(struct vcpu *v, vma_exit *exit)
{
	struct vmm *vmm = v->vmm;

	switch (exit->kind) {
	case VMA_EXIT_IO:
		access_bus(vmm, &vmm->ports, exit->io.port, exit->io.width, exit->io.write, exit->io.data,
			   exit->io.count);
		break;
	case VMA_EXIT_MMIO:
		access_bus(vmm, &vmm->mmio, exit->mmio.gpa, exit->mmio.length, exit->mmio.write, exit->mmio.data, 1);
		break;
	case VMA_EXIT_MSR:
		exit->msr.fault = 1;
		break;
	case VMA_EXIT_HLT:
		uv_sleep(
			HALT_MS); /* interrupt controllers in the platform halt inside; this is for one that does not */
		break;
	case VMA_EXIT_CANCELED:
	case VMA_EXIT_CPUID:
	case VMA_EXIT_IRQ_WINDOW:
	case VMA_EXIT_DEBUG:
		break;
	case VMA_EXIT_HYPERCALL:
		exit->hypercall.result = UINT64_MAX;
		break;
	case VMA_EXIT_TRIPLE_FAULT:
		fail_vcpu(v, VMM_END_CRASH, VMM_STATUS_CRASH, "triple fault");
		break;
	case VMA_EXIT_SYSTEM:
		handle_system(v, exit->system.type);
		break;
	default:
		handle_failure(v, exit);
		break;
	}
}

/* -1: vma_why says what failed. */
static int run_freely(struct vcpu *v)
{
	vma_exit *exit = vma_vcpu_exit(v->vcpu);

	while (!atomic_load_explicit(&v->vmm->stop, memory_order_relaxed)) {
		if (vma_vcpu_run(v->vcpu) < 0)
			return -1;
		v->exits++;
		vcpu_handle_exit(v, exit);
	}
	return 0;
}

static void run(struct vcpu *v)
{
	int counted = v->vmm->config.insn_hz != 0;

	if ((counted ? counted_run(v) : run_freely(v)) < 0)
		fail_vcpu(v, VMM_END_ERROR, VMM_STATUS_VMM, vma_why());
	if (counted)
		counted_finish(v);
}

static int make(struct vcpu *v)
{
	struct vmm *vmm = v->vmm;
	vma_kick *kick = NULL;

	if (vma_vcpu_create(vmm->vm, v->index, &v->vcpu) < 0 || vma_vcpu_kick_handle(v->vcpu, &kick) < 0 ||
	    vmm->arch->start(vmm, v->vcpu, v->index) < 0) {
		fail_vcpu(v, VMM_END_ERROR, VMM_STATUS_VMM, vma_why());
		vma_kick_unref(kick);
		return -1;
	}
	uv_mutex_lock(&vmm->lock);
	v->kick = kick;
	vmm->made++;
	uv_cond_broadcast(&vmm->ready);
	while (vmm->made < vmm->config.cpus &&
	       !vmm->ended) /* a guest may wake the others with its first instructions */
		uv_cond_wait(&vmm->ready, &vmm->lock);
	uv_mutex_unlock(&vmm->lock);
	return 0;
}

static void vcpu_thread(void *arg)
{
	struct vcpu *v = arg;
	struct vmm *vmm = v->vmm;
	vma_kick *kick;

	if (make(v) == 0)
		run(v);
	uv_mutex_lock(&vmm->lock);
	kick = v->kick;
	v->kick = NULL;
	uv_mutex_unlock(&vmm->lock);
	vma_kick_unref(kick);
	if (v->vcpu)
		vma_vcpu_destroy(v->vcpu);
	v->vcpu = NULL;
	uv_mutex_lock(&vmm->lock);
	vmm->running--;
	uv_async_send(&vmm->wake);
	uv_mutex_unlock(&vmm->lock);
}

int vcpus_start(struct vmm *vmm, struct vmm_error *error)
{
	vmm->made = 0;
	for (uint32_t i = 0; i < vmm->config.cpus; i++) {
		struct vcpu *v = &vmm->vcpus[i];
		int result;

		v->vmm = vmm;
		v->index = i;
		uv_mutex_lock(&vmm->lock);
		vmm->running++;
		uv_mutex_unlock(&vmm->lock);
		result = uv_thread_create(&v->thread, vcpu_thread, v);
		v->thread_started = result == 0;
		if (result == 0)
			continue;
		uv_mutex_lock(&vmm->lock);
		vmm->running--;
		machine_end(vmm, VMM_END_ERROR, VMM_STATUS_VMM);
		uv_mutex_unlock(&vmm->lock);
		return vmm_fail(error, VMM_STATUS_VMM, "no thread for vCPU %" PRIu32 ": %s", i, uv_strerror(result));
	}
	return 0;
}

void vcpus_join(struct vmm *vmm)
{
	for (uint32_t i = 0; i < vmm->config.cpus; i++) {
		struct vcpu *v = &vmm->vcpus[i];

		if (!v->thread_started)
			continue;
		uv_thread_join(&v->thread);
		v->thread_started = 0;
		vmm->result.exits += v->exits;
		v->exits = 0;
	}
}
