/* source.h - what loaders read from: a file, or bytes in memory for tests. Nothing of it is kept in memory. */
#ifndef VMM_SOURCE_H
#define VMM_SOURCE_H

#include "error.h"

struct source {
	const char *name; /* for messages; the caller's, lives as long as the source */
	uint64_t size;
	const uint8_t *bytes; /* NULL: a file */
	int fd;
};

/* Open a regular file; anything else (a directory, a pipe) is refused, naming it. */
int source_open(struct source *source, const char *path, struct vmm_error *error);
void source_memory(struct source *source, const char *name, const void *bytes, uint64_t size);
/* Read exactly `size` bytes at `offset`; a range beyond the end is an error that says so and names `what`. */
int source_read(const struct source *source, uint64_t offset, void *buffer, uint64_t size, const char *what,
		struct vmm_error *error);
void source_close(struct source *source);

#endif
