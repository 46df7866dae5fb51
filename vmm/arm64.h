/* arm64.h - the arm64 machine's parts: where things are, the kernel loader, the device tree, the state to start in. */
#ifndef VMM_ARM64_H
#define VMM_ARM64_H

#include <vmaccel/arm64.h>

#include "machine.h"

/* Guest addresses as on QEMU's virt machine; the GIC's are the library's (vma_arm64_gic). */
#define ARM64_UART 0x09000000ull
#define ARM64_RTC 0x09010000ull
#define ARM64_RAM 0x40000000ull
enum { ARM64_SPI_UART = 1, ARM64_SPI_RTC = 2 };
#define ARM64_FDT_ROOM (2ull << 20) /* at the end of memory; boot.rst wants at most 2 MiB */

struct arm64_boot {
	struct arm64_start start;
	char kind[96];
};

/* Linux Image: plain, gzip, or inside an EFI zboot file; or a flat binary at request->flat_address. request->ram has one
 * region. */
int load_arm64(const struct boot_request *request, struct arm64_boot *boot, struct vmm_error *error);

/* A guest without an instruction for random numbers has no other source of them this early. */
struct fdt_seed {
	uint8_t kaslr[8], rng[64];
};

struct fdt_request {
	const struct arm64_start *start;
	const struct guest_ram *ram;
	const char *cmdline;
	uint32_t cpus;
	const vma_arm64_gic *gic;
	const struct fdt_seed *seed; /* NULL: none */
};
/* Write the device tree at start->fdt. */
int fdt_write(const struct fdt_request *request, struct vmm_error *error);

uint64_t arm64_affinity(uint32_t cpu); /* as the library numbers vCPUs: MPIDR_EL1 of vCPU `cpu` without its flags */
int arm64_set_start(vma_vcpu *vcpu, const struct arm64_start *start);
void arm64_dump(vma_vcpu *vcpu, char *to, size_t size);
int arm64_pc(vma_vcpu *vcpu, uint64_t *pc);

#endif
