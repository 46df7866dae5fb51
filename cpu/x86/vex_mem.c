/* vex_mem.c - VMASKMOV, VPMASKMOV and the gathers: accesses element by element, with faults of the elements that are
 * wanted only. */
#include "fpenv.h"
#include "vex.h"

/* The linear address of an element of `size` bytes at this distance from the operand's base register. */
static uint64_t element_ea(struct x86_cpu *c, const struct x86_op *op, uint64_t distance, bool write)
{
	uint64_t off = c->r[op->base] + (uint64_t)(int64_t)op->disp + distance;
	if (likely(!(op->flags & X86_OPF_SLOW_EA)))
		return off + c->segbase[op->seg];
	if (op->flags & X86_OPF_ADDR16)
		off = (uint16_t)off;
	else if ((op->flags & X86_OPF_ADDR32) || c->mode != X86_MODE_LONG)
		off = (uint32_t)off;
	if (op->seg >= X86_LDTR)
		return off;
	return x86_linear(c, op, op->seg, off, op->size, write);
}
static unsigned shift_of(const struct x86_op *op)
{
	return op->flags & X86_OPF_SLOW_EA ? op->scale & X86_EA_SHIFT : op->scale;
}
static bool wanted(const union x86_vec *mask, unsigned size, unsigned i)
{
	return mask->b[size * i + size - 1] & 0x80;
}
static void load_element(struct x86_cpu *c, const struct x86_op *op, uint64_t gva, union x86_vec *v, unsigned i)
{
	if (op->size == 4)
		v->d[i] = x86_ld32(c, op, gva);
	else
		v->q[i] = x86_ld64(c, op, gva);
}

/* ------ masked moves: op->src the mask, op->size the element's bytes, op->aux the vector's ------ */

static bool in_tlb(struct x86_cpu *c, const struct x86_op *op, const struct x86_tlbe *set, uint8_t **p)
{
	if (op->flags & X86_OPF_SLOW_EA)
		return false;
	*p = x86_tlb_hit(set, x86_ea(c, op), op->aux);
	return *p != NULL;
}
static uint64_t distance(const struct x86_cpu *c, const struct x86_op *op, unsigned i)
{
	return (c->r[op->index] << shift_of(op)) + i * op->size;
}

static void masked_load(struct x86_cpu *c, const struct x86_op *op)
{
	const union x86_vec mask = c->v[op->src];
	unsigned n = op->aux / op->size;
	union x86_vec r, all;
	uint8_t *p;
	memset(&r, 0, sizeof r);
	if (in_tlb(c, op, c->tlb->r, &p)) {
		memset(&all, 0, sizeof all);
		host_read(&all, p, op->aux);
		for (unsigned i = 0; i < op->aux; i++)
			r.b[i] = mask.b[i | (op->size - 1u)] & 0x80 ? all.b[i] : 0;
	} else {
		for (unsigned i = 0; i < n; i++)
			if (wanted(&mask, op->size, i))
				load_element(c, op, element_ea(c, op, distance(c, op, i), false), &r, i);
	}
	c->v[op->dst] = r;
}

/* Nothing is stored before all that is wanted can be, and nothing in memory before devices have theirs. */
static void masked_store(struct x86_cpu *c, const struct x86_op *op)
{
	const union x86_vec mask = c->v[op->src], data = c->v[op->dst];
	unsigned n = op->aux / op->size;
	uint64_t gva[8];
	enum x86_where where[8];
	for (unsigned i = 0; i < n; i++) {
		where[i] = X86_PLACES;
		if (!wanted(&mask, op->size, i))
			continue;
		gva[i] = element_ea(c, op, distance(c, op, i), true);
		where[i] = x86_probe_write(c, op, gva[i], op->size);
	}
	for (enum x86_where w = 0; w < X86_PLACES; w++)
		for (unsigned i = 0; i < n; i++)
			if (where[i] == w)
				x86_st(c, op, gva[i], data.b + i * op->size, op->size);
}
VEX_HANDLER(load_masked, masked_load(c, op))
VEX_HANDLER(store_masked, masked_store(c, op))

/* ------ gathers: op->src the mask, op->index the vector of indices ------ */

enum { INDEX8 = 16, COUNT = 15 }; /* op->aux: indices of 8 bytes; number of elements */

struct gather {
	union x86_vec d, mask;
	unsigned next; /* element that is being loaded */
};

static uint64_t index_of(const struct x86_cpu *c, const struct x86_op *op, unsigned i)
{
	uint64_t v = op->aux & INDEX8 ? c->v[op->index].q[i] : (uint64_t)(int64_t)(int32_t)c->v[op->index].d[i];
	return v << shift_of(op);
}

static void gather_elements(struct x86_cpu *c, const struct x86_op *op, struct gather *g)
{
	for (unsigned i = 0; i < (op->aux & COUNT); i++) {
		g->next = i;
		if (wanted(&g->mask, op->size, i))
			load_element(c, op, element_ea(c, op, index_of(c, op, i), false), &g->d, i);
	}
}

/* A fault: the elements before it are complete and leave the mask (SDM vol. 2, VPGATHERDD). The others keep it as it
 * is, as on AMD's processors; the SDM's pseudocode fills them with their top bit first. */
static void commit_part(struct x86_cpu *c, const struct x86_op *op, struct gather *g)
{
	memset(g->mask.b, 0, g->next * op->size);
	c->v[op->dst] = g->d;
	c->v[op->src] = g->mask;
}

/* Only faults commit: an access that is deferred leaves everything as it was, for the instruction is executed again
 * from its start. */
static void gather(struct x86_cpu *c, const struct x86_op *op)
{
	struct gather g = {.d = c->v[op->dst], .mask = c->v[op->src]};
	struct gather *volatile at = &g;
	jmp_buf outer;
	memcpy(&outer, &c->jb, sizeof outer);
	int how = setjmp(c->jb);
	if (how) {
		memcpy(&c->jb, &outer, sizeof outer);
		if (how == X86_JMP_FAULT)
			commit_part(c, op, at);
		x86_leap(c, how);
	}
	gather_elements(c, op, at);
	memcpy(&c->jb, &outer, sizeof outer);
	unsigned bytes = (op->aux & COUNT) * op->size;
	memset(at->d.b + bytes, 0, sizeof at->d - bytes);
	c->v[op->dst] = at->d;
	memset(&c->v[op->src], 0, sizeof c->v[op->src]);
}

/* A function of its own: setjmp keeps the handler from ending in a jump. */
VEX_HANDLER(gather_any, gather(c, op))

static x86_fn gather_handler(const struct x86_insn *d, struct x86_op *op, unsigned element, bool index8)
{
	unsigned bytes = d->o[0].size / 8, indices = d->i.raw.vex.L ? 32 : 16;
	unsigned n = bytes / element, by_index = indices / (index8 ? 8 : 4);
	op->dst = sse_reg(d, 0);
	op->src = sse_reg(d, 2);
	op->size = (uint8_t)element;
	op->aux = (uint8_t)((by_index < n ? by_index : n) | (index8 ? INDEX8 : 0));
	return gather_any;
}

static x86_fn masked_handler(const struct x86_insn *d, struct x86_op *op, unsigned element)
{
	bool store = sse_is_mem(d, 0);
	op->dst = sse_reg(d, store ? 2 : 0);
	op->src = sse_reg(d, 1);
	op->size = (uint8_t)element;
	op->aux = vex_is_256(d) ? 32 : 16;
	return store ? store_masked : load_masked;
}

x86_fn vex_translate_mem(const struct x86_insn *d, struct x86_op *op)
{
	switch (d->i.mnemonic) {
	case ZYDIS_MNEMONIC_VMASKMOVPS:
	case ZYDIS_MNEMONIC_VPMASKMOVD:
		return masked_handler(d, op, 4);
	case ZYDIS_MNEMONIC_VMASKMOVPD:
	case ZYDIS_MNEMONIC_VPMASKMOVQ:
		return masked_handler(d, op, 8);
	case ZYDIS_MNEMONIC_VGATHERDPS:
	case ZYDIS_MNEMONIC_VPGATHERDD:
		return gather_handler(d, op, 4, false);
	case ZYDIS_MNEMONIC_VGATHERDPD:
	case ZYDIS_MNEMONIC_VPGATHERDQ:
		return gather_handler(d, op, 8, false);
	case ZYDIS_MNEMONIC_VGATHERQPS:
	case ZYDIS_MNEMONIC_VPGATHERQD:
		return gather_handler(d, op, 4, true);
	case ZYDIS_MNEMONIC_VGATHERQPD:
	case ZYDIS_MNEMONIC_VPGATHERQQ:
		return gather_handler(d, op, 8, true);
	default:
		return NULL;
	}
}
