/* fuzz_loader_pvh.c - ELF files with a PVH entry. */
#include "fuzz_loader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_load(load_pvh, data, size, (struct boot_request){.rsdp = LAYOUT_ACPI});
	return 0;
}
