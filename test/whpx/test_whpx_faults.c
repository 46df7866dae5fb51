/* test_whpx_faults.c - WHPX: each call of the platform in the life of a VM fails in turn, with each HRESULT that is documented, and so does each
 * call of the operating system and each allocation: an error whose sentence names the call and the code, no crash, no leak (the sanitizer
 * looks), and the same done again works. test-labels: heavy test-timeout: 600 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "life.h"
#include "os/os.h"
#include "sim/whpx/config.h"
#include "sim/whpx/whpsim.h"
#include "whpx/whpx.h"
#include "whpx/whpx_hresults.h"

/* ------ what fails ------ */

/* All that have words; the last is one that nobody knows. */
static const struct {
	HRESULT hr;
	const char *text, *remedy;
} codes[] = {
#define X(hr, error, text, remedy) {hr, #hr ": " text, remedy},
	WHPX_HRESULTS(X)
#undef X
	{WHP_HRESULT(0x8000ffffu), "", ""},
};
enum { CODES = sizeof codes / sizeof *codes };

static int calls, fail_at, fail_with;
static const char *only;        /* count this call's alone */
static char failed[64];
static pthread_t tester;
static bool os_only; /* count the calls of the operating system alone */
static enum phase failed_in;

struct called {
	char name[64];
	int count;
};
static struct called seen[64];
static int seen_count;

static void note(const char *call)
{
	int i = 0;

	while (i < seen_count && strcmp(seen[i].name, call))
		i++;
	assert_true(i < 64);
	if (i == seen_count)
		snprintf(seen[seen_count++].name, sizeof seen[i].name, "%s", call);
	seen[i].count++;
}

static int seen_of(const char *call)
{
	for (int i = 0; i < seen_count; i++)
		if (!strcmp(seen[i].name, call))
			return seen[i].count;
	return 0;
}

static int count_call(const char *call)
{
	if ((only && strcmp(only, call)) || (os_only && !strncmp(call, "WHv", 3)))
		return 0;
	if (!only)
		note(call);
	if (++calls != fail_at)
		return 0;
	snprintf(failed, sizeof failed, "%s", call);
	failed_in = life_phase;
	snprintf(life_after, sizeof life_after, " after %s failed with %#x", call, (unsigned)fail_with);
	return !strncmp(call, "WHv", 3) || fail_with > 0 ? fail_with : ENOMEM;
}

/* This thread's; and that of the thread that cancels, while this one waits for it: what else that does comes when it likes. */
static const char cancel[] = "WHvCancelRunVirtualProcessor";
static atomic_bool waiting;
static atomic_int cancels;

static int nth_fails(const char *call)
{
	int rc = 0;

	if (pthread_equal(pthread_self(), tester))
		return count_call(call);
	if (atomic_load(&waiting) && !strcmp(call, cancel)) {
		rc = count_call(call);
		atomic_fetch_add(&cancels, 1);
	}
	return rc;
}

/* The vCPU ran, so the kick takes a cancel, and another if that fails; but where cancels are thought to be lost without a run. */
static void kick_and_wait(vma_kick *k)
{
	bool waits = vma_os_fault == nth_fails && whpx_host.tried.cancel != WHPX_OTHERWISE;
	int before = atomic_load(&cancels);

	atomic_store(&waiting, true);
	vma_kick_send(k);
	while (waits && atomic_load(&cancels) < before + 1 + !strcmp(failed, cancel))
		usleep(100);
	atomic_store(&waiting, false);
}

/* What is done without: failing changes what is offered, or how quick it is. */
static const struct {
	const char *call;
	enum phase phase;
	int at_most; /* of its calls */
	const char *reason;
} tolerated[] = {
	{"WHvGetVirtualProcessorRegisters", CREATE, 99, "asks whether this Windows has the register"},
	{"WHvSetPartitionProperty", FINALIZE, 3, "features by banks, of XSAVE, and MSRs that exit: there are older ways"},
	{"WHvSetVirtualProcessorRegisters", CREATE, 1, "MSRs: what is refused at once is tried one by one"},
	{"WHvSetVirtualProcessorRegisters", USE, 4, "the same"},
	{"WHvGetVirtualProcessorXsaveState", CREATE, 1, "its size: what it can be at most does"},
	{"WHvGetVirtualProcessorXsaveState", USE, 1, "the same"},
	{"WHvGetVirtualProcessorState", CREATE, 1, "the same"},
	{"WHvGetVirtualProcessorState", USE, 1, "the same"},
	{"WHvDeleteVirtualProcessor", END, 1, "the partition goes, with all its processors"},
	{"WHvDeletePartition", END, 1, "nobody can do anything about it"},
	{"WHvUnmapGpaRange", END, 9, "the partition goes, with all its mappings"},
	{"WHvAdviseGpaRange", USE, 99, "a hint; the access is tried again"},
	{"WHvRegisterPartitionDoorbellEvent", USE, 9, "writes exit, and the library's list signals"},
	{"calloc", USE, 2, "a doorbell's place in the list of those: the same"},
	{"WHvCancelRunVirtualProcessor", USE, 1, "it is tried again"},
	{"WHvSuspendPartitionTime", USE, 9, "the TSCs are then a little apart"},
	{"WHvRequestInterrupt", USE, 1, "a message that is refused is lost, as on a bus"},
	{"memfd_create", MAKE, 1, "plain pages"},
	{"ftruncate", MAKE, 1, "plain pages"},
};
enum { TOLERATED = sizeof tolerated / sizeof *tolerated };
static int tolerated_calls[TOLERATED], tolerated_last[TOLERATED];

static bool is_tolerated(const char *call, int n)
{
	for (size_t i = 0; i < TOLERATED; i++)
		if (!strcmp(tolerated[i].call, call) && tolerated[i].phase == failed_in) {
			tolerated_calls[i] += tolerated_last[i] != n;
			tolerated_last[i] = n;
			return tolerated_calls[i] <= tolerated[i].at_most;
		}
	return false;
}

/* ------ the sweep ------ */

static void whole(vma_irqchip irqchip)
{
	fail_at = 0;
	failed[0] = 0;
	int rc = life(irqchip);
	if (rc)
		fail_msg("after that failure: %s", vma_why());
}

/* A sentence about a call that failed so: the call, the code, what it means and what mends it. */
static bool explains(const char *why, const char *remedy, const char *call, int with)
{
	char code_text[16];

	snprintf(code_text, sizeof code_text, "0x%08x", (unsigned)with);
	for (int k = 0; k < CODES; k++)
		if (codes[k].hr == with && !(strstr(why, codes[k].text) && strstr(remedy, codes[k].remedy)))
			return false;
	return strstr(why, call) && strstr(why, code_text);
}

static void one(vma_irqchip irqchip, const char *call, int n, int with)
{
	int rc;

	only = call;
	calls = 0;
	fail_at = n;
	fail_with = with;
	failed[0] = 0;
	rc = life(irqchip);
	assert_true(failed[0]);
	if (rc == 0 && !is_tolerated(call, n))
		fail_msg("%s, call %d, fails with %#x, and nobody notices", call, n, (unsigned)with);
	if (rc == TOLD)
		rc = 1;
	if (rc < 0 && with < 0 && !explains(vma_why(), vma_why(), call, with))
		fail_msg("%s, call %d, fails with %#x, and the sentence is \"%s\"", call, n, (unsigned)with, vma_why());
	if (rc < 0)
		assert_string_not_equal(vma_error_name(rc), "VMA_E_?");
	only = NULL;
	assert_int_equal(whpsim_delete_all(), !strcmp(call, "WHvDeletePartition") && failed_in == END);
	whole(irqchip);
	assert_int_equal(whpsim_delete_all(), 0);
}

static char swept[64][64]; /* the platform's functions, of any sweep */
static int swept_count;

static void remember(const char *call)
{
	for (int i = 0; i < swept_count; i++)
		if (!strcmp(swept[i], call))
			return;
	assert_true(swept_count < 64);
	snprintf(swept[swept_count++], sizeof *swept, "%s", call);
}

/* Of the calls whose name has `part` in it. */
static void sweep(vma_irqchip irqchip, const char *part)
{
	static struct called all[64];
	int count;

	memset(tolerated_calls, 0, sizeof tolerated_calls);
	memset(tolerated_last, 0, sizeof tolerated_last);
	vma_os_fault = nth_fails;
	only = NULL;
	whole(irqchip); /* with what is done once a process */
	memset(seen, 0, sizeof seen);
	seen_count = 0;
	whole(irqchip);
	memcpy(all, seen, sizeof all);
	count = seen_count;
	for (int i = 0; i < count; i++) {
		bool native = !strncmp(all[i].name, "WHv", 3);

		if (!strstr(all[i].name, part))
			continue;
		if (native)
			remember(all[i].name);
		for (int n = 1; n <= all[i].count; n++) {
			/* each code at a call's first; two of them, in turn, at each later one */
			for (int k = 0; native && k < (n == 1 ? CODES : 2); k++)
				one(irqchip, all[i].name, n, codes[n == 1 ? k : (n * 2 + k) % CODES].hr);
			if (!native)
				one(irqchip, all[i].name, n, n & 1 ? ENOMEM : EIO);
		}
	}
	vma_os_fault = NULL;
	assert_int_equal(whpsim_breaches(), 0);
}

static void sweep_bare(void **state)
{
	(void)state;
	sweep(VMA_IRQCHIP_NONE, "");
}

static void sweep_library(void **state)
{
	(void)state;
	sweep(VMA_IRQCHIP_LIBRARY, "");
}

static void sweep_platform(void **state)
{
	(void)state;
	sweep(VMA_IRQCHIP_PLATFORM, "");
}

/* The newer pair of functions, where there are no older ones. */
static void sweep_states(void **state)
{
	struct whpx_api whole = whpx_api;

	(void)state;
	whpx_api.GetVirtualProcessorXsaveState = NULL;
	whpx_api.SetVirtualProcessorXsaveState = NULL;
	whpx_api.GetVirtualProcessorInterruptControllerState2 = NULL;
	whpx_api.SetVirtualProcessorInterruptControllerState2 = NULL;
	sweep(VMA_IRQCHIP_PLATFORM, "VirtualProcessorState");
	whpx_api = whole;
}

/* Time stands while one of several vCPUs is saved. */
static void sweep_time(void **state)
{
	(void)state;
	life_vcpus = 2;
	life_kick = vma_kick_send; /* the cancel may have been taken by the standing still */
	sweep(VMA_IRQCHIP_NONE, "PartitionTime");
	life_kick = kick_and_wait;
	life_vcpus = 1;
}

/* Pages that are not there yet: which seeds have some changes with what the life does. */
static void sweep_populate(void **state)
{
	char simulated[16];

	(void)state;
	for (int seed = 1, before = swept_count; seed <= 30 && swept_count == before; seed++) {
		snprintf(simulated, sizeof simulated, "hostile=%d", seed);
		assert_int_equal(whpsim_configure(simulated), 0);
		sweep(VMA_IRQCHIP_NONE, "AdviseGpaRange");
	}
	assert_int_equal(whpsim_configure(""), 0);
}

/* All that the back end looks up have failed, but those that are another test's. */
static void none_is_left_out(void **state)
{
	static const char *const all[] = {
#define X(name, ...) "WHv" #name,
		WHPX_REQUIRED(X) WHPX_OPTIONAL(X)
#undef X
	};

	(void)state;
	remember("WHvGetCapability");        /* probe_fails */
	remember("WHvGetPartitionProperty"); /* facts_fail */
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		int k = 0;

		while (k < swept_count && strcmp(swept[k], all[i]))
			k++;
		if (k == swept_count)
			fail_msg("%s was never called", all[i]);
	}
}

/* ------ facts for reports ------ */

static void no_fact(void *opaque, const char *key, const char *value)
{
	(void)opaque;
	assert_true(*key && *value);
}

/* Whatever fails is left out, or its HRESULT is the fact. */
static void facts_fail(void **state)
{
	int n = 0;

	(void)state;
	vma_os_fault = nth_fails;
	only = NULL;
	do {
		calls = 0;
		fail_at = ++n;
		fail_with = codes[n % CODES].hr;
		failed[0] = 0;
		seen_count = 0;
		memset(seen, 0, sizeof seen);
		assert_true(vma_platform_facts(VMA_ACCEL_WHPX, VMA_ARCH_X86_64, no_fact, NULL) > 0);
		whpsim_delete_all();
	} while (failed[0]);
	vma_os_fault = NULL;
	assert_true(n > 100);
	assert_int_not_equal(seen_of("WHvGetPartitionProperty"), 0);
}

/* ------ the probe, once a process: a process each ------ */

/* Without a capability, a register that is not needed or some width; an answer as it is believed to be; a deletion changes
 * nothing. */
static bool probe_does_without(void)
{
	static const char *const calls_[] = {
		"WHvGetCapability", "WHvDeletePartition", "WHvDeleteVirtualProcessor", "WHvUnmapGpaRange",
		"WHvCancelRunVirtualProcessor", "WHvGetVirtualProcessorRegisters", "WHvRunVirtualProcessor",
	};

	for (size_t i = 0; i < sizeof calls_ / sizeof *calls_; i++)
		if (!strcmp(failed, calls_[i]))
			return true;
	if (strncmp(failed, "WHv", 3))
		return true; /* a thread that watches a trial */
	return (!strcmp(failed, "WHvSetPartitionProperty") || !strcmp(failed, "WHvMapGpaRange")) && seen_of(failed) > 1;
}

/* 0: it is available with less or all, or it says why not; else a number for the report. */
static int probe_with_failure(void)
{
	vma_platform_info info = {.size = sizeof info};

	if (vma_platform_find(VMA_ACCEL_WHPX, VMA_ARCH_X86_64, &info))
		return 1;
	if (!failed[0])
		return 2; /* past the last call */
	if (info.available)
		return probe_does_without() || info.max_vms == 1 ||
				       (!strcmp(failed, "WHvSetupPartition") && !(info.caps & VMA_CAP_TSC_SCALE))
			       ? 0
			       : 3;
	if (!info.why || strlen(info.why) < 20 || !info.remedy)
		return 4;
	if (strncmp(failed, "WHv", 3) || !strcmp(failed, "WHvGetCapability"))
		return 0;
	return explains(info.why, info.remedy, failed, fail_with) ? 0 : 5;
}

static char (*child_failed)[sizeof failed]; /* shared: what failed there */

static int in_a_process(int n, int with, int (*body)(void))
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (!child) {
		vma_os_fault = nth_fails;
		fail_at = n;
		fail_with = with;
		status = body();
		memcpy(*child_failed, failed, sizeof failed);
		_exit(status);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* 2: past the last call. */
static int nth_of_probe(int n, int k)
{
	int rc = in_a_process(n, codes[k % CODES].hr, probe_with_failure);

	if (rc && rc != 2)
		fail_msg("call %d of the probe, %s, fails with %#x: %d", n, *child_failed, (unsigned)codes[k % CODES].hr, rc);
	return rc;
}

/* Each code at a call's first, one of them at each later one: trials of what a guest does then wait for seconds. */
static void probe_fails(void **state)
{
	int n = 1;

	(void)state;
	seen_count = 0;
	for (; nth_of_probe(n, n) != 2; n++) {
		assert_true(n < 200);
		note(*child_failed);
		for (int k = 0; seen_of(*child_failed) == 1 && k < CODES; k++)
			nth_of_probe(n, k);
	}
	assert_true(n > 5);
	memset(seen, 0, sizeof seen);
	seen_count = 0;
}

/* A process's first life does what is done once. 0: an error with a sentence or done without, and the next life is whole; 2: past the last call. */
static int first_life(void)
{
	int rc = life(VMA_IRQCHIP_NONE);

	if (!failed[0])
		return 2;
	if (rc < 0 && rc != TOLD && (strlen(vma_why()) < 10 || !strcmp(vma_error_name(rc), "VMA_E_?")))
		return 3;
	vma_os_fault = NULL;
	rc = life(VMA_IRQCHIP_NONE);
	/* the probe is not done again */
	return rc && rc != VMA_E_NO_HOST ? 4 : 0;
}

static void first_life_fails(void **state)
{
	int n, rc = 0;

	(void)state;
	os_only = true;
	for (n = 1; rc != 2; n++) {
		rc = in_a_process(n, ENOMEM, first_life);
		if (rc && rc != 2)
			fail_msg("call %d of the operating system fails in the first life: %d", n, rc);
	}
	os_only = false;
	assert_true(n > 10);
}

/* A range that is refused is named; high up the limit may be Hyper-V's, which some Windows do not tell. */
static int refuse_range(const char *call)
{
	return strcmp(call, "WHvMapGpaRange") ? 0 : E_INVALIDARG;
}

static void names_the_range(void **state)
{
	static const uint64_t gpas[] = {UINT64_C(0x12345000), UINT64_C(0xfffffe000), UINT64_C(0xfffffe000) + 0x1000};
	vma_vm_config c = {.size = sizeof c, .accel = VMA_ACCEL_WHPX, .arch = VMA_ARCH_X86_64};
	char at[40];
	vma_mem *mem;
	vma_vm *vm;

	(void)state;
	assert_int_equal(vma_vm_create(&c, &vm), 0);
	assert_int_equal(vma_vm_finalize(vm), 0);
	assert_int_equal(vma_mem_anon(0x2000, &mem), 0);
	for (size_t i = 0; i < sizeof gpas / sizeof *gpas; i++) {
		snprintf(at, sizeof at, "0x2000 bytes at %#llx", (unsigned long long)gpas[i]);
		vma_os_fault = refuse_range;
		assert_int_equal(vma_vm_map(vm, gpas[i], mem, 0, 0x2000, VMA_MAP_RWX), VMA_E_NATIVE);
		vma_os_fault = NULL;
		assert_non_null(strstr(vma_why(), at));
		assert_non_null(strstr(vma_why(), "E_INVALIDARG"));
		assert_int_equal(!!strstr(vma_why(), "Hyper-V's limit"), i == 2);
	}
	assert_int_equal(vma_vm_destroy(vm), 0);
	vma_mem_unref(mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(probe_fails), /* first: the others probe in this process */
		cmocka_unit_test(first_life_fails),
		cmocka_unit_test(sweep_bare),
		cmocka_unit_test(sweep_library),
		cmocka_unit_test(sweep_platform),
		cmocka_unit_test(sweep_states),
		cmocka_unit_test(sweep_time),
		cmocka_unit_test(sweep_populate),
		cmocka_unit_test(facts_fail),
		cmocka_unit_test(none_is_left_out), /* of the sweeps */
		cmocka_unit_test(names_the_range),
	};

	tester = pthread_self();
	child_failed = mmap(NULL, sizeof failed, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(child_failed, MAP_FAILED);
	life_kick = kick_and_wait;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
