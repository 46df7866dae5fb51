/* generate.h - a sequence that is being made; generate.c and start.c share it. */
#ifndef SILICON_GENERATE_H
#define SILICON_GENERATE_H

#include "silicon.h"

struct gen {
	struct s_program *p;
	uint64_t s;
	const struct s_table *t;
	const uint8_t *pool;
	unsigned pointer[3], index; /* registers */
	uint64_t value[16];         /* of pointers and index */
	uint16_t protected;
	bool done;
	bool spoiled;    /* a pointer may have been overwritten */
	bool may_unmask; /* x87 exceptions may be unmasked */
	bool mxcsr_open; /* FXRSTOR may have set MXCSR.MM, by which compare.c leaves the sequence out */
};

static inline uint64_t rnd(struct gen *g)
{
	return rnd_next(&g->s);
}
static inline bool chance(struct gen *g, unsigned percent)
{
	return rnd(g) % 100 < percent;
}

/* start.c: pointers, index and the state to start from */
void start_state(struct gen *g);

#endif
