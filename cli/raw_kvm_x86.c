/* raw_kvm_x86.c - the x86 half of the bare KVM ioctls of `vmaccel bench`. */
#include "raw_kvm.h"

#include <stdlib.h>
#include <sys/ioctl.h>

enum { CPUID_MAX = 256 };
#define TSS_AT 0xfffbd000ul /* three pages below the firmware's place, as the library has them */

const vma_arch raw_arch = VMA_ARCH_X86_64;

static struct {
	struct kvm_cpuid2 head;
	struct kvm_cpuid_entry2 entries[CPUID_MAX];
} cpuid;

static const struct msr {
	uint32_t index;
	uint64_t reset;
} msrs[] = {
#define KEEP_STATE(index, reset) {index, reset},
#define KEEP_TIME(index, reset)
#define VMA_X(NAME, index, whpx, reset, kind) KEEP_##kind(index, reset)
	VMA_X86_MSRS(VMA_X)
#undef VMA_X
};
enum { MSRS = sizeof(msrs) / sizeof(msrs[0]) };

unsigned long raw_vm_type(int kvm)
{
	(void)kvm;
	return 0;
}

const char *raw_host(int kvm)
{
	cpuid.head.nent = CPUID_MAX;
	return ioctl(kvm, KVM_GET_SUPPORTED_CPUID, &cpuid) < 0 ? "KVM_GET_SUPPORTED_CPUID" : NULL;
}

const char *raw_vm(int vm)
{
	uint64_t identity = TSS_AT - 0x1000;

	if (ioctl(vm, KVM_SET_IDENTITY_MAP_ADDR, &identity) < 0 || ioctl(vm, KVM_SET_TSS_ADDR, TSS_AT) < 0)
		return "KVM_SET_TSS_ADDR";
	return NULL;
}

static const char *set_msrs(int vcpu)
{
	_Alignas(struct kvm_msrs) static char room[sizeof(struct kvm_msrs) + MSRS * sizeof(struct kvm_msr_entry)];
	struct kvm_msrs *all = (struct kvm_msrs *)room;

	all->nmsrs = MSRS;
	for (int i = 0; i < MSRS; i++)
		all->entries[i] = (struct kvm_msr_entry){.index = msrs[i].index, .data = msrs[i].reset};
	return ioctl(vcpu, KVM_SET_MSRS, all) < 0 ? "KVM_SET_MSRS" : NULL;
}

/* The state that the library gives a vCPU before its first run: the architecture's reset state, all of it. */
static const char *set_state(int vcpu)
{
	struct kvm_regs regs = {.rip = BENCH_CODE, .rflags = 2};
	struct kvm_debugregs debug = {.dr6 = 0xffff0ff0, .dr7 = 0x400};
	struct kvm_xcrs xcrs = {.nr_xcrs = 1, .xcrs = {{.xcr = 0, .value = 1}}};
	struct kvm_vcpu_events events = {0};
	struct kvm_xsave xsave = {.region = {[0] = 0x40, [6] = 0x1f80, [7] = 0xffff, [128] = 3}};
	struct kvm_sregs sregs;

	if (ioctl(vcpu, KVM_GET_SREGS, &sregs) < 0)
		return "KVM_GET_SREGS";
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) < 0)
		return "KVM_SET_SREGS";
	ioctl(vcpu, KVM_SET_XCRS, &xcrs); /* where there is XSAVE */
	if (ioctl(vcpu, KVM_SET_XSAVE, &xsave) < 0)
		return "KVM_SET_XSAVE";
	if (ioctl(vcpu, KVM_SET_DEBUGREGS, &debug) < 0)
		return "KVM_SET_DEBUGREGS";
	if (ioctl(vcpu, KVM_SET_REGS, &regs) < 0)
		return "KVM_SET_REGS";
	if (ioctl(vcpu, KVM_SET_VCPU_EVENTS, &events) < 0)
		return "KVM_SET_VCPU_EVENTS";
	return set_msrs(vcpu);
}

const char *raw_vcpu(int vm, int vcpu)
{
	(void)vm;
	return ioctl(vcpu, KVM_SET_CPUID2, &cpuid) < 0 ? "KVM_SET_CPUID2" : set_state(vcpu);
}

int raw_at_exit(const struct kvm_run *run)
{
	return run->exit_reason == KVM_EXIT_IO;
}

static struct kvm_regs regs_of_kvm; /* in KVM's own layout, which the library has to convert */

const char *raw_get_regs(int vcpu, union bench_regs *regs)
{
	(void)regs;
	return ioctl(vcpu, KVM_GET_REGS, &regs_of_kvm) < 0 ? "KVM_GET_REGS" : NULL;
}

const char *raw_set_regs(int vcpu, const union bench_regs *regs)
{
	(void)regs;
	return ioctl(vcpu, KVM_SET_REGS, &regs_of_kvm) < 0 ? "KVM_SET_REGS" : NULL;
}
