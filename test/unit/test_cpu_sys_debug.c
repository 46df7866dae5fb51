/* test_cpu_sys_debug.c - single step, breakpoints in code, data and ports, of the guest and of the user. */
#include "test_cpu_sys_rig.h"

static void single_step_traps_behind_the_instruction(void **state)
{
	struct rig *r = *state;
	rig_long(r, 0);
	GUEST(r, 0x68, 0x02, 0x01, 0, 0, 0x9d, 0x40, 0x90, 0xf4, 0xf4); /* PUSH 0x102; POPF; REX NOP */
	assert_int_equal(run_to_handler(r), 1);
	assert_int_equal(frame(r, 0, 8), CODE + 8); /* behind the instruction after POPF */
	assert_int_equal(frame(r, 2, 8), 0x102);
	assert_int_equal(r->c->dr[6], 0xffff4ff0);
	assert_int_equal(r->c->eflags & 0x100, 0);
}
static void int_n_is_not_stepped_into(void **state)
{
	struct rig *r = *state;
	rig_long(r, 0);
	r->c->eflags |= 0x100;
	x86_state_changed(r->c, false);
	GUEST(r, 0xcd, 0x30);
	assert_int_equal(run_to_handler(r), 0x30);
}
static void step_over_mov_ss_waits(void **state)
{
	struct rig *r = *state;
	rig_prot(r, 0);
	r->c->eflags |= 0x100;
	r->c->r[0] = KDATA;
	x86_state_changed(r->c, false);
	GUEST(r, 0x8e, 0xd0, 0x90, 0x90, 0xf4);
	assert_int_equal(run_to_handler(r), 1);
	assert_int_equal(frame(r, 0, 4), CODE + 3);
}
static void instruction_breakpoint_is_a_fault(void **state)
{
	struct rig *r = *state;
	struct x86_cpu *c = r->c;
	rig_long(r, 0);
	c->dr[1] = CODE + 2;
	c->dr[7] = 0x404;
	x86_state_changed(c, false);
	GUEST(r, 0x90, 0x90, 0x90, 0xf4);
	CODE_AT(r, handler(1), 0x0f, 0xba, 0x6c, 0x24, 0x10, 0x10, 0x48, 0xff, 0xc1, 0x48,
		0xcf); /* BTS [RSP+16],16; INC RCX; IRETQ */
	run_to_hlt(r, CODE + 4);
	assert_int_equal(c->r[1], 1); /* once: RF let it pass */
	assert_int_equal(c->dr[6], 0xffff0ff2);
	assert_int_equal(c->eflags & 0x10000, 0);
}
static void data_breakpoints(void **state)
{
	struct rig *r = *state;
	struct x86_cpu *c = r->c;
	rig_long(r, 0);
	c->dr[0] = DATA + 4;
	c->dr[7] = 0x400 | 2 | 1 << 16 | 3 << 18; /* writes, four bytes */
	x86_state_changed(c, false);
	/* MOV EAX,[DATA+4]; MOV [DATA+8],EAX; MOV [DATA+7],AX */
	GUEST(r, 0x8b, 0x04, 0x25, 4, 0, 5, 0, 0x89, 0x04, 0x25, 8, 0, 5, 0, 0x66, 0x89, 0x04, 0x25, 7, 0, 5, 0, 0x90,
		0xf4);
	assert_int_equal(run_to_handler(r), 1);
	assert_int_equal(frame(r, 0, 8), CODE + 22);
	assert_int_equal(c->dr[6], 0xffff0ff1);
}
static void access_breakpoint_catches_reads(void **state)
{
	struct rig *r = *state;
	struct x86_cpu *c = r->c;
	rig_prot(r, 0);
	c->dr[3] = DATA;
	c->dr[7] = 0x400 | 0x80 | 3u << 28;
	x86_state_changed(c, false);
	GUEST(r, 0xa0, 0, 0, 5, 0, 0x90, 0xf4);
	assert_int_equal(run_to_handler(r), 1);
	assert_int_equal(frame(r, 0, 4), CODE + 5);
	assert_int_equal(c->dr[6], 0xffff0ff8);
}
static void port_breakpoint(void **state)
{
	struct rig *r = *state;
	struct x86_cpu *c = r->c;
	rig_prot(r, 0);
	c->cr4 |= 8;
	c->dr[0] = 0x81;
	c->dr[7] = 0x401 | 2 << 16;
	x86_state_changed(c, false);
	GUEST(r, 0xe6, 0x80, 0xe7, 0x80, 0xf4); /* OUT 0x80 byte, dword */
	assert_int_equal(run_to_handler(r), 1);
	assert_int_equal(frame(r, 0, 4), CODE + 4);
}
static void general_detect(void **state)
{
	struct rig *r = *state;
	rig_long(r, 0);
	r->c->r[0] = 0x2400;
	GUEST(r, 0x0f, 0x23, 0xf8, 0x0f, 0x21, 0xc1, 0xf4); /* MOV DR7,RAX; MOV RCX,DR0 */
	assert_int_equal(run_to_handler(r), 1);
	assert_int_equal(frame(r, 0, 8), CODE + 3);
	assert_int_equal(r->c->dr[6], 0xffff2ff0);
	assert_int_equal(r->c->dr[7], 0x400);
	assert_int_equal(frame(r, 2, 8), 0x10002); /* a fault: RF */
}
static void debug_register_values(void **state)
{
	struct rig *r = *state;
	rig_long(r, 0);
	r->c->r[0] = 0xffffd9ff;
	r->c->r[3] = 0;
	GUEST(r, 0x0f, 0x23, 0xe0, 0x0f, 0x23, 0xf3, 0x0f, 0x21, 0xf1, 0x0f, 0x21, 0xea,
		0xf4); /* DR4=RAX (DR6), DR6=RBX, RCX=DR6, RDX=DR5 */
	run_to_hlt(r, CODE + 13);
	assert_int_equal(r->c->r[1], 0xffff0ff0);
	assert_int_equal(r->c->r[2], 0x400);
	rig_long(r, 0);
	r->c->cr4 |= 8;
	assert_int_equal((r->c->rip = CODE, run_to_handler(r)), 6); /* DE: no aliases */
	rig_long(r, 0);
	r->c->r[0] = UINT64_C(1) << 32;
	GUEST(r, 0x0f, 0x23, 0xf8);
	assert_int_equal(run_to_handler(r), 13);
}

/* Counts the traps and remembers the last three places. */
static const uint8_t counting[] = {0xff, 0x04, 0x25, 0, 0, 5, 0,       /* INC DWORD [DATA] */
				   0x48, 0x8b, 0x04, 0x24, 0xa3,           /* MOV RAX,[RSP]; MOV [DATA+8],RAX */
				   8, 0, 5, 0, 0, 0, 0, 0, 0x48, 0xcf};    /* IRETQ */
static void install_counting(struct rig *r)
{
	memcpy(r->mem + HANDLERS + 0x800, counting, sizeof counting);
	gate64(r, 1, K64, HANDLERS + 0x800, 0x8e, 0);
	poke(r, DATA, 8, 0);
}
static void rep_traps_after_each_iteration(void **state)
{
	struct rig *r = *state;
	struct x86_cpu *c = r->c;
	rig_long(r, 0);
	install_counting(r);
	c->r[1] = 3;
	c->r[7] = DATA + 0x100;
	c->eflags |= 0x100;
	x86_state_changed(c, false);
	GUEST(r, 0xf3, 0xaa, 0x9c, 0x80, 0x64, 0x24, 0x01, 0xfe, 0x9d, 0xf4); /* REP STOSB; PUSHF; clear TF; POPF */
	run_to_hlt(r, CODE + 10);
	assert_int_equal(peek(r, DATA, 4), 6);
}
static void rep_partway_pushes_rf(void **state)
{
	struct rig *r = *state;
	struct x86_cpu *c = r->c;
	rig_long(r, 0);
	c->r[1] = 2;
	c->r[7] = DATA + 0x100;
	c->eflags |= 0x100;
	x86_state_changed(c, false);
	GUEST(r, 0xf3, 0xaa, 0x90);
	assert_int_equal(run_to_handler(r), 1);
	assert_int_equal(frame(r, 0, 8), CODE);
	assert_int_equal(frame(r, 2, 8) & 0x10000, 0x10000);
	assert_int_equal(c->r[1], 1);
}
static void breakpoint_on_rep_is_met_once(void **state)
{
	struct rig *r = *state;
	struct x86_cpu *c = r->c;
	rig_long(r, 0);
	c->dr[0] = CODE;
	c->dr[7] = 0x402;
	c->r[1] = 5;
	c->r[7] = DATA + 0x100;
	x86_state_changed(c, false);
	GUEST(r, 0xf3, 0xaa, 0xf4);
	CODE_AT(r, handler(1), 0x0f, 0xba, 0x6c, 0x24, 0x10, 0x10, 0x48, 0xff, 0xc3, 0x48, 0xcf); /* RF; INC RBX */
	run_to_hlt(r, CODE + 3);
	assert_int_equal(c->r[3], 1);
	assert_int_equal(c->r[1], 0);
}
static void branch_trap(void **state)
{
	struct rig *r = *state;
	struct x86_cpu *c = r->c;
	rig_long(r, 0);
	c->debugctl = 2;
	c->eflags |= 0x100;
	x86_state_changed(c, false);
	GUEST(r, 0x90, 0x31, 0xc0, 0x75, 0x10, 0x90, 0x74, 0x02, 0xf4, 0xf4, 0x90); /* JNZ not taken; JZ taken */
	assert_int_equal(run_to_handler(r), 1);
	assert_int_equal(frame(r, 0, 8), CODE + 10);
	assert_int_equal(c->debugctl, 0);
	assert_int_equal(c->dr[6], 0xffff4ff0);
}
static void icebp_needs_no_dpl(void **state)
{
	struct rig *r = *state;
	rig_long(r, 3);
	r->c->dr[7] = 0x400;
	GUEST(r, 0x90, 0xf1);
	assert_int_equal(run_to_handler(r), 1); /* the gate's DPL is 0 */
	assert_int_equal(frame(r, 0, 8), CODE + 2);
	assert_int_equal(frame(r, 2, 8), 2);
	assert_int_equal(r->c->dr[6], 0xffff0ff0);
}
static void trap_held_by_mov_ss_comes_behind_int(void **state)
{
	struct rig *r = *state;
	struct x86_cpu *c = r->c;
	rig_prot(r, 0);
	c->dr[0] = DATA;
	c->dr[7] = 0x402 | 3u << 16 | 3u << 18;
	poke(r, DATA, 2, KDATA);
	x86_state_changed(c, false);
	GUEST(r, 0x8e, 0x15, 0, 0, 5, 0, 0xcd, 0x30); /* MOV SS,[DATA]; INT 0x30 */
	CODE_AT(r, handler(0x30), 0x90, 0x90);
	assert_int_equal(run_to_handler(r), 1);
	assert_int_equal(frame(r, 0, 4), handler(0x30)); /* before the handler's first instruction */
	assert_int_equal(c->dr[6], 0xffff0ff1);
}
static void step_comes_before_an_interrupt(void **state)
{
	struct rig *r = *state;
	struct x86_cpu *c = r->c;
	rig_long(r, 0);
	c->eflags |= 0x300;
	c->nmi_pending = true;
	c->shadow = 1;
	x86_state_changed(c, false);
	GUEST(r, 0x90, 0x90);
	assert_int_equal(run_to_handler(r), 2); /* the trap is taken first, then the NMI before its handler's first */
	assert_int_equal(frame(r, 0, 8), handler(1));
	assert_int_equal(frame(r, 6, 8), CODE + 1); /* below one word of alignment */
}

static void aborts_push_no_rf(void **state)
{
	struct rig *r = *state;
	struct x86_cpu *c = r->c;
	static const struct {
		uint8_t vector;
		bool error, rf;
	} rows[] = {{8, true, false}, {18, false, false}, {13, true, true}, {6, false, true}};
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		rig_long(r, 0);
		c->cr4 |= 0x40; /* MCE */
		c->inject_valid = true;
		c->inject_type = 3;
		c->inject_vector = rows[i].vector;
		c->inject_has_error = rows[i].error;
		c->inject_error = 0;
		GUEST(r, 0x90);
		assert_int_equal(run_to_handler(r), rows[i].vector);
		assert_int_equal(frame(r, rows[i].error ? 3 : 2, 8), rows[i].rf ? 0x10002 : 2);
	}
}

static void user_steps(void **state)
{
	struct rig *r = *state;
	struct x86_cpu *c = r->c;
	rig_long(r, 0);
	c->user_step = true;
	x86_state_changed(c, false);
	GUEST(r, 0x90, 0x48, 0xff, 0xc0, 0xeb, 0x02, 0xf4, 0xf4, 0xf4);
	static const unsigned at[] = {1, 4, 8};
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(x86_run(c), X86_STOP_DEBUG);
		assert_int_equal(c->rip, CODE + at[i]);
		assert_int_equal(c->stop.debug_reason, 1);
		assert_int_equal(c->stop.pc, c->rip);
	}
	assert_int_equal(c->eflags & 0x100, 0);
	c->user_step = false;
	x86_state_changed(c, false);
	run_to_hlt(r, CODE + 9);
}
static void user_breakpoints(void **state)
{
	struct rig *r = *state;
	struct x86_cpu *c = r->c;
	rig_long(r, 0);
	c->user_breaks = 2;
	c->user_break[0].addr = CODE + 1;
	c->user_break[0].type = 0;
	c->user_break[0].len = 1;
	c->user_break[1].addr = DATA;
	c->user_break[1].type = 3;
	c->user_break[1].len = 8;
	x86_state_changed(c, false);
	GUEST(r, 0x90, 0x90, 0x8b, 0x04, 0x25, 4, 0, 5, 0, 0xf4);
	assert_int_equal(x86_run(c), X86_STOP_DEBUG);
	assert_int_equal(c->rip, CODE + 1);
	assert_int_equal(c->stop.debug_reason, 2);
	assert_int_equal(c->stop.dr6 & 15, 1);
	x86_set_rflags(c, x86_get_rflags(c) | 0x10000); /* RF: past it */
	assert_int_equal(x86_run(c), X86_STOP_DEBUG);
	assert_int_equal(c->rip, CODE + 9);
	assert_int_equal(c->stop.dr6 & 15, 2);
	run_to_hlt(r, CODE + 10);
	assert_int_equal(c->dr[6], 0xffff0ff0); /* the guest sees nothing of it */
}
static void user_int3(void **state)
{
	struct rig *r = *state;
	struct x86_cpu *c = r->c;
	rig_long(r, 0);
	GUEST(r, 0x90, 0xcc, 0xf4);
	c->user_int3 = true;
	assert_int_equal(x86_run(c), X86_STOP_DEBUG);
	assert_int_equal(c->rip, CODE + 1);
	assert_int_equal(c->stop.debug_reason, 4);
	assert_int_equal(c->stop.exception, 3);
	c->user_int3 = false;
	assert_int_equal(run_to_handler(r), 3);
	assert_int_equal(frame(r, 0, 8), CODE + 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(single_step_traps_behind_the_instruction),
		RIG_TEST(int_n_is_not_stepped_into),
		RIG_TEST(step_over_mov_ss_waits),
		RIG_TEST(instruction_breakpoint_is_a_fault),
		RIG_TEST(data_breakpoints),
		RIG_TEST(access_breakpoint_catches_reads),
		RIG_TEST(port_breakpoint),
		RIG_TEST(general_detect),
		RIG_TEST(debug_register_values),
		RIG_TEST(rep_traps_after_each_iteration),
		RIG_TEST(rep_partway_pushes_rf),
		RIG_TEST(breakpoint_on_rep_is_met_once),
		RIG_TEST(branch_trap),
		RIG_TEST(icebp_needs_no_dpl),
		RIG_TEST(trap_held_by_mov_ss_comes_behind_int),
		RIG_TEST(step_comes_before_an_interrupt),
		RIG_TEST(aborts_push_no_rf),
		RIG_TEST(user_steps),
		RIG_TEST(user_breakpoints),
		RIG_TEST(user_int3),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
