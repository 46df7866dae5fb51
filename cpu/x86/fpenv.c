/* fpenv.c - borrowing the host's FPU, sticky flags, and the checks before SSE and MMX instructions. */
#include "fpenv.h"

bool x86_fp_soft = !X86_HOST_FPU;

#if X86_HOST_FPU
static inline uint32_t get_mxcsr(void)
{
	uint32_t v;
	__asm__ volatile("stmxcsr %0" : "=m"(v) : : "memory");
	return v;
}

static inline void set_mxcsr(uint32_t v)
{
	__asm__ volatile("ldmxcsr %0" : : "m"(v) : "memory");
}

void x86_fp_collect(struct x86_cpu *c)
{
	if (c->fp_loaded)
		c->mxcsr |= get_mxcsr() & X86_MXCSR_FLAGS;
}

/* The host's flags are clear afterwards: what was there is in c->mxcsr. */
void x86_fp_load(struct x86_cpu *c)
{
	if (c->fp_loaded)
		x86_fp_collect(c);
	else
		c->fp_host_mxcsr = get_mxcsr();
	set_mxcsr((c->mxcsr & X86_MXCSR_CONTROL) | X86_MXCSR_MASKS);
	c->fp_loaded = x86_fp_wanted(c);
}

void x86_fp_load_x87(struct x86_cpu *c, uint16_t cw)
{
	if (!c->fp_x87_loaded)
		__asm__ volatile("fnstenv %0" : "=m"(c->fp_host_env) : : "memory");
	__asm__ volatile("fnclex\n\tfldcw %0" : : "m"(cw) : "memory");
	c->fp_x87_loaded = cw | 0x10000u;
	c->fp_x87_flags = 0;
}

void x86_fp_leave_slow(struct x86_cpu *c)
{
	if (c->fp_loaded) {
		x86_fp_collect(c);
		set_mxcsr(c->fp_host_mxcsr);
		c->fp_loaded = 0;
	}
	if (c->fp_x87_loaded) {
		__asm__ volatile("fldenv %0" : : "m"(c->fp_host_env) : "memory");
		c->fp_x87_loaded = 0;
	}
}
#else
void x86_fp_collect(struct x86_cpu *c)
{
	(void)c;
}
void x86_fp_load(struct x86_cpu *c)
{
	(void)c;
}
void x86_fp_load_x87(struct x86_cpu *c, uint16_t cw)
{
	(void)c;
	(void)cw;
}
void x86_fp_leave_slow(struct x86_cpu *c)
{
	c->fp_loaded = c->fp_x87_loaded = 0;
}
#endif

struct sf_env x86_sse_env(const struct x86_cpu *c)
{
	return (struct sf_env){.rc = (c->mxcsr & X86_MXCSR_RC) >> 13,
			       .daz = c->mxcsr & X86_MXCSR_DAZ,
			       .ftz = c->mxcsr & X86_MXCSR_FTZ,
			       .masks = (c->mxcsr & X86_MXCSR_MASKS) >> 7};
}

void x86_sse_flags(struct x86_cpu *c, const struct x86_op *op, const struct sf_env *e)
{
	unsigned flags = e->flags, unmasked = flags & ~e->masks;
	/* SDM vol. 1, 11.5.2.3: an unmasked exception found before computing keeps the result's exceptions from being
	 * looked for. */
	if (unmasked & (SF_I | SF_D | SF_Z))
		flags &= SF_I | SF_D | SF_Z;
	c->mxcsr |= flags | e->earlier;
	if (unlikely(unmasked))
		x86_raise(c, op, c->cr4 & X86_CR4_OSXMMEXCPT ? X86_XM : X86_UD, -1);
}

void x86_sse_refuse(struct x86_cpu *c, const struct x86_op *op)
{
	x86_raise(c, op, (c->cr0 & X86_CR0_EM) || !(c->cr4 & X86_CR4_OSFXSR) ? X86_UD : X86_NM, -1);
}

void x86_mmx_check(struct x86_cpu *c, const struct x86_op *op)
{
	if (c->cr0 & X86_CR0_EM)
		x86_raise(c, op, X86_UD, -1);
	if (c->cr0 & X86_CR0_TS)
		x86_raise(c, op, X86_NM, -1);
	if ((c->fsw & 0x80) && (c->cr0 & X86_CR0_NE))
		x86_raise(c, op, X86_MF, -1);
}
