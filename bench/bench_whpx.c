/* bench_whpx.c - exits of WHPX on the simulation through the library, beside the platform's bare calls in the same run, and
 * what a burst makes of them. The simulation is a software CPU behind plain function calls: an exit of a real Windows
 * costs microseconds more on both sides, so these ratios are the worst that there can be.
 *
 * Samples of both sides alternate; a ratio is the median of the pairs' ratios. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <vmaccel/x86.h>
#include "median.h"
#include "sim/whpx/whpsim.h"
#include "whpx/whpx.h"

enum { MEM = 1 << 20, CODE = 0x1000, SAMPLES = 101, EXITS = 2000 };
#define DEVICE UINT64_C(0x10000000)

/* Real mode, CS based at 0, DS at DEVICE. */
static const struct guest {
	const char *text;
	uint8_t code[12], size;
	int kind;
	unsigned burst;
} guests[] = {
	{"OUT", {0xe6, 0x10, 0xeb, 0xfc}, 4, VMA_EXIT_IO, 0},			     /* out 0x10, al */
	{"MMIO, a store of AL", {0xa2, 0x10, 0x00, 0xeb, 0xfb}, 5, VMA_EXIT_MMIO, 0}, /* mov [0x10], al */
	{"MMIO, a store of an immediate", {0xc6, 0x06, 0x10, 0x00, 5, 0xeb, 0xf9}, 7, VMA_EXIT_MMIO, 0},
	{"MMIO, OR: read and write", {0x80, 0x0e, 0x10, 0x00, 1, 0xeb, 0xf9}, 7, VMA_EXIT_MMIO, 0},
	{"OUT, with bursts", {0xe6, 0x10, 0xeb, 0xfc}, 4, VMA_EXIT_IO, 32},
	{"MMIO, a store of AL, with bursts", {0xa2, 0x10, 0x00, 0xeb, 0xfb}, 5, VMA_EXIT_MMIO, 32},
	{"MMIO, OR, with bursts", {0x80, 0x0e, 0x10, 0x00, 1, 0xeb, 0xf9}, 7, VMA_EXIT_MMIO, 32},
};

static void die(const char *what, const char *why)
{
	fprintf(stderr, "bench_whpx: %s: %s\n", what, why);
	exit(1);
}

static void ok(int rc, const char *what)
{
	if (rc < 0)
		die(what, vma_why());
}

static void succeeded(HRESULT hr, const char *what)
{
	if (hr)
		die(what, "the simulation refuses");
}

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* ------ through the library ------ */

struct lib {
	vma_vm *vm;
	vma_mem *mem;
	vma_vcpu *v;
};

static void lib_open(struct lib *lib, const struct guest *g)
{
	vma_vm_config config = {.size = sizeof(config), .accel = VMA_ACCEL_WHPX, .arch = VMA_ARCH_X86_64};
	const vma_x86_regs regs = {.rip = CODE, .rflags = 2};
	vma_x86_sregs sregs;

	whpx_burst_limit = g->burst;
	whpx_burst_exit_ns = 0; /* here one costs too little for that */
	ok(vma_vm_create(&config, &lib->vm), "vma_vm_create");
	ok(vma_vm_finalize(lib->vm), "vma_vm_finalize");
	ok(vma_mem_anon(MEM, &lib->mem), "vma_mem_anon");
	memcpy((char *)vma_mem_hva(lib->mem) + CODE, g->code, g->size);
	ok(vma_vm_map(lib->vm, 0, lib->mem, 0, MEM, VMA_MAP_RWX), "vma_vm_map");
	ok(vma_vcpu_create(lib->vm, 0, &lib->v), "vma_vcpu_create");
	ok(vma_x86_get_sregs(lib->v, &sregs), "vma_x86_get_sregs");
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	sregs.ds.base = DEVICE;
	ok(vma_x86_set_sregs(lib->v, &sregs), "vma_x86_set_sregs");
	ok(vma_x86_set_regs(lib->v, &regs, VMA_X86_ALL_REGS), "vma_x86_set_regs");
}

static double lib_sample(struct lib *lib, const struct guest *g)
{
	double start = now_ns();

	for (int i = 0; i < EXITS; i++)
		if (vma_vcpu_run(lib->v) != g->kind)
			die(g->text, vma_why());
	return (now_ns() - start) / EXITS;
}

static void lib_close(struct lib *lib)
{
	vma_vcpu_destroy(lib->v);
	vma_vm_destroy(lib->vm);
	vma_mem_unref(lib->mem);
}

/* ------ the platform's own calls ------ */

struct bare {
	WHV_PARTITION_HANDLE p;
	uint8_t *mem;
	WHV_RUN_VP_EXIT_CONTEXT x;
};

static void bare_open(struct bare *b, const struct guest *g)
{
	static const WHV_REGISTER_NAME names[] = {WHvX64RegisterCs, WHvX64RegisterDs, WHvX64RegisterRip, WHvX64RegisterRflags};
	WHV_REGISTER_VALUE values[4] = {{.Segment = {.Limit = 0xffff, .Attributes = 0x9b}},
					{.Segment = {.Base = DEVICE, .Limit = 0xffff, .Attributes = 0x93}},
					{.Reg64 = CODE},
					{.Reg64 = 2}};
	uint32_t one = 1;

	succeeded(WHvCreatePartition(&b->p), "WHvCreatePartition");
	succeeded(WHvSetPartitionProperty(b->p, WHvPartitionPropertyCodeProcessorCount, &one, sizeof(one)), "ProcessorCount");
	succeeded(WHvSetupPartition(b->p), "WHvSetupPartition");
	b->mem = aligned_alloc(4096, MEM);
	if (!b->mem)
		die("memory", "there is none");
	memset(b->mem, 0, MEM);
	memcpy(b->mem + CODE, g->code, g->size);
	succeeded(WHvMapGpaRange(b->p, b->mem, 0, MEM, (WHV_MAP_GPA_RANGE_FLAGS)7), "WHvMapGpaRange");
	succeeded(WHvCreateVirtualProcessor(b->p, 0, 0), "WHvCreateVirtualProcessor");
	succeeded(WHvSetVirtualProcessorRegisters(b->p, 0, names, 4, values), "WHvSetVirtualProcessorRegisters");
}

/* An OUT costs RIP; a store of AL must also ask for AL, and knows the instruction's length by itself. */
static double bare_sample(struct bare *b, const struct guest *g)
{
	static const WHV_REGISTER_NAME rax = WHvX64RegisterRax, rip = WHvX64RegisterRip;
	bool ask = g->code[0] == 0xa2;
	uint8_t length = (uint8_t)(g->size - 2);
	double start = now_ns();

	for (int i = 0; i < EXITS; i++) {
		WHV_REGISTER_VALUE v;

		succeeded(WHvRunVirtualProcessor(b->p, 0, &b->x, sizeof(b->x)), "WHvRunVirtualProcessor");
		if (b->x.ExitReason != (g->kind == VMA_EXIT_IO ? WHvRunVpExitReasonX64IoPortAccess : WHvRunVpExitReasonMemoryAccess))
			die(g->text, "another exit");
		if (ask)
			succeeded(WHvGetVirtualProcessorRegisters(b->p, 0, &rax, 1, &v), "WHvGetVirtualProcessorRegisters");
		v.Reg64 = b->x.VpContext.Rip + length;
		succeeded(WHvSetVirtualProcessorRegisters(b->p, 0, &rip, 1, &v), "WHvSetVirtualProcessorRegisters");
	}
	return (now_ns() - start) / EXITS;
}

static void bare_close(struct bare *b)
{
	WHvDeleteVirtualProcessor(b->p, 0);
	WHvDeletePartition(b->p);
	free(b->mem);
}

/* ------ both ------ */

/* A bare client that does as little has no read, modify and write. */
static bool has_bare(const struct guest *g)
{
	return g->code[0] != 0x80;
}

static void measure(const struct guest *g)
{
	static double mine[SAMPLES], bare[SAMPLES], ratio[SAMPLES];
	struct whp_counts before, after;
	struct bare b;
	struct lib lib;
	double exits = (double)EXITS * SAMPLES;

	lib_open(&lib, g);
	if (has_bare(g))
		bare_open(&b, g);
	lib_sample(&lib, g);
	before = *whpsim_counts(whpx_vm(lib.vm)->partition, 0);
	for (int i = 0; i < SAMPLES; i++) {
		mine[i] = lib_sample(&lib, g);
		bare[i] = has_bare(g) ? bare_sample(&b, g) : 0;
		ratio[i] = mine[i] / bare[i];
	}
	after = *whpsim_counts(whpx_vm(lib.vm)->partition, 0);
	printf("  %-34s %8.3f us", g->text, median(mine, SAMPLES) / 1000);
	if (has_bare(g))
		printf(" %12.3f us %8.3f", median(bare, SAMPLES) / 1000, median(ratio, SAMPLES));
	else
		printf(" %24s", "");
	printf("    %5.2f %5.2f %5.2f\n", (double)(after.runs - before.runs) / exits, (double)(after.gets - before.gets) / exits,
	       (double)(after.sets - before.sets) / exits);
	lib_close(&lib);
	if (has_bare(g))
		bare_close(&b);
}

/* An argument: only that row, for a profiler. */
int main(int argc, char **argv)
{
	size_t only = argc > 1 ? strtoul(argv[1], NULL, 0) : SIZE_MAX;

	printf("%-34s %13s %15s %8s    %s\n", "whpx on the simulation, an exit of", "library", "bare calls", "ratio",
	       "runs, gets, sets an exit");
	for (size_t i = 0; i < sizeof(guests) / sizeof(*guests); i++)
		if (only == SIZE_MAX || only == i)
			measure(&guests[i]);
	return 0;
}
