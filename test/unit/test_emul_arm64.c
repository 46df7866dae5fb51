/* test_emul_arm64.c - src/emul over a back end that is a struct: what the rigs' KVM cannot be asked. What the emulator refuses, what it
 * does when the back end fails half way and is asked again, memory that is logged, and that it asks for nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "core/internal.h"
#include "emul/emul.h"

enum { RAM = 0x2000, DEVICE = 0x100000, CODE = 0x40, SYSREGS = 64 };
enum { LDP_X2_X3 = 0xa9400c22, STP_POST = 0xa8810c22 /* stp x2, x3, [x1], #16 */, SVE_LOAD = 0xa5e0a020 /* ld1d */, NOP = 0xd503201f };

static struct {
	struct vma_arm64_state state;
	uint32_t id[SYSREGS];
	uint64_t value[SYSREGS];
	size_t count;
	int fail_commit; /* so many times */
	unsigned commits, marked, devices;
} native;

static uint64_t *sysreg(uint32_t id)
{
	for (size_t i = 0; i < native.count; i++)
		if (native.id[i] == id)
			return native.value + i;
	native.id[native.count] = id;
	return native.value + native.count++;
}

static int fetch(struct vma_vcpu *v, uint32_t classes)
{
	if (classes & VMA_C_GPR)
		v->arm64.gpr = native.state.gpr;
	if (classes & VMA_C_FP)
		v->arm64.fp = native.state.fp;
	return 0;
}

static int commit(struct vma_vcpu *v, uint32_t classes)
{
	if (native.fail_commit && native.fail_commit--)
		return vma_fail(VMA_E_NATIVE, "commit");
	native.commits++;
	for (unsigned i = 0; i < VMA_ARM64_GPR_END; i++)
		if (classes & VMA_C_GPR && v->gpr_dirty >> i & 1)
			((uint64_t *)&native.state.gpr)[i] = ((uint64_t *)&v->arm64.gpr)[i];
	if (classes & VMA_C_FP)
		native.state.fp = v->arm64.fp;
	return 0;
}

static int get_sysregs(struct vma_vcpu *v, const uint32_t *ids, uint64_t *values, size_t count)
{
	(void)v;
	for (size_t i = 0; i < count; i++)
		values[i] = *sysreg(ids[i]);
	return (int)count;
}

static int set_sysregs(struct vma_vcpu *v, const uint32_t *ids, const uint64_t *values, size_t count)
{
	(void)v;
	for (size_t i = 0; i < count; i++)
		*sysreg(ids[i]) = values[i];
	return (int)count;
}

static const struct vma_backend backend = {
	.name = "struct", .arch = VMA_ARCH_ARM64, .fetch = fetch, .commit = commit, .get_sysregs = get_sysregs, .set_sysregs = set_sysregs};

static bool device(struct vma_vcpu *v, uint64_t gpa, unsigned length, bool write, uint8_t *data)
{
	(void)v;
	(void)length;
	(void)write;
	(void)data;
	native.devices += gpa == DEVICE + 8;
	return gpa == DEVICE + 8;
}

static void mark(struct vma_region *r, uint64_t page)
{
	(void)r;
	native.marked |= 1u << page;
}
static const struct vma_emul_ops ops = {.device = device, .mark = mark};

struct rig {
	struct vma_vm vm;
	struct vma_vcpu v;
	struct vma_region ram, *regions[1];
	struct vma_emul_arm64 *emul;
};

static void put(struct rig *r, uint64_t at, uint32_t word)
{
	memcpy(r->ram.hva + at, &word, 4);
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	native = (typeof(native)){.state.gpr = {.pc = CODE, .pstate = 0x3c5}};
	*sysreg(VMA_ARM64_ID_AA64MMFR0_EL1) = 2;
	*sysreg(VMA_ARM64_DCZID_EL0) = 4;
	*sysreg(VMA_ARM64_CPACR_EL1) = 3 << 20;
	*sysreg(VMA_ARM64_VBAR_EL1) = 0x800;
	*sysreg(VMA_ARM64_ESR_EL1) = 0x1de7ec7edbadc0de; /* of KVM's reset: more bits than the register has */
	r->ram = (struct vma_region){.size = RAM, .hva = os_aligned(4096, RAM), .flags = VMA_MAP_RWX | VMA_MAP_LOG};
	memset(r->ram.hva, 0, RAM);
	r->regions[0] = &r->ram;
	r->vm = (struct vma_vm){.be = &backend, .arch = &vma_arch_arm64, .regions = r->regions, .region_count = 1};
	r->vm.info.name = "struct";
	r->v.vm = &r->vm;
	for (unsigned i = 0; i < 31; i++)
		native.state.gpr.x[i] = 100 + i;
	native.state.gpr.x[1] = DEVICE;
	*state = r;
	os_mutex_init(&r->vm.lock);
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	vma_emul_free_arm64(r->emul);
	os_mutex_destroy(&r->vm.lock);
	os_free(r->ram.hva);
	free(r);
	return 0;
}

static int begin(struct rig *r, uint32_t word)
{
	put(r, CODE, word);
	native.state.gpr.pc = CODE;
	r->v.valid = 0;
	return vma_emul_begin_arm64(&r->v, &r->emul, &ops);
}

static void refused(void **state)
{
	static const struct {
		uint32_t word, id;
		uint64_t value, pstate, told;
	} cases[] = {
		{SVE_LOAD, VMA_ARM64_CPACR_EL1, 0x330000, 0x3c5, SVE_LOAD},
		{NOP, VMA_ARM64_CPACR_EL1, 3 << 20, 0x3c5, NOP},
		{0xd50b7421 /* dc zva */, VMA_ARM64_DCZID_EL0, 4, 0x3c5, UINT64_MAX},
		{LDP_X2_X3, VMA_ARM64_SCTLR_EL1, 1 << 25, 0x3c5, 0},  /* big-endian tables and data */
		{LDP_X2_X3, VMA_ARM64_SCTLR_EL1, 1 << 24, 0x3c0, 0},  /* big-endian data of EL0 */
		{LDP_X2_X3, VMA_ARM64_SCTLR_EL1, 0, 0x1d0, 0},	      /* AArch32 */
	};
	struct rig *r = *state;

	for (size_t i = 0; i < VMA_COUNT(cases); i++) {
		struct vma_arm64_state before;
		int kind;

		*sysreg(cases[i].id) = cases[i].value;
		native.state.gpr.pstate = cases[i].pstate;
		native.state.gpr.pc = CODE;
		before = native.state;
		kind = begin(r, cases[i].word);
		if (cases[i].told == UINT64_MAX) { /* this one is not refused: an alignment fault of the guest */
			assert_int_equal(kind, 0);
			assert_int_equal(native.state.gpr.pc, 0xa00);
			continue;
		}
		assert_int_equal(kind, VMA_EXIT_INTERNAL);
		assert_int_equal(r->v.exit.internal.data[0], cases[i].told);
		assert_int_equal(r->v.exit.internal.data[1], CODE);
		assert_false(r->v.exit.pending);
		assert_memory_equal(&before, &native.state, sizeof(before));
	}
}

static void a_block_of_another_size(void **state)
{
	struct rig *r = *state;

	*sysreg(VMA_ARM64_DCZID_EL0) = 7;
	assert_int_equal(begin(r, 0xd50b7421), VMA_EXIT_INTERNAL);
	assert_int_equal(r->v.exit.internal.data[0], 0xd50b7421);
}

static void expect_load(const struct rig *r)
{
	assert_int_equal(native.state.gpr.x[2], 5);
	assert_int_equal(native.state.gpr.pc, CODE + 4);
	assert_false(r->v.exit.pending);
}

/* The second word is a device's below the API: one exit. The back end refuses the result twice. */
static void failing_half_way(void **state)
{
	struct rig *r = *state;

	assert_int_equal(begin(r, LDP_X2_X3), VMA_EXIT_MMIO);
	assert_int_equal(r->v.exit.mmio.gpa, DEVICE);
	memcpy(r->v.exit.mmio.data, &(uint64_t){5}, 8);
	native.fail_commit = 2;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(vma_emul_answer_arm64(&r->v, r->emul), VMA_E_NATIVE);
		assert_true(r->v.exit.pending);
		assert_int_equal(native.state.gpr.x[2], 102);
	}
	assert_int_equal(vma_emul_answer_arm64(&r->v, r->emul), 0);
	expect_load(r);
	assert_int_equal(native.devices, 1);
}

static int call_to_fail;
static int fault(const char *call)
{
	(void)call;
	return call_to_fail && !--call_to_fail ? ENOMEM : 0;
}

static void no_memory(void **state)
{
	struct rig *r = *state;

	vma_os_fault = fault;
	for (int which = 1; which <= 2; which++) {
		call_to_fail = which;
		assert_int_equal(begin(r, LDP_X2_X3), VMA_E_NOMEM);
		assert_null(r->emul);
	}
	vma_os_fault = NULL;
	assert_int_equal(begin(r, LDP_X2_X3), VMA_EXIT_MMIO);
}

/* The answer comes, and another instruction stands there by now: it is not taken for the first one's. */
static void abandoned(void **state)
{
	struct rig *r = *state;

	assert_int_equal(begin(r, LDP_X2_X3), VMA_EXIT_MMIO);
	memcpy(r->v.exit.mmio.data, &(uint64_t){9}, 8);
	assert_int_equal(begin(r, LDP_X2_X3), VMA_EXIT_MMIO);
	assert_int_equal(r->v.exit.mmio.gpa, DEVICE);
	memcpy(r->v.exit.mmio.data, &(uint64_t){5}, 8);
	assert_int_equal(vma_emul_answer_arm64(&r->v, r->emul), 0);
	expect_load(r);
}

static void logged(void **state)
{
	struct rig *r = *state;
	uint64_t at;

	native.state.gpr.x[1] = RAM - 16;
	assert_int_equal(begin(r, STP_POST), 0);
	memcpy(&at, r->ram.hva + RAM - 8, 8);
	assert_int_equal(at, 103);
	assert_int_equal(native.state.gpr.x[1], RAM);
	assert_int_equal(native.marked, 2);
}

/* ESR_EL1 is written with what the exception makes of it, and left alone without one. */
static void exception(void **state)
{
	struct rig *r = *state;

	assert_int_equal(begin(r, LDP_X2_X3), VMA_EXIT_MMIO);
	assert_int_equal(vma_emul_answer_arm64(&r->v, r->emul), 0);
	assert_int_equal(*sysreg(VMA_ARM64_ESR_EL1), 0x1de7ec7edbadc0de);
	native.state.gpr.x[1] = DEVICE + 3;
	native.state.gpr.pstate |= 1 << 21;
	assert_int_equal(begin(r, LDP_X2_X3), 0);
	assert_int_equal(*sysreg(VMA_ARM64_ESR_EL1), 0x96000021);
	assert_int_equal(*sysreg(VMA_ARM64_FAR_EL1), DEVICE + 3);
	assert_int_equal(*sysreg(VMA_ARM64_ELR_EL1), CODE);
	assert_int_equal(*sysreg(VMA_ARM64_SPSR_EL1), 0x2003c5);
	assert_int_equal(native.state.gpr.pc, 0xa00);
	assert_int_equal(native.state.gpr.pstate, 0x3c5);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(refused), TEST(a_block_of_another_size), TEST(failing_half_way), TEST(no_memory), TEST(abandoned),
		TEST(logged),  TEST(exception),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
