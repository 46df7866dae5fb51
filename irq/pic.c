/* pic.c - the PC's pair of 8259A interrupt controllers, with the chipset's edge/level control registers (ELCR).
 * Section names are those of Intel's 8259A datasheet (order 231468). Where hardware and KVM's model differ and state
 * would not move otherwise, KVM's behaviour is taken and said so. */
#include <string.h>

#include "irq.h"
#include "irq_internal.h"

enum {
	MASTER = 0,
	SLAVE = 1,
	CASCADE = 2, /* the master's input that the slave drives */

	ICW1 = 1 << 4, /* command port: bit 4 set starts initialization */
	ICW1_IC4 = 1 << 0,
	ICW4_SFNM = 1 << 4,
	ICW4_AEOI = 1 << 1,

	OCW3 = 1 << 3, /* command port, bit 4 clear: OCW3, else OCW2 */
	OCW3_ESMM = 1 << 6,
	OCW3_SMM = 1 << 5,
	OCW3_POLL = 1 << 2,
	OCW3_RR = 1 << 1,
	OCW3_RIS = 1 << 0,
};
enum { WAIT_NONE, WAIT_ICW2, WAIT_ICW3, WAIT_ICW4 }; /* init_state */

/* Lines 0, 1, 2, 8 and 13 are always edge triggered (the chipset's ELCR). */
static const uint8_t elcr_mask[2] = {0xf8, 0xde};

/* Rank of the most important line in `lines`: 0 highest, 8 when there is none. */
static unsigned rank(const vma_x86_pic *s, unsigned lines)
{
	unsigned i;

	for (i = 0; i < 8; i++)
		if (lines & 1u << ((i + s->priority_add) & 7))
			break;
	return i;
}

static unsigned line_of(const vma_x86_pic *s, unsigned r)
{
	return (r + s->priority_add) & 7;
}

/* Lines in service that count: special mask mode takes the masked ones out. */
static unsigned in_service(const vma_x86_pic *s)
{
	return s->special_mask ? s->isr & ~s->imr & 0xff : s->isr;
}

/* The line for which INT is raised, or -1. */
static int request(const struct irq_pic *pic, unsigned n)
{
	const vma_x86_pic *s = &pic->chip[n];
	unsigned busy = in_service(s);
	unsigned r;

	if (s->init_state)
		return -1;
	if (s->special_fully_nested_mode && n == MASTER)
		busy &= ~(1u << CASCADE);
	r = rank(s, s->irr & ~s->imr & 0xff);
	return r < rank(s, busy) ? (int)line_of(s, r) : -1;
}

/* The slave's INT is the master's line 2, so the master's request bit follows it (it is never a latched edge here). */
static void cascade(struct irq_pic *pic)
{
	vma_x86_pic *m = &pic->chip[MASTER];

	if (request(pic, SLAVE) >= 0)
		m->irr |= 1 << CASCADE;
	else
		m->irr &= ~(1 << CASCADE) & 0xff;
}

void irq_pic_reset(struct irq_pic *pic)
{
	memset(pic, 0, sizeof *pic);
	for (unsigned n = 0; n < 2; n++)
		pic->chip[n].elcr_mask = elcr_mask[n];
}

/* An edge stays requested after the line falls (the 8259A would drop it and give IR7): KVM's does so, and callers
 * send pulses. */
void irq_pic_line(struct irq_pic *pic, unsigned irq, int level)
{
	vma_x86_pic *s = &pic->chip[irq >> 3 & 1];
	unsigned bit = 1u << (irq & 7);

	if (irq == CASCADE || irq > 15)
		return;
	if (s->elcr & bit)
		s->irr = (uint8_t)(level ? s->irr | bit : s->irr & ~bit);
	else if (level && !(s->last_irr & bit))
		s->irr |= (uint8_t)bit;
	s->last_irr = (uint8_t)(level ? s->last_irr | bit : s->last_irr & ~bit);
	cascade(pic);
}

int irq_pic_output(const struct irq_pic *pic)
{
	return request(pic, MASTER) >= 0;
}

/* What one chip does when its request is taken ("Interrupt sequence", "Automatic EOI"). */
static void take(vma_x86_pic *s, unsigned line)
{
	unsigned bit = 1u << line;

	if (!s->auto_eoi)
		s->isr |= (uint8_t)bit;
	else if (s->rotate_on_auto_eoi)
		s->priority_add = (line + 1) & 7;
	if (!(s->elcr & bit))
		s->irr &= (uint8_t)~bit;
}

static uint8_t ack_chip(struct irq_pic *pic, unsigned n)
{
	vma_x86_pic *s = &pic->chip[n];
	int line = request(pic, n);

	if (line < 0)
		return s->irq_base | 7; /* spurious: nothing goes into service */
	take(s, (unsigned)line);
	if (n == MASTER && line == CASCADE)
		return ack_chip(pic, SLAVE);
	return s->irq_base | (uint8_t)line;
}

uint8_t irq_pic_ack(struct irq_pic *pic)
{
	uint8_t vector = ack_chip(pic, MASTER);

	cascade(pic);
	return vector;
}

static void end_of_interrupt(vma_x86_pic *s, unsigned line, int rotate)
{
	s->isr &= (uint8_t) ~(1u << line);
	if (rotate)
		s->priority_add = (line + 1) & 7;
}

/* "Operation control word 2": R, SL, EOI in bits 7:5, level in bits 2:0. */
static void write_ocw2(vma_x86_pic *s, uint8_t value)
{
	unsigned line = value & 7;
	unsigned r;

	switch (value >> 5) {
	case 0: /* rotate in automatic EOI mode: clear, set */
	case 4:
		s->rotate_on_auto_eoi = value >> 7;
		break;
	case 1: /* non-specific EOI, with and without rotation */
	case 5:
		r = rank(s, in_service(s));
		if (r < 8)
			end_of_interrupt(s, line_of(s, r), value >> 7);
		break;
	case 3: /* specific EOI */
	case 7:
		end_of_interrupt(s, line, value >> 7);
		break;
	case 6: /* set priority: this line becomes the lowest */
		s->priority_add = (line + 1) & 7;
		break;
	}
}

static void write_ocw3(vma_x86_pic *s, uint8_t value)
{
	if (value & OCW3_POLL)
		s->poll = 1;
	if (value & OCW3_RR)
		s->read_reg_select = value & OCW3_RIS;
	if (value & OCW3_ESMM)
		s->special_mask = !!(value & OCW3_SMM);
}

/* "Initialization command word 1". LTIM is the ELCR's business in a PC and SNGL does not apply to its two chips.
 * Edges seen are forgotten but lines that are high stay known as high: an input must fall and rise again. */
static void write_icw1(vma_x86_pic *s, uint8_t value)
{
	s->irr &= s->elcr;
	s->isr = s->imr = 0;
	s->priority_add = 0;
	s->special_mask = s->poll = s->read_reg_select = 0;
	s->init4 = value & ICW1_IC4;
	s->auto_eoi = s->rotate_on_auto_eoi = s->special_fully_nested_mode = 0;
	s->init_state = WAIT_ICW2;
}

static void write_data(vma_x86_pic *s, uint8_t value)
{
	switch (s->init_state) {
	case WAIT_ICW2:
		s->irq_base = value & 0xf8;
		s->init_state = WAIT_ICW3;
		break;
	case WAIT_ICW3: /* who is cascaded to whom is wired */
		s->init_state = s->init4 ? WAIT_ICW4 : WAIT_NONE;
		break;
	case WAIT_ICW4:
		s->special_fully_nested_mode = !!(value & ICW4_SFNM);
		s->auto_eoi = !!(value & ICW4_AEOI);
		s->init_state = WAIT_NONE;
		break;
	default:
		s->imr = value;
	}
}

static void write_elcr(vma_x86_pic *s, uint8_t value)
{
	s->elcr = value & s->elcr_mask;
	s->irr = (s->irr & ~s->elcr) | (s->last_irr & s->elcr);
}

void irq_pic_write(struct irq_pic *pic, uint16_t port, uint8_t value)
{
	vma_x86_pic *s = &pic->chip[port >= 0x4d0 ? port & 1 : port >> 7 & 1];

	if (port >= 0x4d0)
		write_elcr(s, value);
	else if (port & 1)
		write_data(s, value);
	else if (value & ICW1)
		write_icw1(s, value);
	else if (value & OCW3)
		write_ocw3(s, value);
	else
		write_ocw2(s, value);
	cascade(pic);
}

/* "Poll command": the read is the acknowledge of this chip alone. */
static uint8_t read_poll(struct irq_pic *pic, unsigned n)
{
	int line = request(pic, n);

	pic->chip[n].poll = 0;
	if (line < 0)
		return 0;
	take(&pic->chip[n], (unsigned)line);
	cascade(pic);
	return 0x80 | (uint8_t)line;
}

uint8_t irq_pic_read(struct irq_pic *pic, uint16_t port)
{
	unsigned n = port >= 0x4d0 ? port & 1 : port >> 7 & 1;
	vma_x86_pic *s = &pic->chip[n];

	if (port >= 0x4d0)
		return s->elcr;
	if (s->poll)
		return read_poll(pic, n);
	if (port & 1)
		return s->imr;
	return s->read_reg_select ? s->isr : s->irr;
}

int irq_pic_set(struct irq_pic *pic, const vma_x86_pic image[2])
{
	for (unsigned n = 0; n < 2; n++)
		if (image[n].init_state > WAIT_ICW4 || image[n].priority_add > 7)
			return -1;
	memcpy(pic->chip, image, sizeof pic->chip);
	for (unsigned n = 0; n < 2; n++) {
		pic->chip[n].irq_base &= 0xf8;
		pic->chip[n].elcr_mask = elcr_mask[n];
		pic->chip[n].elcr &= elcr_mask[n];
	}
	cascade(pic);
	return 0;
}
