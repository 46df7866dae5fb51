/* test_core_kick.c - kicks and calls on the owner thread, on the scripted back end.
 * test-labels: threads */
#include "test_core_null.h"
#include <signal.h>
#include <stdatomic.h>

/* T009, T012, T013 */
static void before_the_first_run(void **state)
{
	struct rig *r = *state;
	vma_kick *k;

	ok(vma_vcpu_kick_handle(r->v, &k));
	vma_null_clear();
	for (int i = 0; i < 3; i++)
		vma_kick_send(k);
	assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_CANCELED);
	assert_int_equal(vma_vcpu_exit(r->v)->kind, VMA_EXIT_CANCELED);
	assert_int_equal(vma_null_calls("run"), 0);
	assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_HLT);
	vma_kick_unref(k);
}

/* A kick before a run with an answered exit: the answer is not lost. */
static void completes_before_it_cancels(void **state)
{
	struct rig *r = *state;
	vma_null_step s = step_in(0x60, 1);
	vma_kick *k;

	ok(vma_vcpu_kick_handle(r->v, &k));
	ok(vma_null_script(r->v, &s, 1));
	assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_IO);
	vma_vcpu_exit(r->v)->io.data[0] = 0x42;
	vma_kick_send(k);
	assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_CANCELED);
	assert_false(vma_vcpu_exit(r->v)->pending);
	assert_int_equal(get1(r->v, VMA_X86_RAX), 0x42);
	vma_kick_unref(k);
}

static void kick_inside(vma_vcpu *v, void *opaque)
{
	(void)v;
	vma_kick_send(opaque);
}

/* T011: a kick that races with an exit takes effect on the next run, once. */
static void races_with_an_exit(void **state)
{
	struct rig *r = *state;
	vma_null_step s = step_in(0x60, 1);
	vma_kick *k;

	ok(vma_vcpu_kick_handle(r->v, &k));
	s.inside = kick_inside;
	s.opaque = k;
	for (int i = 0; i < 1000; i++) {
		ok(vma_null_script(r->v, &s, 1));
		assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_IO);
		assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_CANCELED);
		assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_HLT);
	}
	vma_kick_unref(k);
}

/* T017 */
static void spurious_returns_do_not_show(void **state)
{
	struct rig *r = *state;
	vma_null_step s = step_in(0x60, 1);

	s.spurious = 5;
	ok(vma_null_script(r->v, &s, 1));
	assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_IO);
}

static vma_kick *signal_kick;

static void on_signal(int sig)
{
	(void)sig;
	vma_kick_send(signal_kick);
}

/* T014 */
static void from_a_signal_handler(void **state)
{
	struct rig *r = *state;

	ok(vma_vcpu_kick_handle(r->v, &signal_kick));
	signal(SIGTERM, on_signal);
	raise(SIGTERM);
	signal(SIGTERM, SIG_DFL);
	assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_CANCELED);
	assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_HLT);
	vma_kick_unref(signal_kick);
}

struct kicker {
	vma_kick *k;
	atomic_bool stop;
	atomic_uint sent;
};

static void *kick_on(void *p)
{
	struct kicker *k = p;

	while (!atomic_load(&k->stop)) {
		vma_kick_send(k->k);
		atomic_fetch_add(&k->sent, 1);
	}
	return NULL;
}

/* T005: inert when the vCPU and its VM are gone. */
static void outlives_the_vm(void **state)
{
	struct kicker k = {.k = NULL};
	struct rig r;
	pthread_t t;

	(void)state;
	rig_open(&r, VMA_IRQCHIP_NONE, NULL);
	ok(vma_vcpu_kick_handle(r.v, &k.k));
	pthread_create(&t, NULL, kick_on, &k);
	while (atomic_load(&k.sent) < 1000)
		vma_vcpu_run(r.v);
	rig_close(&r);
	unsigned after = atomic_load(&k.sent);
	while (atomic_load(&k.sent) < after + 1000)
		;
	atomic_store(&k.stop, true);
	pthread_join(t, NULL);
	vma_kick_unref(k.k);
	vma_kick_unref(NULL);
	vma_kick_send(NULL);
}

/* T016: state read in a storm of kicks is the same each time. */
static void storm_during_save(void **state)
{
	struct rig *r = *state;
	struct kicker k = {.k = NULL};
	uint8_t first[4096], again[4096];
	size_t size = sizeof(first);
	pthread_t t;

	ok(vma_vcpu_kick_handle(r->v, &k.k));
	set1(r->v, VMA_X86_RAX, 0x1234);
	ok(vma_vcpu_save(r->v, first, &size, 0));
	pthread_create(&t, NULL, kick_on, &k);
	for (int i = 0; i < 2000; i++) {
		size_t n = sizeof(again);
		ok(vma_vcpu_save(r->v, again, &n, 0));
		assert_int_equal(n, size);
		assert_memory_equal(first, again, n);
		assert_true(vma_vcpu_run(r->v) > 0);
	}
	atomic_store(&k.stop, true);
	pthread_join(t, NULL);
	vma_kick_unref(k.k);
}

/* ------ calls ------ */

struct caller {
	vma_vcpu *v;
	int rc;
	atomic_bool done;
};

static int read_rax(vma_vcpu *v, void *arg)
{
	uint64_t value;
	uint32_t id = VMA_X86_RAX;
	int rc = vma_vcpu_get(v, &id, &value, 1);

	(void)arg;
	return rc ? rc : (int)value;
}

static int run_again(vma_vcpu *v, void *arg)
{
	(void)arg;
	return vma_vcpu_run(v);
}

static void *call_rax(void *p)
{
	struct caller *c = p;

	c->rc = vma_vcpu_call(c->v, read_rax, NULL);
	atomic_store(&c->done, true);
	return NULL;
}

static void *call_run(void *p)
{
	struct caller *c = p;

	c->rc = vma_vcpu_call(c->v, run_again, NULL);
	atomic_store(&c->done, true);
	return NULL;
}

/* The owner's run executes it and does not return for it: the kick's sign is never seen. */
static void call_from_another_thread(void **state)
{
	struct rig *r = *state;
	struct caller c = {.v = r->v};
	pthread_t t;

	set1(r->v, VMA_X86_RAX, 4711);
	assert_int_equal(vma_vcpu_call(r->v, read_rax, NULL), 4711);
	pthread_create(&t, NULL, call_rax, &c);
	while (!atomic_load(&c.done))
		assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_HLT);
	pthread_join(t, NULL);
	assert_int_equal(c.rc, 4711);
}

static void no_run_inside_a_run(void **state)
{
	struct rig *r = *state;
	struct caller c = {.v = r->v};
	pthread_t t;

	pthread_create(&t, NULL, call_run, &c);
	while (!atomic_load(&c.done))
		assert_int_equal(vma_vcpu_run(r->v), VMA_EXIT_HLT);
	pthread_join(t, NULL);
	fails(c.rc, VMA_E_STATE);
}

static void *create_and_end(void *p)
{
	struct rig *r = p;
	static vma_vcpu *v;

	return vma_vcpu_create(r->vm, 2, &v) ? NULL : v;
}

static void call_to_a_gone_owner(void **state)
{
	struct rig *r = *state;
	void *v;
	pthread_t t;

	pthread_create(&t, NULL, create_and_end, r);
	pthread_join(t, &v);
	fails(vma_vcpu_call(v, read_rax, NULL), VMA_E_OWNER_GONE);
	fails(vma_vcpu_call(v, NULL, NULL), VMA_E_INVALID);
	ok(vma_vcpu_destroy(v));
}

/* The vCPU goes away while somebody waits for it. */
static void call_to_a_destroyed_vcpu(void **state)
{
	struct rig *r = *state;
	struct caller c;
	vma_kick *k;
	pthread_t t;

	for (int i = 0; i < 50; i++) {
		memset(&c, 0, sizeof(c));
		ok(vma_vcpu_create(r->vm, 1, &c.v));
		ok(vma_vcpu_kick_handle(c.v, &k));
		pthread_create(&t, NULL, call_rax, &c);
		/* the call must have a hold on the kick before the vCPU may go: its attention shows in a run of it */
		while (!atomic_load(&c.done) && vma_vcpu_run(c.v) > 0 && i % 2)
			;
		if (atomic_load(&c.done)) {
			pthread_join(t, NULL);
			assert_int_equal(c.rc, 0);
			ok(vma_vcpu_destroy(c.v));
		} else {
			while (!atomic_load(&c.done))
				vma_vcpu_run(c.v);
			pthread_join(t, NULL);
			ok(vma_vcpu_destroy(c.v));
		}
		vma_kick_unref(k);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(before_the_first_run),     RIG_TEST(completes_before_it_cancels),
		RIG_TEST(races_with_an_exit),       RIG_TEST(spurious_returns_do_not_show),
		RIG_TEST(from_a_signal_handler),    cmocka_unit_test(outlives_the_vm),
		RIG_TEST(storm_during_save),        RIG_TEST(call_from_another_thread),
		RIG_TEST(no_run_inside_a_run),      RIG_TEST(call_to_a_gone_owner),
		RIG_TEST(call_to_a_destroyed_vcpu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
