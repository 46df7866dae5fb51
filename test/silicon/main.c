/* main.c - vmaccel-silicon: random instruction sequences on the host's processor and on the software CPU, every
 * register, flag, fault and byte of memory compared.
 *
 * Exit status: 0 no undeclared difference, 1 there was one (with --plant: none was found), 2 wrong usage, 77 not
 * possible on this host. */
#include "silicon.h"
#include <cpuid.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

struct options {
	uint64_t insns, seed, replay;
	uint32_t at;
	unsigned jobs, limit;
	const char *only, *plant;
	bool list, has_replay, verbose;
};

struct totals {
	uint64_t insns, sequences, faults, timeouts, differences;
};

/* ------ differences ------ */

static uint16_t told[256];
static unsigned tolds;

/* The instruction to blame: the last one of the shortest sequence that is not setup. Each is told once. */
static bool new_one(const struct s_program *p)
{
	uint16_t m = 0;
	for (uint32_t n = 0; n < p->count; n++)
		if (!p->item[n].setup)
			m = p->item[n].mnemonic;
	for (unsigned n = 0; n < tolds; n++)
		if (told[n] == m)
			return false;
	if (tolds < sizeof told / sizeof *told)
		told[tolds++] = m;
	return true;
}

static void print_start(FILE *f, const struct s_program *p)
{
	const uint8_t *x = p->start.xsave;
	uint32_t mxcsr;
	uint16_t control[3];
	memcpy(&mxcsr, x + 24, 4);
	memcpy(control, x, 6);
	fprintf(f, "  start: rflags %" PRIx64 " fcw %04x fsw %04x ftw %02x mxcsr %04x fs %" PRIx64 " gs %" PRIx64 "\n",
		p->start.rflags, control[0], control[1], control[2] & 0xff, mxcsr, p->start.fs, p->start.gs);
	for (unsigned n = 0; n < 16; n++)
		fprintf(f, "%s r%-2u %016" PRIx64 "%s", n % 4 ? "" : "  ", n, p->start.r[n], n % 4 == 3 ? "\n" : "");
}

static void print_vectors(FILE *f, const struct s_program *p)
{
	const uint8_t *x = p->start.xsave;
	for (unsigned n = 0; n < 24; n++) {
		uint64_t v[4] = {0};
		memcpy(v, x + (n < 8 ? 32 + 16 * n : 160 + 16 * (n - 8)), 16);
		if (n >= 8)
			memcpy(v + 2, x + 576 + 16 * (n - 8), 16);
		if (n < 8)
			fprintf(f, "  st%u %04" PRIx64 ".%016" PRIx64 "%s", n, v[1], v[0], n & 1 ? "\n" : "");
		else
			fprintf(f, "  ymm%-2u %016" PRIx64 "_%016" PRIx64 "_%016" PRIx64 "_%016" PRIx64 "\n", n - 8,
				v[3], v[2], v[1], v[0]);
	}
}

static void show(struct s_rig *rig, const struct s_program *p, bool verbose)
{
	static struct s_result r;
	const char *why = run_one(rig, p, &r);
	fprintf(stderr, "difference: %s\n  --replay 0x%" PRIx64 "@%x, %s code%s\n", why ? why : "none (any more)",
		p->seed, p->at, p->mode == S_MODE64 ? "64-bit" : "32-bit", p->softfloat ? ", softfloat" : "");
	print_program(stderr, p, rig->sh);
	print_difference(stderr, &rig->sh->seq[0], &r);
	print_start(stderr, p);
	if (verbose)
		print_vectors(stderr, p);
	fflush(stderr);
}

/* ------ batches ------ */

static struct s_program programs[S_BATCH];

static uint64_t seed_of(uint64_t base, uint64_t index)
{
	uint64_t s = base ^ (index * 0xd1342543de82ef95);
	return rnd_next(&s);
}

static void make_batch(struct s_rig *rig, uint64_t base, uint64_t *index, unsigned step)
{
	struct s_shared *sh = rig->sh;
	uint32_t at = 0;
	sh->count = 0;
	while (sh->count < S_BATCH && at + S_CODE_MAX <= S_LEAVE - S_ARENA) {
		struct s_program *p = &programs[sh->count];
		struct s_seq *s = &sh->seq[sh->count];
		generate(p, seed_of(base, *index), sh->pool);
		*index += step;
		p->at = at;
		if (!p->count || !assemble(p, sh, s))
			continue;
		sh->count++;
		at += s->size;
	}
}

/* Without setup and the way out; a repeated string instruction counts once, as in the list. */
static uint64_t executed(const struct s_program *p, const struct s_result *r)
{
	uint64_t setup = 1;
	for (uint32_t n = 0; n < p->count; n++)
		setup += p->item[n].setup;
	uint64_t listed = p->count + 1 - setup, ran = r->insns > setup ? r->insns - setup : 0;
	return ran < listed ? ran : listed;
}

static void run_batch(struct s_rig *rig, const struct options *o, struct totals *t)
{
	static struct s_result r;
	struct s_shared *sh = rig->sh;
	uint32_t failing[S_BATCH], failed = 0;
	if (!host_run(rig->host))
		exit(1);
	soft_code(rig->soft, sh);
	for (uint32_t n = 0; n < sh->count; n++) {
		struct s_program *p = &programs[n];
		soft_run(rig->soft, sh, &sh->seq[n], p->softfloat, &r);
		t->insns += executed(p, &r);
		t->sequences++;
		t->faults += r.faults;
		t->timeouts += sh->seq[n].timeout || r.timeout;
		if (compare(p, sh, &sh->seq[n], &r))
			failing[failed++] = n;
	}
	for (uint32_t k = 0; k < failed && t->differences < o->limit; k++) {
		struct s_program *p = &programs[failing[k]];
		t->differences++;
		if (o->plant && t->differences > 1)
			continue;
		if (run_one(rig, p, &r))
			minimise(rig, p);
		if (new_one(p))
			show(rig, p, o->verbose);
	}
}

static bool rig_open(struct s_rig *rig)
{
	rig->host = host_start(&rig->sh);
	if (!rig->host)
		return false;
	fill_pool(rig->sh->pool, sizeof rig->sh->pool, 0x51);
	fill_fixed(rig->sh);
	rig->sh->has_avx = soft_has_avx();
	rig->soft = soft_new(rig->sh);
	return rig->soft != NULL;
}

static void rig_close(struct s_rig *rig)
{
	soft_free(rig->soft);
	host_stop(rig->host);
}

static void work(const struct options *o, unsigned job, struct totals *t)
{
	struct s_rig rig;
	uint64_t index = job, share = o->insns / o->jobs;
	if (!rig_open(&rig))
		exit(77);
	while (t->insns < share && t->differences < o->limit && !(o->plant && t->differences)) {
		make_batch(&rig, o->seed, &index, o->jobs);
		run_batch(&rig, o, t);
	}
	rig_close(&rig);
}

/* Each job is a process: the totals come back through a pipe. */
static int run_jobs(const struct options *o)
{
	struct totals sum = {0};
	int pipes[64], status = 0;
	for (unsigned k = 0; k < o->jobs; k++) {
		int p[2];
		if (pipe(p))
			return 77;
		if (fork() == 0) {
			struct totals t = {0};
			close(p[0]);
			work(o, k, &t);
			exit(write(p[1], &t, sizeof t) == sizeof t ? 0 : 1);
		}
		close(p[1]);
		pipes[k] = p[0];
	}
	for (unsigned k = 0; k < o->jobs; k++) {
		struct totals t;
		int st = 0;
		if (read(pipes[k], &t, sizeof t) == sizeof t) {
			sum.insns += t.insns;
			sum.sequences += t.sequences;
			sum.faults += t.faults;
			sum.timeouts += t.timeouts;
			sum.differences += t.differences;
		}
		wait(&st);
		if (!WIFEXITED(st) || WEXITSTATUS(st))
			status = WIFEXITED(st) && WEXITSTATUS(st) == 77 ? 77 : 1;
	}
	printf("silicon: %" PRIu64 " instructions in %" PRIu64 " sequences, %" PRIu64 " faults, %" PRIu64
	       " runaways, %" PRIu64 " undeclared differences (seed 0x%" PRIx64 ")\n",
	       sum.insns, sum.sequences, sum.faults, sum.timeouts, sum.differences, o->seed);
	if (status)
		return status;
	return o->plant ? sum.differences == 0 : sum.differences != 0;
}

static int replay(const struct options *o)
{
	struct s_rig rig;
	static struct s_result r;
	if (!rig_open(&rig))
		return 77;
	struct s_program *p = &programs[0];
	generate(p, o->replay, rig.sh->pool);
	p->at = o->at;
	const char *why = run_one(&rig, p, &r);
	if (why) {
		minimise(&rig, p);
		show(&rig, p, true);
	} else {
		print_program(stdout, p, rig.sh);
		print_difference(stdout, &rig.sh->seq[0], &r);
		printf("no undeclared difference\n");
	}
	rig_close(&rig);
	return why != NULL;
}

/* ------ options ------ */

static void usage(FILE *f)
{
	fprintf(f, "usage: vmaccel-silicon [--insns N] [--seed N] [--jobs N] [--only MNEMONIC|ISA-SET] [--limit N]\n"
		   "                       [--replay SEED@AT] [--plant NAME] [--list] [--verbose]\n"
		   "Runs random instructions on this processor and on the software CPU and compares.\n"
		   "  --only    instructions of this mnemonic or ISA set (Zydis' names) alone\n"
		   "  --limit   stop after so many differences (10)\n"
		   "  --replay  one sequence again, made as short as it goes\n"
		   "  --list    what is compared, and what is not and why\n"
		   "  --plant   make the software side wrong; fails when that is not noticed:\n");
	plant_list();
}

static bool parse(int argc, char **argv, struct options *o)
{
	static const struct option long_options[] = {{"insns", 1, 0, 'n'},   {"seed", 1, 0, 's'},  {"jobs", 1, 0, 'j'},
						     {"only", 1, 0, 'o'},    {"limit", 1, 0, 'l'}, {"plant", 1, 0, 'p'},
						     {"replay", 1, 0, 'r'},  {"list", 0, 0, 'L'},  {"help", 0, 0, 'h'},
						     {"verbose", 0, 0, 'v'}, {0, 0, 0, 0}};
	char *end;
	for (int c; (c = getopt_long(argc, argv, "n:s:j:o:h", long_options, NULL)) != -1;)
		switch (c) {
		case 'n':
			o->insns = strtoull(optarg, NULL, 0);
			break;
		case 's':
			o->seed = strtoull(optarg, NULL, 0);
			break;
		case 'j':
			o->jobs = (unsigned)strtoul(optarg, NULL, 0);
			break;
		case 'o':
			o->only = optarg;
			break;
		case 'l':
			o->limit = (unsigned)strtoul(optarg, NULL, 0);
			break;
		case 'L':
			o->list = true;
			break;
		case 'v':
			o->verbose = true;
			break;
		case 'p':
			o->plant = optarg;
			if (!plant_select(optarg))
				return false;
			break;
		case 'r':
			o->replay = strtoull(optarg, &end, 0);
			o->at = *end == '@' ? (uint32_t)strtoul(end + 1, NULL, 16) : 0;
			o->has_replay = true;
			break;
		default:
			return false;
		}
	return o->jobs >= 1 && o->jobs <= 64 && o->at <= S_LEAVE - S_ARENA - S_CODE_MAX && optind == argc;
}

int main(int argc, char **argv)
{
	struct options o = {.insns = 1000000, .seed = 0x5eed, .jobs = 1, .limit = 10};
	if (!parse(argc, argv, &o)) {
		usage(stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	if (!table_build(o.only)) {
		fprintf(stderr, "vmaccel-silicon: no such instruction on both sides: %s\n", o.only ? o.only : "?");
		return 2;
	}
	if (o.list) {
		table_list();
		return 0;
	}
	return o.has_replay ? replay(&o) : run_jobs(&o);
}
