/* What others' programs rely on, the vendor's sample for WinHvPlatform first, written anew: memory that is mapped while
 * it is only reserved and committed later, long mode by eight registers and nothing else, INT3 as an exit beside the
 * platform's local APIC, and a partition deleted with its processor still there. */
#include <sys/mman.h>
#include "sim_rig.h"

enum { PAGE = 4096, TABLES = 0x1000, GDT = 0x5000, START = 0x6000, SIZE = 0x10000, BREAKPOINT = 3 };

static const uint8_t code[] = {
	0x48, 0xc7, 0xc0, 'a', 0, 0, 0, /* mov rax, 'a' */
	0x49, 0xc7, 0xc1, 'z', 0, 0, 0, /* mov r9, 'z' */
	0xcc,                           /* int3 */
	0xf4                            /* hlt */
};

static void property64(WHV_PARTITION_HANDLE p, WHV_PARTITION_PROPERTY_CODE code_of, uint64_t value)
{
	WHV_PARTITION_PROPERTY v; /* as long as it gets, as the sample has it */
	memset(&v, 0, sizeof v);
	memcpy(&v, &value, sizeof value);
	assert_int_equal(WHvSetPartitionProperty(p, code_of, &v, sizeof v), S_OK);
}

static WHV_PARTITION_HANDLE partition(void)
{
	WHV_PARTITION_HANDLE p;
	WHV_CAPABILITY c;
	assert_int_equal(whpsim_configure(""), 0);
	assert_int_equal(WHvGetCapability(WHvCapabilityCodeHypervisorPresent, &c, sizeof c, NULL), S_OK);
	assert_int_equal(WHvCreatePartition(&p), S_OK);
	property64(p, WHvPartitionPropertyCodeProcessorCount, 1);
	property64(p, WHvPartitionPropertyCodeLocalApicEmulationMode, WHvX64LocalApicEmulationModeXApic);
	property64(p, WHvPartitionPropertyCodeExtendedVmExits, ((WHV_EXTENDED_VM_EXITS){.ExceptionExit = 1}).AsUINT64);
	property64(p, WHvPartitionPropertyCodeExceptionExitBitmap, 1 << BREAKPOINT);
	assert_int_equal(WHvSetupPartition(p), S_OK);
	assert_int_equal(WHvCreateVirtualProcessor(p, 0, 0), S_OK);
	return p;
}

static uint8_t *commit(uint8_t *memory, size_t at, size_t size)
{
	assert_int_equal(mprotect(memory + at, size, PROT_READ | PROT_WRITE), 0);
	return memory + at;
}

/* The first 2 MiB map to themselves, without the right to execute but for the code's page. */
static void fill(uint8_t *memory)
{
	uint64_t *tables = (uint64_t *)commit(memory, TABLES, 4 * PAGE), *last = tables + 3 * PAGE / 8;
	for (unsigned i = 0; i < 3; i++)
		tables[i * PAGE / 8] = TABLES + (i + 1) * PAGE + 3;
	for (uint64_t i = 0; i < PAGE / 8; i++)
		last[i] = i * PAGE | 3 | UINT64_C(1) << 63;
	last[START / PAGE] &= ~(UINT64_C(1) << 63);
	((uint64_t *)commit(memory, GDT, PAGE))[1] = UINT64_C(0xa09b) << 40;
	memcpy(commit(memory, START, PAGE), code, sizeof code);
}

static void long_mode(void **state)
{
	static const WHV_REGISTER_NAME names[] = {WHvX64RegisterRip,  WHvX64RegisterCs,  WHvX64RegisterGdtr,
						  WHvX64RegisterCr0,  WHvX64RegisterCr3, WHvX64RegisterCr4,
						  WHvX64RegisterEfer, WHvX64RegisterPat};
	static const WHV_REGISTER_NAME results[] = {WHvX64RegisterRax, WHvX64RegisterR9};
	WHV_REGISTER_VALUE v[8], r[2];
	WHV_RUN_VP_EXIT_CONTEXT x;
	WHV_PARTITION_HANDLE p = partition();
	uint8_t *memory = mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	(void)state;
	assert_ptr_not_equal(memory, MAP_FAILED);
	assert_int_equal(WHvMapGpaRange(p, memory, 0, SIZE, 7), S_OK);
	fill(memory);
	memset(v, 0, sizeof v);
	v[0].Reg64 = START;
	v[1].Segment = (WHV_X64_SEGMENT_REGISTER){.Limit = UINT32_MAX, .Selector = 8, .Attributes = 0xa09b};
	v[2].Table = (WHV_X64_TABLE_REGISTER){.Base = GDT, .Limit = 15};
	v[3].Reg64 = 0x80000001; /* PG and PE: ET is not the caller's */
	v[4].Reg64 = TABLES;
	v[5].Reg64 = 0x20;
	v[6].Reg64 = 0xd00;
	v[7].Reg64 = 0x0007040600070406;
	assert_int_equal(WHvSetVirtualProcessorRegisters(p, 0, names, 8, v), S_OK);
	assert_int_equal(WHvRunVirtualProcessor(p, 0, &x, sizeof x), S_OK);
	assert_int_equal(x.ExitReason, WHvRunVpExitReasonException);
	assert_int_equal(x.VpException.ExceptionType, BREAKPOINT);
	assert_int_equal(WHvGetVirtualProcessorRegisters(p, 0, results, 2, r), S_OK);
	assert_int_equal(r[0].Reg8, 'a');
	assert_int_equal(r[1].Reg8, 'z');
	assert_int_equal(WHvDeletePartition(p), S_OK);
	assert_int_equal(whpsim_breaches(), 0);
	munmap(memory, SIZE);
}

/* RIP is behind HLT, and there is no more to be added to it: others' programs do the one or the other. */
static void halt(void **state)
{
	static const uint8_t out_hlt[] = {0xe6, 0x80, 0xf4};
	WHV_RUN_VP_EXIT_CONTEXT x;
	(void)state;
	rig_make("", 1, 0);
	rig_start(0, out_hlt, sizeof out_hlt);
	assert_int_equal(WHvRunVirtualProcessor(rig.p, 0, &x, sizeof x), S_OK);
	rig_set(0, WHvX64RegisterRip, x.VpContext.Rip + x.VpContext.InstructionLength);
	assert_int_equal(WHvRunVirtualProcessor(rig.p, 0, &x, sizeof x), S_OK);
	assert_int_equal(x.ExitReason, WHvRunVpExitReasonX64Halt);
	assert_int_equal(x.VpContext.Rip, RIG_CODE + 3);
	assert_int_equal(x.VpContext.InstructionLength, 0);
	rig_delete(1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(long_mode), cmocka_unit_test(halt)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
