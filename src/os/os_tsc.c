/* os_tsc.c - the processor's time stamp counter and its frequency, where there is one. */
#include "os/os.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <x86intrin.h>

static uint64_t tsc_from_cpuid(void)
{
	unsigned a, b, c, d;

	if (__get_cpuid_count(0x15, 0, &a, &b, &c, &d) && a && b && c)
		return (uint64_t)c * b / a;
	/* VMware's and KVM's timing leaf: EAX is the TSC in kHz. */
	__cpuid(0x40000000, a, b, c, d);
	if (a >= 0x40000010 && a < 0x40000100) {
		__cpuid(0x40000010, a, b, c, d);
		return (uint64_t)a * 1000;
	}
	return 0;
}

static uint64_t tsc_measured(void)
{
	uint64_t t0 = os_now_ns(), c0 = __rdtsc(), t1, c1;

	do {
		t1 = os_now_ns();
		c1 = __rdtsc();
	} while (t1 - t0 < 2000000);
	return (uint64_t)((double)(c1 - c0) * 1e9 / (double)(t1 - t0));
}

uint64_t os_tsc_hz(void)
{
	static _Atomic uint64_t hz;

	if (!hz) {
		uint64_t found = tsc_from_cpuid();
		hz = found ? found : tsc_measured();
	}
	return hz;
}

uint64_t os_tsc(void)
{
	return __rdtsc();
}
#else
uint64_t os_tsc_hz(void)
{
	return 0;
}

uint64_t os_tsc(void)
{
	return 0;
}
#endif
