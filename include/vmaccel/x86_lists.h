/* x86_lists.h - one row per x86-64 register, one column per consumer. A consumer expands only its own column;
 * the columns are bare tokens, so the other platforms' headers are not needed. Order is the saved order; new rows
 * go at the end of their list.
 *
 * Columns: NAME   VMA_X86_NAME and, lower case, the text name
 *          field  member of the neutral struct in x86.h
 *          kvm    member of the kernel's struct
 *          whpx   WHV_REGISTER_NAME
 *          hvf    HV_X86_ name (NONE: not a register there)
 *          gdb    number in gdb's amd64 target description, -1: none
 *          reset  value after RESET (SDM vol. 3, table 10-1) */
#ifndef VMACCEL_X86_LISTS_H
#define VMACCEL_X86_LISTS_H

/* X(NAME, field, kvm, whpx, hvf, gdb, reset); the order of struct kvm_regs and of vma_x86_regs */
#define VMA_X86_GPRS(X)                                                        \
	X(RAX, rax, rax, WHvX64RegisterRax, RAX, 0, 0)                         \
	X(RBX, rbx, rbx, WHvX64RegisterRbx, RBX, 1, 0)                         \
	X(RCX, rcx, rcx, WHvX64RegisterRcx, RCX, 2, 0)                         \
	X(RDX, rdx, rdx, WHvX64RegisterRdx, RDX, 3, 0x600)                     \
	X(RSI, rsi, rsi, WHvX64RegisterRsi, RSI, 4, 0)                         \
	X(RDI, rdi, rdi, WHvX64RegisterRdi, RDI, 5, 0)                         \
	X(RSP, rsp, rsp, WHvX64RegisterRsp, RSP, 7, 0)                         \
	X(RBP, rbp, rbp, WHvX64RegisterRbp, RBP, 6, 0)                         \
	X(R8, r8, r8, WHvX64RegisterR8, R8, 8, 0)                              \
	X(R9, r9, r9, WHvX64RegisterR9, R9, 9, 0)                              \
	X(R10, r10, r10, WHvX64RegisterR10, R10, 10, 0)                        \
	X(R11, r11, r11, WHvX64RegisterR11, R11, 11, 0)                        \
	X(R12, r12, r12, WHvX64RegisterR12, R12, 12, 0)                        \
	X(R13, r13, r13, WHvX64RegisterR13, R13, 13, 0)                        \
	X(R14, r14, r14, WHvX64RegisterR14, R14, 14, 0)                        \
	X(R15, r15, r15, WHvX64RegisterR15, R15, 15, 0)                        \
	X(RIP, rip, rip, WHvX64RegisterRip, RIP, 16, 0xfff0)                   \
	X(RFLAGS, rflags, rflags, WHvX64RegisterRflags, RFLAGS, 17, 2)

/* X(NAME, field, kvm, whpx, hvf, gdb, reset selector, reset base, reset attributes); reset limit is 0xffff for all */
#define VMA_X86_SEGS(X)                                                        \
	X(CS, cs, cs, WHvX64RegisterCs, CS, 18, 0xf000, 0xffff0000, 0x9b)      \
	X(DS, ds, ds, WHvX64RegisterDs, DS, 20, 0, 0, 0x93)                    \
	X(ES, es, es, WHvX64RegisterEs, ES, 21, 0, 0, 0x93)                    \
	X(FS, fs, fs, WHvX64RegisterFs, FS, 22, 0, 0, 0x93)                    \
	X(GS, gs, gs, WHvX64RegisterGs, GS, 23, 0, 0, 0x93)                    \
	X(SS, ss, ss, WHvX64RegisterSs, SS, 19, 0, 0, 0x93)                    \
	X(TR, tr, tr, WHvX64RegisterTr, TR, -1, 0, 0, 0x8b)                    \
	X(LDTR, ldtr, ldt, WHvX64RegisterLdtr, LDTR, -1, 0, 0, 0x82)

/* X(NAME, field, kvm, whpx, hvf, reset); base 0 and limit 0xffff after RESET */
#define VMA_X86_TABLES(X)                                                      \
	X(GDTR, gdtr, gdt, WHvX64RegisterGdtr, GDT)                            \
	X(IDTR, idtr, idt, WHvX64RegisterIdtr, IDT)

/* X(NAME, field, kvm, whpx, hvf, reset) */
#define VMA_X86_CONTROLS(X)                                                    \
	X(CR0, cr0, cr0, WHvX64RegisterCr0, CR0, 0x60000010)                   \
	X(CR2, cr2, cr2, WHvX64RegisterCr2, CR2, 0)                            \
	X(CR3, cr3, cr3, WHvX64RegisterCr3, CR3, 0)                            \
	X(CR4, cr4, cr4, WHvX64RegisterCr4, CR4, 0)                            \
	X(CR8, cr8, cr8, WHvX64RegisterCr8, TPR, 0)                            \
	X(EFER, efer, efer, WHvX64RegisterEfer, NONE, 0)                       \
	X(APIC_BASE, apic_base, apic_base, WHvX64RegisterApicBase, NONE, 0xfee00800)

/* X(NAME, field, kvm, whpx, hvf, reset) */
#define VMA_X86_DEBUGS(X)                                                      \
	X(DR0, dr0, db[0], WHvX64RegisterDr0, DR0, 0)                          \
	X(DR1, dr1, db[1], WHvX64RegisterDr1, DR1, 0)                          \
	X(DR2, dr2, db[2], WHvX64RegisterDr2, DR2, 0)                          \
	X(DR3, dr3, db[3], WHvX64RegisterDr3, DR3, 0)                          \
	X(DR6, dr6, dr6, WHvX64RegisterDr6, DR6, 0xffff0ff0)                   \
	X(DR7, dr7, dr7, WHvX64RegisterDr7, DR7, 0x400)

/* MSRs that are part of a vCPU's state. X(NAME, index, whpx, reset, kind): kind STATE is saved and restored always;
 * TIME only when asked for. They are written in this order: TSC before TSC_DEADLINE. Ten banks of machine check
 * registers,
 * as the software CPU has and KVM is asked for. */
#define VMA_X86_MSRS(X)                                                        \
	X(SYSENTER_CS, 0x174, WHvX64RegisterSysenterCs, 0, STATE)              \
	X(SYSENTER_ESP, 0x175, WHvX64RegisterSysenterEsp, 0, STATE)            \
	X(SYSENTER_EIP, 0x176, WHvX64RegisterSysenterEip, 0, STATE)            \
	X(PAT, 0x277, WHvX64RegisterPat, 0x0007040600070406, STATE)            \
	X(STAR, 0xc0000081, WHvX64RegisterStar, 0, STATE)                      \
	X(LSTAR, 0xc0000082, WHvX64RegisterLstar, 0, STATE)                    \
	X(CSTAR, 0xc0000083, WHvX64RegisterCstar, 0, STATE)                    \
	X(FMASK, 0xc0000084, WHvX64RegisterSfmask, 0, STATE)                   \
	X(KERNEL_GS_BASE, 0xc0000102, WHvX64RegisterKernelGsBase, 0, STATE)    \
	X(TSC_AUX, 0xc0000103, WHvX64RegisterTscAux, 0, STATE)                 \
	X(MISC_ENABLE, 0x1a0, NONE, 1, STATE)                                  \
	X(MTRR_DEF_TYPE, 0x2ff, WHvX64RegisterMsrMtrrDefType, 0, STATE)        \
	X(TSC, 0x10, WHvX64RegisterTsc, 0, TIME)                               \
	X(TSC_ADJUST, 0x3b, WHvX64RegisterTscAdjust, 0, TIME)                  \
	X(TSC_DEADLINE, 0x6e0, WHvX64RegisterTscDeadline, 0, TIME)             \
	X(MTRR_PHYSBASE0, 0x200, WHvX64RegisterMsrMtrrPhysBase0, 0, STATE)     \
	X(MTRR_PHYSMASK0, 0x201, WHvX64RegisterMsrMtrrPhysMask0, 0, STATE)     \
	X(MTRR_PHYSBASE1, 0x202, WHvX64RegisterMsrMtrrPhysBase1, 0, STATE)     \
	X(MTRR_PHYSMASK1, 0x203, WHvX64RegisterMsrMtrrPhysMask1, 0, STATE)     \
	X(MTRR_PHYSBASE2, 0x204, WHvX64RegisterMsrMtrrPhysBase2, 0, STATE)     \
	X(MTRR_PHYSMASK2, 0x205, WHvX64RegisterMsrMtrrPhysMask2, 0, STATE)     \
	X(MTRR_PHYSBASE3, 0x206, WHvX64RegisterMsrMtrrPhysBase3, 0, STATE)     \
	X(MTRR_PHYSMASK3, 0x207, WHvX64RegisterMsrMtrrPhysMask3, 0, STATE)     \
	X(MTRR_PHYSBASE4, 0x208, WHvX64RegisterMsrMtrrPhysBase4, 0, STATE)     \
	X(MTRR_PHYSMASK4, 0x209, WHvX64RegisterMsrMtrrPhysMask4, 0, STATE)     \
	X(MTRR_PHYSBASE5, 0x20a, WHvX64RegisterMsrMtrrPhysBase5, 0, STATE)     \
	X(MTRR_PHYSMASK5, 0x20b, WHvX64RegisterMsrMtrrPhysMask5, 0, STATE)     \
	X(MTRR_PHYSBASE6, 0x20c, WHvX64RegisterMsrMtrrPhysBase6, 0, STATE)     \
	X(MTRR_PHYSMASK6, 0x20d, WHvX64RegisterMsrMtrrPhysMask6, 0, STATE)     \
	X(MTRR_PHYSBASE7, 0x20e, WHvX64RegisterMsrMtrrPhysBase7, 0, STATE)     \
	X(MTRR_PHYSMASK7, 0x20f, WHvX64RegisterMsrMtrrPhysMask7, 0, STATE)     \
	X(MTRR_FIX64K_00000, 0x250, WHvX64RegisterMsrMtrrFix64k00000, 0, STATE) \
	X(MTRR_FIX16K_80000, 0x258, WHvX64RegisterMsrMtrrFix16k80000, 0, STATE) \
	X(MTRR_FIX16K_A0000, 0x259, WHvX64RegisterMsrMtrrFix16kA0000, 0, STATE) \
	X(MTRR_FIX4K_C0000, 0x268, WHvX64RegisterMsrMtrrFix4kC0000, 0, STATE)  \
	X(MTRR_FIX4K_C8000, 0x269, WHvX64RegisterMsrMtrrFix4kC8000, 0, STATE)  \
	X(MTRR_FIX4K_D0000, 0x26a, WHvX64RegisterMsrMtrrFix4kD0000, 0, STATE)  \
	X(MTRR_FIX4K_D8000, 0x26b, WHvX64RegisterMsrMtrrFix4kD8000, 0, STATE)  \
	X(MTRR_FIX4K_E0000, 0x26c, WHvX64RegisterMsrMtrrFix4kE0000, 0, STATE)  \
	X(MTRR_FIX4K_E8000, 0x26d, WHvX64RegisterMsrMtrrFix4kE8000, 0, STATE)  \
	X(MTRR_FIX4K_F0000, 0x26e, WHvX64RegisterMsrMtrrFix4kF0000, 0, STATE)  \
	X(MTRR_FIX4K_F8000, 0x26f, WHvX64RegisterMsrMtrrFix4kF8000, 0, STATE)  \
	X(DEBUGCTL, 0x1d9, NONE, 0, STATE)                                     \
	X(PKRS, 0x6e1, NONE, 0, STATE)                                         \
	X(MCG_STATUS, 0x17a, NONE, 0, STATE)                                   \
	X(MCG_CTL, 0x17b, NONE, 0xffffffffffffffff, STATE)                     \
	X(MC0_CTL, 0x400, NONE, 0xffffffffffffffff, STATE)                     \
	X(MC0_STATUS, 0x401, NONE, 0, STATE)                                   \
	X(MC0_ADDR, 0x402, NONE, 0, STATE)                                     \
	X(MC0_MISC, 0x403, NONE, 0, STATE)                                     \
	X(MC1_CTL, 0x404, NONE, 0xffffffffffffffff, STATE)                     \
	X(MC1_STATUS, 0x405, NONE, 0, STATE)                                   \
	X(MC1_ADDR, 0x406, NONE, 0, STATE)                                     \
	X(MC1_MISC, 0x407, NONE, 0, STATE)                                     \
	X(MC2_CTL, 0x408, NONE, 0xffffffffffffffff, STATE)                     \
	X(MC2_STATUS, 0x409, NONE, 0, STATE)                                   \
	X(MC2_ADDR, 0x40a, NONE, 0, STATE)                                     \
	X(MC2_MISC, 0x40b, NONE, 0, STATE)                                     \
	X(MC3_CTL, 0x40c, NONE, 0xffffffffffffffff, STATE)                     \
	X(MC3_STATUS, 0x40d, NONE, 0, STATE)                                   \
	X(MC3_ADDR, 0x40e, NONE, 0, STATE)                                     \
	X(MC3_MISC, 0x40f, NONE, 0, STATE)                                     \
	X(MC4_CTL, 0x410, NONE, 0xffffffffffffffff, STATE)                     \
	X(MC4_STATUS, 0x411, NONE, 0, STATE)                                   \
	X(MC4_ADDR, 0x412, NONE, 0, STATE)                                     \
	X(MC4_MISC, 0x413, NONE, 0, STATE)                                     \
	X(MC5_CTL, 0x414, NONE, 0xffffffffffffffff, STATE)                     \
	X(MC5_STATUS, 0x415, NONE, 0, STATE)                                   \
	X(MC5_ADDR, 0x416, NONE, 0, STATE)                                     \
	X(MC5_MISC, 0x417, NONE, 0, STATE)                                     \
	X(MC6_CTL, 0x418, NONE, 0xffffffffffffffff, STATE)                     \
	X(MC6_STATUS, 0x419, NONE, 0, STATE)                                   \
	X(MC6_ADDR, 0x41a, NONE, 0, STATE)                                     \
	X(MC6_MISC, 0x41b, NONE, 0, STATE)                                     \
	X(MC7_CTL, 0x41c, NONE, 0xffffffffffffffff, STATE)                     \
	X(MC7_STATUS, 0x41d, NONE, 0, STATE)                                   \
	X(MC7_ADDR, 0x41e, NONE, 0, STATE)                                     \
	X(MC7_MISC, 0x41f, NONE, 0, STATE)                                     \
	X(MC8_CTL, 0x420, NONE, 0xffffffffffffffff, STATE)                     \
	X(MC8_STATUS, 0x421, NONE, 0, STATE)                                   \
	X(MC8_ADDR, 0x422, NONE, 0, STATE)                                     \
	X(MC8_MISC, 0x423, NONE, 0, STATE)                                     \
	X(MC9_CTL, 0x424, NONE, 0xffffffffffffffff, STATE)                     \
	X(MC9_STATUS, 0x425, NONE, 0, STATE)                                   \
	X(MC9_ADDR, 0x426, NONE, 0, STATE)                                     \
	X(MC9_MISC, 0x427, NONE, 0, STATE)

/* Features that a model offers. X(NAME, leaf, subleaf, register, bit, lowest model): register is EAX 0 .. EDX 3;
 * models V1 < V2 < V3. MAX: in no portable model, shown by "max" where the accelerator has it. Text names are the
 * lower-case NAME, as in /proc/cpuinfo. */
#define VMA_X86_FEATURES(X)                                                    \
	X(FPU, 1, 0, 3, 0, V1)                                                 \
	X(VME, 1, 0, 3, 1, MAX)                                                \
	X(DE, 1, 0, 3, 2, V1)                                                  \
	X(PSE, 1, 0, 3, 3, V1)                                                 \
	X(TSC, 1, 0, 3, 4, V1)                                                 \
	X(MSR, 1, 0, 3, 5, V1)                                                 \
	X(PAE, 1, 0, 3, 6, V1)                                                 \
	X(MCE, 1, 0, 3, 7, V1)                                                 \
	X(CX8, 1, 0, 3, 8, V1)                                                 \
	X(APIC, 1, 0, 3, 9, V1)                                                \
	X(SEP, 1, 0, 3, 11, V1)                                                \
	X(MTRR, 1, 0, 3, 12, V1)                                               \
	X(PGE, 1, 0, 3, 13, V1)                                                \
	X(MCA, 1, 0, 3, 14, V1)                                                \
	X(CMOV, 1, 0, 3, 15, V1)                                               \
	X(PAT, 1, 0, 3, 16, V1)                                                \
	X(PSE36, 1, 0, 3, 17, V1)                                              \
	X(CLFLUSH, 1, 0, 3, 19, V1)                                            \
	X(MMX, 1, 0, 3, 23, V1)                                                \
	X(FXSR, 1, 0, 3, 24, V1)                                               \
	X(SSE, 1, 0, 3, 25, V1)                                                \
	X(SSE2, 1, 0, 3, 26, V1)                                               \
	X(SSE3, 1, 0, 2, 0, V2)                                                \
	X(PCLMULQDQ, 1, 0, 2, 1, MAX)                                          \
	X(SSSE3, 1, 0, 2, 9, V2)                                               \
	X(FMA, 1, 0, 2, 12, V3)                                                \
	X(CX16, 1, 0, 2, 13, V2)                                               \
	X(PCID, 1, 0, 2, 17, MAX)                                              \
	X(SSE4_1, 1, 0, 2, 19, V2)                                             \
	X(SSE4_2, 1, 0, 2, 20, V2)                                             \
	X(X2APIC, 1, 0, 2, 21, V2)                                             \
	X(MOVBE, 1, 0, 2, 22, V3)                                              \
	X(POPCNT, 1, 0, 2, 23, V2)                                             \
	X(TSC_DEADLINE, 1, 0, 2, 24, V2)                                       \
	X(AES, 1, 0, 2, 25, MAX)                                               \
	X(XSAVE, 1, 0, 2, 26, V2)                                              \
	X(AVX, 1, 0, 2, 28, V3)                                                \
	X(F16C, 1, 0, 2, 29, V3)                                               \
	X(RDRAND, 1, 0, 2, 30, MAX)                                            \
	X(HYPERVISOR, 1, 0, 2, 31, V1)                                         \
	X(ARAT, 6, 0, 0, 2, V2)                                                \
	X(FSGSBASE, 7, 0, 1, 0, V2)                                            \
	X(TSC_ADJUST, 7, 0, 1, 1, V2)                                          \
	X(BMI1, 7, 0, 1, 3, V3)                                                \
	X(AVX2, 7, 0, 1, 5, V3)                                                \
	X(SMEP, 7, 0, 1, 7, V2)                                                \
	X(BMI2, 7, 0, 1, 8, V3)                                                \
	X(ERMS, 7, 0, 1, 9, MAX)                                               \
	X(INVPCID, 7, 0, 1, 10, MAX)                                           \
	X(RDSEED, 7, 0, 1, 18, MAX)                                            \
	X(ADX, 7, 0, 1, 19, MAX)                                               \
	X(SMAP, 7, 0, 1, 20, V2)                                               \
	X(CLFLUSHOPT, 7, 0, 1, 23, MAX)                                        \
	X(CLWB, 7, 0, 1, 24, MAX)                                              \
	X(SHA, 7, 0, 1, 29, MAX)                                               \
	X(UMIP, 7, 0, 2, 2, MAX)                                               \
	X(PKU, 7, 0, 2, 3, MAX)                                                \
	X(LA57, 7, 0, 2, 16, MAX)                                              \
	X(RDPID, 7, 0, 2, 22, MAX)                                             \
	X(PKS, 7, 0, 2, 31, MAX)                                               \
	X(XSAVEOPT, 0xd, 1, 0, 0, MAX)                                         \
	X(XSAVEC, 0xd, 1, 0, 1, MAX)                                           \
	X(XGETBV1, 0xd, 1, 0, 2, MAX)                                          \
	X(XSAVES, 0xd, 1, 0, 3, MAX)                                           \
	X(LAHF_LM, 0x80000001, 0, 2, 0, V2)                                    \
	X(LZCNT, 0x80000001, 0, 2, 5, V3)                                      \
	X(SYSCALL, 0x80000001, 0, 3, 11, V1)                                   \
	X(NX, 0x80000001, 0, 3, 20, V1)                                        \
	X(PDPE1GB, 0x80000001, 0, 3, 26, MAX)                                  \
	X(RDTSCP, 0x80000001, 0, 3, 27, V2)                                    \
	X(LM, 0x80000001, 0, 3, 29, V1)                                        \
	X(CONSTANT_TSC, 0x80000007, 0, 3, 8, MAX)                              \
	X(GFNI, 7, 0, 2, 8, MAX)                                               \
	X(VAES, 7, 0, 2, 9, MAX)                                               \
	X(VPCLMULQDQ, 7, 0, 2, 10, MAX)                                        \
	X(PREFETCHW, 0x80000001, 0, 2, 8, MAX)                                 \
	X(WBNOINVD, 0x80000008, 0, 1, 9, MAX)

#endif
