/* x86.c - a CPU's creation and end, and what the user does to its state between runs. */
#include <stdlib.h>
#include "aligned.h"
#include "engine.h"
#include "flags.h"

static void free_parts(struct x86_cpu *c)
{
	if (c->cache)
		free(c->cache->arena);
	free(c->cache);
	free(c->tlbs);
	free(c->itlb);
}

void x86_free(struct x86_cpu *c)
{
	if (!c)
		return;
	free_parts(c);
	cpu_aligned_free(c);
}

static bool alloc_parts(struct x86_cpu *c)
{
	c->cache = calloc(1, sizeof *c->cache);
	c->tlbs = calloc(X86_TLB_SETS, sizeof *c->tlbs);
	c->itlb = calloc(X86_ITLB_SIZE, sizeof *c->itlb);
	if (c->cache)
		c->cache->arena = malloc(X86_ARENA);
	return c->cache && c->tlbs && c->itlb && c->cache->arena;
}

static void empty_tlbs(struct x86_cpu *c)
{
	for (unsigned m = 0; m < X86_TLB_SETS; m++)
		for (unsigned i = 0; i < X86_TLB_SIZE; i++)
			c->tlbs[m].r[i].tag = c->tlbs[m].w[i].tag = 1;
	for (unsigned n = 0; n < X86_VICTIMS; n++)
		c->cache->victims[n].tag = 1;
	for (unsigned i = 0; i < X86_ITLB_SIZE; i++)
		c->itlb[i].tag = UINT64_MAX;
	c->cache->generation = 1; /* an empty jump-cache entry has tag 0 */
}

struct x86_cpu *x86_new(const struct x86_env *env, void *opaque, atomic_uint *attn)
{
	struct x86_cpu *c = cpu_aligned(sizeof *c);
	if (!c)
		return NULL;
	memset(c, 0, sizeof *c);
	if (!alloc_parts(c)) {
		x86_free(c);
		return NULL;
	}
	c->env = env;
	c->env_opaque = opaque;
	c->attn = attn;
	c->tlb = c->tlbs;
	c->insn_limit = UINT64_MAX;
	c->gpa_bits = 40;
	c->gva_bits = 48;
	empty_tlbs(c);
	x86_decoders_init();
	x86_cpuid_refresh(c);
	x86_reset(c);
	return c;
}

void x86_state_changed(struct x86_cpu *c, bool flush)
{
	c->r[X86_R_ZERO] = 0;
	x86_update_mode(c);
	x86_update_debug(c);
	if (flush)
		x86_flush_tlb(c, true);
}

uint64_t x86_get_rflags(struct x86_cpu *c)
{
	return (c->eflags & ~(uint32_t)X86_ARITH) | x86_arith_flags(c) | 2;
}

void x86_set_rflags(struct x86_cpu *c, uint64_t rflags)
{
	c->eflags = ((uint32_t)rflags & ~(uint32_t)X86_ARITH) | 2;
	x86_set_arith_flags(c, (uint32_t)rflags);
	x86_update_mode(c);
	x86_update_debug(c);
}
