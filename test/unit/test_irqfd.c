/* test_irqfd.c - the thread behind vma_vm_irqfd where the platform has none: what was signalled before a descriptor is
 * removed raises its interrupt, however busy the thread is. test-labels: threads */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "core/irqfd.h"

enum { BUSY = 3, OTHER = 5 };
static struct os_event inside, go_on, never;
static atomic_int raised;

static void pulse(void *opaque, uint32_t gsi)
{
	(void)opaque;
	if (gsi == BUSY) {
		os_event_set(&inside);
		os_event_wait(&go_on, UINT64_MAX);
	} else {
		atomic_fetch_add(&raised, 1);
	}
}

static void let_go(void *unused)
{
	(void)unused;
	os_event_wait(&never, os_now_ns() + 50000000);
	os_event_set(&go_on);
}

/* The thread has found BUSY alone when OTHER is signalled and removed. */
static void removed_while_busy(void **state)
{
	struct os_worker *helper;
	struct vma_irqfds e;
	int busy = os_eventfd(), other = os_eventfd();

	(void)state;
	assert_true(busy >= 0 && other >= 0);
	vma_irqfds_init(&e, pulse, NULL);
	assert_int_equal(vma_irqfd_change(&e, busy, BUSY, 1), 0);
	assert_int_equal(vma_irqfd_change(&e, other, OTHER, 1), 0);
	os_eventfd_signal(busy);
	os_event_wait(&inside, UINT64_MAX);
	os_eventfd_signal(other);
	assert_int_equal(os_worker_start(let_go, NULL, &helper), 0);
	assert_int_equal(vma_irqfd_change(&e, other, OTHER, 0), 0);
	assert_int_equal(atomic_load(&raised), 1);
	os_worker_join(helper);
	vma_irqfds_close(&e);
	os_eventfd_close(busy);
	os_eventfd_close(other);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {cmocka_unit_test(removed_while_busy)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
