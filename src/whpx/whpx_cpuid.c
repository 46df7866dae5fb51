/* whpx_cpuid.c - CPUID: not written yet. */
#include "whpx/whpx.h"

int whpx_cpuid_max(struct vma_vm *vm, vma_x86_cpuid *table, size_t *count)
{
	struct x86_cpuid_leaf leaves[64];
	size_t n = 64;

	(void)vm;
	x86_cpuid_max(leaves, &n);
	for (size_t i = 0; i < n && i < *count; i++)
		table[i] = (vma_x86_cpuid){.leaf = leaves[i].leaf,
					   .subleaf = leaves[i].subleaf,
					   .has_subleaf = leaves[i].has_subleaf,
					   .eax = leaves[i].out[0],
					   .ebx = leaves[i].out[1],
					   .ecx = leaves[i].out[2],
					   .edx = leaves[i].out[3]};
	*count = n;
	return 0;
}

int whpx_cpuid_setup(struct vma_vm *vm)
{
	(void)vm;
	return 0;
}

int whpx_cpuid_exit(struct whpx_vcpu *w)
{
	(void)w;
	return vma_fail(VMA_E_NOT_WRITTEN, "CPUID exits");
}

int whpx_cpuid_finish(struct whpx_vcpu *w)
{
	(void)w;
	return 0;
}
