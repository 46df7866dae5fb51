/* aml.c - see aml.h. */
#include "aml.h"

#include <string.h>

enum {
	OP_ZERO = 0x00,
	OP_ONE = 0x01,
	OP_NAME = 0x08,
	OP_BYTE = 0x0a,
	OP_WORD = 0x0b,
	OP_DWORD = 0x0c,
	OP_QWORD = 0x0e,
	OP_SCOPE = 0x10,
	OP_BUFFER = 0x11,
	OP_PACKAGE = 0x12,
	OP_EXT = 0x5b,
	OP_EXT_DEVICE = 0x82
};
enum { RES_IO = 0x47, RES_IO_DECODE_16 = 1, RES_IRQ = 0x22, RES_END = 0x79 }; /* 6.4.2, small resource items */

void aml_init(struct aml *aml, void *to, size_t size)
{
	memset(aml, 0, sizeof(*aml));
	aml->to = to;
	aml->size = size;
}

static void put(struct aml *aml, const void *bytes, size_t size)
{
	if (aml->failed || size > aml->size - aml->used) {
		aml->failed = 1;
		return;
	}
	memcpy(aml->to + aml->used, bytes, size);
	aml->used += size;
}

static void put_byte(struct aml *aml, unsigned byte)
{
	uint8_t b = (uint8_t)byte;

	put(aml, &b, 1);
}

/* 20.2.2: a segment has four characters, filled up with '_'. */
static void put_name(struct aml *aml, const char *name)
{
	char segment[4] = {'_', '_', '_', '_'};
	size_t length;

	if (*name == '\\') {
		put_byte(aml, '\\');
		name++;
	}
	length = strlen(name);
	if (length == 0 || length > sizeof(segment)) {
		aml->failed = 1;
		return;
	}
	memcpy(segment, name, length);
	put(aml, segment, sizeof(segment));
}

static void put_integer(struct aml *aml, uint64_t value)
{
	static const struct {
		uint64_t max;
		uint8_t op, width;
	} forms[] = {{0xff, OP_BYTE, 1}, {0xffff, OP_WORD, 2}, {0xffffffff, OP_DWORD, 4}, {UINT64_MAX, OP_QWORD, 8}};
	unsigned i = 0;

	if (value <= 1) {
		put_byte(aml, value ? OP_ONE : OP_ZERO);
		return;
	}
	while (value > forms[i].max)
		i++;
	put_byte(aml, forms[i].op);
	for (unsigned b = 0; b < forms[i].width; b++)
		put_byte(aml, (uint8_t)(value >> 8 * b));
}

static void begin(struct aml *aml)
{
	if (aml->depth == AML_DEPTH)
		aml->failed = 1;
	if (!aml->failed)
		aml->open[aml->depth++] = aml->used;
}

/* 20.2.4: the length counts its own bytes; bits 7:6 of the first say how many follow. It is put in front of what was
 * written. */
void aml_end(struct aml *aml)
{
	uint8_t length[4];
	size_t start, body, extra, total;

	if (aml->failed || !aml->depth) {
		aml->failed = 1;
		return;
	}
	start = aml->open[--aml->depth];
	body = aml->used - start;
	for (extra = 0; extra < 3 && body + 1 + extra >= (extra ? 1u << (4 + 8 * extra) : 1u << 6); extra++)
		;
	total = body + 1 + extra;
	length[0] = (uint8_t)(extra ? extra << 6 | (total & 15) : total);
	for (size_t i = 0; i < extra; i++)
		length[i + 1] = (uint8_t)(total >> (4 + 8 * i));
	put(aml, length, 1 + extra);
	if (aml->failed)
		return;
	memmove(aml->to + start + 1 + extra, aml->to + start, body);
	memcpy(aml->to + start, length, 1 + extra);
}

void aml_scope(struct aml *aml, const char *name)
{
	put_byte(aml, OP_SCOPE);
	begin(aml);
	put_name(aml, name);
}

void aml_device(struct aml *aml, const char *name)
{
	put_byte(aml, OP_EXT);
	put_byte(aml, OP_EXT_DEVICE);
	begin(aml);
	put_name(aml, name);
}

void aml_name_integer(struct aml *aml, const char *name, uint64_t value)
{
	put_byte(aml, OP_NAME);
	put_name(aml, name);
	put_integer(aml, value);
}

void aml_name_package(struct aml *aml, const char *name, const uint64_t *values, unsigned count)
{
	put_byte(aml, OP_NAME);
	put_name(aml, name);
	put_byte(aml, OP_PACKAGE);
	begin(aml);
	put_byte(aml, count);
	for (unsigned i = 0; i < count; i++)
		put_integer(aml, values[i]);
	aml_end(aml);
}

static int hex(char c)
{
	return c <= '9' ? c - '0' : c - 'A' + 10;
}

/* 19.6.37: three letters of five bits and four hexadecimal digits, most significant byte first. */
void aml_name_eisa(struct aml *aml, const char *name, const char *id)
{
	uint32_t value;

	if (strlen(id) != 7) {
		aml->failed = 1;
		return;
	}
	value = (uint32_t)(id[0] & 31) << 26 | (uint32_t)(id[1] & 31) << 21 | (uint32_t)(id[2] & 31) << 16;
	value |= (uint32_t)(hex(id[3]) << 12 | hex(id[4]) << 8 | hex(id[5]) << 4 | hex(id[6]));
	put_byte(aml, OP_NAME);
	put_name(aml, name);
	put_byte(aml, OP_DWORD);
	for (int shift = 24; shift >= 0; shift -= 8)
		put_byte(aml, (uint8_t)(value >> shift));
}

void aml_name_io_irq(struct aml *aml, const char *name, uint16_t port, uint8_t count, unsigned irq)
{
	const uint8_t low = (uint8_t)port, high = (uint8_t)(port >> 8);
	const uint8_t resources[] = {
		RES_IO,
		RES_IO_DECODE_16,
		low,
		high,
		low,
		high,
		1,
		count, /* minimum, maximum, alignment, length */
		RES_IRQ,
		(uint8_t)(1u << irq),
		(uint8_t)((1u << irq) >> 8),
		RES_END,
		0,
	};

	put_byte(aml, OP_NAME);
	put_name(aml, name);
	put_byte(aml, OP_BUFFER);
	begin(aml);
	put_integer(aml, sizeof(resources));
	put(aml, resources, sizeof(resources));
	aml_end(aml);
}

size_t aml_finish(const struct aml *aml)
{
	return aml->failed || aml->depth ? 0 : aml->used;
}
