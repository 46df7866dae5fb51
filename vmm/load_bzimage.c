/* load_bzimage.c - Linux on x86 (Documentation/arch/x86/boot.rst). The ELF file inside the bzImage is unpacked by the
 * host straight into guest memory and entered at its 64-bit entry; or the bzImage unpacks itself, by the classic
 * entries. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bootparam.h"
#include "elf.h"
#include "layout.h"
#include "le.h"
#include "loader.h"
#include "scratch.h"
#include "unpack.h"

#define SECTOR 512u
#define VERSION_OLDEST 0x0206 /* Linux 2.6.22 */
#define VERSION_PAYLOAD 0x0208
#define VERSION_INIT_SIZE 0x020a
#define VERSION_XLOADFLAGS 0x020c
#define VERSION_RSDP 0x020e
#define ENTRY_64 0x200u /* boot.rst, "64-bit boot protocol" */
#define CLASSIC_ADDRESS LAYOUT_MIB

struct bzimage {
	uint8_t header[HDR_END_MAX]; /* the file's first bytes */
	unsigned end, version;
	uint64_t code;      /* file offset of the protected-mode part */
	uint64_t low, high; /* of the kernel in guest memory, with the room it needs while it starts */
};

int is_bzimage(const struct source *kernel)
{
	uint8_t head[HDR_VERSION];

	return kernel->size >= sizeof(head) && source_read(kernel, 0, head, sizeof(head), "header", NULL) == 0 &&
	       get_le16(head + HDR_BOOT_FLAG) == HDR_BOOT_FLAG_VALUE && get_le32(head + HDR_MAGIC) == HDR_MAGIC_VALUE;
}

static int read_header(struct bzimage *bz, const struct source *kernel, struct vmm_error *error)
{
	uint64_t size = kernel->size < HDR_END_MAX ? kernel->size : HDR_END_MAX;
	unsigned sectors;

	memset(bz, 0, sizeof(*bz));
	if (source_read(kernel, 0, bz->header, size, "header", error) < 0)
		return -1;
	bz->end = HDR_MAGIC + bz->header[HDR_JUMP_LENGTH];
	bz->version = get_le16(bz->header + HDR_VERSION);
	if (bz->end > HDR_END_MAX)
		bz->end = HDR_END_MAX;
	if (bz->end > size)
		return vmm_fail(error, VMM_STATUS_USAGE, "%s: truncated: the bzImage ends within its header",
				kernel->name);
	if (bz->version < VERSION_OLDEST || !(bz->header[HDR_LOADFLAGS] & LOADFLAGS_LOADED_HIGH))
		return vmm_fail(error, VMM_STATUS_USAGE,
				"%s: boot protocol %u.%02u is too old, a bzImage of protocol 2.06 (Linux 2.6.22) or "
				"later is needed",
				kernel->name, bz->version >> 8, bz->version & 0xff);
	sectors = bz->header[HDR_SETUP_SECTS] ? bz->header[HDR_SETUP_SECTS] : 4;
	bz->code = (uint64_t)(sectors + 1) * SECTOR;
	if (bz->code >= kernel->size)
		return vmm_fail(error, VMM_STATUS_USAGE, "%s: truncated: the bzImage ends within its setup code",
				kernel->name);
	return 0;
}

/* Room that the kernel takes before it knows the memory map. */
static void note_room(struct bzimage *bz, uint64_t low, uint64_t high)
{
	if (bz->version >= VERSION_INIT_SIZE) {
		uint64_t preferred = get_le64(bz->header + HDR_PREF_ADDRESS);
		uint64_t from = preferred > low && preferred < LAYOUT_HIGH ? preferred : low;
		uint64_t need = from + get_le32(bz->header + HDR_INIT_SIZE);

		if (need > high)
			high = need;
	}
	bz->low = low;
	bz->high = high;
}

static int check_room(const struct bzimage *bz, const struct boot_request *request, struct vmm_error *error)
{
	if (bz->high <= request->ram->region[0].size)
		return 0;
	return vmm_fail(error, VMM_STATUS_USAGE,
			"%s: this kernel needs %" PRIu64 " MiB of memory to start, the guest has %" PRIu64
			" MiB below 4 GiB",
			request->kernel->name, (bz->high + (1u << 20) - 1) >> 20, request->ram->region[0].size >> 20);
}

/* The ELF file inside: 0: loaded, entry in *entry; 1: it cannot be entered directly (*error says why); -1: failed for
 * good. */
static int unpack_payload(struct bzimage *bz, const struct boot_request *request, struct boot_result *result,
			  struct vmm_error *error)
{
	const struct source *kernel = request->kernel;
	uint64_t offset = get_le32(bz->header + HDR_PAYLOAD_OFFSET), size = get_le32(bz->header + HDR_PAYLOAD_LENGTH);
	uint8_t magic[6] = {0};
	struct elf_stream *elf;
	int failed;

	if (bz->version < VERSION_PAYLOAD || !offset || size < sizeof(magic))
		return vmm_fail(error, VMM_STATUS_USAGE, "%s: the bzImage does not say where its payload is",
				kernel->name),
		       1;
	if (source_read(kernel, bz->code + offset, magic, sizeof(magic), "payload", error) < 0)
		return -1;
	if (!unpack_format(magic, sizeof(magic)))
		return vmm_fail(error, VMM_STATUS_USAGE,
				"%s: its kernel is compressed in an unknown way (%02x %02x %02x %02x)", kernel->name,
				magic[0], magic[1], magic[2], magic[3]),
		       1;
	elf = scratch_alloc(sizeof(*elf));
	if (!elf)
		return vmm_fail(error, VMM_STATUS_VMM, "%s: no memory to unpack it", kernel->name);
	elf_stream_init(elf, kernel->name, request->ram);
	failed = unpack(kernel, bz->code + offset, size, elf_stream_sink, elf, error) < 0 ||
		 elf_stream_end(elf, error) < 0;
	if (!failed && elf->image.bits != 64)
		failed = vmm_fail(error, VMM_STATUS_USAGE, "%s: the unpacked kernel is not a 64-bit one", kernel->name);
	if (!failed && (elf->image.entry < elf->image.low || elf->image.entry >= elf->image.high))
		failed = vmm_fail(error, VMM_STATUS_USAGE,
				  "%s: the unpacked kernel's entry 0x%" PRIx64 " lies outside of it", kernel->name,
				  elf->image.entry);
	if (!failed) {
		note_room(bz, elf->image.low, elf->image.high);
		result->start.mode = X86_LONG;
		result->start.rip = elf->image.entry;
		snprintf(result->kind, sizeof(result->kind), "bzImage, %s, 64-bit entry of the unpacked kernel",
			 unpack_format(magic, sizeof(magic)));
	}
	scratch_free(elf);
	return failed ? -1 : 0;
}

static int load_classic(struct bzimage *bz, const struct boot_request *request, struct boot_result *result,
			struct vmm_error *error)
{
	const struct source *kernel = request->kernel;
	uint64_t size = kernel->size - bz->code;
	int has_64 = bz->version >= VERSION_XLOADFLAGS &&
		     (get_le16(bz->header + HDR_XLOADFLAGS) & XLOADFLAGS_KERNEL_64) && size > ENTRY_64;
	int use_64 = has_64 && request->entry != VMM_ENTRY_CLASSIC32;

	note_room(bz, CLASSIC_ADDRESS, CLASSIC_ADDRESS + size);
	if (check_room(bz, request, error) < 0)
		return -1;
	if (source_read(kernel, bz->code, ram_at(request->ram, CLASSIC_ADDRESS, size), size, "protected-mode code",
			error) < 0)
		return -1;
	result->start.mode = use_64 ? X86_LONG : X86_PROTECTED;
	result->start.rip = CLASSIC_ADDRESS + (use_64 ? ENTRY_64 : 0);
	snprintf(result->kind, sizeof(result->kind), "bzImage, %d-bit classic entry", use_64 ? 64 : 32);
	return 0;
}

static void write_memory_map(uint8_t *bp, const struct guest_ram *ram)
{
	struct e820_entry map[E820_ENTRIES];
	unsigned count = e820_map(ram, map);

	bp[BP_E820_ENTRIES] = (uint8_t)count;
	for (unsigned i = 0; i < count; i++) {
		uint8_t *to = bp + BP_E820_TABLE + 20 * i;

		put_le64(to, map[i].gpa);
		put_le64(to + 8, map[i].size);
		put_le32(to + 16, map[i].type);
	}
}

static int write_boot_params(const struct bzimage *bz, const struct boot_request *request, struct boot_result *result,
			     struct vmm_error *error)
{
	uint8_t *bp = ram_at(request->ram, LAYOUT_BOOT_PARAMS, BP_SIZE);
	uint64_t limit = (uint64_t)get_le32(bz->header + HDR_INITRD_ADDR_MAX) + 1, initrd, initrd_size;

	if (load_cmdline(request, NULL, get_le32(bz->header + HDR_CMDLINE_SIZE), error) < 0 ||
	    load_initrd(request, bz->high, limit, &initrd, &initrd_size, error) < 0)
		return -1;
	memcpy(bp + HDR_SETUP_SECTS, bz->header + HDR_SETUP_SECTS, bz->end - HDR_SETUP_SECTS);
	bp[HDR_TYPE_OF_LOADER] = LOADER_UNKNOWN;
	put_le32(bp + HDR_CODE32_START, CLASSIC_ADDRESS);
	put_le32(bp + HDR_CMD_LINE_PTR, LAYOUT_CMDLINE);
	put_le32(bp + HDR_RAMDISK_IMAGE, (uint32_t)initrd);
	put_le32(bp + HDR_RAMDISK_SIZE, (uint32_t)initrd_size);
	if (bz->version >= VERSION_RSDP)
		put_le64(bp + BP_ACPI_RSDP_ADDR, request->rsdp);
	write_memory_map(bp, request->ram);
	result->start.rsi = LAYOUT_BOOT_PARAMS;
	return 0;
}

int load_bzimage(const struct boot_request *request, struct boot_result *result, struct vmm_error *error)
{
	struct bzimage bz;
	int direct = 1;

	if (read_header(&bz, request->kernel, error) < 0)
		return -1;
	if (request->entry == VMM_ENTRY_AUTO || request->entry == VMM_ENTRY_DIRECT)
		direct = unpack_payload(&bz, request, result, error);
	if (direct < 0 || (direct > 0 && request->entry == VMM_ENTRY_DIRECT))
		return -1;
	if (direct > 0 && load_classic(&bz, request, result, error) < 0)
		return -1;
	if (check_room(&bz, request, error) < 0)
		return -1;
	return write_boot_params(&bz, request, result, error);
}
