/* irq_internal.h - what the files of irq/ share and nobody else sees: the local APIC's register numbers and the
 * calls between its parts. */
#ifndef IRQ_INTERNAL_H
#define IRQ_INTERNAL_H

#include "irq.h"

/* Indices into struct irq_lapic's reg: offset >> 4 in the page, MSR 0x800 + index (SDM tables 11-1 and 11-6). */
enum {
	R_ID = 0x02,
	R_VERSION = 0x03,
	R_TPR = 0x08,
	R_APR = 0x09,
	R_PPR = 0x0a,
	R_EOI = 0x0b,
	R_RRD = 0x0c,
	R_LDR = 0x0d,
	R_DFR = 0x0e,
	R_SVR = 0x0f,
	R_ISR = 0x10, /* 8 each */
	R_TMR = 0x18,
	R_IRR = 0x20,
	R_ESR = 0x28,
	R_ICR = 0x30,
	R_ICR2 = 0x31,
	R_LVT_TIMER = 0x32,
	R_LVT_THERMAL = 0x33,
	R_LVT_PERF = 0x34,
	R_LVT_LINT0 = 0x35,
	R_LVT_LINT1 = 0x36,
	R_LVT_ERROR = 0x37,
	R_TMICT = 0x38,
	R_TMCCT = 0x39,
	R_DCR = 0x3e,
	R_SELF = 0x3f
};

enum {
	SVR_ENABLE = 1 << 8, /* SDM figure 11-23 */
	SVR_SUPPRESS_EOI = 1 << 12,
	LVT_REMOTE_IRR = 1 << 14, /* SDM figure 11-8 */
	LVT_LEVEL = 1 << 15,
	LVT_MASKED = 1 << 16,
	ESR_SEND_ILLEGAL = 1 << 5, /* SDM figure 11-9 */
	ESR_RECEIVE_ILLEGAL = 1 << 6,
	ESR_REGISTER = 1 << 7,
	BASE_BSP = 1 << 8, /* IA32_APIC_BASE, SDM figure 11-26 */
	BASE_EXTD = 1 << 10,
	BASE_EN = 1 << 11
};

static inline int lapic_enabled(const struct irq_lapic *l)
{
	return (l->base_msr & BASE_EN) != 0;
}

static inline int lapic_x2(const struct irq_lapic *l)
{
	return (l->base_msr & BASE_EXTD) != 0;
}

/* a * b / c with 128 bits between, rounded up if asked; saturates below IRQ_NEVER. */
static inline uint64_t irq_muldiv(uint64_t a, uint64_t b, uint64_t c, int up)
{
	__extension__ unsigned __int128 v = (unsigned __int128)a * b;

	v = (v + (up ? c - 1 : 0)) / c;
	return v >= IRQ_NEVER ? IRQ_NEVER - 1 : (uint64_t)v;
}

/* lapic.c: registers and priorities */
void irq_lapic_reset(struct irq_pc *pc, struct irq_lapic *l); /* all but IA32_APIC_BASE */
void irq_lapic_update(struct irq_pc *pc, struct irq_lapic *l); /* recompute `pending`, wake */
int irq_lapic_ack(struct irq_pc *pc, struct irq_lapic *l);
int irq_lapic_extint(const struct irq_pc *pc, const struct irq_lapic *l); /* an acknowledge goes to the PIC */
uint32_t irq_lapic_ppr(const struct irq_lapic *l);
void irq_lapic_post(struct irq_pc *pc, struct irq_lapic *l, uint8_t vector, int level);
void irq_lapic_error(struct irq_pc *pc, struct irq_lapic *l, uint32_t bit);
void irq_lapic_local(struct irq_pc *pc, struct irq_lapic *l, unsigned lvt); /* a local source fires */
void irq_lapic_lint0(struct irq_pc *pc, struct irq_lapic *l, int level);
uint32_t irq_lapic_read(struct irq_pc *pc, struct irq_lapic *l, unsigned r);
void irq_lapic_write(struct irq_pc *pc, struct irq_lapic *l, unsigned r, uint32_t value);

/* lapic_modes.c: IA32_APIC_BASE, the ways to the registers, images */
int irq_lapic_page(const struct irq_lapic *l, uint64_t gpa); /* 1: gpa is in its MMIO page now */
uint32_t irq_lapic_mmio_read(struct irq_pc *pc, struct irq_lapic *l, uint32_t offset);
void irq_lapic_mmio_write(struct irq_pc *pc, struct irq_lapic *l, uint32_t offset, uint32_t value);
enum { ACCESS_READ = 1, ACCESS_WRITE = 2 };
uint32_t irq_lapic_x2_ldr(uint32_t id);

/* lapic_timer.c */
int irq_timer_is_deadline(const struct irq_lapic *l);
void irq_timer_lvt_changed(struct irq_pc *pc, struct irq_lapic *l, uint32_t old);
void irq_timer_start(struct irq_pc *pc, struct irq_lapic *l, uint32_t count);
void irq_timer_divide(struct irq_pc *pc, struct irq_lapic *l, uint32_t dcr);
uint32_t irq_timer_count(const struct irq_lapic *l, uint64_t now);
void irq_timer_run(struct irq_pc *pc, struct irq_lapic *l, uint64_t now);
void irq_timer_set_deadline(struct irq_pc *pc, struct irq_lapic *l, uint64_t tsc);
void irq_timer_rearm_deadline(struct irq_pc *pc, struct irq_lapic *l);
void irq_timer_restore(struct irq_pc *pc, struct irq_lapic *l);
void irq_timer_stop(struct irq_pc *pc, struct irq_lapic *l);

/* ipi.c: who gets a message */
int irq_send(struct irq_pc *pc, const struct irq_msg *msg);
void irq_send_ipi(struct irq_pc *pc, struct irq_lapic *from);

/* pc.c */
void irq_pc_deadline_moved(struct irq_pc *pc, uint64_t old, uint64_t due);
void irq_pc_restored(struct irq_pc *pc); /* the next tick looks at every line again */

/* pic.c */
int irq_pic_set(struct irq_pic *pic, const vma_x86_pic image[2]);

#endif
