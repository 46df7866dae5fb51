/* whpx_dll.c - WinHvPlatform.dll: found in the system's own directory, its functions looked up by name, its HRESULTs
 * put into words. */
#include <stdio.h>
#include <string.h>
#include "whpx/whpx.h"
#include "whpx/whpx_hresults.h"

struct whpx_api whpx_api;

/* Since which Windows, by the documents' requirement tables (whp.h). */
enum {
#define X(name, since, arguments) SINCE_##name = since,
	WHP_PLATFORM_FUNCTIONS(X)
#undef X
	FIRST = 1803,
	OLDEST = 2004 /* that is supported */
};
#define X(name) _Static_assert(SINCE_WHv##name == FIRST, "came later: WHPX_OPTIONAL");
WHPX_REQUIRED(X)
#undef X
#define X(name, ...) _Static_assert(SINCE_WHv##name > FIRST, "has always been there: WHPX_REQUIRED");
WHPX_OPTIONAL(X)
#undef X

static const struct function {
	const char *name;
	size_t place, instead; /* in whpx_api */
	bool required;
	uint32_t caps; /* that are gone without it */
} functions[] = {
#define X(n) {"WHv" #n, offsetof(struct whpx_api, n), offsetof(struct whpx_api, nothing), true, 0},
	WHPX_REQUIRED(X)
#undef X
#define X(n, caps, instead) {"WHv" #n, offsetof(struct whpx_api, n), offsetof(struct whpx_api, instead), false, caps},
	WHPX_OPTIONAL(X)
#undef X
};

/* NULL, or the first that must be there and is not. */
static const char *find_functions(void *dll)
{
	const char *missing = NULL;

	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
		void *f = os_symbol(dll, functions[i].name);

		if (!f && functions[i].required && !missing)
			missing = functions[i].name;
		memcpy((char *)&whpx_api + functions[i].place, &f, sizeof(f));
	}
	return missing;
}

/* One of what the oldest Windows that will do brought, or of what came later, is enough: the rest may be missing. */
static bool too_old(void *dll)
{
	static const struct {
		const char *name;
		unsigned since;
	} all[] = {
#define X(name, since, arguments) {#name, since},
		WHP_PLATFORM_FUNCTIONS(X)
#undef X
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (all[i].since >= OLDEST && os_symbol(dll, all[i].name))
			return false;
	return true;
}

int whpx_load(const char **why, const char **remedy)
{
	static char text[160];
	const char *missing;
	void *dll = NULL;

	*remedy = "turn on the Windows feature \"Windows Hypervisor Platform\" (as administrator: " WHPX_ENABLE
		  ", and restart)";
	*why = "this Windows has no WinHvPlatform.dll";
	if (os_system_library("WinHvPlatform.dll", &dll) < 0)
		return -1;
	missing = find_functions(dll);
	if (missing) {
		snprintf(text, sizeof(text),
			 "WinHvPlatform.dll has no %s, which Windows' own has always had: it is damaged, or another's",
			 missing);
		*why = text;
		*remedy = "have Windows put its own files back (as administrator: sfc /scannow, and restart)";
		return -1;
	}
	if (too_old(dll)) {
		*why = "this Windows is older than Windows 10 version 2004";
		*remedy = "update Windows to Windows 10 version 2004 or later";
		return -1;
	}
	return 0;
}

static bool there(size_t place)
{
	void *f;

	memcpy(&f, (const char *)&whpx_api + place, sizeof(f));
	return f;
}

uint32_t whpx_lacks(const char **version)
{
	static char text[400];
	uint32_t caps = 0;
	size_t at = (size_t)snprintf(text, sizeof(text), "WinHvPlatform.dll");

	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
		const struct function *f = &functions[i];

		if (!f->caps || there(f->place) || there(f->instead))
			continue;
		if (at < sizeof(text))
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%s %s", caps ? "," : " without",
					       f->name);
		caps |= f->caps;
	}
	*version = text;
	return caps;
}

HRESULT whpx_fault(const char *call)
{
	int e = vma_os_fault(call);

	return e > 0 ? E_OUTOFMEMORY : (HRESULT)e;
}

/* ------ HRESULTs ------ */

static const struct hresult {
	HRESULT hr;
	int error;
	const char *text, *remedy;
} hresults[] = {
#define X(hr, error, text, remedy) {hr, VMA_E_##error, #hr ": " text, remedy},
	WHPX_HRESULTS(X)
#undef X
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
