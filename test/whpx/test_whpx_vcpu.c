/* test_whpx_vcpu.c - a vCPU on WHPX: one whose creation failed half way is created again, and a guest finds nothing in its
 * CPUID that its table has not, no hypervisor of Microsoft's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "conformance/guest.h"
#include "os/os.h"
#include "sim/whpx/whpsim.h"
#include "whpx/whpx.h"

static struct conf conf = {.accel = VMA_ACCEL_WHPX, .arch = VMA_ARCH_X86_64};

static int no_registers(const char *call)
{
	return strcmp(call, "WHvGetVirtualProcessorRegisters") ? 0 : E_OUTOFMEMORY;
}

static void test_created_again(void **state)
{
	vma_vm_config c = {.size = sizeof c, .accel = VMA_ACCEL_WHPX, .arch = VMA_ARCH_X86_64};
	vma_vcpu *v;
	vma_vm *vm;

	(void)state;
	assert_int_equal(vma_vm_create(&c, &vm), 0);
	assert_int_equal(vma_vm_finalize(vm), 0);
	vma_os_fault = no_registers;
	assert_int_equal(vma_vcpu_create(vm, 0, &v), VMA_E_NOMEM);
	vma_os_fault = NULL;
	assert_int_equal(vma_vcpu_create(vm, 0, &v), 0);
	assert_int_equal(vma_vm_destroy(vm), 0);
	assert_int_equal(whpsim_breaches(), 0);
}

static void open_guest(struct guest *g, const void *code, size_t size)
{
	if (guest_open(g, &conf, &(struct guest_options){.mode = GUEST_LONG}, code, size) != CONF_PASS)
		fail_msg("%s", conf.reason);
}

/* mov eax, esi; cpuid; out 0x10, al */
static void test_hidden(void **state)
{
	static const uint8_t code[] = {0x89, 0xf0, 0x0f, 0xa2, 0xe6, 0x10};
	static const uint32_t leaves[] = {0x40000001, 0x40000003, 5, 0x10, 0x14};

	(void)state;
	for (size_t i = 0; i < sizeof leaves / sizeof *leaves; i++) {
		struct guest g;

		open_guest(&g, code, sizeof code);
		guest_set(&g, VMA_X86_RSI, leaves[i]);
		assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_IO);
		assert_int_equal(guest_get(&g, VMA_X86_RAX) | guest_get(&g, VMA_X86_RBX) | guest_get(&g, VMA_X86_RCX) |
					 guest_get(&g, VMA_X86_RDX),
				 0);
		guest_close(&g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_created_again), cmocka_unit_test(test_hidden)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
