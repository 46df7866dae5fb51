/* sse_str.c - SSE4.2 string compares: PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM (SDM vol. 2, 4.1). */
#include "sse.h"

enum {
	IMM_WORDS = 1,
	IMM_SIGNED = 2,
	AGGREGATE = 0xc,
	EQUAL_ANY = 0,
	RANGES = 4,
	EQUAL_EACH = 8,
	EQUAL_ORDERED = 0xc,
	NEGATE = 0x10,
	NEGATE_VALID = 0x20,
	IMM_HIGH = 0x40
};

static int32_t item(const x86_lane *l, unsigned i, unsigned imm)
{
	if (imm & IMM_WORDS)
		return imm & IMM_SIGNED ? l->sw[i] : l->w[i];
	return imm & IMM_SIGNED ? l->sb[i] : l->b[i];
}

static unsigned implicit_length(const x86_lane *l, unsigned imm)
{
	unsigned n = imm & IMM_WORDS ? 8 : 16, i = 0;
	while (i < n && item(l, i, imm))
		i++;
	return i;
}

static unsigned explicit_length(uint64_t reg, bool wide, unsigned imm)
{
	int64_t v = wide ? (int64_t)reg : (int32_t)reg;
	uint64_t n = v < 0 ? 0 - (uint64_t)v : (uint64_t)v, most = imm & IMM_WORDS ? 8 : 16;
	return (unsigned)(n < most ? n : most);
}

/* Is item j of b in the set or ranges a? */
static bool member(const x86_lane *a, unsigned la, int32_t v, unsigned imm)
{
	for (unsigned i = 0; i < la; i += (imm & AGGREGATE) == RANGES ? 2 : 1) {
		if ((imm & AGGREGATE) == EQUAL_ANY) {
			if (item(a, i, imm) == v)
				return true;
		} else if (i + 1 < la && item(a, i, imm) <= v && v <= item(a, i + 1, imm)) {
			return true;
		}
	}
	return false;
}

/* Does a begin at item j of b? What lies beyond the register counts as equal, what lies beyond b's end does not. */
static bool starts(const x86_lane *a, unsigned la, const x86_lane *b, unsigned lb, unsigned j, unsigned n, unsigned imm)
{
	for (unsigned i = 0; i < la && i + j < n; i++)
		if (i + j >= lb || item(a, i, imm) != item(b, i + j, imm))
			return false;
	return true;
}

static unsigned aggregate(const x86_lane *a, unsigned la, const x86_lane *b, unsigned lb, unsigned imm)
{
	unsigned n = imm & IMM_WORDS ? 8 : 16, res = 0;
	for (unsigned j = 0; j < n; j++) {
		bool hit;
		switch (imm & AGGREGATE) {
		case EQUAL_EACH:
			hit = j < la && j < lb ? item(a, j, imm) == item(b, j, imm) : j >= la && j >= lb;
			break;
		case EQUAL_ORDERED:
			hit = starts(a, la, b, lb, j, n, imm);
			break;
		default:
			hit = j < lb && member(a, la, item(b, j, imm), imm);
		}
		res |= (unsigned)hit << j;
	}
	if (imm & NEGATE)
		res ^= imm & NEGATE_VALID ? (1u << lb) - 1 : (1u << n) - 1;
	return res;
}

static void put_mask(x86_lane *d, unsigned res, unsigned imm)
{
	*d = (x86_lane){.q = {0, 0}};
	if (!(imm & IMM_HIGH))
		d->d[0] = res;
	else if (imm & IMM_WORDS)
		for (unsigned i = 0; i < 8; i++)
			d->w[i] = res >> i & 1 ? 0xffff : 0;
	else
		for (unsigned i = 0; i < 16; i++)
			d->b[i] = res >> i & 1 ? 0xff : 0;
}

void sse_string_compare(struct x86_cpu *c, const struct x86_op *op, const x86_lane *b)
{
	const x86_lane *a = sse_lane(c, op->dst);
	unsigned imm = op->aux, n = imm & IMM_WORDS ? 8 : 16, la, lb, res;
	if (op->size & SSE_STR_EXPLICIT) {
		la = explicit_length(c->r[0], op->size & SSE_STR_WIDE, imm);
		lb = explicit_length(c->r[2], op->size & SSE_STR_WIDE, imm);
	} else {
		la = implicit_length(a, imm);
		lb = implicit_length(b, imm);
	}
	res = aggregate(a, la, b, lb, imm);
	x86_set_arith_flags(c, (res ? X86_CF : 0) | (lb < n ? X86_ZF : 0) | (la < n ? X86_SF : 0) |
				       (res & 1 ? X86_OF_ : 0));
	if (!(op->size & SSE_STR_INDEX))
		put_mask(sse_lane(c, 0), res, imm);
	else if (!res)
		c->r[1] = n;
	else
		c->r[1] = imm & IMM_HIGH ? 31u - (unsigned)__builtin_clz(res) : (unsigned)__builtin_ctz(res);
}

static const struct x86_op *string_x(struct x86_cpu *c, const struct x86_op *op)
{
	x86_lane b = *sse_lane(c, op->src);
	x86_sse_check(c, op);
	sse_string_compare(c, op, &b);
	return NEXT(op);
}

/* No alignment asked. */
static const struct x86_op *string_m(struct x86_cpu *c, const struct x86_op *op)
{
	x86_lane b;
	x86_sse_check(c, op);
	sse_load(c, op, &b, 16);
	sse_string_compare(c, op, &b);
	return NEXT(op);
}

x86_fn sse_translate_str(const struct x86_insn *d, struct x86_op *op)
{
	unsigned kind;
	switch (d->i.mnemonic) {
	case ZYDIS_MNEMONIC_PCMPESTRI:
		kind = SSE_STR_EXPLICIT | SSE_STR_INDEX;
		break;
	case ZYDIS_MNEMONIC_PCMPESTRM:
		kind = SSE_STR_EXPLICIT;
		break;
	case ZYDIS_MNEMONIC_PCMPISTRI:
		kind = SSE_STR_INDEX;
		break;
	case ZYDIS_MNEMONIC_PCMPISTRM:
		kind = 0;
		break;
	default:
		return NULL;
	}
	sse_operands(d, op);
	op->size = (uint8_t)(kind | (d->i.operand_width == 64 ? SSE_STR_WIDE : 0));
	return sse_is_mem(d, 1) ? string_m : string_x;
}
