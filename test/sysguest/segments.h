/* segments.h - descriptors, gates and far pointers for the groups about segments, and names of lines out of numbers. */
#ifndef SYSGUEST_SEGMENTS_H
#define SYSGUEST_SEGMENTS_H

#include "sysguest.h"

/* attr: as in the second word of a descriptor, bits 8 to 23, without the limit's (SDM vol. 3, figure 3-8) */
static inline void describe(unsigned sel, uint32_t base, uint32_t limit, uint32_t attr)
{
	sg_gdt[sel / 8] = (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)(attr & 0xf0ff) << 40 |
			  (uint64_t)(limit & 0xf0000) << 32 | (uint64_t)(base >> 24) << 56;
}
/* A gate in the GDT; attr as above, with the count of parameters in bits 12 to 16. 64-bit mode: two entries. */
static inline void describe_gate(unsigned sel, unsigned to, uint64_t at, uint32_t attr)
{
	sg_gdt[sel / 8] = (at & 0xffff) | (uint64_t)to << 16 | (uint64_t)(attr & 0xff) << 40 |
			  (uint64_t)(attr >> 12 & 31) << 32 | (at >> 16 & 0xffff) << 48;
	if (SG_BITS == 64)
		sg_gdt[sel / 8 + 1] = at >> 32;
}

/* "text_hex", in a buffer used anew by the next call. */
static inline const char *name_of(const char *text, unsigned v)
{
	static char name[64];
	unsigned n = 0, shift = 28;
	while (*text)
		name[n++] = *text++;
	name[n++] = '_';
	while (shift && !(v >> shift & 15))
		shift -= 4;
	for (int s = (int)shift; s >= 0; s -= 4)
		name[n++] = "0123456789abcdef"[v >> s & 15];
	name[n] = 0;
	return name;
}
static inline const char *name_with(const char *text, const char *more)
{
	static char name[64];
	unsigned n = 0;
	while (*text)
		name[n++] = *text++;
	while (*more)
		name[n++] = *more++;
	name[n] = 0;
	return name;
}

#endif
