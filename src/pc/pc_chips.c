/* pc_chips.c - what the slots of a VM's interrupt controllers do to those of irq/, whoever has them. */
#include "pc/pc.h"

int pc_chips_line(struct irq_pc *chips, struct os_mutex *lock, uint32_t gsi, int level)
{
	int r;

	os_lock(lock);
	r = irq_pc_line(chips, gsi, level);
	os_unlock(lock);
	return r < 0 ? vma_fail(VMA_E_INVALID, "there is no interrupt line %u", gsi) : 0;
}

void pc_chips_pulse(struct irq_pc *chips, struct os_mutex *lock, uint32_t gsi)
{
	os_lock(lock);
	irq_pc_line(chips, gsi, 1);
	irq_pc_line(chips, gsi, 0);
	os_unlock(lock);
}

int pc_chips_msi(struct irq_pc *chips, struct os_mutex *lock, uint64_t address, uint32_t data)
{
	int r;

	os_lock(lock);
	r = irq_pc_msi(chips, address, data);
	os_unlock(lock);
	return r < 0 ? vma_fail(VMA_E_INVALID, "MSI address %#llx is not in 0xfeexxxxx", (unsigned long long)address)
		     : 0;
}

int pc_chips_get(struct irq_pc *chips, struct os_mutex *lock, vma_x86_irqchip *image)
{
	os_lock(lock);
	irq_pc_get_irqchip(chips, image);
	os_unlock(lock);
	return 0;
}

int pc_chips_set(struct irq_pc *chips, struct os_mutex *lock, struct os_cond *moved, const vma_x86_irqchip *image)
{
	int r;

	os_lock(lock);
	r = irq_pc_set_irqchip(chips, image);
	os_cond_broadcast(moved);
	os_unlock(lock);
	return r < 0 ? vma_fail(VMA_E_FORMAT, "the interrupt controllers refuse the saved registers") : 0;
}
