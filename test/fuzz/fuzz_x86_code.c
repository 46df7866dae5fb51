/* fuzz_x86_code.c - any bytes as code in any mode of the software CPU: it stays inside, ends, and does the same in
 * blocks as instruction by instruction (code_case.h).
 * fuzz-seconds: 30 */
#include "code_case.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bad = code_case(data, size);
	if (bad) {
		fprintf(stderr, "%s\n", bad);
		abort();
	}
	return 0;
}
