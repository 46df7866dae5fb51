/* property.h - the properties of a partition, as set before (some of them after) its setup, and what follows from the
 * lists among them: which CPUID leaf exits, what it shows, what an MSR does. */
#ifndef WHPX_SIM_PROPERTY_H
#define WHPX_SIM_PROPERTY_H

#include <stdbool.h>
#include "features.h"
#include "whpx/whp.h"

enum {
	WHPSIM_EXCEPTIONS =
		0x000b7dfb,   /* vectors of exceptions that can exit: those that processors have, but not NMI */
	WHPSIM_MSR_EXITS = 7, /* UnhandledMsrs, TscMsrWrite, TscMsrRead */
	WHPSIM_CLFLUSH = 8,   /* in CPUID's units of 8 bytes */
	WHPSIM_LIST = 1024    /* most elements of a list */
};

struct whpsim_list {
	void *at;
	uint32_t count;
};

struct whpsim_properties {
	uint32_t processor_count; /* 0: not set */
	WHV_X64_LOCAL_APIC_EMULATION_MODE apic_mode;
	WHV_EXTENDED_VM_EXITS exits;
	uint64_t exception_bitmap;
	WHV_X64_MSR_EXIT_BITMAP msr_exits;
	struct whpsim_features features;
	uint64_t tsc_hz, apic_hz;
	uint8_t clflush;
	int32_t separate_security_domain, nested, apic_remote_read, no_smt, device_assignment;
	uint64_t scheduling[5]; /* NUMA node, reserve, cap, weight, group */
	uint32_t frequency_cap;
	WHV_SYNTHETIC_PROCESSOR_FEATURES_BANKS synthetic;
	uint64_t perfmon;
	WHV_MSR_ACTION unimplemented_msr; /* what an MSR does that nobody has */
	struct whpsim_list cpuid_exits, cpuid_results, cpuid_results2, msr_actions;
};

void whpsim_properties_init(struct whpsim_properties *p);
void whpsim_properties_free(struct whpsim_properties *p);
/* Nothing changes where it fails. after_setup: the partition has been set up. */
HRESULT whpsim_property_set(struct whpsim_properties *p, bool after_setup, WHV_PARTITION_PROPERTY_CODE code,
			    const void *buffer, uint32_t size);
HRESULT whpsim_property_get(const struct whpsim_properties *p, WHV_PARTITION_PROPERTY_CODE code, void *buffer,
			    uint32_t size, uint32_t *written);

/* Does this leaf exit, as X64CpuidExit and CpuidExitList say? */
bool whpsim_cpuid_exits(const struct whpsim_properties *p, uint32_t leaf);
/* What the guest reads, but for what changes at run time (OSXSAVE, leaf 0xd's sizes), which the CPU adds. */
void whpsim_cpuid(const struct whpsim_properties *p, uint32_t vp, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
/* What MsrActionList says of an MSR; listed: it is in the list, else the architecture's own. */
WHV_MSR_ACTION whpsim_msr_action(const struct whpsim_properties *p, uint32_t index, bool write, bool *listed);

/* An answer of `size` bytes into a caller's buffer; *written, where asked for, is set even if the buffer is too small.
 */
HRESULT whpsim_give(const void *value, uint32_t size, void *buffer, uint32_t room, uint32_t *written);

#endif
