/* sys_io.c - IN, OUT, INS, OUTS and who may use which port (SDM vol. 1, chapter 19). REP hands over up to a page of
 * elements at a time. */
#include "sys.h"

static bool bitmap_allows(struct x86_cpu *c, const struct x86_op *op, uint16_t port, unsigned width)
{
	const struct x86_seg *tr = &c->seg[X86_TR];
	if ((tr->attr & SEG_UNUSABLE) || !(tr->attr & 8) || tr->limit < 0x67) /* no 32- or 64-bit TSS */
		return false;
	unsigned at = (unsigned)x86_ld_sys(c, op, tr->base + 0x66, 2) + port / 8;
	if (at + 1 > tr->limit)
		return false;
	unsigned bits = (unsigned)x86_ld_sys(c, op, tr->base + at, 2) >> (port & 7);
	return !(bits & ((1u << width) - 1));
}

bool x86_io_allowed(struct x86_cpu *c, const struct x86_op *op, uint16_t port, unsigned width)
{
	if (c->mode == X86_MODE_REAL || (c->mode != X86_MODE_VM86 && c->cpl <= x86_iopl(c)))
		return true;
	return bitmap_allows(c, op, port, width);
}

static void check_port(struct x86_cpu *c, const struct x86_op *op, uint16_t port, unsigned width)
{
	if (!x86_io_allowed(c, op, port, width))
		x86_gp(c, op, 0);
	if (unlikely(c->watch_count))
		x86_watch_io(c, port, width);
}

/* aux: X86_AUX_MEM is free here; 1: the port is in imm. */
static uint16_t port_of(const struct x86_cpu *c, const struct x86_op *op)
{
	return op->aux ? (uint8_t)op->imm : (uint16_t)c->r[2];
}

const struct x86_op *x86_sys_in(struct x86_cpu *c, const struct x86_op *op)
{
	uint8_t data[8] = {0};
	uint64_t v = 0;
	uint16_t port = port_of(c, op);
	check_port(c, op, port, op->size);
	if (!x86_io_one(c, op, port, op->size, false, data))
		return NULL;
	memcpy(&v, data, op->size);
	x86_put_reg(c, 0, op->size, v);
	return x86_end(c, op);
}

const struct x86_op *x86_sys_out(struct x86_cpu *c, const struct x86_op *op)
{
	uint8_t data[8];
	uint16_t port = port_of(c, op);
	check_port(c, op, port, op->size);
	memcpy(data, &c->r[0], 8);
	if (!x86_io_one(c, op, port, op->size, true, data))
		return NULL;
	return x86_end(c, op);
}

/* ------ strings: aux is the address size in bytes ------ */

static uint64_t address_mask(const struct x86_op *op)
{
	return op->aux == 2 ? 0xffff : op->aux == 4 ? 0xffffffff : ~(uint64_t)0;
}

static void add_reg(struct x86_cpu *c, const struct x86_op *op, int n, uint64_t delta)
{
	x86_put_reg(c, (unsigned)n, op->aux, c->r[n] + delta);
}

/* How many elements go at once: those up to the end of the page, if the page is plain memory; else one, so that each
 * can fault or stop by itself. */
static uint32_t batch(struct x86_cpu *c, const struct x86_op *op, uint64_t count, uint64_t gva, bool write)
{
	uint32_t n = (uint32_t)((0x1000 - (gva & 0xfff)) / op->size);
	if (n > count)
		n = (uint32_t)count;
	if (n > 1 && n - 1 > c->insn_limit - c->insns) /* each counts as an instruction */
		n = (uint32_t)(c->insn_limit - c->insns) + 1;
	/* A replayed instruction has stopped with as many as the log says, which is the lower bound (x86_io). Where the
	 * clock counts instructions each element has its own time. */
	if (n <= 1 || c->exact || c->tf_active || (c->once && !c->io_pages && c->log_pos >= c->log_len) || (c->eflags & X86_DF_))
		return 1;
	const struct x86_tlbe *set = write ? c->tlb->w : c->tlb->r;
	return x86_tlb_hit(set, gva, n * op->size) ? n : 1;
}

static bool wraps(uint64_t offset, uint64_t bytes, uint64_t mask)
{
	return offset + bytes - 1 > mask || offset + bytes - 1 < offset;
}

struct string_io {
	uint64_t count, offset, gva;
	uint32_t n;
	uint16_t port;
};

/* Where the next elements are and how many; false: REP with a count of zero. */
static bool begin(struct x86_cpu *c, const struct x86_op *op, struct string_io *s, int seg, int index, bool input)
{
	uint64_t mask = address_mask(op);
	bool rep = op->flags & (X86_OPF_REP | X86_OPF_REPNE);
	s->count = rep ? c->r[1] & mask : 1;
	if (!s->count)
		return false;
	s->port = (uint16_t)c->r[2];
	s->offset = c->r[index] & mask;
	check_port(c, op, s->port, op->size);
	s->gva = x86_linear(c, op, seg, s->offset, op->size, input);
	if (input)
		x86_probe_write(c, op, s->gva, op->size);
	s->n = batch(c, op, s->count, s->gva, input);
	uint64_t bytes = (uint64_t)s->n * op->size;
	if (s->n > 1 && (wraps(s->offset, bytes, mask) ||
				(c->mode != X86_MODE_LONG && !x86_in_limit(&c->seg[seg], s->offset, (unsigned)bytes))))
		s->n = 1;
	return true;
}

/* Commit n elements; the instruction starts again while elements are left. */
static const struct x86_op *advance(
	struct x86_cpu *c, const struct x86_op *op, const struct string_io *s, int index, uint32_t n)
{
	uint64_t step = (uint64_t)n * op->size;
	add_reg(c, op, index, c->eflags & X86_DF_ ? -step : step);
	if (!(op->flags & (X86_OPF_REP | X86_OPF_REPNE)))
		return x86_end(c, op);
	add_reg(c, op, 1, -(uint64_t)n);
	c->rep_rip = UINT64_MAX;
	c->insns += n - 1;
	if (s->count == n)
		return x86_end(c, op);
	c->rip = c->rep_rip = x86_op_rip(c, op);
	return NULL;
}

const struct x86_op *x86_sys_outs(struct x86_cpu *c, const struct x86_op *op)
{
	uint8_t data[4096];
	struct string_io s;
	if (!begin(c, op, &s, op->seg, 6, false))
		return x86_end(c, op);
	x86_ld(c, op, s.gva, data, s.n * op->size);
	uint32_t done = x86_io(c, op, s.port, op->size, true, data, s.n);
	return advance(c, op, &s, 6, done ? done : 1);
}

const struct x86_op *x86_sys_ins(struct x86_cpu *c, const struct x86_op *op)
{
	uint8_t data[4096];
	struct string_io s;
	if (!begin(c, op, &s, X86_ES, 7, true))
		return x86_end(c, op);
	uint32_t done = x86_io(c, op, s.port, op->size, false, data, s.n);
	if (!done || done > s.n)
		done = done ? s.n : 1;
	x86_st(c, op, s.gva, data, done * op->size);
	return advance(c, op, &s, 7, done);
}
