/* lists.c - what the lists among a partition's properties say: CPUID results and exits, MSRs. */
#include <string.h>
#include "property.h"

bool whpsim_cpuid_exits(const struct whpsim_properties *p, uint32_t leaf)
{
	const uint32_t *leaves = p->cpuid_exits.at;
	if (!p->exits.X64CpuidExit)
		return false;
	for (uint32_t i = 0; i < p->cpuid_exits.count; i++)
		if (leaves[i] == leaf)
			return true;
	return false;
}

static bool applies(const WHV_X64_CPUID_RESULT2 *r, uint32_t vp, uint32_t leaf, uint32_t subleaf)
{
	return r->Function == leaf && (!(r->Flags & WHvX64CpuidResult2FlagSubleafSpecific) || r->Index == subleaf) &&
	       (!(r->Flags & WHvX64CpuidResult2FlagVpSpecific) || r->VpIndex == vp);
}

void whpsim_cpuid(const struct whpsim_properties *p, uint32_t vp, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	const WHV_X64_CPUID_RESULT *whole = p->cpuid_results.at;
	const WHV_X64_CPUID_RESULT2 *part = p->cpuid_results2.at;
	whpsim_features_cpuid(&p->features, leaf, subleaf, out);
	if (leaf == 1)
		out[1] = (out[1] & 0xffff) | p->processor_count << 16 | vp << 24;
	for (uint32_t i = 0; i < p->cpuid_results.count; i++)
		if (whole[i].Function == leaf)
			memcpy(out, &whole[i].Eax, 4 * sizeof *out);
	for (uint32_t i = 0; i < p->cpuid_results2.count; i++) {
		const uint32_t *value = &part[i].Output.Eax, *mask = &part[i].Mask.Eax;
		for (unsigned r = 0; r < 4 && applies(&part[i], vp, leaf, subleaf); r++)
			out[r] = (out[r] & ~mask[r]) | (value[r] & mask[r]);
	}
}

WHV_MSR_ACTION whpsim_msr_action(const struct whpsim_properties *p, uint32_t index, bool write, bool *listed)
{
	const WHV_MSR_ACTION_ENTRY *a = p->msr_actions.at;
	*listed = false;
	for (uint32_t i = 0; i < p->msr_actions.count; i++)
		if (a[i].Index == index) {
			*listed = true;
			return write ? a[i].WriteAction : a[i].ReadAction;
		}
	return WHvMsrActionArchitectureDefault;
}
