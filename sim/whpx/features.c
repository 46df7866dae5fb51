/* features.c - the feature banks and CPUID say the same in two languages. */
#include <string.h>
#include "config.h"
#include "features.h"
#include "x86/x86.h"

enum { EAX, EBX, ECX, EDX };
enum { BANK0, BANK1, XSAVE, SETS };
enum { EXT = 0x80000001 };

/* Bits of the banks that CPUID shows. Others have no CPUID bit, or no processor here has them. */
static const struct feature {
	uint8_t set, bit;
	uint32_t leaf;
	uint8_t subleaf, reg, at;
} rows[] = {
	{BANK0, 0, 1, 0, ECX, 0},          /* Sse3 */
	{BANK0, 1, EXT, 0, ECX, 0},        /* LahfSahf */
	{BANK0, 2, 1, 0, ECX, 9},          /* Ssse3 */
	{BANK0, 3, 1, 0, ECX, 19},         /* Sse4_1 */
	{BANK0, 4, 1, 0, ECX, 20},         /* Sse4_2 */
	{BANK0, 5, EXT, 0, ECX, 6},        /* Sse4a */
	{BANK0, 7, 1, 0, ECX, 23},         /* PopCnt */
	{BANK0, 8, 1, 0, ECX, 13},         /* Cmpxchg16b */
	{BANK0, 9, EXT, 0, ECX, 4},        /* Altmovcr8 */
	{BANK0, 10, EXT, 0, ECX, 5},       /* Lzcnt */
	{BANK0, 11, EXT, 0, ECX, 7},       /* MisAlignSse */
	{BANK0, 12, EXT, 0, EDX, 22},      /* MmxExt */
	{BANK0, 15, EXT, 0, EDX, 26},      /* Page1Gb */
	{BANK0, 16, 1, 0, ECX, 25},        /* Aes */
	{BANK0, 17, 1, 0, ECX, 1},         /* Pclmulqdq */
	{BANK0, 18, 1, 0, ECX, 17},        /* Pcid */
	{BANK0, 20, 1, 0, ECX, 29},        /* F16C */
	{BANK0, 21, 1, 0, ECX, 30},        /* RdRand */
	{BANK0, 22, 7, 0, EBX, 0},         /* RdWrFsGs */
	{BANK0, 23, 7, 0, EBX, 7},         /* Smep */
	{BANK0, 24, 7, 0, EBX, 9},         /* EnhancedFastString */
	{BANK0, 25, 7, 0, EBX, 3},         /* Bmi1 */
	{BANK0, 26, 7, 0, EBX, 8},         /* Bmi2 */
	{BANK0, 29, 1, 0, ECX, 22},        /* Movbe */
	{BANK0, 31, 7, 0, EBX, 13},        /* DepX87FPUSave */
	{BANK0, 32, 7, 0, EBX, 18},        /* RdSeed */
	{BANK0, 33, 7, 0, EBX, 19},        /* Adx */
	{BANK0, 34, EXT, 0, ECX, 8},       /* IntelPrefetch */
	{BANK0, 35, 7, 0, EBX, 20},        /* Smap */
	{BANK0, 38, EXT, 0, EDX, 27},      /* Rdtscp */
	{BANK0, 39, 7, 0, EBX, 23},        /* Clflushopt */
	{BANK0, 40, 7, 0, EBX, 24},        /* Clwb */
	{BANK0, 41, 7, 0, EBX, 29},        /* Sha */
	{BANK0, 43, 7, 0, EBX, 10},        /* Invpcid */
	{BANK0, 49, 7, 0, EDX, 4},         /* FastShortRepMov */
	{BANK0, 57, 7, 0, ECX, 22},        /* RdPid */
	{BANK0, 58, 7, 0, ECX, 2},         /* Umip */
	{BANK1, 1, 0x80000007, 0, EDX, 8}, /* TscInvariant */
	{BANK1, 17, 1, 0, ECX, 24},        /* TscDeadlineTmr */
	{BANK1, 18, 7, 0, EBX, 1},         /* TscAdjust */
	{XSAVE, 0, 1, 0, ECX, 26},         /* Xsave */
	{XSAVE, 1, 0xd, 1, EAX, 0},        /* Xsaveopt */
	{XSAVE, 2, 1, 0, ECX, 28},         /* Avx */
	{XSAVE, 3, 7, 0, EBX, 5},          /* Avx2 */
	{XSAVE, 4, 1, 0, ECX, 12},         /* Fma */
	{XSAVE, 11, 0xd, 1, EAX, 1},       /* XsaveComp */
	{XSAVE, 12, 0xd, 1, EAX, 3},       /* XsaveSupervisor */
	{XSAVE, 13, 0xd, 1, EAX, 2},       /* Xcr1: XGETBV with ECX = 1 */
	{XSAVE, 19, 7, 0, ECX, 8},         /* Gfni */
	{XSAVE, 20, 7, 0, ECX, 9},         /* Vaes */
	{XSAVE, 22, 7, 0, ECX, 10},        /* Vpclmulqdq */
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
