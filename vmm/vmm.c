/* vmm.c - making and destroying a struct vmm: checks of the config, copies of its strings, the parts that last over a
 * guest's reset. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "machine.h"

#define MEM_DEFAULT (256ull << 20)
#define MEM_MIN (2ull << 20)
#define MEM_MAX (1ull << 46)
#define CPUS_MAX 254u
#define INSN_HZ_DEFAULT 1000000000u

static const struct machine_arch *const archs[] = {&machine_x86, &machine_arm64};

static int copy_string(const char **string, struct vmm_error *error)
{
	if (!*string)
		return 0;
	*string = strdup(*string);
	return *string ? 0 : vmm_fail(error, VMM_STATUS_VMM, "no memory for the configuration");
}

/* All four are copied or NULL afterwards, so that they can be freed. */
static int copy_config(struct vmm *vmm, const struct vmm_config *from, struct vmm_error *error)
{
	struct vmm_config *c = &vmm->config;
	const char **strings[] = {&c->kernel, &c->initrd, &c->append, &c->console_path, &c->cpu_model, &c->marker};
	int failed = 0;

	if (from->size < offsetof(struct vmm_config, cpus) || from->size > sizeof(*c))
		return vmm_fail(error, VMM_STATUS_USAGE, "vmm_config.size is %" PRIu32 ", not %zu", from->size,
				sizeof(*c));
	memcpy(c, from, from->size);
	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
		if (copy_string(strings[i], error) < 0)
			failed = -1;
	return failed;
}

static void free_config(struct vmm_config *c)
{
	const char *strings[] = {c->kernel, c->initrd, c->append, c->console_path, c->cpu_model, c->marker};

	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
		free((char *)(uintptr_t)strings[i]);
}

static int check_counted(struct vmm_config *c, struct vmm_error *error)
{
	if (c->max_insns && !c->insn_hz)
		c->insn_hz = INSN_HZ_DEFAULT;
	if (!c->insn_hz)
		return 0;
	if (c->cpus > 1)
		return vmm_fail(error, VMM_STATUS_USAGE, "%" PRIu32 " CPUs: a run by instruction count has one",
				c->cpus);
	if (c->clock.monotonic_ns || c->clock.realtime_ns)
		return vmm_fail(error, VMM_STATUS_USAGE, "a run by instruction count has a clock of its own");
	return 0;
}

static int check_config(struct vmm *vmm, struct vmm_error *error)
{
	struct vmm_config *c = &vmm->config;

	if (!c->arch)
		c->arch = VMA_ARCH_X86_64;
	if (!c->cpus)
		c->cpus = 1;
	if (!c->mem)
		c->mem = MEM_DEFAULT;
	for (size_t i = 0; i < sizeof(archs) / sizeof(archs[0]); i++)
		if (archs[i]->arch == c->arch)
			vmm->arch = archs[i];
	if (!vmm->arch)
		return vmm_fail(error, VMM_STATUS_USAGE, "a machine of architecture %d is not written yet",
				(int)c->arch);
	if (check_counted(c, error) < 0)
		return -1;
	if (!c->kernel)
		return vmm_fail(error, VMM_STATUS_USAGE, "no kernel was named");
	if (c->cpus > CPUS_MAX)
		return vmm_fail(error, VMM_STATUS_USAGE, "%" PRIu32 " CPUs: at most %u are possible", c->cpus,
				CPUS_MAX);
	if (c->mem < MEM_MIN || c->mem > MEM_MAX || c->mem % 4096)
		return vmm_fail(error, VMM_STATUS_USAGE,
				"%" PRIu64
				" bytes of memory: from %llu MiB to %llu TiB, in units of 4096 bytes, are possible",
				c->mem, MEM_MIN >> 20, MEM_MAX >> 40);
	if ((unsigned)c->entry > VMM_ENTRY_CLASSIC32 || (unsigned)c->console > VMM_CONSOLE_CALLBACK ||
	    (unsigned)c->on_reset > VMM_RESET_REBOOT)
		return vmm_fail(error, VMM_STATUS_USAGE, "an unknown value for entry, console or on_reset");
	return 0;
}

static int make_lasting(struct vmm *vmm, struct vmm_error *error)
{
	uv_mutex_init(&vmm->lock);
	uv_cond_init(&vmm->ready);
	vmm->lock_made = 1;
	vmm->loop_made = uv_loop_init(&vmm->loop) == 0;
	if (vmm->loop_made)
		vmm->async_made = uv_async_init(&vmm->loop, &vmm->wake, machine_wake) == 0;
	vmm->wake.data = vmm;
	vmm->vcpus = calloc(vmm->config.cpus, sizeof(vmm->vcpus[0]));
	if (!vmm->async_made || !vmm->vcpus)
		return vmm_fail(error, VMM_STATUS_VMM, "no event loop or no memory for %" PRIu32 " vCPUs",
				vmm->config.cpus);
	vmm->console = malloc(sizeof(*vmm->console));
	if (!vmm->console)
		return vmm_fail(error, VMM_STATUS_VMM, "no memory for the console");
	if (console_open(vmm->console, &vmm->config, error) == 0) {
		machine_connect_console(vmm);
		return 0;
	}
	free(vmm->console);
	vmm->console = NULL;
	return -1;
}

int vmm_create(const struct vmm_config *config, struct vmm **out, struct vmm_error *error)
{
	struct vmm *vmm = calloc(1, sizeof(*vmm));

	*out = NULL;
	if (!vmm)
		return vmm_fail(error, VMM_STATUS_VMM, "no memory for the machine");
	vmm->created_at = uv_hrtime();
	if (copy_config(vmm, config, error) == 0 && check_config(vmm, error) == 0 && make_lasting(vmm, error) == 0 &&
	    machine_build(vmm, error) == 0) {
		*out = vmm;
		return 0;
	}
	vmm_destroy(vmm);
	return -1;
}

void vmm_destroy(struct vmm *vmm)
{
	if (!vmm)
		return;
	if (vmm->console && console_close(vmm->console, vmm->abandon))
		free(vmm->console);
	if (vmm->lock_made)
		machine_teardown(vmm);
	if (vmm->async_made)
		uv_close((uv_handle_t *)&vmm->wake, NULL);
	if (vmm->loop_made) {
		uv_run(&vmm->loop, UV_RUN_DEFAULT);
		uv_loop_close(&vmm->loop);
	}
	if (vmm->lock_made) {
		uv_mutex_destroy(&vmm->lock);
		uv_cond_destroy(&vmm->ready);
	}
	free(vmm->vcpus);
	free_config(&vmm->config);
	free(vmm);
}

void vmm_request_stop(struct vmm *vmm)
{
	atomic_store(&vmm->stop_requested, 1);
	uv_async_send(&vmm->wake);
}

void vmm_power_button(struct vmm *vmm)
{
	uv_mutex_lock(&vmm->lock);
	if (vmm->platform && !vmm->ended)
		vmm->arch->power_button(vmm);
	uv_mutex_unlock(&vmm->lock);
}

vma_accel vmm_accel(const struct vmm *vmm)
{
	return vmm->accel;
}

const char *vmm_accel_reason(const struct vmm *vmm)
{
	return vmm->accel_reason;
}

const char *vmm_kernel_kind(const struct vmm *vmm)
{
	return vmm->kind;
}
