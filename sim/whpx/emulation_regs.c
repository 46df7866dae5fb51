/* emulation_regs.c - registers by their names to and from the software CPU, for the instruction emulator. */
#include <string.h>
#include "emulation.h"

/* What is asked for, once a call. Rip is followed by Rflags and Es to Gs, Ldtr by Tr, Idtr, Gdtr and Cr0 to Cr4. */
#define EIGHT(first) first, first + 1, first + 2, first + 3, first + 4, first + 5, first + 6, first + 7
const WHV_REGISTER_NAME whpsim_emulation_names[WHPSIM_EMULATION_NAMES] = {
	EIGHT(WHvX64RegisterRax),
	EIGHT(WHvX64RegisterR8),
	EIGHT(WHvX64RegisterRip),
	EIGHT(WHvX64RegisterLdtr),
	WHvX64RegisterCr8,
	WHvX64RegisterEfer,
	EIGHT(WHvX64RegisterXmm0),
	EIGHT(WHvX64RegisterXmm8),
	EIGHT(WHvX64RegisterFpMmx0),
	WHvX64RegisterFpControlStatus,
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
