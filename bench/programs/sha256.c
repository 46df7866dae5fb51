/* sha256.c - SHA-256 (FIPS 180-4) of 16 KiB, in plain C. */
#include "programs.h"

static uint32_t rotate(uint32_t v, int n)
{
	return v >> n | v << (32 - n);
}

static void block(uint32_t h[8], const uint32_t k[64], const uint8_t *in)
{
	uint32_t w[64], v[8];

	for (int i = 0; i < 16; i++)
		w[i] = (uint32_t)in[i * 4] << 24 | (uint32_t)in[i * 4 + 1] << 16 | (uint32_t)in[i * 4 + 2] << 8 |
		       in[i * 4 + 3];
	for (int i = 16; i < 64; i++) {
		uint32_t s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
		uint32_t s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;

		w[i] = w[i - 16] + s0 + w[i - 7] + s1;
	}
	for (int i = 0; i < 8; i++)
		v[i] = h[i];
	for (int i = 0; i < 64; i++) {
		uint32_t s1 = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
		uint32_t t1 = v[7] + s1 + ((v[4] & v[5]) ^ (~v[4] & v[6])) + k[i] + w[i];
		uint32_t s0 = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
		uint32_t t2 = s0 + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));

		v[7] = v[6];
		v[6] = v[5];
		v[5] = v[4];
		v[4] = v[3] + t1;
		v[3] = v[2];
		v[2] = v[1];
		v[1] = v[0];
		v[0] = t1 + t2;
	}
	for (int i = 0; i < 8; i++)
		h[i] += v[i];
}

/* The constants are the fractions of the cube roots of the first 64 primes; found as the largest c with c^3 <= p *
 * 2^96, bit by bit. */
static uint32_t cube_root_fraction(uint32_t p)
{
	uint64_t root = 0;

	for (int bit = 34; bit >= 0; bit--) {
		uint64_t t = root | (uint64_t)1 << bit;

		if ((unsigned __int128)t * t * t <= (unsigned __int128)p << 96)
			root = t;
	}
	return (uint32_t)root;
}

static void constants(uint32_t k[64])
{
	uint32_t p = 2;

	for (int n = 0; n < 64; p++) {
		uint32_t d = 2;

		while (d * d <= p && p % d)
			d++;
		if (d * d > p)
			k[n++] = cube_root_fraction(p);
	}
}

uint64_t program_sha256(uint64_t reps, uint8_t *heap)
{
	uint32_t h[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
			 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
	uint32_t *k = (uint32_t *)(void *)heap;
	uint8_t *data = heap + 0x1000;

	constants(k);
	for (int i = 0; i < 1 << 14; i++)
		data[i] = (uint8_t)(i * 31 >> 3);
	for (; reps; reps--)
		for (int i = 0; i < 1 << 14; i += 64)
			block(h, k, data + i);
	return (uint64_t)h[0] << 32 | h[7];
}
