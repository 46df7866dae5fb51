/* One local APIC against SDM chapter 11: priorities, EOI, enabling, LVT, errors, and the modes of IA32_APIC_BASE. */
#include "test_irq_rig.h"

#define BASE 0x1b
#define XAPIC 0xfee00800ull
#define X2APIC 0xfee00c00ull
#define DISABLED 0xfee00000ull

static void self(struct rig *r, uint8_t vector)
{
	lapic_write(r, 0, 0x300, 0x40000u | vector);
}

static void reset_values(void **state)
{
	struct rig *r = rig_make(2, 0);

	(void)state;
	assert_int_equal(lapic_read(r, 0, 0x20), 0);
	assert_int_equal(lapic_read(r, 1, 0x20), 0x01000000);
	assert_int_equal(lapic_read(r, 0, 0x30), 0x50014);
	assert_int_equal(lapic_read(r, 0, 0xe0), 0xffffffff);
	assert_int_equal(lapic_read(r, 0, 0xf0), 0xff);
	assert_int_equal(lapic_read(r, 1, 0x350), 0x10000);
	assert_int_equal(lapic_read(r, 0, 0x350), 0x700); /* the virtual wire */
	assert_int_equal(lapic_read(r, 0, 0x370), 0x10000);
	assert_int_equal(irq_pc_get_apic_base(&r->pc, 0), 0xfee00900);
	assert_int_equal(irq_pc_get_apic_base(&r->pc, 1), 0xfee00800);
	free(r);
}

static void priority_and_nesting(void **state)
{
	struct rig *r = rig_make(1, 0);

	(void)state;
	lapic_enable(r, 1);
	self(r, 0x45);
	self(r, 0x47);
	assert_int_equal(r->wakes[0], 1);
	assert_int_equal(irq_pc_ack(&r->pc, 0), 0x47);
	assert_int_equal(lapic_read(r, 0, 0xa0), 0x40);
	assert_int_equal(irq_pc_ack(&r->pc, 0), -1); /* same class waits */
	self(r, 0x91);
	assert_int_equal(irq_pc_ack(&r->pc, 0), 0x91);
	assert_int_equal(lapic_read(r, 0, 0xa0), 0x90);
	assert_int_equal(lapic_read(r, 0, 0x140), 1u << 17); /* ISR 0x91 */
	assert_int_equal(lapic_read(r, 0, 0x120), 1u << 7);
	assert_int_equal(lapic_read(r, 0, 0x220), 1u << 5); /* IRR 0x45 */
	lapic_eoi(r, 0); /* highest first */
	assert_int_equal(lapic_read(r, 0, 0x140), 0);
	assert_int_equal(lapic_read(r, 0, 0x120), 1u << 7);
	assert_int_equal(irq_pc_ack(&r->pc, 0), -1);
	lapic_eoi(r, 0);
	assert_int_equal(irq_pc_ack(&r->pc, 0), 0x45);
	lapic_eoi(r, 0);
	lapic_eoi(r, 0); /* nothing in service: no effect */
	assert_int_equal(lapic_read(r, 0, 0xa0), 0);
	free(r);
}

static void tpr_and_cr8(void **state)
{
	struct rig *r = rig_make(1, 0);

	(void)state;
	lapic_enable(r, 1);
	irq_pc_set_cr8(&r->pc, 0, 4);
	assert_int_equal(lapic_read(r, 0, 0x80), 0x40);
	self(r, 0x4f);
	assert_int_equal(irq_pc_pending(&r->pc, 0), 0);
	assert_int_equal(r->wakes[0], 0);
	lapic_write(r, 0, 0x80, 0x3f);
	assert_int_equal(irq_pc_get_cr8(&r->pc, 0), 3);
	assert_int_equal(lapic_read(r, 0, 0xa0), 0x3f);
	assert_int_equal(irq_pc_pending(&r->pc, 0), 1);
	assert_int_equal(r->wakes[0], 1);
	irq_pc_set_cr8(&r->pc, 0, 15);
	assert_int_equal(irq_pc_pending(&r->pc, 0), 0);
	assert_int_equal(irq_pc_ack(&r->pc, 0), -1);
	irq_pc_set_cr8(&r->pc, 0, 0);
	assert_int_equal(irq_pc_ack(&r->pc, 0), 0x4f);
	free(r);
}

static void software_disable(void **state)
{
	struct rig *r = rig_make(1, 0);

	(void)state;
	self(r, 0x50);
	assert_int_equal(irq_pc_pending(&r->pc, 0), 0); /* disabled after reset */
	lapic_write(r, 0, 0x370, 0x30);
	assert_int_equal(lapic_read(r, 0, 0x370), 0x10030); /* the mask cannot be cleared */
	lapic_enable(r, 1);
	lapic_write(r, 0, 0x370, 0x30);
	assert_int_equal(lapic_read(r, 0, 0x370), 0x30);
	self(r, 0x50);
	lapic_write(r, 0, 0xf0, 0xff);
	assert_int_equal(lapic_read(r, 0, 0x370), 0x10030);
	assert_int_equal(irq_pc_ack(&r->pc, 0), 0x50); /* what had come stays */
	free(r);
}

static void error_status(void **state)
{
	struct rig *r = rig_make(1, 0);

	(void)state;
	lapic_enable(r, 1);
	lapic_write(r, 0, 0x370, 0x66);
	self(r, 5);
	assert_int_equal(lapic_read(r, 0, 0x280), 0); /* visible after a write */
	lapic_write(r, 0, 0x280, 0);
	assert_int_equal(lapic_read(r, 0, 0x280), 0x20);
	assert_int_equal(irq_pc_ack(&r->pc, 0), 0x66);
	lapic_eoi(r, 0);
	assert_int_equal(irq_pc_msi(&r->pc, 0xfee00000, 3), 0);
	lapic_read(r, 0, 0x60);
	lapic_write(r, 0, 0x280, 0);
	assert_int_equal(lapic_read(r, 0, 0x280), 0xc0); /* received illegal vector, illegal register */
	lapic_write(r, 0, 0x280, 0);
	assert_int_equal(lapic_read(r, 0, 0x280), 0);
	lapic_write(r, 0, 0x370, 0x03); /* an illegal vector in the error entry itself */
	self(r, 5);
	lapic_write(r, 0, 0x280, 0);
	assert_int_equal(lapic_read(r, 0, 0x280), 0x20);
	free(r);
}

static void access_sizes(void **state)
{
	struct rig *r = rig_make(2, 0);
	uint8_t byte;
	uint64_t wide = 0;
	uint16_t half = 0x1ff;

	(void)state;
	assert_int_equal(irq_pc_mmio_read(&r->pc, 1, 0xfee00023, &byte, 1), IRQ_OK);
	assert_int_equal(byte, 1);
	assert_int_equal(irq_pc_mmio_read(&r->pc, 1, 0xfee00030, &wide, 8), IRQ_OK);
	assert_int_equal(wide, 0x50014);
	assert_int_equal(irq_pc_mmio_write(&r->pc, 1, 0xfee000f0, &half, 2), IRQ_OK);
	assert_int_equal(lapic_read(r, 1, 0xf0), 0xff);
	assert_int_equal(irq_pc_mmio_read(&r->pc, 0, 0xfee01000, &byte, 1), IRQ_NOT_MINE);
	assert_int_equal(irq_pc_mmio_read(&r->pc, 0, 0xfec00100, &byte, 1), IRQ_NOT_MINE);
	assert_int_equal(lapic_read(r, 0, 0xff0), 0);
	free(r);
}

static void lint0_virtual_wire(void **state)
{
	struct rig *r = rig_make(2, 0);

	(void)state;
	pic_start(r, 1, 1);
	irq_pc_line(&r->pc, 1, 1);
	assert_int_equal(irq_pc_pending(&r->pc, 0), 1);
	assert_int_equal(irq_pc_pending(&r->pc, 1), 0);
	lapic_enable(r, 2);
	lapic_write(r, 0, 0x350, 0x10700);
	assert_int_equal(irq_pc_pending(&r->pc, 0), 0);
	lapic_write(r, 1, 0x350, 0x700);
	assert_int_equal(irq_pc_pending(&r->pc, 1), 1);
	lapic_write(r, 1, 0x80, 0xff); /* TPR does not hold ExtINT */
	assert_int_equal(irq_pc_ack(&r->pc, 1), 0x21);
	assert_int_equal(irq_pc_pending(&r->pc, 1), 0);
	free(r);
}

static void local_apic_goes_before_pic(void **state)
{
	struct rig *r = rig_make(1, 0);

	(void)state;
	pic_start(r, 1, 1);
	lapic_enable(r, 1);
	lapic_write(r, 0, 0x350, 0x700);
	irq_pc_line(&r->pc, 1, 1);
	self(r, 0x80);
	assert_int_equal(irq_pc_ack(&r->pc, 0), 0x80);
	assert_int_equal(irq_pc_ack(&r->pc, 0), 0x21);
	free(r);
}

static void lint0_fixed_edge_and_level(void **state)
{
	struct rig *r = rig_make(1, 0);

	(void)state;
	pic_start(r, 1, 1);
	lapic_enable(r, 1);
	lapic_write(r, 0, 0x350, 0x55);
	irq_pc_line(&r->pc, 1, 1);
	assert_int_equal(irq_pc_ack(&r->pc, 0), 0x55);
	lapic_eoi(r, 0);
	assert_int_equal(irq_pc_ack(&r->pc, 0), -1);
	lapic_write(r, 0, 0x350, 0x8055); /* level: INTR is still high */
	assert_int_equal(lapic_read(r, 0, 0x350), 0xc055);
	assert_int_equal(irq_pc_ack(&r->pc, 0), 0x55);
	lapic_eoi(r, 0);
	assert_int_equal(irq_pc_ack(&r->pc, 0), 0x55);
	outb(r, 0x21, 0xff);
	lapic_eoi(r, 0);
	assert_int_equal(irq_pc_ack(&r->pc, 0), -1);
	assert_int_equal(lapic_read(r, 0, 0x350), 0x8055);
	free(r);
}

static void lint1_nmi(void **state)
{
	struct rig *r = rig_make(2, 0);

	(void)state;
	irq_pc_nmi_button(&r->pc);
	assert_int_equal(r->nmis[0], 0);
	lapic_enable(r, 2);
	lapic_write(r, 0, 0x360, 0x400);
	assert_int_equal(irq_pc_wrmsr(&r->pc, 1, BASE, DISABLED), IRQ_OK);
	irq_pc_nmi_button(&r->pc);
	assert_int_equal(r->nmis[0], 1);
	assert_int_equal(r->nmis[1], 1); /* no APIC: the NMI pin */
	free(r);
}

static void base_transitions(void **state)
{
	/* figure 11-27 */
	static const struct {
		uint64_t from, to;
		int result;
	} t[] = {
		{XAPIC, X2APIC, IRQ_OK},         {XAPIC, DISABLED, IRQ_OK},
		{XAPIC, 0xfee00400, IRQ_FAULT},  {X2APIC, XAPIC, IRQ_FAULT},
		{X2APIC, DISABLED, IRQ_OK},      {X2APIC, 0xfee00400, IRQ_FAULT},
		{X2APIC, X2APIC, IRQ_OK},        {DISABLED, XAPIC, IRQ_OK},
		{DISABLED, X2APIC, IRQ_FAULT},   {DISABLED, 0xfee00400, IRQ_FAULT},
		{XAPIC, XAPIC | 1, IRQ_FAULT},   {XAPIC, XAPIC | 0x200, IRQ_FAULT},
		{XAPIC, XAPIC | 1ull << 40, IRQ_FAULT}, {XAPIC, XAPIC | 1ull << 39, IRQ_OK},
	};
	uint64_t v;

	(void)state;
	for (unsigned i = 0; i < sizeof t / sizeof *t; i++) {
		struct rig *r = rig_make(2, 0);

		assert_int_equal(irq_pc_set_apic_base(&r->pc, 1, t[i].from), 0);
		assert_int_equal(irq_pc_wrmsr(&r->pc, 1, BASE, t[i].to), t[i].result);
		assert_int_equal(irq_pc_rdmsr(&r->pc, 1, BASE, &v), IRQ_OK);
		assert_int_equal(v, t[i].result == IRQ_OK ? t[i].to : t[i].from);
		free(r);
	}
}

static void no_x2apic_in_cpuid(void **state)
{
	struct rig *r = rig_make(1, 0);

	(void)state;
	r->pc.config.x2apic = 0;
	assert_int_equal(irq_pc_wrmsr(&r->pc, 0, BASE, X2APIC), IRQ_FAULT);
	assert_int_equal(irq_pc_set_apic_base(&r->pc, 0, X2APIC), -1);
	free(r);
}

static void disabling_loses_state(void **state)
{
	struct rig *r = rig_make(1, 0);
	uint32_t v;

	(void)state;
	lapic_enable(r, 1);
	self(r, 0x70);
	assert_int_equal(irq_pc_wrmsr(&r->pc, 0, BASE, DISABLED), IRQ_OK);
	assert_int_equal(irq_pc_pending(&r->pc, 0), 0);
	assert_int_equal(irq_pc_mmio_read(&r->pc, 0, 0xfee00030, &v, 4), IRQ_NOT_MINE);
	assert_int_equal(irq_pc_msi(&r->pc, 0xfee00000, 0x41), 0);
	pic_start(r, 1, 1);
	irq_pc_line(&r->pc, 1, 1); /* INTR goes straight to the CPU */
	assert_int_equal(irq_pc_ack(&r->pc, 0), 0x21);
	assert_int_equal(irq_pc_wrmsr(&r->pc, 0, BASE, XAPIC), IRQ_OK);
	assert_int_equal(lapic_read(r, 0, 0xf0), 0xff);
	assert_int_equal(lapic_read(r, 0, 0x230), 0);
	free(r);
}

static void moved_page(void **state)
{
	struct rig *r = rig_make(1, 0);
	uint32_t v;

	(void)state;
	assert_int_equal(irq_pc_wrmsr(&r->pc, 0, BASE, 0xd0000900), IRQ_OK);
	assert_int_equal(irq_pc_mmio_read(&r->pc, 0, 0xfee00030, &v, 4), IRQ_NOT_MINE);
	assert_int_equal(irq_pc_mmio_read(&r->pc, 0, 0xd0000030, &v, 4), IRQ_OK);
	assert_int_equal(v, 0x50014);
	free(r);
}

/* SDM table 11-6: who may be read and written, and which bits are reserved. */
static void x2apic_registers(void **state)
{
	struct rig *r = rig_make(20, 0);
	static const uint32_t no_read[] = {0x800, 0x809, 0x80b, 0x80c, 0x80e, 0x82f, 0x831, 0x83a, 0x83f, 0x840, 0x8ff};
	static const uint32_t no_write[] = {0x802, 0x803, 0x80a, 0x80d, 0x80e, 0x810, 0x818,
					    0x827, 0x831, 0x839, 0x8ff};
	static const struct {
		uint32_t msr;
		uint64_t value;
	} reserved[] = {{0x808, 0x100}, {0x808, 1ull << 32}, {0x80b, 1}, {0x80f, 0x1000}, {0x828, 1}, {0x830, 0x2000},
			{0x832, 0x80000}, {0x835, 0x800}, {0x837, 0x100}, {0x838, 1ull << 32},
			{0x83e, 4}, {0x83f, 0x100}};
	uint32_t w;
	uint64_t v;

	(void)state;
	assert_int_equal(irq_pc_rdmsr(&r->pc, 18, 0x802, &v), IRQ_FAULT); /* not in that mode */
	assert_int_equal(irq_pc_wrmsr(&r->pc, 18, BASE, X2APIC), IRQ_OK);
	assert_int_equal(irq_pc_mmio_read(&r->pc, 18, 0xfee00030, &w, 4), IRQ_NOT_MINE);
	assert_int_equal(irq_pc_rdmsr(&r->pc, 18, 0x802, &v), IRQ_OK);
	assert_int_equal(v, 18);
	assert_int_equal(irq_pc_rdmsr(&r->pc, 18, 0x80d, &v), IRQ_OK);
	assert_int_equal(v, 0x10004);
	for (unsigned i = 0; i < sizeof no_read / sizeof *no_read; i++)
		assert_int_equal(irq_pc_rdmsr(&r->pc, 18, no_read[i], &v), IRQ_FAULT);
	for (unsigned i = 0; i < sizeof no_write / sizeof *no_write; i++)
		assert_int_equal(irq_pc_wrmsr(&r->pc, 18, no_write[i], 0), IRQ_FAULT);
	for (unsigned i = 0; i < sizeof reserved / sizeof *reserved; i++)
		assert_int_equal(irq_pc_wrmsr(&r->pc, 18, reserved[i].msr, reserved[i].value), IRQ_FAULT);
	assert_int_equal(irq_pc_wrmsr(&r->pc, 18, 0x80f, 0x1ff), IRQ_OK);
	assert_int_equal(irq_pc_wrmsr(&r->pc, 18, 0x83f, 0x99), IRQ_OK); /* self IPI */
	assert_int_equal(irq_pc_ack(&r->pc, 18), 0x99);
	assert_int_equal(irq_pc_wrmsr(&r->pc, 18, 0x80b, 0), IRQ_OK);
	assert_int_equal(irq_pc_rdmsr(&r->pc, 18, 0x814, &v), IRQ_OK);
	assert_int_equal(v, 0);
	assert_int_equal(irq_pc_rdmsr(&r->pc, 18, 0x10, &v), IRQ_NOT_MINE);
	assert_int_equal(irq_pc_wrmsr(&r->pc, 18, 0x10, 0), IRQ_NOT_MINE);
	free(r);
}

static void entering_x2apic_keeps_state(void **state)
{
	struct rig *r = rig_make(1, 0);
	uint64_t v;

	(void)state;
	lapic_enable(r, 1);
	lapic_write(r, 0, 0x80, 0x20);
	self(r, 0x70);
	assert_int_equal(irq_pc_wrmsr(&r->pc, 0, BASE, X2APIC), IRQ_OK);
	assert_int_equal(irq_pc_rdmsr(&r->pc, 0, 0x808, &v), IRQ_OK);
	assert_int_equal(v, 0x20);
	assert_int_equal(irq_pc_ack(&r->pc, 0), 0x70);
	free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reset_values),
		cmocka_unit_test(priority_and_nesting),
		cmocka_unit_test(tpr_and_cr8),
		cmocka_unit_test(software_disable),
		cmocka_unit_test(error_status),
		cmocka_unit_test(access_sizes),
		cmocka_unit_test(lint0_virtual_wire),
		cmocka_unit_test(local_apic_goes_before_pic),
		cmocka_unit_test(lint0_fixed_edge_and_level),
		cmocka_unit_test(lint1_nmi),
		cmocka_unit_test(base_transitions),
		cmocka_unit_test(no_x2apic_in_cpuid),
		cmocka_unit_test(disabling_loses_state),
		cmocka_unit_test(moved_page),
		cmocka_unit_test(x2apic_registers),
		cmocka_unit_test(entering_x2apic_keeps_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
