/* source.c - reading kernels and initrds piece by piece. */
#include "source.h"

#include <inttypes.h>
#include <string.h>
#include <uv.h>

#define READ_MAX (64u << 20) /* one host call; uv_buf_t's length is 32 bits wide on some hosts */

int source_open(struct source *source, const char *path, struct vmm_error *error)
{
	uv_fs_t request;
	int result;

	memset(source, 0, sizeof(*source));
	source->name = path;
	source->fd = uv_fs_open(NULL, &request, path, UV_FS_O_RDONLY | UV_FS_O_NONBLOCK, 0, NULL);
	uv_fs_req_cleanup(&request);
	if (source->fd < 0)
		return vmm_fail(error, VMM_STATUS_USAGE, "%s: %s", path, uv_strerror(source->fd));
	result = uv_fs_fstat(NULL, &request, source->fd, NULL);
	if (result == 0 && (request.statbuf.st_mode & 0170000) != 0100000)
		result = UV_EINVAL;
	source->size = request.statbuf.st_size;
	uv_fs_req_cleanup(&request);
	if (result == 0)
		return 0;
	source_close(source);
	return vmm_fail(error, VMM_STATUS_USAGE, "%s: %s", path,
			result == UV_EINVAL ? "not a regular file" : uv_strerror(result));
}

void source_memory(struct source *source, const char *name, const void *bytes, uint64_t size)
{
	*source = (struct source){.name = name, .size = size, .bytes = bytes, .fd = -1};
}

static int read_file(const struct source *source, uint64_t offset, uint8_t *to, uint64_t size, struct vmm_error *error)
{
	while (size) {
		uv_buf_t buf = uv_buf_init((char *)to, (unsigned)(size < READ_MAX ? size : READ_MAX));
		uv_fs_t request;
		int got = uv_fs_read(NULL, &request, source->fd, &buf, 1, (int64_t)offset, NULL);

		uv_fs_req_cleanup(&request);
		if (got == UV_EINTR)
			continue;
		if (got < 0)
			return vmm_fail(error, VMM_STATUS_USAGE, "%s: reading at byte %" PRIu64 ": %s", source->name,
					offset, uv_strerror(got));
		if (got == 0)
			return vmm_fail(error, VMM_STATUS_USAGE, "%s: became shorter while it was read", source->name);
		to += got;
		offset += (uint64_t)got;
		size -= (uint64_t)got;
	}
	return 0;
}

int source_read(const struct source *source, uint64_t offset, void *buffer, uint64_t size, const char *what,
		struct vmm_error *error)
{
	if (offset > source->size || size > source->size - offset)
		return vmm_fail(error, VMM_STATUS_USAGE,
				"%s: truncated: its %s (%" PRIu64 " bytes at %" PRIu64
				") lies beyond the end of the file (%" PRIu64 " bytes)",
				source->name, what, size, offset, source->size);
	if (source->bytes) {
		if (size)
			memcpy(buffer, source->bytes + offset, size);
		return 0;
	}
	return read_file(source, offset, buffer, size, error);
}

void source_close(struct source *source)
{
	uv_fs_t request;

	if (!source->bytes && source->fd >= 0) {
		uv_fs_close(NULL, &request, source->fd, NULL);
		uv_fs_req_cleanup(&request);
	}
	source->fd = -1;
}
