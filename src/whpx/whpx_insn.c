/* whpx_insn.c - plain moves to and from devices: not written yet. */
#include "whpx/whpx.h"

int whpx_move_exit(struct whpx_vcpu *w)
{
	(void)w;
	return 0;
}

int whpx_move_finish(struct whpx_vcpu *w)
{
	(void)w;
	return 0;
}
