/* values.c - random numbers, and operands worth trying: the edges of integers and of every floating-point format. */
#include "silicon.h"

/* splitmix64: any seed is as good as any other */
uint64_t rnd_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* Significands with few bits at either end, all ones, anything. */
static uint64_t fraction(uint64_t *s, unsigned bits)
{
	uint64_t all = ((uint64_t)1 << bits) - 1, v = rnd_next(s) & all;
	switch (rnd_next(s) % 6) {
	case 0:
		return 0;
	case 1:
		return all;
	case 2:
		return (uint64_t)1 << rnd_next(s) % bits;
	case 3:
		return all & ~(rnd_next(s) % 8);
	case 4:
		return v & ~(all >> rnd_next(s) % bits);
	default:
		return v;
	}
}
static uint64_t exponent(uint64_t *s, unsigned bits)
{
	uint64_t all = ((uint64_t)1 << bits) - 1, mid = all / 2;
	switch (rnd_next(s) % 8) {
	case 0:
		return rnd_next(s) % 3;
	case 1:
		return all - rnd_next(s) % 3;
	case 2:
		return rnd_next(s) & all;
	case 3:
		return mid + rnd_next(s) % 140 - 70;
	default:
		return mid + rnd_next(s) % 12 - 6;
	}
}
static uint32_t single(uint64_t *s)
{
	return (uint32_t)((rnd_next(s) & 1) << 31 | (exponent(s, 8) & 0xff) << 23 | fraction(s, 23));
}
static uint64_t dbl(uint64_t *s)
{
	return (rnd_next(s) & 1) << 63 | (exponent(s, 11) & 0x7ff) << 52 | fraction(s, 52);
}
static uint64_t integer(uint64_t *s)
{
	static const uint64_t edges[] = {0,      1,          0x7f,       0x80,       0xff,      0x7fff,     0x8000,
					 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, INT64_MAX, 1ull << 63, UINT64_MAX};
	uint64_t v = rnd_next(s);
	switch (rnd_next(s) & 7) {
	case 0:
		return edges[v % (sizeof edges / sizeof *edges)];
	case 1:
		return v & 0xff;
	case 2:
		return (uint64_t)(int64_t)(int8_t)v;
	case 3:
		return (uint32_t)v;
	default:
		return v;
	}
}

/* No word that LDMXCSR takes on an AMD host and not on the software CPU, which has not MXCSR.MM (APM vol. 1, 4.2.2). */
static void no_misaligned_mode(uint8_t *p, size_t size)
{
	for (size_t i = 0; i + 4 <= size; i += 4)
		if (p[i + 2] == 2 && !p[i + 3])
			p[i + 2] = 0;
}

/* Stretches of one kind, 16 bytes at least, so that a vector is of one kind as a rule. */
void fill_pool(uint8_t *pool, size_t size, uint64_t seed)
{
	uint64_t s = seed, v = 0;
	unsigned kind = 0;
	for (size_t i = 0; i + 8 <= size; i += 8) {
		if (i % 32 == 0)
			kind = rnd_next(&s) % 9;
		switch (kind) {
		case 0:
		case 1:
			v = single(&s) | (uint64_t)single(&s) << 32;
			break;
		case 2:
		case 3:
			v = dbl(&s);
			break;
		case 4:
			v = (rnd_next(&s) & 0x0303030303030303) | (rnd_next(&s) % 4 ? 0 : 0x4100);
			break;
		case 5:
			v = rnd_next(&s);
			break;
		case 6: /* an 80-bit number in the place of two words */
			v = i % 16 ? (rnd_next(&s) & 0x8000) | (exponent(&s, 15) & 0x7fff)
				   : (uint64_t)(rnd_next(&s) % 16 != 0) << 63 | fraction(&s, 63);
			break;
		default:
			v = integer(&s);
		}
		memcpy(pool + i, &v, 8);
	}
	no_misaligned_mode(pool, size);
}

/* The way out of the arena. The page that can only be read: random values, images that FXRSTOR takes, and at its start
 * arguments for the transcendental functions that want small ones. */
void fill_fixed(struct s_shared *sh)
{
	static const uint8_t jump[] = {0xff, 0x25, 2, 0, 0, 0, 0xcc, 0xcc};
	uint64_t exit64 = S_EXIT64, s = 1;
	uint8_t *leave = sh->arena + S_ARENA_SIZE - 16;
	memcpy(leave, jump, sizeof jump);
	memcpy(leave + 8, &exit64, 8);
	static const uint8_t control[] = {0x7f, 0x03, 0, 0, 0xff};
	uint32_t mxcsr = 0x1f80;
	fill_pool(sh->read_only, sizeof sh->read_only, 0x1ead);
	for (unsigned at = 0x400; at < 0xc00; at += 0x400) {
		memcpy(sh->read_only + at, control, sizeof control);
		memcpy(sh->read_only + at + 24, &mxcsr, 4);
	}
	for (unsigned n = 0; n < S_SMALL; n++) {
		double v = ((double)(int64_t)rnd_next(&s) * 0x1p-63) * (n % 4 ? 0.29 : n % 3 ? 0x1p-20 : 0x1p-60);
		memcpy(sh->read_only + 8 * n, &v, 8);
	}
}
