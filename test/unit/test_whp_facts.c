/* test_whp_facts.c - the declarations of the Windows Hypervisor Platform: sizes and offsets are asserted where this file is
 * compiled; here the lists are counted and bit fields are looked at as the vendor's masks. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>
#include "whpx/whp.h"

/* 66 and 4 exports; 15 of them since Windows 10 1803. */
static void test_functions(void **state)
{
#define ROW(name, since, arguments) {#name, since},
	static const struct {
		const char *name;
		int since;
	} rows[] = {WHP_PLATFORM_FUNCTIONS(ROW)}, emulation[] = {WHP_EMULATION_FUNCTIONS(ROW)};
	size_t first = 0, count = sizeof rows / sizeof rows[0];
	for (size_t i = 0; i < count; i++) {
		first += rows[i].since == 1803;
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(rows[i].name, rows[j].name);
	}
	assert_int_equal(count, 66);
	assert_int_equal(first, 15);
	assert_int_equal(sizeof emulation / sizeof emulation[0], 4);
	(void)state;
}

/* Two registers of one value would be one register. */
static void test_registers(void **state)
{
#define VALUE(name, value) value,
	static const uint32_t values[] = {WHP_REGISTER_NAMES(VALUE)};
	for (size_t i = 1; i < sizeof values / sizeof values[0]; i++)
		assert_true(values[i] > values[i - 1]);
	(void)state;
}

static void test_bits(void **state)
{
	WHV_X64_SEGMENT_REGISTER code = {.Attributes = 0xa09b};
	WHV_X64_PENDING_INTERRUPTION_REGISTER pending = {.AsUINT64 = 0};
	WHV_X64_VP_EXECUTION_STATE execution = {.AsUINT16 = 1 << 6 | 1 << 12};
	assert_true(code.Long && code.Granularity && code.Present && code.NonSystemSegment && !code.Default);
	assert_int_equal(code.SegmentType, 11);
	pending.InterruptionPending = 1;
	pending.InterruptionType = WHvX64PendingException;
	pending.InterruptionVector = 14;
	pending.ErrorCode = 2;
	assert_true(pending.AsUINT64 == (2ull << 32 | 14 << 16 | 3 << 1 | 1));
	assert_true(execution.InterruptionPending && execution.InterruptShadow);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_functions),
		cmocka_unit_test(test_registers),
		cmocka_unit_test(test_bits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
