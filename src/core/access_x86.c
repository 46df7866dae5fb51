/* access_x86.c - the state of an x86 vCPU as plain structs, MSRs, MP state. Events are in events_x86.c, the x87 and SSE
 * registers in fpu_x86.c. */
#include <string.h>
#include "core/arch_x86.h"

static int enter_with(vma_vcpu *v, const void *p, const char *what)
{
	return vma_vcpu_enter_arch(v, VMA_ARCH_X86_64, p, what);
}

static int read_class(vma_vcpu *v, uint32_t class, const void *p)
{
	int rc = enter_with(v, p, "the place for the state");

	return rc ? rc : vma_state_need(v, class);
}

/* ------ general, system and debug registers ------ */

int vma_x86_get_regs(vma_vcpu *v, vma_x86_regs *regs)
{
	int rc = read_class(v, VMA_C_GPR, regs);

	if (!rc)
		*regs = v->x86.gpr;
	return rc;
}

int vma_x86_set_regs(vma_vcpu *v, const vma_x86_regs *regs, uint32_t which)
{
	int rc = enter_with(v, regs, "regs");

	if (!rc && (!which || which & ~VMA_X86_ALL_REGS))
		rc = vma_fail(VMA_E_INVALID, "mask %#x: bits 0 to %d are registers, and one at least is set", which,
			      VMA_X86_GPR_END - 1);
	return rc ? rc : vma_state_put_gpr(v, regs, which);
}

int vma_x86_get_sregs(vma_vcpu *v, vma_x86_sregs *sregs)
{
	int rc = read_class(v, VMA_C_SREGS, sregs);

	if (!rc)
		*sregs = v->x86.sregs;
	return rc;
}

int vma_x86_set_sregs(vma_vcpu *v, const vma_x86_sregs *sregs)
{
	int rc = enter_with(v, sregs, "sregs");

	if (!rc)
		rc = vma_check_sregs(v->vm, sregs);
	return rc ? rc : vma_state_put_sregs(v, sregs, VMA_SREGS_ALL);
}

int vma_x86_get_debug_regs(vma_vcpu *v, vma_x86_dregs *dregs)
{
	int rc = read_class(v, VMA_C_DREGS, dregs);

	if (!rc)
		*dregs = v->x86.dregs;
	return rc;
}

int vma_x86_set_debug_regs(vma_vcpu *v, const vma_x86_dregs *dregs)
{
	int rc = enter_with(v, dregs, "dregs");

	if (!rc)
		rc = vma_check_dregs(dregs);
	return rc ? rc : vma_state_put_dregs(v, dregs, VMA_DREGS_ALL);
}

/* ------ local APIC and MP state ------ */

static int check_lapic(vma_vcpu *v, const void *regs)
{
	int rc = enter_with(v, regs, "the local APIC's registers");

	if (!rc && v->vm->config.irqchip == VMA_IRQCHIP_NONE)
		rc = vma_fail(VMA_E_STATE, "there is no local APIC with VMA_IRQCHIP_NONE");
	return rc;
}

int vma_x86_get_lapic(vma_vcpu *v, uint8_t regs[0x400])
{
	int rc = check_lapic(v, regs);

	if (!rc)
		rc = vma_state_need(v, VMA_C_LAPIC);
	if (!rc)
		memcpy(regs, v->x86.lapic, 0x400);
	return rc;
}

int vma_x86_set_lapic(vma_vcpu *v, const uint8_t regs[0x400])
{
	int rc = check_lapic(v, regs);

	return rc ? rc : vma_state_put(v, VMA_C_LAPIC, regs);
}

int vma_get_mp_x86(vma_vcpu *v, vma_mp *mp)
{
	int rc = vma_state_need(v, VMA_C_MP);

	if (!rc)
		*mp = v->x86.mp;
	return rc;
}

int vma_set_mp_x86(vma_vcpu *v, vma_mp mp)
{
	int rc = 0;

	if (mp < VMA_MP_RUNNABLE || mp > VMA_MP_WAIT_SIPI)
		rc = vma_fail(VMA_E_INVALID, "MP state %d: x86 has runnable 0, halted 1, waiting for SIPI 2", (int)mp);
	if (!rc && mp == VMA_MP_WAIT_SIPI && v->vm->config.irqchip == VMA_IRQCHIP_NONE)
		rc = vma_fail(VMA_E_STATE, "with VMA_IRQCHIP_NONE no SIPI would ever come");
	return rc ? rc : vma_state_put(v, VMA_C_MP, &mp);
}

/* ------ MSRs ------ */

/* MSRs that are registers of another class: they go by way of the cache, so that there is one truth about them. */
static const struct {
	uint32_t index, id;
} mirrors[] = {
	{0x1b, VMA_X86_APIC_BASE},
	{0xc0000080, VMA_X86_EFER},
	{0xc0000100, VMA_X86_FS_BASE},
	{0xc0000101, VMA_X86_GS_BASE},
};

static const uint32_t *mirror(uint32_t index)
{
	for (size_t i = 0; i < VMA_COUNT(mirrors); i++)
		if (mirrors[i].index == index)
			return &mirrors[i].id;
	return NULL;
}

/* Length of the run of MSRs that the back end gets as it is. */
static size_t plain_run(const uint32_t *indices, size_t count)
{
	size_t n = 0;

	while (n < count && !mirror(indices[n]))
		n++;
	return n;
}

static int stopped_at(vma_vcpu *v, const char *verb, uint32_t index, size_t done)
{
	vma_fail(VMA_E_NO_ACCEL, "%s cannot %s MSR %#x", v->vm->info.name, verb, index);
	return done ? (int)done : VMA_E_NO_ACCEL;
}

static int check_msrs(vma_vcpu *v, const uint32_t *indices, const void *values, size_t count)
{
	int rc = vma_vcpu_enter(v);

	if (!rc && v->vm->be->arch != VMA_ARCH_X86_64)
		rc = vma_fail(VMA_E_INVALID, "vCPU %u is no x86 vCPU", v->index);
	if (!rc && count && (!indices || !values))
		rc = vma_fail(VMA_E_INVALID, "%zu MSRs, but no indices or no values", count);
	if (!rc && count > 65536)
		rc = vma_fail(VMA_E_INVALID, "%zu MSRs at once are too many", count);
	/* TSC_DEADLINE and the x2APIC's MSRs look at what these classes hold. */
	if (!rc && v->dirty & (VMA_C_SREGS | VMA_C_LAPIC))
		rc = vma_state_flush(v);
	return rc;
}

int vma_x86_get_msrs(vma_vcpu *v, const uint32_t *indices, uint64_t *values, size_t count)
{
	int rc = check_msrs(v, indices, values, count);
	size_t i = 0;

	if (rc)
		return rc;
	while (i < count) {
		const uint32_t *id = mirror(indices[i]);
		size_t n = id ? 1 : plain_run(indices + i, count - i);
		rc = id ? vma_vcpu_get(v, id, values + i, 1) : v->vm->be->get_msrs(v, indices + i, values + i, n);
		if (rc < 0)
			return i ? (int)i : rc;
		if (!id && (size_t)rc < n)
			return stopped_at(v, "read", indices[i + (size_t)rc], i + (size_t)rc);
		i += n;
	}
	return (int)i;
}

int vma_x86_set_msrs(vma_vcpu *v, const uint32_t *indices, const uint64_t *values, size_t count)
{
	int rc = check_msrs(v, indices, values, count);
	size_t i = 0;

	if (rc)
		return rc;
	while (i < count) {
		const uint32_t *id = mirror(indices[i]);
		size_t n = id ? 1 : plain_run(indices + i, count - i);
		rc = id ? vma_vcpu_set(v, id, values + i, 1) : v->vm->be->set_msrs(v, indices + i, values + i, n);
		if (!id)
			v->valid &= v->dirty | ~(uint32_t)VMA_C_LAPIC;
		if (rc < 0)
			return i ? (int)i : rc;
		if (!id && (size_t)rc < n)
			return stopped_at(v, "write", indices[i + (size_t)rc], i + (size_t)rc);
		i += n;
	}
	return (int)i;
}
