/* elf.h - ELF images (32 and 64 bit, little-endian, x86) placed in guest memory by their physical addresses, either
 * from a source that can be read anywhere or from a stream of bytes. */
#ifndef VMM_ELF_H
#define VMM_ELF_H

#include "ram.h"
#include "source.h"

#define ELF_SEGMENTS 64
#define ELF_HEAD (16u << 10) /* the program headers must end before this */

struct elf_segment {
	uint32_t type; /* ELF_PT_ */
	uint64_t offset, vaddr, paddr, filesz, memsz;
};
enum { ELF_PT_LOAD = 1, ELF_PT_NOTE = 4 };

struct elf_image {
	unsigned bits;  /* 32 or 64 */
	uint64_t entry; /* physical: a virtual one is translated by its segment */
	unsigned count;
	struct elf_segment segment[ELF_SEGMENTS];
	uint64_t low, high; /* bounds of the PT_LOAD segments in guest memory; high is past the end */
	uint64_t file_end;  /* past the last byte that a PT_LOAD segment needs */
};

/* 1: the bytes begin like an ELF file. */
int elf_is(const uint8_t *head, size_t size);
/* Read headers out of the file's first bytes and check each segment against guest memory. `name` is for messages.
 * Returns 0; 1: more of the head is needed; -1 and *error. */
int elf_parse(struct elf_image *image, const uint8_t *head, size_t size, const struct guest_ram *ram, const char *name,
	      struct vmm_error *error);
/* Read and parse the headers of a source. */
int elf_open(struct elf_image *image, const struct source *source, const struct guest_ram *ram,
	     struct vmm_error *error);
/* Load its segments. Guest memory must be zero, the parts without data in the file are not written. */
int elf_load(const struct elf_image *image, const struct source *source, const struct guest_ram *ram,
	     struct vmm_error *error);
/* Entry of Xen's PVH (note "Xen", type 18). 1: found; 0: none; -1 and *error. */
int elf_pvh_entry(const struct elf_image *image, const struct source *source, uint32_t *entry, struct vmm_error *error);

/* The same out of a stream. */
struct elf_stream {
	const char *name;
	const struct guest_ram *ram;
	struct elf_image image;
	int parsed;
	uint64_t position;
	uint8_t head[ELF_HEAD];
};
void elf_stream_init(struct elf_stream *stream, const char *name, const struct guest_ram *ram);
int elf_stream_sink(void *stream, const uint8_t *data, size_t size, struct vmm_error *error); /* an unpack_sink */
int elf_stream_end(const struct elf_stream *stream, struct vmm_error *error); /* -1 if something was missing */

#endif
