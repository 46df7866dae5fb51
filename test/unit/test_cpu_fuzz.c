/* test_cpu_fuzz.c - random bytes as code, the same ones each time: N inputs from a seed, `test_cpu_fuzz SEED [COUNT]`
 * runs others. Coverage-guided: test/fuzz/fuzz_x86_code.c.
 * test-timeout: 300 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "fuzz/code_case.h"

static uint64_t first_seed = 1, seeds = 2000;

static void print_case(uint64_t seed, const uint8_t *input, size_t n)
{
	struct code_case k;
	case_parse(&k, input, n);
	print_error("input %llu: mode %d cpl %u flags %#x extras %#x events %u budget %llu code", (unsigned long long)seed,
		    k.start.mode, k.start.cpl, k.flags, k.extras, k.events, (unsigned long long)k.budget);
	for (size_t i = 0; i < k.code_len; i++)
		print_error(" %02x", k.code[i]);
	print_error("\n");
}

static void random_code(void **state)
{
	uint8_t input[CASE_HEADER + CASE_CODE];
	unsigned failed = 0;
	(void)state;
	for (uint64_t seed = first_seed; seed < first_seed + seeds && failed < 10; seed++) {
		size_t n = code_make(seed, input, sizeof input);
		const char *bad = code_case(input, n);
		if (!bad)
			continue;
		print_error("%s\n", bad);
		print_case(seed, input, n);
		failed++;
	}
	assert_int_equal(failed, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(random_code)};
	if (argc > 1)
		first_seed = strtoull(argv[1], NULL, 0);
	if (argc > 2)
		seeds = strtoull(argv[2], NULL, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
