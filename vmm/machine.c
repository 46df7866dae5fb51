/* machine.c - making the machine out of its parts, taking it apart, and how a run ends. */
#include "machine.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Guest memory over host memory. A kernel writes about 64 bytes for each page that it has, so a guest beyond 64 times the
 * host's memory would exhaust it before it starts; half of that leaves it room. */
#define MEM_OVERCOMMIT 32

struct vmm_result *machine_end(struct vmm *vmm, enum vmm_end end, int status)
{
	if (vmm->ended)
		return NULL;
	vmm->ended = 1;
	vmm->result.end = end;
	vmm->result.status = status;
	atomic_store(&vmm->stop, 1);
	for (uint32_t i = 0; i < vmm->config.cpus; i++)
		if (vmm->vcpus[i].kick)
			vma_kick_send(vmm->vcpus[i].kick);
	uv_cond_broadcast(&vmm->ready);
	uv_async_send(&vmm->wake);
	return &vmm->result;
}

static void host_irq(void *opaque, unsigned gsi, int level)
{
	struct vmm *vmm = opaque;
	struct vmm_result *result;

	if (vma_vm_irq_line(vmm->vm, gsi, level) >= 0)
		return;
	result = machine_end(vmm, VMM_END_ERROR, VMM_STATUS_VMM);
	if (result)
		snprintf(result->text, sizeof(result->text), "interrupt line %u: %s", gsi, vma_why());
}

static int host_console_put(void *opaque, uint8_t byte)
{
	struct vmm *vmm = opaque;

	return console_put(vmm->console, byte);
}

static int host_console_has_room(void *opaque)
{
	struct vmm *vmm = opaque;

	/* Where time is the instructions', the guest must not see how fast the host takes its output: a byte without room
	 * waits (write_element). */
	return vmm->config.insn_hz ? 1 : console_has_room(vmm->console);
}

static void host_input_wanted(void *opaque)
{
	struct vmm *vmm = opaque;

	if (!atomic_exchange(&vmm->want_input, 1))
		uv_async_send(&vmm->wake);
}

static void host_power_off(void *opaque)
{
	machine_end(opaque, VMM_END_POWER_OFF, VMM_STATUS_OK);
}

static void host_reset(void *opaque)
{
	machine_end(opaque, VMM_END_RESET, VMM_STATUS_OK);
}

static void host_debug_exit(void *opaque, uint32_t value)
{
	machine_end(opaque, VMM_END_DEBUG_EXIT, (int)((value << 1 | 1) & 0xff));
}

static void clock_changed(void *opaque)
{
	struct vmm *vmm = opaque;

	uv_async_send(&vmm->wake);
}

static void console_room(void *opaque)
{
	struct vmm *vmm = opaque;

	uv_mutex_lock(&vmm->lock);
	if (vmm->platform)
		vmm->arch->room(vmm);
	uv_mutex_unlock(&vmm->lock);
}

static void console_drained(void *opaque)
{
	struct vmm *vmm = opaque;

	if (atomic_load(&vmm->draining))
		uv_async_send(&vmm->wake);
}

void machine_connect_console(struct vmm *vmm)
{
	vmm->console->room = console_room;
	vmm->console->drained = console_drained;
	vmm->console->opaque = vmm;
}

static void connect_host(struct vmm *vmm)
{
	vmm->host = (struct device_host){.clock = &vmm->clock,
					 .irq = host_irq,
					 .console_put = host_console_put,
					 .console_has_room = host_console_has_room,
					 .input_wanted = host_input_wanted,
					 .power_off = host_power_off,
					 .reset = host_reset,
					 .debug_exit = host_debug_exit,
					 .opaque = vmm};
	if (vmm->config.insn_hz)
		counted_clock(vmm);
	clock_init(&vmm->clock, &vmm->config.clock);
	vmm->clock.changed = clock_changed;
	vmm->clock.opaque = vmm;
}

static int make_memory(struct vmm *vmm, struct vmm_error *error)
{
	uint8_t *hva;

	if (vmm->config.mem / MEM_OVERCOMMIT > uv_get_total_memory())
		return vmm_fail(error, VMM_STATUS_USAGE,
				"%" PRIu64 " MiB of guest memory: more than %d times the %" PRIu64 " MiB of this host",
				vmm->config.mem >> 20, MEM_OVERCOMMIT, uv_get_total_memory() >> 20);
	if (vma_mem_anon(vmm->config.mem, &vmm->mem) < 0)
		return vmm_fail(error, VMM_STATUS_USAGE, "%" PRIu64 " MiB of guest memory: %s", vmm->config.mem >> 20,
				vma_why());
	hva = vma_mem_hva(vmm->mem);
	vmm->arch->layout(vmm);
	for (unsigned i = 0; i < vmm->ram.count; i++) {
		vmm->ram.region[i].hva = hva;
		hva += vmm->ram.region[i].size;
	}
	return 0;
}

/* What the accelerator answers to the wish; also its limits. */
static int choose_accel(struct vmm *vmm, struct vmm_error *error)
{
	const struct vmm_config *config = &vmm->config;
	const struct ram_region *top = &vmm->ram.region[vmm->ram.count - 1];
	vma_platform_info info = {.size = sizeof(info)};
	int result;

	vmm->accel = config->accel;
	snprintf(vmm->accel_reason, sizeof(vmm->accel_reason), "asked for");
	if (vmm->accel == VMA_ACCEL_AUTO && config->insn_hz) {
		vmm->accel = VMA_ACCEL_SOFT;
		snprintf(vmm->accel_reason, sizeof(vmm->accel_reason), "the one that counts instructions");
	} else if (vmm->accel == VMA_ACCEL_AUTO) {
		result = vma_platform_choose(config->arch, &vmm->accel, vmm->accel_reason, sizeof(vmm->accel_reason));
		if (result < 0)
			return vmm_fail(error, VMM_STATUS_ACCEL, "no accelerator can be used here: %s", vma_why());
	}
	if (vma_platform_find(vmm->accel, config->arch, &info) < 0)
		return vmm_fail(error, VMM_STATUS_ACCEL, "%s: this accelerator is not built in",
				vma_accel_name(vmm->accel));
	if (!info.available)
		return vmm_fail(error, VMM_STATUS_ACCEL, "%s: %s%s%s", info.name, info.why, *info.remedy ? "; " : "",
				info.remedy);
	if (vmm->accel == VMA_ACCEL_NULL)
		return vmm_fail(error, VMM_STATUS_ACCEL, "null runs no guest code: it is scripted, for tests");
	if (config->insn_hz && !(info.caps & VMA_CAP_INSN_COUNT))
		return vmm_fail(error, VMM_STATUS_USAGE, "%s does not count instructions; soft does", info.name);
	if (config->cpus > info.max_vcpus)
		return vmm_fail(error, VMM_STATUS_USAGE, "%" PRIu32 " CPUs: %s has at most %" PRIu32, config->cpus,
				info.name, info.max_vcpus);
	if (info.gpa_bits < 64 && top->gpa + top->size > 1ull << info.gpa_bits)
		return vmm_fail(error, VMM_STATUS_USAGE,
				"%" PRIu64 " MiB of memory: guest addresses have only %" PRIu32 " bits on %s",
				config->mem >> 20, info.gpa_bits, info.name);
	return 0;
}

static int vm_failed(struct vmm *vmm, int result, const char *doing, struct vmm_error *error)
{
	return vmm_fail(error, vmm_status_of(result), "%s on %s: %s", doing, vma_accel_name(vmm->accel), vma_why());
}

static vma_irqchip irqchip_of(const struct vmm *vmm)
{
	vma_platform_info info = {.size = sizeof(info)};

	if (vmm->config.irqchip != VMM_IRQCHIP_AUTO)
		return vmm->config.irqchip == VMM_IRQCHIP_LIBRARY ? VMA_IRQCHIP_LIBRARY : VMA_IRQCHIP_PLATFORM;
	if (vma_platform_find(vmm->accel, vmm->config.arch, &info) < 0 || info.caps & VMA_CAP_IRQCHIP)
		return VMA_IRQCHIP_PLATFORM;
	return VMA_IRQCHIP_LIBRARY;
}

static int make_vm(struct vmm *vmm, struct vmm_error *error)
{
	vma_vm_config config = {.size = sizeof(config),
				.accel = vmm->accel,
				.arch = vmm->config.arch,
				.max_vcpus = vmm->config.cpus,
				.cpu_model = vmm->config.cpu_model,
				.irqchip = irqchip_of(vmm),
				.msr_policy = VMA_MSR_GP,
				.insn_hz = vmm->config.insn_hz};
	int result = vma_vm_create(&config, &vmm->vm);
	uint64_t offset = 0;

	if (result < 0)
		return vm_failed(vmm, result, "making the VM", error);
	result = vmm->arch->configure ? vmm->arch->configure(vmm) : 0;
	if (result >= 0)
		result = vma_vm_finalize(vmm->vm);
	if (result < 0)
		return vm_failed(vmm, result, "finishing the VM's configuration", error);
	for (unsigned i = 0; i < vmm->ram.count; i++) {
		const struct ram_region *r = &vmm->ram.region[i];

		result = vma_vm_map(vmm->vm, r->gpa, vmm->mem, offset, r->size, VMA_MAP_RWX);
		if (result < 0)
			return vm_failed(vmm, result, "mapping the guest's memory", error);
		offset += r->size;
	}
	return 0;
}

/* Under the lock, because after a reset the console may have room for the new serial port at any time. */
static int make_devices(struct vmm *vmm, struct vmm_error *error)
{
	int failed;

	uv_mutex_lock(&vmm->lock);
	vmm->platform = calloc(1, vmm->arch->platform_size);
	if (vmm->platform)
		failed = vmm->arch->platform(vmm, error);
	else
		failed = vmm_fail(error, VMM_STATUS_VMM, "no memory for the devices");
	uv_mutex_unlock(&vmm->lock);
	return failed;
}

int machine_with_files(struct vmm *vmm, struct boot_request *request,
		       int (*load)(const struct boot_request *request, void *result, struct vmm_error *error), void *result,
		       struct vmm_error *error)
{
	struct source kernel, initrd;
	int failed;

	if (source_open(&kernel, vmm->config.kernel, error) < 0)
		return -1;
	request->kernel = &kernel;
	failed = vmm->config.initrd ? source_open(&initrd, vmm->config.initrd, error) : 0;
	if (!failed) {
		request->initrd = vmm->config.initrd ? &initrd : NULL;
		failed = load(request, result, error);
		if (vmm->config.initrd)
			source_close(&initrd);
	}
	source_close(&kernel);
	return failed;
}

int machine_build(struct vmm *vmm, struct vmm_error *error)
{
	connect_host(vmm);
	if (make_memory(vmm, error) < 0 || vmm->arch->load(vmm, error) < 0)
		return -1;
	if (choose_accel(vmm, error) < 0 || make_vm(vmm, error) < 0)
		return -1;
	return make_devices(vmm, error);
}

void machine_teardown(struct vmm *vmm)
{
	uv_mutex_lock(&vmm->lock);
	free(vmm->platform);
	vmm->platform = NULL;
	memset(&vmm->ports, 0, sizeof(vmm->ports));
	memset(&vmm->mmio, 0, sizeof(vmm->mmio));
	vmm->clock.timers = NULL;
	uv_mutex_unlock(&vmm->lock);
	if (vmm->vm)
		vma_vm_destroy(vmm->vm);
	vmm->vm = NULL;
	vma_mem_unref(vmm->mem);
	vmm->mem = NULL;
	memset(&vmm->ram, 0, sizeof(vmm->ram));
}
