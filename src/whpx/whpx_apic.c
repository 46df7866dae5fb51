/* whpx_apic.c - the platform's local APIC (VMA_IRQCHIP_PLATFORM): not written yet. */
#include "whpx/whpx.h"

int whpx_apic_fetch(struct whpx_vcpu *w)
{
	(void)w;
	return vma_fail(VMA_E_NOT_WRITTEN, "the platform's local APIC");
}

int whpx_apic_commit(struct whpx_vcpu *w)
{
	(void)w;
	return vma_fail(VMA_E_NOT_WRITTEN, "the platform's local APIC");
}
