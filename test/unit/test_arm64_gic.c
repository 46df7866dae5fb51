/* test_arm64_gic.c - the GIC's saved state: interrupts pending, active and asserted move from each accelerator to each, of both versions; state
 * that does not belong to a GIC is refused. */
/* test-labels: threads|release */
#include "arm64_guest.h"

enum { READY = 2, ENDED = 1, LEVEL_GSI = 48, LEVEL = 80, EDGE = 88, SETSPI = 0x08020040, STATE_MAX = 1 << 17 };

/* X1 = GICD: group on; INTIDs 80 and 88 enabled, 88 edge-triggered (v2: to CPU 0); the CPU interface with PMR 0xf0; a byte to [X27 + 2].
 * Then for ever: acknowledge, the INTID to [X27]; end, a byte to [X27 + 1]. */
static const uint32_t guest_v3[] = {
	0xd2a10001, 0x52800240, 0xb9000020, 0x52a02020, 0xb9010820, 0x52a00040, 0xb90c1420, 0xd2801e00, 0xd5184600, 0xd2800020, 0xd518cce0,
	0xd5033fdf, 0x39000b60, 0xd538cc05, 0x39000365, 0xd518cc25, 0x39000765, 0x17fffffc,
};
static const uint32_t guest_v2[] = {
	0xd2a10001, 0x52800020, 0xb9000020, 0x39214020, 0x39216020, 0x52a02020, 0xb9010820, 0x52a00040, 0xb90c1420, 0xd2a10024, 0x52801e00,
	0xb9000480, 0x52800020, 0xb9000080, 0x39000b60, 0xb9400c85, 0x39000365, 0xb9001085, 0x39000765, 0x17fffffc,
};

static uint32_t version;
static int reports;

static void told(void *opaque, const char *element, const char *reason)
{
	(void)opaque;
	print_message("  %s: %s\n", element, reason);
	reports += !strcmp(element, "GIC");
}
static const vma_report report = {.line = told};

/* False: this accelerator has no such GIC. model: NULL is the accelerator's choice. */
static bool make_gic(struct machine *m, vma_accel on, const char *model)
{
	vma_vm_config config = {.size = sizeof(config), .accel = on, .arch = VMA_ARCH_ARM64, .max_vcpus = 2, .cpu_model = model,
				.irqchip = VMA_IRQCHIP_PLATFORM};
	vma_arm64_gic gic = {.size = sizeof(gic)};

	ok(vma_vm_create(&config, &m->vm));
	ok(vma_arm64_get_gic(m->vm, &gic));
	gic.version = version;
	gic.cpu_base = 0;
	gic.msi_first = 84;
	if (vma_arm64_set_gic(m->vm, &gic)) {
		ok(vma_vm_destroy(m->vm));
		return false;
	}
	ok(vma_mem_anon(RAM, &m->mem));
	m->ram = vma_mem_hva(m->mem);
	ok(vma_vm_map(m->vm, 0, m->mem, 0, RAM, VMA_MAP_RWX));
	ok(vma_vm_finalize(m->vm));
	ok(vma_vcpu_create(m->vm, 0, &m->v));
	if (version == 3)
		PUT(m, CODE, guest_v3);
	else
		PUT(m, CODE, guest_v2);
	set(m->v, VMA_ARM64_X0 + 27, UART);
	return true;
}

/* Run to the next byte for the device. */
static void expect_byte(struct machine *m, uint64_t gpa, int byte)
{
	vma_exit *e = vma_vcpu_exit(m->v);

	assert_int_equal(vma_vcpu_run(m->v), VMA_EXIT_MMIO);
	assert_int_equal(e->mmio.gpa, gpa);
	if (byte >= 0)
		assert_int_equal(e->mmio.data[0], byte);
	assert_int_equal(vma_vcpu_complete(m->v), 0);
}

/* To where 80 is active and its line up, and 88 pending. */
static void go_half_way(struct machine *m)
{
	expect_byte(m, UART + READY, -1);
	ok(vma_vm_irq_line(m->vm, LEVEL_GSI, 1));
	expect_byte(m, UART, LEVEL);
	ok(vma_vm_msi(m->vm, SETSPI, EDGE)); /* of one priority, so that it does not preempt, and which is first is the GIC's choice */
}

struct state {
	uint8_t vm[STATE_MAX], vcpu[STATE_MAX];
	size_t vm_size, vcpu_size;
};

static void save(struct machine *m, struct state *s)
{
	s->vm_size = s->vcpu_size = STATE_MAX;
	ok(vma_vm_save(m->vm, s->vm, &s->vm_size, 0));
	ok(vma_vcpu_save(m->v, s->vcpu, &s->vcpu_size, 0));
}

/* The other half: the device takes its line back, 88 comes, then nothing. Version 3 carries the line; version 2 has it latched, which KVM forgets
 * when the interrupt ends: 80 may come once more. */
static void go_on(struct machine *m)
{
	vma_exit *e = vma_vcpu_exit(m->v);
	int level = 0, edge = 0;

	expect_byte(m, UART + ENDED, -1);
	ok(vma_vm_irq_line(m->vm, LEVEL_GSI, 0));
	for (;;) {
		expect_byte(m, UART, -1);
		if (e->mmio.data[0] == (1023 & 0xff))
			break;
		level += e->mmio.data[0] == LEVEL;
		edge += e->mmio.data[0] == EDGE;
		assert_true(level + edge <= 2);
		expect_byte(m, UART + ENDED, -1);
	}
	assert_int_equal(edge, 1);
	assert_true(level <= (version == 2));
}

static bool move(vma_accel from, vma_accel to)
{
	static struct state first, second;
	struct machine a, b;
	int rc;

	/* what any processor below KVM has */
	if (!make_gic(&a, from, from == VMA_ACCEL_SOFT && to == VMA_ACCEL_KVM ? "armv8.0-a" : NULL))
		return false;
	if (!make_gic(&b, to, NULL)) {
		end(&a);
		return false;
	}
	go_half_way(&a);
	save(&a, &first);
	reports = 0;
	ok(vma_vm_restore(b.vm, first.vm, first.vm_size, 0, &report));
	rc = vma_vcpu_restore(b.v, first.vcpu, first.vcpu_size, 0, &report);
	if (rc == VMA_E_FEATURE) { /* a CPU that shows more than the other has */
		print_message("  %s\n", vma_why());
		end(&a);
		end(&b);
		return false;
	}
	ok(rc);
	assert_int_equal(reports, 0);
	save(&b, &second);
	if (from == to) { /* read-only fields differ between GICs */
		assert_int_equal(second.vm_size, first.vm_size);
		assert_memory_equal(second.vm, first.vm, first.vm_size);
	}
	go_on(&b);
	end(&a);
	end(&b);
	return true;
}

static bool here(vma_accel which)
{
	vma_platform_info info = {.size = sizeof(info)};

	return !vma_platform_find(which, VMA_ARCH_ARM64, &info) && info.available;
}

static void moves_of(uint32_t of_version)
{
	static const vma_accel all[] = {VMA_ACCEL_SOFT, VMA_ACCEL_KVM};
	int moved = 0;

	version = of_version;
	for (int from = 0; from < 2; from++)
		for (int to = 0; to < 2; to++)
			if (here(all[from]) && here(all[to]) && move(all[from], all[to])) {
				print_message("  GICv%u: %s to %s\n", version, vma_accel_name(all[from]), vma_accel_name(all[to]));
				moved++;
			}
	assert_true(moved > 0); /* soft has both */
}

static void version_3(void **state)
{
	(void)state;
	moves_of(3);
}

static void version_2(void **state)
{
	(void)state;
	moves_of(2);
}

/* Another version, another number of vCPUs or INTIDs, a register out of its place, an end in the midst: nothing is written. */
static void not_a_gic(void **state)
{
	static struct state good, bad;
	struct machine m;

	(void)state;
	version = 3;
	assert_true(make_gic(&m, VMA_ACCEL_SOFT, NULL));
	go_half_way(&m);
	save(&m, &good);
	for (size_t at = 0; at < 96; at += 4) { /* the header, the element's head and the first registers */
		int rc;

		bad = good;
		bad.vm[at] ^= 0x55;
		rc = vma_vm_restore(m.vm, bad.vm, bad.vm_size, 0, &report);
		assert_true(rc == 0 || rc == VMA_E_FORMAT || rc == VMA_E_VERSION || rc == VMA_E_FEATURE);
	}
	for (size_t size = 0; size < good.vm_size; size += 997)
		assert_true(vma_vm_restore(m.vm, good.vm, size, 0, &report) < 0);
	ok(vma_vm_restore(m.vm, good.vm, good.vm_size, 0, &report));
	go_on(&m);
	end(&m);
	version = 2;
	assert_true(make_gic(&m, VMA_ACCEL_SOFT, NULL));
	assert_int_equal(vma_vm_restore(m.vm, good.vm, good.vm_size, 0, &report), VMA_E_FEATURE);
	end(&m);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_3),
		cmocka_unit_test(version_2),
		cmocka_unit_test(not_a_gic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
