/* x86_irq.h - register images of the PC's interrupt controllers and timer: what vma_vm_save carries. The layouts are
 * those of KVM_GET_IRQCHIP and KVM_GET_PIT2 (api.rst 4.26, 4.71), little-endian, so that state moves between KVM and
 * the software ones. */
#ifndef VMACCEL_X86_IRQ_H
#define VMACCEL_X86_IRQ_H

#include <stdint.h>

typedef struct vma_x86_pic { /* one 8259A */
	uint8_t last_irr; /* lines as last seen, for edges */
	uint8_t irr, imr, isr;
	uint8_t priority_add; /* highest priority */
	uint8_t irq_base;     /* ICW2 */
	uint8_t read_reg_select, poll, special_mask, init_state;
	uint8_t auto_eoi, rotate_on_auto_eoi, special_fully_nested_mode, init4;
	uint8_t elcr, elcr_mask;
} vma_x86_pic;

#define VMA_X86_IOAPIC_PINS 24
typedef struct vma_x86_ioapic {
	uint64_t base_address;
	uint32_t ioregsel, id, irr, pad;
	uint64_t redirtbl[VMA_X86_IOAPIC_PINS]; /* 82093AA datasheet, 3.2.4 */
} vma_x86_ioapic;

typedef struct vma_x86_pit_channel {
	uint32_t count; /* 1 .. 0x10000 */
	uint16_t latched_count;
	uint8_t count_latched, status_latched, status, read_state, write_state, write_latch;
	uint8_t rw_mode, mode, bcd, gate;
	int64_t count_load_time; /* ns when the count was loaded: of the host's monotonic clock, or the clock of instructions */
} vma_x86_pit_channel;
typedef struct vma_x86_pit {
	vma_x86_pit_channel channels[3];
	uint32_t flags; /* bit 0: legacy HPET mode, bit 1: speaker data on */
	uint32_t reserved[9];
} vma_x86_pit;

typedef struct vma_x86_irqchip {
	vma_x86_pic pic[2]; /* master, slave */
	vma_x86_ioapic ioapic;
	vma_x86_pit pit;
} vma_x86_irqchip;

#endif
