/* arm64.h - the state of an arm64 vCPU (AArch64, EL1 and EL0): register ids, plain structs, events, the GIC of a VM.
 * Arm ARM = Arm Architecture Reference Manual for A-profile, DDI 0487. */
#ifndef VMACCEL_ARM64_H
#define VMACCEL_ARM64_H

#include <vmaccel/arm64_lists.h>
#include <vmaccel/vmaccel.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------ register ids for vma_vcpu_get / vma_vcpu_set ------ */

enum {
#define VMA_X(NAME) VMA_ARM64_##NAME,
	VMA_ARM64_GPRS(VMA_X)
	VMA_ARM64_GPR_END,
#undef VMA_X
	VMA_ARM64_FPCR = 0x100,
	VMA_ARM64_FPSR,
	VMA_ARM64_FP_END
};

/* A system register as MRS and MSR encode it (Arm ARM C5.2): op0 2 or 3, op1, CRn, CRm, op2. The low 16 bits are those
 * of KVM_REG_ARM64_SYSREG. */
#define VMA_ARM64_SYSREG_BASE 0x10000u
#define VMA_ARM64_SYSREG(op0, op1, crn, crm, op2)                                                                      \
	(VMA_ARM64_SYSREG_BASE | (op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2))
enum {
#define VMA_X(NAME, op0, op1, crn, crm, op2, kind) VMA_ARM64_##NAME = VMA_ARM64_SYSREG(op0, op1, crn, crm, op2),
	VMA_ARM64_SYSREGS(VMA_X)
#undef VMA_X
	VMA_ARM64_SYSREG_LIMIT = 0x20000
};

/* ------ plain structs ------ */

typedef struct vma_arm64_regs {
	uint64_t x[31];
	uint64_t sp_el0, sp_el1;
	uint64_t pc;
	uint64_t pstate; /* as in SPSR_EL1 (Arm ARM C5.2.19): EL0t, EL1t or EL1h */
} vma_arm64_regs;

typedef struct vma_arm64_fp_regs {
	uint8_t v[32][16]; /* V0..V31, little-endian; the low 128 bits of Z0..Z31 where there is SVE */
	uint32_t fpcr, fpsr;
} vma_arm64_fp_regs;

/* Sized for the longest vectors; little-endian. Of a vCPU with vectors of n bytes the first n bytes of each Z and n / 8
 * of each P and of FFR count: a get leaves the rest 0, a set does not look at it (Arm ARM B1.2). */
typedef struct vma_arm64_sve {
	uint8_t z[32][256];
	uint8_t p[16][32];
	uint8_t ffr[32];
} vma_arm64_sve;

/* What is on its way to the vCPU. */
typedef struct vma_arm64_events {
	uint8_t irq_line, fiq_line;       /* levels of the two inputs: VMA_IRQCHIP_NONE only */
	uint8_t serror_pending;           /* virtual SError */
	uint8_t serror_has_esr;           /* the next is given, else the accelerator's choice */
	uint32_t pad;
	uint64_t serror_esr;              /* ESR_EL1.ISS of it, bits 24:0 */
} vma_arm64_events;

/* ------ access ------ */

#define VMA_ARM64_REG_BIT(id) (UINT64_C(1) << (id))
#define VMA_ARM64_ALL_REGS ((UINT64_C(1) << VMA_ARM64_GPR_END) - 1)

/* `which`: the members that a set writes, bits by id. A PSTATE of AArch32, or of an exception level above 1, is
 * refused with VMA_E_INVALID. */
VMA_API int vma_arm64_get_regs(vma_vcpu *vcpu, vma_arm64_regs *regs);
VMA_API int vma_arm64_set_regs(vma_vcpu *vcpu, const vma_arm64_regs *regs, uint64_t which);
VMA_API int vma_arm64_get_fp_regs(vma_vcpu *vcpu, vma_arm64_fp_regs *fp);
/* With SVE: where V changes the rest of its Z becomes 0, as an instruction that writes V has it. */
VMA_API int vma_arm64_set_fp_regs(vma_vcpu *vcpu, const vma_arm64_fp_regs *fp);

/* Bytes of the vCPU's longest vectors, whatever ZCR_EL1 makes of them; 0: it has no SVE (vma_vm_config.sve). */
VMA_API int vma_arm64_sve_length(vma_vcpu *vcpu);
/* VMA_E_NO_ACCEL: no SVE. set: VMA_E_PENDING while an exit is pending. */
VMA_API int vma_arm64_get_sve(vma_vcpu *vcpu, vma_arm64_sve *sve);
VMA_API int vma_arm64_set_sve(vma_vcpu *vcpu, const vma_arm64_sve *sve);

/* System registers by id. Returns how many were done from the start; fewer than count: the one at that position is not
 * there, or the value is refused (vma_why names it); none done and count above zero is VMA_E_NO_ACCEL. Writes take
 * effect at once, also while an exit is pending. ID registers can be written before the vCPU's first run, where the
 * accelerator can show what is asked. */
VMA_API int vma_arm64_get_sysregs(vma_vcpu *vcpu, const uint32_t *ids, uint64_t *values, size_t count);
VMA_API int vma_arm64_set_sysregs(vma_vcpu *vcpu, const uint32_t *ids, const uint64_t *values, size_t count);
/* All that this vCPU has; ids may be NULL. *count in: room, out: number. */
VMA_API int vma_arm64_sysreg_list(vma_vcpu *vcpu, uint32_t *ids, size_t *count);

VMA_API int vma_arm64_get_events(vma_vcpu *vcpu, vma_arm64_events *events);
VMA_API int vma_arm64_set_events(vma_vcpu *vcpu, const vma_arm64_events *events);
/* Level of the vCPU's IRQ (fiq 0) or FIQ (1) input; VMA_IRQCHIP_NONE only, VMA_E_STATE otherwise. */
VMA_API int vma_arm64_irq(vma_vcpu *vcpu, int fiq, int level);
/* With VMA_IRQCHIP_NONE the timers' outputs are the caller's to bring to an interrupt controller. Their levels now (KVM
 * hears of the physical timer's at the next run): */
enum { VMA_ARM64_TIMER_VIRTUAL = 1, VMA_ARM64_TIMER_PHYSICAL = 2 };
VMA_API int vma_arm64_timers(vma_vcpu *vcpu, uint32_t *lines);
/* VMA_EXIT_TIMER, between two instructions, tells of a rise. A fall is the guest's doing (it sets a new time, masks the
 * timer) and does not exit: look when the guest is done with the interrupt. */
/* A virtual SError, taken when PSTATE.A allows. `esr`: ISS, used if has_esr. */
VMA_API int vma_arm64_serror(vma_vcpu *vcpu, int has_esr, uint64_t esr);

/* ------ the VM's GIC, with VMA_IRQCHIP_PLATFORM ------
 * vma_vm_irq_line's gsi n is SPI n, INTID 32 + n. Timers are PPIs: virtual INTID 27, physical 30. With it the platform
 * also does PSCI 0.2 and later by HVC (hypercall_exits 0): all vCPUs but 0 are VMA_MP_OFF until CPU_ON; SYSTEM_OFF and
 * SYSTEM_RESET exit as VMA_EXIT_SYSTEM. */
typedef struct vma_arm64_gic {
	uint32_t size;
	uint32_t version; /* 2 or 3; 0: 3 where the accelerator has it, else 2 */
	uint32_t intids;  /* 64 .. 1020 in steps of 32 (1020 counts as one): SGIs, PPIs and SPIs together */
	uint32_t msi_first, msi_count; /* INTIDs of the MSI frame's SPIs; count 0: no frame */
	uint32_t pad;
	uint64_t dist_base; /* GICD, 64 KiB (v2: 4 KiB) */
	/* v3: GICR, 128 KiB a vCPU; v2: GICC, 8 KiB. set: 0 means QEMU's virt's place for the version */
	uint64_t cpu_base;
	uint64_t msi_base;  /* GICv2m frame, 4 KiB */
} vma_arm64_gic;
/* After vma_vm_create there is one as on QEMU's virt machine (see docs/vcpu.md). set: configuring state only;
 * VMA_E_NO_ACCEL: the accelerator does not have that version; VMA_E_INVALID: addresses overlap or are not aligned to
 * 64 KiB (v2: 4 KiB). */
VMA_API int vma_arm64_get_gic(vma_vm *vm, vma_arm64_gic *gic);
VMA_API int vma_arm64_set_gic(vma_vm *vm, const vma_arm64_gic *gic);
/* Level of a private interrupt, INTID 16..31, of one vCPU. Any thread. */
VMA_API int vma_arm64_ppi(vma_vm *vm, uint32_t vcpu, uint32_t intid, int level);

#ifdef __cplusplus
}
#endif
#endif
