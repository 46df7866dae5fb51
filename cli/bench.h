/* bench.h - what `vmaccel bench` times: the same operations through the library and through the platform's own calls. */
#ifndef CLI_BENCH_H
#define CLI_BENCH_H

#include <stdint.h>

/* The guest of every measurement, at BENCH_CODE in real mode with all segments based at 0:  1: out 0x10, al;  jmp 1b */
#define BENCH_CODE_BYTES {0xe6, 0x10, 0xeb, 0xfc}
enum { BENCH_CODE = 0x1000, BENCH_PORT = 0x10, BENCH_MEM = 1 << 20, BENCH_MAP = 2 << 20 };
#define BENCH_MAP_GPA 0x40000000ull

/* The operations; each does it `n` times and returns 0, or -1 with the reason in `why`. */
enum bench_op {
	BENCH_EXIT,      /* run until an OUT exit */
	BENCH_EXIT_REGS, /* the same, reading all general registers and writing all but RIP */
	BENCH_GET_REGS,  /* read the general registers of a vCPU that has not run since */
	BENCH_SET_REGS,  /* write them */
	BENCH_CREATE,    /* from nothing to the first exit, and destroy */
	BENCH_MAP_UNMAP, /* map and unmap 2 MiB */
	BENCH_KICK,      /* kick before a run, and that run */
	BENCH_OPS
};

/* The platform's own calls: raw_kvm.c, or raw_none.c where there is no platform to compare with. */
struct raw;
int raw_available(const char *accel);
struct raw *raw_open(char *why, uint32_t why_size); /* NULL: why not */
int raw_do(struct raw *raw, enum bench_op op, uint64_t n, char *why, uint32_t why_size);
void raw_close(struct raw *raw);

#endif
