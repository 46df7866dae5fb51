/* bench_linux.c - one Linux guest (Debian's kernel, linux/init.c) on several machines, each a command whose standard
 * streams are the guest's console: CPU time of the whole process, to /init and in each phase that the guest announces.
 *
 * Five rounds of all machines in turn. The guest stands still, waiting for a line, while the time is taken. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "median.h"

enum { MACHINES = 4, ROUNDS_MAX = 15, SECONDS = 300 };

static const struct {
	const char *name, *text; /* of the guest's line; the phase that ends there, NULL: none */
	double goal[2];          /* of each architecture; 0: none is set */
} marks[] = {
	{"syscalls", "kernel to /init", {3, 4}},  {"faults", "system calls", {3, 0}},
	{"exec", "page faults", {1.5, 0}},        {"code", "fork and exec", {1.5, 0}},
	{"end", "self-modifying code", {0.2, 0}},
};
static int arm64; /* the architecture */
enum { PHASES = sizeof(marks) / sizeof(*marks) };

struct machine {
	const char *name;
	char **argv;
	double ms[PHASES][ROUNDS_MAX];
};

struct child {
	pid_t pid;
	clockid_t clock;
	int in, out;
	size_t used;
	char text[1 << 16];
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static double cpu_ms(const struct child *c)
{
	struct timespec t;

	if (clock_gettime(c->clock, &t))
		die("bench_linux: the machine's CPU time");
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void start(struct child *c, char **argv)
{
	int in[2], out[2];

	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
		die("bench_linux: pipe");
	c->pid = fork();
	if (c->pid == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		execvp(argv[0], argv);
		perror(argv[0]);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	c->in = in[1];
	c->out = out[0];
	c->used = 0;
	if (c->pid < 0 || clock_getcpuclockid(c->pid, &c->clock))
		die("bench_linux: a machine");
}

static void give_up(struct child *c, const char *mark)
{
	fprintf(stderr, "bench_linux: no phase '%s'; the console's last lines:\n%.*s\n", mark,
		c->used > 2000 ? 2000 : (int)c->used, c->text + (c->used > 2000 ? c->used - 2000 : 0));
	kill(c->pid, SIGKILL);
	exit(1);
}

/* Read the console up to a line, and let the guest's last writes settle. */
static void wait_for(struct child *c, const char *mark)
{
	struct timespec settle = {0, 20000000};
	char line[64];
	ssize_t n;

	snprintf(line, sizeof(line), "phase %s\r\n", mark);
	for (;;) {
		struct pollfd p = {.fd = c->out, .events = POLLIN};

		c->text[c->used] = 0;
		if (strstr(c->text, line))
			break;
		if (c->used == sizeof(c->text) - 1 || poll(&p, 1, SECONDS * 1000) <= 0)
			give_up(c, mark);
		n = read(c->out, c->text + c->used, sizeof(c->text) - 1 - c->used);
		if (n <= 0)
			give_up(c, mark);
		c->used += (size_t)n;
	}
	c->used = 0;
	nanosleep(&settle, NULL);
}

static void run(struct machine *m, int round)
{
	static struct child c;
	double before = 0, now;

	start(&c, m->argv);
	for (unsigned i = 0; i < PHASES; i++) {
		wait_for(&c, marks[i].name);
		now = cpu_ms(&c);
		m->ms[i][round] = now - before;
		before = now;
		if (write(c.in, "\n", 1) != 1)
			die("bench_linux: the console");
	}
	while (read(c.out, c.text, sizeof(c.text)) > 0)
		;
	close(c.in);
	close(c.out);
	waitpid(c.pid, NULL, 0);
}

/* The rounds stay in their order: those of two machines belong together. */
static double median_of(const double *t, int n)
{
	double copy[ROUNDS_MAX];

	memcpy(copy, t, (size_t)n * sizeof(*t));
	return median(copy, (size_t)n);
}

/* The last machine is the reference. */
static void print_row(const struct machine *all, int machines, int rounds, unsigned phase)
{
	const double *theirs = all[machines - 1].ms[phase];

	printf("  %-22s", marks[phase].text);
	for (int m = 0; m < machines; m++)
		printf(" %12.0f", median_of(all[m].ms[phase], rounds));
	for (int m = 0; m + 1 < machines; m++) {
		double ratios[ROUNDS_MAX], ratio;

		for (int i = 0; i < rounds; i++)
			ratios[i] = all[m].ms[phase][i] / theirs[i];
		ratio = median_of(ratios, rounds);
		printf("   %s: %.2f", all[m].name, ratio);
		if (!strcmp(all[m].name, "soft") && marks[phase].goal[arm64] > 0)
			printf(", goal at most %.1f: %s", marks[phase].goal[arm64],
			       ratio <= marks[phase].goal[arm64] ? "met" : "MISSED");
	}
	printf("\n");
}

/* Arguments: rounds, the architecture, then for each machine: -- NAME COMMAND... */
static int parse(int argc, char **argv, struct machine *all)
{
	int machines = 0;

	for (int i = 3; i < argc; i++) {
		if (strcmp(argv[i], "--"))
			continue;
		argv[i] = NULL;
		if (machines == MACHINES || i + 2 >= argc)
			return 0;
		all[machines].name = argv[i + 1];
		all[machines++].argv = argv + i + 2;
	}
	return machines;
}

int main(int argc, char **argv)
{
	static struct machine all[MACHINES];
	int rounds = argc > 1 ? atoi(argv[1]) : 0, machines = parse(argc, argv, all);

	if (rounds < 1 || rounds > ROUNDS_MAX || machines < 1) {
		fprintf(stderr,
			"usage: bench_linux ROUNDS ARCH -- NAME COMMAND... [-- NAME COMMAND...]; the last is the "
			"reference\n");
		return 2;
	}
	arm64 = !strcmp(argv[2], "arm64");
	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < rounds; i++)
		for (int m = 0; m < machines; m++)
			run(&all[m], i);
	printf("  CPU ms, medians of %-3d", rounds);
	for (int m = 0; m < machines; m++)
		printf(" %12s", all[m].name);
	printf("   ratios\n");
	for (unsigned i = 0; i < PHASES; i++)
		print_row(all, machines, rounds, i);
	return 0;
}
