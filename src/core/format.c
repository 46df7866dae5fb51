/* format.c - reading and writing the frame of saved state: header and elements. What is in the elements: save_x86.c,
 * restore_x86.c, save_vm.c. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "core/format.h"

/* Header: 0 magic, 8 version, 12 arch, 16 kind, 20 elements, 24 length. Element: 0 id, 4 version, 6 flags, 8 length, 12
 * zero, 16 payload, padded to 8. */
enum { HEADER = 32, ELEMENT = 16 };
static const char magic[8] = {'V', 'M', 'A', 'S', 'T', 'A', 'T', 'E'};

static const struct {
	uint32_t id;
	const char *name;
} names[] = {
	{VMA_EL_MODEL, "model"},
	{VMA_EL_GPRS, "general registers"},
	{VMA_EL_SEGS, "segments"},
	{VMA_EL_TABLES, "descriptor tables"},
	{VMA_EL_CONTROLS, "control registers"},
	{VMA_EL_DEBUGS, "debug registers"},
	{VMA_EL_XCR0, "XCR0"},
	{VMA_EL_XSAVE, "XSAVE image"},
	{VMA_EL_EVENTS, "events"},
	{VMA_EL_MP, "MP state"},
	{VMA_EL_LAPIC, "local APIC"},
	{VMA_EL_MSRS, "MSRs"},
	{VMA_EL_MSRS_TIME, "time MSRs"},
	{VMA_EL_INSNS, "instruction clock"},
	{VMA_EL_TSC, "TSC's frequency"},
	{VMA_EL_FP, "FP registers"},
	{VMA_EL_SYSREGS, "system registers"},
	{VMA_EL_SYSREGS_TIME, "time system registers"},
	{VMA_EL_ID_SYSREGS, "ID registers"},
	{VMA_EL_SVE, "SVE registers"},
	{VMA_EL_PICS, "PICs"},
	{VMA_EL_IOAPIC, "I/O APIC"},
	{VMA_EL_PIT, "PIT"},
	{VMA_EL_CLOCK, "clock"},
	{VMA_EL_GIC, "GIC"},
};

const char *vma_element_name(uint32_t id)
{
	for (size_t i = 0; i < VMA_COUNT(names); i++)
		if (names[i].id == id)
			return names[i].name;
	return "unknown element";
}

/* ------ writing ------ */

void vma_w_begin(struct vma_writer *w, void *buf, size_t room)
{
	*w = (struct vma_writer){.buf = buf, .room = buf ? room : 0, .at = HEADER};
}

static void put(struct vma_writer *w, size_t at, uint64_t value, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		if (at + i < w->room)
			w->buf[at + i] = (uint8_t)(value >> (8 * i));
}

void vma_w_u32(struct vma_writer *w, uint32_t value)
{
	put(w, w->at, value, 4);
	w->at += 4;
}

void vma_w_u64(struct vma_writer *w, uint64_t value)
{
	put(w, w->at, value, 8);
	w->at += 8;
}

void vma_w_bytes(struct vma_writer *w, const void *p, size_t n)
{
	if (w->at < w->room)
		memcpy(w->buf + w->at, p, n < w->room - w->at ? n : w->room - w->at);
	w->at += n;
}

void vma_w_open(struct vma_writer *w, uint32_t id, uint16_t flags)
{
	w->element = w->at;
	w->count++;
	vma_w_u32(w, id);
	vma_w_u32(w, 1u | (uint32_t)flags << 16); /* version 1 */
	vma_w_u32(w, 0);
	vma_w_u32(w, 0);
}

void vma_w_close(struct vma_writer *w)
{
	put(w, w->element + 8, w->at - w->element - ELEMENT, 4);
	while (w->at % 8) {
		put(w, w->at, 0, 1);
		w->at++;
	}
}

int vma_w_end(struct vma_writer *w, vma_arch arch, uint32_t kind, void *buf, size_t *size)
{
	size_t room = *size;

	if (w->room >= HEADER)
		memcpy(w->buf, magic, sizeof(magic));
	put(w, 8, VMA_FORMAT_VERSION, 4);
	put(w, 12, arch, 4);
	put(w, 16, kind, 4);
	put(w, 20, w->count, 4);
	put(w, 24, w->at, 8);
	*size = w->at;
	if (buf && room < w->at)
		return vma_fail(VMA_E_LIMIT, "the state takes %zu bytes, there is room for %zu", w->at, room);
	return 0;
}

/* ------ reading ------ */

static uint64_t get(const uint8_t *p, unsigned size)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < size; i++)
		value |= (uint64_t)p[i] << (8 * i);
	return value;
}

int vma_r_begin(struct vma_reader *r, vma_arch arch, uint32_t kind, const void *buf, size_t size)
{
	const uint8_t *p = buf;

	if (!buf)
		return vma_fail(VMA_E_INVALID, "there is no saved state");
	if (size < HEADER || memcmp(p, magic, sizeof(magic)))
		return vma_fail(VMA_E_FORMAT, "%zu bytes that do not begin like saved state", size);
	if (get(p + 8, 4) != VMA_FORMAT_VERSION)
		return vma_fail(VMA_E_VERSION, "saved state of version %u; this library reads %u",
				(unsigned)get(p + 8, 4), VMA_FORMAT_VERSION);
	if (get(p + 12, 4) != arch)
		return vma_fail(VMA_E_FORMAT, "saved state of guest architecture %u; %u (1 x86-64, 2 arm64) is wanted",
				(unsigned)get(p + 12, 4), (unsigned)arch);
	if (get(p + 16, 4) != kind)
		return vma_fail(VMA_E_FORMAT, "saved state of kind %u; %u (1 vCPU, 2 VM) is wanted",
				(unsigned)get(p + 16, 4), kind);
	if (get(p + 24, 8) != size)
		return vma_fail(VMA_E_FORMAT, "saved state of %llu bytes, but %zu are here",
				(unsigned long long)get(p + 24, 8), size);
	*r = (struct vma_reader){.buf = p, .size = size, .at = HEADER, .left = (uint32_t)get(p + 20, 4)};
	return 0;
}

int vma_r_next(struct vma_reader *r)
{
	const uint8_t *p = r->buf + r->at;
	size_t rest = r->size - r->at;

	if (!r->left)
		return rest ? vma_fail(VMA_E_FORMAT, "%zu bytes after the last element", rest) : 0;
	if (rest < ELEMENT)
		return vma_fail(VMA_E_FORMAT, "the saved state ends inside an element's header, at byte %zu", r->at);
	r->id = (uint32_t)get(p, 4);
	r->version = (uint16_t)get(p + 4, 2);
	r->flags = (uint16_t)get(p + 6, 2);
	r->length = (uint32_t)get(p + 8, 4);
	r->payload = p + ELEMENT;
	if (r->length > rest - ELEMENT || ((r->length + 7ull) & ~7ull) > rest - ELEMENT)
		return vma_fail(VMA_E_FORMAT, "element \"%s\" at byte %zu has %u bytes, %zu are left",
				vma_element_name(r->id), r->at, r->length, rest - ELEMENT);
	r->at += ELEMENT + (size_t)((r->length + 7ull) & ~7ull);
	r->left--;
	return 1;
}

uint32_t vma_r_u32(const struct vma_reader *r, size_t at)
{
	return (uint32_t)get(r->payload + at, 4);
}

uint64_t vma_r_u64(const struct vma_reader *r, size_t at)
{
	return get(r->payload + at, 8);
}

int vma_r_bad(const struct vma_reader *r, const char *what)
{
	return vma_fail(VMA_E_FORMAT, "element \"%s\" of %u bytes: %s", vma_element_name(r->id), r->length, what);
}

int vma_r_unknown(const struct vma_reader *r, const vma_report *report)
{
	if (r->flags & VMA_ELEMENT_REQUIRED)
		return vma_fail(VMA_E_VERSION, "element %u (%s) version %u is required, and newer than this library",
				r->id, vma_element_name(r->id), r->version);
	vma_report_line(report, r->id, "element %u version %u is not known to this library", r->id, r->version);
	return 0;
}

void vma_report_line(const vma_report *report, uint32_t id, const char *format, ...)
{
	char text[256];
	va_list ap;

	if (!report || !report->line)
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	report->line(report->opaque, vma_element_name(id), text);
}
