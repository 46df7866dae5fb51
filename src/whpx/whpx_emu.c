/* whpx_emu.c - instructions done here: not written yet. */
#include "whpx/whpx.h"

int whpx_emu_open(struct whpx_vcpu *w)
{
	(void)w;
	return 0;
}

void whpx_emu_close(struct whpx_vcpu *w)
{
	(void)w;
}

int whpx_emulate(struct whpx_vcpu *w)
{
	(void)w;
	return vma_fail(VMA_E_NOT_WRITTEN, "the emulation of instructions");
}

int whpx_emu_finish(struct whpx_vcpu *w)
{
	(void)w;
	return 0;
}

int whpx_emu_continue(struct whpx_vcpu *w)
{
	(void)w;
	return 0;
}

void whpx_emu_forget(struct whpx_vcpu *w)
{
	(void)w;
}

void whpx_emu_debug(struct whpx_vcpu *w)
{
	(void)w;
}
