/* bench.h - what `vmaccel bench` times: the same operations through the library and through the platform's own calls. */
#ifndef CLI_BENCH_H
#define CLI_BENCH_H

#include <stdint.h>

#include <vmaccel/arm64.h>
#include <vmaccel/x86.h>

enum { BENCH_CODE = 0x1000, BENCH_PORT = 0x10, BENCH_MEM = 1 << 20, BENCH_MAP = 2 << 20 };
#define BENCH_DEVICE 0x10000000ull /* arm64: where the guest writes to */
#define BENCH_MAP_GPA 0x40000000ull
/* The guests of every measurement, at BENCH_CODE. x86, in real mode with all segments based at 0:
 * 1: out 0x10, al; jmp 1b. arm64, X1 = BENCH_DEVICE: 1: strb w0, [x1]; b 1b */
#define BENCH_X86_BYTES {0xe6, 0x10, 0xeb, 0xfc}
#define BENCH_ARM64_BYTES {0x20, 0x00, 0x00, 0x39, 0xff, 0xff, 0xff, 0x17}

union bench_regs {
	vma_x86_regs x86;
	vma_arm64_regs arm64;
};

/* What differs between the guests' architectures: bench_guest.c */
struct bench_guest {
	vma_arch arch;
	int exit; /* VMA_EXIT_ of the loop */
	const char *exit_text;
	uint8_t code[8];
	int (*start)(vma_vcpu *vcpu); /* the state in which the loop begins */
	int (*get)(vma_vcpu *vcpu, union bench_regs *regs);
	int (*set)(vma_vcpu *vcpu, const union bench_regs *regs); /* all but the program counter */
};
const struct bench_guest *bench_guest(vma_arch arch);

/* The operations; each does it `n` times and returns 0, or -1 with the reason in `why`. */
enum bench_op {
	BENCH_EXIT,      /* run until an OUT, or a write to a device */
	BENCH_EXIT_REGS, /* the same, reading all general registers and writing all but the program counter */
	BENCH_GET_REGS,  /* read the general registers of a vCPU that has not run since */
	BENCH_SET_REGS,  /* write them */
	BENCH_CREATE,    /* from nothing to the first exit, and destroy */
	BENCH_MAP_UNMAP, /* map and unmap 2 MiB */
	BENCH_KICK,      /* kick before a run, and that run */
	BENCH_OPS
};

/* The platform's own calls: raw_kvm.c, or raw_none.c where there is no platform to compare with. */
struct raw;
int raw_available(const char *accel, vma_arch arch);
struct raw *raw_open(char *why, uint32_t why_size); /* NULL: why not */
int raw_do(struct raw *raw, enum bench_op op, uint64_t n, char *why, uint32_t why_size);
void raw_close(struct raw *raw);

#endif
