/* test_kvm_irq.c - KVM: injection without controllers, and the controllers' lines, messages and eventfds. test-labels: posix */
#include <sys/eventfd.h>
#include <unistd.h>
#include "kvm_guest.h"

/* Handlers of vector n at 0:0x2000+16*n: inc bx; iret. */
static void handler(struct guest *g, unsigned vector)
{
	uint16_t at = (uint16_t)(0x2000 + 16 * (vector & 0x3f));

	memcpy(g->ram + vector * 4, &at, 2);
	memset(g->ram + vector * 4 + 2, 0, 2);
	memcpy(g->ram + at, "\x43\xcf", 2);
}

static void injects(void **state)
{
	GUEST(g, 0xfb, 0x90, 0xf4, 0xf4, 0xf4);

	(void)state;
	handler(&g, 0x40);
	EXPECT(&g, HLT); /* sti; nop; hlt */
	OK(vma_x86_interrupt(g.cpu, 0x40));
	assert_int_equal(vma_x86_interrupt(g.cpu, 0x41), VMA_E_BUSY);
	EXPECT(&g, HLT);
	assert_int_equal(reg(&g, VMA_X86_RBX), 1);
	assert_int_equal(reg(&g, VMA_X86_RIP), CODE + 4);
	EXPECT(&g, HLT);
	assert_int_equal(reg(&g, VMA_X86_RBX), 1);
	guest_end(&g);
}

/* IF clear: busy; the window opens behind STI's shadow (where KVM emulates: some instructions later), once. */
static void window(void **state)
{
	GUEST(g, 0xf4, 0xfb, 0x90, 0x85, 0xdb, 0x74, 0xfc, 0xf4); /* hlt; sti; nop; 1: test bx,bx; jz 1b; hlt */

	(void)state;
	handler(&g, 0x40);
	EXPECT(&g, HLT);
	assert_int_equal(vma_x86_interrupt(g.cpu, 0x40), VMA_E_BUSY);
	OK(vma_x86_irq_window(g.cpu, 1));
	EXPECT(&g, IRQ_WINDOW);
	assert_in_range(reg(&g, VMA_X86_RIP), CODE + 3, CODE + 5); /* past the instruction behind STI */
	OK(vma_x86_interrupt(g.cpu, 0x40));
	EXPECT(&g, HLT);
	assert_int_equal(reg(&g, VMA_X86_RBX), 1);
	guest_end(&g);
}

/* A window asked for when the guest can take an interrupt already opens at once. */
static void window_now(void **state)
{
	GUEST(g, 0xfb, 0x90, 0xf4, 0xf4);

	(void)state;
	EXPECT(&g, HLT);
	OK(vma_x86_irq_window(g.cpu, 1));
	EXPECT(&g, IRQ_WINDOW);
	assert_int_equal(reg(&g, VMA_X86_RIP), CODE + 3);
	EXPECT(&g, HLT);
	guest_end(&g);
}

/* Before the first run and after registers were written KVM has said nothing yet: the state decides. */
static void ready_by_state(void **state)
{
	GUEST(g, 0xf4);

	(void)state;
	handler(&g, 0x40);
	assert_int_equal(vma_x86_interrupt(g.cpu, 0x40), VMA_E_BUSY);
	set_reg(&g, VMA_X86_RFLAGS, 0x202);
	OK(vma_x86_interrupt(g.cpu, 0x40));
	EXPECT(&g, HLT);
	assert_int_equal(reg(&g, VMA_X86_RBX), 1);
	guest_end(&g);
}

static void nmi(void **state)
{
	GUEST(g, 0xf4, 0xf4);

	(void)state;
	handler(&g, 2);
	EXPECT(&g, HLT);
	OK(vma_x86_nmi(g.cpu));
	EXPECT(&g, HLT);
	assert_int_equal(reg(&g, VMA_X86_RBX), 1);
	guest_end(&g);
}

/* An exception with an error code, in protected mode it would be pushed; here only that it arrives, and survives a
 * write of registers. */
static void exception(void **state)
{
	GUEST(g, 0x90, 0xf4);

	(void)state;
	handler(&g, 6);
	OK(vma_x86_exception(g.cpu, 6, 0, 0, 0));
	set_reg(&g, VMA_X86_RAX, 7);
	EXPECT(&g, HLT);
	assert_int_equal(reg(&g, VMA_X86_RBX), 1);
	assert_int_equal(reg(&g, VMA_X86_RAX), 7);
	guest_end(&g);
}

/* ------ with KVM's controllers ------ */

/* Waits in a loop of hlt with interrupts on; the handler counts in BX and writes to port 0x55. */
static const uint8_t waiting[] = {0xfb, 0xf4, 0xeb, 0xfd};

static void start_waiting(struct guest *g, unsigned vector)
{
	vma_vm_config c = guest_config();
	uint16_t at = 0x2000;

	c.irqchip = VMA_IRQCHIP_PLATFORM;
	guest_start(g, &c, waiting, sizeof(waiting));
	memcpy(g->ram + vector * 4, &at, 2);
	memcpy(g->ram + at, "\x43\xe6\x55\xb0\x20\xe6\x20\xcf", 8); /* inc bx; out 0x55,al; EOI to the PIC; iret */
}

/* As firmware leaves it: the local APIC is on and passes the PIC's interrupts through LINT0. */
static void virtual_wire(struct guest *g)
{
	uint8_t lapic[0x400];

	OK(vma_x86_get_lapic(g->cpu, lapic));
	memcpy(lapic + 0xf0, "\xff\x01\0\0", 4);
	memcpy(lapic + 0x350, "\0\x07\0\0", 4); /* ExtINT */
	OK(vma_x86_set_lapic(g->cpu, lapic));
}

static void msi_wakes(void **state)
{
	struct guest g;

	(void)state;
	start_waiting(&g, 0x51);
	virtual_wire(&g);
	assert_int_equal(reg(&g, VMA_X86_CR8), 0); /* brings the cached APIC to KVM before the message comes */
	OK(vma_vm_msi(g.vm, 0xfee00000, 0x51));
	EXPECT(&g, IO);
	assert_int_equal(g.exit->io.port, 0x55);
	assert_int_equal(reg(&g, VMA_X86_RBX), 1);
	guest_end(&g);
}

/* Initialises the master PIC (base 0x20, all lines open), says so at port 0x54, then waits. */
static const uint8_t pic_guest[] = {
    0xb0, 0x11, 0xe6, 0x20, 0xb0, 0x20, 0xe6, 0x21, 0xb0, 0x04, 0xe6, 0x21, 0xb0,
    0x01, 0xe6, 0x21, 0xb0, 0x00, 0xe6, 0x21, 0xe6, 0x54, 0xfb, 0xf4, 0xeb, 0xfd,
};

static void pic_guest_start(struct guest *g)
{
	vma_vm_config c = guest_config();
	uint16_t at = 0x2000;

	c.irqchip = VMA_IRQCHIP_PLATFORM;
	guest_start(g, &c, pic_guest, sizeof(pic_guest));
	memcpy(g->ram + 0x25 * 4, &at, 2);
	memcpy(g->ram + at, "\x43\xe6\x55\xb0\x20\xe6\x20\xcf", 8);
	virtual_wire(g);
	EXPECT(g, IO); /* the PIC's ports are KVM's; 0x54 says that it is set up */
	assert_int_equal(g->exit->io.port, 0x54);
}

static void line_through_the_pic(void **state)
{
	struct guest g;

	(void)state;
	pic_guest_start(&g);
	for (uint64_t i = 1; i < 3; i++) {
		OK(vma_vm_irq_line(g.vm, 5, 1));
		OK(vma_vm_irq_line(g.vm, 5, 0)); /* an edge */
		EXPECT(&g, IO);
		assert_int_equal(g.exit->io.port, 0x55);
		assert_int_equal(reg(&g, VMA_X86_RBX), i);
	}
	guest_end(&g);
}

static void irqfd(void **state)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	struct guest g;

	(void)state;
	pic_guest_start(&g);
	OK(vma_vm_irqfd(g.vm, fd, 5, 1));
	assert_int_equal(eventfd_write(fd, 1), 0);
	EXPECT(&g, IO);
	assert_int_equal(g.exit->io.port, 0x55);
	OK(vma_vm_irqfd(g.vm, fd, 5, 0));
	close(fd);
	guest_end(&g);
}

static void ioeventfd(void **state)
{
	/* out dx,al twice: 0x60 value 7 matches, value 8 does not; mov [bx],ax into a hole */
	GUEST(g, 0xb0, 0x07, 0xe6, 0x60, 0xb0, 0x08, 0xe6, 0x60, 0x89, 0x07, 0xf4);
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	vma_ioeventfd port = {.address = 0x60, .length = 1, .pio = 1, .match = 1, .value = 7, .eventfd = fd};
	vma_ioeventfd any = {.address = HOLE, .length = 0, .eventfd = fd};
	eventfd_t n = 0;

	(void)state;
	set_reg(&g, VMA_X86_DS_BASE, HOLE);
	OK(vma_vm_ioeventfd(g.vm, &port, 1));
	OK(vma_vm_ioeventfd(g.vm, &any, 1));
	EXPECT(&g, IO);
	assert_int_equal(*g.exit->io.data, 8);
	assert_int_equal(eventfd_read(fd, &n), 0);
	assert_int_equal(n, 1);
	EXPECT(&g, HLT);
	assert_int_equal(eventfd_read(fd, &n), 0);
	OK(vma_vm_ioeventfd(g.vm, &port, 0));
	assert_true(vma_vm_ioeventfd(g.vm, &port, 0) < 0);
	set_reg(&g, VMA_X86_RIP, CODE);
	EXPECT(&g, IO);
	assert_int_equal(*g.exit->io.data, 7);
	close(fd);
	guest_end(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(injects),    cmocka_unit_test(window),
	    cmocka_unit_test(window_now), cmocka_unit_test(ready_by_state),
	    cmocka_unit_test(nmi),        cmocka_unit_test(exception),
	    cmocka_unit_test(msi_wakes),  cmocka_unit_test(line_through_the_pic),
	    cmocka_unit_test(irqfd),      cmocka_unit_test(ioeventfd),
	};

	SKIP_WITHOUT_KVM();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
