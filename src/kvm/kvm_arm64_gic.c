/* kvm_arm64_gic.c - KVM's GICs (Documentation/virt/kvm/devices/arm-vgic-v3.rst, arm-vgic.rst), interrupt lines (api.rst 4.25,
 * KVM_IRQ_LINE), and the MSI frame, which KVM does not have. */
#include <string.h>
#include "kvm/kvm_arm64.h"

enum { SPI = 32, MSI_FRAME = 0x1000, MSI_TYPER = 8, MSI_SETSPI_NS = 0x40 };

static uint32_t device_type(uint32_t version)
{
	return version == 2 ? KVM_DEV_TYPE_ARM_VGIC_V2 : KVM_DEV_TYPE_ARM_VGIC_V3;
}

int vma_kvm_gic_check(struct vma_vm *vm, const vma_arm64_gic *gic)
{
	struct kvm_create_device d = {.type = device_type(gic->version), .flags = KVM_CREATE_DEVICE_TEST};

	if (os_ioctl(VMA_KVM_VM(vm)->fd, KVM_CREATE_DEVICE, &d, "KVM_CREATE_DEVICE"))
		return vma_fail(VMA_E_NO_ACCEL, "this host's KVM has no GICv%u for guests", gic->version);
	return 0;
}

static int set_attr(struct vma_vm *vm, uint32_t group, uint64_t attr, const void *value, const char *what)
{
	struct kvm_device_attr a = {.group = group, .attr = attr, .addr = (uint64_t)(uintptr_t)value};

	return vma_kvm_ioctl(VMA_KVM_VM(vm)->gic - 1, KVM_SET_DEVICE_ATTR, &a, what);
}

int vma_kvm_gic_create(struct vma_vm *vm)
{
	const vma_arm64_gic *g = &vm->gic;
	const bool v2 = g->version == 2;
	struct kvm_create_device d = {.type = device_type(g->version)};
	uint64_t dist = g->dist_base, cpu = g->cpu_base;
	uint32_t intids = g->intids == 1020 ? 1024 : g->intids;
	int rc = vma_kvm_vm_ioctl(vm, KVM_CREATE_DEVICE, &d);

	if (rc)
		return rc;
	VMA_KVM_VM(vm)->gic = (int)d.fd + 1;
	rc = set_attr(vm, KVM_DEV_ARM_VGIC_GRP_ADDR, v2 ? KVM_VGIC_V2_ADDR_TYPE_DIST : KVM_VGIC_V3_ADDR_TYPE_DIST, &dist,
		      "setting the GIC distributor's address");
	if (!rc)
		rc = set_attr(vm, KVM_DEV_ARM_VGIC_GRP_ADDR, v2 ? KVM_VGIC_V2_ADDR_TYPE_CPU : KVM_VGIC_V3_ADDR_TYPE_REDIST, &cpu,
			      "setting the GIC CPU frames' address");
	return rc ? rc : set_attr(vm, KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, &intids, "setting the GIC's number of interrupts");
}

int vma_kvm_gic_init(struct vma_vm *vm)
{
	return set_attr(vm, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, NULL, "initialising the GIC");
}

void vma_kvm_gic_close(struct vma_vm *vm)
{
	if (VMA_KVM_VM(vm)->gic)
		os_close(VMA_KVM_VM(vm)->gic - 1);
	VMA_KVM_VM(vm)->gic = 0;
}

/* ------ state ------ */

/* How a frame's registers are named: vCPUs of version 3 by their MPIDR, packed into 32 bits (vgic-v3: Aff0 is four
 * bits). */
static uint64_t attr_of(bool v3, uint32_t vcpu, uint32_t offset)
{
	const uint64_t mpidr = (vcpu & 15) | (uint64_t)(vcpu >> 4) << 8;

	return (v3 ? mpidr : vcpu) << 32 | offset;
}

/* KVM shows a v2's GICC_PMR as GICH_VMCR holds it, five bits (arm-vgic.rst). */
static bool is_short_pmr(bool v3, enum vma_gic_frame frame, uint32_t offset)
{
	enum { GICC_PMR = 4 };

	return !v3 && frame == VMA_GIC_CPU && offset == GICC_PMR;
}

int vma_kvm_gic_reg(struct vma_vm *vm, enum vma_gic_frame frame, uint32_t vcpu, uint32_t offset, bool write,
		    uint64_t *value)
{
	static const uint32_t groups[] = {
		[VMA_GIC_DIST] = KVM_DEV_ARM_VGIC_GRP_DIST_REGS,
		[VMA_GIC_REDIST] = KVM_DEV_ARM_VGIC_GRP_REDIST_REGS,
		[VMA_GIC_CPU] = KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS,
		[VMA_GIC_LEVEL] = KVM_DEV_ARM_VGIC_GRP_LEVEL_INFO,
	};
	const bool v3 = vm->gic.version == 3;
	const unsigned shift = is_short_pmr(v3, frame, offset) ? 3 : 0;
	uint64_t moved = *value >> shift; /* little-endian: the low word is what the 32-bit groups take */
	const uint32_t group = frame == VMA_GIC_CPU && !v3 ? KVM_DEV_ARM_VGIC_GRP_CPU_REGS : groups[frame];
	struct kvm_device_attr a = {.group = group,
				    .attr = attr_of(v3, vcpu, offset),
				    .addr = (uint64_t)(uintptr_t)&moved};
	int rc;

	moved = write ? moved : 0;
	rc = vma_kvm_ioctl(VMA_KVM_VM(vm)->gic - 1, write ? KVM_SET_DEVICE_ATTR : KVM_GET_DEVICE_ATTR, &a,
			   write ? "KVM_SET_DEVICE_ATTR of a GIC's register"
				 : "KVM_GET_DEVICE_ATTR of a GIC's register");
	if (!rc && !write)
		*value = moved << shift;
	return rc;
}

/* ------ lines ------ */

static int line(struct vma_vm *vm, uint32_t type, uint32_t vcpu, uint32_t number, int level)
{
	struct kvm_irq_level l = {.irq = type << KVM_ARM_IRQ_TYPE_SHIFT | vcpu << KVM_ARM_IRQ_VCPU_SHIFT | number,
				  .level = level ? 1 : 0};

	return vma_kvm_vm_ioctl(vm, KVM_IRQ_LINE, &l);
}

int vma_kvm_spi(struct vma_vm *vm, uint32_t gsi, int level)
{
	return line(vm, KVM_ARM_IRQ_TYPE_SPI, 0, SPI + gsi, level);
}

int vma_kvm_ppi(struct vma_vm *vm, uint32_t vcpu, uint32_t intid, int level)
{
	return line(vm, KVM_ARM_IRQ_TYPE_PPI, vcpu, intid, level);
}

int vma_kvm_cpu_line(struct vma_vcpu *v, bool fiq, int level)
{
	return line(v->vm, KVM_ARM_IRQ_TYPE_CPU, v->index, fiq ? KVM_ARM_IRQ_CPU_FIQ : KVM_ARM_IRQ_CPU_IRQ, level);
}

/* ------ the MSI frame ------ */

bool vma_kvm_msi_frame(struct vma_vm *vm, uint64_t gpa, unsigned length, bool write, uint8_t *data)
{
	const vma_arm64_gic *g = &vm->gic;
	const uint64_t offset = gpa - g->msi_base;
	uint32_t value = 0;

	if (vm->config.irqchip != VMA_IRQCHIP_PLATFORM || !g->msi_count || offset >= MSI_FRAME)
		return false;
	if (!write) {
		value = offset == MSI_TYPER ? g->msi_first << 16 | g->msi_count : 0;
		memset(data, 0, length);
		memcpy(data, &value, length < 4 ? length : 4);
		return true;
	}
	memcpy(&value, data, length < 4 ? length : 4);
	value &= 0x3ff;
	if (offset == MSI_SETSPI_NS && value >= g->msi_first && value - g->msi_first < g->msi_count) {
		vma_kvm_spi(vm, value - SPI, 1);
		vma_kvm_spi(vm, value - SPI, 0);
	}
	return true;
}

bool vma_kvm_gic_holds(const struct vma_vm *vm, uint64_t gpa)
{
	const vma_arm64_gic *g = &vm->gic;
	const bool v2 = g->version == 2;

	if (vm->config.irqchip != VMA_IRQCHIP_PLATFORM)
		return false;
	return gpa - g->dist_base < (v2 ? 0x1000 : 0x10000) ||
	       gpa - g->cpu_base < (v2 ? 0x2000 : (uint64_t)vm->config.max_vcpus * 0x20000);
}
