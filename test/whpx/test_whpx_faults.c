/* test_whpx_faults.c - WHPX: each call of the platform in the life of a VM fails in turn, with each HRESULT that is documented, and so does each
 * call of the operating system and each allocation: an error whose sentence names the call and the code, no crash, no leak (the sanitizer
 * looks), and the same done again works. test-labels: heavy test-timeout: 600 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <vmaccel/vmaccel.h>
#include <vmaccel/x86.h>
#include "os/os.h"
#include "sim/whpx/whpsim.h"
#include "whpx/whpx.h"

/* ------ what fails ------ */

/* WHP "error codes", winerror.h; the last is one that nobody knows */
static const HRESULT codes[] = {
	WHV_E_UNKNOWN_CAPABILITY,
	WHV_E_INSUFFICIENT_BUFFER,
	WHV_E_UNKNOWN_PROPERTY,
	WHV_E_UNSUPPORTED_HYPERVISOR_CONFIG,
	WHV_E_INVALID_PARTITION_CONFIG,
	WHV_E_GPA_RANGE_NOT_FOUND,
	WHV_E_VP_ALREADY_EXISTS,
	WHV_E_VP_DOES_NOT_EXIST,
	WHV_E_INVALID_VP_STATE,
	WHV_E_INVALID_VP_REGISTER_NAME,
	WHV_E_UNSUPPORTED_PROCESSOR_CONFIG,
	E_NOTIMPL,
	E_INVALIDARG,
	E_ACCESSDENIED,
	E_OUTOFMEMORY,
	WHP_HRESULT(0xc0350005u), /* ERROR_HV_INVALID_PARAMETER */
	WHP_HRESULT(0xc0350050u), /* ERROR_HV_INVALID_REGISTER_VALUE */
	WHP_HRESULT(0xc0351000u), /* ERROR_HV_NOT_PRESENT */
	WHP_HRESULT(0xc0370008u), /* ERROR_VID_PARTITION_ALREADY_EXISTS */
	WHP_HRESULT(0x8000ffffu),
};
enum { CODES = sizeof codes / sizeof *codes };

static int calls, fail_at, fail_with;
static const char *only;        /* count this call's alone */
static char failed[64];
static pthread_t tester;
static bool os_only; /* count the calls of the operating system alone */
static enum phase { MAKE, FINALIZE, CREATE, USE, END } phase, failed_in;

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

/* Only this thread's: the thread that cancels runs when it likes. */
static int nth_fails(const char *call)
{
	if (!pthread_equal(pthread_self(), tester) || (only && strcmp(only, call)) || (os_only && !strncmp(call, "WHv", 3)))
		return 0;
	if (!only)
		note(call);
	if (++calls != fail_at)
		return 0;
	snprintf(failed, sizeof failed, "%s", call);
	failed_in = phase;
	return !strncmp(call, "WHv", 3) || fail_with > 0 ? fail_with : ENOMEM;
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
	{"WHvDeleteVirtualProcessor", END, 1, "the partition goes, with all its processors"},
	{"WHvDeletePartition", END, 1, "nobody can do anything about it"},
	{"WHvUnmapGpaRange", END, 9, "the partition goes, with all its mappings"},
	{"WHvAdviseGpaRange", USE, 99, "a hint; the access is tried again"},
	{"WHvRegisterPartitionDoorbellEvent", USE, 9, "writes exit, and the library's list signals"},
	{"calloc", USE, 2, "a doorbell's place in the list of those: the same"},
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

/* ------ a life ------ */

enum { TOLD = -1000 }; /* by a number or a report: no sentence is promised */
enum { RAM = 0x100000, CODE = 0x1000, HOLE = 0x200000 };

struct life {
	vma_vm *vm;
	vma_mem *mem;
	vma_vcpu *cpu;
	uint8_t *ram;
	int event;
};

/* in al, 0x90; out 0x91, al; mov eax, [ebx]; mov [ebx], eax; add [ebx + 8], eax; mov esi, 0x3000; mov ecx, 4; rep outsb; mov edi, 0x200000;
 * mov ecx, 2; rep stosd; cpuid; mov ecx, 0x4b0000; rdmsr; mov ebx, 0x200000; mov al, [ebx]; vmcall; nop; vmmcall; sti; nop; out 0x92, al; hlt */
static const uint8_t code[] = {
	0xe4, 0x90, 0xe6, 0x91, 0x8b, 0x03, 0x89, 0x03, 0x01, 0x43, 0x08, 0xbe, 0x00, 0x30, 0x00, 0x00, 0xb9, 0x04, 0x00, 0x00, 0x00, 0xf3, 0x6e,
	0xbf, 0x00, 0x00, 0x20, 0x00, 0xb9, 0x02, 0x00, 0x00, 0x00, 0xf3, 0xab, 0x0f, 0xa2, 0xb9, 0x00, 0x00, 0x4b, 0x00, 0x0f, 0x32, 0xbb, 0x00,
	0x00, 0x20, 0x00, 0x8a, 0x03, 0x0f, 0x01, 0xc1, 0x90, 0x0f, 0x01, 0xd9, 0xfb, 0x90, 0xe6, 0x92, 0xf4,
};

static int configure(struct life *l, vma_irqchip irqchip)
{
	vma_vm_config c = {.size = sizeof c,
			   .accel = VMA_ACCEL_WHPX,
			   .arch = VMA_ARCH_X86_64,
			   .irqchip = irqchip,
			   .msr_policy = VMA_MSR_EXIT,
			   .cpuid_exits = 1,
			   .hypercall_exits = 1};
	vma_x86_cpuid table[256];
	size_t n = 256;
	int rc = vma_vm_create(&c, &l->vm);

	if (!rc)
		rc = vma_x86_get_cpuid(l->vm, table, &n);
	if (!rc)
		rc = vma_x86_set_cpuid(l->vm, table, n);
	if (!rc)
		rc = vma_vm_msr_exits(l->vm, 0x4b0000, 1, 3);
	if (!rc)
		rc = vma_mem_anon(RAM, &l->mem);
	if (rc)
		return rc;
	l->ram = vma_mem_hva(l->mem);
	memcpy(l->ram + CODE, code, sizeof code);
	return vma_vm_map(l->vm, 0, l->mem, 0, RAM, VMA_MAP_RWX | VMA_MAP_LOG);
}

static int start(struct life *l)
{
	vma_x86_regs r = {.rip = CODE, .rsp = 0x8000, .rbx = HOLE, .rflags = 2};
	const vma_x86_seg data = {.limit = 0xffffffff, .selector = 0x10, .attr = 0x93 | VMA_SEG_DB | VMA_SEG_G};
	vma_x86_sregs s;
	int rc;

	phase = FINALIZE;
	rc = vma_vm_finalize(l->vm);
	phase = USE;
	if (!rc)
		rc = vma_vm_map(l->vm, 0x400000, l->mem, 0, 0x2000, VMA_MAP_READ);
	phase = CREATE;
	if (!rc)
		rc = vma_vcpu_create(l->vm, 0, &l->cpu);
	phase = USE;
	if (!rc)
		rc = vma_x86_get_sregs(l->cpu, &s);
	s.cs = s.ds = s.es = s.ss = data;
	s.cs.selector = 8;
	s.cs.attr = 0x9b | VMA_SEG_DB | VMA_SEG_G;
	s.cr0 |= 1;
	if (!rc)
		rc = vma_x86_set_sregs(l->cpu, &s);
	return rc ? rc : vma_x86_set_regs(l->cpu, &r, VMA_X86_ALL_REGS);
}

static int set_state(struct life *l, vma_irqchip irqchip)
{
	static const uint32_t indices[] = {0xc0000082, 0x277, 0x174};
	uint64_t values[3];
	vma_x86_fpu_regs f;
	vma_x86_dregs d;
	vma_x86_events e;
	uint8_t lapic[0x400];
	int rc = vma_x86_get_msrs(l->cpu, indices, values, 3);

	if (rc == 3)
		rc = vma_x86_set_msrs(l->cpu, indices, values, 3);
	if (rc >= 0 && rc < 3)
		return TOLD;
	if (rc == 3)
		rc = vma_x86_get_fpu_regs(l->cpu, &f);
	if (!rc)
		rc = vma_x86_set_fpu_regs(l->cpu, &f);
	if (!rc)
		rc = vma_x86_get_debug_regs(l->cpu, &d);
	if (!rc)
		rc = vma_x86_set_debug_regs(l->cpu, &d);
	if (!rc)
		rc = vma_x86_get_events(l->cpu, &e);
	if (!rc)
		rc = vma_x86_set_events(l->cpu, &e);
	if (!rc && irqchip != VMA_IRQCHIP_NONE) {
		rc = vma_x86_get_lapic(l->cpu, lapic);
		if (!rc)
			rc = vma_x86_set_lapic(l->cpu, lapic);
	}
	return rc;
}

/* To the OUT at port 0x91 or 0x92, answering on the way. */
static int run_to(struct life *l, unsigned port)
{
	vma_exit *exit = vma_vcpu_exit(l->cpu);
	int rc;

	for (int i = 0; i < 200; i++) {
		rc = vma_vcpu_run(l->cpu);
		if (rc < 0 || (rc == VMA_EXIT_IO && exit->io.port == port))
			return rc < 0 ? rc : 0;
		if (rc == VMA_EXIT_INTERNAL || rc == VMA_EXIT_FAIL_ENTRY || rc == VMA_EXIT_OTHER || rc == VMA_EXIT_TRIPLE_FAULT)
			fail_msg("exit %s after %s failed with %#x", vma_exit_name(rc), failed, (unsigned)fail_with);
	}
	fail_msg("port %#x never comes after %s failed with %#x", port, failed, (unsigned)fail_with);
	return 0;
}

static int step_once(struct life *l)
{
	vma_debug on = {.size = sizeof on, .single_step = 1}, off = {.size = sizeof off};
	int rc = vma_vcpu_debug(l->cpu, &on);

	if (!rc)
		rc = vma_vcpu_run(l->cpu);
	return rc < 0 ? rc : vma_vcpu_debug(l->cpu, &off);
}

/* To vCPU 0, whose local APIC is off. */
static int message(struct life *l, vma_irqchip irqchip)
{
	return irqchip == VMA_IRQCHIP_NONE ? 0 : vma_vm_msi(l->vm, 0xfee00000, 0x50);
}

static int memory(struct life *l)
{
	uint64_t bits[RAM / 4096 / 64];
	int rc = vma_vm_dirty_log(l->vm, 0, RAM, bits, 1);

	if (!rc)
		rc = vma_vm_protect(l->vm, 0x400000, 0x2000, VMA_MAP_RWX);
	if (!rc && vma_vm_caps(l->vm) & VMA_CAP_PARTIAL_UNMAP)
		rc = vma_vm_unmap(l->vm, 0x401000, 0x1000);
	return rc ? rc : vma_vm_unmap(l->vm, 0x400000, 0x1000 + (vma_vm_caps(l->vm) & VMA_CAP_PARTIAL_UNMAP ? 0 : 0x1000));
}

/* A write that signals, by the platform but where memory is. */
static int doorbell(struct life *l)
{
	const vma_ioeventfd io = {.address = 0x600008, .length = 4, .eventfd = l->event};
	int rc = vma_vm_ioeventfd(l->vm, &io, 1);

	if (!rc)
		rc = vma_vm_map(l->vm, 0x600000, l->mem, 0, 0x1000, VMA_MAP_READ);
	if (!rc)
		rc = vma_vm_unmap(l->vm, 0x600000, 0x1000);
	return rc ? rc : vma_vm_ioeventfd(l->vm, &io, 0);
}

static void count_line(void *lines, const char *element, const char *reason)
{
	(void)element;
	(void)reason;
	++*(int *)lines;
}

static int save_restore(struct life *l)
{
	static uint8_t state[32768];
	size_t size = sizeof state;
	int lines = 0;
	vma_report report = {count_line, &lines};
	int rc;

	while ((rc = vma_vcpu_complete(l->cpu)) == 1)
		;
	if (!rc)
		rc = vma_vcpu_save(l->cpu, state, &size, VMA_STATE_TIME);
	if (!rc)
		rc = vma_vcpu_restore(l->cpu, state, size, VMA_STATE_TIME, &report);
	size = sizeof state;
	if (!rc)
		rc = vma_vm_save(l->vm, state, &size, 0);
	if (!rc)
		rc = vma_vm_restore(l->vm, state, size, 0, &report);
	return rc || !lines ? rc : TOLD;
}

static int live(struct life *l, vma_irqchip irqchip)
{
	int rc;

	phase = MAKE;
	rc = configure(l, irqchip);
	if (!rc)
		rc = start(l);
	if (!rc)
		rc = set_state(l, irqchip);
	if (!rc)
		rc = run_to(l, 0x91);
	if (!rc)
		rc = message(l, irqchip);
	if (!rc)
		rc = memory(l);
	if (!rc)
		rc = doorbell(l);
	if (!rc)
		rc = save_restore(l);
	if (!rc && irqchip == VMA_IRQCHIP_NONE)
		rc = vma_x86_irq_window(l->cpu, 1);
	if (!rc)
		rc = step_once(l);
	if (!rc)
		rc = run_to(l, 0x92);
	if (!rc)
		rc = vma_x86_nmi(l->cpu);
	return rc ? rc : vma_vcpu_reset(l->cpu);
}

static int life(vma_irqchip irqchip)
{
	struct life l = {.event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
	int rc = live(&l, irqchip);

	phase = END;
	if (l.vm)
		assert_int_equal(vma_vm_destroy(l.vm), 0);
	vma_mem_unref(l.mem);
	close(l.event);
	return rc;
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

static void one(vma_irqchip irqchip, const char *call, int n, int with)
{
	char code_text[16];
	int rc;

	only = call;
	calls = 0;
	fail_at = n;
	fail_with = with;
	failed[0] = 0;
	rc = life(irqchip);
	assert_true(failed[0]);
	snprintf(code_text, sizeof code_text, "0x%08x", (unsigned)with);
	if (rc == 0 && !is_tolerated(call, n))
		fail_msg("%s, call %d, fails with %s, and nobody notices", call, n, code_text);
	if (rc == TOLD)
		rc = 1;
	if (rc < 0 && with < 0 && (!strstr(vma_why(), call) || !strstr(vma_why(), code_text)))
		fail_msg("%s, call %d, fails with %s, and the sentence is \"%s\"", call, n, code_text, vma_why());
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

static void sweep(vma_irqchip irqchip)
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

		if (native)
			remember(all[i].name);
		for (int n = 1; n <= all[i].count; n++) {
			/* each code at a call's first; two of them, in turn, at each later one */
			for (int k = 0; native && k < (n == 1 ? CODES : 2); k++)
				one(irqchip, all[i].name, n, codes[n == 1 ? k : (n * 2 + k) % CODES]);
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
	sweep(VMA_IRQCHIP_NONE);
}

static void sweep_library(void **state)
{
	(void)state;
	sweep(VMA_IRQCHIP_LIBRARY);
}

static void sweep_platform(void **state)
{
	(void)state;
	sweep(VMA_IRQCHIP_PLATFORM);
}

/* All that the back end looks up have failed, but those that are another test's. */
static void none_is_left_out(void **state)
{
	static const char *const required[] = {
#define X(name) "WHv" #name,
		WHPX_REQUIRED(X)
#undef X
	};
	static const char *const elsewhere[] = {
		"WHvGetCapability",             /* probe_fails */
		"WHvCancelRunVirtualProcessor", /* test_whpx_kick: another thread's */
	};

	(void)state;
	for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
		remember(elsewhere[i]);
	for (size_t i = 0; i < sizeof required / sizeof *required; i++) {
		int k = 0;

		while (k < swept_count && strcmp(swept[k], required[i]))
			k++;
		if (k == swept_count)
			fail_msg("%s was never called", required[i]);
	}
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
	char code_text[16];

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
	snprintf(code_text, sizeof code_text, "0x%08x", (unsigned)fail_with);
	if (strncmp(failed, "WHv", 3) || !strcmp(failed, "WHvGetCapability"))
		return 0;
	return strstr(info.why, failed) && strstr(info.why, code_text) ? 0 : 5;
}

static int in_a_process(int n, int with, int (*body)(void))
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (!child) {
		vma_os_fault = nth_fails;
		fail_at = n;
		fail_with = with;
		_exit(body());
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void probe_fails(void **state)
{
	int n = 0, rc = 0;

	(void)state;
	while (rc != 2) {
		n++;
		assert_true(n < 100);
		for (int k = 0; k < CODES && rc != 2; k++) {
			rc = in_a_process(n, codes[k], probe_with_failure);
			if (rc && rc != 2)
				fail_msg("call %d of the probe fails with %#x: %d", n, (unsigned)codes[k], rc);
		}
	}
	assert_true(n > 5);
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
		cmocka_unit_test(none_is_left_out), /* of the sweeps */
		cmocka_unit_test(names_the_range),
	};

	tester = pthread_self();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
