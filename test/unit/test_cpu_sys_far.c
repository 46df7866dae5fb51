/* test_cpu_sys_far.c - far transfers, call gates, IRET, SYSCALL, SYSENTER, and the way from real to long mode by guest
 * code. */
#include "test_cpu_sys_rig.h"

static void far_jump_loads_cs(void **state)
{
	struct rig *r = *state;
	rig_prot(r, 0);
	GUEST(r, 0xea, 0x00, 0xff, 0x05, 0x00, 0x48, 0x00);
	poke(r, GDT + FREE, 8, descriptor(0x100, 0xfffff, 0xc098));
	CODE_AT(r, 0x60000, 0xf4);
	run_to_hlt(r, 0x5ff01);
	assert_int_equal(r->c->seg[X86_CS].sel, FREE);
	assert_int_equal(r->c->seg[X86_CS].base, 0x100);
	assert_int_equal(r->mem[GDT + FREE + 5], 0x99); /* accessed */
}
static void far_jump_beyond_the_limit(void **state)
{
	struct rig *r = *state;
	rig_prot(r, 0);
	poke(r, GDT + FREE, 8, descriptor(0, 0xfff, 0x409b));
	GUEST(r, 0xea, 0x00, 0x10, 0x00, 0x00, 0x48, 0x00);
	assert_int_equal(run_to_handler(r), 13);
	assert_int_equal(frame(r, 0, 4), 0);
	assert_int_equal(frame(r, 1, 4), CODE);
}
static void expect_far_fault(struct rig *r, uint64_t desc, int vector, unsigned error)
{
	rig_prot(r, 0);
	poke(r, GDT + FREE, 8, desc);
	GUEST(r, 0x9a, 0x00, 0x00, 0x06, 0x00, 0x48, 0x00);
	assert_int_equal(run_to_handler(r), vector);
	assert_int_equal(frame(r, 0, 4), error);
	assert_int_equal(r->c->r[4], KSTACK - 0x800 - 16);
}
static void far_call_to_absent_code(void **state)
{
	expect_far_fault(*state, descriptor(0, 0xfffff, 0xc01b), 11, FREE);
}
static void far_call_to_data(void **state)
{
	expect_far_fault(*state, descriptor(0, 0xfffff, 0xc093), 13, FREE);
}
static void far_call_to_other_privilege(void **state)
{
	expect_far_fault(*state, descriptor(0, 0xfffff, 0xc0fb), 13, FREE);
}
static void far_call_and_return(void **state)
{
	struct rig *r = *state;
	rig_prot(r, 0);
	GUEST(r, 0x6a, 0x77, 0x9a, 0x00, 0x00, 0x06, 0x00, 0x08, 0x00, 0xf4);
	CODE_AT(r, 0x60000, 0xca, 0x04, 0x00); /* RETF 4 */
	run_to_hlt(r, CODE + 10);
	assert_int_equal(r->c->r[4], KSTACK - 0x800);
}

static void call_gate_copies_parameters(void **state)
{
	struct rig *r = *state;
	rig_prot(r, 3);
	/* gate with two parameters to 0x08:0x60000, DPL 3 */
	poke(r, GDT + FREE, 8, UINT64_C(0x0006ec0200080000));
	GUEST(r, 0x6a, 0x11, 0x6a, 0x22, 0x9a, 0, 0, 0, 0, 0x4b, 0x00, 0xfa); /* ...; CLI faults: back in CPL 3 */
	CODE_AT(r, 0x60000, 0x8b, 0x44, 0x24, 0x08, 0x8b, 0x4c, 0x24, 0x0c, 0xca, 0x08, 0x00);
	assert_int_equal(run_to_handler(r), 13);
	assert_int_equal(r->c->r[0], 0x22);
	assert_int_equal(r->c->r[1], 0x11);
	assert_int_equal(frame(r, 1, 4), CODE + 11);
	assert_int_equal(frame(r, 2, 4), U32);
	assert_int_equal(frame(r, 4, 4), USTACK);
	assert_int_equal(frame(r, 5, 4), UDATA);
}
static void call_gate_in_long_mode(void **state)
{
	struct rig *r = *state;
	rig_long(r, 3);
	poke(r, GDT + FREE, 8, UINT64_C(0x0006ec0000180000));
	poke(r, GDT + FREE + 8, 8, 0);
	poke(r, DATA, 8, UINT64_C(0x4b00000000)); /* m16:32 */
	GUEST(r, 0xff, 0x1c, 0x25, 0x00, 0x00, 0x05, 0x00, 0xfa);
	CODE_AT(r, 0x60000, 0x48, 0xb8, 0x34, 0x12, 0, 0, 0, 0, 0, 0, 0x48, 0xcb); /* MOV RAX, 0x1234; RETFQ */
	assert_int_equal(run_to_handler(r), 13);
	assert_int_equal(r->c->r[0], 0x1234);
	assert_int_equal(frame(r, 0, 8), 0);
	assert_int_equal(frame(r, 1, 8), CODE + 7);
	assert_int_equal(frame(r, 2, 8), U64);
	assert_int_equal(frame(r, 4, 8), USTACK);
	assert_int_equal(frame(r, 5, 8), UDATA);
	assert_int_equal(peek(r, KSTACK - 8, 8), UDATA); /* was pushed by the gate too */
}
static void call_gate_below_rpl(void **state)
{
	struct rig *r = *state;
	rig_prot(r, 3);
	poke(r, GDT + FREE, 8, UINT64_C(0x00068c0000080000)); /* DPL 0 */
	GUEST(r, 0x9a, 0, 0, 0, 0, 0x4b, 0x00);
	assert_int_equal(run_to_handler(r), 13);
	assert_int_equal(frame(r, 0, 4), FREE);
}

static void iretq_to_user(void **state)
{
	struct rig *r = *state;
	rig_long(r, 0);
	r->c->seg[X86_FS].sel = KDATA;
	/* PUSH 0x2b; PUSH USTACK; PUSH 0x202; PUSH 0x33; PUSH 0x60000; IRETQ */
	GUEST(r, 0x6a, 0x2b, 0x68, 0, 0, 4, 0, 0x68, 0x02, 0x02, 0, 0, 0x6a, 0x33, 0x68, 0, 0, 6, 0, 0x48, 0xcf);
	CODE_AT(r, 0x60000, 0xf4);
	assert_int_equal(run_to_handler(r), 13);
	assert_int_equal(frame(r, 1, 8), 0x60000);
	assert_int_equal(frame(r, 2, 8), U64);
	assert_int_equal(frame(r, 3, 8), 0x10202);
	assert_int_equal(frame(r, 4, 8), USTACK);
	assert_int_equal(frame(r, 5, 8), UDATA);
	assert_int_equal(r->c->seg[X86_DS].sel, 0); /* DPL 0 data does not survive the way out */
	assert_int_equal(r->c->seg[X86_FS].sel, 0);
}
static void iretq_to_compatibility_mode(void **state)
{
	struct rig *r = *state;
	rig_long(r, 0);
	GUEST(r, 0x6a, 0x2b, 0x68, 0, 0, 4, 0, 0x68, 0x02, 0x00, 0, 0, 0x6a, 0x23, 0x68, 0, 0, 6, 0, 0x48, 0xcf);
	CODE_AT(r, 0x60000, 0x40, 0x0f, 0x05); /* INC EAX; SYSCALL: #UD there */
	assert_int_equal(run_to_handler(r), 6);
	assert_int_equal(r->c->r[0], 1);
	assert_int_equal(frame(r, 0, 8), 0x60001);
	assert_int_equal(frame(r, 1, 8), U32);
}
static void iretq_same_level_pops_the_stack(void **state)
{
	struct rig *r = *state;
	rig_long(r, 0);
	GUEST(r, 0x6a, 0x00, 0x68, 0, 0, 4, 0, 0x6a, 0x02, 0x6a, 0x18, 0x68, 0, 0, 6, 0, 0x48,
		0xcf); /* null SS, RSP USTACK */
	CODE_AT(r, 0x60000, 0xf4);
	run_to_hlt(r, 0x60001);
	assert_int_equal(r->c->r[4], USTACK);
	assert_int_equal(r->c->seg[X86_SS].sel, 0);
	assert_int_equal(r->c->cpl, 0);
}
static void iretq_non_canonical(void **state)
{
	struct rig *r = *state;
	rig_long(r, 0);
	poke(r, KSTACK - 0x800, 8, UINT64_C(0x800000000000));
	poke(r, KSTACK - 0x7f8, 8, U64);
	poke(r, KSTACK - 0x7f0, 8, 2);
	poke(r, KSTACK - 0x7e8, 8, USTACK);
	poke(r, KSTACK - 0x7e0, 8, UDATA);
	GUEST(r, 0x48, 0xcf);
	assert_int_equal(run_to_handler(r), 13);
	assert_int_equal(frame(r, 0, 8), 0);
	assert_int_equal(frame(r, 1, 8), CODE);
	assert_int_equal(frame(r, 2, 8), K64);
}
static void iret_with_nt_in_long_mode(void **state)
{
	struct rig *r = *state;
	rig_long(r, 0);
	r->c->eflags |= 0x4000;
	GUEST(r, 0x48, 0xcf);
	assert_int_equal(run_to_handler(r), 13);
}
static void iret_does_not_give_iopl_to_users(void **state)
{
	struct rig *r = *state;
	rig_prot(r, 3);
	GUEST(r, 0x68, 0x02, 0x32, 0, 0, 0x6a, 0x23, 0x68, 0, 0, 6, 0, 0xcf); /* flags 0x3202 */
	CODE_AT(r, 0x60000, 0x0f, 0x0b);
	assert_int_equal(run_to_handler(r), 6);
	assert_int_equal(frame(r, 2, 4), 0x10002);
}

static void syscall_and_sysret(void **state)
{
	struct rig *r = *state;
	struct x86_cpu *c = r->c;
	rig_long(r, 3);
	c->star = UINT64_C(0x0023001800000000);
	c->lstar = 0x60000;
	c->fmask = 0x200;
	c->eflags |= 0x200;
	GUEST(r, 0x0f, 0x05, 0xf4); /* SYSCALL; HLT faults in user mode */
	CODE_AT(r, 0x60000, 0x48, 0x89, 0xe0, 0x8c, 0xd3, 0x9c, 0x5a, 0x48, 0x0f,
		0x07); /* MOV RAX,RSP; MOV EBX,SS; PUSHF; POP RDX; SYSRETQ */
	assert_int_equal(run_to_handler(r), 13);
	assert_int_equal(c->r[0], USTACK);
	assert_int_equal(c->r[3], 0x20);
	assert_int_equal(c->r[2], 2);
	assert_int_equal(c->r[1], CODE + 2);
	assert_int_equal(c->r[11], 0x202);
	assert_int_equal(frame(r, 1, 8), CODE + 2);
	assert_int_equal(frame(r, 2, 8), 0x33);
	assert_int_equal(frame(r, 3, 8), 0x10202);
	assert_int_equal(frame(r, 5, 8), 0x2b);
}
static void sysret_to_non_canonical_faults_in_the_kernel(void **state)
{
	struct rig *r = *state;
	rig_long(r, 0);
	r->c->r[1] = UINT64_C(0x8000000000000000);
	GUEST(r, 0x48, 0x0f, 0x07);
	assert_int_equal(run_to_handler(r), 13);
	assert_int_equal(frame(r, 2, 8), K64);
	assert_int_equal(frame(r, 4, 8), KSTACK - 0x800);
}
static void syscall_without_sce(void **state)
{
	struct rig *r = *state;
	rig_long(r, 3);
	r->c->efer &= ~UINT64_C(1);
	GUEST(r, 0x0f, 0x05);
	assert_int_equal(run_to_handler(r), 6);
}
static void sysenter_and_sysexit(void **state)
{
	struct rig *r = *state;
	struct x86_cpu *c = r->c;
	rig_prot(r, 3);
	c->sysenter_cs = K32;
	c->sysenter_esp = KSTACK - 0x100;
	c->sysenter_eip = 0x60000;
	GUEST(r, 0x0f, 0x34);
	CODE_AT(r, 0x60000, 0x8c, 0xc8, 0x89, 0xe3, 0xba, 0, 0, 7, 0, 0xb9, 0, 0, 4, 0, 0x0f,
		0x35); /* MOV EAX,CS; MOV EBX,ESP; ...; SYSEXIT */
	CODE_AT(r, 0x70000, 0xf4);
	assert_int_equal(run_to_handler(r), 13);
	assert_int_equal(c->r[0], K32);
	assert_int_equal(c->r[3], KSTACK - 0x100);
	assert_int_equal(frame(r, 1, 4), 0x70000);
	assert_int_equal(frame(r, 2, 4), 0x1b); /* SYSENTER_CS + 16 | 3 */
	assert_int_equal(frame(r, 4, 4), USTACK);
}
static void sysenter_with_null_cs(void **state)
{
	struct rig *r = *state;
	rig_prot(r, 3);
	GUEST(r, 0x0f, 0x34);
	assert_int_equal(run_to_handler(r), 13);
}

static void real_to_protected_to_long(void **state)
{
	struct rig *r = *state;
	struct x86_cpu *c = r->c;
	rig_real(r);
	rig_tables(r);
	poke(r, 0x8000, 2, 0x7f);
	poke(r, 0x8002, 4, GDT);
	CODE_AT(r, CODE, 0xfa, 0x31, 0xc0, 0x8e, 0xd8, 0x0f, 0x01, 0x16, 0x00,
		0x80,                                                       /* CLI; AX=0; DS=0; LGDT [0x8000] */
		0x0f, 0x20, 0xc0, 0x66, 0x83, 0xc8, 0x01, 0x0f, 0x22, 0xc0, /* CR0 |= 1 */
		0x66, 0xea, 0x00, 0x00, 0x06, 0x00, 0x08, 0x00);            /* JMP 0x08:0x60000 */
	CODE_AT(r, 0x60000, 0xb8, 0x10, 0, 0, 0, 0x8e, 0xd8, 0x8e, 0xd0,    /* DS = SS = 0x10 */
		0x0f, 0x20, 0xe0, 0x0c, 0x20, 0x0f, 0x22, 0xe0,             /* CR4 |= PAE */
		0xb8, 0x00, 0x00, 0x01, 0x00, 0x0f, 0x22, 0xd8,             /* CR3 = PML4 */
		0xb9, 0x80, 0x00, 0x00, 0xc0, 0x0f, 0x32, 0x80, 0xcc, 0x01, 0x0f, 0x30, /* EFER |= LME */
		0x0f, 0x20, 0xc0, 0x0d, 0x00, 0x00, 0x00, 0x80, 0x0f, 0x22, 0xc0,       /* CR0 |= PG */
		0xea, 0x00, 0x00, 0x07, 0x00, 0x18, 0x00);                              /* JMP 0x18:0x70000 */
	CODE_AT(r, 0x70000, 0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8, 0xf4);
	run_to_hlt(r, 0x7000b);
	assert_true(c->r[0] == UINT64_C(0x0807060504030201));
	assert_int_equal(c->efer & 0x500, 0x500);
}
static void out_of_protected_mode_keeps_limits(void **state)
{
	struct rig *r = *state;
	struct x86_cpu *c = r->c;
	rig_prot(r, 0);
	c->seg[X86_CS] = (struct x86_seg){.base = CODE, .limit = 0xffff, .attr = 0x9b, .sel = FREE};
	c->rip = 0;
	x86_state_changed(c, true);
	poke(r, 0x300000, 4, 0x12345678);
	/* CR0 &= ~1; JMP CODE>>4:next; AX=0; DS=0; EBX=0x300000; MOV EAX,[EBX] (flat limit survives); HLT */
	GUEST(r, 0x0f, 0x20, 0xc0, 0x24, 0xfe, 0x0f, 0x22, 0xc0, 0xea, 0x0d, 0x00, 0x00, 0x20, 0x31, 0xc0, 0x8e, 0xd8,
		0x66, 0xbb, 0, 0, 0x30, 0, 0x67, 0x66, 0x8b, 0x03, 0xf4);
	run_to_hlt(r, 28);
	assert_int_equal(c->r[0], 0x12345678);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(far_jump_loads_cs),
		RIG_TEST(far_jump_beyond_the_limit),
		RIG_TEST(far_call_to_absent_code),
		RIG_TEST(far_call_to_data),
		RIG_TEST(far_call_to_other_privilege),
		RIG_TEST(far_call_and_return),
		RIG_TEST(call_gate_copies_parameters),
		RIG_TEST(call_gate_in_long_mode),
		RIG_TEST(call_gate_below_rpl),
		RIG_TEST(iretq_to_user),
		RIG_TEST(iretq_to_compatibility_mode),
		RIG_TEST(iretq_same_level_pops_the_stack),
		RIG_TEST(iretq_non_canonical),
		RIG_TEST(iret_with_nt_in_long_mode),
		RIG_TEST(iret_does_not_give_iopl_to_users),
		RIG_TEST(syscall_and_sysret),
		RIG_TEST(sysret_to_non_canonical_faults_in_the_kernel),
		RIG_TEST(syscall_without_sce),
		RIG_TEST(sysenter_and_sysexit),
		RIG_TEST(sysenter_with_null_cs),
		RIG_TEST(real_to_protected_to_long),
		RIG_TEST(out_of_protected_mode_keeps_limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
