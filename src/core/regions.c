/* regions.c - what is mapped where: alignment, overlap, splitting, the written-pages log. */
#include <string.h>
#include "core/internal.h"

typedef unsigned long long ull;

enum { MAP_FLAGS = VMA_MAP_RWX | VMA_MAP_LOG };

/* Index of the first region that ends above gpa. */
static size_t first_above(const vma_vm *vm, uint64_t gpa)
{
	size_t lo = 0, hi = vm->region_count;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (vm->regions[mid]->gpa + (vm->regions[mid]->size - 1) < gpa)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct vma_region *vma_region_find(struct vma_vm *vm, uint64_t gpa)
{
	size_t i = first_above(vm, gpa);

	return i < vm->region_count && vm->regions[i]->gpa <= gpa ? vm->regions[i] : NULL;
}

int vma_regions_init(vma_vm *vm)
{
	if (!vm->info.max_regions)
		vm->info.max_regions = 32;
	return 0;
}

/* Room for one more. Platforms allow tens of thousands; clearing a list of that length would be felt at every creation.
 */
static int make_room(vma_vm *vm)
{
	size_t room = vm->region_room ? 2 * vm->region_room : 16;
	struct vma_region **more;

	if (vm->region_count < vm->region_room)
		return 0;
	more = os_calloc(room, sizeof(*more));
	if (!more)
		return vma_fail(VMA_E_NOMEM, "no memory for %zu mappings", room);
	if (vm->region_count)
		memcpy(more, vm->regions, vm->region_count * sizeof(*more));
	os_free(vm->regions);
	vm->regions = more;
	vm->region_room = room;
	return 0;
}

static void free_region(struct vma_region *r)
{
	vma_mem_unref(r->mem);
	os_free(r);
}

static void take_out(vma_vm *vm, size_t i)
{
	memmove(vm->regions + i, vm->regions + i + 1, (vm->region_count - i - 1) * sizeof(*vm->regions));
	vm->region_count--;
}

static void put_in(vma_vm *vm, struct vma_region *r)
{
	size_t i = first_above(vm, r->gpa);

	memmove(vm->regions + i + 1, vm->regions + i, (vm->region_count - i) * sizeof(*vm->regions));
	vm->regions[i] = r;
	vm->region_count++;
}

void vma_regions_drop(vma_vm *vm)
{
	while (vm->region_count) {
		struct vma_region *r = vm->regions[vm->region_count - 1];
		vm->be->unmap(vm, r);
		take_out(vm, vm->region_count - 1);
		free_region(r);
	}
	os_free(vm->regions);
}

enum { SLOT_WINDOW = 4096 };

/* The lowest free one, found by marking those in use, a window of numbers at a time: thousands of mappings are common. */
static uint32_t free_slot(const vma_vm *vm)
{
	for (uint32_t first = 0;; first += SLOT_WINDOW) {
		uint8_t used[SLOT_WINDOW] = {0};

		for (size_t i = 0; i < vm->region_count; i++)
			if (vm->regions[i]->slot - first < SLOT_WINDOW)
				used[vm->regions[i]->slot - first] = 1;
		for (uint32_t n = 0; n < SLOT_WINDOW; n++)
			if (!used[n])
				return first + n;
	}
}

/* ------ checks ------ */

static int check_vm(const vma_vm *vm)
{
	return vm ? 0 : vma_fail(VMA_E_INVALID, "the VM is NULL");
}

static int check_range(const vma_vm *vm, uint64_t gpa, uint64_t size)
{
	uint64_t granule = vm->info.granule, end = gpa + size;

	if (gpa % granule || size % granule || !size)
		return vma_fail(VMA_E_INVALID,
				"gpa %#llx and size %#llx must be multiples of %llu (%s's granule), the size not 0",
				(ull)gpa, (ull)size, (ull)granule, vm->info.name);
	if (end < gpa)
		return vma_fail(VMA_E_INVALID, "gpa %#llx with size %#llx wraps around", (ull)gpa, (ull)size);
	if (vm->info.gpa_bits < 64 && (end - 1) >> vm->info.gpa_bits)
		return vma_fail(VMA_E_LIMIT, "gpa %#llx with size %#llx ends above the %u bits that %s has", (ull)gpa,
				(ull)size, vm->info.gpa_bits, vm->info.name);
	return 0;
}

static int check_flags(const vma_vm *vm, const vma_mem *mem, uint32_t flags)
{
	if (flags & ~(uint32_t)MAP_FLAGS || !(flags & VMA_MAP_READ))
		return vma_fail(VMA_E_INVALID, "mapping flags %#x: VMA_MAP_READ is required, known are %#x", flags,
				MAP_FLAGS);
	if (!(flags & VMA_MAP_WRITE) && !(vm->info.caps & VMA_CAP_READONLY))
		return vma_fail(VMA_E_NO_ACCEL, "%s has no read-only memory", vm->info.name);
	if (!(flags & VMA_MAP_EXEC) && !(vm->info.caps & VMA_CAP_EXEC_PROT))
		return vma_fail(VMA_E_NO_ACCEL, "%s has no memory without execute permission", vm->info.name);
	if (flags & VMA_MAP_LOG && !(vm->info.caps & VMA_CAP_DIRTY_LOG))
		return vma_fail(VMA_E_NO_ACCEL, "%s has no log of written pages", vm->info.name);
	if (flags & VMA_MAP_WRITE && mem->flags & VMA_MEM_READONLY)
		return vma_fail(VMA_E_INVALID, "the memory object is for reading only");
	return 0;
}

static int check_map(const vma_vm *vm, uint64_t gpa, const vma_mem *mem, uint64_t offset, uint64_t size, uint32_t flags)
{
	int rc = check_vm(vm);

	if (!rc && !mem)
		rc = vma_fail(VMA_E_INVALID, "the memory object is NULL");
	if (!rc)
		rc = check_range(vm, gpa, size);
	if (!rc && (offset % vm->info.granule || offset > mem->size || size > mem->size - offset))
		rc = vma_fail(VMA_E_INVALID,
			      "offset %#llx (a multiple of %u) and size %#llx leave the object's %#llx bytes",
			      (ull)offset, vm->info.granule, (ull)size, (ull)mem->size);
	/* A host with larger pages than the guest's maps whole host pages. */
	if (!rc && ((uintptr_t)mem->hva + offset) % vm->info.granule)
		rc = vma_fail(VMA_E_INVALID, "the host address %p is not a multiple of %u (%s's granule)",
			      (void *)(mem->hva + offset), vm->info.granule, vm->info.name);
	return rc ? rc : check_flags(vm, mem, flags);
}

/* ------ map ------ */

static int map_locked(vma_vm *vm, struct vma_region *r)
{
	size_t i = first_above(vm, r->gpa);
	int rc;

	if (i < vm->region_count && vm->regions[i]->gpa <= r->gpa + (r->size - 1))
		return vma_fail(VMA_E_EXIST, "gpa %#llx with size %#llx overlaps the mapping at %#llx with size %#llx",
				(ull)r->gpa, (ull)r->size, (ull)vm->regions[i]->gpa, (ull)vm->regions[i]->size);
	if (vm->region_count >= vm->info.max_regions)
		return vma_fail(VMA_E_LIMIT, "%s allows %u mappings", vm->info.name, vm->info.max_regions);
	r->slot = free_slot(vm);
	rc = make_room(vm);
	if (!rc)
		rc = vm->be->map(vm, r);
	if (!rc)
		put_in(vm, r);
	return rc;
}

int vma_vm_map(vma_vm *vm, uint64_t gpa, vma_mem *mem, uint64_t offset, uint64_t size, uint32_t flags)
{
	struct vma_region *r;
	int rc = check_map(vm, gpa, mem, offset, size, flags);

	if (rc)
		return rc;
	r = os_calloc(1, sizeof(*r));
	if (!r)
		return vma_fail(VMA_E_NOMEM, "no memory for a mapping");
	*r = (struct vma_region){
		.gpa = gpa, .size = size, .hva = mem->hva + offset, .mem = mem, .offset = offset, .flags = flags};
	vma_mem_ref(mem);
	os_lock(&vm->lock);
	rc = map_locked(vm, r);
	os_unlock(&vm->lock);
	if (rc)
		free_region(r);
	return rc;
}

/* ------ parts of mappings ------ */

/* Make a mapping begin at gpa if one lies across it. */
static int split_at(vma_vm *vm, uint64_t gpa)
{
	struct vma_region *r = vma_region_find(vm, gpa), *tail;
	uint64_t head;
	int rc;

	if (!r || r->gpa == gpa)
		return 0;
	if (!vm->be->split || !(vm->info.caps & VMA_CAP_PARTIAL_UNMAP))
		return vma_fail(VMA_E_NO_ACCEL, "%s cannot divide the mapping at %#llx with size %#llx", vm->info.name,
				(ull)r->gpa, (ull)r->size);
	if (vm->region_count >= vm->info.max_regions)
		return vma_fail(VMA_E_LIMIT, "%s allows %u mappings", vm->info.name, vm->info.max_regions);
	tail = os_calloc(1, sizeof(*tail));
	if (!tail)
		return vma_fail(VMA_E_NOMEM, "no memory for a mapping");
	rc = make_room(vm);
	if (rc) {
		os_free(tail);
		return rc;
	}
	head = gpa - r->gpa;
	*tail = *r;
	tail->gpa = gpa;
	tail->size -= head;
	tail->hva += head;
	tail->offset += head;
	tail->priv = NULL;
	tail->slot = free_slot(vm);
	vma_mem_ref(tail->mem);
	rc = vm->be->split(vm, r, tail);
	if (rc) {
		free_region(tail);
		return rc;
	}
	r->size = head;
	put_in(vm, tail);
	return 0;
}

/* All of [gpa, gpa+size) is mapped, and its ends are those of mappings (made so where the platform can). */
static int carve(vma_vm *vm, uint64_t gpa, uint64_t size)
{
	uint64_t at = gpa, last = gpa + (size - 1);
	int rc;

	for (;;) {
		struct vma_region *r = vma_region_find(vm, at);
		if (!r)
			return vma_fail(VMA_E_NOENT, "gpa %#llx is not mapped", (ull)at);
		if (r->gpa + (r->size - 1) >= last)
			break;
		at = r->gpa + r->size;
	}
	rc = split_at(vm, gpa);
	if (!rc && last != UINT64_MAX)
		rc = split_at(vm, last + 1);
	return rc;
}

static int check_carve(vma_vm *vm, uint64_t gpa, uint64_t size)
{
	int rc = check_vm(vm);

	return rc ? rc : check_range(vm, gpa, size);
}

static int unmap_locked(vma_vm *vm, uint64_t gpa, uint64_t size)
{
	int rc = carve(vm, gpa, size);

	while (!rc) {
		size_t i = first_above(vm, gpa);
		struct vma_region *r;
		if (i == vm->region_count || vm->regions[i]->gpa > gpa + (size - 1))
			break;
		r = vm->regions[i];
		rc = vm->be->unmap(vm, r);
		if (!rc) {
			take_out(vm, i);
			free_region(r);
		}
	}
	return rc;
}

int vma_vm_unmap(vma_vm *vm, uint64_t gpa, uint64_t size)
{
	int rc = check_carve(vm, gpa, size);

	if (rc)
		return rc;
	os_lock(&vm->lock);
	rc = unmap_locked(vm, gpa, size);
	os_unlock(&vm->lock);
	return rc;
}

static int protect_locked(vma_vm *vm, uint64_t gpa, uint64_t size, uint32_t flags)
{
	int rc = carve(vm, gpa, size);
	size_t i = first_above(vm, gpa), first = i;

	for (; !rc && i < vm->region_count && vm->regions[i]->gpa <= gpa + (size - 1); i++)
		rc = check_flags(vm, vm->regions[i]->mem, flags);
	for (i = first; !rc && i < vm->region_count && vm->regions[i]->gpa <= gpa + (size - 1); i++) {
		struct vma_region *r = vm->regions[i];
		if (r->flags == flags)
			continue;
		rc = vm->be->protect(vm, r, flags);
		if (!rc)
			r->flags = flags;
	}
	return rc;
}

int vma_vm_protect(vma_vm *vm, uint64_t gpa, uint64_t size, uint32_t flags)
{
	int rc = check_carve(vm, gpa, size);

	if (rc)
		return rc;
	os_lock(&vm->lock);
	rc = protect_locked(vm, gpa, size, flags);
	os_unlock(&vm->lock);
	return rc;
}

/* ------ looking ------ */

/* The region that holds all of the range. Caller holds the lock. */
static struct vma_region *holding(vma_vm *vm, uint64_t gpa, uint64_t size)
{
	struct vma_region *r = vma_region_find(vm, gpa);

	return r && size <= r->size - (gpa - r->gpa) ? r : NULL;
}

int vma_vm_dirty_log(vma_vm *vm, uint64_t gpa, uint64_t size, uint64_t *bitmap, int clear)
{
	struct vma_region *r;
	int rc = check_vm(vm);

	if (!rc && (!bitmap || gpa % VMA_PAGE || size % VMA_PAGE || !size || clear < 0 || clear > 1))
		rc = vma_fail(VMA_E_INVALID,
			      "log of gpa %#llx with size %#llx: multiples of 4096, a bitmap, clear 0 or 1", (ull)gpa,
			      (ull)size);
	if (rc)
		return rc;
	if (!(vm->info.caps & VMA_CAP_DIRTY_LOG) || !vm->be->dirty_log)
		return vma_fail(VMA_E_NO_ACCEL, "%s has no log of written pages", vm->info.name);
	os_lock(&vm->lock);
	r = holding(vm, gpa, size);
	if (!r)
		rc = vma_fail(VMA_E_NOENT, "gpa %#llx with size %#llx does not lie in one mapping", (ull)gpa,
			      (ull)size);
	else if (!(r->flags & VMA_MAP_LOG))
		rc = vma_fail(VMA_E_STATE, "the mapping at %#llx keeps no log", (ull)r->gpa);
	else
		rc = vm->be->dirty_log(vm, r, (gpa - r->gpa) / VMA_PAGE, size / VMA_PAGE, bitmap, clear);
	os_unlock(&vm->lock);
	return rc;
}

void *vma_vm_hva(vma_vm *vm, uint64_t gpa, uint64_t size)
{
	struct vma_region *r;
	void *hva = NULL;

	if (!vm)
		return NULL;
	os_lock(&vm->lock);
	r = holding(vm, gpa, size);
	if (r)
		hva = r->hva + (gpa - r->gpa);
	os_unlock(&vm->lock);
	return hva;
}
