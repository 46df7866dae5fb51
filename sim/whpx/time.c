/* time.c - partition time, which stands still from WHvSuspendPartitionTime to the next run or WHvResumePartitionTime,
 * and the TSC that is made of it. */
#include <sched.h>
#include <time.h>
#include "whpsim.h"

uint64_t whpsim_host_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void whpsim_yield(void)
{
	sched_yield();
}

uint64_t whpsim_time_ns(const struct whpsim_partition *p)
{
	uint64_t stopped = atomic_load(&p->time_stopped_at);
	return stopped != UINT64_MAX ? stopped : whpsim_host_ns() - atomic_load(&p->time_offset);
}

void whpsim_time_resume(struct whpsim_partition *p)
{
	if (atomic_load_explicit(&p->time_stopped_at, memory_order_relaxed) == UINT64_MAX)
		return;
	uint64_t stopped = atomic_exchange(&p->time_stopped_at, UINT64_MAX);
	if (stopped == UINT64_MAX)
		return;
	atomic_store(&p->time_offset, whpsim_host_ns() - stopped);
	if (whpsim_has_apic(p))
		whpsim_apic_time_moved(p);
}

uint64_t whpsim_tsc_of(const struct whpsim_partition *p)
{
	__extension__ unsigned __int128 v = (unsigned __int128)whpsim_time_ns(p) * p->properties.tsc_hz;
	return (uint64_t)(v / 1000000000) + atomic_load_explicit(&p->tsc_jumped, memory_order_relaxed);
}

uint64_t whpsim_tsc(void *o)
{
	struct whpsim_vp *vp = o;
	struct whpsim_partition *p = vp->partition;
	uint64_t jump = whpsim_hostile_tsc(&vp->hostile);
	if (jump && atomic_load(&p->time_stopped_at) == UINT64_MAX)
		atomic_fetch_add(&p->tsc_jumped, jump);
	return whpsim_tsc_of(p);
}

HRESULT WHvSuspendPartitionTime(WHV_PARTITION_HANDLE Partition)
{
	struct whpsim_partition *p = whpsim_partition(Partition);
	if (!p)
		return E_HANDLE;
	if (!p->setup)
		return WHV_E_INVALID_PARTITION_CONFIG;
	if (whpsim_running(p))
		return WHV_E_INVALID_VP_STATE;
	if (atomic_load(&p->time_stopped_at) == UINT64_MAX)
		atomic_store(&p->time_stopped_at, whpsim_time_ns(p));
	return S_OK;
}

HRESULT WHvResumePartitionTime(WHV_PARTITION_HANDLE Partition)
{
	struct whpsim_partition *p = whpsim_partition(Partition);
	if (!p)
		return E_HANDLE;
	if (!p->setup)
		return WHV_E_INVALID_PARTITION_CONFIG;
	whpsim_time_resume(p);
	return S_OK;
}
