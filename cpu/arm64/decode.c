/* decode.c - from an instruction word to the operation that executes it: all rows of all tables, by the eleven top
 * bits. */
#include "engine.h"
#include "pauth.h"

enum { TOP_BITS = 11, BUCKETS = 1 << TOP_BITS, SHIFT = 32 - TOP_BITS, ROOM = 24000 };

static const struct a64_rows *const tables[] = {
	&a64_rows_int,       &a64_rows_mul,      &a64_rows_branch,    &a64_rows_mem,       &a64_rows_atomic,
	&a64_rows_simd_mem,  &a64_rows_fp,       &a64_rows_fp_same,   &a64_rows_fp_misc,   &a64_rows_simd_same,
	&a64_rows_simd_perm, &a64_rows_simd_misc, &a64_rows_simd_mul, &a64_rows_simd_long, &a64_rows_simd_shift,
	&a64_rows_crypto,    &a64_rows_pauth,    &a64_rows_system,    &a64_rows_maintain};
static const struct a64_row *rows[ROOM];
static uint16_t first[BUCKETS + 1];

static void fill(void)
{
	uint16_t n = 0;
	for (uint32_t top = 0; top < BUCKETS; top++) {
		first[top] = n;
		for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
			for (size_t i = 0; i < tables[t]->count; i++) {
				const struct a64_row *r = &tables[t]->rows[i];
				if (((top << SHIFT ^ r->value) & r->mask) >> SHIFT == 0 && n < ROOM)
					rows[n++] = r;
			}
	}
	first[BUCKETS] = n;
}

/* Once in a process, whichever CPU of whichever thread is the first; others wait for it. */
void a64_decoder_init(void)
{
	enum { NOT_YET, BEING, DONE };
	static atomic_int state;
	int s = NOT_YET;
	if (atomic_compare_exchange_strong(&state, &s, BEING)) {
		a64_pauth_init();
		fill();
		atomic_store(&state, DONE);
	}
	while (atomic_load(&state) != DONE)
		;
}

const struct a64_row *a64_find_row(uint64_t features, uint32_t insn)
{
	uint32_t top = insn >> SHIFT;
	for (unsigned i = first[top]; i < first[top + 1]; i++) {
		const struct a64_row *r = rows[i];
		if ((insn & r->mask) == r->value && (r->feature == A64_ALWAYS || features >> r->feature & 1) &&
		    (!r->also || r->also(insn)))
			return r;
	}
	return NULL;
}

static void operands(struct a64_op *op, enum a64_operands kind)
{
	uint8_t f[4] = {op->insn & 31, op->insn >> 5 & 31, op->insn >> 16 & 31, op->insn >> 10 & 31};
	if (kind == A64_OPS_X && f[0] == 31)
		f[0] = A64_R_SINK;
	if (kind == A64_OPS_SP && f[0] == 31)
		f[0] = A64_R_SP;
	if ((kind == A64_OPS_SP || kind == A64_OPS_RN_SP) && f[1] == 31)
		f[1] = A64_R_SP;
	op->rd = f[0];
	op->rn = f[1];
	op->rm = f[2];
	op->ra = f[3];
}

/* What is PC-relative needs the place: prepare finds the offset in the page in op->imm. */
bool a64_decode(const struct a64_cpu *c, struct a64_op *op, uint32_t insn, unsigned offset)
{
	const struct a64_row *r = a64_find_row(c->features, insn);
	*op = (struct a64_op){.fn = a64_op_udf, .insn = insn, .imm = offset};
	if (!r)
		return false;
	op->fn = r->fn;
	operands(op, r->operands);
	if (r->prepare)
		r->prepare(op);
	else
		op->imm = 0;
	return !r->ends;
}
