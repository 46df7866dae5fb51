/* kvm_enter.c - entering a vCPU, and kicks. */
#include "kvm/kvm.h"

/* ------ kicks ------
 * The signal of a kick runs vma_kvm_kick_hook on the owner thread. Before the KVM_RUN call it makes the call return at
 * once, through immediate_exit; during it, the signal itself does. Between runs `entered` is NULL and the kick is found
 * in kick->attention, which is looked at after `entered` is set: no moment is left in which a kick could be lost. */

/* initial-exec: the dynamic model may allocate at first use, and a signal handler must not. */
static _Thread_local struct kvm_run *volatile entered __attribute__((tls_model("initial-exec")));

void vma_kvm_kick_hook(void)
{
	struct kvm_run *run = entered;

	if (run)
		__atomic_store_n(&run->immediate_exit, 1, __ATOMIC_RELAXED);
}

void vma_kvm_kick(struct vma_kick *k)
{
	if (k->owner && k->signal)
		os_thread_signal(k->owner, k->signal); /* -ESRCH: the owner has ended and will never run */
}

long vma_kvm_enter(struct vma_vcpu *v, bool immediate)
{
	struct vma_kvm_vcpu *k = v->priv;
	struct kvm_run *run = k->run;
	long rc;

	entered = run;
	atomic_signal_fence(memory_order_seq_cst);
	if (immediate || atomic_load_explicit(&v->kick->attention, memory_order_acquire))
		__atomic_store_n(&run->immediate_exit, 1, __ATOMIC_RELAXED);
	rc = os_ioctl(k->fd, KVM_RUN, NULL, "KVM_RUN");
	entered = NULL;
	atomic_signal_fence(memory_order_seq_cst);
	__atomic_store_n(&run->immediate_exit, 0, __ATOMIC_RELAXED);
	/* After an error kvm_run may be of an earlier exit. */
	k->synced = rc ? 0 : (uint32_t)run->kvm_valid_regs;
	k->window_known = !rc;
	k->exception_at_risk = rc;
	k->injected = false;
	return rc;
}
