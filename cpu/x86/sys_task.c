/* sys_task.c - task switches: by far JMP and CALL, through task gates, by events and by IRET, with 16- and 32-bit TSSs
 * (SDM vol. 3, chapter "Task Management").
 *
 * Up to the commit point faults are those of the old task and nothing has changed but memory; from then on they are the
 * new task's. Descriptors of the new task are read behind that point: an LDT in device memory that does not answer at
 * once is beyond this, its segments stay unusable. */
#include "sys.h"

/* Where a TSS keeps what (figures "32-Bit TSS" and "16-Bit TSS"); the general registers are in the order of their
 * numbers, the selectors in that of enum X86_ES. */
struct layout {
	uint8_t size; /* of a register's slot */
	uint8_t ip, flags, gpr, seg, nseg, seg_size, ldt, trap, end;
	uint8_t min_limit;
};
static const struct layout layout16 = {2, 0x0e, 0x10, 0x12, 0x22, 4, 2, 0x2a, 0, 0x2a, 0x2b};
static const struct layout layout32 = {4, 0x20, 0x24, 0x28, 0x48, 6, 4, 0x60, 0x64, 0x60, 0x67};
enum { TSS_CR3 = 0x1c, TSS_BIG = 8, TSS_BUSY = 2, DR6_BT = 1 << 15, DR7_LOCAL = 0x155, TSS_MAX = 0x68 };

struct new_task {
	uint8_t image[TSS_MAX];
	const struct layout *l;
	struct x86_desc tss;
};

static uint32_t field(const struct new_task *n, unsigned at, unsigned size)
{
	uint32_t v = 0;
	memcpy(&v, n->image + at, size);
	return v;
}

static const struct layout *layout_of(uint32_t attr)
{
	return attr & TSS_BIG ? &layout32 : &layout16;
}

/* The new task's descriptor (SDM vol. 2, JMP, CALL, INT n, IRET: type, then presence; then table "Exception Conditions
 * Checked During a Task Switch"). */
static void find_tss(struct x86_cpu *c, const struct x86_op *op, uint16_t sel, const struct x86_task *t,
		     struct new_task *n)
{
	bool back = t->kind == X86_TASK_IRET;
	int fault = back ? X86_TS : X86_GP_FAULT, error = (int)((sel & ~3u) | t->ext);
	if ((sel & 4) || !x86_desc_read(c, op, sel, &n->tss))
		x86_raise(c, op, fault, error);
	unsigned type = n->tss.attr & 0x1f, want = back ? SYS_TSS16_BUSY : SYS_TSS16;
	if ((type & ~(unsigned)TSS_BIG) != want)
		x86_raise(c, op, fault, error);
	if (!(n->tss.attr & SEG_P))
		x86_raise(c, op, X86_NP, error);
	n->l = layout_of(n->tss.attr);
	if (n->tss.limit < n->l->min_limit)
		x86_raise(c, op, X86_TS, error);
}

static void read_tss(struct x86_cpu *c, const struct x86_op *op, struct new_task *n)
{
	for (unsigned at = 0; at <= n->l->min_limit; at += 4) {
		uint32_t v = (uint32_t)x86_ld_sys(c, op, (uint32_t)(n->tss.base + at), 4);
		memcpy(n->image + at, &v, 4);
	}
}

/* Address of the byte with the busy bit of the running task's descriptor; 0: it has none. */
static uint64_t own_descriptor(const struct x86_cpu *c)
{
	unsigned at = c->seg[X86_TR].sel & ~7u;
	return at && at + 7 <= c->gdt_limit ? (uint32_t)(c->gdt_base + at + 5) : 0;
}

static bool nests(const struct x86_task *t)
{
	return t->kind == X86_TASK_CALL;
}

/* All that will be written, so that no write faults after another was made. */
static void probe(struct x86_cpu *c, const struct x86_op *op, const struct x86_task *t, const struct new_task *n)
{
	const struct x86_seg *tr = &c->seg[X86_TR];
	const struct layout *l = layout_of(tr->attr);
	if (tr->limit < l->end - 1u)
		x86_raise(c, op, X86_TS, (int)((tr->sel & ~3u) | t->ext));
	x86_probe_sys(c, op, (uint32_t)(tr->base + l->ip), l->end - l->ip);
	if (own_descriptor(c) && !nests(t))
		x86_probe_sys(c, op, own_descriptor(c), 1);
	if (t->kind != X86_TASK_IRET)
		x86_probe_sys(c, op, (uint32_t)(n->tss.addr + 5), 1);
	if (nests(t))
		x86_probe_sys(c, op, (uint32_t)n->tss.base, 2);
}

static void save(struct x86_cpu *c, const struct x86_op *op, const struct x86_task *t)
{
	const struct x86_seg *tr = &c->seg[X86_TR];
	const struct layout *l = layout_of(tr->attr);
	uint64_t flags = t->kind == X86_TASK_IRET ? t->flags & ~(uint64_t)X86_NT : t->flags;
	x86_st_sys(c, op, (uint32_t)(tr->base + l->ip), l->size, t->rip);
	x86_st_sys(c, op, (uint32_t)(tr->base + l->flags), l->size, flags);
	for (unsigned i = 0; i < 8; i++)
		x86_st_sys(c, op, (uint32_t)(tr->base + l->gpr + i * l->size), l->size, c->r[i]);
	for (unsigned i = 0; i < l->nseg; i++)
		x86_st_sys(c, op, (uint32_t)(tr->base + l->seg + i * l->seg_size), 2, c->seg[i].sel);
}

/* Busy bits and the link (table "Effect of a Task Switch on Busy Flag, NT Flag, Previous Task Link Field, and TS
 * Flag"). */
static void link_tasks(struct x86_cpu *c, const struct x86_op *op, const struct x86_task *t, struct new_task *n)
{
	uint64_t own = own_descriptor(c);
	if (own && !nests(t))
		x86_st_sys(c, op, own, 1, x86_ld_sys(c, op, own, 1) & ~(uint64_t)TSS_BUSY);
	if (nests(t))
		x86_st_sys(c, op, (uint32_t)n->tss.base, 2, c->seg[X86_TR].sel);
	n->tss.attr |= TSS_BUSY;
	if (t->kind != X86_TASK_IRET)
		x86_st_sys(c, op, (uint32_t)(n->tss.addr + 5), 1, n->tss.attr & 0xff);
}

/* ------ behind the commit point: no op, c->rip is the new task's ------ */

_Noreturn static void fail(struct x86_cpu *c, const struct x86_task *t, int vector, uint16_t sel)
{
	x86_raise(c, NULL, vector, (int)((sel & ~3u) | t->ext));
}

static uint16_t selector(const struct new_task *n, unsigned seg)
{
	return seg < n->l->nseg ? (uint16_t)field(n, n->l->seg + seg * n->l->seg_size, 2) : 0;
}

static void commit(struct x86_cpu *c, const struct x86_task *t, const struct new_task *n)
{
	const struct layout *l = n->l;
	uint32_t flags = field(n, l->flags, l->size) | (nests(t) ? (uint32_t)X86_NT : 0);
	if (l == &layout16)
		flags = (flags & 0xffff) | 2;
	c->block = NULL;
	c->trap = true; /* what is raised from here on is the new task's; the instruction has been counted */
	c->shadow = 0;
	c->step_armed = false;
	c->cr0 |= CR0_TS;
	c->dr[7] &= ~(uint64_t)DR7_LOCAL;
	x86_seg_set(c, X86_TR, n->tss.sel, &n->tss);
	for (unsigned i = 0; i < 8; i++)
		c->r[i] = field(n, l->gpr + i * l->size, l->size);
	c->rip = field(n, l->ip, l->size);
	unsigned cpl = flags & X86_VM ? 3 : selector(n, X86_CS) & 3;
	for (unsigned i = X86_ES; i <= X86_GS; i++)
		x86_seg_null(c, (int)i, selector(n, i), i == X86_SS ? cpl : 0);
	x86_seg_null(c, X86_LDTR, (uint16_t)field(n, l->ldt, 2), 0);
	x86_load_flags(c, flags, 0x3f7fd5);
	x86_update_mode(c);
	x86_update_debug(c);
}

static void load_ldt(struct x86_cpu *c, const struct x86_task *t)
{
	struct x86_desc d;
	uint16_t sel = c->seg[X86_LDTR].sel;
	if (!(sel & ~3))
		return;
	if ((sel & 4) || !x86_desc_read(c, NULL, sel, &d) || (d.attr & 0x1f) != SYS_LDT || !(d.attr & SEG_P))
		fail(c, t, X86_TS, sel);
	x86_seg_set(c, X86_LDTR, sel, &d);
}

/* CS and SS, whose checks are interleaved in the manual's table. */
static void load_code_and_stack(struct x86_cpu *c, const struct x86_task *t)
{
	struct x86_desc cs, ss;
	uint16_t code = c->seg[X86_CS].sel, stack = c->seg[X86_SS].sel;
	unsigned rpl = code & 3;
	bool good = x86_desc_read(c, NULL, code, &cs) && desc_is_code(&cs);
	if (good && (desc_is_conforming(&cs) ? desc_dpl(&cs) > rpl : desc_dpl(&cs) != rpl))
		fail(c, t, X86_TS, code);
	if (!x86_desc_read(c, NULL, stack, &ss) || !desc_is_writable_data(&ss))
		fail(c, t, X86_TS, stack);
	if (!(ss.attr & SEG_P))
		fail(c, t, X86_SS_FAULT, stack);
	if (desc_dpl(&ss) != rpl)
		fail(c, t, X86_TS, stack);
	if (!good)
		fail(c, t, X86_TS, code);
	if (!(cs.attr & SEG_P))
		fail(c, t, X86_NP, code);
	if ((stack & 3u) != rpl)
		fail(c, t, X86_TS, stack);
	x86_desc_access(c, NULL, &cs);
	x86_desc_access(c, NULL, &ss);
	x86_seg_set(c, X86_CS, code, &cs);
	x86_seg_set(c, X86_SS, stack, &ss);
	x86_update_mode(c);
}

static void load_data(struct x86_cpu *c, const struct x86_task *t, int seg)
{
	struct x86_desc d;
	uint16_t sel = c->seg[seg].sel;
	if (!(sel & ~3))
		return;
	if (!x86_desc_read(c, NULL, sel, &d) || !(d.attr & SEG_S) || (desc_is_code(&d) && !(d.attr & SEG_W)))
		fail(c, t, X86_TS, sel);
	if (!(d.attr & SEG_P))
		fail(c, t, X86_NP, sel);
	if (!desc_is_conforming(&d) && (desc_dpl(&d) < c->cpl || desc_dpl(&d) < (sel & 3u)))
		fail(c, t, X86_TS, sel);
	x86_desc_access(c, NULL, &d);
	x86_seg_set(c, seg, sel, &d);
}

static void load_segments(struct x86_cpu *c, const struct x86_task *t)
{
	static const uint8_t data[] = {X86_DS, X86_ES, X86_FS, X86_GS};
	load_ldt(c, t);
	if (c->eflags & X86_VM) {
		for (int i = X86_ES; i <= X86_GS; i++)
			x86_seg_real(c, i, c->seg[i].sel);
	} else {
		load_code_and_stack(c, t);
		for (unsigned i = 0; i < sizeof data; i++)
			load_data(c, t, data[i]);
	}
	x86_update_mode(c);
}

bool x86_task_switch(struct x86_cpu *c, const struct x86_op *op, uint16_t sel, const struct x86_task *t)
{
	struct new_task n;
	if (unlikely(c->env->task_exits)) {
		c->stop.kind = X86_STOP_TASK;
		c->stop.addr = sel;
		x86_stop_before(c, op);
	}
	memset(n.image, 0, sizeof n.image);
	find_tss(c, op, sel, t, &n);
	probe(c, op, t, &n);
	read_tss(c, op, &n);
	save(c, op, t);
	if (n.tss.sel == c->seg[X86_TR].sel) /* IRET to the task itself: to what was saved just now */
		read_tss(c, op, &n);
	link_tasks(c, op, t, &n);
	commit(c, t, &n);
	if (n.l == &layout32 && (c->cr0 & CR0_PG))
		x86_set_cr(c, NULL, 3, field(&n, TSS_CR3, 4));
	load_segments(c, t);
	c->trap = false;
	return n.l->trap && n.image[n.l->trap] & 1;
}

void x86_task_trap(struct x86_cpu *c)
{
	x86_debug_trap(c, DR6_BT);
	c->trap = true;
	x86_raise(c, NULL, X86_DB, -1);
}
