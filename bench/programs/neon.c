/* neon.c - double precision on arm64: scalar as compilers write it, and packed. */
#include <arm_neon.h>

#define REAL double
#define SQUARE_ROOT(x) __builtin_sqrt(x)
#include "fp.h"

static double packed(double *x, double *y)
{
	float64x2_t sum = vdupq_n_f64(0);

	for (int i = 0; i < 512; i += 2) {
		float64x2_t a = vld1q_f64(x + i), b = vld1q_f64(y + i);

		b = vaddq_f64(vmulq_f64(a, vdupq_n_f64(0.5)), b);
		vst1q_f64(y + i, vminq_f64(b, vdupq_n_f64(8)));
		sum = vaddq_f64(sum, vdivq_f64(a, vaddq_f64(b, vdupq_n_f64(1))));
	}
	return vaddvq_f64(sum);
}

uint64_t program_neon(uint64_t reps, uint8_t *heap)
{
	double *x = (double *)(void *)(heap + 0x8000), *y = x + 512, sum = 0;

	for (int i = 0; i < 512; i++) {
		x[i] = i / 64.0;
		y[i] = (512 - i) / 64.0;
	}
	for (uint64_t i = 0; i < reps * 8; i++)
		sum += packed(x, y);
	return fp_work(reps, heap) + (uint64_t)(int64_t)(sum * 16);
}
