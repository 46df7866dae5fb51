/* explored.c - atomics and src/os as steps (explored.h). */
#include <string.h>
#include "explored.h"
#undef os_lock
#undef os_unlock

bool explored_signals;
int (*vma_os_fault)(const char *call);

struct os_thread {
	int thread;
	bool helper; /* a loop with nothing in its head but the deadline that it waits for */
};
static struct os_thread records[16];

/* ------ atomics ------ */

static uint64_t saw(enum fault fault, uint64_t value)
{
	if (fault == FAULT_READS_0 || fault == FAULT_READS_1)
		value = fault == FAULT_READS_1;
	explore_saw(value);
	return value;
}

uint64_t explored_load(const char *what, const void *p, size_t size)
{
	enum fault fault = explore_access(what, p, size, NULL);

	return saw(fault, explore_load(p, size));
}

void explored_store(const char *what, void *p, size_t size, uint64_t value, memory_order order)
{
	enum fault fault = explore_access(what, p, size, NULL);
	bool late = order != memory_order_seq_cst || fault == FAULT_LATE;

	if (fault == FAULT_NOT_DONE)
		return;
	if (!late)
		explore_drain();
	explore_store(p, size, value, late);
}

uint64_t explored_exchange(const char *what, void *p, size_t size, bool add, uint64_t value)
{
	enum fault fault = explore_access(what, p, size, NULL);
	uint64_t old = explore_load(p, size);

	if (fault != FAULT_LATE)
		explore_drain();
	if (fault != FAULT_NOT_DONE)
		explore_store(p, size, add ? old + value : value, fault == FAULT_LATE);
	return saw(fault, old);
}

/* No step: a store that it makes visible might have become so before. */
void explored_fence(const char *what)
{
	if (explore_fault(what) != FAULT_NOT_DONE)
		explore_drain();
}

/* ------ locks ------ */

static bool is_free(const void *m)
{
	return !explore_load(m, 8);
}

void os_mutex_init(struct os_mutex *m)
{
	memset(m, 0, sizeof(*m));
}

void os_mutex_destroy(struct os_mutex *m)
{
	if (!is_free(m))
		explore_fail("a lock is destroyed while somebody has it");
}

static void not_in_a_handler(const char *what)
{
	if (explore_in_handler())
		explore_fail("%s: not in a signal handler", what);
}

void explored_lock(const char *what, struct os_mutex *m)
{
	not_in_a_handler(what);
	if (explore_access(what, m, 8, is_free) == FAULT_NOT_DONE)
		return;
	explore_drain();
	explore_store(m, 8, 1 + (uint64_t)explore_self(), false);
	explore_locked();
}

/* No step: what others do just before it they can do after it as well. */
void explored_unlock(const char *what, struct os_mutex *m)
{
	if (explore_buffered())
		explore_step(what, NULL, NULL);
	explore_drain();
	explore_store(m, 8, 0, false);
}

/* Not recursive: so far nobody takes it twice. */
static struct os_mutex process;

void os_process_lock(void)
{
	explored_lock("the process's lock", &process);
}

void os_process_unlock(void)
{
	explored_unlock("the process's lock, back", &process);
}

/* ------ events ------ */

void explored_event_set(const char *what, struct os_event *e)
{
	if (explore_access(what, &e->set, sizeof(e->set), NULL) == FAULT_NOT_DONE)
		return;
	explore_drain();
	explore_store(&e->set, sizeof(e->set), 1, false);
}

static bool is_set(const void *set)
{
	return explore_load(set, sizeof(atomic_int));
}

/* A deadline may pass at any moment. */
int explored_event_wait(const char *what, struct os_event *e, uint64_t deadline)
{
	enum fault fault = explore_access(what, &e->set, sizeof(e->set), deadline == UINT64_MAX ? is_set : NULL);
	int was = is_set(&e->set);

	not_in_a_handler(what);
	explore_drain();
	if (records[explore_self()].helper)
		explore_forget(deadline == UINT64_MAX);
	if (fault != FAULT_NOT_DONE)
		explore_store(&e->set, sizeof(e->set), 0, false);
	explore_saw((uint64_t)was);
	return was;
}

/* ------ conditions: a word that counts the broadcasts ------ */

bool (*explored_time_passes)(void);

struct waiting {
	const struct os_cond *c;
	uint64_t since;
	bool deadline;
};

static bool woken(const void *p)
{
	const struct waiting *w = p;

	return explore_load(w->c, 8) != w->since || (w->deadline && explored_time_passes && explored_time_passes());
}

void os_cond_init(struct os_cond *c)
{
	memset(c, 0, sizeof(*c));
}

void os_cond_destroy(struct os_cond *c)
{
	(void)c;
}

void explored_broadcast(const char *what, struct os_cond *c)
{
	if (explore_access(what, c, 8, NULL) != FAULT_NOT_DONE)
		explore_store(c, 8, explore_load(c, 8) + 1, false);
}

int explored_cond_wait(const char *what, struct os_cond *c, struct os_mutex *m, uint64_t deadline)
{
	struct waiting w = {c, 0, deadline != UINT64_MAX};
	int signalled;

	explore_access(what, c, 8, NULL);
	w.since = explore_load(c, 8);
	explored_unlock(what, m);
	explore_step(what, woken, &w);
	signalled = explore_load(c, 8) != w.since;
	explore_saw((uint64_t)signalled);
	explored_lock(what, m);
	return signalled;
}

/* ------ threads ------ */

struct os_thread *os_thread_self(void)
{
	struct os_thread *t = &records[explore_self()];

	t->thread = explore_self();
	return t;
}

int os_thread_alive(const struct os_thread *t)
{
	return !explore_ended(t->thread);
}

void os_thread_ref(struct os_thread *t)
{
	(void)t;
}

void os_thread_unref(struct os_thread *t)
{
	(void)t;
}

int os_default_kick_signal(void)
{
	return explored_signals && explore_fault("there are signals") != FAULT_READS_0;
}

int os_worker_start(void (*fn)(void *), void *arg, struct os_worker **out)
{
	int thread = explore_thread("helper", fn, arg);

	records[thread] = (struct os_thread){thread, true};
	*out = (struct os_worker *)&records[thread];
	return 0;
}

static bool has_ended(const void *record)
{
	return explore_ended(((const struct os_thread *)record)->thread);
}

void explored_join(const char *what, struct os_worker *w)
{
	explore_access(what, w, sizeof(struct os_thread), has_ended);
}

unsigned explored_helpers(void)
{
	unsigned count = 0;

	for (size_t i = 0; i < VMA_COUNT(records); i++)
		count += records[i].helper && !explore_ended(records[i].thread);
	return count;
}

uint64_t os_now_ns(void)
{
	return 0;
}

/* ------ memory ------ */

void explored_setup(void)
{
	memset(&process, 0, sizeof(process));
	memset(records, 0, sizeof(records));
	explore_memory(&process, sizeof(process));
	explore_memory(records, sizeof(records));
}

void *os_calloc(size_t count, size_t size)
{
	return explore_alloc(count * size, 64);
}

void os_free(void *p)
{
	if (p)
		explore_free(p);
}

/* ------ the core's neighbours ------ */

static int nothing(vma_vcpu *v)
{
	(void)v;
	return 0;
}

static void free_nothing(vma_vcpu *v)
{
	(void)v;
}

const struct vma_arch_ops explored_arch = {.vcpu_alloc = nothing, .vcpu_free = free_nothing, .first_state = nothing};

int vma_state_flush(vma_vcpu *v)
{
	return nothing(v);
}

int vma_state_completed(vma_vcpu *v)
{
	return nothing(v);
}

int explored_error;

int vma_fail(int error, const char *format, ...)
{
	if (error == explored_error)
		return error;
	explore_fail("error %d: %s", error, format);
}

int vma_fail_os(long minus_errno, const char *call)
{
	explore_fail("error %ld: %s", minus_errno, call);
}
