/* start.c - the image's entry, at its first byte: the program by its number in PROGRAMS. */
#include "programs.h"

#define PROGRAM_ENTRY(name, text) program_##name,
static program_fn *const all[] = {PROGRAMS(PROGRAM_ENTRY)};

__attribute__((section(".start"))) uint64_t start(uint64_t which, uint64_t reps, uint8_t *heap);
uint64_t start(uint64_t which, uint64_t reps, uint8_t *heap)
{
	return all[which](reps, heap);
}
