/* fuzz_loader.h - guest memory and a call of one loader, for the fuzz targets of the kernel loaders. */
#ifndef FUZZ_LOADER_H
#define FUZZ_LOADER_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "layout.h"
#include "loader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_RAM (16u << 20)

typedef int (*fuzz_loader)(const struct boot_request *request, struct boot_result *result, struct vmm_error *error);

/* Memory is not cleared between inputs: loaders never read it. A refusal must say why, a success must enter guest
 * memory. */
static inline void fuzz_load(fuzz_loader loader, const uint8_t *data, size_t size, struct boot_request request)
{
	static struct guest_ram ram = {.count = 1};
	struct boot_result result = {{0}, ""};
	struct source kernel, initrd;
	struct vmm_error error = {0, ""};

	if (!ram.region[0].hva)
		ram.region[0] = (struct ram_region){0, FUZZ_RAM, calloc(1, FUZZ_RAM)};
	source_memory(&kernel, "fuzz", data, size);
	source_memory(&initrd, "initrd", "initrd", 6);
	request.kernel = &kernel;
	request.initrd = &initrd;
	request.cmdline = "console=ttyS0";
	request.ram = &ram;
	if (loader(&request, &result, &error) < 0) {
		if (!*error.text || !error.status)
			abort();
	} else if (!ram_at(&ram, result.start.rip, 1)) {
		abort();
	}
}

#endif
