/* clock.h - the time that devices see, and their timers. The source can be a test's own. Timers run under the machine
 * lock. */
#ifndef VMM_CLOCK_H
#define VMM_CLOCK_H

#include "vmm.h"

#define NS_PER_SECOND 1000000000ull

struct device_timer {
	struct device_timer *next; /* in the clock's list, unsorted: there are two or three */
	uint64_t deadline;         /* monotonic ns */
	int armed;
	void (*fired)(void *device);
	void *device;
};

struct machine_clock {
	struct vmm_clock_source source;
	uint64_t start; /* monotonic ns of the machine's start */
	struct device_timer *timers;
	void (*changed)(void *opaque); /* the earliest deadline may be sooner now; may be NULL */
	void *opaque;
};

void clock_init(struct machine_clock *clock, const struct vmm_clock_source *source);
uint64_t clock_ns(const struct machine_clock *clock);      /* since the machine's start */
int64_t clock_realtime(const struct machine_clock *clock); /* UTC, ns since 1970 */

void timer_add(struct machine_clock *clock, struct device_timer *timer, void (*fired)(void *device), void *device);
void timer_set(struct machine_clock *clock, struct device_timer *timer, uint64_t deadline); /* in clock_ns */
void timer_stop(struct device_timer *timer);
/* Fire what is due. Returns ns until the next deadline (0 if it is due already), UINT64_MAX: none. */
uint64_t timers_run(struct machine_clock *clock);

#endif
