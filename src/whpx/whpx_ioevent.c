/* whpx_ioevent.c - guest writes that signal an eventfd: a list that is looked through after an exit, and doorbells of
 * the platform's (WHP, WHvRegisterPartitionDoorbellEvent), which save the exit: for memory only, where nothing is
 * mapped, for instructions that the hypervisor knows, and not all that the list can say. What the platform refuses the
 * list does. */
#include <string.h>
#include "whpx/whpx.h"

/* ------ doorbells; under every memory lock ------ */

/* In VMA_IRQCHIP_PLATFORM's machine the APICs are asked first (SDM vol. 3, 11.4.1; 82093AA). */
enum { CHIPS = 0xfec, CHIPS_SHIFT = 20, CHIPS_SIZE = 4 };

static bool among_chips(const struct whpx_vm *wm, uint64_t gpa)
{
	return wm->chips && (gpa >> CHIPS_SHIFT) - CHIPS < CHIPS_SIZE;
}

/* Over memory it would take the page away. */
static bool may_ring(struct whpx_vm *wm, const vma_ioeventfd *io)
{
	return wm->ready && whpx_api.RegisterPartitionDoorbellEvent && whpx_api.UnregisterPartitionDoorbellEvent &&
	       !io->pio && io->address % WHPX_PAGE + io->length <= WHPX_PAGE && !among_chips(wm, io->address) &&
	       !whpx_region_at(wm, io->address);
}

static WHV_DOORBELL_MATCH_DATA match_of(const vma_ioeventfd *io)
{
	const uint64_t mask = io->length >= 8 ? UINT64_MAX : (UINT64_C(1) << 8 * io->length) - 1;

	return (WHV_DOORBELL_MATCH_DATA){
		.GuestAddress = io->address,
		.Value = io->match ? io->value & mask : 0,
		.Length = io->length,
		.MatchOnValue = io->match,
		.MatchOnLength = io->length != 0,
	};
}

static HRESULT unregister(struct whpx_vm *wm, const vma_ioeventfd *io)
{
	const WHV_DOORBELL_MATCH_DATA match = match_of(io);

	return WHPX(UnregisterPartitionDoorbellEvent, wm->partition, &match);
}

static void try_doorbell(struct whpx_vm *wm, const vma_ioeventfd *io)
{
	const WHV_DOORBELL_MATCH_DATA match = match_of(io);

	if (WHPX(RegisterPartitionDoorbellEvent, wm->partition, &match, (void *)(intptr_t)io->eventfd))
		return;
	if (vma_ioevent_add(&wm->doorbells, io))
		unregister(wm, io);
}

void whpx_doorbells_on(struct whpx_vm *wm)
{
	for (size_t i = 0; i < wm->ioevents.count; i++) {
		const vma_ioeventfd *io = &wm->ioevents.list[i];

		if (may_ring(wm, io) && !vma_ioevent_has(&wm->doorbells, io))
			try_doorbell(wm, io);
	}
}

static int doorbell_off(struct whpx_vm *wm, const vma_ioeventfd *io)
{
	HRESULT hr = unregister(wm, io);

	return hr ? whpx_fail(hr, "WHvUnregisterPartitionDoorbellEvent") : vma_ioevent_remove(&wm->doorbells, io);
}

int whpx_doorbells_off(struct whpx_vm *wm, uint64_t gpa, uint64_t size)
{
	int rc = 0;

	for (size_t i = wm->doorbells.count; !rc && i--;) {
		const vma_ioeventfd io = wm->doorbells.list[i];

		if (io.address >= gpa && io.address - gpa < size)
			rc = doorbell_off(wm, &io);
	}
	return rc;
}

/* ------ the list ------ */

static int change(struct whpx_vm *wm, const vma_ioeventfd *io, int assign)
{
	int rc = 0;

	if (assign)
		return vma_ioevent_add(&wm->ioevents, io);
	if (vma_ioevent_has(&wm->doorbells, io))
		rc = doorbell_off(wm, io);
	return rc ? rc : vma_ioevent_remove(&wm->ioevents, io);
}

int whpx_ioeventfd(struct vma_vm *vm, const vma_ioeventfd *io, int assign)
{
	struct whpx_vm *wm = whpx_vm(vm);
	int rc;

	whpx_memory_lock_all(wm);
	rc = change(wm, io, assign);
	if (!rc)
		whpx_doorbells_on(wm);
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
	os_free(wm->doorbells.list);
	wm->ioevents = wm->doorbells = (struct vma_ioevents){.list = NULL};
}
