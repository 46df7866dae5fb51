/* error.c - the sentences and statuses that a caller of the VMM gets. */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>

int vmm_fail(struct vmm_error *error, int status, const char *format, ...)
{
	va_list args;

	if (!error)
		return -1;
	error->status = status;
	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	return -1;
}

int vmm_status_of(int vma_error)
{
	switch (vma_error) {
	case VMA_E_NO_HOST:
	case VMA_E_NO_ACCEL:
	case VMA_E_NOENT:
	case VMA_E_PERM:
	case VMA_E_NOT_WRITTEN:
		return VMM_STATUS_ACCEL;
	case VMA_E_INVALID:
	case VMA_E_FEATURE:
	case VMA_E_LIMIT:
		return VMM_STATUS_USAGE;
	default:
		return VMM_STATUS_VMM;
	}
}

const char *vmm_end_text(enum vmm_end end)
{
	switch (end) {
#define VMM_X(name, number, text)                                                                                      \
	case VMM_END_##name:                                                                                           \
		return text;
		VMM_ENDS(VMM_X)
#undef VMM_X
	}
	return "?";
}
