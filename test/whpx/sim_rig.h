/* sim_rig.h - a partition of the simulated platform with a little memory and one or more virtual processors. */
#ifndef SIM_RIG_H
#define SIM_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "sim/whpx/config.h"
#include "sim/whpx/notimpl.h"
#include "sim/whpx/whpsim.h"

enum { RIG_RAM = 0x10000, RIG_CODE = 0x1000 };

struct rig {
	WHV_PARTITION_HANDLE p;
	_Alignas(4096) uint8_t ram[RIG_RAM];
};

static struct rig rig;

static inline void rig_property(WHV_PARTITION_PROPERTY_CODE code, const void *value, uint32_t size)
{
	assert_int_equal(WHvSetPartitionProperty(rig.p, code, value, size), S_OK);
}

/* Up to the setup, for tests that set more properties. */
static inline void rig_begin(const char *sim, uint32_t vps)
{
	assert_int_equal(whpsim_configure(sim), 0);
	memset(rig.ram, 0, sizeof rig.ram);
	assert_int_equal(WHvCreatePartition(&rig.p), S_OK);
	rig_property(WHvPartitionPropertyCodeProcessorCount, &vps, sizeof vps);
}

static inline void rig_end(uint32_t vps)
{
	assert_int_equal(WHvSetupPartition(rig.p), S_OK);
	assert_int_equal(WHvMapGpaRange(rig.p, rig.ram, 0, RIG_RAM, 7), S_OK);
	for (uint32_t i = 0; i < vps; i++)
		assert_int_equal(WHvCreateVirtualProcessor(rig.p, i, 0), S_OK);
}

static inline void rig_make(const char *sim, uint32_t vps, WHV_X64_LOCAL_APIC_EMULATION_MODE apic)
{
	rig_begin(sim, vps);
	if (apic)
		rig_property(WHvPartitionPropertyCodeLocalApicEmulationMode, &apic, sizeof apic);
	rig_end(vps);
}

static inline void rig_delete(uint32_t vps)
{
	for (uint32_t i = 0; i < vps; i++)
		assert_int_equal(WHvDeleteVirtualProcessor(rig.p, i), S_OK);
	assert_int_equal(WHvDeletePartition(rig.p), S_OK);
	assert_int_equal(whpsim_breaches(), 0);
}

static inline void rig_set(uint32_t vp, WHV_REGISTER_NAME name, uint64_t value)
{
	WHV_REGISTER_VALUE v = {.Reg64 = value};
	assert_int_equal(WHvSetVirtualProcessorRegisters(rig.p, vp, &name, 1, &v), S_OK);
}

static inline void rig_set_value(uint32_t vp, WHV_REGISTER_NAME name, WHV_REGISTER_VALUE v)
{
	assert_int_equal(WHvSetVirtualProcessorRegisters(rig.p, vp, &name, 1, &v), S_OK);
}

static inline WHV_REGISTER_VALUE rig_value(uint32_t vp, WHV_REGISTER_NAME name)
{
	WHV_REGISTER_VALUE v;
	assert_int_equal(WHvGetVirtualProcessorRegisters(rig.p, vp, &name, 1, &v), S_OK);
	return v;
}

static inline uint64_t rig_get(uint32_t vp, WHV_REGISTER_NAME name)
{
	return rig_value(vp, name).Reg64;
}

/* The exit's reason; all of the context is written. */
static inline WHV_RUN_VP_EXIT_REASON rig_run(uint32_t vp, WHV_RUN_VP_EXIT_CONTEXT *x)
{
	memset(x, 0xee, sizeof *x);
	assert_int_equal(WHvRunVirtualProcessor(rig.p, vp, x, sizeof *x), S_OK);
	return x->ExitReason;
}

/* Real mode, the code at RIG_CODE of segment 0. */
static inline void rig_start(uint32_t vp, const void *code, size_t size)
{
	memcpy(rig.ram + RIG_CODE, code, size);
	rig_set_value(vp, WHvX64RegisterCs, (WHV_REGISTER_VALUE){.Segment = {.Limit = 0xffff, .Attributes = 0x9b}});
	rig_set(vp, WHvX64RegisterRip, RIG_CODE);
	rig_set(vp, WHvX64RegisterRsp, 0x8000);
	rig_set(vp, WHvX64RegisterRflags, 2);
}
#define RIG_START(vp, ...)                                                                                             \
	do {                                                                                                           \
		static const uint8_t code_[] = {__VA_ARGS__};                                                          \
		rig_start(vp, code_, sizeof code_);                                                                    \
	} while (0)

/* Protected mode, flat, CPL 0, from RIG_CODE on; descriptors at 800h, the IDT at 0. */
static inline void rig_protected(uint32_t vp)
{
	static const WHV_REGISTER_NAME data[] = {WHvX64RegisterDs, WHvX64RegisterEs, WHvX64RegisterSs};
	rig_set(vp, WHvX64RegisterCr0, 0x31);
	rig_set_value(vp, WHvX64RegisterCs, (WHV_REGISTER_VALUE){.Segment = {0, ~0u, 8, {.Attributes = 0xc09b}}});
	for (unsigned i = 0; i < sizeof data / sizeof *data; i++)
		rig_set_value(vp, data[i], (WHV_REGISTER_VALUE){.Segment = {0, ~0u, 16, {.Attributes = 0xc093}}});
	rig_set_value(vp, WHvX64RegisterGdtr, (WHV_REGISTER_VALUE){.Table = {.Base = 0x800, .Limit = 0x3f}});
}

#endif
