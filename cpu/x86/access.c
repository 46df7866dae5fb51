/* access.c - accesses that leave the CPU: MMIO and I/O through the environment, deferral, and the replay log that x86.h
 * explains. */
#include "engine.h"
#include "fpenv.h"

void x86_log_reset(struct x86_cpu *c)
{
	c->log_len = c->log_pos = 0;
	c->log_op = NULL;
}

/* The count of instructions differs between two executions of the same operation, so the pair names one execution. */
static void log_begin(struct x86_cpu *c, const struct x86_op *op)
{
	if (c->replay || (c->log_op == op && c->log_insns == c->insns))
		return;
	x86_log_reset(c);
	c->log_op = op;
	c->log_insns = c->insns;
}

static struct x86_log_entry *log_next(struct x86_cpu *c, uint8_t kind, uint64_t addr, bool write)
{
	if (c->log_pos >= c->log_len)
		return NULL;
	struct x86_log_entry *e = &c->log[c->log_pos];
	if (e->kind != kind || e->addr != addr || e->write != write) {
		c->log_len =
		    c->log_pos; /* memory or registers were changed meanwhile: the rest is another instruction's */
		return NULL;
	}
	c->log_pos++;
	return e;
}

static struct x86_log_entry *log_add(struct x86_cpu *c, uint8_t kind, uint64_t addr, bool write)
{
	if (c->log_len == X86_LOG)
		return NULL;
	struct x86_log_entry *e = &c->log[c->log_len++];
	memset(e, 0, sizeof *e);
	e->kind = kind;
	e->addr = addr;
	e->write = write;
	return e;
}

const struct x86_log_entry *x86_replay(struct x86_cpu *c, char kind, uint64_t addr, bool write)
{
	return c->replay ? log_next(c, (uint8_t)kind, addr, write) : NULL;
}

static void note_stop(struct x86_cpu *c, const struct x86_op *op, bool needs_answer)
{
	if (op)
		c->rip = x86_op_rip(c, op);
	c->stop.insn_len = op ? op->len : 0;
	if (needs_answer && c->log_len == X86_LOG) { /* no place for the answer: it would be asked for again, for ever */
		c->stop.kind = X86_STOP_INTERNAL;
		needs_answer = false;
	}
	c->stop.needs_answer = needs_answer;
	c->stop.pc = c->rip;
}

static _Noreturn void stop_before(struct x86_cpu *c, const struct x86_op *op, bool needs_answer)
{
	note_stop(c, op, needs_answer);
	x86_leap(c, X86_JMP_DEFER);
}

_Noreturn void x86_defer(struct x86_cpu *c, const struct x86_op *op)
{
	stop_before(c, op, true);
}

_Noreturn void x86_stop_before(struct x86_cpu *c, const struct x86_op *op)
{
	stop_before(c, op, false);
}

static void note_data(struct x86_cpu *c, const struct x86_op *op, enum x86_stop_kind kind, uint64_t addr, unsigned len,
		      uint32_t count, bool write, const uint8_t *data)
{
	struct x86_stop *s = &c->stop;
	s->kind = kind;
	s->addr = addr;
	s->len = len;
	s->count = count;
	s->write = write;
	s->fault = false;
	if (write)
		memcpy(s->data, data, (size_t)len * count);
	else
		memset(s->data, 0, (size_t)len * count);
	note_stop(c, op, true);
}

/* Accesses that it has made already (INS to a device) are replayed. */
_Noreturn void x86_redo_single(struct x86_cpu *c, const struct x86_op *op)
{
	if (c->log_op != op || c->log_insns != c->insns)
		x86_log_reset(c);
	c->rip = x86_op_rip(c, op);
	x86_leap(c, X86_JMP_SINGLE);
}

void x86_mmio(struct x86_cpu *c, const struct x86_op *op, uint64_t gpa, unsigned len, bool write, uint8_t *data)
{
	x86_exact(c, op);
	log_begin(c, op);
	struct x86_log_entry *e = log_next(c, 'M', gpa, write);
	if (e) {
		if (!write)
			memcpy(data, e->value, len);
		return;
	}
	x86_fp_leave(c);
	if (c->env->mmio(c->env_opaque, gpa, len, write, data) == X86_DEFER) {
		note_data(c, op, X86_STOP_MMIO, gpa, len, 1, write, data);
		x86_leap(c, X86_JMP_DEFER);
	}
	e = log_add(c, 'M', gpa, write);
	if (e) {
		c->log_pos = c->log_len;
		e->len = (uint8_t)len;
		if (!write)
			memcpy(e->value, data, len);
	}
}

/* A REP's answer is longer than an entry; it is still in c->stop, the only one of its instruction. */
static void io_answer(const struct x86_cpu *c, const struct x86_log_entry *e, uint8_t *data, uint32_t width,
		      uint32_t count)
{
	if (e->count > count)
		return;
	if ((size_t)width * e->count <= sizeof e->value)
		memcpy(data, e->value, (size_t)width * e->count);
	else
		memcpy(data, c->stop.data, (size_t)width * e->count);
}

/* aux of INS and OUTS is the address size, of IN and OUT 0 or 1. */
static void note_io(struct x86_cpu *c, const struct x86_op *op, uint16_t port, unsigned width, uint32_t count, bool write,
		    const uint8_t *data)
{
	c->stop.string = op && op->aux > 1;
	c->stop.rep = op && op->flags & (X86_OPF_REP | X86_OPF_REPNE);
	note_data(c, op, X86_STOP_IO, port, width, count, write, data);
}

/* False: it waits for an answer. */
static bool io(struct x86_cpu *c, const struct x86_op *op, uint16_t port, unsigned width, bool write, uint8_t *data,
	       uint32_t *count)
{
	log_begin(c, op);
	struct x86_log_entry *e = log_next(c, 'I', port, write);
	if (e) {
		if (!write)
			io_answer(c, e, data, width, *count);
		*count = e->count > *count ? *count : e->count;
		return true;
	}
	uint32_t done = *count;
	x86_fp_leave(c);
	if (c->env->io(c->env_opaque, port, width, write, data, &done) == X86_DEFER) {
		note_io(c, op, port, width, done < *count ? done : *count, write, data);
		return false;
	}
	if (done < *count)
		*count = done;
	e = *count * width <= sizeof e->value ? log_add(c, 'I', port, write) : NULL;
	if (e) {
		c->log_pos = c->log_len;
		e->count = *count;
		memcpy(e->value, data, (size_t)*count * width);
	}
	return true;
}

uint32_t x86_io(struct x86_cpu *c, const struct x86_op *op, uint16_t port, unsigned width, bool write, uint8_t *data,
		uint32_t count)
{
	if (count > sizeof c->stop.data / width)
		count = sizeof c->stop.data / width;
	if (!io(c, op, port, width, write, data, &count))
		x86_leap(c, X86_JMP_DEFER);
	return count;
}

bool x86_io_one(struct x86_cpu *c, const struct x86_op *op, uint16_t port, unsigned width, bool write, uint8_t *data)
{
	uint32_t one = 1;
	c->deferred = !io(c, op, port, width, write, data, &one);
	return !c->deferred;
}

static void answer_cpuid(const struct x86_stop *s, struct x86_log_entry *e)
{
	for (int i = 0; i < 4; i++)
		e->value[i] = s->cpuid[i];
}

void x86_answer(struct x86_cpu *c)
{
	static const char kinds[] = {[X86_STOP_IO] = 'I',
				     [X86_STOP_MMIO] = 'M',
				     [X86_STOP_MSR] = 'R',
				     [X86_STOP_CPUID] = 'C',
				     [X86_STOP_HYPERCALL] = 'H'};
	struct x86_stop *s = &c->stop;
	if (!s->needs_answer || (unsigned)s->kind >= sizeof kinds || !kinds[s->kind])
		return;
	s->needs_answer = false;
	struct x86_log_entry *e =
	    log_add(c, (uint8_t)kinds[s->kind], s->kind == X86_STOP_CPUID ? s->leaf : s->addr, s->write);
	if (!e)
		return;
	e->len = (uint8_t)s->len;
	e->count = s->count;
	if (s->kind == X86_STOP_CPUID) {
		answer_cpuid(s, e);
	} else if (s->kind == X86_STOP_MSR || s->kind == X86_STOP_HYPERCALL) {
		e->value[0] = s->value;
		e->value[1] = s->fault;
	} else {
		size_t n = (size_t)s->len * s->count;
		memcpy(e->value, s->data, n < sizeof e->value ? n : sizeof e->value);
	}
}
