/* features.c - the feature banks and CPUID say the same in two languages. */
#include <string.h>
#include "config.h"
#include "features.h"
#include "whpx/whp_features.h"
#include "x86/x86.h"

/* Of these, what the processor here has. */
static const struct whp_feature rows[] = {
	WHP_FEATURES(WHP_FEATURE_ROW)
	{BANK1, 17, 1, 0, ECX, 24}, /* TscDeadlineTmrSupport */
};
enum { ROWS = sizeof rows / sizeof *rows };

/* What a partition shows whatever its banks say. In the leaves with features anything else stays off: the API has no
 * names for protection keys, five-level paging, MONITOR and their like. */
static const struct {
	uint32_t leaf, subleaf, mask[4];
} always[] = {
	{1, 0, {~0u, ~0u, 1u << 21 | 1u << 31, ~0u}}, /* x2APIC, hypervisor present */
	{7, 0, {~0u, 0, 0, 0}},
	{0xd, 1, {0, ~0u, ~0u, ~0u}},
	{EXT, 0, {~0u, ~0u, 0, 1u << 11 | 1u << 20 | 1u << 29}}, /* SYSCALL, NX, long mode */
	{0x80000007, 0, {0, 0, 0, 0}},
	{0x80000008, 0, {~0u, 0, 0, 0}},
	{5, 0, {0, 0, 0, 0}},   /* MONITOR's */
	{0xd, 9, {0, 0, 0, 0}}, /* protection keys' */
};

static void lookup(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	struct x86_cpuid_leaf all[32];
	size_t n = sizeof all / sizeof *all;
	x86_cpuid_max(all, &n);
	memset(out, 0, 4 * sizeof *out);
	for (size_t i = 0; i < n; i++)
		if (all[i].leaf == leaf && (!all[i].has_subleaf || all[i].subleaf == subleaf))
			memcpy(out, all[i].out, sizeof all[i].out);
}

static uint64_t *set_of(struct whpsim_features *f, unsigned set)
{
	return set == XSAVE ? &f->xsave : &f->bank[set];
}

struct whpsim_features whpsim_features_max(void)
{
	struct whpsim_features f = {{0}, 0};
	for (unsigned i = 0; i < ROWS; i++) {
		uint32_t out[4];
		lookup(rows[i].leaf, rows[i].subleaf, out);
		if (out[rows[i].reg] >> rows[i].at & 1)
			*set_of(&f, rows[i].set) |= UINT64_C(1) << rows[i].bit;
	}
	if (whpsim_config()->version < WHPSIM_11) /* there is no such bank */
		f.bank[BANK1] = 0;
	return f;
}

static bool hypervisor_leaf(uint32_t leaf, uint32_t out[4])
{
	static const uint32_t leaves[][4] = {
		{0x40000001, 0x7263694d, 0x666f736f, 0x76482074}, /* Microsoft Hv */
		{0x31237648},                                     /* Hv#1 */
	};
	if (leaf - 0x40000000 >= sizeof leaves / sizeof *leaves)
		return false;
	memcpy(out, leaves[leaf - 0x40000000], sizeof *leaves);
	return true;
}

void whpsim_features_cpuid(const struct whpsim_features *f, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	uint32_t has[4], keep[4] = {~0u, ~0u, ~0u, ~0u};
	if (hypervisor_leaf(leaf, out))
		return;
	lookup(leaf, subleaf, has);
	if (leaf == 1)
		has[ECX] |= 1u << 31;
	for (size_t i = 0; i < sizeof always / sizeof *always; i++)
		if (always[i].leaf == leaf && always[i].subleaf == subleaf)
			memcpy(keep, always[i].mask, sizeof keep);
	for (unsigned i = 0; i < ROWS; i++)
		if (rows[i].leaf == leaf && rows[i].subleaf == subleaf &&
		    *set_of((struct whpsim_features *)f, rows[i].set) >> rows[i].bit & 1)
			keep[rows[i].reg] |= 1u << rows[i].at;
	for (unsigned r = 0; r < 4; r++)
		out[r] = has[r] & keep[r];
	if (leaf == 0xd && subleaf == 0)
		out[EAX] &= f->xsave & 4 ? 7 : 3;
}
