/* test_vmm_counted.c - whole machines whose time is their instructions: devices' timers at exact moments, output that
 * does not depend on who takes it, ends that tell the count, refusals. test-labels: threads test-timeout: 300 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "vmm.h"

static char path[] = "/tmp/test_vmm_counted_XXXXXX";

struct taker {
	unsigned naps; /* of half a second: long enough for the guest to fill the console's buffer */
	uint64_t bytes, sum;
};

static void take(void *opaque, const void *data, size_t size)
{
	struct taker *t = opaque;
	const uint8_t *byte = data;

	if (t->naps) {
		t->naps--;
		uv_sleep(500);
	}
	t->bytes += size;
	for (size_t i = 0; i < size; i++)
		t->sum = t->sum * 31 + byte[i];
}

static struct vmm_config config_for(const void *code, size_t size, struct taker *taker)
{
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(code, 1, size, file), size);
	fclose(file);
	return (struct vmm_config){.size = sizeof(struct vmm_config),
				   .mem = 4 << 20,
				   .kernel = path,
				   .flat = 1,
				   .flat_address = 0x100000,
				   .console = taker ? VMM_CONSOLE_CALLBACK : VMM_CONSOLE_NONE,
				   .console_write = take,
				   .console_opaque = taker,
				   .timeout_ms = 100000,
				   .debug_exit = 1,
				   .insn_hz = 1000000000};
}
#define GUEST(code, taker) config_for((code), sizeof(code), (taker))

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

	vmm_run(vmm, &result);
	assert_int_equal(vmm_accel(vmm), VMA_ACCEL_SOFT);
	vmm_destroy(vmm);
	return result;
}

/* mov ecx, 80000; 1: mov dx, 0x3fd; xor eax, eax; in al, dx; add rbx, rax; rol rbx, 7; mov dx, 0x3f8; mov al, cl;
 * out dx, al; in al, 0x71; dec ecx; jnz 1b; mov al, 21; out 0xf4, al */
static const uint8_t talks[] = {0xb9, 0x80, 0x38, 0x01, 0x00, 0x66, 0xba, 0xfd, 0x03, 0x31, 0xc0, 0xec,
				0x48, 0x01, 0xc3, 0x48, 0xc1, 0xc3, 0x07, 0x66, 0xba, 0xf8, 0x03, 0x88,
				0xc8, 0xee, 0xe4, 0x71, 0xff, 0xc9, 0x75, 0xe5, 0xb0, 0x15, 0xe6, 0xf4};
static const uint8_t spin[] = {0xeb, 0xfe};
static const uint8_t triple[] = {0x90, 0x0f, 0x0b};

/* More than the console's buffer through a taker that sleeps, through one that does not, and to nobody. */
static void the_taker_does_not_show(void **state)
{
	struct taker fast = {0}, slow = {.naps = 2};
	struct vmm_config config = GUEST(talks, &fast);
	struct vmm_result first, second, third;

	(void)state;
	config.max_insns = 100000000;
	first = run(&config);
	assert_int_equal(first.end, VMM_END_DEBUG_EXIT);
	assert_int_equal(first.status, 43);
	assert_int_equal(fast.bytes, 80000);
	assert_int_equal(first.insns, 1 + 80000 * 11 + 2);
	assert_int_equal(first.virtual_ns, first.insns);
	config.console_opaque = &slow;
	second = run(&config);
	assert_int_equal(slow.bytes, 80000);
	assert_int_equal(slow.sum, fast.sum);
	assert_string_equal(second.state, first.state);
	config.console = VMM_CONSOLE_NONE;
	third = run(&config);
	assert_string_equal(third.state, first.state);
	config.slice = 100;
	third = run(&config);
	assert_string_equal(third.state, first.state);
	assert_int_equal(third.insns, first.insns);
	config.max_insns = first.insns - 1;
	second = run(&config);
	assert_int_equal(second.end, VMM_END_BUDGET);
	assert_int_equal(second.status, VMM_STATUS_BUDGET);
	assert_int_equal(second.insns, first.insns - 1);
	assert_string_not_equal(second.state, first.state);
}

/* Real mode: IRQ 8 is vector 70H, the clock interrupts 1024 times a second; HLT until the hundredth. */
static const uint8_t ticks[] = {
	0xfa, 0x31, 0xc0, 0x8e, 0xd8, 0x8e, 0xd0, 0xbc, 0x00, 0x70, /* cli; ds = ss = 0; mov sp, 7000h */
	0xc7, 0x06, 0xc0, 0x01, 0x00, 0x80, 0xa3, 0xc2, 0x01,       /* vector 70H: 0:8000h */
	0x8e, 0xc0, 0xbf, 0x00, 0x80, 0xe8, 0x00, 0x00, 0x5e, 0x81, 0xc6, 0x46, 0x00, 0xb9,
	0x0e, 0x00, 0xfc, 0xf3, 0x2e, 0xa4, /* the handler to there */
	0xb0, 0x11, 0xe6, 0x20, 0xe6, 0xa0, 0xb0, 0x08, 0xe6, 0x21, 0xb0, 0x70, 0xe6, 0xa1,
	0xb0, 0x04, 0xe6, 0x21, 0xb0, 0x02, 0xe6, 0xa1, 0xb0, 0x01, 0xe6, 0x21, 0xe6, 0xa1,
	0xb0, 0xfb, 0xe6, 0x21, 0xb0, 0xfe, 0xe6, 0xa1,                   /* PICs */
	0xb0, 0x0b, 0xe6, 0x70, 0xb0, 0x42, 0xe6, 0x71, 0x31, 0xdb, 0xfb, /* register B: PIE; bx = 0; sti */
	0xf4, 0x83, 0xfb, 0x64, 0x72, 0xfa, 0xb0, 0x15, 0xe6, 0xf4, 0xf4, /* hlt until bx is 100; exit */
	0x43, 0xb0, 0x0c, 0xe6, 0x70, 0xe4, 0x71, 0xb0, 0x20, 0xe6, 0xa0, 0xe6, 0x20, 0xcf}; /* inc bx; C; EOI; iret */

static void timers_fire_in_virtual_time(void **state)
{
	struct vmm_config config = GUEST(ticks, NULL);
	struct vmm_result first, second;

	(void)state;
	config.flat_bits = 16;
	config.flat_address = 0x10000;
	first = run(&config);
	assert_int_equal(first.end, VMM_END_DEBUG_EXIT);
	/* the hundredth period of 976562 ns, from the 60th instruction or so, and what the last handler takes */
	assert_in_range(first.virtual_ns, 97656200, 97656200 + 1000);
	assert_in_range(first.insns, 1000, 2000);
	second = run(&config);
	assert_int_equal(second.virtual_ns, first.virtual_ns);
	assert_string_equal(second.state, first.state);
	config.slice = 50;
	second = run(&config);
	assert_string_equal(second.state, first.state);
	config.insn_hz = 10000000; /* 100 ns each: more time in handlers, no tick lost */
	second = run(&config);
	assert_int_equal(second.end, VMM_END_DEBUG_EXIT);
	assert_in_range(second.virtual_ns, 97656200, 97656200 + 100000);
	assert_string_not_equal(second.state, first.state);
}

static void ends_are_told(void **state)
{
	struct vmm_config config = GUEST(triple, NULL);
	struct vmm_result result = run(&config);

	(void)state;
	assert_int_equal(result.end, VMM_END_CRASH);
	assert_int_equal(result.pc, 0x100001);
	assert_int_equal(strlen(result.state), 16);
	config = GUEST(spin, NULL);
	config.timeout_ms = 100;
	result = run(&config);
	assert_int_equal(result.end, VMM_END_TIMEOUT);
	assert_int_equal(strlen(result.state), 16); /* wherever it was by then */
	config.insn_hz = 0;
	config.accel = VMA_ACCEL_SOFT; /* as it is by itself where instructions are counted */
	result = run(&config);
	assert_int_equal(result.insns, 0);
	assert_string_equal(result.state, "");
}

static void stop_soon(void *opaque)
{
	uv_sleep(50);
	vmm_request_stop(opaque);
}

static void stops_from_another_thread(void **state)
{
	struct vmm_config config = GUEST(spin, NULL);
	struct vmm *vmm = create(&config);
	struct vmm_result result;
	uv_thread_t thread;

	(void)state;
	assert_int_equal(uv_thread_create(&thread, stop_soon, vmm), 0);
	vmm_run(vmm, &result);
	uv_thread_join(&thread);
	assert_int_equal(result.end, VMM_END_STOPPED);
	assert_int_equal(result.pc, 0x100000);
	vmm_destroy(vmm);
}

static uint64_t no_time(void *opaque)
{
	(void)opaque;
	return 0;
}

static void refused(const struct vmm_config *config, const char *why)
{
	struct vmm_error error = {0, ""};
	struct vmm *vmm;

	assert_int_equal(vmm_create(config, &vmm, &error), -1);
	assert_int_equal(error.status, VMM_STATUS_USAGE);
	if (!strstr(error.text, why))
		fail_msg("%s", error.text);
}

static void refusals(void **state)
{
	const struct vmm_config good = GUEST(spin, NULL);
	struct vmm_config config = good;
	vma_platform_info kvm = {.size = sizeof(kvm)};

	(void)state;
	config.cpus = 2;
	refused(&config, "has one");
	config = good;
	config.clock.monotonic_ns = no_time;
	refused(&config, "clock of its own");
	config = good;
	config.insn_hz = 5;
	refused(&config, "insn_hz 5");
	config = good;
	config.accel = VMA_ACCEL_KVM;
	if (vma_platform_find(VMA_ACCEL_KVM, VMA_ARCH_X86_64, &kvm) >= 0 && kvm.available)
		refused(&config, "kvm does not count instructions");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_taker_does_not_show),
		cmocka_unit_test(timers_fire_in_virtual_time),
		cmocka_unit_test(ends_are_told),
		cmocka_unit_test(stops_from_another_thread),
		cmocka_unit_test(refusals),
	};
	int fd = mkstemp(path), failed;

	if (fd < 0)
		return 1;
	close(fd);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return failed;
}
