/* terminal_windows.c - see terminal.h: libuv does not keep the console's modes, and leaves output as it is. */
#include "terminal.h"

#include <stdatomic.h>
#include <string.h>
#include <windows.h>

#define STREAMS 2
#define CHARACTER_MAX 4 /* bytes */
#define PIECE 1024

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

/* How many of the bytes are whole characters; what follows may become one. */
static size_t whole(const uint8_t *bytes, size_t size)
{
	for (size_t back = 1; back <= size && back < CHARACTER_MAX; back++) {
		uint8_t first = bytes[size - back];
		size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;

		if ((first & 0xc0) != 0x80)
			return length > back ? size - back : size;
	}
	return size;
}

/* A console decodes each write by itself, and the two bytes of a character may be far apart. */
int terminal_write(const uint8_t *data, size_t size)
{
	static uint8_t bytes[CHARACTER_MAX + PIECE];
	static size_t kept;
	static wchar_t wide[CHARACTER_MAX + PIECE];
	HANDLE console = GetStdHandle(ids[1]);
	DWORD done;

	if (!changed || !modes[1])
		return 0;
	while (size) {
		size_t piece = size < PIECE ? size : PIECE, known;

		memcpy(bytes + kept, data, piece);
		known = whole(bytes, kept + piece);
		WriteConsoleW(console, wide, (DWORD)MultiByteToWideChar(CP_UTF8, 0, (char *)bytes, (int)known, wide, CHARACTER_MAX + PIECE), &done,
			      NULL);
		kept = kept + piece - known;
		memmove(bytes, bytes + known, kept);
		data += piece;
		size -= piece;
	}
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
