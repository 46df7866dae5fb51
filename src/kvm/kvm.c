/* kvm.c - the KVM back end on x86: its table, the probe, and the life of a VM. */
#include <errno.h>
#include <cpuid.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "kvm/kvm.h"
#include "pc/pc.h"

/* ------ probe ------ */

/* What cannot be done without; all are in Linux 4.12 and later. */
static const struct {
	uint16_t cap;
	const char *name;
} required[] = {
    {KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY"}, {KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT"},
    {KVM_CAP_VCPU_EVENTS, "KVM_CAP_VCPU_EVENTS"}, {KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID"},
    {KVM_CAP_DEBUGREGS, "KVM_CAP_DEBUGREGS"},     {KVM_CAP_XSAVE, "KVM_CAP_XSAVE"},
    {KVM_CAP_MP_STATE, "KVM_CAP_MP_STATE"},
};

static const struct {
	uint16_t native;
	uint32_t cap;
} optional[] = {
    {KVM_CAP_IRQCHIP, VMA_CAP_IRQCHIP},
    {KVM_CAP_IRQFD, VMA_CAP_IRQFD},
    {KVM_CAP_IOEVENTFD, VMA_CAP_IOEVENTFD},
    {KVM_CAP_SIGNAL_MSI, VMA_CAP_MSI},
    {KVM_CAP_USER_MEMORY, VMA_CAP_DIRTY_LOG | VMA_CAP_ALIAS},
    {KVM_CAP_READONLY_MEM, VMA_CAP_READONLY},
    {KVM_CAP_X86_MSR_FILTER, VMA_CAP_MSR_EXIT},
    {KVM_CAP_SET_GUEST_DEBUG, VMA_CAP_SINGLE_STEP | VMA_CAP_HW_BREAK | VMA_CAP_SW_BREAK},
    {KVM_CAP_XSAVE, VMA_CAP_XSAVE},
    {KVM_CAP_TSC_CONTROL, VMA_CAP_TSC_SCALE},
    {KVM_CAP_ADJUST_CLOCK, VMA_CAP_CLOCK},
};

static void probe_host(int fd, struct vma_kvm_host *h)
{
	long xsave = vma_kvm_extension(fd, KVM_CAP_XSAVE2);

	h->sync_regs = (uint32_t)vma_kvm_extension(fd, KVM_CAP_SYNC_REGS);
	h->xsave_size = xsave > 4096 ? (uint32_t)xsave : 0;
	h->debug = (uint32_t)vma_kvm_extension(fd, KVM_CAP_SET_GUEST_DEBUG2);
	h->quirks = (uint32_t)vma_kvm_extension(fd, KVM_CAP_DISABLE_QUIRKS2);
	h->xcrs = vma_kvm_extension(fd, KVM_CAP_XCRS);
	h->payload = vma_kvm_extension(fd, KVM_CAP_EXCEPTION_PAYLOAD);
	h->triple_fault = vma_kvm_extension(fd, KVM_CAP_X86_TRIPLE_FAULT_EVENT);
	h->tsc_control = vma_kvm_extension(fd, KVM_CAP_TSC_CONTROL);
	h->mce = vma_kvm_extension(fd, KVM_CAP_MCE) >= VMA_MC_BANKS;
	h->msr_exits = vma_kvm_extension(fd, KVM_CAP_X86_USER_SPACE_MSR) && vma_kvm_extension(fd, KVM_CAP_X86_MSR_FILTER);
	h->manual_log = vma_kvm_extension(fd, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2) & KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE;
	h->enforce_pv = vma_kvm_extension(fd, KVM_CAP_ENFORCE_PV_FEATURE_CPUID);
	h->tsc_deadline = vma_kvm_extension(fd, KVM_CAP_TSC_DEADLINE_TIMER);
}

static void probe_limits(int fd, vma_platform_info *info)
{
	unsigned eax = 36, ebx, ecx, edx;
	long vcpus = vma_kvm_extension(fd, KVM_CAP_MAX_VCPUS), slots = vma_kvm_extension(fd, KVM_CAP_NR_MEMSLOTS);

	__get_cpuid(0x80000008, &eax, &ebx, &ecx, &edx);
	info->gpa_bits = eax & 0xff;
	info->max_vcpus = vcpus <= 0 ? 4 : vcpus > 255 ? 255 : (uint32_t)vcpus; /* 255: ids of an xAPIC */
	info->max_regions = slots <= 0 ? 32 : (uint32_t)slots;
	info->granule = 4096;
	for (size_t i = 0; i < sizeof(optional) / sizeof(*optional); i++)
		if (vma_kvm_extension(fd, optional[i].native))
			info->caps |= optional[i].cap;
	if (!vma_kvm_host.msr_exits)
		info->caps &= ~(uint32_t)VMA_CAP_MSR_EXIT;
	info->breakpoints = info->caps & VMA_CAP_HW_BREAK ? 4 : 0;
}

/* A KVM on a processor without VMX and SVM runs the guest by emulation. It takes every ioctl, but its emulator delivers
 * INT3 to the guest whatever KVM_GUESTDBG_USE_SW_BP says. */
static bool has_hardware(void)
{
	unsigned eax, ebx, ecx = 0, edx;
	bool vmx = __get_cpuid(1, &eax, &ebx, &ecx, &edx) && ecx & 1 << 5; /* SDM vol. 2A, CPUID */
	bool svm = __get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx) && ecx & 1 << 2;

	return vmx || svm;
}

/* The processor itself may be QEMU's: KVM is then real, and its guests' processor is what QEMU makes of VMX or SVM. */
static bool in_qemu(void)
{
	unsigned id[4] = {0};

	__cpuid(0x40000000, id[0], id[1], id[2], id[3]);
	return !memcmp(id + 1, "TCGTCGTCGTCG", 12);
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
	probe_host(fd, &vma_kvm_host);
	probe_limits(fd, info);
	if (!has_hardware()) {
		info->caps &= ~(uint32_t)VMA_CAP_SW_BREAK;
		info->version = "KVM API 12, emulating: this processor shows neither VMX nor SVM";
	} else if (in_qemu()) {
		/* its INT3 checks the intercept of INT n in place of the #BP intercept that KVM sets (APM vol. 2, 15.12.4) */
		info->caps &= ~(uint32_t)VMA_CAP_SW_BREAK;
		info->version = "KVM API 12, hardware that QEMU emulates";
	}
	info->remedy = "";
	return NULL;
}

void vma_kvm_probe(vma_platform_info *info)
{
	int fd = os_open("/dev/kvm", O_RDWR | O_CLOEXEC);

	info->version = "KVM API 12, hardware";
	info->proved = "kvm_amd in QEMU's emulated hardware, and a /dev/kvm that emulates; never on real hardware";
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

static int enable(struct vma_vm *vm, uint32_t cap, uint64_t arg)
{
	struct kvm_enable_cap c = {.cap = cap, .args = {arg}};

	return vma_kvm_vm_ioctl(vm, KVM_ENABLE_CAP, &c);
}

/* Quirks that change guest memory or a register behind the guest's back. */
#define QUIRKS_OFF                                                                                                     \
	(KVM_X86_QUIRK_OUT_7E_INC_RIP | KVM_X86_QUIRK_FIX_HYPERCALL_INSN | KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS)

static int enable_caps(struct vma_vm *vm)
{
	const struct vma_kvm_host *h = &vma_kvm_host;
	const struct {
		bool wanted;
		uint32_t cap;
		uint64_t arg;
	} caps[] = {
	    {h->payload, KVM_CAP_EXCEPTION_PAYLOAD, 1},
	    {h->triple_fault, KVM_CAP_X86_TRIPLE_FAULT_EVENT, 1},
	    {h->manual_log, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE},
	    {h->quirks & QUIRKS_OFF, KVM_CAP_DISABLE_QUIRKS2, h->quirks & QUIRKS_OFF},
	};
	int rc = 0;

	for (size_t i = 0; !rc && i < sizeof(caps) / sizeof(*caps); i++)
		if (caps[i].wanted)
			rc = enable(vm, caps[i].cap, caps[i].arg);
	return rc;
}

/* Intel processors without unrestricted guests run real mode with a task state segment and page table of KVM's own;
 * below the 4 GiB line where firmware would be. Others ignore it. */
static int reserve_pages(struct vma_vm *vm)
{
	uint64_t identity = 0xfffbc000;
	int rc = vma_kvm_vm_ioctl(vm, KVM_SET_IDENTITY_MAP_ADDR, &identity);

	return rc ? rc : vma_kvm_vm_ioctl(vm, KVM_SET_TSS_ADDR, (void *)0xfffbd000ul);
}

static int open_parts(struct vma_vm *vm)
{
	struct vma_kvm_vm *k = vm->priv;
	int rc = vma_kvm_create_vm(k, 0);

	if (!rc)
		rc = enable_caps(vm);
	if (!rc)
		rc = reserve_pages(vm);
	if (!rc && vm->config.irqchip == VMA_IRQCHIP_PLATFORM)
		rc = vma_kvm_irqchip_create(vm);
	return rc;
}

static void vm_close(struct vma_vm *vm)
{
	struct vma_kvm_vm *k = vm->priv;

	vma_kvm_park_close(vm);
	if (k->fd >= 0)
		os_close(k->fd);
	if (k->system >= 0)
		os_close(k->system);
	k->fd = k->system = -1;
}

static int vm_open(struct vma_vm *vm)
{
	struct vma_kvm_vm *k = vm->priv;
	int rc;

	k->fd = k->system = -1;
	rc = os_kick_signal(vm->config.kick_signal, vma_kvm_kick_hook);
	if (rc < 0)
		return vma_fail_os(rc, "sigaction for the kick signal");
	k->system = os_open("/dev/kvm", O_RDWR | O_CLOEXEC);
	rc = k->system < 0 ? vma_fail_os(k->system, "open /dev/kvm") : open_parts(vm);
	if (!rc)
		rc = vma_kvm_park_open(vm);
	if (rc)
		vm_close(vm);
	return rc;
}

static int vm_finalize(struct vma_vm *vm)
{
	return vma_kvm_msr_exits(vm);
}

/* ------ clock ------ */

static int clock_get(struct vma_vm *vm, uint64_t *ns)
{
	struct kvm_clock_data c = {0};
	int rc = vma_kvm_vm_ioctl(vm, KVM_GET_CLOCK, &c);

	*ns = c.clock;
	return rc;
}

static int clock_set(struct vma_vm *vm, uint64_t ns)
{
	struct kvm_clock_data c = {.clock = ns};

	return vma_kvm_vm_ioctl(vm, KVM_SET_CLOCK, &c);
}

/* ------ the tables ------ */

static const struct vma_backend library;

#define KVM_SLOTS                                                                                                      \
	.name = "kvm", .accel = VMA_ACCEL_KVM, .arch = VMA_ARCH_X86_64, .vm_size = sizeof(struct vma_kvm_vm),          \
	.vcpu_size = sizeof(struct vma_kvm_vcpu), .probe = vma_kvm_probe, .facts = vma_kvm_facts,                \
	.cpuid_max = vma_kvm_cpuid_max,                                                                                \
	.map = vma_kvm_map, .unmap = vma_kvm_unmap, .protect = vma_kvm_protect, .dirty_log = vma_kvm_dirty_log,        \
	.ioeventfd = vma_kvm_ioeventfd, .clock_get = clock_get, .clock_set = clock_set,                                \
	.interrupt = vma_kvm_interrupt, .interrupt_ready = vma_kvm_interrupt_ready, .debug = vma_kvm_debug,            \
	.native = vma_kvm_native

const struct vma_backend vma_backend_kvm = {
    KVM_SLOTS,
    .library = &library,
    .vm_open = vm_open,
    .vm_close = vm_close,
    .vm_finalize = vm_finalize,
    .irq_line = vma_kvm_irq_line,
    .msi = vma_kvm_msi,
    .irqfd = vma_kvm_irqfd,
    .irqchip_get = vma_kvm_irqchip_get,
    .irqchip_set = vma_kvm_irqchip_set,
    .vcpu_open = vma_kvm_vcpu_open,
    .vcpu_close = vma_kvm_vcpu_close,
    .run = vma_kvm_run,
    .complete = vma_kvm_complete,
    .fetch = vma_kvm_fetch,
    .commit = vma_kvm_commit,
    .get_msrs = vma_kvm_get_msrs,
    .set_msrs = vma_kvm_set_msrs,
    .nmi = vma_kvm_nmi,
    .get_tpr = vma_kvm_get_tpr,
    .set_tpr = vma_kvm_set_tpr,
    .kick = vma_kvm_kick,
};

static const struct vma_backend library = {KVM_SLOTS, PC_SLOTS, .bare = &vma_backend_kvm};
