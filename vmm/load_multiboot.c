/* load_multiboot.c - the Multiboot Specification 0.6.96: ELF files of 32 bits, of 64 bits whose entry lies below 4 GiB,
 * and anything that says its addresses in the header itself (the "a.out kludge"). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "elf.h"
#include "layout.h"
#include "le.h"
#include "loader.h"
#include "scratch.h"

#define SEARCH 8192u /* 3.1: the header lies in the first 8192 bytes, at a multiple of 4 */
#define MAGIC 0x1badb002u
#define MAGIC_EAX 0x2badb002u /* 3.2 */
#define FLAG_KLUDGE (1u << 16)
#define FLAGS_KNOWN 0x7u /* page-aligned modules, memory information, video mode (ours is none) */
#define FLAGS_MUST 0xffffu

/* 3.1.1: offsets in the header */
enum {
	HDR_FLAGS = 4,
	HDR_CHECKSUM = 8,
	HDR_HEADER = 12,
	HDR_LOAD = 16,
	HDR_LOAD_END = 20,
	HDR_BSS_END = 24,
	HDR_ENTRY = 28,
	HDR_SHORT = 12,
	HDR_LONG = 32
};

/* 3.3: offsets in the information */
enum {
	INFO_FLAGS = 0,
	INFO_MEM_LOWER = 4,
	INFO_MEM_UPPER = 8,
	INFO_CMDLINE = 16,
	INFO_MODS_COUNT = 20,
	INFO_MODS_ADDR = 24,
	INFO_MMAP_LENGTH = 44,
	INFO_MMAP_ADDR = 48,
	INFO_LOADER_NAME = 64,
	INFO_SIZE = 116
};
enum { HAS_MEM = 1 << 0, HAS_CMDLINE = 1 << 2, HAS_MODS = 1 << 3, HAS_MMAP = 1 << 6, HAS_LOADER_NAME = 1 << 9 };
#define MMAP_ENTRY 24 /* size (of what follows), address, length, type */
#define MODULE_AT (LAYOUT_INFO + 0x80)
#define LOADER_NAME_AT (LAYOUT_INFO + 0xa0)
#define MMAP_AT (LAYOUT_INFO + 0x100)
#define MODULE_NAME_AT (LAYOUT_INFO + 0x400)
#define MODULE_NAME_MAX 0x800

struct header {
	uint64_t offset; /* in the file */
	uint8_t bytes[HDR_LONG];
};

/* 1: found; 0: none; -1: it cannot be read. */
static int find_header(const struct source *kernel, struct header *header, struct vmm_error *error)
{
	uint64_t size = kernel->size < SEARCH ? kernel->size : SEARCH;
	uint8_t *head = scratch_alloc(SEARCH + HDR_LONG);
	int found = 0;

	if (!head)
		return vmm_fail(error, VMM_STATUS_VMM, "%s: no memory to read it", kernel->name);
	memset(head, 0, SEARCH + HDR_LONG);
	if (size && source_read(kernel, 0, head, size, "header", error) < 0)
		found = -1;
	for (uint64_t at = 0; !found && at + HDR_SHORT <= size; at += 4) {
		const uint8_t *h = head + at;

		if (get_le32(h) != MAGIC || get_le32(h) + get_le32(h + HDR_FLAGS) + get_le32(h + HDR_CHECKSUM) != 0)
			continue;
		header->offset = at;
		memcpy(header->bytes, h, HDR_LONG);
		found = 1;
	}
	scratch_free(head);
	return found;
}

int is_multiboot(const struct source *kernel)
{
	struct header header;

	return find_header(kernel, &header, NULL) > 0;
}

struct placed {
	uint64_t entry, low, high;
};

/* 3.1.3 */
static int load_kludge(const struct boot_request *request, const struct header *header, struct placed *placed,
		       struct vmm_error *error)
{
	const struct source *kernel = request->kernel;
	uint64_t at = get_le32(header->bytes + HDR_HEADER), load = get_le32(header->bytes + HDR_LOAD);
	uint64_t load_end = get_le32(header->bytes + HDR_LOAD_END), bss_end = get_le32(header->bytes + HDR_BSS_END);
	uint64_t skip = at - load, offset = header->offset - skip, size;
	void *to;

	if (load > at || skip > header->offset || (load_end && load_end < load))
		return vmm_fail(error, VMM_STATUS_USAGE,
				"%s: the addresses of its Multiboot header contradict each other", kernel->name);
	size = load_end ? load_end - load : kernel->size - offset;
	placed->low = load;
	placed->high = load + size > bss_end ? load + size : bss_end;
	placed->entry = get_le32(header->bytes + HDR_ENTRY);
	to = ram_at(request->ram, load, placed->high - load);
	if (!to || layout_is_taken(load, placed->high - load))
		return vmm_fail(error, VMM_STATUS_USAGE, "%s: its %" PRIu64 " bytes at 0x%" PRIx64 " %s", kernel->name,
				placed->high - load, load,
				to ? "overlap " LAYOUT_TAKEN_TEXT : "do not fit into the guest's memory");
	return source_read(kernel, offset, to, size, "Multiboot image", error);
}

static int load_image(const struct boot_request *request, const struct header *header, struct placed *placed,
		      const char **kind, struct vmm_error *error)
{
	struct elf_image image;

	if (get_le32(header->bytes + HDR_FLAGS) & FLAG_KLUDGE) {
		*kind = "addresses in the header";
		return load_kludge(request, header, placed, error);
	}
	if (elf_open(&image, request->kernel, request->ram, error) < 0 ||
	    elf_load(&image, request->kernel, request->ram, error) < 0)
		return -1;
	*kind = image.bits == 64 ? "ELF, 64 bits" : "ELF, 32 bits";
	*placed = (struct placed){image.entry, image.low, image.high};
	return 0;
}

static void write_mmap(const struct guest_ram *ram, uint8_t *info)
{
	struct e820_entry map[E820_ENTRIES];
	unsigned count = e820_map(ram, map);
	uint8_t *to = info + (MMAP_AT - LAYOUT_INFO);

	for (unsigned i = 0; i < count; i++, to += MMAP_ENTRY) {
		put_le32(to, MMAP_ENTRY - 4);
		put_le64(to + 4, map[i].gpa);
		put_le64(to + 12, map[i].size);
		put_le32(to + 20, map[i].type);
	}
	put_le32(info + INFO_MMAP_LENGTH, count * MMAP_ENTRY);
	put_le32(info + INFO_MMAP_ADDR, MMAP_AT);
}

static void write_info(const struct boot_request *request, uint64_t initrd, uint64_t initrd_size)
{
	uint8_t *info = ram_at(request->ram, LAYOUT_INFO, 8192), *module = info + (MODULE_AT - LAYOUT_INFO);
	uint32_t flags = HAS_MEM | HAS_CMDLINE | HAS_MODS | HAS_MMAP | HAS_LOADER_NAME;
	uint64_t low = request->ram->region[0].size;

	put_le32(info + INFO_FLAGS, flags);
	put_le32(info + INFO_MEM_LOWER, LAYOUT_EBDA >> 10);
	put_le32(info + INFO_MEM_UPPER, low > LAYOUT_MIB ? (uint32_t)((low - LAYOUT_MIB) >> 10) : 0);
	put_le32(info + INFO_CMDLINE, LAYOUT_CMDLINE);
	put_le32(info + INFO_LOADER_NAME, LOADER_NAME_AT);
	memcpy(info + (LOADER_NAME_AT - LAYOUT_INFO), "vmaccel", 8);
	if (initrd_size) {
		put_le32(info + INFO_MODS_COUNT, 1);
		put_le32(info + INFO_MODS_ADDR, MODULE_AT);
		put_le32(module, (uint32_t)initrd);
		put_le32(module + 4, (uint32_t)(initrd + initrd_size));
		put_le32(module + 8, MODULE_NAME_AT);
		snprintf((char *)info + (MODULE_NAME_AT - LAYOUT_INFO), MODULE_NAME_MAX, "%s", request->initrd->name);
	}
	write_mmap(request->ram, info);
}

int load_multiboot(const struct boot_request *request, struct boot_result *result, struct vmm_error *error)
{
	const struct source *kernel = request->kernel;
	uint64_t initrd, initrd_size;
	struct header header;
	struct placed placed;
	const char *kind;
	int found = find_header(kernel, &header, error);

	if (found <= 0)
		return found ? -1 : vmm_fail(error, VMM_STATUS_USAGE, "%s: it has no Multiboot header", kernel->name);
	if (get_le32(header.bytes + HDR_FLAGS) & FLAGS_MUST & ~FLAGS_KNOWN)
		return vmm_fail(error, VMM_STATUS_USAGE,
				"%s: its Multiboot header demands something unknown (flags 0x%" PRIx32 ")",
				kernel->name, get_le32(header.bytes + HDR_FLAGS));
	if (load_image(request, &header, &placed, &kind, error) < 0)
		return -1;
	if (placed.entry < placed.low || placed.entry >= placed.high || placed.entry >= LAYOUT_HIGH)
		return vmm_fail(error, VMM_STATUS_USAGE, "%s: its entry 0x%" PRIx64 " lies outside of it%s",
				kernel->name, placed.entry, placed.entry >= LAYOUT_HIGH ? ", above 4 GiB" : "");
	if (load_cmdline(request, kernel->name, LAYOUT_CMDLINE_MAX, error) < 0 ||
	    load_initrd(request, placed.high, LAYOUT_HIGH, &initrd, &initrd_size, error) < 0)
		return -1;
	write_info(request, initrd, initrd_size);
	result->start = (struct x86_start){
		.mode = X86_PROTECTED, .rip = placed.entry, .rax = MAGIC_EAX, .rbx = LAYOUT_INFO, .rsp = 0};
	snprintf(result->kind, sizeof(result->kind), "Multiboot, %s", kind);
	return 0;
}
