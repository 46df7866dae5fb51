/* unpack.h - the compressions that kernels come in, as a stream: output is handed on as it appears and never held as a
 * whole. */
#ifndef VMM_UNPACK_H
#define VMM_UNPACK_H

#include "source.h"

/* Takes the next bytes of the output. Returns 0: go on, 1: enough, the rest is not wanted; -1: failed, *error is filled
 * in. */
typedef int (*unpack_sink)(void *opaque, const uint8_t *data, size_t size, struct vmm_error *error);

/* Name of the compression that begins with these bytes ("gzip", ...); NULL: none that is known. */
const char *unpack_format(const uint8_t *magic, size_t size);
/* Unpack `size` bytes of the source from `offset`. Bytes behind the compressed data are ignored. 0 or -1 and *error. */
int unpack(const struct source *source, uint64_t offset, uint64_t size, unpack_sink sink, void *opaque,
	   struct vmm_error *error);

#endif
