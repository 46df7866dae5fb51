/* flags.h - lazy arithmetic flags: what the last flag-setting operation was and its operands, from which each flag
 * follows when it is asked for.
 *
 * cc_op is kind * 4 + log2(size). cc_dst is the result; cc_src the second operand (ADD ADC SUB SBB), the old CF (INC
 * DEC), or the value one shift before the result (SHL SHR SAR); cc_src2 the carry in of ADC and SBB. All are
 * zero-extended from the operand size. */
#ifndef CPU_X86_FLAGS_H
#define CPU_X86_FLAGS_H

#include "internal.h"

enum {
	CC_ADD = 4,
	CC_ADC = 8,
	CC_SUB = 12,
	CC_SBB = 16,
	CC_LOGIC = 20,
	CC_INC = 24,
	CC_DEC = 28,
	CC_SHL = 32,
	CC_SHR = 36,
	CC_SAR = 40
};

static inline void x86_cc(struct x86_cpu *c, uint32_t op, uint64_t dst, uint64_t src)
{
	c->cc_op = op;
	c->cc_dst = dst;
	c->cc_src = src;
}

/* Condition codes by their number in Jcc, SETcc, CMOVcc. */
enum { CC_O, CC_NO, CC_B, CC_AE, CC_E, CC_NE, CC_BE, CC_A, CC_S, CC_NS, CC_P, CC_NP, CC_L, CC_GE, CC_LE, CC_G };

static inline bool x86_flags_cond(uint32_t f, unsigned cc)
{
	bool t;
	switch (cc >> 1) {
	case 0: t = f & X86_OF_; break;
	case 1: t = f & X86_CF; break;
	case 2: t = f & X86_ZF; break;
	case 3: t = f & (X86_CF | X86_ZF); break;
	case 4: t = f & X86_SF; break;
	case 5: t = f & X86_PF_; break;
	case 6: t = !(f & X86_SF) != !(f & X86_OF_); break;
	default: t = f & X86_ZF || !(f & X86_SF) != !(f & X86_OF_); break;
	}
	return t != (cc & 1);
}

bool x86_cond_slow(const struct x86_cpu *c, unsigned cc);
bool x86_carry(const struct x86_cpu *c);

/* After a comparison or logic of 32 or 64 bits, by far the most frequent, without computing flags. cc is a constant
 * where it matters. */
static inline __attribute__((always_inline)) bool x86_cond(const struct x86_cpu *c, unsigned cc)
{
	if (c->cc_op == CC_SUB + 3 || c->cc_op == CC_SUB + 2) {
		unsigned up = c->cc_op == CC_SUB + 2 ? 32 : 0;
		uint64_t r = c->cc_dst << up, b = c->cc_src << up, a = r + b;
		switch (cc) {
		case CC_B: return a < b;
		case CC_AE: return a >= b;
		case CC_E: return r == 0;
		case CC_NE: return r != 0;
		case CC_BE: return a <= b;
		case CC_A: return a > b;
		case CC_S: return (int64_t)r < 0;
		case CC_NS: return (int64_t)r >= 0;
		case CC_L: return (int64_t)a < (int64_t)b;
		case CC_GE: return (int64_t)a >= (int64_t)b;
		case CC_LE: return (int64_t)a <= (int64_t)b;
		case CC_G: return (int64_t)a > (int64_t)b;
		default: break;
		}
	} else if (c->cc_op >= CC_ADD && (cc == CC_E || cc == CC_NE)) {
		return (c->cc_dst == 0) == (cc == CC_E);
	} else if (c->cc_op == CC_ADD + 3 && (cc == CC_B || cc == CC_AE)) {
		return (c->cc_dst < c->cc_src) == (cc == CC_B);
	} else if (c->cc_op >= CC_ADD && (cc == CC_S || cc == CC_NS)) {
		return (c->cc_dst >> ((8u << (c->cc_op & 3)) - 1) & 1) == (cc == CC_S);
	}
	return x86_cond_slow(c, cc);
}

#endif
