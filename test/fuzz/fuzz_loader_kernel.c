/* fuzz_loader_kernel.c - telling kinds of kernels apart; with nine bytes more in front, flat binaries at an address of
 * the input's choice. */
#include "fuzz_loader.h"
#include "le.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct boot_request request = {.rsdp = LAYOUT_ACPI};

	fuzz_load(load_kernel, data, size, request);
	if (size < 9)
		return 0;
	request.flat = 1;
	request.flat_bits = data[0];
	request.flat_address = get_le64(data + 1);
	fuzz_load(load_kernel, data + 9, size - 9, request);
	return 0;
}
