/* test_whpx_xsave.c - the XSAVE image in the platform's compacted form and in the library's standard one (SDM vol. 1, 13.4),
 * with as many components as a host may have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "whpx/whpx.h"

enum { LEGACY = 512, XSTATE_BV = 512, XCOMP_BV = 520, EXTENDED = 576, STANDARD = 2696, ROOM = 16384 };
#define COMPACTED (UINT64_C(1) << 63)

/* Offsets as CPUID.(EAX=0DH) of hosts says them, written down here by hand. */
static const struct place {
	uint8_t n;
	uint16_t standard, compacted, size;
} few[] = {{2, 576, 576, 256}, {9, 2688, 832, 8}},
  many[] = {{2, 576, 576, 256}, {5, 1088, 832, 64}, {6, 1152, 896, 512}, {7, 1664, 1408, 1024}, {9, 2688, 2432, 8}};

static void put64(uint8_t *image, unsigned at, uint64_t v)
{
	memcpy(image + at, &v, sizeof v);
}

static uint64_t get64(const uint8_t *image, unsigned at)
{
	uint64_t v;

	memcpy(&v, image + at, sizeof v);
	return v;
}

static uint64_t components(const struct place *p, size_t count)
{
	uint64_t bits = 3;

	for (size_t i = 0; i < count; i++)
		bits |= UINT64_C(1) << p[i].n;
	return bits;
}

static uint8_t pattern(unsigned n, unsigned i)
{
	return (uint8_t)(n * 37 + i * 11 + 1);
}

static void fill(uint8_t *image, const struct place *p, size_t count, bool compacted)
{
	memset(image, 0, ROOM);
	for (unsigned i = 0; i < LEGACY; i++)
		image[i] = pattern(0, i);
	for (size_t k = 0; k < count; k++)
		for (unsigned i = 0; i < p[k].size; i++)
			image[(compacted ? p[k].compacted : p[k].standard) + i] = pattern(p[k].n, i);
	put64(image, XSTATE_BV, components(p, count));
	if (compacted)
		put64(image, XCOMP_BV, components(p, count) | COMPACTED);
}

static void both_ways(const struct place *p, size_t count)
{
	static uint8_t standard[ROOM], compacted[ROOM], out[ROOM];
	uint64_t all = components(p, count);
	size_t end = p[count - 1].compacted + p[count - 1].size;

	fill(standard, p, count, false);
	fill(compacted, p, count, true);
	memset(out, 0xa5, sizeof out);
	assert_true(whpx_xsave_in(compacted, end, out, STANDARD));
	assert_memory_equal(out, standard, STANDARD);
	memset(out, 0xa5, sizeof out);
	assert_int_equal(whpx_xsave_out(standard, STANDARD, out, ROOM, all), end);
	assert_memory_equal(out, compacted, end);
	assert_int_equal(whpx_xsave_out(standard, STANDARD, out, end - 1, all), 0);
	assert_false(whpx_xsave_in(compacted, end - 1, out, STANDARD));
}

static void test_both_ways(void **state)
{
	(void)state;
	both_ways(few, sizeof few / sizeof *few);
	both_ways(many, sizeof many / sizeof *many);
}

/* A component that is not in XSTATE_BV is in its initial state, whatever stands in its place. */
static void test_absent(void **state)
{
	static uint8_t compacted[ROOM], out[ROOM];

	(void)state;
	fill(compacted, many, 5, true);
	put64(compacted, XSTATE_BV, 3 | 1 << 9);
	assert_true(whpx_xsave_in(compacted, 2440, out, STANDARD));
	assert_int_equal(get64(out, XSTATE_BV), 3 | 1 << 9);
	for (unsigned i = 0; i < 256; i++)
		assert_int_equal(out[576 + i], 0);
	assert_int_equal(out[2688], pattern(9, 0));
}

/* MXCSR stands in the legacy area and is loaded with SSE only: SSE is there even where its registers are initial. */
static void test_mxcsr(void **state)
{
	static uint8_t standard[ROOM], out[ROOM];

	(void)state;
	fill(standard, few, 2, false);
	put64(standard, XSTATE_BV, 1);
	assert_int_equal(whpx_xsave_out(standard, STANDARD, out, ROOM, components(few, 2)), 840);
	assert_int_equal(get64(out, XSTATE_BV), 3);
	assert_memory_equal(out + 24, standard + 24, 8);
	for (unsigned i = 0; i < 256; i++)
		assert_int_equal(out[160 + i], 0);
}

/* Hosts have more than the library's image: CET (11, 12), MPX (3, 4), and tiles (17, 18), whose data begin at a multiple of
 * 64. */
static void test_unknown(void **state)
{
	static uint8_t standard[ROOM], compacted[ROOM], out[ROOM];

	(void)state;
	fill(standard, few, 1, false);
	assert_int_equal(whpx_xsave_out(standard, STANDARD, out, ROOM, 3 | 1 << 9 | 1 << 17 | 1 << 18), 704 + 8192);
	fill(compacted, few, 1, true);
	put64(compacted, XCOMP_BV, components(few, 1) | COMPACTED | 1 << 11 | 1 << 9);
	put64(compacted, XSTATE_BV, 7 | 1 << 9);
	compacted[832] = 0x77; /* PKRU: 9 comes before 11 */
	assert_true(whpx_xsave_in(compacted, ROOM, out, STANDARD));
	assert_int_equal(out[2688], 0x77);
	put64(compacted, XCOMP_BV, COMPACTED | 3 | 1 << 9 | 1 << 3 | 1 << 1);
	put64(compacted, XSTATE_BV, 3 | 1 << 9);
	compacted[576 + 64] = 0x78; /* behind component 3 of 64 bytes */
	assert_true(whpx_xsave_in(compacted, ROOM, out, STANDARD));
	assert_int_equal(out[2688], 0x78);
	assert_false(whpx_xsave_in(compacted, 100, out, STANDARD));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_ways),
		cmocka_unit_test(test_absent),
		cmocka_unit_test(test_mxcsr),
		cmocka_unit_test(test_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
