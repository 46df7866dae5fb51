/* kvm_cpuid.c - what KVM can show a guest of CPUID, and a vCPU's own copy of the VM's table. */
#include <cpuid.h>
#include <string.h>
#include "kvm/kvm.h"

#define ENTRIES 256

static struct kvm_cpuid2 *table_new(size_t entries)
{
	struct kvm_cpuid2 *t = os_calloc(1, sizeof(*t) + entries * sizeof(t->entries[0]));

	if (t)
		t->nent = (uint32_t)entries;
	else
		vma_fail(VMA_E_NOMEM, "out of memory for a CPUID table");
	return t;
}

enum { /* leaf 1 ECX, SDM vol. 2A, CPUID */
       ECX_X2APIC = 1u << 21,
       ECX_TSC_DEADLINE = 1u << 24,
       ECX_HYPERVISOR = 1u << 31,
};

/* On VMX a fast path of KVM's takes a guest's write of IA32_TSC_DEADLINE before the MSR filter sees it, and without a
 * local APIC of KVM's drops it (handle_fastpath_set_tscdeadline). */
static bool deadline_reaches_us(void)
{
	unsigned eax, ebx, ecx = 0, edx;

	return __get_cpuid(1, &eax, &ebx, &ecx, &edx) && !(ecx & 1 << 5);
}

/* KVM_GET_SUPPORTED_CPUID knows nothing of the VM: what needs the local APIC goes without one (api.rst 4.46). */
static void honour(const struct vma_vm *vm, struct kvm_cpuid_entry2 *e)
{
	uint32_t apic = ECX_X2APIC | (vma_kvm_host.tsc_deadline ? ECX_TSC_DEADLINE : 0);

	if (e->function != 1)
		return;
	e->ecx |= ECX_HYPERVISOR;
	e->ecx &= ~(uint32_t)(ECX_X2APIC | ECX_TSC_DEADLINE);
	if (vm->config.irqchip == VMA_IRQCHIP_PLATFORM)
		e->ecx |= apic;
	else if (vm->config.irqchip == VMA_IRQCHIP_LIBRARY)
		e->ecx |= ECX_X2APIC | (deadline_reaches_us() ? ECX_TSC_DEADLINE : 0);
}

enum { KVM_SIGNATURE_EBX = 0x4b4d564b }; /* "KVMK", Documentation/virt/kvm/x86/cpuid.rst */

static bool is_paravirt(uint32_t leaf)
{
	return leaf >= 0x40000000 && leaf < 0x40010000;
}

/* KVM's own leaves tie a guest to KVM: only "host", which promises no portability, shows them. */
static bool shows_paravirt(const struct vma_vm *vm)
{
	return vm->config.cpu_model && !strcmp(vm->config.cpu_model, "host");
}

static void entry_out(const struct kvm_cpuid_entry2 *e, vma_x86_cpuid *out)
{
	*out = (vma_x86_cpuid){
	    .leaf = e->function,
	    .subleaf = e->index,
	    .has_subleaf = e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX ? 1 : 0,
	    .eax = e->eax,
	    .ebx = e->ebx,
	    .ecx = e->ecx,
	    .edx = e->edx,
	};
}

static int fill(struct vma_vm *vm, const struct kvm_cpuid2 *t, vma_x86_cpuid *table, size_t *count)
{
	size_t n = 0, room = *count;

	for (uint32_t i = 0; i < t->nent; i++) {
		struct kvm_cpuid_entry2 e = t->entries[i];

		if (is_paravirt(e.function) && !shows_paravirt(vm))
			continue;
		honour(vm, &e);
		if (n < room)
			entry_out(&e, &table[n]);
		n++;
	}
	*count = n;
	return n <= room ? 0 : vma_fail(VMA_E_LIMIT, "KVM offers %zu CPUID entries, more than the table holds", n);
}

/* What KVM supports does not change while the process runs, and asking costs hundreds of CPUIDs, each an exit where
 * this host is itself a guest: kept once known, the first to find it wins. */
static struct kvm_cpuid2 *_Atomic supported;

static int learn(struct vma_vm *vm, const struct kvm_cpuid2 **out)
{
	struct kvm_cpuid2 *none = NULL, *t = table_new(ENTRIES);
	int rc;

	if (!t)
		return VMA_E_NOMEM;
	rc = vma_kvm_ioctl(VMA_KVM_VM(vm)->system, KVM_GET_SUPPORTED_CPUID, t, "KVM_GET_SUPPORTED_CPUID");
	if (rc || !atomic_compare_exchange_strong(&supported, &none, t))
		os_free(t);
	*out = atomic_load(&supported);
	return rc;
}

int vma_kvm_cpuid_max(struct vma_vm *vm, vma_x86_cpuid *table, size_t *count)
{
	const struct kvm_cpuid2 *t = atomic_load(&supported);
	int rc = t ? 0 : learn(vm, &t);

	return rc ? rc : fill(vm, t, table, count);
}

/* APIC ids: SDM vol. 2A, CPUID leaves 1, 0xB, 0x1F; AMD APM vol. 3, E.4.17 for 0x8000001E. */
static void own_ids(struct kvm_cpuid_entry2 *e, uint32_t id)
{
	switch (e->function) {
	case 1:
		e->ebx = (e->ebx & 0x00ffffff) | id << 24;
		break;
	case 0xb:
	case 0x1f:
		e->edx = id;
		break;
	case 0x8000001e:
		e->eax = id;
		break;
	}
}

static void entry_in(const vma_x86_cpuid *in, uint32_t id, struct kvm_cpuid_entry2 *e)
{
	*e = (struct kvm_cpuid_entry2){
	    .function = in->leaf,
	    .index = in->subleaf,
	    .flags = in->has_subleaf ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0,
	    .eax = in->eax,
	    .ebx = in->ebx,
	    .ecx = in->ecx,
	    .edx = in->edx,
	};
	own_ids(e, id);
}

/* A guest whose table has no KVM leaves must find no KVM MSRs either. */
static int enforce(struct vma_vcpu *v, bool paravirt)
{
	struct kvm_enable_cap c = {.cap = KVM_CAP_ENFORCE_PV_FEATURE_CPUID, .args = {1}};

	if (paravirt || !vma_kvm_host.enforce_pv)
		return 0;
	return vma_kvm_vcpu_ioctl(v, KVM_ENABLE_CAP, &c);
}

int vma_kvm_cpuid_set(struct vma_vcpu *v)
{
	const struct vma_vm *vm = v->vm;
	struct kvm_cpuid2 *t = table_new(vm->cpuid_count);
	bool paravirt = false;
	int rc;

	if (!t)
		return VMA_E_NOMEM;
	for (size_t i = 0; i < vm->cpuid_count; i++) {
		entry_in(&vm->cpuid[i], v->index, &t->entries[i]);
		paravirt |= is_paravirt(vm->cpuid[i].leaf) && vm->cpuid[i].ebx == KVM_SIGNATURE_EBX;
	}
	rc = vma_kvm_vcpu_ioctl(v, KVM_SET_CPUID2, t);
	os_free(t);
	return rc ? rc : enforce(v, paravirt);
}
