/* null.h - the scripted back end, for tests of programs that use the library: VMA_ACCEL_NULL runs no guest code.
 * What a run returns, and which call fails with what, is told beforehand; state, memory and everything the core
 * checks behave as on any accelerator.
 *
 * With nothing scripted: a run returns VMA_EXIT_HLT, calls succeed, registers hold what was written. */
#ifndef VMACCEL_NULL_H
#define VMACCEL_NULL_H

#include <vmaccel/vmaccel.h>
#include <vmaccel/x86.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------ failing ------ */

/* The calls into the back end that can be told to fail. X(name) */
#define VMA_NULL_SLOTS(X)                                                                                              \
	X(vm_open) X(cpuid_max) X(vm_finalize) X(map) X(unmap) X(protect) X(split) X(dirty_log) X(irq_line) X(msi)     \
	X(clock_get) X(clock_set) X(irqchip_get) X(irqchip_set) X(vcpu_open) X(run) X(complete) X(fetch) X(commit)     \
	X(get_msrs) X(set_msrs) X(interrupt) X(interrupt_ready) X(nmi) X(debug)

/* The nth call of `slot` from now on (1: the next) fails with `error`, a VMA_E_ code. Process-wide, for every null
 * VM; up to 32 at a time. VMA_E_NOENT: no such slot. Any thread, as the rest of this header but vma_null_script. */
VMA_API int vma_null_fail(const char *slot, uint32_t nth, int error);
/* Forget what is left of that, set all counts to 0, and undo vma_null_limits. */
VMA_API void vma_null_clear(void);
/* Calls of a slot since the last clear; 0 for an unknown one. */
VMA_API uint64_t vma_null_calls(const char *slot);
/* VMs made from now on have these capabilities and limits (caps, max_vcpus, max_regions, gpa_bits, granule,
 * breakpoints). None of them can exceed what the platform shows. NULL: what it shows. */
VMA_API int vma_null_limits(const vma_platform_info *limits);

/* ------ running ------ */

typedef struct vma_null_step {
	uint32_t size;
	int error; /* below 0: the run fails with this code and the rest is ignored */
	/* What the run returns. io.data and mmio.data: the bytes of a write (copied), NULL for zeroes. `pending` is set
	 * for IO, MMIO, MSR, CPUID and HYPERCALL, whatever it says here. */
	vma_exit exit;
	uint32_t insn_length; /* RIP grows by it: on completion if the exit is pending, else at once */
	uint32_t more; /* 1: the next step is another fragment of the same instruction; RIP moves after the last */
	/* MMIO read: id of the general register that gets the answer, zero-extended; fragments fill it from the low
	 * end */
	uint32_t reg;
	uint32_t spurious; /* the platform first returns that often without a reason; vma_vcpu_run does not show it */
	/* Called while the vCPU counts as inside the guest: a kick sent here races with the exit. */
	void (*inside)(vma_vcpu *vcpu, void *opaque);
	void *opaque;
} vma_null_step;

/* Append steps; each run takes one. Owner thread. */
VMA_API int vma_null_script(vma_vcpu *vcpu, const vma_null_step *steps, size_t count);
/* Steps not yet taken. */
VMA_API size_t vma_null_left(vma_vcpu *vcpu);
/* The guest "wrote" [gpa, gpa+size): marks the log of written pages. */
VMA_API int vma_null_touch(vma_vm *vm, uint64_t gpa, uint64_t size);

#ifdef __cplusplus
}
#endif
#endif
