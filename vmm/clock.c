/* clock.c - see clock.h. */
#include "clock.h"

#include <uv.h>

static uint64_t host_monotonic(void *opaque)
{
	(void)opaque;
	return uv_hrtime();
}

static int64_t host_realtime(void *opaque)
{
	uv_timeval64_t now = {0, 0};

	(void)opaque;
	uv_gettimeofday(&now);
	return now.tv_sec * (int64_t)NS_PER_SECOND + (int64_t)now.tv_usec * 1000;
}

void clock_init(struct machine_clock *clock, const struct vmm_clock_source *source)
{
	*clock = (struct machine_clock){.source = *source};
	if (!clock->source.monotonic_ns)
		clock->source.monotonic_ns = host_monotonic;
	if (!clock->source.realtime_ns)
		clock->source.realtime_ns = host_realtime;
	clock->start = clock->source.monotonic_ns(clock->source.opaque);
}

uint64_t clock_ns(const struct machine_clock *clock)
{
	return clock->source.monotonic_ns(clock->source.opaque) - clock->start;
}

int64_t clock_realtime(const struct machine_clock *clock)
{
	return clock->source.realtime_ns(clock->source.opaque);
}

void timer_add(struct machine_clock *clock, struct device_timer *timer, void (*fired)(void *device), void *device)
{
	*timer = (struct device_timer){.next = clock->timers, .fired = fired, .device = device};
	clock->timers = timer;
}

void timer_set(struct machine_clock *clock, struct device_timer *timer, uint64_t deadline)
{
	timer->deadline = deadline;
	timer->armed = 1;
	if (clock->changed)
		clock->changed(clock->opaque);
}

void timer_stop(struct device_timer *timer)
{
	timer->armed = 0;
}

uint64_t timers_run(struct machine_clock *clock)
{
	uint64_t now = clock_ns(clock), next = UINT64_MAX;

	for (struct device_timer *t = clock->timers; t; t = t->next)
		if (t->armed && t->deadline <= now) {
			t->armed = 0;
			t->fired(t->device);
		}
	for (struct device_timer *t = clock->timers; t; t = t->next)
		if (t->armed && (t->deadline <= now ? 0 : t->deadline - now) < next)
			next = t->deadline <= now ? 0 : t->deadline - now;
	return next;
}
