/* run.c - vmm_run: one event loop on the caller's thread for signals, timers, input and the end of the machine, while
 * the vCPUs have threads of their own. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "machine.h"

#define DRAIN_MS 2000 /* how long a console may take after an end that somebody waits for */
#define NS_PER_MS 1000000u

static void end_machine(struct vmm *vmm, enum vmm_end end, int status)
{
	uv_mutex_lock(&vmm->lock);
	machine_end(vmm, end, status);
	uv_mutex_unlock(&vmm->lock);
}

static void end_with_error(struct vmm *vmm, const struct vmm_error *error)
{
	vmm->ended = 1;
	vmm->result.end = VMM_END_ERROR;
	vmm->result.status = error->status;
	snprintf(vmm->result.text, sizeof(vmm->result.text), "%s", error->text);
}

/* Load and start once more. The old vCPUs are gone. */
static int reboot(struct vmm *vmm)
{
	struct vmm_error error;

	vmm->result.resets++;
	machine_teardown(vmm);
	vmm->ended = 0;
	atomic_store(&vmm->stop, 0);
	if (machine_build(vmm, &error) < 0 || vcpus_start(vmm, &error) < 0) {
		end_with_error(vmm, &error);
		return -1;
	}
	uv_async_send(&vmm->wake); /* for what came in while there was no machine */
	return 0;
}

static void on_deadline(uv_timer_t *timer);

static void begin_draining(struct vmm *vmm)
{
	vmm->phase = PHASE_DRAINING;
	atomic_store(&vmm->draining, 1);
	uv_timer_stop(&vmm->device_timer);
	switch (vmm->result.end) {
	case VMM_END_TIMEOUT:
	case VMM_END_SIGNAL:
	case VMM_END_STOPPED:
	case VMM_END_QUIT:
		uv_timer_start(&vmm->deadline, on_deadline, DRAIN_MS, 0);
		break;
	default:
		break;
	}
}

/* Go on to the next phase when this one is over. */
static void advance(struct vmm *vmm)
{
	const struct vmm_config *config = &vmm->config;
	int over;

	if (vmm->phase == PHASE_RUNNING) {
		uv_mutex_lock(&vmm->lock);
		over = vmm->ended && vmm->running == 0;
		uv_mutex_unlock(&vmm->lock);
		if (!over)
			return;
		vcpus_join(vmm);
		if (vmm->result.end == VMM_END_RESET && config->on_reset == VMM_RESET_REBOOT &&
		    (!config->reset_limit || vmm->result.resets < config->reset_limit) && reboot(vmm) == 0)
			return;
		if (vmm->running)
			return; /* a reboot that failed half-way: its threads end first */
		begin_draining(vmm);
	}
	if (vmm->phase == PHASE_DRAINING && (vmm->abandon || console_is_drained(vmm->console))) {
		vmm->phase = PHASE_DONE;
		uv_stop(&vmm->loop);
	}
}

static void on_device_timer(uv_timer_t *timer);

static void run_device_timers(struct vmm *vmm)
{
	uint64_t next = UINT64_MAX;

	if (vmm->config.insn_hz)
		return; /* the vCPU's thread does */
	uv_mutex_lock(&vmm->lock);
	if (!vmm->ended)
		next = timers_run(&vmm->clock);
	uv_mutex_unlock(&vmm->lock);
	if (next == UINT64_MAX)
		uv_timer_stop(&vmm->device_timer);
	else
		uv_timer_start(&vmm->device_timer, on_device_timer, (next + NS_PER_MS - 1) / NS_PER_MS, 0);
}

static void on_device_timer(uv_timer_t *timer)
{
	run_device_timers(timer->data);
}

void machine_wake(uv_async_t *async)
{
	struct vmm *vmm = async->data;

	if (vmm->phase != PHASE_RUNNING && vmm->phase != PHASE_DRAINING)
		return;
	if (atomic_load(&vmm->stop_requested) && vmm->phase == PHASE_RUNNING)
		end_machine(vmm, VMM_END_STOPPED, VMM_STATUS_OK);
	if (!vmm->config.insn_hz && atomic_exchange(&vmm->want_input, 0))
		input_more(&vmm->input);
	run_device_timers(vmm);
	advance(vmm);
}

static void on_deadline(uv_timer_t *timer)
{
	struct vmm *vmm = timer->data;

	if (vmm->phase == PHASE_RUNNING)
		end_machine(vmm, VMM_END_TIMEOUT, VMM_STATUS_TIMEOUT);
	else
		vmm->abandon = 1;
	advance(vmm);
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct vmm *vmm = handle->data;

	if (vmm->phase == PHASE_RUNNING) {
		uv_mutex_lock(&vmm->lock);
		if (machine_end(vmm, VMM_END_SIGNAL, VMM_STATUS_SIGNAL + number))
			vmm->result.signal = number;
		uv_mutex_unlock(&vmm->lock);
	} else {
		vmm->abandon = 1; /* the second one: the console is stuck, so do not wait for it */
	}
	advance(vmm);
}

#ifdef SIGCONT
static void on_continue(uv_signal_t *handle, int number)
{
	struct vmm *vmm = handle->data;

	(void)number;
	input_resume(&vmm->input);
}
#endif

static void watch_signal(struct vmm *vmm, int number, uv_signal_cb callback)
{
	uv_signal_t *handle = &vmm->signals[vmm->signal_count];

	if (uv_signal_init(&vmm->loop, handle))
		return;
	handle->data = vmm;
	vmm->signal_count++;
	uv_signal_start(handle, callback, number);
}

static void watch_signals(struct vmm *vmm)
{
	watch_signal(vmm, SIGTERM, on_signal);
	watch_signal(vmm, SIGINT, on_signal);
	watch_signal(vmm, SIGHUP, on_signal);
#ifdef SIGBREAK
	watch_signal(vmm, SIGBREAK, on_signal);
#endif
#ifdef SIGCONT
	watch_signal(vmm, SIGCONT, on_continue);
#endif
#ifdef SIGPIPE
	signal(SIGPIPE, SIG_IGN); /* a reader of the console that goes away is an error of write */
#endif
}

static size_t feed(void *opaque, const uint8_t *data, size_t size)
{
	struct vmm *vmm = opaque;
	size_t taken = size;

	uv_mutex_lock(&vmm->lock);
	if (vmm->platform && !vmm->ended)
		taken = vmm->arch->input(vmm, data, size);
	uv_mutex_unlock(&vmm->lock);
	return taken;
}

static void quit(void *opaque)
{
	end_machine(opaque, VMM_END_QUIT, VMM_STATUS_OK);
}

static void say(void *opaque, const char *text)
{
	struct vmm *vmm = opaque;

	while (*text && console_put(vmm->console, (uint8_t)*text))
		text++;
}

static void open_handles(struct vmm *vmm)
{
	uv_timer_init(&vmm->loop, &vmm->device_timer);
	uv_timer_init(&vmm->loop, &vmm->deadline);
	vmm->device_timer.data = vmm->deadline.data = vmm;
	uv_update_time(&vmm->loop); /* timers count from the loop's idea of now, which is as old as the machine */
	if (vmm->config.timeout_ms)
		uv_timer_start(&vmm->deadline, on_deadline, vmm->config.timeout_ms, 0);
	if (vmm->config.handle_signals)
		watch_signals(vmm);
	vmm->input.feed = feed;
	vmm->input.quit = quit;
	vmm->input.say = say;
	vmm->input.opaque = vmm;
	vmm->input.file_only = vmm->config.insn_hz != 0;
	if (vmm->config.console == VMM_CONSOLE_STDIO)
		input_start(&vmm->input, &vmm->loop);
}

static void close_handles(struct vmm *vmm)
{
	input_stop(&vmm->input);
	uv_close((uv_handle_t *)&vmm->device_timer, NULL);
	uv_close((uv_handle_t *)&vmm->deadline, NULL);
	for (unsigned i = 0; i < vmm->signal_count; i++)
		uv_close((uv_handle_t *)&vmm->signals[i], NULL);
	vmm->signal_count = 0;
	for (int i = 0; i < 4; i++) /* closing takes a turn or two of the loop */
		uv_run(&vmm->loop, UV_RUN_NOWAIT);
}

static void fill_result(struct vmm *vmm, uint64_t started)
{
	uint64_t marker = console_marker_at(vmm->console);
	struct vmm_result *result = &vmm->result;

	result->marker_ms = marker ? (int64_t)((marker - vmm->created_at) / NS_PER_MS) : -1;
	result->run_ms = (int64_t)((uv_hrtime() - started) / NS_PER_MS);
	if (vmm->console->failed && !*result->text)
		snprintf(result->text, sizeof(result->text), "the console's output was lost: %s",
			 uv_strerror(vmm->console->failed));
}

int vmm_run(struct vmm *vmm, struct vmm_result *result)
{
	uint64_t started = uv_hrtime();
	struct vmm_error error;

	if (vmm->phase == PHASE_NEW) {
		vmm->phase = PHASE_RUNNING;
		open_handles(vmm);
		if (vcpus_start(vmm, &error) < 0)
			snprintf(vmm->result.text, sizeof(vmm->result.text), "%s", error.text);
		uv_async_send(&vmm->wake); /* a stop may have been requested before */
		uv_run(&vmm->loop, UV_RUN_DEFAULT);
		close_handles(vmm);
		fill_result(vmm, started);
	}
	*result = vmm->result;
	return result->status;
}
