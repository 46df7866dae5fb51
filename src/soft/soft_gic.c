/* soft_gic.c - the software back end's GIC (irq/gic.h) under irq_lock, its place in guest memory, the MSI frame, and
 * its registers as state. */
#include <string.h>
#include "soft.h"

typedef unsigned long long ull;

enum { MSI_FRAME = 0x1000, MSI_TYPER = 8, MSI_SETSPI_NS = 0x40, MSI_IIDR = 0xfcc };

static void op_wake(void *o, unsigned index)
{
	struct soft_vm *sv = o;
	if (sv->vcpus[index])
		soft_wake(sv->vcpus[index]);
}

int soft_gic_open(struct soft_vm *sv)
{
	const uint32_t n = sv->vm->config.max_vcpus;
	struct gic_cpu *cpus = os_calloc(n, sizeof *cpus);
	if (!cpus)
		return vma_fail(VMA_E_NOMEM, "no memory for the GIC of %u vCPUs", n);
	for (uint32_t i = 0; i < n; i++)
		cpus[i].affinity = (i & 15) | (uint64_t)(i >> 4 & 0xff) << 8;
	sv->gic.wake = op_wake;
	sv->gic.opaque = sv;
	gic_init(&sv->gic, sv->vm->gic.version, cpus, n, sv->vm->gic.intids);
	sv->has_gic = true;
	return 0;
}

void soft_gic_close(struct soft_vm *sv)
{
	os_free(sv->gic.cpus);
}

/* ID_AA64PFR0_EL1.GIC: system registers of version 3 (Arm ARM D19.2.69). */
void soft_gic_show(struct soft_vcpu *cv)
{
	enum { PFR0 = 4 << 3, GIC_SHIFT = 24 };
	if (cv->vm->has_gic && cv->vm->gic.version == 3)
		cv->a64->id[PFR0] |= UINT64_C(1) << GIC_SHIFT;
}

/* ------ lines ------ */

static void line(struct soft_vm *sv, uint32_t vcpu, uint32_t intid, int level)
{
	os_lock(&sv->irq_lock);
	gic_line(&sv->gic, vcpu, intid, level);
	os_unlock(&sv->irq_lock);
}

int soft_gic_line(struct vma_vm *vm, uint32_t gsi, int level)
{
	line(vm->priv, 0, GIC_PRIVATE + gsi, level);
	return 0;
}

int soft_gic_ppi(struct vma_vm *vm, uint32_t vcpu, uint32_t intid, int level)
{
	line(vm->priv, vcpu, intid, level);
	return 0;
}

void soft_a64_timer_lines(struct soft_vcpu *cv, unsigned lines)
{
	static const uint8_t intids[] = {GIC_TIMER_VIRTUAL, GIC_TIMER_PHYSICAL};
	const unsigned change = lines ^ cv->timer_lines;
	cv->timer_lines = lines;
	if (!cv->vm->has_gic) {
		cv->timer_rose = (cv->timer_rose | change) & lines;
		if (cv->timer_rose)
			atomic_store(&cv->v->kick->attention, 1);
	}
	if (!cv->vm->has_gic || !change)
		return;
	for (unsigned i = 0; i < 2; i++)
		if (change >> i & 1)
			line(cv->vm, cv->v->index, intids[i], lines >> i & 1);
}

unsigned soft_gic_pending(struct soft_vcpu *cv)
{
	_Static_assert((int)GIC_IRQ == (int)A64_POLL_IRQ && (int)GIC_FIQ == (int)A64_POLL_FIQ, "the GIC's lines are the CPU's");
	return cv->vm->has_gic ? gic_pending(&cv->vm->gic, cv->v->index) : 0;
}

/* ------ the guest's accesses ------ */

static uint64_t load(const uint8_t *data, unsigned len)
{
	uint64_t v = 0;
	memcpy(&v, data, len);
	return v;
}

/* GICv2m (Arm's Server Base System Architecture, appendix E). */
static void msi_frame(struct soft_vm *sv, uint32_t offset, unsigned len, bool write, uint64_t *value)
{
	const vma_arm64_gic *g = &sv->vm->gic;
	if (!write) {
		*value = offset == MSI_TYPER && len == 4 ? g->msi_first << 16 | g->msi_count : 0;
		return;
	}
	uint32_t intid = *value & 0x3ff;
	if (offset != MSI_SETSPI_NS || (len != 4 && len != 2) || intid < g->msi_first || intid - g->msi_first >= g->msi_count)
		return;
	gic_line(&sv->gic, 0, intid, true);
	gic_line(&sv->gic, 0, intid, false);
}

static bool inside(uint64_t gpa, uint64_t base, uint64_t size)
{
	return gpa - base < size;
}

static bool frames(struct soft_vm *sv, unsigned vcpu, uint64_t gpa, unsigned len, bool write, uint64_t *v)
{
	const vma_arm64_gic *g = &sv->vm->gic;
	const bool v2 = g->version == 2;
	if (inside(gpa, g->dist_base, v2 ? GICV2_DIST_SIZE : GIC_DIST_SIZE))
		if (v2)
			gicv2_dist(&sv->gic, vcpu, (uint32_t)(gpa - g->dist_base), len, write, false, v);
		else
			gic_dist(&sv->gic, (uint32_t)(gpa - g->dist_base), len, write, false, v);
	else if (v2 && inside(gpa, g->cpu_base, GICV2_CPU_SIZE))
		gicv2_cpu(&sv->gic, vcpu, (uint32_t)(gpa - g->cpu_base), len, write, false, v);
	else if (!v2 && inside(gpa, g->cpu_base, (uint64_t)sv->gic.vcpus * GIC_REDIST_SIZE))
		gic_redist(&sv->gic, (uint32_t)(gpa - g->cpu_base), len, write, false, v);
	else if (g->msi_count && inside(gpa, g->msi_base, MSI_FRAME))
		msi_frame(sv, (uint32_t)(gpa - g->msi_base), len, write, v);
	else
		return false;
	return true;
}

bool soft_gic_mmio(struct soft_vcpu *cv, uint64_t gpa, unsigned len, bool write, uint8_t *data)
{
	struct soft_vm *sv = cv->vm;
	uint64_t v = write ? load(data, len) : 0;
	if (!sv->has_gic)
		return false;
	os_lock(&sv->irq_lock);
	bool mine = frames(sv, cv->v->index, gpa, len, write, &v);
	os_unlock(&sv->irq_lock);
	if (mine && !write)
		memcpy(data, &v, len);
	return mine;
}

/* -1: not the GIC's. A change of the lines is seen at once: MSR ends its block. */
int soft_gic_sysreg(struct soft_vcpu *cv, uint32_t reg, bool write, uint64_t *value)
{
	struct soft_vm *sv = cv->vm;
	if (!sv->has_gic || sv->gic.version == 2)
		return -1;
	os_lock(&sv->irq_lock);
	bool mine = gic_icc(&sv->gic, cv->v->index, reg, write, value);
	os_unlock(&sv->irq_lock);
	atomic_fetch_or_explicit(&cv->v->kick->attention, write ? 1 : 0, memory_order_relaxed);
	return mine ? A64_DONE : -1;
}

/* ------ state ------ */

static bool reg(struct soft_vm *sv, enum vma_gic_frame frame, uint32_t vcpu, uint32_t offset, bool write,
		uint64_t *value)
{
	const bool v2 = sv->gic.version == 2;
	switch (frame) {
	case VMA_GIC_DIST:
		if (v2)
			gicv2_dist(&sv->gic, vcpu, offset, 4, write, true, value);
		else
			gic_dist(&sv->gic, offset, 4, write, true, value);
		return true;
	case VMA_GIC_REDIST:
		gic_redist(&sv->gic, vcpu * GIC_REDIST_SIZE + offset, 4, write, true, value);
		return true;
	case VMA_GIC_CPU:
		if (!v2)
			return gic_icc_state(&sv->gic, vcpu, offset, write, value);
		gicv2_cpu(&sv->gic, vcpu, offset, 4, write, true, value);
		return true;
	default:
		return gic_levels(&sv->gic, vcpu, offset, write, value), true;
	}
}

int soft_gic_reg(struct vma_vm *vm, enum vma_gic_frame frame, uint32_t vcpu, uint32_t offset, bool write,
		 uint64_t *value)
{
	struct soft_vm *sv = vm->priv;
	os_lock(&sv->irq_lock);
	bool there = reg(sv, frame, vcpu, offset, write, value);
	os_unlock(&sv->irq_lock);
	return there ? 0 : vma_fail(VMA_E_INVALID, "the GIC has no register %#x", offset);
}
