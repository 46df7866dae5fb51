/* test_cpu_sys_cr.c - control registers, MSRs, CPUID, time: which values are taken, which fault. */
#include "test_cpu_sys_rig.h"

/* Run code (which ends before an INT 0x99 put behind it); -1: it got there, else the vector. */
static int outcome(struct rig *r, bool lm)
{
	if (lm)
		gate64(r, 0x99, K64, handler(0x99), 0xee, 0);
	else
		gate32(r, 0x99, K32, (uint32_t)handler(0x99), 0xee);
	int v = run_to_handler(r);
	return v == 0x99 ? -1 : v;
}

enum { MOV_CR0 = 0xc0, MOV_CR3 = 0xd8, MOV_CR4 = 0xe0 };

static int set_cr(struct rig *r, bool lm, unsigned cpl, unsigned modrm, uint64_t value)
{
	static const uint8_t code[] = {0x0f, 0x22, 0xc0, 0xcd, 0x99};
	if (lm)
		rig_long(r, cpl);
	else
		rig_prot(r, cpl);
	memcpy(r->mem + CODE, code, sizeof code);
	r->mem[CODE + 2] = (uint8_t)modrm;
	x86_code_written(r->c, CODE, sizeof code);
	r->c->r[0] = value;
	return outcome(r, lm);
}
static void control_registers(void **state)
{
	static const struct {
		bool lm;
		uint8_t cpl, modrm;
		uint64_t value;
		int vector;
	} rows[] = {
		{true, 3, MOV_CR0, 0x80010031, 13},
		{true, 0, MOV_CR0, 0x80010031, -1},
		{true, 0, MOV_CR0, 0x80010030, 13}, /* PG without PE */
		{true, 0, MOV_CR0, 0xa0010031, 13}, /* NW without CD */
		{true, 0, MOV_CR0, 0xe0010031, -1},
		{true, 0, MOV_CR0, 0x180010031, 13}, /* upper half */
		{true, 0, MOV_CR0, 0x31, 13},        /* PG cannot be cleared in 64-bit code */
		{false, 0, MOV_CR0, 0x31, -1},
		{true, 0, MOV_CR3, PML4, -1},
		{true, 0, MOV_CR3, PML4 | UINT64_C(1) << 46, 13}, /* beyond the address width */
		{true, 0, MOV_CR4, 0x620, -1},
		{true, 0, MOV_CR4, 0x600, 13},              /* PAE in long mode */
		{true, 0, MOV_CR4, 0x620 | 1 << 13, 13},    /* VMXE */
		{true, 0, MOV_CR4, 0x620 | 1 << 17, -1},    /* PCIDE */
		{true, 0, MOV_CR3, UINT64_C(1) << 63 | PML4, 13}, /* bit 63 is PCIDE's */
		{true, 0, MOV_CR4, 0x620 | 3 << 22, 13},    /* PKE CET */
		{true, 0, MOV_CR4, 0x620 | 5 << 22, -1},    /* PKE PKS */
		{true, 0, MOV_CR4, 0x620 | 1 << 12, 13},    /* LA57 */
		{true, 0, MOV_CR4, 0x0506a0 | 1 << 11, -1}, /* OSXSAVE FSGSBASE UMIP PGE */
		{true, 0, MOV_CR4, UINT64_C(1) << 32 | 0x620, 13},
	};
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_int_equal(set_cr(*state, rows[i].lm, rows[i].cpl, rows[i].modrm, rows[i].value), rows[i].vector);
}
static void no_such_control_register(void **state)
{
	struct rig *r = *state;
	assert_int_equal(set_cr(r, true, 0, 0xc8, 0), 6); /* CR1 */
	assert_int_equal(set_cr(r, true, 0, 0xe8, 0), 6); /* CR5 */
}
static void cr8_is_four_bits(void **state)
{
	struct rig *r = *state;
	rig_long(r, 0);
	r->c->r[0] = 9;
	GUEST(r, 0x44, 0x0f, 0x22, 0xc0, 0x44, 0x0f, 0x20, 0xc3, 0xb0, 0x10, 0x44, 0x0f, 0x22,
		0xc0); /* CR8=9; RBX=CR8; CR8=16 */
	assert_int_equal(run_to_handler(r), 13);
	assert_int_equal(r->c->r[3], 9);
}
static void bad_pdpte(void **state)
{
	struct rig *r = *state;
	rig_prot(r, 0);
	poke(r, PDPT, 8, PD | 1);
	poke(r, PDPT + 8, 8, PD | 3); /* W is reserved there */
	r->c->cr3 = PDPT;
	r->c->cr4 = 0x20;
	x86_state_changed(r->c, true);
	r->c->r[0] = 0x80000031;
	GUEST(r, 0x0f, 0x22, 0xc0);
	assert_int_equal(run_to_handler(r), 13);
	assert_int_equal(r->c->cr0, 0x31);
}
static void lmsw_sets_pe_only(void **state)
{
	struct rig *r = *state;
	rig_prot(r, 0);
	r->c->r[0] = 0xe;                                               /* MP EM TS, PE clear */
	GUEST(r, 0x0f, 0x01, 0xf0, 0x0f, 0x01, 0xe3, 0x0f, 0x06, 0xf4); /* LMSW AX; SMSW EBX; CLTS; HLT */
	run_to_hlt(r, CODE + 9);
	assert_int_equal(r->c->r[3], 0x3f);
	assert_int_equal(r->c->cr0, 0x37);
}

static int access_msr(struct rig *r, uint32_t index, bool write, uint64_t value)
{
	rig_long(r, 0);
	if (write)
		GUEST(r, 0x0f, 0x30, 0xcd, 0x99);
	else
		GUEST(r, 0x0f, 0x32, 0xcd, 0x99);
	r->c->r[1] = index;
	r->c->r[0] = (uint32_t)value;
	r->c->r[2] = value >> 32;
	return outcome(r, true);
}
static uint64_t msr_value(struct rig *r)
{
	return (uint32_t)r->c->r[0] | r->c->r[2] << 32;
}
static void msr_values(void **state)
{
	static const struct {
		uint32_t index;
		uint64_t value;
		bool ok;
	} rows[] = {
		{0xc0000080, 0xd01, true},
		{0xc0000080, 0xd03, false},
		{0xc0000080, 0x401, false}, /* EFER: reserved bit; LME with paging on */
		{0xc0000080, 0x901, true},  /* LMA is not writable, so writing 0 there is ignored */
		{0xc0000081, ~UINT64_C(0), true},
		{0xc0000082, UINT64_C(0xffff800000000000), true},
		{0xc0000082, UINT64_C(0x100000000000000), false},
		{0xc0000084, 0x47700, true},
		{0xc0000084, UINT64_C(1) << 32, false},
		{0xc0000100, UINT64_C(0x7fffffffffff), true},
		{0xc0000101, UINT64_C(0x100000000000000), false},
		{0xc0000101, UINT64_C(0x1000000000000), true}, /* by the CPU's width, not by CR4.LA57 */
		{0xc0000102, 5, true},
		{0xc0000103, 0xffffffff, true},
		{0xc0000103, UINT64_C(1) << 32, false},
		{0x174, 0x10, true},
		{0x175, UINT64_C(0xffff800000000000), true},
		{0x176, UINT64_C(0x800000000000), true},
		{0x176, UINT64_C(0x0200000000000000), false},
		{0x6e1, 0xffffffff, true},
		{0x6e1, UINT64_C(1) << 32, false},
		{0x277, UINT64_C(0x0007010600070106), true},
		{0x277, UINT64_C(0x0007040600070402), false},
		{0x277, 8, false},
		{0xfe, 0x508, false},
		{0x200, 0x6, true},
		{0x200, 0x2, false},
		{0x200, UINT64_C(1) << 46, false},
		{0x201, 0x800, true},
		{0x201, 0x400, false},
		{0x210, 0, false},
		{0x250, UINT64_C(0x0606060606060606), true},
		{0x26f, 3, false},
		{0x2ff, 0xc06, true},
		{0x2ff, 0xc03, false},
		{0x2ff, 0x1000, false},
		{0x1a0, 1, true},
		{0x1a0, 2, false},
		{0x17a, 0, true},
		{0x17a, 8, false},
		{0x179, 0, false},
		{0x3a, 1, false},
		{0x8b, 0, true},
		{0x10a, 0, false},
		{0x48, 0, false},
		{0xdeadbeef, 0, false},
		{0x1d9, 3, true}, /* LBR, BTF */
		{0x1d9, 4, false},
		{0x17a, 7, true},
		{0x17b, 0, true},
		{0x17b, ~UINT64_C(0), true},
		{0x400, 5, true}, /* MC0_CTL; the logged ones can only be cleared */
		{0x401, 0, true},
		{0x401, 1, false},
		{0x402, 1, false},
		{0x403, 1, false},
		{0x427, 0, true}, /* bank 9 is the last */
		{0x428, 0, false},
		{0x280, 0, false}, /* MC0_CTL2: no CMCI */
	};
	struct rig *r = *state;
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_int_equal(access_msr(r, rows[i].index, true, rows[i].value), rows[i].ok ? -1 : 13);
		if (!rows[i].ok || rows[i].index == 0xc0000080 || rows[i].index == 0x8b)
			continue;
		uint64_t v = 0;
		assert_true(x86_rdmsr(r->c, rows[i].index, &v));
		assert_true(v == rows[i].value);
	}
}
static void efer_keeps_lma(void **state)
{
	struct rig *r = *state;
	assert_int_equal(access_msr(r, 0xc0000080, true, 0x901), -1);
	assert_int_equal(r->c->efer, 0xd01);
}
static void msr_reads(void **state)
{
	struct rig *r = *state;
	assert_int_equal(access_msr(r, 0xfe, false, 0), -1);
	assert_int_equal(msr_value(r), 0x508);
	assert_int_equal(access_msr(r, 0x12345, false, 0), 13);
	assert_int_equal(r->c->r[1], 0x12345);
}
static void machine_check_banks(void **state)
{
	struct rig *r = *state;
	uint64_t v = 0;
	assert_int_equal(access_msr(r, 0x179, false, 0), -1);
	assert_int_equal(msr_value(r), 0x10a); /* ten banks, MCG_CTL */
	assert_true(x86_wrmsr(r->c, 0x401, UINT64_C(0xbe00000000800400))); /* what the machine logs */
	assert_int_equal(access_msr(r, 0x401, false, 0), -1);
	assert_true(msr_value(r) == UINT64_C(0xbe00000000800400));
	assert_int_equal(access_msr(r, 0x401, true, 0), -1);
	assert_true(x86_rdmsr(r->c, 0x401, &v) && v == 0);
	x86_wrmsr(r->c, 0x405, 77);
	x86_init(r->c);
	assert_true(x86_rdmsr(r->c, 0x405, &v) && v == 77); /* INIT keeps them for who asks after it */
}
static void msr_needs_cpl0(void **state)
{
	struct rig *r = *state;
	rig_long(r, 3);
	r->c->r[1] = 0xc0000080;
	GUEST(r, 0x0f, 0x32);
	assert_int_equal(run_to_handler(r), 13);
}
static void deferred_msr(void **state)
{
	struct rig *r = *state;
	struct x86_cpu *c = r->c;
	rig_long(r, 0);
	r->defer_msr = true;
	c->r[1] = 0x1b;
	GUEST(r, 0x0f, 0x32, 0x0f, 0x30, 0xf4);
	assert_int_equal(x86_run(c), X86_STOP_MSR);
	assert_int_equal(c->rip, CODE);
	assert_int_equal(c->stop.addr, 0x1b);
	assert_false(c->stop.write);
	c->stop.value = UINT64_C(0x1fee00900);
	x86_answer(c);
	assert_int_equal(x86_run(c), X86_STOP_MSR);
	assert_int_equal(c->rip, CODE + 2);
	assert_true(c->stop.write);
	assert_true(c->stop.value == UINT64_C(0x1fee00900));
	c->stop.fault = true;
	x86_answer(c);
	assert_int_equal(run_to_handler(r), 13);
	assert_int_equal(frame(r, 1, 8), CODE + 2);
}
static void tsc_and_adjust_move_together(void **state)
{
	struct rig *r = *state;
	r->tsc = 1000;
	assert_int_equal(access_msr(r, 0x10, true, 5000), -1);
	assert_int_equal(r->c->tsc_adjust, 4000);
	assert_int_equal(access_msr(r, 0x3b, true, 0), -1);
	assert_int_equal(access_msr(r, 0x10, false, 0), -1);
	assert_int_equal(msr_value(r), 1000);
	assert_true(x86_wrmsr(r->c, 0x10, 7777)); /* the user's restores one alone */
	assert_int_equal(r->c->tsc_adjust, 0);
}
static void rdtsc_and_tsd(void **state)
{
	struct rig *r = *state;
	rig_long(r, 3);
	r->tsc = UINT64_C(0x123456789a);
	r->c->tsc_aux = 7;
	r->c->r[0] = r->c->r[2] = ~UINT64_C(0);
	GUEST(r, 0x0f, 0x01, 0xf9, 0xcd, 0x99); /* RDTSCP */
	assert_int_equal(outcome(r, true), -1);
	assert_int_equal(r->c->r[0], 0x3456789a);
	assert_int_equal(r->c->r[2], 0x12);
	assert_int_equal(r->c->r[1], 7);
	rig_long(r, 3);
	r->c->cr4 |= 4;
	GUEST(r, 0x0f, 0x31);
	assert_int_equal(run_to_handler(r), 13);
}

static int table_cpuid(void *o, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	struct x86_cpuid_leaf t[32];
	size_t n = 32;
	(void)o;
	x86_cpuid_max(t, &n);
	for (size_t i = 0; i < n; i++)
		if (t[i].leaf == leaf && (!t[i].has_subleaf || t[i].subleaf == subleaf))
			memcpy(out, t[i].out, 16);
	return X86_DONE;
}
static void cpuid_of_the_table(void **state)
{
	struct rig *r = *state;
	r->env.cpuid = table_cpuid;
	for (unsigned on = 0; on < 2; on++) {
		rig_long(r, 0);
		r->c->cr4 |= on << 18;
		r->c->r[0] = 1;
		GUEST(r, 0x0f, 0xa2, 0xf4);
		run_to_hlt(r, CODE + 3);
		assert_int_equal(r->c->r[1] >> 27 & 1, on);
		assert_int_equal(r->c->r[2] & 1, 1);       /* FPU */
		assert_int_equal(r->c->r[1] >> 28 & 1, 1); /* AVX */
	}
	r->c->r[0] = 0xd;
	r->c->r[1] = 0;
	r->c->rip = CODE;
	run_to_hlt(r, CODE + 3);
	assert_int_equal(r->c->r[0], 0x207);
	assert_int_equal(r->c->r[3], 576); /* for XCR0 as it is */
	assert_int_equal(r->c->r[1], 2696);
	r->c->xcr0 = 7;
	r->c->r[0] = 0xd;
	r->c->r[1] = 0;
	r->c->rip = CODE;
	run_to_hlt(r, CODE + 3);
	assert_int_equal(r->c->r[3], 832);
}
static void xsetbv_values(void **state)
{
	static const struct {
		uint64_t value;
		uint32_t index;
		int vector;
	} rows[] = {{1, 0, -1}, {3, 0, -1}, {2, 0, 13}, {0, 0, 13}, {7, 0, -1}, {5, 0, 13},
		    {6, 0, 13}, {15, 0, 13}, {3, 1, 13}};
	struct rig *r = *state;
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		rig_long(r, 0);
		r->c->cr4 |= 1 << 18;
		r->c->r[0] = rows[i].value;
		r->c->r[1] = rows[i].index;
		r->c->r[2] = 0;
		GUEST(r, 0x0f, 0x01, 0xd1, 0xcd, 0x99);
		assert_int_equal(outcome(r, true), rows[i].vector);
	}
	rig_long(r, 0);
	GUEST(r, 0x0f, 0x01, 0xd1);
	assert_int_equal(run_to_handler(r), 6);
}

/* Instructions that must be #UD whatever they would do elsewhere. */
static void undefined_here(void **state)
{
	static const struct {
		uint8_t code[4], len;
		int vector;
	} rows[] = {
		{{0x0f, 0xaa}, 2, 6},
		{{0x0f, 0x01, 0xc1}, 3, 6},
		{{0x0f, 0x01, 0xd9}, 3, 6},
		{{0x0f, 0x01, 0xd8}, 3, 6},
		{{0x0f, 0x01, 0xc2}, 3, 6},
		{{0x0f, 0x33}, 2, 13},
		{{0x0f, 0x37}, 2, 6},
		{{0x0f, 0x0b}, 2, 6},
		{{0x8e, 0xc8}, 2, 6},
	};
	struct rig *r = *state;
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		rig_long(r, 0);
		memcpy(r->mem + CODE, rows[i].code, 4);
		memcpy(r->mem + CODE + rows[i].len, "\xcd\x99", 2);
		x86_code_written(r->c, CODE, 8);
		assert_int_equal(outcome(r, true), rows[i].vector);
	}
}
static void hypercall(void **state)
{
	struct rig *r = *state;
	rig_long(r, 0);
	r->env.vmcall_exits = X86_VMCALL_BOTH;
	GUEST(r, 0x0f, 0x01, 0xc1, 0xf4);
	assert_int_equal(x86_run(r->c), X86_STOP_HYPERCALL);
	assert_int_equal(r->c->rip, CODE);
	r->c->stop.value = 0x77;
	x86_answer(r->c);
	run_to_hlt(r, CODE + 4);
	assert_int_equal(r->c->r[0], 0x77);
}
static void privileged(void **state)
{
	static const uint8_t rows[][3] = {{0xf4}, {0x0f, 0x09}, {0x0f, 0x08}, {0x0f, 0x06}, {0x0f, 0x01, 0x38},
		{0x0f, 0x23, 0xc0}, {0x0f, 0x20, 0xc0}, {0x0f, 0x30}, {0x0f, 0x01, 0xf8}, {0xfa}, {0xfb}};
	struct rig *r = *state;
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		rig_long(r, 3);
		memcpy(r->mem + CODE, rows[i], 3);
		x86_code_written(r->c, CODE, 3);
		assert_int_equal(run_to_handler(r), 13);
	}
	rig_long(r, 3);
	GUEST(r, 0x0f, 0x01, 0xcb); /* STAC outside CPL 0: #UD */
	assert_int_equal(run_to_handler(r), 6);
}
static void smap(void **state)
{
	struct rig *r = *state;
	rig_long(r, 0);
	for (unsigned i = 0; i < 512; i++) /* supervisor pages but DATA */
		poke(r, PT + i * 8, 8, (uint64_t)i << 12 | (i == DATA >> 12 ? 7 : 3));
	r->c->cr4 |= 1 << 21;
	x86_state_changed(r->c, true);
	GUEST(r, 0x0f, 0x01, 0xcb, 0xa0, 0, 0, 5, 0, 0, 0, 0, 0, 0x0f, 0x01, 0xca, 0xa0, 0, 0, 5, 0, 0, 0, 0,
		0); /* STAC; read; CLAC; read */
	assert_int_equal(run_to_handler(r), 14);
	assert_int_equal(frame(r, 0, 8), 1);
	assert_int_equal(frame(r, 1, 8), CODE + 15);
}

static void reset_and_init(void **state)
{
	struct rig *r = *state;
	struct x86_cpu *c = r->c;
	rig_long(r, 0);
	c->star = 5;
	c->cr0 |= 0x60000000;
	x86_init(c);
	assert_int_equal(c->cr0, 0x60000010);
	assert_int_equal(c->star, 5);
	assert_int_equal(c->efer, 0);
	assert_int_equal(c->rip, 0xfff0);
	assert_int_equal(c->seg[X86_CS].base, 0xffff0000);
	assert_int_equal(c->r[2], 0x600);
	x86_sipi(c, 0x9a);
	assert_int_equal(c->seg[X86_CS].base, 0x9a000);
	assert_int_equal(c->seg[X86_CS].sel, 0x9a00);
	assert_int_equal(c->rip, 0);
	x86_reset(c);
	assert_int_equal(c->star, 0);
	assert_int_equal(c->cr0, 0x60000010);
	assert_true(c->pat == UINT64_C(0x0007040600070406));
	assert_int_equal(c->dr[6], 0xffff0ff0);
	assert_int_equal(c->xcr0, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(control_registers),
		RIG_TEST(no_such_control_register),
		RIG_TEST(cr8_is_four_bits),
		RIG_TEST(bad_pdpte),
		RIG_TEST(lmsw_sets_pe_only),
		RIG_TEST(msr_values),
		RIG_TEST(efer_keeps_lma),
		RIG_TEST(msr_reads),
		RIG_TEST(machine_check_banks),
		RIG_TEST(msr_needs_cpl0),
		RIG_TEST(deferred_msr),
		RIG_TEST(tsc_and_adjust_move_together),
		RIG_TEST(rdtsc_and_tsd),
		RIG_TEST(cpuid_of_the_table),
		RIG_TEST(xsetbv_values),
		RIG_TEST(undefined_here),
		RIG_TEST(hypercall),
		RIG_TEST(privileged),
		RIG_TEST(smap),
		RIG_TEST(reset_and_init),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
