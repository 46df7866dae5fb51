/* explore.h - every order in which the steps of some threads can happen: the library's own sources, compiled with their
 * atomics and src/os's locks, events and threads replaced (explored.h), run as coroutines; each access to
 * something shared is a step, before which another thread may go on.
 *
 * The search is depth first, by running from the start again. An order is left where it comes to a state that has been
 * seen: what is shared has the same values and each thread has seen the same values since its start, so that all that
 * can follow has been followed. What only one thread ever touches is no step; when a second one comes to it, the search
 * begins again with that known.
 *
 * Stores that are not sequentially consistent wait in a buffer of their thread's, as on x86 (SDM vol. 3, 9.2.2): that
 * they become visible is a step of its own. Weaker orders than x86's are not modelled. */
#ifndef EXPLORE_H
#define EXPLORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A fault in the code explored: what an operation, named by its text, does wrong. */
enum fault { FAULT_NONE, FAULT_READS_0, FAULT_READS_1, FAULT_NOT_DONE, FAULT_LATE };
struct mutation {
	const char *operation;
	enum fault fault;
};

struct exploration {
	void (*setup)(void);  /* everything as it is at the start, and explore_thread for those that begin there */
	void (*finish)(void); /* all have ended: explore_fail if something is missing; may be NULL */
	const struct mutation *mutation; /* may be NULL */
	/* filled */
	unsigned long states, steps, runs;
	double orders;             /* how many orders of the steps these stand for */
	bool mutated;              /* the mutation's operation was met */
	char failure[200], *trace; /* failure "": none; trace is freed by the caller */
};
void explore(struct exploration *e);

/* ------ in setup ------ */

int explore_thread(const char *name, void (*fn)(void *), void *arg);
/* Never ends; nobody waits for it. */
int explore_daemon(const char *name, void (*fn)(void *), void *arg);
/* A signal's handler: comes once or never, once ready(arg), at any step of thread `on`, which stands still meanwhile.
 */
int explore_handler(const char *name, void (*fn)(void *), void *arg, int on, bool (*ready)(const void *));
/* Memory whose bytes belong to the state: whatever is shared and no atomic, under a lock or not; and memory that the
 * code may touch besides what it has allocated. */
void explore_state(const void *p, size_t size);
void explore_memory(const void *p, size_t size);

/* ------ in threads ------ */

/* Let others go on, and return when this thread's turn comes; it comes only when ready(arg), if that is given. What the
 * caller does then is one step. */
void explore_step(const char *what, bool (*ready)(const void *), const void *arg);
/* What the thread learns by a step, if it is nothing that explore_state covers and was not returned by these functions.
 */
void explore_saw(uint64_t value);
/* All that it has learnt is in explore_state's memory, but for `value`. */
void explore_forget(uint64_t value);
unsigned explore_choose(const char *what, unsigned count);
void explore_fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
bool explore_in_handler(void);
int explore_self(void);

/* ------ for explored.h ------ */

/* The step before an access to an object of `size` bytes, at most 8, taken when ready(object); and what is wrong with
 * it. */
enum fault explore_access(const char *what, const void *object, size_t size, bool (*ready)(const void *));
enum fault explore_fault(const char *what); /* of an operation that is no step */
/* As this thread sees it; and what it sees at once and others now or later. */
uint64_t explore_load(const void *p, size_t size);
void explore_store(void *p, size_t size, uint64_t value, bool late);
void explore_drain(void); /* all this thread's stores are visible */
bool explore_buffered(void);
/* The access just made was taking a lock: the next one is no step of its own, since what others do in between they can
 * do before the lock is taken as well. */
void explore_locked(void);
bool explore_ended(int thread);
void *explore_alloc(size_t size, size_t align);
void explore_free(void *p);
void explore_check(const char *what, const void *p); /* it is memory that may be touched now, or explore_fail */
void explore_heap_empty(void);

#endif
