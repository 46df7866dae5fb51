/* registers.c - WHvGet/SetVirtualProcessorRegisters: names to fields of the software CPU. A batch is refused as a whole
 * for one name that is unknown or that this processor has not; values are then taken one by one, and the first that no
 * register of its kind can have ends it. State that a processor would not enter with is taken, and found when it is
 * run. */
#include <stddef.h>
#include <string.h>
#include "registers.h"


/* ------ plain fields ------ */

static uint64_t *field(struct whpsim_vp *vp, const struct whpsim_row *row)
{
	return (uint64_t *)(void *)((char *)vp->cpu + row->at);
}

static HRESULT get_field(struct whpsim_vp *vp, const struct whpsim_row *row, WHV_REGISTER_VALUE *v)
{
	v->Reg64 = *field(vp, row);
	return S_OK;
}

static HRESULT set_field(struct whpsim_vp *vp, const struct whpsim_row *row, const WHV_REGISTER_VALUE *v)
{
	*field(vp, row) = v->Reg64;
	return S_OK;
}

static HRESULT get_rflags(struct whpsim_vp *vp, const struct whpsim_row *row, WHV_REGISTER_VALUE *v)
{
	(void)row;
	v->Reg64 = x86_get_rflags(vp->cpu);
	return S_OK;
}

static HRESULT set_rflags(struct whpsim_vp *vp, const struct whpsim_row *row, const WHV_REGISTER_VALUE *v)
{
	(void)row;
	vp->bad_rflags = (v->Reg64 & ~(uint64_t)0x3f7fd7) != 0 || !(v->Reg64 & 2);
	x86_set_rflags(vp->cpu, v->Reg64);
	return S_OK;
}

static HRESULT get_segment(struct whpsim_vp *vp, const struct whpsim_row *row, WHV_REGISTER_VALUE *v)
{
	v->Segment = whpsim_segment(&vp->cpu->seg[row->at]);
	return S_OK;
}

static HRESULT set_segment(struct whpsim_vp *vp, const struct whpsim_row *row, const WHV_REGISTER_VALUE *v)
{
	enum { PRESENT = 0x80, UNUSABLE = 0x10000 };
	const WHV_X64_SEGMENT_REGISTER *s = &v->Segment;
	vp->cpu->seg[row->at] = (struct x86_seg){.base = s->Base, .limit = s->Limit, .sel = s->Selector,
						 .attr = s->Attributes | (s->Attributes & PRESENT ? 0 : UNUSABLE)};
	return S_OK;
}

WHV_X64_SEGMENT_REGISTER whpsim_segment(const struct x86_seg *s)
{
	WHV_X64_SEGMENT_REGISTER r = {.Base = s->base, .Limit = s->limit, .Selector = s->sel};
	enum { PRESENT = 0x80, UNUSABLE = 0x10000 };
	r.Attributes = (uint16_t)(s->attr & UNUSABLE ? s->attr & ~(uint32_t)PRESENT : s->attr);
	return r;
}

static HRESULT get_table(struct whpsim_vp *vp, const struct whpsim_row *row, WHV_REGISTER_VALUE *v)
{
	const struct x86_cpu *c = vp->cpu;
	v->Table.Base = row->at ? c->gdt_base : c->idt_base;
	v->Table.Limit = (uint16_t)(row->at ? c->gdt_limit : c->idt_limit);
	return S_OK;
}

static HRESULT set_table(struct whpsim_vp *vp, const struct whpsim_row *row, const WHV_REGISTER_VALUE *v)
{
	struct x86_cpu *c = vp->cpu;
	*(row->at ? &c->gdt_base : &c->idt_base) = v->Table.Base;
	*(row->at ? &c->gdt_limit : &c->idt_limit) = v->Table.Limit;
	return S_OK;
}

static HRESULT get_cr8(struct whpsim_vp *vp, const struct whpsim_row *row, WHV_REGISTER_VALUE *v)
{
	(void)row;
	v->Reg64 = vp->env.get_tpr ? vp->env.get_tpr(vp) : vp->cpu->cr8;
	return S_OK;
}

static HRESULT set_cr8(struct whpsim_vp *vp, const struct whpsim_row *row, const WHV_REGISTER_VALUE *v)
{
	(void)row;
	if (v->Reg64 > 15)
		return ERROR_HV_INVALID_REGISTER_VALUE;
	vp->cpu->cr8 = v->Reg64;
	if (vp->env.set_tpr)
		vp->env.set_tpr(vp, v->Reg64);
	return S_OK;
}

/* XSETBV's rules (SDM vol. 1, 13.3). */
static HRESULT set_xcr0(struct whpsim_vp *vp, const struct whpsim_row *row, const WHV_REGISTER_VALUE *v)
{
	uint32_t out[4] = {0};
	(void)row;
	vp->env.cpuid(vp, 0xd, 0, out);
	uint64_t x = v->Reg64, known = out[0] | (uint64_t)out[3] << 32;
	if (!known)
		known = 3;
	if (!(x & 1) || x & ~known || (x & 4 && !(x & 2)))
		return ERROR_HV_INVALID_REGISTER_VALUE;
	vp->cpu->xcr0 = x;
	return S_OK;
}

/* ------ floating point and vectors ------ */

static HRESULT get_xmm(struct whpsim_vp *vp, const struct whpsim_row *row, WHV_REGISTER_VALUE *v)
{
	v->Reg128.Low64 = vp->cpu->v[row->at].q[0];
	v->Reg128.High64 = vp->cpu->v[row->at].q[1];
	return S_OK;
}

static HRESULT set_xmm(struct whpsim_vp *vp, const struct whpsim_row *row, const WHV_REGISTER_VALUE *v)
{
	vp->cpu->v[row->at].q[0] = v->Reg128.Low64;
	vp->cpu->v[row->at].q[1] = v->Reg128.High64;
	return S_OK;
}

/* As in an FXSAVE image: number n is ST(n). */
static struct x86_f80 *st(struct whpsim_vp *vp, const struct whpsim_row *row)
{
	return &vp->cpu->st[(row->at + (vp->cpu->fsw >> 11)) & 7];
}

static HRESULT get_fp(struct whpsim_vp *vp, const struct whpsim_row *row, WHV_REGISTER_VALUE *v)
{
	v->Reg128.Low64 = st(vp, row)->sig;
	v->Reg128.High64 = st(vp, row)->se;
	return S_OK;
}

static HRESULT set_fp(struct whpsim_vp *vp, const struct whpsim_row *row, const WHV_REGISTER_VALUE *v)
{
	*st(vp, row) = (struct x86_f80){.sig = v->Reg128.Low64, .se = (uint16_t)v->Reg128.High64};
	return S_OK;
}

static HRESULT get_fpcs(struct whpsim_vp *vp, const struct whpsim_row *row, WHV_REGISTER_VALUE *v)
{
	const struct x86_cpu *c = vp->cpu;
	(void)row;
	v->FpControlStatus.FpControl = c->fcw;
	v->FpControlStatus.FpStatus = c->fsw;
	v->FpControlStatus.FpTag = c->ftag;
	v->FpControlStatus.LastFpOp = c->fop;
	v->FpControlStatus.LastFpRip = c->fip;
	return S_OK;
}

static HRESULT set_fpcs(struct whpsim_vp *vp, const struct whpsim_row *row, const WHV_REGISTER_VALUE *v)
{
	struct x86_cpu *c = vp->cpu;
	(void)row;
	c->fcw = v->FpControlStatus.FpControl;
	c->fsw = v->FpControlStatus.FpStatus;
	c->ftag = v->FpControlStatus.FpTag;
	c->fop = v->FpControlStatus.LastFpOp;
	c->fip = v->FpControlStatus.LastFpRip;
	return S_OK;
}

enum { MXCSR_MASK = 0xffff };

static HRESULT get_xmmcs(struct whpsim_vp *vp, const struct whpsim_row *row, WHV_REGISTER_VALUE *v)
{
	(void)row;
	v->XmmControlStatus.LastFpRdp = vp->cpu->fdp;
	v->XmmControlStatus.XmmStatusControl = vp->cpu->mxcsr;
	v->XmmControlStatus.XmmStatusControlMask = MXCSR_MASK;
	return S_OK;
}

static HRESULT set_xmmcs(struct whpsim_vp *vp, const struct whpsim_row *row, const WHV_REGISTER_VALUE *v)
{
	(void)row;
	if (v->XmmControlStatus.XmmStatusControl & ~(uint32_t)MXCSR_MASK)
		return ERROR_HV_INVALID_REGISTER_VALUE;
	vp->cpu->fdp = v->XmmControlStatus.LastFpRdp;
	vp->cpu->mxcsr = v->XmmControlStatus.XmmStatusControl;
	return S_OK;
}

/* ------ MSRs ------ */

static HRESULT get_msr(struct whpsim_vp *vp, const struct whpsim_row *row, WHV_REGISTER_VALUE *v)
{
	return x86_rdmsr(vp->cpu, row->at, &v->Reg64) ? S_OK : WHV_E_INVALID_VP_REGISTER_NAME;
}

static HRESULT set_msr(struct whpsim_vp *vp, const struct whpsim_row *row, const WHV_REGISTER_VALUE *v)
{
	return x86_wrmsr(vp->cpu, row->at, v->Reg64) ? S_OK : ERROR_HV_INVALID_REGISTER_VALUE;
}

static HRESULT get_apic_base(struct whpsim_vp *vp, const struct whpsim_row *row, WHV_REGISTER_VALUE *v)
{
	(void)row;
	v->Reg64 = whpsim_apic_base(vp);
	return S_OK;
}

static HRESULT set_apic_base(struct whpsim_vp *vp, const struct whpsim_row *row, const WHV_REGISTER_VALUE *v)
{
	(void)row;
	return whpsim_set_apic_base(vp, v->Reg64) ? S_OK : ERROR_HV_INVALID_REGISTER_VALUE;
}

static HRESULT get_apic_id(struct whpsim_vp *vp, const struct whpsim_row *row, WHV_REGISTER_VALUE *v)
{
	(void)row;
	v->Reg64 = vp->index;
	return S_OK;
}

static HRESULT read_only(struct whpsim_vp *vp, const struct whpsim_row *row, const WHV_REGISTER_VALUE *v)
{
	(void)vp, (void)row, (void)v;
	return E_ACCESSDENIED;
}

static HRESULT get_apic(struct whpsim_vp *vp, const struct whpsim_row *row, WHV_REGISTER_VALUE *v)
{
	return whpsim_apic_register(vp, row->at, &v->Reg64) ? S_OK : WHV_E_INVALID_VP_REGISTER_NAME;
}

static HRESULT set_deadline(struct whpsim_vp *vp, const struct whpsim_row *row, const WHV_REGISTER_VALUE *v)
{
	(void)row;
	whpsim_apic_set_deadline(vp, v->Reg64);
	return S_OK;
}

/* ------ synthetic registers: kept for the host, of no effect, as the guest is offered no synthetic feature ------ */

static HRESULT get_synthetic(struct whpsim_vp *vp, const struct whpsim_row *row, WHV_REGISTER_VALUE *v)
{
	v->Reg64 = vp->synthetic[row->at];
	return S_OK;
}

static HRESULT set_synthetic(struct whpsim_vp *vp, const struct whpsim_row *row, const WHV_REGISTER_VALUE *v)
{
	vp->synthetic[row->at] = v->Reg64;
	return S_OK;
}

/* ------ the table ------ */

#define CPU(member) offsetof(struct x86_cpu, member)
#define FIELD(member, effect) {get_field, set_field, CPU(member), effect}
#define MSR(index) {get_msr, set_msr, index, NOTHING}
#define APIC(offset) {get_apic, read_only, offset, NOTHING}
#define LOW(name) [WHvX64Register##name]

static const struct whpsim_row plain_rows[] = {
	LOW(Rax) = FIELD(r[0], NOTHING), LOW(Rcx) = FIELD(r[1], NOTHING), LOW(Rdx) = FIELD(r[2], NOTHING),
	LOW(Rbx) = FIELD(r[3], NOTHING), LOW(Rsp) = FIELD(r[4], NOTHING), LOW(Rbp) = FIELD(r[5], NOTHING),
	LOW(Rsi) = FIELD(r[6], NOTHING), LOW(Rdi) = FIELD(r[7], NOTHING), LOW(R8) = FIELD(r[8], NOTHING),
	LOW(R9) = FIELD(r[9], NOTHING), LOW(R10) = FIELD(r[10], NOTHING), LOW(R11) = FIELD(r[11], NOTHING),
	LOW(R12) = FIELD(r[12], NOTHING), LOW(R13) = FIELD(r[13], NOTHING), LOW(R14) = FIELD(r[14], NOTHING),
	LOW(R15) = FIELD(r[15], NOTHING), LOW(Rip) = FIELD(rip, NOTHING),
	LOW(Rflags) = {get_rflags, set_rflags, 0, CHECK},
	LOW(Es) = {get_segment, set_segment, X86_ES, MODE}, LOW(Cs) = {get_segment, set_segment, X86_CS, MODE},
	LOW(Ss) = {get_segment, set_segment, X86_SS, MODE}, LOW(Ds) = {get_segment, set_segment, X86_DS, MODE},
	LOW(Fs) = {get_segment, set_segment, X86_FS, MODE}, LOW(Gs) = {get_segment, set_segment, X86_GS, MODE},
	LOW(Ldtr) = {get_segment, set_segment, X86_LDTR, MODE}, LOW(Tr) = {get_segment, set_segment, X86_TR, MODE},
	LOW(Idtr) = {get_table, set_table, 0, NOTHING}, LOW(Gdtr) = {get_table, set_table, 1, NOTHING},
	LOW(Cr0) = FIELD(cr0, TLB), LOW(Cr2) = FIELD(cr2, NOTHING), LOW(Cr3) = FIELD(cr3, TLB),
	LOW(Cr4) = FIELD(cr4, TLB), LOW(Cr8) = {get_cr8, set_cr8, 0, NOTHING},
	LOW(Dr0) = FIELD(dr[0], MODE), LOW(Dr1) = FIELD(dr[1], MODE), LOW(Dr2) = FIELD(dr[2], MODE),
	LOW(Dr3) = FIELD(dr[3], MODE), LOW(Dr6) = FIELD(dr[6], NOTHING), LOW(Dr7) = FIELD(dr[7], MODE),
	LOW(XCr0) = {get_field, set_xcr0, CPU(xcr0), MODE},
};

#define XMM(n) [0x000 + n] = {get_xmm, set_xmm, n, NOTHING}
#define FP(n) [0x010 + n] = {get_fp, set_fp, n, NOTHING}
static const struct whpsim_row vector_rows[] = {
	XMM(0), XMM(1), XMM(2), XMM(3), XMM(4), XMM(5), XMM(6), XMM(7), XMM(8), XMM(9), XMM(10), XMM(11), XMM(12),
	XMM(13), XMM(14), XMM(15), FP(0), FP(1), FP(2), FP(3), FP(4), FP(5), FP(6), FP(7),
	[0x018] = {get_fpcs, set_fpcs, 0, NOTHING},
	[0x019] = {get_xmmcs, set_xmmcs, 0, NOTHING},
};

#define HIGH(name) [WHvX64Register##name - 0x2000]
#define PHYS(n, digit) \
	HIGH(MsrMtrrPhysBase##digit) = MSR(0x200 + 2 * n), HIGH(MsrMtrrPhysMask##digit) = MSR(0x201 + 2 * n)
static const struct whpsim_row msr_rows[] = {
	HIGH(Tsc) = {get_msr, set_msr, 0x10, CLOCK}, HIGH(Efer) = FIELD(efer, TLB),
	HIGH(KernelGsBase) = MSR(0xc0000102),
	HIGH(ApicBase) = {get_apic_base, set_apic_base, 0, NOTHING}, HIGH(Pat) = MSR(0x277),
	HIGH(SysenterCs) = MSR(0x174), HIGH(SysenterEsp) = MSR(0x175), HIGH(SysenterEip) = MSR(0x176),
	HIGH(Star) = MSR(0xc0000081), HIGH(Lstar) = MSR(0xc0000082), HIGH(Cstar) = MSR(0xc0000083),
	HIGH(Sfmask) = MSR(0xc0000084), HIGH(InitialApicId) = {get_apic_id, read_only, 0, NOTHING},
	HIGH(MsrMtrrCap) = {get_msr, read_only, 0xfe, NOTHING}, HIGH(MsrMtrrDefType) = MSR(0x2ff),
	PHYS(0, 0), PHYS(1, 1), PHYS(2, 2), PHYS(3, 3), PHYS(4, 4), PHYS(5, 5), PHYS(6, 6), PHYS(7, 7), PHYS(8, 8),
	PHYS(9, 9), PHYS(10, A), PHYS(11, B), PHYS(12, C), PHYS(13, D), PHYS(14, E), PHYS(15, F),
	HIGH(MsrMtrrFix64k00000) = MSR(0x250), HIGH(MsrMtrrFix16k80000) = MSR(0x258),
	HIGH(MsrMtrrFix16kA0000) = MSR(0x259), HIGH(MsrMtrrFix4kC0000) = MSR(0x268),
	HIGH(MsrMtrrFix4kC8000) = MSR(0x269), HIGH(MsrMtrrFix4kD0000) = MSR(0x26a),
	HIGH(MsrMtrrFix4kD8000) = MSR(0x26b), HIGH(MsrMtrrFix4kE0000) = MSR(0x26c),
	HIGH(MsrMtrrFix4kE8000) = MSR(0x26d), HIGH(MsrMtrrFix4kF0000) = MSR(0x26e),
	HIGH(MsrMtrrFix4kF8000) = MSR(0x26f), HIGH(TscAux) = MSR(0xc0000103), HIGH(SpecCtrl) = MSR(0x48),
	HIGH(TscVirtualOffset) = FIELD(tsc_offset, CLOCK), HIGH(Xss) = MSR(0xda0),
	HIGH(TscDeadline) = {get_apic, set_deadline, 0x6e0, NOTHING}, HIGH(TscAdjust) = {get_msr, set_msr, 0x3b, CLOCK},
};

#define PAGE(name) [WHvX64RegisterApic##name - 0x3000]
#define PAGE8(name, offset) \
	PAGE(name##0) = APIC(offset), PAGE(name##1) = APIC(offset + 0x10), PAGE(name##2) = APIC(offset + 0x20), \
	PAGE(name##3) = APIC(offset + 0x30), PAGE(name##4) = APIC(offset + 0x40), PAGE(name##5) = APIC(offset + 0x50), \
	PAGE(name##6) = APIC(offset + 0x60), PAGE(name##7) = APIC(offset + 0x70)
static const struct whpsim_row apic_rows[] = {
	PAGE(Id) = APIC(0x20), PAGE(Version) = APIC(0x30), PAGE(Tpr) = APIC(0x80), PAGE(Ppr) = APIC(0xa0),
	PAGE(Eoi) = APIC(0xb0), PAGE(Ldr) = APIC(0xd0), PAGE(Spurious) = APIC(0xf0), PAGE8(Isr, 0x100),
	PAGE8(Tmr, 0x180), PAGE8(Irr, 0x200), PAGE(Ese) = APIC(0x280), PAGE(Icr) = APIC(0x300),
	PAGE(LvtTimer) = APIC(0x320), PAGE(LvtThermal) = APIC(0x330), PAGE(LvtPerfmon) = APIC(0x340),
	PAGE(LvtLint0) = APIC(0x350), PAGE(LvtLint1) = APIC(0x360), PAGE(LvtError) = APIC(0x370),
	PAGE(InitCount) = APIC(0x380), PAGE(CurrentCount) = APIC(0x390), PAGE(Divide) = APIC(0x3e0),
};

#define KEPT(n) {get_synthetic, set_synthetic, n, NOTHING}
#define SINT(n) [0x00 + n] = KEPT(n)
static const struct whpsim_row synic_rows[] = {
	SINT(0), SINT(1), SINT(2), SINT(3), SINT(4), SINT(5), SINT(6), SINT(7), SINT(8), SINT(9), SINT(10), SINT(11),
	SINT(12), SINT(13), SINT(14), SINT(15), [0x10] = KEPT(16), [0x12] = KEPT(17), [0x13] = KEPT(18),
};

static const struct whpsim_row synthetic_rows[] = {
	[0x01] = KEPT(19), [0x02] = KEPT(20), [0x13] = KEPT(21), [0x17] = KEPT(22),
};

#define COUNT(rows) (sizeof(rows) / sizeof *(rows))
static const struct {
	uint32_t first, count;
	const struct whpsim_row *rows;
} tables[] = {
	{0, COUNT(plain_rows), plain_rows},           {0x1000, COUNT(vector_rows), vector_rows},
	{0x2000, COUNT(msr_rows), msr_rows},          {0x3000, COUNT(apic_rows), apic_rows},
	{0x4000, COUNT(synic_rows), synic_rows},      {0x5000, COUNT(synthetic_rows), synthetic_rows},
	{WHvRegisterPendingInterruption, WHPSIM_EVENT_ROWS, whpsim_event_rows},
};

static bool listed(const uint32_t *names, unsigned count, uint32_t name)
{
	for (unsigned i = 0; i < count; i++)
		if (names[i] == name)
			return true;
	return false;
}

/* NULL: no such name. */
static const struct whpsim_row *find(uint32_t name)
{
	if (listed(whpsim_config()->missing, whpsim_config()->missing_count, name))
		return NULL;
	for (unsigned t = 0; t < COUNT(tables); t++) {
		uint32_t n = name - tables[t].first;
		if (n < tables[t].count)
			return tables[t].rows[n].get ? &tables[t].rows[n] : NULL;
	}
	return NULL;
}

/* ------ batches ------ */

/* An aligned move of a value that is not would be the platform's last. */
static bool aligned(const WHV_REGISTER_VALUE *v, const char *function)
{
	if ((uintptr_t)v % _Alignof(WHV_REGISTER_VALUE) == 0)
		return true;
	whpsim_breach(function, "the array of values is not 16-byte aligned: the platform faults");
	return false;
}

/* Is there a register of this name here? Those of features that the processor has not are none. */
static bool has(struct whpsim_vp *vp, const struct whpsim_row *row)
{
	WHV_REGISTER_VALUE v;
	if (!row)
		return false;
	return (row->get != get_msr && row->get != get_apic) || row->get(vp, row, &v) == S_OK;
}

static bool has_all(struct whpsim_vp *vp, const WHV_REGISTER_NAME *names, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (!has(vp, find((uint32_t)names[i])))
			return false;
	return true;
}

static HRESULT get(struct whpsim_vp *vp, const WHV_REGISTER_NAME *names, uint32_t count, WHV_REGISTER_VALUE *values)
{
	vp->counts.gets++;
	vp->counts.get_names += count;
	if (!has_all(vp, names, count))
		return WHV_E_INVALID_VP_REGISTER_NAME;
	for (uint32_t i = 0; i < count; i++) {
		const struct whpsim_row *row = find((uint32_t)names[i]);
		values[i] = (WHV_REGISTER_VALUE){.Reg128 = {{0}}};
		row->get(vp, row, &values[i]);
	}
	return S_OK;
}

HRESULT WHvGetVirtualProcessorRegisters(WHV_PARTITION_HANDLE Partition, uint32_t VpIndex,
					const WHV_REGISTER_NAME *RegisterNames, uint32_t RegisterCount,
					WHV_REGISTER_VALUE *RegisterValues)
{
	struct whpsim_vp *vp;
	if (!RegisterNames || !RegisterValues || !RegisterCount)
		return E_INVALIDARG;
	if (!aligned(RegisterValues, "WHvGetVirtualProcessorRegisters"))
		return E_INVALIDARG;
	HRESULT r = whpsim_acquire(Partition, VpIndex, "WHvGetVirtualProcessorRegisters", &vp);
	if (r != S_OK)
		return r;
	r = get(vp, RegisterNames, RegisterCount, RegisterValues);
	whpsim_release(vp);
	return r;
}

/* As MOV CR3 would do it (SDM vol. 3, 4.4.1). */
static void load_pdptes(struct whpsim_vp *vp)
{
	struct x86_cpu *c = vp->cpu;
	unsigned flags = X86_PAGE_TABLE;
	if (!(c->cr0 >> 31 & 1) || !(c->cr4 >> 5 & 1) || c->efer & 0x400)
		return;
	whpsim_enter(vp);
	const uint8_t *page = whpsim_page(vp, c->cr3 & 0xfffff000, &flags);
	if (page)
		memcpy(c->pdpte, page + (c->cr3 & 0xfe0), sizeof c->pdpte);
	else
		memset(c->pdpte, 0, sizeof c->pdpte);
	whpsim_leave(vp);
}

/* A half-done instruction is the caller's now. */
static void written(struct whpsim_vp *vp, uint32_t effects)
{
	vp->cpu->replay = false;
	vp->unchecked = vp->unchecked || effects;
	if (effects & CLOCK && vp->env.tsc_changed)
		vp->env.tsc_changed(vp);
	if (effects & (MODE | TLB))
		x86_state_changed(vp->cpu, effects & TLB);
	if (effects & TLB)
		load_pdptes(vp);
}

static HRESULT set(struct whpsim_vp *vp, const WHV_REGISTER_NAME *names, uint32_t count,
		   const WHV_REGISTER_VALUE *values)
{
	uint32_t effects = NOTHING;
	HRESULT r = S_OK;
	vp->counts.sets++;
	vp->counts.set_names += count;
	if (!has_all(vp, names, count))
		return WHV_E_INVALID_VP_REGISTER_NAME;
	for (uint32_t i = 0; i < count && r == S_OK; i++) {
		const struct whpsim_row *row = find((uint32_t)names[i]);
		bool fixed = listed(whpsim_config()->fixed, whpsim_config()->fixed_count, (uint32_t)names[i]);
		r = fixed ? E_ACCESSDENIED : row->set(vp, row, &values[i]);
		effects |= row->effect;
	}
	written(vp, effects);
	return r;
}

HRESULT WHvSetVirtualProcessorRegisters(WHV_PARTITION_HANDLE Partition, uint32_t VpIndex,
					const WHV_REGISTER_NAME *RegisterNames, uint32_t RegisterCount,
					const WHV_REGISTER_VALUE *RegisterValues)
{
	struct whpsim_vp *vp;
	if (!RegisterNames || !RegisterValues || !RegisterCount)
		return E_INVALIDARG;
	if (!aligned(RegisterValues, "WHvSetVirtualProcessorRegisters"))
		return E_INVALIDARG;
	HRESULT r = whpsim_acquire(Partition, VpIndex, "WHvSetVirtualProcessorRegisters", &vp);
	if (r != S_OK)
		return r;
	r = set(vp, RegisterNames, RegisterCount, RegisterValues);
	whpsim_release(vp);
	return r;
}
