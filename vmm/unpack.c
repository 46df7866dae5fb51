/* unpack.c - one small driver for each compression library; table `formats` at the end. */
#define ZSTD_STATIC_LINKING_ONLY /* ZSTD_createDStream_advanced: its window must not stay in the heap */
#include "unpack.h"

#include <bzlib.h>
#include <inttypes.h>
#include <lz4.h>
#include <lzma.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "le.h"
#include "scratch.h"

#define CHUNK (32u << 10)
#define LZMA_MEMORY (256u << 20) /* kernels use dictionaries of at most 128 MiB */
#define LZ4_BLOCK (8u << 20)     /* legacy frame: fixed block size */
#define LZ4_MAGIC 0x184c2102u    /* legacy frame */

struct stream {
	const struct source *source;
	uint64_t offset, left; /* of the input not yet read */
	unpack_sink sink;
	void *opaque;
	struct vmm_error *error;
	uint8_t in[CHUNK], out[2 * CHUNK];
};

static int damaged(struct stream *s, const char *format, const char *why)
{
	return vmm_fail(s->error, VMM_STATUS_USAGE, "%s: its %s data is damaged (%s) near byte %" PRIu64,
			s->source->name, format, why, s->offset);
}

/* The next piece of input into s->in; its size, or -1. 0: the end. */
static int64_t fill(struct stream *s)
{
	uint64_t size = s->left < CHUNK ? s->left : CHUNK;

	if (size && source_read(s->source, s->offset, s->in, size, "compressed kernel", s->error) < 0)
		return -1;
	s->offset += size;
	s->left -= size;
	return (int64_t)size;
}

static int emit(struct stream *s, const void *data, size_t size)
{
	return size ? s->sink(s->opaque, data, size, s->error) : 0;
}

static int unpack_none(struct stream *s)
{
	int64_t got;
	int result;

	while ((got = fill(s)) > 0) {
		result = emit(s, s->in, (size_t)got);
		if (result)
			return result;
	}
	return (int)got;
}

static void *zlib_alloc(void *opaque, unsigned items, unsigned size)
{
	(void)opaque;
	return size && items > SIZE_MAX / size ? NULL : scratch_alloc((size_t)items * size);
}

static void any_free(void *opaque, void *p)
{
	(void)opaque;
	scratch_free(p);
}

static int gzip_loop(struct stream *s, z_stream *z)
{
	int status = Z_OK, result;

	while (status != Z_STREAM_END) {
		if (!z->avail_in) {
			int64_t got = fill(s);

			if (got <= 0)
				return got < 0 ? -1 : damaged(s, "gzip", "it ends too early");
			z->next_in = s->in;
			z->avail_in = (unsigned)got;
		}
		z->next_out = s->out;
		z->avail_out = sizeof(s->out);
		status = inflate(z, Z_NO_FLUSH);
		if (status != Z_OK && status != Z_STREAM_END)
			return damaged(s, "gzip", z->msg ? z->msg : "no progress");
		result = emit(s, s->out, sizeof(s->out) - z->avail_out);
		if (result)
			return result;
	}
	return 0;
}

static int unpack_gzip(struct stream *s)
{
	z_stream z = {.zalloc = zlib_alloc, .zfree = any_free};
	int result;

	if (inflateInit2(&z, 15 + 16) != Z_OK) /* largest window, gzip header */
		return vmm_fail(s->error, VMM_STATUS_VMM, "%s: no memory to unpack it", s->source->name);
	result = gzip_loop(s, &z);
	inflateEnd(&z);
	return result;
}

static void *lzma_alloc(void *opaque, size_t items, size_t size)
{
	(void)opaque;
	return size && items > SIZE_MAX / size ? NULL : scratch_alloc(items * size);
}

static const char *lzma_text(lzma_ret status)
{
	switch (status) {
	case LZMA_MEM_ERROR:
		return "no memory";
	case LZMA_MEMLIMIT_ERROR:
		return "its dictionary is larger than 256 MiB";
	case LZMA_FORMAT_ERROR:
		return "not that format";
	case LZMA_OPTIONS_ERROR:
		return "unknown options";
	case LZMA_BUF_ERROR:
		return "it ends too early";
	default:
		return "wrong data";
	}
}

static int lzma_loop(struct stream *s, lzma_stream *z, const char *name)
{
	lzma_ret status = LZMA_OK;
	int result;

	while (status != LZMA_STREAM_END) {
		if (!z->avail_in) {
			int64_t got = fill(s);

			if (got < 0)
				return -1;
			z->next_in = s->in;
			z->avail_in = (size_t)got;
		}
		z->next_out = s->out;
		z->avail_out = sizeof(s->out);
		status = lzma_code(z, z->avail_in ? LZMA_RUN : LZMA_FINISH);
		if (status != LZMA_OK && status != LZMA_STREAM_END)
			return damaged(s, name, lzma_text(status));
		result = emit(s, s->out, sizeof(s->out) - z->avail_out);
		if (result)
			return result;
	}
	return 0;
}

static int unpack_lzma_family(struct stream *s, const char *name, int alone)
{
	lzma_allocator allocator = {.alloc = lzma_alloc, .free = any_free};
	lzma_stream z = LZMA_STREAM_INIT;
	lzma_ret status;
	int result;

	z.allocator = &allocator;
	status = alone ? lzma_alone_decoder(&z, LZMA_MEMORY) : lzma_stream_decoder(&z, LZMA_MEMORY, 0);
	if (status != LZMA_OK)
		return vmm_fail(s->error, VMM_STATUS_VMM, "%s: no memory to unpack it", s->source->name);
	result = lzma_loop(s, &z, name);
	lzma_end(&z);
	return result;
}

static int unpack_xz(struct stream *s)
{
	return unpack_lzma_family(s, "xz", 0);
}

static int unpack_lzma(struct stream *s)
{
	return unpack_lzma_family(s, "lzma", 1);
}

static void *zstd_alloc(void *opaque, size_t size)
{
	(void)opaque;
	return scratch_alloc(size);
}

static int zstd_loop(struct stream *s, ZSTD_DStream *z)
{
	ZSTD_inBuffer in = {s->in, 0, 0};
	size_t want = 1;
	int result;

	while (want) {
		ZSTD_outBuffer out = {s->out, sizeof(s->out), 0};

		if (in.pos == in.size) {
			int64_t got = fill(s);

			if (got <= 0)
				return got < 0 ? -1 : damaged(s, "zstd", "it ends too early");
			in = (ZSTD_inBuffer){s->in, (size_t)got, 0};
		}
		want = ZSTD_decompressStream(z, &out, &in);
		if (ZSTD_isError(want))
			return damaged(s, "zstd", ZSTD_getErrorName(want));
		result = emit(s, s->out, out.pos);
		if (result)
			return result;
	}
	return 0;
}

static int unpack_zstd(struct stream *s)
{
	ZSTD_customMem memory = {zstd_alloc, any_free, NULL};
	ZSTD_DStream *z = ZSTD_createDStream_advanced(memory);
	int result;

	if (!z)
		return vmm_fail(s->error, VMM_STATUS_VMM, "%s: no memory to unpack it", s->source->name);
	result = zstd_loop(s, z);
	ZSTD_freeDStream(z);
	return result;
}

static void *bzip2_alloc(void *opaque, int items, int size)
{
	(void)opaque;
	return items < 0 || size < 0 ? NULL : scratch_alloc((size_t)items * (size_t)size);
}

static int bzip2_loop(struct stream *s, bz_stream *z)
{
	int status = BZ_OK, result;

	while (status != BZ_STREAM_END) {
		if (!z->avail_in) {
			int64_t got = fill(s);

			if (got <= 0)
				return got < 0 ? -1 : damaged(s, "bzip2", "it ends too early");
			z->next_in = (char *)s->in;
			z->avail_in = (unsigned)got;
		}
		z->next_out = (char *)s->out;
		z->avail_out = sizeof(s->out);
		status = BZ2_bzDecompress(z);
		if (status != BZ_OK && status != BZ_STREAM_END)
			return damaged(s, "bzip2", status == BZ_MEM_ERROR ? "no memory" : "wrong data");
		result = emit(s, s->out, sizeof(s->out) - z->avail_out);
		if (result)
			return result;
	}
	return 0;
}

static int unpack_bzip2(struct stream *s)
{
	bz_stream z = {.bzalloc = bzip2_alloc, .bzfree = any_free};
	int result;

	if (BZ2_bzDecompressInit(&z, 0, 0) != BZ_OK)
		return vmm_fail(s->error, VMM_STATUS_VMM, "%s: no memory to unpack it", s->source->name);
	result = bzip2_loop(s, &z);
	BZ2_bzDecompressEnd(&z);
	return result;
}

static int lz4_block(struct stream *s, uint32_t size, char *in, char *out)
{
	int got;

	if (size > (uint32_t)LZ4_COMPRESSBOUND(LZ4_BLOCK) || size > s->left)
		return damaged(s, "lz4", "a block is too long");
	if (source_read(s->source, s->offset, in, size, "compressed kernel", s->error) < 0)
		return -1;
	s->offset += size;
	s->left -= size;
	got = LZ4_decompress_safe(in, out, (int)size, LZ4_BLOCK);
	return got < 0 ? damaged(s, "lz4", "wrong data") : emit(s, out, (size_t)got);
}

/* Legacy frame: magic, then blocks of (size, data). Linux puts the 4-byte size of the whole output behind the last
 * block. */
static int lz4_loop(struct stream *s, char *in, char *out)
{
	uint8_t word[4];
	int result = 0;

	s->offset += 4;
	s->left -= 4;
	while (result == 0 && s->left > 4) {
		if (source_read(s->source, s->offset, word, 4, "compressed kernel", s->error) < 0)
			return -1;
		s->offset += 4;
		s->left -= 4;
		if (get_le32(word) != LZ4_MAGIC) /* another frame may follow */
			result = lz4_block(s, get_le32(word), in, out);
	}
	return result;
}

static int unpack_lz4(struct stream *s)
{
	char *in = scratch_alloc(LZ4_COMPRESSBOUND(LZ4_BLOCK));
	char *out = scratch_alloc(LZ4_BLOCK);
	int result;

	if (in && out)
		result = lz4_loop(s, in, out);
	else
		result = vmm_fail(s->error, VMM_STATUS_VMM, "%s: no memory to unpack it", s->source->name);
	scratch_free(in);
	scratch_free(out);
	return result;
}

static const struct format {
	const char *name;
	uint8_t magic[6];
	uint8_t magic_size;
	int (*run)(struct stream *s);
} formats[] = {
	{"gzip", {0x1f, 0x8b}, 2, unpack_gzip},
	{"xz", {0xfd, '7', 'z', 'X', 'Z', 0}, 6, unpack_xz},
	{"zstd", {0x28, 0xb5, 0x2f, 0xfd}, 4, unpack_zstd},
	{"lz4", {0x02, 0x21, 0x4c, 0x18}, 4, unpack_lz4},
	{"bzip2", {'B', 'Z', 'h'}, 3, unpack_bzip2},
	{"lzma", {0x5d, 0x00, 0x00}, 3, unpack_lzma},
	{"uncompressed", {0x7f, 'E', 'L', 'F'}, 4, unpack_none},
};

static const struct format *find_format(const uint8_t *magic, size_t size)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (size >= formats[i].magic_size && !memcmp(magic, formats[i].magic, formats[i].magic_size))
			return &formats[i];
	return NULL;
}

const char *unpack_format(const uint8_t *magic, size_t size)
{
	const struct format *format = find_format(magic, size);

	return format ? format->name : NULL;
}

int unpack(const struct source *source, uint64_t offset, uint64_t size, unpack_sink sink, void *opaque,
	   struct vmm_error *error)
{
	const struct format *format;
	uint8_t magic[6];
	struct stream *s;
	int result;

	if (size < sizeof(magic))
		return vmm_fail(error, VMM_STATUS_USAGE, "%s: its compressed kernel has only %" PRIu64 " bytes",
				source->name, size);
	if (source_read(source, offset, magic, sizeof(magic), "compressed kernel", error) < 0)
		return -1;
	format = find_format(magic, sizeof(magic));
	if (!format)
		return vmm_fail(error, VMM_STATUS_USAGE,
				"%s: its kernel is compressed in an unknown way (%02x %02x %02x %02x)", source->name,
				magic[0], magic[1], magic[2], magic[3]);
	s = scratch_alloc(sizeof(*s));
	if (!s)
		return vmm_fail(error, VMM_STATUS_VMM, "%s: no memory to unpack it", source->name);
	s->source = source;
	s->offset = offset;
	s->left = size;
	s->sink = sink;
	s->opaque = opaque;
	s->error = error;
	result = format->run(s);
	scratch_free(s);
	return result < 0 ? -1 : 0;
}
