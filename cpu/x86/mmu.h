/* mmu.h - between the page walk (mmu_walk.c) and the TLBs (mmu.c). */
#ifndef CPU_X86_MMU_H
#define CPU_X86_MMU_H

#include "engine.h"

struct x86_translation {
	uint64_t gpa;
	unsigned bits; /* log2 of the page size */
	bool writable; /* by the same access rights, and already dirty */
	bool global;
	uint8_t key; /* protection key, where one counts; else 0 */
};
bool x86_translate(struct x86_cpu *c, uint64_t gva, unsigned access, struct x86_translation *t, unsigned *error);

#endif
