/* generate.h - random A64 sequences that both engines can run: no faults, no way out but the end. */
#ifndef A64DIFF_GENERATE_H
#define A64DIFF_GENERATE_H

#include "arm64/internal.h"
#include "case.h"

struct gen {
	uint64_t seed;
	uint64_t features;
	uint64_t tried[32], made[32]; /* by table */
};
uint64_t gen_random(struct gen *g);
/* Registers, memory and `insns` instructions (at most CASE_INSNS) with the two ends around them. */
void gen_case(struct gen *g, struct diff_case *c, unsigned insns);
/* Keep the first n words of the sequence only. */
void gen_cut(struct diff_case *c, unsigned n);
unsigned gen_length(const struct diff_case *c); /* words between the ends */

/* The two ends: word 0 loads x28, the last ones of the sequence load x28 from the code's last 8 bytes and branch there;
 * the software CPU stores there instead, to a device. */
enum { GEN_BR_X28 = 0xd61f0380, GEN_STR_X28 = 0xf900039f };
void gen_replace_end(struct diff_case *c, uint32_t insn);

#endif
