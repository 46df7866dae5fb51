/* whpx_hypercall.c - VMCALL and VMMCALL, where the caller wants their exits. A newer Windows has an exit for the one
 * that the processor's vendor made, where hypercalls are legal: in protected mode at CPL 0 (TLFS 3.7). All others are
 * #UD in a partition without Hyper-V's own services, so #UD is made to exit and looked at; any other one the guest gets
 * back. */
#include <string.h>
#include "whpx/whpx.h"

bool whpx_hypercall_known(const struct whpx_host *h)
{
	return h->exceptions >> WHPX_UD & 1 && h->tried.call != WHPX_OTHERWISE;
}

void whpx_hypercall_wants(const struct vma_vm *vm, WHV_EXTENDED_VM_EXITS *exits, uint64_t *exceptions)
{
	if (!vm->config.hypercall_exits)
		return;
	exits->HypercallExit =
		whpx_host.exits.HypercallExit && whpx_host.context_size >= sizeof(WHV_RUN_VP_EXIT_CONTEXT);
	*exceptions |= 1 << WHPX_UD;
}

/* ------ #UD ------ */

int whpx_ud_exit(struct whpx_vcpu *w)
{
	uint8_t bytes[15];
	int n = whpx_exception_bytes(w, bytes);

	if (n < 0)
		return n;
	if (whpx_insn_hypercall(&w->ctx.VpContext, bytes, (size_t)n))
		return whpx_emulate(w);
	whpx_raise(w, WHPX_UD, false, 0);
	return 0;
}

/* ------ the exit of its own ------ */

/* No document says where RIP stands: at the instruction, by what other clients do, but that of HLT's exit stands behind
 * it. The first exit whose code allows one of the two alone tells which it is. */
enum { RIP_UNKNOWN, RIP_AT, RIP_BEHIND };
enum { LENGTH = 3 }; /* without prefixes */

/* The length of the one that begins `back` bytes before RIP; 0: there is none; or an error. */
static int hypercall_at(struct whpx_vcpu *w, unsigned back)
{
	uint8_t bytes[15];
	int n = whpx_emu_bytes(w, back, bytes);

	return n > 0 ? (int)whpx_insn_hypercall(&w->ctx.VpContext, bytes, (size_t)n) : n;
}

/* RIP_ of this exit, or an error. */
static int stands(struct whpx_vcpu *w)
{
	int known = w->vm->hypercall_rip, here, before;

	if (known)
		return known;
	here = hypercall_at(w, 0);
	before = here < 0 ? here : hypercall_at(w, LENGTH);
	if (before < 0)
		return before;
	if (!here != !before)
		w->vm->hypercall_rip = here ? RIP_AT : RIP_BEHIND;
	return here || !before ? RIP_AT : RIP_BEHIND;
}

static void step_back(struct whpx_vcpu *w, unsigned length)
{
	WHV_VP_EXIT_CONTEXT *c = &w->ctx.VpContext;

	c->Rip -= length;
	if (!c->ExecutionState.EferLma || !c->Cs.Long)
		c->Rip = (uint32_t)c->Rip;
	whpx_put(w, WHvX64RegisterRip, c->Rip);
}

/* RIP is at the instruction afterwards: its length, or an error. */
static int rewind_to(struct whpx_vcpu *w)
{
	int length = w->ctx.VpContext.InstructionLength, at = stands(w);

	if (at < 0)
		return at;
	if (!length && at == RIP_AT)
		length = hypercall_at(w, 0);
	if (!length)
		length = LENGTH;
	if (length > 0 && at == RIP_BEHIND)
		step_back(w, (unsigned)length);
	return length;
}

int whpx_hypercall_exit(struct whpx_vcpu *w)
{
	const WHV_HYPERCALL_CONTEXT *h = &w->ctx.Hypercall;
	const uint64_t args[] = {h->Rbx, h->Rcx, h->Rdx, h->Rsi, h->Rdi, h->R8};
	vma_exit *x = &w->v->exit;
	int length = rewind_to(w);

	if (length < 0)
		return length;
	if (!whpx_plain(w))
		return whpx_emulate(w);
	x->kind = VMA_EXIT_HYPERCALL;
	x->pending = 1;
	x->hypercall.number = h->Rax;
	x->hypercall.result = 0;
	memcpy(x->hypercall.args, args, sizeof(args));
	w->v->completes_rip_only = false;
	w->half = WHPX_HYPERCALL;
	w->length = (uint8_t)length;
	return VMA_EXIT_HYPERCALL;
}

int whpx_hypercall_finish(struct whpx_vcpu *w)
{
	whpx_put(w, WHvX64RegisterRax, w->v->exit.hypercall.result);
	return whpx_advance(w, w->length);
}
