/* guest.h - tiny guests for the checks: a VM with 2 MiB of memory at 0, one vCPU (or more) in a mode of choice,
 * and code as raw bytes, so that no assembler is needed.
 *
 * What runs on both architectures is written against struct guest_isa and a struct guest_program with code of each.
 *
 * arm64: EL1h, interrupts masked, MMU off. X27 = GUEST_MMIO, X28 = GUEST_STOP: a store there stands for x86's HLT, which exits everywhere
 * (WFI does not): guest_run(g, VMA_EXIT_HLT) takes it and completes it. 0x8000 code, 0x9000 vectors of guest_traps, 0x100000 page tables.
 *
 * x86:
 *   0x1000 GDT   0x2000 IDT (long mode: 256 gates)   0x3000 TSS   0x7000 top of the stack   0x8000 code   0x9000
 * handlers of guest_traps   0x10000 data for the check
 *   0x100000 page tables (identity, 2 MiB pages, 4 GiB)   0x40000000 and up: nothing mapped, so MMIO */
#ifndef CONFORMANCE_GUEST_H
#define CONFORMANCE_GUEST_H

#include <vmaccel/arm64.h>
#include <vmaccel/x86.h>
#include "conformance.h"

enum {
	GUEST_RAM = 0x200000,
	GUEST_GDT = 0x1000,
	GUEST_IDT = 0x2000,
	GUEST_TSS = 0x3000,
	GUEST_STACK = 0x7000,
	GUEST_CODE = 0x8000,
	GUEST_TRAPS = 0x9000,
	GUEST_DATA = 0x10000,
	GUEST_TABLES = 0x100000,
	GUEST_MMIO = 0x40000000,
	GUEST_STOP = 0x50000000
};
enum { GUEST_CS32 = 0x08, GUEST_DS = 0x10, GUEST_CS64 = 0x18, GUEST_TR = 0x20 }; /* selectors */

enum guest_mode {
	GUEST_REAL,  /* 16-bit, segments at 0, code at 0:0x8000 */
	GUEST_PROT,  /* 32-bit flat, no paging */
	GUEST_LONG,  /* 64-bit, paging on */
	GUEST_RESET  /* leave the vCPU as created */
};

struct guest_options {
	enum guest_mode mode;
	vma_irqchip irqchip;
	uint32_t cpus; /* 0: 1; only vCPU 0 is created */
	const char *cpu_model;
	vma_msr_policy msr_policy;
	uint32_t cpuid_exits, hypercall_exits;
	uint64_t insn_hz, tsc_hz;
	uint32_t map_flags; /* 0: VMA_MAP_RWX */
	int (*configure)(vma_vm *vm); /* before finalize; may be NULL */
};

/* What both architectures have, by its part in a check. */
struct guest_isa {
	uint32_t pc, a, b, c, stack; /* registers; programs count in A and point with B and C */
	uint32_t size;            /* of the instruction that stops */
	int access;               /* the exit of GUEST_READ and GUEST_WRITE */
};

/* The same program for each architecture. */
struct guest_program {
	const void *x86;
	size_t x86_size;
	const uint32_t *arm64;
	size_t arm64_size;
};
#define GUEST_PROGRAM(name) {name##_x86, sizeof name##_x86, name##_arm64, sizeof name##_arm64}
enum { /* instructions of arm64 that programs are made of */
	A64_ADD_A = 0x91000400,    /* add x0, x0, #1 */
	A64_STOP = 0xb900039f,     /* str wzr, [x28] */
	A64_READ_A = 0x39400360,   /* ldrb w0, [x27] */
	A64_WRITE_A = 0x39000360,  /* strb w0, [x27] */
	A64_BACK_1 = 0x17ffffff,   /* b .-4 */
	A64_BACK_2 = 0x17fffffe,
	A64_BACK_3 = 0x17fffffd,
	A64_WFI = 0xd503207f,
	A64_NOP = 0xd503201f
};

struct guest {
	const struct guest_isa *isa;
	struct conf *conf;
	vma_vm *vm;
	vma_mem *mem;
	uint8_t *ram; /* hva of gpa 0 */
	vma_vcpu *v;
	vma_exit *exit;
};

/* Returns CONF_PASS, or CONF_FAIL with the reason noted. options may be NULL: long mode, no interrupt controllers.
 * On failure nothing is left open. */
int guest_open(struct guest *g, struct conf *conf, const struct guest_options *options, const void *code, size_t size);
/* vma_vm_create. Skips where a second VM at a time is one too many for the process. */
int guest_vm(struct conf *conf, const vma_vm_config *config, vma_vm **vm);
/* Of the guest's physical addresses, by CPUID leaf 80000008h; 0: it has none. Set: before finalize; VMA_E_ as of
 * vma_x86_set_cpuid. */
unsigned guest_address_bits(vma_vm *vm);
int guest_set_address_bits(vma_vm *vm, unsigned bits);
/* Can VMs of this accelerator have that kind? */
bool guest_offers(const struct conf *conf, vma_irqchip kind);
vma_irqchip guest_irqchip(const struct conf *conf); /* the platform's, or else the library's */
void guest_close(struct guest *g); /* twice is allowed */
/* Open, run `body` (which may use the CONF_ macros with g->conf), close. */
int guest_with(struct conf *conf, const struct guest_options *options, const void *code, size_t size,
	       int (*body)(struct guest *g));

int guest_with_program(struct conf *conf, const struct guest_options *options, const struct guest_program *program,
		       int (*body)(struct guest *g));
/* Whether a run that ended with `kind` is at arm64's stop. */
bool guest_stopped(const struct conf *conf, const vma_exit *exit, int kind);
/* Run until the program's read of, or write of one byte to, a device; *data is the byte. */
int guest_run_access(struct guest *g, uint8_t **data);

/* Put the vCPU into a mode with the descriptor tables above. */
int guest_set_mode(struct guest *g, vma_vcpu *v, enum guest_mode mode);
/* Run until an exit; CONF_PASS if its kind is `kind`, else CONF_FAIL with what it was instead. A guest that does not
 * exit within ten seconds is
 * kicked and fails. */
int guest_run(struct guest *g, int kind);
/* Run until an OUT of one element of that width at that port; *value (may be NULL) gets what was written. */
int guest_run_out(struct guest *g, uint16_t port, unsigned width, uint32_t *value);
/* Gates and handlers for vectors 0..31: exception v arrives as an OUT to port v, with the stack as the processor
 * left it and RIP at
 * GUEST_TRAPS + 4 * v (at the OUT) or past it. Long mode. */
void guest_traps(struct guest *g);
/* arm64: the vectors are 0..15 as in the table (4: synchronous, 5: IRQ, from EL1h); each stores ESR_EL1 to X10, ELR_EL1 to X11, FAR_EL1 to X12 and
 * then to GUEST_MMIO + 0x800 + 4 * vector, and goes back to ELR_EL1. */
/* Run until exception `vector`, or fail. The error code or RIP that was pushed is at the guest's RSP. */
int guest_run_trap(struct guest *g, unsigned vector);
/* arm64 with VMA_IRQCHIP_PLATFORM: of its GIC, 2 or 3. */
unsigned guest_gic_version(struct guest *g);
uint64_t guest_read64(struct guest *g, uint64_t gpa);
/* More memory at gpa, which goes with the mapping; *hva (may be NULL) gets its address. */
int guest_map(struct guest *g, uint64_t gpa, uint64_t size, uint32_t flags, uint8_t **hva);
/* Long mode: cut the first 2 MiB page into pages of 4 KiB; returns the 512 entries. No processor may have used the
 * old one. */
uint64_t *guest_small_pages(struct guest *g);

/* vma_vcpu_translate gives that. */
int guest_translates(struct guest *g, uint64_t gva, uint32_t access, uint64_t gpa, uint64_t page_size);

/* A device that answers every MMIO access out of its memory, however the access was cut into fragments. */
struct guest_mmio {
	uint64_t base;
	uint8_t bytes[0x2000];
	unsigned reads, writes; /* exits */
};
/* Run to `kind`, serving MMIO exits on the way. */
int guest_run_mmio(struct guest *g, struct guest_mmio *device, int kind);
/* One register. */
/* Does the accelerator offer this CPU model, with interrupt controllers too, which some of its bits depend on? */
int guest_model_offered(vma_accel accel, const char *model);
uint64_t guest_get(struct guest *g, uint32_t id);
void guest_set(struct guest *g, uint32_t id, uint64_t value);
/* Long mode: interrupt gate for `vector` to linear address `handler`. */
void guest_gate(struct guest *g, unsigned vector, uint64_t handler);
/* Put code at an address. */
void guest_code(struct guest *g, uint64_t gpa, const void *code, size_t size);

/* Leave the check when a guest_ call failed; closes the guest. */
#define GUEST_TRY(g, call)                                                                                             \
	do {                                                                                                           \
		int guest_result_ = (call);                                                                            \
		if (guest_result_ != CONF_PASS) {                                                                      \
			guest_close(g);                                                                                \
			return guest_result_;                                                                          \
		}                                                                                                      \
	} while (0)

#endif
