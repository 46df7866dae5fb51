/* whpx_both.h - a program on the software CPU and through WHPX on the simulation, with bursts and without, compared. */
#ifndef TEST_WHPX_BOTH_H
#define TEST_WHPX_BOTH_H

#include "sim/whpx/notimpl.h"
#include "sim/whpx/whpsim.h"
#include "unit/agree.h"
#include "whpx/whpx.h"

/* A cmocka test whose state is a struct agree_program. */
static inline void both_agree(void **state)
{
	static struct agree_record soft, whpx;
	static const unsigned limits[] = {32, 0};
	const struct agree_program *p = *state;

	agree_run(VMA_ACCEL_SOFT, p, &soft);
	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
		whpx_burst_limit = limits[i];
		whpx_burst_exit_ns = 0;
		agree_run(VMA_ACCEL_WHPX, p, &whpx);
		agree_compare(p, &soft, &whpx);
	}
	assert_int_equal(whpsim_breaches(), 0);
	assert_int_equal(whpsim_unimplemented_calls(), 0);
}

#endif
