/* whpx_debug.c - the caller's debugging. A step is done by the emulator: no trap flag of ours is in the guest's flags,
 * but while the platform steps what its own local APIC answers. Breakpoints stand in DR0-3 and DR7, where a guest that
 * looks sees them; its own values are kept here meanwhile. #DB and #BP exit (ExceptionExitBitmap); what is the guest's
 * goes back to it. */
#include <string.h>
#include "whpx/whpx.h"

enum {
	DR6_BITS = 0xe00f, /* B0-B3, BD, BS, BT (SDM vol. 3, 18.2.3) */
	DR6_BD = 1 << 13,
	DR6_BS = 1 << 14,
	DR7_GD = 1 << 13,
	RFLAGS_TF = 1 << 8,
	RFLAGS_RF = 1 << 16,
};
#define DR6_FIXED UINT64_C(0xffff0ff0) /* bits that read 1 when nothing happened */

/* ------ debug registers ------ */

static void put_dregs(struct whpx_vcpu *w, const vma_x86_dregs *d)
{
	whpx_put(w, WHvX64RegisterDr0, d->dr0);
	whpx_put(w, WHvX64RegisterDr1, d->dr1);
	whpx_put(w, WHvX64RegisterDr2, d->dr2);
	whpx_put(w, WHvX64RegisterDr3, d->dr3);
	whpx_put(w, WHvX64RegisterDr7, d->dr7);
}

static int take_dregs(struct whpx_vcpu *w)
{
	const vma_debug *d = &w->v->debug;
	vma_x86_dregs ours = {.dr7 = vma_x86_debug_dr7(d)};
	uint64_t *address = &ours.dr0;
	struct whpx_batch b;
	int rc = 0;

	b.count = 0;
	for (int i = 0; i < 4; i++)
		whpx_add(&b, WHvX64RegisterDr0 + i);
	whpx_add(&b, WHvX64RegisterDr7);
	if (!w->dr_taken)
		rc = whpx_get(w, &b);
	if (rc)
		return rc;
	if (!w->dr_taken)
		w->guest_dr = (vma_x86_dregs){.dr0 = b.values[0].Reg64,
					      .dr1 = b.values[1].Reg64,
					      .dr2 = b.values[2].Reg64,
					      .dr3 = b.values[3].Reg64,
					      .dr7 = b.values[4].Reg64};
	w->dr_taken = true;
	for (uint32_t i = 0; i < d->count && i < 4; i++)
		address[i] = d->hw[i].address;
	put_dregs(w, &ours);
	return 0;
}

int whpx_debug(struct vma_vcpu *v)
{
	struct whpx_vcpu *w = whpx_vcpu(v);
	int rc = 0;

	if (v->debug.count) {
		rc = take_dregs(w);
	} else if (w->dr_taken) {
		put_dregs(w, &w->guest_dr);
		w->dr_taken = false;
	}
	if (rc)
		return rc;
	w->debug_on = v->debug.single_step || v->debug.software || v->debug.count;
	w->step_off = w->trapping = false;
	whpx_emu_debug(w);
	return 0;
}

/* ------ exits ------ */

static uint64_t linear(const struct whpx_vcpu *w, uint64_t rip)
{
	const WHV_VP_EXIT_CONTEXT *c = &w->ctx.VpContext;

	return c->ExecutionState.EferLma && c->Cs.Long ? rip : c->Cs.Base + rip;
}

static int report(struct whpx_vcpu *w, uint32_t reason, uint32_t exception, uint64_t dr6)
{
	vma_exit *e = &w->v->exit;

	whpx_leave(w, VMA_EXIT_DEBUG);
	e->debug.reason = reason;
	e->debug.exception = exception;
	e->debug.pc = linear(w, w->ctx.VpContext.Rip);
	e->debug.dr6 = dr6;
	return VMA_EXIT_DEBUG;
}

/* An instruction that was done by its exit's context is stepped over once it is complete. */
void whpx_debug_finished(struct whpx_vcpu *w, uint64_t rip)
{
	vma_exit *e = &w->stashed_exit;

	*e = (vma_exit){.kind = VMA_EXIT_DEBUG};
	e->debug.reason = VMA_DEBUG_STEP;
	e->debug.exception = WHPX_DB;
	e->debug.pc = linear(w, rip);
	e->debug.dr6 = DR6_FIXED | DR6_BS;
	w->stashed = VMA_EXIT_DEBUG;
}

/* A breakpoint on execution would be hit again at once: the resume flag, if the caller has not moved the program
 * counter (SDM vol. 3, 18.3.1.1). */
static int step_off(struct whpx_vcpu *w)
{
	struct whpx_batch b;
	int rc;

	w->step_off = false;
	b.count = 0;
	whpx_add(&b, WHvX64RegisterRip);
	whpx_add(&b, WHvX64RegisterRflags);
	rc = whpx_get(w, &b);
	if (!rc && b.values[0].Reg64 == w->step_off_rip)
		whpx_put(w, WHvX64RegisterRflags, b.values[1].Reg64 | RFLAGS_RF);
	return rc;
}

/* An access to the local APIC does not look at flags; but an interrupt that comes first has them on its handler's
 * stack.
 */
int whpx_debug_trap(struct whpx_vcpu *w, uint64_t rflags)
{
	if (!(whpx_host.exceptions >> WHPX_DB & 1))
		return vma_fail(VMA_E_NO_HOST, "stepping what the platform's local APIC answers: this Windows has no "
					       "exits for exceptions");
	w->trapping = true;
	w->trap_own = rflags & RFLAGS_TF;
	w->rflags = rflags;
	whpx_put(w, WHvX64RegisterRflags, rflags | RFLAGS_TF);
	return 0;
}

void whpx_debug_trapped(struct whpx_vcpu *w, bool entered)
{
	uint64_t *rflags = entered ? &w->ctx.VpContext.Rflags : &w->rflags;

	if (!w->trap_own)
		*rflags &= ~(uint64_t)RFLAGS_TF;
	whpx_put(w, WHvX64RegisterRflags, *rflags);
}

int whpx_debug_enter(struct whpx_vcpu *w)
{
	int rc = 0;

	w->trapping = false;
	if (w->v->debug.single_step) {
		w->stepping = true;
		rc = whpx_emulate(w);
		w->stepping = false;
		return rc;
	}
	return w->step_off ? step_off(w) : 0;
}

/* The guest's own #DB: DR6 is as its handler is to find it, and DR7.GD is off (SDM vol. 3, 18.2.3, 18.2.4). */
static int give_back(struct whpx_vcpu *w, uint64_t bits)
{
	struct whpx_batch b;
	int rc;

	b.count = 0;
	whpx_add(&b, WHvX64RegisterDr6);
	whpx_add(&b, WHvX64RegisterDr7);
	rc = whpx_get(w, &b);
	if (rc)
		return rc;
	whpx_put(w, WHvX64RegisterDr6, (b.values[0].Reg64 & ~UINT64_C(0xf)) | bits | DR6_FIXED);
	if (bits & DR6_BD) /* the guest's DR7 is there: the caller's have no GD */
		whpx_put(w, WHvX64RegisterDr7, b.values[1].Reg64 & ~(uint64_t)DR7_GD);
	whpx_raise(w, WHPX_DB, false, 0);
	return 0;
}

/* What it is of: the exit says it, or DR6 does already. */
static int cause(struct whpx_vcpu *w, uint64_t *bits)
{
	struct whpx_batch b;
	int rc;

	*bits = w->ctx.VpException.ExceptionParameter & DR6_BITS;
	if (whpx_host.tried.debug != WHPX_OTHERWISE)
		return 0;
	b.count = 0;
	whpx_add(&b, WHvX64RegisterDr6);
	rc = whpx_get(w, &b);
	*bits = b.values[0].Reg64 & DR6_BITS;
	return rc;
}

/* The platform's step is over, and the guest's own if it steps itself. */
static int stepped(struct whpx_vcpu *w, uint64_t bits)
{
	int rc = w->trap_own ? give_back(w, bits) : 0;

	if (!w->trap_own && whpx_host.tried.debug == WHPX_OTHERWISE) /* not the guest's to see */
		whpx_put(w, WHvX64RegisterDr6, DR6_FIXED | (bits & ~(uint64_t)DR6_BS));
	return rc ? rc : report(w, VMA_DEBUG_STEP, WHPX_DB, DR6_FIXED | DR6_BS);
}

static int db_exit(struct whpx_vcpu *w)
{
	const vma_debug *d = &w->v->debug;
	uint64_t bits;
	int rc = cause(w, &bits);

	if (rc)
		return rc;
	if (w->trapping && bits & DR6_BS)
		return stepped(w, bits);
	if (!w->dr_taken || !(bits & 15))
		return give_back(w, bits);
	for (uint32_t i = 0; i < d->count && i < 4; i++)
		w->step_off |= (bits >> i & 1) && d->hw[i].type == VMA_BREAK_EXEC;
	w->step_off_rip = w->ctx.VpContext.Rip;
	if (whpx_host.tried.debug == WHPX_OTHERWISE) /* not the guest's to see */
		whpx_put(w, WHvX64RegisterDr6, DR6_FIXED | (bits & ~UINT64_C(15)));
	return report(w, VMA_DEBUG_HW, WHPX_DB, DR6_FIXED | bits);
}

/* An INT3 of the guest's own is done here: it is no exception that could be raised again at its RIP. */
static int bp_exit(struct whpx_vcpu *w)
{
	return w->v->debug.software ? report(w, VMA_DEBUG_SW, WHPX_BP, DR6_FIXED) : whpx_emulate(w);
}

/* One that was met while an event was delivered exits before the two become #DF or a shutdown (SDM vol. 3, 6.15): the
 * emulator delivers that event. */
int whpx_exception_exit(struct whpx_vcpu *w)
{
	const WHV_VP_EXCEPTION_CONTEXT *e = &w->ctx.VpException;

	if (w->interruption)
		return whpx_emulate(w);
	switch (e->ExceptionType) {
	case WHPX_DB:
		return db_exit(w);
	case WHPX_BP:
		return bp_exit(w);
	case WHPX_GP:
		return whpx_gp_exit(w);
	case WHPX_UD:
		return whpx_ud_exit(w);
	}
	whpx_raise(w, e->ExceptionType, e->ExceptionInfo.ErrorCodeValid, e->ErrorCode);
	return 0;
}
