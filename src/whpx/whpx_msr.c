/* whpx_msr.c - MSRs: not written yet. */
#include "whpx/whpx.h"

void whpx_msr_wants(const struct vma_vm *vm, WHV_EXTENDED_VM_EXITS *exits, uint64_t *exceptions)
{
	(void)vm;
	(void)exits;
	(void)exceptions;
}

int whpx_msr_setup(struct vma_vm *vm)
{
	(void)vm;
	return 0;
}

int whpx_msr_open(struct whpx_vcpu *w)
{
	(void)w;
	return 0;
}

int whpx_get_msrs(struct vma_vcpu *v, const uint32_t *indices, uint64_t *values, size_t count)
{
	(void)v;
	(void)indices;
	for (size_t i = 0; i < count; i++)
		values[i] = 0;
	return (int)count;
}

int whpx_set_msrs(struct vma_vcpu *v, const uint32_t *indices, const uint64_t *values, size_t count)
{
	(void)v;
	(void)indices;
	(void)values;
	return (int)count;
}

int whpx_msr_exit(struct whpx_vcpu *w)
{
	(void)w;
	return vma_fail(VMA_E_NOT_WRITTEN, "MSR exits");
}

int whpx_msr_finish(struct whpx_vcpu *w)
{
	(void)w;
	return 0;
}

int whpx_gp_exit(struct whpx_vcpu *w)
{
	whpx_raise(w, WHPX_GP, true, w->ctx.VpException.ErrorCode);
	return 0;
}
