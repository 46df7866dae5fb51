/* whpx_regs.c - a vCPU's registers to and from the core's neutral form, by the names in x86_lists.h. Reads are one call
 * for all classes asked for; writes gather in w->out. */
#include <string.h>
#include "whpx/whpx.h"

/* ------ which registers a class has ------ */

static void ask_gpr(struct whpx_batch *b)
{
#define VMA_X(NAME, field, kvm, whpx, ...) whpx_add(b, whpx);
	VMA_X86_GPRS(VMA_X)
#undef VMA_X
}

static void ask_sregs(struct whpx_batch *b)
{
#define VMA_X(NAME, field, kvm, whpx, ...) whpx_add(b, whpx);
	VMA_X86_SEGS(VMA_X)
	VMA_X86_TABLES(VMA_X)
	VMA_X86_CONTROLS(VMA_X)
#undef VMA_X
}

static void ask_dregs(struct whpx_batch *b)
{
#define VMA_X(NAME, field, kvm, whpx, ...) whpx_add(b, whpx);
	VMA_X86_DEBUGS(VMA_X)
#undef VMA_X
}

static void ask_xcr0(struct whpx_batch *b)
{
	if (whpx_host.features.Xsave)
		whpx_add(b, WHvX64RegisterXCr0);
}

/* ------ from the platform ------ */

static void gpr_in(struct whpx_vcpu *w, struct whpx_batch *b)
{
	vma_x86_regs *x = &w->v->x86.gpr;

#define VMA_X(NAME, field, kvm, whpx, ...) x->field = whpx_add(b, whpx)->Reg64;
	VMA_X86_GPRS(VMA_X)
#undef VMA_X
	w->rflags = x->rflags;
}

static void sregs_in(struct whpx_vcpu *w, struct whpx_batch *b)
{
	vma_x86_sregs *x = &w->v->x86.sregs;

#define VMA_X(NAME, field, kvm, whpx, ...) whpx_segment_in(whpx_add(b, whpx), &x->field);
	VMA_X86_SEGS(VMA_X)
#undef VMA_X
#define VMA_X(NAME, field, kvm, whpx, ...)                                                                             \
	x->field = (vma_x86_table){.base = whpx_add(b, whpx)->Table.Base, .limit = whpx_add(b, whpx)->Table.Limit};
	VMA_X86_TABLES(VMA_X)
#undef VMA_X
#define VMA_X(NAME, field, kvm, whpx, ...) x->field = whpx_add(b, whpx)->Reg64;
	VMA_X86_CONTROLS(VMA_X)
#undef VMA_X
	if (w->v->vm->config.irqchip != VMA_IRQCHIP_LIBRARY || !w->apic_base_known)
		w->apic_base = x->apic_base;
	w->apic_base_known = true;
}

/* The platform's may be the caller's breakpoints: then the guest's are kept aside, but for DR6. */
static void dregs_in(struct whpx_vcpu *w, struct whpx_batch *b)
{
	vma_x86_dregs *x = &w->v->x86.dregs;
	uint64_t dr6 = whpx_add(b, WHvX64RegisterDr6)->Reg64;

#define VMA_X(NAME, field, kvm, whpx, ...) x->field = whpx_add(b, whpx)->Reg64;
	VMA_X86_DEBUGS(VMA_X)
#undef VMA_X
	if (w->dr_taken)
		*x = w->guest_dr;
	x->dr6 = dr6;
}

static void xcr0_in(struct whpx_vcpu *w, struct whpx_batch *b)
{
	w->v->x86.xcr0 = whpx_host.features.Xsave ? whpx_add(b, WHvX64RegisterXCr0)->Reg64 : 1;
}

/* ------ to the platform ------ */

static int gpr_out(struct whpx_vcpu *w)
{
	const vma_x86_regs *x = &w->v->x86.gpr;
	uint64_t which = w->v->gpr_dirty;

#define VMA_X(NAME, field, kvm, whpx, ...)                                                                             \
	if (which & VMA_X86_REG_BIT(VMA_X86_##NAME))                                                                   \
		whpx_put(w, whpx, x->field);
	VMA_X86_GPRS(VMA_X)
#undef VMA_X
	if (which & VMA_X86_REG_BIT(VMA_X86_RFLAGS))
		w->rflags = x->rflags;
	return 0;
}

/* The platform takes no x2APIC mode where it emulates no local APIC: that of the library's is kept here. */
static void put_apic_base(struct whpx_vcpu *w, uint64_t value)
{
	enum { EXTD = 1 << 10 };
	bool library = w->v->vm->config.irqchip == VMA_IRQCHIP_LIBRARY;

	if (!w->apic_base_known || value != w->apic_base)
		whpx_put(w, WHvX64RegisterApicBase, library ? value & ~(uint64_t)EXTD : value);
	w->apic_base = value;
	w->apic_base_known = true;
}

static int sregs_out(struct whpx_vcpu *w)
{
	const vma_x86_sregs *x = &w->v->x86.sregs;

#define VMA_X(NAME, field, kvm, whpx, ...) *whpx_add(&w->out, whpx) = whpx_segment(&x->field);
	VMA_X86_SEGS(VMA_X)
#undef VMA_X
#define VMA_X(NAME, field, kvm, whpx, ...)                                                                             \
	whpx_add(&w->out, whpx)->Table.Base = x->field.base;                                                           \
	whpx_add(&w->out, whpx)->Table.Limit = (uint16_t)x->field.limit;
	VMA_X86_TABLES(VMA_X)
#undef VMA_X
#define VMA_X(NAME, field, kvm, whpx, ...)                                                                             \
	if (whpx != WHvX64RegisterApicBase)                                                                            \
		whpx_put(w, whpx, x->field);
	VMA_X86_CONTROLS(VMA_X)
#undef VMA_X
	put_apic_base(w, x->apic_base);
	w->cr8 = (uint8_t)x->cr8;
	return 0;
}

static int dregs_out(struct whpx_vcpu *w)
{
	const vma_x86_dregs *x = &w->v->x86.dregs;

	if (w->dr_taken) {
		w->guest_dr = *x;
		whpx_put(w, WHvX64RegisterDr6, x->dr6);
		return 0;
	}
#define VMA_X(NAME, field, kvm, whpx, ...) whpx_put(w, whpx, x->field);
	VMA_X86_DEBUGS(VMA_X)
#undef VMA_X
	return 0;
}

static int xcr0_out(struct whpx_vcpu *w)
{
	if (whpx_host.features.Xsave)
		whpx_put(w, WHvX64RegisterXCr0, w->v->x86.xcr0);
	else if (w->v->x86.xcr0 != 1)
		return vma_fail(VMA_E_NO_HOST, "this Windows gives guests no XCR0 to set");
	return 0;
}

static int xsave_in(struct whpx_vcpu *w)
{
	return whpx_fetch_xsave(w, w->v->x86.xsave, w->v->vm->xsave_size);
}

/* XCR0 decides what the image may hold: it goes first. */
static int xsave_out(struct whpx_vcpu *w)
{
	int rc = whpx_flush(w);

	return rc ? rc : whpx_commit_xsave(w, w->v->x86.xsave, w->v->vm->xsave_size);
}

static int mp_in(struct whpx_vcpu *w)
{
	if (w->vm->chips)
		return whpx_activity_fetch(w);
	w->v->x86.mp = w->halted ? VMA_MP_HALTED : VMA_MP_RUNNABLE;
	return 0;
}

static int mp_out(struct whpx_vcpu *w)
{
	if (w->vm->chips)
		whpx_activity_commit(w);
	else
		w->halted = w->v->x86.mp == VMA_MP_HALTED;
	return 0;
}

/* ------ the slots ------ */

/* Of one moment, since the vCPU does not run. Written in this order: APIC_BASE stands in SREGS, XCR0 before XSAVE,
 * general registers before events. */
static const struct {
	uint32_t class;
	void (*ask)(struct whpx_batch *b);
	void (*in)(struct whpx_vcpu *w, struct whpx_batch *b);
	int (*fetch)(struct whpx_vcpu *w); /* classes that are no registers by name */
	int (*out)(struct whpx_vcpu *w);
} classes_in_order[] = {
	{VMA_C_SREGS, ask_sregs, sregs_in, NULL, sregs_out},
	{VMA_C_GPR, ask_gpr, gpr_in, NULL, gpr_out},
	{VMA_C_DREGS, ask_dregs, dregs_in, NULL, dregs_out},
	{VMA_C_XCR0, ask_xcr0, xcr0_in, NULL, xcr0_out},
	{VMA_C_XSAVE, NULL, NULL, xsave_in, xsave_out},
	{VMA_C_LAPIC, NULL, NULL, whpx_apic_fetch, whpx_apic_commit},
	{VMA_C_EVENTS, NULL, NULL, whpx_fetch_events, whpx_commit_events},
	{VMA_C_MP, NULL, NULL, mp_in, mp_out},
};
enum { CLASSES = sizeof(classes_in_order) / sizeof(*classes_in_order) };

int whpx_fetch(struct vma_vcpu *v, uint32_t classes)
{
	struct whpx_vcpu *w = whpx_vcpu(v);
	struct whpx_batch b;
	int rc = 0;

	b.count = 0;
	for (int i = 0; i < CLASSES; i++)
		if (classes & classes_in_order[i].class && classes_in_order[i].ask)
			classes_in_order[i].ask(&b);
	if (b.count)
		rc = whpx_get(w, &b);
	for (int i = 0; !rc && i < CLASSES; i++) {
		if (!(classes & classes_in_order[i].class))
			continue;
		if (classes_in_order[i].in)
			classes_in_order[i].in(w, &b);
		else
			rc = classes_in_order[i].fetch(w);
	}
	return rc;
}

/* While a simple output is pending only the registers that the caller wrote come here: they and RIP are independent. */
int whpx_commit(struct vma_vcpu *v, uint32_t classes)
{
	struct whpx_vcpu *w = whpx_vcpu(v);
	int rc = 0;

	if (!v->exit.pending)
		whpx_emu_forget(w);
	for (int i = 0; !rc && i < CLASSES; i++)
		if (classes & classes_in_order[i].class)
			rc = classes_in_order[i].out(w);
	return rc;
}
