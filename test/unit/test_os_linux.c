/* test_os_linux.c - the operating-system layer: threads and their end, events, signals, memory, and the fault hook.
 * test-labels: threads posix */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "os/os.h"

static void *own_record(void *p)
{
	struct os_thread **out = p;

	*out = os_thread_self();
	os_thread_ref(*out);
	assert_ptr_equal(os_thread_self(), *out);
	assert_true(os_thread_alive(*out));
	return NULL;
}

static void record_outlives_its_thread(void **state)
{
	struct os_thread *t = NULL;
	pthread_t id;

	(void)state;
	pthread_create(&id, NULL, own_record, &t);
	pthread_join(id, NULL);
	assert_non_null(t);
	assert_ptr_not_equal(t, os_thread_self());
	assert_false(os_thread_alive(t));
	assert_int_equal(os_thread_signal(t, SIGUSR1), -ESRCH);
	os_thread_unref(t);
	os_thread_unref(NULL);
}

static atomic_int hooked;

static void hook(void)
{
	atomic_fetch_add(&hooked, 1);
}

static void kick_signal_runs_the_hook(void **state)
{
	(void)state;
	assert_int_equal(os_kick_signal(SIGUSR1, hook), 0);
	assert_int_equal(os_thread_signal(os_thread_self(), SIGUSR1), 0);
	while (!atomic_load(&hooked))
		;
	assert_int_equal(atomic_load(&hooked), 1);
	assert_true(os_kick_signal(1000, hook) < 0);
}

static void theirs(int sig)
{
	(void)sig;
}

static void foreign_handler_stays(void **state)
{
	struct sigaction now;

	(void)state;
	signal(SIGUSR2, theirs);
	assert_int_equal(os_kick_signal(SIGUSR2, hook), 0);
	sigaction(SIGUSR2, NULL, &now);
	assert_true(now.sa_handler == theirs);
	signal(SIGUSR2, SIG_DFL);
}

static void set_it(void *p)
{
	os_event_set(p);
}

static void events(void **state)
{
	struct os_event e = {0};
	struct os_worker *w;
	uint64_t start;

	(void)state;
	os_event_set(&e);
	os_event_set(&e);
	assert_int_equal(os_event_wait(&e, UINT64_MAX), 1);
	start = os_now_ns();
	assert_int_equal(os_event_wait(&e, start + 5000000), 0);
	assert_true(os_now_ns() - start >= 5000000);
	assert_int_equal(os_event_wait(&e, 1), 0); /* long past */
	assert_int_equal(os_worker_start(set_it, &e, &w), 0);
	assert_int_equal(os_event_wait(&e, UINT64_MAX), 1);
	os_worker_join(w);
}

static int count, fail_at;

static int fail_nth(const char *call)
{
	(void)call;
	return ++count == fail_at ? ENOMEM : 0;
}

static void faults_are_injected(void **state)
{
	struct os_worker *w;
	void *p;

	(void)state;
	vma_os_fault = fail_nth;
	count = 0, fail_at = 1;
	assert_null(os_calloc(1, 1));
	count = 0;
	assert_null(os_aligned(64, 64));
	count = 0;
	assert_int_equal(os_map(-1, 0, 4096, OS_MAP_WRITE, &p), -ENOMEM);
	count = 0;
	assert_int_equal(os_memfd(4096), -ENOMEM);
	count = 0, fail_at = 2;
	assert_int_equal(os_memfd(4096), -ENOMEM);
	count = 0;
	assert_int_equal(os_worker_start(set_it, NULL, &w), -ENOMEM);
	count = 0, fail_at = 1;
	assert_int_equal(os_eventfd(), -ENOMEM);
	count = 0;
	assert_int_equal(os_open("/dev/null", 0), -ENOMEM);
	count = 0;
	assert_int_equal(os_ioctl(0, 0, NULL, "X"), -ENOMEM);
	vma_os_fault = NULL;
	assert_int_equal(os_open("/does/not/exist", 0), -ENOENT);
}

static void memory(void **state)
{
	void *a, *b;
	int fd = os_memfd(8192);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(os_file_size(fd), 8192);
	assert_int_equal(os_map(fd, 0, 8192, OS_MAP_WRITE, &a), 0);
	assert_int_equal(os_map(fd, 4096, 4096, OS_MAP_WRITE | OS_MAP_PRIVATE, &b), 0);
	((char *)a)[4096] = 5;
	assert_int_equal(((char *)b)[0], 5);
	((char *)b)[0] = 6;
	assert_int_equal(((char *)a)[4096], 5);
	os_unmap(b, 4096);
	os_unmap(a, 8192);
	assert_int_equal(os_close(fd), 0);
	assert_true(os_file_size(-1) < 0);
	uint8_t *p = os_aligned(64, 256);
	assert_int_equal((uintptr_t)p % 64, 0);
	for (int i = 0; i < 256; i++)
		assert_int_equal(p[i], 0);
	os_free(p);
}

/* Within 1 % of what the clock says, where there is a TSC. */
static void tsc_frequency(void **state)
{
#if defined(__x86_64__)
	uint64_t hz = os_tsc_hz(), t0 = os_now_ns(), c0 = __builtin_ia32_rdtsc(), t1, c1;

	do {
		t1 = os_now_ns();
		c1 = __builtin_ia32_rdtsc();
	} while (t1 - t0 < 20000000);
	double measured = (double)(c1 - c0) * 1e9 / (double)(t1 - t0);
	assert_true(measured / (double)hz > 0.99 && measured / (double)hz < 1.01);
#endif
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(record_outlives_its_thread),
		cmocka_unit_test(kick_signal_runs_the_hook),
		cmocka_unit_test(foreign_handler_stays),
		cmocka_unit_test(events),
		cmocka_unit_test(faults_are_injected),
		cmocka_unit_test(memory),
		cmocka_unit_test(tsc_frequency),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
