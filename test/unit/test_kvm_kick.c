/* test_kvm_kick.c - KVM: kicks before, during and after runs, from threads and signal handlers; other signals are
 * invisible. test-labels: threads posix */
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include "kvm_guest.h"

static void pause_us(long us)
{
	nanosleep(&(struct timespec){.tv_nsec = us * 1000}, NULL);
}

static vma_kick *handle(struct guest *g)
{
	vma_kick *k;

	OK(vma_vcpu_kick_handle(g->cpu, &k));
	return k;
}

/* Two kicks before the first run: one CANCELED, no instruction; then the guest runs. */
static void before_first_run(void **state)
{
	GUEST(g, 0x40, 0xf4);
	vma_kick *k = handle(&g);

	(void)state;
	vma_kick_send(k);
	vma_kick_send(k);
	EXPECT(&g, CANCELED);
	assert_int_equal(reg(&g, VMA_X86_RIP), CODE);
	EXPECT(&g, HLT);
	assert_int_equal(reg(&g, VMA_X86_RAX), 1);
	vma_kick_unref(k);
	guest_end(&g);
}

static void *kick_once(void *k)
{
	pause_us(300);
	vma_kick_send(k);
	return NULL;
}

static void during_a_spin(void **state)
{
	GUEST(g, 0xeb, 0xfe);
	vma_kick *k = handle(&g);

	(void)state;
	for (int i = 0; i < 100; i++) {
		pthread_t t;
		assert_int_equal(pthread_create(&t, NULL, kick_once, k), 0);
		EXPECT(&g, CANCELED);
		assert_int_equal(reg(&g, VMA_X86_RIP), CODE);
		pthread_join(t, NULL);
	}
	vma_kick_unref(k);
	guest_end(&g);
}

struct storm {
	vma_kick *kick;
	_Atomic int stop, sent;
};

static void *kick_storm(void *arg)
{
	struct storm *s = arg;

	while (!s->stop) {
		vma_kick_send(s->kick);
		s->sent++;
		if (s->sent % 3 == 0)
			pause_us(5);
	}
	return NULL;
}

/* Kicks racing with exits: no exit is lost or told twice, at most one CANCELED a kick, none stale. */
static void racing_exits(void **state)
{
	GUEST(g, 0xee, 0x40, 0xeb, 0xfc); /* out dx,al; inc ax */
	struct storm s = {.kick = handle(&g)};
	int canceled = 0;
	uint8_t next = 0;
	pthread_t t;

	(void)state;
	assert_int_equal(pthread_create(&t, NULL, kick_storm, &s), 0);
	for (int i = 0; i < 3000; i++) {
		if (run(&g) == VMA_EXIT_CANCELED)
			canceled++;
		else
			assert_int_equal(*g.exit->io.data, next++);
	}
	s.stop = 1;
	pthread_join(t, NULL);
	assert_true(canceled > 0 && canceled <= s.sent);
	if (run(&g) == VMA_EXIT_IO) /* one kick may be left */
		assert_int_equal(*g.exit->io.data, next++);
	for (int i = 0; i < 10; i++) {
		EXPECT(&g, IO);
		assert_int_equal(*g.exit->io.data, next++);
	}
	vma_kick_unref(s.kick);
	guest_end(&g);
}

static vma_kick *volatile from_handler;
static void on_alarm(int sig)
{
	(void)sig;
	if (from_handler)
		vma_kick_send(from_handler);
}

static void alarm_in(long us, int repeat)
{
	struct itimerval t = {.it_value = {.tv_usec = us}, .it_interval = {.tv_usec = repeat ? us : 0}};
	struct sigaction sa = {.sa_handler = on_alarm};

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &t, NULL);
}

static void from_signal_handler(void **state)
{
	GUEST(g, 0xeb, 0xfe);

	(void)state;
	from_handler = handle(&g);
	for (int i = 0; i < 20; i++) {
		alarm_in(500, 0);
		EXPECT(&g, CANCELED);
	}
	vma_kick_unref(from_handler);
	from_handler = NULL;
	guest_end(&g);
}

/* Signals that are no kicks interrupt KVM_RUN all the time and nobody sees it. */
static void foreign_signals_invisible(void **state)
{
	GUEST(g, 0xb9, 0x40, 0x1f, 0xe2, 0xfe, 0xf4); /* mov cx,8000; loop $; hlt */

	(void)state;
	alarm_in(200, 1);
	for (int i = 0; i < 5; i++) {
		EXPECT(&g, HLT);
		set_reg(&g, VMA_X86_RIP, CODE);
	}
	setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
	guest_end(&g);
}

/* A kick between two fragments: the second is still delivered, then the kick. */
static void between_fragments(void **state)
{
	GUEST(g, 0x66, 0x8b, 0x07, 0xf4);
	vma_kick *k = handle(&g);

	(void)state;
	set_reg(&g, VMA_X86_DS_BASE, HOLE);
	set_reg(&g, VMA_X86_RBX, 0xffe);
	EXPECT(&g, MMIO);
	memcpy(g.exit->mmio.data, "\x11\x22", 2);
	vma_kick_send(k);
	EXPECT(&g, MMIO);
	memcpy(g.exit->mmio.data, "\x33\x44", 2);
	EXPECT(&g, CANCELED);
	assert_int_equal(reg(&g, VMA_X86_RAX), 0x44332211);
	EXPECT(&g, HLT);
	vma_kick_unref(k);
	guest_end(&g);
}

static void after_the_vcpu(void **state)
{
	GUEST(g, 0xf4);
	vma_kick *k = handle(&g);

	(void)state;
	guest_end(&g);
	vma_kick_send(k);
	vma_kick_unref(k);
}

/* With an irqchip HLT waits inside run: a kick wakes it. */
static void wakes_hlt(void **state)
{
	static const uint8_t code[] = {0xf4, 0xeb, 0xfd};
	vma_vm_config c = guest_config();
	struct guest g;
	vma_kick *k;
	pthread_t t;

	(void)state;
	c.irqchip = VMA_IRQCHIP_PLATFORM;
	guest_start(&g, &c, code, sizeof(code));
	k = handle(&g);
	assert_int_equal(pthread_create(&t, NULL, kick_once, k), 0);
	EXPECT(&g, CANCELED);
	pthread_join(t, NULL);
	vma_kick_unref(k);
	guest_end(&g);
}

static int add_one(vma_vcpu *v, void *arg)
{
	(void)v;
	return ++*(int *)arg;
}

struct caller {
	vma_vcpu *cpu;
	vma_kick *kick;
	int result, value;
};

static void *call_then_kick(void *arg)
{
	struct caller *c = arg;

	pause_us(300);
	c->result = vma_vcpu_call(c->cpu, add_one, &c->value);
	vma_kick_send(c->kick);
	return NULL;
}

/* A call from another thread runs inside the run and does not end it. */
static void calls_run_inside(void **state)
{
	GUEST(g, 0xeb, 0xfe);
	struct caller c = {.cpu = g.cpu, .kick = handle(&g)};
	pthread_t t;

	(void)state;
	assert_int_equal(pthread_create(&t, NULL, call_then_kick, &c), 0);
	EXPECT(&g, CANCELED);
	pthread_join(t, NULL);
	assert_int_equal(c.result, 1);
	vma_kick_unref(c.kick);
	guest_end(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(before_first_run),
	    cmocka_unit_test(during_a_spin),
	    cmocka_unit_test(racing_exits),
	    cmocka_unit_test(from_signal_handler),
	    cmocka_unit_test(foreign_signals_invisible),
	    cmocka_unit_test(between_fragments),
	    cmocka_unit_test(after_the_vcpu),
	    cmocka_unit_test(wakes_hlt),
	    cmocka_unit_test(calls_run_inside),
	};

	SKIP_WITHOUT_KVM();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
