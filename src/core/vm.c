/* vm.c - virtual machines: configuration, freezing, interrupts and the clock. Mappings are in regions.c, CPUID in
 * cpuid.c. */
#include <string.h>
#include "core/internal.h"

typedef unsigned long long ull;

static int check_config(const vma_vm_config *c)
{
	if (c->arch != VMA_ARCH_X86_64 && c->arch != VMA_ARCH_ARM64)
		return vma_fail(VMA_E_INVALID, "guest architecture %d is not in the list", (int)c->arch);
	if (c->irqchip > VMA_IRQCHIP_LIBRARY || c->msr_policy > VMA_MSR_EXIT || c->cpuid_exits > 1 ||
	    c->hypercall_exits > 1 || c->pmu > 1)
		return vma_fail(VMA_E_INVALID,
				"irqchip %u, msr_policy %u, cpuid_exits %u, hypercall_exits %u or pmu %u is out of range",
				(unsigned)c->irqchip, (unsigned)c->msr_policy, c->cpuid_exits, c->hypercall_exits, c->pmu);
	if (c->sve && c->sve != UINT32_MAX && (c->sve % 16 || c->sve > VMA_SVE_MAX))
		return vma_fail(VMA_E_INVALID, "sve %u is no multiple of 16 up to 256", c->sve);
	if (c->insn_hz && (c->insn_hz < VMA_INSN_HZ_MIN || c->insn_hz > VMA_INSN_HZ_MAX))
		return vma_fail(VMA_E_INVALID, "insn_hz %llu is not in 10^6 .. 10^10", (ull)c->insn_hz);
	if (c->tsc_hz && (c->tsc_hz < VMA_TSC_HZ_MIN || c->tsc_hz > VMA_TSC_HZ_MAX))
		return vma_fail(VMA_E_INVALID, "tsc_hz %llu is not in 10^6 .. 10^10", (ull)c->tsc_hz);
	if (c->arch == VMA_ARCH_ARM64 && c->tsc_hz > UINT32_MAX)
		return vma_fail(VMA_E_INVALID, "tsc_hz %llu: CNTFRQ_EL0 has 32 bits", (ull)c->tsc_hz);
	if (c->insn_hz && c->max_vcpus > 1)
		return vma_fail(VMA_E_INVALID, "a clock of instructions is for one vCPU, not %u", c->max_vcpus);
	if (c->kick_signal < 0 || c->kick_signal > 64)
		return vma_fail(VMA_E_INVALID, "kick_signal %d is no signal", c->kick_signal);
	return 0;
}

/* What the configuration asks for beyond what all accelerators do. */
static int check_caps(const vma_vm *vm)
{
	static const char cannot[] = "%s cannot do that: %s";
	const vma_vm_config *c = &vm->config;
	const vma_platform_info *i = &vm->info;

	if (c->max_vcpus > i->max_vcpus)
		return vma_fail(VMA_E_LIMIT, "%u vCPUs: %s has at most %u", c->max_vcpus, i->name, i->max_vcpus);
	if (c->irqchip == VMA_IRQCHIP_PLATFORM && !(i->caps & VMA_CAP_IRQCHIP))
		return vma_fail(VMA_E_NO_ACCEL, cannot, i->name, "interrupt controllers in the platform");
	if (c->msr_policy == VMA_MSR_EXIT && !(i->caps & VMA_CAP_MSR_EXIT))
		return vma_fail(VMA_E_NO_ACCEL, cannot, i->name, "exits for unknown MSRs");
	if (c->cpuid_exits && !(i->caps & VMA_CAP_CPUID_EXIT))
		return vma_fail(VMA_E_NO_ACCEL, cannot, i->name, "exits for CPUID");
	if (c->hypercall_exits && !(i->caps & VMA_CAP_HYPERCALL_EXIT))
		return vma_fail(VMA_E_NO_ACCEL, cannot, i->name, "exits for hypercalls");
	if (c->insn_hz && !(i->caps & VMA_CAP_INSN_COUNT))
		return vma_fail(VMA_E_NO_ACCEL, cannot, i->name, "a clock of instructions");
	return 0;
}

/* Without scaling a guest's TSC runs at the host's frequency. */
static int check_tsc(const vma_vm *vm)
{
	uint64_t want = vm->config.tsc_hz, own = !want || vm->tsc_hz ? vm->tsc_hz : os_tsc_hz();

	if (!want || vma_same_hz(want, own) || vm->info.caps & VMA_CAP_TSC_SCALE)
		return 0;
	return vma_fail(VMA_E_NO_ACCEL, "tsc_hz %llu: %s cannot scale the TSC here, which runs at %llu", (ull)want,
			vm->info.name, (ull)own);
}

/* The library's own controllers stand between the core and the back end. */
static int pick_library(vma_vm *vm)
{
	if (vm->config.irqchip != VMA_IRQCHIP_LIBRARY)
		return 0;
	if (vm->config.arch != VMA_ARCH_X86_64)
		return vma_fail(VMA_E_NOT_WRITTEN, "the library's own GIC above an accelerator is not written yet");
	if (!vm->be->library)
		return vma_fail(VMA_E_NO_ACCEL, "%s cannot have the library's own interrupt controllers",
				vm->info.name);
	vm->be = vm->be->library;
	return 0;
}

static int pick_backend(vma_vm *vm)
{
	vma_vm_config *c = &vm->config;
	int rc;

	rc = c->accel == VMA_ACCEL_AUTO ? vma_platform_choose(c->arch, &c->accel, NULL, 0) : 0;
	if (rc)
		return rc;
	vm->be = vma_backend_find(c->accel, c->arch);
	vm->arch = c->arch == VMA_ARCH_ARM64 ? &vma_arch_arm64 : &vma_arch_x86;
	if (!vm->be)
		return vma_fail(VMA_E_NO_HOST, "accelerator %s for that guest architecture is not compiled in",
				vma_accel_name(c->accel));
	vm->info = *vma_platform_probed(vm->be);
	if (!vm->info.available)
		return vma_fail(VMA_E_NO_HOST, "%s: %s%s%s", vm->info.name, vm->info.why, *vm->info.remedy ? "; " : "",
				vm->info.remedy);
	rc = check_caps(vm);
	return rc ? rc : pick_library(vm);
}

static int allocate(vma_vm *vm)
{
	vm->priv = os_calloc(1, vm->be->vm_size ? vm->be->vm_size : 1);
	vm->vcpus = os_calloc(vm->config.max_vcpus, sizeof(*vm->vcpus));
	if (!vm->priv || !vm->vcpus)
		return vma_fail(VMA_E_NOMEM, "no memory for a VM of %u vCPUs", vm->config.max_vcpus);
	return vma_regions_init(vm);
}

static void free_vm(vma_vm *vm)
{
	os_mutex_destroy(&vm->lock);
	os_free(vm->regions);
	os_free(vm->vcpus);
	os_free(vm->cpuid);
	os_free(vm->cpuid_max);
	os_free(vm->msr_ranges);
	os_free(vm->priv);
	os_free(vm);
}

static int open_vm(vma_vm *vm)
{
	int rc = vma_platform_vm_in(vm->be);

	if (rc)
		return rc;
	rc = vm->be->vm_open(vm);
	if (rc) {
		vma_platform_vm_out(vm->be);
		return rc;
	}
	/* Opening may have found less than probing promised. */
	rc = check_caps(vm);
	if (!rc)
		rc = check_tsc(vm);
	if (!rc)
		rc = vm->arch->vm_init(vm);
	if (rc) {
		vm->be->vm_close(vm);
		vma_platform_vm_out(vm->be);
	}
	return rc;
}

int vma_vm_create(const vma_vm_config *config, vma_vm **vm)
{
	vma_vm *m;
	int rc;

	if (!vm)
		return vma_fail(VMA_E_INVALID, "no place for the new VM");
	*vm = NULL;
	m = os_calloc(1, sizeof(*m));
	if (!m)
		return vma_fail(VMA_E_NOMEM, "no memory for a VM");
	os_mutex_init(&m->lock);
	rc = vma_struct_in(&m->config, sizeof(m->config), config, sizeof(m->config), "vma_vm_config");
	if (!rc)
		rc = check_config(&m->config);
	if (!rc && !m->config.max_vcpus)
		m->config.max_vcpus = 1;
	if (!rc && !m->config.kick_signal)
		m->config.kick_signal = os_default_kick_signal();
	if (!rc)
		rc = pick_backend(m);
	if (!rc)
		rc = allocate(m);
	if (!rc)
		rc = open_vm(m);
	if (rc) {
		free_vm(m);
		return rc;
	}
	/* The model's name was the caller's string; nothing needs it any more. */
	m->config.cpu_model = NULL;
	*vm = m;
	return 0;
}

/* A vCPU that the caller may not destroy along with the VM, or NULL. */
static const vma_vcpu *foreign_vcpu(const vma_vm *vm)
{
	const struct os_thread *self = os_thread_self();

	for (uint32_t i = 0; i < vm->config.max_vcpus; i++) {
		const vma_vcpu *v = vm->vcpus[i];
		if (v == &vma_vcpu_reserved)
			return v;
		if (v && v->owner != self && os_thread_alive(v->owner))
			return v;
		if (v && vma_vcpu_running(v))
			return v;
	}
	return NULL;
}

int vma_vm_destroy(vma_vm *vm)
{
	const vma_vcpu *left;

	if (!vm)
		return vma_fail(VMA_E_INVALID, "the VM is NULL");
	os_lock(&vm->lock);
	left = foreign_vcpu(vm);
	os_unlock(&vm->lock);
	if (left)
		return vma_fail(
			VMA_E_BUSY,
			"vCPU %u belongs to a thread that still lives (or is inside a run): destroy it there first",
			left->index);
	for (uint32_t i = 0; i < vm->config.max_vcpus; i++)
		if (vm->vcpus[i])
			vma_vcpu_destroy(vm->vcpus[i]);
	vma_regions_drop(vm);
	vm->regions = NULL;
	vm->be->vm_close(vm);
	vma_platform_vm_out(vm->be);
	free_vm(vm);
	return 0;
}

vma_accel vma_vm_accel(const vma_vm *vm)
{
	return vm ? vm->be->accel : VMA_ACCEL_AUTO;
}

vma_arch vma_vm_arch(const vma_vm *vm)
{
	return vm ? vm->be->arch : (vma_arch)0;
}

uint32_t vma_vm_caps(const vma_vm *vm)
{
	return vm ? vm->info.caps : 0;
}

/* ------ configuring ------ */

static int add_msr_range(vma_vm *vm, struct vma_msr_range range)
{
	struct vma_msr_range *more;

	if (vm->phase != VMA_VM_CONFIG)
		return vma_fail(VMA_E_STATE, "the configuration was frozen by vma_vm_finalize");
	more = os_calloc(vm->msr_range_count + 1, sizeof(*more));
	if (!more)
		return vma_fail(VMA_E_NOMEM, "no memory for an MSR range");
	if (vm->msr_range_count)
		memcpy(more, vm->msr_ranges, vm->msr_range_count * sizeof(*more));
	more[vm->msr_range_count++] = range;
	os_free(vm->msr_ranges);
	vm->msr_ranges = more;
	return 0;
}

int vma_vm_msr_exits(vma_vm *vm, uint32_t first, uint32_t count, uint32_t access)
{
	int rc;

	if (!vm || !count || access < 1 || access > 3 || first + (count - 1) < first)
		return vma_fail(VMA_E_INVALID, "MSR exits: %u MSRs from %#x, access %u (1 reads, 2 writes, 3 both)",
				count, first, access);
	if (!(vm->info.caps & VMA_CAP_MSR_EXIT))
		return vma_fail(VMA_E_NO_ACCEL, "%s has no exits for MSRs", vm->info.name);
	os_lock(&vm->lock);
	rc = add_msr_range(vm, (struct vma_msr_range){first, count, access});
	os_unlock(&vm->lock);
	return rc;
}

int vma_vm_finalize(vma_vm *vm)
{
	int rc;

	if (!vm)
		return vma_fail(VMA_E_INVALID, "the VM is NULL");
	os_lock(&vm->lock);
	if (vm->phase != VMA_VM_CONFIG)
		rc = vma_fail(VMA_E_STATE, "the VM was finalized before");
	else
		rc = vm->be->vm_finalize(vm);
	if (!rc)
		vm->phase = VMA_VM_READY;
	os_unlock(&vm->lock);
	return rc;
}

/* ------ interrupts and clock ------ */

static int check_irqchip(const vma_vm *vm, uint32_t cap, const char *what)
{
	if (!vm)
		return vma_fail(VMA_E_INVALID, "the VM is NULL");
	if (vm->config.irqchip == VMA_IRQCHIP_NONE)
		return vma_fail(VMA_E_STATE, "%s needs a VM with interrupt controllers, not VMA_IRQCHIP_NONE", what);
	if (vm->phase != VMA_VM_READY)
		return vma_fail(VMA_E_STATE, "%s comes after vma_vm_finalize", what);
	if (!(vm->info.caps & cap))
		return vma_fail(VMA_E_NO_ACCEL, "%s has no %s", vm->info.name, what);
	return 0;
}

int vma_vm_irq_line(vma_vm *vm, uint32_t gsi, int level)
{
	int rc = check_irqchip(vm, VMA_CAP_IRQCHIP, "an interrupt line");

	if (!rc && (level < 0 || level > 1))
		rc = vma_fail(VMA_E_INVALID, "interrupt line %u: level %d (0 or 1)", gsi, level);
	if (!rc)
		rc = vm->arch->check_line(vm, gsi);
	if (rc)
		return rc;
	return vm->be->irq_line ? vm->be->irq_line(vm, gsi, level)
				: vma_fail(VMA_E_NO_ACCEL, "%s has no interrupt lines", vm->info.name);
}

int vma_vm_msi(vma_vm *vm, uint64_t address, uint32_t data)
{
	int rc = check_irqchip(vm, VMA_CAP_MSI, "message signalled interrupts");

	return rc ? rc : vm->arch->msi(vm, address, data);
}

int vma_vm_irqfd(vma_vm *vm, int eventfd, uint32_t gsi, int assign)
{
	int rc = check_irqchip(vm, VMA_CAP_IRQFD, "interrupts by eventfd");

	if (!rc && (eventfd < 0 || assign < 0 || assign > 1))
		rc = vma_fail(VMA_E_INVALID, "irqfd: descriptor %d, assign %d", eventfd, assign);
	if (!rc)
		rc = vm->arch->check_line(vm, gsi);
	if (rc)
		return rc;
	if (!vm->be->irqfd)
		return vma_fail(VMA_E_NO_ACCEL, "%s has no irqfd", vm->info.name);
	os_lock(&vm->lock);
	rc = vm->be->irqfd(vm, eventfd, gsi, assign);
	os_unlock(&vm->lock);
	return rc;
}

static int check_ioeventfd(const vma_vm *vm, const vma_ioeventfd *io, int assign)
{
	uint32_t n;

	if (!vm || !io || io->eventfd < 0 || io->pio > 1 || io->match > 1 || assign < 0 || assign > 1)
		return vma_fail(VMA_E_INVALID, "ioeventfd: NULL, a negative descriptor or a flag that is not 0 or 1");
	n = io->length;
	if ((n != 0 && n != 1 && n != 2 && n != 4 && n != 8) || (io->pio && (n == 8 || n == 0)) || (!n && io->match))
		return vma_fail(VMA_E_INVALID,
				"ioeventfd: length %u (1, 2, 4; MMIO also 8, and 0 for any without match)", n);
	if (io->pio ? io->address + n > 0x10000 || io->address > 0xffff : io->address + n < io->address)
		return vma_fail(VMA_E_INVALID, "ioeventfd: address %#llx is out of range", (ull)io->address);
	if (!(vm->info.caps & VMA_CAP_IOEVENTFD) || !vm->be->ioeventfd)
		return vma_fail(VMA_E_NO_ACCEL, "%s has no guest writes signalled by eventfd", vm->info.name);
	return 0;
}

int vma_vm_ioeventfd(vma_vm *vm, const vma_ioeventfd *io, int assign)
{
	int rc = check_ioeventfd(vm, io, assign);

	if (rc)
		return rc;
	os_lock(&vm->lock);
	rc = vm->be->ioeventfd(vm, io, assign);
	os_unlock(&vm->lock);
	return rc;
}

static int check_clock(const vma_vm *vm)
{
	if (!vm)
		return vma_fail(VMA_E_INVALID, "the VM is NULL");
	if (!(vm->info.caps & VMA_CAP_CLOCK) || !vm->be->clock_get || !vm->be->clock_set)
		return vma_fail(VMA_E_NO_ACCEL, "%s has no guest clock", vm->info.name);
	return 0;
}

int vma_vm_clock_get(vma_vm *vm, uint64_t *ns)
{
	int rc = check_clock(vm);

	if (!rc && !ns)
		rc = vma_fail(VMA_E_INVALID, "no place for the clock");
	if (rc)
		return rc;
	os_lock(&vm->lock);
	rc = vm->be->clock_get(vm, ns);
	os_unlock(&vm->lock);
	return rc;
}

int vma_vm_clock_set(vma_vm *vm, uint64_t ns)
{
	int rc = check_clock(vm);

	if (rc)
		return rc;
	os_lock(&vm->lock);
	rc = vm->be->clock_set(vm, ns);
	os_unlock(&vm->lock);
	return rc;
}
