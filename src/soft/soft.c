/* soft.c - the software back end: what it offers for x86-64 (soft_a64.c for arm64), its VM half, its table. The CPU is cpu/x86, the
 * interrupt controllers are irq/. */
#include "soft.h"
#include "pc/pc.h"

#define SOFT_CAPS                                                                                                      \
	(VMA_CAP_IRQCHIP | VMA_CAP_IRQFD | VMA_CAP_IOEVENTFD | VMA_CAP_MSI | VMA_CAP_DIRTY_LOG | VMA_CAP_READONLY |    \
	 VMA_CAP_EXEC_PROT | VMA_CAP_ALIAS | VMA_CAP_MSR_EXIT | VMA_CAP_CPUID_EXIT | VMA_CAP_HYPERCALL_EXIT |          \
	 VMA_CAP_SINGLE_STEP | VMA_CAP_HW_BREAK | VMA_CAP_SW_BREAK | VMA_CAP_XSAVE | VMA_CAP_TSC_SCALE | VMA_CAP_CLOCK |    \
	 VMA_CAP_INSN_COUNT)

void soft_probe(vma_platform_info *info, uint32_t caps)
{
	info->available = 1;
	info->version = "";
	info->proved = os_proved();
	info->caps = caps;
	info->max_vcpus = 64;
	info->max_vms = 0;
	info->max_regions = 4096;
	info->gpa_bits = 46;
	info->granule = 4096;
	info->breakpoints = 4;
}

static void probe(vma_platform_info *info)
{
	soft_probe(info, SOFT_CAPS);
}

static bool alloc_share(struct soft_vm *sv)
{
	if (sv->vm->be->arch == VMA_ARCH_ARM64)
		sv->a64_share = a64_share_new();
	else
		sv->share = x86_share_new();
	return sv->share || sv->a64_share;
}

int soft_open_vm(struct soft_vm *sv, struct vma_vm *vm)
{
	sv->vm = vm;
	os_mutex_init(&sv->world_lock);
	os_cond_init(&sv->world_cond);
	os_mutex_init(&sv->irq_lock);
	os_cond_init(&sv->irq_cond);
	vma_irqfds_init(&sv->irqfds, soft_pulse, sv);
	sv->insn_hz = vm->config.insn_hz;
	sv->base_ns = sv->insn_hz ? SOFT_EPOCH : os_now_ns();
	uint64_t host = sv->insn_hz ? 0 : os_tsc_hz();
	sv->tsc_hz = vm->config.tsc_hz ? vm->config.tsc_hz : host ? host : sv->insn_hz ? sv->insn_hz : 1000000000;
	sv->tsc_is_host = host && sv->tsc_hz == host;
	sv->vcpus = os_calloc(vm->config.max_vcpus, sizeof *sv->vcpus);
	if (sv->vcpus && alloc_share(sv))
		return 0;
	os_free(sv->vcpus);
	os_cond_destroy(&sv->world_cond);
	os_cond_destroy(&sv->irq_cond);
	os_mutex_destroy(&sv->world_lock);
	os_mutex_destroy(&sv->irq_lock);
	vma_irqfds_close(&sv->irqfds);
	return vma_fail(VMA_E_NOMEM, "no memory for a software VM of %u vCPUs", vm->config.max_vcpus);
}

static int vm_open(struct vma_vm *vm)
{
	return soft_open_vm(vm->priv, vm);
}

void soft_close_vm(struct soft_vm *sv)
{
	vma_irqfds_close(&sv->irqfds);
	soft_irq_close(sv);
	for (size_t i = 0; i < sv->region_count; i++)
		os_free((void *)sv->regions[i].dirty);
	os_free(sv->ioevents.list);
	os_free(sv->regions);
	os_free(sv->vcpus);
	if (sv->share)
		x86_share_free(sv->share);
	a64_share_free(sv->a64_share);
	os_cond_destroy(&sv->world_cond);
	os_cond_destroy(&sv->irq_cond);
	os_mutex_destroy(&sv->world_lock);
	os_mutex_destroy(&sv->irq_lock);
}

static void vm_close(struct vma_vm *vm)
{
	soft_close_vm(vm->priv);
}

static int soft_cpuid_max(struct vma_vm *vm, vma_x86_cpuid *table, size_t *count)
{
	struct x86_cpuid_leaf leaves[64];
	size_t n = sizeof leaves / sizeof *leaves;
	(void)vm;
	x86_cpuid_max(leaves, &n);
	for (size_t i = 0; i < n && i < *count; i++)
		table[i] = (vma_x86_cpuid){
			.leaf = leaves[i].leaf,
			.subleaf = leaves[i].subleaf,
			.has_subleaf = leaves[i].has_subleaf,
			.eax = leaves[i].out[0],
			.ebx = leaves[i].out[1],
			.ecx = leaves[i].out[2],
			.edx = leaves[i].out[3],
		};
	*count = n;
	return 0;
}

static int soft_vm_finalize(struct vma_vm *vm)
{
	return vm->config.irqchip == VMA_IRQCHIP_PLATFORM ? soft_irq_open(vm->priv) : 0;
}

/* ------ the tables ------ */

static const struct vma_backend library;

#define SOFT_SLOTS                                                                                                     \
	.name = "soft", .accel = VMA_ACCEL_SOFT, .arch = VMA_ARCH_X86_64, .vm_size = sizeof(struct soft_vm),           \
	.vcpu_size = sizeof(struct soft_vcpu), .probe = probe, .cpuid_max = soft_cpuid_max, .map = soft_map,           \
	.unmap = soft_unmap, .protect = soft_protect, .dirty_log = soft_dirty_log, .ioeventfd = soft_ioeventfd,        \
	.clock_get = soft_clock_get, .clock_set = soft_clock_set, .now = soft_clock_now, .interrupt = soft_interrupt,  \
	.interrupt_ready = soft_interrupt_ready, .debug = soft_debug, .insns = soft_insns, .budget = soft_budget,      \
	.insn_state = soft_insn_state, .insn_clock = soft_insn_clock, .insn_timer = soft_insn_timer

const struct vma_backend vma_backend_soft = {
	SOFT_SLOTS,
	.library = &library,
	.vm_open = vm_open,
	.vm_close = vm_close,
	.vm_finalize = soft_vm_finalize,
	.irq_line = soft_irq_line,
	.msi = soft_msi,
	.irqfd = soft_irqfd,
	.time = soft_tsc_stop,
	.irqchip_get = soft_irqchip_get,
	.irqchip_set = soft_irqchip_set,
	.vcpu_open = soft_vcpu_open,
	.vcpu_close = soft_vcpu_close,
	.run = soft_run,
	.complete = soft_complete,
	.fetch = soft_fetch,
	.commit = soft_commit,
	.get_msrs = soft_get_msrs,
	.set_msrs = soft_set_msrs,
	.nmi = soft_nmi,
	.get_tpr = soft_get_tpr,
	.set_tpr = soft_set_tpr,
	.kick = soft_kick,
};

/* The software CPU as a bare vCPU below src/pc, so that what other accelerators need is proved where there is none. */
static const struct vma_backend library = {SOFT_SLOTS, PC_SLOTS, .bare = &vma_backend_soft};
