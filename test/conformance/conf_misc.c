/* conf_misc.c - checks of capabilities, errors and bad arguments (T115-T121). */
#include <vmaccel/arm64.h>
#include <vmaccel/x86.h>
#include "conformance.h"

#include <string.h>

/* T118: an accelerator that is missing says so; one that is there needs no excuse. */
static int diagnosis(struct conf *conf)
{
	vma_platform_info info = {.size = sizeof(info)};

	for (int i = 0; i < vma_platform_count(); i++) {
		CONF_OK(conf, vma_platform_get(i, &info));
		CONF_EXPECT(conf, info.name && strcmp(info.name, vma_accel_name(info.accel)) == 0);
		CONF_EXPECT(conf, info.available || (info.why && info.why[0]));
		CONF_EXPECT(conf, info.available || info.caps == 0);
	}
	CONF_EQUAL(conf, vma_platform_get(vma_platform_count(), &info), VMA_E_NOENT);
	return CONF_PASS;
}

/* T116: no place, no object, impossible sizes: refused before anything happens. */
static int arguments(struct conf *conf)
{
	vma_vm_config config = {.size = sizeof(config), .accel = conf->accel, .arch = conf->arch};
	vma_mem *mem = NULL;
	vma_vm *vm = NULL;
	vma_vcpu *v = NULL;

	CONF_EQUAL(conf, vma_vm_create(NULL, &vm), VMA_E_INVALID);
	CONF_EQUAL(conf, vma_vm_create(&config, NULL), VMA_E_INVALID);
	CONF_EQUAL(conf, vma_mem_anon(0, &mem), VMA_E_INVALID);
	CONF_EQUAL(conf, vma_mem_anon(4097, &mem), VMA_E_INVALID);
	CONF_EQUAL(conf, vma_mem_anon(4096, NULL), VMA_E_INVALID);
	CONF_EQUAL(conf, vma_vm_finalize(NULL), VMA_E_INVALID);
	CONF_EQUAL(conf, vma_vcpu_run(NULL), VMA_E_INVALID);
	CONF_OK(conf, vma_vm_create(&config, &vm));
	CONF_OK(conf, vma_vm_finalize(vm));
	CONF_OK(conf, vma_mem_anon(8192, &mem));
	CONF_EQUAL(conf, vma_vm_map(vm, 0, NULL, 0, 4096, VMA_MAP_RWX), VMA_E_INVALID);
	CONF_EQUAL(conf, vma_vm_map(vm, 1, mem, 0, 4096, VMA_MAP_RWX), VMA_E_INVALID);
	CONF_EQUAL(conf, vma_vm_map(vm, 0, mem, 4096, 8192, VMA_MAP_RWX), VMA_E_INVALID);
	CONF_EQUAL(conf, vma_vm_map(vm, 0, mem, 0, 4096, 0), VMA_E_INVALID);
	CONF_EXPECT(conf, vma_vcpu_create(vm, 7, &v) < 0);
	CONF_EQUAL(conf, vma_vcpu_create(vm, 0, NULL), VMA_E_INVALID);
	CONF_OK(conf, vma_vcpu_create(vm, 0, &v));
	if (conf->arch == VMA_ARCH_ARM64) {
		CONF_EQUAL(conf, vma_arm64_get_regs(v, NULL), VMA_E_INVALID);
		CONF_EQUAL(conf, vma_arm64_get_sysregs(v, NULL, NULL, 1), VMA_E_INVALID);
		CONF_EQUAL(conf, vma_x86_get_regs(v, &(vma_x86_regs){0}), VMA_E_INVALID); /* another architecture's */
	} else {
		CONF_EQUAL(conf, vma_x86_get_regs(v, NULL), VMA_E_INVALID);
		CONF_EQUAL(conf, vma_arm64_get_regs(v, &(vma_arm64_regs){.pc = 0}), VMA_E_INVALID);
	}
	CONF_EQUAL(conf, vma_vcpu_save(v, NULL, NULL, 0), VMA_E_INVALID);
	CONF_EQUAL(conf, vma_vcpu_restore(v, NULL, 0, 0, NULL), VMA_E_INVALID);
	CONF_OK(conf, vma_vm_destroy(vm));
	vma_mem_unref(mem);
	return CONF_PASS;
}

/* T121: a caller compiled against a shorter struct gets no byte more than it asked for; a size of nothing is refused. */
static int struct_sizes(struct conf *conf)
{
	vma_platform_info info;
	vma_vm_config config = {.size = 0, .accel = conf->accel, .arch = conf->arch};
	size_t part = offsetof(vma_platform_info, name);
	vma_vm *vm;

	memset(&info, 0xa5, sizeof(info));
	info.size = (uint32_t)part;
	CONF_OK(conf, vma_platform_find(conf->accel, conf->arch, &info));
	CONF_EQUAL(conf, info.accel, conf->accel);
	for (size_t i = part; i < sizeof(info); i++)
		CONF_EQUAL(conf, ((unsigned char *)&info)[i], 0xa5);
	info.size = 0;
	CONF_EQUAL(conf, vma_platform_find(conf->accel, conf->arch, &info), VMA_E_INVALID);
	CONF_EQUAL(conf, vma_vm_create(&config, &vm), VMA_E_INVALID);
	return CONF_PASS;
}

static const struct conf_check checks[] = {
	{115, "Each claimed capability has a test; each test's result equals the claim ('no lying caps')", "any misc", NULL,
	 "not written yet"},
	{116, "NULL, misaligned, oversized and unknown arguments are refused", "any misc", arguments, NULL, arguments},
	{117, "Each native failure injected by the mock (E/HRESULT/hv_return) maps to a typed error with op name", "any misc", NULL,
	 "not written yet here; test_core_faults sweeps over failing host calls"},
	{118, "An accelerator that is missing says why", "any misc", diagnosis, NULL, diagnosis},
	{119, "Out-of-memory injection on every allocation", "any misc", NULL,
	 "not written yet"},
	{120, "Run 24 h soak with random kicks, maps, saves; leak and TSan/ASan clean", "any misc", NULL,
	 "not written yet"},
	{121, "Struct sizes: a shorter struct is filled no further, a size of 0 is refused", "any misc", struct_sizes, NULL,
	 struct_sizes},
};

CONF_GROUP(misc, checks, NULL, 0);
