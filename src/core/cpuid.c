/* cpuid.c - the VM's CPUID table: looking up, reading, replacing, and what follows from it for XCR0 and the XSAVE
 * image. */
#include <ctype.h>
#include <string.h>
#include <strings.h>
#include "core/internal.h"

const struct vma_feature vma_features[] = {
#define V1 VMA_MODEL_V1
#define V2 VMA_MODEL_V2
#define V3 VMA_MODEL_V3
#define MAX VMA_MODEL_MAX
#define VMA_X(NAME, leaf, subleaf, reg, bit, model) {#NAME, leaf, subleaf, reg, bit, model},
	VMA_X86_FEATURES(VMA_X)
#undef VMA_X
#undef V1
#undef V2
#undef V3
#undef MAX
};
const size_t vma_feature_count = VMA_COUNT(vma_features);

void vma_feature_name(const struct vma_feature *f, char out[24])
{
	size_t i = 0;

	for (; f->name[i] && i < 23; i++)
		out[i] = (char)tolower((unsigned char)f->name[i]);
	out[i] = 0;
}

/* SDM vol. 1, 13.4.3 and CPUID leaf 0xD: the layout that every Intel processor has. */
static const struct {
	uint32_t offset, size;
} components[] = {
	[2] = {576, 256},  [3] = {960, 64},    [4] = {1024, 64}, [5] = {1088, 64},
	[6] = {1152, 512}, [7] = {1664, 1024}, [9] = {2688, 8},
};

void vma_xsave_component(unsigned n, uint32_t *offset, uint32_t *size)
{
	bool known = n < VMA_COUNT(components);

	*offset = known ? components[n].offset : 0;
	*size = known ? components[n].size : 0;
}

const vma_x86_cpuid *vma_cpuid_find(const vma_x86_cpuid *table, size_t count, uint32_t leaf, uint32_t subleaf)
{
	for (size_t i = 0; i < count; i++)
		if (table[i].leaf == leaf && (!table[i].has_subleaf || table[i].subleaf == subleaf))
			return table + i;
	return NULL;
}

uint32_t vma_cpuid_reg(const vma_x86_cpuid *e, unsigned reg)
{
	if (!e)
		return 0;
	return reg == 0 ? e->eax : reg == 1 ? e->ebx : reg == 2 ? e->ecx : e->edx;
}

void vma_cpuid_lookup(const struct vma_vm *vm, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	const vma_x86_cpuid *e = vma_cpuid_find(vm->cpuid, vm->cpuid_count, leaf, subleaf);
	uint32_t max = vma_cpuid_reg(vma_cpuid_find(vm->cpuid, vm->cpuid_count, leaf & 0xffff0000, 0), 0);

	/* SDM vol. 2, CPUID: above the highest basic leaf, and above the highest extended one, Intel's answer with the
	 * highest basic leaf's data. */
	if (!e && (leaf < 0x40000000 || leaf >= 0x80000000) && leaf > max) {
		leaf = vma_cpuid_reg(vma_cpuid_find(vm->cpuid, vm->cpuid_count, 0, 0), 0);
		e = vma_cpuid_find(vm->cpuid, vm->cpuid_count, leaf, subleaf);
	}
	for (unsigned i = 0; i < 4; i++)
		out[i] = vma_cpuid_reg(e, i);
	/* Leaf 0xB beyond its levels: ECX[7:0] is the input, EDX the APIC id, which the back end fills in. */
	if (leaf == 0xb && !e)
		out[2] = subleaf & 0xff;
}

bool vma_vm_has(const vma_vm *vm, uint32_t leaf, uint32_t subleaf, unsigned reg, unsigned bit)
{
	return vma_cpuid_reg(vma_cpuid_find(vm->cpuid, vm->cpuid_count, leaf, subleaf), reg) >> bit & 1;
}

void vma_cpuid_derive(vma_vm *vm)
{
	const vma_x86_cpuid *d = vma_cpuid_find(vm->cpuid, vm->cpuid_count, 0xd, 0);
	uint32_t offset, size;

	vm->xcr0_mask = 3;
	if (d && vma_vm_has(vm, 1, 0, 2, 26))
		vm->xcr0_mask = (vma_cpuid_reg(d, 0) | (uint64_t)vma_cpuid_reg(d, 3) << 32) | 1;
	vm->xsave_size = 576;
	for (unsigned n = 2; n < 64; n++) {
		if (!(vm->xcr0_mask >> n & 1))
			continue;
		vma_xsave_component(n, &offset, &size);
		if (!size)
			vm->xcr0_mask &= ~(1ull << n);
		else if (offset + size > vm->xsave_size)
			vm->xsave_size = offset + size;
	}
}

int vma_x86_get_cpuid(vma_vm *vm, vma_x86_cpuid *table, size_t *count)
{
	int rc = 0;

	if (!vm || !count || vm->be->arch != VMA_ARCH_X86_64)
		return vma_fail(VMA_E_INVALID, "no x86 VM, or no count");
	os_lock(&vm->lock);
	if (table && *count < vm->cpuid_count)
		rc = vma_fail(VMA_E_LIMIT, "the CPUID table has %zu entries, there is room for %zu", vm->cpuid_count,
			      *count);
	else if (table)
		memcpy(table, vm->cpuid, vm->cpuid_count * sizeof(*table));
	*count = vm->cpuid_count;
	os_unlock(&vm->lock);
	return rc;
}

/* Bits that the table may hold though no accelerator lists them: they mirror other state or describe the topology. */
static uint32_t always_allowed(uint32_t leaf, uint32_t subleaf, unsigned reg)
{
	if (leaf == 1 && reg == 2)
		return 1u << 27 | 1u << 31; /* OSXSAVE, HYPERVISOR */
	if (leaf == 1 && reg == 3)
		return 1u << 28; /* HTT */
	if (leaf == 7 && subleaf == 0 && reg == 2)
		return 1u << 4; /* OSPKE */
	return 0;
}

static const struct {
	uint32_t leaf, subleaf;
	uint8_t reg;
} feature_words[] = {
	{1, 0, 2},   {1, 0, 3},          {7, 0, 1},          {7, 0, 2},          {7, 0, 3}, {7, 1, 0},
	{0xd, 1, 0}, {0x80000001, 0, 2}, {0x80000001, 0, 3}, {0x80000007, 0, 3}, {6, 0, 0}, {0x80000008, 0, 1},
};

static int refuse_bit(const vma_vm *vm, uint32_t leaf, uint32_t subleaf, unsigned reg, unsigned bit)
{
	static const char *const regs[] = {"EAX", "EBX", "ECX", "EDX"};
	char name[24] = "not in the list";

	for (size_t i = 0; i < vma_feature_count; i++) {
		const struct vma_feature *f = vma_features + i;
		if (f->leaf == leaf && f->subleaf == subleaf && f->reg == reg && f->bit == bit)
			vma_feature_name(f, name);
	}
	return vma_fail(VMA_E_FEATURE, "%s cannot honour CPUID leaf %#x subleaf %u %s bit %u (%s)", vm->info.name, leaf,
			subleaf, regs[reg], bit, name);
}

static int check_features(const vma_vm *vm, const vma_x86_cpuid *table, size_t count)
{
	for (size_t i = 0; i < VMA_COUNT(feature_words); i++) {
		uint32_t leaf = feature_words[i].leaf, subleaf = feature_words[i].subleaf, extra;
		unsigned reg = feature_words[i].reg, bit = 0;
		extra = vma_cpuid_reg(vma_cpuid_find(table, count, leaf, subleaf), reg) &
			~vma_cpuid_reg(vma_cpuid_find(vm->cpuid_max, vm->cpuid_max_count, leaf, subleaf), reg) &
			~always_allowed(leaf, subleaf, reg);
		if (!extra)
			continue;
		while (!(extra >> bit & 1))
			bit++;
		return refuse_bit(vm, leaf, subleaf, reg, bit);
	}
	return 0;
}

static int check_table(const vma_vm *vm, const vma_x86_cpuid *table, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (table[i].has_subleaf > 1)
			return vma_fail(VMA_E_INVALID, "CPUID entry %zu: has_subleaf is %u", i, table[i].has_subleaf);
		if (!table[i].has_subleaf && table[i].subleaf)
			return vma_fail(VMA_E_INVALID, "CPUID entry %zu: subleaf %u without has_subleaf", i,
					table[i].subleaf);
		for (size_t k = 0; k < i; k++)
			if (table[k].leaf == table[i].leaf &&
			    (!table[k].has_subleaf || !table[i].has_subleaf || table[k].subleaf == table[i].subleaf))
				return vma_fail(VMA_E_INVALID, "CPUID entries %zu and %zu are both leaf %#x subleaf %u",
						k, i, table[i].leaf, table[i].subleaf);
	}
	return check_features(vm, table, count);
}

int vma_x86_set_cpuid(vma_vm *vm, const vma_x86_cpuid *table, size_t count)
{
	vma_x86_cpuid *copy;
	int rc;

	if (!vm || !table || !count || count > 256 || vm->be->arch != VMA_ARCH_X86_64)
		return vma_fail(VMA_E_INVALID, "no x86 VM, or no table of 1 to 256 CPUID entries");
	copy = os_calloc(count, sizeof(*copy));
	if (!copy)
		return vma_fail(VMA_E_NOMEM, "no memory for the CPUID table");
	memcpy(copy, table, count * sizeof(*copy));
	os_lock(&vm->lock);
	if (vm->phase != VMA_VM_CONFIG)
		rc = vma_fail(VMA_E_STATE, "the CPUID table was frozen by vma_vm_finalize");
	else
		rc = check_table(vm, copy, count);
	if (!rc) {
		vma_x86_cpuid *old = vm->cpuid;
		vm->cpuid = copy;
		vm->cpuid_count = count;
		copy = old;
		vma_cpuid_derive(vm);
	}
	os_unlock(&vm->lock);
	os_free(copy);
	return rc;
}

int vma_x86_has_feature(vma_vm *vm, const char *name)
{
	if (!vm || !name || vm->be->arch != VMA_ARCH_X86_64)
		return vma_fail(VMA_E_INVALID, "no x86 VM, or no feature name");
	for (size_t i = 0; i < vma_feature_count; i++) {
		const struct vma_feature *f = vma_features + i;
		if (!strcasecmp(f->name, name))
			return vma_vm_has(vm, f->leaf, f->subleaf, f->reg, f->bit);
	}
	return vma_fail(VMA_E_NOENT, "there is no CPU feature \"%.40s\" in the list", name);
}
