/* soft_mem.c - guest memory of the software back end: the regions, the dirty log, and stopping every vCPU so that both may change. */
#include <string.h>
#include "soft.h"

#define PAGE 4096u

/* ------ the world ------ */

static void flush(struct soft_vcpu *cv)
{
	if (cv->a64)
		a64_flush_all(cv->a64);
	else
		x86_flush_all(cv->cpu);
}

static bool anybody_inside(struct soft_vm *sv)
{
	for (uint32_t i = 0; i < sv->vm->config.max_vcpus; i++)
		if (sv->vcpus[i] && atomic_load(&sv->vcpus[i]->inside))
			return true;
	return false;
}

void soft_stop_world(struct soft_vm *sv, bool flush)
{
	os_lock(&sv->world_lock);
	atomic_fetch_add(&sv->stops, 1);
	for (uint32_t i = 0; i < sv->vm->config.max_vcpus; i++) {
		struct soft_vcpu *cv = sv->vcpus[i];
		if (!cv)
			continue;
		if (flush)
			atomic_store(&cv->flush, true);
		atomic_store(&cv->v->kick->attention, 1);
	}
	while (anybody_inside(sv))
		os_cond_wait(&sv->world_cond, &sv->world_lock);
}

void soft_start_world(struct soft_vm *sv)
{
	atomic_fetch_sub(&sv->stops, 1);
	os_cond_broadcast(&sv->world_cond);
	os_unlock(&sv->world_lock);
}

/* Sequentially consistent on purpose: either the stopper sees `inside`, or we see `stops`. */
void soft_enter(struct soft_vcpu *cv)
{
	struct soft_vm *sv = cv->vm;
	atomic_store(&cv->inside, true);
	if (atomic_load(&sv->stops)) {
		soft_leave(cv);
		os_lock(&sv->world_lock);
		while (atomic_load(&sv->stops))
			os_cond_wait(&sv->world_cond, &sv->world_lock);
		atomic_store(&cv->inside, true);
		os_unlock(&sv->world_lock);
	}
	if (atomic_exchange(&cv->flush, false))
		flush(cv);
}

void soft_leave(struct soft_vcpu *cv)
{
	struct soft_vm *sv = cv->vm;
	atomic_store(&cv->inside, false);
	if (atomic_load(&sv->stops)) {
		os_lock(&sv->world_lock);
		os_cond_broadcast(&sv->world_cond);
		os_unlock(&sv->world_lock);
	}
}

/* For one instruction of a vCPU. It stands outside meanwhile, so that two that want this do not wait for each other. */
void soft_alone(void *o, bool begin)
{
	struct soft_vcpu *cv = o;
	if (!begin) {
		soft_start_world(cv->vm);
		soft_enter(cv);
		return;
	}
	soft_leave(cv);
	soft_stop_world(cv->vm, false);
	if (atomic_exchange(&cv->flush, false))
		flush(cv);
}

/* The host may have written memory, and is about to let the guest know. */
void soft_host_wrote(struct soft_vm *sv)
{
	if (sv->share)
		x86_host_wrote(sv->share);
}

/* ------ regions ------ */

/* Index of the first region that ends above gpa. */
static size_t region_after(const struct soft_vm *sv, uint64_t gpa)
{
	size_t low = 0, high = sv->region_count;
	while (low < high) {
		size_t mid = (low + high) / 2;
		if (sv->regions[mid].gpa + sv->regions[mid].size <= gpa)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static struct soft_region *region_at(struct soft_vm *sv, uint64_t gpa)
{
	size_t i = region_after(sv, gpa);
	return i < sv->region_count && sv->regions[i].gpa <= gpa ? &sv->regions[i] : NULL;
}

uint8_t *soft_page(void *o, uint64_t gpa, unsigned *flags)
{
	struct soft_vcpu *cv = o;
	const struct soft_region *r = region_at(cv->vm, gpa);
	if (!r)
		return NULL;
	*flags = X86_PAGE_R | (r->flags & VMA_MAP_WRITE ? X86_PAGE_W : 0) | (r->flags & VMA_MAP_EXEC ? X86_PAGE_X : 0) |
		 (r->dirty ? X86_PAGE_LOG : 0);
	return r->hva + (gpa - r->gpa);
}

void soft_mark_dirty(void *o, uint64_t gpa)
{
	struct soft_vcpu *cv = o;
	const struct soft_region *r = region_at(cv->vm, gpa);
	if (r && r->dirty) {
		uint64_t page = (gpa - r->gpa) / PAGE;
		atomic_fetch_or_explicit(&r->dirty[page / 64], 1ull << page % 64, memory_order_relaxed);
	}
}

static int set_log(struct soft_region *r, uint32_t flags)
{
	if (!(flags & VMA_MAP_LOG)) {
		os_free((void *)r->dirty);
		r->dirty = NULL;
	} else if (!r->dirty) {
		r->dirty = os_calloc((size_t)((r->size / PAGE + 63) / 64), sizeof(uint64_t));
		if (!r->dirty)
			return vma_fail(VMA_E_NOMEM, "no memory for the log of %#llx bytes of guest memory",
					(unsigned long long)r->size);
	}
	r->flags = flags;
	return 0;
}

static int grow(struct soft_vm *sv)
{
	if (sv->region_count < sv->region_room)
		return 0;
	size_t room = sv->region_room ? sv->region_room * 2 : 8;
	struct soft_region *bigger = os_calloc(room, sizeof *bigger);
	if (!bigger)
		return vma_fail(VMA_E_NOMEM, "no memory for %zu mappings", room);
	if (sv->region_count)
		memcpy(bigger, sv->regions, sv->region_count * sizeof *bigger);
	os_free(sv->regions);
	sv->regions = bigger;
	sv->region_room = room;
	return 0;
}

static int insert(struct soft_vm *sv, const struct vma_region *r)
{
	struct soft_region new = {.gpa = r->gpa, .size = r->size, .hva = r->hva};
	int error = grow(sv);
	if (!error)
		error = set_log(&new, r->flags);
	if (error)
		return error;
	size_t at = region_after(sv, r->gpa);
	memmove(&sv->regions[at + 1], &sv->regions[at], (sv->region_count - at) * sizeof new);
	sv->regions[at] = new;
	sv->region_count++;
	return 0;
}

/* x86 never remembers a hole; the second level of arm64's TLB does. */
int soft_map(struct vma_vm *vm, struct vma_region *r)
{
	struct soft_vm *sv = vm->priv;
	soft_stop_world(sv, vm->be->arch == VMA_ARCH_ARM64);
	int error = insert(sv, r);
	soft_start_world(sv);
	return error;
}

int soft_unmap(struct vma_vm *vm, struct vma_region *r)
{
	struct soft_vm *sv = vm->priv;
	soft_stop_world(sv, true);
	struct soft_region *found = region_at(sv, r->gpa);
	if (found) {
		size_t at = (size_t)(found - sv->regions);
		os_free((void *)found->dirty);
		sv->region_count--;
		memmove(found, found + 1, (sv->region_count - at) * sizeof *found);
	}
	soft_start_world(sv);
	return 0;
}

int soft_protect(struct vma_vm *vm, struct vma_region *r, uint32_t flags)
{
	struct soft_vm *sv = vm->priv;
	soft_stop_world(sv, true);
	struct soft_region *found = region_at(sv, r->gpa);
	int error = found ? set_log(found, flags) : vma_fail(VMA_E_NOENT, "nothing is mapped there");
	soft_start_world(sv);
	return error;
}

/* The world stands still while bits are taken, so no write can fall between taking its bit and forgetting the translation. */
int soft_dirty_log(struct vma_vm *vm, struct vma_region *r, uint64_t first, uint64_t pages, uint64_t *bitmap, int clear)
{
	struct soft_vm *sv = vm->priv;
	soft_stop_world(sv, clear);
	const struct soft_region *found = region_at(sv, r->gpa);
	memset(bitmap, 0, (size_t)((pages + 63) / 64 * 8));
	for (uint64_t i = 0; found && found->dirty && i < pages; i++) {
		uint64_t bit = 1ull << (first + i) % 64;
		_Atomic uint64_t *word = &found->dirty[(first + i) / 64];
		if (!(atomic_load_explicit(word, memory_order_relaxed) & bit))
			continue;
		bitmap[i / 64] |= 1ull << i % 64;
		if (clear)
			atomic_fetch_and_explicit(word, ~bit, memory_order_relaxed);
	}
	soft_start_world(sv);
	return 0;
}
