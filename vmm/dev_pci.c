/* dev_pci.c - PCI configuration mechanism 1 (PCI Local Bus Specification 3.0, 3.2.2.3.2) on a machine without PCI:
 * everything reads as all ones. The reset control register at 0xcf9 (Intel ICH9 data sheet, 13.7.5) lies in the middle
 * of its ports. */
#include <string.h>

#include "devices.h"

#define RESET_REGISTER 1u /* 0xcf9 */
#define RESET_CPU 4u      /* a rising edge resets */

static uint64_t pci_read(void *device, uint64_t offset, unsigned width)
{
	struct pci_config *pci = device;

	if (offset == RESET_REGISTER && width == 1)
		return pci->state.reset_control;
	return UINT64_MAX;
}

static int pci_write(void *device, uint64_t offset, unsigned width, uint64_t value)
{
	struct pci_config *pci = device;
	int edge = !(pci->state.reset_control & RESET_CPU) && (value & RESET_CPU);

	if (offset != RESET_REGISTER || width != 1)
		return 0;
	pci->state.reset_control = (uint8_t)value & 0x0e;
	if (edge)
		pci->host->reset(pci->host->opaque);
	return 0;
}

void pci_config_init(struct pci_config *pci, const struct device_host *host)
{
	memset(pci, 0, sizeof(*pci));
	pci->host = host;
}

const struct device_ops pci_config_ops = {.name = "pci",
					  .state_size = sizeof(struct pci_config_state),
					  .version = 1,
					  .max_width = 4,
					  .read = pci_read,
					  .write = pci_write};
