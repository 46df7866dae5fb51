/* x86_machine.c - the PC: its memory, what is loaded into it, and its devices. Interrupt controllers and the PIT are
 * the accelerator's. */
#include <string.h>

#include "acpi.h"
#include "layout.h"
#include "x86.h"

enum { GSI_SERIAL = 4, GSI_RTC = 8 };

struct pc {
	struct serial serial;
	struct rtc rtc;
	struct i8042 i8042;
	struct pci_config pci;
	struct pm pm;
	struct debug_exit debug_exit;
	struct post_code post;
};

/* Ports: table of everything but the debug exit, which has to be asked for. */
static const struct port_row {
	uint16_t base, size;
	const struct device_ops *ops;
	size_t device;
} port_rows[] = {
	{0x60, 1, &i8042_data_ops, offsetof(struct pc, i8042)},
	{0x64, 1, &i8042_command_ops, offsetof(struct pc, i8042)},
	{0x70, 2, &rtc_ops, offsetof(struct pc, rtc)},
	{0x80, 1, &post_code_ops, offsetof(struct pc, post)},
	{0x92, 1, &port92_ops, offsetof(struct pc, i8042)},
	{0x3f8, 8, &serial_ops, offsetof(struct pc, serial)},
	{PM_BASE, PM_SIZE, &pm_ops, offsetof(struct pc, pm)},
	{0xcf8, 8, &pci_config_ops, offsetof(struct pc, pci)},
};
static const struct port_row debug_exit_row = {0xf4, 4, &debug_exit_ops, offsetof(struct pc, debug_exit)};

static void layout(struct vmm *vmm)
{
	uint64_t mem = vmm->config.mem, low = mem < LAYOUT_HOLE ? mem : LAYOUT_HOLE;

	vmm->ram.region[0] = (struct ram_region){.gpa = 0, .size = low};
	vmm->ram.region[1] = (struct ram_region){.gpa = LAYOUT_HIGH, .size = mem - low};
	vmm->ram.count = mem > low ? 2 : 1;
}

static int load_request(const struct boot_request *request, void *result, struct vmm_error *error)
{
	return load_kernel(request, result, error);
}

static int load(struct vmm *vmm, struct vmm_error *error)
{
	const struct vmm_config *config = &vmm->config;
	struct boot_request request = {.cmdline = config->append ? config->append : "",
				       .ram = &vmm->ram,
				       .entry = config->entry,
				       .flat = config->flat != 0,
				       .flat_bits = config->flat_bits,
				       .flat_address = config->flat_address};
	struct boot_result result;

	request.rsdp = acpi_write(&vmm->ram, config->cpus);
	if (!request.rsdp)
		return vmm_fail(error, VMM_STATUS_VMM, "the ACPI tables do not fit into their area");
	if (machine_with_files(vmm, &request, load_request, &result, error) < 0)
		return -1;
	x86_write_tables(&vmm->ram, &result.start);
	vmm->start = result.start;
	memcpy(vmm->kind, result.kind, sizeof(vmm->kind));
	return 0;
}

static int add_port(struct vmm *vmm, const struct port_row *row)
{
	return bus_add(&vmm->ports, row->base, row->size, row->ops, (char *)vmm->platform + row->device);
}

static int platform(struct vmm *vmm, struct vmm_error *error)
{
	uint64_t high = vmm->ram.count > 1 ? vmm->ram.region[1].size : 0;
	const struct device_host *host = &vmm->host;
	struct pc *pc = vmm->platform;
	int failed = 0;

	serial_init(&pc->serial, host, GSI_SERIAL);
	rtc_init(&pc->rtc, host, GSI_RTC, vmm->ram.region[0].size, high);
	i8042_init(&pc->i8042, host);
	pci_config_init(&pc->pci, host);
	pm_init(&pc->pm, host);
	debug_exit_init(&pc->debug_exit, host);
	for (size_t i = 0; i < sizeof(port_rows) / sizeof(port_rows[0]); i++)
		failed |= add_port(vmm, &port_rows[i]);
	if (vmm->config.debug_exit)
		failed |= add_port(vmm, &debug_exit_row);
	return failed ? vmm_fail(error, VMM_STATUS_VMM, "two devices claim the same port") : 0;
}

/* The others wait for INIT and SIPI, as the library leaves them. */
static int start(struct vmm *vmm, vma_vcpu *vcpu, uint32_t index)
{
	return index ? 0 : x86_set_start(vcpu, &vmm->start);
}

static size_t input(struct vmm *vmm, const uint8_t *data, size_t size)
{
	struct pc *pc = vmm->platform;

	return serial_input(&pc->serial, data, size);
}

static void room(struct vmm *vmm)
{
	struct pc *pc = vmm->platform;

	serial_room(&pc->serial);
}

static void power_button(struct vmm *vmm)
{
	struct pc *pc = vmm->platform;

	pm_power_button(&pc->pm);
}

const struct machine_arch machine_x86 = {.arch = VMA_ARCH_X86_64,
					 .layout = layout,
					 .load = load,
					 .platform_size = sizeof(struct pc),
					 .platform = platform,
					 .start = start,
					 .dump = x86_dump,
					 .pc = x86_pc,
					 .input = input,
					 .room = room,
					 .power_button = power_button};
