/* conf_clock.c - checks of clocks (T096-T099). */
#include "conformance.h"

static const struct conf_check checks[] = {
	{96, "TSC monotonic across save/restore, no skew across vCPUs >1 µs; TSC offset get/set; TSC_ADJUST", "x86 clock", NULL,
	 "not written yet"},
	{97, "TSC_DEADLINE restored after TSC; zero deadline; expired deadline fires once", "x86 clock", NULL,
	 "not written yet"},
	{98, "CNTVCT offset, vtimer deadline computed with offset at 24 MHz (41.67 ns)", "arm64 clock", NULL,
	 "arm64 is not written yet"},
	{99, "Pause 1 h (simulated): guest clock option stop/continue honoured", "any clock", NULL,
	 "not written yet"},
};

CONF_GROUP(clock, checks, NULL, 0);
