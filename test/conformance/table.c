/* table.c - all groups of checks, and the checks by number. */
#include "conformance.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* One group a file: conf_lifecycle.c defines conf_lifecycle. */
#define GROUPS(X)                                                                                                      \
	X(lifecycle) X(kick) X(io) X(mmio) X(exit) X(memory) X(state) X(cpuid) X(irq) X(clock) \
	X(debug) X(snapshot) X(misc) X(insns)

#define DECLARE(name) extern const struct conf_group conf_##name;
GROUPS(DECLARE)
#undef DECLARE

static const struct conf_group *const groups[] = {
#define ENTRY(name) &conf_##name,
	GROUPS(ENTRY)
#undef ENTRY
};
enum { GROUP_COUNT = sizeof(groups) / sizeof(groups[0]), CHECKS_MAX = 1000 };

static const struct conf_check *sorted[CHECKS_MAX];
static int sorted_count;

static int by_number(const void *a, const void *b)
{
	return (*(const struct conf_check *const *)a)->number - (*(const struct conf_check *const *)b)->number;
}

static void sort(void)
{
	for (int g = 0; g < GROUP_COUNT; g++)
		for (int i = 0; i < groups[g]->check_count && sorted_count < CHECKS_MAX; i++)
			sorted[sorted_count++] = &groups[g]->checks[i];
	qsort(sorted, (size_t)sorted_count, sizeof(sorted[0]), by_number);
}

int conf_count(void)
{
	if (!sorted_count)
		sort();
	return sorted_count;
}

const struct conf_check *conf_at(int index)
{
	return index >= 0 && index < conf_count() ? sorted[index] : NULL;
}

const struct conf_check *conf_find(int number)
{
	for (int i = 0; i < conf_count(); i++)
		if (sorted[i]->number == number)
			return sorted[i];
	return NULL;
}

static bool applies(const struct conf_difference *d, int number, const vma_platform_info *info)
{
	return d->number == number && d->accel == info->accel && (d->arch ? d->arch : VMA_ARCH_X86_64) == info->arch &&
	       (!d->only_where || (info->version && strstr(info->version, d->only_where)));
}

const char *conf_known_difference(int number, const vma_platform_info *info)
{
	for (int g = 0; g < GROUP_COUNT; g++)
		for (int i = 0; i < groups[g]->difference_count; i++) {
			const struct conf_difference *d = &groups[g]->differences[i];

			if (applies(d, number, info))
				return d->reason;
		}
	return NULL;
}
