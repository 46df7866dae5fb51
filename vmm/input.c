/* input.c - see input.h. */
#include "input.h"
#include "terminal.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define ESCAPE 1 /* Ctrl-a */

static const char help[] =
	"\r\nCtrl-a x  end the machine\r\nCtrl-a h  this help\r\nCtrl-a Ctrl-a  Ctrl-a to the guest\r\n";

size_t input_keys(struct input *input, const uint8_t *data, size_t size, uint8_t *out)
{
	size_t n = 0;

	for (size_t i = 0; i < size; i++) {
		uint8_t c = data[i];

		if (!input->escaped && c == ESCAPE) {
			input->escaped = 1;
			continue;
		}
		if (!input->escaped || c == ESCAPE)
			out[n++] = c;
		else if (c == 'x' || c == 'X')
			input->quit(input->opaque);
		else if (c == 'h' || c == 'H' || c == '?')
			input->say(input->opaque, help);
		input->escaped = 0;
	}
	return n;
}

/* A process that dies in raw mode must not leave the user's terminal in it. */
static void on_fatal(int number)
{
	terminal_close();
	signal(number, SIG_DFL);
	raise(number);
}

static void at_exit(void)
{
	terminal_close();
}

static void guard_terminal(void)
{
	static const int fatal[] = {
		SIGSEGV, SIGABRT, SIGFPE, SIGILL,
#ifdef SIGBUS
		SIGBUS,
#endif
#ifdef SIGQUIT
		SIGQUIT,
#endif
	};
	static int registered;

	for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		signal(fatal[i], on_fatal);
	if (!registered)
		registered = atexit(at_exit) == 0;
}

static void keep(struct input *input, const uint8_t *data, size_t size)
{
	if (size)
		memmove(input->pending, data, size);
	input->pending_size = size;
}

/* To the guest, or, what it does not take now, kept. */
static void deliver(struct input *input, const uint8_t *data, size_t size)
{
	size_t taken = size ? input->feed(input->opaque, data, size) : 0;

	keep(input, data + taken, size - taken);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct input *input = handle->data;

	(void)suggested;
	*buf = uv_buf_init(input->chunk, sizeof(input->chunk));
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
	struct input *input = stream->data;
	uint8_t keys[INPUT_CHUNK];
	size_t size = got > 0 ? (size_t)got : 0;

	if (got < 0) {
		uv_read_stop(stream); /* end of input: the guest just gets no more */
		input->reading = 0;
		input->kind = INPUT_NONE;
		return;
	}
	if (input->kind == INPUT_TTY)
		size = input_keys(input, (const uint8_t *)buf->base, size, keys);
	else
		memcpy(keys, buf->base, size);
	deliver(input, keys, size);
	if (input->pending_size) {
		uv_read_stop(stream);
		input->reading = 0;
	}
}

/* A file never blocks, so it is read when the guest wants more. */
static void read_file(struct input *input)
{
	uv_buf_t buf = uv_buf_init(input->chunk, sizeof(input->chunk));
	uv_fs_t request;
	int got;

	while (input->kind == INPUT_FILE && !input->pending_size) {
		got = uv_fs_read(NULL, &request, 0, &buf, 1, -1, NULL);
		uv_fs_req_cleanup(&request);
		if (got <= 0)
			input->kind = INPUT_NONE;
		else
			deliver(input, (const uint8_t *)input->chunk, (size_t)got);
	}
}

static void start_reading(struct input *input)
{
	if (input->kind == INPUT_FILE)
		read_file(input);
	else if (input->kind != INPUT_NONE && !input->reading)
		input->reading = uv_read_start(&input->in.stream, on_alloc, on_read) == 0;
}

static int open_stream(struct input *input)
{
	uv_handle_type type = uv_guess_handle(0);

	switch (input->file_only && type != UV_FILE ? UV_UNKNOWN_HANDLE : type) {
	case UV_TTY:
		if (uv_tty_init(input->loop, &input->in.tty, 0, 1))
			return INPUT_NONE;
		input->open = 1;
		guard_terminal();
		uv_tty_set_mode(&input->in.tty, UV_TTY_MODE_RAW);
		return INPUT_TTY;
	case UV_NAMED_PIPE:
	case UV_TCP:
		if (uv_pipe_init(input->loop, &input->in.pipe, 0))
			return INPUT_NONE;
		input->open = 1;
		return uv_pipe_open(&input->in.pipe, 0) ? INPUT_NONE : INPUT_PIPE;
	case UV_FILE:
		return INPUT_FILE;
	default:
		return INPUT_NONE;
	}
}

void input_start(struct input *input, uv_loop_t *loop)
{
	input->loop = loop;
	input->open = input->reading = input->escaped = 0;
	input->pending_size = 0;
	if (terminal_open())
		guard_terminal();
	input->kind = open_stream(input);
	if (input->open)
		input->in.handle.data = input;
	start_reading(input);
}

void input_more(struct input *input)
{
	if (input->pending_size)
		deliver(input, input->pending, input->pending_size);
	if (!input->pending_size)
		start_reading(input);
}

void input_resume(struct input *input)
{
	if (!input->open || input->in.handle.type != UV_TTY)
		return;
	uv_tty_set_mode(&input->in.tty, UV_TTY_MODE_NORMAL); /* libuv sets only what it believes to change */
	uv_tty_set_mode(&input->in.tty, UV_TTY_MODE_RAW);
}

void input_stop(struct input *input)
{
	if (input->open && input->in.handle.type == UV_TTY) {
		uv_read_stop(&input->in.stream);
		uv_tty_set_mode(&input->in.tty, UV_TTY_MODE_NORMAL);
	}
	terminal_close();
	if (!input->open)
		return;
	if (input->in.handle.type != UV_TTY)
		uv_stream_set_blocking(&input->in.stream, 1); /* others may share the description */
	uv_close(&input->in.handle, NULL);
	input->open = 0;
	input->kind = INPUT_NONE;
}
