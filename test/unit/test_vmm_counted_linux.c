/* test_vmm_counted_linux.c - Debian's kernel for some instructions in one piece, and cut into thousands of irregular
 * ones: the same state, the same output. 77: no guest was fetched. test-labels: release */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmm.h"

enum { EXIT_SKIPPED = 77 };
static const char *kernel;

struct text {
	char bytes[1 << 18];
	size_t size;
};

static void take(void *opaque, const void *data, size_t size)
{
	struct text *t = opaque;

	if (size > sizeof(t->bytes) - t->size)
		size = sizeof(t->bytes) - t->size;
	memcpy(t->bytes + t->size, data, size);
	t->size += size;
}

static struct vmm_result boot(const char *cpu_model, uint32_t slice, struct text *text)
{
	struct vmm_config config = {.size = sizeof(config),
				    .cpu_model = cpu_model,
				    .mem = 96 << 20,
				    .kernel = kernel,
				    .append = "console=ttyS0 earlyprintk=ttyS0",
				    .console = VMM_CONSOLE_CALLBACK,
				    .console_write = take,
				    .console_opaque = text,
				    .max_insns = 120000000,
				    .slice = slice};
	struct vmm_error error = {0, ""};
	struct vmm *vmm;
	struct vmm_result result;

	text->size = 0;
	if (vmm_create(&config, &vmm, &error) < 0)
		fail_msg("%s", error.text);
	vmm_run(vmm, &result);
	vmm_destroy(vmm);
	assert_int_equal(result.end, VMM_END_BUDGET);
	return result;
}

static void slices_do_not_show(void **state)
{
	static const char *const models[] = {NULL, "max"};
	static struct text whole, sliced;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct vmm_result first = boot(models[i], 0, &whole), second = boot(models[i], 5000, &sliced);

		assert_true(second.exits > first.exits + 20000);
		assert_string_equal(second.state, first.state);
		assert_true(whole.size > 2000);
		assert_int_equal(sliced.size, whole.size);
		assert_memory_equal(sliced.bytes, whole.bytes, whole.size);
	}
}

/* The guest's folder is relative to the source's, of which CTest's is a grandchild. */
static int find_kernel(void)
{
	static const char *const from[] = {"", "../../"};
	static char path[4096];
	const char *guest = getenv("VMA_GUEST");

	kernel = path;
	for (unsigned i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s%s/vmlinuz", from[i], guest ? guest : "build/guest");
		if (!access(path, R_OK))
			return 1;
	}
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(slices_do_not_show)};

	if (!find_kernel()) {
		printf("no guest: scripts/deps guest\n");
		return EXIT_SKIPPED;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
