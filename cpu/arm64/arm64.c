/* arm64.c - the CPU as an object: made, reset, freed, told of changes. */
#include <stdlib.h>
#include "aligned.h"
#include "engine.h"
#include "sys.h"

struct a64_cpu *a64_new(const struct a64_env *env, void *opaque, atomic_uint *attn)
{
	struct a64_cpu *c = cpu_aligned(sizeof *c);
	if (!c)
		return NULL;
	memset(c, 0, sizeof *c);
	c->env = env;
	c->env_opaque = opaque;
	c->attn = attn;
	c->insn_limit = UINT64_MAX;
	c->features = A64_FEATURES_ALL;
	if (!a64_cache_new(c) || !a64_mmu_new(c)) {
		a64_free(c);
		return NULL;
	}
	a64_reset(c);
	return c;
}

void a64_free(struct a64_cpu *c)
{
	if (!c)
		return;
	if (c->share)
		a64_share_leave(c);
	a64_mmu_free(c);
	a64_cache_free(c);
	cpu_aligned_free(c);
}

/* Arm ARM D1.9.1: registers have no architected value; here they are 0. */
void a64_reset(struct a64_cpu *c)
{
	memset(c->x, 0, sizeof c->x);
	memset(c->v, 0, sizeof c->v);
	c->fpcr = c->fpsr = 0;
	c->pc = 0;
	c->excl_addr = UINT64_MAX;
	c->exc_valid = c->replay = c->irq_wait = false;
	a64_sysreg_reset(c);
	a64_set_pstate(c, A64_DAIF_ALL | 5);
	a64_state_changed(c, true);
}

void a64_flush_all(struct a64_cpu *c)
{
	a64_tlb_flush(c);
	a64_code_changed(c);
}

void a64_code_changed(struct a64_cpu *c)
{
	a64_icache_invalidate(c, 0, UINT64_MAX);
}
