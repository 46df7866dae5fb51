/* whpx_exit.c - from WHV_RUN_VP_EXIT_CONTEXT to vma_exit, one function a reason; IN and OUT by the context alone (WHP,
 * WHvRunVirtualProcessor and the exit contexts). */
#include <string.h>
#include "whpx/whpx.h"
#include "whpx/whpx_insn.h"

enum { RFLAGS_TF = 1 << 8, RFLAGS_RF = 1 << 16 };

int whpx_leave(struct whpx_vcpu *w, int kind)
{
	w->v->exit.kind = (uint32_t)kind;
	w->v->exit.pending = 0;
	return kind;
}

bool whpx_plain(const struct whpx_vcpu *w)
{
	const WHV_VP_EXIT_CONTEXT *c = &w->ctx.VpContext;

	return !(c->Rflags & (RFLAGS_TF | RFLAGS_RF)) && !c->ExecutionState.DebugActive &&
	       !c->ExecutionState.InterruptionPending && !w->debug_on;
}

int whpx_exception_bytes(struct whpx_vcpu *w, uint8_t bytes[15])
{
	const WHV_VP_EXCEPTION_CONTEXT *e = &w->ctx.VpException;
	int have = e->InstructionByteCount > 15 ? 15 : e->InstructionByteCount;
	int n = have < 15 ? whpx_emu_bytes(w, 0, bytes) : 0; /* they may end with a page */

	if (n < 0 || n > have)
		return n;
	memcpy(bytes, e->InstructionBytes, (size_t)have);
	return have;
}

/* InterruptState has a second bit, which is to stay. */
static int end_shadow(struct whpx_vcpu *w)
{
	struct whpx_batch b;
	WHV_REGISTER_VALUE *state;
	int rc;

	b.count = 0;
	whpx_add(&b, WHvRegisterInterruptState);
	rc = whpx_get(w, &b);
	if (rc)
		return rc;
	state = whpx_add(&w->out, WHvRegisterInterruptState);
	state->InterruptState.NmiMasked = b.values[0].InterruptState.NmiMasked;
	w->shadow = false;
	w->shadow_kind = 0;
	return 0;
}

int whpx_advance(struct whpx_vcpu *w, unsigned length)
{
	const WHV_VP_EXIT_CONTEXT *c = &w->ctx.VpContext;
	uint64_t rip = c->Rip + length;

	if (!c->ExecutionState.EferLma || !c->Cs.Long)
		rip = (uint32_t)rip;
	w->advanced = rip;
	whpx_put(w, WHvX64RegisterRip, rip);
	return w->shadow ? end_shadow(w) : 0;
}

/* ------ IN and OUT ------ */

static int io_exit(struct whpx_vcpu *w)
{
	const WHV_X64_IO_PORT_ACCESS_CONTEXT *io = &w->ctx.IoPortAccess;
	struct vma_vcpu *v = w->v;
	unsigned size = io->AccessInfo.AccessSize;

	if (whpx_hot(w) || io->AccessInfo.StringOp || io->AccessInfo.RepPrefix || !w->ctx.VpContext.InstructionLength ||
	    !whpx_plain(w) || (size != 1 && size != 2 && size != 4))
		return whpx_emulate(w);
	v->exit.kind = VMA_EXIT_IO;
	v->exit.pending = 1;
	v->exit.io.port = io->PortNumber;
	v->exit.io.width = (uint8_t)size;
	v->exit.io.write = io->AccessInfo.IsWrite;
	v->exit.io.count = 1;
	v->exit.io.data = w->data;
	memcpy(w->data, &io->Rax, sizeof(w->data));
	if (!v->exit.io.write)
		memset(w->data, 0, sizeof(w->data));
	v->completes_rip_only = v->exit.io.write;
	w->half = WHPX_IO;
	return VMA_EXIT_IO;
}

/* IN AL and AX leave the rest of RAX, IN EAX clears its upper half (SDM vol. 1, 3.4.1.1). */
static int io_finish(struct whpx_vcpu *w)
{
	const WHV_X64_IO_PORT_ACCESS_CONTEXT *io = &w->ctx.IoPortAccess;
	unsigned size = io->AccessInfo.AccessSize;
	uint64_t rax = size == 4 ? 0 : io->Rax;

	if (!io->AccessInfo.IsWrite) {
		memcpy(&rax, w->data, size);
		whpx_put(w, WHvX64RegisterRax, rax);
	}
	return whpx_advance(w, w->ctx.VpContext.InstructionLength);
}

int whpx_finish(struct whpx_vcpu *w)
{
	static int (*const finish[WHPX_HALVES])(struct whpx_vcpu *w) = {
		[WHPX_IO] = io_finish,	   [WHPX_MOVE] = whpx_move_finish,    [WHPX_MSR] = whpx_msr_finish,
		[WHPX_CPUID] = whpx_cpuid_finish, [WHPX_EMULATED] = whpx_emu_finish,
		[WHPX_HYPERCALL] = whpx_hypercall_finish,
	};

	return finish[w->half] ? finish[w->half](w) : 0;
}

/* ------ memory ------ */

enum { STUCK = 1000 }; /* a guest may well come by as often while its pages come and go */

/* The same access at the same place, no other exit between, and nothing was found wrong with it: VirtualBox saw that
 * where a page had been unmapped and mapped at once. Such a page's accesses are done here until the mappings change. */
static bool stuck(struct whpx_vcpu *w, uint64_t generation)
{
	const WHV_MEMORY_ACCESS_CONTEXT *m = &w->ctx.MemoryAccess;
	uint64_t page = m->Gpa / WHPX_PAGE;

	if (w->hopeless && w->hopeless_page == page && w->hopeless_generation == generation)
		return true;
	if (w->stuck_rip != w->ctx.VpContext.Rip || w->stuck_gpa != m->Gpa)
		w->stuck = 0;
	w->stuck_rip = w->ctx.VpContext.Rip;
	w->stuck_gpa = m->Gpa;
	if (++w->stuck <= STUCK)
		return false;
	w->hopeless = true;
	w->hopeless_page = page;
	w->hopeless_generation = generation;
	return true;
}

struct target {
	bool write, mapped, allowed;
	uint64_t generation; /* of the mappings */
};

/* What is at the address? */
static struct target target_of(struct whpx_vcpu *w)
{
	static const uint32_t needed[4] = {VMA_MAP_READ, VMA_MAP_WRITE, VMA_MAP_EXEC, VMA_MAP_READ};
	const WHV_MEMORY_ACCESS_CONTEXT *m = &w->ctx.MemoryAccess;
	struct target t = {.write = m->AccessInfo.AccessType == WHvMemoryAccessWrite};
	const struct whpx_region *r;

	whpx_memory_lock(w);
	r = whpx_region_at(w->vm, m->Gpa);
	t.mapped = r;
	t.allowed = r && r->flags & needed[m->AccessInfo.AccessType];
	t.generation = w->vm->generation;
	whpx_memory_unlock(w);
	return t;
}

/* Memory that allows the access: the page was not there yet, or was being mapped anew by another thread. */
static int memory_exit(struct whpx_vcpu *w)
{
	struct target t = target_of(w);
	int rc;

	if (t.allowed) {
		if (stuck(w, t.generation))
			return whpx_emulate(w);
		whpx_populate(w, w->ctx.MemoryAccess.Gpa, t.write);
		return 0;
	}
	w->stuck = 0;
	rc = whpx_move_exit(w, t.mapped);
	return rc ? rc : whpx_emulate(w);
}

/* ------ the rest ------ */

/* Where RIP is still at it, the HLT is done here. Behind it there is no shadow of what was before it. */
static int halt_exit(struct whpx_vcpu *w)
{
	int rc;

	if (whpx_host.tried.halt == WHPX_OTHERWISE)
		return whpx_emulate(w);
	rc = w->shadow ? end_shadow(w) : 0;
	return rc ? rc : whpx_leave(w, VMA_EXIT_HLT);
}

/* Some instructions that are #UD for a guest end so too, instead (crosvm's tests): then #UD is delivered here. */
static int triple_exit(struct whpx_vcpu *w)
{
	uint8_t bytes[15];
	int n = whpx_emu_bytes(w, 0, bytes);

	if (n < 0)
		return n;
	if (!whpx_insn_of_hypervisors(&w->ctx.VpContext, bytes, (size_t)n))
		return whpx_leave(w, VMA_EXIT_TRIPLE_FAULT);
	whpx_raise(w, WHPX_UD, false, 0);
	return whpx_emulate(w);
}

static int invalid_exit(struct whpx_vcpu *w)
{
	w->v->exit.fail_entry.reason = WHvRunVpExitReasonInvalidVpRegisterValue;
	return whpx_leave(w, VMA_EXIT_FAIL_ENTRY);
}

/* A task switch, or an intercept that the hypervisor has no exit for: the instruction is done here. */
static int unsupported_exit(struct whpx_vcpu *w)
{
	return whpx_emulate(w);
}

static int eoi_exit(struct whpx_vcpu *w)
{
	whpx_chips_eoi(w, (uint8_t)w->ctx.ApicEoi.InterruptVector);
	return 0;
}

static int no_exit(struct whpx_vcpu *w)
{
	return whpx_leave(w, VMA_EXIT_CANCELED);
}

static const struct {
	WHV_RUN_VP_EXIT_REASON reason;
	int (*fill)(struct whpx_vcpu *w);
} reasons[] = {
	{WHvRunVpExitReasonMemoryAccess, memory_exit},
	{WHvRunVpExitReasonX64MsrAccess, whpx_msr_exit},
	{WHvRunVpExitReasonX64Cpuid, whpx_cpuid_exit},
	{WHvRunVpExitReasonX64InterruptWindow, whpx_window_exit},
	{WHvRunVpExitReasonX64Halt, halt_exit},
	{WHvRunVpExitReasonException, whpx_exception_exit},
	{WHvRunVpExitReasonHypercall, whpx_hypercall_exit},
	{WHvRunVpExitReasonUnrecoverableException, triple_exit},
	{WHvRunVpExitReasonInvalidVpRegisterValue, invalid_exit},
	{WHvRunVpExitReasonUnsupportedFeature, unsupported_exit},
	{WHvRunVpExitReasonX64ApicEoi, eoi_exit},
	{WHvRunVpExitReasonCanceled, no_exit},
	{WHvRunVpExitReasonNone, no_exit},
};

static void note_flags(struct whpx_vcpu *w)
{
	const WHV_VP_EXIT_CONTEXT *c = &w->ctx.VpContext;

	w->rflags = c->Rflags;
	w->cr8 = c->Cr8;
	w->shadow = c->ExecutionState.InterruptShadow;
	w->interruption = c->ExecutionState.InterruptionPending;
	w->flags_known = !w->extint_given;
	if (!w->shadow || c->Rip != w->shadow_rip) /* else nothing ran: a cancel, a page that was not there */
		w->shadow_kind = 0;
}

int whpx_exit(struct whpx_vcpu *w)
{
	note_flags(w);
	if (w->ctx.ExitReason != WHvRunVpExitReasonMemoryAccess)
		w->stuck = 0;
	if (w->ctx.ExitReason == WHvRunVpExitReasonX64IoPortAccess)
		return io_exit(w);
	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
		if (reasons[i].reason == w->ctx.ExitReason)
			return reasons[i].fill(w);
	w->v->exit.other.native = w->ctx.ExitReason;
	return whpx_leave(w, VMA_EXIT_OTHER);
}
