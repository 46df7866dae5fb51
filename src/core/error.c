/* error.c - error codes, their names, and the thread's sentence behind vma_why(). */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "core/internal.h"

static _Thread_local char why[512];

static const struct {
	int number;
	const char *name, *text;
} errors[] = {
#define VMA_X(NAME, number, text) {-(number), "VMA_E_" #NAME, text},
	VMA_ERRORS(VMA_X)
#undef VMA_X
};

const char *vma_error_name(int error)
{
	for (size_t i = 0; i < VMA_COUNT(errors); i++)
		if (errors[i].number == error)
			return errors[i].name;
	return "VMA_E_?";
}

const char *vma_error_text(int error)
{
	for (size_t i = 0; i < VMA_COUNT(errors); i++)
		if (errors[i].number == error)
			return errors[i].text;
	return "VMA_E_?";
}

const char *vma_why(void)
{
	return why;
}

int vma_fail(int error, const char *format, ...)
{
	char line[sizeof(why)];
	va_list ap;

	/* By way of a second buffer: an argument may be vma_why() itself. */
	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	memcpy(why, line, strlen(line) + 1);
	return error;
}

static const struct {
	int number, error;
} from_errno[] = {
	{ENOMEM, VMA_E_NOMEM},   {EPERM, VMA_E_PERM},   {EACCES, VMA_E_PERM},  {EBUSY, VMA_E_BUSY},
	{EMFILE, VMA_E_LIMIT},   {ENFILE, VMA_E_LIMIT}, {ENOSPC, VMA_E_LIMIT}, {ENODEV, VMA_E_NO_HOST},
	{ENOENT, VMA_E_NO_HOST}, {EIO, VMA_E_IO},
};

int vma_fail_os(long minus_errno, const char *call)
{
	int number = (int)-minus_errno, error = VMA_E_NATIVE;
	char text[128];

	for (size_t i = 0; i < VMA_COUNT(from_errno); i++)
		if (from_errno[i].number == number)
			error = from_errno[i].error;
	return vma_fail(error, "%s: %s (errno %d)", call, os_error_text(number, text, sizeof(text)), number);
}

int vma_struct_in(void *dst, uint32_t dst_size, const void *src, uint32_t least, const char *what)
{
	uint32_t size;

	if (!src)
		return vma_fail(VMA_E_INVALID, "%s is NULL", what);
	memcpy(&size, src, sizeof(size));
	if (size < least || size > 65536)
		return vma_fail(VMA_E_INVALID, "%s.size is %u; set it to sizeof, %u here", what, size, dst_size);
	memset(dst, 0, dst_size);
	memcpy(dst, src, size < dst_size ? size : dst_size);
	for (uint32_t i = dst_size; i < size; i++)
		if (((const uint8_t *)src)[i])
			return vma_fail(VMA_E_INVALID, "%s has a member at byte %u that this library does not know",
					what, i);
	return 0;
}
