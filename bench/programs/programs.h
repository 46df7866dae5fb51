/* programs.h - the guest user programs of bench_programs: one flat image, run by the host's processor and by the
 * software CPU from the same bytes at the same addresses. They need nothing: no library, no system, no static data that
 * is written. */
#ifndef BENCH_PROGRAMS_H
#define BENCH_PROGRAMS_H

#include <stdint.h>

/* Where the image is, and behind it the memory that the programs work on. */
enum { IMAGE_AT = 0x10000000, HEAP_AT = 0x10100000, HEAP_SIZE = 16 << 20 };

/* Each works `reps` times and answers a checksum of what it computed. */
typedef uint64_t program_fn(uint64_t reps, uint8_t *heap);
#if defined(__aarch64__) || defined(PROGRAMS_OF_ARM64)
#define PROGRAMS_FP(X)                                                                                                 \
	X(neon, "NEON floating point")                                                                                 \
	X(bytes, "NEON integers: strings, blocks, saturation")
#else
#define PROGRAMS_FP(X)                                                                                                 \
	X(sse2, "SSE2 floating point")                                                                                 \
	X(x87, "x87 floating point")
#endif
#define PROGRAMS(X)                                                                                                    \
	X(integer, "integer: list, matrix, state machine, CRC")                                                        \
	X(sha256, "SHA-256")                                                                                           \
	X(memcpy, "memcpy, 16 bytes to 64 KiB")                                                                        \
	X(copy_plain, "8-byte copy")                                                                                   \
	X(copy_alias, "8-byte copy, aliasing addresses")                                                               \
	PROGRAMS_FP(X)                                                                                                 \
	X(qsort, "qsort")                                                                                              \
	X(calls, "indirect calls")
#define PROGRAM_DECLARE(name, text) program_fn program_##name;
PROGRAMS(PROGRAM_DECLARE)

static inline uint64_t next_random(uint64_t *state) /* xorshift64 */
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	return *state ^= *state << 17;
}

#endif
