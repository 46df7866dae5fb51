/* bench_programs.c - guest user programs on the software CPU beside the same bytes on this processor: a flat image
 * (bench/programs) called as a function here, and run in ring 3 of a 64-bit guest with 4 KiB pages at the same
 * addresses there.
 *
 * CPU time of the program's own work, five rounds of both in turn; a ratio is the median of the rounds' ratios, so that
 * a machine whose speed drifts does not matter. Both sides must compute the same. */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <vmaccel/vmaccel.h>
#include <vmaccel/x86.h>
#include "median.h"
#include "programs/programs.h"

enum { ROUNDS = 5, NATIVE_US = 10000, PORT = 0x10 };
enum { TABLES_AT = 0x100000, TABLES_SIZE = 0x20000, STUB = 0x1f000, STACK_TOP = 0x1f000 }; /* offsets in TABLES_SIZE */
static const uint8_t stub[] = {0xe6, PORT};                                                /* out PORT, al */

typedef uint64_t start_fn(uint64_t which, uint64_t reps, uint8_t *heap);

#define PROGRAM_TEXT(name, text) {#name, text},
static const struct {
	const char *name, *text;
} programs[] = {PROGRAMS(PROGRAM_TEXT)};
enum { COUNT = sizeof(programs) / sizeof(*programs) };

struct guest {
	vma_mem *low, *image;
	vma_vm *vm;
	vma_vcpu *cpu;
};

static void die(const char *what, const char *why)
{
	fprintf(stderr, "bench_programs: %s: %s\n", what, why);
	exit(1);
}

static void ok(int rc, const char *what)
{
	if (rc < 0)
		die(what, vma_why());
}

static double cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* ------ here ------ */

static void load_image(const char *file)
{
	uint8_t *at =
		mmap((void *)(uintptr_t)IMAGE_AT, HEAP_AT - IMAGE_AT + HEAP_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	if (at == MAP_FAILED)
		die("the programs' addresses", "not free in this process");
	if (fd < 0 || read(fd, at, HEAP_AT - IMAGE_AT) <= 0)
		die(file, "cannot be read");
	close(fd);
}

static double native(unsigned which, uint64_t reps, uint64_t *sum)
{
	start_fn *start = (start_fn *)(uintptr_t)IMAGE_AT;
	double t = cpu_us();

	*sum = start(which, reps, (uint8_t *)(uintptr_t)HEAP_AT);
	return cpu_us() - t;
}

static uint64_t calibrate(unsigned which)
{
	uint64_t reps = 1, sum;

	while (native(which, reps, &sum) < NATIVE_US / 4 && reps < 1ull << 40)
		reps *= 2;
	return reps * 4;
}

/* ------ the guest ------ */

/* Identity, for user and writable, in 4 KiB pages: PML4, PDPT, PD, then the page tables of the two ranges. */
static void map_range(uint8_t *low, uint64_t *pd, unsigned *next, uint64_t from, uint64_t size)
{
	for (uint64_t at = from; at < from + size; at += 0x1000) {
		uint64_t *entry = &pd[at >> 21];

		if (!*entry)
			*entry = (TABLES_AT + 0x1000 * (*next)++) | 7;
		((uint64_t *)(void *)(low + (*entry & ~0xfffull) - TABLES_AT))[at >> 12 & 511] = at | 7;
	}
}

static void make_tables(uint8_t *low)
{
	uint64_t *pml4 = (uint64_t *)(void *)low, *pdpt = pml4 + 512, *pd = pdpt + 512;
	unsigned next = 3;

	pml4[0] = (TABLES_AT + 0x1000) | 7;
	pdpt[0] = (TABLES_AT + 0x2000) | 7;
	map_range(low, pd, &next, TABLES_AT, TABLES_SIZE);
	map_range(low, pd, &next, IMAGE_AT, HEAP_AT - IMAGE_AT + HEAP_SIZE);
	memcpy(low + STUB, stub, sizeof(stub));
}

static void set_state(vma_vcpu *cpu)
{
	vma_x86_fpu_regs fpu;
	vma_x86_sregs s;
	vma_x86_seg data = {.limit = UINT32_MAX,
			    .selector = 0x2b,
			    .attr = 3 | VMA_SEG_S | 3 << 5 | VMA_SEG_P | VMA_SEG_DB | VMA_SEG_G};

	ok(vma_x86_get_sregs(cpu, &s), "registers");
	s.ds = s.es = s.ss = data;
	s.cs = data;
	s.cs.selector = 0x33;
	s.cs.attr = 0xb | VMA_SEG_S | 3 << 5 | VMA_SEG_P | VMA_SEG_L | VMA_SEG_G;
	s.cr0 = 0x80000033; /* PG, NE, ET, MP, PE */
	s.cr3 = TABLES_AT;
	s.cr4 = 0x620;  /* PAE, OSFXSR, OSXMMEXCPT */
	s.efer = 0x500; /* LME, LMA */
	ok(vma_x86_set_sregs(cpu, &s), "registers");
	ok(vma_x86_get_fpu_regs(cpu, &fpu), "registers");
	fpu.fcw = 0x37f; /* as after FNINIT, which systems do for a program */
	fpu.ftw = 0;
	ok(vma_x86_set_fpu_regs(cpu, &fpu), "registers");
}

static void open_guest(struct guest *g)
{
	vma_vm_config c = {.size = sizeof(c), .accel = VMA_ACCEL_SOFT, .arch = VMA_ARCH_X86_64};

	ok(vma_vm_create(&c, &g->vm), "create");
	ok(vma_vm_finalize(g->vm), "finalize");
	ok(vma_mem_anon(TABLES_SIZE, &g->low), "memory");
	ok(vma_mem_user((void *)(uintptr_t)IMAGE_AT, HEAP_AT - IMAGE_AT + HEAP_SIZE, &g->image), "memory");
	ok(vma_vm_map(g->vm, TABLES_AT, g->low, 0, TABLES_SIZE, VMA_MAP_RWX), "map");
	ok(vma_vm_map(g->vm, IMAGE_AT, g->image, 0, HEAP_AT - IMAGE_AT + HEAP_SIZE, VMA_MAP_RWX), "map");
	ok(vma_vcpu_create(g->vm, 0, &g->cpu), "vCPU");
	make_tables(vma_mem_hva(g->low));
	set_state(g->cpu);
}

/* The program returns to the stub, whose OUT ends the run. */
static double guest(struct guest *g, unsigned which, uint64_t reps, uint64_t *sum)
{
	vma_x86_regs r = {.rip = IMAGE_AT, .rflags = 0x3002, .rdi = which, .rsi = reps, .rdx = HEAP_AT};
	uint64_t back = TABLES_AT + STUB;
	double t;

	r.rsp = TABLES_AT + STACK_TOP - 8;
	memcpy((uint8_t *)vma_mem_hva(g->low) + STACK_TOP - 8, &back, sizeof(back));
	ok(vma_x86_set_regs(g->cpu, &r, VMA_X86_ALL_REGS), "registers");
	t = cpu_us();
	if (vma_vcpu_run(g->cpu) != VMA_EXIT_IO)
		die(programs[which].name, "the guest did not come back");
	t = cpu_us() - t;
	ok(vma_vcpu_complete(g->cpu), "complete");
	ok(vma_x86_get_regs(g->cpu, &r), "registers");
	*sum = r.rax;
	return t;
}

/* ------ measuring ------ */

struct result {
	double native, guest, ratio; /* microseconds; medians */
};

static struct result measure(struct guest *g, unsigned which, uint64_t reps)
{
	double ours[ROUNDS], theirs[ROUNDS], ratios[ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t a, b;

		theirs[i] = native(which, reps, &a);
		ours[i] = guest(g, which, reps, &b);
		if (a != b)
			die(programs[which].name, "the guest computed something else");
		ratios[i] = ours[i] / theirs[i];
	}
	return (struct result){median(theirs, ROUNDS), median(ours, ROUNDS), median(ratios, ROUNDS)};
}

static void summary(const struct result *all, double logs, double worst)
{
	double mean = exp(logs / COUNT), alias = 0, plain = 0;

	for (unsigned n = 0; n < COUNT; n++) {
		if (!strcmp(programs[n].name, "copy_plain"))
			plain = all[n].guest;
		if (!strcmp(programs[n].name, "copy_alias"))
			alias = all[n].guest;
	}
	printf("  %-44s %34.1f   goal at most 25: %s\n", "geometric mean", mean, mean <= 25 ? "met" : "MISSED");
	printf("  %-44s %34.1f   goal at most 60: %s\n", "slowest", worst, worst <= 60 ? "met" : "MISSED");
	printf("  %-44s %34.2f   goal at most 1.2: %s\n", "aliasing copy beside the plain one, in the guest",
	       alias / plain, alias / plain <= 1.2 ? "met" : "MISSED");
}

static void measure_all(struct guest *g)
{
	struct result all[COUNT];
	uint64_t reps[COUNT];
	double logs = 0, worst = 0;

	printf("guest user programs, ms of CPU time, medians of %d %19s %11s %7s\n", ROUNDS, "native", "soft", "ratio");
	for (unsigned n = 0; n < COUNT; n++) {
		/* the two copies do the same work, so that their times can be compared */
		reps[n] = n && !strcmp(programs[n].name, "copy_alias") ? reps[n - 1] : calibrate(n);
		all[n] = measure(g, n, reps[n]);
		printf("  %-44s %14.2f %11.2f %7.1f\n", programs[n].text, all[n].native / 1e3, all[n].guest / 1e3,
		       all[n].ratio);
		logs += log(all[n].ratio);
		worst = all[n].ratio > worst ? all[n].ratio : worst;
	}
	summary(all, logs, worst);
}

/* One program in the guest only, for a profiler. */
static void profile(struct guest *g, const char *name, uint64_t reps)
{
	uint64_t sum;

	for (unsigned n = 0; n < COUNT; n++)
		if (!strcmp(programs[n].name, name))
			printf("%s: %.2f ms\n", name, guest(g, n, reps ? reps : calibrate(n), &sum) / 1e3);
}

int main(int argc, char **argv)
{
	struct guest g;

	if (argc < 2 || argc > 4) {
		fprintf(stderr, "usage: bench_programs IMAGE [PROGRAM [REPETITIONS]]\n");
		return 2;
	}
	load_image(argv[1]);
	open_guest(&g);
	if (argc > 2)
		profile(&g, argv[2], argc > 3 ? strtoull(argv[3], NULL, 0) : 0);
	else
		measure_all(&g);
	ok(vma_vm_destroy(g.vm), "destroy");
	vma_mem_unref(g.low);
	vma_mem_unref(g.image);
	return 0;
}
