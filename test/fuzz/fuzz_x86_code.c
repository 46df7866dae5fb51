/* fuzz_x86_code.c - any bytes as code in any mode of the software CPU: it stays inside, ends, and does the same in
 * blocks as instruction by instruction (code_case.h).
 * fuzz-seconds: 30 600 */
#include "code_case.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t room);

/* Now and then an input made of whole instructions instead of a mutation. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned seed)
{
	if (seed % 4 == 0 && room >= CASE_HEADER + 32)
		return code_make(seed, data, room);
	return LLVMFuzzerMutate(data, size, room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bad = code_case(data, size);
	if (bad) {
		fprintf(stderr, "%s\n", bad);
		abort();
	}
	return 0;
}
