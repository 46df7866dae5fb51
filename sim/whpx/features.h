/* features.h - what the simulated host's processor has, as WHPX tells it (feature banks) and as CPUID does. */
#ifndef WHPX_SIM_FEATURES_H
#define WHPX_SIM_FEATURES_H

#include "whpx/whp.h"

struct whpsim_features {
	uint64_t bank[WHV_PROCESSOR_FEATURES_BANKS_COUNT], xsave;
};

struct whpsim_features whpsim_features_max(void);
/* CPUID of a partition with these features, before its lists; nothing of what changes at run time. */
void whpsim_features_cpuid(const struct whpsim_features *f, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);

#endif
