/* le.h - little-endian fields of files, tables and guest structures, at any alignment. */
#ifndef VMM_LE_H
#define VMM_LE_H

#include <stdint.h>

static inline uint64_t get_le(const void *p, unsigned width)
{
	const uint8_t *b = p;
	uint64_t v = 0;

	for (unsigned i = 0; i < width; i++)
		v |= (uint64_t)b[i] << 8 * i;
	return v;
}

static inline void put_le(void *p, unsigned width, uint64_t v)
{
	uint8_t *b = p;

	for (unsigned i = 0; i < width; i++)
		b[i] = (uint8_t)(v >> 8 * i);
}

static inline uint16_t get_le16(const void *p)
{
	return (uint16_t)get_le(p, 2);
}

static inline uint32_t get_le32(const void *p)
{
	return (uint32_t)get_le(p, 4);
}

static inline uint64_t get_le64(const void *p)
{
	return get_le(p, 8);
}

static inline void put_le16(void *p, uint16_t v)
{
	put_le(p, 2, v);
}

static inline void put_le32(void *p, uint32_t v)
{
	put_le(p, 4, v);
}

static inline void put_le64(void *p, uint64_t v)
{
	put_le(p, 8, v);
}

#endif
