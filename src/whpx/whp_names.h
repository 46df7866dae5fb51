/* whp_names.h - the enumerators of the Windows Hypervisor Platform's API by the vendor's names, one list an
 * enumeration, so that tests can compare them with other headers and messages can name them. Included by whp.h alone.
 */
#ifndef WHP_NAMES_H
#define WHP_NAMES_H

#define WHP_ENUMERATOR(name, value) name = value,

#define WHP_CAPABILITY_CODES(X) \
	X(WHvCapabilityCodeHypervisorPresent, 0) \
	X(WHvCapabilityCodeFeatures, 1) \
	X(WHvCapabilityCodeExtendedVmExits, 2) \
	X(WHvCapabilityCodeExceptionExitBitmap, 3) \
	X(WHvCapabilityCodeX64MsrExitBitmap, 4) \
	X(WHvCapabilityCodeGpaRangePopulateFlags, 5) \
	X(WHvCapabilityCodeSchedulerFeatures, 6) \
	X(WHvCapabilityCodeProcessorVendor, 0x1000) \
	X(WHvCapabilityCodeProcessorFeatures, 0x1001) \
	X(WHvCapabilityCodeProcessorClFlushSize, 0x1002) \
	X(WHvCapabilityCodeProcessorXsaveFeatures, 0x1003) \
	X(WHvCapabilityCodeProcessorClockFrequency, 0x1004) \
	X(WHvCapabilityCodeInterruptClockFrequency, 0x1005) \
	X(WHvCapabilityCodeProcessorFeaturesBanks, 0x1006) \
	X(WHvCapabilityCodeProcessorFrequencyCap, 0x1007) \
	X(WHvCapabilityCodeSyntheticProcessorFeaturesBanks, 0x1008) \
	X(WHvCapabilityCodeProcessorPerfmonFeatures, 0x1009) \
	X(WHvCapabilityCodePhysicalAddressWidth, 0x100a)
typedef enum { WHP_CAPABILITY_CODES(WHP_ENUMERATOR) } WHV_CAPABILITY_CODE;

#define WHP_PROCESSOR_VENDORS(X) \
	X(WHvProcessorVendorAmd, 0) \
	X(WHvProcessorVendorIntel, 1) \
	X(WHvProcessorVendorHygon, 2)
typedef enum { WHP_PROCESSOR_VENDORS(WHP_ENUMERATOR) } WHV_PROCESSOR_VENDOR;

#define WHP_PROPERTY_CODES(X) \
	X(WHvPartitionPropertyCodeExtendedVmExits, 1) \
	X(WHvPartitionPropertyCodeExceptionExitBitmap, 2) \
	X(WHvPartitionPropertyCodeSeparateSecurityDomain, 3) \
	X(WHvPartitionPropertyCodeNestedVirtualization, 4) \
	X(WHvPartitionPropertyCodeX64MsrExitBitmap, 5) \
	X(WHvPartitionPropertyCodePrimaryNumaNode, 6) \
	X(WHvPartitionPropertyCodeCpuReserve, 7) \
	X(WHvPartitionPropertyCodeCpuCap, 8) \
	X(WHvPartitionPropertyCodeCpuWeight, 9) \
	X(WHvPartitionPropertyCodeCpuGroupId, 0xa) \
	X(WHvPartitionPropertyCodeProcessorFrequencyCap, 0xb) \
	X(WHvPartitionPropertyCodeAllowDeviceAssignment, 0xc) \
	X(WHvPartitionPropertyCodeDisableSmt, 0xd) \
	X(WHvPartitionPropertyCodeProcessorFeatures, 0x1001) \
	X(WHvPartitionPropertyCodeProcessorClFlushSize, 0x1002) \
	X(WHvPartitionPropertyCodeCpuidExitList, 0x1003) \
	X(WHvPartitionPropertyCodeCpuidResultList, 0x1004) \
	X(WHvPartitionPropertyCodeLocalApicEmulationMode, 0x1005) \
	X(WHvPartitionPropertyCodeProcessorXsaveFeatures, 0x1006) \
	X(WHvPartitionPropertyCodeProcessorClockFrequency, 0x1007) \
	X(WHvPartitionPropertyCodeInterruptClockFrequency, 0x1008) \
	X(WHvPartitionPropertyCodeApicRemoteReadSupport, 0x1009) \
	X(WHvPartitionPropertyCodeProcessorFeaturesBanks, 0x100a) \
	X(WHvPartitionPropertyCodeReferenceTime, 0x100b) \
	X(WHvPartitionPropertyCodeSyntheticProcessorFeaturesBanks, 0x100c) \
	X(WHvPartitionPropertyCodeCpuidResultList2, 0x100d) \
	X(WHvPartitionPropertyCodeProcessorPerfmonFeatures, 0x100e) \
	X(WHvPartitionPropertyCodeMsrActionList, 0x100f) \
	X(WHvPartitionPropertyCodeUnimplementedMsrAction, 0x1010) \
	X(WHvPartitionPropertyCodeProcessorCount, 0x1fff)
typedef enum { WHP_PROPERTY_CODES(WHP_ENUMERATOR) } WHV_PARTITION_PROPERTY_CODE;

#define WHP_CPUID_RESULT2_FLAGS(X) \
	X(WHvX64CpuidResult2FlagSubleafSpecific, 1) \
	X(WHvX64CpuidResult2FlagVpSpecific, 2)
typedef enum { WHP_CPUID_RESULT2_FLAGS(WHP_ENUMERATOR) } WHV_X64_CPUID_RESULT2_FLAGS;

#define WHP_MSR_ACTIONS(X) \
	X(WHvMsrActionArchitectureDefault, 0) \
	X(WHvMsrActionIgnoreWriteReadZero, 1) \
	X(WHvMsrActionExit, 2)
typedef enum { WHP_MSR_ACTIONS(WHP_ENUMERATOR) } WHV_MSR_ACTION;

#define WHP_APIC_MODES(X) \
	X(WHvX64LocalApicEmulationModeNone, 0) \
	X(WHvX64LocalApicEmulationModeXApic, 1) \
	X(WHvX64LocalApicEmulationModeX2Apic, 2)
typedef enum { WHP_APIC_MODES(WHP_ENUMERATOR) } WHV_X64_LOCAL_APIC_EMULATION_MODE;

#define WHP_MEMORY_ACCESS_TYPES(X) \
	X(WHvMemoryAccessRead, 0) \
	X(WHvMemoryAccessWrite, 1) \
	X(WHvMemoryAccessExecute, 2)
typedef enum { WHP_MEMORY_ACCESS_TYPES(WHP_ENUMERATOR) } WHV_MEMORY_ACCESS_TYPE;

#define WHP_MAP_FLAGS(X) \
	X(WHvMapGpaRangeFlagNone, 0) \
	X(WHvMapGpaRangeFlagRead, 1) \
	X(WHvMapGpaRangeFlagWrite, 2) \
	X(WHvMapGpaRangeFlagExecute, 4) \
	X(WHvMapGpaRangeFlagTrackDirtyPages, 8)
typedef enum { WHP_MAP_FLAGS(WHP_ENUMERATOR) } WHV_MAP_GPA_RANGE_FLAGS;

#define WHP_TRANSLATE_FLAGS(X) \
	X(WHvTranslateGvaFlagNone, 0) \
	X(WHvTranslateGvaFlagValidateRead, 1) \
	X(WHvTranslateGvaFlagValidateWrite, 2) \
	X(WHvTranslateGvaFlagValidateExecute, 4) \
	X(WHvTranslateGvaFlagPrivilegeExempt, 8) \
	X(WHvTranslateGvaFlagSetPageTableBits, 0x10) \
	X(WHvTranslateGvaFlagEnforceSmap, 0x100) \
	X(WHvTranslateGvaFlagOverrideSmap, 0x200)
typedef enum { WHP_TRANSLATE_FLAGS(WHP_ENUMERATOR) } WHV_TRANSLATE_GVA_FLAGS;

#define WHP_TRANSLATE_RESULTS(X) \
	X(WHvTranslateGvaResultSuccess, 0) \
	X(WHvTranslateGvaResultPageNotPresent, 1) \
	X(WHvTranslateGvaResultPrivilegeViolation, 2) \
	X(WHvTranslateGvaResultInvalidPageTableFlags, 3) \
	X(WHvTranslateGvaResultGpaUnmapped, 4) \
	X(WHvTranslateGvaResultGpaNoReadAccess, 5) \
	X(WHvTranslateGvaResultGpaNoWriteAccess, 6) \
	X(WHvTranslateGvaResultGpaIllegalOverlayAccess, 7) \
	X(WHvTranslateGvaResultIntercept, 8)
typedef enum { WHP_TRANSLATE_RESULTS(WHP_ENUMERATOR) } WHV_TRANSLATE_GVA_RESULT_CODE;

#define WHP_CACHE_TYPES(X) \
	X(WHvCacheTypeUncached, 0) \
	X(WHvCacheTypeWriteCombining, 1) \
	X(WHvCacheTypeWriteThrough, 4) \
	X(WHvCacheTypeWriteProtected, 5) \
	X(WHvCacheTypeWriteBack, 6)
typedef enum { WHP_CACHE_TYPES(WHP_ENUMERATOR) } WHV_CACHE_TYPE;

#define WHP_EXIT_REASONS(X) \
	X(WHvRunVpExitReasonNone, 0) \
	X(WHvRunVpExitReasonMemoryAccess, 1) \
	X(WHvRunVpExitReasonX64IoPortAccess, 2) \
	X(WHvRunVpExitReasonUnrecoverableException, 4) \
	X(WHvRunVpExitReasonInvalidVpRegisterValue, 5) \
	X(WHvRunVpExitReasonUnsupportedFeature, 6) \
	X(WHvRunVpExitReasonX64InterruptWindow, 7) \
	X(WHvRunVpExitReasonX64Halt, 8) \
	X(WHvRunVpExitReasonX64ApicEoi, 9) \
	X(WHvRunVpExitReasonSynicSintDeliverable, 0xa) \
	X(WHvRunVpExitReasonX64MsrAccess, 0x1000) \
	X(WHvRunVpExitReasonX64Cpuid, 0x1001) \
	X(WHvRunVpExitReasonException, 0x1002) \
	X(WHvRunVpExitReasonX64Rdtsc, 0x1003) \
	X(WHvRunVpExitReasonX64ApicSmiTrap, 0x1004) \
	X(WHvRunVpExitReasonHypercall, 0x1005) \
	X(WHvRunVpExitReasonX64ApicInitSipiTrap, 0x1006) \
	X(WHvRunVpExitReasonX64ApicWriteTrap, 0x1007) \
	X(WHvRunVpExitReasonCanceled, 0x2001)
typedef enum { WHP_EXIT_REASONS(WHP_ENUMERATOR) } WHV_RUN_VP_EXIT_REASON;

#define WHP_UNSUPPORTED_FEATURES(X) \
	X(WHvUnsupportedFeatureIntercept, 1) \
	X(WHvUnsupportedFeatureTaskSwitchTss, 2)
typedef enum { WHP_UNSUPPORTED_FEATURES(WHP_ENUMERATOR) } WHV_X64_UNSUPPORTED_FEATURE_CODE;

#define WHP_PENDING_TYPES(X) \
	X(WHvX64PendingInterrupt, 0) \
	X(WHvX64PendingNmi, 2) \
	X(WHvX64PendingException, 3)
typedef enum { WHP_PENDING_TYPES(WHP_ENUMERATOR) } WHV_X64_PENDING_INTERRUPTION_TYPE;

#define WHP_PENDING_EVENT_TYPES(X) \
	X(WHvX64PendingEventException, 0) \
	X(WHvX64PendingEventExtInt, 5)
typedef enum { WHP_PENDING_EVENT_TYPES(WHP_ENUMERATOR) } WHV_X64_PENDING_EVENT_TYPE;

#define WHP_APIC_WRITE_TYPES(X) \
	X(WHvX64ApicWriteTypeLdr, 0xd0) \
	X(WHvX64ApicWriteTypeDfr, 0xe0) \
	X(WHvX64ApicWriteTypeSvr, 0xf0) \
	X(WHvX64ApicWriteTypeLint0, 0x350) \
	X(WHvX64ApicWriteTypeLint1, 0x360)
typedef enum { WHP_APIC_WRITE_TYPES(WHP_ENUMERATOR) } WHV_X64_APIC_WRITE_TYPE;

#define WHP_INTERRUPT_TYPES(X) \
	X(WHvX64InterruptTypeFixed, 0) \
	X(WHvX64InterruptTypeLowestPriority, 1) \
	X(WHvX64InterruptTypeNmi, 4) \
	X(WHvX64InterruptTypeInit, 5) \
	X(WHvX64InterruptTypeSipi, 6) \
	X(WHvX64InterruptTypeLocalInt1, 9)
typedef enum { WHP_INTERRUPT_TYPES(WHP_ENUMERATOR) } WHV_INTERRUPT_TYPE;

#define WHP_DESTINATION_MODES(X) \
	X(WHvX64InterruptDestinationModePhysical, 0) \
	X(WHvX64InterruptDestinationModeLogical, 1)
typedef enum { WHP_DESTINATION_MODES(WHP_ENUMERATOR) } WHV_INTERRUPT_DESTINATION_MODE;

#define WHP_TRIGGER_MODES(X) \
	X(WHvX64InterruptTriggerModeEdge, 0) \
	X(WHvX64InterruptTriggerModeLevel, 1)
typedef enum { WHP_TRIGGER_MODES(WHP_ENUMERATOR) } WHV_INTERRUPT_TRIGGER_MODE;

#define WHP_PARTITION_COUNTERS(X) \
	X(WHvPartitionCounterSetMemory, 0)
typedef enum { WHP_PARTITION_COUNTERS(WHP_ENUMERATOR) } WHV_PARTITION_COUNTER_SET;

#define WHP_PROCESSOR_COUNTERS(X) \
	X(WHvProcessorCounterSetRuntime, 0) \
	X(WHvProcessorCounterSetIntercepts, 1) \
	X(WHvProcessorCounterSetEvents, 2) \
	X(WHvProcessorCounterSetApic, 3) \
	X(WHvProcessorCounterSetSyntheticFeatures, 4)
typedef enum { WHP_PROCESSOR_COUNTERS(WHP_ENUMERATOR) } WHV_PROCESSOR_COUNTER_SET;

#define WHP_ADVICES(X) \
	X(WHvAdviseGpaRangeCodePopulate, 0) \
	X(WHvAdviseGpaRangeCodePin, 1) \
	X(WHvAdviseGpaRangeCodeUnpin, 2)
typedef enum { WHP_ADVICES(WHP_ENUMERATOR) } WHV_ADVISE_GPA_RANGE_CODE;

#define WHP_STATE_TYPES(X) \
	X(WHvVirtualProcessorStateTypeSynicMessagePage, 0) \
	X(WHvVirtualProcessorStateTypeSynicEventFlagPage, 1) \
	X(WHvVirtualProcessorStateTypeSynicTimerState, 2) \
	X(WHvVirtualProcessorStateTypeInterruptControllerState2, 0x1000) \
	X(WHvVirtualProcessorStateTypeXsaveState, 0x1001)
typedef enum { WHP_STATE_TYPES(WHP_ENUMERATOR) } WHV_VIRTUAL_PROCESSOR_STATE_TYPE;

#define WHP_VP_PROPERTY_CODES(X) \
	X(WHvVirtualProcessorPropertyCodeNumaNode, 0)
typedef enum { WHP_VP_PROPERTY_CODES(WHP_ENUMERATOR) } WHV_VIRTUAL_PROCESSOR_PROPERTY_CODE;

#define WHP_REGISTER_NAMES(X) \
	X(WHvX64RegisterRax, 0) \
	X(WHvX64RegisterRcx, 1) \
	X(WHvX64RegisterRdx, 2) \
	X(WHvX64RegisterRbx, 3) \
	X(WHvX64RegisterRsp, 4) \
	X(WHvX64RegisterRbp, 5) \
	X(WHvX64RegisterRsi, 6) \
	X(WHvX64RegisterRdi, 7) \
	X(WHvX64RegisterR8, 8) \
	X(WHvX64RegisterR9, 9) \
	X(WHvX64RegisterR10, 0xa) \
	X(WHvX64RegisterR11, 0xb) \
	X(WHvX64RegisterR12, 0xc) \
	X(WHvX64RegisterR13, 0xd) \
	X(WHvX64RegisterR14, 0xe) \
	X(WHvX64RegisterR15, 0xf) \
	X(WHvX64RegisterRip, 0x10) \
	X(WHvX64RegisterRflags, 0x11) \
	X(WHvX64RegisterEs, 0x12) \
	X(WHvX64RegisterCs, 0x13) \
	X(WHvX64RegisterSs, 0x14) \
	X(WHvX64RegisterDs, 0x15) \
	X(WHvX64RegisterFs, 0x16) \
	X(WHvX64RegisterGs, 0x17) \
	X(WHvX64RegisterLdtr, 0x18) \
	X(WHvX64RegisterTr, 0x19) \
	X(WHvX64RegisterIdtr, 0x1a) \
	X(WHvX64RegisterGdtr, 0x1b) \
	X(WHvX64RegisterCr0, 0x1c) \
	X(WHvX64RegisterCr2, 0x1d) \
	X(WHvX64RegisterCr3, 0x1e) \
	X(WHvX64RegisterCr4, 0x1f) \
	X(WHvX64RegisterCr8, 0x20) \
	X(WHvX64RegisterDr0, 0x21) \
	X(WHvX64RegisterDr1, 0x22) \
	X(WHvX64RegisterDr2, 0x23) \
	X(WHvX64RegisterDr3, 0x24) \
	X(WHvX64RegisterDr6, 0x25) \
	X(WHvX64RegisterDr7, 0x26) \
	X(WHvX64RegisterXCr0, 0x27) \
	X(WHvX64RegisterVirtualCr0, 0x28) \
	X(WHvX64RegisterVirtualCr3, 0x29) \
	X(WHvX64RegisterVirtualCr4, 0x2a) \
	X(WHvX64RegisterVirtualCr8, 0x2b) \
	X(WHvX64RegisterXmm0, 0x1000) \
	X(WHvX64RegisterXmm1, 0x1001) \
	X(WHvX64RegisterXmm2, 0x1002) \
	X(WHvX64RegisterXmm3, 0x1003) \
	X(WHvX64RegisterXmm4, 0x1004) \
	X(WHvX64RegisterXmm5, 0x1005) \
	X(WHvX64RegisterXmm6, 0x1006) \
	X(WHvX64RegisterXmm7, 0x1007) \
	X(WHvX64RegisterXmm8, 0x1008) \
	X(WHvX64RegisterXmm9, 0x1009) \
	X(WHvX64RegisterXmm10, 0x100a) \
	X(WHvX64RegisterXmm11, 0x100b) \
	X(WHvX64RegisterXmm12, 0x100c) \
	X(WHvX64RegisterXmm13, 0x100d) \
	X(WHvX64RegisterXmm14, 0x100e) \
	X(WHvX64RegisterXmm15, 0x100f) \
	X(WHvX64RegisterFpMmx0, 0x1010) \
	X(WHvX64RegisterFpMmx1, 0x1011) \
	X(WHvX64RegisterFpMmx2, 0x1012) \
	X(WHvX64RegisterFpMmx3, 0x1013) \
	X(WHvX64RegisterFpMmx4, 0x1014) \
	X(WHvX64RegisterFpMmx5, 0x1015) \
	X(WHvX64RegisterFpMmx6, 0x1016) \
	X(WHvX64RegisterFpMmx7, 0x1017) \
	X(WHvX64RegisterFpControlStatus, 0x1018) \
	X(WHvX64RegisterXmmControlStatus, 0x1019) \
	X(WHvX64RegisterTsc, 0x2000) \
	X(WHvX64RegisterEfer, 0x2001) \
	X(WHvX64RegisterKernelGsBase, 0x2002) \
	X(WHvX64RegisterApicBase, 0x2003) \
	X(WHvX64RegisterPat, 0x2004) \
	X(WHvX64RegisterSysenterCs, 0x2005) \
	X(WHvX64RegisterSysenterEip, 0x2006) \
	X(WHvX64RegisterSysenterEsp, 0x2007) \
	X(WHvX64RegisterStar, 0x2008) \
	X(WHvX64RegisterLstar, 0x2009) \
	X(WHvX64RegisterCstar, 0x200a) \
	X(WHvX64RegisterSfmask, 0x200b) \
	X(WHvX64RegisterInitialApicId, 0x200c) \
	X(WHvX64RegisterMsrMtrrCap, 0x200d) \
	X(WHvX64RegisterMsrMtrrDefType, 0x200e) \
	X(WHvX64RegisterMsrMtrrPhysBase0, 0x2010) \
	X(WHvX64RegisterMsrMtrrPhysBase1, 0x2011) \
	X(WHvX64RegisterMsrMtrrPhysBase2, 0x2012) \
	X(WHvX64RegisterMsrMtrrPhysBase3, 0x2013) \
	X(WHvX64RegisterMsrMtrrPhysBase4, 0x2014) \
	X(WHvX64RegisterMsrMtrrPhysBase5, 0x2015) \
	X(WHvX64RegisterMsrMtrrPhysBase6, 0x2016) \
	X(WHvX64RegisterMsrMtrrPhysBase7, 0x2017) \
	X(WHvX64RegisterMsrMtrrPhysBase8, 0x2018) \
	X(WHvX64RegisterMsrMtrrPhysBase9, 0x2019) \
	X(WHvX64RegisterMsrMtrrPhysBaseA, 0x201a) \
	X(WHvX64RegisterMsrMtrrPhysBaseB, 0x201b) \
	X(WHvX64RegisterMsrMtrrPhysBaseC, 0x201c) \
	X(WHvX64RegisterMsrMtrrPhysBaseD, 0x201d) \
	X(WHvX64RegisterMsrMtrrPhysBaseE, 0x201e) \
	X(WHvX64RegisterMsrMtrrPhysBaseF, 0x201f) \
	X(WHvX64RegisterMsrMtrrPhysMask0, 0x2040) \
	X(WHvX64RegisterMsrMtrrPhysMask1, 0x2041) \
	X(WHvX64RegisterMsrMtrrPhysMask2, 0x2042) \
	X(WHvX64RegisterMsrMtrrPhysMask3, 0x2043) \
	X(WHvX64RegisterMsrMtrrPhysMask4, 0x2044) \
	X(WHvX64RegisterMsrMtrrPhysMask5, 0x2045) \
	X(WHvX64RegisterMsrMtrrPhysMask6, 0x2046) \
	X(WHvX64RegisterMsrMtrrPhysMask7, 0x2047) \
	X(WHvX64RegisterMsrMtrrPhysMask8, 0x2048) \
	X(WHvX64RegisterMsrMtrrPhysMask9, 0x2049) \
	X(WHvX64RegisterMsrMtrrPhysMaskA, 0x204a) \
	X(WHvX64RegisterMsrMtrrPhysMaskB, 0x204b) \
	X(WHvX64RegisterMsrMtrrPhysMaskC, 0x204c) \
	X(WHvX64RegisterMsrMtrrPhysMaskD, 0x204d) \
	X(WHvX64RegisterMsrMtrrPhysMaskE, 0x204e) \
	X(WHvX64RegisterMsrMtrrPhysMaskF, 0x204f) \
	X(WHvX64RegisterMsrMtrrFix64k00000, 0x2070) \
	X(WHvX64RegisterMsrMtrrFix16k80000, 0x2071) \
	X(WHvX64RegisterMsrMtrrFix16kA0000, 0x2072) \
	X(WHvX64RegisterMsrMtrrFix4kC0000, 0x2073) \
	X(WHvX64RegisterMsrMtrrFix4kC8000, 0x2074) \
	X(WHvX64RegisterMsrMtrrFix4kD0000, 0x2075) \
	X(WHvX64RegisterMsrMtrrFix4kD8000, 0x2076) \
	X(WHvX64RegisterMsrMtrrFix4kE0000, 0x2077) \
	X(WHvX64RegisterMsrMtrrFix4kE8000, 0x2078) \
	X(WHvX64RegisterMsrMtrrFix4kF0000, 0x2079) \
	X(WHvX64RegisterMsrMtrrFix4kF8000, 0x207a) \
	X(WHvX64RegisterTscAux, 0x207b) \
	X(WHvX64RegisterBndcfgs, 0x207c) \
	X(WHvX64RegisterMCount, 0x207e) \
	X(WHvX64RegisterACount, 0x207f) \
	X(WHvX64RegisterSpecCtrl, 0x2084) \
	X(WHvX64RegisterPredCmd, 0x2085) \
	X(WHvX64RegisterTscVirtualOffset, 0x2087) \
	X(WHvX64RegisterTsxCtrl, 0x2088) \
	X(WHvX64RegisterXss, 0x208b) \
	X(WHvX64RegisterUCet, 0x208c) \
	X(WHvX64RegisterSCet, 0x208d) \
	X(WHvX64RegisterSsp, 0x208e) \
	X(WHvX64RegisterPl0Ssp, 0x208f) \
	X(WHvX64RegisterPl1Ssp, 0x2090) \
	X(WHvX64RegisterPl2Ssp, 0x2091) \
	X(WHvX64RegisterPl3Ssp, 0x2092) \
	X(WHvX64RegisterInterruptSspTableAddr, 0x2093) \
	X(WHvX64RegisterTscDeadline, 0x2095) \
	X(WHvX64RegisterTscAdjust, 0x2096) \
	X(WHvX64RegisterUmwaitControl, 0x2098) \
	X(WHvX64RegisterXfd, 0x2099) \
	X(WHvX64RegisterXfdErr, 0x209a) \
	X(WHvX64RegisterApicId, 0x3002) \
	X(WHvX64RegisterApicVersion, 0x3003) \
	X(WHvX64RegisterApicTpr, 0x3008) \
	X(WHvX64RegisterApicPpr, 0x300a) \
	X(WHvX64RegisterApicEoi, 0x300b) \
	X(WHvX64RegisterApicLdr, 0x300d) \
	X(WHvX64RegisterApicSpurious, 0x300f) \
	X(WHvX64RegisterApicIsr0, 0x3010) \
	X(WHvX64RegisterApicIsr1, 0x3011) \
	X(WHvX64RegisterApicIsr2, 0x3012) \
	X(WHvX64RegisterApicIsr3, 0x3013) \
	X(WHvX64RegisterApicIsr4, 0x3014) \
	X(WHvX64RegisterApicIsr5, 0x3015) \
	X(WHvX64RegisterApicIsr6, 0x3016) \
	X(WHvX64RegisterApicIsr7, 0x3017) \
	X(WHvX64RegisterApicTmr0, 0x3018) \
	X(WHvX64RegisterApicTmr1, 0x3019) \
	X(WHvX64RegisterApicTmr2, 0x301a) \
	X(WHvX64RegisterApicTmr3, 0x301b) \
	X(WHvX64RegisterApicTmr4, 0x301c) \
	X(WHvX64RegisterApicTmr5, 0x301d) \
	X(WHvX64RegisterApicTmr6, 0x301e) \
	X(WHvX64RegisterApicTmr7, 0x301f) \
	X(WHvX64RegisterApicIrr0, 0x3020) \
	X(WHvX64RegisterApicIrr1, 0x3021) \
	X(WHvX64RegisterApicIrr2, 0x3022) \
	X(WHvX64RegisterApicIrr3, 0x3023) \
	X(WHvX64RegisterApicIrr4, 0x3024) \
	X(WHvX64RegisterApicIrr5, 0x3025) \
	X(WHvX64RegisterApicIrr6, 0x3026) \
	X(WHvX64RegisterApicIrr7, 0x3027) \
	X(WHvX64RegisterApicEse, 0x3028) \
	X(WHvX64RegisterApicIcr, 0x3030) \
	X(WHvX64RegisterApicLvtTimer, 0x3032) \
	X(WHvX64RegisterApicLvtThermal, 0x3033) \
	X(WHvX64RegisterApicLvtPerfmon, 0x3034) \
	X(WHvX64RegisterApicLvtLint0, 0x3035) \
	X(WHvX64RegisterApicLvtLint1, 0x3036) \
	X(WHvX64RegisterApicLvtError, 0x3037) \
	X(WHvX64RegisterApicInitCount, 0x3038) \
	X(WHvX64RegisterApicCurrentCount, 0x3039) \
	X(WHvX64RegisterApicDivide, 0x303e) \
	X(WHvX64RegisterApicSelfIpi, 0x303f) \
	X(WHvRegisterSint0, 0x4000) \
	X(WHvRegisterSint1, 0x4001) \
	X(WHvRegisterSint2, 0x4002) \
	X(WHvRegisterSint3, 0x4003) \
	X(WHvRegisterSint4, 0x4004) \
	X(WHvRegisterSint5, 0x4005) \
	X(WHvRegisterSint6, 0x4006) \
	X(WHvRegisterSint7, 0x4007) \
	X(WHvRegisterSint8, 0x4008) \
	X(WHvRegisterSint9, 0x4009) \
	X(WHvRegisterSint10, 0x400a) \
	X(WHvRegisterSint11, 0x400b) \
	X(WHvRegisterSint12, 0x400c) \
	X(WHvRegisterSint13, 0x400d) \
	X(WHvRegisterSint14, 0x400e) \
	X(WHvRegisterSint15, 0x400f) \
	X(WHvRegisterScontrol, 0x4010) \
	X(WHvRegisterSversion, 0x4011) \
	X(WHvRegisterSiefp, 0x4012) \
	X(WHvRegisterSimp, 0x4013) \
	X(WHvRegisterEom, 0x4014) \
	X(WHvRegisterVpRuntime, 0x5000) \
	X(WHvX64RegisterHypercall, 0x5001) \
	X(WHvRegisterGuestOsId, 0x5002) \
	X(WHvRegisterVpAssistPage, 0x5013) \
	X(WHvRegisterReferenceTsc, 0x5017) \
	X(WHvRegisterReferenceTscSequence, 0x501a) \
	X(WHvRegisterPendingInterruption, 0x80000000) \
	X(WHvRegisterInterruptState, 0x80000001) \
	X(WHvRegisterPendingEvent, 0x80000002) \
	X(WHvX64RegisterDeliverabilityNotifications, 0x80000004) \
	X(WHvRegisterInternalActivityState, 0x80000005) \
	X(WHvX64RegisterPendingDebugException, 0x80000006)
typedef enum { WHP_REGISTER_NAMES(WHP_ENUMERATOR) } WHV_REGISTER_NAME;

/* All enumerations, for whoever compares them. */
#define WHP_ENUMERATORS(X) \
	WHP_CAPABILITY_CODES(X) \
	WHP_PROCESSOR_VENDORS(X) \
	WHP_PROPERTY_CODES(X) \
	WHP_CPUID_RESULT2_FLAGS(X) \
	WHP_MSR_ACTIONS(X) \
	WHP_APIC_MODES(X) \
	WHP_MEMORY_ACCESS_TYPES(X) \
	WHP_MAP_FLAGS(X) \
	WHP_TRANSLATE_FLAGS(X) \
	WHP_TRANSLATE_RESULTS(X) \
	WHP_CACHE_TYPES(X) \
	WHP_EXIT_REASONS(X) \
	WHP_UNSUPPORTED_FEATURES(X) \
	WHP_PENDING_TYPES(X) \
	WHP_PENDING_EVENT_TYPES(X) \
	WHP_APIC_WRITE_TYPES(X) \
	WHP_INTERRUPT_TYPES(X) \
	WHP_DESTINATION_MODES(X) \
	WHP_TRIGGER_MODES(X) \
	WHP_PARTITION_COUNTERS(X) \
	WHP_PROCESSOR_COUNTERS(X) \
	WHP_ADVICES(X) \
	WHP_STATE_TYPES(X) \
	WHP_VP_PROPERTY_CODES(X) \
	WHP_REGISTER_NAMES(X)

#endif
