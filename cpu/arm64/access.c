/* access.c - accesses that leave the CPU: MMIO and system registers of others through the environment, deferral, and
 * the replay log that arm64.h explains. */
#include "sys.h"

void a64_log_reset(struct a64_cpu *c)
{
	c->log_len = c->log_pos = 0;
	c->mmu->log_op = NULL;
}

/* The count of instructions differs between two executions of the same block, so the pair names one execution. */
static void log_begin(struct a64_cpu *c, const struct a64_op *op)
{
	if (c->replay || (c->mmu->log_op == op && c->mmu->log_insns == c->insns))
		return;
	a64_log_reset(c);
	c->mmu->log_op = op;
	c->mmu->log_insns = c->insns;
}

static struct a64_log_entry *log_next(struct a64_cpu *c, uint8_t kind, uint64_t addr, bool write)
{
	if (c->log_pos >= c->log_len)
		return NULL;
	struct a64_log_entry *e = &c->log[c->log_pos];
	if (e->kind != kind || e->addr != addr || e->write != write) {
		c->log_len = c->log_pos; /* memory or registers were changed meanwhile: the rest is another's */
		return NULL;
	}
	c->log_pos++;
	return e;
}

static struct a64_log_entry *log_add(struct a64_cpu *c, uint8_t kind, uint64_t addr, bool write)
{
	if (c->log_len == sizeof c->log / sizeof *c->log)
		return NULL;
	struct a64_log_entry *e = &c->log[c->log_len++];
	*e = (struct a64_log_entry){.kind = kind, .addr = addr, .write = write};
	return e;
}

static void log_done(struct a64_cpu *c, uint8_t kind, uint64_t addr, bool write, unsigned len, uint64_t value)
{
	struct a64_log_entry *e = log_add(c, kind, addr, write);
	if (!e)
		return;
	c->log_pos = c->log_len;
	e->len = (uint8_t)len;
	e->value = value;
}

_Noreturn void a64_defer(struct a64_cpu *c, const struct a64_op *op)
{
	if (op)
		c->pc = a64_op_pc(c, op);
	c->stop.needs_answer = true;
	c->stop.pc = c->pc;
	longjmp(c->jb, A64_JMP_DEFER);
}

static _Noreturn void defer_access(struct a64_cpu *c, const struct a64_op *op, uint64_t gpa, unsigned len, bool write,
				   const uint8_t *data)
{
	struct a64_stop *s = &c->stop;
	s->kind = A64_STOP_MMIO;
	s->addr = gpa;
	s->len = len;
	s->write = write;
	s->fault = false;
	memset(s->data, 0, sizeof s->data);
	if (write)
		memcpy(s->data, data, len);
	a64_defer(c, op);
}

void a64_mmio(struct a64_cpu *c, const struct a64_op *op, uint64_t gpa, unsigned len, bool write, uint8_t *data)
{
	uint64_t v = 0;
	log_begin(c, op);
	const struct a64_log_entry *e = log_next(c, 'M', gpa, write);
	if (e) {
		if (!write)
			memcpy(data, &e->value, len);
		return;
	}
	if (c->env->mmio(c->env_opaque, gpa, len, write, data) == A64_DEFER)
		defer_access(c, op, gpa, len, write, data);
	memcpy(&v, data, len);
	log_done(c, 'M', gpa, write, len, v);
}

/* `len` of the entry is 1 where the register turned out to be undefined. */
bool a64_foreign_sysreg(struct a64_cpu *c, const struct a64_op *op, uint32_t reg, bool write, uint64_t *value)
{
	struct a64_stop *s = &c->stop;
	log_begin(c, op);
	const struct a64_log_entry *e = log_next(c, 'S', reg, write);
	if (e) {
		if (!write)
			*value = e->value;
		return !e->len;
	}
	int what = c->env->sysreg ? c->env->sysreg(c->env_opaque, reg, write, value) : A64_UNDEF;
	if (what == A64_DEFER) {
		s->kind = A64_STOP_SYSREG;
		s->addr = reg;
		s->write = write;
		s->value = write ? *value : 0;
		s->fault = false;
		a64_defer(c, op);
	}
	log_done(c, 'S', reg, write, what == A64_UNDEF, *value);
	return what != A64_UNDEF;
}

void a64_answer(struct a64_cpu *c)
{
	struct a64_stop *s = &c->stop;
	struct a64_log_entry *e;
	if (!s->needs_answer || (s->kind != A64_STOP_MMIO && s->kind != A64_STOP_SYSREG))
		return;
	s->needs_answer = false;
	e = log_add(c, s->kind == A64_STOP_MMIO ? 'M' : 'S', s->addr, s->write);
	if (!e)
		return;
	if (s->kind == A64_STOP_SYSREG) {
		e->value = s->value;
		e->len = s->fault;
	} else {
		memcpy(&e->value, s->data, sizeof e->value);
		e->len = (uint8_t)s->len;
	}
}
