/* sysreg_list.h - the system registers that the CPU owns and that are plain storage:
 * X(name, op0, op1, CRn, CRm, op2, field of struct a64_cpu, access, hook, reset, writable bits)
 * The ID space (op0 3, op1 0, CRn 0, CRm 1 to 7), the timers and what is part of PSTATE are code in sysreg.c. */
#define A64_DBG(X, n)                                                                                                  \
	X(DBGBVR##n##_EL1, 2, 0, 0, n, 4, dbgbvr[n], RW1, H_DEBUG, 0, UINT64_C(0xfffffffffffffffc))                    \
	X(DBGBCR##n##_EL1, 2, 0, 0, n, 5, dbgbcr[n], RW1, H_DEBUG, 0, UINT64_C(0x00ffe1e7))                            \
	X(DBGWVR##n##_EL1, 2, 0, 0, n, 6, dbgwvr[n], RW1, H_WATCH, 0, UINT64_C(0xfffffffffffffffc))                    \
	X(DBGWCR##n##_EL1, 2, 0, 0, n, 7, dbgwcr[n], RW1, H_WATCH, 0, UINT64_C(0x1f1fffff))
#define A64_SYSREGS(X)                                                                                                 \
	X(MDCCINT_EL1, 2, 0, 0, 2, 0, mdccint, RW1, H_NONE, 0, 0x60000000)                                             \
	X(MDSCR_EL1, 2, 0, 0, 2, 2, mdscr, RW1, H_DEBUG, 0, 0xf009)                                                    \
	A64_DBG(X, 0)                                                                                                  \
	A64_DBG(X, 1)                                                                                                  \
	A64_DBG(X, 2)                                                                                                  \
	A64_DBG(X, 3)                                                                                                  \
	X(OSLSR_EL1, 2, 0, 1, 1, 4, oslsr, RO1, H_DEBUG, 0xa, ~UINT64_C(0))                                            \
	X(OSDLR_EL1, 2, 0, 1, 3, 4, osdlr, RW1, H_DEBUG, 0, 1)                                                         \
	X(DBGVCR32_EL2, 2, 4, 0, 7, 0, dbgvcr32, USER, H_NONE, 0, UINT64_C(0xffffffff))                                \
	X(MIDR_EL1, 3, 0, 0, 0, 0, midr, RO1, H_NONE, 0x000f0010, ~UINT64_C(0))                                        \
	X(MPIDR_EL1, 3, 0, 0, 0, 5, mpidr, RO1, H_KEEP, 0, ~UINT64_C(0))                                               \
	X(SCTLR_EL1, 3, 0, 1, 0, 0, sctlr, RW1, H_MMU, 0x30d00980, ~UINT64_C(0x1000020))                               \
	X(ACTLR_EL1, 3, 0, 1, 0, 1, actlr, RW1, H_NONE, 0, 0)                                                          \
	X(CPACR_EL1, 3, 0, 1, 0, 2, cpacr, RW1, H_NONE, 0, 0x300000)                                                   \
	X(TTBR0_EL1, 3, 0, 2, 0, 0, ttbr0, RW1, H_ASID, 0, ~UINT64_C(0))                                               \
	X(TTBR1_EL1, 3, 0, 2, 0, 1, ttbr1, RW1, H_ASID, 0, ~UINT64_C(0))                                               \
	X(TCR_EL1, 3, 0, 2, 0, 2, tcr, RW1, H_MMU, 0, UINT64_C(0x01f807f7ffffffbf))                                    \
	X(APIAKEYLO_EL1, 3, 0, 2, 1, 0, apkey[0][0], RW1, H_PAUTH, 0, ~UINT64_C(0))                                    \
	X(APIAKEYHI_EL1, 3, 0, 2, 1, 1, apkey[0][1], RW1, H_PAUTH, 0, ~UINT64_C(0))                                    \
	X(APIBKEYLO_EL1, 3, 0, 2, 1, 2, apkey[1][0], RW1, H_PAUTH, 0, ~UINT64_C(0))                                    \
	X(APIBKEYHI_EL1, 3, 0, 2, 1, 3, apkey[1][1], RW1, H_PAUTH, 0, ~UINT64_C(0))                                    \
	X(APDAKEYLO_EL1, 3, 0, 2, 2, 0, apkey[2][0], RW1, H_PAUTH, 0, ~UINT64_C(0))                                    \
	X(APDAKEYHI_EL1, 3, 0, 2, 2, 1, apkey[2][1], RW1, H_PAUTH, 0, ~UINT64_C(0))                                    \
	X(APDBKEYLO_EL1, 3, 0, 2, 2, 2, apkey[3][0], RW1, H_PAUTH, 0, ~UINT64_C(0))                                    \
	X(APDBKEYHI_EL1, 3, 0, 2, 2, 3, apkey[3][1], RW1, H_PAUTH, 0, ~UINT64_C(0))                                    \
	X(APGAKEYLO_EL1, 3, 0, 2, 3, 0, apkey[4][0], RW1, H_PAUTH, 0, ~UINT64_C(0))                                    \
	X(APGAKEYHI_EL1, 3, 0, 2, 3, 1, apkey[4][1], RW1, H_PAUTH, 0, ~UINT64_C(0))                                    \
	X(SPSR_EL1, 3, 0, 4, 0, 0, spsr, RW1, H_NONE, 0, UINT64_C(0xffffffff))                                         \
	X(ELR_EL1, 3, 0, 4, 0, 1, elr, RW1, H_NONE, 0, ~UINT64_C(0))                                                   \
	X(AFSR0_EL1, 3, 0, 5, 1, 0, afsr0, RW1, H_NONE, 0, 0)                                                          \
	X(AFSR1_EL1, 3, 0, 5, 1, 1, afsr1, RW1, H_NONE, 0, 0)                                                          \
	X(ESR_EL1, 3, 0, 5, 2, 0, esr, RW1, H_NONE, 0, UINT64_C(0xffffffff))                                           \
	X(FAR_EL1, 3, 0, 6, 0, 0, far, RW1, H_NONE, 0, ~UINT64_C(0))                                                   \
	X(PAR_EL1, 3, 0, 7, 4, 0, par, RW1, H_NONE, 0, ~UINT64_C(0))                                                   \
	X(MAIR_EL1, 3, 0, 10, 2, 0, mair, RW1, H_MMU, 0, ~UINT64_C(0))                                                 \
	X(AMAIR_EL1, 3, 0, 10, 3, 0, amair, RW1, H_NONE, 0, 0)                                                         \
	X(VBAR_EL1, 3, 0, 12, 0, 0, vbar, RW1, H_NONE, 0, ~UINT64_C(0x7ff))                                            \
	X(DISR_EL1, 3, 0, 12, 1, 1, disr, RW1, H_RAS, 0, UINT64_C(0x81001fff))                                         \
	X(CONTEXTIDR_EL1, 3, 0, 13, 0, 1, contextidr, RW1, H_NONE, 0, UINT64_C(0xffffffff))                            \
	X(TPIDR_EL1, 3, 0, 13, 0, 4, tpidr_el1, RW1, H_NONE, 0, ~UINT64_C(0))                                          \
	X(CNTKCTL_EL1, 3, 0, 14, 1, 0, cntkctl, RW1, H_NONE, 0, 0x3ff)                                                 \
	X(CLIDR_EL1, 3, 1, 0, 0, 1, clidr, RO1, H_NONE, 0x0a200023, ~UINT64_C(0))                                      \
	X(CSSELR_EL1, 3, 2, 0, 0, 0, csselr, RW1, H_NONE, 0, 0xf)                                                      \
	X(CTR_EL0, 3, 3, 0, 0, 1, ctr, RO1 | R0, H_UCT, UINT64_C(0x8444c004), ~UINT64_C(0))                            \
	X(TPIDR_EL0, 3, 3, 13, 0, 2, tpidr_el0, RW1 | R0 | W0, H_NONE, 0, ~UINT64_C(0))                                \
	X(TPIDRRO_EL0, 3, 3, 13, 0, 3, tpidrro_el0, RW1 | R0, H_NONE, 0, ~UINT64_C(0))                                 \
	X(CNTFRQ_EL0, 3, 3, 14, 0, 0, cntfrq, RO1 | R0, H_CNTFRQ, 62500000, UINT64_C(0xffffffff))                      \
	X(DACR32_EL2, 3, 4, 3, 0, 0, dacr32, USER, H_NONE, 0, UINT64_C(0xffffffff))                                    \
	X(IFSR32_EL2, 3, 4, 5, 0, 1, ifsr32, USER, H_NONE, 0, UINT64_C(0xffffffff))                                    \
	X(FPEXC32_EL2, 3, 4, 5, 3, 0, fpexc32, USER, H_NONE, 0x700, UINT64_C(0xffffffff))
