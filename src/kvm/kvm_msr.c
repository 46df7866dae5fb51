/* kvm_msr.c - MSRs read and written from outside, and which accesses of the guest's exit. */
#include <string.h>
#include "kvm/kvm.h"

/* ------ exits ------ */

enum { BITMAP_MSRS = KVM_MSR_FILTER_MAX_BITMAP_SIZE * 8 };

/* A filter's bitmap has 1 for "KVM handles it"; what we want is an exit for every MSR of a range, so one page of zeroes
 * serves all. */
static uint8_t none_allowed[KVM_MSR_FILTER_MAX_BITMAP_SIZE];

/* With the library's local APIC an access to them is an error to KVM, which has none, and such exit
 * (vma_kvm_msr_exits). */
static int check_range(const struct vma_vm *vm, const struct vma_msr_range *r)
{
	uint64_t end = (uint64_t)r->first + r->count;

	if (vm->config.irqchip != VMA_IRQCHIP_LIBRARY && r->first < 0x900 && end > 0x800)
		return vma_fail(VMA_E_NO_ACCEL,
				"MSRs 0x%x..0x%llx: KVM cannot filter those of the x2APIC, 0x800..0x8ff", r->first,
				(unsigned long long)end - 1);
	return 0;
}

static int add_range(struct kvm_msr_filter *f, size_t *n, const struct vma_msr_range *r)
{
	uint32_t first = r->first, left = r->count;

	for (; left; (*n)++) {
		uint32_t count = left > BITMAP_MSRS ? BITMAP_MSRS : left;

		if (*n == KVM_MSR_FILTER_MAX_RANGES)
			return vma_fail(VMA_E_LIMIT, "KVM filters at most %d ranges of %d MSRs",
					KVM_MSR_FILTER_MAX_RANGES, BITMAP_MSRS);
		f->ranges[*n] = (struct kvm_msr_filter_range){
		    .flags = r->access, /* 1: reads, 2: writes, as KVM_MSR_FILTER_READ and _WRITE */
		    .nmsrs = count,
		    .base = first,
		    .bitmap = none_allowed,
		};
		first += count;
		left -= count;
	}
	return 0;
}

static int set_filter(struct vma_vm *vm)
{
	struct kvm_msr_filter f = {.flags = KVM_MSR_FILTER_DEFAULT_ALLOW};
	size_t n = 0;
	int rc = 0;

	for (size_t i = 0; !rc && i < vm->msr_range_count; i++) {
		rc = check_range(vm, &vm->msr_ranges[i]);
		if (!rc)
			rc = add_range(&f, &n, &vm->msr_ranges[i]);
	}
	return rc || !n ? rc : vma_kvm_vm_ioctl(vm, KVM_X86_SET_MSR_FILTER, &f);
}

int vma_kvm_msr_exits(struct vma_vm *vm)
{
	struct kvm_enable_cap c = {.cap = KVM_CAP_X86_USER_SPACE_MSR};
	int rc;

	if (vm->msr_range_count)
		c.args[0] |= KVM_MSR_EXIT_REASON_FILTER;
	if (vm->config.irqchip == VMA_IRQCHIP_LIBRARY)
		c.args[0] |= KVM_MSR_EXIT_REASON_INVAL;
	if (vm->config.msr_policy == VMA_MSR_EXIT)
		c.args[0] |= KVM_MSR_EXIT_REASON_UNKNOWN;
	if (!c.args[0])
		return 0;
	rc = vma_kvm_vm_ioctl(vm, KVM_ENABLE_CAP, &c);
	return rc ? rc : set_filter(vm);
}

/* ------ from outside ------ */

enum { BATCH = 32 };
struct batch { /* struct kvm_msrs, with room behind it */
	uint32_t nmsrs, pad;
	struct kvm_msr_entry entries[BATCH];
};
_Static_assert(offsetof(struct batch, entries) == sizeof(struct kvm_msrs), "layout of kvm_msrs");

static void load(struct batch *b, const uint32_t *indices, const uint64_t *values, size_t n)
{
	b->pad = 0;
	b->nmsrs = (uint32_t)n;
	for (size_t i = 0; i < n; i++)
		b->entries[i] = (struct kvm_msr_entry){.index = indices[i], .data = values ? values[i] : 0};
}

/* KVM stops at the first MSR it does not take and says how many were done (api.rst 4.18): no error then. */
int vma_kvm_get_msrs(struct vma_vcpu *v, const uint32_t *indices, uint64_t *values, size_t count)
{
	size_t done = 0;

	while (done < count) {
		struct batch b;
		size_t n = count - done < BATCH ? count - done : BATCH;
		int rc;

		load(&b, indices + done, NULL, n);
		rc = vma_kvm_vcpu_ioctl(v, KVM_GET_MSRS, &b);
		if (rc < 0)
			return rc;
		for (int i = 0; i < rc; i++)
			values[done + (size_t)i] = b.entries[i].data;
		done += (size_t)rc;
		if ((size_t)rc < n)
			break;
	}
	return (int)done;
}

int vma_kvm_set_msrs(struct vma_vcpu *v, const uint32_t *indices, const uint64_t *values, size_t count)
{
	size_t done = 0;

	VMA_KVM_VCPU(v)->synced &= KVM_SYNC_X86_REGS;
	while (done < count) {
		struct batch b;
		size_t n = count - done < BATCH ? count - done : BATCH;
		int rc;

		load(&b, indices + done, values + done, n);
		rc = vma_kvm_vcpu_ioctl(v, KVM_SET_MSRS, &b);
		if (rc < 0)
			return rc;
		done += (size_t)rc;
		if ((size_t)rc < n)
			break;
	}
	return (int)done;
}
