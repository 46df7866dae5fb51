/* input.h - the user's side of the console: terminal modes, the escape key, input to the serial port. All on the thread
 * of vmm_run. */
#ifndef VMM_INPUT_H
#define VMM_INPUT_H

#include <uv.h>

#define INPUT_CHUNK 1024u

struct input {
	uv_loop_t *loop;
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tty_t tty;
		uv_pipe_t pipe;
	} in;
	enum { INPUT_NONE, INPUT_TTY, INPUT_PIPE, INPUT_FILE } kind;
	int open, reading, escaped;
	int file_only; /* set before input_start: what is no file is no input, and input_more may run on another thread
			*/
	uint8_t pending[INPUT_CHUNK];
	size_t pending_size;
	char chunk[INPUT_CHUNK];
	size_t (*feed)(void *opaque, const uint8_t *data, size_t size); /* to the guest; how much it took */
	void (*quit)(void *opaque);
	void (*say)(void *opaque, const char *text); /* to the user */
	void *opaque;
};

/* Begin to read descriptor 0; raw mode if it is a terminal. What cannot be read is no input. */
void input_start(struct input *input, uv_loop_t *loop);
void input_more(struct input *input);   /* the guest takes input again */
void input_resume(struct input *input); /* after the process was stopped: raw mode once more */
void input_stop(struct input *input); /* the terminal is as before when it returns; run the loop once for the handle */

/* What the keys mean; for tests. Copies what goes to the guest to `out` (as long as `data`); returns its length. */
size_t input_keys(struct input *input, const uint8_t *data, size_t size, uint8_t *out);

#endif
