/* sse.h - what the files of the vector part share: lanes, kernels, and the rows that bind a mnemonic to them.
 *
 * A kernel works on one 128-bit lane (or, in its _8 form, on an MMX register in the low half of one): d = a op b. It
 * reads a and b before it writes d, so they may be the same register. Legacy instructions pass d as a; VEX ones
 * (vex.h) have the same kernels, once or, for 256 bits, once a lane. */
#ifndef CPU_X86_SSE_H
#define CPU_X86_SSE_H

#include "fpenv.h"

typedef union x86_lane {
	uint8_t b[16];
	int8_t sb[16];
	uint16_t w[8];
	int16_t sw[8];
	uint32_t d[4];
	int32_t sd[4];
	uint64_t q[2];
	int64_t sq[2];
} __attribute__((aligned(16), may_alias)) x86_lane;

typedef void (*sse_kernel)(x86_lane *d, const x86_lane *a, const x86_lane *b, unsigned imm);

static inline x86_lane *sse_lane(struct x86_cpu *c, unsigned reg)
{
	return (x86_lane *)(void *)&c->v[reg];
}

/* Operands of kernel bodies: a and b in, r out (starts as a copy of a); N bytes. */
#define SSE_KERNEL(name, bytes, ...)                                                                                   \
	static void name(x86_lane *dp, const x86_lane *ap, const x86_lane *bp, unsigned imm)                           \
	{                                                                                                              \
		enum { N = bytes };                                                                                    \
		const x86_lane a = *ap, b = *bp;                                                                       \
		x86_lane r = a;                                                                                        \
		(void)imm;                                                                                             \
		(void)a;                                                                                               \
		(void)b;                                                                                               \
		__VA_ARGS__;                                                                                           \
		*dp = r;                                                                                               \
	}
#define SSE_BOTH(name, ...) SSE_KERNEL(name##_16, 16, __VA_ARGS__) SSE_KERNEL(name##_8, 8, __VA_ARGS__)
#define SSE_ONLY(name, ...) SSE_KERNEL(name##_16, 16, __VA_ARGS__)
#define SSE_EACH(field, ...)                                                                                           \
	for (unsigned i = 0; i < N / sizeof r.field[0]; i++)                                                           \
	r.field[i] = (__VA_ARGS__)

enum {
	SSE_UNALIGNED = 1,
	SSE_SHIFT = 2, /* the second operand may be an immediate count, or is one for all lanes */
	SSE_WIDEN = 4, /* 256 bits: lane 1 works on the next `mem` bytes of the source, not on its lane 1 */
	SSE_IMM_SHIFT = 4 /* bits 7:4 of flags: 256 bits: lane 1 has the immediate shifted right by so many */
};
struct sse_row {
	uint16_t mnemonic, vex; /* ZYDIS_MNEMONIC_INVALID: no such form */
	uint8_t mem;            /* bytes of a memory source for the 128-bit form */
	uint8_t flags;
	sse_kernel k16, k8; /* k8 NULL: no MMX form */
};
#define SSE_NAMES(MNEMONIC) ZYDIS_MNEMONIC_##MNEMONIC, ZYDIS_MNEMONIC_V##MNEMONIC
#define SSE_ROW_END {0, 0, 0, 0, NULL, NULL}
/* Tables ended by a row without kernel; sse_tables ended by NULL. */
extern const struct sse_row sse_int_rows[], sse_shuffle_rows[], sse_crypto_rows[];
extern const struct sse_row *const sse_tables[];
const struct sse_row *sse_find_row(const struct x86_insn *d); /* by the mnemonic of the instruction's encoding */

x86_fn sse_translate_int(const struct x86_insn *d, struct x86_op *op);   /* rows above, sse.c */
x86_fn sse_translate_move(const struct x86_insn *d, struct x86_op *op);  /* sse_move.c */
x86_fn sse_translate_misc(const struct x86_insn *d,
			  struct x86_op *op); /* sse_misc.c: general registers, PTEST, variable blends */
x86_fn sse_translate_str(const struct x86_insn *d, struct x86_op *op);   /* sse_str.c: PCMPxSTRx */
x86_fn sse_translate_float(const struct x86_insn *d, struct x86_op *op); /* sse_fp.c */
x86_fn sse_translate_sha(const struct x86_insn *d, struct x86_op *op);   /* sse_crypto.c: SHA256RNDS2 */
x86_fn sse_translate_save(const struct x86_insn *d, struct x86_op *op);  /* xsave.c */
x86_fn vex_translate(const struct x86_insn *d, struct x86_op *op);       /* vex.c: everything with a VEX prefix */

/* General handlers that have a twin for the frequent case in sse_fast.c, and the choice. */
const struct x86_op *sse_xx(struct x86_cpu *c, const struct x86_op *op);
const struct x86_op *sse_xm_aligned(struct x86_cpu *c, const struct x86_op *op);
const struct x86_op *sse_xi(struct x86_cpu *c, const struct x86_op *op);
const struct x86_op *sse_fp_xx(struct x86_cpu *c, const struct x86_op *op);
const struct x86_op *sse_fp_xm(struct x86_cpu *c, const struct x86_op *op);
const struct x86_op *sse_load_aligned(struct x86_cpu *c, const struct x86_op *op);
const struct x86_op *sse_load_any(struct x86_cpu *c, const struct x86_op *op);
const struct x86_op *sse_load_low4(struct x86_cpu *c, const struct x86_op *op);
const struct x86_op *sse_load_low8(struct x86_cpu *c, const struct x86_op *op);
const struct x86_op *sse_store_aligned(struct x86_cpu *c, const struct x86_op *op);
const struct x86_op *sse_store_any(struct x86_cpu *c, const struct x86_op *op);
const struct x86_op *sse_store_low4(struct x86_cpu *c, const struct x86_op *op);
const struct x86_op *sse_store_low8(struct x86_cpu *c, const struct x86_op *op);
x86_fn sse_faster(const struct x86_insn *d, x86_fn general);

/* ------ operands ------ */

static inline ZydisRegisterClass sse_class(const struct x86_insn *d, unsigned n)
{
	if (n >= d->i.operand_count_visible || d->o[n].type != ZYDIS_OPERAND_TYPE_REGISTER)
		return ZYDIS_REGCLASS_INVALID;
	return ZydisRegisterGetClass(d->o[n].reg.value);
}
static inline bool sse_is_xmm(const struct x86_insn *d, unsigned n)
{
	return sse_class(d, n) == ZYDIS_REGCLASS_XMM;
}
static inline bool sse_is_mm(const struct x86_insn *d, unsigned n)
{
	return sse_class(d, n) == ZYDIS_REGCLASS_MMX;
}
static inline bool sse_is_gpr(const struct x86_insn *d, unsigned n)
{
	ZydisRegisterClass k = sse_class(d, n);
	return k == ZYDIS_REGCLASS_GPR32 || k == ZYDIS_REGCLASS_GPR64;
}
static inline bool sse_is_imm(const struct x86_insn *d, unsigned n)
{
	return n < d->i.operand_count_visible && d->o[n].type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
}
static inline bool sse_is_mem(const struct x86_insn *d, unsigned n)
{
	return n < d->i.operand_count_visible && x86_is_mem(d, (int)n);
}
static inline uint8_t sse_reg(const struct x86_insn *d, unsigned n)
{
	return x86_regno(d->o[n].reg.value);
}
/* Fill op->dst, op->src and op->aux (the immediate byte) from the visible operands. */
void sse_operands(const struct x86_insn *d, struct x86_op *op);

/* A kernel or a row in op->imm. */
static inline uint64_t sse_pointer(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}
static inline sse_kernel sse_op_kernel(const struct x86_op *op)
{
	return (sse_kernel)(uintptr_t)op->imm;
}

/* The linear address of a 16-byte operand that must be aligned. */
static inline uint64_t sse_ea_aligned(struct x86_cpu *c, const struct x86_op *op)
{
	uint64_t gva = x86_ea(c, op);
	if (unlikely(gva & 15))
		x86_raise(c, op, X86_GP_FAULT, 0);
	return gva;
}
static inline void sse_load16(struct x86_cpu *c, const struct x86_op *op, x86_lane *l)
{
	x86_lane v;
	x86_ld(c, op, sse_ea_aligned(c, op), &v, 16);
	*l = v;
}
/* `size` (1, 2, 4, 8, 16) bytes without alignment, the rest zero. *l may be a register: nothing is written before the
 * load is certain. */
static inline void sse_load(struct x86_cpu *c, const struct x86_op *op, x86_lane *l, unsigned size)
{
	uint64_t gva = x86_ea(c, op);
	x86_lane v = {.q = {0, 0}};
	switch (size) {
	case 1:
		v.q[0] = x86_ld8(c, op, gva);
		break;
	case 2:
		v.q[0] = x86_ld16(c, op, gva);
		break;
	case 4:
		v.q[0] = x86_ld32(c, op, gva);
		break;
	case 8:
		v.q[0] = x86_ld64(c, op, gva);
		break;
	default:
		x86_ld(c, op, gva, &v, 16);
	}
	*l = v;
}

/* ------ elements ------ */

static inline uint64_t sse_element(const x86_lane *s, unsigned size, unsigned n)
{
	switch (size) {
	case 1: return s->b[n & 15];
	case 2: return s->w[n & 7];
	case 4: return s->d[n & 3];
	default: return s->q[n & 1];
	}
}
static inline void sse_insert(x86_lane *d, unsigned size, unsigned n, uint64_t v)
{
	switch (size) {
	case 1: d->b[n & 15] = (uint8_t)v; break;
	case 2: d->w[n & 7] = (uint16_t)v; break;
	case 4: d->d[n & 3] = (uint32_t)v; break;
	default: d->q[n & 1] = v;
	}
}
/* INSERTPS: bits 7:6 source element (registers only), 5:4 destination, 3:0 elements cleared. */
static inline void sse_insertps(x86_lane *d, uint32_t v, unsigned imm)
{
	d->d[imm >> 4 & 3] = v;
	for (unsigned i = 0; i < 4; i++)
		if (imm >> i & 1)
			d->d[i] = 0;
}
/* Bit 7 of eight bytes gathered by one multiplication: no two partial products meet. */
static inline unsigned sse_signs8(uint64_t q)
{
	return (unsigned)(((q >> 7 & 0x0101010101010101) * 0x0102040810204080) >> 56);
}
/* PCMPxSTRx of register op->dst and b, see sse_str.c for op->size. */
enum { SSE_STR_EXPLICIT = 1, SSE_STR_INDEX = 2, SSE_STR_WIDE = 4 /* lengths in RAX and RDX, not EAX and EDX */ };
void sse_string_compare(struct x86_cpu *c, const struct x86_op *op, const x86_lane *b);
/* MASKMOVQ and MASKMOVDQU: bytes whose mask bit 7 is set go to DS:rDI, or to the overriding segment. The address is
 * implicit: sse_implicit_di prepares the operation. */
void sse_implicit_di(const struct x86_insn *d, struct x86_op *op);
void sse_masked_store(struct x86_cpu *c, const struct x86_op *op, const uint8_t *data, const uint8_t *mask, unsigned n);

#endif
