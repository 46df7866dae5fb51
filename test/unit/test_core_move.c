/* test_core_move.c - a guest saved in the middle of its run on one accelerator goes on on another, for all ordered
 * pairs that this machine has (T108), with its saved state byte-equal on both sides. */
#include "test_core_null.h"

enum { MEMORY = 0x100000, CODE = 0x1000, ROUNDS = 5 };

/* again: inc ebx; out 0x80, al; jmp again */
static const uint8_t code[] = {0x66, 0x43, 0xe6, 0x80, 0xeb, 0xfa};
static const vma_accel accels[] = {VMA_ACCEL_KVM, VMA_ACCEL_SOFT};

static bool have(vma_accel accel)
{
	vma_platform_info info = {.size = sizeof(info)};

	return !vma_platform_find(accel, VMA_ARCH_X86_64, &info) && info.available;
}

static void open_on(struct rig *r, vma_accel accel, vma_irqchip irqchip)
{
	vma_vm_config c = rig_config(irqchip);

	c.accel = accel;
	c.cpu_model = "x86-64-v1";
	ok(vma_vm_create(&c, &r->vm));
	ok(vma_mem_anon(MEMORY, &r->mem));
	ok(vma_vm_map(r->vm, 0, r->mem, 0, MEMORY, VMA_MAP_RWX));
	ok(vma_vm_finalize(r->vm));
	ok(vma_vcpu_create(r->vm, 0, &r->v));
}

static void rounds(struct rig *r, uint64_t expected_rbx)
{
	for (int i = 0; i < ROUNDS; i++) {
		assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_IO);
		assert_int_equal(vma_vcpu_exit(r->v)->io.port, 0x80);
	}
	assert_int_equal(get1(r->v, VMA_X86_RBX), expected_rbx);
}

static void start(struct rig *r)
{
	memcpy((uint8_t *)vma_mem_hva(r->mem) + CODE, code, sizeof(code));
	set1(r->v, VMA_X86_CS, CODE >> 4);
	set1(r->v, VMA_X86_CS_BASE, CODE);
	set1(r->v, VMA_X86_RIP, 0);
	set1(r->v, VMA_X86_XCR0, vma_x86_has_feature(r->vm, "xsave") == 1 ? 3 : 1);
	set1(r->v, VMA_X86_MSR_LSTAR, 0xffffffff81000040);
}

static void move(vma_accel from, vma_accel to, vma_irqchip irqchip)
{
	uint8_t a[8192], b[8192];
	size_t n = sizeof(a), m = sizeof(b);
	struct rig s, t;

	open_on(&s, from, irqchip);
	open_on(&t, to, irqchip);
	start(&s);
	rounds(&s, ROUNDS);
	ok(vma_vcpu_complete(s.v));
	ok(vma_vcpu_save(s.v, a, &n, 0));
	memcpy(vma_mem_hva(t.mem), vma_mem_hva(s.mem), MEMORY);
	ok(vma_vcpu_restore(t.v, a, n, 0, NULL));
	ok(vma_vcpu_save(t.v, b, &m, 0));
	assert_int_equal(n, m);
	assert_memory_equal(a, b, n);
	if (irqchip == VMA_IRQCHIP_PLATFORM) {
		n = m = sizeof(a);
		ok(vma_vm_save(s.vm, a, &n, 0));
		ok(vma_vm_restore(t.vm, a, n, 0, NULL));
		ok(vma_vm_save(t.vm, b, &m, 0));
		assert_int_equal(n, m);
		assert_memory_equal(a, b, n);
	}
	rounds(&t, 2 * ROUNDS);
	rig_close(&s);
	rig_close(&t);
}

static void all_pairs(void **state)
{
	int moved = 0;

	(void)state;
	for (size_t i = 0; i < 2; i++)
		for (size_t k = 0; k < 2; k++) {
			if (!have(accels[i]) || !have(accels[k]))
				continue;
			move(accels[i], accels[k], VMA_IRQCHIP_NONE);
			move(accels[i], accels[k], VMA_IRQCHIP_PLATFORM);
			moved++;
		}
	if (!moved)
		skip();
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(all_pairs)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
