/* test_cpu_count.c - what counts as an instruction, and that a run stops exactly at its limit: inside blocks, in REP, at
 * faults, behind jumps. */
#include "test_cpu_rig.h"

static struct rig *start(void)
{
	struct rig *r = rig_new();
	rig_long(r);
	return r;
}

static enum x86_stop_kind run_for(struct rig *r, uint64_t insns)
{
	r->c->insn_limit = r->c->insns + insns;
	return x86_run(r->c);
}

static void stops_in_a_block(void **state)
{
	(void)state;
	struct rig *r = start();
	uint8_t code[256];
	memset(code, 0x90, sizeof code);
	code[255] = HLT;
	for (uint64_t n = 0; n < 100; n++) {
		rig_code_at(r, RIG_CODE, code, sizeof code);
		r->c->rip = RIG_CODE;
		uint64_t before = r->c->insns;
		assert_int_equal(run_for(r, n), X86_STOP_BUDGET);
		assert_int_equal(r->c->rip, RIG_CODE + n);
		assert_int_equal(r->c->insns, before + n);
	}
	rig_free(r);
}

/* Near the end of the code segment blocks have one instruction each. */
static void stops_near_the_limit_of_cs(void **state)
{
	(void)state;
	struct rig *r = rig_new();
	uint8_t code[64];
	rig_prot32(r);
	r->c->seg[X86_CS].limit = RIG_CODE + 60;
	x86_state_changed(r->c, false);
	memset(code, 0x90, sizeof code);
	rig_code_at(r, RIG_CODE, code, sizeof code);
	for (uint64_t n = 1; n <= 61; n++) {
		r->c->rip = RIG_CODE;
		uint64_t before = r->c->insns;
		assert_int_equal(run_for(r, n), X86_STOP_BUDGET);
		assert_int_equal(r->c->rip, RIG_CODE + n);
		assert_int_equal(r->c->insns, before + n);
	}
	rig_free(r);
}

/* Each iteration of REP counts; REP with a count of zero counts, too. */
static void stops_in_rep(void **state)
{
	(void)state;
	struct rig *r = start();
	for (uint64_t n = 0; n < 40; n++) {
		rig_code(r, 0x90, 0xf3, 0xaa, 0x90, HLT); /* NOP; REP STOSB; NOP */
		memset(r->ram + RIG_DATA, 0, 64);
		r->c->r[0] = 1;
		r->c->r[1] = 30;
		r->c->r[7] = RIG_DATA;
		uint64_t before = r->c->insns, done = n < 1 ? 0 : n < 31 ? n - 1 : 30;
		enum x86_stop_kind kind = run_for(r, n);
		assert_int_equal(r->c->r[1], 30 - done);
		assert_int_equal(r->ram[RIG_DATA + done] | (done ? r->ram[RIG_DATA + done - 1] << 8 : 0x100), 0x100);
		assert_int_equal(kind, n < 33 ? X86_STOP_BUDGET : X86_STOP_HLT);
		assert_int_equal(r->c->insns - before, n < 33 ? n : 33);
		assert_int_equal(r->c->rip, RIG_CODE + (n < 1 ? 0 : n < 31 ? 1 : n == 31 ? 3 : n == 32 ? 4 : 5));
	}
	rig_code(r, 0xf3, 0xa4, HLT);
	r->c->r[1] = 0;
	assert_int_equal(run_for(r, 1), X86_STOP_BUDGET);
	assert_int_equal(r->c->rip, RIG_CODE + 2);
	rig_free(r);
}

/* A REP that would go on for an hour. */
static void a_long_rep_ends_at_its_limit(void **state)
{
	(void)state;
	struct rig *r = start();
	rig_prot32(r);
	r->c->cr0 &= 0x7fffffff;
	r->c->efer = 0;
	r->c->cr4 = 0;
	x86_state_changed(r->c, true);
	rig_code(r, 0xf3, 0xac, HLT); /* REP LODSB */
	r->c->r[1] = 0xffffffff;
	r->c->r[6] = 0;
	r->c->insns = 0;
	assert_int_equal(run_for(r, 1000), X86_STOP_BUDGET);
	assert_int_equal(r->c->insns, 1000);
	assert_int_equal(r->c->r[1], 0xffffffff - 1000);
	rig_free(r);
}

/* A fault in the middle: the iterations made, and the one that faulted. */
static void rep_that_faults(void **state)
{
	(void)state;
	struct rig *r = start();
	rig_code(r, 0x90, 0xf3, 0xaa, 0x90, HLT);
	r->c->r[1] = 30;
	r->c->r[7] = (16u << 20) - 10; /* what is mapped ends there; below, a device */
	uint64_t before = r->c->insns;
	assert_int_equal(run_for(r, 1000), X86_STOP_TRIPLE);
	assert_int_equal(r->c->r[1], 20);
	assert_int_equal(r->c->insns - before, 1 + 10 + 1);
	rig_free(r);
}

/* The handler faults at its first instruction, for ever: still the run ends. */
static void endless_faults_use_the_budget_up(void **state)
{
	(void)state;
	struct rig *r = start();
	struct x86_cpu *c = r->c;
	uint64_t gate = (RIG_CODE & 0xffff) | 8ull << 16 | 0x8e00ull << 32 | (uint64_t)(RIG_CODE >> 16) << 48;
	memcpy(r->ram + 0x8000 + 6 * 16, &gate, 8);
	c->idt_base = 0x8000;
	c->idt_limit = 0xfff;
	memcpy(r->ram + 0x9008, "\xff\xff\0\0\0\x9b\xaf\0", 8); /* 64-bit code */
	c->gdt_base = 0x9000;
	c->gdt_limit = 0xf;
	rig_code(r, 0x0f, 0x0b); /* UD2, also the handler */
	c->r[4] = RIG_STACK + 0x100000;
	assert_int_equal(run_for(r, 500), X86_STOP_BUDGET);
	assert_int_equal(c->r[4], RIG_STACK + 0x100000 - (500 * 48 - 8)); /* aligned, then 40 bytes */
	rig_free(r);
}

/* RET finds its target in the jump cache: a step over it stops there all the same. */
static void a_step_does_not_run_on(void **state)
{
	(void)state;
	struct rig *r = start();
	rig_code(r, 0xe8, 1, 0, 0, 0, HLT, 0xc3); /* CALL +1; HLT; RET */
	assert_int_equal(x86_run(r->c), X86_STOP_HLT);
	r->c->rip = RIG_CODE;
	assert_int_equal(x86_run(r->c), X86_STOP_HLT);
	r->c->user_step = true;
	for (unsigned n = 0; n < 3; n++) {
		static const uint64_t to[] = {6, 5};
		r->c->rip = RIG_CODE;
		r->c->r[4] = RIG_STACK;
		for (unsigned i = 0; i < 2; i++) {
			x86_state_changed(r->c, false);
			assert_int_equal(x86_run(r->c), X86_STOP_DEBUG);
			assert_int_equal(r->c->rip, RIG_CODE + to[i]);
		}
	}
	rig_free(r);
}

/* The fetch behind a block faults at an address inside that block: what the block did stays counted. */
static void fetch_fault_at_an_address_of_the_block_before(void **state)
{
	(void)state;
	struct rig *r = start();
	rig_prot32(r);
	r->c->cr0 &= 0x7fffffff;
	r->c->efer = r->c->cr4 = 0;
	x86_state_changed(r->c, true);
	r->c->gdt_base = 0x9000;
	r->c->gdt_limit = 0xf;
	memcpy(r->ram + 0x9008, "\x10\0\0\0\0\x9b\x40\0", 8); /* 32-bit code, limit 10H */
	/* JMP FAR 8:0 leads to what lies at 0, a loop at the end of the limit: its second instruction is outside */
	memcpy(r->ram, "\x90\x90\xeb\x0c", 4);
	rig_code(r, 0xea, 0, 0, 0, 0, 8, 0);
	r->c->insns = 0;
	memset(r->ram + 0x10, 0x90, 16);
	assert_int_equal(run_for(r, 1000), X86_STOP_TRIPLE);
	assert_int_equal(r->c->insns, 1 + 3 + 1 + 1); /* the jump; three; NOP at 10H; the fault at 11H */
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(stops_in_a_block),
	    cmocka_unit_test(stops_near_the_limit_of_cs),
	    cmocka_unit_test(stops_in_rep),
	    cmocka_unit_test(a_long_rep_ends_at_its_limit),
	    cmocka_unit_test(rep_that_faults),
	    cmocka_unit_test(endless_faults_use_the_budget_up),
	    cmocka_unit_test(a_step_does_not_run_on),
	    cmocka_unit_test(fetch_fault_at_an_address_of_the_block_before),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
