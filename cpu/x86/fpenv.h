/* fpenv.h - the floating-point environment of the guest: which engine computes (the host's FPU or softfloat.c), and how
 * the guest's rounding, DAZ and FTZ live in the host's MXCSR.
 *
 * On x86 hosts the guest's control bits are loaded, with every exception masked, when the first operation needs them,
 * and stay loaded until x86_fp_leave. The sticky flags gather in the host's register and are fetched by x86_fp_collect
 * when somebody looks at the guest's MXCSR. While the guest unmasks an exception its operations go to softfloat, which
 * knows the order in which exceptions are reported. */
#ifndef CPU_X86_FPENV_H
#define CPU_X86_FPENV_H

#include "internal.h"
#include "softfloat.h"

#if defined(X86_HOST_FPU)
/* the build decides */
#elif defined(__x86_64__)
#define X86_HOST_FPU 1
#else
#define X86_HOST_FPU 0
#endif

enum {
	X86_MXCSR_FLAGS = 0x3f,
	X86_MXCSR_DAZ = 0x40,
	X86_MXCSR_MASKS = 0x1f80,
	X86_MXCSR_RC = 0x6000,
	X86_MXCSR_FTZ = 0x8000,
	X86_MXCSR_CONTROL = X86_MXCSR_DAZ | X86_MXCSR_RC | X86_MXCSR_FTZ,
	X86_MXCSR_VALID = 0xffff,
	X86_MXCSR_RESET = 0x1f80
};
enum {
	X86_CR0_MP = 2,
	X86_CR0_EM = 4,
	X86_CR0_TS = 8,
	X86_CR0_NE = 0x20,
	X86_CR4_OSFXSR = 0x200,
	X86_CR4_OSXMMEXCPT = 0x400,
	X86_CR4_OSXSAVE = 0x40000
};

/* Tests only: compute everything by softfloat.c. Always true where the host has no x86 FPU. */
extern bool x86_fp_soft;

/* For the run loop: give the host's FPU back (cheap when nothing is borrowed). Call it when x86_run returns and before
 * calling out to code that may compute with floating point. Nothing is called on the way in: the borrowing is lazy. */
void x86_fp_leave_slow(struct x86_cpu *c);
static inline void x86_fp_leave(struct x86_cpu *c)
{
	if (c->fp_loaded | c->fp_x87_loaded)
		x86_fp_leave_slow(c);
}
/* Leave a handler for the run loop's setjmp (X86_JMP_). The host's FPU is given back before: Windows' longjmp puts MXCSR
 * and the x87 control word back to what they were at the setjmp, and the guest's sticky flags would be lost. */
static inline _Noreturn void x86_leap(struct x86_cpu *c, int how)
{
	x86_fp_leave(c);
	longjmp(c->jb, how);
}
/* Bring the sticky flags into c->mxcsr. */
void x86_fp_collect(struct x86_cpu *c);
void x86_fp_load(struct x86_cpu *c);
/* Before an operation by the host's SSE unit. fp_loaded has the form of the guest's MXCSR with all exceptions masked. */
static inline uint32_t x86_fp_wanted(const struct x86_cpu *c)
{
	return (c->mxcsr & X86_MXCSR_CONTROL) | X86_MXCSR_MASKS | 1;
}
static inline void x86_fp_begin(struct x86_cpu *c)
{
	if (unlikely(c->fp_loaded != x86_fp_wanted(c)))
		x86_fp_load(c);
}
/* No need to begin, and no exception of the guest's is unmasked. */
static inline bool x86_fp_ready(const struct x86_cpu *c)
{
	return c->fp_loaded == ((c->mxcsr & (X86_MXCSR_CONTROL | X86_MXCSR_MASKS)) | 1);
}
/* Before an operation by the host's x87 unit: control word `cw`, all masked. Exceptions of earlier operations may stand
 * in the host's status word, because clearing them there costs more than most operations, but only such as stand in the
 * guest's too. Whoever must know the exceptions of one operation clears them itself; whoever computes writes
 * c->fp_x87_flags afterwards. */
void x86_fp_load_x87(struct x86_cpu *c, uint16_t cw);
static inline bool x86_fp_x87_ready(const struct x86_cpu *c, uint16_t cw)
{
	return c->fp_x87_loaded == (cw | 0x10000u) && !(c->fp_x87_flags & ~c->fsw);
}
static inline void x86_fp_begin_x87(struct x86_cpu *c, uint16_t cw)
{
	if (unlikely(!x86_fp_x87_ready(c, cw | 0x3f)))
		x86_fp_load_x87(c, cw | 0x3f);
}
static inline bool x86_sse_unmasked(const struct x86_cpu *c)
{
	return (c->mxcsr & X86_MXCSR_MASKS) != X86_MXCSR_MASKS;
}

/* softfloat's environment out of MXCSR; and back: flags become sticky, unmasked ones raise #XM (#UD without
 * CR4.OSXMMEXCPT). */
struct sf_env x86_sse_env(const struct x86_cpu *c);
void x86_sse_flags(struct x86_cpu *c, const struct x86_op *op, const struct sf_env *e);

/* May this instruction use SSE / MMX / x87 now? #UD, #NM, #MF. */
_Noreturn void x86_sse_refuse(struct x86_cpu *c, const struct x86_op *op);
static inline void x86_sse_check(struct x86_cpu *c, const struct x86_op *op)
{
	if (unlikely((c->cr0 & (X86_CR0_EM | X86_CR0_TS)) | (~c->cr4 & X86_CR4_OSFXSR)))
		x86_sse_refuse(c, op);
}
void x86_mmx_check(struct x86_cpu *c, const struct x86_op *op);
/* An MMX instruction is certain to complete: TOP = 0, all tags valid. */
static inline void x86_mmx_enter(struct x86_cpu *c)
{
	c->fsw &= ~0x3800;
	c->ftag = 0xff;
}
static inline void x86_mmx_set(struct x86_cpu *c, unsigned reg, uint64_t v)
{
	c->st[reg].sig = v;
	c->st[reg].se = 0xffff;
}

#endif
