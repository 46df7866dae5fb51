/* whp.h - the Windows Hypervisor Platform's API for x86-64: types, values and functions by the vendor's names, for the
 * back end and the simulation. Plain C types only, so that both compile anywhere; not for files that include windows.h.
 * Everything here is asserted at the end of the file, for the layout of Win64. Never compared with a real Windows. */
#ifndef WHP_H
#define WHP_H

#include <stddef.h>
#include <stdint.h>
#include "whp_names.h"

typedef int32_t HRESULT;
#define WHP_HRESULT(code) ((HRESULT)code)
#define S_OK WHP_HRESULT(0)
#define S_FALSE WHP_HRESULT(1)
#define E_NOTIMPL WHP_HRESULT(0x80004001u)
#define E_POINTER WHP_HRESULT(0x80004003u)
#define E_FAIL WHP_HRESULT(0x80004005u)
#define E_ACCESSDENIED WHP_HRESULT(0x80070005u)
#define E_HANDLE WHP_HRESULT(0x80070006u)
#define E_OUTOFMEMORY WHP_HRESULT(0x8007000eu)
#define E_INVALIDARG WHP_HRESULT(0x80070057u)
#define WHV_E_UNKNOWN_CAPABILITY WHP_HRESULT(0x80370300u)
#define WHV_E_INSUFFICIENT_BUFFER WHP_HRESULT(0x80370301u)
#define WHV_E_UNKNOWN_PROPERTY WHP_HRESULT(0x80370302u)
#define WHV_E_UNSUPPORTED_HYPERVISOR_CONFIG WHP_HRESULT(0x80370303u)
#define WHV_E_INVALID_PARTITION_CONFIG WHP_HRESULT(0x80370304u)
#define WHV_E_GPA_RANGE_NOT_FOUND WHP_HRESULT(0x80370305u)
#define WHV_E_VP_ALREADY_EXISTS WHP_HRESULT(0x80370306u)
#define WHV_E_VP_DOES_NOT_EXIST WHP_HRESULT(0x80370307u)
#define WHV_E_INVALID_VP_STATE WHP_HRESULT(0x80370308u)
#define WHV_E_INVALID_VP_REGISTER_NAME WHP_HRESULT(0x80370309u)
#define WHV_E_UNSUPPORTED_PROCESSOR_CONFIG WHP_HRESULT(0x80370310u)
/* of the hypervisor and of the driver below WinHvPlatform.dll (winerror.h) */
#define ERROR_HV_INVALID_PARAMETER WHP_HRESULT(0xc0350005u)
#define ERROR_HV_ACCESS_DENIED WHP_HRESULT(0xc0350006u)
#define ERROR_HV_OPERATION_DENIED WHP_HRESULT(0xc0350008u)
#define ERROR_HV_INSUFFICIENT_MEMORY WHP_HRESULT(0xc035000bu)
#define ERROR_HV_INVALID_VP_STATE WHP_HRESULT(0xc0350015u)
#define ERROR_HV_NO_RESOURCES WHP_HRESULT(0xc035001du)
#define ERROR_HV_FEATURE_UNAVAILABLE WHP_HRESULT(0xc035001eu)
#define ERROR_HV_CPUID_FEATURE_VALIDATION WHP_HRESULT(0xc035003cu)
#define ERROR_HV_CPUID_XSAVE_FEATURE_VALIDATION WHP_HRESULT(0xc035003du)
#define ERROR_HV_INVALID_REGISTER_VALUE WHP_HRESULT(0xc0350050u)
#define ERROR_HV_INSUFFICIENT_ROOT_MEMORY WHP_HRESULT(0xc0350073u)
#define ERROR_HV_NOT_PRESENT WHP_HRESULT(0xc0351000u)
#define ERROR_VID_PARTITION_ALREADY_EXISTS WHP_HRESULT(0xc0370008u)
#define ERROR_VID_EXCEEDED_MBP_ENTRY_MAP_LIMIT WHP_HRESULT(0xc037000cu)
#define ERROR_VID_VIRTUAL_PROCESSOR_LIMIT_EXCEEDED WHP_HRESULT(0xc037001bu)
#define ERROR_VID_MBP_COUNT_EXCEEDED_LIMIT WHP_HRESULT(0xc0370026u)

typedef void *WHV_PARTITION_HANDLE;
typedef uint64_t WHV_GUEST_PHYSICAL_ADDRESS, WHV_GUEST_VIRTUAL_ADDRESS;
enum { WHV_READ_WRITE_GPA_RANGE_MAX_SIZE = 16 };

/* ------ capabilities and properties ------ */

typedef union {
	struct {
		uint64_t PartialUnmap : 1;
		uint64_t LocalApicEmulation : 1;
		uint64_t Xsave : 1;
		uint64_t DirtyPageTracking : 1;
		uint64_t SpeculationControl : 1;
		uint64_t ApicRemoteRead : 1;
		uint64_t IdleSuspend : 1;
		uint64_t VirtualPciDeviceSupport : 1;
		uint64_t IommuSupport : 1;
		uint64_t VpHotAddRemove : 1;
		uint64_t Reserved : 54;
	};
	uint64_t AsUINT64;
} WHV_CAPABILITY_FEATURES;
typedef union {
	struct {
		uint64_t X64CpuidExit : 1;
		uint64_t X64MsrExit : 1;
		uint64_t ExceptionExit : 1;
		uint64_t X64RdtscExit : 1;
		uint64_t X64ApicSmiExitTrap : 1;
		uint64_t HypercallExit : 1;
		uint64_t X64ApicInitSipiExitTrap : 1;
		uint64_t X64ApicWriteLint0ExitTrap : 1;
		uint64_t X64ApicWriteLint1ExitTrap : 1;
		uint64_t X64ApicWriteSvrExitTrap : 1;
		uint64_t UnknownSynicConnection : 1;
		uint64_t RetargetUnknownVpciDevice : 1;
		uint64_t X64ApicWriteLdrExitTrap : 1;
		uint64_t X64ApicWriteDfrExitTrap : 1;
		uint64_t GpaAccessFaultExit : 1;
		uint64_t Reserved : 49;
	};
	uint64_t AsUINT64;
} WHV_EXTENDED_VM_EXITS;
typedef union {
	struct {
		uint64_t Sse3Support : 1;
		uint64_t LahfSahfSupport : 1;
		uint64_t Ssse3Support : 1;
		uint64_t Sse4_1Support : 1;
		uint64_t Sse4_2Support : 1;
		uint64_t Sse4aSupport : 1;
		uint64_t XopSupport : 1;
		uint64_t PopCntSupport : 1;
		uint64_t Cmpxchg16bSupport : 1;
		uint64_t Altmovcr8Support : 1;
		uint64_t LzcntSupport : 1;
		uint64_t MisAlignSseSupport : 1;
		uint64_t MmxExtSupport : 1;
		uint64_t Amd3DNowSupport : 1;
		uint64_t ExtendedAmd3DNowSupport : 1;
		uint64_t Page1GbSupport : 1;
		uint64_t AesSupport : 1;
		uint64_t PclmulqdqSupport : 1;
		uint64_t PcidSupport : 1;
		uint64_t Fma4Support : 1;
		uint64_t F16CSupport : 1;
		uint64_t RdRandSupport : 1;
		uint64_t RdWrFsGsSupport : 1;
		uint64_t SmepSupport : 1;
		uint64_t EnhancedFastStringSupport : 1;
		uint64_t Bmi1Support : 1;
		uint64_t Bmi2Support : 1;
		uint64_t Reserved1 : 2;
		uint64_t MovbeSupport : 1;
		uint64_t Npiep1Support : 1;
		uint64_t DepX87FPUSaveSupport : 1;
		uint64_t RdSeedSupport : 1;
		uint64_t AdxSupport : 1;
		uint64_t IntelPrefetchSupport : 1;
		uint64_t SmapSupport : 1;
		uint64_t HleSupport : 1;
		uint64_t RtmSupport : 1;
		uint64_t RdtscpSupport : 1;
		uint64_t ClflushoptSupport : 1;
		uint64_t ClwbSupport : 1;
		uint64_t ShaSupport : 1;
		uint64_t X87PointersSavedSupport : 1;
		uint64_t InvpcidSupport : 1;
		uint64_t IbrsSupport : 1;
		uint64_t StibpSupport : 1;
		uint64_t IbpbSupport : 1;
		uint64_t Reserved2 : 1;
		uint64_t SsbdSupport : 1;
		uint64_t FastShortRepMovSupport : 1;
		uint64_t Reserved3 : 1;
		uint64_t RdclNo : 1;
		uint64_t IbrsAllSupport : 1;
		uint64_t Reserved4 : 1;
		uint64_t SsbNo : 1;
		uint64_t RsbANo : 1;
		uint64_t Reserved5 : 1;
		uint64_t RdPidSupport : 1;
		uint64_t UmipSupport : 1;
		uint64_t MdsNoSupport : 1;
		uint64_t MdClearSupport : 1;
		uint64_t TaaNoSupport : 1;
		uint64_t TsxCtrlSupport : 1;
		uint64_t Reserved6 : 1;
	};
	uint64_t AsUINT64;
} WHV_PROCESSOR_FEATURES;
typedef union {
	struct {
		uint64_t ACountMCountSupport : 1;
		uint64_t TscInvariantSupport : 1;
		uint64_t ClZeroSupport : 1;
		uint64_t RdpruSupport : 1;
		uint64_t Reserved2 : 2;
		uint64_t NestedVirtSupport : 1;
		uint64_t PsfdSupport : 1;
		uint64_t CetSsSupport : 1;
		uint64_t CetIbtSupport : 1;
		uint64_t VmxExceptionInjectSupport : 1;
		uint64_t Reserved4 : 1;
		uint64_t UmwaitTpauseSupport : 1;
		uint64_t MovdiriSupport : 1;
		uint64_t Movdir64bSupport : 1;
		uint64_t CldemoteSupport : 1;
		uint64_t SerializeSupport : 1;
		uint64_t TscDeadlineTmrSupport : 1;
		uint64_t TscAdjustSupport : 1;
		uint64_t FZLRepMovsb : 1;
		uint64_t FSRepStosb : 1;
		uint64_t FSRepCmpsb : 1;
		uint64_t Reserved5 : 42;
	};
	uint64_t AsUINT64;
} WHV_PROCESSOR_FEATURES1;
typedef union {
	struct {
		uint64_t XsaveSupport : 1;
		uint64_t XsaveoptSupport : 1;
		uint64_t AvxSupport : 1;
		uint64_t Avx2Support : 1;
		uint64_t FmaSupport : 1;
		uint64_t MpxSupport : 1;
		uint64_t Avx512Support : 1;
		uint64_t Avx512DQSupport : 1;
		uint64_t Avx512CDSupport : 1;
		uint64_t Avx512BWSupport : 1;
		uint64_t Avx512VLSupport : 1;
		uint64_t XsaveCompSupport : 1;
		uint64_t XsaveSupervisorSupport : 1;
		uint64_t Xcr1Support : 1;
		uint64_t Avx512BitalgSupport : 1;
		uint64_t Avx512IfmaSupport : 1;
		uint64_t Avx512VBmiSupport : 1;
		uint64_t Avx512VBmi2Support : 1;
		uint64_t Avx512VnniSupport : 1;
		uint64_t GfniSupport : 1;
		uint64_t VaesSupport : 1;
		uint64_t Avx512VPopcntdqSupport : 1;
		uint64_t VpclmulqdqSupport : 1;
		uint64_t Avx512Bf16Support : 1;
		uint64_t Avx512Vp2IntersectSupport : 1;
		uint64_t Avx512Fp16Support : 1;
		uint64_t XfdSupport : 1;
		uint64_t AmxTileSupport : 1;
		uint64_t AmxBf16Support : 1;
		uint64_t AmxInt8Support : 1;
		uint64_t AvxVnniSupport : 1;
		uint64_t Reserved : 33;
	};
	uint64_t AsUINT64;
} WHV_PROCESSOR_XSAVE_FEATURES;
typedef union {
	struct {
		uint64_t UnhandledMsrs : 1;
		uint64_t TscMsrWrite : 1;
		uint64_t TscMsrRead : 1;
		uint64_t ApicBaseMsrWrite : 1;
		uint64_t MiscEnableMsrRead : 1;
		uint64_t McUpdatePatchLevelMsrRead : 1;
		uint64_t Reserved : 58;
	};
	uint64_t AsUINT64;
} WHV_X64_MSR_EXIT_BITMAP;
enum { WHV_PROCESSOR_FEATURES_BANKS_COUNT = 2 };
typedef struct {
	uint32_t BanksCount, Reserved0;
	union {
		struct {
			WHV_PROCESSOR_FEATURES Bank0;
			WHV_PROCESSOR_FEATURES1 Bank1;
		};
		uint64_t AsUINT64[WHV_PROCESSOR_FEATURES_BANKS_COUNT];
	};
} WHV_PROCESSOR_FEATURES_BANKS;
typedef struct {
	uint32_t BanksCount, Reserved0;
	uint64_t AsUINT64[1];
} WHV_SYNTHETIC_PROCESSOR_FEATURES_BANKS;
typedef struct {
	uint32_t IsSupported : 1, Reserved : 31;
	uint32_t HighestFrequencyMhz, NominalFrequencyMhz, LowestFrequencyMhz, FrequencyStepMhz;
} WHV_CAPABILITY_PROCESSOR_FREQUENCY_CAP;
typedef union {
	int32_t HypervisorPresent;
	WHV_CAPABILITY_FEATURES Features;
	WHV_EXTENDED_VM_EXITS ExtendedVmExits;
	WHV_PROCESSOR_VENDOR ProcessorVendor;
	WHV_PROCESSOR_FEATURES ProcessorFeatures;
	WHV_SYNTHETIC_PROCESSOR_FEATURES_BANKS SyntheticProcessorFeaturesBanks;
	WHV_PROCESSOR_XSAVE_FEATURES ProcessorXsaveFeatures;
	uint8_t ProcessorClFlushSize;
	uint64_t ExceptionExitBitmap;
	WHV_X64_MSR_EXIT_BITMAP X64MsrExitBitmap;
	uint64_t ProcessorClockFrequency, InterruptClockFrequency;
	WHV_PROCESSOR_FEATURES_BANKS ProcessorFeaturesBanks;
	WHV_CAPABILITY_PROCESSOR_FREQUENCY_CAP ProcessorFrequencyCap;
	uint32_t PhysicalAddressWidth;
} WHV_CAPABILITY;

typedef struct {
	uint32_t Function, Reserved[3], Eax, Ebx, Ecx, Edx;
} WHV_X64_CPUID_RESULT;
typedef struct {
	uint32_t Eax, Ebx, Ecx, Edx;
} WHV_CPUID_OUTPUT;
typedef struct {
	uint32_t Function, Index, VpIndex;
	WHV_X64_CPUID_RESULT2_FLAGS Flags;
	WHV_CPUID_OUTPUT Output, Mask;
} WHV_X64_CPUID_RESULT2;
typedef struct {
	uint32_t Index;
	uint8_t ReadAction, WriteAction; /* WHV_MSR_ACTION */
	uint16_t Reserved;
} WHV_MSR_ACTION_ENTRY;
/* Grows from Windows to Windows: never rely on its size. */
typedef union {
	WHV_EXTENDED_VM_EXITS ExtendedVmExits;
	WHV_PROCESSOR_FEATURES ProcessorFeatures;
	WHV_SYNTHETIC_PROCESSOR_FEATURES_BANKS SyntheticProcessorFeaturesBanks;
	WHV_PROCESSOR_XSAVE_FEATURES ProcessorXsaveFeatures;
	uint8_t ProcessorClFlushSize;
	uint32_t ProcessorCount;
	uint32_t CpuidExitList[1];
	WHV_X64_CPUID_RESULT CpuidResultList[1];
	WHV_X64_CPUID_RESULT2 CpuidResultList2[1];
	WHV_MSR_ACTION_ENTRY MsrActionList[1];
	WHV_MSR_ACTION UnimplementedMsrAction;
	uint64_t ExceptionExitBitmap;
	WHV_X64_LOCAL_APIC_EMULATION_MODE LocalApicEmulationMode;
	int32_t SeparateSecurityDomain, NestedVirtualization;
	WHV_X64_MSR_EXIT_BITMAP X64MsrExitBitmap;
	uint64_t ProcessorClockFrequency, InterruptClockFrequency;
	int32_t ApicRemoteRead;
	WHV_PROCESSOR_FEATURES_BANKS ProcessorFeaturesBanks;
	uint64_t ReferenceTime;
} WHV_PARTITION_PROPERTY;

/* ------ memory ------ */

typedef struct {
	WHV_TRANSLATE_GVA_RESULT_CODE ResultCode;
	uint32_t Reserved;
} WHV_TRANSLATE_GVA_RESULT;
typedef struct {
	uint64_t GuestAddress, SizeInBytes;
} WHV_MEMORY_RANGE_ENTRY;
typedef union {
	uint64_t AsUINT64;
	struct {
		WHV_CACHE_TYPE CacheType;
		uint32_t Reserved;
	};
} WHV_ACCESS_GPA_CONTROLS;
typedef struct {
	union {
		uint32_t AsUINT32;
		struct {
			uint32_t Prefetch : 1, AvoidHardFaults : 1, Reserved : 30;
		};
	} Flags;
	WHV_MEMORY_ACCESS_TYPE AccessType;
} WHV_ADVISE_GPA_RANGE_POPULATE;
typedef struct {
	WHV_GUEST_PHYSICAL_ADDRESS GuestAddress;
	uint64_t Value;
	uint32_t Length;
	uint32_t MatchOnValue : 1, MatchOnLength : 1, Reserved : 30;
} WHV_DOORBELL_MATCH_DATA;

/* ------ registers ------ */

typedef union {
	_Alignas(16) struct {
		uint64_t Low64, High64;
	};
	uint32_t Dword[4];
} WHV_UINT128;
typedef union {
	struct {
		uint64_t Mantissa;
		uint64_t BiasedExponent : 15, Sign : 1, Reserved : 48;
	};
	WHV_UINT128 AsUINT128;
} WHV_X64_FP_REGISTER;
typedef union {
	struct {
		uint16_t FpControl, FpStatus;
		uint8_t FpTag, Reserved; /* FpTag: abridged, as FXSAVE's */
		uint16_t LastFpOp;
		uint64_t LastFpRip;
	};
	WHV_UINT128 AsUINT128;
} WHV_X64_FP_CONTROL_STATUS_REGISTER;
typedef union {
	struct {
		uint64_t LastFpRdp;
		uint32_t XmmStatusControl, XmmStatusControlMask;
	};
	WHV_UINT128 AsUINT128;
} WHV_X64_XMM_CONTROL_STATUS_REGISTER;
typedef struct {
	uint64_t Base;
	uint32_t Limit; /* bytes */
	uint16_t Selector;
	union {
		struct {
			uint16_t SegmentType : 4, NonSystemSegment : 1, DescriptorPrivilegeLevel : 2, Present : 1,
				Reserved : 4;
			uint16_t Available : 1, Long : 1, Default : 1, Granularity : 1;
		};
		uint16_t Attributes;
	};
} WHV_X64_SEGMENT_REGISTER;
typedef struct {
	uint16_t Pad[3], Limit;
	uint64_t Base;
} WHV_X64_TABLE_REGISTER;
typedef union {
	struct {
		uint64_t InterruptShadow : 1, NmiMasked : 1, Reserved : 62;
	};
	uint64_t AsUINT64;
} WHV_X64_INTERRUPT_STATE_REGISTER;
typedef union {
	struct {
		uint32_t InterruptionPending : 1, InterruptionType : 3, DeliverErrorCode : 1, InstructionLength : 4;
		uint32_t NestedEvent : 1, Reserved : 6, InterruptionVector : 16;
		uint32_t ErrorCode;
	};
	uint64_t AsUINT64;
} WHV_X64_PENDING_INTERRUPTION_REGISTER;
typedef union {
	struct {
		uint64_t NmiNotification : 1, InterruptNotification : 1, InterruptPriority : 4, Reserved : 58;
	};
	uint64_t AsUINT64;
} WHV_X64_DELIVERABILITY_NOTIFICATIONS_REGISTER;
typedef union {
	struct {
		uint32_t EventPending : 1, EventType : 3, Reserved0 : 4, DeliverErrorCode : 1, Reserved1 : 7,
			Vector : 16;
		uint32_t ErrorCode;
		uint64_t ExceptionParameter;
	};
	WHV_UINT128 AsUINT128;
} WHV_X64_PENDING_EXCEPTION_EVENT;
typedef union {
	struct {
		uint64_t EventPending : 1, EventType : 3, Reserved0 : 4, Vector : 8, Reserved1 : 48;
		uint64_t Reserved2;
	};
	WHV_UINT128 AsUINT128;
} WHV_X64_PENDING_EXT_INT_EVENT;
typedef union {
	struct {
		uint64_t StartupSuspend : 1, HaltSuspend : 1, IdleSuspend : 1, Reserved : 61;
	};
	uint64_t AsUINT64;
} WHV_INTERNAL_ACTIVITY_REGISTER;
typedef union {
	uint64_t AsUINT64;
	struct {
		uint64_t Breakpoint0 : 1, Breakpoint1 : 1, Breakpoint2 : 1, Breakpoint3 : 1, SingleStep : 1,
			Reserved0 : 59;
	};
} WHV_X64_PENDING_DEBUG_EXCEPTION;
typedef union {
	WHV_UINT128 Reg128;
	uint64_t Reg64;
	uint32_t Reg32;
	uint16_t Reg16;
	uint8_t Reg8;
	WHV_X64_FP_REGISTER Fp;
	WHV_X64_FP_CONTROL_STATUS_REGISTER FpControlStatus;
	WHV_X64_XMM_CONTROL_STATUS_REGISTER XmmControlStatus;
	WHV_X64_SEGMENT_REGISTER Segment;
	WHV_X64_TABLE_REGISTER Table;
	WHV_X64_INTERRUPT_STATE_REGISTER InterruptState;
	WHV_X64_PENDING_INTERRUPTION_REGISTER PendingInterruption;
	WHV_X64_DELIVERABILITY_NOTIFICATIONS_REGISTER DeliverabilityNotifications;
	WHV_X64_PENDING_EXCEPTION_EVENT ExceptionEvent;
	WHV_X64_PENDING_EXT_INT_EVENT ExtIntEvent;
	WHV_INTERNAL_ACTIVITY_REGISTER InternalActivity;
	WHV_X64_PENDING_DEBUG_EXCEPTION PendingDebugException;
} WHV_REGISTER_VALUE;

/* ------ exits ------ */

typedef union {
	struct {
		uint16_t Cpl : 2, Cr0Pe : 1, Cr0Am : 1, EferLma : 1, DebugActive : 1, InterruptionPending : 1,
			Reserved0 : 5;
		uint16_t InterruptShadow : 1, Reserved1 : 3;
	};
	uint16_t AsUINT16;
} WHV_X64_VP_EXECUTION_STATE;
typedef struct {
	WHV_X64_VP_EXECUTION_STATE ExecutionState;
	uint8_t InstructionLength : 4, Cr8 : 4;
	uint8_t Reserved;
	uint32_t Reserved2;
	WHV_X64_SEGMENT_REGISTER Cs;
	uint64_t Rip, Rflags;
} WHV_VP_EXIT_CONTEXT;
typedef union {
	struct {
		uint32_t AccessType : 2, GpaUnmapped : 1, GvaValid : 1, Reserved : 28;
	};
	uint32_t AsUINT32;
} WHV_MEMORY_ACCESS_INFO;
typedef struct {
	uint8_t InstructionByteCount, Reserved[3], InstructionBytes[16];
	WHV_MEMORY_ACCESS_INFO AccessInfo;
	WHV_GUEST_PHYSICAL_ADDRESS Gpa;
	WHV_GUEST_VIRTUAL_ADDRESS Gva;
} WHV_MEMORY_ACCESS_CONTEXT;
typedef union {
	struct {
		uint32_t IsWrite : 1, AccessSize : 3, StringOp : 1, RepPrefix : 1, Reserved : 26;
	};
	uint32_t AsUINT32;
} WHV_X64_IO_PORT_ACCESS_INFO;
typedef struct {
	uint8_t InstructionByteCount, Reserved[3], InstructionBytes[16];
	WHV_X64_IO_PORT_ACCESS_INFO AccessInfo;
	uint16_t PortNumber, Reserved2[3];
	uint64_t Rax, Rcx, Rsi, Rdi;
	WHV_X64_SEGMENT_REGISTER Ds, Es;
} WHV_X64_IO_PORT_ACCESS_CONTEXT;
typedef union {
	struct {
		uint32_t IsWrite : 1, Reserved : 31;
	};
	uint32_t AsUINT32;
} WHV_X64_MSR_ACCESS_INFO;
typedef struct {
	WHV_X64_MSR_ACCESS_INFO AccessInfo;
	uint32_t MsrNumber;
	uint64_t Rax, Rdx;
} WHV_X64_MSR_ACCESS_CONTEXT;
typedef struct {
	uint64_t Rax, Rcx, Rdx, Rbx;
	uint64_t DefaultResultRax, DefaultResultRcx, DefaultResultRdx, DefaultResultRbx;
} WHV_X64_CPUID_ACCESS_CONTEXT;
typedef union {
	struct {
		uint32_t ErrorCodeValid : 1, SoftwareException : 1, Reserved : 30;
	};
	uint32_t AsUINT32;
} WHV_VP_EXCEPTION_INFO;
typedef struct {
	uint8_t InstructionByteCount, Reserved[3], InstructionBytes[16];
	WHV_VP_EXCEPTION_INFO ExceptionInfo;
	uint8_t ExceptionType, Reserved2[3];
	uint32_t ErrorCode;
	uint64_t ExceptionParameter;
} WHV_VP_EXCEPTION_CONTEXT;
typedef struct {
	WHV_X64_UNSUPPORTED_FEATURE_CODE FeatureCode;
	uint32_t Reserved;
	uint64_t FeatureParameter;
} WHV_X64_UNSUPPORTED_FEATURE_CONTEXT;
typedef struct {
	uint32_t CancelReason; /* 0: by WHvCancelRunVirtualProcessor; the enumerator's spelling changed once */
} WHV_RUN_VP_CANCELED_CONTEXT;
typedef struct {
	WHV_X64_PENDING_INTERRUPTION_TYPE DeliverableType;
} WHV_X64_INTERRUPTION_DELIVERABLE_CONTEXT;
typedef struct {
	uint32_t InterruptVector;
} WHV_X64_APIC_EOI_CONTEXT;
typedef struct {
	uint64_t TscAux, VirtualOffset, Tsc, ReferenceTime;
	union {
		struct {
			uint64_t IsRdtscp : 1, Reserved : 63;
		};
		uint64_t AsUINT64;
	} RdtscInfo;
} WHV_X64_RDTSC_CONTEXT;
typedef struct {
	uint64_t ApicIcr;
} WHV_X64_APIC_SMI_CONTEXT;
typedef struct {
	uint64_t Rax, Rbx, Rcx, Rdx, R8, Rsi, Rdi, Reserved0;
	WHV_UINT128 XmmRegisters[6];
	uint64_t Reserved1[2];
} WHV_HYPERCALL_CONTEXT;
typedef struct {
	uint64_t ApicIcr;
} WHV_X64_APIC_INIT_SIPI_CONTEXT;
typedef struct {
	WHV_X64_APIC_WRITE_TYPE Type;
	uint32_t Reserved;
	uint64_t WriteValue;
} WHV_X64_APIC_WRITE_CONTEXT;
typedef struct {
	uint16_t DeliverableSints, Reserved1;
	uint32_t Reserved2;
} WHV_SYNIC_SINT_DELIVERABLE_CONTEXT;
typedef struct {
	WHV_RUN_VP_EXIT_REASON ExitReason;
	uint32_t Reserved;
	WHV_VP_EXIT_CONTEXT VpContext;
	union {
		WHV_MEMORY_ACCESS_CONTEXT MemoryAccess;
		WHV_X64_IO_PORT_ACCESS_CONTEXT IoPortAccess;
		WHV_X64_MSR_ACCESS_CONTEXT MsrAccess;
		WHV_X64_CPUID_ACCESS_CONTEXT CpuidAccess;
		WHV_VP_EXCEPTION_CONTEXT VpException;
		WHV_X64_INTERRUPTION_DELIVERABLE_CONTEXT InterruptWindow;
		WHV_X64_UNSUPPORTED_FEATURE_CONTEXT UnsupportedFeature;
		WHV_RUN_VP_CANCELED_CONTEXT CancelReason;
		WHV_X64_APIC_EOI_CONTEXT ApicEoi;
		WHV_X64_RDTSC_CONTEXT ReadTsc;
		WHV_X64_APIC_SMI_CONTEXT ApicSmi;
		WHV_HYPERCALL_CONTEXT Hypercall;
		WHV_X64_APIC_INIT_SIPI_CONTEXT ApicInitSipi;
		WHV_X64_APIC_WRITE_CONTEXT ApicWrite;
		WHV_SYNIC_SINT_DELIVERABLE_CONTEXT SynicSintDeliverable;
	};
} WHV_RUN_VP_EXIT_CONTEXT;

/* ------ interrupts, properties of processors ------ */

typedef struct {
	uint64_t Type : 8, DestinationMode : 4, TriggerMode : 4, Reserved : 48;
	uint32_t Destination, Vector;
} WHV_INTERRUPT_CONTROL;
typedef struct {
	WHV_VIRTUAL_PROCESSOR_PROPERTY_CODE PropertyCode;
	uint32_t Reserved;
	uint64_t Value;
} WHV_VIRTUAL_PROCESSOR_PROPERTY;

/* ------ WinHvEmulation ------ */

typedef union {
	struct {
		uint32_t EmulationSuccessful : 1, InternalEmulationFailure : 1, IoPortCallbackFailed : 1;
		uint32_t MemoryCallbackFailed : 1, TranslateGvaPageCallbackFailed : 1;
		uint32_t TranslateGvaPageCallbackGpaIsNotAligned : 1, GetVirtualProcessorRegistersCallbackFailed : 1;
		uint32_t SetVirtualProcessorRegistersCallbackFailed : 1, InterruptCausedIntercept : 1;
		uint32_t GuestCannotBeFaulted : 1, Reserved : 22;
	};
	uint32_t AsUINT32;
} WHV_EMULATOR_STATUS;
typedef struct {
	WHV_GUEST_PHYSICAL_ADDRESS GpaAddress;
	uint8_t Direction, AccessSize, Data[8];
} WHV_EMULATOR_MEMORY_ACCESS_INFO;
typedef struct {
	uint8_t Direction;
	uint16_t Port, AccessSize;
	uint32_t Data;
} WHV_EMULATOR_IO_ACCESS_INFO;
typedef struct {
	uint32_t Size, Reserved;
	HRESULT (*WHvEmulatorIoPortCallback)(void *Context, WHV_EMULATOR_IO_ACCESS_INFO *IoAccess);
	HRESULT (*WHvEmulatorMemoryCallback)(void *Context, WHV_EMULATOR_MEMORY_ACCESS_INFO *MemoryAccess);
	HRESULT (*WHvEmulatorGetVirtualProcessorRegisters)(void *Context, const WHV_REGISTER_NAME *RegisterNames,
							   uint32_t RegisterCount, WHV_REGISTER_VALUE *RegisterValues);
	HRESULT (*WHvEmulatorSetVirtualProcessorRegisters)(void *Context, const WHV_REGISTER_NAME *RegisterNames,
							   uint32_t RegisterCount,
							   const WHV_REGISTER_VALUE *RegisterValues);
	HRESULT (*WHvEmulatorTranslateGvaPage)(void *Context, WHV_GUEST_VIRTUAL_ADDRESS Gva,
					       WHV_TRANSLATE_GVA_FLAGS TranslateFlags,
					       WHV_TRANSLATE_GVA_RESULT_CODE *TranslationResult,
					       WHV_GUEST_PHYSICAL_ADDRESS *Gpa);
} WHV_EMULATOR_CALLBACKS;
typedef void *WHV_EMULATOR_HANDLE;

/* ------ functions ------ */

/* X(name, since, arguments). since: the Windows 10 that introduced it; 2100 stands for build 20348 and Windows 11,
 * where documents disagree. Types that neither the back end nor the simulation looks into are void or plain integers
 * here. */
#define WHP_PLATFORM_FUNCTIONS(X) \
	X(WHvGetCapability, 1803, (WHV_CAPABILITY_CODE CapabilityCode, void *CapabilityBuffer, uint32_t \
	  CapabilityBufferSizeInBytes, uint32_t *WrittenSizeInBytes)) \
	X(WHvCreatePartition, 1803, (WHV_PARTITION_HANDLE *Partition)) \
	X(WHvSetupPartition, 1803, (WHV_PARTITION_HANDLE Partition)) \
	X(WHvResetPartition, 2100, (WHV_PARTITION_HANDLE Partition)) \
	X(WHvDeletePartition, 1803, (WHV_PARTITION_HANDLE Partition)) \
	X(WHvGetPartitionProperty, 1803, (WHV_PARTITION_HANDLE Partition, WHV_PARTITION_PROPERTY_CODE PropertyCode, \
	  void *PropertyBuffer, uint32_t PropertyBufferSizeInBytes, uint32_t *WrittenSizeInBytes)) \
	X(WHvSetPartitionProperty, 1803, (WHV_PARTITION_HANDLE Partition, WHV_PARTITION_PROPERTY_CODE PropertyCode, \
	  const void *PropertyBuffer, uint32_t PropertyBufferSizeInBytes)) \
	X(WHvSuspendPartitionTime, 1903, (WHV_PARTITION_HANDLE Partition)) \
	X(WHvResumePartitionTime, 1903, (WHV_PARTITION_HANDLE Partition)) \
	X(WHvMapGpaRange, 1803, (WHV_PARTITION_HANDLE Partition, void *SourceAddress, WHV_GUEST_PHYSICAL_ADDRESS \
	  GuestAddress, uint64_t SizeInBytes, WHV_MAP_GPA_RANGE_FLAGS Flags)) \
	X(WHvMapGpaRange2, 2100, (WHV_PARTITION_HANDLE Partition, void *Process, void *SourceAddress, \
	  WHV_GUEST_PHYSICAL_ADDRESS GuestAddress, uint64_t SizeInBytes, WHV_MAP_GPA_RANGE_FLAGS Flags)) \
	X(WHvUnmapGpaRange, 1803, (WHV_PARTITION_HANDLE Partition, WHV_GUEST_PHYSICAL_ADDRESS GuestAddress, \
	  uint64_t SizeInBytes)) \
	X(WHvTranslateGva, 1803, (WHV_PARTITION_HANDLE Partition, uint32_t VpIndex, WHV_GUEST_VIRTUAL_ADDRESS Gva, \
	  WHV_TRANSLATE_GVA_FLAGS TranslateFlags, WHV_TRANSLATE_GVA_RESULT *TranslationResult, \
	  WHV_GUEST_PHYSICAL_ADDRESS *Gpa)) \
	X(WHvCreateVirtualProcessor, 1803, (WHV_PARTITION_HANDLE Partition, uint32_t VpIndex, uint32_t Flags)) \
	X(WHvCreateVirtualProcessor2, 2100, (WHV_PARTITION_HANDLE Partition, uint32_t VpIndex, const \
	  WHV_VIRTUAL_PROCESSOR_PROPERTY *Properties, uint32_t PropertyCount)) \
	X(WHvDeleteVirtualProcessor, 1803, (WHV_PARTITION_HANDLE Partition, uint32_t VpIndex)) \
	X(WHvRunVirtualProcessor, 1803, (WHV_PARTITION_HANDLE Partition, uint32_t VpIndex, void *ExitContext, \
	  uint32_t ExitContextSizeInBytes)) \
	X(WHvCancelRunVirtualProcessor, 1803, (WHV_PARTITION_HANDLE Partition, uint32_t VpIndex, uint32_t Flags)) \
	X(WHvGetVirtualProcessorRegisters, 1803, (WHV_PARTITION_HANDLE Partition, uint32_t VpIndex, const \
	  WHV_REGISTER_NAME *RegisterNames, uint32_t RegisterCount, WHV_REGISTER_VALUE *RegisterValues)) \
	X(WHvSetVirtualProcessorRegisters, 1803, (WHV_PARTITION_HANDLE Partition, uint32_t VpIndex, const \
	  WHV_REGISTER_NAME *RegisterNames, uint32_t RegisterCount, const WHV_REGISTER_VALUE *RegisterValues)) \
	X(WHvGetVirtualProcessorInterruptControllerState, 1809, (WHV_PARTITION_HANDLE Partition, uint32_t VpIndex, \
	  void *State, uint32_t StateSize, uint32_t *WrittenSize)) \
	X(WHvSetVirtualProcessorInterruptControllerState, 1809, (WHV_PARTITION_HANDLE Partition, uint32_t VpIndex, \
	  const void *State, uint32_t StateSize)) \
	X(WHvRequestInterrupt, 1809, (WHV_PARTITION_HANDLE Partition, const WHV_INTERRUPT_CONTROL *Interrupt, \
	  uint32_t InterruptControlSize)) \
	X(WHvGetVirtualProcessorXsaveState, 1809, (WHV_PARTITION_HANDLE Partition, uint32_t VpIndex, void *Buffer, \
	  uint32_t BufferSizeInBytes, uint32_t *BytesWritten)) \
	X(WHvSetVirtualProcessorXsaveState, 1809, (WHV_PARTITION_HANDLE Partition, uint32_t VpIndex, const void \
	  *Buffer, uint32_t BufferSizeInBytes)) \
	X(WHvQueryGpaRangeDirtyBitmap, 1809, (WHV_PARTITION_HANDLE Partition, WHV_GUEST_PHYSICAL_ADDRESS \
	  GuestAddress, uint64_t RangeSizeInBytes, uint64_t *Bitmap, uint32_t BitmapSizeInBytes)) \
	X(WHvGetPartitionCounters, 1809, (WHV_PARTITION_HANDLE Partition, WHV_PARTITION_COUNTER_SET CounterSet, \
	  void *Buffer, uint32_t BufferSizeInBytes, uint32_t *BytesWritten)) \
	X(WHvGetVirtualProcessorCounters, 1809, (WHV_PARTITION_HANDLE Partition, uint32_t VpIndex, \
	  WHV_PROCESSOR_COUNTER_SET CounterSet, void *Buffer, uint32_t BufferSizeInBytes, uint32_t *BytesWritten)) \
	X(WHvGetVirtualProcessorInterruptControllerState2, 2004, (WHV_PARTITION_HANDLE Partition, uint32_t VpIndex, \
	  void *State, uint32_t StateSize, uint32_t *WrittenSize)) \
	X(WHvSetVirtualProcessorInterruptControllerState2, 2004, (WHV_PARTITION_HANDLE Partition, uint32_t VpIndex, \
	  const void *State, uint32_t StateSize)) \
	X(WHvRegisterPartitionDoorbellEvent, 2004, (WHV_PARTITION_HANDLE Partition, const WHV_DOORBELL_MATCH_DATA \
	  *MatchData, void *EventHandle)) \
	X(WHvUnregisterPartitionDoorbellEvent, 2004, (WHV_PARTITION_HANDLE Partition, const WHV_DOORBELL_MATCH_DATA \
	  *MatchData)) \
	X(WHvAdviseGpaRange, 2100, (WHV_PARTITION_HANDLE Partition, const WHV_MEMORY_RANGE_ENTRY *GpaRanges, \
	  uint32_t GpaRangesCount, WHV_ADVISE_GPA_RANGE_CODE Advice, const void *AdviceBuffer, uint32_t \
	  AdviceBufferSizeInBytes)) \
	X(WHvReadGpaRange, 2100, (WHV_PARTITION_HANDLE Partition, uint32_t VpIndex, WHV_GUEST_PHYSICAL_ADDRESS \
	  GuestAddress, WHV_ACCESS_GPA_CONTROLS Controls, void *Data, uint32_t DataSizeInBytes)) \
	X(WHvWriteGpaRange, 2100, (WHV_PARTITION_HANDLE Partition, uint32_t VpIndex, WHV_GUEST_PHYSICAL_ADDRESS \
	  GuestAddress, WHV_ACCESS_GPA_CONTROLS Controls, const void *Data, uint32_t DataSizeInBytes)) \
	X(WHvSignalVirtualProcessorSynicEvent, 2100, (WHV_PARTITION_HANDLE Partition, uint64_t SynicEvent, int32_t \
	  *NewlySignaled)) \
	X(WHvGetVirtualProcessorState, 2100, (WHV_PARTITION_HANDLE Partition, uint32_t VpIndex, \
	  WHV_VIRTUAL_PROCESSOR_STATE_TYPE StateType, void *Buffer, uint32_t BufferSizeInBytes, uint32_t \
	  *BytesWritten)) \
	X(WHvSetVirtualProcessorState, 2100, (WHV_PARTITION_HANDLE Partition, uint32_t VpIndex, \
	  WHV_VIRTUAL_PROCESSOR_STATE_TYPE StateType, const void *Buffer, uint32_t BufferSizeInBytes)) \
	X(WHvAllocateVpciResource, 2100, (const void *ProviderId, uint32_t Flags, const void *ResourceDescriptor, \
	  uint32_t ResourceDescriptorSizeInBytes, void **VpciResource)) \
	X(WHvCreateVpciDevice, 2100, (WHV_PARTITION_HANDLE Partition, uint64_t LogicalDeviceId, void *VpciResource, \
	  uint32_t Flags, void *NotificationEventHandle)) \
	X(WHvDeleteVpciDevice, 2100, (WHV_PARTITION_HANDLE Partition, uint64_t LogicalDeviceId)) \
	X(WHvGetVpciDeviceProperty, 2100, (WHV_PARTITION_HANDLE Partition, uint64_t LogicalDeviceId, uint32_t \
	  PropertyCode, void *PropertyBuffer, uint32_t PropertyBufferSizeInBytes, uint32_t *WrittenSizeInBytes)) \
	X(WHvGetVpciDeviceNotification, 2100, (WHV_PARTITION_HANDLE Partition, uint64_t LogicalDeviceId, void \
	  *Notification, uint32_t NotificationSizeInBytes)) \
	X(WHvMapVpciDeviceMmioRanges, 2100, (WHV_PARTITION_HANDLE Partition, uint64_t LogicalDeviceId, uint32_t \
	  *MappingCount, void **Mappings)) \
	X(WHvUnmapVpciDeviceMmioRanges, 2100, (WHV_PARTITION_HANDLE Partition, uint64_t LogicalDeviceId)) \
	X(WHvSetVpciDevicePowerState, 2100, (WHV_PARTITION_HANDLE Partition, uint64_t LogicalDeviceId, int32_t \
	  PowerState)) \
	X(WHvReadVpciDeviceRegister, 2100, (WHV_PARTITION_HANDLE Partition, uint64_t LogicalDeviceId, const void \
	  *Register, void *Data)) \
	X(WHvWriteVpciDeviceRegister, 2100, (WHV_PARTITION_HANDLE Partition, uint64_t LogicalDeviceId, const void \
	  *Register, const void *Data)) \
	X(WHvMapVpciDeviceInterrupt, 2100, (WHV_PARTITION_HANDLE Partition, uint64_t LogicalDeviceId, uint32_t \
	  Index, uint32_t MessageCount, const void *Target, uint64_t *MsiAddress, uint32_t *MsiData)) \
	X(WHvUnmapVpciDeviceInterrupt, 2100, (WHV_PARTITION_HANDLE Partition, uint64_t LogicalDeviceId, uint32_t \
	  Index)) \
	X(WHvRetargetVpciDeviceInterrupt, 2100, (WHV_PARTITION_HANDLE Partition, uint64_t LogicalDeviceId, uint64_t \
	  MsiAddress, uint32_t MsiData, const void *Target)) \
	X(WHvRequestVpciDeviceInterrupt, 2100, (WHV_PARTITION_HANDLE Partition, uint64_t LogicalDeviceId, uint64_t \
	  MsiAddress, uint32_t MsiData)) \
	X(WHvGetVpciDeviceInterruptTarget, 2100, (WHV_PARTITION_HANDLE Partition, uint64_t LogicalDeviceId, \
	  uint32_t Index, uint32_t MultiMessageNumber, void *Target, uint32_t TargetSizeInBytes, uint32_t \
	  *BytesWritten)) \
	X(WHvCreateTrigger, 2100, (WHV_PARTITION_HANDLE Partition, const void *Parameters, void **TriggerHandle, \
	  void **EventHandle)) \
	X(WHvUpdateTriggerParameters, 2100, (WHV_PARTITION_HANDLE Partition, const void *Parameters, void \
	  *TriggerHandle)) \
	X(WHvDeleteTrigger, 2100, (WHV_PARTITION_HANDLE Partition, void *TriggerHandle)) \
	X(WHvCreateNotificationPort, 2100, (WHV_PARTITION_HANDLE Partition, const void *Parameters, void \
	  *EventHandle, void **PortHandle)) \
	X(WHvSetNotificationPortProperty, 2100, (WHV_PARTITION_HANDLE Partition, void *PortHandle, uint32_t \
	  PropertyCode, uint64_t PropertyValue)) \
	X(WHvDeleteNotificationPort, 2100, (WHV_PARTITION_HANDLE Partition, void *PortHandle)) \
	X(WHvPostVirtualProcessorSynicMessage, 2100, (WHV_PARTITION_HANDLE Partition, uint32_t VpIndex, uint32_t \
	  SintIndex, const void *Message, uint32_t MessageSizeInBytes)) \
	X(WHvGetVirtualProcessorCpuidOutput, 2100, (WHV_PARTITION_HANDLE Partition, uint32_t VpIndex, uint32_t Eax, \
	  uint32_t Ecx, WHV_CPUID_OUTPUT *CpuidOutput)) \
	X(WHvGetInterruptTargetVpSet, 2100, (WHV_PARTITION_HANDLE Partition, uint64_t Destination, \
	  WHV_INTERRUPT_DESTINATION_MODE DestinationMode, uint32_t *TargetVps, uint32_t VpCount, uint32_t \
	  *TargetVpCount)) \
	X(WHvStartPartitionMigration, 2100, (WHV_PARTITION_HANDLE Partition, void **MigrationHandle)) \
	X(WHvCancelPartitionMigration, 2100, (WHV_PARTITION_HANDLE Partition)) \
	X(WHvCompletePartitionMigration, 2100, (WHV_PARTITION_HANDLE Partition)) \
	X(WHvAcceptPartitionMigration, 2100, (void *MigrationHandle, WHV_PARTITION_HANDLE *Partition))
#define WHP_EMULATION_FUNCTIONS(X) \
	X(WHvEmulatorCreateEmulator, 1803, (const WHV_EMULATOR_CALLBACKS *Callbacks, WHV_EMULATOR_HANDLE \
	  *Emulator)) \
	X(WHvEmulatorDestroyEmulator, 1803, (WHV_EMULATOR_HANDLE Emulator)) \
	X(WHvEmulatorTryIoEmulation, 1803, (WHV_EMULATOR_HANDLE Emulator, void *Context, const WHV_VP_EXIT_CONTEXT \
	  *VpContext, const WHV_X64_IO_PORT_ACCESS_CONTEXT *IoInstructionContext, WHV_EMULATOR_STATUS \
	  *EmulatorReturnStatus)) \
	X(WHvEmulatorTryMmioEmulation, 1803, (WHV_EMULATOR_HANDLE Emulator, void *Context, const \
	  WHV_VP_EXIT_CONTEXT *VpContext, const WHV_MEMORY_ACCESS_CONTEXT *MmioInstructionContext, \
	  WHV_EMULATOR_STATUS *EmulatorReturnStatus))
#define WHP_PROTOTYPE(name, since, arguments) HRESULT name arguments;
WHP_PLATFORM_FUNCTIONS(WHP_PROTOTYPE)
WHP_EMULATION_FUNCTIONS(WHP_PROTOTYPE)

/* ------ facts ------ */

/* X(type, size, alignment) on Win64. */
#define WHP_SIZES(X) \
	X(WHV_CAPABILITY, 24, 8) \
	X(WHV_REGISTER_VALUE, 16, 16) \
	X(WHV_X64_SEGMENT_REGISTER, 16, 8) \
	X(WHV_X64_TABLE_REGISTER, 16, 8) \
	X(WHV_VP_EXIT_CONTEXT, 40, 8) \
	X(WHV_MEMORY_ACCESS_CONTEXT, 40, 8) \
	X(WHV_X64_IO_PORT_ACCESS_CONTEXT, 96, 8) \
	X(WHV_X64_MSR_ACCESS_CONTEXT, 24, 8) \
	X(WHV_X64_CPUID_ACCESS_CONTEXT, 64, 8) \
	X(WHV_VP_EXCEPTION_CONTEXT, 40, 8) \
	X(WHV_X64_INTERRUPTION_DELIVERABLE_CONTEXT, 4, 4) \
	X(WHV_X64_UNSUPPORTED_FEATURE_CONTEXT, 16, 8) \
	X(WHV_RUN_VP_CANCELED_CONTEXT, 4, 4) \
	X(WHV_X64_APIC_EOI_CONTEXT, 4, 4) \
	X(WHV_X64_RDTSC_CONTEXT, 40, 8) \
	X(WHV_X64_APIC_SMI_CONTEXT, 8, 8) \
	X(WHV_HYPERCALL_CONTEXT, 176, 16) \
	X(WHV_X64_APIC_INIT_SIPI_CONTEXT, 8, 8) \
	X(WHV_X64_APIC_WRITE_CONTEXT, 16, 8) \
	X(WHV_RUN_VP_EXIT_CONTEXT, 224, 16) \
	X(WHV_INTERRUPT_CONTROL, 16, 8) \
	X(WHV_X64_CPUID_RESULT, 32, 4) \
	X(WHV_X64_CPUID_RESULT2, 48, 4) \
	X(WHV_TRANSLATE_GVA_RESULT, 8, 4) \
	X(WHV_MEMORY_RANGE_ENTRY, 16, 8) \
	X(WHV_DOORBELL_MATCH_DATA, 24, 8) \
	X(WHV_MSR_ACTION_ENTRY, 8, 4) \
	X(WHV_X64_PENDING_INTERRUPTION_REGISTER, 8, 8) \
	X(WHV_X64_INTERRUPT_STATE_REGISTER, 8, 8) \
	X(WHV_X64_DELIVERABILITY_NOTIFICATIONS_REGISTER, 8, 8) \
	X(WHV_INTERNAL_ACTIVITY_REGISTER, 8, 8) \
	X(WHV_X64_PENDING_DEBUG_EXCEPTION, 8, 8) \
	X(WHV_X64_PENDING_EXCEPTION_EVENT, 16, 16) \
	X(WHV_X64_PENDING_EXT_INT_EVENT, 16, 16) \
	X(WHV_ADVISE_GPA_RANGE_POPULATE, 8, 4) \
	X(WHV_EMULATOR_CALLBACKS, 48, 8)
#define WHP_OFFSETS(X) \
	X(WHV_RUN_VP_EXIT_CONTEXT, VpContext, 8) \
	X(WHV_RUN_VP_EXIT_CONTEXT, MemoryAccess, 48) \
	X(WHV_VP_EXIT_CONTEXT, Cs, 8) \
	X(WHV_VP_EXIT_CONTEXT, Rip, 24) \
	X(WHV_VP_EXIT_CONTEXT, Rflags, 32) \
	X(WHV_MEMORY_ACCESS_CONTEXT, InstructionBytes, 4) \
	X(WHV_MEMORY_ACCESS_CONTEXT, AccessInfo, 20) \
	X(WHV_MEMORY_ACCESS_CONTEXT, Gpa, 24) \
	X(WHV_MEMORY_ACCESS_CONTEXT, Gva, 32) \
	X(WHV_X64_IO_PORT_ACCESS_CONTEXT, AccessInfo, 20) \
	X(WHV_X64_IO_PORT_ACCESS_CONTEXT, PortNumber, 24) \
	X(WHV_X64_IO_PORT_ACCESS_CONTEXT, Rax, 32) \
	X(WHV_X64_IO_PORT_ACCESS_CONTEXT, Ds, 64) \
	X(WHV_X64_MSR_ACCESS_CONTEXT, MsrNumber, 4) \
	X(WHV_VP_EXCEPTION_CONTEXT, ExceptionInfo, 20) \
	X(WHV_VP_EXCEPTION_CONTEXT, ExceptionType, 24) \
	X(WHV_VP_EXCEPTION_CONTEXT, ErrorCode, 28) \
	X(WHV_VP_EXCEPTION_CONTEXT, ExceptionParameter, 32) \
	X(WHV_HYPERCALL_CONTEXT, XmmRegisters, 64) \
	X(WHV_X64_SEGMENT_REGISTER, Selector, 12) \
	X(WHV_X64_SEGMENT_REGISTER, Attributes, 14) \
	X(WHV_X64_TABLE_REGISTER, Limit, 6) \
	X(WHV_X64_TABLE_REGISTER, Base, 8) \
	X(WHV_X64_FP_CONTROL_STATUS_REGISTER, LastFpRip, 8) \
	X(WHV_X64_XMM_CONTROL_STATUS_REGISTER, XmmStatusControl, 8) \
	X(WHV_INTERRUPT_CONTROL, Vector, 12)
#define WHP_ASSERT_SIZE(type, size, alignment) \
	_Static_assert(sizeof(type) == (size) && _Alignof(type) == (alignment), #type);
#define WHP_ASSERT_OFFSET(type, field, offset) _Static_assert(offsetof(type, field) == (offset), #type "." #field);
WHP_SIZES(WHP_ASSERT_SIZE)
WHP_OFFSETS(WHP_ASSERT_OFFSET)

#endif
