/* load_arm64.c - Linux on arm64 (Documentation/arm64/booting.rst): the Image, plain, gzip, or packed by EFI's zboot
 * (drivers/firmware/efi/libstub/zboot-header.S), which the host unpacks straight into guest memory. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "arm64.h"
#include "le.h"
#include "unpack.h"

#define IMAGE_HEADER 64u
#define IMAGE_TEXT_OFFSET 8
#define IMAGE_SIZE 16
#define IMAGE_FLAGS 24
#define IMAGE_MAGIC 56
#define IMAGE_MAGIC_VALUE 0x644d5241u /* "ARM\x64" */
#define IMAGE_BIG_ENDIAN 1u
#define TEXT_OFFSET_OLD 0x80000u /* Image without a size: before Linux 3.17 */
#define ZBOOT_MAGIC 4
#define ZBOOT_MAGIC_VALUE 0x676d697au /* "zimg" */
#define ZBOOT_PAYLOAD 8
#define ZBOOT_SIZE 12
#define ZBOOT_HEADER 64u
#define INITRD_WINDOW (1ull << 30)

/* The Image as it comes out of whatever packs it. */
struct image {
	const struct boot_request *request;
	uint8_t header[IMAGE_HEADER];
	uint64_t got;      /* bytes so far */
	uint64_t gpa, end; /* where it goes; end of the room it wants */
	uint64_t limit;    /* of memory for it */
};

static uint64_t memory_end(const struct boot_request *request)
{
	return request->ram->region[0].gpa + request->ram->region[0].size - ARM64_FDT_ROOM;
}

/* The header is whole: where does it want to be? */
static int place(struct image *image, struct vmm_error *error)
{
	const char *name = image->request->kernel->name;
	uint64_t offset = get_le64(image->header + IMAGE_TEXT_OFFSET), size = get_le64(image->header + IMAGE_SIZE);

	if (get_le32(image->header + IMAGE_MAGIC) != IMAGE_MAGIC_VALUE)
		return vmm_fail(error, VMM_STATUS_USAGE, "%s: not an arm64 Linux Image: no magic number at byte %d", name,
				IMAGE_MAGIC);
	if (get_le64(image->header + IMAGE_FLAGS) & IMAGE_BIG_ENDIAN)
		return vmm_fail(error, VMM_STATUS_USAGE, "%s: a big-endian kernel cannot be run", name);
	if (!size)
		offset = TEXT_OFFSET_OLD;
	image->limit = memory_end(image->request);
	image->gpa = image->request->ram->region[0].gpa + offset;
	if (offset > image->limit || image->gpa >= image->limit || size > image->limit - image->gpa)
		return vmm_fail(error, VMM_STATUS_USAGE,
				"%s: this kernel needs %" PRIu64 " MiB of memory from offset 0x%" PRIx64
				", the guest has %" PRIu64 " MiB for it",
				name, (size + (1u << 20) - 1) >> 20, offset,
				(image->limit - image->request->ram->region[0].gpa) >> 20);
	image->end = image->gpa + size;
	return 0;
}

static int put(struct image *image, uint64_t at, const void *data, size_t size, struct vmm_error *error)
{
	void *to = size <= image->limit - image->gpa ? ram_at(image->request->ram, image->gpa + at, size) : NULL;

	if (!to || image->gpa + at + size > image->limit)
		return vmm_fail(error, VMM_STATUS_USAGE, "%s: the unpacked kernel does not fit into the guest's memory",
				image->request->kernel->name);
	memcpy(to, data, size);
	return 0;
}

static int sink(void *opaque, const uint8_t *data, size_t size, struct vmm_error *error)
{
	struct image *image = opaque;

	while (size && image->got < IMAGE_HEADER) {
		image->header[image->got++] = *data++;
		size--;
		if (image->got == IMAGE_HEADER &&
		    (place(image, error) < 0 || put(image, 0, image->header, IMAGE_HEADER, error) < 0))
			return -1;
	}
	if (!size)
		return 0;
	if (put(image, image->got, data, size, error) < 0)
		return -1;
	image->got += size;
	return 0;
}

static int copy_plain(struct image *image, struct vmm_error *error)
{
	const struct source *kernel = image->request->kernel;
	uint8_t chunk[4096];

	for (uint64_t at = 0; at < kernel->size; at += sizeof(chunk)) {
		size_t size = kernel->size - at < sizeof(chunk) ? (size_t)(kernel->size - at) : sizeof(chunk);
		if (source_read(kernel, at, chunk, size, "contents", error) < 0 || sink(image, chunk, size, error) < 0)
			return -1;
	}
	return 0;
}

static int unpack_from(struct image *image, uint64_t offset, uint64_t size, const char *wrapper, struct arm64_boot *boot,
		       struct vmm_error *error)
{
	uint8_t magic[6] = {0};
	const struct source *kernel = image->request->kernel;

	if (size < sizeof(magic) || offset > kernel->size || size > kernel->size - offset)
		return vmm_fail(error, VMM_STATUS_USAGE, "%s: truncated: its packed kernel of %" PRIu64 " bytes at byte %" PRIu64
				" is not in the file", kernel->name, size, offset);
	if (source_read(kernel, offset, magic, sizeof(magic), "packed kernel", error) < 0 ||
	    unpack(kernel, offset, size, sink, image, error) < 0)
		return -1;
	snprintf(boot->kind, sizeof(boot->kind), "arm64 Image, %s%s", unpack_format(magic, sizeof(magic)), wrapper);
	return 0;
}

static int load_image(struct image *image, struct arm64_boot *boot, struct vmm_error *error)
{
	const struct source *kernel = image->request->kernel;
	uint8_t head[ZBOOT_HEADER] = {0};
	uint64_t size = kernel->size < sizeof(head) ? kernel->size : sizeof(head);
	const char *format;
	int failed;

	if (source_read(kernel, 0, head, size, "header", error) < 0)
		return -1;
	format = unpack_format(head, 6);
	if (get_le16(head) == 0x5a4d && get_le32(head + ZBOOT_MAGIC) == ZBOOT_MAGIC_VALUE) {
		failed = unpack_from(image, get_le32(head + ZBOOT_PAYLOAD), get_le32(head + ZBOOT_SIZE), " in EFI zboot", boot,
				     error);
	} else if (format && strcmp(format, "uncompressed")) {
		failed = unpack_from(image, 0, kernel->size, "", boot, error);
	} else {
		snprintf(boot->kind, sizeof(boot->kind), "arm64 Image");
		failed = copy_plain(image, error);
	}
	if (!failed && image->got < IMAGE_HEADER)
		return vmm_fail(error, VMM_STATUS_USAGE, "%s: truncated: the kernel ends within its header", kernel->name);
	if (!failed && image->end < image->gpa + image->got)
		image->end = image->gpa + image->got;
	boot->start.entry = image->gpa;
	return failed;
}

static int load_flat_arm64(struct image *image, struct arm64_boot *boot, struct vmm_error *error)
{
	const struct source *kernel = image->request->kernel;
	uint64_t at = image->request->flat_address;
	void *to = ram_at(image->request->ram, at, kernel->size);

	if (!to || at + kernel->size > memory_end(image->request) || at & 3)
		return vmm_fail(error, VMM_STATUS_USAGE,
				"%s: %" PRIu64 " bytes at 0x%" PRIx64 " do not fit into the guest's memory, 0x%" PRIx64
				" to 0x%" PRIx64 " here, or are not aligned to 4",
				kernel->name, kernel->size, at, image->request->ram->region[0].gpa, memory_end(image->request));
	image->end = at + kernel->size;
	boot->start.entry = at;
	snprintf(boot->kind, sizeof(boot->kind), "flat binary");
	return source_read(kernel, 0, to, kernel->size, "contents", error);
}

/* As high as it can be in the gigabyte that the kernel can reach first. */
static int place_initrd(const struct image *image, struct arm64_boot *boot, struct vmm_error *error)
{
	const struct source *initrd = image->request->initrd;
	uint64_t top = memory_end(image->request), window = image->request->ram->region[0].gpa + INITRD_WINDOW;
	uint64_t floor = (image->end + 4095) & ~4095ull;

	if (!initrd)
		return 0;
	top = top < window ? top : window;
	if (!initrd->size)
		return vmm_fail(error, VMM_STATUS_USAGE, "%s: the initrd is empty", initrd->name);
	if (floor > top || initrd->size > top - floor || ((top - initrd->size) & ~4095ull) < floor)
		return vmm_fail(error, VMM_STATUS_USAGE,
				"%s: the initrd of %" PRIu64 " bytes does not fit into the guest's memory beside the kernel "
				"(%" PRIu64 " bytes are free); give it more memory",
				initrd->name, initrd->size, floor > top ? 0 : top - floor);
	boot->start.initrd_size = initrd->size;
	boot->start.initrd = (top - initrd->size) & ~4095ull;
	return source_read(initrd, 0, ram_at(image->request->ram, boot->start.initrd, initrd->size), initrd->size, "contents", error);
}

int load_arm64(const struct boot_request *request, struct arm64_boot *boot, struct vmm_error *error)
{
	struct image image = {.request = request};

	memset(boot, 0, sizeof(*boot));
	if (!request->kernel->size)
		return vmm_fail(error, VMM_STATUS_USAGE, "%s: the file is empty", request->kernel->name);
	if (request->ram->region[0].size < 2 * ARM64_FDT_ROOM)
		return vmm_fail(error, VMM_STATUS_USAGE, "an arm64 machine has 4 MiB of memory at least");
	boot->start.fdt = memory_end(request);
	if ((request->flat ? load_flat_arm64(&image, boot, error) : load_image(&image, boot, error)) < 0)
		return -1;
	return place_initrd(&image, boot, error);
}
