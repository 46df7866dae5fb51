/* kvm_arm64.c - the KVM back end on arm64: its table, the probe, and the life of a VM. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include "kvm/kvm_arm64.h"

struct vma_kvm_arm64_host vma_kvm_arm64;

/* ------ probe ------ */

static const struct {
	uint16_t cap;
	const char *name;
} required[] = {
	{KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY"},	{KVM_CAP_ONE_REG, "KVM_CAP_ONE_REG"},
	{KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT"}, {KVM_CAP_MP_STATE, "KVM_CAP_MP_STATE"},
	{KVM_CAP_ARM_PSCI_0_2, "KVM_CAP_ARM_PSCI_0_2"},	{KVM_CAP_ARM_USER_IRQ, "KVM_CAP_ARM_USER_IRQ"},
};

static const struct {
	uint16_t native;
	uint32_t cap;
} optional[] = {
	{KVM_CAP_IRQCHIP, VMA_CAP_IRQCHIP | VMA_CAP_MSI},
	{KVM_CAP_IRQFD, VMA_CAP_IRQFD},
	{KVM_CAP_IOEVENTFD, VMA_CAP_IOEVENTFD},
	{KVM_CAP_USER_MEMORY, VMA_CAP_DIRTY_LOG | VMA_CAP_ALIAS},
	{KVM_CAP_READONLY_MEM, VMA_CAP_READONLY},
	{KVM_CAP_SET_GUEST_DEBUG, VMA_CAP_SINGLE_STEP | VMA_CAP_SW_BREAK},
};

static unsigned number(long value, unsigned most)
{
	return value <= 0 ? 0 : value > (long)most ? most : (unsigned)value;
}

static void probe_host(int fd)
{
	struct vma_kvm_arm64_host *h = &vma_kvm_arm64;
	const long ipa = vma_kvm_extension(fd, KVM_CAP_ARM_VM_IPA_SIZE);

	h->ipa_bits = ipa > 0 ? (unsigned)ipa : 40;
	h->vm_type = ipa > 0 ? KVM_VM_TYPE_ARM_IPA_SIZE((unsigned long)ipa) : 0;
	h->ptrauth = vma_kvm_extension(fd, KVM_CAP_ARM_PTRAUTH_ADDRESS) && vma_kvm_extension(fd, KVM_CAP_ARM_PTRAUTH_GENERIC);
	h->pmu = vma_kvm_extension(fd, KVM_CAP_ARM_PMU_V3);
	h->sve = vma_kvm_extension(fd, KVM_CAP_ARM_SVE);
	h->nisv = vma_kvm_extension(fd, KVM_CAP_ARM_NISV_TO_USER);
	h->serror_esr = vma_kvm_extension(fd, KVM_CAP_ARM_INJECT_SERROR_ESR);
	h->breakpoints = number(vma_kvm_extension(fd, KVM_CAP_GUEST_DEBUG_HW_BPS), KVM_ARM_MAX_DBG_REGS);
	h->watchpoints = number(vma_kvm_extension(fd, KVM_CAP_GUEST_DEBUG_HW_WPS), KVM_ARM_MAX_DBG_REGS);
	vma_kvm_host.debug = vma_kvm_extension(fd, KVM_CAP_SET_GUEST_DEBUG) ? KVM_GUESTDBG_ENABLE : 0;
}

static void probe_limits(int fd, vma_platform_info *info)
{
	const struct vma_kvm_arm64_host *h = &vma_kvm_arm64;
	const unsigned most = h->breakpoints < h->watchpoints ? h->breakpoints : h->watchpoints;

	info->gpa_bits = h->ipa_bits;
	info->max_vcpus = number(vma_kvm_extension(fd, KVM_CAP_MAX_VCPUS), 255);
	info->max_vcpus = info->max_vcpus ? info->max_vcpus : 4;
	info->max_regions = number(vma_kvm_extension(fd, KVM_CAP_NR_MEMSLOTS), 32764);
	info->max_regions = info->max_regions ? info->max_regions : 32;
	info->granule = 4096;
	for (size_t i = 0; i < sizeof(optional) / sizeof(*optional); i++)
		if (vma_kvm_extension(fd, optional[i].native))
			info->caps |= optional[i].cap;
	info->breakpoints = most > 4 ? 4 : most;
	info->caps |= info->breakpoints ? VMA_CAP_HW_BREAK : 0;
}

static const char *probe_fd(int fd, vma_platform_info *info)
{
	static char why[80];
	long version = os_ioctl(fd, KVM_GET_API_VERSION, NULL, "KVM_GET_API_VERSION");
	long size = os_ioctl(fd, KVM_GET_VCPU_MMAP_SIZE, NULL, "KVM_GET_VCPU_MMAP_SIZE");

	info->remedy = "update the Linux kernel";
	if (version != KVM_API_VERSION || size < (long)sizeof(struct kvm_run))
		return "/dev/kvm does not speak KVM API version 12";
	for (size_t i = 0; i < sizeof(required) / sizeof(*required); i++)
		if (!vma_kvm_extension(fd, required[i].cap)) {
			snprintf(why, sizeof(why), "this kernel's KVM lacks %s", required[i].name);
			return why;
		}
	vma_kvm_host.run_size = (uint32_t)size;
	probe_host(fd);
	probe_limits(fd, info);
	info->remedy = "";
	return NULL;
}

/* Whether the host is itself a guest of QEMU's machine virt (its device tree's root says so), whose processor differs
 * here and there. */
static bool inside_qemu(void)
{
	static const char name[] = "linux,dummy-virt";
	char is[sizeof(name)] = "";
	int fd = os_open("/proc/device-tree/compatible", O_RDONLY | O_CLOEXEC);
	bool same = fd >= 0 && os_read(fd, is, sizeof(is)) == (long)sizeof(is) && !memcmp(is, name, sizeof(name));

	if (fd >= 0)
		os_close(fd);
	return same;
}

static void probe(vma_platform_info *info)
{
	int fd = os_open("/dev/kvm", O_RDWR | O_CLOEXEC);

	info->version = inside_qemu() ? "KVM API 12, nested in QEMU" : "KVM API 12";
	info->proved = "in QEMU's emulated hardware; never on real hardware";
	if (fd < 0) {
		vma_kvm_no_device(fd, info);
		return;
	}
	info->why = probe_fd(fd, info);
	info->available = !info->why;
	if (info->available)
		info->why = "";
	os_close(fd);
}

/* ------ VM ------ */

static int enable_nisv(struct vma_vm *vm)
{
	struct kvm_enable_cap c = {.cap = KVM_CAP_ARM_NISV_TO_USER};

	return vma_kvm_arm64.nisv ? vma_kvm_vm_ioctl(vm, KVM_ENABLE_CAP, &c) : 0;
}

static void vm_close(struct vma_vm *vm)
{
	struct vma_kvm_vm *k = vm->priv;

	vma_kvm_gic_close(vm);
	vma_kvm_park_close(vm);
	os_free(k->ioevents.list);
	k->ioevents = (struct vma_ioevents){.list = NULL};
	if (k->fd >= 0)
		os_close(k->fd);
	if (k->system >= 0)
		os_close(k->system);
	k->fd = k->system = -1;
}

static int check_config(const vma_vm_config *c)
{
	const char *model = c->cpu_model;

	if (model && strcmp(model, "host") && strcmp(model, "max"))
		return vma_fail(VMA_E_FEATURE, "KVM on arm64 shows its host's CPU: model \"%.40s\" cannot be had (host, max)", model);
	if (c->pmu && !vma_kvm_arm64.pmu)
		return vma_fail(VMA_E_NO_ACCEL, "this host's KVM has no PMU for guests");
	if (c->sve && !vma_kvm_arm64.sve)
		return vma_fail(VMA_E_NO_ACCEL, "this host's KVM has no SVE for guests");
	if (c->hypercall_exits)
		return vma_fail(VMA_E_NO_ACCEL, "kvm: exits for HVC (KVM_ARM_VM_SMCCC_FILTER) are not written yet");
	return 0;
}

static int vm_open(struct vma_vm *vm)
{
	struct vma_kvm_vm *k = vm->priv;
	int rc = check_config(&vm->config);

	k->fd = k->system = -1;
	if (rc)
		return rc;
	rc = os_kick_signal(vm->config.kick_signal, vma_kvm_kick_hook);
	if (rc < 0)
		return vma_fail_os(rc, "sigaction for the kick signal");
	k->system = os_open("/dev/kvm", O_RDWR | O_CLOEXEC);
	rc = k->system < 0 ? vma_fail_os(k->system, "open /dev/kvm") : vma_kvm_create_vm(k, vma_kvm_arm64.vm_type);
	if (!rc)
		rc = enable_nisv(vm);
	if (!rc)
		rc = vma_kvm_park_open(vm);
	if (rc)
		vm_close(vm);
	return rc;
}

/* KVM's GIC must know all vCPUs before the first one runs (arm-vgic-v3.rst): they are made here and wait. */
static int make_vcpus(struct vma_vm *vm)
{
	int *parked = VMA_KVM_VM(vm)->parked;
	int rc = 0;

	for (uint32_t i = 0; !rc && i < vm->config.max_vcpus; i++) {
		int fd = vma_kvm_vm_ioctl(vm, KVM_CREATE_VCPU, (void *)(uintptr_t)i);
		if (fd < 0)
			return fd;
		parked[i] = -(fd + 1);
		rc = vma_kvm_arm64_init(vm, i, fd);
	}
	return rc;
}

static int vm_finalize(struct vma_vm *vm)
{
	int rc;

	if (vm->config.irqchip != VMA_IRQCHIP_PLATFORM)
		return 0;
	rc = vma_kvm_gic_create(vm);
	if (!rc)
		rc = make_vcpus(vm);
	return rc ? rc : vma_kvm_gic_init(vm);
}

const struct vma_backend vma_backend_kvm = {
	.name = "kvm",
	.accel = VMA_ACCEL_KVM,
	.arch = VMA_ARCH_ARM64,
	.vm_size = sizeof(struct vma_kvm_vm),
	.vcpu_size = sizeof(struct vma_kvm_vcpu),
	.probe = probe,
	.facts = vma_kvm_facts,
	.vm_open = vm_open,
	.vm_close = vm_close,
	.vm_finalize = vm_finalize,
	.map = vma_kvm_map,
	.unmap = vma_kvm_unmap,
	.protect = vma_kvm_protect,
	.dirty_log = vma_kvm_dirty_log,
	.irq_line = vma_kvm_spi,
	.irqfd = vma_kvm_irqfd,
	.ioeventfd = vma_kvm_arm64_ioeventfd,
	.check_gic = vma_kvm_gic_check,
	.gic_reg = vma_kvm_gic_reg,
	.ppi = vma_kvm_ppi,
	.vcpu_open = vma_kvm_arm64_open,
	.vcpu_close = vma_kvm_arm64_close,
	.run = vma_kvm_arm64_run,
	.complete = vma_kvm_arm64_complete,
	.fetch = vma_kvm_arm64_fetch,
	.commit = vma_kvm_arm64_commit,
	.get_sysregs = vma_kvm_get_sysregs,
	.set_sysregs = vma_kvm_set_sysregs,
	.sysreg_list = vma_kvm_sysreg_list,
	.sve = vma_kvm_sve,
	.debug = vma_kvm_arm64_debug,
	.timers = vma_kvm_arm64_timers,
	.kick = vma_kvm_kick,
	.native = vma_kvm_native,
};
