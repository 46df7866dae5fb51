/* test_core_vm.c - platforms, VMs, memory, mappings and CPUID, on the scripted back end. Numbers are the checks of the
 * conformance list. */
#include "test_core_null.h"
#include "os/os.h"
#include <stdlib.h>
#include <unistd.h>

static void errors_have_names(void **state)
{
	(void)state;
	assert_string_equal(vma_error_name(VMA_E_FEATURE), "VMA_E_FEATURE");
	assert_string_equal(vma_error_text(VMA_E_NOMEM), "out of memory");
	assert_string_equal(vma_error_name(-999), "VMA_E_?");
	assert_non_null(vma_why());
}

static void platforms_are_listed(void **state)
{
	vma_platform_info info = {.size = sizeof(info)};
	vma_accel accel;
	char reason[200];
	int n = vma_platform_count();

	(void)state;
	assert_true(n >= 1);
	for (int i = 0; i < n; i++) {
		ok(vma_platform_get(i, &info));
		assert_int_equal(info.size, sizeof(info));
		assert_string_equal(info.name, vma_accel_name(info.accel));
		assert_true(info.available || *info.why);
		assert_true(info.available || !info.caps);
	}
	fails(vma_platform_get(n, &info), VMA_E_NOENT);
	fails(vma_platform_get(-1, &info), VMA_E_NOENT);
	fails(vma_platform_find(VMA_ACCEL_HVF, VMA_ARCH_X86_64, &info), VMA_E_NOENT);
	ok(vma_platform_find(VMA_ACCEL_NULL, VMA_ARCH_X86_64, &info));
	info.size = 2;
	fails(vma_platform_find(VMA_ACCEL_NULL, VMA_ARCH_X86_64, &info), VMA_E_INVALID);
	ok(vma_accel_parse("soft", &accel));
	assert_int_equal(accel, VMA_ACCEL_SOFT);
	fails(vma_accel_parse("softly", &accel), VMA_E_NOENT);
	if (!vma_platform_choose(VMA_ARCH_X86_64, &accel, reason, sizeof(reason))) {
		assert_true(accel != VMA_ACCEL_NULL && accel != VMA_ACCEL_AUTO);
		assert_non_null(strstr(reason, vma_accel_name(accel)));
	}
}

static void short_platform_info_is_filled_in_part(void **state)
{
	union {
		vma_platform_info info;
		unsigned char bytes[sizeof(vma_platform_info)];
	} u;

	(void)state;
	memset(&u, 0xa5, sizeof(u));
	u.info.size = 16;
	ok(vma_platform_find(VMA_ACCEL_NULL, VMA_ARCH_X86_64, &u.info));
	assert_int_equal(u.info.accel, VMA_ACCEL_NULL);
	for (size_t i = 16; i < sizeof(u); i++)
		assert_int_equal(u.bytes[i], 0xa5);
}

/* T002 */
static void second_vm_by_the_limit(void **state)
{
	vma_vm_config c = rig_config(VMA_IRQCHIP_NONE);
	vma_vm *a, *b;

	(void)state;
	ok(vma_vm_create(&c, &a));
	ok(vma_vm_create(&c, &b));
	ok(vma_vm_destroy(a));
	ok(vma_vm_create(&c, &a));
	ok(vma_vm_destroy(a));
	ok(vma_vm_destroy(b));
}

/* T116 */
static void bad_configurations(void **state)
{
	vma_vm_config c = rig_config(VMA_IRQCHIP_NONE);
	vma_vm *vm = (vma_vm *)1;

	(void)state;
	vma_null_clear();
	fails(vma_vm_create(NULL, &vm), VMA_E_INVALID);
	assert_null(vm);
	fails(vma_vm_create(&c, NULL), VMA_E_INVALID);
	c.size = 3;
	fails(vma_vm_create(&c, &vm), VMA_E_INVALID);
	c = rig_config(VMA_IRQCHIP_NONE);
	c.max_vcpus = 65;
	fails(vma_vm_create(&c, &vm), VMA_E_LIMIT);
	c = rig_config((vma_irqchip)7);
	fails(vma_vm_create(&c, &vm), VMA_E_INVALID);
	c = rig_config(VMA_IRQCHIP_NONE);
	c.cpu_model = "pentium";
	fails(vma_vm_create(&c, &vm), VMA_E_INVALID);
	assert_non_null(strstr(vma_why(), "pentium"));
	c = rig_config(VMA_IRQCHIP_NONE);
	c.accel = VMA_ACCEL_HVF; /* in no build so far */
	fails(vma_vm_create(&c, &vm), VMA_E_NO_HOST);
	c = rig_config(VMA_IRQCHIP_NONE);
	c.kick_signal = 65;
	fails(vma_vm_create(&c, &vm), VMA_E_INVALID);
	fails(vma_vm_destroy(NULL), VMA_E_INVALID);
	fails(vma_vm_finalize(NULL), VMA_E_INVALID);
	assert_int_equal(vma_null_calls("vm_finalize"), 0);
}

/* A newer program's longer struct is taken if what is new in it is not used. */
static void longer_configuration(void **state)
{
	struct {
		vma_vm_config c;
		uint64_t extra;
	} more = {.c = rig_config(VMA_IRQCHIP_NONE)};
	vma_vm *vm;

	(void)state;
	more.c.size = sizeof(more);
	ok(vma_vm_create(&more.c, &vm));
	ok(vma_vm_destroy(vm));
	more.extra = 1;
	fails(vma_vm_create(&more.c, &vm), VMA_E_INVALID);
}

/* T007, T082 */
static void frozen_after_finalize(void **state)
{
	struct rig *r = *state;
	vma_x86_cpuid table[128];
	size_t n = 128;

	fails(vma_vm_msr_exits(r->vm, 0x10, 1, 1), VMA_E_STATE);
	ok(vma_x86_get_cpuid(r->vm, table, &n));
	fails(vma_x86_set_cpuid(r->vm, table, n), VMA_E_STATE);
	fails(vma_vm_finalize(r->vm), VMA_E_STATE);
	assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_HLT);
}

static void before_finalize(void **state)
{
	vma_vm_config c = rig_config(VMA_IRQCHIP_PLATFORM);
	vma_vcpu *v;
	vma_vm *vm;
	size_t size = 0;

	(void)state;
	ok(vma_vm_create(&c, &vm));
	fails(vma_vcpu_create(vm, 0, &v), VMA_E_STATE);
	assert_null(v);
	fails(vma_vm_irq_line(vm, 0, 1), VMA_E_STATE);
	fails(vma_vm_save(vm, NULL, &size, 0), VMA_E_STATE);
	ok(vma_vm_msr_exits(vm, 0xfffffffe, 2, 3));
	fails(vma_vm_msr_exits(vm, 0xfffffffe, 3, 3), VMA_E_INVALID);
	fails(vma_vm_msr_exits(vm, 1, 0, 3), VMA_E_INVALID);
	fails(vma_vm_msr_exits(vm, 1, 1, 4), VMA_E_INVALID);
	ok(vma_vm_destroy(vm));
}

/* ------ memory ------ */

static char scratch[64];

/* tmpfile() puts it where not everybody may on Windows */
static FILE *scratch_file(void)
{
	strcpy(scratch, "/tmp/test_core_vm_XXXXXX");
	return fdopen(mkstemp(scratch), "wb+");
}

static void scratch_close(FILE *f)
{
	fclose(f);
	unlink(scratch);
}

static void memory_objects(void **state)
{
	static _Alignas(4096) uint8_t own[8192];
	vma_mem *m, *twin;
	FILE *f = scratch_file();

	(void)state;
	fails(vma_mem_anon(0, &m), VMA_E_INVALID);
	fails(vma_mem_anon(4097, &m), VMA_E_INVALID);
	fails(vma_mem_anon(4096, NULL), VMA_E_INVALID);
	fails(vma_mem_anon(UINT64_MAX & ~4095ull, &m), VMA_E_INVALID);
	fails(vma_mem_user(own + 1, 4096, &m), VMA_E_INVALID);
	fails(vma_mem_file(-1, 0, 4096, 0, &m), VMA_E_INVALID);
	ok(vma_mem_user(own, sizeof(own), &m));
	fails(vma_mem_clone(m, &twin), VMA_E_NO_HOST);
	vma_mem_unref(m);
	ok(vma_mem_anon(8192, &m));
	memset(vma_mem_hva(m), 7, 8192);
	ok(vma_mem_clone(m, &twin));
	((uint8_t *)vma_mem_hva(twin))[5] = 9;
	assert_int_equal(((uint8_t *)vma_mem_hva(m))[5], 7);
	assert_int_equal(((uint8_t *)vma_mem_hva(twin))[6], 7);
	fails(vma_mem_clone(twin, &m), VMA_E_NO_HOST);
	vma_mem_unref(twin);
	vma_mem_unref(m);
	for (int i = 0; i < 8192; i++)
		fputc(i >> 8, f);
	fflush(f);
	fails(vma_mem_file(fileno(f), 1, 4096, 0, &m), VMA_E_INVALID);
	ok(vma_mem_file(fileno(f), 4096, 4096, VMA_MEM_PRIVATE, &m));
	assert_int_equal(((uint8_t *)vma_mem_hva(m))[0], 16);
	vma_mem_unref(m);
	vma_mem_unref(NULL);
	scratch_close(f);
}

/* A file shorter than the object would kill the process at the first touch beyond its end. */
static void file_shorter_than_asked(void **state)
{
	FILE *f = scratch_file();
	vma_mem *m;

	(void)state;
	fputc(1, f);
	fflush(f);
	fails(vma_mem_file(fileno(f), 0, 8192, VMA_MEM_PRIVATE, &m), VMA_E_INVALID);
	ok(vma_mem_file(fileno(f), 0, 4096, VMA_MEM_PRIVATE, &m));
	vma_mem_unref(m);
	scratch_close(f);
}

/* T051, T116 */
static void mapping_rules(void **state)
{
	struct rig *r = *state;
	vma_mem *m;

	ok(vma_mem_anon(0x10000, &m));
	vma_null_clear();
	fails(vma_vm_map(r->vm, 0xff000, m, 0, 0x2000, VMA_MAP_RWX), VMA_E_EXIST);
	assert_non_null(strstr(vma_why(), "overlaps"));
	fails(vma_vm_map(r->vm, 0x200001, m, 0, 0x1000, VMA_MAP_RWX), VMA_E_INVALID);
	fails(vma_vm_map(r->vm, 0x200000, m, 0, 0x1001, VMA_MAP_RWX), VMA_E_INVALID);
	fails(vma_vm_map(r->vm, 0x200000, m, 0, 0, VMA_MAP_RWX), VMA_E_INVALID);
	fails(vma_vm_map(r->vm, 0x200000, m, 0xf000, 0x2000, VMA_MAP_RWX), VMA_E_INVALID);
	fails(vma_vm_map(r->vm, 0x200000, m, UINT64_MAX & ~0xfffull, 0x2000, VMA_MAP_RWX), VMA_E_INVALID);
	fails(vma_vm_map(r->vm, UINT64_MAX & ~0xfffull, m, 0, 0x2000, VMA_MAP_RWX), VMA_E_INVALID);
	fails(vma_vm_map(r->vm, 1ull << 46, m, 0, 0x1000, VMA_MAP_RWX), VMA_E_LIMIT);
	fails(vma_vm_map(r->vm, (1ull << 46) - 0x1000, m, 0, 0x2000, VMA_MAP_RWX), VMA_E_LIMIT);
	fails(vma_vm_map(r->vm, 0x200000, m, 0, 0x1000, VMA_MAP_WRITE), VMA_E_INVALID);
	fails(vma_vm_map(r->vm, 0x200000, m, 0, 0x1000, 0x11), VMA_E_INVALID);
	fails(vma_vm_map(r->vm, 0x200000, NULL, 0, 0x1000, VMA_MAP_RWX), VMA_E_INVALID);
	fails(vma_vm_map(NULL, 0x200000, m, 0, 0x1000, VMA_MAP_RWX), VMA_E_INVALID);
	assert_int_equal(vma_null_calls("map"), 0);
	ok(vma_vm_map(r->vm, (1ull << 46) - 0x1000, m, 0, 0x1000, VMA_MAP_RWX));
	ok(vma_vm_map(r->vm, 0x100000, m, 0, 0x10000, VMA_MAP_READ));
	ok(vma_vm_map(r->vm, 0x200000, m, 0, 0x10000, VMA_MAP_RWX)); /* T054: the same pages again */
	assert_ptr_equal(vma_vm_hva(r->vm, 0x201234, 1), (uint8_t *)vma_mem_hva(m) + 0x1234);
	assert_null(vma_vm_hva(r->vm, 0xfffff, 2));
	assert_null(vma_vm_hva(r->vm, 0x20ffff, UINT64_MAX));
	assert_null(vma_vm_hva(r->vm, 0x300000, 1));
	vma_mem_unref(m); /* the mappings hold it */
}

/* T051: parts, where the platform can */
static void partial_unmap(void **state)
{
	struct rig *r = *state;

	ok(vma_vm_unmap(r->vm, 0x4000, 0x2000));
	assert_non_null(vma_vm_hva(r->vm, 0x3fff, 1));
	assert_null(vma_vm_hva(r->vm, 0x4000, 1));
	assert_ptr_equal(vma_vm_hva(r->vm, 0x6000, 1), (uint8_t *)vma_mem_hva(r->mem) + 0x6000);
	fails(vma_vm_unmap(r->vm, 0x3000, 0x4000), VMA_E_NOENT);
	assert_non_null(vma_vm_hva(r->vm, 0x3000, 1));
	ok(vma_vm_protect(r->vm, 0x8000, 0x1000, VMA_MAP_READ));
	ok(vma_vm_map(r->vm, 0x4000, r->mem, 0, 0x2000, VMA_MAP_RWX));
	ok(vma_vm_unmap(r->vm, 0, 0x100000));
	assert_null(vma_vm_hva(r->vm, 0, 1));
}

static void whole_unmap_only(void **state)
{
	const size_t size = 0x20000;
	void *own = os_aligned(16384, size);
	vma_platform_info limits = {.size = sizeof(limits)};
	vma_vm_config c = rig_config(VMA_IRQCHIP_NONE);
	vma_mem *m;
	vma_vm *vm;

	(void)state;
	ok(vma_platform_find(VMA_ACCEL_NULL, VMA_ARCH_X86_64, &limits));
	limits.caps &= ~(uint32_t)(VMA_CAP_PARTIAL_UNMAP | VMA_CAP_EXEC_PROT);
	limits.max_regions = 2;
	limits.granule = 16384;
	ok(vma_null_limits(&limits));
	ok(vma_vm_create(&c, &vm));
	ok(vma_mem_user(own, size, &m));
	fails(vma_vm_map(vm, 0x1000, m, 0, 0x4000, VMA_MAP_RWX), VMA_E_INVALID); /* T053 */
	assert_non_null(strstr(vma_why(), "16384"));
	fails(vma_vm_map(vm, 0, m, 0, 0x8000, VMA_MAP_READ), VMA_E_NO_ACCEL); /* T059 */
	ok(vma_vm_map(vm, 0, m, 0, 0x8000, VMA_MAP_RWX));
	fails(vma_vm_unmap(vm, 0, 0x4000), VMA_E_NO_ACCEL);
	fails(vma_vm_protect(vm, 0x4000, 0x4000, VMA_MAP_RWX), VMA_E_NO_ACCEL);
	assert_non_null(vma_vm_hva(vm, 0, 0x8000));
	ok(vma_vm_map(vm, 0x8000, m, 0, 0x4000, VMA_MAP_RWX));
	fails(vma_vm_map(vm, 0x10000, m, 0, 0x4000, VMA_MAP_RWX), VMA_E_LIMIT); /* T055 */
	ok(vma_vm_unmap(vm, 0, 0xc000));
	ok(vma_vm_destroy(vm));
	vma_mem_unref(m);
	os_free(own);
	vma_null_clear();
}

/* T055 */
static void as_many_regions_as_promised(void **state)
{
	struct rig *r = *state;
	vma_platform_info info = {.size = sizeof(info)};
	uint32_t n;

	ok(vma_platform_find(VMA_ACCEL_NULL, VMA_ARCH_X86_64, &info));
	for (n = 1; n < info.max_regions; n++)
		ok(vma_vm_map(r->vm, 0x1000000 + (uint64_t)n * 0x2000, r->mem, 0, 0x1000, VMA_MAP_RWX));
	fails(vma_vm_map(r->vm, 0x1000000, r->mem, 0, 0x1000, VMA_MAP_RWX), VMA_E_LIMIT);
	fails(vma_vm_unmap(r->vm, 0x1000, 0x1000), VMA_E_LIMIT);
	ok(vma_vm_unmap(r->vm, 0x1002000, 0x1000));
	ok(vma_vm_map(r->vm, 0x1000000, r->mem, 0, 0x1000, VMA_MAP_RWX));
}

/* T056, T057 */
static void written_pages(void **state)
{
	struct rig *r = *state;
	uint64_t bits[4] = {0};

	fails(vma_vm_dirty_log(r->vm, 0, 0x1000, bits, 0), VMA_E_STATE);
	ok(vma_vm_protect(r->vm, 0, 0x100000, VMA_MAP_RWX | VMA_MAP_LOG));
	ok(vma_null_touch(r->vm, 0x3ffe, 4));
	ok(vma_vm_dirty_log(r->vm, 0, 0x100000, bits, 0));
	assert_int_equal(bits[0], 0x18);
	ok(vma_vm_unmap(r->vm, 0x1000, 0x1000)); /* the log goes with its pages */
	ok(vma_vm_dirty_log(r->vm, 0x2000, 0xfe000, bits, 1));
	assert_int_equal(bits[0], 0x6);
	ok(vma_vm_dirty_log(r->vm, 0x2000, 0x3000, bits, 1));
	assert_int_equal(bits[0], 0);
	fails(vma_vm_dirty_log(r->vm, 0, 0x3000, bits, 0), VMA_E_NOENT);
	fails(vma_vm_dirty_log(r->vm, 0x2000, 0x1000, NULL, 0), VMA_E_INVALID);
	fails(vma_vm_dirty_log(r->vm, 0x2000, 0x1001, bits, 0), VMA_E_INVALID);
	fails(vma_vm_dirty_log(r->vm, 0x2000, 0x1000, bits, 2), VMA_E_INVALID);
}

/* T060 */
static void more_than_4_gib(void **state)
{
	struct rig *r = *state;
	vma_mem *m;

	ok(vma_mem_anon((1ull << 32) + 0x1000, &m));
	ok(vma_vm_map(r->vm, 1ull << 32, m, 0, (1ull << 32) + 0x1000, VMA_MAP_RWX));
	assert_ptr_equal(vma_vm_hva(r->vm, 1ull << 33, 0x1000), (uint8_t *)vma_mem_hva(m) + (1ull << 32));
	vma_mem_unref(m);
}

/* ------ CPUID ------ */

static const vma_x86_cpuid *leaf(const vma_x86_cpuid *t, size_t n, uint32_t l, uint32_t s)
{
	for (size_t i = 0; i < n; i++)
		if (t[i].leaf == l && (!t[i].has_subleaf || t[i].subleaf == s))
			return t + i;
	return NULL;
}

static void portable_model(void **state)
{
	struct rig *r = *state;
	vma_x86_cpuid t[128];
	size_t n = 0;

	ok(vma_x86_get_cpuid(r->vm, NULL, &n));
	assert_in_range(n, 10, 128);
	n--;
	fails(vma_x86_get_cpuid(r->vm, t, &n), VMA_E_LIMIT);
	ok(vma_x86_get_cpuid(r->vm, t, &n));
	assert_memory_equal(&leaf(t, n, 0, 0)->ebx, "Genu", 4);
	assert_int_equal(leaf(t, n, 1, 0)->eax, 0x106ca);
	assert_memory_equal(&leaf(t, n, 0x40000000, 0)->ebx, "VMAC", 4);
	assert_memory_equal(&leaf(t, n, 0x80000002, 0)->eax, "vm-accel x86-64-", 16);
	assert_int_equal(leaf(t, n, 0xd, 0)->eax, 7);
	assert_int_equal(leaf(t, n, 0xd, 0)->ecx, 832);
	assert_int_equal(leaf(t, n, 0x80000008, 0)->eax, 48 << 8 | 40);
	assert_int_equal(vma_x86_has_feature(r->vm, "avx2"), 1);
	assert_int_equal(vma_x86_has_feature(r->vm, "invpcid"), 0);
	fails(vma_x86_has_feature(r->vm, "warp"), VMA_E_NOENT);
	/* no local APIC without interrupt controllers */
	assert_int_equal(vma_x86_has_feature(r->vm, "apic"), 0);
}

static void models_grow(void **state)
{
	static const char *const models[] = {"x86-64-v1", "x86-64-v2", "x86-64-v3", "max"};
	vma_x86_cpuid t[2][128];
	size_t n[2] = {0, 0};

	(void)state;
	for (int i = 0; i < 4; i++) {
		vma_vm_config c = rig_config(VMA_IRQCHIP_PLATFORM);
		vma_vm *vm;
		c.cpu_model = models[i];
		ok(vma_vm_create(&c, &vm));
		n[i & 1] = 128;
		ok(vma_x86_get_cpuid(vm, t[i & 1], &n[i & 1]));
		ok(vma_vm_destroy(vm));
		for (size_t k = 0; i && k < n[!(i & 1)]; k++) {
			const vma_x86_cpuid *old = &t[!(i & 1)][k],
					    *now = leaf(t[i & 1], n[i & 1], old->leaf, old->subleaf);
			if (old->leaf != 1 && old->leaf != 7 && old->leaf != 0x80000001)
				continue;
			assert_int_equal(old->ecx & ~now->ecx, 0);
			assert_int_equal(old->edx & ~now->edx, 0);
			assert_int_equal(old->leaf == 7 ? old->ebx & ~now->ebx : 0, 0);
		}
	}
}

/* Linux reads the frequencies as crystal_khz * ebx / eax in 32 bits. */
static void frequency_leaf(void **state)
{
	static const uint64_t hz[] = {1000000000, 2445406000, 2599999123, 3700000000, 4294967295, 5700000000, 33333333};

	(void)state;
	for (size_t i = 0; i < sizeof(hz) / sizeof(hz[0]); i++) {
		vma_vm_config c = rig_config(VMA_IRQCHIP_PLATFORM);
		vma_platform_info info = {.size = sizeof(info)};
		vma_x86_cpuid t[128];
		const vma_x86_cpuid *e;
		size_t n = 128;
		vma_vm *vm;
		ok(vma_platform_find(VMA_ACCEL_NULL, VMA_ARCH_X86_64, &info));
		assert_true(info.caps & VMA_CAP_TSC_SCALE);
		c.tsc_hz = hz[i];
		ok(vma_vm_create(&c, &vm));
		ok(vma_x86_get_cpuid(vm, t, &n));
		ok(vma_vm_destroy(vm));
		e = leaf(t, n, 0x15, 0);
		assert_int_equal(e->ecx, 1000000000);
		assert_true((uint64_t)(e->ecx / 1000) * e->ebx <= UINT32_MAX);
		double got = (double)e->ecx * e->ebx / e->eax, ppm = (got / (double)hz[i] - 1) * 1e6;
		assert_true(ppm < 2 && ppm > -2);
	}
}

/* CNTFRQ_EL0 has 32 bits. */
static void frequency_of_arm64(void **state)
{
	vma_vm_config c = {.size = sizeof(c), .accel = VMA_ACCEL_SOFT, .arch = VMA_ARCH_ARM64, .tsc_hz = UINT64_C(1) << 32};
	vma_vm *vm;

	(void)state;
	fails(vma_vm_create(&c, &vm), VMA_E_INVALID);
	c.tsc_hz--;
	ok(vma_vm_create(&c, &vm));
	ok(vma_vm_destroy(vm));
}

/* T081, T082 */
static void replaced_table(void **state)
{
	vma_vm_config c = rig_config(VMA_IRQCHIP_NONE);
	vma_x86_cpuid t[130], *one = NULL;
	size_t n = 128;
	vma_vm *vm;

	(void)state;
	ok(vma_vm_create(&c, &vm));
	ok(vma_x86_get_cpuid(vm, t, &n));
	for (size_t i = 0; i < n; i++)
		if (t[i].leaf == 1)
			one = t + i;
	one->ecx &= ~(1u << 20);
	ok(vma_x86_set_cpuid(vm, t, n));
	assert_int_equal(vma_x86_has_feature(vm, "sse4_2"), 0);
	one->ecx |= 1u << 5; /* VMX: nobody offers it */
	fails(vma_x86_set_cpuid(vm, t, n), VMA_E_FEATURE);
	assert_non_null(strstr(vma_why(), "bit 5"));
	one->ecx &= ~(1u << 5);
	t[n] = *one;
	fails(vma_x86_set_cpuid(vm, t, n + 1), VMA_E_INVALID);
	fails(vma_x86_set_cpuid(vm, t, 0), VMA_E_INVALID);
	fails(vma_x86_set_cpuid(vm, t, 257), VMA_E_INVALID);
	fails(vma_x86_set_cpuid(vm, NULL, 1), VMA_E_INVALID);
	ok(vma_vm_destroy(vm));
}

/* ------ interrupts and clock ------ */

static void interrupt_arguments(void **state)
{
	struct rig *r = *state;
	vma_ioeventfd io = {.address = 0x60, .length = 1, .pio = 1, .eventfd = 0};
	uint64_t ns, later;

	ok(vma_vm_irq_line(r->vm, 23, 1));
	fails(vma_vm_irq_line(r->vm, 24, 1), VMA_E_INVALID);
	fails(vma_vm_irq_line(r->vm, 1, 2), VMA_E_INVALID);
	ok(vma_vm_msi(r->vm, 0xfee00000, 0x30));
	fails(vma_vm_msi(r->vm, 0xfed00000, 0x30), VMA_E_INVALID);
	fails(vma_vm_irqfd(r->vm, 0, 1, 1), VMA_E_NO_ACCEL);
	fails(vma_vm_ioeventfd(r->vm, &io, 1), VMA_E_NO_ACCEL);
	io.length = 3;
	fails(vma_vm_ioeventfd(r->vm, &io, 1), VMA_E_INVALID);
	ok(vma_vm_clock_set(r->vm, 1000));
	ok(vma_vm_clock_get(r->vm, &ns));
	ok(vma_vm_clock_get(r->vm, &later));
	assert_true(ns >= 1000 && later >= ns && later < 60000000000u);
}

static void no_interrupts_without_controllers(void **state)
{
	struct rig *r = *state;
	uint8_t lapic[0x400];

	fails(vma_vm_irq_line(r->vm, 1, 1), VMA_E_STATE);
	fails(vma_vm_msi(r->vm, 0xfee00000, 0), VMA_E_STATE);
	fails(vma_x86_get_lapic(r->v, lapic), VMA_E_STATE);
	fails(vma_vcpu_set_mp(r->v, VMA_MP_WAIT_SIPI), VMA_E_STATE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_have_names),
		cmocka_unit_test(platforms_are_listed),
		cmocka_unit_test(short_platform_info_is_filled_in_part),
		cmocka_unit_test(second_vm_by_the_limit),
		cmocka_unit_test(bad_configurations),
		cmocka_unit_test(longer_configuration),
		RIG_TEST(frozen_after_finalize),
		cmocka_unit_test(before_finalize),
		cmocka_unit_test(memory_objects),
		cmocka_unit_test(file_shorter_than_asked),
		RIG_TEST(mapping_rules),
		RIG_TEST(partial_unmap),
		cmocka_unit_test(whole_unmap_only),
		RIG_TEST(as_many_regions_as_promised),
		RIG_TEST(written_pages),
		RIG_TEST(more_than_4_gib),
		RIG_TEST(portable_model),
		cmocka_unit_test(models_grow),
		cmocka_unit_test(frequency_leaf),
		cmocka_unit_test(frequency_of_arm64),
		cmocka_unit_test(replaced_table),
		CHIP_TEST(interrupt_arguments),
		RIG_TEST(no_interrupts_without_controllers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
