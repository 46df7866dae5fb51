/* test_vmm_arm64_boot.c - arm64 kernels into memory, good, truncated and damaged ones; the device tree read back by
 * libfdt, and a newer one than the build for Windows has. test-labels: posix */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>
#include <zlib.h>
#include <zstd.h>

#include "arm64.h"
#include "le.h"

enum {
	RAM_SIZE = 16 << 20,
	CODE_SIZE = 9000,
	FILE_MAX = 64 << 10,
	ZBOOT_AT = 0x1000,
	TEXT_OFFSET = 8,
	SIZE = 16,
	FLAGS = 24,
	MAGIC = 56
};

struct file {
	uint8_t bytes[FILE_MAX];
	size_t size;
};

static struct file image, packed;
static struct guest_ram ram;
static struct vmm_error error;
static struct arm64_boot boot;

static uint8_t *at(uint64_t gpa)
{
	return ram.region[0].hva + (gpa - ARM64_RAM);
}

static void put(uint8_t *to, uint64_t value, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		to[i] = (uint8_t)(value >> i * 8);
}

static void make_image(void)
{
	for (size_t i = 0; i < CODE_SIZE; i++)
		image.bytes[i] = (uint8_t)(i * 7 ^ i >> 5);
	image.size = CODE_SIZE;
	put(image.bytes + TEXT_OFFSET, 0x10000, 8);
	put(image.bytes + SIZE, 0x20000, 8);
	put(image.bytes + FLAGS, 0xa, 8);
	memcpy(image.bytes + MAGIC, "ARM\x64", 4);
}

static int setup(void **state)
{
	(void)state;
	memset(ram.region[0].hva, 0, RAM_SIZE);
	memset(&error, 0, sizeof(error));
	make_image();
	return 0;
}

static int load_with(const struct file *file, struct boot_request request)
{
	struct source source;

	source_memory(&source, "kernel.img", file->bytes, file->size);
	request.kernel = &source;
	request.ram = &ram;
	return load_arm64(&request, &boot, &error);
}

static int load(const struct file *file)
{
	return load_with(file, (struct boot_request){0});
}

static void assert_refused(int got, const char *part)
{
	assert_int_equal(got, -1);
	assert_int_equal(error.status, VMM_STATUS_USAGE);
	if (!strstr(error.text, part))
		fail_msg("\"%s\" does not say \"%s\"", error.text, part);
}

static void assert_loaded(uint64_t gpa, const char *kind)
{
	assert_int_equal(boot.start.entry, gpa);
	assert_memory_equal(at(gpa), image.bytes, image.size);
	assert_int_equal(at(gpa)[image.size], 0);
	assert_string_equal(boot.kind, kind);
}

static void pack_gzip(uint8_t *to, size_t *size)
{
	z_stream z = {
		.next_in = image.bytes, .avail_in = (uInt)image.size, .next_out = to, .avail_out = FILE_MAX - ZBOOT_AT};

	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	*size = z.total_out;
	deflateEnd(&z);
}

static void pack_zstd(uint8_t *to, size_t *size)
{
	*size = ZSTD_compress(to, FILE_MAX - ZBOOT_AT, image.bytes, image.size, 3);
	assert_false(ZSTD_isError(*size));
}

/* zboot-header.S: MZ, "zimg", where the payload is and its size, its format's name */
static void make_zboot(void (*pack)(uint8_t *to, size_t *size))
{
	size_t size;

	memset(packed.bytes, 0, ZBOOT_AT);
	memcpy(packed.bytes, "MZ\0\0zimg", 8);
	pack(packed.bytes + ZBOOT_AT, &size);
	put(packed.bytes + 8, ZBOOT_AT, 4);
	put(packed.bytes + 12, size, 4);
	packed.size = ZBOOT_AT + size;
}

/* ------ kernels ------ */

static void image_of_each_wrapping(void **state)
{
	assert_int_equal(load(&image), 0);
	assert_loaded(ARM64_RAM + 0x10000, "arm64 Image");
	assert_int_equal(boot.start.fdt, ARM64_RAM + RAM_SIZE - ARM64_FDT_ROOM);
	assert_int_equal(boot.start.initrd_size, 0);
	setup(state);
	pack_gzip(packed.bytes, &packed.size);
	assert_int_equal(load(&packed), 0);
	assert_loaded(ARM64_RAM + 0x10000, "arm64 Image, gzip");
	setup(state);
	make_zboot(pack_gzip);
	assert_int_equal(load(&packed), 0);
	assert_loaded(ARM64_RAM + 0x10000, "arm64 Image, gzip in EFI zboot");
	setup(state);
	make_zboot(pack_zstd);
	assert_int_equal(load(&packed), 0);
	assert_loaded(ARM64_RAM + 0x10000, "arm64 Image, zstd in EFI zboot");
}

/* Before Linux 3.17 there was no size, and the offset was always the same. */
static void image_without_size(void **state)
{
	(void)state;
	put(image.bytes + SIZE, 0, 8);
	assert_int_equal(load(&image), 0);
	assert_loaded(ARM64_RAM + 0x80000, "arm64 Image");
}

static void bad_headers(void **state)
{
	static const struct {
		unsigned offset, size;
		uint64_t value;
		const char *says;
	} bad[] = {
		{MAGIC, 4, 0x12345678, "kernel.img: not an arm64 Linux Image: no magic number at byte 56"},
		{FLAGS, 8, 0xb, "big-endian"},
		{SIZE, 8, 1ull << 40, "needs 1048576 MiB of memory"},
		{SIZE, 8, UINT64_MAX, "of memory"},
		{TEXT_OFFSET, 8, 1ull << 30, "from offset 0x40000000"},
		{TEXT_OFFSET, 8, UINT64_MAX - ARM64_RAM + 1, "from offset"}, /* wraps to address 0 */
		{TEXT_OFFSET, 8, UINT64_MAX - 0xffff, "from offset"},
	};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		setup(state);
		put(image.bytes + bad[i].offset, bad[i].value, bad[i].size);
		assert_refused(load(&image), bad[i].says);
		pack_gzip(packed.bytes, &packed.size);
		assert_refused(load(&packed), bad[i].says);
	}
}

/* What is larger than its header says goes no further than memory does. */
static void larger_than_it_says(void **state)
{
	(void)state;
	put(image.bytes + TEXT_OFFSET, RAM_SIZE - ARM64_FDT_ROOM - 8192, 8);
	put(image.bytes + SIZE, 4096, 8);
	assert_refused(load(&image), "does not fit");
	put(image.bytes + TEXT_OFFSET, RAM_SIZE - ARM64_FDT_ROOM - 1, 8);
	put(image.bytes + SIZE, 1, 8);
	assert_refused(load(&image), "does not fit");
}

static void truncated(void **state)
{
	size_t full;

	(void)state;
	for (image.size = 0; image.size < 64; image.size++)
		assert_refused(load(&image), image.size ? "header" : "empty");
	image.size = CODE_SIZE;
	make_zboot(pack_gzip);
	full = packed.size;
	for (packed.size = 1; packed.size < full; packed.size += packed.size < 80 ? 1 : 97)
		assert_refused(load(&packed), "kernel.img: ");
	packed.size = full;
	put(packed.bytes + 8, 0xfffffff0, 4);
	assert_refused(load(&packed), "at byte 4294967280 is not in the file");
	make_zboot(pack_gzip);
	put(packed.bytes + 12, 0xffffffff, 4);
	assert_refused(load(&packed), "4294967295 bytes at byte 4096");
	make_zboot(pack_gzip);
	put(packed.bytes + 12, 0, 4);
	assert_refused(load(&packed), "truncated");
	make_zboot(pack_gzip);
	packed.bytes[ZBOOT_AT] = 0x77;
	assert_refused(load(&packed), "kernel.img: ");
}

/* Every byte of header and payload damaged in turn: loaded or refused, never anything else. */
static void damaged(void **state)
{
	unsigned refused = 0;

	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		make_zboot(i & 1 ? pack_zstd : pack_gzip);
		packed.bytes[i < 64 ? i : ZBOOT_AT + i * 3] ^= (uint8_t)(1u << i % 8);
		refused += load(&packed) < 0;
	}
	assert_in_range(refused, 20, 200);
}

static void flat(void **state)
{
	struct boot_request request = {.flat = 1, .flat_address = ARM64_RAM + 0x1000};

	(void)state;
	assert_int_equal(load_with(&image, request), 0);
	assert_loaded(ARM64_RAM + 0x1000, "flat binary");
	for (unsigned i = 0; i < 5; i++) {
		static const uint64_t bad[] = {0, ARM64_RAM + 2, ARM64_RAM - 4, UINT64_MAX - 3,
					       ARM64_RAM + RAM_SIZE - ARM64_FDT_ROOM - 8};

		request.flat_address = bad[i];
		assert_refused(load_with(&image, request), "kernel.img: 9000 bytes at 0x");
	}
}

static void initrd(void **state)
{
	static uint8_t bytes[70000];
	struct source source;

	(void)state;
	memset(bytes, 0x5a, sizeof(bytes));
	source_memory(&source, "initrd.img", bytes, sizeof(bytes));
	assert_int_equal(load_with(&image, (struct boot_request){.initrd = &source}), 0);
	assert_int_equal(boot.start.initrd_size, sizeof(bytes));
	assert_int_equal(boot.start.initrd, (ARM64_RAM + RAM_SIZE - ARM64_FDT_ROOM - sizeof(bytes)) & ~4095ull);
	assert_memory_equal(at(boot.start.initrd), bytes, sizeof(bytes));
	source.size = 0;
	assert_refused(load_with(&image, (struct boot_request){.initrd = &source}), "initrd.img: the initrd is empty");
	source.size = 13 << 20; /* refused before it is read */
	put(image.bytes + SIZE, 4 << 20, 8);
	assert_refused(load_with(&image, (struct boot_request){.initrd = &source}),
		       "initrd.img: the initrd of 13631488 bytes");
	source.size = UINT64_MAX;
	assert_refused(load_with(&image, (struct boot_request){.initrd = &source}), "initrd.img: ");
}

/* ------ device tree ------ */

static const void *tree;

static uint64_t cell(const char *path, const char *name, int index, int cells)
{
	int size = 0, node = fdt_path_offset(tree, path);
	const uint8_t *value = node < 0 ? NULL : fdt_getprop(tree, node, name, &size);
	uint64_t out = 0;

	if (!value || size < (index + cells) * 4)
		fail_msg("%s has no %s of %d cells", path, name, index + cells);
	for (int i = index * 4; i < (index + cells) * 4; i++)
		out = out << 8 | value[i];
	return out;
}

static void assert_text(const char *path, const char *name, const char *value)
{
	const int node = fdt_path_offset(tree, path);

	assert_true(node >= 0);
	if (fdt_stringlist_contains(fdt_getprop(tree, node, name, NULL),
				    (int)strlen(fdt_getprop(tree, node, name, NULL)) + 1, value) != 1)
		fail_msg("%s: %s is \"%s\"", path, name, (const char *)fdt_getprop(tree, node, name, NULL));
}

static void write_tree(uint32_t cpus, uint32_t version)
{
	static const struct arm64_start start = {
		.fdt = ARM64_RAM + RAM_SIZE - ARM64_FDT_ROOM, .initrd = 0x40123000, .initrd_size = 0x456};
	const vma_arm64_gic gic = {.size = sizeof(gic),
				   .version = version,
				   .intids = 256,
				   .msi_first = 80,
				   .msi_count = 64,
				   .dist_base = 0x08000000,
				   .cpu_base = version == 3 ? 0x080a0000 : 0x08010000,
				   .msi_base = 0x08020000};
	static const struct fdt_seed seed = {{1, 2, 3, 4, 5, 6, 7, 8}, {9, 10}};
	const struct fdt_request request = {.start = &start,
					    .ram = &ram,
					    .cmdline = "console=ttyAMA0 quiet",
					    .cpus = cpus,
					    .gic = &gic,
					    .seed = &seed};

	assert_int_equal(fdt_write(&request, &error), 0);
	tree = at(start.fdt);
	assert_int_equal(fdt_check_full(tree, ARM64_FDT_ROOM), 0);
}

static void tree_of_the_machine(void **state)
{
	(void)state;
	write_tree(2, 3);
	assert_text("/", "compatible", "linux,dummy-virt");
	assert_text("/chosen", "bootargs", "console=ttyAMA0 quiet");
	assert_int_equal(cell("/chosen", "linux,initrd-start", 0, 2), 0x40123000);
	assert_int_equal(cell("/chosen", "linux,initrd-end", 0, 2), 0x40123456);
	assert_int_equal(cell("/chosen", "kaslr-seed", 0, 2), 0x0102030405060708);
	assert_int_equal(cell("/chosen", "rng-seed", 0, 2), 0x090a000000000000);
	assert_int_equal(cell("/chosen", "rng-seed", 14, 2), 0);
	assert_int_equal(cell("/memory@40000000", "reg", 0, 2), ARM64_RAM);
	assert_int_equal(cell("/memory@40000000", "reg", 2, 2), RAM_SIZE);
	assert_text("/psci", "method", "hvc");
	assert_text("/psci", "compatible", "arm,psci-1.0");
	assert_int_equal(cell("/pl011@9000000", "reg", 0, 2), ARM64_UART);
	assert_int_equal(cell("/pl011@9000000", "interrupts", 1, 1), ARM64_SPI_UART);
	assert_int_equal(cell("/pl031@9010000", "reg", 0, 2), ARM64_RTC);
	assert_int_equal(cell("/pl031@9010000", "interrupts", 1, 1), ARM64_SPI_RTC);
	assert_true(fdt_node_offset_by_phandle(tree, (uint32_t)cell("/pl011@9000000", "clocks", 0, 1)) >= 0);
	assert_int_equal(cell("/timer", "interrupts", 7, 1), 11); /* the virtual timer: PPI 11, INTID 27 */
	assert_int_equal(fdt_node_offset_by_phandle(tree, (uint32_t)cell("/", "interrupt-parent", 0, 1)),
			 fdt_path_offset(tree, "/intc@8000000"));
}

static void tree_of_each_gic(void **state)
{
	(void)state;
	write_tree(4, 3);
	assert_text("/intc@8000000", "compatible", "arm,gic-v3");
	assert_int_equal(cell("/intc@8000000", "reg", 4, 2), 0x080a0000);
	assert_int_equal(cell("/intc@8000000", "reg", 6, 2), 4 * 0x20000);
	assert_int_equal(cell("/intc@8000000/v2m@8020000", "reg", 0, 2), 0x08020000);
	write_tree(4, 2);
	assert_text("/intc@8000000", "compatible", "arm,cortex-a15-gic");
	assert_int_equal(cell("/intc@8000000", "reg", 4, 2), 0x08010000);
	assert_int_equal(cell("/intc@8000000", "reg", 6, 2), 0x2000);
}

static void tree_of_many_cpus(void **state)
{
	char path[32];
	int node, count = 0;

	(void)state;
	write_tree(64, 3);
	fdt_for_each_subnode(node, tree, fdt_path_offset(tree, "/cpus"))
	{
		const uint32_t affinity = (uint32_t)arm64_affinity((uint32_t)count);

		snprintf(path, sizeof(path), "/cpus/cpu@%x", (unsigned)affinity);
		assert_int_equal(fdt_path_offset(tree, path), node);
		assert_int_equal(cell(path, "reg", 0, 1), affinity);
		assert_text(path, "enable-method", "psci");
		count++;
	}
	assert_int_equal(count, 64);
	assert_int_equal(arm64_affinity(17), 0x101);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(image_of_each_wrapping, setup),
		cmocka_unit_test_setup(image_without_size, setup),
		cmocka_unit_test_setup(bad_headers, setup),
		cmocka_unit_test_setup(larger_than_it_says, setup),
		cmocka_unit_test_setup(truncated, setup),
		cmocka_unit_test_setup(damaged, setup),
		cmocka_unit_test_setup(flat, setup),
		cmocka_unit_test_setup(initrd, setup),
		cmocka_unit_test_setup(tree_of_the_machine, setup),
		cmocka_unit_test_setup(tree_of_each_gic, setup),
		cmocka_unit_test_setup(tree_of_many_cpus, setup),
	};
	int failed;

	ram.count = 1;
	ram.region[0] = (struct ram_region){ARM64_RAM, RAM_SIZE, malloc(RAM_SIZE)};
	if (!ram.region[0].hva)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	free(ram.region[0].hva);
	return failed;
}
