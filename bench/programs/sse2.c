/* sse2.c - double precision in XMM registers, scalar as compilers write it, and packed. */
#include <emmintrin.h>

#define REAL double
#define SQUARE_ROOT(x) _mm_cvtsd_f64(_mm_sqrt_sd(_mm_setzero_pd(), _mm_set_sd(x)))
#include "fp.h"

static double packed(double *x, double *y)
{
	__m128d sum = _mm_setzero_pd();

	for (int i = 0; i < 512; i += 2) {
		__m128d a = _mm_loadu_pd(x + i), b = _mm_loadu_pd(y + i);

		b = _mm_add_pd(_mm_mul_pd(a, _mm_set1_pd(0.5)), b);
		_mm_storeu_pd(y + i, _mm_min_pd(b, _mm_set1_pd(8)));
		sum = _mm_add_pd(sum, _mm_div_pd(a, _mm_add_pd(b, _mm_set1_pd(1))));
	}
	return _mm_cvtsd_f64(_mm_add_sd(sum, _mm_unpackhi_pd(sum, sum)));
}

uint64_t program_sse2(uint64_t reps, uint8_t *heap)
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
