/* test_whpx_exits.c - exits that the simulation does not make: reasons and fields that no document has, an access to memory
 * that never succeeds. The platform's run is replaced by one that gives them. And an instruction that is emulated with PAE
 * paging, whose directory pointers no register shows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "conformance/guest.h"
#include "sim/whpx/whpsim.h"
#include "whpx/whpx.h"

static struct conf conf = {.accel = VMA_ACCEL_WHPX, .arch = VMA_ARCH_X86_64};

static __typeof__(whpx_api.RunVirtualProcessor) real_run;
static WHV_RUN_VP_EXIT_CONTEXT given;
static unsigned times, runs; /* given so often, then the real run */

static HRESULT run_given(WHV_PARTITION_HANDLE p, uint32_t index, void *context, uint32_t size)
{
	if (runs++ >= times)
		return real_run(p, index, context, size);
	memcpy(context, &given, size);
	return S_OK;
}

/* nop; mov [rbx], al; hlt */
static void open_guest(struct guest *g)
{
	static const uint8_t code[] = {0x90, 0x88, 0x03, 0xf4};

	if (guest_open(g, &conf, &(struct guest_options){.mode = GUEST_LONG}, code, sizeof code) != CONF_PASS)
		fail_msg("%s", conf.reason);
	guest_set(g, VMA_X86_RBX, GUEST_DATA);
	given = (WHV_RUN_VP_EXIT_CONTEXT){.VpContext = {.Rip = GUEST_CODE, .Rflags = 2, .Cs = {.Limit = UINT32_MAX, .Attributes = 0xa09b}}};
	given.VpContext.ExecutionState.Cr0Pe = given.VpContext.ExecutionState.EferLma = 1;
	real_run = whpx_api.RunVirtualProcessor;
	whpx_api.RunVirtualProcessor = run_given;
	runs = 0;
}

static void close_guest(struct guest *g)
{
	whpx_api.RunVirtualProcessor = real_run;
	guest_close(g);
	assert_int_equal(whpsim_breaches(), 0);
}

static void give_access(uint64_t gpa, unsigned type)
{
	given.ExitReason = WHvRunVpExitReasonMemoryAccess;
	given.MemoryAccess.AccessInfo.AccessType = type & 3;
	given.MemoryAccess.AccessInfo.GvaValid = 1;
	given.MemoryAccess.Gpa = given.MemoryAccess.Gva = gpa;
}

/* Memory that is mapped and allows the access is tried again, but not for ever: then the emulator does it. */
static void test_no_progress(void **state)
{
	struct guest g;

	(void)state;
	open_guest(&g);
	give_access(GUEST_DATA, WHvMemoryAccessWrite);
	guest_set(&g, VMA_X86_RAX, 0x5a);
	times = 1000000;
	assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_HLT);
	assert_in_range(runs, 100, times / 2);
	assert_int_equal(g.ram[GUEST_DATA], 0x5a);
	close_guest(&g);
}

static void test_reasons(void **state)
{
	static const struct {
		uint32_t reason;
		int kind;
	} rows[] = {
		{0x3333, VMA_EXIT_OTHER},
		{0xffffffff, VMA_EXIT_OTHER},
		{WHvRunVpExitReasonSynicSintDeliverable, VMA_EXIT_OTHER},
		{WHvRunVpExitReasonInvalidVpRegisterValue, VMA_EXIT_FAIL_ENTRY},
		{WHvRunVpExitReasonUnrecoverableException, VMA_EXIT_TRIPLE_FAULT},
		/* of no consequence: the guest's own exit follows */
		{WHvRunVpExitReasonNone, VMA_EXIT_HLT},
		{WHvRunVpExitReasonCanceled, VMA_EXIT_HLT},
		{WHvRunVpExitReasonX64ApicEoi, VMA_EXIT_HLT},
		{WHvRunVpExitReasonX64InterruptWindow, VMA_EXIT_HLT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct guest g;
		int kind;

		open_guest(&g);
		given.ExitReason = (WHV_RUN_VP_EXIT_REASON)rows[i].reason;
		times = 1;
		kind = vma_vcpu_run(g.v);
		if (kind != rows[i].kind)
			fail_msg("reason %#x: exit %s", (unsigned)rows[i].reason, vma_exit_name(kind));
		if (kind == VMA_EXIT_OTHER)
			assert_int_equal(g.exit->other.native, rows[i].reason);
		close_guest(&g);
	}
}

/* Sizes and counts beyond what there is, an access of no kind: the instruction itself, from memory, says what it does. */
static void test_fields(void **state)
{
	struct guest g;

	(void)state;
	for (unsigned i = 0; i < 256; i++) {
		open_guest(&g);
		times = 1;
		if (i & 1) {
			give_access(GUEST_MMIO + 0xfff, i >> 1);
			given.MemoryAccess.InstructionByteCount = (uint8_t)(i ^ 0xff);
			memset(given.MemoryAccess.InstructionBytes, (int)i, sizeof given.MemoryAccess.InstructionBytes);
		} else {
			given.ExitReason = WHvRunVpExitReasonX64IoPortAccess;
			given.IoPortAccess.AccessInfo.AccessSize = (i >> 1 & 7) == 1 || (i >> 1 & 7) == 2 || (i >> 1 & 7) == 4 ? 0 : i >> 1 & 7;
			given.IoPortAccess.InstructionByteCount = (uint8_t)(i ^ 0xff);
		}
		given.VpContext.InstructionLength = i >> 4 & 15;
		assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_HLT); /* behind the emulated NOP */
		assert_int_equal(g.ram[GUEST_DATA], (uint8_t)guest_get(&g, VMA_X86_RAX));
		close_guest(&g);
	}
}

/* or dword ptr [ebx], 1; hlt */
static void test_pae(void **state)
{
	static const uint8_t code[] = {0x83, 0x0b, 0x01, 0xf4};
	enum { PAE = 1 << 5, PG = 31, TABLE = GUEST_TABLES + 0x40, DIRECTORY = GUEST_TABLES + 0x1000, LARGE = 0x83 };
	struct guest g;
	vma_x86_sregs s;

	(void)state;
	if (guest_open(&g, &conf, &(struct guest_options){.mode = GUEST_PROT}, code, sizeof code) != CONF_PASS)
		fail_msg("%s", conf.reason);
	for (uint64_t i = 0; i < 4; i++) {
		uint64_t pointer = (DIRECTORY + 0x1000 * i) | 1;

		memcpy(g.ram + TABLE + 8 * i, &pointer, 8);
		for (uint64_t k = 0; k < 512; k++)
			memcpy(g.ram + DIRECTORY + 0x1000 * i + 8 * k, &(uint64_t){(i << 30 | k << 21) | LARGE}, 8);
	}
	assert_int_equal(vma_x86_get_sregs(g.v, &s), 0);
	s.cr3 = TABLE;
	s.cr4 |= PAE;
	s.cr0 |= UINT64_C(1) << PG;
	assert_int_equal(vma_x86_set_sregs(g.v, &s), 0);
	guest_set(&g, VMA_X86_RBX, GUEST_MMIO);
	assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_MMIO);
	memset(g.exit->mmio.data, 0, 4);
	assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_MMIO);
	assert_int_equal(g.exit->mmio.write, 1);
	assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_HLT);
	guest_close(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_progress), cmocka_unit_test(test_reasons),
					   cmocka_unit_test(test_fields), cmocka_unit_test(test_pae)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
