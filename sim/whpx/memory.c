/* memory.c - the guest's memory: ranges mapped from the host's, their dirty log, accesses on the host's behalf, and
 * stopping every virtual processor so that the map may change. */
#include <stdlib.h>
#include <string.h>
#include "cpu/x86/ram.h"
#include "whpsim.h"

/* ------ the world ------ */

static bool anybody_inside(struct whpsim_partition *p)
{
	for (uint32_t i = 0; i < WHPSIM_MAX_VPS; i++)
		if (p->vps[i] && atomic_load(&p->vps[i]->inside))
			return true;
	return false;
}

void whpsim_stop_world(struct whpsim_partition *p, bool flush)
{
	pthread_mutex_lock(&p->world_lock);
	atomic_fetch_add(&p->stops, 1);
	for (uint32_t i = 0; i < WHPSIM_MAX_VPS; i++) {
		struct whpsim_vp *vp = p->vps[i];
		if (!vp)
			continue;
		if (flush)
			atomic_store(&vp->flush, true);
		atomic_store(&vp->attention, 1);
	}
	while (anybody_inside(p))
		pthread_cond_wait(&p->world_cond, &p->world_lock);
}

void whpsim_start_world(struct whpsim_partition *p)
{
	atomic_fetch_sub(&p->stops, 1);
	pthread_cond_broadcast(&p->world_cond);
	pthread_mutex_unlock(&p->world_lock);
}

/* Sequentially consistent on purpose: either the stopper sees `inside`, or we see `stops`. */
void whpsim_enter(struct whpsim_vp *vp)
{
	struct whpsim_partition *p = vp->partition;
	atomic_store(&vp->inside, true);
	if (atomic_load(&p->stops)) {
		whpsim_leave(vp);
		pthread_mutex_lock(&p->world_lock);
		while (atomic_load(&p->stops))
			pthread_cond_wait(&p->world_cond, &p->world_lock);
		atomic_store(&vp->inside, true);
		pthread_mutex_unlock(&p->world_lock);
	}
	if (atomic_load_explicit(&vp->flush, memory_order_relaxed) && atomic_exchange(&vp->flush, false))
		x86_flush_all(vp->cpu);
}

void whpsim_leave(struct whpsim_vp *vp)
{
	struct whpsim_partition *p = vp->partition;
	atomic_store(&vp->inside, false);
	if (atomic_load(&p->stops)) {
		pthread_mutex_lock(&p->world_lock);
		pthread_cond_broadcast(&p->world_cond);
		pthread_mutex_unlock(&p->world_lock);
	}
}

/* ------ ranges ------ */

/* Index of the first range that ends above gpa. */
static size_t region_after(const struct whpsim_partition *p, uint64_t gpa)
{
	size_t low = 0, high = p->region_count;
	while (low < high) {
		size_t mid = (low + high) / 2;
		if (p->regions[mid].gpa + p->regions[mid].size <= gpa)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct whpsim_region *whpsim_region_at(struct whpsim_partition *p, uint64_t gpa)
{
	size_t i = region_after(p, gpa);
	return i < p->region_count && p->regions[i].gpa <= gpa ? &p->regions[i] : NULL;
}

uint8_t *whpsim_page(void *o, uint64_t gpa, unsigned *flags)
{
	struct whpsim_vp *vp = o;
	const struct whpsim_region *r = whpsim_region_at(vp->partition, gpa);
	if (!r || whpsim_doorbell_page(vp->partition, gpa))
		return NULL;
	if (!(*flags & X86_PAGE_TABLE) && whpsim_hostile_unpopulated(&vp->hostile, gpa)) {
		atomic_store(&vp->flush, true); /* an instruction's page that is not there is remembered */
		return NULL;
	}
	*flags = r->flags & (X86_PAGE_R | (r->faults ? 0 : X86_PAGE_W) | X86_PAGE_X);
	if (r->dirty)
		*flags |= X86_PAGE_LOG;
	return r->hva + (gpa - r->gpa);
}

static void set_bit(struct whpsim_region *r, uint64_t gpa)
{
	uint64_t page = (gpa - r->gpa) / WHPSIM_PAGE;
	atomic_fetch_or_explicit(&r->dirty[page / 64], 1ull << page % 64, memory_order_relaxed);
}

void whpsim_mark_dirty(void *o, uint64_t gpa)
{
	struct whpsim_region *r = whpsim_region_at(((struct whpsim_vp *)o)->partition, gpa);
	if (r && r->dirty)
		set_bit(r, gpa);
}

void whpsim_memory_free(struct whpsim_partition *p)
{
	for (size_t i = 0; i < p->region_count; i++)
		free((void *)p->regions[i].dirty);
	free(p->regions);
}

static _Atomic uint64_t *new_log(uint64_t size)
{
	return calloc((size_t)((size / WHPSIM_PAGE + 63) / 64), sizeof(uint64_t));
}

/* Room for `more` ranges. */
static bool grow(struct whpsim_partition *p, size_t more)
{
	if (p->region_count + more <= p->region_room)
		return true;
	size_t room = p->region_room * 2 + more;
	struct whpsim_region *bigger = realloc(p->regions, room * sizeof *bigger);
	if (!bigger)
		return false;
	p->regions = bigger;
	p->region_room = room;
	return true;
}

static void insert(struct whpsim_partition *p, const struct whpsim_region *r)
{
	size_t at = region_after(p, r->gpa);
	memmove(&p->regions[at + 1], &p->regions[at], (p->region_count - at) * sizeof *r);
	p->regions[at] = *r;
	p->region_count++;
}

static void take_out(struct whpsim_partition *p, size_t at)
{
	p->region_count--;
	memmove(&p->regions[at], &p->regions[at + 1], (p->region_count - at) * sizeof *p->regions);
}

/* Part of a range as one of its own, with its log. False: no memory. */
static bool piece(const struct whpsim_region *r, uint64_t gpa, uint64_t end, struct whpsim_region *part)
{
	*part = (struct whpsim_region){
		.gpa = gpa, .size = end - gpa, .hva = r->hva + (gpa - r->gpa), .flags = r->flags, .faults = r->faults};
	if (!r->dirty)
		return true;
	part->dirty = new_log(part->size);
	for (uint64_t at = gpa; part->dirty && at < end; at += WHPSIM_PAGE) {
		uint64_t page = (at - r->gpa) / WHPSIM_PAGE;
		if (r->dirty[page / 64] >> page % 64 & 1)
			set_bit(part, at);
	}
	return part->dirty;
}

/* Take [gpa, end) out of the range at index i; false: no memory, nothing changed. */
static bool cut(struct whpsim_partition *p, size_t i, uint64_t gpa, uint64_t end)
{
	struct whpsim_region r = p->regions[i], below = {0}, above = {0};
	uint64_t r_end = r.gpa + r.size;
	if (!grow(p, 1) || (gpa > r.gpa && !piece(&r, r.gpa, gpa, &below)))
		return false;
	if (end < r_end && !piece(&r, end, r_end, &above)) {
		free((void *)below.dirty);
		return false;
	}
	free((void *)r.dirty);
	take_out(p, i);
	if (below.size)
		insert(p, &below);
	if (above.size)
		insert(p, &above);
	return true;
}

static bool cut_all(struct whpsim_partition *p, uint64_t gpa, uint64_t end)
{
	for (;;) {
		size_t i = region_after(p, gpa);
		if (i == p->region_count || p->regions[i].gpa >= end)
			return true;
		const struct whpsim_region *r = &p->regions[i];
		uint64_t from = gpa > r->gpa ? gpa : r->gpa, to = end < r->gpa + r->size ? end : r->gpa + r->size;
		if (!cut(p, i, from, to))
			return false;
	}
}

/* Is all of [gpa, end) mapped, and, with `log`, tracked? */
static bool covered(struct whpsim_partition *p, uint64_t gpa, uint64_t end, bool log)
{
	while (gpa < end) {
		const struct whpsim_region *r = whpsim_region_at(p, gpa);
		if (!r || (log && !r->dirty))
			return false;
		gpa = r->gpa + r->size;
	}
	return true;
}

static bool whole_ranges(struct whpsim_partition *p, uint64_t gpa, uint64_t end)
{
	const struct whpsim_region *first = whpsim_region_at(p, gpa), *last = whpsim_region_at(p, end - 1);
	return first && last && first->gpa == gpa && last->gpa + last->size == end;
}

static HRESULT check_range(const struct whpsim_partition *p, uint64_t gpa, uint64_t size)
{
	(void)p;
	uint64_t limit = (uint64_t)1 << whpsim_config()->gpa_bits;
	if (!size || (gpa | size) % WHPSIM_PAGE || gpa + size < gpa || gpa + size > limit)
		return E_INVALIDARG;
	return S_OK;
}

static bool overlaps(const struct whpsim_partition *p, const struct whpsim_region *r)
{
	size_t i = region_after(p, r->gpa);
	return i < p->region_count && p->regions[i].gpa < r->gpa + r->size;
}

/* Mapping anew replaces what was there, as documented. */
static HRESULT map(struct whpsim_partition *p, const struct whpsim_region *new)
{
	struct whpsim_region r = *new;
	if (r.flags & WHvMapGpaRangeFlagTrackDirtyPages && !(r.dirty = new_log(r.size)))
		return E_OUTOFMEMORY;
	whpsim_stop_world(p, true);
	bool ok = cut_all(p, r.gpa, r.gpa + r.size) && grow(p, 1);
	if (ok)
		insert(p, &r);
	whpsim_start_world(p);
	if (!ok)
		free((void *)r.dirty);
	return ok ? S_OK : E_OUTOFMEMORY;
}

HRESULT WHvMapGpaRange(WHV_PARTITION_HANDLE Partition, void *SourceAddress, WHV_GUEST_PHYSICAL_ADDRESS GuestAddress,
		       uint64_t SizeInBytes, WHV_MAP_GPA_RANGE_FLAGS Flags)
{
	enum { KNOWN = 15 };
	struct whpsim_partition *p = whpsim_partition(Partition);
	if (!p)
		return E_HANDLE;
	if (!p->setup)
		return WHV_E_INVALID_PARTITION_CONFIG;
	uint64_t source = (uintptr_t)SourceAddress;
	if (check_range(p, GuestAddress, SizeInBytes) != S_OK || !source || source % WHPSIM_PAGE ||
	    source + SizeInBytes < source || Flags & ~KNOWN)
		return E_INVALIDARG;
	if (Flags & WHvMapGpaRangeFlagTrackDirtyPages && !whpsim_config()->features.DirtyPageTracking)
		return E_INVALIDARG;
	if (GuestAddress + SizeInBytes > (uint64_t)1 << whpsim_config()->map_bits)
		return E_INVALIDARG;
	struct whpsim_region r = {GuestAddress, SizeInBytes, SourceAddress, (uint32_t)Flags, NULL, false};
	pthread_mutex_lock(&p->lock);
	r.faults = whpsim_config()->remap_faults && GuestAddress == p->unmapped;
	p->unmapped = UINT64_MAX;
	HRESULT result = whpsim_config()->no_remap && overlaps(p, &r) ? E_INVALIDARG : map(p, &r);
	pthread_mutex_unlock(&p->lock);
	return result;
}

/* Another process's memory cannot be had here. */
HRESULT WHvMapGpaRange2(WHV_PARTITION_HANDLE Partition, void *Process, void *SourceAddress,
			WHV_GUEST_PHYSICAL_ADDRESS GuestAddress, uint64_t SizeInBytes, WHV_MAP_GPA_RANGE_FLAGS Flags)
{
	void *const current = (void *)(intptr_t)-1; /* GetCurrentProcess() */
	if (Process != current)
		return Process ? E_ACCESSDENIED : E_INVALIDARG;
	return WHvMapGpaRange(Partition, SourceAddress, GuestAddress, SizeInBytes, Flags);
}

static HRESULT unmap(struct whpsim_partition *p, uint64_t gpa, uint64_t end)
{
	if (!covered(p, gpa, end, false))
		return WHV_E_GPA_RANGE_NOT_FOUND;
	if (!whpsim_config()->features.PartialUnmap && !whole_ranges(p, gpa, end))
		return WHV_E_GPA_RANGE_NOT_FOUND;
	whpsim_stop_world(p, true);
	bool ok = cut_all(p, gpa, end);
	whpsim_start_world(p);
	p->unmapped = gpa;
	return ok ? S_OK : E_OUTOFMEMORY;
}

HRESULT WHvUnmapGpaRange(WHV_PARTITION_HANDLE Partition, WHV_GUEST_PHYSICAL_ADDRESS GuestAddress, uint64_t SizeInBytes)
{
	struct whpsim_partition *p = whpsim_partition(Partition);
	if (!p)
		return E_HANDLE;
	HRESULT r = check_range(p, GuestAddress, SizeInBytes);
	if (r != S_OK)
		return r;
	pthread_mutex_lock(&p->lock);
	r = unmap(p, GuestAddress, GuestAddress + SizeInBytes);
	pthread_mutex_unlock(&p->lock);
	return r;
}

/* ------ the dirty log ------ */

static void take_bits(struct whpsim_partition *p, uint64_t gpa, uint64_t end, uint64_t *bitmap)
{
	for (uint64_t at = gpa; at < end; at += WHPSIM_PAGE) {
		struct whpsim_region *r = whpsim_region_at(p, at);
		uint64_t page = (at - r->gpa) / WHPSIM_PAGE, bit = 1ull << page % 64, n = (at - gpa) / WHPSIM_PAGE;
		if (!(atomic_fetch_and_explicit(&r->dirty[page / 64], ~bit, memory_order_relaxed) & bit))
			continue;
		if (bitmap)
			bitmap[n / 64] |= 1ull << n % 64;
	}
}

/* The world stands still, so that no write falls between taking its bit and forgetting the translation. */
HRESULT WHvQueryGpaRangeDirtyBitmap(WHV_PARTITION_HANDLE Partition, WHV_GUEST_PHYSICAL_ADDRESS GuestAddress,
				    uint64_t RangeSizeInBytes, uint64_t *Bitmap, uint32_t BitmapSizeInBytes)
{
	struct whpsim_partition *p = whpsim_partition(Partition);
	if (!p)
		return E_HANDLE;
	HRESULT r = check_range(p, GuestAddress, RangeSizeInBytes);
	if (r != S_OK)
		return r;
	uint64_t words = (RangeSizeInBytes / WHPSIM_PAGE + 63) / 64, end = GuestAddress + RangeSizeInBytes;
	if (!Bitmap != !BitmapSizeInBytes || BitmapSizeInBytes % 8)
		return E_INVALIDARG;
	if (Bitmap && BitmapSizeInBytes < words * 8)
		return WHV_E_INSUFFICIENT_BUFFER;
	pthread_mutex_lock(&p->lock);
	if (covered(p, GuestAddress, end, true)) {
		if (Bitmap)
			memset(Bitmap, 0, BitmapSizeInBytes);
		whpsim_stop_world(p, true);
		take_bits(p, GuestAddress, end, Bitmap);
		whpsim_start_world(p);
	} else {
		r = WHV_E_GPA_RANGE_NOT_FOUND;
	}
	pthread_mutex_unlock(&p->lock);
	return r;
}

/* ------ the host's accesses ------ */

static bool copy(struct whpsim_partition *p, uint64_t gpa, void *data, uint64_t size, bool write)
{
	uint32_t needs = write ? WHvMapGpaRangeFlagWrite : WHvMapGpaRangeFlagRead;
	uint8_t *at = data;
	while (size) {
		struct whpsim_region *r = whpsim_region_at(p, gpa);
		if (!r || !(r->flags & needs))
			return false;
		uint64_t room = WHPSIM_PAGE - gpa % WHPSIM_PAGE, n = size < room ? size : room;
		uint8_t *memory = r->hva + (gpa - r->gpa);
		if (write)
			host_write(memory, at, (unsigned)n);
		else
			host_read(at, memory, (unsigned)n);
		if (write && r->dirty)
			set_bit(r, gpa);
		gpa += n;
		at += n;
		size -= n;
	}
	return true;
}

bool whpsim_guest_read(struct whpsim_partition *p, uint64_t gpa, void *data, uint64_t size)
{
	return copy(p, gpa, data, size, false);
}

static HRESULT access_gpa(WHV_PARTITION_HANDLE Partition, uint32_t index, uint64_t gpa,
			  WHV_ACCESS_GPA_CONTROLS controls, void *data, uint32_t size, bool write)
{
	struct whpsim_vp *vp;
	HRESULT r = whpsim_acquire(Partition, index, write ? "WHvWriteGpaRange" : "WHvReadGpaRange", &vp);
	if (r != S_OK)
		return r;
	if (!data || !size || size > WHV_READ_WRITE_GPA_RANGE_MAX_SIZE || controls.Reserved || gpa + size < gpa) {
		r = E_INVALIDARG;
	} else {
		pthread_mutex_lock(&vp->partition->lock);
		r = copy(vp->partition, gpa, data, size, write) ? S_OK : E_ACCESSDENIED;
		pthread_mutex_unlock(&vp->partition->lock);
	}
	whpsim_release(vp);
	return r;
}

HRESULT WHvReadGpaRange(WHV_PARTITION_HANDLE Partition, uint32_t VpIndex, WHV_GUEST_PHYSICAL_ADDRESS GuestAddress,
			WHV_ACCESS_GPA_CONTROLS Controls, void *Data, uint32_t DataSizeInBytes)
{
	return access_gpa(Partition, VpIndex, GuestAddress, Controls, Data, DataSizeInBytes, false);
}

HRESULT WHvWriteGpaRange(WHV_PARTITION_HANDLE Partition, uint32_t VpIndex, WHV_GUEST_PHYSICAL_ADDRESS GuestAddress,
			 WHV_ACCESS_GPA_CONTROLS Controls, const void *Data, uint32_t DataSizeInBytes)
{
	return access_gpa(Partition, VpIndex, GuestAddress, Controls, (void *)(uintptr_t)Data, DataSizeInBytes, true);
}

/* ------ advice ------ */

static HRESULT check_advice(struct whpsim_partition *p, const WHV_MEMORY_RANGE_ENTRY *ranges, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		HRESULT r = check_range(p, ranges[i].GuestAddress, ranges[i].SizeInBytes);
		if (r != S_OK)
			return r;
		if (!covered(p, ranges[i].GuestAddress, ranges[i].GuestAddress + ranges[i].SizeInBytes, false))
			return WHV_E_GPA_RANGE_NOT_FOUND;
	}
	return S_OK;
}

static HRESULT check_populate(const WHV_ADVISE_GPA_RANGE_POPULATE *populate, uint32_t size)
{
	if (!populate || size != sizeof *populate || populate->Flags.Reserved ||
	    populate->AccessType > WHvMemoryAccessExecute)
		return E_INVALIDARG;
	return S_OK;
}

/* Memory is always populated here; the hostile mode asks to be told. */
HRESULT WHvAdviseGpaRange(WHV_PARTITION_HANDLE Partition, const WHV_MEMORY_RANGE_ENTRY *GpaRanges,
			  uint32_t GpaRangesCount, WHV_ADVISE_GPA_RANGE_CODE Advice, const void *AdviceBuffer,
			  uint32_t AdviceBufferSizeInBytes)
{
	struct whpsim_partition *p = whpsim_partition(Partition);
	if (!p)
		return E_HANDLE;
	if (!GpaRanges || !GpaRangesCount || Advice > WHvAdviseGpaRangeCodeUnpin)
		return E_INVALIDARG;
	bool populate = Advice == WHvAdviseGpaRangeCodePopulate;
	HRESULT r = populate ? check_populate(AdviceBuffer, AdviceBufferSizeInBytes) : S_OK;
	if (r != S_OK)
		return r;
	pthread_mutex_lock(&p->lock);
	r = check_advice(p, GpaRanges, GpaRangesCount);
	if (r == S_OK && populate) {
		whpsim_stop_world(p, false);
		for (uint32_t i = 0; i < WHPSIM_MAX_VPS; i++)
			if (p->vps[i])
				whpsim_hostile_populate(&p->vps[i]->hostile);
		whpsim_start_world(p);
	}
	pthread_mutex_unlock(&p->lock);
	return r;
}
