/* counters.c - what the platform counts: mapped pages, exits by kind. */
#include <string.h>
#include "notimpl.h"
#include "whpsim.h"

struct memory_counters { /* WHV_PARTITION_MEMORY_COUNTERS */
	uint64_t mapped_4k, mapped_2m, mapped_1g;
};

HRESULT WHvGetPartitionCounters(WHV_PARTITION_HANDLE Partition, WHV_PARTITION_COUNTER_SET CounterSet, void *Buffer,
				uint32_t BufferSizeInBytes, uint32_t *BytesWritten)
{
	struct whpsim_partition *p = whpsim_partition(Partition);
	struct memory_counters c = {0};
	if (!p)
		return E_HANDLE;
	if (CounterSet != WHvPartitionCounterSetMemory)
		return E_INVALIDARG;
	if (!p->setup)
		return WHV_E_INVALID_PARTITION_CONFIG;
	pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < p->region_count; i++)
		c.mapped_4k += p->regions[i].size / WHPSIM_PAGE;
	pthread_mutex_unlock(&p->lock);
	return whpsim_give(&c, sizeof c, Buffer, BufferSizeInBytes, BytesWritten);
}

/* WHV_PROCESSOR_INTERCEPT_COUNTERS: number and time of each kind; nobody takes the time here. */
static HRESULT give_intercepts(const struct whpsim_vp *vp, void *buffer, uint32_t room, uint32_t *written)
{
	enum { IO = 2, HLT = 3, CPUID = 4, MSR = 5, NESTED_PAGE_FAULT = 11, HYPERCALL = 12, KINDS = 14 };
	uint64_t c[KINDS][2];
	memset(c, 0, sizeof c);
	c[IO][0] = vp->counts.stops[X86_STOP_IO];
	c[HLT][0] = vp->counts.stops[X86_STOP_HLT];
	c[CPUID][0] = vp->counts.stops[X86_STOP_CPUID];
	c[MSR][0] = vp->counts.stops[X86_STOP_MSR];
	c[NESTED_PAGE_FAULT][0] = vp->counts.stops[X86_STOP_MMIO];
	c[HYPERCALL][0] = vp->counts.stops[X86_STOP_HYPERCALL];
	return whpsim_give(c, sizeof c, buffer, room, written);
}

HRESULT WHvGetVirtualProcessorCounters(WHV_PARTITION_HANDLE Partition, uint32_t VpIndex,
				       WHV_PROCESSOR_COUNTER_SET CounterSet, void *Buffer, uint32_t BufferSizeInBytes,
				       uint32_t *BytesWritten)
{
	struct whpsim_vp *vp;
	HRESULT r = whpsim_acquire(Partition, VpIndex, "WHvGetVirtualProcessorCounters", &vp);
	if (r != S_OK)
		return r;
	if (CounterSet == WHvProcessorCounterSetIntercepts)
		r = give_intercepts(vp, Buffer, BufferSizeInBytes, BytesWritten);
	else
		r = whpsim_not_implemented("WHvGetVirtualProcessorCounters: this set");
	whpsim_release(vp);
	return r;
}
