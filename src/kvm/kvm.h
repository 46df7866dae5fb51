/* kvm.h - what the files of the KVM back end share: what the host's KVM can do, the private halves of a VM and a vCPU,
 * and the functions that cross files. "api.rst" means Documentation/virt/kvm/api.rst of Linux. */
#ifndef VMA_KVM_H
#define VMA_KVM_H

#include <linux/kvm.h>
#include "core/core.h"

/* Learnt once a process by the probe, from KVM_CHECK_EXTENSION. */
struct vma_kvm_host {
	uint32_t run_size;   /* bytes of the vCPU's mapping */
	uint32_t sync_regs;  /* KVM_SYNC_X86_ bits */
	uint32_t xsave_size; /* bytes of KVM_GET_XSAVE2's image; 0: KVM_GET_XSAVE, 4096 bytes */
	uint32_t debug;      /* KVM_GUESTDBG_ bits */
	uint32_t quirks;     /* KVM_X86_QUIRK_ bits that can be turned off */
	bool xcrs, payload, triple_fault, tsc_control, msr_exits, manual_log, enforce_pv, tsc_deadline, mp_state, mce;
};
extern struct vma_kvm_host vma_kvm_host;

struct vma_kvm_vm {
	int system; /* /dev/kvm */
	int fd;
	int gic; /* arm64: the device's descriptor + 1; 0: none */
	struct vma_ioevents ioevents; /* arm64: for writes that emul does */
	int *parked; /* max_vcpus entries: descriptor of a destroyed vCPU + 1; negative: its opening failed halfway */
};

struct vma_kvm_vcpu {
	int fd;
	struct kvm_run *run;
	uint32_t synced;        /* KVM_SYNC_X86_ classes of run->s.regs that show the state as it is now */
	uint8_t idle[3];        /* entries since that class was last asked for */
	bool exception_at_risk; /* KVM may hold an exception that KVM_SET_REGS would drop */
	bool stashed;           /* `run` holds an exit that was met while completing */
	bool halted;            /* without an irqchip: HALTED was restored; KVM has no such state then */
	bool injected;          /* KVM_INTERRUPT since the last exit */
	bool window_known;      /* run->ready_for_interrupt_injection is of this state */
	uint8_t lines;      /* arm64 without a GIC: levels of IRQ and FIQ, bits 0 and 1 */
	uint8_t timers;     /* and of the timers' outputs, as KVM said last */
	uint8_t timers_rose; /* for the exit that tells the caller */
	bool emulating;     /* arm64: the pending exit is emul's */
	bool stepped;       /* arm64: the step of an emulated instruction is to be reported */
	struct vma_emul_arm64 *emul;
	bool debug_on;
	bool step_off;  /* the next entry steps off the hardware breakpoint at step_off_pc */
	bool off_armed; /* KVM is set for that step */
	uint64_t step_off_pc;
	void *xsave; /* what KVM_GET_XSAVE fills */
	uint32_t xsave_size;
};

#define VMA_KVM_VM(vm) ((struct vma_kvm_vm *)(vm)->priv)
#define VMA_KVM_VCPU(v) ((struct vma_kvm_vcpu *)(v)->priv)

/* ioctl that writes the sentence for vma_why() when it fails. `vm` and `v` are the core's objects. */
#define vma_kvm_vm_ioctl(vm, request, arg) vma_kvm_ioctl(VMA_KVM_VM(vm)->fd, request, arg, #request)
#define vma_kvm_vcpu_ioctl(v, request, arg) vma_kvm_ioctl(VMA_KVM_VCPU(v)->fd, request, arg, #request)
int vma_kvm_ioctl(int fd, unsigned long request, void *arg, const char *name);

/* kvm_host.c */
long vma_kvm_extension(int fd, long cap); /* KVM_CHECK_EXTENSION; 0: not there */
int vma_kvm_facts(vma_fact *say, void *opaque);
void vma_kvm_no_device(long rc, vma_platform_info *info); /* /dev/kvm did not open: why, and the remedy */
int vma_kvm_create_vm(struct vma_kvm_vm *k, unsigned long type);
int vma_kvm_native(struct vma_vm *vm, struct vma_vcpu *v, int what, void **handle);
int vma_kvm_irqfd(struct vma_vm *vm, int eventfd, uint32_t gsi, int assign);
int vma_kvm_ioeventfd(struct vma_vm *vm, const vma_ioeventfd *io, int assign);
/* kvm_enter.c */
long vma_kvm_enter(struct vma_vcpu *v, bool immediate); /* KVM_RUN; 0 or -errno */
void vma_kvm_kick(struct vma_kick *k);
void vma_kvm_kick_hook(void); /* on the owner thread, in signal context */
/* kvm.c */
void vma_kvm_probe(vma_platform_info *info);
/* kvm_cpuid.c */
int vma_kvm_cpuid_max(struct vma_vm *vm, vma_x86_cpuid *table, size_t *count);
int vma_kvm_cpuid_set(struct vma_vcpu *v);
/* kvm_msr.c */
int vma_kvm_msr_exits(struct vma_vm *vm);
int vma_kvm_get_msrs(struct vma_vcpu *v, const uint32_t *indices, uint64_t *values, size_t count);
int vma_kvm_set_msrs(struct vma_vcpu *v, const uint32_t *indices, const uint64_t *values, size_t count);
/* kvm_mem.c */
int vma_kvm_map(struct vma_vm *vm, struct vma_region *r);
int vma_kvm_unmap(struct vma_vm *vm, struct vma_region *r);
int vma_kvm_protect(struct vma_vm *vm, struct vma_region *r, uint32_t flags);
int vma_kvm_dirty_log(struct vma_vm *vm, struct vma_region *r, uint64_t first, uint64_t pages, uint64_t *bitmap,
		      int clear);
void vma_kvm_mark(struct vma_region *r, uint64_t page); /* for the log: written by us. vm->lock is held */
/* kvm_irq.c */
int vma_kvm_irqchip_create(struct vma_vm *vm);
int vma_kvm_irq_line(struct vma_vm *vm, uint32_t gsi, int level);
int vma_kvm_msi(struct vma_vm *vm, uint64_t address, uint32_t data);
int vma_kvm_irqchip_get(struct vma_vm *vm, vma_x86_irqchip *chip);
int vma_kvm_irqchip_set(struct vma_vm *vm, const vma_x86_irqchip *chip);
int vma_kvm_interrupt(struct vma_vcpu *v, uint8_t vector);
int vma_kvm_interrupt_ready(struct vma_vcpu *v);
int vma_kvm_nmi(struct vma_vcpu *v);
int vma_kvm_get_tpr(struct vma_vcpu *v);
int vma_kvm_set_tpr(struct vma_vcpu *v, uint8_t cr8);
/* kvm_vcpu.c */
int vma_kvm_vcpu_open(struct vma_vcpu *v);
void vma_kvm_vcpu_close(struct vma_vcpu *v);
int vma_kvm_run(struct vma_vcpu *v);
int vma_kvm_complete(struct vma_vcpu *v);
/* kvm_park.c */
int vma_kvm_park_open(struct vma_vm *vm);
void vma_kvm_park_close(struct vma_vm *vm);
void vma_kvm_park(struct vma_vcpu *v, int fd, bool ready);
int vma_kvm_unpark(struct vma_vcpu *v, bool *ready); /* a descriptor; -1: this number is new */
int vma_kvm_drain(struct vma_vcpu *v);               /* complete what waits, no debugging */
/* kvm_exit.c: fill v->exit from kvm_run, return its kind; VMA_EXIT_CANCELED for exits without a meaning */
int vma_kvm_exit(struct vma_vcpu *v);
int vma_kvm_window(struct vma_vcpu *v); /* fill it as VMA_EXIT_IRQ_WINDOW */
/* kvm_x86.c */
int vma_kvm_fetch(struct vma_vcpu *v, uint32_t classes);
int vma_kvm_commit(struct vma_vcpu *v, uint32_t classes);
int vma_kvm_flush(struct vma_vcpu *v);                              /* write registers that wait in kvm_run */
int vma_kvm_native_regs(struct vma_vcpu *v, struct kvm_regs *regs); /* as KVM has them */
int vma_kvm_sregs(struct vma_vcpu *v, struct kvm_sregs *sregs);
/* kvm_debug.c */
int vma_kvm_debug(struct vma_vcpu *v);
int vma_kvm_debug_enter(struct vma_vcpu *v); /* before an entry with debugging on: 0 go on, above 0 an exit's kind */
int vma_kvm_debug_exit(struct vma_vcpu *v);
/* kvm_rewind.c: turn the registers KVM shows while v->exit is pending into those before the instruction */
int vma_kvm_rewind(struct vma_vcpu *v, struct kvm_regs *regs);

#endif
