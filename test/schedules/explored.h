/* explored.h - what the explored code gets in place of C11's atomics and of src/os: steps of explore.h. Included before
 * the code, and after every header that has atomics. Only what is used so far is here. */
#ifndef EXPLORED_H
#define EXPLORED_H

#include "core/internal.h"
#include "explore.h"

extern int explored_error;
extern bool (*explored_time_passes)(void); /* a condition's deadline may pass now; NULL: never */
/* For a vCPU without registers. vma_fail is a failure of the test unless the error is explored_error. */
extern const struct vma_arch_ops explored_arch;

/* ------ atomics: an operation is known by its text ------ */

uint64_t explored_load(const char *what, const void *p, size_t size);
void explored_store(const char *what, void *p, size_t size, uint64_t value, memory_order order);
/* Write `value`, or add it. What was there. */
uint64_t explored_exchange(const char *what, void *p, size_t size, bool add, uint64_t value);
void explored_fence(const char *what);

#undef atomic_init
#undef atomic_load
#undef atomic_load_explicit
#undef atomic_store
#undef atomic_store_explicit
#undef atomic_exchange
#undef atomic_fetch_add
#undef atomic_fetch_sub
#undef atomic_thread_fence
#define EXPLORED_AS(p, value) __extension__({ (__typeof__((void)0, *(p)))(value); })
#define atomic_init(p, v) ((void)(*(p) = (v)))
#define atomic_load(p) EXPLORED_AS(p, explored_load("load " #p, (p), sizeof(*(p))))
#define atomic_load_explicit(p, order) atomic_load(p)
#define atomic_store(p, v) atomic_store_explicit(p, v, memory_order_seq_cst)
#define atomic_store_explicit(p, v, order) explored_store("store " #p, (p), sizeof(*(p)), (uint64_t)(v), (order))
#define atomic_exchange(p, v) EXPLORED_AS(p, explored_exchange("exchange " #p, (p), sizeof(*(p)), false, (uint64_t)(v)))
#define atomic_fetch_add(p, v) EXPLORED_AS(p, explored_exchange("add " #p, (p), sizeof(*(p)), true, (uint64_t)(v)))
#define atomic_fetch_sub(p, v)                                                                                         \
	EXPLORED_AS(p, explored_exchange("subtract " #p, (p), sizeof(*(p)), true, -(uint64_t)(v)))
#define atomic_thread_fence(order) explored_fence("fence " #order)

/* ------ os.h ------ */

void explored_setup(void);       /* in the exploration's setup */
extern bool explored_signals;    /* the system has signals; false: as on Windows */
unsigned explored_helpers(void); /* os_worker_start's threads that have not ended */

void explored_lock(const char *what, struct os_mutex *m);
void explored_unlock(const char *what, struct os_mutex *m);
void explored_event_set(const char *what, struct os_event *e);
int explored_event_wait(const char *what, struct os_event *e, uint64_t deadline);
void explored_broadcast(const char *what, struct os_cond *c);
int explored_cond_wait(const char *what, struct os_cond *c, struct os_mutex *m, uint64_t deadline);
void explored_join(const char *what, struct os_worker *w);
#define os_lock(m) explored_lock("lock " #m, (m))
#define os_unlock(m) explored_unlock("unlock " #m, (m))
#define os_event_set(e) explored_event_set("set " #e, (e))
#define os_event_wait(e, deadline) explored_event_wait("wait " #e, (e), (deadline))
#define os_cond_broadcast(c) explored_broadcast("broadcast " #c, (c))
#define os_cond_wait_until(c, m, deadline) explored_cond_wait("wait " #c, (c), (m), (deadline))
#define os_worker_join(w) explored_join("join " #w, (w))

#endif
