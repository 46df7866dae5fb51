/* test_smp_litmus.c - the memory model as guests see it: litmus tests on 2 to 4 vCPUs (SDM vol. 3, 9.2.3; Sewell et
 * al., "x86-TSO", CACM 2010). What the model forbids must not be seen; what it allows is counted and reported, among it
 * the same programs with a fence left out or two stores exchanged: they show that this test would see the forbidden.
 *
 * Each turn of a test has cells of its own, so nothing is cleared in between, and the vCPUs wait for each other before
 * a turn - for a while only, because there may be more vCPUs than the host has processors. test-labels: release
 * test-timeout: 300 */
#include "test_smp.h"

enum {
	TURNS = 2048,
	BATCHES = 5,
	MAX_BATCHES = 12, /* on a busy host: until what is allowed has been seen ENOUGH times */
	ENOUGH = 3,
	STRIDE = 64,
	X = 0x20000,
	Y = 0x40000,
	R = 0x60000,
	R_STEP = 0x20000,
	PROGRESS = 0x7000
};

/* What a vCPU does in a turn. R0.. are its own registers, in the order of loads. */
enum what { END, ST_X, ST_Y, ST_X2, ST_Y2, LD_X, LD_Y, FENCE, XCHG_X, XCHG_Y, LOCKED };

struct outcome {
	uint32_t r[4][2], x, y;
};
struct litmus {
	const char *name;
	bool forbidden; /* else allowed: counted */
	unsigned cpus;
	uint8_t code[4][5];
	bool (*seen)(const struct outcome *o);
};

#define SEEN(name, condition)                                                                                          \
	static bool name(const struct outcome *o)                                                                      \
	{                                                                                                              \
		return condition;                                                                                      \
	}
SEEN(sb, o->r[0][0] == 0 && o->r[1][0] == 0)
SEEN(mp, o->r[1][0] == 1 && o->r[1][1] == 0)
SEEN(lb, o->r[0][0] == 1 && o->r[1][0] == 1)
SEEN(iriw, o->r[2][0] == 1 && o->r[2][1] == 0 && o->r[3][0] == 1 && o->r[3][1] == 0)
SEEN(wrc, o->r[1][0] == 1 && o->r[2][0] == 1 && o->r[2][1] == 0)
SEEN(two_two_w, o->x == 1 && o->y == 1)
SEEN(r_test, o->y == 2 && o->r[1][0] == 0)
SEEN(s_test, o->r[1][0] == 1 && o->x == 2)
SEEN(corr, o->r[1][0] == 1 && o->r[1][1] == 0)
SEEN(corr2, (o->r[2][0] == 1 && o->r[2][1] == 2 && o->r[3][0] == 2 && o->r[3][1] == 1) ||
		    (o->r[2][0] == 2 && o->r[2][1] == 1 && o->r[3][0] == 1 && o->r[3][1] == 2))
SEEN(forward, (o->r[0][0] != 1 || o->r[1][0] != 1))
SEEN(forward_late, o->r[0][1] == 0 && o->r[1][1] == 0)

/* What is allowed comes before what it speaks for: that gets as many turns as it took to see the former. */
static const struct litmus tests[] = {
	{"SB", false, 2, {{ST_X, LD_Y}, {ST_Y, LD_X}}, sb},
	{"SB+mfences", true, 2, {{ST_X, FENCE, LD_Y}, {ST_Y, FENCE, LD_X}}, sb},
	{"SB+xchgs", true, 2, {{XCHG_X, LD_Y}, {XCHG_Y, LD_X}}, sb},
	{"SB+locked", true, 2, {{ST_X, LOCKED, LD_Y}, {ST_Y, LOCKED, LD_X}}, sb},
	{"MP with its stores exchanged", false, 2, {{ST_Y, ST_X}, {LD_Y, LD_X}}, mp},
	{"MP with its loads exchanged", false, 2, {{ST_X, ST_Y}, {LD_X, LD_Y}}, mp},
	{"MP", true, 2, {{ST_X, ST_Y}, {LD_Y, LD_X}}, mp},
	{"LB with a side exchanged", false, 2, {{ST_Y, LD_X}, {LD_Y, ST_X}}, lb},
	{"LB", true, 2, {{LD_X, ST_Y}, {LD_Y, ST_X}}, lb},
	{"2+2W", true, 2, {{ST_X, ST_Y2}, {ST_Y, ST_X2}}, two_two_w},
	{"R", false, 2, {{ST_X, ST_Y}, {ST_Y2, LD_X}}, r_test},
	{"R+mfence", true, 2, {{ST_X, ST_Y}, {ST_Y2, FENCE, LD_X}}, r_test},
	{"S", true, 2, {{ST_X2, ST_Y}, {LD_Y, ST_X}}, s_test},
	{"CoRR", true, 2, {{ST_X}, {LD_X, LD_X}}, corr},
	{"CoRR of two writers", true, 4, {{ST_X}, {ST_X2}, {LD_X, LD_X}, {LD_X, LD_X}}, corr2},
	{"own stores are seen first", true, 2, {{ST_X, LD_X, LD_Y}, {ST_Y, LD_Y, LD_X}}, forward},
	{"and by others later", false, 2, {{ST_X, LD_X, LD_Y}, {ST_Y, LD_Y, LD_X}}, forward_late},
	{"WRC", true, 3, {{ST_X}, {LD_X, ST_Y}, {LD_Y, LD_X}}, wrc},
	{"IRIW", true, 4, {{ST_X}, {ST_Y}, {LD_X, LD_Y}, {LD_Y, LD_X}}, iriw},
	{"SB on 4 vCPUs", false, 4, {{ST_X, LD_Y}, {ST_Y, LD_X}, {LD_X, LD_X}, {LD_Y, LD_Y}}, sb},
};

static uint32_t result_at(unsigned cpu)
{
	return R + cpu * R_STEP;
}

/* Registers: RSI the turn's offset, EBX 1, EDX 2, results EAX and EBP. */
static void emit(struct code *c, uint8_t what, unsigned *loads)
{
	static const uint8_t result[2] = {AX, BP};
	switch (what) {
	case ST_X:
		mem_op(c, 0x89, BX, X, true);
		break;
	case ST_Y:
		mem_op(c, 0x89, BX, Y, true);
		break;
	case ST_X2:
		mem_op(c, 0x89, DX, X, true);
		break;
	case ST_Y2:
		mem_op(c, 0x89, DX, Y, true);
		break;
	case LD_X:
		mem_op(c, 0x8b, result[(*loads)++], X, true);
		break;
	case LD_Y:
		mem_op(c, 0x8b, result[(*loads)++], Y, true);
		break;
	case FENCE:
		EMIT(c, 0x0f, 0xae, 0xf0);
		break;
	case LOCKED:
		EMIT(c, 0xf0, 0x83, 0x0c, 0x24, 0x00);
		break; /* lock or dword [rsp], 0 */
	case XCHG_X:
	case XCHG_Y:
		mov_imm(c, CX, 1);
		mem_op(c, 0x87, CX, what == XCHG_X ? X : Y, true);
		break;
	default:
		break;
	}
}

/* Until each of the others has come as far, or for so many looks. */
static void wait_for_others(struct code *c, unsigned cpu, unsigned cpus, uint32_t looks)
{
	store(c, PROGRESS + cpu * 64, SI);
	for (unsigned i = 0; i < cpus; i++) {
		if (i == cpu)
			continue;
		mov_imm(c, CX, looks);
		uint32_t again = c->at;
		compare(c, PROGRESS + i * 64, SI);
		uint32_t there = jcc(c, JAE, 0);
		EMIT(c, 0xff, 0xc9); /* dec ecx */
		jcc(c, JNE, again);
		here(c, there);
	}
}

static void program(struct smp *s, const struct litmus *t, unsigned cpu)
{
	struct code c = smp_code(s, cpu);
	unsigned loads = 0;
	mov_imm(&c, BX, 1);
	mov_imm(&c, DX, 2);
	mov_imm(&c, SI, STRIDE);
	wait_for_others(&c, cpu, t->cpus, 200000); /* for a thread to wake up */
	uint32_t turn = c.at;
	wait_for_others(&c, cpu, t->cpus, t->cpus == 2 ? 2000 : 200);
	for (unsigned i = 0; i < 5 && cpu < t->cpus; i++)
		emit(&c, t->code[cpu][i], &loads);
	mem_op(&c, 0x89, AX, result_at(cpu), true);
	mem_op(&c, 0x89, BP, result_at(cpu) + 4, true);
	EMIT(&c, 0x83, 0xc6, STRIDE, 0x81, 0xfe); /* add esi, STRIDE; cmp esi, the end */
	imm32(&c, TURNS * STRIDE);
	jcc(&c, JNE, turn);
	hlt(&c);
}

static uint32_t word(const struct smp *s, uint32_t at)
{
	uint32_t v;
	memcpy(&v, s->g.ram + at, 4);
	return v;
}

static unsigned count(const struct smp *s, const struct litmus *t)
{
	unsigned n = 0;
	for (uint32_t i = 1; i < TURNS; i++) {
		struct outcome o = {.x = word(s, X + i * STRIDE), .y = word(s, Y + i * STRIDE)};
		for (unsigned cpu = 0; cpu < t->cpus; cpu++)
			for (unsigned k = 0; k < 2; k++)
				o.r[cpu][k] = word(s, result_at(cpu) + i * STRIDE + 4 * k);
		n += t->seen(&o);
	}
	return n;
}

static void clear(struct smp *s)
{
	memset(s->g.ram + X, 0, TURNS * STRIDE);
	memset(s->g.ram + Y, 0, TURNS * STRIDE);
	for (unsigned i = 0; i < 4; i++)
		smp_put(s, PROGRESS + i * 64, 0);
}

/* How often the outcome was seen in *batches, which what is allowed may raise. */
static unsigned look_for(struct smp *s, const struct litmus *t, unsigned *batches)
{
	unsigned n = 0, b = 0, most = t->forbidden ? *batches : MAX_BATCHES;
	for (unsigned cpu = 0; cpu < s->n; cpu++)
		program(s, t, cpu);
	for (; b < most && (t->forbidden || b < BATCHES || n < ENOUGH); b++) {
		clear(s);
		smp_run(s);
		n += count(s, t);
	}
	*batches = b;
	printf("%-30s %u of %u, %s\n", t->name, n, (TURNS - 1) * b, t->forbidden ? "forbidden" : "allowed");
	return n;
}

static void litmus(void **state)
{
	unsigned control = 0;
	(void)state;
	for (unsigned cpus = 2; cpus <= 4; cpus++) {
		struct smp s;
		unsigned batches = BATCHES;
		smp_open(&s, cpus);
		for (unsigned i = 0; i < sizeof tests / sizeof *tests; i++) {
			if (tests[i].cpus != cpus)
				continue;
			unsigned n = look_for(&s, &tests[i], &batches);
			if (tests[i].forbidden)
				assert_int_equal(n, 0);
			else
				control += n;
		}
		smp_close(&s);
	}
	if (!control) { /* one processor only, or a very busy host */
		printf("the vCPUs never met: nothing was tested\n");
		skip();
	}
}

int main(void)
{
	const struct CMUnitTest list[] = {cmocka_unit_test(litmus)};
	return cmocka_run_group_tests(list, NULL, NULL);
}
