/* os_windows_mem.c - memory and files on Windows. A descriptor is the C runtime's, or stands for a section: memory that can be mapped
 * more than once. Sections have numbers from a table here, above any that the runtime gives. */
#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <malloc.h>
#include <string.h>
#include <sys/stat.h>
#include "os/os_windows.h"

/* ------ the heap ------ */

void *os_calloc(size_t count, size_t size)
{
	size_t bytes;

	if (os_fault("calloc") || __builtin_mul_overflow(count, size, &bytes))
		return NULL;
	/* os_free cannot tell which function a block is from */
	void *p = _aligned_malloc(bytes ? bytes : 1, 16);
	return p ? memset(p, 0, bytes) : NULL;
}

void *os_aligned(size_t align, size_t size)
{
	void *p = os_fault("_aligned_malloc") ? NULL : _aligned_malloc(size, align);

	return p ? memset(p, 0, size) : NULL;
}

void os_free(void *p)
{
	_aligned_free(p);
}

/* ------ sections ------ */

enum { SECTION_FIRST = 0x40000000, SECTIONS = 1024 };
static SRWLOCK sections_lock = SRWLOCK_INIT;
static HANDLE sections[SECTIONS];

static int add_section(HANDLE handle)
{
	int fd = -EMFILE;

	AcquireSRWLockExclusive(&sections_lock);
	for (int i = 0; i < SECTIONS && fd < 0; i++)
		if (!sections[i]) {
			sections[i] = handle;
			fd = SECTION_FIRST + i;
		}
	ReleaseSRWLockExclusive(&sections_lock);
	if (fd < 0)
		CloseHandle(handle);
	return fd;
}

/* The section behind fd, which is no longer in the table if taken out; NULL: none. */
static HANDLE section_of(int fd, int take_out)
{
	HANDLE handle = NULL;

	if (fd < SECTION_FIRST || fd >= SECTION_FIRST + SECTIONS)
		return NULL;
	AcquireSRWLockExclusive(&sections_lock);
	handle = sections[fd - SECTION_FIRST];
	if (take_out)
		sections[fd - SECTION_FIRST] = NULL;
	ReleaseSRWLockExclusive(&sections_lock);
	return handle;
}

int os_memfd(uint64_t size)
{
	int e = os_fault("CreateFileMapping");
	HANDLE handle;

	if (e)
		return -e;
	handle = CreateFileMappingW(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, (DWORD)(size >> 32), (DWORD)size, NULL);
	return handle ? add_section(handle) : os_last_error();
}

/* ------ files ------ */

int os_open(const char *path, int flags)
{
	wchar_t wide[MAX_PATH * 4];
	int e = os_fault("open"), fd;

	if (e)
		return -e;
	if (!MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, wide, MAX_PATH * 4))
		return -EINVAL;
	fd = _wopen(wide, flags | _O_BINARY | _O_NOINHERIT, 0);
	return fd < 0 ? -errno : fd;
}

int os_close(int fd)
{
	if (fd >= SECTION_FIRST) {
		HANDLE handle = section_of(fd, 1);

		return handle && CloseHandle(handle) ? 0 : -EBADF;
	}
	return _close(fd) ? -errno : 0;
}

static int dup_section(HANDLE handle)
{
	HANDLE self = GetCurrentProcess(), twin;

	if (!handle)
		return -EBADF;
	if (!DuplicateHandle(self, handle, self, &twin, 0, FALSE, DUPLICATE_SAME_ACCESS))
		return os_last_error();
	return add_section(twin);
}

int os_dup(int fd)
{
	int e = os_fault("dup"), twin;

	if (e)
		return -e;
	if (fd >= SECTION_FIRST)
		return dup_section(section_of(fd, 0));
	twin = _dup(fd);
	return twin < 0 ? -errno : twin;
}

int64_t os_file_size(int fd)
{
	struct _stat64 st;
	int e = os_fault("fstat");

	if (!e && fd >= SECTION_FIRST)
		e = EINVAL;
	if (!e && _fstat64(fd, &st))
		e = errno;
	if (!e && !S_ISREG(st.st_mode))
		e = EINVAL;
	return e ? -e : (int64_t)st.st_size;
}

long os_ioctl(int fd, unsigned long request, void *arg, const char *name)
{
	int e = os_fault(name);

	(void)fd;
	(void)request;
	(void)arg;
	return e ? -e : -ENODEV;
}

/* ------ pages ------ */

static SYSTEM_INFO system_info(void)
{
	SYSTEM_INFO info;

	GetSystemInfo(&info);
	return info;
}

int os_page_size(void)
{
	return (int)system_info().dwPageSize;
}

/* A file's section, for as long as it takes to map a part of it. */
static int file_section(int fd, unsigned flags, HANDLE *out)
{
	DWORD protect = flags & OS_MAP_PRIVATE ? PAGE_WRITECOPY : flags & OS_MAP_WRITE ? PAGE_READWRITE : PAGE_READONLY;
	HANDLE file = (HANDLE)_get_osfhandle(fd);

	if (file == INVALID_HANDLE_VALUE)
		return -EBADF;
	*out = CreateFileMappingW(file, NULL, protect, 0, 0, NULL);
	return *out ? 0 : os_last_error();
}

/* A view starts at a multiple of 64 KiB; what of it lies before the offset is mapped for nothing. A view that is to end in the file's
 * last page may not be longer than the file, but one of size 0 has all of that page. */
static int map_section(HANDLE section, uint64_t offset, size_t size, int to_the_end, unsigned flags, void **out)
{
	uint64_t before = offset % system_info().dwAllocationGranularity, start = offset - before;
	DWORD access = !(flags & OS_MAP_WRITE) ? FILE_MAP_READ : flags & OS_MAP_PRIVATE ? FILE_MAP_COPY : FILE_MAP_WRITE;
	uint8_t *view = MapViewOfFile(section, access, (DWORD)(start >> 32), (DWORD)start, to_the_end ? 0 : (size_t)(size + before));

	if (!view)
		return os_last_error();
	*out = view + before;
	return 0;
}

static int map_anonymous(size_t size, unsigned flags, void **out)
{
	void *p = VirtualAlloc(NULL, size, MEM_RESERVE | MEM_COMMIT, flags & OS_MAP_WRITE ? PAGE_READWRITE : PAGE_READONLY);

	if (!p)
		return os_last_error();
	*out = p;
	return 0;
}

int os_map(int fd, uint64_t offset, size_t size, unsigned flags, void **out)
{
	HANDLE section = section_of(fd, 0);
	struct _stat64 st = {0};
	int e = os_fault("MapViewOfFile");

	if (e)
		return -e;
	if (fd < 0)
		return map_anonymous(size, flags, out);
	if (fd >= SECTION_FIRST)
		return section ? map_section(section, offset, size, 0, flags, out) : -EBADF;
	if (_fstat64(fd, &st))
		return -errno;
	e = file_section(fd, flags, &section);
	if (e)
		return e;
	e = map_section(section, offset, size, offset + size >= (uint64_t)st.st_size, flags, out);
	CloseHandle(section);
	return e;
}

void os_unmap(void *p, size_t size)
{
	MEMORY_BASIC_INFORMATION info;

	(void)size;
	if (!VirtualQuery(p, &info, sizeof info))
		return;
	if (info.Type == MEM_PRIVATE)
		VirtualFree(info.AllocationBase, 0, MEM_RELEASE);
	else
		UnmapViewOfFile(info.AllocationBase);
}
