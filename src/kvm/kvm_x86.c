/* kvm_x86.c - the neutral vCPU state to and from KVM's structures, and when an ioctl is needed for it.
 *
 * KVM_CAP_SYNC_REGS is used lazily: the first look at a class after an exit costs an ioctl and makes KVM copy that
 * class into kvm_run at the following exits; general registers that were written travel in kvm_run with the next
 * KVM_RUN, which applies them before it completes a pending exit. */
#include <string.h>
#include "kvm/kvm.h"

static bool synced(struct vma_vcpu *v, unsigned sync_class)
{
	struct vma_kvm_vcpu *k = v->priv;

	k->idle[__builtin_ctz(sync_class)] = 0;
	if (k->synced & sync_class)
		return true;
	k->run->kvm_valid_regs |= sync_class & vma_kvm_host.sync_regs;
	return false;
}

/* ------ general registers ------ */

static void regs_in(const struct kvm_regs *r, vma_x86_regs *x)
{
#define VMA_X(NAME, field, kvm, ...) x->field = r->kvm;
	VMA_X86_GPRS(VMA_X)
#undef VMA_X
}

static void regs_out(const vma_x86_regs *x, struct kvm_regs *r, uint32_t which)
{
#define VMA_X(NAME, field, kvm, ...)                                                                                   \
	if (which & VMA_X86_REG_BIT(VMA_X86_##NAME))                                                                   \
		r->kvm = x->field;
	VMA_X86_GPRS(VMA_X)
#undef VMA_X
}

int vma_kvm_native_regs(struct vma_vcpu *v, struct kvm_regs *regs)
{
	struct kvm_run *run = VMA_KVM_VCPU(v)->run;

	if (synced(v, KVM_SYNC_X86_REGS) || (run->kvm_dirty_regs & KVM_SYNC_X86_REGS)) {
		*regs = run->s.regs.regs;
		return 0;
	}
	return vma_kvm_vcpu_ioctl(v, KVM_GET_REGS, regs);
}

static int fetch_gpr(struct vma_vcpu *v)
{
	struct kvm_regs regs;
	int rc = vma_kvm_native_regs(v, &regs);

	if (!rc && v->exit.pending)
		rc = vma_kvm_rewind(v, &regs);
	if (!rc)
		regs_in(&regs, &v->x86.gpr);
	return rc;
}

int vma_kvm_flush(struct vma_vcpu *v)
{
	struct kvm_run *run = VMA_KVM_VCPU(v)->run;
	int rc;

	if (!(run->kvm_dirty_regs & KVM_SYNC_X86_REGS))
		return 0;
	rc = vma_kvm_vcpu_ioctl(v, KVM_SET_REGS, &run->s.regs.regs);
	if (!rc)
		run->kvm_dirty_regs &= ~KVM_SYNC_X86_REGS;
	return rc;
}

/* KVM drops an exception that it holds when registers are written (api.rst 4.12 does not say so; __set_regs does). One
 * can be there after a run that a signal ended or after a completion: write it back. */
static int flush_keeping_exception(struct vma_vcpu *v)
{
	struct kvm_vcpu_events e;
	int rc = vma_kvm_vcpu_ioctl(v, KVM_GET_VCPU_EVENTS, &e);

	VMA_KVM_VCPU(v)->exception_at_risk = false;
	if (rc || !e.exception.pending)
		return rc;
	rc = vma_kvm_flush(v);
	return rc ? rc : vma_kvm_vcpu_ioctl(v, KVM_SET_VCPU_EVENTS, &e);
}

/* While an exit is pending KVM's RIP may lie before or behind the instruction and the completion depends on it: only
 * what the caller wrote is laid over KVM's own registers. */
static int commit_gpr(struct vma_vcpu *v)
{
	struct vma_kvm_vcpu *k = v->priv;
	uint32_t which = VMA_X86_ALL_REGS;
	struct kvm_regs regs;
	int rc;

	if (v->exit.pending) {
		which = v->gpr_dirty & VMA_X86_ALL_BUT_RIP;
		rc = vma_kvm_native_regs(v, &regs);
		if (rc)
			return rc;
		k->run->s.regs.regs = regs;
	}
	regs_out(&v->x86.gpr, &k->run->s.regs.regs, which);
	k->run->kvm_dirty_regs |= KVM_SYNC_X86_REGS;
	k->synced |= KVM_SYNC_X86_REGS;
	k->window_known = false;
	if (k->exception_at_risk)
		return flush_keeping_exception(v);
	return vma_kvm_host.sync_regs & KVM_SYNC_X86_REGS ? 0 : vma_kvm_flush(v);
}

/* ------ segments and control registers ------ */

static void seg_in(const struct kvm_segment *s, vma_x86_seg *x)
{
	*x = (vma_x86_seg){.base = s->base, .limit = s->limit, .selector = s->selector};
	x->attr = (uint32_t)(s->type & 15) | (s->s ? VMA_SEG_S : 0) | (uint32_t)(s->dpl & 3) << 5 |
		  (s->present ? VMA_SEG_P : 0) | (s->avl ? VMA_SEG_AVL : 0) | (s->l ? VMA_SEG_L : 0) |
		  (s->db ? VMA_SEG_DB : 0) | (s->g ? VMA_SEG_G : 0) | (s->unusable ? VMA_SEG_UNUSABLE : 0);
}

static void seg_out(const vma_x86_seg *x, struct kvm_segment *s)
{
	*s = (struct kvm_segment){
	    .base = x->base,
	    .limit = x->limit,
	    .selector = x->selector,
	    .type = x->attr & 15,
	    .s = !!(x->attr & VMA_SEG_S),
	    .dpl = x->attr >> 5 & 3,
	    .present = !!(x->attr & VMA_SEG_P),
	    .avl = !!(x->attr & VMA_SEG_AVL),
	    .l = !!(x->attr & VMA_SEG_L),
	    .db = !!(x->attr & VMA_SEG_DB),
	    .g = !!(x->attr & VMA_SEG_G),
	    .unusable = !!(x->attr & VMA_SEG_UNUSABLE),
	};
}

int vma_kvm_sregs(struct vma_vcpu *v, struct kvm_sregs *sregs)
{
	if (synced(v, KVM_SYNC_X86_SREGS)) {
		*sregs = VMA_KVM_VCPU(v)->run->s.regs.sregs;
		return 0;
	}
	return vma_kvm_vcpu_ioctl(v, KVM_GET_SREGS, sregs);
}

static int fetch_sregs(struct vma_vcpu *v)
{
	vma_x86_sregs *x = &v->x86.sregs;
	struct kvm_sregs s;
	int rc = vma_kvm_sregs(v, &s);

	if (rc)
		return rc;
#define VMA_X(NAME, field, kvm, ...) seg_in(&s.kvm, &x->field);
	VMA_X86_SEGS(VMA_X)
#undef VMA_X
#define VMA_X(NAME, field, kvm, ...) x->field = (vma_x86_table){.base = s.kvm.base, .limit = s.kvm.limit};
	VMA_X86_TABLES(VMA_X)
#undef VMA_X
#define VMA_X(NAME, field, kvm, ...) x->field = s.kvm;
	VMA_X86_CONTROLS(VMA_X)
#undef VMA_X
	return 0;
}

static int commit_sregs(struct vma_vcpu *v)
{
	const vma_x86_sregs *x = &v->x86.sregs;
	struct kvm_sregs s = {0}; /* interrupt_bitmap 0: leaves an interrupt in flight to the events */
	int rc;

#define VMA_X(NAME, field, kvm, ...) seg_out(&x->field, &s.kvm);
	VMA_X86_SEGS(VMA_X)
#undef VMA_X
#define VMA_X(NAME, field, kvm, ...)                                                                                   \
	s.kvm.base = x->field.base;                                                                                    \
	s.kvm.limit = (uint16_t)x->field.limit;
	VMA_X86_TABLES(VMA_X)
#undef VMA_X
#define VMA_X(NAME, field, kvm, ...) s.kvm = x->field;
	VMA_X86_CONTROLS(VMA_X)
#undef VMA_X
	rc = vma_kvm_vcpu_ioctl(v, KVM_SET_SREGS, &s);
	if (!rc) /* without an irqchip KVM_RUN takes the task priority from kvm_run (api.rst 5, cr8) */
		VMA_KVM_VCPU(v)->run->cr8 = x->cr8;
	return rc;
}

/* ------ debug registers, XCR0, XSAVE ------ */

static int fetch_dregs(struct vma_vcpu *v)
{
	vma_x86_dregs *x = &v->x86.dregs;
	struct kvm_debugregs d;
	int rc = vma_kvm_vcpu_ioctl(v, KVM_GET_DEBUGREGS, &d);

	if (rc)
		return rc;
#define VMA_X(NAME, field, kvm, ...) x->field = d.kvm;
	VMA_X86_DEBUGS(VMA_X)
#undef VMA_X
	return 0;
}

static int commit_dregs(struct vma_vcpu *v)
{
	const vma_x86_dregs *x = &v->x86.dregs;
	struct kvm_debugregs d = {0};

#define VMA_X(NAME, field, kvm, ...) d.kvm = x->field;
	VMA_X86_DEBUGS(VMA_X)
#undef VMA_X
	return vma_kvm_vcpu_ioctl(v, KVM_SET_DEBUGREGS, &d);
}

static int fetch_xcr0(struct vma_vcpu *v)
{
	struct kvm_xcrs x = {0};
	int rc = vma_kvm_host.xcrs ? vma_kvm_vcpu_ioctl(v, KVM_GET_XCRS, &x) : 0;

	v->x86.xcr0 = 1; /* what it is where nothing can set it */
	for (uint32_t i = 0; !rc && i < x.nr_xcrs && i < KVM_MAX_XCRS; i++)
		if (x.xcrs[i].xcr == 0)
			v->x86.xcr0 = x.xcrs[i].value;
	return rc;
}

static int commit_xcr0(struct vma_vcpu *v)
{
	struct kvm_xcrs x = {.nr_xcrs = 1, .xcrs = {{.xcr = 0, .value = v->x86.xcr0}}};

	if (vma_kvm_host.xcrs)
		return vma_kvm_vcpu_ioctl(v, KVM_SET_XCRS, &x);
	return v->x86.xcr0 == 1 ? 0 : vma_fail(VMA_E_NO_HOST, "this host's KVM has no XCR0 to set");
}

static uint32_t image_size(const struct vma_vcpu *v)
{
	uint32_t room = VMA_KVM_VCPU(v)->xsave_size;

	return v->vm->xsave_size < room ? v->vm->xsave_size : room;
}

static int fetch_xsave(struct vma_vcpu *v)
{
	struct vma_kvm_vcpu *k = v->priv;
	int rc = vma_kvm_host.xsave_size ? vma_kvm_vcpu_ioctl(v, KVM_GET_XSAVE2, k->xsave)
					 : vma_kvm_vcpu_ioctl(v, KVM_GET_XSAVE, k->xsave);

	if (!rc)
		memcpy(v->x86.xsave, k->xsave, image_size(v));
	return rc;
}

/* The image's fixed places, SDM vol. 1, 13.4.1 and 13.4.2 */
enum { X_MXCSR = 24, X_XMM = 160, X_XMM_END = 416, X_XSTATE_BV = 512, MXCSR_INIT = 0x1f80 };

/* XRSTOR loads MXCSR whatever XSTATE_BV says; KVM_SET_XSAVE drops it when neither SSE nor AVX is marked: mark SSE, in
 * its initial state. */
static void keep_mxcsr(uint8_t *image)
{
	uint64_t bv;
	uint32_t mxcsr;

	memcpy(&bv, image + X_XSTATE_BV, sizeof(bv));
	memcpy(&mxcsr, image + X_MXCSR, sizeof(mxcsr));
	if ((bv & 6) || mxcsr == MXCSR_INIT)
		return;
	memset(image + X_XMM, 0, X_XMM_END - X_XMM);
	bv |= 2;
	memcpy(image + X_XSTATE_BV, &bv, sizeof(bv));
}

static int commit_xsave(struct vma_vcpu *v)
{
	struct vma_kvm_vcpu *k = v->priv;

	memset(k->xsave, 0, k->xsave_size);
	memcpy(k->xsave, v->x86.xsave, image_size(v));
	keep_mxcsr(k->xsave);
	return vma_kvm_vcpu_ioctl(v, KVM_SET_XSAVE, k->xsave);
}

/* ------ events ------ */

/* KVM has STI as bit 1 and MOV SS as bit 0, the neutral state follows VMX (SDM vol. 3, table 25-3). */
static uint8_t swap_shadow(uint8_t s)
{
	return (uint8_t)((s & 1) << 1 | (s >> 1 & 1));
}

static int get_events(struct vma_vcpu *v, struct kvm_vcpu_events *e)
{
	if (synced(v, KVM_SYNC_X86_EVENTS)) {
		*e = VMA_KVM_VCPU(v)->run->s.regs.events;
		return 0;
	}
	return vma_kvm_vcpu_ioctl(v, KVM_GET_VCPU_EVENTS, e);
}

static int fetch_events(struct vma_vcpu *v)
{
	struct kvm_vcpu_events e;
	int rc = get_events(v, &e);

	if (rc)
		return rc;
	v->x86.events = (vma_x86_events){
	    .exception_injected = e.exception.injected,
	    .exception_pending = e.flags & KVM_VCPUEVENT_VALID_PAYLOAD ? e.exception.pending : 0,
	    .exception_vector = e.exception.nr,
	    .exception_has_error = e.exception.has_error_code,
	    .exception_error = e.exception.error_code,
	    .exception_has_payload = e.exception_has_payload,
	    .exception_payload = e.exception_payload,
	    .interrupt_injected = e.interrupt.injected,
	    .interrupt_vector = e.interrupt.nr,
	    .interrupt_soft = e.interrupt.soft,
	    .shadow = swap_shadow(e.interrupt.shadow),
	    .nmi_injected = e.nmi.injected,
	    .nmi_pending = e.nmi.pending,
	    .nmi_masked = e.nmi.masked,
	    .sipi_vector = e.sipi_vector,
	    .init_pending = e.smi.latched_init,
	    .smm = e.smi.smm,
	    .triple_fault_pending = e.flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT ? e.triple_fault.pending : 0,
	};
	return 0;
}

/* Vector, error code and payload mean nothing while no exception is there; KVM leaves the last ones standing, which
 * would make two equal states differ. */
static void forget_stale(vma_x86_events *x)
{
	if (!x->exception_injected && !x->exception_pending) {
		x->exception_vector = x->exception_has_error = 0;
		x->exception_error = 0;
	}
	if (!x->exception_has_payload)
		x->exception_payload = 0;
	if (!x->interrupt_injected)
		x->interrupt_vector = x->interrupt_soft = 0;
}

static int commit_events(struct vma_vcpu *v)
{
	const vma_x86_events *x = &v->x86.events;
	struct kvm_vcpu_events e = {
	    .exception = {.injected = x->exception_injected,
			  .pending = x->exception_pending,
			  .nr = x->exception_vector,
			  .has_error_code = x->exception_has_error,
			  .error_code = x->exception_error},
	    .interrupt = {.injected = x->interrupt_injected,
			  .nr = x->interrupt_vector,
			  .soft = x->interrupt_soft,
			  .shadow = swap_shadow(x->shadow)},
	    .nmi = {.injected = x->nmi_injected, .pending = x->nmi_pending, .masked = x->nmi_masked},
	    .sipi_vector = x->sipi_vector,
	    .smi = {.smm = x->smm, .latched_init = x->init_pending},
	    .flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW,
	};
	int rc = vma_kvm_flush(v);

	if (rc)
		return rc;
	/* Writing these takes back an INIT or SIPI that another vCPU has sent meanwhile: a fresh vCPU's first state is written at its first run. */
	if (x->smm || x->init_pending)
		e.flags |= KVM_VCPUEVENT_VALID_SMM;
	if (x->sipi_pending || x->sipi_vector)
		e.flags |= KVM_VCPUEVENT_VALID_SIPI_VECTOR;
	if (vma_kvm_host.payload) {
		e.flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
		e.exception_has_payload = x->exception_has_payload;
		e.exception_payload = x->exception_payload;
	} else {
		e.exception.injected |= x->exception_pending;
	}
	if (x->triple_fault_pending && !vma_kvm_host.triple_fault)
		return vma_fail(VMA_E_NO_HOST, "a pending shutdown: this host's KVM cannot be given one");
	if (vma_kvm_host.triple_fault) {
		e.flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
		e.triple_fault.pending = x->triple_fault_pending;
	}
	VMA_KVM_VCPU(v)->exception_at_risk = false;
	return vma_kvm_vcpu_ioctl(v, KVM_SET_VCPU_EVENTS, &e);
}

/* ------ MP state, local APIC ------ */

static int fetch_mp(struct vma_vcpu *v)
{
	struct kvm_mp_state mp = {0};
	int rc = vma_kvm_flush(v); /* KVM_GET_MP_STATE carries out an INIT that waits */

	if (!rc)
		rc = vma_kvm_vcpu_ioctl(v, KVM_GET_MP_STATE, &mp);
	if (rc)
		return rc;
	switch (mp.mp_state) {
	case KVM_MP_STATE_RUNNABLE:
		v->x86.mp = VMA_KVM_VCPU(v)->halted ? VMA_MP_HALTED : VMA_MP_RUNNABLE;
		break;
	case KVM_MP_STATE_HALTED:
		v->x86.mp = VMA_MP_HALTED;
		break;
	default:
		v->x86.mp = VMA_MP_WAIT_SIPI;
	}
	return 0;
}

static int commit_mp(struct vma_vcpu *v)
{
	static const uint32_t native[] = {
	    [VMA_MP_RUNNABLE] = KVM_MP_STATE_RUNNABLE,
	    [VMA_MP_HALTED] = KVM_MP_STATE_HALTED,
	    [VMA_MP_WAIT_SIPI] = KVM_MP_STATE_INIT_RECEIVED,
	};
	struct kvm_mp_state mp;

	/* Without a local APIC of its own KVM has no state but RUNNABLE. */
	if (v->vm->config.irqchip != VMA_IRQCHIP_PLATFORM) {
		if (v->x86.mp == VMA_MP_WAIT_SIPI)
			return vma_fail(VMA_E_STATE, "a vCPU can wait for a SIPI only with an interrupt controller");
		VMA_KVM_VCPU(v)->halted = v->x86.mp == VMA_MP_HALTED;
		return 0;
	}
	mp.mp_state = native[v->x86.mp];
	if (v->x86.mp == VMA_MP_WAIT_SIPI && v->x86.events.sipi_pending)
		mp.mp_state = KVM_MP_STATE_SIPI_RECEIVED;
	return vma_kvm_vcpu_ioctl(v, KVM_SET_MP_STATE, &mp);
}

static int fetch_lapic(struct vma_vcpu *v)
{
	return vma_kvm_vcpu_ioctl(v, KVM_GET_LAPIC, v->x86.lapic);
}

static int commit_lapic(struct vma_vcpu *v)
{
	return vma_kvm_vcpu_ioctl(v, KVM_SET_LAPIC, v->x86.lapic);
}

/* ------ the slots ------ */

struct part {
	uint32_t class;
	int (*fn)(struct vma_vcpu *v);
};

static int each(struct vma_vcpu *v, uint32_t classes, const struct part *parts, size_t count)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < count; i++)
		if (classes & parts[i].class)
			rc = parts[i].fn(v);
	return rc;
}

int vma_kvm_fetch(struct vma_vcpu *v, uint32_t classes)
{
	/* The MP state first, because reading it may carry out an INIT or SIPI that changes the rest. */
	static const struct part order[] = {
	    {VMA_C_MP, fetch_mp},       {VMA_C_LAPIC, fetch_lapic},   {VMA_C_GPR, fetch_gpr},
	    {VMA_C_SREGS, fetch_sregs}, {VMA_C_DREGS, fetch_dregs},   {VMA_C_XCR0, fetch_xcr0},
	    {VMA_C_XSAVE, fetch_xsave}, {VMA_C_EVENTS, fetch_events},
	};
	int rc;

	if (classes == VMA_C_GPR)
		return fetch_gpr(v);
	rc = each(v, classes, order, sizeof(order) / sizeof(*order));
	if (!rc && (classes & VMA_C_EVENTS))
		forget_stale(&v->x86.events);
	return rc;
}

int vma_kvm_commit(struct vma_vcpu *v, uint32_t classes)
{
	/* APIC_BASE stands in SREGS and decides what LAPIC means; general registers before events, which they would
	 * clear. */
	static const struct part order[] = {
	    {VMA_C_SREGS, commit_sregs}, {VMA_C_XCR0, commit_xcr0},     {VMA_C_XSAVE, commit_xsave},
	    {VMA_C_GPR, commit_gpr},     {VMA_C_DREGS, commit_dregs},   {VMA_C_LAPIC, commit_lapic},
	    {VMA_C_MP, commit_mp},       {VMA_C_EVENTS, commit_events},
	};
	struct vma_kvm_vcpu *k = v->priv;

	if (classes == VMA_C_GPR)
		return commit_gpr(v);
	/* One class can show in another (CR8 and the local APIC): what KVM copied at the exit is not trusted any more.
	 */
	k->synced = 0;
	k->window_known = false;
	return each(v, classes, order, sizeof(order) / sizeof(*order));
}
