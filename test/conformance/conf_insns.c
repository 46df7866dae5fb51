/* conf_insns.c - checks of counted instructions (T122-T123). Who does not count must say so; then there is nothing more
 * to check. */
#include <stdlib.h>
#include <string.h>
#include "guest.h"

/* CONF_PASS: it counts. */
static int counting(struct conf *conf)
{
	vma_vm_config config = {.size = sizeof config, .accel = conf->accel, .arch = conf->arch, .insn_hz = 1000000000};
	struct guest g;
	uint64_t n;
	vma_vm *vm;

	if (conf->info.caps & VMA_CAP_INSN_COUNT)
		return CONF_PASS;
	CONF_TRY(guest_open(&g, conf, NULL, NULL, 0));
	CONF_EQUAL(conf, vma_vcpu_insns(g.v, &n), VMA_E_NO_ACCEL);
	CONF_EQUAL(conf, vma_vcpu_budget(g.v, 1, UINT64_MAX), VMA_E_NO_ACCEL);
	CONF_EXPECT(conf, strstr(vma_why(), conf->info.name));
	CONF_EQUAL(conf, vma_vm_create(&config, &vm), VMA_E_NO_ACCEL);
	guest_close(&g);
	return conf_skip(conf, "%s does not count instructions, and says so", conf->info.name);
}

/* To the count `n`: the run ends there, not before and not behind. */
static int run_to(struct guest *g, uint64_t n)
{
	uint64_t count = 0;

	CONF_OK(g->conf, vma_vcpu_budget(g->v, n, UINT64_MAX));
	CONF_TRY(guest_run(g, VMA_EXIT_BUDGET));
	CONF_OK(g->conf, vma_vcpu_insns(g->v, &count));
	CONF_EQUAL(g->conf, count, n);
	return CONF_PASS;
}

/* ------ T122 ------ */

static int at(struct guest *g, uint64_t n, uint64_t offset, uint64_t rcx)
{
	CONF_TRY(run_to(g, n));
	CONF_EQUAL(g->conf, guest_get(g, VMA_X86_RIP), GUEST_CODE + offset);
	CONF_EQUAL(g->conf, guest_get(g, VMA_X86_RCX), rcx);
	return CONF_PASS;
}

/* 0 mov ecx, 5; 5 mov edi, 10000h; a rep stosb; c out 10h, al; e inc ecx; 10 jmp e */
static const char stepping[] = "\xb9\5\0\0\0\xbf\0\0\1\0\xf3\xaa\xe6\x10\xff\xc1\xeb\xfc";

/* mov x1, #5; 4 subs x1, x1, #1; 8 b.ne 4; c strb w0, [x27]; 10 add x0, x0, #1; 14 b 10 */
static const uint32_t stepping_arm64[] = {0xd28000a1, 0xf1000421, 0x54ffffe1, A64_WRITE_A, A64_ADD_A, A64_BACK_1};

static int at_arm64(struct guest *g, uint64_t n, uint64_t offset, uint64_t x0)
{
	CONF_TRY(run_to(g, n));
	CONF_EQUAL(g->conf, guest_get(g, VMA_ARM64_PC), GUEST_CODE + offset);
	CONF_EQUAL(g->conf, guest_get(g, VMA_ARM64_X0), x0);
	return CONF_PASS;
}

static int exact_stops_arm64(struct conf *conf)
{
	struct guest g;
	uint64_t count;

	CONF_TRY(counting(conf));
	CONF_TRY(guest_open(&g, conf, NULL, stepping_arm64, sizeof stepping_arm64));
	CONF_TRY(at_arm64(&g, 1, 4, 0));
	CONF_TRY(at_arm64(&g, 1, 4, 0)); /* used up already */
	CONF_TRY(at_arm64(&g, 4, 8, 0));
	CONF_TRY(at_arm64(&g, 11, 12, 0));
	CONF_OK(conf, vma_vcpu_budget(g.v, 12, UINT64_MAX));
	CONF_TRY(guest_run(&g, VMA_EXIT_MMIO));
	CONF_OK(conf, vma_vcpu_insns(g.v, &count));
	CONF_EQUAL(conf, count, 11); /* the store is not done yet */
	CONF_TRY(at_arm64(&g, 12, 16, 0));
	CONF_TRY(at_arm64(&g, 100013, 20, 50001));
	CONF_TRY(at_arm64(&g, 100014, 16, 50001));
	guest_close(&g);
	return CONF_PASS;
}

static int exact_stops(struct conf *conf)
{
	struct guest g;
	uint64_t count;

	CONF_TRY(counting(conf));
	CONF_TRY(guest_open(&g, conf, NULL, stepping, sizeof stepping - 1));
	CONF_TRY(at(&g, 1, 5, 5));
	CONF_TRY(at(&g, 1, 5, 5));  /* used up already */
	CONF_TRY(at(&g, 5, 10, 2)); /* three iterations of REP STOSB done */
	CONF_TRY(at(&g, 7, 12, 0));
	CONF_OK(conf, vma_vcpu_budget(g.v, 8, UINT64_MAX));
	CONF_TRY(guest_run(&g, VMA_EXIT_IO));
	CONF_OK(conf, vma_vcpu_insns(g.v, &count));
	CONF_EQUAL(conf, count, 7); /* the OUT is not done yet */
	CONF_TRY(at(&g, 8, 14, 0));
	CONF_TRY(at(&g, 100009, 16, 50001));
	CONF_TRY(at(&g, 100010, 14, 50001));
	guest_close(&g);
	return CONF_PASS;
}

/* ------ T123 ------ */

enum { STATE_ROOM = 32768, RUN = 300000 };

struct end {
	uint8_t vcpu[STATE_ROOM], ram[GUEST_RAM];
	size_t size;
	uint64_t ns;
};

/* 0 rdtsc; 2 add rbx, rax; 5 mov ecx, eax; 7 and ecx, ffffh; d mov [rcx+10000h], rbx; 14 mov ecx, 7; 19 loop 19; 1b jmp
 * 0 */
static const char timely[] =
	"\x0f\x31\x48\x01\xc3\x89\xc1\x81\xe1\xff\xff\0\0\x48\x89\x99\0\0\1\0\xb9\7\0\0\0\xe2\xfe\xeb\xe3";

/* mrs x0, cntvct_el0; add x2, x2, x0; and x3, x0, #0xfff8; add x3, x3, #0x10000; str x2, [x3]; mov x4, #7; 1: subs x4, x4, #1; b.ne 1b;
 * b back to the first */
static const uint32_t timely_arm64[] = {0xd53be040, 0x8b000042, 0x927d3003, 0x91404063, 0xf9000062,
					0xd28000e4, 0xf1000484, 0x54ffffe1, 0x17fffff8};

static int run_in(struct conf *conf, unsigned pieces, struct end *end)
{
	const struct guest_options options = {.mode = GUEST_LONG, .insn_hz = 300000000};
	struct guest g;

	if (conf->arch == VMA_ARCH_ARM64)
		CONF_TRY(guest_open(&g, conf, &options, timely_arm64, sizeof timely_arm64));
	else
		CONF_TRY(guest_open(&g, conf, &options, timely, sizeof timely - 1));
	for (unsigned i = 1; i <= pieces; i++)
		CONF_TRY(run_to(&g, (uint64_t)RUN * i / pieces));
	memcpy(end->ram, g.ram, GUEST_RAM);
	end->size = STATE_ROOM;
	CONF_OK(conf, vma_vcpu_save(g.v, end->vcpu, &end->size, VMA_STATE_TIME));
	CONF_OK(conf, vma_vm_clock_get(g.vm, &end->ns));
	guest_close(&g);
	return CONF_PASS;
}

static int compare(struct conf *conf, struct end *ends)
{
	static const unsigned pieces[] = {1, 1, 2, 7777};

	for (unsigned i = 0; i < 4; i++) {
		struct end *now = &ends[i > 0];
		CONF_TRY(run_in(conf, pieces[i], now));
		CONF_EQUAL(conf, now->ns, UINT64_C(1000000000) * RUN / 300000000);
		CONF_EQUAL(conf, now->size, ends->size);
		CONF_EXPECT(conf, !memcmp(now->vcpu, ends->vcpu, ends->size));
		CONF_EXPECT(conf, !memcmp(now->ram, ends->ram, GUEST_RAM));
	}
	return CONF_PASS;
}

/* Time included, in one piece, in two, in thousands. */
static int repeats(struct conf *conf)
{
	struct end *ends;
	int result;

	CONF_TRY(counting(conf));
	ends = calloc(2, sizeof *ends);
	if (!ends)
		return conf_fail(conf, "no memory for the check");
	result = compare(conf, ends);
	free(ends);
	return result;
}

static const struct conf_check checks[] = {
	{122, "A budget of instructions ends the run exactly there, inside REP and behind an exit too",
	 "any count guest", exact_stops, NULL, exact_stops_arm64},
	{123, "Time out of the count: a run in one piece, again, in two and in 7777 ends in the same state",
	 "any count guest", repeats, NULL, repeats},
};

CONF_GROUP(insns, checks, NULL, 0);
