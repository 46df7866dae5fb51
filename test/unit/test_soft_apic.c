/* test_soft_apic.c - where the software CPU and its local APIC meet: CPUID of one that is off, the TSC under a
 * deadline. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <vmaccel/x86.h>

struct guest {
	vma_vm *vm;
	vma_mem *mem;
	vma_vcpu *v;
	uint8_t *ram;
};

static void open_guest(struct guest *g, const void *code, size_t size)
{
	vma_vm_config config = {.size = sizeof config,
				.accel = VMA_ACCEL_SOFT,
				.arch = VMA_ARCH_X86_64,
				.max_vcpus = 1,
				.cpu_model = "max",
				.irqchip = VMA_IRQCHIP_PLATFORM};
	vma_x86_sregs s;
	assert_int_equal(vma_vm_create(&config, &g->vm), 0);
	assert_int_equal(vma_vm_finalize(g->vm), 0);
	assert_int_equal(vma_mem_anon(0x10000, &g->mem), 0);
	assert_int_equal(vma_vm_map(g->vm, 0, g->mem, 0, 0x10000, VMA_MAP_RWX), 0);
	g->ram = vma_mem_hva(g->mem);
	memcpy(g->ram + 0x1000, code, size);
	assert_int_equal(vma_vcpu_create(g->vm, 0, &g->v), 0);
	assert_int_equal(vma_x86_get_sregs(g->v, &s), 0);
	s.cs.base = s.cs.selector = 0;
	assert_int_equal(vma_x86_set_sregs(g->v, &s), 0);
	assert_int_equal(
		vma_x86_set_regs(g->v, &(vma_x86_regs){.rip = 0x1000, .rsp = 0x8000, .rflags = 2}, VMA_X86_ALL_REGS),
		0);
}

static void close_guest(struct guest *g)
{
	vma_vm_destroy(g->vm);
	vma_mem_unref(g->mem);
}

#define MOV_ECX(v) 0x66, 0xb9, (v)&0xff, (v) >> 8 & 0xff, 0, 0
#define MOV_EAX(v) 0x66, 0xb8, (v)&0xff, (v) >> 8 & 0xff, (v) >> 16 & 0xff, 0
#define MOV_EDX(v) 0x66, 0xba, (v)&0xff, (v) >> 8 & 0xff, (v) >> 16 & 0xff, 0
#define WRMSR 0x0f, 0x30
#define RDMSR 0x0f, 0x32

/* SDM vol. 3, 11.4.3: off, the CPUID flag is clear. */
static void cpuid_of_an_apic_that_is_off(void **state)
{
	static const uint8_t code[] = {MOV_EAX(1),    0x0f,  0xa2, 0x66, 0x89, 0xd0,
				       0x66,          0xe7,  0x10, /* CPUID; MOV EAX, EDX; OUT 0x10, EAX */
				       MOV_ECX(0x1b), RDMSR, 0x80, 0xe4, 0xf7, WRMSR, /* AND AH, ~8 */
				       MOV_EAX(1),    0x0f,  0xa2, 0x66, 0x89, 0xd0,
				       0x66,          0xe7,  0x10};
	struct guest g;
	(void)state;
	open_guest(&g, code, sizeof code);
	for (int off = 0; off < 2; off++) {
		uint32_t edx;
		assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_IO);
		memcpy(&edx, vma_vcpu_exit(g.v)->io.data, 4);
		assert_int_equal(edx >> 9 & 1, !off);
	}
	close_guest(&g);
}

/* The guest moves its TSC beyond a deadline: the interrupt is due. */
static void deadline_is_reached_by_tsc_adjust(void **state)
{
	static const uint8_t code[] = {MOV_ECX(0x1b),
				       RDMSR,
				       0x80,
				       0xcc,
				       0x0c,
				       WRMSR, /* x2APIC */
				       MOV_EDX(0),
				       MOV_EAX(0x1ff),
				       MOV_ECX(0x80f),
				       WRMSR, /* SVR */
				       MOV_EAX(0x40031),
				       MOV_ECX(0x832),
				       WRMSR, /* timer: TSC deadline */
				       MOV_EAX(0),
				       MOV_EDX(0x100000),
				       MOV_ECX(0x6e0),
				       WRMSR, /* 2^52 */
				       0xfb,
				       MOV_EDX(0x200000),
				       MOV_ECX(0x3b),
				       WRMSR, /* STI; TSC_ADJUST = 2^53 */
				       0x66,
				       0xb9,
				       0x00,
				       0x00,
				       0x00,
				       0x08,
				       0x67,
				       0xe2,
				       0xfd, /* a long loop */
				       0xe6,
				       0x11}; /* too late: OUT 0x11 */
	static const uint8_t vector[] = {0x00, 0x20, 0, 0}, handler[] = {0xe6, 0x10};
	struct guest g;
	(void)state;
	open_guest(&g, code, sizeof code);
	memcpy(g.ram + 0x31 * 4, vector, 4);
	memcpy(g.ram + 0x2000, handler, 2);
	assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_IO);
	assert_int_equal(vma_vcpu_exit(g.v)->io.port, 0x10);
	close_guest(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cpuid_of_an_apic_that_is_off),
		cmocka_unit_test(deadline_is_reached_by_tsc_adjust),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
