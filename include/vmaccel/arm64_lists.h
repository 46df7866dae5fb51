/* arm64_lists.h - the registers of an arm64 vCPU as lists for X-macros. */
#ifndef VMACCEL_ARM64_LISTS_H
#define VMACCEL_ARM64_LISTS_H

/* X(NAME): general registers, in the order of the ids. X31 is SP or XZR and has no id. */
#define VMA_ARM64_GPRS(X)                                                                                              \
	X(X0) X(X1) X(X2) X(X3) X(X4) X(X5) X(X6) X(X7) X(X8) X(X9) X(X10) X(X11) X(X12) X(X13) X(X14) X(X15) X(X16)    \
	X(X17) X(X18) X(X19) X(X20) X(X21) X(X22) X(X23) X(X24) X(X25) X(X26) X(X27) X(X28) X(X29) X(X30)               \
	X(SP_EL0) X(SP_EL1) X(PC) X(PSTATE)

/* X(NAME, op0, op1, CRn, CRm, op2, kind): system registers by their names in the Arm ARM (D19). Kinds: STATE, saved;
 * ID, what the CPU is: saved, compared, adopted where the accelerator can; TIME, saved with VMA_STATE_TIME only. Others
 * of the accelerator's are reached by VMA_ARM64_SYSREG too, and saved as STATE. */
#define VMA_ARM64_SYSREGS(X)                                                                                           \
	X(MIDR_EL1, 3, 0, 0, 0, 0, ID)                                                                                 \
	X(MPIDR_EL1, 3, 0, 0, 0, 5, ID)                                                                                \
	X(REVIDR_EL1, 3, 0, 0, 0, 6, ID)                                                                               \
	X(ID_AA64PFR0_EL1, 3, 0, 0, 4, 0, ID)                                                                          \
	X(ID_AA64PFR1_EL1, 3, 0, 0, 4, 1, ID)                                                                          \
	X(ID_AA64ZFR0_EL1, 3, 0, 0, 4, 4, ID)                                                                          \
	X(ID_AA64DFR0_EL1, 3, 0, 0, 5, 0, ID)                                                                          \
	X(ID_AA64DFR1_EL1, 3, 0, 0, 5, 1, ID)                                                                          \
	X(ID_AA64ISAR0_EL1, 3, 0, 0, 6, 0, ID)                                                                         \
	X(ID_AA64ISAR1_EL1, 3, 0, 0, 6, 1, ID)                                                                         \
	X(ID_AA64ISAR2_EL1, 3, 0, 0, 6, 2, ID)                                                                         \
	X(ID_AA64MMFR0_EL1, 3, 0, 0, 7, 0, ID)                                                                         \
	X(ID_AA64MMFR1_EL1, 3, 0, 0, 7, 1, ID)                                                                         \
	X(ID_AA64MMFR2_EL1, 3, 0, 0, 7, 2, ID)                                                                         \
	X(CLIDR_EL1, 3, 1, 0, 0, 1, ID)                                                                                \
	X(CTR_EL0, 3, 3, 0, 0, 1, ID)                                                                                  \
	X(DCZID_EL0, 3, 3, 0, 0, 7, ID)                                                                                \
	X(CNTFRQ_EL0, 3, 3, 14, 0, 0, ID)                                                                              \
	X(SCTLR_EL1, 3, 0, 1, 0, 0, STATE)                                                                             \
	X(ACTLR_EL1, 3, 0, 1, 0, 1, STATE)                                                                             \
	X(CPACR_EL1, 3, 0, 1, 0, 2, STATE)                                                                             \
	X(TTBR0_EL1, 3, 0, 2, 0, 0, STATE)                                                                             \
	X(TTBR1_EL1, 3, 0, 2, 0, 1, STATE)                                                                             \
	X(TCR_EL1, 3, 0, 2, 0, 2, STATE)                                                                               \
	X(APIAKEYLO_EL1, 3, 0, 2, 1, 0, STATE)                                                                         \
	X(APIAKEYHI_EL1, 3, 0, 2, 1, 1, STATE)                                                                         \
	X(APIBKEYLO_EL1, 3, 0, 2, 1, 2, STATE)                                                                         \
	X(APIBKEYHI_EL1, 3, 0, 2, 1, 3, STATE)                                                                         \
	X(APDAKEYLO_EL1, 3, 0, 2, 2, 0, STATE)                                                                         \
	X(APDAKEYHI_EL1, 3, 0, 2, 2, 1, STATE)                                                                         \
	X(APDBKEYLO_EL1, 3, 0, 2, 2, 2, STATE)                                                                         \
	X(APDBKEYHI_EL1, 3, 0, 2, 2, 3, STATE)                                                                         \
	X(APGAKEYLO_EL1, 3, 0, 2, 3, 0, STATE)                                                                         \
	X(APGAKEYHI_EL1, 3, 0, 2, 3, 1, STATE)                                                                         \
	X(SPSR_EL1, 3, 0, 4, 0, 0, STATE)                                                                              \
	X(ELR_EL1, 3, 0, 4, 0, 1, STATE)                                                                               \
	X(AFSR0_EL1, 3, 0, 5, 1, 0, STATE)                                                                             \
	X(AFSR1_EL1, 3, 0, 5, 1, 1, STATE)                                                                             \
	X(ESR_EL1, 3, 0, 5, 2, 0, STATE)                                                                               \
	X(FAR_EL1, 3, 0, 6, 0, 0, STATE)                                                                               \
	X(PAR_EL1, 3, 0, 7, 4, 0, STATE)                                                                               \
	X(MAIR_EL1, 3, 0, 10, 2, 0, STATE)                                                                             \
	X(AMAIR_EL1, 3, 0, 10, 3, 0, STATE)                                                                            \
	X(VBAR_EL1, 3, 0, 12, 0, 0, STATE)                                                                             \
	X(DISR_EL1, 3, 0, 12, 1, 1, STATE)                                                                             \
	X(CONTEXTIDR_EL1, 3, 0, 13, 0, 1, STATE)                                                                       \
	X(TPIDR_EL1, 3, 0, 13, 0, 4, STATE)                                                                            \
	X(CNTKCTL_EL1, 3, 0, 14, 1, 0, STATE)                                                                          \
	X(CSSELR_EL1, 3, 2, 0, 0, 0, STATE)                                                                            \
	X(TPIDR_EL0, 3, 3, 13, 0, 2, STATE)                                                                            \
	X(TPIDRRO_EL0, 3, 3, 13, 0, 3, STATE)                                                                          \
	X(MDCCINT_EL1, 2, 0, 0, 2, 0, STATE)                                                                           \
	X(MDSCR_EL1, 2, 0, 0, 2, 2, STATE)                                                                             \
	X(OSDLR_EL1, 2, 0, 1, 3, 4, STATE)                                                                             \
	X(OSLSR_EL1, 2, 0, 1, 1, 4, STATE)                                                                             \
	X(CNTV_CTL_EL0, 3, 3, 14, 3, 1, STATE)                                                                         \
	X(CNTV_CVAL_EL0, 3, 3, 14, 3, 2, STATE)                                                                        \
	X(CNTP_CTL_EL0, 3, 3, 14, 2, 1, STATE)                                                                         \
	X(CNTP_CVAL_EL0, 3, 3, 14, 2, 2, STATE)                                                                        \
	X(CNTPCT_EL0, 3, 3, 14, 0, 1, TIME)                                                                            \
	X(CNTVCT_EL0, 3, 3, 14, 0, 2, TIME)

#endif
