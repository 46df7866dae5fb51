/* test_vmm_process.c - a machine in a process of its own, on every accelerator that this host has: ended by signals, at
 * a terminal and what becomes of that, between pipes. test-labels: threads posix test-timeout: 300 */
#include <fcntl.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "test_vmm_guest.h"

static const uint8_t halt[] = {0xf4, 0xeb, 0xfd};

static struct vmm_config config_for_guest(void)
{
	return (struct vmm_config){.size = sizeof(struct vmm_config),
				   .accel = accel,
				   .mem = 4 << 20,
				   .kernel = path,
				   .flat = 1,
				   .flat_address = 0x100000,
				   .timeout_ms = 30000,
				   .debug_exit = 1,
				   .handle_signals = 1};
}

static void kill_later(void *arg)
{
	(void)arg;
	usleep(100000);
	kill(getpid(), SIGTERM);
}

static void stops_by_signal(void **state)
{
	struct vmm_config config = config_for_guest();
	struct vmm_error error = {0, ""};
	struct vmm_result result;
	uv_thread_t thread;
	struct vmm *vmm;

	(void)state;
	write_guest(halt, sizeof(halt));
	config.console = VMM_CONSOLE_NONE;
	assert_int_equal(vmm_create(&config, &vmm, &error), 0);
	assert_int_equal(uv_thread_create(&thread, kill_later, NULL), 0);
	vmm_run(vmm, &result);
	uv_thread_join(&thread);
	vmm_destroy(vmm);
	assert_int_equal(result.end, VMM_END_SIGNAL);
	assert_int_equal(result.status, 128 + SIGTERM);
	assert_int_equal(result.signal, SIGTERM);
}

/* l: in LSR; test al,1; jz l; in al,RBR; out THR,al; cmp al,'.'; jne l; out 0xf4: echoes up to a full stop */
static const uint8_t echo[] = {0x66, 0xba, 0xfd, 0x03, 0xec, 0xa8, 0x01, 0x74, 0xfb, 0x66, 0xba,
			       0xf8, 0x03, 0xec, 0xee, 0x3c, '.',  0x75, 0xed, 0xe6, 0xf4, 0xf4};

static void child_runs_echo(void)
{
	struct vmm_config config = config_for_guest();
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

static int run_on(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stops_by_signal),
		cmocka_unit_test(terminal),
		cmocka_unit_test(terminal_after_signals),
		cmocka_unit_test(pipe_as_input),
		cmocka_unit_test(stuck_pipe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	begin_guests();
	return on_each_accel(run_on);
}
