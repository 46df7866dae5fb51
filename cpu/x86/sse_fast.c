/* sse_fast.c - the frequent SSE instructions in their frequent case: allowed, floating-point exceptions masked, memory
 * aligned where it must be and in the TLB. The work is done in the handler; whatever is unusual goes to the general
 * handler, which finds its operation as it made it. Legacy encodings only. */
#include "sse_fp.h"

typedef uint8_t v16b __attribute__((vector_size(16), may_alias));
typedef uint16_t v8w __attribute__((vector_size(16), may_alias));
typedef uint32_t v4d __attribute__((vector_size(16), may_alias));
typedef int32_t v4sd __attribute__((vector_size(16), may_alias));
typedef uint64_t v2q __attribute__((vector_size(16), may_alias));

static inline bool allowed(const struct x86_cpu *c)
{
	return likely(!((c->cr0 & (X86_CR0_EM | X86_CR0_TS)) | (~c->cr4 & X86_CR4_OSFXSR)));
}

/* The operand in host memory; NULL: not simple. */
static inline uint8_t *operand(struct x86_cpu *c, const struct x86_op *op, const struct x86_tlbe *set, unsigned size,
			       bool aligned)
{
	if (unlikely(op->flags & X86_OPF_SLOW_EA))
		return NULL;
	uint64_t gva = x86_ea(c, op);
	return aligned && unlikely(gva & 15) ? NULL : x86_tlb_hit(set, gva, size);
}

#define DST (sse_lane(c, op->dst))
#define SRC (sse_lane(c, op->src))
#define REGISTERS(name, general, can, ...)                                                                             \
	static const struct x86_op *name(struct x86_cpu *c, const struct x86_op *op)                                   \
	{                                                                                                              \
		if (unlikely(!can(c)))                                                                                 \
			return general(c, op);                                                                         \
		__VA_ARGS__;                                                                                           \
		return NEXT(op);                                                                                       \
	}
#define MEMORY(name, general, can, set, size, aligned, ...)                                                            \
	static const struct x86_op *name(struct x86_cpu *c, const struct x86_op *op)                                   \
	{                                                                                                              \
		uint8_t *p = operand(c, op, c->tlb->set, size, aligned);                                               \
		if (unlikely(!can(c) || !p))                                                                           \
			return general(c, op);                                                                         \
		__VA_ARGS__;                                                                                           \
		return NEXT(op);                                                                                       \
	}

/* ------ moves ------ */

MEMORY(load_aligned, sse_load_aligned, allowed, r, 16, true, host_read(DST, p, 16))
MEMORY(load_any, sse_load_any, allowed, r, 16, false, host_read(DST, p, 16))
MEMORY(load_low8, sse_load_low8, allowed, r, 8, false, *(v2q *)DST = (v2q){host_get(p, 8), 0})
MEMORY(load_low4, sse_load_low4, allowed, r, 4, false, *(v2q *)DST = (v2q){host_get(p, 4), 0})
MEMORY(store_aligned, sse_store_aligned, allowed, w, 16, true, host_write(p, SRC, 16))
MEMORY(store_any, sse_store_any, allowed, w, 16, false, host_write(p, SRC, 16))
MEMORY(store_low8, sse_store_low8, allowed, w, 8, false, host_put(p, 8, SRC->q[0]))
MEMORY(store_low4, sse_store_low4, allowed, w, 4, false, host_put(p, 4, SRC->d[0]))

/* ------ integers ------ */

/* name, type, result of a and b; the second source is a register or aligned memory. */
#define INTEGER(name, type, ...)                                                                                       \
	REGISTERS(name##_xx, sse_xx, allowed, type a = *(const type *)DST, b = *(const type *)SRC;                     \
		  *(type *)DST = (type)(__VA_ARGS__))                                                                  \
	MEMORY(name##_xm, sse_xm_aligned, allowed, r, 16, true, type a = *(const type *)DST, b; host_read(&b, p, 16);  \
	       *(type *)DST = (type)(__VA_ARGS__))
#define INTEGERS(X)                                                                                                    \
	X(PXOR, pxor, v2q, a ^ b)                                                                                      \
	X(POR, por, v2q, a | b)                                                                                        \
	X(PAND, pand, v2q, a &b)                                                                                       \
	X(PANDN, pandn, v2q, ~a &b)                                                                                    \
	X(XORPS, xorps, v2q, a ^ b)                                                                                    \
	X(XORPD, xorpd, v2q, a ^ b)                                                                                    \
	X(ORPS, orps, v2q, a | b)                                                                                      \
	X(ORPD, orpd, v2q, a | b)                                                                                      \
	X(ANDPS, andps, v2q, a &b)                                                                                     \
	X(ANDPD, andpd, v2q, a &b)                                                                                     \
	X(ANDNPS, andnps, v2q, ~a &b)                                                                                  \
	X(ANDNPD, andnpd, v2q, ~a &b)                                                                                  \
	X(PADDB, paddb, v16b, a + b)                                                                                   \
	X(PADDW, paddw, v8w, a + b)                                                                                    \
	X(PADDD, paddd, v4d, a + b)                                                                                    \
	X(PADDQ, paddq, v2q, a + b)                                                                                    \
	X(PSUBB, psubb, v16b, a - b)                                                                                   \
	X(PSUBW, psubw, v8w, a - b)                                                                                    \
	X(PSUBD, psubd, v4d, a - b)                                                                                    \
	X(PSUBQ, psubq, v2q, a - b)                                                                                    \
	X(PCMPEQB, pcmpeqb, v16b, a == b)                                                                              \
	X(PCMPEQW, pcmpeqw, v8w, a == b)                                                                               \
	X(PCMPEQD, pcmpeqd, v4d, a == b)                                                                               \
	X(PCMPGTD, pcmpgtd, v4d, (v4sd)a > (v4sd)b)                                                                    \
	X(UNPCKLPD, unpcklpd, v2q, (v2q){a[0], b[0]})                                                                  \
	X(UNPCKHPD, unpckhpd, v2q, (v2q){a[1], b[1]})                                                                  \
	X(PUNPCKLQDQ, punpcklqdq, v2q, (v2q){a[0], b[0]})                                                              \
	X(PUNPCKHQDQ, punpckhqdq, v2q, (v2q){a[1], b[1]})                                                              \
	X(PUNPCKLDQ, punpckldq, v4d, (v4d){a[0], b[0], a[1], b[1]})                                                    \
	X(UNPCKLPS, unpcklps, v4d, (v4d){a[0], b[0], a[1], b[1]})
#define INTEGER_ONE(NAME, name, type, ...) INTEGER(name, type, __VA_ARGS__)
INTEGERS(INTEGER_ONE)

/* By an immediate: `top` is the largest count that shifts within the element. */
#define SHIFT(name, type, top, expr)                                                                                   \
	REGISTERS(name##_xi, sse_xi, allowed, type a = *(const type *)DST; unsigned n = op->aux;                       \
		  *(type *)DST = n > top ? (type){0} : expr)
SHIFT(pslld, v4d, 31, a << n)
SHIFT(psrld, v4d, 31, a >> n)
SHIFT(psllq, v2q, 63, a << n)
SHIFT(psrlq, v2q, 63, a >> n)

REGISTERS(pshufd_xx, sse_xx, allowed, const v4d a = *(const v4d *)SRC; unsigned i = op->aux;
	  *(v4d *)DST = (v4d){a[i & 3], a[i >> 2 & 3], a[i >> 4 & 3], a[i >> 6 & 3]})

/* ------ floating point ------ */

#if X86_HOST_FPU
static inline bool computes(const struct x86_cpu *c)
{
	return allowed(c) && likely(x86_fp_ready(c));
}

/* The host's instruction on the guest's operands; memory is read by it, once. */
#define FLOAT(insn, bytes)                                                                                             \
	REGISTERS(insn##_xx, sse_fp_xx, computes, v2q x = *(const v2q *)DST, y = *(const v2q *)SRC;                    \
		  __asm__ volatile(#insn " %1, %0"                                                                     \
				   : "+x"(x)                                                                           \
				   : "x"(y));                                                                          \
		  *(v2q *)DST = x)                                                                                     \
	MEMORY(insn##_xm, sse_fp_xm, computes, r, bytes, bytes == 16, v2q x = *(const v2q *)DST;                       \
	       __asm__ volatile(#insn " %1, %0"                                                                        \
				: "+x"(x)                                                                              \
				: "m"(*(const uint8_t(*)[bytes])p));                                                   \
	       *(v2q *)DST = x)
#define FLOATS(X, NAME, name)                                                                                          \
	X(NAME##PS, name##ps, 16) X(NAME##PD, name##pd, 16) X(NAME##SS, name##ss, 4) X(NAME##SD, name##sd, 8)
#define ALL_FLOATS(X)                                                                                                  \
	FLOATS(X, ADD, add)                                                                                            \
	FLOATS(X, SUB, sub)                                                                                            \
	FLOATS(X, MUL, mul)                                                                                            \
	FLOATS(X, DIV, div)                                                                                            \
	FLOATS(X, MIN, min)                                                                                            \
	FLOATS(X, MAX, max)                                                                                            \
	FLOATS(X, SQRT, sqrt) X(CVTSS2SD, cvtss2sd, 4) X(CVTSD2SS, cvtsd2ss, 8)
#define FLOAT_ONE(NAME, insn, bytes) FLOAT(insn, bytes)
ALL_FLOATS(FLOAT_ONE)
#endif

/* ------ choosing ------ */

/* The general handler's twin for a mnemonic, or for every one that comes to it (0). */
static const struct fast {
	uint16_t mnemonic;
	x86_fn general, fast;
} table[] = {{0, sse_load_aligned, load_aligned},
	     {0, sse_load_any, load_any},
	     {0, sse_load_low8, load_low8},
	     {0, sse_load_low4, load_low4},
	     {0, sse_store_aligned, store_aligned},
	     {0, sse_store_any, store_any},
	     {0, sse_store_low8, store_low8},
	     {0, sse_store_low4, store_low4},
	     {ZYDIS_MNEMONIC_PSLLD, sse_xi, pslld_xi},
	     {ZYDIS_MNEMONIC_PSRLD, sse_xi, psrld_xi},
	     {ZYDIS_MNEMONIC_PSLLQ, sse_xi, psllq_xi},
	     {ZYDIS_MNEMONIC_PSRLQ, sse_xi, psrlq_xi},
	     {ZYDIS_MNEMONIC_PSHUFD, sse_xx, pshufd_xx},
#define INTEGER_ROW(NAME, name, type, ...)                                                                             \
	{ZYDIS_MNEMONIC_##NAME, sse_xx, name##_xx}, {ZYDIS_MNEMONIC_##NAME, sse_xm_aligned, name##_xm},
	     INTEGERS(INTEGER_ROW)
#if X86_HOST_FPU
#define FLOAT_ROW(NAME, insn, bytes)                                                                                   \
	{ZYDIS_MNEMONIC_##NAME, sse_fp_xx, insn##_xx}, {ZYDIS_MNEMONIC_##NAME, sse_fp_xm, insn##_xm},
		     ALL_FLOATS(FLOAT_ROW)
#endif
};

x86_fn sse_faster(const struct x86_insn *d, x86_fn fn)
{
	for (unsigned n = 0; n < sizeof table / sizeof table[0]; n++)
		if (table[n].general == fn && (!table[n].mnemonic || table[n].mnemonic == d->i.mnemonic))
			return table[n].fast;
	return fn;
}
