/* x86.h - the state of an x86-64 vCPU: register ids, plain structs, CPUID, MSRs, events. */
#ifndef VMACCEL_X86_H
#define VMACCEL_X86_H

#include <vmaccel/vmaccel.h>
#include <vmaccel/x86_lists.h>

enum { VMA_MC_BANKS = 10 }; /* of machine check registers: VMA_X86_MSRS has their state */

#ifdef __cplusplus
extern "C" {
#endif

/* ------ register ids for vma_vcpu_get / vma_vcpu_set: class << 8 | number ------ */

enum {
	VMA_X86_GPR_BASE = 0x000,
#define VMA_X(NAME, ...) VMA_X86_##NAME,
	VMA_X86_ID_GPR_ = VMA_X86_GPR_BASE - 1,
	VMA_X86_GPRS(VMA_X)
	VMA_X86_GPR_END,
	VMA_X86_ID_CONTROL_ = 0x100 - 1,
	VMA_X86_CONTROLS(VMA_X)
	VMA_X86_CONTROL_END,
	VMA_X86_ID_DEBUG_ = 0x200 - 1,
	VMA_X86_DEBUGS(VMA_X)
	VMA_X86_DEBUG_END,
#undef VMA_X
	/* Four ids a segment: selector, base, limit, attributes */
#define VMA_X(NAME, ...) VMA_X86_##NAME, VMA_X86_##NAME##_BASE, VMA_X86_##NAME##_LIMIT, VMA_X86_##NAME##_ATTR,
	VMA_X86_ID_SEG_ = 0x300 - 1,
	VMA_X86_SEGS(VMA_X)
	VMA_X86_SEG_END,
#undef VMA_X
#define VMA_X(NAME, ...) VMA_X86_##NAME##_BASE, VMA_X86_##NAME##_LIMIT,
	VMA_X86_ID_TABLE_ = 0x400 - 1,
	VMA_X86_TABLES(VMA_X)
	VMA_X86_TABLE_END,
#undef VMA_X
	VMA_X86_XCR0 = 0x500,
	/* The MSRs of VMA_X86_MSRS, as registers too */
#define VMA_X(NAME, ...) VMA_X86_MSR_##NAME,
	VMA_X86_ID_MSR_ = 0x600 - 1,
	VMA_X86_MSRS(VMA_X)
	VMA_X86_MSR_END
#undef VMA_X
};

/* ------ plain structs ------ */

typedef struct vma_x86_regs {
#define VMA_X(NAME, field, ...) uint64_t field;
	VMA_X86_GPRS(VMA_X)
#undef VMA_X
} vma_x86_regs;

/* Attributes are VMX access rights (SDM vol. 3, table 25-2): type 3:0, S 4, DPL 6:5, P 7, AVL 12, L 13, D/B 14, G
 * 15, unusable 16. */
enum { VMA_SEG_S = 1 << 4, VMA_SEG_P = 1 << 7, VMA_SEG_AVL = 1 << 12, VMA_SEG_L = 1 << 13, VMA_SEG_DB = 1 << 14,
       VMA_SEG_G = 1 << 15, VMA_SEG_UNUSABLE = 1 << 16 };
typedef struct vma_x86_seg {
	uint64_t base;
	uint32_t limit; /* in bytes, G already applied */
	uint16_t selector;
	uint16_t pad;
	uint32_t attr;
	uint32_t pad2;
} vma_x86_seg;

typedef struct vma_x86_table {
	uint64_t base;
	uint32_t limit;
	uint32_t pad;
} vma_x86_table;

typedef struct vma_x86_sregs {
#define VMA_X(NAME, field, ...) vma_x86_seg field;
	VMA_X86_SEGS(VMA_X)
#undef VMA_X
#define VMA_X(NAME, field, ...) vma_x86_table field;
	VMA_X86_TABLES(VMA_X)
#undef VMA_X
#define VMA_X(NAME, field, ...) uint64_t field;
	VMA_X86_CONTROLS(VMA_X)
#undef VMA_X
} vma_x86_sregs;

typedef struct vma_x86_dregs {
#define VMA_X(NAME, field, ...) uint64_t field;
	VMA_X86_DEBUGS(VMA_X)
#undef VMA_X
} vma_x86_dregs;

/* x87, SSE and AVX registers, out of the XSAVE image. */
typedef struct vma_x86_fpu_regs {
	uint16_t fcw, fsw;
	uint8_t ftw; /* abridged: bit n set = physical register n not empty */
	uint8_t pad;
	uint16_t fop;
	uint64_t fip, fdp;
	uint32_t mxcsr, mxcsr_mask;
	uint8_t st[8][16];    /* ST(0)..ST(7), 80 bits each */
	uint8_t xmm[16][16];
	uint8_t ymmh[16][16]; /* upper halves; zero where XCR0 has no AVX */
} vma_x86_fpu_regs;

/* Interruptions in flight (SDM vol. 3, 25.8.3 and 25.4.2). */
typedef struct vma_x86_events {
	uint8_t exception_injected; /* delivery of `exception_vector` began or will begin at the next entry */
	uint8_t exception_pending;  /* raised, not yet being delivered: DR6 / CR2 not yet updated from payload */
	uint8_t exception_vector;
	uint8_t exception_has_error; /* becomes 0 where CR0.PE is 0 when it takes effect: real mode pushes none */
	uint32_t exception_error;
	uint64_t exception_payload;
	uint8_t exception_has_payload;
	uint8_t interrupt_injected;
	uint8_t interrupt_vector;
	uint8_t interrupt_soft; /* INT n */
	uint8_t shadow;         /* bit 0: after STI, bit 1: after MOV/POP SS */
	uint8_t nmi_injected;
	uint8_t nmi_pending;
	uint8_t nmi_masked;
	uint32_t sipi_vector;
	uint8_t init_pending, sipi_pending, smm, triple_fault_pending;
} vma_x86_events;

/* ------ access ------ */

/* Which members a set writes; a mask over the list's order. Writing RIP after an I/O exit replaces the instruction
 * pointer that the completion would have left. */
#define VMA_X86_REG_BIT(id) (1u << ((id) & 0xff))
#define VMA_X86_ALL_REGS ((1u << VMA_X86_GPR_END) - 1)
#define VMA_X86_ALL_BUT_RIP (VMA_X86_ALL_REGS & ~VMA_X86_REG_BIT(VMA_X86_RIP))

VMA_API int vma_x86_get_regs(vma_vcpu *vcpu, vma_x86_regs *regs);
VMA_API int vma_x86_set_regs(vma_vcpu *vcpu, const vma_x86_regs *regs, uint32_t which);
/* Invalid combinations of CR0, CR4 and EFER (SDM vol. 3, 2.5, 2.2.1) are refused with VMA_E_INVALID; nothing is
 * written. */
VMA_API int vma_x86_get_sregs(vma_vcpu *vcpu, vma_x86_sregs *sregs);
VMA_API int vma_x86_set_sregs(vma_vcpu *vcpu, const vma_x86_sregs *sregs);
VMA_API int vma_x86_get_debug_regs(vma_vcpu *vcpu, vma_x86_dregs *dregs);
VMA_API int vma_x86_set_debug_regs(vma_vcpu *vcpu, const vma_x86_dregs *dregs);
VMA_API int vma_x86_get_fpu_regs(vma_vcpu *vcpu, vma_x86_fpu_regs *fpu);
VMA_API int vma_x86_set_fpu_regs(vma_vcpu *vcpu, const vma_x86_fpu_regs *fpu);
/* The XSAVE image in standard (non-compacted) layout (SDM vol. 1, 13.4), whatever the platform uses. get: *size in:
 * room, out: length. set: a component in XSTATE_BV that XCR0 can not enable is refused with VMA_E_FEATURE. */
VMA_API int vma_x86_get_xsave(vma_vcpu *vcpu, void *image, size_t *size);
VMA_API int vma_x86_set_xsave(vma_vcpu *vcpu, const void *image, size_t size);

/* MSRs by index. Returns how many were done; fewer than count: the one at that position is not available (vma_why
 * names it). Zero done and count above zero is VMA_E_NO_ACCEL. Never silently ignored.
 * While an exit is pending writes take effect at once, but for EFER, FS_BASE, GS_BASE and APIC_BASE, which are
 * queued as the registers that they are. */
VMA_API int vma_x86_get_msrs(vma_vcpu *vcpu, const uint32_t *indices, uint64_t *values, size_t count);
VMA_API int vma_x86_set_msrs(vma_vcpu *vcpu, const uint32_t *indices, const uint64_t *values, size_t count);

VMA_API int vma_x86_get_events(vma_vcpu *vcpu, vma_x86_events *events);
VMA_API int vma_x86_set_events(vma_vcpu *vcpu, const vma_x86_events *events);
/* Inject at the next entry. vma_x86_interrupt is for VMA_IRQCHIP_NONE: VMA_E_BUSY when the guest cannot take one now
 * (RFLAGS.IF, shadow, one already injected): ask for a window. An NMI is latched while masked. A second exception
 * before a run is VMA_E_BUSY. A machine check (18) while CR4.MCE is clear is a shutdown: the exit is TRIPLE_FAULT. */
VMA_API int vma_x86_interrupt(vma_vcpu *vcpu, uint8_t vector);
VMA_API int vma_x86_nmi(vma_vcpu *vcpu);
VMA_API int vma_x86_exception(vma_vcpu *vcpu, uint8_t vector, int has_error, uint32_t error, uint64_t cr2);
/* 1: exit with VMA_EXIT_IRQ_WINDOW as soon as an interrupt can be injected. Cleared by that exit. */
VMA_API int vma_x86_irq_window(vma_vcpu *vcpu, int on);

/* The local APIC's registers, 0x400 bytes as in the xAPIC page (SDM vol. 3, 11.4.1). VMA_IRQCHIP_PLATFORM only. */
VMA_API int vma_x86_get_lapic(vma_vcpu *vcpu, uint8_t regs[0x400]);
VMA_API int vma_x86_set_lapic(vma_vcpu *vcpu, const uint8_t regs[0x400]);

/* ------ CPUID ------ */

typedef struct vma_x86_cpuid {
	uint32_t leaf, subleaf;
	uint32_t has_subleaf; /* 0: the answer is the same for every ECX */
	uint32_t eax, ebx, ecx, edx;
	uint32_t pad;
} vma_x86_cpuid;
/* The VM's table: the model's after vma_vm_create. *count in: room, out: number (table may be NULL). Per-vCPU fields
 * (APIC ids, OSXSAVE, leaf 0xD sizes) are filled in by the accelerator. set: configuring state only; a bit that the
 * accelerator cannot honour is VMA_E_FEATURE. */
VMA_API int vma_x86_get_cpuid(vma_vm *vm, vma_x86_cpuid *table, size_t *count);
VMA_API int vma_x86_set_cpuid(vma_vm *vm, const vma_x86_cpuid *table, size_t count);
/* 1 / 0: the VM's table has the feature of that name ("sse4_2"); VMA_E_NOENT: no such name. */
VMA_API int vma_x86_has_feature(vma_vm *vm, const char *name);

#ifdef __cplusplus
}
#endif
#endif
