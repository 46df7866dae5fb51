/* test_arm64_sve.c - SVE: what the host writes the guest reads and the reverse, lengths, V within Z, saving. Where the
 * accelerator has none it is refused by name. */
/* test-labels: release */
#include "arm64_guest.h"

enum { END = UART + 0x800 };
#define STRB_END 0x39000360 /* strb w0, [x27] */
#define ZCR_EL1 VMA_ARM64_SYSREG(3, 0, 1, 2, 0)

static const uint32_t code[] = {
	0x04bf5020, /* rdvl x0, #1 */
	0x2518e3e1, /* ptrue p1.b */
	0x04214061, /* index z1.b, #3, #1 */
	0x04200002, /* add z2.b, z0.b, z0.b */
	0x25824843, /* mov p3.b, p2.b */
	0x2519f004, /* rdffr p4.b */
	0x25289020, /* wrffr p1.b */
	STRB_END,
};

static vma_arm64_sve is, want;

static bool start(struct machine *m, vma_vm_config config, uint32_t sve)
{
	vma_vm *vm;
	int rc;

	config.size = sizeof(config);
	config.accel = accel;
	config.arch = VMA_ARCH_ARM64;
	config.sve = sve;
	rc = vma_vm_create(&config, &vm);
	if (rc) {
		assert_int_equal(rc, VMA_E_NO_ACCEL);
		assert_non_null(strstr(vma_why(), "SVE"));
		return false;
	}
	ok(vma_vm_destroy(vm));
	make(m, config);
	return true;
}

static void run(struct machine *m)
{
	PUT(m, 0x1000, code);
	set(m->v, VMA_ARM64_X0 + 27, END);
	set(m->v, VMA_ARM64_PC, 0x1000);
	set(m->v, VMA_ARM64_CPACR_EL1, 3 << 20 | 3 << 16); /* FPEN, ZEN */
	set(m->v, ZCR_EL1, 15);
	assert_int_equal(vma_vcpu_run(m->v), VMA_EXIT_MMIO);
	assert_int_equal(vma_vcpu_exit(m->v)->mmio.gpa, END);
	assert_int_equal(vma_arm64_set_sve(m->v, &is), VMA_E_PENDING);
	ok(vma_vcpu_complete(m->v));
}

/* The guest's program in C, upon `want`. */
static void expect(unsigned length)
{
	for (unsigned i = 0; i < length; i++) {
		want.z[1][i] = (uint8_t)(3 + i);
		want.z[2][i] = (uint8_t)(2 * want.z[0][i]);
	}
	memcpy(want.p[3], want.p[2], length / 8);
	memcpy(want.p[4], want.ffr, length / 8);
	memset(want.p[1], 0xff, length / 8);
	memset(want.ffr, 0xff, length / 8);
}

static void fill(unsigned length)
{
	memset(&want, 0, sizeof(want));
	for (unsigned n = 0; n < 32; n++)
		for (unsigned i = 0; i < length; i++)
			want.z[n][i] = (uint8_t)(n * 7 + i * 5 + 1);
	for (unsigned n = 0; n < 16; n++)
		memset(want.p[n], (int)(0x51 + n), length / 8);
	memset(want.ffr, 0, length / 8);
	want.ffr[0] = 0x1f; /* FFR has all bits up to one place (Arm ARM B1.2.3) */
}

static void same(struct machine *m)
{
	memset(&is, 0xaa, sizeof(is));
	ok(vma_arm64_get_sve(m->v, &is));
	assert_memory_equal(&is, &want, sizeof(is));
}

static void host_and_guest(void **state)
{
	struct machine m;
	unsigned length;
	(void)state;
	if (!start(&m, (vma_vm_config){0}, UINT32_MAX))
		skip();
	for (unsigned life = 0; life < 2; life++) {
		length = (unsigned)vma_arm64_sve_length(m.v);
		assert_in_range(length, 16, 256);
		fill(length);
		ok(vma_arm64_set_sve(m.v, &want));
		same(&m);
		run(&m);
		assert_int_equal(get(m.v, VMA_ARM64_X0), length);
		expect(length);
		same(&m);
		/* and made again of the same number */
		ok(vma_vcpu_destroy(m.v));
		ok(vma_vcpu_create(m.vm, 0, &m.v));
	}
	end(&m);
}

static void with_a_gic(void **state)
{
	struct machine m;
	(void)state;
	if (!start(&m, (vma_vm_config){.irqchip = VMA_IRQCHIP_PLATFORM}, 16))
		skip();
	assert_int_equal(vma_arm64_sve_length(m.v), 16);
	fill(16);
	ok(vma_arm64_set_sve(m.v, &want));
	run(&m);
	assert_int_equal(get(m.v, VMA_ARM64_X0), 16);
	expect(16);
	same(&m);
	end(&m);
}

static void v_within_z(void **state)
{
	vma_arm64_fp_regs fp;
	struct machine m;
	(void)state;
	if (!start(&m, (vma_vm_config){0}, UINT32_MAX))
		skip();
	fill((unsigned)vma_arm64_sve_length(m.v));
	ok(vma_arm64_set_sve(m.v, &want));
	ok(vma_arm64_get_fp_regs(m.v, &fp));
	for (unsigned n = 0; n < 32; n++)
		assert_memory_equal(fp.v[n], want.z[n], 16);
	fp.v[5][3] ^= 0x80;
	fp.fpsr = 1 << 27;
	ok(vma_arm64_set_fp_regs(m.v, &fp));
	memset(want.z[5], 0, sizeof(want.z[5]));
	memcpy(want.z[5], fp.v[5], 16);
	same(&m);
	assert_int_equal(get(m.v, VMA_ARM64_FPSR), 1 << 27);
	end(&m);
}

/* A state of vectors goes where vectors are as long, and nowhere else. */
static void saved(void **state)
{
	static uint8_t buf[65536];
	const vma_accel before = accel;
	size_t size = sizeof(buf);
	struct machine m;
	unsigned length;
	(void)state;
	if (!start(&m, (vma_vm_config){0}, UINT32_MAX))
		skip();
	length = (unsigned)vma_arm64_sve_length(m.v);
	fill(length);
	ok(vma_arm64_set_sve(m.v, &want));
	run(&m);
	expect(length);
	ok(vma_vcpu_save(m.v, buf, &size, 0));
	end(&m);

	start(&m, (vma_vm_config){0}, UINT32_MAX);
	ok(vma_vcpu_restore(m.v, buf, size, 0, NULL));
	same(&m);
	end(&m);
	if (length > 16) {
		start(&m, (vma_vm_config){0}, 16);
		assert_int_equal(vma_vcpu_restore(m.v, buf, size, 0, NULL), VMA_E_FEATURE);
		assert_non_null(strstr(vma_why(), "are of 16"));
		end(&m);
	}
	accel = VMA_ACCEL_SOFT;
	make(&m, (vma_vm_config){0});
	accel = before;
	assert_int_equal(vma_vcpu_restore(m.v, buf, size, 0, NULL), VMA_E_FEATURE);
	assert_non_null(strstr(vma_why(), "no SVE"));
	end(&m);
}

static void refused(void **state)
{
	static const uint32_t lengths[] = {1, 17, 272, UINT32_MAX - 15};
	struct machine m;
	vma_vm *vm;
	(void)state;
	for (unsigned i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		vma_vm_config c = {.size = sizeof(c), .accel = accel, .arch = VMA_ARCH_ARM64, .sve = lengths[i]};
		assert_int_equal(vma_vm_create(&c, &vm), VMA_E_INVALID);
	}
	make(&m, (vma_vm_config){0});
	assert_int_equal(vma_arm64_sve_length(m.v), 0);
	assert_int_equal(vma_arm64_get_sve(m.v, &is), VMA_E_NO_ACCEL);
	assert_int_equal(vma_arm64_set_sve(m.v, &is), VMA_E_NO_ACCEL);
	assert_int_equal(vma_arm64_get_sve(m.v, NULL), VMA_E_INVALID);
	end(&m);
}

/* The events of a saved state, named SVE: 16 bytes are too few for whatever length they give. */
static void malformed(void **state)
{
	static const uint32_t lengths[] = {0, 8, 16, 256, 272, UINT32_MAX};
	static uint8_t buf[65536];
	size_t size = sizeof(buf), at = 24;
	struct machine m;
	uint32_t id, length;
	(void)state;
	make(&m, (vma_vm_config){0});
	ok(vma_vcpu_save(m.v, buf, &size, 0));
	for (; memcpy(&id, buf + at, 4), id != 9; at += 16 + (length + 7) / 8 * 8) {
		memcpy(&length, buf + at + 8, 4);
		assert_true(at + length < size);
	}
	memcpy(buf + at, &(uint32_t){19}, 4);
	for (unsigned i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		memcpy(buf + at + 16, lengths + i, 4);
		assert_int_equal(vma_vcpu_restore(m.v, buf, size, 0, NULL), VMA_E_FORMAT);
		assert_non_null(strstr(vma_why(), "SVE registers"));
	}
	end(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(host_and_guest), cmocka_unit_test(with_a_gic), cmocka_unit_test(v_within_z),
		cmocka_unit_test(saved),	  cmocka_unit_test(refused), cmocka_unit_test(malformed),
	};

	RUN_ON_ALL(tests);
}
