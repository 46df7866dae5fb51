/* test_whpx_personalities.c - what the probe says of each Windows that the simulation can be: those that are too old and those that do not let us are
 * refused with words that help, the others are there with what they have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <vmaccel/vmaccel.h>
#include "os/os.h"
#include "whpx/whpx.h"

#define ENABLE "DISM /Online /Enable-Feature /FeatureName:HypervisorPlatform /All"
#define LAUNCH "bcdedit /set hypervisorlaunchtype auto"
static const struct {
	const char *personality, *why, *remedy; /* why NULL: available; "": the host's processor decides */
	uint32_t caps, lacks;
} rows[] = {
	{"1803", "older than Windows 10 version 2004", "update Windows", 0, 0},
	{"1809", "older than Windows 10 version 2004", "update Windows", 0, 0},
	{"11,absent", "no WinHvPlatform.dll", ENABLE, 0, 0},
	{"11,disabled", "", ENABLE "; " LAUNCH, 0, 0},
	{"11,denied", "E_ACCESSDENIED: access denied", "net localgroup \"Hyper-V Administrators\" NAME /add", 0, 0},
	{"2004,disabled", "", ENABLE "; " LAUNCH, 0, 0},
	{"2004", NULL, NULL, VMA_CAP_PARTIAL_UNMAP | VMA_CAP_DIRTY_LOG | VMA_CAP_MSR_EXIT | VMA_CAP_CPUID_EXIT | VMA_CAP_HYPERCALL_EXIT | VMA_CAP_SINGLE_STEP | VMA_CAP_TSC_SCALE,
	 VMA_CAP_CLOCK},
	{"11", NULL, NULL, VMA_CAP_PARTIAL_UNMAP | VMA_CAP_DIRTY_LOG | VMA_CAP_MSR_EXIT | VMA_CAP_CPUID_EXIT | VMA_CAP_HYPERCALL_EXIT | VMA_CAP_SINGLE_STEP, 0},
	{"11,no-hypercall-exit", NULL, NULL, VMA_CAP_HYPERCALL_EXIT, 0},
	{"11,call-unseen", NULL, NULL, VMA_CAP_SW_BREAK, VMA_CAP_HYPERCALL_EXIT},
	{"2004,call-unseen,hostile=9", NULL, NULL, VMA_CAP_SW_BREAK, VMA_CAP_HYPERCALL_EXIT},
	{"24h2", NULL, NULL, VMA_CAP_PARTIAL_UNMAP | VMA_CAP_DIRTY_LOG, 0},
	{"2004,invalidarg", NULL, NULL, VMA_CAP_DIRTY_LOG, 0},
	{"11,one-partition", NULL, NULL, VMA_CAP_DIRTY_LOG, 0},
	{"11,no-dirty", NULL, NULL, VMA_CAP_PARTIAL_UNMAP, VMA_CAP_DIRTY_LOG},
	{"11,no-partial-unmap", NULL, NULL, VMA_CAP_DIRTY_LOG, VMA_CAP_PARTIAL_UNMAP},
	{"11,no-cpuid-exit", NULL, NULL, VMA_CAP_MSR_EXIT, VMA_CAP_CPUID_EXIT},
	{"11,no-tsc-scaling", NULL, NULL, VMA_CAP_MSR_EXIT, VMA_CAP_TSC_SCALE},
	{"11,no-msr-exit", NULL, NULL, VMA_CAP_CPUID_EXIT, VMA_CAP_MSR_EXIT},
	{"11,no-exception-exit", NULL, NULL, VMA_CAP_CPUID_EXIT, VMA_CAP_SW_BREAK | VMA_CAP_HW_BREAK | VMA_CAP_HYPERCALL_EXIT},
	{"24h2,gpa36", NULL, NULL, VMA_CAP_DIRTY_LOG, 0},
};
enum { ROWS = sizeof rows / sizeof *rows };

/* What Windows may answer to the probe's set-up. */
static const struct {
	HRESULT hr;
	const char *why, *remedy;
} refusals[] = {
	{WHV_E_UNSUPPORTED_HYPERVISOR_CONFIG, "another product may own the processor", LAUNCH},
	{E_ACCESSDENIED, "E_ACCESSDENIED: access denied", "net localgroup \"Hyper-V Administrators\" NAME /add"},
	{ERROR_HV_NOT_PRESENT, "no hypervisor runs", ENABLE "; " LAUNCH},
	{ERROR_HV_FEATURE_UNAVAILABLE, "does not offer that feature", "firmware's setup"},
	{ERROR_HV_ACCESS_DENIED, "does not allow it", "run as administrator"},
	{ERROR_HV_INSUFFICIENT_MEMORY, "has not enough memory", "end other virtual machines"},
};
enum { REFUSALS = sizeof refusals / sizeof *refusals };

static HRESULT setup;
static int setup_fails(const char *call)
{
	return strcmp(call, "WHvSetupPartition") ? 0 : setup;
}

/* In a process of its own: the probe is done once. Says what is wrong, or nothing. */
static void judge(size_t i, FILE *out)
{
	vma_platform_info info = {.size = sizeof info};

	setenv("VMA_WHPX_SIM", rows[i].personality, 1);
	if (vma_platform_find(VMA_ACCEL_WHPX, VMA_ARCH_X86_64, &info))
		fprintf(out, "%s", vma_why());
	else if (!info.available != !!rows[i].why)
		fprintf(out, "%s", info.available ? "it is available" : info.why);
	else if (rows[i].why && !strstr(info.why, rows[i].why))
		fprintf(out, "why: %s", info.why);
	else if (rows[i].why && !strstr(info.remedy, rows[i].remedy))
		fprintf(out, "remedy: %s", info.remedy);
	else if ((info.caps & rows[i].caps) != rows[i].caps || info.caps & rows[i].lacks)
		fprintf(out, "capabilities %#x", info.caps);
	else if (strstr(rows[i].personality, "gpa36") && info.gpa_bits != 36)
		fprintf(out, "%u-bit guest addresses", info.gpa_bits);
	else if (info.available && (info.max_vms == 1) != !!strstr(rows[i].personality, "one-partition"))
		fprintf(out, "%u VMs at most", info.max_vms);
}

static void judge_refusal(size_t i, FILE *out)
{
	vma_platform_info info = {.size = sizeof info};

	setup = refusals[i].hr;
	vma_os_fault = setup_fails;
	if (vma_platform_find(VMA_ACCEL_WHPX, VMA_ARCH_X86_64, &info))
		fprintf(out, "%s", vma_why());
	else if (info.available || !strstr(info.why, refusals[i].why) || !strstr(info.remedy, refusals[i].remedy))
		fprintf(out, "%s: %s", info.why, info.remedy);
}

static void in_processes(size_t count, void (*body)(size_t i, FILE *out))
{
	for (size_t i = 0; i < count; i++) {
		FILE *out = tmpfile();
		char text[700] = "";
		int status;
		pid_t child = fork();

		assert_true(child >= 0);
		if (!child) {
			body(i, out);
			fflush(out);
			_exit(0);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		rewind(out);
		if (fgets(text, sizeof text, out) || status)
			fail_msg("row %zu: status %d: %s", i, status, text);
		fclose(out);
	}
}

static void probed(void **state)
{
	(void)state;
	in_processes(ROWS, judge);
}

static void set_up(void **state)
{
	(void)state;
	in_processes(REFUSALS, judge_refusal);
}

/* Asked for by name, it is refused with the same words. */
static void asked_for(void **state)
{
	vma_vm_config c = {.size = sizeof c, .accel = VMA_ACCEL_WHPX, .arch = VMA_ARCH_X86_64};
	vma_vm *vm;

	(void)state;
	setenv("VMA_WHPX_SIM", "1809", 1);
	assert_int_equal(vma_vm_create(&c, &vm), VMA_E_NO_HOST);
	assert_non_null(strstr(vma_why(), "older than Windows 10 version 2004"));
	assert_non_null(strstr(vma_why(), "update Windows"));
}

/* Of the hypervisor that CPUID names, Windows' own is no other: it runs, for other features. */
static void names_the_hypervisor(void **state)
{
	static const struct {
		const char *name, *says, *not;
	} names[] = {
		{"", "does not run", "another"},
		{"Microsoft Hv", "the Windows hypervisor runs, but", "another"},
		{"KVMKVMKVM", "another hypervisor (\"KVMKVMKVM\") does not allow it", "runs"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const char *text = whpx_absent(names[i].name);

		assert_non_null(strstr(text, names[i].says));
		assert_null(strstr(text, names[i].not));
		assert_non_null(strstr(text, "\"Windows Hypervisor Platform\" is not enabled"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(probed), cmocka_unit_test(set_up), cmocka_unit_test(names_the_hypervisor),
					   cmocka_unit_test(asked_for)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
