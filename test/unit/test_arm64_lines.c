/* test_arm64_lines.c - an arm64 vCPU without interrupt controllers, on every accelerator: its two input lines, the timers' outputs as
 * exits, and what waits for them. */
/* test-labels: threads|release */
#include <pthread.h>
#include <unistd.h>
#include "arm64_guest.h"

enum { END = UART + 0x800, IRQ = VECTORS + 0x280, FIQ = VECTORS + 0x300 };
#define STRB_END 0x39000360 /* strb w0, [x27] */
#define NOP 0xd503201f
#define B_SELF 0x14000000
#define UNMASK 0xd50343ff /* msr daifclr, #3: IRQ and FIQ */
#define WFI 0xd503207f

/* EL1h with everything masked, X27 the device */
static void start(struct machine *m, vma_vm_config config)
{
	make(m, config);
	PUT(m, IRQ, ((uint32_t[]){STRB_END, B_SELF}));
	PUT(m, FIQ, ((uint32_t[]){STRB_END, B_SELF}));
	set(m->v, VMA_ARM64_VBAR_EL1, VECTORS);
	set(m->v, VMA_ARM64_X0 + 27, END);
	set(m->v, VMA_ARM64_X0 + 2, 1000);
	set(m->v, VMA_ARM64_X0 + 3, 1);
	set(m->v, VMA_ARM64_PC, 0x1000);
}
#define START(m, config, ...)                                                                                          \
	do {                                                                                                           \
		start(m, config);                                                                                      \
		PUT(m, 0x1000, ((uint32_t[]){__VA_ARGS__}));                                                           \
	} while (0)
#define NONE ((vma_vm_config){0})

/* Not before the next instructions, however slow the host is. */
static void slowly(struct machine *m)
{
	set(m->v, VMA_ARM64_X0 + 2, get(m->v, VMA_ARM64_CNTFRQ_EL0) / 4);
}

static void expect_at(struct machine *m, uint64_t pc)
{
	assert_string_equal(vma_exit_name(vma_vcpu_run(m->v)), "MMIO");
	assert_int_equal(vma_vcpu_exit(m->v)->mmio.gpa, END);
	assert_int_equal(get(m->v, VMA_ARM64_PC), pc);
}

static void input(int fiq, uint64_t vector)
{
	struct machine m;

	START(&m, NONE, STRB_END, UNMASK, NOP, NOP, B_SELF);
	expect_at(&m, 0x1000);
	ok(vma_arm64_irq(m.v, fiq, 1)); /* behind the pending exit, and masked until PSTATE says otherwise */
	expect_at(&m, vector);
	assert_true(get(m.v, VMA_ARM64_ELR_EL1) >= 0x1008 && get(m.v, VMA_ARM64_ELR_EL1) <= 0x1010);
	ok(vma_vcpu_complete(m.v));
	ok(vma_arm64_irq(m.v, fiq, 0));
	ok(vma_vcpu_set(m.v, (uint32_t[]){VMA_ARM64_PC, VMA_ARM64_PSTATE}, (uint64_t[]){0x1000, 5}, 2));
	expect_at(&m, 0x1000); /* nothing masked, nothing there */
	end(&m);
}

static void irq_input(void **state)
{
	(void)state;
	input(0, IRQ);
}

static void fiq_input(void **state)
{
	(void)state;
	input(1, FIQ);
}

static void expect_timer(struct machine *m, uint32_t line)
{
	uint32_t lines;

	assert_string_equal(vma_exit_name(vma_vcpu_run(m->v)), "TIMER");
	assert_int_equal(vma_vcpu_exit(m->v)->timer.lines, line);
	assert_false(vma_vcpu_exit(m->v)->pending);
	ok(vma_arm64_timers(m->v, &lines));
	assert_int_equal(lines, line);
}

static void timer(uint32_t line, uint32_t tval, uint32_t ctl, uint32_t off, vma_vm_config config)
{
	struct machine m;
	uint32_t lines;

	START(&m, config, tval, ctl, UNMASK, B_SELF);
	PUT(&m, IRQ, ((uint32_t[]){off, STRB_END}));
	ok(vma_arm64_timers(m.v, &lines));
	assert_int_equal(lines, 0);
	expect_timer(&m, line);
	ok(vma_arm64_irq(m.v, 0, 1));
	expect_at(&m, IRQ + 4);
	ok(vma_arm64_timers(m.v, &lines));
	assert_int_equal(lines, 0);
	ok(vma_vcpu_complete(m.v));
	/* again, with a stopped one in between */
	ok(vma_arm64_irq(m.v, 0, 0));
	ok(vma_vcpu_set(m.v, (uint32_t[]){VMA_ARM64_PC, VMA_ARM64_PSTATE}, (uint64_t[]){0x1000, 0x3c5}, 2));
	expect_timer(&m, line);
	end(&m);
}

#define VIRTUAL VMA_ARM64_TIMER_VIRTUAL, 0xd51be302, 0xd51be323, 0xd51be33f  /* msr cntv_tval, x2; cntv_ctl, x3; cntv_ctl, xzr */
#define PHYSICAL VMA_ARM64_TIMER_PHYSICAL, 0xd51be202, 0xd51be223, 0xd51be23f /* the same of cntp */

static void timers(void **state)
{
	(void)state;
	timer(VIRTUAL, NONE);
	timer(PHYSICAL, NONE);
}

static void timers_counted(void **state)
{
	(void)state;
	if (!(caps & VMA_CAP_INSN_COUNT))
		skip();
	timer(VIRTUAL, (vma_vm_config){.insn_hz = 1000000000});
	timer(PHYSICAL, (vma_vm_config){.insn_hz = 1000000000});
}

/* One exit a rise, and none of a kick is lost to it. */
static void once(void **state)
{
	struct machine m;
	vma_kick *kick;
	(void)state;
	START(&m, NONE, 0xd51be302, 0xd51be323, B_SELF);
	ok(vma_vcpu_kick_handle(m.v, &kick));
	expect_timer(&m, VMA_ARM64_TIMER_VIRTUAL);
	for (int i = 0; i < 2; i++) {
		vma_kick_send(kick);
		assert_int_equal(vma_vcpu_run(m.v), VMA_EXIT_CANCELED);
	}
	vma_kick_unref(kick);
	end(&m);
}

/* It rises while an access waits for its answer: the access is completed, then the exit comes. */
static void behind_an_access(void **state)
{
	struct machine m;
	uint32_t lines = 0;
	(void)state;
	START(&m, NONE, 0xd51be302, 0xd51be323, STRB_END, B_SELF);
	slowly(&m);
	expect_at(&m, 0x1008);
	while (!lines)
		ok(vma_arm64_timers(m.v, &lines));
	expect_timer(&m, VMA_ARM64_TIMER_VIRTUAL);
	assert_int_equal(get(m.v, VMA_ARM64_PC), 0x100c);
	end(&m);
}

/* A known difference: KVM waits inside the run for what ends a WFI (handle_exit.c, kvm_handle_wfx; there is no way to have it exit). */
static void wait_for_interrupt(void **state)
{
	struct machine m;
	(void)state;
	START(&m, NONE, 0xd51be302, 0xd51be323, WFI, STRB_END, B_SELF);
	slowly(&m);
	if (accel == VMA_ACCEL_KVM)
		expect_timer(&m, VMA_ARM64_TIMER_VIRTUAL);
	else
		assert_int_equal(vma_vcpu_run(m.v), VMA_EXIT_HLT);
	assert_int_equal(get(m.v, VMA_ARM64_PC), 0x100c);
	end(&m);
}

static void *send_later(void *kick)
{
	usleep(50000);
	vma_kick_send(kick);
	return NULL;
}

static int raise_line(vma_vcpu *v, void *arg)
{
	(void)arg;
	return vma_arm64_irq(v, 0, 1);
}

static void *raise_later(void *v)
{
	usleep(50000);
	ok(vma_vcpu_call(v, raise_line, NULL));
	return NULL;
}

/* Nothing is set to end it: a kick does, and so does a line raised by a call on the owner's thread. */
static void wait_for_the_caller(void **state)
{
	struct machine m;
	vma_kick *kick;
	pthread_t thread;
	(void)state;
	START(&m, NONE, WFI, STRB_END, WFI, STRB_END);
	ok(vma_vcpu_kick_handle(m.v, &kick));
	assert_int_equal(pthread_create(&thread, NULL, send_later, kick), 0);
	assert_int_equal(vma_vcpu_run(m.v), accel == VMA_ACCEL_KVM ? VMA_EXIT_CANCELED : VMA_EXIT_HLT);
	pthread_join(thread, NULL);
	if (accel != VMA_ACCEL_KVM)
		assert_int_equal(vma_vcpu_run(m.v), VMA_EXIT_CANCELED);
	expect_at(&m, 0x1004);
	if (accel == VMA_ACCEL_KVM) {
		assert_int_equal(pthread_create(&thread, NULL, raise_later, m.v), 0);
		expect_at(&m, 0x100c);
		pthread_join(thread, NULL);
	}
	vma_kick_unref(kick);
	end(&m);
}

static void refused(void **state)
{
	struct machine m;
	(void)state;
	start(&m, NONE);
	assert_int_equal(vma_arm64_irq(m.v, 2, 1), VMA_E_INVALID);
	assert_int_equal(vma_arm64_timers(m.v, NULL), VMA_E_INVALID);
	end(&m);
	start(&m, (vma_vm_config){.irqchip = VMA_IRQCHIP_PLATFORM});
	assert_int_equal(vma_arm64_irq(m.v, 0, 1), VMA_E_STATE);
	end(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(irq_input),
		cmocka_unit_test(fiq_input),
		cmocka_unit_test(timers),
		cmocka_unit_test(timers_counted),
		cmocka_unit_test(once),
		cmocka_unit_test(behind_an_access),
		cmocka_unit_test(wait_for_interrupt),
		cmocka_unit_test(wait_for_the_caller),
		cmocka_unit_test(refused),
	};

	RUN_ON_ALL(tests);
}
