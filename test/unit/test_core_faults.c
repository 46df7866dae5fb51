/* test_core_faults.c - each host call and each allocation of the library fails in turn (T117, T119): an error with a
 * sentence, nothing leaked (the sanitizer looks), and the same done again works. */
#include "test_core_null.h"
#include <errno.h>
#include "os/os.h"

static int fail_at, seen, fail_with;
static char failed_call[64];

static int nth_fails(const char *call)
{
	if (++seen != fail_at)
		return 0;
	snprintf(failed_call, sizeof(failed_call), "%s", call);
	return fail_with;
}

/* A life: a VM with memory and a vCPU, an exit, saved and restored. Returns the first error. */
static int use(vma_vm *vm, vma_mem *mem)
{
	vma_null_step s = step_in(0x60, 1);
	vma_x86_fpu_regs f;
	uint8_t buf[8192];
	size_t size = sizeof(buf);
	vma_vcpu *v;
	int rc = vma_vm_map(vm, 0, mem, 0, 0x10000, VMA_MAP_RWX | VMA_MAP_LOG);

	if (!rc)
		rc = vma_vm_msr_exits(vm, 0x10, 1, 3);
	if (!rc)
		rc = vma_vm_finalize(vm);
	if (!rc)
		rc = vma_vm_unmap(vm, 0x4000, 0x1000);
	if (!rc)
		rc = vma_vcpu_create(vm, 0, &v);
	if (!rc)
		rc = vma_null_script(v, &s, 1);
	if (!rc)
		rc = vma_vcpu_run(v);
	if (rc == VMA_EXIT_IO)
		rc = 0;
	if (!rc)
		rc = vma_vcpu_complete(v);
	if (!rc)
		rc = vma_x86_get_fpu_regs(v, &f);
	if (!rc)
		rc = vma_x86_set_fpu_regs(v, &f);
	if (!rc)
		rc = vma_vcpu_reset(v);
	if (!rc)
		rc = vma_vcpu_save(v, buf, &size, 0);
	return rc ? rc : vma_vcpu_restore(v, buf, size, 0, NULL);
}

static int life(vma_accel accel)
{
	vma_vm_config c = rig_config(VMA_IRQCHIP_NONE);
	vma_mem *mem = NULL, *twin = NULL;
	vma_x86_cpuid t[256];
	size_t n = 256;
	vma_vm *vm;
	int rc;

	c.accel = accel;
	c.msr_policy = VMA_MSR_EXIT;
	rc = vma_vm_create(&c, &vm);
	if (rc)
		return rc;
	rc = vma_x86_get_cpuid(vm, t, &n);
	if (!rc)
		rc = vma_x86_set_cpuid(vm, t, n);
	if (!rc)
		rc = vma_mem_anon(0x10000, &mem);
	if (!rc)
		rc = vma_mem_clone(mem, &twin);
	/* without a memfd there are plain pages, which cannot be cloned */
	if (rc == VMA_E_NO_HOST)
		rc = 0;
	if (!rc)
		rc = use(vm, mem);
	vma_mem_unref(twin);
	vma_mem_unref(mem);
	assert_int_equal(vma_vm_destroy(vm), 0);
	return rc;
}

static void every_host_call_fails(void **state)
{
	static const int numbers[] = {ENOMEM, EIO};
	int tolerated = 0, errors = 0;

	(void)state;
	vma_null_clear();
	assert_int_equal(life(VMA_ACCEL_NULL), 0);
	for (size_t i = 0; i < 2; i++) {
		fail_with = numbers[i];
		for (fail_at = 1;; fail_at++) {
			seen = 0;
			vma_os_fault = nth_fails;
			int rc = life(VMA_ACCEL_NULL);
			vma_os_fault = NULL;
			if (seen < fail_at)
				break;
			if (rc == 0) {
				/* what is done without: memory that can be cloned, as Linux and Windows make it */
				assert_true(!strcmp(failed_call, "memfd_create") || !strcmp(failed_call, "ftruncate") ||
					    !strcmp(failed_call, "CreateFileMapping"));
				tolerated++;
			} else {
				assert_string_not_equal(vma_error_name(rc), "VMA_E_?");
				assert_true(strlen(vma_why()) > 0);
				errors++;
			}
			assert_int_equal(life(VMA_ACCEL_NULL), 0);
		}
	}
	assert_true(errors > 30);
	assert_in_range(tolerated, 0, 4);
}

/* Every slot of the back end with every code. */
static void every_slot_fails(void **state)
{
	static const char *const slots[] = {"vm_open", "cpuid_max", "vm_finalize", "map",      "split",
					    "unmap",   "vcpu_open", "run",         "complete", "fetch",
					    "commit",  "get_msrs",  "set_msrs"};

	(void)state;
	for (size_t i = 0; i < sizeof(slots) / sizeof(slots[0]); i++)
		for (int error = VMA_E_INVALID; error >= VMA_E_OWNER_GONE; error--) {
			vma_null_clear();
			ok(vma_null_fail(slots[i], 1, error));
			int rc = life(VMA_ACCEL_NULL);
			assert_true(vma_null_calls(slots[i]) > 0);
			assert_int_equal(rc, error);
		}
	vma_null_clear();
	assert_int_equal(life(VMA_ACCEL_NULL), 0);
	fails(vma_null_fail("walk", 1, -1), VMA_E_NOENT);
	fails(vma_null_fail("run", 0, -1), VMA_E_INVALID);
	fails(vma_null_fail("run", 1, 1), VMA_E_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_host_call_fails),
		cmocka_unit_test(every_slot_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
