/* conf_debug_arm64.c - arm64 bodies of the checks of debugging and translation (T100-T104). A failed condition leaves the guest open: the process
 * ends after a check. */
#include <string.h>
#include "bodies_arm64.h"
#include "guest.h"

/* ------ T100 ------ */

static int stepped(struct guest *g, uint64_t pc)
{
	struct conf *conf = g->conf;

	CONF_TRY(guest_run(g, VMA_EXIT_DEBUG));
	CONF_EQUAL(conf, g->exit->debug.reason & VMA_DEBUG_STEP, VMA_DEBUG_STEP);
	CONF_EQUAL(conf, guest_get(g, VMA_ARM64_PC), pc);
	return CONF_PASS;
}

static int plain_steps(struct guest *g)
{
	static const uint8_t after[] = {4, 8, 16, 12}; /* offsets */
	vma_debug debug = {.size = sizeof debug, .single_step = 1};
	struct conf *conf = g->conf;

	CONF_OK(conf, vma_vcpu_debug(g->v, &debug));
	for (size_t i = 0; i < sizeof after; i++)
		CONF_TRY(stepped(g, GUEST_CODE + after[i]));
	CONF_EQUAL(conf, guest_get(g, VMA_ARM64_X0), 5);
	CONF_EQUAL(conf, guest_get(g, VMA_ARM64_PSTATE) & 1 << 21, 0);  /* no SS of ours in the guest's PSTATE */
	CONF_EQUAL(conf, guest_get(g, VMA_ARM64_MDSCR_EL1) & 1, 0);
	debug.single_step = 0;
	CONF_OK(conf, vma_vcpu_debug(g->v, &debug));
	return guest_run(g, VMA_EXIT_HLT);
}

/* A step over an instruction that exits is reported once the instruction is complete. */
static int device_steps(struct guest *g)
{
	vma_debug debug = {.size = sizeof debug, .single_step = 1};
	struct conf *conf = g->conf;

	CONF_OK(conf, vma_vcpu_debug(g->v, &debug));
	CONF_TRY(guest_run(g, VMA_EXIT_MMIO));
	CONF_EQUAL(conf, g->exit->mmio.write, 1);
	CONF_TRY(stepped(g, GUEST_CODE + 4));
	CONF_TRY(guest_run(g, VMA_EXIT_MMIO));
	memset(g->exit->mmio.data, 0x11, 8);
	CONF_TRY(stepped(g, GUEST_CODE + 8));
	CONF_EQUAL(conf, guest_get(g, VMA_ARM64_X0), 0x1111111111111111);
	return CONF_PASS;
}

int t100_arm64(struct conf *conf)
{
	/* nop; mov x0, #5; bl 1f; stop; 1: ret */
	static const uint32_t plain[] = {A64_NOP, 0xd28000a0, 0x94000002, A64_STOP, 0xd65f03c0};
	/* strb w0, [x27]; ldr x0, [x27]; stop */
	static const uint32_t device[] = {A64_WRITE_A, 0xf9400360, A64_STOP};

	if (!(conf->info.caps & VMA_CAP_SINGLE_STEP))
		return conf_skip(conf, "%s has no single step", conf->info.name);
	CONF_TRY(guest_with(conf, NULL, plain, sizeof plain, plain_steps));
	return guest_with(conf, NULL, device, sizeof device, device_steps);
}

/* ------ T101 ------ */

/* The guest stays at an address that is watched (Arm ARM D2.9: there is no RF): the breakpoint behind it is taken off. */
static int four_breakpoints(struct guest *g)
{
	struct conf *conf = g->conf;

	for (unsigned first = 0; first < 4; first++) {
		vma_debug debug = {.size = sizeof debug, .count = 4 - first};
		for (unsigned i = first; i < 4; i++) {
			debug.hw[i - first].address = GUEST_CODE + 4 * i;
			debug.hw[i - first].type = VMA_BREAK_EXEC;
			debug.hw[i - first].length = 4;
		}
		CONF_OK(conf, vma_vcpu_debug(g->v, &debug));
		CONF_TRY(guest_run(g, VMA_EXIT_DEBUG));
		CONF_EQUAL(conf, g->exit->debug.reason & VMA_DEBUG_HW, VMA_DEBUG_HW);
		CONF_EQUAL(conf, g->exit->debug.pc, GUEST_CODE + 4 * first);
	}
	return CONF_PASS;
}

static int watchpoint(struct guest *g)
{
	vma_debug debug = {.size = sizeof debug, .count = 1, .hw = {{GUEST_DATA, VMA_BREAK_WRITE, 8}}};
	struct conf *conf = g->conf;

	guest_set(g, VMA_ARM64_X1, GUEST_DATA);
	CONF_OK(conf, vma_vcpu_debug(g->v, &debug));
	CONF_TRY(guest_run(g, VMA_EXIT_DEBUG));
	CONF_EQUAL(conf, g->exit->debug.reason & VMA_DEBUG_HW, VMA_DEBUG_HW);
	CONF_EQUAL(conf, g->exit->debug.address, GUEST_DATA);
	CONF_EQUAL(conf, guest_get(g, VMA_ARM64_PC), GUEST_CODE + 16);
	debug.count = 0;
	CONF_OK(conf, vma_vcpu_debug(g->v, &debug));
	return guest_run(g, VMA_EXIT_HLT);
}

static int breaks(struct guest *g)
{
	CONF_TRY(four_breakpoints(g));
	return watchpoint(g);
}

int t101_arm64(struct conf *conf)
{
	/* 4 nop; str x0, [x1]; stop */
	static const uint32_t code[] = {A64_NOP, A64_NOP, A64_NOP, A64_NOP, 0xf9000020, A64_STOP};

	if (!(conf->info.caps & VMA_CAP_HW_BREAK) || conf->info.breakpoints < 4)
		return conf_skip(conf, "%s has no four breakpoints", conf->info.name);
	return guest_with(conf, NULL, code, sizeof code, breaks);
}

/* ------ T104 ------ */

enum { T0 = GUEST_TABLES, T1 = T0 + 0x10000, T2 = T0 + 0x20000, T3 = T0 + 0x30000, UPPER = T0 + 0x40000 };
enum { TABLE = 3, PAGE = 3, BLOCK = 1, AF = 1 << 10, EL0 = 1 << 6, RO = 1 << 7 };
#define PXN (1ull << 53)
#define UXN (1ull << 54)

static int no(struct guest *g, uint64_t gva, uint32_t access)
{
	vma_translation t;

	if (vma_vcpu_translate(g->v, gva, access, &t) != VMA_E_FAULT)
		return conf_fail(g->conf, "gva %#llx, access %#x: translates", (unsigned long long)gva, access);
	return CONF_PASS;
}

static void entry(struct guest *g, uint64_t table, unsigned index, uint64_t value)
{
	guest_code(g, table + 8 * index, &value, 8);
}

static void paging(struct guest *g, uint64_t tcr, uint64_t ttbr0)
{
	guest_set(g, VMA_ARM64_TCR_EL1, tcr);
	guest_set(g, VMA_ARM64_TTBR0_EL1, ttbr0);
	guest_set(g, VMA_ARM64_TTBR1_EL1, UPPER);
	guest_set(g, VMA_ARM64_SCTLR_EL1, 0x30d00981);
}

/* 4 KiB, 39 bits below and above: three levels. */
static int granule_4k(struct guest *g)
{
	struct conf *conf = g->conf;

	entry(g, T0, 0, T1 | TABLE);
	entry(g, T0, 1, 0x40000000 | BLOCK | AF);
	entry(g, T1, 0, 0x400000 | BLOCK | AF | EL0);
	entry(g, T1, 1, T2 | TABLE);
	entry(g, T2, 0, 0x20000 | PAGE | AF | EL0 | RO);
	entry(g, T2, 1, 0x21000 | PAGE | AF | PXN | UXN);
	entry(g, T2, 2, 0x22000 | PAGE); /* no access flag */
	entry(g, T2, 4, 0x24000 | 1);    /* no page's descriptor */
	entry(g, UPPER, 511, T3 | TABLE);
	entry(g, T3, 511, 0x600000 | BLOCK | AF);
	paging(g, 25 | 25 << 16 | 2u << 30, T0);
	CONF_TRY(guest_translates(g, 0x40012345, 0, 0x40012345, 1 << 30));
	CONF_TRY(guest_translates(g, 0x12345, VMA_ACCESS_USER | VMA_ACCESS_WRITE, 0x412345, 0x200000));
	CONF_TRY(no(g, 0x12345, VMA_ACCESS_EXEC)); /* what EL0 may write */
	CONF_TRY(guest_translates(g, 0x200123, VMA_ACCESS_USER, 0x20123, 0x1000));
	CONF_TRY(no(g, 0x200123, VMA_ACCESS_WRITE));
	CONF_TRY(guest_translates(g, 0x201123, VMA_ACCESS_WRITE, 0x21123, 0x1000));
	CONF_TRY(no(g, 0x201123, VMA_ACCESS_EXEC));
	CONF_TRY(no(g, 0x201123, VMA_ACCESS_USER));
	CONF_TRY(no(g, 0x202000, 0));
	CONF_TRY(no(g, 0x203000, 0));
	CONF_TRY(no(g, 0x204000, 0));
	CONF_TRY(no(g, 0x8000000000, 0)); /* in neither half */
	CONF_TRY(guest_translates(g, 0xffffffffffe12345, VMA_ACCESS_WRITE, 0x612345, 0x200000));
	CONF_TRY(no(g, 0xffffffff80000000, 0));
	CONF_EQUAL(conf, guest_read64(g, T2 + 16), 0x22000 | PAGE); /* looking sets no access flag */
	paging(g, 25 | 25 << 16 | 2u << 30 | 1 << 7, T0); /* EPD0 */
	return no(g, 0x40012345, 0);
}

/* 16 KiB, 36 bits: two levels; 64 KiB, 42 bits: two levels. */
static int other_granules(struct guest *g)
{
	memset(g->ram + T0, 0, 0x50000);
	entry(g, T0, 0, T1 | TABLE);
	entry(g, T0, 1, 0x4000000 | BLOCK | AF);
	entry(g, T1, 3, 0x24000 | PAGE | AF);
	paging(g, 28 | 2 << 14 | 1 << 23, T0);
	CONF_TRY(guest_translates(g, 0x2123456, 0, 0x4123456, 0x2000000));
	CONF_TRY(guest_translates(g, 0xc123, VMA_ACCESS_WRITE, 0x24123, 0x4000));
	CONF_TRY(no(g, 0x10000, 0));
	CONF_TRY(no(g, 0xffffffffffe12345, 0)); /* EPD1 */
	memset(g->ram + T0, 0, 0x50000);
	entry(g, T0, 0, T1 | TABLE);
	entry(g, T0, 2, 0x40000000 | BLOCK | AF);
	entry(g, T1, 5, 0x30000 | PAGE | AF);
	paging(g, 22 | 1 << 14 | 1 << 23, T0);
	CONF_TRY(guest_translates(g, 0x40123456, 0, 0x40123456, 0x20000000));
	CONF_TRY(guest_translates(g, 0x51234, VMA_ACCESS_WRITE, 0x31234, 0x10000));
	return no(g, 0x20000000, 0);
}

static int walks(struct guest *g)
{
	CONF_TRY(guest_translates(g, 0x12345, VMA_ACCESS_EXEC, 0x12345, 4096)); /* MMU off */
	CONF_TRY(granule_4k(g));
	CONF_TRY(other_granules(g));
	return g->conf->reason[0] ? CONF_FAIL : CONF_PASS;
}

int t104_arm64(struct conf *conf)
{
	return guest_with(conf, NULL, NULL, 0, walks);
}
