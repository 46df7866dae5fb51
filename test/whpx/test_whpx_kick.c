/* test_whpx_kick.c - kicks on WHPX by real threads on the simulation, as it should be and hostile: what test/schedules
 * shows for each order of a few steps, here for many steps in whatever order comes.
 * test-labels: threads */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include "core/core.h"
#include "unit/kvm_guest.h"
#include "sim/whpx/config.h"
#include "sim/whpx/whpsim.h"
#include "whpx/whpx_hresults.h"

enum { KICKS = 200, EXITS = 1500, LIVES = 60 };

static const uint8_t spin[] = {0xeb, 0xfe};              /* jmp $ */
static const uint8_t count[] = {0xee, 0x40, 0xeb, 0xfc}; /* out dx,al; inc ax */

static void start(struct guest *g, const uint8_t *code, size_t size)
{
	vma_vm_config c = guest_config();

	c.accel = VMA_ACCEL_WHPX;
	guest_start(g, &c, code, size);
}

static void end(struct guest *g)
{
	guest_end(g);
	assert_int_equal(whpsim_breaches(), 0);
}

static void pause_us(long us)
{
	nanosleep(&(struct timespec){.tv_nsec = us * 1000}, NULL);
}

struct kicker {
	pthread_t thread;
	vma_kick *kick;
	int kicks;                 /* how many it will send */
	atomic_int sent, answered; /* answered: CANCELED runs */
	atomic_bool stop;
};

static void begin(struct kicker *k, struct guest *g, void *(*fn)(void *))
{
	OK(vma_vcpu_kick_handle(g->cpu, &k->kick));
	assert_int_equal(pthread_create(&k->thread, NULL, fn, k), 0);
}

static void join(struct kicker *k)
{
	pthread_join(k->thread, NULL);
	vma_kick_unref(k->kick);
}

/* The next one when the last has been answered. */
static void *kick_patiently(void *arg)
{
	struct kicker *k = arg;

	while (k->sent < k->kicks) {
		k->sent++;
		vma_kick_send(k->kick);
		while (k->answered < k->sent)
			sched_yield();
	}
	return NULL;
}

static void *kick_on_and_on(void *arg)
{
	struct kicker *k = arg;

	while (!k->stop) {
		k->sent++;
		vma_kick_send(k->kick);
		if (k->sent % 3 == 0)
			pause_us(20);
	}
	return NULL;
}

/* The owner's side: until so many CANCELED; what the guest writes comes in order, nothing twice, nothing lost. */
static void answer(struct guest *g, struct kicker *k, int canceled, uint8_t *next)
{
	while (k->answered < canceled)
		if (run(g) == VMA_EXIT_CANCELED)
			assert_true(++k->answered <= k->sent);
		else
			assert_int_equal(*g->exit->io.data, (*next)++);
}

static void no_more_of_them(struct guest *g, uint8_t *next)
{
	for (int i = 0; i < 10; i++) {
		EXPECT(g, IO);
		assert_int_equal(*g->exit->io.data, (*next)++);
	}
}

static void each_is_answered_once(const uint8_t *code, size_t size, int kicks)
{
	struct kicker k = {.kicks = kicks};
	uint8_t next = 0;
	struct guest g;

	start(&g, code, size);
	begin(&k, &g, kick_patiently);
	answer(&g, &k, kicks, &next);
	join(&k);
	assert_int_equal(k.sent, kicks);
	if (code == count)
		no_more_of_them(&g, &next);
	end(&g);
}

static void in_a_guest_that_spins(void **state)
{
	(void)state;
	each_is_answered_once(spin, sizeof(spin), KICKS);
}

static void in_a_guest_that_exits(void **state)
{
	(void)state;
	each_is_answered_once(count, sizeof(count), KICKS);
}

static atomic_int failing;
static HRESULT failure;
static int cancels_fail(const char *call)
{
	return !strcmp(call, "WHvCancelRunVirtualProcessor") && atomic_fetch_sub(&failing, 1) > 0 ? failure : 0;
}

/* Which of them it may answer is not documented: it is tried again, whatever it was. */
static void cancels_that_fail(void **state)
{
	static const HRESULT failures[] = {
#define X(hr, ...) hr,
		WHPX_HRESULTS(X)
#undef X
	};

	(void)state;
	vma_os_fault = cancels_fail;
	for (size_t i = 0; i < sizeof(failures) / sizeof(*failures); i++) {
		failure = failures[i];
		failing = 2;
		while (failing > 0) /* a kick that came between two runs took no cancel */
			each_is_answered_once(spin, sizeof(spin), 3);
	}
	vma_os_fault = NULL;
}

static void two_kickers_and_exits(void **state)
{
	struct kicker k[2] = {{.kicks = 0}, {.kicks = 0}};
	int canceled = 0, exits = 0;
	uint8_t next = 0;
	struct guest g;

	(void)state;
	start(&g, count, sizeof(count));
	for (int i = 0; i < 2; i++)
		begin(&k[i], &g, kick_on_and_on);
	while (exits < EXITS || !canceled)
		if (run(&g) == VMA_EXIT_CANCELED)
			assert_true(++canceled <= k[0].sent + k[1].sent);
		else
			assert_int_equal(*g.exit->io.data, (exits++, next++));
	k[0].stop = k[1].stop = true;
	join(&k[0]);
	join(&k[1]);
	if (run(&g) == VMA_EXIT_IO) /* one may be left */
		assert_int_equal(*g.exit->io.data, next++);
	no_more_of_them(&g, &next);
	end(&g);
}

/* Kicks go on while the vCPU is destroyed, and after that; the next one in its place does not feel them. */
static void when_it_is_gone(void **state)
{
	struct guest g;

	(void)state;
	start(&g, count, sizeof(count));
	for (int i = 0; i < LIVES; i++) {
		struct kicker k = {.kicks = 0};

		if (i)
			guest_vcpu(&g);
		begin(&k, &g, kick_on_and_on);
		while (!k.sent)
			run(&g);
		OK(vma_vcpu_destroy(g.cpu));
		guest_vcpu(&g);
		for (int n = 0; n < 5; n++)
			EXPECT(&g, IO);
		OK(vma_vcpu_destroy(g.cpu));
		k.stop = true;
		join(&k);
	}
	end(&g);
}

static vma_kick *from_handler;
static void on_signal(int sig)
{
	(void)sig;
	vma_kick_send(from_handler);
}

struct sender {
	pthread_t thread, to;
	atomic_int sent, answered;
};

static void *send_signals(void *arg)
{
	struct sender *s = arg;

	while (s->sent < KICKS) {
		s->sent++;
		pthread_kill(s->to, SIGUSR2);
		while (s->answered < s->sent)
			sched_yield();
	}
	return NULL;
}

/* The handler comes wherever the owner is: in the guest, in the library, between two runs. */
static void from_a_handler_on_the_owner(void **state)
{
	const struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	struct sender s = {.to = pthread_self()};
	uint8_t next = 0;
	struct guest g;

	(void)state;
	start(&g, count, sizeof(count));
	OK(vma_vcpu_kick_handle(g.cpu, &from_handler));
	sigaction(SIGUSR2, &sa, NULL);
	assert_int_equal(pthread_create(&s.thread, NULL, send_signals, &s), 0);
	while (s.answered < KICKS)
		if (run(&g) == VMA_EXIT_CANCELED)
			assert_true(++s.answered <= s.sent);
		else
			assert_int_equal(*g.exit->io.data, next++);
	pthread_join(s.thread, NULL);
	no_more_of_them(&g, &next);
	signal(SIGUSR2, SIG_DFL);
	vma_kick_unref(from_handler);
	end(&g);
}

static void *an_owner(void *unused)
{
	each_is_answered_once(spin, sizeof(spin), KICKS);
	return unused;
}

/* The thread that cancels is one for both, and comes and goes with them. */
static void two_owners(void **state)
{
	pthread_t other;

	(void)state;
	assert_int_equal(pthread_create(&other, NULL, an_owner, NULL), 0);
	each_is_answered_once(count, sizeof(count), KICKS);
	pthread_join(other, NULL);
}

static int as_it_should_be(void **state)
{
	(void)state;
	return whpsim_configure("");
}

static int hostile(void **state)
{
	(void)state;
	return whpsim_configure("hostile=5");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(cancels_that_fail),
					   cmocka_unit_test(in_a_guest_that_spins),
					   cmocka_unit_test(in_a_guest_that_exits),
					   cmocka_unit_test(two_kickers_and_exits),
					   cmocka_unit_test(when_it_is_gone),
					   cmocka_unit_test(from_a_handler_on_the_owner),
					   cmocka_unit_test(two_owners)};

	return cmocka_run_group_tests(tests, as_it_should_be, NULL) || cmocka_run_group_tests(tests, hostile, NULL);
}
