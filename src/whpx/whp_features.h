/* whp_features.h - the bits of CPUID by the bits of WHV_PROCESSOR_FEATURES (BANK0), WHV_PROCESSOR_FEATURES1 (BANK1)
 * and WHV_PROCESSOR_XSAVE_FEATURES (XSAVE), for the back end and the simulation (SDM vol. 2, CPUID). Left out: what has
 * no bit of CPUID, and TscDeadlineTmrSupport, which depends on whose the local APIC is. */
#ifndef WHP_FEATURES_H
#define WHP_FEATURES_H

#include <stdint.h>

enum { EAX, EBX, ECX, EDX };
enum { EXT = 0x80000001 };
enum whp_feature_set { BANK0, BANK1, XSAVE, WHP_FEATURE_SETS };

struct whp_feature {
	uint8_t set, bit;
	uint32_t leaf;
	uint8_t subleaf, reg, at;
};

/* X(set, bit there, leaf, sub-leaf, register, bit there, name there) */
#define WHP_FEATURES(X) \
	X(BANK0, 0, 1, 0, ECX, 0, Sse3Support) \
	X(BANK0, 1, EXT, 0, ECX, 0, LahfSahfSupport) \
	X(BANK0, 2, 1, 0, ECX, 9, Ssse3Support) \
	X(BANK0, 3, 1, 0, ECX, 19, Sse4_1Support) \
	X(BANK0, 4, 1, 0, ECX, 20, Sse4_2Support) \
	X(BANK0, 5, EXT, 0, ECX, 6, Sse4aSupport) \
	X(BANK0, 7, 1, 0, ECX, 23, PopCntSupport) \
	X(BANK0, 8, 1, 0, ECX, 13, Cmpxchg16bSupport) \
	X(BANK0, 9, EXT, 0, ECX, 4, Altmovcr8Support) \
	X(BANK0, 10, EXT, 0, ECX, 5, LzcntSupport) \
	X(BANK0, 11, EXT, 0, ECX, 7, MisAlignSseSupport) \
	X(BANK0, 12, EXT, 0, EDX, 22, MmxExtSupport) \
	X(BANK0, 15, EXT, 0, EDX, 26, Page1GbSupport) \
	X(BANK0, 16, 1, 0, ECX, 25, AesSupport) \
	X(BANK0, 17, 1, 0, ECX, 1, PclmulqdqSupport) \
	X(BANK0, 18, 1, 0, ECX, 17, PcidSupport) \
	X(BANK0, 20, 1, 0, ECX, 29, F16CSupport) \
	X(BANK0, 21, 1, 0, ECX, 30, RdRandSupport) \
	X(BANK0, 22, 7, 0, EBX, 0, RdWrFsGsSupport) \
	X(BANK0, 23, 7, 0, EBX, 7, SmepSupport) \
	X(BANK0, 24, 7, 0, EBX, 9, EnhancedFastStringSupport) \
	X(BANK0, 25, 7, 0, EBX, 3, Bmi1Support) \
	X(BANK0, 26, 7, 0, EBX, 8, Bmi2Support) \
	X(BANK0, 29, 1, 0, ECX, 22, MovbeSupport) \
	X(BANK0, 31, 7, 0, EBX, 13, DepX87FPUSaveSupport) \
	X(BANK0, 32, 7, 0, EBX, 18, RdSeedSupport) \
	X(BANK0, 33, 7, 0, EBX, 19, AdxSupport) \
	X(BANK0, 34, EXT, 0, ECX, 8, IntelPrefetchSupport) \
	X(BANK0, 35, 7, 0, EBX, 20, SmapSupport) \
	X(BANK0, 38, EXT, 0, EDX, 27, RdtscpSupport) \
	X(BANK0, 39, 7, 0, EBX, 23, ClflushoptSupport) \
	X(BANK0, 40, 7, 0, EBX, 24, ClwbSupport) \
	X(BANK0, 41, 7, 0, EBX, 29, ShaSupport) \
	X(BANK0, 43, 7, 0, EBX, 10, InvpcidSupport) \
	X(BANK0, 49, 7, 0, EDX, 4, FastShortRepMovSupport) \
	X(BANK0, 57, 7, 0, ECX, 22, RdPidSupport) \
	X(BANK0, 58, 7, 0, ECX, 2, UmipSupport) \
	X(BANK1, 1, 0x80000007, 0, EDX, 8, TscInvariantSupport) \
	X(BANK1, 18, 7, 0, EBX, 1, TscAdjustSupport) \
	X(XSAVE, 0, 1, 0, ECX, 26, XsaveSupport) \
	X(XSAVE, 1, 0xd, 1, EAX, 0, XsaveoptSupport) \
	X(XSAVE, 2, 1, 0, ECX, 28, AvxSupport) \
	X(XSAVE, 3, 7, 0, EBX, 5, Avx2Support) \
	X(XSAVE, 4, 1, 0, ECX, 12, FmaSupport) \
	X(XSAVE, 6, 7, 0, EBX, 16, Avx512Support) \
	X(XSAVE, 7, 7, 0, EBX, 17, Avx512DQSupport) \
	X(XSAVE, 8, 7, 0, EBX, 28, Avx512CDSupport) \
	X(XSAVE, 9, 7, 0, EBX, 30, Avx512BWSupport) \
	X(XSAVE, 10, 7, 0, EBX, 31, Avx512VLSupport) \
	X(XSAVE, 11, 0xd, 1, EAX, 1, XsaveCompSupport) \
	X(XSAVE, 12, 0xd, 1, EAX, 3, XsaveSupervisorSupport) \
	X(XSAVE, 13, 0xd, 1, EAX, 2, Xcr1Support) \
	X(XSAVE, 14, 7, 0, ECX, 12, Avx512BitalgSupport) \
	X(XSAVE, 15, 7, 0, EBX, 21, Avx512IfmaSupport) \
	X(XSAVE, 16, 7, 0, ECX, 1, Avx512VBmiSupport) \
	X(XSAVE, 17, 7, 0, ECX, 6, Avx512VBmi2Support) \
	X(XSAVE, 18, 7, 0, ECX, 11, Avx512VnniSupport) \
	X(XSAVE, 19, 7, 0, ECX, 8, GfniSupport) \
	X(XSAVE, 20, 7, 0, ECX, 9, VaesSupport) \
	X(XSAVE, 21, 7, 0, ECX, 14, Avx512VPopcntdqSupport) \
	X(XSAVE, 22, 7, 0, ECX, 10, VpclmulqdqSupport)

#define WHP_FEATURE_ROW(set, bit, leaf, subleaf, reg, at, name) {set, bit, leaf, subleaf, reg, at},

#endif
