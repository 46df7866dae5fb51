/* vmm.h - a machine out of parts: what the command, and any other program, uses to run a guest on libvmaccel.
 *
 *	struct vmm_config config = { .size = sizeof(config), .kernel = "bzImage", .append = "console=ttyS0" };
 *	struct vmm_error error;
 *	struct vmm *vmm;
 *	struct vmm_result result;
 *
 *	if (vmm_create(&config, &vmm, &error) < 0) { fprintf(stderr, "%s\n", error.text); return error.status; }
 *	vmm_run(vmm, &result);
 *	vmm_destroy(vmm);
 *	return result.status;
 *
 * Nothing here prints or exits, but for what the guest itself writes on its console. Strings of the config are copied.
 */
#ifndef VMM_VMM_H
#define VMM_VMM_H

#include <stddef.h>
#include <stdint.h>
#include <vmaccel/vmaccel.h>

/* Exit statuses of the command, used in vmm_error.status and vmm_result.status. */
enum {
	VMM_STATUS_OK = 0,       /* power-off; also a reset that ended the run at its limit, and the user's Ctrl-a x */
	VMM_STATUS_BUDGET = 122, /* max_insns instructions are done, or the guest waits for what cannot come */
	VMM_STATUS_CRASH = 123,  /* the guest crashed */
	VMM_STATUS_TIMEOUT = 124,
	VMM_STATUS_VMM = 125,   /* the VMM or the host failed */
	VMM_STATUS_ACCEL = 126, /* the accelerator is missing or not permitted */
	VMM_STATUS_USAGE = 127, /* an unusable file or argument */
	VMM_STATUS_SIGNAL = 128 /* + number: stopped by a signal, as shells say it (SIGTERM: 143) */
};

/* One sentence naming the file or the argument and the reason, no newline at its end. */
struct vmm_error {
	int status; /* VMM_STATUS_VMM, _ACCEL or _USAGE */
	char text[512];
};

enum vmm_console {
	VMM_CONSOLE_STDIO = 0,   /* raw mode only if stdin is a terminal; there Ctrl-a is the escape key */
	VMM_CONSOLE_NONE = 1,    /* output is thrown away */
	VMM_CONSOLE_FILE = 2,    /* output to console_path, which is created or cut to nothing */
	VMM_CONSOLE_CALLBACK = 3 /* output to console_write, on a thread of the VMM's own, which it may block */
};

/* How a Linux bzImage is entered. */
enum vmm_entry {
	VMM_ENTRY_AUTO = 0,     /* unpacked by the host, entered directly; the classic entry if it cannot be unpacked */
	VMM_ENTRY_DIRECT = 1,   /* unpacked by the host or an error */
	VMM_ENTRY_CLASSIC = 2,  /* it unpacks itself, entered in 64-bit mode (32-bit if it has no such entry) */
	VMM_ENTRY_CLASSIC32 = 3 /* the kernel unpacks itself, entered in 32-bit protected mode */
};

/* What a reset by the guest (port 0xcf9, keyboard controller, ACPI) does. */
enum vmm_on_reset {
	VMM_RESET_STOP = 0,  /* the run ends with VMM_END_RESET */
	VMM_RESET_REBOOT = 1 /* load and start again, at most reset_limit times; then VMM_END_RESET */
};

/* The time that devices see, in nanoseconds; both from the same call so that a test can own it. NULL members: the
 * host's. Called on any thread. */
struct vmm_clock_source {
	uint64_t (*monotonic_ns)(void *opaque);
	int64_t (*realtime_ns)(void *opaque); /* since 1970, UTC */
	void *opaque;
};

/* AUTO: the accelerator's interrupt controllers, or this library's above an accelerator that has none. */
enum vmm_irqchip { VMM_IRQCHIP_AUTO, VMM_IRQCHIP_PLATFORM, VMM_IRQCHIP_LIBRARY };

struct vmm_config {
	uint32_t size;         /* sizeof(struct vmm_config) */
	vma_accel accel;       /* VMA_ACCEL_AUTO (0): the library chooses */
	vma_arch arch;         /* 0: VMA_ARCH_X86_64 */
	const char *cpu_model; /* NULL: the library's default */
	uint32_t cpus;         /* 0: 1 */
	uint32_t gic;          /* arm64: version of the GIC, 2 or 3; 0: the library's choice */
	uint64_t mem;          /* bytes of guest memory, a multiple of 4096; 0: 256 MiB */

	const char *kernel; /* arm64: Image, plain, gzip or EFI zboot, or flat binary; x86: bzImage, ELF with PVH note, Multiboot 1, or flat binary with `flat` */
	const char *initrd; /* NULL: none */
	const char *append; /* command line; NULL: "" */
	/* 1: kernel is loaded as it is at flat_address and entered there, in 64-bit mode with the first 4 GiB mapped to
	 * themselves; RSI points to the command line, RSP to the end of 512 KiB of memory that nothing else uses. arm64:
	 * entered with the MMU off, X0 points to the device tree. */
	uint32_t flat;
	uint64_t flat_address;
	enum vmm_entry entry;

	enum vmm_console console;
	const char *console_path;
	void (*console_write)(void *opaque, const void *data, size_t size);
	void *console_opaque;
	const char *marker; /* note when this text first appears on the console (its bytes, anywhere); NULL: none */

	uint32_t timeout_ms; /* of vmm_run; 0: none */
	uint32_t debug_exit; /* 1: port 0xf4 ends the run with status (v << 1) | 1 (8 bits) */
	enum vmm_on_reset on_reset;
	uint32_t reset_limit;    /* VMM_RESET_REBOOT: how many; 0: no limit */
	uint32_t handle_signals; /* 1: vmm_run ends orderly on SIGTERM, SIGINT, SIGHUP */
	struct vmm_clock_source clock;
	uint32_t flat_bits; /* mode in which a flat binary is entered: 16 (address below 1 MiB), 32, 64; 0: 64 */

	/* A run by instruction count, which repeats: time is the instructions', so many a second
	 * (vma_vm_config.insn_hz; 0: as usual, or 10^9 with max_insns), for devices too, whose UTC begins at 2020-01-01
	 * 00:00:00; it ends after max_insns instructions (0: no limit), resets included. One CPU on soft, no `clock`.
	 * The console's input is what descriptor 0 has if it is a file, else nothing. */
	uint64_t max_insns, insn_hz;
	uint32_t slice; /* for tests: the vCPU returns after at most so many instructions, which must not show; 0: no
			   limit */
	enum vmm_irqchip irqchip;
};

/* X(NAME, number, text): how a run ended. */
#define VMM_ENDS(X)                                                                                                    \
	X(POWER_OFF, 1, "power off")                                                                                   \
	X(RESET, 2, "reset")                                                                                           \
	X(DEBUG_EXIT, 3, "debug exit")                                                                                 \
	X(CRASH, 4, "crash")                                                                                           \
	X(TIMEOUT, 5, "timeout")                                                                                       \
	X(SIGNAL, 6, "signal")                                                                                         \
	X(STOPPED, 7, "stopped by vmm_request_stop")                                                                   \
	X(QUIT, 8, "quit by the user (Ctrl-a x)")                                                                      \
	X(ERROR, 9, "error of the VMM")                                                                                \
	X(BUDGET, 10, "instruction budget used up")                                                                    \
	X(HALTED, 11, "halted, and nothing will end it")

enum vmm_end {
#define VMM_X(name, number, text) VMM_END_##name = (number),
	VMM_ENDS(VMM_X)
#undef VMM_X
};
const char *vmm_end_text(enum vmm_end end); /* "?" for a number outside the list */

struct vmm_result {
	enum vmm_end end;
	int status;        /* what the command exits with */
	int signal;        /* VMM_END_SIGNAL: its number */
	uint32_t resets;   /* that the guest went through */
	int64_t marker_ms; /* from the call of vmm_create to the marker at the serial port; -1: never seen */
	int64_t run_ms;    /* from the call of vmm_run to its return */
	uint64_t exits;    /* of all vCPUs */
	char text[512];    /* one sentence: why; "" where `end` says it all */
	char dump[4096];   /* crash, or error of a vCPU: its registers, several lines; "" if there are none */
	/* A run by instruction count: how many, the guest's time, where it stands, and all of its state (registers,
	 * memory, devices) as one number, 16 hexadecimal digits, "" if it has none. Equal numbers: equal states, but
	 * for chance. */
	uint64_t insns, virtual_ns, pc;
	char state[17];
};

struct vmm;

/* Make the machine: check the config, read and place the files, create the VM. 0, or -1 and *error. */
int vmm_create(const struct vmm_config *config, struct vmm **vmm, struct vmm_error *error);
/* Run it to its end; on return every vCPU has stopped, the console's output is written and the terminal is as it was.
 * Returns result->status. Once per vmm. Call on the thread that is to handle terminal and signals. */
int vmm_run(struct vmm *vmm, struct vmm_result *result);
/* End vmm_run soon with VMM_END_STOPPED. Any thread or signal handler, before or during vmm_run. */
void vmm_request_stop(struct vmm *vmm);
/* Press the machine's power button: a guest that listens shuts itself down. Any thread, during vmm_run. */
void vmm_power_button(struct vmm *vmm);
void vmm_destroy(struct vmm *vmm); /* NULL is allowed; not during vmm_run */

/* The accelerator in use (never AUTO) and one sentence saying why. The string lives as long as the vmm. */
vma_accel vmm_accel(const struct vmm *vmm);
const char *vmm_accel_reason(const struct vmm *vmm);
/* What the kernel file was found to be: "bzImage, xz, 64-bit entry of the unpacked kernel", "ELF, PVH entry", ... */
const char *vmm_kernel_kind(const struct vmm *vmm);

#endif
