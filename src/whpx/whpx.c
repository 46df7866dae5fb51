/* whpx.c - the WHPX back end: its tables, and the life of a VM, which is a partition (WHP, WHvCreatePartition). */
#include <string.h>
#include "whpx/whpx.h"
#include "pc/pc.h"

int whpx_set_property(struct whpx_vm *wm, WHV_PARTITION_PROPERTY_CODE code, const void *value, uint32_t size)
{
	HRESULT hr = WHPX(SetPartitionProperty, wm->partition, code, value, size);

	return hr ? whpx_fail(hr, "WHvSetPartitionProperty") : 0;
}

/* Where it is not the host's counter by the frequency that Windows says it has. */
static uint64_t own_tsc_hz(void)
{
	return vma_same_hz(whpx_host.tsc_hz, os_tsc_hz()) ? 0 : whpx_host.tsc_hz;
}

static void delete_partition(struct whpx_vm *wm)
{
	if (wm->partition)
		WHPX(DeletePartition, wm->partition);
	wm->partition = NULL;
	wm->ready = false;
	wm->doorbells.count = 0;
}

static void vm_close(struct vma_vm *vm)
{
	struct whpx_vm *wm = whpx_vm(vm);

	whpx_chips_stop(wm);
	whpx_mem_close(wm);
	delete_partition(wm);
	whpx_ioevent_close(wm);
	whpx_chips_close(wm);
}

/* The partition waits until the configuration is final: what comes before the set-up can then fail and be done again.
 */
static int vm_open(struct vma_vm *vm)
{
	struct whpx_vm *wm = whpx_vm(vm);
	int rc;

	wm->vm = vm;
	vm->tsc_hz = own_tsc_hz();
	rc = whpx_mem_open(wm);
	if (!rc && vm->config.irqchip == VMA_IRQCHIP_PLATFORM) {
		rc = whpx_chips_open(wm);
		if (rc)
			whpx_mem_close(wm);
	}
	atomic_init(&wm->answers, wm->chips);
	return rc;
}

static bool x2apic(const struct vma_vm *vm)
{
	uint32_t features[4];

	vma_cpuid_lookup(vm, 1, 0, features);
	return features[2] >> 21 & 1;
}

static int set_apic(struct whpx_vm *wm)
{
	WHV_X64_LOCAL_APIC_EMULATION_MODE mode = x2apic(wm->vm) && whpx_host.tried.x2apic != WHPX_OTHERWISE
							 ? WHvX64LocalApicEmulationModeX2Apic
							 : WHvX64LocalApicEmulationModeXApic;

	return !wm->chips ? 0
			  : whpx_set_property(wm, WHvPartitionPropertyCodeLocalApicEmulationMode, &mode, sizeof(mode));
}

/* One property each for all that wants an exit: debugging, MSRs that only raise #GP, CPUID, hypercalls. #DB and #BP
 * exit always where they can: the bitmap may not change while a virtual processor runs. */
static int set_exits(struct whpx_vm *wm)
{
	WHV_EXTENDED_VM_EXITS exits = {.AsUINT64 = 0};
	uint64_t exceptions = 0;
	int rc;

	exits.ExceptionExit = whpx_host.exceptions != 0;
	exceptions = whpx_host.exceptions & (1 << WHPX_DB | 1 << WHPX_BP);
	exits.X64CpuidExit = whpx_host.exits.X64CpuidExit;
	whpx_msr_wants(wm->vm, &exits, &exceptions);
	whpx_hypercall_wants(wm->vm, &exits, &exceptions);
	rc = exits.AsUINT64 ? whpx_set_property(wm, WHvPartitionPropertyCodeExtendedVmExits, &exits, sizeof(exits)) : 0;
	if (!rc && exceptions)
		rc = whpx_set_property(wm, WHvPartitionPropertyCodeExceptionExitBitmap, &exceptions,
				       sizeof(exceptions));
	return rc;
}

static bool scaled(const struct vma_vm *vm)
{
	return vm->config.tsc_hz && vm->config.tsc_hz != whpx_tsc_hz() && vm->info.caps & VMA_CAP_TSC_SCALE;
}

/* Which frequencies Windows takes is not written anywhere: what it refuses may have been that. */
static int refuse_tsc(const struct vma_vm *vm, int rc)
{
	if (!scaled(vm) || (rc != VMA_E_NATIVE && rc != VMA_E_NO_HOST))
		return rc;
	return vma_fail(VMA_E_NO_ACCEL, "tsc_hz %llu, where the host's TSC runs at %llu: %s",
			(unsigned long long)vm->config.tsc_hz, (unsigned long long)whpx_tsc_hz(), vma_why());
}

static int set_tsc(struct whpx_vm *wm)
{
	uint64_t hz = wm->vm->config.tsc_hz;
	int rc = scaled(wm->vm)
			 ? whpx_set_property(wm, WHvPartitionPropertyCodeProcessorClockFrequency, &hz, sizeof(hz))
			 : 0;

	return rc ? refuse_tsc(wm->vm, rc) : 0;
}

static int start(struct whpx_vm *wm)
{
	HRESULT hr = WHPX(SetupPartition, wm->partition);

	return hr ? refuse_tsc(wm->vm, whpx_fail(hr, "WHvSetupPartition")) : 0;
}

static int set_up(struct whpx_vm *wm)
{
	struct vma_vm *vm = wm->vm;
	HRESULT hr = WHPX(CreatePartition, &wm->partition);
	int rc = hr ? whpx_fail(hr, "WHvCreatePartition") : 0;

	if (!rc)
		rc = whpx_set_property(wm, WHvPartitionPropertyCodeProcessorCount, &vm->config.max_vcpus,
				       sizeof(uint32_t));
	if (!rc)
		rc = set_exits(wm);
	if (!rc)
		rc = set_apic(wm);
	if (!rc)
		rc = set_tsc(wm);
	if (!rc)
		rc = whpx_cpuid_setup(vm);
	if (!rc)
		rc = whpx_msr_setup(vm);
	if (!rc)
		rc = start(wm);
	if (!rc)
		rc = whpx_mem_setup(wm);
	return !rc && wm->chips ? whpx_chips_start(wm, x2apic(vm)) : rc;
}

static int vm_finalize(struct vma_vm *vm)
{
	struct whpx_vm *wm = whpx_vm(vm);
	int rc = set_up(wm);

	if (rc)
		delete_partition(wm);
	return rc;
}

static int native(struct vma_vm *vm, struct vma_vcpu *v, int what, void **handle)
{
	struct whpx_vm *wm = whpx_vm(vm);

	(void)v, (void)what;
	if (!wm->ready)
		return vma_fail(VMA_E_STATE, "the partition is made by vma_vm_finalize");
	*handle = wm->partition;
	return 0;
}

/* All of the partition's time; a run resumes it, too. */
static int set_time(struct vma_vm *vm, bool stop)
{
	HRESULT hr;

	if (!whpx_api.SuspendPartitionTime || !whpx_api.ResumePartitionTime)
		return VMA_E_NO_HOST;
	hr = stop ? WHPX(SuspendPartitionTime, whpx_vm(vm)->partition)
		  : WHPX(ResumePartitionTime, whpx_vm(vm)->partition);
	return hr ? whpx_fail(hr, stop ? "WHvSuspendPartitionTime" : "WHvResumePartitionTime") : 0;
}

static const struct vma_backend library;

#define WHPX_SLOTS                                                                                                     \
	.name = "whpx", .accel = VMA_ACCEL_WHPX, .arch = VMA_ARCH_X86_64, .vm_size = sizeof(struct whpx_vm),           \
	.vcpu_size = sizeof(struct whpx_vcpu), .probe = whpx_probe, .facts = whpx_facts, .cpuid_max = whpx_cpuid_max,  \
	.map = whpx_map, .unmap = whpx_unmap, .protect = whpx_protect, .split = whpx_split,                            \
	.dirty_log = whpx_dirty_log, .ioeventfd = whpx_ioeventfd, .interrupt = whpx_interrupt,                         \
	.interrupt_ready = whpx_interrupt_ready, .debug = whpx_debug, .native = native

const struct vma_backend vma_backend_whpx = {
	WHPX_SLOTS,
	.library = &library,
	.vm_open = vm_open,
	.vm_close = vm_close,
	.vm_finalize = vm_finalize,
	.irq_line = whpx_irq_line,
	.msi = whpx_msi,
	.irqfd = whpx_irqfd,
	.time = set_time,
	.irqchip_get = whpx_irqchip_get,
	.irqchip_set = whpx_irqchip_set,
	.vcpu_open = whpx_vcpu_open,
	.vcpu_close = whpx_vcpu_close,
	.run = whpx_run,
	.complete = whpx_complete,
	.fetch = whpx_fetch,
	.commit = whpx_commit,
	.get_msrs = whpx_get_msrs,
	.set_msrs = whpx_set_msrs,
	.nmi = whpx_nmi,
	.get_tpr = whpx_get_tpr,
	.set_tpr = whpx_set_tpr,
	.kick = whpx_kick,
};

static const struct vma_backend library = {WHPX_SLOTS, PC_SLOTS, .bare = &vma_backend_whpx};
