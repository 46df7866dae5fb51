/* kvm_irq.c - interrupts: KVM's own controllers, lines, messages, eventfds, and injection where there are no
 * controllers. */
#include <string.h>
#include "kvm/kvm.h"

/* ------ KVM's controllers ------ */

static struct kvm_irq_routing_entry route(uint32_t gsi, uint32_t chip, uint32_t pin)
{
	return (struct kvm_irq_routing_entry){
	    .gsi = gsi, .type = KVM_IRQ_ROUTING_IRQCHIP, .u.irqchip = {.irqchip = chip, .pin = pin}};
}

/* As a PC is wired and as irq/ does it, so that state moves: GSI 0, the PIT, is pin 2 of the I/O APIC (KVM's own table says pin 0), and GSI 2, the
 * cascade, leads nowhere. */
static int wire_gsis(struct vma_vm *vm)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entries[16 + KVM_IOAPIC_NUM_PINS];
	} table = {.head = {0}};

	for (uint32_t gsi = 0; gsi < KVM_IOAPIC_NUM_PINS; gsi++) {
		if (gsi == 2)
			continue;
		if (gsi < 16)
			table.entries[table.head.nr++] =
			    route(gsi, gsi < 8 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE, gsi % 8);
		table.entries[table.head.nr++] = route(gsi, KVM_IRQCHIP_IOAPIC, gsi ? gsi : 2);
	}
	return vma_kvm_vm_ioctl(vm, KVM_SET_GSI_ROUTING, &table);
}

int vma_kvm_irqchip_create(struct vma_vm *vm)
{
	/* With the dummy speaker KVM answers port 0x61, where guests gate and read the PIT's channel 2; nobody else
	 * could. */
	struct kvm_pit_config pit = {.flags = KVM_PIT_SPEAKER_DUMMY};
	int rc = vma_kvm_vm_ioctl(vm, KVM_CREATE_IRQCHIP, NULL);

	if (!rc)
		rc = wire_gsis(vm);
	return rc ? rc : vma_kvm_vm_ioctl(vm, KVM_CREATE_PIT2, &pit);
}

int vma_kvm_irq_line(struct vma_vm *vm, uint32_t gsi, int level)
{
	struct kvm_irq_level l = {.irq = gsi, .level = level ? 1 : 0};

	return vma_kvm_vm_ioctl(vm, KVM_IRQ_LINE, &l);
}

int vma_kvm_msi(struct vma_vm *vm, uint64_t address, uint32_t data)
{
	struct kvm_msi msi = {.address_lo = (uint32_t)address, .address_hi = (uint32_t)(address >> 32), .data = data};
	int rc = vma_kvm_vm_ioctl(vm, KVM_SIGNAL_MSI, &msi);

	return rc < 0 ? rc : 0; /* 0 and 1: refused by the guest's local APIC, delivered */
}

/* x86_irq.h promises KVM's layouts. */
_Static_assert(sizeof(vma_x86_pic) == sizeof(struct kvm_pic_state), "PIC image");
_Static_assert(sizeof(vma_x86_ioapic) == sizeof(struct kvm_ioapic_state), "I/O APIC image");
_Static_assert(sizeof(vma_x86_pit) == sizeof(struct kvm_pit_state2), "PIT image");
_Static_assert(offsetof(vma_x86_pic, elcr_mask) == offsetof(struct kvm_pic_state, elcr_mask), "PIC image");
_Static_assert(offsetof(vma_x86_ioapic, redirtbl) == offsetof(struct kvm_ioapic_state, redirtbl), "I/O APIC image");
_Static_assert(offsetof(vma_x86_pit, flags) == offsetof(struct kvm_pit_state2, flags), "PIT image");

static const struct {
	uint32_t id;
	size_t offset, size;
} chips[] = {
    {KVM_IRQCHIP_PIC_MASTER, offsetof(vma_x86_irqchip, pic[0]), sizeof(vma_x86_pic)},
    {KVM_IRQCHIP_PIC_SLAVE, offsetof(vma_x86_irqchip, pic[1]), sizeof(vma_x86_pic)},
    {KVM_IRQCHIP_IOAPIC, offsetof(vma_x86_irqchip, ioapic), sizeof(vma_x86_ioapic)},
};

int vma_kvm_irqchip_get(struct vma_vm *vm, vma_x86_irqchip *chip)
{
	for (size_t i = 0; i < sizeof(chips) / sizeof(*chips); i++) {
		struct kvm_irqchip c = {.chip_id = chips[i].id};
		int rc = vma_kvm_vm_ioctl(vm, KVM_GET_IRQCHIP, &c);

		if (rc)
			return rc;
		memcpy((uint8_t *)chip + chips[i].offset, &c.chip, chips[i].size);
	}
	return vma_kvm_vm_ioctl(vm, KVM_GET_PIT2, &chip->pit);
}

int vma_kvm_irqchip_set(struct vma_vm *vm, const vma_x86_irqchip *chip)
{
	vma_x86_pit pit = chip->pit;

	for (size_t i = 0; i < sizeof(chips) / sizeof(*chips); i++) {
		struct kvm_irqchip c = {.chip_id = chips[i].id};
		int rc;

		memcpy(&c.chip, (const uint8_t *)chip + chips[i].offset, chips[i].size);
		rc = vma_kvm_vm_ioctl(vm, KVM_SET_IRQCHIP, &c);
		if (rc)
			return rc;
	}
	return vma_kvm_vm_ioctl(vm, KVM_SET_PIT2, &pit);
}

/* ------ injection by the caller ------ */

int vma_kvm_interrupt(struct vma_vcpu *v, uint8_t vector)
{
	struct vma_kvm_vcpu *k = v->priv;
	struct kvm_interrupt irq = {.irq = vector};
	int rc = vma_kvm_vcpu_ioctl(v, KVM_INTERRUPT, &irq);

	if (!rc) {
		k->injected = true;
		k->halted = false;
		k->synced &= ~(uint32_t)KVM_SYNC_X86_EVENTS;
	}
	return rc;
}

/* KVM's own answer stands in kvm_run, but only until something is written (api.rst 5, ready_for_interrupt_injection).
 */
int vma_kvm_interrupt_ready(struct vma_vcpu *v)
{
	struct vma_kvm_vcpu *k = v->priv;
	struct kvm_vcpu_events e;
	struct kvm_regs regs;
	int rc;

	if (k->injected)
		return 0;
	if (k->window_known && !(v->dirty & (VMA_C_GPR | VMA_C_EVENTS)))
		return k->run->ready_for_interrupt_injection;
	rc = vma_kvm_vcpu_ioctl(v, KVM_GET_VCPU_EVENTS, &e);
	if (!rc)
		rc = vma_kvm_native_regs(v, &regs);
	if (rc)
		return rc;
	if (v->dirty & VMA_C_GPR)
		regs.rflags = v->x86.gpr.rflags;
	return (regs.rflags & 1 << 9) && !e.interrupt.shadow && !e.interrupt.injected && !e.nmi.injected &&
	       !e.exception.injected && !e.exception.pending;
}

int vma_kvm_nmi(struct vma_vcpu *v)
{
	struct vma_kvm_vcpu *k = v->priv;

	k->halted = false;
	k->synced &= ~(uint32_t)KVM_SYNC_X86_EVENTS;
	return vma_kvm_vcpu_ioctl(v, KVM_NMI, NULL);
}

/* Without controllers of KVM's the task priority stands in kvm_run: written at each exit, taken at each entry (api.rst
 * 5, cr8). */
int vma_kvm_get_tpr(struct vma_vcpu *v)
{
	return (int)(VMA_KVM_VCPU(v)->run->cr8 & 15);
}

int vma_kvm_set_tpr(struct vma_vcpu *v, uint8_t cr8)
{
	struct vma_kvm_vcpu *k = v->priv;

	k->run->cr8 = cr8;
	k->synced &= ~(uint32_t)KVM_SYNC_X86_SREGS;
	return 0;
}
