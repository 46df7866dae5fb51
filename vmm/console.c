/* console.c - see console.h. */
#include "console.h"
#include "terminal.h"

#include <string.h>

#define FLUSH_BYTES 512u
#define FLUSH_NS 4000000u /* output without a newline waits that long for more */
#define WAIT_NS 100000000u
#define BUSY_MS 2

static void prepare_marker(struct console *c, const char *marker)
{
	unsigned size = (unsigned)strlen(marker), k = 0;

	memcpy(c->marker, marker, size);
	c->marker_size = size;
	for (unsigned i = 1; i < size; i++) {
		while (k && marker[i] != marker[k])
			k = c->fallback[k - 1];
		if (marker[i] == marker[k])
			k++;
		c->fallback[i] = (uint16_t)k;
	}
}

static void match_marker(struct console *c, uint8_t byte)
{
	while (c->matched && (uint8_t)c->marker[c->matched] != byte)
		c->matched = c->fallback[c->matched - 1];
	if ((uint8_t)c->marker[c->matched] == byte)
		c->matched++;
	if (c->matched == c->marker_size)
		c->marker_at = uv_hrtime();
}

/* One host call's worth; how much was written. The caller holds no lock. */
static size_t write_some(struct console *c, const uint8_t *data, size_t size, int *failed)
{
	uv_buf_t buf = uv_buf_init((char *)(uintptr_t)data, (unsigned)size);
	uv_fs_t request;
	int result;

	if (c->kind == VMM_CONSOLE_CALLBACK) {
		c->write(c->write_opaque, data, size);
		return size;
	}
	if (c->kind == VMM_CONSOLE_STDIO && terminal_write(data, size))
		return size;
	result = uv_fs_write(NULL, &request, c->fd, &buf, 1, -1, NULL);
	uv_fs_req_cleanup(&request);
	if (result >= 0)
		return (size_t)result;
	if (result == UV_EAGAIN)
		uv_sleep(BUSY_MS); /* somebody made the terminal or pipe non-blocking */
	else if (result != UV_EINTR)
		*failed = result;
	return 0;
}

/* Write from the ring's head up to its end or its wrap. Called and left with the lock held. */
static void write_out(struct console *c)
{
	size_t size = c->count < CONSOLE_BUFFER - c->head ? c->count : CONSOLE_BUFFER - c->head;
	void (*tell_room)(void *opaque), (*tell_drained)(void *opaque);
	int failed = c->failed, room;

	c->writing = 1;
	uv_mutex_unlock(&c->lock);
	if (!failed)
		size = write_some(c, c->buffer + c->head, size, &failed);
	uv_mutex_lock(&c->lock);
	c->writing = 0;
	c->failed = failed;
	c->head = (c->head + size) % CONSOLE_BUFFER;
	c->count -= size;
	if (!c->count)
		c->flush = 0;
	uv_cond_broadcast(&c->space);
	room = c->room_wanted && c->count <= CONSOLE_BUFFER / 2;
	if (room)
		c->room_wanted = 0;
	if (!room && c->count)
		return;
	tell_room = room ? c->room : NULL;
	tell_drained = c->drained;
	uv_mutex_unlock(&c->lock);
	if (tell_room)
		tell_room(c->opaque);
	if (tell_drained)
		tell_drained(c->opaque);
	uv_mutex_lock(&c->lock);
}

static void writer(void *arg)
{
	struct console *c = arg;

	uv_mutex_lock(&c->lock);
	while (!c->closing || c->count) {
		if (!c->count) {
			uv_cond_wait(&c->output, &c->lock);
			continue;
		}
		if (!c->flush && !c->closing)
			uv_cond_timedwait(&c->output, &c->lock, FLUSH_NS);
		write_out(c);
	}
	uv_mutex_unlock(&c->lock);
}

static int open_file(struct console *c, const struct vmm_config *config, struct vmm_error *error)
{
	uv_fs_t request;

	if (!config->console_path)
		return vmm_fail(error, VMM_STATUS_USAGE, "the console's file has no name");
	c->fd = uv_fs_open(NULL, &request, config->console_path, UV_FS_O_WRONLY | UV_FS_O_CREAT | UV_FS_O_TRUNC, 0644,
			   NULL);
	uv_fs_req_cleanup(&request);
	if (c->fd < 0)
		return vmm_fail(error, VMM_STATUS_USAGE, "%s: the console cannot be written there: %s",
				config->console_path, uv_strerror(c->fd));
	return 0;
}

static void close_file(struct console *c)
{
	uv_fs_t request;

	if (c->kind == VMM_CONSOLE_FILE && c->fd >= 0) {
		uv_fs_close(NULL, &request, c->fd, NULL);
		uv_fs_req_cleanup(&request);
		c->fd = -1;
	}
}

int console_open(struct console *c, const struct vmm_config *config, struct vmm_error *error)
{
	memset(c, 0, offsetof(struct console, buffer));
	c->kind = config->console;
	c->path = config->console_path;
	c->fd = 1;
	c->write = config->console_write;
	c->write_opaque = config->console_opaque;
	if (config->marker && strlen(config->marker) >= MARKER_MAX)
		return vmm_fail(error, VMM_STATUS_USAGE, "the marker is longer than %u bytes", MARKER_MAX - 1);
	if (config->marker && *config->marker)
		prepare_marker(c, config->marker);
	if (c->kind == VMM_CONSOLE_CALLBACK && !c->write)
		return vmm_fail(error, VMM_STATUS_USAGE, "the console's callback is missing");
	if (c->kind == VMM_CONSOLE_FILE && open_file(c, config, error) < 0)
		return -1;
	uv_mutex_init(&c->lock);
	uv_cond_init(&c->output);
	uv_cond_init(&c->space);
	if (c->kind != VMM_CONSOLE_NONE && uv_thread_create(&c->writer, writer, c)) {
		console_close(c, 0);
		return vmm_fail(error, VMM_STATUS_VMM, "no thread for the console");
	}
	c->started = c->kind != VMM_CONSOLE_NONE;
	return 0;
}

int console_put(struct console *c, uint8_t byte)
{
	int wake;

	uv_mutex_lock(&c->lock);
	if (c->kind != VMM_CONSOLE_NONE && c->count == CONSOLE_BUFFER) {
		uv_mutex_unlock(&c->lock);
		return 0;
	}
	if (c->marker_size && !c->marker_at)
		match_marker(c, byte);
	if (c->kind == VMM_CONSOLE_NONE) {
		uv_mutex_unlock(&c->lock);
		return 1;
	}
	c->buffer[(c->head + c->count++) % CONSOLE_BUFFER] = byte;
	wake = c->count == 1;
	if (!c->flush && (byte == '\n' || c->count >= FLUSH_BYTES))
		wake = c->flush = 1;
	uv_mutex_unlock(&c->lock);
	if (wake)
		uv_cond_signal(&c->output);
	return 1;
}

int console_has_room(struct console *c)
{
	int room;

	uv_mutex_lock(&c->lock);
	room = c->count < CONSOLE_BUFFER;
	if (!room)
		c->room_wanted = 1;
	uv_mutex_unlock(&c->lock);
	return room;
}

void console_wait(struct console *c)
{
	uv_mutex_lock(&c->lock);
	if (c->count == CONSOLE_BUFFER)
		uv_cond_timedwait(&c->space, &c->lock, WAIT_NS);
	uv_mutex_unlock(&c->lock);
}

int console_is_drained(struct console *c)
{
	int drained;

	uv_mutex_lock(&c->lock);
	c->flush = 1;
	drained = !c->count && !c->writing;
	uv_mutex_unlock(&c->lock);
	uv_cond_signal(&c->output);
	return drained;
}

uint64_t console_marker_at(struct console *c)
{
	uint64_t at;

	uv_mutex_lock(&c->lock);
	at = c->marker_at;
	uv_mutex_unlock(&c->lock);
	return at;
}

int console_close(struct console *c, int abandon)
{
	int stuck;

	uv_mutex_lock(&c->lock);
	c->closing = 1;
	if (abandon)
		c->failed = UV_ECANCELED;
	stuck = abandon && c->writing;
	if (stuck)
		c->room = c->drained = NULL; /* whom they would call may be gone by then */
	uv_mutex_unlock(&c->lock);
	uv_cond_signal(&c->output);
	if (c->started && stuck)
		return 0;
	if (c->started)
		uv_thread_join(&c->writer);
	c->started = 0;
	uv_mutex_destroy(&c->lock);
	uv_cond_destroy(&c->output);
	uv_cond_destroy(&c->space);
	close_file(c);
	return 1;
}
