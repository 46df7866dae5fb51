/* mem.c - memory objects: reference-counted host pages that mappings are made of. */
#include "core/internal.h"

static int check_size(uint64_t size)
{
	if (!size || size % VMA_PAGE)
		return vma_fail(VMA_E_INVALID, "memory size %#llx is not a multiple of 4096 above 0",
				(unsigned long long)size);
	if (size > (uint64_t)SIZE_MAX / 2 || size > (uint64_t)INT64_MAX)
		return vma_fail(VMA_E_INVALID, "memory size %#llx is too large", (unsigned long long)size);
	return 0;
}

static int new_mem(uint64_t size, vma_mem **mem)
{
	vma_mem *m;
	int rc;

	if (!mem)
		return vma_fail(VMA_E_INVALID, "no place for the new memory object");
	rc = check_size(size);
	if (rc)
		return rc;
	m = os_calloc(1, sizeof(*m));
	if (!m)
		return vma_fail(VMA_E_NOMEM, "no memory for a memory object");
	atomic_init(&m->refs, 1);
	m->size = size;
	m->fd = -1;
	*mem = m;
	return 0;
}

/* Map m's descriptor (or none); on failure m and its descriptor are gone. */
static int map_mem(vma_mem *m, unsigned flags, vma_mem **mem)
{
	void *p = NULL;
	int rc = os_map(m->fd, m->fd_offset, (size_t)m->size, flags, &p);

	if (rc) {
		vma_mem_unref(m);
		*mem = NULL;
		return vma_fail_os(rc, "mmap of guest memory");
	}
	m->hva = p;
	m->owned = true;
	*mem = m;
	return 0;
}

int vma_mem_anon(uint64_t size, vma_mem **mem)
{
	vma_mem *m;
	int rc = new_mem(size, mem ? &m : NULL);

	if (rc)
		return rc;
	m->fd = os_memfd(size);
	if (m->fd < 0)
		m->fd = -1; /* plain pages do too, only without aliases and clones */
	return map_mem(m, OS_MAP_WRITE | OS_MAP_NORESERVE, mem);
}

/* Touching a mapping beyond the page that holds the file's end is a signal, not an error. What is no regular file (a
 * device, say) is taken at the caller's word. */
static int check_file(int fd, uint64_t offset, uint64_t size)
{
	int64_t have = os_file_size(fd);
	uint64_t pages = have < 0 ? 0 : ((uint64_t)have + VMA_PAGE - 1) & ~(uint64_t)(VMA_PAGE - 1);

	if (have >= 0 && (offset > pages || size > pages - offset))
		return vma_fail(VMA_E_INVALID, "offset %#llx and size %#llx are beyond the file's %lld bytes",
				(unsigned long long)offset, (unsigned long long)size, (long long)have);
	return 0;
}

int vma_mem_file(int fd, uint64_t offset, uint64_t size, uint32_t flags, vma_mem **mem)
{
	vma_mem *m;
	unsigned how = OS_MAP_NORESERVE;
	int rc;

	if (!mem || fd < 0 || offset % VMA_PAGE || flags & ~(uint32_t)(VMA_MEM_PRIVATE | VMA_MEM_READONLY))
		return vma_fail(VMA_E_INVALID,
				"memory from a file: descriptor %d, offset %#llx (a multiple of 4096), flags %#x", fd,
				(unsigned long long)offset, flags);
	if (offset + size < offset || offset + size > INT64_MAX)
		return vma_fail(VMA_E_INVALID, "offset %#llx and size %#llx are beyond any file",
				(unsigned long long)offset, (unsigned long long)size);
	rc = check_file(fd, offset, size);
	if (!rc)
		rc = new_mem(size, &m);
	if (rc)
		return rc;
	m->fd = os_dup(fd);
	if (m->fd < 0) {
		rc = m->fd;
		m->fd = -1;
		vma_mem_unref(m);
		return vma_fail_os(rc, "duplicating the file descriptor");
	}
	m->fd_offset = offset;
	m->flags = flags;
	if (!(flags & VMA_MEM_READONLY))
		how |= OS_MAP_WRITE;
	if (flags & VMA_MEM_PRIVATE)
		how |= OS_MAP_PRIVATE;
	return map_mem(m, how, mem);
}

int vma_mem_user(void *hva, uint64_t size, vma_mem **mem)
{
	int rc;

	if (!hva || (uintptr_t)hva % VMA_PAGE)
		return vma_fail(VMA_E_INVALID, "memory at %p is not aligned to 4096", hva);
	if ((uintptr_t)hva + size < (uintptr_t)hva)
		return vma_fail(VMA_E_INVALID, "memory at %p of size %#llx wraps around", hva,
				(unsigned long long)size);
	rc = new_mem(size, mem);
	if (!rc)
		(*mem)->hva = hva;
	return rc;
}

int vma_mem_clone(vma_mem *mem, vma_mem **twin)
{
	vma_mem *m;
	int rc;

	if (!mem || !twin)
		return vma_fail(VMA_E_INVALID, "no memory object to clone, or no place for its twin");
	/* What was written to a private mapping is not in its file. */
	if (mem->fd < 0 || mem->flags & VMA_MEM_PRIVATE)
		return vma_fail(VMA_E_NO_HOST, "only shared memory behind a file descriptor can be cloned");
	rc = new_mem(mem->size, &m);
	if (rc)
		return rc;
	m->fd = os_dup(mem->fd);
	if (m->fd < 0) {
		rc = m->fd;
		m->fd = -1;
		vma_mem_unref(m);
		return vma_fail_os(rc, "duplicating the file descriptor");
	}
	m->fd_offset = mem->fd_offset;
	m->flags = mem->flags | VMA_MEM_PRIVATE;
	return map_mem(m, OS_MAP_WRITE | OS_MAP_PRIVATE | OS_MAP_NORESERVE, twin);
}

void vma_mem_ref(vma_mem *mem)
{
	atomic_fetch_add(&mem->refs, 1);
}

void vma_mem_unref(vma_mem *mem)
{
	if (!mem || atomic_fetch_sub(&mem->refs, 1) != 1)
		return;
	if (mem->owned)
		os_unmap(mem->hva, (size_t)mem->size);
	if (mem->fd >= 0)
		os_close(mem->fd);
	os_free(mem);
}

void *vma_mem_hva(const vma_mem *mem)
{
	return mem ? mem->hva : NULL;
}

uint64_t vma_mem_size(const vma_mem *mem)
{
	return mem ? mem->size : 0;
}
