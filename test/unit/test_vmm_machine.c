/* test_vmm_machine.c - whole machines with guests of a few instructions, on every accelerator that this host has: how a
 * run ends, what the console gets. test-labels: threads test-timeout: 300 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "test_vmm_guest.h"

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

static int run_on(void)
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
		cmocka_unit_test(idle_is_free),
		cmocka_unit_test(slow_console),
		cmocka_unit_test(string_output),
		cmocka_unit_test(console_to_file),
	};

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
	int failed;

	begin_guests();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed + on_each_accel(run_on);
}
