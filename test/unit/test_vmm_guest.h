/* test_vmm_guest.h - for tests of whole machines: a file with a guest of a few instructions, and the accelerators to
 * run it on. */
#ifndef TEST_VMM_GUEST_H
#define TEST_VMM_GUEST_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "accels.h"
#include "vmm.h"

static vma_accel accel;
static char path[] = "/tmp/test_vmm_guest_XXXXXX";

static void begin_guests(void)
{
	close(mkstemp(path));
}

static void write_guest(const void *code, size_t size)
{
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(code, 1, size, file), size);
	fclose(file);
}

/* Run a group of tests on each accelerator that this host has; returns how many failed. */
static int on_each_accel(int (*group)(void))
{
	int failed = 0;

	for (size_t i = 0; i < ACCELS; i++) {
		accel = accels[i];
		printf("on %s: %s\n", vma_accel_name(accel), have(accel) ? "" : "not here");
		failed += have(accel) ? group() : 0;
	}
	unlink(path);
	return failed;
}

#endif
