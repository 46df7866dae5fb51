/* test_core_null.h - a small VM on the scripted back end, for the tests of the core. */
#ifndef TEST_CORE_NULL_H
#define TEST_CORE_NULL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <vmaccel/null.h>
#include <vmaccel/vmaccel.h>
#include <vmaccel/x86.h>

struct rig {
	vma_vm *vm;
	vma_vcpu *v;
	vma_mem *mem;
};

/* Shows the sentence when it fails. */
#define ok(call)                                                                                                       \
	do {                                                                                                           \
		int ok_rc = (call);                                                                                    \
		if (ok_rc < 0)                                                                                         \
			print_error("%s: %s\n", #call, vma_why());                                                     \
		assert_true(ok_rc >= 0);                                                                               \
	} while (0)
#define fails(call, error) assert_int_equal((call), (error))

static inline vma_vm_config rig_config(vma_irqchip irqchip)
{
	return (vma_vm_config){.size = sizeof(vma_vm_config),
			       .accel = VMA_ACCEL_NULL,
			       .arch = VMA_ARCH_X86_64,
			       .max_vcpus = 4,
			       .irqchip = irqchip};
}

static inline void rig_open(struct rig *r, vma_irqchip irqchip, const char *model)
{
	vma_vm_config c = rig_config(irqchip);

	memset(r, 0, sizeof(*r));
	c.cpu_model = model;
	c.msr_policy = VMA_MSR_EXIT;
	ok(vma_vm_create(&c, &r->vm));
	ok(vma_mem_anon(0x100000, &r->mem));
	ok(vma_vm_map(r->vm, 0, r->mem, 0, 0x100000, VMA_MAP_RWX));
	ok(vma_vm_finalize(r->vm));
	ok(vma_vcpu_create(r->vm, 0, &r->v));
}

static inline void rig_close(struct rig *r)
{
	ok(vma_vm_destroy(r->vm));
	vma_mem_unref(r->mem);
	vma_null_clear();
}

static inline int setup_rig(void **state)
{
	static struct rig rig;

	vma_null_clear();
	rig_open(&rig, VMA_IRQCHIP_NONE, "x86-64-v3");
	*state = &rig;
	return 0;
}

static inline int setup_rig_chips(void **state)
{
	static struct rig rig;

	vma_null_clear();
	rig_open(&rig, VMA_IRQCHIP_PLATFORM, "x86-64-v3");
	*state = &rig;
	return 0;
}

static inline int teardown_rig(void **state)
{
	rig_close(*state);
	return 0;
}

static inline uint64_t get1(vma_vcpu *v, uint32_t id)
{
	uint64_t value = 0;

	ok(vma_vcpu_get(v, &id, &value, 1));
	return value;
}

static inline void set1(vma_vcpu *v, uint32_t id, uint64_t value)
{
	ok(vma_vcpu_set(v, &id, &value, 1));
}

static inline vma_null_step step_in(uint16_t port, uint8_t width)
{
	return (vma_null_step){.size = sizeof(vma_null_step),
			       .insn_length = 1,
			       .exit = {.kind = VMA_EXIT_IO, .io = {.port = port, .width = width, .count = 1}}};
}

static inline vma_null_step step_out(uint16_t port, uint8_t *byte)
{
	vma_null_step s = step_in(port, 1);

	s.exit.io.write = 1;
	s.exit.io.data = byte;
	return s;
}

static inline vma_null_step step_read(uint64_t gpa, uint8_t length, uint32_t more)
{
	return (vma_null_step){.size = sizeof(vma_null_step),
			       .insn_length = 4,
			       .more = more,
			       .reg = VMA_X86_RBX,
			       .exit = {.kind = VMA_EXIT_MMIO, .mmio = {.gpa = gpa, .length = length}}};
}

#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, setup_rig, teardown_rig)
#define CHIP_TEST(name) cmocka_unit_test_setup_teardown(name, setup_rig_chips, teardown_rig)

#endif
