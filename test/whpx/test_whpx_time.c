/* test_whpx_time.c - the guest's TSC: at a frequency of choice, where Windows takes it, in the guest and in the emulator
 * alike; a deadline by it; and that of several vCPUs, which stand still while they are saved and restored. */
#include "each_windows.h"
#include <time.h>
#include "os/os.h"
#include "whpx/whpx.h"

enum { MSR_TSC = 0x10, HOST_HZ = WHPSIM_HZ, BLOB = 16384, CPUS = 3 };

static uint64_t tsc_of(vma_vcpu *v)
{
	static const uint32_t index = MSR_TSC;
	uint64_t tsc = 0;

	return vma_x86_get_msrs(v, &index, &tsc, 1) == 1 ? tsc : 0;
}

static int set_tsc(vma_vcpu *v, uint64_t tsc)
{
	static const uint32_t index = MSR_TSC;

	return vma_x86_set_msrs(v, &index, &tsc, 1) == 1 ? 0 : -1;
}

/* To the OUT at that port, and behind it. */
static int run_past(struct guest *g, uint16_t port)
{
	CONF_TRY(guest_run_out(g, port, 1, NULL));
	CONF_EQUAL(&conf, vma_vcpu_complete(g->v), 0);
	return CONF_PASS;
}

/* ------ what the platform's calls answer ------ */

static const char *fails;
static HRESULT fails_with;
static int fails_left;
static char calls[256]; /* S: time is suspended, R: resumed, r: a run */

static int fault(const char *call)
{
	size_t n = strlen(calls);

	if (n < sizeof calls - 1)
		calls[n] = !strcmp(call, "WHvSuspendPartitionTime")  ? 'S'
			   : !strcmp(call, "WHvResumePartitionTime") ? 'R'
			   : !strcmp(call, "WHvRunVirtualProcessor") ? 'r'
								     : 0;
	return fails && !strcmp(call, fails) && fails_left-- > 0 ? fails_with : 0;
}

static void let_fail(const char *call, HRESULT with, int times)
{
	fails = call;
	fails_with = with;
	fails_left = times;
	vma_os_fault = fault;
}

/* ------ a frequency of choice ------ */

static int create(uint64_t hz, vma_vm **vm)
{
	vma_vm_config c = {.size = sizeof c, .accel = VMA_ACCEL_WHPX, .arch = VMA_ARCH_X86_64, .tsc_hz = hz};

	return vma_vm_create(&c, vm);
}

static bool named(const char *hz, const char *call)
{
	return strstr(vma_why(), hz) && strstr(vma_why(), "1000000000") && strstr(vma_why(), call);
}

/* What Windows refuses is told with both frequencies; other trouble is not put down to them. */
static const char *refused(void)
{
	vma_vm *vm;

	EXPECT(create(HOST_HZ / 20, &vm) == 0);
	EXPECT(vma_vm_finalize(vm) == VMA_E_NO_ACCEL && named("50000000", "WHvSetPartitionProperty"));
	EXPECT(vma_vm_finalize(vm) == VMA_E_NO_ACCEL);
	EXPECT(vma_vm_destroy(vm) == 0);
	EXPECT(create(HOST_HZ * UINT64_C(2), &vm) == 0);
	let_fail("WHvSetupPartition", WHV_E_UNSUPPORTED_PROCESSOR_CONFIG, 1);
	EXPECT(vma_vm_finalize(vm) == VMA_E_NO_ACCEL && named("2000000000", "WHvSetupPartition"));
	let_fail("WHvSetupPartition", E_OUTOFMEMORY, 1);
	EXPECT(vma_vm_finalize(vm) == VMA_E_NOMEM && !strstr(vma_why(), "tsc_hz"));
	EXPECT(vma_vm_finalize(vm) == 0);
	EXPECT(vma_vm_destroy(vm) == 0);
	EXPECT(create(999999, &vm) == VMA_E_INVALID && create(UINT64_C(10000000001), &vm) == VMA_E_INVALID);
	return NULL;
}

/* Its own frequency is no choice, nor one that nobody can tell from it. */
static const char *cannot(void)
{
	static const uint64_t same[] = {HOST_HZ, HOST_HZ + 100000, HOST_HZ - 100000};
	vma_vm *vm;

	EXPECT(create(HOST_HZ * UINT64_C(2), &vm) == VMA_E_NO_ACCEL && named("2000000000", "cannot scale"));
	for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
		EXPECT(create(same[i], &vm) == 0);
		EXPECT(vma_vm_finalize(vm) == 0);
		EXPECT(vma_vm_destroy(vm) == 0);
	}
	return NULL;
}

/* A Windows that takes the property, but whose processor does not. */
static const char *learnt_at_the_setup(void)
{
	vma_platform_info info = {.size = sizeof info};

	let_fail("WHvSetupPartition", WHV_E_UNSUPPORTED_PROCESSOR_CONFIG, 1);
	whpx_probe(&info);
	EXPECT(info.available && fails_left <= 0 && !(info.caps & VMA_CAP_TSC_SCALE));
	return NULL;
}

/* ------ the guest's RDTSC, the emulator's and the register are one ------ */

static uint64_t rdtsc(struct guest *g, bool emulated)
{
	vma_debug d = {.size = sizeof d, .single_step = emulated};
	int want = emulated ? VMA_EXIT_DEBUG : VMA_EXIT_HLT;

	guest_set(g, VMA_X86_RIP, GUEST_CODE);
	if (vma_vcpu_debug(g->v, &d) || vma_vcpu_run(g->v) != want)
		return 0;
	return (uint32_t)guest_get(g, VMA_X86_RAX) | guest_get(g, VMA_X86_RDX) << 32;
}

static const char *emulated(void)
{
	const struct guest_options o = {.mode = GUEST_LONG, .tsc_hz = 2500000000};
	uint64_t last, next;
	struct guest g;

	if (guest_open(&g, &conf, &o, "\x0f\x31\xf4", 3) != CONF_PASS)
		return conf.reason;
	last = rdtsc(&g, false);
	for (int i = 0; i < 60; i++, last = next) {
		next = i % 3 == 2 ? tsc_of(g.v) : rdtsc(&g, i % 3);
		EXPECT(next > last && next - last < UINT64_C(5) * 2500000000);
	}
	guest_close(&g);
	return NULL;
}

/* ------ deadlines ------ */

enum { TOLD_ARMED = 0x81, TOLD_DUE = 0x80, HANDLER = GUEST_CODE + 0x100 };

/* The local APIC on, its timer in TSC-deadline mode; RBX = TSC + RSI; out 81h, al; sti; hlt */
static const uint8_t arm[] = {
	0xbf, 0x00, 0x00, 0xe0, 0xfe,                               /* mov edi, 0xfee00000 */
	0xc7, 0x87, 0xf0, 0x00, 0x00, 0x00, 0xff, 0x01, 0x00, 0x00, /* SVR */
	0xc7, 0x87, 0x20, 0x03, 0x00, 0x00, 0x43, 0x00, 0x04, 0x00, /* LVT timer */
	0x0f, 0x31, 0x48, 0xc1, 0xe2, 0x20, 0x48, 0x09, 0xd0,       /* rdtsc; shl rdx, 32; or rax, rdx */
	0x48, 0x01, 0xf0, 0x48, 0x89, 0xc3,                         /* add rax, rsi; mov rbx, rax */
	0x48, 0x89, 0xc2, 0x48, 0xc1, 0xea, 0x20,                   /* mov rdx, rax; shr rdx, 32 */
	0xb9, 0xe0, 0x06, 0x00, 0x00, 0x0f, 0x30,                   /* mov ecx, 0x6e0; wrmsr */
	0xe6, 0x81, 0xfb, 0xf4, 0xeb, 0xfd,                         /* out 0x81, al; sti; hlt; jmp .-1 */
};
/* rdtsc; shl rdx, 32; or rax, rdx; out 80h, al */
static const uint8_t handler[] = {0x0f, 0x31, 0x48, 0xc1, 0xe2, 0x20, 0x48, 0x09, 0xd0, 0xe6, 0x80};

static int open_timer(struct guest *g, vma_irqchip irqchip, uint32_t cpus, uint64_t hz)
{
	const struct guest_options o = {.mode = GUEST_LONG, .irqchip = irqchip, .cpus = cpus, .tsc_hz = hz};

	CONF_TRY(guest_open(g, &conf, &o, arm, sizeof arm));
	guest_code(g, HANDLER, handler, sizeof handler);
	guest_gate(g, 0x43, HANDLER);
	return CONF_PASS;
}

/* Never early, by the TSC and by the host's clock; late at times, but not each time by as much. */
static const char *due_at(vma_irqchip irqchip, uint64_t hz)
{
	const uint64_t ticks = hz / 10;
	uint64_t late = UINT64_MAX;
	struct guest g;

	for (int i = 0; i < 5 && late > ticks; i++) {
		uint64_t start, now;

		if (open_timer(&g, irqchip, 1, hz) != CONF_PASS)
			return conf.reason;
		if (vma_x86_has_feature(g.vm, "tsc_deadline") != 1)
			return guest_close(&g), NULL;
		guest_set(&g, VMA_X86_RSI, ticks);
		start = os_now_ns();
		EXPECT(run_past(&g, TOLD_ARMED) == CONF_PASS);
		EXPECT(run_past(&g, TOLD_DUE) == CONF_PASS);
		now = guest_get(&g, VMA_X86_RAX);
		EXPECT(os_now_ns() - start >= 100000000);
		EXPECT(now >= guest_get(&g, VMA_X86_RBX));
		late = now - guest_get(&g, VMA_X86_RBX);
		guest_close(&g);
	}
	EXPECT(late <= ticks);
	return NULL;
}

static const char *deadlines(void)
{
	static const vma_irqchip kinds[] = {VMA_IRQCHIP_LIBRARY, VMA_IRQCHIP_PLATFORM};
	const char *why = NULL;

	for (size_t i = 0; !why && i < 2; i++) {
		why = due_at(kinds[i], 2500000000);
		if (!why)
			why = due_at(kinds[i], 400000000);
	}
	return why;
}

/* Time stands still between the save and the run, for the deadline too. */
static const char *stands_for_deadlines(void)
{
	static uint8_t blob[BLOB];
	static const vma_irqchip kinds[] = {VMA_IRQCHIP_LIBRARY, VMA_IRQCHIP_PLATFORM};

	for (size_t i = 0; i < 2; i++) {
		size_t size = BLOB;
		struct guest g;
		uint64_t stood;

		if (open_timer(&g, kinds[i], 2, 0) != CONF_PASS)
			return conf.reason;
		guest_set(&g, VMA_X86_RSI, 200000000);
		EXPECT(run_past(&g, TOLD_ARMED) == CONF_PASS);
		EXPECT(vma_vcpu_save(g.v, blob, &size, VMA_STATE_TIME) == 0);
		stood = tsc_of(g.v);
		usleep(300000);
		EXPECT(tsc_of(g.v) == stood);
		EXPECT(run_past(&g, TOLD_DUE) == CONF_PASS);
		EXPECT(guest_get(&g, VMA_X86_RAX) >= guest_get(&g, VMA_X86_RBX));
		guest_close(&g);
	}
	return NULL;
}

/* ------ several vCPUs ------ */

/* Is b's TSC so far ahead of a's? Both go on: it lies between two looks at a's. */
static bool ahead(vma_vcpu *a, vma_vcpu *b, uint64_t by)
{
	uint64_t first = tsc_of(a), there = tsc_of(b) - by, last = tsc_of(a);

	return first <= there && there <= last;
}

static const uint64_t apart[CPUS] = {0, UINT64_C(1) << 40, UINT64_C(0) - 12345678901};

static int open_apart(struct guest *g, vma_vcpu *v[CPUS], vma_irqchip irqchip)
{
	const struct guest_options o = {.mode = GUEST_LONG, .irqchip = irqchip, .cpus = CPUS, .tsc_hz = 2500000000};
	static uint8_t blob[BLOB];
	size_t size = BLOB;

	CONF_TRY(guest_open(g, &conf, &o, "\xe6\x80\xeb\xfc", 4)); /* out 80h, al; jmp */
	v[0] = g->v;
	for (uint32_t i = 1; i < CPUS; i++)
		CONF_OK(&conf, vma_vcpu_create(g->vm, i, &v[i]));
	CONF_OK(&conf, vma_vcpu_save(v[0], blob, &size, VMA_STATE_TIME)); /* so that time stands */
	for (uint32_t i = 0; i < CPUS; i++)
		CONF_OK(&conf, set_tsc(v[i], (UINT64_C(1) << 41) + apart[i]));
	return run_past(g, 0x80);
}

/* Saved and restored with 20 ms between one and the next. */
static int move(struct guest *g, vma_vcpu *v[CPUS])
{
	static uint8_t blob[CPUS][BLOB];
	size_t size[CPUS];

	for (int i = 0; i < CPUS; i++) {
		size[i] = BLOB;
		CONF_OK(&conf, vma_vcpu_save(v[i], blob[i], &size[i], VMA_STATE_TIME));
		usleep(20000);
	}
	CONF_TRY(run_past(g, 0x80));
	for (int i = CPUS; i-- > 0;) {
		usleep(20000);
		CONF_OK(&conf, vma_vcpu_restore(v[i], blob[i], size[i], VMA_STATE_TIME, NULL));
	}
	return run_past(g, 0x80);
}

static const char *together_with(vma_irqchip irqchip)
{
	vma_vcpu *v[CPUS];
	struct guest g;

	if (open_apart(&g, v, irqchip) != CONF_PASS)
		return conf.reason;
	for (int i = 1; i < CPUS; i++)
		EXPECT(ahead(v[0], v[i], apart[i]));
	memset(calls, 0, sizeof calls);
	let_fail(NULL, 0, 0);
	if (move(&g, v) != CONF_PASS)
		return conf.reason;
	vma_os_fault = NULL;
	/* once each before and after, however many runs that need */
	EXPECT(calls[0] == 'S' && calls[1] == 'R' && calls[2] == 'r');
	EXPECT(!strncmp(calls + strspn(calls + 2, "r") + 2, "SRr", 3));
	for (int i = 1; i < CPUS; i++)
		EXPECT(ahead(v[0], v[i], apart[i]));
	guest_close(&g);
	return NULL;
}

static const char *together(void)
{
	static const vma_irqchip kinds[] = {VMA_IRQCHIP_NONE, VMA_IRQCHIP_LIBRARY, VMA_IRQCHIP_PLATFORM};
	const char *why = NULL;

	for (size_t i = 0; !why && i < 3; i++)
		why = together_with(kinds[i]);
	return why;
}

/* How far the TSC of b is ahead of a's, less `by`, at least: a's is read first. */
static int64_t ahead_at_least(vma_vcpu *a, vma_vcpu *b, uint64_t by)
{
	uint64_t first = tsc_of(a);

	return (int64_t)(tsc_of(b) - by - first);
}

/* The same without: by the delays, 40 ms from one to the next. And where the calls fail. */
static const char *alone(void)
{
	vma_vcpu *v[CPUS];
	struct guest g;

	if (open_apart(&g, v, VMA_IRQCHIP_NONE) != CONF_PASS)
		return conf.reason;
	let_fail("WHvSuspendPartitionTime", WHV_E_INVALID_VP_STATE, 99);
	if (move(&g, v) != CONF_PASS)
		return conf.reason;
	vma_os_fault = NULL;
	for (uint64_t i = 1; i < CPUS; i++)
		EXPECT(ahead_at_least(v[0], v[i], apart[i]) >= (int64_t)i * 2500000 * 30);
	whpx_api.SuspendPartitionTime = NULL;
	if (move(&g, v) != CONF_PASS)
		return conf.reason;
	for (uint64_t i = 1; i < CPUS; i++)
		EXPECT(ahead_at_least(v[0], v[i], apart[i]) >= (int64_t)i * 2500000 * 60);
	guest_close(&g);
	return NULL;
}

static const char *does_not_go_on(void)
{
	static uint8_t blob[BLOB];
	size_t size = BLOB;
	vma_vcpu *v[CPUS];
	struct guest g;

	if (open_apart(&g, v, VMA_IRQCHIP_NONE) != CONF_PASS)
		return conf.reason;
	EXPECT(vma_vcpu_save(g.v, blob, &size, VMA_STATE_TIME) == 0);
	let_fail("WHvResumePartitionTime", E_OUTOFMEMORY, 1);
	EXPECT(vma_vcpu_run(g.v) == VMA_E_NOMEM && strstr(vma_why(), "WHvResumePartitionTime"));
	EXPECT(vma_vcpu_run(g.v) == VMA_EXIT_IO);
	vma_os_fault = NULL;
	guest_close(&g);
	return NULL;
}

/* A run that begins while time is stopped, of which nobody knew: its deadline comes. */

static struct guest late;
static atomic_int turn; /* 1: it is ready, 2: it may begin */
static const char *went;
enum { BEGUN = GUEST_DATA, LATE_CODE = GUEST_CODE + 0x200 };

/* mov byte [BEGUN], 1; jmp GUEST_CODE */
static const uint8_t begin[] = {0xc6, 0x04, 0x25, 0x00, 0x00, 0x01, 0x00, 0x01, 0xe9, 0xf3, 0xfd, 0xff, 0xff};

static void *run_late(void *unused)
{
	struct guest g = late;

	if (vma_vcpu_create(g.vm, 1, &g.v))
		return went = vma_why(), NULL;
	g.exit = vma_vcpu_exit(g.v);
	if (guest_set_mode(&g, g.v, GUEST_LONG) || vma_vcpu_set_mp(g.v, VMA_MP_RUNNABLE))
		return went = vma_why(), NULL;
	guest_set(&g, VMA_X86_RIP, LATE_CODE);
	guest_set(&g, VMA_X86_RSI, 50000000);
	for (turn = 1; turn < 2;)
		usleep(100);
	went = run_past(&g, TOLD_DUE) ? conf.reason : NULL;
	vma_vcpu_destroy(g.v);
	return unused;
}

static __typeof__(whpx_api.SuspendPartitionTime) really;

static HRESULT suspend_and_be_late(WHV_PARTITION_HANDLE p)
{
	HRESULT hr = really(p);

	turn = 2;
	while (!*(volatile uint8_t *)(late.ram + BEGUN))
		usleep(100);
	return hr;
}

static const char *begun_meanwhile(void)
{
	static uint8_t blob[BLOB];
	size_t size = BLOB;
	pthread_t thread;

	if (open_timer(&late, VMA_IRQCHIP_LIBRARY, 2, 0) != CONF_PASS)
		return conf.reason;
	guest_code(&late, LATE_CODE, begin, sizeof begin);
	guest_code(&late, GUEST_CODE + sizeof arm - 6, "\x90\x90", 2); /* no OUT, which would end the run */
	pthread_create(&thread, NULL, run_late, NULL);
	while (!went && turn != 1)
		usleep(100);
	EXPECT(!went);
	really = whpx_api.SuspendPartitionTime;
	whpx_api.SuspendPartitionTime = suspend_and_be_late;
	EXPECT(vma_vcpu_save(late.v, blob, &size, VMA_STATE_TIME) == 0);
	whpx_api.SuspendPartitionTime = really;
	pthread_join(thread, NULL);
	if (went)
		return went;
	guest_close(&late);
	return NULL;
}

static const struct windows_row rows[] = {
	{"11", "refused", refused},
	{"2004,invalidarg", "refused", refused},
	{"11,no-tsc-scaling", "cannot", cannot},
	{"11", "learnt at the set-up", learnt_at_the_setup},
	{"11", "emulated", emulated},
	{"2004,hostile=3", "emulated", emulated},
	{"11", "deadlines", deadlines},
	{"2004", "deadlines", deadlines},
	{"11", "stands for deadlines", stands_for_deadlines},
	{"11", "together", together},
	{"2004,hostile=5", "together", together},
	{"11", "alone", alone},
	{"11", "does not go on", does_not_go_on},
	{"11", "begun meanwhile", begun_meanwhile},
};

int main(void)
{
	return each_on_its_windows(rows, sizeof rows / sizeof *rows);
}
