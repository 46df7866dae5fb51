/* test_vmm_loader.c - every kind of kernel from good files, from truncated ones and from damaged ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "test_vmm_images.h"

static struct image elf, image;
static struct guest_ram ram;
static struct vmm_error error;
static struct boot_result result;

static int setup(void **state)
{
	(void)state;
	memset(ram.region[0].hva, 0, RAM_SIZE);
	memset(&error, 0, sizeof(error));
	return 0;
}

static int load_with(const struct image *from, size_t size, struct boot_request request)
{
	struct source source;

	source_memory(&source, "kernel.img", from->bytes, size);
	request.kernel = &source;
	request.ram = &ram;
	if (!request.cmdline)
		request.cmdline = "console=ttyS0 quiet";
	return load_kernel(&request, &result, &error);
}

static int load(const struct image *from, size_t size)
{
	return load_with(from, size, (struct boot_request){.rsdp = 0xe0000});
}

static void assert_refused(int got, const char *part)
{
	assert_int_equal(got, -1);
	assert_int_equal(error.status, VMM_STATUS_USAGE);
	if (!strstr(error.text, part))
		fail_msg("\"%s\" does not say \"%s\"", error.text, part);
}

static void assert_code_loaded(void)
{
	for (size_t i = 0; i < CODE_SIZE; i++)
		if (ram.region[0].hva[LOAD_AT + i] != code_byte(i))
			fail_msg("byte %zu is wrong", i);
	assert_int_equal(ram.region[0].hva[LOAD_AT + CODE_SIZE], 0);
}

static const char *const formats[] = {"gzip", "xz", "zstd", "lz4", "bzip2", "lzma", "uncompressed"};
#define FORMATS (sizeof(formats) / sizeof(formats[0]))

static void bzimage_of_each_format(void **state)
{
	make_elf(&elf, 64, ELF_NO_NOTE);
	for (size_t i = 0; i < FORMATS; i++) {
		const uint8_t *bp = ram.region[0].hva + LAYOUT_BOOT_PARAMS;

		setup(state);
		make_bzimage(&image, formats[i], &elf);
		if (load(&image, image.size) < 0)
			fail_msg("%s: %s", formats[i], error.text);
		assert_code_loaded();
		assert_non_null(strstr(result.kind, formats[i]));
		assert_int_equal(result.start.mode, X86_LONG);
		assert_int_equal(result.start.rip, LOAD_AT + 16);
		assert_int_equal(result.start.rsi, LAYOUT_BOOT_PARAMS);
		assert_int_equal(get_le32(bp + HDR_MAGIC), HDR_MAGIC_VALUE);
		assert_int_equal(get_le32(bp + HDR_CMD_LINE_PTR), LAYOUT_CMDLINE);
		assert_int_equal(get_le64(bp + BP_ACPI_RSDP_ADDR), 0xe0000);
		assert_int_equal(bp[BP_E820_ENTRIES], 4);
		assert_string_equal((char *)ram.region[0].hva + LAYOUT_CMDLINE, "console=ttyS0 quiet");
	}
}

static void bzimage_classic(void **state)
{
	(void)state;
	make_elf(&elf, 64, ELF_NO_NOTE);
	make_bzimage(&image, "gzip", &elf);
	assert_int_equal(load_with(&image, image.size, (struct boot_request){.entry = VMM_ENTRY_CLASSIC}), 0);
	assert_int_equal(result.start.rip, 0x100200);
	assert_int_equal(result.start.mode, X86_LONG);
	assert_memory_equal(ram.region[0].hva + 0x100000, image.bytes + BZ_CODE, image.size - BZ_CODE);
	assert_int_equal(load_with(&image, image.size, (struct boot_request){.entry = VMM_ENTRY_CLASSIC32}), 0);
	assert_int_equal(result.start.rip, 0x100000);
	assert_int_equal(result.start.mode, X86_PROTECTED);
}

/* A compression that is not known here is left to the kernel itself, unless the direct entry was asked for. */
static void bzimage_unknown_compression(void **state)
{
	(void)state;
	make_elf(&elf, 64, ELF_NO_NOTE);
	make_bzimage(&image, "gzip", &elf);
	image.bytes[BZ_CODE + BZ_PAYLOAD] = 0x55;
	assert_int_equal(load(&image, image.size), 0);
	assert_int_equal(result.start.rip, 0x100200);
	assert_refused(load_with(&image, image.size, (struct boot_request){.entry = VMM_ENTRY_DIRECT}), "unknown way");
}

static void bzimage_bad_headers(void **state)
{
	(void)state;
	make_elf(&elf, 64, ELF_NO_NOTE);
	make_bzimage(&image, "gzip", &elf);
	put_le16(image.bytes + HDR_VERSION, 0x0204);
	assert_refused(load(&image, image.size), "boot protocol 2.04 is too old");
	make_bzimage(&image, "gzip", &elf);
	put_le32(image.bytes + HDR_INIT_SIZE, 0x7fffffff);
	assert_refused(load(&image, image.size), "needs 2050 MiB of memory");
	make_bzimage(&image, "gzip", &elf);
	put_le32(image.bytes + HDR_PAYLOAD_LENGTH, 0xffffffff);
	put_le32(image.bytes + HDR_PAYLOAD_OFFSET, 0xffffffff);
	assert_refused(load(&image, image.size), "truncated");
	make_bzimage(&image, "gzip", &elf);
	image.bytes[HDR_SETUP_SECTS] = 0xff;
	assert_refused(load(&image, 4096), "setup code");
	make_elf(&elf, 32, ELF_NO_NOTE);
	make_bzimage(&image, "gzip", &elf);
	assert_refused(load(&image, image.size), "not a 64-bit one");
}

static void initrd_and_command_line(void **state)
{
	static uint8_t bytes[70000];
	struct source initrd, huge;
	const uint8_t *bp = ram.region[0].hva + LAYOUT_BOOT_PARAMS;
	char line[4096];

	(void)state;
	memset(bytes, 0x5a, sizeof(bytes));
	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = 0;
	source_memory(&initrd, "initrd.img", bytes, sizeof(bytes));
	source_memory(&huge, "huge.img", bytes, 1ull << 40);
	make_elf(&elf, 64, ELF_NO_NOTE);
	make_bzimage(&image, "gzip", &elf);
	assert_int_equal(load_with(&image, image.size, (struct boot_request){.initrd = &initrd}), 0);
	assert_int_equal(get_le32(bp + HDR_RAMDISK_SIZE), sizeof(bytes));
	assert_int_equal(get_le32(bp + HDR_RAMDISK_IMAGE), (RAM_SIZE - sizeof(bytes)) & ~4095u);
	assert_memory_equal(ram.region[0].hva + get_le32(bp + HDR_RAMDISK_IMAGE), bytes, sizeof(bytes));
	assert_refused(load_with(&image, image.size, (struct boot_request){.initrd = &huge}),
		       "huge.img: the initrd of");
	assert_refused(load_with(&image, image.size, (struct boot_request){.cmdline = line}), "at most 2047");
	huge.size = 0;
	assert_refused(load_with(&image, image.size, (struct boot_request){.initrd = &huge}), "empty");
}

static void pvh(void **state)
{
	const uint8_t *info = ram.region[0].hva + LAYOUT_INFO;
	struct source initrd;

	(void)state;
	source_memory(&initrd, "initrd.img", "module", 6);
	for (unsigned bits = 32; bits <= 64; bits += 32) {
		make_elf(&elf, bits, ELF_WITH_PVH);
		assert_int_equal(load_with(&elf, elf.size, (struct boot_request){.rsdp = 0xe0000, .initrd = &initrd}),
				 0);
		assert_code_loaded();
		assert_int_equal(result.start.mode, X86_PROTECTED);
		assert_int_equal(result.start.rip, 0x200020);
		assert_int_equal(result.start.rbx, LAYOUT_INFO);
		assert_int_equal(get_le32(info), 0x336ec578);
		assert_int_equal(get_le32(info + 12), 1);
		assert_int_equal(get_le64(info + 32), 0xe0000);
		assert_memory_equal(ram.region[0].hva + get_le64(ram.region[0].hva + get_le64(info + 16)), "module", 6);
		assert_int_equal(get_le32(info + 48), 4);
	}
}

static void elf_that_lies(void **state)
{
	static const struct {
		unsigned offset, width;
		uint64_t value;
		const char *says;
	} lies[] = {
		{18, 2, 183, "not for x86"},
		{5, 1, 2, "little-endian"},
		{32, 8, 1ull << 60, "not near its beginning"},
		{32, 8, UINT64_MAX, "not near its beginning"},
		{56, 2, 0xffff, "too many"},
		{56, 2, 0, "no program headers"},
		{54, 2, 8, "too short"},
		{64 + 8, 8, UINT64_MAX - 10, "impossible offset"},
		{64 + 8, 8, 1ull << 40, "truncated"},
		{64 + 24, 8, UINT64_MAX - 100, "does not fit"},
		{64 + 24, 8, RAM_SIZE - 100, "does not fit"},
		{64 + 24, 8, LAYOUT_BOOT_PARAMS, "overlaps the boot data"},
		{64 + 40, 8, 1ull << 63, "does not fit"},
		{64 + 40, 8, 10, "more bytes in the file"},
		{0x210, 4, 0x7000000, "lies outside"},
		{0x208, 4, 17, "neither a PVH"},
		{0x200, 4, 0xffffffff, "neither a PVH"},
		{0x204, 4, 0xfffffffd, "neither a PVH"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		make_elf(&elf, 64, ELF_WITH_PVH);
		put_le(elf.bytes + lies[i].offset, lies[i].width, lies[i].value);
		assert_refused(load(&elf, elf.size), lies[i].says);
		assert_non_null(strstr(error.text, "kernel.img: "));
	}
}

static void multiboot(void **state)
{
	const uint8_t *info = ram.region[0].hva + LAYOUT_INFO;
	struct source initrd;

	(void)state;
	source_memory(&initrd, "initrd.img", "module", 6);
	for (unsigned bits = 32; bits <= 64; bits += 32) {
		uint32_t module;

		make_elf(&elf, bits, ELF_NO_NOTE);
		put_multiboot(elf.bytes + 0x1000 + 0x20, 3);
		assert_int_equal(load_with(&elf, elf.size, (struct boot_request){.initrd = &initrd}), 0);
		assert_int_equal(result.start.rip, LOAD_AT + 16);
		assert_int_equal(result.start.rax, 0x2badb002);
		assert_int_equal(result.start.rbx, LAYOUT_INFO);
		assert_int_equal(result.start.mode, X86_PROTECTED);
		assert_int_equal(get_le32(info) & 0x4d, 0x4d);
		assert_string_equal((char *)ram.region[0].hva + get_le32(info + 16), "kernel.img console=ttyS0 quiet");
		assert_int_equal(get_le32(info + 20), 1);
		module = get_le32(info + 24);
		assert_memory_equal(ram.region[0].hva + get_le32(ram.region[0].hva + module), "module", 6);
		assert_int_equal(get_le32(ram.region[0].hva + module + 4) - get_le32(ram.region[0].hva + module), 6);
		assert_int_equal(get_le32(info + 44), 4 * 24);
		assert_int_equal(get_le32(ram.region[0].hva + get_le32(info + 48)), 20);
	}
}

static void multiboot_by_addresses(void **state)
{
	(void)state;
	make_kludge(&image);
	assert_int_equal(load(&image, image.size), 0);
	assert_int_equal(result.start.rip, LOAD_AT + 0x80);
	assert_memory_equal(ram.region[0].hva + LOAD_AT, image.bytes + 0x100, 0x1000);
	put_le32(image.bytes + 0x154, 0); /* no end: the whole rest of the file */
	assert_int_equal(load(&image, image.size), 0);
	put_le32(image.bytes + 0x154, LOAD_AT - 1);
	assert_refused(load(&image, image.size), "contradict");
	make_kludge(&image);
	put_le32(image.bytes + 0x14c, LOAD_AT + 0x4000);
	assert_refused(load(&image, image.size), "contradict");
	make_kludge(&image);
	put_le32(image.bytes + 0x158, 0xffffffff);
	assert_refused(load(&image, image.size), "do not fit");
	make_kludge(&image);
	put_le32(image.bytes + 0x15c, 16);
	assert_refused(load(&image, image.size), "lies outside");
	make_kludge(&image);
	put_multiboot(image.bytes + 0x140, 8 | 1 << 16);
	assert_refused(load(&image, image.size), "unknown");
}

/* Higher-half kernels name their entry by its virtual address. */
static void virtual_entry(void **state)
{
	(void)state;
	make_elf(&elf, 32, ELF_NO_NOTE);
	put_multiboot(elf.bytes + 0x1000 + 0x20, 3);
	put_le32(elf.bytes + 24, 0xc0100010);
	put_le32(elf.bytes + 52 + 8, 0xc0100000);
	assert_int_equal(load(&elf, elf.size), 0);
	assert_int_equal(result.start.rip, LOAD_AT + 16);
}

static void flat(void **state)
{
	struct boot_request request = {.flat = 1, .flat_address = 0x100000};

	(void)state;
	memset(image.bytes, 0x90, 100);
	assert_int_equal(load_with(&image, 100, request), 0);
	assert_int_equal(result.start.mode, X86_LONG);
	assert_int_equal(result.start.rip, 0x100000);
	assert_int_equal(ram.region[0].hva[0x100063], 0x90);
	request.flat_bits = 16;
	assert_refused(load_with(&image, 100, request), "do not fit");
	request.flat_address = 0x7c00;
	assert_int_equal(load_with(&image, 100, request), 0);
	request.flat_bits = 17;
	assert_refused(load_with(&image, 100, request), "17-bit");
	request.flat_bits = 64;
	request.flat_address = UINT64_MAX - 50;
	assert_refused(load_with(&image, 100, request), "do not fit");
	request.flat_address = 0x7ffff;
	assert_refused(load_with(&image, 100, request), "overlap");
}

static void not_a_kernel(void **state)
{
	(void)state;
	assert_refused(load(&image, 0), "empty");
	memset(image.bytes, 'a', 1000);
	assert_refused(load(&image, 1000), "not a kernel");
	assert_refused(load(&image, 3), "not a kernel");
}

/* Every length of every kind: an error or, where only what is not needed is missing, success. */
static void truncated(void **state)
{
	unsigned refused = 0;

	(void)state;
	for (size_t i = 0; i < FORMATS; i++) {
		make_elf(&elf, 64, ELF_NO_NOTE);
		make_bzimage(&image, formats[i], &elf);
		for (size_t size = 0; size < image.size; size += size < 0x260 ? 1 : 37)
			refused += load_with(&image, size, (struct boot_request){.entry = VMM_ENTRY_DIRECT}) < 0;
		assert_int_equal(load_with(&image, image.size - 5, (struct boot_request){.entry = VMM_ENTRY_DIRECT}),
				 -1);
	}
	make_elf(&elf, 64, ELF_WITH_PVH);
	for (size_t size = 0; size < elf.size; size++)
		refused += load(&elf, size) < 0;
	make_kludge(&image);
	for (size_t size = 0; size < image.size; size++)
		refused += load(&image, size) < 0;
	assert_true(refused > 6000);
}

static uint32_t random_next(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

/* Random bytes at random places; what matters is that a sanitizer has nothing to say and each refusal has a sentence.
 */
static void damaged(void **state)
{
	uint32_t seed = 1;

	(void)state;
	for (unsigned round = 0; round < 3000; round++) {
		unsigned kind = round % (FORMATS + 3);

		make_elf(&elf, round & 1 ? 64 : 32, kind == FORMATS ? ELF_WITH_PVH : ELF_NO_NOTE);
		if (kind < FORMATS)
			make_elf(&elf, 64, ELF_NO_NOTE);
		if (kind < FORMATS)
			make_bzimage(&image, formats[kind], &elf);
		else if (kind == FORMATS + 1)
			make_kludge(&image);
		else
			image = elf;
		if (kind == FORMATS + 2)
			put_multiboot(image.bytes + 0x1020, 3);
		for (unsigned i = 0; i < 1 + round % 8; i++)
			image.bytes[random_next(&seed) % (i & 1 ? 0x280 : image.size)] = (uint8_t)random_next(&seed);
		*error.text = 0;
		if (load(&image, image.size) < 0)
			assert_true(strlen(error.text) > 10);
	}
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void files(void **state)
{
	char path[] = "/tmp/test_vmm_loader_XXXXXX";
	struct source source;
	char bytes[8];

	(void)state;
	close(mkstemp(path));
	write_file(path, "12345678");
	assert_int_equal(source_open(&source, path, &error), 0);
	assert_int_equal(source.size, 8);
	assert_int_equal(source_read(&source, 2, bytes, 6, "part", &error), 0);
	assert_memory_equal(bytes, "345678", 6);
	assert_refused(source_read(&source, 4, bytes, 5, "part", &error), "its part (5 bytes at 4)");
	write_file(path, "1234");
	assert_refused(source_read(&source, 2, bytes, 6, "part", &error), "became shorter");
	source_close(&source);
	unlink(path);
	assert_refused(source_open(&source, path, &error), "no such file");
	assert_refused(source_open(&source, "/", &error), "not a regular file");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(bzimage_of_each_format, setup),
		cmocka_unit_test_setup(bzimage_classic, setup),
		cmocka_unit_test_setup(bzimage_unknown_compression, setup),
		cmocka_unit_test_setup(bzimage_bad_headers, setup),
		cmocka_unit_test_setup(initrd_and_command_line, setup),
		cmocka_unit_test_setup(pvh, setup),
		cmocka_unit_test_setup(elf_that_lies, setup),
		cmocka_unit_test_setup(multiboot, setup),
		cmocka_unit_test_setup(multiboot_by_addresses, setup),
		cmocka_unit_test_setup(virtual_entry, setup),
		cmocka_unit_test_setup(flat, setup),
		cmocka_unit_test_setup(not_a_kernel, setup),
		cmocka_unit_test_setup(truncated, setup),
		cmocka_unit_test_setup(damaged, setup),
		cmocka_unit_test_setup(files, setup),
	};
	int failed;

	ram = make_ram();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	free(ram.region[0].hva);
	return failed;
}
