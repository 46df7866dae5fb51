/* acpi.h - the machine described to the guest's operating system. */
#ifndef VMM_ACPI_H
#define VMM_ACPI_H

#include "ram.h"

/* Write the tables at LAYOUT_ACPI for a machine with that many vCPUs. Returns the RSDP's address, or 0 if they do not
 * fit. */
uint64_t acpi_write(const struct guest_ram *ram, uint32_t cpus);

#endif
