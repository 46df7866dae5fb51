/* test_cpu_sys_task.c - task switches of 16 and 32 bits by JMP, CALL, INT, exceptions and IRET: what is saved, loaded and
 * marked, and each fault of the manual's table (SDM vol. 3, "Exception Conditions Checked During a Task Switch"). */
#include "test_cpu_sys_rig.h"

enum { NEXT = FREE, GATE = 0x50, SPARE = 0x58, TSS2 = 0x4000, ENTRY = 0x60000, STACK2 = 0x48000, NT = 0x4000 };
enum { T_LINK = 0, T_CR3 = 0x1c, T_IP = 0x20, T_FLAGS = 0x24, T_GPR = 0x28, T_SEG = 0x48, T_LDT = 0x60, T_TRAP = 0x64 };
enum { S_ES, S_CS, S_SS, S_DS, S_FS, S_GS };

static void task32(struct rig *r, unsigned base, unsigned cpl)
{
	memset(r->mem + base, 0, 0x80);
	poke(r, base + T_IP, 4, ENTRY);
	poke(r, base + T_FLAGS, 4, 2);
	poke(r, base + T_CR3, 4, 0x123000);
	for (unsigned i = 0; i < 8; i++)
		poke(r, base + T_GPR + i * 4, 4, 0x1000 + i);
	poke(r, base + T_GPR + 16, 4, STACK2);
	for (unsigned i = 0; i < 6; i++)
		poke(r, base + T_SEG + i * 4, 4, i == S_CS ? (cpl ? U32 : K32) : cpl ? UDATA : KDATA);
	poke(r, base + 4, 4, KSTACK - 0x400);
	poke(r, base + 8, 2, KDATA);
	poke(r, base + 0x66, 2, 0x68);
}

/* A 32-bit guest with a second task; what it runs is put at CODE by the caller. */
static void two_tasks(struct rig *r, unsigned cpl)
{
	rig_prot(r, cpl);
	task32(r, TSS2, 0);
	poke(r, GDT + NEXT, 8, descriptor(TSS2, 0x67, 0xe9));
	poke(r, GDT + GATE, 8, (uint64_t)NEXT << 16 | UINT64_C(0xe5) << 40);
	poke(r, GDT + TR, 8, descriptor(TSS, 0x67, 0x8b));
	CODE_AT(r, ENTRY, 0xf4);
}
static void jump_to(struct rig *r, uint8_t opcode, unsigned sel)
{
	uint8_t code[] = {opcode, 0, 0, 0, 0, (uint8_t)sel, (uint8_t)(sel >> 8), 0xf4};
	memcpy(r->mem + CODE, code, sizeof code);
	x86_code_written(r->c, CODE, sizeof code);
}
static unsigned busy(struct rig *r, unsigned sel)
{
	return r->mem[GDT + sel + 5] >> 1 & 1;
}

static void jmp_switches(void **state)
{
	struct rig *r = *state;
	struct x86_cpu *c = r->c;
	two_tasks(r, 0);
	jump_to(r, 0xea, NEXT);
	for (unsigned i = 0; i < 8; i++)
		c->r[i] = i == 4 ? c->r[4] : 0xabc0 + i;
	x86_set_rflags(c, 0x46 | NT);
	c->dr[7] = 0x4ff | 0x300;
	run_to_hlt(r, ENTRY + 1);
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(c->r[i], i == 4 ? STACK2 : 0x1000 + i);
		assert_int_equal(peek(r, TSS + T_GPR + i * 4, 4), i == 4 ? KSTACK - 0x800 : 0xabc0 + i);
	}
	assert_int_equal(peek(r, TSS + T_IP, 4), CODE + 7);
	assert_int_equal(peek(r, TSS + T_FLAGS, 4), 0x46 | NT);
	assert_int_equal(peek(r, TSS + T_SEG + S_CS * 4, 4), K32);
	assert_int_equal(peek(r, TSS + T_SEG + S_GS * 4, 4), KDATA);
	assert_int_equal(peek(r, TSS2 + T_LINK, 4), 0);
	assert_int_equal(busy(r, TR), 0);
	assert_int_equal(busy(r, NEXT), 1);
	assert_int_equal(c->seg[X86_TR].sel, NEXT);
	assert_int_equal(c->seg[X86_TR].attr, 0xeb);
	assert_int_equal(c->eflags & NT, 0);
	assert_int_equal(c->cr0 & 8, 8);
	assert_int_equal(c->dr[7], 0x4aa | 0x200); /* the local ones are gone */
	assert_int_equal(c->cr3, 0);               /* no paging: CR3 stays */
}
static void call_and_iret_nest(void **state)
{
	struct rig *r = *state;
	struct x86_cpu *c = r->c;
	two_tasks(r, 0);
	jump_to(r, 0x9a, GATE);
	CODE_AT(r, ENTRY, 0xb8, 0x77, 0, 0, 0, 0xcf); /* MOV EAX,0x77; IRETD */
	c->r[0] = 5;
	c->nmi_masked = true;
	run_to_hlt(r, CODE + 8);
	assert_int_equal(c->r[0], 5);
	assert_int_equal(c->seg[X86_TR].sel, TR);
	assert_int_equal(peek(r, TSS2 + T_LINK, 2), TR);
	assert_int_equal(peek(r, TSS2 + T_GPR, 4), 0x77);
	assert_int_equal(peek(r, TSS2 + T_IP, 4), ENTRY + 6);
	assert_int_equal(peek(r, TSS2 + T_FLAGS, 4), 2); /* NT is not saved by IRET */
	assert_int_equal(busy(r, TR), 1);
	assert_int_equal(busy(r, NEXT), 0);
	assert_false(c->nmi_masked);
}
static void call_sets_nt_and_keeps_both_busy(void **state)
{
	struct rig *r = *state;
	two_tasks(r, 3);
	jump_to(r, 0x9a, NEXT | 3);
	run_to_hlt(r, ENTRY + 1);
	assert_int_equal(r->c->eflags & NT, NT);
	assert_int_equal(busy(r, TR), 1);
	assert_int_equal(busy(r, NEXT), 1);
	assert_int_equal(r->c->cpl, 0);
	assert_int_equal(peek(r, TSS + T_SEG + S_SS * 4, 4), UDATA);
}
static void sixteen_bit_tasks(void **state)
{
	struct rig *r = *state;
	struct x86_cpu *c = r->c;
	static const uint16_t image[] = {0, 0, 0, 0, 0, 0, 0, 0x100, 0x43, 1, 2, 3, 4, 0x2000, 6, 7, 8, KDATA, 0x78,
					 KDATA, KDATA, 0};
	two_tasks(r, 0);
	poke(r, GDT + NEXT, 8, descriptor(TSS2, 0x2b, 0x81));
	poke(r, GDT + 0x78, 8, descriptor(ENTRY, 0xffff, 0x9b));
	c->gdt_limit = 0x7f;
	memcpy(r->mem + TSS2, image, sizeof image);
	jump_to(r, 0x9a, NEXT);
	CODE_AT(r, ENTRY + 0x100, 0x90, 0xcf);
	c->r[0] = 0x12345678;
	c->insn_limit = 2;
	assert_int_equal(x86_run(c), X86_STOP_BUDGET);
	assert_int_equal(c->rip, 0x101);
	assert_int_equal(c->r[0], 1);
	assert_int_equal(c->r[7], 8);
	assert_int_equal(c->seg[X86_FS].sel, 0);
	assert_int_equal(x86_get_rflags(c), 0x43 | NT);
	c->insn_limit = 1000;
	run_to_hlt(r, CODE + 8);
	assert_int_equal(c->r[0], 0x12345678);
	assert_int_equal(peek(r, TSS2 + 0x0e, 2), 0x102);
	assert_int_equal(peek(r, TSS2 + 0x10, 2), 0x43);
	assert_int_equal(peek(r, TSS2 + 0x2a, 2), 0); /* the LDT is not saved */
}
static void paging_loads_cr3(void **state)
{
	struct rig *r = *state;
	struct x86_cpu *c = r->c;
	two_tasks(r, 0);
	/* 32-bit paging, one 4 MiB page; the other task's directory maps the same */
	poke(r, 0x90000, 4, 0x83);
	poke(r, 0x91000, 4, 0x83);
	poke(r, TSS2 + T_CR3, 4, 0x91000);
	c->cr3 = 0x90000;
	c->cr4 = 0x10;
	c->cr0 |= 0x80000000;
	x86_state_changed(c, true);
	jump_to(r, 0xea, NEXT);
	run_to_hlt(r, ENTRY + 1);
	assert_int_equal(c->cr3, 0x91000);
	assert_int_equal(peek(r, 0x91000, 4), 0xa3);
}
static void trap_bit_traps_before_the_first_instruction(void **state)
{
	struct rig *r = *state;
	two_tasks(r, 0);
	r->mem[TSS2 + T_TRAP] = 1;
	jump_to(r, 0xea, NEXT);
	assert_int_equal(run_to_handler(r), 1);
	assert_int_equal(frame(r, 0, 4), ENTRY);
	assert_int_equal(frame(r, 2, 4), 2);
	assert_int_equal(r->c->dr[6], 0xffff8ff0);
	assert_int_equal(r->c->seg[X86_TR].sel, NEXT);
}
static void ldt_of_the_task(void **state)
{
	struct rig *r = *state;
	two_tasks(r, 0);
	poke(r, GDT + SPARE, 8, descriptor(LDT, 0x17, 0x82));
	poke(r, LDT + 8, 8, descriptor(0x1230, 0xfff, 0x4092));
	poke(r, TSS2 + T_LDT, 2, SPARE);
	poke(r, TSS2 + T_SEG + S_FS * 4, 2, 0xc);
	jump_to(r, 0xea, NEXT);
	run_to_hlt(r, ENTRY + 1);
	assert_int_equal(r->c->seg[X86_LDTR].base, LDT);
	assert_int_equal(r->c->seg[X86_FS].base, 0x1230);
	assert_int_equal(r->mem[LDT + 8 + 5], 0x93); /* accessed */
}
static void into_a_virtual_8086_task(void **state)
{
	struct rig *r = *state;
	struct x86_cpu *c = r->c;
	two_tasks(r, 0);
	for (unsigned i = 0; i < 6; i++)
		poke(r, TSS2 + T_SEG + i * 4, 2, 0x6000 + i);
	poke(r, TSS2 + T_FLAGS, 4, 0x20002);
	poke(r, TSS2 + T_IP, 4, 0x30);
	jump_to(r, 0xea, NEXT);
	CODE_AT(r, 0x60010 + 0x30, 0x8c, 0xd8, 0xf4); /* MOV AX,DS; HLT: #GP */
	assert_int_equal(run_to_handler(r), 13);
	assert_int_equal((uint16_t)c->r[0], 0x6000 + S_DS);
	assert_int_equal(frame(r, 1, 4), 0x32);
	assert_int_equal(frame(r, 2, 4), 0x6001);
	assert_int_equal(c->r[4], KSTACK - 0x400 - 40);
}

/* ------ events ------ */

static void exception_through_a_task_gate(void **state)
{
	struct rig *r = *state;
	struct x86_cpu *c = r->c;
	two_tasks(r, 3);
	gate32(r, 13, NEXT, 0, 0x85);
	GUEST(r, 0x90, 0xfa); /* CLI */
	run_to_hlt(r, ENTRY + 1);
	assert_int_equal(c->r[4], STACK2 - 4);
	assert_int_equal(frame(r, 0, 4), 0);
	assert_int_equal(peek(r, TSS + T_IP, 4), CODE + 1);
	assert_int_equal(peek(r, TSS + T_FLAGS, 4), 0x10002); /* RF: a fault */
	assert_int_equal(peek(r, TSS2 + T_LINK, 2), TR);
	assert_int_equal(c->eflags & NT, NT);
}
static void sixteen_bit_task_gets_a_word(void **state)
{
	struct rig *r = *state;
	struct x86_cpu *c = r->c;
	two_tasks(r, 0);
	gate32(r, 13, NEXT, 0, 0x85);
	poke(r, GDT + NEXT, 8, descriptor(TSS2, 0x2b, 0x81));
	memset(r->mem + TSS2, 0, 0x30);
	poke(r, TSS2 + 0x0e, 2, 0x100);
	poke(r, TSS2 + 0x1a, 2, 0x2000);
	poke(r, TSS2 + 0x24, 2, 0x78);
	poke(r, TSS2 + 0x26, 2, KDATA);
	poke(r, GDT + 0x78, 8, descriptor(ENTRY, 0xffff, 0x9b));
	GUEST(r, 0x66, 0xb8, 0x61, 0x00, 0x8e, 0xd8); /* DS = 0x61 */
	CODE_AT(r, ENTRY + 0x100, 0xf4);
	run_to_hlt(r, 0x101);
	assert_int_equal(c->r[4], 0x2000 - 2);
	assert_int_equal(peek(r, 0x1ffe, 2), 0x60);
}
static void int_n_through_a_task_gate(void **state)
{
	struct rig *r = *state;
	two_tasks(r, 3);
	gate32(r, 0x80, NEXT, 0, 0xe5);
	GUEST(r, 0xcd, 0x80, 0xfa);
	CODE_AT(r, ENTRY, 0xcf);
	gate32(r, 13, K32, (uint32_t)handler(13), 0x8e);
	assert_int_equal(run_to_handler(r), 13); /* back behind INT, where CLI faults */
	assert_int_equal(frame(r, 1, 4), CODE + 2);
	assert_int_equal(peek(r, TSS + T_IP, 4), CODE + 2);
	assert_int_equal(peek(r, TSS + T_FLAGS, 4), 2);
	gate32(r, 0x80, NEXT, 0, 0x85); /* DPL 0 */
	r->c->rip = CODE;
	two_tasks(r, 3);
	gate32(r, 0x80, NEXT, 0, 0x85);
	assert_int_equal(run_to_handler(r), 13);
	assert_int_equal(frame(r, 0, 4), 0x80 * 8 + 2);
}
static void nmi_task(void **state)
{
	struct rig *r = *state;
	two_tasks(r, 0);
	gate32(r, 2, NEXT, 0, 0x85);
	r->c->nmi_pending = true;
	GUEST(r, 0x90, 0xf4);
	CODE_AT(r, ENTRY, 0x90, 0xcf);
	r->c->insn_limit = 1;
	assert_int_equal(x86_run(r->c), X86_STOP_BUDGET);
	assert_true(r->c->nmi_masked);
	r->c->insn_limit = 100;
	run_to_hlt(r, CODE + 2);
	assert_false(r->c->nmi_masked);
}
static void double_fault_task(void **state)
{
	struct rig *r = *state;
	struct x86_cpu *c = r->c;
	two_tasks(r, 0);
	gate32(r, 8, NEXT, 0, 0x85);
	c->seg[X86_SS].limit = 0xfff; /* PUSH faults, and so does pushing the frame of #SS */
	x86_state_changed(c, true);
	GUEST(r, 0x90, 0x50);
	run_to_hlt(r, ENTRY + 1);
	assert_int_equal(c->r[4], STACK2 - 4);
	assert_int_equal(frame(r, 0, 4), 0);
	assert_int_equal(peek(r, TSS + T_IP, 4), CODE + 1);
	assert_int_equal(peek(r, TSS + T_GPR + 16, 4), KSTACK - 0x800);
}
static void triple_when_the_double_fault_task_is_busy(void **state)
{
	struct rig *r = *state;
	two_tasks(r, 0);
	gate32(r, 8, TR, 0, 0x85);
	r->c->seg[X86_SS].limit = 0xfff;
	x86_state_changed(r->c, true);
	GUEST(r, 0x50);
	assert_int_equal(x86_run(r->c), X86_STOP_TRIPLE);
}

/* ------ faults ------ */

/* Before the commit point: in the old task, on the instruction. */
static void old_task_fault(struct rig *r, int vector, unsigned error)
{
	assert_int_equal(run_to_handler(r), vector);
	assert_int_equal(frame(r, 0, 4), error);
	assert_int_equal(frame(r, 1, 4), CODE);
	assert_int_equal(r->c->seg[X86_TR].sel, TR);
	assert_int_equal(busy(r, TR), 1);
	assert_int_equal(peek(r, TSS + T_IP, 4), 0);
}
static void descriptor_faults(void **state)
{
	static const struct {
		uint8_t opcode;
		uint16_t sel;
		uint64_t desc;
		uint8_t cpl;
		int vector;
	} rows[] = {
		{0xea, NEXT, 0x8b, 0, 13},         /* busy */
		{0x9a, GATE, 0x8b, 0, 13},         /* busy, behind a gate */
		{0xea, NEXT, 0x09, 0, 11},         /* not present */
		{0x9a, GATE, 0x09, 0, 11},
		{0xea, NEXT, 0x0b, 0, 13},         /* type before presence */
		{0xea, NEXT | 3, 0x89, 3, 13},     /* DPL */
		{0xea, NEXT | 3, 0x89, 0, 13},     /* RPL */
		{0xea, GATE, 0x82, 0, 13},         /* the gate leads to an LDT */
		{0xea, GATE, 0x93, 0, 13},         /* ... to data */
	};
	struct rig *r = *state;
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		memset(r->mem + TSS, 0, 0x80);
		two_tasks(r, rows[i].cpl);
		poke(r, GDT + NEXT, 8, descriptor(TSS2, 0x67, (uint32_t)rows[i].desc));
		jump_to(r, rows[i].opcode, rows[i].sel);
		old_task_fault(r, rows[i].vector, NEXT);
	}
}
static void limit_is_ts(void **state)
{
	struct rig *r = *state;
	two_tasks(r, 0);
	poke(r, GDT + NEXT, 8, descriptor(TSS2, 0x66, 0x89));
	jump_to(r, 0xea, NEXT);
	old_task_fault(r, 10, NEXT);
	two_tasks(r, 0);
	memset(r->mem + TSS, 0, 4);
	poke(r, GDT + NEXT, 8, descriptor(TSS2, 0x2a, 0x81));
	old_task_fault(r, 10, NEXT);
}
static void gates_that_fault(void **state)
{
	struct rig *r = *state;
	two_tasks(r, 0);
	poke(r, GDT + GATE, 8, (uint64_t)NEXT << 16 | UINT64_C(0x05) << 40);
	jump_to(r, 0xea, GATE);
	old_task_fault(r, 11, GATE);
	two_tasks(r, 3);
	poke(r, GDT + GATE, 8, (uint64_t)NEXT << 16 | UINT64_C(0x85) << 40);
	jump_to(r, 0xea, GATE | 3);
	old_task_fault(r, 13, GATE);
	two_tasks(r, 0);
	poke(r, GDT + GATE, 8, (uint64_t)(NEXT | 4) << 16 | UINT64_C(0x85) << 40); /* a TSS is never in the LDT */
	jump_to(r, 0xea, GATE);
	old_task_fault(r, 13, NEXT | 4);
	two_tasks(r, 0);
	poke(r, GDT + GATE, 8, (uint64_t)0x1000 << 16 | UINT64_C(0x85) << 40);
	jump_to(r, 0x9a, GATE);
	old_task_fault(r, 13, 0x1000);
}
static void event_faults_have_ext(void **state)
{
	struct rig *r = *state;
	two_tasks(r, 0);
	gate32(r, 6, NEXT, 0, 0x85);
	poke(r, GDT + NEXT, 8, descriptor(TSS2, 0x67, 0x09));
	GUEST(r, 0x0f, 0x0b);
	old_task_fault(r, 11, NEXT | 1);
	two_tasks(r, 0);
	gate32(r, 0x30, NEXT, 0, 0x85);
	poke(r, GDT + NEXT, 8, descriptor(TSS2, 0x67, 0x09));
	GUEST(r, 0xcd, 0x30);
	old_task_fault(r, 11, NEXT); /* the program's own */
}
static void iret_to_a_bad_link_is_ts(void **state)
{
	static const struct {
		uint16_t link;
		uint16_t attr;
		int vector;
		unsigned error;
	} rows[] = {
		{NEXT, 0x89, 10, NEXT}, /* not busy */
		{NEXT, 0x0b, 11, NEXT},
		{NEXT | 4, 0x8b, 10, NEXT | 4},
		{0x1000, 0x8b, 10, 0x1000},
		{0, 0x8b, 10, 0},
		{KDATA, 0x8b, 10, KDATA},
	};
	struct rig *r = *state;
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		memset(r->mem + TSS, 0, 0x80);
		two_tasks(r, 0);
		poke(r, TSS, 2, rows[i].link);
		poke(r, GDT + NEXT, 8, descriptor(TSS2, 0x67, rows[i].attr));
		x86_set_rflags(r->c, NT);
		GUEST(r, 0xcf);
		old_task_fault(r, rows[i].vector, rows[i].error);
	}
}
static void page_fault_leaves_the_old_task_alone(void **state)
{
	struct rig *r = *state;
	struct x86_cpu *c = r->c;
	two_tasks(r, 0);
	/* 4 KiB pages; the new TSS may not be read */
	poke(r, 0x90000, 4, 0x92000 | 7);
	for (unsigned i = 0; i < 1024; i++)
		poke(r, 0x92000 + i * 4, 4, i << 12 | (i == TSS2 >> 12 ? 0 : 7));
	c->cr3 = 0x90000;
	c->cr0 |= 0x80010000;
	x86_state_changed(c, true);
	jump_to(r, 0xea, NEXT);
	old_task_fault(r, 14, 0);
}

/* Behind it: in the new task, before its first instruction. The stack of the new task may be bad, so the faults go
 * through a gate to a third task. */
static void new_task_fault(struct rig *r, int vector, unsigned error)
{
	enum { TSS3 = 0x8000 };
	task32(r, TSS3, 0);
	poke(r, TSS3 + T_IP, 4, handler((unsigned)vector));
	poke(r, GDT + 0x78, 8, descriptor(TSS3, 0x67, 0x89));
	static const uint8_t faults[] = {8, 10, 11, 12, 13, 14};
	for (unsigned i = 0; i < sizeof faults; i++)
		gate32(r, faults[i], faults[i] == vector ? 0x78 : 0, 0, 0x85);
	jump_to(r, 0xea, NEXT);
	assert_int_equal(run_to_handler(r), vector);
	assert_int_equal(frame(r, 0, 4), error);
	assert_int_equal(peek(r, TSS3 + T_LINK, 2), NEXT);
	assert_int_equal(peek(r, TSS2 + T_IP, 4), ENTRY);
	assert_int_equal(peek(r, TSS + T_IP, 4), CODE + 7);
	assert_int_equal(busy(r, TR), 0);
	assert_int_equal(busy(r, NEXT), 1);
}
static void segment_faults(void **state)
{
	enum { LDTR = 6, ALL = -1 };
	static const struct {
		uint8_t cpl; /* of the new task */
		int8_t reg;
		uint16_t sel;
		uint16_t attr; /* of SPARE */
		int vector;
	} rows[] = {
		{0, LDTR, SPARE, 0x93, 10},      /* not an LDT */
		{0, LDTR, SPARE | 4, 0x82, 10},  /* not in the GDT */
		{0, LDTR, SPARE, 0x02, 10},      /* absent */
		{0, LDTR, 0x1000, 0x82, 10},     /* outside */
		{0, S_CS, 0, 0, 10},
		{0, S_CS, SPARE, 0xc093, 10},    /* data */
		{0, S_CS, SPARE, 0xc0fb, 10},    /* DPL is not RPL */
		{0, S_CS, SPARE, 0xc0ff, 10},    /* conforming, DPL above RPL */
		{0, S_CS, SPARE, 0xc01b, 11},    /* absent */
		{0, S_SS, 0, 0, 10},
		{0, S_SS, SPARE, 0xc091, 10},    /* read-only */
		{0, S_SS, SPARE, 0xc09b, 10},    /* code */
		{0, S_SS, SPARE, 0xc0f3, 10},    /* DPL is not CPL */
		{0, S_SS, SPARE | 3, 0xc093, 10}, /* RPL is not CPL */
		{0, S_SS, SPARE, 0xc013, 12},    /* absent */
		{0, S_DS, SPARE, 0x0082, 10},    /* a system segment */
		{0, S_DS, SPARE, 0xc099, 10},    /* execute-only */
		{0, S_DS, SPARE, 0xc013, 11},    /* absent */
		{3, S_ES, SPARE, 0xc093, 10},    /* DPL below CPL */
		{0, S_FS, SPARE | 3, 0xc093, 10}, /* DPL below RPL */
		{0, S_GS, 0x1000, 0, 10},
	};
	struct rig *r = *state;
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		two_tasks(r, 0);
		task32(r, TSS2, rows[i].cpl);
		poke(r, GDT + SPARE, 8, descriptor(0, 0xfffff, rows[i].attr));
		poke(r, TSS2 + (rows[i].reg == LDTR ? T_LDT : T_SEG + rows[i].reg * 4), 2, rows[i].sel);
		new_task_fault(r, rows[i].vector, rows[i].sel & ~3u);
	}
}
static void conforming_code_in_a_task(void **state)
{
	struct rig *r = *state;
	two_tasks(r, 0);
	task32(r, TSS2, 3);
	poke(r, GDT + SPARE, 8, descriptor(0, 0xfffff, 0xc09e));
	poke(r, TSS2 + T_SEG + S_CS * 4, 2, SPARE | 3);
	jump_to(r, 0xea, NEXT);
	assert_int_equal(run_to_handler(r), 13); /* HLT at CPL 3 */
	assert_int_equal(frame(r, 2, 4), SPARE | 3);
	assert_int_equal(r->mem[GDT + SPARE + 5], 0x9f);
}
static void eip_beyond_the_limit_is_the_new_tasks(void **state)
{
	struct rig *r = *state;
	two_tasks(r, 0);
	poke(r, GDT + SPARE, 8, descriptor(0, 0xfff, 0x409b));
	poke(r, TSS2 + T_SEG + S_CS * 4, 2, SPARE);
	jump_to(r, 0xea, NEXT);
	assert_int_equal(run_to_handler(r), 13);
	assert_int_equal(frame(r, 0, 4), 0);
	assert_int_equal(frame(r, 1, 4), ENTRY);
	assert_int_equal(r->c->seg[X86_TR].sel, NEXT);
}
static void no_tasks_in_long_mode(void **state)
{
	struct rig *r = *state;
	rig_long(r, 0);
	poke(r, GDT + FREE, 8, descriptor(TSS2, 0x67, 0x89));
	poke(r, GDT + FREE + 8, 8, 0);
	poke(r, DATA, 8, (uint64_t)FREE << 32);
	GUEST(r, 0xff, 0x2c, 0x25, 0x00, 0x00, 0x05, 0x00); /* JMP m16:32 */
	assert_int_equal(run_to_handler(r), 13);
	assert_int_equal(frame(r, 0, 8), FREE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(jmp_switches),
		RIG_TEST(call_and_iret_nest),
		RIG_TEST(call_sets_nt_and_keeps_both_busy),
		RIG_TEST(sixteen_bit_tasks),
		RIG_TEST(paging_loads_cr3),
		RIG_TEST(trap_bit_traps_before_the_first_instruction),
		RIG_TEST(ldt_of_the_task),
		RIG_TEST(into_a_virtual_8086_task),
		RIG_TEST(exception_through_a_task_gate),
		RIG_TEST(sixteen_bit_task_gets_a_word),
		RIG_TEST(int_n_through_a_task_gate),
		RIG_TEST(nmi_task),
		RIG_TEST(double_fault_task),
		RIG_TEST(triple_when_the_double_fault_task_is_busy),
		RIG_TEST(descriptor_faults),
		RIG_TEST(limit_is_ts),
		RIG_TEST(gates_that_fault),
		RIG_TEST(event_faults_have_ext),
		RIG_TEST(iret_to_a_bad_link_is_ts),
		RIG_TEST(page_fault_leaves_the_old_task_alone),
		RIG_TEST(segment_faults),
		RIG_TEST(conforming_code_in_a_task),
		RIG_TEST(eip_beyond_the_limit_is_the_new_tasks),
		RIG_TEST(no_tasks_in_long_mode),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
