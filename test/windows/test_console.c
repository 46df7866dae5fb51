/* test_console.c - the command in a console: its modes while a guest has it and after every kind of end, keys, pipes, names of files.
 * test_console VMACCEL. It starts itself again with a console that has no window: the tests' own may not be there, or not be free. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>
#include <windows.h>

#include <cmocka.h>

#define PATIENCE_MS 30000u
#define INSIDE L"--inside"
#define CODE_PAGE 850u
#define ECHO L"--kernel \"%ls\\echo\" --timeout 60"

static wchar_t command[MAX_PATH], folder[MAX_PATH];
static HANDLE in, out;
/* As somebody may have set them, which is not what libuv takes for normal. */
static const DWORD in_mode = ENABLE_PROCESSED_INPUT | ENABLE_LINE_INPUT | ENABLE_ECHO_INPUT | ENABLE_EXTENDED_FLAGS | ENABLE_INSERT_MODE;
static const DWORD out_mode = ENABLE_PROCESSED_OUTPUT | ENABLE_WRAP_AT_EOL_OUTPUT;

/* echo: mov dx, 0x3fd; in al, dx; test al, 1; jz 1b; mov dl, 0xf8; in al, dx; out dx, al; jmp 1b */
static const char echo[] = "\x66\xba\xfd\x03\xec\xa8\x01\x74\xf7\xb2\xf8\xec\xee\xeb\xf1";
/* "ok" and a newline, then debug exit 0 */
static const char ok[] = "\x66\xba\xf8\x03\xb0o\xee\xb0k\xee\xb0\n\xee\x30\xc0\xe6\xf4\xf4";

/* The two bytes of U+00E4, some millions of instructions apart, then itself for ever */
static const char split[] = "\x66\xba\xf8\x03\xb0\xc3\xee\xb9\x00\x00\x00\x04\xff\xc9\x75\xfc\xb0\xa4\xee\xeb\xfe";

static void write_file(const wchar_t *name, const void *data, DWORD size)
{
	HANDLE file = CreateFileW(name, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
	DWORD done;

	assert_ptr_not_equal(file, INVALID_HANDLE_VALUE);
	assert_true(WriteFile(file, data, size, &done, NULL));
	CloseHandle(file);
}

static HANDLE console(const wchar_t *name)
{
	SECURITY_ATTRIBUTES inherited = {sizeof inherited, NULL, TRUE};

	return CreateFileW(name, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, &inherited, OPEN_EXISTING, 0, NULL);
}

static int prepare(void **state)
{
	wchar_t temp[MAX_PATH], name[MAX_PATH];

	(void)state;
	GetTempPathW(MAX_PATH, temp);
	/* a name that no code page of one byte has, and a space */
	swprintf(folder, MAX_PATH, L"%lsvmaccel \u00e4\u20ac\u6f22 %lu", temp, GetCurrentProcessId());
	CreateDirectoryW(folder, NULL);
	swprintf(name, MAX_PATH, L"%ls\\echo", folder);
	write_file(name, echo, sizeof echo - 1);
	swprintf(name, MAX_PATH, L"%ls\\ok", folder);
	write_file(name, ok, sizeof ok - 1);
	swprintf(name, MAX_PATH, L"%ls\\split", folder);
	write_file(name, split, sizeof split - 1);
	in = console(L"CONIN$");
	out = console(L"CONOUT$");
	return in == INVALID_HANDLE_VALUE || out == INVALID_HANDLE_VALUE;
}

static int tidy(void **state)
{
	static const wchar_t *const names[] = {L"echo", L"ok", L"split", L"console"};
	wchar_t name[MAX_PATH];

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		swprintf(name, MAX_PATH, L"%ls\\%ls", folder, names[i]);
		DeleteFileW(name);
	}
	RemoveDirectoryW(folder);
	return 0;
}

/* vmaccel run of a guest in the folder, which the format's one %ls stands for */
static PROCESS_INFORMATION start(const wchar_t *format, HANDLE from, HANDLE to)
{
	STARTUPINFOW startup = {.cb = sizeof startup, .dwFlags = STARTF_USESTDHANDLES, .hStdInput = from, .hStdOutput = to, .hStdError = to};
	PROCESS_INFORMATION process;
	wchar_t line[2048], rest[1024];

	swprintf(rest, 1024, format, folder, folder);
	swprintf(line, 2048, L"\"%ls\" run --accel soft --arch x86-64 --flat 0x100000 --debug-exit %ls", command, rest);
	assert_true(CreateProcessW(NULL, line, NULL, NULL, TRUE, 0, NULL, NULL, &startup, &process));
	return process;
}

static DWORD end_of(PROCESS_INFORMATION *process)
{
	DWORD status = 0;

	assert_int_equal(WaitForSingleObject(process->hProcess, PATIENCE_MS), WAIT_OBJECT_0);
	GetExitCodeProcess(process->hProcess, &status);
	CloseHandle(process->hProcess);
	CloseHandle(process->hThread);
	return status;
}

static DWORD mode_of(HANDLE handle)
{
	DWORD mode = 0;

	assert_true(GetConsoleMode(handle, &mode));
	return mode;
}

static PROCESS_INFORMATION start_in_console(const wchar_t *format)
{
	CONSOLE_SCREEN_BUFFER_INFO info;
	PROCESS_INFORMATION process;
	DWORD done;

	assert_true(SetConsoleMode(in, in_mode));
	assert_true(SetConsoleMode(out, out_mode));
	assert_true(SetConsoleOutputCP(CODE_PAGE));
	FlushConsoleInputBuffer(in);
	GetConsoleScreenBufferInfo(out, &info);
	FillConsoleOutputCharacterW(out, L' ', (DWORD)info.dwSize.X * (DWORD)info.dwSize.Y, (COORD){0, 0}, &done);
	SetConsoleCursorPosition(out, (COORD){0, 0});
	process = start(format, in, out);
	for (unsigned waited = 0; mode_of(in) & ENABLE_LINE_INPUT; waited += 10) {
		assert_in_range(waited, 0, PATIENCE_MS);
		Sleep(10);
	}
	return process;
}

static void press(wchar_t character, DWORD control)
{
	INPUT_RECORD records[2] = {{.EventType = KEY_EVENT}};
	KEY_EVENT_RECORD *key = &records[0].Event.KeyEvent;
	DWORD done;

	key->bKeyDown = TRUE;
	key->wRepeatCount = 1;
	key->wVirtualKeyCode = control ? (WORD)(character + 0x40) : 0; /* that of the letter */
	key->uChar.UnicodeChar = character;
	key->dwControlKeyState = control;
	records[1] = records[0];
	records[1].Event.KeyEvent.bKeyDown = FALSE;
	assert_true(WriteConsoleInputW(in, records, 2, &done));
}

/* Until the screen's first line begins so. */
static void wait_for(const wchar_t *text)
{
	wchar_t line[64] = L"";
	DWORD done = 0;

	for (unsigned waited = 0; wcsncmp(line, text, wcslen(text)); waited += 10) {
		if (waited > PATIENCE_MS)
			fail_msg("the screen has \"%ls\", not \"%ls\"", line, text);
		Sleep(10);
		assert_true(ReadConsoleOutputCharacterW(out, line, 32, (COORD){0, 0}, &done));
	}
}

static void assert_put_back(void)
{
	assert_int_equal(mode_of(in), in_mode);
	assert_int_equal(mode_of(out), out_mode);
	assert_int_equal(GetConsoleOutputCP(), CODE_PAGE);
}

/* Keys are the guest's, Ctrl-C among them; Ctrl-a x is not. */
static void test_keys(void **state)
{
	PROCESS_INFORMATION process = start_in_console(ECHO);

	(void)state;
	assert_false(mode_of(in) & (ENABLE_PROCESSED_INPUT | ENABLE_ECHO_INPUT));
	assert_true(mode_of(out) & ENABLE_VIRTUAL_TERMINAL_PROCESSING);
	assert_int_equal(GetConsoleOutputCP(), CP_UTF8);
	for (const wchar_t *p = L"hello \u00e4"; *p; p++)
		press(*p, 0);
	wait_for(L"hello \u00e4");
	press(3, LEFT_CTRL_PRESSED);
	for (const wchar_t *p = L"\rH"; *p; p++)
		press(*p, 0);
	wait_for(L"Hello \u00e4");
	assert_int_equal(WaitForSingleObject(process.hProcess, 0), WAIT_TIMEOUT);
	press(1, LEFT_CTRL_PRESSED);
	press(L'x', 0);
	assert_int_equal(end_of(&process), 0);
	assert_put_back();
}

static void test_split_character(void **state)
{
	PROCESS_INFORMATION process = start_in_console(L"--kernel \"%ls\\split\" --timeout 60");

	(void)state;
	wait_for(L"\u00e4 ");
	press(1, LEFT_CTRL_PRESSED);
	press(L'x', 0);
	assert_int_equal(end_of(&process), 0);
	assert_put_back();
}

/* As somebody sends Ctrl-C who is not the keyboard: to everybody in this console, so this process looks away. */
static void test_interrupt(void **state)
{
	PROCESS_INFORMATION process = start_in_console(ECHO);

	(void)state;
	SetConsoleCtrlHandler(NULL, TRUE);
	assert_true(GenerateConsoleCtrlEvent(CTRL_C_EVENT, 0));
	assert_int_equal(end_of(&process), 128 + 2);
	SetConsoleCtrlHandler(NULL, FALSE);
	assert_put_back();
}

/* A thread of the process starts where nothing is. */
static void test_crash(void **state)
{
	PROCESS_INFORMATION process = start_in_console(ECHO);
	HANDLE thread = CreateRemoteThread(process.hProcess, NULL, 0, (LPTHREAD_START_ROUTINE)(uintptr_t)16, NULL, 0, NULL);

	(void)state;
	assert_non_null(thread);
	CloseHandle(thread);
	assert_int_not_equal(end_of(&process), 0);
	assert_put_back();
}

/* What comes out of a pipe, up to its end or `size` bytes. */
static size_t drain(HANDLE from, char *text, size_t size)
{
	size_t used = 0;
	DWORD got;

	while (used < size && ReadFile(from, text + used, (DWORD)(size - used), &got, NULL) && got)
		used += got;
	return used;
}

/* Bytes go through pipes as they are; the writer's end stays open, which does not keep the run from its end. */
static void test_pipes(void **state)
{
	static const char sent[] = "one\ntwo\r\n\x1a\xc3\xa4";
	SECURITY_ATTRIBUTES inherited = {sizeof inherited, NULL, TRUE};
	HANDLE to_child, child_in, from_child, child_out;
	PROCESS_INFORMATION process;
	char text[64] = "";
	DWORD done;

	(void)state;
	assert_true(CreatePipe(&child_in, &to_child, &inherited, 0) && CreatePipe(&from_child, &child_out, &inherited, 0));
	SetHandleInformation(to_child, HANDLE_FLAG_INHERIT, 0);
	SetHandleInformation(from_child, HANDLE_FLAG_INHERIT, 0);
	process = start(L"--kernel \"%ls\\echo\" --timeout 3", child_in, child_out);
	CloseHandle(child_in);
	CloseHandle(child_out);
	assert_true(WriteFile(to_child, sent, sizeof sent - 1, &done, NULL));
	assert_int_equal(drain(from_child, text, sizeof sent - 1), sizeof sent - 1);
	assert_memory_equal(text, sent, sizeof sent - 1);
	assert_int_equal(end_of(&process), 124);
	CloseHandle(to_child);
	CloseHandle(from_child);
}

static void test_names(void **state)
{
	wchar_t name[MAX_PATH];
	PROCESS_INFORMATION process;
	HANDLE file;
	char text[16];

	(void)state;
	process = start(L"--kernel \"%ls/ok\" --console \"file:%ls\\console\" --timeout 30", in, out);
	assert_int_equal(end_of(&process), 1);
	swprintf(name, MAX_PATH, L"%ls\\console", folder);
	file = CreateFileW(name, GENERIC_READ, 0, NULL, OPEN_EXISTING, 0, NULL);
	assert_ptr_not_equal(file, INVALID_HANDLE_VALUE);
	assert_int_equal(drain(file, text, sizeof text), 3);
	assert_memory_equal(text, "ok\n", 3);
	CloseHandle(file);
}

static int start_inside(const wchar_t *self)
{
	STARTUPINFOW startup = {.cb = sizeof startup,
				.dwFlags = STARTF_USESTDHANDLES,
				.hStdInput = GetStdHandle(STD_INPUT_HANDLE),
				.hStdOutput = GetStdHandle(STD_OUTPUT_HANDLE),
				.hStdError = GetStdHandle(STD_ERROR_HANDLE)};
	PROCESS_INFORMATION process;
	wchar_t line[2 * MAX_PATH + 32];
	DWORD status = 1;

	swprintf(line, 2 * MAX_PATH + 32, L"\"%ls\" \"%ls\" " INSIDE, self, command);
	if (!CreateProcessW(NULL, line, NULL, NULL, TRUE, CREATE_NO_WINDOW, NULL, NULL, &startup, &process))
		return 1;
	WaitForSingleObject(process.hProcess, INFINITE);
	GetExitCodeProcess(process.hProcess, &status);
	return (int)status;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),  cmocka_unit_test(test_split_character), cmocka_unit_test(test_interrupt),
		cmocka_unit_test(test_crash), cmocka_unit_test(test_pipes),           cmocka_unit_test(test_names),
	};
	wchar_t self[MAX_PATH];

	if (argc < 2)
		return 2;
	MultiByteToWideChar(CP_ACP, 0, argv[1], -1, command, MAX_PATH);
	GetModuleFileNameW(NULL, self, MAX_PATH);
	return argc == 2 ? start_inside(self) : cmocka_run_group_tests(tests, prepare, tidy);
}
