/* emulation_regs.c - registers by their names to and from the software CPU, for the instruction emulator. */
#include <string.h>
#include "emulation.h"

/* What is asked for, once a call. */
const WHV_REGISTER_NAME whpsim_emulation_names[WHPSIM_EMULATION_NAMES] = {
#define GPR(n) (WHV_REGISTER_NAME)(WHvX64RegisterRax + n)
	GPR(0), GPR(1), GPR(2), GPR(3), GPR(4), GPR(5), GPR(6), GPR(7), GPR(8), GPR(9), GPR(10), GPR(11), GPR(12), GPR(13),
	GPR(14), GPR(15), WHvX64RegisterRip, WHvX64RegisterRflags, WHvX64RegisterEs, WHvX64RegisterCs, WHvX64RegisterSs,
	WHvX64RegisterDs, WHvX64RegisterFs, WHvX64RegisterGs, WHvX64RegisterLdtr, WHvX64RegisterTr, WHvX64RegisterIdtr,
	WHvX64RegisterGdtr, WHvX64RegisterCr0, WHvX64RegisterCr2, WHvX64RegisterCr3, WHvX64RegisterCr4, WHvX64RegisterCr8,
	WHvX64RegisterEfer,
#define XMM(n) (WHV_REGISTER_NAME)(WHvX64RegisterXmm0 + n)
	XMM(0), XMM(1), XMM(2), XMM(3), XMM(4), XMM(5), XMM(6), XMM(7), XMM(8), XMM(9), XMM(10), XMM(11), XMM(12), XMM(13),
	XMM(14), XMM(15),
#define FP(n) (WHV_REGISTER_NAME)(WHvX64RegisterFpMmx0 + n)
	FP(0), FP(1), FP(2), FP(3), FP(4), FP(5), FP(6), FP(7), WHvX64RegisterFpControlStatus,
	WHvX64RegisterXmmControlStatus,
};

static void set_segment(struct x86_seg *s, const WHV_X64_SEGMENT_REGISTER *v)
{
	*s = (struct x86_seg){.base = v->Base, .limit = v->Limit, .attr = v->Attributes, .sel = v->Selector};
	if (!v->Present)
		s->attr |= 1u << 16; /* unusable */
}

static WHV_X64_SEGMENT_REGISTER get_segment(const struct x86_seg *s)
{
	WHV_X64_SEGMENT_REGISTER v = {.Base = s->base, .Limit = s->limit, .Selector = s->sel};
	v.Attributes = (uint16_t)s->attr;
	return v;
}

static void load_control(struct x86_cpu *c, WHV_REGISTER_NAME name, uint64_t v)
{
	switch (name) {
	case WHvX64RegisterCr0:
		c->cr0 = v;
		break;
	case WHvX64RegisterCr2:
		c->cr2 = v;
		break;
	case WHvX64RegisterCr4:
		c->cr4 = v & ~(UINT64_C(1) << 12); /* our tables have four levels */
		break;
	case WHvX64RegisterCr8:
		c->cr8 = v;
		break;
	case WHvX64RegisterEfer:
		c->efer = v;
		break;
	default:
		break;
	}
}

static void load_fp(struct x86_cpu *c, WHV_REGISTER_NAME name, const WHV_REGISTER_VALUE *v)
{
	if (name == WHvX64RegisterFpControlStatus) {
		c->fcw = v->FpControlStatus.FpControl;
		c->fsw = v->FpControlStatus.FpStatus;
		c->ftag = v->FpControlStatus.FpTag;
		c->fop = v->FpControlStatus.LastFpOp;
		c->fip = v->FpControlStatus.LastFpRip;
	} else if (name == WHvX64RegisterXmmControlStatus) {
		c->fdp = v->XmmControlStatus.LastFpRdp;
		c->mxcsr = v->XmmControlStatus.XmmStatusControl & 0xffff;
	} else {
		c->st[name - WHvX64RegisterFpMmx0] =
			(struct x86_f80){v->Fp.Mantissa, (uint16_t)(v->Fp.BiasedExponent | v->Fp.Sign << 15)};
	}
}

static void store_fp(const struct x86_cpu *c, WHV_REGISTER_NAME name, WHV_REGISTER_VALUE *v)
{
	if (name == WHvX64RegisterFpControlStatus) {
		v->FpControlStatus.FpControl = c->fcw;
		v->FpControlStatus.FpStatus = c->fsw;
		v->FpControlStatus.FpTag = c->ftag;
		v->FpControlStatus.LastFpOp = c->fop;
		v->FpControlStatus.LastFpRip = c->fip;
	} else if (name == WHvX64RegisterXmmControlStatus) {
		v->XmmControlStatus.LastFpRdp = c->fdp;
		v->XmmControlStatus.XmmStatusControl = c->mxcsr;
		v->XmmControlStatus.XmmStatusControlMask = 0xffff;
	} else {
		const struct x86_f80 *f = &c->st[name - WHvX64RegisterFpMmx0];
		v->Fp.Mantissa = f->sig;
		v->Fp.BiasedExponent = f->se & 0x7fff;
		v->Fp.Sign = f->se >> 15;
	}
}

void whpsim_emulation_load(struct x86_cpu *c, WHV_REGISTER_NAME name, const WHV_REGISTER_VALUE *v)
{
	if (name <= WHvX64RegisterR15)
		c->r[name - WHvX64RegisterRax] = v->Reg64;
	else if (name == WHvX64RegisterRip)
		c->rip = v->Reg64;
	else if (name == WHvX64RegisterRflags)
		x86_set_rflags(c, v->Reg64);
	else if (name >= WHvX64RegisterEs && name <= WHvX64RegisterTr)
		set_segment(&c->seg[name - WHvX64RegisterEs], &v->Segment);
	else if (name == WHvX64RegisterIdtr)
		c->idt_base = v->Table.Base, c->idt_limit = v->Table.Limit;
	else if (name == WHvX64RegisterGdtr)
		c->gdt_base = v->Table.Base, c->gdt_limit = v->Table.Limit;
	else if (name >= WHvX64RegisterFpMmx0 && name <= WHvX64RegisterXmmControlStatus)
		load_fp(c, name, v);
	else if (name >= WHvX64RegisterXmm0 && name <= WHvX64RegisterXmm15)
		memcpy(c->v[name - WHvX64RegisterXmm0].q, &v->Reg128, 16);
	else
		load_control(c, name, v->Reg64);
}

bool whpsim_emulation_store(struct x86_cpu *c, WHV_REGISTER_NAME name, WHV_REGISTER_VALUE *v)
{
	memset(v, 0, sizeof *v);
	if (name <= WHvX64RegisterR15)
		v->Reg64 = c->r[name - WHvX64RegisterRax];
	else if (name == WHvX64RegisterRip)
		v->Reg64 = c->rip;
	else if (name == WHvX64RegisterRflags)
		v->Reg64 = x86_get_rflags(c);
	else if (name >= WHvX64RegisterEs && name <= WHvX64RegisterGs)
		v->Segment = get_segment(&c->seg[name - WHvX64RegisterEs]);
	else if (name >= WHvX64RegisterFpMmx0 && name <= WHvX64RegisterXmmControlStatus)
		store_fp(c, name, v);
	else if (name >= WHvX64RegisterXmm0 && name <= WHvX64RegisterXmm15)
		memcpy(&v->Reg128, c->v[name - WHvX64RegisterXmm0].q, 16);
	else
		return false;
	return true;
}
