/* test_whpx_functions.c - WinHvPlatform.dll without one function or another: what came after Windows 10 1803 takes away what needs it and nothing
 * else, one that has always been there makes the DLL a foreign one, and without anything of 2004's Windows is too old. test-timeout: 300 */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "life.h"
#include "os/os.h"
#include "sim/whpx/notimpl.h"
#include "sim/whpx/whpsim.h"
#include "whpx/whpx.h"

enum { CHIP = VMA_CAP_IRQCHIP | VMA_CAP_MSI | VMA_CAP_IRQFD, ECX_XSAVE = 1 << 26, ECX_AVX = 1 << 28 };

/* Windows 11 has WHv{Get,Set}VirtualProcessorState in place of the older pairs. */
static const char *const windows[] = {"2004", "11"};
enum { WINDOWS = sizeof windows / sizeof *windows };
static const struct {
	const char *name;
	uint32_t lost[WINDOWS];
} optional[] = {
	{"WHvQueryGpaRangeDirtyBitmap", {VMA_CAP_DIRTY_LOG, VMA_CAP_DIRTY_LOG}},
	{"WHvRequestInterrupt", {CHIP, CHIP}},
	{"WHvGetVirtualProcessorInterruptControllerState2", {CHIP, 0}},
	{"WHvSetVirtualProcessorInterruptControllerState2", {CHIP, 0}},
	{"WHvGetVirtualProcessorXsaveState", {VMA_CAP_XSAVE, 0}},
	{"WHvSetVirtualProcessorXsaveState", {VMA_CAP_XSAVE, 0}},
	{"WHvGetVirtualProcessorState", {0, 0}},
	{"WHvSetVirtualProcessorState", {0, 0}},
	{"WHvAdviseGpaRange", {0, 0}},
	{"WHvSuspendPartitionTime", {0, 0}},
	{"WHvResumePartitionTime", {0, 0}},
	{"WHvRegisterPartitionDoorbellEvent", {0, 0}},
	{"WHvUnregisterPartitionDoorbellEvent", {0, 0}},
};
enum { OPTIONAL = sizeof optional / sizeof *optional };

/* ------ a process each: the probe is done once ------ */

struct child {
	char simulated[4096];
	uint32_t caps; /* expected, where it is available */
	const char *names; /* in the version's text; NULL: none */
	FILE *out;
};

static bool probe(struct child *c, vma_platform_info *info)
{
	*info = (vma_platform_info){.size = sizeof *info};
	setenv("VMA_WHPX_SIM", c->simulated, 1);
	if (!vma_platform_find(VMA_ACCEL_WHPX, VMA_ARCH_X86_64, info))
		return true;
	fprintf(c->out, "%s", vma_why());
	return false;
}

static void tell_caps(struct child *c)
{
	vma_platform_info info;

	if (probe(c, &info))
		fprintf(c->out, "%x", info.caps);
}

/* Registers that the guest does not touch, through its runs. */
static int keep_fpu(struct life *l)
{
	vma_x86_fpu_regs f, after;
	int rc = vma_x86_get_fpu_regs(l->cpu, &f);

	memset(f.xmm[3], 0x35, sizeof f.xmm[3]);
	memset(f.xmm[15], 0xca, sizeof f.xmm[15]);
	if (!rc)
		rc = vma_x86_set_fpu_regs(l->cpu, &f);
	if (!rc)
		rc = run_to(l, 0x91);
	if (!rc)
		rc = vma_x86_get_fpu_regs(l->cpu, &after);
	return rc ? rc : memcmp(f.xmm, after.xmm, sizeof f.xmm) ? TOLD : 0;
}

/* A state with a pending INIT, where there is nobody to send it: whatever the DLL has, a refusal. */
static int pend_init(struct life *l)
{
	vma_x86_events events = {.init_pending = 1};
	int rc = vma_x86_set_events(l->cpu, &events);

	return rc ? rc : vma_vcpu_run(l->cpu);
}

static int with_life(int (*body)(struct life *l))
{
	struct life l = {0};
	int rc = configure(&l, VMA_IRQCHIP_NONE);

	if (!rc)
		rc = start(&l);
	if (!rc)
		rc = body(&l);
	vma_vm_destroy(l.vm);
	vma_mem_unref(l.mem);
	return rc;
}

static void live_all(struct child *c, uint32_t caps)
{
	static const vma_irqchip chips[] = {VMA_IRQCHIP_NONE, VMA_IRQCHIP_LIBRARY, VMA_IRQCHIP_PLATFORM};

	for (size_t i = 0; i < sizeof chips / sizeof *chips; i++) {
		int rc = life(chips[i]), want = chips[i] == VMA_IRQCHIP_PLATFORM && !(caps & VMA_CAP_IRQCHIP) ? VMA_E_NO_ACCEL : 0;

		if (rc != want)
			fprintf(c->out, "interrupt controllers %d: %d: %s", (int)chips[i], rc, vma_why());
	}
	if (with_life(keep_fpu))
		fprintf(c->out, "SSE's registers are not kept: %s", vma_why());
	if (with_life(pend_init) != VMA_E_NO_ACCEL)
		fprintf(c->out, "a pending INIT: %s", vma_why());
}

/* What is gone is refused, and not shown. */
static void refuses(struct child *c, uint32_t caps)
{
	vma_vm_config config = {.size = sizeof config, .accel = VMA_ACCEL_WHPX, .arch = VMA_ARCH_X86_64};
	vma_x86_cpuid table[256];
	size_t n = 256;
	vma_mem *mem;
	vma_vm *vm;

	if (vma_vm_create(&config, &vm) || vma_mem_anon(0x1000, &mem) || vma_x86_get_cpuid(vm, table, &n)) {
		fprintf(c->out, "%s", vma_why());
		return;
	}
	if (vma_vm_map(vm, 0, mem, 0, 0x1000, VMA_MAP_RWX | VMA_MAP_LOG) != (caps & VMA_CAP_DIRTY_LOG ? 0 : VMA_E_NO_ACCEL))
		fprintf(c->out, "a log: %s", vma_why());
	for (size_t i = 0; i < n; i++)
		if (table[i].leaf == 1 && !(table[i].ecx & ECX_XSAVE) != !(caps & VMA_CAP_XSAVE))
			fprintf(c->out, "CPUID shows %#x", table[i].ecx);
	vma_vm_destroy(vm);
	vma_mem_unref(mem);
}

static void judge_available(struct child *c)
{
	vma_platform_info info;

	if (!probe(c, &info))
		return;
	if (!info.available || info.caps != c->caps)
		fprintf(c->out, "capabilities %#x, not %#x: %s", info.caps, c->caps, info.why);
	else if (!strstr(info.version, c->names ? c->names : "WinHvPlatform.dll") || (!c->names && strstr(info.version, "without")))
		fprintf(c->out, "version: %s", info.version);
	if (!info.available)
		return;
	live_all(c, info.caps);
	refuses(c, info.caps);
	if (whpsim_breaches() || whpsim_unimplemented_calls())
		fprintf(c->out, "a breach, or a call of what is not there");
}

static void judge_refused(struct child *c)
{
	vma_platform_info info;

	if (probe(c, &info))
		fprintf(c->out, "%d|%s|%s", info.available, info.why, info.remedy);
}

/* What the child wrote. */
static const char *in_a_process(struct child *c, void (*body)(struct child *))
{
	static char text[500];
	int status;
	pid_t pid;

	c->out = tmpfile();
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		body(c);
		fflush(c->out);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	rewind(c->out);
	memset(text, 0, sizeof text);
	if (!fread(text, 1, sizeof text - 1, c->out))
		text[0] = 0;
	fclose(c->out);
	if (status)
		fail_msg("%s: status %#x, \"%s\"", c->simulated, (unsigned)status, text);
	return text;
}

static void must_be_available(struct child *c)
{
	const char *wrong = in_a_process(c, judge_available);

	if (*wrong)
		fail_msg("%s: %s", c->simulated, wrong);
}

static void simulate(struct child *c, const char *name)
{
	memset(c, 0, sizeof *c);
	snprintf(c->simulated, sizeof c->simulated, "%s", name);
}

static void without(struct child *c, const char *function)
{
	size_t at = strlen(c->simulated);

	snprintf(c->simulated + at, sizeof c->simulated - at, ",no-%s", function);
}

static uint32_t caps_of(const char *name)
{
	struct child c;

	simulate(&c, name);
	return (uint32_t)strtoul(in_a_process(&c, tell_caps), NULL, 16);
}

/* ------ the tests ------ */

static void has_a_row(const char *name)
{
	for (size_t i = 0; i < OPTIONAL; i++)
		if (!strcmp(optional[i].name, name))
			return;
	fail_msg("%s is optional, and nobody says here what goes with it", name);
}

static void each_optional_one(void **state)
{
	struct child c;

	(void)state;
#define X(name, ...) has_a_row("WHv" #name);
	WHPX_OPTIONAL(X)
#undef X
	for (int w = 0; w < WINDOWS; w++) {
		uint32_t all = caps_of(windows[w]);

		assert_int_equal(all & (CHIP | VMA_CAP_XSAVE | VMA_CAP_DIRTY_LOG), CHIP | VMA_CAP_XSAVE | VMA_CAP_DIRTY_LOG);
		for (size_t i = 0; i < OPTIONAL; i++) {
			simulate(&c, windows[w]);
			without(&c, optional[i].name);
			c.caps = all & ~optional[i].lost[w];
			c.names = optional[i].lost[w] ? optional[i].name : NULL;
			must_be_available(&c);
		}
	}
}

/* The older pairs have one substitute, and with that gone too what they carry is. */
static void several(void **state)
{
	uint32_t all = caps_of("11"), gone = 0;
	struct child c;

	(void)state;
	simulate(&c, "11");
	without(&c, "WHvGetVirtualProcessorXsaveState");
	without(&c, "WHvSetVirtualProcessorXsaveState");
	without(&c, "WHvGetVirtualProcessorInterruptControllerState2");
	without(&c, "WHvSetVirtualProcessorInterruptControllerState2");
	c.caps = all;
	must_be_available(&c);
	without(&c, "WHvSetVirtualProcessorState");
	c.caps = all & ~(uint32_t)(CHIP | VMA_CAP_XSAVE);
	c.names = "WinHvPlatform.dll without WHvSetVirtualProcessorInterruptControllerState2, WHvSetVirtualProcessorXsaveState";
	must_be_available(&c);
	simulate(&c, "11");
	for (size_t i = 0; i < OPTIONAL; i++) {
		without(&c, optional[i].name);
		gone |= optional[i].lost[0];
	}
	c.caps = all & ~gone;
	c.names = "without";
	must_be_available(&c);
}

static void is_refused(struct child *c, const char *why, const char *why2, const char *remedy)
{
	const char *text = in_a_process(c, judge_refused);

	if (*text != '0' || !strstr(text, why) || !strstr(text, why2) || !strstr(text, remedy))
		fail_msg("%s: %s", c->simulated, text);
}

static void each_required_one(void **state)
{
	static const char *const required[] = {
#define X(name) "WHv" #name,
		WHPX_REQUIRED(X)
#undef X
	};
	struct child c;

	(void)state;
	for (size_t i = 0; i < sizeof required / sizeof *required; i++)
		for (int w = 0; w < WINDOWS; w++) {
			simulate(&c, windows[w]);
			without(&c, required[i]);
			is_refused(&c, "WinHvPlatform.dll has no ", required[i], "sfc /scannow");
		}
}

/* Any function of 2004's, or of what came later, shows that Windows is new enough. */
static void too_old(void **state)
{
	static const char *const of_2004[] = {
#define X(name, since, arguments) since == 2004 ? #name : "",
		WHP_PLATFORM_FUNCTIONS(X)
#undef X
	};
	const char *left = NULL;
	struct child c;

	(void)state;
	simulate(&c, "2004");
	for (size_t i = 0; i < sizeof of_2004 / sizeof *of_2004; i++) {
		if (!*of_2004[i])
			continue;
		if (left)
			without(&c, left);
		left = of_2004[i];
	}
	assert_non_null(left);
	c.caps = caps_of(c.simulated);
	assert_int_not_equal(c.caps, 0);
	without(&c, left);
	is_refused(&c, "this Windows is older than Windows 10 version 2004", "", "update Windows");
	simulate(&c, "1809");
	is_refused(&c, "this Windows is older than Windows 10 version 2004", "", "update Windows");
	simulate(&c, "1803");
	is_refused(&c, "this Windows is older than Windows 10 version 2004", "", "update Windows");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_optional_one),
		cmocka_unit_test(several),
		cmocka_unit_test(each_required_one),
		cmocka_unit_test(too_old),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
