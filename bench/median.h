/* median.h - the median of a benchmark's samples. */
#ifndef BENCH_MEDIAN_H
#define BENCH_MEDIAN_H

#include <stdlib.h>

static inline int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorts them; of an even number the upper of the middle two. */
static inline double median(double *samples, size_t count)
{
	qsort(samples, count, sizeof(*samples), ascending);
	return samples[count / 2];
}

#endif
