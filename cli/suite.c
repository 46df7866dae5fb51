/* suite.c - the conformance suite on one accelerator: each check in a process of its own (this command again, with
 * --one), so that one that crashes or hangs costs the others nothing. */
#include "suite.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <uv.h>

#include "cli.h"
#include "conformance.h"

enum { OUTPUT_MAX = 1024, PATH_SIZE = 4096 };

/* In the order of enum conf_result, for people; conf_results are for programs (JSON, and the line a child prints). */
static const char *const result_words[] = {"pass", "FAIL", "skip", "known difference", "not yet"};

struct outcome {
	int result;
	uint64_t ns;
	char reason[OUTPUT_MAX];
};

/* ------ one check in this process: prints "result reason" on its last line ------ */

int suite_one(int number, const struct subject *s)
{
	struct conf conf = {.accel = s->accel, .arch = s->arch};
	const struct conf_check *check = conf_find(number);
	int result;

	if (!check) {
		fprintf(stderr, "vmaccel check: T%03d: no such check\n", number);
		return STATUS_USAGE;
	}
	result = conf_run(check, &conf);
	printf("%s %s\n", result >= 0 && result < CONF_RESULTS ? conf_results[result] : "fail", conf.reason);
	return STATUS_OK;
}

/* ------ one check in a child ------ */

struct child {
	uv_process_t process;
	uv_pipe_t pipe;
	uv_timer_t timer;
	char output[OUTPUT_MAX];
	size_t used;
	int64_t status;
	int signal, timed_out;
};

static void on_end(uv_process_t *process, int64_t status, int signal)
{
	struct child *child = process->data;

	child->status = status;
	child->signal = signal;
	uv_close((uv_handle_t *)process, NULL);
	uv_close((uv_handle_t *)&child->timer, NULL);
}

static void on_timeout(uv_timer_t *timer)
{
	struct child *child = timer->data;

	child->timed_out = 1;
	uv_process_kill(&child->process, 9);
}

/* The end of the output is what counts: the first half goes when the room is full. */
static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct child *child = handle->data;

	(void)suggested;
	if (child->used >= sizeof(child->output) - 2) {
		child->used /= 2;
		memmove(child->output, child->output + sizeof(child->output) / 2, child->used);
	}
	*buf = uv_buf_init(child->output + child->used, (unsigned)(sizeof(child->output) - 1 - child->used));
}

static void on_output(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct child *child = stream->data;

	(void)buf;
	if (n > 0)
		child->used += (size_t)n;
	else if (n < 0)
		uv_close((uv_handle_t *)stream, NULL);
}

static int spawn(uv_loop_t *loop, struct child *child, int number, const struct subject *s)
{
	static char path[PATH_SIZE];
	size_t size = sizeof(path);
	char text[16];
	char *arch = s->arch == VMA_ARCH_ARM64 ? "arm64" : "x86-64";
	char *argv[] = {path,    "check", "--accel", (char *)vma_accel_name(s->accel), "--arch", arch,
			"--one", text,    NULL};
	uv_stdio_container_t stdio[3] = {
		{.flags = UV_IGNORE},
		{.flags = (uv_stdio_flags)(UV_CREATE_PIPE | UV_WRITABLE_PIPE),
		 .data.stream = (uv_stream_t *)&child->pipe},
		{.flags = UV_INHERIT_FD, .data.fd = 2},
	};
	uv_process_options_t options = {
		.exit_cb = on_end, .file = path, .args = argv, .stdio_count = 3, .stdio = stdio};
	/* under an emulator for user programs (cmake/run.cmake) the own file is not what can be started */
	int error = uv_os_getenv("VMACCEL_SELF", path, &size);

	if (error == UV_ENOENT) {
		size = sizeof(path);
		error = uv_exepath(path, &size);
	}
	snprintf(text, sizeof(text), "%d", number);
	return error < 0 ? error : uv_spawn(loop, &child->process, &options);
}

/* The child's last line: "key reason". */
static void read_outcome(const struct child *child, struct outcome *out)
{
	const char *line = child->output;
	size_t end = child->used;

	while (end && child->output[end - 1] == '\n')
		end--;
	for (size_t i = 0; i < end; i++)
		if (child->output[i] == '\n')
			line = child->output + i + 1;
	for (int r = 0; r < CONF_RESULTS; r++) {
		size_t n = strlen(conf_results[r]);

		if (!strncmp(line, conf_results[r], n) && line[n] == ' ') {
			out->result = r;
			snprintf(out->reason, sizeof(out->reason), "%.*s",
				 (int)(child->output + end > line + n + 1 ? child->output + end - line - n - 1 : 0),
				 line + n + 1);
			return;
		}
	}
	out->result = CONF_FAIL;
	snprintf(out->reason, sizeof(out->reason), "its process said nothing of the result");
}

static void judge(const struct child *child, uint32_t timeout_ms, struct outcome *out)
{
	out->result = CONF_FAIL;
	if (child->timed_out)
		snprintf(out->reason, sizeof(out->reason), "took longer than %u.%03u s", timeout_ms / 1000,
			 timeout_ms % 1000);
	else if (child->signal)
		snprintf(out->reason, sizeof(out->reason), "its process was ended by signal %d", child->signal);
	else if (child->status)
		/* Windows: a crash is a status, one whose number is known in hexadecimal */
		snprintf(out->reason, sizeof(out->reason),
			 child->status > 255 ? "its process ended with status %#" PRIx64
					     : "its process ended with status %" PRId64,
			 child->status);
	else
		read_outcome(child, out);
}

static void run_child(int number, const struct subject *s, uint32_t timeout_ms, struct outcome *out)
{
	static struct child child;
	uv_loop_t loop;
	int error = uv_loop_init(&loop);

	memset(&child, 0, sizeof(child));
	child.process.data = child.pipe.data = child.timer.data = &child;
	if (error == 0) {
		uv_pipe_init(&loop, &child.pipe, 0);
		uv_timer_init(&loop, &child.timer);
		error = spawn(&loop, &child, number, s);
		if (error == 0) {
			uv_read_start((uv_stream_t *)&child.pipe, on_room, on_output);
			uv_timer_start(&child.timer, on_timeout, timeout_ms, 0);
		} else {
			uv_close((uv_handle_t *)&child.pipe, NULL);
			uv_close((uv_handle_t *)&child.timer, NULL);
		}
		uv_run(&loop, UV_RUN_DEFAULT);
		uv_loop_close(&loop);
	}
	if (error == 0) {
		judge(&child, timeout_ms, out);
		return;
	}
	out->result = CONF_FAIL;
	snprintf(out->reason, sizeof(out->reason), "its process could not be started: %s", uv_strerror(error));
}

/* ------ the suite ------ */

cJSON *suite_check_json(const struct conf_check *check)
{
	cJSON *row = cJSON_CreateObject();
	char id[16];

	snprintf(id, sizeof(id), "T%03d", check->number);
	cJSON_AddStringToObject(row, "check", id);
	cJSON_AddStringToObject(row, "name", check->name);
	cJSON_AddStringToObject(row, "tags", check->tags);
	return row;
}

static cJSON *json_row(const struct conf_check *check, const struct outcome *out)
{
	cJSON *row = suite_check_json(check);

	cJSON_AddStringToObject(row, "result", conf_results[out->result]);
	cJSON_AddNumberToObject(row, "ms", (double)(out->ns / 1000000));
	if (out->result != CONF_PASS)
		cJSON_AddStringToObject(row, "reason", out->reason);
	return row;
}

static void print_row(const struct conf_check *check, const struct outcome *out)
{
	printf("T%03d %s: %s", check->number, check->name, result_words[out->result]);
	if (out->result != CONF_PASS && out->reason[0])
		printf(": %s", out->reason);
	printf("\n");
	fflush(stdout);
}

/* A declared difference and a check not written yet count as skipped; the line above the closing one tells them apart.
 */
static void print_totals(vma_accel accel, const int counts[CONF_RESULTS])
{
	printf("%s: %d skipped here, %d known differences, %d not written yet\n", vma_accel_name(accel),
	       counts[CONF_SKIP], counts[CONF_KNOWN], counts[CONF_NOT_YET]);
	printf("%d passed, %d failed, %d skipped\n", counts[CONF_PASS], counts[CONF_FAIL],
	       counts[CONF_SKIP] + counts[CONF_KNOWN] + counts[CONF_NOT_YET]);
}

void suite_totals(const struct suite *s, cJSON *json)
{
	cJSON *totals = cJSON_AddObjectToObject(json, "totals");

	for (int r = 0; r < CONF_RESULTS; r++)
		cJSON_AddNumberToObject(totals, conf_results[r], s->counts[r]);
}

int suite_run(struct suite *s)
{
	for (int i = 0; i < conf_count(); i++) {
		const struct conf_check *check = conf_at(i);
		struct outcome out;
		uint64_t start = uv_hrtime();

		if (s->only ? (uint32_t)check->number != s->only : !conf_applies(check, s->subject.arch))
			continue;
		run_child(check->number, &s->subject, s->timeout_ms, &out);
		out.ns = uv_hrtime() - start;
		s->counts[out.result]++;
		if (s->rows)
			cJSON_AddItemToArray(s->rows, json_row(check, &out));
		if (!s->quiet)
			print_row(check, &out);
	}
	if (!s->quiet)
		print_totals(s->subject.accel, s->counts);
	return s->counts[CONF_FAIL] ? STATUS_FAILED : STATUS_OK;
}
