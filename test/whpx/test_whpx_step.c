/* test_whpx_step.c - steps on WHPX are the emulator's: what an instruction reads besides the registers, and what it does to
 * the processor besides them, is the platform's all the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "conformance/guest.h"
#include "sim/whpx/whpsim.h"

static struct conf conf = {.accel = VMA_ACCEL_WHPX, .arch = VMA_ARCH_X86_64};

static void open_guest(struct guest *g, const void *code, size_t size)
{
	if (guest_open(g, &conf, &(struct guest_options){.mode = GUEST_LONG, .cpu_model = "x86-64-v2"}, code, size) != CONF_PASS)
		fail_msg("%s", conf.reason);
}

static void step(struct guest *g, unsigned times)
{
	const vma_debug on = {.size = sizeof on, .single_step = 1}, off = {.size = sizeof off};

	assert_int_equal(vma_vcpu_complete(g->v), 0);
	assert_int_equal(vma_vcpu_debug(g->v, &on), 0);
	for (unsigned i = 0; i < times; i++)
		assert_int_equal(vma_vcpu_run(g->v), VMA_EXIT_DEBUG);
	assert_int_equal(vma_vcpu_debug(g->v, &off), 0);
}

/* RDTSCP reads IA32_TSC_AUX, which the platform keeps. */
static void test_aux(void **state)
{
	static const uint8_t code[] = {0x0f, 0x01, 0xf9, 0xf4}; /* rdtscp; hlt */
	static const uint32_t index = 0xc0000103;
	const uint64_t value = 0x12345678;
	struct guest g;

	(void)state;
	open_guest(&g, code, sizeof code);
	assert_int_equal(vma_x86_set_msrs(g.v, &index, &value, 1), 1);
	step(&g, 1);
	assert_int_equal(guest_get(&g, VMA_X86_RIP), GUEST_CODE + 3);
	assert_int_equal(guest_get(&g, VMA_X86_RCX), value);
	guest_close(&g);
}

/* What the platform's local APIC answers is the platform's to step: its page and, in x2APIC mode, its MSRs. No trap flag
 * is left. */
static void test_apic(void **state)
{
	/* mov ecx, [rdx]; mov [rdi], eax; nop; hlt */
	static const uint8_t page[] = {0x8b, 0x0a, 0x89, 0x07, 0x90, 0xf4};
	/* mov ecx, 0x808; wrmsr; mov ecx, 0x803; rdmsr; nop; hlt */
	static const uint8_t msrs[] = {0xb9, 0x08, 0x08, 0, 0, 0x0f, 0x30, 0xb9, 0x03, 0x08, 0, 0, 0x0f, 0x32, 0x90, 0xf4};
	const struct guest_options platform = {.mode = GUEST_LONG, .irqchip = VMA_IRQCHIP_PLATFORM};

	(void)state;
	for (int x2apic = 0; x2apic < 2; x2apic++) {
		struct guest g;
		vma_x86_sregs s;

		if (guest_open(&g, &conf, &platform, x2apic ? msrs : page, x2apic ? sizeof msrs : sizeof page) != CONF_PASS)
			fail_msg("%s", conf.reason);
		assert_int_equal(vma_x86_get_sregs(g.v, &s), 0);
		s.apic_base |= x2apic ? 0x400 : 0;
		assert_int_equal(vma_x86_set_sregs(g.v, &s), 0);
		guest_set(&g, VMA_X86_RDX, x2apic ? 0 : 0xfee00030);
		guest_set(&g, VMA_X86_RDI, 0xfee00080);
		guest_set(&g, VMA_X86_RAX, 0x50);
		step(&g, x2apic ? 2 : 1);
		step(&g, x2apic ? 2 : 1);
		assert_int_equal(guest_get(&g, VMA_X86_RIP), GUEST_CODE + (x2apic ? sizeof msrs : sizeof page) - 2);
		assert_int_equal(guest_get(&g, VMA_X86_CR8), 5);
		assert_int_equal(guest_get(&g, x2apic ? VMA_X86_RAX : VMA_X86_RCX) & 0xf0, 0x10); /* its version */
		assert_int_equal(guest_get(&g, VMA_X86_RFLAGS) & 0x100, 0);
		step(&g, 1);
		guest_close(&g);
	}
	assert_int_equal(whpsim_breaches(), 0);
}

/* ------ translations ------ */

enum { TABLES = GUEST_TABLES + 0x80000, OLD = 0x20000, NEW = 0x21000, USED = 3, GLOBAL = 0x100, PGE = 1 << 7 };

static void put_entry(struct guest *g, uint64_t at, uint64_t value)
{
	memcpy(g->ram + at, &value, sizeof value);
}

/* A page at 80000000h: OLD's, by an entry at TABLES + 1000h. */
static void put_page(struct guest *g, uint64_t flags)
{
	put_entry(g, GUEST_TABLES + 0x1000 + 2 * 8, TABLES | USED);
	put_entry(g, TABLES, (TABLES + 0x1000) | USED);
	put_entry(g, TABLES + 0x1000, OLD | USED | flags);
	g->ram[OLD] = 'o';
	g->ram[NEW] = 'n';
}

/* Behind the step the platform runs on, which has used the old entry before. */
static void test_translations(void **state)
{
	/* mov al, [rbx]; mov [rsi], rdx; out 0x10, al; THESE; mov al, [rbx]; out 0x11, al */
	static const struct {
		const char *name;
		uint8_t these[6], size, steps;
		uint64_t flags;
	} rows[] = {
		{"invlpg [rbx]", {0x0f, 0x01, 0x3b}, 3, 1, 0},
		{"invlpg [rbx], of a global page", {0x0f, 0x01, 0x3b}, 3, 1, GLOBAL},
		{"mov rax, cr3; mov cr3, rax", {0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8}, 6, 2, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		uint8_t code[32] = {0x8a, 0x03, 0x48, 0x89, 0x16, 0xe6, 0x10};
		struct guest g;
		vma_x86_sregs s;

		memcpy(code + 7, rows[i].these, rows[i].size);
		memcpy(code + 7 + rows[i].size, "\x8a\x03\xe6\x11", 4);
		open_guest(&g, code, sizeof code);
		put_page(&g, rows[i].flags);
		assert_int_equal(vma_x86_get_sregs(g.v, &s), 0);
		s.cr4 |= PGE;
		assert_int_equal(vma_x86_set_sregs(g.v, &s), 0);
		guest_set(&g, VMA_X86_RBX, 0x80000000);
		guest_set(&g, VMA_X86_RSI, TABLES + 0x1000);
		guest_set(&g, VMA_X86_RDX, NEW | USED | rows[i].flags);
		assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_IO);
		assert_int_equal(*g.exit->io.data, 'o');
		step(&g, rows[i].steps);
		assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_IO);
		assert_int_equal(g.exit->io.port, 0x11);
		if (*g.exit->io.data != 'n')
			fail_msg("%s: the old page is still there", rows[i].name);
		guest_close(&g);
	}
	assert_int_equal(whpsim_breaches(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_aux), cmocka_unit_test(test_apic), cmocka_unit_test(test_translations)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
