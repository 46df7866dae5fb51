/* start.c - the state that a sequence starts from: registers, of which some are pointers into the data, and an image of
 * x87, SSE and AVX. */
#include "generate.h"

static uint64_t pool_at(struct gen *g)
{
	return rnd(g) % (S_POOL - 1024) & ~(uint64_t)15;
}

static void choose_pointers(struct gen *g)
{
	static const uint8_t of64[] = {3, 5, 8, 9, 10, 11, 12, 13, 14, 15}, of32[] = {3, 5, 6, 7};
	const uint8_t *of = g->p->mode == S_MODE64 ? of64 : of32;
	unsigned n = g->p->mode == S_MODE64 ? 10 : 4, first = rnd(g) % n;
	bool rsp = chance(g, 20);
	g->pointer[0] = of[first];
	g->pointer[1] = of[(first + 1) % n];
	g->pointer[2] = rsp ? 4 : g->p->mode == S_MODE64 ? of[(first + 2) % n] : g->pointer[0];
	g->index = of[(first + (g->p->mode == S_MODE64 ? 3 : 2)) % n];
	g->protected = 1u << 4;
	for (unsigned k = 0; k < 3; k++)
		g->value[g->pointer[k]] = S_DATA + (rnd(g) % S_DATA_RW & ~(uint64_t)7);
	g->value[g->index] = rnd(g) % 64;
	g->value[4] = S_DATA + 0x800 + (rnd(g) % 0x1000 & ~(uint64_t)(chance(g, 90) ? 15 : 0));
	for (unsigned k = 0; k < 3; k++)
		g->protected |= (uint16_t)(1u << g->pointer[k]);
	g->protected |= (uint16_t)(1u << g->index);
}

static void start_x87(struct gen *g, uint8_t *image)
{
	static const uint16_t pc[] = {0x300, 0x300, 0x200, 0};
	uint16_t fcw = (uint16_t)(0x40 | (chance(g, 85) ? 0x3f : rnd(g) & 0x3f) | pc[rnd(g) & 3]);
	uint16_t fsw = (uint16_t)(rnd(g) & 0x7f00);
	fcw |= chance(g, 60) ? 0 : (uint16_t)((rnd(g) & 3) << 10);
	fsw |= chance(g, 80) ? 0 : (uint16_t)(rnd(g) & 0x3f & fcw);
	memcpy(image, &fcw, 2);
	memcpy(image + 2, &fsw, 2);
	image[4] = (uint8_t)(chance(g, 30) ? 0x3c : chance(g, 50) ? 0xff : rnd(g));
	memcpy(image + 32, g->pool + pool_at(g), 128);
	for (unsigned r = 0; r < 8; r++) {
		memset(image + 32 + 16 * r + 10, 0, 6);
		if (chance(g, 50)) { /* a plain number */
			uint16_t se = (uint16_t)((rnd(g) & 0x8000) | (0x3fff + rnd(g) % 16 - 8));
			image[32 + 16 * r + 7] |= 0x80;
			memcpy(image + 32 + 16 * r + 8, &se, 2);
		}
	}
}

static void start_vectors(struct gen *g, struct s_state *s)
{
	uint32_t mxcsr = 0x1f80;
	if (chance(g, 40))
		mxcsr = (uint32_t)((chance(g, 60) ? 0x1f80 : rnd(g) & 0x1f80) | (rnd(g) & 3) << 13 |
				   (chance(g, 60) ? 0 : rnd(g) & 0x8040) | (chance(g, 80) ? 0 : rnd(g) & 0x3f));
	memcpy(s->xsave + 24, &mxcsr, 4);
	memcpy(s->xsave + 160, g->pool + pool_at(g), 256);
	s->xsave[512] = soft_has_avx() ? 7 : 3;
	if (soft_has_avx() && chance(g, 90))
		memcpy(s->xsave + 576, g->pool + pool_at(g), 256);
}

static void start_registers(struct gen *g, struct s_state *s)
{
	memcpy(s->r, g->pool + pool_at(g), sizeof s->r);
	for (unsigned r = 0; r < 16; r++) {
		if (chance(g, 50))
			s->r[r] = rnd(g) >> rnd(g) % 64;
		if (g->protected >> r & 1)
			s->r[r] = g->value[r];
		if (g->p->mode == S_MODE32)
			s->r[r] = r < 8 ? (uint32_t)s->r[r] : 0;
	}
	s->rflags = 0x202 | (rnd(g) & 0x8d5) | (chance(g, 10) ? 0x400 : 0);
}

void start_state(struct gen *g)
{
	struct s_state *s = &g->p->start;
	choose_pointers(g);
	s->fs = S_DATA + (rnd(g) & 0xff8);
	s->gs = S_DATA + (rnd(g) & 0xff8);
	start_x87(g, s->xsave);
	start_vectors(g, s);
	start_registers(g, s);
}
