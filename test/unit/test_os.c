/* test_os.c - the operating-system layer on every host: threads and their end, events, memory, files; and each call of
 * the host's failing in turn, after which nothing is left behind and the same works. test-labels: threads */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "host.h"
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
	assert_true(os_thread_signal(t, 1) < 0); /* it is gone, or this host has no signals */
	os_thread_unref(t);
	os_thread_unref(NULL);
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

static void memory(void **state)
{
	void *a, *b;
	int fd = os_memfd(8192);

	(void)state;
	assert_true(fd >= 0);
	const int64_t length = os_file_size(fd);

	assert_true(length == 8192 || length == -EINVAL); /* Windows' sections are no files */
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

/* ------ each call fails in turn ------ */

static char path[] = "/tmp/test_os_XXXXXX";

/* What is done with the host; 0, or what failed. Whatever was had before is given back. */
static int zeroed(void)
{
	void *p = os_calloc(3, 5);

	os_free(p);
	return p ? 0 : -ENOMEM;
}

static int aligned(void)
{
	void *p = os_aligned(4096, 8192);

	os_free(p);
	return p ? 0 : -ENOMEM;
}

static int random_bytes(void)
{
	uint8_t bytes[16];

	return os_random(bytes, sizeof(bytes));
}

static int pages(void)
{
	void *p;
	int rc = os_map(-1, 0, 65536, OS_MAP_WRITE, &p);

	if (!rc)
		os_unmap(p, 65536);
	return rc;
}

static int two_views(void)
{
	int fd = os_memfd(131072), twin = fd < 0 ? fd : os_dup(fd), rc = twin < 0 ? twin : 0;
	void *a = NULL, *b = NULL;

	if (!rc)
		rc = os_map(fd, 0, 131072, OS_MAP_WRITE, &a);
	if (!rc)
		rc = os_map(twin, 65536, 65536, OS_MAP_WRITE, &b);
	if (!rc) {
		((uint8_t *)a)[65536] = 7;
		assert_int_equal(*(uint8_t *)b, 7);
	}
	if (b)
		os_unmap(b, 65536);
	if (a)
		os_unmap(a, 131072);
	if (twin >= 0)
		os_close(twin);
	if (fd >= 0)
		os_close(fd);
	return rc;
}

static int file(void)
{
	int fd = os_open(path, O_RDWR), twin, rc;
	int64_t size = fd < 0 ? fd : os_file_size(fd);
	void *p;

	if (size < 0) {
		if (fd >= 0)
			os_close(fd);
		return (int)size;
	}
	assert_int_equal(size, 4096);
	twin = os_dup(fd);
	rc = twin < 0 ? twin : os_map(twin, 0, 4096, OS_MAP_WRITE | OS_MAP_PRIVATE, &p);
	if (!rc)
		os_unmap(p, 4096);
	if (twin >= 0)
		os_close(twin);
	os_close(fd);
	return rc;
}

static int worker(void)
{
	struct os_event e = {0};
	struct os_worker *w;
	int rc = os_worker_start(set_it, &e, &w);

	if (rc)
		return rc;
	assert_int_equal(os_event_wait(&e, UINT64_MAX), 1);
	os_worker_join(w);
	return 0;
}

static int eventfd(void)
{
	int fds[2] = {os_eventfd(), os_eventfd()};
	uint8_t ready[2];

	for (int i = 0; i < 2 && fds[0] >= 0 && fds[1] >= 0; i++) {
		os_eventfd_signal(fds[i]);
		os_eventfd_wait(fds, 2, ready);
		assert_int_equal(ready[i], 1);
		assert_int_equal(ready[!i], 0); /* taken the last time */
	}
	for (int i = 0; i < 2; i++)
		if (fds[i] >= 0)
			os_eventfd_close(fds[i]);
	return fds[0] < 0 ? fds[0] : fds[1] < 0 ? fds[1] : 0;
}

static int library(void)
{
	void *lib;
	int rc = os_system_library("kernel32.dll", &lib);

	if (!rc && !os_symbol(lib, "CreateFileW"))
		return -EIO;
	return rc == -ENOENT ? 0 : rc; /* this is no Windows */
}

static const struct {
	const char *name;
	int (*run)(void);
} lives[] = {{"zeroed", zeroed}, {"aligned", aligned},     {"random", random_bytes},
	     {"pages", pages},   {"two views", two_views}, {"file", file},
	     {"worker", worker}, {"eventfd", eventfd},     {"library", library}};

static int calls, fail_at, fail_with;

static int fail_nth(const char *call)
{
	(void)call;
	return ++calls == fail_at ? fail_with : 0;
}

static int live(size_t i, int at, int error)
{
	int rc;

	calls = 0, fail_at = at, fail_with = error;
	vma_os_fault = fail_nth;
	rc = lives[i].run();
	vma_os_fault = NULL;
	return rc;
}

/* Returns how many calls failed. */
static int sweep(void)
{
	static const int errors[] = {ENOMEM, EIO};
	int swept = 0;

	for (size_t i = 0; i < sizeof(lives) / sizeof(*lives); i++) {
		assert_int_equal(live(i, 0, 0), 0);
		const int count = calls;

		for (int at = 1; at <= count; at++)
			for (size_t e = 0; e < 2; e++) {
				const int rc = live(i, at, errors[e]);

				/* an allocation has one way to fail */
				if (rc != -errors[e] && rc != -ENOMEM)
					fail_msg("%s: call %d of %d failed with %d: %d", lives[i].name, at, count,
						 errors[e], rc);
				assert_int_equal(live(i, 0, 0), 0);
				swept++;
			}
	}
	return swept;
}

static void each_call_fails(void **state)
{
#ifdef __SANITIZE_THREAD__
	enum { SWEEPS = 20, ALLOWED = 4 * SWEEPS }; /* the sanitizer's own */
#else
	enum { SWEEPS = 20, ALLOWED = SWEEPS / 2 };
#endif
	struct host_usage before = {0}, after = {0};
	int swept;

	(void)state;
	swept = sweep();
	assert_true(swept >= 2 * 14);
	if (!host_usage(&before))
		return;
	for (int i = 0; i < SWEEPS; i++)
		assert_int_equal(sweep(), swept);
	assert_true(host_usage(&after));
	assert_int_equal(after.handles, before.handles);
	assert_true(after.mappings < before.mappings + ALLOWED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(record_outlives_its_thread),
		cmocka_unit_test(events),
		cmocka_unit_test(memory),
		cmocka_unit_test(tsc_frequency),
		cmocka_unit_test(each_call_fails),
	};
	static const char page[4096];
	int fd = mkstemp(path), failed;

	if (fd < 0 || write(fd, page, sizeof(page)) != (ssize_t)sizeof(page) || close(fd))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return failed;
}
