/* timer.c - the generic timer as EL1 and EL0 see it (Arm ARM D12): the virtual and the physical timer over env's
 * counter. */
#include "sys.h"

enum { ENABLE = 1, IMASK = 2, ISTATUS = 4 };

uint64_t a64_counter(struct a64_cpu *c, bool virtual)
{
	uint64_t now = c->env->counter ? c->env->counter(c->env_opaque) : 0;
	return virtual ? now - c->cntvoff : now;
}

static bool met(uint64_t now, uint64_t cval)
{
	return (int64_t)(now - cval) >= 0;
}

uint64_t a64_timer_read(struct a64_cpu *c, unsigned timer, unsigned what)
{
	uint64_t now = a64_counter(c, timer == A64_TIMER_V);
	uint64_t ctl = timer == A64_TIMER_V ? c->cntv_ctl : c->cntp_ctl;
	uint64_t cval = timer == A64_TIMER_V ? c->cntv_cval : c->cntp_cval;
	switch (what) {
	case A64_TIMER_CTL: return (ctl & (ENABLE | IMASK)) | (ctl & ENABLE && met(now, cval) ? ISTATUS : 0);
	case A64_TIMER_CVAL: return cval;
	default: return (uint32_t)(cval - now);
	}
}

void a64_timer_write(struct a64_cpu *c, unsigned timer, unsigned what, uint64_t v)
{
	uint64_t *ctl = timer == A64_TIMER_V ? &c->cntv_ctl : &c->cntp_ctl;
	uint64_t *cval = timer == A64_TIMER_V ? &c->cntv_cval : &c->cntp_cval;
	switch (what) {
	case A64_TIMER_CTL: *ctl = v & (ENABLE | IMASK); break;
	case A64_TIMER_CVAL: *cval = v; break;
	default: *cval = a64_counter(c, timer == A64_TIMER_V) + (uint64_t)(int64_t)(int32_t)v;
	}
	if (c->env->timer_changed)
		c->env->timer_changed(c->env_opaque);
}

/* The level of one, or when it rises on the scale of CNTPCT. */
static bool due(uint64_t now, uint64_t ctl, uint64_t cval, uint64_t offset, uint64_t *next)
{
	if ((ctl & (ENABLE | IMASK)) != ENABLE)
		return false;
	if (met(now - offset, cval))
		return true;
	if (cval + offset < *next)
		*next = cval + offset;
	return false;
}

unsigned a64_timer(struct a64_cpu *c, uint64_t *next)
{
	uint64_t now = a64_counter(c, false);
	*next = UINT64_MAX;
	return (due(now, c->cntv_ctl, c->cntv_cval, c->cntvoff, next) ? 1u : 0) |
	       (due(now, c->cntp_ctl, c->cntp_cval, 0, next) ? 2u : 0);
}
