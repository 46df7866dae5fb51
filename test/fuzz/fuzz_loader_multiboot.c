/* fuzz_loader_multiboot.c - Multiboot kernels. */
#include "fuzz_loader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_load(load_multiboot, data, size, (struct boot_request){.rsdp = LAYOUT_ACPI});
	return 0;
}
