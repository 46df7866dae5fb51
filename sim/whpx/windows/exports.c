/* exports.c - on Windows what a DLL exports is a table in it, made when it is linked: the functions that VMA_WHPX_SIM takes
 * away are struck out of it when the DLL is loaded, and GetProcAddress finds them no more. */
#include <windows.h>
#include "sim/whpx/exports.h"

extern char __ImageBase[]; /* where the DLL is */

static void *at(DWORD rva)
{
	return __ImageBase + rva;
}

__attribute__((constructor)) static void take_away(void)
{
	const IMAGE_NT_HEADERS *nt = at((DWORD)((const IMAGE_DOS_HEADER *)at(0))->e_lfanew);
	const IMAGE_EXPORT_DIRECTORY *d =
		at(nt->OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_EXPORT].VirtualAddress);
	const DWORD *names = at(d->AddressOfNames);
	const WORD *places = at(d->AddressOfNameOrdinals);
	DWORD *functions = at(d->AddressOfFunctions), was;

	if (!VirtualProtect(functions, d->NumberOfFunctions * sizeof(*functions), PAGE_READWRITE, &was))
		return;
	for (DWORD i = 0; i < d->NumberOfNames; i++)
		if (!whpsim_exported(at(names[i])))
			functions[places[i]] = 0;
	VirtualProtect(functions, d->NumberOfFunctions * sizeof(*functions), was, &was);
}
