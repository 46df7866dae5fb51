/* whpx_emu_state.c - the emulator's state: a vCPU's registers by one call into the software CPU, and what an
 * instruction changed of them back into what is to be written. Extended state comes apart, for the instructions that
 * need it. */
#include <string.h>
#include "whpx/whpx_emu.h"

enum { TYPE_EXCEPTION = 3, TYPE_SOFT = 4 }; /* of PendingInterruption: as VMX (SDM vol. 3, 25.8.3) */
enum { RFLAGS_RF = 1 << 16 };
#define CR4_PKE (UINT64_C(1) << 22)

enum kind { WORD, DEBUG, FLAGS, SEGMENT, GDT, IDT, STATE, EVENT };
#define AT(field) offsetof(struct x86_cpu, field)
#define GPR(NAME, n) {WHvX64Register##NAME, WORD, AT(r[n])}
#define SEG(NAME, n) {WHvX64Register##NAME, SEGMENT, AT(seg[n])}

/* First what every instruction may need, then what not every Windows has, then what only system instructions need, whose
 * last not every processor has. */
static const struct row {
	WHV_REGISTER_NAME name;
	uint8_t kind;
	uint16_t at;
} rows[] = {
	GPR(Rax, 0),
	GPR(Rcx, 1),
	GPR(Rdx, 2),
	GPR(Rbx, 3),
	GPR(Rsp, 4),
	GPR(Rbp, 5),
	GPR(Rsi, 6),
	GPR(Rdi, 7),
	GPR(R8, 8),
	GPR(R9, 9),
	GPR(R10, 10),
	GPR(R11, 11),
	GPR(R12, 12),
	GPR(R13, 13),
	GPR(R14, 14),
	GPR(R15, 15),
	{WHvX64RegisterRip, WORD, AT(rip)},
	{WHvX64RegisterRflags, FLAGS, 0},
	SEG(Es, X86_ES),
	SEG(Cs, X86_CS),
	SEG(Ss, X86_SS),
	SEG(Ds, X86_DS),
	SEG(Fs, X86_FS),
	SEG(Gs, X86_GS),
	SEG(Ldtr, X86_LDTR),
	SEG(Tr, X86_TR),
	{WHvX64RegisterIdtr, IDT, 0},
	{WHvX64RegisterGdtr, GDT, 0},
	{WHvX64RegisterCr0, WORD, AT(cr0)},
	{WHvX64RegisterCr2, WORD, AT(cr2)},
	{WHvX64RegisterCr3, WORD, AT(cr3)},
	{WHvX64RegisterCr4, WORD, AT(cr4)},
	{WHvX64RegisterCr8, WORD, AT(cr8)},
	{WHvX64RegisterEfer, WORD, AT(efer)},
	{WHvX64RegisterDr0, DEBUG, AT(dr[0])},
	{WHvX64RegisterDr1, DEBUG, AT(dr[1])},
	{WHvX64RegisterDr2, DEBUG, AT(dr[2])},
	{WHvX64RegisterDr3, DEBUG, AT(dr[3])},
	{WHvX64RegisterDr6, WORD, AT(dr[6])},
	{WHvX64RegisterDr7, DEBUG, AT(dr[7])},
	{WHvRegisterPendingInterruption, EVENT, 0},
	{WHvRegisterInterruptState, STATE, 0},
	{WHvX64RegisterXCr0, WORD, AT(xcr0)},
	{WHvX64RegisterKernelGsBase, WORD, AT(kernel_gs_base)},
	{WHvX64RegisterStar, WORD, AT(star)},
	{WHvX64RegisterLstar, WORD, AT(lstar)},
	{WHvX64RegisterCstar, WORD, AT(cstar)},
	{WHvX64RegisterSfmask, WORD, AT(fmask)},
	{WHvX64RegisterSysenterCs, WORD, AT(sysenter_cs)},
	{WHvX64RegisterSysenterEsp, WORD, AT(sysenter_esp)},
	{WHvX64RegisterSysenterEip, WORD, AT(sysenter_eip)},
	{WHvX64RegisterTscAux, WORD, AT(tsc_aux)},
};
enum { ROWS = sizeof(rows) / sizeof(*rows), XCR0_ROWS = 1, SYSTEM_ROWS = 9, MSR_TSC_AUX = 0xc0000103 };
_Static_assert((int)ROWS < (int)WHPX_BATCH, "one call");

static const struct row *row_of(uint32_t i)
{
	bool xcr0 = whpx_host.features.Xsave;

	return &rows[!xcr0 && i >= ROWS - SYSTEM_ROWS - XCR0_ROWS ? i + XCR0_ROWS : i];
}

static uint32_t row_count(const struct whpx_vcpu *w, bool system)
{
	bool aux = whpx_msr_has_register(w->vm, MSR_TSC_AUX);

	return (uint32_t)(ROWS - (!system ? SYSTEM_ROWS : aux ? 0 : 1) - (whpx_host.features.Xsave ? 0 : XCR0_ROWS));
}

static void *place(struct x86_cpu *c, const struct row *r)
{
	return (char *)c + r->at;
}

/* The caller's breakpoints may stand in the platform's debug registers: then the guest's are kept here. */
static uint64_t *kept_dr(struct whpx_vcpu *w, const struct row *r)
{
	vma_x86_dregs *d = &w->guest_dr;

	if (!w->dr_taken)
		return NULL;
	return r->name == WHvX64RegisterDr7 ? &d->dr7 : &d->dr0 + (r->name - WHvX64RegisterDr0);
}

/* ------ in ------ */

static void event_in(struct x86_cpu *c, WHV_X64_PENDING_INTERRUPTION_REGISTER p)
{
	c->inject_valid = p.InterruptionPending;
	c->inject_type = p.InterruptionType;
	c->inject_vector = (uint8_t)p.InterruptionVector;
	c->inject_has_error = p.DeliverErrorCode;
	c->inject_error = p.ErrorCode;
	if (c->inject_valid && c->inject_type >= TYPE_SOFT) /* what is saved is behind the INT */
		c->rip += p.InstructionLength;
}

static void segment_in(struct x86_seg *s, const WHV_REGISTER_VALUE *v)
{
	vma_x86_seg n;

	whpx_segment_in(v, &n);
	*s = (struct x86_seg){.base = n.base, .limit = n.limit, .attr = n.attr, .sel = n.selector};
}

static void row_in(struct whpx_vcpu *w, const struct row *r, const WHV_REGISTER_VALUE *v)
{
	struct x86_cpu *c = w->cpu;

	switch (r->kind) {
	case WORD:
		memcpy(place(c, r), &v->Reg64, sizeof(v->Reg64));
		break;
	case DEBUG:
		memcpy(place(c, r), kept_dr(w, r) ? kept_dr(w, r) : &v->Reg64, sizeof(v->Reg64));
		break;
	case FLAGS:
		x86_set_rflags(c, v->Reg64);
		break;
	case SEGMENT:
		segment_in(place(c, r), v);
		break;
	case GDT:
		c->gdt_base = v->Table.Base;
		c->gdt_limit = v->Table.Limit;
		break;
	case IDT:
		c->idt_base = v->Table.Base;
		c->idt_limit = v->Table.Limit;
		break;
	case STATE:
		c->nmi_masked = v->InterruptState.NmiMasked;
		c->shadow = v->InterruptState.InterruptShadow ? w->shadow_kind ? w->shadow_kind : 1 : 0;
		break;
	case EVENT:
		event_in(c, v->PendingInterruption);
		break;
	}
}

/* ------ out ------ */

/* What interrupts a string instruction saves RF with its flags (SDM vol. 3, 18.3.1.1); the platform does not know that
 * one is under way. */
static bool between_iterations(const struct x86_cpu *c)
{
	return c->rep_rip == c->rip;
}

/* What was raised and not delivered goes before what was injected. In real mode nothing has an error code: the
 * processor would not enter (SDM vol. 3, 27.2.1.3). */
static WHV_X64_PENDING_INTERRUPTION_REGISTER event_out(const struct x86_cpu *c)
{
	WHV_X64_PENDING_INTERRUPTION_REGISTER p = {.AsUINT64 = 0};
	bool raised = c->exc_valid && !c->exc_triple;

	if (!raised && !c->inject_valid)
		return p;
	p.InterruptionPending = 1;
	p.InterruptionType = raised ? TYPE_EXCEPTION : c->inject_type & 7u;
	p.InterruptionVector = raised ? c->exc_vector : c->inject_vector;
	p.DeliverErrorCode = (raised ? c->exc_error >= 0 : c->inject_has_error) && c->cr0 & 1;
	if (p.DeliverErrorCode)
		p.ErrorCode = raised ? (uint32_t)c->exc_error : c->inject_error;
	return p;
}

static void row_out(struct whpx_vcpu *w, const struct row *r, WHV_REGISTER_VALUE *v)
{
	struct x86_cpu *c = w->cpu;
	const struct x86_seg *s;

	memset(v, 0, sizeof(*v));
	switch (r->kind) {
	case WORD:
	case DEBUG:
		memcpy(&v->Reg64, place(c, r), sizeof(v->Reg64));
		break;
	case FLAGS:
		v->Reg64 = x86_get_rflags(c) | (between_iterations(c) ? RFLAGS_RF : 0);
		break;
	case SEGMENT:
		s = place(c, r);
		*v = whpx_segment(
			&(vma_x86_seg){.base = s->base, .limit = s->limit, .selector = s->sel, .attr = s->attr});
		break;
	case GDT:
		v->Table.Base = c->gdt_base;
		v->Table.Limit = (uint16_t)c->gdt_limit;
		break;
	case IDT:
		v->Table.Base = c->idt_base;
		v->Table.Limit = (uint16_t)c->idt_limit;
		break;
	case STATE:
		v->InterruptState.InterruptShadow = c->shadow != 0;
		v->InterruptState.NmiMasked = c->nmi_masked;
		break;
	case EVENT:
		v->PendingInterruption = event_out(c);
		break;
	}
}

/* Quickly, for nearly all registers; false: that is to be found out in full. */
static bool same(struct x86_cpu *c, const struct row *r, const WHV_REGISTER_VALUE *v)
{
	const struct x86_seg *s;
	uint64_t value;

	switch (r->kind) {
	case WORD:
	case DEBUG:
		memcpy(&value, place(c, r), sizeof(value));
		return value == v->Reg64;
	case SEGMENT:
		s = place(c, r);
		return s->base == v->Segment.Base && s->limit == v->Segment.Limit && s->sel == v->Segment.Selector &&
		       s->attr == v->Segment.Attributes;
	default:
		return false;
	}
}

/* ------ extended state ------ */

/* The standard layout's areas that the software CPU has (SDM vol. 1, 13.4). */
static const struct {
	uint16_t at, size;
	uint8_t components; /* bits of XSTATE_BV, PKRU's by 0x80 */
} areas[] = {{0, 512, 3}, {576, 256, 4}, {2688, 8, 0x80}};
enum { XSTATE_BV = 512, PKRU_BIT = 9 };

static uint64_t own_components(uint32_t size)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < sizeof(areas) / sizeof(*areas); i++)
		if (areas[i].at + areas[i].size <= size)
			bits |= areas[i].components & 0x80 ? UINT64_C(1) << PKRU_BIT : areas[i].components;
	return bits;
}

/* The software CPU's own part of the image; of what it does not know nothing changes. */
static void put_own(const struct whpx_emu *e, uint8_t *to, const uint8_t *own)
{
	uint64_t bv, own_bv, mask = own_components(e->image_size);

	for (size_t i = 0; i < sizeof(areas) / sizeof(*areas); i++)
		if (areas[i].at + areas[i].size <= e->image_size)
			memcpy(to + areas[i].at, own + areas[i].at, areas[i].size);
	memcpy(&bv, to + XSTATE_BV, sizeof(bv));
	memcpy(&own_bv, own + XSTATE_BV, sizeof(own_bv));
	bv = (bv & ~mask) | (own_bv & mask);
	memcpy(to + XSTATE_BV, &bv, sizeof(bv));
}

int whpx_emu_load_vectors(struct whpx_vcpu *w)
{
	struct whpx_emu *e = w->emu;
	int rc;

	if (e->vectors)
		return 0;
	rc = whpx_fetch_xsave(w, e->image, e->image_size);
	if (rc)
		return rc;
	x86_set_xsave(w->cpu, e->image, e->image_size);
	x86_get_xsave(w->cpu, e->changed, e->image_size);
	put_own(e, e->image, e->changed);
	e->vectors = true;
	return 0;
}

/* The upper half of `changed` is room for what the software CPU says. */
static int store_vectors(struct whpx_vcpu *w)
{
	struct whpx_emu *e = w->emu;
	uint8_t *own = e->changed + e->image_size;
	int rc;

	x86_get_xsave(w->cpu, own, e->image_size);
	memcpy(e->changed, e->image, e->image_size);
	put_own(e, e->changed, own);
	if (!memcmp(e->changed, e->image, e->image_size))
		return 0;
	rc = whpx_commit_xsave(w, e->changed, e->image_size);
	if (!rc)
		memcpy(e->image, e->changed, e->image_size);
	return rc;
}

/* ------ all of it ------ */

int whpx_emu_load(struct whpx_vcpu *w, bool system)
{
	struct whpx_emu *e = w->emu;
	struct x86_cpu *c = w->cpu;
	int rc;

	if (w->emu_loaded && (e->system || !system))
		return 0;
	e->base.count = row_count(w, system);
	for (uint32_t i = 0; i < e->base.count; i++)
		e->base.names[i] = row_of(i)->name;
	rc = whpx_get(w, &e->base);
	if (rc)
		return rc;
	x86_abandon(c);
	for (uint32_t i = 0; i < e->base.count; i++)
		row_in(w, row_of(i), &e->base.values[i]);
	for (uint32_t i = 0; i < e->base.count; i++) /* as they would be written */
		if (row_of(i)->kind != WORD)
			row_out(w, row_of(i), &e->base.values[i]);
	x86_state_changed(c, false);
	e->fresh = true;
	e->system = system;
	e->vectors = false;
	/* protection keys of user pages are asked at every access */
	rc = c->cr4 & CR4_PKE ? whpx_emu_load_vectors(w) : 0;
	w->emu_loaded = !rc;
	return rc;
}

static void keep_flags(struct whpx_vcpu *w)
{
	struct x86_cpu *c = w->cpu;

	w->rflags = x86_get_rflags(c);
	w->cr8 = (uint8_t)c->cr8;
	w->shadow = c->shadow != 0;
	w->shadow_kind = c->shadow;
	w->shadow_rip = c->rip;
	w->interruption = event_out(c).InterruptionPending;
	w->flags_known = true;
	w->fresh_events = false;
}

/* INVLPG and the like have no call of their own: what is loaded by MOV CR drops translations, and so does its register
 * (nobody says that for certain). */
static void drop_translations(struct whpx_vcpu *w)
{
	whpx_put(w, WHvX64RegisterCr3, w->cpu->cr3);
	whpx_put(w, WHvX64RegisterCr4, w->cpu->cr4);
	w->emu->dropped = false;
}

int whpx_emu_store(struct whpx_vcpu *w)
{
	struct whpx_emu *e = w->emu;
	int rc = e->vectors ? store_vectors(w) : 0;

	if (rc)
		return rc;
	for (uint32_t i = 0; i < e->base.count; i++) {
		WHV_REGISTER_VALUE now;

		if (same(w->cpu, row_of(i), &e->base.values[i]))
			continue;
		row_out(w, row_of(i), &now);
		if (!memcmp(&now, &e->base.values[i], sizeof(now)))
			continue;
		e->base.values[i] = now;
		if (row_of(i)->kind == DEBUG && w->dr_taken)
			*kept_dr(w, row_of(i)) = now.Reg64;
		else
			*whpx_add(&w->out, row_of(i)->name) = now;
	}
	if (e->dropped)
		drop_translations(w);
	keep_flags(w);
	return 0;
}

int whpx_emu_state_open(struct whpx_vcpu *w)
{
	struct whpx_emu *e = w->emu;

	e->image_size = (w->v->vm->xsave_size + 63) & ~63u;
	e->image = os_aligned(64, e->image_size);
	e->changed = os_aligned(64, 2 * (size_t)e->image_size);
	return e->image && e->changed ? 0 : -1;
}

void whpx_emu_state_close(struct whpx_vcpu *w)
{
	os_free(w->emu->image);
	os_free(w->emu->changed);
}
