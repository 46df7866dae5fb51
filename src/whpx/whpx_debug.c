/* whpx_debug.c - the caller's debugging by the guest's own means: TF for a step, DR0-3 and DR7 for breakpoints, exits for
 * #DB and #BP. What is the guest's goes back to it. */
#include "whpx/whpx.h"

int whpx_debug(struct vma_vcpu *v)
{
	struct whpx_vcpu *w = whpx_vcpu(v);

	w->debug_on = v->debug.single_step || v->debug.software || v->debug.count;
	whpx_emu_debug(w);
	return 0;
}

int whpx_debug_enter(struct whpx_vcpu *w)
{
	(void)w;
	return 0;
}

int whpx_exception_exit(struct whpx_vcpu *w)
{
	const WHV_VP_EXCEPTION_CONTEXT *e = &w->ctx.VpException;

	if (e->ExceptionType == WHPX_GP)
		return whpx_gp_exit(w);
	whpx_raise(w, e->ExceptionType, e->ExceptionInfo.ErrorCodeValid, e->ErrorCode);
	return 0;
}
