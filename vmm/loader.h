/* loader.h - kernels into guest memory. The kind is found by looking at the file. Loaders write guest memory and say in
 * which state the first vCPU starts; they know neither accelerator nor devices, so that tests and fuzzers can call them
 * with plain memory. */
#ifndef VMM_LOADER_H
#define VMM_LOADER_H

#include "ram.h"
#include "source.h"

enum x86_mode { X86_REAL = 16, X86_PROTECTED = 32, X86_LONG = 64 };

/* Flat segments and, in long mode, the first 4 GiB mapped to themselves; interrupts off; registers not named are 0. */
struct x86_start {
	enum x86_mode mode;
	uint64_t rip; /* real mode: linear, below 1 MiB */
	uint64_t rax, rbx, rsi, rsp;
};

/* arm64: MMU off, x0 the device tree; registers not named are 0. */
struct arm64_start {
	uint64_t entry, fdt;
	uint64_t initrd, initrd_size; /* 0: none; the device tree names it */
};

struct boot_request {
	const struct source *kernel;
	const struct source *initrd; /* NULL: none */
	const char *cmdline;
	const struct guest_ram *ram; /* all zero; region 0 begins at 0 */
	uint64_t rsdp;               /* 0: no ACPI tables */
	enum vmm_entry entry;
	int flat;
	unsigned flat_bits;
	uint64_t flat_address;
};

struct boot_result {
	struct x86_start start;
	char kind[96];
};

int load_kernel(const struct boot_request *request, struct boot_result *result, struct vmm_error *error);

/* One each, for load_kernel and for tests. */
int load_bzimage(const struct boot_request *request, struct boot_result *result, struct vmm_error *error);
int load_pvh(const struct boot_request *request, struct boot_result *result, struct vmm_error *error);
int load_multiboot(const struct boot_request *request, struct boot_result *result, struct vmm_error *error);
int load_flat(const struct boot_request *request, struct boot_result *result, struct vmm_error *error);

int is_bzimage(const struct source *kernel);
int is_multiboot(const struct source *kernel);

/* Shared by the loaders. */

/* The command line with its NUL at LAYOUT_CMDLINE, prefix and line joined by a blank where both are there; at most
 * `max` bytes without the NUL. `prefix` may be NULL. */
int load_cmdline(const struct boot_request *request, const char *prefix, uint64_t max, struct vmm_error *error);
/* The initrd as high as possible, page aligned, within [floor, limit) of the memory below 4 GiB. *gpa and *size are 0
 * without one. */
int load_initrd(const struct boot_request *request, uint64_t floor, uint64_t limit, uint64_t *gpa, uint64_t *size,
		struct vmm_error *error);

/* Memory as the guest is told (ACPI 6.4, table 15.4). */
enum { E820_RAM = 1, E820_RESERVED = 2 };
struct e820_entry {
	uint64_t gpa, size;
	uint32_t type;
};
#define E820_ENTRIES 8
unsigned e820_map(const struct guest_ram *ram, struct e820_entry entries[E820_ENTRIES]);

#endif
