/* whpx_batch.c - registers by name, many in one call: what is to be written gathers in the vCPU until it is entered or
 * looked at. */
#include <string.h>
#include "whpx/whpx.h"

/* In the numbering of the instruction set, which is that of the names. */
const WHV_REGISTER_NAME whpx_gpr_by_number[16] = {
	WHvX64RegisterRax, WHvX64RegisterRcx, WHvX64RegisterRdx, WHvX64RegisterRbx,
	WHvX64RegisterRsp, WHvX64RegisterRbp, WHvX64RegisterRsi, WHvX64RegisterRdi,
	WHvX64RegisterR8,  WHvX64RegisterR9,  WHvX64RegisterR10, WHvX64RegisterR11,
	WHvX64RegisterR12, WHvX64RegisterR13, WHvX64RegisterR14, WHvX64RegisterR15,
};

/* UINT32_MAX: not there. Names below WHPX_PLACES, the general and control registers, are found without a search. */
static uint32_t find(const struct whpx_batch *b, WHV_REGISTER_NAME name)
{
	if ((unsigned)name < WHPX_PLACES)
		return b->place[name] < b->count && b->names[b->place[name]] == name ? b->place[name] : UINT32_MAX;
	for (uint32_t i = 0; i < b->count; i++)
		if (b->names[i] == name)
			return i;
	return UINT32_MAX;
}

WHV_REGISTER_VALUE *whpx_add(struct whpx_batch *b, WHV_REGISTER_NAME name)
{
	uint32_t at = find(b, name);

	if (at != UINT32_MAX)
		return &b->values[at];
	if ((unsigned)name < WHPX_PLACES)
		b->place[name] = (uint8_t)b->count;
	b->names[b->count] = name;
	memset(&b->values[b->count], 0, sizeof(b->values[0]));
	return &b->values[b->count++];
}

int whpx_flush(struct whpx_vcpu *w)
{
	HRESULT hr;

	if (!w->out.count)
		return 0;
	hr = WHPX(SetVirtualProcessorRegisters, w->vm->partition, w->v->index, w->out.names, w->out.count,
		  w->out.values);
	if (hr)
		return whpx_fail(hr, "WHvSetVirtualProcessorRegisters");
	w->out.count = 0;
	return 0;
}

int whpx_get(struct whpx_vcpu *w, struct whpx_batch *b)
{
	int rc = whpx_flush(w);
	HRESULT hr;

	if (rc)
		return rc;
	hr = WHPX(GetVirtualProcessorRegisters, w->vm->partition, w->v->index, b->names, b->count, b->values);
	return hr ? whpx_fail(hr, "WHvGetVirtualProcessorRegisters") : 0;
}

/* The platform's attributes are the VMX access rights without the "unusable" bit: not present is that. */
WHV_REGISTER_VALUE whpx_segment(const vma_x86_seg *s)
{
	WHV_REGISTER_VALUE r = {0};

	r.Segment.Base = s->base;
	r.Segment.Limit = s->limit;
	r.Segment.Selector = s->selector;
	r.Segment.Attributes =
		(uint16_t)(s->attr & VMA_SEG_UNUSABLE ? s->attr & 0xf0ff & ~(uint32_t)VMA_SEG_P : s->attr & 0xf0ff);
	return r;
}

void whpx_segment_in(const WHV_REGISTER_VALUE *r, vma_x86_seg *s)
{
	*s = (vma_x86_seg){.base = r->Segment.Base,
			   .limit = r->Segment.Limit,
			   .selector = r->Segment.Selector,
			   .attr = r->Segment.Attributes & 0xf0ffu};
	if (!(s->attr & VMA_SEG_P))
		s->attr |= VMA_SEG_UNUSABLE;
}
