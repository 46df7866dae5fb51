/* int_string.c - MOVS STOS LODS SCAS CMPS with REP. Each iteration commits by itself; interrupts are looked for between
 * iterations, and between the page-sized pieces in which MOVS and STOS go where both sides are plain memory. */
#include "int.h"

enum { MOVS, STOS, LODS, SCAS, CMPS };
enum { RAX = 0, RCX = 1, RSI = 6, RDI = 7 };

/* op->aux: address size in bytes; op->seg: of the source; the destination is in ES. */
X86_INLINE uint64_t linear(struct x86_cpu *c, op_t op, unsigned seg, unsigned reg, unsigned size, bool write)
{
	uint64_t off = mask_size(c->r[reg], op->aux);
	if (likely(c->mode == X86_MODE_LONG))
		return off + c->segbase[seg];
	return x86_linear(c, op, (int)seg, off, size, write);
}

X86_INLINE void advance(struct x86_cpu *c, op_t op, unsigned reg, uint64_t bytes)
{
	uint64_t v = c->eflags & X86_DF_ ? c->r[reg] - bytes : c->r[reg] + bytes;
	reg_put(c, reg, op->aux, v);
}

X86_INLINE void one(struct x86_cpu *c, op_t op, unsigned kind, unsigned size)
{
	uint64_t a = 0, b, src = 0, dst = 0;
	if (kind == MOVS || kind == LODS || kind == CMPS)
		src = linear(c, op, op->seg, RSI, size, false);
	if (kind != LODS)
		dst = linear(c, op, X86_ES, RDI, size, kind == MOVS || kind == STOS);
	if (kind == MOVS || kind == LODS || kind == CMPS)
		a = mem_get(c, op, src, size);
	else
		a = reg_get(c, RAX, size);
	if (kind == MOVS || kind == STOS)
		mem_put(c, op, dst, size, a);
	if (kind == LODS)
		reg_put(c, RAX, size, a);
	if (kind == SCAS || kind == CMPS) {
		b = mem_get(c, op, dst, size);
		x86_cc(c, CC_SUB + log_size(size), mask_size(a - b, size), b);
	}
	if (kind == MOVS || kind == LODS || kind == CMPS)
		advance(c, op, RSI, size);
	if (kind != LODS)
		advance(c, op, RDI, size);
}

/* How many elements from here on lie in the page; 0: not to be done at once. */
X86_INLINE uint64_t in_page(uint64_t lin, unsigned size)
{
	return (0x1000 - (lin & 0xfff)) / size;
}

/* Where addresses are plain: 64-bit mode, or 32-bit addresses in segments that need no checks. */
X86_INLINE bool plain(const struct x86_cpu *c, op_t op)
{
	if (c->eflags & X86_DF_)
		return false;
	if (c->mode == X86_MODE_LONG)
		return op->aux == 8;
	return op->aux == 4 && c->flat >> op->seg & 1 && c->flat >> X86_ES & 1 && c->r[RSI] <= UINT32_MAX - 0x1000 &&
	       c->r[RDI] <= UINT32_MAX - 0x1000;
}

/* Each iteration counts as an instruction; the first has been counted with the block. */
X86_INLINE uint64_t budget(const struct x86_cpu *c)
{
	return c->insn_limit - c->insns;
}

/* As many elements of MOVS or STOS as fit in the pages at hand. Answers how many. */
X86_INLINE uint64_t many(struct x86_cpu *c, op_t op, unsigned kind, unsigned size, uint64_t count)
{
	if (!plain(c, op))
		return 0;
	uint64_t dst = linear(c, op, X86_ES, RDI, size, true), src = dst;
	uint64_t n = in_page(dst, size);
	uint8_t *to = x86_tlb_hit(c->tlb->w, dst, 1), *from = to;
	if (kind == MOVS) {
		src = linear(c, op, op->seg, RSI, size, false);
		from = x86_tlb_hit(c->tlb->r, src, 1);
		n = n < in_page(src, size) ? n : in_page(src, size);
	}
	n = n < count ? n : count;
	if (n > 1 && n - 1 > budget(c))
		n = budget(c) + 1;
	if (!to || !from || n < 2)
		return 0;
	if (kind == MOVS) {
		host_copy(to, from, n, size);
		advance(c, op, RSI, n * size);
	} else {
		host_fill(to, reg_get(c, RAX, size), n, size);
	}
	advance(c, op, RDI, n * size);
	return n;
}

static bool interrupted(const struct x86_cpu *c)
{
	return c->once || c->tf_active || !budget(c) || atomic_load_explicit(c->attn, memory_order_relaxed);
}

X86_INLINE op_t string(struct x86_cpu *c, op_t op, unsigned kind, unsigned size)
{
	if (!(op->flags & (X86_OPF_REP | X86_OPF_REPNE))) {
		one(c, op, kind, size);
		return NEXT(op);
	}
	uint64_t count = mask_size(c->r[RCX], op->aux), n;
	for (bool first = true; count; first = false) {
		if (!first)
			c->insns++;
		n = (kind == MOVS || kind == STOS) && !c->once && !c->tf_active ? many(c, op, kind, size, count) : 0;
		if (!n) {
			one(c, op, kind, size);
			n = 1;
			c->replay = false;
			if (unlikely(c->log_len))
				x86_log_reset(c);
		}
		c->insns += n - 1;
		count -= n;
		reg_put(c, RCX, op->aux, count);
		if ((kind == SCAS || kind == CMPS) && (c->cc_dst == 0) == !(op->flags & X86_OPF_REP))
			break;
		if (unlikely(count && interrupted(c))) {
			c->rip = c->rep_rip = x86_op_rip(c, op);
			x86_uncount(c, c->rip);
			c->insns++;
			return NULL;
		}
	}
	c->rep_rip = UINT64_MAX;
	return NEXT(op);
}

#define STRING_ONE(kind, s)                                                                                            \
	static op_t string_##kind##_##s(struct x86_cpu *c, op_t op)                                                    \
	{                                                                                                              \
		return string(c, op, kind, s);                                                                         \
	}
#define STRING_SIZES(kind) STRING_ONE(kind, 1) STRING_ONE(kind, 2) STRING_ONE(kind, 4) STRING_ONE(kind, 8)
STRING_SIZES(MOVS)
STRING_SIZES(STOS)
STRING_SIZES(LODS)
STRING_SIZES(SCAS)
STRING_SIZES(CMPS)
#define STRING_ROW(k)                                                                                                  \
	{                                                                                                              \
		string_##k##_1, string_##k##_2, string_##k##_4, string_##k##_8                                         \
	}
static const x86_fn string_fn[][4] = {STRING_ROW(MOVS), STRING_ROW(STOS), STRING_ROW(LODS), STRING_ROW(SCAS),
				      STRING_ROW(CMPS)};

/* The memory operand that is not [ES:rDI] says the segment. */
static uint8_t source_segment(const struct x86_insn *d)
{
	for (unsigned n = 0; n < d->i.operand_count; n++)
		if (x86_is_mem(d, (int)n) && x86_regno(d->o[n].mem.base) == RSI) {
			switch (d->o[n].mem.segment) {
			case ZYDIS_REGISTER_ES: return X86_ES;
			case ZYDIS_REGISTER_CS: return X86_CS;
			case ZYDIS_REGISTER_SS: return X86_SS;
			case ZYDIS_REGISTER_FS: return X86_FS;
			case ZYDIS_REGISTER_GS: return X86_GS;
			default: return X86_DS;
			}
		}
	return X86_DS;
}

/* By opcode, because MOVSD and CMPSD are also names of SSE instructions. */
x86_fn x86_int_string(const struct x86_insn *d, struct x86_op *op, bool *ends)
{
	static const int8_t kinds[16] = {-1, -1, -1,   -1,   MOVS, MOVS, CMPS, CMPS,
					 -1, -1, STOS, STOS, LODS, LODS, SCAS, SCAS};
	(void)ends;
	if (d->i.opcode_map != ZYDIS_OPCODE_MAP_DEFAULT || d->i.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY ||
	    (d->i.opcode & 0xf0) != 0xa0)
		return NULL;
	int kind = kinds[d->i.opcode & 15];
	if (kind < 0)
		return NULL;
	op->aux = d->i.address_width / 8;
	op->seg = source_segment(d);
	op->size = d->i.opcode & 1 ? d->i.operand_width / 8 : 1;
	return string_fn[kind][__builtin_ctz(op->size)];
}
