/* fp_lanes.c - see fp_lanes.h. */
#include "fp_lanes.h"

/* Elements of 1, 2, 4 or 8 bytes as the encoding's class says: scalar floating point (C4.1.96), vectors by element,
 * three registers of half precision, two registers, reductions, and the rest, where bit 22 is `sz`. */
static unsigned element_size(uint32_t insn)
{
	static const uint8_t ftype[4] = {4, 8, 0, 2}, by_element[4] = {2, 0, 4, 8};
	const unsigned two = insn >> 22 & 3, sz = two & 1 ? 8 : 4;
	if (insn >> 24 == 0x1e)
		return ftype[two];
	if (a64_fp_by_element(insn))
		return by_element[two];
	if (insn >> 10 & 1)
		return insn >> 21 & 1 ? sz : 2;
	switch (A64_BITS(insn, 21, 17)) {
	case 0x18: return insn >> 29 & 1 ? sz : 2;
	case 0x1c: return 2;
	default: return sz;
	}
}

static void by_element(struct a64_op *op, unsigned size)
{
	const unsigned h = op->insn >> 11 & 1, l = op->insn >> 21 & 1, m = op->insn >> 20 & 1;
	const uint64_t index = size == 2 ? h << 2 | l << 1 | m : size == 4 ? h << 1 | l : h;
	op->imm |= index << 16;
	if (size == 2)
		op->rm &= 15;
}

void a64_fp_shape(struct a64_op *op)
{
	const unsigned size = element_size(op->insn);
	const unsigned n = a64_scalar(op->insn) ? 1 : (op->insn >> 30 & 1 ? 16 : 8) / size;
	op->imm = size | n << 8;
	if (a64_fp_by_element(op->insn))
		by_element(op, size);
}

uint64_t a64_fp_lane(const union a64_lanes *v, unsigned size, unsigned i)
{
	return size == 2 ? v->u16[i] : size == 4 ? v->u32[i] : v->u64[i];
}

void a64_fp_put_lane(union a64_lanes *v, unsigned size, unsigned i, uint64_t value)
{
	if (size == 2)
		v->u16[i] = (uint16_t)value;
	else if (size == 4)
		v->u32[i] = (uint32_t)value;
	else
		v->u64[i] = value;
}

void a64_fp_each(struct a64_cpu *c, const struct a64_op *op, union a64_lanes b, a64_fp_kernel kernel)
{
	const unsigned size = a64_fp_size(op), n = a64_fp_count(op);
	const union a64_lanes a = a64_lanes(c, op->rn), d = a64_lanes(c, op->rd);
	union a64_lanes r = {.u64 = {0, 0}};
	struct a64_fp f;
	a64_fp_begin(&f, c);
	for (unsigned i = 0; i < n; i++)
		a64_fp_put_lane(&r, size, i,
				kernel(&f, size, a64_fp_lane(&a, size, i), a64_fp_lane(&b, size, i), a64_fp_lane(&d, size, i)));
	c->v[op->rd] = r.v;
	a64_fp_end(c, &f);
}

void a64_fp_each3(struct a64_cpu *c, const struct a64_op *op, a64_fp_kernel kernel)
{
	a64_fp_each(c, op, a64_lanes(c, op->rm), kernel);
}

void a64_fp_each3e(struct a64_cpu *c, const struct a64_op *op, a64_fp_kernel kernel)
{
	const unsigned size = a64_fp_size(op);
	const union a64_lanes m = a64_lanes(c, op->rm);
	union a64_lanes b;
	for (unsigned i = 0; i < 16 / size; i++)
		a64_fp_put_lane(&b, size, i, a64_fp_lane(&m, size, (unsigned)(op->imm >> 16)));
	a64_fp_each(c, op, b, kernel);
}

void a64_fp_pairs(struct a64_cpu *c, const struct a64_op *op, a64_fp_kernel kernel)
{
	const unsigned size = a64_fp_size(op), n = a64_fp_count(op);
	const union a64_lanes a = a64_lanes(c, op->rn), b = a64_lanes(c, op->rm);
	union a64_lanes r = {.u64 = {0, 0}};
	struct a64_fp f;
	a64_fp_begin(&f, c);
	for (unsigned i = 0; i < n; i++) {
		const union a64_lanes *from = 2 * i < n ? &a : &b;
		const unsigned at = 2 * i < n || n == 1 ? 2 * i : 2 * i - n;
		a64_fp_put_lane(&r, size, i, kernel(&f, size, a64_fp_lane(from, size, at), a64_fp_lane(from, size, at + 1), 0));
	}
	c->v[op->rd] = r.v;
	a64_fp_end(c, &f);
}
