/* test_soft_models.c - the soft accelerator offers every named CPU model, and a guest finds in it the features and the
 * instructions of that model and no others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <vmaccel/x86.h>

static uint32_t out_of(vma_vcpu *v)
{
	uint32_t value;
	int kind;
	while ((kind = vma_vcpu_run(v)) == VMA_EXIT_CPUID)
		;
	assert_int_equal(kind, VMA_EXIT_IO);
	memcpy(&value, vma_vcpu_exit(v)->io.data, 4);
	return value;
}

/* Real mode: CPUID leaf 7's EBX and leaf 1's ECX, then what F3 0F BD of 00F0H gives, by OUT. */
static const uint8_t code[] = {
	0x66, 0xb8, 7, 0, 0, 0, 0x66, 0x31, 0xc9, 0x0f, 0xa2, 0x66, 0x89, 0xd8, 0x66, 0xe7, 0x10,
	0x66, 0xb8, 1, 0, 0, 0, 0x66, 0x31, 0xc9, 0x0f, 0xa2, 0x66, 0x89, 0xc8, 0x66, 0xe7, 0x10,
	0x66, 0x31, 0xc0, 0xbb, 0xf0, 0x00, 0xf3, 0x0f, 0xbd, 0xc3, 0x66, 0xe7, 0x10,
};

static void one(const char *model, uint32_t cpuid_exits, uint32_t ebx7, uint32_t ecx1, uint32_t scan, int exact)
{
	vma_vm_config config = {.size = sizeof config,
				.accel = VMA_ACCEL_SOFT,
				.arch = VMA_ARCH_X86_64,
				.max_vcpus = 1,
				.cpu_model = model,
				.cpuid_exits = cpuid_exits};
	const uint32_t ebx_v3 = 1u << 3 | 1u << 5 | 1u << 8, ecx_v3 = 1u << 12 | 1u << 22 | 1u << 28 | 1u << 29;
	vma_vm *vm;
	vma_mem *mem;
	vma_vcpu *v;
	vma_x86_sregs s;
	assert_int_equal(vma_vm_create(&config, &vm), 0);
	assert_int_equal(vma_vm_finalize(vm), 0);
	assert_int_equal(vma_mem_anon(0x10000, &mem), 0);
	assert_int_equal(vma_vm_map(vm, 0, mem, 0, 0x10000, VMA_MAP_RWX), 0);
	memcpy((uint8_t *)vma_mem_hva(mem) + 0x1000, code, sizeof code);
	assert_int_equal(vma_vcpu_create(vm, 0, &v), 0);
	assert_int_equal(vma_x86_get_sregs(v, &s), 0);
	s.cs.base = s.cs.selector = 0;
	assert_int_equal(vma_x86_set_sregs(v, &s), 0);
	assert_int_equal(
	    vma_x86_set_regs(v, &(vma_x86_regs){.rip = 0x1000, .rsp = 0x8000, .rflags = 2}, VMA_X86_ALL_REGS), 0);
	uint32_t ebx = out_of(v), ecx = out_of(v);
	assert_int_equal(ebx & ebx7, ebx7);
	assert_int_equal(ecx & ecx1, ecx1);
	if (exact)
		assert_int_equal((ebx & ebx_v3 & ~ebx7) | (ecx & ecx_v3 & ~ecx1), 0);
	assert_int_equal(out_of(v), scan);
	vma_vm_destroy(vm);
	vma_mem_unref(mem);
}

static void one_model(const char *model, uint32_t ebx7, uint32_t ecx1, uint32_t scan, int exact)
{
	one(model, 0, ebx7, ecx1, scan, exact);
	one(model, 1, ebx7, ecx1, scan, exact);
}

/* The psABI's levels: v3 adds AVX, AVX2, BMI1, BMI2, F16C, FMA, LZCNT, MOVBE. */
static void levels(void **state)
{
	const uint32_t ebx_v3 = 1u << 3 | 1u << 5 | 1u << 8, ecx_v3 = 1u << 12 | 1u << 22 | 1u << 28 | 1u << 29;
	(void)state;
	one_model("x86-64-v1", 0, 0, 7, 1);
	one_model("x86-64-v2", 0, 1u << 23, 7, 1); /* BSR */
	one_model("x86-64-v3", ebx_v3, ecx_v3, 8, 1);
	one_model("max", ebx_v3 | 1u << 29, ecx_v3 | 1u << 1 | 1u << 25 | 1u << 30, 8, 0); /* SHA; PCLMULQDQ AES RDRAND */
	one_model("host", ebx_v3 | 1u << 29, ecx_v3 | 1u << 3, 8, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(levels)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
