/* reset_x86.c - the state after RESET, out of the register lists (SDM vol. 3, table 10-1). */
#include <string.h>
#include "core/arch_x86.h"

enum { FCW_RESET = 0x40, FTW_RESET = 0xff, MXCSR_RESET = 0x1f80 };

static const struct {
	uint32_t index;
	uint64_t value;
	bool time;
} msrs[] = {
#define STATE false
#define TIME true
#define VMA_X(NAME, index, whpx, reset, kind) {index, reset, kind},
	VMA_X86_MSRS(VMA_X)
#undef VMA_X
#undef STATE
#undef TIME
};

static void reset_sregs(vma_x86_sregs *s)
{
	memset(s, 0, sizeof(*s));
#define VMA_X(NAME, field, kvm, whpx, hvf, gdb, sel, base_, attr_)                                                     \
	s->field = (vma_x86_seg){.base = base_, .limit = 0xffff, .selector = sel, .attr = attr_};
	VMA_X86_SEGS(VMA_X)
#undef VMA_X
#define VMA_X(NAME, field, ...) s->field = (vma_x86_table){.limit = 0xffff};
	VMA_X86_TABLES(VMA_X)
#undef VMA_X
#define VMA_X(NAME, field, kvm, whpx, hvf, reset) s->field = reset;
	VMA_X86_CONTROLS(VMA_X)
#undef VMA_X
}

/* After RESET the x87 has FCW 0x40 and every register is tagged valid (0.0). */
static void reset_xsave(uint8_t *image, uint32_t size)
{
	static const uint16_t fcw = FCW_RESET;
	static const uint32_t mxcsr = MXCSR_RESET, mxcsr_mask = 0xffff;
	static const uint64_t present = 3;

	memset(image, 0, size);
	memcpy(image, &fcw, 2);
	image[4] = FTW_RESET;
	memcpy(image + 24, &mxcsr, 4);
	memcpy(image + 28, &mxcsr_mask, 4);
	memcpy(image + 512, &present, 8);
}

/* What RESET and INIT have in common. SDM vol. 2, CPUID leaf 1: EDX is the processor's signature then; EAX 0. */
static void reset_registers(const vma_vcpu *v, struct vma_x86_state *s)
{
	uint32_t signature = vma_cpuid_reg(vma_cpuid_find(v->vm->cpuid, v->vm->cpuid_count, 1, 0), 0);

#define VMA_X(NAME, field, kvm, whpx, hvf, gdb, reset) s->gpr.field = reset;
	VMA_X86_GPRS(VMA_X)
#undef VMA_X
	if (signature)
		s->gpr.rdx = signature;
	reset_sregs(&s->sregs);
#define VMA_X(NAME, field, kvm, whpx, hvf, reset) s->dregs.field = reset;
	VMA_X86_DEBUGS(VMA_X)
#undef VMA_X
	memset(&s->events, 0, sizeof(s->events));
}

void vma_x86_init_values(const vma_vcpu *v, struct vma_x86_state *s)
{
	enum { CR0_CACHE = 0x60000000 }; /* CD and NW stay */
	uint64_t cr0 = s->sregs.cr0, apic_base = s->sregs.apic_base;

	reset_registers(v, s);
	s->sregs.cr0 = (s->sregs.cr0 & ~(uint64_t)CR0_CACHE) | (cr0 & CR0_CACHE);
	s->sregs.apic_base = apic_base;
}

void vma_reset_values(const vma_vcpu *v, struct vma_x86_state *s)
{
	reset_registers(v, s);
	if (v->index == 0)
		s->sregs.apic_base |= 0x100; /* the bootstrap processor */
	if (v->vm->config.irqchip == VMA_IRQCHIP_NONE)
		s->sregs.apic_base = 0;
	s->xcr0 = 1;
	s->mp = v->vm->config.irqchip != VMA_IRQCHIP_NONE && v->index ? VMA_MP_WAIT_SIPI : VMA_MP_RUNNABLE;
	reset_xsave(s->xsave, v->vm->xsave_size);
}

/* SDM vol. 3, 11.4.7.1. The version register is the platform's own and stays. */
void vma_reset_lapic(uint8_t lapic[0x400], uint32_t apic_id)
{
	static const struct {
		uint16_t offset;
		uint32_t value;
	} values[] = {
		{0xe0, 0xffffffff}, {0xf0, 0xff},     {0x320, 0x10000}, {0x330, 0x10000},
		{0x340, 0x10000},   {0x350, 0x10000}, {0x360, 0x10000}, {0x370, 0x10000},
	};
	uint32_t version, id = apic_id << 24;

	memcpy(&version, lapic + 0x30, 4);
	memset(lapic, 0, 0x400);
	memcpy(lapic + 0x20, &id, 4);
	memcpy(lapic + 0x30, &version, 4);
	for (size_t i = 0; i < VMA_COUNT(values); i++)
		memcpy(lapic + values[i].offset, &values[i].value, 4);
}

/* The platform may lack some; those have no state to reset. */
int vma_reset_msrs(vma_vcpu *v)
{
	uint32_t indices[VMA_COUNT(msrs)];
	uint64_t values[VMA_COUNT(msrs)];
	size_t n = 0, at = 0;

	for (size_t i = 0; i < VMA_COUNT(msrs); i++)
		if (!msrs[i].time) {
			indices[n] = msrs[i].index;
			values[n++] = msrs[i].value;
		}
	while (at < n) {
		int done = v->vm->be->set_msrs(v, indices + at, values + at, n - at);
		if (done < 0)
			return done;
		at += (size_t)done + 1;
	}
	return 0;
}

int vma_reset_x86(vma_vcpu *v)
{
	static const uint64_t all = VMA_SREGS_ALL;
	struct vma_x86_state s = {.xcr0 = 1};
	int rc = 0;

	s.xsave = os_aligned(64, (v->vm->xsave_size + 63u) & ~63u);
	if (!s.xsave)
		return vma_fail(VMA_E_NOMEM, "no memory for an XSAVE image");
	vma_reset_values(v, &s);
	if (v->vm->config.irqchip != VMA_IRQCHIP_NONE)
		rc = vma_state_need(v, VMA_C_LAPIC);
	memcpy(s.lapic, v->x86.lapic, sizeof(s.lapic));
	vma_reset_lapic(s.lapic, v->index);
	if (!rc)
		rc = vma_reset_msrs(v);
	if (!rc)
		rc = vma_state_put_gpr(v, &s.gpr, VMA_X86_ALL_REGS);
	if (!rc)
		rc = vma_state_put_sregs(v, &s.sregs, all);
	if (!rc)
		rc = vma_state_put_dregs(v, &s.dregs, VMA_DREGS_ALL);
	if (!rc)
		rc = vma_state_put(v, VMA_C_XCR0, &s.xcr0);
	if (!rc)
		rc = vma_state_put(v, VMA_C_XSAVE, s.xsave);
	if (!rc)
		rc = vma_state_put(v, VMA_C_EVENTS, &s.events);
	if (!rc)
		rc = vma_state_put(v, VMA_C_MP, &s.mp);
	if (!rc && v->vm->config.irqchip != VMA_IRQCHIP_NONE)
		rc = vma_state_put(v, VMA_C_LAPIC, s.lapic);
	os_free(s.xsave);
	return rc;
}

/* The reset state waits in the cache: what the caller sets before the first run costs no second write. */
int vma_first_state_x86(vma_vcpu *v)
{
	static const uint32_t from_others = VMA_C_EVENTS | VMA_C_MP;
	int rc;

	vma_reset_values(v, &v->x86);
	v->valid = v->dirty = VMA_C_ALL & ~(uint32_t)VMA_C_LAPIC;
	v->gpr_dirty = VMA_X86_ALL_REGS;
	/* Another vCPU may send INIT and SIPI from now on: they must not meet a write that still waits. */
	if (v->vm->config.irqchip != VMA_IRQCHIP_NONE) {
		rc = v->vm->be->commit(v, from_others);
		if (rc)
			return rc;
		v->dirty &= ~from_others;
		v->valid &= ~from_others;
	}
	return vma_reset_msrs(v);
}
