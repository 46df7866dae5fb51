/* fp.h - floating-point work in the type REAL: a gravitational system of five bodies, and a product of matrices. */
#ifndef BENCH_PROGRAMS_FP_H
#define BENCH_PROGRAMS_FP_H

#include "programs.h"

enum { BODIES = 5, SIDE = 16 };

struct body {
	REAL at[3], v[3], mass;
};

static void start_bodies(struct body *b)
{
	for (int i = 0; i < BODIES; i++)
		for (int k = 0; k < 3; k++) {
			b[i].at[k] = (REAL)(i * 3 + k * k) - 4;
			b[i].v[k] = (REAL)((i ^ k) - 1) / 64;
			b[i].mass = (REAL)(i + 1) / 8;
		}
}

static void move_bodies(struct body *b, REAL dt)
{
	for (int i = 0; i < BODIES; i++)
		for (int j = i + 1; j < BODIES; j++) {
			REAL d[3], square = (REAL)0.01;

			for (int k = 0; k < 3; k++) {
				d[k] = b[i].at[k] - b[j].at[k];
				square += d[k] * d[k];
			}
			REAL pull = dt / (square * SQUARE_ROOT(square));

			for (int k = 0; k < 3; k++) {
				b[i].v[k] -= d[k] * b[j].mass * pull;
				b[j].v[k] += d[k] * b[i].mass * pull;
			}
		}
	for (int i = 0; i < BODIES; i++)
		for (int k = 0; k < 3; k++)
			b[i].at[k] += dt * b[i].v[k];
}

static void multiply(REAL *out, const REAL *a, const REAL *b)
{
	for (int i = 0; i < SIDE; i++)
		for (int j = 0; j < SIDE; j++) {
			REAL sum = 0;

			for (int k = 0; k < SIDE; k++)
				sum += a[i * SIDE + k] * b[k * SIDE + j];
			out[i * SIDE + j] = sum;
		}
}

static uint64_t fp_work(uint64_t reps, uint8_t *heap)
{
	struct body *bodies = (struct body *)(void *)heap;
	REAL *a = (REAL *)(void *)(heap + 0x1000), *b = a + SIDE * SIDE, *c = b + SIDE * SIDE, sum = 0;

	start_bodies(bodies);
	for (int i = 0; i < SIDE * SIDE; i++) {
		a[i] = (REAL)(i % 17) / 16;
		b[i] = (REAL)(i % 13) / 16;
	}
	for (; reps; reps--) {
		for (int i = 0; i < 40; i++)
			move_bodies(bodies, (REAL)0.001);
		multiply(c, a, b);
		a[reps % (SIDE * SIDE)] = c[5] / 1024;
		sum += c[reps % (SIDE * SIDE)] + bodies[0].at[0];
	}
	return (uint64_t)(int64_t)(sum * 1024);
}

#endif
