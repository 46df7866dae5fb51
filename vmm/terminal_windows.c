/* terminal_windows.c - see terminal.h: libuv does not keep the console's modes, and leaves output as it is. */
#include "terminal.h"

#include <stdatomic.h>
#include <windows.h>

#define STREAMS 2

static const DWORD ids[STREAMS] = {STD_INPUT_HANDLE, STD_OUTPUT_HANDLE};
static DWORD modes[STREAMS];
static UINT code_page;
static atomic_int changed;

/* Guests write UTF-8 and the escape sequences of a VT100, and mean a line feed when they write one. */
int terminal_open(void)
{
	int found = 0;

	if (changed)
		return 1;
	for (int i = 0; i < STREAMS; i++) {
		found += GetConsoleMode(GetStdHandle(ids[i]), &modes[i]) != 0;
		if (!GetConsoleMode(GetStdHandle(ids[i]), &modes[i]))
			modes[i] = 0;
	}
	if (!found)
		return 0;
	code_page = GetConsoleOutputCP();
	changed = 1;
	if (code_page != CP_UTF8)
		SetConsoleOutputCP(CP_UTF8);
	if (modes[1])
		SetConsoleMode(GetStdHandle(ids[1]), modes[1] | ENABLE_PROCESSED_OUTPUT | ENABLE_VIRTUAL_TERMINAL_PROCESSING |
							     DISABLE_NEWLINE_AUTO_RETURN);
	return 1;
}

void terminal_close(void)
{
	if (!atomic_exchange(&changed, 0))
		return;
	for (int i = 0; i < STREAMS; i++)
		if (modes[i])
			SetConsoleMode(GetStdHandle(ids[i]), modes[i]);
	if (code_page != CP_UTF8)
		SetConsoleOutputCP(code_page);
}
