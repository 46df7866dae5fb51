/* whpx_mem.c - guest memory: mappings of the partition, a table of them for the emulator, the log of written pages
 * (WHP, WHvMapGpaRange, WHvUnmapGpaRange, WHvQueryGpaRangeDirtyBitmap).
 *
 * The table changes while every vCPU's memory lock is held. A vCPU holds its own while it emulates, and takes it to
 * find out whether an access that the platform reports is to memory: so it sees no half of an unmapping and mapping
 * again. */
#include <string.h>
#include "whpx/whpx.h"

_Static_assert(VMA_MAP_READ == 1 && VMA_MAP_WRITE == 2 && VMA_MAP_EXEC == 4 && VMA_MAP_LOG == 8,
	       "the bits of WHV_MAP_GPA_RANGE_FLAGS");

void whpx_memory_lock_all(struct whpx_vm *wm)
{
	for (uint32_t i = 0; i < wm->vm->config.max_vcpus; i++)
		os_lock(&wm->memory[i]);
}

void whpx_memory_unlock_all(struct whpx_vm *wm)
{
	wm->generation++;
	for (uint32_t i = wm->vm->config.max_vcpus; i--;)
		os_unlock(&wm->memory[i]);
}

void whpx_memory_lock(struct whpx_vcpu *w)
{
	os_lock(&w->vm->memory[w->v->index]);
}

void whpx_memory_unlock(struct whpx_vcpu *w)
{
	os_unlock(&w->vm->memory[w->v->index]);
}

int whpx_mem_open(struct whpx_vm *wm)
{
	wm->memory = os_calloc(wm->vm->config.max_vcpus, sizeof(*wm->memory));
	if (!wm->memory)
		return vma_fail(VMA_E_NOMEM, "no memory for %u locks", wm->vm->config.max_vcpus);
	for (uint32_t i = 0; i < wm->vm->config.max_vcpus; i++)
		os_mutex_init(&wm->memory[i]);
	return 0;
}

void whpx_mem_close(struct whpx_vm *wm)
{
	for (uint32_t i = 0; wm->memory && i < wm->vm->config.max_vcpus; i++)
		os_mutex_destroy(&wm->memory[i]);
	for (size_t i = 0; i < wm->region_count; i++) /* those whose unmapping failed */
		os_free((void *)wm->regions[i].dirty);
	os_free(wm->memory);
	os_free(wm->regions);
	wm->memory = NULL;
	wm->regions = NULL;
	wm->region_count = 0;
}

/* ------ the table ------ */

/* Index of the first region that ends above gpa. */
static size_t region_after(const struct whpx_vm *wm, uint64_t gpa)
{
	size_t low = 0, high = wm->region_count;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (wm->regions[mid].gpa + wm->regions[mid].size <= gpa)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct whpx_region *whpx_region_at(struct whpx_vm *wm, uint64_t gpa)
{
	size_t i = region_after(wm, gpa);

	return i < wm->region_count && wm->regions[i].gpa <= gpa ? &wm->regions[i] : NULL;
}

static int grow(struct whpx_vm *wm)
{
	size_t room = wm->region_room ? wm->region_room * 2 : 8;
	struct whpx_region *more;

	if (wm->region_count < wm->region_room)
		return 0;
	more = os_calloc(room, sizeof(*more));
	if (!more)
		return vma_fail(VMA_E_NOMEM, "no memory for %zu mappings", room);
	if (wm->region_count)
		memcpy(more, wm->regions, wm->region_count * sizeof(*more));
	os_free(wm->regions);
	wm->regions = more;
	wm->region_room = room;
	return 0;
}

static int log_new(uint64_t size, uint32_t flags, _Atomic uint64_t **log)
{
	*log = NULL;
	if (!(flags & VMA_MAP_LOG))
		return 0;
	*log = os_calloc((size_t)((size / WHPX_PAGE + 63) / 64), sizeof(**log));
	return *log ? 0
		    : vma_fail(VMA_E_NOMEM, "no memory for the log of %#llx bytes of guest memory",
			       (unsigned long long)size);
}

static bool page_logged(const struct whpx_region *r, uint64_t page)
{
	return atomic_load_explicit(&r->dirty[page / 64], memory_order_relaxed) >> page % 64 & 1;
}

static void log_page(struct whpx_region *r, uint64_t page)
{
	atomic_fetch_or_explicit(&r->dirty[page / 64], UINT64_C(1) << page % 64, memory_order_relaxed);
}

static void log_all(struct whpx_region *r)
{
	for (uint64_t i = 0; i < (r->size / WHPX_PAGE + 63) / 64; i++)
		atomic_store_explicit(&r->dirty[i], UINT64_MAX, memory_order_relaxed);
}

void whpx_mark_dirty(struct whpx_vm *wm, uint64_t gpa)
{
	struct whpx_region *r = whpx_region_at(wm, gpa);

	if (r && r->dirty)
		log_page(r, (gpa - r->gpa) / WHPX_PAGE);
}

/* ------ the partition ------ */

/* What Hyper-V takes may be less than the processor's width, which stands for it where Windows does not tell
 * (whpx_host.c). */
static int map_failed(HRESULT hr, uint64_t gpa, uint64_t size)
{
	bool high = hr == E_INVALIDARG && gpa + size > UINT64_C(1) << 36;
	int rc = whpx_fail(hr, "WHvMapGpaRange");

	return vma_fail(rc, "%#llx bytes at %#llx: %s%s", (unsigned long long)size, (unsigned long long)gpa, vma_why(),
			high ? "; Hyper-V's limit of guest addresses may be lower than the processor's" : "");
}

static int map_in(struct whpx_vm *wm, uint8_t *hva, uint64_t gpa, uint64_t size, uint32_t flags)
{
	HRESULT hr = S_OK;

	if (wm->ready)
		hr = WHPX(MapGpaRange, wm->partition, hva, gpa, size, (WHV_MAP_GPA_RANGE_FLAGS)flags);
	return hr ? map_failed(hr, gpa, size) : 0;
}

static int unmap_in(struct whpx_vm *wm, uint64_t gpa, uint64_t size)
{
	HRESULT hr = wm->ready ? WHPX(UnmapGpaRange, wm->partition, gpa, size) : S_OK;

	return hr ? whpx_fail(hr, "WHvUnmapGpaRange") : 0;
}

static void insert(struct whpx_vm *wm, const struct whpx_region *new)
{
	size_t at = region_after(wm, new->gpa);

	memmove(&wm->regions[at + 1], &wm->regions[at], (wm->region_count - at) * sizeof(*new));
	wm->regions[at] = *new;
	wm->region_count++;
}

static void take_out(struct whpx_vm *wm, struct whpx_region *r)
{
	os_free((void *)r->dirty);
	wm->region_count--;
	memmove(r, r + 1, (wm->region_count - (size_t)(r - wm->regions)) * sizeof(*r));
}

int whpx_map(struct vma_vm *vm, struct vma_region *r)
{
	struct whpx_vm *wm = whpx_vm(vm);
	struct whpx_region new = {.gpa = r->gpa, .size = r->size, .hva = r->hva, .flags = r->flags};
	int rc;

	whpx_memory_lock_all(wm);
	rc = grow(wm);
	if (!rc)
		rc = log_new(r->size, r->flags, &new.dirty);
	if (!rc)
		rc = whpx_doorbells_off(wm, r->gpa, r->size);
	if (!rc)
		rc = map_in(wm, r->hva, r->gpa, r->size, r->flags);
	if (rc)
		os_free((void *)new.dirty);
	else
		insert(wm, &new);
	if (rc)
		whpx_doorbells_on(wm);
	whpx_memory_unlock_all(wm);
	return rc;
}

int whpx_mem_setup(struct whpx_vm *wm)
{
	int rc = 0;

	wm->ready = true;
	for (size_t i = 0; !rc && i < wm->region_count; i++)
		rc = map_in(wm, wm->regions[i].hva, wm->regions[i].gpa, wm->regions[i].size, wm->regions[i].flags);
	if (!rc)
		whpx_doorbells_on(wm);
	return rc;
}

int whpx_unmap(struct vma_vm *vm, struct vma_region *r)
{
	struct whpx_vm *wm = whpx_vm(vm);
	struct whpx_region *found;
	int rc;

	whpx_memory_lock_all(wm);
	rc = unmap_in(wm, r->gpa, r->size);
	found = rc ? NULL : whpx_region_at(wm, r->gpa);
	if (found)
		take_out(wm, found);
	whpx_doorbells_on(wm);
	whpx_memory_unlock_all(wm);
	return rc;
}

/* The partition's mapping stays as it is: it can be unmapped piece by piece (Features.PartialUnmap). */
int whpx_split(struct vma_vm *vm, struct vma_region *r, struct vma_region *tail)
{
	struct whpx_vm *wm = whpx_vm(vm);
	uint64_t cut = tail->gpa - r->gpa;
	struct whpx_region new = {.gpa = tail->gpa, .size = tail->size, .hva = tail->hva, .flags = tail->flags};
	struct whpx_region *found;
	int rc;

	whpx_memory_lock_all(wm);
	rc = grow(wm);
	if (!rc)
		rc = log_new(new.size, new.flags, &new.dirty);
	found = rc ? NULL : whpx_region_at(wm, r->gpa);
	if (found) {
		for (uint64_t i = 0; new.dirty && found->dirty && i < new.size / WHPX_PAGE; i++)
			if (page_logged(found, cut / WHPX_PAGE + i))
				log_page(&new, i);
		found->size = cut;
		insert(wm, &new);
	}
	whpx_memory_unlock_all(wm);
	return rc;
}

enum { QUERY_PAGES = 64 * 512 };

/* Reading clears: what is read goes into the table's own log, which keeps it until the caller clears it. */
static int collect(struct whpx_vm *wm, struct whpx_region *r, uint64_t first, uint64_t pages)
{
	uint64_t bits[QUERY_PAGES / 64];

	for (uint64_t n; pages; first += n, pages -= n) {
		n = pages < QUERY_PAGES ? pages : QUERY_PAGES;
		HRESULT hr = WHPX(QueryGpaRangeDirtyBitmap, wm->partition, r->gpa + first * WHPX_PAGE, n * WHPX_PAGE,
				  bits, (uint32_t)((n + 63) / 64 * 8));
		if (hr)
			return whpx_fail(hr, "WHvQueryGpaRangeDirtyBitmap");
		for (uint64_t i = 0; i < n; i++)
			if (bits[i / 64] >> i % 64 & 1)
				log_page(r, first + i);
	}
	return 0;
}

/* There is no call that changes a mapping's protection: unmap, map again. */
static int remap(struct whpx_vm *wm, struct whpx_region *r, uint32_t flags)
{
	int rc = unmap_in(wm, r->gpa, r->size);

	if (rc)
		return rc;
	rc = map_in(wm, r->hva, r->gpa, r->size, flags);
	if (rc)
		WHPX(MapGpaRange, wm->partition, r->hva, r->gpa, r->size, (WHV_MAP_GPA_RANGE_FLAGS)r->flags);
	return rc;
}

/* With the mapping the platform's log goes: it is read before. What a vCPU writes between that and the unmapping is
 * known to nobody, so where one ran meanwhile every page may have been written. */
static int remap_logged(struct whpx_vm *wm, struct whpx_region *r, uint32_t flags)
{
	uint64_t runs = vma_vm_runs(wm->vm);
	int rc = wm->ready ? collect(wm, r, 0, r->size / WHPX_PAGE) : 0;

	if (rc)
		return rc;
	rc = remap(wm, r, flags);
	if (runs == UINT64_MAX || runs != vma_vm_runs(wm->vm))
		log_all(r);
	return rc;
}

int whpx_protect(struct vma_vm *vm, struct vma_region *r, uint32_t flags)
{
	struct whpx_vm *wm = whpx_vm(vm);
	_Atomic uint64_t *log = NULL;
	struct whpx_region *found;
	int rc = 0;

	whpx_memory_lock_all(wm);
	found = whpx_region_at(wm, r->gpa);
	if (!(r->flags & VMA_MAP_LOG))
		rc = log_new(r->size, flags, &log);
	if (!rc && found)
		rc = found->dirty ? remap_logged(wm, found, flags) : remap(wm, found, flags);
	if (rc || !found) {
		os_free((void *)log);
	} else {
		if (!(flags & VMA_MAP_LOG) || log) {
			os_free((void *)found->dirty);
			found->dirty = log;
		}
		found->flags = flags;
	}
	whpx_memory_unlock_all(wm);
	return rc;
}

/* ------ the log ------ */

static void give_log(struct whpx_region *r, uint64_t first, uint64_t pages, uint64_t *bitmap, int clear)
{
	for (uint64_t i = 0; i < pages; i++) {
		uint64_t page = first + i;

		if (!page_logged(r, page))
			continue;
		bitmap[i / 64] |= UINT64_C(1) << i % 64;
		if (clear)
			atomic_fetch_and_explicit(&r->dirty[page / 64], ~(UINT64_C(1) << page % 64),
						  memory_order_relaxed);
	}
}

int whpx_dirty_log(struct vma_vm *vm, struct vma_region *r, uint64_t first, uint64_t pages, uint64_t *bitmap, int clear)
{
	struct whpx_vm *wm = whpx_vm(vm);
	struct whpx_region *found;
	int rc = 0;

	whpx_memory_lock_all(wm);
	memset(bitmap, 0, (size_t)((pages + 63) / 64 * 8));
	found = whpx_region_at(wm, r->gpa);
	if (found && found->dirty) {
		rc = wm->ready ? collect(wm, found, first, pages) : 0;
		if (!rc)
			give_log(found, first, pages, bitmap, clear);
	}
	whpx_memory_unlock_all(wm);
	return rc;
}

/* ------ pages that are not there yet ------ */

/* By the platform's call where there is one, else by touching the page here (reading: it may be read-only here too). */
void whpx_populate(struct whpx_vcpu *w, uint64_t gpa, bool write)
{
	WHV_MEMORY_RANGE_ENTRY range = {.GuestAddress = gpa & ~(uint64_t)(WHPX_PAGE - 1), .SizeInBytes = WHPX_PAGE};
	WHV_ADVISE_GPA_RANGE_POPULATE how = {.AccessType = write ? WHvMemoryAccessWrite : WHvMemoryAccessRead};
	struct whpx_region *r;

	whpx_memory_lock(w);
	r = whpx_region_at(w->vm, gpa);
	if (r)
		*(volatile uint8_t *)(r->hva + (gpa - r->gpa));
	if (r && whpx_api.AdviseGpaRange)
		WHPX(AdviseGpaRange, w->vm->partition, &range, 1, WHvAdviseGpaRangeCodePopulate, &how, sizeof(how));
	whpx_memory_unlock(w);
}
