/* conf_kick.c - checks of kicks, pauses and signals (T009-T019). */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"
#include "host.h"

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* A thread that does something while the guest runs on this one. */
struct helper {
	pthread_t thread;
	struct guest *g;
	vma_kick *kick;
	pthread_t owner;
	atomic_int stop;
	atomic_long count;
	uint64_t sent_ms;
	int result;
};

static int helper_start(struct helper *h, struct guest *g, void *(*fn)(void *arg))
{
	*h = (struct helper){.g = g, .owner = pthread_self()};
	CONF_OK(g->conf, vma_vcpu_kick_handle(g->v, &h->kick));
	if (!pthread_create(&h->thread, NULL, fn, h))
		return CONF_PASS;
	vma_kick_unref(h->kick);
	return conf_fail(g->conf, "no thread");
}

static void helper_end(struct helper *h)
{
	atomic_store(&h->stop, 1);
	pthread_join(h->thread, NULL);
	vma_kick_unref(h->kick);
}

static int send_kicks(struct guest *g, int count)
{
	vma_kick *kick;

	CONF_OK(g->conf, vma_vcpu_kick_handle(g->v, &kick));
	while (count--)
		vma_kick_send(kick);
	vma_kick_unref(kick);
	return CONF_PASS;
}

/* ------ T009, T012, T013: kicks before runs ------ */

static const uint8_t count_x86[] = {0x48, 0xff, 0xc0, 0xf4}; /* inc rax; hlt */
static const uint32_t count_arm64[] = {A64_ADD_A, A64_STOP};
static const struct guest_program count_program = GUEST_PROGRAM(count);

static int nothing_retired(struct guest *g)
{
	CONF_EQUAL(g->conf, guest_get(g, g->isa->a), 0);
	CONF_EQUAL(g->conf, guest_get(g, g->isa->pc), GUEST_CODE);
	return CONF_PASS;
}

static int kick_first_body(struct guest *g)
{
	CONF_TRY(send_kicks(g, 1));
	CONF_TRY(guest_run(g, VMA_EXIT_CANCELED));
	CONF_EQUAL(g->conf, g->exit->kind, VMA_EXIT_CANCELED);
	CONF_EQUAL(g->conf, g->exit->pending, 0);
	return nothing_retired(g);
}

static int kick_first(struct conf *conf)
{
	return guest_with_program(conf, NULL, &count_program, kick_first_body);
}

static int runs_on(struct guest *g)
{
	CONF_TRY(guest_run(g, VMA_EXIT_HLT));
	CONF_EQUAL(g->conf, guest_get(g, g->isa->a), 1);
	return CONF_PASS;
}

static int kick_once_body(struct guest *g)
{
	CONF_TRY(kick_first_body(g));
	return runs_on(g);
}

static int kick_once(struct conf *conf)
{
	return guest_with_program(conf, NULL, &count_program, kick_once_body);
}

static int kick_thrice_body(struct guest *g)
{
	CONF_TRY(send_kicks(g, 3));
	CONF_TRY(guest_run(g, VMA_EXIT_CANCELED));
	CONF_TRY(nothing_retired(g));
	return runs_on(g);
}

static int kick_thrice(struct conf *conf)
{
	return guest_with_program(conf, NULL, &count_program, kick_thrice_body);
}

/* ------ T010: a kick while the guest spins, and a call that it does not notice ------ */

static const uint8_t spin_x86[] = {0x48, 0xff, 0xc0, 0xeb, 0xfb}; /* l: inc rax; jmp l */
static const uint32_t spin_arm64[] = {A64_ADD_A, A64_BACK_1};
static const struct guest_program spin_program = GUEST_PROGRAM(spin);

static int read_a(vma_vcpu *vcpu, void *arg)
{
	uint32_t id = vma_vm_arch(vma_vcpu_vm(vcpu)) == VMA_ARCH_ARM64 ? VMA_ARM64_X0 : VMA_X86_RAX;

	return vma_vcpu_get(vcpu, &id, arg, 1);
}

static void *call_then_kick(void *arg)
{
	struct helper *h = arg;
	uint64_t first = 0, second = 0;

	h->result = vma_vcpu_call(h->g->v, read_a, &first);
	usleep(20000);
	if (!h->result)
		h->result = vma_vcpu_call(h->g->v, read_a, &second);
	if (!h->result && second <= first)
		h->result = VMA_E_STATE;
	h->sent_ms = now_ms();
	vma_kick_send(h->kick);
	return NULL;
}

static int kick_spinning_body(struct guest *g)
{
	enum { BOUND_MS = 1000 };
	struct helper helper;
	uint64_t pc;
	int result;

	guest_set(g, g->isa->b, 0x1122334455667788);
	CONF_TRY(helper_start(&helper, g, call_then_kick));
	result = guest_run(g, VMA_EXIT_CANCELED);
	helper_end(&helper);
	CONF_TRY(result);
	CONF_OK(g->conf, helper.result);
	CONF_EXPECT(g->conf, now_ms() - helper.sent_ms < BOUND_MS);
	pc = guest_get(g, g->isa->pc);
	CONF_EXPECT(g->conf, pc == GUEST_CODE || pc == GUEST_CODE + (g->isa->size == 1 ? 3 : 4));
	CONF_EXPECT(g->conf, guest_get(g, g->isa->a) > 0);
	CONF_EQUAL(g->conf, guest_get(g, g->isa->b), 0x1122334455667788);
	return CONF_PASS;
}

static int kick_spinning(struct conf *conf)
{
	return guest_with_program(conf, NULL, &spin_program, kick_spinning_body);
}

/* ------ T011: kicks against exits ------ */

/* One kick at a time: the next is sent when the last was seen. */
static void *kick_when_seen(void *arg)
{
	struct helper *h = arg;
	unsigned delay = 1;

	while (!atomic_load(&h->stop)) {
		long sent = atomic_fetch_add(&h->count, 1) + 1;

		vma_kick_send(h->kick);
		while (atomic_load(&h->count) == sent && !atomic_load(&h->stop))
			sched_yield();
		delay = delay * 1103515245 + 12345;
		for (volatile unsigned i = 0; i < (delay >> 16) % 2000; i++)
			;
	}
	return NULL;
}

/* A second of it, and longer where that is too short for so many of both. */
enum { RACE_MS = 1000, RACE_LEAST = 100, RACE_LIMIT_MS = 50000 };

static bool race_goes_on(uint64_t start_ms, long seen, uint32_t exits)
{
	uint64_t taken = now_ms() - start_ms;

	return taken < RACE_MS || (taken < RACE_LIMIT_MS && (seen < RACE_LEAST || exits < RACE_LEAST));
}

/* count is odd while a kick is on its way, even when it was seen. */
static int race(struct guest *g, struct helper *h)
{
	struct conf *conf = g->conf;
	uint64_t start_ms = now_ms();
	uint32_t expected = 1;
	long seen = 0;

	while (race_goes_on(start_ms, seen, expected - 1)) {
		int kind = vma_vcpu_run(g->v);

		if (kind == VMA_EXIT_CANCELED) {
			CONF_EXPECT(conf, atomic_load(&h->count) % 2 == 1);
			atomic_fetch_add(&h->count, 1);
			seen++;
			continue;
		}
		CONF_EQUAL(conf, kind, g->isa->access);
		CONF_EQUAL(conf, kind == VMA_EXIT_IO ? g->exit->io.data[0] : g->exit->mmio.data[0], expected & 0xff);
		expected++;
	}
	if (seen < RACE_LEAST || expected - 1 < RACE_LEAST)
		return conf_fail(conf, "%ld kicks and %u exits in %d s", seen, expected - 1, RACE_LIMIT_MS / 1000);
	return CONF_PASS;
}

static int kick_race_body(struct guest *g)
{
	struct helper helper;
	int result;

	CONF_TRY(helper_start(&helper, g, kick_when_seen));
	result = race(g, &helper);
	helper_end(&helper);
	CONF_TRY(result);
	if (atomic_load(&helper.count) % 2)
		CONF_TRY(guest_run(g, VMA_EXIT_CANCELED)); /* the last one */
	CONF_TRY(guest_run(g, g->isa->access));
	return CONF_PASS;
}

static const uint8_t race_x86[] = {0xfe, 0xc0, 0xe6, 0x10, 0xeb, 0xfa}; /* l: inc al; out 0x10, al; jmp l */
static const uint32_t race_arm64[] = {A64_ADD_A, A64_WRITE_A, A64_BACK_2};
static const struct guest_program race_program = GUEST_PROGRAM(race);

static int kick_race(struct conf *conf)
{
	return guest_with_program(conf, NULL, &race_program, kick_race_body);
}

/* ------ T014: from a signal handler ------ */

static vma_kick *handler_kick;

static void kick_in_handler(int number)
{
	(void)number;
	vma_kick_send(handler_kick);
}

static void *signal_once(void *arg)
{
	struct helper *h = arg;

	usleep(20000);
	host_signal(h->owner);
	return NULL;
}

static int run_signalled(struct guest *g, void *(*fn)(void *arg), void (*handler)(int number), struct helper *h)
{
	int result;

	/* Held back until the handler and its handle are there, however long this thread is kept from its processor. */
	host_signal_hold(true);
	CONF_TRY(helper_start(h, g, fn));
	handler_kick = h->kick;
	host_signal_handler(handler);
	host_signal_hold(false);
	result = guest_run(g, VMA_EXIT_CANCELED);
	helper_end(h);
	host_signal_handler(NULL);
	return result;
}

static int kick_from_handler_body(struct guest *g)
{
	struct helper helper;

	/* The handler has to be there before the signal is: the helper waits for 20 ms. */
	for (int i = 0; i < 5; i++)
		CONF_TRY(run_signalled(g, signal_once, kick_in_handler, &helper));
	return CONF_PASS;
}

static int kick_from_handler(struct conf *conf)
{
	if (!host_has_signals())
		return conf_skip(conf, "this host has no signals");
	return guest_with_program(conf, NULL, &spin_program, kick_from_handler_body);
}

/* ------ T015: while halted ------ */

static void *kick_after_a_while(void *arg)
{
	struct helper *h = arg;

	usleep(50000);
	h->sent_ms = now_ms();
	vma_kick_send(h->kick);
	return NULL;
}

/* x86 stays halted behind the HLT. WFI may end for no reason (Arm ARM D1.6.2): the vCPU is runnable at it, or behind it in the loop. */
static int where_halted(struct guest *g)
{
	const uint64_t pc = guest_get(g, g->isa->pc);
	vma_mp mp = VMA_MP_OFF;

	CONF_OK(g->conf, vma_vcpu_get_mp(g->v, &mp));
	if (g->conf->arch == VMA_ARCH_ARM64) {
		CONF_EQUAL(g->conf, mp, VMA_MP_RUNNABLE);
		CONF_EXPECT(g->conf, pc == GUEST_CODE || pc == GUEST_CODE + 4);
		return CONF_PASS;
	}
	CONF_EQUAL(g->conf, mp, VMA_MP_HALTED);
	CONF_EQUAL(g->conf, pc, GUEST_CODE + 1);
	return CONF_PASS;
}

static int kick_halted_body(struct guest *g)
{
	enum { BOUND_MS = 1000 };
	struct helper helper;
	int result;

	for (int i = 0; i < 3; i++) {
		CONF_TRY(helper_start(&helper, g, kick_after_a_while));
		result = guest_run(g, VMA_EXIT_CANCELED);
		helper_end(&helper);
		CONF_TRY(result);
		CONF_EXPECT(g->conf, now_ms() - helper.sent_ms < BOUND_MS);
		CONF_TRY(where_halted(g));
	}
	return CONF_PASS;
}

static const uint8_t halt_x86[] = {0xf4, 0x0f, 0x0b}; /* hlt; ud2 */
static const uint32_t halt_arm64[] = {A64_WFI, A64_BACK_1};
static const struct guest_program halt_program = GUEST_PROGRAM(halt);

static int kick_halted(struct conf *conf)
{
	const struct guest_options options = {.mode = GUEST_LONG, .irqchip = guest_irqchip(conf)};

	return guest_with_program(conf, &options, &halt_program, kick_halted_body);
}

/* ------ T016: while saving ------ */

static void *kick_all_the_time(void *arg)
{
	struct helper *h = arg;

	while (!atomic_load(&h->stop)) {
		vma_kick_send(h->kick);
		atomic_fetch_add(&h->count, 1);
		usleep(50);
	}
	return NULL;
}

enum { STATE_MAX = 1 << 16 };

static int save_often(struct guest *g, const struct helper *h)
{
	static uint8_t first[STATE_MAX], again[STATE_MAX];
	struct conf *conf = g->conf;
	size_t first_size = sizeof first;

	CONF_OK(conf, vma_vcpu_save(g->v, first, &first_size, 0));
	for (int i = 0; i < 500 || atomic_load(&h->count) < 100; i++) {
		size_t size = sizeof again;

		CONF_OK(conf, vma_vcpu_save(g->v, again, &size, 0));
		CONF_EQUAL(conf, size, first_size);
		CONF_EXPECT(conf, !memcmp(again, first, size));
	}
	return CONF_PASS;
}

static int kick_saving_body(struct guest *g)
{
	struct helper helper;
	int result;

	CONF_TRY(helper_start(&helper, g, kick_all_the_time));
	result = save_often(g, &helper);
	helper_end(&helper);
	CONF_TRY(result);
	CONF_TRY(guest_run(g, VMA_EXIT_CANCELED));
	return nothing_retired(g);
}

static int kick_saving(struct conf *conf)
{
	return guest_with_program(conf, NULL, &count_program, kick_saving_body);
}

/* ------ T017: other signals ------ */

static void note_signal(int number)
{
	(void)number;
}

static void *signal_storm(void *arg)
{
	struct helper *h = arg;

	for (int i = 0; i < 200; i++) {
		usleep(1000);
		host_signal(h->owner);
	}
	h->sent_ms = now_ms();
	vma_kick_send(h->kick);
	return NULL;
}

static int other_signals_body(struct guest *g)
{
	struct helper helper;
	uint64_t start = now_ms();

	CONF_TRY(run_signalled(g, signal_storm, note_signal, &helper));
	CONF_EXPECT(g->conf, helper.sent_ms >= start + 200);
	CONF_EXPECT(g->conf, guest_get(g, g->isa->a) > 0);
	return CONF_PASS;
}

static int other_signals(struct conf *conf)
{
	if (!host_has_signals())
		return conf_skip(conf, "this host has no signals");
	return guest_with_program(conf, NULL, &spin_program, other_signals_body);
}

/* ------ T018: a vCPU that was stopped stands still ------ */

static int stop_spinning(struct guest *g)
{
	struct helper helper;
	int result;

	CONF_TRY(helper_start(&helper, g, kick_after_a_while));
	result = guest_run(g, VMA_EXIT_CANCELED);
	helper_end(&helper);
	return result;
}

union plain_regs {
	vma_x86_regs x86;
	vma_arm64_regs arm64;
};

static int plain_regs(struct guest *g, union plain_regs *r)
{
	memset(r, 0, sizeof *r);
	CONF_OK(g->conf, g->conf->arch == VMA_ARCH_ARM64 ? vma_arm64_get_regs(g->v, &r->arm64) : vma_x86_get_regs(g->v, &r->x86));
	return CONF_PASS;
}

static int stands_still_body(struct guest *g)
{
	struct conf *conf = g->conf;
	union plain_regs before, after;
	uint64_t counted;

	guest_set(g, g->isa->b, GUEST_DATA);
	CONF_TRY(stop_spinning(g));
	CONF_TRY(plain_regs(g, &before));
	counted = guest_read64(g, GUEST_DATA);
	CONF_EXPECT(conf, counted > 0);
	for (int i = 0; i < 3; i++) {
		usleep(5000);
		CONF_TRY(send_kicks(g, 1));
		CONF_TRY(guest_run(g, VMA_EXIT_CANCELED));
		CONF_EQUAL(conf, vma_vcpu_complete(g->v), 0);
		CONF_TRY(plain_regs(g, &after));
		CONF_EXPECT(conf, !memcmp(&before, &after, sizeof before));
		CONF_EQUAL(conf, guest_read64(g, GUEST_DATA), counted);
	}
	CONF_TRY(stop_spinning(g));
	CONF_EXPECT(conf, guest_read64(g, GUEST_DATA) > counted);
	return CONF_PASS;
}

static const uint8_t memory_x86[] = {0x48, 0xff, 0x03, 0xeb, 0xfb}; /* l: inc qword [rbx]; jmp l */
/* l: ldr x2, [x1]; add x2, x2, #1; str x2, [x1]; b l */
static const uint32_t memory_arm64[] = {0xf9400022, 0x91000442, 0xf9000022, A64_BACK_3};
static const struct guest_program memory_program = GUEST_PROGRAM(memory);

static int stands_still(struct conf *conf)
{
	return guest_with_program(conf, NULL, &memory_program, stands_still_body);
}

/* ------ T019: no wake is lost ------ */

enum { WAKE_VECTOR = 0x40, WAKES = 1000 };

static uint32_t handled(struct guest *g)
{
	return __atomic_load_n((uint32_t *)(void *)(g->ram + GUEST_DATA), __ATOMIC_ACQUIRE);
}

/* arm64: of the MSI frame at its usual place (vma_arm64_gic). */
enum { WAKE_INTID = 80, SETSPI = 0x08020040 };

static int post(vma_vm *vm)
{
	if (vma_vm_arch(vm) == VMA_ARCH_ARM64)
		return vma_vm_msi(vm, SETSPI, WAKE_INTID);
	return vma_vm_msi(vm, 0xfee00000, WAKE_VECTOR); /* fixed, edge, to APIC 0 */
}

static void *post_and_kick(void *arg)
{
	struct helper *h = arg;
	uint64_t end = now_ms() + 8000;

	while (!__atomic_load_n(h->g->ram + GUEST_DATA + 4, __ATOMIC_ACQUIRE) && now_ms() < end)
		sched_yield(); /* an APIC that is not enabled yet takes nothing */
	for (uint32_t i = 1; i <= WAKES && !h->result; i++) {
		h->result = post(h->g->vm);
		vma_kick_send(h->kick);
		while (handled(h->g) < i && !h->result) {
			sched_yield();
			if (now_ms() > end)
				h->result = VMA_E_BUSY;
		}
	}
	atomic_store(&h->stop, 1);
	vma_kick_send(h->kick);
	return NULL;
}

static int run_until_stop(struct guest *g, struct helper *h)
{
	while (!atomic_load(&h->stop))
		CONF_EQUAL(g->conf, vma_vcpu_run(g->v), VMA_EXIT_CANCELED);
	return CONF_PASS;
}

static void prepare_x86(struct guest *g)
{
	/* mov dword [rdi + 0xf0], 0x1ff (enable the local APIC); mov byte [0x10004], 1; sti; l: hlt; jmp l */
	static const uint8_t code[] = {0xc7, 0x87, 0xf0, 0, 0, 0, 0xff, 1, 0, 0,
				       0xc6, 0x04, 0x25, 4, 0, 1, 0, 1, 0xfb, 0xf4, 0xeb, 0xfd};
	/* inc dword [0x10000]; mov dword [rdi + 0xb0], 0 (EOI); iretq */
	static const uint8_t handler[] = {0xff, 0x04, 0x25, 0, 0, 1, 0, 0xc7, 0x87, 0xb0, 0,
					  0,    0,    0,    0, 0, 0, 0x48, 0xcf};

	guest_code(g, GUEST_CODE, code, sizeof code);
	guest_code(g, GUEST_TRAPS, handler, sizeof handler);
	guest_gate(g, WAKE_VECTOR, GUEST_TRAPS);
	guest_set(g, VMA_X86_RDI, 0xfee00000);
}

/* X1 = GICD: group enabled; INTID 80 enabled, edge-triggered (v2: to CPU 0); the CPU interface with PMR 0xf0; [X2 + 4] = 1; interrupts on;
 * WFI for ever. The handlers: acknowledge, count at [X2], end. */
static void prepare_arm64(struct guest *g)
{
	static const uint32_t v3[] = {0xd2a10001, 0x52800240, 0xb9000020, 0x52a00020, 0xb9010820, 0x52800040, 0xb90c1420, 0xd2801e00, 0xd5184600,
				      0xd2800020, 0xd518cce0, 0xd5033fdf, 0x52800020, 0x39001040, 0xd50342ff, A64_WFI,    A64_BACK_1};
	static const uint32_t v2[] = {0xd2a10001, 0x52800020, 0xb9000020, 0x39214020, 0x52a00020, 0xb9010820, 0x52800040, 0xb90c1420, 0xd2a10021,
				      0x52801e00, 0xb9000420, 0x52800020, 0xb9000020, 0x52800020, 0x39001040, 0xd50342ff, A64_WFI,	  A64_BACK_1};
	static const uint32_t handler_v3[] = {0xd538cc05, 0xb9400046, 0x110004c6, 0xb9000046, 0xd518cc25, 0xd69f03e0};
	static const uint32_t handler_v2[] = {0xd2a10024, 0xb9400c85, 0xb9400046, 0x110004c6, 0xb9000046, 0xb9001085, 0xd69f03e0};
	enum { IRQ = 0x280 };

	if (guest_gic_version(g) == 3) {
		guest_code(g, GUEST_CODE, v3, sizeof v3);
		guest_code(g, GUEST_TRAPS + IRQ, handler_v3, sizeof handler_v3);
	} else {
		guest_code(g, GUEST_CODE, v2, sizeof v2);
		guest_code(g, GUEST_TRAPS + IRQ, handler_v2, sizeof handler_v2);
	}
	guest_set(g, VMA_ARM64_VBAR_EL1, GUEST_TRAPS);
	guest_set(g, VMA_ARM64_X2, GUEST_DATA);
}

static int no_lost_wake_body(struct guest *g)
{
	struct helper helper;
	int result;

	if (g->conf->arch == VMA_ARCH_ARM64)
		prepare_arm64(g);
	else
		prepare_x86(g);
	CONF_TRY(helper_start(&helper, g, post_and_kick));
	result = run_until_stop(g, &helper);
	helper_end(&helper);
	CONF_TRY(result);
	if (helper.result == VMA_E_BUSY)
		return conf_fail(g->conf, "%u of %d interrupts arrived", handled(g), WAKES);
	CONF_OK(g->conf, helper.result);
	return CONF_PASS;
}

static int no_lost_wake(struct conf *conf)
{
	const struct guest_options options = {.mode = GUEST_LONG, .irqchip = guest_irqchip(conf)};

	return guest_with(conf, &options, NULL, 0, no_lost_wake_body);
}

static const struct conf_check checks[] = {
	{9, "A kick before the first run cancels it before any instruction", "any kick", kick_first, NULL, kick_first},
	{10, "A kick ends a spinning guest within a second, registers whole; a call does not end it", "any kick guest",
	 kick_spinning, NULL, kick_spinning},
	{11, "Kicks racing exits: each kick cancels once, no exit is lost or doubled",
	 "any kick guest", kick_race, NULL, kick_race},
	{12, "A kick is consumed by one run; the next enters the guest", "any kick guest", kick_once, NULL, kick_once},
	{13, "Three kicks before a run cancel once", "any kick guest", kick_thrice, NULL, kick_thrice},
	{14, "A kick from a signal handler on the owner thread", "any kick guest", kick_from_handler, NULL, kick_from_handler},
	{15, "A kick wakes a halted vCPU at once, and it stays halted", "any kick guest", kick_halted, NULL, kick_halted},
	{16, "A storm of kicks while saving leaves the state the same", "any kick", kick_saving, NULL, kick_saving},
	{17, "Signals of others are invisible", "any kick guest", other_signals, NULL, other_signals},
	{18, "After a kick nothing changes until the next run", "any kick guest", stands_still, NULL, stands_still},
	{19, "An interrupt posted before a kick is never lost", "any kick guest", no_lost_wake, NULL, no_lost_wake},
};

CONF_GROUP(kick, checks, NULL, 0);
