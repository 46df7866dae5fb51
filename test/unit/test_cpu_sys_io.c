/* test_cpu_sys_io.c - port instructions: permission, registers, strings in batches and element by element. */
#include "test_cpu_sys_rig.h"

static void in_changes_only_its_bytes(void **state)
{
	struct rig *r = *state;
	rig_long(r, 0);
	r->next_in = 0x11;
	r->c->r[0] = ~UINT64_C(0);
	GUEST(r, 0xe4, 0x60, 0xf4, 0x66, 0xed, 0xf4, 0xed, 0xf4);
	run_to_hlt(r, CODE + 3);
	assert_true(r->c->r[0] == UINT64_C(0xffffffffffffff11));
	run_to_hlt(r, CODE + 6);
	assert_true(r->c->r[0] == UINT64_C(0xffffffffffff1312));
	run_to_hlt(r, CODE + 8);
	assert_true(r->c->r[0] == UINT64_C(0x17161514));
}
static void out_widths(void **state)
{
	struct rig *r = *state;
	rig_prot(r, 0);
	r->c->r[0] = 0x44332211;
	GUEST(r, 0xee, 0x66, 0xef, 0xef, 0xe6, 0x80, 0xf4);
	run_to_hlt(r, CODE + 7);
	assert_int_equal(r->outs, 8);
	assert_memory_equal(r->out, "\x11\x11\x22\x11\x22\x33\x44\x11", 8);
}

/* OUT DX, AX at CPL 3 with IOPL 0: the TSS decides. */
static bool allowed(struct rig *r, uint16_t port, unsigned limit, unsigned map, uint64_t bits)
{
	rig_prot(r, 3);
	gate32(r, 0x99, K32, (uint32_t)handler(0x99), 0xee);
	r->c->seg[X86_TR].limit = limit;
	poke(r, TSS + 0x66, 2, map);
	poke(r, TSS + map, 8, bits);
	r->c->r[2] = port;
	GUEST(r, 0x66, 0xef, 0xcd, 0x99);
	int v = run_to_handler(r);
	assert_true(v == 13 || v == 0x99);
	return v == 0x99;
}
static void tss_bitmap(void **state)
{
	struct rig *r = *state;
	assert_true(allowed(r, 0x10, 0x70, 0x68, 0));
	assert_false(allowed(r, 0x10, 0x70, 0x68, 1 << 16));
	assert_false(allowed(r, 0x0f, 0x70, 0x68, 1 << 16)); /* a word port needs both bits */
	assert_true(allowed(r, 0x11, 0x70, 0x68, 1 << 16));
	assert_false(allowed(r, 0x40, 0x70, 0x68, 0)); /* two bytes are read: one is beyond the limit */
	assert_true(allowed(r, 0x38, 0x70, 0x68, 0));
	assert_false(allowed(r, 0x10, 0x66, 0x68, 0)); /* no room for the base */
	assert_false(allowed(r, 0x10, 0x70, 0xffff, 0));
	r->c->eflags |= 0x3000;
	r->c->rip = CODE;
	r->c->r[4] = USTACK;
	rig_segs(r, 3, U32, 0xc09b);
	x86_state_changed(r->c, true);
	assert_int_equal(run_to_handler(r), 0x99); /* IOPL 3 */
}

static void rep_outsb_in_pages(void **state)
{
	struct rig *r = *state;
	rig_long(r, 0);
	r->c->r[6] = DATA + 0xf00;
	r->c->r[1] = 0x300;
	for (unsigned i = 0; i < 0x300; i++)
		r->mem[DATA + 0xf00 + i] = (uint8_t)(i * 7);
	GUEST(r, 0xf3, 0x6e, 0xf4);
	run_to_hlt(r, CODE + 3);
	assert_int_equal(r->outs, 0x300);
	assert_memory_equal(r->out, r->mem + DATA + 0xf00, 0x300);
	assert_int_equal(r->c->r[1], 0);
	assert_int_equal(r->c->r[6], DATA + 0x1200);
	assert_true(r->calls < 10); /* batches, once the pages are in the TLB */
}
static void rep_with_zero_count(void **state)
{
	struct rig *r = *state;
	rig_long(r, 0);
	r->c->r[1] = UINT64_C(0x100000000);
	r->c->r[6] = 0x1234;
	GUEST(r, 0x67, 0xf3, 0x6e, 0xf4); /* ECX counts */
	run_to_hlt(r, CODE + 4);
	assert_int_equal(r->outs, 0);
	assert_int_equal(r->c->r[6], 0x1234);
}
static void rep_insw_faults_in_the_middle(void **state)
{
	struct rig *r = *state;
	rig_long(r, 0);
	r->c->r[7] = DATA + 0xff8;
	r->c->r[1] = 8;
	poke(r, PT + (DATA + 0x1000) / 0x1000 * 8, 8, 0);
	GUEST(r, 0x66, 0xf3, 0x6d, 0xf4);
	assert_int_equal(run_to_handler(r), 14);
	assert_int_equal(frame(r, 0, 8), 2);
	assert_int_equal(frame(r, 1, 8), CODE);
	assert_int_equal(r->c->cr2, DATA + 0x1000);
	assert_int_equal(r->c->r[1], 4);
	assert_int_equal(r->c->r[7], DATA + 0x1000);
	assert_int_equal(r->next_in, 8); /* nothing was read from the port for the element that faults */
}
static void insb_backwards_16_bit(void **state)
{
	struct rig *r = *state;
	rig_real(r);
	r->c->seg[X86_ES].base = DATA;
	r->c->r[7] = 0xaaaa0001;
	r->c->r[1] = 0xbbbb0003;
	r->c->eflags |= 0x400;
	r->next_in = 1;
	x86_state_changed(r->c, false);
	GUEST(r, 0xf3, 0x6c, 0xf4);
	run_to_hlt(r, 3);
	assert_int_equal(r->c->r[7], 0xaaaafffe);
	assert_int_equal(r->c->r[1], 0xbbbb0000);
	assert_int_equal(r->mem[DATA + 1], 1);
	assert_int_equal(r->mem[DATA], 2);
	assert_int_equal(r->mem[DATA + 0xffff], 3);
}
static void outs_takes_an_override(void **state)
{
	struct rig *r = *state;
	rig_prot(r, 0);
	r->c->seg[X86_FS].base = DATA;
	r->mem[DATA + 4] = 0x42;
	r->c->r[6] = 4;
	x86_state_changed(r->c, false);
	GUEST(r, 0x64, 0x6e, 0xf4);
	run_to_hlt(r, CODE + 3);
	assert_int_equal(r->out[0], 0x42);
}
static int defer_io(void *o, uint16_t port, unsigned width, bool write, uint8_t *data, uint32_t *count)
{
	(void)o, (void)port, (void)width, (void)write, (void)data, (void)count;
	return X86_DEFER;
}
static void deferred_rep_ins(void **state)
{
	struct rig *r = *state;
	struct x86_cpu *c = r->c;
	rig_long(r, 0);
	r->env.io = defer_io;
	c->r[7] = DATA;
	c->r[1] = 0x100;
	GUEST(r, 0xf3, 0x6c, 0xf4);
	unsigned got = 0;
	while (x86_run(c) == X86_STOP_IO) {
		assert_int_equal(c->r[1], 0x100 - got);
		assert_int_equal(c->rip, CODE);
		for (unsigned i = 0; i < c->stop.count; i++)
			c->stop.data[i] = (uint8_t)(got + i);
		got += c->stop.count;
		x86_answer(c);
	}
	assert_int_equal(c->stop.kind, X86_STOP_HLT);
	assert_int_equal(got, 0x100);
	for (unsigned i = 0; i < 0x100; i++)
		assert_int_equal(r->mem[DATA + i], i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(in_changes_only_its_bytes),
		RIG_TEST(out_widths),
		RIG_TEST(tss_bitmap),
		RIG_TEST(rep_outsb_in_pages),
		RIG_TEST(rep_with_zero_count),
		RIG_TEST(rep_insw_faults_in_the_middle),
		RIG_TEST(insb_backwards_16_bit),
		RIG_TEST(outs_takes_an_override),
		RIG_TEST(deferred_rep_ins),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
