/* test_vmm_console.c - the console's buffer, its marker and the escape keys, without a machine.
 * test-labels: threads */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "console.h"
#include "input.h"

static struct console console;
static uv_sem_t gate;
static uv_mutex_t lock;
static size_t written, rooms;
static int gated;

static void take(void *opaque, const void *data, size_t size)
{
	(void)opaque;
	(void)data;
	if (gated)
		uv_sem_wait(&gate);
	uv_mutex_lock(&lock);
	written += size;
	uv_mutex_unlock(&lock);
}

static void room(void *opaque)
{
	(void)opaque;
	uv_mutex_lock(&lock);
	rooms++;
	uv_mutex_unlock(&lock);
}

static void open_console(enum vmm_console kind, const char *marker)
{
	struct vmm_config config = {.size = sizeof(config), .console = kind, .console_write = take, .marker = marker};
	struct vmm_error error = {0, ""};

	written = rooms = 0;
	gated = 0;
	if (console_open(&console, &config, &error) < 0)
		fail_msg("%s", error.text);
	console.room = room;
}

static void put_text(const char *text)
{
	while (*text)
		assert_int_equal(console_put(&console, (uint8_t)*text++), 1);
}

/* Nothing is lost by closing, whatever is still in the buffer. */
static void close_writes_everything(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 50; round++) {
		open_console(VMM_CONSOLE_CALLBACK, NULL);
		put_text("no newline at the end");
		assert_int_equal(console_close(&console, 0), 1);
		assert_int_equal(written, 21);
	}
}

/* A writer that is stuck: the buffer fills, says so, and tells when there is room. */
static void full_buffer(void **state)
{
	size_t put = 0;

	(void)state;
	open_console(VMM_CONSOLE_CALLBACK, NULL);
	gated = 1;
	while (console_put(&console, '\n'))
		put++;
	assert_int_equal(put, CONSOLE_BUFFER);
	assert_int_equal(console_has_room(&console), 0);
	console_wait(&console); /* gives up after a while */
	assert_int_equal(console_put(&console, 'x'), 0);
	assert_int_equal(console_is_drained(&console), 0);
	for (unsigned i = 0; i < 10; i++)
		uv_sem_post(&gate);
	while (!console_is_drained(&console))
		uv_sleep(1);
	assert_int_equal(console_has_room(&console), 1);
	assert_int_equal(console_close(&console, 0), 1);
	assert_int_equal(written, put);
	assert_int_equal(rooms, 1);
	while (uv_sem_trywait(&gate) == 0)
		;
}

static void markers(void **state)
{
	static const struct {
		const char *marker, *text;
		int found;
	} cases[] = {
		{"aab", "aaab", 1},          {"abab", "abaabab", 1},       {"needle", "need needl", 0},
		{"/init\n", "/init\r\n", 0}, {"aabaaab", "aabaabaaab", 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		open_console(VMM_CONSOLE_NONE, cases[i].marker);
		put_text(cases[i].text);
		assert_int_equal(console_marker_at(&console) != 0, cases[i].found);
		console_close(&console, 0);
	}
}

static void marker_too_long(void **state)
{
	struct vmm_config config = {.size = sizeof(config), .console = VMM_CONSOLE_NONE};
	struct vmm_error error = {0, ""};
	char marker[MARKER_MAX + 1];

	(void)state;
	memset(marker, 'm', MARKER_MAX);
	marker[MARKER_MAX] = 0;
	config.marker = marker;
	assert_int_equal(console_open(&console, &config, &error), -1);
	assert_int_equal(error.status, VMM_STATUS_USAGE);
	marker[MARKER_MAX - 1] = 0;
	assert_int_equal(console_open(&console, &config, &error), 0);
	console_close(&console, 0);
}

static int quits, said;

static void quit(void *opaque)
{
	(void)opaque;
	quits++;
}

static void say(void *opaque, const char *text)
{
	(void)opaque;
	said += strstr(text, "Ctrl-a x") != NULL;
}

static void keys(void **state)
{
	static struct input input;
	uint8_t out[16];

	(void)state;
	input.quit = quit;
	input.say = say;
	assert_int_equal(input_keys(&input, (const uint8_t *)"ab\001\001c", 5, out), 4);
	assert_memory_equal(out, "ab\001c", 4);
	assert_int_equal(input_keys(&input, (const uint8_t *)"\001h\001?", 4, out), 0);
	assert_int_equal(said, 2);
	assert_int_equal(input_keys(&input, (const uint8_t *)"\001", 1, out), 0);
	assert_int_equal(quits, 0);
	assert_int_equal(input_keys(&input, (const uint8_t *)"xx", 2, out), 1); /* the escape spans two reads */
	assert_int_equal(quits, 1);
	assert_int_equal(input_keys(&input, (const uint8_t *)"\001zq", 3, out), 1); /* unknown: swallowed */
	assert_int_equal(out[0], 'q');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(close_writes_everything), cmocka_unit_test(full_buffer), cmocka_unit_test(markers),
		cmocka_unit_test(marker_too_long),         cmocka_unit_test(keys),
	};

	uv_sem_init(&gate, 0);
	uv_mutex_init(&lock);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
