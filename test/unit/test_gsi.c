/* test_gsi.c - interrupt lines of the platform's controllers lead to the same pins on every accelerator: GSI 0, the PIT's, is pin 2 of the I/O APIC. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "accels.h"
#include "conformance/guest.h"

/* mov al, 0xff; out 0x21, al; out 0xa1, al (PIC masked); mov ebx, 0xfee00000; mov dword [rbx + 0xf0], 0x1ff (local APIC on); mov ecx, 0xfec00000; I/O APIC registers 0x15 = 0 and 0x14 = 0x40 (pin 2: vector
 * 0x40, edge, to APIC 0); out 0x10, al; sti; l: hlt; jmp l */
static const uint8_t code[] = {
	0xb0, 0xff, 0xe6, 0x21, 0xe6, 0xa1, 0xbb, 0x00, 0x00, 0xe0, 0xfe, 0xc7, 0x83, 0xf0, 0x00, 0x00,
	0x00, 0xff, 0x01, 0x00, 0x00, 0xb9, 0x00, 0x00, 0xc0, 0xfe, 0xc7, 0x01, 0x15, 0x00, 0x00, 0x00,
	0xc7, 0x41, 0x10, 0x00, 0x00, 0x00, 0x00, 0xc7, 0x01, 0x14, 0x00, 0x00, 0x00, 0xc7, 0x41, 0x10,
	0x40, 0x00, 0x00, 0x00, 0xe6, 0x10, 0xfb, 0xf4, 0xeb, 0xfd,
};
static const uint8_t handler[] = {0xe6, 0x11, 0xf4}; /* out 0x11, al; hlt */

static void line_zero_is_pin_two(void **state)
{
	const vma_accel *accel = *state;
	struct conf conf = {.accel = *accel, .arch = VMA_ARCH_X86_64};
	struct guest g;
	if (!have(*accel))
		skip();
	const struct guest_options options = {.mode = GUEST_LONG, .irqchip = VMA_IRQCHIP_PLATFORM};
	assert_int_equal(guest_open(&g, &conf, &options, code, sizeof code), CONF_PASS);
	guest_code(&g, 0x8100, handler, sizeof handler);
	guest_gate(&g, 0x40, 0x8100);
	assert_int_equal(guest_run(&g, VMA_EXIT_IO), CONF_PASS);
	assert_int_equal(g.exit->io.port, 0x10);
	assert_int_equal(vma_vm_irq_line(g.vm, 0, 1), 0);
	assert_int_equal(vma_vm_irq_line(g.vm, 0, 0), 0);
	if (guest_run(&g, VMA_EXIT_IO) != CONF_PASS)
		fail_msg("%s", conf.reason);
	assert_int_equal(g.exit->io.port, 0x11);
	guest_close(&g);
}

int main(void)
{
	struct CMUnitTest tests[ACCELS];
	for (size_t i = 0; i < ACCELS; i++)
		tests[i] = (struct CMUnitTest){vma_accel_name(accels[i]), line_zero_is_pin_two, NULL, NULL, (void *)(uintptr_t)&accels[i]};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
