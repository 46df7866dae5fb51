/* case.h - what the differential sends to the arm64 program and gets back: registers, memory and a sequence of
 * instructions at fixed addresses, which both engines use. */
#ifndef A64DIFF_CASE_H
#define A64DIFF_CASE_H

#include <stdint.h>

enum { CASE_INSNS = 60, CASE_WORDS = 80, CASE_MEM = 1024, CASE_BATCH = 64, CASE_CODE_BYTES = CASE_WORDS * 4 };
#define CASE_CODE UINT64_C(0x20000000) /* of the first of a batch; the next is CASE_CODE_BYTES behind it */
#define CASE_DATA UINT64_C(0x21000000)

/* x[28] holds CASE_DATA + CASE_MEM / 2 during a sequence and is not compared. */
struct diff_state {
	uint64_t x[31], sp, nzcv, fpcr, fpsr, pad;
	uint64_t v[32][2];
	uint8_t mem[CASE_MEM];
};
struct diff_case {
	struct diff_state s;
	uint32_t code[CASE_WORDS];
};

#endif
