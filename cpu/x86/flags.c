/* flags.c - the arithmetic flags out of the last operation and its operands (SDM vol. 1, 3.4.3.1; where undefined, what
 * AMD Zen gives). */
#include "flags.h"

static uint64_t top_bit(unsigned size_log)
{
	return (uint64_t)1 << ((8u << size_log) - 1);
}

static uint64_t mask_of(unsigned size_log)
{
	return top_bit(size_log) * 2 - 1;
}

bool x86_carry(const struct x86_cpu *c)
{
	unsigned sl = c->cc_op & 3;
	uint64_t r = c->cc_dst, b = c->cc_src, a = (r + b + c->cc_src2 * ((c->cc_op & ~3u) == CC_SBB)) & mask_of(sl);
	switch (c->cc_op & ~3u) {
	case X86_CC_PLAIN: return b & X86_CF;
	case CC_ADD: return r < b;
	case CC_ADC: return r < b || (c->cc_src2 && r == b);
	case CC_SUB: return a < b;
	case CC_SBB: return a < b || (c->cc_src2 && a == b);
	case CC_INC:
	case CC_DEC: return b & 1;
	case CC_SHL: return b & top_bit(sl);
	case CC_SHR:
	case CC_SAR: return b & 1;
	default: return false;
	}
}

/* OF and AF; the operand a is found back from the result. */
static uint32_t of_af(const struct x86_cpu *c)
{
	unsigned sl = c->cc_op & 3;
	uint64_t r = c->cc_dst, b = c->cc_src, top = top_bit(sl), a, of = 0, af = 0;
	switch (c->cc_op & ~3u) {
	case CC_ADD:
	case CC_ADC:
		a = r - b - ((c->cc_op & ~3u) == CC_ADC ? c->cc_src2 : 0);
		of = (a ^ r) & (b ^ r) & top;
		af = a ^ b ^ r;
		break;
	case CC_SUB:
	case CC_SBB:
		a = r + b + ((c->cc_op & ~3u) == CC_SBB ? c->cc_src2 : 0);
		of = (a ^ b) & (a ^ r) & top;
		af = a ^ b ^ r;
		break;
	case CC_INC:
		of = r == top;
		af = (r & 15) == 0 ? X86_AF : 0;
		break;
	case CC_DEC:
		of = r == top - 1;
		af = (r & 15) == 15 ? X86_AF : 0;
		break;
	case CC_SHL:
		of = (r ^ b) & top;
		af = X86_AF; /* undefined; so are those of the other shifts */
		break;
	case CC_SHR:
		of = b & top;
		af = X86_AF;
		break;
	case CC_SAR: af = X86_AF; break;
	default: break;
	}
	return (of ? X86_OF_ : 0) | (uint32_t)(af & X86_AF);
}

uint32_t x86_arith_flags(const struct x86_cpu *c)
{
	if (c->cc_op < CC_ADD)
		return (uint32_t)c->cc_src & X86_ARITH;
	uint64_t r = c->cc_dst;
	uint32_t f = of_af(c) | (x86_carry(c) ? X86_CF : 0);
	f |= r == 0 ? X86_ZF : 0;
	f |= r & top_bit(c->cc_op & 3) ? X86_SF : 0;
	f |= __builtin_parity((uint8_t)r) ? 0 : X86_PF_;
	return f;
}

void x86_set_arith_flags(struct x86_cpu *c, uint32_t flags)
{
	x86_cc(c, X86_CC_PLAIN, 0, flags & X86_ARITH);
}

bool x86_cond_slow(const struct x86_cpu *c, unsigned cc)
{
	if ((cc & ~1u) == CC_B)
		return x86_carry(c) != (cc & 1);
	return x86_flags_cond(x86_arith_flags(c), cc);
}
