/* bench_guest.c - the guests that `vmaccel bench` runs, one for each architecture. */
#include "bench.h"

#include <stddef.h>

static int start_x86(vma_vcpu *vcpu)
{
	const vma_x86_regs regs = {.rip = BENCH_CODE, .rflags = 2};
	vma_x86_sregs sregs;

	if (vma_x86_get_sregs(vcpu, &sregs) < 0)
		return -1;
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	return vma_x86_set_sregs(vcpu, &sregs) < 0 ? -1 : vma_x86_set_regs(vcpu, &regs, VMA_X86_ALL_REGS);
}

static int get_x86(vma_vcpu *vcpu, union bench_regs *regs)
{
	return vma_x86_get_regs(vcpu, &regs->x86);
}

static int set_x86(vma_vcpu *vcpu, const union bench_regs *regs)
{
	return vma_x86_set_regs(vcpu, &regs->x86, VMA_X86_ALL_BUT_RIP);
}

static int start_arm64(vma_vcpu *vcpu)
{
	static const uint32_t ids[] = {VMA_ARM64_PC, VMA_ARM64_X0 + 1};
	static const uint64_t values[] = {BENCH_CODE, BENCH_DEVICE};

	return vma_vcpu_set(vcpu, ids, values, sizeof(ids) / sizeof(*ids));
}

static int get_arm64(vma_vcpu *vcpu, union bench_regs *regs)
{
	return vma_arm64_get_regs(vcpu, &regs->arm64);
}

static int set_arm64(vma_vcpu *vcpu, const union bench_regs *regs)
{
	return vma_arm64_set_regs(vcpu, &regs->arm64, VMA_ARM64_ALL_REGS & ~VMA_ARM64_REG_BIT(VMA_ARM64_PC));
}

static const struct bench_guest guests[] = {
	{VMA_ARCH_X86_64, VMA_EXIT_IO, "run + OUT exit", BENCH_X86_BYTES, start_x86, get_x86, set_x86},
	{VMA_ARCH_ARM64, VMA_EXIT_MMIO, "run + MMIO exit of a store", BENCH_ARM64_BYTES, start_arm64, get_arm64, set_arm64},
};

const struct bench_guest *bench_guest(vma_arch arch)
{
	return arch == guests[0].arch ? &guests[0] : &guests[1];
}
