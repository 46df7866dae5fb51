/* elf.c - the fields of ELF (System V gABI, chapters 4 and 5) that booting needs. */
#include "elf.h"

#include <inttypes.h>
#include <string.h>

#include "le.h"
#include "layout.h"
#include "scratch.h"

#define EM_386 3
#define EM_X86_64 62
#define ELF_NOTE_MAX (64u << 10)
#define XEN_ELFNOTE_PHYS32_ENTRY 18

/* Where the two classes keep their fields: the header, then one program header. */
struct elf_layout {
	unsigned bits, word;
	unsigned ehdr_size, e_machine, e_entry, e_phoff, e_phentsize, e_phnum;
	unsigned phdr_size, p_offset, p_vaddr, p_paddr, p_filesz, p_memsz;
};
static const struct elf_layout layouts[] = {
	{32, 4, 52, 18, 24, 28, 42, 44, 32, 4, 8, 12, 16, 20},
	{64, 8, 64, 18, 24, 32, 54, 56, 56, 8, 16, 24, 32, 40},
};

static int bad(struct vmm_error *error, const char *name, const char *why)
{
	return vmm_fail(error, VMM_STATUS_USAGE, "%s: unusable ELF file: %s", name, why);
}

int elf_is(const uint8_t *head, size_t size)
{
	return size >= 4 && !memcmp(head, "\177ELF", 4);
}

static const struct elf_layout *find_layout(const uint8_t *head, const char *name, struct vmm_error *error)
{
	const struct elf_layout *l;
	unsigned machine;

	if (!elf_is(head, 4)) {
		bad(error, name, "it does not begin as one");
		return NULL;
	}
	if ((head[4] != 1 && head[4] != 2) || head[5] != 1) {
		bad(error, name, "it is not 32-bit or 64-bit little-endian");
		return NULL;
	}
	l = &layouts[head[4] - 1];
	machine = get_le16(head + l->e_machine);
	if (machine != EM_386 && machine != EM_X86_64) {
		bad(error, name, "it is not for x86");
		return NULL;
	}
	return l;
}

static int check_segment(struct elf_image *image, const struct elf_segment *s, const struct guest_ram *ram,
			 const char *name, struct vmm_error *error)
{
	if (s->type != ELF_PT_LOAD || (!s->memsz && !s->filesz))
		return 0;
	if (s->filesz > s->memsz)
		return bad(error, name, "a segment has more bytes in the file than in memory");
	if (s->offset > UINT64_MAX - s->filesz)
		return bad(error, name, "a segment lies at an impossible offset");
	if (!ram_at(ram, s->paddr, s->memsz))
		return vmm_fail(error, VMM_STATUS_USAGE,
				"%s: its segment of %" PRIu64 " bytes at 0x%" PRIx64
				" does not fit into the guest's memory",
				name, s->memsz, s->paddr);
	if (layout_is_taken(s->paddr, s->memsz))
		return vmm_fail(error, VMM_STATUS_USAGE,
				"%s: its segment of %" PRIu64 " bytes at 0x%" PRIx64
				" overlaps the boot data at " LAYOUT_TAKEN_TEXT,
				name, s->memsz, s->paddr);
	if (s->paddr < image->low)
		image->low = s->paddr;
	if (s->paddr + s->memsz > image->high)
		image->high = s->paddr + s->memsz;
	if (s->offset + s->filesz > image->file_end)
		image->file_end = s->offset + s->filesz;
	return 0;
}

/* Kernels linked at high addresses often name their entry by its virtual address. */
static void translate_entry(struct elf_image *image)
{
	for (unsigned i = 0; i < image->count; i++) {
		const struct elf_segment *s = &image->segment[i];

		if (image->entry >= image->low && image->entry < image->high)
			return;
		if (s->type == ELF_PT_LOAD && image->entry >= s->vaddr && image->entry - s->vaddr < s->memsz)
			image->entry = s->paddr + (image->entry - s->vaddr);
	}
}

static int parse_segments(struct elf_image *image, const struct elf_layout *l, const uint8_t *phdr, unsigned step,
			  const struct guest_ram *ram, const char *name, struct vmm_error *error)
{
	for (unsigned i = 0; i < image->count; i++, phdr += step) {
		struct elf_segment *s = &image->segment[i];

		s->type = get_le32(phdr);
		s->offset = get_le(phdr + l->p_offset, l->word);
		s->vaddr = get_le(phdr + l->p_vaddr, l->word);
		s->paddr = get_le(phdr + l->p_paddr, l->word);
		s->filesz = get_le(phdr + l->p_filesz, l->word);
		s->memsz = get_le(phdr + l->p_memsz, l->word);
		if (check_segment(image, s, ram, name, error) < 0)
			return -1;
	}
	if (!image->high)
		return bad(error, name, "it has nothing to load");
	translate_entry(image);
	return 0;
}

int elf_parse(struct elf_image *image, const uint8_t *head, size_t size, const struct guest_ram *ram, const char *name,
	      struct vmm_error *error)
{
	const struct elf_layout *l;
	uint64_t phoff;
	unsigned step;

	memset(image, 0, sizeof(*image));
	if (size < 64)
		return 1;
	l = find_layout(head, name, error);
	if (!l)
		return -1;
	image->bits = l->bits;
	image->low = UINT64_MAX;
	image->entry = get_le(head + l->e_entry, l->word);
	image->count = get_le16(head + l->e_phnum);
	phoff = get_le(head + l->e_phoff, l->word);
	step = get_le16(head + l->e_phentsize);
	if (image->count == 0)
		return bad(error, name, "it has no program headers");
	if (image->count > ELF_SEGMENTS || step < l->phdr_size)
		return bad(error, name, "it has too many or too short program headers");
	if (phoff > ELF_HEAD || phoff + (uint64_t)step * image->count > ELF_HEAD)
		return bad(error, name, "its program headers are not near its beginning");
	if (phoff + (uint64_t)step * image->count > size)
		return 1;
	return parse_segments(image, l, head + phoff, step, ram, name, error);
}

int elf_load(const struct elf_image *image, const struct source *source, const struct guest_ram *ram,
	     struct vmm_error *error)
{
	for (unsigned i = 0; i < image->count; i++) {
		const struct elf_segment *s = &image->segment[i];

		if (s->type != ELF_PT_LOAD || !s->filesz)
			continue;
		if (source_read(source, s->offset, ram_at(ram, s->paddr, s->memsz), s->filesz, "segment", error) < 0)
			return -1;
	}
	return 0;
}

int elf_open(struct elf_image *image, const struct source *source, const struct guest_ram *ram, struct vmm_error *error)
{
	uint64_t size = source->size < ELF_HEAD ? source->size : ELF_HEAD;
	uint8_t *head = scratch_alloc(ELF_HEAD);
	int result;

	if (!head)
		return vmm_fail(error, VMM_STATUS_VMM, "%s: no memory to read it", source->name);
	result = source_read(source, 0, head, size, "ELF header", error);
	if (result == 0)
		result = elf_parse(image, head, (size_t)size, ram, source->name, error);
	scratch_free(head);
	return result > 0 ? bad(error, source->name, "it ends within its headers") : result;
}

/* Notes: name size, descriptor size, type, then name and descriptor, each padded to 4 bytes. */
static int find_pvh(const uint8_t *notes, uint64_t size, uint32_t *entry)
{
	uint64_t at = 0;

	while (size - at >= 12) {
		uint64_t name_size = get_le32(notes + at), desc_size = get_le32(notes + at + 4);
		uint32_t type = get_le32(notes + at + 8);
		uint64_t name = at + 12, desc = name + ((name_size + 3) & ~3ull),
			 next = desc + ((desc_size + 3) & ~3ull);

		if (desc > size || desc_size > size - desc)
			return 0;
		if (type == XEN_ELFNOTE_PHYS32_ENTRY && name_size == 4 && !memcmp(notes + name, "Xen", 4) &&
		    desc_size >= 4) {
			*entry = get_le32(notes + desc);
			return 1;
		}
		if (next > size)
			return 0;
		at = next;
	}
	return 0;
}

int elf_pvh_entry(const struct elf_image *image, const struct source *source, uint32_t *entry, struct vmm_error *error)
{
	int result = 0;

	for (unsigned i = 0; i < image->count && result == 0; i++) {
		const struct elf_segment *s = &image->segment[i];
		uint64_t size = s->filesz < ELF_NOTE_MAX ? s->filesz : ELF_NOTE_MAX;
		uint8_t *notes;

		if (s->type != ELF_PT_NOTE || !size)
			continue;
		notes = scratch_alloc((size_t)size);
		if (!notes)
			return vmm_fail(error, VMM_STATUS_VMM, "%s: no memory to read it", source->name);
		result = source_read(source, s->offset, notes, size, "note segment", error);
		if (result == 0)
			result = find_pvh(notes, size, entry);
		scratch_free(notes);
	}
	return result;
}

void elf_stream_init(struct elf_stream *stream, const char *name, const struct guest_ram *ram)
{
	stream->name = name;
	stream->ram = ram;
	stream->parsed = 0;
	stream->position = 0;
}

/* Kernels carry their zeroes in the file; guest memory is zero already, and a page that is not touched costs nothing.
 */
static void copy_nonzero(uint8_t *to, const uint8_t *from, uint64_t size)
{
	static const uint8_t zeroes[4096];

	while (size) {
		uint64_t step = 4096 - ((uintptr_t)to & 4095);

		if (step > size)
			step = size;
		if (memcmp(from, zeroes, step))
			memcpy(to, from, step);
		to += step;
		from += step;
		size -= step;
	}
}

/* Copy what [position, position + size) of the file holds of each segment. */
static void copy_out(const struct elf_stream *stream, uint64_t position, const uint8_t *data, uint64_t size)
{
	for (unsigned i = 0; i < stream->image.count; i++) {
		const struct elf_segment *s = &stream->image.segment[i];
		uint64_t begin, end;

		if (s->type != ELF_PT_LOAD || !s->filesz)
			continue;
		begin = s->offset > position ? s->offset : position;
		end = s->offset + s->filesz < position + size ? s->offset + s->filesz : position + size;
		if (begin < end)
			copy_nonzero((uint8_t *)ram_at(stream->ram, s->paddr, s->memsz) + (begin - s->offset),
				     data + (begin - position), end - begin);
	}
}

/* Collect the head until it can be parsed; what came with it is copied out at once. */
static int take_head(struct elf_stream *stream, const uint8_t **data, size_t *size, struct vmm_error *error)
{
	size_t room = ELF_HEAD - (size_t)stream->position, take = *size < room ? *size : room;
	int result;

	memcpy(stream->head + stream->position, *data, take);
	stream->position += take;
	*data += take;
	*size -= take;
	result = elf_parse(&stream->image, stream->head, (size_t)stream->position, stream->ram, stream->name, error);
	if (result == 0) {
		stream->parsed = 1;
		copy_out(stream, 0, stream->head, stream->position);
	}
	return result < 0 ? -1 : 0;
}

int elf_stream_sink(void *opaque, const uint8_t *data, size_t size, struct vmm_error *error)
{
	struct elf_stream *stream = opaque;

	if (!stream->parsed && take_head(stream, &data, &size, error) < 0)
		return -1;
	if (size) {
		copy_out(stream, stream->position, data, size);
		stream->position += size;
	}
	return stream->parsed && stream->position >= stream->image.file_end;
}

int elf_stream_end(const struct elf_stream *stream, struct vmm_error *error)
{
	if (!stream->parsed)
		return bad(error, stream->name, "it ends within its headers");
	if (stream->position < stream->image.file_end)
		return bad(error, stream->name, "it ends within a segment");
	return 0;
}
