/* xsave.h - state components (SDM vol. 1, 13.1) and their places in an XSAVE area: what xsave.c (images), xsave_insn.c
 * (the XSAVE family) and their users share. */
#ifndef CPU_X86_XSAVE_H
#define CPU_X86_XSAVE_H

#include "vex.h"

enum {
	AREA_MXCSR = 24,
	AREA_X87 = 32,
	AREA_XMM = 160,
	AREA_LEGACY = 512, /* and the header behind it */
	AREA_HEADER_END = 576,
	AREA_AVX = 576,
	AREA_AVX_END = 832,
	AREA_PKRU = 2688, /* in standard form */
	AREA_PKRU_END = 2696
};
enum { XS_X87 = 1, XS_SSE = 2, XS_AVX = 4, XS_PKRU = 0x200 };
#define XS_COMPACT (UINT64_C(1) << 63) /* XCOMP_BV */

/* Little-endian fields of an image, aligned or not. */
#define XSAVE_FIELD(bits)                                                                                              \
	static inline void put##bits(uint8_t *p, uint##bits##_t v)                                                     \
	{                                                                                                              \
		memcpy(p, &v, sizeof v);                                                                               \
	}                                                                                                              \
	static inline uint##bits##_t get##bits(const uint8_t *p)                                                       \
	{                                                                                                              \
		uint##bits##_t v;                                                                                      \
		memcpy(&v, p, sizeof v);                                                                               \
		return v;                                                                                              \
	}
XSAVE_FIELD(16)
XSAVE_FIELD(32)
XSAVE_FIELD(64)

/* The legacy region; `wide`: 64-bit pointers. */
void xs_put_x87(const struct x86_cpu *c, uint8_t *a, bool wide);
void xs_take_x87(struct x86_cpu *c, const uint8_t *a, bool wide);
void xs_init_x87(struct x86_cpu *c);
void xs_put_mxcsr(struct x86_cpu *c, uint8_t *a);
void xs_set_mxcsr(struct x86_cpu *c, uint32_t v);
/* Halves of n YMM registers, 16 bytes each; at NULL: zero. */
void xs_put_vectors(const struct x86_cpu *c, uint8_t *at, unsigned half, unsigned n);
void xs_take_vectors(struct x86_cpu *c, const uint8_t *at, unsigned half, unsigned n);
void xs_set_pkru(struct x86_cpu *c, uint32_t v);
/* XINUSE: components not in their initial state (SDM vol. 1, 13.6); MXCSR does not count. */
uint64_t xs_in_use(const struct x86_cpu *c);
static inline unsigned xs_vector_count(const struct x86_cpu *c)
{
	return c->mode == X86_MODE_LONG ? 16 : 8;
}
x86_fn xs_translate(const struct x86_insn *d, struct x86_op *op); /* xsave_insn.c */

#endif
