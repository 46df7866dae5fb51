/* vmaccel.h - the whole public interface of libvmaccel but for the registers of one architecture (x86.h,
 * arm64.h), the scripted back end (null.h) and native handles (native.h).
 *
 * Read top to bottom: errors, platforms, memory, virtual machines, virtual CPUs, exits, state.
 *
 * Conventions. Functions return 0 (or a stated value above 0) when they worked and a negative VMA_E_ code when
 * not; vma_why() then holds one sentence for people. Handles are opaque. A struct that may grow starts with its
 * `size`, which the caller sets to sizeof. Addresses: gpa = guest physical, gva = guest virtual, hva = host virtual;
 * all sizes are bytes. The library never prints, never exits, never aborts on anything that a guest or a caller did.
 *
 * Threads. A vCPU belongs to the thread that created it: every vma_vcpu_ and vma_x86_ call on it from another
 * thread is refused with VMA_E_WRONG_THREAD, on every accelerator, because Apple's requires it. The exceptions are
 * marked "any thread". VM and memory calls may be made from any thread. */
#ifndef VMACCEL_H
#define VMACCEL_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__) && !defined(_WIN32)
#define VMA_API __attribute__((visibility("default")))
#elif defined(_WIN32) && defined(VMA_BUILDING)
#define VMA_API __declspec(dllexport)
#else
#define VMA_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define VMA_VERSION_MAJOR 0
#define VMA_VERSION_MINOR 1
#define VMA_VERSION_PATCH 0

/* ------ errors ------ */

/* X(NAME, number, text): one list, the same numbers on every host; the functions return them negative. */
#define VMA_ERRORS(X)                                                                                                  \
	X(INVALID, 1, "invalid argument")                                                                              \
	X(STATE, 2, "not allowed in this state")                                                                       \
	X(WRONG_THREAD, 3, "the vCPU belongs to another thread")                                                       \
	X(PENDING, 4, "an exit waits for its completion")                                                              \
	X(NOMEM, 5, "out of memory")                                                                                   \
	X(EXIST, 6, "already exists or overlaps")                                                                      \
	X(NOENT, 7, "no such thing")                                                                                   \
	X(LIMIT, 8, "a limit of the platform is reached")                                                              \
	X(BUSY, 9, "busy")                                                                                             \
	X(NO_HOST, 10, "this host cannot")                                                                             \
	X(NO_ACCEL, 11, "this accelerator cannot")                                                                     \
	X(NOT_WRITTEN, 12, "not written yet")                                                                          \
	X(PERM, 13, "not permitted")                                                                                   \
	X(FEATURE, 14, "a CPU feature is missing")                                                                     \
	X(FORMAT, 15, "malformed data")                                                                                \
	X(VERSION, 16, "unknown version")                                                                              \
	X(NATIVE, 17, "the platform's call failed")                                                                    \
	X(IO, 18, "input or output failed")                                                                            \
	X(FAULT, 19, "the address does not translate")                                                                 \
	X(OWNER_GONE, 20, "the owner thread is gone")

enum {
#define VMA_X(name, number, text) VMA_E_##name = -(number),
	VMA_ERRORS(VMA_X)
#undef VMA_X
};

/* Name of an error ("VMA_E_INVALID") and its general text; "VMA_E_?" for a number outside the list. Any thread. */
VMA_API const char *vma_error_name(int error);
VMA_API const char *vma_error_text(int error);
/* What failed last on this thread, in one sentence, naming the native call and code where there was one. Never NULL;
 * valid until this thread's next failing call. Kept over successful calls. */
VMA_API const char *vma_why(void);

/* ------ platforms ------ */

typedef enum vma_accel {
	VMA_ACCEL_AUTO = 0, /* the fastest that works, see vma_platform_choose */
	VMA_ACCEL_KVM = 1,
	VMA_ACCEL_HVF = 2,
	VMA_ACCEL_WHPX = 3,
	VMA_ACCEL_VZ = 4,
	VMA_ACCEL_SOFT = 5,
	VMA_ACCEL_NULL = 6
} vma_accel;

typedef enum vma_arch { VMA_ARCH_X86_64 = 1, VMA_ARCH_ARM64 = 2 } vma_arch;

/* X(NAME, bit, text): what an accelerator can do beyond the calls that all have. A bit is set only where a test
 * exercises it on that accelerator. */
#define VMA_CAPS(X)                                                                                                    \
	X(IRQCHIP, 0, "interrupt controllers in the platform")                                                         \
	X(IRQFD, 1, "interrupts raised by eventfd")                                                                    \
	X(IOEVENTFD, 2, "guest writes signalled by eventfd")                                                           \
	X(MSI, 3, "message signalled interrupts")                                                                      \
	X(DIRTY_LOG, 4, "log of written pages")                                                                        \
	X(READONLY, 5, "read-only memory")                                                                             \
	X(EXEC_PROT, 6, "memory without execute permission")                                                           \
	X(ALIAS, 7, "one host page at several guest addresses")                                                        \
	X(MSR_EXIT, 8, "exits for chosen and unknown MSRs")                                                            \
	X(CPUID_EXIT, 9, "exits for CPUID")                                                                            \
	X(HYPERCALL_EXIT, 10, "exits for hypercalls")                                                                  \
	X(SINGLE_STEP, 11, "single step")                                                                              \
	X(HW_BREAK, 12, "breakpoints and watchpoints")                                                                 \
	X(SW_BREAK, 13, "exits for breakpoint instructions")                                                           \
	X(XSAVE, 14, "extended state")                                                                                 \
	X(TSC_SCALE, 15, "a guest TSC frequency of choice")                                                            \
	X(CLOCK, 16, "a guest clock that can be read, set and stopped")                                                \
	X(PARTIAL_UNMAP, 17, "unmap and protect of parts of a mapping")                                                \
	X(INSN_COUNT, 18, "exact instruction budgets and a clock of instructions")

enum {
#define VMA_X(name, bit, text) VMA_CAP_##name = 1u << (bit),
	VMA_CAPS(VMA_X)
#undef VMA_X
};

typedef struct vma_platform_info {
	uint32_t size;
	vma_accel accel;
	vma_arch arch;
	const char *name;    /* "kvm", "soft", ... */
	int available;       /* 1: a VM can be made now */
	int machine_level;   /* 1: the platform controls whole machines, not vCPUs (VZ) */
	const char *why;     /* not available: why not, in one sentence */
	const char *remedy;  /* not available: what the user can do; "" when nothing */
	const char *version; /* native version or model, "" when there is none */
	const char *proved;  /* where this back end has run: "native", "simulated, never run on macOS", ... */
	uint32_t caps;       /* VMA_CAP_ bits; 0 when not available */
	uint32_t max_vcpus;
	uint32_t max_vms;     /* per process; 0: no limit */
	uint32_t max_regions; /* mappings of a VM at a time */
	uint32_t gpa_bits;
	uint32_t granule;     /* smallest mapping unit in bytes */
	uint32_t breakpoints; /* hardware breakpoints and watchpoints together */
} vma_platform_info;

/* Number of accelerators compiled in (an accelerator counts once for each guest architecture). */
VMA_API int vma_platform_count(void);
/* Fill *info for platform `index` (0 .. count-1). Probing is quick and costs nothing where the device is absent; it
 * is done once a process. The strings live as long as the process. VMA_E_NOENT: no such index. */
VMA_API int vma_platform_get(int index, vma_platform_info *info);
/* The same by accelerator and architecture. VMA_E_NOENT: not compiled in. */
VMA_API int vma_platform_find(vma_accel accel, vma_arch arch, vma_platform_info *info);
/* For reports: what the platform behind an accelerator says about itself in its own terms, a key and a value for each fact, printable
 * text that is gone after `say` returns. Returns how many; none where nothing is known. VMA_E_NOENT: not compiled in. */
typedef void vma_fact(void *opaque, const char *key, const char *value);
VMA_API int vma_platform_facts(vma_accel accel, vma_arch arch, vma_fact *say, void *opaque);
/* Run a short guest loop (10 ms at most) and report guest instructions a second. Measured once a process, then
 * remembered. */
VMA_API int vma_platform_measure(vma_accel accel, vma_arch arch, uint64_t *insns_per_second);
/* What VMA_ACCEL_AUTO means here: the fastest available accelerator by that measurement; with a single candidate
 * nothing is measured. `reason` (may be NULL) gets one sentence saying which and why, cut to `reason_size`. Never
 * chooses null or vz. */
VMA_API int vma_platform_choose(vma_arch arch, vma_accel *accel, char *reason, size_t reason_size);
/* "kvm" -> VMA_ACCEL_KVM and back; VMA_E_NOENT / "?" for what is unknown. */
VMA_API int vma_accel_parse(const char *name, vma_accel *accel);
VMA_API const char *vma_accel_name(vma_accel accel);

/* ------ memory objects ------ */

/* Guest memory is mapped from reference-counted objects; a mapping holds a reference. */
typedef struct vma_mem vma_mem;

enum {
	VMA_MEM_PRIVATE = 1u << 0,  /* file: copy on write; the file is never changed */
	VMA_MEM_READONLY = 1u << 1, /* file: map for reading only */
};

/* Zeroed memory; backed by a file descriptor where the host can (Linux memfd), else plain. `size`: multiple of 4096,
 * not 0. */
VMA_API int vma_mem_anon(uint64_t size, vma_mem **mem);
/* `size` bytes of an open file from `offset` (multiple of 4096), shared unless VMA_MEM_PRIVATE. The descriptor is
 * duplicated. */
VMA_API int vma_mem_file(int fd, uint64_t offset, uint64_t size, uint32_t flags, vma_mem **mem);
/* The caller's own pages; it must keep them until the last reference is gone. Aligned to 4096. Cannot be cloned. */
VMA_API int vma_mem_user(void *hva, uint64_t size, vma_mem **mem);
/* A copy-on-write twin of a descriptor-backed object as it is now; the original must not be written while the twin
 * lives, unless through the twin's own pages. VMA_E_NO_HOST: not descriptor-backed. */
VMA_API int vma_mem_clone(vma_mem *mem, vma_mem **twin);
VMA_API void vma_mem_ref(vma_mem *mem);
VMA_API void vma_mem_unref(vma_mem *mem); /* NULL is allowed */
VMA_API void *vma_mem_hva(const vma_mem *mem);
VMA_API uint64_t vma_mem_size(const vma_mem *mem);

/* ------ virtual machines ------ */

typedef struct vma_vm vma_vm;
typedef struct vma_vcpu vma_vcpu;
typedef struct vma_kick vma_kick;

typedef enum vma_irqchip {
	/* the caller injects interrupts; HLT, WFI exit (KVM on arm64 cannot: WFI waits inside run until the caller, a
	 * timer or a kick ends it) */
	VMA_IRQCHIP_NONE = 0,
	/* local APIC, I/O APIC, PIC and PIT, or a GIC (vma_arm64_gic), by the accelerator; HLT, WFI wait inside run */
	VMA_IRQCHIP_PLATFORM = 1,
	/* x86: the same machine, but its controllers are this library's own on every accelerator, above vCPUs that have
	 * none. Whatever is said of PLATFORM holds, and saved state moves between the two. Each access to a controller
	 * costs an exit to the library, which answers it inside vma_vcpu_run; memory mapped over the local APIC's or
	 * the I/O APIC's page hides it. Needs no VMA_CAP_IRQCHIP; MSI and IRQFD are always
	 * there (vma_vm_caps). VMA_E_NO_ACCEL: the accelerator lacks exits for MSRs, or insn_hz is asked for.
	 * VMA_E_NOT_WRITTEN: arm64. */
	VMA_IRQCHIP_LIBRARY = 2
} vma_irqchip;

typedef enum vma_msr_policy {
	VMA_MSR_GP = 0,  /* an MSR that nobody knows raises #GP in the guest */
	VMA_MSR_EXIT = 1 /* it exits as VMA_EXIT_MSR (VMA_CAP_MSR_EXIT) */
} vma_msr_policy;

typedef struct vma_vm_config {
	uint32_t size;
	vma_accel accel;
	vma_arch arch;
	uint32_t max_vcpus;      /* 1 .. the platform's max_vcpus; 0 means 1 */
	/* "x86-64-v1", "x86-64-v2", "x86-64-v3", "max", "host"; NULL: v2, else v1. arm64: "armv8.0-a", "armv8.2-a", "max",
	 * "host"; NULL: max. An accelerator that offers only its host's CPU takes "host", "max" and NULL. */
	const char *cpu_model;
	vma_irqchip irqchip;
	vma_msr_policy msr_policy;
	uint32_t cpuid_exits;    /* 1: every CPUID exits (VMA_CAP_CPUID_EXIT) */
	/* 1: VMCALL, VMMCALL exit (VMA_CAP_HYPERCALL_EXIT) instead of #UD; arm64: HVC and SMC exit. 0 on arm64: the platform
	 * does PSCI if it has the interrupt controllers, other calls answer NOT_SUPPORTED or are undefined. */
	uint32_t hypercall_exits;
	uint32_t pmu; /* arm64: 1 shows a PMUv3 where the accelerator has one; VMA_E_NO_ACCEL where not */
	/* arm64: SVE with vectors of this many bytes at most (16 .. 256, a multiple of 16; UINT32_MAX: the host's
	 * greatest); vma_arm64_sve_length tells what came of it. 0: no SVE. VMA_E_NO_ACCEL where the
	 * accelerator has none. */
	uint32_t sve;
	int kick_signal;         /* KVM: the signal of a kick; 0: SIGUSR1. A handler is installed if it has none. */
	/* Of the guest's TSC, 10^6 .. 10^10 (arm64: CNTFRQ_EL0, below 2^32). VMA_E_NO_ACCEL where the accelerator has not got
	 * VMA_CAP_TSC_SCALE and the host's is another, or from vma_vm_finalize where it has and does not take this one.
	 * 0: the host's; with insn_hz: insn_hz */
	uint64_t tsc_hz;
	/* Instructions a second of guest time (10^6 .. 10^10): all time that the guest can see - TSC, APIC timer, PIT, its
	 * clock - is a function of the instructions executed, HLT goes to the next timer's deadline at once (and exits
	 * as VMA_EXIT_HLT if no timer runs), and RDRAND is a fixed sequence, so that a run with the same input can be
	 * repeated (docs/vcpu.md). One vCPU; VMA_CAP_INSN_COUNT. 0: time is the host's. */
	uint64_t insn_hz;
} vma_vm_config;

/* Make a VM in its configuring state. VMA_E_NO_HOST / VMA_E_PERM: the accelerator is missing or not permitted
 * (vma_why says what to do); VMA_E_LIMIT: too many VMs in this process; VMA_E_FEATURE: the model cannot be offered
 * here, naming the feature. */
VMA_API int vma_vm_create(const vma_vm_config *config, vma_vm **vm);
/* Destroy. VMA_E_BUSY: a vCPU whose owner thread still lives is left (other than the caller's, which are destroyed
 * with it). */
VMA_API int vma_vm_destroy(vma_vm *vm);
VMA_API vma_accel vma_vm_accel(const vma_vm *vm); /* never AUTO */
VMA_API vma_arch vma_vm_arch(const vma_vm *vm);
VMA_API uint32_t vma_vm_caps(const vma_vm *vm);

/* Exits for `count` MSRs from `first`: reads (1), writes (2) or both (3). Configuring state only; VMA_E_STATE later. */
VMA_API int vma_vm_msr_exits(vma_vm *vm, uint32_t first, uint32_t count, uint32_t access);
/* Freeze the configuration. vCPUs can be created from now on; memory may be mapped before and after. */
VMA_API int vma_vm_finalize(vma_vm *vm);

enum {
	VMA_MAP_READ = 1u << 0,
	VMA_MAP_WRITE = 1u << 1,
	VMA_MAP_EXEC = 1u << 2,
	VMA_MAP_RWX = 7,
	VMA_MAP_LOG = 1u << 3 /* keep a log of written pages */
};

/* Map `size` bytes of `mem` from `offset` at `gpa`. All three are multiples of the platform's granule; no overlap
 * (VMA_E_EXIST). Reads of unmapped addresses, and writes to memory without VMA_MAP_WRITE, exit as VMA_EXIT_MMIO.
 * READ is required; EXEC may be left out only with VMA_CAP_EXEC_PROT, WRITE only with VMA_CAP_READONLY. */
VMA_API int vma_vm_map(vma_vm *vm, uint64_t gpa, vma_mem *mem, uint64_t offset, uint64_t size, uint32_t flags);
/* Unmap / change the flags of [gpa, gpa+size). Whole mappings only, unless VMA_CAP_PARTIAL_UNMAP. VMA_E_NOENT:
 * something there is not mapped. Takes effect on every vCPU before it returns; vCPUs may be running. */
VMA_API int vma_vm_unmap(vma_vm *vm, uint64_t gpa, uint64_t size);
VMA_API int vma_vm_protect(vma_vm *vm, uint64_t gpa, uint64_t size, uint32_t flags);
/* Log of pages that the guest wrote since the log was last cleared: bit n of `bitmap` (little-endian words) is page
 * gpa + n * 4096. The range lies in one mapping made with VMA_MAP_LOG. Writes by the host through the hva are not
 * logged. A page that the guest only read may be reported too (KVM does, at its first access), and every page once
 * the mapping's flags were changed while a vCPU ran. `clear`: 1 restarts the log. */
VMA_API int vma_vm_dirty_log(vma_vm *vm, uint64_t gpa, uint64_t size, uint64_t *bitmap, int clear);
/* hva of [gpa, gpa+size) if it lies in one mapping, else NULL. The pointer dies with the mapping. */
VMA_API void *vma_vm_hva(vma_vm *vm, uint64_t gpa, uint64_t size);

/* Interrupts, with interrupt controllers; VMA_E_STATE with VMA_IRQCHIP_NONE. Any thread. */
/* gsi 0..15: PIC and I/O APIC; 16..23: I/O APIC; arm64: SPI gsi, INTID 32 + gsi */
VMA_API int vma_vm_irq_line(vma_vm *vm, uint32_t gsi, int level);
/* SDM vol. 3, "Message signalled interrupts"; arm64: a write of an INTID to MSI_SETSPI_NS of the MSI frame (vma_arm64_gic) */
VMA_API int vma_vm_msi(vma_vm *vm, uint64_t address, uint32_t data);
/* A signal of the eventfd is an edge; 1 assign, 0 remove. Linux: a descriptor of eventfd(2). Windows: the handle of an
 * auto-reset event object as an int, (int)(intptr_t)handle; 32 bits of a handle count there. It stays open until it is
 * removed; then what was signalled before has raised its interrupt. VMA_E_LIMIT: an accelerator but KVM takes 63. */
VMA_API int vma_vm_irqfd(vma_vm *vm, int eventfd, uint32_t gsi, int assign);

typedef struct vma_ioeventfd {
	uint64_t address; /* port or gpa */
	uint32_t length;  /* 1, 2, 4, 8; 0: any length (MMIO only) */
	uint32_t pio;     /* 1: address is a port */
	uint32_t match;   /* 1: only writes of `value` */
	int eventfd;      /* as for vma_vm_irqfd; an event object does not count signals */
	uint64_t value;
} vma_ioeventfd;
/* A matching guest write signals the eventfd and does not exit; of a REP OUTS each element is a write (KVM: as the first
 * of a few are). 1 assign, 0 remove (all fields equal). The descriptor stays open until then. */
VMA_API int vma_vm_ioeventfd(vma_vm *vm, const vma_ioeventfd *io, int assign);

/* The guest's paravirtual clock in nanoseconds (VMA_CAP_CLOCK). Stopped while no vCPU runs only if the caller sets
 * it back. */
VMA_API int vma_vm_clock_get(vma_vm *vm, uint64_t *ns);
VMA_API int vma_vm_clock_set(vma_vm *vm, uint64_t ns);

/* ------ virtual CPUs ------ */

/* Create vCPU `index` (0 .. max_vcpus-1; its APIC id) owned by the calling thread, in the architecture's reset
 * state. With an irqchip all but vCPU 0 wait for INIT/SIPI. */
VMA_API int vma_vcpu_create(vma_vm *vm, uint32_t index, vma_vcpu **vcpu);
/* Owner thread, or any thread once the owner thread has ended. Pending exits are dropped. */
VMA_API int vma_vcpu_destroy(vma_vcpu *vcpu);
VMA_API vma_vm *vma_vcpu_vm(const vma_vcpu *vcpu);
VMA_API uint32_t vma_vcpu_index(const vma_vcpu *vcpu);

/* X(NAME, number, text): kinds of exit. What the guest does is an exit; what the host cannot do is an error. */
#define VMA_EXITS(X)                                                                                                   \
	X(IO, 1, "port input or output")                                                                               \
	X(MMIO, 2, "access to an address without memory")                                                              \
	X(MSR, 3, "RDMSR or WRMSR")                                                                                    \
	X(CPUID, 4, "CPUID")                                                                                           \
	X(SYSREG, 5, "system register access (arm64)")                                                                 \
	X(HYPERCALL, 6, "VMCALL, VMMCALL, HVC or SMC")                                                                 \
	X(HLT, 7, "HLT or WFI")                                                                                        \
	X(IRQ_WINDOW, 8, "an interrupt can be injected now")                                                           \
	X(DEBUG, 9, "breakpoint, watchpoint or single step")                                                           \
	X(TRIPLE_FAULT, 10, "triple fault")                                                                            \
	X(SYSTEM, 11, "the guest asks for power off or reset")                                                         \
	X(CANCELED, 12, "kicked")                                                                                      \
	X(FAIL_ENTRY, 13, "the processor refuses the state")                                                           \
	X(INTERNAL, 14, "the platform gave up on an instruction")                                                      \
	X(OTHER, 15, "an exit this library does not know")                                                             \
	X(BUDGET, 16, "the instruction budget is used up")                                                             \
	X(TIMER, 17, "a timer's output rose (arm64)")

typedef enum vma_exit_kind {
#define VMA_X(name, number, text) VMA_EXIT_##name = (number),
	VMA_EXITS(VMA_X)
#undef VMA_X
} vma_exit_kind;
VMA_API const char *vma_exit_name(int kind); /* "IO", ...; "?" */

/* The exit of the last run. `pending`: the guest's instruction is half done and waits for the answer (written to the
 * fields marked "answer"); the next run or vma_vcpu_complete commits it. */
typedef struct vma_exit {
	uint32_t kind;
	uint32_t pending;
	union {
		struct {
			uint16_t port;
			uint8_t width; /* 1, 2, 4 */
			uint8_t write; /* 1: OUT */
			uint32_t count; /* elements at data; above 1 only for REP INS/OUTS */
			uint8_t *data;  /* OUT: count*width bytes; IN: answer */
		} io;
		struct {
			uint64_t gpa;
			uint8_t length; /* 1..8; one access may come as several fragments */
			uint8_t write;
			uint8_t *data; /* write: the bytes; read: answer */
		} mmio;
		struct {
			uint32_t index;
			uint8_t write;
			uint8_t fault; /* answer: 1 raises #GP(0) instead */
			uint64_t value; /* write: the value; read: answer */
		} msr;
		struct {
			uint32_t leaf, subleaf;
			uint32_t eax, ebx, ecx, edx; /* hold what the guest would see; answer */
		} cpuid;
		struct {
			uint32_t id; /* VMA_ARM64_SYSREG */
			uint8_t write;
			uint8_t fault; /* answer: 1: undefined instruction instead */
			uint64_t value; /* write: the value; read: answer */
		} sysreg;
		struct {
			uint64_t number; /* RAX; arm64: X0 */
			uint64_t args[6];  /* arm64: X1 .. X6 */
			uint64_t result; /* answer, to RAX or X0 */
			uint16_t imm;    /* arm64: of HVC or SMC */
			uint8_t smc;     /* arm64: 1 SMC, 0 HVC */
		} hypercall;
		struct {
			uint32_t reason; /* VMA_DEBUG_ bits */
			uint32_t exception; /* 1 #DB, 3 #BP; arm64: ESR_EL1 as the guest would see it */
			uint64_t pc; /* linear address */
			uint64_t dr6; /* as the guest would see it; which breakpoint in bits 0..3 */
			uint64_t address; /* arm64: what was accessed, at a watchpoint */
		} debug;
		struct {
			uint32_t type; /* VMA_SYSTEM_ */
		} system;
		struct {
			uint32_t lines; /* VMA_ARM64_TIMER_ bits that rose */
		} timer;
		struct {
			uint64_t reason; /* native */
		} fail_entry;
		struct {
			uint32_t suberror; /* native */
			uint32_t count;
			uint64_t data[16];
		} internal;
		struct {
			uint64_t native; /* the platform's number */
		} other;
	};
} vma_exit;

enum { VMA_DEBUG_STEP = 1, VMA_DEBUG_HW = 2, VMA_DEBUG_SW = 4 };
enum { VMA_SYSTEM_POWER_OFF = 1, VMA_SYSTEM_RESET = 2, VMA_SYSTEM_CRASH = 3 };

/* Enter the guest until something happens; returns the exit's kind (above 0), or an error when the host failed.
 * First commits a pending exit with its answer, which may at once return the next fragment of the same instruction.
 * Signals the library did not send are invisible. */
VMA_API int vma_vcpu_run(vma_vcpu *vcpu);
/* The exit, at an address that stays the same for the vCPU's life. */
VMA_API vma_exit *vma_vcpu_exit(vma_vcpu *vcpu);
/* Commit the pending exit without running the guest further. Returns 0: done (or nothing was pending); 1: the same
 * instruction needs another answer, found in vma_vcpu_exit: loop. */
VMA_API int vma_vcpu_complete(vma_vcpu *vcpu);

/* Instructions since the vCPU was made (VMA_CAP_INSN_COUNT), or as restored: those executed, each iteration of a string
 * instruction, and those that ended in a fault. One that is half done in a pending exit is not counted yet. */
VMA_API int vma_vcpu_insns(vma_vcpu *vcpu, uint64_t *insns);
/* From now on runs return VMA_EXIT_BUDGET as soon as that count has reached `insns`, between two instructions, never
 * later; and, with vma_vm_config.insn_hz, as soon as the guest's clock (vma_vm_clock_get) has reached `clock_ns`.
 * UINT64_MAX: no limit, as at first. Owner thread. VMA_E_NO_ACCEL: without VMA_CAP_INSN_COUNT; VMA_E_STATE: clock_ns
 * without insn_hz. */
VMA_API int vma_vcpu_budget(vma_vcpu *vcpu, uint64_t insns, uint64_t clock_ns);

/* A kick makes the current or the next run return VMA_EXIT_CANCELED, exactly once however many kicks came before it. */
VMA_API int vma_vcpu_kick_handle(vma_vcpu *vcpu, vma_kick **kick); /* a new reference */
VMA_API void vma_kick_unref(vma_kick *kick);                       /* any thread; NULL is allowed */
/* Any thread or signal handler; before, during and after runs, and after the vCPU is gone. */
VMA_API void vma_kick_send(vma_kick *kick);
/* Run fn(vcpu, arg) on the owner thread: at once if that is the caller, else inside its current or next vma_vcpu_run
 * (which does not return for it). Waits for the result of fn. VMA_E_OWNER_GONE: nobody will ever run it. Any thread. */
VMA_API int vma_vcpu_call(vma_vcpu *vcpu, int (*fn)(vma_vcpu *vcpu, void *arg), void *arg);

typedef enum vma_mp {
	VMA_MP_RUNNABLE = 0,
	VMA_MP_HALTED = 1,
	VMA_MP_WAIT_SIPI = 2, /* INIT received or never started */
	VMA_MP_OFF = 3        /* arm64: PSCI off */
} vma_mp;
VMA_API int vma_vcpu_get_mp(vma_vcpu *vcpu, vma_mp *mp);
VMA_API int vma_vcpu_set_mp(vma_vcpu *vcpu, vma_mp mp);

/* Registers by id (x86.h: VMA_X86_RAX ..., arm64.h: VMA_ARM64_X0 ..., VMA_ARM64_SYSREG). A batch is all or nothing: VMA_E_INVALID names the first bad id or value
 * and nothing is read or written. While an exit is pending, reads show the state before the instruction and writes
 * are applied after its completion. */
VMA_API int vma_vcpu_get(vma_vcpu *vcpu, const uint32_t *ids, uint64_t *values, size_t count);
VMA_API int vma_vcpu_set(vma_vcpu *vcpu, const uint32_t *ids, const uint64_t *values, size_t count);
VMA_API const char *vma_reg_name(vma_arch arch, uint32_t id);            /* "rax"; NULL: unknown */
VMA_API int vma_reg_parse(vma_arch arch, const char *name, uint32_t *id);
/* All ids, in the list's order; ids may be NULL. */
VMA_API int vma_reg_list(vma_arch arch, uint32_t *ids, size_t *count);

/* The state after the processor's RESET (SDM vol. 3, table 10-1; Arm ARM D1.9.1). Time-like state is kept. */
VMA_API int vma_vcpu_reset(vma_vcpu *vcpu);

enum {
	VMA_ACCESS_WRITE = 1u << 0,
	VMA_ACCESS_EXEC = 1u << 1,
	VMA_ACCESS_USER = 1u << 2
};
typedef struct vma_translation {
	uint64_t gpa;
	uint64_t page_size;  /* of the page that maps it */
	uint32_t writable, user, executable; /* what the tables allow */
} vma_translation;
/* Walk the guest's page tables for an access of that kind at the current paging mode, without setting accessed or
 * dirty bits. VMA_E_FAULT: it would fault. */
VMA_API int vma_vcpu_translate(vma_vcpu *vcpu, uint64_t gva, uint32_t access, vma_translation *out);

enum { VMA_BREAK_EXEC = 0, VMA_BREAK_WRITE = 1, VMA_BREAK_ACCESS = 3 }; /* as in DR7 */
typedef struct vma_debug {
	uint32_t size;
	uint32_t single_step; /* exit after every instruction (every iteration of REP) */
	uint32_t software;    /* exit on INT3, BRK instead of #BP, the exception */
	uint32_t count;       /* hardware breakpoints, up to the platform's number */
	struct {
		uint64_t address; /* linear */
		uint32_t type;    /* VMA_BREAK_ */
		uint32_t length;  /* 1, 2, 4, 8; of execution 1, on arm64 4 */
	} hw[4];
} vma_debug;
VMA_API int vma_vcpu_debug(vma_vcpu *vcpu, const vma_debug *debug);

/* ------ saved state ------ */

/* State is saved as typed, versioned elements (docs/vcpu.md), little-endian, the same from every accelerator. */
enum {
	/* save: include time-like state; restore: write it. In an x86 VM of several vCPUs the TSCs stand still from
	 * then until the next run, where the accelerator can, so that they stay as far apart as they are. */
	VMA_STATE_TIME = 1u << 0
};
/* Told of each element that could not be carried, in words; may be called several times during a call. */
typedef struct vma_report {
	void (*line)(void *opaque, const char *element, const char *reason);
	void *opaque;
} vma_report;

/* Save into buf (*size bytes; NULL asks for the size). VMA_E_PENDING: complete first. VMA_E_LIMIT: too small, *size
 * says what is needed. */
VMA_API int vma_vcpu_save(vma_vcpu *vcpu, void *buf, size_t *size, uint32_t flags);
/* All or nothing. VMA_E_FORMAT, VMA_E_VERSION: not such data; VMA_E_FEATURE: it uses a CPU feature that this vCPU's
 * model lacks (named). */
VMA_API int vma_vcpu_restore(vma_vcpu *vcpu, const void *buf, size_t size, uint32_t flags, const vma_report *report);
/* The VM's own: interrupt controllers outside the vCPUs, clock. No vCPU may be running. */
VMA_API int vma_vm_save(vma_vm *vm, void *buf, size_t *size, uint32_t flags);
VMA_API int vma_vm_restore(vma_vm *vm, const void *buf, size_t size, uint32_t flags, const vma_report *report);

#ifdef __cplusplus
}
#endif
#endif
