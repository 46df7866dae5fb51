/* os_any.c - what is the same on every system: the fault hook, the life of a thread's record. */
#include "os/os.h"
#include "os/os_thread.h"

int (*vma_os_fault)(const char *call);

int os_fault(const char *call)
{
	return vma_os_fault ? vma_os_fault(call) : 0;
}

int os_thread_alive(const struct os_thread *t)
{
	return atomic_load(&t->alive);
}

void os_thread_ref(struct os_thread *t)
{
	atomic_fetch_add(&t->refs, 1);
}

void os_thread_unref(struct os_thread *t)
{
	if (t && atomic_fetch_sub(&t->refs, 1) == 1)
		os_free(t);
}
