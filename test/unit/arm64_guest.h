/* arm64_guest.h - a small arm64 guest for the tests that run on every accelerator of this host: 64 KiB of memory at 0, code as
 * words, one vCPU. */
#ifndef ARM64_GUEST_H
#define ARM64_GUEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <vmaccel/arm64.h>

enum { UART = 0x09000000, CODE = 0, VECTORS = 0x800, RAM = 0x10000 };

struct machine {
	vma_vm *vm;
	vma_mem *mem;
	vma_vcpu *v;
	uint8_t *ram;
};

static vma_accel accel;
static uint32_t caps;

/* The accelerator under test can be used here; the next tests are for it. */
static inline bool choose(vma_accel wanted)
{
	vma_platform_info info = {.size = sizeof(info)};

	if (vma_platform_find(wanted, VMA_ARCH_ARM64, &info) < 0 || !info.available)
		return false;
	accel = wanted;
	caps = info.caps;
	return true;
}

static inline void ok(int rc)
{
	if (rc < 0)
		fail_msg("%s", vma_why());
}

static inline void put_code(struct machine *m, uint64_t at, const uint32_t *code, size_t size)
{
	memcpy(m->ram + at, code, size);
}
#define PUT(m, at, code) put_code(m, at, code, sizeof(code))

static inline void make(struct machine *m, vma_vm_config config)
{
	config.size = sizeof(config);
	config.accel = accel;
	config.arch = VMA_ARCH_ARM64;
	ok(vma_vm_create(&config, &m->vm));
	ok(vma_mem_anon(RAM, &m->mem));
	m->ram = vma_mem_hva(m->mem);
	ok(vma_vm_map(m->vm, 0, m->mem, 0, RAM, VMA_MAP_RWX));
	ok(vma_vm_finalize(m->vm));
	ok(vma_vcpu_create(m->vm, 0, &m->v));
}

static inline void end(struct machine *m)
{
	ok(vma_vm_destroy(m->vm));
	vma_mem_unref(m->mem);
}

static inline uint64_t get(vma_vcpu *v, uint32_t id)
{
	uint64_t value;
	ok(vma_vcpu_get(v, &id, &value, 1));
	return value;
}

static inline void set(vma_vcpu *v, uint32_t id, uint64_t value)
{
	ok(vma_vcpu_set(v, &id, &value, 1));
}

/* The tests on each accelerator in turn. */
#define RUN_ON_ALL(tests)                                                                                              \
	do {                                                                                                           \
		static const vma_accel all_[] = {VMA_ACCEL_SOFT, VMA_ACCEL_KVM};                                       \
		int failed_ = 0;                                                                                       \
		for (size_t i_ = 0; i_ < sizeof(all_) / sizeof(*all_); i_++) {                                         \
			if (!choose(all_[i_]))                                                                         \
				continue;                                                                              \
			print_message("on %s:\n", vma_accel_name(accel));                                              \
			failed_ += cmocka_run_group_tests(tests, NULL, NULL);                                          \
		}                                                                                                      \
		return failed_;                                                                                        \
	} while (0)

#endif
