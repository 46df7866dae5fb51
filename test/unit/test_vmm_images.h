/* test_vmm_images.h - small kernels of every kind, made by the tests themselves, and guest memory to load them into. */
#ifndef TEST_VMM_IMAGES_H
#define TEST_VMM_IMAGES_H

#include <stdlib.h>
#include <string.h>

#include <bzlib.h>
#include <lz4.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include "bootparam.h"
#include "layout.h"
#include "le.h"
#include "loader.h"

#define IMAGE_MAX (256u << 10)
#define RAM_SIZE (32u << 20)
#define LOAD_AT 0x200000u /* of the ELF segment */
#define CODE_SIZE 5000u
#define BSS_SIZE 3000u

struct image {
	uint8_t bytes[IMAGE_MAX];
	size_t size;
};

static inline struct guest_ram make_ram(void)
{
	struct guest_ram ram = {.count = 1};

	ram.region[0] = (struct ram_region){0, RAM_SIZE, calloc(1, RAM_SIZE)};
	return ram;
}

/* Contents that a compressor finds neither all equal nor all random. */
static inline uint8_t code_byte(size_t i)
{
	return (uint8_t)(i * 7 ^ i >> 5);
}

static inline void fill_code(uint8_t *to)
{
	for (size_t i = 0; i < CODE_SIZE; i++)
		to[i] = code_byte(i);
}

enum { ELF_NO_NOTE, ELF_WITH_PVH };

/* One PT_LOAD at LOAD_AT (file offset 0x1000), entry at its 16th byte; with a note segment for PVH at offset 0x200. */
static inline void make_elf(struct image *image, unsigned bits, int note)
{
	static const uint8_t pvh[20] = {4, 0, 0, 0, 4, 0, 0, 0, 18, 0, 0, 0, 'X', 'e', 'n', 0, 0x20, 0, 0x20, 0};
	uint8_t *e = image->bytes;
	unsigned ph = bits == 64 ? 64 : 52, step = bits == 64 ? 56 : 32;

	memset(e, 0, 0x1000);
	memcpy(e, "\177ELF", 4);
	e[4] = bits == 64 ? 2 : 1;
	e[5] = e[6] = 1;
	put_le16(e + 16, 2);
	put_le16(e + 18, bits == 64 ? 62 : 3);
	put_le(e + 24, bits == 64 ? 8 : 4, LOAD_AT + 16);
	put_le(e + (bits == 64 ? 32 : 28), 4, ph);
	put_le16(e + (bits == 64 ? 54 : 42), (uint16_t)step);
	put_le16(e + (bits == 64 ? 56 : 44), note == ELF_WITH_PVH ? 2 : 1);
	for (unsigned i = 0; i < 2; i++) {
		uint8_t *p = e + ph + i * step;
		uint64_t values[] = {i ? 0x200 : 0x1000, LOAD_AT, LOAD_AT, i ? sizeof(pvh) : CODE_SIZE,
				     i ? sizeof(pvh) : CODE_SIZE + BSS_SIZE};

		put_le32(p, i ? 4 : 1);
		for (unsigned f = 0; f < 5; f++)
			put_le(p + (bits == 64 ? 8 + 8 * f : 4 + 4 * f), bits == 64 ? 8 : 4, values[f]);
	}
	memcpy(e + 0x200, pvh, sizeof(pvh));
	fill_code(e + 0x1000);
	image->size = 0x1000 + CODE_SIZE;
}

static inline size_t pack_lzma(uint8_t *to, const struct image *from, int alone)
{
	lzma_stream z = LZMA_STREAM_INIT;
	lzma_options_lzma options;
	size_t size;

	lzma_lzma_preset(&options, 1);
	if (alone ? lzma_alone_encoder(&z, &options) : lzma_easy_encoder(&z, 1, LZMA_CHECK_CRC32))
		abort();
	z.next_in = from->bytes;
	z.avail_in = from->size;
	z.next_out = to;
	z.avail_out = IMAGE_MAX / 2;
	if (lzma_code(&z, LZMA_FINISH) != LZMA_STREAM_END)
		abort();
	size = IMAGE_MAX / 2 - z.avail_out;
	lzma_end(&z);
	return size;
}

static inline size_t pack_gzip(uint8_t *to, const struct image *from)
{
	z_stream z = {.next_in = (uint8_t *)(uintptr_t)from->bytes,
		      .avail_in = (unsigned)from->size,
		      .next_out = to,
		      .avail_out = IMAGE_MAX / 2};

	if (deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) != Z_OK || deflate(&z, Z_FINISH) != Z_STREAM_END)
		abort();
	deflateEnd(&z);
	return z.total_out;
}

static inline size_t pack_lz4(uint8_t *to, const struct image *from)
{
	int size = LZ4_compress_default((const char *)from->bytes, (char *)to + 8, (int)from->size, IMAGE_MAX / 2);

	put_le32(to, 0x184c2102);
	put_le32(to + 4, (uint32_t)size);
	return (size_t)size + 8;
}

static inline size_t pack_bzip2(uint8_t *to, const struct image *from)
{
	unsigned size = IMAGE_MAX / 2;

	if (BZ2_bzBuffToBuffCompress((char *)to, &size, (char *)(uintptr_t)from->bytes, (unsigned)from->size, 1, 0,
				     0) != BZ_OK)
		abort();
	return size;
}

static inline size_t pack(const char *format, uint8_t *to, const struct image *from)
{
	if (!strcmp(format, "gzip"))
		return pack_gzip(to, from);
	if (!strcmp(format, "xz") || !strcmp(format, "lzma"))
		return pack_lzma(to, from, format[0] == 'l');
	if (!strcmp(format, "zstd"))
		return ZSTD_compress(to, IMAGE_MAX / 2, from->bytes, from->size, 1);
	if (!strcmp(format, "lz4"))
		return pack_lz4(to, from);
	if (!strcmp(format, "bzip2"))
		return pack_bzip2(to, from);
	memcpy(to, from->bytes, from->size); /* uncompressed */
	return from->size;
}

#define SETUP_SECTS 2u
#define BZ_CODE ((SETUP_SECTS + 1) * 512u)
#define BZ_PAYLOAD 0x300u

/* A bzImage whose payload is `size` bytes already in place at BZ_CODE + BZ_PAYLOAD. */
static inline void make_bzimage_header(struct image *image, size_t size)
{
	uint8_t *b = image->bytes;

	memset(b, 0, BZ_CODE + BZ_PAYLOAD);
	b[HDR_SETUP_SECTS] = SETUP_SECTS;
	put_le16(b + HDR_BOOT_FLAG, 0xaa55);
	b[HDR_JUMP_LENGTH] = 0x6a;
	memcpy(b + HDR_MAGIC, "HdrS", 4);
	put_le16(b + HDR_VERSION, 0x020f);
	b[HDR_LOADFLAGS] = 1;
	put_le32(b + HDR_INITRD_ADDR_MAX, 0x7fffffff);
	put_le16(b + HDR_XLOADFLAGS, 1);
	put_le32(b + HDR_CMDLINE_SIZE, 2047);
	put_le32(b + HDR_PAYLOAD_OFFSET, BZ_PAYLOAD);
	put_le32(b + HDR_PAYLOAD_LENGTH, (uint32_t)size);
	put_le64(b + HDR_PREF_ADDRESS, 0x200000);
	put_le32(b + HDR_INIT_SIZE, 0x100000);
	image->size = BZ_CODE + BZ_PAYLOAD + size;
}

/* A bzImage around that payload, followed by the four bytes of its unpacked size, as Linux does. */
static inline void make_bzimage(struct image *image, const char *format, const struct image *payload)
{
	uint8_t *to = image->bytes + BZ_CODE + BZ_PAYLOAD;
	size_t size = pack(format, to, payload);

	put_le32(to + size, (uint32_t)payload->size);
	make_bzimage_header(image, size + 4);
}

/* Multiboot header at `at`. */
static inline void put_multiboot(uint8_t *at, uint32_t flags)
{
	put_le32(at, 0x1badb002);
	put_le32(at + 4, flags);
	put_le32(at + 8, 0u - 0x1badb002u - flags);
}

/* Any bytes with a header that says its addresses: loaded from file offset 0x100. */
static inline void make_kludge(struct image *image)
{
	memset(image->bytes, 0, 0x200);
	put_multiboot(image->bytes + 0x140, 3 | 1 << 16);
	put_le32(image->bytes + 0x14c, LOAD_AT + 0x40);
	put_le32(image->bytes + 0x150, LOAD_AT);
	put_le32(image->bytes + 0x154, LOAD_AT + 0x1000);
	put_le32(image->bytes + 0x158, LOAD_AT + 0x3000);
	put_le32(image->bytes + 0x15c, LOAD_AT + 0x80);
	for (size_t i = 0x180; i < 0x1100; i++)
		image->bytes[i] = code_byte(i);
	image->size = 0x1100;
}

#endif
