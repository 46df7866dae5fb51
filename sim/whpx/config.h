/* config.h - which Windows, on which host, the simulated Windows Hypervisor Platform is: chosen by a text before its
 * first use. Nothing here was compared with a real Windows; the versions follow the documents' requirement tables. */
#ifndef WHPX_SIM_CONFIG_H
#define WHPX_SIM_CONFIG_H

#include <stdbool.h>
#include "replay.h"
#include "whpx/whp.h"

/* What WHP_PLATFORM_FUNCTIONS says for "since": the Windows 10 as year and month, 2100 Windows 11, 2400 its 24H2. */
enum {
	WHPSIM_1803 = 1803,
	WHPSIM_1809 = 1809,
	WHPSIM_1909 = 1909,
	WHPSIM_2004 = 2004,
	WHPSIM_11 = 2100,
	WHPSIM_24H2 = 2400
};
enum {
	WHPSIM_MAX_VPS = 64,    /* of one partition: as many as x86_share has */
	WHPSIM_HZ = 1000000000, /* TSC and local APIC timer where nothing else was asked for */
	WHPSIM_GPA_BITS = 46    /* what cpu/x86 has */
};

struct whpsim_config {
	unsigned version;
	WHV_CAPABILITY_FEATURES features;
	WHV_EXTENDED_VM_EXITS exits;
	unsigned gpa_bits;
	bool one_partition; /* a process has one partition with mapped memory at a time */
	bool invalidarg;    /* unknown properties answer E_INVALIDARG */
	bool disabled;      /* the hypervisor is not present */
	bool denied;        /* WHvSetupPartition answers E_ACCESSDENIED */
	bool absent;        /* the DLLs are not there */
	bool no_tsc_scaling; /* ProcessorClockFrequency takes the host's alone */
	bool invalid;       /* VMA_WHPX_SIM was not understood: everything fails */
	/* What documents leave open, the other way: each alone, or all of them by `otherwise`. */
	bool halt_at;           /* RIP at the exit of a HLT is at it */
	bool halt_shadow;       /* and the shadow of STI stays, where it is behind */
	bool debug_in_dr6;      /* what a #DB that exits is of stands in DR6, not in ExceptionParameter */
	bool cancel_lost;       /* a cancel that meets no run is forgotten */
	bool window_stays;      /* DeliverabilityNotifications is not spent by its exit */
	bool window_at_tpr;     /* a window of a priority opens at that CR8 already, not only below it */
	bool context_1803;      /* no larger exit context than the first version's is taken */
	bool no_remap;          /* what is mapped must be unmapped before it is mapped anew */
	bool remap_faults;      /* writes to what was unmapped and mapped again at once fault for ever */
	bool fixed_features;    /* some bits of the feature banks cannot be taken away */
	bool xapic_only;        /* LocalApicEmulationMode takes no X2Apic */
	bool exceptions_unsaid; /* ExceptionExitBitmap's capability reads 0, as in 1803 */
	bool xsave_standard;    /* the XSAVE area has the standard form */
	bool xsave_unsized;     /* asking for its size with no buffer does not tell it */
	bool tpr_checked;       /* the local APIC's state is refused where its TPR is not CR8 */
	bool vmx_shuts_down;    /* VMX's and SMX's instructions are UnrecoverableException instead of #UD */
	bool call_unseen;       /* VMCALL is a #UD that the guest has, whatever exceptions exit */
	unsigned map_bits;      /* what can be mapped, where it is less than gpa_bits says */
	uint32_t missing[8], fixed[8]; /* names of registers that are not there, or cannot be written */
	unsigned missing_count, fixed_count;

	uint64_t seed;      /* of the hostile mode; 0: off */
	uint64_t exit_ns;   /* what a run takes at least, as on a real Windows; 0: as long as it does */
	struct whpsim_replay replay;
};

/* Comma-separated, all of it optional: 1803, 1809, 2004, 11 (which it is by default), 24h2; hostile=SEED; slow=NS;
 * gpaBITS; one-partition; invalidarg; disabled; denied; absent; no-tsc-scaling; no-FEATURE (names in config.c);
 * no-FUNCTION, which is then not exported; the words of replay.h; halt-at and its like (names in config.c), otherwise:
 * all of them; mapBITS; missing=NAME and fixed=NAME, the number of a register.
 * Replaces what was set. -1: not understood, and nothing changed. Not while a partition exists. */
int whpsim_configure(const char *text);
/* As configured, else by the environment's VMA_WHPX_SIM as it is at the first call. */
const struct whpsim_config *whpsim_config(void);

#endif
