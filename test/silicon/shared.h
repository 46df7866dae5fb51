/* shared.h - what vmaccel-silicon and its helper vmaccel-silicon-native share: where code and data stand, the state a
 * sequence starts from and ends in, and the batches that pass between them through shared memory.
 *
 * The helper is a program of its own so that its address space below 4 GiB is exactly what is said here, whatever the
 * sanitizers put into the harness: an address that a sequence makes up faults natively as it does on the software CPU.
 */
#ifndef SILICON_SHARED_H
#define SILICON_SHARED_H

#include <stdbool.h>
#include <stdint.h>

enum {
	S_DATA = 0x20000000, /* two pages to write, then one to read; unmapped before and behind */
	S_DATA_RW = 0x2000,
	S_DATA_SIZE = 0x3000,
	S_ARENA = 0x30000000, /* code */
	S_ARENA_SIZE = 0x10000,
	S_LEAVE = S_ARENA + S_ARENA_SIZE - 16, /* 64-bit code leaves by a jump through an aligned word there */
	S_EXIT32 = 0x6b8b4000,                 /* where compatibility code leaves to; 64-bit code leaves to S_EXIT64 */
	S_BATCH = 96,
	S_CODE_MAX = 640,
	S_FAULTS = 40,
	S_POOL = 0x40000, /* random values out of which data pages and registers are filled */
	S_XSAVE = 832,
	S_SMALL = 64 /* numbers at the start of the read-only page */
};
#define S_EXIT64 0x6f0000000000ull

enum s_mode { S_MODE64, S_MODE32, S_MODES };

struct s_fault {
	uint64_t rip, cr2;
	uint32_t vector, error;
};

struct s_state {
	uint8_t xsave[S_XSAVE] __attribute__((aligned(64)));
	uint64_t r[16], rflags, fs, gs;
};

struct s_seq {
	struct s_state in, out;
	uint8_t data[S_DATA_RW]; /* as it ends */
	uint32_t data_from;      /* in the pool: how it starts */
	uint8_t mode;
	/* by offset into the code: length of the instruction that starts there, 0: none does */
	uint8_t length[S_CODE_MAX];
	uint32_t at, size; /* of the code in the arena */
	/* faults in order; the instruction is skipped and the sequence goes on, unless RIP is none of its instructions
	 * or they are too many: then it is abandoned there */
	struct s_fault fault[S_FAULTS];
	uint32_t faults;
	bool abandoned, timeout;
};

struct s_shared {
	uint8_t arena[S_ARENA_SIZE] __attribute__((aligned(4096)));
	uint8_t pool[S_POOL + S_DATA_RW];
	uint8_t read_only[0x1000] __attribute__((aligned(4096)));
	struct s_seq seq[S_BATCH];
	uint32_t count, current;
	uint32_t has_avx;
};

#endif
