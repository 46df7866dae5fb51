/* arm64_machine.c - the arm64 machine: its memory, what is loaded into it, and its devices. The GIC, the timers and PSCI are
 * the accelerator's. */
#include <string.h>
#include <vmaccel/arm64.h>

#include "arm64.h"

struct board {
	struct pl011 uart;
	struct pl031 rtc;
};

static void layout(struct vmm *vmm)
{
	vmm->ram.region[0] = (struct ram_region){.gpa = ARM64_RAM, .size = vmm->config.mem};
	vmm->ram.count = 1;
}

static int load_request(const struct boot_request *request, void *result, struct vmm_error *error)
{
	return load_arm64(request, result, error);
}

static int load(struct vmm *vmm, struct vmm_error *error)
{
	const struct vmm_config *config = &vmm->config;
	struct arm64_boot boot;
	struct boot_request request = {.ram = &vmm->ram, .flat = config->flat != 0, .flat_address = config->flat_address};

	if (config->debug_exit)
		return vmm_fail(error, VMM_STATUS_USAGE, "the debug exit is a port: an arm64 machine has none");
	if (config->entry != VMM_ENTRY_AUTO && config->entry != VMM_ENTRY_DIRECT)
		return vmm_fail(error, VMM_STATUS_USAGE, "an arm64 kernel has no classic entry");
	if (machine_with_files(vmm, &request, load_request, &boot, error) < 0)
		return -1;
	vmm->arm64_start = boot.start;
	memcpy(vmm->kind, boot.kind, sizeof(vmm->kind));
	return 0;
}

static int configure(struct vmm *vmm)
{
	vma_arm64_gic gic = {.size = sizeof(gic)};
	int rc = vmm->config.gic ? vma_arm64_get_gic(vmm->vm, &gic) : 0;

	if (rc < 0 || !vmm->config.gic)
		return rc;
	gic.version = vmm->config.gic;
	gic.cpu_base = 0;
	return vma_arm64_set_gic(vmm->vm, &gic);
}

/* A run that can be repeated has the same numbers each time. */
static int make_seed(const struct vmm *vmm, struct fdt_seed *seed, struct vmm_error *error)
{
	if (vmm->config.insn_hz) {
		memset(seed, 0x5a, sizeof(*seed));
		return 0;
	}
	if (uv_random(NULL, NULL, seed, sizeof(*seed), 0, NULL) < 0)
		return vmm_fail(error, VMM_STATUS_VMM, "this host gives no random numbers");
	return 0;
}

static int write_tree(struct vmm *vmm, struct vmm_error *error)
{
	vma_arm64_gic gic = {.size = sizeof(gic)};
	struct fdt_seed seed;
	const struct fdt_request request = {.start = &vmm->arm64_start,
					    .ram = &vmm->ram,
					    .cmdline = vmm->config.append ? vmm->config.append : "",
					    .cpus = vmm->config.cpus,
					    .gic = &gic,
					    .seed = &seed};

	if (vma_arm64_get_gic(vmm->vm, &gic) < 0)
		return vmm_fail(error, VMM_STATUS_VMM, "the GIC: %s", vma_why());
	return make_seed(vmm, &seed, error) < 0 ? -1 : fdt_write(&request, error);
}

static int platform(struct vmm *vmm, struct vmm_error *error)
{
	struct board *board = vmm->platform;

	pl011_init(&board->uart, &vmm->host, ARM64_SPI_UART);
	pl031_init(&board->rtc, &vmm->host, ARM64_SPI_RTC);
	if (bus_add(&vmm->mmio, ARM64_UART, 0x1000, &pl011_ops, &board->uart) < 0 ||
	    bus_add(&vmm->mmio, ARM64_RTC, 0x1000, &pl031_ops, &board->rtc) < 0)
		return vmm_fail(error, VMM_STATUS_VMM, "two devices claim the same address");
	return write_tree(vmm, error);
}

/* The others are off until PSCI's CPU_ON, as the library leaves them. */
static int start(struct vmm *vmm, vma_vcpu *vcpu, uint32_t index)
{
	return index ? 0 : arm64_set_start(vcpu, &vmm->arm64_start);
}

static size_t input(struct vmm *vmm, const uint8_t *data, size_t size)
{
	struct board *board = vmm->platform;

	return pl011_input(&board->uart, data, size);
}

static void room(struct vmm *vmm)
{
	struct board *board = vmm->platform;

	pl011_room(&board->uart);
}

/* Not written yet: it takes a PL061 and gpio-keys. */
static void power_button(struct vmm *vmm)
{
	(void)vmm;
}

const struct machine_arch machine_arm64 = {.arch = VMA_ARCH_ARM64,
					   .layout = layout,
					   .load = load,
					   .configure = configure,
					   .platform_size = sizeof(struct board),
					   .platform = platform,
					   .start = start,
					   .dump = arm64_dump,
					   .pc = arm64_pc,
					   .input = input,
					   .room = room,
					   .power_button = power_button};
