/* test_os_linux.c - the operating-system layer where there are signals and descriptors: kicks by signals, the fault hook.
 * test-labels: threads posix */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "os/os.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kick_signal_runs_the_hook),
		cmocka_unit_test(foreign_handler_stays),
		cmocka_unit_test(faults_are_injected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
