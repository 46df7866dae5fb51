/* layout.h - where a PC's boot data and memory lie in guest physical memory.
 *
 *	0            .. 0x7ffff   free for the guest's image
 *	BOOT_DATA    .. 0x9efff   what the loaders hand to the kernel: command line, boot_params, tables
 *	0x9fc00      .. 0x9ffff   EBDA
 *	ACPI_BASE    .. 0xfffff   ACPI tables
 *	1 MiB        .. 3 GiB     memory, then the hole for devices
 *	4 GiB ..                  the rest of the memory */
#ifndef VMM_LAYOUT_H
#define VMM_LAYOUT_H

#include <stdint.h>

#define LAYOUT_CMDLINE 0x80000u /* 64 KiB */
#define LAYOUT_CMDLINE_MAX 0x10000u
#define LAYOUT_GDT 0x90000u
#define LAYOUT_BOOT_PARAMS 0x91000u
#define LAYOUT_INFO 0x92000u        /* PVH start info or Multiboot information; two pages */
#define LAYOUT_PAGE_TABLES 0x94000u /* six pages: PML4, PDPT, four page directories */
#define LAYOUT_BOOT_END 0x9a000u
#define LAYOUT_EBDA 0x9fc00u
#define LAYOUT_ACPI 0xe0000u
#define LAYOUT_ACPI_SIZE 0x20000u
#define LAYOUT_MIB 0x100000u
#define LAYOUT_HOLE 0xc0000000u
#define LAYOUT_HIGH 0x100000000ull

#define LAYOUT_IOAPIC 0xfec00000u
#define LAYOUT_LAPIC 0xfee00000u

#define LAYOUT_TAKEN_TEXT "0x80000-0x9a000 or the ACPI tables at 0xe0000-0x100000"

/* 1: [gpa, gpa+size) touches what the loaders write themselves. */
static inline int layout_is_taken(uint64_t gpa, uint64_t size)
{
	int boot = gpa < LAYOUT_BOOT_END && (gpa >= LAYOUT_CMDLINE || size > LAYOUT_CMDLINE - gpa);
	int acpi = gpa < LAYOUT_ACPI + LAYOUT_ACPI_SIZE && (gpa >= LAYOUT_ACPI || size > LAYOUT_ACPI - gpa);

	return boot || acpi;
}

#endif
