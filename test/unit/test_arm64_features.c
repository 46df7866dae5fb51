/* test_arm64_features.c - what an arm64 vCPU shows of its accelerator's CPU: no PMU unless it is asked for, and pointer authentication
 * that makes the same codes everywhere from the same keys. */
/* test-labels: release */
#include "arm64_guest.h"

enum { END = UART + 0x800 };
#define STRB_END 0x39000360 /* strb w0, [x27] */

static void start(struct machine *m, vma_vm_config config)
{
	make(m, config);
	set(m->v, VMA_ARM64_X0 + 27, END);
	set(m->v, VMA_ARM64_VBAR_EL1, VECTORS);
	set(m->v, VMA_ARM64_PC, 0x1000);
	PUT(m, VECTORS + 0x200, ((uint32_t[]){STRB_END}));
}

static void run_to_end(struct machine *m)
{
	assert_int_equal(vma_vcpu_run(m->v), VMA_EXIT_MMIO);
	assert_int_equal(vma_vcpu_exit(m->v)->mmio.gpa, END);
}

static unsigned pmu_version(struct machine *m)
{
	return get(m->v, VMA_ARM64_ID_AA64DFR0_EL1) >> 8 & 15;
}

/* MRS X0, PMCR_EL0 is undefined. */
static void no_pmu(void **state)
{
	struct machine m;
	(void)state;
	start(&m, (vma_vm_config){0});
	PUT(&m, 0x1000, ((uint32_t[]){0xd53b9c00, STRB_END}));
	assert_int_equal(pmu_version(&m), 0);
	run_to_end(&m);
	assert_int_equal(get(m.v, VMA_ARM64_PC), VECTORS + 0x200);
	assert_int_equal(get(m.v, VMA_ARM64_ESR_EL1) >> 26, 0);
	end(&m);
}

/* Or it is refused by name. */
static void pmu_where_asked_for(void **state)
{
	vma_vm_config config = {.size = sizeof(config), .accel = accel, .arch = VMA_ARCH_ARM64, .pmu = 1};
	struct machine m;
	vma_vm *vm;
	int rc = vma_vm_create(&config, &vm);
	(void)state;
	if (rc) {
		assert_int_equal(rc, VMA_E_NO_ACCEL);
		assert_non_null(strstr(vma_why(), "PMU"));
		skip();
	}
	ok(vma_vm_destroy(vm));
	start(&m, config);
	assert_int_not_equal(pmu_version(&m), 0);
	assert_int_not_equal(pmu_version(&m), 15);
	end(&m);
}

/* ------ pointer authentication ------ */

static const struct {
	const char *name;
	uint32_t sign, check; /* X2 by X3; X5 by X3 */
	uint32_t low;
} pacs[] = {
	{"ia", 0xdac10062, 0xdac11065, VMA_ARM64_APIAKEYLO_EL1}, {"ib", 0xdac10462, 0xdac11465, VMA_ARM64_APIBKEYLO_EL1},
	{"da", 0xdac10862, 0xdac11865, VMA_ARM64_APDAKEYLO_EL1}, {"db", 0xdac10c62, 0xdac11c65, VMA_ARM64_APDBKEYLO_EL1},
	{"ga", 0x9ac33082, 0xd503201f, VMA_ARM64_APGAKEYLO_EL1},
};
enum { PACS = sizeof(pacs) / sizeof(*pacs) };

/* X2 is signed, X5 is that checked again with the right modifier, X6 with a wrong one. */
static bool sign(vma_accel on, unsigned which, uint64_t pointer, uint64_t modifier, uint64_t out[2])
{
	static const uint64_t enable = UINT64_C(1) << 31 | 1 << 30 | 1 << 27 | 1 << 13; /* SCTLR_EL1.EnIA, EnIB, EnDA, EnDB */
	const vma_accel before = accel;
	struct machine m;
	bool there;

	accel = on;
	start(&m, (vma_vm_config){0});
	accel = before;
	there = get(m.v, VMA_ARM64_ID_AA64ISAR1_EL1) >> 4 & 15; /* APA: QARMA5; another algorithm makes other codes */
	if (there) {
		PUT(&m, 0x1000, ((uint32_t[]){pacs[which].sign, 0xaa0203e5 /* mov x5, x2 */, pacs[which].check, STRB_END}));
		set(m.v, pacs[which].low, 0x84be85ce9804e94b);
		set(m.v, pacs[which].low + 1, 0xec2802d4e0a488e9);
		set(m.v, VMA_ARM64_SCTLR_EL1, 0x30d00980 | enable);
		set(m.v, VMA_ARM64_TCR_EL1, 25 | 25 << 16 | UINT64_C(2) << 32);
		set(m.v, VMA_ARM64_X2, pointer);
		set(m.v, VMA_ARM64_X3, modifier);
		set(m.v, VMA_ARM64_X0 + 4, pointer);
		run_to_end(&m);
		out[0] = get(m.v, VMA_ARM64_X2);
		out[1] = get(m.v, VMA_ARM64_X0 + 5);
	}
	end(&m);
	return there;
}

static void pointer_authentication(void **state)
{
	static const uint64_t pointers[] = {0x1234567890, 0xffffffc012345678, 0};
	uint64_t is[2], want[2];
	(void)state;
	for (unsigned k = 0; k < PACS; k++)
		for (unsigned p = 0; p < 3; p++) {
			if (!sign(accel, k, pointers[p], 0xfb623599da6e8127 + p, is))
				skip();
			assert_true(sign(VMA_ACCEL_SOFT, k, pointers[p], 0xfb623599da6e8127 + p, want));
			if (is[0] != want[0] || is[1] != want[1])
				fail_msg("pac%s of %#llx: %#llx, checked %#llx; the software CPU: %#llx, %#llx", pacs[k].name,
					 (unsigned long long)pointers[p], (unsigned long long)is[0], (unsigned long long)is[1],
					 (unsigned long long)want[0], (unsigned long long)want[1]);
			assert_int_not_equal(is[0], pointers[p]);
			if (pacs[k].check != 0xd503201f)
				assert_int_equal(is[1], pointers[p]);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_pmu),
		cmocka_unit_test(pmu_where_asked_for),
		cmocka_unit_test(pointer_authentication),
	};

	RUN_ON_ALL(tests);
}
