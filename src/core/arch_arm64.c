/* arch_arm64.c - the core's half for arm64: its table, the VM's GIC, interrupt lines and messages, reset, and the loop that
 * measures. */
#include <string.h>
#include "core/arch_arm64.h"

typedef unsigned long long ull;

enum { GIC_SPI = 32, GICV2_CPUS = 8, MSI_SETSPI_NS = 0x40 /* of a GICv2m frame */ };

/* ------ the GIC ------ */

/* As on QEMU's virt machine (hw/arm/virt.c has the same addresses), so that guests made for that one feel at home. */
static const vma_arm64_gic gic_default = {
	.size = sizeof(gic_default),
	.intids = 288,
	.msi_first = 80,
	.msi_count = 64,
	.dist_base = 0x08000000,
	.msi_base = 0x08020000,
};

static uint64_t cpu_base_of(uint32_t version)
{
	return version == 2 ? 0x08010000 : 0x080a0000;
}

static uint64_t cpu_size_of(const vma_vm *vm, uint32_t version)
{
	return version == 2 ? 0x2000 : (uint64_t)vm->config.max_vcpus * 0x20000;
}

/* Whether the accelerator has it for this VM. */
static int offer_gic(vma_vm *vm, const vma_arm64_gic *gic)
{
	if (gic->version == 2 && vm->config.max_vcpus > GICV2_CPUS)
		return vma_fail(VMA_E_NO_ACCEL, "a GICv2 has %d vCPUs at most, not %u", GICV2_CPUS,
				vm->config.max_vcpus);
	return vm->be->check_gic ? vm->be->check_gic(vm, gic) : 0;
}

static int choose_gic(vma_vm *vm)
{
	static const uint32_t versions[] = {3, 2};

	for (size_t i = 0; i < VMA_COUNT(versions); i++) {
		vma_arm64_gic gic = gic_default;
		gic.version = versions[i];
		gic.cpu_base = cpu_base_of(gic.version);
		if (!offer_gic(vm, &gic)) {
			vm->gic = gic;
			return 0;
		}
	}
	return vma_fail(VMA_E_NO_ACCEL, "%s: %s", vm->info.name, vma_why());
}

int vma_vm_init_arm64(vma_vm *vm)
{
	return vm->config.irqchip == VMA_IRQCHIP_PLATFORM ? choose_gic(vm) : 0;
}

static bool overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a < b + b_size && b < a + a_size;
}

static int check_frames(const vma_vm *vm, const vma_arm64_gic *g)
{
	const uint64_t dist_size = g->version == 2 ? 0x1000 : 0x10000, align = dist_size - 1;
	const uint64_t cpu_size = cpu_size_of(vm, g->version), top = UINT64_C(1) << vm->info.gpa_bits;

	if ((g->dist_base | g->cpu_base) & align || (g->msi_count && g->msi_base & 0xfff))
		return vma_fail(VMA_E_INVALID, "GIC: %#llx, %#llx or %#llx is not aligned", (ull)g->dist_base,
				(ull)g->cpu_base, (ull)g->msi_base);
	if (g->dist_base > top - dist_size || g->cpu_base > top - cpu_size || (g->msi_count && g->msi_base > top - 0x1000))
		return vma_fail(VMA_E_INVALID, "GIC: a frame ends above the %u bits of guest addresses", vm->info.gpa_bits);
	if (overlap(g->dist_base, dist_size, g->cpu_base, cpu_size) ||
	    (g->msi_count && (overlap(g->msi_base, 0x1000, g->dist_base, dist_size) ||
			      overlap(g->msi_base, 0x1000, g->cpu_base, cpu_size))))
		return vma_fail(VMA_E_INVALID, "GIC: its frames overlap");
	return 0;
}

static int check_gic(vma_vm *vm, const vma_arm64_gic *g)
{
	if (vm->phase != VMA_VM_CONFIG)
		return vma_fail(VMA_E_STATE, "the configuration was frozen by vma_vm_finalize");
	if (g->version < 2 || g->version > 3)
		return vma_fail(VMA_E_INVALID, "GIC version %u (2 or 3)", g->version);
	if (g->intids < 64 || g->intids > 1020 || (g->intids & 31 && g->intids != 1020))
		return vma_fail(VMA_E_INVALID, "GIC: %u INTIDs (64 .. 1020 in steps of 32, or 1020)", g->intids);
	if (g->msi_count && (g->msi_first < GIC_SPI || g->msi_first >= g->intids || g->msi_count > g->intids - g->msi_first))
		return vma_fail(VMA_E_INVALID, "GIC: MSI INTIDs %u and %u more are not SPIs of its %u", g->msi_first,
				g->msi_count, g->intids);
	return check_frames(vm, g);
}

static int enter_vm(vma_vm *vm, const void *p)
{
	if (!vm || !p || vm->be->arch != VMA_ARCH_ARM64)
		return vma_fail(VMA_E_INVALID, "the VM is NULL or no arm64 VM, or the GIC is NULL");
	if (vm->config.irqchip != VMA_IRQCHIP_PLATFORM)
		return vma_fail(VMA_E_STATE, "there is no GIC without VMA_IRQCHIP_PLATFORM");
	return 0;
}

int vma_arm64_get_gic(vma_vm *vm, vma_arm64_gic *gic)
{
	int rc = enter_vm(vm, gic);

	if (!rc && gic->size < sizeof(*gic))
		rc = vma_fail(VMA_E_INVALID, "vma_arm64_gic of %u bytes; %zu are needed", gic->size, sizeof(*gic));
	if (rc)
		return rc;
	*gic = vm->gic;
	return 0;
}

int vma_arm64_set_gic(vma_vm *vm, const vma_arm64_gic *gic)
{
	vma_arm64_gic g;
	int rc = enter_vm(vm, gic);

	if (!rc)
		rc = vma_struct_in(&g, sizeof(g), gic, sizeof(g), "vma_arm64_gic");
	if (rc)
		return rc;
	if (!g.version)
		g.version = vm->gic.version;
	if (!g.cpu_base)
		g.cpu_base = cpu_base_of(g.version);
	os_lock(&vm->lock);
	rc = check_gic(vm, &g);
	if (!rc)
		rc = offer_gic(vm, &g);
	if (!rc)
		vm->gic = g;
	os_unlock(&vm->lock);
	return rc;
}

int vma_arm64_ppi(vma_vm *vm, uint32_t vcpu, uint32_t intid, int level)
{
	int rc = enter_vm(vm, vm);

	if (!rc && vm->phase != VMA_VM_READY)
		rc = vma_fail(VMA_E_STATE, "a private interrupt comes after vma_vm_finalize");
	if (!rc && (vcpu >= vm->config.max_vcpus || intid < 16 || intid > 31 || level < 0 || level > 1))
		rc = vma_fail(VMA_E_INVALID, "private interrupt %u (16..31) of vCPU %u, level %d (0 or 1)", intid, vcpu, level);
	if (rc)
		return rc;
	return vm->be->ppi ? vm->be->ppi(vm, vcpu, intid, level)
			   : vma_fail(VMA_E_NO_ACCEL, "%s has no private interrupts", vm->info.name);
}

static int check_line(const vma_vm *vm, uint32_t gsi)
{
	const uint32_t spis = vm->gic.intids - GIC_SPI;

	return gsi >= spis ? vma_fail(VMA_E_INVALID, "interrupt line %u: the GIC has %u SPIs", gsi, spis) : 0;
}

/* An edge of the SPI that the frame's register names; the lines of its SPIs belong to the frame. */
static int send_msi(vma_vm *vm, uint64_t address, uint32_t data)
{
	const vma_arm64_gic *g = &vm->gic;
	int rc;

	if (!g->msi_count || address != g->msi_base + MSI_SETSPI_NS || data < g->msi_first || data - g->msi_first >= g->msi_count)
		return vma_fail(VMA_E_INVALID, "MSI: address %#llx, INTID %u; the frame takes %#llx, %u and %u more",
				(ull)address, data, (ull)g->msi_base + MSI_SETSPI_NS, g->msi_first, g->msi_count);
	rc = vm->be->irq_line(vm, data - GIC_SPI, 1);
	return rc ? rc : vm->be->irq_line(vm, data - GIC_SPI, 0);
}

/* ------ reset ------ */

/* Arm ARM D1.9.1: EL1h with DAIF set; what is unknown there is zero. System registers are reset by the back end when it
 * opens the vCPU. */
static void reset_values(const vma_vcpu *v, struct vma_arm64_state *s)
{
	*s = (struct vma_arm64_state){.gpr.pstate = 0x3c5};
	s->mp = v->index && v->vm->config.irqchip == VMA_IRQCHIP_PLATFORM && !v->vm->config.hypercall_exits
			? VMA_MP_OFF
			: VMA_MP_RUNNABLE;
}

int vma_first_state_arm64(vma_vcpu *v)
{
	reset_values(v, &v->arm64);
	v->valid = v->dirty = VMA_C_ARM64_ALL;
	v->gpr_dirty = VMA_ARM64_ALL_REGS;
	/* Another vCPU may switch this one on from now on: that must not meet a write that still waits. */
	if (v->arm64.mp != VMA_MP_OFF)
		return 0;
	v->dirty = v->valid = 0;
	return v->vm->be->commit(v, VMA_C_ARM64_ALL);
}

/* SCTLR_EL1 resets to its RES1 bits, MMU off; the others are unknown after a reset and set by whoever needs them: those
 * that decide how the first instructions run are made harmless. */
int vma_reset_arm64(vma_vcpu *v)
{
	static const struct {
		uint32_t id;
		uint64_t value;
	} sysregs[] = {
		{VMA_ARM64_SCTLR_EL1, 0x30d00980}, {VMA_ARM64_CPACR_EL1, 0},	{VMA_ARM64_TCR_EL1, 0},
		{VMA_ARM64_TTBR0_EL1, 0},	   {VMA_ARM64_TTBR1_EL1, 0},	{VMA_ARM64_MAIR_EL1, 0},
		{VMA_ARM64_VBAR_EL1, 0},	   {VMA_ARM64_MDSCR_EL1, 0},	{VMA_ARM64_CNTV_CTL_EL0, 0},
		{VMA_ARM64_CNTP_CTL_EL0, 0},	   {VMA_ARM64_CNTKCTL_EL1, 0}, {VMA_ARM64_ESR_EL1, 0},
		{VMA_ARM64_FAR_EL1, 0},		   {VMA_ARM64_ELR_EL1, 0},	{VMA_ARM64_SPSR_EL1, 0},
		{VMA_ARM64_CONTEXTIDR_EL1, 0},	   {VMA_ARM64_TPIDR_EL1, 0},	{VMA_ARM64_TPIDR_EL0, 0},
		{VMA_ARM64_TPIDRRO_EL0, 0},	   {VMA_ARM64_PAR_EL1, 0},	{VMA_ARM64_CSSELR_EL1, 0},
	};
	struct vma_arm64_state s;
	int rc = 0;

	reset_values(v, &s);
	for (size_t i = 0; !rc && i < VMA_COUNT(sysregs); i++) {
		rc = v->vm->be->set_sysregs(v, &sysregs[i].id, &sysregs[i].value, 1);
		rc = rc < 0 ? rc : 0; /* one that is not there has no state to reset */
	}
	if (!rc)
		rc = vma_arm64_put_gpr(v, &s.gpr, VMA_ARM64_ALL_REGS);
	if (!rc)
		rc = vma_arm64_put(v, VMA_C_FP, &s.fp);
	if (!rc)
		rc = vma_arm64_put(v, VMA_C_EVENTS, &s.events);
	return rc ? rc : vma_arm64_put(v, VMA_C_MP, &s.mp);
}

/* ------ the rest of the table ------ */

static int vcpu_alloc(vma_vcpu *v)
{
	(void)v;
	return 0;
}

static void vcpu_free(vma_vcpu *v)
{
	(void)v;
}

/* Arm ARM D2.9, D2.10: instructions are 4 bytes; a watchpoint lies in one doubleword. */
int vma_check_break_arm64(const vma_debug *d, uint32_t i)
{
	const uint32_t n = d->hw[i].length, type = d->hw[i].type;

	if (type != VMA_BREAK_EXEC && type != VMA_BREAK_WRITE && type != VMA_BREAK_ACCESS)
		return vma_fail(VMA_E_INVALID, "breakpoint %u: type %u (0 execute, 1 write, 3 access)", i, type);
	if (n != 1 && n != 2 && n != 4 && n != 8)
		return vma_fail(VMA_E_INVALID, "breakpoint %u: length %u (1, 2, 4 or 8)", i, n);
	if (type == VMA_BREAK_EXEC && n != 4)
		return vma_fail(VMA_E_INVALID, "breakpoint %u: an execution breakpoint has length 4", i);
	if (d->hw[i].address & (n - 1))
		return vma_fail(VMA_E_INVALID, "breakpoint %u: address %#llx is not aligned to its length %u", i,
				(ull)d->hw[i].address, n);
	return 0;
}

/* add x1, x1, #1; sub x2, x2, #1; b back. X1 counts the rounds. */
static const uint8_t loop_code[] = {0x21, 0x04, 0x00, 0x91, 0x42, 0x04, 0x00, 0xd1, 0xfe, 0xff, 0xff, 0x17};

static int loop_start(vma_vcpu *v, uint64_t gpa)
{
	const uint32_t ids[] = {VMA_ARM64_PC, VMA_ARM64_X1};
	const uint64_t values[] = {gpa, 0};

	return vma_vcpu_set(v, ids, values, VMA_COUNT(ids));
}

static int loop_rounds(vma_vcpu *v, uint64_t *rounds)
{
	const uint32_t id = VMA_ARM64_X1;

	return vma_vcpu_get(v, &id, rounds, 1);
}

const struct vma_arch_ops vma_arch_arm64 = {
	.vm_init = vma_vm_init_arm64,
	.check_line = check_line,
	.msi = send_msi,
	.vcpu_alloc = vcpu_alloc,
	.vcpu_free = vcpu_free,
	.first_state = vma_first_state_arm64,
	.apply_queue = vma_apply_queue_arm64,
	.merge_early = vma_merge_early_arm64,
	.get = vma_get_arm64,
	.set = vma_set_arm64,
	.get_mp = vma_get_mp_arm64,
	.set_mp = vma_set_mp_arm64,
	.reg_name = vma_reg_name_arm64,
	.reg_parse = vma_reg_parse_arm64,
	.reg_list = vma_reg_list_arm64,
	.reset = vma_reset_arm64,
	.translate = vma_translate_arm64,
	.check_break = vma_check_break_arm64,
	.save = vma_save_arm64,
	.restore = vma_restore_arm64,
	.loop_code = loop_code,
	.loop_size = sizeof(loop_code),
	.loop_insns = 3,
	.loop_start = loop_start,
	.loop_rounds = loop_rounds,
};
