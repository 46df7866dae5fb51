/* x86.c - a CPU's life: creation, RESET, INIT, SIPI (SDM vol. 3, ch. 10.1), and what the user does to its state between runs. */
#include <stdlib.h>
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
	free(c);
}

static bool alloc_parts(struct x86_cpu *c)
{
	c->cache = calloc(1, sizeof *c->cache);
	c->tlbs = calloc(X86_MMU_MODES, sizeof *c->tlbs);
	c->itlb = calloc(X86_ITLB_SIZE, sizeof *c->itlb);
	if (c->cache)
		c->cache->arena = malloc(X86_ARENA);
	return c->cache && c->tlbs && c->itlb && c->cache->arena;
}

static void empty_tlbs(struct x86_cpu *c)
{
	for (unsigned m = 0; m < X86_MMU_MODES; m++)
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
	struct x86_cpu *c = aligned_alloc(64, (sizeof *c + 63) & ~(size_t)63);
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

static void reset_segments(struct x86_cpu *c)
{
	for (int i = 0; i < X86_NSEG; i++)
		c->seg[i] = (struct x86_seg){ .limit = 0xffff, .attr = 0x93 };
	c->seg[X86_CS] = (struct x86_seg){ .base = 0xffff0000, .limit = 0xffff, .attr = 0x9b, .sel = 0xf000 };
	c->seg[X86_LDTR].attr = 0x82;
	c->seg[X86_TR].attr = 0x8b;
	c->gdt_base = c->idt_base = 0;
	c->gdt_limit = c->idt_limit = 0xffff;
}

/* What RESET and INIT have in common. */
static void start_state(struct x86_cpu *c, uint64_t cr0)
{
	uint32_t id[4] = { 0 };
	memset(c->r, 0, sizeof c->r);
	if (c->env->cpuid && c->env->cpuid(c->env_opaque, 1, 0, id) == X86_DONE)
		c->r[2] = id[0];
	else
		c->r[2] = 0x600;
	c->rip = 0xfff0;
	c->eflags = 2;
	x86_set_arith_flags(c, 0);
	reset_segments(c);
	c->cr0 = cr0;
	c->cr2 = c->cr3 = c->cr4 = c->cr8 = c->efer = 0;
	memset(c->pdpte, 0, sizeof c->pdpte);
	memset(c->dr, 0, sizeof c->dr);
	c->dr[6] = 0xffff0ff0;
	c->dr[7] = 0x400;
	c->cpl = 0;
	c->shadow = 0;
	c->nmi_pending = c->nmi_masked = c->inject_valid = c->exc_valid = c->exc_triple = c->window_wanted = false;
	c->delivering = 0;
	c->replay = c->poll_again = false;
	x86_log_reset(c);
	c->stop.needs_answer = false;
	x86_state_changed(c, true);
}

static void reset_fpu(struct x86_cpu *c)
{
	memset(c->st, 0, sizeof c->st);
	memset(c->v, 0, sizeof c->v);
	c->fcw = 0x40;
	c->fsw = c->fop = 0;
	c->ftag = 0xff;
	c->fip = c->fdp = 0;
	c->mxcsr = 0x1f80;
	c->xcr0 = 1;
	c->pkru = 0;
}

void x86_reset(struct x86_cpu *c)
{
	reset_fpu(c);
	x86_msr_reset(c);
	start_state(c, 0x60000010);
}

void x86_init(struct x86_cpu *c)
{
	start_state(c, 0x10 | (c->cr0 & 0x60000000));
}

void x86_sipi(struct x86_cpu *c, uint8_t vector)
{
	c->seg[X86_CS].sel = (uint16_t)(vector << 8);
	c->seg[X86_CS].base = (uint64_t)vector << 12;
	c->rip = 0;
	x86_state_changed(c, false);
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
