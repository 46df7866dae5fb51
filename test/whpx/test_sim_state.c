/* The XSAVE area and the local APIC's state of the simulated platform. */
#include "sim_rig.h"

enum { XSTATE_BV = 512, XCOMP_BV = 520, AREA = 4096 };

static uint64_t field(const uint8_t *area, unsigned at)
{
	uint64_t v;
	memcpy(&v, area + at, sizeof v);
	return v;
}

static void put(uint8_t *area, unsigned at, uint64_t v)
{
	memcpy(area + at, &v, sizeof v);
}

/* Each with other bytes, or all with zeros. */
static void fill_vectors(uint32_t vp, bool zero)
{
	for (int i = 0; i < 16; i++) {
		WHV_REGISTER_NAME name = WHvX64RegisterXmm0 + i;
		WHV_REGISTER_VALUE v;
		memset(&v, zero ? 0 : 0x10 + i, sizeof v);
		assert_int_equal(WHvSetVirtualProcessorRegisters(rig.p, vp, &name, 1, &v), S_OK);
	}
}

static uint32_t area_of(uint32_t vp, uint8_t *area)
{
	uint32_t size = 0, written = 0;
	assert_int_equal(WHvGetVirtualProcessorXsaveState(rig.p, vp, NULL, 0, &size), WHV_E_INSUFFICIENT_BUFFER);
	assert_in_range(size, 576, AREA);
	memset(area, 0xaa, AREA);
	assert_int_equal(WHvGetVirtualProcessorXsaveState(rig.p, vp, area, size - 1, NULL), WHV_E_INSUFFICIENT_BUFFER);
	assert_int_equal(WHvGetVirtualProcessorXsaveState(rig.p, vp, area, AREA, &written), S_OK);
	assert_int_equal(written, size);
	assert_int_equal(area[size], 0xaa);
	return size;
}

static void compacted(void **state)
{
	uint8_t area[AREA], again[AREA];
	uint32_t size;
	(void)state;
	rig_make("", 1, 0);
	fill_vectors(0, false);
	size = area_of(0, area);
	assert_int_equal(size, 832);
	assert_int_equal(field(area, XSTATE_BV), 7);
	assert_int_equal(field(area, XCOMP_BV), 7 | UINT64_C(1) << 63);
	assert_int_equal(area[160 + 16 * 3], 0x13);
	for (unsigned i = 0; i < 256; i++)
		area[576 + i] = (uint8_t)(i ^ 0x5a); /* the upper halves of the YMM registers */
	assert_int_equal(WHvSetVirtualProcessorState(rig.p, 0, WHvVirtualProcessorStateTypeXsaveState, area, size),
			 S_OK);
	assert_int_equal(
		WHvGetVirtualProcessorState(rig.p, 0, WHvVirtualProcessorStateTypeXsaveState, again, AREA, &size),
		S_OK);
	assert_memory_equal(area, again, size);
	put(area, XSTATE_BV, 1); /* the vectors become initial */
	assert_int_equal(WHvSetVirtualProcessorXsaveState(rig.p, 0, area, size), S_OK);
	assert_int_equal(rig_value(0, WHvX64RegisterXmm3).Reg128.Low64, 0);
	assert_int_equal(rig_value(0, WHvX64RegisterXmmControlStatus).XmmControlStatus.XmmStatusControl, 0x1f80);
	rig_delete(1);
}

static void refused(void **state)
{
	uint8_t good[AREA], area[AREA];
	uint32_t size;
	static const struct {
		unsigned at;
		uint64_t value;
	} bad[] = {
		{XCOMP_BV, 7},                         /* standard */
		{XCOMP_BV, 3 | UINT64_C(1) << 63},     /* no room for what XSTATE_BV says is there */
		{XCOMP_BV, 0x207 | UINT64_C(1) << 63}, /* what the host has not */
		{XSTATE_BV, 0xf},
		{XCOMP_BV + 8, 1},
		{XSTATE_BV + 56, 1},
		{24, UINT64_C(0xffff00001f80) | 1 << 16}, /* MXCSR */
	};
	(void)state;
	rig_make("", 1, 0);
	fill_vectors(0, false);
	size = area_of(0, good);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		memcpy(area, good, sizeof area);
		put(area, bad[i].at, bad[i].value);
		assert_int_equal(WHvSetVirtualProcessorXsaveState(rig.p, 0, area, size), E_INVALIDARG);
	}
	assert_int_equal(WHvSetVirtualProcessorXsaveState(rig.p, 0, good, size - 1), E_INVALIDARG);
	assert_int_equal(WHvSetVirtualProcessorXsaveState(rig.p, 0, good, 0), E_INVALIDARG);
	assert_int_equal(WHvSetVirtualProcessorXsaveState(rig.p, 0, NULL, size), E_POINTER);
	assert_int_equal(WHvGetVirtualProcessorXsaveState(rig.p, 0, NULL, size, NULL), E_POINTER);
	assert_int_equal(WHvGetVirtualProcessorXsaveState(rig.p, 1, good, size, NULL), WHV_E_VP_DOES_NOT_EXIST);
	assert_int_equal(WHvGetVirtualProcessorState(rig.p, 0, 0x7777, good, size, NULL), E_INVALIDARG);
	assert_int_equal(area_of(0, area), size);
	assert_memory_equal(area, good, size);
	rig_delete(1);
	rig_make("no-xsave", 1, 0);
	assert_int_equal(WHvGetVirtualProcessorXsaveState(rig.p, 0, good, AREA, NULL), E_INVALIDARG);
	assert_int_equal(WHvSetVirtualProcessorXsaveState(rig.p, 0, good, size), E_INVALIDARG);
	rig_delete(1);
}

/* Sizes differ from host to host, what is initial is left out, and yet a state that is read can be written. */
static void hostile(void **state)
{
	uint8_t area[AREA], other[AREA];
	uint32_t sizes = 0, left_out = 0;
	(void)state;
	for (unsigned seed = 1; seed <= 16; seed++) {
		char text[24];
		snprintf(text, sizeof text, "hostile=%u", seed);
		rig_make(text, 2, 0);
		fill_vectors(0, !(seed & 1));
		rig_set(1, WHvX64RegisterXmm3, 77);
		uint32_t size = area_of(0, area);
		sizes |= 1u << (size / 64 % 32);
		left_out += !(field(area, XSTATE_BV) & 2);
		assert_int_equal(WHvSetVirtualProcessorXsaveState(rig.p, 1, area, size), S_OK);
		assert_int_equal(area_of(1, other), size);
		assert_int_equal(field(other, XSTATE_BV), field(area, XSTATE_BV));
		assert_int_equal(rig_value(1, WHvX64RegisterXmm3).Reg128.High64, seed & 1 ? 0x1313131313131313 : 0);
		rig_delete(2);
	}
	assert_int_equal(left_out, 8);
	assert_true(sizes & (sizes - 1));
}

static void local_apic(void **state)
{
	uint8_t page[AREA], again[AREA];
	uint32_t written = 0;
	(void)state;
	rig_make("", 2, WHvX64LocalApicEmulationModeXApic);
	assert_int_equal(WHvGetVirtualProcessorInterruptControllerState2(rig.p, 1, page, 1024, &written),
			 WHV_E_INSUFFICIENT_BUFFER);
	assert_int_equal(written, AREA);
	assert_int_equal(WHvGetVirtualProcessorInterruptControllerState2(rig.p, 1, page, AREA, &written), S_OK);
	assert_int_equal(page[0x23], 1);    /* the id */
	assert_int_equal(page[0xf0], 0xff); /* SVR after reset */
	page[0xf1] = 1;                     /* enabled */
	page[0x80] = page[0xa0] = 0x30;     /* TPR, and with it PPR */
	page[0x320] = 0x44;                 /* LVT timer */
	assert_int_equal(WHvSetVirtualProcessorInterruptControllerState2(rig.p, 1, page, 1024), E_INVALIDARG);
	assert_int_equal(WHvSetVirtualProcessorInterruptControllerState2(rig.p, 1, page, AREA), S_OK);
	assert_int_equal(WHvGetVirtualProcessorState(rig.p, 1, WHvVirtualProcessorStateTypeInterruptControllerState2,
						     again, AREA, NULL),
			 S_OK);
	assert_memory_equal(page, again, AREA);
	assert_int_equal(rig_value(1, WHvX64RegisterCr8).Reg64, 3);
	assert_int_equal(WHvGetVirtualProcessorInterruptControllerState(rig.p, 0, again, AREA, NULL), S_OK);
	assert_int_equal(again[0x23], 0);
	assert_int_equal(again[0xf1], 0);
	rig_delete(2);
	rig_make("", 1, 0);
	assert_int_equal(WHvGetVirtualProcessorInterruptControllerState2(rig.p, 0, page, AREA, NULL),
			 WHV_E_INVALID_VP_STATE);
	assert_int_equal(WHvSetVirtualProcessorInterruptControllerState2(rig.p, 0, page, AREA), WHV_E_INVALID_VP_STATE);
	rig_delete(1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compacted),
		cmocka_unit_test(refused),
		cmocka_unit_test(hostile),
		cmocka_unit_test(local_apic),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
