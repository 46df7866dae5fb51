/* test_cpu_replay.c - half-done instructions: the CPU stops with nothing committed, takes the answer, and goes on, also
 * for accesses in several pieces; kicks, budgets and steps between instructions. */
#include "test_cpu_rig.h"

static int setup(void **state)
{
	struct rig *r = rig_new();
	rig_long(r);
	r->defer = true;
	*state = r;
	return 0;
}
static int teardown(void **state)
{
	rig_free(*state);
	return 0;
}

static void expect_mmio(struct rig *r, uint64_t gpa, unsigned len, bool write)
{
	struct x86_stop *s = &r->c->stop;
	assert_int_equal(s->kind, X86_STOP_MMIO);
	assert_true(s->needs_answer);
	assert_int_equal(s->addr, gpa);
	assert_int_equal(s->len, len);
	assert_int_equal(s->write, write);
	assert_int_equal(r->c->rip, RIG_CODE);
}
static void answer(struct rig *r, uint64_t v)
{
	memcpy(r->c->stop.data, &v, 8);
	x86_answer(r->c);
}

static void load_then_go_on(void **state)
{
	struct rig *r = *state;
	rig_code(r, 0x8b, 0x03, HLT); /* mov eax, [rbx] */
	r->c->r[0] = 77;
	r->c->r[3] = RIG_DEVICE;
	x86_run(r->c);
	expect_mmio(r, RIG_DEVICE, 4, false);
	assert_int_equal(r->c->r[0], 77);
	assert_int_equal(r->c->insns, 0);
	answer(r, 0x12345678);
	assert_int_equal(r->c->r[0], 77);
	assert_int_equal(x86_run(r->c), X86_STOP_HLT);
	assert_int_equal(r->c->r[0], 0x12345678);
	assert_int_equal(r->c->insns, 2);
}

static void complete_does_one_instruction(void **state)
{
	struct rig *r = *state;
	rig_code(r, 0x8b, 0x03, 0xff, 0xc0, HLT); /* mov eax, [rbx]; inc eax */
	r->c->r[3] = RIG_DEVICE;
	x86_run(r->c);
	answer(r, 5);
	r->poll = X86_POLL_STOP;
	assert_int_equal(x86_complete(r->c), X86_STOP_BUDGET);
	assert_int_equal(r->c->r[0], 5);
	assert_int_equal(r->c->rip, RIG_CODE + 2);
	assert_int_equal(x86_run(r->c), X86_STOP_POLL);
	assert_int_equal(r->c->r[0], 5);
}

static void read_modify_write(void **state)
{
	struct rig *r = *state;
	rig_code(r, 0x01, 0x03, HLT); /* add [rbx], eax */
	r->c->r[0] = 1;
	r->c->r[3] = RIG_DEVICE;
	x86_run(r->c);
	expect_mmio(r, RIG_DEVICE, 4, false);
	answer(r, 41);
	x86_complete(r->c);
	expect_mmio(r, RIG_DEVICE, 4, true);
	assert_int_equal(*(uint32_t *)(void *)r->c->stop.data, 42);
	x86_answer(r->c);
	assert_int_equal(x86_complete(r->c), X86_STOP_BUDGET);
	assert_int_equal(r->c->rip, RIG_CODE + 2);
}

/* The last bytes of RAM and the first of a device: memory must be read once, whatever is done again. */
static void half_memory_half_device(void **state)
{
	struct rig *r = *state;
	uint64_t *t = (uint64_t *)(void *)(r->ram + RIG_TABLES), *pt = (uint64_t *)(void *)(r->ram + 0x5000);
	t[1024] = 0x5000 | 7; /* 4 KiB pages: the one behind RIG_DATA is the device */
	for (unsigned n = 0; n < 512; n++)
		pt[n] = (uint64_t)n << 12 | 7;
	pt[(RIG_DATA >> 12) + 1] = RIG_DEVICE | 7;
	x86_state_changed(r->c, true);
	rig_code(r, 0x48, 0x01, 0x03, HLT); /* add [rbx], rax */
	r->c->r[0] = 0x0100000001000000;
	r->c->r[3] = RIG_DATA + 0xffc;
	memcpy(r->ram + RIG_DATA + 0xffc, &(uint32_t){7}, 4);
	x86_run(r->c);
	expect_mmio(r, RIG_DEVICE, 4, false);
	answer(r, 8);
	x86_run(r->c);
	expect_mmio(r, RIG_DEVICE, 4, true);
	assert_int_equal(*(uint32_t *)(void *)r->c->stop.data, 0x01000008);
	assert_int_equal(*(uint32_t *)(void *)(r->ram + RIG_DATA + 0xffc), 7);
	x86_answer(r->c);
	assert_int_equal(x86_run(r->c), X86_STOP_HLT);
	assert_int_equal(*(uint32_t *)(void *)(r->ram + RIG_DATA + 0xffc), 0x01000007);
}

static void two_pages_of_device(void **state)
{
	struct rig *r = *state;
	rig_code(r, 0x48, 0x8b, 0x03, HLT); /* mov rax, [rbx] */
	r->c->r[3] = RIG_DEVICE + 0xffb;
	x86_run(r->c);
	expect_mmio(r, RIG_DEVICE + 0xffb, 5, false);
	answer(r, 0x0504030201);
	x86_run(r->c);
	expect_mmio(r, RIG_DEVICE + 0x1000, 3, false);
	answer(r, 0x080706);
	assert_int_equal(x86_run(r->c), X86_STOP_HLT);
	assert_int_equal(r->c->r[0], 0x0807060504030201);
}

static void string_over_device(void **state)
{
	struct rig *r = *state;
	rig_code(r, 0xf3, 0xa4, HLT); /* rep movsb */
	r->c->r[1] = 3;
	r->c->r[6] = RIG_DEVICE;
	r->c->r[7] = RIG_DATA;
	for (unsigned n = 0; n < 3; n++) {
		x86_run(r->c);
		expect_mmio(r, RIG_DEVICE + n, 1, false);
		assert_int_equal(r->c->r[1], 3 - n);
		answer(r, 'a' + n);
	}
	assert_int_equal(x86_run(r->c), X86_STOP_HLT);
	assert_memory_equal(r->ram + RIG_DATA, "abc", 3);
	assert_int_equal(r->c->insns, 4);
}

static void port_in(void **state)
{
	struct rig *r = *state;
	rig_code(r, 0xec, HLT); /* in al, dx */
	r->c->r[2] = 0x3f8;
	assert_int_equal(x86_run(r->c), X86_STOP_IO);
	assert_int_equal(r->c->stop.addr, 0x3f8);
	r->c->stop.data[0] = 0x5a;
	x86_answer(r->c);
	assert_int_equal(x86_run(r->c), X86_STOP_HLT);
	assert_int_equal(r->c->r[0], 0x5a);
}

/* insb with a count: one stop for the whole, its data longer than a log entry. */
static void string_in(void **state)
{
	struct rig *r = *state;
	rig_code(r, 0xf3, 0x6c, HLT);
	r->c->r[1] = 100;
	r->c->r[2] = 0x60;
	r->c->r[7] = RIG_DATA;
	unsigned taken = 0;
	while (x86_run(r->c) == X86_STOP_IO) {
		for (uint32_t n = 0; n < r->c->stop.count; n++)
			r->c->stop.data[n] = (uint8_t)(taken + n);
		taken += r->c->stop.count;
		x86_answer(r->c);
	}
	assert_int_equal(r->c->stop.kind, X86_STOP_HLT);
	assert_int_equal(taken, 100);
	for (unsigned n = 0; n < 100; n++)
		assert_int_equal(r->ram[RIG_DATA + n], n);
	assert_int_equal(r->c->r[1], 0);
	assert_int_equal(r->c->r[7], RIG_DATA + 100);
}

/* The interrupt waits until the pending instruction is complete. */
static void pending_before_interrupts(void **state)
{
	struct rig *r = *state;
	rig_code(r, 0x8b, 0x03, HLT);
	r->c->r[3] = RIG_DEVICE;
	x86_run(r->c);
	r->poll = X86_POLL_STOP;
	atomic_store(&r->attn, 1);
	answer(r, 9);
	assert_int_equal(x86_run(r->c), X86_STOP_POLL);
	assert_int_equal(r->c->r[0], 9);
	assert_int_equal(r->c->rip, RIG_CODE + 2);
}

static void budget_is_exact(void **state)
{
	struct rig *r = *state;
	rig_code(r, 0x48, 0xff, 0xc0, 0xeb, 0xfb); /* again: inc rax; jmp again */
	for (unsigned n = 1; n < 200; n += 13) {
		r->c->r[0] = 0;
		r->c->rip = RIG_CODE;
		r->c->insn_limit = r->c->insns + n;
		assert_int_equal(x86_run(r->c), X86_STOP_BUDGET);
		assert_int_equal(r->c->r[0], (n + 1) / 2);
		assert_int_equal(r->c->insns, r->c->insn_limit);
	}
	r->c->insn_limit = UINT64_MAX;
}

static void step_is_one_iteration(void **state)
{
	struct rig *r = *state;
	rig_code(r, 0xf3, 0xaa, HLT); /* rep stosb */
	r->c->r[1] = 2;
	r->c->r[7] = RIG_DATA;
	assert_int_equal(x86_step(r->c), X86_STOP_BUDGET);
	assert_int_equal(r->c->r[1], 1);
	assert_int_equal(r->c->rip, RIG_CODE);
	x86_step(r->c);
	assert_int_equal(r->c->rip, RIG_CODE + 2);
}

static void poll_stops_a_loop(void **state)
{
	struct rig *r = *state;
	rig_code(r, 0xeb, 0xfe);
	r->poll = X86_POLL_STOP;
	atomic_store(&r->attn, 1);
	assert_int_equal(x86_run(r->c), X86_STOP_POLL);
	assert_int_equal(r->c->rip, RIG_CODE);
}

/* STI; the next instruction is still covered; then the window is open. */
static void window_behind_the_shadow(void **state)
{
	struct rig *r = *state;
	rig_code(r, 0xfb, 0x90, 0x90, HLT);
	r->poll = X86_POLL_WINDOW;
	assert_int_equal(x86_run(r->c), X86_STOP_WINDOW);
	assert_int_equal(r->c->rip, RIG_CODE + 2);
	assert_int_equal(r->c->shadow, 0);
}

/* An NMI latched while another is served keeps no interrupt out. */
static void interrupt_beside_masked_nmi(void **state)
{
	struct rig *r = *state;
	struct x86_cpu *c = r->c;
	static const uint64_t gdt[2] = {0, 0x00209b0000000000};
	uint16_t gate[8] = {0x7000, 8, 0x8e00};
	memcpy(r->ram + 0x6000 + 0x40 * 16, gate, 16);
	memcpy(r->ram + 0x6800, gdt, 16);
	r->ram[0x7000] = HLT;
	c->idt_base = 0x6000;
	c->idt_limit = 0x7ff;
	c->gdt_base = 0x6800;
	c->gdt_limit = 15;
	rig_code(r, 0xeb, 0xfe);
	c->nmi_masked = true;
	c->eflags |= 0x200;
	r->poll = X86_POLL_NMI | X86_POLL_INTR;
	r->vector = 0x40;
	assert_int_equal(x86_run(c), X86_STOP_HLT);
	assert_int_equal(c->rip, 0x7001);
	assert_true(c->nmi_pending);
}

/* ------ masked stores ------ */

/* Half in memory, half in a device: memory is as it was while the device keeps the instruction waiting. */
static void masked_store_over_device(void **state)
{
	struct rig *r = *state;
	uint8_t *edge = r->ram + RIG_RAM - 8;
	rig_code(r, 0x66, 0x0f, 0xf7, 0xc1, HLT); /* maskmovdqu xmm0, xmm1 */
	memset(edge, 0xaa, 8);
	r->c->r[7] = RIG_RAM - 8;
	for (unsigned i = 0; i < 16; i++) {
		r->c->v[0].b[i] = (uint8_t)(0x10 + i);
		r->c->v[1].b[i] = i == 0 || i == 7 || i == 8 || i == 15 ? 0x80 : 0x7f;
	}
	x86_run(r->c);
	expect_mmio(r, RIG_RAM, 1, true);
	assert_int_equal(edge[0], 0xaa);
	x86_answer(r->c);
	x86_run(r->c);
	expect_mmio(r, RIG_RAM + 7, 1, true);
	assert_int_equal(r->c->stop.data[0], 0x1f);
	assert_int_equal(edge[7], 0xaa);
	x86_answer(r->c);
	assert_int_equal(x86_run(r->c), X86_STOP_HLT);
	assert_int_equal(edge[0], 0x10);
	assert_int_equal(edge[1], 0xaa);
	assert_int_equal(edge[7], 0x17);
}

/* An element across the edge comes between the device's and memory's. */
static void vector_masked_store_over_device(void **state)
{
	struct rig *r = *state;
	uint8_t *edge = r->ram + RIG_RAM - 14;
	rig_code(r, 0xc4, 0xe2, 0x75, 0x8e, 0x07, HLT); /* vpmaskmovd [rdi], ymm1, ymm0 */
	r->c->cr4 |= 1 << 18;
	r->c->xcr0 = 7;
	x86_state_changed(r->c, false);
	memset(edge, 0xaa, 14);
	r->c->r[7] = RIG_RAM - 14;
	for (unsigned i = 0; i < 8; i++) {
		r->c->v[0].d[i] = 0x01010101 * (i + 1);
		r->c->v[1].d[i] = 0x80000000;
	}
	for (unsigned i = 0; i < 4; i++) {
		x86_run(r->c);
		expect_mmio(r, RIG_RAM + 2 + 4 * i, 4, true);
		assert_int_equal(edge[12], 0xaa);
		x86_answer(r->c);
	}
	x86_run(r->c);
	expect_mmio(r, RIG_RAM, 2, true);
	assert_int_equal(edge[0], 0xaa);
	x86_answer(r->c);
	assert_int_equal(x86_run(r->c), X86_STOP_HLT);
	assert_int_equal(edge[0], 1);
	assert_int_equal(edge[13], 4);
}

/* ------ code in a device ------ */

/* Give a device's bytes until something else happens; how many reads that took. */
static unsigned serve_code(struct rig *r, uint64_t at, const uint8_t *code, unsigned size)
{
	unsigned reads = 0;
	while (x86_run(r->c) == X86_STOP_MMIO && !r->c->stop.write && r->c->stop.addr - at < size) {
		uint8_t bytes[8] = {0};
		uint64_t v;
		for (unsigned i = 0; i < r->c->stop.len && r->c->stop.addr - at + i < size; i++)
			bytes[i] = code[r->c->stop.addr - at + i];
		assert_true(!(r->c->stop.addr & (r->c->stop.len - 1))); /* in the device's own alignment */
		memcpy(&v, bytes, 8);
		answer(r, v);
		reads++;
	}
	return reads;
}

static void code_in_a_device(void **state)
{
	static const uint8_t code[] = {0xff, 0xc0, 0xff, 0xc0, 0xf4}; /* inc eax; inc eax; hlt */
	struct rig *r = *state;
	rig_code(r, 0xff, 0xe3); /* jmp rbx */
	r->c->r[3] = RIG_DEVICE;
	for (unsigned again = 1; again <= 2; again++) {
		r->c->rip = RIG_CODE;
		assert_int_equal(serve_code(r, RIG_DEVICE, code, sizeof code), 3); /* nothing is kept */
		assert_int_equal(r->c->stop.kind, X86_STOP_HLT);
		assert_int_equal(r->c->rip, RIG_DEVICE + 5);
		assert_int_equal(r->c->r[0], 2 * again);
		assert_int_equal(r->c->insns, 4 * again);
	}
}

/* The instruction is read once, whatever it does to a device itself. */
static void code_in_a_device_that_accesses_it(void **state)
{
	static const uint8_t code[] = {0xff, 0x43, 0x40, 0x90, 0xf4}; /* inc dword [rbx+0x40]; nop; hlt */
	struct rig *r = *state;
	r->c->r[3] = RIG_DEVICE;
	r->c->rip = RIG_DEVICE;
	assert_int_equal(serve_code(r, RIG_DEVICE, code, sizeof code), 1);
	assert_int_equal(r->c->stop.addr, RIG_DEVICE + 0x40);
	assert_int_equal(r->c->rip, RIG_DEVICE);
	answer(r, 41);
	assert_int_equal(x86_run(r->c), X86_STOP_MMIO);
	assert_true(r->c->stop.write);
	assert_int_equal(*(uint32_t *)(void *)r->c->stop.data, 42);
	x86_answer(r->c);
	assert_int_equal(serve_code(r, RIG_DEVICE, code, sizeof code), 2); /* the byte of NOP, four from HLT on */
	assert_int_equal(r->c->stop.kind, X86_STOP_HLT);
}

/* From memory into a device: the first bytes are memory's. */
static void code_across_into_a_device(void **state)
{
	static const uint8_t behind[] = {0x34, 0x12, 0x00, 0x00, 0xf4};
	struct rig *r = *state;
	memcpy(r->ram + RIG_RAM - 1, "\xb8", 1); /* mov eax, imm32 */
	r->c->rip = RIG_RAM - 1;
	assert_int_equal(serve_code(r, RIG_RAM, behind, sizeof behind), 2);
	assert_int_equal(r->c->stop.kind, X86_STOP_HLT);
	assert_int_equal(r->c->r[0], 0x1234);
}

/* Without deferral, and with a budget: exactly as many instructions. */
static void code_in_a_device_counts(void **state)
{
	struct rig *r = *state;
	r->defer = false;
	r->device = 0x9090909090909090;
	for (unsigned n = 1; n < 60; n += 7) {
		r->c->rip = RIG_DEVICE;
		r->c->insn_limit = r->c->insns + n;
		assert_int_equal(x86_run(r->c), X86_STOP_BUDGET);
		assert_int_equal(r->c->rip, RIG_DEVICE + n);
		assert_int_equal(r->c->insns, r->c->insn_limit);
	}
	r->c->rip = RIG_DEVICE;
	assert_int_equal(x86_step(r->c), X86_STOP_BUDGET);
	assert_int_equal(r->c->rip, RIG_DEVICE + 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {T(load_then_go_on),
					   T(complete_does_one_instruction),
					   T(read_modify_write),
					   T(half_memory_half_device),
					   T(two_pages_of_device),
					   T(string_over_device),
					   T(port_in),
					   T(string_in),
					   T(pending_before_interrupts),
					   T(budget_is_exact),
					   T(step_is_one_iteration),
					   T(poll_stops_a_loop),
					   T(window_behind_the_shadow),
					   T(interrupt_beside_masked_nmi),
					   T(masked_store_over_device),
					   T(vector_masked_store_over_device),
					   T(code_in_a_device),
					   T(code_in_a_device_that_accesses_it),
					   T(code_across_into_a_device),
					   T(code_in_a_device_counts)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
