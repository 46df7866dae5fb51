/* silicon.h - what the files of vmaccel-silicon share.
 *
 * A sequence is a list of items (instructions, and the setup that aims them at memory), made by generate.c from a seed.
 * assemble() turns it into bytes; host.c has the helper run them on the processor, soft.c on the software CPU;
 * compare.c looks for differences that rows.c does not declare; minimise.c makes a failing sequence short. */
#ifndef SILICON_H
#define SILICON_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <Zydis/Zydis.h>
#include "shared.h"

/* ------ table.c: every instruction this host has and the software CPU has ------ */

enum s_class { C_INT, C_STRING, C_BRANCH, C_X87, C_MMX, C_SSE, C_AVX, C_EXT, C_SYS, C_CLASSES };

struct s_form { /* one encoding of a mnemonic: what is left open is random */
	uint16_t mnemonic;
	uint8_t class, vex, map, opcode;
	uint8_t pp; /* 0, 0x66, 0xf3, 0xf2 */
	bool w, l;
	bool modrm, mem;
	int8_t reg, rm; /* -1: free */
	bool vvvv;      /* VEX.vvvv names a register */
	bool vsib;
};
struct s_group { /* the forms of one mnemonic in one class */
	uint16_t mnemonic;
	uint32_t first, count;
};
struct s_table {
	struct s_form *form;
	struct s_group *group; /* by class */
	uint32_t forms, groups, class_first[C_CLASSES], class_count[C_CLASSES];
	ZydisDecoder decoder;
};
extern struct s_table s_tables[S_MODES];
/* `only`: NULL, or the mnemonic or ISA set to take alone. */
bool table_build(const char *only);
void table_list(void);
/* The names of what is left out, with the reasons; rows without a reason to exist any more are told too. */
bool host_is_amd(void);
bool host_is_zen4(void);

/* ------ rows.c: what is left out, and differences that are declared ------ */

const char *row_excluded(ZydisMnemonic m);
bool row_excluded_form(const ZydisDecodedInstruction *i, const ZydisDecodedOperand *o, const char **why);

enum s_kind {
	R_FLAGS = 1, /* `mask` of RFLAGS is open */
	R_SSE_BOUND, /* single-precision elements of the destination within relative 1.5 * 2^-12 of each other */
	R_X87_BOUND, /* ST registers within `mask` units in the last place; C1 and PE are open */
	R_FSW,       /* `mask` of FSW is open */
	R_ERASE,     /* bytes mask & 0xff up to mask >> 8 of the memory operand: overwritten with a constant */
	R_ERASE_TOP, /* the same of the top of the stack */
	R_SMALL,     /* only defined for small operands: gets one */
	R_CR2,       /* any faulting byte of the area may be told */
	R_ALIGNED,   /* its memory operand is aligned to 16 */
	R_PRESENT,   /* its memory operand does not fault */
	R_NO_AC,     /* the flags it loads have AC clear */
	R_PARTIAL,   /* when it faults part of its stores may have been made: nothing is compared behind it */
	R_COUNT,     /* its repeat count is not 0 */
	R_ORDER,     /* when both memory operands fault either may be told */
	R_ANY        /* the state after it is not compared; faults are */
};
enum s_vendor { V_ANY, V_AMD, V_INTEL, V_ZEN4 /* AMD with AVX-512: Zen 4 and later */ };
/* W_SOFTFLOAT: softfloat.c computes. W_COUNT16, W_SIZE16: the operand size is 16. W_UNMASKED: it raised an x87
 * exception that is unmasked. W_SEGMENT: the operand is a segment register. */
enum s_when { W_ALWAYS, W_SOFTFLOAT, W_COUNT16, W_SIZE16, W_SIZE32, W_SEGMENT, W_UNMASKED };
struct s_row {
	uint16_t mnemonic;
	uint8_t kind, vendor, when;
	uint32_t mask;
	const char *why;
};
/* The rows that hold for this instruction; the next one after `from`, NULL first. */
const struct s_row *row_next(const struct s_row *from, const ZydisDecodedInstruction *i);
/* Is there one of this kind for the mnemonic? */
bool row_has(uint16_t mnemonic, enum s_kind kind);

/* ------ generate.c, assemble.c, values.c ------ */

enum s_fix { FIX_NONE, FIX_REL8, FIX_REL32, FIX_RIP, FIX_ABS64, FIX_ABS32 };
struct s_item {
	uint8_t bytes[16];
	uint8_t length, fix, at;
	bool setup, keep; /* keep: never left out when a sequence is made shorter */
	bool bound;       /* belongs to the instruction before it, whose undefined part it overwrites */
	int16_t target;   /* item a branch or an address leads to; the number of items: the end */
	uint64_t address; /* FIX_RIP */
	uint16_t mnemonic;
};
enum { S_ITEMS = 64 };
struct s_program {
	uint64_t seed;
	uint8_t mode;
	bool softfloat; /* computed by softfloat.c even where the host's FPU could */
	bool last_only; /* the rows of the last instruction hold */
	uint32_t count;
	struct s_item item[S_ITEMS];
	struct s_state start;
	uint32_t data_from;
	uint32_t at; /* in the arena; the caller's */
};
/* Everything follows from the seed and the table. */
void generate(struct s_program *p, uint64_t seed, const uint8_t *pool);
/* Bytes at p->at in the arena; fills seq's code part. False: too long. */
bool assemble(const struct s_program *p, struct s_shared *sh, struct s_seq *seq);
void fill_pool(uint8_t *pool, size_t size, uint64_t seed);
void fill_fixed(struct s_shared *sh);

uint64_t rnd_next(uint64_t *state);

/* ------ host.c, soft.c ------ */

struct s_host;
struct s_host *host_start(struct s_shared **sh); /* NULL: no helper, or none possible here */
bool host_run(struct s_host *h);                 /* the batch in shared memory */
void host_stop(struct s_host *h);

struct s_soft;
struct s_result {
	struct s_state out;
	const uint8_t *data;
	struct s_fault fault[S_FAULTS];
	uint32_t faults;
	bool abandoned, timeout, has_avx;
	uint64_t insns;
	const char *broken; /* the CPU stopped for a reason that no guest can cause here */
};
struct s_soft *soft_new(const struct s_shared *sh);
void soft_free(struct s_soft *s);
/* The arena holds new code. */
void soft_code(struct s_soft *s, const struct s_shared *sh);
void soft_run(struct s_soft *s, const struct s_shared *sh, const struct s_seq *seq, bool softfloat, struct s_result *r);
bool soft_has(uint32_t leaf, uint32_t subleaf, unsigned reg, unsigned bit);
bool soft_has_avx(void);

/* ------ plant.c: wrong results on purpose ------ */

bool plant_select(const char *name);
void plant_list(void);
void plant_code(uint8_t *arena, const struct s_seq *seq); /* of the soft side */
extern bool plant_read_only;                              /* the read-only page can be written on the soft side */

/* ------ compare.c, minimise.c ------ */

/* NULL: no undeclared difference; else one line that names the first. */
const char *compare(const struct s_program *p, const struct s_shared *sh, const struct s_seq *seq,
		    const struct s_result *r);
void print_difference(FILE *f, const struct s_seq *seq, const struct s_result *r);
void print_program(FILE *f, const struct s_program *p, struct s_shared *sh);

struct s_rig {
	struct s_host *host;
	struct s_soft *soft;
	struct s_shared *sh;
};
/* Run one program on both; what differs. */
const char *run_one(struct s_rig *rig, const struct s_program *p, struct s_result *r);
void minimise(struct s_rig *rig, struct s_program *p);

#endif
