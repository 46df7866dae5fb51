/* test_soft_insns_state.c - the count and the clock of instructions in saved state: a run goes on elsewhere as if
 * nothing had been; another clock takes what it can; impossible bytes are refused. */
#include "test_insns_rig.h"

/* A generator of numbers in memory, strings, TSC: MOV CX, 9; MOV DI, AX; AND DI, 7FFFH; OR DI, 8000H; REP STOSB; RDTSC;
 * ADD BX, AX; IMUL AX, BX, 4E6DH; JMP */
static void open_strings(struct guest *g, uint64_t hz)
{
	static const uint8_t code[] = {0xb9, 9,    0,    0x89, 0xc7, 0x81, 0xe7, 0xff, 0x7f, 0x81, 0xcf, 0x00, 0x80,
				       0xf3, 0xaa, 0x0f, 0x31, 0x01, 0xc3, 0x69, 0xc3, 0x6d, 0x4e, 0xeb, 0xe7};
	open_guest(g, hz, VMA_IRQCHIP_NONE);
	memcpy(g->ram + CODE, code, sizeof code);
}

/* Into a new VM of the same kind, the VM's part before or after the vCPU's; or into an old one, whose clock is
 * elsewhere. */
static void restore_into(struct guest *g, const struct state *s, bool vm_first)
{
	memcpy(g->ram, s->ram, RAM);
	if (vm_first)
		assert_int_equal(vma_vm_restore(g->vm, s->vm, s->vm_size, VMA_STATE_TIME, NULL), 0);
	assert_int_equal(vma_vcpu_restore(g->v, s->vcpu, s->vcpu_size, VMA_STATE_TIME, NULL), 0);
	if (!vm_first)
		assert_int_equal(vma_vm_restore(g->vm, s->vm, s->vm_size, VMA_STATE_TIME, NULL), 0);
}

/* Save at n, restore into another VM, go on: as if nothing had been. */
static void goes_on(void (*open)(struct guest *g, uint64_t hz), uint64_t hz, uint64_t n, unsigned how)
{
	enum { MORE = 3001 };
	struct guest a, b;
	open(&a, hz);
	run_to(&a, n);
	struct state *s = state_of(&a);
	open(&b, hz);
	if (how & 2)
		run_to(&b, n / 3);
	restore_into(&b, s, how & 1);
	same_state(&b, s);
	free(s);
	run_to(&a, n + MORE);
	run_to(&b, n + MORE);
	s = state_of(&a);
	same_state(&b, s);
	free(s);
	close_guest(&a);
	close_guest(&b);
}

static void save_and_go_on(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 52; i++) {
		uint64_t hz = i & 4 ? HZ : i & 8 ? 3333333 : 7 * HZ + 1;
		goes_on(open_strings, hz, 4990 + i, i);
		goes_on(open_ticking, hz, 50000 + 7 * i, i);
		goes_on(open_apic, hz, 50000 + 7 * i, i);
	}
}

static void note(void *opaque, const char *element, const char *reason)
{
	(void)reason;
	if (!strcmp(element, "instruction clock"))
		++*(int *)opaque;
}

/* Other kinds of time: what can be carried is, the rest is told, nothing fails. */
static void state_of_another_clock(void **state)
{
	struct guest a, b;
	int told = 0;
	const vma_report report = {.line = note, .opaque = &told};
	(void)state;
	open_strings(&a, HZ);
	run_to(&a, 5000);
	struct state *s = state_of(&a);

	open_strings(&b, 2 * HZ); /* the clock goes on from there, twice as many instructions to the second */
	assert_int_equal(vma_vcpu_restore(b.v, s->vcpu, s->vcpu_size, VMA_STATE_TIME, &report), 0);
	assert_int_equal(vma_vm_restore(b.vm, s->vm, s->vm_size, VMA_STATE_TIME, NULL), 0);
	assert_int_equal(told, 1);
	assert_int_equal(insns(&b), 5000);
	assert_int_equal(now(&b), 5000);
	run_to(&b, 6000);
	assert_int_equal(now(&b), 5500);
	close_guest(&b);

	open_strings(&b, HZ / 2); /* the count is ahead of the clock */
	assert_int_equal(vma_vcpu_restore(b.v, s->vcpu, s->vcpu_size, VMA_STATE_TIME, &report), 0);
	assert_int_equal(vma_vm_restore(b.vm, s->vm, s->vm_size, VMA_STATE_TIME, NULL), 0);
	assert_int_equal(told, 2);
	assert_int_equal(vma_vcpu_budget(b.v, UINT64_MAX, 5500), 0);
	assert_int_equal(vma_vcpu_run(b.v), VMA_EXIT_BUDGET);
	assert_int_equal(insns(&b), 5250);
	close_guest(&b);

	open_strings(&b, 0); /* the host's time */
	assert_int_equal(vma_vcpu_restore(b.v, s->vcpu, s->vcpu_size, VMA_STATE_TIME, &report), 0);
	assert_int_equal(told, 3);
	assert_int_equal(insns(&b), 5000);
	run_to(&b, 5100);
	close_guest(&b);

	open_strings(&b, HZ); /* a copy that keeps its own time */
	assert_int_equal(vma_vcpu_restore(b.v, s->vcpu, s->vcpu_size, 0, &report), 0);
	assert_int_equal(told, 3);
	assert_int_equal(insns(&b), 0);
	close_guest(&b);

	struct guest nothing = {0}; /* nobody counts */
	vma_vm_config config = config_of(0, VMA_IRQCHIP_NONE);
	config.accel = VMA_ACCEL_NULL;
	assert_int_equal(vma_vm_create(&config, &nothing.vm), 0);
	assert_int_equal(vma_vm_finalize(nothing.vm), 0);
	assert_int_equal(vma_vcpu_create(nothing.vm, 0, &nothing.v), 0);
	assert_int_equal(vma_vcpu_restore(nothing.v, s->vcpu, s->vcpu_size, VMA_STATE_TIME, &report), 0);
	assert_int_equal(told, 4);
	vma_vm_destroy(nothing.vm);
	free(s);
	close_guest(&a);
}

/* The element is the last: its payload is the last 32 bytes. */
static void impossible_counts(void **state)
{
	static const struct {
		unsigned at;
		uint64_t value;
	} bad[] = {{32, UINT64_MAX}, {24, UINT64_MAX}, {16, 0}, {16, UINT64_C(10000000001)}};
	struct guest g;
	(void)state;
	open_strings(&g, HZ);
	run_to(&g, 5000);
	struct state *s = state_of(&g);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		uint8_t *at = s->vcpu + s->vcpu_size - bad[i].at;
		uint64_t good;
		memcpy(&good, at, 8);
		memcpy(at, &bad[i].value, 8);
		assert_int_equal(vma_vcpu_restore(g.v, s->vcpu, s->vcpu_size, VMA_STATE_TIME, NULL), VMA_E_FORMAT);
		memcpy(at, &good, 8);
	}
	same_state(&g, s);
	const uint64_t most = UINT64_C(1) << 61; /* 73 years of nanoseconds */
	memcpy(s->vcpu + s->vcpu_size - 32, &most, 8);
	assert_int_equal(vma_vcpu_restore(g.v, s->vcpu, s->vcpu_size, VMA_STATE_TIME, NULL), 0);
	assert_int_equal(vma_vcpu_budget(g.v, UINT64_MAX, now(&g) + 1000), 0);
	assert_int_equal(vma_vcpu_run(g.v), VMA_EXIT_BUDGET);
	assert_int_equal(insns(&g), most + 1000);
	close_guest(&g);
	open_strings(&g, 1000000); /* of microseconds, a thousand times as many */
	assert_int_equal(vma_vcpu_restore(g.v, s->vcpu, s->vcpu_size, VMA_STATE_TIME, NULL), VMA_E_FORMAT);
	free(s);
	close_guest(&g);
}
int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(save_and_go_on),
		cmocka_unit_test(state_of_another_clock),
		cmocka_unit_test(impossible_counts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
