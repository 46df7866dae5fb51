/* each_windows.h - a test that is rows of a simulated Windows and of what must hold on it: each in a process of its own, since a process has but one. */
#ifndef EACH_WINDOWS_H
#define EACH_WINDOWS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "conformance/guest.h"
#include "sim/whpx/whpsim.h"

struct windows_row {
	const char *windows, *name;
	const char *(*body)(void); /* NULL: it holds; else what does not */
};

static struct conf conf = {.accel = VMA_ACCEL_WHPX, .arch = VMA_ARCH_X86_64};

#define EXPECT(condition)                                                                                              \
	if (!(condition))                                                                                              \
	return #condition

static inline int windows_child(const struct windows_row *row, FILE *out)
{
	const char *why;

	setenv("VMA_WHPX_SIM", row->windows, 1);
	vma_platform_find(VMA_ACCEL_WHPX, VMA_ARCH_X86_64, &(vma_platform_info){.size = sizeof(vma_platform_info)});
	why = row->body();
	if (why)
		fprintf(out, "%s (%s) (%s)", why, conf.reason, vma_why());
	else if (whpsim_breaches())
		fprintf(out, "a rule of the platform was broken");
	fflush(out);
	return 0;
}

static inline void on_its_windows(void **state)
{
	const struct windows_row *row = *state;
	FILE *out = tmpfile();
	char text[900] = "";
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid)
		_exit(windows_child(row, out));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	rewind(out);
	if (fgets(text, sizeof text, out) || status)
		fail_msg("Windows %s: status %d: %s", row->windows, status, text);
	fclose(out);
}

enum { WINDOWS_ROWS = 128 };

static inline int each_on_its_windows(const struct windows_row *rows, size_t count)
{
	struct CMUnitTest tests[WINDOWS_ROWS] = {0};

	if (count > WINDOWS_ROWS)
		return 1;
	for (size_t i = 0; i < count; i++)
		tests[i] = (struct CMUnitTest){rows[i].name, on_its_windows, NULL, NULL, (void *)(uintptr_t)&rows[i]};
	return cmocka_run_group_tests(tests, NULL, NULL); /* which leaves out what has no function */
}

#endif
