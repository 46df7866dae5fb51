/* sys_cpuid.c - what this CPU can do, as CPUID leaves: exactly what is implemented; and which of it the user's table
 * lets the guest have. */
#include <vmaccel/x86_lists.h>
#include "sys.h"

/* Features of the models up to x86-64-v3 are implemented, all of them ... */
enum { V1 = 1, V2 = 1, V3 = 1, MAX = 0 };
static const struct feature {
	uint32_t leaf;
	uint8_t subleaf, reg, bit, have;
} features[] = {
#define VMA_X(NAME, leaf, sub, reg, bit, level) {leaf, sub, reg, bit, level},
	VMA_X86_FEATURES(VMA_X)
#undef VMA_X
	/* ... and of the others these. A row goes here when its instructions and checks are tested. */
	{1, 0, 3, 1, 1},           /* VME */
	{1, 0, 2, 1, 1},           /* PCLMULQDQ */
	{1, 0, 2, 3, 1},           /* MONITOR */
	{1, 0, 2, 25, 1},          /* AES */
	{1, 0, 2, 30, 1},          /* RDRAND */
	{7, 0, 1, 13, 1},          /* FCS and FDS are zero */
	{7, 0, 1, 18, 1},          /* RDSEED */
	{7, 0, 1, 19, 1},          /* ADX */
	{7, 0, 1, 23, 1},          /* CLFLUSHOPT */
	{7, 0, 1, 24, 1},          /* CLWB */
	{7, 0, 1, 29, 1},          /* SHA */
	{7, 0, 2, 8, 1},           /* GFNI */
	{7, 0, 2, 9, 1},           /* VAES */
	{7, 0, 2, 10, 1},          /* VPCLMULQDQ */
	{7, 0, 2, 22, 1},          /* RDPID */
	{0xd, 1, 0, 0, 1},         /* XSAVEOPT */
	{0xd, 1, 0, 1, 1},         /* XSAVEC */
	{0xd, 1, 0, 2, 1},         /* XGETBV with ECX = 1 */
	{0xd, 1, 0, 3, 1},         /* XSAVES */
	{0x80000001, 0, 2, 8, 1},  /* PREFETCHW */
	{1, 0, 2, 17, 1},          /* PCID */
	{7, 0, 1, 10, 1},          /* INVPCID */
	{7, 0, 2, 2, 1},           /* UMIP */
	{7, 0, 2, 3, 1},           /* PKU */
	{7, 0, 2, 16, 1},          /* LA57 */
	{7, 0, 2, 31, 1},          /* PKS */
	{0x80000001, 0, 3, 26, 1}, /* PDPE1GB */
	{0x80000008, 0, 1, 9, 1},  /* WBNOINVD */
};

enum { GPA_BITS = 46, GVA_BITS = 57 };

/* What is not a feature bit. Leaf 0xD: x87 and SSE in 576 bytes, the upper halves of the YMM registers in 256 behind
 * them (SDM vol. 1, 13.2 and 13.5). */
static const struct x86_cpuid_leaf leaves[] = {
	{0, 0, 0, {0xd, 0x756e6547, 0x6c65746e, 0x49656e69}}, /* GenuineIntel */
	{1, 0, 0, {0x000106ca, 8 << 8, 0, 0}}, /* a family and model without speculation; CLFLUSH line of 64 bytes */
	{5, 0, 0, {64, 64, 3, 0}}, /* MONITOR lines of 64 bytes; interrupts end MWAIT even where IF masks them */
	{6, 0, 0, {0}},
	{7, 0, 1, {0}},
	{0xd, 0, 1, {7, 576, 832, 0}}, /* EBX follows XCR0 */
	{0xd, 1, 1, {0}},
	{0xd, 2, 1, {256, 576, 0, 0}},
	{0xd, 9, 1, {0}}, /* PKRU: see add_pkru */
	{0x80000000, 0, 0, {0x80000008}},
	{0x80000001, 0, 0, {0}},
	{0x80000007, 0, 0, {0}},
	{0x80000008, 0, 0, {GPA_BITS | GVA_BITS << 8}},
};

/* PKRU is a state component where PKU is a feature. */
static void add_pkru(struct x86_cpuid_leaf *l)
{
	const uint32_t offset = 2688, size = 8;
	bool pkru = false;
	for (size_t k = 0; k < sizeof features / sizeof *features; k++)
		pkru |= features[k].leaf == 7 && features[k].reg == 2 && features[k].bit == 3 && features[k].have;
	if (!pkru || l->leaf != 0xd)
		return;
	if (l->subleaf == 0) {
		l->out[0] |= 1 << 9;
		l->out[2] = offset + size;
	} else if (l->subleaf == 9) {
		l->out[0] = size;
		l->out[1] = offset;
	}
}

void x86_cpuid_max(struct x86_cpuid_leaf *table, size_t *count)
{
	size_t room = *count;
	*count = sizeof leaves / sizeof *leaves;
	for (size_t i = 0; table && i < *count && i < room; i++) {
		struct x86_cpuid_leaf *l = &table[i];
		*l = leaves[i];
		for (size_t k = 0; k < sizeof features / sizeof *features; k++)
			if (features[k].leaf == l->leaf && features[k].subleaf == l->subleaf)
				l->out[features[k].reg] |= (uint32_t)features[k].have << features[k].bit;
		add_pkru(l);
	}
}

/* The user's answer for a leaf; where it has none to give now (an exit, no table), what is implemented. */
static void ask(struct x86_cpu *c, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	struct x86_cpuid_leaf all[sizeof leaves / sizeof *leaves];
	size_t n = sizeof all / sizeof *all;
	memset(out, 0, 4 * sizeof *out);
	if (c->env->cpuid && c->env->cpuid(c->env_opaque, leaf, subleaf, out) != X86_DEFER)
		return;
	x86_cpuid_max(all, &n);
	for (size_t i = 0; i < n; i++)
		if (all[i].leaf == leaf && all[i].subleaf == subleaf)
			memcpy(out, all[i].out, sizeof all[i].out);
}

void x86_cpuid_refresh(struct x86_cpu *c)
{
	uint32_t r[4];
	ask(c, 1, 0, r);
	c->features[0] = r[2] | (uint64_t)r[3] << 32;
	ask(c, 7, 0, r);
	c->features[1] = r[1] | (uint64_t)r[2] << 32;
	ask(c, 0x80000001, 0, r);
	c->features[2] = r[2] | (uint64_t)r[3] << 32;
	ask(c, 0xd, 1, r);
	c->features[3] = r[0];
	ask(c, 0x80000008, 0, r);
	c->gpa_bits = r[0] & 0xff ? r[0] & 0xff : 36;
	c->gva_bits = x86_has(c, X86_F_LA57) ? 57 : 48;
	if (c->gpa_bits > 52)
		c->gpa_bits = 52;
	c->has_nx = x86_has(c, X86_F_NX);
	c->has_1g = x86_has(c, X86_F_1G);
	c->has_pse36 = x86_has(c, X86_F_PSE36);
}
