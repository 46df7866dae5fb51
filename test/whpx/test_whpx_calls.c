/* test_whpx_calls.c - no register call is made that is not needed: the calls that an exit costs on WHPX, counted by the
 * simulation. And bursts: that they save calls, give way to whoever wants the vCPU, and are tried seldom where they are in
 * vain. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "conformance/guest.h"
#include "sim/whpx/notimpl.h"
#include "sim/whpx/whpsim.h"
#include "whpx/whpx.h"

enum { ROUNDS = 20 };

static struct conf conf = {.accel = VMA_ACCEL_WHPX, .arch = VMA_ARCH_X86_64};

struct counts {
	uint64_t runs, gets, sets, xsave_gets, xsave_sets;
};

static void count(struct guest *g, struct counts *c)
{
	const struct whp_counts *n = whpsim_counts(whpx_vm(g->vm)->partition, 0);

	assert_non_null(n);
	*c = (struct counts){n->runs, n->gets, n->sets, n->xsave_gets, n->xsave_sets};
}

enum { ALWAYS = 0 };

static void open_guest(struct guest *g, unsigned limit, const void *code, size_t size)
{
	whpx_burst_limit = limit;
	if (guest_open(g, &conf, &(struct guest_options){.mode = GUEST_LONG}, code, size) != CONF_PASS)
		fail_msg("%s", conf.reason);
	guest_set(g, VMA_X86_RBX, GUEST_MMIO);
}

static void close_guest(struct guest *g)
{
	guest_close(g);
	assert_int_equal(whpsim_breaches(), 0);
	assert_int_equal(whpsim_unimplemented_calls(), 0);
}

/* ------ what an exit costs ------ */

static const struct row {
	const char *name;
	uint8_t code[20], size;
	uint8_t exits; /* one time round */
	uint8_t runs, gets, sets, xsave;
} rows[] = {
	/* out 0x10, al */
	{"OUT", {0xe6, 0x10, 0xeb, 0xfc}, 4, 1, 1, 0, 1, 0},
	/* in al, 0x10 */
	{"IN", {0xe4, 0x10, 0xeb, 0xfc}, 4, 1, 1, 0, 1, 0},
	/* mov [rbx+8], eax */
	{"a store of a register", {0x89, 0x43, 0x08, 0xeb, 0xfb}, 5, 1, 1, 1, 1, 0},
	/* mov dword ptr [rbx+8], 5 */
	{"a store of an immediate", {0xc7, 0x43, 0x08, 5, 0, 0, 0, 0xeb, 0xf7}, 9, 1, 1, 0, 1, 0},
	/* mov byte ptr [rbx], 5 */
	{"a store of an immediate byte at the begin of a page", {0xc6, 0x03, 5, 0xeb, 0xfb}, 5, 1, 1, 0, 1, 0},
	/* mov dword ptr [rbx], 5: may be the second half of an operand across two pages, so RBX is asked for */
	{"a store of an immediate at the begin of a page", {0xc7, 0x03, 5, 0, 0, 0, 0xeb, 0xf8}, 8, 1, 1, 1, 1, 0},
	/* mov [rbx], eax: RAX and RBX in one */
	{"a store of a register at the begin of a page", {0x89, 0x03, 0xeb, 0xfc}, 4, 1, 1, 1, 1, 0},
	/* mov eax, [rbx+0x18] */
	{"a load", {0x8b, 0x43, 0x18, 0xeb, 0xfb}, 5, 1, 1, 0, 1, 0},
	/* movzx edx, byte ptr [rbx+0x18] */
	{"MOVZX", {0x0f, 0xb6, 0x53, 0x18, 0xeb, 0xfa}, 6, 1, 1, 0, 1, 0},
	/* mov dl, [rbx+0x18]: the rest of RDX stays */
	{"a load of a byte", {0x8a, 0x53, 0x18, 0xeb, 0xfb}, 5, 1, 1, 1, 1, 0},
	/* mov eax, [rbx+8]: the entry of its 1 GiB page stands at that offset, too, so it is emulated */
	{"a load that may be one of the page tables'", {0x8b, 0x43, 0x08, 0xeb, 0xfb}, 5, 1, 1, 1, 1, 0},
	/* or dword ptr [rbx+8], 1: emulated */
	{"read, modify and write", {0x83, 0x4b, 0x08, 1, 0xeb, 0xfa}, 6, 2, 1, 1, 1, 0},
	/* movups xmm0, [rbx+8]: in two parts; XSAVE too */
	{"a load of a vector", {0x0f, 0x10, 0x43, 0x08, 0xeb, 0xfa}, 6, 2, 1, 1, 1, 1},
	/* xor eax, eax; cpuid; out 0x10, al: a leaf of the result list makes no exit */
	{"CPUID out of the list", {0x31, 0xc0, 0x0f, 0xa2, 0xe6, 0x10, 0xeb, 0xf8}, 8, 1, 1, 0, 1, 0},
	/* mov eax, 1; cpuid; out 0x10, al: bits of the vCPU's own are answered inside */
	{"CPUID of a vCPU's own", {0xb8, 1, 0, 0, 0, 0x0f, 0xa2, 0xe6, 0x10, 0xeb, 0xf5}, 11, 1, 2, 0, 2, 0},
};

/* Other data each time: what does not change is not written. */
static void run_rounds(struct guest *g, const struct row *r, unsigned rounds)
{
	for (unsigned i = 0; i < rounds * r->exits; i++) {
		assert_true(vma_vcpu_run(g->v) > 0);
		if (g->exit->kind == VMA_EXIT_MMIO && !g->exit->mmio.write)
			g->exit->mmio.data[0] = (uint8_t)(rounds + i);
	}
}

static void exit_costs(void **state)
{
	const struct row *r = *state;
	struct counts before, after;
	struct guest g;

	open_guest(&g, 0, r->code, r->size);
	run_rounds(&g, r, 2); /* what the first costs besides */
	count(&g, &before);
	run_rounds(&g, r, ROUNDS);
	count(&g, &after);
	assert_int_equal(after.runs - before.runs, ROUNDS * r->runs);
	assert_int_equal(after.gets - before.gets, ROUNDS * r->gets);
	assert_int_equal(after.sets - before.sets, ROUNDS * r->sets);
	assert_true(after.xsave_gets - before.xsave_gets <= 2u * ROUNDS * r->xsave);
	assert_int_equal(after.xsave_sets - before.xsave_sets, ROUNDS * r->xsave);
	close_guest(&g);
}

/* ------ bursts ------ */

/* 1: out 0x10, al; mov [rbx+8], eax; add eax, [rbx+4]; jmp 1b */
static const uint8_t busy[] = {0xe6, 0x10, 0x89, 0x43, 0x08, 0x03, 0x43, 0x04, 0xeb, 0xf6};

static void bursts_save_calls(void **state)
{
	struct counts before, after;
	struct guest g;

	(void)state;
	open_guest(&g, 32, busy, sizeof busy);
	for (int i = 0; i < 9; i++)
		assert_true(vma_vcpu_run(g.v) > 0);
	count(&g, &before);
	for (int i = 0; i < 600; i++) {
		assert_true(vma_vcpu_run(g.v) > 0);
		if (g.exit->kind == VMA_EXIT_MMIO && !g.exit->mmio.write)
			memcpy(g.exit->mmio.data, "\1\0\0\0", 4);
	}
	count(&g, &after);
	assert_true(after.runs - before.runs <= 600 / 40);
	assert_true(after.gets - before.gets <= 600 / 40);
	assert_true(after.sets - before.sets <= 600 / 40);
	assert_int_equal(vma_vcpu_complete(g.v), 0);
	assert_true(guest_get(&g, VMA_X86_RAX) >= 199);
	close_guest(&g);
}

/* No exit costs a second, whatever the test runs under. */
static void bursts_only_where_they_pay(void **state)
{
	struct counts before, after;
	struct guest g;

	(void)state;
	whpx_burst_exit_ns = 1000000000;
	open_guest(&g, 32, busy, sizeof busy);
	for (int i = 0; i < 99; i++)
		assert_true(vma_vcpu_run(g.v) > 0);
	count(&g, &before);
	for (int i = 0; i < 300; i++)
		assert_true(vma_vcpu_run(g.v) > 0);
	count(&g, &after);
	assert_true(after.runs - before.runs >= 200);
	close_guest(&g);
	whpx_burst_exit_ns = ALWAYS;
}

/* mov ecx, 100; 1: loop 1b; out 0x10, al; jmp: nothing for a burst to meet. Each try costs a get and a set more. */
static void bursts_in_vain_are_seldom(void **state)
{
	static const uint8_t idle[] = {0xb9, 100, 0, 0, 0, 0xe2, 0xfe, 0xe6, 0x10, 0xeb, 0xf5};
	struct counts before, after;
	struct guest g;

	(void)state;
	open_guest(&g, 32, idle, sizeof idle);
	count(&g, &before);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_IO);
	count(&g, &after);
	assert_in_range(after.gets - before.gets, 1, 40);
	assert_true(after.runs - before.runs >= 1000);
	close_guest(&g);
}

/* Kicked after each exit, in and out of bursts: CANCELED at once, once, and nothing is lost. */
static void bursts_see_kicks(void **state)
{
	struct guest g;
	vma_kick *kick;
	uint64_t outs = 0;

	(void)state;
	open_guest(&g, 32, busy, sizeof busy);
	assert_int_equal(vma_vcpu_kick_handle(g.v, &kick), 0);
	for (int i = 0; i < 200; i++) {
		int kind = vma_vcpu_run(g.v);

		assert_true(kind == VMA_EXIT_IO || kind == VMA_EXIT_MMIO);
		outs += kind == VMA_EXIT_IO;
		vma_kick_send(kick);
		assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_CANCELED);
	}
	assert_int_equal(outs, 67);
	vma_kick_unref(kick);
	close_guest(&g);
}

/* The window asked for in the middle of a burst opens before the next instruction, and the interrupt comes first. */
static void bursts_see_windows(void **state)
{
	static const uint8_t handler[] = {0xe6, 0x77, 0x48, 0xcf}; /* out 0x77, al; iretq */
	struct guest g;

	(void)state;
	open_guest(&g, 32, busy, sizeof busy);
	guest_gate(&g, 0x40, GUEST_TRAPS);
	guest_code(&g, GUEST_TRAPS, handler, sizeof handler);
	guest_set(&g, VMA_X86_RFLAGS, 0x202);
	for (int i = 0; i < 50; i++) {
		assert_true(vma_vcpu_run(g.v) > 0);
		assert_int_equal(vma_x86_irq_window(g.v, 1), 0);
		assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_IRQ_WINDOW);
		assert_int_equal(vma_x86_interrupt(g.v, 0x40), 0);
		assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_IO);
		assert_int_equal(g.exit->io.port, 0x77);
	}
	close_guest(&g);
}

/* 1: or byte ptr [rbx], 1; mov [rsi], rcx; inc rcx; jmp 1b. What is written in passing stands in the log. */
static void bursts_log_what_they_write(void **state)
{
	static const uint8_t code[] = {0x80, 0x0b, 0x01, 0x48, 0x89, 0x0e, 0x48, 0xff, 0xc1, 0xeb, 0xf5};
	uint64_t bits = 0;
	struct guest g;

	(void)state;
	open_guest(&g, 32, code, sizeof code);
	assert_int_equal(guest_map(&g, 0x70000000, 0x4000, VMA_MAP_RWX | VMA_MAP_LOG, NULL), CONF_PASS);
	guest_set(&g, VMA_X86_RSI, 0x70002008);
	for (int i = 0; i < 40; i++) {
		assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_MMIO);
		if (i == 20) {
			assert_int_equal(vma_vm_dirty_log(g.vm, 0x70000000, 0x4000, &bits, 1), 0);
			assert_int_equal(bits, 4);
		}
	}
	assert_int_equal(vma_vm_dirty_log(g.vm, 0x70000000, 0x4000, &bits, 1), 0);
	assert_int_equal(bits, 4);
	close_guest(&g);
}

int main(void)
{
	enum { ROWS = sizeof rows / sizeof *rows };
	const struct CMUnitTest others[] = {
		cmocka_unit_test(bursts_save_calls), cmocka_unit_test(bursts_in_vain_are_seldom),
		cmocka_unit_test(bursts_see_kicks),  cmocka_unit_test(bursts_see_windows),
		cmocka_unit_test(bursts_log_what_they_write), cmocka_unit_test(bursts_only_where_they_pay),
	};
	struct CMUnitTest tests[ROWS + sizeof others / sizeof *others];

	whpx_burst_exit_ns = ALWAYS;
	for (size_t i = 0; i < ROWS; i++)
		tests[i] = (struct CMUnitTest){rows[i].name, exit_costs, NULL, NULL, (void *)(uintptr_t)&rows[i]};
	memcpy(tests + ROWS, others, sizeof others);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
