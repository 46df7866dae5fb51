/* host_windows.c - see host.h. The C runtime's arguments are in a code page of the user's, which has not every file's name, and it has
 * taken those with * or ? for patterns. */
#include "host.h"

#include <fcntl.h>
#include <io.h>
#include <stdio.h>
#include <stdlib.h>
#include <windows.h>
#include <shellapi.h>

static UINT code_page; /* of the console, for whoever uses it afterwards */

static void restore_code_page(void)
{
	SetConsoleOutputCP(code_page);
}

static LPTOP_LEVEL_EXCEPTION_FILTER runtimes_filter; /* makes signals of what nobody handled */

static LONG WINAPI on_exception(EXCEPTION_POINTERS *what)
{
	restore_code_page();
	return runtimes_filter ? runtimes_filter(what) : EXCEPTION_CONTINUE_SEARCH;
}

static BOOL WINAPI on_control(DWORD event)
{
	(void)event;
	restore_code_page();
	return FALSE; /* the end of the process */
}

static void print_utf8(void)
{
	code_page = GetConsoleOutputCP();
	if (!code_page || !SetConsoleOutputCP(CP_UTF8))
		return;
	atexit(restore_code_page);
	runtimes_filter = SetUnhandledExceptionFilter(on_exception);
	SetConsoleCtrlHandler(on_control, TRUE);
}

static char *utf8(const wchar_t *wide)
{
	int size = WideCharToMultiByte(CP_UTF8, 0, wide, -1, NULL, 0, NULL, NULL);
	char *text = malloc(size > 0 ? (size_t)size : 1);

	if (text)
		text[0] = 0;
	if (text && size > 0)
		WideCharToMultiByte(CP_UTF8, 0, wide, -1, text, size, NULL, NULL);
	return text;
}

/* They live as long as the process. */
static void take_arguments(int *argc, char ***argv)
{
	int count = 0;
	wchar_t **wide = CommandLineToArgvW(GetCommandLineW(), &count);
	char **list = wide ? calloc((size_t)count + 1, sizeof(*list)) : NULL;

	for (int i = 0; list && i < count; i++) {
		list[i] = utf8(wide[i]);
		if (!list[i])
			return;
	}
	if (!list)
		return;
	LocalFree(wide);
	*argc = count;
	*argv = list;
}

void cli_host_begin(int *argc, char ***argv)
{
	_setmode(_fileno(stdout), _O_BINARY);
	_setmode(_fileno(stderr), _O_BINARY);
	print_utf8();
	take_arguments(argc, argv);
}

void cli_host_linger(void)
{
	DWORD processes[2];

	/* a console with nobody else in it was made for this program */
	if (GetConsoleProcessList(processes, 2) != 1)
		return;
	printf("\nPress Enter.\n");
	fflush(stdout);
	getchar();
}
