/* whpx_trial.c - what documents leave open, and others have met either way, is tried out by the probe on a partition
 * that is thrown away: properties before its set-up, registers one by one, and a few bytes of guest. What comes to no
 * answer stays as it is believed to be (docs/internals.md has the table). */
#include <stdio.h>
#include <string.h>
#include "core/internal.h"
#include "whpx/whpx.h"

enum { CONTEXT_1803 = 144 }; /* WHV_RUN_VP_EXIT_CONTEXT of the first version */

/* ------ properties ------ */

static bool takes(WHV_PARTITION_HANDLE p, WHV_PARTITION_PROPERTY_CODE code, const void *value, uint32_t size)
{
	return WHPX(SetPartitionProperty, p, code, value, size) == S_OK;
}

/* What the capability of the bitmap says need not be so: some say 0 and let it be set (VirtualBox, on 1803). */
static uint64_t exceptions_taken(WHV_PARTITION_HANDLE p)
{
	enum { LEAST = 1 << WHPX_DB | 1 << WHPX_BP };
	static const uint64_t wanted[] = {LEAST | 1 << WHPX_UD | 1 << WHPX_GP, LEAST | 1 << WHPX_GP, LEAST};
	const WHV_EXTENDED_VM_EXITS exits = {.ExceptionExit = 1, .HypercallExit = whpx_host.exits.HypercallExit};

	if (!whpx_host.exits.ExceptionExit || !takes(p, WHvPartitionPropertyCodeExtendedVmExits, &exits, sizeof(exits)))
		return 0;
	for (size_t i = 0; i < VMA_COUNT(wanted); i++)
		if (takes(p, WHvPartitionPropertyCodeExceptionExitBitmap, &wanted[i], sizeof(wanted[i])))
			return wanted[i];
	return 0;
}

/* No capability tells of this property. */
static bool knows_msr_actions(WHV_PARTITION_HANDLE p)
{
	const WHV_MSR_ACTION_ENTRY nothing = {.Index = 0x1b};

	return takes(p, WHvPartitionPropertyCodeMsrActionList, &nothing, sizeof(nothing));
}

static bool halts_inside; /* the mode could not be put back: a guest that halts would never come out */

static enum whpx_answer takes_x2apic(WHV_PARTITION_HANDLE p)
{
	const WHV_X64_LOCAL_APIC_EMULATION_MODE x2apic = WHvX64LocalApicEmulationModeX2Apic,
						none = WHvX64LocalApicEmulationModeNone;
	bool taken;

	if (!whpx_host.features.LocalApicEmulation)
		return WHPX_UNTRIED;
	taken = takes(p, WHvPartitionPropertyCodeLocalApicEmulationMode, &x2apic, sizeof(x2apic));
	halts_inside = taken && !takes(p, WHvPartitionPropertyCodeLocalApicEmulationMode, &none, sizeof(none));
	return taken ? WHPX_BELIEVED : WHPX_OTHERWISE;
}

void whpx_try_properties(WHV_PARTITION_HANDLE p)
{
	whpx_host.msr_actions = knows_msr_actions(p);
	whpx_host.exceptions = exceptions_taken(p);
	whpx_host.tried.x2apic = takes_x2apic(p);
}

/* ------ registers ------ */

enum { NEEDED, FOR_IRQCHIP, FOR_XSAVE };

/* What is used besides those that every client of the platform uses. */
static const struct {
	WHV_REGISTER_NAME name;
	const char *text;
	int what;
} registers[] = {
	{WHvRegisterPendingInterruption, "PendingInterruption", NEEDED},
	{WHvRegisterInterruptState, "InterruptState", NEEDED},
	{WHvX64RegisterDeliverabilityNotifications, "DeliverabilityNotifications", NEEDED},
	{WHvRegisterPendingEvent, "PendingEvent", FOR_IRQCHIP},
	{WHvRegisterInternalActivityState, "InternalActivityState", FOR_IRQCHIP},
	{WHvX64RegisterXCr0, "XCr0", FOR_XSAVE},
};

static HRESULT has(WHV_PARTITION_HANDLE p, WHV_REGISTER_NAME name)
{
	_Alignas(16) WHV_REGISTER_VALUE value;

	return WHPX(GetVirtualProcessorRegisters, p, 0, &name, 1, &value);
}

/* NULL: all that is needed is there, and what is not is not offered. */
static const char *try_registers(WHV_PARTITION_HANDLE p, HRESULT *hr)
{
	static char call[80];

	for (size_t i = 0; i < VMA_COUNT(registers); i++) {
		*hr = has(p, registers[i].name);
		if (*hr && registers[i].what == NEEDED) {
			snprintf(call, sizeof(call), "WHvGetVirtualProcessorRegisters of %s", registers[i].text);
			return call;
		}
		if (!*hr)
			continue;
		if (registers[i].what == FOR_XSAVE)
			whpx_host.features.Xsave = 0;
		else
			whpx_host.features.LocalApicEmulation = 0;
		if (registers[i].name == WHvRegisterPendingEvent)
			whpx_host.no_pending_event = true;
	}
	return NULL;
}

/* ------ tiny guests ------ */

/* Ends a run that would never end. */
struct watch {
	WHV_PARTITION_HANDLE partition;
	uint64_t deadline;
	struct os_event done;
	atomic_bool late;
	struct os_worker *worker;
};
enum { PATIENCE_MS = 3000, CANCEL_MS = 1000, AGAIN_MS = 10 };

static void watch_run(void *arg)
{
	struct watch *w = arg;

	while (!os_event_wait(&w->done, w->deadline)) {
		atomic_store(&w->late, true);
		WHPX(CancelRunVirtualProcessor, w->partition, 0, 0);
		w->deadline = os_now_ns() + AGAIN_MS * UINT64_C(1000000);
	}
}

/* Real mode, at `rip` in segment 0. */
static HRESULT start(WHV_PARTITION_HANDLE p, uint16_t rip, uint64_t rflags)
{
	static const WHV_REGISTER_NAME names[] = {WHvX64RegisterCs, WHvX64RegisterRip, WHvX64RegisterRflags,
						  WHvX64RegisterDr6};
	_Alignas(16) WHV_REGISTER_VALUE values[VMA_COUNT(names)];

	memset(values, 0, sizeof(values));
	values[0].Segment = (WHV_X64_SEGMENT_REGISTER){.Limit = 0xffff, .Attributes = 0x9b};
	values[1].Reg64 = rip;
	values[2].Reg64 = rflags;
	values[3].Reg64 = 0xffff0ff0;
	return WHPX(SetVirtualProcessorRegisters, p, 0, names, VMA_COUNT(names), values);
}

static HRESULT enter(WHV_PARTITION_HANDLE p, WHV_RUN_VP_EXIT_CONTEXT *x)
{
	HRESULT hr = WHPX(RunVirtualProcessor, p, 0, x, whpx_host.context_size);

	if (!hr || whpx_host.context_size == CONTEXT_1803)
		return hr;
	whpx_host.context_size = CONTEXT_1803;
	if (!WHPX(RunVirtualProcessor, p, 0, x, CONTEXT_1803))
		return S_OK;
	whpx_host.context_size = sizeof(*x);
	return hr;
}

/* Exits that may come for no reason of the guest's. */
static bool spurious(const WHV_RUN_VP_EXIT_CONTEXT *x)
{
	return x->ExitReason == WHvRunVpExitReasonNone || x->ExitReason == WHvRunVpExitReasonCanceled ||
	       x->ExitReason == WHvRunVpExitReasonX64InterruptWindow || x->ExitReason == WHvRunVpExitReasonMemoryAccess;
}

/* *x is the guest's exit, or a Canceled where `canceled` asks for that; None: it came to nothing in time. False: it did
 * not run, since nobody would end it. */
static bool run(WHV_PARTITION_HANDLE p, unsigned ms, bool canceled, WHV_RUN_VP_EXIT_CONTEXT *x, HRESULT *hr)
{
	enum { RUNS = 1000 };
	struct watch w = {.partition = p, .deadline = os_now_ns() + ms * UINT64_C(1000000)};
	int n = 0;

	if (os_worker_start(watch_run, &w, &w.worker))
		return false;
	do
		*hr = enter(p, x);
	while (!*hr && spurious(x) && !(canceled && x->ExitReason == WHvRunVpExitReasonCanceled) &&
	       !atomic_load(&w.late) && ++n < RUNS);
	os_event_set(&w.done);
	os_worker_join(w.worker);
	if (atomic_load(&w.late))
		x->ExitReason = WHvRunVpExitReasonNone;
	return true;
}

static enum whpx_answer answer(bool believed, bool otherwise)
{
	return believed ? WHPX_BELIEVED : otherwise ? WHPX_OTHERWISE : WHPX_UNTRIED;
}

enum {
	HALT = 0x100,
	STEP = 0x200,
	SPIN = 0x300,
	CALL = 0x400,
	CALL_AMD = 0x500,
	RFLAGS_ONE = 2,
	RFLAGS_TF = 0x100,
	DR6_BS = 1 << 14
};

/* winevdm relies on RIP behind the HLT, QEMU does not advance it. */
static void saw_halt(WHV_PARTITION_HANDLE p, const WHV_RUN_VP_EXIT_CONTEXT *x)
{
	(void)p;
	if (x->ExitReason == WHvRunVpExitReasonX64Halt)
		whpx_host.tried.halt = answer(x->VpContext.Rip == HALT + 1, x->VpContext.Rip == HALT);
}

/* AMD's processors update DR6 before the exit, Intel's leave that to the hypervisor. */
static void saw_debug(WHV_PARTITION_HANDLE p, const WHV_RUN_VP_EXIT_CONTEXT *x)
{
	const WHV_REGISTER_NAME name = WHvX64RegisterDr6;
	_Alignas(16) WHV_REGISTER_VALUE dr6 = {.Reg64 = 0};

	if (x->ExitReason != WHvRunVpExitReasonException || x->VpException.ExceptionType != WHPX_DB ||
	    WHPX(GetVirtualProcessorRegisters, p, 0, &name, 1, &dr6))
		return;
	whpx_host.tried.debug = answer(x->VpException.ExceptionParameter & DR6_BS, dr6.Reg64 & DR6_BS);
}

/* QEMU and openvmm count on it that a cancel ends the next run where there is none to end. */
static void saw_cancel(WHV_PARTITION_HANDLE p, const WHV_RUN_VP_EXIT_CONTEXT *x)
{
	(void)p;
	whpx_host.tried.cancel = answer(x->ExitReason == WHvRunVpExitReasonCanceled, true);
}

/* Here, where hypercalls are not legal, one vendor's is #UD by the processor, the other's by the hypervisor, which need
 * not let it exit. */
static void saw_call(WHV_PARTITION_HANDLE p, const WHV_RUN_VP_EXIT_CONTEXT *x)
{
	bool exits = x->ExitReason == WHvRunVpExitReasonHypercall ||
		     (x->ExitReason == WHvRunVpExitReasonException && x->VpException.ExceptionType == WHPX_UD);

	(void)p;
	if (whpx_host.tried.call != WHPX_OTHERWISE)
		whpx_host.tried.call = answer(exits, x->ExitReason != WHvRunVpExitReasonNone);
}

static const struct guest {
	uint16_t rip;
	uint64_t rflags;
	unsigned ms;
	bool canceled; /* before it begins */
	uint8_t exit;  /* the exception whose exit it needs; 0: none */
	void (*saw)(WHV_PARTITION_HANDLE p, const WHV_RUN_VP_EXIT_CONTEXT *x);
	uint8_t code[4];
} guests[] = {
	/* hlt; hlt. nop; nop; nop; hlt. jmp $. vmcall; hlt. vmmcall; hlt */
	{HALT, RFLAGS_ONE, PATIENCE_MS, false, 0, saw_halt, {0xf4, 0xf4}},
	{STEP, RFLAGS_ONE | RFLAGS_TF, PATIENCE_MS, false, WHPX_DB, saw_debug, {0x90, 0x90, 0x90, 0xf4}},
	{SPIN, RFLAGS_ONE, CANCEL_MS, true, 0, saw_cancel, {0xeb, 0xfe}},
	{CALL, RFLAGS_ONE, PATIENCE_MS, false, WHPX_UD, saw_call, {0x0f, 0x01, 0xc1, 0xf4}},
	{CALL_AMD, RFLAGS_ONE, PATIENCE_MS, false, WHPX_UD, saw_call, {0x0f, 0x01, 0xd9, 0xf4}},
};

/* NULL, or the call that failed. */
static const char *try_guest(WHV_PARTITION_HANDLE p, const struct guest *g, HRESULT *hr)
{
	WHV_RUN_VP_EXIT_CONTEXT x;

	if (g->exit && !(whpx_host.exceptions >> g->exit & 1))
		return NULL;
	*hr = start(p, g->rip, g->rflags);
	if (*hr)
		return "WHvSetVirtualProcessorRegisters";
	if (g->canceled && WHPX(CancelRunVirtualProcessor, p, 0, 0))
		return NULL;
	if (!run(p, g->ms, g->canceled, &x, hr))
		return NULL;
	if (*hr)
		return "WHvRunVirtualProcessor";
	g->saw(p, &x);
	return NULL;
}

/* ------ memory ------ */

/* Beyond what Hyper-V maps there is E_INVALIDARG, whatever width it or the processor says (Simpleator, sogen). */
static void try_width(WHV_PARTITION_HANDLE p, uint8_t *page)
{
	enum { LEAST = 36 };

	for (; whpx_host.gpa_bits > LEAST; whpx_host.gpa_bits--) {
		uint64_t last = (UINT64_C(1) << whpx_host.gpa_bits) - WHPX_PAGE;

		if (WHPX(MapGpaRange, p, page, last, WHPX_PAGE, WHvMapGpaRangeFlagRead))
			continue;
		WHPX(UnmapGpaRange, p, last, WHPX_PAGE);
		return;
	}
}

const char *whpx_try_out(WHV_PARTITION_HANDLE p, uint8_t *page, HRESULT *hr)
{
	const char *call = try_registers(p, hr);

	if (call)
		return call;
	try_width(p, page);
	for (size_t i = 0; i < VMA_COUNT(guests); i++)
		memcpy(page + guests[i].rip, guests[i].code, sizeof(guests[i].code));
	for (size_t i = 0; !call && !halts_inside && i < VMA_COUNT(guests); i++)
		call = try_guest(p, &guests[i], hr);
	if (!halts_inside)
		whpx_host.tried.context = answer(whpx_host.context_size != CONTEXT_1803, true);
	return call;
}
