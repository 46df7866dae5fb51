/* x87.c - extended precision: what compilers make of long double. */
#define REAL long double
static inline long double square_root(long double x)
{
	__asm__("fsqrt" : "+t"(x));
	return x;
}
#define SQUARE_ROOT(x) square_root(x)
#include "fp.h"

uint64_t program_x87(uint64_t reps, uint8_t *heap)
{
	return fp_work(reps, heap);
}
