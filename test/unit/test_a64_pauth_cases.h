/* test_a64_pauth_cases.h - random cases of pointer authentication, made alike here and in a guest of another
 * implementation (test_a64_pauth.c says which). */
#ifndef TEST_A64_PAUTH_CASES_H
#define TEST_A64_PAUTH_CASES_H

#include <stdint.h>

struct pauth_case {
	uint64_t key[5][2], tcr, pointer, modifier;
	unsigned op; /* 0..3 PACIA PACIB PACDA PACDB; 4..7 AUT; 8 XPACI 9 XPACD 10 PACGA */
};
enum { PAUTH_OPS = 11, PAUTH_CASES = 20000 };

static inline uint64_t pauth_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed * UINT64_C(0x2545f4914f6cdd1d);
}

/* Every so often keys and TCR_EL1 change; pointers are good and bad ones of both halves. `last` is the result of the
 * case before, so that AUT meets what PAC has made. */
static inline void pauth_next(struct pauth_case *p, uint64_t *seed, unsigned n, uint64_t last)
{
	uint64_t r = pauth_random(seed);
	if (n % 16 == 0) {
		static const uint8_t tg[4] = {0, 1, 2, 3};
		for (unsigned i = 0; i < 10; i++)
			p->key[i / 2][i & 1] = pauth_random(seed);
		p->tcr = (16 + r % 32) | (16 + (r >> 8) % 32) << 16 | (uint64_t)tg[r >> 16 & 1] << 14 |
			 (uint64_t)(r >> 17 & 1 ? 3 : 2) << 30 | (r >> 18 & 3) << 37 | (r >> 20 & 3) << 51;
	}
	p->op = (r >> 24) % PAUTH_OPS;
	if (p->op >= 4 && p->op < 8 && r >> 60 < 12) {
		p->pointer = last;
		return;
	}
	p->modifier = pauth_random(seed);
	p->pointer = pauth_random(seed);
	if (r >> 32 & 3)
		p->pointer = r >> 34 & 1 ? p->pointer | UINT64_MAX << 40 : p->pointer & ~(UINT64_MAX << 40);
	/* Where bits 63 and 55 disagree and tags are not ignored in both halves, the other implementation does not do
	 * as AddPAC says. */
	if ((p->tcr >> 37 & 3) != 3 || p->tcr >> 51 & 3)
		p->pointer = (p->pointer & ~(UINT64_C(1) << 63)) | (p->pointer << 8 & UINT64_C(1) << 63);
}

#endif
