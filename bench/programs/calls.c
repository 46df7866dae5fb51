/* calls.c - an interpreter of byte code that calls a function through a table for each operation, and a jump table. */
#include "programs.h"

struct machine {
	uint64_t stack[32], seed;
	unsigned top;
};
typedef void action_fn(struct machine *m);

static void push(struct machine *m)
{
	m->stack[m->top & 31] = next_random(&m->seed);
	m->top++;
}
static void add(struct machine *m)
{
	m->stack[m->top & 31] += m->stack[(m->top + 1) & 31];
}
static void mix(struct machine *m)
{
	m->stack[m->top & 31] ^= m->stack[(m->top + 3) & 31] >> 3;
}
static void drop(struct machine *m)
{
	m->top--;
}
static void twice(struct machine *m)
{
	m->stack[(m->top + 1) & 31] = m->stack[m->top & 31] * 2;
	m->top++;
}
static void nothing(struct machine *m)
{
	m->seed++;
}
static void minus(struct machine *m)
{
	m->stack[m->top & 31] = 0 - m->stack[m->top & 31];
}
static void rotate(struct machine *m)
{
	m->stack[m->top & 31] = m->stack[m->top & 31] << 7 | m->stack[m->top & 31] >> 57;
}

static action_fn *const actions[] = {push, add, mix, drop, twice, nothing, minus, rotate};

static uint64_t by_switch(uint8_t code, uint64_t v)
{
	switch (code & 7) {
	case 0:
		return v + 5;
	case 1:
		return v ^ v >> 9;
	case 2:
		return v * 3;
	case 3:
		return v - 77;
	case 4:
		return ~v;
	case 5:
		return v << 3 | v >> 61;
	case 6:
		return v ^ 0x55;
	default:
		return v + (v >> 5);
	}
}

uint64_t program_calls(uint64_t reps, uint8_t *heap)
{
	struct machine *m = (struct machine *)(void *)(heap + 0x1000);
	uint64_t seed = 123456789, v = 1;

	*m = (struct machine){.seed = 1};
	for (int i = 0; i < 256; i++)
		heap[i] = (uint8_t)(next_random(&seed) >> 11 & 7);
	for (; reps; reps--)
		for (int i = 0; i < 256; i++) {
			actions[heap[i]](m);
			v = by_switch(heap[i], v);
		}
	return m->stack[m->top & 31] + v;
}
