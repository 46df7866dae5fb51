/* table.c - the list of checks, by number, and the known differences. */
#include "conformance.h"

#include <string.h>

/* T118: an accelerator that is missing says so; one that is there needs no excuse. */
static int diagnosis(struct conf *conf)
{
	vma_platform_info info = {.size = sizeof(info)};

	for (int i = 0; i < vma_platform_count(); i++) {
		CONF_OK(conf, vma_platform_get(i, &info));
		CONF_EXPECT(conf, info.name && strcmp(info.name, vma_accel_name(info.accel)) == 0);
		CONF_EXPECT(conf, info.available || (info.why && info.why[0]));
		CONF_EXPECT(conf, info.available || info.caps == 0);
	}
	CONF_EQUAL(conf, vma_platform_get(vma_platform_count(), &info), VMA_E_NOENT);
	return CONF_PASS;
}

const struct conf_check conf_checks[] = {
	{118, "An accelerator that is missing says why", "any platform", diagnosis, NULL},
};
const int conf_check_count = sizeof(conf_checks) / sizeof(conf_checks[0]);

/* The row with number 0 only keeps the table from being empty. */
const struct conf_difference conf_differences[] = {
	{0, VMA_ACCEL_AUTO, ""},
};
const int conf_difference_count = sizeof(conf_differences) / sizeof(conf_differences[0]);
