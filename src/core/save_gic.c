/* save_gic.c - the GIC's state as an element: its registers as KVM's device groups have them (arm-vgic-v3.rst,
 * arm-vgic.rst), so that it moves between KVM and the software one.
 *
 * u32 version, INTIDs, vCPUs, 0; then for each register, in the order in which they are written back: u32 frame (enum
 * vma_gic_frame), u32 vCPU, u32 offset, u32 0, u64 value. */
#include <string.h>
#include "core/arch_arm64.h"
#include "core/format.h"

typedef unsigned long long ull;

#define ICC(op1, crn, crm, op2) (3u << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2)) /* op0 3 */
enum { PRIVATE = 32, SGI_BASE = 0x10000, HEAD = 16, ENTRY = 24, WORD = 32 };

/* A register, or with `bits` one field for each interrupt: words of 32 bits. `clear`: the register that takes back what
 * this one only sets. */
struct row {
	const char *name;
	uint8_t version, frame, bits;
	bool banked; /* bits: the private interrupts' words, for each vCPU; else a vCPU's own register */
	uint32_t offset, clear;
};
/* Enables and triggers before levels, those before what is pending and active; the CPU interfaces last. */
static const struct row rows[] = {
	{"GICD_IIDR", 3, VMA_GIC_DIST, 0, false, 0x8, 0},
	{"GICD_CTLR", 3, VMA_GIC_DIST, 0, false, 0x0, 0},
	{"GICD_IGROUPR", 3, VMA_GIC_DIST, 1, false, 0x80, 0},
	{"GICD_ICFGR", 3, VMA_GIC_DIST, 2, false, 0xc00, 0},
	{"GICD_IPRIORITYR", 3, VMA_GIC_DIST, 8, false, 0x400, 0},
	{"GICD_IROUTER", 3, VMA_GIC_DIST, 64, false, 0x6000, 0},
	{"GICD_ISENABLER", 3, VMA_GIC_DIST, 1, false, 0x100, 0x180},
	{"an SPI's line", 3, VMA_GIC_LEVEL, 1, false, 0, 0},
	{"GICD_ISPENDR", 3, VMA_GIC_DIST, 1, false, 0x200, 0},
	{"GICD_ISACTIVER", 3, VMA_GIC_DIST, 1, false, 0x300, 0x380},
	{"GICR_IGROUPR0", 3, VMA_GIC_REDIST, 1, true, SGI_BASE + 0x80, 0},
	{"GICR_ICFGR", 3, VMA_GIC_REDIST, 2, true, SGI_BASE + 0xc00, 0},
	{"GICR_IPRIORITYR", 3, VMA_GIC_REDIST, 8, true, SGI_BASE + 0x400, 0},
	{"GICR_ISENABLER0", 3, VMA_GIC_REDIST, 1, true, SGI_BASE + 0x100, SGI_BASE + 0x180},
	{"a private interrupt's line", 3, VMA_GIC_LEVEL, 1, true, 0, 0},
	{"GICR_ISPENDR0", 3, VMA_GIC_REDIST, 1, true, SGI_BASE + 0x200, 0},
	{"GICR_ISACTIVER0", 3, VMA_GIC_REDIST, 1, true, SGI_BASE + 0x300, SGI_BASE + 0x380},
	{"ICC_SRE_EL1", 3, VMA_GIC_CPU, 0, true, ICC(0, 12, 12, 5), 0},
	{"ICC_CTLR_EL1", 3, VMA_GIC_CPU, 0, true, ICC(0, 12, 12, 4), 0},
	{"ICC_BPR0_EL1", 3, VMA_GIC_CPU, 0, true, ICC(0, 12, 8, 3), 0},
	{"ICC_BPR1_EL1", 3, VMA_GIC_CPU, 0, true, ICC(0, 12, 12, 3), 0},
	{"ICC_AP0R0_EL1", 3, VMA_GIC_CPU, 0, true, ICC(0, 12, 8, 4), 0},
	{"ICC_AP1R0_EL1", 3, VMA_GIC_CPU, 0, true, ICC(0, 12, 9, 0), 0},
	{"ICC_PMR_EL1", 3, VMA_GIC_CPU, 0, true, ICC(0, 4, 6, 0), 0},
	{"ICC_IGRPEN0_EL1", 3, VMA_GIC_CPU, 0, true, ICC(0, 12, 12, 6), 0},
	{"ICC_IGRPEN1_EL1", 3, VMA_GIC_CPU, 0, true, ICC(0, 12, 12, 7), 0},
	/* KVM takes groups of a v2 only after its IIDR */
	{"GICD_IIDR", 2, VMA_GIC_DIST, 0, false, 0x8, 0},
	{"GICD_CTLR", 2, VMA_GIC_DIST, 0, false, 0x0, 0},
	{"GICD_IGROUPR", 2, VMA_GIC_DIST, 1, false, 0x80, 0},
	{"GICD_ICFGR", 2, VMA_GIC_DIST, 2, false, 0xc00, 0},
	{"GICD_IPRIORITYR", 2, VMA_GIC_DIST, 8, false, 0x400, 0},
	{"GICD_ITARGETSR", 2, VMA_GIC_DIST, 8, false, 0x800, 0},
	{"GICD_ISENABLER", 2, VMA_GIC_DIST, 1, false, 0x100, 0x180},
	{"GICD_ISPENDR", 2, VMA_GIC_DIST, 1, false, 0x200, 0x280},
	{"GICD_ISACTIVER", 2, VMA_GIC_DIST, 1, false, 0x300, 0x380},
	{"GICD_IGROUPR0", 2, VMA_GIC_DIST, 1, true, 0x80, 0},
	{"GICD_ICFGR1", 2, VMA_GIC_DIST, 2, true, 0xc00, 0},
	{"GICD_IPRIORITYR", 2, VMA_GIC_DIST, 8, true, 0x400, 0},
	{"GICD_ISENABLER0", 2, VMA_GIC_DIST, 1, true, 0x100, 0x180},
	{"GICD_ISPENDR0", 2, VMA_GIC_DIST, 1, true, 0x200, 0x280},
	{"GICD_SPENDSGIR", 2, VMA_GIC_DIST, 4, true, 0xf20, 0xf10}, /* 16 bytes: 4 bits for each private interrupt */
	{"GICD_ISACTIVER0", 2, VMA_GIC_DIST, 1, true, 0x300, 0x380},
	{"GICC_CTLR", 2, VMA_GIC_CPU, 0, true, 0x0, 0},
	{"GICC_BPR", 2, VMA_GIC_CPU, 0, true, 0x8, 0},
	{"GICC_ABPR", 2, VMA_GIC_CPU, 0, true, 0x1c, 0},
	{"GICC_APR0", 2, VMA_GIC_CPU, 0, true, 0xd0, 0},
	{"GICC_PMR", 2, VMA_GIC_CPU, 0, true, 0x4, 0},
};

/* ------ the registers of a row, one after the other ------ */

struct place {
	vma_vm *vm;
	const struct row *row;
	uint32_t vcpu, offset, clear;
};

/* Words of a row of fields: of the private interrupts, or from INTID 32 on. */
static uint32_t first_word(const struct row *r)
{
	return r->bits && !r->banked ? PRIVATE * r->bits / WORD : 0;
}

static uint32_t end_word(const vma_vm *vm, const struct row *r)
{
	/* 1020 ends in a whole word, whose last fields are not there */
	const uint32_t intids = (vm->gic.intids + 31) & ~31u;

	if (!r->bits)
		return 1;
	if (r->bits == 64 && vm->gic.intids == 1020)
		return 1020 * 2;
	return (r->banked ? PRIVATE : intids) * r->bits / WORD;
}

static int each_word(vma_vm *vm, const struct row *r, uint32_t vcpu, int (*fn)(const struct place *at, void *opaque),
		     void *opaque)
{
	const uint32_t step = r->frame == VMA_GIC_LEVEL ? WORD : 4;
	int rc = 0;

	for (uint32_t w = first_word(r); !rc && w < end_word(vm, r); w++) {
		const struct place at = {vm, r, vcpu, r->offset + w * step, r->clear ? r->clear + w * step : 0};
		rc = fn(&at, opaque);
	}
	return rc;
}

static int each_register(vma_vm *vm, int (*fn)(const struct place *at, void *opaque), void *opaque)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < VMA_COUNT(rows); i++) {
		if (rows[i].version != vm->gic.version)
			continue;
		for (uint32_t n = 0; !rc && n < (rows[i].banked ? vm->config.max_vcpus : 1); n++)
			rc = each_word(vm, rows + i, n, fn, opaque);
	}
	return rc;
}

static int access_register(const struct place *at, uint32_t offset, bool write, uint64_t *value)
{
	return at->vm->be->gic_reg(at->vm, (enum vma_gic_frame)at->row->frame, at->vcpu, offset, write, value);
}

/* v2's SGIs are pending by sender, in GICD_SPENDSGIR. */
static uint64_t significant(const struct place *at)
{
	return at->row->version == 2 && at->row->frame == VMA_GIC_DIST && at->offset == 0x200 ? 0xffff0000 : UINT64_MAX;
}

/* ------ saving ------ */

static int save_register(const struct place *at, void *opaque)
{
	struct vma_writer *w = opaque;
	uint64_t value = 0;
	int rc = access_register(at, at->offset, false, &value);

	if (rc)
		return rc;
	vma_w_u32(w, at->row->frame);
	vma_w_u32(w, at->vcpu);
	vma_w_u32(w, at->offset);
	vma_w_u32(w, 0);
	vma_w_u64(w, value & significant(at));
	return 0;
}

int vma_gic_save(struct vma_writer *w, vma_vm *vm)
{
	int rc;

	if (!vm->be->gic_reg)
		return vma_fail(VMA_E_NO_ACCEL, "%s cannot read its GIC", vm->info.name);
	vma_w_open(w, VMA_EL_GIC, 0);
	vma_w_u32(w, vm->gic.version);
	vma_w_u32(w, vm->gic.intids);
	vma_w_u32(w, vm->config.max_vcpus);
	vma_w_u32(w, 0);
	rc = each_register(vm, save_register, w);
	vma_w_close(w);
	return rc;
}

/* ------ restoring ------ */

struct walk {
	const struct vma_reader *r;
	const vma_report *report;
	uint32_t at;
};

static int check_register(const struct place *at, void *opaque)
{
	struct walk *k = opaque;
	const uint32_t o = k->at;

	k->at += ENTRY;
	if (k->at > k->r->length)
		return vma_r_bad(k->r, "it ends in the midst of the registers");
	if (vma_r_u32(k->r, o) != at->row->frame || vma_r_u32(k->r, o + 4) != at->vcpu ||
	    vma_r_u32(k->r, o + 8) != at->offset)
		return vma_fail(VMA_E_FORMAT, "saved state: the GIC's %s of vCPU %u is not where it belongs",
				at->row->name, at->vcpu);
	return 0;
}

int vma_gic_check(vma_vm *vm, const struct vma_reader *r)
{
	struct walk k = {.r = r, .at = HEAD};
	int rc;

	if (r->length < HEAD)
		return vma_r_bad(r, "shorter than its head");
	if (vma_r_u32(r, 0) != vm->gic.version || vma_r_u32(r, 4) != vm->gic.intids ||
	    vma_r_u32(r, 8) != vm->config.max_vcpus)
		return vma_fail(VMA_E_FEATURE,
				"the saved GICv%u has %u INTIDs for %u vCPUs, this VM's GICv%u %u for %u",
				vma_r_u32(r, 0), vma_r_u32(r, 4), vma_r_u32(r, 8), vm->gic.version, vm->gic.intids,
				vm->config.max_vcpus);
	rc = each_register(vm, check_register, &k);
	return !rc && k.at != r->length ? vma_r_bad(r, "it goes on behind the registers") : rc;
}

/* What an accelerator does not take is told, and stays as it is. */
static int put_register(const struct place *at, void *opaque)
{
	struct walk *k = opaque;
	uint64_t saved = vma_r_u64(k->r, k->at + 16), all = UINT32_MAX, have = saved;
	int rc = at->clear ? access_register(at, at->clear, true, &all) : 0;

	k->at += ENTRY;
	if (!rc)
		rc = access_register(at, at->offset, true, &saved);
	if (!rc || access_register(at, at->offset, false, &have))
		return rc;
	if (have != saved)
		vma_report_line(k->report, VMA_EL_GIC, "%s (%#x) of vCPU %u stays %#llx, saved was %#llx",
				at->row->name, at->offset, at->vcpu, (ull)have, (ull)saved);
	return 0;
}

int vma_gic_restore(vma_vm *vm, const struct vma_reader *r, const vma_report *report)
{
	struct walk k = {.r = r, .report = report, .at = HEAD};

	return vm->be->gic_reg ? each_register(vm, put_register, &k)
			       : vma_fail(VMA_E_NO_ACCEL, "%s cannot set its GIC", vm->info.name);
}
