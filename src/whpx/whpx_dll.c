/* whpx_dll.c - WinHvPlatform.dll: found in the system's own directory, its functions looked up by name, its HRESULTs
 * put into words. */
#include <stdio.h>
#include <string.h>
#include "whpx/whpx.h"

struct whpx_api whpx_api;

static const struct {
	const char *name;
	size_t place;
	bool required;
} functions[] = {
#define X(n) {"WHv" #n, offsetof(struct whpx_api, n), true},
	WHPX_REQUIRED(X)
#undef X
#define X(n) {"WHv" #n, offsetof(struct whpx_api, n), false},
	WHPX_OPTIONAL(X)
#undef X
};

static const char enable[] =
	"turn on the Windows feature \"Windows Hypervisor Platform\" (as administrator: DISM /Online "
	"/Enable-Feature /FeatureName:HypervisorPlatform /All, and restart)";

int whpx_load(const char **why, const char **remedy)
{
	static char text[160];
	void *dll = NULL;
	int rc = os_system_library("WinHvPlatform.dll", &dll);

	*remedy = enable;
	if (rc < 0) {
		*why = "this Windows has no WinHvPlatform.dll";
		return -1;
	}
	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
		void *f = os_symbol(dll, functions[i].name);

		if (!f && functions[i].required) {
			snprintf(text, sizeof(text),
				 "this Windows is older than Windows 10 version 2004: its WinHvPlatform.dll has no %s",
				 functions[i].name);
			*why = text;
			*remedy = "update Windows to Windows 10 version 2004 or later";
			return -1;
		}
		memcpy((char *)&whpx_api + functions[i].place, &f, sizeof(f));
	}
	return 0;
}

HRESULT whpx_fault(const char *call)
{
	int e = vma_os_fault(call);

	return e > 0 ? E_OUTOFMEMORY : (HRESULT)e;
}

/* ------ HRESULTs ------ */

#define LAUNCH "bcdedit /set hypervisorlaunchtype auto, and restart"

/* WHP, "Windows Hypervisor Platform error codes" and winerror.h; ERROR_HV_ and Vid codes by what they are met as. */
static const struct hresult {
	HRESULT hr;
	int error;
	const char *text, *remedy;
} hresults[] = {
	{WHV_E_UNKNOWN_CAPABILITY, VMA_E_NO_HOST,
	 "WHV_E_UNKNOWN_CAPABILITY: this Windows does not know that capability", ""},
	{WHV_E_INSUFFICIENT_BUFFER, VMA_E_NATIVE, "WHV_E_INSUFFICIENT_BUFFER: the buffer is too small", ""},
	{WHV_E_UNKNOWN_PROPERTY, VMA_E_NO_HOST, "WHV_E_UNKNOWN_PROPERTY: this Windows does not know that property", ""},
	{WHV_E_UNSUPPORTED_HYPERVISOR_CONFIG, VMA_E_NO_HOST,
	 "WHV_E_UNSUPPORTED_HYPERVISOR_CONFIG: the hypervisor's configuration does not allow it; another product may "
	 "own the "
	 "processor's virtualization",
	 LAUNCH},
	{WHV_E_INVALID_PARTITION_CONFIG, VMA_E_NATIVE,
	 "WHV_E_INVALID_PARTITION_CONFIG: the partition's properties do not fit together", ""},
	{WHV_E_GPA_RANGE_NOT_FOUND, VMA_E_NATIVE, "WHV_E_GPA_RANGE_NOT_FOUND: nothing is mapped there", ""},
	{WHV_E_VP_ALREADY_EXISTS, VMA_E_EXIST, "WHV_E_VP_ALREADY_EXISTS: the virtual processor exists", ""},
	{WHV_E_VP_DOES_NOT_EXIST, VMA_E_NATIVE, "WHV_E_VP_DOES_NOT_EXIST: there is no such virtual processor", ""},
	{WHV_E_INVALID_VP_STATE, VMA_E_NATIVE, "WHV_E_INVALID_VP_STATE: not in this state of the virtual processor",
	 ""},
	{WHV_E_INVALID_VP_REGISTER_NAME, VMA_E_NO_HOST,
	 "WHV_E_INVALID_VP_REGISTER_NAME: this Windows has no such register", ""},
	{WHV_E_UNSUPPORTED_PROCESSOR_CONFIG, VMA_E_NO_HOST,
	 "WHV_E_UNSUPPORTED_PROCESSOR_CONFIG: this processor cannot be configured so", ""},
	{E_NOTIMPL, VMA_E_NO_HOST, "E_NOTIMPL: this Windows has not got that function", ""},
	{E_ACCESSDENIED, VMA_E_PERM, "E_ACCESSDENIED: access denied",
	 "add the user to the group \"Hyper-V Administrators\" (net localgroup \"Hyper-V Administrators\" NAME /add), "
	 "or run "
	 "as administrator"},
	{E_OUTOFMEMORY, VMA_E_NOMEM, "E_OUTOFMEMORY: out of memory", ""},
	{E_INVALIDARG, VMA_E_NATIVE, "E_INVALIDARG: an argument was refused", ""},
	{WHP_HRESULT(0xc0350005u), VMA_E_NATIVE, "ERROR_HV_INVALID_PARAMETER: the hypervisor refuses a parameter", ""},
	{WHP_HRESULT(0xc0350050u), VMA_E_NATIVE,
	 "ERROR_HV_INVALID_REGISTER_VALUE: the hypervisor refuses a register's value", ""},
	{WHP_HRESULT(0xc0351000u), VMA_E_NO_HOST, "ERROR_HV_NOT_PRESENT: no hypervisor runs", LAUNCH},
	{WHP_HRESULT(0xc0370008u), VMA_E_LIMIT,
	 "ERROR_VID_PARTITION_ALREADY_EXISTS: this Windows allows one partition with memory in a process",
	 "use a process for each VM"},
};

static const struct hresult *known(HRESULT hr)
{
	for (size_t i = 0; i < sizeof(hresults) / sizeof(*hresults); i++)
		if (hresults[i].hr == hr)
			return &hresults[i];
	return NULL;
}

const char *whpx_refusal(HRESULT hr, const char *call, const char **remedy)
{
	static char text[240];
	const struct hresult *k = known(hr);

	snprintf(text, sizeof(text), "%s: HRESULT 0x%08x%s%s", call, (unsigned)hr, k ? ", " : "", k ? k->text : "");
	*remedy = k ? k->remedy : "";
	return text;
}

int whpx_fail(HRESULT hr, const char *call)
{
	const struct hresult *k = known(hr);

	if (!k)
		return vma_fail(VMA_E_NATIVE, "%s: HRESULT 0x%08x", call, (unsigned)hr);
	return vma_fail(k->error, "%s: HRESULT 0x%08x, %s%s%s", call, (unsigned)hr, k->text, *k->remedy ? "; " : "",
			k->remedy);
}
