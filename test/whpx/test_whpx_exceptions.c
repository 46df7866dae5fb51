/* test_whpx_exceptions.c - #GP exits of WHPX, which are there for the MSRs that it refuses: what is not an MSR's goes back to
 * the guest as it was, in real mode too and in the middle of a delivery; and an MSR's is found without its bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "conformance/guest.h"
#include "sim/whpx/config.h"
#include "sim/whpx/whpsim.h"

static struct conf conf = {.accel = VMA_ACCEL_WHPX, .arch = VMA_ARCH_X86_64};

enum { DF = 8, GP = 13, WANTED = 0x12345, X2APIC_NONE = 0x820 };

static int want_msr(vma_vm *vm)
{
	return vma_vm_msr_exits(vm, WANTED, 1, 3);
}

static int want_apic(vma_vm *vm)
{
	return vma_vm_msr_exits(vm, X2APIC_NONE, 1, 3);
}

static void open_guest(struct guest *g, const struct guest_options *o, const void *code, size_t size)
{
	if (guest_open(g, &conf, o, code, size) != CONF_PASS)
		fail_msg("%s", conf.reason);
}

static void run_trap(struct guest *g, unsigned vector)
{
	if (guest_run_trap(g, vector) != CONF_PASS)
		fail_msg("%s", conf.reason);
}

/* An exception there has no error code: the processor does not enter with one. By the guest's own doing, by what the
 * emulator finds, and by the caller's answer. */
static void test_real_mode(void **state)
{
	static const struct {
		uint8_t code[4];
		uint32_t rcx;
	} rows[] = {{{0xa1, 0xff, 0xff}, 0} /* mov ax, [0xffff] */, {{0x0f, 0x32}, 0x777} /* rdmsr */, {{0x0f, 0x32}, WANTED}};
	static const uint8_t handler[] = {0xe6, GP, 0xf4}, vector[] = {0x00, 0x90, 0x00, 0x00};
	const struct guest_options real = {.mode = GUEST_REAL, .configure = want_msr};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct guest g;

		open_guest(&g, &real, rows[i].code, sizeof rows[i].code);
		guest_code(&g, 4 * GP, vector, sizeof vector);
		guest_code(&g, 0x9000, handler, sizeof handler);
		guest_set(&g, VMA_X86_RCX, rows[i].rcx);
		if (rows[i].rcx == WANTED) {
			assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_MSR);
			g.exit->msr.fault = 1;
		}
		run_trap(&g, GP);
		assert_int_equal(guest_get(&g, VMA_X86_RSP), GUEST_STACK - 6);
		guest_close(&g);
	}
	assert_int_equal(whpsim_breaches(), 0);
}

/* mov rcx, [rax], not canonical: #GP, whose gate is behind the IDT's limit: #GP again. With the gate of #DF the guest has
 * that; without it shuts down. */
static void test_in_delivery(void **state)
{
	static const uint8_t code[] = {0x48, 0x8b, 0x08};
	const struct guest_options wants = {.mode = GUEST_LONG, .configure = want_msr};

	(void)state;
	for (int df = 0; df < 2; df++) {
		struct guest g;
		vma_x86_sregs s;

		open_guest(&g, &wants, code, sizeof code);
		guest_traps(&g);
		guest_set(&g, VMA_X86_RAX, UINT64_C(1) << 63);
		assert_int_equal(vma_x86_get_sregs(g.v, &s), 0);
		s.idtr.limit = df ? 16 * (DF + 1) - 1 : 0;
		assert_int_equal(vma_x86_set_sregs(g.v, &s), 0);
		if (df)
			run_trap(&g, DF);
		else
			assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_TRIPLE_FAULT);
		guest_close(&g);
	}
	assert_int_equal(whpsim_breaches(), 0);
}

/* The local APIC of an older Windows answers with #GP what is not there, and of the exits of a hostile one some have no
 * bytes. */
static void test_without_bytes(void **state)
{
	static const uint8_t code[] = {0x0f, 0x32, 0xeb, 0xfc}; /* 1: rdmsr; jmp 1b */
	const struct guest_options wants = {.mode = GUEST_LONG, .irqchip = VMA_IRQCHIP_PLATFORM, .configure = want_apic};
	struct guest g;

	(void)state;
	open_guest(&g, &wants, code, sizeof code);
	guest_traps(&g);
	guest_set(&g, VMA_X86_RCX, X2APIC_NONE);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_MSR);
		assert_int_equal(g.exit->msr.index, X2APIC_NONE);
		assert_int_equal(guest_get(&g, VMA_X86_RIP), GUEST_CODE);
		g.exit->msr.value = (uint64_t)i << 32 | 7;
		assert_int_equal(vma_vcpu_complete(g.v), 0);
		assert_int_equal(guest_get(&g, VMA_X86_RDX), i);
	}
	guest_close(&g);
	assert_int_equal(whpsim_breaches(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_real_mode),
		cmocka_unit_test(test_without_bytes),
		cmocka_unit_test(test_in_delivery),
	};

	if (whpsim_configure("2004,hostile=5"))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
