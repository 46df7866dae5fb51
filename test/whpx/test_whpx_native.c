/* test_whpx_native.c - the partition that native.h hands out: Windows' own functions know it, from the VM's finalization on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <vmaccel/native.h>
#include "os/os.h"
#include "sim/whpx/whpsim.h"

enum { VCPUS = 3 };
static const vma_irqchip kinds[] = {VMA_IRQCHIP_NONE, VMA_IRQCHIP_PLATFORM, VMA_IRQCHIP_LIBRARY};

static vma_vm *make(vma_accel accel, vma_irqchip irqchip)
{
	const vma_vm_config c = {.size = sizeof c, .accel = accel, .arch = VMA_ARCH_X86_64, .max_vcpus = VCPUS, .irqchip = irqchip};
	vma_vm *vm;

	assert_int_equal(vma_vm_create(&c, &vm), 0);
	return vm;
}

/* A vCPU is the partition's processor of the same index. */
static void is_windows_own(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		const WHV_REGISTER_NAME pat = WHvX64RegisterPat;
		_Alignas(16) WHV_REGISTER_VALUE value;
		vma_vm *vm = make(VMA_ACCEL_WHPX, kinds[i]);
		uint32_t count = 0, written = 0;
		void *partition = vm;
		vma_vcpu *v;

		assert_int_equal(vma_native_whpx_partition(vm, &partition), VMA_E_STATE);
		assert_null(partition);
		assert_int_equal(vma_vm_finalize(vm), 0);
		assert_int_equal(vma_native_whpx_partition(vm, &partition), 0);
		assert_int_equal(WHvGetPartitionProperty(partition, WHvPartitionPropertyCodeProcessorCount, &count, sizeof count, &written), S_OK);
		assert_int_equal(count, VCPUS);
		assert_int_equal(WHvGetVirtualProcessorRegisters(partition, 2, &pat, 1, &value), WHV_E_VP_DOES_NOT_EXIST);
		assert_int_equal(vma_vcpu_create(vm, 2, &v), 0);
		assert_int_equal(WHvGetVirtualProcessorRegisters(partition, vma_vcpu_index(v), &pat, 1, &value), S_OK);
		assert_int_equal(vma_vm_destroy(vm), 0);
	}
	assert_int_equal(whpsim_breaches(), 0);
}

static void there_is_none(void **state)
{
	vma_vm *soft = make(VMA_ACCEL_SOFT, VMA_IRQCHIP_NONE), *whpx = make(VMA_ACCEL_WHPX, VMA_IRQCHIP_NONE);
	void *partition = soft;

	(void)state;
	assert_int_equal(vma_vm_finalize(soft), 0);
	assert_int_equal(vma_native_whpx_partition(soft, &partition), VMA_E_NO_ACCEL);
	assert_null(partition);
	assert_non_null(strstr(vma_why(), "soft has no partition"));
	assert_int_equal(vma_native_kvm_vm(whpx), VMA_E_NO_ACCEL);
	assert_non_null(strstr(vma_why(), "whpx has no KVM file descriptors"));
	assert_int_equal(vma_native_whpx_partition(NULL, &partition), VMA_E_INVALID);
	assert_int_equal(vma_native_whpx_partition(whpx, NULL), VMA_E_INVALID);
	assert_int_equal(vma_vm_destroy(soft), 0);
	assert_int_equal(vma_vm_destroy(whpx), 0);
}

/* A finalization that failed leaves none behind. */
static int refuse_setup(const char *call)
{
	return strcmp(call, "WHvSetupPartition") ? 0 : E_ACCESSDENIED;
}

static void not_of_a_failure(void **state)
{
	vma_vm *vm = make(VMA_ACCEL_WHPX, VMA_IRQCHIP_NONE);
	void *partition;

	(void)state;
	vma_os_fault = refuse_setup;
	assert_true(vma_vm_finalize(vm) < 0);
	vma_os_fault = NULL;
	assert_int_equal(vma_native_whpx_partition(vm, &partition), VMA_E_STATE);
	assert_null(partition);
	assert_int_equal(vma_vm_destroy(vm), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_windows_own),
		cmocka_unit_test(there_is_none),
		cmocka_unit_test(not_of_a_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
