/* kvm_mem.c - memory slots and the log of written pages. A region is one slot; r->priv keeps the pages that were logged
 * but not yet asked for, because KVM forgets them when a slot is made anew or, on old kernels, whenever the log is
 * read. */
#include <string.h>
#include "kvm/kvm.h"

struct dirty {
	uint64_t words;
	uint64_t *kept;    /* written pages that KVM no longer knows */
	uint64_t *scratch; /* what KVM_GET_DIRTY_LOG fills */
};

static int slot_set(struct vma_vm *vm, const struct vma_region *r, uint32_t flags, uint64_t size)
{
	struct kvm_userspace_memory_region s = {
	    .slot = r->slot,
	    .flags =
		(flags & VMA_MAP_WRITE ? 0 : KVM_MEM_READONLY) | (flags & VMA_MAP_LOG ? KVM_MEM_LOG_DIRTY_PAGES : 0),
	    .guest_phys_addr = r->gpa,
	    .memory_size = size,
	    .userspace_addr = (uint64_t)(uintptr_t)r->hva,
	};

	return vma_kvm_vm_ioctl(vm, KVM_SET_USER_MEMORY_REGION, &s);
}

static void dirty_free(struct vma_region *r)
{
	struct dirty *d = r->priv;

	if (d) {
		os_free(d->kept);
		os_free(d);
	}
	r->priv = NULL;
}

static int dirty_alloc(struct vma_region *r)
{
	uint64_t words = (r->size / 4096 + 63) / 64;
	struct dirty *d = os_calloc(1, sizeof(*d));
	uint64_t *bits = d ? os_calloc(2 * words, sizeof(*bits)) : NULL;

	if (!bits) {
		os_free(d);
		return vma_fail(VMA_E_NOMEM, "out of memory for the log of %llu pages",
				(unsigned long long)r->size / 4096);
	}
	d->words = words;
	d->kept = bits;
	d->scratch = bits + words;
	r->priv = d;
	return 0;
}

int vma_kvm_map(struct vma_vm *vm, struct vma_region *r)
{
	int rc = 0;

	r->priv = NULL;
	if (r->flags & VMA_MAP_LOG)
		rc = dirty_alloc(r);
	if (!rc)
		rc = slot_set(vm, r, r->flags, r->size);
	if (rc)
		dirty_free(r);
	return rc;
}

int vma_kvm_unmap(struct vma_vm *vm, struct vma_region *r)
{
	int rc = slot_set(vm, r, r->flags & ~(uint32_t)VMA_MAP_LOG, 0);

	if (!rc)
		dirty_free(r);
	return rc;
}

static int get_log(struct vma_vm *vm, struct vma_region *r)
{
	struct dirty *d = r->priv;
	struct kvm_dirty_log log = {.slot = r->slot, .dirty_bitmap = d->scratch};

	return vma_kvm_vm_ioctl(vm, KVM_GET_DIRTY_LOG, &log);
}

/* Move what KVM knows to what we keep, before KVM forgets it. */
static int keep_log(struct vma_vm *vm, struct vma_region *r)
{
	struct dirty *d = r->priv;
	int rc = get_log(vm, r);

	for (uint64_t i = 0; !rc && i < d->words; i++)
		d->kept[i] |= d->scratch[i];
	return rc;
}

/* KVM takes no change of READONLY in a live slot: delete and add (api.rst 4.35). Should adding fail, the old slot comes
 * back. */
static int slot_remake(struct vma_vm *vm, struct vma_region *r, uint32_t flags)
{
	int rc = slot_set(vm, r, r->flags & ~(uint32_t)VMA_MAP_LOG, 0);

	if (rc)
		return rc;
	rc = slot_set(vm, r, flags, r->size);
	if (rc)
		slot_set(vm, r, r->flags, r->size);
	return rc;
}

/* What a vCPU writes between the reading of the log and the deletion of the slot is known to nobody: where one ran
 * meanwhile every page may have been written. */
static int slot_remake_logged(struct vma_vm *vm, struct vma_region *r, uint32_t flags)
{
	struct dirty *d = r->priv;
	uint64_t runs = vma_vm_runs(vm);
	int rc = keep_log(vm, r);

	if (rc)
		return rc;
	rc = slot_remake(vm, r, flags);
	if (runs == UINT64_MAX || runs != vma_vm_runs(vm))
		memset(d->kept, 0xff, d->words * sizeof(*d->kept));
	return rc;
}

int vma_kvm_protect(struct vma_vm *vm, struct vma_region *r, uint32_t flags)
{
	bool remake = (r->flags ^ flags) & VMA_MAP_WRITE;
	bool log = flags & VMA_MAP_LOG, logged = r->flags & VMA_MAP_LOG;
	int rc = 0;

	if (log && !logged)
		rc = dirty_alloc(r);
	if (!rc && remake)
		rc = logged ? slot_remake_logged(vm, r, flags) : slot_remake(vm, r, flags);
	else if (!rc)
		rc = slot_set(vm, r, flags, r->size);
	if (rc ? log && !logged : !log)
		dirty_free(r);
	return rc;
}

static bool bit(const uint64_t *bits, uint64_t n)
{
	return bits[n / 64] >> n % 64 & 1;
}

/* Bits outside [first, first+pages) of the words that hold it go off, so that clearing leaves those pages alone. */
static void mask_range(struct dirty *d, uint64_t first, uint64_t pages)
{
	uint64_t last = first + pages - 1;

	d->scratch[first / 64] &= ~0ull << first % 64;
	d->scratch[last / 64] &= ~0ull >> (63 - last % 64);
}

static int clear_log(struct vma_vm *vm, struct vma_region *r, uint64_t first, uint64_t pages)
{
	struct dirty *d = r->priv;
	uint64_t from = first / 64 * 64, end = (first + pages + 63) / 64 * 64, all = r->size / 4096;
	struct kvm_clear_dirty_log clear = {
	    .slot = r->slot,
	    .first_page = from,
	    .num_pages = (uint32_t)((end > all ? all : end) - from),
	    .dirty_bitmap = d->scratch + from / 64,
	};

	if (!vma_kvm_host.manual_log)
		return 0;
	mask_range(d, first, pages);
	return vma_kvm_vm_ioctl(vm, KVM_CLEAR_DIRTY_LOG, &clear);
}

int vma_kvm_dirty_log(struct vma_vm *vm, struct vma_region *r, uint64_t first, uint64_t pages, uint64_t *bitmap,
		      int clear)
{
	struct dirty *d = r->priv;
	/* Where reading clears, what is read must be kept; with the manual protocol KVM goes on knowing it. */
	int rc = vma_kvm_host.manual_log ? get_log(vm, r) : keep_log(vm, r);

	if (rc)
		return rc;
	memset(bitmap, 0, (pages + 63) / 64 * sizeof(*bitmap));
	for (uint64_t i = 0; i < pages; i++)
		if (bit(d->kept, first + i) || bit(d->scratch, first + i))
			bitmap[i / 64] |= 1ull << i % 64;
	if (clear && !(rc = clear_log(vm, r, first, pages)))
		for (uint64_t n = first; n < first + pages; n++)
			d->kept[n / 64] &= ~(1ull << n % 64);
	return rc;
}

void vma_kvm_mark(struct vma_region *r, uint64_t page)
{
	struct dirty *d = r->priv;

	if (d)
		d->kept[page / 64] |= 1ull << page % 64;
}
