/* kvm_arm64_vcpu.c - arm64 vCPUs on KVM: life, runs, exits, debugging. */
#include <errno.h>
#include <string.h>
#include "kvm/kvm_arm64.h"

/* ------ exits (api.rst 5) ------ */

/* KVM extends the value and skips XZR when the access is completed. */
static int exit_mmio(struct vma_vcpu *v, struct kvm_run *run)
{
	vma_exit *e = &v->exit;

	e->pending = 1;
	e->mmio.gpa = run->mmio.phys_addr;
	e->mmio.length = (uint8_t)run->mmio.len;
	e->mmio.write = run->mmio.is_write;
	e->mmio.data = run->mmio.data;
	v->completes_rip_only = e->mmio.write;
	return vma_kvm_msi_frame(v->vm, e->mmio.gpa, e->mmio.length, e->mmio.write, e->mmio.data) ? VMA_EXIT_CANCELED
												  : VMA_EXIT_MMIO;
}

static int exit_system(struct vma_vcpu *v, struct kvm_run *run)
{
	static const uint32_t types[] = {[KVM_SYSTEM_EVENT_SHUTDOWN] = VMA_SYSTEM_POWER_OFF, [KVM_SYSTEM_EVENT_RESET] = VMA_SYSTEM_RESET};
	const uint32_t type = run->system_event.type;

	v->exit.system.type = type < sizeof(types) / sizeof(*types) && types[type] ? types[type] : VMA_SYSTEM_CRASH;
	return VMA_EXIT_SYSTEM;
}

static int exit_internal(struct vma_vcpu *v, uint32_t suberror, uint64_t a, uint64_t b)
{
	v->exit.internal.suberror = suberror;
	v->exit.internal.count = 2;
	v->exit.internal.data[0] = a;
	v->exit.internal.data[1] = b;
	return VMA_EXIT_INTERNAL;
}

/* Exception classes of a debug exit, Arm ARM D19.2.37 */
enum { EC_BREAK = 0x30, EC_STEP = 0x32, EC_WATCH = 0x34, EC_BRK = 0x3c };

static int exit_debug(struct vma_vcpu *v, struct kvm_run *run)
{
	const struct kvm_debug_exit_arch *a = &run->debug.arch;
	const uint32_t ec = a->hsr >> 26 & ~1u, exact = a->hsr >> 26;
	const uint32_t id = VMA_ARM64_PC;

	v->exit.debug.exception = a->hsr;
	v->exit.debug.reason = exact == EC_BRK ? VMA_DEBUG_SW : ec == EC_STEP ? VMA_DEBUG_STEP : VMA_DEBUG_HW;
	v->exit.debug.address = ec == EC_WATCH ? a->far : 0;
	v->exit.debug.dr6 = 0;
	return vma_vcpu_get(v, &id, &v->exit.debug.pc, 1) ? exit_internal(v, 0, a->hsr, 0) : VMA_EXIT_DEBUG;
}

static int translate(struct vma_vcpu *v, struct kvm_run *run)
{
	switch (run->exit_reason) {
	case KVM_EXIT_MMIO: return exit_mmio(v, run);
	case KVM_EXIT_INTR: return VMA_EXIT_CANCELED;
	case KVM_EXIT_DEBUG: return exit_debug(v, run);
	case KVM_EXIT_SYSTEM_EVENT: return exit_system(v, run);
	case KVM_EXIT_FAIL_ENTRY:
		v->exit.fail_entry.reason = run->fail_entry.hardware_entry_failure_reason;
		return VMA_EXIT_FAIL_ENTRY;
	case KVM_EXIT_ARM_NISV: return vma_kvm_nisv(v);
	case KVM_EXIT_INTERNAL_ERROR: return exit_internal(v, run->internal.suberror, 0, 0);
	default: v->exit.other.native = run->exit_reason; return VMA_EXIT_OTHER;
	}
}

static int to_exit(struct vma_vcpu *v)
{
	int kind;

	v->exit.pending = 0;
	v->completes_rip_only = false;
	kind = translate(v, VMA_KVM_VCPU(v)->run);
	if (kind > 0)
		v->exit.kind = (uint32_t)kind;
	return kind;
}

/* ------ runs ------ */

static int no_exit(struct vma_vcpu *v)
{
	v->exit.kind = VMA_EXIT_CANCELED;
	v->exit.pending = 0;
	return VMA_EXIT_CANCELED;
}

/* Without a GIC of KVM's (api.rst 8.3, KVM_CAP_ARM_USER_IRQ): KVM leaves the guest when an output changes, and names
 * the levels at every exit, so that another exit's may be the first to know. */
_Static_assert((int)VMA_ARM64_TIMER_VIRTUAL == KVM_ARM_DEV_EL1_VTIMER &&
		       (int)VMA_ARM64_TIMER_PHYSICAL == KVM_ARM_DEV_EL1_PTIMER,
	       "the timers' outputs are KVM's");
static void note_timers(struct vma_vcpu *v)
{
	struct vma_kvm_vcpu *k = v->priv;
	const uint8_t now = k->run->s.regs.device_irq_level & (VMA_ARM64_TIMER_VIRTUAL | VMA_ARM64_TIMER_PHYSICAL);

	if (v->vm->config.irqchip == VMA_IRQCHIP_PLATFORM)
		return;
	k->timers_rose = (k->timers_rose | (now & ~k->timers)) & now;
	k->timers = now;
}

/* Linux 6.1 does not let CNTP_CTL_EL0 be read: the physical timer's level is the one of the last exit. */
int vma_kvm_arm64_timers(struct vma_vcpu *v, uint32_t *lines)
{
	const uint32_t id = VMA_ARM64_CNTV_CTL_EL0;
	uint64_t ctl = 0;
	int rc = vma_arm64_get_sysregs(v, &id, &ctl, 1);

	*lines = ((ctl & 7) == 5 ? VMA_ARM64_TIMER_VIRTUAL : 0) | (VMA_KVM_VCPU(v)->timers & VMA_ARM64_TIMER_PHYSICAL);
	return rc < 0 ? rc : 0;
}

static int exit_timer(struct vma_vcpu *v)
{
	struct vma_kvm_vcpu *k = v->priv;

	v->exit.kind = VMA_EXIT_TIMER;
	v->exit.pending = 0;
	v->exit.timer.lines = k->timers_rose;
	k->timers_rose = 0;
	return VMA_EXIT_TIMER;
}

/* An instruction that was emulated is a step too, which KVM knows nothing of. */
static int exit_step(struct vma_vcpu *v)
{
	const uint32_t id = VMA_ARM64_PC;

	VMA_KVM_VCPU(v)->stepped = false;
	v->exit.kind = VMA_EXIT_DEBUG;
	v->exit.pending = 0;
	/* as the hypervisor is told: from a lower level, the status code */
	v->exit.debug.exception = EC_STEP << 26 | 0x22;
	v->exit.debug.reason = VMA_DEBUG_STEP;
	v->exit.debug.address = v->exit.debug.dr6 = 0;
	return vma_vcpu_get(v, &id, &v->exit.debug.pc, 1) ? exit_internal(v, 0, 0, 0) : VMA_EXIT_DEBUG;
}

int vma_kvm_arm64_run(struct vma_vcpu *v)
{
	struct vma_kvm_vcpu *k = v->priv;
	int kind = k->emulating ? vma_kvm_nisv_answer(v) : 0;
	long rc;

	if (kind)
		return kind;
	if (k->stashed) {
		k->stashed = false;
		kind = to_exit(v);
	}
	while (!kind || (kind == VMA_EXIT_CANCELED && v->exit.pending)) { /* the MSI frame's is completed by going on */
		if (k->stepped)
			return exit_step(v);
		rc = vma_kvm_enter(v, k->timers_rose);
		note_timers(v);
		if (rc == -EINTR || rc == -EAGAIN)
			return k->timers_rose ? exit_timer(v) : no_exit(v);
		if (rc)
			return vma_fail_os(rc, "KVM_RUN");
		kind = to_exit(v);
	}
	return kind;
}

/* With immediate_exit KVM_RUN commits the access and returns EINTR (api.rst 5). */
int vma_kvm_arm64_complete(struct vma_vcpu *v)
{
	long rc;

	if (!v->exit.pending)
		return 0;
	if (VMA_KVM_VCPU(v)->emulating) {
		int kind = vma_kvm_nisv_answer(v);
		return kind > 0 ? 1 : kind;
	}
	rc = vma_kvm_enter(v, true);
	note_timers(v);
	if (rc && rc != -EINTR)
		return vma_fail_os(rc, "KVM_RUN to complete an exit");
	v->exit.pending = 0;
	VMA_KVM_VCPU(v)->stashed = !rc;
	return 0;
}

/* ------ debugging ------ */

/* DBGBCR: E, PAC any of EL1 and EL0, all four bytes; DBGWCR: BAS from the address in its doubleword, LSC (Arm ARM D19.3). */
static void set_break(struct kvm_guest_debug *g, uint32_t i, const vma_debug *d)
{
	const uint64_t address = d->hw[i].address;
	const uint64_t bytes = ((1u << d->hw[i].length) - 1) << (address & 7);
	const uint64_t lsc = d->hw[i].type == VMA_BREAK_WRITE ? 2 : 3;

	if (d->hw[i].type == VMA_BREAK_EXEC) {
		g->arch.dbg_bvr[i] = address & ~UINT64_C(3);
		g->arch.dbg_bcr[i] = 0xf << 5 | 3 << 1 | 1;
	} else {
		g->arch.dbg_wvr[i] = address & ~UINT64_C(7);
		g->arch.dbg_wcr[i] = bytes << 5 | lsc << 3 | 3 << 1 | 1;
	}
}

int vma_kvm_arm64_debug(struct vma_vcpu *v)
{
	const vma_debug *d = &v->debug;
	struct kvm_guest_debug g = {.control = 0};

	g.control |= d->single_step ? KVM_GUESTDBG_SINGLESTEP : 0;
	g.control |= d->software ? KVM_GUESTDBG_USE_SW_BP : 0;
	g.control |= d->count ? KVM_GUESTDBG_USE_HW : 0;
	g.control |= g.control ? KVM_GUESTDBG_ENABLE : 0;
	for (uint32_t i = 0; i < d->count; i++)
		set_break(&g, i, d);
	VMA_KVM_VCPU(v)->stepped &= d->single_step;
	return vma_kvm_vcpu_ioctl(v, KVM_SET_GUEST_DEBUG, &g);
}

/* ------ life ------ */

/* All but vCPU 0 wait for PSCI where KVM has the interrupt controllers. */
int vma_kvm_arm64_init(struct vma_vm *vm, uint32_t index, int fd)
{
	const struct vma_kvm_arm64_host *h = &vma_kvm_arm64;
	struct kvm_vcpu_init init;
	int rc = vma_kvm_vm_ioctl(vm, KVM_ARM_PREFERRED_TARGET, &init);

	if (rc)
		return rc;
	init.features[0] |= 1u << KVM_ARM_VCPU_PSCI_0_2;
	if (h->ptrauth)
		init.features[0] |= 1u << KVM_ARM_VCPU_PTRAUTH_ADDRESS | 1u << KVM_ARM_VCPU_PTRAUTH_GENERIC;
	if (vm->config.pmu)
		init.features[0] |= 1u << KVM_ARM_VCPU_PMU_V3;
	if (vm->config.sve)
		init.features[0] |= 1u << KVM_ARM_VCPU_SVE;
	if (index && vm->config.irqchip == VMA_IRQCHIP_PLATFORM)
		init.features[0] |= 1u << KVM_ARM_VCPU_POWER_OFF;
	rc = vma_kvm_ioctl(fd, KVM_ARM_VCPU_INIT, &init, "KVM_ARM_VCPU_INIT");
	return !rc && vm->config.sve ? vma_kvm_sve_init(vm, fd) : rc;
}

static int map_run(struct vma_vcpu *v)
{
	void *page;
	int rc = os_map(VMA_KVM_VCPU(v)->fd, 0, vma_kvm_host.run_size, OS_MAP_WRITE, &page);

	if (rc)
		return vma_fail_os(rc, "mmap of kvm_run");
	VMA_KVM_VCPU(v)->run = page;
	return 0;
}

static void unmap_run(struct vma_vcpu *v)
{
	if (VMA_KVM_VCPU(v)->run)
		os_unmap(VMA_KVM_VCPU(v)->run, vma_kvm_host.run_size);
	VMA_KVM_VCPU(v)->run = NULL;
}

void vma_kvm_arm64_close(struct vma_vcpu *v)
{
	vma_kvm_nisv_close(v);
	unmap_run(v);
	vma_kvm_park(v, VMA_KVM_VCPU(v)->fd, true);
}

/* One that was destroyed is reset by another KVM_ARM_VCPU_INIT (api.rst 4.82). */
int vma_kvm_arm64_open(struct vma_vcpu *v)
{
	struct vma_kvm_vcpu *k = v->priv;
	bool used;
	int fd = vma_kvm_unpark(v, &used), rc;

	if (fd < 0)
		fd = vma_kvm_vm_ioctl(v->vm, KVM_CREATE_VCPU, (void *)(uintptr_t)v->index);
	if (fd < 0)
		return fd;
	k->fd = fd;
	rc = map_run(v);
	if (!rc && used)
		rc = vma_kvm_drain(v);
	if (!rc)
		rc = vma_kvm_arm64_init(v->vm, v->index, fd);
	if (!rc && v->vm->config.sve)
		rc = vma_kvm_sve_length(v);
	if (rc) {
		unmap_run(v);
		vma_kvm_park(v, fd, used);
	}
	return rc;
}
