/* hostile.h - the platform at its worst, on request (hostile=SEED): what documents leave open is poisoned, and what
 * they allow happens now and then. The same seed gives the same sequence on each virtual processor; one branch each
 * when off. By the thread that runs the processor alone. */
#ifndef WHPX_SIM_HOSTILE_H
#define WHPX_SIM_HOSTILE_H

#include <stdbool.h>
#include "whpx/whp.h"

struct whpsim_hostile {
	uint64_t random;    /* 0: off */
	uint64_t page;      /* the page that was not populated when last asked for, + 1 */
	uint32_t populated; /* so many faults are left out: the host was advised */
	uint32_t late;      /* instructions that a cancel was kept back for; 0: there is none */
};

void whpsim_hostile_init(struct whpsim_hostile *h, uint32_t vp_index);
bool whpsim_hostile_early_(struct whpsim_hostile *h, WHV_RUN_VP_EXIT_CONTEXT *x);
void whpsim_hostile_exit_(struct whpsim_hostile *h, WHV_RUN_VP_EXIT_CONTEXT *x);
bool whpsim_hostile_unpopulated_(struct whpsim_hostile *h, uint64_t gpa);
uint32_t whpsim_hostile_late_(struct whpsim_hostile *h);
bool whpsim_hostile_window_(struct whpsim_hostile *h);
bool whpsim_hostile_unrecognized_(struct whpsim_hostile *h);
uint64_t whpsim_hostile_tsc_(struct whpsim_hostile *h);
/* Bytes of nobody's, as many for one seed, that this host's XSAVE areas end with; 0 where nothing is hostile. */
uint32_t whpsim_hostile_xsave(void);
/* Does RIP stand behind the instruction of a hypercall's exit? Always or never, for one seed. */
bool whpsim_hostile_behind(void);
void whpsim_hostile_poison(struct whpsim_hostile *h, void *at, size_t size); /* if hostile */

/* At the start of a run: *x (zero) is a spurious None or Canceled, to be returned instead of running; the rest of it is
 * the caller's to fill in. */
static inline bool whpsim_hostile_early(struct whpsim_hostile *h, WHV_RUN_VP_EXIT_CONTEXT *x)
{
	return h->random && whpsim_hostile_early_(h, x);
}
/* The last thing before *x is copied out. */
static inline void whpsim_hostile_exit(struct whpsim_hostile *h, WHV_RUN_VP_EXIT_CONTEXT *x)
{
	if (h->random)
		whpsim_hostile_exit_(h, x);
}
/* Mapped memory at gpa is to be touched: it is not populated now, so the run ends with MemoryAccess and GpaUnmapped 0.
 * The next time it is. */
static inline bool whpsim_hostile_unpopulated(struct whpsim_hostile *h, uint64_t gpa)
{
	return h->random && whpsim_hostile_unpopulated_(h, gpa);
}
/* WHvAdviseGpaRange has been called: for a while everything is. */
static inline void whpsim_hostile_populate(struct whpsim_hostile *h)
{
	h->populated = 64;
}
/* A cancel was seen while running: so many instructions later; 0: now. */
static inline uint32_t whpsim_hostile_late(struct whpsim_hostile *h)
{
	return h->random ? whpsim_hostile_late_(h) : 0;
}
/* Exit with an interrupt window that nobody asked for. */
static inline bool whpsim_hostile_window(struct whpsim_hostile *h)
{
	return h->random && whpsim_hostile_window_(h);
}
/* A store that would ring a doorbell is not of the instructions that the hypervisor knows. */
static inline bool whpsim_hostile_unrecognized(struct whpsim_hostile *h)
{
	return h->random && whpsim_hostile_unrecognized_(h);
}
/* The TSC jumps ahead by so much now. */
static inline uint64_t whpsim_hostile_tsc(struct whpsim_hostile *h)
{
	return h->random ? whpsim_hostile_tsc_(h) : 0;
}

#endif
