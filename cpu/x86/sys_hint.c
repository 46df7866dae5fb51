/* sys_hint.c - instructions about caches, waiting, randomness and the processor's number: CLFLUSHOPT, CLWB, MONITOR,
 * MWAIT, RDRAND, RDSEED, RDPID (SDM vol. 2). */
#include "sys.h"

/* CLFLUSH, CLFLUSHOPT and CLWB fault like a load of a byte; there is no cache. */
const struct x86_op *x86_sys_cache_line(struct x86_cpu *c, const struct x86_op *op)
{
	x86_ld8(c, op, x86_ea(c, op));
	return NEXT(op);
}

/* #UD outside CPL 0, which virtual-8086 mode is, comes before anything else. */
static void need_monitor(struct x86_cpu *c, const struct x86_op *op)
{
	if (c->cpl)
		x86_ud(c, op);
}

/* Nothing is armed: MWAIT ends on its own. op->aux: address size in bytes. */
const struct x86_op *x86_sys_monitor(struct x86_cpu *c, const struct x86_op *op)
{
	uint64_t a = op->aux == 8 ? c->r[0] : op->aux == 4 ? (uint32_t)c->r[0] : (uint16_t)c->r[0];
	need_monitor(c, op);
	if (c->mode == X86_MODE_LONG ? c->r[1] : (uint32_t)c->r[1])
		x86_gp(c, op, 0);
	if (c->mode == X86_MODE_LONG)
		a += c->segbase[op->seg];
	else
		a = x86_linear(c, op, op->seg, a, 1, false);
	x86_ld8(c, op, a);
	return NEXT(op);
}

/* Stopping as HLT does would be wrong: another CPU's store ends the wait too, and with ECX[0] so does an interrupt that
 * IF masks. So MWAIT is one of its legal shapes, a wait that ends for "implementation-dependent events"; the user's
 * env->mwait makes it last a little while, so that an idle loop around it costs little. ECX bits but 0: #GP. */
const struct x86_op *x86_sys_mwait(struct x86_cpu *c, const struct x86_op *op)
{
	need_monitor(c, op);
	if ((c->mode == X86_MODE_LONG ? c->r[1] : (uint32_t)c->r[1]) & ~UINT64_C(1))
		x86_gp(c, op, 0);
	if (c->env->mwait && (c->exact || (!c->poll_again && !atomic_load(c->attn))))
		c->env->mwait(c->env_opaque);
	return x86_end(c, op);
}

/* splitmix64, for users without a source of their own: the same numbers in every run. */
static uint64_t own_random(struct x86_cpu *c)
{
	uint64_t z = c->random_state += 0x9e3779b97f4a7c15;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* RDRAND, RDSEED. CF: there was a number; else the destination is zero. */
const struct x86_op *x86_sys_rdrand(struct x86_cpu *c, const struct x86_op *op)
{
	uint64_t v = 0;
	bool ok = true;
	x86_exact(c, op);
	if (c->env->random)
		ok = c->env->random(c->env_opaque, &v);
	else
		v = own_random(c);
	x86_put_reg(c, op->dst, op->size, ok ? v : 0);
	x86_set_arith_flags(c, ok ? X86_CF : 0);
	return NEXT(op);
}

const struct x86_op *x86_sys_rdpid(struct x86_cpu *c, const struct x86_op *op)
{
	c->r[op->dst] = (uint32_t)c->tsc_aux;
	return NEXT(op);
}
