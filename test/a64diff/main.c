/* main.c - vmaccel-a64diff: random A64 sequences on the software CPU and on another engine for arm64 programs, QEMU's user mode
 * or an arm64 machine, in the same run; all registers, flags and memory compared.
 *
 *   vmaccel-a64diff [--insns N] [--seed S] COMMAND...    COMMAND starts the other side (native.c) */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "arm64/engine.h"
#include "generate.h"

/* An exception ends a sequence as well; ESR_EL1 tells. */
enum { DEVICE = 0x30000000, VECTORS = 0x40000000, TABLE = 0x22000000 };

/* Without the MMU all memory is a device's, where unaligned accesses fault (Arm ARM D8.2.13). Two blocks of 1 GiB, EL0's
 * and EL1's. */
static void mmu_on(struct a64_cpu *c, uint64_t *table)
{
	enum { BLOCK = 1, EL0 = 1 << 6, INNER = 3 << 8, AF = 1 << 10, T0SZ_39_BITS = 25, EPD1 = 1 << 23, M_C_I = 0x1005 };
	table[0] = BLOCK | EL0 | INNER | AF;
	table[1] = BLOCK | INNER | AF | VECTORS;
	c->mair = 0xff;
	c->tcr = T0SZ_39_BITS | EPD1 | (uint64_t)5 << 32;
	c->ttbr0 = TABLE;
	c->sctlr |= M_C_I;
	a64_state_changed(c, true);
}

struct soft {
	struct a64_cpu *c;
	atomic_uint attn;
	_Alignas(4096) uint8_t code[CASE_BATCH * CASE_CODE_BYTES + 4096];
	_Alignas(4096) uint8_t data[4096];
	_Alignas(4096) uint64_t table[512];
	_Alignas(4096) uint8_t vectors[4096];
};

static uint8_t *page(void *o, uint64_t gpa, unsigned *flags)
{
	struct soft *s = o;
	*flags = A64_PAGE_R | A64_PAGE_W | A64_PAGE_X;
	if (gpa >= CASE_CODE && gpa - CASE_CODE < sizeof s->code)
		return s->code + (gpa - CASE_CODE);
	if (gpa == VECTORS)
		return s->vectors;
	return gpa == CASE_DATA ? s->data : gpa == TABLE ? (uint8_t *)s->table : NULL;
}
static int mmio(void *o, uint64_t gpa, unsigned len, bool write, uint8_t *data)
{
	(void)o, (void)gpa, (void)len, (void)write, (void)data;
	return A64_DEFER;
}

/* ------ the two sides ------ */

/* false: it did not come to its end */
static bool run_soft(struct soft *s, const struct diff_case *in, uint64_t at, struct diff_state *out, uint64_t *insns)
{
	struct a64_cpu *c = s->c;
	struct diff_case mine = *in;
	uint64_t device = DEVICE, before = c->insns;
	gen_replace_end(&mine, GEN_STR_X28);
	memcpy(&mine.code[CASE_WORDS - 2], &device, 8);
	memcpy(s->code + (at - CASE_CODE), mine.code, sizeof mine.code);
	memcpy(s->data, in->s.mem, CASE_MEM);
	memcpy(s->vectors + 0x400, (uint32_t[]){0xd2a6001c, GEN_STR_X28}, 8); /* movz x28, DEVICE */
	a64_reset(c);
	c->vbar = VECTORS;
	mmu_on(c, s->table);
	memcpy(c->x, in->s.x, sizeof in->s.x);
	c->cpacr = 3 << 20;
	a64_set_pstate(c, in->s.nzcv); /* EL0 */
	c->x[A64_R_SP] = in->s.sp;
	memcpy(c->v, in->s.v, sizeof in->s.v);
	c->fpcr = (uint32_t)in->s.fpcr;
	c->fpsr = (uint32_t)in->s.fpsr;
	c->pc = at;
	c->insn_limit = c->insns + 2 * CASE_WORDS;
	a64_code_changed(c);
	if (a64_run(c) != A64_STOP_MMIO || c->stop.addr != DEVICE || c->esr)
		return false;
	*insns += c->insns - before;
	memset(out, 0, sizeof *out);
	memcpy(out->x, c->x, sizeof out->x);
	out->sp = c->x[A64_R_SP];
	out->nzcv = a64_get_pstate(c) & 0xf0000000;
	out->fpcr = c->fpcr;
	out->fpsr = c->fpsr;
	memcpy(out->v, c->v, sizeof out->v);
	memcpy(out->mem, s->data, CASE_MEM);
	return true;
}

struct other {
	int to, from;
	pid_t pid;
	char **argv;
};
static bool start(struct other *o)
{
	int in[2], out[2];
	if (pipe(in) || pipe(out))
		return false;
	o->pid = fork();
	if (o->pid == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		close(in[0]), close(in[1]), close(out[0]), close(out[1]);
		execvp(o->argv[0], o->argv);
		_exit(127);
	}
	close(in[0]), close(out[1]);
	o->to = in[1];
	o->from = out[0];
	return o->pid > 0;
}
static void end(struct other *o)
{
	close(o->to), close(o->from);
	waitpid(o->pid, NULL, 0);
}
static bool all(ssize_t (*move)(int, void *, size_t), int fd, void *p, size_t n)
{
	for (size_t at = 0; at < n;) {
		ssize_t got = move(fd, (uint8_t *)p + at, n - at);
		if (got <= 0 && errno != EINTR)
			return false;
		at += got > 0 ? (size_t)got : 0;
	}
	return true;
}
static ssize_t put(int fd, void *p, size_t n)
{
	return write(fd, p, n);
}
static bool run_other(struct other *o, struct diff_case *batch, struct diff_state *out)
{
	return all(put, o->to, batch, CASE_BATCH * sizeof *batch) && all(read, o->from, out, CASE_BATCH * sizeof *out);
}

/* ------ comparing ------ */

static unsigned compare(const struct diff_state *a, const struct diff_state *b, bool tell)
{
	unsigned n = 0;
#define DIFF(cond, ...) ((cond) ? (n++, tell ? printf(__VA_ARGS__) : 0) : 0)
	for (unsigned i = 0; i < 31; i++)
		DIFF(i != 28 && a->x[i] != b->x[i], "  x%u: soft %#lx, other %#lx\n", i, a->x[i], b->x[i]);
	DIFF(a->sp != b->sp, "  sp: soft %#lx, other %#lx\n", a->sp, b->sp);
	DIFF(a->nzcv != b->nzcv, "  nzcv: soft %#lx, other %#lx\n", a->nzcv, b->nzcv);
	DIFF(a->fpsr != b->fpsr, "  fpsr: soft %#lx, other %#lx\n", a->fpsr, b->fpsr);
	DIFF(a->fpcr != b->fpcr, "  fpcr: soft %#lx, other %#lx\n", a->fpcr, b->fpcr);
	for (unsigned i = 0; i < 32; i++)
		DIFF(memcmp(a->v[i], b->v[i], 16), "  v%u: soft %016lx%016lx, other %016lx%016lx\n", i, a->v[i][1],
		     a->v[i][0], b->v[i][1], b->v[i][0]);
	for (unsigned i = 0; i < CASE_MEM; i++)
		DIFF(a->mem[i] != b->mem[i], "  mem[%#x]: soft %02x, other %02x\n", i, a->mem[i], b->mem[i]);
#undef DIFF
	return n;
}

/* The first instruction after which they differ: all lengths of the sequence as one batch. */
static void explain(struct soft *s, struct other *o, const struct diff_case *c)
{
	static struct diff_case cut[CASE_BATCH];
	static struct diff_state out[CASE_BATCH], mine;
	unsigned length = gen_length(c), n = 0;
	uint64_t insns = 0;
	for (unsigned i = 0; i < CASE_BATCH; i++) {
		cut[i] = *c;
		gen_cut(&cut[i], i < length ? i : length);
	}
	/* what branches over a cut end leaves the sequence: cut sequences have none behind their end but NOPs */
	if (!run_other(o, cut, out)) {
		printf("  the other side ended\n");
		return;
	}
	for (; n < CASE_BATCH; n++) {
		uint64_t at = CASE_CODE + n * CASE_CODE_BYTES;
		if (!run_soft(s, &cut[n], at, &mine, &insns) || compare(&mine, &out[n], false))
			break;
	}
	if (n == CASE_BATCH)
		n = length;
	for (unsigned i = n > 4 ? n - 4 : 1; i <= n; i++) {
		const struct a64_row *r = a64_find_row(s->c->features, c->code[i]);
		printf("  %2u: %08x %s\n", i, c->code[i], r ? r->name : "undefined");
	}
	if (n < CASE_BATCH)
		compare(&mine, &out[n], true);
}

/* The case that ends the other side, and the instruction: alone, and shorter and shorter. */
static bool survives(struct other *o, const struct diff_case *c)
{
	static struct diff_case same[CASE_BATCH];
	static struct diff_state out[CASE_BATCH];
	for (unsigned i = 0; i < CASE_BATCH; i++)
		same[i] = *c;
	bool ok = run_other(o, same, out);
	if (!ok) {
		end(o);
		start(o);
	}
	return ok;
}
static void explain_end(struct soft *s, struct other *o, const struct diff_case *cases)
{
	unsigned i = 0, n = 0;
	end(o);
	start(o);
	while (i < CASE_BATCH && survives(o, &cases[i]))
		i++;
	if (i == CASE_BATCH)
		return;
	struct diff_case c = cases[i];
	for (unsigned length = gen_length(&c); n < length; n++) {
		c = cases[i];
		gen_cut(&c, n);
		if (!survives(o, &c))
			break;
	}
	const struct a64_row *r = a64_find_row(s->c->features, cases[i].code[n]);
	printf("  case %u, instruction %u: %08x %s\n", i, n, cases[i].code[n], r ? r->name : "undefined");
}

static unsigned batch(struct soft *s, struct other *o, struct gen *g, uint64_t *insns)
{
	static struct diff_case cases[CASE_BATCH];
	static struct diff_state out[CASE_BATCH], mine;
	unsigned bad = 0;
	for (unsigned i = 0; i < CASE_BATCH; i++)
		gen_case(g, &cases[i], CASE_INSNS);
	if (!run_other(o, cases, out)) {
		printf("FAILED: the other side ended in the batch that ends at seed %#lx\n", g->seed);
		explain_end(s, o, cases);
		return 1;
	}
	for (unsigned i = 0; i < CASE_BATCH && !bad; i++) {
		bool ended = run_soft(s, &cases[i], CASE_CODE + i * CASE_CODE_BYTES, &mine, insns);
		if (ended && !compare(&mine, &out[i], false))
			continue;
		printf("FAILED: case %u of the batch that ends at seed %#lx%s\n", i, g->seed,
		       ended ? "" : ": the software CPU did not come to its end");
		if (!ended)
			printf("  stop %u pc %#lx esr %#lx elr %#lx far %#lx\n", s->c->stop.kind, s->c->pc, s->c->esr, s->c->elr,
			       s->c->far);
		explain(s, o, &cases[i]);
		bad++;
	}
	return bad;
}

int main(int argc, char **argv)
{
	static const struct a64_env env = {.page = page, .mmio = mmio};
	static struct soft s;
	struct gen g = {.seed = 1};
	struct other o;
	uint64_t want = 1000000, insns = 0;
	unsigned bad = 0;
	int at = 1;
	for (; at + 1 < argc && argv[at][0] == '-'; at += 2) {
		uint64_t *v = !strcmp(argv[at], "--insns") ? &want : !strcmp(argv[at], "--seed") ? &g.seed : NULL;
		if (!v)
			return 2;
		*v = strtoull(argv[at + 1], NULL, 0);
	}
	s.c = a64_new(&env, &s, &s.attn);
	o.argv = argv + at;
	signal(SIGPIPE, SIG_IGN);
	if (at >= argc || !s.c || !start(&o))
		return 2;
	g.features = s.c->features;
	while (insns < want && !bad)
		bad = batch(&s, &o, &g, &insns);
	end(&o);
	a64_free(s.c);
	printf("%lu instructions compared\n%d passed, %d failed\n", insns, !bad, !!bad);
	return !!bad;
}
