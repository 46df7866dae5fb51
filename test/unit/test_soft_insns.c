/* test_soft_insns.c - instruction budgets and the clock of instructions: exact stops, time out of the count, runs that
 * repeat in one piece and in many, waiting. test-labels: threads */
#include <pthread.h>
#include "test_insns_rig.h"

static uint64_t rip(const struct guest *g)
{
	vma_x86_regs r;
	assert_int_equal(vma_x86_get_regs(g->v, &r), 0);
	return r.rip;
}

/* Also where the budget is used up already, and without a limit again. */
static void stops_exactly(void **state)
{
	struct guest g;
	(void)state;
	open_guest(&g, 0, VMA_IRQCHIP_NONE);
	memset(g.ram + CODE, 0x90, 200);
	memcpy(g.ram + CODE + 200, "\xe6\x10\xf4", 3); /* OUT 10H, AL; HLT */
	for (uint64_t n = 1; n < 200; n += n % 7 + 1) {
		run_to(&g, n);
		assert_int_equal(rip(&g), CODE + n);
		assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_BUDGET);
		assert_int_equal(insns(&g), n);
	}
	run_to(&g, 200);
	assert_int_equal(vma_vcpu_budget(g.v, 201, UINT64_MAX), 0);
	assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_IO);
	assert_int_equal(insns(&g), 200); /* half done */
	assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_BUDGET);
	assert_int_equal(insns(&g), 201);
	assert_int_equal(vma_vcpu_budget(g.v, UINT64_MAX, UINT64_MAX), 0);
	assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_HLT);
	assert_int_equal(insns(&g), 202);
	close_guest(&g);
}

/* What cannot be is refused, the same way everywhere. */
static void refusals(void **state)
{
	struct guest g;
	vma_vm *vm = NULL;
	vma_vm_config config = config_of(999999, VMA_IRQCHIP_NONE);
	uint64_t n;
	(void)state;
	assert_int_equal(vma_vm_create(&config, &vm), VMA_E_INVALID);
	config.insn_hz = UINT64_C(10000000001);
	assert_int_equal(vma_vm_create(&config, &vm), VMA_E_INVALID);
	config.insn_hz = HZ;
	config.max_vcpus = 2;
	assert_int_equal(vma_vm_create(&config, &vm), VMA_E_INVALID);
	config.max_vcpus = 1;
	config.accel = VMA_ACCEL_NULL;
	assert_int_equal(vma_vm_create(&config, &vm), VMA_E_NO_ACCEL);
	config.insn_hz = 0;
	assert_int_equal(vma_vm_create(&config, &g.vm), 0);
	assert_int_equal(vma_vm_finalize(g.vm), 0);
	assert_int_equal(vma_vcpu_create(g.vm, 0, &g.v), 0);
	assert_int_equal(vma_vcpu_insns(g.v, &n), VMA_E_NO_ACCEL);
	assert_int_equal(vma_vcpu_budget(g.v, 1, UINT64_MAX), VMA_E_NO_ACCEL);
	vma_vm_destroy(g.vm);
	open_guest(&g, 0, VMA_IRQCHIP_NONE);
	assert_int_equal(vma_vcpu_budget(g.v, 1, 1), VMA_E_STATE);
	assert_int_equal(vma_vcpu_insns(g.v, NULL), VMA_E_INVALID);
	close_guest(&g);
}

/* The same instant whichever way it is read, whatever block the instruction is in. */
static void time_is_the_count(void **state)
{
	struct guest g;
	vma_x86_regs r;
	(void)state;
	open_guest(&g, 2 * HZ, VMA_IRQCHIP_NONE);
	memset(g.ram + CODE, 0x90, 100);
	memcpy(g.ram + CODE + 39, "\x0f\x31", 2); /* RDTSC, the 40th; its count goes up with it */
	run_to(&g, 60);
	assert_int_equal(vma_x86_get_regs(g.v, &r), 0);
	assert_int_equal(r.rax, 40);
	assert_int_equal(now(&g), 30);
	assert_int_equal(vma_vcpu_budget(g.v, UINT64_MAX, 35), 0);
	assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_BUDGET);
	assert_int_equal(insns(&g), 70);
	assert_int_equal(vma_vm_clock_set(g.vm, 1000), 0);
	assert_int_equal(now(&g), 1000);
	close_guest(&g);
}

/* CPUID leaf 15H: TSC ticks a second, by ECX * EBX / EAX. */
static void cpuid_tells_the_rate(void **state)
{
	static vma_x86_cpuid table[256];
	size_t n = 256, found = 0;
	struct guest g;
	(void)state;
	open_guest(&g, 3 * HZ, VMA_IRQCHIP_PLATFORM);
	assert_int_equal(vma_x86_get_cpuid(g.vm, table, &n), 0);
	for (size_t i = 0; i < n; i++)
		if (table[i].leaf == 0x15 && ++found)
			assert_int_equal((uint64_t)table[i].ecx * table[i].ebx / table[i].eax, 3 * HZ);
	assert_int_equal(found, 1);
	close_guest(&g);
}

static void runs_repeat(uint64_t hz)
{
	enum { N = 100000 };
	struct guest g;
	open_ticking(&g, hz);
	run_to(&g, N);
	struct state *first = state_of(&g);
	uint16_t loops, ticks;
	memcpy(&loops, g.ram + COUNTS, 2);
	memcpy(&ticks, g.ram + COUNTS + 10, 2);
	assert_true(ticks > 1000 && loops == ticks);
	/* HLT went from tick to tick: 1024 periods of 1193182 Hz each */
	assert_true(first->ns / 1000 > ticks * 858ull - 2000 && first->ns / 1000 < ticks * 859ull + 2000);
	close_guest(&g);

	open_ticking(&g, hz); /* again, in one piece */
	run_to(&g, N);
	same_state(&g, first);
	close_guest(&g);

	open_ticking(&g, hz); /* and in pieces, kicked now and then */
	vma_kick *kick;
	assert_int_equal(vma_vcpu_kick_handle(g.v, &kick), 0);
	for (uint64_t n = 0; n < N;) {
		n = n + 1 + n % 257 < N ? n + 1 + n % 257 : N;
		if (n % 5 == 0) {
			vma_kick_send(kick);
			assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_CANCELED);
		}
		run_to(&g, n);
	}
	same_state(&g, first);
	vma_kick_unref(kick);
	close_guest(&g);
	free(first);
}

static void repeats(void **state)
{
	(void)state;
	runs_repeat(HZ);
	runs_repeat(3333333);
}

/* The limit of time ends a HLT, too. */
static void a_halt_ends_at_the_limit_of_time(void **state)
{
	struct guest g;
	(void)state;
	open_ticking(&g, HZ);
	for (uint64_t ns = 100000; ns < 3000000; ns += 77777) {
		assert_int_equal(vma_vcpu_budget(g.v, UINT64_MAX, ns), 0);
		assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_BUDGET);
		assert_int_equal(now(&g), ns);
	}
	close_guest(&g);
}

static void apic_timer_repeats(void **state)
{
	struct guest a, b;
	uint16_t ticks;
	(void)state;
	open_apic(&a, HZ);
	run_to(&a, 100000);
	memcpy(&ticks, a.ram + 0x61a, 2);
	assert_true(ticks > 500);
	struct state *s = state_of(&a);
	open_apic(&b, HZ);
	for (uint64_t n = 1; n < 100000; n += 1 + n % 97)
		run_to(&b, n);
	run_to(&b, 100000);
	same_state(&b, s);
	free(s);
	close_guest(&a);
	close_guest(&b);
}

/* Idle by MWAIT: XOR CX, CX; XOR DX, DX; MONITOR; MWAIT; INC [600H]; JMP */
static void mwait_skips_to_the_tick(void **state)
{
	static const uint8_t idle[] = {0x31, 0xc9, 0x31, 0xd2, 0x0f, 0x01, 0xc8, 0x0f,
				       0x01, 0xc9, 0xff, 0x06, 0x00, 0x06, 0xeb, 0xf0};
	enum { STI_END = 33, N = 20000 };
	struct guest g[2];
	struct state *s = NULL;
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		open_ticking(&g[i], HZ);
		memcpy(g[i].ram + CODE + STI_END, idle, sizeof idle);
		for (uint64_t n = N - i * (N - 1); n < N; n += 1 + n % 31)
			run_to(&g[i], n);
		run_to(&g[i], N);
		uint16_t loops, ticks;
		memcpy(&loops, g[i].ram + COUNTS, 2);
		memcpy(&ticks, g[i].ram + COUNTS + 10, 2);
		assert_true(ticks > 500 && loops >= ticks && loops <= 2 * ticks);
		if (i)
			same_state(&g[i], s);
		else
			s = state_of(&g[i]);
	}
	free(s);
	close_guest(&g[0]);
	close_guest(&g[1]);
}

/* ------ waiting, other threads ------ */

/* A halt that no timer ends comes back; the caller can end it. */
static void a_halt_for_good_exits(void **state)
{
	struct guest g;
	(void)state;
	open_guest(&g, HZ, VMA_IRQCHIP_PLATFORM);
	memcpy(g.ram + CODE, "\xfb\x90\xf4\x90\x90", 5); /* STI; NOP; HLT; NOP; NOP */
	memcpy(g.ram + 2 * 4, "\x00\x11\0\0", 4);
	g.ram[HANDLER] = 0xcf;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_HLT);
		assert_int_equal(insns(&g), 3);
		assert_int_equal(now(&g), 3);
	}
	assert_int_equal(vma_x86_nmi(g.v), 0);
	run_to(&g, 6); /* IRET, two NOPs */
	assert_int_equal(rip(&g), CODE + 5);
	close_guest(&g);
}

static void *ask(void *opaque)
{
	const struct guest *g = opaque;
	uint64_t last = 0, ns = 0;
	while (ns < 3000000) {
		assert_int_equal(vma_vm_clock_get(g->vm, &ns), 0);
		assert_true(ns >= last);
		last = ns;
	}
	assert_int_equal(vma_vm_irq_line(g->vm, 5, 1), 0);
	return NULL;
}

/* Another thread sees time go forward, and the end of a run exactly. */
static void another_thread_asks(void **state)
{
	struct guest g;
	pthread_t thread;
	(void)state;
	open_ticking(&g, HZ);
	assert_int_equal(pthread_create(&thread, NULL, ask, &g), 0);
	for (uint64_t n = 1000; now(&g) < 5000000; n += 1000)
		run_to(&g, n);
	assert_int_equal(pthread_join(thread, NULL), 0);
	close_guest(&g);
}
int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stops_exactly),
		cmocka_unit_test(refusals),
		cmocka_unit_test(time_is_the_count),
		cmocka_unit_test(cpuid_tells_the_rate),
		cmocka_unit_test(repeats),
		cmocka_unit_test(apic_timer_repeats),
		cmocka_unit_test(a_halt_ends_at_the_limit_of_time),
		cmocka_unit_test(mwait_skips_to_the_tick),
		cmocka_unit_test(a_halt_for_good_exits),
		cmocka_unit_test(another_thread_asks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
