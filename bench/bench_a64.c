/* bench_a64.c - the programs of bench/programs built for arm64, at EL0 of the software arm64 CPU with 4 KiB pages,
 * beside the same bytes in QEMU's user mode: bench_a64 QEMU WRAPPER IMAGE.
 *
 * CPU time of the program's own work, five rounds of both in turn; a ratio is the median of the rounds' ratios. Both
 * sides must compute the same. */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "arm64/arm64.h"
#include "median.h"
#define PROGRAMS_OF_ARM64
#include "programs/programs.h"

enum { ROUNDS = 5, REFERENCE_US = 40000, GOAL = 4 };
/* the guest's memory: one page of vectors, tables, and the image with its heap */
enum { VECTORS = 0x1000, STACK = 0x8000, TABLES = 0x100000, TABLES_SIZE = 0x20000, LOW = TABLES + TABLES_SIZE };

#define PROGRAM_TEXT(name, text) {#name, text},
static const struct {
	const char *name, *text;
} programs[] = {PROGRAMS(PROGRAM_TEXT)};
enum { COUNT = sizeof(programs) / sizeof(*programs) };

static _Alignas(4096) uint8_t low[LOW], image[HEAP_AT - IMAGE_AT + HEAP_SIZE];

static void die(const char *what, const char *why)
{
	fprintf(stderr, "bench_a64: %s: %s\n", what, why);
	exit(1);
}

/* ------ the software CPU ------ */

static uint8_t *page(void *o, uint64_t gpa, unsigned *flags)
{
	(void)o;
	*flags = A64_PAGE_R | A64_PAGE_W | A64_PAGE_X;
	if (gpa < LOW)
		return low + gpa;
	if (gpa >= IMAGE_AT && gpa < IMAGE_AT + sizeof image)
		return image + (gpa - IMAGE_AT);
	*flags = 0;
	return NULL;
}

static int no_device(void *o, uint64_t gpa, unsigned len, bool write, uint8_t *data)
{
	(void)o, (void)gpa, (void)len, (void)write, (void)data;
	return A64_DEFER;
}

/* Identity, for EL0 and writable: levels 1 to 3 of 39 bits. */
static void map_range(unsigned *next, uint64_t from, uint64_t size)
{
	uint64_t *l2 = (uint64_t *)(void *)(low + TABLES + 0x1000);
	for (uint64_t at = from; at < from + size; at += 0x1000) {
		uint64_t *entry = &l2[at >> 21];
		if (!*entry)
			*entry = (TABLES + 0x1000 * (uint64_t)(*next)++) | 3;
		((uint64_t *)(void *)(low + (*entry & ~UINT64_C(0xfff))))[at >> 12 & 511] = at | 0x743;
	}
}

static struct a64_cpu *open_guest(atomic_uint *attn)
{
	static const struct a64_env env = {.page = page, .mmio = no_device};
	struct a64_cpu *c = a64_new(&env, NULL, attn);
	unsigned next = 2;
	if (!c)
		die("the CPU", "no memory");
	*(uint64_t *)(void *)(low + TABLES) = (TABLES + 0x1000) | 3;
	map_range(&next, 0, TABLES);
	map_range(&next, IMAGE_AT, sizeof image);
	*(uint32_t *)(void *)(low + VECTORS + 0x400) =
		0xd4000022;                    /* hvc 1: from EL0, where the program returns to an SVC */
	*(uint32_t *)(void *)low = 0xd4000001; /* svc 0 */
	c->ttbr0 = TABLES;
	c->tcr = 25 | UINT64_C(2) << 32 | 1 << 23;
	c->mair = 0xff;
	c->vbar = VECTORS;
	c->cpacr = 3 << 20;
	c->sctlr |= 1;
	*(uint64_t *)(void *)(low + TABLES + 0x2000 + 8) = 0x1000 | 0x703; /* the vectors are EL1's */
	a64_state_changed(c, true);
	return c;
}

static double cpu_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Microseconds; -1: an instruction that is undefined */
static double guest(struct a64_cpu *c, unsigned which, uint64_t reps, uint64_t *sum)
{
	a64_set_pstate(c, 0);
	c->x[0] = which;
	c->x[1] = reps;
	c->x[2] = HEAP_AT;
	c->x[30] = 0;
	c->x[A64_R_SP] = STACK;
	c->pc = IMAGE_AT;
	double t = cpu_us();
	enum a64_stop_kind kind = a64_run(c);
	t = cpu_us() - t;
	if (kind == A64_STOP_HVC && c->esr >> 26 == 0 && c->elr >= IMAGE_AT && c->elr < HEAP_AT)
		return -1;
	if (kind != A64_STOP_HVC || c->esr >> 26 != 0x15)
		die(programs[which].name, "the guest did not come back");
	*sum = c->x[0];
	return t;
}

/* ------ the reference ------ */

static int to, from;

static pid_t start_reference(char **argv)
{
	int in[2], out[2];
	if (pipe(in) || pipe(out))
		die("pipe", "failed");
	pid_t pid = fork();
	if (pid == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		close(in[1]), close(out[0]);
		execvp(argv[0], argv);
		_exit(127);
	}
	close(in[0]), close(out[1]);
	to = in[1];
	from = out[0];
	return pid;
}

static double reference(unsigned which, uint64_t reps, uint64_t *sum)
{
	uint64_t ask[2] = {which, reps}, answer[2];
	if (write(to, ask, sizeof ask) != sizeof ask || read(from, answer, sizeof answer) != sizeof answer)
		die(programs[which].name, "the reference does not answer");
	*sum = answer[0];
	return (double)answer[1] / 1e3;
}

static uint64_t calibrate(unsigned which)
{
	uint64_t reps = 1, sum;
	while (reference(which, reps, &sum) < REFERENCE_US / 4 && reps < UINT64_C(1) << 40)
		reps *= 2;
	return reps * 4;
}

/* ------ measuring ------ */

/* 0: it cannot run */
static double measure(struct a64_cpu *c, unsigned which)
{
	double ours[ROUNDS], theirs[ROUNDS], ratios[ROUNDS];
	uint64_t reps = calibrate(which), a, b, insns = c->insns;
	for (unsigned i = 0; i < ROUNDS; i++) {
		theirs[i] = reference(which, reps, &a);
		ours[i] = guest(c, which, reps, &b);
		if (ours[i] < 0) {
			printf("  %-40s not run: %08x is not written yet\n", programs[which].text,
			       *(uint32_t *)(void *)(image + (c->elr - IMAGE_AT)));
			return 0;
		}
		if (a != b)
			die(programs[which].name, "the guest computed something else");
		ratios[i] = ours[i] / theirs[i];
	}
	double ratio = median(ratios, ROUNDS), mine = median(ours, ROUNDS);
	printf("  %-40s %9.1f %9.1f %8.1f %8.0f\n", programs[which].text, median(theirs, ROUNDS) / 1e3, mine / 1e3, ratio,
	       (double)(c->insns - insns) / ROUNDS / mine);
	return ratio;
}

int main(int argc, char **argv)
{
	static atomic_uint attn;
	double logs = 0;
	unsigned ran = 0;
	if (argc != 4)
		die("usage", "bench_a64 QEMU WRAPPER IMAGE");
	int fd = open(argv[3], O_RDONLY | O_CLOEXEC), status;
	if (fd < 0 || read(fd, image, HEAP_AT - IMAGE_AT) <= 0)
		die(argv[3], "cannot be read");
	struct a64_cpu *c = open_guest(&attn);
	pid_t pid = start_reference(argv + 1);
	printf("  %-40s %9s %9s %8s %8s\n", "arm64 programs, ms of CPU", "QEMU", "soft", "ratio", "MIPS");
	for (unsigned n = 0; n < COUNT; n++) {
		double ratio = measure(c, n);
		logs += ratio > 0 ? log(ratio) : 0;
		ran += ratio > 0;
	}
	double mean = exp(logs / ran);
	printf("  %-40s %28.1f   goal at most %d: %s\n", "geometric mean", mean, GOAL, mean <= GOAL ? "met" : "MISSED");
	close(to);
	waitpid(pid, &status, 0);
	a64_free(c);
	return 0;
}
