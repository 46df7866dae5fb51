/* raw_none.c - no platform below the library on this host: `vmaccel bench` prints no reference. */
#include "bench.h"

#include <stddef.h>

int raw_available(const char *accel, vma_arch arch)
{
	(void)accel, (void)arch;
	return 0;
}

struct raw *raw_open(char *why, uint32_t why_size)
{
	if (why_size)
		why[0] = 0;
	return NULL;
}

int raw_do(struct raw *raw, enum bench_op op, uint64_t n, char *why, uint32_t why_size)
{
	(void)raw, (void)op, (void)n;
	if (why_size)
		why[0] = 0;
	return -1;
}

void raw_close(struct raw *raw)
{
	(void)raw;
}
