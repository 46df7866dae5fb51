/* The 8259A pair against its datasheet: priorities, EOI commands, modes, cascade, polling, ELCR. */
#include "test_irq_rig.h"

static int ack(struct rig *r)
{
	return irq_pc_ack(&r->pc, 0);
}

static void pulse(struct rig *r, unsigned irq)
{
	irq_pc_line(&r->pc, irq, 1);
	irq_pc_line(&r->pc, irq, 0);
}

static void priorities_and_eoi_order(void **state)
{
	struct rig *r = rig_make(1, 0);

	(void)state;
	pic_start(r, 1, 1);
	assert_int_equal(irq_pc_pending(&r->pc, 0), 0);
	pulse(r, 5);
	assert_int_equal(irq_pc_pending(&r->pc, 0), 1);
	assert_int_equal(r->wakes[0], 1);
	pulse(r, 3);
	assert_int_equal(ack(r), 0x23);
	assert_int_equal(irq_pc_pending(&r->pc, 0), 0); /* 5 is below 3 */
	pulse(r, 1);
	assert_int_equal(ack(r), 0x21);
	outb(r, 0x20, 0x0b);
	assert_int_equal(inb(r, 0x20), 0x0a); /* ISR */
	outb(r, 0x20, 0x0a);
	assert_int_equal(inb(r, 0x20), 0x20); /* IRR */
	outb(r, 0x20, 0x20);
	assert_int_equal(ack(r), -1);
	outb(r, 0x20, 0x20);
	assert_int_equal(ack(r), 0x25);
	outb(r, 0x20, 0x65); /* specific EOI of 5 */
	outb(r, 0x20, 0x0b);
	assert_int_equal(inb(r, 0x20), 0);
	free(r);
}

static void mask_while_pending(void **state)
{
	struct rig *r = rig_make(1, 0);

	(void)state;
	pic_start(r, 1, 1);
	pulse(r, 4);
	outb(r, 0x21, 0x10);
	assert_int_equal(inb(r, 0x21), 0x10);
	assert_int_equal(irq_pc_pending(&r->pc, 0), 0);
	assert_int_equal(ack(r), -1);
	outb(r, 0x21, 0);
	assert_int_equal(ack(r), 0x24);
	free(r);
}

static void cascade(void **state)
{
	struct rig *r = rig_make(1, 0);

	(void)state;
	pic_start(r, 1, 1);
	pulse(r, 12);
	pulse(r, 8);
	assert_int_equal(ack(r), 0x28);
	assert_int_equal(ack(r), -1);
	pulse(r, 3); /* below the cascade line 2 */
	assert_int_equal(ack(r), -1);
	outb(r, 0xa0, 0x20);
	outb(r, 0x20, 0x20);
	assert_int_equal(ack(r), 0x2c);
	outb(r, 0xa0, 0x20);
	outb(r, 0x20, 0x20);
	assert_int_equal(ack(r), 0x23);
	irq_pc_line(&r->pc, 2, 1); /* not an input of the PC */
	outb(r, 0x20, 0x20);
	assert_int_equal(ack(r), -1);
	free(r);
}

static void withdrawn_slave_request_leaves_the_master(void **state)
{
	struct rig *r = rig_make(1, 0);

	(void)state;
	pic_start(r, 1, 1);
	pulse(r, 9);
	assert_int_equal(irq_pc_pending(&r->pc, 0), 1);
	outb(r, 0xa1, 0x02);
	assert_int_equal(irq_pc_pending(&r->pc, 0), 0);
	assert_int_equal(ack(r), -1);
	free(r);
}

static void special_fully_nested(void **state)
{
	struct rig *r = rig_make(1, 0);

	(void)state;
	pic_start(r, 0x11, 1);
	pulse(r, 12);
	assert_int_equal(ack(r), 0x2c);
	pulse(r, 9); /* higher on the same slave: let through */
	assert_int_equal(ack(r), 0x29);
	free(r);
}

static void special_mask(void **state)
{
	struct rig *r = rig_make(1, 0);

	(void)state;
	pic_start(r, 1, 1);
	pulse(r, 3);
	assert_int_equal(ack(r), 0x23);
	pulse(r, 6);
	assert_int_equal(ack(r), -1);
	outb(r, 0x21, 0x08);
	assert_int_equal(ack(r), -1); /* a mask alone does not help */
	outb(r, 0x20, 0x68);
	assert_int_equal(ack(r), 0x26);
	outb(r, 0x20, 0x20); /* non-specific EOI passes over the masked 3 */
	outb(r, 0x20, 0x0b);
	assert_int_equal(inb(r, 0x20), 0x08);
	free(r);
}

static void rotation(void **state)
{
	struct rig *r = rig_make(1, 0);

	(void)state;
	pic_start(r, 1, 1);
	pulse(r, 1);
	assert_int_equal(ack(r), 0x21);
	outb(r, 0x20, 0xa0); /* rotate on non-specific EOI: 1 is lowest, 2 highest */
	pulse(r, 0);
	pulse(r, 6);
	assert_int_equal(ack(r), 0x26);
	outb(r, 0x20, 0xe6); /* rotate on specific EOI: 7 highest */
	pulse(r, 7);
	assert_int_equal(ack(r), 0x27);
	outb(r, 0x20, 0x20);
	outb(r, 0x20, 0xc3); /* set priority: 3 lowest, 4 highest */
	pulse(r, 4);
	assert_int_equal(ack(r), 0x24);
	outb(r, 0x20, 0x20);
	assert_int_equal(ack(r), 0x20);
	free(r);
}

static void automatic_eoi(void **state)
{
	struct rig *r = rig_make(1, 0);

	(void)state;
	pic_start(r, 3, 3);
	pulse(r, 0);
	assert_int_equal(ack(r), 0x20);
	outb(r, 0x20, 0x0b);
	assert_int_equal(inb(r, 0x20), 0);
	outb(r, 0x20, 0x80); /* rotate in automatic EOI mode */
	pulse(r, 0);
	pulse(r, 5);
	assert_int_equal(ack(r), 0x20);
	pulse(r, 0);
	assert_int_equal(ack(r), 0x25);
	assert_int_equal(ack(r), 0x20);
	free(r);
}

static void level_triggered(void **state)
{
	struct rig *r = rig_make(1, 0);

	(void)state;
	pic_start(r, 1, 1);
	assert_int_equal(irq_pc_port_write(&r->pc, 0x4d0, 2, 0xffff), IRQ_OK);
	assert_int_equal(inb(r, 0x4d0), 0xf8);
	assert_int_equal(inb(r, 0x4d1), 0xde);
	irq_pc_line(&r->pc, 11, 1);
	assert_int_equal(ack(r), 0x2b);
	outb(r, 0xa0, 0x20);
	outb(r, 0x20, 0x20);
	assert_int_equal(ack(r), 0x2b); /* still asserted */
	irq_pc_line(&r->pc, 11, 0);
	outb(r, 0xa0, 0x20);
	outb(r, 0x20, 0x20);
	assert_int_equal(ack(r), -1);
	irq_pc_line(&r->pc, 11, 1);
	irq_pc_line(&r->pc, 11, 0); /* gone before the acknowledge */
	assert_int_equal(irq_pc_pending(&r->pc, 0), 0);
	free(r);
}

static void edge_fires_once(void **state)
{
	struct rig *r = rig_make(1, 0);

	(void)state;
	pic_start(r, 1, 1);
	irq_pc_line(&r->pc, 5, 1);
	assert_int_equal(ack(r), 0x25);
	outb(r, 0x20, 0x20);
	irq_pc_line(&r->pc, 5, 1);
	assert_int_equal(ack(r), -1);
	outb(r, 0x20, 0x11); /* ICW1: a line that is high must fall first */
	outb(r, 0x21, 0x20);
	outb(r, 0x21, 0x04);
	outb(r, 0x21, 1);
	irq_pc_line(&r->pc, 5, 1);
	assert_int_equal(ack(r), -1);
	irq_pc_line(&r->pc, 5, 0);
	irq_pc_line(&r->pc, 5, 1);
	assert_int_equal(ack(r), 0x25);
	free(r);
}

static void polling(void **state)
{
	struct rig *r = rig_make(1, 0);

	(void)state;
	pic_start(r, 1, 1);
	outb(r, 0x20, 0x0c);
	assert_int_equal(inb(r, 0x20) & 0x80, 0);
	pulse(r, 6);
	outb(r, 0x20, 0x0c);
	assert_int_equal(inb(r, 0x20), 0x86);
	assert_int_equal(irq_pc_pending(&r->pc, 0), 0);
	outb(r, 0x20, 0x0b);
	assert_int_equal(inb(r, 0x20), 0x40);
	free(r);
}

static void spurious_is_ir7_and_not_in_service(void **state)
{
	struct irq_pic pic;

	(void)state;
	irq_pic_reset(&pic);
	irq_pic_write(&pic, 0x20, 0x11);
	irq_pic_write(&pic, 0x21, 0x40);
	irq_pic_write(&pic, 0x21, 0x04);
	irq_pic_write(&pic, 0x21, 0x01);
	assert_int_equal(irq_pic_ack(&pic), 0x47);
	irq_pic_write(&pic, 0x20, 0x0b);
	assert_int_equal(irq_pic_read(&pic, 0x20), 0);
}

static void nothing_is_raised_during_initialization(void **state)
{
	struct rig *r = rig_make(1, 0);

	(void)state;
	outb(r, 0x20, 0x11);
	pulse(r, 1);
	assert_int_equal(irq_pc_pending(&r->pc, 0), 0);
	outb(r, 0x21, 0x30);
	outb(r, 0x21, 0x04);
	outb(r, 0x21, 0x01);
	assert_int_equal(ack(r), 0x31);
	free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(priorities_and_eoi_order),
		cmocka_unit_test(mask_while_pending),
		cmocka_unit_test(cascade),
		cmocka_unit_test(withdrawn_slave_request_leaves_the_master),
		cmocka_unit_test(special_fully_nested),
		cmocka_unit_test(special_mask),
		cmocka_unit_test(rotation),
		cmocka_unit_test(automatic_eoi),
		cmocka_unit_test(level_triggered),
		cmocka_unit_test(edge_fires_once),
		cmocka_unit_test(polling),
		cmocka_unit_test(spurious_is_ir7_and_not_in_service),
		cmocka_unit_test(nothing_is_raised_during_initialization),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
