/* softfloat.h - IEEE 754 in integers, as x86 computes it: binary32, binary64 and the x87's 80 bits. Used where the host
 * has no x86 FPU, while the guest has exceptions unmasked, and as the reference of the tests.
 *
 * Formats differ only at the edges: an operand is unpacked to struct sf_num, which holds any value of any of them
 * exactly; results are rounded once, to the precision and range of a struct sf_fmt. Tininess is found after rounding;
 * NaNs follow SDM vol. 1, table 4-8. */
#ifndef CPU_X86_SOFTFLOAT_H
#define CPU_X86_SOFTFLOAT_H

#include <stdbool.h>
#include <stdint.h>
#include "x86.h"

enum { SF_I = 1, SF_D = 2, SF_Z = 4, SF_O = 8, SF_U = 16, SF_P = 32 }; /* as in MXCSR and the x87 status word */
enum { SF_NEAREST, SF_DOWN, SF_UP, SF_TRUNC };

struct sf_env {
	uint8_t rc;
	bool daz, ftz; /* MXCSR's; never with x87 */
	bool arm; /* tininess is found before rounding, and what is flushed is not inexact (Arm ARM A1.5.6) */
	bool x87; /* x87's choice of NaN, and unmasked over- and underflow deliver a result with a wrapped exponent */
	uint8_t prec;  /* x87 precision control: 24, 53 or 64 significand bits (0: 64) */
	uint8_t masks; /* SF_ bits that are masked */
	uint8_t flags; /* sticky out */
	uint8_t earlier; /* those of completed steps of the same instruction (DPPS) */
	bool up;       /* the last rounding increased the magnitude (C1) */
};

enum sf_class { SF_ZERO, SF_FINITE, SF_INF, SF_QNAN, SF_SNAN, SF_BAD /* f80 encodings that are invalid operands */ };
struct sf_num {
	uint8_t cls;
	bool sign;
	bool denormal;  /* the operand was one */
	int32_t exp;    /* value = sig / 2^63 * 2^exp */
	uint64_t sig;   /* bit 63 set when finite; NaN: as in the 80-bit format */
};
enum sf_kind { SF32, SF64, SF80, SF16 };

struct sf_num sf_unpack16(uint16_t v); /* denormals are neither flushed nor reported (SDM vol. 1, 14.4.1) */
struct sf_num sf_unpack32(const struct sf_env *e, uint32_t v);
struct sf_num sf_unpack64(const struct sf_env *e, uint64_t v);
struct sf_num sf_unpack80(struct x86_f80 v);
uint16_t sf_pack16(struct sf_num n);
uint32_t sf_pack32(struct sf_num n); /* n must be representable, as what the operations below return for that kind */
uint64_t sf_pack64(struct sf_num n);
struct x86_f80 sf_pack80(struct sf_num n);
static inline struct sf_num sf_unpack(const struct sf_env *e, enum sf_kind k, uint64_t v)
{
	return k == SF32 ? sf_unpack32(e, (uint32_t)v) : sf_unpack64(e, v);
}
static inline uint64_t sf_pack(enum sf_kind k, struct sf_num n)
{
	return k == SF32 ? sf_pack32(n) : sf_pack64(n);
}
struct sf_num sf_from_int(int64_t v);

typedef struct sf_num (*sf_binary)(struct sf_env *e, enum sf_kind k, struct sf_num a, struct sf_num b);
struct sf_num sf_add(struct sf_env *e, enum sf_kind k, struct sf_num a, struct sf_num b);
struct sf_num sf_sub(struct sf_env *e, enum sf_kind k, struct sf_num a, struct sf_num b);
struct sf_num sf_mul(struct sf_env *e, enum sf_kind k, struct sf_num a, struct sf_num b);
struct sf_num sf_div(struct sf_env *e, enum sf_kind k, struct sf_num a, struct sf_num b);
/* a * b + c, rounded once (softfloat_fma.c). Which NaN is the caller's: sf_nan3. */
struct sf_num sf_muladd(struct sf_env *e, enum sf_kind k, struct sf_num a, struct sf_num b, struct sf_num c);
struct sf_num sf_sqrt(struct sf_env *e, enum sf_kind k, struct sf_num a);
/* To another format: NaNs made quiet, rounded. `denormals`: a denormal operand raises SF_D. */
struct sf_num sf_convert(struct sf_env *e, enum sf_kind k, struct sf_num a, bool denormals);
/* To an integral value by rounding mode rc; inexactness raises SF_P. SF_D is the caller's. */
struct sf_num sf_round_int(struct sf_env *e, struct sf_num a, unsigned rc);
/* To a signed integer of `bits`; SF_I and the integer indefinite when it does not fit. */
int64_t sf_to_int(struct sf_env *e, struct sf_num a, unsigned bits, unsigned rc);
enum { SF_LESS = -1, SF_EQUAL = 0, SF_GREATER = 1, SF_UNORDERED = 2 };
int sf_compare(struct sf_env *e, struct sf_num a, struct sf_num b, bool quiet);
/* MINxx and MAXxx: the second operand when both are zero or either is a NaN. True: the first. */
bool sf_first_of(struct sf_env *e, struct sf_num a, struct sf_num b, bool max);
/* FPREM (nearest = false) and FPREM1: *quotient's low 3 bits; false: only partly reduced. */
bool sf_rem(struct sf_env *e, struct sf_num a, struct sf_num b, bool nearest, struct sf_num *rem, unsigned *quotient);
struct sf_num sf_scale(struct sf_env *e, struct sf_num a, struct sf_num b);
/* Round a value with 128 significand bits (hi has bit 63 set unless all is zero) to a format. */
struct sf_num sf_round(struct sf_env *e, enum sf_kind k, bool sign, int32_t exp, uint64_t hi, uint64_t lo);

/* An operand is a NaN or unsupported: the result of a two-operand operation (SF_I raised for signalling ones). */
struct sf_num sf_nan2(struct sf_env *e, struct sf_num a, struct sf_num b);
/* Of three operands at least one is a NaN: the first one, made quiet. */
struct sf_num sf_nan3(struct sf_env *e, struct sf_num a, struct sf_num b, struct sf_num c);
struct sf_num sf_invalid(struct sf_env *e); /* raise SF_I, give the default NaN */
static inline bool sf_is_nan(struct sf_num n)
{
	return n.cls >= SF_QNAN;
}

#endif
