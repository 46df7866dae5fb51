/* soft_a64.c - the software back end for arm64: what it offers, its table. The CPU is cpu/arm64. */
#include <string.h>
#include "soft.h"

#define SOFT_A64_CAPS                                                                                                  \
	(VMA_CAP_IRQCHIP | VMA_CAP_IRQFD | VMA_CAP_MSI | VMA_CAP_IOEVENTFD | VMA_CAP_DIRTY_LOG | VMA_CAP_READONLY | VMA_CAP_EXEC_PROT | VMA_CAP_ALIAS | VMA_CAP_MSR_EXIT |  \
	 VMA_CAP_HYPERCALL_EXIT | VMA_CAP_SINGLE_STEP | VMA_CAP_HW_BREAK | VMA_CAP_SW_BREAK | VMA_CAP_CLOCK |            \
	 VMA_CAP_TSC_SCALE | VMA_CAP_INSN_COUNT)

static void probe(vma_platform_info *info)
{
	soft_probe(info, SOFT_A64_CAPS);
	info->gpa_bits = 40;
}

static const struct {
	const char *name;
	uint64_t features;
} models[] = {
	{"max", (UINT64_C(1) << A64_F_COUNT) - 1},
	{"armv8.0-a", 0},
	/* FEAT_ names of Armv8.1 and 8.2 that are mandatory there, and AES, SHA and half precision (Arm ARM A2.3, A2.4) */
	{"armv8.2-a", 1u << A64_F_CRC32 | 1u << A64_F_LSE | 1u << A64_F_RDM | 1u << A64_F_PAN | 1u << A64_F_UAO | 1u << A64_F_DPB |
			      1u << A64_F_RAS | 1u << A64_F_AES | 1u << A64_F_PMULL | 1u << A64_F_SHA1 | 1u << A64_F_SHA256 |
			      1u << A64_F_FP16 | 1u << A64_F_HAFDBS},
};

static int vm_open(struct vma_vm *vm)
{
	const char *name = vm->config.cpu_model ? vm->config.cpu_model : "max";
	struct soft_vm *sv = vm->priv;
	if (vm->config.pmu)
		return vma_fail(VMA_E_NO_ACCEL, "soft has no PMU");
	if (vm->config.sve)
		return vma_fail(VMA_E_NO_ACCEL, "soft has no SVE");
	for (size_t i = 0; i < sizeof models / sizeof *models; i++)
		if (!strcmp(models[i].name, name)) {
			sv->features = models[i].features;
			return soft_open_vm(sv, vm);
		}
	return vma_fail(VMA_E_INVALID, "soft for arm64 has no CPU model \"%.40s\" (armv8.0-a, armv8.2-a, max)", name);
}

static void vm_close(struct vma_vm *vm)
{
	soft_close_vm(vm->priv);
	soft_gic_close(vm->priv);
}

static int vm_finalize(struct vma_vm *vm)
{
	int error = vm->config.irqchip == VMA_IRQCHIP_PLATFORM ? soft_gic_open(vm->priv) : 0;
	return error ? error : soft_a64_timer_open(vm->priv);
}

const struct vma_backend vma_backend_soft_arm64 = {
	.name = "soft",
	.accel = VMA_ACCEL_SOFT,
	.arch = VMA_ARCH_ARM64,
	.vm_size = sizeof(struct soft_vm),
	.vcpu_size = sizeof(struct soft_vcpu),
	.probe = probe,
	.vm_open = vm_open,
	.vm_close = vm_close,
	.vm_finalize = vm_finalize,
	.map = soft_map,
	.unmap = soft_unmap,
	.protect = soft_protect,
	.dirty_log = soft_dirty_log,
	.irq_line = soft_gic_line,
	.irqfd = soft_irqfd,
	.ioeventfd = soft_ioeventfd,
	.ppi = soft_gic_ppi,
	.gic_reg = soft_gic_reg,
	.clock_get = soft_clock_get,
	.clock_set = soft_clock_set,
	.now = soft_clock_now,
	.vcpu_open = soft_a64_open,
	.vcpu_close = soft_a64_close,
	.run = soft_a64_run,
	.complete = soft_a64_complete,
	.fetch = soft_a64_fetch,
	.commit = soft_a64_commit,
	.get_sysregs = soft_a64_get_sysregs,
	.set_sysregs = soft_a64_set_sysregs,
	.sysreg_list = soft_a64_sysreg_list,
	.debug = soft_a64_debug,
	.insns = soft_insns,
	.budget = soft_budget,
	.insn_state = soft_insn_state,
	.insn_clock = soft_insn_clock,
	.insn_timer = soft_insn_timer,
	.kick = soft_kick,
};
