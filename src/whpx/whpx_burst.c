/* whpx_burst.c - several instructions an exit: where a place exits again and again the emulator goes on with the next
 * ones while they meet devices, if an exit costs more than a few emulated instructions: real ones cost as much as
 * hundreds, the simulation's less than one. */
#include "whpx/whpx_emu.h"

unsigned whpx_burst_limit = 32, whpx_burst_exit_ns = 2000;

enum { RFLAGS_TF = 1 << 8, RFLAGS_RF = 1 << 16 };
/* Exits of a place until it is worth a try; devices until the platform has its turn again, which may have interrupts of
 * its own; exits to let go by after tries in vain, at most. */
enum { TRY_AT = 2, DEVICES = 64, BACKOFF_MAX = 64 };
enum { ITERATIONS = 4096 }; /* of a string instruction without a device, in one go */

static struct whpx_site *site_of(struct whpx_vcpu *w, uint64_t rip)
{
	return &w->emu->sites[(rip ^ rip >> 6) % WHPX_SITES];
}

/* The shortest of some runs is nearly all exit. */
void whpx_emu_timed(struct whpx_vcpu *w, uint64_t ns)
{
	if (ns < w->emu->exit_ns)
		w->emu->exit_ns = ns;
	w->untimed--;
}

static bool pays(const struct whpx_vcpu *w)
{
	return whpx_burst_limit && w->emu->exit_ns >= whpx_burst_exit_ns && !w->debug_on;
}

bool whpx_hot(struct whpx_vcpu *w)
{
	uint64_t rip = w->ctx.VpContext.Rip;
	struct whpx_site *s = site_of(w, rip);

	w->emu->site = NULL;
	if (!pays(w))
		return false;
	if (s->rip != rip)
		*s = (struct whpx_site){.rip = rip};
	if (s->exits < TRY_AT) {
		s->exits++;
		return false;
	}
	if (s->skip) {
		s->skip--;
		return false;
	}
	w->emu->site = s;
	return true;
}

/* A burst that met no device was in vain: the next ones are tried ever more seldom. */
static void end_burst(struct whpx_vcpu *w)
{
	struct whpx_emu *e = w->emu;
	struct whpx_site *s = e->site;

	if (s && e->devices) {
		s->backoff = 0;
	} else if (s) {
		s->backoff = (uint8_t)(s->backoff >= BACKOFF_MAX / 2 ? BACKOFF_MAX : s->backoff * 2 + 1);
		s->skip = s->backoff;
	}
	e->site = NULL;
}

/* Somebody wants the vCPU, or an event or a trap is due between instructions. */
static bool disturbed(const struct whpx_vcpu *w)
{
	const struct x86_cpu *c = w->cpu;

	return atomic_load_explicit(&w->v->kick->attention, memory_order_relaxed) || w->v->irq_window ||
	       w->nmi_pending || w->held || w->debug_on || c->inject_valid || c->exc_valid ||
	       c->eflags & (RFLAGS_TF | RFLAGS_RF) || c->dr[7] & 0xff;
}

/* A string instruction with iterations left goes on, worth while or not: it is the exit's own. */
static bool in_string(const struct whpx_vcpu *w)
{
	return w->cpu->rep_rip == w->cpu->rip;
}

static bool may_go_on(struct whpx_vcpu *w)
{
	const struct whpx_emu *e = w->emu;

	if (disturbed(w))
		return false;
	if (in_string(w))
		return e->insns < ITERATIONS;
	return e->site && e->insns < whpx_burst_limit && whpx_emu_class(w->cpu) == WHPX_INSN_PLAIN;
}

/* Until a device is met; BUDGET: without one. */
static enum x86_stop_kind go_on(struct whpx_vcpu *w)
{
	struct whpx_emu *e = w->emu;
	enum x86_stop_kind kind = X86_STOP_BUDGET;

	whpx_memory_lock(w);
	whpx_emu_look(w);
	while (kind == X86_STOP_BUDGET && may_go_on(w)) {
		kind = whpx_emu_one(w, x86_step);
		e->insns++;
	}
	whpx_memory_unlock(w);
	if (!whpx_emu_is_platforms(w, kind))
		return kind;
	x86_abandon(w->cpu);
	return X86_STOP_BUDGET;
}

int whpx_emu_continue(struct whpx_vcpu *w)
{
	struct whpx_emu *e = w->emu;
	enum x86_stop_kind kind = X86_STOP_BUDGET;

	if (!w->emu_loaded || !(e->site || in_string(w))) /* not with what a WRMSR has changed behind it */
		return 0;
	if (e->devices < DEVICES || in_string(w))
		kind = go_on(w);
	if (kind == X86_STOP_BUDGET) {
		end_burst(w);
	} else {
		e->insns = 0;
		e->devices++;
	}
	return whpx_emu_done(w, kind);
}
