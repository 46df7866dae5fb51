/* test_arm64_guests.c - small arm64 guests through the public calls, on every accelerator that is here: a byte to a device, PSCI,
 * the timer's interrupt through the GIC, a second vCPU, a watched step, state from each to each. Guests are written as words; the comments are their source. */
/* test-labels: threads|release */
#include <pthread.h>
#include "arm64_guest.h"

/* w0 = '!'; strb w0, [UART]; ldr x12, [UART + 8]; PSCI SYSTEM_OFF (whose answer may be in X0 to X3) */
static const uint32_t hello[] = {
	0xd2a12001, 0x52800420, 0x39000020, 0xf940042c, 0xd2800100, 0xf2b08000, 0xd4000002, 0x14000000,
};
/* GICD_CTLR, PPI 27 enabled, PMR, IGRPEN1; CNTV_TVAL = 1000, CNTV_CTL = 1; WFI with I masked and DAIFClr until x20; SYSTEM_OFF */
static const uint32_t timer[] = {
	0x10003f00, 0xd518c000, 0xd2a10001, 0x52800240, 0xb9000020, 0xd2a10142, 0xf2800002, 0x91404042,
	0x52a10000, 0xb9010040, 0xd2801e00, 0xd5184600, 0xd2800020, 0xd518cce0, 0xd5033fdf, 0xd2807d00,
	0xd51be300, 0xd2800020, 0xd51be320, 0xd503207f, 0xd50342ff, 0xd5033fdf, 0xd50342df, 0xb4ffff94,
	0xd2800100, 0xf2b08000, 0xd4000002,
};
/* PSCI CPU_ON(1, second, 0x77); wait until [0x3000]; SYSTEM_OFF. second: [0x3000] = x0; CPU_OFF */
static const uint32_t smp[] = {
	0xd2800060, 0xf2b88000, 0xd2800021, 0x10000142, 0xd2800ee3, 0xd4000002, 0xaa0003e5, 0xd2860006,
	0xf94000c7, 0xb4ffffe7, 0xd2800100, 0xf2b08000, 0xd4000002, 0xd2860006, 0xf90000c0, 0xd2800040,
	0xf2b08000, 0xd4000002,
};
/* IRQ from EL1h: IAR1 to x21, timer off, x20 = 1, EOIR1, ERET */
static const uint32_t irq_handler[] = {
	0xd538cc15, 0xd51be33f, 0xd2800034, 0xd518cc35, 0xd69f03e0,
};

static void a_byte(void **state)
{
	struct machine m;
	vma_exit *e;
	(void)state;
	make(&m, (vma_vm_config){.irqchip = VMA_IRQCHIP_PLATFORM});
	PUT(&m, CODE, hello);
	e = vma_vcpu_exit(m.v);
	assert_int_equal(vma_vcpu_run(m.v), VMA_EXIT_MMIO);
	assert_int_equal(e->mmio.gpa, UART);
	assert_int_equal(e->mmio.length, 1);
	assert_true(e->mmio.write);
	assert_int_equal(e->mmio.data[0], '!');
	assert_int_equal(get(m.v, VMA_ARM64_PC), CODE + 8);
	assert_int_equal(vma_vcpu_run(m.v), VMA_EXIT_MMIO);
	assert_int_equal(e->mmio.gpa, UART + 8);
	assert_int_equal(e->mmio.length, 8);
	memcpy(e->mmio.data, "ABCDEFGH", 8);
	assert_int_equal(vma_vcpu_run(m.v), VMA_EXIT_SYSTEM);
	assert_int_equal(e->system.type, VMA_SYSTEM_POWER_OFF);
	assert_int_equal(get(m.v, VMA_ARM64_X0 + 12), 0x4847464544434241);
	end(&m);
}

static void hypercall_exits(void **state)
{
	struct machine m;
	vma_exit *e;
	(void)state;
	if (!(caps & VMA_CAP_HYPERCALL_EXIT))
		skip();
	make(&m, (vma_vm_config){.hypercall_exits = 1});
	put_code(&m, CODE, hello + 4, 16);
	e = vma_vcpu_exit(m.v);
	assert_int_equal(vma_vcpu_run(m.v), VMA_EXIT_HYPERCALL);
	assert_int_equal(e->hypercall.number, 0x84000008);
	assert_false(e->hypercall.smc);
	assert_int_equal(get(m.v, VMA_ARM64_PC), CODE + 8);
	e->hypercall.result = 5;
	assert_int_equal(vma_vcpu_complete(m.v), 0);
	assert_int_equal(get(m.v, VMA_ARM64_PC), CODE + 12);
	assert_int_equal(get(m.v, VMA_ARM64_X0), 5);
	end(&m);
}

static void timer_of(uint64_t insn_hz)
{
	vma_arm64_gic gic = {.size = sizeof(gic)};
	struct machine m;
	make(&m, (vma_vm_config){.irqchip = VMA_IRQCHIP_PLATFORM, .insn_hz = insn_hz});
	ok(vma_arm64_get_gic(m.vm, &gic));
	if (gic.version != 3) { /* the guest speaks to a GICv3 */
		end(&m);
		skip();
	}
	PUT(&m, CODE + 0x20, timer);
	PUT(&m, VECTORS + 0x280, irq_handler);
	ok(vma_vcpu_set(m.v, (uint32_t[]){VMA_ARM64_PC}, (uint64_t[]){CODE + 0x20}, 1));
	assert_int_equal(vma_vcpu_run(m.v), VMA_EXIT_SYSTEM);
	assert_int_equal(get(m.v, VMA_ARM64_X0 + 21), 27);
	end(&m);
}

static void timer_interrupt(void **state)
{
	(void)state;
	timer_of(0);
}

static void timer_interrupt_counted(void **state)
{
	(void)state;
	if (!(caps & VMA_CAP_INSN_COUNT))
		skip();
	timer_of(1000000000);
}

static void *second_vcpu(void *arg)
{
	struct machine *m = arg;
	vma_vcpu *v;
	vma_mp mp;
	ok(vma_vcpu_create(m->vm, 1, &v));
	ok(vma_vcpu_get_mp(v, &mp));
	assert_int_equal(mp, VMA_MP_OFF);
	vma_kick *mine;
	ok(vma_vcpu_kick_handle(v, &mine));
	__atomic_store_n((vma_kick **)(void *)(m->ram + 0x4000), mine, __ATOMIC_RELEASE);
	assert_int_equal(vma_vcpu_run(v), VMA_EXIT_CANCELED);
	ok(vma_vcpu_get_mp(v, &mp));
	assert_int_equal(mp, VMA_MP_OFF); /* it has switched itself off again */
	vma_kick_unref(mine);
	ok(vma_vcpu_destroy(v));
	return NULL;
}

static void cpu_on(void **state)
{
	struct machine m;
	pthread_t thread;
	vma_kick *kick;
	(void)state;
	make(&m, (vma_vm_config){.irqchip = VMA_IRQCHIP_PLATFORM, .max_vcpus = 2});
	PUT(&m, CODE + 0x84, smp);
	ok(vma_vcpu_set(m.v, (uint32_t[]){VMA_ARM64_PC}, (uint64_t[]){CODE + 0x84}, 1));
	assert_int_equal(pthread_create(&thread, NULL, second_vcpu, &m), 0);
	while (!(kick = __atomic_load_n((vma_kick **)(void *)(m.ram + 0x4000), __ATOMIC_ACQUIRE)))
		;
	assert_int_equal(vma_vcpu_run(m.v), VMA_EXIT_SYSTEM);
	assert_int_equal(get(m.v, VMA_ARM64_X0 + 5), 0);
	assert_int_equal(get(m.v, VMA_ARM64_X0 + 7), 0x77);
	vma_kick_send(kick);
	pthread_join(thread, NULL);
	end(&m);
}

static void single_step(void **state)
{
	struct machine m;
	vma_debug debug = {.size = sizeof(debug), .single_step = 1};
	(void)state;
	make(&m, (vma_vm_config){0});
	PUT(&m, CODE, hello);
	ok(vma_vcpu_debug(m.v, &debug));
	assert_int_equal(vma_vcpu_run(m.v), VMA_EXIT_DEBUG);
	assert_int_equal(vma_vcpu_exit(m.v)->debug.reason, VMA_DEBUG_STEP);
	assert_int_equal(get(m.v, VMA_ARM64_PC), CODE + 4);
	assert_int_equal(get(m.v, VMA_ARM64_X1), UART);
	debug = (vma_debug){.size = sizeof(debug), .count = 1, .hw = {{CODE + 8, VMA_BREAK_EXEC, 4}}};
	ok(vma_vcpu_debug(m.v, &debug));
	assert_int_equal(vma_vcpu_run(m.v), VMA_EXIT_DEBUG);
	assert_int_equal(vma_vcpu_exit(m.v)->debug.reason, VMA_DEBUG_HW);
	assert_int_equal(get(m.v, VMA_ARM64_PC), CODE + 8);
	debug = (vma_debug){.size = sizeof(debug)};
	ok(vma_vcpu_debug(m.v, &debug));
	assert_int_equal(vma_vcpu_run(m.v), VMA_EXIT_MMIO);
	end(&m);
}

/* What the other does not have is told, and is nothing that this guest uses. */
static unsigned told;
static void tell(void *opaque, const char *element, const char *reason)
{
	(void)opaque;
	print_message("  %s: %s\n", element, reason);
	told++;
}

static const uint32_t moved[] = {VMA_ARM64_X0 + 7,	 VMA_ARM64_SP_EL0,    VMA_ARM64_SP_EL1,	   VMA_ARM64_PC,
				 VMA_ARM64_TPIDR_EL0,	 VMA_ARM64_FPSR,      VMA_ARM64_TTBR1_EL1, VMA_ARM64_CNTV_CVAL_EL0,
				 VMA_ARM64_ELR_EL1,	 VMA_ARM64_SPSR_EL1,  VMA_ARM64_VBAR_EL1,  VMA_ARM64_MAIR_EL1,
				 VMA_ARM64_CONTEXTIDR_EL1, VMA_ARM64_PSTATE};
static const uint64_t values[] = {7, 0x7000, 0x8000, 4, 0x1234, 0x1f, 0x4000, 99, 0x5550, 0x3c5, 0x800, 0xff440c0400, 5, 0x600003c4};
enum { MOVED = sizeof(moved) / sizeof(*moved) };

/* From one accelerator to the other; false: the other lacks what this CPU shows. */
static bool move(vma_accel from, vma_accel to)
{
	static uint8_t buf[65536];
	size_t size = sizeof(buf);
	const vma_report report = {.line = tell};
	struct machine a, b;
	uint64_t read[MOVED];
	int rc;

	print_message("%s to %s\n", vma_accel_name(from), vma_accel_name(to));
	accel = from;
	make(&a, (vma_vm_config){0});
	accel = to;
	make(&b, (vma_vm_config){0});
	ok(vma_vcpu_set(a.v, moved, values, MOVED));
	ok(vma_vcpu_save(a.v, buf, &size, VMA_STATE_TIME));
	rc = vma_vcpu_restore(b.v, buf, size, VMA_STATE_TIME, &report);
	if (rc == VMA_E_FEATURE && from != to) {
		print_message("  refused: %s\n", vma_why());
	} else {
		ok(rc);
		ok(vma_vcpu_get(b.v, moved, read, MOVED));
		assert_memory_equal(read, values, sizeof(values));
	}
	for (size_t cut = 0; cut < size; cut += 97)
		assert_true(vma_vcpu_restore(b.v, buf, cut, 0, NULL) < 0);
	end(&a);
	end(&b);
	return rc >= 0;
}

static void state_moves(void **state)
{
	const vma_accel before = accel;
	(void)state;
	told = 0;
	assert_true(move(before, before));
	assert_int_equal(told, 0);
	if (before != VMA_ACCEL_SOFT) {
		move(before, VMA_ACCEL_SOFT);
		move(VMA_ACCEL_SOFT, before);
	}
	accel = before;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_byte),
		cmocka_unit_test(hypercall_exits),
		cmocka_unit_test(timer_interrupt),
		cmocka_unit_test(timer_interrupt_counted),
		cmocka_unit_test(cpu_on),
		cmocka_unit_test(single_step),
		cmocka_unit_test(state_moves),
	};

	RUN_ON_ALL(tests);
}
