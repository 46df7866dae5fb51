/* kick.c - the kick: sticky, consumed once, safe in signal handlers, and inert when its vCPU is gone; and calls on the
 * owner thread. */
#include "core/internal.h"

enum { LOOK_AGAIN_NS = 20000000 }; /* how often a waiting caller looks whether the owner still lives */

struct vma_call {
	int (*fn)(vma_vcpu *vcpu, void *arg);
	void *arg;
	int result;
	bool done;
	struct vma_call *next;
};

struct vma_kick *vma_kick_new(const struct vma_backend *be, struct os_thread *owner, int signal)
{
	struct vma_kick *k = os_calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	atomic_init(&k->refs, 1);
	k->be = be;
	k->signal = signal;
	k->owner = owner;
	os_thread_ref(owner);
	os_mutex_init(&k->lock);
	os_cond_init(&k->answered);
	return k;
}

int vma_vcpu_kick_handle(vma_vcpu *v, vma_kick **kick)
{
	if (!v || !kick)
		return vma_fail(VMA_E_INVALID, "the vCPU is NULL, or no place for the kick handle");
	atomic_fetch_add(&v->kick->refs, 1);
	*kick = v->kick;
	return 0;
}

void vma_kick_unref(vma_kick *k)
{
	if (!k || atomic_fetch_sub(&k->refs, 1) != 1)
		return;
	os_mutex_destroy(&k->lock);
	os_cond_destroy(&k->answered);
	os_thread_unref(k->owner);
	os_free(k);
}

/* In a signal handler: atomics and the back end's slot, which keeps to the same rule. */
static void attract(struct vma_kick *k)
{
	atomic_store(&k->attention, 1);
	if (!atomic_load(&k->gone))
		k->be->kick(k);
}

void vma_kick_send(vma_kick *k)
{
	if (!k || atomic_load(&k->gone))
		return;
	atomic_store(&k->pending, 1);
	attract(k);
}

static void answer(struct vma_kick *k, struct vma_call *c, int result)
{
	os_lock(&k->lock);
	c->result = result;
	c->done = true;
	os_cond_broadcast(&k->answered);
	os_unlock(&k->lock);
}

static struct vma_call *take_call(struct vma_kick *k)
{
	struct vma_call *c;

	os_lock(&k->lock);
	c = k->first_call;
	if (c) {
		k->first_call = c->next;
		atomic_fetch_sub(&k->calls, 1);
	}
	os_unlock(&k->lock);
	return c;
}

void vma_kick_run_calls(vma_vcpu *v)
{
	struct vma_call *c;

	while ((c = take_call(v->kick)))
		answer(v->kick, c, c->fn(v, c->arg));
}

void vma_kick_retire(struct vma_kick *k)
{
	struct vma_call *c;

	os_lock(&k->lock);
	atomic_store(&k->gone, true);
	os_unlock(&k->lock);
	while ((c = take_call(k)))
		answer(k, c, VMA_E_OWNER_GONE);
	vma_kick_unref(k);
}

/* Take c out of the queue again. False: the owner has it. */
static bool withdraw(struct vma_kick *k, struct vma_call *c)
{
	for (struct vma_call **p = &k->first_call; *p; p = &(*p)->next)
		if (*p == c) {
			*p = c->next;
			atomic_fetch_sub(&k->calls, 1);
			return true;
		}
	return false;
}

/* The lock is held. The owner's end is noticed by looking, since a thread does not announce it. */
static void await(struct vma_kick *k, struct vma_call *c)
{
	while (!c->done) {
		os_cond_wait_until(&k->answered, &k->lock, os_now_ns() + LOOK_AGAIN_NS);
		if (!c->done && !os_thread_alive(k->owner)) {
			withdraw(k, c);
			c->result = VMA_E_OWNER_GONE;
			return;
		}
	}
}

static int queue_and_wait(struct vma_kick *k, struct vma_call *c)
{
	struct vma_call **end = &k->first_call;

	os_lock(&k->lock);
	if (atomic_load(&k->gone) || !os_thread_alive(k->owner)) {
		os_unlock(&k->lock);
		return vma_fail(VMA_E_OWNER_GONE, "the vCPU or its owner thread is gone");
	}
	while (*end)
		end = &(*end)->next;
	*end = c;
	atomic_fetch_add(&k->calls, 1);
	os_unlock(&k->lock);
	attract(k);
	os_lock(&k->lock);
	await(k, c);
	os_unlock(&k->lock);
	if (c->result == VMA_E_OWNER_GONE)
		vma_fail(VMA_E_OWNER_GONE, "the vCPU or its owner thread went away before the call was run");
	return c->result;
}

int vma_vcpu_call(vma_vcpu *v, int (*fn)(vma_vcpu *vcpu, void *arg), void *arg)
{
	struct vma_call c = {.fn = fn, .arg = arg};
	struct vma_kick *k;
	int rc;

	if (!v || !fn)
		return vma_fail(VMA_E_INVALID, "the vCPU or the function is NULL");
	if (v->owner == os_thread_self())
		return fn(v, arg);
	rc = vma_vcpu_kick_handle(v, &k);
	if (rc)
		return rc;
	rc = queue_and_wait(k, &c);
	vma_kick_unref(k);
	return rc;
}
