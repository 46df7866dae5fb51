/* raw_kvm_arm64.c - the arm64 half of the bare KVM ioctls of `vmaccel bench`: a register an ioctl. */
#include "raw_kvm.h"

#include <stddef.h>
#include <sys/ioctl.h>

#define CORE(member, size)                                                                                             \
	(KVM_REG_ARM64 | KVM_REG_SIZE_##size | KVM_REG_ARM_CORE | offsetof(struct kvm_regs, member) / sizeof(uint32_t))

const vma_arch raw_arch = VMA_ARCH_ARM64;

unsigned long raw_vm_type(int kvm)
{
	int bits = ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_ARM_VM_IPA_SIZE);

	return bits > 0 ? KVM_VM_TYPE_ARM_IPA_SIZE((unsigned long)bits) : 0;
}

const char *raw_host(int kvm)
{
	(void)kvm;
	return NULL;
}

const char *raw_vm(int vm)
{
	(void)vm;
	return NULL;
}

static int one_reg(int vcpu, unsigned long call, uint64_t id, void *value)
{
	struct kvm_one_reg r = {.id = id, .addr = (uintptr_t)value};

	return ioctl(vcpu, call, &r);
}

/* In the order of vma_arm64_regs: X0 to X30, SP_EL0, SP_EL1, PC, PSTATE */
static uint64_t gpr(unsigned n)
{
	static const uint64_t rest[] = {CORE(regs.sp, U64), CORE(sp_el1, U64), CORE(regs.pc, U64),
					CORE(regs.pstate, U64)};

	return n < 31 ? CORE(regs.regs[0], U64) + 2 * n : rest[n - 31];
}

static int all_gprs(int vcpu, unsigned long call, vma_arm64_regs *regs, unsigned without)
{
	uint64_t *values = (uint64_t *)regs;

	for (unsigned n = 0; n < VMA_ARM64_GPR_END; n++)
		if (n != without && one_reg(vcpu, call, gpr(n), values + n) < 0)
			return -1;
	return 0;
}

static int clear_vectors(int vcpu)
{
	__uint128_t zero = 0;

	for (unsigned n = 0; n < 32; n++)
		if (one_reg(vcpu, KVM_SET_ONE_REG, CORE(fp_regs.vregs[0], U128) + 4 * n, &zero) < 0)
			return -1;
	return one_reg(vcpu, KVM_SET_ONE_REG, CORE(fp_regs.fpsr, U32), &zero) < 0
		       ? -1
		       : one_reg(vcpu, KVM_SET_ONE_REG, CORE(fp_regs.fpcr, U32), &zero);
}

const char *raw_vcpu(int vm, int vcpu)
{
	vma_arm64_regs regs = {.x = {[1] = BENCH_DEVICE}, .pc = BENCH_CODE, .pstate = 0x3c5};
	struct kvm_mp_state runnable = {KVM_MP_STATE_RUNNABLE};
	struct kvm_vcpu_init init;

	if (ioctl(vm, KVM_ARM_PREFERRED_TARGET, &init) < 0)
		return "KVM_ARM_PREFERRED_TARGET";
	init.features[0] |= 1u << KVM_ARM_VCPU_PSCI_0_2;
	if (ioctl(vcpu, KVM_ARM_VCPU_INIT, &init) < 0)
		return "KVM_ARM_VCPU_INIT";
	if (all_gprs(vcpu, KVM_SET_ONE_REG, &regs, VMA_ARM64_GPR_END) < 0 || clear_vectors(vcpu) < 0)
		return "KVM_SET_ONE_REG";
	return ioctl(vcpu, KVM_SET_MP_STATE, &runnable) < 0 ? "KVM_SET_MP_STATE" : NULL;
}

int raw_at_exit(const struct kvm_run *run)
{
	return run->exit_reason == KVM_EXIT_MMIO;
}

const char *raw_get_regs(int vcpu, union bench_regs *regs)
{
	return all_gprs(vcpu, KVM_GET_ONE_REG, &regs->arm64, VMA_ARM64_GPR_END) < 0 ? "KVM_GET_ONE_REG" : NULL;
}

const char *raw_set_regs(int vcpu, const union bench_regs *regs)
{
	union bench_regs copy = *regs;

	return all_gprs(vcpu, KVM_SET_ONE_REG, &copy.arm64, VMA_ARM64_PC) < 0 ? "KVM_SET_ONE_REG" : NULL;
}
