/* test_vmm_machine.c - whole machines with guests of a few instructions, on every accelerator that this host has: how a
 * run ends, what the console gets, what happens to the terminal. test-labels: threads test-timeout: 300 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <fcntl.h>
#include <pty.h>

#include <cmocka.h>
#include <uv.h>

#include "accels.h"
#include "vmm.h"

static vma_accel accel;
static char path[] = "/tmp/test_vmm_machine_XXXXXX";
static char output[1 << 20];
static size_t output_size;
static unsigned slow_us;

static void take_output(void *opaque, const void *data, size_t size)
{
	(void)opaque;
	if (slow_us)
		usleep(slow_us);
	if (size > sizeof(output) - output_size)
		size = sizeof(output) - output_size;
	memcpy(output + output_size, data, size);
	output_size += size;
}

static void write_guest(const void *code, size_t size)
{
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(code, 1, size, file), size);
	fclose(file);
}

static struct vmm_config config_for(const void *code, size_t size)
{
	struct vmm_config config = {.size = sizeof(config),
				    .accel = accel,
				    .mem = 4 << 20,
				    .kernel = path,
				    .flat = 1,
				    .flat_address = 0x100000,
				    .console = VMM_CONSOLE_CALLBACK,
				    .console_write = take_output,
				    .timeout_ms = 60000,
				    .debug_exit = 1};

	write_guest(code, size);
	output_size = 0;
	slow_us = 0;
	return config;
}
#define GUEST(code) config_for((code), sizeof(code))

static struct vmm *create(const struct vmm_config *config)
{
	struct vmm_error error = {0, ""};
	struct vmm *vmm;

	if (vmm_create(config, &vmm, &error) < 0)
		fail_msg("%s", error.text);
	return vmm;
}

static struct vmm_result run(const struct vmm_config *config)
{
	struct vmm *vmm = create(config);
	struct vmm_result result;

	int status = vmm_run(vmm, &result);

	assert_int_equal(status, result.status);
	assert_int_equal(vmm_accel(vmm), accel);
	vmm_destroy(vmm);
	return result;
}

static void assert_end(const struct vmm_result *result, enum vmm_end end, int status)
{
	if (result->end != end || result->status != status)
		fail_msg("ended by %s with %d (%s), not by %s with %d\n%s", vmm_end_text(result->end), result->status,
			 result->text, vmm_end_text(end), status, result->dump);
}

static void assert_output(const char *text)
{
	assert_int_equal(output_size, strlen(text));
	assert_memory_equal(output, text, output_size);
}

/* mov dx,0x3f8; "hi\n" byte by byte; mov al,21; out 0xf4,al. The same bytes mean the same in 32-bit mode. */
static const uint8_t hello[] = {0x66, 0xba, 0xf8, 0x03, 0xb0, 'h', 0xee, 0xb0, 'i',
				0xee, 0xb0, '\n', 0xee, 0xb0, 21,  0xe6, 0xf4, 0xf4};
static const uint8_t hello_16[] = {0xba, 0xf8, 0x03, 0xb0, 'r', 0xee, 0x8c, 0xc8, 0x88, 0xe0, 0xe6, 0xf4, 0xf4};
static const uint8_t spin[] = {0xeb, 0xfe};
static const uint8_t halt[] = {0xf4, 0xeb, 0xfd};
static const uint8_t crash[] = {0x48, 0xc7, 0xc0, 0x34, 0x12, 0x00, 0x00, 0x0f, 0x0b}; /* mov rax,0x1234; ud2: no IDT */
/* mov dx,0x604; mov ax,0x3400; out dx,ax; hlt: ACPI S5 */
static const uint8_t power_off[] = {0x66, 0xba, 0x04, 0x06, 0x66, 0xb8, 0x00, 0x34, 0x66, 0xef, 0xf4};
/* prints R, then resets through 0xcf9 */
static const uint8_t reset[] = {0x66, 0xba, 0xf8, 0x03, 0xb0, 'R',  0xee, 0x66,
				0xba, 0xf9, 0x0c, 0xb0, 0x06, 0xee, 0xf4};

static void prints_and_exits(void **state)
{
	struct vmm_config config = GUEST(hello);
	struct vmm_result result;

	(void)state;
	config.marker = "hi";
	result = run(&config);
	assert_end(&result, VMM_END_DEBUG_EXIT, 43);
	assert_output("hi\n");
	assert_true(result.marker_ms >= 0 && result.exits >= 4);
	config.flat_bits = 32;
	config.marker = "ho";
	output_size = 0;
	result = run(&config);
	assert_end(&result, VMM_END_DEBUG_EXIT, 43);
	assert_int_equal(result.marker_ms, -1);
}

/* Real mode: CS is the segment that the address lies in. */
static void real_mode(void **state)
{
	struct vmm_config config = GUEST(hello_16);
	struct vmm_result result;

	(void)state;
	config.flat_bits = 16;
	config.flat_address = 0x21200;
	result = run(&config);
	assert_output("r");
	assert_end(&result, VMM_END_DEBUG_EXIT, 0x20 << 1 | 1);
}

static void debug_exit_is_asked_for(void **state)
{
	struct vmm_config config = GUEST(hello);
	struct vmm_result result;

	(void)state;
	config.debug_exit = 0;
	config.timeout_ms = 300;
	result = run(&config);
	assert_end(&result, VMM_END_TIMEOUT, VMM_STATUS_TIMEOUT);
	assert_output("hi\n");
}

static void powers_off(void **state)
{
	struct vmm_config config = GUEST(power_off);
	struct vmm_result result = run(&config);

	(void)state;
	assert_end(&result, VMM_END_POWER_OFF, VMM_STATUS_OK);
}

static void resets(void **state)
{
	struct vmm_config config = GUEST(reset);
	struct vmm_result result = run(&config);

	(void)state;
	assert_end(&result, VMM_END_RESET, VMM_STATUS_OK);
	assert_output("R");
	config.on_reset = VMM_RESET_REBOOT;
	config.reset_limit = 2;
	config.cpus = 2;
	output_size = 0;
	result = run(&config);
	assert_end(&result, VMM_END_RESET, VMM_STATUS_OK);
	assert_int_equal(result.resets, 2);
	assert_output("RRR");
}

static void crashes(void **state)
{
	struct vmm_config config = GUEST(crash);
	struct vmm_result result = run(&config);

	(void)state;
	assert_end(&result, VMM_END_CRASH, VMM_STATUS_CRASH);
	assert_non_null(strstr(result.text, "triple fault"));
	assert_non_null(strstr(result.dump, "rip 0000000000100007"));
	assert_non_null(strstr(result.dump, "rax 0000000000001234"));
	assert_non_null(strstr(result.dump, "code 0f 0b"));
}

static void times_out(void **state)
{
	struct vmm_config config = GUEST(spin);
	struct vmm_result result;

	(void)state;
	config.timeout_ms = 200;
	config.cpus = 2;
	result = run(&config);
	assert_end(&result, VMM_END_TIMEOUT, VMM_STATUS_TIMEOUT);
	assert_true(result.run_ms >= 190);
}

static void stop_later(void *arg)
{
	usleep(100000);
	vmm_request_stop(arg);
}

static void stops(void **state)
{
	static const uint8_t *const guests[] = {spin, halt};
	static const size_t sizes[] = {sizeof(spin), sizeof(halt)};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct vmm_config config = config_for(guests[i & 1], sizes[i & 1]);
		struct vmm *vmm = create(&config);
		struct vmm_result result;
		uv_thread_t thread;

		if (i < 2)
			assert_int_equal(uv_thread_create(&thread, stop_later, vmm), 0);
		else
			vmm_request_stop(vmm); /* before it runs */
		vmm_run(vmm, &result);
		if (i < 2)
			uv_thread_join(&thread);
		vmm_destroy(vmm);
		assert_end(&result, VMM_END_STOPPED, VMM_STATUS_OK);
	}
}

static void kill_later(void *arg)
{
	(void)arg;
	usleep(100000);
	kill(getpid(), SIGTERM);
}

static void stops_by_signal(void **state)
{
	struct vmm_config config = GUEST(halt);
	struct vmm_result result;
	uv_thread_t thread;

	(void)state;
	config.handle_signals = 1;
	assert_int_equal(uv_thread_create(&thread, kill_later, NULL), 0);
	result = run(&config);
	uv_thread_join(&thread);
	assert_end(&result, VMM_END_SIGNAL, 128 + SIGTERM);
	assert_int_equal(result.signal, SIGTERM);
}

static uint64_t cpu_us(void)
{
	uv_rusage_t usage;

	uv_getrusage(&usage);
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* A guest that halts costs nothing: less than 3 % of a core. */
static void idle_is_free(void **state)
{
	struct vmm_config config = GUEST(halt);
	struct vmm *vmm;
	struct vmm_result result;
	uint64_t before;

	(void)state;
	config.timeout_ms = 1000;
	vmm = create(&config);
	before = cpu_us();
	vmm_run(vmm, &result);
	assert_true(cpu_us() - before < 30000);
	vmm_destroy(vmm);
	assert_end(&result, VMM_END_TIMEOUT, VMM_STATUS_TIMEOUT);
}

/* mov ecx,200000; l: mov eax,ecx; out dx,al; loop l; out 0xf4 - without ever looking whether the port is ready, to a
 * console that is slower than that: every byte arrives. */
static void slow_console(void **state)
{
	static const uint8_t code[] = {0x66, 0xba, 0xf8, 0x03, 0xb9, 0x40, 0x0d, 0x03, 0x00,
				       0x89, 0xc8, 0xee, 0xe2, 0xfb, 0xe6, 0xf4, 0xf4};
	struct vmm_config config = GUEST(code);
	struct vmm_result result;

	(void)state;
	slow_us = 20000;
	result = run(&config);
	assert_end(&result, VMM_END_DEBUG_EXIT, 3);
	assert_int_equal(output_size, 200000);
	for (uint32_t i = 0; i < output_size; i++)
		if ((uint8_t)output[i] != (uint8_t)(200000 - i))
			fail_msg("byte %u is wrong", i);
}

/* lea rsi,[rip+text]; mov ecx,6; mov dx,0x3f8; rep outsb; then out 0xf4,al with al = 0 */
static void string_output(void **state)
{
	static const uint8_t code[] = {0x48, 0x8d, 0x35, 0x10, 0x00, 0x00, 0x00, 0xb9, 0x06, 0x00,
				       0x00, 0x00, 0x66, 0xba, 0xf8, 0x03, 0xf3, 0x6e, 0x31, 0xc0,
				       0xe6, 0xf4, 0xf4, 's',  't',  'r',  'i',  'n',  'g'};
	struct vmm_config config = GUEST(code);
	struct vmm_result result = run(&config);

	(void)state;
	assert_end(&result, VMM_END_DEBUG_EXIT, 1);
	assert_output("string");
}

static void console_to_file(void **state)
{
	struct vmm_config config = GUEST(hello);
	char name[64], text[16] = "";
	struct vmm_result result;
	FILE *file;

	(void)state;
	snprintf(name, sizeof(name), "%s.console", path);
	config.console = VMM_CONSOLE_FILE;
	config.console_path = name;
	result = run(&config);
	assert_end(&result, VMM_END_DEBUG_EXIT, 43);
	file = fopen(name, "r");
	assert_non_null(file);
	assert_int_equal(fread(text, 1, sizeof(text), file), 3);
	fclose(file);
	unlink(name);
	assert_string_equal(text, "hi\n");
}

/* l: in LSR; test al,1; jz l; in al,RBR; out THR,al; cmp al,'.'; jne l; out 0xf4: echoes up to a full stop */
static const uint8_t echo[] = {0x66, 0xba, 0xfd, 0x03, 0xec, 0xa8, 0x01, 0x74, 0xfb, 0x66, 0xba,
			       0xf8, 0x03, 0xec, 0xee, 0x3c, '.',  0x75, 0xed, 0xe6, 0xf4, 0xf4};

static void child_runs_echo(void)
{
	struct vmm_config config = {.size = sizeof(config),
				    .accel = accel,
				    .mem = 4 << 20,
				    .kernel = path,
				    .flat = 1,
				    .flat_address = 0x100000,
				    .timeout_ms = 30000,
				    .debug_exit = 1,
				    .handle_signals = 1};
	struct vmm_error error = {0, ""};
	struct vmm_result result;
	struct vmm *vmm;

	if (vmm_create(&config, &vmm, &error) < 0)
		_exit(99);
	vmm_run(vmm, &result);
	vmm_destroy(vmm);
	_exit(result.status);
}

static void read_until(int fd, const char *text)
{
	char seen[4096];
	size_t n = 0;

	seen[0] = 0;
	while (!strstr(seen, text) && n < sizeof(seen) - 1 && read(fd, seen + n, 1) == 1)
		seen[++n] = 0;
	if (!strstr(seen, text))
		fail_msg("\"%s\" did not come, but \"%s\"", text, seen);
}

static int wait_status(pid_t child)
{
	int status = -1;

	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Before that the terminal itself would echo what is typed. */
static void wait_for_raw_mode(int slave)
{
	struct termios now;

	for (int i = 0; i < 1000; i++) {
		assert_int_equal(tcgetattr(slave, &now), 0);
		if (!(now.c_lflag & (ICANON | ISIG | ECHO)))
			return;
		usleep(10000);
	}
	fail_msg("the terminal never got into raw mode");
}

static pid_t start_on_terminal(int *master, int *slave, struct termios *before)
{
	pid_t child;

	write_guest(echo, sizeof(echo));
	assert_int_equal(openpty(master, slave, NULL, NULL, NULL), 0);
	assert_int_equal(tcgetattr(*slave, before), 0);
	child = fork();
	if (child == 0) {
		setsid();
		for (int fd = 0; fd < 3; fd++)
			dup2(*slave, fd);
		child_runs_echo();
	}
	wait_for_raw_mode(*slave);
	return child;
}

static void assert_terminal_is_back(int master, int slave, const struct termios *before)
{
	struct termios after;

	assert_int_equal(tcgetattr(slave, &after), 0);
	assert_int_equal(before->c_lflag, after.c_lflag);
	assert_int_equal(before->c_iflag, after.c_iflag);
	assert_int_equal(before->c_oflag, after.c_oflag);
	close(master);
	close(slave);
}

static void terminal(void **state)
{
	static const struct {
		const char *keys;
		int status;
	} ends[] = {{"xyz.", ('.' << 1 & 0xff) | 1}, {"\001x", 0}};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct termios before;
		int master, slave;
		pid_t child = start_on_terminal(&master, &slave, &before);

		assert_int_equal(write(master, "q", 1), 1);
		read_until(master, "q");
		assert_int_equal(write(master, "\001h", 2), 2);
		read_until(master, "end the machine");
		assert_int_equal(write(master, "\001\001", 2), 2);
		read_until(master, "\001");
		assert_int_equal(write(master, ends[i].keys, strlen(ends[i].keys)), strlen(ends[i].keys));
		assert_int_equal(wait_status(child), ends[i].status);
		assert_terminal_is_back(master, slave, &before);
	}
}

static void terminal_after_signals(void **state)
{
	static const struct {
		int signal, status;
	} ends[] = {{SIGTERM, 128 + SIGTERM}, {SIGHUP, 128 + SIGHUP}, {SIGSEGV, -SIGSEGV}, {SIGABRT, -SIGABRT}};

	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		struct termios before;
		int master, slave;
		pid_t child = start_on_terminal(&master, &slave, &before);

		assert_int_equal(write(master, "q", 1), 1);
		read_until(master, "q");
		kill(child, ends[i].signal);
		assert_int_equal(wait_status(child), ends[i].status);
		assert_terminal_is_back(master, slave, &before);
	}
}

/* No terminal: bytes are just bytes, Ctrl-a included; more of them than the port holds arrive in order. */
static void pipe_as_input(void **state)
{
	static char text[3000], back[3000];
	int in[2], out[2];
	size_t got = 0;
	pid_t child;

	(void)state;
	write_guest(echo, sizeof(echo));
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)(i == 5 ? 1 : i == sizeof(text) - 1 ? '.' : 'a' + i % 26);
	assert_int_equal(pipe(in) | pipe(out), 0);
	child = fork();
	if (child == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		close(in[1]);
		child_runs_echo();
	}
	close(in[0]);
	close(out[1]);
	assert_int_equal(write(in[1], text, sizeof(text)), sizeof(text));
	while (got < sizeof(back)) {
		ssize_t n = read(out[0], back + got, sizeof(back) - got);

		if (n <= 0)
			break;
		got += (size_t)n;
	}
	assert_int_equal(wait_status(child), ('.' << 1 & 0xff) | 1);
	assert_int_equal(got, sizeof(text));
	assert_memory_equal(back, text, sizeof(text));
	close(in[1]);
	close(out[0]);
}

/* Nobody reads the pipe: the end is an end all the same, after a grace period. */
static void stuck_pipe(void **state)
{
	static const uint8_t code[] = {0x66, 0xba, 0xf8, 0x03, 0xee, 0xeb, 0xfd}; /* prints for ever */
	int out[2];
	pid_t child;

	(void)state;
	write_guest(code, sizeof(code));
	assert_int_equal(pipe(out), 0);
	child = fork();
	if (child == 0) {
		dup2(out[1], 1);
		dup2(open("/dev/null", 0), 0);
		child_runs_echo();
	}
	usleep(500000);
	kill(child, SIGTERM);
	assert_int_equal(wait_status(child), 128 + SIGTERM);
	close(out[0]);
	close(out[1]);
}

static int run_on(vma_accel which)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prints_and_exits),
		cmocka_unit_test(real_mode),
		cmocka_unit_test(debug_exit_is_asked_for),
		cmocka_unit_test(powers_off),
		cmocka_unit_test(resets),
		cmocka_unit_test(crashes),
		cmocka_unit_test(times_out),
		cmocka_unit_test(stops),
		cmocka_unit_test(stops_by_signal),
		cmocka_unit_test(idle_is_free),
		cmocka_unit_test(slow_console),
		cmocka_unit_test(string_output),
		cmocka_unit_test(console_to_file),
		cmocka_unit_test(terminal),
		cmocka_unit_test(terminal_after_signals),
		cmocka_unit_test(pipe_as_input),
		cmocka_unit_test(stuck_pipe),
	};

	accel = which;
	printf("on %s:\n", vma_accel_name(which));
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Requests that cannot be met, with the words that name them; no accelerator is needed. */
static void refusals(void **state)
{
	static const struct {
		struct vmm_config config;
		int status;
		const char *says;
	} cases[] = {
		{{.kernel = NULL}, VMM_STATUS_USAGE, "no kernel"},
		{{.kernel = "/nonexistent/kernel"}, VMM_STATUS_USAGE, "/nonexistent/kernel: no such file"},
		{{.kernel = path, .mem = 4097}, VMM_STATUS_USAGE, "4097 bytes of memory"},
		{{.kernel = path, .mem = 1ull << 60}, VMM_STATUS_USAGE, "bytes of memory"},
		{{.kernel = path, .cpus = 1000}, VMM_STATUS_USAGE, "1000 CPUs"},
		{{.kernel = path, .arch = VMA_ARCH_ARM64}, VMM_STATUS_USAGE, "ends within its header"},
		{{.kernel = path, .arch = VMA_ARCH_ARM64, .debug_exit = 1}, VMM_STATUS_USAGE, "is a port"},
		{{.kernel = path, .arch = VMA_ARCH_ARM64, .entry = VMM_ENTRY_CLASSIC}, VMM_STATUS_USAGE, "no classic entry"},
		{{.kernel = path, .console = VMM_CONSOLE_FILE, .console_path = "/nonexistent/log"},
		 VMM_STATUS_USAGE,
		 "/nonexistent/log"},
		{{.kernel = path, .initrd = "/"}, VMM_STATUS_USAGE, "/: not a regular file"},
		{{.kernel = path, .accel = VMA_ACCEL_HVF, .flat = 1, .flat_address = 0x1000},
		 VMM_STATUS_ACCEL,
		 "hvf"},
		{{.kernel = path}, VMM_STATUS_USAGE, "not a kernel"},
	};

	(void)state;
	write_guest(hello, sizeof(hello));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vmm_config config = cases[i].config;
		struct vmm_error error = {0, ""};
		struct vmm *vmm;

		config.size = sizeof(config);
		if (!config.console_path)
			config.console = VMM_CONSOLE_NONE;
		assert_int_equal(vmm_create(&config, &vmm, &error), -1);
		assert_null(vmm);
		if (!strstr(error.text, cases[i].says))
			fail_msg("\"%s\" does not say \"%s\"", error.text, cases[i].says);
		assert_int_equal(error.status, cases[i].status);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(refusals)};
	int fd = mkstemp(path), failed;

	close(fd);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	for (size_t i = 0; i < ACCELS; i++)
		if (have(accels[i]))
			failed += run_on(accels[i]);
		else
			printf("%s is not available\n", vma_accel_name(accels[i]));
	unlink(path);
	return failed;
}
