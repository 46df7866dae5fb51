/* loader.c - which loader takes a file, and what all of them share: command line, initrd, memory map, flat binaries. */
#include "loader.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "elf.h"
#include "layout.h"

unsigned e820_map(const struct guest_ram *ram, struct e820_entry entries[E820_ENTRIES])
{
	uint64_t low = ram->region[0].size;
	unsigned n = 0;

	entries[n++] = (struct e820_entry){0, LAYOUT_EBDA, E820_RAM};
	entries[n++] = (struct e820_entry){LAYOUT_EBDA, 0xa0000 - LAYOUT_EBDA, E820_RESERVED};
	entries[n++] = (struct e820_entry){LAYOUT_ACPI, LAYOUT_ACPI_SIZE, E820_RESERVED};
	if (low > LAYOUT_MIB)
		entries[n++] = (struct e820_entry){LAYOUT_MIB, low - LAYOUT_MIB, E820_RAM};
	for (unsigned i = 1; i < ram->count; i++)
		entries[n++] = (struct e820_entry){ram->region[i].gpa, ram->region[i].size, E820_RAM};
	return n;
}

int load_cmdline(const struct boot_request *request, const char *prefix, uint64_t max, struct vmm_error *error)
{
	size_t before = prefix ? strlen(prefix) : 0, length = strlen(request->cmdline), blank = before && length;
	char *to = ram_at(request->ram, LAYOUT_CMDLINE, LAYOUT_CMDLINE_MAX);

	if (max >= LAYOUT_CMDLINE_MAX)
		max = LAYOUT_CMDLINE_MAX - 1;
	if (!to)
		return vmm_fail(error, VMM_STATUS_USAGE, "the guest's memory is too small for a command line");
	if (before > max || length + blank > max - before)
		return vmm_fail(error, VMM_STATUS_USAGE,
				"%s: the command line has %zu bytes, this kernel takes at most %" PRIu64,
				request->kernel->name, before + blank + length, max);
	snprintf(to, LAYOUT_CMDLINE_MAX, "%s%s%s", prefix ? prefix : "", blank ? " " : "", request->cmdline);
	return 0;
}

int load_initrd(const struct boot_request *request, uint64_t floor, uint64_t limit, uint64_t *gpa, uint64_t *size,
		struct vmm_error *error)
{
	const struct source *initrd = request->initrd;
	uint64_t top = request->ram->region[0].size;

	*gpa = *size = 0;
	if (!initrd)
		return 0;
	if (initrd->size == 0)
		return vmm_fail(error, VMM_STATUS_USAGE, "%s: the initrd is empty", initrd->name);
	if (limit > top)
		limit = top;
	floor = (floor + 4095) & ~4095ull;
	if (floor > limit || initrd->size > limit - floor || ((limit - initrd->size) & ~4095ull) < floor)
		return vmm_fail(error, VMM_STATUS_USAGE,
				"%s: the initrd of %" PRIu64
				" bytes does not fit into the guest's memory beside the kernel "
				"(%" PRIu64 " bytes are free); give it more memory",
				initrd->name, initrd->size, floor > limit ? 0 : limit - floor);
	*size = initrd->size;
	*gpa = (limit - initrd->size) & ~4095ull;
	return source_read(initrd, 0, ram_at(request->ram, *gpa, *size), *size, "contents", error);
}

int load_flat(const struct boot_request *request, struct boot_result *result, struct vmm_error *error)
{
	const struct source *kernel = request->kernel;
	unsigned bits = request->flat_bits ? request->flat_bits : 64;
	uint64_t at = request->flat_address, below = bits == X86_REAL ? LAYOUT_MIB : LAYOUT_HIGH;
	void *to = ram_at(request->ram, at, kernel->size);

	if (bits != X86_REAL && bits != X86_PROTECTED && bits != X86_LONG)
		return vmm_fail(error, VMM_STATUS_USAGE, "a flat binary cannot be entered in %u-bit mode", bits);
	if (kernel->size == 0)
		return vmm_fail(error, VMM_STATUS_USAGE, "%s: the file is empty", kernel->name);
	if (!to || at >= below)
		return vmm_fail(error, VMM_STATUS_USAGE,
				"%s: %" PRIu64 " bytes at 0x%" PRIx64 " do not fit into the guest's memory%s",
				kernel->name, kernel->size, at, at >= below ? " where it can be entered" : "");
	if (layout_is_taken(at, kernel->size))
		return vmm_fail(error, VMM_STATUS_USAGE,
				"%s: %" PRIu64 " bytes at 0x%" PRIx64 " overlap " LAYOUT_TAKEN_TEXT, kernel->name,
				kernel->size, at);
	if (request->initrd)
		return vmm_fail(error, VMM_STATUS_USAGE, "%s: a flat binary takes no initrd", request->initrd->name);
	if (load_cmdline(request, NULL, LAYOUT_CMDLINE_MAX, error) < 0)
		return -1;
	result->start = (struct x86_start){.mode = (enum x86_mode)bits, .rip = at, .rsi = LAYOUT_CMDLINE};
	result->start.rsp = bits == X86_REAL ? 0 : LAYOUT_CMDLINE;
	snprintf(result->kind, sizeof(result->kind), "flat binary, %u-bit entry", bits);
	return source_read(kernel, 0, to, kernel->size, "contents", error);
}

int load_kernel(const struct boot_request *request, struct boot_result *result, struct vmm_error *error)
{
	const struct source *kernel = request->kernel;
	uint8_t head[4] = {0};

	memset(result, 0, sizeof(*result));
	if (kernel->size == 0)
		return vmm_fail(error, VMM_STATUS_USAGE, "%s: the file is empty", kernel->name);
	if (request->flat)
		return load_flat(request, result, error);
	if (is_bzimage(kernel))
		return load_bzimage(request, result, error);
	if (kernel->size >= 4 && source_read(kernel, 0, head, 4, "header", error) < 0)
		return -1;
	if (is_multiboot(kernel))
		return load_multiboot(request, result, error);
	if (elf_is(head, 4))
		return load_pvh(request, result, error);
	return vmm_fail(error, VMM_STATUS_USAGE,
			"%s: not a kernel that is known here: no bzImage, no ELF file, no Multiboot header "
			"(a flat binary needs its address)",
			kernel->name);
}
