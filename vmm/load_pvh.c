/* load_pvh.c - ELF kernels with a PVH entry: Xen's x86/HVM direct boot ABI
 * (xen/include/public/arch-x86/hvm/start_info.h). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "elf.h"
#include "layout.h"
#include "le.h"
#include "loader.h"

/* struct hvm_start_info, version 1 */
enum {
	START_MAGIC = 0,
	START_VERSION = 4,
	START_NR_MODULES = 12,
	START_MODLIST = 16,
	START_CMDLINE = 24,
	START_RSDP = 32,
	START_MEMMAP = 40,
	START_MEMMAP_ENTRIES = 48,
	START_SIZE = 56
};
#define START_MAGIC_VALUE 0x336ec578u
/* Behind it, both at 8-byte alignment: one module (address, size, command line, reserved), then the map (address, size,
 * type, reserved) */
#define MODULE_AT (LAYOUT_INFO + 0x40)
#define MEMMAP_AT (LAYOUT_INFO + 0x80)
#define MEMMAP_ENTRY 24

static void write_start_info(const struct boot_request *request, uint64_t initrd, uint64_t initrd_size)
{
	uint8_t *info = ram_at(request->ram, LAYOUT_INFO, 4096), *map = info + (MEMMAP_AT - LAYOUT_INFO);
	struct e820_entry entries[E820_ENTRIES];
	unsigned count = e820_map(request->ram, entries);

	put_le32(info + START_MAGIC, START_MAGIC_VALUE);
	put_le32(info + START_VERSION, 1);
	put_le64(info + START_CMDLINE, LAYOUT_CMDLINE);
	put_le64(info + START_RSDP, request->rsdp);
	put_le64(info + START_MEMMAP, MEMMAP_AT);
	put_le32(info + START_MEMMAP_ENTRIES, count);
	if (initrd_size) {
		put_le32(info + START_NR_MODULES, 1);
		put_le64(info + START_MODLIST, MODULE_AT);
		put_le64(info + (MODULE_AT - LAYOUT_INFO), initrd);
		put_le64(info + (MODULE_AT - LAYOUT_INFO) + 8, initrd_size);
	}
	for (unsigned i = 0; i < count; i++, map += MEMMAP_ENTRY) {
		put_le64(map, entries[i].gpa);
		put_le64(map + 8, entries[i].size);
		put_le32(map + 16, entries[i].type);
	}
}

int load_pvh(const struct boot_request *request, struct boot_result *result, struct vmm_error *error)
{
	const struct source *kernel = request->kernel;
	struct elf_image image;
	uint64_t initrd, initrd_size;
	uint32_t entry;
	int found;

	if (elf_open(&image, kernel, request->ram, error) < 0)
		return -1;
	found = elf_pvh_entry(&image, kernel, &entry, error);
	if (found < 0)
		return -1;
	if (!found)
		return vmm_fail(error, VMM_STATUS_USAGE,
				"%s: an ELF file with neither a PVH entry (Xen note 18) nor a Multiboot header",
				kernel->name);
	if (entry < image.low || entry >= image.high)
		return vmm_fail(error, VMM_STATUS_USAGE, "%s: its PVH entry 0x%" PRIx32 " lies outside of its segments",
				kernel->name, entry);
	if (elf_load(&image, kernel, request->ram, error) < 0 ||
	    load_cmdline(request, NULL, LAYOUT_CMDLINE_MAX, error) < 0 ||
	    load_initrd(request, image.high, LAYOUT_HIGH, &initrd, &initrd_size, error) < 0)
		return -1;
	write_start_info(request, initrd, initrd_size);
	result->start = (struct x86_start){.mode = X86_PROTECTED, .rip = entry, .rbx = LAYOUT_INFO};
	snprintf(result->kind, sizeof(result->kind), "ELF, PVH entry");
	return 0;
}
