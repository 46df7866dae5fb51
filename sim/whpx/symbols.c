/* symbols.c - the functions that the chosen Windows exports, by name: the native simulation's GetProcAddress. */
#include <string.h>
#include "config.h"
#include "exports.h"

void *vma_whpx_sim_symbol(const char *name);

static const struct {
	char name[56];
	unsigned since;
	void (*function)(void);
} functions[] = {
#define ROW(name, since, arguments) {#name, since, (void (*)(void))name},
	WHP_PLATFORM_FUNCTIONS(ROW) WHP_EMULATION_FUNCTIONS(ROW)};

/* A library's name is asked for in the same way; its address is that of nothing in particular. */
static bool is_library(const char *name)
{
	return !strcmp(name, "WinHvPlatform.dll") || !strcmp(name, "WinHvEmulation.dll");
}

void *vma_whpx_sim_symbol(const char *name)
{
	if (!strcmp(name, "whpsim_configure")) /* that it is a simulation */
		return (void *)(uintptr_t)whpsim_configure;
	if (!whpsim_exported(name))
		return NULL;
	if (is_library(name))
		return (void *)(uintptr_t)functions;
	for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
		if (!strcmp(functions[i].name, name) && functions[i].since <= whpsim_config()->version)
			return (void *)(uintptr_t)functions[i].function;
	return NULL;
}
