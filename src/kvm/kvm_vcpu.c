/* kvm_vcpu.c - an x86 vCPU's life, runs, completing an exit without going on. */
#include <errno.h>
#include <string.h>
#include "kvm/kvm.h"

/* ------ runs ------ */

enum { IDLE_ENTRIES = 64 };

/* Having KVM copy a class at every exit is cheap, but not free: stop when nobody looked for a while. */
static void age(struct vma_kvm_vcpu *k)
{
	for (unsigned i = 0; i < 3; i++)
		if ((k->run->kvm_valid_regs >> i & 1) && ++k->idle[i] > IDLE_ENTRIES)
			k->run->kvm_valid_regs &= ~(1ull << i);
}

/* I/O and MMIO answers already stand in kvm_run, where exit.io.data and exit.mmio.data point. */
static void answer(struct vma_vcpu *v)
{
	struct kvm_run *run = VMA_KVM_VCPU(v)->run;

	if (v->exit.kind != VMA_EXIT_MSR || !v->exit.pending)
		return;
	run->msr.error = v->exit.msr.fault != 0;
	run->msr.data = v->exit.msr.value;
}

/* For the x2APIC's sake all that KVM finds wrong about an MSR exits (VMA_IRQCHIP_LIBRARY); the rest of it is a #GP. */
static bool refused(struct vma_vcpu *v)
{
	struct kvm_run *run = VMA_KVM_VCPU(v)->run;
	uint32_t index = run->msr.index;

	if (run->exit_reason != KVM_EXIT_X86_RDMSR && run->exit_reason != KVM_EXIT_X86_WRMSR)
		return false;
	if (run->msr.reason != KVM_MSR_EXIT_REASON_INVAL || (index >= 0x800 && index < 0x900))
		return false;
	run->msr.error = 1;
	return true;
}

static int no_exit(struct vma_vcpu *v)
{
	v->exit.kind = VMA_EXIT_CANCELED;
	v->exit.pending = 0;
	return VMA_EXIT_CANCELED;
}

/* KVM knows HALTED only with its own local APIC. */
static int still_halted(struct vma_vcpu *v)
{
	v->exit.kind = VMA_EXIT_HLT;
	v->exit.pending = 0;
	return VMA_EXIT_HLT;
}

/* The last exit, of another kind, left the guest able to take an interrupt: it need not be entered to learn that. */
static bool window_open(const struct vma_vcpu *v)
{
	const struct vma_kvm_vcpu *k = v->priv;

	return v->irq_window && k->window_known && !k->injected && !v->exit.pending &&
	       k->run->ready_for_interrupt_injection;
}

/* What seldom applies, kept off the hot path. 0: enter the guest. */
static int before_entry(struct vma_vcpu *v)
{
	struct vma_kvm_vcpu *k = v->priv;

	if (k->stashed) {
		k->stashed = false;
		return vma_kvm_exit(v);
	}
	if (k->halted && !v->exit.pending)
		return still_halted(v);
	if (window_open(v))
		return vma_kvm_window(v);
	return k->debug_on ? vma_kvm_debug_enter(v) : 0;
}

int vma_kvm_run(struct vma_vcpu *v)
{
	struct vma_kvm_vcpu *k = v->priv;
	long rc;

	if (k->stashed | k->halted | k->debug_on | v->irq_window) {
		int kind = before_entry(v);
		if (kind)
			return kind;
	}
	answer(v);
	k->run->request_interrupt_window = v->irq_window;
	if (k->run->kvm_valid_regs)
		age(k);
	do
		rc = vma_kvm_enter(v, false);
	while (!rc && refused(v));
	if (!rc)
		return vma_kvm_exit(v);
	if (rc == -EINTR || rc == -EAGAIN) /* EAGAIN: a vCPU that waited for INIT or SIPI got it (api.rst 4.10) */
		return no_exit(v);
	return vma_fail_os(rc, "KVM_RUN");
}

/* With immediate_exit KVM_RUN commits the operation and returns EINTR, unless the instruction has another fragment
 * (api.rst 5). */
int vma_kvm_complete(struct vma_vcpu *v)
{
	struct vma_kvm_vcpu *k = v->priv;
	long rc;

	if (!v->exit.pending)
		return 0;
	answer(v);
	rc = vma_kvm_enter(v, true);
	if (rc == -EINTR) {
		v->exit.pending = 0;
		return 0;
	}
	if (rc)
		return vma_fail_os(rc, "KVM_RUN to complete an exit");
	v->exit.pending = 0;
	if (k->run->exit_reason == KVM_EXIT_IO || k->run->exit_reason == KVM_EXIT_MMIO) {
		vma_kvm_exit(v);
		return 1;
	}
	k->stashed = true; /* the completion ended in something else, such as a debug exit: the next run reports it */
	return 0;
}

/* ------ life ------ */

static int map_run(struct vma_vcpu *v)
{
	struct vma_kvm_vcpu *k = v->priv;
	void *page;
	int rc = os_map(k->fd, 0, vma_kvm_host.run_size, OS_MAP_WRITE, &page);

	if (rc)
		return vma_fail_os(rc, "mmap of kvm_run");
	k->run = page;
	k->xsave_size = vma_kvm_host.xsave_size ? vma_kvm_host.xsave_size : sizeof(struct kvm_xsave);
	k->xsave = os_aligned(64, k->xsave_size);
	return k->xsave ? 0 : vma_fail(VMA_E_NOMEM, "out of memory for an XSAVE image");
}

static int set_tsc(struct vma_vcpu *v)
{
	uint64_t khz = v->vm->config.tsc_hz / 1000;

	if (!khz || !vma_kvm_host.tsc_control)
		return 0;
	return vma_kvm_vcpu_ioctl(v, KVM_SET_TSC_KHZ, (void *)(uintptr_t)khz);
}

/* The banks that the software CPU has, so that their state moves (MCG_CAP: SDM vol. 3, 16.3.1.1). */
static int set_machine_check(struct vma_vcpu *v)
{
	enum { MCG_CTL_P = 1 << 8 };
	uint64_t cap = VMA_MC_BANKS | MCG_CTL_P;

	return vma_kvm_host.mce ? vma_kvm_vcpu_ioctl(v, KVM_X86_SETUP_MCE, &cap) : 0;
}

static void close_parts(struct vma_vcpu *v)
{
	struct vma_kvm_vcpu *k = v->priv;

	if (k->run)
		os_unmap(k->run, vma_kvm_host.run_size);
	os_free(k->xsave);
	k->run = NULL;
	k->xsave = NULL;
}

void vma_kvm_vcpu_close(struct vma_vcpu *v)
{
	close_parts(v);
	vma_kvm_park(v, VMA_KVM_VCPU(v)->fd, true);
}

/* KVM finds the targets of interrupts in a table that it makes when some local APIC changes; a vCPU created later than
 * that gets no IPI, not even INIT, until the next change. Writing its local APIC is one. */
static int join_interrupts(struct vma_vcpu *v)
{
	struct kvm_lapic_state apic;
	int rc;

	if (v->vm->config.irqchip != VMA_IRQCHIP_PLATFORM)
		return 0;
	rc = vma_kvm_vcpu_ioctl(v, KVM_GET_LAPIC, &apic);
	return rc ? rc : vma_kvm_vcpu_ioctl(v, KVM_SET_LAPIC, &apic);
}

enum { X2APIC = 1 << 10 };

/* The local APIC after RESET (SDM vol. 3, 11.4.7.1); in xAPIC mode, which the APIC base has to be in first. */
static int reset_lapic(struct vma_vcpu *v)
{
	static const struct {
		uint16_t at;
		uint32_t value;
	} resets[] = {{0xe0, 0xffffffff}, {0xf0, 0xff},     {0x320, 0x10000}, {0x330, 0x10000},
		      {0x340, 0x10000},   {0x350, 0x10000}, {0x360, 0x10000}, {0x370, 0x10000}};
	struct kvm_lapic_state apic, old;
	struct kvm_sregs sregs;
	uint32_t id = v->index << 24;
	int rc = vma_kvm_vcpu_ioctl(v, KVM_GET_SREGS, &sregs);

	sregs.apic_base &= ~(uint64_t)X2APIC;
	if (!rc)
		rc = vma_kvm_vcpu_ioctl(v, KVM_SET_SREGS, &sregs);
	if (!rc)
		rc = vma_kvm_vcpu_ioctl(v, KVM_GET_LAPIC, &old);
	if (rc)
		return rc;
	memset(&apic, 0, sizeof(apic));
	memcpy(apic.regs + 0x20, &id, 4);
	memcpy(apic.regs + 0x30, old.regs + 0x30, 4); /* version */
	for (size_t i = 0; i < sizeof(resets) / sizeof(resets[0]); i++)
		memcpy(apic.regs + resets[i].at, &resets[i].value, 4);
	return vma_kvm_vcpu_ioctl(v, KVM_SET_LAPIC, &apic);
}

/* The core writes all other state. */
static int renew(struct vma_vcpu *v)
{
	int rc = vma_kvm_drain(v);

	return !rc && v->vm->config.irqchip == VMA_IRQCHIP_PLATFORM ? reset_lapic(v) : rc;
}

/* CPUID and the TSC's frequency are the VM's: a parked one has them. */
static int open_parts(struct vma_vcpu *v, bool ready)
{
	int rc = map_run(v);

	if (!rc && ready)
		return renew(v);
	if (!rc)
		rc = vma_kvm_cpuid_set(v);
	if (!rc)
		rc = join_interrupts(v);
	if (!rc)
		rc = set_machine_check(v);
	return rc ? rc : set_tsc(v);
}

int vma_kvm_vcpu_open(struct vma_vcpu *v)
{
	struct vma_kvm_vcpu *k = v->priv;
	bool ready;
	int fd = vma_kvm_unpark(v, &ready), rc;

	if (fd < 0)
		fd = vma_kvm_vm_ioctl(v->vm, KVM_CREATE_VCPU, (void *)(uintptr_t)v->index);
	if (fd < 0)
		return fd;
	k->fd = fd;
	rc = open_parts(v, ready);
	if (rc) {
		close_parts(v);
		vma_kvm_park(v, fd, ready);
	}
	return rc;
}
