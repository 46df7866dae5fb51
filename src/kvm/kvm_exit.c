/* kvm_exit.c - from kvm_run's exit to vma_exit (api.rst 5, "The kvm_run structure"). */
#include <string.h>
#include "kvm/kvm.h"

static int exit_io(struct vma_vcpu *v, struct kvm_run *run)
{
	vma_exit *e = &v->exit;

	e->pending = 1;
	e->io.port = run->io.port;
	e->io.width = run->io.size;
	e->io.write = run->io.direction == KVM_EXIT_IO_OUT;
	e->io.count = run->io.count;
	e->io.data = (uint8_t *)run + run->io.data_offset;
	/* KVM has moved everything but RIP when it reports an output, a string one too; an input changes registers
	 * later. */
	v->completes_rip_only = e->io.write;
	return VMA_EXIT_IO;
}

static int exit_mmio(struct vma_vcpu *v, struct kvm_run *run)
{
	vma_exit *e = &v->exit;

	e->pending = 1;
	e->mmio.gpa = run->mmio.phys_addr;
	e->mmio.length = (uint8_t)run->mmio.len;
	e->mmio.write = run->mmio.is_write;
	e->mmio.data = run->mmio.data;
	v->completes_rip_only = e->mmio.write; /* a write is reported after the instruction's other effects */
	return VMA_EXIT_MMIO;
}

static int exit_msr(struct vma_vcpu *v, struct kvm_run *run)
{
	vma_exit *e = &v->exit;

	e->pending = 1;
	e->msr.index = run->msr.index;
	e->msr.write = run->exit_reason == KVM_EXIT_X86_WRMSR;
	e->msr.fault = 0;
	e->msr.value = e->msr.write ? run->msr.data : 0;
	return VMA_EXIT_MSR;
}

static int exit_system(struct vma_vcpu *v, struct kvm_run *run)
{
	switch (run->system_event.type) {
	case KVM_SYSTEM_EVENT_SHUTDOWN:
		v->exit.system.type = VMA_SYSTEM_POWER_OFF;
		break;
	case KVM_SYSTEM_EVENT_RESET:
		v->exit.system.type = VMA_SYSTEM_RESET;
		break;
	default:
		v->exit.system.type = VMA_SYSTEM_CRASH;
	}
	return VMA_EXIT_SYSTEM;
}

static int exit_internal(struct vma_vcpu *v, struct kvm_run *run)
{
	vma_exit *e = &v->exit;
	uint32_t n = run->internal.ndata;

	e->internal.suberror = run->internal.suberror;
	e->internal.count = n > 16 ? 16 : n;
	memset(e->internal.data, 0, sizeof(e->internal.data));
	for (uint32_t i = 0; i < e->internal.count; i++)
		e->internal.data[i] = run->internal.data[i];
	return VMA_EXIT_INTERNAL;
}

static int exit_fail_entry(struct vma_vcpu *v, struct kvm_run *run)
{
	v->exit.fail_entry.reason = run->fail_entry.hardware_entry_failure_reason;
	return VMA_EXIT_FAIL_ENTRY;
}

int vma_kvm_window(struct vma_vcpu *v)
{
	v->irq_window = false;
	v->exit.kind = VMA_EXIT_IRQ_WINDOW;
	v->exit.pending = 0;
	return VMA_EXIT_IRQ_WINDOW;
}

static int exit_other(struct vma_vcpu *v, struct kvm_run *run)
{
	v->exit.other.native = run->exit_reason;
	return VMA_EXIT_OTHER;
}

static int translate(struct vma_vcpu *v, struct kvm_run *run)
{
	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		return exit_io(v, run);
	case KVM_EXIT_MMIO:
		return exit_mmio(v, run);
	case KVM_EXIT_X86_RDMSR:
	case KVM_EXIT_X86_WRMSR:
		return exit_msr(v, run);
	case KVM_EXIT_HLT:
		return VMA_EXIT_HLT;
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		return vma_kvm_window(v);
	case KVM_EXIT_INTR:
	case KVM_EXIT_SET_TPR: /* without an irqchip, on some processors: the TPR went down; the window exit tells what
				  matters */
		return VMA_EXIT_CANCELED;
	case KVM_EXIT_DEBUG:
		return vma_kvm_debug_exit(v);
	case KVM_EXIT_SHUTDOWN:
		return VMA_EXIT_TRIPLE_FAULT;
	case KVM_EXIT_SYSTEM_EVENT:
		return exit_system(v, run);
	case KVM_EXIT_FAIL_ENTRY:
		return exit_fail_entry(v, run);
	case KVM_EXIT_INTERNAL_ERROR:
		return exit_internal(v, run);
	default:
		return exit_other(v, run);
	}
}

int vma_kvm_exit(struct vma_vcpu *v)
{
	int kind;

	v->exit.pending = 0;
	v->completes_rip_only = false;
	kind = translate(v, VMA_KVM_VCPU(v)->run);
	if (kind > 0)
		v->exit.kind = (uint32_t)kind;
	return kind;
}
