/* whpx_ioevent.c - guest writes that signal an eventfd: a list that is looked through after an exit. */
#include "whpx/whpx.h"

int whpx_ioeventfd(struct vma_vm *vm, const vma_ioeventfd *io, int assign)
{
	struct whpx_vm *wm = whpx_vm(vm);
	int rc;

	whpx_memory_lock_all(wm);
	rc = assign ? vma_ioevent_add(&wm->ioevents, io) : vma_ioevent_remove(&wm->ioevents, io);
	atomic_store_explicit(&wm->answers, wm->chips || wm->ioevents.count, memory_order_release);
	whpx_memory_unlock_all(wm);
	return rc;
}

static bool hit(const struct vma_ioevents *e, int kind, vma_exit *x)
{
	if (kind == VMA_EXIT_IO)
		return x->io.write && vma_ioevent_outs(e, x->io.port, x->io.width, x->io.data, &x->io.count);
	return x->mmio.write && vma_ioevent_hit(e, false, x->mmio.gpa, x->mmio.length, x->mmio.data);
}

bool whpx_ioevent_answer(struct whpx_vcpu *w, int kind)
{
	bool answer;

	if ((kind != VMA_EXIT_IO && kind != VMA_EXIT_MMIO) ||
	    !atomic_load_explicit(&w->vm->answers, memory_order_acquire))
		return false;
	whpx_memory_lock(w);
	answer = hit(&w->vm->ioevents, kind, &w->v->exit);
	whpx_memory_unlock(w);
	return answer;
}

void whpx_ioevent_close(struct whpx_vm *wm)
{
	os_free(wm->ioevents.list);
	wm->ioevents = (struct vma_ioevents){.list = NULL};
}
