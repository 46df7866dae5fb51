/* accels.h - the accelerators that run x86-64 guests, for tests that take each one that is here. Which are compiled in is the
 * program's: test/CMakeLists.txt links some of these tests a second time, with the simulated ones. */
#ifndef TEST_ACCELS_H
#define TEST_ACCELS_H

#include <stdbool.h>
#include <vmaccel/vmaccel.h>

static const vma_accel accels[] = {VMA_ACCEL_SOFT, VMA_ACCEL_KVM, VMA_ACCEL_WHPX};
enum { ACCELS = sizeof accels / sizeof *accels };

static inline bool have(vma_accel accel)
{
	vma_platform_info info = {.size = sizeof info};

	return vma_platform_find(accel, VMA_ARCH_X86_64, &info) == 0 && info.available;
}

#endif
