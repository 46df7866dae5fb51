/* group_mc.c - machine check registers, MTRRs and PAT: which values each takes (SDM vol. 3, 12.11, 12.12.2, 16.3).
 * sysguest-bits: 64 */
#include "sysguest.h"

enum {
	MCG_CAP = 0x179,
	MCG_STATUS = 0x17a,
	MCG_CTL = 0x17b,
	MC0_CTL = 0x400,
	MTRRCAP = 0xfe,
	PHYS_BASE = 0x200,
	MTRR_DEF = 0x2ff,
	PAT = 0x277
};
static const uint16_t fixed[] = {0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f};
enum { FIXED = sizeof fixed / sizeof *fixed };

static const char *write(uint32_t index, uint64_t v)
{
	sg_wrmsr(index, v);
	return sg_fault_text();
}
static uint64_t read(uint32_t index)
{
	uint64_t v = 0;
	sg_rdmsr(index, &v);
	return v;
}

/* Which of the 256 values of one byte are taken, as the first and last of each run: "0-1 4-6". */
static const char *bytes_taken(uint32_t index, unsigned shift, uint64_t rest)
{
	static char text[128];
	static const char digit[] = "0123456789abcdef";
	char *t = text;
	for (unsigned v = 0; v < 256; v++) {
		bool now = sg_wrmsr(index, rest | (uint64_t)v << shift) == SG_OK;
		bool before = v && sg_wrmsr(index, rest | (uint64_t)(v - 1) << shift) == SG_OK;
		bool after = v < 255 && sg_wrmsr(index, rest | (uint64_t)(v + 1) << shift) == SG_OK;
		if (!now || (before && after) || t > text + sizeof text - 8)
			continue;
		if (before)
			*t++ = '-';
		else if (t != text)
			*t++ = ' ';
		if (v >> 4)
			*t++ = digit[v >> 4];
		*t++ = digit[v & 15];
	}
	*t = 0;
	sg_wrmsr(index, rest);
	return text;
}

/* Which bits of a register, each alone, are refused. */
static uint64_t refused(uint32_t index)
{
	uint64_t old = read(index), bits = 0;
	for (unsigned bit = 0; bit < 64; bit++)
		if (sg_wrmsr(index, 1ull << bit) != SG_OK)
			bits |= 1ull << bit;
	sg_wrmsr(index, old);
	return bits;
}

static void machine_check(void)
{
	struct sg_cpuid one = sg_cpuid(1, 0);
	uint64_t cap = read(MCG_CAP);
	unsigned banks = cap & 0xff, bad = 0;
	if (!(one.d >> 14 & 1)) {
		sg_skip("mc.*", "no MCA");
		return;
	}
	sg_check("mc.mce_and_mca", one.d >> 7 & one.d >> 14 & 1, 1);
	sg_check("mc.some_banks", banks > 0 && banks <= 32, 1);
	sg_check("mc.ctl_present", cap >> 8 & 1, 1);
	sg_expect("mc.cap_write", write(MCG_CAP, cap), "#GP(0)");
	sg_check("mc.status", read(MCG_STATUS), 0);
	sg_expect("mc.status_write", write(MCG_STATUS, 7), "ok");
	sg_check("mc.status_value", read(MCG_STATUS), 7);
	sg_expect("mc.status_clear", write(MCG_STATUS, 0), "ok");
	sg_check("mc.ctl", read(MCG_CTL), ~0ull);
	sg_expect("mc.ctl_write", write(MCG_CTL, 0), "ok");
	sg_check("mc.ctl_zero", read(MCG_CTL), 0);
	sg_expect("mc.ctl_ones", write(MCG_CTL, ~0ull), "ok");
	for (unsigned b = 0; b < banks; b++) {
		uint32_t at = MC0_CTL + 4 * b;
		bad += read(at) != ~0ull || sg_fault.vector != SG_OK;
		bad += !sg_streq(write(at, 0), "ok") || read(at) != 0;
		bad += !sg_streq(write(at, ~0ull), "ok") || read(at) != ~0ull;
		bad += read(at + 1) != 0 || !sg_streq(write(at + 1, 0), "ok");
		bad += !sg_streq(write(at + 2, 0), "ok") || !sg_streq(write(at + 3, 0), "ok");
	}
	sg_check("mc.banks", bad, 0);
	sg_expect("mc.bank_status_not_zero", write(MC0_CTL + 1, 1), "#GP(0)");
	sg_expect("mc.bank_addr_not_zero", write(MC0_CTL + 2, 1), "#GP(0)");
	sg_expect("mc.bank_misc_not_zero", write(MC0_CTL + 3, 1), "#GP(0)");
	sg_rdmsr(MC0_CTL + 4 * banks, &cap);
	sg_expect("mc.bank_behind_the_last", sg_fault_text(), "#GP(0)");
	sg_set_cr(4, sg_cr(4) | CR4_MCE);
	sg_expect("mc.cr4_mce", sg_fault_text(), "ok");
	sg_set_cr(4, sg_cr(4) & ~(sg_word)CR4_MCE);
}

static void mtrr(void)
{
	uint64_t cap = read(MTRRCAP);
	unsigned pairs = cap & 0xff, width = sg_maxphyaddr(), bad = 0;
	uint64_t high = ~0ull << width;
	sg_check("mc.mtrr_pairs", pairs >= 8 && pairs <= 16, 1);
	sg_check("mc.mtrr_fixed_wc", cap >> 8 & 5, 5);
	sg_expect("mc.mtrrcap", write(MTRRCAP, cap), "#GP(0)");
	for (unsigned i = 0; i < FIXED; i++)
		bad += !sg_streq(write(fixed[i], 0x0605040100010406), "ok") || read(fixed[i]) != 0x0605040100010406 ||
		       !sg_streq(write(fixed[i], 0), "ok");
	sg_check("mc.mtrr_fixed", bad, 0);
	sg_expect("mc.mtrr_fixed_types", bytes_taken(0x250, 0, 0), "0-1 4-6");
	sg_expect("mc.mtrr_fixed_types_high", bytes_taken(0x26f, 56, 0), "0-1 4-6");
	bad = 0;
	for (unsigned i = 0; i < pairs; i++)
		bad += !sg_streq(write(PHYS_BASE + 2 * i, 0x12345006), "ok") || read(PHYS_BASE + 2 * i) != 0x12345006 ||
		       !sg_streq(write(PHYS_BASE + 2 * i + 1, 0xfffff800), "ok") ||
		       read(PHYS_BASE + 2 * i + 1) != 0xfffff800 || !sg_streq(write(PHYS_BASE + 2 * i, 0), "ok") ||
		       !sg_streq(write(PHYS_BASE + 2 * i + 1, 0), "ok");
	sg_check("mc.mtrr_variable", bad, 0);
	sg_expect("mc.mtrr_base_types", bytes_taken(PHYS_BASE, 0, 0x1000), "0-1 4-6");
	sg_check("mc.mtrr_base_reserved", (refused(PHYS_BASE) & ~0xfull) ^ (high | 0xff0), 0);
	sg_check("mc.mtrr_mask_reserved", refused(PHYS_BASE + 1) ^ (high | 0x7ff), 0);
	sg_rdmsr(PHYS_BASE + 2 * pairs, &cap);
	sg_line("mc.mtrr_behind_the_last", "%s", sg_fault_text());
	sg_expect("mc.mtrr_def_types", bytes_taken(MTRR_DEF, 0, 0xc00), "0-1 4-6");
	sg_check("mc.mtrr_def_reserved", refused(MTRR_DEF) & ~0xfull, ~0xc0full);
	write(MTRR_DEF, 0xc06);
	sg_check("mc.mtrr_def", read(MTRR_DEF), 0xc06);
}

static void pat(void)
{
	static char name[] = "mc.pat_types_N";
	sg_check("mc.pat_reset", read(PAT), 0x0007040600070406);
	for (unsigned i = 0; i < 8; i++) {
		name[13] = (char)('0' + i);
		sg_expect(name, bytes_taken(PAT, 8 * i, 0x0007040600070406 & ~(0xffull << 8 * i)), "0-1 4-7");
	}
	sg_expect("mc.pat_restore", write(PAT, 0x0007040600070406), "ok");
}

void sg_group(void)
{
	machine_check();
	mtrr();
	pat();
}
