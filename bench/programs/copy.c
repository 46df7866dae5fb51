/* copy.c - memcpy as C libraries have it, and a loop of 8-byte loads and stores at friendly and at unfriendly
 * addresses. */
#include "programs.h"

#ifdef __aarch64__
typedef unsigned __int128 part __attribute__((aligned(1), may_alias)); /* LDP and STP */
#else
#include <emmintrin.h>
typedef __m128i_u part;
#endif

static void copy_short(uint8_t *to, const uint8_t *from, uint64_t n) /* 16 to 32 bytes */
{
	part a = *(const part *)(const void *)from, b = *(const part *)(const void *)(from + n - 16);

	*(part *)(void *)to = a;
	*(part *)(void *)(to + n - 16) = b;
}

/* By pairs of 16 bytes; on x86-64 above 2 KiB with REP MOVSB: what C libraries do on processors that say ERMS. */
static void copy(uint8_t *to, const uint8_t *from, uint64_t n)
{
#ifndef __aarch64__
	if (n > 2048) {
		__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
		return;
	}
#endif
	while (n > 32) {
		part a = *(const part *)(const void *)from, b = *(const part *)(const void *)(from + 16);

		*(part *)(void *)to = a;
		*(part *)(void *)(to + 16) = b;
		to += 32;
		from += 32;
		n -= 32;
	}
	if (n >= 16)
		copy_short(to, from, n);
	else
		for (; n; n--)
			*to++ = *from++;
}

uint64_t program_memcpy(uint64_t reps, uint8_t *heap)
{
	static const uint32_t sizes[] = {16,  24,  40,   64,   100,  128,  200,   256,
					 400, 512, 1000, 1500, 2048, 4096, 16384, 65536};
	uint8_t *from = heap + 0x10, *to = heap + 0x100008;
	uint64_t sum = 0;

	for (int i = 0; i < 65536; i++)
		from[i] = (uint8_t)(i ^ i >> 8);
	for (; reps; reps--)
		for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
			for (unsigned n = 0; n < 65536; n += sizes[i] * 4 + 4096) /* the small ones more often */
				copy(to + n % 1024, from + n % 512, sizes[i]);
			sum += to[sizes[i] - 1];
		}
	return sum;
}

enum { WORDS = 4096 };

static uint64_t copy_words(uint64_t reps, volatile uint64_t *to, volatile uint64_t *from)
{
	for (unsigned i = 0; i < WORDS; i++)
		from[i] = i * 0x9e3779b97f4a7c15u;
	for (; reps; reps--) {
		for (unsigned i = 0; i < WORDS; i++)
			to[i] = from[i];
		from[reps % WORDS] += to[(reps + 1) % WORDS];
	}
	return to[0] + to[WORDS - 1];
}

uint64_t program_copy_plain(uint64_t reps, uint8_t *heap)
{
	return copy_words(reps, (volatile uint64_t *)(void *)(heap + 0x10840), (volatile uint64_t *)(void *)heap);
}

/* 4 MiB apart: the same place in a page, and the same set of any translation buffer up to 1024 entries. */
uint64_t program_copy_alias(uint64_t reps, uint8_t *heap)
{
	return copy_words(reps, (volatile uint64_t *)(void *)(heap + 0x400000), (volatile uint64_t *)(void *)heap);
}
