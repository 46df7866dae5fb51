/* exit.c - what stopped the software CPU, as the platform's exit contexts. */
#include <string.h>
#include "whpsim.h"

/* ------ instruction bytes ------ */

/* Those from RIP on, up to 16, as far as they are in memory; needs: so many are the instruction's, known to be there.
 */
static uint8_t insn_bytes(struct whpsim_vp *vp, unsigned needs, uint8_t out[16])
{
	struct x86_cpu *c = vp->cpu;
	unsigned have = 0, error, user = c->cpl == 3 ? X86_ACC_USER : 0;
	uint64_t gpa, lin = c->seg[X86_CS].base + c->rip;
	bool wide = c->efer & 0x400 && c->seg[X86_CS].attr & 0x2000;
	lin = wide ? c->rip : (uint32_t)lin;
	while (have < 16) {
		uint64_t at = wide ? lin + have : (uint32_t)(lin + have);
		unsigned room = WHPSIM_PAGE - (unsigned)(at % WHPSIM_PAGE), n = 16 - have < room ? 16 - have : room;
		if (have >= needs && have && room == WHPSIM_PAGE)
			break; /* the next page is not the instruction's */
		if (!x86_walk(c, at, X86_ACC_EXEC | X86_ACC_LOOK | user, &gpa, &error))
			break;
		if (!whpsim_guest_read(vp->partition, gpa, out + have, n))
			break;
		have += n;
	}
	return (uint8_t)have;
}

/* ------ contexts ------ */

void whpsim_vp_context(struct whpsim_vp *vp, WHV_VP_EXIT_CONTEXT *x)
{
	struct x86_cpu *c = vp->cpu;
	x->ExecutionState.Cpl = c->cpl & 3;
	x->ExecutionState.Cr0Pe = c->cr0 & 1;
	x->ExecutionState.Cr0Am = c->cr0 >> 18 & 1;
	x->ExecutionState.EferLma = c->efer >> 10 & 1;
	x->ExecutionState.DebugActive = (c->dr[7] & 0xff) != 0;
	x->ExecutionState.InterruptionPending = c->inject_valid || c->exc_valid;
	x->ExecutionState.InterruptShadow = c->shadow != 0;
	x->Cr8 = (vp->env.get_tpr ? vp->env.get_tpr(vp) : c->cr8) & 15;
	x->Cs = whpsim_segment(&c->seg[X86_CS]);
	x->Rip = c->rip;
	x->Rflags = x86_get_rflags(c);
}

static void fill_io(struct whpsim_vp *vp, WHV_RUN_VP_EXIT_CONTEXT *x)
{
	const struct x86_cpu *c = vp->cpu;
	const struct x86_stop *s = &c->stop;
	WHV_X64_IO_PORT_ACCESS_CONTEXT *io = &x->IoPortAccess;
	io->InstructionByteCount = insn_bytes(vp, s->insn_len, io->InstructionBytes);
	io->AccessInfo.IsWrite = s->write;
	io->AccessInfo.AccessSize = s->len & 7;
	io->AccessInfo.StringOp = s->string;
	io->AccessInfo.RepPrefix = s->rep;
	io->PortNumber = (uint16_t)s->addr;
	io->Rax = c->r[0];
	io->Rcx = c->r[1];
	io->Rsi = c->r[6];
	io->Rdi = c->r[7];
	io->Ds = whpsim_segment(&c->seg[X86_DS]);
	io->Es = whpsim_segment(&c->seg[X86_ES]);
}

static void fill_memory(struct whpsim_vp *vp, WHV_RUN_VP_EXIT_CONTEXT *x)
{
	const struct x86_stop *s = &vp->cpu->stop;
	WHV_MEMORY_ACCESS_CONTEXT *m = &x->MemoryAccess;
	if (!s->fetch)
		m->InstructionByteCount = insn_bytes(vp, s->insn_len, m->InstructionBytes);
	m->AccessInfo.AccessType = s->fetch   ? WHvMemoryAccessExecute
				   : s->write ? WHvMemoryAccessWrite
					      : WHvMemoryAccessRead;
	m->AccessInfo.GpaUnmapped =
		!whpsim_region_at(vp->partition, s->addr) || whpsim_doorbell_page(vp->partition, s->addr);
	m->AccessInfo.GvaValid = 1;
	m->Gpa = s->addr;
	m->Gva = s->gva;
}

static void fill_msr(struct whpsim_vp *vp, WHV_RUN_VP_EXIT_CONTEXT *x)
{
	const struct x86_cpu *c = vp->cpu;
	x->MsrAccess.AccessInfo.IsWrite = c->stop.write;
	x->MsrAccess.MsrNumber = (uint32_t)c->stop.addr;
	x->MsrAccess.Rax = c->r[0];
	x->MsrAccess.Rdx = c->r[2];
}

static void fill_cpuid(struct whpsim_vp *vp, WHV_RUN_VP_EXIT_CONTEXT *x)
{
	const struct x86_cpu *c = vp->cpu;
	WHV_X64_CPUID_ACCESS_CONTEXT *i = &x->CpuidAccess;
	i->Rax = c->r[0];
	i->Rcx = c->r[1];
	i->Rdx = c->r[2];
	i->Rbx = c->r[3];
	i->DefaultResultRax = c->stop.cpuid[0];
	i->DefaultResultRbx = c->stop.cpuid[1];
	i->DefaultResultRcx = c->stop.cpuid[2];
	i->DefaultResultRdx = c->stop.cpuid[3];
}

static void fill_hypercall(struct whpsim_vp *vp, WHV_RUN_VP_EXIT_CONTEXT *x)
{
	const struct x86_cpu *c = vp->cpu;
	WHV_HYPERCALL_CONTEXT *h = &x->Hypercall;
	h->Rax = c->r[0];
	h->Rbx = c->r[3];
	h->Rcx = c->r[1];
	h->Rdx = c->r[2];
	h->R8 = c->r[8];
	h->Rsi = c->r[6];
	h->Rdi = c->r[7];
	for (unsigned i = 0; i < 6; i++) {
		h->XmmRegisters[i].Low64 = c->v[i].q[0];
		h->XmmRegisters[i].High64 = c->v[i].q[1];
	}
}

/* As a processor does that updates DR6 and DR7 before it exits (APM vol. 2, 15.12.2). */
static void debug_in_dr6(struct whpsim_vp *vp, WHV_VP_EXCEPTION_CONTEXT *e)
{
	enum { BD = 1 << 13, GD = 1 << 13 };
	struct x86_cpu *c = vp->cpu;
	c->dr[6] = e->ExceptionParameter;
	if (c->dr[6] & BD)
		c->dr[7] &= ~(uint64_t)GD;
	e->ExceptionParameter = 0;
}

static void fill_exception(struct whpsim_vp *vp, WHV_RUN_VP_EXIT_CONTEXT *x)
{
	const struct x86_stop *s = &vp->cpu->stop;
	WHV_VP_EXCEPTION_CONTEXT *e = &x->VpException;
	e->InstructionByteCount = insn_bytes(vp, s->insn_len, e->InstructionBytes);
	e->ExceptionInfo.ErrorCodeValid = s->has_error && vp->cpu->cr0 & 1; /* there are none in real mode */
	e->ExceptionInfo.SoftwareException = s->software;
	e->ExceptionType = (uint8_t)s->exception;
	e->ErrorCode = s->error;
	e->ExceptionParameter = s->value;
	if (e->ExceptionType == 1 && whpsim_config()->debug_in_dr6)
		debug_in_dr6(vp, e);
}

static void fill_tsc(struct whpsim_vp *vp, WHV_RUN_VP_EXIT_CONTEXT *x)
{
	struct x86_cpu *c = vp->cpu;
	WHV_X64_RDTSC_CONTEXT *t = &x->ReadTsc;
	t->TscAux = c->tsc_aux;
	t->VirtualOffset = c->tsc_offset;
	t->Tsc = whpsim_tsc(vp) + c->tsc_offset;
	t->ReferenceTime = whpsim_time_ns(vp->partition) / 100;
	t->RdtscInfo.IsRdtscp = c->stop.write;
}

/* Each is wanted once. */
static void fill_window(struct whpsim_vp *vp, WHV_RUN_VP_EXIT_CONTEXT *x)
{
	if (!whpsim_config()->window_stays)
		vp->wanted.InterruptNotification = 0;
	x->InterruptWindow.DeliverableType = WHvX64PendingInterrupt;
}

static void fill_nmi_window(struct whpsim_vp *vp, WHV_RUN_VP_EXIT_CONTEXT *x)
{
	if (!whpsim_config()->window_stays)
		vp->wanted.NmiNotification = 0;
	x->InterruptWindow.DeliverableType = WHvX64PendingNmi;
}

static void fill_task(struct whpsim_vp *vp, WHV_RUN_VP_EXIT_CONTEXT *x)
{
	x->UnsupportedFeature.FeatureCode = WHvUnsupportedFeatureTaskSwitchTss;
	x->UnsupportedFeature.FeatureParameter = vp->cpu->stop.addr;
}

static void fill_intercept(struct whpsim_vp *vp, WHV_RUN_VP_EXIT_CONTEXT *x)
{
	(void)vp;
	x->UnsupportedFeature.FeatureCode = WHvUnsupportedFeatureIntercept;
}

static void fill_nothing(struct whpsim_vp *vp, WHV_RUN_VP_EXIT_CONTEXT *x)
{
	(void)vp, (void)x;
}

static const struct {
	WHV_RUN_VP_EXIT_REASON reason;
	void (*fill)(struct whpsim_vp *vp, WHV_RUN_VP_EXIT_CONTEXT *x);
} exits[] = {
	[X86_STOP_POLL] = {WHvRunVpExitReasonCanceled, fill_nothing},
	[X86_STOP_IO] = {WHvRunVpExitReasonX64IoPortAccess, fill_io},
	[X86_STOP_MMIO] = {WHvRunVpExitReasonMemoryAccess, fill_memory},
	[X86_STOP_MSR] = {WHvRunVpExitReasonX64MsrAccess, fill_msr},
	[X86_STOP_CPUID] = {WHvRunVpExitReasonX64Cpuid, fill_cpuid},
	[X86_STOP_HYPERCALL] = {WHvRunVpExitReasonHypercall, fill_hypercall},
	[X86_STOP_HLT] = {WHvRunVpExitReasonX64Halt, fill_nothing},
	[X86_STOP_WINDOW] = {WHvRunVpExitReasonX64InterruptWindow, fill_window},
	[X86_STOP_NMI_WINDOW] = {WHvRunVpExitReasonX64InterruptWindow, fill_nmi_window},
	[X86_STOP_TRIPLE] = {WHvRunVpExitReasonUnrecoverableException, fill_nothing},
	[X86_STOP_EXCEPTION] = {WHvRunVpExitReasonException, fill_exception},
	[X86_STOP_TSC] = {WHvRunVpExitReasonX64Rdtsc, fill_tsc},
	[X86_STOP_TASK] = {WHvRunVpExitReasonUnsupportedFeature, fill_task},
	[X86_STOP_INTERNAL] = {WHvRunVpExitReasonUnsupportedFeature, fill_intercept},
};

/* Whose context goes with the length of the instruction at RIP. */
static bool has_length(enum x86_stop_kind kind)
{
	return kind == X86_STOP_IO || kind == X86_STOP_MMIO || kind == X86_STOP_MSR || kind == X86_STOP_CPUID ||
	       kind == X86_STOP_HYPERCALL || kind == X86_STOP_EXCEPTION || kind == X86_STOP_TSC;
}

/* No document says where RIP stands at a hypercall; clients are known that take it to stand at the instruction. */
static void step_behind(struct whpsim_vp *vp, WHV_VP_EXIT_CONTEXT *x)
{
	struct x86_cpu *c = vp->cpu;
	bool wide = c->efer & 0x400 && c->seg[X86_CS].attr & 0x2000;
	uint64_t rip = c->rip + c->stop.insn_len;
	x->Rip = c->rip = wide ? rip : (uint32_t)rip;
	x->InstructionLength = 0;
	c->replay = false;
}

/* Is the instruction at RIP one that a hypervisor may have no answer for: some of VMX and SMX (SDM vol. 3, chapter 31)
 * and of SVM (APM vol. 3, chapter 4) but VMMCALL? */
bool whpsim_at_vmx(struct whpsim_vp *vp)
{
	uint8_t b[16];
	uint8_t n = insn_bytes(vp, 0, b);
	if (n < 3 || (b[0] != 0x0f && b[0] != 0x66))
		return false;
	return (b[0] == 0x0f && b[1] == 0x37) || (b[0] == 0x0f && b[1] == 0x01 && b[2] >= 0xc2 && b[2] <= 0xc4) ||
	       (b[0] == 0x0f && b[1] == 0x01 && b[2] >= 0xd8 && b[2] <= 0xdf && b[2] != 0xd9) ||
	       (b[0] == 0x66 && b[1] == 0x0f && b[2] == 0x38 && n > 3 && (b[3] == 0x80 || b[3] == 0x81));
}

/* The one that this processor gives to the hypervisor, which makes it a #UD. */
bool whpsim_at_vmcall(struct whpsim_vp *vp)
{
	uint8_t b[16];
	return insn_bytes(vp, 0, b) >= 3 && b[0] == 0x0f && b[1] == 0x01 && b[2] == 0xc1;
}

/* What else a HLT may leave behind. */
static void halt(struct whpsim_vp *vp)
{
	if (whpsim_config()->halt_at)
		vp->cpu->rip--;
	else if (whpsim_config()->halt_shadow)
		vp->cpu->shadow = 1;
}

void whpsim_exit(struct whpsim_vp *vp, enum x86_stop_kind kind, WHV_RUN_VP_EXIT_CONTEXT *x)
{
	if (kind == X86_STOP_HLT)
		halt(vp);
	if (kind == X86_STOP_INTERNAL && vp->cpu->stop.fetch)
		kind = X86_STOP_MMIO; /* memory that may not be executed */
	x->ExitReason = exits[kind].reason;
	whpsim_vp_context(vp, &x->VpContext);
	if (has_length(kind))
		x->VpContext.InstructionLength = vp->cpu->stop.insn_len & 15;
	exits[kind].fill(vp, x);
	if (kind == X86_STOP_HYPERCALL && whpsim_hostile_behind())
		step_behind(vp, &x->VpContext);
}
