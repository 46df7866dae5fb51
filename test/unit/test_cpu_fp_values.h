/* test_cpu_fp_values.h - floating-point operands worth trying: random ones that favour the edges of every format. */
#ifndef TEST_CPU_FP_VALUES_H
#define TEST_CPU_FP_VALUES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "x86/fpenv.h"
#include "x86/x87.h"

static uint64_t rnd_seed = 0x243f6a8885a308d3;
static uint64_t rnd(void)
{
	rnd_seed ^= rnd_seed << 13;
	rnd_seed ^= rnd_seed >> 7;
	rnd_seed ^= rnd_seed << 17;
	return rnd_seed * 0x2545f4914f6cdd1d;
}

/* Significand shapes: few bits set at either end, all ones, random. */
static uint64_t rnd_bits(unsigned bits)
{
	uint64_t v = rnd() >> (64 - bits), all = bits == 64 ? ~(uint64_t)0 : ((uint64_t)1 << bits) - 1;
	switch (rnd() % 6) {
	case 0:
		return 0;
	case 1:
		return all;
	case 2:
		return (uint64_t)1 << rnd() % bits;
	case 3:
		return all & ~(rnd() % 8);
	case 4:
		return v & all & ~(all >> 1 >> rnd() % bits);
	default:
		return v;
	}
}

/* Biased exponent out of `bits`: ends, middle, anything. */
static uint32_t rnd_exp(unsigned bits)
{
	uint32_t all = (1u << bits) - 1, mid = all / 2;
	switch (rnd() % 8) {
	case 0:
		return 0;
	case 1:
		return all;
	case 2:
		return 1 + rnd() % 3;
	case 3:
		return all - 1 - rnd() % 3;
	case 4:
		return (uint32_t)rnd() & all;
	default:
		return mid + (uint32_t)(rnd() % 70) - 35;
	}
}
static uint32_t rnd32(void)
{
	return (uint32_t)rnd() << 31 | rnd_exp(8) << 23 | (uint32_t)rnd_bits(23);
}
static uint64_t rnd64(void)
{
	return rnd() << 63 | (uint64_t)rnd_exp(11) << 52 | rnd_bits(52);
}
static inline struct x86_f80 rnd80(void)
{
	uint32_t e = rnd_exp(15);
	struct x86_f80 v = {rnd_bits(63) | (uint64_t)(e != 0) << 63, (uint16_t)(e | rnd() << 15)};
	if (rnd() % 16 == 0)
		v.sig ^= (uint64_t)1 << 63;
	return v;
}

#endif
